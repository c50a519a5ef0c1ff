/*
 * The schedule, with a prober that does as the test says (this file takes its place when it is linked) and a
 * clock that the test turns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/probe/checks.h"
#include "tests/unit/test.h"

#define BEGIN INT64_C(1795252380000000000) /* a minute's beginning */
#define STEP (10 * NJ_MS)

enum { RUNS_MAX = 4096, CHECKS_MAX = 64, CONCURRENT = 8, STARTS_PER_S = 100 };

/* --- the prober */

struct nj_probe_run {
    struct nj_probe_request request;
    char host[32];
    int64_t started_ns, ends_ns;
    bool active, cancelled;
};

struct fake {
    volatile int64_t now_ns;
    struct nj_clock clock;
    struct nj_loop loop;
    struct nj_metrics *metrics;
    struct nj_checks *checks;
    struct nj_probe_run *runs;
    size_t runs_count, active, most_active;
    int64_t takes_ns;
    enum nj_cause cause; /* NONE: runs pass */
    int start_rc;

    size_t results, changes, rollups, rollup_runs, rollup_failures, signs;
    int32_t last_attempts;
    struct nj_check_memory last_memory;
    struct nj_rollup last_rollup;
    int64_t rollup_minutes[RUNS_MAX];
    bool remove_on_result;
};

static struct fake *fake;

int nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                   struct nj_probe_run **ret_run, struct nj_err *err)
{
    (void)prober;
    if (fake->start_rc < 0)
        return nj_err_set(err, fake->start_rc, "as the test says");
    assert_true(fake->runs_count < RUNS_MAX);
    struct nj_probe_run *run = &fake->runs[fake->runs_count++];
    *run = (struct nj_probe_run){.request = *request,
                                 .started_ns = fake->now_ns,
                                 .ends_ns = fake->now_ns + fake->takes_ns,
                                 .active = true};
    (void)snprintf(run->host, sizeof(run->host), "%s", request->target.host);
    if (++fake->active > fake->most_active)
        fake->most_active = fake->active;
    *ret_run = run;
    return 0;
}

void nj_probe_cancel(struct nj_probe_run *run)
{
    assert_true(run->active);
    run->active = false;
    run->cancelled = true;
    fake->active--;
}

static void end(struct nj_probe_run *run)
{
    struct nj_step_outcome step = {.name = "step 1", .kind = "http", .ran = true, .status = 503};
    struct nj_result result = {.ok = fake->cause == NJ_CAUSE_NONE,
                               .cause = fake->cause,
                               .failed = fake->cause == NJ_CAUSE_NONE ? NULL : &step,
                               .steps = &step,
                               .steps_count = 1,
                               .total_ns = 20 * NJ_MS,
                               .attempts = 1};
    run->active = false;
    fake->active--;
    run->request.on_done(run->request.data, &result);
}

/* --- the owner */

static void on_result(void *data, struct nj_check *check, const struct nj_result *result, bool changed)
{
    assert_ptr_equal(data, fake);
    fake->results++;
    fake->changes += changed;
    fake->last_attempts = result->attempts;
    fake->last_memory = *nj_check_memory(check);
    if (fake->remove_on_result)
        nj_checks_remove(fake->checks, check);
}

static void on_rollup(void *data, struct nj_check *check, const struct nj_rollup *rollup)
{
    assert_ptr_equal(data, fake);
    assert_non_null(nj_check_id(check));
    assert_int_equal(rollup->minute_ns % NJ_MIN, 0);
    assert_int_equal(rollup->latency.count, rollup->runs - rollup->failures);
    if (rollup->runs == 0) {
        fake->signs++;
        return;
    }
    fake->rollup_minutes[fake->rollups++] = rollup->minute_ns;
    fake->rollup_runs += rollup->runs;
    fake->rollup_failures += rollup->failures;
    fake->last_rollup = *rollup;
    fake->last_rollup.latency = (struct nj_sketch){0};
}

static int setup(void **state)
{
    fake = NJ_NEW(struct fake);
    fake->runs = nj_calloc(RUNS_MAX, sizeof(*fake->runs));
    fake->now_ns = BEGIN;
    fake->clock.replay = &fake->now_ns;
    fake->takes_ns = STEP;
    fake->metrics = nj_metrics_new();
    assert_int_equal(nj_loop_init(&fake->loop, &fake->clock), 0);
    fake->checks = nj_checks_new(&(struct nj_checks_options){.loop = &fake->loop,
                                                             .metrics = fake->metrics,
                                                             .max_checks = CHECKS_MAX,
                                                             .max_concurrent = CONCURRENT,
                                                             .max_starts_per_s = STARTS_PER_S,
                                                             .on_result = on_result,
                                                             .on_rollup = on_rollup,
                                                             .data = fake});
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nj_checks_free(fake->checks);
    assert_int_equal(fake->active, 0);
    assert_int_equal(nj_loop_close(&fake->loop), 0);
    nj_metrics_free(fake->metrics);
    free(fake->runs);
    free(fake);
    return 0;
}

