/*
 * Whether an answer is what was expected, in each way that a spec can say it, and the words for what was
 * expected and what came. What a step takes out of an answer.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/probe/judge.h"
#include "tests/unit/test.h"

#define NOW_NS (INT64_C(1763716412) * NJ_SEC) /* 2025-11-21T09:13:32Z */

static const struct nj_step_header headers[] = {{"Content-Type", "text/html"},
                                                {"Set-Cookie", "sid=old; Path=/"},
                                                {"X-Two", "a"},
                                                {"x-two", "b"},
                                                {"Set-Cookie", " sid=ab=c1; Secure; Path=/"},
                                                {"Set-Cookie", "sidecar=x"}};

static struct nj_step_response answer(int32_t status, const char *body)
{
    return (struct nj_step_response){.status = status,
                                     .http_version = "1.1",
                                     .headers = headers,
                                     .headers_count = sizeof(headers) / sizeof(headers[0]),
                                     .body = body,
                                     .body_len = strlen(body),
                                     .word = ""};
}

/* One step with these fields: {"expect": ...}. */
static struct nj_spec *spec_of(const char *step)
{
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    char *json =
        nj_asprintf("{\"variables\":[{\"name\":\"user\",\"value\":\"bob\"},{\"name\":\"n\",\"value\":\"42\"},"
                    "{\"name\":\"gone\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}],"
                    "\"steps\":[%s],\"tls\":{\"minDaysLeft\":14}}",
                    step);
    if (nj_spec_parse("spec", json, strlen(json), false, &spec, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    free(json);
    return spec;
}

static enum nj_cause judge(const char *step, const struct nj_step_response *response, int64_t latency_ns,
                           struct nj_verdict *verdict)
{
    struct nj_spec *spec = spec_of(step);
    struct nj_vars *vars = nj_vars_new(spec, NULL, 0);
    nj_judge(&spec->steps[0], &spec->tls, response, latency_ns, NOW_NS, vars, verdict);
    nj_vars_free(vars);
    nj_spec_unref(spec);
    return verdict->cause;
}

static void assert_verdict(const char *expect, const struct nj_step_response *response, enum nj_cause cause,
                           const char *expected, const char *got)
{
    struct nj_verdict verdict;
    char *step = nj_asprintf("{\"expect\":%s}", expect);
    if (judge(step, response, NJ_SEC, &verdict) != cause)
        fail_msg("%s: %s, expected %s, got %s", expect, nj_cause_name(verdict.cause), verdict.expected,
                 verdict.got);
    if (cause != NJ_CAUSE_NONE) {
        assert_string_equal(verdict.expected, expected);
        assert_string_equal(verdict.got, got);
    }
    free(step);
}

static void assert_passes(const char *expect, const struct nj_step_response *response)
{
    assert_verdict(expect, response, NJ_CAUSE_NONE, "", "");
}

static void statuses(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, "");
    struct nj_step_response moved = answer(399, "");
    struct nj_step_response failed = answer(500, "");
    assert_passes("{}", &ok);
    assert_passes("{}", &moved);
    assert_passes("{\"status\":[404,\"5xx\"]}", &failed);
    assert_verdict("{}", &failed, NJ_CAUSE_STATUS, "status 200-399", "500");
    assert_verdict("{\"status\":[201,\"4xx\"]}", &ok, NJ_CAUSE_STATUS, "status 201, 400-499", "200");
}

static void headers_of_an_answer(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, "");
    assert_passes(
        "{\"headers\":[{\"name\":\"content-type\",\"regex\":\"^text/\"},{\"name\":\"X-TWO\",\"value\":\"b\"},"
        "{\"name\":\"content-type\"},{\"name\":\"x-none\",\"absent\":true}]}",
        &ok);
    assert_verdict("{\"headers\":[{\"name\":\"content-type\",\"regex\":\"json\"}]}", &ok, NJ_CAUSE_HEADER,
                   "header content-type matches /json/", "\"text/html\"");
    assert_verdict("{\"headers\":[{\"name\":\"x-two\",\"value\":\"%s%n\"}]}", &ok, NJ_CAUSE_HEADER,
                   "header x-two is \"%s%n\"", "\"b\"");
    assert_verdict("{\"headers\":[{\"name\":\"x-none\"}]}", &ok, NJ_CAUSE_HEADER, "header x-none is present",
                   "no such header");
    assert_verdict("{\"headers\":[{\"name\":\"x-two\",\"absent\":true}]}", &ok, NJ_CAUSE_HEADER,
                   "header x-two is absent", "\"b\"");
}

