/*
 * Rollouts and the Services before them, against a small API server: what checks say of new pods and of a
 * Service's own address while a rollout goes on, and how its planned absence counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

struct setup {
    struct fake_kube fake;
    struct fake_resource *services, *slices, *deployments, *stateful_sets, *sets;
    struct folder folder;
    struct nj_store *store;
    struct nj_suppress *suppress;
    struct nj_model *model;
    struct nj_sla *sla;
    struct nj_collector_config config;
    char cluster[8], objective[1];
    struct nj_buf told; /* "failed web CheckFailed;outage web rollout;" */
    bool closed;
};

#define SERVICE(name, uid, selector)                                                                         \
    "{" FAKE_META("shop", name, uid, "1",                                                                    \
                  ",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"") ","                                     \
                                                                     "\"spec\":{\"type\":\"ClusterIP\","     \
                                                                     "\"clusterIPs\":[\"10.96.0.7\"],"       \
                                                                     "\"selector\":{" selector               \
                                                                     "},\"ports\":[{\"port\":80}]}}"
#define SLICE(name, service, version, endpoints)                                                             \
    "{" FAKE_META("shop", name, "sl-" name, version,                                                         \
                  ",\"generation\":" version ",\"labels\":{\"kubernetes.io/service-name\":\"" service        \
                  "\"}") ",\"addressType\":\"IPv4\",\"endpoints\":[" endpoints                               \
                         "],\"ports\":[{\"port\":80}]}"
#define ENDPOINT(pod, address, ready)                                                                        \
    "{\"addresses\":[\"" address "\"],\"conditions\":{\"ready\":" ready ",\"serving\":" ready                \
    "},\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":\"" pod           \
    "\",\"uid\":\"uid-" pod "\"}}"
#define DEPLOYMENT(version, revision, strategy, updated, available)                                          \
    "{" FAKE_META("shop", "web", "d1", version,                                                              \
                  ",\"generation\":" revision ",\"annotations\":{\"deployment.kubernetes.io/revision\":"     \
                  "\"" revision "\"}") ",\"spec\":{\"replicas\":1,\"strategy\":{\"type\":\"" strategy        \
                                       "\"},\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{" \
                                       "\"metadata\":{\"labels\":{\"app\":"                                  \
                                       "\"web\",\"all\":\"yes\"}},\"spec\":{\"containers\":[{\"name\":"      \
                                       "\"c\",\"image\":\"web:" revision                                     \
                                       "\"}]}}},\"status\":{\"observedGeneration\":" revision                \
                                       ",\"replicas\":1,\"updatedReplicas\":" updated                        \
                                       ",\"availableReplicas\":" available "}}"
#define SET(hash, revision)                                                                                  \
    "{" FAKE_META("shop", "web-" hash, "rs-" hash, "1",                                                      \
                  ",\"labels\":{\"pod-template-hash\":\"" hash "\"},\"annotations\":{"                       \
                  "\"deployment.kubernetes.io/revision\":\"" revision "\"},\"ownerReferences\":[{"           \
                  "\"kind\":\"Deployment\",\"name\":\"web\",\"controller\":true}]") "}"
/* Another workload behind the Service that selects both. */
#define DB                                                                                                   \
    "{" FAKE_META("shop", "db", "d2", "1",                                                                   \
                  ",\"generation\":1") ",\"spec\":{\"replicas\":1,\"selector\":{"                            \
                                       "\"matchLabels\":{\"app\":\"db\"}},\"template\":{\"metadata\":{"      \
                                       "\"labels\":{\"all\":\"yes\",\"app\":"                                \
                                       "\"db\"}},\"spec\":{\"containers\":[]}}},\"status\":{"                \
                                       "\"observedGeneration\":1,\"replicas\":1,"                            \
                                       "\"readyReplicas\":1,\"updatedReplicas\":1,\"currentRevision\":\"db-" \
                                       "1\",\"updateRevision\":\"db-1\"}}"

static const int64_t NOON_NS = INT64_C(1795262400) * NJ_SEC;

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    if (event->type == NJ_EVENT_ROLLOUT_FAILED && !event->rollout.over)
        (void)nj_buf_printf(&setup->told, "failed %s %s;", event->subject.workload, event->rollout.reason);
    else if (event->type == NJ_EVENT_OUTAGE && !event->outage.over)
        (void)nj_buf_printf(&setup->told, "outage %s %s;", event->subject.workload, event->outage.cause);
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
    if (setup->sla != NULL)
        nj_sla_service(setup->sla, namespace, name);
}

