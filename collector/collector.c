#include "collector/collector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/api.h"
#include "collector/capacity/capacity.h"
#include "collector/cluster/namespaces.h"
#include "collector/cluster/nodes.h"
#include "collector/cluster/unscheduled.h"
#include "collector/incident/suppress.h"
#include "collector/ingest/ingest.h"
#include "collector/notify/notifier.h"
#include "collector/notify/pipeline.h"
#include "collector/probes/probes.h"
#include "collector/remote/remote_write.h"
#include "collector/sla/sla.h"
#include "collector/store/store.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/kube/client.h"
#include "common/wire/seal.h"

enum {
    HTTP_CONNECTIONS_MAX = 64,
    WRITER_QUEUE_MAX = 256, /* jobs: groups, and what the notifier records */
    READER_QUEUE_MAX = 256, /* queries of REST */
    UNSCHEDULED_PODS_MAX = 20000,
    PROJECTS_WAIT_MS = 5000, /* agents' events wait so long for the projects at the start, if need be */
    TROUBLE_REPEAT_MIN = 10,
};

/* What was last said of one watch, so that the same is not said at each attempt. */
struct trouble {
    char text[NJ_ERR_TEXT_MAX];
    int64_t said_ns; /* monotonic */
};

/*
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
struct nj_collector {
    struct nj_loop *loop;
    const struct nj_collector_config *config;
    const char *cluster; /* as it was at the start: the writer's worker reads it */
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
    struct trouble namespaces_trouble, pods_trouble, nodes_trouble, workloads_trouble,
        model_trouble[NJ_MODEL_KINDS];
    int step; /* of stopping */
    void (*on_stopped)(void *data);
    void *on_stopped_data;
};

static void find_project(void *data, const char *cluster, const char *namespace, char *ret_project,
                         size_t size)
{
    struct nj_collector *collector = data;
    char project[NJ_PROJECT_MAX] = "";
    /* Other clusters' namespaces are not watched from here. */
    if (collector->namespaces != NULL && nj_streq(cluster, collector->cluster))
        nj_namespaces_project(collector->namespaces, namespace, project);
    (void)snprintf(ret_project, size, "%s", project);
}

static void on_incidents_changed(void *data, const struct nj_incident *incidents, size_t count)
{
    struct nj_collector *collector = data;
    if (collector->notifier != NULL)
        nj_notifier_kick(collector->notifier);
    for (size_t i = 0; i < count && collector->api != NULL; i++)
        nj_api_publish(collector->api, &incidents[i]);
}

/* On the writer's worker. */
static int plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                enum nj_transition transition, int64_t now_ns, struct nj_err *err)
{
    struct nj_collector *collector = data;
    if (collector->notifier == NULL) /* it could not be started, and all is being closed */
        return nj_err_set(err, -ECANCELED, "nobody can be told yet");
    return nj_notifier_plan(collector->notifier, writer, incident, transition, now_ns, err);
}

static void say_trouble(struct nj_collector *collector, struct trouble *trouble, const struct nj_err *err)
{
    int64_t now_ns = nj_loop_mono_ns(collector->loop);
    if (nj_streq(trouble->text, err->text) && now_ns - trouble->said_ns < TROUBLE_REPEAT_MIN * NJ_MIN)
        return;
    (void)snprintf(trouble->text, sizeof(trouble->text), "%s", err->text);
    trouble->said_ns = now_ns;
    nj_warn("kube", "%s; will try again", err->text);
}

static void on_namespaces_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->namespaces_trouble, err);
}

static void on_pods_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->pods_trouble, err);
}

static void on_nodes_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->nodes_trouble, err);
}

static void on_workloads_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->workloads_trouble, err);
}

static void on_model_trouble(void *data, enum nj_model_kind kind, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->model_trouble[kind], err);
}

/* What the collector itself saw. */
static void on_own_event(void *data, const struct nj_event *event)
{
    nj_ingest_local_event(((struct nj_collector *)data)->ingest, event);
}

static void on_own_write(void *data, struct nj_ingest_write *write)
{
    nj_ingest_local_write(((struct nj_collector *)data)->ingest, write);
}

static void on_explained(void *data)
{
    nj_ingest_review(((struct nj_collector *)data)->ingest);
}

static void on_facts(void *data, const struct nj_ingest_fact *facts, size_t count)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_facts(collector->sla, facts, count);
}

static void on_service(void *data, const char *namespace, const char *name)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_service(collector->sla, namespace, name);
}

