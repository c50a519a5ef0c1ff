/*
 * The services' availability as a whole, against a small API server and a database of its own: what the
 * watches and agents tell becomes stored intervals, outages and burnt budgets, also across a restart and
 * while nobody can look.
 */
#include "collector/sla/sla_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

enum { NODES_MAX = 10 };

struct setup {
    struct fake_kube fake;
    struct fake_resource *services, *slices, *deployments, *pods, *jobs, *spaces;
    struct folder folder;
    struct nj_store *store, *reader_store;
    struct nj_worker *reader; /* reads what was before */
    struct nj_job gate;       /* before that */
    pthread_mutex_t held;
    struct nj_metrics *metrics;
    struct nj_suppress *suppress;
    struct nj_model *model;
    struct nj_nodes *nodes;
    struct nj_namespaces *namespaces;
    struct nj_sla *sla;
    struct nj_collector_config config;
    char cluster[8], objective[8];
    struct nj_buf told; /* "outage web crash (detail);outage web over;" */
    struct nj_buf text;
    int services_told;
    char last_id[NJ_EVENT_ID_MAX];
    bool closed;
};

/* ---- the cluster */

#define LONG_AGO "2026-01-01T00:00:00Z"
#define SERVICE(version, annotations)                                                                        \
    "{" FAKE_META("shop", "web", "s1", version,                                                              \
                  ",\"creationTimestamp\":\"" LONG_AGO "\",\"annotations\":{" annotations                    \
                  "}") ",\"spec\":{\"type\":\"ClusterIP\",\"clusterIPs\":[\"10.96.0.7\"],\"selector\":{"     \
                       "\"app\":\"web\"},\"ports\":[{\"port\":80}]}}"
#define SLICE(version, endpoints)                                                                            \
    "{" FAKE_META(                                                                                           \
        "shop", "web-x2x7k", "sl1", version,                                                                 \
        ",\"generation\":" version ",\"labels\":{\"kubernetes.io/service-name\":\"web\","                    \
        "\"endpointslice.kubernetes.io/managed-by\":\"endpointslice-controller.k8s.io\"}") ",\"addressType"  \
                                                                                           "\":\"IPv4\","    \
                                                                                           "\"endpoints\":"  \
                                                                                           "[" endpoints     \
                                                                                           "],\"ports\":[{"  \
                                                                                           "\"port\":8080}]" \
                                                                                           "}"
#define ENDPOINT(pod, ready)                                                                                 \
    "{\"addresses\":[\"10.1.0.1\"],\"conditions\":{\"ready\":" ready ",\"serving\":" ready                   \
    "},\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"" pod           \
    "\",\"uid\":\"uid-" pod "\"}}"
#define DEPLOYMENT(version, replicas, annotations)                                                           \
    "{" FAKE_META("shop", "web", "d1", version,                                                              \
                  ",\"creationTimestamp\":\"" LONG_AGO "\",\"generation\":" version                          \
                  ",\"annotations\":{\"deployment.kubernetes.io/revision\":\"1\"" annotations                \
                  "}") ",\"spec\":{\"replicas\":" replicas                                                   \
                       ",\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"                                  \
                       "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":" \
                       "[{\"name\":"                                                                         \
                       "\"c\",\"image\":\"web:1\"}]}}},\"status\":{\"observedGeneration\":" version          \
                       ",\"replicas\":" replicas ",\"updatedReplicas\":" replicas                            \
                       ",\"readyReplicas\":" replicas ",\"availableReplicas\":" replicas "}}"
#define READY_SINCE(pod, since)                                                                              \
    "{" FAKE_META(                                                                                           \
        "shop", pod, "uid-" pod, "7",                                                                        \
        ",\"labels\":{\"app\":\"web\"}") ",\"spec\":{\"nodeName\":"                                          \
                                         "\"n1\"},\"status\":{\"phase\":\"Running\",\"conditions\":[{"       \
                                         "\"type\":\"Ready\",\"status\":\"True\","                           \
                                         "\"lastTransitionTime\":\"" since "\"}]}}"
#define SLO(percent) "\"nightjar.dev/slo\":\"" percent "\""
#define UP SLICE("1", ENDPOINT("web-1", "true"))

/* ---- what is told */

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    (void)snprintf(setup->last_id, sizeof(setup->last_id), "%s", event->id);
    if (event->type == NJ_EVENT_OUTAGE && !event->outage.over)
        (void)nj_buf_printf(&setup->told, "outage %s of %s/%s: %s (%s) %s;", event->subject.workload,
                            event->outage.behind_kind, event->outage.behind, event->outage.cause,
                            event->outage.detail, event->outage.reference);
    else if (event->type == NJ_EVENT_OUTAGE)
        (void)nj_buf_printf(&setup->told, "outage %s over;", event->subject.workload);
    else if (event->type == NJ_EVENT_SLO)
        (void)nj_buf_printf(&setup->told, "slo %s %s;", event->subject.workload,
                            event->slo.over ? "over" : event->slo.severity);
}

static void on_write(void *data, struct nj_ingest_write *write)
{
    struct setup *setup = data;
    struct nj_err err = {0};
    if (setup->store->ops->begin(setup->store, &err) < 0 || write->write(write, setup->store, &err) < 0 ||
        setup->store->ops->commit(setup->store, &err) < 0)
        fail_msg("%s", err.text);
    write->done(write, true);
}

static void on_changed(void *data, const char *namespace)
{
    (void)data;
    (void)namespace;
}

static void on_service(void *data, const char *namespace, const char *name)
{
    struct setup *setup = data;
    setup->services_told++;
    if (setup->sla != NULL)
        nj_sla_service(setup->sla, namespace, name);
}

static void on_model_synced(void *data)
{
    nj_sla_model_synced(((struct setup *)data)->sla);
}

static void on_node_event(void *data, const struct nj_event *event)
{
    (void)data;
    (void)event;
}

/* ---- life */

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    (void)pthread_mutex_init(&setup->held, NULL);
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    begin_folder(&setup->folder);
    setup->store = open_writer(&setup->folder);
    setup->services = fake_resource(&setup->fake, "services", SERVICE("1", ""));
    setup->slices = fake_resource(&setup->fake, "endpointslices", UP);
    setup->deployments = fake_resource(&setup->fake, "deployments", DEPLOYMENT("1", "1", ""));
    setup->pods = fake_resource(&setup->fake, "pods", "");
    setup->jobs = fake_resource(&setup->fake, "jobs", "");
    setup->spaces = fake_resource(&setup->fake, "namespaces", "");
    (void)fake_resource(&setup->fake, "nodes", "");
    (void)snprintf(setup->cluster, sizeof(setup->cluster), "lab");
    setup->config.cluster = setup->cluster;
    setup->config.sla.objective = setup->objective;
    setup->config.sla.outage_after_ns = 5 * NJ_SEC;
    setup->config.sla.window_ns = 30 * NJ_DAY;
    setup->config.sla.max_services = setup->config.sla.max_objects = 100;
    *state = setup;
    return 0;
}

