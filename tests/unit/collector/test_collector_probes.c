/*
 * The collector's probing as a whole, against a small API server and a web server that stands behind a
 * Service's address: from an object of the cluster to events, plans and an ApiMonitor's status.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/probes/probes.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"

enum { EVENTS_MAX = 64, TEXT_MAX = 2048, BODY_TEXT_MAX = 256 };

/* What was told, one line an event: "service.shop.web service/8080/IPv4 passing". */
struct told {
    char line[TEXT_MAX];
    char expected[BODY_TEXT_MAX], got[BODY_TEXT_MAX], body[BODY_TEXT_MAX], workload[BODY_TEXT_MAX];
    char *evidence, *monitor, *target;
    const char *state, *source; /* constants */
    int64_t since_ns;
    int status;
};

struct setup {
    struct fake_kube fake;
    struct fake_resource *services, *slices, *monitors, *namespaces_list;
    struct nj_httpd *web;
    unsigned web_status;
    int asked;
    char asked_header[BODY_TEXT_MAX], asked_host[BODY_TEXT_MAX];
    struct nj_collector_config config;
    struct nj_namespaces *namespaces;
    struct nj_store *store;
    struct nj_probes *probes;
    struct told told[EVENTS_MAX];
    size_t told_count, committed;
    int minutes; /* in rollups */
    struct nj_buf outcomes;
    bool closed;
    char *texts[16]; /* of objects; freed at the end */
    size_t texts_count;
};

static void on_web(void *data, struct nj_httpd_request *request)
{
    struct setup *setup = data;
    setup->asked++;
    (void)snprintf(setup->asked_header, sizeof(setup->asked_header), "%s",
                   nj_str(nj_httpd_header(request, "X-Password")));
    (void)snprintf(setup->asked_host, sizeof(setup->asked_host), "%s",
                   nj_str(nj_httpd_header(request, "Host")));
    const char *body = setup->web_status == 200 ? "fine" : "the database is away";
    nj_httpd_reply(request, setup->web_status, "text/plain", NULL, body, strlen(body));
}

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    if (event->type == NJ_EVENT_ROLLUPS) {
        for (size_t i = 0; i < event->rollups.count; i++)
            setup->minutes += event->rollups.items[i].runs > 0;
        return;
    }
    assert_int_equal(NJ_EVENT_CHECK, event->type);
    assert_true(setup->told_count < EVENTS_MAX);
    struct told *told = &setup->told[setup->told_count++];
    (void)snprintf(told->line, sizeof(told->line), "%s %s %s", event->check.key.monitor,
                   event->check.key.target, event->check.state);
    (void)snprintf(told->expected, sizeof(told->expected), "%s", nj_str(event->check.expected));
    (void)snprintf(told->got, sizeof(told->got), "%s", nj_str(event->check.got));
    (void)snprintf(told->body, sizeof(told->body), "%s", nj_str(event->check.body));
    (void)snprintf(told->workload, sizeof(told->workload), "%s/%s", event->subject.workload_kind,
                   event->subject.workload);
    told->evidence = nj_strdup(nj_str(event->check.evidence));
    told->status = event->check.status;
    told->monitor = nj_strdup(event->check.key.monitor);
    told->target = nj_strdup(event->check.key.target);
    told->state = event->check.state;
    told->source = event->check.source;
    told->since_ns = event->check.since_ns;
}

/* Runs the loop, and hands the events back as ingest does after its commit. */
static void run_once(struct setup *setup)
{
    fake_run_once(&setup->fake);
    for (; setup->committed < setup->told_count; setup->committed++) {
        const struct told *told = &setup->told[setup->committed];
        const struct nj_store_target target = {.cluster = "test",
                                               .key = {.monitor = told->monitor, .target = told->target},
                                               .source = told->source,
                                               .namespace = "shop",
                                               .service = "web",
                                               .target_name = "web",
                                               .state = told->state,
                                               .since_ns = told->since_ns};
        nj_probes_target(setup->probes, &target);
    }
}

static const char *text(struct setup *setup, char *take_text)
{
    assert_true(setup->texts_count < sizeof(setup->texts) / sizeof(setup->texts[0]));
    setup->texts[setup->texts_count++] = take_text;
    return take_text;
}

