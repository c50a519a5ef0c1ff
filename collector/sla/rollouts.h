/*
 * Rollouts of workloads as records: a pure core fed with the workloads' changes, their pods' crashes and
 * waits, and their services' states; says when one began, how it stands, and how it ended.
 *
 * A rollout is a change of the pods' template (nj_workloads_item.revision), or a StatefulSet's partition that
 * is lowered so that more of its pods change; a scaling is none, nor is a new workload. It is done by the
 * rules of kubectl's `rollout status` (facts: k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
 *
 * It fails by: Progressing False with ProgressDeadlineExceeded (StatefulSets and DaemonSets, which have no
 * deadline: nothing moved for NJ_ROLLOUTS_STILL_NS); new pods in a crash loop, or that cannot have their
 * image or configuration; a service behind it that stays away longer than the allowance; its new pods'
 * checks. One that was undone (the next change brings an earlier template back) before it had brought a
 * single new pod to be available has failed as well. What has failed goes on until it is done after all, or
 * another change ends it.
 *
 * Where pods change by hand (OnDelete) a rollout may take weeks: only what happens while a pod is changed is
 * held against it.
 *
 * One thread. Strings passed in are borrowed.
 */
#ifndef NJ_SLA_ROLLOUTS_H
#define NJ_SLA_ROLLOUTS_H

#include "collector/cluster/workloads.h"
#include "common/base/clock.h"

struct nj_rollouts;

#define NJ_ROLLOUTS_STILL_NS (10 * NJ_MIN)
#define NJ_ROLLOUTS_ALLOWANCE_NS (30 * NJ_SEC) /* the least */
#define NJ_ROLLOUTS_GRACE_MAX_NS (10 * NJ_MIN) /* of terminationGracePeriodSeconds, the most that counts */
enum {
    NJ_ROLLOUTS_LOOP = 3,       /* so many crashes of one new pod are a crash loop, told as one or not */
    NJ_ROLLOUTS_TEXT_MAX = 4096 /* of a difference, a message; longer ones are cut */
};

enum nj_rollout_outcome {
    NJ_ROLLOUT_RUNNING = 1,
    NJ_ROLLOUT_DONE,        /* also after it had failed: failed_ns tells */
    NJ_ROLLOUT_FAILED,      /* goes on while ended_ns is 0 */
    NJ_ROLLOUT_SUPERSEDED,  /* another template came, or the workload was deleted */
    NJ_ROLLOUT_ROLLED_BACK, /* an earlier template came back */
    NJ_ROLLOUT_OUTCOMES
};
/* "running", "done", "failed", ... (outcome.c) */
const char *nj_rollout_outcome_name(enum nj_rollout_outcome outcome);
int nj_rollout_outcome_parse(const char *name, enum nj_rollout_outcome *ret_outcome);

struct nj_rollout {
    int64_t id; /* from 1, rising, given by the core; survives restarts by nj_rollouts_load() */
    const char *cluster, *namespace, *workload_kind, *workload; /* strings: borrowed, never NULL */
    const char *revision, *from_revision;                       /* "3", or a StatefulSet's update revision */
    /* Of pods' names and labels; a StatefulSet's revision. "": not known (yet). */
    const char *template_hash, *from_hash;
    const char *images, *from_images; /* "c=registry/web:2, logger=..." */
    const char *difference;           /* for people, one line a field: difference.h. "" not known (yet) */
    const char *changed_by;           /* field manager: "kubectl-set" */
    /* Annotation kubernetes.io/change-cause, when it came with the change or after it; "": it did not. */
    const char *change_cause;
    int64_t began_ns, ended_ns; /* ended_ns 0: it goes on */
    int64_t failed_ns;          /* 0: it has not failed */
    enum nj_rollout_outcome outcome;
    /* Why it failed; "" when it has not. Reasons: "ProgressDeadlineExceeded", "NoProgress", "CrashLoop",
     * "Outage", "CheckFailed", "RolledBack", or a pod's waiting reason ("ImagePullBackOff",
     * "CreateContainerConfigError"). */
    const char *reason, *message;
    int32_t desired, updated, available, min_available;
    uint32_t crashes, failed_checks;
    int64_t outage_ns; /* of its services, while it ran */
    bool told;         /* as a failure: nj_rollouts_set_told() */
};

/* pod_trouble()'s reason for a check (probe) of a pod that fails. */
#define NJ_ROLLOUT_CHECK_FAILED "CheckFailed"

struct nj_rollouts_options {
    const char *cluster; /* NULL: "" */
    size_t max_rollouts; /* that run at once; beyond, further ones are not followed, and counted */
    /* It began, changed, ended: to be stored. The same id is the same record. Borrowed. */
    void (*on_rollout)(void *data, const struct nj_rollout *rollout);
    /* It has just begun and both templates can be asked for: fetch what differs
     * (nj_rollouts_set_difference()). May be NULL. */
    void (*on_difference_wanted)(void *data, const struct nj_rollout *rollout);
    void *data;
};

