#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode_internal.h"
#include "common/kube/pb_reader.h"
#include "kubernetes.pb-c.h"

/* protobuf-c's memory is the arena: nothing is freed one by one, and the plain structs share its strings. */
struct arena_allocator {
    ProtobufCAllocator base;
    struct nj_arena *arena;
    bool full;
};

static void *arena_alloc(void *data, size_t size)
{
    struct arena_allocator *allocator = data;
    void *memory = nj_arena_alloc(allocator->arena, size);
    allocator->full = allocator->full || memory == NULL;
    return memory;
}

static void arena_free(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

static void allocator_init(struct arena_allocator *allocator, struct nj_arena *arena)
{
    *allocator = (struct arena_allocator){
        .base = {.alloc = arena_alloc, .free = arena_free, .allocator_data = allocator}, .arena = arena};
}

/* `count` zeroed structs; NULL for none. False when the arena is full. */
static bool new_array(struct arena_allocator *allocator, size_t count, size_t size, void *ret_array)
{
    void *array = NULL;
    if (count > 0) {
        array = nj_arena_zalloc(allocator->arena, count, size);
        if (array == NULL) {
            allocator->full = true;
            return false;
        }
    }
    memcpy(ret_array, &array, sizeof(array));
    return true;
}

/* Whole seconds, as metav1.Time has in JSON; a time that does not fit is not known. */
static int64_t time_ns(const K8s__Time *time)
{
    int64_t ns;
    if (time == NULL || __builtin_mul_overflow(time->seconds, NJ_SEC, &ns))
        return 0;
    return ns;
}

static bool copy_pairs(struct arena_allocator *allocator, K8s__StringEntry **entries, size_t count,
                       const struct nj_kube_pair **ret_pairs, size_t *ret_count)
{
    struct nj_kube_pair *pairs;
    if (!new_array(allocator, count, sizeof(*pairs), &pairs))
        return false;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct nj_kube_pair){.key = nj_str(entries[i]->key), .value = nj_str(entries[i]->value)};
    nj_kube_sort_pairs(pairs, count);
    *ret_pairs = pairs;
    *ret_count = count;
    return true;
}

/* managedFields are a third of a pod, and protobuf-c would copy them. They are an ObjectMeta's last fields,
 * because writers put fields in the order of their numbers: where that is so, the message may as well end
 * before them. */
static size_t len_without_managed_fields(const uint8_t *data, size_t len)
{
    enum { MANAGED_FIELDS = 17 };
    struct nj_pb_reader reader = {.at = data, .end = data + len};
    struct nj_pb_field field;
    const uint8_t *cut = NULL;
    while (nj_pb_next(&reader, &field) > 0) {
        if (field.number != MANAGED_FIELDS)
            cut = NULL;
        else if (cut == NULL)
            cut = field.start;
    }
    return cut == NULL ? len : (size_t)(cut - data);
}

static bool decode_meta(struct arena_allocator *allocator, const struct nj_pb_field *field,
                        struct nj_kube_meta *meta)
{
    K8s__ObjectMeta *pb = k8s__object_meta__unpack(
        &allocator->base, len_without_managed_fields(field->data, field->len), field->data);
    if (pb == NULL)
        return false;
    struct nj_kube_owner *owners;
    if (!copy_pairs(allocator, pb->labels, pb->n_labels, &meta->labels, &meta->labels_count) ||
        !copy_pairs(allocator, pb->annotations, pb->n_annotations, &meta->annotations,
                    &meta->annotations_count) ||
        !new_array(allocator, pb->n_ownerreferences, sizeof(*owners), &owners))
        return false;
    for (size_t i = 0; i < pb->n_ownerreferences; i++) {
        const K8s__OwnerReference *owner = pb->ownerreferences[i];
        owners[i] = (struct nj_kube_owner){.api_version = nj_str(owner->apiversion),
                                           .kind = nj_str(owner->kind),
                                           .name = nj_str(owner->name),
                                           .uid = nj_str(owner->uid),
                                           .controller = owner->controller};
    }
    meta->owners = owners;
    meta->owners_count = pb->n_ownerreferences;
    meta->name = nj_str(pb->name);
    meta->namespace = nj_str(pb->namespace_);
    meta->uid = nj_str(pb->uid);
    meta->resource_version = nj_str(pb->resourceversion);
    meta->generation = pb->generation;
    meta->created_ns = time_ns(pb->creationtimestamp);
    meta->deleted_ns = time_ns(pb->deletiontimestamp);
    meta->deletion_grace_seconds = pb->has_deletiongraceperiodseconds ? pb->deletiongraceperiodseconds : -1;
    return true;
}