static void bodies(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, "all is well\n");
    struct nj_step_response empty = answer(200, "");
    assert_passes("{\"body\":[{\"regex\":\"is\\\\s+w\"},{\"contains\":\"all\"},{\"notRegex\":\"^error\"},{"
                  "\"notContains\":\"(\"}]}",
                  &ok);
    assert_verdict("{\"body\":[{\"regex\":\"^is\"}]}", &ok, NJ_CAUSE_BODY, "body matches /^is/",
                   "\"all is well \"");
    assert_verdict("{\"body\":[{\"notRegex\":\"w.ll\"}]}", &ok, NJ_CAUSE_BODY, "body does not match /w.ll/",
                   "\"all is well \"");
    assert_verdict("{\"body\":[{\"contains\":\"%d\"}]}", &ok, NJ_CAUSE_BODY, "body contains \"%d\"",
                   "\"all is well \"");
    assert_verdict("{\"body\":[{\"notContains\":\"well\"}]}", &ok, NJ_CAUSE_BODY,
                   "body does not contain \"well\"", "\"all is well \"");
    assert_verdict("{\"body\":[{\"contains\":\"a\"}]}", &empty, NJ_CAUSE_BODY, "body contains \"a\"",
                   "nothing");
    /* What is no UTF-8 can be looked through as well. */
    struct nj_step_response bytes = answer(200, "\xff\xfe ok \x80");
    assert_passes("{\"body\":[{\"regex\":\"ok\"}]}", &bytes);
    assert_verdict("{\"body\":[{\"regex\":\"no\"}]}", &bytes, NJ_CAUSE_BODY, "body matches /no/",
                   "\"\xff\xfe ok \x80\"");
}

static void a_body_that_was_not_read_to_its_end_is_not_judged_by_what_is_missing(void **state)
{
    (void)state;
    struct nj_step_response cut = answer(200, "beginning");
    cut.body_cut = true;
    assert_passes("{\"body\":[{\"contains\":\"begin\"}]}", &cut);
    assert_verdict("{\"body\":[{\"contains\":\"end\"}]}", &cut, NJ_CAUSE_TOO_LARGE, "body contains \"end\"",
                   "more than 9 bytes");
    assert_verdict("{\"body\":[{\"notContains\":\"end\"}]}", &cut, NJ_CAUSE_TOO_LARGE,
                   "body does not contain \"end\"", "more than 9 bytes");
    assert_verdict("{\"json\":[{\"pointer\":\"/a\",\"equals\":1}]}", &cut, NJ_CAUSE_TOO_LARGE,
                   "JSON /a equals 1", "more than 9 bytes");
    assert_verdict("{\"maxBytes\":1000}", &cut, NJ_CAUSE_SIZE, "at most 1000 bytes", "more than 9 bytes");
}

static void sizes(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, "12345");
    assert_passes("{\"minBytes\":5,\"maxBytes\":5}", &ok);
    assert_verdict("{\"minBytes\":6}", &ok, NJ_CAUSE_SIZE, "at least 6 bytes", "5 bytes");
    assert_verdict("{\"maxBytes\":4}", &ok, NJ_CAUSE_SIZE, "at most 4 bytes", "5 bytes");
}

static const char DOCUMENT[] =
    "\xEF\xBB\xBF{\"status\":\"up\",\"n\":5,\"f\":1.5,\"big\":9007199254740993,\"list\":[1,{\"a/"
    "b~c\":true}],\"no\":null,"
    "\"user\":\"bob\",\"n42\":42,\"\":\"empty\",\"o\":{\"a\":[1,\"x\"],\"b\":null}} \n";

