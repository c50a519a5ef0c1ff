/*
 * What a service's state was, from when to when, and why: the record that the database holds and SLA is
 * computed from.
 *
 * The intervals of one service follow each other without a gap or an overlap: each begins where the one
 * before ended. Time that nobody observed is an interval of state UNKNOWN. The latest is open: until_ns is 0,
 * and seen_ns says until when it is known to have lasted. Times are wall ns.
 */
#ifndef NJ_SLA_INTERVAL_H
#define NJ_SLA_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

enum nj_service_state {
    NJ_SERVICE_UP = 1,   /* as many endpoints are ready as are desired, or more */
    NJ_SERVICE_DEGRADED, /* some are ready, fewer than desired */
    NJ_SERVICE_DRAINING, /* none is ready, some terminating ones still serve: kube-proxy sends to these */
    NJ_SERVICE_DOWN,     /* nothing serves */
    NJ_SERVICE_SCALED_TO_ZERO, /* nothing is desired, and nothing serves */
    NJ_SERVICE_NONE_BY_DESIGN, /* ExternalName, or neither a selector nor endpoints: not measured */
    NJ_SERVICE_UNKNOWN,        /* nobody looked */
    NJ_SERVICE_STATES
};
const char *
nj_service_state_name(enum nj_service_state state); /* "up", "degraded", "draining", "down", "scaled_to_zero",
                                                       "none_by_design", "unknown" */
int nj_service_state_parse(const char *name, enum nj_service_state *ret_state);

/* Why a service is not up; of the first moment of the interval, corrected within it as more is known. */
enum nj_outage_cause {
    NJ_OUTAGE_BY_NOTHING,
    NJ_OUTAGE_BY_ROLLOUT, /* good, or not known to be bad yet */
    NJ_OUTAGE_BY_FAILED_ROLLOUT,
    NJ_OUTAGE_BY_SCALING,
    NJ_OUTAGE_BY_SCALED_TO_ZERO,
    NJ_OUTAGE_BY_DELETION, /* pods deleted by hand, with nothing else to explain it */
    NJ_OUTAGE_BY_NODE_LOSS,
    NJ_OUTAGE_BY_DRAIN,    /* evicted by a drain, preemption or taint */
    NJ_OUTAGE_BY_EVICTION, /* by the kubelet, for resources */
    NJ_OUTAGE_BY_CRASH,
    NJ_OUTAGE_BY_FAILED_READINESS,
    NJ_OUTAGE_BY_UNSCHEDULABLE,
    NJ_OUTAGE_BY_MAINTENANCE, /* within a maintenance window */
    NJ_OUTAGE_BY_STARTING,    /* a new service that was not up yet */
    NJ_OUTAGE_BY_UNKNOWN,
    NJ_OUTAGE_CAUSES
};
const char *nj_outage_cause_name(enum nj_outage_cause cause); /* "rollout", "failed_rollout", ... */
int nj_outage_cause_parse(const char *name, enum nj_outage_cause *ret_cause);
/* Meant: rollout (good), scaling, scaled to zero, maintenance. A failed rollout is not. */
bool nj_outage_cause_is_planned(enum nj_outage_cause cause);

struct nj_interval {
    const char *cluster, *namespace, *service; /* strings as in incidents: borrowed, never NULL */
    int64_t from_ns, until_ns, seen_ns;
    enum nj_service_state state;
    enum nj_outage_cause cause;
    const char *detail; /* for people: "revision 3 of Deployment/web by kubectl-patch", "pod web-1 deleted" */
    const char *reference;                      /* "rollout/17", "incident/4", "node/n1"; "" */
    int32_t desired, ready, serving, min_ready; /* the latest within it; min_ready: the least */
    uint64_t print;                             /* of the slices' contents, the latest within it */
    bool backfilled;                            /* worked out afterwards, from what the cluster still knew */
};

#endif