static void set_resources(struct nj_container_spec *container, enum nj_kube_resource which,
                          K8s__QuantityEntry **entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const K8s__Quantity *quantity = entries[i]->value;
        nj_kube_set_resource(container, which, nj_str(entries[i]->key),
                             nj_str(quantity == NULL ? NULL : quantity->string));
    }
}

static struct nj_container_spec container_spec(const K8s__Container *pb, enum nj_container_type type)
{
    struct nj_container_spec spec = {.name = "", .image = "", .type = type};
    if (pb == NULL)
        return spec;
    spec.name = nj_str(pb->name);
    spec.image = nj_str(pb->image);
    if (type == NJ_CONTAINER_INIT && nj_streq(pb->restartpolicy, "Always"))
        spec.type = NJ_CONTAINER_SIDECAR;
    if (pb->resources != NULL) {
        set_resources(&spec, NJ_KUBE_LIMIT, pb->resources->limits, pb->resources->n_limits);
        set_resources(&spec, NJ_KUBE_REQUEST, pb->resources->requests, pb->resources->n_requests);
    }
    return spec;
}

/* As new_array(), for what a pod has one of per container. */
static bool new_container_array(struct arena_allocator *allocator, size_t count, size_t size, void *ret_array)
{
    allocator->full = allocator->full || count > NJ_KUBE_CONTAINERS_MAX;
    return count <= NJ_KUBE_CONTAINERS_MAX && new_array(allocator, count, size, ret_array);
}

