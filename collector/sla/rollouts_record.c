/* A rollout's record: its strings, and its pods' crashes. */
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static const char *own(const char *text)
{
    const char *from = nj_str(text);
    return nj_strndup(from, nj_utf8_cut(from, strlen(from), NJ_ROLLOUTS_TEXT_MAX));
}

/* All strings of the view but the cluster, which belongs to the core. */
enum { TEXTS = 14 };
static void texts_of(struct nj_rollout *view, const char **ret_texts[TEXTS])
{
    const char **const texts[TEXTS] = {
        &view->namespace,     &view->workload_kind, &view->workload, &view->revision,    &view->from_revision,
        &view->template_hash, &view->from_hash,     &view->images,   &view->from_images, &view->difference,
        &view->changed_by,    &view->change_cause,  &view->reason,   &view->message,
    };
    memcpy(ret_texts, texts, sizeof(texts));
}

struct nj_rollouts_record *nj_rollouts_record_new(const struct nj_rollout *from)
{
    struct nj_rollouts_record *record = NJ_NEW(struct nj_rollouts_record);
    const char **texts[TEXTS];
    record->view = *from;
    texts_of(&record->view, texts);
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = own(*texts[i]);
    return record;
}

void nj_rollouts_record_free(struct nj_rollouts_record *record)
{
    const char **texts[TEXTS];
    if (record == NULL)
        return;
    texts_of(&record->view, texts);
    for (size_t i = 0; i < TEXTS; i++)
        free((void *)*texts[i]);
    for (size_t i = 0; i < NJ_ROLLOUTS_PODS; i++)
        free(record->pods[i].name);
    free(record);
}

bool nj_rollouts_record_set(const char **field, const char *text)
{
    if (nj_streq(*field, text))
        return false;
    const char *copy = own(text);
    bool differs = !nj_streq(*field, copy);
    free((void *)*field);
    *field = copy;
    return differs;
}

uint32_t nj_rollouts_record_crash(struct nj_rollouts_record *record, const char *pod)
{
    for (size_t i = 0; i < NJ_ROLLOUTS_PODS; i++) {
        if (record->pods[i].name == NULL)
            record->pods[i].name = nj_strdup(pod);
        if (nj_streq(record->pods[i].name, pod))
            return ++record->pods[i].crashes;
    }
    return ++record->pods[NJ_ROLLOUTS_PODS].crashes;
}
