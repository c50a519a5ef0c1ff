/*
 * What the recorded cluster did not have, of the kinds that are read in full: both encodings must come to the
 * same object, with Kubernetes' defaults filled in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/kube/decode.h"
#include "kubernetes.pb-c.h"
#include "tests/unit/kube/equal.h"
#include "tests/unit/test.h"

enum { ARENA_MAX = 1 << 20, PACKED_MAX = 4096 };

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

static struct nj_kube_object from_json(struct nj_arena *arena, enum nj_kube_kind kind, const char *text)
{
    struct nj_kube_object object;
    struct nj_err err = {0};
    if (nj_kube_decode(NJ_KUBE_JSON, kind, text, strlen(text), arena, &object, &err) != 0)
        fail_msg("%s: %s", err.text, text);
    return object;
}

struct packed {
    unsigned char bytes[PACKED_MAX];
    size_t len;
};

static void put(struct packed *packed, const void *bytes, size_t len)
{
    assert_true(packed->len + len <= PACKED_MAX);
    memcpy(packed->bytes + packed->len, bytes, len);
    packed->len += len;
}

static void put_head(struct packed *packed, unsigned number, size_t len)
{
    unsigned char head[] = {(unsigned char)(number << 3 | 2), (unsigned char)(len | 0x80),
                            (unsigned char)(len >> 7)};
    assert_in_range(len, 0, (1 << 14) - 1);
    put(packed, head, sizeof(head));
}

/* A message as field `number`; 0: its fields as they are. */
static void put_message(struct packed *packed, unsigned number, const ProtobufCMessage *message)
{
    unsigned char bytes[PACKED_MAX];
    size_t len = protobuf_c_message_pack(message, bytes);
    if (number != 0)
        put_head(packed, number, len);
    put(packed, bytes, len);
}

/* Both ways to the same object. */
static void assert_equal(struct nj_arena *arena, enum nj_kube_kind kind, const char *text,
                         const struct packed *object)
{
    struct packed whole = {.len = 0};
    put(&whole, "k8s", 4);
    put_head(&whole, 2, object->len);
    put(&whole, object->bytes, object->len);
    struct nj_kube_object json = from_json(arena, kind, text), pb;
    struct nj_err err = {0};
    void *exact = malloc(whole.len);
    assert_non_null(exact);
    memcpy(exact, whole.bytes, whole.len);
    if (nj_kube_decode(NJ_KUBE_PROTOBUF, kind, exact, whole.len, arena, &pb, &err) != 0)
        fail_msg("%s", err.text);
    struct nj_buf a = {0}, b = {0};
    describe_object(&json, &a);
    describe_object(&pb, &b);
    assert_string_equal(a.data, b.data);
    assert_null(strstr(a.data, "=NULL"));
    nj_buf_done(&a);
    nj_buf_done(&b);
    free(exact);
}

/* --- pods */

static const char probed_pod[] =
    "{\"spec\":{\"containers\":[{\"name\":\"app\","
    "\"ports\":[{\"name\":\"http\",\"containerPort\":8080},"
    "{\"containerPort\":53,\"protocol\":\"UDP\"}],"
    "\"startupProbe\":{\"grpc\":{\"port\":9000,\"service\":\"shop.Cart\"},\"failureThreshold\":30},"
    "\"readinessProbe\":{\"httpGet\":{\"port\":\"http\",\"httpHeaders\":[{\"name\":\"X-B\",\"value\":\"2\"},"
    "{\"name\":\"X-A\",\"value\":\"1\"}]},\"initialDelaySeconds\":4},"
    "\"livenessProbe\":{\"tcpSocket\":{\"port\":8080,\"host\":\"10.0.0.9\"},\"periodSeconds\":2,"
    "\"timeoutSeconds\":7,\"successThreshold\":1}},"
    "{\"name\":\"side\",\"startupProbe\":{\"exec\":{\"command\":[\"true\"]}},"
    "\"readinessProbe\":{\"httpGet\":{\"path\":\"/ok?x=1\",\"port\":\"8443\",\"scheme\":\"HTTPS\","
    "\"host\":\"h\"}},\"livenessProbe\":{}}]},"
    "\"status\":{\"hostIP\":\"192.0.2.1\",\"podIP\":\"10.0.0.7\","
    "\"podIPs\":[{\"ip\":\"10.0.0.7\"},{\"ip\":\"fd00::7\"}],\"startTime\":\"2026-11-21T09:13:19Z\"}}";

static void probes_ports_and_addresses_of_a_pod(void **state)
{
    struct nj_kube_object object = from_json(*state, NJ_KUBE_POD, probed_pod);
    const struct nj_pod_object *pod = &object.pod;
    const struct nj_container_spec *app = nj_pod_container(pod, "app");
    assert_int_equal(app->ports_count, 2);
    assert_string_equal(app->ports[0].name, "http");
    assert_string_equal(app->ports[0].protocol, "TCP");
    assert_int_equal(app->ports[1].number, 53);
    assert_string_equal(app->ports[1].protocol, "UDP");

    assert_int_equal(app->startup.kind, NJ_POD_PROBE_GRPC);
    assert_int_equal(app->startup.port, 9000);
    assert_string_equal(app->startup.service, "shop.Cart");
    assert_int_equal(app->startup.failure_threshold, 30);
    assert_int_equal(app->startup.period_seconds, 10);
    assert_int_equal(app->startup.timeout_seconds, 1);
    assert_int_equal(app->startup.success_threshold, 1);

    assert_int_equal(app->readiness.kind, NJ_POD_PROBE_HTTP);
    assert_string_equal(app->readiness.port_name, "http");
    assert_string_equal(app->readiness.path, "/");
    assert_string_equal(app->readiness.scheme, "HTTP");
    assert_string_equal(app->readiness.headers[0].key, "X-B"); /* in their order */
    assert_int_equal(app->readiness.initial_delay_seconds, 4);
    assert_int_equal(app->readiness.failure_threshold, 3);

    assert_int_equal(app->liveness.kind, NJ_POD_PROBE_TCP);
    assert_string_equal(app->liveness.host, "10.0.0.9");
    assert_int_equal(app->liveness.timeout_seconds, 7);

    const struct nj_container_spec *side = nj_pod_container(pod, "side");
    assert_int_equal(side->startup.kind, NJ_POD_PROBE_EXEC);
    assert_int_equal(side->readiness.port, 8443); /* a number in quotes is one, as to the kubelet */
    assert_string_equal(side->readiness.port_name, "");
    assert_string_equal(side->readiness.path, "/ok?x=1");
    assert_int_equal(side->liveness.kind, NJ_POD_PROBE_NONE);
    assert_int_equal(side->liveness.period_seconds, 0);

    assert_string_equal(pod->host_ip, "192.0.2.1");
    assert_int_equal(pod->ips_count, 2);
    assert_string_equal(pod->ips[1], "fd00::7");
    assert_int_equal(pod->started_ns, 1795252399 * NJ_SEC);
}

static K8s__IntOrString int_port(int32_t number)
{
    K8s__IntOrString port = K8S__INT_OR_STRING__INIT;
    port.has_intval = 1;
    port.intval = number;
    return port;
}

static K8s__IntOrString named_port(const char *name)
{
    K8s__IntOrString port = K8S__INT_OR_STRING__INIT;
    port.has_type = 1;
    port.type = 1;
    port.strval = (char *)name;
    return port;
}

#define SET(message, field, set_value) ((message).has_##field = 1, (message).field = (set_value))