static void on_services_synced(void *data)
{
    struct nj_collector *collector = data;
    if (collector->sla != NULL)
        nj_sla_model_synced(collector->sla);
}

static void on_minute(void *data, const char *node, const struct nj_event *event)
{
    struct nj_collector *collector = data;
    if (event->type == NJ_EVENT_USAGE && collector->capacity != NULL)
        nj_capacity_usage(collector->capacity, node, &event->usage);
    if (event->type == NJ_EVENT_USAGE && collector->remote != NULL)
        nj_remote_write_usage(collector->remote, node, &event->usage);
    if (event->type == NJ_EVENT_ROLLUPS && collector->remote != NULL)
        nj_remote_write_rollups(collector->remote, &event->rollups);
}

static void on_targets(void *data, const struct nj_store_target *targets, size_t count)
{
    struct nj_collector *collector = data;
    for (size_t i = 0; i < count && collector->probes != NULL; i++)
        nj_probes_target(collector->probes, &targets[i]);
}

/* On the writer's worker; ingest is closed before the probes are. */
static bool plan_for(void *data, const char *const *namespaces, size_t count, const char *have,
                     struct nj_buf *out)
{
    struct nj_collector *collector = data;
    return collector->probes != NULL && nj_probes_plan(collector->probes, namespaces, count, have, out);
}

static void remember_unscheduled(void *data, const struct nj_incident *incident,
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

static void remember_condition(void *data, const struct nj_incident *incident,
                               const struct nj_incident_subject *subject)
{
    enum nj_trouble_kind kind;
    if (nj_engine_trouble_of(subject->container, &kind, NULL))
        nj_nodes_remember(data, incident->workload, kind, subject->since_ns);
}

static void remember_loss(void *data, const struct nj_incident *incident,
                          const struct nj_incident_subject *subject)
{
    (void)incident;
    nj_capacity_remember(data, subject->pod, subject->since_ns);
}

static void remember_service(void *data, const struct nj_incident *incident,
                             const struct nj_incident_subject *subject)
{
    (void)subject;
    nj_sla_remember(data, incident);
}

static const char *latest_trouble(const struct nj_collector *collector)
{
    const struct trouble *latest = &collector->pods_trouble;
    if (collector->namespaces_trouble.said_ns > latest->said_ns)
        latest = &collector->namespaces_trouble;
    if (collector->nodes_trouble.said_ns > latest->said_ns)
        latest = &collector->nodes_trouble;
    if (collector->workloads_trouble.said_ns > latest->said_ns)
        latest = &collector->workloads_trouble;
    for (size_t i = 0; i < NJ_MODEL_KINDS; i++) {
        if (collector->model_trouble[i].said_ns > latest->said_ns)
            latest = &collector->model_trouble[i];
    }
    return latest->text;
}

/* What is listened on and written must be ready; an API server that is away is said but does not take the
 * collector out of its Service, since agents and people need it all the same. */
static bool is_ready(void *data, struct nj_buf *out)
{
    struct nj_collector *collector = data;
    struct nj_err err = {0};
    bool healthy = nj_ingest_healthy(collector->ingest, &err);
    if (healthy)
        (void)nj_buf_append_str(out, "[+]store ok\n");
    else
        (void)nj_buf_printf(out, "[-]store failed: %s\n", err.text);
    if (collector->client != NULL) {
        bool synced = nj_namespaces_synced(collector->namespaces) &&
                      nj_unscheduled_synced(collector->unscheduled) && nj_nodes_synced(collector->nodes) &&
                      nj_probes_synced(collector->probes) && nj_sla_synced(collector->sla);
        const char *trouble = latest_trouble(collector);
        (void)nj_buf_printf(out, "[%s]kubernetes %s%s\n", synced ? "+" : " ",
                            synced ? "ok" : "not in step yet (not required): ", synced ? "" : trouble);
    }
    return healthy;
}

static void collect_metrics(void *data)
{
    nj_ingest_collect(((struct nj_collector *)data)->ingest);
}

static void append_metrics(void *data, struct nj_buf *out)
{
    struct nj_collector *collector = data;
    nj_probes_exposition(collector->probes, out);
    (void)nj_capacity_exposition(collector->capacity, out);
    if (collector->sla != NULL)
        (void)nj_sla_exposition(collector->sla, out);
}

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

static void on_probe_changed(void *data, const char *namespace)
{
    struct nj_collector *collector = data;
    if (collector->probes != NULL)
        nj_probes_namespace(collector->probes, namespace);
}

static void on_projects(void *data)
{
    struct nj_collector *collector = data;
    on_probe_changed(collector, NULL);
    if (collector->ingest == NULL || uv_is_closing((uv_handle_t *)&collector->projects))
        return;
    (void)uv_timer_stop(&collector->projects);
    nj_ingest_hold(collector->ingest, false);
}

static void on_projects_late(uv_timer_t *timer)
{
    on_projects(timer->data);
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
        .on_synced = on_projects,
        .on_probe = on_probe_changed,
        .on_trouble = on_namespaces_trouble,
        .data = collector,
    };
    return nj_namespaces_start(&options, &collector->namespaces, err);
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
    return nj_notifier_start(&options, &collector->notifier, err);
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
        .project = find_project,
        .plan = plan,
        .plan_data = collector,
        .suppress = nj_suppress_ask,
        .suppress_data = collector->suppress,
        .on_changed = on_incidents_changed,
        .on_targets = on_targets,
        .on_minute = on_minute,
        .on_facts = on_facts,
        .plan_for = plan_for,
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
    (void)uv_timer_start(&collector->projects, on_projects_late, PROJECTS_WAIT_MS, 0);
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
        .on_event = on_own_event,
        .on_trouble = on_pods_trouble,
        .data = collector,
    };
    collector->unscheduled = nj_unscheduled_new(&options);
    nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_UNSCHEDULABLE, remember_unscheduled,
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
            .on_event = on_own_event,
            .on_trouble = on_nodes_trouble,
            .data = collector,
        };
        int rc = nj_nodes_start(&nodes, &collector->nodes, err);
        if (rc < 0)
            return rc;
        nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_NODE, remember_condition, collector->nodes);
    }
    struct nj_capacity_options capacity = {
        .loop = collector->loop,
        .nodes = collector->nodes,
        .metrics = collector->metrics,
        .interval_ns = config->capacity.interval_ns,
        .silent_after_ns = config->capacity.silent_after_ns,
        .max_nodes = (size_t)config->nodes.max,
        .max_pods = (size_t)config->capacity.max_pods,
        .on_event = on_own_event,
        .data = collector,
    };
    collector->capacity = nj_capacity_new(&capacity);
    nj_ingest_each_subject(collector->ingest, NJ_INCIDENT_CAPACITY, remember_loss, collector->capacity);
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
        .on_event = on_own_event,
        .on_trouble = on_model_trouble,
        .on_service = on_service,
        .on_synced = on_services_synced,
        .data = collector,
    };
    return nj_probes_start(&options, &collector->probes, err);
}

