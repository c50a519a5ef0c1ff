/* The events of a minute of use, between plain C and their messages. */
#include <errno.h>
#include <string.h>

#include "common/base/str.h"
#include "common/wire/codec.h"

const char *nj_usage_metric_name(enum nj_usage_metric metric)
{
    static const char *const names[NJ_USAGE_METRICS] = {
        [NJ_USAGE_CPU] = "cpu", [NJ_USAGE_MEMORY] = "memory",        [NJ_USAGE_THROTTLED] = "throttled",
        [NJ_USAGE_GPU] = "gpu", [NJ_USAGE_GPU_MEMORY] = "gpuMemory",
    };
    return (unsigned)metric < NJ_USAGE_METRICS ? names[metric] : "";
}

/* Where the message of an item has its sketches. */
static ProtobufCBinaryData *sketch_of(Nightjar__UsageItem *item, int metric)
{
    ProtobufCBinaryData *const sketches[NJ_USAGE_METRICS] = {
        [NJ_USAGE_CPU] = &item->cpu,
        [NJ_USAGE_MEMORY] = &item->memory,
        [NJ_USAGE_THROTTLED] = &item->throttled,
        [NJ_USAGE_GPU] = &item->gpu,
        [NJ_USAGE_GPU_MEMORY] = &item->gpu_memory,
    };
    return sketches[metric];
}

static int64_t capped(int64_t amount)
{
    if (amount < 0)
        return 0;
    return amount > NJ_USAGE_AMOUNT_MAX ? NJ_USAGE_AMOUNT_MAX : amount;
}

static bool is_amount(int64_t amount)
{
    return amount >= 0 && amount <= NJ_USAGE_AMOUNT_MAX;
}

static void fill_item(Nightjar__UsageItem *to, const struct nj_usage_item *from, struct nj_arena *arena)
{
    nightjar__usage_item__init(to);
    to->namespace_ = nj_codec_text(arena, from->namespace);
    to->pod = nj_codec_text(arena, from->pod);
    to->pod_uid = nj_codec_text(arena, from->pod_uid);
    to->container = nj_codec_text(arena, from->container);
    to->workload_kind = nj_codec_text(arena, from->workload_kind);
    to->workload = nj_codec_text(arena, from->workload);
    to->cpu_request_millis = capped(from->cpu_request_millis);
    to->cpu_limit_millis = capped(from->cpu_limit_millis);
    to->memory_request_bytes = capped(from->memory_request_bytes);
    to->memory_limit_bytes = capped(from->memory_limit_bytes);
    to->started_ns = from->started_ns;
    to->oom_kills = from->oom_kills;
    for (int i = 0; i < NJ_USAGE_METRICS; i++)
        *sketch_of(to, i) =
            (ProtobufCBinaryData){.data = (uint8_t *)from->metrics[i].sketch, .len = from->metrics[i].len};
}

static void fill_pod(Nightjar__UsagePod *to, const struct nj_usage_pod *from, struct nj_arena *arena)
{
    nightjar__usage_pod__init(to);
    to->namespace_ = nj_codec_text(arena, from->namespace);
    to->pod = nj_codec_text(arena, from->pod);
    to->pod_uid = nj_codec_text(arena, from->pod_uid);
    to->workload_kind = nj_codec_text(arena, from->workload_kind);
    to->workload = nj_codec_text(arena, from->workload);
    to->cpu_request_millis = capped(from->cpu_request_millis);
    to->memory_request_bytes = capped(from->memory_request_bytes);
    to->priority = from->priority;
    to->placement = nj_codec_text(arena, from->placement);
}

Nightjar__Usage *nj_codec_fill_usage(const struct nj_usage *from, struct nj_arena *arena)
{
    Nightjar__Usage *to = nj_arena_alloc(arena, sizeof(*to));
    Nightjar__UsageItem *items = nj_arena_zalloc(arena, from->count, sizeof(*items));
    Nightjar__UsageItem **to_items = nj_arena_zalloc(arena, from->count, sizeof(Nightjar__UsageItem *));
    Nightjar__UsagePod *pods = nj_arena_zalloc(arena, from->pods_count, sizeof(*pods));
    Nightjar__UsagePod **to_pods = nj_arena_zalloc(arena, from->pods_count, sizeof(Nightjar__UsagePod *));
    if (to == NULL || items == NULL || to_items == NULL || pods == NULL || to_pods == NULL)
        return NULL;
    nightjar__usage__init(to);
    to->minute_ns = from->minute_ns;
    to->part = from->part;
    to->parts = from->parts;
    for (size_t i = 0; i < from->count; i++) {
        fill_item(&items[i], &from->items[i], arena);
        to_items[i] = &items[i];
    }
    for (size_t i = 0; i < from->pods_count; i++) {
        fill_pod(&pods[i], &from->pods[i], arena);
        to_pods[i] = &pods[i];
    }
    to->n_items = from->count;
    to->items = to_items;
    to->n_pods = from->pods_count;
    to->pods = to_pods;
    return to;
}

static bool counts_fit(uint32_t part, uint32_t parts, size_t items, size_t pods)
{
    return part < parts && parts <= NJ_USAGE_PARTS_MAX && items <= NJ_USAGE_ITEMS_MAX &&
           pods <= NJ_USAGE_PODS_MAX;
}

