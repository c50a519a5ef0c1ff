/* What one object, one pod's name, one reason says of a rollout. Pure. */
#include <string.h>

#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { IMAGES_MAX = 2048 };

enum nj_rollout_trouble nj_rollouts_trouble_of(const char *reason)
{
    static const struct {
        const char *reason;
        enum nj_rollout_trouble trouble;
    } rows[] = {
        /* pkg/kubelet/images/types.go, pkg/kubelet/container/sync_result.go, kuberuntime_container.go */
        {"ErrImagePull", NJ_ROLLOUT_CANNOT_START},
        {"ImagePullBackOff", NJ_ROLLOUT_CANNOT_START},
        {"InvalidImageName", NJ_ROLLOUT_CANNOT_START},
        {"ErrImageNeverPull", NJ_ROLLOUT_CANNOT_START},
        {"ImageInspectError", NJ_ROLLOUT_CANNOT_START},
        {"RegistryUnavailable", NJ_ROLLOUT_CANNOT_START},
        {"SignatureValidationFailed", NJ_ROLLOUT_CANNOT_START},
        {"CreateContainerConfigError", NJ_ROLLOUT_CANNOT_START},
        {"CreateContainerError", NJ_ROLLOUT_CANNOT_START},
        {"PreCreateHookError", NJ_ROLLOUT_CANNOT_START},
        {"PreStartHookError", NJ_ROLLOUT_CANNOT_START},
        {"PostStartHookError", NJ_ROLLOUT_CANNOT_START},
        {"RunContainerError", NJ_ROLLOUT_CANNOT_START},
        {"CrashLoopBackOff", NJ_ROLLOUT_LOOPS},
        {NJ_ROLLOUT_CHECK_FAILED, NJ_ROLLOUT_CHECK},
        /* A node may still be made, a volume attached: the deadline decides. */
        {"Unschedulable", NJ_ROLLOUT_WAITS},
        {"ContainerCreating", NJ_ROLLOUT_WAITS},
        {"PodInitializing", NJ_ROLLOUT_WAITS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (nj_streq(rows[i].reason, reason))
            return rows[i].trouble;
    }
    return NJ_ROLLOUT_CRASHES;
}

bool nj_rollouts_is_done(const struct nj_workloads_item *item)
{
    const struct nj_workload_object *object = item->object;
    if (object->observed_generation < item->generation)
        return false;
    switch (item->kind) {
    case NJ_WORKLOADS_DEPLOYMENT:
        return object->updated >= object->desired && object->replicas <= object->updated &&
               object->available >= object->updated;
    case NJ_WORKLOADS_STATEFUL_SET:
        return object->ready >= object->desired &&
               (object->updated >= object->desired - object->partition ||
                nj_streq(object->update_revision, object->current_revision));
    case NJ_WORKLOADS_DAEMON_SET:
        return object->updated >= object->desired && object->available >= object->desired;
    default:
        return true;
    }
}

static const struct nj_pod_condition *progressing(const struct nj_workloads_item *item)
{
    const struct nj_workload_object *object = item->object;
    for (size_t i = 0; i < object->conditions_count; i++) {
        if (nj_streq(object->conditions[i].type, "Progressing"))
            return &object->conditions[i];
    }
    return NULL;
}

const struct nj_pod_condition *nj_rollouts_deadline_passed(const struct nj_workloads_item *item,
                                                           int64_t began_ns)
{
    const struct nj_pod_condition *condition = progressing(item);
    /* One of the rollout before may still stand; its times are whole seconds. */
    if (item->kind != NJ_WORKLOADS_DEPLOYMENT || condition == NULL || !nj_streq(condition->status, "False") ||
        !nj_streq(condition->reason, "ProgressDeadlineExceeded") ||
        condition->last_transition_ns < began_ns - NJ_SEC)
        return NULL;
    return condition;
}

bool nj_rollouts_brought_one(const struct nj_workloads_item *item)
{
    const struct nj_workload_object *object = item->object;
    return object->observed_generation >= item->generation && object->updated > 0 &&
           object->available > object->replicas - object->updated;
}

bool nj_rollouts_is_under_way(const struct nj_workloads_item *item)
{
    const struct nj_pod_condition *condition = progressing(item);
    if (nj_rollouts_is_done(item))
        return false;
    switch (item->kind) {
    case NJ_WORKLOADS_DEPLOYMENT: /* NewReplicaSetAvailable stays through a later loss */
        return condition != NULL && !nj_streq(condition->reason, "NewReplicaSetAvailable");
    case NJ_WORKLOADS_STATEFUL_SET:
        return !nj_streq(item->object->update_revision, item->object->current_revision);
    case NJ_WORKLOADS_DAEMON_SET:
        return item->object->updated < item->object->desired;
    default:
        return false;
    }
}

char *nj_rollouts_images(const struct nj_workload_object *object)
{
    struct nj_buf text = {.max = IMAGES_MAX};
    for (size_t i = 0; i < object->containers_count; i++) {
        const struct nj_container_spec *container = &object->containers[i];
        if (nj_buf_printf(&text, "%s%s=%s", text.len == 0 ? "" : ", ", container->name, container->image) < 0)
            break;
    }
    char *images = nj_strdup(nj_buf_str(&text));
    nj_buf_done(&text);
    return images;
}

int64_t nj_rollouts_ordinal(const char *stateful_set, const char *pod)
{
    size_t len = strlen(stateful_set);
    int64_t ordinal;
    if (strncmp(pod, stateful_set, len) != 0 || pod[len] != '-' ||
        nj_parse_int(pod + len + 1, 0, INT32_MAX, &ordinal) < 0)
        return -1;
    return ordinal;
}

bool nj_rollouts_has_hash(const char *deployment, const char *hash, const char *pod)
{
    /* A name that is too long is cut before the five random characters (apiserver's
     * names.SimpleNameGenerator), never within the hash: a ReplicaSet's name has to fit as it is. */
    size_t name_len = strlen(deployment), hash_len = strlen(hash);
    return strncmp(pod, deployment, name_len) == 0 && pod[name_len] == '-' &&
           strncmp(pod + name_len + 1, hash, hash_len) == 0 && pod[name_len + 1 + hash_len] == '-';
}

static int64_t longest_s(const struct nj_pod_probe *probe)
{
    if (probe->kind == NJ_POD_PROBE_NONE)
        return 0;
    return (int64_t)probe->initial_delay_seconds + (int64_t)probe->period_seconds * probe->failure_threshold +
           probe->timeout_seconds;
}

int64_t nj_rollouts_allowance_ns(const struct nj_workload_object *workload)
{
    enum { OTHERS_DEADLINE_S = NJ_ROLLOUTS_STILL_NS / NJ_SEC };
    int64_t most_s =
        workload->progress_deadline_seconds > 0 ? workload->progress_deadline_seconds : OTHERS_DEADLINE_S;
    int64_t longest = 0;
    for (size_t i = 0; i < workload->containers_count; i++) {
        const struct nj_container_spec *container = &workload->containers[i];
        if (container->type != NJ_CONTAINER_APP)
            continue;
        int64_t own_s = longest_s(&container->startup) + longest_s(&container->readiness);
        longest = own_s > longest ? own_s : longest;
    }
    longest += workload->min_ready_seconds;
    if (longest < NJ_ROLLOUTS_ALLOWANCE_NS / NJ_SEC)
        longest = NJ_ROLLOUTS_ALLOWANCE_NS / NJ_SEC;
    return (longest < most_s ? longest : most_s) * NJ_SEC;
}

int64_t nj_rollouts_absence_ns(const struct nj_workloads_item *workload)
{
    bool makes_room =
        workload->kind != NJ_WORKLOADS_DEPLOYMENT || nj_streq(workload->object->strategy, "Recreate");
    int64_t grace_ns = workload->object->grace_seconds > 0 ? workload->object->grace_seconds * NJ_SEC : 0;
    if (grace_ns > NJ_ROLLOUTS_GRACE_MAX_NS)
        grace_ns = NJ_ROLLOUTS_GRACE_MAX_NS;
    return nj_rollouts_allowance_ns(workload->object) + (makes_room ? grace_ns : 0);
}
