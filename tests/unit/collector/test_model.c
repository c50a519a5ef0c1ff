/*
 * The model of Services, EndpointSlices, Ingresses and ApiMonitors against a small API server.
 */
#include "collector/cluster/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/objects.h"
#include "tests/unit/collector/kube_support.h"

struct setup {
    struct fake_kube fake;
    struct fake_resource *services, *slices, *ingresses, *monitors;
    struct nj_model *model;
    struct nj_metrics *metrics;
    struct nj_buf changed; /* "shop;bank;" */
    struct nj_buf told;    /* "shop/web;": told at once */
    int synced;
    int troubles[NJ_MODEL_KINDS];
    int trouble_code;
    bool closed;
};

#define SERVICE(namespace, name, uid, spec)                                                                  \
    "{\"kind\":\"Service\",\"apiVersion\":\"v1\"," FAKE_META(namespace, name, uid, "5",                      \
                                                             "") ",\"spec\":{" spec "}}"
#define SELECTING "\"selector\":{\"app\":\"web\"},"
#define PORTS                                                                                                \
    "\"type\":\"ClusterIP\",\"clusterIPs\":[\"10.0.0.1\"],\"ports\":[{\"name\":\"http\",\"port\":80,"        \
    "\"protocol\":\"TCP\",\"targetPort\":\"web\"}]"
#define SLICE(namespace, name, uid, service, managed_by, address)                                            \
    "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\"," FAKE_META(                         \
        namespace, name, uid, "5",                                                                           \
        ",\"labels\":{\"kubernetes.io/service-name\":\"" service                                             \
        "\",\"endpointslice.kubernetes.io/managed-by\":\"" managed_by                                        \
        "\"}") ",\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"" address                         \
               "\"],\"conditions\":{\"ready\":true},\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-1\"}}],"  \
               "\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}]}"
#define CONTROLLER "endpointslice-controller.k8s.io"
#define MONITOR(namespace, name, uid, version, generation, more)                                             \
    "{\"kind\":\"ApiMonitor\",\"apiVersion\":\"nightjar.dev/v1alpha1\"," FAKE_META(                          \
        namespace, name, uid, version,                                                                       \
        ",\"generation\":" generation) ",\"spec\":{\"interval\":\"10s\"}" more "}"

static void on_changed(void *data, const char *namespace)
{
    struct setup *setup = data;
    (void)nj_buf_printf(&setup->changed, "%s;", namespace);
}

static void on_service(void *data, const char *namespace, const char *name)
{
    struct setup *setup = data;
    (void)nj_buf_printf(&setup->told, "%s/%s;", namespace, name);
}

static void on_synced(void *data)
{
    ((struct setup *)data)->synced++;
}

static void on_trouble(void *data, enum nj_model_kind kind, const struct nj_err *err)
{
    struct setup *setup = data;
    setup->troubles[kind]++;
    setup->trouble_code = err->code;
}

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    setup->services = fake_resource(&setup->fake, "services", "");
    setup->slices = fake_resource(&setup->fake, "endpointslices", "");
    setup->ingresses = fake_resource(&setup->fake, "ingresses", "");
    setup->monitors = fake_resource(&setup->fake, "apimonitors", "");
    setup->metrics = nj_metrics_new();
    *state = setup;
    return 0;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    nj_model_close(setup->model, test_set_flag, &setup->closed);
    test_run_until(setup->fake.test, &setup->closed);
    fake_kube_stop(&setup->fake);
    nj_metrics_free(setup->metrics);
    nj_buf_done(&setup->changed);
    nj_buf_done(&setup->told);
    free(setup);
    return 0;
}

static void start_bounded(struct setup *setup, size_t max_objects)
{
    const struct nj_model_options options = {.loop = &setup->fake.test->loop,
                                             .client = setup->fake.client,
                                             .metrics = setup->metrics,
                                             .max_objects = max_objects,
                                             .on_changed = on_changed,
                                             .on_service = on_service,
                                             .on_synced = on_synced,
                                             .on_trouble = on_trouble,
                                             .data = setup};
    assert_int_equal(0, nj_model_start(&options, &setup->model, NULL));
    while (setup->synced == 0)
        fake_run_once(&setup->fake);
}

static void start(struct setup *setup)
{
    start_bounded(setup, 100);
    for (struct fake_resource *resource = setup->fake.resources; resource->name != NULL; resource++) {
        while (resource->items != NULL && resource->watches == 0)
            fake_run_once(&setup->fake);
    }
    nj_buf_clear(&setup->changed);
}

static void run_until_changed(struct setup *setup, const char *expected)
{
    while (setup->changed.len < strlen(expected))
        fake_run_once(&setup->fake);
    assert_string_equal(expected, nj_buf_str(&setup->changed));
    nj_buf_clear(&setup->changed);
}

