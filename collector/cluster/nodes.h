/*
 * The cluster's Nodes, watched and kept as copies, and their conditions as troubles (NJ_EVENT_TROUBLE): not
 * ready (Ready False or Unknown), under pressure (MemoryPressure, DiskPressure, PIDPressure), without network
 * (NetworkUnavailable). A node that is cordoned is in no trouble.
 *
 * A condition's lastTransitionTime is part of the event's id, so that a collector that starts again tells the
 * same facts. What lasts is told again every 5 minutes, as the same fact: of what nothing is heard for long
 * is taken for over. Not ready that turns from False to Unknown is one trouble. Records are borrowed and
 * valid until the loop runs again. Loop thread only.
 */
#ifndef NJ_CLUSTER_NODES_H
#define NJ_CLUSTER_NODES_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "common/wire/event.h"

struct nj_nodes;

struct nj_nodes_node {
    const char *name, *uid;
    const struct nj_kube_pair *labels; /* sorted by key */
    size_t labels_count;
    int64_t created_ns;
    bool ready;
    const struct nj_node_object *node;
};

struct nj_nodes_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    size_t max_nodes;           /* beyond, further ones are not followed, and counted */
    /* A new node that was never seen ready has so long to become ready, and to get its network, before it is
     * told. */
    int64_t not_ready_after_ns;
    /* A condition began or ended; stable ids. A node that is deleted ends what was told of it. Borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    void (*on_trouble)(void *data, const struct nj_err *err); /* as the model's; may be NULL */
    void *data;
};

int nj_nodes_start(const struct nj_nodes_options *options, struct nj_nodes **ret_nodes, struct nj_err *err);
/* Before the loop runs: a trouble that was open when the collector ended (from the engine), so that its end
 * is told even when it came meanwhile. Kinds that are not of conditions are left alone. */
void nj_nodes_remember(struct nj_nodes *nodes, const char *node, enum nj_trouble_kind kind, int64_t since_ns);
bool nj_nodes_synced(const struct nj_nodes *nodes);
const struct nj_nodes_node *nj_nodes_find(struct nj_nodes *nodes, const char *name); /* NULL: none */
void nj_nodes_each(struct nj_nodes *nodes, void (*each)(void *data, const struct nj_nodes_node *node),
                   void *data);
/* The conditions that are bad now (Ready when it is not True), at most NJ_NODES_CONDITIONS; names with a
 * static life. */
enum { NJ_NODES_CONDITIONS = 5 };
size_t nj_nodes_bad(const struct nj_nodes_node *node, const char *ret_names[NJ_NODES_CONDITIONS]);
void nj_nodes_close(struct nj_nodes *nodes, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
