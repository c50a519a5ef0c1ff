#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/str.h"

static void reads_times_as_kubernetes_and_cri_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1969-12-31T23:59:59.5Z", -NJ_SEC / 2},
        {"2026-11-21T09:13:32Z", INT64_C(1795252412) * NJ_SEC},
        {"2026-11-21T09:13:32.7Z", INT64_C(1795252412) * NJ_SEC + 700 * NJ_MS},
        {"2026-11-21T09:13:32.711234Z", INT64_C(1795252412711234000)},
        {"2026-11-21T09:13:32.711234567Z", INT64_C(1795252412711234567)},
        {"2026-11-21T09:13:32.71123456799999Z", INT64_C(1795252412711234567)},
        {"2026-11-21T17:13:32.711234567+08:00", INT64_C(1795252412711234567)},
        {"2026-11-20T23:43:32.711234567-09:30", INT64_C(1795252412711234567)},
        {"2026-11-21T09:13:32+00:00", INT64_C(1795252412) * NJ_SEC},
        {"2026-11-21t09:13:32z", INT64_C(1795252412) * NJ_SEC},
        {"2024-02-29T12:00:00Z", INT64_C(1709208000) * NJ_SEC},
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * NJ_SEC},
        {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ns = -1;
        assert_int_equal(nj_time_parse(good[i].text, (size_t)-1, &ns), 0);
        assert_true(ns == good[i].ns);
    }
}

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T09:13:32",
        "2026-11-21T09:13:32.Z",
        "2026-11-21T09:13:32,5Z",
        "2026-11-21T09:13:32.5",
        "2026-11-21 09:13:32Z",
        "2026-00-21T09:13:32Z",
        "2026-13-21T09:13:32Z",
        "2026-11-00T09:13:32Z",
        "2026-11-31T09:13:32Z",
        "2026-02-29T09:13:32Z",
        "2100-02-29T09:13:32Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:32Z",
        "2026-11-21T09:13:60Z",
        "2026-11-21T09:13:32+0800",
        "2026-11-21T09:13:32+08",
        "2026-11-21T09:13:32+24:00",
        "2026-11-21T09:13:32+08:60",
        "2026-11-21T09:13:32+08:00Z",
        "2026-11-21T09:13:32Z ",
        " 2026-11-21T09:13:32Z",
        "+026-11-21T09:13:32Z",
        "2026-1x-21T09:13:32Z",
        "2026-11-21T09:13:3 Z",
        "9999-11-21T09:13:32Z",
        "0001-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
    };
    int64_t ns = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(nj_time_parse(bad[i], (size_t)-1, &ns), -EINVAL);
    assert_int_equal(ns, 7);
}

static void reads_no_byte_past_the_length_given(void **state)
{
    (void)state;
    static const char text[] = "2026-11-21T09:13:32.711Z stdout F hello";
    int64_t ns;
    assert_int_equal(nj_time_parse(text, 24, &ns), 0);
    assert_true(ns == INT64_C(1795252412711) * NJ_MS);
    for (size_t len = 0; len < 24; len++) {
        /* An exact allocation lets the address sanitizer see a read past the end. */
        char *exact = malloc(len == 0 ? 1 : len);
        assert_non_null(exact);
        memcpy(exact, text, len);
        assert_int_equal(nj_time_parse(exact, len, &ns), -EINVAL);
        free(exact);
    }
}

static void prints_utc_with_milliseconds(void **state)
{
    (void)state;
    char text[NJ_TIME_TEXT_MAX];
    assert_string_equal(nj_time_format(0, text), "");
    assert_string_equal(nj_time_format(1, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(nj_time_format(INT64_C(1795252412711999999), text), "2026-11-21T09:13:32.711Z");
    assert_string_equal(nj_time_format(-1, text), "1969-12-31T23:59:59.999Z");
    assert_string_equal(nj_time_format(INT64_MAX, text), "2262-04-11T23:47:16.854Z");
    assert_string_equal(nj_time_format(INT64_MIN, text), "1677-09-21T00:12:43.145Z");
    assert_string_equal(nj_time_format(INT64_C(951782400) * NJ_SEC, text), "2000-02-29T00:00:00.000Z");
}

static void agrees_with_the_c_library_on_every_day(void **state)
{
    (void)state;
    for (int64_t day = -100000; day < 106000; day += 13) {
        time_t seconds = (time_t)(day * 86400 + (day * 7919 % 86400 + 86400) % 86400);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        char expected[NJ_TIME_TEXT_MAX];
        char text[NJ_TIME_TEXT_MAX];
        assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000Z", &tm) > 0);
        assert_string_equal(nj_time_format((int64_t)seconds * NJ_SEC, text), seconds == 0 ? "" : expected);
        int64_t back;
        assert_int_equal(nj_time_parse(expected, (size_t)-1, &back), 0);
        assert_true(back == (int64_t)seconds * NJ_SEC);
    }
}

static void follows_the_systems_clocks(void **state)
{
    (void)state;
    struct nj_clock clock;
    nj_clock_init(&clock);
    int64_t mono = nj_clock_mono_ns(&clock);
    assert_true(nj_clock_mono_ns(&clock) >= mono);
    assert_true(nj_clock_wall_ns(&clock) > INT64_C(1600000000) * NJ_SEC);
}

static void replays_the_time_another_process_writes(void **state)
{
    (void)state;
    char path[] = "/tmp/nj-clock-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    int64_t now = INT64_C(1795252412711234567);
    assert_int_equal(pwrite(fd, &now, sizeof(now), 0), sizeof(now));
    struct nj_clock clock;
    struct nj_err err;
    assert_int_equal(nj_clock_open_replay(&clock, path, &err), 0);
    assert_true(nj_clock_wall_ns(&clock) == now);
    assert_true(nj_clock_mono_ns(&clock) == now);
    now += NJ_HOUR;
    assert_int_equal(pwrite(fd, &now, sizeof(now), 0), sizeof(now));
    assert_true(nj_clock_wall_ns(&clock) == now);
    assert_true(nj_clock_mono_ns(&clock) == now);
    nj_clock_close(&clock);
    assert_true(nj_clock_wall_ns(&clock) != now);
    (void)close(fd);
    (void)unlink(path);
}

static void says_why_a_replay_clock_cannot_be_used(void **state)
{
    (void)state;
    struct nj_clock clock = {0};
    struct nj_err err = {0};
    assert_int_equal(nj_clock_open_replay(&clock, "/nowhere/clock", &err), -ENOENT);
    assert_string_equal(err.text, "replay clock /nowhere/clock: No such file or directory");
    assert_int_equal(nj_clock_open_replay(&clock, "/tmp", &err), -EINVAL);
    assert_int_equal(nj_clock_open_replay(&clock, "/dev/null", &err), -EINVAL);
    assert_true(nj_str_ends(err.text, "not a file of at least 8 bytes"));
    assert_null(clock.replay);
    nj_clock_close(&clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times_as_kubernetes_and_cri_write_them),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(reads_no_byte_past_the_length_given),
        cmocka_unit_test(prints_utc_with_milliseconds),
        cmocka_unit_test(agrees_with_the_c_library_on_every_day),
        cmocka_unit_test(follows_the_systems_clocks),
        cmocka_unit_test(replays_the_time_another_process_writes),
        cmocka_unit_test(says_why_a_replay_clock_cannot_be_used),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
