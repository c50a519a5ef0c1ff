/*
 * From events to incidents: a pure core. It holds the open incidents, takes events and the time, and says
 * what changed; it knows no store, no loop and no channel. One thread (the store's writer). Names in events
 * are taken as they are: whoever feeds it bounds them.
 *
 * Rules. The fingerprint is (kind, cluster, namespace, workload kind, workload, container): the pods of one
 * workload that fail alike are one incident. Each incident keeps the set of subjects (pod uid and container)
 * that are in trouble; it resolves when the last one is cleared, or when nothing was heard of it for
 * `stale_after_ns`; after a start, whatever lasts has NJ_ENGINE_HEAR_AGAIN_NS to be told again. The same
 * event again changes nothing; an event with a known id and other contents corrects the record and counts
 * nothing.
 *
 * Checks. A failing or flapping target is a subject of its Service's (monitor's, node's) incident: the pod's
 * uid, or what stands for it, and in place of the container "monitor|target". The incident keeps the latest
 * failure and how many targets fail: reason SomeFail, AllFail (the Service is down: every pod target fails,
 * or every target of what has no pods) or Flapping. From some to all it has WORSENED. Passing clears a
 * target, and so do its going and its pod's deletion. Rollups of a failing target keep its incident from
 * being stale; one that passed a whole minute later says that its end was lost, and clears it.
 *
 * Troubles. A leak or a limit that is near is a subject of its container's incident, "container|kind|detail"
 * of the pod; a node's, of the node's incident ("node/NAME"); that a node's pods would find no other node, of
 * the cluster's one incident of capacity. The incident shows the worst that is told, and of equals the
 * latest; it has WORSENED when it becomes critical (80 to 95 per cent, a node under pressure that is not
 * ready any more). What is over is cleared. An end that is lost with a restart of its agent is made up for by
 * the pod's deletion, by the container's completion, and by being stale. A lasting trouble is told once, so
 * minutes of use of its container (of its node) keep it from being stale, for NJ_ENGINE_TROUBLE_KEPT_NS since
 * it was told; a node's conditions and forecasts, which the collector tells itself and remembers over a
 * restart, are never stale.
 *
 * OOM kills of processes in a container that lives on count one by one, and are over ("quiet") when there was
 * none for NJ_ENGINE_OOM_QUIET_NS, or when the container has completed or its pod is deleted.
 *
 * Absorption. While a node's incident has one of the Node's conditions (not ready, pressure, no network), and
 * for NJ_ENGINE_NODE_GRACE_NS after, what events of its pods open, and that all its checks fail, is
 * suppressed as "node": kept, counted, and without transitions. An event of another node that is well lifts
 * that, and so does the end of the grace: then it has OPENED. What is over before was never told. Pods that
 * such a node evicts count in its incident. After a start the grace begins anew where the node has recovered.
 *
 * Suppression. Nobody is told of an incident while there is a reason to hold it back: it is kept, counted and
 * readable, and `suppressed` has the reason. It is looked for when the incident opens, and once there is one
 * with each of its events, at each tick and at nj_engine_review(); when none is left and the trouble lasts,
 * it has OPENED, and stays told. What is over before was never told, and neither is its end. The engine's own
 * reasons come first: its node's trouble ("node", above), the failed rollout whose pods these are, the
 * incident that explains an outage, the registry; these three hold for NJ_ENGINE_LET_GO_NS longer, so that
 * what ends with them does. Then options.suppress is asked.
 *
 * Outages. A service that is not available is an incident of its own (critical) unless one of its workload's
 * that was told explains it: the incident that the outage refers to, or, when the cause is crash or
 * unschedulable, one of the workload's crash, image_pull, config_error, start_error, stuck or unschedulable.
 * Then it is held back ("incident 4"), and that one becomes critical, names the service in `services_down`
 * and has WORSENED.
 *
 * Rollouts. One incident a workload: a later rollout that fails too corrects it. While it is open, what the
 * pods of its template (nj_pod_is_of_template()) open is held back ("rollout failed: incident 7"), and so is
 * the outage with cause failed_rollout of the workload.
 *
 * Registries. When the images of NJ_ENGINE_REGISTRY_WORKLOADS workloads cannot be had from one registry
 * (ErrImagePull, ImagePullBackOff, RegistryUnavailable), all begun within NJ_ENGINE_REGISTRY_NS, that is one
 * incident of the registry, critical, whose subjects are the workloads; the one that completed the number and
 * what follows is held back ("registry"). It is over when not more than one of them is left.
 *
 * Kinds. A crash or lost crashes: crash. CrashLoopBackOff belongs to the crash incident of its container and
 * marks it as a loop. Other waiting reasons: image_pull (ErrImagePull, ImagePullBackOff, ErrImageNeverPull,
 * ImageInspectError, InvalidImageName, RegistryUnavailable, SignatureValidationFailed), config_error
 * (CreateContainerConfigError), start_error (RunContainerError, CreateContainerError and the hooks' errors),
 * unschedulable (Unschedulable), else stuck. A container waits for one reason at a time: another kind of
 * waiting ends the earlier one ("superseded"). Lost crashes open an incident like any crash: restarts that
 * nobody saw are a fact.
 *
 * Severity. critical: a crash loop (the container does not come back by itself). info: a pod that was ended
 * by design (preempted, node shutdown, deleted by a drain). warning: everything else. A check's is what its
 * monitor says (without a word warning, a node's critical), and critical when all of several targets fail. It
 * only rises while an incident is open.
 *
 * Count: distinct crashes, processes that were killed, pods that got stuck, pods that were ended, targets
 * that began to fail, troubles that began or made the incident worse. Lost crashes count in `lost` alone.
 *
 * Clearing. STARTED ends what is waited for, SCHEDULED unschedulable; STABLE, COMPLETED and DELETED end
 * everything of the container, or of the whole pod when the event names no container (STABLE neither troubles
 * nor OOM kills). What happened before a clearing of the same subject and arrives after it reopens nothing,
 * though a crash is still counted where an incident is open. Kubernetes' times are whole seconds: events
 * within one second of a clearing are not taken for older. After DELETED nothing of the pod is news.
 * Clearings are remembered for NJ_ENGINE_CLEARED_AGE_NS and at most NJ_ENGINE_CLEARED_MAX of them.
 */
