#include <errno.h>

#include "collector/api/internal.h"
#include "collector/sla/rollouts.h"
#include "common/base/str.h"

static int append_rollout(void *data, const struct nj_rollout *rollout)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    nj_api_list_item(call);
    call->cursor = rollout->id;
    nj_api_object_begin(out);
    nj_api_field_int(out, "id", rollout->id);
    nj_api_field(out, "namespace", rollout->namespace);
    nj_api_field(out, "workloadKind", rollout->workload_kind);
    nj_api_field(out, "workload", rollout->workload);
    nj_api_field(out, "revision", rollout->revision);
    nj_api_field(out, "fromRevision", rollout->from_revision);
    nj_api_field(out, "templateHash", rollout->template_hash);
    nj_api_field(out, "fromTemplateHash", rollout->from_hash);
    nj_api_field(out, "images", rollout->images);
    nj_api_field(out, "fromImages", rollout->from_images);
    nj_api_field(out, "difference", rollout->difference);
    nj_api_field(out, "changedBy", rollout->changed_by);
    nj_api_field(out, "changeCause", rollout->change_cause);
    nj_api_field_time(out, "beganAt", rollout->began_ns);
    nj_api_field_time(out, "endedAt", rollout->ended_ns);
    nj_api_field_time(out, "failedAt", rollout->failed_ns);
    nj_api_field(out, "outcome", nj_rollout_outcome_name(rollout->outcome));
    nj_api_field(out, "reason", rollout->reason);
    nj_api_field(out, "message", rollout->message);
    nj_api_field_int(out, "desired", rollout->desired);
    nj_api_field_int(out, "updated", rollout->updated);
    nj_api_field_int(out, "available", rollout->available);
    nj_api_field_int(out, "minAvailable", rollout->min_available);
    nj_api_field_int(out, "crashes", rollout->crashes);
    nj_api_field_int(out, "failedChecks", rollout->failed_checks);
    nj_api_field_double(out, "outageSeconds", (double)rollout->outage_ns / 1e9);
    nj_api_field_bool(out, "told", rollout->told);
    nj_api_object_end(out);
    return 0;
}

static int query_rollouts(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_rollout(store, &call->rollouts, append_rollout, call, err);
    nj_api_list_end(call);
    return rc;
}

void nj_api_rollouts(struct nj_api_call *call)
{
    struct nj_rollout_filter *filter = &call->rollouts;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    enum nj_rollout_outcome outcome;
    filter->cluster = call->config->cluster;
    filter->namespace = nj_api_param(call, "namespace");
    filter->workload_kind = nj_api_param(call, "kind");
    filter->workload = nj_api_param(call, "workload");
    filter->outcome = nj_api_param(call, "outcome");
    if (filter->outcome != NULL && nj_rollout_outcome_parse(filter->outcome, &outcome) < 0) {
        nj_api_problem(call, 400, "outcome: there is no outcome '%s': see /openapi.json", filter->outcome);
        return;
    }
    if (!nj_api_param_time(call, "since", &filter->since_ns) ||
        !nj_api_param_time(call, "until", &filter->until_ns) ||
        !nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX, &filter->before_id))
        return;
    filter->limit = call->limit = (int)limit;
    nj_api_run(call, query_rollouts);
}

static int query_rollout(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    int rc = store->ops->each_rollout(store, &call->rollouts, append_rollout, call, err);
    if (rc == 0 && call->rows == 0)
        return nj_err_set(err, -ENOENT, "there is no rollout %lld", (long long)call->rollouts.id);
    return rc;
}

void nj_api_rollout(struct nj_api_call *call)
{
    call->rollouts = (struct nj_rollout_filter){.cluster = call->config->cluster, .limit = 1};
    if (nj_parse_int(call->argument, 1, INT64_MAX, &call->rollouts.id) == 0)
        nj_api_run(call, query_rollout);
    else
        nj_api_problem(call, 404, "there is no rollout '%s'", call->argument);
}
