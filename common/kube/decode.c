#include "common/kube/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube/decode_internal.h"
#include "common/kube/pb_reader.h"
#include "common/kube/quantity.h"

const struct nj_container_state nj_container_state_empty = {.reason = "", .message = "", .container_id = ""};

const struct nj_kube_object nj_kube_object_empty = {
    .meta = {.name = "", .namespace = "", .uid = "", .resource_version = "", .deletion_grace_seconds = -1},
    .pod = {.node_name = "", .restart_policy = "", .phase = "", .reason = "", .message = ""},
};

int nj_kube_refuse(bool arena_full, const char *what, struct nj_err *err)
{
    if (arena_full)
        return nj_err_set(err, -EOVERFLOW, "%s: decoded, it is larger than the bound", what);
    return nj_err_set(err, -EBADMSG, "%s: malformed", what);
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct nj_kube_pair *)a)->key, ((const struct nj_kube_pair *)b)->key);
}

void nj_kube_sort_pairs(struct nj_kube_pair *pairs, size_t count)
{
    /* The API server writes them in order; others may not. */
    for (size_t i = 1; i < count; i++) {
        if (compare_pairs(&pairs[i - 1], &pairs[i]) > 0) {
            qsort(pairs, count, sizeof(*pairs), compare_pairs);
            return;
        }
    }
}

void nj_kube_set_resource(struct nj_container_spec *container, enum nj_kube_resource which, const char *name,
                          const char *quantity)
{
    bool cpu = strcmp(name, "cpu") == 0;
    int64_t value;
    if ((!cpu && strcmp(name, "memory") != 0) || nj_quantity_parse(quantity, cpu ? 1000 : 1, &value) < 0)
        return;
    if (which == NJ_KUBE_LIMIT)
        *(cpu ? &container->cpu_limit_millis : &container->memory_limit_bytes) = value;
    else
        *(cpu ? &container->cpu_request_millis : &container->memory_request_bytes) = value;
}

enum nj_container_type nj_kube_init_type(const struct nj_pod_object *pod, const char *name)
{
    const struct nj_container_spec *container = nj_pod_container(pod, name);
    return container != NULL && container->type == NJ_CONTAINER_SIDECAR ? NJ_CONTAINER_SIDECAR
                                                                        : NJ_CONTAINER_INIT;
}

int nj_kube_decode(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const void *bytes, size_t len,
                   struct nj_arena *arena, struct nj_kube_object *ret_object, struct nj_err *err)
{
    if (encoding == NJ_KUBE_JSON)
        return nj_kube_decode_bare_json(kind, bytes, len, arena, ret_object, err);
    const uint8_t *raw;
    size_t raw_len;
    if (nj_pb_unwrap(bytes, len, &raw, &raw_len) < 0)
        return nj_kube_refuse(false, "envelope of a protobuf object", err);
    return nj_kube_decode_bare_pb(kind, raw, raw_len, arena, ret_object, err);
}

int nj_kube_decode_status(enum nj_kube_encoding encoding, const void *bytes, size_t len,
                          struct nj_arena *arena, struct nj_kube_status *ret_status, struct nj_err *err)
{
    if (encoding == NJ_KUBE_JSON)
        return nj_kube_decode_status_json(bytes, len, arena, ret_status, err);
    const uint8_t *raw;
    size_t raw_len;
    if (nj_pb_unwrap(bytes, len, &raw, &raw_len) < 0)
        return nj_kube_refuse(false, "envelope of a protobuf Status", err);
    return nj_kube_decode_status_pb(raw, raw_len, arena, ret_status, err);
}

static bool parse_event_type(const struct nj_watch_event_parts *parts, enum nj_watch_event_type *ret_type)
{
    static const char *const names[] = {
        [NJ_WATCH_ADDED] = "ADDED",       [NJ_WATCH_MODIFIED] = "MODIFIED", [NJ_WATCH_DELETED] = "DELETED",
        [NJ_WATCH_BOOKMARK] = "BOOKMARK", [NJ_WATCH_ERROR] = "ERROR",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (parts->type_len == strlen(names[i]) && memcmp(parts->type, names[i], parts->type_len) == 0) {
            *ret_type = (enum nj_watch_event_type)i;
            return true;
        }
    }
    return false;
}

int nj_kube_decode_event(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const void *bytes,
                         size_t len, struct nj_arena *arena, enum nj_watch_event_type *ret_type,
                         struct nj_kube_object *ret_object, struct nj_kube_status *ret_status,
                         struct nj_err *err)
{
    struct nj_watch_event_parts parts;
    enum nj_watch_event_type type;
    int rc = encoding == NJ_KUBE_JSON ? nj_kube_split_event_json(bytes, len, &parts)
                                      : nj_kube_split_event_pb(bytes, len, &parts);
    if (rc < 0 || !parse_event_type(&parts, &type))
        return nj_kube_refuse(false, "watch event", err);
    if (type == NJ_WATCH_ERROR)
        rc = nj_kube_decode_status(encoding, parts.object, parts.object_len, arena, ret_status, err);
    else /* a bookmark is an object of the kind with nothing in it but its version */
        rc = nj_kube_decode(encoding, type == NJ_WATCH_BOOKMARK ? NJ_KUBE_META : kind, parts.object,
                            parts.object_len, arena, ret_object, err);
    if (rc < 0)
        return nj_err_wrap(err, "watch event");
    *ret_type = type;
    return 0;
}