#ifndef NJ_INCIDENT_ENGINE_H
#define NJ_INCIDENT_ENGINE_H

#include "collector/incident/incident.h"
#include "common/base/clock.h"
#include "common/wire/event.h"

struct nj_engine;

#define NJ_ENGINE_CLEARED_AGE_NS (10 * NJ_MIN)
#define NJ_ENGINE_HEAR_AGAIN_NS NJ_HOUR
#define NJ_ENGINE_OOM_QUIET_NS (10 * NJ_MIN)
#define NJ_ENGINE_NODE_GRACE_NS (2 * NJ_MIN)
#define NJ_ENGINE_TROUBLE_KEPT_NS (7 * NJ_DAY)
#define NJ_ENGINE_LET_GO_NS (30 * NJ_SEC)
#define NJ_ENGINE_REGISTRY_NS (2 * NJ_MIN)
enum {
    NJ_ENGINE_REGISTRY_WORKLOADS = 3,
    NJ_ENGINE_SUPPRESSED_MAX = 128, /* bytes of a reason to hold back */
    NJ_ENGINE_CLEARED_MAX = 16384,
    NJ_ENGINE_NAME_MAX = 512,     /* bytes of a name, reason or image in an incident; longer ones are cut */
    NJ_ENGINE_MESSAGE_MAX = 4096, /* of the message */
};

enum nj_transition {
    NJ_TRANSITION_NONE,
    NJ_TRANSITION_OPENED,
    NJ_TRANSITION_WORSENED, /* of an open one: some targets failed, now all do (may come again); a trouble has
                             * become critical; a service is down because of it */
    NJ_TRANSITION_RESOLVED,
};
const char *nj_transition_name(enum nj_transition transition); /* "opened", "worsened", "resolved" */
int nj_transition_parse(const char *name, enum nj_transition *ret_transition); /* 0 or -EINVAL */

/* Reasons to hold an incident back, by what they begin with: what is counted. */
enum nj_suppression {
    NJ_SUPPRESSION_NODE,           /* "node" */
    NJ_SUPPRESSION_INCIDENT,       /* "incident 4" */
    NJ_SUPPRESSION_ROLLOUT_FAILED, /* "rollout failed: incident 7" */
    NJ_SUPPRESSION_REGISTRY,       /* "registry" */
    NJ_SUPPRESSION_ROLLOUT,        /* "rollout" */
    NJ_SUPPRESSION_SILENCE,        /* "silence 3" */
    NJ_SUPPRESSION_MAINTENANCE,    /* "maintenance" */
    NJ_SUPPRESSION_SCALE_DOWN,     /* "scale-down" */
    NJ_SUPPRESSION_DELETION,       /* "deletion" */
    NJ_SUPPRESSION_NAMESPACE,      /* "namespace deleted" */
    NJ_SUPPRESSION_DRAIN,          /* "drain" */
    NJ_SUPPRESSION_COMPLETION,     /* "job completed" */
    NJ_SUPPRESSION_STARTING,       /* "starting" */
    NJ_SUPPRESSION_OTHER,
    NJ_SUPPRESSIONS
};
const char *nj_suppression_name(enum nj_suppression suppression); /* "node", "rollout failed", ...: a label */
enum nj_suppression nj_suppression_of(const char *reason);

