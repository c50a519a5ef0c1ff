/* The uplink's and the outbox's metrics. Private to agent/uplink; loop thread. */
#ifndef NJ_UPLINK_METER_H
#define NJ_UPLINK_METER_H

#include "agent/outbox/outbox.h"
#include "common/base/metrics.h"
#include "common/wire/batch.h"

struct nj_uplink_meter {
    struct nj_counter *batches, *events_sent, *acknowledged, *timeouts, *bad_replies;
    struct nj_counter *refused[NJ_REFUSALS];
    struct nj_counter *outbox_errors, *dropped[NJ_OUTBOX_CLASSES], *damaged;
    struct nj_gauge *last_ack, *outbox_events, *outbox_bytes;
    struct nj_outbox_stats seen; /* as of the last nj_uplink_meter_outbox() */
};

/* `metrics` may be NULL: then nothing is counted. */
void nj_uplink_meter_init(struct nj_uplink_meter *meter, struct nj_metrics *metrics);

/* Brings the outbox's series up to date. */
void nj_uplink_meter_outbox(struct nj_uplink_meter *meter, const struct nj_outbox *outbox);

#endif
