/* Events of what an inspection tells: the names of troubles, and what is refused, by who writes and by who
 * reads. The round trip is test_event.c's. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/wire/batch.h"
#include "tests/unit/wire/events_equal.h"
#include "tests/unit/wire/samples.h"

enum { ARENA_MAX = 16 << 20 };

static int encoded(const struct nj_event *event)
{
    struct nj_buf bytes = {0};
    int rc = nj_event_encode(event, &bytes);
    assert_true(rc == 0 || bytes.len == 0);
    nj_buf_done(&bytes);
    return rc;
}

static void test_every_trouble_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int kind = 1; kind < NJ_TROUBLE_KINDS; kind++) {
        enum nj_trouble_kind parsed = (enum nj_trouble_kind)0;
        const char *name = nj_trouble_kind_name((enum nj_trouble_kind)kind);
        assert_true(name[0] != '\0');
        assert_int_equal(nj_trouble_kind_parse(name, &parsed), 0);
        assert_int_equal(parsed, kind);
        assert_int_equal(nj_trouble_is_of_node(parsed), strncmp(name, "node_", 5) == 0);
    }
    enum nj_trouble_kind kind = NJ_TROUBLE_NEAR_FDS;
    assert_string_equal(nj_trouble_kind_name((enum nj_trouble_kind)0), "");
    assert_string_equal(nj_trouble_kind_name(NJ_TROUBLE_KINDS), "");
    assert_string_equal(nj_trouble_kind_name((enum nj_trouble_kind) - 1), "");
    assert_int_equal(nj_trouble_kind_parse("", &kind), -EINVAL);
    assert_int_equal(nj_trouble_kind_parse(NULL, &kind), -EINVAL);
    assert_int_equal(nj_trouble_kind_parse("leak", &kind), -EINVAL);
    assert_int_equal(kind, NJ_TROUBLE_NEAR_FDS);
    assert_false(nj_trouble_is_of_node((enum nj_trouble_kind)0));
    assert_false(nj_trouble_is_of_node(NJ_TROUBLE_KINDS));
}

static void test_every_measure_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(nj_usage_metric_name(NJ_USAGE_CPU), "cpu");
    assert_string_equal(nj_usage_metric_name(NJ_USAGE_GPU_MEMORY), "gpuMemory");
    assert_string_equal(nj_usage_metric_name(NJ_USAGE_METRICS), "");
}

static void test_what_says_nothing_is_not_sent(void **state)
{
    (void)state;
    const double none[] = {NAN, INFINITY, -INFINITY};
    struct nj_event event = sample_event(SAMPLES_INSPECTED);
    event.oom_kill.count = 0;
    assert_int_equal(encoded(&event), -EINVAL);
    for (size_t i = 0; i < 3; i++) {
        event = sample_event(SAMPLES_INSPECTED + 2);
        event.trouble.value = none[i];
        assert_int_equal(encoded(&event), -EINVAL);
        event.trouble = sample_trouble();
        event.trouble.limit = none[i];
        assert_int_equal(encoded(&event), -EINVAL);
        event.trouble = sample_trouble();
        event.trouble.per_hour = none[i];
        assert_int_equal(encoded(&event), -EINVAL);
    }
    event.trouble = sample_trouble();
    event.trouble.kind = (enum nj_trouble_kind)0;
    assert_int_equal(encoded(&event), -EINVAL);
    event.trouble.kind = NJ_TROUBLE_KINDS;
    assert_int_equal(encoded(&event), -EINVAL);
    event.trouble = sample_trouble();
    event.trouble.level = 101;
    assert_int_equal(encoded(&event), -EINVAL);
    event.trouble.level = -1;
    assert_int_equal(encoded(&event), -EINVAL);
}

static void test_texts_are_mended_and_amounts_capped(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    struct nj_event event = sample_event(SAMPLES_INSPECTED + 2), got;
    nj_arena_init(&arena, ARENA_MAX);
    event.trouble.process = "\xff";
    assert_int_equal(nj_event_encode(&event, &bytes), 0);
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
    assert_string_equal(got.trouble.process, "\xef\xbf\xbd");

    struct nj_usage_item item = {
        .pod = "\xc3", .cpu_limit_millis = INT64_MAX, .memory_limit_bytes = INT64_MIN};
    struct nj_usage_pod pod = {.pod_uid = "1", .cpu_request_millis = -1, .memory_request_bytes = INT64_MAX};
    event = sample_event(SAMPLES_INSPECTED + 4);
    event.usage = (struct nj_usage){.items = &item, .count = 1, .pods = &pod, .pods_count = 1, .parts = 1};
    nj_buf_clear(&bytes);
    assert_int_equal(nj_event_encode(&event, &bytes), 0);
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
    assert_string_equal(got.usage.items[0].pod, "\xef\xbf\xbd");
    assert_true(got.usage.items[0].cpu_limit_millis == NJ_USAGE_AMOUNT_MAX);
    assert_true(got.usage.items[0].memory_limit_bytes == 0);
    assert_true(got.usage.pods[0].cpu_request_millis == 0);
    assert_true(got.usage.pods[0].memory_request_bytes == NJ_USAGE_AMOUNT_MAX);
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_a_minute_of_use_holds_no_more_than_its_bounds(void **state)
{
    (void)state;
    static const char sketch[NJ_USAGE_SKETCH_MAX + 1] = {0};
    static struct nj_usage_item items[NJ_USAGE_ITEMS_MAX + 1];
    static struct nj_usage_pod pods[NJ_USAGE_PODS_MAX + 1];
    static char placement[NJ_USAGE_PLACEMENT_MAX + 2];
    memset(placement, 'x', sizeof(placement) - 1);
    for (size_t i = 0; i < NJ_USAGE_ITEMS_MAX + 1; i++) {
        for (int k = 0; k < NJ_USAGE_METRICS; k++) {
            items[i].metrics[k].sketch = sketch;
            items[i].metrics[k].len = NJ_USAGE_SKETCH_MAX;
        }
    }
    for (size_t i = 0; i < NJ_USAGE_PODS_MAX + 1; i++)
        pods[i].pod_uid = "1";
    struct nj_event event = {.id = "x", .type = NJ_EVENT_USAGE};
    struct nj_usage fits = {.items = items,
                            .count = NJ_USAGE_ITEMS_MAX,
                            .pods = pods,
                            .pods_count = NJ_USAGE_PODS_MAX,
                            .parts = 1};
    struct nj_arena arena;
    struct nj_buf bytes = {.max = NJ_EVENT_BYTES_MAX};
    struct nj_event got;
    nj_arena_init(&arena, ARENA_MAX);
    event.usage = fits;
    assert_int_equal(nj_event_encode(&event, &bytes), 0); /* the largest without placements fits an outbox */
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
    assert_int_equal(got.usage.count, NJ_USAGE_ITEMS_MAX);

    event.usage.count++;
    assert_int_equal(encoded(&event), -EINVAL);
    event.usage = fits;
    event.usage.pods_count++;
    assert_int_equal(encoded(&event), -EINVAL);
    event.usage = fits;
    event.usage.parts = 0;
    assert_int_equal(encoded(&event), -EINVAL);
    event.usage.parts = NJ_USAGE_PARTS_MAX + 1;
    assert_int_equal(encoded(&event), -EINVAL);
    event.usage.part = event.usage.parts = 2;
    assert_int_equal(encoded(&event), -EINVAL);

    event.usage = fits;
    items[7].metrics[NJ_USAGE_GPU].len++;
    assert_int_equal(encoded(&event), -EINVAL);
    items[7].metrics[NJ_USAGE_GPU].len = 0;
    pods[7].pod_uid = NULL;
    assert_int_equal(encoded(&event), -EINVAL);
    pods[7] = (struct nj_usage_pod){.pod_uid = "1", .placement = "\xff"};
    assert_int_equal(encoded(&event), -EINVAL);
    pods[7].placement = placement;
    assert_int_equal(encoded(&event), -EINVAL);
    placement[NJ_USAGE_PLACEMENT_MAX] = '\0';
    assert_int_equal(encoded(&event), 0);
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

