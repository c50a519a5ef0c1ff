/*
 * The whole collector, and who tells whom:
 *
 *   agents -> ingest -> (writer) engine, store, notification plan
 *               |-> notifier -> WeCom, webhooks
 *               |-> api (streams)          api -> (reader) store
 *               '-> remote write (committed minutes)
 *   API server -> namespaces (projects), unscheduled pods -> ingest
 *   API server -> nodes (conditions) -> ingest; nodes, committed minutes -> capacity (forecast) -> ingest
 *   API server -> sla (Services, workloads, nodes), committed facts -> intervals, rollouts, outages -> ingest
 *                  '-> what holds incidents back
 *   API server -> probes (Services, monitors) -> plans in ingest's acknowledgements, own checks -> ingest
 */
#include "collector/collector.h"

#include <errno.h>

#include "collector/collector_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"

enum {
    HTTP_CONNECTIONS_MAX = 64,
    WRITER_QUEUE_MAX = 256, /* jobs: groups, and what the notifier records */
    READER_QUEUE_MAX = 256, /* queries of REST */
    UNSCHEDULED_PODS_MAX = 20000,
    PROJECTS_WAIT_MS = 5000, /* agents' events wait so long for the projects at the start, if need be */
};

static int open_store(struct nj_collector *collector, struct nj_err *err)
{
    const char *path = collector->config->store.path;
    int rc = nj_keyring_load("ingest.key_file", collector->config->ingest.key_file, &collector->keyring, err);
    if (rc == 0)
        rc = nj_store_open_sqlite(path, true, &collector->writer_store, err);
    if (rc == 0)
        rc = nj_store_open_sqlite(path, false, &collector->reader_store, err);
    if (rc < 0)
        return rc;
    collector->writer = nj_worker_new(collector->loop, "nj-writer", WRITER_QUEUE_MAX);
    collector->reader = nj_worker_new(collector->loop, "nj-reader", READER_QUEUE_MAX);
    if (collector->writer == NULL || collector->reader == NULL)
        return nj_err_set(err, -ENOMEM, "no memory for a thread");
    collector->http = nj_http_new(collector->loop, HTTP_CONNECTIONS_MAX);
    return collector->http == NULL ? nj_err_set(err, -ENOMEM, "no memory to set up libcurl") : 0;
}

static int start_pipeline(struct nj_collector *collector, struct nj_err *err)
{
    int rc = nj_pipeline_open(collector->writer_store, nj_loop_wall_ns(collector->loop), &collector->pipeline,
                              err);
    if (rc == 0)
        collector->suppress = nj_suppress_new(nj_silences_match, collector->pipeline);
    return rc;
}

static int start_namespaces(struct nj_collector *collector, struct nj_err *err)
{
    const struct nj_collector_config *config = collector->config;
    if (config->kubernetes.enabled) {
        int rc = nj_kube_client_new(collector->loop, collector->http, config->kubernetes.kubeconfig,
                                    &collector->client, err);
        if (rc < 0) {
            nj_err_wrap(err, "kubernetes (set kubernetes.enabled: false to run without an API server)");
            return rc;
        }
    }
    struct nj_namespaces_options options = {
        .loop = collector->loop,
        .client = collector->client,
        .metrics = collector->metrics,
        .project_key = config->kubernetes.project_key,
        .on_synced = nj_collector_on_projects,
        .on_probe = nj_collector_on_probe_changed,
        .on_trouble = nj_collector_on_namespaces_trouble,
        .data = collector,
    };
    return nj_namespaces_start(&options, &collector->namespaces, err);
}

static int start_remote(struct nj_collector *collector, struct nj_err *err)
{
    const struct nj_collector_config *config = collector->config;
    if (config->remote_write.url[0] == '\0')
        return 0;
    const struct nj_remote_write_options options = {
        .loop = collector->loop,
        .http = collector->http,
        .metrics = collector->metrics,
        .url = config->remote_write.url,
        .cluster = config->cluster,
        .user = config->remote_write.user,
        .secret_file = config->remote_write.secret_file,
        .ca_file = config->remote_write.ca_file,
        .max_pending = (size_t)config->remote_write.max_pending,
        .batch_samples = (size_t)config->remote_write.batch_samples,
        .timeout_ns = config->remote_write.timeout_ns,
    };
    return nj_remote_write_new(&options, &collector->remote, err);
}

/* The engine is read from the writer's store on this thread: before the notifier, whose worker uses it at
 * once. */
