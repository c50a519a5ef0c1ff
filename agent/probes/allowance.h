/*
 * How long a pod may take to start before its failing checks are held against it, worked out from its own
 * probes and its workload's progress deadline. Pure.
 *
 * It counts from when the pod's containers began (the latest first start of its app containers; while one has
 * not run yet, the pod is still starting). Each app container may take: with a startup probe, its
 * initialDelaySeconds + periodSeconds x failureThreshold + timeoutSeconds, and then the same of its readiness
 * probe; without one, the longer of its liveness and readiness probes' same sums; without a liveness probe
 * either, nothing ends it and it has the workload's progressDeadlineSeconds. The pod may take as long as the
 * longest of them, and no longer than that deadline where the workload has one. Once Ready, a pod is never
 * starting again: a container that starts anew is not.
 *
 * Sources: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/,
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds.
 */
#ifndef NJ_PROBES_ALLOWANCE_H
#define NJ_PROBES_ALLOWANCE_H

#include "common/kube/objects.h"

enum { NJ_PROGRESS_DEADLINE_S = 600 /* a Deployment's by default; and what others have */ };

struct nj_allowance {
    int64_t began_ns; /* when all app containers had begun, wall; 0: one has not run yet */
    int64_t own_s;    /* what the pod's own probes give it; -1: nothing but the deadline ends it */
    bool ready;       /* the pod is Ready, or was once */
};

/* `before` is what was worked out when the pod was seen last; NULL: it is new. What once began or was Ready
 * stays so. */
void nj_allowance_read(const struct nj_pod_object *pod, const struct nj_allowance *before,
                       struct nj_allowance *ret_allowance);

/* From when on failing is held against it, wall ns: 0 at once, INT64_MAX not as things are. `deadline_s` is
 * the Deployment's; 0: it has none, or it is not known. */
int64_t nj_allowance_until(const struct nj_allowance *allowance, int64_t deadline_s);

#endif
