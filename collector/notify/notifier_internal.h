/*
 * The notifier's parts: channels with their lanes, and the job that works on the store. Used by notifier*.c
 * only.
 *
 * All is the loop's, but while the job is on the worker (job_running): then its tickets, and the `settings`
 * it holds, are the worker's.
 */
#ifndef NJ_NOTIFY_NOTIFIER_INTERNAL_H
#define NJ_NOTIFY_NOTIFIER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/notify/circuit.h"
#include "collector/notify/ledger.h"
#include "collector/notify/notifier.h"
#include "collector/notify/rate.h"
#include "collector/notify/sender.h"

struct nj_channel;

/* One line of a channel: at most one message is on its way. idle -> (job claims) -> sending -> (job records)
 * -> idle */
struct nj_lane_state {
    struct nj_channel *channel;
    enum nj_lane kind;
    bool look;       /* the store may hold something for it */
    int64_t wake_ns; /* then look again, wall ns; INT64_MAX: not by itself */
    size_t waiting;  /* as last seen */

    /* Of the message on its way. */
    struct nj_claim *claim;              /* NULL: idle */
    struct nj_notify_settings *settings; /* as at the claim; holds `target` */
    const struct nj_target *target;
    struct nj_sender *sender;
    bool has_outcome; /* to be recorded */
    struct nj_outcome outcome;
};

/* What the job does for a lane; the worker's while the job runs. */
struct nj_ticket {
    struct nj_lane_state *lane;
    bool records, claims;
    struct nj_ledger_terms record_terms, claim_ledger_terms;
    struct nj_record_terms record;
    struct nj_claim_terms claim;
    int64_t until_ns; /* when something may be claimed; 0: now */
    char closed[NJ_OUTCOME_TEXT_MAX];
    struct nj_ledger_result recorded, claimed;
};

struct nj_channel {
    struct nj_notifier *notifier;
    struct nj_channel *next;
    char *name;
    bool recovered; /* what the last process left was looked at */
    bool removed;   /* not configured any more: freed once nothing is on its way */
    struct nj_lane_state lanes[NJ_LANES];
    struct nj_rate rate, texts; /* texts: without log files */
    int64_t storm_ns;           /* when it was last seen to storm, wall ns; 0: never */
    struct nj_circuit circuit;
    bool was_closed; /* as last logged */
    char *token;
    int64_t token_until_ns; /* monotonic */
    int64_t short_row;      /* the alert that was too long, ... */
    size_t short_bytes;     /* ... and how long it may be */

    struct nj_counter *ended[NJ_LEDGER_STATUSES];
    struct nj_counter *attempts[NJ_OUTCOME_KINDS];
    struct nj_gauge *waiting;
};

/* A channel whose past the job looks at, and what it found; the worker's while the job runs. */
struct nj_recovery {
    struct nj_channel *channel;
    struct nj_ledger_terms terms;
    struct nj_ledger_result result;
    struct nj_rate sent; /* in the last minute */
};

struct nj_notifier {
    struct nj_notifier_options options;
    pthread_mutex_t lock;                /* guards the next */
    struct nj_notify_settings *settings; /* swapped by the loop, read by nj_notifier_plan() on the worker */
    atomic_bool planned;                 /* rows were added since the last kick */
    struct nj_channel *channels;
    struct nj_timer timer;

    struct nj_job job;
    struct nj_notify_settings *job_settings;
    struct nj_ticket *tickets;
    size_t tickets_count;
    struct nj_recovery *recoveries;
    size_t recoveries_count;
    struct nj_ledger_result sweep;
    int64_t job_now_ns;
    struct nj_err job_err;
    int job_rc;
    bool job_running;
    bool job_sweeps, job_hurries, job_upkeeps, job_clock_back;
    struct nj_ledger_result upkeep;

    bool sweep_wanted, hurry_wanted, upkeep_wanted, clock_back;
    int64_t upkeep_ns;  /* then by itself, wall ns; INT64_MAX: nothing is planned */
    int64_t daily_ns;   /* the latest daily digest that was looked after */
    bool store_failing; /* logged */
    bool closing;
    int64_t store_rest_ns; /* the store failed: not before, monotonic ns */
    int64_t last_ns;       /* wall ns when last looked: an earlier one means that the clock was set back */
    void (*on_closed)(void *data);
    void *on_closed_data;

    struct nj_gauge *silences, *flagged_rules;
    struct nj_counter *folded, *uncertain, *swept;
    struct nj_histogram *latency;
};

/* (notifier_metrics.c) */
void nj_notifier_make_metrics(struct nj_notifier *notifier);
void nj_channel_make_metrics(struct nj_channel *channel);

/* Submits the job if there is anything for it, and arms the timer. */
void nj_notifier_schedule(struct nj_notifier *notifier);

/* Collects what there is to do for the store; returns when there will be something by itself, wall ns. Run
 * and done are the job's; nj_notifier_job_drop() takes back what was collected, nj_notifier_job_clear()
 * forgets it. (notifier_fill.c, _job.c) */
int64_t nj_notifier_job_fill(struct nj_notifier *notifier, int64_t now_ns);
bool nj_notifier_job_is_empty(const struct nj_notifier *notifier);
void nj_notifier_job_run(struct nj_job *job);
void nj_notifier_job_done(struct nj_job *job);
void nj_notifier_job_drop(struct nj_notifier *notifier);
void nj_notifier_job_clear(struct nj_notifier *notifier);
void nj_notifier_want_upkeep_again(struct nj_notifier *notifier);

/* Sends what was claimed. (notifier_send.c) */
void nj_lane_send(struct nj_lane_state *lane, struct nj_claim *claim, struct nj_notify_settings *settings,
                  const struct nj_target *target);
/* What was recorded or given back is forgotten. */
void nj_lane_idle(struct nj_lane_state *lane);

#endif
