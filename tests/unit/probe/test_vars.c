/*
 * Variables are data: wherever a value stands, it cannot become more than a value, and a Secret's is not
 * shown.
 */
#include <errno.h>
#include <string.h>

#include "common/base/redact.h"
#include "common/probe/vars.h"
#include "tests/unit/test.h"

static const struct nj_probe_value secrets[] = {{"password", "p\"s\\s w/d&\xc3\xa9"}, {"pin", "123"}};

struct sample {
    struct nj_spec *spec;
    struct nj_vars *vars;
};

static struct sample make(void)
{
    static const char json[] =
        "{\"variables\":[{\"name\":\"user\",\"value\":\"bob\"},{\"name\":\"empty\",\"value\":\"\"},"
        "{\"name\":\"password\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}},"
        "{\"name\":\"pin\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"pin\"}}},"
        "{\"name\":\"gone\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"shop-probe\",\"key\":\"x\"}}}]}";
    struct sample sample = {0};
    assert_int_equal(nj_spec_parse("spec", json, strlen(json), false, &sample.spec, NULL), 0);
    sample.vars = nj_vars_new(sample.spec, secrets, 2);
    return sample;
}

static void release(struct sample *sample)
{
    nj_vars_free(sample->vars);
    nj_spec_unref(sample->spec);
}

