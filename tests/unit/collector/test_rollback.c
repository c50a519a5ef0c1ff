/* Rolling back a workload whose new revision failed: what is asked of the API server, and what speaks against
 * it. */
#include "collector/sla/rollback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

#define DEPLOYMENT_PATH "/apis/apps/v1/namespaces/shop/deployments/web"
#define SET_PATH "/apis/apps/v1/namespaces/shop/replicasets/web-"

#define DEPLOYMENT(revision, generation, annotations, spec)                                                  \
    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u\",\"resourceVersion\":\"77\","       \
    "\"generation\":" generation ",\"annotations\":{\"deployment.kubernetes.io/revision\":\"" revision       \
    "\"" annotations "}},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}" spec     \
    ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}}}}}"
#define ASKS ",\"nightjar.dev/auto-rollback\":\"10m\""
#define SET(revision, hash)                                                                                  \
    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-" hash "\",\"uid\":\"rs" hash                      \
    "\",\"resourceVersion\":\"5\",\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"" hash                 \
    "\"},\"annotations\":{\"deployment.kubernetes.io/revision\":\"" revision                                 \
    "\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\","         \
    "\"uid\":\"u\",\"controller\":true}]},\"spec\":{\"replicas\":0,\"selector\":{\"matchLabels\":"           \
    "{\"app\":\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\",\"pod-template-hash\":"      \
    "\"" hash "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web/" revision "\"}]}}}}"

struct setup {
    struct fake_kube fake;
    struct nj_workloads *workloads;
    struct nj_rollback *rollback;
    char text[512];
    int told;
    bool rolled_back, closed;
};

static const int64_t NOON_NS = INT64_C(1795262400) * NJ_SEC;

static void on_change(void *data, const struct nj_workloads_item *before,
                      const struct nj_workloads_item *after, int64_t at_ns)
{
    (void)data;
    (void)before;
    (void)after;
    (void)at_ns;
}

static void on_synced(void *data)
{
    (void)data;
}

static void on_result(void *data, const struct nj_rollback_result *result)
{
    struct setup *setup = data;
    assert_string_equal(result->namespace, "shop");
    (void)snprintf(setup->text, sizeof(setup->text), "%s", result->text);
    setup->rolled_back = result->rolled_back;
    setup->told++;
}

/* What is listed: a Deployment at revision 3 whose template is "ccc", with those of 1 and 2 kept. */
static void begin_with(struct setup *setup, const char *deployment)
{
    *setup = (struct setup){0};
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, NOON_NS);
    (void)fake_resource(&setup->fake, "deployments", deployment);
    (void)fake_resource(&setup->fake, "replicasets", SET("1", "aaa") "," SET("2", "bbb") "," SET("3", "ccc"));
    const struct nj_workloads_options options = {.loop = &setup->fake.test->loop,
                                                 .client = setup->fake.client,
                                                 .max_objects = 100,
                                                 .on_change = on_change,
                                                 .on_synced = on_synced,
                                                 .data = setup};
    assert_int_equal(0, nj_workloads_start(&options, &setup->workloads, NULL));
    while (!nj_workloads_synced(setup->workloads))
        fake_run_once(&setup->fake);
    (void)fake_object(&setup->fake, DEPLOYMENT_PATH, 200, deployment);
    (void)fake_object(&setup->fake, SET_PATH "aaa", 200, SET("1", "aaa"));
    (void)fake_object(&setup->fake, SET_PATH "bbb", 200, SET("2", "bbb"));
    const struct nj_rollback_options rollback = {.loop = &setup->fake.test->loop,
                                                 .client = setup->fake.client,
                                                 .enabled = true,
                                                 .max_per_hour = 2,
                                                 .on_result = on_result,
                                                 .data = setup};
    setup->rollback = nj_rollback_new(&rollback);
}

static void end(struct setup *setup)
{
    nj_rollback_close(setup->rollback, test_set_flag, &setup->closed);
    while (!setup->closed)
        fake_run_once(&setup->fake);
    setup->closed = false;
    nj_workloads_close(setup->workloads, test_set_flag, &setup->closed);
    while (!setup->closed)
        fake_run_once(&setup->fake);
    fake_kube_stop(&setup->fake);
}

static struct nj_rollout failed(void)
{
    return (struct nj_rollout){.id = 3,
                               .cluster = "",
                               .namespace = "shop",
                               .workload_kind = "Deployment",
                               .workload = "web",
                               .revision = "3",
                               .from_revision = "2",
                               .template_hash = "ccc",
                               .from_hash = "bbb",
                               .changed_by = "kubectl-set",
                               .began_ns = NOON_NS - NJ_MIN,
                               .failed_ns = NOON_NS,
                               .outcome = NJ_ROLLOUT_FAILED,
                               .reason = "ImagePullBackOff"};
}

