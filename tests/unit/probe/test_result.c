/*
 * What REST shows as evidence: whole when it fits, and always the failed step.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/probe/result.h"
#include "tests/unit/test.h"

enum { STEPS = 32 };

static struct nj_step_outcome make_step(const char *name, bool ok, const char *body)
{
    return (struct nj_step_outcome){
        .name = name,
        .kind = "http",
        .ran = true,
        .ok = ok,
        .cause = ok ? NJ_CAUSE_NONE : NJ_CAUSE_STATUS,
        .phase = NJ_PHASE_CHECK,
        .expected = ok ? "" : "status 200-299",
        .got = ok ? "" : "500",
        .request = "GET http://10.0.0.7:8080/login",
        .address = "10.0.0.7:8080",
        .status = ok ? 200 : 500,
        .http_version = "1.1",
        .bytes = (int64_t)strlen(body),
        .body = body,
        .phase_ns = {-1, 1500000, -1, 2000, 0, -1},
        .total_ns = 12345678,
        .certificate = {.subject = "", .issuer = "", .names = ""},
    };
}

static struct nj_result make_result(const struct nj_step_outcome *steps, size_t count, size_t failed)
{
    return (struct nj_result){.ok = false,
                              .cause = NJ_CAUSE_STATUS,
                              .failed = &steps[failed],
                              .steps = steps,
                              .steps_count = count,
                              .started_ns = INT64_C(1763716412) * NJ_SEC,
                              .total_ns = 2 * NJ_SEC,
                              .attempts = 3};
}

static struct json_object *step_at(struct json_object *root, size_t index)
{
    struct json_object *steps = json_object_object_get(root, "steps");
    return json_object_array_get_idx(steps, index);
}

static const char *text_of(struct json_object *object, const char *key)
{
    return json_object_get_string(json_object_object_get(object, key));
}

static void evidence_is_whole(void **state)
{
    (void)state;
    struct nj_step_outcome steps[] = {make_step("log in", false, "oops \"1\"\n"),
                                      make_step("read", true, "")};
    steps[1].ran = steps[1].ok = false;
    steps[1].certificate = (struct nj_peer_certificate){.present = true,
                                                        .subject = "CN=a",
                                                        .issuer = "CN=b",
                                                        .names = "a.example, b.example",
                                                        .not_before_ns = INT64_C(1763716412) * NJ_SEC,
                                                        .not_after_ns = INT64_C(1763716413) * NJ_SEC};
    struct nj_result result = make_result(steps, 2, 0);
    struct nj_buf out = {0};
    nj_buf_append_str(&out, "x");
    assert_int_equal(nj_result_json(&result, &out), 0);
    assert_string_equal(
        nj_buf_str(&out),
        "x{\"ok\":false,\"cause\":\"status\",\"startedAt\":\"2025-11-21T09:13:32.000Z\",\"durationMs\":2000."
        "000,"
        "\"attempts\":3,\"steps\":[{\"name\":\"log "
        "in\",\"kind\":\"http\",\"ran\":true,\"ok\":false,\"cause\":\"status\","
        "\"phase\":\"check\",\"expected\":\"status 200-299\",\"got\":\"500\",\"request\":\"GET "
        "http://10.0.0.7:8080/"
        "login\",\"address\":\"10.0.0.7:8080\",\"status\":500,\"httpVersion\":\"1.1\",\"bytes\":9,"
        "\"body\":\"oops "
        "\\\"1\\\"\\n\",\"phasesMs\":{\"connect\":1.500,\"first_byte\":0.002,\"transfer\":0.000},"
        "\"certificate\":null,\"durationMs\":12.345},"
        "{\"name\":\"read\",\"kind\":\"http\",\"ran\":false,\"ok\":false,\"cause\":\"none\",\"phase\":\"\","
        "\"expected\":\"\","
        "\"got\":\"\",\"request\":\"GET "
        "http://10.0.0.7:8080/login\",\"address\":\"10.0.0.7:8080\",\"status\":200,"
        "\"httpVersion\":\"1.1\",\"bytes\":0,\"body\":\"\",\"phasesMs\":{\"connect\":1.500,\"first_byte\":0."
        "002,\"transfer\":"
        "0.000},\"certificate\":{\"notBefore\":\"2025-11-21T09:13:32.000Z\",\"notAfter\":\"2025-11-21T09:13:"
        "33.000Z\","
        "\"subject\":\"CN=a\",\"issuer\":\"CN=b\",\"names\":\"a.example, "
        "b.example\"},\"durationMs\":12.345}]}");
    nj_buf_done(&out);
}

static void what_does_not_fit_goes_from_steps_that_passed_first(void **state)
{
    (void)state;
    static char body[NJ_EVIDENCE_BODY_MAX + 1];
    memset(body, 'b', sizeof(body) - 1);
    struct nj_step_outcome steps[STEPS];
    for (size_t i = 0; i < STEPS; i++)
        steps[i] = make_step("a step", i != 20, i == 20 || i < 10 ? body : "");
    struct nj_result result = make_result(steps, STEPS, 20);
    struct nj_buf out = {0};
    assert_int_equal(nj_result_json(&result, &out), 0);
    assert_true(out.len <= NJ_EVIDENCE_JSON_MAX);
    struct json_object *root = json_tokener_parse(nj_buf_str(&out));
    assert_non_null(root);
    assert_string_equal(text_of(step_at(root, 0), "body"), "");
    assert_string_equal(text_of(step_at(root, 20), "body"), body);
    assert_string_equal(text_of(step_at(root, 20), "got"), "500");
    json_object_put(root);
    nj_buf_done(&out);
}

static void the_failed_step_is_always_there(void **state)
{
    (void)state;
    static char text[NJ_EVIDENCE_TEXT_MAX];
    static char body[NJ_EVIDENCE_BODY_MAX + 1];
    memset(text, 1, sizeof(text) - 1); /* six bytes each in JSON */
    memset(body, 1, sizeof(body) - 1);
    struct nj_step_outcome steps[STEPS];
    for (size_t i = 0; i < STEPS; i++) {
        steps[i] = make_step("sixty-three characters is what a name of a step may have, yes..", false, body);
        steps[i].expected = steps[i].got = steps[i].request = text;
    }
    struct nj_result result = make_result(steps, STEPS, 31);
    struct nj_buf out = {0};
    assert_int_equal(nj_result_json(&result, &out), 0);
    assert_true(out.len <= NJ_EVIDENCE_JSON_MAX);
    struct json_object *root = json_tokener_parse(nj_buf_str(&out));
    assert_non_null(root);
    assert_int_equal(json_object_array_length(json_object_object_get(root, "steps")), STEPS);
    assert_true(strlen(text_of(step_at(root, 31), "got")) >= 128);
    json_object_put(root);
    nj_buf_done(&out);
}

static void a_buffer_that_is_full_is_left_as_it_was(void **state)
{
    (void)state;
    struct nj_step_outcome steps[] = {make_step("a", false, "")};
    struct nj_result result = make_result(steps, 1, 0);
    struct nj_buf out = {.max = 100};
    assert_int_equal(nj_result_json(&result, &out), -EOVERFLOW);
    assert_int_equal(out.len, 0);
    nj_buf_done(&out);
}

static void causes_and_phases_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < NJ_CAUSES; i++) {
        enum nj_cause cause = NJ_CAUSES;
        assert_int_equal(nj_cause_parse(nj_cause_name((enum nj_cause)i), &cause), 0);
        assert_int_equal(cause, i);
    }
    enum nj_cause cause;
    assert_int_equal(nj_cause_parse("nothing", &cause), -EINVAL);
    assert_string_equal(nj_phase_name(NJ_PHASE_FIRST_BYTE), "first_byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_whole),
        cmocka_unit_test(what_does_not_fit_goes_from_steps_that_passed_first),
        cmocka_unit_test(the_failed_step_is_always_there),
        cmocka_unit_test(a_buffer_that_is_full_is_left_as_it_was),
        cmocka_unit_test(causes_and_phases_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
