/*
 * What the cluster has of services: Services, EndpointSlices, Ingresses and ApiMonitors, watched and kept as
 * copies, indexed by namespace and name. Namespaces' own annotations are namespaces.h.
 *
 * Records are borrowed and valid until the loop runs again. Changes are told by namespace, gathered for up to
 * 100 ms, or ten times as long as on_changed() took last (at most 3 s), so that a list of thousands is told
 * once and telling takes a tenth of the loop's time. Where a kind cannot be watched (the
 * CustomResourceDefinition is not installed: 404; no right: 403) that kind alone stays empty, and is tried
 * again. Where the server has never had EndpointSlices (404), Endpoints are watched in their place, as the
 * slices that there would be, until it has. Loop thread only.
 */
#ifndef NJ_CLUSTER_MODEL_H
#define NJ_CLUSTER_MODEL_H

#include "common/base/metrics.h"
#include "common/kube/watch.h"

struct nj_model;

enum nj_model_kind {
    NJ_MODEL_SERVICES,
    NJ_MODEL_SLICES,
    NJ_MODEL_INGRESSES,
    NJ_MODEL_MONITORS,
    NJ_MODEL_KINDS
};

/* Of Endpoints one for each subset and family, which share name and uid. */
struct nj_model_slice {
    const char *name, *uid;
    bool managed;       /* Kubernetes' own controller keeps it, by the Service's selector */
    int64_t generation; /* another one: something in it has changed */
    int64_t trigger_ns; /* endpoints.kubernetes.io/last-change-trigger-time: whole seconds; 0: not said */
    const struct nj_slice_object *slice;
    const struct nj_model_slice *next; /* of the same Service */
};

struct nj_model_service {
    const char *namespace, *name, *uid;
    const struct nj_kube_pair *annotations, *labels;
    size_t annotations_count, labels_count;
    int64_t created_ns;
    const struct nj_service_object *service; /* NULL: slices without a Service */
    const struct nj_model_slice *slices;
};

struct nj_model_ingress {
    const char *namespace, *name, *uid;
    const struct nj_kube_pair *annotations;
    size_t annotations_count;
    const struct nj_ingress_object *ingress;
};

struct nj_model_monitor {
    const char *namespace, *name, *uid;
    int64_t generation, created_ns;
    const char *spec;   /* JSON */
    const char *status; /* JSON, as it was when this spec was first seen */
    size_t spec_len, status_len;
};

struct nj_model_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;
    struct nj_metrics *metrics;
    size_t max_objects; /* of all kinds together; beyond, further ones are not followed, and counted */
    /* Something in this namespace is new, changed or gone. */
    void (*on_changed)(void *data, const char *namespace);
    /* This Service, or one of its slices, is new, changed or gone: at once, in the order in which the watches
     * tell, also before on_synced(). May be NULL. */
    void (*on_service)(void *data, const char *namespace, const char *name);
    /* The first lists of all kinds have been read, or cannot be. Once. */
    void (*on_synced)(void *data);
    /* What makes a kind unavailable (no right, no such resource) is told once until it is read. */
    void (*on_trouble)(void *data, enum nj_model_kind kind, const struct nj_err *err); /* may be NULL */
    void *data;
};

int nj_model_start(const struct nj_model_options *options, struct nj_model **ret_model, struct nj_err *err);
bool nj_model_synced(const struct nj_model *model);
/* Since when the server has told nothing more of this kind, because the watch is broken (wall); 0: it goes
 * on. */
int64_t nj_model_broken_ns(const struct nj_model *model, enum nj_model_kind kind);

const struct nj_model_service *nj_model_service(struct nj_model *model, const char *namespace,
                                                const char *name);
const struct nj_model_ingress *nj_model_ingress(struct nj_model *model, const char *namespace,
                                                const char *name);
void nj_model_each_service(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_service *service), void *data);
void nj_model_each_ingress(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_ingress *ingress), void *data);
void nj_model_each_monitor(struct nj_model *model, const char *namespace,
                           void (*each)(void *data, const struct nj_model_monitor *monitor), void *data);
void nj_model_each_namespace(struct nj_model *model, void (*each)(void *data, const char *namespace),
                             void *data);
/* A namespace other than `besides` where a Service has this address, or selects a pod that has it; NULL:
 * none. For finding out where a hand-made endpoint leads. */
const char *nj_model_address_namespace(struct nj_model *model, const char *address, const char *besides);

void nj_model_close(struct nj_model *model, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