/* An event "x" whose fact is `number`, with these bytes. */
static int decode_fact(uint32_t number, const char *fact, size_t len, struct nj_err *err)
{
    struct nj_buf bytes = {0};
    struct nj_arena arena;
    struct nj_event got;
    const char head[] = {2 << 3 | 2, 1, 'x', (char)((number << 3 | 2) | 0x80), (char)(number >> 4)};
    const char size[] = {(char)((len & 0x7f) | 0x80), (char)(len >> 7)};
    assert_true(len < 1 << 14);
    assert_int_equal(nj_buf_append(&bytes, head, sizeof(head)), 0);
    assert_int_equal(nj_buf_append(&bytes, size, sizeof(size)), 0);
    assert_int_equal(nj_buf_append(&bytes, fact, len), 0);
    nj_arena_init(&arena, ARENA_MAX);
    int rc = nj_event_decode(bytes.data, bytes.len, &arena, &got, err);
    nj_arena_done(&arena);
    nj_buf_done(&bytes);
    return rc;
}

static void test_a_trouble_that_is_none_is_refused(void **state)
{
    (void)state;
    struct nj_err err = {0};
    const char known[] = {1 << 3, 1};
    const char unknown[] = {1 << 3, NJ_TROUBLE_KINDS};
    const char nan_value[] = {1 << 3, 1, 8 << 3 | 1, 0, 0, 0, 0, 0, 0, (char)0xf8, 0x7f};
    const char level[] = {1 << 3, 1, 4 << 3, 101};
    const char text[] = {1 << 3, 1, 6 << 3 | 2, 1, (char)0xff};
    assert_int_equal(decode_fact(18, known, sizeof(known), &err), 0);
    assert_int_equal(decode_fact(18, "", 0, &err), -EPROTO);
    assert_int_equal(decode_fact(18, unknown, sizeof(unknown), &err), -EPROTO);
    assert_non_null(strstr(err.text, "trouble.kind"));
    assert_int_equal(decode_fact(18, nan_value, sizeof(nan_value), &err), -EPROTO);
    assert_int_equal(decode_fact(18, level, sizeof(level), &err), -EPROTO);
    assert_int_equal(decode_fact(18, text, sizeof(text), &err), -EPROTO);
    assert_int_equal(decode_fact(17, "", 0, &err), -EPROTO); /* an OOM kill of nothing */
}

