/*
 * What a pod needs of a node, as Kubernetes' scheduler counts it. Pure. Private to agent/inspect.
 */
#ifndef NJ_INSPECT_POD_NEEDS_H
#define NJ_INSPECT_POD_NEEDS_H

#include "common/base/buf.h"
#include "common/kube/objects.h"

struct nj_pod_needs {
    int64_t cpu_millis, memory_bytes;
};

/* The larger of what its containers and sidecars ask for together and what its init containers do one after
 * the other, each beside the sidecars started before it; and its overhead
 * (k8s.io/component-helpers/resource, PodRequests). */
struct nj_pod_needs nj_pod_needs(const struct nj_pod_object *pod);

/* Where it may go, as `placement` of struct nj_usage_pod: nothing for a pod that may go anywhere. 0 or
 * -EOVERFLOW, by the buffer's bound. */
int nj_pod_placement(const struct nj_pod_object *pod, struct nj_buf *out);

#endif
