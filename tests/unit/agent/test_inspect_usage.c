#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "agent/inspect/usage.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"

/* A minute's beginning. */
static const int64_t noon_ns = INT64_C(1795262400) * NJ_SEC;

/* A container, scan by scan. */
struct watched {
    struct nj_usage_minutes *usage;
    struct nj_container_figures figures;
    double gpu;
    uint64_t gpu_memory;
    int64_t wall_ns;
    int64_t minute_ns; /* of the last item that was told */
    struct nj_usage_item item;
};

static void begin(struct watched *watched)
{
    *watched = (struct watched){
        .usage = nj_usage_minutes_new(), .gpu = -1, .gpu_memory = NJ_UNKNOWN, .wall_ns = noon_ns};
    watched->figures = (struct nj_container_figures){.id = "c1",
                                                     .at_ns = NJ_HOUR,
                                                     .cpu_ns = 0,
                                                     .periods = NJ_UNKNOWN,
                                                     .throttled_periods = NJ_UNKNOWN,
                                                     .cpu_quota_millis = NJ_UNKNOWN,
                                                     .memory_working_set = 100,
                                                     .oom_kills = 0};
}

static void end(struct watched *watched)
{
    nj_usage_minutes_free(watched->usage);
}

static bool scan(struct watched *watched)
{
    return nj_usage_add(watched->usage, &watched->figures, watched->gpu, watched->gpu_memory,
                        watched->wall_ns, &watched->minute_ns, &watched->item);
}

/* So much later, with `cores` in use meanwhile. */
static bool scan_after(struct watched *watched, int64_t ns, double cores)
{
    watched->figures.at_ns += ns;
    watched->wall_ns += ns;
    watched->figures.cpu_ns += (uint64_t)(cores * (double)ns);
    return scan(watched);
}

static struct nj_sketch metric(const struct watched *watched, enum nj_usage_metric which)
{
    struct nj_sketch sketch = {0};
    assert_int_not_equal(watched->item.metrics[which].len, 0);
    assert_int_equal(
        nj_sketch_decode(watched->item.metrics[which].sketch, watched->item.metrics[which].len, &sketch), 0);
    return sketch;
}

static void assert_metric(const struct watched *watched, enum nj_usage_metric which, uint64_t count,
                          double min, double sum, double max)
{
    struct nj_sketch sketch = metric(watched, which);
    assert_int_equal(sketch.count, count);
    assert_true(sketch.min > min - 1e-6 && sketch.min < min + 1e-6);
    assert_true(sketch.sum > sum - 1e-6 && sketch.sum < sum + 1e-6);
    assert_true(sketch.max > max - 1e-6 && sketch.max < max + 1e-6);
    nj_sketch_done(&sketch);
}

static void assert_absent(const struct watched *watched, enum nj_usage_metric which)
{
    assert_int_equal(watched->item.metrics[which].len, 0);
}

static void a_minute_is_told_when_the_next_has_begun(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    assert_false(scan(&watched)); /* 12:00:00 */
    for (int i = 0; i < 5; i++) {
        watched.figures.memory_working_set += 100;
        assert_false(scan_after(&watched, 10 * NJ_SEC, i == 2 ? 2 : 0.5));
    }
    assert_true(scan_after(&watched, 10 * NJ_SEC, 1.5)); /* 12:01:00 */
    assert_int_equal(watched.minute_ns, noon_ns);
    assert_metric(&watched, NJ_USAGE_CPU, 5, 0.5, 4, 2);
    assert_metric(&watched, NJ_USAGE_MEMORY, 6, 100, 2100, 600);
    assert_absent(&watched, NJ_USAGE_THROTTLED);
    assert_absent(&watched, NJ_USAGE_GPU);
    assert_absent(&watched, NJ_USAGE_GPU_MEMORY);
    assert_int_equal(watched.item.oom_kills, 0);
    assert_true(nj_usage_end(watched.usage, "c1", &watched.minute_ns, &watched.item));
    assert_int_equal(watched.minute_ns, noon_ns + NJ_MIN);
    assert_metric(&watched, NJ_USAGE_CPU, 1, 1.5, 1.5, 1.5);
    assert_false(nj_usage_end(watched.usage, "c1", &watched.minute_ns, &watched.item));
    end(&watched);
}

