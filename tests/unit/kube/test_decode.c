/*
 * Decoding of single objects, statuses, events, lists and quantities: what is absent, odd, hostile or too
 * large.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/kube/decode.h"
#include "common/kube/quantity.h"
#include "kubernetes.pb-c.h"
#include "tests/unit/kube/equal.h"

enum { ARENA_MAX = 1 << 20 };

static int setup(void **state)
{
    struct nj_arena *arena = malloc(sizeof(*arena));
    assert_non_null(arena);
    nj_arena_init(arena, ARENA_MAX);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    nj_arena_done(*state);
    free(*state);
    return 0;
}

static int decode_text(struct nj_arena *arena, enum nj_kube_kind kind, const char *text,
                       struct nj_kube_object *ret_object)
{
    struct nj_err err = {0};
    int rc = nj_kube_decode(NJ_KUBE_JSON, kind, text, strlen(text), arena, ret_object, &err);
    assert_int_equal(err.code, rc);
    return rc;
}

static void quantities(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes, millis;
    } good[] = {
        {"24Mi", 24 << 20, INT64_C(24000) << 20},
        {"500m", 1, 500},
        {"1", 1, 1000},
        {"1e3", 1000, 1000000},
        {"1E3", 1000, 1000000},
        {"12e-1", 2, 1200},
        {"0.5", 1, 500},
        {".5", 1, 500},
        {"5.", 5, 5000},
        {"+2", 2, 2000},
        {"1.5Gi", INT64_C(3) << 29, INT64_C(3000) << 29},
        {"0.1Ki", 103, 102400},
        {"128974848", 128974848, INT64_C(128974848000)},
        {"129M", 129000000, INT64_C(129000000000)},
        {"129e6", 129000000, INT64_C(129000000000)},
        {"1Ki", 1024, 1024000},
        {"1Ti", INT64_C(1) << 40, INT64_C(1000) << 40},
        {"1Pi", INT64_C(1) << 50, INT64_C(1000) << 50},
        {"1Ei", INT64_C(1) << 60, INT64_MAX},
        {"1k", 1000, 1000000},
        {"1G", 1000000000, INT64_C(1000000000000)},
        {"1T", INT64_C(1000000000000), INT64_C(1000000000000000)},
        {"1P", INT64_C(1000000000000000), INT64_C(1000000000000000000)},
        {"1E", INT64_C(1000000000000000000), INT64_MAX},
        {"100n", 1, 1},
        {"1u", 1, 1},
        {"1100u", 1, 2},
        {"0", 0, 0},
        {"0.000", 0, 0},
        {"0Ei", 0, 0},
        {"9223372036854775807", INT64_MAX, INT64_MAX},
        {"99999999999999999999999", INT64_MAX, INT64_MAX},
        {"1e99999999999999", INT64_MAX, INT64_MAX},
        {"1e-99999999999999", 1, 1},
        {"0.0000000000000000000000000001", 1, 1},
        {"1000000000000000000000e-21", 1, 1000},
        {"12345678901234567", INT64_C(12345678901234567), INT64_MAX},
    };
    static const char *const bad[] = {"",      "-1", "-0.5", "m",  "Mi", "1 Mi", "1MiB", "1.2.3", "e3",
                                      "1e3Ki", "1K", "0x10", " 1", "1 ", ".",    "+",    "1mm",   "NaN"};
    int64_t value;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (nj_quantity_parse(good[i].text, 1, &value) != 0 || value != good[i].bytes)
            fail_msg("%s: %lld", good[i].text, (long long)value);
        if (nj_quantity_parse(good[i].text, 1000, &value) != 0 || value != good[i].millis)
            fail_msg("%s in millis: %lld", good[i].text, (long long)value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        value = 42;
        if (nj_quantity_parse(bad[i], 1, &value) != -EINVAL || value != 42)
            fail_msg("'%s' was taken for %lld", bad[i], (long long)value);
    }
}

static void what_is_absent_reads_as_empty(void **state)
{
    struct nj_kube_object object;
    static const char odd_types[] = "{\"metadata\":{\"name\":3,\"labels\":[],\"deletionTimestamp\":null,"
                                    "\"ownerReferences\":{}},\"status\":{\"conditions\":7}}";
    static const char *const texts[] = {"{}", " {\"metadata\":{},\"spec\":{},\"status\":{}}\n",
                                        "{\"metadata\":null,\"spec\":null,\"status\":null}", odd_types};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(decode_text(*state, NJ_KUBE_POD, texts[i], &object), 0);
        assert_string_equal(object.meta.name, "");
        assert_string_equal(object.meta.uid, "");
        assert_int_equal(object.meta.deletion_grace_seconds, -1);
        assert_int_equal(object.meta.labels_count, 0);
        assert_null(nj_kube_label(&object.meta, "app"));
        assert_null(nj_kube_controller(&object.meta));
        assert_string_equal(object.pod.phase, "");
        assert_int_equal(object.pod.statuses_count, 0);
        assert_null(nj_pod_condition(&object.pod, "Ready"));
    }
    /* The shortest protobuf object: an envelope around nothing. */
    struct nj_err err;
    assert_int_equal(nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, "k8s\0\x12\0", 6, *state, &object, &err),
                     0);
    assert_string_equal(object.meta.name, "");
    assert_int_equal(object.meta.deletion_grace_seconds, -1);
}

