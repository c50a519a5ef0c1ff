/*
 * The registry of monitors, and how a namespace's part of it is brought in step with the model.
 */
#include <string.h>
#include <utlist.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

struct nj_monitor *nj_probes_find(struct nj_probes *probes, const char *id)
{
    struct nj_monitor *monitor = NULL;
    HASH_FIND_STR(probes->monitors, id, monitor);
    return monitor;
}

static void add(struct nj_probes *probes, struct nj_monitor *monitor)
{
    HASH_ADD_KEYPTR(hh, probes->monitors, monitor->id, strlen(monitor->id), monitor);
    probes->unsorted = true;
    nj_gauge_set(probes->monitors_gauge, HASH_COUNT(probes->monitors));
}

static void count(const struct nj_probes *probes, const char *id, struct nj_status_counts *ret_counts)
{
    const struct nj_states_of *states = nj_states_of(probes->states, id);
    *ret_counts = (struct nj_status_counts){0};
    if (states == NULL)
        return;
    *ret_counts = (struct nj_status_counts){
        .targets = HASH_COUNT(states->targets),
        .passing = states->counts[NJ_CHECK_PASSING],
        .failing = states->counts[NJ_CHECK_FAILING] + states->counts[NJ_CHECK_FLAPPING],
        .starting = states->counts[NJ_CHECK_STARTING],
        .changed_ns = states->changed_ns,
    };
}

void nj_probes_write_status(struct nj_probes *probes, const struct nj_monitor *monitor)
{
    struct nj_status_counts counts;
    if (monitor->source != NJ_SOURCE_MONITOR || probes->statuses == NULL || probes->stopped)
        return;
    count(probes, monitor->id, &counts);
    nj_statuses_put(probes->statuses, monitor, &counts);
}

/* Known by nothing but what agents say of its targets: workloads' metrics pages, nodes' components. */
void nj_probes_know_by_targets(struct nj_probes *probes, const char *id)
{
    const struct nj_states_of *states = nj_states_of(probes->states, id);
    if (states == NULL || nj_probes_find(probes, id) != NULL ||
        (states->source != NJ_SOURCE_METRICS && states->source != NJ_SOURCE_BUILTIN))
        return;
    size_t prefix = strlen("builtin.");
    if (states->source == NJ_SOURCE_METRICS)
        prefix = strlen("metrics..") + strlen(states->namespace);
    const char *name = strlen(id) > prefix ? id + prefix : id;
    struct nj_monitor *monitor = nj_monitor_new(states->source, id, states->namespace, name);
    free(monitor->service);
    monitor->service = nj_strdup(states->service);
    free(monitor->description);
    monitor->description =
        states->source == NJ_SOURCE_METRICS ? nj_asprintf("metrics of %s", name) : nj_strdup(name);
    add(probes, monitor);
}

void nj_probes_put(struct nj_probes *probes, struct nj_probes_space *space, struct nj_monitor *monitor)
{
    struct nj_monitor *old = nj_probes_find(probes, monitor->id);
    if (old != NULL) {
        NJ_TABLE_REMOVE(probes->monitors, old);
        if (space != NULL)
            DL_DELETE(space->monitors, old);
    }
    add(probes, monitor);
    if (space != NULL)
        DL_APPEND(space->monitors, monitor);
    nj_central_apply(probes, monitor, old);
    nj_monitor_free(old);
    nj_probes_write_status(probes, monitor);
}

void nj_probes_take_out(struct nj_probes *probes, struct nj_monitor *monitor)
{
    NJ_CLEANUP_FREE char *id = nj_strdup(monitor->id);
    NJ_TABLE_REMOVE(probes->monitors, monitor);
    nj_central_stop(probes, monitor);
    if (monitor->source == NJ_SOURCE_MONITOR && probes->statuses != NULL)
        nj_statuses_remove(probes->statuses, id);
    nj_monitor_free(monitor);
    nj_probes_know_by_targets(probes, id);
    nj_gauge_set(probes->monitors_gauge, HASH_COUNT(probes->monitors));
}

/* --- a namespace */

struct gathering {
    struct nj_probes *probes;
    struct nj_monitor *made;
    size_t customs, count;
    bool derive, pending;
};

static void append(struct gathering *gathering, struct nj_monitor *monitor)
{
    if (monitor == NULL)
        return;
    if (gathering->count >= NJ_MONITORS_MAX) {
        nj_counter_add(gathering->probes->monitors_left_out, 1);
        nj_monitor_free(monitor);
        return;
    }
    gathering->pending |= monitor->pending;
    gathering->count++;
    DL_APPEND(gathering->made, monitor);
}

static void on_custom(void *data, const struct nj_model_monitor *custom)
{
    struct gathering *gathering = data;
    struct nj_probes *probes = gathering->probes;
    NJ_CLEANUP_FREE char *id = nj_asprintf("apimonitor.%s.%s", custom->namespace, custom->name);
    const struct nj_monitor *old = nj_probes_find(probes, id);
    if (old != NULL && old->generation != custom->generation)
        nj_secrets_refresh(probes->secrets, custom->namespace);
    if (old == NULL && probes->statuses != NULL)
        nj_statuses_recall(probes->statuses, custom);
    append(gathering, nj_monitor_of_custom(&probes->context, custom));
}

