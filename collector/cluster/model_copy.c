/*
 * Deep copies in one block each: the same code runs twice, once over scratch memory to learn the size.
 */
#include <stdalign.h>
#include <string.h>

#include "collector/cluster/model_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static const char SERVICE_NAME[] = "kubernetes.io/service-name";
static const char MANAGED_BY[] = "endpointslice.kubernetes.io/managed-by";
static const char TRIGGER[] = "endpoints.kubernetes.io/last-change-trigger-time";
static const char CONTROLLER[] = "endpointslice-controller.k8s.io";

/* Hands out memory from the block, or from the scratch arena while it only measures. */
struct taker {
    struct nj_arena *scratch; /* NULL: `at` is the block */
    char *at;
    size_t used;
    bool failed;
};

static void *take_aligned(struct taker *taker, size_t size, size_t alignment)
{
    taker->used = (taker->used + alignment - 1) / alignment * alignment;
    void *memory;
    if (taker->scratch == NULL) {
        memory = taker->at + taker->used;
    } else {
        memory = nj_arena_zalloc(taker->scratch, 1, size);
        taker->failed |= memory == NULL;
    }
    taker->used += size;
    return memory;
}

static void *take(struct taker *taker, size_t size)
{
    return take_aligned(taker, size, alignof(max_align_t));
}

static const char *text(struct taker *taker, const char *from)
{
    size_t size = strlen(nj_str(from)) + 1;
    if (size == 1)
        return "";
    char *copy = take_aligned(taker, size, 1);
    return copy == NULL ? "" : memcpy(copy, from, size);
}

/* An array to be filled in; NULL for none, and *count is then 0. */
static void *array(struct taker *taker, const void *from, size_t *count, size_t size)
{
    if (*count == 0)
        return NULL;
    void *copy = take(taker, *count * size);
    if (copy == NULL)
        *count = 0;
    else
        memcpy(copy, from, *count * size);
    return copy;
}

static const struct nj_kube_pair *pairs(struct taker *taker, const struct nj_kube_pair *from, size_t *count)
{
    struct nj_kube_pair *copy = array(taker, from, count, sizeof(*copy));
    for (size_t i = 0; i < *count; i++)
        copy[i] = (struct nj_kube_pair){text(taker, from[i].key), text(taker, from[i].value)};
    return copy;
}

static const char *const *texts(struct taker *taker, const char *const *from, size_t *count)
{
    const char **copy = array(taker, from, count, sizeof(*copy));
    for (size_t i = 0; i < *count; i++)
        copy[i] = text(taker, from[i]);
    return copy;
}

static void copy_service(struct taker *taker, const struct nj_kube_object *object,
                         struct nj_model_service *view)
{
    const struct nj_service_object *from = &object->service;
    struct nj_service_object *to = take(taker, sizeof(*to));
    *view = (struct nj_model_service){.namespace = text(taker, object->meta.namespace),
                                      .name = text(taker, object->meta.name),
                                      .uid = text(taker, object->meta.uid),
                                      .annotations_count = object->meta.annotations_count,
                                      .labels_count = object->meta.labels_count,
                                      .created_ns = object->meta.created_ns,
                                      .service = to};
    view->annotations = pairs(taker, object->meta.annotations, &view->annotations_count);
    view->labels = pairs(taker, object->meta.labels, &view->labels_count);
    if (to == NULL)
        return;
    *to = *from;
    to->type = text(taker, from->type);
    to->external_name = text(taker, from->external_name);
    to->cluster_ips = texts(taker, from->cluster_ips, &to->cluster_ips_count);
    to->ip_families = texts(taker, from->ip_families, &to->ip_families_count);
    to->selector = pairs(taker, from->selector, &to->selector_count);
    struct nj_service_port *ports = array(taker, from->ports, &to->ports_count, sizeof(*ports));
    for (size_t i = 0; i < to->ports_count; i++) {
        ports[i].name = text(taker, from->ports[i].name);
        ports[i].protocol = text(taker, from->ports[i].protocol);
        ports[i].app_protocol = text(taker, from->ports[i].app_protocol);
        ports[i].target_name = text(taker, from->ports[i].target_name);
    }
    to->ports = ports;
}

static void copy_slice(struct taker *taker, const struct nj_slice_object *from, struct nj_slice_object *to)
{
    *to = *from;
    to->address_type = text(taker, from->address_type);
    struct nj_endpoint *endpoints = array(taker, from->endpoints, &to->endpoints_count, sizeof(*endpoints));
    for (size_t i = 0; i < to->endpoints_count; i++) {
        endpoints[i].addresses = texts(taker, from->endpoints[i].addresses, &endpoints[i].addresses_count);
        endpoints[i].node = text(taker, from->endpoints[i].node);
        endpoints[i].target_kind = text(taker, from->endpoints[i].target_kind);
        endpoints[i].target_name = text(taker, from->endpoints[i].target_name);
        endpoints[i].target_uid = text(taker, from->endpoints[i].target_uid);
    }
    to->endpoints = endpoints;
    struct nj_endpoint_port *ports = array(taker, from->ports, &to->ports_count, sizeof(*ports));
    for (size_t i = 0; i < to->ports_count; i++) {
        ports[i].name = text(taker, from->ports[i].name);
        ports[i].protocol = text(taker, from->ports[i].protocol);
        ports[i].app_protocol = text(taker, from->ports[i].app_protocol);
    }
    to->ports = ports;
}