static void json_values(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, DOCUMENT);
    static const char *const passing[] = {
        "{\"pointer\":\"/status\",\"equals\":\"up\"}",
        "{\"pointer\":\"/status\",\"notEquals\":\"down\"}",
        "{\"pointer\":\"/none\",\"notEquals\":\"down\"}",
        "{\"pointer\":\"/n\",\"equals\":5.0}",
        "{\"pointer\":\"/n\",\"lessThan\":5.5}",
        "{\"pointer\":\"/n\",\"lessOrEqual\":5}",
        "{\"pointer\":\"/n\",\"greaterThan\":4}",
        "{\"pointer\":\"/f\",\"greaterOrEqual\":1.5}",
        "{\"pointer\":\"/big\",\"equals\":9007199254740993}",
        "{\"pointer\":\"/big\",\"notEquals\":9007199254740992}",
        "{\"pointer\":\"/list/1/a~1b~0c\",\"equals\":true}",
        "{\"pointer\":\"/\",\"equals\":\"empty\"}",
        "{\"pointer\":\"/no\",\"equals\":null}",
        "{\"pointer\":\"/no\",\"exists\":true}",
        "{\"pointer\":\"/none\",\"exists\":false}",
        "{\"pointer\":\"\",\"exists\":true}",
        "{\"pointer\":\"/n\",\"matches\":\"^[0-9]$\"}",
        "{\"pointer\":\"/o\",\"equals\":{\"b\":null,\"a\":[1,\"x\"]}}",
        "{\"pointer\":\"/user\",\"equals\":\"${user}\"}",
        "{\"pointer\":\"/n42\",\"equals\":\"${n}\"}",
    };
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        char *expect = nj_asprintf("{\"json\":[%s]}", passing[i]);
        assert_passes(expect, &ok);
        free(expect);
    }
    static const struct {
        const char *json, *expected, *got;
    } failing[] = {
        {"{\"pointer\":\"/status\",\"equals\":\"down\"}", "JSON /status equals \"down\"", "\"up\""},
        {"{\"pointer\":\"/status\",\"notEquals\":\"up\"}", "JSON /status does not equal \"up\"", "\"up\""},
        {"{\"pointer\":\"/none\",\"equals\":\"up\"}", "JSON /none equals \"up\"", "no such member"},
        {"{\"pointer\":\"/list/2\",\"exists\":true}", "JSON /list/2 exists", "no such member"},
        {"{\"pointer\":\"/list/01\",\"exists\":true}", "JSON /list/01 exists", "no such member"},
        {"{\"pointer\":\"/n\",\"exists\":false}", "JSON /n does not exist", "5"},
        {"{\"pointer\":\"/n\",\"equals\":\"5\"}", "JSON /n equals \"5\"", "5"},
        {"{\"pointer\":\"/n\",\"lessThan\":5}", "JSON /n is less than 5", "5"},
        {"{\"pointer\":\"/status\",\"greaterThan\":5}", "JSON /status is greater than 5", "\"up\""},
        {"{\"pointer\":\"/status\",\"matches\":\"^d\"}", "JSON /status matches /^d/", "\"up\""},
        {"{\"pointer\":\"/no\",\"equals\":0}", "JSON /no equals 0", "null"},
        {"{\"pointer\":\"\",\"equals\":1}", "JSON equals 1", NULL},
        {"{\"pointer\":\"/o\",\"equals\":{\"a\":[1]}}", "JSON /o equals {\"a\":[1]}",
         "{\"a\":[1,\"x\"],\"b\":null}"},
        {"{\"pointer\":\"/user\",\"equals\":\"x${user}\"}", "JSON /user equals \"x${user}\"", "\"bob\""},
    };
    for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
        struct nj_verdict verdict;
        char *step = nj_asprintf("{\"expect\":{\"json\":[%s]}}", failing[i].json);
        assert_int_equal(judge(step, &ok, 0, &verdict), NJ_CAUSE_JSON);
        assert_string_equal(verdict.expected, failing[i].expected);
        if (failing[i].got != NULL)
            assert_string_equal(verdict.got, failing[i].got);
        free(step);
    }
    assert_verdict("{\"json\":[{\"pointer\":\"/user\",\"equals\":\"${gone}\"}]}", &ok, NJ_CAUSE_VARIABLE,
                   "JSON /user equals \"${gone}\"",
                   "${gone} has no value: key k of Secret s is not there, may not be read or is too long");
}

