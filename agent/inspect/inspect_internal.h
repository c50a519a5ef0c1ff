/*
 * The inspection's insides: what the worker has, what a round brings from it to the loop, what the loop has.
 * The two sides meet in struct nj_round alone: it is the loop's until its job is submitted and from done()
 * on, the worker's in between.
 */
#ifndef NJ_INSPECT_INSPECT_INTERNAL_H
#define NJ_INSPECT_INSPECT_INTERNAL_H

#include "agent/inspect/container_trouble.h"
#include "agent/inspect/exits.h"
#include "agent/inspect/expose.h"
#include "agent/inspect/gpu.h"
#include "agent/inspect/inspect.h"
#include "agent/inspect/names.h"
#include "agent/inspect/node.h"
#include "agent/inspect/node_trouble.h"
#include "agent/inspect/oom.h"
#include "agent/inspect/scan.h"
#include "agent/inspect/sockets.h"
#include "agent/inspect/usage.h"
#include "common/loop/worker.h"

enum { NJ_INSPECT_KILLS_MAX = 256 }; /* OOM kills that wait for their container's name */

/* A container that some pod's status names. */
struct nj_known {
    char id[NJ_CONTAINER_ID_MAX];
    bool host_network;
};

struct nj_container_gpu {
    double use;      /* < 0: none */
    uint64_t memory; /* NJ_UNKNOWN: none */
};

/* What is to be told; each one block of memory, strings and sketches in it. */
struct nj_told_trouble {
    struct nj_told_trouble *next;
    const char *container_id, *pod_uid; /* "": of the node */
    bool of_pod;
    int64_t told_ns; /* wall; of one that was restored */
    struct nj_trouble trouble;
};

struct nj_told_usage {
    struct nj_told_usage *next;
    const char *container_id; /* "": of the node */
    int64_t minute_ns;
    size_t bytes;
    struct nj_usage_item item; /* its metrics and oom_kills */
};

struct nj_round {
    struct nj_job job;
    struct nj_inspect *inspect; /* for done() */
    struct nj_inspect_work *work;
    /* From the loop. */
    struct nj_known *known; /* by id */
    size_t known_count;
    bool known_all;                   /* the node's pods have been listed */
    struct nj_told_trouble *restored; /* what an earlier process told, once */
    /* From the worker. */
    int rc;
    int64_t took_ns;
    struct nj_container_figures *containers; /* the known ones that run, by id */
    struct nj_container_gpu *container_gpus; /* of each */
    size_t containers_count, unknown_count;
    struct nj_node_figures node;
    struct nj_gpu_device *gpus;
    size_t gpus_count;
    struct nj_scan_losses losses;
    struct nj_told_trouble *troubles, **troubles_end;
    struct nj_told_usage *usage, **usage_end;
    bool minute_over; /* the node's minute is among `usage` */
};

/* The worker's; made and freed on the loop while no job runs. */
struct nj_inspect_work {
    const struct nj_clock *clock;
    struct nj_scan *scan;
    struct nj_sockets *sockets;
    struct nj_gpu *gpu;
    bool gpu_tried;
    struct nj_usage_minutes *usage;
    struct nj_container_troubles *container_troubles;
    struct nj_node_troubles *node_troubles;
    char *proc, *root;
    struct nj_node_options node_options;
    struct nj_told_trouble *restored; /* those of containers, until all pods are known: some may be gone */
    int64_t interval_ns;
    const struct nj_round *round;        /* while it runs */
    char (*before)[NJ_CONTAINER_ID_MAX]; /* the ids of the last round, in order */
    size_t before_count;
};

int nj_inspect_work_new(const struct nj_inspect_options *options, struct nj_inspect_work **ret_work,
                        struct nj_err *err);
void nj_inspect_work_free(struct nj_inspect_work *work); /* takes NULL */
/* The job: one scan and what follows of it. */
void nj_inspect_work_run(struct nj_job *job);

