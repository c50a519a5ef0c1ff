/*
 * The cluster's workloads: what is kept of them, found by name, by what a Service selects and by their
 * Deployment, and told when it changes.
 */
#include "collector/cluster/workloads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cluster/workloads_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

struct setup {
    struct fake_kube fake;
    struct fake_resource *deployments;
    struct nj_workloads *workloads;
    struct nj_metrics *metrics;
    struct nj_buf told;  /* "+Deployment/web;~Deployment/web 1>2;-Deployment/web;" */
    struct nj_buf found; /* names, by a space */
    int troubles, synced;
    int64_t at_ns;
    bool closed;
};

static void on_change(void *data, const struct nj_workloads_item *before,
                      const struct nj_workloads_item *after, int64_t at_ns)
{
    struct setup *setup = data;
    const struct nj_workloads_item *item = after == NULL ? before : after;
    const struct nj_workloads_item *known =
        nj_workloads_find(setup->workloads, item->kind, item->namespace, item->name);
    if (setup->workloads != NULL)
        assert_ptr_equal(known, after);
    (void)nj_buf_printf(&setup->told, "%s%s/%s",
                        after == NULL    ? "-"
                        : before == NULL ? "+"
                                         : "~",
                        nj_workloads_kind_name(item->kind), item->name);
    if (before != NULL && after != NULL)
        (void)nj_buf_printf(&setup->told, " %d>%d", before->object->desired, after->object->desired);
    (void)nj_buf_append(&setup->told, ";", 1);
    setup->at_ns = at_ns;
}

static void on_synced(void *data)
{
    ((struct setup *)data)->synced++;
}

static void on_trouble(void *data, const struct nj_err *err)
{
    assert_true(err->code == -EACCES || err->code == -ENOENT);
    ((struct setup *)data)->troubles++;
}

static struct nj_workloads_options options_of(struct setup *setup, size_t max_objects)
{
    return (struct nj_workloads_options){.metrics = setup->metrics,
                                         .max_objects = max_objects,
                                         .on_change = on_change,
                                         .on_synced = on_synced,
                                         .on_trouble = on_trouble,
                                         .data = setup};
}

static int setup_plain(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    setup->metrics = nj_metrics_new();
    struct nj_workloads_options options = options_of(setup, 100000);
    setup->workloads = nj_workloads_new(&options);
    *state = setup;
    return 0;
}

static int teardown_plain(void **state)
{
    struct setup *setup = *state;
    nj_workloads_free(setup->workloads);
    nj_metrics_free(setup->metrics);
    nj_buf_done(&setup->told);
    nj_buf_done(&setup->found);
    free(setup);
    return 0;
}

static void take(struct setup *setup, enum nj_watch_event_type type, enum nj_kube_kind kind, const char *text)
{
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_err err = {0};
    nj_arena_init(&arena, 1 << 20);
    if (nj_kube_decode(NJ_KUBE_JSON, kind, text, strlen(text), &arena, &object, &err) < 0)
        fail_msg("%s: %s", err.text, text);
    nj_workloads_take(setup->workloads, type, &object, 7);
    nj_arena_done(&arena);
}

#define META(name, more) FAKE_META("shop", name, name "-uid", "1", more)
#define TEMPLATE(labels)                                                                                     \
    "\"template\":{\"metadata\":{\"labels\":{" labels "}},\"spec\":{\"containers\":[{\"name\":\"c\","        \
    "\"image\":\"web:2\",\"readinessProbe\":{\"httpGet\":{\"path\":\"/"                                      \
    "x\",\"port\":80},\"periodSeconds\":7}}]}}"
#define WEB                                                                                                  \
    "{" META(                                                                                                \
        "web",                                                                                               \
        ",\"generation\":3,\"annotations\":{\"deployment.kubernetes.io/revision\":\"2\","                    \
        "\"nightjar.dev/slo\":\"99.9\",\"other\":\"x\"}") ",\"spec\":{\"replicas\":2," TEMPLATE("\"app\":"   \
                                                                                                "\"web\","   \
                                                                                                "\"tier\":"  \
                                                                                                "\"front\"") "}}"

