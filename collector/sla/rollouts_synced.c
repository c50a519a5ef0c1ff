/* Rollouts that had begun, or whose workload went away, before anybody looked. */
#include <inttypes.h>
#include <stdio.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

struct before {
    int64_t number, best;
    const struct nj_workloads_item *replica_set;
};

static void find_before(void *data, const struct nj_workloads_item *replica_set)
{
    struct before *before = data;
    int64_t number;
    if (nj_parse_int(replica_set->revision, 1, INT64_MAX, &number) < 0 || number >= before->number ||
        number <= before->best)
        return;
    before->best = number;
    before->replica_set = replica_set;
}

/* A rollout that had begun before anybody looked. A workload that is new is none. */
static void recognise(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                      struct nj_rollouts_subject *subject, int64_t at_ns)
{
    const struct nj_workloads_item *item =
        nj_workloads_find(workloads, subject->kind, subject->namespace, subject->name);
    struct before before = {.number = 0};
    char number[24];
    int64_t began_ns = at_ns;
    if (item == NULL || !nj_streq(item->revision, subject->revision) || !nj_rollouts_is_under_way(item))
        return;
    (void)nj_parse_int(item->revision, 1, INT64_MAX, &before.number);
    if (subject->kind == NJ_WORKLOADS_DEPLOYMENT) {
        const struct nj_workloads_item *replica_set =
            nj_workloads_revision(workloads, item->namespace, item->name, item->revision);
        nj_workloads_revisions(workloads, item->namespace, item->name, find_before, &before);
        if (before.replica_set == NULL || replica_set == NULL)
            return;
        NJ_CLEANUP_FREE char *images = nj_rollouts_images(before.replica_set->object);
        if (replica_set->created_ns > before.replica_set->created_ns && replica_set->created_ns < at_ns)
            began_ns = replica_set->created_ns;
        nj_rollouts_subject_set_template(subject, before.replica_set->revision,
                                         before.replica_set->template_hash, images);
    } else if (subject->kind == NJ_WORKLOADS_STATEFUL_SET) {
        nj_rollouts_subject_set_template(subject, item->object->current_revision,
                                         item->object->current_revision, "");
    } else {
        if (before.number < 2)
            return;
        (void)snprintf(number, sizeof(number), "%" PRId64, before.number - 1);
        nj_rollouts_subject_set_template(subject, number, "", "");
    }
    nj_rollouts_begin(rollouts, workloads, subject, item, began_ns, at_ns, false);
    if (subject->now != NULL)
        nj_rollouts_go_on(rollouts, subject->now, item, at_ns);
}

void nj_rollouts_synced(struct nj_rollouts *rollouts, struct nj_workloads *workloads, int64_t at_ns)
{
    struct nj_rollouts_subject *subject;
    struct nj_rollouts_subject *next;
    HASH_ITER (hh, rollouts->subjects, subject, next) {
        if (subject->known) {
            if (subject->now == NULL && subject->last == NULL)
                recognise(rollouts, workloads, subject, at_ns);
            continue;
        }
        nj_rollouts_leave(rollouts, subject, at_ns);
    }
}
