/* When failing is told, when it is over, and when it flaps. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/probe/state.h"
#include "tests/unit/test.h"

#define INTERVAL (10 * NJ_SEC)
#define BEGIN INT64_C(1795252399000000000)

static const struct nj_check_policy once = {.failures = 1, .successes = 1};

struct story {
    struct nj_check_memory memory;
    struct nj_check_policy policy;
    int64_t now_ns;
    bool held;
};

static struct story begin(struct nj_check_policy policy)
{
    return (struct story){.policy = policy, .now_ns = BEGIN};
}

/* Runs, one an interval: 'P' passes, 'F' fails. Returns how often the state changed. */
static int run(struct story *story, const char *results)
{
    int changes = 0;
    for (const char *r = results; *r != '\0'; r++) {
        story->now_ns += INTERVAL;
        bool changed = nj_check_step(&story->memory, &story->policy, *r == 'P', story->held, story->now_ns);
        changes += changed;
        if (changed)
            assert_int_equal(story->memory.since_ns, story->now_ns);
    }
    return changes;
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < NJ_CHECK_STATES; i++) {
        enum nj_check_state parsed = NJ_CHECK_STATES;
        assert_int_equal(nj_check_state_parse(nj_check_state_name((enum nj_check_state)i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
    enum nj_check_state kept = NJ_CHECK_GONE;
    assert_int_equal(nj_check_state_parse("Passing", &kept), -EINVAL);
    assert_int_equal(kept, NJ_CHECK_GONE);
}

static void by_default_one_run_tells_and_one_ends_it(void **state)
{
    (void)state;
    struct story story = begin(once);
    assert_int_equal(story.memory.state, NJ_CHECK_STARTING);
    assert_int_equal(run(&story, "P"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
    assert_int_equal(run(&story, "PPP"), 0);
    assert_int_equal(run(&story, "F"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
    assert_int_equal(run(&story, "FFF"), 0);
    assert_int_equal(story.memory.failing_since_ns, story.memory.since_ns);
    assert_int_equal(run(&story, "P"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
    assert_int_equal(story.memory.failing_since_ns, 0);
}

static void one_that_never_passed_fails_too(void **state)
{
    (void)state;
    struct story story = begin((struct nj_check_policy){.failures = 2, .successes = 1});
    assert_int_equal(run(&story, "F"), 0);
    assert_int_equal(story.memory.state, NJ_CHECK_STARTING);
    assert_int_equal(run(&story, "F"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
    assert_int_equal(story.memory.failing_since_ns, story.now_ns - INTERVAL);
}

static void failures_and_successes_are_counted_in_a_row(void **state)
{
    (void)state;
    struct story story = begin((struct nj_check_policy){.failures = 3, .successes = 2});
    assert_int_equal(run(&story, "PFFPFFP"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
    assert_int_equal(run(&story, "FFF"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
    assert_int_equal(run(&story, "PFPF"), 0);
    assert_int_equal(run(&story, "PP"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
}

static void failures_within_a_window_need_not_be_in_a_row(void **state)
{
    (void)state;
    struct story story =
        begin((struct nj_check_policy){.failures = 3, .window_ns = 5 * INTERVAL, .successes = 1});
    assert_int_equal(run(&story, "PFPFP"), 1);
    assert_int_equal(run(&story, "F"), 1); /* the third of the last five runs */
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
    assert_int_equal(run(&story, "P"), 1);
    assert_int_equal(run(&story, "FF"), 0); /* counted anew */
    assert_int_equal(run(&story, "PPP"), 0);
    assert_int_equal(run(&story, "F"), 0); /* the first two are too long ago */
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);

    /* As many as are remembered. */
    story = begin((struct nj_check_policy){
        .failures = NJ_CHECK_WINDOW_MAX, .window_ns = 1000 * INTERVAL, .successes = 1});
    int changes = 0;
    for (int i = 0; i < NJ_CHECK_WINDOW_MAX; i++) {
        assert_int_equal(changes, 0);
        changes += run(&story, "F");
    }
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
}

static void failing_is_not_held_against_one_that_is_starting(void **state)
{
    (void)state;
    struct story story = begin((struct nj_check_policy){.failures = 2, .successes = 1});
    story.held = true;
    assert_int_equal(run(&story, "FFFFFF"), 0);
    assert_int_equal(story.memory.state, NJ_CHECK_STARTING);
    assert_int_equal(story.memory.failing_since_ns, BEGIN + INTERVAL);
    story.held = false;
    assert_int_equal(run(&story, "F"), 0); /* the first that counts */
    assert_int_equal(run(&story, "F"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
    story = begin(once);
    story.held = true;
    assert_int_equal(run(&story, "FFP"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
}

static void too_many_changes_are_flapping_until_it_is_quiet(void **state)
{
    (void)state;
    struct story story = begin(once);
    assert_int_equal(run(&story, "PFPFP"), 5); /* four changes between passing and failing */
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
    assert_int_equal(run(&story, "F"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_FLAPPING);
    assert_int_equal(run(&story, "PFPFPFPFFFPPPFF"), 0);
    int64_t quiet_runs = NJ_FLAP_QUIET_NS / INTERVAL;
    assert_int_equal(run(&story, "P"), 0);
    for (int64_t i = 1; i < quiet_runs; i++)
        assert_int_equal(run(&story, "P"), 0);
    assert_int_equal(run(&story, "P"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
    /* And may do so again, counted anew; this time it ends failing. */
    assert_int_equal(run(&story, "FPFPF"), 5);
    assert_int_equal(story.memory.state, NJ_CHECK_FLAPPING);
    for (int64_t i = 1; i <= quiet_runs; i++)
        (void)run(&story, "F");
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
}

static void slow_changes_are_not_flapping(void **state)
{
    (void)state;
    struct story story = begin(once);
    assert_int_equal(run(&story, "P"), 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run(&story, i % 2 == 0 ? "F" : "P"), 1);
        story.now_ns += 4 * NJ_MIN;
    }
    assert_int_not_equal(story.memory.state, NJ_CHECK_FLAPPING);
}

static void what_was_told_before_is_not_told_again(void **state)
{
    (void)state;
    struct story story = begin(once);
    nj_check_memory_restore(&story.memory, NJ_CHECK_FAILING, BEGIN - NJ_HOUR, BEGIN);
    assert_int_equal(run(&story, "FF"), 0);
    assert_int_equal(story.memory.since_ns, BEGIN - NJ_HOUR);
    assert_int_equal(run(&story, "P"), 1);
    nj_check_memory_restore(&story.memory, NJ_CHECK_FLAPPING, BEGIN - NJ_HOUR, story.now_ns);
    assert_int_equal(run(&story, "PPP"), 0); /* not quiet for long enough, as far as this process knows */
    nj_check_memory_restore(&story.memory, NJ_CHECK_GONE, BEGIN - NJ_HOUR, story.now_ns);
    assert_int_equal(run(&story, "P"), 1);
    assert_int_equal(story.memory.state, NJ_CHECK_PASSING);
}

static void a_clock_that_is_set_back_neither_keeps_nor_loses_failures(void **state)
{
    (void)state;
    struct story story =
        begin((struct nj_check_policy){.failures = 3, .window_ns = 5 * INTERVAL, .successes = 1});
    assert_int_equal(run(&story, "PFF"), 1);
    story.now_ns -= NJ_DAY;
    assert_int_equal(run(&story, "PPPPPPF"), 0); /* those before are long gone */
    assert_int_equal(run(&story, "F"), 0);
    story.now_ns -= NJ_DAY;
    assert_int_equal(run(&story, "F"), 1); /* those before are fresh */
    assert_int_equal(story.memory.state, NJ_CHECK_FAILING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(by_default_one_run_tells_and_one_ends_it),
        cmocka_unit_test(one_that_never_passed_fails_too),
        cmocka_unit_test(failures_and_successes_are_counted_in_a_row),
        cmocka_unit_test(failures_within_a_window_need_not_be_in_a_row),
        cmocka_unit_test(failing_is_not_held_against_one_that_is_starting),
        cmocka_unit_test(too_many_changes_are_flapping_until_it_is_quiet),
        cmocka_unit_test(slow_changes_are_not_flapping),
        cmocka_unit_test(what_was_told_before_is_not_told_again),
        cmocka_unit_test(a_clock_that_is_set_back_neither_keeps_nor_loses_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
