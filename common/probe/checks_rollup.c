/* The minutes of checks: by the wall clock, so that those of all nodes are the same. */
#include <utlist.h>

#include "common/probe/checks_internal.h"

/* Told in one turn of the loop: thousands end their minute at the same moment, and the next checks are due.
 */
enum { SWEEP_MAX = 256 };

static const int64_t sign_every_ns = NJ_CHECK_SIGN_MIN * NJ_MIN;

static int64_t minute_of(int64_t wall_ns)
{
    int64_t rest = wall_ns % NJ_MIN;
    return wall_ns - (rest < 0 ? rest + NJ_MIN : rest);
}

static void begin(struct nj_checks *checks, struct nj_check *check, int64_t minute_ns)
{
    check->begun = true;
    check->rollup.minute_ns = minute_ns;
    DL_APPEND2(checks->begun, check, rollup_prev, rollup_next);
}

static struct nj_rollup end(struct nj_checks *checks, struct nj_check *check)
{
    struct nj_rollup rollup = check->rollup;
    check->begun = false;
    check->rollup = (struct nj_rollup){0};
    DL_DELETE2(checks->begun, check, rollup_prev, rollup_next);
    return rollup;
}

static void tell(struct nj_checks *checks, struct nj_check *check)
{
    struct nj_rollup rollup = end(checks, check);
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
    if (check->begun && rollup->minute_ns != minute_ns)
        tell(checks, check);
    if (!check->begun)
        begin(checks, check, minute_ns);
    rollup->runs++;
    if (result->ok) {
        nj_sketch_add(&rollup->latency, (double)result->total_ns / (double)NJ_SEC);
    } else {
        rollup->failures++;
        add_error(rollup, result->cause, result->failed == NULL ? 0 : result->failed->status);
    }
}

static bool is_rare(const struct nj_check *check)
{
    return check->spec->interval_ns > sign_every_ns;
}

void nj_checks_rollup_join(struct nj_checks *checks, const struct nj_check *check)
{
    if (is_rare(check) && checks->rare++ == 0)
        checks->sign_ns = nj_loop_mono_ns(checks->options.loop) + sign_every_ns;
}

void nj_checks_rollup_leave(struct nj_checks *checks, struct nj_check *check)
{
    checks->rare -= is_rare(check);
    if (check->begun && check->rollup.runs > 0)
        tell(checks, check);
    else if (check->begun)
        (void)end(checks, check);
}

/* Begins the minute of those that run too rarely to be heard of by their runs. How long until it does again.
 */
static int64_t give_signs(struct nj_checks *checks, int64_t minute_ns)
{
    int64_t now_ns = nj_loop_mono_ns(checks->options.loop);
    if (checks->rare == 0)
        return INT64_MAX;
    if (now_ns < checks->sign_ns)
        return checks->sign_ns - now_ns;
    checks->sign_ns = now_ns + sign_every_ns;
    for (struct nj_check *check = checks->table; check != NULL; check = check->hh.next) {
        if (is_rare(check) && !check->begun && check->activity != NJ_CHECK_NEW)
            begin(checks, check, minute_ns);
    }
    return sign_every_ns;
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
        tell(checks, checks->begun);
    }
    int64_t sign_ns = give_signs(checks, minute_ns);
    int64_t end_ns = checks->begun == NULL ? INT64_MAX : minute_ns + NJ_MIN - now_ns;
    return sign_ns < end_ns ? sign_ns : end_ns;
}
