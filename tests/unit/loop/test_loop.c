#include <stdlib.h>
#include <string.h>

#include "tests/unit/loop/support.h"

enum { LOG_MAX = 64 };

/* What fired, in order, by the letter of each timer. */
struct record {
    char text[LOG_MAX];
    size_t len;
};

struct letter {
    struct nj_timer timer;
    struct record *record;
    char name;
    void (*then)(struct letter *letter);
    struct letter *other;
    int times_left;
};

static void on_fire(struct nj_timer *timer)
{
    struct letter *letter = timer->data;
    assert_true(letter->record->len + 1 < LOG_MAX);
    letter->record->text[letter->record->len++] = letter->name;
    if (letter->then != NULL)
        letter->then(letter);
}

static void letter_init(struct letter *letter, struct test_loop *test, struct record *record, char name)
{
    *letter = (struct letter){.record = record, .name = name};
    nj_timer_init(&letter->timer, &test->loop, on_fire, letter);
}

static void timers_fire_in_the_order_of_their_time_and_the_run_ends_after_the_last(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    struct letter b;
    struct letter c;
    struct letter d;
    letter_init(&a, test, &record, 'a');
    letter_init(&b, test, &record, 'b');
    letter_init(&c, test, &record, 'c');
    letter_init(&d, test, &record, 'd');
    nj_timer_start(&c.timer, 30 * NJ_MS, 0);
    nj_timer_start(&a.timer, 0, 0);
    nj_timer_start(&b.timer, 10 * NJ_MS, 0);
    nj_timer_start(&d.timer, 20 * NJ_MS, 0);
    nj_timer_stop(&d.timer);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "abc");
}

static void a_timer_never_fires_early(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    for (int i = 0; i < 20; i++) {
        struct letter a;
        letter_init(&a, test, &record, 'a');
        int64_t before = nj_loop_mono_ns(&test->loop);
        int64_t delay = NJ_MS + i * (NJ_MS / 10);
        nj_timer_start(&a.timer, delay, 0);
        nj_loop_run(&test->loop);
        assert_true(nj_loop_mono_ns(&test->loop) - before >= delay);
    }
}

static void arming_again_moves_a_timer(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    struct letter b;
    letter_init(&a, test, &record, 'a');
    letter_init(&b, test, &record, 'b');
    nj_timer_start(&a.timer, NJ_MS, 0);
    nj_timer_start(&b.timer, 5 * NJ_MS, 0);
    nj_timer_start(&a.timer, 15 * NJ_MS, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "ba");
}

static void stop_after_times(struct letter *letter)
{
    if (--letter->times_left == 0)
        nj_timer_stop(&letter->timer);
}

static void a_periodic_timer_fires_until_it_stops_itself(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    letter_init(&a, test, &record, 'a');
    a.then = stop_after_times;
    a.times_left = 5;
    nj_timer_start(&a.timer, 0, NJ_MS);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "aaaaa");
}

static void stop_other(struct letter *letter)
{
    nj_timer_stop(&letter->other->timer);
}

static void start_other_at_once(struct letter *letter)
{
    nj_timer_start(&letter->other->timer, 0, 0);
}

static void a_timer_that_is_due_does_not_fire_when_another_stops_it(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    struct letter b;
    letter_init(&a, test, &record, 'a');
    letter_init(&b, test, &record, 'b');
    a.then = stop_other;
    a.other = &b;
    nj_timer_start(&a.timer, 0, 0);
    nj_timer_start(&b.timer, 0, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "a");
}

static void a_timer_may_arm_another(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    struct letter b;
    letter_init(&a, test, &record, 'a');
    letter_init(&b, test, &record, 'b');
    a.then = start_other_at_once;
    a.other = &b;
    nj_timer_start(&a.timer, 0, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "ab");
}

static void again_at_once(struct letter *letter)
{
    if (--letter->times_left > 0)
        nj_timer_start(&letter->timer, 0, 0);
    else
        nj_loop_stop(letter->timer.loop);
}

static void on_idle(uv_idle_t *idle)
{
    int *turns = idle->data;
    ++*turns;
}

static void a_timer_that_rearms_itself_with_no_delay_leaves_the_loop_to_others(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    letter_init(&a, test, &record, 'a');
    a.then = again_at_once;
    a.times_left = 10;
    int turns = 0;
    uv_idle_t idle;
    assert_int_equal(uv_idle_init(&test->loop.uv, &idle), 0);
    idle.data = &turns;
    assert_int_equal(uv_idle_start(&idle, on_idle), 0);
    nj_timer_start(&a.timer, 0, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "aaaaaaaaaa");
    assert_true(turns >= 9);
    uv_close((uv_handle_t *)&idle, NULL);
    test_run_some(test);
}

static void stop_loop(struct letter *letter)
{
    nj_loop_stop(letter->timer.loop);
}

static void stop_ends_the_run_though_timers_are_armed(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter a;
    struct letter never;
    letter_init(&a, test, &record, 'a');
    letter_init(&never, test, &record, 'n');
    a.then = stop_loop;
    nj_timer_start(&never.timer, INT64_MAX, 0);
    nj_timer_start(&a.timer, NJ_MS, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "a");
    nj_timer_stop(&never.timer);
    nj_timer_stop(&never.timer);
}

/* Moves a replay's clock by an hour each real millisecond, as a replaying process would. */
static void on_tick(uv_timer_t *tick)
{
    int64_t *now_ns = tick->data;
    *now_ns += NJ_HOUR;
}

