/*
 * Rollouts by how pods are changed: Recreate, without a surge, scaled meanwhile, by hand (OnDelete), in part
 * (partition), node by node; and whose change each was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cluster/workloads_internal.h"
#include "collector/sla/rollouts.h"
#include "collector/sla/rollouts_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

enum { STORED_MAX = 16 };

struct bench {
    struct nj_workloads *workloads;
    struct nj_rollouts *rollouts;
    struct nj_rollouts_record *stored[STORED_MAX]; /* by id */
    int wanted[STORED_MAX];                        /* differences */
};

static void on_rollout(void *data, const struct nj_rollout *rollout)
{
    struct bench *bench = data;
    assert_in_range(rollout->id, 1, STORED_MAX - 1);
    nj_rollouts_record_free(bench->stored[rollout->id]);
    bench->stored[rollout->id] = nj_rollouts_record_new(rollout);
}

static void on_wanted(void *data, const struct nj_rollout *rollout)
{
    ((struct bench *)data)->wanted[rollout->id]++;
}

static void on_change(void *data, const struct nj_workloads_item *before,
                      const struct nj_workloads_item *after, int64_t at_ns)
{
    struct bench *bench = data;
    nj_rollouts_change(bench->rollouts, bench->workloads, before, after, at_ns);
}

static void open_core(struct bench *bench)
{
    const struct nj_rollouts_options options = {
        .max_rollouts = 100, .on_rollout = on_rollout, .on_difference_wanted = on_wanted, .data = bench};
    bench->rollouts = nj_rollouts_new(&options, 1);
}

