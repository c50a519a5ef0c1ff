/* Rollouts as workloads' changes tell them: one begins, goes on, is done, is superseded or undone. */
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

/* The template changes first, then the controller gives it its revision. */
#define SPEC_FIRST_NS (5 * NJ_SEC)

static const char CHANGE_CAUSE[] = "kubernetes.io/change-cause";

/* Whatever its status says is of the template as it stands. */
static bool is_observed(const struct nj_workloads_item *item)
{
    return item->object->observed_generation >= item->generation;
}

void nj_rollouts_undo(struct nj_rollouts_record *record)
{
    if (!record->brought_one)
        (void)nj_rollouts_fail(record, "RolledBack",
                               "it was undone before a single new pod had become available",
                               record->view.ended_ns);
    record->view.outcome = NJ_ROLLOUT_ROLLED_BACK;
}

static bool take_numbers(struct nj_rollouts_record *record, const struct nj_workloads_item *item,
                         int64_t at_ns)
{
    struct nj_rollout *view = &record->view;
    const struct nj_workload_object *object = item->object;
    bool moved = view->desired != object->desired || view->available != object->available;
    /* Before the controller has looked, what it calls updated is of the template before. */
    if (is_observed(item) && view->updated != object->updated) {
        view->updated = object->updated;
        record->changed_ns = at_ns;
        moved = true;
    }
    view->desired = object->desired;
    view->available = object->available;
    if (object->available < view->min_available) /* also a scaling's: it was so few */
        view->min_available = object->available;
    record->brought_one = record->brought_one || nj_rollouts_brought_one(item);
    return moved;
}

/* Both templates can be asked for: of a Deployment when its ReplicaSets are known, of others when the
 * controller has written the later ControllerRevision, which it does before its status. */
static bool has_templates(const struct nj_rollouts_record *record, const struct nj_workloads_item *item)
{
    if (record->subject->kind == NJ_WORKLOADS_DEPLOYMENT)
        return record->view.template_hash[0] != '\0' && record->view.from_hash[0] != '\0';
    return item != NULL && is_observed(item);
}

static void want_difference(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                            const struct nj_workloads_item *item)
{
    if (record->difference_wanted || rollouts->options.on_difference_wanted == NULL ||
        !has_templates(record, item))
        return;
    record->difference_wanted = true;
    rollouts->options.on_difference_wanted(rollouts->options.data, &record->view);
}

void nj_rollouts_go_on(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                       const struct nj_workloads_item *item, int64_t at_ns)
{
    const struct nj_pod_condition *late = nj_rollouts_deadline_passed(item, record->view.began_ns);
    if (nj_rollouts_deadline_passed(item, INT64_MIN + NJ_SEC) == NULL)
        record->late_before_ns = 0; /* what follows is its own */
    else if (late != NULL && late->last_transition_ns == record->late_before_ns)
        late = NULL;
    bool told = take_numbers(record, item, at_ns);
    if (told)
        record->moved_ns = at_ns;
    record->by_hand = nj_streq(item->object->strategy, "OnDelete");
    want_difference(rollouts, record, item);
    if (nj_rollouts_is_done(item)) {
        nj_rollouts_end(rollouts, record, NJ_ROLLOUT_DONE, at_ns);
        told = true;
    } else if (late != NULL) {
        told |= nj_rollouts_fail(record, late->reason, late->message, at_ns);
    }
    if (told)
        nj_rollouts_tell(rollouts, record);
}

/* ---- beginning */

/* Whether what the doubter brings is what there was before the doubted one. */
static bool is_earlier(const struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set)
{
    const struct nj_rollout *now = &subject->doubter->view;
    const struct nj_rollout *last = &subject->doubted->view;
    switch (subject->kind) {
    case NJ_WORKLOADS_DEPLOYMENT: /* times of creation are whole seconds */
        return nj_streq(now->template_hash, last->from_hash) ||
               (replica_set != NULL && replica_set->created_ns != 0 &&
                replica_set->created_ns < last->began_ns - NJ_SEC);
    case NJ_WORKLOADS_STATEFUL_SET:
        return nj_streq(now->revision, last->from_revision);
    default: /* a DaemonSet's revision only counts: before the templates are known, the images tell */
        return (now->template_hash[0] != '\0' && nj_streq(now->template_hash, last->from_hash)) ||
               (nj_streq(now->images, last->from_images) && !nj_streq(now->images, last->images));
    }
}