static void find_one(void *data, const struct nj_workloads_item *item)
{
    struct setup *setup = data;
    (void)nj_buf_printf(&setup->found, "%s ", item->name);
}

static const char *behind(struct setup *setup, const char *namespace, const struct nj_kube_pair *selector,
                          size_t count)
{
    nj_buf_clear(&setup->found);
    nj_workloads_behind(setup->workloads, namespace, selector, count, find_one, setup);
    return nj_buf_str(&setup->found);
}

static void a_workload_is_kept_with_what_is_asked_for(void **state)
{
    struct setup *setup = *state;
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, WEB);
    const struct nj_workloads_item *web =
        nj_workloads_find(setup->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web");
    assert_non_null(web);
    assert_string_equal(web->uid, "web-uid");
    assert_string_equal(web->revision, "2");
    assert_int_equal(web->generation, 3);
    assert_int_equal(web->object->desired, 2);
    assert_string_equal(web->object->containers[0].image, "web:2");
    assert_int_equal(web->object->containers[0].readiness.period_seconds, 7);
    assert_string_equal(nj_workloads_annotation(web, "nightjar.dev/slo"), "99.9");
    assert_null(nj_workloads_annotation(web, "other"));
    assert_null(nj_workloads_find(setup->workloads, NJ_WORKLOADS_STATEFUL_SET, "shop", "web"));
    assert_null(nj_workloads_find(setup->workloads, NJ_WORKLOADS_DEPLOYMENT, "other", "web"));
    assert_null(nj_workloads_find(setup->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "we"));
    assert_string_equal(nj_buf_str(&setup->told), "+Deployment/web;");
    assert_int_equal(setup->at_ns, 7);
}

static void changes_are_told_with_what_was(void **state)
{
    struct setup *setup = *state;
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, WEB);
    take(setup, NJ_WATCH_MODIFIED, NJ_KUBE_DEPLOYMENT, "{" META("web", "") ",\"spec\":{\"replicas\":5}}");
    take(setup, NJ_WATCH_DELETED, NJ_KUBE_DEPLOYMENT, "{\"metadata\":{\"uid\":\"web-uid\"}}");
    take(setup, NJ_WATCH_DELETED, NJ_KUBE_DEPLOYMENT, "{\"metadata\":{\"uid\":\"web-uid\"}}");
    assert_string_equal(nj_buf_str(&setup->told), "+Deployment/web;~Deployment/web 2>5;-Deployment/web;");
    assert_int_equal(nj_workloads_count(setup->workloads), 0);
    assert_string_equal(behind(setup, "shop", &(struct nj_kube_pair){"app", "web"}, 1), "");
}

/* A list after a broken watch tells the new one first, and the end of the old one later. */
static void one_that_was_made_anew_is_another(void **state)
{
    struct setup *setup = *state;
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, WEB);
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, "{" FAKE_META("shop", "web", "other", "2", "") "}");
    take(setup, NJ_WATCH_DELETED, NJ_KUBE_DEPLOYMENT, "{\"metadata\":{\"uid\":\"web-uid\"}}");
    assert_string_equal(nj_buf_str(&setup->told), "+Deployment/web;-Deployment/web;+Deployment/web;");
    assert_string_equal(nj_workloads_find(setup->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web")->uid,
                        "other");
}

#define OWNED(kind, name)                                                                                    \
    ",\"ownerReferences\":[{\"kind\":\"" kind "\",\"name\":\"" name "\",\"controller\":true}]"

static void a_service_has_the_workloads_whose_pods_it_selects(void **state)
{
    struct setup *setup = *state;
    const struct nj_kube_pair selector[] = {{"app", "web"}, {"tier", "front"}};
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, WEB);
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_STATEFUL_SET,
         "{" META("db", OWNED("Postgres", "db")) ",\"spec\":{" TEMPLATE("\"app\":\"web\"") "}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_REPLICA_SET,
         "{" META("web-1", OWNED("Deployment", "web")) ",\"spec\":{" TEMPLATE("\"app\":\"web\"") "}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_REPLICA_SET,
         "{" META("canary", OWNED("Rollout", "web")) ",\"spec\":{" TEMPLATE("\"app\":\"web\"") "}}");
    assert_string_equal(behind(setup, "shop", selector, 1), "web db canary ");
    assert_string_equal(behind(setup, "shop", selector, 2), "web ");
    assert_string_equal(behind(setup, "shop", selector + 1, 1), "web ");
    assert_string_equal(behind(setup, "shop", selector, 0), "");
    assert_string_equal(behind(setup, "other", selector, 1), "");
    take(setup, NJ_WATCH_MODIFIED, NJ_KUBE_DEPLOYMENT,
         "{" META("web", "") ",\"spec\":{" TEMPLATE("\"tier\":\"back\"") "}}");
    assert_string_equal(behind(setup, "shop", selector, 1), "db canary ");
}

