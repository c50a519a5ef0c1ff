/*
 * Pods that no node takes: no agent sees them, so the collector does. Watches the pods whose spec.nodeName is
 * empty and tells, as events like an agent's, which of them the scheduler cannot place for longer than
 * allowed (STUCK with reason Unschedulable), and when that is over (CLEARED: scheduled or deleted). What
 * lasts is told again every 5 minutes, as the same fact. A pod that is being deleted, or held by a scheduling
 * gate, is not told. Loop thread only.
 */
#ifndef NJ_CLUSTER_UNSCHEDULED_H
#define NJ_CLUSTER_UNSCHEDULED_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "common/wire/event.h"

struct nj_unscheduled;

struct nj_unscheduled_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    int64_t after_ns;           /* unschedulable for so long is told */
    size_t max_pods;            /* beyond, further pods are not followed and counted */
    void (*on_event)(void *data, const struct nj_event *event);
    void (*on_trouble)(void *data, const struct nj_err *err); /* may be NULL */
    void *data;
};

struct nj_unscheduled *nj_unscheduled_new(const struct nj_unscheduled_options *options);

/* Before the start: a pod that an earlier process told about. When it is not in the first list, it is told as
 * over. */
void nj_unscheduled_remember(struct nj_unscheduled *unscheduled, const struct nj_subject *subject);

int nj_unscheduled_start(struct nj_unscheduled *unscheduled, struct nj_err *err);
bool nj_unscheduled_synced(const struct nj_unscheduled *unscheduled);
void nj_unscheduled_close(struct nj_unscheduled *unscheduled, void (*on_closed)(void *data), void *data);

#endif
