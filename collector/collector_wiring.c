/* What one part of the collector tells another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/collector_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

void nj_collector_find_project(void *data, const char *cluster, const char *namespace, char *ret_project,
                               size_t size)
{
    struct nj_collector *collector = data;
    char project[NJ_PROJECT_MAX] = "";
    /* Other clusters' namespaces are not watched from here. */
    if (collector->namespaces != NULL && nj_streq(cluster, collector->config->cluster))
        nj_namespaces_project(collector->namespaces, namespace, project);
    (void)snprintf(ret_project, size, "%s", project);
}

/* On the writer's worker. */
int nj_collector_plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                      enum nj_transition transition, int64_t now_ns, struct nj_err *err)
{
    struct nj_collector *collector = data;
    if (collector->notifier == NULL) /* it could not be started, and all is being closed */
        return nj_err_set(err, -ECANCELED, "nobody can be told yet");
    return nj_notifier_plan(collector->notifier, writer, incident, transition, now_ns, err);
}

void nj_collector_on_incidents_changed(void *data, const struct nj_incident *incidents, size_t count)
{
    struct nj_collector *collector = data;
    if (collector->notifier != NULL)
        nj_notifier_kick(collector->notifier);
    for (size_t i = 0; i < count && collector->api != NULL; i++)
        nj_api_publish(collector->api, &incidents[i]);
}

void nj_collector_on_targets(void *data, const struct nj_store_target *targets, size_t count)
{
    struct nj_collector *collector = data;
    for (size_t i = 0; i < count && collector->probes != NULL; i++)
        nj_probes_target(collector->probes, &targets[i]);
}

void nj_collector_on_minute(void *data, const char *node, const struct nj_event *event)
{
    struct nj_collector *collector = data;
    if (event->type == NJ_EVENT_USAGE && collector->capacity != NULL)
        nj_capacity_usage(collector->capacity, node, &event->usage);
    if (event->type == NJ_EVENT_USAGE && collector->remote != NULL)
        nj_remote_write_usage(collector->remote, node, &event->usage);
    if (event->type == NJ_EVENT_ROLLUPS && collector->remote != NULL)
        nj_remote_write_rollups(collector->remote, &event->rollups);
}

void nj_collector_on_facts(void *data, const struct nj_ingest_fact *facts, size_t count)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_facts(collector->sla, facts, count);
}

/* On the writer's worker; ingest is closed before the probes are. */
bool nj_collector_plan_for(void *data, const char *const *namespaces, size_t count, const char *have,
                           struct nj_buf *out)
{
    struct nj_collector *collector = data;
    return collector->probes != NULL && nj_probes_plan(collector->probes, namespaces, count, have, out);
}

void nj_collector_on_probe_changed(void *data, const char *namespace)
{
    struct nj_collector *collector = data;
    if (collector->probes != NULL)
        nj_probes_namespace(collector->probes, namespace);
}

void nj_collector_on_projects(void *data)
{
    struct nj_collector *collector = data;
    nj_collector_on_probe_changed(collector, NULL);
    if (collector->ingest == NULL || uv_is_closing((uv_handle_t *)&collector->projects))
        return;
    (void)uv_timer_stop(&collector->projects);
    nj_ingest_hold(collector->ingest, false);
}

void nj_collector_on_projects_late(uv_timer_t *timer)
{
    nj_collector_on_projects(timer->data);
}

/* What the collector itself saw. */
void nj_collector_on_own_event(void *data, const struct nj_event *event)
{
    nj_ingest_local_event(((struct nj_collector *)data)->ingest, event);
}

void nj_collector_on_own_write(void *data, struct nj_ingest_write *write)
{
    nj_ingest_local_write(((struct nj_collector *)data)->ingest, write);
}

/* Silences, marks, or what explains an outage have changed. */
void nj_collector_review(void *data)
{
    nj_ingest_review(((struct nj_collector *)data)->ingest);
}

void nj_collector_on_service(void *data, const char *namespace, const char *name)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_service(collector->sla, namespace, name);
}

void nj_collector_on_services_synced(void *data)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_model_synced(collector->sla);
}

void nj_collector_remember_unscheduled(void *data, const struct nj_incident *incident,
                                       const struct nj_incident_subject *subject)
{
    const struct nj_subject pod = {
        .namespace = incident->namespace,
        .pod = subject->pod,
        .pod_uid = subject->pod_uid,
        .node = "",
        .workload_kind = incident->workload_kind,
        .workload = incident->workload,
        .container = "",
    };
    nj_unscheduled_remember(data, &pod);
}

void nj_collector_remember_condition(void *data, const struct nj_incident *incident,
                                     const struct nj_incident_subject *subject)
{
    enum nj_trouble_kind kind;
    if (nj_engine_trouble_of(subject->container, &kind, NULL))
        nj_nodes_remember(data, incident->workload, kind, subject->since_ns);
}

void nj_collector_remember_loss(void *data, const struct nj_incident *incident,
                                const struct nj_incident_subject *subject)
{
    (void)incident;
    nj_capacity_remember(data, subject->pod, subject->since_ns);
}

void nj_collector_remember_service(void *data, const struct nj_incident *incident,
                                   const struct nj_incident_subject *subject)
{
    (void)subject;
    nj_sla_remember(data, incident);
}

struct finding {
    struct nj_maintenance_state *state;
    int64_t at_ns;
};

static void add_window(void *data, int64_t from_ns, int64_t until_ns, const char *reason)
{
    const struct finding *finding = data;
    nj_maintenance_add(finding->state, finding->at_ns, from_ns, until_ns, reason);
}

void nj_collector_find_maintenance(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                                   struct nj_maintenance_state *state)
{
    struct nj_collector *collector = data;
    struct finding finding = {.state = state, .at_ns = at_ns};
    char project[NJ_PROJECT_MAX];
    bool of_service = strchr(subject->name, '/') == NULL;
    NJ_CLEANUP_FREE char *behind = nj_asprintf("%s/%s", subject->workload_kind, subject->workload);
    nj_collector_find_project(collector, collector->config->cluster, subject->namespace, project,
                              sizeof(project));
    const struct nj_incident of = {.kind = NJ_INCIDENT_SERVICE_OUTAGE,
                                   .cluster = collector->config->cluster,
                                   .project = project,
                                   .namespace = subject->namespace,
                                   .workload_kind = of_service ? "Service" : subject->workload_kind,
                                   .workload = of_service ? subject->name : subject->workload,
                                   .detail = subject->workload[0] == '\0' ? "" : behind};
    nj_silences_maintenance(collector->pipeline, &of, at_ns, add_window, &finding);
}

double nj_collector_find_objective(void *data, const char *kind, const char *namespace, const char *name)
{
    struct nj_collector *collector = data;
    if (collector->sla == NULL || !nj_streq(kind, "Service"))
        return 0;
    return nj_sla_objective(collector->sla, namespace, name);
}
