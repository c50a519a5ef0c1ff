/* Plans: a namespace's part encoded by itself, parts one after the other, and what an agent takes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/wire/batch.h"
#include "tests/unit/test.h"
#include "tests/unit/wire/plan_samples.h"

struct fixture {
    struct nj_arena arena;
    struct nj_buf plan, bytes;
    struct nj_err err;
    struct nj_ack got;
};

enum { ARENA_MAX = 16 * NJ_PLAN_BYTES_MAX };

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    nj_arena_init(&fixture->arena, ARENA_MAX);
    fixture->plan.max = NJ_PLAN_BYTES_MAX;
    fixture->bytes.max = NJ_ACK_BYTES_MAX;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_arena_done(&fixture->arena);
    nj_buf_done(&fixture->plan);
    nj_buf_done(&fixture->bytes);
    free(fixture);
    return 0;
}

/* What is in fixture->plan, through an acknowledgement, to fixture->got. */
static int travel(struct fixture *fixture)
{
    struct nj_ack ack = {.version = NJ_WIRE_VERSION,
                         .committed = 7,
                         .plan_bytes = nj_buf_str(&fixture->plan),
                         .plan_len = fixture->plan.len};
    nj_buf_clear(&fixture->bytes);
    nj_arena_reset(&fixture->arena);
    assert_int_equal(nj_ack_encode(&ack, &fixture->bytes), 0);
    return nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &fixture->got,
                         &fixture->err);
}

static void assert_same_pairs(const struct nj_plan_pair *got, const struct nj_plan_pair *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(got[i].name, nj_str(wanted[i].name));
        assert_string_equal(got[i].value, nj_str(wanted[i].value));
    }
}

static void assert_same_check(const struct nj_plan_check *got, const struct nj_plan_check *wanted)
{
    assert_string_equal(got->monitor, nj_str(wanted->monitor));
    assert_int_equal(got->source, wanted->source);
    assert_string_equal(got->service, nj_str(wanted->service));
    assert_string_equal(got->spec, nj_str(wanted->spec));
    assert_string_equal(got->ca_pem, nj_str(wanted->ca_pem));
    assert_string_equal(got->trouble, nj_str(wanted->trouble));
    assert_int_equal(got->selector_count, wanted->selector_count);
    assert_same_pairs(got->selector, wanted->selector, wanted->selector_count);
    assert_int_equal(got->secrets_count, wanted->secrets_count);
    assert_same_pairs(got->secrets, wanted->secrets, wanted->secrets_count);
    assert_int_equal(got->ports_count, wanted->ports_count);
    for (size_t i = 0; i < wanted->ports_count; i++) {
        assert_string_equal(got->ports[i].name, nj_str(wanted->ports[i].name));
        assert_int_equal(got->ports[i].number, wanted->ports[i].number);
        assert_string_equal(got->ports[i].target_name, nj_str(wanted->ports[i].target_name));
        assert_int_equal(got->ports[i].target_number, wanted->ports[i].target_number);
        assert_string_equal(got->ports[i].app_protocol, nj_str(wanted->ports[i].app_protocol));
    }
    assert_int_equal(got->families_count, wanted->families_count);
    for (size_t i = 0; i < wanted->families_count; i++)
        assert_string_equal(got->families[i], wanted->families[i]);
}

