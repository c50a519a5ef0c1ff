/*
 * The forecast, slice by slice, and what is told of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/capacity/capacity_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { HOLD = 2, MESSAGE_MAX = 2048, SAID_MAX = 3 };

/* A slice, and the pause after it: the loop has other things to do. */
#define SLICE_NS (2 * NJ_MS)
#define PAUSE_NS (3 * NJ_MS)
#define AGAIN_NS (5 * NJ_MIN)
/* A node whose agent went silent is missed for so long; then it is taken for one that has none. */
#define MISSED_NS NJ_HOUR

/* ---- telling */

static void emit(struct nj_capacity *capacity, const struct nj_cap_node *node, bool over, int64_t at_ns,
                 const char *message)
{
    char id[NJ_EVENT_ID_MAX];
    char since[24];
    (void)snprintf(since, sizeof(since), "%" PRId64, node->told_ns);
    struct nj_event event = {
        .id = nj_event_id(id, "trouble", "node", node->name, nj_trouble_kind_name(NJ_TROUBLE_NODE_LOSS), "",
                          since, over ? "over" : "0", NULL),
        .at_ns = at_ns,
        .seen_ns = nj_loop_wall_ns(capacity->options.loop),
        .type = NJ_EVENT_TROUBLE,
        .subject = {.namespace = "",
                    .pod = "",
                    .pod_uid = "",
                    .node = node->name,
                    .workload_kind = "Node",
                    .workload = node->name,
                    .container = ""},
        .trouble = {.kind = NJ_TROUBLE_NODE_LOSS,
                    .detail = "",
                    .over = over,
                    .severity = "warning",
                    .message = message,
                    .since_ns = node->told_ns,
                    .value = node->loss.unplaceable[NJ_FORECAST_REQUESTS],
                    .process = ""},
    };
    capacity->options.on_event(capacity->options.data, &event);
}

static void append_refusals(const struct nj_capacity_loss *loss, struct nj_buf *out)
{
    size_t count = loss->refusals_count[NJ_FORECAST_REQUESTS];
    for (size_t i = 0; i < count && i < SAID_MAX; i++) {
        const struct nj_capacity_refusal *refusal = &loss->refusals[NJ_FORECAST_REQUESTS][i];
        (void)nj_buf_printf(out, "%s%s/%s (%s)", i == 0 ? ": " : "; ", refusal->namespace, refusal->pod,
                            refusal->why);
    }
    if (loss->unplaceable[NJ_FORECAST_REQUESTS] > SAID_MAX)
        (void)nj_buf_printf(out, " and %u more", loss->unplaceable[NJ_FORECAST_REQUESTS] - SAID_MAX);
}

static void append_falling(const struct nj_capacity_loss *loss, struct nj_buf *out)
{
    if (loss->fallen_count == 0) {
        if (*loss->next != '\0')
            (void)nj_buf_printf(out, ". Next to fall would be %s, with %.0f%% of its memory in use",
                                loss->next, loss->next_share * 100);
        return;
    }
    (void)nj_buf_printf(out, ". %s would have %.0f%% of its memory in use and fall next", loss->next,
                        loss->next_share * 100);
    for (size_t i = 1; i < loss->fallen_count; i++)
        (void)nj_buf_printf(out, "%s%s", i == 1 ? ", then " : ", ", loss->fallen[i]);
    if (loss->fallen_unplaceable > 0)
        (void)nj_buf_printf(out, ", with %u more pods left over", loss->fallen_unplaceable);
}

static void tell(struct nj_capacity *capacity, struct nj_cap_node *node)
{
    const struct nj_capacity_loss *loss = &node->loss;
    struct nj_buf message = {.max = MESSAGE_MAX};
    uint32_t unplaceable = loss->unplaceable[NJ_FORECAST_REQUESTS];
    if (node->told_ns == 0)
        node->told_ns = node->held_ns;
    node->retold_ns = nj_loop_mono_ns(capacity->options.loop);
    if (unplaceable > 0)
        (void)nj_buf_printf(&message, "if node %s were lost, %u of its %u pods that move would find no other",
                            node->name, unplaceable, loss->movable);
    else
        (void)nj_buf_printf(&message, "if node %s were lost, its pods would bring down others", node->name);
    append_refusals(loss, &message);
    append_falling(loss, &message);
    emit(capacity, node, false, node->told_ns, nj_buf_str(&message));
    nj_buf_done(&message);
}

