/*
 * What a Service's slices come to, as Kubernetes really tells them: of both families, several at a time, in
 * any order, left behind; and Endpoints where there are no slices. The model is fed by a small API server,
 * and what the tracker would be told is looked at.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cluster/workloads_internal.h"
#include "collector/sla/desired.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/objects.h"
#include "tests/unit/collector/kube_support.h"

enum { TEXTS_MAX = 64 };

struct setup {
    struct fake_kube fake;
    struct fake_resource *services, *slices, *endpoints;
    struct nj_model *model;
    struct nj_workloads *workloads; /* without watches */
    struct nj_metrics *metrics;
    struct nj_buf told; /* "shop/web;" */
    struct nj_described described;
    char *texts[TEXTS_MAX];
    size_t texts_count;
    int version, synced, troubles;
    int trouble_code;
    struct nj_buf trouble;
    bool closed;
};

/* --- Texts that live as long as the test. --- */

static const char *text(struct setup *setup, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *text(struct setup *setup, const char *format, ...)
{
    va_list arguments;
    char *made = NULL;
    va_start(arguments, format);
    assert_true(vasprintf(&made, format, arguments) >= 0 && setup->texts_count < TEXTS_MAX);
    va_end(arguments);
    return setup->texts[setup->texts_count++] = made;
}

static const char *meta(struct setup *setup, const char *name, const char *uid, const char *more)
{
    return text(setup,
                "\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":"
                "\"%d\",\"generation\":%d,\"creationTimestamp\":\"2026-11-21T08:00:00Z\"%s}",
                name, uid, 100 + setup->version, 1 + setup->version, more);
}

#define SELECTING "\"type\":\"ClusterIP\",\"selector\":{\"app\":\"web\"}"

/* Another version each time it is asked for. */
static const char *service_of(struct setup *setup, const char *name, const char *uid, const char *spec)
{
    setup->version++;
    return text(setup, "{\"kind\":\"Service\",\"apiVersion\":\"v1\",%s,\"spec\":{%s}}",
                meta(setup, name, uid, ""), spec);
}

static const char *web(struct setup *setup, const char *spec)
{
    return service_of(setup, "web", "u1", spec);
}

static const char *slice(struct setup *setup, const char *name, const char *family, const char *endpoints)
{
    setup->version++;
    return text(setup,
                "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",%s,\"addressType\":"
                "\"%s\",\"endpoints\":[%s],\"ports\":[{\"port\":8080}]}",
                meta(setup, name, name,
                     ",\"labels\":{\"kubernetes.io/service-name\":\"web\","
                     "\"endpointslice.kubernetes.io/managed-by\":\"endpointslice-controller.k8s.io\"}"),
                family, endpoints);
}

static const char *endpoints_of(struct setup *setup, const char *name, const char *more, const char *subsets)
{
    setup->version++;
    return text(setup, "{\"kind\":\"Endpoints\",\"apiVersion\":\"v1\",%s,\"subsets\":[%s]}",
                meta(setup, name, text(setup, "e-%s", name), more), subsets);
}

#define TO(uid) ",\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-" uid "\",\"uid\":\"" uid "\"}"
#define POD(address, uid, conditions)                                                                        \
    "{\"addresses\":[\"" address "\"],\"conditions\":{" conditions "}" TO(uid) "}"
#define READY "\"ready\":true,\"serving\":true,\"terminating\":false"
#define GOING "\"ready\":false,\"serving\":true,\"terminating\":true"
#define WAITING "\"ready\":false,\"serving\":false,\"terminating\":false"
#define AT(address, uid) "{\"ip\":\"" address "\"" TO(uid) "}"
#define TRIGGERED(time) ",\"annotations\":{\"endpoints.kubernetes.io/last-change-trigger-time\":\"" time "\"}"

/* --- The model. --- */

static void on_changed(void *data, const char *namespace)
{
    (void)data;
    assert_string_equal("shop", namespace);
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
    if (kind != NJ_MODEL_SLICES)
        return;
    setup->troubles++;
    setup->trouble_code = err->code;
    nj_buf_clear(&setup->trouble);
    (void)nj_buf_append_str(&setup->trouble, err->text);
}

static void on_workload(void *data, const struct nj_workloads_item *before,
                        const struct nj_workloads_item *after, int64_t at_ns)
{
    (void)data;
    (void)before;
    (void)after;
    (void)at_ns;
}

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    const struct nj_workloads_options workloads = {.max_objects = 10, .on_change = on_workload};
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    setup->services = fake_resource(&setup->fake, "services", "");
    setup->slices = fake_resource(&setup->fake, "endpointslices", "");
    setup->endpoints = fake_resource(&setup->fake, "endpoints", "");
    (void)fake_resource(&setup->fake, "ingresses", "");
    (void)fake_resource(&setup->fake, "apimonitors", "");
    setup->workloads = nj_workloads_new(&workloads);
    setup->metrics = nj_metrics_new();
    setup->services->items = web(setup, SELECTING);
    *state = setup;
    return 0;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    nj_model_close(setup->model, test_set_flag, &setup->closed);
    test_run_until(setup->fake.test, &setup->closed);
    fake_kube_stop(&setup->fake);
    nj_workloads_free(setup->workloads);
    nj_described_done(&setup->described);
    nj_metrics_free(setup->metrics);
    nj_buf_done(&setup->told);
    nj_buf_done(&setup->trouble);
    for (size_t i = 0; i < setup->texts_count; i++)
        free(setup->texts[i]);
    free(setup);
    return 0;
}

