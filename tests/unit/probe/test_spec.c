/*
 * What people write as a monitor's spec: what is accepted and what it means, what is refused and in which
 * words. tests/unit/probe/specs is shared with tests/style/crd.test.js, which holds the custom resource's
 * schema against it.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/probe/pattern.h"
#include "common/probe/spec.h"
#include "tests/unit/test.h"

#define SPECS "tests/unit/probe/specs/"

static struct nj_spec *parse(const char *json)
{
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    int rc = nj_spec_parse("spec", json, strlen(json), true, &spec, &err);
    if (rc < 0)
        fail_msg("%s: %s", json, err.text);
    return spec;
}

static void assert_refused(const char *json, int code, const char *words)
{
    struct nj_spec *spec = NULL;
    struct nj_err err = {0};
    assert_int_equal(nj_spec_parse("spec", json, strlen(json), true, &spec, &err), code);
    assert_null(spec);
    if (strstr(err.text, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, words);
}

static struct json_object *load(const char *path)
{
    struct json_object *root = json_object_from_file(path);
    if (root == NULL)
        fail_msg("%s: %s", path, json_util_get_last_err());
    return root;
}

static const char *text_of(struct json_object *value)
{
    return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- everything that a spec says, as one text */

static void dump_expect(struct nj_buf *out, const struct nj_expect *expect)
{
    for (size_t i = 0; i < expect->statuses_count; i++)
        nj_buf_printf(out, " status %d-%d", expect->statuses[i].from, expect->statuses[i].to);
    for (size_t i = 0; i < expect->headers_count; i++)
        nj_buf_printf(out, " header %s %d %s", expect->headers[i].name, expect->headers[i].absent,
                      expect->headers[i].pattern == NULL ? "-" : nj_pattern_text(expect->headers[i].pattern));
    for (size_t i = 0; i < expect->bodies_count; i++)
        nj_buf_printf(out, " body %d %d %s", expect->bodies[i].absent,
                      nj_pattern_kind(expect->bodies[i].pattern), nj_pattern_text(expect->bodies[i].pattern));
    for (size_t i = 0; i < expect->jsons_count; i++)
        nj_buf_printf(out, " json %s %d %s %d", expect->jsons[i].pointer, expect->jsons[i].compare,
                      expect->jsons[i].value, expect->jsons[i].pattern != NULL);
    for (size_t i = 0; i < expect->answers_count; i++)
        nj_buf_printf(out, " answer %d %s", expect->answers[i].absent,
                      nj_pattern_text(expect->answers[i].pattern));
    nj_buf_printf(out, " %ld %ld %ld %s %s", expect->min_bytes, expect->max_bytes, expect->max_latency_ns,
                  expect->grpc_status, expect->dns_rcode);
}

static void dump_step(struct nj_buf *out, const struct nj_step *step)
{
    nj_buf_printf(out, "\n%s %s %d %d %s '%s' '%s' %d %d '%s' %d '%s' '%s' %s %d", step->name,
                  nj_step_kind_name(step->kind), step->continue_on_failure, step->is_finally, step->method,
                  step->path, step->body, step->version, step->follow_redirects, step->send, step->tls,
                  step->grpc_service, step->dns_name, step->dns_type, step->dns_tcp);
    for (size_t i = 0; i < step->headers_count; i++)
        nj_buf_printf(out, " %s: %s", step->headers[i].name, step->headers[i].value);
    for (size_t i = 0; i < step->extracts_count; i++)
        nj_buf_printf(out, " %s=%d %s", step->extracts[i].variable, step->extracts[i].from,
                      step->extracts[i].what);
    dump_expect(out, &step->expect);
}

static char *dump(const struct nj_spec *spec)
{
    struct nj_buf out = {0};
    const struct nj_spec_target *target = &spec->target;
    nj_buf_printf(&out, "%d %s %s %u %s %s [%s] [%s] %s %d %ld %ld %ld %ld", target->kind, target->name,
                  target->port_name, target->port, target->scheme, target->url, target->host, target->path,
                  nj_scope_name(spec->scope), spec->suspend, spec->interval_ns, spec->timeout_ns,
                  spec->retries_count, spec->retries_delay_ns);
    for (size_t i = 0; i < spec->variables_count; i++)
        nj_buf_printf(&out, "\n%s=%s %s %s", spec->variables[i].name, spec->variables[i].value,
                      spec->variables[i].secret_name, spec->variables[i].secret_key);
    for (size_t i = 0; i < spec->steps_count; i++)
        dump_step(&out, &spec->steps[i]);
    nj_buf_printf(&out, "\n%d %s %s %s %s %ld\n%s %s %ld %ld %ld", spec->tls.insecure_skip_verify,
                  spec->tls.server_name, spec->tls.ca_pem, spec->tls.ca_secret_name, spec->tls.ca_secret_key,
                  spec->tls.min_days_left, spec->alert.group, spec->alert.severity, spec->alert.failures,
                  spec->alert.window_ns, spec->alert.successes);
    return nj_buf_take(&out);
}