static void on_synced(void *data)
{
    nj_sla_model_synced(((struct setup *)data)->sla);
}

static void run_once(struct setup *setup)
{
    (void)uv_run(&setup->fake.test->loop.uv, UV_RUN_ONCE);
}

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    struct nj_err err = {0};
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, NOON_NS);
    begin_folder(&setup->folder);
    setup->store = open_writer(&setup->folder);
    setup->services =
        fake_resource(&setup->fake, "services",
                      SERVICE("web", "s1", "\"app\":\"web\"") "," SERVICE(
                          "both", "s2", "\"all\":\"yes\"") "," SERVICE("db", "s3", "\"app\":\"db\""));
    setup->slices =
        fake_resource(&setup->fake, "endpointslices",
                      SLICE("web-1", "web", "1", ENDPOINT("web-aaa-x1", "10.1.0.1", "true")) "," SLICE(
                          "both-1", "both", "1",
                          ENDPOINT("web-aaa-x1", "10.1.0.1", "true") "," ENDPOINT(
                              "db-0", "10.1.0.2", "true")) "," SLICE("db-1", "db", "1",
                                                                     ENDPOINT("db-0", "10.1.0.2", "true")));
    setup->deployments =
        fake_resource(&setup->fake, "deployments", DEPLOYMENT("1", "1", "RollingUpdate", "1", "1"));
    setup->stateful_sets = fake_resource(&setup->fake, "statefulsets", DB);
    setup->sets = fake_resource(&setup->fake, "replicasets", SET("aaa", "1"));
    (void)snprintf(setup->cluster, sizeof(setup->cluster), "lab");
    setup->config.cluster = setup->cluster;
    setup->config.sla.objective = setup->objective;
    setup->config.sla.outage_after_ns = 5 * NJ_SEC;
    setup->config.sla.window_ns = 30 * NJ_DAY;
    setup->config.sla.max_services = setup->config.sla.max_objects = 100;
    setup->suppress = nj_suppress_new(NULL, NULL);
    const struct nj_model_options model = {.loop = &setup->fake.test->loop,
                                           .client = setup->fake.client,
                                           .max_objects = 100,
                                           .on_changed = on_changed,
                                           .on_service = on_service,
                                           .on_synced = on_synced,
                                           .data = setup};
    assert_int_equal(0, nj_model_start(&model, &setup->model, NULL));
    const struct nj_sla_options options = {.loop = &setup->fake.test->loop,
                                           .client = setup->fake.client,
                                           .model = setup->model,
                                           .suppress = setup->suppress,
                                           .config = &setup->config,
                                           .store = setup->store,
                                           .write = on_write,
                                           .on_event = on_event,
                                           .data = setup};
    if (nj_sla_start(&options, &setup->sla, &err) < 0)
        fail_msg("%s", err.text);
    while (!setup->sla->ready || setup->slices->watches == 0 || setup->deployments->watches == 0 ||
           setup->stateful_sets->watches == 0 || setup->sets->watches == 0 || setup->sla->asks != NULL)
        run_once(setup);
    *state = setup;
    return 0;
}

static void run_until_closed(struct setup *setup)
{
    while (!setup->closed)
        run_once(setup);
    setup->closed = false;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    nj_sla_stop(setup->sla);
    nj_sla_close(setup->sla, test_set_flag, &setup->closed);
    run_until_closed(setup);
    setup->sla = NULL;
    nj_model_close(setup->model, test_set_flag, &setup->closed);
    run_until_closed(setup);
    nj_suppress_free(setup->suppress);
    setup->store->ops->close(setup->store);
    end_folder(&setup->folder);
    fake_kube_stop(&setup->fake);
    nj_buf_done(&setup->told);
    free(setup);
    return 0;
}

