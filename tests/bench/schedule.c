/*
 * bench_schedule PORT CHECKS INTERVAL_S SECONDS: how punctual many checks are, and what they cost.
 *
 * As an agent does it, with its defaults: GETs of http://127.0.1.x:PORT/, each check at its own place in the
 * interval. After the first interval, and as long as their first runs take, every run's begin is compared
 * with when it was planned, SECONDS long. The server is another process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/trim.h"
#include "common/probe/checks_internal.h"
#include "tests/bench/measure.h"

enum {
    CONCURRENT = 256, /* the agent's defaults */
    STARTS_PER_S = 1000,
    RESPONSE_MAX = 1 << 20,
    HOSTS = 100, /* loopback addresses: one alone runs out of ports for connections that were closed */
};

struct bench {
    struct nj_loop loop;
    struct nj_prober *prober;
    struct nj_checks *checks;
    struct nj_timer timer;
    int64_t seconds;
    int64_t *delays;
    size_t delays_count, delays_max;
    uint64_t runs, failures, rollups;
    int64_t cpu_ns;
    bool measuring;
};

/* The linker puts this in front of nj_probe_start() (--wrap): the moment in which a run begins. */
int __real_nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                          struct nj_probe_run **ret_run, struct nj_err *err);
int __wrap_nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                          struct nj_probe_run **ret_run, struct nj_err *err);
int __wrap_nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                          struct nj_probe_run **ret_run, struct nj_err *err)
{
    const struct nj_check *check = request->data;
    struct bench *bench = check->checks->options.data;
    if (bench->measuring && bench->delays_count < bench->delays_max)
        bench->delays[bench->delays_count++] = nj_loop_mono_ns(&bench->loop) - check->planned_ns;
    return __real_nj_probe_start(prober, request, ret_run, err);
}

static void on_result(void *data, struct nj_check *check, const struct nj_result *result, bool changed)
{
    (void)check;
    (void)changed;
    struct bench *bench = data;
    bench->runs += bench->measuring;
    bench->failures += !result->ok;
    if (!result->ok && bench->failures == 1)
        (void)fprintf(stderr, "the first failure: %s: %s\n", nj_cause_name(result->cause),
                      result->failed->got);
}

static void on_rollup(void *data, struct nj_check *check, const struct nj_rollup *rollup)
{
    (void)check;
    (void)rollup;
    struct bench *bench = data;
    bench->rollups++;
}

static void on_timer(struct nj_timer *timer)
{
    struct bench *bench = timer->data;
    if (bench->measuring) {
        bench->cpu_ns = nj_bench_cpu_ns() - bench->cpu_ns;
        bench->measuring = false;
        nj_loop_stop(&bench->loop);
        return;
    }
    nj_memory_trim(); /* as the programs do after their start */
    bench->measuring = true;
    bench->cpu_ns = nj_bench_cpu_ns();
    nj_timer_start(timer, bench->seconds * NJ_SEC, 0);
}

static void add_check(struct bench *bench, struct nj_spec *spec, long number, uint16_t port)
{
    char id[96], host[32];
    struct nj_check *check;
    struct nj_err err;
    (void)snprintf(id, sizeof(id), "service.shop.web-%ld|pod/4c0d9f5e-0000-4000-8000-%012ld/http", number,
                   number);
    (void)snprintf(host, sizeof(host), "127.0.1.%ld", 1 + number % HOSTS);
    struct nj_check_options options = {
        .id = id,
        .spec = spec,
        .target = {.host = host, .port = port, .scheme = "http", .path = "/", .trust = NJ_TRUST_CLUSTER}};
    if (nj_checks_add(bench->checks, &options, &check, &err) < 0)
        nj_bench_fail("%s", err.text);
}

/* MiB; of "VmRSS:" or "VmHWM:". */
static double memory_mib(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    }
    if (file != NULL)
        (void)fclose(file);
    return kib / 1024;
}

