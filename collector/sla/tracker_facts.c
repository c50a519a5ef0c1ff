#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/sla/tracker_internal.h"
#include "common/base/str.h"

uint64_t nj_tracker_hash(const char *text)
{
    return text == NULL || text[0] == '\0' ? 0 : nj_hash64(text, strlen(text));
}

void nj_fact_free(struct nj_fact *fact)
{
    free(fact->namespace);
    free(fact->workload_kind);
    free(fact->workload);
    free(fact->service);
    free(fact->detail);
    free(fact->reference);
    free(fact);
}

struct nj_fact *nj_fact_copy(const struct nj_tracker_fact *from)
{
    struct nj_fact *fact = NJ_NEW(struct nj_fact);
    fact->kind = from->kind;
    fact->at_ns = from->at_ns;
    fact->namespace = nj_strdup(nj_str(from->namespace));
    fact->workload_kind = nj_strdup(nj_str(from->workload_kind));
    fact->workload = nj_strdup(nj_str(from->workload));
    fact->service = nj_strdup(nj_str(from->service));
    fact->detail = nj_strdup(nj_str(from->detail));
    fact->reference = nj_strdup(nj_str(from->reference));
    fact->pod = nj_tracker_hash(from->pod_uid);
    fact->node = nj_tracker_hash(from->node);
    fact->value = from->value;
    return fact;
}

void nj_standing_free(struct nj_tracker *tracker, struct nj_standing *standing)
{
    NJ_TABLE_REMOVE(tracker->standing, standing);
    nj_fact_free(standing->fact);
    free(standing->key);
    free(standing);
}

const struct nj_fact *nj_tracker_standing(const struct nj_tracker *tracker, enum nj_tracker_fact_kind kind,
                                          const char *key)
{
    struct nj_standing *standing = NULL;
    NJ_CLEANUP_FREE char *whole = nj_asprintf("%d/%s", (int)kind, key);
    HASH_FIND_STR(tracker->standing, whole, standing);
    return standing == NULL ? NULL : standing->fact;
}

static void keep(struct nj_tracker *tracker, const struct nj_tracker_fact *fact,
                 enum nj_tracker_fact_kind kind, const char *key, bool begins)
{
    struct nj_standing *standing = NULL;
    char *whole = nj_asprintf("%d/%s", (int)kind, key);
    HASH_FIND_STR(tracker->standing, whole, standing);
    if (standing != NULL)
        nj_standing_free(tracker, standing);
    if (!begins || HASH_COUNT(tracker->standing) >= NJ_TRACKER_STANDING_MAX) {
        free(whole);
        return;
    }
    standing = NJ_NEW(struct nj_standing);
    standing->key = whole;
    standing->kind = kind;
    standing->fact = nj_fact_copy(fact);
    HASH_ADD_KEYPTR(hh, tracker->standing, standing->key, strlen(standing->key), standing);
}

static void keep_node(struct nj_tracker *tracker, const struct nj_tracker_fact *fact,
                      enum nj_tracker_fact_kind kind, bool begins)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "%llx", (unsigned long long)nj_tracker_hash(fact->node));
    keep(tracker, fact, kind, key, begins);
}

static void keep_rollout(struct nj_tracker *tracker, const struct nj_tracker_fact *fact, bool begins)
{
    NJ_CLEANUP_FREE char *key =
        nj_asprintf("%s/%s/%s", nj_str(fact->namespace), nj_str(fact->workload_kind), nj_str(fact->workload));
    const struct nj_fact *running = nj_tracker_standing(tracker, NJ_FACT_ROLLOUT_BEGAN, key);
    /* The end of one that another has superseded is not the end of that. */
    if (!begins && running != NULL && !nj_streq(running->reference, fact->reference))
        return;
    keep(tracker, fact, NJ_FACT_ROLLOUT_BEGAN, key, begins);
}

