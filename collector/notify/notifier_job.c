/* The one job that works on the store: in one transaction it records what became of messages and claims the
 * next. */
#include <stdlib.h>

#include "collector/notify/notifier_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define STORE_REST_NS NJ_SEC
#define UPKEEP_EVERY_NS NJ_MIN /* while anything is planned */

static int add_sent(void *data, int64_t at_ns)
{
    nj_rate_add(data, at_ns);
    return 0;
}

/* What the last process left of a channel: messages it was sending, and how many it had sent in the last
 * minute. */
static int recover(struct nj_notifier *notifier, struct nj_recovery *recovery)
{
    struct nj_store *store = notifier->options.store;
    int rc = nj_ledger_recover(store, &recovery->terms, &recovery->result, &notifier->job_err);
    if (rc == 0)
        rc = store->ops->each_sent(store, recovery->channel->name, notifier->job_now_ns - NJ_RATE_WINDOW_NS,
                                   add_sent, &recovery->sent, &notifier->job_err);
    return rc;
}

static int work(struct nj_notifier *notifier)
{
    struct nj_store *store = notifier->options.store;
    struct nj_err *err = &notifier->job_err;
    int rc = 0;
    for (size_t i = 0; i < notifier->recoveries_count && rc == 0; i++)
        rc = recover(notifier, &notifier->recoveries[i]);
    if (notifier->job_sweeps && rc == 0)
        rc = nj_ledger_sweep(store, notifier->job_settings, notifier->job_now_ns, &notifier->sweep, err);
    if (notifier->job_hurries && rc == 0)
        rc = nj_ledger_hurry(store, notifier->job_now_ns, err);
    if (notifier->job_upkeeps && rc == 0)
        rc = nj_ledger_upkeep(store, notifier->job_settings, notifier->job_now_ns, notifier->job_clock_back,
                              &notifier->upkeep, err);
    for (size_t i = 0; i < notifier->tickets_count && rc == 0; i++) {
        struct nj_ticket *ticket = &notifier->tickets[i];
        if (ticket->records)
            rc = nj_ledger_record(store, &ticket->record_terms, ticket->lane->claim, &ticket->record,
                                  &ticket->recorded, err);
        if (ticket->claims && rc == 0)
            rc = nj_ledger_claim(store, &ticket->claim_ledger_terms, &ticket->claim, &ticket->claimed, err);
    }
    return rc;
}

void nj_notifier_job_run(struct nj_job *job)
{
    struct nj_notifier *notifier = job->data;
    notifier->job_err = (struct nj_err){0};
    const struct nj_store_ops *ops = notifier->options.store->ops;
    int rc = ops->begin(notifier->options.store, &notifier->job_err);
    if (rc == 0) {
        rc = work(notifier);
        if (rc == 0)
            rc = ops->commit(notifier->options.store, &notifier->job_err);
        if (rc < 0)
            ops->rollback(notifier->options.store);
    }
    notifier->job_rc = rc;
}

static void count_ended(struct nj_channel *channel, const struct nj_ledger_result *result)
{
    struct nj_notifier *notifier = channel->notifier;
    for (size_t i = 0; i < NJ_LEDGER_STATUSES; i++)
        nj_counter_add(channel->ended[i], result->ended[i]);
    nj_counter_add(notifier->folded, result->ended[NJ_NOTIFICATION_FOLDED]);
    nj_counter_add(notifier->uncertain, result->ended[NJ_NOTIFICATION_UNCERTAIN]);
    if (result->ended[NJ_NOTIFICATION_FAILED] > 0)
        nj_warn("notify", "channel %s: gave up %u messages, they are listed as failed%s", channel->name,
                (unsigned)result->ended[NJ_NOTIFICATION_FAILED],
                result->elsewhere ? " and told on the fail-over channel" : "");
    if (result->told_since_ns > 0)
        nj_histogram_observe(notifier->latency,
                             (double)(nj_loop_wall_ns(notifier->options.loop) - result->told_since_ns) /
                                 NJ_SEC);
    for (struct nj_channel *other = notifier->channels; other != NULL && result->elsewhere;
         other = other->next)
        other->lanes[NJ_LANE_TEXT].look = true;
}

static void apply_recoveries(struct nj_notifier *notifier)
{
    for (size_t i = 0; i < notifier->recoveries_count; i++) {
        struct nj_recovery *recovery = &notifier->recoveries[i];
        struct nj_channel *channel = recovery->channel;
        channel->recovered = true;
        for (size_t t = 0; t < recovery->sent.count; t++) {
            nj_rate_add(&channel->rate, recovery->sent.times_ns[t]);
            nj_rate_add(&channel->texts, recovery->sent.times_ns[t]);
        }
        /* It may have been a storm: it will soon be seen whether it still is. */
        if (recovery->sent.count > (size_t)notifier->job_settings->storm_after)
            channel->storm_ns = notifier->job_now_ns;
        count_ended(channel, &recovery->result);
        for (size_t l = 0; l < NJ_LANES; l++)
            channel->lanes[l].look = true;
    }
    for (size_t i = 0; i < NJ_LEDGER_STATUSES; i++)
        nj_counter_add(notifier->swept, notifier->sweep.ended[i]);
}

