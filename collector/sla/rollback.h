/*
 * Rolls a workload (Deployment, StatefulSet, DaemonSet) back whose new revision has failed, where its
 * annotation asks for it:
 *
 *   nightjar.dev/auto-rollback: "10m"     when the rollout fails within that time after it began
 *
 * and the setting rollback.enabled allows it. As `kubectl rollout undo` does
 * (k8s.io/kubectl/pkg/polymorphichelpers/rollback.go): spec.template becomes that of the latest earlier
 * revision, here of those that are not known to have failed: of a Deployment its ReplicaSet's without its
 * pod-template-hash, of others what the ControllerRevision holds (rollouts_revisions.h), which as a whole
 * takes the template's place. Other than kubectl, of the annotations only kubernetes.io/change-cause is set:
 * the earlier revision's would take the workload's own away.
 *
 * A dry run goes first, and a refusal ends it. Each patch holds the resourceVersion that was read; when only
 * the status or the scale has changed meanwhile it is tried again, a few times, and when the template has it
 * is left alone. A template is rolled back once: whoever brings it again means it; the annotation
 * nightjar.dev/rolled-back on the workload holds the hashes, written by the same patch, whatever the
 * collector remembers. Paused ones are left alone. At most so many an hour in the whole cluster.
 *
 * Pods are never deleted: a StatefulSet whose first new pod never became ready stays at it after its template
 * was rolled back (https://github.com/kubernetes/kubernetes/issues/67250), and pods that change by hand
 * (OnDelete) wait for that; both are said in the result.
 *
 * Needs the rights of deploy/manifests/rollback. Loop thread only; strings passed in are borrowed.
 */
#ifndef NJ_SLA_ROLLBACK_H
#define NJ_SLA_ROLLBACK_H

#include "collector/cluster/workloads.h"
#include "collector/sla/rollouts.h"
#include "common/base/metrics.h"
#include "common/kube/client.h"

struct nj_rollback;

#define NJ_ROLLBACK_ANNOTATION "nightjar.dev/auto-rollback"
#define NJ_ROLLBACK_DONE_ANNOTATION "nightjar.dev/rolled-back" /* hashes, the latest last, with commas */
#define NJ_ROLLBACK_MANAGER "nightjar-collector"

enum { NJ_ROLLBACK_PER_HOUR_MAX = 100 };

struct nj_rollback_result {
    int64_t rollout; /* the failed one's id */
    const char *namespace, *workload_kind, *workload;
    bool rolled_back;
    const char *text; /* for people: "rolled back to revision 2", "not rolled back: it is paused" */
};

struct nj_rollback_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    bool enabled;
    int64_t max_per_hour; /* 1 to NJ_ROLLBACK_PER_HOUR_MAX */
    /* What came of one that was asked for, once: to be told in the rollout's incident, and logged when it is
     * not rolled back. Borrowed. Also within nj_rollback_consider(). */
    void (*on_result)(void *data, const struct nj_rollback_result *result);
    void *data;
};

struct nj_rollback *nj_rollback_new(const struct nj_rollback_options *options);
/* New settings. */
void nj_rollback_set(struct nj_rollback *rollback, bool enabled, int64_t max_per_hour);

/* A record as it is: those that are stored at the start, in the order of their ids, then whatever on_rollout
 * tells. Which revisions are good is known from it, and how many were rolled back within the hour. */
void nj_rollback_note(struct nj_rollback *rollback, const struct nj_rollout *rollout);

/* The rollout has just failed. Whether its workload asks for it and on_result() has told or will tell what
 * came of it. */
bool nj_rollback_consider(struct nj_rollback *rollback, struct nj_workloads *workloads,
                          const struct nj_rollout *rollout);

/* Likewise of one that had failed before the start, where an earlier process may not have come to it: only
 * while the annotation's time has not passed since it failed. */
bool nj_rollback_resume(struct nj_rollback *rollback, struct nj_workloads *workloads,
                        const struct nj_rollout *rollout);

/* on_result() is not called any more. Takes NULL. */
void nj_rollback_close(struct nj_rollback *rollback, void (*on_closed)(void *data), void *data);

#endif
