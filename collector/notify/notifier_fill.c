/* What there is to do for the store: outcomes to record, messages to claim, pasts to look at. See notifier.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/notify/notifier_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"

/* Half of the rate is kept for alerts: log files do with the rest. */
enum { SPARE_SHARE = 2 };

static void log_circuit(struct nj_channel *channel, const char *closed)
{
    if ((closed != NULL) == channel->was_closed)
        return;
    channel->was_closed = closed != NULL;
    if (closed != NULL)
        nj_warn("notify", "channel %s is closed%s: %s", channel->name,
                channel->circuit.is_broken ? " until the configuration is reloaded" : " for now", closed);
    else
        nj_info("notify", "channel %s is open again", channel->name);
}

/* Of a channel that is configured. */
static struct nj_ledger_terms terms_now(const struct nj_channel *channel, int64_t now_ns)
{
    struct nj_notify_settings *settings = channel->notifier->job_settings;
    return (struct nj_ledger_terms){
        .settings = settings, .target = nj_notify_target(settings, channel->name), .now_ns = now_ns};
}

/* What goes one by one, what is gathered, and how many messages a storm may bring. */
static void fill_storm(struct nj_channel *channel, int64_t now_ns, struct nj_ticket *ticket)
{
    const struct nj_notify_settings *settings = channel->notifier->job_settings;
    struct nj_claim_terms *claim = &ticket->claim;
    size_t after = (size_t)settings->storm_after;
    if (after == 0 || claim->lane != NJ_LANE_TEXT)
        return;
    size_t recent = nj_rate_since(&channel->texts, now_ns - settings->storm_window_ns);
    bool storms = channel->storm_ns > 0 && now_ns >= channel->storm_ns &&
                  now_ns - channel->storm_ns < NJ_LEDGER_STORM_NS;
    claim->gathers = true;
    claim->gather_ns = settings->storm_window_ns;
    claim->calm = recent < after ? after - recent : 0;
    claim->at_once = storms ? 0 : claim->calm;
    if (storms && channel->rate.limit > NJ_LEDGER_STORM_MESSAGES) {
        size_t sent = channel->rate.limit - nj_rate_free(&channel->rate, now_ns);
        size_t left = sent < NJ_LEDGER_STORM_MESSAGES ? NJ_LEDGER_STORM_MESSAGES - sent : 0;
        if (left < claim->budget)
            claim->budget = left;
        if (left == 0)
            ticket->until_ns =
                nj_rate_when(&channel->rate, channel->rate.limit - NJ_LEDGER_STORM_MESSAGES + 1, now_ns);
    }
    if (claim->at_once == 0 && claim->budget > 0)
        claim->digest_parts = claim->budget < NJ_LEDGER_STORM_PARTS ? claim->budget : NJ_LEDGER_STORM_PARTS;
}

/* On which terms the lane may claim now. */
static void fill_claim(struct nj_lane_state *lane, size_t budget, int64_t now_ns, struct nj_ticket *ticket)
{
    struct nj_channel *channel = lane->channel;
    int64_t mono_ns = nj_loop_mono_ns(channel->notifier->options.loop);
    const char *closed = nj_circuit_closed(&channel->circuit, mono_ns);
    log_circuit(channel, closed);
    ticket->claims = true;
    ticket->claim_ledger_terms = terms_now(channel, now_ns);
    ticket->claim = (struct nj_claim_terms){.lane = lane->kind,
                                            .budget = budget,
                                            .spare = channel->rate.limit / SPARE_SHARE,
                                            .short_row = channel->short_row,
                                            .max_bytes = channel->short_bytes};
    if (closed != NULL) {
        (void)snprintf(ticket->closed, sizeof(ticket->closed), "%s", closed);
        ticket->claim.closed = ticket->closed;
    } else if (mono_ns < channel->circuit.rest_ns) {
        ticket->claim.budget = 0;
        ticket->until_ns = now_ns + channel->circuit.rest_ns - mono_ns;
    } else if (budget == 0) {
        ticket->until_ns = nj_rate_when(&channel->rate, 1, now_ns);
    } else {
        fill_storm(channel, now_ns, ticket);
    }
}

