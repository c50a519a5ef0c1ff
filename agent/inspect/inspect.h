/*
 * Inspection of the node: scans it every `interval` on a thread of its own, names what it finds by the node's
 * pods, finds leaks and limits that are near, gathers minutes of use, watches for OOM kills and exits, and
 * shows all of it on /metrics.
 *
 *   timer -> worker: scan, sockets, node, GPU, leaks, minutes -> loop: events to the outbox, figures for
 * /metrics memory.events -> loop: OOM kill events      proc connector -> loop: a container's end, to the
 * capture
 *
 * A scan that takes longer than the interval delays the next one; nothing queues up. Loop thread only.
 */
#ifndef NJ_INSPECT_INSPECT_H
#define NJ_INSPECT_INSPECT_H

#include "agent/pods/owners.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/kube/watch.h"
#include "common/loop/loop.h"
#include "common/wire/event.h"

struct nj_inspect;

struct nj_inspect_options {
    struct nj_loop *loop; /* these three are borrowed until on_closed() */
    struct nj_owners *owners;
    struct nj_metrics *metrics; /* may be NULL */
    const char *node;           /* copied, as the paths */
    const char *proc, *cgroup, *root, *kernel_log;
    int64_t interval_ns;
    size_t max_processes, max_containers;
    bool exits; /* listen to the proc connector */
    /* To be stored; borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    /* A container's first process has ended: before the kubelet says so. May be NULL. */
    void (*on_container_exit)(void *data, const char *pod_uid, const char *container_id, int exit_code,
                              int64_t wall_ns);
    void *data;
};

int nj_inspect_start(const struct nj_inspect_options *options, struct nj_inspect **ret_inspect,
                     struct nj_err *err);
/* As the detector is told of pods. */
void nj_inspect_pod(struct nj_inspect *inspect, enum nj_watch_event_type type,
                    const struct nj_kube_object *object);
/* Appends the figures of the last scan in Prometheus' text format, bounded: 0 or -EOVERFLOW. */
int nj_inspect_expose(const struct nj_inspect *inspect, struct nj_buf *out);
void nj_inspect_close(struct nj_inspect *inspect, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
