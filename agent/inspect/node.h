/*
 * The node's own figures, and what is wrong with them. For the inspection's worker.
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

/* Fills in all but what a scan and the sockets know. Never blocks on a dead network file system: those are
 * left out by their type. */
void nj_node_read(const struct nj_node_options *options, int64_t now_ns, int64_t wall_ns,
                  struct nj_node_figures *node);

#endif