/* What its ReplicaSet says of it. True: something that is told has changed. */
static bool take_hash(struct nj_rollouts_record *record, const struct nj_workloads_item *replica_set)
{
    struct nj_rollouts_subject *subject = record->subject;
    const struct nj_rollouts_record *last = subject->doubter == record ? subject->doubted
                                            : subject->last == record  ? NULL
                                                                       : subject->last;
    bool changed = false;
    if (replica_set == NULL)
        return false;
    record->brought_one = record->brought_one || replica_set->object->available > 0;
    if (record->view.template_hash[0] == '\0') {
        changed = nj_rollouts_record_set(&record->view.template_hash, replica_set->template_hash);
        (void)nj_rollouts_record_set(&subject->hash, replica_set->template_hash);
    }
    if (record->unseen && replica_set->created_ns < record->view.began_ns &&
        (last == NULL || replica_set->created_ns > last->view.began_ns)) {
        record->view.began_ns = replica_set->created_ns;
        changed = true;
    }
    record->unseen = false;
    return changed;
}

static bool is_known(const struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set)
{
    switch (subject->kind) {
    case NJ_WORKLOADS_DEPLOYMENT:
        return replica_set != NULL;
    case NJ_WORKLOADS_DAEMON_SET:
        return subject->doubter->view.template_hash[0] != '\0';
    default:
        return true;
    }
}

bool nj_rollouts_resolve(struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set)
{
    struct nj_rollouts_record *doubted = subject->doubted;
    if (doubted == NULL || doubted->view.outcome == NJ_ROLLOUT_ROLLED_BACK ||
        !is_earlier(subject, replica_set))
        return false;
    nj_rollouts_undo(doubted);
    return true;
}

void nj_rollouts_resolve_told(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                              const struct nj_workloads_item *replica_set)
{
    if (subject->doubted == NULL)
        return;
    if (nj_rollouts_resolve(subject, replica_set))
        nj_rollouts_tell(rollouts, subject->doubted);
    if (is_known(subject, replica_set))
        nj_rollouts_set_doubt(rollouts, subject, NULL, NULL);
}

static const struct nj_workloads_item *replica_set_of(struct nj_workloads *workloads,
                                                      const struct nj_rollouts_subject *subject,
                                                      const char *revision)
{
    return subject->kind == NJ_WORKLOADS_DEPLOYMENT
               ? nj_workloads_revision(workloads, subject->namespace, subject->name, revision)
               : NULL;
}

/* What goes on ends: another template comes, or the workload is gone. NULL: nothing does. */
static struct nj_rollouts_record *supersede(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                                            int64_t at_ns)
{
    struct nj_rollouts_record *before = subject->now;
    if (before == NULL)
        return NULL;
    nj_rollouts_end(rollouts, before, before->view.failed_ns != 0 ? NJ_ROLLOUT_FAILED : NJ_ROLLOUT_SUPERSEDED,
                    at_ns);
    return before;
}

/* The annotation stays from one change to the next: only one that came with this change speaks of it. */
static const char *new_cause(const struct nj_rollouts_subject *subject, const struct nj_workloads_item *item)
{
    const char *cause = nj_str(nj_workloads_annotation(item, CHANGE_CAUSE));
    return subject->cause_known && nj_streq(cause, subject->cause) ? "" : cause;
}

