#include "agent/inspect/pod_needs.h"

#include <string.h>

#include "common/base/str.h"

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static struct nj_pod_needs sum(struct nj_pod_needs a, struct nj_pod_needs b)
{
    return (struct nj_pod_needs){.cpu_millis = add(a.cpu_millis, b.cpu_millis),
                                 .memory_bytes = add(a.memory_bytes, b.memory_bytes)};
}

static struct nj_pod_needs larger(struct nj_pod_needs a, struct nj_pod_needs b)
{
    return (struct nj_pod_needs){.cpu_millis = a.cpu_millis > b.cpu_millis ? a.cpu_millis : b.cpu_millis,
                                 .memory_bytes =
                                     a.memory_bytes > b.memory_bytes ? a.memory_bytes : b.memory_bytes};
}

struct nj_pod_needs nj_pod_needs(const struct nj_pod_object *pod)
{
    struct nj_pod_needs together = {0};
    struct nj_pod_needs sidecars = {0};
    struct nj_pod_needs starting = {0};
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_spec *container = &pod->containers[i];
        struct nj_pod_needs own = {.cpu_millis = container->cpu_request_millis,
                                   .memory_bytes = container->memory_request_bytes};
        if (container->type == NJ_CONTAINER_APP || container->type == NJ_CONTAINER_SIDECAR)
            together = sum(together, own);
        if (container->type == NJ_CONTAINER_SIDECAR)
            sidecars = sum(sidecars, own);
        if (container->type == NJ_CONTAINER_INIT)
            starting = larger(starting, sum(sidecars, own));
    }
    struct nj_pod_needs overhead = {.cpu_millis = pod->overhead_cpu_millis,
                                    .memory_bytes = pod->overhead_memory_bytes};
    return sum(larger(together, starting), overhead);
}

static void append_string(struct nj_buf *out, const char *text)
{
    (void)nj_json_append_string(out, text, strlen(text));
}

static void append_member(struct nj_buf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    if (out->data[out->len - 1] != '{')
        (void)nj_buf_append_char(out, ',');
    append_string(out, name);
    (void)nj_buf_append_char(out, ':');
    append_string(out, value);
}

static void append_selector(struct nj_buf *out, const struct nj_pod_object *pod)
{
    (void)nj_buf_append_str(out, "\"nodeSelector\":{");
    for (size_t i = 0; i < pod->node_selector_count; i++) {
        (void)nj_buf_append_str(out, i == 0 ? "" : ",");
        append_string(out, pod->node_selector[i].key);
        (void)nj_buf_append_char(out, ':');
        append_string(out, pod->node_selector[i].value);
    }
    (void)nj_buf_append_char(out, '}');
}

static void append_requirement(struct nj_buf *out, const struct nj_node_requirement *requirement)
{
    (void)nj_buf_append_str(out, "{\"key\":");
    append_string(out, requirement->key);
    (void)nj_buf_append_str(out, ",\"operator\":");
    append_string(out, requirement->operator);
    if (requirement->values_count > 0)
        (void)nj_buf_append_str(out, ",\"values\":");
    for (size_t i = 0; i < requirement->values_count; i++) {
        (void)nj_buf_append_char(out, i == 0 ? '[' : ',');
        append_string(out, requirement->values[i]);
    }
    (void)nj_buf_append_str(out, requirement->values_count > 0 ? "]}" : "}");
}

static void append_requirements(struct nj_buf *out, const struct nj_node_term *term, bool of_field,
                                const char *name)
{
    bool any = false;
    for (size_t i = 0; i < term->count; i++) {
        if (term->requirements[i].of_field != of_field)
            continue;
        (void)nj_buf_printf(out, any ? "," : "\"%s\":[", name);
        append_requirement(out, &term->requirements[i]);
        any = true;
    }
    if (any)
        (void)nj_buf_append_char(out, ']');
}

static bool has_both(const struct nj_node_term *term)
{
    bool seen[2] = {false, false};
    for (size_t i = 0; i < term->count; i++)
        seen[term->requirements[i].of_field] = true;
    return seen[false] && seen[true];
}

static void append_affinity(struct nj_buf *out, const struct nj_pod_object *pod)
{
    (void)nj_buf_append_str(out, "\"affinity\":[");
    for (size_t i = 0; i < pod->node_affinity_count; i++) {
        const struct nj_node_term *term = &pod->node_affinity[i];
        (void)nj_buf_append_str(out, i == 0 ? "{" : ",{");
        append_requirements(out, term, false, "matchExpressions");
        if (has_both(term))
            (void)nj_buf_append_char(out, ',');
        append_requirements(out, term, true, "matchFields");
        (void)nj_buf_append_char(out, '}');
    }
    (void)nj_buf_append_char(out, ']');
}

static void append_tolerations(struct nj_buf *out, const struct nj_pod_object *pod)
{
    (void)nj_buf_append_str(out, "\"tolerations\":[");
    for (size_t i = 0; i < pod->tolerations_count; i++) {
        const struct nj_toleration *toleration = &pod->tolerations[i];
        (void)nj_buf_append_str(out, i == 0 ? "{" : ",{");
        if (nj_buf_check(out) < 0)
            return; /* what follows looks at what was written */
        append_member(out, "key", toleration->key);
        append_member(out, "operator", toleration->operator);
        append_member(out, "value", toleration->value);
        append_member(out, "effect", toleration->effect);
        (void)nj_buf_append_char(out, '}');
    }
    (void)nj_buf_append_char(out, ']');
}

int nj_pod_placement(const struct nj_pod_object *pod, struct nj_buf *out)
{
    char separator = '{';
    if (pod->node_selector_count > 0) {
        (void)nj_buf_append_char(out, separator);
        append_selector(out, pod);
        separator = ',';
    }
    if (pod->node_affinity_count > 0) {
        (void)nj_buf_append_char(out, separator);
        append_affinity(out, pod);
        separator = ',';
    }
    if (pod->tolerations_count > 0) {
        (void)nj_buf_append_char(out, separator);
        append_tolerations(out, pod);
        separator = ',';
    }
    if (separator == ',')
        (void)nj_buf_append_char(out, '}');
    return nj_buf_check(out);
}
