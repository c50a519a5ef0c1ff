#include <errno.h>
#include <stddef.h>

#include "collector/sla/rollouts.h"
#include "common/base/str.h"

static const char *const names[NJ_ROLLOUT_OUTCOMES] = {
    [NJ_ROLLOUT_RUNNING] = "running",         [NJ_ROLLOUT_DONE] = "done",
    [NJ_ROLLOUT_FAILED] = "failed",           [NJ_ROLLOUT_SUPERSEDED] = "superseded",
    [NJ_ROLLOUT_ROLLED_BACK] = "rolled_back",
};

const char *nj_rollout_outcome_name(enum nj_rollout_outcome outcome)
{
    return outcome > 0 && outcome < NJ_ROLLOUT_OUTCOMES ? names[outcome] : "";
}

int nj_rollout_outcome_parse(const char *name, enum nj_rollout_outcome *ret_outcome)
{
    for (int i = NJ_ROLLOUT_RUNNING; i < NJ_ROLLOUT_OUTCOMES; i++) {
        if (nj_streq(names[i], name)) {
            *ret_outcome = (enum nj_rollout_outcome)i;
            return 0;
        }
    }
    return -EINVAL;
}