static void wait_for_gate(struct nj_job *job)
{
    struct setup *setup = job->data;
    (void)pthread_mutex_lock(&setup->held);
    (void)pthread_mutex_unlock(&setup->held);
}

/* The collector starts, and has seen the cluster. */
static void start(struct setup *setup)
{
    struct nj_err err = {0};
    struct nj_loop *loop = &setup->fake.test->loop;
    setup->metrics = nj_metrics_new();
    setup->reader_store = open_reader(&setup->folder);
    setup->reader = nj_worker_new(loop, "reader", 10);
    assert_non_null(setup->reader);
    setup->gate = (struct nj_job){.run = wait_for_gate, .data = setup};
    assert_int_equal(0, nj_worker_submit(setup->reader, &setup->gate));
    setup->suppress = nj_suppress_new(NULL, NULL);
    const struct nj_nodes_options nodes = {.loop = loop,
                                           .client = setup->fake.client,
                                           .max_nodes = NODES_MAX,
                                           .on_event = on_node_event,
                                           .data = setup};
    const struct nj_model_options model = {.loop = loop,
                                           .client = setup->fake.client,
                                           .max_objects = 100,
                                           .on_changed = on_changed,
                                           .on_service = on_service,
                                           .on_synced = on_model_synced,
                                           .data = setup};
    const struct nj_namespaces_options namespaces = {
        .loop = loop, .client = setup->fake.client, .project_key = "project"};
    assert_int_equal(0, nj_namespaces_start(&namespaces, &setup->namespaces, NULL));
    assert_int_equal(0, nj_nodes_start(&nodes, &setup->nodes, NULL));
    assert_int_equal(0, nj_model_start(&model, &setup->model, NULL));
    const struct nj_sla_options options = {.loop = loop,
                                           .client = setup->fake.client,
                                           .model = setup->model,
                                           .nodes = setup->nodes,
                                           .namespaces = setup->namespaces,
                                           .metrics = setup->metrics,
                                           .suppress = setup->suppress,
                                           .config = &setup->config,
                                           .store = setup->reader_store,
                                           .reader = setup->reader,
                                           .write = on_write,
                                           .on_event = on_event,
                                           .data = setup};
    if (nj_sla_start(&options, &setup->sla, &err) < 0)
        fail_msg("%s", err.text);
}

/* Time stands still meanwhile, so that each test knows when what happened. */
static void run_once(struct setup *setup)
{
    (void)uv_run(&setup->fake.test->loop.uv, UV_RUN_ONCE);
}

static bool is_watched(const struct fake_resource *resource)
{
    return resource->items == NULL || resource->watches > 0;
}

