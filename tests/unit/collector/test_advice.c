#include "tests/unit/test.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "collector/capacity/advice.h"
#include "common/base/clock.h"

#define MIB(n) (INT64_C(n) << 20)

/* A service that takes 0.1 cores, at times 0.4, and some 200 MiB, for ten days. */
static struct nj_advice_input usual(void)
{
    struct nj_advice_input input = {
        .cpu_request_millis = 1000,
        .memory_request_bytes = MIB(1024),
        .memory_limit_bytes = MIB(1024),
        .seen_ns = 10 * NJ_DAY,
    };
    for (int i = 0; i < 1000; i++) {
        nj_sketch_add(&input.cpu, i % 50 == 0 ? 0.4 : 0.1);
        nj_sketch_add(&input.memory, (double)MIB(150) + (double)MIB(50) * i / 999);
    }
    return input;
}

static void input_done(struct nj_advice_input *input)
{
    nj_sketch_done(&input->cpu);
    nj_sketch_done(&input->memory);
    nj_sketch_done(&input->cpu_start);
    nj_sketch_done(&input->memory_start);
}

/* `says` is in one of the sentences; NULL: none is asked for. Releases the input. */
static struct nj_advice advise(struct nj_advice_input *input, const char *says)
{
    struct nj_buf reasons = {0};
    struct nj_advice advice;
    assert_int_equal(nj_advise(input, &advice, &reasons), 0);
    struct json_object *sentences = json_tokener_parse(nj_buf_str(&reasons));
    assert_true(json_object_is_type(sentences, json_type_array));
    for (size_t i = 0; i < json_object_array_length(sentences); i++) {
        const char *sentence = json_object_get_string(json_object_array_get_idx(sentences, i));
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
    }
    if (says != NULL && strstr(nj_buf_str(&reasons), says) == NULL)
        fail_msg("%s does not say \"%s\"", nj_buf_str(&reasons), says);
    assert_int_equal(json_object_put(sentences), 1);
    nj_buf_done(&reasons);
    input_done(input);
    return advice;
}

static void it_asks_for_what_it_takes_nearly_always(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    struct nj_advice advice = advise(&input, "a CPU request of 120m (now 1000m).");
    assert_int_equal(advice.cpu_request_millis, 120); /* 0.1 and 15 %, as exact as a sketch is */
    assert_int_equal(advice.cpu_limit_millis, 0);     /* it has none, and needs none */
    assert_int_equal(advice.memory_request_bytes, MIB(232));
    assert_int_equal(advice.memory_limit_bytes, MIB(240));
    assert_true(advice.confident);
    input = usual();
    (void)advise(&input, "a request of 232 MiB (now 1024 MiB) and a limit of 240 MiB (now 1024 MiB).");
}

static void a_cpu_limit_is_kept_at_the_peak(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    input.cpu_limit_millis = 2000;
    struct nj_advice advice = advise(&input, "a limit of 480m leaves it 20 % more");
    assert_int_equal(advice.cpu_limit_millis, 480);
    assert_true(advice.confident);
}

static void a_limit_that_throttles_hides_what_is_needed(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    input.cpu_limit_millis = 400;
    input.throttled = 0.3;
    struct nj_advice advice = advise(&input, "throttled in 30 % of its CPU periods by its limit of 400m");
    assert_int_equal(advice.cpu_limit_millis, 600);
    assert_false(advice.confident);
}

static void start_up_counts_for_limits_only(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    input.cpu_limit_millis = 2000;
    for (int i = 0; i < 1000; i++) {
        nj_sketch_add(&input.cpu_start, 1.5);
        nj_sketch_add(&input.memory_start, (double)MIB(400));
    }
    struct nj_advice advice = advise(&input, "While it starts it takes up to 1.5 cores, and later up to 0.4");
    assert_int_equal(advice.cpu_request_millis, 120);
    assert_int_equal(advice.cpu_limit_millis, 1800);
    assert_int_equal(advice.memory_request_bytes, MIB(232));
    assert_int_equal(advice.memory_limit_bytes, MIB(480));
}

