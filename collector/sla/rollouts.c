/* The life of the core, what is loaded into it, and what it is asked. */
#include "collector/sla/rollouts.h"

#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

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
        nj_rollouts_subject_forget(rollouts, subject);
    for (struct nj_rollouts_old_pod *old; (old = rollouts->old_pods) != NULL;) {
        NJ_TABLE_REMOVE(rollouts->old_pods, old);
        free(old->key);
        free(old);
    }
    free(rollouts->cluster);
    free(rollouts);
}

void nj_rollouts_load(struct nj_rollouts *rollouts, const struct nj_rollout *rollout)
{
    enum nj_workloads_kind kind;
    if (rollouts->next_id <= rollout->id)
        rollouts->next_id = rollout->id + 1;
    if (nj_workloads_kind_parse(rollout->workload_kind, &kind) < 0)
        return;
    struct nj_rollouts_subject *subject =
        nj_rollouts_subject_need(rollouts, rollout->namespace, kind, rollout->workload);
    struct nj_rollouts_record *record = nj_rollouts_record_new(rollout);
    record->view.cluster = rollouts->cluster;
    record->subject = subject;
    record->difference_wanted = rollout->difference[0] != '\0';
    struct nj_rollouts_record **place = rollout->ended_ns == 0 ? &subject->now : &subject->last;
    rollouts->running -= subject->now != NULL;
    nj_rollouts_forget_record(rollouts, *place);
    *place = record;
    rollouts->running += subject->now != NULL;
    HASH_ADD(hh, rollouts->records, view.id, sizeof(record->view.id), record);
    nj_rollouts_subject_set_template(subject, rollout->revision, rollout->template_hash, rollout->images);
    if (rollout->change_cause[0] != '\0') {
        (void)nj_rollouts_record_set(&subject->cause, rollout->change_cause);
        subject->cause_known = true;
    }
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
        nj_rollouts_tell(rollouts, record);
}

void nj_rollouts_set_templates(struct nj_rollouts *rollouts, int64_t id, const char *hash,
                               const char *from_hash, const char *from_images)
{
    struct nj_rollouts_record *record = find_record(rollouts, id);
    bool changed = false;
    if (record == NULL)
        return;
    struct nj_rollouts_subject *subject = record->subject;
    const char **const fields[] = {&record->view.template_hash, &record->view.from_hash,
                                   &record->view.from_images};
    const char *const texts[] = {hash, from_hash, from_images};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if ((*fields[i])[0] == '\0')
            changed |= nj_rollouts_record_set(fields[i], nj_str(texts[i]));
    }
    if (nj_streq(subject->revision, record->view.revision))
        (void)nj_rollouts_record_set(&subject->hash, record->view.template_hash);
    if (subject->doubter == record)
        nj_rollouts_resolve_told(rollouts, subject, NULL);
    if (changed)
        nj_rollouts_tell(rollouts, record);
}

void nj_rollouts_set_rollback(struct nj_rollouts *rollouts, int64_t id, const char *text)
{
    struct nj_rollouts_record *record = find_record(rollouts, id);
    if (record == NULL)
        return;
    const char *before = record->view.message;
    size_t len = strlen(before), text_len = strlen(text);
    if (len >= text_len && nj_streq(before + len - text_len, text))
        return;
    /* What came of it is the last that may be cut away. */
    size_t room = text_len + 2 < NJ_ROLLOUTS_TEXT_MAX ? NJ_ROLLOUTS_TEXT_MAX - text_len - 2 : 0;
    NJ_CLEANUP_FREE char *message =
        nj_asprintf("%.*s%s%s", (int)nj_utf8_cut(before, len, room), before, len == 0 ? "" : "; ", text);
    if (nj_rollouts_record_set(&record->view.message, message))
        nj_rollouts_tell(rollouts, record);
}

const struct nj_rollout *nj_rollouts_find(const struct nj_rollouts *rollouts, int64_t id)
{
    const struct nj_rollouts_record *record = find_record(rollouts, id);
    return record == NULL ? NULL : &record->view;
}

void nj_rollouts_set_told(struct nj_rollouts *rollouts, int64_t id)
{
    struct nj_rollouts_record *record = find_record(rollouts, id);
    if (record == NULL || record->view.told)
        return;
    record->view.told = true;
    nj_rollouts_tell(rollouts, record);
}

const struct nj_rollout *nj_rollouts_running(const struct nj_rollouts *rollouts, const char *namespace,
                                             const char *workload_kind, const char *workload)
{
    const struct nj_rollouts_subject *subject =
        nj_rollouts_subject_find(rollouts, namespace, workload_kind, workload);
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
