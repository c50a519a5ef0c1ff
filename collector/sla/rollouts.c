#include "collector/sla/rollouts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { OLD_PODS_MAX = 4096, SAID_MAX = 1024 };

/* The template changes first, then the controller gives it its revision. */
#define SPEC_FIRST_NS (5 * NJ_SEC)

/* A workload. */
struct nj_rollouts_subject {
    char *key;
    enum nj_workloads_kind kind;
    const char *namespace, *name;
    bool known; /* told since the start */
    /* The latest template. revision "": none has been seen. */
    const char *revision, *hash, *images;
    int64_t changed_ns;                    /* when its spec changed last */
    int64_t away_ns, allowance_ns;         /* since when a service is not available; 0: all are */
    struct nj_rollouts_record *now, *last; /* that goes on, that ended; NULL */
    bool last_in_doubt;                    /* whether the new template is an earlier one is not known yet */
    UT_hash_handle hh;
};

/* A pod that was in trouble and of no rollout: it is of the old template of the next one. */
struct old_pod {
    char *key;
    UT_hash_handle hh;
};

struct nj_rollouts {
    struct nj_rollouts_options options;
    char *cluster;
    int64_t next_id;
    struct nj_rollouts_subject *subjects;
    struct nj_rollouts_record *records; /* by id: now and last of all subjects */
    struct old_pod *old_pods;           /* the oldest first */
    size_t running;
    uint64_t left_out;
};

static char *key_of(const char *namespace, const char *kind, const char *name)
{
    return nj_asprintf("%s/%s/%s", namespace, kind, name);
}

static struct nj_rollouts_subject *find_subject(const struct nj_rollouts *rollouts, const char *namespace,
                                                const char *kind, const char *name)
{
    NJ_CLEANUP_FREE char *key = key_of(namespace, kind, name);
    struct nj_rollouts_subject *subject = NULL;
    HASH_FIND_STR(rollouts->subjects, key, subject);
    return subject;
}

static struct nj_rollouts_subject *need_subject(struct nj_rollouts *rollouts, const char *namespace,
                                                enum nj_workloads_kind kind, const char *name)
{
    struct nj_rollouts_subject *subject =
        find_subject(rollouts, namespace, nj_workloads_kind_name(kind), name);
    if (subject != NULL)
        return subject;
    subject = NJ_NEW(struct nj_rollouts_subject);
    subject->kind = kind;
    subject->key = key_of(namespace, nj_workloads_kind_name(kind), name);
    subject->namespace = nj_strdup(namespace);
    subject->name = nj_strdup(name);
    subject->revision = nj_strdup("");
    subject->hash = nj_strdup("");
    subject->images = nj_strdup("");
    HASH_ADD_KEYPTR(hh, rollouts->subjects, subject->key, strlen(subject->key), subject);
    return subject;
}

static void forget_record(struct nj_rollouts *rollouts, struct nj_rollouts_record *record)
{
    if (record == NULL)
        return;
    assert(rollouts->records != NULL);
    HASH_DEL(rollouts->records, record);
    assert(rollouts->records != record);
    nj_rollouts_record_free(record);
}

static void forget_subject(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject)
{
    rollouts->running -= subject->now != NULL;
    forget_record(rollouts, subject->now);
    forget_record(rollouts, subject->last);
    HASH_DEL(rollouts->subjects, subject);
    assert(rollouts->subjects != subject);
    free((void *)subject->namespace);
    free((void *)subject->name);
    free((void *)subject->revision);
    free((void *)subject->hash);
    free((void *)subject->images);
    free(subject->key);
    free(subject);
}

static void set_template(struct nj_rollouts_subject *subject, const char *revision, const char *hash,
                         const char *images)
{
    (void)nj_rollouts_record_set(&subject->revision, revision);
    (void)nj_rollouts_record_set(&subject->hash, hash);
    (void)nj_rollouts_record_set(&subject->images, images);
}

static void tell(const struct nj_rollouts *rollouts, const struct nj_rollouts_record *record)
{
    rollouts->options.on_rollout(rollouts->options.data, &record->view);
}

/* ---- how one goes on */

