/* One event: to bytes and back, whatever is in it; and what is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/wire/batch.h"
#include "tests/unit/wire/events_equal.h"
#include "tests/unit/wire/samples.h"

enum { ARENA_MAX = 1 << 20 };

static void test_every_event_survives_the_round_trip(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    nj_arena_init(&arena, ARENA_MAX);
    for (int i = 0; i < SAMPLES; i++) {
        struct nj_event event = sample_event(i);
        struct nj_event got;
        struct nj_err err = {0};
        nj_buf_clear(&bytes);
        nj_arena_reset(&arena);
        assert_int_equal(nj_event_encode(&event, &bytes), 0);
        assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, &err), 0);
        assert_same_event(&got, &event);
        assert_true(got.seq == 0);
    }
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_each_cleared_cause_survives(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    nj_arena_init(&arena, ARENA_MAX);
    for (int cause = NJ_CLEARED_STARTED; cause <= NJ_CLEARED_SCHEDULED; cause++) {
        struct nj_event event = sample_event(5), got;
        event.cleared.cause = (enum nj_cleared_cause)cause;
        nj_buf_clear(&bytes);
        assert_int_equal(nj_event_encode(&event, &bytes), 0);
        assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
        assert_int_equal(got.cleared.cause, cause);
    }
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_an_encoder_mends_what_is_no_utf8(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    struct nj_event event = sample_crash(), got;
    nj_arena_init(&arena, ARENA_MAX);
    event.crash.message = "bad \xff byte";
    event.subject.pod = "\xc3";
    event.crash.log.text = "cut \xe5\xba";
    event.crash.log.len = strlen(event.crash.log.text);
    assert_int_equal(nj_event_encode(&event, &bytes), 0);
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
    assert_string_equal(got.crash.message, "bad \xef\xbf\xbd byte");
    assert_string_equal(got.subject.pod, "\xef\xbf\xbd");
    assert_string_equal(got.crash.log.text, "cut \xef\xbf\xbd");
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_an_encoder_refuses_an_event_without_identity_or_type(void **state)
{
    (void)state;
    struct nj_buf bytes = {0};
    char long_id[NJ_EVENT_ID_BYTES_MAX + 2];
    struct nj_event event = sample_crash();

    event.id = NULL;
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    event.id = "";
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    event.id = "\xff";
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    memset(long_id, 'a', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    event.id = long_id;
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    event = sample_crash();
    event.type = (enum nj_event_type)0;
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    event = sample_event(5);
    event.cleared.cause = (enum nj_cleared_cause)0;
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    event = sample_event(8);
    event.check.key.target = "";
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    assert_int_equal(bytes.len, 0);
    nj_buf_done(&bytes);
}

/* Writes past the encoder's own bounds, which a peer may do. */
static void encode_rollups(const struct nj_check_rollup *item, size_t copies, struct nj_buf *bytes)
{
    struct nj_check_rollup *items = calloc(copies, sizeof(*items));
    struct nj_event event = {.id = "x", .type = NJ_EVENT_ROLLUPS};
    assert_non_null(items);
    for (size_t i = 0; i < copies; i++)
        items[i] = *item;
    event.rollups = (struct nj_rollups){.items = items, .count = copies};
    nj_buf_clear(bytes);
    assert_int_equal(nj_event_encode(&event, bytes), 0);
    free(items);
}

static void test_a_minute_of_checks_holds_no_more_than_its_bounds(void **state)
{
    (void)state;
    static const char latency[NJ_ROLLUP_LATENCY_MAX + 1] = {0};
    static const struct nj_rollup_error_count errors[NJ_ROLLUP_CAUSES_MAX + 1] = {{0}};
    struct nj_check_rollup fits = {.key = {.monitor = "m", .target = "t"},
                                   .errors = errors,
                                   .errors_count = NJ_ROLLUP_CAUSES_MAX,
                                   .latency = latency,
                                   .latency_len = NJ_ROLLUP_LATENCY_MAX};
    struct nj_check_rollup wrong[4] = {fits, fits, fits, fits};
    struct nj_arena arena;
    struct nj_buf bytes = {.max = NJ_EVENT_BYTES_MAX};
    struct nj_event got;
    nj_arena_init(&arena, (size_t)16 << 20);
    encode_rollups(&fits, NJ_ROLLUPS_MAX, &bytes); /* the largest fits an outbox */
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, NULL), 0);
    assert_int_equal(got.rollups.count, NJ_ROLLUPS_MAX);
    assert_int_equal(got.rollups.items[NJ_ROLLUPS_MAX - 1].errors_count, NJ_ROLLUP_CAUSES_MAX);

    wrong[0].errors_count++;
    wrong[1].latency_len++;
    wrong[2].key.monitor = NULL;
    wrong[3].key.target = "";
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct nj_event event = {.id = "x", .type = NJ_EVENT_ROLLUPS};
        event.rollups = (struct nj_rollups){.items = &wrong[i], .count = 1};
        assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    }
    struct nj_event event = {.id = "x", .type = NJ_EVENT_ROLLUPS};
    event.rollups = (struct nj_rollups){.items = &fits, .count = NJ_ROLLUPS_MAX + 1};
    assert_int_equal(nj_event_encode(&event, &bytes), -EINVAL);
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