struct nj_told_trouble *nj_told_trouble_new(const char *container_id, const char *pod_uid, bool of_pod,
                                            const struct nj_trouble *trouble);
void nj_told_troubles_free(struct nj_told_trouble *troubles); /* all of the list */
void nj_round_free(struct nj_round *round);                   /* takes NULL */
void nj_told_usage_free(struct nj_told_usage *usage);

/* --- the loop's --- */

struct nj_waiting_kill {
    struct nj_oom_kill_seen kill; /* its ids are these: */
    char container_id[NJ_CONTAINER_ID_MAX], pod_uid[NJ_POD_UID_MAX];
    int64_t until_ns; /* monotonic */
};

/* A running container's first process. */
struct nj_first_process {
    int32_t pid;
    bool ended;
    size_t container; /* of `shown` */
};

struct nj_kept_trouble;

struct nj_inspect {
    struct nj_inspect_options options;
    char *node;
    int64_t started_ns; /* wall */
    struct nj_names *names;
    struct nj_worker *worker;
    struct nj_inspect_work *work;
    struct nj_oom_watch *oom;
    struct nj_exits *exits;
    struct nj_timer timer;           /* the next scan */
    int64_t due_ns, began_ns;        /* monotonic: of the timer, of the last scan */
    bool running, soon;              /* a job is with the worker; the next one is to come soon after it */
    struct nj_round *shown;          /* the last that came back; its figures are what /metrics shows */
    bool failing;                    /* the last scan failed, and that was said */
    struct nj_first_process *firsts; /* by pid, of `shown` */
    size_t firsts_count;
    struct nj_told_usage *usage, **usage_end; /* of the minute that is not over */
    struct nj_waiting_kill kills[NJ_INSPECT_KILLS_MAX];
    size_t kills_count;
    struct nj_timer kills_timer;
    struct nj_kept_trouble *kept; /* what was told and is not over, by key */
    bool synced, restored;        /* all pods are known; the worker has what was restored */
    struct nj_scan_losses losses; /* counted so far */
    int open_parts;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
    struct {
        struct nj_counter *scans, *failed, *processes, *containers, *unreadable, *events, *nameless, *parts;
        struct nj_gauge *unknown, *named;
        struct nj_histogram *seconds;
    } metrics;
};

/* Of the last scan, by the id without scheme; NULL: it has not seen that container. */
const struct nj_container_figures *nj_inspect_figures(const struct nj_inspect *inspect, const char *id);

/* inspect_kept.c: the key of a trouble's record; what it keeps of each, and what an earlier process told. */
enum { NJ_KEPT_KEY_MAX = NJ_EVENT_ID_MAX + 16 };
void nj_kept_key(const struct nj_told_trouble *told, char ret_key[NJ_KEPT_KEY_MAX]);
/* Borrowed until it is put again or dropped. */
void nj_kept_put(struct nj_inspect *inspect, const struct nj_told_trouble *told, const struct nj_event *event,
                 const char *key, struct nj_inspect_record *ret_record);
/* Whom it was told of: false when it was not. The strings live in the arena. */
bool nj_kept_subject(const struct nj_inspect *inspect, const char *key, struct nj_arena *arena,
                     struct nj_subject *ret_subject);
void nj_kept_drop(struct nj_inspect *inspect, const char *key);
struct nj_told_trouble *nj_kept_restored(const struct nj_inspect *inspect);
void nj_kept_free(struct nj_inspect *inspect);

void nj_inspect_tell_troubles(struct nj_inspect *inspect, const struct nj_told_trouble *troubles);
/* The minutes that are over, with all of the node's pods, as events; takes them. */
void nj_inspect_tell_usage(struct nj_inspect *inspect, struct nj_told_usage *usage);
/* True: it was told, or there is nobody whom it could be told of. False: its container has no name yet. */
bool nj_inspect_tell_kill(struct nj_inspect *inspect, const struct nj_oom_kill_seen *kill, bool last_try);

#endif