static void count_outage(struct nj_rollouts_record *record, int64_t at_ns)
{
    const struct nj_rollouts_subject *subject = record->subject;
    int64_t from_ns = record->counted_ns > subject->away_ns ? record->counted_ns : subject->away_ns;
    if (subject->away_ns != 0 && at_ns > from_ns)
        record->view.outage_ns += at_ns - from_ns;
    if (at_ns > record->counted_ns)
        record->counted_ns = at_ns;
}

/* False: it had failed before. */
static bool fail(struct nj_rollouts_record *record, const char *reason, const char *message, int64_t at_ns)
{
    if (record->view.failed_ns != 0)
        return false;
    record->view.failed_ns = at_ns;
    record->view.outcome = NJ_ROLLOUT_FAILED;
    (void)nj_rollouts_record_set(&record->view.reason, reason);
    (void)nj_rollouts_record_set(&record->view.message, message);
    return true;
}

static void end(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                enum nj_rollout_outcome outcome, int64_t at_ns)
{
    struct nj_rollouts_subject *subject = record->subject;
    count_outage(record, at_ns);
    record->view.ended_ns = at_ns > record->view.began_ns ? at_ns : record->view.began_ns + 1;
    record->view.outcome = outcome;
    forget_record(rollouts, subject->last);
    subject->last = record;
    subject->now = NULL;
    subject->last_in_doubt = false;
    rollouts->running--;
}

static void undo(struct nj_rollouts_record *record)
{
    if (!record->brought_one)
        (void)fail(record, "RolledBack", "it was undone before a single new pod had become available",
                   record->view.ended_ns);
    record->view.outcome = NJ_ROLLOUT_ROLLED_BACK;
}

static bool take_numbers(struct nj_rollouts_record *record, const struct nj_workloads_item *item)
{
    struct nj_rollout *view = &record->view;
    const struct nj_workload_object *object = item->object;
    bool moved = view->desired != object->desired || view->available != object->available;
    /* Before the controller has looked, what it calls updated is of the template before. */
    if (object->observed_generation >= item->generation && view->updated != object->updated) {
        view->updated = object->updated;
        moved = true;
    }
    view->desired = object->desired;
    view->available = object->available;
    if (object->available < view->min_available) /* also a scaling's: it was so few */
        view->min_available = object->available;
    record->brought_one = record->brought_one || nj_rollouts_brought_one(item);
    return moved;
}

static void want_difference(struct nj_rollouts *rollouts, struct nj_rollouts_record *record)
{
    if (record->difference_wanted || rollouts->options.on_difference_wanted == NULL ||
        (record->subject->kind == NJ_WORKLOADS_DEPLOYMENT &&
         (record->view.template_hash[0] == '\0' || record->view.from_hash[0] == '\0')))
        return;
    record->difference_wanted = true;
    rollouts->options.on_difference_wanted(rollouts->options.data, &record->view);
}

static void go_on(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                  const struct nj_workloads_item *item, int64_t at_ns)
{
    const struct nj_pod_condition *late = nj_rollouts_deadline_passed(item, record->view.began_ns);
    bool told = take_numbers(record, item);
    if (told)
        record->moved_ns = at_ns;
    record->by_hand = nj_streq(item->object->strategy, "OnDelete");
    if (nj_rollouts_is_done(item)) {
        end(rollouts, record, NJ_ROLLOUT_DONE, at_ns);
        told = true;
    } else if (late != NULL) {
        told |= fail(record, late->reason, late->message, at_ns);
    }
    if (told)
        tell(rollouts, record);
}

/* ---- beginning */

/* Whether what the subject is rolling out now is what it had before its last rollout. */
static bool is_earlier(const struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set)
{
    const struct nj_rollout *now = &subject->now->view;
    const struct nj_rollout *last = &subject->last->view;
    switch (subject->kind) {
    case NJ_WORKLOADS_DEPLOYMENT: /* times of creation are whole seconds */
        return nj_streq(now->template_hash, last->from_hash) ||
               (replica_set != NULL && replica_set->created_ns != 0 &&
                replica_set->created_ns < last->began_ns - NJ_SEC);
    case NJ_WORKLOADS_STATEFUL_SET:
        return nj_streq(now->revision, last->from_revision);
    default: /* a DaemonSet's revision only counts */
        return nj_streq(now->images, last->from_images) && !nj_streq(now->images, last->images);
    }
}