static void run_until_told(struct setup *setup, const char *expected)
{
    while (setup->told.len < strlen(expected))
        fake_run_once(&setup->fake);
    assert_string_equal(expected, nj_buf_str(&setup->told));
    nj_buf_clear(&setup->told);
}

#define TRIGGERED(uid, version, service, time)                                                               \
    "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\"," FAKE_META(                         \
        "shop", "web-a", uid, version,                                                                       \
        ",\"generation\":3,\"labels\":{\"kubernetes.io/service-name\":\"" service                            \
        "\"},\"annotations\":{\"endpoints.kubernetes.io/last-change-trigger-time\":\"" time                  \
        "\"}") ",\"addressType\":\"IPv4\",\"endpoints\":[]}"

/* Which Service each object concerns, one by one, with what says when it changed. */
static void changes_of_services_are_told_at_once(void **state)
{
    struct setup *setup = *state;
    start(setup);
    nj_buf_clear(&setup->told);
    fake_send(setup->services, "ADDED", SERVICE("shop", "web", "u1", SELECTING PORTS));
    run_until_told(setup, "shop/web;");
    fake_send(setup->slices, "ADDED", TRIGGERED("s1", "5", "web", "2026-11-21T09:15:33Z"));
    run_until_told(setup, "shop/web;");
    const struct nj_model_slice *slice = nj_model_service(setup->model, "shop", "web")->slices;
    assert_int_equal(3, slice->generation);
    assert_int_equal(INT64_C(1795252533) * NJ_SEC, slice->trigger_ns);
    fake_send(setup->slices, "MODIFIED", TRIGGERED("s1", "6", "other", "yesterday"));
    run_until_told(setup, "shop/other;shop/web;");
    assert_int_equal(0, nj_model_service(setup->model, "shop", "other")->slices->trigger_ns);
    fake_send(setup->slices, "DELETED", TRIGGERED("s1", "7", "other", "yesterday"));
    run_until_told(setup, "shop/other;");
    fake_send(setup->services, "DELETED", SERVICE("shop", "web", "u1", SELECTING PORTS));
    run_until_told(setup, "shop/web;");
    assert_null(nj_model_service(setup->model, "shop", "web"));
    assert_true(nj_model_broken_ns(setup->model, NJ_MODEL_SLICES) == 0);
}

static void a_service_is_found_with_its_slices_whichever_comes_first(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = SLICE("shop", "web-a", "s1", "web", CONTROLLER,
                                 "10.1.0.1") "," SLICE("shop", "web-b", "s2", "web", "me", "10.1.0.2");
    start(setup);
    const struct nj_model_service *view = nj_model_service(setup->model, "shop", "web");
    assert_non_null(view);
    assert_null(view->service);
    assert_string_equal("web", view->name);
    fake_send(setup->services, "ADDED", SERVICE("shop", "web", "u1", SELECTING PORTS));
    run_until_changed(setup, "shop;");
    view = nj_model_service(setup->model, "shop", "web");
    assert_int_equal(80, view->service->ports[0].number);
    assert_string_equal("web", view->service->ports[0].target_name);
    assert_string_equal("10.0.0.1", view->service->cluster_ips[0]);
    assert_string_equal("app", view->service->selector[0].key);
    assert_string_equal("web-a", view->slices->name);
    assert_true(view->slices->managed);
    assert_string_equal("10.1.0.1", view->slices->slice->endpoints[0].addresses[0]);
    assert_string_equal("web-1", view->slices->slice->endpoints[0].target_name);
    assert_int_equal(8080, view->slices->slice->ports[0].number);
    assert_false(view->slices->next->managed);
    assert_null(view->slices->next->next);
}

static void what_changes_and_goes_is_told_by_namespace_at_once_for_many(void **state)
{
    struct setup *setup = *state;
    start(setup);
    fake_send(setup->services, "ADDED", SERVICE("shop", "web", "u1", SELECTING PORTS));
    fake_send(setup->services, "ADDED", SERVICE("shop", "api", "u2", SELECTING PORTS));
    fake_send(setup->slices, "ADDED", SLICE("shop", "web-a", "s1", "web", CONTROLLER, "10.1.0.1"));
    run_until_changed(setup, "shop;");
    fake_send(setup->slices, "DELETED", SLICE("shop", "web-a", "s1", "web", CONTROLLER, "10.1.0.1"));
    fake_send(setup->services, "DELETED", SERVICE("shop", "web", "u1", SELECTING PORTS));
    run_until_changed(setup, "shop;");
    assert_null(nj_model_service(setup->model, "shop", "web"));
    assert_non_null(nj_model_service(setup->model, "shop", "api"));
    assert_null(nj_model_service(setup->model, "bank", "api"));
}

