#include "collector/remote/remote_queue.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <utlist.h>

#include "collector/remote/remote_write.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"

/* One that is being put together. */
struct draft {
    struct nj_remote_entry *entry;
    struct nj_remote_value values[NJ_REMOTE_VALUES_MAX];
    size_t count;
    bool invalid;
};

void nj_remote_entry_free(struct nj_remote_entry *entry)
{
    for (size_t i = 0; i < entry->labels_count; i++)
        free(entry->labels[i].value);
    free(entry->values);
    free(entry);
}

/* At the end of the minute that the value sums up. */
static struct draft draft_of(int64_t minute_ns)
{
    struct draft draft = {.entry = NJ_NEW(struct nj_remote_entry)};
    draft.entry->at_ms = (minute_ns + NJ_MIN) / NJ_MS;
    return draft;
}

/* In the order of the names. */
static void label(struct draft *draft, const char *name, const char *value)
{
    struct nj_remote_entry *entry = draft->entry;
    size_t len = strnlen(nj_str(value), NJ_REMOTE_LABEL_MAX + 1);
    if (len == 0)
        return;
    if (len > NJ_REMOTE_LABEL_MAX)
        len = nj_utf8_cut(value, len, NJ_REMOTE_LABEL_MAX);
    draft->invalid |= !nj_utf8_valid(value, len);
    assert(entry->labels_count < NJ_REMOTE_LABELS_MAX);
    assert(entry->labels_count == 0 || strcmp(entry->labels[entry->labels_count - 1].name, name) < 0);
    entry->labels[entry->labels_count++] =
        (struct nj_remote_label){.name = name, .value = nj_strndup(value, len)};
}

static void sample(struct draft *draft, const char *name, const char *quantile, double value)
{
    assert(draft->count < NJ_REMOTE_VALUES_MAX);
    if (isfinite(value))
        draft->values[draft->count++] =
            (struct nj_remote_value){.name = name, .quantile = quantile, .value = value};
}

static void drop_first(struct nj_remote_queue *queue, struct nj_remote_entry *entry)
{
    queue->samples -= entry->values_count;
    DL_DELETE(queue->entries, entry);
    nj_remote_entry_free(entry);
}

/* The oldest that is not being sent makes room. */
static void push(struct nj_remote_queue *queue, struct draft *draft)
{
    struct nj_remote_entry *entry = draft->entry;
    if (draft->count == 0 || draft->invalid || draft->count > queue->max_samples) {
        *(draft->invalid ? &queue->invalid : &queue->full) += draft->count;
        nj_remote_entry_free(entry);
        return;
    }
    struct nj_remote_entry *oldest = queue->entries;
    for (size_t i = 0; i < queue->held; i++)
        oldest = oldest->next;
    while (oldest != NULL && queue->samples + draft->count > queue->max_samples) {
        struct nj_remote_entry *next = oldest->next;
        queue->full += oldest->values_count;
        drop_first(queue, oldest);
        oldest = next;
    }
    if (queue->samples + draft->count > queue->max_samples) {
        queue->full += draft->count;
        nj_remote_entry_free(entry);
        return;
    }
    entry->values = nj_calloc(draft->count, sizeof(entry->values[0]));
    memcpy(entry->values, draft->values, draft->count * sizeof(entry->values[0]));
    entry->values_count = draft->count;
    queue->samples += draft->count;
    queue->pushed += draft->count;
    DL_APPEND(queue->entries, entry);
}

enum statistic { AVG, MAX, P95, STATISTICS };

static const char *const container_names[NJ_USAGE_METRICS][STATISTICS] = {
    [NJ_USAGE_CPU] = {"nightjar_container_cpu_cores_avg", "nightjar_container_cpu_cores_max",
                      "nightjar_container_cpu_cores_p95"},
    [NJ_USAGE_MEMORY] = {"nightjar_container_memory_working_set_bytes_avg",
                         "nightjar_container_memory_working_set_bytes_max",
                         "nightjar_container_memory_working_set_bytes_p95"},
    [NJ_USAGE_THROTTLED] = {"nightjar_container_cpu_throttled_ratio_avg",
                            "nightjar_container_cpu_throttled_ratio_max",
                            "nightjar_container_cpu_throttled_ratio_p95"},
    [NJ_USAGE_GPU] = {"nightjar_container_gpu_ratio_avg", "nightjar_container_gpu_ratio_max",
                      "nightjar_container_gpu_ratio_p95"},
    [NJ_USAGE_GPU_MEMORY] = {"nightjar_container_gpu_memory_bytes_avg",
                             "nightjar_container_gpu_memory_bytes_max",
                             "nightjar_container_gpu_memory_bytes_p95"},
};

static const char *const node_names[NJ_USAGE_METRICS][STATISTICS] = {
    [NJ_USAGE_CPU] = {"nightjar_node_cpu_cores_avg", "nightjar_node_cpu_cores_max",
                      "nightjar_node_cpu_cores_p95"},
    [NJ_USAGE_MEMORY] = {"nightjar_node_memory_working_set_bytes_avg",
                         "nightjar_node_memory_working_set_bytes_max",
                         "nightjar_node_memory_working_set_bytes_p95"},
    [NJ_USAGE_THROTTLED] = {"nightjar_node_cpu_throttled_ratio_avg", "nightjar_node_cpu_throttled_ratio_max",
                            "nightjar_node_cpu_throttled_ratio_p95"},
    [NJ_USAGE_GPU] = {"nightjar_node_gpu_ratio_avg", "nightjar_node_gpu_ratio_max",
                      "nightjar_node_gpu_ratio_p95"},
    [NJ_USAGE_GPU_MEMORY] = {"nightjar_node_gpu_memory_bytes_avg", "nightjar_node_gpu_memory_bytes_max",
                             "nightjar_node_gpu_memory_bytes_p95"},
};

