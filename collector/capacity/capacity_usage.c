/*
 * Minutes of use, as they come.
 */
#include <math.h>
#include <string.h>

#include "collector/capacity/capacity_internal.h"
#include "common/base/sketch.h"
#include "common/base/str.h"

enum { PERCENTILE = 95 };

/* An agent's clock may be ahead by so much; a minute further in the future would hide the next ones. */
#define FUTURE_NS (5 * NJ_MIN)

/* ---- the hour */

static void clear(struct nj_cap_use *use, int64_t minute)
{
    use->cpu[minute % NJ_CAP_MINUTES] = use->memory[minute % NJ_CAP_MINUTES] = -1;
}

void nj_cap_use_init(struct nj_cap_use *use)
{
    use->newest_ns = 0;
    for (int64_t i = 0; i < NJ_CAP_MINUTES; i++)
        clear(use, i);
}

/* Several of one minute add up; below 0 is not known. */
static void add_use(struct nj_cap_use *use, int64_t minute_ns, double cpu, double memory)
{
    int64_t minute = minute_ns / NJ_MIN;
    int64_t newest = use->newest_ns / NJ_MIN;
    if (minute <= newest - NJ_CAP_MINUTES)
        return;
    if (minute > newest) {
        int64_t from = minute - newest >= NJ_CAP_MINUTES ? minute - NJ_CAP_MINUTES + 1 : newest + 1;
        for (int64_t i = from; i <= minute; i++)
            clear(use, i);
        use->newest_ns = minute_ns;
    }
    float *slots[] = {&use->cpu[minute % NJ_CAP_MINUTES], &use->memory[minute % NJ_CAP_MINUTES]};
    const double values[] = {cpu, memory};
    for (int i = 0; i < 2; i++) {
        if (values[i] >= 0)
            *slots[i] = (*slots[i] < 0 ? 0 : *slots[i]) + (float)values[i];
    }
}

/* The 95th percentile by nearest rank: of n values the one that n - ceil(0.95 n) are larger than. -1: none.
 */
static double percentile(const float *values)
{
    float largest[NJ_CAP_MINUTES - NJ_CAP_MINUTES * PERCENTILE / 100 + 1];
    int count = 0;
    for (int i = 0; i < NJ_CAP_MINUTES; i++)
        count += values[i] >= 0;
    int kept = count - (count * PERCENTILE + 99) / 100 + 1;
    for (int i = 0; i < kept; i++)
        largest[i] = -1;
    for (int i = 0; i < NJ_CAP_MINUTES && count > 0; i++) {
        float value = values[i];
        for (int k = 0; k < kept; k++) { /* sinks in; the smallest falls out */
            if (value > largest[k]) {
                float smaller = largest[k];
                largest[k] = value;
                value = smaller;
            }
        }
    }
    return count == 0 ? -1 : (double)largest[kept - 1];
}

static void measure(const struct nj_cap_use *use, int64_t *ret_cpu_micros, int64_t *ret_memory_bytes)
{
    double cpu = percentile(use->cpu);
    double memory = percentile(use->memory);
    *ret_cpu_micros = cpu < 0 ? -1 : llround(cpu * 1e6);
    *ret_memory_bytes = memory < 0 ? -1 : llround(memory);
}

/* ---- items */

/* A minute's average and maximum of one metric; -1 when it is not known. */
struct figure {
    double average, max;
};

static struct figure figure_of(const struct nj_usage_item *item, enum nj_usage_metric metric)
{
    struct nj_sketch sketch = {0};
    struct figure figure = {-1, -1};
    if (item->metrics[metric].len == 0 ||
        nj_sketch_decode(item->metrics[metric].sketch, item->metrics[metric].len, &sketch) < 0)
        return figure;
    /* Beyond a sketch's range nothing is real, and sums of it would leave an int64_t. */
    if (sketch.count > 0 && sketch.sum >= 0 && sketch.max >= 0 && sketch.max <= NJ_SKETCH_MAX &&
        sketch.sum <= NJ_SKETCH_MAX * (double)sketch.count)
        figure = (struct figure){sketch.sum / (double)sketch.count, sketch.max};
    nj_sketch_done(&sketch);
    return figure;
}

static void replace(char **text, const char *value)
{
    if (nj_streq(*text, value))
        return;
    free(*text);
    *text = nj_strdup(nj_str(value));
}

