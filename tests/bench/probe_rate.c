/*
 * bench_probe_rate PORT HOSTS SECONDS CONCURRENCY: probes http://127.0.0.1:PORT/ to
 * http://127.0.0.HOSTS:PORT/ in turn, as many at once as told, each over a new connection, with the agent's
 * redactor and exposition. Prints
 * {"probes", "failures", "seconds", "cpuSeconds"}.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/probe/exposition.h"
#include "common/probe/prober.h"
#include "tests/bench/measure.h"

enum { HOST_MAX = 32, RESPONSE_MAX = 1024 * 1024, ARGS = 5 };

struct load {
    struct nj_clock clock;
    struct nj_loop loop;
    struct nj_prober *prober;
    struct nj_exposition *exposition;
    struct nj_spec *spec;
    uint16_t port;
    int64_t hosts, next_host, until_ns;
    uint64_t probes, failures, running;
    bool closed;
};

struct slot {
    struct load *load;
    char host[HOST_MAX];
};

static void start(struct slot *slot);

static void on_done(void *data, const struct nj_result *result)
{
    struct slot *slot = data;
    struct load *load = slot->load;
    load->running--;
    load->probes++;
    if (!result->ok) {
        if (load->failures++ == 0)
            (void)fprintf(stderr, "bench_probe_rate: %s: %s\n", nj_cause_name(result->cause),
                          result->failed->got);
    }
    const struct nj_exposition_labels labels = {.monitor = "apimonitor.bench.web",
                                                .target = slot->host,
                                                .namespace = "bench",
                                                .service = "web",
                                                .pod = "web-1",
                                                .port = load->port};
    nj_exposition_put(load->exposition, slot->host, &labels, result);
    if (nj_bench_mono_ns() < load->until_ns)
        start(slot);
}

static void start(struct slot *slot)
{
    struct load *load = slot->load;
    load->next_host = load->next_host % load->hosts + 1;
    (void)snprintf(slot->host, sizeof(slot->host), "127.0.0.%" PRId64, load->next_host);
    const struct nj_probe_request request = {.spec = load->spec,
                                             .target = {.host = slot->host,
                                                        .port = load->port,
                                                        .scheme = "http",
                                                        .path = "/",
                                                        .trust = NJ_TRUST_CLUSTER},
                                             .on_done = on_done,
                                             .data = slot};
    struct nj_err err = {0};
    if (nj_probe_start(load->prober, &request, NULL, &err) < 0)
        nj_bench_fail("%s", err.text);
    load->running++;
}

static void on_closed(void *data)
{
    bool *closed = data;
    *closed = true;
}

static int64_t number(const char *text, int64_t max)
{
    int64_t value = 0;
    if (nj_parse_int(text, 1, max, &value) < 0)
        nj_bench_fail("%s: not a number from 1 to %" PRId64, text, max);
    return value;
}

int main(int argc, char **argv)
{
    if (argc != ARGS)
        nj_bench_fail("usage: bench_probe_rate PORT HOSTS SECONDS CONCURRENCY");
    struct load load = {.port = (uint16_t)number(argv[1], UINT16_MAX), .hosts = number(argv[2], 250)};
    int64_t seconds = number(argv[3], 3600);
    int64_t concurrency = number(argv[4], 1000);
    static const char json[] = "{\"steps\":[{\"http\":{\"path\":\"/\"}}]}";
    struct nj_err err = {0};
    struct nj_redactor *redactor = NULL;
    nj_clock_init(&load.clock);
    if (nj_loop_init(&load.loop, &load.clock) < 0 ||
        nj_spec_parse("spec", json, strlen(json), false, &load.spec, &err) < 0 ||
        nj_redactor_new(true, NULL, 0, &redactor, &err) < 0)
        nj_bench_fail("%s", err.text);
    const struct nj_prober_options options = {.loop = &load.loop,
                                              .max_response_bytes = RESPONSE_MAX,
                                              .max_connections = (size_t)concurrency,
                                              .redactor = redactor,
                                              .user_agent = "nightjar/" NJ_VERSION};
    load.prober = nj_prober_new(&options);
    if (load.prober == NULL)
        nj_bench_fail("libcurl cannot be set up");
    load.exposition = nj_exposition_new((size_t)load.hosts);
    struct slot *slots = calloc((size_t)concurrency, sizeof(*slots));
    if (slots == NULL)
        nj_bench_fail("out of memory");
    int64_t began_ns = nj_bench_mono_ns();
    int64_t cpu_ns = nj_bench_cpu_ns();
    load.until_ns = began_ns + seconds * NJ_SEC;
    for (int64_t i = 0; i < concurrency; i++) {
        slots[i].load = &load;
        start(&slots[i]);
    }
    while (load.running > 0)
        (void)uv_run(&load.loop.uv, UV_RUN_ONCE);
    double took = (double)(nj_bench_mono_ns() - began_ns) / (double)NJ_SEC;
    double cpu = (double)(nj_bench_cpu_ns() - cpu_ns) / (double)NJ_SEC;
    nj_prober_close(load.prober, on_closed, &load.closed);
    while (!load.closed)
        (void)uv_run(&load.loop.uv, UV_RUN_ONCE);
    (void)printf("{\"probes\": %" PRIu64 ", \"failures\": %" PRIu64
                 ", \"seconds\": %.6f, \"cpuSeconds\": %.6f}\n",
                 load.probes, load.failures, took, cpu);
    nj_exposition_free(load.exposition);
    nj_spec_unref(load.spec);
    nj_redactor_free(redactor);
    free(slots);
    return nj_loop_close(&load.loop) == 0 ? 0 : 1;
}