/* ---- tests */

static void what_is_left_out_means_what_the_api_server_fills_in(void **state)
{
    (void)state;
    struct json_object *good = load(SPECS "good.json");
    struct json_object *defaulted = load(SPECS "defaulted.json");
    assert_int_equal(json_object_object_length(good), json_object_object_length(defaulted));
    json_object_object_foreach(good, name, value)
    {
        struct json_object *filled = NULL;
        if (!json_object_object_get_ex(defaulted, name, &filled))
            fail_msg("%s is not in defaulted.json", name);
        struct nj_spec *written = parse(text_of(value));
        struct nj_spec *stored = parse(text_of(filled));
        char *a = dump(written);
        char *b = dump(stored);
        assert_string_equal(a, b);
        free(a);
        free(b);
        nj_spec_unref(written);
        nj_spec_unref(stored);
    }
    json_object_put(good);
    json_object_put(defaulted);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    struct json_object *bad = load(SPECS "bad.json");
    for (size_t i = 0; i < json_object_array_length(bad); i++) {
        struct json_object *item = json_object_array_get_idx(bad, i);
        assert_refused(text_of(json_object_object_get(item, "spec")), -EINVAL,
                       json_object_get_string(json_object_object_get(item, "error")));
    }
    json_object_put(bad);
}

static void a_service_is_checked_every_ten_seconds_by_default(void **state)
{
    (void)state;
    struct nj_spec *spec = parse("{\"target\":{\"service\":{\"name\":\"web\"}}}");
    assert_int_equal(spec->target.kind, NJ_TARGET_SERVICE);
    assert_string_equal(spec->target.name, "web");
    assert_string_equal(spec->target.port_name, "");
    assert_int_equal(spec->target.port, 0);
    assert_int_equal(spec->scope, NJ_SCOPE_BOTH);
    assert_int_equal(spec->interval_ns, 10 * NJ_SEC);
    assert_int_equal(spec->timeout_ns, 5 * NJ_SEC);
    assert_int_equal(spec->retries_count, 2);
    assert_int_equal(spec->retries_delay_ns, 2 * NJ_SEC);
    assert_int_equal(spec->steps_count, 1);
    assert_string_equal(spec->steps[0].name, "step 1");
    assert_int_equal(spec->steps[0].kind, NJ_STEP_HTTP);
    assert_string_equal(spec->steps[0].method, "GET");
    assert_string_equal(spec->steps[0].path, "");
    assert_true(spec->steps[0].follow_redirects);
    assert_string_equal(spec->alert.severity, "warning");
    assert_int_equal(spec->alert.failures, 1);
    assert_int_equal(spec->alert.window_ns, 0);
    assert_int_equal(spec->alert.successes, 1);
    assert_memory_equal(spec->json, "{\"target\":{\"service\":{\"name\":\"web\"}}}", spec->json_len);
    nj_spec_unref(spec);
}

static void a_url_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *url, *scheme, *host;
        uint16_t port;
        const char *path;
        enum nj_step_kind kind;
    } cases[] = {
        {"http://a.example", "http", "a.example", 80, "/", NJ_STEP_HTTP},
        {"https://a.example/x?y=1", "https", "a.example", 443, "/x?y=1", NJ_STEP_HTTP},
        {"http://a.example?y=1", "http", "a.example", 80, "/?y=1", NJ_STEP_HTTP},
        {"http://[2001:db8::1]:8080/", "http", "2001:db8::1", 8080, "/", NJ_STEP_HTTP},
        {"tcp://10.0.0.1:5432", "tcp", "10.0.0.1", 5432, "/", NJ_STEP_TCP},
        {"grpc://a:9000", "grpc", "a", 9000, "/", NJ_STEP_GRPC},
        {"grpcs://a:65535", "grpcs", "a", 65535, "/", NJ_STEP_GRPC},
        {"dns://[::1]", "dns", "::1", 53, "/", NJ_STEP_DNS},
        {"dns:", "dns", "", 53, "/", NJ_STEP_DNS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_dns = cases[i].kind == NJ_STEP_DNS;
        char *json = nj_asprintf("{\"target\":{\"url\":\"%s\"}%s}", cases[i].url,
                                 is_dns ? ",\"steps\":[{\"dns\":{\"name\":\"a\"}}]" : "");
        struct nj_spec *spec = parse(json);
        assert_string_equal(spec->target.scheme, cases[i].scheme);
        assert_string_equal(spec->target.host, cases[i].host);
        assert_int_equal(spec->target.port, cases[i].port);
        assert_string_equal(spec->target.path, cases[i].path);
        assert_int_equal(spec->steps[0].kind, cases[i].kind);
        assert_int_equal(spec->steps[0].tls, strcmp(cases[i].scheme, "grpcs") == 0);
        nj_spec_unref(spec);
        free(json);
    }
}

