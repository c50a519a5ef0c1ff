/* Workloads and PodDisruptionBudgets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"

static void read_selector(struct nj_json_reader *reader, struct json_object *selector,
                          const struct nj_kube_pair **ret_pairs, size_t *ret_count, bool *ret_expressions)
{
    nj_json_pairs(reader, nj_json_get(selector, "matchLabels"), ret_pairs, ret_count);
    *ret_expressions = nj_json_len(nj_json_get(selector, "matchExpressions")) > 0;
}

static int32_t int_or(struct json_object *json, const char *key, int32_t absent)
{
    return json_object_is_type(nj_json_get(json, key), json_type_int) ? nj_json_int32(json, key) : absent;
}

/* Its selector and its template. */
static void read_common(struct nj_json_reader *reader, struct json_object *json,
                        struct nj_workload_object *workload)
{
    struct nj_kube_object pod = nj_kube_object_empty(NJ_KUBE_POD);
    struct json_object *template = nj_json_get(json, "template");
    read_selector(reader, nj_json_get(json, "selector"), &workload->selector, &workload->selector_count,
                  &workload->selector_has_expressions);
    nj_json_pairs(reader, nj_json_get(nj_json_get(template, "metadata"), "labels"),
                  &workload->template_labels, &workload->template_labels_count);
    nj_json_read_pod_spec(reader, nj_json_get(template, "spec"), &pod);
    workload->containers = pod.pod.containers;
    workload->containers_count = pod.pod.containers_count;
    workload->grace_seconds = pod.pod.grace_seconds;
}

void nj_json_read_workload_spec(struct nj_json_reader *reader, struct json_object *json,
                                struct nj_kube_object *object)
{
    struct nj_workload_object *workload = &object->workload;
    struct json_object *strategy =
        nj_json_get(json, object->kind == NJ_KUBE_DEPLOYMENT ? "strategy" : "updateStrategy");
    read_common(reader, json, workload);
    workload->min_ready_seconds = nj_json_int32(json, "minReadySeconds");
    if (object->kind != NJ_KUBE_DAEMON_SET)
        workload->desired = int_or(json, "replicas", workload->desired);
    if (object->kind != NJ_KUBE_REPLICA_SET)
        workload->strategy = nj_kube_or(nj_json_string(reader, strategy, "type"), workload->strategy);
    if (object->kind == NJ_KUBE_STATEFUL_SET)
        workload->partition = nj_json_int32(nj_json_get(strategy, "rollingUpdate"), "partition");
    if (object->kind == NJ_KUBE_DEPLOYMENT) {
        workload->paused = nj_json_bool(json, "paused", false);
        workload->progress_deadline_seconds =
            int_or(json, "progressDeadlineSeconds", (int32_t)workload->progress_deadline_seconds);
    }
}

void nj_json_read_workload_status(struct nj_json_reader *reader, struct json_object *json,
                                  struct nj_kube_object *object)
{
    struct nj_workload_object *workload = &object->workload;
    workload->observed_generation = nj_json_int(json, "observedGeneration", 0);
    nj_json_conditions(reader, nj_json_get(json, "conditions"), &workload->conditions,
                       &workload->conditions_count);
    if (object->kind == NJ_KUBE_DAEMON_SET) {
        workload->desired = nj_json_int32(json, "desiredNumberScheduled");
        workload->replicas = nj_json_int32(json, "currentNumberScheduled");
        workload->updated = nj_json_int32(json, "updatedNumberScheduled");
        workload->ready = nj_json_int32(json, "numberReady");
        workload->available = nj_json_int32(json, "numberAvailable");
        return;
    }
    workload->replicas = nj_json_int32(json, "replicas");
    workload->ready = nj_json_int32(json, "readyReplicas");
    workload->available =
        int_or(json, "availableReplicas", object->kind == NJ_KUBE_STATEFUL_SET ? workload->ready : 0);
    if (object->kind != NJ_KUBE_REPLICA_SET)
        workload->updated = nj_json_int32(json, "updatedReplicas");
    if (object->kind == NJ_KUBE_STATEFUL_SET) {
        workload->current_revision = nj_json_string(reader, json, "currentRevision");
        workload->update_revision = nj_json_string(reader, json, "updateRevision");
    }
}

void nj_json_read_job_spec(struct nj_json_reader *reader, struct json_object *json,
                           struct nj_kube_object *object)
{
    struct nj_workload_object *workload = &object->workload;
    read_common(reader, json, workload);
    workload->desired = int_or(json, "parallelism", workload->desired);
    workload->completions = int_or(json, "completions", workload->completions);
    workload->paused = nj_json_bool(json, "suspend", false);
}