static void a_deployment_has_its_replica_sets_by_revision(void **state)
{
    struct setup *setup = *state;
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_REPLICA_SET,
         "{" META(
             "web-a1",
             OWNED("Deployment", "web") ",\"labels\":{\"pod-template-hash\":\"a1\"},"
                                        "\"annotations\":{\"deployment.kubernetes.io/revision\":\"1\"}") "}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_REPLICA_SET,
         "{" META(
             "web-b2",
             OWNED("Deployment", "web") ",\"labels\":{\"pod-template-hash\":\"b2\"},"
                                        "\"annotations\":{\"deployment.kubernetes.io/revision\":\"2\"}") "}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_REPLICA_SET, "{" META("other", OWNED("Deployment", "api")) "}");
    nj_workloads_revisions(setup->workloads, "shop", "web", find_one, setup);
    assert_string_equal(nj_buf_str(&setup->found), "web-a1 web-b2 ");
    assert_string_equal(nj_workloads_revision(setup->workloads, "shop", "web", "2")->template_hash, "b2");
    assert_null(nj_workloads_revision(setup->workloads, "shop", "web", "3"));
    assert_null(nj_workloads_revision(setup->workloads, "shop", "none", "1"));
    nj_buf_clear(&setup->found);
    take(setup, NJ_WATCH_DELETED, NJ_KUBE_REPLICA_SET, "{\"metadata\":{\"uid\":\"web-a1-uid\"}}");
    nj_workloads_revisions(setup->workloads, "shop", "web", find_one, setup);
    assert_string_equal(nj_buf_str(&setup->found), "web-b2 ");
}

static int32_t wanted(struct setup *setup, const char *spec, const char *status)
{
    NJ_CLEANUP_FREE char *text =
        nj_asprintf("{" META("pi", "") ",\"spec\":{" TEMPLATE("\"app\":\"pi\"") "%s},"
                                                                                "\"status\":{%s}}",
                    spec, status);
    take(setup, NJ_WATCH_MODIFIED, NJ_KUBE_JOB, text);
    return nj_workloads_find(setup->workloads, NJ_WORKLOADS_JOB, "shop", "pi")->object->desired;
}

#define CONDITION(type, status) "\"conditions\":[{\"type\":\"" type "\",\"status\":\"" status "\"}]"

static void a_job_wants_pods_while_it_has_work_for_them(void **state)
{
    struct setup *setup = *state;
    const struct nj_kube_pair selector[] = {{"app", "pi"}};
    assert_int_equal(1, wanted(setup, "", ""));
    const struct nj_workloads_item *job = nj_workloads_find(setup->workloads, NJ_WORKLOADS_JOB, "shop", "pi");
    assert_int_equal(0, job->object->containers_count);
    assert_int_equal(3, wanted(setup, ",\"parallelism\":3,\"completions\":5", "\"succeeded\":1"));
    assert_int_equal(2, wanted(setup, ",\"parallelism\":3,\"completions\":5", "\"succeeded\":3"));
    assert_int_equal(0, wanted(setup, ",\"parallelism\":3,\"completions\":5", "\"succeeded\":5"));
    assert_int_equal(0, wanted(setup, ",\"suspend\":true", ""));
    assert_int_equal(1, wanted(setup, "", CONDITION("Complete", "False")));
    assert_false(nj_workloads_completed(nj_workloads_find(setup->workloads, NJ_WORKLOADS_JOB, "shop", "pi")));
    /* A queue of work: when one finds it empty, the others end. */
    assert_int_equal(3, wanted(setup, ",\"parallelism\":3", "\"active\":3"));
    assert_int_equal(2, wanted(setup, ",\"parallelism\":3", "\"active\":2,\"succeeded\":1"));
    assert_int_equal(0, wanted(setup, "", CONDITION("Failed", "True")));
    assert_false(nj_workloads_completed(nj_workloads_find(setup->workloads, NJ_WORKLOADS_JOB, "shop", "pi")));
    assert_int_equal(0, wanted(setup, "", CONDITION("Complete", "True")));
    assert_true(nj_workloads_completed(nj_workloads_find(setup->workloads, NJ_WORKLOADS_JOB, "shop", "pi")));
    /* Behind a Service they come last, and they are not what is measured. */
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT,
         "{" META("web", "") ",\"spec\":{" TEMPLATE("\"app\":\"pi\"") "}}");
    assert_string_equal(behind(setup, "shop", selector, 1), "web pi ");
    nj_buf_clear(&setup->found);
    nj_workloads_each(setup->workloads, find_one, setup);
    assert_string_equal(nj_buf_str(&setup->found), "web ");
}

