/*
 * Which workload a pod belongs to, asked of an API server that knows, does not, refuses or is silent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pods/owners.h"
#include "common/base/alloc.h"
#include "tests/unit/agent/fake_api.h"

static const char json[] = "application/json";
static const char rs_path[] = "/apis/apps/v1/namespaces/shop/replicasets/web-5d9f8c7b6";
static const char job_path[] = "/apis/batch/v1/namespaces/shop/jobs/tick-29920874";

#define META(kind, name, uid, owners)                                                                        \
    "{\"kind\":\"" kind "\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"" name                \
    "\",\"namespace\":\"shop\",\"uid\":\"" uid "\"" owners "}}"
#define OWNER(api, kind, name)                                                                               \
    ",\"ownerReferences\":[{\"apiVersion\":\"" api "\",\"kind\":\"" kind "\",\"name\":\"" name               \
    "\",\"uid\":\"u\",\"controller\":true}]"

struct fixture {
    struct test_loop *test;
    struct fake_api api;
    struct nj_owners *owners;
    struct nj_metrics *metrics;
};

/* One who asks, and what it was told. */
struct asker {
    struct nj_owner_request request;
    char kind[64], name[128];
    bool done;
    int answers;
};

static void on_answer(struct nj_owner_request *request, const char *kind, const char *name)
{
    struct asker *asker = request->data;
    (void)snprintf(asker->kind, sizeof(asker->kind), "%s", kind);
    (void)snprintf(asker->name, sizeof(asker->name), "%s", name);
    asker->done = true;
    asker->answers++;
}

static struct nj_owner_query query(const char *api, const char *kind, const char *name, const char *uid)
{
    return (struct nj_owner_query){.namespace = "shop",
                                   .pod = "web-5d9f8c7b6-x2x4z",
                                   .api_version = api,
                                   .kind = kind,
                                   .name = name,
                                   .uid = uid,
                                   .template_hash = "5d9f8c7b6"};
}

static struct nj_owner_query replica_set(void)
{
    return query("apps/v1", "ReplicaSet", "web-5d9f8c7b6", "rs-uid");
}

static bool begin(struct fixture *f, struct asker *asker, struct nj_owner_query asked)
{
    *asker = (struct asker){.request = {.done = on_answer, .data = asker}};
    const char *kind = NULL;
    const char *name = NULL;
    if (!nj_owners_resolve(f->owners, &asked, &asker->request, &kind, &name))
        return false;
    on_answer(&asker->request, kind, name);
    return true;
}

static void expect(struct fixture *f, struct nj_owner_query asked, const char *kind, const char *name)
{
    struct asker asker;
    if (!begin(f, &asker, asked))
        test_run_until(f->test, &asker.done);
    assert_string_equal(asker.kind, kind);
    assert_string_equal(asker.name, name);
    assert_int_equal(asker.answers, 1);
}

static void open_owners(struct fixture *f, size_t max_cached)
{
    struct nj_owners_options options = {.loop = &f->test->loop,
                                        .client = f->api.client,
                                        .metrics = f->metrics,
                                        .node = "node1",
                                        .max_cached = max_cached};
    f->owners = nj_owners_new(&options);
}

static void close_owners(struct fixture *f)
{
    bool closed = false;
    nj_owners_close(f->owners, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    f->owners = NULL;
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    f->metrics = nj_metrics_new();
    fake_api_open(&f->api, f->test);
    open_owners(f, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->owners != NULL)
        close_owners(f);
    fake_api_close(&f->api);
    nj_metrics_free(f->metrics);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static uint64_t lookups(const struct fixture *f, const char *result)
{
    char labels[64];
    (void)snprintf(labels, sizeof(labels), "result=\"%s\"", result);
    return nj_counter_get(nj_metrics_counter(f->metrics, "nightjar_agent_owner_lookups_total", labels,
                                             "Questions for a pod's workload, by how they were answered."));
}

static void test_replica_set_of_a_deployment(void **state)
{
    struct fixture *f = *state;
    struct fake_answer *answer = fake_on(
        &f->api, rs_path, 200, json,
        META("PartialObjectMetadata", "web-5d9f8c7b6", "rs-uid", OWNER("apps/v1", "Deployment", "web")));
    expect(f, replica_set(), "Deployment", "web");
    assert_non_null(strstr(f->api.accept, "as=PartialObjectMetadata"));
    expect(f, replica_set(), "Deployment", "web"); /* known now */
    assert_int_equal(answer->asked, 1);
    assert_int_equal(lookups(f, "found"), 1);
    assert_int_equal(lookups(f, "cached"), 1);
}

static void test_job_of_a_cron_job(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, job_path, 200, json,
            META("Job", "tick-29920874", "job-uid", OWNER("batch/v1", "CronJob", "tick")));
    expect(f, query("batch/v1", "Job", "tick-29920874", "job-uid"), "CronJob", "tick");
}

static void test_without_one_above(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, rs_path, 200, json, META("ReplicaSet", "web-5d9f8c7b6", "rs-uid", ""));
    expect(f, replica_set(), "ReplicaSet", "web-5d9f8c7b6");
}

static void test_custom_resource_above(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, rs_path, 200, json,
            META("ReplicaSet", "web-5d9f8c7b6", "rs-uid", OWNER("argoproj.io/v1alpha1", "Rollout", "web")));
    expect(f, replica_set(), "Rollout", "web");
}

