#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/cluster/model_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { COPY_BYTES_MAX = 16 << 20 }; /* far above what the API server's 1.5 MiB can become */

void nj_model_index_init(struct nj_model_index *index)
{
    *index = (struct nj_model_index){0};
    nj_arena_init(&index->scratch, COPY_BYTES_MAX);
}

static struct nj_model_space *find_space(struct nj_model_index *index, const char *name)
{
    struct nj_model_space *space = NULL;
    HASH_FIND_STR(index->spaces, name, space);
    return space;
}

static struct nj_model_space *get_space(struct nj_model_index *index, const char *name)
{
    struct nj_model_space *space = find_space(index, name);
    if (space != NULL)
        return space;
    space = NJ_NEW(struct nj_model_space);
    space->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, index->spaces, space->name, strlen(space->name), space);
    return space;
}

static struct nj_model_group *get_group(struct nj_model_space *space, const char *name)
{
    struct nj_model_group *group = NULL;
    HASH_FIND_STR(space->groups, name, group);
    if (group != NULL)
        return group;
    group = NJ_NEW(struct nj_model_group);
    group->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, space->groups, group->name, strlen(group->name), group);
    return group;
}

/* The view after a change of its parts; a group without any is freed. */
static void refresh_group(struct nj_model_space *space, struct nj_model_group *group)
{
    if (group->service == NULL && group->slices == NULL) {
        NJ_TABLE_REMOVE(space->groups, group);
        free(group->name);
        free(group);
        return;
    }
    group->view = (struct nj_model_service){.namespace = space->name, .name = group->name, .uid = ""};
    if (group->service != NULL)
        group->view = group->service->service.view;
    struct nj_model_object *object;
    const struct nj_model_slice **end = &group->view.slices;
    DL_FOREACH (group->slices, object) {
        for (size_t i = 0; i < object->slice.views_count; i++) {
            *end = &object->slice.views[i];
            end = &object->slice.views[i].next;
        }
    }
    *end = NULL;
}

void nj_model_address_text(const char *address, char text[INET6_ADDRSTRLEN])
{
    struct in_addr v4;
    struct in6_addr v6;
    const char *made = NULL;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        made = inet_ntop(AF_INET, &v4, text, INET6_ADDRSTRLEN);
    } else if (inet_pton(AF_INET6, address, &v6) == 1) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        made = inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &v6.s6_addr[12] : v6.s6_addr, text,
                         INET6_ADDRSTRLEN);
    }
    if (made == NULL)
        (void)snprintf(text, INET6_ADDRSTRLEN, "%s", address);
}

static void add_claim(struct nj_model_index *index, struct nj_model_object *object, const char *address)
{
    struct nj_model_claim *claim = &object->claims[object->claims_count++];
    struct nj_model_address *entry = NULL;
    char text[INET6_ADDRSTRLEN];
    nj_model_address_text(address, text);
    HASH_FIND_STR(index->addresses, text, entry);
    if (entry == NULL) {
        entry = NJ_NEW(struct nj_model_address);
        entry->text = nj_strdup(text);
        HASH_ADD_KEYPTR(hh, index->addresses, entry->text, strlen(entry->text), entry);
    }
    claim->object = object;
    claim->address = entry;
    DL_APPEND(entry->claims, claim);
}

static size_t count_addresses(const struct nj_model_object *object)
{
    size_t count = 0;
    for (size_t v = 0; v < object->slice.views_count; v++) {
        const struct nj_slice_object *slice = object->slice.views[v].slice;
        for (size_t i = 0; object->slice.views[v].managed && i < slice->endpoints_count; i++)
            count += slice->endpoints[i].addresses_count;
    }
    return count;
}

/* Only the controller's slices say whose a pod's address is: others can be written by anybody. */
static void claim_addresses(struct nj_model_index *index, struct nj_model_object *object)
{
    size_t count = count_addresses(object);
    if (count == 0)
        return;
    object->claims = nj_calloc(count, sizeof(*object->claims));
    for (size_t v = 0; v < object->slice.views_count; v++) {
        const struct nj_slice_object *slice = object->slice.views[v].slice;
        for (size_t i = 0; object->slice.views[v].managed && i < slice->endpoints_count; i++) {
            for (size_t a = 0; a < slice->endpoints[i].addresses_count; a++)
                add_claim(index, object, slice->endpoints[i].addresses[a]);
        }
    }
}

/* The API server gives each of these to one Service alone. */
static void claim_cluster_ips(struct nj_model_index *index, struct nj_model_object *object)
{
    const struct nj_service_object *service = object->service.view.service;
    if (service->cluster_ips_count == 0)
        return;
    object->claims = nj_calloc(service->cluster_ips_count, sizeof(*object->claims));
    for (size_t i = 0; i < service->cluster_ips_count; i++) {
        if (!nj_streq(service->cluster_ips[i], "None"))
            add_claim(index, object, service->cluster_ips[i]);
    }
}

static void free_address(struct nj_model_index *index, struct nj_model_address *address)
{
    NJ_TABLE_REMOVE(index->addresses, address);
    free(address->text);
    free(address);
}

