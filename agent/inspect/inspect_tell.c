/*
 * What comes of a scan as events, with the names that people know.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/inspect_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NUMBER_TEXT = 24,
    PART_BYTES = 512 << 10, /* of sketches and placements in one event, more or less */
    ITEM_BYTES = 512,       /* of what else there is in an item */
};

static const char *number(int64_t value, char text[NUMBER_TEXT])
{
    (void)snprintf(text, NUMBER_TEXT, "%" PRId64, value);
    return text;
}

static void tell(struct nj_inspect *inspect, struct nj_event *event)
{
    event->seen_ns = nj_loop_wall_ns(inspect->options.loop);
    nj_counter_add(inspect->metrics.events, 1);
    inspect->options.on_event(inspect->options.data, event);
}

static struct nj_subject node_subject(const struct nj_inspect *inspect)
{
    return (struct nj_subject){.namespace = "",
                               .pod = "",
                               .pod_uid = "",
                               .node = inspect->node,
                               .workload_kind = "Node",
                               .workload = inspect->node,
                               .container = ""};
}

static struct nj_subject subject_of(const struct nj_inspect *inspect, const struct nj_named_pod *pod,
                                    const char *container)
{
    return (struct nj_subject){.namespace = pod->namespace,
                               .pod = pod->name,
                               .pod_uid = pod->uid,
                               .node = inspect->node,
                               .workload_kind = pod->workload_kind,
                               .workload = pod->workload,
                               .container = container};
}

/* --- troubles --- */

static void tell_with_record(struct nj_inspect *inspect, struct nj_event *event,
                             const struct nj_told_trouble *told, const char *key)
{
    struct nj_inspect_record record = {.key = key};
    if (inspect->options.on_trouble == NULL) {
        tell(inspect, event);
        return;
    }
    event->seen_ns = nj_loop_wall_ns(inspect->options.loop);
    nj_counter_add(inspect->metrics.events, 1);
    if (!told->trouble.over)
        nj_kept_put(inspect, told, event, key, &record);
    inspect->options.on_trouble(inspect->options.data, event, &record);
    if (told->trouble.over)
        nj_kept_drop(inspect, key);
}

/* The pod's, or that which the trouble was told of: the pod, or this instance, may be forgotten by its end.
 */
static bool trouble_subject(struct nj_inspect *inspect, const struct nj_told_trouble *told, const char *key,
                            struct nj_arena *arena, struct nj_subject *ret_subject)
{
    const struct nj_named_container *container = NULL;
    if (told->container_id[0] == '\0') {
        *ret_subject = node_subject(inspect);
        return true;
    }
    const struct nj_named_pod *pod = nj_names_container(inspect->names, told->container_id, &container);
    if (pod == NULL)
        return told->trouble.over && nj_kept_subject(inspect, key, arena, ret_subject);
    *ret_subject = subject_of(inspect, pod, told->of_pod ? "" : container->name);
    return true;
}

static void tell_trouble(struct nj_inspect *inspect, const struct nj_told_trouble *told)
{
    enum { SUBJECT_BYTES = 64 << 10 };
    char id[NJ_EVENT_ID_MAX];
    char key[NJ_KEPT_KEY_MAX];
    struct nj_arena arena;
    char since[NUMBER_TEXT];
    char level[NUMBER_TEXT];
    const struct nj_trouble *trouble = &told->trouble;
    struct nj_event event = {
        .at_ns = nj_loop_wall_ns(inspect->options.loop), .type = NJ_EVENT_TROUBLE, .trouble = *trouble};
    nj_kept_key(told, key);
    nj_arena_init(&arena, SUBJECT_BYTES);
    if (!trouble_subject(inspect, told, key, &arena, &event.subject)) {
        nj_counter_add(inspect->metrics.nameless, 1);
        nj_arena_done(&arena);
        return;
    }
    const char *pod_uid = event.subject.pod_uid;
    const char *subject = pod_uid[0] != '\0' ? event.subject.container : inspect->node;
    event.id =
        nj_event_id(id, "trouble", pod_uid[0] != '\0' ? pod_uid : "node", subject,
                    nj_trouble_kind_name(trouble->kind), trouble->detail, number(trouble->since_ns, since),
                    trouble->over ? "over" : number(trouble->level, level), NULL);
    tell_with_record(inspect, &event, told, key);
    nj_arena_done(&arena);
}

