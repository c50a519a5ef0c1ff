/*
 * Monitors, as the collector runs them, and their targets, as the store last heard of them.
 */
#include <errno.h>
#include <string.h>

#include "collector/api/internal.h"
#include "collector/probes/probes.h"
#include "common/base/str.h"

static void append_monitor(struct nj_buf *out, const struct nj_monitor_view *monitor)
{
    nj_api_field(out, "id", monitor->id);
    nj_api_field(out, "source", nj_monitor_source_name(monitor->source));
    nj_api_field(out, "namespace", monitor->namespace);
    nj_api_field(out, "name", monitor->name);
    nj_api_field(out, "service", monitor->service);
    nj_api_field(out, "target", monitor->target);
    nj_api_field(out, "scope", monitor->scope);
    nj_api_field(out, "trouble", monitor->trouble);
    nj_api_field_bool(out, "suspended", monitor->suspended);
    nj_api_field_int(out, "targetsTotal", (int64_t)monitor->targets);
    nj_api_field_int(out, "targetsFailing", (int64_t)monitor->failing);
    nj_api_field_int(out, "targetsStarting", (int64_t)monitor->starting);
}

struct listing {
    struct nj_api_call *call;
    struct nj_buf last; /* the latest id */
};

static void on_listed(void *data, const struct nj_monitor_view *monitor)
{
    struct listing *listing = data;
    struct nj_buf *out = &listing->call->body;
    nj_api_object_begin(out);
    append_monitor(out, monitor);
    nj_api_object_end(out);
    nj_buf_clear(&listing->last);
    (void)nj_buf_append_str(&listing->last, monitor->id);
}

static bool check_source(struct nj_api_call *call, const char *source)
{
    enum nj_monitor_source found;
    if (source == NULL || nj_monitor_source_parse(source, &found) == 0)
        return true;
    nj_api_problem(call, 400, "source: there is no source '%s': see /openapi.json", source);
    return false;
}

void nj_api_monitors(struct nj_api_call *call)
{
    struct nj_probes *probes = call->api->options.probes;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    struct nj_monitor_filter filter = {.namespace = nj_api_param(call, "namespace"),
                                       .service = nj_api_param(call, "service"),
                                       .source = nj_api_param(call, "source"),
                                       .after = nj_api_param(call, "cursor")};
    if (!check_source(call, filter.source) || !nj_api_param_bool(call, "failing", &filter.failing) ||
        !nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit))
        return;
    filter.limit = (size_t)limit;
    struct listing listing = {.call = call};
    nj_api_list_begin(&call->body);
    bool more = probes != NULL && nj_probes_each_monitor(probes, &filter, on_listed, &listing);
    nj_api_array_end(&call->body);
    if (more)
        nj_api_field(&call->body, "nextCursor", nj_buf_str(&listing.last));
    else
        nj_api_field_time(&call->body, "nextCursor", 0);
    nj_api_object_end(&call->body);
    nj_buf_done(&listing.last);
    if (call->body.overflowed)
        nj_api_problem(call, 400, "the answer is larger than %zu bytes: ask for less at once (limit)",
                       call->body.max);
    else
        nj_api_answer(call, 200, "application/json", nj_buf_str(&call->body), call->body.len);
}

static void append_failure(struct nj_buf *out, const struct nj_store_target *target)
{
    if (target->failed_ns == 0) {
        nj_api_field_json(out, "lastFailure", "");
        return;
    }
    nj_api_object_field_begin(out, "lastFailure");
    nj_api_field_time(out, "at", target->failed_ns);
    nj_api_field(out, "cause", target->cause);
    nj_api_field(out, "phase", target->phase);
    nj_api_field(out, "step", target->step);
    nj_api_field(out, "expected", target->expected);
    nj_api_field(out, "got", target->got);
    nj_api_field(out, "body", target->body);
    nj_api_field_int(out, "status", target->status);
    nj_api_field_json(out, "evidence", target->evidence);
    nj_api_object_end(out);
}

static int on_target(void *data, int64_t rowid, const struct nj_store_target *target)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    nj_api_list_item(call);
    call->cursor = rowid;
    nj_api_object_begin(out);
    nj_api_field(out, "id", target->key.target);
    nj_api_field(out, "name", target->target_name);
    nj_api_field(out, "project", target->project);
    nj_api_field(out, "namespace", target->namespace);
    nj_api_field(out, "service", target->service);
    nj_api_field(out, "address", target->address);
    nj_api_field(out, "node", target->node);
    nj_api_field(out, "podUid", target->pod_uid);
    nj_api_field(out, "state", target->state);
    nj_api_field_time(out, "sinceAt", target->since_ns);
    nj_api_field_time(out, "seenAt", target->seen_ns);
    nj_api_field(out, "severity", target->severity);
    nj_api_field(out, "group", target->group);
    append_failure(out, target);
    nj_api_object_end(out);
    return out->overflowed ? 1 : 0;
}

/* The monitor itself is in the body already. */
static int query_targets(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    nj_api_array_begin(&call->body, "targets");
    int rc = store->ops->each_target(store, &call->targets, on_target, call, err);
    nj_api_list_end(call);
    return rc < 0 ? rc : 0;
}

static void on_found(void *data, const struct nj_monitor_view *monitor)
{
    struct nj_api_call *call = data;
    nj_api_object_begin(&call->body);
    append_monitor(&call->body, monitor);
    nj_api_field_json(&call->body, "spec", monitor->spec);
}

void nj_api_monitor(struct nj_api_call *call)
{
    struct nj_probes *probes = call->api->options.probes;
    struct nj_target_filter *filter = &call->targets;
    const struct nj_monitor_filter wanted = {.id = call->argument, .limit = 1};
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    filter->cluster = call->config->cluster;
    filter->monitor = call->argument;
    filter->state = nj_api_param(call, "state");
    if (!nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX, &filter->after_rowid))
        return;
    filter->limit = call->limit = (int)limit;
    if (filter->state != NULL && !nj_streq(filter->state, "starting") &&
        !nj_streq(filter->state, "passing") && !nj_streq(filter->state, "failing") &&
        !nj_streq(filter->state, "flapping")) {
        nj_api_problem(call, 400, "state: '%s' is none of starting, passing, failing, flapping",
                       filter->state);
        return;
    }
    if (probes != NULL)
        (void)nj_probes_each_monitor(probes, &wanted, on_found, call);
    if (call->body.len == 0)
        nj_api_problem(call, 404, "there is no monitor '%s'", call->argument);
    else
        nj_api_run(call, query_targets);
}
