/*
 * Minutes on the worker: of use, which become series; and those, of checks too, that are told once they are
 * committed. They are told as they were decoded: the memory of a packet that brought one goes with the group
 * instead of being used for the next packet.
 */
#include <string.h>

#include "collector/ingest/group_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NAME_BYTES_MAX = 512,
    KEPT_BYTES_MAX = 32 << 20, /* of the minutes that one group tells */
};

struct nj_minute {
    const char *node;
    struct nj_event event;
    struct nj_minute *next;
};

/* Of one packet. */
struct nj_minutes {
    struct nj_arena arena; /* all that the minutes point to, and they themselves */
    struct nj_minute *first;
    struct nj_minutes *next;
};

void nj_group_note_minute(struct nj_group_worker *worker, const char *node, const struct nj_event *event)
{
    if (worker->options.on_minute == NULL)
        return;
    struct nj_minute *minute = nj_arena_alloc(&worker->arena, sizeof(*minute));
    char *name = nj_arena_strndup(&worker->arena, node, strlen(node));
    if (minute == NULL || name == NULL) {
        nj_counter_add(worker->metrics.untold_minutes, 1);
        return;
    }
    *minute = (struct nj_minute){.node = name, .event = *event};
    *worker->last_minute = minute;
    worker->last_minute = &minute->next;
}

void nj_group_begin_packet(struct nj_group_worker *worker)
{
    nj_arena_reset(&worker->arena);
    worker->minutes = NULL;
    worker->last_minute = &worker->minutes;
}

static uint64_t count(const struct nj_minute *minute)
{
    uint64_t minutes = 0;
    for (; minute != NULL; minute = minute->next)
        minutes++;
    return minutes;
}

void nj_group_end_packet(struct nj_group_worker *worker)
{
    struct nj_group *group = worker->group;
    if (worker->minutes == NULL)
        return;
    if (worker->arena.used > KEPT_BYTES_MAX - group->minutes_bytes) {
        nj_counter_add(worker->metrics.untold_minutes, count(worker->minutes));
        return;
    }
    struct nj_minutes *kept = NJ_NEW(struct nj_minutes);
    *kept = (struct nj_minutes){.arena = worker->arena, .first = worker->minutes};
    group->minutes_bytes += kept->arena.used;
    if (group->minutes == NULL)
        group->minutes = kept;
    else
        group->last_minutes->next = kept;
    group->last_minutes = kept;
    nj_arena_init(&worker->arena, kept->arena.max);
}

void nj_group_tell_minutes(struct nj_group *group,
                           void (*on_minute)(void *data, const char *node, const struct nj_event *event),
                           void *data)
{
    struct nj_minutes *next;
    for (struct nj_minutes *minutes = group->minutes; minutes != NULL; minutes = next) {
        next = minutes->next;
        for (struct nj_minute *minute = minutes->first; minute != NULL && on_minute != NULL;
             minute = minute->next)
            on_minute(data, minute->node, &minute->event);
        nj_arena_done(&minutes->arena);
        free(minutes);
    }
    group->minutes = group->last_minutes = NULL;
    group->minutes_bytes = 0;
}

static void bound_names(struct nj_arena *arena, const char **const *names, size_t names_count)
{
    for (size_t i = 0; i < names_count; i++)
        nj_group_bound(arena, names[i], NAME_BYTES_MAX);
}

void nj_group_bound_usage(struct nj_arena *arena, struct nj_usage *usage)
{
    /* The decoder's own arrays, in this arena. */
    struct nj_usage_item *items = (struct nj_usage_item *)usage->items;
    struct nj_usage_pod *pods = (struct nj_usage_pod *)usage->pods;
    for (size_t i = 0; i < usage->count; i++) {
        struct nj_usage_item *item = &items[i];
        const char **const names[] = {&item->namespace, &item->pod,           &item->pod_uid,
                                      &item->container, &item->workload_kind, &item->workload};
        bound_names(arena, names, sizeof(names) / sizeof(names[0]));
    }
    for (size_t i = 0; i < usage->pods_count; i++) {
        struct nj_usage_pod *pod = &pods[i];
        const char **const names[] = {&pod->namespace, &pod->pod, &pod->pod_uid, &pod->workload_kind,
                                      &pod->workload};
        bound_names(arena, names, sizeof(names) / sizeof(names[0]));
    }
}

bool nj_group_apply_usage(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                          const struct nj_event *event)
{
    struct nj_store *store = worker->options.store;
    struct nj_event told = *event;
    const struct nj_usage *usage = &told.usage;
    bool is_new = false;
    told.usage.minute_ns = nj_group_minute(worker, usage->minute_ns);
    if (nj_group_fail(
            worker, store->ops->put_minute(store, event->id, usage->minute_ns, &is_new, &worker->err)) < 0 ||
        !is_new)
        return false;
    (void)nj_engine_apply(worker->engine, origin, &told, true, worker->now_ns);
    for (size_t i = 0; i < usage->count && worker->rc == 0; i++)
        (void)nj_group_fail(worker, store->ops->add_usage(store, origin->cluster, origin->node,
                                                          usage->minute_ns, &usage->items[i], &worker->err));
    worker->events += usage->count;
    nj_counter_add(worker->metrics.usage_items, usage->count);
    nj_group_note_minute(worker, origin->node, &told);
    return true;
}
