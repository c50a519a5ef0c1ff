#include "common/kube/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/kube/decode_internal.h"
#include "common/kube/pb_reader.h"
#include "common/kube/quantity.h"

#define SERVICE_TYPE "ClusterIP"

const struct nj_container_state nj_container_state_empty = {.reason = "", .message = "", .container_id = ""};

const struct nj_pod_probe nj_pod_probe_empty = {
    .host = "", .port_name = "", .path = "", .scheme = "", .service = ""};

#define IPV4 "IPv4"

const char *const nj_kube_families[NJ_KUBE_FAMILIES] = {IPV4, "IPv6"};

static const struct nj_slice_object no_addresses = {.address_type = IPV4};

const char *nj_kube_family(const char *address)
{
    return nj_kube_families[strchr(address, ':') == NULL ? 0 : 1];
}

static struct nj_workload_object empty_workload(enum nj_kube_kind kind)
{
    return (struct nj_workload_object){.desired = kind == NJ_KUBE_DAEMON_SET ? 0 : 1,
                                       .completions = -1,
                                       .grace_seconds = NJ_KUBE_GRACE_S,
                                       .strategy = "RollingUpdate",
                                       .progress_deadline_seconds =
                                           kind == NJ_KUBE_DEPLOYMENT ? NJ_KUBE_PROGRESS_DEADLINE_S : 0,
                                       .changed_by = "",
                                       .current_revision = "",
                                       .update_revision = ""};
}

struct nj_kube_object nj_kube_object_empty(enum nj_kube_kind kind)
{
    struct nj_kube_object object = {
        .kind = kind,
        .meta = {
            .name = "", .namespace = "", .uid = "", .resource_version = "", .deletion_grace_seconds = -1}};
    switch (kind) {
    case NJ_KUBE_META:
    case NJ_KUBE_POD:
        object.pod = (struct nj_pod_object){.node_name = "",
                                            .restart_policy = "",
                                            .grace_seconds = NJ_KUBE_GRACE_S,
                                            .phase = "",
                                            .reason = "",
                                            .message = "",
                                            .host_ip = ""};
        break;
    case NJ_KUBE_SERVICE:
        object.service = (struct nj_service_object){.type = SERVICE_TYPE, .external_name = ""};
        break;
    case NJ_KUBE_SLICE:
        object.slice = (struct nj_slice_object){.address_type = ""};
        break;
    case NJ_KUBE_ENDPOINTS:
        object.endpoints = (struct nj_endpoints_object){.slices = &no_addresses, .slices_count = 1};
        break;
    case NJ_KUBE_INGRESS:
        object.ingress = (struct nj_ingress_object){.class_name = ""};
        break;
    case NJ_KUBE_DEPLOYMENT:
    case NJ_KUBE_STATEFUL_SET:
    case NJ_KUBE_DAEMON_SET:
    case NJ_KUBE_REPLICA_SET:
    case NJ_KUBE_JOB:
        object.workload = empty_workload(kind);
        break;
    case NJ_KUBE_BUDGET:
        object.budget = (struct nj_budget_object){.min_available = "", .max_unavailable = ""};
        break;
    case NJ_KUBE_CUSTOM:
        object.custom = (struct nj_custom_object){.spec = "", .status = ""};
        break;
    case NJ_KUBE_NODE:
        object.node = (struct nj_node_object){.kubelet_version = ""};
        break;
    }
    return object;
}

const char *nj_kube_or(const char *text, const char *absent)
{
    return text[0] == '\0' ? absent : text;
}

static void default_int(int32_t *value, int32_t absent)
{
    if (*value == 0)
        *value = absent;
}

void nj_kube_default_probe(struct nj_pod_probe *probe)
{
    if (probe->kind == NJ_POD_PROBE_NONE) {
        *probe = nj_pod_probe_empty;
        return;
    }
    default_int(&probe->timeout_seconds, 1);
    default_int(&probe->period_seconds, 10);
    default_int(&probe->success_threshold, 1);
    default_int(&probe->failure_threshold, 3);
    if (probe->kind == NJ_POD_PROBE_HTTP) {
        probe->path = nj_kube_or(probe->path, "/");
        probe->scheme = nj_kube_or(probe->scheme, "HTTP");
    }
}

