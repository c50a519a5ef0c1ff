/*
 * Telling people, once. Rows in the store say who is to be told of what (planned in the transaction that
 * changed the incident); the notifier takes them to their channels.
 *
 * At most once for each (incident, transition, channel): a row is marked SENDING, durably, before the first
 * byte leaves, and SENT after the channel's own success code. What certainly reached nobody is tried again,
 * with growing waits. What may have arrived (no answer after the request left, or a row found in SENDING
 * after a restart) is sent again, byte for byte, only to a channel that drops duplicates itself (WeCom
 * application messages, a webhook with its idempotency key) or whose `resend_uncertain` says so; a group
 * robot's is UNCERTAIN, counted and shown.
 *
 * The `failover` channel is told instead when the retries are used up, the message is refused, the channel is
 * gone or its secret is wrong, when some members were not told, and when at run time it is uncertain whether
 * a message arrived: rather told by another channel too than by none. Not after a restart: then it most
 * likely arrived. Without a fail-over a message is tried for a day, then it stays as a dead letter (FAILED,
 * with the reason).
 *
 * A channel's rate (20 a minute for a robot) is kept across restarts: when more waits than may be sent, what
 * waits is folded into one digest of at most NJ_RENDER_PARTS_MAX messages. The first message of a lone
 * incident goes at once. Of a storm (more than notify.storm_after alerts within notify.storm_window) what
 * follows is gathered for that window and folded, at most NJ_LEDGER_STORM_MESSAGES a minute until it is over.
 * A crash's log follows as a file while half of the rate is free; it never delays or repeats an alert.
 *
 * A channel that fails rests for a while and its alerts wait, or go to the fail-over. One whose secret is
 * wrong is not asked again before a reload, as repeats ban the address.
 *
 * Lives on the loop; reads and writes the store through the writer's worker. Metrics:
 * nightjar_notifications_total{channel,status}, nightjar_notification_attempts_total{channel,outcome},
 * nightjar_notifications_waiting{channel}, nightjar_notifications_folded_total,
 * nightjar_notifications_uncertain_total, nightjar_notifications_swept_total,
 * nightjar_notification_latency_seconds, nightjar_silences, nightjar_rules_flagged.
 */
#ifndef NJ_NOTIFY_NOTIFIER_H
#define NJ_NOTIFY_NOTIFIER_H

#include "collector/config.h"
#include "collector/incident/engine.h"
#include "collector/store/store.h"
#include "common/base/metrics.h"
#include "common/loop/http.h"
#include "common/loop/worker.h"

struct nj_notifier;
struct nj_pipeline;

struct nj_notifier_options {
    struct nj_loop *loop;
    struct nj_http *http;
    struct nj_worker *writer; /* the worker that owns `store` */
    struct nj_store *store;   /* the writer connection */
    struct nj_metrics *metrics;
    struct nj_pipeline *pipeline; /* outlives it; NULL: no links in messages, no rule is demoted */
    const struct nj_collector_config *config; /* copied, as far as it is needed */
};

/* Reads the channels' secrets; -ENOENT etc. with a text that names channel and setting. */
int nj_notifier_start(const struct nj_notifier_options *options, struct nj_notifier **ret_notifier,
                      struct nj_err *err);

/* Swaps in a new configuration (channels, routes, language), which is copied; on error the old one stays.
 * Channels are known by their names. */
int nj_notifier_reload(struct nj_notifier *notifier, const struct nj_collector_config *config,
                       struct nj_err *err);

/* For ingest's transaction, on the writer's worker: adds a row for each channel that the routes give. `data`
 * is the notifier. */
int nj_notifier_plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                     enum nj_transition transition, int64_t now_ns, struct nj_err *err);

/* Something was committed: look at the rows now. Costs nothing when nj_notifier_plan() has added none since.
 */
void nj_notifier_kick(struct nj_notifier *notifier);

/* Alerts that wait or are being sent, as last seen, at most 2000 a channel; for tests and readiness. */
size_t nj_notifier_waiting(const struct nj_notifier *notifier);

/* Before metrics are read: brings up to date what nobody tells it of. */
void nj_notifier_collect(struct nj_notifier *notifier);

/* Lets what is being sent finish (bounded by the channels' timeouts), sends nothing new, then calls on_closed
 * (may be NULL), from inside this call when there is nothing to wait for. Worker, HTTP client and store must
 * outlive that. Takes NULL. */
void nj_notifier_close(struct nj_notifier *notifier, void (*on_closed)(void *data), void *data);

#endif
