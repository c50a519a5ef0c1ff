/*
 * Leaks at known rates are told before half of their limit is used, and what merely looks like one never is:
 * series of many shapes, each with several seeds. An hour of a shape is the least span.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <stdio.h>

#include "agent/inspect/leak.h"
#include "common/base/clock.h"

enum { SEEDS = 6 };

/* ---- shapes */

struct random {
    uint64_t state;
};

static double uniform(struct random *random)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (double)(random->state >> 11) / 9007199254740992.0;
}

static double normal(struct random *random)
{
    return sqrt(-2 * log(uniform(random) + 1e-18)) * cos(2 * 3.14159265358979 * uniform(random));
}

/* What a process does. Counts and hours; 0: not so. */
struct shape {
    const char *name;
    double hours;              /* for how long it is watched */
    double base, noise;        /* standard deviation */
    double leak;               /* an hour, */
    double leak_after;         /* from then on */
    double leak_each;          /* by so much at a time */
    double tooth, tooth_hours; /* height and period of what a collector frees */
    double irregular;          /* share of the tooth by which its ends vary */
    double day, day_phase;     /* height, and where in the day it begins */
    double warm, warm_hours;   /* height and time constant of 1 - exp(-t) */
    double pool, pool_hours;   /* height, and until when it fills */
    double log, log_hours;
    double step, step_after;
    double batch, batch_each, batch_hours;
    double wander, wander_hours; /* deviation and memory of what swings around its mean */
    double limit;
    bool steady; /* is no quantity that rises with the load */
};

struct walk {
    struct random random;
    double wander, tooth, tooth_end;
};

static double value_of(const struct shape *shape, struct walk *walk, double t, double step)
{
    double value = shape->base + shape->noise * normal(&walk->random);
    double leaked = shape->leak * fmax(0, t - shape->leak_after);
    value += shape->leak_each > 0 ? shape->leak_each * floor(leaked / shape->leak_each) : leaked;
    if (shape->tooth > 0) {
        if (walk->tooth >= walk->tooth_end) {
            walk->tooth = uniform(&walk->random) * shape->irregular * shape->tooth;
            walk->tooth_end = shape->tooth * (1 - shape->irregular * uniform(&walk->random));
        }
        walk->tooth += shape->tooth / shape->tooth_hours * step;
        value += walk->tooth;
    }
    value += shape->day * (1 - cos(2 * 3.14159265358979 * (t / 24 + shape->day_phase))) / 2;
    value += shape->warm > 0 ? shape->warm * (1 - exp(-t / shape->warm_hours)) : 0;
    value += shape->pool > 0 ? shape->pool * fmin(1, t / shape->pool_hours) : 0;
    value += shape->log > 0 ? shape->log * log(1 + t / shape->log_hours) : 0;
    value += t >= shape->step_after ? shape->step : 0;
    if (shape->batch > 0) {
        double within = fmod(t, shape->batch_each);
        value += within < shape->batch_hours ? shape->batch * within / shape->batch_hours : 0;
    }
    if (shape->wander > 0) {
        double share = step / shape->wander_hours;
        walk->wander += -share * walk->wander + sqrt(2 * share) * normal(&walk->random);
        value += shape->wander * walk->wander;
    }
    return fmax(0, round(value));
}

/* Watches with this least span, `values` of them within it. True when a leak is told; when and with what. */
static bool is_told(const struct shape *shape, unsigned seed, int64_t least_span_ns, int values,
                    double *ret_hours, struct nj_leak_verdict *ret_verdict)
{
    const struct nj_leak_rules rules = {.interval_ns = least_span_ns / values,
                                        .least_span_ns = least_span_ns};
    const struct nj_leak_question question = {
        .limit = shape->limit, .least = 50, .has_rhythm = !shape->steady};
    struct nj_leak_series *series = nj_leak_series_new(&rules);
    struct walk walk = {.random = {.state = 88172645463325252U + 1000003UL * seed}};
    double step = 1.0 / values;
    int each = values >= 120 ? values / 60 : 1, added = 0;
    struct nj_leak_verdict verdict = {0};
    for (int i = 0; i < 10; i++)
        (void)uniform(&walk.random);
    double t = 0;
    for (; t < shape->hours && !verdict.leaks; t += step * (0.95 + 0.1 * uniform(&walk.random))) {
        nj_leak_series_add(series, NJ_SEC + (int64_t)(t * (double)least_span_ns),
                           value_of(shape, &walk, t, step));
        if (++added % each == 0)
            nj_leak_judge(series, &question, &verdict);
    }
    nj_leak_series_free(series);
    *ret_hours = t;
    *ret_verdict = verdict;
    return verdict.leaks;
}