static struct nj_rollouts_record *add_record(struct nj_rollouts *rollouts,
                                             struct nj_rollouts_subject *subject,
                                             const struct nj_workloads_item *item, int64_t began_ns)
{
    NJ_CLEANUP_FREE char *images = nj_rollouts_images(item->object);
    struct nj_rollout view = {
        .id = rollouts->next_id++,
        .cluster = rollouts->cluster,
        .namespace = subject->namespace,
        .workload_kind = nj_workloads_kind_name(subject->kind),
        .workload = subject->name,
        .revision = item->revision,
        .from_revision = subject->revision,
        .template_hash = item->template_hash,
        .from_hash = subject->hash,
        .images = images,
        .from_images = subject->images,
        .changed_by = item->object->changed_by,
        .change_cause = new_cause(subject, item),
        .began_ns = began_ns,
        .outcome = NJ_ROLLOUT_RUNNING,
        .desired = item->object->desired,
        .available = item->object->available,
        .min_available = item->object->available,
    };
    struct nj_rollouts_record *record = nj_rollouts_record_new(&view);
    /* The one before may have failed in this very second, which is why this one began. */
    const struct nj_pod_condition *late = nj_rollouts_deadline_passed(item, INT64_MIN + NJ_SEC);
    record->late_before_ns = late == NULL ? 0 : late->last_transition_ns;
    record->subject = subject;
    record->counted_ns = began_ns;
    subject->now = record;
    HASH_ADD(hh, rollouts->records, view.id, sizeof(record->view.id), record);
    rollouts->running++;
    return record;
}

void nj_rollouts_begin(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                       struct nj_rollouts_subject *subject, const struct nj_workloads_item *item,
                       int64_t began_ns, int64_t at_ns, bool unseen)
{
    struct nj_rollouts_record *before = supersede(rollouts, subject, began_ns);
    struct nj_rollouts_record *record = NULL;
    const struct nj_workloads_item *replica_set = replica_set_of(workloads, subject, item->revision);
    if (rollouts->running < rollouts->options.max_rollouts) {
        record = add_record(rollouts, subject, item, began_ns);
        record->moved_ns = at_ns;
        record->unseen = unseen;
        nj_rollouts_set_doubt(rollouts, subject, before, before == NULL ? NULL : record);
        (void)take_hash(record, replica_set);
        (void)nj_rollouts_resolve(subject, replica_set);
        nj_rollouts_subject_set_template(subject, record->view.revision, record->view.template_hash,
                                         record->view.images);
    } else {
        NJ_CLEANUP_FREE char *images = nj_rollouts_images(item->object);
        rollouts->left_out++;
        nj_rollouts_subject_set_template(subject, item->revision, item->template_hash, images);
    }
    if (before != NULL)
        nj_rollouts_tell(rollouts, before);
    if (record == NULL)
        return;
    if (subject->doubted != NULL && is_known(subject, replica_set))
        nj_rollouts_set_doubt(rollouts, subject, NULL, NULL);
    nj_rollouts_tell(rollouts, record);
    want_difference(rollouts, record, item);
}

/* ---- what the watches tell */

static void take_replica_set(struct nj_rollouts *rollouts, const struct nj_workloads_item *item)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, item->namespace, item->owner_kind, item->owner);
    if (subject == NULL)
        return;
    if (subject->now == NULL) {
        if (!nj_streq(subject->revision, item->revision))
            return;
        (void)nj_rollouts_record_set(&subject->hash, item->template_hash);
        if (subject->last == NULL || !nj_streq(subject->last->view.revision, item->revision))
            return;
        bool changed = take_hash(subject->last, item);
        if (subject->doubter == subject->last) /* it was done before its ReplicaSet was told */
            nj_rollouts_resolve_told(rollouts, subject, item);
        if (changed) {
            nj_rollouts_tell(rollouts, subject->last);
            want_difference(rollouts, subject->last, NULL);
        }
        return;
    }
    if (!nj_streq(subject->now->view.revision, item->revision))
        return;
    bool changed = take_hash(subject->now, item);
    nj_rollouts_resolve_told(rollouts, subject, item);
    if (changed)
        nj_rollouts_tell(rollouts, subject->now);
    want_difference(rollouts, subject->now, NULL);
}

/* The workload is gone. */
void nj_rollouts_leave(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject, int64_t at_ns)
{
    struct nj_rollouts_record *record = supersede(rollouts, subject, at_ns);
    if (record != NULL)
        nj_rollouts_tell(rollouts, record);
    nj_rollouts_subject_forget(rollouts, subject);
}

static void take_end(struct nj_rollouts *rollouts, const struct nj_workloads_item *item, int64_t at_ns)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, item->namespace, nj_workloads_kind_name(item->kind), item->name);
    if (subject != NULL)
        nj_rollouts_leave(rollouts, subject, at_ns);
}

