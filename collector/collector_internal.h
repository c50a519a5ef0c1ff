/*
 * The collector's parts, for the files collector_*.c: collector.c starts them in order, collector_wiring.c
 * has what one tells another, collector_health.c what is said about them, collector_reload.c takes new
 * settings over, collector_stop.c closes them in order. All on the loop's thread, but for what is said to run
 * on a worker. A part is NULL before its start and, where another could still call it, from its closing on.
 */
#ifndef NJ_COLLECTOR_COLLECTOR_INTERNAL_H
#define NJ_COLLECTOR_COLLECTOR_INTERNAL_H

#include "collector/api/api.h"
#include "collector/capacity/capacity.h"
#include "collector/cluster/namespaces.h"
#include "collector/cluster/nodes.h"
#include "collector/cluster/unscheduled.h"
#include "collector/collector.h"
#include "collector/incident/suppress.h"
#include "collector/ingest/ingest.h"
#include "collector/notify/notifier.h"
#include "collector/notify/pipeline.h"
#include "collector/probes/probes.h"
#include "collector/remote/remote_write.h"
#include "collector/sla/sla.h"
#include "collector/store/store.h"
#include "common/kube/client.h"
#include "common/wire/seal.h"

/* What was last said of one watch, so that the same is not said at each attempt. */
struct nj_collector_trouble {
    char text[NJ_ERR_TEXT_MAX];
    int64_t said_ns; /* monotonic */
};

struct nj_collector {
    struct nj_loop *loop;
    const struct nj_collector_config *config; /* that it was started with; the writer's worker reads it too */
    struct nj_metrics *metrics;
    struct nj_gauge *build_info;
    struct nj_keyring *keyring;
    struct nj_store *writer_store, *reader_store;
    struct nj_worker *writer, *reader;
    struct nj_http *http;
    struct nj_kube_client *client; /* NULL: no API server is asked */
    struct nj_namespaces *namespaces;
    struct nj_unscheduled *unscheduled;
    struct nj_nodes *nodes; /* NULL: no API server is asked */
    struct nj_capacity *capacity;
    struct nj_probes *probes;
    struct nj_pipeline *pipeline; /* what people said about alerts */
    struct nj_suppress *suppress;
    struct nj_sla *sla; /* NULL: no API server is asked */
    struct nj_notifier *notifier;
    struct nj_remote_write *remote; /* NULL: nothing is pushed */
    struct nj_ingest *ingest;
    uv_timer_t projects; /* waits for them at the start */
    struct nj_api *api;
    struct nj_collector_trouble namespaces_trouble, pods_trouble, nodes_trouble, workloads_trouble,
        model_trouble[NJ_MODEL_KINDS];
    int step; /* of stopping */
    void (*on_stopped)(void *data);
    void *on_stopped_data;
};

/* collector_wiring.c. `data` is the collector, but for what remembers: there it is the part that does. */

/* What ingest asks for, on the writer's worker where it writes... */
void nj_collector_find_project(void *data, const char *cluster, const char *namespace, char *ret_project,
                               size_t size);
int nj_collector_plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                      enum nj_transition transition, int64_t now_ns, struct nj_err *err);
bool nj_collector_plan_for(void *data, const char *const *namespaces, size_t count, const char *have,
                           struct nj_buf *out);
/* ...and what it tells when that is committed. */
void nj_collector_on_incidents_changed(void *data, const struct nj_incident *incidents, size_t count);
void nj_collector_on_targets(void *data, const struct nj_store_target *targets, size_t count);
void nj_collector_on_minute(void *data, const char *node, const struct nj_event *event);
void nj_collector_on_facts(void *data, const struct nj_ingest_fact *facts, size_t count);

/* To ingest: what the collector itself saw, and that open incidents are to be looked at again. */
void nj_collector_on_own_event(void *data, const struct nj_event *event);
void nj_collector_on_own_write(void *data, struct nj_ingest_write *write);
void nj_collector_review(void *data);

/* Between the watches. */
void nj_collector_on_projects(void *data);
void nj_collector_on_projects_late(uv_timer_t *timer);
void nj_collector_on_probe_changed(void *data, const char *namespace);
void nj_collector_on_service(void *data, const char *namespace, const char *name);
void nj_collector_on_services_synced(void *data);

/* At the start: an open incident's subject to the part that told it. */
void nj_collector_remember_unscheduled(void *data, const struct nj_incident *incident,
                                       const struct nj_incident_subject *subject);
void nj_collector_remember_condition(void *data, const struct nj_incident *incident,
                                     const struct nj_incident_subject *subject);
void nj_collector_remember_loss(void *data, const struct nj_incident *incident,
                                const struct nj_incident_subject *subject);
void nj_collector_remember_service(void *data, const struct nj_incident *incident,
                                   const struct nj_incident_subject *subject);

/* What SLA asks: silences with `maintenance`. */
void nj_collector_find_maintenance(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                                   struct nj_maintenance_state *state);

/* What REST asks. */
double nj_collector_find_objective(void *data, const char *kind, const char *namespace, const char *name);

/* collector_health.c */
void nj_collector_on_namespaces_trouble(void *data, const struct nj_err *err);
void nj_collector_on_pods_trouble(void *data, const struct nj_err *err);
void nj_collector_on_nodes_trouble(void *data, const struct nj_err *err);
void nj_collector_on_workloads_trouble(void *data, const struct nj_err *err);
void nj_collector_on_model_trouble(void *data, enum nj_model_kind kind, const struct nj_err *err);
bool nj_collector_is_ready(void *data, struct nj_buf *out);
void nj_collector_collect_metrics(void *data);
void nj_collector_append_metrics(void *data, struct nj_buf *out);

#endif
