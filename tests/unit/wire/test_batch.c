/* Batches and acknowledgements: round trips, and what a hostile or broken peer may send. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/wire/batch.h"
#include "tests/unit/wire/events_equal.h"
#include "tests/unit/wire/samples.h"

enum { ARENA_MAX = 8 << 20 };

struct fixture {
    struct nj_arena arena;
    struct nj_buf bytes;
    struct nj_err err;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    nj_arena_init(&fixture->arena, ARENA_MAX);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_arena_done(&fixture->arena);
    nj_buf_done(&fixture->bytes);
    free(fixture);
    return 0;
}

static struct nj_batch sample_batch(void)
{
    static const char *const namespaces[] = {"default", "kube-system", "shop"};
    return (struct nj_batch){
        .version = NJ_WIRE_VERSION,
        .cluster = "prod",
        .node = "node-7",
        .stream = "00112233445566778899aabbccddeeff",
        .request = UINT64_MAX,
        .sent_ns = INT64_MIN,
        .status = {.version = "0.1.0",
                   .started_ns = INT64_MAX,
                   .outbox_events = UINT64_MAX,
                   .outbox_bytes = 1,
                   .dropped_events = 2,
                   .lost_crashes = 3,
                   .pods = UINT32_MAX,
                   .watch_synced = true},
        .plan_version = "8f3c",
        .plan_namespaces = namespaces,
        .plan_namespaces_count = sizeof(namespaces) / sizeof(namespaces[0]),
    };
}

/* A batch of all samples with the seqs 1000, 1001, ...; the encoded events are kept in `events_bytes`. */
static void encode_samples(struct fixture *fixture, struct nj_buf events_bytes[SAMPLES])
{
    struct nj_encoded_event events[SAMPLES];
    struct nj_batch batch = sample_batch();
    for (int i = 0; i < SAMPLES; i++) {
        struct nj_event event = sample_event(i);
        assert_int_equal(nj_event_encode(&event, &events_bytes[i]), 0);
        events[i] = (struct nj_encoded_event){
            .seq = 1000 + (uint64_t)i, .bytes = events_bytes[i].data, .len = events_bytes[i].len};
    }
    assert_int_equal(nj_batch_encode(&batch, events, SAMPLES, &fixture->bytes), 0);
}

static void test_a_batch_survives_the_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf events_bytes[SAMPLES] = {0};
    struct nj_batch wanted = sample_batch(), got;
    encode_samples(fixture, events_bytes);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.version, NJ_WIRE_VERSION);
    assert_string_equal(got.cluster, "prod");
    assert_string_equal(got.node, "node-7");
    assert_string_equal(got.stream, wanted.stream);
    assert_true(got.request == UINT64_MAX);
    assert_true(got.sent_ns == INT64_MIN);
    assert_string_equal(got.status.version, "0.1.0");
    assert_true(got.status.started_ns == INT64_MAX);
    assert_true(got.status.outbox_events == UINT64_MAX);
    assert_true(got.status.outbox_bytes == 1);
    assert_true(got.status.dropped_events == 2);
    assert_true(got.status.lost_crashes == 3);
    assert_true(got.status.pods == UINT32_MAX);
    assert_true(got.status.watch_synced);
    assert_string_equal(got.plan_version, "8f3c");
    assert_int_equal(got.plan_namespaces_count, 3);
    assert_string_equal(got.plan_namespaces[0], "default");
    assert_string_equal(got.plan_namespaces[2], "shop");
    assert_int_equal(got.events_count, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        struct nj_event event = sample_event(i);
        assert_true(got.events[i].seq == 1000 + (uint64_t)i);
        assert_same_event(&got.events[i], &event);
        nj_buf_done(&events_bytes[i]);
    }
}

static void test_an_empty_batch_is_a_heartbeat(void **state)
{
    struct fixture *fixture = *state;
    struct nj_batch batch = {.version = NJ_WIRE_VERSION}, got;
    assert_int_equal(nj_batch_encode(&batch, NULL, 0, &fixture->bytes), 0);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.events_count, 0);
    assert_string_equal(got.cluster, "");
    assert_string_equal(got.status.version, "");
    assert_string_equal(got.plan_version, "");
    assert_int_equal(got.plan_namespaces_count, 0);
    /* And so is nothing at all: proto3 leaves out what is zero. */
    assert_int_equal(nj_batch_decode("", 0, &fixture->arena, &got, &fixture->err), 0);
}