void nj_kube_default_service_port(struct nj_service_port *port)
{
    port->protocol = nj_kube_or(port->protocol, "TCP");
    if (port->target_name[0] == '\0' && port->target_number == 0)
        port->target_number = port->number;
}

uint16_t nj_kube_port(int64_t number)
{
    return number < 0 || number > UINT16_MAX ? 0 : (uint16_t)number;
}

void nj_kube_set_port(const char *text, int64_t number, const char **ret_name, uint16_t *ret_number)
{
    enum { DIGITS_MAX = 5 };
    *ret_name = "";
    *ret_number = nj_kube_port(number);
    if (text == NULL)
        return;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || text[digits] != '\0') {
        *ret_name = text;
        *ret_number = 0;
    } else {
        *ret_number = nj_kube_port(strtol(text, NULL, 10));
    }
}

static int compare_hosts(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

void nj_kube_tls_sort(struct nj_kube_tls *tls)
{
    if (tls->count > 0)
        qsort(tls->hosts, tls->count, sizeof(*tls->hosts), compare_hosts);
}

/* Whether `first` and `rest`, in a row, are among the hosts. */
static bool has_host(const struct nj_kube_tls *tls, const char *first, const char *rest)
{
    size_t first_len = strlen(first);
    size_t low = 0;
    size_t high = tls->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strncasecmp(tls->hosts[middle], first, first_len);
        if (order == 0)
            order = strcasecmp(tls->hosts[middle] + first_len, rest);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool nj_kube_tls_covers(const struct nj_kube_tls *tls, const char *host)
{
    /* A wildcard stands for one label (https://kubernetes.io/docs/concepts/services-networking/ingress/). */
    const char *dot = strchr(host, '.');
    return tls->all || has_host(tls, "", host) || (dot != NULL && has_host(tls, "*", dot));
}

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

/* Where a resource goes: `cpu` in millis, `memory` in bytes, others nowhere. */
static void set_amount(const char *name, const char *quantity, int64_t *cpu, int64_t *memory)
{
    bool is_cpu = strcmp(name, "cpu") == 0;
    int64_t value;
    if ((is_cpu || strcmp(name, "memory") == 0) &&
        nj_quantity_parse(quantity, is_cpu ? 1000 : 1, &value) == 0)
        *(is_cpu ? cpu : memory) = value;
}

void nj_kube_set_resource(struct nj_container_spec *container, enum nj_kube_resource which, const char *name,
                          const char *quantity)
{
    if (which == NJ_KUBE_LIMIT)
        set_amount(name, quantity, &container->cpu_limit_millis, &container->memory_limit_bytes);
    else
        set_amount(name, quantity, &container->cpu_request_millis, &container->memory_request_bytes);
}

void nj_kube_set_overhead(struct nj_pod_object *pod, const char *name, const char *quantity)
{
    set_amount(name, quantity, &pod->overhead_cpu_millis, &pod->overhead_memory_bytes);
}

void nj_kube_set_node_resource(struct nj_node_object *node, enum nj_kube_node_resource which,
                               const char *name, const char *quantity)
{
    int64_t pods;
    if (which == NJ_KUBE_CAPACITY) {
        set_amount(name, quantity, &node->capacity_cpu_millis, &node->capacity_memory_bytes);
        return;
    }
    set_amount(name, quantity, &node->allocatable_cpu_millis, &node->allocatable_memory_bytes);
    if (strcmp(name, "pods") == 0 && nj_quantity_parse(quantity, 1, &pods) == 0)
        node->allocatable_pods = pods;
}

bool nj_kube_names_template(const void *fields, size_t len)
{
    static const char template[] = "\"f:template\"";
    return len > 0 && memmem(fields, len, template, sizeof(template) - 1) != NULL;
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
