/* What a workload and its earlier templates say, and what is changed to bring one back. Pure. */
#include <stdlib.h>
#include <string.h>

#include "collector/sla/json_get.h"
#include "collector/sla/rollback_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { HASHES_MAX = 8 /* in the annotation */ };

static int64_t number_of(struct json_object *object, const char *name)
{
    return json_object_get_int64(nj_sla_json_get(object, name));
}

static bool has_hash(const char *list, const char *hash)
{
    size_t len = strlen(hash);
    for (const char *at = list; *at != '\0'; at += *at == ',' ? 1 : 0) {
        size_t word = strcspn(at, ",");
        if (word == len && memcmp(at, hash, len) == 0)
            return true;
        at += word;
    }
    return false;
}

/* Its revision as nj_workloads_item has it. */
static const char *revision_of(const struct nj_rollback_job *job)
{
    struct json_object *annotations =
        nj_sla_json_get(nj_sla_json_get(job->current, "metadata"), "annotations");
    if (job->kind == NJ_WORKLOADS_STATEFUL_SET)
        return nj_sla_json_text(nj_sla_json_get(job->current, "status"), "updateRevision");
    return nj_sla_json_text(annotations, job->kind == NJ_WORKLOADS_DAEMON_SET
                                             ? "deprecated.daemonset.template.generation"
                                             : "deployment.kubernetes.io/revision");
}

/* It is the template that failed: what its controller has looked at since has the same revision. */
static bool is_unchanged(const struct nj_rollback_job *job)
{
    struct json_object *metadata = nj_sla_json_get(job->current, "metadata");
    int64_t generation = number_of(metadata, "generation");
    int64_t observed = number_of(nj_sla_json_get(job->current, "status"), "observedGeneration");
    return nj_streq(nj_sla_json_text(metadata, "uid"), job->uid) &&
           (generation == job->generation || observed >= generation) &&
           nj_streq(revision_of(job), job->revision);
}

const char *nj_rollback_objection(const struct nj_rollback_job *job)
{
    struct json_object *annotations =
        nj_sla_json_get(nj_sla_json_get(job->current, "metadata"), "annotations");
    if (!is_unchanged(job))
        return "it was changed meanwhile";
    if (nj_sla_json_text(annotations, NJ_ROLLBACK_ANNOTATION)[0] == '\0')
        return "the annotation " NJ_ROLLBACK_ANNOTATION " is gone";
    if (json_object_get_boolean(nj_sla_json_get(nj_sla_json_get(job->current, "spec"), "paused")))
        return "it is paused";
    if (job->hash != NULL && has_hash(nj_sla_json_text(annotations, NJ_ROLLBACK_DONE_ANNOTATION), job->hash))
        return "this template was rolled back before";
    return NULL;
}

struct json_object *nj_rollback_set_template(const struct nj_rollback_job *job, struct json_object *set)
{
    struct json_object *template = nj_sla_json_get(nj_sla_json_get(set, "spec"), "template");
    struct json_object *labels = nj_sla_json_get(nj_sla_json_get(template, "metadata"), "labels");
    struct json_object *owners = nj_sla_json_get(nj_sla_json_get(set, "metadata"), "ownerReferences");
    size_t count = json_object_is_type(owners, json_type_array) ? json_object_array_length(owners) : 0;
    bool owned = false;
    for (size_t i = 0; i < count; i++)
        owned |= nj_streq(nj_sla_json_text(json_object_array_get_idx(owners, i), "uid"), job->uid);
    if (!owned)
        return NULL;
    if (labels != NULL)
        json_object_object_del(labels, "pod-template-hash");
    return template;
}

static void add_operation(struct json_object *patch, const char *op, const char *path,
                          struct json_object *take_value)
{
    struct json_object *operation = json_object_new_object();
    json_object_object_add(operation, "op", json_object_new_string(op));
    json_object_object_add(operation, "path", json_object_new_string(path));
    json_object_object_add(operation, "value", take_value);
    json_object_array_add(patch, operation);
}

static char *hashes(const struct nj_rollback_job *job)
{
    struct json_object *annotations =
        nj_sla_json_get(nj_sla_json_get(job->current, "metadata"), "annotations");
    const char *before = nj_sla_json_text(annotations, NJ_ROLLBACK_DONE_ANNOTATION);
    size_t count = before[0] == '\0' ? 0 : 1;
    for (const char *at = before; (at = strchr(at, ',')) != NULL; at++)
        count++;
    for (; count >= HASHES_MAX; count--)
        before = strchr(before, ',') + 1;
    return nj_asprintf("%s%s%s", before, before[0] == '\0' ? "" : ",", job->hash);
}

void nj_rollback_make_patch(struct nj_rollback_job *job, struct json_object *template)
{
    struct json_object *metadata = nj_sla_json_get(job->current, "metadata");
    struct json_object *patch = json_object_new_array();
    NJ_CLEANUP_FREE char *list = hashes(job);
    NJ_CLEANUP_FREE char *cause = nj_asprintf("nightjar: rolled back revision %s to revision %s: %s",
                                              job->revision, job->to_revision, job->reason);
    /* Refused with 409 when it is another one by now. */
    add_operation(patch, "replace", "/metadata/resourceVersion",
                  json_object_new_string(nj_sla_json_text(metadata, "resourceVersion")));
    add_operation(patch, "replace", "/spec/template", json_object_get(template));
    add_operation(patch, "add", "/metadata/annotations/kubernetes.io~1change-cause",
                  json_object_new_string(cause));
    add_operation(patch, "add", "/metadata/annotations/nightjar.dev~1rolled-back",
                  json_object_new_string(list));
    free(job->patch);
    job->patch = nj_strdup(
        json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(patch);
}

/* In order from the highest: the lowest of the new ones is what the others wait for. -1: there is no new one.
 */
static int64_t stuck_ordinal(const struct nj_rollback_job *job)
{
    struct json_object *spec = nj_sla_json_get(job->current, "spec");
    struct json_object *replicas = nj_sla_json_get(spec, "replicas");
    int64_t updated = number_of(nj_sla_json_get(job->current, "status"), "updatedReplicas");
    int64_t wanted = replicas == NULL ? 1 : json_object_get_int64(replicas);
    if (updated < 1 || updated > wanted)
        return -1;
    return number_of(nj_sla_json_get(spec, "ordinals"), "start") + wanted - updated;
}

char *nj_rollback_by_hand(const struct nj_rollback_job *job)
{
    struct json_object *spec = nj_sla_json_get(job->current, "spec");
    if (nj_streq(nj_sla_json_text(nj_sla_json_get(spec, "updateStrategy"), "type"), "OnDelete"))
        return nj_strdup("; its pods change when somebody deletes them (updateStrategy OnDelete)");
    int64_t ordinal = job->kind == NJ_WORKLOADS_STATEFUL_SET &&
                              !nj_streq(nj_sla_json_text(spec, "podManagementPolicy"), "Parallel")
                          ? stuck_ordinal(job)
                          : -1;
    if (ordinal < 0)
        return nj_strdup("");
    return nj_asprintf("; a StatefulSet waits for a pod that never becomes ready, also for one of the failed "
                       "revision (Kubernetes issue 67250): if %s-%lld stays so, delete it by hand",
                       job->workload, (long long)ordinal);
}
