/*
 * One pass over /proc and the cgroups: every process, mapped to its container, and every container's figures.
 *
 * Processes are remembered by pid and start time: one that has not changed costs two system calls. A process
 * that vanishes between two reads counts for nothing; a pid used again is a new process. A scan is for one
 * thread at a time (the inspection's worker), never the loop: with 100,000 fds or an unreadable file it may
 * take long. Results are borrowed until the next nj_scan_run().
 */
#ifndef NJ_INSPECT_SCAN_H
#define NJ_INSPECT_SCAN_H

#include "agent/inspect/cgroup.h"
#include "agent/inspect/figures.h"

struct nj_scan;

struct nj_scan_options {
    const char *proc;     /* "/proc" of the host's pid namespace; copied */
    const char *cgroup;   /* the host's /sys/fs/cgroup; copied */
    size_t max_processes; /* remembered at most; further ones are not looked at, and counted */
    size_t max_containers;
};

struct nj_scan_losses {
    uint64_t processes, containers; /* that the bounds left out, since the start */
    uint64_t unreadable;            /* reads that were refused */
};

int nj_scan_new(const struct nj_scan_options *options, struct nj_scan **ret_scan);
void nj_scan_free(struct nj_scan *scan); /* takes NULL */

/* `now_ns` is monotonic. 0 or a negative errno when /proc cannot be read at all. */
int nj_scan_run(struct nj_scan *scan, int64_t now_ns);

/* Ordered by id. Sockets are not filled in: sockets.h. */
struct nj_container_figures *nj_scan_containers(struct nj_scan *scan, size_t *ret_count);
/* processes, threads, zombies, host_* and zombie_parent. */
void nj_scan_node(const struct nj_scan *scan, struct nj_node_figures *node);
struct nj_scan_losses nj_scan_losses(const struct nj_scan *scan);

/* The processes of a container at the last scan; ret_pids in the order of their start. For finding out which
 * one is to blame, and whose network namespace to look into. */
size_t nj_scan_processes(const struct nj_scan *scan, const char *container_id,
                         struct nj_inspect_process *ret_processes, size_t max);
struct nj_cgroup *nj_scan_cgroup(struct nj_scan *scan, const char *container_id); /* borrowed; NULL */

#endif
