/* Workloads and PodDisruptionBudgets. */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/kube/decode_pb_internal.h"

static bool set_selector(struct nj_pb_arena *allocator, const K8s__LabelSelector *pb,
                         const struct nj_kube_pair **ret_pairs, size_t *ret_count, bool *ret_expressions)
{
    if (pb == NULL)
        return true;
    *ret_expressions = pb->n_matchexpressions > 0;
    return nj_pb_pairs(allocator, pb->matchlabels, pb->n_matchlabels, ret_pairs, ret_count);
}

static bool set_template(struct nj_pb_arena *allocator, const K8s__PodTemplateSpec *pb,
                         struct nj_workload_object *workload)
{
    struct nj_kube_object pod = nj_kube_object_empty(NJ_KUBE_POD);
    if (pb == NULL)
        return true;
    if (pb->metadata != NULL && !nj_pb_pairs(allocator, pb->metadata->labels, pb->metadata->n_labels,
                                             &workload->template_labels, &workload->template_labels_count))
        return false;
    struct nj_pb_field spec = {.data = pb->spec.data, .len = pb->spec.len};
    if (spec.data != NULL && !nj_pb_decode_pod_spec(allocator, &spec, &pod))
        return false;
    workload->containers = pod.pod.containers;
    workload->containers_count = pod.pod.containers_count;
    workload->grace_seconds = pod.pod.grace_seconds;
    return true;
}

static void set_strategy(const char *type, struct nj_workload_object *workload)
{
    if (type != NULL && type[0] != '\0')
        workload->strategy = type;
}

static bool set_common(struct nj_pb_arena *allocator, const K8s__LabelSelector *selector,
                       const K8s__PodTemplateSpec *template, struct nj_workload_object *workload)
{
    return set_selector(allocator, selector, &workload->selector, &workload->selector_count,
                        &workload->selector_has_expressions) &&
           set_template(allocator, template, workload);
}

static bool deployment_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                            struct nj_workload_object *workload)
{
    const K8s__DeploymentSpec *pb = k8s__deployment_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    if (pb->has_replicas)
        workload->desired = pb->replicas;
    if (pb->has_progressdeadlineseconds)
        workload->progress_deadline_seconds = pb->progressdeadlineseconds;
    workload->min_ready_seconds = pb->minreadyseconds;
    workload->paused = pb->paused;
    set_strategy(pb->strategy == NULL ? NULL : pb->strategy->type, workload);
    return set_common(allocator, pb->selector, pb->template_, workload);
}

static bool stateful_set_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                              struct nj_workload_object *workload)
{
    const K8s__StatefulSetSpec *pb =
        k8s__stateful_set_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    if (pb->has_replicas)
        workload->desired = pb->replicas;
    workload->min_ready_seconds = pb->minreadyseconds;
    if (pb->updatestrategy != NULL) {
        set_strategy(pb->updatestrategy->type, workload);
        if (pb->updatestrategy->rollingupdate != NULL)
            workload->partition = pb->updatestrategy->rollingupdate->partition;
    }
    return set_common(allocator, pb->selector, pb->template_, workload);
}

static bool daemon_set_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                            struct nj_workload_object *workload)
{
    const K8s__DaemonSetSpec *pb = k8s__daemon_set_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    workload->min_ready_seconds = pb->minreadyseconds;
    set_strategy(pb->updatestrategy == NULL ? NULL : pb->updatestrategy->type, workload);
    return set_common(allocator, pb->selector, pb->template_, workload);
}

static bool replica_set_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                             struct nj_workload_object *workload)
{
    const K8s__ReplicaSetSpec *pb = k8s__replica_set_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    if (pb->has_replicas)
        workload->desired = pb->replicas;
    workload->min_ready_seconds = pb->minreadyseconds;
    return set_common(allocator, pb->selector, pb->template_, workload);
}

static bool job_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                     struct nj_workload_object *workload)
{
    const K8s__JobSpec *pb = k8s__job_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    if (pb->has_parallelism)
        workload->desired = pb->parallelism;
    if (pb->has_completions)
        workload->completions = pb->completions;
    workload->paused = pb->suspend;
    return set_common(allocator, pb->selector, pb->template_, workload);
}