static int setup(void **state)
{
    struct bench *bench = NJ_NEW(struct bench);
    const struct nj_workloads_options workloads = {.max_objects = 100, .on_change = on_change, .data = bench};
    bench->workloads = nj_workloads_new(&workloads);
    open_core(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    nj_rollouts_free(bench->rollouts);
    nj_workloads_free(bench->workloads);
    for (size_t i = 0; i < STORED_MAX; i++)
        nj_rollouts_record_free(bench->stored[i]);
    free(bench);
    return 0;
}

static const struct nj_rollout *stored(const struct bench *bench, int64_t id)
{
    assert_non_null(bench->stored[id]);
    return &bench->stored[id]->view;
}

static int64_t second(int s)
{
    return INT64_C(1795262400) * NJ_SEC + s * NJ_SEC;
}

struct object {
    const char *revision, *more_annotations, *managed, *spec, *pod_spec, *status, *image;
    int generation, observed, desired, replicas, updated, ready;
};

static void put(struct bench *bench, enum nj_kube_kind kind, const struct object *o, int s)
{
    static const char *const revisions[] = {"deployment.kubernetes.io/revision",
                                            "deprecated.daemonset.template.generation"};
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_err err = {0};
    bool daemon = kind == NJ_KUBE_DAEMON_SET;
    char *text = nj_asprintf(
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u%d\",\"generation\":%d,"
        "\"annotations\":{\"%s\":\"%s\"%s},\"managedFields\":[%s]},\"spec\":{\"replicas\":%d%s,\"template\":{"
        "\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}},\"status\":{"
        "\"observedGeneration\":%"
        "d,"
        "\"%s\":%d,\"%s\":%d,\"%s\":%d,\"%s\":%d,\"desiredNumberScheduled\":%d%s}}",
        (int)kind, o->generation, revisions[daemon], o->revision, nj_str(o->more_annotations),
        nj_str(o->managed), o->desired, nj_str(o->spec), nj_str(o->pod_spec), o->image, o->observed,
        daemon ? "currentNumberScheduled" : "replicas", o->replicas,
        daemon ? "updatedNumberScheduled" : "updatedReplicas", o->updated,
        daemon ? "numberReady" : "readyReplicas", o->ready, daemon ? "numberAvailable" : "availableReplicas",
        o->ready, o->desired, nj_str(o->status));
    nj_arena_init(&arena, 1 << 20);
    if (nj_kube_decode(NJ_KUBE_JSON, kind, text, strlen(text), &arena, &object, &err) < 0)
        fail_msg("%s: %s", err.text, text);
    nj_workloads_take(bench->workloads, NJ_WATCH_MODIFIED, &object, second(s));
    nj_arena_done(&arena);
    free(text);
}

static struct object settled(const char *revision, int generation)
{
    return (struct object){.revision = revision,
                           .image = "web:1",
                           .generation = generation,
                           .observed = generation,
                           .desired = 3,
                           .replicas = 3,
                           .updated = 3,
                           .ready = 3};
}

static struct object under_way(const char *revision, int generation, int replicas, int updated, int ready)
{
    struct object object = settled(revision, generation);
    object.image = "web:2";
    object.replicas = replicas;
    object.updated = updated;
    object.ready = ready;
    return object;
}

#define DEPLOYMENT "shop", "Deployment", "web"
#define STATEFUL_SET "shop", "StatefulSet", "web"
#define DAEMON_SET "shop", "DaemonSet", "web"

static void service(struct bench *bench, const char *kind, enum nj_workloads_kind of, bool available, int s)
{
    const struct nj_workloads_item *item = nj_workloads_find(bench->workloads, of, "shop", "web");
    nj_rollouts_service(bench->rollouts, "shop", kind, "web", available, nj_rollouts_absence_ns(item),
                        second(s));
}

/* ---- Deployments */

static void one_that_recreates_its_pods_may_be_away_until_these_have_ended_and_begun(void **state)
{
    struct bench *bench = *state;
    struct object o = settled("1", 1);
    o.spec = ",\"strategy\":{\"type\":\"Recreate\"}";
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 0);
    struct object none = under_way("2", 2, 0, 0, 0);
    none.spec = o.spec;
    put(bench, NJ_KUBE_DEPLOYMENT, &none, 10);
    service(bench, "Deployment", NJ_WORKLOADS_DEPLOYMENT, false, 10);
    /* 30 s for the old ones to end, 30 s for the new ones to begin. */
    nj_rollouts_tick(bench->rollouts, second(69));
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    service(bench, "Deployment", NJ_WORKLOADS_DEPLOYMENT, true, 69);
    struct object done = under_way("2", 2, 3, 3, 3);
    done.spec = o.spec;
    put(bench, NJ_KUBE_DEPLOYMENT, &done, 70);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    assert_int_equal(stored(bench, 1)->outage_ns, 59 * NJ_SEC);
    assert_int_equal(stored(bench, 1)->min_available, 0);
    /* The next one stays away. */
    none.revision = "3";
    none.generation = none.observed = 3;
    put(bench, NJ_KUBE_DEPLOYMENT, &none, 100);
    service(bench, "Deployment", NJ_WORKLOADS_DEPLOYMENT, false, 100);
    nj_rollouts_tick(bench->rollouts, second(160));
    assert_string_equal(stored(bench, 2)->reason, "Outage");
    /* They have longer to end, but not for ever. */
    none.pod_spec = "\"terminationGracePeriodSeconds\":90,";
    put(bench, NJ_KUBE_DEPLOYMENT, &none, 200);
    const struct nj_workloads_item *item =
        nj_workloads_find(bench->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web");
    assert_int_equal(nj_rollouts_absence_ns(item), 120 * NJ_SEC);
    none.pod_spec = "\"terminationGracePeriodSeconds\":999999999999,";
    put(bench, NJ_KUBE_DEPLOYMENT, &none, 201);
    item = nj_workloads_find(bench->workloads, NJ_WORKLOADS_DEPLOYMENT, "shop", "web");
    assert_int_equal(nj_rollouts_absence_ns(item), 630 * NJ_SEC);
}

/* maxSurge 0: an old pod goes before a new one comes. */
static void without_a_surge_it_is_done_when_all_new_ones_work(void **state)
{
    struct bench *bench = *state;
    struct object o = settled("1", 1);
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 0);
    static const struct {
        int replicas, updated, ready;
        bool running;
    } steps[] = {{3, 1, 2, true}, {3, 2, 2, true}, {3, 3, 2, true}, {3, 3, 3, false}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        o = under_way("2", 2, steps[i].replicas, steps[i].updated, steps[i].ready);
        put(bench, NJ_KUBE_DEPLOYMENT, &o, 10 + (int)i);
        assert_int_equal(nj_rollouts_running(bench->rollouts, DEPLOYMENT) != NULL, steps[i].running);
    }
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
    assert_int_equal(stored(bench, 1)->min_available, 2);
}