/* What its ReplicaSet says of it. True: something that is told has changed. */
static bool take_hash(struct nj_rollouts_record *record, const struct nj_workloads_item *replica_set)
{
    struct nj_rollouts_subject *subject = record->subject;
    const struct nj_rollouts_record *last = subject->last == record ? NULL : subject->last;
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

/* Was the last one undone? True: what is told of it has changed. */
static bool resolve(struct nj_rollouts_subject *subject, const struct nj_workloads_item *replica_set)
{
    if (!subject->last_in_doubt || (replica_set == NULL && subject->kind == NJ_WORKLOADS_DEPLOYMENT))
        return false;
    subject->last_in_doubt = false;
    if (!is_earlier(subject, replica_set))
        return false;
    undo(subject->last);
    return true;
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
    end(rollouts, before, before->view.failed_ns != 0 ? NJ_ROLLOUT_FAILED : NJ_ROLLOUT_SUPERSEDED, at_ns);
    return before;
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
        .change_cause = nj_workloads_annotation(item, "kubernetes.io/change-cause"),
        .began_ns = began_ns,
        .outcome = NJ_ROLLOUT_RUNNING,
        .desired = item->object->desired,
        .available = item->object->available,
        .min_available = item->object->available,
    };
    struct nj_rollouts_record *record = nj_rollouts_record_new(&view);
    record->subject = subject;
    record->counted_ns = began_ns;
    subject->now = record;
    HASH_ADD(hh, rollouts->records, view.id, sizeof(record->view.id), record);
    rollouts->running++;
    return record;
}

static void begin(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                  struct nj_rollouts_subject *subject, const struct nj_workloads_item *item, int64_t began_ns,
                  int64_t at_ns, bool unseen)
{
    struct nj_rollouts_record *before = supersede(rollouts, subject, began_ns);
    struct nj_rollouts_record *record = NULL;
    if (rollouts->running < rollouts->options.max_rollouts) {
        const struct nj_workloads_item *replica_set = replica_set_of(workloads, subject, item->revision);
        record = add_record(rollouts, subject, item, began_ns);
        record->moved_ns = at_ns;
        record->unseen = unseen;
        subject->last_in_doubt = before != NULL;
        (void)take_hash(record, replica_set);
        (void)resolve(subject, replica_set);
        set_template(subject, record->view.revision, record->view.template_hash, record->view.images);
    } else {
        NJ_CLEANUP_FREE char *images = nj_rollouts_images(item->object);
        rollouts->left_out++;
        set_template(subject, item->revision, item->template_hash, images);
    }
    if (before != NULL)
        tell(rollouts, before);
    if (record == NULL)
        return;
    tell(rollouts, record);
    want_difference(rollouts, record);
}

/* ---- what the watches tell */

static void take_replica_set(struct nj_rollouts *rollouts, const struct nj_workloads_item *item)
{
    struct nj_rollouts_subject *subject =
        find_subject(rollouts, item->namespace, item->owner_kind, item->owner);
    if (subject == NULL)
        return;
    if (subject->now == NULL) {
        if (!nj_streq(subject->revision, item->revision))
            return;
        (void)nj_rollouts_record_set(&subject->hash, item->template_hash);
        if (subject->last != NULL && nj_streq(subject->last->view.revision, item->revision) &&
            take_hash(subject->last, item)) {
            tell(rollouts, subject->last);
            want_difference(rollouts, subject->last);
        }
        return;
    }
    if (!nj_streq(subject->now->view.revision, item->revision))
        return;
    bool changed = take_hash(subject->now, item);
    if (resolve(subject, item))
        tell(rollouts, subject->last);
    if (changed)
        tell(rollouts, subject->now);
    want_difference(rollouts, subject->now);
}

/* The workload is gone. */
static void leave(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject, int64_t at_ns)
{
    struct nj_rollouts_record *record = supersede(rollouts, subject, at_ns);
    if (record != NULL)
        tell(rollouts, record);
    forget_subject(rollouts, subject);
}