/* The controller has given a template a revision that is not the one known. False: it is the same template,
 * whose ReplicaSet was made anew. */
static bool is_another_template(struct nj_workloads *workloads, const struct nj_rollouts_subject *subject,
                                const struct nj_workloads_item *item)
{
    if (subject->kind != NJ_WORKLOADS_DEPLOYMENT || subject->hash[0] == '\0')
        return true;
    const struct nj_workloads_item *replica_set = replica_set_of(workloads, subject, item->revision);
    return replica_set == NULL || !nj_streq(replica_set->template_hash, subject->hash);
}

/* More pods of a StatefulSet are to change. */
static bool is_promoted(const struct nj_rollouts_subject *subject, const struct nj_workloads_item *before,
                        const struct nj_workloads_item *after)
{
    return subject->kind == NJ_WORKLOADS_STATEFUL_SET && subject->now == NULL && before != NULL &&
           after->object->partition < before->object->partition &&
           !nj_streq(after->object->update_revision, after->object->current_revision);
}

/* Who changes a template annotates it with the cause at once, or a moment later (as kubectl's manual shows).
 */
static void take_cause(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                       const struct nj_workloads_item *item)
{
    const char *cause = nj_str(nj_workloads_annotation(item, CHANGE_CAUSE));
    struct nj_rollouts_record *record = subject->now != NULL ? subject->now : subject->last;
    if (!is_observed(item))
        return;
    if (subject->cause_known && record != NULL && cause[0] != '\0' && !nj_streq(cause, subject->cause) &&
        nj_streq(record->view.revision, item->revision) &&
        nj_rollouts_record_set(&record->view.change_cause, cause))
        nj_rollouts_tell(rollouts, record);
    (void)nj_rollouts_record_set(&subject->cause, cause);
    subject->cause_known = true;
}

static void take_workload(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                          const struct nj_workloads_item *before, const struct nj_workloads_item *after,
                          int64_t at_ns)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_need(rollouts, after->namespace, after->kind, after->name);
    subject->known = true;
    if (before != NULL && after->generation > before->generation)
        subject->changed_ns = at_ns;
    if (after->revision[0] == '\0') /* its controller has not looked at it */
        return;
    if (subject->revision[0] == '\0') {
        NJ_CLEANUP_FREE char *images = nj_rollouts_images(after->object);
        const struct nj_workloads_item *replica_set = replica_set_of(workloads, subject, after->revision);
        nj_rollouts_subject_set_template(
            subject, after->revision, replica_set != NULL ? replica_set->template_hash : after->template_hash,
            images);
        take_cause(rollouts, subject, after);
        return;
    }
    int64_t began_ns = subject->changed_ns != 0 && at_ns - subject->changed_ns <= SPEC_FIRST_NS
                           ? subject->changed_ns
                           : at_ns;
    if (!nj_streq(subject->revision, after->revision)) {
        if (is_another_template(workloads, subject, after))
            nj_rollouts_begin(rollouts, workloads, subject, after, began_ns, at_ns, before == NULL);
        else
            (void)nj_rollouts_record_set(&subject->revision, after->revision);
    } else if (is_promoted(subject, before, after)) {
        (void)nj_rollouts_record_set(&subject->revision, after->object->current_revision);
        nj_rollouts_begin(rollouts, workloads, subject, after, began_ns, at_ns, false);
    }
    if (subject->now != NULL)
        nj_rollouts_go_on(rollouts, subject->now, after, at_ns);
    take_cause(rollouts, subject, after);
}

void nj_rollouts_change(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                        const struct nj_workloads_item *before, const struct nj_workloads_item *after,
                        int64_t at_ns)
{
    const struct nj_workloads_item *item = after == NULL ? before : after;
    if (item->kind != NJ_WORKLOADS_REPLICA_SET) {
        if (after == NULL)
            take_end(rollouts, before, at_ns);
        else
            take_workload(rollouts, workloads, before, after, at_ns);
    } else if (after != NULL && nj_streq(after->owner_kind, "Deployment")) {
        take_replica_set(rollouts, after);
    }
}