static void test_namespaces_encoded_one_by_one_make_a_plan(void **state)
{
    struct fixture *fixture = *state;
    struct nj_plan_namespace shop = sample_plan_namespace(), quiet = {.name = "quiet", .derive = true};
    assert_int_equal(nj_plan_namespace_encode(&quiet, &fixture->plan), 0);
    assert_int_equal(nj_plan_namespace_encode(&shop, &fixture->plan), 0);
    assert_int_equal(nj_plan_version_encode("8f3c", &fixture->plan), 0);
    assert_int_equal(travel(fixture), 0);
    const struct nj_plan *plan = &fixture->got.plan;
    assert_true(fixture->got.committed == 7);
    assert_string_equal(plan->version, "8f3c");
    assert_int_equal(plan->namespaces_count, 2);
    assert_string_equal(plan->namespaces[0].name, "quiet");
    assert_true(plan->namespaces[0].derive);
    assert_int_equal(plan->namespaces[0].checks_count, 0);
    assert_string_equal(plan->namespaces[1].name, "shop");
    assert_false(plan->namespaces[1].derive);
    assert_int_equal(plan->namespaces[1].checks_count, shop.checks_count);
    for (size_t i = 0; i < shop.checks_count; i++)
        assert_same_check(&plan->namespaces[1].checks[i], &shop.checks[i]);
}

static void test_an_acknowledgement_without_a_plan_has_no_version(void **state)
{
    struct fixture *fixture = *state;
    struct nj_ack ack = {.version = NJ_WIRE_VERSION};
    assert_int_equal(nj_ack_encode(&ack, &fixture->bytes), 0);
    assert_int_equal(
        nj_ack_decode(fixture->bytes.data, fixture->bytes.len, &fixture->arena, &fixture->got, &fixture->err),
        0);
    assert_string_equal(fixture->got.plan.version, "");
    assert_int_equal(fixture->got.plan.namespaces_count, 0);
}

static void test_a_plan_for_no_namespace_still_has_its_version(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(nj_plan_version_encode("none", &fixture->plan), 0);
    assert_int_equal(travel(fixture), 0);
    assert_string_equal(fixture->got.plan.version, "none");
    assert_int_equal(fixture->got.plan.namespaces_count, 0);
}

static void test_a_full_plan_of_small_checks_can_be_taken(void **state)
{
    struct fixture *fixture = *state;
    static const struct nj_plan_pair selector = {.name = "app", .value = "x"};
    static const struct nj_plan_port port = {.number = 80, .target_number = 8080};
    struct nj_plan_check check = {.monitor = "service.a.b",
                                  .source = NJ_SOURCE_DERIVED,
                                  .service = "b",
                                  .selector = &selector,
                                  .selector_count = 1,
                                  .ports = &port,
                                  .ports_count = 1};
    struct nj_plan_check *checks = calloc(NJ_PLAN_CHECKS_MAX, sizeof(*checks));
    struct nj_plan_namespace part = {.name = "a", .checks = checks, .checks_count = NJ_PLAN_CHECKS_MAX};
    size_t parts = 0;
    assert_non_null(checks);
    for (size_t i = 0; i < NJ_PLAN_CHECKS_MAX; i++)
        checks[i] = check;
    while (nj_plan_namespace_encode(&part, &fixture->plan) == 0)
        parts++;
    assert_true(parts >= 2);
    fixture->plan.overflowed = false;
    assert_int_equal(nj_plan_version_encode("full", &fixture->plan), 0);
    assert_int_equal(travel(fixture), 0);
    assert_int_equal(fixture->got.plan.namespaces_count, parts);
    assert_int_equal(fixture->got.plan.namespaces[parts - 1].checks_count, NJ_PLAN_CHECKS_MAX);
    part.checks_count++;
    assert_int_equal(nj_plan_namespace_encode(&part, &fixture->bytes), -EINVAL);
    free(checks);
}

static void test_a_kind_of_monitor_that_the_agent_does_not_know_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct nj_plan_namespace shop = sample_plan_namespace();
    assert_int_equal(nj_plan_namespace_encode(&shop, &fixture->plan), 0);
    char *source = memmem(fixture->plan.data, fixture->plan.len, "apimonitor\x1a", 11);
    assert_non_null(source);
    *source = 'x';
    assert_int_equal(nj_plan_version_encode("8f3c", &fixture->plan), 0);
    assert_int_equal(travel(fixture), 0);
    assert_int_equal(fixture->got.plan.namespaces[0].checks_count, shop.checks_count - 1);
    assert_same_check(&fixture->got.plan.namespaces[0].checks[0], &shop.checks[1]);
}

