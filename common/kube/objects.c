#include "common/kube/objects.h"

#include <string.h>

/* Labels and annotations are sorted by key. */
static const char *find_pair(const struct nj_kube_pair *pairs, size_t count, const char *key)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(pairs[middle].key, key);
        if (order == 0)
            return pairs[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool nj_kube_is_name(const char *text)
{
    static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    enum { BYTES_MAX = 253 };
    size_t len = strlen(text);
    if (len == 0 || len > BYTES_MAX || strchr(ends, text[0]) == NULL || strchr(ends, text[len - 1]) == NULL)
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len && strstr(text, "..") == NULL;
}

const char *nj_kube_label(const struct nj_kube_meta *meta, const char *key)
{
    return find_pair(meta->labels, meta->labels_count, key);
}

const char *nj_kube_annotation(const struct nj_kube_meta *meta, const char *key)
{
    return find_pair(meta->annotations, meta->annotations_count, key);
}

const struct nj_kube_owner *nj_kube_controller(const struct nj_kube_meta *meta)
{
    for (size_t i = 0; i < meta->owners_count; i++) {
        if (meta->owners[i].controller)
            return &meta->owners[i];
    }
    return NULL;
}

const char *nj_container_type_name(enum nj_container_type type)
{
    static const char *const names[] = {
        [NJ_CONTAINER_APP] = "app",
        [NJ_CONTAINER_INIT] = "init",
        [NJ_CONTAINER_SIDECAR] = "sidecar",
        [NJ_CONTAINER_EPHEMERAL] = "ephemeral",
    };
    return names[type];
}

const struct nj_container_spec *nj_pod_container(const struct nj_pod_object *pod, const char *name)
{
    for (size_t i = 0; i < pod->containers_count; i++) {
        if (strcmp(pod->containers[i].name, name) == 0)
            return &pod->containers[i];
    }
    return NULL;
}

const struct nj_pod_condition *nj_pod_condition(const struct nj_pod_object *pod, const char *type)
{
    for (size_t i = 0; i < pod->conditions_count; i++) {
        if (strcmp(pod->conditions[i].type, type) == 0)
            return &pod->conditions[i];
    }
    return NULL;
}
