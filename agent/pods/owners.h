/*
 * From a pod to the workload that people know: a ReplicaSet's Deployment, a Job's CronJob; a StatefulSet,
 * DaemonSet or any other controller as it is; a static pod under its name without the node's; a bare pod as
 * kind "Pod".
 *
 * Only a ReplicaSet or a Job that is not known yet costs a request: one GET of its metadata, shared by
 * everybody who asks meanwhile, at most 2 s long. When it is refused, late, or the object is gone, the name
 * tells: "web-5d9f8c7b6" with the pod's template hash is Deployment "web". Such guesses are kept for half a
 * minute only. Nothing is ever listed. Loop thread only.
 */
#ifndef NJ_PODS_OWNERS_H
#define NJ_PODS_OWNERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/metrics.h"
#include "common/kube/client.h"
#include "common/loop/loop.h"

struct nj_owners;

struct nj_owners_options {
    struct nj_loop *loop; /* these three are borrowed until on_closed() */
    struct nj_kube_client *client;
    struct nj_metrics *metrics; /* may be NULL */
    const char *node;           /* copied */
    size_t max_cached; /* owners known at once; 0: 512. Beyond, the one unused longest is forgotten */
};

/* Strings may be "" where there is nothing, never NULL. */
struct nj_owner_query {
    const char *namespace, *pod;
    const char *api_version, *kind, *name, *uid; /* of the pod's controller */
    const char *template_hash;                   /* the pod's label pod-template-hash */
};

/* Embedded in whatever waits for the answer; kept alive until done() or nj_owners_cancel(). */
struct nj_owner_request {
    void (*done)(struct nj_owner_request *request, const char *kind, const char *name);
    void *data;
    /* private: */
    struct nj_owner_request *next, **link;
};

struct nj_owners *nj_owners_new(const struct nj_owners_options *options);

/* True: the answer is known, in *ret_kind and *ret_name, borrowed until the next call. False: request->done()
 * is called from the loop later, exactly once. */
bool nj_owners_resolve(struct nj_owners *owners, const struct nj_owner_query *query,
                       struct nj_owner_request *request, const char **ret_kind, const char **ret_name);

/* done() is not called any more. May be called for one that does not wait. */
void nj_owners_cancel(struct nj_owner_request *request);

/* Requests that still wait are not answered. on_closed() may be NULL and may be called at once. Takes NULL.
 */
void nj_owners_close(struct nj_owners *owners, void (*on_closed)(void *data), void *data);

#endif