static void wait_seconds(struct setup *setup, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        int64_t ticks = setup->sla->ticks;
        setup->fake.now_ns += NJ_SEC;
        while (setup->sla->ticks == ticks)
            run_once(setup);
    }
}

static const struct nj_rollout *running(const struct setup *setup)
{
    return nj_rollouts_running(setup->sla->rollouts, "shop", "Deployment", "web");
}

/* Revision 2 of the Deployment, with its first new pod. */
static void roll_out(struct setup *setup, const char *object)
{
    fake_send(setup->sets, "ADDED", SET("bbb", "2"));
    while (nj_workloads_revision(setup->sla->workloads, "shop", "web", "2") == NULL)
        run_once(setup);
    fake_send(setup->deployments, "MODIFIED", object);
    while (running(setup) == NULL)
        run_once(setup);
}

static void change_slice(struct setup *setup, const char *service, const char *slice,
                         enum nj_service_state state)
{
    const struct nj_interval *now = NULL;
    fake_send(setup->slices, "MODIFIED", slice);
    do {
        run_once(setup);
        now = nj_tracker_now(setup->sla->services, "shop", service);
    } while (now == NULL || now->state != state);
}

/* What is said of a check of the Service's own address that fails now; "": tell. */
static const char *held(const struct setup *setup, const char *service, char reason[64])
{
    const struct nj_incident incident = {.id = 1,
                                         .kind = NJ_INCIDENT_PROBE,
                                         .cluster = "lab",
                                         .namespace = "shop",
                                         .workload_kind = "Service",
                                         .workload = service,
                                         .pod = "",
                                         .node = "",
                                         .detail = "",
                                         .cause = "",
                                         .suppressed = "",
                                         .first_ns = setup->fake.now_ns};
    reason[0] = '\0';
    (void)nj_suppress_ask(setup->suppress, &incident, setup->fake.now_ns, reason, 64);
    return reason;
}

/* `late_s`: so long ago; its agent could not tell before. */
static void check_fails_late(struct setup *setup, const char *service, const char *pod, int late_s)
{
    const struct nj_ingest_fact fact = {.event = {.id = "1",
                                                  .at_ns = setup->fake.now_ns - late_s * NJ_SEC,
                                                  .seen_ns = setup->fake.now_ns,
                                                  .type = NJ_EVENT_CHECK,
                                                  .subject = {.namespace = "shop",
                                                              .workload_kind = "Service",
                                                              .workload = service,
                                                              .pod = pod,
                                                              .pod_uid = pod[0] == '\0' ? "" : "uid",
                                                              .node = "n1",
                                                              .container = ""},
                                                  .check = {.state = "failing",
                                                            .service = service,
                                                            .target_name = pod,
                                                            .cause = "status",
                                                            .got = "status 500"}}};
    nj_sla_facts(setup->sla, &fact, 1);
}

static void check_fails(struct setup *setup, const char *service, const char *pod)
{
    check_fails_late(setup, service, pod, 0);
}

static void checks_of_an_address_wait_for_the_rollout_behind_it(void **state)
{
    struct setup *setup = *state;
    char reason[64];
    assert_string_equal(held(setup, "web", reason), "");
    roll_out(setup, DEPLOYMENT("2", "2", "RollingUpdate", "1", "0"));
    assert_string_equal(held(setup, "web", reason), "rollout");
    assert_string_equal(held(setup, "both", reason), "rollout");
    assert_string_equal(held(setup, "db", reason), ""); /* behind it nothing is rolled out */
    /* What the rollout costs is its own. */
    change_slice(setup, "web", SLICE("web-1", "web", "2", ENDPOINT("web-aaa-x1", "10.1.0.1", "false")),
                 NJ_SERVICE_DOWN);
    wait_seconds(setup, 1);
    assert_string_equal(held(setup, "web", reason), "rollout");
    fake_send(setup->deployments, "MODIFIED", DEPLOYMENT("3", "2", "RollingUpdate", "1", "1"));
    while (running(setup) != NULL)
        run_once(setup);
    wait_seconds(setup, 12);
    assert_string_equal(held(setup, "web", reason), "");
}

