/* Nodes, and what a pod asks of one. */
#include <string.h>

#include "common/base/str.h"
#include "common/kube/decode_pb_internal.h"

static void fill_requirements(K8s__NodeSelectorRequirement **from, size_t count, bool of_field,
                              struct nj_node_requirement *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (struct nj_node_requirement){
            .key = nj_str(from[i]->key), .operator= nj_str(from[i]->operator_), .of_field = of_field};
        nj_pb_strings(from[i]->values, from[i]->n_values, &to[i].values, &to[i].values_count);
    }
}

static bool set_affinity(struct nj_pb_arena *allocator, const K8s__Affinity *pb, struct nj_pod_object *pod)
{
    const K8s__NodeAffinity *affinity = pb == NULL ? NULL : pb->nodeaffinity;
    const K8s__NodeSelector *required =
        affinity == NULL ? NULL : affinity->requiredduringschedulingignoredduringexecution;
    size_t count = required == NULL ? 0 : required->n_nodeselectorterms;
    struct nj_node_term *terms;
    if (!nj_pb_array(allocator, count, sizeof(*terms), &terms))
        return false;
    for (size_t i = 0; i < count; i++) {
        const K8s__NodeSelectorTerm *term = required->nodeselectorterms[i];
        struct nj_node_requirement *requirements;
        terms[i].count = term->n_matchexpressions + term->n_matchfields;
        if (!nj_pb_array(allocator, terms[i].count, sizeof(*requirements), &requirements))
            return false;
        if (requirements == NULL)
            continue;
        fill_requirements(term->matchexpressions, term->n_matchexpressions, false, requirements);
        fill_requirements(term->matchfields, term->n_matchfields, true,
                          &requirements[term->n_matchexpressions]);
        terms[i].requirements = requirements;
    }
    pod->node_affinity = terms;
    pod->node_affinity_count = count;
    return true;
}

/* The string that a field holds, terminated in place: moved over the byte before it, the end of its length.
 */
static const char *terminate(const struct nj_pb_field *field)
{
    char *text = (char *)field->data - 1; /* protobuf-c's copy, which is the arena's */
    memmove(text, field->data, field->len);
    text[field->len] = '\0';
    return text;
}

static bool read_toleration(const ProtobufCBinaryData *bytes, struct nj_toleration *toleration)
{
    enum { KEY = 1, OPERATOR = 2, VALUE = 3, EFFECT = 4 };
    struct nj_pb_reader reader = {.at = bytes->data};
    struct nj_pb_field field;
    int rc;
    *toleration = (struct nj_toleration){.key = "", .operator= "", .value = "", .effect = ""};
    if (bytes->len == 0) /* protobuf-c has NULL then */
        return true;
    reader.end = bytes->data + bytes->len;
    while ((rc = nj_pb_next(&reader, &field)) > 0) {
        const char **const texts[] = {[KEY] = &toleration->key,
                                      [OPERATOR] = &toleration->operator,
                                      [VALUE] = & toleration->value,
                                      [EFFECT] = &toleration->effect};
        if (field.wire == NJ_PB_BYTES && field.number >= KEY && field.number <= EFFECT)
            *texts[field.number] = terminate(&field);
    }
    return rc == 0;
}

static bool set_tolerations(struct nj_pb_arena *allocator, const K8s__PodSpec *pb, struct nj_pod_object *pod)
{
    struct nj_toleration *tolerations;
    if (!nj_pb_array(allocator, pb->n_tolerations, sizeof(*tolerations), &tolerations))
        return false;
    for (size_t i = 0; i < pb->n_tolerations; i++) {
        if (!read_toleration(&pb->tolerations[i], &tolerations[i]))
            return false;
    }
    pod->tolerations = tolerations;
    pod->tolerations_count = pb->n_tolerations;
    return true;
}

static const char *quantity_of(const K8s__QuantityEntry *entry)
{
    return nj_str(entry->value == NULL ? NULL : entry->value->string);
}

bool nj_pb_placement(struct nj_pb_arena *allocator, const K8s__PodSpec *pb, struct nj_pod_object *pod)
{
    pod->priority = pb->priority;
    for (size_t i = 0; i < pb->n_overhead; i++)
        nj_kube_set_overhead(pod, nj_str(pb->overhead[i]->key), quantity_of(pb->overhead[i]));
    return nj_pb_pairs(allocator, pb->nodeselector, pb->n_nodeselector, &pod->node_selector,
                       &pod->node_selector_count) &&
           set_affinity(allocator, pb->affinity, pod) && set_tolerations(allocator, pb, pod);
}

bool nj_pb_decode_node_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                            struct nj_kube_object *object)
{
    struct nj_node_object *node = &object->node;
    K8s__NodeSpec *pb = k8s__node_spec__unpack(&allocator->base, field->len, field->data);
    struct nj_taint *taints;
    if (pb == NULL || !nj_pb_array(allocator, pb->n_taints, sizeof(*taints), &taints))
        return false;
    for (size_t i = 0; i < pb->n_taints; i++)
        taints[i] = (struct nj_taint){.key = nj_str(pb->taints[i]->key),
                                      .value = nj_str(pb->taints[i]->value),
                                      .effect = nj_str(pb->taints[i]->effect)};
    node->taints = taints;
    node->taints_count = pb->n_taints;
    node->unschedulable = pb->unschedulable;
    return true;
}

bool nj_pb_decode_node_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                              struct nj_kube_object *object)
{
    struct nj_node_object *node = &object->node;
    K8s__NodeStatus *pb = k8s__node_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL || !nj_pb_conditions(allocator, pb->conditions, pb->n_conditions, &node->conditions,
                                        &node->conditions_count))
        return false;
    for (size_t i = 0; i < pb->n_capacity; i++)
        nj_kube_set_node_resource(node, NJ_KUBE_CAPACITY, nj_str(pb->capacity[i]->key),
                                  quantity_of(pb->capacity[i]));
    for (size_t i = 0; i < pb->n_allocatable; i++)
        nj_kube_set_node_resource(node, NJ_KUBE_ALLOCATABLE, nj_str(pb->allocatable[i]->key),
                                  quantity_of(pb->allocatable[i]));
    node->kubelet_version = nj_str(pb->nodeinfo == NULL ? NULL : pb->nodeinfo->kubeletversion);
    return true;
}
