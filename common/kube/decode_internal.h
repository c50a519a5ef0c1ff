/*
 * What the decoders of both encodings share. Private to common/kube.
 */
#ifndef NJ_KUBE_DECODE_INTERNAL_H
#define NJ_KUBE_DECODE_INTERNAL_H

#include "common/kube/decode.h"

/* Containers of one pod; far above what fits into etcd's 1.5 MiB, and small enough for a search in a search.
 */
enum { NJ_KUBE_CONTAINERS_MAX = 4096 };

enum {
    NJ_KUBE_PROGRESS_DEADLINE_S = 600, /* of a Deployment that names none */
    NJ_KUBE_GRACE_S = 30,              /* of a pod that names none */
};

/* The reason of a Status' cause: the server is not at the asked version yet. */
#define NJ_KUBE_CAUSE_TOO_LARGE "ResourceVersionTooLarge"

/* The objects of list items and of JSON: without protobuf's envelope. As nj_kube_decode(). */
int nj_kube_decode_bare_pb(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                           struct nj_kube_object *ret_object, struct nj_err *err);
int nj_kube_decode_bare_json(enum nj_kube_kind kind, const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_object *ret_object, struct nj_err *err);

int nj_kube_decode_status_pb(const void *bytes, size_t len, struct nj_arena *arena,
                             struct nj_kube_status *ret_status, struct nj_err *err);
int nj_kube_decode_status_json(const void *bytes, size_t len, struct nj_arena *arena,
                               struct nj_kube_status *ret_status, struct nj_err *err);

/* A bare metav1.ListMeta. */
int nj_kube_decode_list_meta_pb(const void *bytes, size_t len, struct nj_arena *arena,
                                struct nj_list_end *ret_end, struct nj_err *err);
int nj_kube_decode_list_meta_json(const void *bytes, size_t len, struct nj_arena *arena,
                                  struct nj_list_end *ret_end, struct nj_err *err);

/* The parts of a WatchEvent, in place: `type` is no terminated string. */
struct nj_watch_event_parts {
    const char *type;
    size_t type_len;
    const void *object;
    size_t object_len;
};
int nj_kube_split_event_pb(const void *bytes, size_t len, struct nj_watch_event_parts *ret_parts);
int nj_kube_split_event_json(const void *bytes, size_t len, struct nj_watch_event_parts *ret_parts);

/* Into the order that nj_kube_label() expects. */
void nj_kube_sort_pairs(struct nj_kube_pair *pairs, size_t count);

/* A container's memory or cpu under limits or requests; what is no quantity counts as none: one odd object
 * must not make a whole watch fail. */
enum nj_kube_resource { NJ_KUBE_LIMIT, NJ_KUBE_REQUEST };
void nj_kube_set_resource(struct nj_container_spec *container, enum nj_kube_resource which, const char *name,
                          const char *quantity);

/* A pod's overhead, and what a node has; likewise. */
void nj_kube_set_overhead(struct nj_pod_object *pod, const char *name, const char *quantity);
enum nj_kube_node_resource { NJ_KUBE_CAPACITY, NJ_KUBE_ALLOCATABLE };
void nj_kube_set_node_resource(struct nj_node_object *node, enum nj_kube_node_resource which,
                               const char *name, const char *quantity);

/* Whether a managedFields entry's fields (JSON, "f:spec":{"f:template":...) name the pods' template. */
bool nj_kube_names_template(const void *fields, size_t len);

enum { NJ_KUBE_LIMIT_TEXT_MAX = 16 }; /* of a budget's, as a number */

/* SIDECAR when the pod's spec says that the init container `name` is one, else INIT. */
enum nj_container_type nj_kube_init_type(const struct nj_pod_object *pod, const char *name);

/* Every string of it "" and every number what stands for absent. */
struct nj_kube_object nj_kube_object_empty(enum nj_kube_kind kind);
extern const struct nj_container_state nj_container_state_empty;
extern const struct nj_pod_probe nj_pod_probe_empty;

/* Kubernetes' own defaults (pkg/apis/core/v1/defaults.go), for what a server or a test left out. */
void nj_kube_default_probe(struct nj_pod_probe *probe);
void nj_kube_default_service_port(struct nj_service_port *port);
const char *nj_kube_or(const char *text, const char *absent); /* text, or `absent` when it is "" */

enum { NJ_KUBE_FAMILIES = 2 };
extern const char *const nj_kube_families[NJ_KUBE_FAMILIES]; /* "IPv4", "IPv6" */
const char *nj_kube_family(const char *address);             /* one of these */

uint16_t nj_kube_port(int64_t number); /* 0 for what is no port */
/* An IntOrString, text NULL when it is a number. A number written as a string is a number, as to the kubelet.
 */
void nj_kube_set_port(const char *text, int64_t number, const char **ret_name, uint16_t *ret_number);

/* The hosts of an Ingress' spec.tls. */
struct nj_kube_tls {
    const char **hosts; /* sorted by nj_kube_tls_sort() */
    size_t count;
    bool all; /* an entry without hosts covers every one */
};
void nj_kube_tls_sort(struct nj_kube_tls *tls);
bool nj_kube_tls_covers(const struct nj_kube_tls *tls, const char *host);

/* "-EBADMSG, or -EOVERFLOW when the arena was full", in words. */
int nj_kube_refuse(bool arena_full, const char *what, struct nj_err *err);

#endif