static void what_lacks_for_another_reason_is_told(void **state)
{
    struct setup *setup = *state;
    char reason[64];
    /* The other workload's pod went before. */
    change_slice(setup, "both",
                 SLICE("both-1", "both", "2",
                       ENDPOINT("web-aaa-x1", "10.1.0.1", "true") "," ENDPOINT("db-0", "10.1.0.2", "false")),
                 NJ_SERVICE_DEGRADED);
    wait_seconds(setup, 30);
    roll_out(setup, DEPLOYMENT("2", "2", "RollingUpdate", "1", "0"));
    wait_seconds(setup, 1);
    assert_string_equal(held(setup, "both", reason), "");
}

static void a_new_pods_check_that_fails_counts_against_the_rollout(void **state)
{
    struct setup *setup = *state;
    roll_out(setup, DEPLOYMENT("2", "2", "RollingUpdate", "1", "0"));
    check_fails(setup, "web", "web-aaa-x1"); /* an old one */
    check_fails(setup, "db", "db-0");        /* another workload's */
    check_fails(setup, "web", "");           /* the Service's address */
    assert_int_equal(running(setup)->failed_checks, 0);
    check_fails(setup, "web", "web-bbb-x2");
    assert_int_equal(running(setup)->failed_checks, 1);
    assert_string_equal(running(setup)->reason, "CheckFailed");
    assert_string_equal(running(setup)->message, "pod web-bbb-x2 fails its checks (CheckFailed): status 500");
    assert_int_equal(0, strncmp(nj_buf_str(&setup->told), "failed web CheckFailed;", 23));
}

/* Until the engine can have heard of it: before that nobody else would say why. */
static void a_failure_that_is_heard_of_late_holds_as_long_as_any(void **state)
{
    struct setup *setup = *state;
    char reason[64];
    roll_out(setup, DEPLOYMENT("2", "2", "RollingUpdate", "1", "0"));
    wait_seconds(setup, 25);
    check_fails_late(setup, "web", "web-bbb-x2", 20);
    assert_true(running(setup)->failed_ns + NJ_SUPPRESS_SETTLE_NS < setup->fake.now_ns);
    assert_string_equal(held(setup, "web", reason), "rollout");
    wait_seconds(setup, 1);
    assert_string_equal(held(setup, "web", reason), "rollout");
    wait_seconds(setup, 11);
    assert_string_equal(held(setup, "web", reason), "");
}

/* It is meant: the Service is away while the pods are changed, and that is told as a rollout's doing, which
 * the engine holds back until it has failed. */
static void recreating_pods_is_a_planned_absence(void **state)
{
    struct setup *setup = *state;
    roll_out(setup, DEPLOYMENT("2", "2", "Recreate", "0", "0"));
    change_slice(setup, "web", SLICE("web-1", "web", "2", ""), NJ_SERVICE_DOWN);
    wait_seconds(setup, 59);
    const struct nj_interval *now = nj_tracker_now(setup->sla->services, "shop", "web");
    assert_int_equal(now->cause, NJ_OUTAGE_BY_ROLLOUT);
    assert_true(nj_outage_cause_is_planned(now->cause));
    assert_int_equal(running(setup)->failed_ns, 0);
    assert_non_null(strstr(nj_buf_str(&setup->told), "outage web rollout;"));
    assert_null(strstr(nj_buf_str(&setup->told), "failed"));
    wait_seconds(setup, 2); /* 30 s to end, 30 s to begin */
    assert_non_null(strstr(nj_buf_str(&setup->told), "failed web Outage;"));
    assert_int_equal(nj_tracker_now(setup->sla->services, "shop", "web")->cause, NJ_OUTAGE_BY_FAILED_ROLLOUT);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_of, teardown_of)
    const struct CMUnitTest tests[] = {
        CASE(checks_of_an_address_wait_for_the_rollout_behind_it),
        CASE(what_lacks_for_another_reason_is_told),
        CASE(a_new_pods_check_that_fails_counts_against_the_rollout),
        CASE(a_failure_that_is_heard_of_late_holds_as_long_as_any),
        CASE(recreating_pods_is_a_planned_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
