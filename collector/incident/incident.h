/*
 * Incidents: events with one fingerprint (what, where) are one incident, with a count, a first and a last
 * time, and a state. This header is the record alone, as it is stored, served and told; engine.h decides.
 *
 * Strings are never NULL. A record that is handed out is borrowed, unless it is a copy by nj_incident_copy(),
 * which nj_incident_done() frees.
 */
#ifndef NJ_INCIDENT_INCIDENT_H
#define NJ_INCIDENT_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

enum nj_incident_kind {
    NJ_INCIDENT_CRASH,         /* containers of a workload end badly; a crash loop is one that goes on */
    NJ_INCIDENT_IMAGE_PULL,    /* the image cannot be had */
    NJ_INCIDENT_CONFIG_ERROR,  /* a ConfigMap, Secret or setting that the container needs is wrong or missing
                                */
    NJ_INCIDENT_START_ERROR,   /* the runtime cannot create or start the container */
    NJ_INCIDENT_STUCK,         /* starting takes too long for another reason */
    NJ_INCIDENT_UNSCHEDULABLE, /* no node takes the pod */
    NJ_INCIDENT_POD_FAILURE,   /* the pod was ended: evicted, node shutdown, deadline, preempted */
    NJ_INCIDENT_PROBE, /* checks of a Service (or of one monitor's URL) fail: its subjects are the targets */
    NJ_INCIDENT_NODE_PROBES,    /* every check of a node's pods fails: it is the node's */
    NJ_INCIDENT_OOM_KILL,       /* processes of a container that lives on are killed for its memory limit */
    NJ_INCIDENT_LEAK,           /* fds, sockets, zombies, threads or memory climb for good */
    NJ_INCIDENT_NEAR_LIMIT,     /* a container is near a limit: fds, memory, pids, accept queue */
    NJ_INCIDENT_NODE,           /* a node is unwell: not ready, under pressure, a disk or a table full */
    NJ_INCIDENT_CAPACITY,       /* were a node lost, its pods would find no other */
    NJ_INCIDENT_SERVICE_OUTAGE, /* a service is not available */
    NJ_INCIDENT_ROLLOUT_FAILED, /* a rollout of a workload failed */
    NJ_INCIDENT_SLO_BURN,       /* a service's error budget burns too fast */
    NJ_INCIDENT_REGISTRY, /* images of several workloads cannot be had from one registry: its subjects are
                           * these workloads */
    NJ_INCIDENT_KINDS,
};
const char *
nj_incident_kind_name(enum nj_incident_kind kind); /* "crash", "image_pull", ... as in REST and metrics */
int nj_incident_kind_parse(const char *name, enum nj_incident_kind *ret_kind); /* 0 or -EINVAL */
bool nj_incident_is_of_checks(enum nj_incident_kind kind);                     /* its subjects are targets */

enum nj_incident_state { NJ_INCIDENT_OPEN, NJ_INCIDENT_RESOLVED };
const char *nj_incident_state_name(enum nj_incident_state state);                 /* "open", "resolved" */
int nj_incident_state_parse(const char *name, enum nj_incident_state *ret_state); /* 0 or -EINVAL */

enum nj_severity { NJ_SEVERITY_INFO, NJ_SEVERITY_WARNING, NJ_SEVERITY_CRITICAL };
const char *nj_severity_name(enum nj_severity severity);                 /* "info", "warning", "critical" */
int nj_severity_parse(const char *name, enum nj_severity *ret_severity); /* 0 or -EINVAL */