static void take_end(struct nj_rollouts *rollouts, const struct nj_workloads_item *item, int64_t at_ns)
{
    struct nj_rollouts_subject *subject =
        find_subject(rollouts, item->namespace, nj_workloads_kind_name(item->kind), item->name);
    if (subject != NULL)
        leave(rollouts, subject, at_ns);
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

static void take_workload(struct nj_rollouts *rollouts, struct nj_workloads *workloads,
                          const struct nj_workloads_item *before, const struct nj_workloads_item *after,
                          int64_t at_ns)
{
    struct nj_rollouts_subject *subject = need_subject(rollouts, after->namespace, after->kind, after->name);
    subject->known = true;
    if (before != NULL && after->generation > before->generation)
        subject->changed_ns = at_ns;
    if (after->revision[0] == '\0') /* its controller has not looked at it */
        return;
    if (subject->revision[0] == '\0') {
        NJ_CLEANUP_FREE char *images = nj_rollouts_images(after->object);
        const struct nj_workloads_item *replica_set = replica_set_of(workloads, subject, after->revision);
        set_template(subject, after->revision,
                     replica_set != NULL ? replica_set->template_hash : after->template_hash, images);
        return;
    }
    int64_t began_ns = subject->changed_ns != 0 && at_ns - subject->changed_ns <= SPEC_FIRST_NS
                           ? subject->changed_ns
                           : at_ns;
    if (!nj_streq(subject->revision, after->revision)) {
        if (is_another_template(workloads, subject, after))
            begin(rollouts, workloads, subject, after, began_ns, at_ns, before == NULL);
        else
            (void)nj_rollouts_record_set(&subject->revision, after->revision);
    } else if (is_promoted(subject, before, after)) {
        (void)nj_rollouts_record_set(&subject->revision, after->object->current_revision);
        begin(rollouts, workloads, subject, after, began_ns, at_ns, false);
    }
    if (subject->now != NULL)
        go_on(rollouts, subject->now, after, at_ns);
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

/* ---- the start */

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
        set_template(subject, before.replica_set->revision, before.replica_set->template_hash, images);
    } else if (subject->kind == NJ_WORKLOADS_STATEFUL_SET) {
        set_template(subject, item->object->current_revision, item->object->current_revision, "");
    } else {
        if (before.number < 2)
            return;
        (void)snprintf(number, sizeof(number), "%" PRId64, before.number - 1);
        set_template(subject, number, "", "");
    }
    begin(rollouts, workloads, subject, item, began_ns, at_ns, false);
    if (subject->now != NULL)
        go_on(rollouts, subject->now, item, at_ns);
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
        leave(rollouts, subject, at_ns);
    }
}

void nj_rollouts_load(struct nj_rollouts *rollouts, const struct nj_rollout *rollout)
{
    enum nj_workloads_kind kind;
    if (rollouts->next_id <= rollout->id)
        rollouts->next_id = rollout->id + 1;
    if (nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0)
        return;
    struct nj_rollouts_subject *subject = need_subject(rollouts, rollout->namespace, kind, rollout->workload);
    struct nj_rollouts_record *record = nj_rollouts_record_new(rollout);
    record->view.cluster = rollouts->cluster;
    record->subject = subject;
    record->difference_wanted = rollout->difference[0] != '\0';
    struct nj_rollouts_record **place = rollout->ended_ns == 0 ? &subject->now : &subject->last;
    rollouts->running -= subject->now != NULL;
    forget_record(rollouts, *place);
    *place = record;
    rollouts->running += subject->now != NULL;
    HASH_ADD(hh, rollouts->records, view.id, sizeof(record->view.id), record);
    set_template(subject, rollout->revision, rollout->template_hash, rollout->images);
}

/* ---- pods and services */

bool nj_rollouts_is_new_pod(const struct nj_rollouts *rollouts, const char *namespace,
                            const char *workload_kind, const char *workload, const char *pod)
{
    const struct nj_rollouts_subject *subject = find_subject(rollouts, namespace, workload_kind, workload);
    const struct nj_rollouts_record *record = subject == NULL ? NULL : subject->now;
    struct old_pod *old = NULL;
    if (record == NULL)
        return false;
    if (subject->kind == NJ_WORKLOADS_DEPLOYMENT) {
        if (record->view.template_hash[0] != '\0')
            return nj_rollouts_has_hash(workload, record->view.template_hash, pod);
        return record->view.from_hash[0] == '\0' ||
               !nj_rollouts_has_hash(workload, record->view.from_hash, pod);
    }
    if (subject->kind == NJ_WORKLOADS_STATEFUL_SET && !record->by_hand)
        return nj_rollouts_ordinal(workload, pod) >= record->view.desired - record->view.updated;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s", namespace, pod);
    HASH_FIND_STR(rollouts->old_pods, key, old);
    return old == NULL;
}

