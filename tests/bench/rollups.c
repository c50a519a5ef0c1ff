/*
 * bench_rollups DATABASE SERIES MINUTES COMMIT_ROLLUPS: minutes of checks, as the collector stores them.
 *
 * Each of so many series gets each minute: its target is seen, the minute is stored and merged into the hour
 * and the day, and every COMMIT_ROLLUPS of them are committed (an agent's event holds up to 256). Then a
 * series is read back: its minutes, and its share of percentiles. Prints one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/store.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "tests/bench/measure.h"

enum { NAME_BYTES = 96, RUNS = 6, READS = 20 };

static const int64_t begin_ns = INT64_C(1763683200) * NJ_SEC; /* 2025-11-21 00:00 UTC */

static void check(int rc, const struct nj_err *err)
{
    if (rc < 0)
        nj_bench_fail("%s", err->text);
}

/* Six runs of a few milliseconds, one in a hundred minutes with a failure. */
static void make_minute(uint64_t series, uint64_t minute, struct nj_sketch *sketch, struct nj_buf *latency,
                        struct nj_check_rollup *rollup)
{
    static const struct nj_rollup_error_count errors[] = {{.cause = "status", .status = 503, .count = 1}};
    uint64_t noise = (series * UINT64_C(0x9e3779b97f4a7c15)) ^ (minute * UINT64_C(0xbf58476d1ce4e5b9));
    nj_sketch_clear(sketch);
    for (int i = 0; i < RUNS; i++) {
        noise = noise * UINT64_C(6364136223846793005) + 1;
        nj_sketch_add(sketch, 0.002 + (double)(noise >> 40) / (double)(1 << 24) * 0.03);
    }
    nj_buf_clear(latency);
    (void)nj_sketch_encode(sketch, latency);
    rollup->runs = RUNS;
    rollup->errors = errors;
    rollup->errors_count = minute % 100 == series % 100;
    rollup->failures = (uint32_t)rollup->errors_count;
    rollup->latency = latency->data;
    rollup->latency_len = latency->len;
}

static void put_targets(struct nj_store *store, uint64_t series_count)
{
    struct nj_err err = {0};
    check(store->ops->begin(store, &err), &err);
    for (uint64_t i = 0; i < series_count; i++) {
        char target[NAME_BYTES], monitor[NAME_BYTES];
        (void)snprintf(target, sizeof(target), "pod/1d9c2b1e-7a41-4d0e-9f7e-%012" PRIx64 "/8080/IPv4", i);
        (void)snprintf(monitor, sizeof(monitor), "service.shop.service-%" PRIu64, i / 10);
        const struct nj_store_target record = {.cluster = "prod",
                                               .key = {.monitor = monitor, .target = target},
                                               .source = "derived",
                                               .namespace = "shop",
                                               .state = "passing",
                                               .since_ns = begin_ns,
                                               .seen_ns = begin_ns};
        check(store->ops->put_target(store, &record, &err), &err);
    }
    check(store->ops->commit(store, &err), &err);
}

static void add_one(struct nj_store *store, uint64_t series, uint64_t minute, struct nj_sketch *sketch,
                    struct nj_buf *latency)
{
    struct nj_err err = {0};
    char target[NAME_BYTES], monitor[NAME_BYTES], service[NAME_BYTES];
    struct nj_target_seen seen;
    int64_t at_ns = begin_ns + (int64_t)minute * NJ_MIN;
    (void)snprintf(target, sizeof(target), "pod/1d9c2b1e-7a41-4d0e-9f7e-%012" PRIx64 "/8080/IPv4", series);
    (void)snprintf(service, sizeof(service), "service-%" PRIu64, series / 10);
    (void)snprintf(monitor, sizeof(monitor), "service.shop.service-%" PRIu64, series / 10);
    struct nj_check_rollup rollup = {.key = {.monitor = monitor, .target = target},
                                     .namespace = "shop",
                                     .service = service,
                                     .target_name = "cart-5f7c9-x2k4p",
                                     .state = "passing"};
    make_minute(series, minute, sketch, latency, &rollup);
    check(store->ops->add_rollup(store, "prod", at_ns, &rollup, &err), &err);
    check(store->ops->see_target(store, "prod", &rollup.key, "passing", at_ns, &seen, &err), &err);
    if (!seen.as_told)
        nj_bench_fail("target %s is not known", target);
}