static void assert_told(const struct shape *shapes, size_t count, int64_t least_span_ns, int values)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            const struct shape *shape = &shapes[i];
            struct nj_leak_verdict verdict;
            double hours;
            if (!is_told(shape, seed, least_span_ns, values, &hours, &verdict))
                fail_msg("%s, seed %u: not told", shape->name, seed);
            double used = shape->base + shape->leak * fmax(0, hours - shape->leak_after);
            if (shape->limit > 0 && used > shape->limit / 2)
                fail_msg("%s, seed %u: told after %.2f h, with %.0f in use", shape->name, seed, hours, used);
            double per_hour = verdict.per_hour * (double)least_span_ns / (double)NJ_HOUR;
            if (per_hour < 0.6 * shape->leak || per_hour > 1.7 * shape->leak)
                fail_msg("%s, seed %u: %.2f an hour instead of %.2f", shape->name, seed, per_hour,
                         shape->leak);
        }
    }
}

static void assert_never(const struct shape *shapes, size_t count, int64_t least_span_ns, int values)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            struct nj_leak_verdict verdict;
            double hours;
            if (is_told(&shapes[i], seed, least_span_ns, values, &hours, &verdict))
                fail_msg("%s, seed %u: told after %.2f h at %.0f, %.2f an hour", shapes[i].name, seed, hours,
                         verdict.value, verdict.per_hour);
        }
    }
}

#define COUNT(shapes) (sizeof(shapes) / sizeof((shapes)[0]))

static void leaks_are_told_before_half_of_the_limit_is_used(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "in 15 minutes", .hours = 1, .base = 50, .noise = 2, .leak = 1848, .limit = 1024},
        {.name = "in an hour", .hours = 2, .base = 50, .noise = 5, .leak = 462, .limit = 1024},
        {.name = "in an hour, noisy", .hours = 2, .base = 50, .noise = 20, .leak = 462, .limit = 1024},
        {.name = "in an hour, from a fifth", .hours = 2, .base = 205, .leak = 307, .limit = 1024},
        {.name = "in 6 hours", .hours = 9, .base = 50, .noise = 5, .leak = 77, .limit = 1024},
        {.name = "in 20 hours", .hours = 30, .base = 50, .noise = 5, .leak = 23, .limit = 1024},
        {.name = "in 3 days", .hours = 80, .base = 50, .noise = 5, .leak = 6.4, .limit = 1024},
        {.name = "in 3 days, noisy", .hours = 80, .base = 50, .noise = 50, .leak = 6.4, .limit = 1024},
        {.name = "in 9 days", .hours = 220, .base = 50, .noise = 5, .leak = 2.3, .limit = 1024},
        {.name = "20 at a time", .hours = 11, .base = 50, .leak = 46, .leak_each = 23, .limit = 1024},
        {.name = "after a day and a half",
         .hours = 42,
         .base = 50,
         .noise = 5,
         .leak = 77,
         .leak_after = 34,
         .limit = 1024},
        {.name = "fast, after a day and a half",
         .hours = 42,
         .base = 50,
         .noise = 5,
         .leak = 460,
         .leak_after = 34,
         .limit = 1024},
        {.name = "after a warm-up",
         .hours = 11,
         .base = 50,
         .noise = 5,
         .warm = 80,
         .warm_hours = 0.05,
         .leak = 40,
         .limit = 1024},
    };
    assert_told(shapes, COUNT(shapes), NJ_HOUR, 360);
}

static void leaks_are_told_under_collection_and_the_rhythm_of_the_day(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "teeth of 5 min",
         .hours = 3,
         .base = 50,
         .noise = 5,
         .tooth = 60,
         .tooth_hours = 0.083,
         .leak = 200,
         .limit = 1024},
        {.name = "teeth of 30 min",
         .hours = 7,
         .base = 50,
         .noise = 5,
         .tooth = 50,
         .tooth_hours = 0.5,
         .leak = 70,
         .limit = 1024},
        {.name = "teeth of an hour",
         .hours = 30,
         .base = 50,
         .noise = 5,
         .tooth = 100,
         .tooth_hours = 1,
         .leak = 20,
         .limit = 1024},
        {.name = "teeth of 6 hours",
         .hours = 80,
         .base = 50,
         .noise = 5,
         .tooth = 60,
         .tooth_hours = 6,
         .leak = 5.5,
         .limit = 1024},
        {.name = "by day", .hours = 90, .base = 50, .noise = 5, .day = 80, .leak = 5, .limit = 1024},
        {.name = "by day, from noon",
         .hours = 90,
         .base = 50,
         .noise = 5,
         .day = 80,
         .day_phase = 0.5,
         .leak = 5,
         .limit = 1024},
        {.name = "slowly, by day",
         .hours = 220,
         .base = 50,
         .noise = 5,
         .day = 100,
         .day_phase = 0.25,
         .leak = 2,
         .limit = 1024},
        {.name = "without a limit", .hours = 48, .base = 50, .noise = 5, .leak = 20},
    };
    assert_told(shapes, COUNT(shapes), NJ_HOUR, 360);
}

