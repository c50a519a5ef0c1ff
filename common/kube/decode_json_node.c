/* Nodes, and what a pod asks of one. */
#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"

static size_t read_requirements(struct nj_json_reader *reader, struct json_object *array, bool of_field,
                                struct nj_node_requirement *to)
{
    size_t count = nj_json_len(array);
    for (size_t i = 0; i < count; i++) {
        struct json_object *requirement = json_object_array_get_idx(array, i);
        to[i] = (struct nj_node_requirement){.key = nj_json_string(reader, requirement, "key"),
                                             .operator= nj_json_string(reader, requirement, "operator"),
                                             .of_field = of_field};
        nj_json_strings(reader, nj_json_get(requirement, "values"), &to[i].values, &to[i].values_count);
    }
    return count;
}

static void read_affinity(struct nj_json_reader *reader, struct json_object *affinity,
                          struct nj_pod_object *pod)
{
    struct json_object *required =
        nj_json_get(nj_json_get(affinity, "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution");
    struct json_object *array = nj_json_get(required, "nodeSelectorTerms");
    size_t count = nj_json_len(array);
    struct nj_node_term *terms = nj_json_array(reader, count, sizeof(*terms));
    if (terms == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *term = json_object_array_get_idx(array, i);
        struct json_object *labels = nj_json_get(term, "matchExpressions");
        struct json_object *fields = nj_json_get(term, "matchFields");
        size_t total = nj_json_len(labels) + nj_json_len(fields);
        struct nj_node_requirement *requirements = nj_json_array(reader, total, sizeof(*requirements));
        if (requirements == NULL)
            continue;
        size_t first = read_requirements(reader, labels, false, requirements);
        (void)read_requirements(reader, fields, true, &requirements[first]);
        terms[i] = (struct nj_node_term){.requirements = requirements, .count = total};
    }
    pod->node_affinity = terms;
    pod->node_affinity_count = count;
}

static bool read_toleration(struct nj_json_reader *reader, const struct nj_json_member *text,
                            struct nj_toleration *toleration)
{
    struct nj_json_skim skim;
    struct nj_json_member member;
    int rc = 0;
    *toleration = (struct nj_toleration){.key = "", .operator= "", .value = "", .effect = ""};
    if (nj_json_skim_open(&skim, text->value, text->value_len) < 0)
        return true; /* no object reads as an empty one */
    while ((rc = nj_json_skim_next(&skim, &member)) > 0) {
        if (nj_json_member_is(&member, "key"))
            toleration->key = nj_json_unquote(reader, &member);
        else if (nj_json_member_is(&member, "operator"))
            toleration->operator= nj_json_unquote(reader, &member);
        else if (nj_json_member_is(&member, "value"))
            toleration->value = nj_json_unquote(reader, &member);
        else if (nj_json_member_is(&member, "effect"))
            toleration->effect = nj_json_unquote(reader, &member);
    }
    return rc == 0;
}

bool nj_json_read_tolerations(struct nj_json_reader *reader, const struct nj_json_member *array,
                              struct nj_pod_object *pod)
{
    struct nj_json_skim skim, counting;
    struct nj_json_member element;
    size_t count = 0;
    int rc;
    if (array->value == NULL || nj_json_skim_open_array(&skim, array->value, array->value_len) < 0)
        return true;
    counting = skim;
    while ((rc = nj_json_skim_next_element(&counting, &element)) > 0)
        count++;
    struct nj_toleration *tolerations = rc < 0 ? NULL : nj_json_array(reader, count, sizeof(*tolerations));
    if (tolerations == NULL)
        return rc == 0;
    for (size_t i = 0; i < count && nj_json_skim_next_element(&skim, &element) > 0; i++) {
        if (!read_toleration(reader, &element, &tolerations[i]))
            return false;
    }
    pod->tolerations = tolerations;
    pod->tolerations_count = count;
    return true;
}

static void read_overhead(struct json_object *quantities, struct nj_pod_object *pod)
{
    if (!json_object_is_type(quantities, json_type_object))
        return;
    json_object_object_foreach(quantities, name, quantity)
    {
        nj_kube_set_overhead(pod, name, nj_str(json_object_get_string(quantity)));
    }
}

void nj_json_placement(struct nj_json_reader *reader, struct json_object *spec, struct nj_pod_object *pod)
{
    pod->priority = nj_json_int32(spec, "priority");
    read_overhead(nj_json_get(spec, "overhead"), pod);
    nj_json_pairs(reader, nj_json_get(spec, "nodeSelector"), &pod->node_selector, &pod->node_selector_count);
    read_affinity(reader, nj_json_get(spec, "affinity"), pod);
}

void nj_json_read_node_spec(struct nj_json_reader *reader, struct json_object *json,
                            struct nj_kube_object *object)
{
    struct json_object *array = nj_json_get(json, "taints");
    size_t count = nj_json_len(array);
    struct nj_taint *taints = nj_json_array(reader, count, sizeof(*taints));
    object->node.unschedulable = nj_json_bool(json, "unschedulable", false);
    if (taints == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *taint = json_object_array_get_idx(array, i);
        taints[i] = (struct nj_taint){.key = nj_json_string(reader, taint, "key"),
                                      .value = nj_json_string(reader, taint, "value"),
                                      .effect = nj_json_string(reader, taint, "effect")};
    }
    object->node.taints = taints;
    object->node.taints_count = count;
}

static void read_quantities(struct nj_node_object *node, enum nj_kube_node_resource which,
                            struct json_object *quantities)
{
    if (!json_object_is_type(quantities, json_type_object))
        return;
    json_object_object_foreach(quantities, name, quantity)
    {
        nj_kube_set_node_resource(node, which, name, nj_str(json_object_get_string(quantity)));
    }
}

void nj_json_read_node_status(struct nj_json_reader *reader, struct json_object *json,
                              struct nj_kube_object *object)
{
    struct nj_node_object *node = &object->node;
    read_quantities(node, NJ_KUBE_CAPACITY, nj_json_get(json, "capacity"));
    read_quantities(node, NJ_KUBE_ALLOCATABLE, nj_json_get(json, "allocatable"));
    nj_json_conditions(reader, nj_json_get(json, "conditions"), &node->conditions, &node->conditions_count);
    node->kubelet_version = nj_json_string(reader, nj_json_get(json, "nodeInfo"), "kubeletVersion");
}
