#include "common/probe/state.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const names[NJ_CHECK_STATES] = {
    [NJ_CHECK_STARTING] = "starting", [NJ_CHECK_PASSING] = "passing", [NJ_CHECK_FAILING] = "failing",
    [NJ_CHECK_FLAPPING] = "flapping", [NJ_CHECK_GONE] = "gone",
};

const char *nj_check_state_name(enum nj_check_state state)
{
    return names[state];
}

int nj_check_state_parse(const char *name, enum nj_check_state *ret_state)
{
    for (size_t i = 0; i < NJ_CHECK_STATES; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_state = (enum nj_check_state)i;
            return 0;
        }
    }
    return -EINVAL;
}

void nj_check_memory_restore(struct nj_check_memory *memory, enum nj_check_state state, int64_t since_ns,
                             int64_t now_ns)
{
    *memory = (struct nj_check_memory){.state = state, .since_ns = since_ns, .changed_ns = now_ns};
    if (state == NJ_CHECK_GONE) /* it is there again */
        memory->state = NJ_CHECK_STARTING;
}

static void shift(int64_t *times, uint32_t count, uint32_t size, int64_t by_ns)
{
    for (uint32_t i = 0; i < count && i < size; i++)
        times[i] -= by_ns;
}

/* A clock that is set back would keep failures in the window for as long as it went back. */
static void follow_clock(struct nj_check_memory *memory, int64_t now_ns)
{
    int64_t back_ns = memory->last_ns - now_ns;
    if (memory->has_run && back_ns > 0) {
        shift(memory->failure_ns, memory->failure_next, NJ_CHECK_WINDOW_MAX, back_ns);
        shift(memory->change_ns, memory->change_next, NJ_FLAP_CHANGES, back_ns);
        memory->changed_ns -= back_ns;
    }
    memory->last_ns = now_ns;
}

static void note_run(struct nj_check_memory *memory, bool ok, int64_t now_ns)
{
    if (!memory->has_run || memory->last_ok != ok)
        memory->changed_ns = now_ns;
    memory->has_run = true;
    memory->last_ok = ok;
    if (ok) {
        memory->successes_in_row++;
        memory->failures_in_row = 0;
        memory->failing_since_ns = 0;
    } else {
        memory->successes_in_row = 0;
        if (memory->failing_since_ns == 0)
            memory->failing_since_ns = now_ns;
    }
}

static bool fails(const struct nj_check_memory *memory, const struct nj_check_policy *policy, int64_t now_ns)
{
    if (policy->window_ns == 0)
        return memory->failures_in_row >= policy->failures;
    int64_t count = 0;
    for (uint32_t i = 0; i < memory->failure_next && i < NJ_CHECK_WINDOW_MAX; i++)
        count += now_ns - memory->failure_ns[i] < policy->window_ns;
    return count >= policy->failures;
}

/* What the run makes of the state, flapping aside. */
static enum nj_check_state judge(const struct nj_check_memory *memory, const struct nj_check_policy *policy,
                                 bool ok, int64_t now_ns)
{
    if (ok) {
        bool recovered = memory->state != NJ_CHECK_FAILING || memory->successes_in_row >= policy->successes;
        return recovered ? NJ_CHECK_PASSING : NJ_CHECK_FAILING;
    }
    return fails(memory, policy, now_ns) ? NJ_CHECK_FAILING : memory->state;
}

static bool change(struct nj_check_memory *memory, enum nj_check_state state, int64_t now_ns)
{
    memory->state = state;
    memory->since_ns = now_ns;
    if (state == NJ_CHECK_PASSING)
        memory->failure_next = 0;
    return true;
}

/* The last so many changes between passing and failing were all within the window: this is one too many. */
static bool changes_too_often(struct nj_check_memory *memory, int64_t now_ns)
{
    uint32_t at = memory->change_next % NJ_FLAP_CHANGES; /* the oldest, once there are so many */
    bool often = memory->change_next >= NJ_FLAP_CHANGES && now_ns - memory->change_ns[at] < NJ_FLAP_WINDOW_NS;
    memory->change_ns[at] = now_ns;
    memory->change_next++;
    return often;
}

static bool settle(struct nj_check_memory *memory, int64_t now_ns)
{
    if (now_ns - memory->changed_ns < NJ_FLAP_QUIET_NS)
        return false;
    memory->change_next = 0;
    return change(memory, memory->last_ok ? NJ_CHECK_PASSING : NJ_CHECK_FAILING, now_ns);
}

bool nj_check_step(struct nj_check_memory *memory, const struct nj_check_policy *policy, bool ok, bool held,
                   int64_t now_ns)
{
    follow_clock(memory, now_ns);
    note_run(memory, ok, now_ns);
    if (!ok && held)
        return false;
    if (!ok) {
        memory->failures_in_row++;
        memory->failure_ns[memory->failure_next++ % NJ_CHECK_WINDOW_MAX] = now_ns;
    }
    if (memory->state == NJ_CHECK_FLAPPING)
        return settle(memory, now_ns);
    enum nj_check_state next = judge(memory, policy, ok, now_ns);
    if (next == memory->state)
        return false;
    if (memory->state != NJ_CHECK_STARTING && changes_too_often(memory, now_ns))
        next = NJ_CHECK_FLAPPING;
    return change(memory, next, now_ns);
}