static const char *service_of(struct setup *setup, const char *version, const char *annotations)
{
    return text(setup, nj_asprintf("{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":"
                                   "\"shop\",\"name\":\"web\",\"uid\":\"s1\",\"resourceVersion\":\"%s\","
                                   "\"annotations\":{%s}},\"spec\":{\"type\":\"ClusterIP\",\"clusterIPs\":["
                                   "\"127.0.0.1\"],\"ipFamilies\":[\"IPv4\"],\"selector\":{\"app\":\"web\"},"
                                   "\"ports\":[{\"name\":\"http\",\"port\":%d,\"protocol\":\"TCP\","
                                   "\"targetPort\":8080}]}}",
                                   version, annotations, nj_httpd_port(setup->web)));
}

static const char *slice_of(struct setup *setup, const char *version, bool ready)
{
    return text(setup,
                nj_asprintf("{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\","
                            "\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-a\",\"uid\":\"e1\","
                            "\"resourceVersion\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"web\","
                            "\"endpointslice.kubernetes.io/managed-by\":"
                            "\"endpointslice-controller.k8s.io\"}},\"addressType\":\"IPv4\",\"endpoints\":[{"
                            "\"addresses\":[\"127.0.0.1\"],\"conditions\":{\"ready\":%s,\"serving\":%s},"
                            "\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-1\",\"uid\":\"p1\"}}],"
                            "\"ports\":[{\"name\":\"http\",\"port\":%d,\"protocol\":\"TCP\"}]}",
                            version, ready ? "true" : "false", ready ? "true" : "false",
                            nj_httpd_port(setup->web)));
}

static const char *monitor_of(struct setup *setup, const char *version, const char *spec)
{
    return text(setup, nj_asprintf("{\"kind\":\"ApiMonitor\",\"apiVersion\":\"nightjar.dev/v1alpha1\","
                                   "\"metadata\":{\"namespace\":\"shop\",\"name\":\"login\",\"uid\":\"m1\","
                                   "\"resourceVersion\":\"%s\",\"generation\":%s},\"spec\":%s}",
                                   version, version, spec));
}

/* Soon again, and without a second try. */
#define SPEC(more)                                                                                           \
    "{\"target\":{\"service\":{\"name\":\"web\",\"port\":\"http\"}},\"interval\":\"1s\",\"timeout\":"        \
    "\"1s\",\"retries\":{\"count\":0}" more "}"

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    struct nj_err err = {0};
    static const char yaml[] = "cluster: test\nprobes: {builtin: false}\n";
    fake_kube_start(&setup->fake);
    setup->services = fake_resource(&setup->fake, "services", "");
    setup->slices = fake_resource(&setup->fake, "endpointslices", "");
    (void)fake_resource(&setup->fake, "ingresses", "");
    setup->monitors = fake_resource(&setup->fake, "apimonitors", "");
    setup->namespaces_list = fake_resource(&setup->fake, "namespaces", "");
    setup->web_status = 200;
    const struct nj_httpd_options web = {.listen = "127.0.0.1:0",
                                         .max_connections = 16,
                                         .max_body_bytes = 1024,
                                         .idle_timeout_s = 60,
                                         .handle = on_web,
                                         .data = setup};
    assert_int_equal(0, nj_httpd_start(&setup->fake.test->loop, &web, &setup->web, NULL));
    if (nj_config_load_text(nj_collector_config_table, "test", yaml, sizeof(yaml) - 1, NULL, 0,
                            &setup->config, &err) < 0)
        fail_msg("%s", err.text);
    setup->store = open_writer(&setup->fake.folder);
    *state = setup;
    return 0;
}

static void on_probe(void *data, const char *namespace)
{
    struct setup *setup = data;
    if (setup->probes != NULL)
        nj_probes_namespace(setup->probes, namespace);
}

static void on_namespaces(void *data)
{
    on_probe(data, NULL);
}

static void start(struct setup *setup)
{
    struct nj_err err = {0};
    const struct nj_namespaces_options namespaces = {.loop = &setup->fake.test->loop,
                                                     .client = setup->fake.client,
                                                     .on_probe = on_probe,
                                                     .on_synced = on_namespaces,
                                                     .data = setup};
    assert_int_equal(0, nj_namespaces_start(&namespaces, &setup->namespaces, NULL));
    const struct nj_probes_options options = {.loop = &setup->fake.test->loop,
                                              .client = setup->fake.client,
                                              .namespaces = setup->namespaces,
                                              .config = &setup->config,
                                              .store = setup->store,
                                              .on_event = on_event,
                                              .data = setup};
    if (nj_probes_start(&options, &setup->probes, &err) < 0)
        fail_msg("%s", err.text);
    for (struct fake_resource *resource = setup->fake.resources; resource->name != NULL; resource++) {
        while (resource->items != NULL && resource->watches == 0)
            run_once(setup);
    }
}

