/*
 * Inspection of the node: scans it every `interval` on a thread of its own, names what it finds by the node's
 * pods, finds leaks and limits that are near, gathers minutes of use, watches for OOM kills and exits, and
 * shows all of it on /metrics.
 *
 *   timer -> worker: scan, sockets, node, GPU, leaks, minutes
 *            -> loop: events to the outbox, figures for /metrics
 *   memory.events -> loop: OOM kill events
 *   proc connector -> loop: a container's end, to the capture
 *
 * Containers are named by their pods' statuses; one that no pod of this node has is not told of. When a
 * status shows a container that no scan has seen, the next scan is made soon.
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

/* A container's first process has ended: before the kubelet says so. Borrowed. */
struct nj_inspect_exit {
    const char *container_id; /* without scheme */
    const char *namespace, *pod, *pod_uid;
    const char *directory_uid; /* the uid, or a static pod's config hash */
    const char *container;
    int32_t restart_count; /* of the status that shows this instance; -1: not known */
    int exit_code;         /* as wait(2) has it */
    int64_t wall_ns;
};

/* What a trouble's end needs, to be kept as long as it lasts, beyond this process; value NULL: no longer.
 * Borrowed. */
struct nj_inspect_record {
    const char *key; /* begins with nj_inspect_record_prefix */
    const void *value;
    size_t len;
};
extern const char nj_inspect_record_prefix[];

struct nj_inspect_options {
    struct nj_loop *loop; /* these three are borrowed until on_closed() */
    struct nj_owners *owners;
    struct nj_metrics *metrics; /* may be NULL */
    const char *node;           /* copied, as the paths */
    const char *proc, *cgroup;  /* the host's */
    const char *root;           /* where the host's file systems are seen: "" for "/" */
    const char *kernel_log;     /* "" for none */
    int64_t interval_ns;        /* from one scan to the next */
    int64_t leak_after_ns;
    size_t max_processes, max_containers;
    int64_t sockets_rest; /* sockets.h */
    bool exits;           /* listen to the proc connector */
    /* To be stored; borrowed. */
    void (*on_event)(void *data, const struct nj_event *event);
    /* Likewise of a trouble, together with its record; event NULL: only that changes. May be NULL: on_event.
     */
    void (*on_trouble)(void *data, const struct nj_event *event, const struct nj_inspect_record *record);
    void (*on_container_exit)(void *data, const struct nj_inspect_exit *exit); /* may be NULL */
    void *data;
};

/* What cannot be had (cgroups that cannot be read, no right to hear of exits) is said in one line of the log
 * each, and left out. */
int nj_inspect_start(const struct nj_inspect_options *options, struct nj_inspect **ret_inspect,
                     struct nj_err *err);
/* A record that an earlier process left, right after the start: its trouble is followed on, and told when it
 * is over. */
void nj_inspect_restore(struct nj_inspect *inspect, const struct nj_inspect_record *record);
/* All of the node's pods have been told: containers that are in none of them are gone. */
void nj_inspect_synced(struct nj_inspect *inspect);
/* As the detector is told of pods. */
void nj_inspect_pod(struct nj_inspect *inspect, enum nj_watch_event_type type,
                    const struct nj_kube_object *object);
/* Appends the figures of the last scan in Prometheus' text format: 0, or what the buffer refused. */
int nj_inspect_expose(const struct nj_inspect *inspect, struct nj_buf *out);
/* At any moment; a scan that is under way is waited for. No callback but on_closed follows. */
void nj_inspect_close(struct nj_inspect *inspect, void (*on_closed)(void *data), void *data); /* takes NULL */

#endif
