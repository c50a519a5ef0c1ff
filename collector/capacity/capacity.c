#include "collector/capacity/capacity.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#include "collector/capacity/capacity_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

/* ---- sums */

static void add_to(struct nj_capacity_sum *sum, const struct nj_cap_pod *pod, int sign)
{
    int64_t cpu_waste = pod->cpu_request_millis * 1000 - pod->cpu_use_micros;
    int64_t memory_waste = pod->memory_request_bytes - pod->memory_use_bytes;
    sum->pods += (uint32_t)sign;
    sum->cpu_request_millis += sign * pod->cpu_request_millis;
    sum->cpu_limit_millis += sign * pod->cpu_limit_millis;
    sum->memory_request_bytes += sign * pod->memory_request_bytes;
    sum->memory_limit_bytes += sign * pod->memory_limit_bytes;
    if (pod->cpu_use_micros < 0 || pod->memory_use_bytes < 0)
        sum->unmeasured += (uint32_t)sign;
    if (pod->cpu_use_micros >= 0) {
        sum->cpu_use_micros += sign * pod->cpu_use_micros;
        sum->cpu_waste_micros += sign * (cpu_waste > 0 ? cpu_waste : 0);
    }
    if (pod->memory_use_bytes >= 0) {
        sum->memory_use_bytes += sign * pod->memory_use_bytes;
        sum->memory_waste_bytes += sign * (memory_waste > 0 ? memory_waste : 0);
    }
}

void nj_cap_uncount(struct nj_cap_pod *pod)
{
    if (!pod->counted)
        return;
    pod->counted = false;
    add_to(&pod->node->sum, pod, -1);
    add_to(&pod->space->sum, pod, -1);
}

void nj_cap_count(struct nj_cap_pod *pod)
{
    if (pod->counted || pod->listed_ns == 0)
        return;
    pod->counted = true;
    add_to(&pod->node->sum, pod, 1);
    add_to(&pod->space->sum, pod, 1);
}

/* ---- placements */

static void release_placement(struct nj_capacity *capacity, struct nj_cap_placement *placement)
{
    if (placement == NULL || --placement->refs > 0)
        return;
    capacity->slots[placement->slot] = NULL;
    NJ_TABLE_REMOVE(capacity->placements, placement);
    nj_placement_free(placement->parsed);
    free(placement->text);
    free(placement);
}

static struct nj_cap_placement *get_placement(struct nj_capacity *capacity, const char *text)
{
    struct nj_cap_placement *placement = NULL;
    HASH_FIND_STR(capacity->placements, text, placement);
    if (placement != NULL)
        return placement;
    uint32_t slot = 0;
    while (slot < NJ_CAPACITY_PLACEMENTS_MAX && capacity->slots[slot] != NULL)
        slot++;
    if (slot == NJ_CAPACITY_PLACEMENTS_MAX) {
        nj_counter_add(capacity->placements_ignored, 1);
        return NULL;
    }
    placement = NJ_NEW(struct nj_cap_placement);
    placement->text = nj_strdup(text);
    placement->parsed = nj_placement_parse(text);
    placement->slot = slot;
    if (placement->parsed == NULL)
        nj_counter_add(capacity->placements_ignored, 1);
    capacity->slots[slot] = placement;
    HASH_ADD_KEYPTR(hh, capacity->placements, placement->text, strlen(placement->text), placement);
    return placement;
}

void nj_cap_place(struct nj_capacity *capacity, struct nj_cap_pod *pod, const char *text)
{
    if (!nj_cap_movable(pod)) /* those of DaemonSets have one each */
        return;
    if (pod->placement != NULL && nj_streq(pod->placement->text, text))
        return;
    struct nj_cap_placement *placement = get_placement(capacity, text);
    if (placement != NULL)
        placement->refs++;
    release_placement(capacity, pod->placement);
    pod->placement = placement;
}

/* ---- pods */

bool nj_cap_movable(const struct nj_cap_pod *pod)
{
    return !nj_streq(pod->workload_kind, "DaemonSet") && !nj_streq(pod->workload_kind, "Pod") &&
           !nj_streq(pod->workload_kind, "Node") && !nj_streq(pod->workload_kind, "");
}

