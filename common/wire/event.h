/*
 * What an agent tells the collector, and the collector itself: events, as plain C. An event is a fact with an
 * identity: `id` names the fact, and whoever sees the same fact again (relist, restart, resend) gives it the
 * same id. A later event with the same id corrects the earlier one in place.
 *
 * Strings are never NULL in a decoded event ("" when absent); an encoder takes NULL for "". Borrowed from
 * whoever made the event. Times are wall ns, 0: unknown.
 */
#ifndef NJ_WIRE_EVENT_H
#define NJ_WIRE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nj_event_type {
    NJ_EVENT_CRASH = 1,    /* a container ended badly */
    NJ_EVENT_LOST_CRASHES, /* restarts that nobody saw one by one */
    NJ_EVENT_STUCK,        /* a container or pod cannot start */
    NJ_EVENT_CLEARED,      /* what was told about a container or pod is over */
    NJ_EVENT_POD_FAILURE,  /* the pod itself was ended: evicted, node shutdown, deadline, preempted */
    NJ_EVENT_CHECK,        /* the state of a check on one target has changed */
    NJ_EVENT_ROLLUPS,      /* a minute of checks */
    NJ_EVENT_OOM_KILL,     /* the kernel killed a process of a container that lives on */
    NJ_EVENT_TROUBLE, /* a leak, a limit that is near, a node that is unwell: it began, got worse, or is over
                       */
    NJ_EVENT_USAGE,   /* a minute of what containers and the node used */
    /* These only the collector can know, and tells itself: no agent may. They have no form on the wire
     * (nj_event_encode() refuses them), see nj_event_is_local() and nj_event_copy(). */
    NJ_EVENT_OUTAGE,         /* a service is not available; or is again */
    NJ_EVENT_ROLLOUT_FAILED, /* a rollout of a workload; or it was made good */
    NJ_EVENT_SLO,            /* a service's error budget burns too fast; or no longer */
};

enum { NJ_EVENT_TYPES = NJ_EVENT_SLO + 1 };

/* Where: the pod and the workload it belongs to. */
struct nj_subject {
    const char *namespace, *pod, *pod_uid;
    const char *node;          /* "" while unscheduled */
    const char *workload_kind; /* "Deployment", "CronJob", ...; "Pod" for a bare pod */
    const char *workload;      /* its name */
    const char *container;     /* "" for what concerns the pod */
};

struct nj_log_text {
    const char
        *text; /* UTF-8, redacted; lines end with '\n'; stderr lines are marked, see agent/crash/log.h */
    size_t len;
    uint32_t lines;
    bool cut;            /* there was more before it */
    const char *source;  /* "file", "api"; "" when there is none */
    const char *missing; /* why there is no log, "" when there is one */
};

struct nj_crash {
    const char *container_id;   /* with scheme; may be "" for a lost container */
    const char *container_type; /* "app", "init", "sidecar", "ephemeral" */
    const char *image;
    const char *reason;  /* "Error", "OOMKilled", ... as Kubernetes says it */
    const char *message; /* termination message, redacted */
    int32_t exit_code, signal;
    int32_t attempt;       /* number of the instance: 0 is the first */
    int32_t restart_count; /* as last seen */
    int64_t started_ns, finished_ns;
    int64_t memory_limit_bytes; /* 0: none */
    int64_t cpu_limit_millis;
    struct nj_log_text log;
};

struct nj_stuck {
    const char *reason; /* the waiting reason or the condition's: "ImagePullBackOff", "Unschedulable" */
    const char *message;
    const char *image;
    int64_t since_ns;
};

enum nj_cleared_cause {
    NJ_CLEARED_STARTED = 1, /* the container runs (after being stuck) */
    NJ_CLEARED_STABLE,      /* it has stayed up long enough after a crash */
    NJ_CLEARED_COMPLETED,   /* it ended well */
    NJ_CLEARED_DELETED,     /* its pod is gone */
    NJ_CLEARED_SCHEDULED,
};

struct nj_cleared {
    enum nj_cleared_cause cause;
};

struct nj_pod_failure {
    const char *reason; /* "Evicted", "NodeShutdown", "DeadlineExceeded", "Preempting", ... */
    const char *message;
};