static void test_a_batch_cut_at_any_byte_harms_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf events_bytes[SAMPLES] = {0};
    encode_samples(fixture, events_bytes);
    size_t taken = 0;
    for (size_t len = 0; len < fixture->bytes.len; len++) {
        struct nj_batch got = {0};
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, fixture->bytes.data, len);
        nj_arena_reset(&fixture->arena);
        if (nj_batch_decode(exact, len, &fixture->arena, &got, &fixture->err) == 0)
            taken++; /* cut between two fields: a shorter batch */
        assert_true(got.events_count < SAMPLES);
        free(exact);
    }
    assert_in_range(taken, 1, 2 * SAMPLES);
    for (int i = 0; i < SAMPLES; i++)
        nj_buf_done(&events_bytes[i]);
}

static void test_a_flipped_bit_harms_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf events_bytes[SAMPLES] = {0};
    encode_samples(fixture, events_bytes);
    for (size_t bit = 0; bit < fixture->bytes.len * 8; bit++) {
        struct nj_batch got;
        ((uint8_t *)fixture->bytes.data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
        nj_arena_reset(&fixture->arena);
        (void)nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err);
        ((uint8_t *)fixture->bytes.data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (int i = 0; i < SAMPLES; i++)
        nj_buf_done(&events_bytes[i]);
}

static void test_too_many_events_are_refused_before_memory_is_taken(void **state)
{
    struct fixture *fixture = *state;
    static const char empty_event[] = {8 << 3 | 2, 0};
    struct nj_batch got;
    for (int i = 0; i <= NJ_BATCH_EVENTS_MAX; i++)
        assert_int_equal(nj_buf_append(&fixture->bytes, empty_event, sizeof(empty_event)), 0);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err),
        -EPROTO);
    assert_non_null(strstr(fixture->err.text, "4097 events"));
    assert_int_equal(fixture->arena.used, 0);
    /* And an agent cannot make such a batch by mistake. */
    struct nj_encoded_event *events = calloc(NJ_BATCH_EVENTS_MAX + 1, sizeof(*events));
    struct nj_batch batch = sample_batch();
    assert_non_null(events);
    assert_int_equal(nj_batch_encode(&batch, events, NJ_BATCH_EVENTS_MAX + 1, &fixture->bytes), -EINVAL);
    free(events);
}

static void test_namespaces_in_disorder_or_too_many_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const disorder[] = {"b", "a"};
    static const char *const twice[] = {"a", "a"};
    static const char bytes[] = {10 << 3 | 2, 1, 'b', 10 << 3 | 2, 1, 'a'};
    static const char name[] = {10 << 3 | 2, 1, 'a'};
    struct nj_batch batch = {.plan_namespaces = disorder, .plan_namespaces_count = 2}, got;
    assert_int_equal(nj_batch_encode(&batch, NULL, 0, &fixture->bytes), -EINVAL);
    batch.plan_namespaces = twice;
    assert_int_equal(nj_batch_encode(&batch, NULL, 0, &fixture->bytes), -EINVAL);
    assert_int_equal(nj_batch_decode(bytes, sizeof(bytes), &fixture->arena, &got, &fixture->err), -EPROTO);
    assert_non_null(strstr(fixture->err.text, "not in order"));
    for (int i = 0; i <= NJ_PLAN_NAMESPACES_MAX; i++)
        assert_int_equal(nj_buf_append(&fixture->bytes, name, sizeof(name)), 0);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err),
        -EPROTO);
    assert_non_null(strstr(fixture->err.text, "1025 namespaces"));
}