/* When the lane looks again by itself. */
static int64_t next_look_ns(struct nj_channel *channel, const struct nj_ticket *ticket, int64_t now_ns)
{
    int64_t wake_ns = ticket->claimed.wake_ns;
    if (wake_ns == INT64_MAX)
        return wake_ns;
    if (ticket->until_ns > wake_ns)
        return ticket->until_ns;
    /* A log file may wait for room in the rate rather than for its time. */
    if (ticket->claim.lane == NJ_LANE_FILE && ticket->claim.closed == NULL &&
        ticket->claim.budget <= ticket->claim.spare) {
        int64_t room_ns = nj_rate_when(&channel->rate, ticket->claim.spare + 1, now_ns);
        return room_ns < wake_ns ? room_ns : wake_ns;
    }
    return wake_ns;
}

static void apply_ticket(struct nj_notifier *notifier, struct nj_ticket *ticket)
{
    struct nj_lane_state *lane = ticket->lane;
    struct nj_channel *channel = lane->channel;
    if (ticket->records) {
        nj_lane_idle(lane);
        count_ended(channel, &ticket->recorded);
        lane->look = lane->look || !ticket->claims;
        channel->lanes[NJ_LANE_FILE].look = true;
        if (channel->removed)
            notifier->sweep_wanted = true;
    }
    if (!ticket->claims)
        return;
    const struct nj_ledger_result *claimed = &ticket->claimed;
    count_ended(channel, claimed);
    lane->look = lane->look || claimed->more;
    lane->waiting = claimed->waiting;
    if (claimed->storm)
        channel->storm_ns = notifier->job_now_ns;
    lane->wake_ns = next_look_ns(channel, ticket, notifier->job_now_ns);
    if (claimed->claim != NULL)
        nj_lane_send(lane, claimed->claim, notifier->job_settings, ticket->claim_ledger_terms.target);
}

static void apply_upkeep(struct nj_notifier *notifier)
{
    const struct nj_ledger_result *upkeep = &notifier->upkeep;
    if (!notifier->job_upkeeps)
        return;
    int64_t latest_ns = notifier->job_now_ns + UPKEEP_EVERY_NS;
    notifier->daily_ns = upkeep->daily_ns;
    notifier->upkeep_ns = upkeep->wake_ns;
    /* The wall clock may be put forward meanwhile. */
    if (upkeep->wake_ns != INT64_MAX && upkeep->wake_ns > latest_ns)
        notifier->upkeep_ns = latest_ns;
    notifier->upkeep_wanted = notifier->upkeep_wanted || upkeep->more;
    notifier->sweep_wanted = notifier->sweep_wanted || upkeep->released;
    for (struct nj_channel *channel = notifier->channels; channel != NULL && upkeep->elsewhere;
         channel = channel->next)
        channel->lanes[NJ_LANE_TEXT].look = true;
}

static void apply(struct nj_notifier *notifier)
{
    apply_recoveries(notifier);
    apply_upkeep(notifier);
    for (size_t i = 0; i < notifier->tickets_count; i++)
        apply_ticket(notifier, &notifier->tickets[i]);
    if (notifier->store_failing)
        nj_info("notify", "the store works again");
    notifier->store_failing = false;
    notifier->store_rest_ns = 0;
}

/* Nothing was changed and nothing was sent: outcomes stay to be recorded. */
static void undo(struct nj_notifier *notifier)
{
    for (size_t i = 0; i < notifier->tickets_count; i++) {
        nj_claim_free(notifier->tickets[i].claimed.claim);
        notifier->tickets[i].lane->look = true;
    }
    notifier->sweep_wanted = notifier->sweep_wanted || notifier->job_sweeps;
    notifier->hurry_wanted = notifier->hurry_wanted || notifier->job_hurries;
    nj_notifier_want_upkeep_again(notifier);
    notifier->store_rest_ns = nj_loop_mono_ns(notifier->options.loop) + STORE_REST_NS;
    if (!notifier->store_failing)
        nj_error("notify", "messages wait for the store: %s", notifier->job_err.text);
    notifier->store_failing = true;
}

void nj_notifier_job_done(struct nj_job *job)
{
    struct nj_notifier *notifier = job->data;
    notifier->job_running = false;
    if (notifier->job_rc == 0)
        apply(notifier);
    else
        undo(notifier);
    nj_notifier_job_clear(notifier);
    nj_notifier_schedule(notifier);
}