static void run_until_synced(struct setup *setup)
{
    while (!setup->sla->ready || !nj_nodes_synced(setup->nodes) || !is_watched(setup->services) ||
           !is_watched(setup->slices) || !is_watched(setup->deployments) || !is_watched(setup->jobs) ||
           !is_watched(setup->spaces) || (setup->sla->asks != NULL && setup->fake.silent == NULL))
        run_once(setup);
}

static void start_synced(struct setup *setup)
{
    setup->slices->watches = setup->deployments->watches = setup->services->watches = 0;
    setup->jobs->watches = setup->spaces->watches = 0;
    start(setup);
    run_until_synced(setup);
}

static void run_until_closed(struct setup *setup)
{
    while (!setup->closed)
        run_once(setup);
    setup->closed = false;
}

static void stop(struct setup *setup)
{
    if (setup->sla == NULL)
        return;
    nj_sla_stop(setup->sla);
    nj_nodes_close(setup->nodes, test_set_flag, &setup->closed);
    run_until_closed(setup);
    nj_namespaces_close(setup->namespaces, test_set_flag, &setup->closed);
    run_until_closed(setup);
    nj_sla_close(setup->sla, test_set_flag, &setup->closed);
    run_until_closed(setup);
    setup->sla = NULL;
    nj_model_close(setup->model, test_set_flag, &setup->closed);
    run_until_closed(setup);
    nj_worker_close(setup->reader, test_set_flag, &setup->closed);
    run_until_closed(setup);
    setup->reader_store->ops->close(setup->reader_store);
    nj_suppress_free(setup->suppress);
    nj_metrics_free(setup->metrics);
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    stop(setup);
    setup->store->ops->close(setup->store);
    end_folder(&setup->folder);
    fake_kube_stop(&setup->fake);
    (void)pthread_mutex_destroy(&setup->held);
    nj_buf_done(&setup->told);
    nj_buf_done(&setup->text);
    free(setup);
    return 0;
}

/* The collector looks once a second. */
static void wait_seconds(struct setup *setup, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        int64_t ticks = setup->sla->ticks;
        setup->fake.now_ns += NJ_SEC;
        while (setup->sla->ticks == ticks)
            run_once(setup);
    }
}

static void tell_model(struct setup *setup, struct fake_resource *resource, const char *type,
                       const char *object)
{
    int told = setup->services_told;
    fake_send(resource, type, object);
    while (setup->services_told == told)
        run_once(setup);
}

static void change_deployment(struct setup *setup, int64_t generation, const char *object)
{
    const struct nj_workloads_item *item;
    fake_send(setup->deployments, "MODIFIED", object);
    do {
        run_once(setup);
        item = nj_workloads_find(setup->sla->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web");
    } while (item == NULL || item->generation != generation);
}

static void be_down(struct setup *setup, const char *slice)
{
    wait_seconds(setup, 60);
    tell_model(setup, setup->slices, "MODIFIED", slice);
}

#define NOT_READY(version) SLICE(version, ENDPOINT("web-1", "false"))
#define READY(version) SLICE(version, ENDPOINT("web-1", "true"))

/* ---- what can be seen */

static void assert_told(struct setup *setup, const char *expected)
{
    assert_string_equal(nj_buf_str(&setup->told), expected);
    nj_buf_clear(&setup->told);
}

/* "STATE CAUSE FROM-UNTIL[*];" in whole seconds since the start; "-" without an end: it lasts; "*": worked
 * out afterwards. */
static int write_interval(void *data, const char *kind, const struct nj_interval *interval)
{
    struct setup *setup = data;
    (void)kind;
    (void)nj_buf_printf(&setup->text, "%s%s%s %" PRId64 "-", nj_service_state_name(interval->state),
                        interval->cause == NJ_OUTAGE_BY_NOTHING ? "" : " ",
                        nj_outage_cause_name(interval->cause), (interval->from_ns - noon_ns) / NJ_SEC);
    if (interval->until_ns > 0)
        (void)nj_buf_printf(&setup->text, "%" PRId64, (interval->until_ns - noon_ns) / NJ_SEC);
    (void)nj_buf_append_str(&setup->text, interval->backfilled ? "*;" : ";");
    return 0;
}

static void read_intervals(struct setup *setup, const char *kind)
{
    struct nj_err err = {0};
    const struct nj_interval_filter filter = {
        .cluster = "lab", .kind = kind, .namespace = "shop", .name = "web"};
    nj_buf_clear(&setup->text);
    if (setup->store->ops->each_interval(setup->store, &filter, write_interval, setup, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_intervals(struct setup *setup, const char *kind, const char *expected)
{
    read_intervals(setup, kind);
    assert_string_equal(nj_buf_str(&setup->text), expected);
}

static const char *exposition(struct setup *setup)
{
    nj_buf_clear(&setup->text);
    assert_int_equal(0, nj_sla_exposition(setup->sla, &setup->text));
    return nj_buf_str(&setup->text);
}

static void remember(struct setup *setup, enum nj_incident_kind kind)
{
    struct nj_incident incident = make_incident(7, "f");
    incident.kind = kind;
    incident.namespace = "shop";
    incident.workload_kind = "Service";
    incident.workload = "web";
    nj_sla_remember(setup->sla, &incident);
}

/* ---- outages */

static void an_outage_is_told_when_it_has_lasted_and_when_it_is_over(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 4);
    assert_told(setup, "");
    wait_seconds(setup, 2);
    assert_told(setup, "outage web of Deployment/web: failed_readiness (pods are not ready) ;");
    wait_seconds(setup, 20);
    assert_told(setup, ""); /* once */
    tell_model(setup, setup->slices, "MODIFIED", READY("3"));
    assert_told(setup, "outage web over;");
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-86;up 86-;");
}

static void a_short_one_is_kept_and_not_told(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 2);
    tell_model(setup, setup->slices, "MODIFIED", READY("3"));
    wait_seconds(setup, 10);
    assert_told(setup, "");
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-62;up 62-;");
}

static void what_agents_tell_is_its_cause(void **state)
{
    struct setup *setup = *state;
    struct nj_ingest_fact fact = {.event = make_event(NJ_EVENT_CRASH, "crash-1"), .incident_id = 4};
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 1);
    fact.event.at_ns = setup->fake.now_ns - 2 * NJ_SEC;
    fact.event.subject.namespace = "shop";
    fact.event.subject.pod = "web-1";
    fact.event.subject.pod_uid = "uid-web-1";
    fact.event.subject.workload = "web";
    nj_sla_facts(setup->sla, &fact, 1); /* later than the slice: the agent's way is longer */
    assert_intervals(setup, "Service", "up 0-60;down crash 60-;");
    wait_seconds(setup, 5);
    assert_told(setup,
                "outage web of Deployment/web: crash (app of pod web-1: Error, exit code 3) incident/4;");
}

static void a_service_that_is_deleted_is_not_away_any_more(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 6);
    nj_buf_clear(&setup->told);
    tell_model(setup, setup->services, "DELETED", SERVICE("9", ""));
    assert_told(setup, "outage web over;");
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-66;");
    assert_null(strstr(exposition(setup), "service=\"web\""));
}