static void remember_old(struct nj_rollouts *rollouts, const char *namespace, const char *pod)
{
    char *key = nj_asprintf("%s/%s", namespace, pod);
    struct old_pod *old = NULL;
    HASH_FIND_STR(rollouts->old_pods, key, old);
    if (old != NULL) {
        free(key);
        return;
    }
    if (HASH_CNT(hh, rollouts->old_pods) >= OLD_PODS_MAX) {
        old = rollouts->old_pods; /* the oldest */
        HASH_DEL(rollouts->old_pods, old);
        assert(rollouts->old_pods != old);
        free(old->key);
        free(old);
    }
    old = NJ_NEW(struct old_pod);
    old->key = key;
    HASH_ADD_KEYPTR(hh, rollouts->old_pods, old->key, strlen(old->key), old);
}

static bool fail_by_pod(struct nj_rollouts_record *record, const char *pod, const char *reason,
                        const char *message, enum nj_rollout_trouble trouble, int64_t at_ns)
{
    char said[SAID_MAX];
    const char *words = trouble == NJ_ROLLOUT_CANNOT_START ? "cannot start"
                        : trouble == NJ_ROLLOUT_CHECK      ? "fails its checks"
                                                           : "crashes again and again";
    (void)snprintf(said, sizeof(said), "pod %s %s (%s)%s%s", pod, words, reason,
                   message[0] == '\0' ? "" : ": ", message);
    said[nj_utf8_cut(said, strlen(said), SAID_MAX - 4)] = '\0';
    return fail(record,
                trouble == NJ_ROLLOUT_CANNOT_START || trouble == NJ_ROLLOUT_CHECK ? reason : "CrashLoop",
                said, at_ns);
}

int64_t nj_rollouts_pod_trouble(struct nj_rollouts *rollouts, const char *namespace,
                                const char *workload_kind, const char *workload, const char *pod,
                                const char *reason, const char *message, int64_t at_ns)
{
    struct nj_rollouts_subject *subject = find_subject(rollouts, namespace, workload_kind, workload);
    struct nj_rollouts_record *record = subject == NULL ? NULL : subject->now;
    enum nj_rollout_trouble trouble = nj_rollouts_trouble_of(nj_str(reason));
    if (record == NULL || !nj_rollouts_is_new_pod(rollouts, namespace, workload_kind, workload, pod)) {
        if (subject != NULL && subject->kind != NJ_WORKLOADS_DEPLOYMENT)
            remember_old(rollouts, namespace, pod);
        return 0;
    }
    if (trouble == NJ_ROLLOUT_WAITS)
        return record->view.id;
    bool bad = trouble != NJ_ROLLOUT_CRASHES;
    if (trouble == NJ_ROLLOUT_CRASHES) {
        record->view.crashes++;
        bad = nj_rollouts_record_crash(record, pod) >= NJ_ROLLOUTS_LOOP;
    } else if (trouble == NJ_ROLLOUT_CHECK) {
        record->view.failed_checks++;
    }
    bool failed = bad && fail_by_pod(record, pod, reason, nj_str(message), trouble, at_ns);
    if (failed || trouble == NJ_ROLLOUT_CRASHES || trouble == NJ_ROLLOUT_CHECK)
        tell(rollouts, record);
    return record->view.id;
}

void nj_rollouts_service(struct nj_rollouts *rollouts, const char *namespace, const char *workload_kind,
                         const char *workload, bool available, int64_t allowance_ns, int64_t at_ns)
{
    struct nj_rollouts_subject *subject = find_subject(rollouts, namespace, workload_kind, workload);
    if (subject == NULL)
        return;
    subject->allowance_ns = allowance_ns;
    if (available == (subject->away_ns == 0))
        return;
    if (subject->now != NULL)
        count_outage(subject->now, at_ns);
    subject->away_ns = available ? 0 : at_ns;
    if (subject->now != NULL && available)
        tell(rollouts, subject->now);
}

/* ---- time */