static void what_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "<html>", "{", "{}x", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct nj_step_response response = answer(200, texts[i]);
        assert_verdict("{\"json\":[{\"pointer\":\"/a\",\"exists\":false}]}", &response, NJ_CAUSE_JSON,
                       "JSON /a does not exist", "the body is no JSON");
    }
    static const char *const values[] = {"5", "null", "\"a\"", " true ", "[]"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct nj_step_response response = answer(200, values[i]);
        assert_passes("{\"json\":[{\"pointer\":\"/a\",\"exists\":false},{\"pointer\":\"\",\"exists\":true}]}",
                      &response);
    }
}

static void latency_and_certificate(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, "");
    struct nj_verdict verdict;
    static const char step[] = "{\"expect\":{\"maxLatency\":\"500ms\"}}";
    assert_int_equal(judge(step, &ok, 500 * NJ_MS, &verdict), NJ_CAUSE_NONE);
    assert_int_equal(judge(step, &ok, 500 * NJ_MS + 1, &verdict), NJ_CAUSE_LATENCY);
    assert_string_equal(verdict.expected, "at most 500ms");
    assert_string_equal(verdict.got, "501ms");
    ok.certificate = (struct nj_peer_certificate){.present = true, .not_after_ns = NOW_NS + 14 * NJ_DAY};
    assert_int_equal(judge("{}", &ok, 0, &verdict), NJ_CAUSE_NONE);
    ok.certificate.not_after_ns -= 1;
    assert_int_equal(judge("{}", &ok, 0, &verdict), NJ_CAUSE_EXPIRY);
    assert_string_equal(verdict.expected, "a certificate that is valid for another 14 days");
    assert_string_equal(verdict.got, "it expires on 2025-12-05T09:13:31.999Z, 13 days from now");
}

static void grpc_and_dns(void **state)
{
    (void)state;
    static const char *const records[] = {"10.0.0.1", "10.0.0.2"};
    struct nj_step_response response = answer(0, "");
    struct nj_verdict verdict;
    response.word = "SERVING";
    assert_int_equal(judge("{\"grpc\":{}}", &response, 0, &verdict), NJ_CAUSE_NONE);
    response.word = "NOT_SERVING";
    assert_int_equal(judge("{\"grpc\":{}}", &response, 0, &verdict), NJ_CAUSE_ANSWER);
    assert_string_equal(verdict.expected, "gRPC status SERVING");
    assert_string_equal(verdict.got, "NOT_SERVING");
    assert_int_equal(
        judge("{\"grpc\":{},\"expect\":{\"grpcStatus\":\"NOT_SERVING\"}}", &response, 0, &verdict),
        NJ_CAUSE_NONE);
    response.word = "NXDOMAIN";
    assert_int_equal(judge("{\"dns\":{\"name\":\"a\"}}", &response, 0, &verdict), NJ_CAUSE_ANSWER);
    assert_string_equal(verdict.expected, "rcode NOERROR");
    assert_string_equal(verdict.got, "NXDOMAIN");
    response.word = "NOERROR";
    response.records = records;
    response.records_count = 2;
    assert_int_equal(judge("{\"dns\":{\"name\":\"a\"},\"expect\":{\"answers\":[{\"regex\":\"2$\"},{"
                           "\"notRegex\":\"^127\"}]}}",
                           &response, 0, &verdict),
                     NJ_CAUSE_NONE);
    assert_int_equal(judge("{\"dns\":{\"name\":\"a\"},\"expect\":{\"answers\":[{\"regex\":\"3$\"}]}}",
                           &response, 0, &verdict),
                     NJ_CAUSE_ANSWER);
    assert_string_equal(verdict.expected, "a record matches /3$/");
    assert_string_equal(verdict.got, "10.0.0.1, 10.0.0.2");
    assert_int_equal(judge("{\"dns\":{\"name\":\"a\"},\"expect\":{\"answers\":[{\"notRegex\":\"2$\"}]}}",
                           &response, 0, &verdict),
                     NJ_CAUSE_ANSWER);
    assert_string_equal(verdict.expected, "each record does not match /2$/");
}