static void each_kind_has_its_own_revision(void **state)
{
    struct setup *setup = *state;
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_STATEFUL_SET,
         "{" META("db", "") ",\"status\":{\"currentRevision\":\"db-1\",\"updateRevision\":\"db-2\"}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DAEMON_SET,
         "{" META("log", ",\"annotations\":{\"deprecated.daemonset.template.generation\":\"4\"}") "}");
    assert_string_equal(
        nj_workloads_find(setup->workloads, NJ_WORKLOADS_STATEFUL_SET, "shop", "db")->revision, "db-2");
    assert_string_equal(nj_workloads_find(setup->workloads, NJ_WORKLOADS_DAEMON_SET, "shop", "log")->revision,
                        "4");
}

static void find_budget(void *data, const struct nj_workloads_budget *budget)
{
    struct setup *setup = data;
    (void)nj_buf_printf(&setup->found, "%s %s %d ", budget->name, budget->min_available,
                        budget->disruptions_allowed);
}

static void budgets_hold_for_the_pods_they_select(void **state)
{
    struct setup *setup = *state;
    const struct nj_kube_pair labels[] = {{"app", "web"}, {"tier", "front"}};
    take(
        setup, NJ_WATCH_ADDED, NJ_KUBE_BUDGET,
        "{" META("web", "") ",\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}},"
                            "\"status\":{\"disruptionsAllowed\":3}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_BUDGET,
         "{" META("all", "") ",\"spec\":{\"minAvailable\":\"50%\",\"selector\":{}}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_BUDGET, "{" META("none", "") ",\"spec\":{}}");
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_BUDGET,
         "{" META("db", "") ",\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"db\"}}}}");
    nj_workloads_budgets(setup->workloads, "shop", labels, 2, find_budget, setup);
    assert_string_equal(nj_buf_str(&setup->found), "web 1 3 all 50% 0 ");
    assert_string_equal(nj_buf_str(&setup->told), ""); /* budgets are looked up only */
    take(setup, NJ_WATCH_DELETED, NJ_KUBE_BUDGET, "{\"metadata\":{\"uid\":\"web-uid\"}}");
    nj_buf_clear(&setup->found);
    nj_workloads_budgets(setup->workloads, "shop", labels, 2, find_budget, setup);
    assert_string_equal(nj_buf_str(&setup->found), "all 50% 0 ");
}

static void thousands_of_services_find_their_workloads(void **state)
{
    enum { MANY = 5000 };
    struct setup *setup = *state;
    char text[512];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof(text),
                       "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"w%d\",\"uid\":\"u%d\"},\"spec\":{"
                       "\"template\":{\"metadata\":{\"labels\":{\"app\":\"w%d\",\"part-of\":\"shop\"}}}}}",
                       i, i, i);
        take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, text);
    }
    for (int i = 0; i < MANY; i++) {
        char name[16], expected[20];
        (void)snprintf(name, sizeof(name), "w%d", i);
        (void)snprintf(expected, sizeof(expected), "w%d ", i);
        const struct nj_kube_pair selector[] = {{"app", name}, {"part-of", "shop"}};
        assert_string_equal(behind(setup, "shop", selector, 2), expected);
    }
}