void nj_inspect_tell_troubles(struct nj_inspect *inspect, const struct nj_told_trouble *troubles)
{
    for (const struct nj_told_trouble *told = troubles; told != NULL; told = told->next)
        tell_trouble(inspect, told);
}

/* --- OOM kills --- */

static int64_t known_bytes(uint64_t bytes)
{
    return bytes > INT64_MAX ? 0 : (int64_t)bytes; /* NJ_UNKNOWN too */
}

bool nj_inspect_tell_kill(struct nj_inspect *inspect, const struct nj_oom_kill_seen *kill, bool last_try)
{
    char id[NJ_EVENT_ID_MAX];
    char total[NUMBER_TEXT];
    const struct nj_named_container *container = NULL;
    const struct nj_named_pod *pod = nj_names_container(inspect->names, kill->container_id, &container);
    if (pod == NULL && last_try)
        pod = nj_names_by_uid(inspect->names, kill->pod_uid);
    if (!last_try && (pod == NULL || !pod->settled))
        return false;
    if (pod == NULL) {
        nj_counter_add(inspect->metrics.nameless, 1);
        return true;
    }
    const char *full_id = container == NULL ? kill->container_id : container->id;
    if (container != NULL && !nj_streq(nj_names_bare_id(full_id), kill->container_id))
        full_id = container->last_id;
    struct nj_event event = {
        .id = nj_event_id(id, "oom", pod->uid, kill->container_id, number((int64_t)kill->total, total), NULL),
        .at_ns = kill->at_ns,
        .type = NJ_EVENT_OOM_KILL,
        .subject = subject_of(inspect, pod, container == NULL ? "" : container->name),
        .oom_kill = {.container_id = full_id,
                     .count = kill->count,
                     .process = kill->process.command,
                     .pid = kill->process.pid,
                     .process_bytes = known_bytes(kill->process_bytes),
                     .memory_limit_bytes = known_bytes(kill->memory_limit),
                     .memory_usage_bytes = known_bytes(kill->memory_usage)},
    };
    tell(inspect, &event);
    return true;
}

/* --- minutes of use --- */

/* Everything of one minute, before it is cut into parts. */
struct minute {
    struct nj_inspect *inspect;
    int64_t minute_ns;
    struct nj_usage_item *items;
    size_t items_count;
    struct nj_usage_pod *pods;
    size_t pods_count;
};

/* What one event takes of a minute. */
struct part {
    size_t items_from, items_to, pods_from, pods_to;
};

static bool name_item(struct nj_inspect *inspect, const struct nj_told_usage *told,
                      struct nj_usage_item *ret_item)
{
    const struct nj_named_container *container = NULL;
    struct nj_usage_item item = told->item;
    if (told->container_id[0] == '\0') {
        item.namespace = item.pod = item.pod_uid = item.container = "";
        item.workload_kind = "Node";
        item.workload = inspect->node;
        *ret_item = item;
        return true;
    }
    const struct nj_named_pod *pod = nj_names_container(inspect->names, told->container_id, &container);
    if (pod == NULL)
        return false;
    bool is_current = nj_streq(nj_names_bare_id(container->id), told->container_id);
    item.namespace = pod->namespace;
    item.pod = pod->name;
    item.pod_uid = pod->uid;
    item.container = container->name;
    item.workload_kind = pod->workload_kind;
    item.workload = pod->workload;
    item.cpu_request_millis = container->cpu_request_millis;
    item.cpu_limit_millis = container->cpu_limit_millis;
    item.memory_request_bytes = container->memory_request_bytes;
    item.memory_limit_bytes = container->memory_limit_bytes;
    item.started_ns = is_current ? container->started_ns : 0;
    *ret_item = item;
    return true;
}

static void add_pod(void *data, const struct nj_named_pod *pod)
{
    struct minute *minute = data;
    if (pod->over || pod->deleted)
        return;
    minute->pods[minute->pods_count++] = (struct nj_usage_pod){
        .namespace = pod->namespace,
        .pod = pod->name,
        .pod_uid = pod->uid,
        .workload_kind = pod->workload_kind,
        .workload = pod->workload,
        .cpu_request_millis = pod->cpu_request_millis,
        .memory_request_bytes = pod->memory_request_bytes,
        .priority = pod->priority,
        .placement = pod->placement,
    };
}

