/* A Node's copy, in an arena of its own. */
#include <string.h>

#include "collector/cluster/nodes_internal.h"
#include "common/base/str.h"

enum { COPY_MAX = 256 << 10, COPY_BLOCK = 1024, MESSAGE_MAX = 1024 };

struct copier {
    struct nj_arena *arena;
    bool failed;
};

static const char *text(struct copier *copier, const char *from, size_t max)
{
    size_t len = strlen(nj_str(from));
    if (len == 0)
        return "";
    const char *copy = nj_arena_strndup(copier->arena, from, nj_utf8_cut(from, len, max));
    copier->failed |= copy == NULL;
    return nj_str(copy);
}

static void *array(struct copier *copier, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = nj_arena_zalloc(copier->arena, count, size);
    copier->failed |= copy == NULL;
    return copy;
}

static void copy_labels(struct copier *copier, const struct nj_kube_meta *meta, struct nj_nodes_node *view)
{
    struct nj_kube_pair *labels = array(copier, meta->labels_count, sizeof(*labels));
    for (size_t i = 0; labels != NULL && i < meta->labels_count; i++)
        labels[i] = (struct nj_kube_pair){text(copier, meta->labels[i].key, SIZE_MAX),
                                          text(copier, meta->labels[i].value, SIZE_MAX)};
    view->labels = labels;
    view->labels_count = labels == NULL ? 0 : meta->labels_count;
}

static void copy_taints(struct copier *copier, const struct nj_node_object *from, struct nj_node_object *to)
{
    struct nj_taint *taints = array(copier, from->taints_count, sizeof(*taints));
    for (size_t i = 0; taints != NULL && i < from->taints_count; i++)
        taints[i] = (struct nj_taint){text(copier, from->taints[i].key, SIZE_MAX),
                                      text(copier, from->taints[i].value, SIZE_MAX),
                                      text(copier, from->taints[i].effect, SIZE_MAX)};
    to->taints = taints;
    to->taints_count = taints == NULL ? 0 : from->taints_count;
}

static void copy_conditions(struct copier *copier, const struct nj_node_object *from,
                            struct nj_node_object *to)
{
    struct nj_pod_condition *conditions = array(copier, from->conditions_count, sizeof(*conditions));
    for (size_t i = 0; conditions != NULL && i < from->conditions_count; i++)
        conditions[i] = (struct nj_pod_condition){
            .type = text(copier, from->conditions[i].type, SIZE_MAX),
            .status = text(copier, from->conditions[i].status, SIZE_MAX),
            .reason = text(copier, from->conditions[i].reason, MESSAGE_MAX),
            .message = text(copier, from->conditions[i].message, MESSAGE_MAX),
            .last_transition_ns = from->conditions[i].last_transition_ns,
        };
    to->conditions = conditions;
    to->conditions_count = conditions == NULL ? 0 : from->conditions_count;
}

bool nj_nodes_copy(const struct nj_kube_object *object, struct nj_arena *ret_arena,
                   struct nj_nodes_node *ret_view)
{
    struct nj_arena arena;
    nj_arena_init(&arena, COPY_MAX);
    arena.block_bytes = COPY_BLOCK;
    struct copier copier = {.arena = &arena};
    struct nj_node_object *to = array(&copier, 1, sizeof(*to));
    struct nj_nodes_node view = {.name = text(&copier, object->meta.name, SIZE_MAX),
                                 .uid = text(&copier, object->meta.uid, SIZE_MAX),
                                 .created_ns = object->meta.created_ns,
                                 .node = to};
    copy_labels(&copier, &object->meta, &view);
    if (to != NULL) {
        *to = object->node;
        to->kubelet_version = text(&copier, object->node.kubelet_version, SIZE_MAX);
        copy_taints(&copier, &object->node, to);
        copy_conditions(&copier, &object->node, to);
    }
    if (copier.failed) {
        nj_arena_done(&arena);
        return false;
    }
    *ret_arena = arena;
    *ret_view = view;
    return true;
}
