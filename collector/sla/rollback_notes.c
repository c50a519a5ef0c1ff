/* Which templates are known to be bad or were rolled back, and how many were within the hour. */
#include <stdlib.h>
#include <string.h>

#include "collector/sla/rollback_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { NOTES_MAX = 20000 };

static struct nj_rollback_note *find(const struct nj_rollback *rollback, const char *namespace,
                                     const char *kind, const char *name, const char *hash)
{
    struct nj_rollback_note *note = NULL;
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s/%s/%s/%s", namespace, kind, name, hash);
    HASH_FIND_STR(rollback->notes, key, note);
    return note;
}

const struct nj_rollback_note *nj_rollback_note_find(const struct nj_rollback *rollback,
                                                     const char *namespace, const char *kind,
                                                     const char *name, const char *hash)
{
    return find(rollback, namespace, kind, name, hash);
}

static void drop(struct nj_rollback *rollback, struct nj_rollback_note *note)
{
    NJ_TABLE_REMOVE(rollback->notes, note);
    free(note->key);
    free(note);
}

static struct nj_rollback_note *take(struct nj_rollback *rollback, const char *namespace, const char *kind,
                                     const char *name, const char *hash)
{
    struct nj_rollback_note *note = find(rollback, namespace, kind, name, hash);
    if (note != NULL)
        return note;
    if (HASH_COUNT(rollback->notes) >= NOTES_MAX)
        drop(rollback, rollback->notes); /* the oldest */
    note = NJ_NEW(struct nj_rollback_note);
    note->key = nj_asprintf("%s/%s/%s/%s", namespace, kind, name, hash);
    HASH_ADD_KEYPTR(hh, rollback->notes, note->key, strlen(note->key), note);
    return note;
}

void nj_rollback_note_tried(struct nj_rollback *rollback, const char *namespace, const char *kind,
                            const char *name, const char *hash)
{
    take(rollback, namespace, kind, name, hash)->tried = true;
}

void nj_rollback_note_time(struct nj_rollback *rollback, int64_t at_ns)
{
    if (rollback->times_count == NJ_ROLLBACK_PER_HOUR_MAX) {
        rollback->times_count--;
        memmove(rollback->times_ns, rollback->times_ns + 1,
                rollback->times_count * sizeof(rollback->times_ns[0]));
    }
    rollback->times_ns[rollback->times_count++] = at_ns;
}

int64_t nj_rollback_within_the_hour(const struct nj_rollback *rollback, int64_t now_ns)
{
    int64_t count = 0;
    for (size_t i = 0; i < rollback->times_count; i++)
        count += now_ns - rollback->times_ns[i] < NJ_HOUR ? 1 : 0;
    return count;
}

/* One of this process' own counts when it is sent; an earlier process' is told by who changed the template.
 */
static void note_own(struct nj_rollback *rollback, const struct nj_rollout *rollout)
{
    for (size_t i = 0; i < rollback->times_count; i++) {
        int64_t apart_ns = rollback->times_ns[i] - rollout->began_ns;
        if (apart_ns < NJ_MIN && apart_ns > -NJ_MIN)
            return;
    }
    nj_rollback_note_time(rollback, rollout->began_ns);
}

void nj_rollback_note(struct nj_rollback *rollback, const struct nj_rollout *rollout)
{
    if (nj_streq(rollout->changed_by, NJ_ROLLBACK_MANAGER)) {
        note_own(rollback, rollout);
        if (rollout->from_hash[0] != '\0')
            nj_rollback_note_tried(rollback, rollout->namespace, rollout->workload_kind, rollout->workload,
                                   rollout->from_hash);
    }
    if (rollout->template_hash[0] == '\0' || rollout->outcome == NJ_ROLLOUT_RUNNING)
        return;
    /* One that is done because no pod is wanted any more has proved nothing. */
    bool good = rollout->outcome == NJ_ROLLOUT_DONE && (rollout->failed_ns == 0 || rollout->desired > 0);
    take(rollback, rollout->namespace, rollout->workload_kind, rollout->workload, rollout->template_hash)
        ->bad = !good;
}

void nj_rollback_notes_done(struct nj_rollback *rollback)
{
    struct nj_rollback_note *note = NULL, *next = NULL;
    HASH_ITER (hh, rollback->notes, note, next)
        drop(rollback, note);
}