static void scaling_meanwhile_is_no_other_rollout(void **state)
{
    struct bench *bench = *state;
    struct object o = settled("1", 1);
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 0);
    o = under_way("2", 2, 4, 1, 3);
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 10);
    o.desired = 5;
    o.generation = 3;
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 11);
    o.observed = 3;
    o.replicas = 6;
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 12);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    assert_int_equal(stored(bench, 1)->desired, 5);
    assert_null(bench->stored[2]);
    o.replicas = o.updated = o.ready = 5;
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 20);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
}

#define PAST_DEADLINE(time)                                                                                  \
    ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":"                            \
    "\"ProgressDeadlineExceeded\","                                                                          \
    "\"message\":\"late\",\"lastTransitionTime\":\"" time "\"}]"

/* As an automatic rollback is: within the second. */
static void what_undoes_a_late_one_at_once_is_not_late_itself(void **state)
{
    struct bench *bench = *state;
    int64_t at_ns = 0;
    assert_int_equal(0, nj_time_parse("2026-11-21T12:00:30Z", 20, &at_ns));
    int s = (int)((at_ns - second(0)) / NJ_SEC);
    struct object o = settled("1", 1);
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s - 20);
    o = under_way("2", 2, 4, 1, 3);
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s - 10);
    o.status = PAST_DEADLINE("2026-11-21T12:00:30Z");
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s);
    assert_string_equal(stored(bench, 1)->reason, "ProgressDeadlineExceeded");
    o = under_way("3", 3, 4, 1, 3);
    o.observed = 2;
    o.status = PAST_DEADLINE("2026-11-21T12:00:30Z"); /* still that of the one before */
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s);
    assert_int_equal(stored(bench, 2)->failed_ns, 0);
    o.observed = 3;
    o.status = "";
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s);
    o.status = PAST_DEADLINE("2026-11-21T12:10:30Z");
    put(bench, NJ_KUBE_DEPLOYMENT, &o, s + 600);
    assert_string_equal(stored(bench, 2)->reason, "ProgressDeadlineExceeded");
}

/* ---- whose change it was */

#define BY(manager, time, fields)                                                                            \
    "{\"manager\":\"" manager "\",\"operation\":\"Update\",\"time\":\"" time                                 \
    "\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:spec\":{" fields "}}}"
#define TEMPLATE "\"f:template\":{\"f:spec\":{}}"

static void it_is_known_of_all_kinds_whose_change_it_was(void **state)
{
    static const char managed[] = BY("helm", "2026-11-20T09:00:00Z", TEMPLATE) "," BY(
        "argocd-controller", "2026-11-21T09:00:00Z", TEMPLATE) "," BY("hpa", "2026-11-21T10:00:00Z",
                                                                      "\"f:replicas\":{}");
    static const enum nj_kube_kind kinds[] = {NJ_KUBE_DEPLOYMENT, NJ_KUBE_STATEFUL_SET, NJ_KUBE_DAEMON_SET};
    struct bench *bench = *state;
    for (int i = 0; i < 3; i++) {
        struct object o = settled("1", 1);
        o.status = ",\"currentRevision\":\"web-1\",\"updateRevision\":\"web-1\"";
        put(bench, kinds[i], &o, 0);
        o = under_way("2", 2, 3, 1, 2);
        o.status = ",\"currentRevision\":\"web-1\",\"updateRevision\":\"web-2\"";
        o.managed = managed;
        o.more_annotations = ",\"kubernetes.io/change-cause\":\"ticket 7\"";
        put(bench, kinds[i], &o, 10);
        assert_string_equal(stored(bench, 1 + i)->changed_by, "argocd-controller");
        assert_string_equal(stored(bench, 1 + i)->change_cause, "ticket 7");
        assert_string_equal(stored(bench, 1 + i)->images, "c=web:2");
        assert_string_equal(stored(bench, 1 + i)->from_images, "c=web:1");
    }
}

static void a_cause_is_the_changes_that_it_came_with(void **state)
{
    struct bench *bench = *state;
    static const char first[] = ",\"kubernetes.io/change-cause\":\"first\"";
    static const char second_one[] = ",\"kubernetes.io/change-cause\":\"second\"";
    struct object o = settled("1", 1);
    o.more_annotations = first;
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 0);
    o = under_way("2", 2, 4, 1, 3);
    o.more_annotations = first; /* left from the change before */
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 10);
    assert_string_equal(stored(bench, 1)->change_cause, "");
    o.more_annotations = second_one; /* as kubectl's manual does it, after the change */
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 11);
    assert_string_equal(stored(bench, 1)->change_cause, "second");
    struct object done = under_way("2", 2, 3, 3, 3);
    done.more_annotations = second_one;
    put(bench, NJ_KUBE_DEPLOYMENT, &done, 20);
    /* After a restart too. */
    nj_rollouts_free(bench->rollouts);
    open_core(bench);
    nj_rollouts_load(bench->rollouts, stored(bench, 1));
    o = under_way("3", 3, 4, 1, 3);
    o.more_annotations = second_one;
    put(bench, NJ_KUBE_DEPLOYMENT, &o, 30);
    assert_string_equal(stored(bench, 2)->change_cause, "");
    assert_string_equal(stored(bench, 1)->change_cause, "second");
}