/* Silences or marks have changed. */
static void on_written(void *data)
{
    nj_ingest_review(((struct nj_collector *)data)->ingest);
}

/* Likewise; on the reader's worker from then on. */
static int start_sla(struct nj_collector *collector, struct nj_err *err)
{
    static const enum nj_incident_kind kinds[] = {NJ_INCIDENT_SERVICE_OUTAGE, NJ_INCIDENT_ROLLOUT_FAILED,
                                                  NJ_INCIDENT_SLO_BURN};
    const struct nj_sla_options options = {
        .loop = collector->loop,
        .client = collector->client,
        .model = nj_probes_model(collector->probes),
        .nodes = collector->nodes,
        .metrics = collector->metrics,
        .suppress = collector->suppress,
        .config = collector->config,
        .store = collector->reader_store,
        .reader = collector->reader,
        .write = on_own_write,
        .on_event = on_own_event,
        .on_explained = on_explained,
        .on_trouble = on_workloads_trouble,
        .data = collector,
    };
    if (collector->client == NULL)
        return 0;
    int rc = nj_sla_start(&options, &collector->sla, err);
    for (size_t i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        nj_ingest_each_subject(collector->ingest, kinds[i], remember_service, collector->sla);
    return rc;
}

static double find_objective(void *data, const char *kind, const char *namespace, const char *name)
{
    struct nj_collector *collector = data;
    if (collector->sla == NULL || !nj_streq(kind, "Service"))
        return 0;
    return nj_sla_objective(collector->sla, namespace, name);
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
        .on_written = on_written,
        .metrics = collector->metrics,
        .config = collector->config,
        .ready = is_ready,
        .collect = collect_metrics,
        .append_metrics = append_metrics,
        .probes = collector->probes,
        .capacity = collector->capacity,
        .objective = find_objective,
        .data = collector,
    };
    return nj_api_start(&options, &collector->api, err);
}

