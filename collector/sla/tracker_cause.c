#include <stdio.h>
#include <utlist.h>

#include "collector/sla/tracker_internal.h"
#include "common/base/str.h"

bool nj_service_is_unwell(enum nj_service_state state)
{
    return state == NJ_SERVICE_DEGRADED || state == NJ_SERVICE_DRAINING || state == NJ_SERVICE_DOWN ||
           state == NJ_SERVICE_SCALED_TO_ZERO;
}

static const struct nj_fact *standing_of_node(const struct nj_tracker *tracker,
                                              enum nj_tracker_fact_kind kind, uint64_t node)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "%llx", (unsigned long long)node);
    return node == 0 ? NULL : nj_tracker_standing(tracker, kind, key);
}

static bool is_of_workload(const struct nj_fact *fact, const struct nj_tracked *service)
{
    return nj_streq(fact->namespace, service->namespace) &&
           ((fact->workload[0] != '\0' && nj_streq(fact->workload, service->workload) &&
             nj_streq(fact->workload_kind, service->workload_kind)) ||
            (fact->service[0] != '\0' && nj_streq(fact->service, service->name)));
}

static bool is_of_lost_pod(const struct nj_fact *fact, const struct nj_tracked *service)
{
    for (size_t i = 0; i < service->lost_count; i++) {
        if (fact->pod != 0 && fact->pod == service->lost[i].pod)
            return true;
    }
    return false;
}

/* The latest fact of the kind that can have to do with the interval. Of pods that were lost while nobody
 * looked only the workload is known. */
static const struct nj_fact *near_fact(const struct nj_tracker *tracker, const struct nj_tracked *service,
                                       enum nj_tracker_fact_kind kind, bool of_pod)
{
    const struct nj_fact *found = NULL, *fact = NULL;
    int64_t from_ns = service->now.from_ns - NJ_TRACKER_LOOK_BACK_NS;
    int64_t until_ns = service->now.from_ns + NJ_TRACKER_SETTLE_NS;
    DL_FOREACH (tracker->facts, fact) {
        if (fact->kind == kind && fact->at_ns >= from_ns && fact->at_ns <= until_ns &&
            (of_pod && !service->guessed ? is_of_lost_pod(fact, service) : is_of_workload(fact, service)))
            found = fact;
    }
    return found;
}

static bool take(struct nj_tracked *service, const struct nj_fact *fact, enum nj_outage_cause cause)
{
    if (fact == NULL)
        return false;
    nj_tracked_set_cause(service, cause, fact->detail, fact->reference);
    return true;
}

static bool choose_by_node(const struct nj_tracker *tracker, struct nj_tracked *service,
                           enum nj_tracker_fact_kind kind, enum nj_outage_cause cause, bool terminating_only)
{
    for (size_t i = 0; i < service->lost_count; i++) {
        const struct nj_tracked_endpoint *lost = &service->lost[i];
        if ((!terminating_only || lost->terminating) &&
            take(service, standing_of_node(tracker, kind, lost->node), cause))
            return true;
    }
    return false;
}

static bool is_by_rollout(enum nj_outage_cause cause)
{
    return cause == NJ_OUTAGE_BY_ROLLOUT || cause == NJ_OUTAGE_BY_FAILED_ROLLOUT;
}

static bool choose_by_rollout(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    NJ_CLEANUP_FREE char *key =
        nj_asprintf("%s/%s/%s", service->namespace, service->workload_kind, service->workload);
    const struct nj_fact *running = nj_tracker_standing(tracker, NJ_FACT_ROLLOUT_BEGAN, key);
    const struct nj_fact *failed = near_fact(tracker, service, NJ_FACT_ROLLOUT_FAILED, false);
    const struct nj_fact *began = near_fact(tracker, service, NJ_FACT_ROLLOUT_BEGAN, false);
    /* What an earlier one has brought is not the next one's, which may be its remedy. */
    if (running != NULL && running->at_ns > service->now.from_ns && is_by_rollout(service->now.cause) &&
        !nj_streq(running->reference, service->reference))
        return true;
    if (running != NULL && running->at_ns <= service->now.from_ns + NJ_TRACKER_SETTLE_NS)
        return take(service, running,
                    running->value < 0 ? NJ_OUTAGE_BY_FAILED_ROLLOUT : NJ_OUTAGE_BY_ROLLOUT);
    if (failed != NULL)
        return take(service, failed, NJ_OUTAGE_BY_FAILED_ROLLOUT);
    /* One that was over before anything was lost has nothing to do with it. */
    const struct nj_fact *done = near_fact(tracker, service, NJ_FACT_ROLLOUT_DONE, false);
    if (began != NULL && (done == NULL || done->at_ns < began->at_ns || done->at_ns >= service->now.from_ns))
        return take(service, began, NJ_OUTAGE_BY_ROLLOUT);
    return false;
}

/* What is wanted is another number than before, and nobody was there to tell of it. */
static bool is_scaled_unseen(const struct nj_tracked *service)
{
    /* A DaemonSet wants more or fewer when nodes come and go. */
    return service->scaled >= 0 && service->now.desired >= 0 && service->scaled != service->now.desired &&
           !nj_streq(service->workload_kind, "DaemonSet");
}

