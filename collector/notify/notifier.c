#include "collector/notify/notifier.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/notify/notifier_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define SUBMIT_AGAIN_NS (20 * NJ_MS)
/* Of the rate, this part is kept for alerts: log files do without. */
enum { SPARE_SHARE = 4 };

static void on_timer(struct nj_timer *timer);

static struct nj_counter *counter(struct nj_metrics *metrics, const char *name, const char *labels,
                                  const char *help)
{
    return metrics == NULL ? NULL : nj_metrics_counter(metrics, name, labels, help);
}

/* `channel="NAME"`, escaped as the exposition format wants it, then `more`. */
static char *labels_of(const char *channel, const char *more)
{
    struct nj_buf labels = {0};
    nj_buf_append_str(&labels, "channel=\"");
    for (const char *at = channel; *at != '\0'; at++) {
        if (*at == '\n')
            nj_buf_append_str(&labels, "\\n");
        else if (*at == '"' || *at == '\\')
            nj_buf_printf(&labels, "\\%c", *at);
        else
            nj_buf_append_char(&labels, *at);
    }
    nj_buf_printf(&labels, "\"%s", more);
    return nj_buf_take(&labels);
}

static void make_channel_metrics(struct nj_channel *channel, struct nj_metrics *metrics)
{
    static const enum nj_notification_status ends[] = {NJ_NOTIFICATION_SENT, NJ_NOTIFICATION_FOLDED,
                                                       NJ_NOTIFICATION_FAILED, NJ_NOTIFICATION_UNCERTAIN};
    char more[64];
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(more, sizeof(more), ",status=\"%s\"", nj_notification_status_name(ends[i]));
        char *labels = labels_of(channel->name, more);
        channel->ended[ends[i]] = counter(metrics, "nightjar_notifications_total", labels,
                                          "Notifications that reached their end, by channel and how.");
        free(labels);
    }
    for (size_t i = 0; i < NJ_OUTCOME_KINDS; i++) {
        if (i == NJ_OUTCOME_NEXT || i == NJ_OUTCOME_TOKEN)
            continue; /* steps, no outcomes of a message */
        (void)snprintf(more, sizeof(more), ",outcome=\"%s\"", nj_outcome_name((enum nj_outcome_kind)i));
        char *labels = labels_of(channel->name, more);
        channel->attempts[i] = counter(metrics, "nightjar_notification_attempts_total", labels,
                                       "Messages tried, log files too, by channel and outcome.");
        free(labels);
    }
    char *labels = labels_of(channel->name, "");
    channel->waiting = nj_metrics_gauge(metrics, "nightjar_notifications_waiting", labels,
                                        "Alerts that wait or are being sent, at most 2000.");
    free(labels);
}

static void make_metrics(struct nj_notifier *notifier)
{
    static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                    2.5,   5,    10,    30,   60,  300,  3600};
    struct nj_metrics *metrics = notifier->options.metrics;
    if (metrics == NULL)
        return;
    notifier->folded =
        counter(metrics, "nightjar_notifications_folded_total", "",
                "Alerts told as a line of a digest, because more waited than the rate allows.");
    notifier->uncertain = counter(metrics, "nightjar_notifications_uncertain_total", "",
                                  "Messages that may have arrived or not, and were not sent again.");
    notifier->swept = counter(metrics, "nightjar_notifications_swept_total", "",
                              "Notifications ended because their channel is no longer configured.");
    notifier->latency = nj_metrics_histogram(metrics, "nightjar_notification_latency_seconds", "",
                                             "From the change of an incident to the channel's success code.",
                                             bounds, sizeof(bounds) / sizeof(bounds[0]));
}

static void configure(struct nj_channel *channel, const struct nj_target *target)
{
    nj_rate_set_limit(&channel->rate, (size_t)target->config.rate_per_minute);
    nj_circuit_init(&channel->circuit, target->config.retries);
    nj_secret_free(channel->token);
    channel->token = NULL;
    channel->removed = false;
    for (size_t i = 0; i < NJ_LANES; i++)
        channel->lanes[i].look = true;
}

