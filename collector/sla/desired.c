#include "collector/sla/desired.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

/* More pods than any workload has, and few enough to be listed one by one. */
enum { PODS_MAX = 10000 };

bool nj_selects(const struct nj_kube_pair *selector, size_t selector_count, const struct nj_kube_pair *labels,
                size_t labels_count)
{
    for (size_t i = 0; i < selector_count; i++) {
        size_t at = 0;
        while (at < labels_count && !nj_streq(labels[at].key, selector[i].key))
            at++;
        if (at == labels_count || !nj_streq(labels[at].value, selector[i].value))
            return false;
    }
    return selector_count > 0;
}

static const char *identity(const struct nj_endpoint *endpoint)
{
    if (endpoint->target_uid[0] != '\0')
        return endpoint->target_uid;
    return endpoint->addresses_count > 0 ? endpoint->addresses[0] : "";
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct nj_tracker_endpoint *)a)->pod_uid,
                  ((const struct nj_tracker_endpoint *)b)->pod_uid);
}

static size_t unite(struct nj_tracker_endpoint *endpoints, size_t count)
{
    size_t kept = 0;
    if (count > 0)
        qsort(endpoints, count, sizeof(*endpoints), compare);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && nj_streq(endpoints[kept - 1].pod_uid, endpoints[i].pod_uid)) {
            endpoints[kept - 1].ready |= endpoints[i].ready;
            endpoints[kept - 1].serving |= endpoints[i].serving;
            endpoints[kept - 1].terminating &= endpoints[i].terminating;
        } else {
            endpoints[kept++] = endpoints[i];
        }
    }
    return kept;
}

static void take_slices(const struct nj_model_service *view, struct nj_described *described)
{
    struct nj_tracker_service *service = &described->service;
    size_t room = 0, count = 0, slices = 0;
    for (const struct nj_model_slice *slice = view->slices; slice != NULL; slice = slice->next) {
        room += slice->slice->endpoints_count;
        slices++;
    }
    described->endpoints = nj_calloc(room + 1, sizeof(*described->endpoints));
    described->slices = nj_calloc(slices + 1, sizeof(*described->slices));
    slices = 0;
    for (const struct nj_model_slice *slice = view->slices; slice != NULL; slice = slice->next) {
        /* In whatever order the slices come, the print is the same. */
        uint64_t name = nj_hash64(slice->uid, strlen(slice->uid)), own = nj_hash64(&name, sizeof(name));
        service->print += own * (uint64_t)(slice->generation + 1);
        /* Its generation counts its changes; before its first one it was not there. */
        described->slices[slices++] = (struct nj_tracker_slice){
            .print_before = slice->generation > 1 ? own : 2 * own, .trigger_ns = slice->trigger_ns};
        if (slice->trigger_ns > service->trigger_ns)
            service->trigger_ns = slice->trigger_ns;
        for (size_t i = 0; i < slice->slice->endpoints_count; i++) {
            const struct nj_endpoint *from = &slice->slice->endpoints[i];
            described->endpoints[count++] = (struct nj_tracker_endpoint){
                .pod = nj_streq(from->target_kind, "Pod") ? from->target_name : "",
                .pod_uid = identity(from),
                .node = from->node,
                .ready = from->ready,
                .serving = from->serving,
                .terminating = from->terminating};
        }
    }
    for (size_t i = 0; i < slices; i++)
        described->slices[i].print_before = service->print - described->slices[i].print_before;
    service->slices = described->slices;
    service->slices_count = slices;
    service->endpoints = described->endpoints;
    service->endpoints_count = unite(described->endpoints, count);
}

static void add_behind(void *data, const struct nj_workloads_item *item)
{
    struct nj_tracker_service *service = data;
    if (service->desired < 0) {
        service->desired = 0;
        service->workload_kind = nj_workloads_kind_name(item->kind);
        service->workload = item->name;
    }
    service->desired += item->object->desired;
}

void nj_describe_service(const struct nj_model_service *view, struct nj_workloads *workloads, int64_t now_ns,
                         struct nj_described *ret_described)
{
    const struct nj_service_object *object = view->service;
    bool external = nj_streq(object->type, "ExternalName");
    *ret_described = (struct nj_described){.service = {.namespace = view->namespace,
                                                       .name = view->name,
                                                       .desired = -1,
                                                       .workload_kind = "",
                                                       .workload = "",
                                                       .created_ns = view->created_ns,
                                                       .at_ns = now_ns}};
    struct nj_tracker_service *service = &ret_described->service;
    if (!external)
        take_slices(view, ret_described);
    service->by_design = external || (object->selector_count == 0 && service->endpoints_count == 0);
    if (!external && workloads != NULL)
        nj_workloads_behind(workloads, view->namespace, object->selector, object->selector_count, add_behind,
                            service);
}

static uint64_t mix(uint64_t print, uint64_t value)
{
    const uint64_t both[2] = {print, value};
    return nj_hash64(both, sizeof(both));
}

void nj_describe_workload(const struct nj_workloads_item *item, int64_t now_ns,
                          struct nj_described *ret_described)
{
    const struct nj_workload_object *object = item->object;
    int32_t available = object->available < 0 ? 0 : object->available;
    int32_t pods = available > object->desired ? available : object->desired;
    if (pods > PODS_MAX)
        pods = PODS_MAX;
    if (pods < 0)
        pods = 0;
    uint64_t print = nj_hash64(item->uid, strlen(item->uid));
    print = mix(print, (uint64_t)item->generation);
    print = mix(print, (uint64_t)object->available);
    print = mix(print, (uint64_t)object->desired);
    for (size_t i = 0; i < object->conditions_count; i++)
        print = mix(print, (uint64_t)object->conditions[i].last_transition_ns);
    /* One block: the endpoints, and their names behind them. */
    enum { NUMBER_BYTES = 8 };
    struct nj_tracker_endpoint *endpoints = nj_calloc((size_t)pods + 1, sizeof(*endpoints) + NUMBER_BYTES);
    char *numbers = (char *)(endpoints + pods + 1);
    for (int32_t i = 0; i < pods; i++) {
        char *number = numbers + (size_t)i * NUMBER_BYTES;
        (void)snprintf(number, NUMBER_BYTES, "%d", (int)i);
        endpoints[i] = (struct nj_tracker_endpoint){
            .pod = "", .pod_uid = number, .node = "", .ready = i < available, .serving = i < available};
    }
    *ret_described = (struct nj_described){.service = {.namespace = item->namespace,
                                                       .name = item->name,
                                                       .desired = object->desired,
                                                       .workload_kind = nj_workloads_kind_name(item->kind),
                                                       .workload = item->name,
                                                       .endpoints = endpoints,
                                                       .endpoints_count = (size_t)pods,
                                                       .created_ns = item->created_ns,
                                                       .at_ns = now_ns,
                                                       .print = print},
                                           .endpoints = endpoints};
}

void nj_described_done(struct nj_described *described)
{
    free(described->endpoints);
    free(described->slices);
    *described = (struct nj_described){0};
}
