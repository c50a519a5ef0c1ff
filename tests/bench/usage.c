/*
 * bench_usage DATABASE CONTAINERS MINUTES COMMIT_ITEMS: minutes of what containers used, as the collector
 * stores them.
 *
 * Each of so many containers gets each minute: CPU, memory and throttling of six samples, stored and merged
 * into the hour and the day; every COMMIT_ITEMS of them are committed (an agent's event holds up to 256).
 * Then everything's hours are read, as a table of all pods does, and one workload's minutes. Prints one JSON
 * object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/store.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "tests/bench/measure.h"

enum { NAME_BYTES = 96, SAMPLES = 6, READS = 20, PER_WORKLOAD = 10, USED = 3 };

static const int64_t begin_ns = INT64_C(1763683200) * NJ_SEC; /* 2025-11-21 00:00 UTC */

static void check(int rc, const struct nj_err *err)
{
    if (rc < 0)
        nj_bench_fail("%s", err->text);
}

/* A minute: CPU that is never the same, memory that creeps up by pages, throttling in one minute of ten. */
static void make_minute(uint64_t container, uint64_t minute, struct nj_buf sketches[USED],
                        struct nj_usage_item *item)
{
    uint64_t noise = (container * UINT64_C(0x9e3779b97f4a7c15)) ^ (minute * UINT64_C(0xbf58476d1ce4e5b9));
    for (int metric = 0; metric < USED; metric++) {
        struct nj_sketch sketch = {0};
        for (int i = 0; i < SAMPLES; i++) {
            noise = noise * UINT64_C(6364136223846793005) + 1;
            double share = (double)(noise >> 40) / (double)(1 << 24);
            double pages = (double)(50000 + container + (noise >> 60) * 100);
            double value = metric == NJ_USAGE_CPU ? 0.05 + share * 0.4 : pages * 4096;
            if (metric == NJ_USAGE_THROTTLED)
                value = (container + minute) % 10 == 0 ? share * 0.1 : 0;
            nj_sketch_add(&sketch, value);
        }
        nj_buf_clear(&sketches[metric]);
        (void)nj_sketch_encode(&sketch, &sketches[metric]);
        nj_sketch_done(&sketch);
        item->metrics[metric].sketch = sketches[metric].data;
        item->metrics[metric].len = sketches[metric].len;
    }
}

static void add_one(struct nj_store *store, uint64_t container, uint64_t minute, struct nj_buf sketches[USED])
{
    struct nj_err err = {0};
    char uid[NAME_BYTES], pod[2 * NAME_BYTES], workload[NAME_BYTES], node[NAME_BYTES];
    (void)snprintf(uid, sizeof(uid), "1d9c2b1e-7a41-4d0e-9f7e-%012" PRIx64, container);
    (void)snprintf(workload, sizeof(workload), "service-%" PRIu64, container / PER_WORKLOAD);
    (void)snprintf(pod, sizeof(pod), "%s-5f7c9-%05" PRIx64, workload, container);
    (void)snprintf(node, sizeof(node), "node-%" PRIu64, container / 50);
    struct nj_usage_item item = {.namespace = "shop",
                                 .pod = pod,
                                 .pod_uid = uid,
                                 .container = "app",
                                 .workload_kind = "Deployment",
                                 .workload = workload,
                                 .cpu_request_millis = 250,
                                 .cpu_limit_millis = 1000,
                                 .memory_request_bytes = 256 << 20,
                                 .memory_limit_bytes = 512 << 20,
                                 .started_ns = begin_ns - NJ_DAY};
    make_minute(container, minute, sketches, &item);
    check(store->ops->add_usage(store, "prod", node, begin_ns + (int64_t)minute * NJ_MIN, &item, &err), &err);
}