static void run_until_watched(struct setup *setup, const struct fake_resource *resource, int watches)
{
    while (resource->watches < watches || resource->watch == NULL)
        fake_run_once(&setup->fake);
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
    run_until_watched(setup, setup->services, 1);
}

static void start(struct setup *setup)
{
    start_bounded(setup, 100);
    if (setup->slices->items != NULL)
        run_until_watched(setup, setup->slices, 1);
    else if (setup->endpoints->items != NULL)
        run_until_watched(setup, setup->endpoints, 1);
    nj_buf_clear(&setup->told);
}

static void no_slices(struct setup *setup)
{
    setup->slices->items = NULL;
    setup->slices->status = 404;
}

static void run_until_told(struct setup *setup, const char *expected)
{
    while (setup->told.len < strlen(expected))
        fake_run_once(&setup->fake);
    assert_string_equal(expected, nj_buf_str(&setup->told));
    nj_buf_clear(&setup->told);
}

static void tell(struct setup *setup, struct fake_resource *resource, const char *type, const char *object)
{
    fake_send(resource, type, object);
    run_until_told(setup, "shop/web;");
}

static const struct nj_model_service *view_of(struct setup *setup)
{
    const struct nj_model_service *view = nj_model_service(setup->model, "shop", "web");
    assert_non_null(view);
    return view;
}

/* What the tracker is told now. */
static const struct nj_tracker_service *told_of(struct setup *setup)
{
    nj_described_done(&setup->described);
    nj_describe_service(view_of(setup), setup->workloads, setup->fake.now_ns, &setup->described);
    return &setup->described.service;
}

static void assert_counts(struct setup *setup, size_t endpoints, size_t ready, size_t serving)
{
    const struct nj_tracker_service *service = told_of(setup);
    size_t are_ready = 0, are_serving = 0;
    for (size_t i = 0; i < service->endpoints_count; i++) {
        are_ready += service->endpoints[i].ready;
        are_serving += service->endpoints[i].serving;
    }
    assert_int_equal(endpoints, service->endpoints_count);
    assert_int_equal(ready, are_ready);
    assert_int_equal(serving, are_serving);
}

/* --- Slices. --- */