/* Nobody has to be asked. */
static void test_known_by_themselves(void **state)
{
    struct fixture *f = *state;
    expect(f, query("apps/v1", "StatefulSet", "db", "1"), "StatefulSet", "db");
    expect(f, query("apps/v1", "DaemonSet", "proxy", "2"), "DaemonSet", "proxy");
    expect(f, query("v1", "ReplicationController", "old", "3"), "ReplicationController", "old");
    expect(f, query("sparkoperator.k8s.io/v1", "SparkApplication", "pi", "4"), "SparkApplication", "pi");
    expect(f, query("apps.example.com/v1", "ReplicaSet", "theirs", "5"), "ReplicaSet", "theirs");
    expect(f, query("", "", "", ""), "Pod", "web-5d9f8c7b6-x2x4z");
    struct nj_owner_query mirror = query("v1", "Node", "node1", "6");
    mirror.pod = "kube-apiserver-node1";
    expect(f, mirror, "Pod", "kube-apiserver");
    mirror.pod = "othernode1";
    expect(f, mirror, "Pod", "othernode1");
    assert_int_equal(f->api.asked, 0);
}

/* The name tells when the server does not. */
static void test_guesses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned status;
        const char *body, *counted;
    } cases[] = {{404, "{}", "not_found"},
                 {403, "{}", "refused"},
                 {500, "{}", "error"},
                 {200, "garbage", "error"},
                 {200,
                  META("ReplicaSet", "web-5d9f8c7b6", "another", OWNER("apps/v1", "Deployment", "other")),
                  "not_found"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->api.answers_count = 0;
        fake_on(&f->api, rs_path, cases[i].status, json, cases[i].body);
        uint64_t before = lookups(f, cases[i].counted);
        expect(f, replica_set(), "Deployment", "web");
        assert_int_equal(lookups(f, cases[i].counted), before + 1);
        close_owners(f);
        open_owners(f, 0);
    }
    expect(f, query("apps/v1", "ReplicaSet", "web-5d9f8c7b6", "a"), "Deployment", "web");
    expect(f, query("apps/v1", "ReplicaSet", "handmade", "b"), "ReplicaSet", "handmade");
    expect(f, query("batch/v1", "Job", "tick-29920874", "c"), "CronJob", "tick");
    expect(f, query("batch/v1", "Job", "tick-1795251600", "d"), "CronJob", "tick");
    expect(f, query("batch/v1", "Job", "import-2026", "e"), "Job", "import-2026");
    expect(f, query("batch/v1", "Job", "import-29920874-x", "f"), "Job", "import-29920874-x");
}

static void test_silent_server(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, rs_path, 200, json, "")->hold = true;
    expect(f, replica_set(), "Deployment", "web");
    assert_int_equal(lookups(f, "timeout"), 1);
}

/* Whoever asks while somebody is asking gets the same answer, for one request. */
static void test_shared_question(void **state)
{
    struct fixture *f = *state;
    struct fake_answer *answer =
        fake_on(&f->api, rs_path, 200, json,
                META("ReplicaSet", "web-5d9f8c7b6", "rs-uid", OWNER("apps/v1", "Deployment", "web")));
    struct asker askers[4];
    for (int i = 0; i < 4; i++)
        assert_false(begin(f, &askers[i], replica_set()));
    nj_owners_cancel(&askers[1].request); /* one in the middle, and the last that came */
    nj_owners_cancel(&askers[3].request);
    nj_owners_cancel(&askers[3].request);
    test_run_until(f->test, &askers[0].done);
    test_run_until(f->test, &askers[2].done);
    assert_string_equal(askers[0].name, "web");
    assert_string_equal(askers[2].name, "web");
    assert_int_equal(askers[1].answers + askers[3].answers, 0);
    assert_int_equal(answer->asked, 1);
}

static void test_bounded_memory(void **state)
{
    struct fixture *f = *state;
    close_owners(f);
    open_owners(f, 2);
    struct fake_answer *answer =
        fake_on(&f->api, rs_path, 200, json,
                META("ReplicaSet", "web-5d9f8c7b6", "rs-uid", OWNER("apps/v1", "Deployment", "web")));
    expect(f, replica_set(), "Deployment", "web");
    expect(f, query("batch/v1", "Job", "a-29920874", "a"), "CronJob", "a");
    expect(f, replica_set(), "Deployment", "web"); /* used again: the other one goes first */
    expect(f, query("batch/v1", "Job", "b-29920874", "b"), "CronJob", "b");
    expect(f, replica_set(), "Deployment", "web");
    assert_int_equal(answer->asked, 1);
}

static void test_closed_while_asking(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, rs_path, 200, json, "")->hold = true;
    struct asker asker;
    assert_false(begin(f, &asker, replica_set()));
    while (f->api.held_count == 0)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    close_owners(f);
    assert_int_equal(asker.answers, 0);
}

/* What a hostile server says may be in a name goes nowhere else. */
static void test_names_are_escaped(void **state)
{
    struct fixture *f = *state;
    struct fake_answer *answer =
        fake_on(&f->api, "/apis/apps/v1/namespaces/shop/replicasets/a?watch=1&b=c d", 404, json, "{}");
    expect(f, query("apps/v1", "ReplicaSet", "a?watch=1&b=c d", "x"), "ReplicaSet", "a?watch=1&b=c d");
    assert_int_equal(answer->asked, 1);
    assert_string_equal(f->api.query, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_replica_set_of_a_deployment),
        T(test_job_of_a_cron_job),
        T(test_without_one_above),
        T(test_custom_resource_above),
        T(test_known_by_themselves),
        T(test_guesses),
        T(test_silent_server),
        T(test_shared_question),
        T(test_bounded_memory),
        T(test_closed_while_asking),
        T(test_names_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