static void add_all(struct nj_store *store, uint64_t series_count, uint64_t minutes, uint64_t commit_rollups)
{
    struct nj_err err = {0};
    struct nj_sketch sketch = {0};
    struct nj_buf latency = {0};
    uint64_t done = 0;
    for (uint64_t minute = 0; minute < minutes; minute++) {
        for (uint64_t series = 0; series < series_count; series++) {
            if (done++ % commit_rollups == 0)
                check(store->ops->begin(store, &err), &err);
            add_one(store, series, minute, &sketch, &latency);
            if (done % commit_rollups == 0 || done == series_count * minutes)
                check(store->ops->commit(store, &err), &err);
        }
    }
    nj_sketch_done(&sketch);
    nj_buf_done(&latency);
}

static int merge_point(void *data, const struct nj_series_point *point)
{
    struct nj_sketch *sum = data;
    struct nj_sketch sketch;
    if (nj_sketch_decode(point->latency, point->latency_len, &sketch) < 0)
        nj_bench_fail("a point's latency does not decode");
    nj_sketch_merge(sum, &sketch);
    nj_sketch_done(&sketch);
    return 0;
}

/* A Service's minutes, read and merged; the median time of a few such questions. */
static int64_t read_service(struct nj_store *store, uint64_t minutes)
{
    int64_t took[READS];
    struct nj_err err = {0};
    for (int i = 0; i < READS; i++) {
        struct nj_sketch sum = {0};
        const struct nj_series_filter filter = {
            .cluster = "prod", .monitor = "service.shop.service-1", .until_ns = INT64_MAX};
        int64_t began = nj_bench_mono_ns();
        check(store->ops->each_point(store, &filter, merge_point, &sum, &err), &err);
        (void)nj_sketch_quantile(&sum, 0.99);
        took[i] = nj_bench_mono_ns() - began;
        if (sum.count != (uint64_t)10 * minutes * RUNS)
            nj_bench_fail("%" PRIu64 " runs came back, not %" PRIu64, sum.count, 10 * minutes * RUNS);
        nj_sketch_done(&sum);
    }
    return nj_bench_percentile(took, READS, 0.5);
}

int main(int argc, char **argv)
{
    struct nj_store *store = NULL;
    struct nj_err err = {0};
    if (argc != 5)
        nj_bench_fail("usage: bench_rollups DATABASE SERIES MINUTES COMMIT_ROLLUPS");
    uint64_t series = strtoull(argv[2], NULL, 10), minutes = strtoull(argv[3], NULL, 10);
    uint64_t commit_rollups = strtoull(argv[4], NULL, 10);
    if (series < 20 || minutes < 1 || commit_rollups < 1)
        nj_bench_fail("at least 20 series, 1 minute and 1 rollup in a commit");
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    put_targets(store, series);
    int64_t began = nj_bench_mono_ns(), cpu_began = nj_bench_cpu_ns(), bytes = 0;
    add_all(store, series, minutes, commit_rollups);
    double seconds = (double)(nj_bench_mono_ns() - began) / (double)NJ_SEC;
    double cpu_seconds = (double)(nj_bench_cpu_ns() - cpu_began) / (double)NJ_SEC;
    double rollups = (double)(series * minutes);
    int64_t read_ns = read_service(store, minutes);
    store->ops->close(store);
    check(nj_store_open_sqlite(argv[1], true, &store, &err), &err);
    check(store->ops->size(store, &bytes, &err), &err);
    store->ops->close(store);
    (void)printf("{\"rollupsPerSecond\":%.1f,\"rollupsPerCpuSecond\":%.1f,\"bytesPerRollup\":%.1f,"
                 "\"readServiceMs\":%.3f}\n",
                 rollups / seconds, rollups / cpu_seconds, (double)bytes / rollups,
                 (double)read_ns / (double)NJ_MS);
    return EXIT_SUCCESS;
}
