#include "collector/cluster/workloads.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/cluster/workloads_internal.h"
#include "common/base/str.h"

enum { WATCHES = 6 };

static const struct {
    const char *path;
    enum nj_kube_kind kind;
} watches[WATCHES] = {
    {"/apis/apps/v1/deployments", NJ_KUBE_DEPLOYMENT},
    {"/apis/apps/v1/statefulsets", NJ_KUBE_STATEFUL_SET},
    {"/apis/apps/v1/daemonsets", NJ_KUBE_DAEMON_SET},
    {"/apis/apps/v1/replicasets", NJ_KUBE_REPLICA_SET},
    {"/apis/batch/v1/jobs", NJ_KUBE_JOB},
    {"/apis/policy/v1/poddisruptionbudgets", NJ_KUBE_BUDGET},
};

static const char *const kind_names[NJ_WORKLOADS_KINDS] = {
    [NJ_WORKLOADS_DEPLOYMENT] = "Deployment",
    [NJ_WORKLOADS_STATEFUL_SET] = "StatefulSet",
    [NJ_WORKLOADS_DAEMON_SET] = "DaemonSet",
    [NJ_WORKLOADS_REPLICA_SET] = "ReplicaSet",
    [NJ_WORKLOADS_JOB] = "Job",
};

struct watched {
    struct nj_workloads *workloads;
    struct nj_watch *watch;
    bool settled; /* its first list was read, or it cannot be */
    bool told;    /* that it cannot be */
};