static struct nj_channel *channel_new(struct nj_notifier *notifier, const struct nj_target *target)
{
    struct nj_channel *channel = NJ_NEW(struct nj_channel);
    channel->notifier = notifier;
    channel->name = nj_strdup(target->config.name);
    nj_rate_init(&channel->rate, (size_t)target->config.rate_per_minute);
    nj_rate_init(&channel->seed, (size_t)target->config.rate_per_minute);
    for (size_t i = 0; i < NJ_LANES; i++)
        channel->lanes[i] =
            (struct nj_lane_state){.channel = channel, .kind = (enum nj_lane)i, .wake_ns = INT64_MAX};
    make_channel_metrics(channel, notifier->options.metrics);
    configure(channel, target);
    DL_APPEND(notifier->channels, channel);
    return channel;
}

void nj_channel_free(struct nj_channel *channel)
{
    nj_rate_done(&channel->rate);
    nj_rate_done(&channel->seed);
    nj_secret_free(channel->token);
    free(channel->name);
    free(channel);
}

static struct nj_channel *find_channel(const struct nj_notifier *notifier, const char *name)
{
    struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        if (nj_streq(channel->name, name))
            return channel;
    }
    return NULL;
}

static void use_settings(struct nj_notifier *notifier, struct nj_notify_settings *settings)
{
    struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        channel->removed = nj_notify_target(settings, channel->name) == NULL;
    }
    for (size_t i = 0; i < settings->targets_count; i++) {
        channel = find_channel(notifier, settings->targets[i].config.name);
        if (channel == NULL)
            (void)channel_new(notifier, &settings->targets[i]);
        else
            configure(channel, &settings->targets[i]);
    }
    (void)pthread_mutex_lock(&notifier->lock);
    struct nj_notify_settings *old = notifier->settings;
    notifier->settings = settings;
    (void)pthread_mutex_unlock(&notifier->lock);
    nj_notify_settings_unref(old);
    notifier->sweep_wanted = true;
}

int nj_notifier_start(const struct nj_notifier_options *options, struct nj_notifier **ret_notifier,
                      struct nj_err *err)
{
    struct nj_notify_settings *settings = NULL;
    int rc = nj_notify_settings_new(options->config, &settings, err);
    if (rc < 0)
        return rc;
    struct nj_notifier *notifier = NJ_NEW(struct nj_notifier);
    notifier->options = *options;
    (void)pthread_mutex_init(&notifier->lock, NULL);
    atomic_init(&notifier->planned, false);
    nj_timer_init(&notifier->timer, options->loop, on_timer, notifier);
    notifier->job =
        (struct nj_job){.run = nj_notifier_job_run, .done = nj_notifier_job_done, .data = notifier};
    make_metrics(notifier);
    use_settings(notifier, settings);
    *ret_notifier = notifier;
    nj_notifier_schedule(notifier);
    return 0;
}

int nj_notifier_reload(struct nj_notifier *notifier, const struct nj_collector_config *config,
                       struct nj_err *err)
{
    struct nj_notify_settings *settings = NULL;
    int rc = nj_notify_settings_new(config, &settings, err);
    if (rc < 0)
        return rc;
    use_settings(notifier, settings);
    nj_notifier_schedule(notifier);
    return 0;
}

int nj_notifier_plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                     enum nj_transition transition, int64_t now_ns, struct nj_err *err)
{
    struct nj_notifier *notifier = data;
    (void)pthread_mutex_lock(&notifier->lock);
    struct nj_notify_settings *settings = nj_notify_settings_ref(notifier->settings);
    (void)pthread_mutex_unlock(&notifier->lock);
    bool any = false;
    int rc = nj_ledger_plan(writer, settings, incident, transition, now_ns, &any, err);
    nj_notify_settings_unref(settings);
    if (any)
        atomic_store(&notifier->planned, true);
    return rc;
}

void nj_notifier_kick(struct nj_notifier *notifier)
{
    if (!atomic_exchange(&notifier->planned, false))
        return;
    struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        channel->lanes[NJ_LANE_TEXT].look = true;
    }
    nj_notifier_schedule(notifier);
}