static void the_first_that_fails_is_told(void **state)
{
    (void)state;
    struct nj_step_response response = answer(500, "no");
    assert_verdict("{\"body\":[{\"contains\":\"ok\"}],\"headers\":[{\"name\":\"x\"}]}", &response,
                   NJ_CAUSE_STATUS, "status 200-399", "500");
    response.status = 200;
    assert_verdict("{\"body\":[{\"contains\":\"ok\"}],\"headers\":[{\"name\":\"x\"}]}", &response,
                   NJ_CAUSE_HEADER, "header x is present", "no such header");
}

static void a_pattern_that_runs_away_is_stopped(void **state)
{
    (void)state;
    enum { LEN = 200000 };
    char *body = nj_calloc(1, LEN + 1);
    memset(body, 'a', LEN - 1);
    body[LEN - 1] = '!';
    struct nj_step_response response = answer(200, body);
    assert_verdict("{\"body\":[{\"regex\":\"(a+)+$\"}]}", &response, NJ_CAUSE_BODY, "body matches /(a+)+$/",
                   "the pattern takes too long on 200000 bytes");
    /* From each place few steps, but from all of them too many. */
    assert_verdict("{\"body\":[{\"notRegex\":\"a{0,30000}[bc]\"}]}", &response, NJ_CAUSE_BODY,
                   "body does not match /a{0,30000}[bc]/", "the pattern takes too long on 200000 bytes");
    /* Nor does it run away once for each header or record; and what was not decided does not pass. */
    const struct nj_step_header many[] = {{"X", body}, {"X", body}, {"X", body}};
    response.headers = many;
    response.headers_count = sizeof(many) / sizeof(many[0]);
    assert_verdict("{\"headers\":[{\"name\":\"x\",\"regex\":\"(a+)+$\"}]}", &response, NJ_CAUSE_HEADER,
                   "header x matches /(a+)+$/", "the pattern takes too long on 200000 bytes");
    const char *const records[] = {body, body};
    struct nj_step_response resolved = {.word = "NOERROR", .records = records, .records_count = 2};
    struct nj_verdict verdict;
    assert_int_equal(judge("{\"dns\":{\"name\":\"a\"},\"expect\":{\"answers\":[{\"notRegex\":\"(a+)+$\"}]}}",
                           &resolved, 0, &verdict),
                     NJ_CAUSE_ANSWER);
    assert_string_equal(verdict.got, "the pattern takes too long on 200000 bytes");
    free(body);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char body[1200];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    struct nj_step_response response = answer(200, body);
    struct nj_verdict verdict;
    assert_int_equal(judge("{\"expect\":{\"body\":[{\"contains\":\"ok\"}]}}", &response, 0, &verdict),
                     NJ_CAUSE_BODY);
    assert_int_equal(strlen(verdict.got), 240 + 5);
    assert_true(nj_str_ends(verdict.got, "x...\""));
}

/* ---- extract */

static struct nj_verdict extract(const char *extracts, const struct nj_step_response *response,
                                 const char *text, struct nj_buf *out)
{
    struct nj_verdict verdict;
    char *step = nj_asprintf("{\"extract\":[%s]}", extracts);
    struct nj_spec *spec = spec_of(step);
    struct nj_vars *vars = nj_vars_new(spec, NULL, 0);
    nj_extract_all(&spec->steps[0], response, vars, &verdict);
    if (verdict.cause == NJ_CAUSE_NONE)
        assert_int_equal(nj_vars_expand(vars, NJ_PLACE_TEXT, text, out, NULL), 0);
    nj_vars_free(vars);
    nj_spec_unref(spec);
    free(step);
    return verdict;
}