static void set_scaled_unseen(struct nj_tracked *service, enum nj_outage_cause cause)
{
    NJ_CLEANUP_FREE char *detail =
        nj_asprintf("%s/%s scaled from %d to %d", service->workload_kind, service->workload,
                    (int)service->scaled, (int)service->now.desired);
    nj_tracked_set_cause(service, cause, detail, "");
}

static bool choose_by_scale(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    const struct nj_fact *scaled = near_fact(tracker, service, NJ_FACT_SCALED, false);
    bool to_zero = service->now.desired == 0 || (scaled != NULL && scaled->value == 0);
    enum nj_outage_cause cause = to_zero ? NJ_OUTAGE_BY_SCALED_TO_ZERO : NJ_OUTAGE_BY_SCALING;
    if (take(service, scaled, cause)) {
        if (to_zero)
            nj_tracked_set_cause(service, cause, scaled->detail, "");
        return true;
    }
    /* Where nothing was wanted, nothing can have been lost. */
    if (is_scaled_unseen(service) && (to_zero || service->scaled == 0)) {
        set_scaled_unseen(service, cause);
        return true;
    }
    if (to_zero)
        nj_tracked_set_cause(service, cause, "", "");
    return to_zero;
}

/* What the endpoints themselves tell. */
static void choose_by_endpoints(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    size_t terminating = 0;
    for (size_t i = 0; i < service->lost_count; i++)
        terminating += service->lost[i].terminating ? 1 : 0;
    if (!service->was_up)
        nj_tracked_set_cause(service, NJ_OUTAGE_BY_STARTING, "", "");
    else if (service->lost_count == 0 && is_scaled_unseen(service))
        set_scaled_unseen(service, NJ_OUTAGE_BY_SCALING);
    else if (service->lost_count == 0)
        nj_tracked_set_cause(service, NJ_OUTAGE_BY_UNKNOWN, "", "");
    else if (2 * terminating >= service->lost_count)
        nj_tracked_set_cause(service, NJ_OUTAGE_BY_DELETION,
                             terminating == 1 ? "a pod was deleted" : "pods were deleted", "");
    else if (!take(service, near_fact(tracker, service, NJ_FACT_CHECK_FAILED, false),
                   NJ_OUTAGE_BY_FAILED_READINESS))
        nj_tracked_set_cause(service, NJ_OUTAGE_BY_FAILED_READINESS, "pods are not ready", "");
}

void nj_tracked_choose(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    if (service->inherits)
        return;
    if ((service->now.desired == 0 && choose_by_scale(tracker, service)) ||
        choose_by_rollout(tracker, service) || choose_by_scale(tracker, service) ||
        choose_by_node(tracker, service, NJ_FACT_NODE_DOWN, NJ_OUTAGE_BY_NODE_LOSS, false) ||
        take(service, near_fact(tracker, service, NJ_FACT_POD_EVICTED, true), NJ_OUTAGE_BY_EVICTION) ||
        take(service, near_fact(tracker, service, NJ_FACT_POD_DRAINED, true), NJ_OUTAGE_BY_DRAIN) ||
        choose_by_node(tracker, service, NJ_FACT_NODE_CORDONED, NJ_OUTAGE_BY_DRAIN, true) ||
        take(service, near_fact(tracker, service, NJ_FACT_POD_CRASHED, true), NJ_OUTAGE_BY_CRASH) ||
        take(service, near_fact(tracker, service, NJ_FACT_POD_UNSCHEDULABLE, false),
             NJ_OUTAGE_BY_UNSCHEDULABLE))
        return;
    choose_by_endpoints(tracker, service);
}

/* The surer, the higher: in the order in which causes are looked for. */
static int rank(const struct nj_tracked *service)
{
    static const enum nj_outage_cause order[] = {
        NJ_OUTAGE_BY_UNSCHEDULABLE, NJ_OUTAGE_BY_CRASH,          NJ_OUTAGE_BY_DRAIN,
        NJ_OUTAGE_BY_EVICTION,      NJ_OUTAGE_BY_NODE_LOSS,      NJ_OUTAGE_BY_SCALING,
        NJ_OUTAGE_BY_ROLLOUT,       NJ_OUTAGE_BY_FAILED_ROLLOUT, NJ_OUTAGE_BY_SCALED_TO_ZERO};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (service->now.cause == order[i])
            return 1 + (int)i;
    }
    return 0;
}

static bool choose_again(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    enum nj_outage_cause cause = service->now.cause;
    NJ_CLEANUP_FREE char *detail = nj_strdup(service->detail);
    NJ_CLEANUP_FREE char *reference = nj_strdup(service->reference);
    int before = rank(service);
    nj_tracked_choose(tracker, service);
    /* What has ended since (a rollout, a node's trouble), or was told before a restart, explained
     * it all the same. */
    if (rank(service) < before)
        nj_tracked_set_cause(service, cause, detail, reference);
    return cause != service->now.cause || !nj_streq(detail, service->detail) ||
           !nj_streq(reference, service->reference);
}

bool nj_tracked_choose_again(const struct nj_tracker *tracker, struct nj_tracked *service)
{
    if (service->now.cause != NJ_OUTAGE_BY_MAINTENANCE)
        return choose_again(tracker, service);
    NJ_CLEANUP_FREE char *detail = nj_strdup(service->detail);
    nj_tracked_lift_window(service);
    (void)choose_again(tracker, service);
    nj_tracked_lay_window(service, detail);
    return false;
}