static void a_pod_of_both_families_counts_once(void **state)
{
    struct setup *setup = *state;
    setup->slices->items =
        text(setup, "%s,%s",
             slice(setup, "v4", "IPv4", POD("10.1.0.1", "p1", READY) "," POD("10.1.0.2", "p2", READY)),
             slice(setup, "v6", "IPv6", POD("fd00::1", "p1", READY) "," POD("fd00::2", "p2", READY)));
    start(setup);
    assert_counts(setup, 2, 2, 2);
    /* The slices of the families are told one after the other: until both say so, it is ready. */
    tell(setup, setup->slices, "MODIFIED",
         slice(setup, "v4", "IPv4", POD("10.1.0.1", "p1", READY) "," POD("10.1.0.2", "p2", WAITING)));
    assert_counts(setup, 2, 2, 2);
    tell(setup, setup->slices, "MODIFIED",
         slice(setup, "v6", "IPv6", POD("fd00::1", "p1", READY) "," POD("fd00::2", "p2", WAITING)));
    assert_counts(setup, 2, 1, 1);
}

static void an_endpoint_that_is_in_two_slices_for_a_moment_counts_once(void **state)
{
    struct setup *setup = *state;
    setup->slices->items =
        text(setup, "%s,%s",
             slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY) "," POD("10.1.0.2", "p2", READY)),
             slice(setup, "b", "IPv4", ""));
    start(setup);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "b", "IPv4", POD("10.1.0.2", "p2", READY)));
    assert_counts(setup, 2, 2, 2);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY)));
    assert_counts(setup, 2, 2, 2);
}

/* For that moment nobody is sent to it: what is seen then is what was. */
static void an_endpoint_that_leaves_a_slice_before_it_is_in_another_is_back_with_that(void **state)
{
    struct setup *setup = *state;
    setup->slices->items =
        text(setup, "%s,%s",
             slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY) "," POD("10.1.0.2", "p2", READY)),
             slice(setup, "b", "IPv4", ""));
    start(setup);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY)));
    assert_counts(setup, 1, 1, 1);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "b", "IPv4", POD("10.1.0.2", "p2", READY)));
    assert_counts(setup, 2, 2, 2);
    tell(setup, setup->slices, "DELETED", slice(setup, "a", "IPv4", ""));
    tell(setup, setup->slices, "ADDED", slice(setup, "c", "IPv4", POD("10.1.0.1", "p1", READY)));
    assert_counts(setup, 2, 2, 2);
}

static void one_of_several_slices_goes_with_its_endpoints_alone(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = text(setup, "%s,%s,%s", slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY)),
                                slice(setup, "b", "IPv4", POD("10.1.0.2", "p2", READY)),
                                slice(setup, "c", "IPv4", POD("10.1.0.3", "p3", GOING)));
    start(setup);
    assert_counts(setup, 3, 2, 3);
    tell(setup, setup->slices, "DELETED", slice(setup, "b", "IPv4", ""));
    assert_counts(setup, 2, 1, 2);
    uint64_t print = told_of(setup)->print;
    tell(setup, setup->slices, "DELETED", slice(setup, "a", "IPv4", ""));
    assert_counts(setup, 1, 0, 1);
    assert_true(print != told_of(setup)->print);
    tell(setup, setup->slices, "DELETED", slice(setup, "c", "IPv4", ""));
    assert_counts(setup, 0, 0, 0);
}

static void a_list_after_a_break_tells_of_a_slice_that_was_lost(void **state)
{
    struct setup *setup = *state;
    const char *a = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    const char *b = slice(setup, "b", "IPv4", POD("10.1.0.2", "p2", READY));
    setup->slices->items = text(setup, "%s,%s", a, b);
    start(setup);
    assert_counts(setup, 2, 2, 2);
    setup->slices->items = a;
    fake_send(setup->slices, "ERROR",
              "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Expired\","
              "\"message\":\"too old resource version\",\"code\":410}");
    run_until_told(setup, "shop/web;");
    assert_counts(setup, 1, 1, 1);
}