static void pack_app(struct packed *packed)
{
    K8s__ContainerPort http = K8S__CONTAINER_PORT__INIT, dns = K8S__CONTAINER_PORT__INIT;
    http.name = (char *)"http";
    SET(http, containerport, 8080);
    SET(dns, containerport, 53);
    dns.protocol = (char *)"UDP";
    K8s__ContainerPort *ports[] = {&http, &dns};
    K8s__GRPCAction grpc = K8S__GRPCACTION__INIT;
    SET(grpc, port, 9000);
    grpc.service = (char *)"shop.Cart";
    K8s__HTTPHeader b = K8S__HTTPHEADER__INIT, a = K8S__HTTPHEADER__INIT;
    b.name = (char *)"X-B";
    b.value = (char *)"2";
    a.name = (char *)"X-A";
    a.value = (char *)"1";
    K8s__HTTPHeader *headers[] = {&b, &a};
    K8s__IntOrString http_port = named_port("http"), tcp_port = int_port(8080);
    K8s__HTTPGetAction get = K8S__HTTPGET_ACTION__INIT;
    get.port = &http_port;
    get.httpheaders = headers;
    get.n_httpheaders = 2;
    K8s__TCPSocketAction tcp = K8S__TCPSOCKET_ACTION__INIT;
    tcp.port = &tcp_port;
    tcp.host = (char *)"10.0.0.9";
    K8s__ProbeHandler handlers[3] = {K8S__PROBE_HANDLER__INIT, K8S__PROBE_HANDLER__INIT,
                                     K8S__PROBE_HANDLER__INIT};
    handlers[0].grpc = &grpc;
    handlers[1].httpget = &get;
    handlers[2].tcpsocket = &tcp;
    K8s__Probe probes[3] = {K8S__PROBE__INIT, K8S__PROBE__INIT, K8S__PROBE__INIT};
    for (int i = 0; i < 3; i++)
        probes[i].handler = &handlers[i];
    SET(probes[0], failurethreshold, 30);
    SET(probes[1], initialdelayseconds, 4);
    SET(probes[2], periodseconds, 2);
    SET(probes[2], timeoutseconds, 7);
    SET(probes[2], successthreshold, 1);
    K8s__Container app = K8S__CONTAINER__INIT;
    app.name = (char *)"app";
    app.ports = ports;
    app.n_ports = 2;
    app.startupprobe = &probes[0];
    app.readinessprobe = &probes[1];
    app.livenessprobe = &probes[2];
    put_message(packed, 2, &app.base);
}

static void pack_side(struct packed *packed)
{
    K8s__ExecAction exec = K8S__EXEC_ACTION__INIT;
    K8s__IntOrString port = named_port("8443");
    K8s__HTTPGetAction get = K8S__HTTPGET_ACTION__INIT;
    get.path = (char *)"/ok?x=1";
    get.port = &port;
    get.scheme = (char *)"HTTPS";
    get.host = (char *)"h";
    K8s__ProbeHandler handlers[3] = {K8S__PROBE_HANDLER__INIT, K8S__PROBE_HANDLER__INIT,
                                     K8S__PROBE_HANDLER__INIT};
    handlers[0].exec = &exec;
    handlers[1].httpget = &get;
    K8s__Probe probes[3] = {K8S__PROBE__INIT, K8S__PROBE__INIT, K8S__PROBE__INIT};
    for (int i = 0; i < 3; i++)
        probes[i].handler = &handlers[i];
    K8s__Container side = K8S__CONTAINER__INIT;
    side.name = (char *)"side";
    side.startupprobe = &probes[0];
    side.readinessprobe = &probes[1];
    side.livenessprobe = &probes[2];
    put_message(packed, 2, &side.base);
}

static void a_probed_pod_is_equal_in_both_encodings(void **state)
{
    struct packed spec = {.len = 0}, pod = {.len = 0};
    pack_app(&spec);
    pack_side(&spec);
    K8s__PodIP ips[2] = {K8S__POD_IP__INIT, K8S__POD_IP__INIT};
    ips[0].ip = (char *)"10.0.0.7";
    ips[1].ip = (char *)"fd00::7";
    K8s__PodIP *ip_list[] = {&ips[0], &ips[1]};
    K8s__Time started = K8S__TIME__INIT;
    SET(started, seconds, 1795252399);
    K8s__PodStatus status = K8S__POD_STATUS__INIT;
    status.hostip = (char *)"192.0.2.1";
    status.podip = (char *)"10.0.0.7";
    status.podips = ip_list;
    status.n_podips = 2;
    status.starttime = &started;
    put_head(&pod, 2, spec.len);
    put(&pod, spec.bytes, spec.len);
    put_message(&pod, 3, &status.base);
    assert_equal(*state, NJ_KUBE_POD, probed_pod, &pod);

    struct packed old = {.len = 0};
    status = (K8s__PodStatus)K8S__POD_STATUS__INIT;
    status.podip = (char *)"10.0.0.7";
    put_message(&old, 3, &status.base);
    assert_equal(*state, NJ_KUBE_POD, "{\"status\":{\"podIP\":\"10.0.0.7\"}}", &old);
    assert_int_equal(from_json(*state, NJ_KUBE_POD, "{\"status\":{\"podIP\":\"10.0.0.7\"}}").pod.ips_count,
                     1);
}

/* --- services */

static void services_have_their_defaults(void **state)
{
    static const char text[] = "{\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"b\":\"2\",\"a\":\"1\"},"
                               "\"publishNotReadyAddresses\":true,\"ports\":[{\"port\":80},"
                               "{\"name\":\"s\",\"port\":443,\"targetPort\":\"https\",\"protocol\":\"SCTP\","
                               "\"appProtocol\":\"h2c\"},"
                               "{\"port\":81,\"targetPort\":8081},{\"port\":70000,\"targetPort\":-1}]}}";
    struct nj_kube_object object = from_json(*state, NJ_KUBE_SERVICE, text);
    const struct nj_service_object *service = &object.service;
    assert_string_equal(service->type, "ClusterIP");
    assert_int_equal(service->cluster_ips_count, 1); /* of a server that knows no clusterIPs */
    assert_string_equal(service->cluster_ips[0], "None");
    assert_string_equal(service->selector[0].key, "a");
    assert_true(service->publish_not_ready);
    assert_int_equal(service->ports[0].target_number, 80);
    assert_string_equal(service->ports[0].protocol, "TCP");
    assert_string_equal(service->ports[1].target_name, "https");
    assert_int_equal(service->ports[1].target_number, 0);
    assert_int_equal(service->ports[2].target_number, 8081);
    assert_int_equal(service->ports[3].number, 0); /* what is no port */

    K8s__ServicePort ports[4] = {K8S__SERVICE_PORT__INIT, K8S__SERVICE_PORT__INIT, K8S__SERVICE_PORT__INIT,
                                 K8S__SERVICE_PORT__INIT};
    static const int32_t numbers[] = {80, 443, 81, 70000};
    K8s__ServicePort *port_list[4];
    for (int i = 0; i < 4; i++) {
        SET(ports[i], port, numbers[i]);
        port_list[i] = &ports[i];
    }
    K8s__IntOrString none = int_port(0), https = named_port("https"), other = int_port(8081),
                     odd = int_port(-1);
    ports[0].targetport = &none;
    ports[1].name = (char *)"s";
    ports[1].targetport = &https;
    ports[1].protocol = (char *)"SCTP";
    ports[1].appprotocol = (char *)"h2c";
    ports[2].targetport = &other;
    ports[3].targetport = &odd;
    K8s__StringEntry pairs[2] = {K8S__STRING_ENTRY__INIT, K8S__STRING_ENTRY__INIT};
    pairs[0].key = (char *)"b";
    pairs[0].value = (char *)"2";
    pairs[1].key = (char *)"a";
    pairs[1].value = (char *)"1";
    K8s__StringEntry *selector[] = {&pairs[0], &pairs[1]};
    K8s__ServiceSpec spec = K8S__SERVICE_SPEC__INIT;
    spec.clusterip = (char *)"None";
    spec.selector = selector;
    spec.n_selector = 2;
    SET(spec, publishnotreadyaddresses, 1);
    spec.ports = port_list;
    spec.n_ports = 4;
    struct packed packed = {.len = 0};
    put_message(&packed, 2, &spec.base);
    assert_equal(*state, NJ_KUBE_SERVICE, text, &packed);
}

/* --- slices */

