#include "agent/uplink/meter.h"

#include <stdio.h>

void nj_uplink_meter_init(struct nj_uplink_meter *meter, struct nj_metrics *metrics)
{
    char label[64];
    *meter = (struct nj_uplink_meter){0};
    if (metrics == NULL)
        return;
    meter->batches =
        nj_metrics_counter(metrics, "nightjar_uplink_batches_total", "",
                           "Requests sent to the collector, heartbeats and repetitions included.");
    meter->events_sent = nj_metrics_counter(metrics, "nightjar_uplink_events_sent_total", "",
                                            "Events in the requests sent, repetitions included.");
    meter->acknowledged = nj_metrics_counter(metrics, "nightjar_uplink_events_acknowledged_total", "",
                                             "Events the collector has said it committed.");
    meter->timeouts = nj_metrics_counter(metrics, "nightjar_uplink_timeouts_total", "",
                                         "Requests the collector did not answer in time.");
    meter->bad_replies = nj_metrics_counter(
        metrics, "nightjar_uplink_bad_replies_total", "",
        "Answers that do not open under our key, answer another request or make no sense.");
    for (int i = NJ_REFUSAL_OTHER; i < NJ_REFUSALS; i++) {
        (void)snprintf(label, sizeof(label), "reason=\"%s\"", nj_refusal_name((enum nj_refusal)i));
        meter->refused[i] = nj_metrics_counter(metrics, "nightjar_uplink_refused_total", label,
                                               "Requests the collector did not take, by reason.");
    }
    meter->last_ack = nj_metrics_gauge(metrics, "nightjar_uplink_last_ack_timestamp_seconds", "",
                                       "When the collector last took a request, since 1970; 0: never.");
    meter->outbox_events =
        nj_metrics_gauge(metrics, "nightjar_outbox_events", "", "Events that wait to be acknowledged.");
    meter->outbox_bytes =
        nj_metrics_gauge(metrics, "nightjar_outbox_bytes", "", "Encoded bytes of the events that wait.");
    for (int i = 0; i < NJ_OUTBOX_CLASSES; i++) {
        (void)snprintf(label, sizeof(label), "class=\"%s\"", nj_outbox_class_name((enum nj_outbox_class)i));
        meter->dropped[i] =
            nj_metrics_counter(metrics, "nightjar_outbox_dropped_total", label,
                               "Events given up because the outbox was full, since it was made.");
    }
    meter->damaged = nj_metrics_counter(metrics, "nightjar_outbox_damaged_total", "",
                                        "Whether the outbox replaced a damaged one that was moved aside.");
    meter->outbox_errors =
        nj_metrics_counter(metrics, "nightjar_outbox_errors_total", "",
                           "Failures to read the outbox or to forget what was acknowledged.");
}

void nj_uplink_meter_outbox(struct nj_uplink_meter *meter, const struct nj_outbox *outbox)
{
    struct nj_outbox_stats stats;
    nj_outbox_stats(outbox, &stats);
    nj_gauge_set(meter->outbox_events, (int64_t)stats.events);
    nj_gauge_set(meter->outbox_bytes, (int64_t)stats.bytes);
    for (int i = 0; i < NJ_OUTBOX_CLASSES; i++)
        nj_counter_add(meter->dropped[i], stats.dropped[i] - meter->seen.dropped[i]);
    nj_counter_add(meter->damaged, stats.damaged - meter->seen.damaged);
    meter->seen = stats;
}
