#include <errno.h>

#include "collector/api/internal.h"
#include "common/base/str.h"

static int append_incident(struct nj_api_call *call, const struct nj_incident *incident)
{
    nj_api_list_item(call);
    call->cursor = incident->id;
    return nj_incident_json(incident, call->config->notify.public_url, &call->body);
}

static int on_incident(void *data, const struct nj_incident *incident)
{
    return append_incident(data, incident);
}

static int query_incidents(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    nj_api_list_begin(&call->body);
    int rc = store->ops->each_incident(store, &call->incidents, on_incident, call, err);
    nj_api_list_end(call);
    return rc;
}

/* Answers with a problem and returns false when one of the filter's words is none that there is. */
static bool check_words(struct nj_api_call *call, const struct nj_incident_filter *filter)
{
    enum nj_incident_kind kind;
    enum nj_incident_state state;
    enum nj_severity severity;
    if (filter->kind != NULL && nj_incident_kind_parse(filter->kind, &kind) < 0)
        nj_api_problem(call, 400, "kind: there is no kind '%s': see /openapi.json", filter->kind);
    else if (filter->state != NULL && nj_incident_state_parse(filter->state, &state) < 0)
        nj_api_problem(call, 400, "state: '%s' is neither open nor resolved", filter->state);
    else if (filter->severity != NULL && nj_severity_parse(filter->severity, &severity) < 0)
        nj_api_problem(call, 400, "severity: '%s' is none of info, warning, critical", filter->severity);
    else
        return true;
    return false;
}

void nj_api_incidents(struct nj_api_call *call)
{
    struct nj_incident_filter *filter = &call->incidents;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    filter->cluster = nj_api_param(call, "cluster");
    filter->project = nj_api_param(call, "project");
    filter->namespace = nj_api_param(call, "namespace");
    filter->workload = nj_api_param(call, "workload");
    filter->pod = nj_api_param(call, "pod");
    filter->kind = nj_api_param(call, "kind");
    filter->state = nj_api_param(call, "state");
    filter->severity = nj_api_param(call, "severity");
    if (!check_words(call, filter) || !nj_api_param_time(call, "since", &filter->since_ns) ||
        !nj_api_param_time(call, "until", &filter->until_ns) ||
        !nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit) ||
        !nj_api_param_int(call, "cursor", 1, INT64_MAX, &filter->before_id))
        return;
    filter->limit = call->limit = (int)limit;
    nj_api_run(call, query_incidents);
}

/* The number in the path; answers 404 and returns false for anything else. */
static bool incident_id(struct nj_api_call *call)
{
    if (nj_parse_int(call->argument, 1, INT64_MAX, &call->id) == 0)
        return true;
    nj_api_problem(call, 404, "there is no incident '%s'", call->argument);
    return false;
}

static int get_incident(struct nj_api_call *call,
                        int (*on_found)(void *data, const struct nj_incident *incident), struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    int rc = store->ops->get_incident(store, call->id, on_found, call, err);
    return rc == -ENOENT ? nj_err_set(err, rc, "there is no incident %lld", (long long)call->id) : rc;
}

static int query_incident(struct nj_api_call *call, struct nj_err *err)
{
    return get_incident(call, on_incident, err);
}

void nj_api_incident(struct nj_api_call *call)
{
    if (incident_id(call))
        nj_api_run(call, query_incident);
}

static bool is_done(const struct nj_notification *notification)
{
    return notification->status != NJ_NOTIFICATION_PENDING && notification->status != NJ_NOTIFICATION_SENDING;
}

static int on_notification(void *data, const struct nj_notification *notification)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    nj_api_object_begin(out);
    nj_api_field_int(out, "id", notification->id);
    nj_api_field_int(out, "incidentId", notification->incident_id);
    nj_api_field(out, "transition", notification->transition);
    nj_api_field(out, "channel", notification->channel);
    nj_api_field(out, "group", notification->group);
    nj_api_field(out, "status", nj_notification_status_name(notification->status));
    nj_api_field_int(out, "attempts", notification->attempts);
    nj_api_field_time(out, "createdAt", notification->created_ns);
    nj_api_field_time(out, "nextAt", is_done(notification) ? 0 : notification->next_ns);
    nj_api_field_time(out, "doneAt", notification->done_ns);
    nj_api_field_int(out, "digestId", notification->digest_id);
    nj_api_field(out, "error", notification->error);
    nj_api_object_end(out);
    return 0;
}

static int on_known(void *data, const struct nj_incident *incident)
{
    (void)data;
    (void)incident;
    return 0;
}

/* call->id 0: what waits or went wrong, of all incidents. */
static int query_notifications(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    int rc = call->id == 0 ? 0 : get_incident(call, on_known, err);
    if (rc < 0)
        return rc;
    nj_api_list_begin(&call->body);
    rc = store->ops->each_notification_of(store, call->id, call->limit, on_notification, call, err);
    call->limit = 0; /* these lists have no pages: what matters is the newest */
    nj_api_list_end(call);
    return rc;
}

void nj_api_notifications(struct nj_api_call *call)
{
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    if (!nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit))
        return;
    call->limit = (int)limit;
    nj_api_run(call, query_notifications);
}

void nj_api_incident_notifications(struct nj_api_call *call)
{
    if (incident_id(call))
        nj_api_notifications(call);
}