struct nj_incident {
    int64_t id;              /* from 1, rising; never used again */
    const char *fingerprint; /* hex; one open incident a fingerprint */
    enum nj_incident_kind kind;
    enum nj_severity severity;
    enum nj_incident_state state;
    uint64_t revision; /* rises by one with every change of the record */
    const char *cluster, *project, *namespace, *workload_kind, *workload;
    const char *container;
    const char *pod, *pod_uid, *node; /* of the latest event */
    const char *reason;  /* of the latest event: "OOMKilled", "ImagePullBackOff"; "SomeFail", "AllFail",
                          * "Flapping" */
    const char *message; /* likewise; at most 4 KiB */
    const char *image;
    int32_t exit_code, signal, restart_count; /* of the latest crash */
    int64_t memory_limit_bytes;
    const char *crash_id;       /* the latest crash's id; "" when there is none */
    bool crash_loop;            /* the kubelet holds the restart back (CrashLoopBackOff) */
    uint64_t count;             /* events folded in: crashes, or pods that are stuck */
    uint64_t lost;              /* restarts within it that nobody saw one by one */
    int64_t first_ns, last_ns;  /* of its events */
    int64_t resolved_ns;        /* 0 while open */
    const char *resolved_cause; /* "stable", "started", "deleted", "completed", "scheduled",
                                 * "superseded" (it waits for something else now), "passing", "gone" (no
                                 * failing target is left), "over" (of a leak, a limit, a node), "quiet" (no
                                 * further OOM kill), "stale", "evicted" */
    /* Why nobody is told: "node" (its node's incident was), "incident 4" (it is that one's), "rollout failed:
     * incident 7", "registry", "rollout", "silence 3", ..., see engine.h; "" when somebody is. */
    const char *suppressed;
    /* Of probes; "" and 0 else. */
    const char *group;                                /* alert group of the monitor that opened it */
    const char *monitor;                              /* id of the latest failing one */
    const char *step, *cause, *expected, *got, *body; /* of the latest failure; cause also an outage's, its
                                                         name in collector/sla/interval.h */
    int32_t status;
    int32_t targets_failing, targets_total;
    /* Of leaks, limits that are near, OOM kills and nodes, told last; "" and 0 else. */
    const char *detail;  /* which of several: a TCP state, a mount, a port. The workload behind a service
                          * that is not available, "Deployment/web"; the windows in which a budget burns,
                          * "1h/5m" */
    const char *process; /* the suspicious or killed one's command */
    int32_t pid;         /* on the node */
    /* How much there is, and its limit: bytes or a count; 0: not known, none. Of an outage the fewest that
     * were ready, and how many are desired; of a budget its burn rate, and from which on that alerts. */
    double value, at_most;
    double per_hour;    /* how fast a leak climbs */
    int64_t reaches_ns; /* when it reaches the limit at this pace; 0: not foreseen */
    uint64_t evictions; /* pods that the node has evicted within it */
    /* Of rollouts that failed, outages and objectives; "" and 0 else. `image` has a rollout's images. */
    const char *rollout, *rollout_from; /* which revision; the last good one */
    const char *template_hash;          /* in the names of its pods; "" when they have none */
    const char *image_from;             /* the last good one's images */
    const char *difference;             /* what else differs, a line a field; at most 4 KiB */
    const char *services_down;          /* the services that are not available because of it, "web, api" */
    int64_t outage_ns;                  /* for how long services were not, as told last */
    double objective;                   /* per cent */
    double budget_left;                 /* share of the error budget; below 0 is overdrawn */
};

/* A pod, or a container of it, that is in trouble within an incident; a target of a check. */
struct nj_incident_subject {
    const char *pod_uid, *container; /* container "" for the pod as a whole; "monitor|target" of a check, and
                                        the same as pod_uid when it is no pod's; "container|kind|detail" of a
                                        trouble, see nj_engine_trouble_of(), whose pod_uid is "node/NAME" when
                                        it is a node's */
    const char *pod;                 /* name; a target's; a node's */
    int64_t since_ns;                /* its latest event */
};

/* The i-th string of the record, to go through all of them; NULL behind the last. */
const char **nj_incident_string(struct nj_incident *incident, size_t i);

/* One allocation a copy. The original's strings may be NULL: the copy's are "". */
void nj_incident_copy(struct nj_incident *ret_copy, const struct nj_incident *incident);
void nj_incident_done(struct nj_incident *copy);

/* One JSON object with REST's field names, used by REST, the stream and the webhook alike: id, fingerprint,
 * fullName, kind, severity, state, revision, cluster, project, namespace, workloadKind, workload, container,
 * pod, podUid, node, reason, message, image, exitCode, signal, restartCount, memoryLimitBytes, crashId,
 * crashLoop, count, lost, firstAt, lastAt, resolvedAt, resolvedCause, suppressed, group, monitor, step,
 * cause, expected, got, body, status, targetsFailing, targetsTotal, detail, process, pid, value, limit,
 * perHour, reachesAt, evictions, rollout, rolloutFrom, imageFrom, difference, servicesDown, outageSeconds,
 * objective, budgetLeft, url. Times are RFC 3339 or null. exitCode, signal, restartCount and crashId
 * are null when there is no crash, memoryLimitBytes when there is no limit, url without a public URL; what is
 * of probes, leaks, limits, nodes, rollouts, outages and objectives is null where it is not known or does not
 * apply. 0 or -EOVERFLOW, as the
 * other functions that append. */
int nj_incident_json(const struct nj_incident *incident, const char *public_url, struct nj_buf *out);

/* Where people read about it, the page: "https://nightjar.example/incidents/7". Appends nothing when
 * public_url is "". */
int nj_incident_url(const struct nj_incident *incident, const char *public_url, struct nj_buf *out);

/* "cluster.project.namespace.workload"; an empty project is "-". */
int nj_incident_full_name(const struct nj_incident *incident, struct nj_buf *out);

#endif
