/* What one part of the agent tells another. */
#include <stdlib.h>

#include "agent/agent_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"

void nj_agent_on_finding(void *data, const struct nj_finding *finding)
{
    nj_capture_finding(((struct nj_agent *)data)->capture, finding);
}

void nj_agent_on_workload(void *data, const char *pod_uid, const char *kind, const char *name)
{
    nj_detector_set_workload(((struct nj_agent *)data)->detector, pod_uid, kind, name);
}

void nj_agent_on_stored(void *data)
{
    struct nj_agent *agent = data;
    if (agent->uplink != NULL)
        nj_uplink_kick(agent->uplink);
}

/* The kubelet starts it anew; opening moves the damaged file aside, and what is still to be seen is found
 * again. There is nothing to drain into. */
void nj_agent_on_broken(void *data, const struct nj_err *err)
{
    (void)data;
    nj_error("outbox", "%s: ending, to begin a new one at the next start", err->text);
    _Exit(1);
}

/* Those by one key are stored in their order. */
static void store(struct nj_agent *agent, const struct nj_event *event, const char *key)
{
    const struct nj_finding finding = {
        .event = event,
        .pod_uid = key,
        .has_workload = true,
        .owner = {.api_version = "", .kind = "", .name = "", .uid = "", .template_hash = ""},
        .directory_uid = ""};
    nj_capture_finding(agent->capture, &finding);
}

void nj_agent_on_probe_event(void *data, const struct nj_event *event)
{
    NJ_CLEANUP_FREE char *key = event->type == NJ_EVENT_CHECK
                                    ? nj_asprintf("%s|%s", event->check.key.monitor, event->check.key.target)
                                    : nj_strdup(event->id);
    store(data, event, key);
}

void nj_agent_on_probe_interest(void *data)
{
    struct nj_agent *agent = data;
    if (agent->uplink != NULL)
        nj_uplink_refresh(agent->uplink);
}

void nj_agent_on_inspect_event(void *data, const struct nj_event *event)
{
    bool of_pod = event->subject.pod_uid[0] != '\0';
    const char *other = event->type == NJ_EVENT_USAGE ? event->id : "node";
    store(data, event, of_pod ? event->subject.pod_uid : other);
}

void nj_agent_on_trouble(void *data, const struct nj_event *event, const struct nj_inspect_record *record)
{
    const char *uid = event == NULL ? "" : event->subject.pod_uid;
    const struct nj_finding finding = {
        .event = event,
        .pod_uid = uid[0] != '\0' ? uid : "node",
        .has_workload = true,
        .owner = {.api_version = "", .kind = "", .name = "", .uid = "", .template_hash = ""},
        .directory_uid = "",
        .record = {.key = record->key, .value = record->value, .len = record->len}};
    nj_capture_finding(((struct nj_agent *)data)->capture, &finding);
}

void nj_agent_on_container_exit(void *data, const struct nj_inspect_exit *exit)
{
    struct nj_agent *agent = data;
    const struct nj_capture_end end = {.container_id = exit->container_id,
                                       .namespace = exit->namespace,
                                       .pod = exit->pod,
                                       .directory_uid = exit->directory_uid,
                                       .container = exit->container,
                                       .attempt = exit->restart_count,
                                       .exit_code = exit->exit_code};
    nj_capture_container_ended(agent->capture, &end);
}

void nj_agent_on_pod(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_agent *agent = data;
    if (agent->probes != NULL)
        nj_node_probes_pod(agent->probes, type, object);
    if (agent->inspect != NULL)
        nj_inspect_pod(agent->inspect, type, object);
}

void nj_agent_on_pods_synced(void *data)
{
    struct nj_agent *agent = data;
    if (agent->probes != NULL)
        nj_node_probes_synced(agent->probes);
    if (agent->inspect != NULL)
        nj_inspect_synced(agent->inspect);
}

void nj_agent_on_plan(void *data, const struct nj_plan *plan)
{
    struct nj_agent *agent = data;
    if (agent->probes == NULL)
        return;
    nj_node_probes_set_plan(agent->probes, plan);
    nj_agent_trim_later(agent); /* what that took */
}

void nj_agent_fill_interest(void *data, struct nj_uplink_interest *ret_interest)
{
    struct nj_agent *agent = data;
    if (agent->probes == NULL)
        return;
    ret_interest->plan_version = nj_node_probes_plan_version(agent->probes);
    ret_interest->namespaces = nj_node_probes_namespaces(agent->probes, &ret_interest->namespaces_count);
}

void nj_agent_fill_status(void *data, struct nj_agent_status *ret_status)
{
    struct nj_agent *agent = data;
    ret_status->version = NJ_VERSION;
    ret_status->started_ns = agent->started_ns;
    ret_status->lost_crashes = agent->capture == NULL ? 0 : nj_capture_lost_crashes(agent->capture);
    ret_status->pods = agent->pods == NULL ? 0 : (uint32_t)nj_pods_count(agent->pods);
    ret_status->watch_synced = agent->pods != NULL && nj_pods_synced(agent->pods);
}
