#include "common/base/str.h"
#include "common/kube/decode_pb_internal.h"

static void set_resources(struct nj_container_spec *container, enum nj_kube_resource which,
                          K8s__QuantityEntry **entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const K8s__Quantity *quantity = entries[i]->value;
        nj_kube_set_resource(container, which, nj_str(entries[i]->key),
                             nj_str(quantity == NULL ? NULL : quantity->string));
    }
}

static bool set_http(struct nj_pb_arena *allocator, const K8s__HTTPGetAction *pb, struct nj_pod_probe *probe)
{
    struct nj_kube_pair *headers;
    if (!nj_pb_array(allocator, pb->n_httpheaders, sizeof(*headers), &headers))
        return false;
    for (size_t i = 0; i < pb->n_httpheaders; i++)
        headers[i] = (struct nj_kube_pair){.key = nj_str(pb->httpheaders[i]->name),
                                           .value = nj_str(pb->httpheaders[i]->value)};
    probe->kind = NJ_POD_PROBE_HTTP;
    probe->headers = headers;
    probe->headers_count = pb->n_httpheaders;
    probe->host = nj_str(pb->host);
    probe->path = nj_str(pb->path);
    probe->scheme = nj_str(pb->scheme);
    nj_pb_port(pb->port, &probe->port_name, &probe->port);
    return true;
}

/* Of several handlers, which no server lets through, the one that the kubelet would take. */
static bool set_handler(struct nj_pb_arena *allocator, const K8s__ProbeHandler *pb,
                        struct nj_pod_probe *probe)
{
    if (pb->exec != NULL) {
        probe->kind = NJ_POD_PROBE_EXEC;
    } else if (pb->httpget != NULL) {
        return set_http(allocator, pb->httpget, probe);
    } else if (pb->tcpsocket != NULL) {
        probe->kind = NJ_POD_PROBE_TCP;
        probe->host = nj_str(pb->tcpsocket->host);
        nj_pb_port(pb->tcpsocket->port, &probe->port_name, &probe->port);
    } else if (pb->grpc != NULL) {
        probe->kind = NJ_POD_PROBE_GRPC;
        probe->port = nj_kube_port(pb->grpc->port);
        probe->service = nj_str(pb->grpc->service);
    }
    return true;
}

static bool set_probe(struct nj_pb_arena *allocator, const K8s__Probe *pb, struct nj_pod_probe *probe)
{
    if (pb == NULL || pb->handler == NULL)
        return true;
    probe->initial_delay_seconds = pb->initialdelayseconds;
    probe->timeout_seconds = pb->timeoutseconds;
    probe->period_seconds = pb->periodseconds;
    probe->success_threshold = pb->successthreshold;
    probe->failure_threshold = pb->failurethreshold;
    bool taken = set_handler(allocator, pb->handler, probe);
    nj_kube_default_probe(probe);
    return taken;
}

static bool set_ports(struct nj_pb_arena *allocator, const K8s__Container *pb, struct nj_container_spec *spec)
{
    struct nj_container_port *ports;
    if (!nj_pb_array(allocator, pb->n_ports, sizeof(*ports), &ports))
        return false;
    for (size_t i = 0; i < pb->n_ports; i++)
        ports[i] = (struct nj_container_port){.name = nj_str(pb->ports[i]->name),
                                              .number = nj_kube_port(pb->ports[i]->containerport),
                                              .protocol = nj_kube_or(nj_str(pb->ports[i]->protocol), "TCP")};
    spec->ports = ports;
    spec->ports_count = pb->n_ports;
    return true;
}