static size_t bytes_of(const struct nj_usage_item *item)
{
    size_t bytes = ITEM_BYTES;
    for (size_t i = 0; i < NJ_USAGE_METRICS; i++)
        bytes += item->metrics[i].len;
    return bytes;
}

/* From the part's beginnings: as much as one event may hold, items first. */
static void fill_part(const struct minute *minute, struct part *part)
{
    size_t bytes = 0;
    part->items_to = part->items_from;
    part->pods_to = part->pods_from;
    while (part->items_to < minute->items_count && part->items_to - part->items_from < NJ_USAGE_ITEMS_MAX &&
           bytes < PART_BYTES)
        bytes += bytes_of(&minute->items[part->items_to++]);
    while (part->pods_to < minute->pods_count && part->pods_to - part->pods_from < NJ_USAGE_PODS_MAX &&
           bytes < PART_BYTES)
        bytes += ITEM_BYTES + strlen(minute->pods[part->pods_to++].placement);
}

static size_t cut(const struct minute *minute, struct part parts[NJ_USAGE_PARTS_MAX])
{
    struct part part = {0};
    size_t count = 0;
    do {
        fill_part(minute, &part);
        parts[count++] = part;
        part.items_from = part.items_to;
        part.pods_from = part.pods_to;
    } while (count < NJ_USAGE_PARTS_MAX &&
             (part.items_to < minute->items_count || part.pods_to < minute->pods_count));
    size_t left = minute->items_count - part.items_to + minute->pods_count - part.pods_to;
    nj_counter_add(minute->inspect->metrics.parts, left);
    return count;
}

static void send_minute(const struct minute *minute)
{
    struct part parts[NJ_USAGE_PARTS_MAX];
    struct nj_inspect *inspect = minute->inspect;
    size_t count = cut(minute, parts);
    for (size_t i = 0; i < count; i++) {
        char id[NJ_EVENT_ID_MAX];
        char started[NUMBER_TEXT];
        char text[NUMBER_TEXT];
        char part[NUMBER_TEXT];
        struct nj_event event = {
            .id = nj_event_id(id, "usage", inspect->node, number(inspect->started_ns, started),
                              number(minute->minute_ns, text), number((int64_t)i, part), NULL),
            .at_ns = minute->minute_ns,
            .type = NJ_EVENT_USAGE,
            .subject = node_subject(inspect),
            .usage = {.minute_ns = minute->minute_ns,
                      .items = minute->items + parts[i].items_from,
                      .count = parts[i].items_to - parts[i].items_from,
                      .pods = minute->pods + parts[i].pods_from,
                      .pods_count = parts[i].pods_to - parts[i].pods_from,
                      .part = (uint32_t)i,
                      .parts = (uint32_t)count},
        };
        tell(inspect, &event);
    }
}

/* All of that minute, out of the list. */
static struct nj_told_usage *take_minute(struct nj_told_usage **usage, int64_t minute_ns)
{
    struct nj_told_usage *taken = NULL;
    struct nj_told_usage **end = &taken;
    for (struct nj_told_usage **at = usage; *at != NULL;) {
        struct nj_told_usage *told = *at;
        if (told->minute_ns != minute_ns) {
            at = &told->next;
            continue;
        }
        *at = told->next;
        told->next = NULL;
        *end = told;
        end = &told->next;
    }
    return taken;
}

void nj_inspect_tell_usage(struct nj_inspect *inspect, struct nj_told_usage *usage)
{
    while (usage != NULL) {
        size_t count = 0;
        int64_t minute_ns = usage->minute_ns;
        struct nj_told_usage *taken = take_minute(&usage, minute_ns);
        for (const struct nj_told_usage *told = taken; told != NULL; told = told->next)
            count++;
        struct minute minute = {.inspect = inspect,
                                .minute_ns = minute_ns,
                                .items = nj_calloc(count, sizeof(*minute.items)),
                                .pods = nj_calloc(nj_names_count(inspect->names) + 1, sizeof(*minute.pods))};
        for (const struct nj_told_usage *told = taken; told != NULL; told = told->next)
            minute.items_count += name_item(inspect, told, &minute.items[minute.items_count]);
        if (usage == NULL) /* the latest: which pods there are now */
            nj_names_each(inspect->names, add_pod, &minute);
        send_minute(&minute);
        free(minute.items);
        free(minute.pods);
        nj_told_usage_free(taken);
    }
}
