/*
 * What the fuzzers of both encodings do with an input: objects of each kind, events, statuses and lists. The
 * first byte chooses what the rest is taken for. A list is decoded twice, whole and in pieces as long as the
 * byte says: both must come to the same end.
 */
#ifndef NJ_FUZZ_KUBE_INPUT_H
#define NJ_FUZZ_KUBE_INPUT_H

#include <stdint.h>
#include <stdlib.h>

#include "common/base/arena.h"
#include "common/kube/decode.h"

enum { KUBE_ARENA_MAX = 4 << 20, KUBE_ITEM_MAX = 4096 };
enum {
    AS_POD,
    AS_META,
    AS_EVENT,
    AS_STATUS,
    AS_LIST,
    AS_SERVICE,
    AS_SLICE,
    AS_INGRESS,
    AS_DEPLOYMENT,
    AS_CUSTOM,
    AS_NODE,
    AS_STATEFUL_SET,
    AS_DAEMON_SET,
    AS_REPLICA_SET,
    AS_BUDGET,
    AS_ENDPOINTS,
    AS_JOB,
    AS_COUNT
};

/* What an object points to can be read: the sanitizer looks. No string is NULL. */
static inline size_t see(const char *text)
{
    size_t sum = 0;
    for (const char *c = text; *c != '\0'; c++)
        sum += (size_t)*c;
    return sum;
}

static inline size_t see_texts(const char *const *texts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += see(texts[i]);
    return sum;
}

static inline size_t see_pairs(const struct nj_kube_pair *pairs, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += see(pairs[i].key) + see(pairs[i].value);
    return sum;
}

static inline size_t see_probe(const struct nj_pod_probe *probe)
{
    return see(probe->host) + see(probe->port_name) + see(probe->path) + see(probe->scheme) +
           see(probe->service) + see_pairs(probe->headers, probe->headers_count);
}

static inline size_t see_containers(const struct nj_container_spec *specs, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct nj_container_spec *spec = &specs[i];
        sum += see(spec->name) + see_probe(&spec->startup) + see_probe(&spec->readiness) +
               see_probe(&spec->liveness);
        for (size_t j = 0; j < spec->ports_count; j++)
            sum += see(spec->ports[j].name) + see(spec->ports[j].protocol);
    }
    return sum;
}

static inline size_t see_pod(const struct nj_pod_object *pod)
{
    size_t sum = see(pod->phase) + see(pod->host_ip) + see_texts(pod->ips, pod->ips_count);
    sum += see_containers(pod->containers, pod->containers_count);
    for (size_t i = 0; i < pod->statuses_count; i++)
        sum += see(pod->statuses[i].last_state.reason);
    sum += see_pairs(pod->node_selector, pod->node_selector_count);
    for (size_t i = 0; i < pod->node_affinity_count; i++) {
        const struct nj_node_term *term = &pod->node_affinity[i];
        for (size_t j = 0; j < term->count; j++)
            sum += see(term->requirements[j].key) + see(term->requirements[j].operator) +
                   see_texts(term->requirements[j].values, term->requirements[j].values_count);
    }
    for (size_t i = 0; i < pod->tolerations_count; i++)
        sum += see(pod->tolerations[i].key) + see(pod->tolerations[i].operator) +
               see(pod->tolerations[i].value) + see(pod->tolerations[i].effect);
    return sum;
}

static inline size_t see_node(const struct nj_node_object *node)
{
    size_t sum = see(node->kubelet_version);
    for (size_t i = 0; i < node->taints_count; i++)
        sum += see(node->taints[i].key) + see(node->taints[i].value) + see(node->taints[i].effect);
    for (size_t i = 0; i < node->conditions_count; i++)
        sum += see(node->conditions[i].type) + see(node->conditions[i].status) +
               see(node->conditions[i].reason) + see(node->conditions[i].message);
    if (node->allocatable_pods < 0 || node->capacity_memory_bytes < 0)
        abort();
    return sum;
}

static inline size_t see_workload(const struct nj_workload_object *workload)
{
    size_t sum = see_pairs(workload->selector, workload->selector_count) +
                 see_pairs(workload->template_labels, workload->template_labels_count) +
                 see_containers(workload->containers, workload->containers_count) + see(workload->strategy) +
                 see(workload->changed_by) + see(workload->current_revision) + see(workload->update_revision);
    for (size_t i = 0; i < workload->conditions_count; i++)
        sum += see(workload->conditions[i].type) + see(workload->conditions[i].reason) +
               see(workload->conditions[i].message);
    return sum;
}

static inline size_t see_service(const struct nj_service_object *service)
{
    size_t sum = see(service->type) + see(service->external_name) +
                 see_texts(service->cluster_ips, service->cluster_ips_count) +
                 see_texts(service->ip_families, service->ip_families_count) +
                 see_pairs(service->selector, service->selector_count);
    for (size_t i = 0; i < service->ports_count; i++)
        sum += see(service->ports[i].name) + see(service->ports[i].protocol) +
               see(service->ports[i].app_protocol) + see(service->ports[i].target_name);
    return sum;
}

static inline size_t see_slice(const struct nj_slice_object *slice)
{
    size_t sum = see(slice->address_type);
    for (size_t i = 0; i < slice->endpoints_count; i++) {
        const struct nj_endpoint *endpoint = &slice->endpoints[i];
        sum += see_texts(endpoint->addresses, endpoint->addresses_count) + see(endpoint->node) +
               see(endpoint->target_kind) + see(endpoint->target_name) + see(endpoint->target_uid);
    }
    for (size_t i = 0; i < slice->ports_count; i++)
        sum += see(slice->ports[i].name) + see(slice->ports[i].protocol) + see(slice->ports[i].app_protocol);
    return sum;
}