static void test_a_batch_that_unfolds_beyond_the_arena_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char unknown_field[] = {15 << 3, 1}; /* costs far more in memory than its two bytes */
    struct nj_batch got;
    for (int i = 0; i < 1 << 20; i++)
        assert_int_equal(nj_buf_append(&fixture->bytes, unknown_field, sizeof(unknown_field)), 0);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err),
        -EOVERFLOW);
    assert_true(fixture->arena.used <= ARENA_MAX);
}

/* Encodes one event under the seq into fixture->bytes after a batch's head. */
static void encode_one(struct fixture *fixture, const struct nj_event *event, uint64_t seq)
{
    struct nj_buf bytes = {0};
    struct nj_batch batch = {.version = NJ_WIRE_VERSION};
    assert_int_equal(nj_event_encode(event, &bytes), 0);
    struct nj_encoded_event encoded = {.seq = seq, .bytes = bytes.data, .len = bytes.len};
    assert_int_equal(nj_batch_encode(&batch, &encoded, 1, &fixture->bytes), 0);
    nj_buf_done(&bytes);
}

static void test_numbers_that_do_not_rise_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = sample_crash();
    struct nj_batch got;
    encode_one(fixture, &event, 7);
    encode_one(fixture, &event, 7);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err),
        -EPROTO);
    assert_non_null(strstr(fixture->err.text, "does not rise"));
    struct nj_encoded_event zero = {.seq = 0, .bytes = "", .len = 0};
    struct nj_batch batch = sample_batch();
    assert_int_equal(nj_batch_encode(&batch, &zero, 1, &fixture->bytes), -EINVAL);
}

static void test_strings_that_are_no_utf8_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = sample_crash();
    static const char *const marks[] = {"shop", "cart-5f7c9", "panic", "OOMKilled", "crash-1"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        struct nj_batch got;
        nj_buf_clear(&fixture->bytes);
        encode_one(fixture, &event, 1);
        char *place = memmem(fixture->bytes.data, fixture->bytes.len, marks[i], strlen(marks[i]));
        assert_non_null(place);
        *place = (char)0xff;
        assert_int_equal(
            nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err),
            -EPROTO);
        assert_non_null(strstr(fixture->err.text, "event 0: "));
        assert_non_null(strstr(fixture->err.text, "UTF-8"));
    }
}

static void test_events_without_content_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char without_event[] = {8 << 3 | 2, 2, 1 << 3, 1};
    static const char without_id[] = {8 << 3 | 2, 4, 1 << 3, 1, 2 << 3 | 2, 0};
    static const char without_fact[] = {8 << 3 | 2, 7, 1 << 3, 1, 2 << 3 | 2, 3, 2 << 3 | 2, 1, 'x'};
    static const char unknown_cause[] = {8 << 3 | 2, 11,  1 << 3,      1, 2 << 3 | 2, 7, 2 << 3 | 2,
                                         1,          'x', 13 << 3 | 2, 2, 1 << 3,     99};
    struct nj_batch got;
    assert_int_equal(
        nj_batch_decode(without_event, sizeof(without_event), &fixture->arena, &got, &fixture->err), -EPROTO);
    assert_int_equal(nj_batch_decode(without_id, sizeof(without_id), &fixture->arena, &got, &fixture->err),
                     -EPROTO);
    assert_int_equal(
        nj_batch_decode(without_fact, sizeof(without_fact), &fixture->arena, &got, &fixture->err), -EPROTO);
    assert_non_null(strstr(fixture->err.text, "no known type"));
    assert_int_equal(
        nj_batch_decode(unknown_cause, sizeof(unknown_cause), &fixture->arena, &got, &fixture->err), -EPROTO);
    assert_non_null(strstr(fixture->err.text, "cause 99"));
}

static void test_a_newer_batch_can_be_refused_by_its_version(void **state)
{
    struct fixture *fixture = *state;
    /* An event of a type that this version does not know. */
    static const char future_event[] = {8 << 3 | 2, 7, 1 << 3, 1, 2 << 3 | 2, 3, 2 << 3 | 2, 1, 'x'};
    struct nj_batch batch = sample_batch(), got;
    batch.version = NJ_WIRE_VERSION + 1;
    assert_int_equal(nj_batch_encode(&batch, NULL, 0, &fixture->bytes), 0);
    assert_int_equal(nj_buf_append(&fixture->bytes, future_event, sizeof(future_event)), 0);
    assert_int_equal(
        nj_batch_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.version, NJ_WIRE_VERSION + 1);
    assert_string_equal(got.stream, batch.stream);
    assert_int_equal(got.events_count, 0);
}

