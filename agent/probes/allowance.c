#include "agent/probes/allowance.h"

#include <string.h>

#include "common/base/clock.h"

/* How long this probe may take until it is over, one way or the other. */
static int64_t longest_s(const struct nj_pod_probe *probe)
{
    if (probe->kind == NJ_POD_PROBE_NONE)
        return 0;
    return (int64_t)probe->initial_delay_seconds + (int64_t)probe->period_seconds * probe->failure_threshold +
           probe->timeout_seconds;
}

static int64_t of_container(const struct nj_container_spec *container)
{
    int64_t readiness_s = longest_s(&container->readiness);
    int64_t liveness_s = longest_s(&container->liveness);
    if (container->startup.kind != NJ_POD_PROBE_NONE)
        return longest_s(&container->startup) + readiness_s;
    if (container->liveness.kind != NJ_POD_PROBE_NONE)
        return liveness_s > readiness_s ? liveness_s : readiness_s;
    return -1;
}

static int64_t of_probes(const struct nj_pod_object *pod)
{
    int64_t longest = 0;
    for (size_t i = 0; i < pod->containers_count; i++) {
        const struct nj_container_spec *container = &pod->containers[i];
        if (container->type != NJ_CONTAINER_APP)
            continue;
        int64_t own_s = of_container(container);
        if (own_s < 0)
            return -1;
        longest = own_s > longest ? own_s : longest;
    }
    return longest;
}

static int64_t initialized_ns(const struct nj_pod_object *pod)
{
    const struct nj_pod_condition *condition = nj_pod_condition(pod, "Initialized");
    bool is = condition != NULL && strcmp(condition->status, "True") == 0;
    return is && condition->last_transition_ns > 0 ? condition->last_transition_ns : pod->started_ns;
}

/* When it was started for the first time; 0: not yet. The status knows the newest two instances only: what
 * was restarted more often began soon after the init containers were done. */
static int64_t first_start_ns(const struct nj_pod_object *pod, const struct nj_container_status *status)
{
    if (status->restart_count > 1)
        return initialized_ns(pod);
    if (status->last_state.kind == NJ_STATE_TERMINATED)
        return status->last_state.started_ns > 0 ? status->last_state.started_ns : initialized_ns(pod);
    if (status->state.kind == NJ_STATE_RUNNING || status->state.kind == NJ_STATE_TERMINATED)
        return status->state.started_ns > 0 ? status->state.started_ns : initialized_ns(pod);
    return 0;
}

static const struct nj_container_status *status_of(const struct nj_pod_object *pod, const char *name)
{
    for (size_t i = 0; i < pod->statuses_count; i++) {
        if (strcmp(pod->statuses[i].name, name) == 0)
            return &pod->statuses[i];
    }
    return NULL;
}

static int64_t began_ns(const struct nj_pod_object *pod)
{
    int64_t latest_ns = 0;
    for (size_t i = 0; i < pod->containers_count; i++) {
        if (pod->containers[i].type != NJ_CONTAINER_APP)
            continue;
        const struct nj_container_status *status = status_of(pod, pod->containers[i].name);
        int64_t start_ns = status == NULL ? 0 : first_start_ns(pod, status);
        if (start_ns == 0)
            return 0;
        latest_ns = start_ns > latest_ns ? start_ns : latest_ns;
    }
    return latest_ns;
}

void nj_allowance_read(const struct nj_pod_object *pod, const struct nj_allowance *before,
                       struct nj_allowance *ret_allowance)
{
    const struct nj_pod_condition *ready = nj_pod_condition(pod, "Ready");
    bool is_ready = ready != NULL && strcmp(ready->status, "True") == 0;
    bool had_begun = before != NULL && before->began_ns != 0;
    *ret_allowance = (struct nj_allowance){
        .began_ns = had_begun ? before->began_ns : began_ns(pod),
        .own_s = of_probes(pod),
        .ready = is_ready || (before != NULL && before->ready),
    };
}

int64_t nj_allowance_until(const struct nj_allowance *allowance, int64_t deadline_s)
{
    if (allowance->ready)
        return 0;
    if (allowance->began_ns == 0)
        return INT64_MAX;
    int64_t s = allowance->own_s;
    if (s < 0)
        s = deadline_s > 0 ? deadline_s : NJ_PROGRESS_DEADLINE_S;
    if (deadline_s > 0 && s > deadline_s)
        s = deadline_s;
    if (s > (INT64_MAX - allowance->began_ns) / NJ_SEC)
        return INT64_MAX;
    return allowance->began_ns + s * NJ_SEC;
}
