#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"

static void read_resources(struct nj_container_spec *container, enum nj_kube_resource which,
                           struct json_object *quantities)
{
    if (!json_object_is_type(quantities, json_type_object))
        return;
    json_object_object_foreach(quantities, name, quantity)
    {
        nj_kube_set_resource(container, which, name, nj_str(json_object_get_string(quantity)));
    }
}

static void read_headers(struct nj_json_reader *reader, struct json_object *array, struct nj_pod_probe *probe)
{
    size_t count = nj_json_len(array);
    struct nj_kube_pair *headers = nj_json_array(reader, count, sizeof(*headers));
    if (headers == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *header = json_object_array_get_idx(array, i);
        headers[i] = (struct nj_kube_pair){.key = nj_json_string(reader, header, "name"),
                                           .value = nj_json_string(reader, header, "value")};
    }
    probe->headers = headers;
    probe->headers_count = count;
}

/* Of several handlers, which no server lets through, the one that the kubelet would take. */
static void read_handler(struct nj_json_reader *reader, struct json_object *object,
                         struct nj_pod_probe *probe)
{
    struct json_object *http = nj_json_get(object, "httpGet");
    struct json_object *tcp = nj_json_get(object, "tcpSocket");
    struct json_object *grpc = nj_json_get(object, "grpc");
    if (nj_json_get(object, "exec") != NULL) {
        probe->kind = NJ_POD_PROBE_EXEC;
    } else if (http != NULL) {
        probe->kind = NJ_POD_PROBE_HTTP;
        probe->host = nj_json_string(reader, http, "host");
        probe->path = nj_json_string(reader, http, "path");
        probe->scheme = nj_json_string(reader, http, "scheme");
        nj_json_port(reader, http, "port", &probe->port_name, &probe->port);
        read_headers(reader, nj_json_get(http, "httpHeaders"), probe);
    } else if (tcp != NULL) {
        probe->kind = NJ_POD_PROBE_TCP;
        probe->host = nj_json_string(reader, tcp, "host");
        nj_json_port(reader, tcp, "port", &probe->port_name, &probe->port);
    } else if (grpc != NULL) {
        probe->kind = NJ_POD_PROBE_GRPC;
        probe->port = nj_kube_port(nj_json_int(grpc, "port", 0));
        probe->service = nj_json_string(reader, grpc, "service");
    }
}

static struct nj_pod_probe read_probe(struct nj_json_reader *reader, struct json_object *container,
                                      const char *key)
{
    struct json_object *object = nj_json_get(container, key);
    struct nj_pod_probe probe = nj_pod_probe_empty;
    if (object == NULL)
        return probe;
    probe.initial_delay_seconds = nj_json_int32(object, "initialDelaySeconds");
    probe.timeout_seconds = nj_json_int32(object, "timeoutSeconds");
    probe.period_seconds = nj_json_int32(object, "periodSeconds");
    probe.success_threshold = nj_json_int32(object, "successThreshold");
    probe.failure_threshold = nj_json_int32(object, "failureThreshold");
    read_handler(reader, object, &probe);
    nj_kube_default_probe(&probe);
    return probe;
}

static void read_ports(struct nj_json_reader *reader, struct json_object *array,
                       struct nj_container_spec *spec)
{
    size_t count = nj_json_len(array);
    struct nj_container_port *ports = nj_json_array(reader, count, sizeof(*ports));
    if (ports == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *port = json_object_array_get_idx(array, i);
        ports[i] = (struct nj_container_port){
            .name = nj_json_string(reader, port, "name"),
            .number = nj_kube_port(nj_json_int(port, "containerPort", 0)),
            .protocol = nj_kube_or(nj_json_string(reader, port, "protocol"), "TCP")};
    }
    spec->ports = ports;
    spec->ports_count = count;
}