static void test_garbage_is_no_batch(void **state)
{
    struct fixture *fixture = *state;
    static const char *const garbage[] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x42\xff",
                                          "GET / HTTP/1.1\r\n\r\n", "\x07", "\x0a\xff\xff\xff\xff\x0f"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct nj_batch got;
        fixture->err = (struct nj_err){0};
        assert_int_equal(
            nj_batch_decode(garbage[i], strlen(garbage[i]), &fixture->arena, &got, &fixture->err), -EPROTO);
        assert_int_equal(fixture->err.code, -EPROTO);
    }
}

static void test_an_acknowledgement_survives_the_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct nj_ack ack = {.version = UINT32_MAX,
                         .committed = UINT64_MAX,
                         .request = 42,
                         .refused = "disk full",
                         .refusal = NJ_REFUSAL_STORE,
                         .retry_after_ns = INT64_MAX};
    struct nj_ack got;
    assert_int_equal(nj_ack_encode(&ack, &fixture->bytes), 0);
    assert_int_equal(
        nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.version, UINT32_MAX);
    assert_true(got.committed == UINT64_MAX);
    assert_true(got.request == 42);
    assert_string_equal(got.refused, "disk full");
    assert_int_equal(got.refusal, NJ_REFUSAL_STORE);
    assert_true(got.retry_after_ns == INT64_MAX);
}

static void test_a_refusal_has_both_a_text_and_a_number(void **state)
{
    struct fixture *fixture = *state;
    struct nj_ack text_only = {.refused = "no"}, number_only = {.refusal = NJ_REFUSAL_BUSY};
    struct nj_ack newer = {.refusal = (enum nj_refusal)77}, got;
    assert_int_equal(nj_ack_encode(&text_only, &fixture->bytes), 0);
    assert_int_equal(
        nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.refusal, NJ_REFUSAL_OTHER);
    nj_buf_clear(&fixture->bytes);
    assert_int_equal(nj_ack_encode(&number_only, &fixture->bytes), 0);
    assert_int_equal(
        nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_string_equal(got.refused, "busy");
    nj_buf_clear(&fixture->bytes);
    assert_int_equal(nj_ack_encode(&newer, &fixture->bytes), 0);
    assert_int_equal(
        nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &got, &fixture->err), 0);
    assert_int_equal(got.refusal, NJ_REFUSAL_OTHER);
}

static void test_garbage_is_no_acknowledgement(void **state)
{
    struct fixture *fixture = *state;
    struct nj_ack got;
    static const char bad_text[] = {4 << 3 | 2, 1, (char)0xff};
    assert_int_equal(nj_ack_decode("\xff", 1, &fixture->arena, &got, &fixture->err), -EPROTO);
    assert_int_equal(nj_ack_decode(bad_text, sizeof(bad_text), &fixture->arena, &got, &fixture->err),
                     -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_batch_survives_the_round_trip),
        TEST(test_an_empty_batch_is_a_heartbeat),
        TEST(test_a_batch_cut_at_any_byte_harms_nobody),
        TEST(test_a_flipped_bit_harms_nobody),
        TEST(test_too_many_events_are_refused_before_memory_is_taken),
        TEST(test_namespaces_in_disorder_or_too_many_are_refused),
        TEST(test_a_batch_that_unfolds_beyond_the_arena_is_refused),
        TEST(test_numbers_that_do_not_rise_are_refused),
        TEST(test_strings_that_are_no_utf8_are_refused),
        TEST(test_events_without_content_are_refused),
        TEST(test_a_newer_batch_can_be_refused_by_its_version),
        TEST(test_garbage_is_no_batch),
        TEST(test_an_acknowledgement_survives_the_round_trip),
        TEST(test_a_refusal_has_both_a_text_and_a_number),
        TEST(test_garbage_is_no_acknowledgement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
