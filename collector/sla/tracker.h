/*
 * The services' states and their causes, from facts in the order in which they are told: a pure core. It
 * knows no watch, no store and no loop, takes the time with each fact, and says which intervals began,
 * changed and ended.
 *
 * When a state changed. A slice's trigger annotation has whole seconds and is absent where a pod is deleted,
 * so arrival is nearer, unless it comes more than NJ_TRACKER_LATE_NS after the trigger (a relist, a watch
 * that lags): then the trigger is. After a time in which nobody looked, arrival tells nothing but that it was
 * earlier: then the trigger is nearer once it is older than the second that it is rounded to.
 *
 * Causes. A service that stops being up has lost endpoints: why these are gone or not ready is looked for in
 * what was told NJ_TRACKER_LOOK_BACK_NS before it to NJ_TRACKER_SETTLE_NS after it, as watches of different
 * kinds are in no order among each other. What follows without another loss has the same cause. A rollout
 * that turns out to have failed corrects the cause of what came of it.
 *
 * Maintenance. What is away within a window is away for that, from the window's beginning to its end: an
 * interval that goes on beyond either is cut there, and what is left of it has the cause that it has without
 * the window.
 *
 * One thread. Strings passed in are borrowed.
 */
#ifndef NJ_SLA_TRACKER_H
#define NJ_SLA_TRACKER_H

#include <stddef.h>

#include "collector/sla/interval.h"
#include "collector/sla/maintenance.h"
#include "common/base/clock.h"

struct nj_tracker;

#define NJ_TRACKER_LATE_NS (2 * NJ_SEC)
#define NJ_TRACKER_LOOK_BACK_NS (10 * NJ_SEC)
#define NJ_TRACKER_SETTLE_NS (5 * NJ_SEC)
#define NJ_TRACKER_STARTING_NS (10 * NJ_MIN) /* an older service that is not up is not one that starts */
/* After a start, a shorter time in which nobody looked is not told apart. */
#define NJ_TRACKER_GAP_NS NJ_SEC
/* The slices of a new Service come a moment after it: for so long it has not been away. */
#define NJ_TRACKER_NEW_NS NJ_SEC

/* One address behind a service, united over its slices. */
struct nj_tracker_endpoint {
    const char *pod, *pod_uid, *node; /* pod: "" for a hand-made one, whose pod_uid is its address */
    bool ready, serving, terminating;
};

struct nj_tracker_slice {
    uint64_t print_before; /* the service's print, if the latest change was one change of this slice */
    int64_t trigger_ns;    /* of its latest change; 0: not said */
};

struct nj_tracker_service {
    const char *namespace, *name;
    bool by_design;  /* ExternalName, or neither a selector nor endpoints */
    int32_t desired; /* of the workloads behind it; -1: not known, any ready endpoint is enough */
    const char *workload_kind, *workload; /* the one behind it; "" */
    const struct nj_tracker_endpoint *endpoints;
    size_t endpoints_count;
    int64_t created_ns;
    int64_t at_ns;      /* when it was told */
    int64_t trigger_ns; /* of the newest slice; 0 */
    uint64_t print;     /* changes with the slices' contents: tells after a restart whether anything happened;
                           0: there are no slices */
    const struct nj_tracker_slice *slices; /* where they are known: which of them has changed */
    size_t slices_count;
};

enum nj_tracker_fact_kind {
    NJ_FACT_ROLLOUT_BEGAN = 1, /* of a workload; reference "rollout/ID", detail which revision and whose */
    NJ_FACT_ROLLOUT_DONE,
    NJ_FACT_ROLLOUT_FAILED,    /* also of one that is over */
    NJ_FACT_SCALED,            /* of a workload; value: how many are wanted now */
    NJ_FACT_POD_CRASHED,       /* of a pod; reference "incident/ID" */
    NJ_FACT_POD_EVICTED,       /* of a pod: by its kubelet, for resources */
    NJ_FACT_POD_DRAINED,       /* of a pod: by the eviction API, preemption or a taint */
    NJ_FACT_POD_UNSCHEDULABLE, /* of a workload */
    NJ_FACT_NODE_DOWN,         /* of a node */
    NJ_FACT_NODE_UP,
    NJ_FACT_NODE_CORDONED,
    NJ_FACT_NODE_UNCORDONED,
    NJ_FACT_CHECK_FAILED, /* of a workload or service; reference "incident/ID" */
};

