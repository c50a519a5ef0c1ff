/*
 * ApiMonitors' status, written by server-side apply: only when it differs from what was last written, at most
 * every 2 s each, a few at once. Refusals (the monitor is gone, no right, a conflict) are tried again later
 * and later. Private to collector/probes; loop thread only.
 */
#ifndef NJ_PROBES_STATUS_H
#define NJ_PROBES_STATUS_H

#include "collector/probes/monitors.h"
#include "common/base/metrics.h"
#include "common/kube/client.h"

struct nj_statuses;

struct nj_status_counts {
    size_t targets, passing, failing, starting;
    int64_t changed_ns; /* 0: never */
};

struct nj_statuses_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics;
};

struct nj_statuses *nj_statuses_new(const struct nj_statuses_options *options);

/* What an ApiMonitor's status was when it was found: since when its conditions are what they are goes on. */
void nj_statuses_recall(struct nj_statuses *statuses, const struct nj_model_monitor *custom);
/* What an ApiMonitor's status is now. */
void nj_statuses_put(struct nj_statuses *statuses, const struct nj_monitor *monitor,
                     const struct nj_status_counts *counts);
/* The ApiMonitor is gone. */
void nj_statuses_remove(struct nj_statuses *statuses, const char *id);

/* Writes that are under way are cancelled. Takes NULL. */
void nj_statuses_close(struct nj_statuses *statuses, void (*on_closed)(void *data), void *data);

/* For tests: the reason of each condition. */
const char *nj_status_accepted_reason(const struct nj_monitor *monitor);
const char *nj_status_passing_reason(const struct nj_status_counts *counts);

#endif