/* The event "x" with rollups of these bytes. */
static int decode_rollups(const struct nj_buf *rollups, struct nj_arena *arena, struct nj_err *err)
{
    struct nj_buf bytes = {0};
    struct nj_event got;
    static const char head[] = {2 << 3 | 2, 1, 'x', (char)0x82, 1};
    assert_int_equal(nj_buf_append(&bytes, head, sizeof(head)), 0);
    for (size_t rest = rollups->len;; rest >>= 7) {
        assert_int_equal(nj_buf_append_char(&bytes, (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))), 0);
        if (rest <= 0x7f)
            break;
    }
    assert_int_equal(nj_buf_append(&bytes, rollups->data, rollups->len), 0);
    int rc = nj_event_decode(bytes.data, bytes.len, arena, &got, err);
    nj_buf_done(&bytes);
    return rc;
}

static void test_a_minute_of_checks_beyond_its_bounds_is_refused(void **state)
{
    (void)state;
    static const char item[] = {2 << 3 | 2, 8, 1 << 3 | 2, 6, 1 << 3 | 2, 1, 'm', 2 << 3 | 2, 1, 't'};
    static const char keyless[] = {2 << 3 | 2, 2, 6 << 3, 1};
    struct nj_arena arena;
    struct nj_buf rollups = {0};
    struct nj_err err = {0};
    nj_arena_init(&arena, ARENA_MAX);
    for (int i = 0; i < NJ_ROLLUPS_MAX; i++)
        assert_int_equal(nj_buf_append(&rollups, item, sizeof(item)), 0);
    assert_int_equal(decode_rollups(&rollups, &arena, &err), 0);
    assert_int_equal(nj_buf_append(&rollups, item, sizeof(item)), 0);
    assert_int_equal(decode_rollups(&rollups, &arena, &err), -EPROTO);
    assert_non_null(strstr(err.text, "larger than"));
    nj_buf_clear(&rollups);
    assert_int_equal(nj_buf_append(&rollups, keyless, sizeof(keyless)), 0);
    assert_int_equal(decode_rollups(&rollups, &arena, &err), -EPROTO);
    assert_non_null(strstr(err.text, "no monitor"));
    nj_buf_done(&rollups);
    nj_arena_done(&arena);
}

static void test_an_event_cut_at_any_byte_is_refused_or_still_an_event(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    struct nj_event event = sample_crash();
    nj_arena_init(&arena, ARENA_MAX);
    assert_int_equal(nj_event_encode(&event, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        struct nj_event got;
        struct nj_err err = {0};
        char *exact = malloc(len > 0 ? len : 1); /* the sanitizer sees a read behind it */
        assert_non_null(exact);
        memcpy(exact, bytes.data, len);
        nj_arena_reset(&arena);
        int rc = nj_event_decode(exact, len, &arena, &got, &err);
        /* The fact is the last field, so that a part never is an event. */
        assert_int_equal(rc, -EPROTO);
        assert_true(err.text[0] != '\0');
        free(exact);
    }
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_a_small_arena_refuses_a_large_event(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_buf bytes = {0};
    struct nj_event event = sample_crash(), got;
    struct nj_err err = {0};
    char *log = malloc(100000);
    assert_non_null(log);
    memset(log, 'x', 100000);
    event.crash.log.text = log;
    event.crash.log.len = 100000;
    nj_arena_init(&arena, 50000);
    assert_int_equal(nj_event_encode(&event, &bytes), 0);
    assert_int_equal(nj_event_decode(bytes.data, bytes.len, &arena, &got, &err), -EOVERFLOW);
    free(log);
    nj_buf_done(&bytes);
    nj_arena_done(&arena);
}

static void test_a_bounded_buffer_refuses_a_large_event(void **state)
{
    (void)state;
    struct nj_buf bytes = {.max = 20};
    struct nj_event event = sample_crash();
    assert_int_equal(nj_event_encode(&event, &bytes), -EOVERFLOW);
    nj_buf_done(&bytes);
}

static void test_the_same_parts_make_the_same_id(void **state)
{
    (void)state;
    char a[NJ_EVENT_ID_MAX], b[NJ_EVENT_ID_MAX];
    assert_ptr_equal(nj_event_id(a, "crash", "uid", "app", "containerd://1", NULL), a);
    assert_int_equal(strlen(a), 64);
    assert_string_equal(a, nj_event_id(b, "crash", "uid", "app", "containerd://1", NULL));
    assert_string_not_equal(a, nj_event_id(b, "crash", "uid", "app", "containerd://2", NULL));
}

static void test_the_border_between_parts_counts(void **state)
{
    (void)state;
    char a[NJ_EVENT_ID_MAX], b[NJ_EVENT_ID_MAX];
    assert_string_not_equal(nj_event_id(a, "ab", "c", NULL), nj_event_id(b, "a", "bc", NULL));
    assert_string_not_equal(nj_event_id(a, "ab", NULL), nj_event_id(b, "ab", "", NULL));
    assert_string_not_equal(nj_event_id(a, "", NULL), nj_event_id(b, "", "", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_survives_the_round_trip),
        cmocka_unit_test(test_each_cleared_cause_survives),
        cmocka_unit_test(test_an_encoder_mends_what_is_no_utf8),
        cmocka_unit_test(test_an_encoder_refuses_an_event_without_identity_or_type),
        cmocka_unit_test(test_a_minute_of_checks_holds_no_more_than_its_bounds),
        cmocka_unit_test(test_a_minute_of_checks_beyond_its_bounds_is_refused),
        cmocka_unit_test(test_an_event_cut_at_any_byte_is_refused_or_still_an_event),
        cmocka_unit_test(test_a_small_arena_refuses_a_large_event),
        cmocka_unit_test(test_a_bounded_buffer_refuses_a_large_event),
        cmocka_unit_test(test_the_same_parts_make_the_same_id),
        cmocka_unit_test(test_the_border_between_parts_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