static void consider(struct setup *setup, const struct nj_rollout *rollout)
{
    int told = setup->told;
    assert_true(nj_rollback_consider(setup->rollback, setup->workloads, rollout));
    while (setup->told == told)
        fake_run_once(&setup->fake);
}

static void the_template_before_comes_back_after_a_dry_run(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    consider(&setup, &rollout);
    assert_true(setup.rolled_back);
    assert_string_equal(setup.text, "rolled back to revision 2");
    assert_int_equal(setup.fake.dry_runs, 1);
    assert_int_equal(setup.fake.patches, 1);
    assert_string_equal(
        nj_buf_str(&setup.fake.patched), DEPLOYMENT_PATH
        " nightjar-collector  application/json-patch+json "
        "[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"77\"},"
        "{\"op\":\"replace\",\"path\":\"/spec/"
        "template\",\"value\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web/2\"}]}}},"
        "{\"op\":\"add\",\"path\":\"/metadata/annotations/kubernetes.io~1change-cause\","
        "\"value\":\"nightjar: rolled back revision 3 to revision 2: ImagePullBackOff\"},"
        "{\"op\":\"add\",\"path\":\"/metadata/annotations/nightjar.dev~1rolled-back\",\"value\":\"ccc\"}]");
    /* The same once more is meant. */
    consider(&setup, &rollout);
    assert_string_equal(setup.text, "not rolled back: this template was rolled back before");
    assert_int_equal(setup.fake.patches, 1);
    end(&setup);
}

static void a_revision_that_failed_is_passed_over(void **state)
{
    (void)state;
    struct setup setup;
    struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    struct nj_rollout second = failed();
    second.id = 2;
    second.revision = "2";
    second.template_hash = "bbb";
    nj_rollback_note(setup.rollback, &second);
    consider(&setup, &rollout);
    assert_string_equal(setup.text, "rolled back to revision 1");
    assert_non_null(strstr(nj_buf_str(&setup.fake.patched), "web/1"));
    end(&setup);
}

static void what_speaks_against_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *listed, *read; /* read: as it is by now; NULL: the same */
        unsigned dry_run_status;
        const char *text;
    } cases[] = {
        {DEPLOYMENT("3", "9", ASKS, ",\"paused\":true"), NULL, 200, "it is paused"},
        {DEPLOYMENT("3", "9", ASKS, ""), DEPLOYMENT("3", "10", ASKS, ""), 200, "changed meanwhile"},
        {DEPLOYMENT("3", "9", ASKS, ""), DEPLOYMENT("4", "9", ASKS, ""), 200, "changed meanwhile"},
        {DEPLOYMENT("4", "9", ASKS, ""), NULL, 200, "changed meanwhile"},
        {DEPLOYMENT("3", "9", ASKS, ""), DEPLOYMENT("3", "9", "", ""), 200, "is gone"},
        {DEPLOYMENT("3", "9", ASKS ",\"nightjar.dev/rolled-back\":\"xyz,ccc\"", ""), NULL, 200,
         "this template was rolled back before"},
        {DEPLOYMENT("3", "9", ",\"nightjar.dev/auto-rollback\":\"yes\"", ""), NULL, 200, "is no duration"},
        {DEPLOYMENT("3", "9", ",\"nightjar.dev/auto-rollback\":\"30s\"", ""), NULL, 200, "later than 30s"},
        {DEPLOYMENT("3", "9", ASKS, ""), NULL, 403,
         "the right to patch deployments is missing (deploy/manifests/rollback grants it)"},
        {DEPLOYMENT("3", "9", ASKS, ""), NULL, 422, "the dry run was refused with status 422"},
        {DEPLOYMENT("3", "9", ASKS, ""), NULL, 409, "the dry run was refused with status 409"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup setup;
        const struct nj_rollout rollout = failed();
        begin_with(&setup, cases[i].listed);
        setup.fake.dry_run_status = cases[i].dry_run_status;
        if (cases[i].read != NULL)
            (void)fake_object(&setup.fake, DEPLOYMENT_PATH, 200, cases[i].read);
        consider(&setup, &rollout);
        assert_false(setup.rolled_back);
        if (strstr(setup.text, cases[i].text) == NULL)
            fail_msg("case %zu: %s", i, setup.text);
        assert_int_equal(setup.fake.patches, 0);
        end(&setup);
    }
}