static void labels_are_sorted_and_found(void **state)
{
    struct nj_kube_object object;
    assert_int_equal(decode_text(*state, NJ_KUBE_META,
                                 "{\"metadata\":{\"labels\":{\"b\":\"2\",\"a\":\"1\",\"c\\u0041\":\"\"},"
                                 "\"annotations\":{\"z/y\":\"\\u00e9\\n\"},"
                                 "\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"n\"},"
                                 "{\"kind\":\"ReplicaSet\",\"name\":\"rs\",\"controller\":true}]}}",
                                 &object),
                     0);
    assert_int_equal(object.meta.labels_count, 3);
    assert_string_equal(object.meta.labels[0].key, "a");
    assert_string_equal(object.meta.labels[1].key, "b");
    assert_string_equal(object.meta.labels[2].key, "cA");
    assert_string_equal(nj_kube_label(&object.meta, "b"), "2");
    assert_string_equal(nj_kube_label(&object.meta, "cA"), "");
    assert_null(nj_kube_label(&object.meta, "bb"));
    assert_string_equal(nj_kube_annotation(&object.meta, "z/y"), "\xc3\xa9\n");
    assert_string_equal(nj_kube_controller(&object.meta)->name, "rs");
}

static const char pod_text[] =
    "{\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2026-11-21T09:13:19Z\","
    "\"managedFields\":[{\"x\":\"]}\\\"\"}],\"deletionGracePeriodSeconds\":0},"
    "\"spec\":{\"nodeName\":\"n1\",\"hostNetwork\":true,\"restartPolicy\":\"OnFailure\","
    "\"containers\":[{\"name\":\"app\",\"image\":\"i:1\",\"resources\":{\"limits\":{\"memory\":\"24Mi\","
    "\"cpu\":1},"
    "\"requests\":{\"cpu\":\"-1\",\"memory\":\"lots\",\"nvidia.com/gpu\":\"1\"}}}],"
    "\"initContainers\":[{\"name\":\"setup\"},{\"name\":\"proxy\",\"restartPolicy\":\"Always\"}],"
    "\"ephemeralContainers\":[{\"name\":\"debug\"}]},"
    "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"app\",\"ready\":true,\"started\":"
    "true,"
    "\"restartCount\":3,\"state\":{\"running\":{\"startedAt\":\"2026-11-21T09:14:00Z\"}},"
    "\"lastState\":{\"terminated\":{\"exitCode\":137,\"signal\":9,\"reason\":\"OOMKilled\","
    "\"finishedAt\":\"2026-11-21T09:13:59Z\",\"containerID\":\"containerd://abc\"}}}],"
    "\"initContainerStatuses\":[{\"name\":\"proxy\",\"state\":{}},{\"name\":\"setup\","
    "\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}},{\"name\":\"stranger\"}],"
    "\"ephemeralContainerStatuses\":[{\"name\":\"debug\"}]}}";