static struct nj_check *add_patient(int number, const char *spec_json, int64_t failures_more)
{
    struct nj_spec *spec;
    struct nj_check *check;
    struct nj_err err;
    char id[32], host[32];
    (void)snprintf(id, sizeof(id), "monitor|pod/%d", number);
    (void)snprintf(host, sizeof(host), "10.0.0.%d", number);
    assert_int_equal(nj_spec_parse("spec", spec_json, strlen(spec_json), false, &spec, &err), 0);
    struct nj_check_options options = {.id = id,
                                       .spec = spec,
                                       .target = {.host = host, .port = 80, .scheme = "http", .path = ""},
                                       .failures_more = failures_more};
    assert_int_equal(nj_checks_add(fake->checks, &options, &check, &err), 0);
    nj_spec_unref(spec);
    memset(host, 'x', sizeof(host)); /* what was borrowed is not used any more */
    return check;
}

static struct nj_check *add(int number, const char *spec_json)
{
    return add_patient(number, spec_json, 0);
}

/* Lets the loop's timers see the clock: a replay's is looked at once a millisecond. */
static void look(void)
{
    if (uv_loop_alive(&fake->loop.uv) != 0)
        (void)uv_run(&fake->loop.uv, UV_RUN_ONCE);
}

/* Turns the clock on, in steps; runs that are over end. */
static void pass(int64_t ns, int64_t step_ns)
{
    for (int64_t until_ns = fake->now_ns + ns; fake->now_ns < until_ns;) {
        fake->now_ns += step_ns;
        look();
        size_t count = fake->runs_count;
        for (size_t i = 0; i < count; i++) {
            if (fake->runs[i].active && fake->runs[i].ends_ns <= fake->now_ns)
                end(&fake->runs[i]);
        }
    }
}

static void assert_metric(const char *line)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(fake->metrics, &text), 0);
    if (strstr(nj_buf_str(&text), line) == NULL)
        fail_msg("no '%s' in\n%s", line, nj_buf_str(&text));
    nj_buf_done(&text);
}

static const char plain[] =
    "{\"interval\":\"10s\",\"timeout\":\"5s\",\"retries\":{\"count\":0,\"delay\":\"2s\"}}";

static void a_check_runs_soon_and_then_keeps_its_place(void **state)
{
    (void)state;
    struct nj_check *check = add(1, plain);
    assert_int_equal(fake->runs_count, 0); /* nothing begins inside nj_checks_add() */
    pass(NJ_SEC / 2, STEP);
    assert_true(fake->runs_count >= 1);
    pass(60 * NJ_SEC, 50 * NJ_MS);
    assert_in_range(fake->runs_count, 7, 8);
    for (size_t i = 2; i < fake->runs_count; i++) {
        int64_t gap_ns = fake->runs[i].started_ns - fake->runs[i - 1].started_ns;
        assert_in_range(gap_ns, 10 * NJ_SEC - 100 * NJ_MS, 10 * NJ_SEC + 100 * NJ_MS);
    }
    assert_string_equal(fake->runs[1].host, "10.0.0.1");
    assert_string_equal(nj_check_id(check), "monitor|pod/1");
    assert_int_equal(fake->results, fake->runs_count);
    assert_int_equal(fake->changes, 1);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_PASSING);
    assert_metric("nightjar_probe_checks 1\n");
}

/* Of the check of this number; NULL when there was none. */
static const struct nj_probe_run *first_run(int number)
{
    char host[32];
    (void)snprintf(host, sizeof(host), "10.0.0.%d", number);
    for (size_t i = 0; i < fake->runs_count; i++) {
        if (strcmp(fake->runs[i].host, host) == 0)
            return &fake->runs[i];
    }
    return NULL;
}