/* Whether the API server's side ended the pod, as the reason of its condition DisruptionTarget says (an
 * eviction by the API, preemption, a taint, garbage collection): a deletion, which explains what becomes of
 * the pod's services and is no trouble itself. Source:
 * kubernetes.io/docs/concepts/workloads/pods/disruptions. */
bool nj_pod_failure_is_deletion(const char *reason);

/* Which monitor, and which of its targets: what a state or a series belongs to. */
struct nj_check_key {
    const char *monitor; /* id: "apimonitor.NAMESPACE.NAME", "service.NAMESPACE.NAME",
                            "metrics.NAMESPACE.WORKLOAD", "builtin.NAME" */
    const char
        *target; /* id within the monitor: "pod/UID/PORT/FAMILY", "service/PORT/FAMILY", "url", "node/NAME" */
};

struct nj_check_event {
    struct nj_check_key key;
    const char *source;                /* enum nj_monitor_source by its name, common/wire/plan.h */
    const char *service;               /* the Service's name; "" for none */
    const char *target_name, *address; /* for people: the pod's or Service's name, "10.0.0.7:8080" */
    const char *state;                 /* nj_check_state_name() */
    int64_t since_ns;                  /* of the first run that made it so */
    const char *severity, *group;      /* of the spec's alert; "" for the routes' own */
    /* Of the latest failure; "" and 0 when it passes. */
    const char *cause, *phase, *step, *expected, *got, *body;
    int32_t status;
    const char *evidence; /* nj_result_json() of the run that made it so */
};

struct nj_rollup_error_count {
    const char *cause;
    int32_t status;
    uint32_t count;
};

struct nj_check_rollup {
    struct nj_check_key key;
    const char *namespace, *service, *target_name, *state;
    uint32_t runs, failures; /* 0 runs: it is only there */
    const struct nj_rollup_error_count *errors;
    size_t errors_count;
    const void *latency; /* nj_sketch_encode(), in seconds */
    size_t latency_len;
};

enum {
    NJ_ROLLUPS_MAX = 256,            /* in one event */
    NJ_ROLLUP_CAUSES_MAX = 64,       /* in `errors` of one */
    NJ_ROLLUP_LATENCY_MAX = 8 << 10, /* bytes: NJ_SKETCH_BYTES_MAX */
};

struct nj_rollups {
    int64_t minute_ns;
    const struct nj_check_rollup *items;
    size_t count;
};

struct nj_oom_kill {
    const char *container_id;                       /* with scheme */
    uint64_t count;                                 /* processes killed, at least 1 */
    const char *process;                            /* the command that was killed; "" when it is not known */
    int32_t pid;                                    /* on the node; 0: not known */
    int64_t process_bytes;                          /* of its memory; 0: not known */
    int64_t memory_limit_bytes, memory_usage_bytes; /* of the container; 0: not known */
};

/* What can be wrong with a container or a node. Of a container: its subject names it. Of a node:
 * workload_kind is "Node", workload its name, namespace and pod "". */
enum nj_trouble_kind {
    NJ_TROUBLE_LEAK_FDS = 1,
    NJ_TROUBLE_LEAK_SOCKETS, /* detail: the TCP state */
    NJ_TROUBLE_LEAK_ZOMBIES,
    NJ_TROUBLE_LEAK_THREADS,
    NJ_TROUBLE_LEAK_MEMORY,
    NJ_TROUBLE_NEAR_FDS, /* the fullest process beside its own limit */
    NJ_TROUBLE_NEAR_MEMORY,
    NJ_TROUBLE_NEAR_PIDS,
    NJ_TROUBLE_LISTEN_QUEUE,     /* connections are refused, for the accept queue is full; detail: the port */
    NJ_TROUBLE_NODE_NOT_READY,   /* these five from the Node's conditions, told by the collector */
    NJ_TROUBLE_NODE_MEMORY,      /* MemoryPressure */
    NJ_TROUBLE_NODE_DISK,        /* DiskPressure */
    NJ_TROUBLE_NODE_PIDS,        /* PIDPressure */
    NJ_TROUBLE_NODE_NETWORK,     /* NetworkUnavailable */
    NJ_TROUBLE_NODE_DISK_FULL,   /* these by the agent; detail: the mount */
    NJ_TROUBLE_NODE_INODES_FULL, /* detail: the mount */
    NJ_TROUBLE_NODE_CONNTRACK_FULL,
    NJ_TROUBLE_NODE_FILES_FULL,
    NJ_TROUBLE_NODE_PIDS_FULL,
    NJ_TROUBLE_NODE_ZOMBIES, /* of what is in no pod */
    NJ_TROUBLE_NODE_CLOCK,   /* off by more than is good */
    NJ_TROUBLE_NODE_LOSS,    /* if this node were lost, pods would find no other; told by the collector */
    NJ_TROUBLE_KINDS
};
const char *
nj_trouble_kind_name(enum nj_trouble_kind kind); /* "leak_fds", "node_disk_full", ...; "" for none */
int nj_trouble_kind_parse(const char *name, enum nj_trouble_kind *ret_kind); /* 0 or -EINVAL */
bool nj_trouble_is_of_node(enum nj_trouble_kind kind);

