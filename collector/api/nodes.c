/*
 * Nodes and namespaces, what they hold and use, and the forecast of losing a node. All of it is known to the
 * loop: no query is made.
 */
#include <string.h>

#include "collector/api/internal.h"
#include "collector/capacity/capacity.h"
#include "common/base/str.h"

enum { MICROS = 1000000, SHARE_MAX = 1000 };

struct listing {
    struct nj_api_call *call;
    struct nj_buf last; /* the latest name */
};

static void remember(struct listing *listing, const char *name)
{
    nj_buf_clear(&listing->last);
    (void)nj_buf_append_str(&listing->last, name);
}

static void append_null(struct nj_buf *out, const char *name)
{
    nj_api_field_json(out, name, "");
}

static void append_known(struct nj_buf *out, const char *name, int64_t value)
{
    if (value < 0)
        append_null(out, name);
    else
        nj_api_field_int(out, name, value);
}

static int64_t millis(int64_t micros)
{
    return micros < 0 ? -1 : (micros + 500) / 1000;
}

static void append_share(struct nj_buf *out, const char *name, int64_t part, int64_t whole)
{
    if (whole <= 0 || part < 0)
        append_null(out, name);
    else
        nj_api_field_share(out, name, (uint64_t)part, (uint64_t)whole);
}

/* ---- parts of the answers */

static void append_sum(struct nj_buf *out, const struct nj_capacity_sum *sum)
{
    nj_api_field_int(out, "podsTotal", sum->pods);
    nj_api_field_int(out, "podsUnmeasured", sum->unmeasured);
    nj_api_field_int(out, "cpuRequestMillis", sum->cpu_request_millis);
    nj_api_field_int(out, "cpuLimitMillis", sum->cpu_limit_millis);
    nj_api_field_int(out, "cpuUseMillis", millis(sum->cpu_use_micros));
    nj_api_field_int(out, "cpuWasteMillis", millis(sum->cpu_waste_micros));
    nj_api_field_int(out, "memoryRequestBytes", sum->memory_request_bytes);
    nj_api_field_int(out, "memoryLimitBytes", sum->memory_limit_bytes);
    nj_api_field_int(out, "memoryUseBytes", sum->memory_use_bytes);
    nj_api_field_int(out, "memoryWasteBytes", sum->memory_waste_bytes);
}

static void append_names(struct nj_buf *out, const char *name, const char *const *names, size_t count)
{
    nj_api_array_begin(out, name);
    for (size_t i = 0; i < count; i++) /* of nodes or conditions: nothing to escape */
        (void)nj_buf_printf(out, "%s\"%s\"", i == 0 ? "" : ",", names[i]);
    nj_api_array_end(out);
}

static void append_object(struct nj_buf *out, const struct nj_nodes_node *node)
{
    if (node == NULL) {
        append_null(out, "ready");
        append_null(out, "unschedulable");
        append_null(out, "allocatable");
        nj_api_field(out, "kubeletVersion", "");
        nj_api_field_time(out, "createdAt", 0);
        return;
    }
    nj_api_field_bool(out, "ready", node->ready);
    nj_api_field_bool(out, "unschedulable", node->node->unschedulable);
    nj_api_object_field_begin(out, "allocatable");
    nj_api_field_int(out, "cpuMillis", node->node->allocatable_cpu_millis);
    nj_api_field_int(out, "memoryBytes", node->node->allocatable_memory_bytes);
    nj_api_field_int(out, "pods", node->node->allocatable_pods);
    nj_api_object_end(out);
    nj_api_field(out, "kubeletVersion", node->node->kubelet_version);
    nj_api_field_time(out, "createdAt", node->created_ns);
}

/* Overselling: what is promised and used beside what there is. */
static void append_shares(struct nj_buf *out, const struct nj_capacity_node_view *view)
{
    const struct nj_capacity_sum *sum = &view->sum;
    bool known = view->node != NULL && view->minute_ns != 0;
    int64_t cpu = known ? view->node->node->allocatable_cpu_millis : 0;
    int64_t memory = known ? view->node->node->allocatable_memory_bytes : 0;
    nj_api_object_field_begin(out, "ofAllocatable");
    append_share(out, "cpuRequest", sum->cpu_request_millis, cpu);
    append_share(out, "cpuLimit", sum->cpu_limit_millis, cpu);
    append_share(out, "cpuUse", sum->cpu_use_micros, cpu * 1000);
    append_share(out, "memoryRequest", sum->memory_request_bytes, memory);
    append_share(out, "memoryLimit", sum->memory_limit_bytes, memory);
    append_share(out, "memoryUse", sum->memory_use_bytes, memory);
    nj_api_object_end(out);
}

