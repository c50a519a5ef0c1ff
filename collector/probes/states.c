#include "collector/probes/states.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

struct nj_states {
    struct nj_states_of *monitors;
    size_t count;
    struct nj_counter *ignored;
    /* While they are loaded: */
    int64_t last_rowid;
    size_t page;
};

struct nj_states *nj_states_new(struct nj_metrics *metrics)
{
    struct nj_states *states = NJ_NEW(struct nj_states);
    if (metrics != NULL)
        states->ignored = nj_metrics_counter(metrics, "nightjar_probe_states_ignored_total", "",
                                             "Targets whose state is not kept because of the bound.");
    return states;
}

static void free_state(struct nj_state *state)
{
    free(state->target);
    free(state->target_name);
    free(state->address);
    free(state);
}

static void remove_state(struct nj_states *states, struct nj_states_of *monitor, struct nj_state *state)
{
    monitor->counts[state->state]--;
    NJ_TABLE_REMOVE(monitor->targets, state);
    free_state(state);
    states->count--;
}

static void remove_monitor(struct nj_states *states, struct nj_states_of *monitor)
{
    NJ_TABLE_REMOVE(states->monitors, monitor);
    free(monitor->monitor);
    free(monitor->namespace);
    free(monitor->service);
    free(monitor);
}

void nj_states_free(struct nj_states *states)
{
    if (states == NULL)
        return;
    for (struct nj_states_of *monitor; (monitor = states->monitors) != NULL;) {
        while (monitor->targets != NULL)
            remove_state(states, monitor, monitor->targets);
        remove_monitor(states, monitor);
    }
    free(states);
}

static struct nj_states_of *find_monitor(const struct nj_states *states, const char *id)
{
    struct nj_states_of *monitor = NULL;
    HASH_FIND_STR(states->monitors, id, monitor);
    return monitor;
}

static struct nj_state *find_state(const struct nj_states_of *monitor, const char *target)
{
    struct nj_state *state = NULL;
    HASH_FIND_STR(monitor->targets, target, state);
    return state;
}

static struct nj_states_of *get_monitor(struct nj_states *states, const struct nj_store_target *target)
{
    struct nj_states_of *monitor = find_monitor(states, target->key.monitor);
    if (monitor != NULL)
        return monitor;
    monitor = NJ_NEW(struct nj_states_of);
    monitor->monitor = nj_strdup(target->key.monitor);
    monitor->namespace = nj_strdup(nj_str(target->namespace));
    monitor->service = nj_strdup(nj_str(target->service));
    if (nj_monitor_source_parse(target->source, &monitor->source) < 0)
        monitor->source = NJ_SOURCE_MONITOR;
    HASH_ADD_KEYPTR(hh, states->monitors, monitor->monitor, strlen(monitor->monitor), monitor);
    return monitor;
}

static void add_state(struct nj_states *states, struct nj_states_of *monitor,
                      const struct nj_store_target *target, enum nj_check_state kind)
{
    struct nj_state *state = NJ_NEW(struct nj_state);
    state->target = nj_strdup(target->key.target);
    state->target_name = nj_strdup(nj_str(target->target_name));
    state->address = nj_strdup(nj_str(target->address));
    state->state = kind;
    state->since_ns = target->since_ns;
    HASH_ADD_KEYPTR(hh, monitor->targets, state->target, strlen(state->target), state);
    monitor->counts[kind]++;
    states->count++;
}

bool nj_states_put(struct nj_states *states, const struct nj_store_target *target)
{
    enum nj_check_state kind;
    struct nj_states_of *monitor = find_monitor(states, target->key.monitor);
    struct nj_state *state = monitor == NULL ? NULL : find_state(monitor, target->key.target);
    if (nj_check_state_parse(target->state, &kind) < 0)
        return false;
    if (kind == NJ_CHECK_GONE) {
        if (state == NULL)
            return false;
        remove_state(states, monitor, state);
        if (monitor->targets == NULL)
            remove_monitor(states, monitor);
        return true;
    }
    if (state == NULL) {
        if (states->count >= NJ_STATES_MAX) {
            nj_counter_add(states->ignored, 1);
            return false;
        }
        monitor = get_monitor(states, target);
        add_state(states, monitor, target, kind);
    } else {
        if (state->state == kind && state->since_ns == target->since_ns)
            return false;
        monitor->counts[state->state]--;
        monitor->counts[kind]++;
        state->state = kind;
        state->since_ns = target->since_ns;
    }
    if (target->since_ns > monitor->changed_ns)
        monitor->changed_ns = target->since_ns;
    return true;
}

static int on_target(void *data, int64_t rowid, const struct nj_store_target *target)
{
    struct nj_states *states = data;
    (void)nj_states_put(states, target);
    states->last_rowid = rowid;
    states->page++;
    return 0;
}

int nj_states_load(struct nj_states *states, struct nj_store *store, const char *cluster, struct nj_err *err)
{
    struct nj_target_filter filter = {.cluster = cluster, .limit = NJ_STORE_LIMIT_MAX};
    do {
        states->page = 0;
        int rc = store->ops->each_target(store, &filter, on_target, states, err);
        if (rc < 0)
            return rc;
        filter.after_rowid = states->last_rowid;
    } while (states->page == NJ_STORE_LIMIT_MAX);
    return 0;
}

const struct nj_states_of *nj_states_of(const struct nj_states *states, const char *monitor)
{
    return find_monitor(states, monitor);
}

const struct nj_state *nj_states_find(const struct nj_states *states, const char *monitor, const char *target)
{
    const struct nj_states_of *of = find_monitor(states, monitor);
    return of == NULL ? NULL : find_state(of, target);
}

void nj_states_each(const struct nj_states *states,
                    void (*each)(void *data, const struct nj_states_of *monitor), void *data)
{
    for (const struct nj_states_of *monitor = states->monitors; monitor != NULL; monitor = monitor->hh.next)
        each(data, monitor);
}