static int64_t trigger_of(const struct nj_kube_meta *meta)
{
    const char *trigger = nj_kube_annotation(meta, TRIGGER);
    int64_t trigger_ns = 0;
    if (trigger == NULL || nj_time_parse(trigger, (size_t)-1, &trigger_ns) < 0)
        return 0;
    return trigger_ns;
}

/* Endpoints have no generation that counts their changes: any other version stands for one. */
static int64_t generation_of(const struct nj_kube_object *object)
{
    const char *version = object->meta.resource_version;
    return object->kind == NJ_KUBE_ENDPOINTS ? (int64_t)(nj_hash64(version, strlen(version)) >> 2)
                                             : object->meta.generation;
}

/* Endpoints are the controller's where their Service has a selector, as slices with its label are. */
static void copy_slices(struct taker *taker, const struct nj_kube_object *object, struct nj_model_object *ret)
{
    bool of_endpoints = object->kind == NJ_KUBE_ENDPOINTS;
    const struct nj_slice_object *from = of_endpoints ? object->endpoints.slices : &object->slice;
    size_t count = of_endpoints ? object->endpoints.slices_count : 1;
    struct nj_model_slice *views = take(taker, count * sizeof(*views));
    struct nj_slice_object *slices = take(taker, count * sizeof(*slices));
    const struct nj_model_slice view = {
        .name = text(taker, object->meta.name),
        .uid = text(taker, object->meta.uid),
        .generation = generation_of(object),
        .trigger_ns = trigger_of(&object->meta),
        .managed = of_endpoints || nj_streq(nj_kube_label(&object->meta, MANAGED_BY), CONTROLLER)};
    ret->slice.of_endpoints = of_endpoints;
    ret->slice.service_name =
        of_endpoints ? view.name : text(taker, nj_kube_label(&object->meta, SERVICE_NAME));
    ret->slice.views = views;
    ret->slice.views_count = count;
    for (size_t i = 0; views != NULL && slices != NULL && i < count; i++) {
        views[i] = view;
        views[i].slice = &slices[i];
        copy_slice(taker, &from[i], &slices[i]);
    }
}

static void copy_ingress(struct taker *taker, const struct nj_kube_object *object,
                         struct nj_model_ingress *view)
{
    const struct nj_ingress_object *from = &object->ingress;
    struct nj_ingress_object *to = take(taker, sizeof(*to));
    *view = (struct nj_model_ingress){.namespace = text(taker, object->meta.namespace),
                                      .name = text(taker, object->meta.name),
                                      .uid = text(taker, object->meta.uid),
                                      .annotations_count = object->meta.annotations_count,
                                      .ingress = to};
    view->annotations = pairs(taker, object->meta.annotations, &view->annotations_count);
    if (to == NULL)
        return;
    *to = *from;
    to->class_name = text(taker, from->class_name);
    to->addresses = texts(taker, from->addresses, &to->addresses_count);
    struct nj_ingress_path *paths = array(taker, from->paths, &to->paths_count, sizeof(*paths));
    for (size_t i = 0; i < to->paths_count; i++) {
        paths[i].host = text(taker, from->paths[i].host);
        paths[i].path = text(taker, from->paths[i].path);
        paths[i].path_type = text(taker, from->paths[i].path_type);
        paths[i].service = text(taker, from->paths[i].service);
        paths[i].port_name = text(taker, from->paths[i].port_name);
    }
    to->paths = paths;
}

static const char *bytes(struct taker *taker, const char *from, size_t len)
{
    char *to = take_aligned(taker, len + 1, 1);
    if (to == NULL)
        return NULL;
    memcpy(to, from, len);
    to[len] = '\0';
    return to;
}

static void copy_monitor(struct taker *taker, const struct nj_kube_object *object,
                         struct nj_model_monitor *view)
{
    *view = (struct nj_model_monitor){.namespace = text(taker, object->meta.namespace),
                                      .name = text(taker, object->meta.name),
                                      .uid = text(taker, object->meta.uid),
                                      .generation = object->meta.generation,
                                      .created_ns = object->meta.created_ns,
                                      .spec_len = object->custom.spec_len,
                                      .status_len = object->custom.status_len};
    view->spec = bytes(taker, object->custom.spec, object->custom.spec_len);
    view->status = bytes(taker, object->custom.status, object->custom.status_len);
}

static void copy(struct taker *taker, enum nj_model_kind kind, const struct nj_kube_object *object,
                 struct nj_model_object *ret)
{
    switch (kind) {
    case NJ_MODEL_SERVICES:
        copy_service(taker, object, &ret->service.view);
        break;
    case NJ_MODEL_SLICES:
        copy_slices(taker, object, ret);
        break;
    case NJ_MODEL_INGRESSES:
        copy_ingress(taker, object, &ret->ingress);
        break;
    default:
        copy_monitor(taker, object, &ret->monitor);
    }
}

bool nj_model_copy(struct nj_arena *scratch, enum nj_model_kind kind, const struct nj_kube_object *object,
                   struct nj_model_object *ret_object)
{
    struct taker measure = {.scratch = scratch};
    copy(&measure, kind, object, ret_object);
    nj_arena_reset(scratch);
    struct taker taker = {.at = measure.failed ? NULL : nj_try_alloc(measure.used)};
    if (taker.at == NULL)
        return false;
    copy(&taker, kind, object, ret_object);
    ret_object->memory = taker.at;
    return true;
}