static void wait_closed(struct setup *setup)
{
    test_run_until(setup->fake.test, &setup->closed);
    setup->closed = false;
}

static void stop(struct setup *setup)
{
    struct nj_probes *probes = setup->probes;
    nj_probes_stop(probes);
    setup->probes = NULL;
    nj_probes_close(probes, test_set_flag, &setup->closed);
    wait_closed(setup);
    nj_namespaces_close(setup->namespaces, test_set_flag, &setup->closed);
    wait_closed(setup);
    setup->namespaces = NULL;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    if (setup->probes != NULL)
        stop(setup);
    nj_httpd_close(setup->web, test_set_flag, &setup->closed);
    wait_closed(setup);
    setup->store->ops->close(setup->store);
    nj_config_done(nj_collector_config_table, &setup->config);
    fake_kube_stop(&setup->fake);
    for (size_t i = 0; i < setup->told_count; i++) {
        free(setup->told[i].evidence);
        free(setup->told[i].monitor);
        free(setup->told[i].target);
    }
    for (size_t i = 0; i < setup->texts_count; i++)
        free(setup->texts[i]);
    nj_buf_done(&setup->outcomes);
    free(setup);
    return 0;
}

/* The event, once it has been told; `format` may hold the web server's port. */
static const struct told *run_until_told(struct setup *setup, const char *monitor, const char *state)
{
    char line[TEXT_MAX];
    (void)snprintf(line, sizeof(line), "%s service/%d/IPv4 %s", monitor, nj_httpd_port(setup->web), state);
    for (;;) {
        for (size_t i = 0; i < setup->told_count; i++) {
            if (nj_streq(setup->told[i].line, line))
                return &setup->told[i];
        }
        run_once(setup);
    }
}

static void run_until_patched(struct setup *setup, const char *words)
{
    while (strstr(nj_buf_str(&setup->fake.patched), words) == NULL)
        run_once(setup);
}

static void a_service_is_checked_unasked_until_it_has_no_endpoint(void **state)
{
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    const struct told *told = run_until_told(setup, "service.shop.web", "passing");
    assert_string_equal("Service/web", told->workload);
    fake_send(setup->slices, "MODIFIED", slice_of(setup, "11", false));
    (void)run_until_told(setup, "service.shop.web", "gone");
    assert_int_equal(2, setup->told_count);
}

static void a_monitors_failure_is_told_with_its_evidence_and_its_end(void **state)
{
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    setup->monitors->items = monitor_of(setup, "1", SPEC(""));
    start(setup);
    (void)run_until_told(setup, "apimonitor.shop.login", "passing");
    assert_int_equal(0, strncmp("web.shop.svc.cluster.local:", setup->asked_host, 27));
    setup->web_status = 500;
    const struct told *told = run_until_told(setup, "apimonitor.shop.login", "failing");
    assert_int_equal(500, told->status);
    assert_string_equal("the database is away", told->body);
    assert_non_null(strstr(told->evidence, "\"cause\""));
    assert_string_equal("Service/web", told->workload);
    size_t before = setup->told_count;
    setup->web_status = 200;
    while (setup->told_count == before)
        run_once(setup);
    assert_int_equal(3, setup->told_count); /* and no derived check beside it */
    nj_probes_stop(setup->probes);
    assert_true(setup->minutes > 0);
}