static void the_average_is_the_counters(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    assert_false(scan(&watched));
    assert_false(scan_after(&watched, 2 * NJ_SEC, 3));    /* a scan that came early */
    assert_false(scan_after(&watched, 48 * NJ_SEC, 0.5)); /* and one that came late */
    assert_true(scan_after(&watched, 10 * NJ_SEC, 0.5));
    assert_metric(&watched, NJ_USAGE_CPU, 2, 0.5, 2 * (6 + 24) / 50.0, 3);
    end(&watched);
}

static void what_is_unknown_is_absent(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    watched.figures.cpu_ns = watched.figures.memory_working_set = watched.figures.oom_kills = NJ_UNKNOWN;
    for (int i = 0; i < 20; i++) {
        watched.figures.at_ns += 10 * NJ_SEC;
        watched.wall_ns += 10 * NJ_SEC;
        assert_false(scan(&watched));
    }
    assert_true(nj_usage_cpu(watched.usage, "c1") < 0);
    assert_true(nj_usage_cpu(watched.usage, "c2") < 0);
    assert_false(nj_usage_end(watched.usage, "c1", &watched.minute_ns, &watched.item));
    end(&watched);
}

static void throttling_is_a_share_of_the_periods(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    watched.figures.periods = 1000;
    watched.figures.throttled_periods = 500;
    watched.figures.cpu_quota_millis = 500;
    assert_false(scan(&watched));
    watched.figures.periods += 100;
    watched.figures.throttled_periods += 25;
    assert_false(scan_after(&watched, 10 * NJ_SEC, 0.5));
    assert_false(scan_after(&watched, 10 * NJ_SEC, 0)); /* it slept */
    assert_true(scan_after(&watched, 40 * NJ_SEC, 0));
    assert_metric(&watched, NJ_USAGE_THROTTLED, 2, 0, 0.25, 0.25);
    end(&watched);
}

static void gpu_and_oom_kills_are_told_with_their_minute(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    watched.gpu = 0.25;
    watched.gpu_memory = 1 << 30;
    watched.figures.oom_kills = 7; /* from before the agent looked */
    assert_false(scan(&watched));
    watched.figures.oom_kills = 9;
    assert_false(scan_after(&watched, 10 * NJ_SEC, 1));
    assert_true(scan_after(&watched, 50 * NJ_SEC, 1));
    assert_int_equal(watched.item.oom_kills, 2);
    assert_metric(&watched, NJ_USAGE_GPU, 2, 0.25, 0.5, 0.25);
    assert_metric(&watched, NJ_USAGE_GPU_MEMORY, 2, 1 << 30, 2.0 * (1 << 30), 1 << 30);
    assert_true(scan_after(&watched, NJ_MIN, 1));
    assert_int_equal(watched.item.oom_kills, 0);
    end(&watched);
}

static void a_counter_that_falls_begins_anew(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    watched.figures.cpu_ns = UINT64_MAX / 2;
    assert_false(scan(&watched));
    watched.figures.cpu_ns = 0;
    assert_false(scan_after(&watched, 10 * NJ_SEC, 0));
    assert_true(nj_usage_cpu(watched.usage, "c1") < 0);
    assert_false(scan_after(&watched, 10 * NJ_SEC, 0.75));
    assert_true(nj_usage_cpu(watched.usage, "c1") > 0.74);
    assert_true(nj_usage_cpu(watched.usage, "c1") < 0.76);
    assert_true(scan_after(&watched, 40 * NJ_SEC, 0));
    assert_metric(&watched, NJ_USAGE_CPU, 1, 0.75, 0.75, 0.75);
    end(&watched);
}

static void a_clock_that_is_set_back_tells_no_minute_twice(void **state)
{
    (void)state;
    struct watched watched;
    int told = 0;
    int64_t last_ns = 0;
    begin(&watched);
    for (int i = 0; i < 60; i++) {
        if (i == 20)
            watched.wall_ns -= 2 * NJ_MIN;
        if (!scan_after(&watched, 10 * NJ_SEC, 1))
            continue;
        assert_true(watched.minute_ns > last_ns);
        last_ns = watched.minute_ns;
        told++;
    }
    assert_int_equal(told, 8); /* ten minutes of scans; the clock went on for eight of them */
    watched.wall_ns -= NJ_DAY; /* that was no small correction: the new time is right */
    (void)scan_after(&watched, 10 * NJ_SEC, 1);
    assert_false(scan_after(&watched, 10 * NJ_SEC, 1));
    assert_true(scan_after(&watched, 50 * NJ_SEC, 1));
    assert_true(watched.minute_ns < noon_ns);
    end(&watched);
}

