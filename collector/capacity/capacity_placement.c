#include "collector/capacity/capacity_placement.h"

#include <json-c/json.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "common/base/str.h"

enum { DEPTH_MAX = 16, ARENA_MAX = 256 << 10, ARENA_BLOCK = 1024 };

static const char UNSCHEDULABLE[] = "node.kubernetes.io/unschedulable";
static const char NODE_NAME[] = "metadata.name";

struct nj_placement {
    struct nj_arena arena;
    const struct nj_kube_pair *selector;
    size_t selector_count;
    const struct nj_node_term *terms;
    size_t terms_count;
    const struct nj_toleration *tolerations;
    size_t tolerations_count;
};

/* ---- parsing */

struct reader {
    struct nj_arena *arena;
    bool failed; /* something is of another type than it should be, or too large */
};

static struct json_object *member(struct reader *reader, struct json_object *object, const char *name,
                                  enum json_type type)
{
    struct json_object *value = NULL;
    if (!json_object_is_type(object, json_type_object)) {
        reader->failed = true;
        return NULL;
    }
    (void)json_object_object_get_ex(object, name, &value);
    if (value != NULL && !json_object_is_type(value, type)) {
        reader->failed = true;
        return NULL;
    }
    return value;
}

static const char *copy(struct reader *reader, const char *text)
{
    if (*text == '\0')
        return "";
    const char *copied = nj_arena_strndup(reader->arena, text, strlen(text));
    reader->failed |= copied == NULL;
    return nj_str(copied);
}

static const char *string(struct reader *reader, struct json_object *value)
{
    if (value != NULL && !json_object_is_type(value, json_type_string)) {
        reader->failed = true;
        return "";
    }
    return value == NULL ? "" : copy(reader, json_object_get_string(value));
}

static const char *string_of(struct reader *reader, struct json_object *object, const char *name)
{
    return string(reader, member(reader, object, name, json_type_string));
}

/* As many zeroed items as the array has; *ret_count is 0 for none. */
static void *items(struct reader *reader, struct json_object *array, size_t size, size_t *ret_count)
{
    size_t count = array == NULL ? 0 : json_object_array_length(array);
    void *memory = count == 0 ? NULL : nj_arena_zalloc(reader->arena, count, size);
    reader->failed |= count > 0 && memory == NULL;
    *ret_count = memory == NULL ? 0 : count;
    return memory;
}

static void read_selector(struct reader *reader, struct json_object *object, struct nj_placement *placement)
{
    size_t count = object == NULL ? 0 : (size_t)json_object_object_length(object);
    struct nj_kube_pair *pairs = count == 0 ? NULL : nj_arena_zalloc(reader->arena, count, sizeof(*pairs));
    reader->failed |= count > 0 && pairs == NULL;
    if (pairs == NULL)
        return;
    size_t i = 0;
    json_object_object_foreach(object, key, value)
    {
        pairs[i++] = (struct nj_kube_pair){copy(reader, key), string(reader, value)};
    }
    placement->selector = pairs;
    placement->selector_count = count;
}

static void read_requirement(struct reader *reader, struct json_object *object, bool of_field,
                             struct nj_node_requirement *requirement)
{
    struct json_object *values = member(reader, object, "values", json_type_array);
    *requirement = (struct nj_node_requirement){.key = string_of(reader, object, "key"),
                                                .operator= string_of(reader, object, "operator"),
                                                .of_field = of_field};
    const char **texts = items(reader, values, sizeof(*texts), &requirement->values_count);
    for (size_t i = 0; i < requirement->values_count; i++)
        texts[i] = string(reader, json_object_array_get_idx(values, i));
    requirement->values = texts;
}

static void read_term(struct reader *reader, struct json_object *object, struct nj_node_term *term)
{
    struct json_object *labels = member(reader, object, "matchExpressions", json_type_array);
    struct json_object *fields = member(reader, object, "matchFields", json_type_array);
    size_t labels_count = labels == NULL ? 0 : json_object_array_length(labels);
    size_t count = labels_count + (fields == NULL ? 0 : json_object_array_length(fields));
    struct nj_node_requirement *requirements =
        count == 0 ? NULL : nj_arena_zalloc(reader->arena, count, sizeof(*requirements));
    reader->failed |= count > 0 && requirements == NULL;
    if (requirements == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        bool of_field = i >= labels_count;
        read_requirement(reader,
                         of_field ? json_object_array_get_idx(fields, i - labels_count)
                                  : json_object_array_get_idx(labels, i),
                         of_field, &requirements[i]);
    }
    *term = (struct nj_node_term){.requirements = requirements, .count = count};
}

static void read_all(struct reader *reader, struct json_object *object, struct nj_placement *placement)
{
    struct json_object *affinity = member(reader, object, "affinity", json_type_array);
    struct json_object *tolerated = member(reader, object, "tolerations", json_type_array);
    read_selector(reader, member(reader, object, "nodeSelector", json_type_object), placement);
    struct nj_node_term *terms = items(reader, affinity, sizeof(*terms), &placement->terms_count);
    for (size_t i = 0; i < placement->terms_count; i++)
        read_term(reader, json_object_array_get_idx(affinity, i), &terms[i]);
    placement->terms = terms;
    struct nj_toleration *tolerations =
        items(reader, tolerated, sizeof(*tolerations), &placement->tolerations_count);
    for (size_t i = 0; i < placement->tolerations_count; i++) {
        struct json_object *item = json_object_array_get_idx(tolerated, i);
        tolerations[i] = (struct nj_toleration){.key = string_of(reader, item, "key"),
                                                .operator= string_of(reader, item, "operator"),
                                                .value = string_of(reader, item, "value"),
                                                .effect = string_of(reader, item, "effect")};
    }
    placement->tolerations = tolerations;
}

