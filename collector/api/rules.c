/*
 * How much the alerts of each rule are worth: a rule is a kind of incident and, where there is one, its class
 * of reasons.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

#define BY_ITSELF_NS (5 * NJ_MIN)
#define NS_PER_S 1e9

struct rule {
    char kind[NJ_RULE_REASON_MAX], class[NJ_RULE_REASON_MAX];
    int64_t count, suppressed, resolved, by_itself;
    int64_t *lasted_ns;
    struct nj_precision marks; /* its strings are not used */
};

struct rules {
    struct rule *items;
    size_t count;
};

static struct rule *find(struct rules *rules, const char *kind, const char *class)
{
    for (size_t i = rules->count; i > 0; i--) {
        struct rule *rule = &rules->items[i - 1];
        if (nj_streq(rule->kind, kind) && nj_streq(rule->class, class))
            return rule;
    }
    if (rules->count == NJ_RULES_MAX)
        return NULL;
    struct rule *rule = &rules->items[rules->count++];
    (void)snprintf(rule->kind, sizeof(rule->kind), "%s", kind);
    (void)snprintf(rule->class, sizeof(rule->class), "%s", class);
    return rule;
}

static int on_told(void *data, const struct nj_told *told)
{
    char class[NJ_RULE_REASON_MAX];
    nj_rule_class(told->kind, told->reason, class);
    struct rule *rule = find(data, told->kind, class);
    if (rule == NULL)
        return 0;
    rule->count++;
    rule->suppressed += told->suppressed ? 1 : 0;
    if (!told->resolved)
        return 0;
    if ((rule->resolved & (rule->resolved - 1)) == 0)
        rule->lasted_ns = nj_realloc(rule->lasted_ns, rule->resolved == 0 ? 1 : (size_t)rule->resolved * 2,
                                     sizeof(*rule->lasted_ns));
    rule->lasted_ns[rule->resolved++] = told->lasted_ns;
    rule->by_itself += !told->handled && told->lasted_ns <= BY_ITSELF_NS ? 1 : 0;
    return 0;
}

static int on_marks(void *data, const struct nj_precision *marks)
{
    struct rule *rule = find(data, marks->kind, marks->reason);
    if (rule != NULL)
        rule->marks = *marks;
    return 0;
}

static int compare_ns(const void *a, const void *b)
{
    const int64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static void append_share(struct nj_buf *out, const char *name, int64_t part, int64_t whole)
{
    if (whole == 0)
        nj_api_field_json(out, name, "");
    else
        nj_api_field_share(out, name, (uint64_t)part, (uint64_t)whole);
}

static void append_rule(struct nj_api_call *call, struct rule *rule)
{
    struct nj_buf *out = &call->body;
    const struct nj_precision *marks = &rule->marks;
    nj_api_list_item(call);
    nj_api_object_begin(out);
    nj_api_field(out, "kind", rule->kind);
    nj_api_field(out, "reason", rule->class);
    nj_api_field_int(out, "count", rule->count);
    nj_api_field_int(out, "suppressed", rule->suppressed);
    nj_api_field_int(out, "resolved", rule->resolved);
    nj_api_field_int(out, "useful", marks->useful);
    nj_api_field_int(out, "noise", marks->noise);
    append_share(out, "precision", marks->useful, marks->useful + marks->noise);
    append_share(out, "latestPrecision", marks->latest_useful, marks->latest_useful + marks->latest_noise);
    nj_api_field_bool(out, "flagged", nj_rule_is_flagged(marks));
    nj_api_field_bool(out, "demoted", nj_rule_is_flagged(marks) && call->config->notify.demote);
    append_share(out, "resolvedByItself", rule->by_itself, rule->resolved);
    if (rule->resolved > 0) {
        qsort(rule->lasted_ns, (size_t)rule->resolved, sizeof(*rule->lasted_ns), compare_ns);
        const int64_t *median_ns = &rule->lasted_ns[rule->resolved / 2];
        nj_api_field_double(out, "medianSeconds", (double)*median_ns / NS_PER_S);
    } else {
        nj_api_field_json(out, "medianSeconds", "");
    }
    nj_api_object_end(out);
}

static int query_rules(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct rules rules = {.items = nj_calloc(NJ_RULES_MAX, sizeof(struct rule))};
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_told(store, 0, on_told, &rules, err);
    if (rc == 0)
        rc = store->ops->each_precision(store, NJ_RULE_LATEST, on_marks, &rules, err);
    for (size_t i = 0; i < rules.count; i++) {
        append_rule(call, &rules.items[i]);
        free(rules.items[i].lasted_ns);
    }
    nj_api_list_end(call);
    free(rules.items);
    return rc;
}

void nj_api_rules(struct nj_api_call *call)
{
    nj_api_run(call, query_rules);
}
