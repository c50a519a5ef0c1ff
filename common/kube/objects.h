/*
 * The Kubernetes objects that Nightjar reads, as plain C: only the fields used, under Kubernetes' own names.
 *
 * Strings are never NULL ("" when absent), arrays may be NULL when their count is 0. Everything an object
 * points to belongs to the arena it was decoded into and is borrowed until that is reset: a watch handler
 * copies what it keeps. Times are wall ns, 0 when absent. The same object decoded from protobuf and from JSON
 * is equal, field by field.
 */
#ifndef NJ_KUBE_OBJECTS_H
#define NJ_KUBE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_kube_pair { /* of labels and annotations; sorted by key */
    const char *key;
    const char *value;
};

struct nj_kube_owner {
    const char *api_version, *kind, *name, *uid;
    bool controller;
};

struct nj_kube_meta {
    const char *name, *namespace, *uid, *resource_version;
    int64_t generation;
    int64_t created_ns;
    int64_t deleted_ns;             /* deletionTimestamp: when the grace period ends, not when it began */
    int64_t deletion_grace_seconds; /* -1: absent */
    const struct nj_kube_pair *labels, *annotations;
    size_t labels_count, annotations_count;
    const struct nj_kube_owner *owners;
    size_t owners_count;
};

/* The value of a label or annotation, or NULL. */
const char *nj_kube_label(const struct nj_kube_meta *meta, const char *key);
const char *nj_kube_annotation(const struct nj_kube_meta *meta, const char *key);
/* The owner marked as controller, or NULL. */
const struct nj_kube_owner *nj_kube_controller(const struct nj_kube_meta *meta);

enum nj_container_type { NJ_CONTAINER_APP, NJ_CONTAINER_INIT, NJ_CONTAINER_SIDECAR, NJ_CONTAINER_EPHEMERAL };
const char *nj_container_type_name(enum nj_container_type type); /* "app", "init", "sidecar", "ephemeral" */

struct nj_container_spec {
    const char *name, *image;
    enum nj_container_type type; /* an init container with restartPolicy Always is a sidecar */
    int64_t memory_limit_bytes, memory_request_bytes; /* 0: none */
    int64_t cpu_limit_millis, cpu_request_millis;     /* 0: none */
};

enum nj_container_state_kind { NJ_STATE_NONE, NJ_STATE_WAITING, NJ_STATE_RUNNING, NJ_STATE_TERMINATED };

struct nj_container_state {
    enum nj_container_state_kind kind;
    const char *reason, *message; /* waiting, terminated */
    int64_t started_ns;           /* running, terminated */
    int64_t finished_ns;          /* terminated */
    int32_t exit_code, signal;    /* terminated */
    const char *container_id;     /* terminated; with its scheme: "containerd://..." */
};

struct nj_container_status {
    const char *name, *image, *container_id;
    enum nj_container_type type; /* from which list, and the spec's restartPolicy */
    bool ready, started;
    int32_t restart_count;
    struct nj_container_state state, last_state;
};

struct nj_pod_condition {
    const char *type, *status, *reason, *message;
    int64_t last_transition_ns;
};

struct nj_pod_object {
    const char *node_name, *restart_policy, *phase, *reason, *message;
    bool host_network;
    const struct nj_container_spec *containers; /* init, app and ephemeral in this order */
    size_t containers_count;
    const struct nj_container_status *statuses; /* likewise */
    size_t statuses_count;
    const struct nj_pod_condition *conditions;
    size_t conditions_count;
};

const struct nj_container_spec *nj_pod_container(const struct nj_pod_object *pod, const char *name);
const struct nj_pod_condition *nj_pod_condition(const struct nj_pod_object *pod, const char *type);

enum nj_kube_kind {
    NJ_KUBE_META, /* any object: only its metadata is decoded */
    NJ_KUBE_POD,
};

struct nj_kube_object {
    enum nj_kube_kind kind;
    struct nj_kube_meta meta;
    struct nj_pod_object pod; /* NJ_KUBE_POD */
};

#endif
