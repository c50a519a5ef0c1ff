/*
 * What an agent tells the collector: events, as plain C. An event is a fact with an identity: `id` names the
 * fact, and whoever sees the same fact again (relist, restart, resend) gives it the same id. A later event
 * with the same id corrects the earlier one in place.
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
};

enum { NJ_EVENT_TYPES = NJ_EVENT_ROLLUPS + 1 };

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
    };
};

enum { NJ_EVENT_ID_MAX = 65 };

/* Hex of a 32-byte hash (BLAKE2b) over the parts, NULL-terminated list; the same parts give the same id, and
 * other parts another ("ab", "c" is not "a", "bc"). Returns ret_id. */
const char *nj_event_id(char ret_id[NJ_EVENT_ID_MAX], const char *part, ...) __attribute__((sentinel));

#endif