static void many_new_ones_begin_one_after_the_other_and_spread_over_the_interval(void **state)
{
    (void)state;
    for (int i = 0; i < CHECKS_MAX; i++)
        (void)add(i, plain);
    pass(NJ_SEC, STEP);
    assert_true(fake->runs_count >= CHECKS_MAX);
    /* The first ones: never more in any tenth of a second than the pace allows, and one timer's lateness. */
    for (size_t i = 0; i < CHECKS_MAX; i++) {
        size_t within = 0;
        for (int j = 0; j < CHECKS_MAX; j++) {
            int64_t after_ns = first_run(j)->started_ns - fake->runs[i].started_ns;
            within += after_ns >= 0 && after_ns < 100 * NJ_MS;
        }
        assert_in_range(within, 0, STARTS_PER_S / 10 + 3);
    }
    pass(9 * NJ_SEC, 50 * NJ_MS);
    size_t before = fake->runs_count;
    pass(10 * NJ_SEC, 50 * NJ_MS);
    assert_in_range(fake->runs_count - before, CHECKS_MAX - 4, CHECKS_MAX + 4);
    size_t fullest = 0;
    for (int64_t second = 0; second < 10; second++) {
        size_t count = 0;
        for (size_t i = before; i < fake->runs_count; i++)
            count += (fake->runs[i].started_ns / NJ_SEC) % 10 == second;
        fullest = count > fullest ? count : fullest;
    }
    assert_true(fullest < CHECKS_MAX / 3);
    assert_true(fake->most_active <= CONCURRENT);
}

static void no_more_run_at_once_than_allowed_and_the_rest_waits_its_turn(void **state)
{
    (void)state;
    fake->takes_ns = 2 * NJ_SEC;
    for (int i = 0; i < 3 * CONCURRENT; i++)
        (void)add(i, plain);
    pass(NJ_SEC, STEP);
    assert_int_equal(fake->runs_count, CONCURRENT);
    assert_metric("nightjar_probe_running 8\n");
    pass(6 * NJ_SEC, 50 * NJ_MS);
    assert_int_equal(fake->most_active, CONCURRENT);
    for (int i = 0; i < 3 * CONCURRENT; i++)
        assert_non_null(first_run(i));
}

static void a_run_that_outlasts_the_interval_skips_the_next_place(void **state)
{
    (void)state;
    fake->takes_ns = 15 * NJ_SEC;
    (void)add(1, plain);
    pass(61 * NJ_SEC, 50 * NJ_MS);
    assert_int_equal(fake->most_active, 1);
    assert_in_range(fake->runs_count, 3, 4);
    assert_true(fake->results >= 3);
}

static const char retrying[] =
    "{\"interval\":\"10s\",\"timeout\":\"1s\",\"retries\":{\"count\":2,\"delay\":\"2s\"}}";

static void a_failing_run_is_tried_again_before_it_counts(void **state)
{
    (void)state;
    fake->cause = NJ_CAUSE_REFUSED;
    struct nj_check *check = add(1, retrying);
    while (fake->runs_count < 3)
        pass(STEP, STEP);
    assert_int_equal(fake->results, 0);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_STARTING);
    pass(5 * STEP, STEP);
    assert_int_equal(fake->results, 1);
    assert_int_equal(fake->last_attempts, 3);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_FAILING);
    assert_true(fake->runs[2].started_ns - fake->runs[1].started_ns >= 2 * NJ_SEC);
    /* One that passes at the second try passes. */
    size_t runs = fake->runs_count;
    while (fake->runs_count == runs)
        pass(STEP, STEP);
    pass(NJ_SEC, STEP);
    fake->cause = NJ_CAUSE_NONE;
    pass(2 * NJ_SEC, STEP);
    assert_int_equal(fake->results, 2);
    assert_int_equal(fake->last_attempts, 2);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_PASSING);
    assert_metric("nightjar_probe_retries_total 3\n");
}

static void one_that_others_explain_takes_a_failing_run_more(void **state)
{
    (void)state;
    fake->cause = NJ_CAUSE_STATUS;
    struct nj_check *check = add_patient(1, plain, 1);
    while (fake->results < 1)
        pass(STEP, STEP);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_STARTING);
    while (fake->results < 2)
        pass(STEP, STEP);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_FAILING);
}

static void the_probers_own_trouble_is_no_failure_of_the_target(void **state)
{
    (void)state;
    fake->cause = NJ_CAUSE_INTERNAL;
    struct nj_check *check = add(1, retrying);
    pass(5 * NJ_SEC, 50 * NJ_MS);
    assert_true(fake->runs_count >= 3); /* it is tried again like any other */
    fake->start_rc = -EMFILE;
    pass(20 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->results, 0);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_STARTING);
    fake->start_rc = 0;
    fake->cause = NJ_CAUSE_NONE;
    pass(20 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->last_memory.state, NJ_CHECK_PASSING);
    nj_checks_remove(fake->checks, check);
    assert_int_equal(fake->rollup_failures, 0);
    assert_int_equal(fake->rollup_runs, fake->results);
}