static void timers_follow_a_replays_clock_not_real_time(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    int64_t now_ns = 1000 * NJ_DAY;
    test->clock.replay = &now_ns;
    struct letter a;
    struct letter b;
    letter_init(&a, test, &record, 'a');
    letter_init(&b, test, &record, 'b');
    b.then = stop_loop;
    nj_timer_start(&b.timer, 3 * NJ_HOUR, 0);
    nj_timer_start(&a.timer, 2 * NJ_HOUR, 0);
    uv_timer_t tick;
    assert_int_equal(uv_timer_init(&test->loop.uv, &tick), 0);
    tick.data = &now_ns;
    assert_int_equal(uv_timer_start(&tick, on_tick, 1, 1), 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "ab");
    assert_true(now_ns >= 1000 * NJ_DAY + 3 * NJ_HOUR);
    assert_int_equal(nj_loop_wall_ns(&test->loop), now_ns);
    uv_close((uv_handle_t *)&tick, NULL);
    test_run_some(test);
}

static void timers_wait_while_a_replays_clock_stands_still(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    int64_t now_ns = NJ_DAY;
    test->clock.replay = &now_ns;
    struct letter soon;
    struct letter now;
    letter_init(&soon, test, &record, 's');
    letter_init(&now, test, &record, 'n');
    now.then = stop_loop;
    nj_timer_start(&soon.timer, 1, 0);
    nj_timer_start(&now.timer, 0, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "n");
    nj_timer_stop(&soon.timer);
}

static void missed_periods_are_skipped(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    int64_t now_ns = NJ_DAY;
    test->clock.replay = &now_ns;
    struct letter a;
    letter_init(&a, test, &record, 'a');
    nj_timer_start(&a.timer, NJ_SEC, NJ_SEC);
    now_ns += NJ_HOUR;
    struct letter end;
    letter_init(&end, test, &record, 'e');
    end.then = stop_loop;
    nj_timer_start(&end.timer, 0, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "ae");
    nj_timer_stop(&a.timer);
}

/* The value of a line of the metrics that starts like this. */
static double value_of(const struct nj_metrics *metrics, const char *start)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(metrics, &text), 0);
    const char *at = strstr(text.data, start);
    assert_non_null(at);
    double value = strtod(at + strlen(start), NULL);
    nj_buf_done(&text);
    return value;
}

static void be_busy(struct letter *letter)
{
    int64_t until_ns = nj_loop_mono_ns(letter->timer.loop) + 30 * NJ_MS;
    while (nj_loop_mono_ns(letter->timer.loop) < until_ns)
        ;
}

static void a_turn_that_is_busy_is_a_stall_and_one_that_waits_is_none(void **state)
{
    struct test_loop *test = *state;
    struct record record = {0};
    struct letter wait;
    struct letter busy;
    struct letter end;
    struct nj_metrics *metrics = nj_metrics_new();
    letter_init(&wait, test, &record, 'w');
    letter_init(&busy, test, &record, 'b');
    letter_init(&end, test, &record, 'e');
    busy.then = be_busy;
    nj_loop_measure(&test->loop, metrics);
    nj_timer_start(&wait.timer, 300 * NJ_MS, 0);
    nj_loop_run(&test->loop);
    assert_true(value_of(metrics, "nightjar_loop_stall_seconds_sum ") < 0.3);
    nj_timer_start(&busy.timer, NJ_MS, 0);
    nj_timer_start(&end.timer, 40 * NJ_MS, 0);
    nj_loop_run(&test->loop);
    double count = value_of(metrics, "nightjar_loop_stall_seconds_count ");
    assert_true(value_of(metrics, "nightjar_loop_stall_seconds_bucket{le=\"0.02\"} ") < count);
    assert_true(value_of(metrics, "nightjar_loop_stall_seconds_sum ") >= 0.03);
    nj_loop_measure(&test->loop, NULL);
    nj_metrics_free(metrics);
    nj_timer_start(&end.timer, NJ_MS, 0);
    nj_loop_run(&test->loop);
    assert_string_equal(record.text, "wbee");
}

static void a_handle_that_was_left_open_is_reported(void **state)
{
    (void)state;
    struct nj_clock clock;
    struct nj_loop loop;
    nj_clock_init(&clock);
    assert_int_equal(nj_loop_init(&loop, &clock), 0);
    uv_async_t left;
    assert_int_equal(uv_async_init(&loop.uv, &left, NULL), 0);
    uv_unref((uv_handle_t *)&left);
    assert_int_equal(nj_loop_close(&loop), -EBUSY);
    uv_close((uv_handle_t *)&left, NULL);
    (void)uv_run(&loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop.uv), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(timers_fire_in_the_order_of_their_time_and_the_run_ends_after_the_last),
        test_loop_case(a_timer_never_fires_early),
        test_loop_case(arming_again_moves_a_timer),
        test_loop_case(a_periodic_timer_fires_until_it_stops_itself),
        test_loop_case(a_timer_that_is_due_does_not_fire_when_another_stops_it),
        test_loop_case(a_timer_may_arm_another),
        test_loop_case(a_timer_that_rearms_itself_with_no_delay_leaves_the_loop_to_others),
        test_loop_case(stop_ends_the_run_though_timers_are_armed),
        test_loop_case(timers_follow_a_replays_clock_not_real_time),
        test_loop_case(timers_wait_while_a_replays_clock_stands_still),
        test_loop_case(missed_periods_are_skipped),
        test_loop_case(a_turn_that_is_busy_is_a_stall_and_one_that_waits_is_none),
        cmocka_unit_test(a_handle_that_was_left_open_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