static void one_that_is_scaled_to_zero_is_not_told(void **state)
{
    struct setup *setup = *state;
    struct nj_incident incident = make_incident(1, "f");
    char reason[64];
    start_synced(setup);
    wait_seconds(setup, 60);
    change_deployment(setup, 2, DEPLOYMENT("2", "0", ""));
    tell_model(setup, setup->slices, "MODIFIED", SLICE("2", ""));
    wait_seconds(setup, 10);
    assert_told(setup, "");
    assert_intervals(setup, "Service", "up 0-60;scaled_to_zero scaled_to_zero 60-;");
    assert_intervals(setup, "Deployment", "up 0-60;scaled_to_zero scaled_to_zero 60-;");
    /* What its pods do on their way is held back. */
    incident.kind = NJ_INCIDENT_POD_FAILURE;
    incident.namespace = "shop";
    incident.workload = "web";
    incident.first_ns = setup->fake.now_ns;
    assert_true(nj_suppress_ask(setup->suppress, &incident, setup->fake.now_ns, reason, sizeof(reason)));
    assert_string_equal(reason, "scale-down");
}

/* Why an incident of this workload's pods would be held back now. */
static void assert_holds(struct setup *setup, const char *kind, const char *workload, const char *expected)
{
    struct nj_incident incident = make_incident(1, "f");
    char reason[64] = "";
    incident.kind = NJ_INCIDENT_POD_FAILURE;
    incident.namespace = "shop";
    incident.workload_kind = kind;
    incident.workload = workload;
    incident.first_ns = setup->fake.now_ns;
    (void)nj_suppress_ask(setup->suppress, &incident, setup->fake.now_ns, reason, sizeof(reason));
    assert_string_equal(reason, expected);
}

/* ---- Jobs */

#define JOB(version, owner, spec, status)                                                                    \
    "{" FAKE_META("shop", "pi", "j1", version,                                                               \
                  ",\"creationTimestamp\":\"" LONG_AGO "\"" owner) ",\"spec\":{\"template\":{\"metadata\":{" \
                                                                   "\"labels\":{\"app\":\"web\"}}}" spec     \
                                                                   "},"                                      \
                                                                   "\"status\":{" status "}}"
#define OF_CRON_JOB                                                                                          \
    ",\"ownerReferences\":[{\"apiVersion\":\"batch/v1\",\"kind\":\"CronJob\",\"name\":\"nightly\",\"uid\":"  \
    "\"c1\",\"controller\":true}]"
#define COMPLETE "\"succeeded\":1,\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]"

static void change_job(struct setup *setup, const char *type, const char *object, int32_t wanted)
{
    const struct nj_workloads_item *item;
    fake_send(setup->jobs, type, object);
    do {
        run_once(setup);
        item = nj_workloads_find(setup->sla->workloads, NJ_WORKLOADS_JOB, "shop", "pi");
    } while ((item == NULL ? -1 : item->object->desired) != wanted);
}