static void stop_next(void *data);

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
    collector->cluster = config->cluster;
    collector->metrics = nj_metrics_new();
    collector->build_info =
        nj_metrics_gauge(collector->metrics, "nightjar_build_info",
                         "version=\"" NJ_VERSION "\",program=\"collector\"", "What runs; always 1.");
    nj_gauge_set(collector->build_info, 1);
    nj_loop_measure(loop, collector->metrics);
    int rc = open_store(collector, err);
    if (rc == 0)
        rc = nj_pipeline_open(collector->writer_store, nj_loop_wall_ns(loop), &collector->pipeline, err);
    if (rc == 0)
        collector->suppress = nj_suppress_new(nj_silences_match, collector->pipeline);
    if (rc == 0)
        rc = start_namespaces(collector, err);
    if (rc == 0)
        rc = start_remote(collector, err);
    if (rc == 0)
        rc = start_ingest(collector, err);
    if (rc == 0)
        rc = start_notifier(collector, err);
    if (rc == 0)
        wait_for_projects(collector);
    if (rc == 0)
        rc = start_unscheduled(collector, err);
    if (rc == 0)
        rc = start_nodes(collector, err);
    if (rc == 0)
        rc = start_probes(collector, err);
    if (rc == 0)
        rc = start_sla(collector, err);
    if (rc == 0)
        rc = start_api(collector, err);
    if (rc < 0) {
        nj_collector_stop(collector, on_start_undone, loop);
        nj_loop_run(loop);
        return rc;
    }
    nj_info("main",
            "nightjar-collector " NJ_VERSION " of cluster %s: agents on %s, HTTP on port %d, database %s%s%s",
            config->cluster, config->ingest.listen, nj_api_port(collector->api), config->store.path,
            collector->client == NULL ? "" : ", API server ",
            collector->client == NULL ? "" : nj_kube_client_server(collector->client));
    *ret_collector = collector;
    return 0;
}

static void say_restart(bool changed, const char *setting)
{
    if (changed)
        nj_warn("main", "reload: %s has changed: restart to put it in force", setting);
}

int nj_collector_reload(struct nj_collector *collector, const struct nj_collector_config *config,
                        struct nj_err *err)
{
    const struct nj_collector_config *old = collector->config;
    int rc = nj_notifier_reload(collector->notifier, config, err);
    if (rc < 0)
        return rc;
    nj_api_reload(collector->api, config);
    nj_probes_reload(collector->probes, config);
    if (collector->sla != NULL)
        nj_sla_reload(collector->sla, config);
    say_restart(!nj_streq(old->sla.objective, config->sla.objective) ||
                    old->sla.window_ns != config->sla.window_ns ||
                    old->sla.max_services != config->sla.max_services ||
                    old->sla.max_objects != config->sla.max_objects,
                "sla's objective, window or a bound of it");
    say_restart(!nj_streq(old->cluster, config->cluster), "cluster");
    say_restart(!nj_streq(old->ingest.listen, config->ingest.listen), "ingest.listen");
    say_restart(!nj_streq(old->ingest.key_file, config->ingest.key_file), "ingest.key_file");
    say_restart(!nj_streq(old->store.path, config->store.path), "store.path");
    say_restart(!nj_streq(old->api.listen, config->api.listen), "api.listen");
    say_restart(!nj_streq(old->api.read_token_file, config->api.read_token_file) ||
                    !nj_streq(old->api.write_token_file, config->api.write_token_file),
                "api.read_token_file or api.write_token_file");
    say_restart(old->kubernetes.enabled != config->kubernetes.enabled ||
                    !nj_streq(old->kubernetes.kubeconfig, config->kubernetes.kubeconfig) ||
                    !nj_streq(old->kubernetes.project_key, config->kubernetes.project_key) ||
                    old->kubernetes.unschedulable_after_ns != config->kubernetes.unschedulable_after_ns,
                "kubernetes");
    say_restart(memcmp(&old->nodes, &config->nodes, sizeof(old->nodes)) != 0, "nodes");
    say_restart(memcmp(&old->capacity, &config->capacity, sizeof(old->capacity)) != 0, "capacity");
    say_restart(!nj_streq(old->remote_write.url, config->remote_write.url) ||
                    !nj_streq(old->remote_write.user, config->remote_write.user) ||
                    !nj_streq(old->remote_write.secret_file, config->remote_write.secret_file) ||
                    !nj_streq(old->remote_write.ca_file, config->remote_write.ca_file) ||
                    old->remote_write.max_pending != config->remote_write.max_pending ||
                    old->remote_write.batch_samples != config->remote_write.batch_samples ||
                    old->remote_write.timeout_ns != config->remote_write.timeout_ns,
                "remote_write");
    say_restart(memcmp(&old->incident, &config->incident, sizeof(old->incident)) != 0, "incident");
    say_restart(old->store.crashes_ns != config->store.crashes_ns ||
                    old->store.logs_ns != config->store.logs_ns ||
                    old->store.incidents_ns != config->store.incidents_ns ||
                    old->store.agents_ns != config->store.agents_ns ||
                    old->store.points_minute_ns != config->store.points_minute_ns ||
                    old->store.points_hour_ns != config->store.points_hour_ns ||
                    old->store.points_day_ns != config->store.points_day_ns ||
                    old->store.usage_minute_ns != config->store.usage_minute_ns ||
                    old->store.usage_hour_ns != config->store.usage_hour_ns ||
                    old->store.usage_day_ns != config->store.usage_day_ns ||
                    old->store.intervals_ns != config->store.intervals_ns ||
                    old->store.rollouts_ns != config->store.rollouts_ns,
                "store's retention");
    say_restart(old->probes.max_checks != config->probes.max_checks ||
                    old->probes.max_concurrent != config->probes.max_concurrent ||
                    old->probes.max_response_bytes != config->probes.max_response_bytes ||
                    old->probes.max_objects != config->probes.max_objects ||
                    old->probes.target_silent_after_ns != config->probes.target_silent_after_ns,
                "a bound of probes");
    collector->config = config;
    return 0;
}