static void endpoints_are_ready_unless_they_say_otherwise(void **state)
{
    static const char text[] =
        "{\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"fd00::1\",\"fd00::2\"]},"
        "{\"addresses\":[\"fd00::3\"],\"conditions\":{}},{\"addresses\":[],\"conditions\":{\"ready\":false,"
        "\"serving\":true,\"terminating\":true},\"nodeName\":\"n\",\"targetRef\":{\"kind\":\"Pod\","
        "\"name\":\"web-1\",\"uid\":\"u\"}}],\"ports\":[{\"name\":\"\",\"port\":8080},"
        "{\"name\":\"all\",\"protocol\":\"UDP\",\"appProtocol\":\"x\"}],\"metadata\":{\"name\":\"web-abc\"}}";
    struct nj_kube_object object = from_json(*state, NJ_KUBE_SLICE, text);
    const struct nj_slice_object *slice = &object.slice;
    assert_string_equal(object.meta.name, "web-abc");
    assert_int_equal(slice->endpoints_count, 3);
    for (int i = 0; i < 2; i++)
        assert_true(slice->endpoints[i].ready && slice->endpoints[i].serving &&
                    !slice->endpoints[i].terminating);
    assert_true(!slice->endpoints[2].ready && slice->endpoints[2].serving && slice->endpoints[2].terminating);
    assert_string_equal(slice->endpoints[2].target_name, "web-1");
    assert_string_equal(slice->ports[0].protocol, "TCP");
    assert_int_equal(slice->ports[1].number, 0);

    K8s__EndpointConditions empty = K8S__ENDPOINT_CONDITIONS__INIT, leaving = K8S__ENDPOINT_CONDITIONS__INIT;
    SET(leaving, ready, 0);
    SET(leaving, serving, 1);
    SET(leaving, terminating, 1);
    K8s__ObjectReference target = K8S__OBJECT_REFERENCE__INIT;
    target.kind = (char *)"Pod";
    target.name = (char *)"web-1";
    target.uid = (char *)"u";
    char *addresses[] = {(char *)"fd00::1", (char *)"fd00::2", (char *)"fd00::3"};
    K8s__Endpoint endpoints[3] = {K8S__ENDPOINT__INIT, K8S__ENDPOINT__INIT, K8S__ENDPOINT__INIT};
    endpoints[0].addresses = addresses;
    endpoints[0].n_addresses = 2;
    endpoints[1].addresses = addresses + 2;
    endpoints[1].n_addresses = 1;
    endpoints[1].conditions = &empty;
    endpoints[2].conditions = &leaving;
    endpoints[2].nodename = (char *)"n";
    endpoints[2].targetref = &target;
    K8s__Endpoint *endpoint_list[] = {&endpoints[0], &endpoints[1], &endpoints[2]};
    K8s__EndpointPort ports[2] = {K8S__ENDPOINT_PORT__INIT, K8S__ENDPOINT_PORT__INIT};
    SET(ports[0], port, 8080);
    ports[1].name = (char *)"all";
    ports[1].protocol = (char *)"UDP";
    ports[1].appprotocol = (char *)"x";
    K8s__EndpointPort *port_list[] = {&ports[0], &ports[1]};
    K8s__EndpointSlice pb = K8S__ENDPOINT_SLICE__INIT;
    pb.addresstype = (char *)"IPv6";
    pb.endpoints = endpoint_list;
    pb.n_endpoints = 3;
    pb.ports = port_list;
    pb.n_ports = 2;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    meta.name = (char *)"web-abc";
    struct packed first = {.len = 0}, last = {.len = 0};
    put_message(&first, 1, &meta.base); /* where writers put it */
    put_message(&first, 0, &pb.base);
    assert_equal(*state, NJ_KUBE_SLICE, text, &first);
    put_message(&last, 0, &pb.base);
    put_message(&last, 1, &meta.base);
    assert_equal(*state, NJ_KUBE_SLICE, text, &last);
}

/* Whoever makes slices of Endpoints says only who is ready. */
static void what_does_not_say_that_it_serves_serves_when_it_is_ready(void **state)
{
    static const char text[] =
        "{\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[],\"conditions\":{\"ready\":false}},"
        "{\"addresses\":[],\"conditions\":{\"serving\":false}}]}";
    struct nj_kube_object object = from_json(*state, NJ_KUBE_SLICE, text);
    assert_false(object.slice.endpoints[0].ready || object.slice.endpoints[0].serving);
    assert_true(object.slice.endpoints[1].ready && !object.slice.endpoints[1].serving);
    K8s__EndpointConditions waiting = K8S__ENDPOINT_CONDITIONS__INIT, odd = K8S__ENDPOINT_CONDITIONS__INIT;
    SET(waiting, ready, 0);
    SET(odd, serving, 0);
    K8s__Endpoint endpoints[2] = {K8S__ENDPOINT__INIT, K8S__ENDPOINT__INIT};
    endpoints[0].conditions = &waiting;
    endpoints[1].conditions = &odd;
    K8s__Endpoint *list[] = {&endpoints[0], &endpoints[1]};
    K8s__EndpointSlice pb = K8S__ENDPOINT_SLICE__INIT;
    pb.addresstype = (char *)"IPv4";
    pb.endpoints = list;
    pb.n_endpoints = 2;
    struct packed packed = {.len = 0};
    put_message(&packed, 0, &pb.base);
    assert_equal(*state, NJ_KUBE_SLICE, text, &packed);
}

/* --- Endpoints */

static const char endpoints_text[] =
    "{\"metadata\":{\"name\":\"web\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.0.1\",\"nodeName\":\"n1\","
    "\"targetRef\":{\"kind\":\"Pod\",\"name\":\"web-1\",\"uid\":\"u1\"}},{\"ip\":\"fd00::1\"},{}],"
    "\"notReadyAddresses\":[{\"ip\":\"10.1.0.2\"}],\"ports\":[{\"name\":\"http\",\"port\":8080},"
    "{\"port\":53,\"protocol\":\"UDP\",\"appProtocol\":\"x\"}]},{\"notReadyAddresses\":[{\"ip\":\"10.1.0.3\"}"
    "]},"
    "{}]}";

/* A slice for each subset and family, as Kubernetes itself mirrors them. */
static void endpoints_are_read_as_the_slices_that_there_would_be(void **state)
{
    struct nj_kube_object object = from_json(*state, NJ_KUBE_ENDPOINTS, endpoints_text);
    assert_string_equal("web", object.meta.name);
    assert_int_equal(3, object.endpoints.slices_count);
    const struct nj_slice_object *first = &object.endpoints.slices[0];
    assert_string_equal("IPv4", first->address_type);
    assert_int_equal(2, first->endpoints_count);
    assert_string_equal("10.1.0.1", first->endpoints[0].addresses[0]);
    assert_true(first->endpoints[0].ready && first->endpoints[0].serving && !first->endpoints[0].terminating);
    assert_string_equal("Pod", first->endpoints[0].target_kind);
    assert_string_equal("web-1", first->endpoints[0].target_name);
    assert_string_equal("u1", first->endpoints[0].target_uid);
    assert_string_equal("n1", first->endpoints[0].node);
    assert_string_equal("10.1.0.2", first->endpoints[1].addresses[0]);
    assert_false(first->endpoints[1].ready || first->endpoints[1].serving);
    assert_int_equal(2, first->ports_count);
    assert_int_equal(8080, first->ports[0].number);
    assert_string_equal("TCP", first->ports[0].protocol);
    assert_string_equal("UDP", first->ports[1].protocol);
    const struct nj_slice_object *second = &object.endpoints.slices[1];
    assert_string_equal("IPv6", second->address_type);
    assert_int_equal(1, second->endpoints_count);
    assert_string_equal("fd00::1", second->endpoints[0].addresses[0]);
    assert_int_equal(2, second->ports_count);
    assert_int_equal(0, object.endpoints.slices[2].ports_count);
}

static void endpoints_are_equal_in_both_encodings(void **state)
{
    K8s__ObjectReference target = K8S__OBJECT_REFERENCE__INIT;
    target.kind = (char *)"Pod";
    target.name = (char *)"web-1";
    target.uid = (char *)"u1";
    K8s__EndpointAddress addresses[5];
    for (size_t i = 0; i < 5; i++)
        addresses[i] = (K8s__EndpointAddress)K8S__ENDPOINT_ADDRESS__INIT;
    addresses[0].ip = (char *)"10.1.0.1";
    addresses[0].nodename = (char *)"n1";
    addresses[0].targetref = &target;
    addresses[1].ip = (char *)"fd00::1";
    addresses[3].ip = (char *)"10.1.0.2";
    addresses[4].ip = (char *)"10.1.0.3";
    K8s__EndpointAddress *ready[] = {&addresses[0], &addresses[1], &addresses[2]};
    K8s__EndpointAddress *waiting[] = {&addresses[3]}, *other[] = {&addresses[4]};
    K8s__EndpointSubsetPort ports[2] = {K8S__ENDPOINT_SUBSET_PORT__INIT, K8S__ENDPOINT_SUBSET_PORT__INIT};
    ports[0].name = (char *)"http";
    SET(ports[0], port, 8080);
    SET(ports[1], port, 53);
    ports[1].protocol = (char *)"UDP";
    ports[1].appprotocol = (char *)"x";
    K8s__EndpointSubsetPort *port_list[] = {&ports[0], &ports[1]};
    K8s__EndpointSubset subsets[3] = {K8S__ENDPOINT_SUBSET__INIT, K8S__ENDPOINT_SUBSET__INIT,
                                      K8S__ENDPOINT_SUBSET__INIT};
    subsets[0].addresses = ready;
    subsets[0].n_addresses = 3;
    subsets[0].notreadyaddresses = waiting;
    subsets[0].n_notreadyaddresses = 1;
    subsets[0].ports = port_list;
    subsets[0].n_ports = 2;
    subsets[1].notreadyaddresses = other;
    subsets[1].n_notreadyaddresses = 1;
    K8s__EndpointSubset *list[] = {&subsets[0], &subsets[1], &subsets[2]};
    K8s__Endpoints pb = K8S__ENDPOINTS__INIT;
    pb.subsets = list;
    pb.n_subsets = 3;
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    meta.name = (char *)"web";
    struct packed packed = {.len = 0};
    put_message(&packed, 1, &meta.base);
    put_message(&packed, 0, &pb.base);
    assert_equal(*state, NJ_KUBE_ENDPOINTS, endpoints_text, &packed);
}