/* A Service that says so wants to be sent to pods that are not ready. */
static void who_publishes_not_ready_addresses_is_ready_by_its_own_word(void **state)
{
    struct setup *setup = *state;
    setup->services->items = web(setup, SELECTING ",\"publishNotReadyAddresses\":true");
    setup->slices->items = slice(
        setup, "a", "IPv4", POD("10.1.0.1", "p1", "\"ready\":true,\"serving\":false,\"terminating\":false"));
    start(setup);
    assert_counts(setup, 1, 1, 0);
    assert_true(view_of(setup)->service->publish_not_ready);
}

static void what_an_endpoint_does_not_say_is_as_kubernetes_has_it(void **state)
{
    struct setup *setup = *state;
    setup->slices->items =
        slice(setup, "a", "IPv4",
              POD("10.1.0.1", "p1", "") "," POD("10.1.0.2", "p2", "\"ready\":true") "," POD(
                  "10.1.0.3", "p3", "\"ready\":false") "," POD("10.1.0.4", "p4",
                                                               "\"ready\":false,\"serving\":true"));
    start(setup);
    assert_counts(setup, 4, 2, 3);
    const struct nj_tracker_service *service = told_of(setup);
    for (size_t i = 0; i < service->endpoints_count; i++)
        assert_false(service->endpoints[i].terminating);
}

static void a_headless_service_is_measured_as_others(void **state)
{
    struct setup *setup = *state;
    setup->services->items = web(setup, SELECTING ",\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]");
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    start(setup);
    assert_counts(setup, 1, 1, 1);
    assert_false(told_of(setup)->by_design);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "a", "IPv4", ""));
    assert_false(told_of(setup)->by_design);
}

static void without_a_selector_what_was_made_by_hand_counts(void **state)
{
    struct setup *setup = *state;
    setup->services->items = web(setup, "\"type\":\"ClusterIP\"");
    start(setup);
    assert_true(told_of(setup)->by_design);
    /* Without a pod behind it, an endpoint is its address: the same one twice is one. */
    tell(setup, setup->slices, "ADDED", slice(setup, "a", "IPv4", "{\"addresses\":[\"192.0.2.1\"]}"));
    tell(setup, setup->slices, "ADDED", slice(setup, "b", "IPv4", "{\"addresses\":[\"192.0.2.1\"]}"));
    assert_counts(setup, 1, 1, 1);
    assert_false(told_of(setup)->by_design);
    assert_int_equal(-1, told_of(setup)->desired);
}

static void a_type_that_changes_changes_what_is_measured(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    start(setup);
    assert_false(told_of(setup)->by_design);
    /* The slices of before go later, or stay: they are not its own any more. */
    tell(setup, setup->services, "MODIFIED",
         web(setup, "\"type\":\"ExternalName\",\"externalName\":\"x.example\""));
    assert_true(told_of(setup)->by_design);
    assert_counts(setup, 0, 0, 0);
    tell(setup, setup->services, "MODIFIED", web(setup, SELECTING));
    assert_false(told_of(setup)->by_design);
    assert_counts(setup, 1, 1, 1);
}

static void take_deployment(struct setup *setup, const char *name, const char *app, int32_t replicas)
{
    const struct nj_kube_pair label = {"app", app};
    struct nj_kube_object object = {
        .kind = NJ_KUBE_DEPLOYMENT,
        .meta = {.name = name, .namespace = "shop", .uid = name, .resource_version = "1"},
        .workload = {.desired = replicas,
                     .template_labels = &label,
                     .template_labels_count = 1,
                     .strategy = "RollingUpdate",
                     .changed_by = "",
                     .current_revision = "",
                     .update_revision = ""}};
    nj_workloads_take(setup->workloads, NJ_WATCH_ADDED, &object, noon_ns);
}

