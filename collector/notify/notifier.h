/*
 * Telling people, once. Rows in the store say who is to be told of what (planned in the transaction that
 * changed the incident); the notifier takes them to their channels.
 *
 * At most once for each (incident, transition, channel): a row is marked SENDING, durably, before the first
 * byte leaves, and SENT after the channel's own success code. A row found in SENDING after a restart is
 * UNCERTAIN: a channel that can drop duplicates itself (WeCom application messages, a webhook with an
 * idempotency key) gets it again, a group robot does not, unless its `resend_uncertain` says so; it is
 * counted and shown. Transient failures are retried with backoff, then the `failover` channel is told; what
 * is given up stays as a dead letter.
 *
 * A channel's rate (20 a minute for a robot) is kept across restarts: when more waits than may be sent, what
 * waits is folded into one digest. The first message of a lone incident goes at once.
 *
 * Lives on the loop; reads and writes the store through the writer's worker.
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

struct nj_notifier_options {
    struct nj_loop *loop;
    struct nj_http *http;
    struct nj_worker *writer; /* the worker that owns `store` */
    struct nj_store *store;   /* the writer connection */
    struct nj_metrics *metrics;
    const struct nj_collector_config *config; /* borrowed until nj_notifier_close() or the next reload */
};

/* Reads the channels' secrets; -ENOENT etc. with a text that names channel and setting. */
int nj_notifier_start(const struct nj_notifier_options *options, struct nj_notifier **ret_notifier,
                      struct nj_err *err);

/* Swaps in a new configuration (channels, routes, language); on error the old one stays. */
int nj_notifier_reload(struct nj_notifier *notifier, const struct nj_collector_config *config,
                       struct nj_err *err);

/* For ingest's transaction, on the writer's worker: adds a row for each channel that the routes give. `data`
 * is the notifier. */
int nj_notifier_plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                     enum nj_transition transition, int64_t now_ns, struct nj_err *err);

/* Something was committed: look at the rows now. */
void nj_notifier_kick(struct nj_notifier *notifier);

/* Rows that wait or are being sent, as last seen; for tests and readiness. */
size_t nj_notifier_waiting(const struct nj_notifier *notifier);

/* Lets what is being sent finish (bounded by the channels' timeouts), sends nothing new, then calls
 * on_closed. */
void nj_notifier_close(struct nj_notifier *notifier, void (*on_closed)(void *data), void *data);

#endif