static void the_bound_holds_and_what_is_beyond_is_counted(void **state)
{
    struct setup *setup = *state;
    struct nj_workloads_options options = options_of(setup, 1);
    nj_workloads_free(setup->workloads);
    setup->workloads = nj_workloads_new(&options);
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_DEPLOYMENT, WEB);
    take(setup, NJ_WATCH_ADDED, NJ_KUBE_STATEFUL_SET, "{" META("db", "") "}");
    take(setup, NJ_WATCH_MODIFIED, NJ_KUBE_STATEFUL_SET, "{" META("db", "") "}");
    take(setup, NJ_WATCH_MODIFIED, NJ_KUBE_DEPLOYMENT, WEB);
    assert_int_equal(nj_workloads_count(setup->workloads), 1);
    assert_string_equal(nj_buf_str(&setup->told), "+Deployment/web;~Deployment/web 2>2;");
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(setup->metrics, &text), 0);
    assert_non_null(strstr(nj_buf_str(&text), "nightjar_workloads_ignored_total 1\n"));
    nj_buf_done(&text);
}

/* ---- with a server */

static int setup_watched(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    setup->metrics = nj_metrics_new();
    *state = setup;
    return 0;
}

static int teardown_watched(void **state)
{
    struct setup *setup = *state;
    nj_workloads_close(setup->workloads, test_set_flag, &setup->closed);
    test_run_until(setup->fake.test, &setup->closed);
    setup->workloads = NULL;
    fake_kube_stop(&setup->fake);
    return teardown_plain(state);
}

static void what_cannot_be_watched_stays_empty_and_is_told_once(void **state)
{
    struct setup *setup = *state;
    struct nj_workloads_options options = options_of(setup, 100);
    struct fake_resource *forbidden = fake_resource(&setup->fake, "statefulsets", NULL);
    forbidden->status = 403;
    setup->deployments = fake_resource(&setup->fake, "deployments", WEB);
    (void)fake_resource(&setup->fake, "replicasets", "");
    (void)fake_resource(&setup->fake, "jobs", "");
    (void)fake_resource(&setup->fake, "poddisruptionbudgets", ""); /* daemonsets: 404 */
    options.loop = &setup->fake.test->loop;
    options.client = setup->fake.client;
    assert_int_equal(0, nj_workloads_start(&options, &setup->workloads, NULL));
    while (setup->synced == 0)
        fake_run_once(&setup->fake);
    assert_true(nj_workloads_synced(setup->workloads));
    assert_non_null(nj_workloads_find(setup->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web"));
    while (setup->deployments->watches == 0)
        fake_run_once(&setup->fake);
    fake_send(setup->deployments, "MODIFIED",
              "{" FAKE_META("shop", "web", "web-uid", "9", "") ",\"spec\":{\"replicas\":5}}");
    while (strstr(nj_buf_str(&setup->told), "~") == NULL)
        fake_run_once(&setup->fake);
    assert_string_equal(nj_buf_str(&setup->told), "+Deployment/web;~Deployment/web 2>5;");
    assert_int_equal(setup->troubles, 2);
    assert_int_equal(setup->synced, 1);
    assert_true(setup->at_ns >= noon_ns);
}

int main(void)
{
#define PLAIN(test) cmocka_unit_test_setup_teardown(test, setup_plain, teardown_plain)
    const struct CMUnitTest tests[] = {
        PLAIN(a_workload_is_kept_with_what_is_asked_for),
        PLAIN(changes_are_told_with_what_was),
        PLAIN(one_that_was_made_anew_is_another),
        PLAIN(a_service_has_the_workloads_whose_pods_it_selects),
        PLAIN(a_deployment_has_its_replica_sets_by_revision),
        PLAIN(a_job_wants_pods_while_it_has_work_for_them),
        PLAIN(each_kind_has_its_own_revision),
        PLAIN(budgets_hold_for_the_pods_they_select),
        PLAIN(thousands_of_services_find_their_workloads),
        PLAIN(the_bound_holds_and_what_is_beyond_is_counted),
        cmocka_unit_test_setup_teardown(what_cannot_be_watched_stays_empty_and_is_told_once, setup_watched,
                                        teardown_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