static void another_selector_means_another_workload(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    start(setup);
    take_deployment(setup, "blue", "web", 3);
    take_deployment(setup, "green", "green", 5);
    assert_int_equal(3, told_of(setup)->desired);
    assert_string_equal("blue", told_of(setup)->workload);
    tell(setup, setup->services, "MODIFIED",
         web(setup, "\"type\":\"ClusterIP\",\"selector\":{\"app\":\"green\"}"));
    assert_int_equal(5, told_of(setup)->desired);
    assert_string_equal("green", told_of(setup)->workload);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "a", "IPv4", POD("10.1.0.9", "g1", READY)));
    assert_counts(setup, 1, 1, 1);
    tell(setup, setup->services, "MODIFIED",
         web(setup, "\"type\":\"ClusterIP\",\"selector\":{\"app\":\"none\"}"));
    assert_int_equal(-1, told_of(setup)->desired);
}

/* Deleted and made at once: the old one's slices are still there, and its end may be told last. */
static void one_made_anew_under_its_name_is_the_service(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = slice(setup, "old", "IPv4", POD("10.1.0.1", "p1", READY));
    start(setup);
    tell(setup, setup->services, "DELETED", web(setup, SELECTING));
    assert_null(view_of(setup)->service);
    tell(setup, setup->services, "ADDED", service_of(setup, "web", "u2", SELECTING));
    assert_string_equal("u2", view_of(setup)->uid);
    assert_counts(setup, 1, 1, 1);
    tell(setup, setup->slices, "ADDED", slice(setup, "new", "IPv4", POD("10.1.0.1", "p1", READY)));
    assert_counts(setup, 1, 1, 1);
    tell(setup, setup->slices, "DELETED", slice(setup, "old", "IPv4", ""));
    assert_counts(setup, 1, 1, 1);
    /* A list tells what is new before what is gone. */
    tell(setup, setup->services, "ADDED", service_of(setup, "web", "u3", SELECTING));
    fake_send(setup->services, "DELETED", service_of(setup, "web", "u2", SELECTING));
    fake_send(setup->services, "MODIFIED", service_of(setup, "web", "u3", SELECTING));
    run_until_told(setup, "shop/web;");
    assert_string_equal("u3", view_of(setup)->uid);
}

/* --- Endpoints. --- */

static void where_there_are_no_slices_endpoints_are_read(void **state)
{
    struct setup *setup = *state;
    no_slices(setup);
    setup->endpoints->items = endpoints_of(
        setup, "web", TRIGGERED("2026-11-21T09:15:33Z"),
        "{\"addresses\":[" AT("10.1.0.1", "p1") "," AT("fd00::1", "p1") "],\"notReadyAddresses\":[" AT(
            "10.1.0.2", "p2") "],\"ports\":[{\"name\":\"http\",\"port\":8080}]},{"
                              "\"addresses\":[" AT("10.1.0.3", "p3") "],"
                                                                     "\"ports\":[{\"name\":"
                                                                     "\"http\",\"port\":9090}]"
                                                                     "}");
    start(setup);
    assert_int_equal(1, setup->synced);
    assert_int_equal(1, setup->troubles);
    assert_int_equal(-ENOENT, setup->trouble_code);
    assert_non_null(strstr(nj_buf_str(&setup->trouble), "Endpoints are read instead"));
    assert_counts(setup, 3, 2, 2);
    const struct nj_model_slice *first = view_of(setup)->slices;
    assert_string_equal("IPv4", first->slice->address_type);
    assert_true(first->managed);
    assert_int_equal(INT64_C(1795252533) * NJ_SEC, first->trigger_ns);
    assert_int_equal(INT64_C(1795252533) * NJ_SEC, told_of(setup)->trigger_ns);
    assert_int_equal(8080, first->slice->ports[0].number);
    assert_string_equal("IPv6", first->next->slice->address_type);
    assert_int_equal(9090, first->next->next->slice->ports[0].number);
    assert_null(first->next->next->next);
    assert_string_equal("shop", nj_model_address_namespace(setup->model, "10.1.0.3", "other"));
    assert_true(nj_model_broken_ns(setup->model, NJ_MODEL_SLICES) == 0);

    uint64_t print = told_of(setup)->print;
    tell(setup, setup->endpoints, "MODIFIED",
         endpoints_of(setup, "web", "", "{\"notReadyAddresses\":[" AT("10.1.0.1", "p1") "]}"));
    assert_counts(setup, 1, 0, 0);
    assert_true(print != told_of(setup)->print);
    /* The last one has gone. */
    tell(setup, setup->endpoints, "MODIFIED",
         endpoints_of(setup, "web", TRIGGERED("2026-11-21T09:15:34Z"), ""));
    assert_counts(setup, 0, 0, 0);
    assert_int_equal(INT64_C(1795252534) * NJ_SEC, told_of(setup)->trigger_ns);
    tell(setup, setup->endpoints, "DELETED", endpoints_of(setup, "web", "", ""));
    assert_null(view_of(setup)->slices);
    assert_int_equal(1, setup->troubles);
}