static void read_containers(struct nj_json_reader *reader, struct json_object *array,
                            enum nj_container_type type, struct nj_container_spec *specs, size_t *count)
{
    for (size_t i = 0; i < nj_json_len(array); i++) {
        struct json_object *object = json_object_array_get_idx(array, i);
        struct json_object *resources = nj_json_get(object, "resources");
        struct json_object *restart_policy = nj_json_get(object, "restartPolicy");
        struct nj_container_spec *spec = &specs[(*count)++];
        *spec = (struct nj_container_spec){.name = nj_json_string(reader, object, "name"),
                                           .image = nj_json_string(reader, object, "image"),
                                           .type = type,
                                           .startup = read_probe(reader, object, "startupProbe"),
                                           .readiness = read_probe(reader, object, "readinessProbe"),
                                           .liveness = read_probe(reader, object, "livenessProbe")};
        read_ports(reader, nj_json_get(object, "ports"), spec);
        if (type == NJ_CONTAINER_INIT && json_object_is_type(restart_policy, json_type_string) &&
            nj_streq(json_object_get_string(restart_policy), "Always"))
            spec->type = NJ_CONTAINER_SIDECAR;
        read_resources(spec, NJ_KUBE_LIMIT, nj_json_get(resources, "limits"));
        read_resources(spec, NJ_KUBE_REQUEST, nj_json_get(resources, "requests"));
    }
}

void nj_json_read_pod_spec(struct nj_json_reader *reader, struct json_object *json,
                           struct nj_kube_object *object)
{
    struct nj_pod_object *pod = &object->pod;
    struct json_object *init = nj_json_get(json, "initContainers");
    struct json_object *app = nj_json_get(json, "containers");
    struct json_object *ephemeral = nj_json_get(json, "ephemeralContainers");
    size_t total = nj_json_len(init) + nj_json_len(app) + nj_json_len(ephemeral);
    reader->full = reader->full || total > NJ_KUBE_CONTAINERS_MAX;
    struct nj_container_spec *specs = reader->full ? NULL : nj_json_array(reader, total, sizeof(*specs));
    if (specs != NULL) {
        size_t count = 0;
        read_containers(reader, init, NJ_CONTAINER_INIT, specs, &count);
        read_containers(reader, app, NJ_CONTAINER_APP, specs, &count);
        read_containers(reader, ephemeral, NJ_CONTAINER_EPHEMERAL, specs, &count);
        pod->containers = specs;
        pod->containers_count = count;
    }
    pod->node_name = nj_json_string(reader, json, "nodeName");
    pod->restart_policy = nj_json_string(reader, json, "restartPolicy");
    if (json_object_is_type(nj_json_get(json, "terminationGracePeriodSeconds"), json_type_int))
        pod->grace_seconds = nj_json_int32(json, "terminationGracePeriodSeconds");
    pod->host_network = nj_json_bool(json, "hostNetwork", false);
    nj_json_placement(reader, json, pod);
}

static struct nj_container_state read_state(struct nj_json_reader *reader, struct json_object *object)
{
    struct nj_container_state state = nj_container_state_empty;
    struct json_object *terminated = nj_json_get(object, "terminated");
    struct json_object *running = nj_json_get(object, "running");
    struct json_object *waiting = nj_json_get(object, "waiting");
    if (terminated != NULL) {
        state.kind = NJ_STATE_TERMINATED;
        state.reason = nj_json_string(reader, terminated, "reason");
        state.message = nj_json_string(reader, terminated, "message");
        state.started_ns = nj_json_time(terminated, "startedAt");
        state.finished_ns = nj_json_time(terminated, "finishedAt");
        state.exit_code = nj_json_int32(terminated, "exitCode");
        state.signal = nj_json_int32(terminated, "signal");
        state.container_id = nj_json_string(reader, terminated, "containerID");
    } else if (running != NULL) {
        state.kind = NJ_STATE_RUNNING;
        state.started_ns = nj_json_time(running, "startedAt");
    } else if (waiting != NULL) {
        state.kind = NJ_STATE_WAITING;
        state.reason = nj_json_string(reader, waiting, "reason");
        state.message = nj_json_string(reader, waiting, "message");
    }
    return state;
}

