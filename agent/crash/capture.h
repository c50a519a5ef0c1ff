/*
 * From a finding to the outbox: opens the log file at once, finds out the workload, reads the log, hides
 * secrets, and stores event and record in one transaction.
 *
 * Order: the findings of one pod are stored in the order in which they were made, so that a record never runs
 * ahead of an event that it counts as told; those of different pods do not wait for each other. What cannot
 * be stored (a full disk) stays in the queue and is tried again, its log read again from the file that is
 * still open. The queue is bounded; what a bound forces out is counted, states before facts. What was not
 * stored when the process ends is found again by the next one.
 *
 * The log: from the file, which an announced end has opened already where there was one; when that is gone,
 * from the API server, if what it has is the same instance's. Loop thread only; reading and storing happen on
 * the worker.
 */
#ifndef NJ_CRASH_CAPTURE_H
#define NJ_CRASH_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/crash/detect.h"
#include "agent/crash/log.h"
#include "agent/outbox/outbox.h"
#include "agent/pods/owners.h"
#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/base/redact.h"
#include "common/kube/client.h"
#include "common/loop/loop.h"
#include "common/loop/worker.h"

struct nj_capture;

enum {
    NJ_CAPTURE_QUEUE_MAX = 4096, /* findings on their way, if not set otherwise */
    NJ_CAPTURE_HELD_MAX = 128,   /* log files of announced ends, if not set otherwise */
};

struct nj_capture_options {
    struct nj_loop *loop; /* these are borrowed until on_closed() */
    struct nj_worker *worker;
    struct nj_outbox *outbox;
    struct nj_owners *owners;
    struct nj_kube_client *client; /* NULL: logs come from files only */
    struct nj_metrics *metrics;    /* may be NULL */
    const char *log_dir;           /* copied */
    size_t max_files; /* log files held open at once; the others are opened when their turn comes */
    size_t max_queue; /* findings on their way at once; 0: NJ_CAPTURE_QUEUE_MAX */
    size_t max_held;  /* log files of announced ends, beside max_files; 0: NJ_CAPTURE_HELD_MAX */
    int64_t hold_ns;  /* so long such a file is held for its crash; 0: a minute */
    struct nj_log_limits limits;
    struct nj_redactor *redactor; /* taken */

    /* A pod's workload was found out: for nj_detector_set_workload(). */
    void (*on_workload)(void *data, const char *pod_uid, const char *kind, const char *name);
    void (*on_stored)(void *data); /* something was appended to the outbox */
    /* The outbox cannot be used any more (-EUCLEAN): the process has to start anew. Called once. */
    void (*on_broken)(void *data, const struct nj_err *err);
    void *data;
};

struct nj_capture *nj_capture_new(const struct nj_capture_options *options);

/* Copies what it needs. Nothing is called back from inside. */
void nj_capture_finding(struct nj_capture *capture, const struct nj_finding *finding);

/* A container's first process has ended, and no pod's status says so yet. Strings are borrowed. */
struct nj_capture_end {
    const char *container_id;                    /* with or without a scheme ("containerd://") */
    const char *namespace, *pod, *directory_uid; /* as of a finding: uid, or a static pod's config hash */
    const char *container;                       /* its name in the pod */
    int32_t attempt; /* the restartCount of the status that shows this id as running; -1: not known, the
                        newest file is taken for it */
    int exit_code;   /* as wait(2) has it; 0 is no crash: nothing is held */
};

/* Opens the container's log file, so that it outlives its removal by the kubelet: when the crash with this
 * containerID is found, this is the file that is read. Needs the pod as its status last named it; one whose
 * container is in no known status cannot be held. Copies what it needs; opens on the worker. Where there is
 * no room the oldest one held is let go. An end that is announced twice is held once. */
void nj_capture_container_ended(struct nj_capture *capture, const struct nj_capture_end *end);

/* New settings, for the findings that come from now on. Takes the redactor. */
void nj_capture_set(struct nj_capture *capture, const struct nj_log_limits *limits,
                    struct nj_redactor *redactor);

size_t nj_capture_waiting(const struct nj_capture *capture);        /* findings on their way */
uint64_t nj_capture_lost_crashes(const struct nj_capture *capture); /* told since the start */
/* Why nothing can be stored at the moment; NULL: as far as is known it can. */
const char *nj_capture_trouble(const struct nj_capture *capture);

/* Stores what is on its way, for at most drain_ns of real time, then frees. Takes NULL. */
void nj_capture_close(struct nj_capture *capture, int64_t drain_ns, void (*on_closed)(void *data),
                      void *data);

#endif
