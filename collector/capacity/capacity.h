/*
 * What the nodes hold and could hold: requests and real use per node and namespace (overselling, waste), and
 * the domino forecast (capacity_forecast.h): were one node lost, where would its pods go, which would find no
 * other node, and which node would be next to fall. Fed with the Nodes (collector/cluster/nodes.h) and each
 * node's latest minute (NJ_EVENT_USAGE).
 *
 * A pod's use is the 95th percentile (nearest rank) of its minutes of the last hour, since this process
 * began: of CPU each minute's average, of memory its maximum, its containers together. A pod of which
 * nothing was measured counts with its requests where use is asked for.
 *
 * Placement follows the scheduler's filters: allocatable CPU, memory and pods by requests, taints and
 * tolerations, node selectors and required node affinity, unschedulable; pods in order of priority, each to
 * the node with the largest room. "By use" does the same with what the pods really used in place of
 * requests. Inter-pod affinity, topology spread, volumes, host ports, preemption and resources besides CPU
 * and memory are not looked at, and REST says so.
 * The pods of DaemonSets, static pods and bare pods move nowhere. A node that is not ready, or whose agent is
 * silent, takes nothing and is not lost. The forecast is worked out at most every interval, in slices of a
 * few ms.
 *
 * A loss is told when two forecasts in a row say that pods would find no other node by requests, or that
 * another node would fall; over when two say that it would not. Of at most NJ_CAPACITY_TOLD_MAX nodes at
 * once, the worst first. Nothing is judged while a ready node's agent has become silent within the hour.
 *
 * Views are borrowed and valid until the loop runs again. Loop thread only.
 */
#ifndef NJ_CAPACITY_CAPACITY_H
#define NJ_CAPACITY_CAPACITY_H

#include "collector/capacity/capacity_forecast.h"
#include "collector/cluster/nodes.h"
#include "common/base/buf.h"
#include "common/wire/event.h"

struct nj_capacity;

enum {
    NJ_CAPACITY_TOLD_MAX = 20,
    NJ_CAPACITY_SERIES_MAX = 5000,     /* nodes in /metrics */
    NJ_CAPACITY_PLACEMENTS_MAX = 4096, /* distinct ones; pods of further ones are not tried, and counted */
};

struct nj_capacity_options {
    struct nj_loop *loop;
    struct nj_nodes *nodes;     /* borrowed; may be NULL: no Nodes are watched, and nothing is forecast */
    struct nj_metrics *metrics; /* may be NULL */
    int64_t interval_ns;        /* of the forecast */
    int64_t silent_after_ns;    /* a node's minutes older than this count no more */
    size_t max_nodes, max_pods; /* of all nodes together; beyond, further ones are left out, and counted */
    /* Losing a node would leave pods unplaceable, or no longer would: NJ_TROUBLE_NODE_LOSS of that node. Only
     * where the cluster has at least two usable nodes. What lasts is told again every 5 minutes, as the same
     * fact. Borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    void *data;
};

struct nj_capacity *nj_capacity_new(const struct nj_capacity_options *options);
/* Before the loop runs: a loss that an earlier process told of (from the engine), so that its end is told. */
void nj_capacity_remember(struct nj_capacity *capacity, const char *node, int64_t since_ns);
void nj_capacity_stop(struct nj_capacity *capacity); /* takes NULL; no timer is armed any more */
void nj_capacity_free(struct nj_capacity *capacity); /* takes NULL; after nj_capacity_stop() */

/* A node's minute (all its parts, in any order); from a commit. Borrowed. */
void nj_capacity_usage(struct nj_capacity *capacity, const char *node, const struct nj_usage *usage);

struct nj_capacity_sum {
    uint32_t pods, unmeasured; /* the latter: whose use is not known */
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes;
    int64_t cpu_use_micros, memory_use_bytes;
    int64_t cpu_waste_micros, memory_waste_bytes; /* requested and not used, pod by pod */
};

struct nj_capacity_refusal {
    const char *namespace, *pod, *why;
};

/* What the latest forecast says of a node's loss. */
struct nj_capacity_loss {
    int64_t at_ns;                      /* 0: nothing was forecast */
    uint32_t movable, fixed, unchecked; /* pods that were placed; that move nowhere; whose placement is
                                           not known */
    uint32_t unplaceable[NJ_FORECAST_BYS];
    const struct nj_capacity_refusal *refusals[NJ_FORECAST_BYS]; /* the first */
    size_t refusals_count[NJ_FORECAST_BYS];
    const char *next; /* to fall; "" for none */
    double next_share;
    const char *const *fallen;
    size_t fallen_count;
    uint32_t fallen_unplaceable;
    bool told;
};

struct nj_capacity_node_view {
    const char *name;
    const struct nj_nodes_node *node;     /* NULL: the cluster has none of this name */
    const char *bad[NJ_NODES_CONDITIONS]; /* its conditions; see nj_nodes_bad() */
    size_t bad_count;
    int64_t minute_ns;                        /* the latest; 0: none */
    int64_t cpu_use_micros, memory_use_bytes; /* of the whole node, as the pods'; -1: not known */
    struct nj_capacity_sum sum;               /* of its pods */
    struct nj_capacity_loss loss;
};

struct nj_capacity_pod_view {
    const char *namespace, *name, *uid, *workload_kind, *workload;
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes;
    int64_t cpu_use_micros, memory_use_bytes; /* -1: not known */
    int32_t priority;
    bool movable;
};

struct nj_capacity_filter {
    const char *name, *after; /* NULL: any; in order of names */
    bool critical;            /* only nodes whose loss would leave pods without a node, or fell another */
    size_t limit;
};

/* Nodes that are in the cluster or of which minutes came, by name. True: there are more. */
bool nj_capacity_each_node(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                           void (*each)(void *data, const struct nj_capacity_node_view *node), void *data);
bool nj_capacity_each_namespace(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                                void (*each)(void *data, const char *name, const struct nj_capacity_sum *sum),
                                void *data);
void nj_capacity_each_pod(struct nj_capacity *capacity, const char *node,
                          void (*each)(void *data, const struct nj_capacity_pod_view *pod), void *data);

/* Of the latest forecast that is complete. */
struct nj_capacity_summary {
    int64_t at_ns; /* 0: none */
    uint32_t nodes, usable;
    uint32_t critical; /* whose loss would leave pods without a node, or fell another */
};
void nj_capacity_summary(const struct nj_capacity *capacity, struct nj_capacity_summary *ret_summary);

/* nightjar_node_loss_unplaceable_pods{node,by} as Prometheus text. 0 or -EOVERFLOW. */
int nj_capacity_exposition(struct nj_capacity *capacity, struct nj_buf *out);

#endif
