/*
 * What the cluster does on purpose, and which incidents that explains: a snapshot that the loop publishes,
 * and that the writer's worker asks (options.suppress of engine.h). nj_suppress_decide() alone is the rules,
 * a pure function of a snapshot, an incident and the time.
 *
 * The rules, in this order; the first that applies is the reason.
 *
 * silence N: what the options' `silenced` says (notify's silences).
 *
 * maintenance: a window over its namespace that is on; one over "" is over what is in no namespace.
 *
 * namespace deleted: anything of a namespace that is being deleted.
 *
 * rollout, of the workload, while it runs and for NJ_SUPPRESS_SETTLE_NS after: an outage with cause rollout
 * or failed_rollout; and crash, image_pull, config_error, start_error, stuck, unschedulable, pod_failure and
 * probe of its new pods, for the rollout's allowance since the incident began (not after it has failed: then
 * the engine knows why). Likewise a probe of a Service's own address, where the snapshot lists the Service.
 *
 * scale-down, deletion, job completed, a mark on its workload: what its pods open until the mark's end, and
 * an outage with cause scaling, scaled_to_zero or deletion.
 *
 * starting, a mark on its workload, and without one for NJ_SUPPRESS_STARTING_NS: an outage with cause
 * starting. Nothing of its pods: agents and the unschedulable's watch give these their own time.
 *
 * drain: its node is drained: pod_failure, crash and probe of its pods, not an outage; a capacity of any
 * node.
 *
 * An outage with cause scaling or scaled_to_zero is "scale-down", one with cause maintenance "maintenance",
 * without a mark too; one with cause deletion "deletion" for NJ_SUPPRESS_DELETION_NS.
 *
 * A slo_burn, a registry, a node's and the cluster's own troubles are held back by silences and maintenance
 * alone; so is a leak, a limit that is near and an OOM kill, and by the end of their pods (the last rules but
 * rollout and starting).
 *
 * Which workload. The incident's own; of a check on a Service (or an outage) the workload behind it: an
 * outage names it, a check's pod says it by its name.
 */
#ifndef NJ_INCIDENT_SUPPRESS_H
#define NJ_INCIDENT_SUPPRESS_H

#include "collector/incident/incident.h"
#include "collector/incident/template.h"
#include "common/base/clock.h"

#define NJ_SUPPRESS_SETTLE_NS (10 * NJ_SEC)
#define NJ_SUPPRESS_ALLOWANCE_NS (30 * NJ_SEC) /* of a rollout, at least */
#define NJ_SUPPRESS_STARTING_NS (10 * NJ_MIN)
#define NJ_SUPPRESS_DELETION_NS NJ_MIN

struct nj_suppress_rollout {
    const char *namespace, *workload_kind, *workload;
    const char *template_hash; /* of the new pods' names; "" when their names have none: all pods are new */
    int64_t began_ns;
    int64_t ended_ns;     /* 0: it runs. Leave an ended one in for NJ_SUPPRESS_SETTLE_NS */
    bool failed;          /* publish after NJ_EVENT_ROLLOUT_FAILED was handed to ingest */
    int64_t failed_ns;    /* when that was handed over, not when it failed: for NJ_SUPPRESS_SETTLE_NS more it
                             holds, for the event may be on its way */
    int64_t allowance_ns; /* for its pods to start; at least NJ_SUPPRESS_ALLOWANCE_NS is taken */
    int64_t deadline_ns;  /* progressDeadlineSeconds: bounds the allowance; 0: none */
};

enum nj_suppress_why {
    NJ_SUPPRESS_SCALE_DOWN = 1,
    /* The workload. A pod that somebody deletes needs no mark: its agent clears what it had, nothing of it is
     * news any more, and an outage of cause deletion waits by itself. */
    NJ_SUPPRESS_DELETED,
    NJ_SUPPRESS_COMPLETED, /* a Job that has ended well */
    NJ_SUPPRESS_STARTING,  /* it is new, and by its own settings may take longer than others */
};

/* Something happens to a workload that explains what its pods open until then. */
struct nj_suppress_mark {
    enum nj_suppress_why why;
    const char *namespace, *workload_kind, *workload;
    int64_t until_ns;
};

struct nj_suppress_node {
    const char *node;
    int64_t until_ns; /* 0: for as long as it is listed */
};

struct nj_suppress_window {
    const char *namespaces; /* a glob: "*", "shop-*"; "" for what is in no namespace */
    int64_t from_ns, until_ns;
};

/* As workload_kind: the checks of the Service's own address, behind which a rollout goes on; `workload` is
 * its name. */
#define NJ_SUPPRESS_SERVICE "Service"

/* Borrowed by nj_suppress_publish(), which copies. Several rollouts or marks of one workload are fine. */
struct nj_suppress_snapshot {
    const struct nj_suppress_rollout *rollouts;
    const struct nj_suppress_mark *marks;
    const struct nj_suppress_node *nodes; /* being drained */
    const char *const *namespaces;        /* being deleted */
    const struct nj_suppress_window *windows;
    size_t rollouts_count, marks_count, nodes_count, namespaces_count, windows_count;
};

/* Rules only, over all of it: for tests and few entries. False: tell. `silenced` is not asked here. */
bool nj_suppress_decide(const struct nj_suppress_snapshot *snapshot, const struct nj_incident *incident,
                        int64_t now_ns, char *ret_reason, size_t size);

struct nj_suppress;

/* `silenced`: notify's silences, as options.suppress; may be NULL. Called without the lock held. */
struct nj_suppress *nj_suppress_new(bool (*silenced)(void *data, const struct nj_incident *incident,
                                                     int64_t now_ns, char *ret_reason, size_t size),
                                    void *data);
void nj_suppress_free(struct nj_suppress *suppress); /* takes NULL; nobody asks any more */

/* Any thread. Until the first one an incident that a snapshot held back before a restart stays so: nobody
 * knows yet whether that is over. Where nothing is watched, publish an empty one. */
void nj_suppress_publish(struct nj_suppress *suppress, const struct nj_suppress_snapshot *snapshot);

/* Any thread: options.suppress of the engine, `data` is a struct nj_suppress. */
bool nj_suppress_ask(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size);

#endif
