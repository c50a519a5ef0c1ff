/*
 * What the nodes hold and could hold: requests and real use per node and namespace (overselling), and the
 * domino forecast: were one node lost, where would its pods go, which would find no other node, and which
 * node would be next to fall. Fed with the Nodes (collector/cluster/nodes.h) and each node's latest minute
 * (NJ_EVENT_USAGE).
 *
 * Placement follows the scheduler's filters: allocatable CPU, memory and pods by requests, taints and
 * tolerations, node selectors and required node affinity, unschedulable; pods in order of priority, each to
 * the node with the largest room. "By use" does the same with what the pods really used (the hour's 95th
 * percentile) in place of requests. Inter-pod affinity, topology spread, volumes and host ports are not
 * looked at, and REST says so. The pods of DaemonSets, static pods and bare pods move nowhere. Loop thread
 * only; the forecast is worked out at most every interval, in slices of a few ms.
 */
#ifndef NJ_CAPACITY_CAPACITY_H
#define NJ_CAPACITY_CAPACITY_H

#include "collector/cluster/nodes.h"
#include "common/base/buf.h"
#include "common/wire/event.h"

struct nj_capacity;

struct nj_capacity_options {
    struct nj_loop *loop;
    struct nj_nodes *nodes;     /* borrowed; may be NULL: no Nodes are watched */
    struct nj_metrics *metrics; /* may be NULL */
    int64_t interval_ns;        /* of the forecast */
    int64_t silent_after_ns;    /* a node's minutes older than this count no more */
    size_t max_pods;            /* of all nodes together; beyond, further ones are left out, and counted */
    /* Losing a node would leave pods unplaceable, or no longer would: NJ_TROUBLE_NODE_LOSS of that node. Only
     * where the cluster has at least two ready nodes. Borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    void *data;
};

struct nj_capacity *nj_capacity_new(const struct nj_capacity_options *options);
void nj_capacity_free(struct nj_capacity *capacity); /* takes NULL; after nj_capacity_stop() */
void nj_capacity_stop(struct nj_capacity *capacity); /* no timer is armed any more */

/* A node's minute (all its parts, in any order); from a commit. Borrowed. */
void nj_capacity_usage(struct nj_capacity *capacity, const char *node, const struct nj_usage *usage);

/* REST's answers, as JSON: {"items":[...]} of nodes (conditions, allocatable, requests, use, pods,
 * overselling, whether it could be lost), of namespaces (requests, limits, use, waste), and of the forecast
 * (per node: unplaceable pods by requests and by use, next to fall). 0 or -EOVERFLOW. */
int nj_capacity_nodes_json(const struct nj_capacity *capacity, struct nj_buf *out);
int nj_capacity_namespaces_json(const struct nj_capacity *capacity, struct nj_buf *out);
int nj_capacity_forecast_json(const struct nj_capacity *capacity, struct nj_buf *out);

#endif