static void where_there_are_slices_endpoints_are_not_asked_for(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    setup->endpoints->items =
        endpoints_of(setup, "web", "", "{\"addresses\":[" AT("10.1.0.1", "p1") "," AT("10.1.0.9", "p9") "]}");
    start(setup);
    for (int64_t until_ns = setup->fake.now_ns + NJ_MIN; setup->fake.now_ns < until_ns;)
        fake_run_once(&setup->fake);
    assert_int_equal(0, setup->endpoints->watches);
    assert_counts(setup, 1, 1, 1);
    assert_int_equal(0, setup->troubles);
}

/* The server is a newer one now, which has both. */
static void slices_that_come_later_take_the_place_of_endpoints(void **state)
{
    struct setup *setup = *state;
    no_slices(setup);
    setup->endpoints->items =
        endpoints_of(setup, "web", "", "{\"addresses\":[" AT("10.1.0.1", "p1") "," AT("10.1.0.2", "p2") "]}");
    start(setup);
    assert_counts(setup, 2, 2, 2);
    setup->slices->items =
        text(setup, "%s,%s",
             slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY) "," POD("10.1.0.2", "p2", READY)),
             slice(setup, "b", "IPv6", POD("fd00::1", "p1", READY) "," POD("fd00::2", "p2", READY)));
    /* Each slice, and the end of the Endpoints. */
    while (setup->told.len < strlen("shop/web;shop/web;shop/web;")) {
        fake_run_once(&setup->fake);
        assert_counts(setup, 2, 2, 2);
    }
    run_until_watched(setup, setup->slices, 1);
    const struct nj_model_slice *slices = view_of(setup)->slices;
    assert_string_equal("a", slices->name);
    assert_string_equal("b", slices->next->name);
    assert_null(slices->next->next);
    while (setup->endpoints->watch != NULL)
        fake_run_once(&setup->fake);
    nj_buf_clear(&setup->told);
    tell(setup, setup->slices, "MODIFIED", slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY)));
    assert_int_equal(1, setup->synced);
    assert_int_equal(1, setup->endpoints->watches);
}

/* An API server that is being started may not have the group yet. */
static void slices_that_are_away_for_a_moment_are_kept(void **state)
{
    struct setup *setup = *state;
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    setup->endpoints->items = endpoints_of(setup, "web", "", "");
    start(setup);
    no_slices(setup);
    nj_httpd_stream_end(setup->slices->watch);
    while (setup->trouble_code != -ENOENT)
        fake_run_once(&setup->fake);
    assert_int_equal(0, setup->endpoints->watches);
    assert_counts(setup, 1, 1, 1);
    setup->slices->items = slice(setup, "b", "IPv4", "");
    run_until_watched(setup, setup->slices, 2);
    assert_counts(setup, 0, 0, 0);
}