static void finish_stop(struct nj_collector *collector)
{
    void (*on_stopped)(void *data) = collector->on_stopped;
    void *data = collector->on_stopped_data;
    if (collector->reader_store != NULL)
        collector->reader_store->ops->close(collector->reader_store);
    if (collector->writer_store != NULL)
        collector->writer_store->ops->close(collector->writer_store);
    nj_suppress_free(collector->suppress);
    nj_pipeline_free(collector->pipeline);
    nj_kube_client_free(collector->client);
    nj_keyring_free(collector->keyring);
    nj_loop_measure(collector->loop, NULL);
    nj_metrics_free(collector->metrics);
    free(collector);
    on_stopped(data);
}

/* One module after another, those that bring work first, so that what was received is committed, answered and
 * told. */
static void stop_next(void *data)
{
    struct nj_collector *collector = data;
    struct nj_api *api = collector->api;
    struct nj_probes *probes = collector->probes;
    struct nj_nodes *nodes = collector->nodes;
    struct nj_remote_write *remote = collector->remote;
    struct nj_sla *sla = collector->sla;
    switch (collector->step++) {
    case 0:
        nj_unscheduled_close(collector->unscheduled, stop_next, collector);
        break;
    case 1:
        collector->api = NULL; /* first: the last step frees the collector, and may come within this call */
        nj_api_close(api, stop_next, collector);
        break;
    case 2:
        nj_capacity_stop(collector->capacity); /* it asks the nodes no more */
        nj_sla_stop(collector->sla);
        collector->nodes = NULL;
        nj_nodes_close(nodes, stop_next, collector);
        break;
    case 3:
        nj_probes_stop(collector->probes); /* the last minutes of its checks go with the last commit */
        nj_ingest_close(collector->ingest, stop_next, collector);
        break;
    case 4:
        nj_capacity_free(collector->capacity); /* no minute is committed any more */
        collector->remote = NULL;
        nj_remote_write_close(remote, stop_next, collector);
        break;
    case 5:
        collector->sla = NULL;
        nj_sla_close(sla, stop_next, collector);
        break;
    case 6:
        nj_notifier_close(collector->notifier, stop_next, collector);
        break;
    case 7:
        collector->probes = NULL;
        nj_probes_close(probes, stop_next, collector);
        break;
    case 8:
        nj_namespaces_close(collector->namespaces, stop_next, collector);
        break;
    case 9:
        nj_http_close(collector->http, stop_next, collector);
        break;
    case 10:
        nj_worker_close(collector->reader, stop_next, collector);
        break;
    case 11:
        nj_worker_close(collector->writer, stop_next, collector);
        break;
    default:
        finish_stop(collector);
    }
}

static void on_projects_closed(uv_handle_t *handle)
{
    stop_next(handle->data);
}

void nj_collector_stop(struct nj_collector *collector, void (*on_stopped)(void *data), void *data)
{
    collector->on_stopped = on_stopped;
    collector->on_stopped_data = data;
    uv_close((uv_handle_t *)&collector->projects, on_projects_closed);
}