static void what_does_not_rise_with_the_load_is_told_after_the_least_span(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "zombies", .hours = 2, .leak = 60, .noise = 2, .steady = true},
        {.name = "few zombies", .hours = 6, .leak = 15, .noise = 1, .steady = true},
    };
    struct nj_leak_verdict verdict;
    double hours;
    assert_told(shapes, COUNT(shapes), NJ_HOUR, 360);
    assert_true(is_told(&shapes[0], 1, NJ_HOUR, 360, &hours, &verdict));
    assert_in_range(hours * 100, 100, 150);
}

static void leaks_are_told_within_seconds_when_the_rules_say_so(void **state)
{
    (void)state;
    /* An "hour" is 5 s here, with a look every 0.1 s. */
    static const struct shape shapes[] = {
        {.name = "in 5 s", .hours = 2, .base = 20, .noise = 1, .leak = 492, .limit = 1024},
        {.name = "in 15 s", .hours = 5, .base = 20, .noise = 1, .leak = 164, .limit = 1024},
        {.name = "in 60 s", .hours = 14, .base = 20, .noise = 1, .leak = 41, .limit = 1024},
        {.name = "zombies", .hours = 3, .leak = 60, .steady = true},
    };
    static const struct shape healthy[] = {
        {.name = "teeth of 1 s", .hours = 72, .base = 20, .tooth = 200, .tooth_hours = 0.2},
        {.name = "teeth of 3 s", .hours = 30, .base = 20, .tooth = 300, .tooth_hours = 0.6, .limit = 1024},
        {.name = "pool", .hours = 30, .base = 20, .pool = 300, .pool_hours = 1, .limit = 1024},
        {.name = "warm-up", .hours = 30, .base = 20, .warm = 300, .warm_hours = 1, .limit = 1024},
        {.name = "pool of zombies", .hours = 30, .pool = 200, .pool_hours = 0.5, .steady = true},
    };
    assert_told(shapes, COUNT(shapes), 5 * NJ_SEC, 50);
    assert_never(healthy, COUNT(healthy), 5 * NJ_SEC, 50);
}

static void collection_is_no_leak(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "5 min",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .tooth = 200,
         .tooth_hours = 0.083,
         .limit = 1024},
        {.name = "30 min",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .tooth = 200,
         .tooth_hours = 0.5,
         .limit = 1024},
        {.name = "3 h", .hours = 72, .base = 50, .noise = 5, .tooth = 250, .tooth_hours = 3, .limit = 1024},
        {.name = "7 h", .hours = 72, .base = 50, .noise = 5, .tooth = 250, .tooth_hours = 7, .limit = 1024},
        {.name = "20 h", .hours = 90, .base = 50, .noise = 5, .tooth = 250, .tooth_hours = 20},
        {.name = "irregular, 15 min",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .tooth = 250,
         .tooth_hours = 0.25,
         .irregular = 0.3,
         .limit = 1024},
        {.name = "irregular, 8 h",
         .hours = 150,
         .base = 50,
         .noise = 5,
         .tooth = 250,
         .tooth_hours = 8,
         .irregular = 0.3,
         .limit = 1024},
        {.name = "zombies reaped every 20 min",
         .hours = 24,
         .tooth = 100,
         .tooth_hours = 0.33,
         .steady = true},
        {.name = "a batch each night",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .batch = 280,
         .batch_each = 24,
         .batch_hours = 2,
         .limit = 1024},
        {.name = "a batch each hour",
         .hours = 48,
         .base = 50,
         .noise = 5,
         .batch = 300,
         .batch_each = 1,
         .batch_hours = 0.3,
         .limit = 1024},
        {.name = "long batches",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .batch = 300,
         .batch_each = 6,
         .batch_hours = 4},
    };
    assert_never(shapes, COUNT(shapes), NJ_HOUR, 360);
}

