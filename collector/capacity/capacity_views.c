/*
 * What REST and /metrics show.
 */
#include <string.h>

#include "collector/capacity/capacity_internal.h"
#include "common/base/str.h"

static int by_node_name(const struct nj_cap_node *a, const struct nj_cap_node *b)
{
    return strcmp(a->name, b->name);
}

static int by_space_name(const struct nj_cap_space *a, const struct nj_cap_space *b)
{
    return strcmp(a->name, b->name);
}

static bool is_wanted(const struct nj_capacity_filter *filter, const char *name)
{
    return (filter->name == NULL || nj_streq(filter->name, name)) &&
           (filter->after == NULL || strcmp(name, filter->after) > 0);
}

static void see_node(void *data, const struct nj_nodes_node *object)
{
    (void)nj_cap_node_get(data, object->name);
}

static struct nj_capacity_node_view view_of(const struct nj_capacity *capacity,
                                            const struct nj_cap_node *node)
{
    struct nj_capacity_node_view view = {.name = node->name,
                                         .node = nj_cap_object(capacity, node->name),
                                         .minute_ns = node->minute_ns,
                                         .cpu_use_micros = node->cpu_use_micros,
                                         .memory_use_bytes = node->memory_use_bytes,
                                         .sum = node->sum,
                                         .loss = node->loss};
    view.bad_count = view.node == NULL ? 0 : nj_nodes_bad(view.node, view.bad);
    view.loss.told = node->told_ns != 0;
    if (view.loss.next == NULL)
        view.loss.next = "";
    if (node->loss.at_ns < capacity->summary.at_ns) /* it was not usable in the latest */
        view.loss = (struct nj_capacity_loss){.next = "", .told = view.loss.told};
    return view;
}

static bool is_critical(const struct nj_capacity_loss *loss)
{
    return loss->unplaceable[NJ_FORECAST_REQUESTS] > 0 || loss->fallen_count > 0;
}

bool nj_capacity_each_node(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                           void (*each)(void *data, const struct nj_capacity_node_view *node), void *data)
{
    size_t given = 0;
    if (capacity->options.nodes != NULL)
        nj_nodes_each(capacity->options.nodes, see_node, capacity);
    if (capacity->nodes_unsorted)
        HASH_SORT(capacity->nodes, by_node_name);
    capacity->nodes_unsorted = false;
    for (const struct nj_cap_node *node = capacity->nodes; node != NULL; node = node->hh.next) {
        if (!is_wanted(filter, node->name) ||
            (node->minute_ns == 0 && nj_cap_object(capacity, node->name) == NULL)) /* only remembered */
            continue;
        struct nj_capacity_node_view view = view_of(capacity, node);
        if (filter->critical && !is_critical(&view.loss))
            continue;
        if (given++ == filter->limit)
            return true;
        each(data, &view);
    }
    return false;
}

bool nj_capacity_each_namespace(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                                void (*each)(void *data, const char *name, const struct nj_capacity_sum *sum),
                                void *data)
{
    size_t given = 0;
    if (capacity->spaces_unsorted)
        HASH_SORT(capacity->spaces, by_space_name);
    capacity->spaces_unsorted = false;
    for (const struct nj_cap_space *space = capacity->spaces; space != NULL; space = space->hh.next) {
        if (!is_wanted(filter, space->name) || space->sum.pods == 0)
            continue;
        if (given++ == filter->limit)
            return true;
        each(data, space->name, &space->sum);
    }
    return false;
}

void nj_capacity_each_pod(struct nj_capacity *capacity, const char *name,
                          void (*each)(void *data, const struct nj_capacity_pod_view *pod), void *data)
{
    const struct nj_cap_node *node = nj_cap_node_find(capacity, name);
    for (const struct nj_cap_pod *pod = node == NULL ? NULL : node->pods; pod != NULL; pod = pod->next) {
        const struct nj_capacity_pod_view view = {.namespace = pod->space->name,
                                                  .name = pod->name,
                                                  .uid = pod->uid,
                                                  .workload_kind = pod->workload_kind,
                                                  .workload = pod->workload,
                                                  .cpu_request_millis = pod->cpu_request_millis,
                                                  .cpu_limit_millis = pod->cpu_limit_millis,
                                                  .memory_request_bytes = pod->memory_request_bytes,
                                                  .memory_limit_bytes = pod->memory_limit_bytes,
                                                  .cpu_use_micros = pod->cpu_use_micros,
                                                  .memory_use_bytes = pod->memory_use_bytes,
                                                  .priority = pod->priority,
                                                  .movable = nj_cap_movable(pod)};
        if (pod->counted)
            each(data, &view);
    }
}

void nj_capacity_summary(const struct nj_capacity *capacity, struct nj_capacity_summary *ret_summary)
{
    *ret_summary = capacity->summary;
}

struct series {
    struct nj_buf *out;
};

static void append_series(void *data, const struct nj_capacity_node_view *node)
{
    static const char *const bys[NJ_FORECAST_BYS] = {"requests", "use"};
    struct nj_buf *out = ((struct series *)data)->out;
    if (node->loss.at_ns == 0)
        return;
    for (int by = 0; by < NJ_FORECAST_BYS; by++) /* a node's name is a DNS subdomain: nothing to escape */
        (void)nj_buf_printf(out, "nightjar_node_loss_unplaceable_pods{node=\"%s\",by=\"%s\"} %u\n",
                            node->name, bys[by], node->loss.unplaceable[by]);
}

int nj_capacity_exposition(struct nj_capacity *capacity, struct nj_buf *out)
{
    const struct nj_capacity_filter filter = {.limit = NJ_CAPACITY_SERIES_MAX};
    struct series series = {.out = out};
    (void)nj_buf_append_str(out, "# HELP nightjar_node_loss_unplaceable_pods Pods that would find no other "
                                 "node if this one were lost.\n"
                                 "# TYPE nightjar_node_loss_unplaceable_pods gauge\n");
    (void)nj_capacity_each_node(capacity, &filter, append_series, &series);
    return nj_buf_check(out);
}