static void a_pod_tells_its_containers_in_order_with_their_types(void **state)
{
    struct nj_kube_object object;
    assert_int_equal(decode_text(*state, NJ_KUBE_POD, pod_text, &object), 0);
    const struct nj_pod_object *pod = &object.pod;
    static const char *const types[] = {"init", "sidecar", "app", "ephemeral"};
    static const char *const names[] = {"setup", "proxy", "app", "debug"};
    assert_int_equal(pod->containers_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(pod->containers[i].name, names[i]);
        assert_string_equal(nj_container_type_name(pod->containers[i].type), types[i]);
    }
    const struct nj_container_spec *app = nj_pod_container(pod, "app");
    assert_int_equal(app->memory_limit_bytes, 24 << 20);
    assert_int_equal(app->cpu_limit_millis, 1000);
    assert_int_equal(app->cpu_request_millis, 0);
    assert_int_equal(app->memory_request_bytes, 0);
    assert_null(nj_pod_container(pod, "stranger"));

    static const enum nj_container_type status_types[] = {
        NJ_CONTAINER_SIDECAR, NJ_CONTAINER_INIT, NJ_CONTAINER_INIT, NJ_CONTAINER_APP, NJ_CONTAINER_EPHEMERAL};
    assert_int_equal(pod->statuses_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pod->statuses[i].type, status_types[i]);
    assert_int_equal(pod->statuses[0].state.kind, NJ_STATE_NONE);
    assert_string_equal(pod->statuses[1].state.reason, "PodInitializing");
    const struct nj_container_status *status = &pod->statuses[3];
    assert_int_equal(status->state.kind, NJ_STATE_RUNNING);
    assert_int_equal(status->last_state.kind, NJ_STATE_TERMINATED);
    assert_int_equal(status->last_state.exit_code, 137);
    assert_int_equal(status->last_state.signal, 9);
    assert_string_equal(status->last_state.container_id, "containerd://abc");
    assert_int_equal(status->state.started_ns - status->last_state.finished_ns, NJ_SEC);
    assert_int_equal(object.meta.deletion_grace_seconds, 0);
    assert_true(pod->host_network);
}

/* Wraps a field's number and bytes behind what is in `out` already. */
static size_t put_field(unsigned char *out, size_t at, unsigned char number, const unsigned char *bytes,
                        size_t len)
{
    assert_in_range(len, 0, (1 << 14) - 1);
    out[at++] = (unsigned char)(number << 3 | 2);
    out[at++] = (unsigned char)((len & 0x7f) | 0x80);
    out[at++] = (unsigned char)(len >> 7);
    memcpy(out + at, bytes, len);
    return at + len;
}

static size_t pack_sidecar_spec(unsigned char *out)
{
    K8s__Container setup = K8S__CONTAINER__INIT, proxy = K8S__CONTAINER__INIT, app = K8S__CONTAINER__INIT;
    K8s__Container debug = K8S__CONTAINER__INIT;
    K8s__EphemeralContainer ephemeral = K8S__EPHEMERAL_CONTAINER__INIT;
    K8s__Quantity quantity = K8S__QUANTITY__INIT;
    K8s__QuantityEntry limit = K8S__QUANTITY_ENTRY__INIT;
    K8s__ResourceRequirements resources = K8S__RESOURCE_REQUIREMENTS__INIT;
    setup.name = (char *)"setup";
    proxy.name = (char *)"proxy";
    proxy.restartpolicy = (char *)"Always";
    app.name = (char *)"app";
    quantity.string = (char *)"24Mi";
    limit.key = (char *)"memory";
    limit.value = &quantity;
    K8s__QuantityEntry *limits[] = {&limit};
    resources.limits = limits;
    resources.n_limits = 1;
    app.resources = &resources;
    debug.name = (char *)"debug";
    ephemeral.ephemeralcontainercommon = &debug;
    K8s__Container *init[] = {&setup, &proxy}, *apps[] = {&app};
    K8s__EphemeralContainer *ephemerals[] = {&ephemeral};
    K8s__PodSpec spec = K8S__POD_SPEC__INIT;
    spec.initcontainers = init;
    spec.n_initcontainers = 2;
    spec.containers = apps;
    spec.n_containers = 1;
    spec.ephemeralcontainers = ephemerals;
    spec.n_ephemeralcontainers = 1;
    return k8s__pod_spec__pack(&spec, out);
}

static size_t pack_sidecar_status(unsigned char *out)
{
    K8s__ContainerStatus proxy = K8S__CONTAINER_STATUS__INIT, setup = K8S__CONTAINER_STATUS__INIT;
    K8s__ContainerStatus debug = K8S__CONTAINER_STATUS__INIT;
    K8s__ContainerStateTerminated terminated = K8S__CONTAINER_STATE_TERMINATED__INIT;
    K8s__ContainerState last = K8S__CONTAINER_STATE__INIT;
    proxy.name = (char *)"proxy";
    terminated.has_exitcode = terminated.has_signal = 1;
    terminated.exitcode = 137;
    terminated.signal = 9;
    last.terminated = &terminated;
    proxy.laststate = &last;
    setup.name = (char *)"setup";
    debug.name = (char *)"debug";
    K8s__ContainerStatus *init[] = {&proxy, &setup}, *ephemeral[] = {&debug};
    K8s__PodStatus status = K8S__POD_STATUS__INIT;
    status.initcontainerstatuses = init;
    status.n_initcontainerstatuses = 2;
    status.ephemeralcontainerstatuses = ephemeral;
    status.n_ephemeralcontainerstatuses = 1;
    return k8s__pod_status__pack(&status, out);
}