static bool is_replaced(const struct gathering *gathering, enum nj_target_kind kind, const char *name)
{
    const struct nj_monitor *monitor = gathering->made;
    /* ApiMonitors come first, and there are few of them. */
    for (size_t i = 0; i < gathering->customs; i++, monitor = monitor->next) {
        if (nj_monitor_replaces(monitor, kind, name))
            return true;
    }
    return false;
}

static void on_service(void *data, const struct nj_model_service *service)
{
    struct gathering *gathering = data;
    if (!is_replaced(gathering, NJ_TARGET_SERVICE, service->name))
        append(gathering, nj_monitor_of_service(&gathering->probes->context, service, gathering->derive));
}

static void on_ingress(void *data, const struct nj_model_ingress *ingress)
{
    struct gathering *gathering = data;
    if (!is_replaced(gathering, NJ_TARGET_INGRESS, ingress->name))
        append(gathering, nj_monitor_of_ingress(&gathering->probes->context, ingress, gathering->derive));
}

static struct nj_probes_space *get_space(struct nj_probes *probes, const char *name)
{
    struct nj_probes_space *space = NULL;
    HASH_FIND_STR(probes->spaces, name, space);
    if (space != NULL)
        return space;
    space = NJ_NEW(struct nj_probes_space);
    space->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, probes->spaces, space->name, strlen(space->name), space);
    return space;
}

static void free_space(struct nj_probes *probes, struct nj_probes_space *space)
{
    NJ_TABLE_REMOVE(probes->spaces, space);
    free(space->name);
    free(space);
}

/* What the namespace's agents are to do. */
static void make_plan(struct nj_probes *probes, const struct nj_probes_space *space, bool derive)
{
    const struct nj_monitor *monitor;
    size_t monitors = 0;
    size_t pairs_count = 0;
    size_t checks_count = 0;
    DL_FOREACH (space->monitors, monitor) {
        monitors++;
        pairs_count += monitor->plan_selector_count + monitor->secrets_count;
    }
    struct nj_plan_check *checks = nj_calloc(monitors + 1, sizeof(*checks));
    struct nj_plan_pair *pairs = nj_calloc(pairs_count + 1, sizeof(*pairs));
    struct nj_plan_pair *at = pairs;
    DL_FOREACH (space->monitors, monitor) {
        if (!nj_monitor_plan(monitor, at, &checks[checks_count]))
            continue;
        checks_count++;
        at += monitor->plan_selector_count + monitor->secrets_count;
    }
    const struct nj_plan_namespace plan = {
        .name = space->name, .derive = derive, .checks = checks, .checks_count = checks_count};
    nj_plans_put(probes->plans, &plan);
    free(checks);
    free(pairs);
}

static void put_made(struct nj_probes *probes, struct nj_probes_space *space, struct nj_monitor *made)
{
    struct nj_monitor *monitor;
    struct nj_monitor *next;
    DL_FOREACH (space->monitors, monitor)
        monitor->stale = true;
    while ((monitor = made) != NULL) {
        DL_DELETE(made, monitor);
        nj_probes_put(probes, space, monitor);
    }
    DL_FOREACH_SAFE (space->monitors, monitor, next) {
        if (!monitor->stale)
            continue;
        DL_DELETE(space->monitors, monitor);
        nj_probes_take_out(probes, monitor);
    }
}

void nj_probes_rebuild(struct nj_probes *probes, const char *namespace)
{
    struct gathering gathering = {.probes = probes,
                                  .derive = probes->config->probes.derive &&
                                            !nj_namespaces_probe_off(probes->options.namespaces, namespace)};
    if (probes->stopped)
        return;
    nj_secrets_begin(probes->secrets, namespace);
    nj_model_each_monitor(probes->model, namespace, on_custom, &gathering);
    gathering.customs = gathering.count;
    nj_model_each_service(probes->model, namespace, on_service, &gathering);
    nj_model_each_ingress(probes->model, namespace, on_ingress, &gathering);
    nj_tests_want_secrets(probes, namespace);
    nj_secrets_sweep(probes->secrets, namespace);
    struct nj_probes_space *space = get_space(probes, namespace);
    put_made(probes, space, gathering.made);
    /* While a Secret is read, agents go on with what they have. */
    if (!gathering.pending || !nj_plans_has(probes->plans, namespace))
        make_plan(probes, space, gathering.derive);
    if (space->monitors == NULL)
        free_space(probes, space);
}

static void rebuild_namespace(void *data, const char *namespace)
{
    nj_probes_rebuild(data, namespace);
}

void nj_probes_rebuild_all(struct nj_probes *probes)
{
    nj_model_each_namespace(probes->model, rebuild_namespace, probes);
    nj_builtin_update(probes);
}

void nj_probes_free_registry(struct nj_probes *probes)
{
    for (struct nj_monitor *monitor; (monitor = probes->monitors) != NULL;) {
        NJ_TABLE_REMOVE(probes->monitors, monitor);
        nj_monitor_free(monitor);
    }
    while (probes->spaces != NULL)
        free_space(probes, probes->spaces);
}
