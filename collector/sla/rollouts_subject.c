/* A workload and its rollouts: the table of them, and what every way for one to go on or to end does. */
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static char *key_of(const char *namespace, const char *kind, const char *name)
{
    return nj_asprintf("%s/%s/%s", namespace, kind, name);
}

struct nj_rollouts_subject *nj_rollouts_subject_find(const struct nj_rollouts *rollouts,
                                                     const char *namespace, const char *kind,
                                                     const char *name)
{
    NJ_CLEANUP_FREE char *key = key_of(namespace, kind, name);
    struct nj_rollouts_subject *subject = NULL;
    HASH_FIND_STR(rollouts->subjects, key, subject);
    return subject;
}

struct nj_rollouts_subject *nj_rollouts_subject_need(struct nj_rollouts *rollouts, const char *namespace,
                                                     enum nj_workloads_kind kind, const char *name)
{
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, namespace, nj_workloads_kind_name(kind), name);
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
    subject->cause = nj_strdup("");
    HASH_ADD_KEYPTR(hh, rollouts->subjects, subject->key, strlen(subject->key), subject);
    return subject;
}

void nj_rollouts_forget_record(struct nj_rollouts *rollouts, struct nj_rollouts_record *record)
{
    if (record == NULL)
        return;
    NJ_TABLE_REMOVE(rollouts->records, record);
    nj_rollouts_record_free(record);
}

void nj_rollouts_subject_forget(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject)
{
    rollouts->running -= subject->now != NULL;
    nj_rollouts_set_doubt(rollouts, subject, NULL, NULL);
    nj_rollouts_forget_record(rollouts, subject->now);
    nj_rollouts_forget_record(rollouts, subject->last);
    NJ_TABLE_REMOVE(rollouts->subjects, subject);
    free((void *)subject->namespace);
    free((void *)subject->name);
    free((void *)subject->revision);
    free((void *)subject->hash);
    free((void *)subject->images);
    free((void *)subject->cause);
    free(subject->key);
    free(subject);
}

void nj_rollouts_subject_set_template(struct nj_rollouts_subject *subject, const char *revision,
                                      const char *hash, const char *images)
{
    (void)nj_rollouts_record_set(&subject->revision, revision);
    (void)nj_rollouts_record_set(&subject->hash, hash);
    (void)nj_rollouts_record_set(&subject->images, images);
}

void nj_rollouts_set_doubt(struct nj_rollouts *rollouts, struct nj_rollouts_subject *subject,
                           struct nj_rollouts_record *doubted, struct nj_rollouts_record *doubter)
{
    if (subject->doubted != NULL && subject->doubted != subject->last)
        nj_rollouts_forget_record(rollouts, subject->doubted);
    subject->doubted = doubted;
    subject->doubter = doubter;
}

void nj_rollouts_tell(const struct nj_rollouts *rollouts, const struct nj_rollouts_record *record)
{
    rollouts->options.on_rollout(rollouts->options.data, &record->view);
}

void nj_rollouts_count_outage(struct nj_rollouts_record *record, int64_t at_ns)
{
    const struct nj_rollouts_subject *subject = record->subject;
    int64_t from_ns = record->counted_ns > subject->away_ns ? record->counted_ns : subject->away_ns;
    if (subject->away_ns != 0 && at_ns > from_ns)
        record->view.outage_ns += at_ns - from_ns;
    if (at_ns > record->counted_ns)
        record->counted_ns = at_ns;
}

bool nj_rollouts_fail(struct nj_rollouts_record *record, const char *reason, const char *message,
                      int64_t at_ns)
{
    if (record->view.failed_ns != 0)
        return false;
    record->view.failed_ns = at_ns;
    record->view.outcome = NJ_ROLLOUT_FAILED;
    (void)nj_rollouts_record_set(&record->view.reason, reason);
    (void)nj_rollouts_record_set(&record->view.message, message);
    return true;
}

void nj_rollouts_end(struct nj_rollouts *rollouts, struct nj_rollouts_record *record,
                     enum nj_rollout_outcome outcome, int64_t at_ns)
{
    struct nj_rollouts_subject *subject = record->subject;
    nj_rollouts_count_outage(record, at_ns);
    record->view.ended_ns = at_ns > record->view.began_ns ? at_ns : record->view.began_ns + 1;
    record->view.outcome = outcome;
    if (subject->last == subject->doubter)
        nj_rollouts_set_doubt(rollouts, subject, NULL, NULL);
    if (subject->last != subject->doubted)
        nj_rollouts_forget_record(rollouts, subject->last);
    subject->last = record;
    subject->now = NULL;
    rollouts->running--;
}
