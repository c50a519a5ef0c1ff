/*
 * What the detector remembers of pods, and its stored form. Private to agent/crash/detect*.c.
 *
 * A pod without memory is well: none of its containers has ended but for an init or job container that
 * completed, and nothing was told about it. Fields are stored in the record unless said otherwise.
 */
#ifndef NJ_CRASH_DETECT_STATE_H
#define NJ_CRASH_DETECT_STATE_H

#include "agent/crash/detect.h"
#include "common/base/table.h"

/* Classes of waiting: each has its own patience. The names are part of ids and records. */
enum nj_wait_class {
    NJ_WAIT_NONE,
    NJ_WAIT_IMAGE,
    NJ_WAIT_CONFIG,
    NJ_WAIT_START,
    NJ_WAIT_OTHER, /* nothing is said to be wrong: volumes, network, a large image */
    NJ_WAIT_LOOP,  /* CrashLoopBackOff; never an episode of its own, see loop_open */
    NJ_WAIT_CLASSES,
};
const char *nj_wait_class_name(enum nj_wait_class class);

/* An end of an instance that was looked at. */
struct nj_seen_end {
    uint64_t key;     /* hash of the instance's identity */
    uint32_t content; /* hash of what may still change: exit code, signal, reason, message */
    int32_t attempt;
    bool told; /* as a crash; false: it was none */
};

enum { NJ_SEEN_ENDS_MAX = 4 }; /* a status shows two; the others catch a status that goes back */

struct nj_container_memory {
    struct nj_container_memory *next;
    char *name;
    enum nj_container_type type;
    int32_t accounted; /* instances 0..accounted-1 have been told, lost, excused or have completed */
    struct nj_seen_end ends[NJ_SEEN_ENDS_MAX]; /* the newest first */
    int ends_count;

    bool crash_open; /* crashes or lost ones were told, and no clearing since */
    bool loop_open;  /* likewise a crash loop */
    bool stuck_open; /* likewise another stuck */
    int64_t told_ns; /* at_ns of the latest of these */

    enum nj_wait_class wait; /* the episode of waiting it is in */
    int64_t since_ns;        /* of that episode */
    bool wait_told;
    uint32_t told_reasons; /* bits of the reasons told in it */

    /* Not stored: what the status says now, for what time alone brings about. */
    bool waits;             /* for a reason of the episode's class */
    int64_t running_ns;     /* since when it runs; 0: it does not */
    int64_t again_ns;       /* what lasts is told again then; 0: to be worked out */
    int64_t due_ns;         /* when time alone changes something; INT64_MAX: never */
    char *reason, *message; /* of waiting; NULL: "" */
    char *cause;            /* IMAGE: message of the last failed pull of the episode */
    char *image;
};

struct nj_pod_memory {
    UT_hash_handle hh;
    char *uid;
    char *static_uid; /* a static pod's config hash, else NULL */
    char *namespace, *name;
    struct {
        char *api_version, *kind, *name, *uid, *template_hash; /* NULL: "" */
    } owner;
    char *workload_kind, *workload; /* NULL: not known yet */
    bool failure_told;              /* the end of the pod itself; open until the pod is gone */
    struct nj_container_memory *containers;

    /* Not stored: */
    int64_t delete_requested_ns; /* earliest seen; 0: none */
    bool disruption_told;        /* that the API server's side ends it */
    bool listed;                 /* seen since this process started */
    bool dirty;                  /* differs from the record that was last handed out */
    bool recorded;               /* a record is stored, or handed out to be */
    bool gone;                   /* nothing is to be remembered any more */
};

struct nj_pod_memory *nj_pod_memory_new(const char *uid);
void nj_pod_memory_free(struct nj_pod_memory *pod);                   /* takes NULL */
void nj_container_memory_free(struct nj_container_memory *container); /* takes one that is in no list */
struct nj_container_memory *nj_pod_memory_container(struct nj_pod_memory *pod, const char *name);
struct nj_container_memory *nj_pod_memory_add(struct nj_pod_memory *pod, const char *name,
                                              enum nj_container_type type);

/* Worth a record: a new process without it would tell something twice, or count wrong. */
bool nj_pod_memory_is_stored(const struct nj_pod_memory *pod);
/* Worth keeping in this process. */
bool nj_pod_memory_is_needed(const struct nj_pod_memory *pod);

/* Puts an end first; the oldest is forgotten. */
void nj_container_memory_add_end(struct nj_container_memory *container, const struct nj_seen_end *end);
struct nj_seen_end *nj_container_memory_find_end(struct nj_container_memory *container, uint64_t key);

/* Replaces *text by a copy of at most NJ_MEMORY_TEXT_MAX bytes, whole characters; "" becomes NULL. */
enum { NJ_MEMORY_TEXT_MAX = 2048 };
void nj_memory_set(char **text, const char *value);

/* Keys of records. */
extern const char nj_record_prefix[];   /* of pods: "pod/" UID */
extern const char nj_record_baseline[]; /* its presence: the first whole list was looked at */

void nj_pod_memory_encode(const struct nj_pod_memory *pod, struct nj_buf *out);
/* 0 or -EBADMSG; what was read before the fault stays in `pod`. */
int nj_pod_memory_decode(struct nj_pod_memory *pod, const char *value, size_t len);

#endif
