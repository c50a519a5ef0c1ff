/*
 * The node's own figures. For the inspection's worker. See proc(5), adjtimex(2),
 * https://docs.kernel.org/filesystems/proc.html and https://docs.kernel.org/accounting/psi.html.
 */
#ifndef NJ_INSPECT_NODE_H
#define NJ_INSPECT_NODE_H

#include "agent/inspect/figures.h"

struct nj_node_options {
    const char *proc; /* the host's */
    const char *root; /* where the host's file systems are seen, to ask for their space: "" for "/". Mounts
                         that cannot be seen are left out */
    bool own_network; /* the agent is not in the host's network namespace: read /proc/1/net instead of
                         /proc/net */
};

/* Fills in all but what a scan and the sockets know. What cannot be read, or understood, is NJ_UNKNOWN.
 *
 * CPU: `other` is nice, irq and softirq; a guest's time is in `user`, as the kernel counts it. pid_max is the
 * lower one of the kernel's pid_max and threads-max: whichever is reached first. clock_error_ns is the
 * most that the clock may be wrong by.
 *
 * Mounts: file systems of local disks and tmpfs, by their types; each once, at the path where its own root is
 * seen, the shortest one. Those of pods and containers are not the node's. Nothing is asked of a network or
 * FUSE file system, nor of what is mounted below one: a server that is dead would block the caller.
 *
 * Interfaces: all but the host's ends of pods' interfaces. */
void nj_node_read(const struct nj_node_options *options, int64_t now_ns, int64_t wall_ns,
                  struct nj_node_figures *node);

#endif
