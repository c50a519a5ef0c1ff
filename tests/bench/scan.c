/*
 * bench_scan SCANS: scans this machine once, and then so often again, as the agent does every 10 s. Prints
 * {"firstMs", "cpuMs" (median of the others), "processes", "containers", "fds"}.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "agent/inspect/scan.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/bench/measure.h"

enum { ARGS = 2, SCANS_MAX = 10000, MAX_PROCESSES = 32768, MAX_CONTAINERS = 1024 };

static int64_t run(struct nj_scan *scan)
{
    int64_t before = nj_bench_cpu_ns();
    int rc = nj_scan_run(scan, nj_bench_mono_ns());
    if (rc < 0)
        nj_bench_fail("the scan failed: %d", rc);
    return nj_bench_cpu_ns() - before;
}

int main(int argc, char **argv)
{
    int64_t scans;
    if (argc != ARGS || nj_parse_int(argv[1], 1, SCANS_MAX, &scans) < 0)
        nj_bench_fail("usage: bench_scan SCANS");
    struct rlimit files; /* as the agent does when it starts */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    const struct nj_scan_options options = {.proc = "/proc",
                                            .cgroup = "/sys/fs/cgroup",
                                            .max_processes = MAX_PROCESSES,
                                            .max_containers = MAX_CONTAINERS};
    struct nj_scan *scan = NULL;
    int rc = nj_scan_new(&options, &scan);
    if (rc < 0)
        nj_bench_fail("there is no scan: %d", rc);
    int64_t first_ns = run(scan);
    int64_t *ns = calloc((size_t)scans, sizeof(*ns));
    if (ns == NULL)
        nj_bench_fail("out of memory");
    for (int64_t i = 0; i < scans; i++)
        ns[i] = run(scan);
    size_t containers = 0;
    const struct nj_container_figures *figures = nj_scan_containers(scan, &containers);
    struct nj_node_figures node = {0};
    nj_scan_node(scan, &node);
    uint64_t fds = 0;
    for (size_t i = 0; i < containers; i++)
        fds += figures[i].fds;
    (void)printf("{\"firstMs\": %.3f, \"cpuMs\": %.3f, \"processes\": %" PRIu64
                 ", \"containers\": %zu, \"fds\": %" PRIu64 "}\n",
                 (double)first_ns / (double)NJ_MS,
                 (double)nj_bench_percentile(ns, (size_t)scans, 0.5) / (double)NJ_MS, node.processes,
                 containers, fds);
    free(ns);
    nj_scan_free(scan);
    return 0;
}
