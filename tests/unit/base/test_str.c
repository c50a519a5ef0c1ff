#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/str.h"

static void compares_texts_and_takes_null_as_empty(void **state)
{
    (void)state;
    assert_true(nj_streq("a", "a"));
    assert_false(nj_streq("a", "b"));
    assert_true(nj_streq(NULL, ""));
    assert_true(nj_streq(NULL, NULL));
    assert_false(nj_streq(NULL, "a"));
    assert_true(nj_str_starts("kubepods.slice", "kubepods"));
    assert_false(nj_str_starts("kube", "kubepods"));
    assert_true(nj_str_starts(NULL, ""));
    assert_true(nj_str_ends("0.log", ".log"));
    assert_false(nj_str_ends("log", ".log"));
    assert_true(nj_str_ends("x", NULL));
}

static void reads_whole_numbers_in_range(void **state)
{
    (void)state;
    int64_t value = 7;
    assert_int_equal(nj_parse_int("0", 0, 10, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(nj_parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(nj_parse_int("9223372036854775807", INT64_MIN, INT64_MAX, &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(nj_parse_int("007", 0, 10, &value), 0);
    assert_int_equal(value, 7);
}

static void refuses_what_is_no_number_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0", "1e3", "--1"};
    int64_t value = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(nj_parse_int(bad[i], INT64_MIN, INT64_MAX, &value), -EINVAL);
    assert_int_equal(nj_parse_int(NULL, 0, 1, &value), -EINVAL);
    assert_int_equal(nj_parse_int("9223372036854775808", INT64_MIN, INT64_MAX, &value), -ERANGE);
    assert_int_equal(nj_parse_int("-9223372036854775809", INT64_MIN, INT64_MAX, &value), -ERANGE);
    assert_int_equal(nj_parse_int("99999999999999999999999999x", INT64_MIN, INT64_MAX, &value), -EINVAL);
    assert_int_equal(nj_parse_int("11", 0, 10, &value), -ERANGE);
    assert_int_equal(nj_parse_int("-1", 0, 10, &value), -ERANGE);
    assert_int_equal(value, 7);
}

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250 * NJ_MS},
        {"30s", 30 * NJ_SEC},
        {"5m", 5 * NJ_MIN},
        {"2h", 2 * NJ_HOUR},
        {"7d", 7 * NJ_DAY},
        {"1h30m", 90 * NJ_MIN},
        {"1d2h3m4s5ms6us7ns", NJ_DAY + 2 * NJ_HOUR + 3 * NJ_MIN + 4 * NJ_SEC + 5 * NJ_MS + 6007},
        {"90s", 90 * NJ_SEC},
        {"9223372036854775807ns", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ns = -1;
        assert_int_equal(nj_parse_duration(good[i].text, &ns), 0);
        assert_true(ns == good[i].ns);
    }
}

static void refuses_bad_durations(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "1",    "s",  "-1s", "+1s", "1.5h", "1 s",   "1s ",
                                      "30m1h", "1m1m", "1S", "1w",  "00",  "1h30", "1ms1s", "1hm"};
    int64_t ns = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(nj_parse_duration(bad[i], &ns), -EINVAL);
    assert_int_equal(nj_parse_duration("9223372036854775808ns", &ns), -ERANGE);
    assert_int_equal(nj_parse_duration("106752d", &ns), -ERANGE);
    assert_int_equal(nj_parse_duration("106751d106751h", &ns), -ERANGE);
    assert_int_equal(nj_parse_duration("99999999999999999999s", &ns), -ERANGE);
    assert_int_equal(nj_parse_duration(NULL, &ns), -EINVAL);
    assert_int_equal(ns, 7);
}

static void reads_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"1B", 1},
                {"256KiB", 256 << 10},
                {"64MiB", 64 << 20},
                {"2GiB", INT64_C(2) << 30},
                {"1TiB", INT64_C(1) << 40},
                {"1Ki", 1024},
                {"24Mi", 24 << 20},
                {"3Gi", INT64_C(3) << 30},
                {"5k", 5000},
                {"6M", 6000000},
                {"7G", INT64_C(7000000000)}};
    static const char *const bad[] = {"", "KiB", "-1", "1.5Mi", "1 MiB", "1kb", "1MB", "1KiB2", "1mi"};
    int64_t bytes = -1;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(nj_parse_size(good[i].text, &bytes), 0);
        assert_true(bytes == good[i].bytes);
    }
    bytes = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(nj_parse_size(bad[i], &bytes), -EINVAL);
    assert_int_equal(nj_parse_size("9223372036854775808", &bytes), -ERANGE);
    assert_int_equal(nj_parse_size("8388608TiB", &bytes), -ERANGE);
    assert_int_equal(bytes, 7);
}

