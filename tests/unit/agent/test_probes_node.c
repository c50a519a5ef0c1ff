/*
 * When failing checks are the node's failure.
 */
#include "agent/probes/node.h"
#include "tests/unit/test.h"

enum { CHECKS = 4 };

/* failing since, last run, last pass, starting, service, workload; times only have an order. */
static const struct {
    const char *what;
    struct nj_node_check checks[CHECKS];
    size_t count;
    enum nj_node_verdict verdict;
    int64_t last_pass, since;
} cases[] = {
    {"none", {{0}}, 0, NJ_NODE_OWN, 0, 0},
    {"two are too few", {{5, 5, 1, false, 1, 1}, {6, 6, 2, false, 2, 2}}, 2, NJ_NODE_OWN, 2, 6},
    {"three of one service and one workload",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 1, 1}, {7, 9, 3, false, 1, 1}},
     3,
     NJ_NODE_OWN,
     3,
     7},
    {"three of two services",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 1, 1}, {7, 9, 3, false, 2, 1}},
     3,
     NJ_NODE_FAILS,
     3,
     7},
    {"three of two workloads",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 1, 1}, {7, 9, 3, false, 1, 2}},
     3,
     NJ_NODE_FAILS,
     3,
     7},
    {"the last one began at this run",
     {{5, 8, 1, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 7, 3, false, 3, 2}},
     3,
     NJ_NODE_FAILS,
     3,
     7},
    {"one has not run since the last began",
     {{5, 6, 1, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}},
     3,
     NJ_NODE_OPEN,
     3,
     7},
    {"one passed in its last run, before the others failed",
     {{0, 4, 4, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}},
     3,
     NJ_NODE_OPEN,
     4,
     7},
    {"one passes",
     {{0, 9, 9, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}},
     3,
     NJ_NODE_OPEN,
     9,
     7},
    {"one is starting and fails: it does not count",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}, {1, 3, 0, true, 4, 4}},
     4,
     NJ_NODE_FAILS,
     3,
     7},
    {"one is starting and passes: something on the node does work",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}, {0, 8, 8, true, 4, 4}},
     4,
     NJ_NODE_OPEN,
     8,
     7},
    {"one has never run",
     {{5, 9, 1, false, 1, 1}, {6, 9, 2, false, 2, 1}, {0, 0, 0, false, 3, 2}},
     3,
     NJ_NODE_OWN,
     2,
     6},
    {"one fails for long already",
     {{1, 9, 0, false, 1, 1}, {6, 9, 2, false, 2, 1}, {7, 9, 3, false, 3, 2}},
     3,
     NJ_NODE_FAILS,
     3,
     7},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_node_judgement judgement;
        nj_node_judge(cases[i].checks, cases[i].count, &judgement);
        if (judgement.verdict != cases[i].verdict || judgement.last_pass_ns != cases[i].last_pass ||
            judgement.since_ns != cases[i].since)
            fail_msg("%s: verdict %d, last pass %d, since %d", cases[i].what, (int)judgement.verdict,
                     (int)judgement.last_pass_ns, (int)judgement.since_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
