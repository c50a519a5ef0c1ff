/*
 * What nodes.c and nodes_copy.c share. Private to collector/cluster; loop thread only.
 */
#ifndef NJ_CLUSTER_NODES_INTERNAL_H
#define NJ_CLUSTER_NODES_INTERNAL_H

#include "collector/cluster/nodes.h"
#include "common/base/arena.h"

/* A copy of what is kept of a Node; the view points into the arena. False, with nothing to free: too large.
 */
bool nj_nodes_copy(const struct nj_kube_object *object, struct nj_arena *ret_arena,
                   struct nj_nodes_node *ret_view);

#endif