static void keep_standing(struct nj_tracker *tracker, const struct nj_tracker_fact *fact)
{
    switch (fact->kind) {
    case NJ_FACT_ROLLOUT_BEGAN:
    case NJ_FACT_ROLLOUT_DONE:
        keep_rollout(tracker, fact, fact->kind == NJ_FACT_ROLLOUT_BEGAN);
        break;
    case NJ_FACT_NODE_DOWN:
    case NJ_FACT_NODE_UP:
        keep_node(tracker, fact, NJ_FACT_NODE_DOWN, fact->kind == NJ_FACT_NODE_DOWN);
        break;
    case NJ_FACT_NODE_CORDONED:
    case NJ_FACT_NODE_UNCORDONED:
        keep_node(tracker, fact, NJ_FACT_NODE_CORDONED, fact->kind == NJ_FACT_NODE_CORDONED);
        break;
    default:
        break;
    }
}

/* A rollout that has failed goes on: what it brings from now on is its failure's. */
static void fail_rollout(struct nj_tracker *tracker, const struct nj_tracker_fact *fact)
{
    struct nj_standing *standing = NULL, *next = NULL;
    struct nj_tracked *service = NULL, *next_service = NULL;
    HASH_ITER (hh, tracker->standing, standing, next) {
        if (standing->kind == NJ_FACT_ROLLOUT_BEGAN && nj_streq(standing->fact->reference, fact->reference) &&
            nj_streq(standing->fact->namespace, fact->namespace)) {
            standing->fact->value = -1;
            nj_tracked_replace(&standing->fact->detail, fact->detail);
        }
    }
    HASH_ITER (hh, tracker->services, service, next_service) {
        if (!nj_streq(service->namespace, fact->namespace))
            continue;
        if (service->now.cause == NJ_OUTAGE_BY_ROLLOUT && nj_streq(service->reference, fact->reference))
            nj_tracked_set_cause(service, NJ_OUTAGE_BY_FAILED_ROLLOUT, fact->detail, fact->reference);
        else if (service->other_cause == NJ_OUTAGE_BY_ROLLOUT &&
                 nj_streq(service->other_reference, fact->reference))
            service->other_cause = NJ_OUTAGE_BY_FAILED_ROLLOUT;
    }
    if (tracker->options.on_recause != NULL)
        tracker->options.on_recause(tracker->options.data, nj_str(fact->namespace), nj_str(fact->reference),
                                    NJ_OUTAGE_BY_FAILED_ROLLOUT, nj_str(fact->detail));
}

/* Services whose cause may be another now. */
static void review(struct nj_tracker *tracker, int64_t at_ns)
{
    struct nj_tracked *service = NULL, *next = NULL;
    HASH_ITER (hh, tracker->services, service, next) {
        if (service->known && service->looked && nj_service_is_unwell(service->now.state) &&
            at_ns - service->now.from_ns <= NJ_TRACKER_SETTLE_NS && nj_tracked_choose_again(tracker, service))
            nj_tracked_tell(tracker, service);
    }
}

void nj_tracker_fact(struct nj_tracker *tracker, const struct nj_tracker_fact *given)
{
    struct nj_fact *fact = nj_fact_copy(given);
    DL_APPEND(tracker->facts, fact);
    tracker->facts_count++;
    struct nj_fact *oldest = tracker->facts;
    while (oldest != fact &&
           (tracker->facts_count > tracker->options.max_facts ||
            given->at_ns - oldest->at_ns > NJ_TRACKER_LOOK_BACK_NS + 2 * NJ_TRACKER_SETTLE_NS)) {
        struct nj_fact *next = oldest->next;
        DL_DELETE(tracker->facts, oldest);
        tracker->facts_count--;
        nj_fact_free(oldest);
        oldest = next;
    }
    keep_standing(tracker, given);
    if (given->kind == NJ_FACT_ROLLOUT_FAILED)
        fail_rollout(tracker, given);
    review(tracker, given->at_ns);
}
