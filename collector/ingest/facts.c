/*
 * Facts on the worker, for whoever looks for causes: copied out of the packets, told once they are committed.
 */
#include <string.h>

#include "collector/ingest/group_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    MEMORY_MAX = 16 << 20, /* of one group's, which has few: a crash takes a few hundred bytes */
    TEXT_BYTES_MAX = 1024,
};

static bool is_asked_for(enum nj_event_type type)
{
    return type == NJ_EVENT_CRASH || type == NJ_EVENT_STUCK || type == NJ_EVENT_CLEARED ||
           type == NJ_EVENT_POD_FAILURE || type == NJ_EVENT_CHECK;
}

/* False when there is no room. */
static bool copy(struct nj_arena *arena, const char **const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = nj_str(*texts[i]);
        *texts[i] = nj_arena_strndup(arena, text, nj_utf8_cut(text, strlen(text), TEXT_BYTES_MAX));
        if (*texts[i] == NULL)
            return false;
    }
    return true;
}

static bool copy_subject(struct nj_arena *arena, struct nj_subject *subject)
{
    const char **const texts[] = {&subject->namespace, &subject->pod,           &subject->pod_uid,
                                  &subject->node,      &subject->workload_kind, &subject->workload,
                                  &subject->container};
    return copy(arena, texts, sizeof(texts) / sizeof(texts[0]));
}

static bool copy_check(struct nj_arena *arena, struct nj_check_event *check)
{
    const char **const texts[] = {&check->key.monitor, &check->key.target, &check->source, &check->service,
                                  &check->target_name, &check->address,    &check->state,  &check->severity,
                                  &check->group,       &check->cause,      &check->phase,  &check->step,
                                  &check->expected,    &check->got};
    check->body = check->evidence = "";
    return copy(arena, texts, sizeof(texts) / sizeof(texts[0]));
}

static bool copy_crash(struct nj_arena *arena, struct nj_crash *crash)
{
    const char **const texts[] = {&crash->container_id, &crash->container_type, &crash->image, &crash->reason,
                                  &crash->message};
    crash->log = (struct nj_log_text){.text = "", .source = "", .missing = ""};
    return copy(arena, texts, sizeof(texts) / sizeof(texts[0]));
}

static bool copy_event(struct nj_arena *arena, struct nj_event *event)
{
    const char **const id[] = {&event->id};
    if (!copy(arena, id, 1) || !copy_subject(arena, &event->subject))
        return false;
    switch (event->type) {
    case NJ_EVENT_CRASH:
        return copy_crash(arena, &event->crash);
    case NJ_EVENT_STUCK: {
        const char **const texts[] = {&event->stuck.reason, &event->stuck.message, &event->stuck.image};
        return copy(arena, texts, sizeof(texts) / sizeof(texts[0]));
    }
    case NJ_EVENT_POD_FAILURE: {
        const char **const texts[] = {&event->failure.reason, &event->failure.message};
        return copy(arena, texts, sizeof(texts) / sizeof(texts[0]));
    }
    case NJ_EVENT_CHECK:
        return copy_check(arena, &event->check);
    default:
        return true;
    }
}

void nj_group_note_fact(struct nj_group_worker *worker, const struct nj_event *event, int64_t incident_id)
{
    struct nj_group *group = worker->group;
    struct nj_ingest_fact fact = {.event = *event, .incident_id = incident_id};
    if (worker->options.on_facts == NULL || worker->rc < 0 || !is_asked_for(event->type))
        return;
    if (group->facts == NULL)
        nj_arena_init(&group->facts_memory, MEMORY_MAX);
    if (group->facts_count == group->facts_capacity) {
        group->facts_capacity = group->facts_capacity == 0 ? 16 : 2 * group->facts_capacity;
        group->facts = nj_realloc(group->facts, group->facts_capacity, sizeof(*group->facts));
    }
    if (copy_event(&group->facts_memory, &fact.event))
        group->facts[group->facts_count++] = fact;
    else
        nj_counter_add(worker->metrics.untold_facts, 1);
}

void nj_group_tell_facts(struct nj_group *group,
                         void (*on_facts)(void *data, const struct nj_ingest_fact *facts, size_t count),
                         void *data)
{
    if (group->facts == NULL)
        return;
    if (on_facts != NULL && group->facts_count > 0)
        on_facts(data, group->facts, group->facts_count);
    free(group->facts);
    nj_arena_done(&group->facts_memory);
    group->facts = NULL;
    group->facts_count = group->facts_capacity = 0;
}