/* One trouble is one (subject, kind, detail); the same one is told again when its level rises, and once when
 * it is over. */
struct nj_trouble {
    enum nj_trouble_kind kind;
    const char *detail; /* which of several; "" */
    bool over;
    int32_t level;        /* of a limit: 80 or 95 per cent (0..100); 0 else */
    const char *severity; /* "info", "warning", "critical" */
    const char *message;  /* one line for people, with the figures */
    int64_t since_ns;     /* when it began, as far as is known */
    double value, limit;  /* finite, as per_hour is. limit 0: none. Bytes, or a count */
    double per_hour;      /* of a leak */
    int64_t reaches_ns;   /* wall: when the limit is reached at this pace; 0: not foreseen */
    const char *process;  /* the suspicious one's command; "" */
    int32_t pid;
};

enum nj_usage_metric {
    NJ_USAGE_CPU,        /* cores */
    NJ_USAGE_MEMORY,     /* bytes of the working set */
    NJ_USAGE_THROTTLED,  /* share of the CPU periods that were throttled, 0..1 */
    NJ_USAGE_GPU,        /* share of one device's time */
    NJ_USAGE_GPU_MEMORY, /* bytes */
    NJ_USAGE_METRICS
};
const char *
nj_usage_metric_name(enum nj_usage_metric metric); /* "cpu", "memory", "throttled", "gpu", "gpuMemory" */

/* One container's minute; or the node's, whose pod_uid is "". */
struct nj_usage_item {
    const char *namespace, *pod, *pod_uid, *container, *workload_kind, *workload;
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes; /* 0: none */
    int64_t started_ns; /* of the container: its first minutes are start-up */
    uint64_t oom_kills; /* within the minute */
    struct {
        const void *sketch; /* nj_sketch_encode() of the samples: count, sum, min, max are exact */
        size_t len;         /* 0: not known */
    } metrics[NJ_USAGE_METRICS];
};

/* What a pod needs of a node, for working out where it could go. */
struct nj_usage_pod {
    const char *namespace, *pod, *pod_uid, *workload_kind, *workload; /* "DaemonSet": it goes nowhere else */
    int64_t cpu_request_millis,
        memory_request_bytes; /* as the scheduler counts them: sums, init containers, overhead */
    int32_t priority;
    const char *placement; /* JSON {"nodeSelector":{},"affinity":[...],"tolerations":[...]} with Kubernetes'
                              own fields of spec (affinity: requiredDuringSchedulingIgnoredDuringExecution's
                              nodeSelectorTerms); "" for none */
};

enum {
    NJ_USAGE_ITEMS_MAX = 256, /* in one event */
    NJ_USAGE_PODS_MAX = 256,
    NJ_USAGE_PLACEMENT_MAX = 16 << 10,
    NJ_USAGE_SKETCH_MAX = 1 << 10, /* bytes: a sample a second fits well */
    NJ_USAGE_PARTS_MAX = 64,
};
/* Of requests, limits and bytes: 256 TiB, so that sums over a cluster fit. An encoder caps them, and takes
 * negative ones for 0; a decoder refuses what is beyond. */
