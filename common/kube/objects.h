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

/* Is it what objects and namespaces are called: a DNS subdomain (RFC 1123, at most 253 bytes)? Such a name is
 * safe in a path. */
bool nj_kube_is_name(const char *text);

/* The value of a label or annotation, or NULL. */
const char *nj_kube_label(const struct nj_kube_meta *meta, const char *key);
const char *nj_kube_annotation(const struct nj_kube_meta *meta, const char *key);
/* The owner marked as controller, or NULL. */
const struct nj_kube_owner *nj_kube_controller(const struct nj_kube_meta *meta);

enum nj_container_type { NJ_CONTAINER_APP, NJ_CONTAINER_INIT, NJ_CONTAINER_SIDECAR, NJ_CONTAINER_EPHEMERAL };
const char *nj_container_type_name(enum nj_container_type type); /* "app", "init", "sidecar", "ephemeral" */

/* A container's named or numbered port. */
struct nj_container_port {
    const char *name; /* "" */
    uint16_t number;
    const char *protocol; /* "TCP" by default */
};

enum nj_pod_probe_kind {
    NJ_POD_PROBE_NONE,
    NJ_POD_PROBE_HTTP,
    NJ_POD_PROBE_TCP,
    NJ_POD_PROBE_GRPC,
    NJ_POD_PROBE_EXEC
};

/* A startup, readiness or liveness probe; Kubernetes' defaults are filled in. */
struct nj_pod_probe {
    enum nj_pod_probe_kind kind;
    const char *host;      /* HTTP, TCP: "" for the pod's address */
    const char *port_name; /* "": by number */
    uint16_t port;
    const char *path, *scheme;          /* HTTP: "/", "HTTP" */
    const struct nj_kube_pair *headers; /* HTTP; in their order */
    size_t headers_count;
    const char *service; /* gRPC */
    int32_t initial_delay_seconds, timeout_seconds, period_seconds, failure_threshold, success_threshold;
};