/* ---- StatefulSets */

static void put_set(struct bench *bench, const char *spec, const char *update, int updated, int ready, int s)
{
    char status[128];
    (void)snprintf(status, sizeof(status), ",\"currentRevision\":\"web-1\",\"updateRevision\":\"%s\"",
                   update);
    struct object o = under_way("", 1, 3, updated, ready);
    o.spec = spec;
    o.status = status;
    put(bench, NJ_KUBE_STATEFUL_SET, &o, s);
}

static int64_t crash(struct bench *bench, const char *kind, const char *pod, int s)
{
    return nj_rollouts_pod_trouble(bench->rollouts, "shop", kind, "web", pod, "CrashLoopBackOff", "",
                                   second(s));
}

static void pods_that_change_by_hand_bring_a_failure_only_while_they_do(void **state)
{
    static const char by_hand[] = ",\"updateStrategy\":{\"type\":\"OnDelete\"}";
    enum { WEEK = 7 * 24 * 3600 };
    struct bench *bench = *state;
    put_set(bench, by_hand, "web-1", 3, 3, 0);
    put_set(bench, by_hand, "web-2", 0, 3, 10);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_RUNNING);
    nj_rollouts_tick(bench->rollouts, second(WEEK));
    /* No pod has changed: what crashes is an old one, what is away is away for another reason. */
    assert_int_equal(crash(bench, "StatefulSet", "web-1", WEEK), 0);
    service(bench, "StatefulSet", NJ_WORKLOADS_STATEFUL_SET, false, WEEK);
    nj_rollouts_tick(bench->rollouts, second(WEEK + 300));
    service(bench, "StatefulSet", NJ_WORKLOADS_STATEFUL_SET, true, WEEK + 301);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    /* Somebody deletes one. */
    put_set(bench, by_hand, "web-2", 1, 2, WEEK + 1000);
    service(bench, "StatefulSet", NJ_WORKLOADS_STATEFUL_SET, false, WEEK + 1000);
    nj_rollouts_tick(bench->rollouts, second(WEEK + 1059));
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    nj_rollouts_tick(bench->rollouts, second(WEEK + 1060));
    assert_string_equal(stored(bench, 1)->reason, "Outage");
    service(bench, "StatefulSet", NJ_WORKLOADS_STATEFUL_SET, true, WEEK + 1100);
    put_set(bench, by_hand, "web-2", 3, 3, WEEK + 2000);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_DONE);
}

static void a_canary_that_crashes_has_failed_and_the_others_are_not_its_own(void **state)
{
    static const char canary[] = ",\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}";
    struct bench *bench = *state;
    put_set(bench, canary, "web-1", 3, 3, 0);
    put_set(bench, canary, "web-2", 0, 2, 10);
    put_set(bench, canary, "web-2", 1, 2, 11);
    assert_int_equal(crash(bench, "StatefulSet", "web-1", 12), 0);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    assert_int_equal(crash(bench, "StatefulSet", "web-2", 13), 1);
    assert_string_equal(stored(bench, 1)->reason, "CrashLoop");
    assert_int_equal(bench->wanted[1], 1);
}

static void a_stateful_sets_pod_may_take_its_grace_to_end(void **state)
{
    struct bench *bench = *state;
    put_set(bench, "", "web-1", 3, 3, 0);
    put_set(bench, "", "web-2", 1, 2, 10);
    service(bench, "StatefulSet", NJ_WORKLOADS_STATEFUL_SET, false, 10);
    nj_rollouts_tick(bench->rollouts, second(69));
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    nj_rollouts_tick(bench->rollouts, second(70));
    assert_string_equal(stored(bench, 1)->reason, "Outage");
}

/* ---- DaemonSets */