#define NJ_USAGE_AMOUNT_MAX ((int64_t)1 << 48)

struct nj_usage {
    int64_t minute_ns;
    const struct nj_usage_item *items;
    size_t count;
    const struct nj_usage_pod
        *pods; /* every pod of the node that is not over; over several events of one minute */
    size_t pods_count;
    uint32_t part, parts; /* of this minute: 0..parts-1; parts is at least 1 */
};

/* A service (the event's subject: workload_kind "Service", workload its name) is not available. Told when it
 * has lasted long enough to be one, again when its cause is known better, and once when it is over. */
struct nj_outage {
    bool over;
    const char *cause;                /* nj_outage_cause_name() of collector/sla/interval.h */
    const char *detail;               /* for people: "pod web-1 deleted" */
    const char *reference;            /* what explains it: "rollout/17", "incident/4", "node/n1"; "" */
    const char *behind_kind, *behind; /* the workload behind it: "Deployment", "web"; "" when there is none */
    int64_t since_ns;
    int32_t min_ready, desired; /* the fewest ready within it; of how many: -1 when nobody knows */
};

/* A rollout of a workload (the event's subject) has failed; told again when more is known. `over`: a later
 * one is done, or this one after all. */
struct nj_rollout_failed {
    bool over;
    const char *revision, *from_revision; /* "3"; the last good one's, "" when there was none */
    const char *template_hash;        /* in the names of a Deployment's new pods, "web-HASH-x2x7k"; "" else */
    const char *images, *from_images; /* "c=registry/web:2, logger=..." */
    const char *difference;           /* for people, a line a field */
    const char *reason;               /* "ProgressDeadlineExceeded", "CrashLoopBackOff", "ImagePullBackOff" */
    const char *message;              /* in words; the last ones of a new pod, when there is a crash */
    const char *pod, *crash_id;       /* a new pod's latest crash; "" */
    bool down;                        /* a service behind it is not available */
    int64_t outage_ns;                /* for how long its services were not, so far */
    int64_t began_ns;                 /* of the rollout */
};

/* The error budget of a service (the event's subject, as an outage's) burns too fast. One objective has one
 * alert: its most urgent pair of windows is told, again when that changes, and once when none is left. */
struct nj_slo {
    bool over;
    double objective;                   /* per cent: 99.9 */
    int64_t budget_ns;                  /* the window that the budget is of */
    double budget_left;                 /* share of it: 1 is all, below 0 is overdrawn */
    int64_t window_ns, short_window_ns; /* in both of which it burns too fast */
    double burn, short_burn;            /* 1: the budget would last just its window */
    double burn_limit;
    const char *severity; /* "warning", "critical" */
    int64_t since_ns;
};

struct nj_event {
    uint64_t seq;    /* place in the agent's stream, from 1; 0 for the collector's own */
    const char *id;  /* identity of the fact, at most 128 bytes; see nj_event_id() */
    int64_t at_ns;   /* when it happened */
    int64_t seen_ns; /* when it was seen */
    enum nj_event_type type;
    struct nj_subject subject;
    union {
        struct nj_crash crash;
        struct {
            uint32_t count;
        } lost;
        struct nj_stuck stuck;
        struct nj_cleared cleared;
        struct nj_pod_failure failure;
        struct nj_check_event check;
        struct nj_rollups rollups;
        struct nj_oom_kill oom_kill;
        struct nj_trouble trouble;
        struct nj_usage usage;
        struct nj_outage outage;
        struct nj_rollout_failed rollout;
        struct nj_slo slo;
    };
};

/* One that the collector tells itself, which has no form on the wire. */
bool nj_event_is_local(enum nj_event_type type);
/* A copy of a local one, to be freed with free(); NULL of another. NULL strings are "" in it. */
struct nj_event *nj_event_copy(const struct nj_event *event);

enum { NJ_EVENT_ID_MAX = 65 };

/* Hex of a 32-byte hash (BLAKE2b) over the parts, NULL-terminated list; the same parts give the same id, and
 * other parts another ("ab", "c" is not "a", "bc"). Returns ret_id. */
const char *nj_event_id(char ret_id[NJ_EVENT_ID_MAX], const char *part, ...) __attribute__((sentinel));

#endif