static void prints_durations_and_sizes_so_that_they_read_back(void **state)
{
    (void)state;
    char text[NJ_UNIT_TEXT_MAX];
    assert_string_equal(nj_duration_format(0, text), "0s");
    assert_string_equal(nj_duration_format(30 * NJ_SEC, text), "30s");
    assert_string_equal(nj_duration_format(90 * NJ_MIN, text), "1h30m");
    assert_string_equal(nj_duration_format(250 * NJ_MS, text), "250ms");
    assert_string_equal(nj_duration_format(-NJ_MIN, text), "-1m");
    assert_string_equal(nj_size_format(0, text), "0");
    assert_string_equal(nj_size_format(1000, text), "1000");
    assert_string_equal(nj_size_format(256 << 10, text), "256KiB");
    assert_string_equal(nj_size_format(1536 << 10, text), "1536KiB");
    assert_string_equal(nj_size_format(INT64_C(2048) << 40, text), "2048TiB");
    static const int64_t values[] = {1, 999, 1001, NJ_SEC + 1, NJ_DAY - 1, INT64_MAX, INT64_MAX - 1023};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int64_t back = -1;
        assert_int_equal(nj_parse_duration(nj_duration_format(values[i], text), &back), 0);
        assert_true(back == values[i]);
        assert_int_equal(nj_parse_size(nj_size_format(values[i], text), &back), 0);
        assert_true(back == values[i]);
    }
    assert_string_equal(nj_duration_format(INT64_MIN, text), "-106751d23h47m16s854ms775us808ns");
}