static void tell_over(struct nj_capacity *capacity, struct nj_cap_node *node, bool gone)
{
    char message[NJ_ERR_TEXT_MAX];
    int64_t now_ns = nj_loop_wall_ns(capacity->options.loop);
    (void)snprintf(message, sizeof(message),
                   gone ? "node %s is no longer in the cluster"
                        : "if node %s were lost, the others would take its pods",
                   node->name);
    emit(capacity, node, true, now_ns < node->told_ns ? node->told_ns : now_ns, message);
    node->told_ns = node->retold_ns = 0;
}

static bool is_critical(const struct nj_capacity *capacity, const struct nj_cap_node *node)
{
    return node->loss.at_ns == capacity->at_ns && capacity->summary.usable >= 2 &&
           (node->loss.unplaceable[NJ_FORECAST_REQUESTS] > 0 || node->loss.fallen_count > 0);
}

static bool is_missed(const struct nj_capacity *capacity, const struct nj_cap_node *node)
{
    const struct nj_nodes_node *object = nj_cap_object(capacity, node->name);
    return object != NULL && object->ready && node->complete_ns != 0 && !nj_cap_known(capacity, node) &&
           capacity->at_ns - node->minute_ns < MISSED_NS;
}

static bool is_worse(const struct nj_cap_node *a, const struct nj_cap_node *b)
{
    if (a->loss.unplaceable[NJ_FORECAST_REQUESTS] != b->loss.unplaceable[NJ_FORECAST_REQUESTS])
        return a->loss.unplaceable[NJ_FORECAST_REQUESTS] > b->loss.unplaceable[NJ_FORECAST_REQUESTS];
    return a->loss.fallen_count > b->loss.fallen_count;
}

static struct nj_cap_node *find_worst(const struct nj_capacity *capacity)
{
    struct nj_cap_node *worst = NULL;
    for (size_t i = 0; i < capacity->snapshot_count; i++) {
        struct nj_cap_node *node = capacity->snapshot[i];
        if (node->told_ns == 0 && node->held >= HOLD && (worst == NULL || is_worse(node, worst)))
            worst = node;
    }
    return worst;
}

static void judge(struct nj_capacity *capacity)
{
    size_t told = 0;
    uint32_t critical = 0;
    for (size_t i = 0; i < capacity->snapshot_count; i++)
        critical += is_critical(capacity, capacity->snapshot[i]);
    capacity->summary.critical = critical;
    nj_gauge_set(capacity->critical, critical);
    for (size_t i = 0; i < capacity->snapshot_count; i++) {
        if (is_missed(capacity, capacity->snapshot[i]))
            return;
    }
    for (size_t i = 0; i < capacity->snapshot_count; i++) {
        struct nj_cap_node *node = capacity->snapshot[i];
        bool is = is_critical(capacity, node);
        node->held_ns = is && node->held > 0 ? node->held_ns : capacity->at_ns;
        node->held = is ? node->held + 1 : 0;
        node->clear = is ? 0 : node->clear + 1;
        if (node->told_ns != 0 && node->clear >= HOLD)
            tell_over(capacity, node, false);
        else if (node->told_ns != 0 && is &&
                 (node->retold_ns == 0 ||
                  nj_loop_mono_ns(capacity->options.loop) - node->retold_ns >= AGAIN_NS))
            tell(capacity, node);
        told += node->told_ns != 0;
    }
    for (struct nj_cap_node *worst; told < NJ_CAPACITY_TOLD_MAX && (worst = find_worst(capacity)) != NULL;
         told++)
        tell(capacity, worst);
}

/* ---- what the forecast asks and says */

static enum nj_fit fit(void *data, uint32_t slot, const struct nj_forecast_node *node)
{
    const struct nj_capacity *capacity = data;
    const struct nj_cap_placement *placement = capacity->slots[slot];
    const struct nj_nodes_node *object =
        nj_cap_object(capacity, ((const struct nj_cap_node *)node->data)->name);
    if (object == NULL || placement == NULL || placement->parsed == NULL) /* gone since it was begun */
        return NJ_FIT_GONE;
    return nj_placement_fit(placement->parsed, object);
}

static const char *keep(struct nj_cap_node *node, const char *text)
{
    return nj_str(nj_arena_strndup(&node->arena, text, strlen(text)));
}

static void keep_refusals(struct nj_cap_node *node, const struct nj_forecast_outcome *outcome, int by)
{
    size_t count = outcome->refusals_count[by];
    struct nj_capacity_refusal *refusals =
        count == 0 ? NULL : nj_arena_zalloc(&node->arena, count, sizeof(*refusals));
    for (size_t i = 0; refusals != NULL && i < count; i++)
        refusals[i] = (struct nj_capacity_refusal){keep(node, outcome->refusals[by][i].pod->namespace),
                                                   keep(node, outcome->refusals[by][i].pod->name),
                                                   keep(node, outcome->refusals[by][i].why)};
    node->loss.refusals[by] = refusals;
    node->loss.refusals_count[by] = refusals == NULL ? 0 : count;
}