static void count_monitor(void *data, const struct nj_model_monitor *monitor)
{
    int *count = data;
    *count += 1;
    assert_string_equal("{\"interval\":\"10s\"}", monitor->spec);
    assert_int_equal(strlen(monitor->spec), monitor->spec_len);
}

static void a_monitors_status_is_no_change(void **state)
{
    struct setup *setup = *state;
    int count = 0;
    setup->monitors->items = MONITOR("shop", "login", "m1", "21", "1", "");
    start(setup);
    fake_send(setup->monitors, "MODIFIED",
              MONITOR("shop", "login", "m1", "11", "1", ",\"status\":{\"targets\":3}"));
    fake_send(setup->monitors, "ADDED", MONITOR("bank", "pay", "m2", "21", "1", ""));
    run_until_changed(setup, "bank;");
    fake_send(setup->monitors, "MODIFIED", MONITOR("shop", "login", "m1", "22", "2", ""));
    run_until_changed(setup, "shop;");
    nj_model_each_monitor(setup->model, "shop", count_monitor, &count);
    assert_int_equal(1, count);
}

static void one_made_anew_under_its_name_takes_the_others_place(void **state)
{
    struct setup *setup = *state;
    setup->services->items = SERVICE("shop", "web", "old", SELECTING PORTS);
    setup->monitors->items = MONITOR("shop", "login", "m-old", "21", "1", "");
    start(setup);
    fake_send(setup->services, "ADDED", SERVICE("shop", "web", "new", PORTS));
    fake_send(setup->services, "DELETED", SERVICE("shop", "web", "old", SELECTING PORTS));
    fake_send(setup->monitors, "ADDED", MONITOR("shop", "login", "m-new", "21", "1", ""));
    fake_send(setup->monitors, "DELETED", MONITOR("shop", "login", "m-old", "21", "1", ""));
    fake_send(setup->monitors, "ADDED", MONITOR("zoo", "last", "m-last", "21", "1", ""));
    while (strstr(nj_buf_str(&setup->changed), "zoo;") == NULL)
        fake_run_once(&setup->fake);
    assert_string_equal("new", nj_model_service(setup->model, "shop", "web")->uid);
    int count = 0;
    nj_model_each_monitor(setup->model, "shop", count_monitor, &count);
    assert_int_equal(1, count);
}

static void an_address_belongs_to_the_namespace_whose_service_selects_it(void **state)
{
    struct setup *setup = *state;
    setup->services->items = SERVICE("shop", "web", "u1", SELECTING PORTS) "," SERVICE(
        "evil", "fake", "u2", PORTS) "," SERVICE("bank", "hand", "u3", SELECTING PORTS);
    setup->slices->items = SLICE("shop", "a", "s1", "web", CONTROLLER, "10.1.0.1") "," SLICE(
        "evil", "b", "s2", "fake", CONTROLLER,
        "10.1.0.1") "," SLICE("evil", "c", "s3", "fake", CONTROLLER,
                              "10.1.0.2") "," SLICE("bank", "d", "s4", "hand", "me", "10.1.0.3");
    start(setup);
    /* Not by a label on a hand-made slice of a Service without selector, nor by a hand-made slice. */
    assert_string_equal("shop", nj_model_address_namespace(setup->model, "10.1.0.1", "evil"));
    assert_null(nj_model_address_namespace(setup->model, "10.1.0.1", "shop"));
    assert_null(nj_model_address_namespace(setup->model, "10.1.0.2", "shop"));
    assert_null(nj_model_address_namespace(setup->model, "10.1.0.3", "shop"));
    fake_send(setup->slices, "DELETED", SLICE("shop", "a", "s1", "web", CONTROLLER, "10.1.0.1"));
    run_until_changed(setup, "shop;");
    assert_null(nj_model_address_namespace(setup->model, "10.1.0.1", "evil"));
}

/* An endpoint that leads to another's Service leads to another's pods. */
static void a_clusters_address_belongs_to_its_service_however_it_is_written(void **state)
{
    struct setup *setup = *state;
    setup->services->items =
        SERVICE("bank", "pay", "u1", "\"clusterIPs\":[\"10.0.0.9\",\"fd00::9\"]") "," SERVICE(
            "bank", "headless", "u2", "\"clusterIPs\":[\"None\"]");
    start(setup);
    assert_string_equal("bank", nj_model_address_namespace(setup->model, "10.0.0.9", "shop"));
    assert_string_equal("bank", nj_model_address_namespace(setup->model, "::ffff:10.0.0.9", "shop"));
    assert_string_equal("bank", nj_model_address_namespace(setup->model, "FD00:0:0::0009", "shop"));
    assert_null(nj_model_address_namespace(setup->model, "10.0.0.9", "bank"));
    assert_null(nj_model_address_namespace(setup->model, "None", "shop"));
    /* Made anew, it has another; nobody has the old one. */
    fake_send(setup->services, "ADDED", SERVICE("bank", "pay", "u3", "\"clusterIPs\":[\"10.0.0.8\"]"));
    run_until_changed(setup, "bank;");
    assert_null(nj_model_address_namespace(setup->model, "10.0.0.9", "shop"));
    assert_string_equal("bank", nj_model_address_namespace(setup->model, "10.0.0.8", "shop"));
}

