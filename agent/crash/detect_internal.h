/*
 * How the detector's parts work together. Private to agent/crash/detect*.c.
 *
 * detect.c walks over a pod's status and keeps the memory; detect_ends.c judges the ends of containers;
 * detect_wait.c follows waiting and running: stuck, and what clears what was told. Each change of the memory
 * is followed at once by the event that it stands for, so that the record handed out with an event holds what
 * was told up to it, and no more.
 */
#ifndef NJ_CRASH_DETECT_INTERNAL_H
#define NJ_CRASH_DETECT_INTERNAL_H

#include "agent/crash/detect.h"
#include "agent/crash/detect_state.h"

struct nj_detector {
    char *node;
    int64_t watched_since_ns;
    struct nj_detector_times times;
    void (*on_finding)(void *data, const struct nj_finding *finding);
    void *data;
    struct nj_pod_memory *pods; /* uthash, by uid */
    bool baseline; /* pods without a record are known to have been well when they were first seen */
    bool synced;   /* what comes now has just happened */
    int64_t next_due_ns;
    int64_t last_ns; /* the latest time that was told: an earlier one means that the clock was set back */
    struct nj_buf record; /* scratch */
};

/* A pod as it is being looked at. */
struct nj_pod_view {
    struct nj_detector *detector;
    const struct nj_kube_meta *meta;
    const struct nj_pod_object *pod;
    struct nj_pod_memory *memory; /* NULL: none yet */
    const char *static_uid;       /* NULL: no static pod */
    int64_t now_ns;
    int64_t
        ending_ns; /* since when it is being ended by somebody: deleted, evicted, shut down; 0: not known */
    bool deleting;
    bool failed; /* ended by the kubelet */
    bool over;   /* phase Succeeded or Failed: nothing starts any more */
    /* As nj_detect_state() goes from container to container: */
    bool init_pending;  /* an init container before this one has not done its part */
    bool other_pending; /* one before this one waits with nothing said to be wrong */
};

struct nj_pod_memory *nj_view_remember(struct nj_pod_view *view);
struct nj_container_memory *nj_view_container(const struct nj_pod_view *view, const char *name); /* or NULL */
struct nj_container_memory *nj_view_remember_container(struct nj_pod_view *view,
                                                       const struct nj_container_status *status);

/* What identities are made of: a mirror pod that is made anew gets a new uid, its containers stay. */
const char *nj_pod_memory_identity(const struct nj_pod_memory *pod);

/* Fills in the subject and seen_ns, adds the record, and hands the finding out. */
void nj_detector_tell(struct nj_detector *detector, struct nj_pod_memory *pod, const char *container,
                      struct nj_event *event, struct nj_finding *finding, int64_t now_ns);

/* detect_ends.c */
/* The container does not run again once it has ended well. */
bool nj_view_completes(const struct nj_pod_view *view, const struct nj_container_status *status);
void nj_detect_ends(struct nj_pod_view *view, const struct nj_container_status *status);

/* detect_wait.c */
/* The kubelet's words for "there is no container yet, and nothing is wrong". */
bool nj_wait_is_default(const char *reason);
void nj_detect_state(struct nj_pod_view *view, const struct nj_container_status *status);
/* After the containers: a pod of which the kubelet says nothing at all. */
void nj_detect_silence(struct nj_pod_view *view);
/* Before an end is told that was not known: when the container has been well for long since, that is said
 * first, so that the collector, to which the end is then past, records it and alarms nobody. */
void nj_detect_recovered(struct nj_pod_view *view, const struct nj_container_status *status);
void nj_detect_due(struct nj_detector *detector, struct nj_pod_memory *pod,
                   struct nj_container_memory *container, int64_t now_ns);
/* Tells that everything about the container (NULL: the pod itself) is over because the pod is gone. */
void nj_detect_gone(struct nj_detector *detector, struct nj_pod_memory *pod,
                    struct nj_container_memory *container, int64_t now_ns);

#endif
