/*
 * OOM kills within containers, at once. On cgroup v2 `memory.events` is watched with inotify (it counts kills
 * in cgroups within the container's too); on v1 an eventfd is registered with `memory.oom_control` where
 * cgroup.event_control may be written. Every poll_ns the node's own counter (/proc/vmstat) is read, and
 * every container's when that has risen or is not there: for where neither works, and for kills that v1 does
 * not announce, since another limit than the container's was reached.
 *
 * A kill is told when the container's counter has risen, settle_ns later, with all others that came
 * meanwhile; the process that was killed is named where that is known: from the kernel log where it may be
 * read; else it is the largest one that was seen when the limit came near, if that one has vanished. A name
 * that would be a guess is left out.
 *
 * When the container's own first process is gone with it, that is a crash, which Kubernetes tells: nothing is
 * told here. Kills from before a container was added are not told, so none from while the agent was down.
 * Loop thread only; a look takes microseconds, a sample of 256 processes 2 ms.
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
    struct nj_inspect_process process;   /* the largest one of them; pid 0: not known. The command is UTF-8
                                            without control characters */
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
    size_t max_containers;      /* further ones are not watched, and counted */
    /* Must not call the watch. */
    void (*on_kill)(void *data, const struct nj_oom_kill_seen *kill);
    void *data;
};

/* 0, or a negative errno: no cgroups or no /proc there. */
int nj_oom_watch_new(const struct nj_oom_options *options, struct nj_oom_watch **ret_watch);
/* A container runs (`pid`: its first process, as nj_container_figures.init); again for one that is known
 * changes nothing. Its files are opened in the loop's next turns, one container in each; one whose process
 * has gone by then, or is in another container, is not taken. Kills that came before `known_kills` of the
 * counter are not told: NJ_UNKNOWN takes the counter as it is then. */
void nj_oom_watch_add(struct nj_oom_watch *watch, const char *container_id, const char *pod_uid, int32_t pid,
                      uint64_t known_kills);
/* It is over; a kill that has not been told by now never is. One that is not known is ignored. */
void nj_oom_watch_remove(struct nj_oom_watch *watch, const char *container_id);
void nj_oom_watch_close(struct nj_oom_watch *watch, void (*on_closed)(void *data),
                        void *data); /* takes NULL */

#endif