static bool set_container(struct nj_pb_arena *allocator, const K8s__Container *pb,
                          enum nj_container_type type, struct nj_container_spec *spec)
{
    *spec = (struct nj_container_spec){.name = "",
                                       .image = "",
                                       .type = type,
                                       .startup = nj_pod_probe_empty,
                                       .readiness = nj_pod_probe_empty,
                                       .liveness = nj_pod_probe_empty};
    if (pb == NULL)
        return true;
    spec->name = nj_str(pb->name);
    spec->image = nj_str(pb->image);
    if (type == NJ_CONTAINER_INIT && nj_streq(pb->restartpolicy, "Always"))
        spec->type = NJ_CONTAINER_SIDECAR;
    if (pb->resources != NULL) {
        set_resources(spec, NJ_KUBE_LIMIT, pb->resources->limits, pb->resources->n_limits);
        set_resources(spec, NJ_KUBE_REQUEST, pb->resources->requests, pb->resources->n_requests);
    }
    return set_ports(allocator, pb, spec) && set_probe(allocator, pb->startupprobe, &spec->startup) &&
           set_probe(allocator, pb->readinessprobe, &spec->readiness) &&
           set_probe(allocator, pb->livenessprobe, &spec->liveness);
}

/* As nj_pb_array(), for what a pod has one of per container. */
static bool new_container_array(struct nj_pb_arena *allocator, size_t count, size_t size, void *ret_array)
{
    allocator->full = allocator->full || count > NJ_KUBE_CONTAINERS_MAX;
    return count <= NJ_KUBE_CONTAINERS_MAX && nj_pb_array(allocator, count, size, ret_array);
}

bool nj_pb_decode_pod_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                           struct nj_kube_object *object)
{
    struct nj_pod_object *pod = &object->pod;
    K8s__PodSpec *pb = k8s__pod_spec__unpack(&allocator->base, field->len, field->data);
    struct nj_container_spec *specs;
    if (pb == NULL ||
        !new_container_array(allocator, pb->n_initcontainers + pb->n_containers + pb->n_ephemeralcontainers,
                             sizeof(*specs), &specs))
        return false;
    size_t count = 0;
    bool taken = true;
    for (size_t i = 0; taken && i < pb->n_initcontainers; i++)
        taken = set_container(allocator, pb->initcontainers[i], NJ_CONTAINER_INIT, &specs[count++]);
    for (size_t i = 0; taken && i < pb->n_containers; i++)
        taken = set_container(allocator, pb->containers[i], NJ_CONTAINER_APP, &specs[count++]);
    for (size_t i = 0; taken && i < pb->n_ephemeralcontainers; i++)
        taken = set_container(allocator, pb->ephemeralcontainers[i]->ephemeralcontainercommon,
                              NJ_CONTAINER_EPHEMERAL, &specs[count++]);
    if (!taken || !nj_pb_placement(allocator, pb, pod))
        return false;
    pod->containers = specs;
    pod->containers_count = count;
    pod->node_name = nj_str(pb->nodename);
    pod->restart_policy = nj_str(pb->restartpolicy);
    pod->host_network = pb->hostnetwork;
    if (pb->has_terminationgraceperiodseconds)
        pod->grace_seconds = pb->terminationgraceperiodseconds > INT32_MAX
                                 ? INT32_MAX
                                 : (int32_t)pb->terminationgraceperiodseconds;
    return true;
}

static struct nj_container_state container_state(const K8s__ContainerState *pb)
{
    struct nj_container_state state = nj_container_state_empty;
    if (pb == NULL)
        return state;
    if (pb->terminated != NULL) {
        state.kind = NJ_STATE_TERMINATED;
        state.reason = nj_str(pb->terminated->reason);
        state.message = nj_str(pb->terminated->message);
        state.started_ns = nj_pb_time_ns(pb->terminated->startedat);
        state.finished_ns = nj_pb_time_ns(pb->terminated->finishedat);
        state.exit_code = pb->terminated->exitcode;
        state.signal = pb->terminated->signal;
        state.container_id = nj_str(pb->terminated->containerid);
    } else if (pb->running != NULL) {
        state.kind = NJ_STATE_RUNNING;
        state.started_ns = nj_pb_time_ns(pb->running->startedat);
    } else if (pb->waiting != NULL) {
        state.kind = NJ_STATE_WAITING;
        state.reason = nj_str(pb->waiting->reason);
        state.message = nj_str(pb->waiting->message);
    }
    return state;
}