static void a_service_of_a_job_misses_nothing_when_that_is_completed(void **state)
{
    struct setup *setup = *state;
    setup->deployments->items = "";
    setup->jobs->items = JOB("1", OF_CRON_JOB, "", "\"active\":1");
    start_synced(setup);
    /* Its pod has ended: the slice says so first. */
    be_down(setup, SLICE("2", ""));
    wait_seconds(setup, 1);
    assert_holds(setup, "CronJob", "nightly", "");
    change_job(setup, "MODIFIED", JOB("2", OF_CRON_JOB, "", COMPLETE), 0);
    assert_holds(setup, "CronJob", "nightly", "job completed");
    assert_holds(setup, "Deployment", "nightly", "");
    wait_seconds(setup, 20);
    assert_holds(setup, "CronJob", "nightly", "");
    /* Cleaned up. */
    change_job(setup, "DELETED", JOB("3", OF_CRON_JOB, "", COMPLETE), -1);
    wait_seconds(setup, 20);
    assert_holds(setup, "CronJob", "nightly", "");
    assert_told(setup, "");
    assert_intervals(setup, "Service",
                     "up 0-60;down scaled_to_zero 60-61;scaled_to_zero scaled_to_zero 61-;");
    /* A Job is not measured by itself. */
    assert_intervals(setup, "Job", "");
}

static void a_job_that_is_deleted_or_suspended_takes_its_pods_along(void **state)
{
    struct setup *setup = *state;
    setup->jobs->items = JOB("1", "", "", "\"active\":1");
    start_synced(setup);
    change_job(setup, "MODIFIED", JOB("2", "", ",\"suspend\":true", ""), 0);
    assert_holds(setup, "Job", "pi", "scale-down");
    wait_seconds(setup, 11);
    assert_holds(setup, "Job", "pi", "");
    change_job(setup, "MODIFIED", JOB("3", "", "", "\"active\":1"), 1);
    assert_holds(setup, "Job", "pi", "");
    change_job(setup, "DELETED", JOB("4", "", "", ""), -1);
    assert_holds(setup, "Job", "pi", "deletion");
}

/* What its pods did is what people want to hear. */
static void a_job_that_fails_explains_nothing(void **state)
{
    struct setup *setup = *state;
    setup->jobs->items = JOB("1", "", "", "\"active\":1");
    start_synced(setup);
    change_job(setup, "MODIFIED",
               JOB("2", "", "", "\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\"}]"), 0);
    assert_holds(setup, "Job", "pi", "");
}

/* ---- namespaces */

static void a_namespace_that_is_being_deleted_explains_what_goes_with_it(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 1);
    assert_holds(setup, "Deployment", "web", "");
    fake_send(setup->spaces, "ADDED",
              "{\"metadata\":{\"name\":\"shop\",\"uid\":\"n1\",\"resourceVersion\":\"20\","
              "\"deletionTimestamp\":\"2026-11-21T09:00:00Z\"}}");
    test_run_some(setup->fake.test);
    wait_seconds(setup, 1);
    assert_holds(setup, "Deployment", "web", "namespace deleted");
    fake_send(setup->spaces, "DELETED",
              "{\"metadata\":{\"name\":\"shop\",\"uid\":\"n1\",\"resourceVersion\":\"21\","
              "\"deletionTimestamp\":\"2026-11-21T09:00:00Z\"}}");
    test_run_some(setup->fake.test);
    wait_seconds(setup, 60);
    assert_holds(setup, "Deployment", "web", "namespace deleted");
    wait_seconds(setup, 61);
    assert_holds(setup, "Deployment", "web", "");
}

/* ---- marks */

