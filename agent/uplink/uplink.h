/*
 * The way from the outbox to the collector: reads what is queued, sends it sealed, forgets what the collector
 * has committed. One request is under way at a time.
 *
 * Something queued is sent at once: a lone event waits for nothing but the request before it. With nothing to
 * tell, an empty batch is sent every heartbeat interval. Every request says which plan of checks the agent
 * has, and an answer may bring a newer one. Reading, compressing, sealing and forgetting happen on the
 * worker; all functions and callbacks here are the loop's. Whatever goes wrong (silence, a refusal, an answer
 * that is none of the collector's, a full disk) is counted and tried again after a jittered, growing pause;
 * nothing is lost by it.
 */
#ifndef NJ_UPLINK_UPLINK_H
#define NJ_UPLINK_UPLINK_H

#include <stddef.h>
#include <stdint.h>

#include "agent/outbox/outbox.h"
#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/loop/loop.h"
#include "common/loop/worker.h"
#include "common/wire/batch.h"
#include "common/wire/seal.h"

enum {
    NJ_UPLINK_BATCH_EVENTS = 500, /* defaults of the settings of the same name */
    NJ_UPLINK_BATCH_BYTES = 512 << 10,
    NJ_UPLINK_REFRESH_MS = 200,
};

/* What the agent has of the plan and what it wants one for; borrowed until the loop runs again. */
struct nj_uplink_interest {
    const char *plan_version; /* "": none */
    const char *const
        *namespaces; /* sorted, without repeats; those past NJ_PLAN_NAMESPACES_MAX are left out */
    size_t namespaces_count;
};

struct nj_uplink_options {
    const char *url; /* of the collector: "tcp://collector:7645" */
    const char *cluster, *node;
    struct nj_worker *worker; /* these four are borrowed until on_closed() */
    struct nj_outbox *outbox;
    const struct nj_keyring *keyring;
    struct nj_metrics *metrics;                 /* may be NULL */
    int64_t heartbeat_ns;                       /* product time; each one is up to a tenth earlier or later */
    int64_t reply_timeout_ns;                   /* this and the next two: real time */
    int64_t reconnect_min_ns, reconnect_max_ns; /* also the pause after a refusal, doubled from min to max */
    size_t batch_events;                        /* 1..NJ_BATCH_EVENTS_MAX */
    size_t batch_bytes; /* encoded events of a request, 1..NJ_BATCH_BYTES_MAX; a larger single event still
                           goes, alone */
    /* Fills in how the agent is doing, for the next request; what concerns the outbox is filled in here.
     * Strings stay valid until on_closed(). Called first from inside nj_uplink_start(). */
    void (*status)(void *data, struct nj_agent_status *ret_status);
    /* Likewise, what the next request says of the plan. NULL: no plan is wanted. */
    void (*interest)(void *data, struct nj_uplink_interest *ret_interest);
    /* The collector has another plan for these namespaces than the one that was named. Borrowed. */
    void (*on_plan)(void *data, const struct nj_plan *plan);
    void *data;
};

struct nj_uplink;

/* Copies the strings. Sends a first (maybe empty) batch at once. -EINVAL for an option out of range. */
int nj_uplink_start(struct nj_loop *loop, const struct nj_uplink_options *options,
                    struct nj_uplink **ret_uplink, struct nj_err *err);

/* Something was appended to the outbox. Cheap; call it after every append. Not after nj_uplink_close(). */
void nj_uplink_kick(struct nj_uplink *uplink);

/* What interest() says has changed, or the plan may be old: asks the collector soon instead of at the next
 * heartbeat. Calls within NJ_UPLINK_REFRESH_MS are one, and at most two a second are sent. Not after
 * nj_uplink_close(). */
void nj_uplink_refresh(struct nj_uplink *uplink);

/* Monotonic time of the last answer that took our batch; 0: none yet. */
int64_t nj_uplink_last_ack_ns(const struct nj_uplink *uplink);

/* Tries to send what is still queued, for at most drain_ns of real time (0: not at all), then closes and
 * frees. Takes NULL (and calls on_closed, which may be NULL). */
void nj_uplink_close(struct nj_uplink *uplink, int64_t drain_ns, void (*on_closed)(void *data), void *data);

#endif
