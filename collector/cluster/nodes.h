/*
 * The cluster's Nodes, watched and kept as copies, and their conditions as troubles (NJ_EVENT_TROUBLE): not
 * ready, under pressure. Records are borrowed and valid until the loop runs again. Loop thread only.
 */
#ifndef NJ_CLUSTER_NODES_H
#define NJ_CLUSTER_NODES_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "common/wire/event.h"

struct nj_nodes;

struct nj_nodes_node {
    const char *name, *uid;
    const struct nj_kube_pair *labels;
    size_t labels_count;
    int64_t created_ns;
    bool ready;
    const struct nj_node_object *node;
};

struct nj_nodes_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    size_t max_nodes;
    int64_t not_ready_after_ns; /* a new node has so long to become ready before it is told */
    /* A condition began or ended; stable ids. A node that is deleted ends what was told of it. Borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    /* A node is new, changed or gone (name); NULL when the first list has been read. May be NULL. */
    void (*on_changed)(void *data, const char *name);
    void (*on_trouble)(void *data, const struct nj_err *err); /* as the model's; may be NULL */
    void *data;
};

int nj_nodes_start(const struct nj_nodes_options *options, struct nj_nodes **ret_nodes, struct nj_err *err);
/* Before the loop runs: a trouble that was open when the collector ended (from the engine), so that its end
 * is told even when it came meanwhile. */
void nj_nodes_remember(struct nj_nodes *nodes, const char *node, enum nj_trouble_kind kind, int64_t since_ns);
bool nj_nodes_synced(const struct nj_nodes *nodes);
const struct nj_nodes_node *nj_nodes_find(struct nj_nodes *nodes, const char *name);
void nj_nodes_each(struct nj_nodes *nodes, void (*each)(void *data, const struct nj_nodes_node *node),
                   void *data);
void nj_nodes_close(struct nj_nodes *nodes, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