static void drop_claims(struct nj_model_index *index, struct nj_model_object *object)
{
    for (size_t i = 0; i < object->claims_count; i++) {
        struct nj_model_claim *claim = &object->claims[i];
        DL_DELETE(claim->address->claims, claim);
        if (claim->address->claims == NULL)
            free_address(index, claim->address);
    }
    free(object->claims);
}

static void unlink_object(struct nj_model_index *index, struct nj_model_object *object)
{
    struct nj_model_space *space = object->space;
    drop_claims(index, object);
    switch (object->kind) {
    case NJ_MODEL_SERVICES:
        object->service.group->service = NULL;
        refresh_group(space, object->service.group);
        break;
    case NJ_MODEL_SLICES:
        DL_DELETE(object->slice.group->slices, object);
        refresh_group(space, object->slice.group);
        break;
    case NJ_MODEL_INGRESSES:
        NJ_TABLE_REMOVE_BY(by_name, space->ingresses, object);
        break;
    default:
        NJ_TABLE_REMOVE_BY(by_name, space->monitors, object);
    }
}

static void drop(struct nj_model_index *index, struct nj_model_object *object)
{
    unlink_object(index, object);
    NJ_TABLE_REMOVE_BY(by_uid, index->objects, object);
    index->count--;
    free(object->uid);
    free(object->memory);
    free(object);
}

/* By name: `at` is the space's table. One of that name and another uid was made anew before the old one's end
 * was told. */
static void link_by_name(struct nj_model_index *index, struct nj_model_object **at, const char *name,
                         struct nj_model_object *object)
{
    struct nj_model_object *old = NULL;
    HASH_FIND(by_name, *at, name, strlen(name), old);
    if (old != NULL)
        drop(index, old);
    HASH_ADD_KEYPTR(by_name, *at, name, strlen(name), object);
}

static void link_object(struct nj_model_index *index, struct nj_model_object *object)
{
    struct nj_model_space *space = object->space;
    struct nj_model_group *group;
    switch (object->kind) {
    case NJ_MODEL_SERVICES:
        group = get_group(space, object->service.view.name);
        if (group->service != NULL) {
            drop(index, group->service);
            group = get_group(space, object->service.view.name);
        }
        object->service.group = group;
        group->service = object;
        claim_cluster_ips(index, object);
        refresh_group(space, group);
        break;
    case NJ_MODEL_SLICES:
        group = get_group(space, object->slice.service_name);
        object->slice.group = group;
        DL_APPEND(group->slices, object);
        claim_addresses(index, object);
        refresh_group(space, group);
        break;
    case NJ_MODEL_INGRESSES:
        link_by_name(index, &space->ingresses, object->ingress.name, object);
        break;
    default:
        link_by_name(index, &space->monitors, object->monitor.name, object);
    }
}

/* Its status changes with every result; what is asked for does not. */
static bool is_same_monitor(const struct nj_model_object *old, const struct nj_kube_object *object)
{
    return old->kind == NJ_MODEL_MONITORS && old->monitor.generation == object->meta.generation &&
           old->monitor.spec_len == object->custom.spec_len &&
           memcmp(old->monitor.spec, object->custom.spec, object->custom.spec_len) == 0;
}

struct nj_model_space *nj_model_index_put(struct nj_model_index *index, enum nj_model_kind kind,
                                          const struct nj_kube_object *object, size_t max_objects,
                                          bool *ret_refused)
{
    struct nj_model_object *old = NULL;
    HASH_FIND(by_uid, index->objects, object->meta.uid, strlen(object->meta.uid), old);
    *ret_refused = false;
    if (old != NULL && is_same_monitor(old, object))
        return NULL;
    struct nj_model_object *made = NJ_NEW(struct nj_model_object);
    if ((old == NULL && index->count >= max_objects) || !nj_model_copy(&index->scratch, kind, object, made)) {
        free(made);
        *ret_refused = true;
        if (old == NULL)
            return NULL;
        struct nj_model_space *space = old->space;
        drop(index, old); /* rather none than an old one */
        return space;
    }
    if (old != NULL)
        drop(index, old);
    made->uid = nj_strdup(object->meta.uid);
    made->kind = kind;
    made->space = get_space(index, object->meta.namespace);
    HASH_ADD_KEYPTR(by_uid, index->objects, made->uid, strlen(made->uid), made);
    index->count++;
    link_object(index, made);
    return made->space;
}

struct nj_model_space *nj_model_index_remove(struct nj_model_index *index, const char *uid)
{
    struct nj_model_object *object = NULL;
    HASH_FIND(by_uid, index->objects, uid, strlen(uid), object);
    if (object == NULL)
        return NULL;
    struct nj_model_space *space = object->space;
    drop(index, object);
    return space;
}

void nj_model_index_tidy(struct nj_model_index *index, struct nj_model_space *space)
{
    if (space->groups != NULL || space->ingresses != NULL || space->monitors != NULL || space->dirty)
        return;
    NJ_TABLE_REMOVE(index->spaces, space);
    free(space->name);
    free(space);
}

void nj_model_index_done(struct nj_model_index *index)
{
    while (index->objects != NULL)
        drop(index, index->objects);
    while (index->spaces != NULL) {
        struct nj_model_space *space = index->spaces;
        space->dirty = false;
        nj_model_index_tidy(index, space);
        assert(index->spaces != space);
    }
    nj_arena_done(&index->scratch);
}