static inline size_t see_ingress(const struct nj_ingress_object *ingress)
{
    size_t sum = see(ingress->class_name) + see_texts(ingress->addresses, ingress->addresses_count);
    for (size_t i = 0; i < ingress->paths_count; i++)
        sum += see(ingress->paths[i].host) + see(ingress->paths[i].path) + see(ingress->paths[i].path_type) +
               see(ingress->paths[i].service) + see(ingress->paths[i].port_name);
    return sum;
}

static inline int see_object(void *data, const struct nj_kube_object *object)
{
    size_t *seen = data;
    *seen += 1 + see(object->meta.name) + see_pairs(object->meta.labels, object->meta.labels_count);
    switch (object->kind) {
    case NJ_KUBE_META:
        break;
    case NJ_KUBE_DEPLOYMENT:
    case NJ_KUBE_STATEFUL_SET:
    case NJ_KUBE_DAEMON_SET:
    case NJ_KUBE_REPLICA_SET:
    case NJ_KUBE_JOB:
        *seen += see_workload(&object->workload);
        break;
    case NJ_KUBE_BUDGET:
        *seen += see(object->budget.min_available) + see(object->budget.max_unavailable) +
                 see_pairs(object->budget.selector, object->budget.selector_count);
        break;
    case NJ_KUBE_POD:
        *seen += see_pod(&object->pod);
        break;
    case NJ_KUBE_SERVICE:
        *seen += see_service(&object->service);
        break;
    case NJ_KUBE_SLICE:
        *seen += see_slice(&object->slice);
        break;
    case NJ_KUBE_ENDPOINTS:
        for (size_t i = 0; i < object->endpoints.slices_count; i++)
            *seen += see_slice(&object->endpoints.slices[i]);
        break;
    case NJ_KUBE_INGRESS:
        *seen += see_ingress(&object->ingress);
        break;
    case NJ_KUBE_NODE:
        *seen += see_node(&object->node);
        break;
    case NJ_KUBE_CUSTOM:
        *seen += see(object->custom.spec);
        *seen += see(object->custom.status);
        break;
    }
    return 0;
}

static inline size_t decode_list(enum nj_kube_encoding encoding, const uint8_t *data, size_t size,
                                 size_t step, int *ret_rc)
{
    size_t seen = 0;
    struct nj_err err;
    struct nj_list_end end;
    struct nj_list_decoder *decoder =
        nj_list_decoder_new(encoding, NJ_KUBE_POD, KUBE_ITEM_MAX, see_object, &seen);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size; at += step)
        rc = nj_list_decoder_feed(decoder, data + at, size - at < step ? size - at : step, &err);
    if (rc == 0)
        rc = nj_list_decoder_end(decoder, &end, &err);
    nj_list_decoder_free(decoder);
    *ret_rc = rc;
    return seen;
}

static inline void decode_one(enum nj_kube_encoding encoding, int as, const uint8_t *data, size_t size)
{
    static const enum nj_kube_kind kinds[AS_COUNT] = {
        [AS_POD] = NJ_KUBE_POD,
        [AS_META] = NJ_KUBE_META,
        [AS_SERVICE] = NJ_KUBE_SERVICE,
        [AS_SLICE] = NJ_KUBE_SLICE,
        [AS_INGRESS] = NJ_KUBE_INGRESS,
        [AS_DEPLOYMENT] = NJ_KUBE_DEPLOYMENT,
        [AS_CUSTOM] = NJ_KUBE_CUSTOM,
        [AS_NODE] = NJ_KUBE_NODE,
        [AS_STATEFUL_SET] = NJ_KUBE_STATEFUL_SET,
        [AS_DAEMON_SET] = NJ_KUBE_DAEMON_SET,
        [AS_REPLICA_SET] = NJ_KUBE_REPLICA_SET,
        [AS_BUDGET] = NJ_KUBE_BUDGET,
        [AS_ENDPOINTS] = NJ_KUBE_ENDPOINTS,
        [AS_JOB] = NJ_KUBE_JOB,
    };
    size_t seen = 0;
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_kube_status status;
    enum nj_watch_event_type type;
    struct nj_err err;
    nj_arena_init(&arena, KUBE_ARENA_MAX);
    if (as == AS_STATUS) {
        (void)nj_kube_decode_status(encoding, data, size, &arena, &status, &err);
    } else if (as == AS_EVENT) {
        if (nj_kube_decode_event(encoding, NJ_KUBE_POD, data, size, &arena, &type, &object, &status, &err) ==
                0 &&
            type != NJ_WATCH_ERROR)
            (void)see_object(&seen, &object);
    } else if (nj_kube_decode(encoding, kinds[as], data, size, &arena, &object, &err) == 0) {
        (void)see_object(&seen, &object);
    }
    nj_arena_done(&arena);
}

static inline void decode_input(enum nj_kube_encoding encoding, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    if (data[0] % AS_COUNT == AS_LIST) {
        int whole_rc, pieces_rc;
        size_t whole = decode_list(encoding, data + 1, size - 1, size, &whole_rc);
        size_t pieces = decode_list(encoding, data + 1, size - 1, (size_t)data[0] / AS_COUNT + 1, &pieces_rc);
        if (whole != pieces || whole_rc != pieces_rc)
            abort();
        return;
    }
    decode_one(encoding, data[0] % AS_COUNT, data + 1, size - 1);
}

#endif