/* As the controller's placeholder: that there are none is news, too. */
static void endpoints_without_addresses_are_one_empty_slice(void **state)
{
    static const char *const texts[] = {"{}", "{\"subsets\":[]}",
                                        "{\"subsets\":[{\"ports\":[{\"port\":1}]}]}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nj_kube_object object = from_json(*state, NJ_KUBE_ENDPOINTS, texts[i]);
        assert_int_equal(1, object.endpoints.slices_count);
        assert_int_equal(0, object.endpoints.slices[0].endpoints_count);
    }
}

/* --- ingresses */

static const char ingress_text[] =
    "{\"spec\":{\"ingressClassName\":\"nginx\",\"tls\":[{\"hosts\":[\"A.example.com\",\"*.b.example.com\"]}],"
    "\"defaultBackend\":{\"service\":{\"name\":\"fallback\",\"port\":{\"number\":80}}},"
    "\"rules\":[{\"host\":\"a.example.com\",\"http\":{\"paths\":[{\"path\":\"/\",\"pathType\":\"Prefix\","
    "\"backend\":{\"service\":{\"name\":\"web\",\"port\":{\"name\":\"http\"}}}},"
    "{\"path\":\"/files\",\"backend\":{\"resource\":{\"kind\":\"Bucket\",\"name\":\"b\"}}}]}},"
    "{\"host\":\"nothing.example.com\"},"
    "{\"host\":\"x.b.example.com\",\"http\":{\"paths\":[{\"backend\":{\"service\":{\"name\":\"web\","
    "\"port\":{\"number\":81}}}}]}},"
    "{\"host\":\"y.x.b.example.com\",\"http\":{\"paths\":[{}]}}]},"
    "\"status\":{\"capacity\":3,\"allocatable\":{\"pods\":null},\"conditions\":[0],\"nodeInfo\":1,"
    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"lb.example.com\"}]}}}";

static void an_ingress_tells_every_path_and_the_fallback_last(void **state)
{
    struct nj_kube_object object = from_json(*state, NJ_KUBE_INGRESS, ingress_text);
    const struct nj_ingress_object *ingress = &object.ingress;
    static const struct {
        const char *host, *path, *service, *port_name;
        int port;
        bool tls;
    } wanted[] = {{"a.example.com", "/", "web", "http", 0, true},
                  {"a.example.com", "/files", "", "", 0, true},
                  {"x.b.example.com", "", "web", "", 81, true},
                  {"y.x.b.example.com", "", "", "", 0, false}, /* a wildcard is one label */
                  {"", "", "fallback", "", 80, false}};
    assert_int_equal(ingress->paths_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(ingress->paths[i].host, wanted[i].host);
        assert_string_equal(ingress->paths[i].path, wanted[i].path);
        assert_string_equal(ingress->paths[i].service, wanted[i].service);
        assert_string_equal(ingress->paths[i].port_name, wanted[i].port_name);
        assert_int_equal(ingress->paths[i].port, wanted[i].port);
        assert_int_equal(ingress->paths[i].tls, wanted[i].tls);
    }
    assert_string_equal(ingress->class_name, "nginx");
    assert_string_equal(ingress->addresses[0], "192.0.2.1");
    assert_string_equal(ingress->addresses[1], "lb.example.com");
    /* TLS for whatever host. */
    object = from_json(*state, NJ_KUBE_INGRESS,
                       "{\"spec\":{\"tls\":[{\"secretName\":\"s\"}],\"defaultBackend\":{}}}");
    assert_true(object.ingress.paths[0].tls);
}

struct pb_path {
    K8s__ServiceBackendPort port;
    K8s__IngressServiceBackend service;
    K8s__IngressBackend backend;
    K8s__HTTPIngressPath path;
};

static void set_path(struct pb_path *path, const char *service, const char *port_name, int32_t number)
{
    *path = (struct pb_path){.port = K8S__SERVICE_BACKEND_PORT__INIT,
                             .service = K8S__INGRESS_SERVICE_BACKEND__INIT,
                             .backend = K8S__INGRESS_BACKEND__INIT,
                             .path = K8S__HTTPINGRESS_PATH__INIT};
    path->port.name = (char *)port_name;
    path->port.has_number = number != 0;
    path->port.number = number;
    path->service.name = (char *)service;
    path->service.port = &path->port;
    path->backend.service = service == NULL ? NULL : &path->service;
    path->path.backend = &path->backend;
}

static void an_ingress_is_equal_in_both_encodings(void **state)
{
    struct pb_path web, files, x, y, fallback;
    set_path(&web, "web", "http", 0);
    web.path.path = (char *)"/";
    web.path.pathtype = (char *)"Prefix";
    set_path(&files, NULL, NULL, 0);
    files.path.path = (char *)"/files";
    set_path(&x, "web", NULL, 81);
    set_path(&y, NULL, NULL, 0);
    y.path.backend = NULL;
    set_path(&fallback, "fallback", NULL, 80);
    K8s__HTTPIngressPath *lists[3][2] = {{&web.path, &files.path}, {&x.path}, {&y.path}};
    K8s__HTTPIngressRuleValue https[3];
    K8s__IngressRuleValue values[3];
    K8s__IngressRule rules[4];
    static const char *const hosts[] = {"a.example.com", "x.b.example.com", "y.x.b.example.com",
                                        "nothing.example.com"};
    for (int i = 0; i < 4; i++) {
        rules[i] = (K8s__IngressRule)K8S__INGRESS_RULE__INIT;
        rules[i].host = (char *)hosts[i];
        if (i == 3)
            break;
        https[i] = (K8s__HTTPIngressRuleValue)K8S__HTTPINGRESS_RULE_VALUE__INIT;
        https[i].paths = lists[i];
        https[i].n_paths = i == 0 ? 2 : 1;
        values[i] = (K8s__IngressRuleValue)K8S__INGRESS_RULE_VALUE__INIT;
        values[i].http = &https[i];
        rules[i].ingressrulevalue = &values[i];
    }
    K8s__IngressRule *rule_list[] = {&rules[0], &rules[3], &rules[1], &rules[2]};
    char *tls_hosts[] = {(char *)"A.example.com", (char *)"*.b.example.com"};
    K8s__IngressTLS tls = K8S__INGRESS_TLS__INIT, *tls_list[] = {&tls};
    tls.hosts = tls_hosts;
    tls.n_hosts = 2;
    K8s__IngressSpec spec = K8S__INGRESS_SPEC__INIT;
    spec.ingressclassname = (char *)"nginx";
    spec.defaultbackend = &fallback.backend;
    spec.rules = rule_list;
    spec.n_rules = 4;
    spec.tls = tls_list;
    spec.n_tls = 1;
    K8s__IngressLoadBalancerIngress ends[2] = {K8S__INGRESS_LOAD_BALANCER_INGRESS__INIT,
                                               K8S__INGRESS_LOAD_BALANCER_INGRESS__INIT};
    ends[0].ip = (char *)"192.0.2.1";
    ends[1].hostname = (char *)"lb.example.com";
    K8s__IngressLoadBalancerIngress *end_list[] = {&ends[0], &ends[1]};
    K8s__IngressLoadBalancerStatus balancer = K8S__INGRESS_LOAD_BALANCER_STATUS__INIT;
    balancer.ingress = end_list;
    balancer.n_ingress = 2;
    K8s__IngressStatus status = K8S__INGRESS_STATUS__INIT;
    status.loadbalancer = &balancer;
    struct packed packed = {.len = 0};
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_INGRESS, ingress_text, &packed);
}