size_t nj_notifier_waiting(const struct nj_notifier *notifier)
{
    size_t waiting = 0;
    struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        waiting += channel->lanes[NJ_LANE_TEXT].waiting;
    }
    return waiting;
}

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

/* On which terms the lane may claim now. */
static void fill_claim(struct nj_lane_state *lane, size_t budget, int64_t now_ns, struct nj_ticket *ticket)
{
    struct nj_channel *channel = lane->channel;
    struct nj_notifier *notifier = channel->notifier;
    const char *closed = nj_circuit_closed(&channel->circuit, now_ns);
    log_circuit(channel, closed);
    ticket->claims = true;
    ticket->claim_ledger_terms =
        (struct nj_ledger_terms){.settings = notifier->settings,
                                 .target = nj_notify_target(notifier->settings, channel->name),
                                 .now_ns = now_ns};
    ticket->claim = (struct nj_claim_terms){.lane = lane->kind,
                                            .budget = budget,
                                            .spare = channel->rate.limit / SPARE_SHARE,
                                            .short_row = channel->short_row,
                                            .max_bytes = channel->short_bytes};
    if (closed != NULL) {
        (void)snprintf(ticket->closed, sizeof(ticket->closed), "%s", closed);
        ticket->claim.closed = ticket->closed;
    } else if (now_ns < channel->circuit.rest_ns) {
        ticket->claim.budget = 0;
        ticket->until_ns = channel->circuit.rest_ns;
    } else if (budget == 0) {
        ticket->until_ns = nj_rate_when(&channel->rate, 1, now_ns);
    }
}