static struct nj_container_status container_status(const K8s__ContainerStatus *pb,
                                                   enum nj_container_type type)
{
    return (struct nj_container_status){.name = nj_str(pb->name),
                                        .image = nj_str(pb->image),
                                        .container_id = nj_str(pb->containerid),
                                        .type = type,
                                        .ready = pb->ready,
                                        .started = pb->started,
                                        .restart_count = pb->restartcount,
                                        .state = container_state(pb->state),
                                        .last_state = container_state(pb->laststate)};
}

bool nj_pb_conditions(struct nj_pb_arena *allocator, K8s__PodCondition **conditions, size_t count,
                      const struct nj_pod_condition **ret_conditions, size_t *ret_count)
{
    struct nj_pod_condition *taken;
    if (!nj_pb_array(allocator, count, sizeof(*taken), &taken))
        return false;
    for (size_t i = 0; i < count; i++) {
        const K8s__PodCondition *condition = conditions[i];
        taken[i] =
            (struct nj_pod_condition){.type = nj_str(condition->type),
                                      .status = nj_str(condition->status),
                                      .reason = nj_str(condition->reason),
                                      .message = nj_str(condition->message),
                                      .last_transition_ns = nj_pb_time_ns(condition->lasttransitiontime)};
    }
    *ret_conditions = taken;
    *ret_count = count;
    return true;
}

/* podIPs; a server before dual stack has podIP alone. */
static bool decode_ips(struct nj_pb_arena *allocator, const K8s__PodStatus *pb, struct nj_pod_object *pod)
{
    bool old = pb->n_podips == 0 && nj_str(pb->podip)[0] != '\0';
    const char **ips;
    if (!nj_pb_array(allocator, old ? 1 : pb->n_podips, sizeof(*ips), &ips))
        return false;
    for (size_t i = 0; i < pb->n_podips; i++)
        ips[i] = nj_str(pb->podips[i]->ip);
    if (old)
        ips[0] = pb->podip;
    pod->ips = ips;
    pod->ips_count = old ? 1 : pb->n_podips;
    return true;
}

bool nj_pb_decode_pod_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                             struct nj_kube_object *object)
{
    struct nj_pod_object *pod = &object->pod;
    K8s__PodStatus *pb = k8s__pod_status__unpack(&allocator->base, field->len, field->data);
    struct nj_container_status *statuses;
    if (pb == NULL ||
        !nj_pb_conditions(allocator, pb->conditions, pb->n_conditions, &pod->conditions,
                          &pod->conditions_count) ||
        !decode_ips(allocator, pb, pod) ||
        !new_container_array(allocator,
                             pb->n_initcontainerstatuses + pb->n_containerstatuses +
                                 pb->n_ephemeralcontainerstatuses,
                             sizeof(*statuses), &statuses))
        return false;
    size_t count = 0;
    for (size_t i = 0; i < pb->n_initcontainerstatuses; i++) {
        const K8s__ContainerStatus *status = pb->initcontainerstatuses[i];
        statuses[count++] = container_status(status, nj_kube_init_type(pod, nj_str(status->name)));
    }
    for (size_t i = 0; i < pb->n_containerstatuses; i++)
        statuses[count++] = container_status(pb->containerstatuses[i], NJ_CONTAINER_APP);
    for (size_t i = 0; i < pb->n_ephemeralcontainerstatuses; i++)
        statuses[count++] = container_status(pb->ephemeralcontainerstatuses[i], NJ_CONTAINER_EPHEMERAL);
    pod->statuses = statuses;
    pod->statuses_count = count;
    pod->phase = nj_str(pb->phase);
    pod->reason = nj_str(pb->reason);
    pod->message = nj_str(pb->message);
    pod->host_ip = nj_str(pb->hostip);
    pod->started_ns = nj_pb_time_ns(pb->starttime);
    return true;
}