/* The recorded cluster had neither sidecars nor ephemeral containers. */
static void sidecars_and_ephemeral_containers_are_equal_in_both_encodings(void **state)
{
    static const char text[] =
        "{\"spec\":{\"initContainers\":[{\"name\":\"setup\"},{\"name\":\"proxy\",\"restartPolicy\":"
        "\"Always\"}],"
        "\"containers\":[{\"name\":\"app\",\"resources\":{\"limits\":{\"memory\":\"24Mi\"}}}],"
        "\"ephemeralContainers\":[{\"name\":\"debug\"}]},"
        "\"status\":{\"initContainerStatuses\":[{\"name\":\"proxy\",\"lastState\":{\"terminated\":{"
        "\"exitCode\":137,"
        "\"signal\":9}}},{\"name\":\"setup\"}],\"ephemeralContainerStatuses\":[{\"name\":\"debug\"}]}}";
    unsigned char part[512], pod[1024], bytes[1200] = {'k', '8', 's', 0};
    size_t len = put_field(pod, 0, 2, part, pack_sidecar_spec(part));
    len = put_field(pod, len, 3, part, pack_sidecar_status(part));
    len = put_field(bytes, 4, 2, pod, len);
    struct nj_kube_object json, pb;
    struct nj_buf a = {0}, b = {0};
    struct nj_err err;
    assert_int_equal(decode_text(*state, NJ_KUBE_POD, text, &json), 0);
    assert_int_equal(nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, bytes, len, *state, &pb, &err), 0);
    describe_object(&json, &a);
    describe_object(&pb, &b);
    assert_string_equal(a.data, b.data);
    assert_int_equal(pb.pod.containers[1].type, NJ_CONTAINER_SIDECAR);
    assert_int_equal(pb.pod.containers[3].type, NJ_CONTAINER_EPHEMERAL);
    assert_int_equal(pb.pod.statuses[0].type, NJ_CONTAINER_SIDECAR);
    assert_int_equal(pb.pod.statuses[1].type, NJ_CONTAINER_INIT);
    nj_buf_done(&a);
    nj_buf_done(&b);
}

/* Packs a Pod as an API server would, managedFields (17) behind the other metadata, or in front of it. */
static size_t pack_pod(unsigned char *out, bool managed_first)
{
    static const unsigned char managed[] = {0x8a, 0x01, 0x03, 'x', 'y', 'z'};
    K8s__StringEntry b = K8S__STRING_ENTRY__INIT, a = K8S__STRING_ENTRY__INIT;
    b.key = (char *)"b";
    b.value = (char *)"2";
    a.key = (char *)"a"; /* an empty value is left out on the wire */
    K8s__StringEntry *labels[] = {&b, &a};
    K8s__Time past = K8S__TIME__INIT, zero = K8S__TIME__INIT;
    past.has_seconds = past.has_nanos = 1;
    past.seconds = 1795252399;
    past.nanos = 999;
    zero.has_seconds = 1;
    zero.seconds = INT64_C(-62135596800); /* Go's zero time does not fit into ns since 1970 */
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    meta.name = (char *)"p";
    meta.labels = labels;
    meta.n_labels = 2;
    meta.creationtimestamp = &past;
    meta.deletiontimestamp = &zero;
    unsigned char packed[256];
    size_t len = k8s__object_meta__pack(&meta, packed);
    size_t at = 0;
    static const unsigned char head[] = {'k', '8', 's', 0, 0x12};
    memcpy(out, head, sizeof(head));
    at = sizeof(head);
    size_t whole = len + sizeof(managed);
    assert_true(whole < 126);
    out[at++] = (unsigned char)(whole + 2);
    out[at++] = 0x0a;
    out[at++] = (unsigned char)whole;
    memcpy(out + at + (managed_first ? 0 : len), managed, sizeof(managed));
    memcpy(out + at + (managed_first ? sizeof(managed) : 0), packed, len);
    return at + whole;
}

