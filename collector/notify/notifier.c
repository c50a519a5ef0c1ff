#include "collector/notify/notifier.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/notifier_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define SUBMIT_AGAIN_NS (20 * NJ_MS)

enum { TEXTS_MAX = 1001 }; /* counted, of a minute: more than notify.storm_after may be */

static void on_timer(struct nj_timer *timer);

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

static void channel_new(struct nj_notifier *notifier, const struct nj_target *target)
{
    struct nj_channel *channel = NJ_NEW(struct nj_channel);
    channel->notifier = notifier;
    channel->name = nj_strdup(target->config.name);
    nj_rate_init(&channel->rate, (size_t)target->config.rate_per_minute);
    nj_rate_init(&channel->texts, TEXTS_MAX);
    for (size_t i = 0; i < NJ_LANES; i++)
        channel->lanes[i] =
            (struct nj_lane_state){.channel = channel, .kind = (enum nj_lane)i, .wake_ns = INT64_MAX};
    nj_channel_make_metrics(channel);
    configure(channel, target);
    struct nj_channel **end = &notifier->channels;
    while (*end != NULL)
        end = &(*end)->next;
    *end = channel;
}

static void channel_free(struct nj_channel *channel)
{
    nj_rate_done(&channel->rate);
    nj_rate_done(&channel->texts);
    nj_secret_free(channel->token);
    free(channel->name);
    free(channel);
}

static struct nj_channel *find_channel(const struct nj_notifier *notifier, const char *name)
{
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        if (nj_streq(channel->name, name))
            return channel;
    }
    return NULL;
}

static void use_settings(struct nj_notifier *notifier, struct nj_notify_settings *settings)
{
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        channel->removed = nj_notify_target(settings, channel->name) == NULL;
    }
    for (size_t i = 0; i < settings->targets_count; i++) {
        struct nj_channel *channel = find_channel(notifier, settings->targets[i].config.name);
        if (channel == NULL)
            channel_new(notifier, &settings->targets[i]);
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
    settings->pipeline = options->pipeline;
    struct nj_notifier *notifier = NJ_NEW(struct nj_notifier);
    notifier->options = *options;
    notifier->options.config = NULL; /* it was copied */
    (void)pthread_mutex_init(&notifier->lock, NULL);
    atomic_init(&notifier->planned, false);
    nj_timer_init(&notifier->timer, options->loop, on_timer, notifier);
    notifier->job =
        (struct nj_job){.run = nj_notifier_job_run, .done = nj_notifier_job_done, .data = notifier};
    nj_notifier_make_metrics(notifier);
    use_settings(notifier, settings);
    notifier->upkeep_wanted = true;
    notifier->upkeep_ns = INT64_MAX;
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
    settings->pipeline = notifier->options.pipeline;
    use_settings(notifier, settings);
    notifier->upkeep_wanted = true;
    notifier->hurry_wanted = true; /* whoever puts a channel right wants to see that it works */
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
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        channel->lanes[NJ_LANE_TEXT].look = true;
    }
    notifier->upkeep_wanted = true; /* something may be to be said again later */
    nj_notifier_schedule(notifier);
}

size_t nj_notifier_waiting(const struct nj_notifier *notifier)
{
    size_t waiting = 0;
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        waiting += channel->lanes[NJ_LANE_TEXT].waiting;
    }
    return waiting;
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
    for (struct nj_channel **at = &notifier->channels; *at != NULL;) {
        struct nj_channel *channel = *at;
        if (!can_be_freed(channel)) {
            at = &channel->next;
            continue;
        }
        nj_gauge_set(channel->waiting, 0);
        *at = channel->next;
        channel_free(channel);
    }
}

static bool any_in_flight(const struct nj_notifier *notifier)
{
    for (const struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
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

/* After the wall clock was set back, what is due by it would be due much later: every lane looks anew. */
static void note_time(struct nj_notifier *notifier, int64_t now_ns)
{
    bool set_back = now_ns < notifier->last_ns;
    notifier->last_ns = now_ns;
    if (!set_back)
        return;
    notifier->hurry_wanted = true;
    notifier->upkeep_wanted = true;
    notifier->clock_back = true;
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        for (size_t i = 0; i < NJ_LANES; i++)
            channel->lanes[i].look = true;
    }
}

static void finish(struct nj_notifier *notifier)
{
    nj_timer_stop(&notifier->timer);
    while (notifier->channels != NULL) {
        struct nj_channel *channel = notifier->channels;
        notifier->channels = channel->next;
        for (size_t i = 0; i < NJ_LANES; i++)
            nj_lane_idle(&channel->lanes[i]);
        channel_free(channel);
    }
    nj_notify_settings_unref(notifier->settings);
    (void)pthread_mutex_destroy(&notifier->lock);
    void (*on_closed)(void *data) = notifier->on_closed;
    void *data = notifier->on_closed_data;
    free(notifier);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_notifier_schedule(struct nj_notifier *notifier)
{
    if (notifier->job_running)
        return;
    int64_t now_ns = nj_loop_wall_ns(notifier->options.loop);
    int64_t mono_ns = nj_loop_mono_ns(notifier->options.loop);
    note_time(notifier, now_ns);
    if (notifier->store_rest_ns > mono_ns && !notifier->closing) {
        wake_at(notifier, notifier->store_rest_ns, mono_ns);
        return;
    }
    free_removed(notifier);
    if (notifier->closing && (!any_in_flight(notifier) || notifier->store_failing)) {
        finish(notifier);
        return;
    }
    int64_t wake_ns = nj_notifier_job_fill(notifier, now_ns);
    if (nj_notifier_job_is_empty(notifier)) {
        nj_notifier_job_drop(notifier);
    } else if (nj_worker_submit(notifier->options.writer, &notifier->job) < 0) {
        nj_notifier_job_drop(notifier);
        wake_ns = now_ns + SUBMIT_AGAIN_NS;
    } else {
        notifier->job_running = true;
    }
    wake_at(notifier, wake_ns, now_ns);
}

static void on_timer(struct nj_timer *timer)
{
    nj_notifier_schedule(timer->data);
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
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next) {
        for (size_t i = 0; i < NJ_LANES; i++) {
            if (channel->lanes[i].sender != NULL)
                nj_sender_stop(channel->lanes[i].sender);
        }
    }
    nj_notifier_schedule(notifier);
}