static void what_fills_up_and_stays_is_no_leak(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "warm in 2 min",
         .hours = 24,
         .base = 50,
         .noise = 5,
         .warm = 600,
         .warm_hours = 0.03,
         .limit = 1024},
        {.name = "warm in 10 min, to two thirds",
         .hours = 24,
         .base = 50,
         .noise = 5,
         .warm = 640,
         .warm_hours = 0.17,
         .limit = 1024},
        {.name = "warm in an hour, to two thirds",
         .hours = 48,
         .base = 50,
         .noise = 5,
         .warm = 640,
         .warm_hours = 1,
         .limit = 1024},
        {.name = "warm in 6 hours",
         .hours = 72,
         .base = 50,
         .noise = 5,
         .warm = 300,
         .warm_hours = 6,
         .limit = 1024},
        {.name = "warm in half a day", .hours = 150, .base = 50, .noise = 5, .warm = 500, .warm_hours = 12},
        {.name = "pool in 30 min",
         .hours = 24,
         .base = 20,
         .noise = 3,
         .pool = 300,
         .pool_hours = 0.5,
         .limit = 1024},
        {.name = "pool in 10 h",
         .hours = 72,
         .base = 20,
         .noise = 3,
         .pool = 300,
         .pool_hours = 10,
         .limit = 1024},
        {.name = "cache", .hours = 200, .base = 50, .noise = 3, .log = 40, .log_hours = 0.17, .limit = 1024},
        {.name = "large cache", .hours = 250, .base = 50, .noise = 3, .log = 50, .log_hours = 1},
        {.name = "step", .hours = 48, .base = 100, .noise = 5, .step = 300, .step_after = 5, .limit = 1024},
        {.name = "late step", .hours = 72, .base = 100, .noise = 5, .step = 250, .step_after = 50},
    };
    assert_never(shapes, COUNT(shapes), NJ_HOUR, 360);
}

static void what_swings_is_no_leak(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        {.name = "constant", .hours = 72, .base = 200, .limit = 1024},
        {.name = "noise", .hours = 72, .base = 300, .noise = 50, .limit = 1024},
        {.name = "noise of what does not rise with the load",
         .hours = 72,
         .base = 100,
         .noise = 40,
         .steady = true},
        {.name = "day", .hours = 72, .base = 100, .noise = 10, .day = 250, .limit = 1024},
        {.name = "day from dawn",
         .hours = 72,
         .base = 100,
         .noise = 10,
         .day = 250,
         .day_phase = 0.25,
         .limit = 1024},
        {.name = "day from noon",
         .hours = 150,
         .base = 100,
         .noise = 10,
         .day = 250,
         .day_phase = 0.5,
         .limit = 1024},
        {.name = "days", .hours = 250, .base = 100, .noise = 20, .day = 400, .day_phase = 0.75},
        {.name = "wandering, 5 min",
         .hours = 72,
         .base = 200,
         .noise = 3,
         .wander = 50,
         .wander_hours = 0.083,
         .limit = 1024},
        {.name = "wandering, 1 h",
         .hours = 72,
         .base = 200,
         .noise = 3,
         .wander = 50,
         .wander_hours = 1,
         .limit = 1024},
        {.name = "wandering, 6 h",
         .hours = 150,
         .base = 200,
         .noise = 3,
         .wander = 50,
         .wander_hours = 6,
         .limit = 1024},
    };
    assert_never(shapes, COUNT(shapes), NJ_HOUR, 360);
}

/* ---- single series */

static const struct nj_leak_rules rules = {.interval_ns = 10 * NJ_SEC, .least_span_ns = NJ_HOUR};

/* Adds values from..until by so much an hour, every ten seconds. Returns the time after. */
static int64_t climb(struct nj_leak_series *series, int64_t at_ns, double from, double until, double per_hour)
{
    int64_t count = (int64_t)((until - from) / per_hour * 360);
    for (int64_t i = 0; i < count; i++)
        nj_leak_series_add(series, at_ns + i * 10 * NJ_SEC, from + (double)i * per_hour / 360);
    return at_ns + count * 10 * NJ_SEC;
}

static struct nj_leak_verdict judge(const struct nj_leak_series *series, double limit)
{
    const struct nj_leak_question question = {.limit = limit, .least = 50, .has_rhythm = true};
    struct nj_leak_verdict verdict;
    nj_leak_judge(series, &question, &verdict);
    return verdict;
}