bool nj_pb_decode_workload_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                struct nj_kube_object *object)
{
    switch (object->kind) {
    case NJ_KUBE_STATEFUL_SET:
        return stateful_set_spec(allocator, field, &object->workload);
    case NJ_KUBE_DAEMON_SET:
        return daemon_set_spec(allocator, field, &object->workload);
    case NJ_KUBE_REPLICA_SET:
        return replica_set_spec(allocator, field, &object->workload);
    case NJ_KUBE_JOB:
        return job_spec(allocator, field, &object->workload);
    default:
        return deployment_spec(allocator, field, &object->workload);
    }
}

static bool set_conditions(struct nj_pb_arena *allocator, K8s__SetCondition **from, size_t count,
                           struct nj_workload_object *workload)
{
    struct nj_pod_condition *conditions;
    if (!nj_pb_array(allocator, count, sizeof(*conditions), &conditions))
        return false;
    for (size_t i = 0; i < count; i++)
        conditions[i] =
            (struct nj_pod_condition){.type = nj_str(from[i]->type),
                                      .status = nj_str(from[i]->status),
                                      .reason = nj_str(from[i]->reason),
                                      .message = nj_str(from[i]->message),
                                      .last_transition_ns = nj_pb_time_ns(from[i]->lasttransitiontime)};
    workload->conditions = conditions;
    workload->conditions_count = count;
    return true;
}

static bool deployment_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                              struct nj_workload_object *workload)
{
    const K8s__DeploymentStatus *pb =
        k8s__deployment_status__unpack(&allocator->base, field->len, field->data);
    struct nj_pod_condition *conditions;
    if (pb == NULL || !nj_pb_array(allocator, pb->n_conditions, sizeof(*conditions), &conditions))
        return false;
    for (size_t i = 0; i < pb->n_conditions; i++) {
        const K8s__DeploymentCondition *from = pb->conditions[i];
        conditions[i] =
            (struct nj_pod_condition){.type = nj_str(from->type),
                                      .status = nj_str(from->status),
                                      .reason = nj_str(from->reason),
                                      .message = nj_str(from->message),
                                      .last_transition_ns = nj_pb_time_ns(from->lasttransitiontime)};
    }
    workload->conditions = conditions;
    workload->conditions_count = pb->n_conditions;
    workload->observed_generation = pb->observedgeneration;
    workload->replicas = pb->replicas;
    workload->updated = pb->updatedreplicas;
    workload->ready = pb->readyreplicas;
    workload->available = pb->availablereplicas;
    return true;
}

static bool stateful_set_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                struct nj_workload_object *workload)
{
    const K8s__StatefulSetStatus *pb =
        k8s__stateful_set_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    workload->observed_generation = pb->observedgeneration;
    workload->replicas = pb->replicas;
    workload->updated = pb->updatedreplicas;
    workload->ready = pb->readyreplicas;
    workload->available = pb->has_availablereplicas ? pb->availablereplicas : pb->readyreplicas;
    workload->current_revision = nj_str(pb->currentrevision);
    workload->update_revision = nj_str(pb->updaterevision);
    return set_conditions(allocator, pb->conditions, pb->n_conditions, workload);
}

static bool daemon_set_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                              struct nj_workload_object *workload)
{
    const K8s__DaemonSetStatus *pb =
        k8s__daemon_set_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    workload->desired = pb->desirednumberscheduled;
    workload->observed_generation = pb->observedgeneration;
    workload->replicas = pb->currentnumberscheduled;
    workload->updated = pb->updatednumberscheduled;
    workload->ready = pb->numberready;
    workload->available = pb->numberavailable;
    return set_conditions(allocator, pb->conditions, pb->n_conditions, workload);
}

static bool replica_set_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                               struct nj_workload_object *workload)
{
    const K8s__ReplicaSetStatus *pb =
        k8s__replica_set_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    workload->observed_generation = pb->observedgeneration;
    workload->replicas = pb->replicas;
    workload->ready = pb->readyreplicas;
    workload->available = pb->availablereplicas;
    return set_conditions(allocator, pb->conditions, pb->n_conditions, workload);
}

