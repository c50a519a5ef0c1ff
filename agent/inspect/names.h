/*
 * The names of what a scan finds: which pod, container and workload a container id belongs to, and what that
 * was given, as the node's pods say. Also what each pod needs of a node, for working out where else it could
 * go. Private to agent/inspect; loop thread only.
 *
 * A pod that is deleted is remembered for a while: what its containers did last is found out after they are
 * gone. Its workload is guessed from its controller's name until it is known (agent/pods/owners.h); few are
 * asked for at once, as a node's start brings all of its pods together.
 */
#ifndef NJ_INSPECT_NAMES_H
#define NJ_INSPECT_NAMES_H

#include "agent/pods/owners.h"
#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "common/loop/loop.h"

struct nj_names;

struct nj_names_options {
    struct nj_loop *loop; /* these two are borrowed until nj_names_free() */
    struct nj_owners *owners;
    struct nj_metrics *metrics; /* may be NULL */
    int64_t remember_ns;        /* a deleted pod, for so long */
    /* Somebody may wait for the pod's workload: it is known now. */
    void (*on_workload)(void *data);
    void *data;
};

/* Borrowed until the pod changes. Strings are never NULL. */
struct nj_named_container {
    const char *name;
    const char *id; /* with its scheme: "containerd://..."; "" before it was made */
    const char *last_id;
    enum nj_container_type type;
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes; /* 0: none */
    int64_t started_ns; /* of the instance with `id`; 0: not known */
    int32_t restart_count;
    bool running;
};

struct nj_named_pod {
    const char *namespace, *name, *uid;
    const char *directory_uid; /* in the names of its log folder and its cgroup: the uid, or a static pod's
                                  config hash */
    const char *workload_kind, *workload;
    bool settled; /* the workload is no guess */
    bool over;    /* Succeeded or Failed: it takes nothing of the node */
    bool deleted;
    bool replaced; /* another pod has its name now */
    bool host_network;
    int64_t cpu_request_millis, memory_request_bytes; /* as the scheduler counts them */
    int32_t priority;
    const char *placement; /* of struct nj_usage_pod */
    const struct nj_named_container *containers;
    size_t containers_count;
};

struct nj_names *nj_names_new(const struct nj_names_options *options);
void nj_names_free(struct nj_names *names); /* takes NULL */

/* What the watch tells. */
void nj_names_pod(struct nj_names *names, enum nj_watch_event_type type, const struct nj_kube_object *object);
/* Forgets pods that were deleted long enough ago. */
void nj_names_sweep(struct nj_names *names);

/* By the id without a scheme; of an earlier instance too, as long as the pod's status tells it. NULL: not
 * known. *ret_container (may be NULL) is borrowed likewise. */
const struct nj_named_pod *nj_names_container(const struct nj_names *names, const char *container_id,
                                              const struct nj_named_container **ret_container);
/* By its uid, or a static pod's config hash. */
const struct nj_named_pod *nj_names_by_uid(const struct nj_names *names, const char *uid);

/* Every pod, deleted ones too. */
void nj_names_each(const struct nj_names *names, void (*each)(void *data, const struct nj_named_pod *pod),
                   void *data);
size_t nj_names_count(const struct nj_names *names);

/* "containerd://0123" -> "0123" */
const char *nj_names_bare_id(const char *container_id);

#endif