static void a_verdict_says_how_fast_since_when_and_until_when(void **state)
{
    (void)state;
    struct nj_leak_series *series = nj_leak_series_new(&rules);
    (void)climb(series, 7 * NJ_HOUR, 24, 460, 100);
    struct nj_leak_verdict verdict = judge(series, 1024);
    assert_true(verdict.leaks);
    assert_in_range(verdict.per_hour, 98, 102);
    assert_in_range(verdict.value, 420, 460);
    assert_in_range(verdict.began, 24, 70);
    assert_in_range(verdict.since_ns / NJ_MIN, 7 * 60, 7 * 60 + 40);
    assert_in_range(verdict.reaches_ns / NJ_MIN, 330, 365); /* 570 to go, 100 an hour */
    nj_leak_series_free(series);
}

static void a_restart_within_the_container_begins_a_new_run(void **state)
{
    (void)state;
    struct nj_leak_series *series = nj_leak_series_new(&rules);
    int64_t restart_ns = climb(series, NJ_HOUR, 24, 190, 100);
    assert_false(judge(series, 1024).leaks);
    (void)climb(series, restart_ns, 24, 470, 100);
    struct nj_leak_verdict verdict = judge(series, 1024);
    assert_true(verdict.leaks);
    assert_true(verdict.since_ns >= restart_ns);
    assert_true(verdict.since_ns < restart_ns + NJ_HOUR);
    nj_leak_series_free(series);
}

static void a_series_stands_gaps_and_times_that_go_back(void **state)
{
    (void)state;
    struct nj_leak_series *series = nj_leak_series_new(&rules);
    int64_t at_ns = climb(series, NJ_HOUR, 24, 250, 100);
    nj_leak_series_add(series, NJ_HOUR, 1e9); /* left out */
    nj_leak_series_add(series, at_ns - 10 * NJ_SEC, 0);
    at_ns += 20 * NJ_MIN; /* it leaks on meanwhile */
    (void)climb(series, at_ns, 283, 470, 100);
    assert_true(judge(series, 1024).leaks);
    nj_leak_series_add(series, at_ns + 1000 * NJ_DAY, 100);
    assert_false(judge(series, 1024).leaks);
    nj_leak_series_free(series);
}

static void an_empty_series_does_not_leak(void **state)
{
    (void)state;
    struct nj_leak_series *series = nj_leak_series_new(&rules);
    assert_false(judge(series, 1024).leaks);
    nj_leak_series_add(series, NJ_HOUR, 1000);
    assert_false(judge(series, 1024).leaks);
    nj_leak_series_free(series);
    nj_leak_series_free(NULL);
}

static void a_limit_is_near_from_80_per_cent_and_left_5_points_below(void **state)
{
    (void)state;
    assert_int_equal(nj_limit_level(799, 1000, 0), 0);
    assert_int_equal(nj_limit_level(800, 1000, 0), 80);
    assert_int_equal(nj_limit_level(949, 1000, 80), 80);
    assert_int_equal(nj_limit_level(950, 1000, 80), 95);
    assert_int_equal(nj_limit_level(950, 1000, 0), 95);
    assert_int_equal(nj_limit_level(900, 1000, 95), 95);
    assert_int_equal(nj_limit_level(899, 1000, 95), 80);
    assert_int_equal(nj_limit_level(750, 1000, 80), 80);
    assert_int_equal(nj_limit_level(749, 1000, 80), 0);
    assert_int_equal(nj_limit_level(749, 1000, 95), 0);
    assert_int_equal(nj_limit_level(1e9, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaks_are_told_before_half_of_the_limit_is_used),
        cmocka_unit_test(leaks_are_told_under_collection_and_the_rhythm_of_the_day),
        cmocka_unit_test(what_does_not_rise_with_the_load_is_told_after_the_least_span),
        cmocka_unit_test(leaks_are_told_within_seconds_when_the_rules_say_so),
        cmocka_unit_test(collection_is_no_leak),
        cmocka_unit_test(what_fills_up_and_stays_is_no_leak),
        cmocka_unit_test(what_swings_is_no_leak),
        cmocka_unit_test(a_verdict_says_how_fast_since_when_and_until_when),
        cmocka_unit_test(a_restart_within_the_container_begins_a_new_run),
        cmocka_unit_test(a_series_stands_gaps_and_times_that_go_back),
        cmocka_unit_test(an_empty_series_does_not_leak),
        cmocka_unit_test(a_limit_is_near_from_80_per_cent_and_left_5_points_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