static void assert_extracts(const char *extracts, const struct nj_step_response *response, const char *text,
                            const char *wanted)
{
    struct nj_buf out = {0};
    struct nj_verdict verdict = extract(extracts, response, text, &out);
    if (verdict.cause != NJ_CAUSE_NONE)
        fail_msg("%s: expected %s, got %s", extracts, verdict.expected, verdict.got);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
}

static void assert_not_extracted(const char *extracts, const struct nj_step_response *response,
                                 const char *expected, const char *got)
{
    struct nj_buf out = {0};
    struct nj_verdict verdict = extract(extracts, response, "", &out);
    assert_int_equal(verdict.cause, NJ_CAUSE_EXTRACT);
    assert_string_equal(verdict.expected, expected);
    assert_string_equal(verdict.got, got);
    nj_buf_done(&out);
}

static void variables_come_out_of_an_answer(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, DOCUMENT);
    assert_extracts("{\"name\":\"a\",\"jsonPointer\":\"/status\"},{\"name\":\"b\",\"jsonPointer\":\"/f\"},"
                    "{\"name\":\"c\",\"jsonPointer\":\"/list\"}",
                    &ok, "${a} ${b} ${c}", "up 1.5 [1,{\"a/b~c\":true}]");
    assert_extracts("{\"name\":\"a\",\"regex\":\"\\\"n\\\":(\\\\d)\"},{\"name\":\"b\",\"regex\":\"st.t\"}",
                    &ok, "${a} ${b}", "5 stat");
    assert_extracts("{\"name\":\"a\",\"regex\":\"n(x)?\"}", &ok, "${a}", "n");
    assert_extracts("{\"name\":\"a\",\"header\":\"x-TWO\"},{\"name\":\"b\",\"cookie\":\"sid\"}", &ok,
                    "${a} ${b}", "a ab=c1");
    assert_extracts("{\"name\":\"user\",\"header\":\"x-two\"}", &ok, "${user}", "a");
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    struct nj_step_response ok = answer(200, DOCUMENT);
    struct nj_step_response html = answer(200, "<html>");
    assert_not_extracted("{\"name\":\"token\",\"jsonPointer\":\"/data/token\"}", &ok,
                         "JSON /data/token for ${token}", "no such member");
    assert_not_extracted("{\"name\":\"token\",\"jsonPointer\":\"/no\"}", &ok, "JSON /no for ${token}",
                         "null");
    assert_not_extracted("{\"name\":\"token\",\"jsonPointer\":\"/no\"}", &html, "JSON /no for ${token}",
                         "the body is no JSON");
    assert_not_extracted("{\"name\":\"token\",\"regex\":\"id=(.)\"}", &html,
                         "a match of /id=(.)/ for ${token}", "\"<html>\"");
    assert_not_extracted("{\"name\":\"token\",\"header\":\"x-none\"}", &html, "header x-none for ${token}",
                         "no such header");
    assert_not_extracted("{\"name\":\"token\",\"cookie\":\"side\"}", &html, "cookie side for ${token}",
                         "no such cookie");
    char *body = nj_calloc(1, NJ_VARS_VALUE_MAX + 2);
    memset(body, 'x', NJ_VARS_VALUE_MAX + 1);
    struct nj_step_response large = answer(200, body);
    assert_not_extracted("{\"name\":\"token\",\"regex\":\"x+\"}", &large, "a match of /x+/ for ${token}",
                         "16385 bytes, at most 16384 are allowed");
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(headers_of_an_answer),
        cmocka_unit_test(bodies),
        cmocka_unit_test(a_body_that_was_not_read_to_its_end_is_not_judged_by_what_is_missing),
        cmocka_unit_test(sizes),
        cmocka_unit_test(json_values),
        cmocka_unit_test(what_is_no_json),
        cmocka_unit_test(latency_and_certificate),
        cmocka_unit_test(grpc_and_dns),
        cmocka_unit_test(the_first_that_fails_is_told),
        cmocka_unit_test(a_pattern_that_runs_away_is_stopped),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(variables_come_out_of_an_answer),
        cmocka_unit_test(what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
