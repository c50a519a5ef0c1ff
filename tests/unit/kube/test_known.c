/*
 * The table of known objects, and the backoff.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/kube/backoff.h"
#include "common/kube/known.h"

enum { UIDS = 400, STEPS = 60000 };

/* A uid of the usual form, or (every seventh) of any other. */
static const char *uid_of(unsigned i, char text[64])
{
    if (i % 7 == 3)
        (void)snprintf(text, 64, "ABCDEF%02X-0000-0000-0000-00000000%04x", i % 256, i);
    else
        (void)snprintf(text, 64, "%08x-1234-4abc-8def-%012x", i * 2654435761U, i);
    return text;
}

static void a_change_is_told_from_a_repeat(void **state)
{
    (void)state;
    struct nj_known known = {0};
    static const char *const uids[] = {"0956c9a8-8fd6-4ec4-acd4-2b385a591a93",
                                       "0956C9A8-8FD6-4EC4-ACD4-2B385A591A93", "x",
                                       "0956c9a8-8fd6-4ec4-acd4-2b385a591a93x", "0956c9a8"};
    for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
        assert_false(nj_known_remove(&known, uids[i]));
        assert_int_equal(nj_known_put(&known, uids[i], "1", 1), NJ_KNOWN_NEW);
        assert_int_equal(nj_known_put(&known, uids[i], "1", 1), NJ_KNOWN_SAME);
        assert_int_equal(nj_known_put(&known, uids[i], "2", 1), NJ_KNOWN_CHANGED);
        assert_int_equal(nj_known_put(&known, uids[i], "1", 1), NJ_KNOWN_CHANGED);
        assert_int_equal(known.count, i + 1);
    }
    for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
        assert_true(nj_known_remove(&known, uids[i]));
        assert_false(nj_known_remove(&known, uids[i]));
    }
    assert_int_equal(known.count, 0);
    nj_known_done(&known);
}

/* Against a plain array, with every operation in a random order. */
static void the_table_agrees_with_an_array(void **state)
{
    (void)state;
    struct nj_known known = {0};
    unsigned versions[UIDS] = {0}; /* 0: not there */
    uint32_t generations[UIDS] = {0};
    uint32_t random = 20261121, generation = 1;
    char text[64], version[16];
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        unsigned i = (random >> 16) % UIDS;
        unsigned what = (random >> 8) % 16;
        if (what < 9) {
            unsigned v = 1 + (random >> 4) % 3;
            (void)snprintf(version, sizeof(version), "%u", v);
            enum nj_known_change wanted = versions[i] == 0   ? NJ_KNOWN_NEW
                                          : versions[i] == v ? NJ_KNOWN_SAME
                                                             : NJ_KNOWN_CHANGED;
            assert_int_equal(nj_known_put(&known, uid_of(i, text), version, generation), wanted);
            count += versions[i] == 0;
            versions[i] = v;
            generations[i] = generation;
        } else if (what < 15) {
            assert_int_equal(nj_known_remove(&known, uid_of(i, text)), versions[i] != 0);
            count -= versions[i] != 0;
            versions[i] = 0;
        } else if (step % 50 == 0) {
            /* A list that saw every third object. */
            generation++;
            size_t stale = 0, cursor = 0, told = 0;
            for (unsigned k = 0; k < UIDS; k++) {
                if (versions[k] == 0)
                    continue;
                if (k % 3 == 0) {
                    (void)snprintf(version, sizeof(version), "%u", versions[k]);
                    assert_int_equal(nj_known_put(&known, uid_of(k, text), version, generation),
                                     NJ_KNOWN_SAME);
                    generations[k] = generation;
                }
                stale += generations[k] != generation;
            }
            char *uid;
            while ((uid = nj_known_take_stale(&known, generation, &cursor)) != NULL) {
                unsigned found = UIDS;
                for (unsigned k = 0; k < UIDS && found == UIDS; k++) {
                    if (strcmp(uid_of(k, text), uid) == 0)
                        found = k;
                }
                assert_true(found < UIDS && versions[found] != 0 && generations[found] != generation);
                versions[found] = 0;
                count--;
                told++;
                free(uid);
            }
            assert_int_equal(told, stale);
        }
        assert_int_equal(known.count, count);
    }
    nj_known_done(&known);
}

static void waits_double_and_are_forgotten(void **state)
{
    (void)state;
    struct nj_backoff backoff = {0};
    static const int64_t wanted_ms[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    int64_t now_ns = 0;
    for (size_t i = 0; i < sizeof(wanted_ms) / sizeof(wanted_ms[0]); i++) {
        struct nj_backoff twin = backoff;
        int64_t least_ns = nj_backoff_next(&twin, now_ns, 0);
        int64_t most_ns = nj_backoff_next(&backoff, now_ns, UINT32_MAX);
        assert_int_equal(least_ns, wanted_ms[i] * NJ_MS);
        assert_true(most_ns < 2 * least_ns && most_ns > 2 * least_ns - NJ_MS);
        now_ns += 2 * NJ_MIN - 1;
    }
    assert_int_equal(nj_backoff_next(&backoff, now_ns + 1, 0), 800 * NJ_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_told_from_a_repeat),
        cmocka_unit_test(the_table_agrees_with_an_array),
        cmocka_unit_test(waits_double_and_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