bool nj_codec_usage_fits(const struct nj_usage *usage)
{
    if (!counts_fit(usage->part, usage->parts, usage->count, usage->pods_count))
        return false;
    for (size_t i = 0; i < usage->count; i++) {
        for (int k = 0; k < NJ_USAGE_METRICS; k++) {
            if (usage->items[i].metrics[k].len > NJ_USAGE_SKETCH_MAX)
                return false;
        }
    }
    for (size_t i = 0; i < usage->pods_count; i++) {
        const struct nj_usage_pod *pod = &usage->pods[i];
        size_t len = strlen(nj_str(pod->placement));
        /* What is no UTF-8 is not mended here: it would grow, and no longer say where the pod may go. */
        if (nj_str(pod->pod_uid)[0] == '\0' || len > NJ_USAGE_PLACEMENT_MAX ||
            !nj_utf8_valid(nj_str(pod->placement), len))
            return false;
    }
    return true;
}

static void take_item(struct nj_codec_check *check, Nightjar__UsageItem *from, struct nj_usage_item *to)
{
    *to = (struct nj_usage_item){
        .namespace = nj_codec_take(check, from->namespace_, "usage.namespace"),
        .pod = nj_codec_take(check, from->pod, "usage.pod"),
        .pod_uid = nj_codec_take(check, from->pod_uid, "usage.pod_uid"),
        .container = nj_codec_take(check, from->container, "usage.container"),
        .workload_kind = nj_codec_take(check, from->workload_kind, "usage.workload_kind"),
        .workload = nj_codec_take(check, from->workload, "usage.workload"),
        .cpu_request_millis = from->cpu_request_millis,
        .cpu_limit_millis = from->cpu_limit_millis,
        .memory_request_bytes = from->memory_request_bytes,
        .memory_limit_bytes = from->memory_limit_bytes,
        .started_ns = from->started_ns,
        .oom_kills = from->oom_kills,
    };
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        const ProtobufCBinaryData *sketch = sketch_of(from, i);
        to->metrics[i].sketch = sketch->data == NULL ? (const void *)"" : sketch->data;
        to->metrics[i].len = sketch->data == NULL ? 0 : sketch->len;
    }
    if (check->rc == 0 && (!is_amount(to->cpu_request_millis) || !is_amount(to->cpu_limit_millis) ||
                           !is_amount(to->memory_request_bytes) || !is_amount(to->memory_limit_bytes)))
        check->rc = nj_err_set(check->err, -EPROTO, "a request or limit is out of bounds");
}

static void take_pod(struct nj_codec_check *check, const Nightjar__UsagePod *from, struct nj_usage_pod *to)
{
    *to = (struct nj_usage_pod){
        .namespace = nj_codec_take(check, from->namespace_, "usage.namespace"),
        .pod = nj_codec_take(check, from->pod, "usage.pod"),
        .pod_uid = nj_codec_take(check, from->pod_uid, "usage.pod_uid"),
        .workload_kind = nj_codec_take(check, from->workload_kind, "usage.workload_kind"),
        .workload = nj_codec_take(check, from->workload, "usage.workload"),
        .cpu_request_millis = from->cpu_request_millis,
        .memory_request_bytes = from->memory_request_bytes,
        .priority = from->priority,
        .placement = nj_codec_take(check, from->placement, "usage.placement"),
    };
    if (check->rc == 0 && (!is_amount(to->cpu_request_millis) || !is_amount(to->memory_request_bytes)))
        check->rc = nj_err_set(check->err, -EPROTO, "a pod's request is out of bounds");
}

void nj_codec_take_usage(struct nj_codec_check *check, const Nightjar__Usage *from, struct nj_arena *arena,
                         struct nj_usage *to)
{
    if (check->rc < 0)
        return;
    struct nj_usage_item *items = NULL;
    struct nj_usage_pod *pods = NULL;
    bool fits = counts_fit(from->part, from->parts, from->n_items, from->n_pods);
    if (fits) {
        items = nj_arena_zalloc(arena, from->n_items, sizeof(*items));
        pods = nj_arena_zalloc(arena, from->n_pods, sizeof(*pods));
        if (items == NULL || pods == NULL) {
            check->rc =
                nj_err_set(check->err, arena->starved ? -ENOMEM : -EOVERFLOW,
                           "a minute of use needs more memory than there is, or than %zu bytes", arena->max);
            return;
        }
        for (size_t i = 0; i < from->n_items; i++)
            take_item(check, from->items[i], &items[i]);
        for (size_t i = 0; i < from->n_pods; i++)
            take_pod(check, from->pods[i], &pods[i]);
    }
    struct nj_usage usage = {.minute_ns = from->minute_ns,
                             .items = items,
                             .count = from->n_items,
                             .pods = pods,
                             .pods_count = from->n_pods,
                             .part = from->part,
                             .parts = from->parts};
    if (check->rc == 0 && (!fits || !nj_codec_usage_fits(&usage)))
        check->rc =
            nj_err_set(check->err, -EPROTO,
                       "a minute of use has a pod without uid, is no part of at most %d, or is larger "
                       "than %d containers, %d pods, %d bytes a sketch or %d a placement",
                       NJ_USAGE_PARTS_MAX, NJ_USAGE_ITEMS_MAX, NJ_USAGE_PODS_MAX, NJ_USAGE_SKETCH_MAX,
                       NJ_USAGE_PLACEMENT_MAX);
    if (check->rc == 0)
        *to = usage;
}
