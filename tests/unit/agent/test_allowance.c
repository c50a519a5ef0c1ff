/*
 * How long a pod may take to start before its failing checks are told.
 */
#include <stdio.h>

#include "agent/probes/allowance.h"
#include "common/base/clock.h"
#include "tests/unit/agent/pod_json.h"
#include "tests/unit/test.h"

enum { ARENA_MAX = 1 << 20, NEVER = -1 };

#define AT(seconds) ((seconds)*NJ_SEC)

/* Container c0 runs since second 100, c1 since second 130. */
#define RUNNING "'state':{'running':{'startedAt':'1970-01-01T00:01:40Z'}}"
#define RUNNING_LATER "'state':{'running':{'startedAt':'1970-01-01T00:02:10Z'}}"
#define ENDED_EARLIER "'lastState':{'terminated':{'startedAt':'1970-01-01T00:01:30Z','exitCode':1}}"
#define STARTUP                                                                                              \
    "'startupProbe':{'exec':{},'initialDelaySeconds':5,'periodSeconds':10,'failureThreshold':30,'"           \
    "timeoutSeconds':2}"
#define READINESS "'readinessProbe':{'exec':{},'periodSeconds':5,'failureThreshold':4,'timeoutSeconds':1}"
#define LIVENESS "'livenessProbe':{'exec':{},'initialDelaySeconds':15,'periodSeconds':20}" /* 15 + 60 + 1 */

static const struct {
    const char *what, *containers, *statuses, *conditions;
    int64_t deadline_s, until_s; /* counted from 1970; 0: at once */
} cases[] = {
    {"no probe at all", "{'name':'a'}", "{'name':'a'," RUNNING "}", "", 0, 100 + 600},
    {"no probe, the Deployment's deadline", "{'name':'a'}", "{'name':'a'," RUNNING "}", "", 90, 100 + 90},
    {"only readiness", "{'name':'a'," READINESS "}", "{'name':'a'," RUNNING "}", "", 0, 100 + 600},
    {"only readiness, the deadline", "{'name':'a'," READINESS "}", "{'name':'a'," RUNNING "}", "", 1200,
     100 + 1200},
    {"liveness", "{'name':'a'," LIVENESS "}", "{'name':'a'," RUNNING "}", "", 0, 100 + 76},
    {"liveness and a longer readiness",
     "{'name':'a','livenessProbe':{'exec':{},'periodSeconds':1,'failureThreshold':1}," READINESS "}",
     "{'name':'a'," RUNNING "}", "", 0, 100 + 21},
    {"startup", "{'name':'a'," STARTUP "}", "{'name':'a'," RUNNING "}", "", 0, 100 + 307},
    {"startup, then readiness; liveness does not count",
     "{'name':'a'," STARTUP "," READINESS "," LIVENESS "}", "{'name':'a'," RUNNING "}", "", 0,
     100 + 307 + 21},
    {"capped by the deadline", "{'name':'a'," STARTUP "}", "{'name':'a'," RUNNING "}", "", 60, 100 + 60},
    {"not lengthened by the deadline", "{'name':'a'," LIVENESS "}", "{'name':'a'," RUNNING "}", "", 900,
     100 + 76},
    {"the longest of two, from the later start", "{'name':'a'," LIVENESS "},{'name':'b'," STARTUP "}",
     "{'name':'a'," RUNNING "},{'name':'b'," RUNNING_LATER "}", "", 0, 130 + 307},
    {"one of two has none", "{'name':'a'," LIVENESS "},{'name':'b'}",
     "{'name':'a'," RUNNING "},{'name':'b'," RUNNING_LATER "}", "", 0, 130 + 600},
    {"a container has not run yet", "{'name':'a'},{'name':'b'}",
     "{'name':'a'," RUNNING "},{'name':'b','state':{'waiting':{'reason':'ContainerCreating'}}}", "", 0,
     NEVER},
    {"no status yet", "{'name':'a'}", "", "", 0, NEVER},
    {"restarted: from its first start", "{'name':'a'," LIVENESS "}",
     "{'name':'a','restartCount':1," RUNNING_LATER "," ENDED_EARLIER "}", "", 0, 90 + 76},
    {"crashed and waiting", "{'name':'a'," LIVENESS "}",
     "{'name':'a','restartCount':1,'state':{'waiting':{'reason':'CrashLoopBackOff'}}," ENDED_EARLIER "}", "",
     0, 90 + 76},
    {"restarted more often than the status knows", "{'name':'a'," LIVENESS "}",
     "{'name':'a','restartCount':7," RUNNING_LATER "," ENDED_EARLIER "}",
     "{'type':'Initialized','status':'True','lastTransitionTime':'1970-01-01T00:00:50Z'}", 0, 50 + 76},
    {"Ready", "{'name':'a'}", "{'name':'a'," RUNNING "}", "{'type':'Ready','status':'True'}", 0, 0},
    {"not Ready", "{'name':'a'}", "{'name':'a'," RUNNING "}", "{'type':'Ready','status':'False'}", 0, 700},
};

static struct nj_kube_object make(struct nj_arena *arena, const char *containers, const char *statuses,
                                  const char *conditions)
{
    return test_pod(
        arena,
        "{'metadata':{'name':'p','uid':'u'},'spec':{'containers':[%s]},"
        "'status':{'startTime':'1970-01-01T00:00:40Z','containerStatuses':[%s],'conditions':[%s]}}",
        containers, statuses, conditions);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_arena arena;
        struct nj_allowance allowance;
        nj_arena_init(&arena, ARENA_MAX);
        struct nj_kube_object pod = make(&arena, cases[i].containers, cases[i].statuses, cases[i].conditions);
        nj_allowance_read(&pod.pod, NULL, &allowance);
        int64_t until_ns = nj_allowance_until(&allowance, cases[i].deadline_s);
        int64_t wanted_ns = cases[i].until_s == NEVER ? INT64_MAX : AT(cases[i].until_s);
        if (until_ns != wanted_ns)
            fail_msg("%s: %lld instead of %lld s", cases[i].what, (long long)(until_ns / NJ_SEC),
                     (long long)cases[i].until_s);
        nj_arena_done(&arena);
    }
}

/* A pod that was Ready is not starting again when it no longer is, and a restart begins nothing anew. */
static void test_what_was_stays(void **state)
{
    (void)state;
    struct nj_arena arena;
    struct nj_allowance first, second, third;
    nj_arena_init(&arena, ARENA_MAX);
    struct nj_kube_object started = make(&arena, "{'name':'a'}", "{'name':'a'," RUNNING "}", "");
    struct nj_kube_object restarted = make(&arena, "{'name':'a'}", "{'name':'a'," RUNNING_LATER "}", "");
    struct nj_kube_object ready =
        make(&arena, "{'name':'a'}", "{'name':'a'," RUNNING "}", "{'type':'Ready','status':'True'}");
    nj_allowance_read(&started.pod, NULL, &first);
    nj_allowance_read(&restarted.pod, &first, &second);
    assert_int_equal(nj_allowance_until(&second, 0), AT(100 + 600));
    nj_allowance_read(&ready.pod, &second, &third);
    nj_allowance_read(&restarted.pod, &third, &third);
    assert_int_equal(nj_allowance_until(&third, 0), 0);
    nj_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_what_was_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