struct nj_rollouts *nj_rollouts_new(const struct nj_rollouts_options *options, int64_t next_id);
void nj_rollouts_free(struct nj_rollouts *rollouts); /* takes NULL */

/* At the start, before any change: those that have not ended, and each workload's latest, so that what
 * changed while nobody looked is recognised. In the order of their ids. */
void nj_rollouts_load(struct nj_rollouts *rollouts, const struct nj_rollout *rollout);
/* Once, when every workload was told (nj_workloads' on_synced): those loaded that run and whose workload is
 * gone end, and rollouts that had begun before anybody looked are recognised. */
void nj_rollouts_synced(struct nj_rollouts *rollouts, struct nj_workloads *workloads, int64_t at_ns);

/* As nj_workloads' on_change: everything that it tells, ReplicaSets too. `workloads` is where revisions are
 * looked up; as after the change. */
void nj_rollouts_change(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                        const struct nj_workloads_item *before, const struct nj_workloads_item *after,
                        int64_t at_ns);
/* Of one that goes on, or a workload's latest; tells it by on_rollout. Others are left alone. */
void nj_rollouts_set_difference(struct nj_rollouts *rollouts, int64_t id, const char *difference);
/* What its ControllerRevisions tell of a StatefulSet's or DaemonSet's: the templates' hashes, and the earlier
 * one's images. Sets what was not known; "": not known. */
void nj_rollouts_set_templates(struct nj_rollouts *rollouts, int64_t id, const char *hash,
                               const char *from_hash, const char *from_images);
/* What came of rolling it back: in its message from now on. */
void nj_rollouts_set_rollback(struct nj_rollouts *rollouts, int64_t id, const char *text);
void nj_rollouts_set_told(struct nj_rollouts *rollouts, int64_t id);
/* Likewise; NULL: another one. Borrowed until the next call that is not const. */
const struct nj_rollout *nj_rollouts_find(const struct nj_rollouts *rollouts, int64_t id);

/* A pod of the workload crashed (reason: how, "Error", "OOMKilled"), waits (reason: "CrashLoopBackOff",
 * "ErrImagePull", "CreateContainerConfigError", "Unschedulable", ...) or its check fails
 * (NJ_ROLLOUT_CHECK_FAILED); `message`: its last words. Returns the id of the rollout that goes on and
 * explains it, or 0: none does, or the pod is of an older template (nj_rollouts_is_new_pod()). */
int64_t nj_rollouts_pod_trouble(struct nj_rollouts *rollouts, const char *namespace,
                                const char *workload_kind, const char *workload, const char *pod,
                                const char *reason, const char *message, int64_t at_ns);
/* Whether the pod is of the template that is being rolled out. A Deployment's pod has the template's hash in
 * its name; a StatefulSet's changes from the highest ordinal down; a DaemonSet's (and one that changes by
 * hand: OnDelete) is taken for a new one unless it was in trouble before the rollout began. */
bool nj_rollouts_is_new_pod(const struct nj_rollouts *rollouts, const char *namespace,
                            const char *workload_kind, const char *workload, const char *pod);

/* A service behind it is available, or no longer; also while nothing is rolled out, for what is away when a
 * rollout begins. allowance_ns: how long one may be away in a rollout (nj_rollouts_absence_ns()). */
void nj_rollouts_service(struct nj_rollouts *rollouts, const char *namespace, const char *workload_kind,
                         const char *workload, bool available, int64_t allowance_ns, int64_t at_ns);
/* What the template's probes give a pod to start: of the app container that may take longest the startup
 * probe's initialDelaySeconds + periodSeconds x failureThreshold + timeoutSeconds and the same of the
 * readiness probe, and minReadySeconds; at least NJ_ROLLOUTS_ALLOWANCE_NS, at most the progress deadline. */
int64_t nj_rollouts_allowance_ns(const struct nj_workload_object *workload);

/* How long a Service behind it may be away in a rollout: the allowance, and where pods end before their
 * successors begin (Recreate, StatefulSets, DaemonSets) the template's
 * terminationGracePeriodSeconds more, at most NJ_ROLLOUTS_GRACE_MAX_NS. */
int64_t nj_rollouts_absence_ns(const struct nj_workloads_item *workload);

void nj_rollouts_tick(struct nj_rollouts *rollouts, int64_t now_ns); /* each second or so */

/* The one of a workload that goes on (running, or failed and not ended), or NULL. Borrowed until the next
 * call that is not const. */
const struct nj_rollout *nj_rollouts_running(const struct nj_rollouts *rollouts, const char *namespace,
                                             const char *workload_kind, const char *workload);
void nj_rollouts_each_running(const struct nj_rollouts *rollouts,
                              void (*each)(void *data, const struct nj_rollout *rollout), void *data);
size_t nj_rollouts_count(const struct nj_rollouts *rollouts);      /* that go on */
uint64_t nj_rollouts_left_out(const struct nj_rollouts *rollouts); /* beyond the bound */

#endif