static const char *name_of(const struct nj_forecast *forecast, size_t i)
{
    return ((const struct nj_cap_node *)nj_forecast_node(forecast, i)->data)->name;
}

static void on_outcome(void *data, const struct nj_forecast *forecast, const struct nj_forecast_node *lost,
                       const struct nj_forecast_outcome *outcome)
{
    const struct nj_capacity *capacity = data;
    struct nj_cap_node *node = lost->data;
    nj_arena_reset(&node->arena);
    node->loss = (struct nj_capacity_loss){.at_ns = capacity->at_ns,
                                           .movable = outcome->movable,
                                           .fixed = node->fixed,
                                           .unchecked = node->unchecked,
                                           .next_share = outcome->next_share,
                                           .fallen_unplaceable = outcome->fallen_unplaceable};
    node->loss.next = outcome->next < 0 ? "" : keep(node, name_of(forecast, (size_t)outcome->next));
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        node->loss.unplaceable[by] = outcome->unplaceable[by];
        keep_refusals(node, outcome, by);
    }
    const char **fallen = outcome->fallen_count == 0
                              ? NULL
                              : nj_arena_zalloc(&node->arena, outcome->fallen_count, sizeof(*fallen));
    for (size_t i = 0; fallen != NULL && i < outcome->fallen_count; i++)
        fallen[i] = keep(node, name_of(forecast, outcome->fallen[i]));
    node->loss.fallen = fallen;
    node->loss.fallen_count = fallen == NULL ? 0 : outcome->fallen_count;
}

/* ---- the picture */

/* Above what any pod asks for; sums of it over a node's pods stay within an int64_t. */
#define AMOUNT_MAX (INT64_C(1) << 45)

static int64_t bounded(int64_t amount)
{
    return amount < 0 ? 0 : amount > AMOUNT_MAX ? AMOUNT_MAX : amount;
}

static struct nj_forecast_pod pod_of(const struct nj_cap_pod *pod)
{
    int64_t cpu = bounded(bounded(pod->cpu_request_millis) * 1000);
    int64_t memory = bounded(pod->memory_request_bytes);
    return (struct nj_forecast_pod){
        .namespace = pod->space->name,
        .name = pod->name,
        .cpu_micros = {cpu, pod->cpu_use_micros < 0 ? cpu : bounded(pod->cpu_use_micros)},
        .memory_bytes = {memory, pod->memory_use_bytes < 0 ? memory : bounded(pod->memory_use_bytes)},
        .priority = pod->priority,
        .placement = pod->placement == NULL ? 0 : pod->placement->slot,
    };
}

static void fill_node(struct nj_capacity *capacity, struct nj_cap_node *node)
{
    const struct nj_nodes_node *object = nj_cap_object(capacity, node->name);
    struct nj_forecast_node slot = {.data = node};
    if (object != NULL)
        slot = (struct nj_forecast_node){
            .cpu_micros = bounded(bounded(object->node->allocatable_cpu_millis) * 1000),
            .memory_bytes = bounded(object->node->allocatable_memory_bytes),
            .pods = object->node->allocatable_pods,
            .usable = object->ready && nj_cap_known(capacity, node),
            .data = node,
        };
    node->fixed = node->unchecked = 0;
    for (const struct nj_cap_pod *pod = node->pods; slot.usable && pod != NULL; pod = pod->next) {
        struct nj_forecast_pod of = pod_of(pod);
        for (int by = 0; pod->counted && by < NJ_FORECAST_BYS; by++) {
            slot.cpu_taken[by] += of.cpu_micros[by];
            slot.memory_taken[by] += of.memory_bytes[by];
        }
        slot.pods_taken += pod->counted;
    }
    nj_forecast_add_node(capacity->forecast, &slot);
    for (const struct nj_cap_pod *pod = node->pods; slot.usable && pod != NULL; pod = pod->next) {
        if (!pod->counted)
            continue;
        struct nj_forecast_pod of = pod_of(pod);
        if (!nj_cap_movable(pod))
            node->fixed++;
        else if (pod->placement == NULL || pod->placement->parsed == NULL)
            node->unchecked++;
        else
            nj_forecast_add_pod(capacity->forecast, &of);
    }
}

static void see_node(void *data, const struct nj_nodes_node *object)
{
    (void)nj_cap_node_get(data, object->name);
}