static void what_is_deleted_is_not_missed(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    fake_send(setup->deployments, "DELETED", DEPLOYMENT("9", "1", ""));
    while (nj_workloads_find(setup->sla->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web") != NULL)
        run_once(setup);
    assert_holds(setup, "Deployment", "web", "deletion");
    wait_seconds(setup, 121);
    assert_holds(setup, "Deployment", "web", "");
}

/* Times stay in their order; what began later than it is now has to wait for the clock. */
static void a_clock_that_is_set_back_makes_no_time_twice(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    setup->fake.now_ns -= 30 * NJ_SEC;
    tell_model(setup, setup->slices, "MODIFIED", READY("3"));
    setup->fake.now_ns += 10 * NJ_SEC;
    tell_model(setup, setup->slices, "MODIFIED", NOT_READY("4"));
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-;");
    setup->fake.now_ns += 60 * NJ_SEC;
    tell_model(setup, setup->slices, "MODIFIED", READY("5"));
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-100;up 100-;");
}

/* Its pods may take 20 minutes to start, by their own settings and its deadline. */
#define SLOW_STARTER                                                                                         \
    "{" FAKE_META(                                                                                           \
        "shop", "web", "d1", "1",                                                                            \
        ",\"creationTimestamp\":\"2026-11-21T09:00:00Z\",\"generation\":1") ",\"spec\":{\"replicas\":1,"     \
                                                                            "\"template\":{"                 \
                                                                            "\"metadata\":{\"labels\":{"     \
                                                                            "\"app\":"                       \
                                                                            "\"web\"}},\"spec\":{"           \
                                                                            "\"containers\":[{"              \
                                                                            "\"name\":\"c\",\"image\":"      \
                                                                            "\"web:1\","                     \
                                                                            "\"startupProbe\":{"             \
                                                                            "\"tcpSocket\":{"                \
                                                                            "\"port\":80},"                  \
                                                                            "\"periodSeconds\":10,"          \
                                                                            "\"failureThreshold\":120}}]}}," \
                                                                            "\"progressDeadlineSeconds\":"   \
                                                                            "3600}}"

static void assert_starts(struct setup *setup, int minutes, bool expected)
{
    struct nj_incident incident = make_incident(1, "f");
    char reason[64] = "";
    incident.kind = NJ_INCIDENT_SERVICE_OUTAGE;
    incident.namespace = "shop";
    incident.workload_kind = "Service";
    incident.workload = "web";
    incident.detail = "Deployment/web";
    incident.cause = "starting";
    incident.first_ns = noon_ns;
    (void)nj_suppress_ask(setup->suppress, &incident, noon_ns + minutes * NJ_MIN, reason, sizeof(reason));
    assert_string_equal(reason, expected ? "starting" : "");
}

static void a_slow_starter_has_the_time_that_it_asks_for_over_a_restart_too(void **state)
{
    struct setup *setup = *state;
    setup->deployments->items = SLOW_STARTER;
    start_synced(setup);
    assert_starts(setup, 15, true);
    stop(setup);
    setup->fake.now_ns += 12 * NJ_MIN;
    start_synced(setup);
    assert_starts(setup, 15, true);
    assert_starts(setup, 40, false);
}

/* ---- restarts */

static void restart_after(struct setup *setup, int seconds)
{
    stop(setup);
    setup->fake.now_ns += seconds * NJ_SEC;
}

static void a_restart_in_which_nothing_happened_leaves_no_gap(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-;");
    assert_intervals(setup, "Deployment", "up 0-;");
    assert_told(setup, "");
}

#define ENDPOINTS(version, list)                                                                             \
    "{" FAKE_META("shop", "web", "e1", version,                                                              \
                  "") ",\"subsets\":[{\"" list "\":[{\"ip\":\"10.1.0.1\",\"targetRef\":{\"kind\":\"Pod\","   \
                      "\"name\":\"web-1\",\"uid\":\"uid-web-1\"}}],\"ports\":[{\"port\":8080}]}]}"

static void a_cluster_without_slices_is_followed_by_its_endpoints_over_a_restart_too(void **state)
{
    struct setup *setup = *state;
    struct fake_resource *endpoints = fake_resource(&setup->fake, "endpoints", ENDPOINTS("4", "addresses"));
    setup->slices->items = NULL;
    setup->slices->status = 404;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    start_synced(setup);
    while (endpoints->watches < 2)
        run_once(setup);
    wait_seconds(setup, 60);
    assert_intervals(setup, "Service", "up 0-;");
    tell_model(setup, endpoints, "MODIFIED", ENDPOINTS("20", "notReadyAddresses"));
    wait_seconds(setup, 6);
    assert_told(setup, "outage web of Deployment/web: failed_readiness (pods are not ready) ;");
    assert_intervals(setup, "Service", "up 0-720;down failed_readiness 720-;");
    /* Other contents after a time in which nobody looked. */
    restart_after(setup, 600);
    endpoints->items = ENDPOINTS("30", "addresses");
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-720;down failed_readiness 720-726;unknown 726-1326;up 1326-;");
}

static void a_gap_is_filled_from_what_the_pods_know_and_the_rest_is_unknown(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    /* A new pod, ready since 4 minutes after the last look. */
    setup->slices->items = SLICE("5", ENDPOINT("web-2", "true"));
    setup->pods->items = READY_SINCE("web-2", "2026-11-21T09:05:00Z");
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-60;unknown 60-300;up 300-*;");
    assert_told(setup, "");
}

static void a_gap_of_which_the_pods_know_nothing_is_unknown_until_now(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    setup->slices->items = SLICE("5", ENDPOINT("web-2", "true"));
    setup->pods->items = NULL;
    setup->pods->status = 500;
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-60;unknown 60-660;up 660-;");
}

static void an_outage_goes_on_over_a_restart_and_its_end_is_told_once(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 6);
    char first[NJ_EVENT_ID_MAX];
    memcpy(first, setup->last_id, sizeof(first));
    nj_buf_clear(&setup->told);
    restart_after(setup, 60);
    setup->slices->items = NOT_READY("2");
    start(setup);
    remember(setup, NJ_INCIDENT_SERVICE_OUTAGE);
    run_until_synced(setup);
    wait_seconds(setup, 10);
    nj_buf_clear(&setup->told); /* the same fact may be told again */
    tell_model(setup, setup->slices, "MODIFIED", READY("3"));
    wait_seconds(setup, 10);
    assert_told(setup, "outage web over;");
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-136;up 136-;");
}

static void an_outage_that_ended_while_nobody_looked_is_over(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 6);
    nj_buf_clear(&setup->told);
    restart_after(setup, 600);
    setup->slices->items = READY("3");
    setup->pods->items = READY_SINCE("web-1", "2026-11-21T09:05:00Z");
    start(setup);
    remember(setup, NJ_INCIDENT_SERVICE_OUTAGE);
    run_until_synced(setup);
    wait_seconds(setup, 5);
    assert_told(setup, "outage web over;");
    assert_intervals(setup, "Service", "up 0-60;down failed_readiness 60-66;unknown 66-300;up 300-*;");
}