static void one_that_is_starting_is_not_told_to_fail(void **state)
{
    (void)state;
    fake->cause = NJ_CAUSE_STATUS;
    struct nj_check *check = add(1, plain);
    nj_check_hold(check, true);
    pass(30 * NJ_SEC, 100 * NJ_MS);
    assert_true(fake->results >= 3);
    assert_int_equal(fake->changes, 0);
    nj_check_hold(check, false);
    pass(10 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->changes, 1);
    assert_int_equal(nj_check_memory(check)->state, NJ_CHECK_FAILING);
    nj_checks_remove(fake->checks, check);
    assert_int_equal(fake->rollup_failures, fake->results); /* the series has them all */
}

static void removal_is_at_once(void **state)
{
    (void)state;
    fake->takes_ns = NJ_MIN;
    struct nj_check *running = add(1, plain), *waiting[CONCURRENT];
    pass(100 * NJ_MS, STEP);
    assert_int_equal(fake->active, 1);
    nj_checks_remove(fake->checks, running);
    assert_int_equal(fake->active, 0);
    assert_true(fake->runs[0].cancelled);
    struct nj_check *fresh = add(2, plain);
    nj_checks_remove(fake->checks, fresh);
    for (int i = 0; i < CONCURRENT; i++)
        waiting[i] = add(10 + i, plain);
    struct nj_check *behind = add(30, plain);
    pass(500 * NJ_MS, STEP);
    assert_int_equal(fake->active, CONCURRENT);
    nj_checks_remove(fake->checks, behind);
    nj_checks_remove(fake->checks, waiting[0]);
    fake->takes_ns = STEP;
    pass(30 * NJ_SEC, 100 * NJ_MS);
    for (size_t i = 0; i < fake->runs_count; i++) {
        assert_string_not_equal(fake->runs[i].host, "10.0.0.2");
        assert_string_not_equal(fake->runs[i].host, "10.0.0.30");
    }
    assert_int_equal(nj_checks_count(fake->checks), CONCURRENT - 1);
    assert_int_equal(fake->results, 0);
}

static void a_result_may_remove_its_check(void **state)
{
    (void)state;
    fake->remove_on_result = true;
    for (int i = 0; i < 20; i++)
        (void)add(i, plain);
    pass(2 * NJ_SEC, STEP);
    assert_int_equal(fake->results, 20);
    assert_int_equal(nj_checks_count(fake->checks), 0);
    assert_int_equal(fake->rollups, 20);
}

static void a_minute_is_told_when_it_is_over_and_loses_nothing(void **state)
{
    (void)state;
    struct nj_check *check = add(1, plain);
    pass(59 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->rollups, 0);
    fake->cause = NJ_CAUSE_STATUS;
    pass(2 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->rollups, 1); /* at once, not with the next run */
    assert_int_equal(fake->rollup_minutes[0], BEGIN);
    pass(60 * NJ_SEC, 100 * NJ_MS);
    assert_int_equal(fake->rollups, 2);
    assert_int_equal(fake->rollup_minutes[1], BEGIN + NJ_MIN);
    assert_int_equal(fake->last_rollup.errors_count, 1);
    assert_int_equal(fake->last_rollup.errors[0].cause, NJ_CAUSE_STATUS);
    assert_int_equal(fake->last_rollup.errors[0].status, 503);
    assert_int_equal(fake->last_rollup.errors[0].count, fake->last_rollup.failures);
    pass(20 * NJ_SEC, 100 * NJ_MS);
    fake->now_ns += 3 * NJ_HOUR; /* a clock that jumps, forwards and back */
    pass(15 * NJ_SEC, 100 * NJ_MS);
    fake->now_ns -= NJ_HOUR;
    nj_check_now(fake->checks, check);
    pass(NJ_SEC, 100 * NJ_MS);
    assert_true(fake->rollups >= 4);
    nj_checks_remove(fake->checks, check);
    assert_int_equal(fake->rollup_runs, fake->results);
}

static void one_that_runs_rarely_is_told_of_in_between(void **state)
{
    (void)state;
    struct nj_check *often = add(1, "{\"interval\":\"5m\",\"retries\":{\"count\":0}}");
    pass(20 * NJ_MIN, NJ_SEC);
    assert_int_equal(fake->signs, 0);
    nj_checks_remove(fake->checks, often);
    struct nj_check *rare = add(2, "{\"interval\":\"1h\",\"retries\":{\"count\":0}}");
    fake->runs_count = 0;
    fake->rollups = fake->rollup_runs = 0;
    pass(2 * NJ_HOUR + NJ_MIN, NJ_SEC);
    assert_in_range(fake->runs_count, 2, 3);
    assert_int_equal(fake->rollup_runs, fake->runs_count);
    assert_in_range(fake->signs, 20, 24);
    size_t signs = fake->signs;
    nj_checks_remove(fake->checks, rare);
    pass(20 * NJ_MIN, NJ_SEC);
    assert_int_equal(fake->signs, signs);
}