/* Adds what the lane wants from the store to the job. Returns when it wants something by itself next. */
static int64_t add_ticket(struct nj_notifier *notifier, struct nj_lane_state *lane, size_t *budget,
                          int64_t now_ns)
{
    struct nj_ticket *ticket = &notifier->tickets[notifier->tickets_count];
    *ticket = (struct nj_ticket){.lane = lane};
    bool in_flight = lane->claim != NULL && !lane->has_outcome;
    if (lane->has_outcome) {
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

static bool can_be_freed(const struct nj_channel *channel)
{
    for (size_t i = 0; i < NJ_LANES; i++) {
        if (channel->lanes[i].claim != NULL)
            return false;
    }
    return channel->removed;
}

static void free_removed(struct nj_notifier *notifier)
{
    struct nj_channel *channel = NULL, *next = NULL;
    DL_FOREACH_SAFE (notifier->channels, channel, next) {
        if (!can_be_freed(channel))
            continue;
        nj_gauge_set(channel->waiting, 0);
        DL_DELETE(notifier->channels, channel);
        nj_channel_free(channel);
    }
}

/* Collects what the job has to do. Returns when something is to be done by itself next, wall ns. */
static int64_t fill_job(struct nj_notifier *notifier, int64_t now_ns)
{
    struct nj_channel *channel = NULL;
    size_t channels = 0;
    DL_COUNT(notifier->channels, channel, channels);
    notifier->tickets = nj_calloc(channels * NJ_LANES + 1, sizeof(*notifier->tickets));
    notifier->recovering = nj_calloc(channels + 1, sizeof(*notifier->recovering));
    int64_t wake_ns = INT64_MAX;
    DL_FOREACH (notifier->channels, channel) {
        if (!channel->recovered && !channel->removed) {
            channel->recovery = (struct nj_ledger_result){0};
            notifier->recovering[notifier->recovering_count++] = channel;
        }
        size_t budget = nj_rate_free(&channel->rate, now_ns);
        for (size_t i = 0; i < NJ_LANES; i++) {
            if (channel->lanes[i].wake_ns <= now_ns)
                channel->lanes[i].look = true;
            int64_t lane_ns = add_ticket(notifier, &channel->lanes[i], &budget, now_ns);
            wake_ns = lane_ns < wake_ns ? lane_ns : wake_ns;
        }
        nj_gauge_set(channel->waiting, (int64_t)channel->lanes[NJ_LANE_TEXT].waiting);
    }
    notifier->sweep = (struct nj_ledger_result){0};
    notifier->job_sweeps = notifier->sweep_wanted;
    notifier->sweep_wanted = false;
    notifier->job_now_ns = now_ns;
    notifier->job_settings = nj_notify_settings_ref(notifier->settings);
    return wake_ns;
}

static void drop_job(struct nj_notifier *notifier)
{
    for (size_t i = 0; i < notifier->tickets_count; i++)
        notifier->tickets[i].lane->look = true;
    notifier->sweep_wanted = notifier->sweep_wanted || notifier->job_sweeps;
    free(notifier->tickets);
    free(notifier->recovering);
    notifier->tickets = NULL;
    notifier->recovering = NULL;
    notifier->tickets_count = notifier->recovering_count = 0;
    nj_notify_settings_unref(notifier->job_settings);
    notifier->job_settings = NULL;
}

static bool in_flight(const struct nj_notifier *notifier)
{
    const struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        for (size_t i = 0; i < NJ_LANES; i++) {
            if (channel->lanes[i].claim != NULL)
                return true;
        }
    }
    return false;
}

static void wake_at(struct nj_notifier *notifier, int64_t at_ns, int64_t now_ns)
{
    if (at_ns == INT64_MAX)
        nj_timer_stop(&notifier->timer);
    else
        nj_timer_start(&notifier->timer, at_ns > now_ns ? at_ns - now_ns : 0, 0);
}

void nj_notifier_schedule(struct nj_notifier *notifier)
{
    if (notifier->job_running)
        return;
    int64_t now_ns = nj_loop_wall_ns(notifier->options.loop);
    if (notifier->store_rest_ns > now_ns && !notifier->closing) {
        wake_at(notifier, notifier->store_rest_ns, now_ns);
        return;
    }
    free_removed(notifier);
    if (notifier->closing && (!in_flight(notifier) || notifier->store_failing)) {
        nj_notifier_finish(notifier);
        return;
    }
    int64_t wake_ns = fill_job(notifier, now_ns);
    if (notifier->tickets_count == 0 && notifier->recovering_count == 0 && !notifier->job_sweeps) {
        drop_job(notifier);
    } else {
        notifier->job_err = (struct nj_err){0};
        int rc = nj_worker_submit(notifier->options.writer, &notifier->job);
        notifier->job_running = rc == 0;
        if (rc < 0) {
            drop_job(notifier);
            wake_ns = now_ns + SUBMIT_AGAIN_NS;
        }
    }
    wake_at(notifier, wake_ns, now_ns);
}

static void on_timer(struct nj_timer *timer)
{
    nj_notifier_schedule(timer->data);
}

void nj_notifier_finish(struct nj_notifier *notifier)
{
    nj_timer_stop(&notifier->timer);
    struct nj_channel *channel = NULL, *next = NULL;
    DL_FOREACH_SAFE (notifier->channels, channel, next) {
        for (size_t i = 0; i < NJ_LANES; i++)
            nj_lane_idle(&channel->lanes[i]);
        DL_DELETE(notifier->channels, channel);
        nj_channel_free(channel);
    }
    nj_notify_settings_unref(notifier->settings);
    (void)pthread_mutex_destroy(&notifier->lock);
    void (*on_closed)(void *data) = notifier->on_closed;
    void *data = notifier->on_closed_data;
    free(notifier);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_notifier_close(struct nj_notifier *notifier, void (*on_closed)(void *data), void *data)
{
    if (notifier == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    assert(!notifier->closing);
    notifier->closing = true;
    notifier->on_closed = on_closed;
    notifier->on_closed_data = data;
    struct nj_channel *channel = NULL;
    DL_FOREACH (notifier->channels, channel) {
        for (size_t i = 0; i < NJ_LANES; i++) {
            if (channel->lanes[i].sender != NULL)
                nj_sender_stop(channel->lanes[i].sender);
        }
    }
    nj_notifier_schedule(notifier);
}