static void test_what_is_wrong_in_a_plan_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } wrong[] = {
        {"\x0a\x01\xff", 3, "plan.version is no UTF-8"},
        {"\x12\x03\x0a\x01\xff", 5, "plan.namespace is no UTF-8"},
        {"\x12\x0f\x1a\x0d\x12\x05"
         "dns..\x12\x04"
         "1234",
         17, ""},
        {"\x12\x11\x1a\x0f\x12\x07"
         "derived\x2a\x04\x10\x80\x80\x04",
         19, "a port above"},
        {"\x0a\x41"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         67, "version has more"},
        {"\xff", 1, "no acknowledgement"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        nj_buf_clear(&fixture->plan);
        assert_int_equal(nj_buf_append(&fixture->plan, wrong[i].bytes, wrong[i].len), 0);
        fixture->err = (struct nj_err){0};
        int rc = travel(fixture);
        assert_int_equal(rc, wrong[i].text[0] == '\0' ? 0 : -EPROTO);
        assert_non_null(strstr(fixture->err.text, wrong[i].text));
    }
}

static void test_more_namespaces_than_a_plan_may_have_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_plan_namespace part = {.name = "a"};
    for (int i = 0; i <= NJ_PLAN_NAMESPACES_MAX; i++)
        assert_int_equal(nj_plan_namespace_encode(&part, &fixture->plan), 0);
    assert_int_equal(travel(fixture), -EPROTO);
    assert_non_null(strstr(fixture->err.text, "1025 namespaces"));
}

static void test_a_plan_that_unfolds_beyond_the_arena_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_plan_namespace shop = sample_plan_namespace();
    assert_int_equal(nj_plan_namespace_encode(&shop, &fixture->plan), 0);
    fixture->arena.max = 0;
    for (int rc = -EOVERFLOW; rc != 0; fixture->arena.max += 64) {
        rc = travel(fixture);
        assert_true(rc == 0 || rc == -EOVERFLOW);
    }
}

static void test_an_encoder_mends_what_is_no_utf8(void **state)
{
    struct fixture *fixture = *state;
    static const struct nj_plan_pair secret = {.name = "password", .value = "\xff"};
    struct nj_plan_check check = {.monitor = "m", .secrets = &secret, .secrets_count = 1};
    struct nj_plan_namespace part = {.name = "a", .checks = &check, .checks_count = 1};
    assert_int_equal(nj_plan_namespace_encode(&part, &fixture->plan), 0);
    assert_int_equal(travel(fixture), 0);
    assert_string_equal(fixture->got.plan.namespaces[0].checks[0].secrets[0].value, "\xef\xbf\xbd");
}

static void test_sources_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < NJ_SOURCES; i++) {
        enum nj_monitor_source source = NJ_SOURCES;
        assert_int_equal(nj_monitor_source_parse(nj_monitor_source_name((enum nj_monitor_source)i), &source),
                         0);
        assert_int_equal(source, i);
    }
    enum nj_monitor_source source = NJ_SOURCES;
    assert_int_equal(nj_monitor_source_parse("", &source), -EINVAL);
    assert_int_equal(nj_monitor_source_parse(NULL, &source), -EINVAL);
    assert_int_equal(source, NJ_SOURCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_namespaces_encoded_one_by_one_make_a_plan),
        TEST(test_an_acknowledgement_without_a_plan_has_no_version),
        TEST(test_a_plan_for_no_namespace_still_has_its_version),
        TEST(test_a_full_plan_of_small_checks_can_be_taken),
        TEST(test_a_kind_of_monitor_that_the_agent_does_not_know_is_left_out),
        TEST(test_what_is_wrong_in_a_plan_is_named),
        TEST(test_more_namespaces_than_a_plan_may_have_are_refused),
        TEST(test_a_plan_that_unfolds_beyond_the_arena_is_refused),
        TEST(test_an_encoder_mends_what_is_no_utf8),
        TEST(test_sources_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