static void take_item(struct nj_capacity *capacity, struct nj_cap_node *node,
                      const struct nj_usage_item *item, int64_t minute_ns)
{
    double cpu = figure_of(item, NJ_USAGE_CPU).average;
    double memory = figure_of(item, NJ_USAGE_MEMORY).max;
    if (*item->pod_uid == '\0') {
        add_use(&node->use, minute_ns, cpu, memory);
        measure(&node->use, &node->cpu_use_micros, &node->memory_use_bytes);
        return;
    }
    struct nj_cap_pod *pod = nj_cap_pod_find(capacity, item->pod_uid);
    if (pod == NULL) /* a later part lists it, or none does and it goes with the end of this minute */
        pod = nj_cap_pod_add(capacity, node, item->pod_uid, item->namespace, item->pod);
    if (pod == NULL)
        return;
    nj_cap_uncount(pod);
    if (minute_ns > pod->use.newest_ns)
        pod->cpu_limit_millis = pod->memory_limit_bytes = 0;
    if (minute_ns >= pod->use.newest_ns) {
        pod->cpu_limit_millis += item->cpu_limit_millis;
        pod->memory_limit_bytes += item->memory_limit_bytes;
    }
    add_use(&pod->use, minute_ns, cpu, memory);
    measure(&pod->use, &pod->cpu_use_micros, &pod->memory_use_bytes);
    nj_cap_count(pod);
}

/* ---- pods */

static void take_pod(struct nj_capacity *capacity, struct nj_cap_node *node, const struct nj_usage_pod *from,
                     int64_t minute_ns)
{
    struct nj_cap_pod *pod = nj_cap_pod_find(capacity, from->pod_uid);
    if (pod != NULL && pod->node != node) { /* a uid has one node for ever: one of the two is mistaken */
        nj_cap_pod_drop(capacity, pod);
        pod = NULL;
    }
    if (pod == NULL)
        pod = nj_cap_pod_add(capacity, node, from->pod_uid, from->namespace, from->pod);
    if (pod == NULL)
        return;
    nj_cap_uncount(pod);
    pod->listed_ns = minute_ns;
    pod->cpu_request_millis = from->cpu_request_millis;
    pod->memory_request_bytes = from->memory_request_bytes;
    pod->priority = from->priority;
    replace(&pod->workload_kind, from->workload_kind);
    replace(&pod->workload, from->workload);
    nj_cap_place(capacity, pod, from->placement);
    nj_cap_count(pod);
}

/* All parts of the minute are here: what none of them listed is gone. */
static void complete(struct nj_capacity *capacity, struct nj_cap_node *node)
{
    for (struct nj_cap_pod *pod = node->pods; pod != NULL;) {
        struct nj_cap_pod *next = pod->next;
        if (pod->listed_ns != node->minute_ns)
            nj_cap_pod_drop(capacity, pod);
        pod = next;
    }
    node->complete_ns = node->minute_ns;
}

static void take_pods(struct nj_capacity *capacity, struct nj_cap_node *node, const struct nj_usage *usage)
{
    uint32_t parts = usage->parts == 0 ? 1 : usage->parts;
    if (usage->minute_ns > node->minute_ns) {
        node->minute_ns = usage->minute_ns;
        memset(node->parts, 0, sizeof(node->parts));
        node->parts_seen = 0;
    }
    for (size_t i = 0; i < usage->pods_count; i++)
        take_pod(capacity, node, &usage->pods[i], usage->minute_ns);
    uint64_t bit = UINT64_C(1) << usage->part % 64;
    if ((node->parts[usage->part / 64] & bit) != 0)
        return;
    node->parts[usage->part / 64] |= bit;
    if (++node->parts_seen == parts)
        complete(capacity, node);
}

void nj_capacity_usage(struct nj_capacity *capacity, const char *name, const struct nj_usage *usage)
{
    int64_t now_ns = nj_loop_wall_ns(capacity->options.loop);
    if (usage->minute_ns > now_ns + FUTURE_NS || usage->minute_ns <= 0 || usage->parts > NJ_CAP_PARTS_MAX ||
        usage->part >= NJ_CAP_PARTS_MAX) {
        nj_counter_add(capacity->minutes_ignored, 1);
        return;
    }
    /* What waited in an outbox for so long is history, and only the store's. */
    if (now_ns - usage->minute_ns > capacity->options.silent_after_ns + NJ_MIN)
        return;
    struct nj_cap_node *node = nj_cap_node_get(capacity, name);
    if (node == NULL)
        return;
    for (size_t i = 0; i < usage->count; i++)
        take_item(capacity, node, &usage->items[i], usage->minute_ns);
    if (usage->minute_ns >= node->minute_ns)
        take_pods(capacity, node, usage);
}
