#include "collector/api/internal.h"
#include "common/base/clock.h"

static int on_agent(void *data, const struct nj_store_agent *agent)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    const struct nj_agent_status *status = &agent->status;
    int64_t now_ns = nj_clock_wall_ns(call->api->options.loop->clock);
    nj_api_object_begin(out);
    nj_api_field(out, "cluster", agent->cluster);
    nj_api_field(out, "node", agent->node);
    nj_api_field(out, "stream", agent->stream);
    nj_api_field(out, "version", status->version);
    nj_api_field_time(out, "startedAt", status->started_ns);
    nj_api_field_time(out, "firstHeardAt", agent->first_heard_ns);
    nj_api_field_time(out, "lastHeardAt", agent->last_heard_ns);
    nj_api_field_bool(out, "silent", now_ns - agent->last_heard_ns > call->config->ingest.silent_after_ns);
    nj_api_field_int(out, "committed", (int64_t)agent->committed);
    nj_api_field_int(out, "pods", status->pods);
    nj_api_field_bool(out, "watchSynced", status->watch_synced);
    nj_api_field_int(out, "outboxEvents", (int64_t)status->outbox_events);
    nj_api_field_int(out, "outboxBytes", (int64_t)status->outbox_bytes);
    nj_api_field_int(out, "droppedEvents", (int64_t)status->dropped_events);
    nj_api_field_int(out, "lostCrashes", (int64_t)status->lost_crashes);
    nj_api_object_end(out);
    return 0;
}

static int query_agents(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_agent(store, on_agent, call, err);
    nj_api_list_end(call);
    return rc;
}

void nj_api_agents(struct nj_api_call *call)
{
    nj_api_run(call, query_agents);
}