static void read_statuses(struct nj_json_reader *reader, struct json_object *array,
                          enum nj_container_type type, struct nj_pod_object *pod,
                          struct nj_container_status *statuses)
{
    for (size_t i = 0; i < nj_json_len(array); i++) {
        struct json_object *object = json_object_array_get_idx(array, i);
        struct nj_container_status *status = &statuses[pod->statuses_count++];
        *status =
            (struct nj_container_status){.name = nj_json_string(reader, object, "name"),
                                         .image = nj_json_string(reader, object, "image"),
                                         .container_id = nj_json_string(reader, object, "containerID"),
                                         .type = type,
                                         .ready = nj_json_bool(object, "ready", false),
                                         .started = nj_json_bool(object, "started", false),
                                         .restart_count = nj_json_int32(object, "restartCount"),
                                         .state = read_state(reader, nj_json_get(object, "state")),
                                         .last_state = read_state(reader, nj_json_get(object, "lastState"))};
        if (type == NJ_CONTAINER_INIT)
            status->type = nj_kube_init_type(pod, status->name);
    }
}

void nj_json_conditions(struct nj_json_reader *reader, struct json_object *array,
                        const struct nj_pod_condition **ret_conditions, size_t *ret_count)
{
    size_t count = nj_json_len(array);
    struct nj_pod_condition *conditions = nj_json_array(reader, count, sizeof(*conditions));
    if (conditions == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *condition = json_object_array_get_idx(array, i);
        conditions[i] =
            (struct nj_pod_condition){.type = nj_json_string(reader, condition, "type"),
                                      .status = nj_json_string(reader, condition, "status"),
                                      .reason = nj_json_string(reader, condition, "reason"),
                                      .message = nj_json_string(reader, condition, "message"),
                                      .last_transition_ns = nj_json_time(condition, "lastTransitionTime")};
    }
    *ret_conditions = conditions;
    *ret_count = count;
}

/* podIPs; a server before dual stack has podIP alone. */
static void read_ips(struct nj_json_reader *reader, struct json_object *json, struct nj_pod_object *pod)
{
    struct json_object *array = nj_json_get(json, "podIPs");
    const char *old = nj_json_len(array) == 0 ? nj_json_string(reader, json, "podIP") : "";
    size_t count = old[0] != '\0' ? 1 : nj_json_len(array);
    const char **ips = nj_json_array(reader, count, sizeof(*ips));
    if (ips == NULL)
        return;
    ips[0] = old;
    for (size_t i = 0; i < nj_json_len(array); i++)
        ips[i] = nj_json_string(reader, json_object_array_get_idx(array, i), "ip");
    pod->ips = ips;
    pod->ips_count = count;
}

void nj_json_read_pod_status(struct nj_json_reader *reader, struct json_object *json,
                             struct nj_kube_object *object)
{
    struct nj_pod_object *pod = &object->pod;
    struct json_object *init = nj_json_get(json, "initContainerStatuses");
    struct json_object *app = nj_json_get(json, "containerStatuses");
    struct json_object *ephemeral = nj_json_get(json, "ephemeralContainerStatuses");
    size_t total = nj_json_len(init) + nj_json_len(app) + nj_json_len(ephemeral);
    reader->full = reader->full || total > NJ_KUBE_CONTAINERS_MAX;
    struct nj_container_status *statuses =
        reader->full ? NULL : nj_json_array(reader, total, sizeof(*statuses));
    if (statuses != NULL) {
        read_statuses(reader, init, NJ_CONTAINER_INIT, pod, statuses);
        read_statuses(reader, app, NJ_CONTAINER_APP, pod, statuses);
        read_statuses(reader, ephemeral, NJ_CONTAINER_EPHEMERAL, pod, statuses);
        pod->statuses = statuses;
    }
    nj_json_conditions(reader, nj_json_get(json, "conditions"), &pod->conditions, &pod->conditions_count);
    pod->phase = nj_json_string(reader, json, "phase");
    pod->reason = nj_json_string(reader, json, "reason");
    pod->message = nj_json_string(reader, json, "message");
    pod->host_ip = nj_json_string(reader, json, "hostIP");
    pod->started_ns = nj_json_time(json, "startTime");
    read_ips(reader, json, pod);
}
