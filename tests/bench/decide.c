/*
 * bench_decide FOLDER OPEN MEASURED: what deciding who hears of an incident costs, beside many that are open.
 *
 * OPEN incidents of as many workloads are opened; then MEASURED more are, each by its event: the engine folds
 * it, asks 20 silences (half of them regular expressions) whether to hold it back, goes through 10 routes,
 * and queues a row for two channels with a reminder each, in the writer's transaction of 100. The clock is
 * CPU time without the commits. Prints one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/bench/measure.h"

enum { SILENCES = 20, COMMIT_EVENTS = 100 };

static const int64_t begin_ns = INT64_C(1763683200) * NJ_SEC; /* 2025-11-21 00:00 UTC */

struct bench {
    struct nj_store *store;
    struct nj_pipeline *pipeline;
    struct nj_notify_settings *settings;
    struct nj_engine *engine;
    uint64_t planned;
    struct nj_err err;
};

static void check(struct bench *bench, int rc)
{
    if (rc < 0)
        nj_bench_fail("%s", bench->err.text);
}

static void on_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct bench *bench = data;
    bool any = false;
    check(bench,
          nj_ledger_plan(bench->store, bench->settings, incident, transition, begin_ns, &any, &bench->err));
    bench->planned += any ? 1 : 0;
}

static bool suppress(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size)
{
    return nj_silences_match(((struct bench *)data)->pipeline, incident, now_ns, ret_reason, size);
}

static void open_pipeline(struct bench *bench)
{
    check(bench, bench->store->ops->begin(bench->store, &bench->err));
    for (int i = 0; i < SILENCES; i++) {
        int64_t id = 0;
        char *matchers = nj_asprintf("[{\"name\":\"namespace\",\"value\":\"team-%d%s\",\"isRegex\":%s}]", i,
                                     i % 2 == 0 ? "-(a|b).*" : "", i % 2 == 0 ? "true" : "false");
        const struct nj_silence silence = {.matchers = matchers,
                                           .author = "bench",
                                           .reason = "bench",
                                           .from_ns = begin_ns - NJ_HOUR,
                                           .until_ns = begin_ns + NJ_HOUR};
        check(bench, bench->store->ops->put_silence(bench->store, &silence, &id, &bench->err));
        free(matchers);
    }
    check(bench, bench->store->ops->commit(bench->store, &bench->err));
    check(bench, nj_pipeline_open(bench->store, begin_ns, &bench->pipeline, &bench->err));
}

static void read_settings(struct bench *bench, const char *folder)
{
    struct nj_collector_config config = {0};
    struct nj_buf yaml = {0};
    char *path = nj_asprintf("%s/url", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs("http://127.0.0.1:1/", file) < 0 || fclose(file) != 0)
        nj_bench_fail("%s cannot be written", path);
    nj_buf_printf(&yaml,
                  "notify:\n  channels:\n  - {name: a, type: webhook, url_file: %s}\n"
                  "  - {name: b, type: webhook, url_file: %s}\n  routes:\n",
                  path, path);
    for (int i = 0; i < 9; i++)
        nj_buf_printf(&yaml, "  - {group: g%d, channels: [a], namespace: 'other-%d-*'}\n", i, i);
    nj_buf_append_str(&yaml, "  - {group: all, channels: [a, b], mentions: [li], repeat: 4h}\n");
    check(bench, nj_config_load_text(nj_collector_config_table, "bench", nj_buf_str(&yaml), yaml.len, NULL, 0,
                                     &config, &bench->err));
    check(bench, nj_notify_settings_new(&config, &bench->settings, &bench->err));
    bench->settings->pipeline = bench->pipeline;
    nj_config_done(nj_collector_config_table, &config);
    nj_buf_done(&yaml);
    free(path);
}

static void apply(struct bench *bench, uint64_t i)
{
    char id[64], uid[64], pod[64], workload[64];
    (void)snprintf(id, sizeof(id), "crash-%" PRIu64, i);
    (void)snprintf(uid, sizeof(uid), "1d9c2b1e-7a41-4d0e-9f7e-%012" PRIx64, i);
    (void)snprintf(pod, sizeof(pod), "workload-%" PRIu64 "-5f7c9-x2k4p", i);
    (void)snprintf(workload, sizeof(workload), "workload-%" PRIu64, i);
    const struct nj_event event = {
        .id = id,
        .type = NJ_EVENT_CRASH,
        .at_ns = begin_ns,
        .seen_ns = begin_ns,
        .subject = {.namespace = "shop",
                    .pod = pod,
                    .pod_uid = uid,
                    .node = "node-1",
                    .workload_kind = "Deployment",
                    .workload = workload,
                    .container = "app"},
        .crash = {.container_id = id, .image = "registry.example/shop:1", .reason = "Error", .exit_code = 1}};
    const struct nj_event_origin origin = {.cluster = "prod", .project = "", .node = "node-1"};
    if (nj_engine_apply(bench->engine, &origin, &event, true, begin_ns) == 0)
        nj_bench_fail("event %" PRIu64 " belongs to no incident", i);
}

/* As ingest does, so many events in a transaction; returns the CPU time without the commits. */
static int64_t apply_all(struct bench *bench, uint64_t from, uint64_t count)
{
    int64_t took_ns = 0;
    for (uint64_t i = 0; i < count; i += COMMIT_EVENTS) {
        check(bench, bench->store->ops->begin(bench->store, &bench->err));
        int64_t began_ns = nj_bench_cpu_ns();
        for (uint64_t j = i; j < i + COMMIT_EVENTS && j < count; j++)
            apply(bench, from + j);
        took_ns += nj_bench_cpu_ns() - began_ns;
        check(bench, bench->store->ops->commit(bench->store, &bench->err));
        nj_engine_clear_changes(bench->engine);
    }
    return took_ns;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        nj_bench_fail("usage: bench_decide FOLDER OPEN MEASURED");
    uint64_t open = strtoull(argv[2], NULL, 10), measured = strtoull(argv[3], NULL, 10);
    struct bench bench = {0};
    char *path = nj_asprintf("%s/decide.db", argv[1]);
    check(&bench, nj_store_open_sqlite(path, true, &bench.store, &bench.err));
    open_pipeline(&bench);
    read_settings(&bench, argv[1]);
    const struct nj_engine_options options = {.stale_after_ns = NJ_DAY,
                                              .since_slack_ns = NJ_MIN,
                                              .max_open = open + measured + 1,
                                              .max_subjects = 10000,
                                              .on_transition = on_transition,
                                              .suppress = suppress,
                                              .data = &bench};
    bench.engine = nj_engine_new(&options, 1);
    (void)apply_all(&bench, 0, open);
    bench.planned = 0;
    int64_t took_ns = apply_all(&bench, open, measured);
    if (bench.planned != measured)
        nj_bench_fail("%" PRIu64 " of %" PRIu64 " incidents were queued", bench.planned, measured);
    (void)printf("{\"microseconds\":%.3f,\"open\":%zu}\n", (double)took_ns / 1000.0 / (double)measured,
                 nj_engine_open_count(bench.engine));
    nj_engine_free(bench.engine);
    nj_notify_settings_unref(bench.settings);
    nj_pipeline_free(bench.pipeline);
    bench.store->ops->close(bench.store);
    free(path);
    return EXIT_SUCCESS;
}