static void assert_expands(enum nj_place place, const char *text, const char *wanted)
{
    struct sample sample = make();
    struct nj_vars *vars = sample.vars;
    struct nj_buf out = {0};
    struct nj_err err = {0};
    nj_vars_set(vars, "id", "42", 2);
    nj_vars_set(vars, "lines", "a\r\nX: y", 7);
    nj_vars_set(vars, "json", "1,\"admin\":true", 14);
    if (nj_vars_expand(vars, place, text, &out, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
    release(&sample);
}

static void assert_refused(enum nj_place place, const char *text, int code, const char *words)
{
    struct sample sample = make();
    struct nj_vars *vars = sample.vars;
    struct nj_buf out = {0};
    struct nj_err err = {0};
    nj_buf_append_str(&out, "before");
    nj_vars_set(vars, "lines", "a\r\nX: y", 7);
    nj_vars_set(vars, "json", "1,\"admin\":true", 14);
    assert_int_equal(nj_vars_expand(vars, place, text, &out, &err), code);
    assert_string_equal(nj_buf_str(&out), "before");
    assert_string_equal(err.text, words);
    nj_buf_done(&out);
    release(&sample);
}

static void a_variable_stands_for_its_value(void **state)
{
    (void)state;
    assert_expands(NJ_PLACE_TEXT, "", "");
    assert_expands(NJ_PLACE_TEXT, "hello ${user}${empty}!", "hello bob!");
    assert_expands(NJ_PLACE_TEXT, "$user $$ $ {user} ${user}}", "$user $$ $ {user} bob}");
    assert_expands(NJ_PLACE_TEXT, "$${user}", "${user}");
    assert_expands(NJ_PLACE_TEXT, "$$${user}", "$${user}");
    assert_expands(NJ_PLACE_TEXT, "${lines}", "a\r\nX: y");
}

static void in_a_path_it_is_one_segment(void **state)
{
    (void)state;
    assert_expands(NJ_PLACE_PATH, "/u/${password}?q=${lines}",
                   "/u/p%22s%5Cs%20w%2Fd%26%C3%A9?q=a%0D%0AX%3A%20y");
    assert_expands(NJ_PLACE_PATH, "/a-b_c.d~/${id}", "/a-b_c.d~/42");
}

static void in_a_header_it_is_one_line(void **state)
{
    (void)state;
    assert_expands(NJ_PLACE_HEADER, "Bearer ${password}", "Bearer p\"s\\s w/d&\xc3\xa9");
    assert_refused(
        NJ_PLACE_HEADER, "a ${lines}", -EILSEQ,
        "the value of ${lines} holds a line break or another control character, which cannot stand "
        "in a header");
}

static void in_a_json_body_it_stays_a_value(void **state)
{
    (void)state;
    assert_expands(NJ_PLACE_BODY, "{\"p\": \"x${password}\", \"q\\\"\": \"${lines}\"}\n",
                   "{\"p\": \"xp\\\"s\\\\s w/d&\xc3\xa9\", \"q\\\"\": \"a\\r\\nX: y\"}\n");
    assert_expands(NJ_PLACE_BODY, "{\"id\": ${id}, \"l\": [${id}]}", "{\"id\": 42, \"l\": [42]}");
    assert_refused(
        NJ_PLACE_BODY, "{\"id\": ${json}}", -EILSEQ,
        "the value of ${json} is no number, true, false or null: put the variable in quotes inside "
        "the JSON body");
    assert_refused(
        NJ_PLACE_BODY, "{\"id\": ${user}}", -EILSEQ,
        "the value of ${user} is no number, true, false or null: put the variable in quotes inside "
        "the JSON body");
    assert_expands(NJ_PLACE_BODY, "{\"${user}\": 1}", "{\"bob\": 1}");
}

static void in_another_body_it_stands_as_it_is(void **state)
{
    (void)state;
    assert_expands(NJ_PLACE_BODY, "user=${user}&x=${json}", "user=bob&x=1,\"admin\":true");
    assert_expands(NJ_PLACE_BODY, "${lines}", "a\r\nX: y");
}

static void what_has_no_value_is_named(void **state)
{
    (void)state;
    assert_refused(NJ_PLACE_TEXT, "x${gone}", -ENOENT,
                   "${gone} has no value: key x of Secret shop-probe is not there, may not be read or is too "
                   "long");
    assert_refused(NJ_PLACE_TEXT, "x${never}", -ENOENT,
                   "${never} has no value: the step that sets it did not get so far");
}

static void values_are_bounded(void **state)
{
    (void)state;
    enum { MANY = 200 };
    static char big[NJ_VARS_VALUE_MAX + 1];
    memset(big, 'x', sizeof(big));
    struct sample sample = make();
    struct nj_vars *vars = sample.vars;
    assert_int_equal(nj_vars_set(vars, "a", big, sizeof(big)), -EMSGSIZE);
    assert_int_equal(nj_vars_set(vars, "a", big, sizeof(big) - 1), 0);
    struct nj_buf out = {0};
    struct nj_err err;
    char text[17 * 4 + 1] = "";
    for (size_t i = 0; i < 17; i++)
        memcpy(text + 4 * i, "${a}", 5);
    assert_int_equal(nj_vars_expand(vars, NJ_PLACE_TEXT, text, &out, &err), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    int refused = 0;
    for (int i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "v%d", i);
        refused += nj_vars_set(vars, name, big, sizeof(big) - 1) == -EMSGSIZE ? 1 : 0;
    }
    assert_int_equal(refused, MANY - 62); /* 1 MiB in all, with what was set before */
    assert_int_equal(nj_vars_set(vars, "a", "b", 1), 0);
    nj_buf_done(&out);
    release(&sample);
}

static void assert_hidden(const struct nj_redactor *redactor, const char *text, const char *wanted)
{
    struct sample sample = make();
    struct nj_vars *vars = sample.vars;
    struct nj_buf out = {0};
    nj_vars_set(vars, "password", "other", 5); /* what was known first stays hidden */
    nj_vars_hide(vars, redactor, text, strlen(text), &out);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
    release(&sample);
}

static void secrets_are_hidden_in_every_spelling(void **state)
{
    (void)state;
    struct nj_redactor *redactor = NULL;
    assert_int_equal(nj_redactor_new(true, NULL, 0, &redactor, NULL), 0);
    assert_hidden(NULL, "it is p\"s\\s w/d&\xc3\xa9!", "it is [REDACTED]!");
    assert_hidden(NULL, "GET /u/p%22s%5Cs%20w%2Fd%26%C3%A9", "GET /u/[REDACTED]");
    assert_hidden(NULL, "{\"p\":\"p\\\"s\\\\s w/d&\xc3\xa9\"}", "{\"p\":\"[REDACTED]\"}");
    /* Cut off: at the end, and where a text was shortened. */
    assert_hidden(NULL, "got p\"s\\s", "got [REDACTED]");
    assert_hidden(NULL, "got \"p\"s\\s w...\"", "got \"[REDACTED]...\"");
    /* Too short to be one. */
    assert_hidden(NULL, "123 p\"s", "123 p\"s");
    assert_hidden(NULL, "a\xff z", "a\xef\xbf\xbd z");
    assert_hidden(redactor, "Authorization: Bearer abcdefgh12345678 p\"s\\s w/d&\xc3\xa9",
                  "Authorization: Bearer [REDACTED] [REDACTED]");
    nj_redactor_free(redactor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_stands_for_its_value),
        cmocka_unit_test(in_a_path_it_is_one_segment),
        cmocka_unit_test(in_a_header_it_is_one_line),
        cmocka_unit_test(in_a_json_body_it_stays_a_value),
        cmocka_unit_test(in_another_body_it_stands_as_it_is),
        cmocka_unit_test(what_has_no_value_is_named),
        cmocka_unit_test(values_are_bounded),
        cmocka_unit_test(secrets_are_hidden_in_every_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