struct nj_tracker_fact {
    enum nj_tracker_fact_kind kind;
    int64_t at_ns;
    /* NULL or "" where it does not apply. */
    const char *namespace, *workload_kind, *workload, *service, *pod_uid, *node;
    const char *detail, *reference;
    int32_t value;
};

/* Borrowed. */
struct nj_tracker_subject {
    const char *namespace, *name, *workload_kind, *workload; /* as in struct nj_tracker_service */
};

struct nj_tracker_options {
    size_t max_services,
        max_facts; /* beyond, further services are not followed, the oldest facts are forgotten */
    /* An interval began, changed (its cause, its least) or ended: borrowed. The same service and from_ns is
     * the same record. */
    void (*on_interval)(void *data, const struct nj_interval *interval);
    /* What a rollout caused turns out to be this: every interval of that namespace with the reference. */
    void (*on_recause)(void *data, const char *namespace, const char *reference, enum nj_outage_cause cause,
                       const char *detail);
    /* Whether a maintenance window is on for the service at a time, and until when that holds; NULL: there
     * are none. */
    void (*maintenance)(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                        struct nj_maintenance_state *ret_state);
    void *data;
};

struct nj_tracker *nj_tracker_new(const struct nj_tracker_options *options);
void nj_tracker_free(struct nj_tracker *tracker); /* takes NULL */

/* At the start: a service's open interval as it was stored; its seen_ns says until when somebody looked. */
void nj_tracker_load(struct nj_tracker *tracker, const struct nj_interval *open);

/* A service as it is now. At the first look after a start, the time since seen_ns is taken to have been as
 * before when the print is the same, or one change away and the state is the same, or the change is dated;
 * else it is unknown until the trigger (or now). `ready_since_ns`, when not 0, is since when some endpoint
 * has been ready without a break, as its pod says (in whole seconds): from then on the service was available.
 */
void nj_tracker_service(struct nj_tracker *tracker, const struct nj_tracker_service *service,
                        int64_t ready_since_ns);
/* Whether the first look after a start will leave a gap: then it is worth asking the pods. */
bool nj_tracker_wants_ready_since(const struct nj_tracker *tracker, const struct nj_tracker_service *service);
/* It is deleted. Watches are in no order: its slices may have been gone for a moment before. */
void nj_tracker_gone(struct nj_tracker *tracker, const char *namespace, const char *name, int64_t at_ns);
void nj_tracker_fact(struct nj_tracker *tracker, const struct nj_tracker_fact *fact);

/* Time has passed, or windows are other ones: maintenance may have begun or ended. */
void nj_tracker_look_at_windows(struct nj_tracker *tracker, int64_t at_ns);

/* Nothing can be seen since at_ns (the watch is broken): unknown until each service is looked at again. */
void nj_tracker_blind(struct nj_tracker *tracker, int64_t at_ns);

/* As it is now; NULL: not followed. Borrowed until the next call. */
const struct nj_interval *nj_tracker_now(const struct nj_tracker *tracker, const char *namespace,
                                         const char *name);
void nj_tracker_each(const struct nj_tracker *tracker,
                     void (*each)(void *data, const struct nj_interval *now), void *data);
size_t nj_tracker_count(const struct nj_tracker *tracker);
uint64_t nj_tracker_left_out(const struct nj_tracker *tracker); /* services beyond the bound */

#endif