/* --- nodes, and what pods ask of them */

static const char placed_pod[] =
    "{\"spec\":{\"priority\":-5,\"overhead\":{\"cpu\":\"250m\",\"memory\":\"120Mi\"},"
    "\"nodeSelector\":{\"zone\":\"b\",\"disk\":\"ssd\"},"
    "\"affinity\":{\"podAffinity\":{},\"nodeAffinity\":{"
    "\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,\"preference\":{}}],"
    "\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":["
    "{\"matchExpressions\":[{\"key\":\"arch\",\"operator\":\"In\",\"values\":[\"amd64\",\"arm64\"]},"
    "{\"key\":\"gpu\",\"operator\":\"Exists\"}],"
    "\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"node1\"]}]},{}]}}},"
    "\"tolerations\":[{\"operator\":\"Exists\",\"tolerationSeconds\":300},"
    "{\"key\":\"dedicated\",\"value\":\"d\\u0062\",\"effect\":\"NoSchedule\"},{}]}}";

static void a_pod_says_where_it_may_go(void **state)
{
    struct nj_kube_object object = from_json(*state, NJ_KUBE_POD, placed_pod);
    const struct nj_pod_object *pod = &object.pod;
    assert_int_equal(pod->priority, -5);
    assert_int_equal(pod->overhead_cpu_millis, 250);
    assert_int_equal(pod->overhead_memory_bytes, 120 << 20);
    assert_int_equal(pod->node_selector_count, 2);
    assert_string_equal(pod->node_selector[0].key, "disk");
    assert_string_equal(pod->node_selector[1].value, "b");
    assert_int_equal(pod->node_affinity_count, 2);
    const struct nj_node_term *term = &pod->node_affinity[0];
    assert_int_equal(term->count, 3);
    assert_string_equal(term->requirements[0].operator, "In");
    assert_int_equal(term->requirements[0].values_count, 2);
    assert_string_equal(term->requirements[0].values[1], "arm64");
    assert_string_equal(term->requirements[1].key, "gpu");
    assert_int_equal(term->requirements[1].values_count, 0);
    assert_false(term->requirements[1].of_field);
    assert_true(term->requirements[2].of_field);
    assert_int_equal(pod->node_affinity[1].count, 0);
    assert_int_equal(pod->tolerations_count, 3);
    assert_string_equal(pod->tolerations[0].key, "");
    assert_string_equal(pod->tolerations[0].operator, "Exists");
    assert_string_equal(pod->tolerations[1].operator, "");
    assert_string_equal(pod->tolerations[1].value, "db");
    assert_string_equal(pod->tolerations[1].effect, "NoSchedule");
    assert_string_equal(pod->tolerations[2].key, "");
}

static void where_a_pod_may_go_is_equal_in_both_encodings(void **state)
{
    char *archs[] = {(char *)"amd64", (char *)"arm64"}, *names[] = {(char *)"node1"};
    K8s__NodeSelectorRequirement arch = K8S__NODE_SELECTOR_REQUIREMENT__INIT;
    K8s__NodeSelectorRequirement gpu = K8S__NODE_SELECTOR_REQUIREMENT__INIT;
    K8s__NodeSelectorRequirement name = K8S__NODE_SELECTOR_REQUIREMENT__INIT;
    arch.key = (char *)"arch";
    arch.operator_ = name.operator_ = (char *)"In";
    arch.values = archs;
    arch.n_values = 2;
    gpu.key = (char *)"gpu";
    gpu.operator_ = (char *)"Exists";
    name.key = (char *)"metadata.name";
    name.values = names;
    name.n_values = 1;
    K8s__NodeSelectorRequirement *expressions[] = {&arch, &gpu}, *fields[] = {&name};
    K8s__NodeSelectorTerm term = K8S__NODE_SELECTOR_TERM__INIT, empty = K8S__NODE_SELECTOR_TERM__INIT;
    term.matchexpressions = expressions;
    term.n_matchexpressions = 2;
    term.matchfields = fields;
    term.n_matchfields = 1;
    K8s__NodeSelectorTerm *terms[] = {&term, &empty};
    K8s__NodeSelector required = K8S__NODE_SELECTOR__INIT;
    required.nodeselectorterms = terms;
    required.n_nodeselectorterms = 2;
    K8s__NodeAffinity node_affinity = K8S__NODE_AFFINITY__INIT;
    node_affinity.requiredduringschedulingignoredduringexecution = &required;
    K8s__Affinity affinity = K8S__AFFINITY__INIT;
    affinity.nodeaffinity = &node_affinity;
    K8s__Toleration any = K8S__TOLERATION__INIT, db = K8S__TOLERATION__INIT;
    unsigned char toleration_bytes[2][64];
    any.operator_ = (char *)"Exists";
    db.key = (char *)"dedicated";
    db.value = (char *)"db";
    db.effect = (char *)"NoSchedule";
    ProtobufCBinaryData tolerations[] = {
        {k8s__toleration__pack(&any, toleration_bytes[0]), toleration_bytes[0]},
        {k8s__toleration__pack(&db, toleration_bytes[1]), toleration_bytes[1]},
        {0, NULL},
    };
    K8s__StringEntry zone = K8S__STRING_ENTRY__INIT, disk = K8S__STRING_ENTRY__INIT;
    zone.key = (char *)"zone";
    zone.value = (char *)"b";
    disk.key = (char *)"disk";
    disk.value = (char *)"ssd";
    K8s__StringEntry *selector[] = {&zone, &disk};
    K8s__Quantity cpu = K8S__QUANTITY__INIT, memory = K8S__QUANTITY__INIT;
    cpu.string = (char *)"250m";
    memory.string = (char *)"120Mi";
    K8s__QuantityEntry cpu_entry = K8S__QUANTITY_ENTRY__INIT, memory_entry = K8S__QUANTITY_ENTRY__INIT;
    cpu_entry.key = (char *)"cpu";
    cpu_entry.value = &cpu;
    memory_entry.key = (char *)"memory";
    memory_entry.value = &memory;
    K8s__QuantityEntry *overhead[] = {&cpu_entry, &memory_entry};
    K8s__PodSpec spec = K8S__POD_SPEC__INIT;
    SET(spec, priority, -5);
    spec.affinity = &affinity;
    spec.tolerations = tolerations;
    spec.n_tolerations = 3;
    spec.nodeselector = selector;
    spec.n_nodeselector = 2;
    spec.overhead = overhead;
    spec.n_overhead = 2;
    struct packed packed = {.len = 0};
    put_message(&packed, 2, &spec.base);
    assert_equal(*state, NJ_KUBE_POD, placed_pod, &packed);
}

static const char tainted_node[] =
    "{\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":\"dedicated\",\"value\":\"db\","
    "\"effect\":\"NoSchedule\"},{\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoExecute\","
    "\"timeAdded\":\"2026-11-21T09:13:19Z\"}]},"
    "\"status\":{\"capacity\":{\"cpu\":\"2\",\"memory\":\"4Gi\",\"pods\":\"110\"},"
    "\"allocatable\":{\"cpu\":\"1900m\",\"memory\":\"nonsense\",\"pods\":\"100\",\"hugepages-2Mi\":\"1Mi\"},"
    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\",\"reason\":\"NodeStatusUnknown\","
    "\"message\":\"Kubelet stopped posting node status.\",\"lastHeartbeatTime\":\"2026-11-21T09:12:19Z\","
    "\"lastTransitionTime\":\"2026-11-21T09:13:19Z\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1.33.1\"}}}";

static void a_node_says_what_it_has_and_how_it_is(void **state)
{
    struct nj_kube_object object = from_json(*state, NJ_KUBE_NODE, tainted_node);
    const struct nj_node_object *node = &object.node;
    assert_true(node->unschedulable);
    assert_int_equal(node->taints_count, 2);
    assert_string_equal(node->taints[0].value, "db");
    assert_string_equal(node->taints[1].value, "");
    assert_string_equal(node->taints[1].effect, "NoExecute");
    assert_int_equal(node->capacity_cpu_millis, 2000);
    assert_true(node->capacity_memory_bytes == (int64_t)4 << 30);
    assert_int_equal(node->allocatable_cpu_millis, 1900);
    assert_int_equal(node->allocatable_memory_bytes, 0);
    assert_int_equal(node->allocatable_pods, 100);
    assert_int_equal(node->conditions_count, 1);
    assert_string_equal(node->conditions[0].reason, "NodeStatusUnknown");
    assert_true(node->conditions[0].last_transition_ns == 1795252399 * NJ_SEC);
    assert_string_equal(node->kubelet_version, "v1.33.1");
}

struct amount {
    K8s__Quantity quantity;
    K8s__QuantityEntry entry;
};

static K8s__QuantityEntry *amount(struct amount *amount, const char *name, const char *text)
{
    k8s__quantity__init(&amount->quantity);
    k8s__quantity_entry__init(&amount->entry);
    amount->quantity.string = (char *)text;
    amount->entry.key = (char *)name;
    amount->entry.value = &amount->quantity;
    return &amount->entry;
}

static void a_node_is_equal_in_both_encodings(void **state)
{
    K8s__Taint taints[2] = {K8S__TAINT__INIT, K8S__TAINT__INIT}, *taint_list[] = {&taints[0], &taints[1]};
    taints[0].key = (char *)"dedicated";
    taints[0].value = (char *)"db";
    taints[0].effect = (char *)"NoSchedule";
    taints[1].key = (char *)"node.kubernetes.io/not-ready";
    taints[1].effect = (char *)"NoExecute";
    K8s__NodeSpec spec = K8S__NODE_SPEC__INIT;
    SET(spec, unschedulable, true);
    spec.taints = taint_list;
    spec.n_taints = 2;
    struct amount amounts[6];
    K8s__QuantityEntry *capacity[] = {amount(&amounts[0], "cpu", "2"), amount(&amounts[1], "memory", "4Gi")};
    K8s__QuantityEntry *allocatable[] = {
        amount(&amounts[2], "cpu", "1900m"), amount(&amounts[3], "memory", "nonsense"),
        amount(&amounts[4], "pods", "100"), amount(&amounts[5], "hugepages-2Mi", "1Mi")};
    K8s__Time since = K8S__TIME__INIT;
    SET(since, seconds, 1795252399);
    K8s__PodCondition ready = K8S__POD_CONDITION__INIT, *conditions[] = {&ready};
    ready.type = (char *)"Ready";
    ready.status = (char *)"Unknown";
    ready.reason = (char *)"NodeStatusUnknown";
    ready.message = (char *)"Kubelet stopped posting node status.";
    ready.lasttransitiontime = &since;
    K8s__NodeSystemInfo info = K8S__NODE_SYSTEM_INFO__INIT;
    info.kubeletversion = (char *)"v1.33.1";
    K8s__NodeStatus status = K8S__NODE_STATUS__INIT;
    status.capacity = capacity;
    status.n_capacity = 2;
    status.allocatable = allocatable;
    status.n_allocatable = 4;
    status.conditions = conditions;
    status.n_conditions = 1;
    status.nodeinfo = &info;
    struct packed packed = {.len = 0};
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_NODE, tainted_node, &packed);
}