static void a_gap_in_scanning_is_no_use(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    assert_false(scan(&watched));
    assert_false(scan_after(&watched, 10 * NJ_SEC, 1));
    assert_true(scan_after(&watched, 3 * NJ_HOUR, 4)); /* the first minute */
    assert_metric(&watched, NJ_USAGE_CPU, 1, 1, 1, 1);
    assert_true(nj_usage_cpu(watched.usage, "c1") < 0);
    assert_true(scan_after(&watched, NJ_MIN, 0.5)); /* the minute after the gap: its memory only */
    assert_absent(&watched, NJ_USAGE_CPU);
    assert_metric(&watched, NJ_USAGE_MEMORY, 1, 100, 100, 100);
    assert_int_equal(watched.minute_ns, noon_ns + 3 * NJ_HOUR);
    end(&watched);
}

static void containers_do_not_mix(void **state)
{
    (void)state;
    struct watched watched;
    begin(&watched);
    struct nj_container_figures other = watched.figures;
    struct nj_usage_item item;
    int64_t minute_ns;
    other.id[1] = '2';
    other.memory_working_set = 7000;
    assert_false(scan(&watched));
    assert_false(nj_usage_add(watched.usage, &other, -1, NJ_UNKNOWN, noon_ns, &minute_ns, &item));
    assert_true(scan_after(&watched, NJ_MIN, 1));
    assert_metric(&watched, NJ_USAGE_MEMORY, 1, 100, 100, 100);
    assert_true(nj_usage_end(watched.usage, "c2", &watched.minute_ns, &watched.item));
    assert_metric(&watched, NJ_USAGE_MEMORY, 1, 7000, 7000, 7000);
    end(&watched);
}

static void the_node_has_minutes_too(void **state)
{
    (void)state;
    struct watched watched;
    struct nj_node_figures node = {
        .at_ns = NJ_HOUR, .wall_ns = noon_ns, .memory_total = 1000, .memory_available = 400, .oom_kills = 3};
    begin(&watched);
    assert_false(nj_usage_add_node(watched.usage, &node, &watched.minute_ns, &watched.item));
    node.at_ns += 30 * NJ_SEC;
    node.wall_ns += 30 * NJ_SEC;
    node.cpu_user_ns = (uint64_t)(45 * NJ_SEC);
    node.cpu_system_ns = node.cpu_other_ns = (uint64_t)(15 * NJ_SEC);
    node.cpu_idle_ns = node.cpu_iowait_ns = (uint64_t)(99 * NJ_SEC);
    node.memory_available = NJ_UNKNOWN;
    node.oom_kills = 4;
    assert_false(nj_usage_add_node(watched.usage, &node, &watched.minute_ns, &watched.item));
    node.wall_ns += 30 * NJ_SEC;
    assert_true(nj_usage_add_node(watched.usage, &node, &watched.minute_ns, &watched.item));
    assert_int_equal(watched.minute_ns, noon_ns);
    assert_metric(&watched, NJ_USAGE_CPU, 1, 2.5, 2.5, 2.5);
    assert_metric(&watched, NJ_USAGE_MEMORY, 1, 600, 600, 600);
    assert_int_equal(watched.item.oom_kills, 1);
    end(&watched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_is_told_when_the_next_has_begun),
        cmocka_unit_test(the_average_is_the_counters),
        cmocka_unit_test(what_is_unknown_is_absent),
        cmocka_unit_test(throttling_is_a_share_of_the_periods),
        cmocka_unit_test(gpu_and_oom_kills_are_told_with_their_minute),
        cmocka_unit_test(a_counter_that_falls_begins_anew),
        cmocka_unit_test(a_clock_that_is_set_back_tells_no_minute_twice),
        cmocka_unit_test(a_gap_in_scanning_is_no_use),
        cmocka_unit_test(containers_do_not_mix),
        cmocka_unit_test(the_node_has_minutes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