static void cuts_text_between_characters(void **state)
{
    (void)state;
    static const char chinese[] = "\xE4\xBC\x81\xE4\xB8\x9A"; /* two characters of three bytes */
    assert_int_equal(nj_utf8_cut(chinese, 6, 100), 6);
    assert_int_equal(nj_utf8_cut(chinese, 6, 6), 6);
    assert_int_equal(nj_utf8_cut(chinese, 6, 5), 3);
    assert_int_equal(nj_utf8_cut(chinese, 6, 4), 3);
    assert_int_equal(nj_utf8_cut(chinese, 6, 3), 3);
    assert_int_equal(nj_utf8_cut(chinese, 6, 2), 0);
    assert_int_equal(nj_utf8_cut(chinese, 6, 0), 0);
    static const char emoji[] = "a\xF0\x9F\x8C\x99";
    assert_int_equal(nj_utf8_cut(emoji, 5, 4), 1);
    assert_int_equal(nj_utf8_cut(emoji, 5, 1), 1);
    /* Garbage has no characters to split: all that fits is kept. */
    assert_int_equal(nj_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
    assert_int_equal(nj_utf8_cut("\xE4\xE4\xE4\xE4", 4, 3), 3);
    assert_int_equal(nj_utf8_cut("", 0, 0), 0);
}

static void check_lossy(const char *text, size_t len, const char *expected)
{
    struct nj_buf out = {0};
    assert_int_equal(nj_utf8_append_lossy(&out, text, len), 0);
    assert_string_equal(nj_buf_str(&out), expected);
    assert_true(nj_utf8_valid(out.data, out.len));
    assert_int_equal(nj_utf8_valid(text, len), strlen(expected) == len && memcmp(expected, text, len) == 0);
    nj_buf_done(&out);
}

#define BAD "\xEF\xBF\xBD"

/* The cases are those of The Unicode Standard, section 3.9, tables 3-8 to 3-11, and WHATWG's. */
static void replaces_invalid_utf8_as_browsers_do(void **state)
{
    (void)state;
    check_lossy("plain", 5, "plain");
    check_lossy("", 0, "");
    check_lossy("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", 9, BAD BAD BAD BAD BAD BAD BAD BAD "A");
    check_lossy("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", 9, BAD BAD BAD BAD BAD BAD BAD BAD "A");
    check_lossy("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", 9, BAD BAD BAD BAD BAD "A" BAD BAD "B");
    check_lossy("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 9, BAD BAD BAD BAD "A");
    check_lossy("a\xE4\xBC", 3, "a" BAD);
    check_lossy("\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF");
    check_lossy("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF", 10, "\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF");
}

/* ASCII is passed over in words: a character must be found at every place within and between them. */
static void finds_bad_bytes_anywhere_in_long_text(void **state)
{
    (void)state;
    const struct {
        const char *from, *to;
    } pieces[] = {{"\xFF", BAD}, {"\xE4\xBC", BAD}, {"\xE4\xBD\xA0", "\xE4\xBD\xA0"}, {"\x80", BAD}};
    for (size_t piece = 0; piece < sizeof(pieces) / sizeof(pieces[0]); piece++) {
        for (int before = 0; before < 20; before++) {
            char text[64], expected[64];
            int len = snprintf(text, sizeof(text), "%.*s%s%.*s", before, "abcdefghijklmnopqrst",
                               pieces[piece].from, 20 - before, "ABCDEFGHIJKLMNOPQRST");
            (void)snprintf(expected, sizeof(expected), "%.*s%s%.*s", before, "abcdefghijklmnopqrst",
                           pieces[piece].to, 20 - before, "ABCDEFGHIJKLMNOPQRST");
            check_lossy(text, (size_t)len, expected);
        }
    }
}

static void stops_at_the_bound_of_the_buffer(void **state)
{
    (void)state;
    struct nj_buf out = {.max = 4};
    assert_int_equal(nj_utf8_append_lossy(&out,
                                          "ab\xFF"
                                          "c",
                                          4),
                     -EOVERFLOW);
    assert_true(out.overflowed);
    nj_buf_clear(&out);
    assert_int_equal(nj_json_append_string(&out, "abc", 3), -EOVERFLOW);
    nj_buf_clear(&out);
    assert_int_equal(nj_json_append_string(&out, "ab", 2), 0);
    assert_string_equal(out.data, "\"ab\"");
    nj_buf_done(&out);
}

static void check_json(const char *text, size_t len, const char *expected)
{
    struct nj_buf out = {0};
    assert_int_equal(nj_json_append_string(&out, text, len), 0);
    assert_string_equal(nj_buf_str(&out), expected);
    nj_buf_done(&out);
}

static void writes_json_strings(void **state)
{
    (void)state;
    check_json("", 0, "\"\"");
    check_json("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    check_json("\n\r\t\b\f\x1b\x7f", 7, "\"\\n\\r\\t\\u0008\\u000c\\u001b\\u007f\"");
    check_json("a\0b", 3, "\"a\\u0000b\"");
    check_json("\xE4\xBC\x81\xF0\x9F\x8C\x99\xC3\xA9", 9, "\"\xE4\xBC\x81\xF0\x9F\x8C\x99\xC3\xA9\"");
    check_json("\xC2\x9B"
               "31m\xC2\xA0",
               7, "\"\\u009b31m\xC2\xA0\"");
    check_json("x\xFFy\xE4\xBC", 5, "\"x" BAD "y" BAD "\"");
}

static void matches_globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        int match;
    } cases[] = {
        {"", "", 1},
        {"", "a", 0},
        {"*", "", 1},
        {"*", "anything", 1},
        {"a", "a", 1},
        {"a", "A", 0},
        {"a", "ab", 0},
        {"pay-*", "pay-api", 1},
        {"pay-*", "pay-", 1},
        {"pay-*", "pa", 0},
        {"*-api", "pay-api", 1},
        {"*-api", "pay-apis", 0},
        {"a*b*c", "aXbYc", 1},
        {"a*b*c", "abcbc", 1},
        {"a*b*c", "abcb", 0},
        {"?", "", 0},
        {"?", "x", 1},
        {"?", "xy", 0},
        {"?", "\xE4\xBC\x81", 1},
        {"??", "\xE4\xBC\x81", 0},
        {"*?", "\xE4\xBC\x81", 1},
        {"**a**", "bab", 1},
        {"a**", "a", 1},
        {"*.*", "a", 0},
        {"[a]", "a", 0},
        {"\xE4*", "\xE4\xBC\x81", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(nj_glob_match(cases[i].pattern, cases[i].text), cases[i].match);
}

static void matches_hostile_globs_without_exploding(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(nj_glob_match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void hashes_as_fnv1a_is_published(void **state)
{
    (void)state;
    assert_true(nj_hash64("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(nj_hash64("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(nj_hash64("foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void what_stands_in_a_url_is_data(void **state)
{
    (void)state;
    static const char text[] = "a-Z_0.~/?#&=%+ \xc3\xa4\0";
    struct nj_buf out = {0};
    assert_int_equal(nj_url_append(&out, text, sizeof(text) - 1), 0);
    assert_string_equal(nj_buf_str(&out), "a-Z_0.~%2F%3F%23%26%3D%25%2B%20%C3%A4%00");
    nj_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_in_a_url_is_data),
        cmocka_unit_test(compares_texts_and_takes_null_as_empty),
        cmocka_unit_test(reads_whole_numbers_in_range),
        cmocka_unit_test(refuses_what_is_no_number_and_leaves_the_result_alone),
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(refuses_bad_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(prints_durations_and_sizes_so_that_they_read_back),
        cmocka_unit_test(cuts_text_between_characters),
        cmocka_unit_test(replaces_invalid_utf8_as_browsers_do),
        cmocka_unit_test(finds_bad_bytes_anywhere_in_long_text),
        cmocka_unit_test(stops_at_the_bound_of_the_buffer),
        cmocka_unit_test(writes_json_strings),
        cmocka_unit_test(matches_globs),
        cmocka_unit_test(matches_hostile_globs_without_exploding),
        cmocka_unit_test(hashes_as_fnv1a_is_published),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