struct nj_cap_pod *nj_cap_pod_find(const struct nj_capacity *capacity, const char *uid)
{
    struct nj_cap_pod *pod = NULL;
    HASH_FIND_STR(capacity->pods, uid, pod);
    return pod;
}

static struct nj_cap_space *get_space(struct nj_capacity *capacity, const char *name)
{
    struct nj_cap_space *space = NULL;
    HASH_FIND_STR(capacity->spaces, name, space);
    if (space == NULL) {
        space = NJ_NEW(struct nj_cap_space);
        space->name = nj_strdup(name);
        HASH_ADD_KEYPTR(hh, capacity->spaces, space->name, strlen(space->name), space);
        capacity->spaces_unsorted = true;
    }
    space->refs++;
    return space;
}

static void release_space(struct nj_capacity *capacity, struct nj_cap_space *space)
{
    if (--space->refs > 0)
        return;
    NJ_TABLE_REMOVE(capacity->spaces, space);
    free(space->name);
    free(space);
}

struct nj_cap_pod *nj_cap_pod_add(struct nj_capacity *capacity, struct nj_cap_node *node, const char *uid,
                                  const char *namespace, const char *name)
{
    if (HASH_COUNT(capacity->pods) >= capacity->options.max_pods) {
        nj_counter_add(capacity->pods_ignored, 1);
        return NULL;
    }
    struct nj_cap_pod *pod = NJ_NEW(struct nj_cap_pod);
    pod->uid = nj_strdup(uid);
    pod->name = nj_strdup(name);
    pod->workload_kind = nj_strdup("");
    pod->workload = nj_strdup("");
    pod->space = get_space(capacity, namespace);
    pod->node = node;
    pod->cpu_use_micros = pod->memory_use_bytes = -1;
    nj_cap_use_init(&pod->use);
    HASH_ADD_KEYPTR(hh, capacity->pods, pod->uid, strlen(pod->uid), pod);
    DL_APPEND(node->pods, pod);
    nj_gauge_set(capacity->pods_gauge, HASH_COUNT(capacity->pods));
    return pod;
}

static void free_pod(struct nj_capacity *capacity, struct nj_cap_pod *pod)
{
    release_placement(capacity, pod->placement);
    release_space(capacity, pod->space);
    free(pod->uid);
    free(pod->name);
    free(pod->workload_kind);
    free(pod->workload);
    free(pod);
}

void nj_cap_pod_drop(struct nj_capacity *capacity, struct nj_cap_pod *pod)
{
    nj_cap_uncount(pod);
    NJ_TABLE_REMOVE(capacity->pods, pod);
    /* A list's only member is its own end. */
    assert(pod->next != NULL || pod->prev == pod || pod->node->pods != pod);
    DL_DELETE(pod->node->pods, pod);
    assert(pod->node->pods != pod);
    nj_gauge_set(capacity->pods_gauge, HASH_COUNT(capacity->pods));
    if (capacity->forecast != NULL)
        LL_PREPEND(capacity->graveyard, pod);
    else
        free_pod(capacity, pod);
}

void nj_cap_bury(struct nj_capacity *capacity)
{
    for (struct nj_cap_pod *pod; (pod = capacity->graveyard) != NULL;) {
        capacity->graveyard = pod->next;
        free_pod(capacity, pod);
    }
}

/* ---- nodes */

struct nj_cap_node *nj_cap_node_find(const struct nj_capacity *capacity, const char *name)
{
    struct nj_cap_node *node = NULL;
    HASH_FIND_STR(capacity->nodes, name, node);
    return node;
}

struct nj_cap_node *nj_cap_node_get(struct nj_capacity *capacity, const char *name)
{
    struct nj_cap_node *node = nj_cap_node_find(capacity, name);
    if (node != NULL)
        return node;
    if (HASH_COUNT(capacity->nodes) >= capacity->options.max_nodes || !nj_kube_is_name(name)) {
        nj_counter_add(capacity->nodes_ignored, 1);
        return NULL;
    }
    node = NJ_NEW(struct nj_cap_node);
    node->name = nj_strdup(name);
    node->cpu_use_micros = node->memory_use_bytes = -1;
    nj_cap_use_init(&node->use);
    nj_arena_init(&node->arena, 64 << 10);
    node->arena.block_bytes = 1024;
    HASH_ADD_KEYPTR(hh, capacity->nodes, node->name, strlen(node->name), node);
    capacity->nodes_unsorted = true;
    return node;
}