void nj_json_read_job_status(struct nj_json_reader *reader, struct json_object *json,
                             struct nj_kube_object *object)
{
    struct nj_workload_object *workload = &object->workload;
    nj_json_conditions(reader, nj_json_get(json, "conditions"), &workload->conditions,
                       &workload->conditions_count);
    workload->replicas = nj_json_int32(json, "active");
    workload->ready = nj_json_int32(json, "ready");
    workload->succeeded = nj_json_int32(json, "succeeded");
}

/* An entry of managedFields. */
struct managed {
    struct nj_json_member manager, subresource, fields;
    int64_t time_ns;
};

static bool read_managed(struct nj_json_reader *reader, const struct nj_json_member *text,
                         struct managed *ret_managed)
{
    struct managed managed = {.time_ns = 0};
    struct nj_json_skim skim;
    struct nj_json_member member;
    int rc = 0;
    if (nj_json_skim_open(&skim, text->value, text->value_len) == 0) /* no object reads as an empty one */
        while ((rc = nj_json_skim_next(&skim, &member)) > 0) {
            if (nj_json_member_is(&member, "manager"))
                managed.manager = member;
            else if (nj_json_member_is(&member, "subresource"))
                managed.subresource = member;
            else if (nj_json_member_is(&member, "fieldsV1"))
                managed.fields = member;
            else if (nj_json_member_is(&member, "time"))
                managed.time_ns = nj_json_time_text(nj_json_unquote(reader, &member));
        }
    *ret_managed = managed;
    return rc == 0;
}

static const char *unquote(struct nj_json_reader *reader, const struct nj_json_member *member)
{
    return member->value == NULL ? "" : nj_json_unquote(reader, member);
}

bool nj_json_read_changed_by(struct nj_json_reader *reader, const struct nj_json_member *managed_fields,
                             struct nj_workload_object *workload)
{
    struct nj_json_skim skim;
    struct nj_json_member element;
    int64_t latest_ns = INT64_MIN;
    int rc;
    if (managed_fields->value == NULL ||
        nj_json_skim_open_array(&skim, managed_fields->value, managed_fields->value_len) < 0)
        return true;
    while ((rc = nj_json_skim_next_element(&skim, &element)) > 0) {
        struct managed managed;
        if (!read_managed(reader, &element, &managed))
            return false;
        if (managed.fields.value == NULL ||
            !nj_kube_names_template(managed.fields.value, managed.fields.value_len) ||
            managed.time_ns < latest_ns || unquote(reader, &managed.subresource)[0] != '\0')
            continue;
        latest_ns = managed.time_ns;
        workload->changed_by = unquote(reader, &managed.manager);
    }
    return rc == 0;
}

/* An IntOrString as text. */
static const char *read_limit(struct nj_json_reader *reader, struct json_object *json, const char *key)
{
    char text[NJ_KUBE_LIMIT_TEXT_MAX];
    struct json_object *value = nj_json_get(json, key);
    if (!json_object_is_type(value, json_type_int))
        return nj_json_copy(reader, value);
    (void)snprintf(text, sizeof(text), "%" PRId32, nj_json_int32(json, key));
    const char *copy = nj_arena_strndup(reader->arena, text, strlen(text));
    reader->full = reader->full || copy == NULL;
    return nj_str(copy);
}

void nj_json_read_budget_spec(struct nj_json_reader *reader, struct json_object *json,
                              struct nj_kube_object *object)
{
    struct nj_budget_object *budget = &object->budget;
    struct json_object *selector = nj_json_get(json, "selector");
    budget->has_selector = json_object_is_type(selector, json_type_object);
    budget->min_available = read_limit(reader, json, "minAvailable");
    budget->max_unavailable = read_limit(reader, json, "maxUnavailable");
    read_selector(reader, selector, &budget->selector, &budget->selector_count,
                  &budget->selector_has_expressions);
}

void nj_json_read_budget_status(struct nj_json_reader *reader, struct json_object *json,
                                struct nj_kube_object *object)
{
    struct nj_budget_object *budget = &object->budget;
    (void)reader;
    budget->observed_generation = nj_json_int(json, "observedGeneration", 0);
    budget->disruptions_allowed = nj_json_int32(json, "disruptionsAllowed");
    budget->current_healthy = nj_json_int32(json, "currentHealthy");
    budget->desired_healthy = nj_json_int32(json, "desiredHealthy");
    budget->expected_pods = nj_json_int32(json, "expectedPods");
}