static void a_monitors_status_follows_its_targets(void **state)
{
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    setup->monitors->items = monitor_of(setup, "1", SPEC(""));
    setup->web_status = 503;
    start(setup);
    run_until_patched(setup, "\"reason\":\"AllFail\"");
    const char *patched = nj_buf_str(&setup->fake.patched);
    assert_int_equal(0, strncmp(patched,
                                "/apis/nightjar.dev/v1alpha1/namespaces/shop/apimonitors/login/status "
                                "nightjar-collector true application/apply-patch+yaml {",
                                120));
    assert_non_null(strstr(patched, "\"targets\":1,\"passing\":0,\"failing\":1"));
    assert_non_null(strstr(patched, "\"targetDescription\":\"service web:http\""));
    assert_non_null(strstr(patched, "\"reason\":\"Valid\""));
    fake_send(setup->monitors, "MODIFIED", monitor_of(setup, "2", "{\"colour\":1}"));
    run_until_patched(setup, "\"reason\":\"Invalid\"");
    assert_non_null(strstr(nj_buf_str(&setup->fake.patched), "\"observedGeneration\":2"));
    run_until_patched(setup, "\"targets\":0");
}

static void put_target(struct setup *setup, const char *monitor, const char *target, const char *state)
{
    const struct nj_store_target record = {.cluster = "test",
                                           .key = {.monitor = monitor, .target = target},
                                           .source = "derived",
                                           .namespace = "shop",
                                           .service = "web",
                                           .target_name = "web",
                                           .state = state,
                                           .since_ns = noon_ns,
                                           .seen_ns = noon_ns};
    assert_int_equal(0, setup->store->ops->begin(setup->store, NULL));
    assert_int_equal(0, setup->store->ops->put_target(setup->store, &record, NULL));
    assert_int_equal(0, setup->store->ops->commit(setup->store, NULL));
}

static void since_when_a_monitor_is_as_it_is_outlives_the_process(void **state)
{
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    setup->monitors->items =
        text(setup, nj_asprintf("{\"kind\":\"ApiMonitor\",\"apiVersion\":\"nightjar.dev/v1alpha1\","
                                "\"metadata\":{\"namespace\":\"shop\",\"name\":\"login\",\"uid\":\"m1\","
                                "\"resourceVersion\":\"3\",\"generation\":1},\"spec\":%s,\"status\":{"
                                "\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\","
                                "\"lastTransitionTime\":\"2021-02-03T04:05:06Z\"},7,{\"type\":\"Passing\","
                                "\"status\":\"False\",\"lastTransitionTime\":\"2021-02-03T07:08:09Z\"}]}}",
                                SPEC("")));
    char target[BODY_TEXT_MAX];
    (void)snprintf(target, sizeof(target), "service/%d/IPv4", nj_httpd_port(setup->web));
    put_target(setup, "apimonitor.shop.login", target, "failing");
    setup->web_status = 500;
    start(setup);
    run_until_patched(setup, "\"reason\":\"AllFail\"");
    assert_non_null(strstr(nj_buf_str(&setup->fake.patched), "2021-02-03T04:05:06"));
    assert_non_null(strstr(nj_buf_str(&setup->fake.patched), "2021-02-03T07:08:09"));
    nj_buf_clear(&setup->fake.patched);
    setup->web_status = 200;
    run_until_patched(setup, "\"reason\":\"AllPass\"");
    assert_null(strstr(nj_buf_str(&setup->fake.patched), "2021-02-03T07:08:09"));
}

#define WITH_SECRET                                                                                          \
    SPEC(",\"variables\":[{\"name\":\"pw\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"login\",\"key\":"     \
         "\"password\"}}}],\"steps\":[{\"http\":{\"path\":\"/\",\"headers\":[{\"name\":\"X-Password\","      \
         "\"value\":\"${pw}\"}]}}]")

static void a_secret_is_used_once_it_may_be_read_and_is_shown_nowhere(void **state)
{
    static const char path[] = "/api/v1/namespaces/shop/secrets/login";
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    setup->monitors->items = monitor_of(setup, "1", WITH_SECRET);
    (void)fake_object(&setup->fake, path, 403, "{}");
    start(setup);
    run_until_patched(setup, "\"reason\":\"SecretUnreadable\"");
    assert_non_null(strstr(nj_buf_str(&setup->fake.patched), "RoleBinding"));
    assert_int_equal(0, setup->asked);
    /* Granted; a change of the monitor has it read at once. */
    (void)fake_object(&setup->fake, path, 200,
                      "{\"kind\":\"Secret\",\"data\":{\"password\":\"aHVudGVyMi1hbmQtbW9yZQ==\"}}");
    setup->web_status = 500;
    fake_send(setup->monitors, "MODIFIED", monitor_of(setup, "2", WITH_SECRET));
    const struct told *told = run_until_told(setup, "apimonitor.shop.login", "failing");
    assert_string_equal("hunter2-and-more", setup->asked_header);
    assert_null(strstr(told->evidence, "hunter2"));
    assert_null(strstr(nj_buf_str(&setup->fake.patched), "hunter2"));
}