static bool fail_by_outage(struct nj_rollouts_record *record, int64_t now_ns)
{
    const struct nj_rollouts_subject *subject = record->subject;
    char away[NJ_UNIT_TEXT_MAX], allowed[NJ_UNIT_TEXT_MAX], said[SAID_MAX];
    int64_t from_ns = subject->away_ns > record->view.began_ns ? subject->away_ns : record->view.began_ns;
    if (subject->away_ns == 0 || now_ns - from_ns < subject->allowance_ns)
        return false;
    (void)snprintf(said, sizeof(said),
                   "its service has not been available for %s, longer than new pods may take to start (%s)",
                   nj_duration_format((now_ns - from_ns) / NJ_SEC * NJ_SEC, away),
                   nj_duration_format(subject->allowance_ns / NJ_SEC * NJ_SEC, allowed));
    return fail(record, "Outage", said, now_ns);
}

/* Deployments have their own deadline; who changes pods by hand may take his time. */
static bool fail_by_stillness(struct nj_rollouts_record *record, int64_t now_ns)
{
    if (record->subject->kind == NJ_WORKLOADS_DEPLOYMENT || record->by_hand)
        return false;
    if (record->moved_ns == 0) /* loaded */
        record->moved_ns = now_ns;
    return now_ns - record->moved_ns >= NJ_ROLLOUTS_STILL_NS &&
           fail(record, "NoProgress", "no further pod has changed or become available for 10 minutes",
                now_ns);
}

void nj_rollouts_tick(struct nj_rollouts *rollouts, int64_t now_ns)
{
    struct nj_rollouts_record *record;
    struct nj_rollouts_record *next;
    HASH_ITER (hh, rollouts->records, record, next) {
        if (record->view.ended_ns == 0 && record->view.failed_ns == 0 &&
            (fail_by_outage(record, now_ns) || fail_by_stillness(record, now_ns)))
            tell(rollouts, record);
    }
}

/* ---- the rest */

struct nj_rollouts *nj_rollouts_new(const struct nj_rollouts_options *options, int64_t next_id)
{
    struct nj_rollouts *rollouts = NJ_NEW(struct nj_rollouts);
    rollouts->options = *options;
    rollouts->cluster = nj_strdup(nj_str(options->cluster));
    rollouts->next_id = next_id < 1 ? 1 : next_id;
    return rollouts;
}

void nj_rollouts_free(struct nj_rollouts *rollouts)
{
    if (rollouts == NULL)
        return;
    for (struct nj_rollouts_subject *subject; (subject = rollouts->subjects) != NULL;)
        forget_subject(rollouts, subject);
    for (struct old_pod *old; (old = rollouts->old_pods) != NULL;) {
        HASH_DEL(rollouts->old_pods, old);
        assert(rollouts->old_pods != old);
        free(old->key);
        free(old);
    }
    free(rollouts->cluster);
    free(rollouts);
}

static struct nj_rollouts_record *find_record(const struct nj_rollouts *rollouts, int64_t id)
{
    struct nj_rollouts_record *record = NULL;
    HASH_FIND(hh, rollouts->records, &id, sizeof(id), record);
    return record;
}

void nj_rollouts_set_difference(struct nj_rollouts *rollouts, int64_t id, const char *difference)
{
    struct nj_rollouts_record *record = find_record(rollouts, id);
    if (record != NULL && nj_rollouts_record_set(&record->view.difference, difference))
        tell(rollouts, record);
}

void nj_rollouts_set_told(struct nj_rollouts *rollouts, int64_t id)
{
    struct nj_rollouts_record *record = find_record(rollouts, id);
    if (record == NULL || record->view.told)
        return;
    record->view.told = true;
    tell(rollouts, record);
}

const struct nj_rollout *nj_rollouts_running(const struct nj_rollouts *rollouts, const char *namespace,
                                             const char *workload_kind, const char *workload)
{
    const struct nj_rollouts_subject *subject = find_subject(rollouts, namespace, workload_kind, workload);
    return subject == NULL || subject->now == NULL ? NULL : &subject->now->view;
}

void nj_rollouts_each_running(const struct nj_rollouts *rollouts,
                              void (*each)(void *data, const struct nj_rollout *rollout), void *data)
{
    for (const struct nj_rollouts_record *record = rollouts->records; record != NULL;
         record = record->hh.next) {
        if (record->view.ended_ns == 0)
            each(data, &record->view);
    }
}

size_t nj_rollouts_count(const struct nj_rollouts *rollouts)
{
    return rollouts->running;
}

uint64_t nj_rollouts_left_out(const struct nj_rollouts *rollouts)
{
    return rollouts->left_out;
}