static void a_derived_check_needs_no_target(void **state)
{
    (void)state;
    struct nj_spec *spec = NULL;
    struct nj_err err;
    static const char tcp[] = "{\"steps\":[{\"tcp\":{}}]}";
    assert_int_equal(nj_spec_parse("check", tcp, strlen(tcp), false, &spec, &err), 0);
    assert_int_equal(spec->steps[0].kind, NJ_STEP_TCP);
    nj_spec_unref(nj_spec_ref(spec));
    assert_string_equal(spec->steps[0].name, "step 1");
    nj_spec_unref(spec);
    static const char wrong[] = "{\"target\":{}}";
    assert_int_equal(nj_spec_parse("check", wrong, strlen(wrong), false, &spec, &err), -EINVAL);
    assert_string_equal(err.text, "check.target: needs exactly one of service, ingress or url, has 0");
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    assert_refused("", -EINVAL, "spec: is no JSON, at byte 0: it ends early");
    assert_refused("[]", -EINVAL, "spec: must be an object");
    assert_refused("{\"target\":", -EINVAL, "spec: is no JSON, at byte 10: it ends early");
    assert_refused("{} x", -EINVAL, "spec: is no JSON, at byte 3");
    assert_refused("{\"a\":\"\xff\"}", -EINVAL, "spec: is no JSON");
    char deep[4096] = "{\"target\":";
    memset(deep + 10, '[', 4000);
    assert_refused(deep, -EINVAL, "spec: is no JSON, at byte 33: nesting too deep");
}

static char *repeat(const char *begin, const char *item, size_t count, const char *end)
{
    struct nj_buf out = {0};
    nj_buf_append_str(&out, begin);
    for (size_t i = 0; i < count; i++)
        nj_buf_printf(&out, "%s%s", i == 0 ? "" : ",", item);
    nj_buf_append_str(&out, end);
    return nj_buf_take(&out);
}

static void size_is_bounded(void **state)
{
    (void)state;
    char *json = repeat("{\"target\":{\"service\":{\"name\":\"a\"}},\"steps\":[", "{}", 33, "]}");
    assert_refused(json, -EINVAL, "spec.steps: has 33 items, at most 32 are allowed");
    free(json);
    json = repeat("{\"target\":{\"service\":{\"name\":\"a\"}},\"finally\":[{}],\"steps\":[", "{}", 32, "]}");
    assert_refused(json, -EINVAL, "spec: has 33 steps, at most 32 in steps and finally together");
    free(json);
    json = repeat("{\"target\":{\"service\":{\"name\":\"a\"}},\"steps\":[{\"expect\":{\"status\":[", "200",
                  65, "]}}]}");
    assert_refused(json, -EINVAL, "spec.steps[0].expect.status: has 65 items, at most 64 are allowed");
    free(json);
    json = repeat("{\"target\":{\"service\":{\"name\":\"", "aaaaaaaaa", 7000, "\"}}}");
    assert_refused(json, -E2BIG, "at most 65536 are allowed");
    free(json);
    json =
        repeat("{\"target\":{\"service\":{\"name\":\"a\"}},\"steps\":[{\"expect\":{\"body\":[{\"regex\":\"",
               "a", 520, "\"}]}}]}");
    assert_refused(json, -EINVAL,
                   "spec.steps[0].expect.body[0].regex: has 1039 characters, at most 1024 are");
    free(json);
    json = repeat(
        "{\"target\":{\"service\":{\"name\":\"a\"}},\"steps\":[",
        "{\"expect\":{\"body\":[{\"regex\":\"a\"},{\"regex\":\"b\"},{\"regex\":\"c\"},{\"regex\":\"d\"},"
        "{\"regex\":\"e\"}]}}",
        30, "]}");
    assert_refused(json, -EINVAL,
                   "spec.steps[25].expect.body[3].regex: is one pattern too many, at most 128");
    free(json);
}

static void names_of_any_script_count_as_characters(void **state)
{
    (void)state;
    char *json =
        repeat("{\"target\":{\"service\":{\"name\":\"a\"}},\"steps\":[{\"name\":\"", "支付", 21, "\"}]}");
    nj_spec_unref(parse(json)); /* 62 characters, 146 bytes */
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_means_what_the_api_server_fills_in),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_service_is_checked_every_ten_seconds_by_default),
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(a_derived_check_needs_no_target),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(names_of_any_script_count_as_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