static void add_all(struct nj_store *store, uint64_t containers, uint64_t minutes, uint64_t commit_items)
{
    struct nj_err err = {0};
    struct nj_buf sketches[USED] = {{0}};
    uint64_t done = 0;
    for (uint64_t minute = 0; minute < minutes; minute++) {
        for (uint64_t container = 0; container < containers; container++) {
            if (done++ % commit_items == 0)
                check(store->ops->begin(store, &err), &err);
            add_one(store, container, minute, sketches);
            if (done % commit_items == 0 || done == containers * minutes)
                check(store->ops->commit(store, &err), &err);
        }
    }
    for (int i = 0; i < USED; i++)
        nj_buf_done(&sketches[i]);
}

static int merge_point(void *data, const struct nj_usage_point *point)
{
    struct nj_sketch *sum = data;
    struct nj_sketch sketch;
    if (nj_sketch_decode(point->item.metrics[NJ_USAGE_CPU].sketch, point->item.metrics[NJ_USAGE_CPU].len,
                         &sketch) < 0)
        nj_bench_fail("a point's CPU does not decode");
    nj_sketch_merge(sum, &sketch);
    nj_sketch_done(&sketch);
    return 0;
}

/* Points read and merged; the median time of a few such questions. */
static int64_t read_points(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                           uint64_t samples)
{
    int64_t took[READS];
    struct nj_err err = {0};
    for (int i = 0; i < READS; i++) {
        struct nj_sketch sum = {0};
        int64_t began = nj_bench_mono_ns();
        check(store->ops->each_usage(store, filter, by_series, merge_point, &sum, &err), &err);
        took[i] = nj_bench_mono_ns() - began;
        if (sum.count != samples)
            nj_bench_fail("%" PRIu64 " samples came back, not %" PRIu64, sum.count, samples);
        nj_sketch_done(&sum);
    }
    return nj_bench_percentile(took, READS, 0.5);
}

int main(int argc, char **argv)
{
    struct nj_store *store = NULL;
    struct nj_err err = {0};
    if (argc != 5)
        nj_bench_fail("usage: bench_usage DATABASE CONTAINERS MINUTES COMMIT_ITEMS");
    uint64_t containers = strtoull(argv[2], NULL, 10), minutes = strtoull(argv[3], NULL, 10);
    uint64_t commit_items = strtoull(argv[4], NULL, 10);
    if (containers < PER_WORKLOAD || minutes < 1 || commit_items < 1)
        nj_bench_fail("at least %d containers, 1 minute and 1 item in a commit", PER_WORKLOAD);
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    int64_t began = nj_bench_mono_ns(), cpu_began = nj_bench_cpu_ns(), bytes = 0;
    add_all(store, containers, minutes, commit_items);
    double seconds = (double)(nj_bench_mono_ns() - began) / (double)NJ_SEC;
    double cpu_seconds = (double)(nj_bench_cpu_ns() - cpu_began) / (double)NJ_SEC;
    double items = (double)(containers * minutes);
    const struct nj_usage_filter hours = {
        .cluster = "prod", .until_ns = INT64_MAX, .resolution = NJ_RESOLUTION_HOUR};
    const struct nj_usage_filter workload = {
        .cluster = "prod", .namespace = "shop", .workload = "service-0", .until_ns = INT64_MAX};
    int64_t hours_ns = read_points(store, &hours, true, containers * minutes * SAMPLES);
    int64_t workload_ns = read_points(store, &workload, false, PER_WORKLOAD * minutes * SAMPLES);
    store->ops->close(store);
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    check(store->ops->size(store, &bytes, &err), &err);
    store->ops->close(store);
    (void)printf("{\"itemsPerSecond\":%.1f,\"itemsPerCpuSecond\":%.1f,\"bytesPerItem\":%.1f,"
                 "\"readAllHoursMs\":%.3f,\"readWorkloadMs\":%.3f}\n",
                 items / seconds, items / cpu_seconds, (double)bytes / items,
                 (double)hours_ns / (double)NJ_MS, (double)workload_ns / (double)NJ_MS);
    return EXIT_SUCCESS;
}
