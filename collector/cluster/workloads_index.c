/* Workloads by uid, by name, by what a Service selects, and Deployments' ReplicaSets. Pure. */
#include <string.h>
#include <utlist.h>

#include "collector/cluster/workloads_internal.h"
#include "common/base/str.h"

static const char *namespace_of(const struct nj_workloads_entry *entry)
{
    return entry->is_budget ? entry->budget.namespace : entry->item.namespace;
}

struct nj_workloads_space *nj_workloads_index_space(const struct nj_workloads_index *index, const char *name)
{
    struct nj_workloads_space *space = NULL;
    HASH_FIND_STR(index->spaces, name, space);
    return space;
}

static struct nj_workloads_space *need_space(struct nj_workloads_index *index, const char *name)
{
    struct nj_workloads_space *space = nj_workloads_index_space(index, name);
    if (space != NULL)
        return space;
    space = NJ_NEW(struct nj_workloads_space);
    space->name = nj_strdup(name);
    HASH_ADD_KEYPTR(hh, index->spaces, space->name, strlen(space->name), space);
    return space;
}

struct nj_workloads_entry *nj_workloads_index_uid(struct nj_workloads_index *index, const char *uid)
{
    struct nj_workloads_entry *entry = NULL;
    HASH_FIND(by_uid, index->uids, uid, strlen(uid), entry);
    return entry;
}

size_t nj_workloads_index_count(const struct nj_workloads_index *index)
{
    return HASH_CNT(by_uid, index->uids);
}

struct nj_workloads_entry *nj_workloads_index_same(struct nj_workloads_index *index,
                                                   const struct nj_workloads_entry *entry)
{
    struct nj_workloads_space *space = nj_workloads_index_space(index, namespace_of(entry));
    struct nj_workloads_entry *found = NULL;
    if (space == NULL)
        return NULL;
    if (!entry->is_budget) {
        HASH_FIND(by_name, space->names[entry->item.kind], entry->item.name, strlen(entry->item.name), found);
        return found;
    }
    DL_FOREACH (space->budgets, found) {
        if (nj_streq(found->budget.name, entry->budget.name))
            return found;
    }
    return NULL;
}

static void link_label(struct nj_workloads_space *space, struct nj_workloads_link *link,
                       const struct nj_kube_pair *pair)
{
    NJ_CLEANUP_FREE char *key = nj_asprintf("%s=%s", pair->key, pair->value);
    struct nj_workloads_label *label = NULL;
    HASH_FIND_STR(space->labels, key, label);
    if (label == NULL) {
        label = NJ_NEW(struct nj_workloads_label);
        label->key = nj_strdup(key);
        HASH_ADD_KEYPTR(hh, space->labels, label->key, strlen(label->key), label);
    }
    link->label = label;
    DL_APPEND(label->links, link);
    label->count++;
}

static void link_labels(struct nj_workloads_entry *entry)
{
    const struct nj_workload_object *object = entry->item.object;
    entry->links_count = object->template_labels_count;
    if (entry->links_count == 0)
        return;
    entry->links = nj_calloc(entry->links_count, sizeof(*entry->links));
    for (size_t i = 0; i < entry->links_count; i++) {
        entry->links[i].entry = entry;
        link_label(entry->space, &entry->links[i], &object->template_labels[i]);
    }
}

static void unlink_labels(struct nj_workloads_entry *entry)
{
    for (size_t i = 0; i < entry->links_count; i++) {
        struct nj_workloads_label *label = entry->links[i].label;
        DL_DELETE(label->links, &entry->links[i]);
        if (--label->count > 0)
            continue;
        NJ_TABLE_REMOVE(entry->space->labels, label);
        free(label->key);
        free(label);
    }
    free(entry->links);
    entry->links = NULL;
    entry->links_count = 0;
}

static void join_group(struct nj_workloads_entry *entry)
{
    struct nj_workloads_group *group = NULL;
    HASH_FIND_STR(entry->space->groups, entry->item.owner, group);
    if (group == NULL) {
        group = NJ_NEW(struct nj_workloads_group);
        group->owner = nj_strdup(entry->item.owner);
        HASH_ADD_KEYPTR(hh, entry->space->groups, group->owner, strlen(group->owner), group);
    }
    entry->group = group;
    DL_APPEND(group->replica_sets, entry);
}

static void leave_group(struct nj_workloads_entry *entry)
{
    struct nj_workloads_group *group = entry->group;
    if (group == NULL)
        return;
    DL_DELETE(group->replica_sets, entry);
    entry->group = NULL;
    if (group->replica_sets != NULL)
        return;
    NJ_TABLE_REMOVE(entry->space->groups, group);
    free(group->owner);
    free(group);
}

void nj_workloads_index_add(struct nj_workloads_index *index, struct nj_workloads_entry *entry)
{
    struct nj_workloads_space *space = need_space(index, namespace_of(entry));
    entry->space = space;
    space->count++;
    HASH_ADD_KEYPTR(by_uid, index->uids, entry->uid, strlen(entry->uid), entry);
    if (entry->is_budget) {
        DL_APPEND(space->budgets, entry);
        return;
    }
    HASH_ADD_KEYPTR(by_name, space->names[entry->item.kind], entry->item.name, strlen(entry->item.name),
                    entry);
    if (entry->item.kind == NJ_WORKLOADS_REPLICA_SET && nj_streq(entry->item.owner_kind, "Deployment"))
        join_group(entry);
    else
        link_labels(entry);
}

void nj_workloads_index_remove(struct nj_workloads_index *index, struct nj_workloads_entry *entry)
{
    struct nj_workloads_space *space = entry->space;
    NJ_TABLE_REMOVE_BY(by_uid, index->uids, entry);
    if (entry->is_budget) {
        DL_DELETE(space->budgets, entry);
    } else {
        NJ_TABLE_REMOVE_BY(by_name, space->names[entry->item.kind], entry);
        unlink_labels(entry);
        leave_group(entry);
    }
    entry->space = NULL;
    if (--space->count > 0)
        return;
    NJ_TABLE_REMOVE(index->spaces, space);
    free(space->name);
    free(space);
}

void nj_workloads_index_done(struct nj_workloads_index *index)
{
    for (struct nj_workloads_entry *entry; (entry = index->uids) != NULL;) {
        nj_workloads_index_remove(index, entry);
        nj_workloads_entry_free(entry);
    }
}