static void append_refusals(struct nj_buf *out, const char *name, const struct nj_capacity_loss *loss,
                            enum nj_forecast_by by)
{
    nj_api_array_begin(out, name);
    for (size_t i = 0; i < loss->refusals_count[by]; i++) {
        nj_api_object_begin(out);
        nj_api_field(out, "namespace", loss->refusals[by][i].namespace);
        nj_api_field(out, "pod", loss->refusals[by][i].pod);
        nj_api_field(out, "why", loss->refusals[by][i].why);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
}

static void append_way(struct nj_buf *out, const char *name, const struct nj_capacity_loss *loss,
                       enum nj_forecast_by by)
{
    nj_api_object_field_begin(out, name);
    nj_api_field_int(out, "unplaceable", loss->unplaceable[by]);
    append_refusals(out, "examples", loss, by);
    nj_api_object_end(out);
}

static void append_loss(struct nj_buf *out, const struct nj_capacity_loss *loss)
{
    nj_api_field_time(out, "forecastAt", loss->at_ns);
    nj_api_field_bool(out, "told", loss->told);
    nj_api_field_int(out, "podsMovable", loss->movable);
    nj_api_field_int(out, "podsFixed", loss->fixed);
    nj_api_field_int(out, "podsUnchecked", loss->unchecked);
    append_way(out, "byRequests", loss, NJ_FORECAST_REQUESTS);
    append_way(out, "byUse", loss, NJ_FORECAST_USE);
    if (*loss->next == '\0') {
        append_null(out, "next");
        append_null(out, "nextMemoryUse");
    } else {
        nj_api_field(out, "next", loss->next);
        append_share(out, "nextMemoryUse",
                     (int64_t)((loss->next_share < SHARE_MAX ? loss->next_share : SHARE_MAX) * MICROS),
                     MICROS);
    }
    append_names(out, "falling", loss->fallen, loss->fallen_count);
    nj_api_field_int(out, "fallingUnplaceable", loss->fallen_unplaceable);
}

static void append_node(struct nj_buf *out, const struct nj_capacity_node_view *view)
{
    nj_api_field(out, "name", view->name);
    append_object(out, view->node);
    append_names(out, "troubles", view->bad, view->bad_count);
    nj_api_field_time(out, "measuredAt", view->minute_ns);
    append_known(out, "nodeCpuUseMillis", millis(view->cpu_use_micros));
    append_known(out, "nodeMemoryUseBytes", view->memory_use_bytes);
    append_sum(out, &view->sum);
    append_shares(out, view);
    if (view->loss.at_ns == 0) {
        append_null(out, "loss");
        return;
    }
    nj_api_object_field_begin(out, "loss");
    append_loss(out, &view->loss);
    nj_api_object_end(out);
}

/* ---- lists */

static bool read_filter(struct nj_api_call *call, struct nj_capacity_filter *filter)
{
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    filter->after = nj_api_param(call, "cursor");
    if (!nj_api_param_int(call, "limit", 1, NJ_STORE_LIMIT_MAX, &limit))
        return false;
    filter->limit = (size_t)limit;
    return true;
}

static void answer(struct nj_api_call *call)
{
    if (call->body.overflowed)
        nj_api_problem(call, 400, "the answer is larger than %zu bytes: ask for less at once (limit)",
                       call->body.max);
    else
        nj_api_answer(call, 200, "application/json", nj_buf_str(&call->body), call->body.len);
}

static void end_list(struct listing *listing, bool more)
{
    struct nj_buf *out = &listing->call->body;
    nj_api_array_end(out);
    if (more)
        nj_api_field(out, "nextCursor", nj_buf_str(&listing->last));
    else
        append_null(out, "nextCursor");
    nj_api_object_end(out);
    nj_buf_done(&listing->last);
    answer(listing->call);
}

static void on_node(void *data, const struct nj_capacity_node_view *view)
{
    struct listing *listing = data;
    nj_api_object_begin(&listing->call->body);
    append_node(&listing->call->body, view);
    nj_api_object_end(&listing->call->body);
    remember(listing, view->name);
}

void nj_api_nodes(struct nj_api_call *call)
{
    struct nj_capacity *capacity = call->api->options.capacity;
    struct nj_capacity_filter filter = {0};
    struct listing listing = {.call = call};
    if (!read_filter(call, &filter))
        return;
    nj_api_list_begin(&call->body);
    end_list(&listing, capacity != NULL && nj_capacity_each_node(capacity, &filter, on_node, &listing));
}

static void on_namespace(void *data, const char *name, const struct nj_capacity_sum *sum)
{
    struct listing *listing = data;
    struct nj_buf *out = &listing->call->body;
    nj_api_object_begin(out);
    nj_api_field(out, "name", name);
    append_sum(out, sum);
    nj_api_object_field_begin(out, "ofRequest");
    append_share(out, "cpuLimit", sum->cpu_limit_millis, sum->cpu_request_millis);
    append_share(out, "cpuUse", sum->cpu_use_micros, sum->cpu_request_millis * 1000);
    append_share(out, "memoryLimit", sum->memory_limit_bytes, sum->memory_request_bytes);
    append_share(out, "memoryUse", sum->memory_use_bytes, sum->memory_request_bytes);
    nj_api_object_end(out);
    nj_api_object_end(out);
    remember(listing, name);
}

void nj_api_namespaces(struct nj_api_call *call)
{
    struct nj_capacity *capacity = call->api->options.capacity;
    struct nj_capacity_filter filter = {0};
    struct listing listing = {.call = call};
    if (!read_filter(call, &filter))
        return;
    nj_api_list_begin(&call->body);
    end_list(&listing,
             capacity != NULL && nj_capacity_each_namespace(capacity, &filter, on_namespace, &listing));
}

static void on_loss(void *data, const struct nj_capacity_node_view *view)
{
    struct listing *listing = data;
    struct nj_buf *out = &listing->call->body;
    remember(listing, view->name);
    if (view->loss.at_ns == 0) /* it is not ready, or its agent is silent */
        return;
    nj_api_object_begin(out);
    nj_api_field(out, "node", view->name);
    append_loss(out, &view->loss);
    nj_api_object_end(out);
}

void nj_api_forecast(struct nj_api_call *call)
{
    struct nj_capacity *capacity = call->api->options.capacity;
    struct nj_capacity_filter filter = {0};
    struct nj_capacity_summary summary = {0};
    struct listing listing = {.call = call};
    struct nj_buf *out = &call->body;
    if (!nj_api_param_bool(call, "critical", &filter.critical) || !read_filter(call, &filter))
        return;
    if (capacity != NULL)
        nj_capacity_summary(capacity, &summary);
    nj_api_object_begin(out);
    nj_api_field_time(out, "at", summary.at_ns);
    nj_api_field_int(out, "nodesTotal", summary.nodes);
    nj_api_field_int(out, "nodesUsable", summary.usable);
    nj_api_field_int(out, "nodesCritical", summary.critical);
    nj_api_array_begin(out, "notLookedAt");
    (void)nj_buf_append_str(out, "\"inter-pod affinity\",\"topology spread constraints\",\"volumes\","
                                 "\"host ports\",\"preemption\",\"extended resources\"");
    nj_api_array_end(out);
    nj_api_array_begin(out, "items");
    end_list(&listing, capacity != NULL && nj_capacity_each_node(capacity, &filter, on_loss, &listing));
}

/* ---- one node */

static void on_pod(void *data, const struct nj_capacity_pod_view *pod)
{
    struct nj_buf *out = data;
    nj_api_object_begin(out);
    nj_api_field(out, "namespace", pod->namespace);
    nj_api_field(out, "name", pod->name);
    nj_api_field(out, "uid", pod->uid);
    nj_api_field(out, "workloadKind", pod->workload_kind);
    nj_api_field(out, "workload", pod->workload);
    nj_api_field_int(out, "priority", pod->priority);
    nj_api_field_bool(out, "movable", pod->movable);
    nj_api_field_int(out, "cpuRequestMillis", pod->cpu_request_millis);
    nj_api_field_int(out, "cpuLimitMillis", pod->cpu_limit_millis);
    append_known(out, "cpuUseMillis", millis(pod->cpu_use_micros));
    nj_api_field_int(out, "memoryRequestBytes", pod->memory_request_bytes);
    nj_api_field_int(out, "memoryLimitBytes", pod->memory_limit_bytes);
    append_known(out, "memoryUseBytes", pod->memory_use_bytes);
    nj_api_object_end(out);
}

static void append_details(struct nj_buf *out, const struct nj_nodes_node *node)
{
    nj_api_array_begin(out, "conditions");
    for (size_t i = 0; node != NULL && i < node->node->conditions_count; i++) {
        const struct nj_pod_condition *condition = &node->node->conditions[i];
        nj_api_object_begin(out);
        nj_api_field(out, "type", condition->type);
        nj_api_field(out, "status", condition->status);
        nj_api_field(out, "reason", condition->reason);
        nj_api_field(out, "message", condition->message);
        nj_api_field_time(out, "sinceAt", condition->last_transition_ns);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
    nj_api_array_begin(out, "taints");
    for (size_t i = 0; node != NULL && i < node->node->taints_count; i++) {
        nj_api_object_begin(out);
        nj_api_field(out, "key", node->node->taints[i].key);
        nj_api_field(out, "value", node->node->taints[i].value);
        nj_api_field(out, "effect", node->node->taints[i].effect);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
}

static void on_found(void *data, const struct nj_capacity_node_view *view)
{
    struct nj_api_call *call = data;
    struct nj_buf *out = &call->body;
    nj_api_object_begin(out);
    append_node(out, view);
    append_details(out, view->node);
    nj_api_array_begin(out, "pods");
    nj_capacity_each_pod(call->api->options.capacity, view->name, on_pod, out);
    nj_api_array_end(out);
    nj_api_object_end(out);
}

void nj_api_node(struct nj_api_call *call)
{
    struct nj_capacity *capacity = call->api->options.capacity;
    const struct nj_capacity_filter filter = {.name = call->argument, .limit = 1};
    if (capacity != NULL)
        (void)nj_capacity_each_node(capacity, &filter, on_found, call);
    if (call->body.len == 0)
        nj_api_problem(call, 404, "there is no node '%s'", call->argument);
    else
        answer(call);
}
