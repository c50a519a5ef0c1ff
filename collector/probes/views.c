/*
 * Monitors as REST shows them.
 */
#include <string.h>

#include "collector/probes/probes_internal.h"
#include "common/base/str.h"

static int by_id(const struct nj_monitor *a, const struct nj_monitor *b)
{
    return strcmp(a->id, b->id);
}

static const char *scope_of(const struct nj_monitor *monitor)
{
    if (monitor->source == NJ_SOURCE_METRICS)
        return nj_scope_name(NJ_SCOPE_PODS);
    if (monitor->source == NJ_SOURCE_BUILTIN || monitor->spec == NULL)
        return "";
    return nj_scope_name(monitor->spec->scope);
}

static const char *trouble_of(const struct nj_monitor *monitor)
{
    if (*monitor->trouble_text != '\0')
        return monitor->trouble_text;
    if (monitor->suspended)
        return "suspended";
    return monitor->pending ? "a Secret is being read" : "";
}

static bool is_wanted(const struct nj_monitor *monitor, const struct nj_monitor_filter *filter)
{
    if (filter->namespace != NULL && !nj_streq(filter->namespace, monitor->namespace))
        return false;
    if (filter->service != NULL && !nj_streq(filter->service, monitor->service))
        return false;
    if (filter->source != NULL && !nj_streq(filter->source, nj_monitor_source_name(monitor->source)))
        return false;
    if (filter->id != NULL && !nj_streq(filter->id, monitor->id))
        return false;
    return filter->after == NULL || strcmp(monitor->id, filter->after) > 0;
}

static void fill_counts(const struct nj_probes *probes, struct nj_monitor_view *view)
{
    const struct nj_states_of *states = nj_states_of(probes->states, view->id);
    if (states == NULL)
        return;
    view->targets = HASH_COUNT(states->targets);
    view->failing = states->counts[NJ_CHECK_FAILING] + states->counts[NJ_CHECK_FLAPPING];
    view->starting = states->counts[NJ_CHECK_STARTING];
}

bool nj_probes_each_monitor(struct nj_probes *probes, const struct nj_monitor_filter *filter,
                            void (*each)(void *data, const struct nj_monitor_view *monitor), void *data)
{
    size_t given = 0;
    if (probes->unsorted)
        HASH_SORT(probes->monitors, by_id);
    probes->unsorted = false;
    for (const struct nj_monitor *monitor = probes->monitors; monitor != NULL; monitor = monitor->hh.next) {
        if (!is_wanted(monitor, filter))
            continue;
        struct nj_monitor_view view = {.id = monitor->id,
                                       .source = monitor->source,
                                       .namespace = monitor->namespace,
                                       .name = monitor->name,
                                       .service = monitor->service,
                                       .target = monitor->description,
                                       .scope = scope_of(monitor),
                                       .spec = monitor->json,
                                       .trouble = trouble_of(monitor),
                                       .suspended = monitor->suspended};
        fill_counts(probes, &view);
        if (filter->failing && view.failing == 0)
            continue;
        if (given == filter->limit)
            return true;
        given++;
        each(data, &view);
    }
    return false;
}
