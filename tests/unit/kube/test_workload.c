/*
 * The workload of a pod, from names alone.
 */
#include "common/kube/objects.h"
#include "common/kube/workload.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"

struct guess {
    const char *kind, *name, *hash; /* of the controller; the pod's label */
    const char *workload_kind, *workload;
};

static void check(const struct guess *guess)
{
    struct nj_workload workload = {.kind = "x", .name = "x"};
    nj_workload_guess(guess->kind, guess->name, guess->hash, "the-pod-x2k4p", &workload);
    if (strcmp(workload.kind, guess->workload_kind) != 0 || strcmp(workload.name, guess->workload) != 0)
        fail_msg("%s %s with hash %s is %s %s instead of %s %s", guess->kind, guess->name, guess->hash,
                 workload.kind, workload.name, guess->workload_kind, guess->workload);
}

static void the_table_of_names(void **state)
{
    (void)state;
    static const struct guess guesses[] = {
        /* A Deployment's ReplicaSet ends with the pod's hash. */
        {"ReplicaSet", "web-5f7c9d8b6", "5f7c9d8b6", "Deployment", "web"},
        {"ReplicaSet", "my-web-app-5f7c9d8b6", "5f7c9d8b6", "Deployment", "my-web-app"},
        {"ReplicaSet", "w-7", "7", "Deployment", "w"},
        {"ReplicaSet", "5f7c9d8b6-5f7c9d8b6", "5f7c9d8b6", "Deployment", "5f7c9d8b6"},
        /* Other ReplicaSets are on their own. */
        {"ReplicaSet", "web-5f7c9d8b6", NULL, "ReplicaSet", "web-5f7c9d8b6"},
        {"ReplicaSet", "web-5f7c9d8b6", "", "ReplicaSet", "web-5f7c9d8b6"},
        {"ReplicaSet", "web-5f7c9d8b6", "other", "ReplicaSet", "web-5f7c9d8b6"},
        {"ReplicaSet", "web-5f7c9d8b6", "7c9d8b6", "ReplicaSet", "web-5f7c9d8b6"},
        {"ReplicaSet", "5f7c9d8b6", "5f7c9d8b6", "ReplicaSet", "5f7c9d8b6"},
        {"ReplicaSet", "-5f7c9d8b6", "5f7c9d8b6", "ReplicaSet", "-5f7c9d8b6"},
        /* The hash says nothing of other kinds. */
        {"StatefulSet", "db-5f7c9d8b6", "5f7c9d8b6", "StatefulSet", "db-5f7c9d8b6"},
        {"DaemonSet", "agent", NULL, "DaemonSet", "agent"},
        {"ReplicationController", "old", NULL, "ReplicationController", "old"},
        {"Rollout", "canary", NULL, "Rollout", "canary"}, /* a custom one */
        /* A CronJob's Job ends with the minutes since 1970. */
        {"Job", "tick-29398754", NULL, "CronJob", "tick"},
        {"Job", "db-backup-29398754", NULL, "CronJob", "db-backup"},
        {"Job", "tick-21000000", NULL, "CronJob", "tick"},
        {"Job", "tick-99999999", NULL, "CronJob", "tick"},
        /* Other Jobs, however they are numbered. */
        {"Job", "migrate", NULL, "Job", "migrate"},
        {"Job", "migrate-7", NULL, "Job", "migrate-7"},
        {"Job", "migrate-2939875", NULL, "Job", "migrate-2939875"},
        {"Job", "migrate-293987540", NULL, "Job", "migrate-293987540"},
        {"Job", "migrate-1763712000", NULL, "Job", "migrate-1763712000"}, /* seconds */
        {"Job", "report-20261121", NULL, "Job", "report-20261121"},       /* a date */
        {"Job", "report-20991231", NULL, "Job", "report-20991231"},
        {"Job", "tick29398754", NULL, "Job", "tick29398754"},
        {"Job", "-29398754", NULL, "Job", "-29398754"},
        {"Job", "29398754", NULL, "Job", "29398754"},
        {"Job", "tick-2939875x", NULL, "Job", "tick-2939875x"},
        {"Job", "tick-+2939875", NULL, "Job", "tick-+2939875"},
        /* Nobody controls it, or a node does: it is its own workload. */
        {NULL, NULL, NULL, "Pod", "the-pod-x2k4p"},
        {"", "", "", "Pod", "the-pod-x2k4p"},
        {"ReplicaSet", "", "5f7c9d8b6", "Pod", "the-pod-x2k4p"},
        {"Node", "node-7", NULL, "Pod", "the-pod-x2k4p"},
    };
    for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++)
        check(&guesses[i]);
}

static void names_that_are_too_long_are_cut(void **state)
{
    (void)state;
    char kind[100], name[400];
    struct nj_workload workload;
    memset(kind, 'K', sizeof(kind) - 1);
    memset(name, 'n', sizeof(name) - 1);
    kind[sizeof(kind) - 1] = name[sizeof(name) - 1] = '\0';
    nj_workload_guess(kind, name, NULL, "pod", &workload);
    assert_int_equal(strlen(workload.kind), sizeof(workload.kind) - 1);
    assert_int_equal(strlen(workload.name), NJ_WORKLOAD_NAME_MAX - 1);
    nj_workload_guess("", "", NULL, name, &workload);
    assert_string_equal(workload.kind, "Pod");
    assert_int_equal(strlen(workload.name), NJ_WORKLOAD_NAME_MAX - 1);
}

static void names_that_are_safe_in_a_path(void **state)
{
    (void)state;
    char longest[255];
    memset(longest, 'a', sizeof(longest));
    longest[254] = '\0';
    static const char *const none[] = {"",   ".",  "..", "a/b",   "a..b", "-a",
                                       "a-", ".a", "A",  "a%2fb", "a b",  NULL};
    for (size_t i = 0; none[i] != NULL; i++)
        assert_false(nj_kube_is_name(none[i]));
    assert_false(nj_kube_is_name(longest));
    longest[253] = '\0';
    assert_true(nj_kube_is_name(longest));
    assert_true(nj_kube_is_name("web-0.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_safe_in_a_path),
        cmocka_unit_test(the_table_of_names),
        cmocka_unit_test(names_that_are_too_long_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