static void who_does_not_ask_is_left_alone(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", "", ""));
    assert_false(nj_rollback_consider(setup.rollback, setup.workloads, &rollout));
    end(&setup);
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    nj_rollback_set(setup.rollback, false, 2);
    assert_false(nj_rollback_consider(setup.rollback, setup.workloads, &rollout));
    assert_int_equal(setup.told, 0);
    end(&setup);
}

/* An autoscaler at work in the same moment: its controller has looked, and the template is the same. */
static void a_scaling_meanwhile_is_no_objection(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed();
    static const char scaled[] =
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u\",\"resourceVersion\":\"78\","
        "\"generation\":10,\"annotations\":{\"deployment.kubernetes.io/revision\":\"3\"" ASKS "}},\"spec\":{"
        "\"replicas\":5,\"template\":{}},\"status\":{\"observedGeneration\":10}}";
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    (void)fake_object(&setup.fake, DEPLOYMENT_PATH, 200, scaled);
    consider(&setup, &rollout);
    assert_string_equal(setup.text, "rolled back to revision 2");
    assert_non_null(strstr(nj_buf_str(&setup.fake.patched), "\"value\":\"78\""));
    end(&setup);
}

static void one_that_failed_before_a_restart_is_taken_up_while_it_is_wanted(void **state)
{
    (void)state;
    struct setup setup;
    struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    rollout.began_ns -= NJ_HOUR;
    rollout.failed_ns -= NJ_HOUR;
    assert_false(nj_rollback_resume(setup.rollback, setup.workloads, &rollout));
    rollout = failed();
    assert_true(nj_rollback_resume(setup.rollback, setup.workloads, &rollout));
    while (setup.told == 0)
        fake_run_once(&setup.fake);
    assert_string_equal(setup.text, "rolled back to revision 2");
    end(&setup);
}

/* ---- StatefulSets and DaemonSets */

#define DB_PATH "/apis/apps/v1/namespaces/shop/statefulsets/db"
#define LOG_PATH "/apis/apps/v1/namespaces/shop/daemonsets/log"
#define REVISIONS_PATH "/apis/apps/v1/namespaces/shop/controllerrevisions"

#define DB(policy, update)                                                                                   \
    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"db\",\"uid\":\"u\",\"resourceVersion\":\"77\","        \
    "\"generation\":9,\"annotations\":{\"nightjar.dev/auto-rollback\":\"10m\"}},\"spec\":{\"replicas\":3,"   \
    "\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"podManagementPolicy\":\"" policy                      \
    "\",\"updateStrategy\":{\"type\":\"" update "\"},\"template\":{\"metadata\":{\"labels\":{\"app\":"       \
    "\"db\"}}}},\"status\":{\"observedGeneration\":9,\"updatedReplicas\":1,\"currentRevision\":\"db-bbb\","  \
    "\"updateRevision\":\"db-ccc\"}}"
#define LOG(template)                                                                                        \
    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"log\",\"uid\":\"u\",\"resourceVersion\":\"77\","       \
    "\"generation\":9,\"annotations\":{\"nightjar.dev/auto-rollback\":\"10m\","                              \
    "\"deprecated.daemonset.template.generation\":\"" template "\"}},\"spec\":{\"selector\":"                \
                                                               "{\"matchLabels\":{\"app\":\"log\"}},"        \
                                                               "\"updateStrategy\":{\"type\":"               \
                                                               "\"RollingUpdate\"},\"template\":{}},"        \
                                                               "\"status\":{\"observedGeneration\":9,"       \
                                                               "\"updatedNumberScheduled\":1}}"
#define REVISION(app, uid, hash, number, directive)                                                          \
    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" app "-" hash "\",\"labels\":{\"app\":\"" app         \
    "\",\"controller-revision-hash\":\"" hash "\"},\"ownerReferences\":[{\"uid\":\"" uid                     \
    "\",\"controller\":true}]},\"revision\":" number ",\"data\":{\"spec\":{\"template\":{" directive         \
    "\"metadata\":{\"labels\":{\"app\":\"" app                                                               \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" app "/" hash "\"}]}}}}}"
#define LIST(items) "{\"kind\":\"ControllerRevisionList\",\"items\":[" items "]}"
#define REPLACE "\"$patch\":\"replace\","
#define REVISIONS(app)                                                                                       \
    LIST(REVISION(app, "u", "aaa", "1", REPLACE) "," REVISION(app, "u", "ccc", "3", REPLACE) "," REVISION(   \
        app, "other", "xxx", "7", REPLACE) "," REVISION(app, "u", "bbb", "2", REPLACE))

