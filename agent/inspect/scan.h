/*
 * One pass over /proc and the cgroups: every process, mapped to its container, and every container's figures.
 *
 * Processes are remembered by a handle of their directory in /proc: one that has not changed costs two system
 * calls. A process that vanishes between two reads counts for nothing; a pid used again is a new process.
 * Names, limits and cgroups of known processes are read again at the second scan and then seldom. A process
 * whose first thread has ended while others live is no zombie. Where a process could not be looked at, what
 * processes sum up to is NJ_UNKNOWN, of every container and the node, as it may have been anybody's.
 *
 * Before Linux 6.2 open files have to be listed, a microsecond each: a scan lists 20,000, beginning where the
 * one before ended; the others' numbers are those of earlier scans.
 *
 * A scan is for one thread at a time (the inspection's worker), never the loop: with unreadable files or an
 * older kernel it may take long. It holds three descriptors for each process, but no more than half of
 * what RLIMIT_NOFILE allows when it is made (processes beyond cost five system calls more), and up to
 * 2,048 files of the containers' cgroups, for each of which the kernel keeps a page. Results are borrowed
 * until the next nj_scan_run().
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
    /* Whether a container's cgroup is to be read, asked at each scan; without, its figures of it are
     * NJ_UNKNOWN. NULL: all are. Half of a node's containers are sandboxes of which nobody wants to know. */
    bool (*wanted)(void *data, const char *container_id);
    void *data;
};

struct nj_scan_losses {
    uint64_t processes, containers; /* that the bounds left out, in all scans since the start: one that is
                                       left out in ten counts ten times */
    uint64_t unreadable;            /* reads that were refused */
};

/* 0 or a negative errno: -ENOENT when no cgroups are mounted there. */
int nj_scan_new(const struct nj_scan_options *options, struct nj_scan **ret_scan);
void nj_scan_free(struct nj_scan *scan); /* takes NULL */

/* `now_ns` is monotonic. 0 or a negative errno when /proc cannot be read at all; the results are then those
 * of the scan before. */
int nj_scan_run(struct nj_scan *scan, int64_t now_ns);

/* Ordered by id. Sockets are not filled in: sockets.h. */
struct nj_container_figures *nj_scan_containers(struct nj_scan *scan, size_t *ret_count);
/* processes, threads, zombies, host_* and zombie_parent. */
void nj_scan_node(const struct nj_scan *scan, struct nj_node_figures *node);
struct nj_scan_losses nj_scan_losses(const struct nj_scan *scan);

/* The processes of a container at the last scan, without zombies, in the order of their start; how many. For
 * finding out which one is to blame, and whose network namespace to look into. */
size_t nj_scan_processes(const struct nj_scan *scan, const char *container_id,
                         struct nj_inspect_process *ret_processes, size_t max);
struct nj_cgroup *nj_scan_cgroup(struct nj_scan *scan, const char *container_id); /* borrowed; NULL */

#endif
