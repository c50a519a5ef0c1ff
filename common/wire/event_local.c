/* Events that the collector tells itself. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/wire/event.h"

enum { TEXTS_MAX = 24 };

struct texts {
    const char **at[TEXTS_MAX];
    size_t count;
};

static void add(struct texts *texts, const char **text)
{
    texts->at[texts->count++] = text;
}

/* Every string of it. */
static void texts_of(struct nj_event *event, struct texts *texts)
{
    const char **of_all[] = {&event->id,
                             &event->subject.namespace,
                             &event->subject.pod,
                             &event->subject.pod_uid,
                             &event->subject.node,
                             &event->subject.workload_kind,
                             &event->subject.workload,
                             &event->subject.container};
    for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
        add(texts, of_all[i]);
    if (event->type == NJ_EVENT_OUTAGE) {
        add(texts, &event->outage.cause);
        add(texts, &event->outage.detail);
        add(texts, &event->outage.reference);
        add(texts, &event->outage.behind_kind);
        add(texts, &event->outage.behind);
    } else if (event->type == NJ_EVENT_ROLLOUT_FAILED) {
        struct nj_rollout_failed *rollout = &event->rollout;
        const char **of_it[] = {&rollout->revision, &rollout->from_revision, &rollout->template_hash,
                                &rollout->images,   &rollout->from_images,   &rollout->difference,
                                &rollout->reason,   &rollout->message,       &rollout->pod,
                                &rollout->crash_id};
        for (size_t i = 0; i < sizeof(of_it) / sizeof(of_it[0]); i++)
            add(texts, of_it[i]);
    } else {
        add(texts, &event->slo.severity);
    }
}

bool nj_pod_failure_is_deletion(const char *reason)
{
    static const char *const reasons[] = {"EvictionByEvictionAPI", "PreemptionByScheduler",
                                          "PreemptionByKubeScheduler", "DeletionByTaintManager",
                                          "DeletionByPodGC"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    }
    return false;
}

bool nj_event_is_local(enum nj_event_type type)
{
    return type == NJ_EVENT_OUTAGE || type == NJ_EVENT_ROLLOUT_FAILED || type == NJ_EVENT_SLO;
}

struct nj_event *nj_event_copy(const struct nj_event *event)
{
    if (!nj_event_is_local(event->type))
        return NULL;
    struct nj_event of_them = *event;
    struct texts texts = {0};
    size_t size = sizeof(*event);
    texts_of(&of_them, &texts);
    for (size_t i = 0; i < texts.count; i++)
        size += strlen(nj_str(*texts.at[i])) + 1;
    struct nj_event *copy = nj_calloc(1, size);
    char *to = (char *)(copy + 1);
    for (size_t i = 0; i < texts.count; i++) {
        size_t text_size = strlen(nj_str(*texts.at[i])) + 1;
        memcpy(to, nj_str(*texts.at[i]), text_size);
        *texts.at[i] = to;
        to += text_size;
    }
    *copy = of_them;
    return copy;
}
