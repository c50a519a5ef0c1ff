/*
 * What rollouts.c and rollouts_judge.c share. Private to collector/sla.
 */
#ifndef NJ_SLA_ROLLOUTS_INTERNAL_H
#define NJ_SLA_ROLLOUTS_INTERNAL_H

#include "collector/sla/rollouts.h"
#include "common/base/table.h"

enum { NJ_ROLLOUTS_PODS = 16 /* of a rollout whose crashes are counted one by one; more count together */ };

/* A rollout with its own strings. */
struct nj_rollouts_record {
    struct nj_rollout view;
    struct nj_rollouts_subject *subject;
    int64_t moved_ns;   /* when its numbers changed last */
    int64_t counted_ns; /* until when outage_ns is counted */
    bool brought_one;   /* a new pod has been available */
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
