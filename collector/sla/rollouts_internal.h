/*
 * What the core's files share: rollouts.c (its life, what is loaded and asked), rollouts_subject.c (a
 * workload and its rollouts), rollouts_change.c (what workloads' changes tell), rollouts_synced.c (what had
 * begun before anybody looked), rollouts_trouble.c (what makes one fail beside that), rollouts_judge.c (what
 * one object says), rollouts_record.c (its strings). Private to collector/sla.
 */
#ifndef NJ_SLA_ROLLOUTS_INTERNAL_H
#define NJ_SLA_ROLLOUTS_INTERNAL_H

#include "collector/sla/rollouts.h"
#include "common/base/table.h"

enum { NJ_ROLLOUTS_PODS = 16 /* of a rollout whose crashes are counted one by one; more count together */ };

/* A workload. */
struct nj_rollouts_subject {
    char *key;
    enum nj_workloads_kind kind;
    const char *namespace, *name;
    bool known; /* told since the start */
    /* The latest template. revision "": none has been seen. */
    const char *revision, *hash, *images;
    const char *cause;                     /* kubernetes.io/change-cause as its controller knows it */
    bool cause_known;                      /* it has been seen */
    int64_t changed_ns;                    /* when its spec changed last */
    int64_t away_ns, allowance_ns;         /* since when a service is not available; 0: all are */
    struct nj_rollouts_record *now, *last; /* that goes on, that ended; NULL */
    /* One that ended by the doubter's beginning, and may have been undone by it: its template is not known
     * yet. NULL: none. It may be `last`, which it then belongs to. */
    struct nj_rollouts_record *doubted, *doubter;
    UT_hash_handle hh;
};

/* A pod that was in trouble and of no rollout: it is of the old template of the next one. */
struct nj_rollouts_old_pod {
    char *key;
    UT_hash_handle hh;
};

struct nj_rollouts {
    struct nj_rollouts_options options;
    char *cluster;
    int64_t next_id;
    struct nj_rollouts_subject *subjects;
    struct nj_rollouts_record *records;   /* by id: now and last of all subjects */
    struct nj_rollouts_old_pod *old_pods; /* the oldest first */
    size_t running;
    uint64_t left_out;
};

/* A rollout with its own strings. */
struct nj_rollouts_record {
    struct nj_rollout view;
    struct nj_rollouts_subject *subject;
    int64_t late_before_ns; /* since when the one before has been past its deadline; 0: it was not */
    int64_t moved_ns;       /* when its numbers changed last */
    int64_t changed_ns;     /* when the number of new pods did */
    int64_t counted_ns;     /* until when outage_ns is counted */
    bool brought_one;       /* a new pod has been available */
    bool difference_wanted;
    bool by_hand; /* its pods change when somebody deletes them */
    bool unseen;  /* it began while nobody looked: its ReplicaSet will say when */
    struct {
        char *name;
        uint32_t crashes;
    } pods[NJ_ROLLOUTS_PODS + 1]; /* the last: all others */
    UT_hash_handle hh;            /* by id */
};

struct nj_rollouts_record *nj_rollouts_record_new(const struct nj_rollout *from);
void nj_rollouts_record_free(struct nj_rollouts_record *record); /* takes NULL */
/* Sets one of the view's strings, cut to NJ_ROLLOUTS_TEXT_MAX. False: it was so. */
bool nj_rollouts_record_set(const char **field, const char *text);
/* One more crash of the pod; how many it has had. */
uint32_t nj_rollouts_record_crash(struct nj_rollouts_record *record, const char *pod);

/* NULL: none. */
struct nj_rollouts_subject *nj_rollouts_subject_find(const struct nj_rollouts *rollouts,
                                                     const char *namespace, const char *kind,
                                                     const char *name);
struct nj_rollouts_subject *nj_rollouts_subject_need(struct nj_rollouts *rollouts, const char *namespace,
                                                     enum nj_workloads_kind kind, const char *name);
void nj_rollouts_subject_forget(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject);
void nj_rollouts_subject_set_template(struct nj_rollouts_subject *subject, const char *revision,
                                      const char *hash, const char *images);
void nj_rollouts_forget_record(struct nj_rollouts *rollouts, struct nj_rollouts_record *record);

void nj_rollouts_tell(const struct nj_rollouts *rollouts, const struct nj_rollouts_record *record);
/* Of its services, until then. */
void nj_rollouts_count_outage(struct nj_rollouts_record *record, int64_t at_ns);
/* False: it had failed before. */
bool nj_rollouts_fail(struct nj_rollouts_record *record, const char *reason, const char *message,
                      int64_t at_ns);
void nj_rollouts_end(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                     enum nj_rollout_outcome outcome, int64_t at_ns);
/* One that has ended turns out to have been undone. */
void nj_rollouts_undo(struct nj_rollouts_record *record);
/* Was the doubted one undone? What is told of it then has changed: true. `replica_set`: the doubter's, NULL
 * when it is not known or there is none. */
bool nj_rollouts_resolve(struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set);
/* Likewise, and tells it. */
void nj_rollouts_resolve_told(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                              const struct nj_workloads_item *replica_set);
void nj_rollouts_set_doubt(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                           struct nj_rollouts_record *doubted, struct nj_rollouts_record *doubter);

/* What the subject's template is superseded by. */
void nj_rollouts_begin(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                       struct nj_rollouts_subject *subject, const struct nj_workloads_item *item,
                       int64_t began_ns, int64_t at_ns, bool unseen);
void nj_rollouts_go_on(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                       const struct nj_workloads_item *item, int64_t at_ns);
/* The workload is gone: what went on ends, and nothing is known of it any more. */
void nj_rollouts_leave(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject, int64_t at_ns);

/* What a pod's trouble means. */
enum nj_rollout_trouble {
    NJ_ROLLOUT_CRASHES,
    NJ_ROLLOUT_LOOPS,
    NJ_ROLLOUT_CANNOT_START,
    NJ_ROLLOUT_CHECK,
    NJ_ROLLOUT_WAITS
};
enum nj_rollout_trouble nj_rollouts_trouble_of(const char *reason);

/* By facts' rules. */
bool nj_rollouts_is_done(const struct nj_workloads_item *item);
/* Progressing says that the deadline has passed, for what began at began_ns; NULL: it does not. Borrowed. */
const struct nj_pod_condition *nj_rollouts_deadline_passed(const struct nj_workloads_item *item,
                                                           int64_t began_ns);
/* More pods are available than can be of older templates. */
bool nj_rollouts_brought_one(const struct nj_workloads_item *item);
/* A rollout has begun and is not done, as far as this object alone tells. */
bool nj_rollouts_is_under_way(const struct nj_workloads_item *item);

/* "c=registry/web:2, logger=..."; the caller frees it. */
char *nj_rollouts_images(const struct nj_workload_object *object);
/* The pod's ordinal in the StatefulSet; -1: its name has none. */
int64_t nj_rollouts_ordinal(const char *stateful_set, const char *pod);
/* Its name is DEPLOYMENT-HASH-RANDOM. */
bool nj_rollouts_has_hash(const char *deployment, const char *hash, const char *pod);

#endif
