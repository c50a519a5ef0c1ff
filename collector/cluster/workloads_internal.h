/*
 * What workloads.c, workloads_index.c and workloads_copy.c share, and what tests feed without a watch.
 * Private to collector/cluster; loop thread only.
 */
#ifndef NJ_CLUSTER_WORKLOADS_INTERNAL_H
#define NJ_CLUSTER_WORKLOADS_INTERNAL_H

#include "collector/cluster/workloads.h"
#include "common/base/table.h"

struct nj_workloads_space;

/* A template's label as the index holds it. */
struct nj_workloads_link {
    struct nj_workloads_entry *entry;
    struct nj_workloads_label *label;
    struct nj_workloads_link *prev, *next; /* of the same label in the namespace */
};

/* A workload, or a budget. */
struct nj_workloads_entry {
    bool is_budget;
    struct nj_workloads_item item;
    struct nj_workload_object object; /* what item.object points to */
    struct nj_workloads_budget budget;
    bool budget_is_odd; /* its selector has expressions, or there is none */
    void *memory;       /* what the views point into */
    struct nj_workloads_space *space;
    struct nj_workloads_link *links; /* of a top one: one for each label of its template */
    size_t links_count;
    struct nj_workloads_group *group;       /* of a Deployment's ReplicaSet */
    struct nj_workloads_entry *prev, *next; /* in the group; a budget: in its namespace */
    const char *uid;                        /* in `memory` */
    UT_hash_handle by_uid, by_name;         /* by_name: of its namespace and kind */
};

/* All workloads of a namespace whose templates have this label. */
struct nj_workloads_label {
    char *key; /* "app=web"; '=' is in no label's key */
    struct nj_workloads_link *links;
    size_t count;
    UT_hash_handle hh;
};

/* A Deployment's ReplicaSets, whether it is known or not. */
struct nj_workloads_group {
    char *owner;
    struct nj_workloads_entry *replica_sets;
    UT_hash_handle hh;
};

struct nj_workloads_space {
    char *name;
    struct nj_workloads_entry *names[NJ_WORKLOADS_KINDS]; /* by_name */
    struct nj_workloads_label *labels;
    struct nj_workloads_group *groups;
    struct nj_workloads_entry *budgets;
    size_t count;
    UT_hash_handle hh;
};

struct nj_workloads_index {
    struct nj_workloads_entry *uids;
    struct nj_workloads_space *spaces;
    size_t max_objects;
};

/* A Job's condition is true: "Complete", "Failed". */
bool nj_workloads_job_is(const struct nj_workload_object *job, const char *condition);

/* What is kept of an object, as an entry in no index; NULL: it has no proper name, or is too large. */
struct nj_workloads_entry *nj_workloads_entry_new(const struct nj_kube_object *object);
void nj_workloads_entry_free(struct nj_workloads_entry *entry); /* takes NULL */

struct nj_workloads_entry *nj_workloads_index_uid(struct nj_workloads_index *index, const char *uid);
/* The entry of the same kind, namespace and name; NULL: none. */
struct nj_workloads_entry *nj_workloads_index_same(struct nj_workloads_index *index,
                                                   const struct nj_workloads_entry *entry);
size_t nj_workloads_index_count(const struct nj_workloads_index *index);
/* Takes the entry, of which neither uid nor name may be in the index. */
void nj_workloads_index_add(struct nj_workloads_index *index, struct nj_workloads_entry *entry);
void nj_workloads_index_remove(struct nj_workloads_index *index, struct nj_workloads_entry *entry);
struct nj_workloads_space *nj_workloads_index_space(const struct nj_workloads_index *index, const char *name);
void nj_workloads_index_done(struct nj_workloads_index *index);

/* Without watches: objects come by nj_workloads_take(). options: loop and client may be NULL. */
struct nj_workloads *nj_workloads_new(const struct nj_workloads_options *options);
/* One object, as a watch tells it. */
void nj_workloads_take(struct nj_workloads *workloads, enum nj_watch_event_type type,
                       const struct nj_kube_object *object, int64_t at_ns);
void nj_workloads_free(struct nj_workloads *workloads); /* one without watches; takes NULL */

#endif