void nj_cap_empty(struct nj_capacity *capacity, struct nj_cap_node *node)
{
    for (struct nj_cap_pod *pod = node->pods; pod != NULL;) {
        struct nj_cap_pod *next = pod->next;
        nj_cap_pod_drop(capacity, pod);
        pod = next;
    }
}

void nj_cap_node_drop(struct nj_capacity *capacity, struct nj_cap_node *node)
{
    nj_cap_empty(capacity, node);
    NJ_TABLE_REMOVE(capacity->nodes, node);
    nj_arena_done(&node->arena);
    free(node->name);
    free(node);
}

bool nj_cap_known(const struct nj_capacity *capacity, const struct nj_cap_node *node)
{
    return node->complete_ns != 0 && nj_loop_wall_ns(capacity->options.loop) - node->minute_ns <=
                                         capacity->options.silent_after_ns + NJ_MIN; /* until its end */
}

const struct nj_nodes_node *nj_cap_object(const struct nj_capacity *capacity, const char *name)
{
    return capacity->options.nodes == NULL ? NULL : nj_nodes_find(capacity->options.nodes, name);
}

/* ---- life */

static void create_metrics(struct nj_capacity *capacity)
{
    static const double bounds[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10};
    struct nj_metrics *metrics = capacity->options.metrics;
    if (metrics == NULL)
        return;
    capacity->pods_gauge = nj_metrics_gauge(metrics, "nightjar_capacity_pods", "",
                                            "Pods whose requests and use are known, of all nodes.");
    capacity->critical =
        nj_metrics_gauge(metrics, "nightjar_capacity_critical_nodes", "",
                         "Nodes whose loss would leave pods without a node, or fell another node.");
    capacity->pods_ignored = nj_metrics_counter(metrics, "nightjar_capacity_pods_ignored_total", "",
                                                "Times that a pod was left out because of the bound.");
    capacity->nodes_ignored = nj_metrics_counter(metrics, "nightjar_capacity_nodes_ignored_total", "",
                                                 "Times that a node was left out because of the bound.");
    capacity->placements_ignored =
        nj_metrics_counter(metrics, "nightjar_capacity_placements_ignored_total", "",
                           "Times that where a pod may go was not looked at: too many ways, or unreadable.");
    capacity->minutes_ignored = nj_metrics_counter(
        metrics, "nightjar_capacity_usage_ignored_total", "",
        "Minutes of use that were left out: of the future, or in more parts than a node can have.");
    capacity->seconds = nj_metrics_histogram(metrics, "nightjar_capacity_forecast_seconds", "",
                                             "Time that a forecast took of the loop, its slices together.",
                                             bounds, (int)(sizeof(bounds) / sizeof(bounds[0])));
}

struct nj_capacity *nj_capacity_new(const struct nj_capacity_options *options)
{
    struct nj_capacity *capacity = NJ_NEW(struct nj_capacity);
    capacity->options = *options;
    capacity->started_ns = nj_loop_mono_ns(options->loop);
    create_metrics(capacity);
    nj_timer_init(&capacity->timer, options->loop, nj_cap_tick, capacity);
    nj_timer_start(&capacity->timer, options->interval_ns, 0);
    return capacity;
}

void nj_capacity_remember(struct nj_capacity *capacity, const char *name, int64_t since_ns)
{
    struct nj_cap_node *node = nj_cap_node_get(capacity, name);
    if (node != NULL)
        node->told_ns = since_ns == 0 ? 1 : since_ns;
}

void nj_capacity_stop(struct nj_capacity *capacity)
{
    if (capacity != NULL)
        nj_timer_stop(&capacity->timer);
}

void nj_capacity_free(struct nj_capacity *capacity)
{
    if (capacity == NULL)
        return;
    nj_forecast_free(capacity->forecast);
    capacity->forecast = NULL;
    nj_cap_bury(capacity);
    for (struct nj_cap_node *node; (node = capacity->nodes) != NULL;)
        nj_cap_node_drop(capacity, node);
    free(capacity->snapshot);
    free(capacity);
}