static void memory_is_never_at_or_below_an_oom_kill(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    input.oom_kills = 3;
    input.oom_limit_bytes = MIB(512);
    struct nj_advice advice = advise(&input, "OOM-killed more than once under a limit of 512 MiB");
    assert_true(advice.memory_request_bytes >= MIB(614));
    assert_true(advice.memory_limit_bytes >= MIB(614));
    for (int64_t limit = MIB(1); limit < MIB(20000); limit = limit * 3 / 2 + 12345) {
        input = usual();
        input.oom_limit_bytes = limit;
        advice = advise(&input, "OOM-killed");
        assert_true(advice.memory_request_bytes >= limit + MIB(100));
        assert_true(advice.memory_limit_bytes >= advice.memory_request_bytes);
    }
    input = usual();
    input.oom_kills = 1;
    advice = advise(&input, "at an unknown size"); /* the node was out of memory */
    assert_true(advice.memory_request_bytes >= MIB(300));
}

static void less_than_a_day_is_no_ground_for_confidence(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    input.seen_ns = 5 * NJ_HOUR;
    assert_false(advise(&input, "Only 5.0 hours were observed").confident);
    input = usual();
    input.seen_ns = 2 * NJ_DAY;
    assert_true(advise(&input, "2.0 days were observed").confident);
}

static void what_was_never_seen_gets_no_advice(void **state)
{
    (void)state;
    struct nj_advice_input input = {.seen_ns = NJ_DAY};
    struct nj_advice advice = advise(&input, "No CPU use was seen");
    assert_int_equal(advice.cpu_request_millis, 0);
    assert_int_equal(advice.memory_request_bytes, 0);
    assert_int_equal(advice.memory_limit_bytes, 0);
    assert_false(advice.confident);
    /* A job that is over before its start-up is. */
    nj_sketch_add(&input.cpu_start, 0.5);
    nj_sketch_add(&input.memory_start, (double)MIB(100));
    advice = advise(&input, "only seen starting");
    assert_int_equal(advice.cpu_request_millis, 580);
    assert_int_equal(advice.memory_request_bytes, MIB(116));
    assert_false(advice.confident);
}

static void an_idle_container_asks_for_a_little(void **state)
{
    (void)state;
    struct nj_advice_input input = {.seen_ns = 10 * NJ_DAY, .cpu_limit_millis = 100};
    for (int i = 0; i < 100; i++) {
        nj_sketch_add(&input.cpu, 0);
        nj_sketch_add(&input.memory, 4096);
    }
    struct nj_advice advice = advise(&input, NULL);
    assert_int_equal(advice.cpu_request_millis, 10);
    assert_int_equal(advice.cpu_limit_millis, 10);
    assert_int_equal(advice.memory_request_bytes, MIB(16));
    assert_int_equal(advice.memory_limit_bytes, MIB(16));
}

static void reasons_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct nj_advice_input input = usual();
    struct nj_buf reasons = {.max = 40};
    struct nj_advice advice = {.cpu_request_millis = 7};
    assert_int_equal(nj_advise(&input, &advice, &reasons), -EOVERFLOW);
    assert_int_equal(advice.cpu_request_millis, 7);
    nj_buf_done(&reasons);
    input_done(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_asks_for_what_it_takes_nearly_always),
        cmocka_unit_test(a_cpu_limit_is_kept_at_the_peak),
        cmocka_unit_test(a_limit_that_throttles_hides_what_is_needed),
        cmocka_unit_test(start_up_counts_for_limits_only),
        cmocka_unit_test(memory_is_never_at_or_below_an_oom_kill),
        cmocka_unit_test(less_than_a_day_is_no_ground_for_confidence),
        cmocka_unit_test(what_was_never_seen_gets_no_advice),
        cmocka_unit_test(an_idle_container_asks_for_a_little),
        cmocka_unit_test(reasons_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