/* Forgets the pods of nodes that are silent, and nodes that are gone. */
static void expire(struct nj_capacity *capacity)
{
    int64_t now_ns = nj_loop_wall_ns(capacity->options.loop);
    struct nj_cap_node *node;
    struct nj_cap_node *next;
    HASH_ITER (hh, capacity->nodes, node, next) {
        bool gone = capacity->options.nodes == NULL ||
                    (nj_nodes_synced(capacity->options.nodes) && nj_cap_object(capacity, node->name) == NULL);
        bool silent =
            node->minute_ns == 0 || now_ns - node->minute_ns > capacity->options.silent_after_ns + NJ_MIN;
        if (!silent)
            continue;
        nj_cap_empty(capacity, node);
        node->cpu_use_micros = node->memory_use_bytes = -1;
        if (!gone)
            continue;
        if (node->told_ns != 0)
            tell_over(capacity, node, true);
        nj_cap_node_drop(capacity, node);
    }
}

struct readiness {
    struct nj_capacity *capacity;
    bool missing;
};

static void check_known(void *data, const struct nj_nodes_node *object)
{
    struct readiness *readiness = data;
    const struct nj_cap_node *node = nj_cap_node_find(readiness->capacity, object->name);
    readiness->missing |= object->ready && (node == NULL || node->complete_ns == 0);
}

/* In the first minutes the nodes come one by one: what is missing then is not away. */
static bool is_time(struct nj_capacity *capacity)
{
    struct readiness readiness = {.capacity = capacity};
    if (capacity->options.nodes == NULL || !nj_nodes_synced(capacity->options.nodes))
        return false;
    if (nj_loop_mono_ns(capacity->options.loop) - capacity->started_ns > capacity->options.silent_after_ns)
        return true;
    nj_nodes_each(capacity->options.nodes, check_known, &readiness);
    return !readiness.missing;
}

static int by_name(const void *a, const void *b)
{
    const struct nj_cap_node *const *left = a;
    const struct nj_cap_node *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static void begin(struct nj_capacity *capacity)
{
    const struct nj_forecast_options options = {.fit = fit, .on_outcome = on_outcome, .data = capacity};
    nj_nodes_each(capacity->options.nodes, see_node, capacity);
    capacity->snapshot_count = capacity->filled = 0;
    capacity->snapshot =
        nj_realloc(capacity->snapshot, HASH_COUNT(capacity->nodes) + 1, sizeof(struct nj_cap_node *));
    for (struct nj_cap_node *node = capacity->nodes; node != NULL; node = node->hh.next) {
        if (nj_cap_object(capacity, node->name) != NULL)
            capacity->snapshot[capacity->snapshot_count++] = node;
    }
    if (capacity->snapshot_count > 1)
        qsort(capacity->snapshot, capacity->snapshot_count, sizeof(struct nj_cap_node *), by_name);
    capacity->at_ns = nj_loop_wall_ns(capacity->options.loop);
    capacity->busy_ns = 0;
    capacity->begun = false;
    capacity->forecast = nj_forecast_new(&options);
}

static void finish(struct nj_capacity *capacity)
{
    capacity->summary = (struct nj_capacity_summary){
        .at_ns = capacity->at_ns,
        .nodes = (uint32_t)capacity->snapshot_count,
        .usable = (uint32_t)nj_forecast_usable(capacity->forecast),
    };
    nj_forecast_free(capacity->forecast);
    capacity->forecast = NULL;
    nj_cap_bury(capacity);
    nj_histogram_observe(capacity->seconds, (double)capacity->busy_ns / 1e9);
    judge(capacity);
}

/* Whether all is done. */
static bool work(struct nj_capacity *capacity, uint64_t until)
{
    while (capacity->filled < capacity->snapshot_count) {
        fill_node(capacity, capacity->snapshot[capacity->filled++]);
        if (uv_hrtime() >= until)
            return false;
    }
    if (!capacity->begun) {
        nj_forecast_begin(capacity->forecast, NJ_CAPACITY_PLACEMENTS_MAX);
        capacity->begun = true;
    }
    while (!nj_forecast_step(capacity->forecast)) {
        if (uv_hrtime() >= until)
            return false;
    }
    return true;
}

void nj_cap_tick(struct nj_timer *timer)
{
    struct nj_capacity *capacity = timer->data;
    uint64_t from = uv_hrtime();
    if (capacity->forecast == NULL) {
        expire(capacity);
        if (!is_time(capacity)) {
            nj_timer_start(timer, capacity->options.interval_ns, 0);
            return;
        }
        begin(capacity);
    }
    bool done = work(capacity, from + SLICE_NS);
    capacity->busy_ns += uv_hrtime() - from;
    if (done)
        finish(capacity);
    nj_timer_start(timer, done ? capacity->options.interval_ns : PAUSE_NS, 0);
}
