#include "collector/sla/interval.h"

#include <errno.h>
#include <stddef.h>

#include "common/base/str.h"

static const char *const state_names[NJ_SERVICE_STATES] = {
    [NJ_SERVICE_UP] = "up",
    [NJ_SERVICE_DEGRADED] = "degraded",
    [NJ_SERVICE_DRAINING] = "draining",
    [NJ_SERVICE_DOWN] = "down",
    [NJ_SERVICE_SCALED_TO_ZERO] = "scaled_to_zero",
    [NJ_SERVICE_NONE_BY_DESIGN] = "none_by_design",
    [NJ_SERVICE_UNKNOWN] = "unknown",
};

static const char *const cause_names[NJ_OUTAGE_CAUSES] = {
    [NJ_OUTAGE_BY_NOTHING] = "",
    [NJ_OUTAGE_BY_ROLLOUT] = "rollout",
    [NJ_OUTAGE_BY_FAILED_ROLLOUT] = "failed_rollout",
    [NJ_OUTAGE_BY_SCALING] = "scaling",
    [NJ_OUTAGE_BY_SCALED_TO_ZERO] = "scaled_to_zero",
    [NJ_OUTAGE_BY_DELETION] = "deletion",
    [NJ_OUTAGE_BY_NODE_LOSS] = "node_loss",
    [NJ_OUTAGE_BY_DRAIN] = "drain",
    [NJ_OUTAGE_BY_EVICTION] = "eviction",
    [NJ_OUTAGE_BY_CRASH] = "crash",
    [NJ_OUTAGE_BY_FAILED_READINESS] = "failed_readiness",
    [NJ_OUTAGE_BY_UNSCHEDULABLE] = "unschedulable",
    [NJ_OUTAGE_BY_MAINTENANCE] = "maintenance",
    [NJ_OUTAGE_BY_STARTING] = "starting",
    [NJ_OUTAGE_BY_UNKNOWN] = "unknown",
};

static int find_name(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (names[i] != NULL && nj_streq(names[i], name))
            return i;
    }
    return -EINVAL;
}

const char *nj_service_state_name(enum nj_service_state state)
{
    return state > 0 && state < NJ_SERVICE_STATES ? state_names[state] : "";
}

int nj_service_state_parse(const char *name, enum nj_service_state *ret_state)
{
    int found = find_name(state_names, NJ_SERVICE_STATES, name);
    if (found < 0)
        return found;
    *ret_state = (enum nj_service_state)found;
    return 0;
}

const char *nj_outage_cause_name(enum nj_outage_cause cause)
{
    return cause < NJ_OUTAGE_CAUSES ? cause_names[cause] : "";
}

int nj_outage_cause_parse(const char *name, enum nj_outage_cause *ret_cause)
{
    int found = find_name(cause_names, NJ_OUTAGE_CAUSES, name);
    if (found < 0)
        return found;
    *ret_cause = (enum nj_outage_cause)found;
    return 0;
}

bool nj_outage_cause_is_planned(enum nj_outage_cause cause)
{
    switch (cause) {
    case NJ_OUTAGE_BY_ROLLOUT:
    case NJ_OUTAGE_BY_SCALING:
    case NJ_OUTAGE_BY_SCALED_TO_ZERO:
    case NJ_OUTAGE_BY_MAINTENANCE:
        return true;
    default:
        return false;
    }
}
