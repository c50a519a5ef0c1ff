/*
 * The templates that a StatefulSet or a DaemonSet has had: ControllerRevisions (apps/v1), each of which holds
 * one as a strategic merge patch of the workload, {"spec":{"template":{...,"$patch":"replace"}}}: all of the
 * template in place of all of the other (getPatch() of pkg/controller/statefulset/stateful_set_utils.go and
 * of pkg/controller/daemon/update.go). Read on demand; nothing of them is kept. Pure.
 */
#ifndef NJ_SLA_ROLLOUTS_REVISIONS_H
#define NJ_SLA_ROLLOUTS_REVISIONS_H

#include <json-c/json.h>

#include "collector/cluster/workloads.h"

struct nj_revisions;

struct nj_revision {
    int64_t number; /* .revision: rises with each change, also when an earlier template comes back */
    const char *name;
    /* What tells it from the others in pods' labels: of a StatefulSet its name, of a DaemonSet the label
     * controller-revision-hash. */
    const char *hash;
    struct json_object *object; /* the ControllerRevision */
    struct json_object
        *template; /* the PodTemplateSpec, without the patch's directive; NULL: it holds none */
};

/* Where the API server lists those of the workload (and maybe others, which parsing leaves out); the caller
 * frees it. NULL: the workload has none of the kind, or its name is none. */
char *nj_revisions_path(const struct nj_workloads_item *workload);

/* From the API server's list, those that the workload with the uid controls. 0 or -EBADMSG. */
int nj_revisions_parse(enum nj_workloads_kind kind, const char *uid, const char *json, size_t len,
                       struct nj_revisions **ret_revisions);
void nj_revisions_free(struct nj_revisions *revisions); /* takes NULL */

size_t nj_revisions_count(const struct nj_revisions *revisions);
/* The newest first. Borrowed. */
const struct nj_revision *nj_revisions_at(const struct nj_revisions *revisions, size_t index);
/* By its name or its hash; NULL: none. */
const struct nj_revision *nj_revisions_find(const struct nj_revisions *revisions, const char *name_or_hash);

/* "c=registry/web:2, logger=...", as nj_rollouts_images(); the caller frees it. */
char *nj_revision_images(const struct nj_revision *revision);

#endif