struct nj_workloads {
    struct nj_workloads_options options;
    struct nj_workloads_index index;
    struct watched watched[WATCHES];
    bool synced;
    struct nj_counter *ignored;
    struct nj_gauge *objects;
    size_t closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

const char *nj_workloads_kind_name(enum nj_workloads_kind kind)
{
    return kind_names[kind];
}

int nj_workloads_kind_parse(const char *name, enum nj_workloads_kind *ret_kind)
{
    for (size_t i = 0; i < NJ_WORKLOADS_KINDS; i++) {
        if (nj_streq(name, kind_names[i])) {
            *ret_kind = (enum nj_workloads_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *nj_workloads_annotation(const struct nj_workloads_item *item, const char *key)
{
    for (size_t i = 0; i < item->annotations_count; i++) {
        if (nj_streq(item->annotations[i].key, key))
            return item->annotations[i].value;
    }
    return NULL;
}

bool nj_workloads_completed(const struct nj_workloads_item *item)
{
    return item->kind == NJ_WORKLOADS_JOB && nj_workloads_job_is(item->object, "Complete");
}

/* ---- taking */

static void tell(struct nj_workloads *workloads, const struct nj_workloads_entry *before,
                 const struct nj_workloads_entry *after, int64_t at_ns)
{
    if (before == NULL ? after->is_budget : before->is_budget)
        return;
    workloads->options.on_change(workloads->options.data, before == NULL ? NULL : &before->item,
                                 after == NULL ? NULL : &after->item, at_ns);
}

static void drop(struct nj_workloads *workloads, struct nj_workloads_entry *entry, int64_t at_ns)
{
    nj_workloads_index_remove(&workloads->index, entry);
    tell(workloads, entry, NULL, at_ns);
    nj_workloads_entry_free(entry);
}

static void put(struct nj_workloads *workloads, struct nj_workloads_entry *entry, int64_t at_ns)
{
    struct nj_workloads_entry *before = nj_workloads_index_uid(&workloads->index, entry->uid);
    if (before != NULL)
        nj_workloads_index_remove(&workloads->index, before);
    struct nj_workloads_entry *same = nj_workloads_index_same(&workloads->index, entry);
    if (same != NULL) /* of the same name, made anew: a list may tell the end of the other one later */
        drop(workloads, same, at_ns);
    nj_workloads_index_add(&workloads->index, entry);
    tell(workloads, before, entry, at_ns);
    nj_workloads_entry_free(before);
}

void nj_workloads_take(struct nj_workloads *workloads, enum nj_watch_event_type type,
                       const struct nj_kube_object *object, int64_t at_ns)
{
    struct nj_workloads_entry *known = nj_workloads_index_uid(&workloads->index, object->meta.uid);
    if (type == NJ_WATCH_DELETED) {
        if (known != NULL)
            drop(workloads, known, at_ns);
    } else {
        bool room =
            known != NULL || nj_workloads_index_count(&workloads->index) < workloads->options.max_objects;
        struct nj_workloads_entry *entry = room ? nj_workloads_entry_new(object) : NULL;
        if (entry != NULL)
            put(workloads, entry, at_ns);
        else
            nj_counter_add(workloads->ignored, type == NJ_WATCH_ADDED); /* once an object */
    }
    nj_gauge_set(workloads->objects, (int64_t)nj_workloads_index_count(&workloads->index));
}

/* ---- watching */

static void on_object(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct watched *watched = data;
    nj_workloads_take(watched->workloads, type, object, nj_loop_wall_ns(watched->workloads->options.loop));
}

static void settle(struct watched *watched)
{
    struct nj_workloads *workloads = watched->workloads;
    watched->settled = true;
    if (workloads->synced)
        return;
    for (size_t i = 0; i < WATCHES; i++) {
        if (!workloads->watched[i].settled)
            return;
    }
    workloads->synced = true;
    workloads->options.on_synced(workloads->options.data);
}

static void on_synced(void *data)
{
    struct watched *watched = data;
    watched->told = false;
    settle(watched);
}

static void on_trouble(void *data, const struct nj_err *err)
{
    struct watched *watched = data;
    const struct nj_workloads_options *options = &watched->workloads->options;
    bool unavailable = err->code == -EACCES || err->code == -ENOENT;
    if (options->on_trouble != NULL && !(unavailable && watched->told))
        options->on_trouble(options->data, err);
    watched->told = unavailable;
    if (unavailable)
        settle(watched);
}

struct nj_workloads *nj_workloads_new(const struct nj_workloads_options *options)
{
    struct nj_workloads *workloads = NJ_NEW(struct nj_workloads);
    workloads->options = *options;
    if (options->metrics != NULL) {
        workloads->ignored = nj_metrics_counter(
            options->metrics, "nightjar_workloads_ignored_total", "",
            "Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs and PodDisruptionBudgets that are not "
            "followed because of the bound, or cannot be.");
        workloads->objects = nj_metrics_gauge(options->metrics, "nightjar_workloads", "",
                                              "Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs and "
                                              "PodDisruptionBudgets that are followed.");
    }
    return workloads;
}

void nj_workloads_free(struct nj_workloads *workloads)
{
    if (workloads == NULL)
        return;
    nj_workloads_index_done(&workloads->index);
    free(workloads);
}

int nj_workloads_start(const struct nj_workloads_options *options, struct nj_workloads **ret_workloads,
                       struct nj_err *err)
{
    struct nj_workloads *workloads = nj_workloads_new(options);
    for (size_t i = 0; i < WATCHES; i++) {
        struct watched *watched = &workloads->watched[i];
        watched->workloads = workloads;
        struct nj_watch_options watch = {.path = watches[i].path,
                                         .kind = watches[i].kind,
                                         .encoding = NJ_KUBE_PROTOBUF,
                                         .metrics = options->metrics,
                                         .on_object = on_object,
                                         .on_synced = on_synced,
                                         .on_trouble = on_trouble,
                                         .data = watched};
        int rc = nj_watch_start(options->loop, options->client, &watch, &watched->watch, err);
        if (rc < 0) {
            nj_workloads_close(workloads, NULL, NULL);
            return rc;
        }
    }
    *ret_workloads = workloads;
    return 0;
}

bool nj_workloads_synced(const struct nj_workloads *workloads)
{
    return workloads->synced;
}

static void on_watch_closed(void *data)
{
    struct nj_workloads *workloads = data;
    if (--workloads->closing > 0)
        return;
    void (*on_closed)(void *data) = workloads->on_closed;
    void *on_closed_data = workloads->on_closed_data;
    nj_workloads_free(workloads);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_workloads_close(struct nj_workloads *workloads, void (*on_closed)(void *data), void *data)
{
    if (workloads == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    workloads->on_closed = on_closed;
    workloads->on_closed_data = data;
    workloads->closing = WATCHES;
    for (size_t i = 0; i < WATCHES; i++)
        nj_watch_close(workloads->watched[i].watch, on_watch_closed, workloads);
}

/* ---- asking */

size_t nj_workloads_count(const struct nj_workloads *workloads)
{
    return nj_workloads_index_count(&workloads->index);
}

const struct nj_workloads_item *nj_workloads_find(struct nj_workloads *workloads, enum nj_workloads_kind kind,
                                                  const char *namespace, const char *name)
{
    struct nj_workloads_space *space = nj_workloads_index_space(&workloads->index, namespace);
    struct nj_workloads_entry *entry = NULL;
    if (space != NULL)
        HASH_FIND(by_name, space->names[kind], name, strlen(name), entry);
    return entry == NULL ? NULL : &entry->item;
}

/* Both sorted by key. */
static bool has_all(const struct nj_kube_pair *labels, size_t labels_count,
                    const struct nj_kube_pair *selector, size_t selector_count)
{
    size_t at = 0;
    for (size_t i = 0; i < selector_count; i++) {
        while (at < labels_count && strcmp(labels[at].key, selector[i].key) < 0)
            at++;
        if (at == labels_count || !nj_streq(labels[at].key, selector[i].key) ||
            !nj_streq(labels[at].value, selector[i].value))
            return false;
    }
    return true;
}

/* Of the selector's labels the one that the fewest templates have; NULL: one that none has. */
static const struct nj_workloads_label *rarest_label(const struct nj_workloads_space *space,
                                                     const struct nj_kube_pair *selector,
                                                     size_t selector_count)
{
    const struct nj_workloads_label *rarest = NULL;
    for (size_t i = 0; i < selector_count; i++) {
        NJ_CLEANUP_FREE char *key = nj_asprintf("%s=%s", selector[i].key, selector[i].value);
        struct nj_workloads_label *label = NULL;
        HASH_FIND_STR(space->labels, key, label);
        if (label == NULL)
            return NULL;
        if (rarest == NULL || label->count < rarest->count)
            rarest = label;
    }
    return rarest;
}

void nj_workloads_behind(struct nj_workloads *workloads, const char *namespace,
                         const struct nj_kube_pair *selector, size_t selector_count,
                         void (*each)(void *data, const struct nj_workloads_item *item), void *data)
{
    const struct nj_workloads_space *space = nj_workloads_index_space(&workloads->index, namespace);
    const struct nj_workloads_label *label =
        space == NULL ? NULL : rarest_label(space, selector, selector_count);
    const struct nj_workloads_link *link;
    if (label == NULL)
        return;
    for (int jobs = 0; jobs <= 1; jobs++) {
        DL_FOREACH (label->links, link) {
            const struct nj_workloads_item *item = &link->entry->item;
            const struct nj_workload_object *object = item->object;
            if ((item->kind == NJ_WORKLOADS_JOB) == (jobs == 1) &&
                has_all(object->template_labels, object->template_labels_count, selector, selector_count))
                each(data, item);
        }
    }
}

static const struct nj_workloads_entry *replica_sets(struct nj_workloads *workloads, const char *namespace,
                                                     const char *deployment)
{
    struct nj_workloads_space *space = nj_workloads_index_space(&workloads->index, namespace);
    struct nj_workloads_group *group = NULL;
    if (space != NULL)
        HASH_FIND_STR(space->groups, deployment, group);
    return group == NULL ? NULL : group->replica_sets;
}

void nj_workloads_revisions(struct nj_workloads *workloads, const char *namespace, const char *deployment,
                            void (*each)(void *data, const struct nj_workloads_item *replica_set), void *data)
{
    const struct nj_workloads_entry *entry;
    DL_FOREACH (replica_sets(workloads, namespace, deployment), entry)
        each(data, &entry->item);
}

const struct nj_workloads_item *nj_workloads_revision(struct nj_workloads *workloads, const char *namespace,
                                                      const char *deployment, const char *revision)
{
    const struct nj_workloads_entry *entry;
    DL_FOREACH (replica_sets(workloads, namespace, deployment), entry) {
        if (nj_streq(entry->item.revision, revision))
            return &entry->item;
    }
    return NULL;
}

void nj_workloads_each(struct nj_workloads *workloads,
                       void (*each)(void *data, const struct nj_workloads_item *item), void *data)
{
    for (const struct nj_workloads_entry *entry = workloads->index.uids; entry != NULL;
         entry = entry->by_uid.next) {
        if (!entry->is_budget && entry->item.kind != NJ_WORKLOADS_JOB)
            each(data, &entry->item);
    }
}

void nj_workloads_budgets(struct nj_workloads *workloads, const char *namespace,
                          const struct nj_kube_pair *labels, size_t labels_count,
                          void (*each)(void *data, const struct nj_workloads_budget *budget), void *data)
{
    const struct nj_workloads_space *space = nj_workloads_index_space(&workloads->index, namespace);
    const struct nj_workloads_entry *entry;
    if (space == NULL)
        return;
    DL_FOREACH (space->budgets, entry) {
        if (!entry->budget_is_odd &&
            has_all(labels, labels_count, entry->budget.selector, entry->budget.selector_count))
            each(data, &entry->budget);
    }
}
