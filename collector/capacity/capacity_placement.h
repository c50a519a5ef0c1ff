/*
 * Where a pod may go: its node selector, required node affinity and tolerations, parsed from what the agents
 * send (struct nj_usage_pod's placement), and held against a Node as the scheduler's filters
 * NodeUnschedulable, TaintToleration and NodeAffinity do (kubernetes/pkg/scheduler/framework/plugins;
 * k8s.io/component-helpers/scheduling/corev1). Pure; any thread, one at a time.
 */
#ifndef NJ_CAPACITY_PLACEMENT_H
#define NJ_CAPACITY_PLACEMENT_H

#include "collector/cluster/nodes.h"

/* The first filter that turns a node down, in the scheduler's order. */
enum nj_fit {
    NJ_FIT_OK,
    NJ_FIT_GONE, /* it is not ready, or nothing is known of it */
    NJ_FIT_UNSCHEDULABLE,
    NJ_FIT_TAINT,
    NJ_FIT_AFFINITY,
    NJ_FITS
};

struct nj_placement;

/* NULL when the text is no such JSON or too large. "" is a placement that wants nothing. */
struct nj_placement *nj_placement_parse(const char *json);
void nj_placement_free(struct nj_placement *placement); /* takes NULL */

enum nj_fit nj_placement_fit(const struct nj_placement *placement, const struct nj_nodes_node *node);

#endif