static void a_namespace_that_opts_out_has_no_derived_checks(void **state)
{
    struct setup *setup = *state;
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    (void)run_until_told(setup, "service.shop.web", "passing");
    fake_send(setup->namespaces_list, "ADDED",
              "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"shop\",\"uid\":\"n1\","
              "\"resourceVersion\":\"11\",\"annotations\":{\"nightjar.dev/probe\":\"off\"}}}");
    (void)run_until_told(setup, "service.shop.web", "gone");
}

static bool plan_has(struct setup *setup, const char *words)
{
    static const char *const shop[] = {"shop"};
    struct nj_buf plan = {0};
    bool has = nj_probes_plan(setup->probes, shop, 1, "", &plan) &&
               memmem(plan.data, plan.len, words, strlen(words)) != NULL;
    nj_buf_done(&plan);
    return has;
}

static void agents_get_a_plan_once_everything_is_known(void **state)
{
    struct setup *setup = *state;
    static const char *const shop[] = {"shop"};
    struct nj_buf plan = {0};
    setup->services->items = service_of(setup, "5", "");
    setup->monitors->items = monitor_of(setup, "1", SPEC(""));
    start(setup);
    while (!nj_probes_plan(setup->probes, shop, 1, "", &plan))
        run_once(setup);
    nj_buf_done(&plan);
    assert_true(plan_has(setup, "apimonitor.shop.login"));
    assert_false(plan_has(setup, "service.shop.web")); /* it is replaced */
    fake_send(setup->monitors, "DELETED", monitor_of(setup, "2", SPEC("")));
    while (!plan_has(setup, "service.shop.web"))
        run_once(setup);
    assert_false(plan_has(setup, "apimonitor.shop.login"));
}

static void after_a_restart_nothing_is_told_twice_and_what_went_meanwhile_is_told(void **state)
{
    struct setup *setup = *state;
    char target[BODY_TEXT_MAX];
    (void)snprintf(target, sizeof(target), "service/%d/IPv4", nj_httpd_port(setup->web));
    put_target(setup, "service.shop.web", target, "passing");
    put_target(setup, "service.shop.old", target, "failing");
    put_target(setup, "service.shop.old", "pod/p9/80/IPv4", "passing"); /* the agents' */
    setup->services->items = service_of(setup, "5",
                                        "\"nightjar.dev/probe\":\"http\","
                                        "\"nightjar.dev/probe-interval\":\"1s\"");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    const struct told *told = run_until_told(setup, "service.shop.old", "gone");
    assert_string_equal("Service/web", told->workload);
    while (setup->asked < 2)
        run_once(setup);
    assert_int_equal(1, setup->told_count);
    setup->web_status = 500;
    (void)run_until_told(setup, "service.shop.web", "failing");
}

static void on_monitor(void *data, const struct nj_monitor_view *monitor)
{
    struct nj_buf *text = data;
    (void)nj_buf_printf(text, "%s %s %s %zu/%zu %s;", monitor->id, nj_monitor_source_name(monitor->source),
                        monitor->target, monitor->failing, monitor->targets, monitor->trouble);
}

static void monitors_are_listed_in_pages_with_their_counts(void **state)
{
    struct setup *setup = *state;
    struct nj_buf text = {0};
    setup->services->items = service_of(setup, "5", "");
    setup->slices->items = slice_of(setup, "5", true);
    setup->monitors->items = monitor_of(setup, "1", "{\"target\":{\"url\":\"http://example.com/\"}}");
    start(setup);
    (void)run_until_told(setup, "service.shop.web", "passing");
    const struct nj_store_target page = {.cluster = "test",
                                         .key = {.monitor = "metrics.shop.web", .target = "pod/p1/9/IPv4"},
                                         .source = "metrics",
                                         .namespace = "shop",
                                         .service = "",
                                         .state = "failing",
                                         .since_ns = noon_ns};
    nj_probes_target(setup->probes, &page);
    const struct nj_monitor_filter first = {.limit = 1};
    assert_true(nj_probes_each_monitor(setup->probes, &first, on_monitor, &text));
    assert_string_equal("apimonitor.shop.login apimonitor http://example.com/ 0/0 example.com:80 is not "
                        "allowed: add it to the collector's setting probes.allowed_hosts;",
                        nj_buf_str(&text));
    nj_buf_clear(&text);
    const struct nj_monitor_filter rest = {.after = "apimonitor.shop.login", .limit = 10};
    assert_false(nj_probes_each_monitor(setup->probes, &rest, on_monitor, &text));
    assert_string_equal("metrics.shop.web metrics metrics of web 1/1 ;"
                        "service.shop.web derived service web 0/1 ;",
                        nj_buf_str(&text));
    nj_buf_clear(&text);
    const struct nj_monitor_filter failing = {.failing = true, .limit = 10};
    assert_false(nj_probes_each_monitor(setup->probes, &failing, on_monitor, &text));
    assert_int_equal(0, strncmp("metrics.shop.web ", nj_buf_str(&text), 17));
    nj_buf_done(&text);
}