static int start_ingest(struct nj_collector *collector, struct nj_err *err)
{
    const struct nj_collector_config *config = collector->config;
    struct nj_ingest_options options = {
        .loop = collector->loop,
        .writer = collector->writer,
        .store = collector->writer_store,
        .keyring = collector->keyring,
        .metrics = collector->metrics,
        .listen = config->ingest.listen,
        .cluster = config->cluster,
        .max_packet_bytes = (size_t)config->ingest.max_packet_bytes,
        .max_plain_bytes = (size_t)config->ingest.max_plain_bytes,
        .max_queued = (size_t)config->ingest.max_queued,
        .max_agents = (size_t)config->ingest.max_agents,
        .silent_after_ns = config->ingest.silent_after_ns,
        .stale_after_ns = config->incident.stale_after_ns,
        .max_open = (size_t)config->incident.max_open,
        .max_subjects = (size_t)config->incident.max_subjects,
        .retention = {.crashes_ns = config->store.crashes_ns,
                      .logs_ns = config->store.logs_ns,
                      .incidents_ns = config->store.incidents_ns,
                      .agents_ns = config->store.agents_ns,
                      .points_ns = {[NJ_RESOLUTION_MINUTE] = config->store.points_minute_ns,
                                    [NJ_RESOLUTION_HOUR] = config->store.points_hour_ns,
                                    [NJ_RESOLUTION_DAY] = config->store.points_day_ns},
                      .usage_ns = {[NJ_RESOLUTION_MINUTE] = config->store.usage_minute_ns,
                                   [NJ_RESOLUTION_HOUR] = config->store.usage_hour_ns,
                                   [NJ_RESOLUTION_DAY] = config->store.usage_day_ns},
                      .intervals_ns = config->store.intervals_ns,
                      .rollouts_ns = config->store.rollouts_ns},
        .project = nj_collector_find_project,
        .plan = nj_collector_plan,
        .plan_data = collector,
        .suppress = nj_suppress_ask,
        .suppress_data = collector->suppress,
        .on_changed = nj_collector_on_incidents_changed,
        .on_targets = nj_collector_on_targets,
        .on_minute = nj_collector_on_minute,
        .on_facts = nj_collector_on_facts,
        .plan_for = nj_collector_plan_for,
        .target_silent_after_ns = config->probes.target_silent_after_ns,
        .data = collector,
    };
    return nj_ingest_start(&options, &collector->ingest, err);
}

/* Who is told depends on the project: what agents have to tell waits until the namespaces' are known, or it
 * seems that the API server is away (in real time, as everything that waits for a peer). */
static void wait_for_projects(struct nj_collector *collector)
{
    if (nj_namespaces_synced(collector->namespaces))
        return;
    nj_ingest_hold(collector->ingest, true);
    (void)uv_timer_start(&collector->projects, nj_collector_on_projects_late, PROJECTS_WAIT_MS, 0);
}

static int start_notifier(struct nj_collector *collector, struct nj_err *err)
{
    struct nj_notifier_options options = {
        .loop = collector->loop,
        .http = collector->http,
        .writer = collector->writer,
        .store = collector->writer_store,
        .metrics = collector->metrics,
        .pipeline = collector->pipeline,
        .config = collector->config,
    };
    int rc = nj_notifier_start(&options, &collector->notifier, err);
    if (rc == 0)
        wait_for_projects(collector);
    return rc;
}

static int start_unscheduled(struct nj_collector *collector, struct nj_err *err)
{
    if (collector->client == NULL)
        return 0;
    struct nj_unscheduled_options options = {
        .loop = collector->loop,
        .client = collector->client,
        .metrics = collector->metrics,
        .after_ns = collector->config->kubernetes.unschedulable_after_ns,
        .max_pods = UNSCHEDULED_PODS_MAX,
        .on_event = nj_collector_on_own_event,
        .on_trouble = nj_collector_on_pods_trouble,
        .data = collector,
    };
    collector->unscheduled = nj_unscheduled_new(&options);
    nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_UNSCHEDULABLE, nj_collector_remember_unscheduled,
                           collector->unscheduled);
    return nj_unscheduled_start(collector->unscheduled, err);
}

static int start_nodes(struct nj_collector *collector, struct nj_err *err)
{
    const struct nj_collector_config *config = collector->config;
    if (collector->client != NULL) {
        struct nj_nodes_options nodes = {
            .loop = collector->loop,
            .client = collector->client,
            .metrics = collector->metrics,
            .max_nodes = (size_t)config->nodes.max,
            .not_ready_after_ns = config->nodes.not_ready_after_ns,
            .on_event = nj_collector_on_own_event,
            .on_trouble = nj_collector_on_nodes_trouble,
            .data = collector,
        };
        int rc = nj_nodes_start(&nodes, &collector->nodes, err);
        if (rc < 0)
            return rc;
        nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_NODE, nj_collector_remember_condition,
                               collector->nodes);
    }
    struct nj_capacity_options capacity = {
        .loop = collector->loop,
        .nodes = collector->nodes,
        .metrics = collector->metrics,
        .interval_ns = config->capacity.interval_ns,
        .silent_after_ns = config->capacity.silent_after_ns,
        .max_nodes = (size_t)config->nodes.max,
        .max_pods = (size_t)config->capacity.max_pods,
        .on_event = nj_collector_on_own_event,
        .data = collector,
    };
    collector->capacity = nj_capacity_new(&capacity);
    nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_CAPACITY, nj_collector_remember_loss,
                           collector->capacity);
    return 0;
}

