/*
 * What the tracker's files share: tracker.c (what is so), tracker_cause.c (why), tracker_facts.c (what was
 * told). Private to them.
 */
#ifndef NJ_SLA_TRACKER_INTERNAL_H
#define NJ_SLA_TRACKER_INTERNAL_H

#include "collector/sla/tracker.h"
#include "common/base/table.h"

enum {
    NJ_TRACKER_LOST_MAX = 32,        /* endpoints that a service lost, remembered to find out why */
    NJ_TRACKER_STANDING_MAX = 20000, /* nodes that are down or cordoned, rollouts that run */
};

/* What is kept of an endpoint: hashes, as a cluster has a hundred thousand of them. */
struct nj_tracked_endpoint {
    uint64_t pod, node;
    bool ready, terminating;
};

struct nj_tracked {
    char *key; /* "NAMESPACE/NAME" */
    struct nj_interval now;
    char *namespace, *name, *detail, *reference; /* of `now` */
    char *workload_kind, *workload;
    int64_t trigger_ns; /* the newest that was told: an older one is of an earlier change */
    struct nj_tracked_endpoint *endpoints;
    size_t endpoints_count;
    struct nj_tracked_endpoint
        *lost; /* at the beginning of `now`, and since then: NJ_TRACKER_LOST_MAX at most */
    size_t lost_count;
    bool guessed;  /* `lost` is: nobody looked when it was lost */
    bool looked;   /* since the start, or since nothing could be seen */
    bool known;    /* it has a current interval */
    bool was_up;   /* ever */
    bool inherits; /* nothing was lost: the cause is the one before's */
    bool is_new;   /* the interval is its first, which began with it */
    /* The cause that it has without the maintenance window that is on; NOTHING: none is. */
    enum nj_outage_cause other_cause;
    char *other_detail, *other_reference;
    int64_t windows_ns; /* windows have been looked at until then */
    int32_t scaled;     /* wanted before this interval; -1: not known, or long ago */
    UT_hash_handle hh;
};

struct nj_fact {
    enum nj_tracker_fact_kind kind;
    int64_t at_ns;
    char *namespace, *workload_kind, *workload, *service, *detail, *reference;
    uint64_t pod, node;
    int32_t value;
    struct nj_fact *prev, *next;
};

/* What lasts: a node that is down or cordoned, a rollout that runs. */
struct nj_standing {
    char *key;
    enum nj_tracker_fact_kind kind;
    struct nj_fact *fact;
    UT_hash_handle hh;
};

struct nj_tracker {
    struct nj_tracker_options options;
    struct nj_tracked *services;
    struct nj_fact *facts; /* oldest first */
    size_t facts_count;
    struct nj_standing *standing;
    uint64_t left_out;
};

uint64_t nj_tracker_hash(const char *text); /* 0 for none */
void nj_tracked_replace(char **text, const char *with);
void nj_tracked_set_cause(struct nj_tracked *service, enum nj_outage_cause cause, const char *detail,
                          const char *reference);
void nj_tracked_tell(struct nj_tracker *tracker, struct nj_tracked *service);

struct nj_fact *nj_fact_copy(const struct nj_tracker_fact *from);
void nj_fact_free(struct nj_fact *fact);
void nj_standing_free(struct nj_tracker *tracker, struct nj_standing *standing);
const struct nj_fact *nj_tracker_standing(const struct nj_tracker *tracker, enum nj_tracker_fact_kind kind,
                                          const char *key);

/* tracker_window.c: what was chosen gives way to the window that is on when the interval begins. */
void nj_tracked_put_window(const struct nj_tracker *tracker, struct nj_tracked *service);
void nj_tracked_lay_window(struct nj_tracked *service, const char *reason);
/* Takes the window's cause off; the one without it is back. */
void nj_tracked_lift_window(struct nj_tracked *service);
/* Cuts the interval where windows begin or end, until at_ns. */
void nj_tracked_cut(struct nj_tracker *tracker, struct nj_tracked *service, int64_t at_ns);
/* The present interval ends, and another begins. (tracker.c) */
void nj_tracked_begin(struct nj_tracker *tracker, struct nj_tracked *service, enum nj_service_state state,
                      int64_t at_ns);

bool nj_service_is_unwell(enum nj_service_state state);
void nj_tracked_choose(const struct nj_tracker *tracker, struct nj_tracked *service);
/* True when that made a difference. */
bool nj_tracked_choose_again(const struct nj_tracker *tracker, struct nj_tracked *service);

#endif