static void begin_kind(struct setup *setup, const char *resource, const char *path, const char *object,
                       const char *revisions)
{
    begin_with(setup, DEPLOYMENT("3", "9", ASKS, ""));
    nj_workloads_close(setup->workloads, test_set_flag, &setup->closed);
    while (!setup->closed)
        fake_run_once(&setup->fake);
    setup->closed = false;
    (void)fake_resource(&setup->fake, resource, object);
    const struct nj_workloads_options options = {.loop = &setup->fake.test->loop,
                                                 .client = setup->fake.client,
                                                 .max_objects = 100,
                                                 .on_change = on_change,
                                                 .on_synced = on_synced,
                                                 .data = setup};
    assert_int_equal(0, nj_workloads_start(&options, &setup->workloads, NULL));
    while (!nj_workloads_synced(setup->workloads))
        fake_run_once(&setup->fake);
    (void)fake_object(&setup->fake, path, 200, object);
    (void)fake_object(&setup->fake, REVISIONS_PATH, 200, revisions);
}

static struct nj_rollout failed_db(void)
{
    struct nj_rollout rollout = failed();
    rollout.workload_kind = "StatefulSet";
    rollout.workload = "db";
    rollout.revision = rollout.template_hash = "db-ccc";
    rollout.from_revision = rollout.from_hash = "db-bbb";
    return rollout;
}

static struct nj_rollout failed_log(const char *hash)
{
    struct nj_rollout rollout = failed();
    rollout.workload_kind = "DaemonSet";
    rollout.workload = "log";
    rollout.template_hash = hash;
    rollout.from_hash = "";
    return rollout;
}

static void a_stateful_sets_revision_before_comes_back_and_what_is_left_is_said(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed_db();
    begin_kind(&setup, "statefulsets", DB_PATH, DB("OrderedReady", "RollingUpdate"), REVISIONS("db"));
    consider(&setup, &rollout);
    assert_true(setup.rolled_back);
    assert_string_equal(
        setup.text, "rolled back to revision 2 (db-bbb); a StatefulSet waits for a pod that never becomes "
                    "ready, also for one of the failed revision (Kubernetes issue 67250): if db-2 stays "
                    "so, delete it by hand");
    assert_int_equal(setup.fake.dry_runs, 1);
    assert_int_equal(setup.fake.patches, 1);
    assert_string_equal(
        nj_buf_str(&setup.fake.patched), DB_PATH
        " nightjar-collector  application/json-patch+json "
        "[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"77\"},"
        "{\"op\":\"replace\",\"path\":\"/spec/"
        "template\",\"value\":{\"metadata\":{\"labels\":{\"app\":\"db\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"db/bbb\"}]}}},"
        "{\"op\":\"add\",\"path\":\"/metadata/annotations/kubernetes.io~1change-cause\","
        "\"value\":\"nightjar: rolled back revision db-ccc to revision 2 (db-bbb): ImagePullBackOff\"},"
        "{\"op\":\"add\",\"path\":\"/metadata/annotations/"
        "nightjar.dev~1rolled-back\",\"value\":\"db-ccc\"}]");
    consider(&setup, &rollout);
    assert_string_equal(setup.text, "not rolled back: this template was rolled back before");
    assert_int_equal(setup.fake.patches, 1);
    end(&setup);
}

static void what_is_left_to_hands_depends_on_how_pods_change(void **state)
{
    (void)state;
    static const struct {
        const char *object, *text;
    } cases[] = {
        {DB("Parallel", "RollingUpdate"), "rolled back to revision 2 (db-bbb)"},
        {DB("OrderedReady", "OnDelete"),
         "rolled back to revision 2 (db-bbb); its pods change when somebody deletes them "
         "(updateStrategy OnDelete)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup setup;
        const struct nj_rollout rollout = failed_db();
        begin_kind(&setup, "statefulsets", DB_PATH, cases[i].object, REVISIONS("db"));
        consider(&setup, &rollout);
        assert_string_equal(setup.text, cases[i].text);
        end(&setup);
    }
}

/* Its revision only counts: which template it is its ControllerRevisions say. */
static void a_daemon_sets_revision_before_comes_back_once(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct setup setup;
        const struct nj_rollout rollout = failed_log(known ? "ccc" : "");
        begin_kind(&setup, "daemonsets", LOG_PATH, LOG("3"), REVISIONS("log"));
        consider(&setup, &rollout);
        assert_string_equal(setup.text, "rolled back to revision 2 (log-bbb)");
        assert_non_null(strstr(nj_buf_str(&setup.fake.patched), "\"image\":\"log/bbb\""));
        assert_non_null(strstr(nj_buf_str(&setup.fake.patched), "rolled-back\",\"value\":\"ccc\""));
        consider(&setup, &rollout);
        assert_string_equal(setup.text, "not rolled back: this template was rolled back before");
        assert_int_equal(setup.fake.patches, 1);
        end(&setup);
    }
}

