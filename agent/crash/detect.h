/*
 * Crash detection: what the pods' statuses say, as facts. A pure core: no loop, no I/O; the time is an
 * argument.
 *
 * Input is every pod of the node as a list-watch tells it (common/kube/watch.h). Output is findings: an
 * event, what the log capture needs to know for it, and the record that must be stored in the same
 * transaction as the event. Whoever loads the stored records into a new detector and lists the pods again
 * gets each fact that was not stored, under the same id, and none that was: kill -9 at any moment neither
 * loses nor doubles anything.
 *
 * What counts as a crash, and where the rules come from: a status shows only the newest two instances of a
 * container, so instances are told apart by containerID in state and lastState; what restartCount says beyond
 * them is lost, and told as a number (pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses). An end
 * with exit code 0 is none, nor is one by deletion, eviction, node shutdown, or a sidecar's after its pod's
 * containers have completed. A pod ended by the kubelet is a fact of its own. Containers that wait too long
 * for one class of reasons are stuck, and so is a pod of which the kubelet says nothing; while it lasts that
 * is told again, as the same fact, now and then: whoever was told need not take silence for an end.
 *
 * Memory: nothing is kept of a pod that is well. Of the others: names, and per container the last few ends
 * that were looked at. One thread; nothing is reentrant: on_finding() must not call the detector, but for
 * nj_detector_set_workload().
 */
#ifndef NJ_CRASH_DETECT_H
#define NJ_CRASH_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/outbox/outbox.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/kube/decode.h"
#include "common/kube/objects.h"
#include "common/wire/event.h"

struct nj_detector;

/* Who made the pod: for the workload's resolution. Strings are never NULL; all "" for a bare pod. */
struct nj_pod_owner {
    const char *api_version, *kind, *name, *uid;
    const char *template_hash; /* label pod-template-hash */
};

enum { NJ_FINDING_ATTEMPTS_MAX = 2 };

/* Everything is borrowed until on_finding() returns. */
struct nj_finding {
    const struct nj_event *event; /* NULL: only the record changes */
    const char *pod_uid;          /* "" for what concerns all pods */
    bool has_workload;            /* the event's subject names it already: it was found out before */
    struct nj_pod_owner owner;

    /* For a crash. `directory_uid` is in the name of the pod's log directory: uid, or a static pod's config
     * hash. */
    bool first_told; /* false: a correction; its log was captured before, if there was one */
    const char *directory_uid;
    int32_t attempts[NJ_FINDING_ATTEMPTS_MAX]; /* numbers the instance may have, the likeliest first */
    int attempts_count;
    bool previous; /* seen in lastState: the API serves its log with previous=true */

    struct nj_outbox_record record; /* key NULL: no change; value NULL: to be removed */
    bool after_all;                 /* to be stored only when all earlier findings are */
};

struct nj_detector_times {
    int64_t image_ns, config_ns, start_ns, other_ns; /* waiting for so long is stuck; 0: at once */
    int64_t stable_after_ns;                         /* running for so long after a crash is well again */
};

struct nj_detector_options {
    const char *node;         /* copied */
    int64_t watched_since_ns; /* wall time at which this node was first watched: nj_outbox_created_ns() */
    struct nj_detector_times times;
    void (*on_finding)(void *data, const struct nj_finding *finding);
    void *data;
};

struct nj_detector *nj_detector_new(const struct nj_detector_options *options);
void nj_detector_free(struct nj_detector *detector); /* takes NULL */

/* Takes a stored record, before the first pod. -EBADMSG for one that cannot be read: nothing is remembered of
 * its pod, and the record is removed when the pods are known. -ENOENT for a key that is not the detector's.
 */
int nj_detector_load_state(struct nj_detector *detector, const struct nj_outbox_record *record,
                           struct nj_err *err);

/* A pod came, changed or went: ADDED, MODIFIED or DELETED. For a DELETED only meta.uid need be set. Pods
 * without a node are nobody's and are ignored. */
void nj_detector_pod(struct nj_detector *detector, enum nj_watch_event_type type,
                     const struct nj_kube_object *object, int64_t now_ns);

/* A whole list has been told. At the first time: pods that have a record and were not in the list went away
 * meanwhile. */
void nj_detector_synced(struct nj_detector *detector, int64_t now_ns);

/* When nj_detector_tick() has something to do, wall ns; INT64_MAX: never, as things are. Too early does no
 * harm. */
int64_t nj_detector_next_due(const struct nj_detector *detector);
void nj_detector_tick(struct nj_detector *detector, int64_t now_ns);

void nj_detector_set_times(struct nj_detector *detector, const struct nj_detector_times *times);

/* The pod's workload is known now; later findings carry it. An unknown uid is ignored. */
void nj_detector_set_workload(struct nj_detector *detector, const char *uid, const char *kind,
                              const char *name);

/* Puts the workload into a record's value that was made before it was known, so that a later process that
 * finds the pod gone still tells its workload. */
void nj_detector_record_workload(struct nj_buf *value, const char *kind, const char *name);

/* Pods remembered: those with something to remember. */
size_t nj_detector_remembered(const struct nj_detector *detector);

#endif