/* --- the rest */

/* A label selector, and a template whose pods it selects. */
struct template
{
    K8s__StringEntry label, *labels[1];
    K8s__LabelSelector selector;
    K8s__ObjectMeta meta;
    K8s__PodSpec spec;
    K8s__Container container, *containers[1];
    unsigned char spec_bytes[256];
    K8s__PodTemplateSpec pb;
};

#define TEMPLATE                                                                                             \
    "\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":"       \
    "\"db\"}},"                                                                                              \
    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"db:2\"}]}}"

static void make_template(struct template *template)
{
    template->label = (K8s__StringEntry)K8S__STRING_ENTRY__INIT;
    template->label.key = (char *)"app";
    template->label.value = (char *)"db";
    template->labels[0] = &template->label;
    template->selector = (K8s__LabelSelector)K8S__LABEL_SELECTOR__INIT;
    template->selector.matchlabels = template->labels;
    template->selector.n_matchlabels = 1;
    template->meta = (K8s__ObjectMeta)K8S__OBJECT_META__INIT;
    template->meta.labels = template->labels;
    template->meta.n_labels = 1;
    template->container = (K8s__Container)K8S__CONTAINER__INIT;
    template->container.name = (char *)"c";
    template->container.image = (char *)"db:2";
    template->containers[0] = &template->container;
    template->spec = (K8s__PodSpec)K8S__POD_SPEC__INIT;
    template->spec.containers = template->containers;
    template->spec.n_containers = 1;
    template->pb = (K8s__PodTemplateSpec)K8S__POD_TEMPLATE_SPEC__INIT;
    template->pb.metadata = &template->meta;
    SET(template->pb, spec, ((ProtobufCBinaryData){0, template->spec_bytes}));
    template->pb.spec.len = k8s__pod_spec__pack(&template->spec, template->spec_bytes);
}

static void assert_template(const struct nj_workload_object *workload)
{
    assert_int_equal(workload->selector_count, 1);
    assert_string_equal(workload->selector[0].value, "db");
    assert_int_equal(workload->template_labels_count, 1);
    assert_int_equal(workload->containers_count, 1);
    assert_string_equal(workload->containers[0].image, "db:2");
}

static const char deployment_text[] =
    "{\"spec\":{\"replicas\":0,\"paused\":true,\"minReadySeconds\":5,\"progressDeadlineSeconds\":30,"
    "\"strategy\":{\"type\":\"Recreate\"}," TEMPLATE "},\"status\":{\"observedGeneration\":7,"
    "\"replicas\":4,\"updatedReplicas\":3,\"readyReplicas\":2,\"availableReplicas\":1,\"conditions\":["
    "{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\",\"message\":"
    "\"m\","
    "\"lastTransitionTime\":\"2026-11-21T09:13:19Z\"}]}}";

static void a_deployment_says_what_it_wants_and_has(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__DeploymentSpec spec = K8S__DEPLOYMENT_SPEC__INIT;
    K8s__UpdateStrategy strategy = K8S__UPDATE_STRATEGY__INIT;
    strategy.type = (char *)"Recreate";
    SET(spec, replicas, 0);
    SET(spec, paused, 1);
    SET(spec, minreadyseconds, 5);
    SET(spec, progressdeadlineseconds, 30);
    spec.strategy = &strategy;
    spec.selector = &template.selector;
    spec.template_ = &template.pb;
    K8s__Time since = K8S__TIME__INIT;
    SET(since, seconds, 1795252399);
    K8s__DeploymentCondition condition = K8S__DEPLOYMENT_CONDITION__INIT, *conditions[] = {&condition};
    condition.type = (char *)"Progressing";
    condition.status = (char *)"False";
    condition.reason = (char *)"ProgressDeadlineExceeded";
    condition.message = (char *)"m";
    condition.lasttransitiontime = &since;
    K8s__DeploymentStatus status = K8S__DEPLOYMENT_STATUS__INIT;
    SET(status, observedgeneration, 7);
    SET(status, replicas, 4);
    SET(status, updatedreplicas, 3);
    SET(status, readyreplicas, 2);
    SET(status, availablereplicas, 1);
    status.conditions = conditions;
    status.n_conditions = 1;
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_DEPLOYMENT, deployment_text, &packed);
    struct nj_workload_object workload = from_json(*state, NJ_KUBE_DEPLOYMENT, deployment_text).workload;
    assert_template(&workload);
    assert_int_equal(workload.desired, 0);
    assert_int_equal(workload.available, 1);
    assert_true(workload.paused);
    assert_string_equal(workload.strategy, "Recreate");
    assert_int_equal(workload.progress_deadline_seconds, 30);
    assert_string_equal(workload.conditions[0].reason, "ProgressDeadlineExceeded");
    workload = from_json(*state, NJ_KUBE_DEPLOYMENT, "{\"spec\":{}}").workload;
    assert_int_equal(workload.desired, 1);
    assert_int_equal(workload.progress_deadline_seconds, 600);
    assert_string_equal(workload.strategy, "RollingUpdate");
}

static const char stateful_set_text[] =
    "{\"spec\":{\"replicas\":3,\"minReadySeconds\":5,\"updateStrategy\":{\"type\":\"RollingUpdate\","
    "\"rollingUpdate\":{\"partition\":2}}," TEMPLATE "},\"status\":{\"observedGeneration\":7,\"replicas\":3,"
    "\"updatedReplicas\":1,\"readyReplicas\":2,\"currentRevision\":\"db-1\",\"updateRevision\":\"db-2\"}}";

