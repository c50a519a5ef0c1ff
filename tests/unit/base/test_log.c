#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "tests/unit/base/capture.h"

/* Logs one line and returns it; the caller frees. */
static char *logged(enum nj_log_level level, enum nj_log_format format, const char *module, const char *text)
{
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    nj_log_set(NJ_LOG_DEBUG, format);
    nj_log(level, module, "%s", text);
    return capture_end(&capture);
}

/* A line's time is checked to be one and cut off from `line`. */
static const char *without_time(const char *line, const char *before)
{
    assert_true(nj_str_starts(line, before));
    line += strlen(before);
    size_t len = strlen("2026-11-21T09:13:32.711Z");
    assert_true(strlen(line) > len);
    int64_t ns;
    assert_int_equal(nj_time_parse(line, len, &ns), 0);
    return line + len;
}

static void writes_a_json_object_a_line(void **state)
{
    (void)state;
    char *line = logged(NJ_LOG_WARN, NJ_LOG_JSON, "kube", "pods \"a\"\nagain \x1b[31m\xFF");
    assert_string_equal(without_time(line, "{\"time\":\""),
                        "\",\"level\":\"warn\",\"module\":\"kube\","
                        "\"msg\":\"pods \\\"a\\\"\\nagain \\u001b[31m\xEF\xBF\xBD\"}\n");
    free(line);
}

static void writes_readable_text(void **state)
{
    (void)state;
    char *line = logged(NJ_LOG_INFO, NJ_LOG_TEXT, "kube",
                        "path \"C:\\x\"\ttwo\nlines \x1b[31m \xC2\x9B"
                        "1m \xE4\xBC\x81");
    assert_string_equal(without_time(line, ""),
                        " INFO kube: path \"C:\\x\"\\ttwo\\nlines \\u001b[31m \\u009b1m \xE4\xBC\x81\n");
    free(line);
}

static void names_every_level(void **state)
{
    (void)state;
    static const char *const names[] = {" DEBUG m: x\n", " INFO m: x\n", " WARN m: x\n", " ERROR m: x\n"};
    for (enum nj_log_level level = NJ_LOG_DEBUG; level <= NJ_LOG_ERROR; level++) {
        char *line = logged(level, NJ_LOG_TEXT, "m", "x");
        assert_string_equal(without_time(line, ""), names[level]);
        free(line);
    }
}

static void drops_what_is_below_the_level(void **state)
{
    (void)state;
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    nj_log_set(NJ_LOG_WARN, NJ_LOG_TEXT);
    nj_debug("m", "no");
    nj_info("m", "no");
    char *text = capture_end(&capture);
    assert_string_equal(text, "");
    free(text);
}

static void keeps_errno(void **state)
{
    (void)state;
    struct capture capture;
    capture_start(&capture, STDERR_FILENO);
    int before = dup(STDERR_FILENO);
    assert_int_equal(close(STDERR_FILENO), 0); /* the write will fail */
    errno = ENOSPC;
    nj_error("m", "lost");
    int after = errno;
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    (void)close(before);
    free(capture_end(&capture));
    assert_int_equal(after, ENOSPC);
}

static void cuts_long_messages_between_characters(void **state)
{
    (void)state;
    enum { LONG = 30000, BOUND = 4096 };
    char *text = malloc(LONG + 1);
    assert_non_null(text);
    for (int i = 0; i < LONG; i += 3)
        memcpy(text + i, "\xE4\xBC\x81", 3);
    text[LONG] = '\0';
    char *line = logged(NJ_LOG_INFO, NJ_LOG_TEXT, "m", text);
    assert_true(nj_str_ends(line, "\xE4\xBC\x81...\n"));
    assert_true(strlen(line) < BOUND + 64);
    assert_true(strlen(line) > BOUND);
    free(line);

    memset(text, 1, LONG); /* what grows most when escaped */
    line = logged(NJ_LOG_INFO, NJ_LOG_JSON, text, text);
    assert_true(nj_str_ends(line, "\\u0001...\"}\n"));
    free(line);
    line = logged(NJ_LOG_INFO, NJ_LOG_TEXT, text, text);
    assert_true(nj_str_ends(line, "\\u0001...\n"));
    free(line);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_json_object_a_line),
        cmocka_unit_test(writes_readable_text),
        cmocka_unit_test(names_every_level),
        cmocka_unit_test(drops_what_is_below_the_level),
        cmocka_unit_test(keeps_errno),
        cmocka_unit_test(cuts_long_messages_between_characters),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
