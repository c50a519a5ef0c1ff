/*
 * The cluster's workloads: Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs and PodDisruptionBudgets,
 * watched and kept as small copies, indexed by namespace and name and by what they select: which workloads
 * stand behind a Service is worked out from its selector and their templates' labels.
 *
 * A kind that cannot be watched (no right to it, no such resource) stays empty and is told once. Records are
 * borrowed and valid until the loop runs again. Loop thread only.
 */
#ifndef NJ_CLUSTER_WORKLOADS_H
#define NJ_CLUSTER_WORKLOADS_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"

struct nj_workloads;

enum nj_workloads_kind {
    NJ_WORKLOADS_DEPLOYMENT,
    NJ_WORKLOADS_STATEFUL_SET,
    NJ_WORKLOADS_DAEMON_SET,
    NJ_WORKLOADS_REPLICA_SET, /* one that belongs to a Deployment stands for a revision of that */
    /* What it wants is what is left to be done: none when it is over or suspended. Of its containers nothing
     * is kept. */
    NJ_WORKLOADS_JOB,
    NJ_WORKLOADS_KINDS
};
const char *nj_workloads_kind_name(enum nj_workloads_kind kind); /* "Deployment", ... */
int nj_workloads_kind_parse(const char *name, enum nj_workloads_kind *ret_kind);

struct nj_workloads_item {
    enum nj_workloads_kind kind;
    const char *namespace, *name, *uid;
    int64_t generation, created_ns;
    bool deleting;
    /* All labels; of the annotations only nightjar.dev/..., kubernetes.io/change-cause and those that the
     * revision is read from. Sorted by key. */
    const struct nj_kube_pair *labels, *annotations;
    size_t labels_count, annotations_count;
    const char *owner_kind, *owner; /* its controller; "" */
    /* Changes with the template and with nothing else: of a Deployment and its ReplicaSets the number that
     * kubectl shows, of a StatefulSet the update revision's name, of a DaemonSet its template's generation;
     * "" before its controller has looked at it. */
    const char *revision;
    /* Of a ReplicaSet: what its pods' names and labels carry ("5694fcdf4f"). Of a StatefulSet the revision.
     */
    const char *template_hash;
    /* Probes have no headers, containers no ports: nobody asks. */
    const struct nj_workload_object *object;
};

const char *nj_workloads_annotation(const struct nj_workloads_item *item, const char *key); /* NULL: none */
/* Of a Job: it has ended well. One that has failed, or is suspended, has not. */
bool nj_workloads_completed(const struct nj_workloads_item *item);

struct nj_workloads_budget {
    const char *namespace, *name;
    const struct nj_kube_pair *selector;
    size_t selector_count;
    const char *min_available, *max_unavailable; /* as they stand: "2", "50%", "" */
    int32_t desired_healthy, current_healthy, disruptions_allowed, expected_pods;
};

struct nj_workloads_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    size_t max_objects; /* of all kinds together; beyond, further ones are not followed, and counted */
    /* At once, in the order in which the watches tell, with the time of arrival (wall): `before` is the copy
     * that was, NULL for a new one; `after` NULL: it is gone. Both borrowed. What the index says is as after.
     * Budgets are not told. */
    void (*on_change)(void *data, const struct nj_workloads_item *before,
                      const struct nj_workloads_item *after, int64_t at_ns);
    void (*on_synced)(void *data);                            /* every kind was listed, or cannot be. Once */
    void (*on_trouble)(void *data, const struct nj_err *err); /* may be NULL */
    void *data;
};

int nj_workloads_start(const struct nj_workloads_options *options, struct nj_workloads **ret_workloads,
                       struct nj_err *err);
bool nj_workloads_synced(const struct nj_workloads *workloads);
size_t nj_workloads_count(const struct nj_workloads *workloads); /* of all kinds, with the budgets */

const struct nj_workloads_item *nj_workloads_find(struct nj_workloads *workloads, enum nj_workloads_kind kind,
                                                  const char *namespace, const char *name); /* NULL: none */
/* Those whose pods a Service with this selector has: top ones (Deployments, StatefulSets, DaemonSets, and
 * ReplicaSets that belong to no Deployment), then Jobs. An empty selector has none. `each` must not change
 * anything. */
void nj_workloads_behind(struct nj_workloads *workloads, const char *namespace,
                         const struct nj_kube_pair *selector, size_t selector_count,
                         void (*each)(void *data, const struct nj_workloads_item *item), void *data);
/* The ReplicaSets of a Deployment. */
void nj_workloads_revisions(struct nj_workloads *workloads, const char *namespace, const char *deployment,
                            void (*each)(void *data, const struct nj_workloads_item *replica_set),
                            void *data);
/* The ReplicaSet of a Deployment's revision, or NULL: it may come later than the Deployment says so. */
const struct nj_workloads_item *nj_workloads_revision(struct nj_workloads *workloads, const char *namespace,
                                                      const char *deployment, const char *revision);
/* But Jobs: these come and go. */
void nj_workloads_each(struct nj_workloads *workloads,
                       void (*each)(void *data, const struct nj_workloads_item *item), void *data);
/* Those that hold for a pod with these labels (sorted by key). One whose selector has expressions is left
 * out. */
void nj_workloads_budgets(struct nj_workloads *workloads, const char *namespace,
                          const struct nj_kube_pair *labels, size_t labels_count,
                          void (*each)(void *data, const struct nj_workloads_budget *budget), void *data);

void nj_workloads_close(struct nj_workloads *workloads, void (*on_closed)(void *data),
                        void *data); /* takes NULL */

#endif