static const char *handmade_of(struct setup *setup, const char *version)
{
    return text(setup, nj_asprintf("{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":"
                                   "\"shop\",\"name\":\"web\",\"uid\":\"s1\",\"resourceVersion\":\"%s\"},"
                                   "\"spec\":{\"type\":\"ClusterIP\",\"clusterIPs\":[\"127.0.0.1\"],"
                                   "\"ipFamilies\":[\"IPv4\"],\"ports\":[{\"name\":\"http\",\"port\":%d,"
                                   "\"protocol\":\"TCP\"}]}}",
                                   version, nj_httpd_port(setup->web)));
}

static void a_change_that_changes_no_check_leaves_each_of_them_running(void **state)
{
    struct setup *setup = *state;
    struct nj_buf text = {0};
    const struct nj_monitor_filter all = {.limit = 10};
    /* No selector: its address and its endpoint are both the collector's. */
    setup->services->items = handmade_of(setup, "5");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    while (setup->told_count < 2)
        run_once(setup);
    fake_send(setup->services, "MODIFIED", handmade_of(setup, "11"));
    fake_send(setup->monitors, "ADDED",
              monitor_of(setup, "12", "{\"target\":{\"url\":\"http://example.com/\"}}"));
    run_until_patched(setup, "HostNotAllowed");
    (void)nj_probes_each_monitor(setup->probes, &all, on_monitor, &text);
    assert_non_null(strstr(nj_buf_str(&text), "service.shop.web derived service web 0/2 ;"));
    nj_buf_done(&text);
    assert_int_equal(2, setup->told_count);
}

static void on_tried(void *data, const struct nj_probes_test_outcome *outcomes, size_t count)
{
    struct setup *setup = data;
    for (size_t i = 0; i < count; i++)
        (void)nj_buf_printf(&setup->outcomes, "%s %s;", outcomes[i].target_name,
                            outcomes[i].result == NULL ? outcomes[i].trouble
                            : outcomes[i].result->ok   ? "ok"
                                                       : outcomes[i].result->failed->got);
    setup->closed = true;
}

static int try_spec(struct setup *setup, const char *spec, struct nj_err *err)
{
    struct nj_probes_test *test = NULL;
    nj_buf_clear(&setup->outcomes);
    int rc = nj_probes_test(setup->probes, "shop", spec, strlen(spec), on_tried, setup, &test, err);
    if (rc == 0)
        wait_closed(setup);
    return rc;
}

static void an_unsaved_spec_is_tried_on_the_service_and_its_pods(void **state)
{
    struct setup *setup = *state;
    struct nj_err err = {0};
    setup->services->items = service_of(setup, "5", "\"nightjar.dev/probe\":\"off\"");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    while (!nj_probes_synced(setup->probes))
        run_once(setup);
    assert_int_equal(0, try_spec(setup, SPEC(""), &err));
    assert_string_equal("web ok;web-1 ok;", nj_buf_str(&setup->outcomes));
    setup->web_status = 404;
    assert_int_equal(0, try_spec(setup, SPEC(",\"scope\":\"pods\""), &err));
    assert_non_null(strstr(nj_buf_str(&setup->outcomes), "404"));
    assert_int_equal(-EINVAL, try_spec(setup, "{\"colour\":1}", &err));
    assert_non_null(strstr(err.text, "colour"));
    assert_int_equal(-ENOENT, try_spec(setup, "{\"target\":{\"service\":{\"name\":\"no\"}}}", &err));
    assert_int_equal(-EACCES, try_spec(setup, "{\"target\":{\"url\":\"http://example.com/\"}}", &err));
    (void)fake_object(&setup->fake, "/api/v1/namespaces/shop/secrets/login", 200,
                      "{\"kind\":\"Secret\",\"data\":{\"password\":\"aHVudGVyMg==\"}}");
    setup->web_status = 200;
    assert_int_equal(0, try_spec(setup, WITH_SECRET, &err));
    assert_string_equal("web ok;web-1 ok;", nj_buf_str(&setup->outcomes));
    assert_string_equal("hunter2", setup->asked_header);
}

