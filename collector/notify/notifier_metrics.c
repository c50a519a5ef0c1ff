/* What the notifier counts. See notifier.h. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/notify/notifier_internal.h"
#include "collector/notify/pipeline.h"

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

void nj_channel_make_metrics(struct nj_channel *channel)
{
    struct nj_metrics *metrics = channel->notifier->options.metrics;
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

void nj_notifier_make_metrics(struct nj_notifier *notifier)
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
    notifier->silences = nj_metrics_gauge(metrics, "nightjar_silences", "", "Silences that are in force.");
    notifier->flagged_rules = nj_metrics_gauge(metrics, "nightjar_rules_flagged", "",
                                               "Rules of whose latest marks less than half say useful.");
    notifier->latency = nj_metrics_histogram(metrics, "nightjar_notification_latency_seconds", "",
                                             "From the change of an incident to the channel's success code.",
                                             bounds, sizeof(bounds) / sizeof(bounds[0]));
}

void nj_notifier_collect(struct nj_notifier *notifier)
{
    int64_t now_ns = nj_loop_wall_ns(notifier->options.loop);
    struct nj_pipeline *pipeline = notifier->options.pipeline;
    for (struct nj_channel *channel = notifier->channels; channel != NULL; channel = channel->next)
        nj_gauge_set(channel->waiting, (int64_t)channel->lanes[NJ_LANE_TEXT].waiting);
    if (pipeline == NULL)
        return;
    nj_gauge_set(notifier->silences, (int64_t)nj_silences_active(pipeline, now_ns));
    nj_gauge_set(notifier->flagged_rules, (int64_t)nj_rules_flagged_count(pipeline));
}