static void a_stateful_set_has_revisions_and_a_partition(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__StatefulSetSpec spec = K8S__STATEFUL_SET_SPEC__INIT;
    K8s__StatefulSetUpdateStrategy strategy = K8S__STATEFUL_SET_UPDATE_STRATEGY__INIT;
    K8s__RollingUpdateStatefulSetStrategy rolling = K8S__ROLLING_UPDATE_STATEFUL_SET_STRATEGY__INIT;
    strategy.type = (char *)"RollingUpdate";
    strategy.rollingupdate = &rolling;
    SET(rolling, partition, 2);
    SET(spec, replicas, 3);
    SET(spec, minreadyseconds, 5);
    spec.updatestrategy = &strategy;
    spec.selector = &template.selector;
    spec.template_ = &template.pb;
    K8s__StatefulSetStatus status = K8S__STATEFUL_SET_STATUS__INIT;
    SET(status, observedgeneration, 7);
    SET(status, replicas, 3);
    SET(status, updatedreplicas, 1);
    SET(status, readyreplicas, 2);
    status.currentrevision = (char *)"db-1";
    status.updaterevision = (char *)"db-2";
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_STATEFUL_SET, stateful_set_text, &packed);
    struct nj_workload_object workload = from_json(*state, NJ_KUBE_STATEFUL_SET, stateful_set_text).workload;
    assert_template(&workload);
    assert_int_equal(workload.partition, 2);
    assert_int_equal(workload.available, 2); /* of an old server, which does not say */
    assert_string_equal(workload.update_revision, "db-2");
    assert_int_equal(workload.progress_deadline_seconds, 0);
}

static const char daemon_set_text[] = "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}," TEMPLATE
                                      "},\"status\":{\"observedGeneration\":7,"
                                      "\"currentNumberScheduled\":5,\"desiredNumberScheduled\":6,"
                                      "\"updatedNumberScheduled\":3,\"numberReady\":2,"
                                      "\"numberAvailable\":1}}";

static void a_daemon_set_wants_as_many_as_there_are_nodes_for_it(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__DaemonSetSpec spec = K8S__DAEMON_SET_SPEC__INIT;
    K8s__UpdateStrategy strategy = K8S__UPDATE_STRATEGY__INIT;
    strategy.type = (char *)"OnDelete";
    spec.updatestrategy = &strategy;
    spec.selector = &template.selector;
    spec.template_ = &template.pb;
    K8s__DaemonSetStatus status = K8S__DAEMON_SET_STATUS__INIT;
    SET(status, observedgeneration, 7);
    SET(status, currentnumberscheduled, 5);
    SET(status, desirednumberscheduled, 6);
    SET(status, updatednumberscheduled, 3);
    SET(status, numberready, 2);
    SET(status, numberavailable, 1);
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_DAEMON_SET, daemon_set_text, &packed);
    struct nj_workload_object workload = from_json(*state, NJ_KUBE_DAEMON_SET, daemon_set_text).workload;
    assert_template(&workload);
    assert_int_equal(workload.desired, 6);
    assert_int_equal(workload.updated, 3);
    assert_int_equal(workload.available, 1);
    assert_string_equal(workload.strategy, "OnDelete");
}

static const char replica_set_text[] =
    "{\"spec\":{\"replicas\":3," TEMPLATE "},\"status\":{\"observedGeneration\":7,\"replicas\":3,"
    "\"readyReplicas\":2,\"availableReplicas\":1}}";

static void a_replica_set_is_equal_in_both_encodings(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__ReplicaSetSpec spec = K8S__REPLICA_SET_SPEC__INIT;
    SET(spec, replicas, 3);
    spec.selector = &template.selector;
    spec.template_ = &template.pb;
    K8s__ReplicaSetStatus status = K8S__REPLICA_SET_STATUS__INIT;
    SET(status, observedgeneration, 7);
    SET(status, replicas, 3);
    SET(status, readyreplicas, 2);
    SET(status, availablereplicas, 1);
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_REPLICA_SET, replica_set_text, &packed);
    struct nj_workload_object workload = from_json(*state, NJ_KUBE_REPLICA_SET, replica_set_text).workload;
    assert_template(&workload);
}

static const char job_text[] =
    "{\"spec\":{\"parallelism\":3,\"completions\":8,\"suspend\":true," TEMPLATE "},\"status\":{\"active\":2,"
    "\"ready\":1,\"succeeded\":5,\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\","
    "\"lastTransitionTime\":\"2026-11-21T09:13:19Z\",\"reason\":\"CompletionsReached\"}]}}";

static void a_job_says_what_it_wants_and_has_done(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__JobSpec spec = K8S__JOB_SPEC__INIT;
    SET(spec, parallelism, 3);
    SET(spec, completions, 8);
    SET(spec, suspend, 1);
    spec.selector = &template.selector;
    spec.template_ = &template.pb;
    K8s__Time time = K8S__TIME__INIT;
    SET(time, seconds, 1795252399);
    K8s__PodCondition complete = K8S__POD_CONDITION__INIT;
    complete.type = (char *)"Complete";
    complete.status = (char *)"True";
    complete.reason = (char *)"CompletionsReached";
    complete.lasttransitiontime = &time;
    K8s__PodCondition *list[] = {&complete};
    K8s__JobStatus status = K8S__JOB_STATUS__INIT;
    status.conditions = list;
    status.n_conditions = 1;
    SET(status, active, 2);
    SET(status, ready, 1);
    SET(status, succeeded, 5);
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_JOB, job_text, &packed);
    struct nj_workload_object workload = from_json(*state, NJ_KUBE_JOB, job_text).workload;
    assert_template(&workload);
    assert_int_equal(workload.desired, 3);
    assert_int_equal(workload.completions, 8);
    assert_int_equal(workload.succeeded, 5);
    assert_true(workload.paused);
    assert_string_equal(workload.conditions[0].type, "Complete");
    workload = from_json(*state, NJ_KUBE_JOB, "{}").workload;
    assert_int_equal(workload.desired, 1);
    assert_int_equal(workload.completions, -1);
}

static const char managed_text[] = "{\"metadata\":{\"name\":\"db\",\"managedFields\":["
                                   "{\"manager\":\"kubectl-create\",\"time\":\"2026-11-21T09:13:19Z\","
                                   "\"fieldsV1\":{\"f:spec\":{\"f:template\":{}}}},"
                                   "{\"manager\":\"kubectl-set\",\"time\":\"2026-11-21T09:13:20Z\","
                                   "\"fieldsV1\":{\"f:spec\":{\"f:template\":{}}}},"
                                   "{\"manager\":\"kubectl-scale\",\"time\":\"2026-11-21T09:13:21Z\","
                                   "\"fieldsV1\":{\"f:spec\":{\"f:replicas\":{}}},"
                                   "\"subresource\":\"scale\"}]}}";

static void a_workload_says_who_changed_its_template_last(void **state)
{
    static const struct {
        const char *manager, *fields, *subresource;
    } rows[] = {
        {"kubectl-create", "{\"f:spec\":{\"f:template\":{}}}", NULL},
        {"kubectl-set", "{\"f:spec\":{\"f:template\":{}}}", NULL},
        {"kubectl-scale", "{\"f:spec\":{\"f:replicas\":{}}}", "scale"},
    };
    K8s__ObjectMeta meta = K8S__OBJECT_META__INIT;
    unsigned char meta_bytes[1024];
    struct packed metadata = {.len = 0}, packed = {.len = 0};
    meta.name = (char *)"db";
    put(&metadata, meta_bytes, k8s__object_meta__pack(&meta, meta_bytes));
    for (size_t i = 0; i < 3; i++) {
        K8s__ManagedFieldsEntry entry = K8S__MANAGED_FIELDS_ENTRY__INIT;
        K8s__Time time = K8S__TIME__INIT;
        K8s__FieldsV1 fields = K8S__FIELDS_V1__INIT;
        unsigned char bytes[256];
        entry.manager = (char *)rows[i].manager;
        entry.subresource = (char *)rows[i].subresource;
        SET(time, seconds, 1795252399 + (int64_t)i);
        entry.time = &time;
        SET(fields, raw, ((ProtobufCBinaryData){strlen(rows[i].fields), (uint8_t *)rows[i].fields}));
        entry.fieldsv1 = &fields;
        size_t len = k8s__managed_fields_entry__pack(&entry, bytes);
        /* Field 17: its tag takes two bytes. */
        put(&metadata, (unsigned char[]){0x8a, 0x01, (unsigned char)(len | 0x80), (unsigned char)(len >> 7)},
            4);
        put(&metadata, bytes, len);
    }
    put_head(&packed, 1, metadata.len);
    put(&packed, metadata.bytes, metadata.len);
    assert_equal(*state, NJ_KUBE_DEPLOYMENT, managed_text, &packed);
    assert_string_equal(from_json(*state, NJ_KUBE_DEPLOYMENT, managed_text).workload.changed_by,
                        "kubectl-set");
}