static bool decode_pod_spec(struct arena_allocator *allocator, const struct nj_pb_field *field,
                            struct nj_pod_object *pod)
{
    K8s__PodSpec *pb = k8s__pod_spec__unpack(&allocator->base, field->len, field->data);
    struct nj_container_spec *specs;
    if (pb == NULL ||
        !new_container_array(allocator, pb->n_initcontainers + pb->n_containers + pb->n_ephemeralcontainers,
                             sizeof(*specs), &specs))
        return false;
    size_t count = 0;
    for (size_t i = 0; i < pb->n_initcontainers; i++)
        specs[count++] = container_spec(pb->initcontainers[i], NJ_CONTAINER_INIT);
    for (size_t i = 0; i < pb->n_containers; i++)
        specs[count++] = container_spec(pb->containers[i], NJ_CONTAINER_APP);
    for (size_t i = 0; i < pb->n_ephemeralcontainers; i++)
        specs[count++] =
            container_spec(pb->ephemeralcontainers[i]->ephemeralcontainercommon, NJ_CONTAINER_EPHEMERAL);
    pod->containers = specs;
    pod->containers_count = count;
    pod->node_name = nj_str(pb->nodename);
    pod->restart_policy = nj_str(pb->restartpolicy);
    pod->host_network = pb->hostnetwork;
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
        state.started_ns = time_ns(pb->terminated->startedat);
        state.finished_ns = time_ns(pb->terminated->finishedat);
        state.exit_code = pb->terminated->exitcode;
        state.signal = pb->terminated->signal;
        state.container_id = nj_str(pb->terminated->containerid);
    } else if (pb->running != NULL) {
        state.kind = NJ_STATE_RUNNING;
        state.started_ns = time_ns(pb->running->startedat);
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

static bool decode_conditions(struct arena_allocator *allocator, const K8s__PodStatus *pb,
                              struct nj_pod_object *pod)
{
    struct nj_pod_condition *conditions;
    if (!new_array(allocator, pb->n_conditions, sizeof(*conditions), &conditions))
        return false;
    for (size_t i = 0; i < pb->n_conditions; i++) {
        const K8s__PodCondition *condition = pb->conditions[i];
        conditions[i] =
            (struct nj_pod_condition){.type = nj_str(condition->type),
                                      .status = nj_str(condition->status),
                                      .reason = nj_str(condition->reason),
                                      .message = nj_str(condition->message),
                                      .last_transition_ns = time_ns(condition->lasttransitiontime)};
    }
    pod->conditions = conditions;
    pod->conditions_count = pb->n_conditions;
    return true;
}

static bool decode_pod_status(struct arena_allocator *allocator, const struct nj_pb_field *field,
                              struct nj_pod_object *pod)
{
    K8s__PodStatus *pb = k8s__pod_status__unpack(&allocator->base, field->len, field->data);
    struct nj_container_status *statuses;
    if (pb == NULL || !decode_conditions(allocator, pb, pod) ||
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
    return true;
}

/* The fields that every object of Kubernetes has. */
enum { OBJECT_METADATA = 1, OBJECT_SPEC = 2, OBJECT_STATUS = 3, OBJECT_FIELDS = 4 };

int nj_kube_decode_bare_pb(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                           struct nj_kube_object *ret_object, struct nj_err *err)
{
    struct nj_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct nj_pb_field parts[OBJECT_FIELDS] = {{.data = NULL}};
    struct nj_pb_field field;
    int rc;
    while ((rc = nj_pb_next(&reader, &field)) > 0) {
        if (field.number < OBJECT_FIELDS && field.wire == NJ_PB_BYTES)
            parts[field.number] = field;
    }
    if (rc < 0)
        return nj_kube_refuse(false, "protobuf object", err);

    struct arena_allocator allocator;
    allocator_init(&allocator, arena);
    struct nj_kube_object object = nj_kube_object_empty;
    object.kind = kind;
    if (parts[OBJECT_METADATA].data != NULL &&
        !decode_meta(&allocator, &parts[OBJECT_METADATA], &object.meta))
        return nj_kube_refuse(allocator.full, "protobuf object's metadata", err);
    if (kind == NJ_KUBE_POD) {
        if (parts[OBJECT_SPEC].data != NULL && !decode_pod_spec(&allocator, &parts[OBJECT_SPEC], &object.pod))
            return nj_kube_refuse(allocator.full, "protobuf pod's spec", err);
        if (parts[OBJECT_STATUS].data != NULL &&
            !decode_pod_status(&allocator, &parts[OBJECT_STATUS], &object.pod))
            return nj_kube_refuse(allocator.full, "protobuf pod's status", err);
    }
    *ret_object = object;
    return 0;
}

int nj_kube_decode_status_pb(const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_status *ret_status, struct nj_err *err)
{
    struct arena_allocator allocator;
    allocator_init(&allocator, arena);
    const K8s__Status *pb = k8s__status__unpack(&allocator.base, len, bytes);
    if (pb == NULL)
        return nj_kube_refuse(allocator.full, "protobuf Status", err);
    struct nj_kube_status status = {
        .code = pb->code, .reason = nj_str(pb->reason), .message = nj_str(pb->message)};
    if (pb->details != NULL) {
        status.retry_after_seconds = pb->details->retryafterseconds;
        for (size_t i = 0; i < pb->details->n_causes; i++) {
            if (nj_streq(pb->details->causes[i]->reason, NJ_KUBE_CAUSE_TOO_LARGE))
                status.too_large_resource_version = true;
        }
    }
    *ret_status = status;
    return 0;
}

int nj_kube_decode_list_meta_pb(const void *bytes, size_t len, struct nj_arena *arena,
                                struct nj_list_end *ret_end, struct nj_err *err)
{
    struct arena_allocator allocator;
    allocator_init(&allocator, arena);
    const K8s__ListMeta *pb = k8s__list_meta__unpack(&allocator.base, len, bytes);
    if (pb == NULL)
        return nj_kube_refuse(allocator.full, "protobuf list's metadata", err);
    *ret_end = (struct nj_list_end){.resource_version = nj_str(pb->resourceversion),
                                    .continue_token = nj_str(pb->continue_)};
    return 0;
}

int nj_kube_split_event_pb(const void *bytes, size_t len, struct nj_watch_event_parts *ret_parts)
{
    enum { EVENT_TYPE = 1, EVENT_OBJECT = 2, EXTENSION_RAW = 1 };
    struct nj_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct nj_watch_event_parts parts = {.type = "", .object = ""};
    struct nj_pb_field field;
    int rc;
    while ((rc = nj_pb_next(&reader, &field)) > 0) {
        if (field.wire == NJ_PB_BYTES && field.number == EVENT_TYPE) {
            parts.type = (const char *)field.data;
            parts.type_len = field.len;
        } else if (field.wire == NJ_PB_BYTES && field.number == EVENT_OBJECT) {
            struct nj_pb_reader inner = {.at = field.data, .end = field.data + field.len};
            struct nj_pb_field raw;
            int inner_rc;
            while ((inner_rc = nj_pb_next(&inner, &raw)) > 0) {
                if (raw.number == EXTENSION_RAW && raw.wire == NJ_PB_BYTES) {
                    parts.object = raw.data;
                    parts.object_len = raw.len;
                }
            }
            if (inner_rc < 0)
                return inner_rc;
        }
    }
    if (rc == 0)
        *ret_parts = parts;
    return rc;
}