static void a_service_that_went_meanwhile_was_there_until_somebody_looked_last(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    setup->services->items = setup->slices->items = "";
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-60;");
}

/* A kill while pods are still being asked must not make the gap a time that was seen. */
static void a_gap_that_is_not_filled_yet_is_still_one_after_another_restart(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    restart_after(setup, 600);
    setup->slices->items = SLICE("5", ENDPOINT("web-2", "true"));
    setup->fake.silent = "pods"; /* no answer comes */
    start_synced(setup);
    wait_seconds(setup, 3);
    restart_after(setup, 60);
    setup->fake.silent = NULL;
    setup->pods->items = READY_SINCE("web-2", "2026-11-21T09:05:00Z");
    start_synced(setup);
    wait_seconds(setup, 5);
    assert_intervals(setup, "Service", "up 0-60;unknown 60-300;up 300-*;");
}

/* ---- when nobody can look */

static void without_a_right_to_slices_nothing_is_known(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = NULL;
    setup->slices->status = 403;
    start_synced(setup);
    wait_seconds(setup, 20);
    assert_told(setup, "");
    assert_intervals(setup, "Service", "");
    assert_null(strstr(exposition(setup), "nightjar_service_up{"));
}

static void while_the_watch_is_broken_nothing_is_known(void **state)
{
    struct setup *setup = *state;
    start_synced(setup);
    wait_seconds(setup, 60);
    assert_non_null(strstr(exposition(setup), "nightjar_service_up{namespace=\"shop\",service=\"web\"} 1\n"));
    setup->slices->items = NULL;
    setup->slices->status = 500;
    nj_httpd_stream_end(setup->slices->watch);
    wait_seconds(setup, 30);
    assert_null(strstr(exposition(setup), "nightjar_service_up{"));
    /* What else changes meanwhile is no look at the endpoints. */
    change_deployment(setup, 2, DEPLOYMENT("2", "2", ""));
    wait_seconds(setup, 30);
    setup->slices->items = SLICE("7", ENDPOINT("web-1", "false"));
    setup->slices->watches = 0;
    while (setup->slices->watches == 0)
        wait_seconds(setup, 1);
    wait_seconds(setup, 7);
    assert_told(setup, "outage web of Deployment/web: failed_readiness (pods are not ready) ;");
    assert_non_null(strstr(exposition(setup), "nightjar_service_up{namespace=\"shop\",service=\"web\"} 0\n"));
    /* When it broke is the network's matter. */
    read_intervals(setup, "Service");
    char *end = NULL;
    const char *text = nj_buf_str(&setup->text);
    assert_true(nj_str_starts(text, "up 0-"));
    long broken = strtol(text + strlen("up 0-"), &end, 10);
    assert_true(broken >= 60 && nj_str_starts(end, ";unknown "));
    assert_int_equal(broken, strtol(end + strlen(";unknown "), &end, 10));
    long seen = strtol(end + 1, &end, 10);
    assert_true(seen >= 120 && nj_str_starts(end, ";down failed_readiness "));
    assert_int_equal(seen, strtol(end + strlen(";down failed_readiness "), &end, 10));
    assert_string_equal(end, "-;");
}

/* ---- budgets */

static void a_budget_that_burns_is_told_until_its_objective_is_taken_away(void **state)
{
    struct setup *setup = *state;
    setup->services->items = SERVICE("1", SLO("99.9"));
    start_synced(setup);
    assert_true(nj_sla_objective(setup->sla, "shop", "web") > 0.9989);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 121);
    assert_non_null(strstr(nj_buf_str(&setup->told), "slo web critical;"));
    nj_buf_clear(&setup->told);
    tell_model(setup, setup->services, "MODIFIED", SERVICE("2", ""));
    wait_seconds(setup, 61);
    assert_told(setup, "slo web over;");
    assert_true(nj_sla_objective(setup->sla, "shop", "web") == 0);
}

