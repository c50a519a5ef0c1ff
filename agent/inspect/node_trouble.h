/*
 * What is wrong with the node, by its own figures: a disk, inodes, the connection tracking table, open files
 * or pids near their limit, zombies that nobody reaps, a clock that is off. A pure core; one thread.
 *
 * A trouble is told when it begins, when its level rises further than it has been told, and once when it is
 * over; a level is left only NJ_NODE_BELOW points below its threshold, so that a figure that swings around
 * one is told once. A figure that is not known (NJ_UNKNOWN) leaves its trouble as it is; a file system that
 * is not there any more, or cannot be written, ends its own.
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
    NJ_NODE_BELOW = 5,
    NJ_NODE_ZOMBIES = 1000,               /* of what is in no pod; over at NJ_NODE_BELOW per cent less */
    NJ_NODE_CLOCK_OFF_MS = 500,           /* over at half of it */
    NJ_NODE_CLOCK_UNSYNCHRONIZED_S = 600, /* for so long before it is told */
};

struct nj_node_troubles;

struct nj_node_troubles *nj_node_troubles_new(void);
void nj_node_troubles_free(struct nj_node_troubles *troubles); /* takes NULL */

/* Takes up what an earlier process told, so that its end is told, and it is not told again; before the first
 * update. `now_ns` monotonic. */
void nj_node_troubles_restore(struct nj_node_troubles *troubles, const struct nj_trouble *trouble,
                              int64_t now_ns);

/* Compares the node's figures (all of one moment; at_ns and wall_ns are used) with what was told before, and
 * tells what began, got worse or is over. `level` is 80, 85 or 95 for a limit, 0 else and when it is over;
 * `detail` is the mount's path, or for the clock "offset" or "unsynchronized" (values in ms and s); since_ns
 * is the same as long as a trouble lasts. A clock that was never seen synchronized is no trouble: nobody may
 * keep it, or not by the kernel's means. `trouble` and its strings are borrowed until the callback
 * returns. */
void nj_node_troubles_update(struct nj_node_troubles *troubles, const struct nj_node_figures *node,
                             void (*on_trouble)(void *data, const struct nj_trouble *trouble), void *data);

#endif