static void protobuf_fields_may_come_in_any_order(void **state)
{
    for (int managed_first = 0; managed_first < 2; managed_first++) {
        unsigned char bytes[512];
        size_t len = pack_pod(bytes, managed_first);
        struct nj_kube_object object;
        struct nj_err err;
        assert_int_equal(nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, bytes, len, *state, &object, &err), 0);
        assert_string_equal(object.meta.name, "p");
        assert_int_equal(object.meta.labels_count, 2);
        assert_string_equal(object.meta.labels[0].key, "a");
        assert_string_equal(object.meta.labels[0].value, "");
        assert_string_equal(nj_kube_label(&object.meta, "b"), "2");
        assert_int_equal(object.meta.created_ns, 1795252399 * NJ_SEC);
        assert_int_equal(object.meta.deleted_ns, 0);
    }
}

/* No prefix of an object is an object, and none is read past its end. */
static void every_cut_object_is_refused(void **state)
{
    struct nj_kube_object object;
    struct nj_err err;
    for (size_t len = 0; len < sizeof(pod_text) - 1; len++) {
        char *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, pod_text, len);
        assert_int_equal(nj_kube_decode(NJ_KUBE_JSON, NJ_KUBE_POD, exact, len, *state, &object, &err),
                         -EBADMSG);
        nj_arena_reset(*state);
        free(exact);
    }
    unsigned char bytes[512];
    size_t whole = pack_pod(bytes, false);
    for (size_t len = 0; len < whole; len++) {
        unsigned char *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, bytes, len);
        assert_int_equal(nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, exact, len, *state, &object, &err),
                         -EBADMSG);
        nj_arena_reset(*state);
        free(exact);
    }
}

static void malformed_json_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "null",
                                        "[]",
                                        "{\"metadata\":[]}",
                                        "{\"metadata\":\"x\"}",
                                        "{\"metadata\":{\"name\":\"x\",}}",
                                        "{\"metadata\":{'name':'x'}}",
                                        "{\"metadata\":{\"name\":x}}",
                                        "{\"metadata\":{}} {}",
                                        "{\"metadata\":{}",
                                        "{\"metadata\" {}}",
                                        "{\"metadata\":{},}",
                                        "{,\"metadata\":{}}",
                                        "{metadata:{}}",
                                        "{\"metadata\":{\"managedFields\":}}",
                                        "{\"metadata\":{\"managedFields\":[]\"name\":\"x\"}}",
                                        "{\"spec\":{\"containers\":[}}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nj_kube_object object;
        if (decode_text(*state, NJ_KUBE_POD, texts[i], &object) != -EBADMSG)
            fail_msg("%s", texts[i]);
    }
    /* Deep nesting costs no stack, in what is read and in what is skimmed over. */
    struct nj_buf deep = {0};
    for (int part = 0; part < 2; part++) {
        nj_buf_clear(&deep);
        assert_int_equal(nj_buf_append_str(&deep, part == 0 ? "{\"spec\":" : "{\"data\":"), 0);
        for (int i = 0; i < 100000; i++)
            assert_int_equal(nj_buf_append_char(&deep, '['), 0);
        for (int i = 0; i < 100000; i++)
            assert_int_equal(nj_buf_append_char(&deep, ']'), 0);
        assert_int_equal(nj_buf_append_char(&deep, '}'), 0);
        struct nj_kube_object object;
        assert_int_equal(decode_text(*state, NJ_KUBE_POD, deep.data, &object), part == 0 ? -EBADMSG : 0);
    }
    nj_buf_done(&deep);
}