/* Adds what the lane wants from the store to the job. Returns when it wants something by itself next. */
static int64_t add_ticket(struct nj_notifier *notifier, struct nj_lane_state *lane, size_t *budget,
                          int64_t now_ns)
{
    struct nj_ticket *ticket = &notifier->tickets[notifier->tickets_count];
    *ticket = (struct nj_ticket){.lane = lane};
    bool in_flight = lane->claim != NULL && !lane->has_outcome;
    if (lane->claim != NULL && lane->has_outcome) {
        ticket->records = true;
        ticket->record_terms =
            (struct nj_ledger_terms){.settings = lane->settings, .target = lane->target, .now_ns = now_ns};
        ticket->record = (struct nj_record_terms){.outcome = &lane->outcome,
                                                  .give_up = nj_circuit_failed(&lane->channel->circuit),
                                                  .cannot_shrink = lane->claim->delivery.text_len <=
                                                                   (size_t)2 * NJ_RENDER_BYTES_MIN};
    }
    if ((lane->look || ticket->records) && !in_flight && !notifier->closing && !lane->channel->removed &&
        lane->channel->recovered) {
        fill_claim(lane, *budget, now_ns, ticket);
        *budget -= ticket->claim.budget > 0 ? 1 : 0;
        lane->look = false;
    }
    if (ticket->records || ticket->claims)
        notifier->tickets_count++;
    return in_flight || ticket->claims ? INT64_MAX : lane->wake_ns;
}

static void add_recovery(struct nj_notifier *notifier, struct nj_channel *channel)
{
    if (channel->recovered || channel->removed)
        return;
    struct nj_recovery *recovery = &notifier->recoveries[notifier->recoveries_count++];
    recovery->channel = channel;
    recovery->terms = terms_now(channel, notifier->job_now_ns);
    nj_rate_init(&recovery->sent, channel->rate.limit);
}

int64_t nj_notifier_job_fill(struct nj_notifier *notifier, int64_t now_ns)
{
    size_t channels = 0;
    for (const struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next)
        channels++;
    notifier->tickets = nj_calloc(channels * NJ_LANES + 1, sizeof(*notifier->tickets));
    notifier->recoveries = nj_calloc(channels + 1, sizeof(*notifier->recoveries));
    notifier->job_settings = nj_notify_settings_ref(notifier->settings);
    notifier->job_now_ns = now_ns;
    notifier->sweep = (struct nj_ledger_result){0};
    notifier->job_sweeps = notifier->sweep_wanted;
    notifier->sweep_wanted = false;
    notifier->job_hurries = notifier->hurry_wanted;
    notifier->hurry_wanted = false;
    notifier->job_upkeeps = !notifier->closing && (notifier->upkeep_wanted || notifier->upkeep_ns <= now_ns);
    notifier->job_clock_back = notifier->clock_back;
    notifier->upkeep_wanted = notifier->upkeep_wanted && notifier->closing;
    notifier->clock_back = false;
    notifier->upkeep = (struct nj_ledger_result){.daily_ns = notifier->daily_ns};
    int64_t wake_ns = notifier->job_upkeeps ? INT64_MAX : notifier->upkeep_ns;
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        add_recovery(notifier, channel);
        size_t budget = nj_rate_free(&channel->rate, now_ns);
        for (size_t i = 0; i < NJ_LANES; i++) {
            if (channel->lanes[i].wake_ns <= now_ns)
                channel->lanes[i].look = true;
            int64_t lane_ns = add_ticket(notifier, &channel->lanes[i], &budget, now_ns);
            wake_ns = lane_ns < wake_ns ? lane_ns : wake_ns;
        }
    }
    return wake_ns;
}

void nj_notifier_want_upkeep_again(struct nj_notifier *notifier)
{
    notifier->upkeep_wanted = notifier->upkeep_wanted || notifier->job_upkeeps;
    notifier->clock_back = notifier->clock_back || notifier->job_clock_back;
}

void nj_notifier_job_drop(struct nj_notifier *notifier)
{
    for (size_t i = 0; i < notifier->tickets_count; i++)
        notifier->tickets[i].lane->look = true;
    notifier->sweep_wanted = notifier->sweep_wanted || notifier->job_sweeps;
    notifier->hurry_wanted = notifier->hurry_wanted || notifier->job_hurries;
    nj_notifier_want_upkeep_again(notifier);
    nj_notifier_job_clear(notifier);
}

bool nj_notifier_job_is_empty(const struct nj_notifier *notifier)
{
    return notifier->tickets_count == 0 && notifier->recoveries_count == 0 && !notifier->job_sweeps &&
           !notifier->job_hurries && !notifier->job_upkeeps;
}

void nj_notifier_job_clear(struct nj_notifier *notifier)
{
    for (size_t i = 0; i < notifier->recoveries_count; i++)
        nj_rate_done(&notifier->recoveries[i].sent);
    free(notifier->tickets);
    free(notifier->recoveries);
    notifier->tickets = NULL;
    notifier->recoveries = NULL;
    notifier->tickets_count = notifier->recoveries_count = 0;
    nj_notify_settings_unref(notifier->job_settings);
    notifier->job_settings = NULL;
}
