/*
 * Parts of the node's figures.
 */
#ifndef NJ_INSPECT_NODE_INTERNAL_H
#define NJ_INSPECT_NODE_INTERNAL_H

#include "agent/inspect/node.h"

enum { NJ_NODE_PATH_MAX = 512 };

/* `proc` is an fd of options->proc. Both set the counts. */
void nj_node_read_mounts(int proc, const char *root, struct nj_node_figures *node);
void nj_node_read_interfaces(int proc, const struct nj_node_options *options, struct nj_node_figures *node);

#endif