static void errors_of_a_minute_are_bounded(void **state)
{
    (void)state;
    struct nj_check *check = add(1, plain);
    for (int i = 0; i < 20; i++) {
        fake->cause = (enum nj_cause)(NJ_CAUSE_RESOLVE + i % 12);
        nj_check_now(fake->checks, check);
        pass(3 * STEP, STEP);
    }
    nj_checks_remove(fake->checks, check);
    assert_int_equal(fake->last_rollup.errors_count, NJ_ROLLUP_ERRORS_MAX);
    uint32_t counted = 0;
    for (size_t i = 0; i < NJ_ROLLUP_ERRORS_MAX; i++)
        counted += fake->last_rollup.errors[i].count;
    assert_int_equal(counted, fake->last_rollup.failures);
}

static void now_means_now_and_only_once(void **state)
{
    (void)state;
    fake->takes_ns = NJ_SEC;
    struct nj_check *check = add(1, plain);
    nj_check_now(fake->checks, check);
    assert_int_equal(fake->runs_count, 1);
    nj_check_now(fake->checks, check);
    assert_int_equal(fake->runs_count, 1);
    pass(1100 * NJ_MS, STEP);
    nj_check_now(fake->checks, check);
    assert_true(fake->runs_count >= 2);
}

static void a_state_that_was_told_is_not_told_again(void **state)
{
    (void)state;
    fake->cause = NJ_CAUSE_TIMEOUT;
    struct nj_check *check = add(1, plain);
    nj_check_restore(check, NJ_CHECK_FAILING, BEGIN - NJ_HOUR);
    pass(15 * NJ_SEC, 100 * NJ_MS);
    assert_true(fake->results >= 1);
    assert_int_equal(fake->changes, 0);
    assert_int_equal(nj_check_memory(check)->since_ns, BEGIN - NJ_HOUR);
}

static void count_check(void *data, struct nj_check *check)
{
    size_t *count = data;
    assert_non_null(nj_check_spec(check));
    assert_null(nj_check_data(check));
    ++*count;
}

static void too_many_and_known_ones_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < CHECKS_MAX; i++)
        (void)add(i, plain);
    struct nj_spec *spec;
    struct nj_check *check = NULL;
    struct nj_err err;
    assert_int_equal(nj_spec_parse("spec", plain, sizeof(plain) - 1, false, &spec, &err), 0);
    struct nj_check_options options = {.id = "monitor|pod/3", .spec = spec, .target = {.host = "::1"}};
    assert_int_equal(nj_checks_add(fake->checks, &options, &check, &err), -EEXIST);
    options.id = "another";
    assert_int_equal(nj_checks_add(fake->checks, &options, &check, &err), -ENOSPC);
    assert_null(check);
    assert_metric("nightjar_probe_refused_checks_total 1\n");
    nj_spec_unref(spec);
    size_t count = 0;
    nj_checks_each(fake->checks, count_check, &count);
    assert_int_equal(count, CHECKS_MAX);
}

#define checks_case(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        checks_case(a_check_runs_soon_and_then_keeps_its_place),
        checks_case(many_new_ones_begin_one_after_the_other_and_spread_over_the_interval),
        checks_case(no_more_run_at_once_than_allowed_and_the_rest_waits_its_turn),
        checks_case(a_run_that_outlasts_the_interval_skips_the_next_place),
        checks_case(a_failing_run_is_tried_again_before_it_counts),
        checks_case(one_that_others_explain_takes_a_failing_run_more),
        checks_case(the_probers_own_trouble_is_no_failure_of_the_target),
        checks_case(one_that_is_starting_is_not_told_to_fail),
        checks_case(removal_is_at_once),
        checks_case(a_result_may_remove_its_check),
        checks_case(a_minute_is_told_when_it_is_over_and_loses_nothing),
        checks_case(one_that_runs_rarely_is_told_of_in_between),
        checks_case(errors_of_a_minute_are_bounded),
        checks_case(now_means_now_and_only_once),
        checks_case(a_state_that_was_told_is_not_told_again),
        checks_case(too_many_and_known_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
