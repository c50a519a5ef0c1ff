/* What goes on on purpose, told to those who decide what is held back: rollouts, scalings, deletions, drains,
 * maintenance. */
#include <utlist.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

static void drop_mark(struct nj_sla *sla, struct nj_sla_mark *mark)
{
    DL_DELETE(sla->marks, mark);
    sla->marks_count--;
    free((char *)mark->mark.namespace);
    free((char *)mark->mark.workload_kind);
    free((char *)mark->mark.workload);
    free(mark);
}

void nj_sla_mark(struct nj_sla *sla, enum nj_suppress_why why, const char *namespace,
                 const char *workload_kind, const char *workload, int64_t until_ns)
{
    if (until_ns <= nj_sla_time(sla))
        return;
    if (sla->marks_count >= NJ_SLA_MARKS_MAX) {
        nj_counter_add(sla->forgotten_marks, 1);
        drop_mark(sla, sla->marks);
    }
    struct nj_sla_mark *mark = NJ_NEW(struct nj_sla_mark);
    mark->mark = (struct nj_suppress_mark){.why = why,
                                           .namespace = nj_strdup(namespace),
                                           .workload_kind = nj_strdup(workload_kind),
                                           .workload = nj_strdup(workload),
                                           .until_ns = until_ns};
    DL_APPEND(sla->marks, mark);
    sla->marks_count++;
    sla->held_changed = true;
}

void nj_sla_marks_tick(struct nj_sla *sla)
{
    struct nj_sla_mark *mark = NULL, *next = NULL;
    int64_t now_ns = nj_sla_time(sla);
    if (sla->options.namespaces != NULL && nj_namespaces_going_changed(sla->options.namespaces, now_ns))
        sla->held_changed = true;
    DL_FOREACH_SAFE (sla->marks, mark, next) {
        if (mark->mark.until_ns > now_ns)
            continue;
        drop_mark(sla, mark);
        sla->held_changed = true;
    }
}

static size_t take_rollouts(const struct nj_sla *sla, struct nj_suppress_rollout *ret)
{
    size_t count = 0;
    for (const struct nj_sla_rollout *rollout = sla->running; rollout != NULL; rollout = rollout->hh.next) {
        struct nj_suppress_rollout own = {.namespace = rollout->namespace,
                                          .workload_kind = rollout->kind,
                                          .workload = rollout->workload,
                                          .template_hash = rollout->template_hash,
                                          .began_ns = rollout->began_ns,
                                          .ended_ns = rollout->ended_ns,
                                          .failed = rollout->told_ns > 0,
                                          .failed_ns = rollout->told_ns,
                                          .allowance_ns = rollout->allowance_ns,
                                          .deadline_ns = rollout->deadline_ns};
        if (!nj_sla_rollout_holds(sla, rollout))
            continue;
        ret[count++] = own;
        own.workload_kind = NJ_SUPPRESS_SERVICE;
        for (size_t i = 0; i < rollout->services_count; i++) {
            own.workload = rollout->services[i];
            ret[count++] = own;
        }
    }
    return count;
}

static size_t take_nodes(const struct nj_sla *sla, struct nj_suppress_node *ret)
{
    size_t count = 0;
    for (const struct nj_sla_node *node = sla->odd_nodes; node != NULL; node = node->hh.next) {
        if (node->cordoned)
            ret[count++] = (struct nj_suppress_node){node->name, node->drained_ns + NJ_SLA_DRAIN_NS};
    }
    return count;
}

/* Names that are borrowed. */
struct names {
    const char **items;
    size_t count;
};

static void take_name(void *data, const char *name)
{
    struct names *names = data;
    size_t count = names->count;
    if ((count & (count - 1)) == 0)
        names->items = nj_realloc(names->items, count == 0 ? 1 : 2 * count, sizeof(*names->items));
    names->items[names->count++] = name;
}

void nj_sla_publish(struct nj_sla *sla)
{
    if (!sla->held_changed || sla->options.suppress == NULL || !sla->ready)
        return;
    sla->held_changed = false;
    struct nj_suppress_rollout *rollouts =
        nj_calloc(HASH_COUNT(sla->running) + nj_sla_rollout_services_count(sla) + 1, sizeof(*rollouts));
    struct nj_suppress_mark *marks = nj_calloc(sla->marks_count + 1, sizeof(*marks));
    struct nj_suppress_node *nodes = nj_calloc(HASH_COUNT(sla->odd_nodes) + 1, sizeof(*nodes));
    size_t marks_count = 0, windows_count = 0;
    const struct nj_suppress_window *windows =
        nj_maintenance_windows(sla->maintenance, nj_sla_time(sla), &windows_count);
    struct names going = {0};
    if (sla->options.namespaces != NULL)
        nj_namespaces_each_going(sla->options.namespaces, take_name, &going);
    const struct nj_sla_mark *mark;
    DL_FOREACH (sla->marks, mark)
        marks[marks_count++] = mark->mark;
    const struct nj_suppress_snapshot snapshot = {.rollouts = rollouts,
                                                  .rollouts_count = take_rollouts(sla, rollouts),
                                                  .marks = marks,
                                                  .marks_count = marks_count,
                                                  .nodes = nodes,
                                                  .nodes_count = take_nodes(sla, nodes),
                                                  .namespaces = going.items,
                                                  .namespaces_count = going.count,
                                                  .windows = windows,
                                                  .windows_count = windows_count};
    nj_suppress_publish(sla->options.suppress, &snapshot);
    nj_gauge_set(sla->namespaces_gauge, (int64_t)going.count);
    free(rollouts);
    free(marks);
    free(nodes);
    free(going.items);
    if (sla->options.on_explained != NULL)
        sla->options.on_explained(sla->options.data);
}

void nj_sla_held_done(struct nj_sla *sla)
{
    while (sla->marks != NULL)
        drop_mark(sla, sla->marks);
}