/* As in a rollout, when endpoints change all the time. */
static void a_test_keeps_the_secrets_that_it_waits_for(void **state)
{
    struct setup *setup = *state;
    struct nj_probes_test *test = NULL;
    setup->services->items = service_of(setup, "5", "\"nightjar.dev/probe\":\"off\"");
    setup->slices->items = slice_of(setup, "5", true);
    (void)fake_object(&setup->fake, "/api/v1/namespaces/shop/secrets/login", 200,
                      "{\"kind\":\"Secret\",\"data\":{\"password\":\"aHVudGVyMg==\"}}");
    start(setup);
    while (!nj_probes_synced(setup->probes))
        run_once(setup);
    assert_int_equal(0, nj_probes_test(setup->probes, "shop", WITH_SECRET, strlen(WITH_SECRET), on_tried,
                                       setup, &test, NULL));
    nj_probes_namespace(setup->probes, "shop");
    wait_closed(setup);
    assert_string_equal("web ok;web-1 ok;", nj_buf_str(&setup->outcomes));
    assert_string_equal("hunter2", setup->asked_header);
}

static void a_test_that_is_cancelled_says_nothing(void **state)
{
    struct setup *setup = *state;
    struct nj_probes_test *test = NULL;
    setup->services->items = service_of(setup, "5", "\"nightjar.dev/probe\":\"off\"");
    setup->slices->items = slice_of(setup, "5", true);
    start(setup);
    while (!nj_probes_synced(setup->probes))
        run_once(setup);
    assert_int_equal(
        0, nj_probes_test(setup->probes, "shop", SPEC(""), strlen(SPEC("")), on_tried, setup, &test, NULL));
    nj_probes_test_cancel(test);
    test_run_some(setup->fake.test);
    assert_false(setup->closed);
}

static void the_api_server_is_checked_where_everything_else_is_asked(void **state)
{
    struct setup *setup = *state;
    setup->config.probes.builtin = true;
    struct fake_object *readyz = fake_object(&setup->fake, "/readyz", 200, "ok");
    start(setup);
    while (setup->told_count == 0)
        run_once(setup);
    assert_string_equal("builtin.apiserver url passing", setup->told[0].line);
    assert_string_equal("Component/apiserver", setup->told[0].workload);
    assert_true(readyz->asked > 0);
    setup->config.probes.builtin = false;
    nj_probes_reload(setup->probes, &setup->config);
    assert_string_equal("builtin.apiserver url gone", setup->told[1].line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_service_is_checked_unasked_until_it_has_no_endpoint),
        TEST(a_monitors_failure_is_told_with_its_evidence_and_its_end),
        TEST(a_monitors_status_follows_its_targets),
        TEST(since_when_a_monitor_is_as_it_is_outlives_the_process),
        TEST(a_secret_is_used_once_it_may_be_read_and_is_shown_nowhere),
        TEST(a_namespace_that_opts_out_has_no_derived_checks),
        TEST(agents_get_a_plan_once_everything_is_known),
        TEST(after_a_restart_nothing_is_told_twice_and_what_went_meanwhile_is_told),
        TEST(monitors_are_listed_in_pages_with_their_counts),
        TEST(a_change_that_changes_no_check_leaves_each_of_them_running),
        TEST(an_unsaved_spec_is_tried_on_the_service_and_its_pods),
        TEST(a_test_keeps_the_secrets_that_it_waits_for),
        TEST(a_test_that_is_cancelled_says_nothing),
        TEST(the_api_server_is_checked_where_everything_else_is_asked),
    };
    return cmocka_run_group_tests_name("collector/probes", tests, NULL, NULL);
}
