/*
 * What is wrong with the node, by its own figures: a disk, inodes, the connection tracking table, open files
 * or pids near their limit, zombies that nobody reaps, a clock that is off. A pure core; one thread.
 *
 * A trouble is told when it begins, when its level changes (80, 85 or 95 per cent, see enum
 * nj_node_trouble_limits) and once when it is over, with hysteresis of NJ_NODE_BELOW points, so that a figure
 * that swings around a threshold is told once. A figure that is not known (NJ_UNKNOWN) leaves its trouble as
 * it is; a mount that is no longer there ends its own.
 */
#ifndef NJ_INSPECT_NODE_TROUBLE_H
#define NJ_INSPECT_NODE_TROUBLE_H

#include "agent/inspect/figures.h"
#include "common/wire/event.h"

/* Per cent of a limit, unless said otherwise. */
enum nj_node_trouble_limits {
    NJ_NODE_DISK_WARNING = 85,  /* as the kubelet's default imageGCHighThresholdPercent; inodes likewise */
    NJ_NODE_TABLE_WARNING = 80, /* conntrack, open files, pids */
    NJ_NODE_CRITICAL = 95,
    NJ_NODE_BELOW = 5, /* points below a threshold until its level is left */
    NJ_NODE_ZOMBIES = 1000,
    NJ_NODE_CLOCK_OFF_MS = 500,
    NJ_NODE_CLOCK_UNSYNCHRONIZED_S = 600, /* for so long before it is told */
};

struct nj_node_troubles;

struct nj_node_troubles *nj_node_troubles_new(void);
void nj_node_troubles_free(struct nj_node_troubles *troubles); /* takes NULL */

/* Compares the node's figures (all of one moment; at_ns and wall_ns are used) with what was told before, and
 * tells what began, changed its level or is over. `trouble` and its strings are borrowed until the callback
 * returns. */
void nj_node_troubles_update(struct nj_node_troubles *troubles, const struct nj_node_figures *node,
                             void (*on_trouble)(void *data, const struct nj_trouble *trouble), void *data);

#endif
