/*
 * OOM kills within containers, at once. On cgroup v2 `memory.events` is watched with inotify; on v1 an
 * eventfd is registered with `memory.oom_control` where cgroup.event_control may be written; where neither
 * works the counter is read every poll_ns. A kill is told when its counter has risen, with the process that
 * was killed where that can be known (the kernel log, else who was largest when the limit came near), the
 * limit, and the usage.
 *
 * When the container's own first process is gone with it, that is a crash, which Kubernetes tells: nothing is
 * told here. Loop thread only; a read takes microseconds.
 */
#ifndef NJ_INSPECT_OOM_H
#define NJ_INSPECT_OOM_H

#include "agent/inspect/cgroup.h"
#include "common/base/metrics.h"
#include "common/loop/loop.h"

struct nj_oom_watch;

struct nj_oom_kill_seen {
    const char *container_id, *pod_uid;
    uint64_t count, total;               /* killed since the last time, and since the container began */
    struct nj_inspect_process process;   /* pid 0: not known */
    uint64_t process_bytes;              /* its memory; NJ_UNKNOWN */
    uint64_t memory_limit, memory_usage; /* usage: the highest seen at that time */
    int64_t at_ns;                       /* wall */
};

struct nj_oom_options {
    struct nj_loop *loop;
    struct nj_metrics *metrics; /* may be NULL */
    const char *proc, *cgroup;  /* as of a scan; copied */
    const char *kernel_log;     /* "/dev/kmsg"; "" for none, and where it cannot be read */
    int64_t poll_ns;            /* 500 ms */
    int64_t settle_ns;          /* after a kill, so long is waited for the container's own end: 300 ms */
    size_t max_containers;
    void (*on_kill)(void *data, const struct nj_oom_kill_seen *kill);
    void *data;
};

int nj_oom_watch_new(const struct nj_oom_options *options, struct nj_oom_watch **ret_watch);
/* A container runs (`pid`: any of its processes); again for one that is known changes nothing. Kills that
 * came before `known_kills` of the counter are not told: NJ_UNKNOWN takes the counter as it is. */
void nj_oom_watch_add(struct nj_oom_watch *watch, const char *container_id, const char *pod_uid, int32_t pid,
                      uint64_t known_kills);
void nj_oom_watch_remove(struct nj_oom_watch *watch, const char *container_id);
void nj_oom_watch_close(struct nj_oom_watch *watch, void (*on_closed)(void *data),
                        void *data); /* takes NULL */

#endif