/* Reads the targets' states through the readers' connection, which nobody else uses yet. */
static int start_probes(struct nj_collector *collector, struct nj_err *err)
{
    struct nj_probes_options options = {
        .loop = collector->loop,
        .client = collector->client,
        .namespaces = collector->namespaces,
        .metrics = collector->metrics,
        .config = collector->config,
        .store = collector->reader_store,
        .on_event = nj_collector_on_own_event,
        .on_trouble = nj_collector_on_model_trouble,
        .on_service = nj_collector_on_service,
        .on_synced = nj_collector_on_services_synced,
        .data = collector,
    };
    return nj_probes_start(&options, &collector->probes, err);
}

/* Likewise what it needs of the past; on the reader's worker from then on. */
static int start_sla(struct nj_collector *collector, struct nj_err *err)
{
    static const enum nj_incident_kind kinds[] = {NJ_INCIDENT_SERVICE_OUTAGE, NJ_INCIDENT_ROLLOUT_FAILED,
                                                  NJ_INCIDENT_SLO_BURN};
    const struct nj_sla_options options = {
        .loop = collector->loop,
        .client = collector->client,
        .model = nj_probes_model(collector->probes),
        .nodes = collector->nodes,
        .namespaces = collector->namespaces,
        .metrics = collector->metrics,
        .suppress = collector->suppress,
        .config = collector->config,
        .store = collector->reader_store,
        .reader = collector->reader,
        .write = nj_collector_on_own_write,
        .on_event = nj_collector_on_own_event,
        .on_explained = nj_collector_review,
        .maintenance = nj_collector_find_maintenance,
        .on_trouble = nj_collector_on_workloads_trouble,
        .data = collector,
    };
    if (collector->client == NULL)
        return 0;
    int rc = nj_sla_start(&options, &collector->sla, err);
    for (size_t i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        nj_ingest_each_subject(collector->ingest, kinds[i], nj_collector_remember_service, collector->sla);
    return rc;
}

static int start_api(struct nj_collector *collector, struct nj_err *err)
{
    struct nj_api_options options = {
        .loop = collector->loop,
        .reader = collector->reader,
        .store = collector->reader_store,
        .writer = collector->writer,
        .writer_store = collector->writer_store,
        .pipeline = collector->pipeline,
        .on_written = nj_collector_review,
        .metrics = collector->metrics,
        .config = collector->config,
        .ready = nj_collector_is_ready,
        .collect = nj_collector_collect_metrics,
        .append_metrics = nj_collector_append_metrics,
        .probes = collector->probes,
        .capacity = collector->capacity,
        .objective = nj_collector_find_objective,
        .data = collector,
    };
    return nj_api_start(&options, &collector->api, err);
}

static int (*const start_order[])(struct nj_collector *collector, struct nj_err *err) = {
    open_store,        start_pipeline, start_namespaces, start_remote, start_ingest, start_notifier,
    start_unscheduled, start_nodes,    start_probes,     start_sla,    start_api,
};

static void on_start_undone(void *data)
{
    nj_loop_stop(data);
}

int nj_collector_start(struct nj_loop *loop, const struct nj_collector_config *config,
                       struct nj_collector **ret_collector, struct nj_err *err)
{
    struct nj_collector *collector = NJ_NEW(struct nj_collector);
    collector->loop = loop;
    collector->projects.data = collector;
    (void)uv_timer_init(&loop->uv, &collector->projects);
    collector->config = config;
    collector->metrics = nj_metrics_new();
    collector->build_info =
        nj_metrics_gauge(collector->metrics, "nightjar_build_info",
                         "version=\"" NJ_VERSION "\",program=\"collector\"", "What runs; always 1.");
    nj_gauge_set(collector->build_info, 1);
    nj_loop_measure(loop, collector->metrics);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(start_order) / sizeof(start_order[0]); i++)
        rc = start_order[i](collector, err);
    if (rc < 0) {
        nj_collector_stop(collector, on_start_undone, loop);
        nj_loop_run(loop);
        return rc;
    }
    nj_info("main",
            "nightjar-collector " NJ_VERSION
            " of cluster %s: agents on %s, HTTP on %s (port %d), database %s%s%s",
            config->cluster, config->ingest.listen, config->api.listen, nj_api_port(collector->api),
            config->store.path, collector->client == NULL ? "" : ", API server ",
            collector->client == NULL ? "" : nj_kube_client_server(collector->client));
    *ret_collector = collector;
    return 0;
}
