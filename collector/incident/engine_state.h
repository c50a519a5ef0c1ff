/*
 * What the engine holds: open incidents, the pods and containers that are in trouble in them, what has
 * changed and not been stored, and recent clearings. Of the engine's files alone, which have the rules; here
 * is only the bookkeeping.
 *
 * An incident is in `open` while it is open, and in `changed` while the store does not know its latest state;
 * a resolved one lives until then. A subject is listed in its incident (the one that was quiet longest first)
 * and in its pod, and in `changed_subjects` likewise.
 */
#ifndef NJ_INCIDENT_ENGINE_STATE_H
#define NJ_INCIDENT_ENGINE_STATE_H

#include "collector/incident/engine.h"
#include "common/base/table.h"

/* What a clearing is about: what is waited for, crashes, what ended the pod (nothing clears that but the
 * pod's end), a check's failing, or a leak, a limit and OOM kills. */
enum nj_clearable {
    NJ_CLEARABLE_WAITING,
    NJ_CLEARABLE_CRASH,
    NJ_CLEARABLE_POD,
    NJ_CLEARABLE_CHECK,
    NJ_CLEARABLE_TROUBLE,
    NJ_CLEARABLES
};

struct nj_open_subject {
    struct nj_open *incident; /* NULL when gone */
    int64_t incident_id;
    struct nj_open_pod *pod;
    char *container, *pod_name;
    int64_t since_ns, stored_since_ns;
    bool stored, changed, gone;
    struct nj_open_subject *prev, *next;                 /* of the incident */
    struct nj_open_subject *pod_prev, *pod_next;         /* of the pod */
    struct nj_open_subject *changed_prev, *changed_next; /* not stored */
};

struct nj_open_pod {
    char *uid;
    struct nj_open_subject *subjects;
    UT_hash_handle hh;
};

struct nj_open {
    struct nj_incident record; /* its strings are owned, each one an allocation of its own */
    char *key;                 /* the fingerprint's parts, see key_of() */
    size_t key_len;
    struct nj_open_subject *subjects;
    size_t subjects_count;
    int64_t heard_ns;
    bool changed, resolved, held;
    int64_t explained_by;        /* the incident that the latest event of an outage names; 0 */
    int64_t let_go_ns;           /* since when nothing of the engine's own holds it back; 0 */
    struct nj_open_workload *of; /* its workload's */
    struct nj_open *prev, *next; /* open ones, the one that was quiet longest first */
    struct nj_open *changed_prev, *changed_next; /* not stored */
    struct nj_open *held_prev, *held_next;       /* held back */
    struct nj_open *of_prev, *of_next;           /* of the workload */
    struct nj_open *kind_prev, *kind_next;       /* of the kind */
    UT_hash_handle hh, hh_id;
};

/* What is open of one workload. */
struct nj_open_workload {
    char *key; /* cluster, namespace, workload kind, workload, each with its '\0' */
    size_t key_len;
    struct nj_open *open;
    UT_hash_handle hh;
};

/* A node that has recovered from what absorbed its pods' troubles: for NJ_ENGINE_NODE_GRACE_NS. */
struct nj_calm_node {
    char *cluster, *node;
    int64_t since_ns;
    struct nj_calm_node *prev, *next;
};

struct nj_clearing {
    char *key; /* uid, '\0', container */
    size_t key_len;
    int64_t at_ns[NJ_CLEARABLES]; /* INT64_MIN: never; INT64_MAX: for good */
    int64_t told_ns;
    UT_hash_handle hh; /* in the order in which they were told */
};

struct nj_engine {
    struct nj_engine_options options;
    int64_t next_id;
    struct nj_open *open;    /* hash by key */
    struct nj_open *open_id; /* hash by id */
    struct nj_open *quiet;   /* list */
    struct nj_open *changed; /* list */
    struct nj_open_subject *changed_subjects;
    struct nj_open_pod *pods;
    struct nj_clearing *clearings;
    struct nj_calm_node *calm; /* list: few at a time */
    struct nj_open *held;      /* list: nobody is told of them */
    size_t held_count;
    struct nj_open *asked; /* held back, and written to by this event */
    bool left_node;        /* see nj_hold_joined() */
    struct nj_open_workload *workloads;
    struct nj_open *of_kind[NJ_INCIDENT_KINDS]; /* lists */
    size_t open_of[NJ_INCIDENT_KINDS];
    int64_t now_ns; /* of the call that is under way */
    struct nj_engine_losses losses;
    int64_t ticked_ns; /* 0: not yet */
    bool loaded;       /* since the latest tick */
};

/* The open incident with this fingerprint, or NULL. */
struct nj_open *nj_open_find(struct nj_engine *engine, enum nj_incident_kind kind, const char *cluster,
                             const struct nj_subject *subject, const char *container);
struct nj_open *nj_open_find_id(struct nj_engine *engine, int64_t id);
/* The first of a workload's, in a list by of_next; NULL for none. */
struct nj_open *nj_open_of_workload(struct nj_engine *engine, const char *cluster, const char *namespace,
                                    const char *workload_kind, const char *workload);
/* A new one with a record that has its identity and nothing else; not yet changed. */
struct nj_open *nj_open_add(struct nj_engine *engine, const struct nj_incident *identity);
/* Takes it out of the open ones with its subjects; it is changed and lives until it is stored. */
void nj_open_remove(struct nj_engine *engine, struct nj_open *open);
/* Something was heard of it. */
void nj_open_heard(struct nj_engine *engine, struct nj_open *open, int64_t now_ns);
void nj_open_changed(struct nj_engine *engine, struct nj_open *open);

/* Sets a string of a record, cut to `max` bytes; true when it is another than before. */
bool nj_open_set(const char **field, const char *text, size_t max);

struct nj_open_pod *nj_open_pod_find(struct nj_engine *engine, const char *uid);
struct nj_open_subject *nj_open_subject_find(struct nj_engine *engine, const struct nj_open *open,
                                             const char *uid, const char *container);
/* Adds or refreshes; `since_ns` only rises. True when it was not there. */
bool nj_open_subject_put(struct nj_engine *engine, struct nj_open *open,
                         const struct nj_incident_subject *subject);
/* Takes it out of its incident. One that the store has lives until the store knows. */
void nj_open_subject_remove(struct nj_engine *engine, struct nj_open_subject *subject);

/* Remembers a clearing. */
void nj_clearing_put(struct nj_engine *engine, const char *uid, const char *container,
                     enum nj_clearable trouble, int64_t at_ns, int64_t now_ns);
/* Was it cleared after `at_ns`? */
bool nj_clearing_after(struct nj_engine *engine, const char *uid, const char *container,
                       enum nj_clearable trouble, int64_t at_ns);
/* Takes account of what the times of hearing cannot know: after a load, what lasts is heard of again within
 * NJ_ENGINE_HEAR_AGAIN_NS; after the wall clock was set back, nothing was heard later than now. Before what
 * follows, at each tick. */
void nj_engine_note_time(struct nj_engine *engine, int64_t now_ns);
void nj_calm_remove(struct nj_engine *engine, struct nj_calm_node *calm);
void nj_clearings_expire(struct nj_engine *engine, int64_t now_ns);

#endif