struct nj_engine_options {
    int64_t stale_after_ns;
    /* How far a subject's time in the store may lag behind: a container that crashes again and again is not
     * written again each time. */
    int64_t since_slack_ns;
    size_t max_open; /* beyond, the one that was quiet longest is resolved as "evicted" and counted */
    size_t
        max_subjects; /* of one incident; beyond, the one that was quiet longest is forgotten and counted */

    /* An incident was opened or resolved, or worsened, and is not suppressed; called within nj_engine_apply()
     * and nj_engine_tick(), with the record as it is at that moment. Borrowed. May be NULL. */
    void (*on_transition)(void *data, const struct nj_incident *incident, enum nj_transition transition);
    /* Is this one, which nobody was told of yet, to be held back for a reason that the engine cannot know?
     * Then true, with the reason (`size` is NJ_ENGINE_SUPPRESSED_MAX); see suppress.h. The record is as
     * current as it is, `suppressed` has the reason so far ("" of a new one). May be NULL. */
    bool (*suppress)(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size);
    /* An incident is held back from now on, or for a reason of another kind: to be counted. May be NULL. */
    void (*on_suppressed)(void *data, const struct nj_incident *incident, enum nj_suppression suppression);
    void *data;
};

/* Where an event comes from. `project` may be "". */
struct nj_event_origin {
    const char *cluster, *project, *node;
    /* Of a check's event, counted after its target was stored: how many targets its Service (or, without a
     * Service, its monitor) has in this namespace, and how many of them fail or flap; those that are starting
     * or gone count for neither. 0 of anything else. And of these the targets that are pods. */
    int32_t targets_failing, targets_total;
    int32_t pods_failing, pods_total;
};

/* `next_id` is the id of the next incident, at least 1. */
struct nj_engine *nj_engine_new(const struct nj_engine_options *options, int64_t next_id);
void nj_engine_free(struct nj_engine *engine);

/* At the start: each open incident as it was stored, the one heard longest ago first, then its subjects. */
void nj_engine_load(struct nj_engine *engine, const struct nj_incident *incident);
void nj_engine_load_subject(struct nj_engine *engine, int64_t incident_id,
                            const struct nj_incident_subject *subject);

/* What the store says once all is loaded: no lower id is given out. */
void nj_engine_set_next_id(struct nj_engine *engine, int64_t next_id);

/* `is_new` is false for a crash, or lost crashes, that the store already had: it corrects and counts nothing.
 * Returns the id of the incident that the event belongs to; 0 when there is none (it came too late, or it is
 * a clearing). */
int64_t nj_engine_apply(struct nj_engine *engine, const struct nj_event_origin *origin,
                        const struct nj_event *event, bool is_new, int64_t now_ns);

/* When the event happened, as the engine and the store take it: seen_ns when at_ns is unknown, and now when
 * it claims to be more than an hour in the future. */
int64_t nj_engine_event_time(const struct nj_event *event, int64_t now_ns);

/* What time alone changes. Call at least once a minute; what is held back for a time is told that late. */
void nj_engine_tick(struct nj_engine *engine, int64_t now_ns);

/* Asks again about those that are held back: options.suppress may answer otherwise now. */
void nj_engine_review(struct nj_engine *engine, int64_t now_ns);
size_t nj_engine_suppressed_count(const struct nj_engine *engine); /* open ones that are held back */

/* What has changed since nj_engine_clear_changes(): each incident once, as it is now, in the order in which
 * they were first changed, then each subject. A resolved incident comes before one that was opened under its
 * fingerprint since. A callback that returns non-zero ends it and is returned. Borrowed. */
int nj_engine_each_change(struct nj_engine *engine,
                          int (*on_incident)(void *data, const struct nj_incident *incident),
                          int (*on_subject)(void *data, int64_t incident_id,
                                            const struct nj_incident_subject *subject, bool present),
                          void *data);
/* They are stored. */
void nj_engine_clear_changes(struct nj_engine *engine);

/* The kind of trouble that a subject's `container` stands for, and its detail (may be NULL; points into it,
 * and is a hash when it was very long). False when it is none. */
bool nj_engine_trouble_of(const char *identity, enum nj_trouble_kind *ret_kind, const char **ret_detail);

/* What is in trouble now, of one kind and cluster. */
void nj_engine_each_subject(struct nj_engine *engine, enum nj_incident_kind kind, const char *cluster,
                            void (*on_subject)(void *data, const struct nj_incident *incident,
                                               const struct nj_incident_subject *subject),
                            void *data);

size_t nj_engine_open_count(const struct nj_engine *engine);
size_t nj_engine_open_of(const struct nj_engine *engine, enum nj_incident_kind kind);

/* What the bounds have cost since nj_engine_new(). */
struct nj_engine_losses {
    uint64_t evicted_incidents, forgotten_subjects;
};
struct nj_engine_losses nj_engine_losses(const struct nj_engine *engine);

#endif