/* What burnt the budget before is known again before anything is said of it. */
static void a_budget_goes_on_burning_over_a_restart(void **state)
{
    struct setup *setup = *state;
    setup->services->items = SERVICE("1", SLO("99.9"));
    start_synced(setup);
    be_down(setup, NOT_READY("2"));
    wait_seconds(setup, 180);
    tell_model(setup, setup->slices, "MODIFIED", READY("3"));
    assert_non_null(strstr(nj_buf_str(&setup->told), "slo web critical;"));
    nj_buf_clear(&setup->told);
    double before = nj_slo_budget_left(setup->sla->slo, "shop", "web", setup->fake.now_ns);
    assert_true(before > 0.92 && before < 0.94); /* 3 of 43.2 minutes are gone */
    restart_after(setup, 60);
    setup->slices->items = READY("3");
    (void)pthread_mutex_lock(&setup->held);
    start(setup);
    remember(setup, NJ_INCIDENT_SLO_BURN);
    run_until_synced(setup);
    wait_seconds(setup, 90);
    assert_null(strstr(exposition(setup), "nightjar_service_"));
    (void)pthread_mutex_unlock(&setup->held);
    while (setup->sla->reading)
        run_once(setup);
    wait_seconds(setup, 90);
    assert_null(strstr(nj_buf_str(&setup->told), "over"));
    double after = nj_slo_budget_left(setup->sla->slo, "shop", "web", setup->fake.now_ns);
    assert_true(after > before - 1e-6 && after < before + 1e-6);
}

static void an_objective_of_the_workload_is_the_services_and_can_change(void **state)
{
    struct setup *setup = *state;
    (void)snprintf(setup->objective, sizeof(setup->objective), "90");
    setup->deployments->items = DEPLOYMENT("1", "1", "," SLO("99"));
    start_synced(setup);
    assert_true(nj_sla_objective(setup->sla, "shop", "web") == 0.99);
    change_deployment(setup, 2, DEPLOYMENT("2", "1", "," SLO("99.5%")));
    assert_true(nj_sla_objective(setup->sla, "shop", "web") == 0.995);
    change_deployment(setup, 3, DEPLOYMENT("3", "1", ""));
    assert_true(nj_sla_objective(setup->sla, "shop", "web") == 0.9);
}

static void an_objective_that_is_none_is_said(void **state)
{
    struct setup *setup = *state;
    setup->services->items = SERVICE("1", SLO("three nines"));
    start_synced(setup);
    assert_true(nj_sla_objective(setup->sla, "shop", "web") == 0);
    assert_non_null(strstr(exposition(setup),
                           "nightjar_service_objective_invalid{namespace=\"shop\",service=\"web\"} 1\n"));
    tell_model(setup, setup->services, "MODIFIED", SERVICE("2", SLO("99.9")));
    assert_null(strstr(exposition(setup), "nightjar_service_objective_invalid{"));
}

#define sla_case(function) cmocka_unit_test_setup_teardown(function, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sla_case(an_outage_is_told_when_it_has_lasted_and_when_it_is_over),
        sla_case(a_short_one_is_kept_and_not_told),
        sla_case(what_agents_tell_is_its_cause),
        sla_case(a_service_that_is_deleted_is_not_away_any_more),
        sla_case(one_that_is_scaled_to_zero_is_not_told),
        sla_case(a_service_of_a_job_misses_nothing_when_that_is_completed),
        sla_case(a_job_that_is_deleted_or_suspended_takes_its_pods_along),
        sla_case(a_job_that_fails_explains_nothing),
        sla_case(a_namespace_that_is_being_deleted_explains_what_goes_with_it),
        sla_case(what_is_deleted_is_not_missed),
        sla_case(a_clock_that_is_set_back_makes_no_time_twice),
        sla_case(a_slow_starter_has_the_time_that_it_asks_for_over_a_restart_too),
        sla_case(a_restart_in_which_nothing_happened_leaves_no_gap),
        sla_case(a_cluster_without_slices_is_followed_by_its_endpoints_over_a_restart_too),
        sla_case(a_gap_is_filled_from_what_the_pods_know_and_the_rest_is_unknown),
        sla_case(a_gap_of_which_the_pods_know_nothing_is_unknown_until_now),
        sla_case(an_outage_goes_on_over_a_restart_and_its_end_is_told_once),
        sla_case(an_outage_that_ended_while_nobody_looked_is_over),
        sla_case(a_service_that_went_meanwhile_was_there_until_somebody_looked_last),
        sla_case(a_gap_that_is_not_filled_yet_is_still_one_after_another_restart),
        sla_case(without_a_right_to_slices_nothing_is_known),
        sla_case(while_the_watch_is_broken_nothing_is_known),
        sla_case(a_budget_that_burns_is_told_until_its_objective_is_taken_away),
        sla_case(a_budget_goes_on_burning_over_a_restart),
        sla_case(an_objective_of_the_workload_is_the_services_and_can_change),
        sla_case(an_objective_that_is_none_is_said),
    };
    return cmocka_run_group_tests_name("collector/sla", tests, NULL, NULL);
}