static void test_a_minute_of_use_beyond_its_bounds_is_refused(void **state)
{
    (void)state;
    struct nj_err err = {0};
    struct nj_buf usage = {0};
    const char parts[] = {5 << 3, 1};
    const char item[] = {2 << 3 | 2, 0};
    const char negative[] = {5 << 3,     1,          2 << 3 | 2, 11,         7 << 3,
                             (char)0xff, (char)0xff, (char)0xff, (char)0xff, (char)0xff,
                             (char)0xff, (char)0xff, (char)0xff, (char)0xff, 1};
    const char nameless_pod[] = {5 << 3, 1, 3 << 3 | 2, 0};
    assert_int_equal(nj_buf_append(&usage, parts, sizeof(parts)), 0);
    for (int i = 0; i < NJ_USAGE_ITEMS_MAX; i++)
        assert_int_equal(nj_buf_append(&usage, item, sizeof(item)), 0);
    assert_int_equal(decode_fact(19, usage.data, usage.len, &err), 0);
    assert_int_equal(nj_buf_append(&usage, item, sizeof(item)), 0);
    assert_int_equal(decode_fact(19, usage.data, usage.len, &err), -EPROTO);
    assert_non_null(strstr(err.text, "larger than"));
    assert_int_equal(decode_fact(19, item, sizeof(item), &err), -EPROTO); /* of no parts */
    assert_int_equal(decode_fact(19, negative, sizeof(negative), &err), -EPROTO);
    assert_int_equal(decode_fact(19, nameless_pod, sizeof(nameless_pod), &err), -EPROTO);
    nj_buf_done(&usage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_trouble_has_a_name_of_its_own),
        cmocka_unit_test(test_every_measure_has_a_name),
        cmocka_unit_test(test_what_says_nothing_is_not_sent),
        cmocka_unit_test(test_texts_are_mended_and_amounts_capped),
        cmocka_unit_test(test_a_minute_of_use_holds_no_more_than_its_bounds),
        cmocka_unit_test(test_a_trouble_that_is_none_is_refused),
        cmocka_unit_test(test_a_minute_of_use_beyond_its_bounds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
