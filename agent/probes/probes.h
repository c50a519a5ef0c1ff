/*
 * The agent's part of probing: matches the node's pods with the plan, and runs a check for each pod, port and
 * address family that a monitor asks for; the node's own built-in checks (kubelet, kube-proxy, cluster DNS).
 *
 * A check begins within a second of its pod's first address and ends, its connection too, when the pod is
 * being deleted, is over, or gone. Until the pod was Ready, or its start-up allowance has passed
 * (allowance.h), failing is not told. When every local check fails, that is the node's: one event on target
 * "node/NAME", and the pods' own are held back, kept with that reason, and told when they still fail once the
 * node passes.
 *
 * States are events at once, minutes are rollups; both go to the outbox. Loop thread only.
 */
#ifndef NJ_PROBES_AGENT_PROBES_H
#define NJ_PROBES_AGENT_PROBES_H

#include "agent/pods/owners.h"
#include "common/base/buf.h"
#include "common/base/metrics.h"
#include "common/base/redact.h"
#include "common/kube/client.h"
#include "common/kube/decode.h"
#include "common/probe/checks.h"
#include "common/wire/event.h"
#include "common/wire/plan.h"

struct nj_node_probes;

struct nj_node_probes_options {
    struct nj_loop *loop;          /* these five are borrowed until on_closed() */
    struct nj_kube_client *client; /* to ask a Deployment for its progressDeadlineSeconds; NULL: not asked */
    struct nj_owners *owners;
    struct nj_metrics *metrics;         /* may be NULL */
    const struct nj_redactor *redactor; /* may be NULL */
    const char *node;                   /* copied */
    size_t max_checks, max_concurrent, max_response_bytes;
    int64_t max_starts_per_s;
    bool builtin;            /* the node's own checks */
    const char *resolv_conf; /* for the check of the cluster's DNS; NULL: /etc/resolv.conf */
    /* To be stored; borrowed. on_interest(): the namespaces with pods have changed, or a pod came that the
     * plan may not know of: ask for the plan at once. */
    void (*on_event)(void *data, const struct nj_event *event);
    void (*on_interest)(void *data);
    void *data;
};

int nj_node_probes_new(const struct nj_node_probes_options *options, struct nj_node_probes **ret_probes,
                       struct nj_err *err);
/* Tells the rollups that there are; no target is told as gone. Takes NULL. */
void nj_node_probes_close(struct nj_node_probes *probes, void (*on_closed)(void *data), void *data);

/* As the detector is told of pods. */
void nj_node_probes_pod(struct nj_node_probes *probes, enum nj_watch_event_type type,
                        const struct nj_kube_object *object);
/* A whole list of pods has been told: from now on the namespaces are all known, and on_interest() is called
 * for new ones. */
void nj_node_probes_synced(struct nj_node_probes *probes);

/* Puts a plan into force: checks whose monitor is unchanged go on as they are. */
void nj_node_probes_set_plan(struct nj_node_probes *probes, const struct nj_plan *plan);
const char *nj_node_probes_plan_version(const struct nj_node_probes *probes);
/* Sorted, borrowed until the loop runs again. */
const char *const *nj_node_probes_namespaces(struct nj_node_probes *probes, size_t *ret_count);

/* For what ends from now on; borrowed until on_closed() or the next call. */
void nj_node_probes_set_redactor(struct nj_node_probes *probes, const struct nj_redactor *redactor);

/* Appends the targets' latest runs in Prometheus' text format: 0 or -EOVERFLOW. */
int nj_node_probes_expose(const struct nj_node_probes *probes, struct nj_buf *out);

#endif