static void measured(struct draft *draft, const struct nj_usage_item *item,
                     const char *const names[NJ_USAGE_METRICS][STATISTICS])
{
    for (size_t i = 0; i < NJ_USAGE_METRICS; i++) {
        struct nj_sketch sketch = {0};
        if (item->metrics[i].len == 0 ||
            nj_sketch_decode(item->metrics[i].sketch, item->metrics[i].len, &sketch) < 0)
            continue;
        if (sketch.count > 0) {
            sample(draft, names[i][AVG], NULL, sketch.sum / (double)sketch.count);
            sample(draft, names[i][MAX], NULL, sketch.max);
            sample(draft, names[i][P95], NULL, nj_sketch_quantile(&sketch, 0.95));
        }
        nj_sketch_done(&sketch);
    }
}

static void given(struct draft *draft, const char *name, double value)
{
    if (value > 0)
        sample(draft, name, NULL, value);
}

void nj_remote_queue_usage(struct nj_remote_queue *queue, const char *cluster, const char *node,
                           const struct nj_usage *usage)
{
    for (size_t i = 0; i < usage->count; i++) {
        const struct nj_usage_item *item = &usage->items[i];
        struct draft draft = draft_of(usage->minute_ns);
        bool of_node = nj_str(item->pod_uid)[0] == '\0';
        label(&draft, "cluster", cluster);
        if (!of_node) {
            label(&draft, "container", item->container);
            label(&draft, "namespace", item->namespace);
        }
        label(&draft, "node", node);
        if (!of_node) {
            label(&draft, "pod", item->pod);
            label(&draft, "workload", item->workload);
            label(&draft, "workload_kind", item->workload_kind);
        }
        measured(&draft, item, of_node ? node_names : container_names);
        if (!of_node) {
            given(&draft, "nightjar_container_cpu_request_cores", (double)item->cpu_request_millis / 1000);
            given(&draft, "nightjar_container_cpu_limit_cores", (double)item->cpu_limit_millis / 1000);
            given(&draft, "nightjar_container_memory_request_bytes", (double)item->memory_request_bytes);
            given(&draft, "nightjar_container_memory_limit_bytes", (double)item->memory_limit_bytes);
            sample(&draft, "nightjar_container_oom_kills", NULL, (double)item->oom_kills);
        }
        push(queue, &draft);
    }
}

static void latency(struct draft *draft, const struct nj_check_rollup *item)
{
    static const char name[] = "nightjar_probe_latency_seconds";
    struct nj_sketch sketch = {0};
    if (item->latency_len == 0 || nj_sketch_decode(item->latency, item->latency_len, &sketch) < 0)
        return;
    if (sketch.count > 0) {
        sample(draft, name, "0.5", nj_sketch_quantile(&sketch, 0.5));
        sample(draft, name, "0.95", nj_sketch_quantile(&sketch, 0.95));
        sample(draft, name, "0.99", nj_sketch_quantile(&sketch, 0.99));
        sample(draft, "nightjar_probe_latency_seconds_avg", NULL, sketch.sum / (double)sketch.count);
        sample(draft, "nightjar_probe_latency_seconds_max", NULL, sketch.max);
    }
    nj_sketch_done(&sketch);
}

void nj_remote_queue_rollups(struct nj_remote_queue *queue, const char *cluster,
                             const struct nj_rollups *rollups)
{
    for (size_t i = 0; i < rollups->count; i++) {
        const struct nj_check_rollup *item = &rollups->items[i];
        if (item->runs == 0)
            continue;
        struct draft draft = draft_of(rollups->minute_ns);
        label(&draft, "cluster", cluster);
        label(&draft, "monitor", item->key.monitor);
        label(&draft, "namespace", item->namespace);
        label(&draft, "service", item->service);
        label(&draft, "target", item->key.target);
        label(&draft, "target_name", item->target_name);
        sample(&draft, "nightjar_probe_runs", NULL, item->runs);
        sample(&draft, "nightjar_probe_failures", NULL, item->failures);
        latency(&draft, item);
        push(queue, &draft);
    }
}

size_t nj_remote_queue_batch(const struct nj_remote_queue *queue, size_t samples, size_t *ret_samples)
{
    size_t entries = 0, total = 0;
    const struct nj_remote_entry *entry = NULL;
    DL_FOREACH (queue->entries, entry) {
        if (entries > 0 && total + entry->values_count > samples)
            break;
        total += entry->values_count;
        entries++;
    }
    *ret_samples = total;
    return entries;
}

void nj_remote_queue_pop(struct nj_remote_queue *queue, size_t entries)
{
    for (; entries > 0 && queue->entries != NULL; entries--)
        drop_first(queue, queue->entries);
}
