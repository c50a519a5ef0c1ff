/* A claimed message on its way, and what is learnt from how it fared. See notifier.h. */
#include <stdlib.h>
#include <string.h>

#include "collector/notify/notifier_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"

/* A token is renewed before it ends, so that no alert pays for a refusal. */
#define TOKEN_MARGIN_NS (5 * NJ_MIN)

static int64_t wall_ns(const struct nj_channel *channel)
{
    return nj_loop_wall_ns(channel->notifier->options.loop);
}

static void keep_token(struct nj_channel *channel, const char *token, int64_t life_ns)
{
    if (token == NULL || life_ns > 0) {
        nj_secret_free(channel->token);
        channel->token = nj_strdup(token);
        channel->token_until_ns =
            nj_loop_mono_ns(channel->notifier->options.loop) + life_ns - TOKEN_MARGIN_NS;
    }
}

static const char *good_token(const struct nj_channel *channel)
{
    return nj_loop_mono_ns(channel->notifier->options.loop) < channel->token_until_ns ? channel->token : NULL;
}

/* The next rendering of an alert that was too long takes half the room. */
static void note_length(struct nj_channel *channel, const struct nj_lane_state *lane)
{
    if (lane->outcome.kind != NJ_OUTCOME_TOO_LONG || lane->claim->is_digest || lane->claim->is_file)
        return;
    channel->short_row = lane->claim->row.id;
    channel->short_bytes = lane->claim->delivery.text_len / 2;
}

static void log_outcome(const struct nj_channel *channel, const struct nj_lane_state *lane)
{
    const struct nj_notification *row = &lane->claim->row;
    const struct nj_outcome *outcome = &lane->outcome;
    switch (outcome->kind) {
    case NJ_OUTCOME_DONE:
    case NJ_OUTCOME_RELEASED:
        break;
    case NJ_OUTCOME_RETRY:
    case NJ_OUTCOME_WAIT:
        nj_info("notify", "channel %s: incident %lld, %s: to be tried again: %s", channel->name,
                (long long)row->incident_id, row->transition, outcome->text);
        break;
    default:
        nj_warn("notify", "channel %s: incident %lld, %s: %s: %s", channel->name, (long long)row->incident_id,
                row->transition, nj_outcome_name(outcome->kind), outcome->text);
        break;
    }
}

static void take_outcome(struct nj_lane_state *lane, const struct nj_outcome *outcome)
{
    struct nj_channel *channel = lane->channel;
    lane->sender = NULL;
    lane->outcome = *outcome;
    lane->has_outcome = true;
    nj_counter_add(channel->attempts[outcome->kind], 1);
    nj_circuit_note(&channel->circuit, outcome, lane->kind == NJ_LANE_FILE,
                    nj_loop_mono_ns(channel->notifier->options.loop));
    note_length(channel, lane);
    log_outcome(channel, lane);
}

static void on_sent(void *data, const struct nj_outcome *outcome, const char *token, int64_t token_life_ns)
{
    struct nj_lane_state *lane = data;
    struct nj_channel *channel = lane->channel;
    /* A reload may have changed the secret meanwhile: only a token of today's is kept. */
    if (lane->settings == channel->notifier->settings)
        keep_token(channel, token, token_life_ns);
    /* The other side counts a message when it arrives, which is now at the latest. */
    nj_rate_touch(&channel->rate, wall_ns(channel));
    take_outcome(lane, outcome);
    nj_notifier_schedule(channel->notifier);
}

void nj_lane_send(struct nj_lane_state *lane, struct nj_claim *claim, struct nj_notify_settings *settings,
                  const struct nj_target *target)
{
    struct nj_channel *channel = lane->channel;
    struct nj_notifier *notifier = channel->notifier;
    lane->claim = claim;
    lane->settings = nj_notify_settings_ref(settings);
    lane->target = target;
    nj_rate_add(&channel->rate, notifier->job_now_ns);
    if (lane->kind == NJ_LANE_TEXT)
        nj_rate_add(&channel->texts, notifier->job_now_ns);
    struct nj_outcome outcome;
    if (notifier->closing) {
        nj_outcome_set(&outcome, NJ_OUTCOME_RELEASED, "stopped before it was sent");
        take_outcome(lane, &outcome);
        return;
    }
    const struct nj_sender_options options = {.http = notifier->options.http,
                                              .target = target,
                                              .delivery = &claim->delivery,
                                              .token =
                                                  settings == notifier->settings ? good_token(channel) : NULL,
                                              .on_done = on_sent,
                                              .data = lane};
    struct nj_err err = {0};
    if (nj_sender_start(&options, &lane->sender, &err) < 0) {
        nj_outcome_set(&outcome, NJ_OUTCOME_RETRY, "%s", err.text);
        outcome.untouched = true;
        take_outcome(lane, &outcome);
    }
}

void nj_lane_idle(struct nj_lane_state *lane)
{
    nj_claim_free(lane->claim);
    nj_notify_settings_unref(lane->settings);
    lane->claim = NULL;
    lane->settings = NULL;
    lane->target = NULL;
    lane->has_outcome = false;
}
