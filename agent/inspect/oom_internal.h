/*
 * How the OOM watch's parts work together: oom.c keeps the containers, oom_look.c
 * notices kills and decides, oom_files.c has a
 * container's cgroup, oom_victim.c says who was killed, oom_log.c reads the kernel log. Private to
 * agent/inspect/oom*.c.
 */
#ifndef NJ_INSPECT_OOM_INTERNAL_H
#define NJ_INSPECT_OOM_INTERNAL_H

#include "agent/inspect/oom.h"
#include "agent/inspect/oom_line.h"
#include "common/base/table.h"

enum {
    NJ_OOM_SAMPLE_MAX = 16, /* the largest processes that are remembered of a container */
    NJ_OOM_PIDS_MAX = 256,  /* processes of a container that one sample looks at */
    NJ_OOM_LOG_MAX = 32,    /* kills of the kernel log that wait for their container */
};

/* A process that was seen, and would be known again. */
struct nj_oom_process {
    int32_t pid;
    uint64_t start; /* ticks since boot: another process with that number has another */
    uint64_t bytes;
    char command[NJ_COMMAND_MAX];
};

struct nj_oom_sample {
    int64_t at_ns;                                      /* monotonic; 0: there is none */
    struct nj_oom_process processes[NJ_OOM_SAMPLE_MAX]; /* the largest first */
    size_t count;
};

struct nj_oom_container {
    UT_hash_handle hh, watch_hh; /* by id; by inotify's number */
    char *id, *pod_uid;
    /* oom_files.c */
    struct nj_cgroup *cgroup;
    int directory; /* of the memory controller, O_PATH */
    int process;   /* /proc/PID of the first one, O_PATH */
    int32_t pid;
    int usage, events; /* held open; events: v2's memory.events, else -1 */
    int eventfd;       /* v1; -1 */
    int watch;         /* inotify; -1 */
    /* oom_look.c */
    uint64_t known;         /* kills that were told, or were there before */
    bool settling;          /* a kill has been seen */
    int64_t settled_ns;     /* then it is told; monotonic */
    uint64_t limit;         /* NJ_UNKNOWN: none */
    uint64_t usage_highest; /* since the last kill that was told; 0: not seen */
    uint64_t limit_hits;    /* v2's events max, v1's failcnt: how often the limit was reached */
    uint64_t peak;          /* the highest usage that the kernel has seen */
    unsigned polls;         /* until its usage is read again */
    int64_t hot_until_ns;   /* the kernel has announced a kill: it is looked at often */
    /* Samples: rarer the longer the container stays near its limit and nothing is killed; 0: the shortest
     * pause. */
    int64_t sample_due_ns, sample_pause_ns;
    struct nj_oom_sample sample;
};

/* A kill that the kernel log told. */
struct nj_oom_logged {
    int64_t at_ns;                          /* monotonic, when it was read */
    int32_t pid;                            /* 0: this place is free */
    bool has_command;                       /* the second line has come */
    bool own_limit;                         /* it was the container's limit that was reached */
    char container_id[NJ_CONTAINER_ID_MAX]; /* "": not known, the first line was left out */
    char command[NJ_COMMAND_MAX];
    uint64_t bytes;
};

struct nj_oom_log {
    int fd; /* -1: it cannot be read */
    struct nj_oom_logged kills[NJ_OOM_LOG_MAX];
    size_t next;
};

/* Who was killed. */
struct nj_oom_victim {
    struct nj_inspect_process process; /* pid 0: not known */
    uint64_t bytes;
    bool is_first; /* the container's first process was among them */
    bool from_log;
    bool own_limit; /* it was the container's limit that was reached */
};

struct nj_oom_watch {
    struct nj_loop *loop;
    struct nj_cgroups *cgroups;
    int proc, vmstat; /* vmstat -1: this kernel does not count there */
    int epoll, inotify;
    uv_poll_t poll;
    struct nj_timer opening, polling, resting, settling;
    int64_t poll_ns, settle_ns;
    size_t max_containers;
    struct nj_oom_container *containers, *watched;
    struct nj_oom_container *waiting; /* to be opened; not among the containers yet */
    struct nj_oom_log log;
    uint64_t node_kills;
    bool look_again; /* the node's counter rises a moment before the container's */
    void (*on_kill)(void *data, const struct nj_oom_kill_seen *kill);
    void *data;
    void (*on_closed)(void *data);
    void *on_closed_data;
    struct {
        struct nj_counter *told, *crashes, *from_log, *from_sample, *unknown, *refused, *left_out, *unread;
        struct nj_gauge *woken, *polled;
    } metrics;
};

/* oom_look.c: whether the container's counter of kills has risen; and what calls that. */
void nj_oom_look(struct nj_oom_watch *watch, struct nj_oom_container *container);
void nj_oom_on_woken(uv_poll_t *poll, int status, int events);
void nj_oom_on_rested(struct nj_timer *timer);
void nj_oom_on_settled(struct nj_timer *timer);
void nj_oom_on_poll(struct nj_timer *timer);

/* oom_files.c. 0 or a negative errno; then nothing is open. */
int nj_oom_container_open(struct nj_cgroups *cgroups, int proc, int32_t pid,
                          struct nj_oom_container *container);
void nj_oom_container_close(struct nj_oom_container *container);
/* Wakes `inotify` or an eventfd that is put into `epoll`; false: it has to be polled. */
bool nj_oom_container_listen(struct nj_oom_container *container, int inotify, int epoll);
uint64_t nj_oom_container_limit(const struct nj_oom_container *container);
uint64_t nj_oom_container_usage(const struct nj_oom_container *container);
uint64_t nj_oom_container_peak(const struct nj_oom_container *container);
uint64_t nj_oom_container_limit_hits(const struct nj_oom_container *container);
/* Its first process has ended, or is about to; or its cgroup has gone. */
bool nj_oom_container_ended(const struct nj_oom_container *container);
/* Up to `max` of its processes' numbers. *ret_more: there are others. */
size_t nj_oom_container_pids(const struct nj_oom_container *container, int32_t *ret_pids, size_t max,
                             bool *ret_more);
/* Kills of the whole node: an open /proc/vmstat, or -1. NJ_UNKNOWN. */
uint64_t nj_oom_node_kills(int vmstat);

/* oom_victim.c. True: processes were left out. */
bool nj_oom_sample_take(int proc, const struct nj_oom_container *container, int64_t now_ns,
                        struct nj_oom_sample *ret_sample);
/* Which one of a sample has vanished since, if that tells who was killed. */
bool nj_oom_sample_victim(int proc, const struct nj_oom_sample *sample, struct nj_oom_victim *ret_victim);

/* oom_log.c: reads what is there, bounded; returns how many records were passed over. */
void nj_oom_log_open(struct nj_oom_log *log, const char *path);
uint64_t nj_oom_log_read(struct nj_oom_log *log, int64_t now_ns);
/* The largest process that was killed in the container; its kills are taken out. False: there is none. */
bool nj_oom_log_victim(struct nj_oom_log *log, const struct nj_oom_container *container, int64_t now_ns,
                       struct nj_oom_victim *ret_victim);
void nj_oom_log_close(struct nj_oom_log *log);

#endif