static void put_daemons(struct bench *bench, const char *spec, const char *template, int generation,
                        int observed, int updated, int s)
{
    struct object o = under_way(template, generation, 3, updated, updated == 3 ? 3 : 2);
    o.observed = observed;
    o.spec = spec;
    o.image = "web:1"; /* only its settings change */
    put(bench, NJ_KUBE_DAEMON_SET, &o, s);
}

/* Its number only counts: that an earlier template came back its ControllerRevisions say. */
static void a_daemon_set_that_is_undone_is_known_by_its_templates(void **state)
{
    struct bench *bench = *state;
    put_daemons(bench, "", "1", 1, 1, 3, 0);
    put_daemons(bench, "", "2", 2, 1, 3, 10);
    assert_int_equal(bench->wanted[1], 0); /* its controller has not written it yet */
    put_daemons(bench, "", "2", 2, 2, 1, 11);
    assert_int_equal(bench->wanted[1], 1);
    nj_rollouts_set_templates(bench->rollouts, 1, "bbb", "aaa", "c=web:1");
    assert_string_equal(stored(bench, 1)->template_hash, "bbb");
    put_daemons(bench, "", "3", 3, 3, 1, 20);
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_SUPERSEDED);
    assert_string_equal(stored(bench, 2)->from_hash, "bbb");
    put_daemons(bench, "", "3", 3, 3, 3, 21); /* done before it is known */
    nj_rollouts_set_templates(bench->rollouts, 2, "aaa", "bbb", "c=web:1");
    assert_int_equal(stored(bench, 1)->outcome, NJ_ROLLOUT_ROLLED_BACK);
    assert_string_equal(stored(bench, 1)->reason, "RolledBack");
    assert_int_equal(stored(bench, 2)->outcome, NJ_ROLLOUT_DONE);
}

static void daemons_that_change_by_hand_take_their_time(void **state)
{
    static const char by_hand[] = ",\"updateStrategy\":{\"type\":\"OnDelete\"}";
    struct bench *bench = *state;
    put_daemons(bench, by_hand, "1", 1, 1, 3, 0);
    put_daemons(bench, by_hand, "2", 2, 2, 0, 10);
    nj_rollouts_tick(bench->rollouts, second(100000));
    assert_int_equal(crash(bench, "DaemonSet", "web-x1", 100000), 0);
    assert_int_equal(stored(bench, 1)->failed_ns, 0);
    put_daemons(bench, by_hand, "2", 2, 2, 1, 100001);
    assert_int_equal(crash(bench, "DaemonSet", "web-x2", 100002), 1);
    assert_string_equal(stored(bench, 1)->reason, "CrashLoop");
}

/* ---- what came of rolling it back */

static void a_rollback_is_part_of_the_record(void **state)
{
    struct bench *bench = *state;
    put_set(bench, "", "web-1", 3, 3, 0);
    put_set(bench, "", "web-2", 1, 2, 10);
    (void)crash(bench, "StatefulSet", "web-2", 13);
    nj_rollouts_set_rollback(bench->rollouts, 1, "rolled back to revision 1");
    nj_rollouts_set_rollback(bench->rollouts, 1, "rolled back to revision 1");
    assert_string_equal(stored(bench, 1)->message,
                        "pod web-2 crashes again and again (CrashLoopBackOff); rolled back to revision 1");
    assert_string_equal(nj_rollouts_find(bench->rollouts, 1)->message, stored(bench, 1)->message);
    assert_null(nj_rollouts_find(bench->rollouts, 2));
    nj_rollouts_set_rollback(bench->rollouts, 2, "of another one");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(one_that_recreates_its_pods_may_be_away_until_these_have_ended_and_begun),
        CASE(without_a_surge_it_is_done_when_all_new_ones_work),
        CASE(scaling_meanwhile_is_no_other_rollout),
        CASE(what_undoes_a_late_one_at_once_is_not_late_itself),
        CASE(it_is_known_of_all_kinds_whose_change_it_was),
        CASE(a_cause_is_the_changes_that_it_came_with),
        CASE(pods_that_change_by_hand_bring_a_failure_only_while_they_do),
        CASE(a_canary_that_crashes_has_failed_and_the_others_are_not_its_own),
        CASE(a_stateful_sets_pod_may_take_its_grace_to_end),
        CASE(a_daemon_set_that_is_undone_is_known_by_its_templates),
        CASE(daemons_that_change_by_hand_take_their_time),
        CASE(a_rollback_is_part_of_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