/* Few bytes that would become much memory are refused when the arena is full. */
static void what_grows_too_large_is_refused(void **state)
{
    enum { COUNT = 60000 };
    struct nj_buf text = {0};
    struct nj_kube_object object;
    struct nj_err err;
    assert_int_equal(nj_buf_append_str(&text, "{\"spec\":{\"containers\":[{}"), 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(nj_buf_append_str(&text, ",{}"), 0);
    assert_int_equal(nj_buf_append_str(&text, "]}}"), 0);
    assert_int_equal(decode_text(*state, NJ_KUBE_POD, text.data, &object), -EOVERFLOW);
    nj_arena_reset(*state);

    nj_buf_clear(&text);
    static const unsigned char head[] = {'k', '8', 's', 0, 0x12, 0xc4, 0xa9, 0x07, 0x12, 0xc0, 0xa9, 0x07};
    assert_int_equal(nj_buf_append(&text, head, sizeof(head)), 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(nj_buf_append(&text, "\x12\0", 2), 0);
    assert_int_equal(
        nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_POD, text.data, text.len, *state, &object, &err),
        -EOVERFLOW);
    assert_non_null(strstr(err.text, "larger than the bound"));
    nj_buf_done(&text);
}

static void statuses_and_error_events(void **state)
{
    static const char gone[] =
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"too old resource version: 1 "
        "(5)\",\"reason\":\"Expired\",\"code\":410}";
    static const char large[] =
        "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"details\":{\"causes\":["
        "{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}],"
        "\"retryAfterSeconds\":1}}";
    struct nj_kube_status status;
    struct nj_kube_object object;
    enum nj_watch_event_type type;
    struct nj_err err;
    assert_int_equal(nj_kube_decode_status(NJ_KUBE_JSON, gone, sizeof(gone) - 1, *state, &status, &err), 0);
    assert_int_equal(status.code, 410);
    assert_string_equal(status.reason, "Expired");
    assert_false(status.too_large_resource_version);
    assert_int_equal(nj_kube_decode_status(NJ_KUBE_JSON, large, sizeof(large) - 1, *state, &status, &err), 0);
    assert_true(status.too_large_resource_version);
    assert_int_equal(status.retry_after_seconds, 1);
    assert_string_equal(status.message, "");

    char event[512];
    int len = snprintf(event, sizeof(event), "{\"object\":%s,\"type\":\"ERROR\"}", gone);
    assert_int_equal(nj_kube_decode_event(NJ_KUBE_JSON, NJ_KUBE_POD, event, (size_t)len, *state, &type,
                                          &object, &status, &err),
                     0);
    assert_int_equal(type, NJ_WATCH_ERROR);
    assert_int_equal(status.code, 410);

    /* The same as protobuf. */
    K8s__StatusCause cause = K8S__STATUS_CAUSE__INIT;
    cause.reason = (char *)"ResourceVersionTooLarge";
    K8s__StatusCause *causes[] = {&cause};
    K8s__StatusDetails details = K8S__STATUS_DETAILS__INIT;
    details.causes = causes;
    details.n_causes = 1;
    K8s__Status pb = K8S__STATUS__INIT;
    pb.has_code = 1;
    pb.code = 504;
    pb.reason = (char *)"Timeout";
    pb.details = &details;
    unsigned char bytes[128] = {'k', '8', 's', 0, 0x12};
    size_t packed = k8s__status__pack(&pb, bytes + 6);
    bytes[5] = (unsigned char)packed;
    assert_int_equal(nj_kube_decode_status(NJ_KUBE_PROTOBUF, bytes, packed + 6, *state, &status, &err), 0);
    assert_int_equal(status.code, 504);
    assert_true(status.too_large_resource_version);
    assert_int_equal(nj_kube_decode_status(NJ_KUBE_PROTOBUF, "<html>", 6, *state, &status, &err), -EBADMSG);
}

static void an_event_of_unknown_type_is_refused(void **state)
{
    static const char *const events[] = {"{\"type\":\"SYNC\",\"object\":{}}", "{\"object\":{}}",
                                         "{\"type\":\"ADDED\"}", "{\"type\":7,\"object\":{}}",
                                         "{\"type\":\"ADDED\",\"object\":null}"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        enum nj_watch_event_type type;
        struct nj_kube_object object;
        struct nj_kube_status status;
        struct nj_err err;
        assert_int_equal(nj_kube_decode_event(NJ_KUBE_JSON, NJ_KUBE_POD, events[i], strlen(events[i]), *state,
                                              &type, &object, &status, &err),
                         -EBADMSG);
    }
}

static int count_item(void *data, const struct nj_kube_object *object)
{
    (void)object;
    ++*(int *)data;
    return 0;
}

static int refuse_item(void *data, const struct nj_kube_object *object)
{
    (void)data;
    (void)object;
    return -ECANCELED;
}

/* 0 and the number of items when the text is a whole list, however it is cut. */
static int list_text(const char *text, size_t step, int *ret_items, struct nj_err *err)
{
    struct nj_list_decoder *decoder =
        nj_list_decoder_new(NJ_KUBE_JSON, NJ_KUBE_META, 64, count_item, ret_items);
    struct nj_list_end end;
    int rc = 0;
    *ret_items = 0;
    for (size_t at = 0; rc == 0 && at < strlen(text); at += step)
        rc = nj_list_decoder_feed(decoder, text + at, strlen(text) - at < step ? strlen(text) - at : step,
                                  err);
    if (rc == 0)
        rc = nj_list_decoder_end(decoder, &end, err);
    if (rc == 0)
        assert_string_equal(end.resource_version, "7");
    nj_list_decoder_free(decoder);
    return rc;
}

static void lists_in_json_come_in_any_shape(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc, items;
    } lists[] = {
        {"{\"items\":[{},{\"a\":\"]}\\\\\\\"\"}] ,\"metadata\":{\"resourceVersion\":\"7\"}}\n", 0, 2},
        {" { \"kind\" : \"List\" , \"metadata\" : { \"resourceVersion\" : \"7\" } , \"items\" : [ ] } \r\n",
         0, 0},
        {"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":null,\"x\":12,\"y\":true}", 0, 0},
        {"{\"metadata\":{\"resourceVersion\":\"7\"}}", -EBADMSG, 0},
        {"{\"items\":[]}", -EBADMSG, 0},
        {"{\"metadata\":null,\"items\":[]}", -EBADMSG, 0},
        {"{\"message\":\"ok\"}", -EBADMSG, 0},
        {"<html></html>", -EBADMSG, 0},
        {"{\"items\":{}}", -EBADMSG, 0},
        {"{\"items\":[{}", -EBADMSG, 1},
        {"{\"items\":[{},]}", -EBADMSG, 1},
        {"{\"items\":[1]}", -EBADMSG, 0},
        {"{\"items\":[{}{}]}", -EBADMSG, 1},
        {"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}{}", -EBADMSG, 0},
        {"{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]]", -EBADMSG, 0},
        {"{\"items\":[{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}]"
         "}",
         -EOVERFLOW, 0},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (size_t step = 1; step < 200; step = step * 3 + 1) {
            int items;
            struct nj_err err;
            if (list_text(lists[i].text, step, &items, &err) != lists[i].rc || items != lists[i].items)
                fail_msg("%s in steps of %zu: %d items", lists[i].text, step, items);
        }
    }
}

