#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode_pb_internal.h"

static void *arena_alloc(void *data, size_t size)
{
    struct nj_pb_arena *allocator = data;
    void *memory = nj_arena_alloc(allocator->arena, size);
    allocator->full = allocator->full || memory == NULL;
    return memory;
}

static void arena_free(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

static void allocator_init(struct nj_pb_arena *allocator, struct nj_arena *arena)
{
    *allocator = (struct nj_pb_arena){
        .base = {.alloc = arena_alloc, .free = arena_free, .allocator_data = allocator}, .arena = arena};
}

bool nj_pb_array(struct nj_pb_arena *allocator, size_t count, size_t size, void *ret_array)
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

int64_t nj_pb_time_ns(const K8s__Time *time)
{
    int64_t ns;
    if (time == NULL || __builtin_mul_overflow(time->seconds, NJ_SEC, &ns))
        return 0;
    return ns;
}

bool nj_pb_pairs(struct nj_pb_arena *allocator, K8s__StringEntry **entries, size_t count,
                 const struct nj_kube_pair **ret_pairs, size_t *ret_count)
{
    struct nj_kube_pair *pairs;
    if (!nj_pb_array(allocator, count, sizeof(*pairs), &pairs))
        return false;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct nj_kube_pair){.key = nj_str(entries[i]->key), .value = nj_str(entries[i]->value)};
    nj_kube_sort_pairs(pairs, count);
    *ret_pairs = pairs;
    *ret_count = count;
    return true;
}

void nj_pb_strings(char **strings, size_t count, const char *const **ret_strings, size_t *ret_count)
{
    *ret_strings = count == 0 ? NULL : (const char *const *)strings;
    *ret_count = count;
}

void nj_pb_port(const K8s__IntOrString *port, const char **ret_name, uint16_t *ret_number)
{
    enum { AS_STRING = 1 };
    *ret_name = "";
    *ret_number = 0;
    if (port != NULL)
        nj_kube_set_port(port->type == AS_STRING ? nj_str(port->strval) : NULL, port->intval, ret_name,
                         ret_number);
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

static bool decode_meta(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                        struct nj_kube_meta *meta)
{
    K8s__ObjectMeta *pb = k8s__object_meta__unpack(
        &allocator->base, len_without_managed_fields(field->data, field->len), field->data);
    if (pb == NULL)
        return false;
    struct nj_kube_owner *owners;
    if (!nj_pb_pairs(allocator, pb->labels, pb->n_labels, &meta->labels, &meta->labels_count) ||
        !nj_pb_pairs(allocator, pb->annotations, pb->n_annotations, &meta->annotations,
                     &meta->annotations_count) ||
        !nj_pb_array(allocator, pb->n_ownerreferences, sizeof(*owners), &owners))
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
    meta->created_ns = nj_pb_time_ns(pb->creationtimestamp);
    meta->deleted_ns = nj_pb_time_ns(pb->deletiontimestamp);
    meta->deletion_grace_seconds = pb->has_deletiongraceperiodseconds ? pb->deletiongraceperiodseconds : -1;
    return true;
}

/* The fields that every object of Kubernetes has; those that have no spec have other things there. */
enum { OBJECT_METADATA = 1, OBJECT_SPEC = 2, OBJECT_STATUS = 3, OBJECT_FIELDS = 4 };

struct parts {
    struct nj_pb_field fields[OBJECT_FIELDS];
    struct nj_pb_field rest; /* the object, without its metadata where that comes first, as writers have it */
};

static int find_parts(const uint8_t *bytes, size_t len, struct parts *ret_parts)
{
    struct nj_pb_reader reader = {.at = bytes, .end = bytes + len};
    struct parts parts = {.rest = {.data = bytes}};
    struct nj_pb_field field;
    int rc;
    while ((rc = nj_pb_next(&reader, &field)) > 0) {
        if (field.number < OBJECT_FIELDS && field.wire == NJ_PB_BYTES)
            parts.fields[field.number] = field;
        if (field.number == OBJECT_METADATA && field.start == parts.rest.data)
            parts.rest.data = reader.at;
    }
    parts.rest.len = (size_t)(reader.end - parts.rest.data);
    if (rc == 0)
        *ret_parts = parts;
    return rc;
}

static bool decode_part(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                        nj_pb_decode_fn *decode, struct nj_kube_object *object)
{
    return field->data == NULL || decode(allocator, field, object);
}

/* What the kind has beside its metadata. */
static bool decode_parts(struct nj_pb_arena *allocator, const struct parts *parts,
                         struct nj_kube_object *object)
{
    const struct nj_pb_field *spec = &parts->fields[OBJECT_SPEC];
    const struct nj_pb_field *status = &parts->fields[OBJECT_STATUS];
    switch (object->kind) {
    case NJ_KUBE_META:
        return true;
    case NJ_KUBE_POD:
        return decode_part(allocator, spec, nj_pb_decode_pod_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_pod_status, object);
    case NJ_KUBE_SERVICE:
        return decode_part(allocator, spec, nj_pb_decode_service_spec, object);
    case NJ_KUBE_SLICE:
        return nj_pb_decode_slice(allocator, &parts->rest, object);
    case NJ_KUBE_ENDPOINTS:
        return nj_pb_decode_endpoints(allocator, &parts->rest, object);
    case NJ_KUBE_INGRESS:
        return decode_part(allocator, spec, nj_pb_decode_ingress_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_ingress_status, object);
    case NJ_KUBE_DEPLOYMENT:
    case NJ_KUBE_STATEFUL_SET:
    case NJ_KUBE_DAEMON_SET:
    case NJ_KUBE_REPLICA_SET:
        return decode_part(allocator, &parts->fields[OBJECT_METADATA], nj_pb_decode_workload_metadata,
                           object) &&
               decode_part(allocator, spec, nj_pb_decode_workload_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_workload_status, object);
    case NJ_KUBE_JOB:
        return decode_part(allocator, spec, nj_pb_decode_workload_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_workload_status, object);
    case NJ_KUBE_BUDGET:
        return decode_part(allocator, spec, nj_pb_decode_budget_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_budget_status, object);
    case NJ_KUBE_NODE:
        return decode_part(allocator, spec, nj_pb_decode_node_spec, object) &&
               decode_part(allocator, status, nj_pb_decode_node_status, object);
    case NJ_KUBE_CUSTOM: /* a server sends these in JSON only */
        return false;
    }
    return false;
}

int nj_kube_decode_bare_pb(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                           struct nj_kube_object *ret_object, struct nj_err *err)
{
    struct parts parts;
    if (find_parts(bytes, len, &parts) < 0)
        return nj_kube_refuse(false, "protobuf object", err);

    struct nj_pb_arena allocator;
    allocator_init(&allocator, arena);
    struct nj_kube_object object = nj_kube_object_empty(kind);
    const struct nj_pb_field *metadata = &parts.fields[OBJECT_METADATA];
    if (metadata->data != NULL && !decode_meta(&allocator, metadata, &object.meta))
        return nj_kube_refuse(allocator.full, "protobuf object's metadata", err);
    if (!decode_parts(&allocator, &parts, &object))
        return nj_kube_refuse(allocator.full, "protobuf object", err);
    *ret_object = object;
    return 0;
}

int nj_kube_decode_status_pb(const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_status *ret_status, struct nj_err *err)
{
    struct nj_pb_arena allocator;
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
    struct nj_pb_arena allocator;
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