static void controller_revisions_can_speak_against_it(void **state)
{
    (void)state;
    static const struct {
        const char *object, *revisions, *text;
        unsigned status;
    } cases[] = {
        {LOG("3"), LIST(""), "the failed revision's ControllerRevision is not there", 200},
        {LOG("3"), LIST(REVISION("log", "u", "ccc", "3", REPLACE)), "no earlier revision that was good", 200},
        /* Which only the API server could merge. */
        {LOG("3"),
         LIST(REVISION("log", "u", "ccc", "3", REPLACE) "," REVISION("log", "u", "bbb", "2",
                                                                     "\"$patch\":\"merge\",")),
         "no earlier revision that was good", 200},
        {LOG("3"), LIST(REVISION("log", "u", "ddd", "4", REPLACE)), "it was changed meanwhile", 200},
        {LOG("3"), "[", "cannot be read", 200},
        {LOG("3"), "{\"message\":\"no\"}",
         "the right to list controllerrevisions is missing (deploy/manifests/rollback grants it): no", 403},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup setup;
        const struct nj_rollout rollout = failed_log("ccc");
        begin_kind(&setup, "daemonsets", LOG_PATH, cases[i].object, cases[i].revisions);
        (void)fake_object(&setup.fake, REVISIONS_PATH, cases[i].status, cases[i].revisions);
        consider(&setup, &rollout);
        assert_false(setup.rolled_back);
        if (strstr(setup.text, cases[i].text) == NULL)
            fail_msg("case %zu: %s", i, setup.text);
        assert_int_equal(setup.fake.dry_runs + setup.fake.patches, 0);
        end(&setup);
    }
}

static void a_controller_revision_that_failed_is_passed_over(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed_db();
    struct nj_rollout before = failed_db();
    before.id = 2;
    before.revision = before.template_hash = "db-bbb";
    begin_kind(&setup, "statefulsets", DB_PATH, DB("Parallel", "RollingUpdate"), REVISIONS("db"));
    nj_rollback_note(setup.rollback, &before);
    consider(&setup, &rollout);
    assert_string_equal(setup.text, "rolled back to revision 1 (db-aaa)");
    end(&setup);
}

static void only_so_many_an_hour(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    /* What an earlier process did counts. */
    for (int i = 0; i < 2; i++) {
        struct nj_rollout before = failed();
        before.workload = i == 0 ? "one" : "two";
        before.changed_by = NJ_ROLLBACK_MANAGER;
        before.outcome = NJ_ROLLOUT_DONE;
        before.began_ns = NOON_NS - (10 + 20 * i) * NJ_MIN;
        nj_rollback_note(setup.rollback, &before);
    }
    consider(&setup, &rollout);
    assert_non_null(strstr(setup.text, "within the hour"));
    assert_int_equal(setup.fake.dry_runs, 0);
    end(&setup);
}

static void it_can_end_while_it_asks(void **state)
{
    (void)state;
    struct setup setup;
    const struct nj_rollout rollout = failed();
    begin_with(&setup, DEPLOYMENT("3", "9", ASKS, ""));
    assert_true(nj_rollback_consider(setup.rollback, setup.workloads, &rollout));
    end(&setup);
    assert_int_equal(setup.told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_before_comes_back_after_a_dry_run),
        cmocka_unit_test(a_revision_that_failed_is_passed_over),
        cmocka_unit_test(what_speaks_against_it_is_told),
        cmocka_unit_test(who_does_not_ask_is_left_alone),
        cmocka_unit_test(a_scaling_meanwhile_is_no_objection),
        cmocka_unit_test(one_that_failed_before_a_restart_is_taken_up_while_it_is_wanted),
        cmocka_unit_test(a_stateful_sets_revision_before_comes_back_and_what_is_left_is_said),
        cmocka_unit_test(what_is_left_to_hands_depends_on_how_pods_change),
        cmocka_unit_test(a_daemon_sets_revision_before_comes_back_once),
        cmocka_unit_test(controller_revisions_can_speak_against_it),
        cmocka_unit_test(a_controller_revision_that_failed_is_passed_over),
        cmocka_unit_test(only_so_many_an_hour),
        cmocka_unit_test(it_can_end_while_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
