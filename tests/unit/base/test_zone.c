/*
 * Times of day in time zones: offsets, changes of the offset, and the next time that clocks show.
 */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/zone.h"
#include "tests/unit/test.h"

static int64_t at(const char *text)
{
    int64_t ns = 0;
    assert_int_equal(nj_time_parse(text, (size_t)-1, &ns), 0);
    return ns;
}

static struct nj_zone *load(const char *name)
{
    struct nj_zone *zone = NULL;
    struct nj_err err = {0};
    if (nj_zone_load(name, &zone, &err) < 0)
        fail_msg("%s", err.text);
    return zone;
}

static void offsets_are_zones(void **state)
{
    (void)state;
    struct nj_zone *east = load("+08:00"), *west = load("-03:30"), *utc = load("UTC");
    assert_int_equal(nj_zone_offset_ns(east, 0), 8 * NJ_HOUR);
    assert_int_equal(nj_zone_offset_ns(west, 0), -(3 * NJ_HOUR + 30 * NJ_MIN));
    assert_int_equal(nj_zone_offset_ns(utc, at("2026-11-21T09:00:00Z")), 0);
    nj_zone_free(east);
    nj_zone_free(west);
    nj_zone_free(utc);
}

static void what_is_no_zone_is_said(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "+25:00",
                                        "+8", "08:00"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct nj_zone *zone = NULL;
        struct nj_err err = {0};
        assert_true(nj_zone_load(wrong[i], &zone, &err) < 0);
        assert_null(zone);
        assert_true(err.text[0] != '\0');
    }
    struct nj_zone *zone = NULL;
    assert_true(nj_zone_parse("TZif2", 5, &zone, NULL) < 0);
}

static void the_next_time_is_tomorrows_when_it_is_past(void **state)
{
    (void)state;
    struct nj_zone *zone = load("+08:00");
    assert_int_equal(nj_zone_next(zone, 9 * NJ_HOUR, at("2026-11-21T00:59:59Z")), at("2026-11-21T01:00:00Z"));
    assert_int_equal(nj_zone_next(zone, 9 * NJ_HOUR, at("2026-11-21T01:00:00Z")), at("2026-11-22T01:00:00Z"));
    assert_int_equal(nj_zone_next(zone, 0, at("2026-11-21T15:00:00Z")), at("2026-11-21T16:00:00Z"));
    nj_zone_free(zone);
}

static void hours_may_go_over_midnight(void **state)
{
    (void)state;
    struct nj_zone *zone = load("UTC");
    assert_true(nj_zone_within(zone, 22 * NJ_HOUR, 8 * NJ_HOUR, at("2026-11-21T23:00:00Z")));
    assert_true(nj_zone_within(zone, 22 * NJ_HOUR, 8 * NJ_HOUR, at("2026-11-21T07:59:59Z")));
    assert_false(nj_zone_within(zone, 22 * NJ_HOUR, 8 * NJ_HOUR, at("2026-11-21T08:00:00Z")));
    assert_true(nj_zone_within(zone, 8 * NJ_HOUR, 22 * NJ_HOUR, at("2026-11-21T08:00:00Z")));
    assert_false(nj_zone_within(zone, 8 * NJ_HOUR, 22 * NJ_HOUR, at("2026-11-21T22:00:00Z")));
    nj_zone_free(zone);
}

/* One 8-byte block with two changes: +1 h from 1000 s on, +2 h from 2000 s on; no rule that changes. */
static void changes_come_from_the_zones_file(void **state)
{
    (void)state;
    static const unsigned char header[44] = "TZif2";
    unsigned char file[200] = {0};
    size_t len = 0;
    struct nj_zone *zone = NULL;
    struct nj_err err = {0};
    memcpy(file, header, 44);
    file[39] = 1; /* the first block: one type, nothing else */
    len = 44 + 6;
    memcpy(file + len, header, 44);
    file[len + 35] = 2; /* changes */
    file[len + 39] = 3; /* types */
    len += 44;
    file[len + 6] = 1000 >> 8, file[len + 7] = 1000 & 255, file[len + 14] = 2000 >> 8,
               file[len + 15] = 2000 & 255;
    len += 16;
    file[len] = 1, file[len + 1] = 2;
    len += 2;
    file[len + 6 + 2] = 3600 >> 8, file[len + 6 + 3] = 3600 & 255;
    file[len + 12 + 2] = 7200 >> 8, file[len + 12 + 3] = 7200 & 255;
    len += 18;
    memcpy(file + len, "\nXXX-2\n", 7);
    if (nj_zone_parse(file, len + 7, &zone, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(nj_zone_offset_ns(zone, 999 * NJ_SEC), 0);
    assert_int_equal(nj_zone_offset_ns(zone, 1000 * NJ_SEC), NJ_HOUR);
    assert_int_equal(nj_zone_offset_ns(zone, 5000 * NJ_SEC), 2 * NJ_HOUR);
    nj_zone_free(zone);
    /* A rule that changes, and no listed changes to come. */
    memcpy(file + len, "\nA1B,M1\n", 8);
    assert_int_equal(nj_zone_parse(file, len + 8, &zone, &err), -EINVAL);
    assert_non_null(strstr(err.text, "offset"));
    for (size_t cut = 0; cut < len; cut++) /* cut off anywhere */
        assert_true(nj_zone_parse(file, cut, &zone, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_zones),
        cmocka_unit_test(what_is_no_zone_is_said),
        cmocka_unit_test(the_next_time_is_tomorrows_when_it_is_past),
        cmocka_unit_test(hours_may_go_over_midnight),
        cmocka_unit_test(changes_come_from_the_zones_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