struct nj_placement *nj_placement_parse(const char *json)
{
    struct nj_placement *placement = NJ_NEW(struct nj_placement);
    nj_arena_init(&placement->arena, ARENA_MAX);
    placement->arena.block_bytes = ARENA_BLOCK;
    if (*json == '\0')
        return placement;
    struct reader reader = {.arena = &placement->arena};
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    size_t len = strlen(json);
    if (tokener == NULL)
        nj_out_of_memory();
    struct json_object *object =
        len < INT32_MAX ? json_tokener_parse_ex(tokener, json, (int)len + 1) : NULL; /* its terminator too */
    reader.failed = json_tokener_get_error(tokener) != json_tokener_success || object == NULL;
    json_tokener_free(tokener);
    if (!reader.failed)
        read_all(&reader, object, placement);
    (void)json_object_put(object);
    if (!reader.failed)
        return placement;
    nj_placement_free(placement);
    return NULL;
}

void nj_placement_free(struct nj_placement *placement)
{
    if (placement == NULL)
        return;
    nj_arena_done(&placement->arena);
    free(placement);
}

/* ---- the filters */

static bool tolerates(const struct nj_placement *placement, const char *key, const char *value,
                      const char *effect)
{
    for (size_t i = 0; i < placement->tolerations_count; i++) {
        const struct nj_toleration *toleration = &placement->tolerations[i];
        if (*toleration->effect != '\0' && !nj_streq(toleration->effect, effect))
            continue;
        if (*toleration->key != '\0' && !nj_streq(toleration->key, key))
            continue;
        if (nj_streq(toleration->operator, "Exists"))
            return true;
        bool equal = *toleration->operator== '\0' || nj_streq(toleration->operator, "Equal");
        if (equal && *toleration->key != '\0' && nj_streq(toleration->value, value))
            return true;
    }
    return false;
}

static bool has_untolerated_taint(const struct nj_placement *placement, const struct nj_node_object *node)
{
    for (size_t i = 0; i < node->taints_count; i++) {
        const struct nj_taint *taint = &node->taints[i];
        if (!nj_streq(taint->effect, "NoSchedule") && !nj_streq(taint->effect, "NoExecute"))
            continue;
        if (!tolerates(placement, taint->key, taint->value, taint->effect))
            return true;
    }
    return false;
}

/* The labels are sorted. NULL: the node does not have it. */
static const char *label(const struct nj_nodes_node *node, const char *key)
{
    size_t from = 0;
    size_t to = node->labels_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(node->labels[middle].key, key);
        if (order == 0)
            return node->labels[middle].value;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static bool is_among(const struct nj_node_requirement *requirement, const char *value)
{
    for (size_t i = 0; i < requirement->values_count; i++) {
        if (nj_streq(requirement->values[i], value))
            return true;
    }
    return false;
}

static bool compares(const struct nj_node_requirement *requirement, const char *value, bool greater)
{
    int64_t have;
    int64_t bound;
    if (value == NULL || requirement->values_count != 1 ||
        nj_parse_int(value, INT64_MIN, INT64_MAX, &have) < 0 ||
        nj_parse_int(requirement->values[0], INT64_MIN, INT64_MAX, &bound) < 0)
        return false;
    return greater ? have > bound : have < bound;
}

static bool holds(const struct nj_node_requirement *requirement, const struct nj_nodes_node *node)
{
    const char *value;
    if (requirement->of_field) {
        if (!nj_streq(requirement->key, NODE_NAME)) /* the only field there is */
            return false;
        value = node->name;
    } else {
        value = label(node, requirement->key);
    }
    if (nj_streq(requirement->operator, "In"))
        return value != NULL && is_among(requirement, value);
    if (nj_streq(requirement->operator, "NotIn"))
        return value == NULL || !is_among(requirement, value);
    if (requirement->of_field)
        return false;
    if (nj_streq(requirement->operator, "Exists"))
        return value != NULL;
    if (nj_streq(requirement->operator, "DoesNotExist"))
        return value == NULL;
    if (nj_streq(requirement->operator, "Gt"))
        return compares(requirement, value, true);
    return nj_streq(requirement->operator, "Lt") && compares(requirement, value, false);
}

/* A term without requirements matches nothing. */
static bool term_holds(const struct nj_node_term *term, const struct nj_nodes_node *node)
{
    for (size_t i = 0; i < term->count; i++) {
        if (!holds(&term->requirements[i], node))
            return false;
    }
    return term->count > 0;
}

static bool is_wanted(const struct nj_placement *placement, const struct nj_nodes_node *node)
{
    for (size_t i = 0; i < placement->selector_count; i++) {
        const char *value = label(node, placement->selector[i].key);
        if (value == NULL || !nj_streq(value, placement->selector[i].value))
            return false;
    }
    for (size_t i = 0; i < placement->terms_count; i++) {
        if (term_holds(&placement->terms[i], node))
            return true;
    }
    return placement->terms_count == 0;
}

enum nj_fit nj_placement_fit(const struct nj_placement *placement, const struct nj_nodes_node *node)
{
    if (node->node->unschedulable && !tolerates(placement, UNSCHEDULABLE, "", "NoSchedule"))
        return NJ_FIT_UNSCHEDULABLE;
    if (has_untolerated_taint(placement, node->node))
        return NJ_FIT_TAINT;
    return is_wanted(placement, node) ? NJ_FIT_OK : NJ_FIT_AFFINITY;
}