static void lists_in_protobuf_may_have_fields_around(void **state)
{
    (void)state;
    /* Unknown{raw=2 List{metadata=1{resourceVersion=2 "7"}, items=2{}, 9: varint, items=2{1{}}, 3: fixed32},
     * then typeMeta=1, 5: fixed64, contentType=4 ""}. */
    static const unsigned char bytes[] = {
        'k',  '8',  's',  0,    0x12, 0x13,                   /* raw: 19 bytes */
        0x0a, 0x03, 0x12, 0x01, '7',                          /* metadata */
        0x12, 0x00, 0x48, 0x96, 0x01, 0x12, 0x02, 0x0a, 0x00, /* items, a number between them */
        0x1d, 1,    2,    3,    4,                            /* the raw ends */
        0x0a, 0x02, 0x0a, 0x00, 0x29, 1,    2,    3,    4,    5, 6, 7, 8, 0x22, 0x00};
    for (size_t step = 1; step <= sizeof(bytes); step++) {
        int items = 0;
        struct nj_err err;
        struct nj_list_end end;
        struct nj_list_decoder *decoder =
            nj_list_decoder_new(NJ_KUBE_PROTOBUF, NJ_KUBE_META, 64, count_item, &items);
        for (size_t at = 0; at < sizeof(bytes); at += step) {
            size_t len = sizeof(bytes) - at < step ? sizeof(bytes) - at : step;
            assert_int_equal(nj_list_decoder_feed(decoder, bytes + at, len, &err), 0);
        }
        assert_int_equal(nj_list_decoder_end(decoder, &end, &err), 0);
        assert_string_equal(end.resource_version, "7");
        assert_int_equal(items, 2);
        nj_list_decoder_free(decoder);
    }
    /* An item that is longer than the list says it is, one over the bound, and one its receiver refuses. */
    static const struct {
        size_t len;
        int rc;
        unsigned char bytes[12];
    } bad[] = {
        {9, -EBADMSG, {'k', '8', 's', 0, 0x12, 0x03, 0x12, 0x02, 0x00}},
        {9, -EOVERFLOW, {'k', '8', 's', 0, 0x12, 0x7f, 0x12, 0x41, 0x00}},
        {8, -ECANCELED, {'k', '8', 's', 0, 0x12, 0x02, 0x12, 0x00}},
        {8, -EBADMSG, {'k', '8', 'z', 0, 0x12, 0x02, 0x12, 0x00}},
        {5, -EBADMSG, {'k', '8', 's', 0, 0x0b}},
        {12, 0, {'k', '8', 's', 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nj_err err;
        struct nj_list_end end;
        struct nj_list_decoder *decoder =
            nj_list_decoder_new(NJ_KUBE_PROTOBUF, NJ_KUBE_META, 64, refuse_item, NULL);
        assert_int_equal(nj_list_decoder_feed(decoder, bad[i].bytes, bad[i].len, &err), bad[i].rc);
        assert_int_equal(nj_list_decoder_end(decoder, &end, &err), -EBADMSG);
        nj_list_decoder_free(decoder);
    }
}

struct lines {
    char text[64];
};

static int on_line(void *data, const void *bytes, size_t len)
{
    struct lines *lines = data;
    size_t used = strlen(lines->text);
    assert_true(used + len + 2 < sizeof(lines->text));
    memcpy(lines->text + used, bytes, len);
    memcpy(lines->text + used + len, "|", 2);
    return len == 1 && *(const char *)bytes == '!' ? -ECANCELED : 0;
}

static void frames_are_bounded_and_blank_lines_are_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *told;
        enum nj_kube_encoding encoding;
        int rc;
    } streams[] = {
        {"a\nbc\r\n\n\r\n  d\n", 13, "a|bc|  d|", NJ_KUBE_JSON, 0},
        {"abcdefgh\nx\n", 11, "abcdefgh|x|", NJ_KUBE_JSON, 0},
        {"abcdefgh\r\nx\n", 12, "abcdefgh|x|", NJ_KUBE_JSON, 0},
        {"a\nabcdefghi\nx\n", 14, "a|", NJ_KUBE_JSON, -EOVERFLOW},
        {"abcdefghijklmnop", 16, "", NJ_KUBE_JSON, -EOVERFLOW},
        {"a\n!\nb\n", 6, "a|!|", NJ_KUBE_JSON, -ECANCELED},
        {"a\nb", 3, "a|", NJ_KUBE_JSON, 0},
        {"\0\0\0\3abc\0\0\0\0\0\0\0\10abcdefgh\0\0", 25, "abc||abcdefgh|", NJ_KUBE_PROTOBUF, 0},
        {"\0\0\0\1a\0\0\0\11abcdefghi", 18, "a|", NJ_KUBE_PROTOBUF, -EOVERFLOW},
        {"\377\377\377\377", 4, "", NJ_KUBE_PROTOBUF, -EOVERFLOW},
        {"\0\0\0\1!\0\0\0\1b", 10, "!|", NJ_KUBE_PROTOBUF, -ECANCELED},
    };
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        for (size_t step = 1; step <= streams[i].len; step++) {
            struct lines lines = {{0}};
            struct nj_err err = {0};
            int rc = 0;
            struct nj_watch_framer *framer = nj_watch_framer_new(streams[i].encoding, 8, on_line, &lines);
            for (size_t at = 0; rc == 0 && at < streams[i].len; at += step)
                rc = nj_watch_framer_feed(framer, streams[i].bytes + at,
                                          streams[i].len - at < step ? streams[i].len - at : step, &err);
            assert_int_equal(rc, streams[i].rc);
            assert_int_equal(err.code, rc);
            assert_string_equal(lines.text, streams[i].told);
            if (rc < 0) /* there is no way back into step */
                assert_int_equal(nj_watch_framer_feed(framer, "a\n", 2, &err), -EBADMSG);
            nj_watch_framer_free(framer);
        }
    }
    nj_watch_framer_free(NULL);
    nj_list_decoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities),
        cmocka_unit_test_setup_teardown(what_is_absent_reads_as_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_are_sorted_and_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pod_tells_its_containers_in_order_with_their_types, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sidecars_and_ephemeral_containers_are_equal_in_both_encodings, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(protobuf_fields_may_come_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_object_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_json_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_grows_too_large_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(statuses_and_error_events, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_of_unknown_type_is_refused, setup, teardown),
        cmocka_unit_test(lists_in_json_come_in_any_shape),
        cmocka_unit_test(lists_in_protobuf_may_have_fields_around),
        cmocka_unit_test(frames_are_bounded_and_blank_lines_are_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