static const char budget_text[] =
    "{\"spec\":{\"minAvailable\":2,\"maxUnavailable\":\"50%\",\"selector\":{\"matchLabels\":{\"app\":\"db\"},"
    "\"matchExpressions\":[{\"key\":\"x\",\"operator\":\"Exists\"}]}},\"status\":{\"observedGeneration\":7,"
    "\"disruptionsAllowed\":1,\"currentHealthy\":2,\"desiredHealthy\":3,\"expectedPods\":4}}";

static void a_budget_says_what_it_allows(void **state)
{
    struct packed packed = {.len = 0};
    struct template template;
    make_template(&template);
    K8s__PodDisruptionBudgetSpec spec = K8S__POD_DISRUPTION_BUDGET_SPEC__INIT;
    K8s__IntOrString least = K8S__INT_OR_STRING__INIT, most = K8S__INT_OR_STRING__INIT;
    ProtobufCBinaryData expression = {0, NULL};
    SET(least, intval, 2);
    SET(most, type, 1);
    most.strval = (char *)"50%";
    spec.minavailable = &least;
    spec.maxunavailable = &most;
    template.selector.matchexpressions = &expression;
    template.selector.n_matchexpressions = 1;
    spec.selector = &template.selector;
    K8s__PodDisruptionBudgetStatus status = K8S__POD_DISRUPTION_BUDGET_STATUS__INIT;
    SET(status, observedgeneration, 7);
    SET(status, disruptionsallowed, 1);
    SET(status, currenthealthy, 2);
    SET(status, desiredhealthy, 3);
    SET(status, expectedpods, 4);
    put_message(&packed, 2, &spec.base);
    put_message(&packed, 3, &status.base);
    assert_equal(*state, NJ_KUBE_BUDGET, budget_text, &packed);
    struct nj_budget_object budget = from_json(*state, NJ_KUBE_BUDGET, budget_text).budget;
    assert_string_equal(budget.min_available, "2");
    assert_string_equal(budget.max_unavailable, "50%");
    assert_true(budget.selector_has_expressions);
    assert_true(budget.has_selector);
    assert_false(from_json(*state, NJ_KUBE_BUDGET, "{\"spec\":{}}").budget.has_selector);
}

static void a_custom_resources_parts_are_their_text(void **state)
{
    static const char text[] = "{\"metadata\":{\"name\":\"m\",\"generation\":3},\"spec\" : {\"a\": [1, "
                               "\"}\\\"\"] },\"status\":{\"x\":1}}";
    struct nj_kube_object object = from_json(*state, NJ_KUBE_CUSTOM, text);
    assert_string_equal(object.custom.spec, "{\"a\": [1, \"}\\\"\"] }");
    assert_int_equal(object.custom.spec_len, strlen(object.custom.spec));
    assert_string_equal(object.custom.status, "{\"x\":1}");
    assert_int_equal(object.custom.status_len, strlen(object.custom.status));
    assert_int_equal(object.meta.generation, 3);
    static const char *const without[] = {"{}", "{\"spec\":null,\"status\":null}"};
    for (size_t i = 0; i < 2; i++) {
        object = from_json(*state, NJ_KUBE_CUSTOM, without[i]);
        assert_string_equal(object.custom.spec, "");
        assert_int_equal(object.custom.spec_len, 0);
        assert_string_equal(object.custom.status, "");
        assert_int_equal(object.custom.status_len, 0);
    }
    struct nj_err err;
    assert_int_equal(
        nj_kube_decode(NJ_KUBE_PROTOBUF, NJ_KUBE_CUSTOM, "k8s\0\x12\0", 6, *state, &object, &err), -EBADMSG);
}

/* Of whatever type the parts are: strings are never NULL, and nothing fails. */
static void what_is_absent_or_odd_reads_as_empty(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"spec\":{},\"status\":{}}", "{\"spec\":null,\"status\":null}",
        "{\"spec\":{\"ports\":[3,null,{}],\"selector\":[],\"clusterIPs\":\"x\",\"rules\":[1,{\"http\":7},"
        "{\"http\":{\"paths\":[null]}}],\"tls\":[2],\"defaultBackend\":1,\"containers\":[{\"ports\":[1],"
        "\"readinessProbe\":3,\"livenessProbe\":{\"httpGet\":5}}],\"taints\":[1],\"nodeSelector\":{\"a\":1},"
        "\"overhead\":[],\"priority\":\"x\",\"tolerations\":[null],\"affinity\":{\"nodeAffinity\":{"
        "\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[1,{\"matchFields\":[2,"
        "{\"values\":[null]}]}]}}}},\"endpoints\":[4,{\"addresses\":[1,null]}],"
        "\"subsets\":[6,{\"addresses\":[7,{\"ip\":8},{\"ip\":\"x\",\"targetRef\":9}]}]"
        ","
        "\"ports\":[5],\"metadata\":{\"managedFields\":[3,{},{\"fieldsV1\":\"\\\"f:template\\\"\","
        "\"manager\":1}]},\"status\":{\"capacity\":3,\"allocatable\":{\"pods\":null},\"conditions\":[0],"
        "\"nodeInfo\":1,\"loadBalancer\":{\"ingress\":[null,1]},\"podIPs\":[1]}}"};
    static const enum nj_kube_kind kinds[] = {
        NJ_KUBE_META,        NJ_KUBE_POD,    NJ_KUBE_SERVICE,   NJ_KUBE_SLICE,        NJ_KUBE_INGRESS,
        NJ_KUBE_DEPLOYMENT,  NJ_KUBE_CUSTOM, NJ_KUBE_NODE,      NJ_KUBE_STATEFUL_SET, NJ_KUBE_DAEMON_SET,
        NJ_KUBE_REPLICA_SET, NJ_KUBE_BUDGET, NJ_KUBE_ENDPOINTS, NJ_KUBE_JOB};
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        struct nj_buf text = {0};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            struct nj_kube_object object = from_json(*state, kinds[k], texts[i]);
            describe_object(&object, &text);
        }
        assert_null(strstr(text.data, "=NULL"));
        nj_buf_done(&text);
        struct nj_kube_object json = from_json(*state, kinds[k], "{}");
        assert_int_equal(json.kind, kinds[k]);
        if (kinds[k] != NJ_KUBE_CUSTOM)
            assert_equal(*state, kinds[k], "{}", &(struct packed){.len = 0});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(probes_ports_and_addresses_of_a_pod, setup, teardown),
        cmocka_unit_test_setup_teardown(a_probed_pod_is_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(services_have_their_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(endpoints_are_ready_unless_they_say_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_say_that_it_serves_serves_when_it_is_ready, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(endpoints_are_read_as_the_slices_that_there_would_be, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(endpoints_are_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(endpoints_without_addresses_are_one_empty_slice, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ingress_tells_every_path_and_the_fallback_last, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ingress_is_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pod_says_where_it_may_go, setup, teardown),
        cmocka_unit_test_setup_teardown(where_a_pod_may_go_is_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_says_what_it_has_and_how_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_is_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deployment_says_what_it_wants_and_has, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stateful_set_has_revisions_and_a_partition, setup, teardown),
        cmocka_unit_test_setup_teardown(a_daemon_set_wants_as_many_as_there_are_nodes_for_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_replica_set_is_equal_in_both_encodings, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_says_what_it_wants_and_has_done, setup, teardown),
        cmocka_unit_test_setup_teardown(a_workload_says_who_changed_its_template_last, setup, teardown),
        cmocka_unit_test_setup_teardown(a_budget_says_what_it_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_custom_resources_parts_are_their_text, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_absent_or_odd_reads_as_empty, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
