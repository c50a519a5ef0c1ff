#include "collector/sla/rollouts_revisions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/json_get.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"

enum { DEPTH_MAX = 64, IMAGES_MAX = 2048 };

struct nj_revisions {
    struct json_object *list;
    struct nj_revision *items;
    size_t count;
};

static size_t length_of(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

char *nj_revisions_path(const struct nj_workloads_item *workload)
{
    const struct nj_workload_object *object = workload->object;
    struct nj_buf selector = {0}, path = {0};
    if ((workload->kind != NJ_WORKLOADS_STATEFUL_SET && workload->kind != NJ_WORKLOADS_DAEMON_SET) ||
        !nj_kube_is_name(workload->namespace) || !nj_kube_is_name(workload->name))
        return NULL;
    /* They have the labels of their templates, which the selector holds for. */
    for (size_t i = 0; i < object->selector_count; i++)
        (void)nj_buf_printf(&selector, "%s%s=%s", i == 0 ? "" : ",", object->selector[i].key,
                            object->selector[i].value);
    (void)nj_buf_printf(&path, "/apis/apps/v1/namespaces/%s/controllerrevisions", workload->namespace);
    if (selector.len > 0) {
        (void)nj_buf_append_str(&path, "?labelSelector=");
        (void)nj_url_append(&path, nj_buf_str(&selector), selector.len);
    }
    char *text = nj_strdup(nj_buf_str(&path));
    nj_buf_done(&selector);
    nj_buf_done(&path);
    return text;
}

static bool is_controlled_by(struct json_object *object, const char *uid)
{
    struct json_object *owners = nj_sla_json_get(nj_sla_json_get(object, "metadata"), "ownerReferences");
    for (size_t i = 0; i < length_of(owners); i++) {
        struct json_object *owner = json_object_array_get_idx(owners, i);
        if (json_object_get_boolean(nj_sla_json_get(owner, "controller")) &&
            nj_streq(nj_sla_json_text(owner, "uid"), uid))
            return true;
    }
    return false;
}

static struct json_object *template_of(struct json_object *object)
{
    struct json_object *template =
        nj_sla_json_get(nj_sla_json_get(nj_sla_json_get(object, "data"), "spec"), "template");
    const char *directive = nj_sla_json_text(template, "$patch");
    /* A patch that is not all of it would need the API server's own merge. */
    if (!json_object_is_type(template, json_type_object) ||
        (directive[0] != '\0' && !nj_streq(directive, "replace")))
        return NULL;
    json_object_object_del(template, "$patch");
    return template;
}

static int by_number(const void *a, const void *b)
{
    const struct nj_revision *x = a, *y = b;
    return x->number > y->number ? -1 : x->number < y->number ? 1 : strcmp(x->name, y->name);
}

int nj_revisions_parse(enum nj_workloads_kind kind, const char *uid, const char *json, size_t len,
                       struct nj_revisions **ret_revisions)
{
    struct json_tokener *tokener = len > INT32_MAX ? NULL : json_tokener_new_ex(DEPTH_MAX);
    if (tokener == NULL)
        return -EBADMSG;
    struct json_object *list = json_tokener_parse_ex(tokener, json, (int)len);
    json_tokener_free(tokener);
    struct json_object *items = nj_sla_json_get(list, "items");
    if (!json_object_is_type(items, json_type_array)) {
        json_object_put(list);
        return -EBADMSG;
    }
    struct nj_revisions *revisions = NJ_NEW(struct nj_revisions);
    revisions->list = list;
    revisions->items = nj_calloc(length_of(items) + 1, sizeof(*revisions->items));
    for (size_t i = 0; i < length_of(items); i++) {
        struct json_object *object = json_object_array_get_idx(items, i);
        struct json_object *metadata = nj_sla_json_get(object, "metadata");
        const char *label = nj_sla_json_text(nj_sla_json_get(metadata, "labels"), "controller-revision-hash");
        const char *name = nj_sla_json_text(metadata, "name");
        if (name[0] == '\0' || !is_controlled_by(object, uid))
            continue;
        revisions->items[revisions->count++] =
            (struct nj_revision){.number = json_object_get_int64(nj_sla_json_get(object, "revision")),
                                 .name = name,
                                 .hash = kind == NJ_WORKLOADS_STATEFUL_SET || label[0] == '\0' ? name : label,
                                 .object = object,
                                 .template = template_of(object)};
    }
    qsort(revisions->items, revisions->count, sizeof(*revisions->items), by_number);
    *ret_revisions = revisions;
    return 0;
}

void nj_revisions_free(struct nj_revisions *revisions)
{
    if (revisions == NULL)
        return;
    json_object_put(revisions->list);
    free(revisions->items);
    free(revisions);
}

size_t nj_revisions_count(const struct nj_revisions *revisions)
{
    return revisions->count;
}

const struct nj_revision *nj_revisions_at(const struct nj_revisions *revisions, size_t index)
{
    return &revisions->items[index];
}

const struct nj_revision *nj_revisions_find(const struct nj_revisions *revisions, const char *name_or_hash)
{
    for (size_t i = 0; i < revisions->count; i++) {
        if (nj_streq(revisions->items[i].name, name_or_hash) ||
            nj_streq(revisions->items[i].hash, name_or_hash))
            return &revisions->items[i];
    }
    return NULL;
}

char *nj_revision_images(const struct nj_revision *revision)
{
    static const char *const lists[] = {"initContainers", "containers"};
    struct nj_buf text = {.max = IMAGES_MAX};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct json_object *list = nj_sla_json_get(nj_sla_json_get(revision->template, "spec"), lists[i]);
        for (size_t k = 0; k < length_of(list); k++) {
            struct json_object *container = json_object_array_get_idx(list, k);
            (void)nj_buf_printf(&text, "%s%s=%s", text.len == 0 ? "" : ", ",
                                nj_sla_json_text(container, "name"), nj_sla_json_text(container, "image"));
        }
    }
    char *images = nj_strdup(nj_buf_str(&text));
    nj_buf_done(&text);
    return images;
}