static void set_flag(void *data)
{
    bool *flag = data;
    *flag = true;
}

static void report(struct bench *bench)
{
    size_t count = bench->delays_count;
    double ms[4];
    static const double shares[] = {0.5, 0.99, 0.999, 1};
    for (size_t i = 0; i < 4; i++)
        ms[i] = (double)nj_bench_percentile(bench->delays, count, shares[i]) / (double)NJ_MS;
    (void)printf(
        "{\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,\"maxMs\":%.3f,\"runs\":%llu,\"failures\":%llu,"
        "\"rollups\":%llu,\"cpuSeconds\":%.3f,\"rssMiB\":%.2f,\"highestRssMiB\":%.2f}\n",
        ms[0], ms[1], ms[2], ms[3], (unsigned long long)bench->runs, (unsigned long long)bench->failures,
        (unsigned long long)bench->rollups, (double)bench->cpu_ns / (double)NJ_SEC, memory_mib("VmRSS:"),
        memory_mib("VmHWM:"));
}

int main(int argc, char **argv)
{
    if (argc != 5)
        nj_bench_fail("usage: bench_schedule PORT CHECKS INTERVAL_S SECONDS");
    uint16_t port = (uint16_t)strtol(argv[1], NULL, 10);
    long count = strtol(argv[2], NULL, 10), interval_s = strtol(argv[3], NULL, 10);
    struct nj_clock clock;
    struct bench bench = {.seconds = strtol(argv[4], NULL, 10)};
    if (count <= 0 || interval_s <= 0 || bench.seconds <= 0)
        nj_bench_fail("CHECKS, INTERVAL_S and SECONDS are positive");
    bench.delays_max = (size_t)(2 * count * (bench.seconds / interval_s + 1));
    bench.delays = nj_calloc(bench.delays_max, sizeof(int64_t));
    nj_clock_init(&clock);
    if (nj_loop_init(&bench.loop, &clock) < 0)
        nj_bench_fail("no loop");
    bench.prober = nj_prober_new(&(struct nj_prober_options){.loop = &bench.loop,
                                                             .max_response_bytes = RESPONSE_MAX,
                                                             .max_connections = CONCURRENT,
                                                             .user_agent = "nightjar/bench"});
    if (bench.prober == NULL)
        nj_bench_fail("no prober");
    struct nj_metrics *metrics = nj_metrics_new();
    bench.checks = nj_checks_new(&(struct nj_checks_options){.loop = &bench.loop,
                                                             .prober = bench.prober,
                                                             .metrics = metrics,
                                                             .max_checks = (size_t)count,
                                                             .max_concurrent = CONCURRENT,
                                                             .max_starts_per_s = STARTS_PER_S,
                                                             .on_result = on_result,
                                                             .on_rollup = on_rollup,
                                                             .data = &bench});
    char json[128];
    struct nj_spec *spec;
    struct nj_err err;
    (void)snprintf(json, sizeof(json), "{\"interval\":\"%lds\",\"timeout\":\"5s\"}", interval_s);
    if (nj_spec_parse("spec", json, strlen(json), false, &spec, &err) < 0)
        nj_bench_fail("%s", err.text);
    for (long i = 0; i < count; i++)
        add_check(&bench, spec, i, port);
    nj_timer_init(&bench.timer, &bench.loop, on_timer, &bench);
    nj_timer_start(&bench.timer, (count / STARTS_PER_S + interval_s + 1) * NJ_SEC, 0);
    nj_loop_run(&bench.loop);
    report(&bench);

    bool closed = false;
    nj_timer_stop(&bench.timer);
    nj_checks_free(bench.checks);
    nj_prober_close(bench.prober, set_flag, &closed);
    while (!closed)
        (void)uv_run(&bench.loop.uv, UV_RUN_ONCE);
    nj_spec_unref(spec);
    nj_metrics_free(metrics);
    free(bench.delays);
    return nj_loop_close(&bench.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