struct nj_container_spec {
    const char *name, *image;
    enum nj_container_type type; /* an init container with restartPolicy Always is a sidecar */
    int64_t memory_limit_bytes, memory_request_bytes; /* 0: none */
    int64_t cpu_limit_millis, cpu_request_millis;     /* 0: none */
    const struct nj_container_port *ports;
    size_t ports_count;
    struct nj_pod_probe startup, readiness, liveness;
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

/* Of pods. effect "" tolerates every effect, key "" with operator "Exists" every taint. */
struct nj_toleration {
    const char *key, *operator, * value, *effect;
};

/* One requirement on a node's labels (or, `of_field`, its fields). operator: In, NotIn, Exists, DoesNotExist,
 * Gt, Lt. */
struct nj_node_requirement {
    const char *key, *operator;
    const char *const *values;
    size_t values_count;
    bool of_field;
};

/* Terms are alternatives; the requirements of one hold together. */
struct nj_node_term {
    const struct nj_node_requirement *requirements;
    size_t count;
};

struct nj_pod_object {
    const char *node_name, *restart_policy, *phase, *reason, *message;
    int32_t grace_seconds; /* spec.terminationGracePeriodSeconds, 30 by default */
    bool host_network;
    const char *host_ip;
    const char *const *ips; /* status.podIPs: at most one a family; none before the sandbox is up */
    size_t ips_count;
    int64_t started_ns;                         /* status.startTime: when the kubelet took it */
    const struct nj_container_spec *containers; /* init, app and ephemeral in this order */
    size_t containers_count;
    const struct nj_container_status *statuses; /* likewise */
    size_t statuses_count;
    const struct nj_pod_condition *conditions;
    size_t conditions_count;
    int32_t priority;
    const struct nj_kube_pair *node_selector;
    size_t node_selector_count;
    const struct nj_node_term *node_affinity; /* requiredDuringSchedulingIgnoredDuringExecution */
    size_t node_affinity_count;
    const struct nj_toleration *tolerations;
    size_t tolerations_count;
    int64_t overhead_cpu_millis, overhead_memory_bytes;
};

const struct nj_container_spec *nj_pod_container(const struct nj_pod_object *pod, const char *name);
const struct nj_pod_condition *nj_pod_condition(const struct nj_pod_object *pod, const char *type);

struct nj_service_port {
    const char *name, *protocol; /* protocol "TCP" by default */
    const char *app_protocol;
    uint16_t number;
    const char *target_name; /* "": target_number, which is `number` by default */
    uint16_t target_number;
};

struct nj_service_object {
    const char *type;               /* "ClusterIP" by default, "NodePort", "LoadBalancer", "ExternalName" */
    const char *const *cluster_ips; /* none, or "None" for a headless one */
    size_t cluster_ips_count;
    const char *const *ip_families; /* "IPv4", "IPv6" */
    size_t ip_families_count;
    const struct nj_kube_pair *selector;
    size_t selector_count;
    const struct nj_service_port *ports;
    size_t ports_count;
    const char *external_name;
    bool publish_not_ready;
};

struct nj_endpoint {
    const char *const *addresses;
    size_t addresses_count;
    bool ready;       /* absent means true */
    bool serving;     /* absent means as ready: mirrored slices say no more */
    bool terminating; /* absent means false */
    const char *node; /* "" */
    const char *target_kind, *target_name, *target_uid; /* targetRef; "" */
};

struct nj_endpoint_port {
    const char *name, *protocol;
    const char *app_protocol;
    uint16_t number; /* 0: all ports */
};

struct nj_slice_object {
    const char *address_type; /* "IPv4", "IPv6", "FQDN" */
    const struct nj_endpoint *endpoints;
    size_t endpoints_count;
    const struct nj_endpoint_port *ports;
    size_t ports_count;
};

/* core/v1 Endpoints, as the slices that there would be: one for each subset and family of addresses, and an
 * empty one where there are no addresses. Who is ready is serving, and nobody is terminating: those leave at
 * once. */
struct nj_endpoints_object {
    const struct nj_slice_object *slices; /* at least one */
    size_t slices_count;
};

struct nj_ingress_path {
    const char *host, *path, *path_type; /* host "": any */
    const char *service, *port_name;
    uint16_t port;
    bool tls; /* the host is among those of spec.tls */
};

struct nj_ingress_object {
    const char *class_name;
    const struct nj_ingress_path *paths; /* every rule's, the default backend last with path "" */
    size_t paths_count;
    const char *const *addresses; /* of the load balancer: IPs and host names */
    size_t addresses_count;
};

struct nj_taint {
    const char *key, *value, *effect; /* NoSchedule, PreferNoSchedule, NoExecute */
};

struct nj_node_object {
    bool unschedulable;
    const struct nj_taint *taints;
    size_t taints_count;
    int64_t allocatable_cpu_millis, allocatable_memory_bytes, allocatable_pods;
    int64_t capacity_cpu_millis, capacity_memory_bytes;
    const struct nj_pod_condition
        *conditions; /* Ready, MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable */
    size_t conditions_count;
    const char *kubelet_version;
};

/* A Deployment, StatefulSet, DaemonSet or ReplicaSet (apps/v1), or a Job (batch/v1). What a kind does not
 * have reads as its default. */
struct nj_workload_object {
    /* spec.replicas, 1 by default; DaemonSet: status.desiredNumberScheduled; Job: spec.parallelism, whether
     * it is over or not. */
    int32_t desired;
    const struct nj_kube_pair *selector; /* matchLabels */
    size_t selector_count;
    bool selector_has_expressions; /* matchExpressions, which are not read */
    const struct nj_kube_pair *template_labels;
    size_t template_labels_count;
    const struct nj_container_spec *containers; /* the template's: init and app in this order */
    size_t containers_count;
    int32_t grace_seconds; /* the template's terminationGracePeriodSeconds, 30 by default */
    const char *strategy;  /* "RollingUpdate" by default, "Recreate" (Deployment), "OnDelete" (StatefulSet,
                              DaemonSet) */
    int32_t partition;     /* StatefulSet */
    int32_t min_ready_seconds;
    int64_t progress_deadline_seconds; /* Deployment: 600 by default; others: 0 */
    bool paused;                       /* Deployment; Job: suspended */
    int32_t completions;    /* Job: pods that are to end well; -1: as many as run at a time, when one has */
    const char *changed_by; /* the field manager that changed the template last, "kubectl-set"; "" */
    /* Status. */
    int64_t observed_generation;
    int32_t replicas; /* pods there are; DaemonSet: currentNumberScheduled; Job: active */
    int32_t updated;  /* of them of the newest template */
    int32_t ready;
    int32_t available;                              /* StatefulSet before 1.22: the ready ones */
    int32_t succeeded;                              /* Job: pods that have ended well */
    const char *current_revision, *update_revision; /* StatefulSet: names of ControllerRevisions */
    const struct nj_pod_condition *conditions;
    size_t conditions_count;
};

/* A PodDisruptionBudget (policy/v1). A limit is a number, or a share: "50%"; "" when there is none. */
struct nj_budget_object {
    const char *min_available, *max_unavailable;
    const struct nj_kube_pair *selector; /* matchLabels */
    size_t selector_count;
    bool has_selector;             /* without one it holds for no pod, with an empty one for all */
    bool selector_has_expressions; /* matchExpressions, which are not read */
    int64_t observed_generation;
    int32_t disruptions_allowed, current_healthy, desired_healthy, expected_pods;
};

/* A custom resource: only JSON. */
struct nj_custom_object {
    const char *spec, *status; /* their JSON, as the server sent it; "" when there is none */
    size_t spec_len, status_len;
};

enum nj_kube_kind {
    NJ_KUBE_META, /* any object: only its metadata is decoded */
    NJ_KUBE_POD,
    NJ_KUBE_SERVICE,
    NJ_KUBE_SLICE, /* discovery.k8s.io/v1 EndpointSlice; its Service is the label kubernetes.io/service-name
                    */
    NJ_KUBE_ENDPOINTS,  /* core/v1: has its Service's name. For clusters without slices */
    NJ_KUBE_INGRESS,    /* networking.k8s.io/v1 */
    NJ_KUBE_DEPLOYMENT, /* apps/v1, as the three below: .workload */
    NJ_KUBE_CUSTOM,
    NJ_KUBE_NODE,
    NJ_KUBE_STATEFUL_SET,
    NJ_KUBE_DAEMON_SET,
    NJ_KUBE_REPLICA_SET,
    NJ_KUBE_BUDGET, /* policy/v1 PodDisruptionBudget */
    NJ_KUBE_JOB,    /* batch/v1: .workload */
};

struct nj_kube_object {
    enum nj_kube_kind kind;
    struct nj_kube_meta meta;
    union {
        struct nj_pod_object pod;
        struct nj_service_object service;
        struct nj_slice_object slice;
        struct nj_endpoints_object endpoints;
        struct nj_ingress_object ingress;
        struct nj_workload_object workload;
        struct nj_custom_object custom;
        struct nj_node_object node;
        struct nj_budget_object budget;
    };
};

#endif
