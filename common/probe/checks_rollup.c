/* The minutes of checks: by the wall clock, so that those of all nodes are the same. */
#include <utlist.h>

#include "common/probe/checks_internal.h"

/* Told in one turn of the loop: thousands end their minute at the same moment, and the next checks are due.
 */
enum { SWEEP_MAX = 256 };

static int64_t minute_of(int64_t wall_ns)
{
    int64_t rest = wall_ns % NJ_MIN;
    return wall_ns - (rest < 0 ? rest + NJ_MIN : rest);
}

void nj_checks_rollup_tell(struct nj_checks *checks, struct nj_check *check)
{
    if (check->rollup.runs == 0)
        return;
    struct nj_rollup rollup = check->rollup;
    check->rollup = (struct nj_rollup){0};
    DL_DELETE2(checks->begun, check, rollup_prev, rollup_next);
    nj_counter_add(checks->metrics.rollups, 1);
    checks->options.on_rollup(checks->options.data, check, &rollup);
    nj_sketch_done(&rollup.latency);
}

static void add_error(struct nj_rollup *rollup, enum nj_cause cause, int32_t status)
{
    size_t i = 0;
    while (i < rollup->errors_count &&
           (rollup->errors[i].cause != cause || rollup->errors[i].status != status))
        i++;
    if (i == NJ_ROLLUP_ERRORS_MAX)
        i--; /* one too many: counts as the last */
    else if (i == rollup->errors_count)
        rollup->errors[rollup->errors_count++] = (struct nj_rollup_error){.cause = cause, .status = status};
    rollup->errors[i].count++;
}

void nj_checks_rollup_add(struct nj_checks *checks, struct nj_check *check, const struct nj_result *result)
{
    struct nj_rollup *rollup = &check->rollup;
    int64_t minute_ns = minute_of(nj_loop_wall_ns(checks->options.loop));
    if (rollup->runs > 0 && rollup->minute_ns != minute_ns)
        nj_checks_rollup_tell(checks, check);
    if (rollup->runs == 0) {
        rollup->minute_ns = minute_ns;
        DL_APPEND2(checks->begun, check, rollup_prev, rollup_next);
    }
    rollup->runs++;
    if (result->ok) {
        nj_sketch_add(&rollup->latency, (double)result->total_ns / (double)NJ_SEC);
    } else {
        rollup->failures++;
        add_error(rollup, result->cause, result->failed == NULL ? 0 : result->failed->status);
    }
}

int64_t nj_checks_rollup_sweep(struct nj_checks *checks)
{
    int64_t now_ns = nj_loop_wall_ns(checks->options.loop);
    int64_t minute_ns = minute_of(now_ns);
    /* Those that began first are in front; after a jump of the clock others may be older, and are told when
     * their turn comes. */
    for (int told = 0; checks->begun != NULL && checks->begun->rollup.minute_ns != minute_ns; told++) {
        if (told == SWEEP_MAX)
            return 0;
        nj_checks_rollup_tell(checks, checks->begun);
    }
    return checks->begun == NULL ? INT64_MAX : minute_ns + NJ_MIN - now_ns;
}