static void a_kind_that_is_not_there_stays_empty_and_is_told_once(void **state)
{
    struct setup *setup = *state;
    setup->monitors->items = NULL;
    setup->monitors->status = 404;
    setup->services->items = SERVICE("shop", "web", "u1", SELECTING PORTS);
    start(setup);
    assert_non_null(nj_model_service(setup->model, "shop", "web"));
    assert_int_equal(1, setup->troubles[NJ_MODEL_MONITORS]);
    assert_int_equal(-ENOENT, setup->trouble_code);
    for (int64_t until_ns = setup->fake.now_ns + NJ_MIN; setup->fake.now_ns < until_ns;)
        fake_run_once(&setup->fake);
    assert_int_equal(1, setup->troubles[NJ_MODEL_MONITORS]);
    /* Installed meanwhile. */
    setup->monitors->items = MONITOR("shop", "login", "m1", "21", "1", "");
    run_until_changed(setup, "shop;");
    assert_int_equal(1, setup->synced);
}

static void beyond_the_bound_objects_are_counted_and_followed_when_there_is_room(void **state)
{
    struct setup *setup = *state;
    struct nj_counter *ignored =
        nj_metrics_counter(setup->metrics, "nightjar_model_objects_ignored_total", "",
                           "Services, EndpointSlices, Ingresses and "
                           "ApiMonitors that are not followed because of the "
                           "bound.");
    setup->services->items = SERVICE("shop", "a", "u1", PORTS) "," SERVICE(
        "shop", "b", "u2", PORTS) "," SERVICE("shop", "c", "u3", PORTS);
    start_bounded(setup, 2);
    assert_int_equal(1, nj_counter_get(ignored));
    assert_null(nj_model_service(setup->model, "shop", "c"));
    while (setup->services->watches == 0)
        fake_run_once(&setup->fake);
    fake_send(setup->services, "DELETED", SERVICE("shop", "a", "u1", PORTS));
    fake_send(setup->services, "MODIFIED",
              "{\"kind\":\"Service\",\"apiVersion\":\"v1\"," FAKE_META("shop", "c", "u3", "12",
                                                                       "") ",\"spec\":{" PORTS "}}");
    while (nj_model_service(setup->model, "shop", "c") == NULL)
        fake_run_once(&setup->fake);
    assert_int_equal(1, nj_counter_get(ignored));
}

static void an_ingress_is_kept_with_its_hosts_and_addresses(void **state)
{
    struct setup *setup = *state;
    setup->ingresses->items = "{\"kind\":\"Ingress\",\"apiVersion\":\"networking.k8s.io/v1\"," FAKE_META(
        "shop", "front", "i1", "5",
        "") ",\"spec\":{\"tls\":[{\"hosts\":[\"shop.example\"]}],\"rules\":[{\"host\":\"shop.example\","
            "\"http\":{\"paths\":[{\"path\":\"/pay\",\"pathType\":\"Prefix\",\"backend\":{\"service\":{"
            "\"name\":\"pay\",\"port\":{\"number\":80}}}}]}}]},\"status\":{\"loadBalancer\":{"
            "\"ingress\":[{\"ip\":\"10.9.0.1\"}]}}}";
    start(setup);
    const struct nj_model_ingress *view = nj_model_ingress(setup->model, "shop", "front");
    assert_non_null(view);
    assert_string_equal("shop.example", view->ingress->paths[0].host);
    assert_string_equal("/pay", view->ingress->paths[0].path);
    assert_true(view->ingress->paths[0].tls);
    assert_string_equal("10.9.0.1", view->ingress->addresses[0]);
    assert_null(nj_model_ingress(setup->model, "bank", "front"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_of_services_are_told_at_once),
        TEST(a_service_is_found_with_its_slices_whichever_comes_first),
        TEST(what_changes_and_goes_is_told_by_namespace_at_once_for_many),
        TEST(a_monitors_status_is_no_change),
        TEST(one_made_anew_under_its_name_takes_the_others_place),
        TEST(an_address_belongs_to_the_namespace_whose_service_selects_it),
        TEST(a_clusters_address_belongs_to_its_service_however_it_is_written),
        TEST(a_kind_that_is_not_there_stays_empty_and_is_told_once),
        TEST(beyond_the_bound_objects_are_counted_and_followed_when_there_is_room),
        TEST(an_ingress_is_kept_with_its_hosts_and_addresses),
    };
    return cmocka_run_group_tests_name("collector/cluster/model", tests, NULL, NULL);
}
