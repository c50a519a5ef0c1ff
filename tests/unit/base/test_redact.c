#include <stdlib.h>
#include <string.h>

#include "common/base/redact.h"
#include "tests/unit/test.h"

static int setup(void **state)
{
    struct nj_redactor *redactor = NULL;
    struct nj_err err = {0};
    if (nj_redactor_new(true, NULL, 0, &redactor, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = redactor;
    return 0;
}

static int teardown(void **state)
{
    nj_redactor_free(*state);
    return 0;
}

static void expect(const struct nj_redactor *redactor, const char *text, const char *wanted)
{
    struct nj_buf out = {0};
    assert_true(nj_redact(redactor, text, strlen(text), &out) >= 0);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
}

static void test_secrets_are_hidden(void **state)
{
    static const char *const cases[][2] = {
        {"Authorization: Bearer eyJhbGciOi.abc", "Authorization: Bearer [REDACTED]"},
        {"authorization=\"Basic dXNlcjpwYXNz\"", "authorization=\"Basic [REDACTED]\""},
        {"sent bearer abcdefgh12345678 to it", "sent bearer [REDACTED] to it"},
        {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "jwt [REDACTED] end"},
        {"dial postgres://shop:s3cr/et@db:5432/shop failed",
         "dial postgres://shop:[REDACTED]@db:5432/shop failed"},
        {"redis://:topsecret@cache:6379", "redis://:[REDACTED]@cache:6379"},
        {"DB_PASSWORD=hunter2 DB_HOST=db", "DB_PASSWORD=[REDACTED] DB_HOST=db"},
        {"password: hunter2", "password: [REDACTED]"},
        {"{\"password\":\"hunter2\",\"user\":\"a\"}", "{\"password\":\"[REDACTED]\",\"user\":\"a\"}"},
        {"msg=\"{\\\"password\\\":\\\"hunter2\\\",\\\"user\\\":1}\"",
         "msg=\"{\\\"password\\\":\\\"[REDACTED]\\\",\\\"user\\\":1}\""},
        {"'api-key' => 'abc def'", "'api-key' => '[REDACTED]'"},
        {"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [REDACTED]"},
        {"\"client_secret\": \"abc\"", "\"client_secret\": \"[REDACTED]\""},
        {"?token=abc&x=1", "?token=[REDACTED]&x=1"},
        {"run --db-password hunter2 --verbose", "run --db-password [REDACTED] --verbose"},
        {"key AKIAIOSFODNN7EXAMPLE used", "key [REDACTED] used"},
        {"LTAI5tAbCdEfGhIjKlMnOpQr", "[REDACTED]"},
        {"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[REDACTED]"},
        {"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
         "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=[REDACTED]"},
        {"GET https://a.blob.core.windows.net/c?sv=1&sig=abcdefgh%2Bijkl 403",
         "GET https://a.blob.core.windows.net/c?sv=1&sig=[REDACTED] 403"},
        {"Set-Cookie: sid=abcdef; Path=/", "Set-Cookie: [REDACTED]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(*state, cases[i][0], cases[i][1]);
}

static void test_ordinary_messages_stay_readable(void **state)
{
    static const char *const cases[] = {
        "FATAL: cannot reach db",
        "SyntaxError: Unexpected token: expected ';'",
        "secret \"db-config\" not found",
        "basic authentication is required",
        "http://db:5432/health answered 500",
        "panic: runtime error: index out of range [3] with length 3",
        "invalid credentials",
        "bearer token missing",
        "at java.base/java.lang.Thread.run(Thread.java:840)",
        "",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(*state, cases[i], cases[i]);
}

static void test_private_keys_go_whole(void **state)
{
    expect(*state,
           "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n7aq1\n-----END RSA PRIVATE KEY-----\nb\n",
           "a\n[REDACTED]\nb\n");
    /* Its end is missing: what looks like a key's body goes, the crash line stays. */
    expect(*state, "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nAAAABBBBCCCC\npanic: no db\n",
           "[REDACTED]\npanic: no db\n");
    /* Its beginning is missing. */
    expect(*state, "start\nMIIEpAIBAAKCAQEA\nAAAABBBBCCCC\n-----END EC PRIVATE KEY-----\nb",
           "start\n[REDACTED]-----\nb");
    expect(*state, "key=\"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n\"",
           "key=\"[REDACTED]\\n\"");
    expect(*state, "no PRIVATE KEY here", "no PRIVATE KEY here");
}

static void test_own_patterns(void **state)
{
    (void)state;
    char card[] = "card (?<secret>[0-9]{4})";
    char internal[] = "internal-[a-z]+";
    char *patterns[] = {card, internal};
    struct nj_redactor *redactor = NULL;
    assert_int_equal(nj_redactor_new(false, patterns, 2, &redactor, NULL), 0);
    expect(redactor, "card 1234, internal-x, password=open", "card [REDACTED], [REDACTED], password=open");
    nj_redactor_free(redactor);

    char open_group[] = "open(group";
    char *wrong[] = {card, open_group};
    struct nj_err err = {0};
    assert_true(nj_redactor_new(true, wrong, 2, &redactor, &err) < 0);
    assert_non_null(strstr(err.text, "open(group"));
}

/* A pattern that runs away on a line hides that line; the others are still read. */
static void test_a_runaway_pattern_hides_the_line(void **state)
{
    (void)state;
    char runaway[] = "(?:(a|aa|aaa)+)+[bc]";
    char *patterns[] = {runaway};
    struct nj_redactor *redactor = NULL;
    assert_int_equal(nj_redactor_new(false, patterns, 1, &redactor, NULL), 0);
    char text[512];
    memset(text, 'a', sizeof(text));
    memcpy(text, "before\n", 7);
    memcpy(text + sizeof(text) - 7, "\nafter\n", 7);
    struct nj_buf out = {0};
    assert_true(nj_redact(redactor, text, sizeof(text), &out) >= 0);
    assert_string_equal(nj_buf_str(&out), "before\n[REDACTED]\nafter\n");
    nj_buf_done(&out);
    nj_redactor_free(redactor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_secrets_are_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ordinary_messages_stay_readable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_keys_go_whole, setup, teardown),
        cmocka_unit_test(test_own_patterns),
        cmocka_unit_test(test_a_runaway_pattern_hides_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
