/*
 * What rolling back is made of: rollback.c (the decision), rollback_notes.c (what is known of templates and
 * of the last hour), rollback_job.c (the requests of one, in turn), rollback_patch.c (what the objects say
 * and what is changed in them). Private to collector/sla; loop thread only.
 */
#ifndef NJ_SLA_ROLLBACK_INTERNAL_H
#define NJ_SLA_ROLLBACK_INTERNAL_H

#include <json-c/json.h>

#include "collector/sla/rollback.h"
#include "collector/sla/rollouts_revisions.h"
#include "common/base/table.h"

enum { NJ_ROLLBACK_JOBS_MAX = 8 };

/* A template of a workload. */
struct nj_rollback_note {
    char *key;  /* "NAMESPACE/KIND/NAME/HASH" */
    bool bad;   /* it failed, or was not done before another came */
    bool tried; /* it was rolled back, or that was tried */
    UT_hash_handle hh;
};

enum nj_rollback_step {
    NJ_ROLLBACK_READ_WORKLOAD,
    NJ_ROLLBACK_READ_TEMPLATE,
    NJ_ROLLBACK_DRY_RUN,
    NJ_ROLLBACK_PATCH
};

struct nj_rollback_job {
    struct nj_rollback *owner;
    enum nj_rollback_step step;
    int tries;
    int64_t rollout, generation;
    enum nj_workloads_kind kind;
    char *namespace, *workload, *uid;
    char *hash;          /* of the template that failed; NULL: its ControllerRevision will say */
    char *revision;      /* likewise its revision, as the rollout has it */
    char *to_revision;   /* what comes back, for people; NULL: not chosen yet */
    char *template_path; /* the ReplicaSet, or the list of ControllerRevisions */
    char *reason;
    struct json_object *current; /* the workload */
    char *patch;
    struct nj_http_request *request;
    struct nj_rollback_job *prev, *next;
};

struct nj_rollback {
    struct nj_rollback_options options;
    struct nj_rollback_note *notes;             /* the oldest first */
    int64_t times_ns[NJ_ROLLBACK_PER_HOUR_MAX]; /* of the latest, wall */
    size_t times_count;
    struct nj_rollback_job *jobs;
    size_t jobs_count;
    struct nj_counter *done, *refused;
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* rollback_notes.c */
const struct nj_rollback_note *nj_rollback_note_find(const struct nj_rollback *rollback,
                                                     const char *namespace, const char *kind,
                                                     const char *name, const char *hash); /* NULL: none */
void nj_rollback_note_tried(struct nj_rollback *rollback, const char *namespace, const char *kind,
                            const char *name, const char *hash);
void nj_rollback_note_time(struct nj_rollback *rollback, int64_t at_ns);
int64_t nj_rollback_within_the_hour(const struct nj_rollback *rollback, int64_t now_ns);
void nj_rollback_notes_done(struct nj_rollback *rollback);

/* rollback.c */
void nj_rollback_tell(struct nj_rollback *rollback, const struct nj_rollback_result *result);
/* The last job has ended after closing began. */
void nj_rollback_finish_close(struct nj_rollback *rollback);

/* rollback_job.c: takes a job whose names are set, asks, and tells by on_result. */
void nj_rollback_job_begin(struct nj_rollback *rollback, struct nj_rollback_job *take_job);

/* rollback_patch.c */
/* Why the workload as it is must be left alone; NULL: it need not. */
const char *nj_rollback_objection(const struct nj_rollback_job *job);
/* The ReplicaSet's template, as a Deployment has it; NULL: it is not the Deployment's. Borrowed. */
struct json_object *nj_rollback_set_template(const struct nj_rollback_job *job, struct json_object *set);
void nj_rollback_make_patch(struct nj_rollback_job *job, struct json_object *template);
/* What remains to be done by hand, as a sentence's end; "": nothing. The caller frees it. */
char *nj_rollback_by_hand(const struct nj_rollback_job *job);

#endif