static bool job_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                       struct nj_workload_object *workload)
{
    const K8s__JobStatus *pb = k8s__job_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    workload->replicas = pb->active;
    workload->ready = pb->ready;
    workload->succeeded = pb->succeeded;
    return nj_pb_conditions(allocator, pb->conditions, pb->n_conditions, &workload->conditions,
                            &workload->conditions_count);
}

bool nj_pb_decode_workload_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                  struct nj_kube_object *object)
{
    switch (object->kind) {
    case NJ_KUBE_STATEFUL_SET:
        return stateful_set_status(allocator, field, &object->workload);
    case NJ_KUBE_DAEMON_SET:
        return daemon_set_status(allocator, field, &object->workload);
    case NJ_KUBE_REPLICA_SET:
        return replica_set_status(allocator, field, &object->workload);
    case NJ_KUBE_JOB:
        return job_status(allocator, field, &object->workload);
    default:
        return deployment_status(allocator, field, &object->workload);
    }
}

bool nj_pb_decode_workload_metadata(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                    struct nj_kube_object *object)
{
    enum { MANAGED_FIELDS = 17 };
    struct nj_pb_reader reader = {.at = field->data, .end = field->data + field->len};
    struct nj_pb_field entry;
    int64_t latest_ns = INT64_MIN;
    int rc;
    while ((rc = nj_pb_next(&reader, &entry)) > 0) {
        if (entry.number != MANAGED_FIELDS || entry.wire != NJ_PB_BYTES ||
            !nj_kube_names_template(entry.data, entry.len))
            continue;
        const K8s__ManagedFieldsEntry *pb =
            k8s__managed_fields_entry__unpack(&allocator->base, entry.len, entry.data);
        if (pb == NULL)
            return false;
        const ProtobufCBinaryData *raw = pb->fieldsv1 == NULL ? NULL : &pb->fieldsv1->raw;
        if (nj_str(pb->subresource)[0] != '\0' || raw == NULL ||
            !nj_kube_names_template(raw->data, raw->len) || nj_pb_time_ns(pb->time) < latest_ns)
            continue;
        latest_ns = nj_pb_time_ns(pb->time);
        object->workload.changed_by = nj_str(pb->manager);
    }
    return rc == 0;
}

/* As text; "" when the arena is full, which the allocator then says. */
static const char *limit_text(struct nj_pb_arena *allocator, const K8s__IntOrString *limit)
{
    enum { AS_STRING = 1 };
    char text[NJ_KUBE_LIMIT_TEXT_MAX];
    if (limit == NULL)
        return "";
    if (limit->type == AS_STRING)
        return nj_str(limit->strval);
    (void)snprintf(text, sizeof(text), "%d", limit->intval);
    const char *copy = nj_arena_strndup(allocator->arena, text, strlen(text));
    allocator->full = allocator->full || copy == NULL;
    return nj_str(copy);
}

bool nj_pb_decode_budget_spec(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                              struct nj_kube_object *object)
{
    struct nj_budget_object *budget = &object->budget;
    const K8s__PodDisruptionBudgetSpec *pb =
        k8s__pod_disruption_budget_spec__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    budget->has_selector = pb->selector != NULL;
    budget->min_available = limit_text(allocator, pb->minavailable);
    budget->max_unavailable = limit_text(allocator, pb->maxunavailable);
    return !allocator->full && set_selector(allocator, pb->selector, &budget->selector,
                                            &budget->selector_count, &budget->selector_has_expressions);
}

bool nj_pb_decode_budget_status(struct nj_pb_arena *allocator, const struct nj_pb_field *field,
                                struct nj_kube_object *object)
{
    struct nj_budget_object *budget = &object->budget;
    const K8s__PodDisruptionBudgetStatus *pb =
        k8s__pod_disruption_budget_status__unpack(&allocator->base, field->len, field->data);
    if (pb == NULL)
        return false;
    budget->observed_generation = pb->observedgeneration;
    budget->disruptions_allowed = pb->disruptionsallowed;
    budget->current_healthy = pb->currenthealthy;
    budget->desired_healthy = pb->desiredhealthy;
    budget->expected_pods = pb->expectedpods;
    return true;
}