static void a_lock_among_the_endpoints_is_none(void **state)
{
    struct setup *setup = *state;
    no_slices(setup);
    setup->endpoints->items = endpoints_of(
        setup, "web", ",\"annotations\":{\"control-plane.alpha.kubernetes.io/leader\":\"{}\"}", "");
    start(setup);
    assert_null(view_of(setup)->slices);
    tell(
        setup, setup->endpoints, "ADDED",
        "{\"kind\":\"Endpoints\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\","
        "\"uid\":\"other\",\"resourceVersion\":\"900\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.0.1\"}]}]"
        "}");
    assert_counts(setup, 1, 1, 1);
}

static void endpoints_that_may_not_be_read_hold_nothing_up(void **state)
{
    struct setup *setup = *state;
    no_slices(setup);
    setup->endpoints->items = NULL;
    setup->endpoints->status = 403;
    start(setup);
    assert_int_equal(1, setup->synced);
    assert_int_equal(2, setup->troubles);
    assert_int_equal(-EACCES, setup->trouble_code);
    assert_counts(setup, 0, 0, 0);
    assert_true(nj_model_broken_ns(setup->model, NJ_MODEL_SLICES) > 0);
}

static void endpoints_beyond_the_bound_are_counted(void **state)
{
    struct setup *setup = *state;
    struct nj_buf page = {0};
    no_slices(setup);
    setup->endpoints->items =
        text(setup, "%s,%s", endpoints_of(setup, "web", "", "{\"addresses\":[" AT("10.1.0.1", "p1") "]}"),
             endpoints_of(setup, "api", "", "{\"addresses\":[" AT("10.1.0.2", "p2") "]}"));
    start_bounded(setup, 2);
    run_until_watched(setup, setup->endpoints, 1);
    assert_counts(setup, 1, 1, 1);
    assert_null(nj_model_service(setup->model, "shop", "api"));
    nj_metrics_render(setup->metrics, &page);
    assert_non_null(strstr(nj_buf_str(&page), "nightjar_model_objects_ignored_total 1\n"));
    nj_buf_done(&page);
}

static void closing_while_endpoints_are_being_left_is_clean(void **state)
{
    struct setup *setup = *state;
    no_slices(setup);
    start(setup);
    setup->slices->items = slice(setup, "a", "IPv4", POD("10.1.0.1", "p1", READY));
    run_until_told(setup, "shop/web;"); /* in the middle of the list */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pod_of_both_families_counts_once),
        TEST(an_endpoint_that_is_in_two_slices_for_a_moment_counts_once),
        TEST(an_endpoint_that_leaves_a_slice_before_it_is_in_another_is_back_with_that),
        TEST(one_of_several_slices_goes_with_its_endpoints_alone),
        TEST(a_list_after_a_break_tells_of_a_slice_that_was_lost),
        TEST(who_publishes_not_ready_addresses_is_ready_by_its_own_word),
        TEST(what_an_endpoint_does_not_say_is_as_kubernetes_has_it),
        TEST(a_headless_service_is_measured_as_others),
        TEST(without_a_selector_what_was_made_by_hand_counts),
        TEST(a_type_that_changes_changes_what_is_measured),
        TEST(another_selector_means_another_workload),
        TEST(one_made_anew_under_its_name_is_the_service),
        TEST(where_there_are_no_slices_endpoints_are_read),
        TEST(where_there_are_slices_endpoints_are_not_asked_for),
        TEST(slices_that_come_later_take_the_place_of_endpoints),
        TEST(slices_that_are_away_for_a_moment_are_kept),
        TEST(a_lock_among_the_endpoints_is_none),
        TEST(endpoints_that_may_not_be_read_hold_nothing_up),
        TEST(endpoints_beyond_the_bound_are_counted),
        TEST(closing_while_endpoints_are_being_left_is_clean),
    };
    return cmocka_run_group_tests_name("collector/cluster/slices", tests, NULL, NULL);
}
