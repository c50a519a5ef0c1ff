/*
 * What counts as a crash, as lost, as stuck, as over: one rule a test, on made-up pods.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/unit/agent/detect_sim.h"

enum { CONTAINERS = 4 };

/* 2026-11-21T09:00:00Z; every time below is seconds after it. */
static const int64_t epoch_ns = INT64_C(1795251600) * NJ_SEC;

static int64_t at(int64_t seconds)
{
    return epoch_ns + seconds * NJ_SEC;
}

/* A pod with its parts in one place, to be changed between two looks at it. */
struct fake {
    struct nj_kube_object object;
    struct nj_container_status status[CONTAINERS];
    struct nj_container_spec spec[CONTAINERS];
    struct nj_pod_condition condition[4];
    struct nj_kube_owner owner;
    struct nj_kube_pair label, annotation;
};

static const struct nj_container_state none = {.reason = "", .message = "", .container_id = ""};

static void fake_init(struct fake *fake, const char *name)
{
    *fake = (struct fake){
        .object = {.kind = NJ_KUBE_POD,
                   .meta = {.name = name,
                            .namespace = "shop",
                            .uid = name,
                            .resource_version = "1",
                            .created_ns = at(0),
                            .deletion_grace_seconds = -1},
                   .pod = {.node_name = "node1",
                           .restart_policy = "Always",
                           .phase = "Running",
                           .reason = "",
                           .message = ""}},
        .owner = {"apps/v1", "ReplicaSet", "web-5d9f8c7b6", "rs-uid", true},
        .label = {"pod-template-hash", "5d9f8c7b6"},
    };
    struct nj_kube_meta *meta = &fake->object.meta;
    meta->owners = &fake->owner;
    meta->owners_count = 1;
    meta->labels = &fake->label;
    meta->labels_count = 1;
    fake->object.pod.containers = fake->spec;
    fake->object.pod.statuses = fake->status;
    fake->object.pod.conditions = fake->condition;
}

static struct nj_container_status *add(struct fake *fake, const char *name, enum nj_container_type type)
{
    size_t n = fake->object.pod.statuses_count++;
    fake->object.pod.containers_count++;
    fake->spec[n] = (struct nj_container_spec){.name = name,
                                               .image = "registry/app:1",
                                               .type = type,
                                               .memory_limit_bytes = 24 << 20,
                                               .cpu_limit_millis = 500};
    fake->status[n] = (struct nj_container_status){.name = name,
                                                   .image = "sha256:1",
                                                   .container_id = "",
                                                   .type = type,
                                                   .state = none,
                                                   .last_state = none};
    return &fake->status[n];
}

static struct nj_container_state running(int64_t since)
{
    struct nj_container_state state = none;
    state.kind = NJ_STATE_RUNNING;
    state.started_ns = at(since);
    return state;
}

static struct nj_container_state waiting(const char *reason)
{
    struct nj_container_state state = none;
    state.kind = NJ_STATE_WAITING;
    state.reason = reason;
    return state;
}

static struct nj_container_state ended(const char *id, int exit_code, const char *reason, int64_t from,
                                       int64_t to)
{
    struct nj_container_state state = none;
    state.kind = NJ_STATE_TERMINATED;
    state.container_id = id;
    state.exit_code = exit_code;
    state.reason = reason;
    state.started_ns = at(from);
    state.finished_ns = at(to);
    return state;
}

static const char *const ids[] = {"x://0", "x://1", "x://2", "x://3", "x://4", "x://5"};

/* The kubelet lost sight of it: no id, no times. */
static struct nj_container_state unknown(void)
{
    struct nj_container_state state = none;
    state.kind = NJ_STATE_TERMINATED;
    state.exit_code = 137;
    state.reason = "ContainerStatusUnknown";
    return state;
}

static void delete_at(struct fake *fake, int64_t requested, int64_t grace)
{
    fake->object.meta.deleted_ns = at(requested + grace);
    fake->object.meta.deletion_grace_seconds = grace;
}

static void condition(struct fake *fake, const char *type, const char *status, const char *reason,
                      int64_t since)
{
    fake->condition[fake->object.pod.conditions_count++] =
        (struct nj_pod_condition){type, status, reason, "", at(since)};
}

/* An agent that has been here from the start, with one pod of one container. */
struct fixture {
    struct sim sim;
    struct fake pod;
    struct nj_container_status *c;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -1;
    sim_init(&f->sim, at(-100));
    nj_detector_synced(f->sim.detector, at(-99));
    sim_commit(&f->sim, SIZE_MAX);
    fake_init(&f->pod, "web-1");
    f->c = add(&f->pod, "c", NJ_CONTAINER_APP);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    free(f);
    return 0;
}

static void look(struct fixture *f, int64_t now)
{
    sim_run_until(&f->sim, at(now));
    nj_detector_pod(f->sim.detector, NJ_WATCH_MODIFIED, &f->pod.object, at(now));
}

static void look_deleted(struct fixture *f, int64_t now)
{
    nj_detector_pod(f->sim.detector, NJ_WATCH_DELETED, &f->pod.object, at(now));
}

/* kill -9, with everything stored, and a new process that lists the pod. */
static void restart(struct fixture *f, int64_t now)
{
    sim_kill(&f->sim, SIZE_MAX);
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(now));
    nj_detector_synced(f->sim.detector, at(now));
}

static size_t crashes(const struct fixture *f)
{
    return sim_count(&f->sim, NJ_EVENT_CRASH, NULL, NULL);
}

static const struct sim_event *crash(const struct fixture *f, size_t n)
{
    return sim_get(&f->sim, NJ_EVENT_CRASH, NULL, NULL, n);
}

/* --- crashes --- */

static void test_crash_has_everything(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 2);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0); /* a pod that is well costs nothing */
    f->c->state = ended("containerd://a", 3, "Error", 1, 5);
    f->c->state.message = "cannot reach db";
    f->c->state.signal = 6;
    look(f, 6);
    assert_int_equal(crashes(f), 1);
    const struct sim_event *told = crash(f, 0);
    assert_string_equal(told->container_id, "containerd://a");
    assert_string_equal(told->container_type, "app");
    assert_string_equal(told->reason, "Error");
    assert_string_equal(told->message, "cannot reach db");
    assert_string_equal(told->image, "registry/app:1");
    assert_string_equal(told->directory_uid, "web-1");
    assert_string_equal(told->owner_kind, "ReplicaSet");
    assert_string_equal(told->owner_name, "web-5d9f8c7b6");
    assert_int_equal(told->exit_code, 3);
    assert_int_equal(told->started_ns, at(1));
    assert_int_equal(told->finished_ns, at(5));
    assert_int_equal(told->at_ns, at(5));
    assert_true(told->first_told);
    look(f, 7);
    assert_int_equal(f->sim.events_count, 1); /* the same status again is no news */
}

/* Seen after the container was restarted already. */
static void test_restarted_at_once(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ContainerCreating");
    look(f, 1);
    f->c->state = running(3);
    f->c->restart_count = 1;
    f->c->last_state = ended("containerd://a", 2, "Error", 2, 3);
    look(f, 4);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(crash(f, 0)->attempt, 0);
    assert_true(crash(f, 0)->previous);
    assert_int_equal(sim_lost(&f->sim), 0);
}

struct attempt_case {
    struct nj_container_state state, last_state;
    int restart_count, attempt, or_attempt; /* -1: no other candidate */
};

static void test_attempts(void **state)
{
    struct fixture *f = *state;
    const struct nj_container_state end = ended("x://1", 1, "Error", 10, 11);
    const struct attempt_case cases[] = {
        {end, none, 4, 4, -1},                           /* terminated */
        {waiting("CrashLoopBackOff"), end, 4, 4, 3},     /* held back */
        {running(12), end, 4, 3, -1},                    /* running again */
        {waiting("ImagePullBackOff"), end, 4, 4, 3},     /* cannot be restarted */
        {waiting("CreateContainerError"), end, 4, 4, 3}, /* likewise */
        {waiting(""), end, 4, 3, 4},                     /* the next one is created, not started */
        {waiting("ContainerCreating"), end, 4, 3, 4},    /* the sandbox is made anew */
        {end, none, 0, 0, -1},                           /* the first */
        {waiting("CrashLoopBackOff"), end, 0, 0, -1},    /* likewise, held back */
        {unknown(), none, 3, 2, 3},                      /* lost: the kubelet has added one */
        {waiting("ContainerCreating"), unknown(), 3, 2, 3},
        {running(12), unknown(), 3, 2, 3},
        {unknown(), none, 0, 0, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char uid[32];
        (void)snprintf(uid, sizeof(uid), "pod-%zu", i);
        f->pod.object.meta.uid = f->pod.object.meta.name = uid;
        f->c->state = cases[i].state;
        f->c->last_state = cases[i].last_state;
        f->c->restart_count = cases[i].restart_count;
        look(f, 20);
        const struct sim_event *told = sim_get(&f->sim, NJ_EVENT_CRASH, uid, NULL, 0);
        assert_int_equal(told->attempt, cases[i].attempt);
        assert_int_equal(told->attempts[0], cases[i].attempt);
        assert_int_equal(told->attempts_count, cases[i].or_attempt < 0 ? 1 : 2);
        if (cases[i].or_attempt >= 0)
            assert_int_equal(told->attempts[1], cases[i].or_attempt);
        assert_int_equal(told->previous, cases[i].state.kind != NJ_STATE_TERMINATED);
        /* All the restarts before are accounted for, too. */
        assert_int_equal(
            sim_get(&f->sim, NJ_EVENT_CRASH, uid, NULL, 0)->attempt,
            cases[i].attempt == 0 ? 0 : sim_get(&f->sim, NJ_EVENT_LOST_CRASHES, uid, NULL, 0)->count);
    }
}

/* Both the newest instances at once: numbers n-1 and n, the older told first. */
static void test_two_at_once(void **state)
{
    struct fixture *f = *state;
    f->c->restart_count = 1;
    f->c->last_state = ended("x://0", 1, "Error", 1, 2);
    f->c->state = ended("x://1", 137, "OOMKilled", 3, 4);
    look(f, 5);
    assert_int_equal(f->sim.events_count, 2);
    assert_string_equal(f->sim.events[0].container_id, "x://0");
    assert_int_equal(f->sim.events[0].attempt, 0);
    assert_string_equal(f->sim.events[1].container_id, "x://1");
    assert_int_equal(f->sim.events[1].attempt, 1);
}

/* The number stays what it was when the container goes from terminated to held back to running again. */
static void test_one_end_in_all_its_places(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 1);
    f->c->state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    f->c->last_state = f->c->state;
    f->c->state = waiting("CrashLoopBackOff");
    look(f, 4);
    f->c->state = running(20);
    f->c->restart_count = 1;
    look(f, 21);
    f->c->last_state = none; /* the kubelet has removed it */
    look(f, 30);
    f->c->state = waiting("ContainerCreating");
    look(f, 31);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_lost(&f->sim), 0);
}

static void test_completed_is_no_crash(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.restart_policy = "Never";
    f->pod.object.pod.phase = "Succeeded";
    f->c->state = ended("x://0", 0, "Completed", 1, 2);
    look(f, 3);
    look_deleted(f, 4);
    assert_int_equal(f->sim.events_count, 0);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
    assert_int_equal(f->sim.records_count, 1); /* the baseline's alone */
}

/* A container that ends well and is started again for ever: no crash, and none lost, also for a new process.
 */
static void test_completed_again_and_again(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 1);
    for (int64_t n = 0; n < 6; n++) {
        f->c->state = ended(ids[n], 0, "Completed", 10 * n, 10 * n + 5);
        look(f, 10 * n + 6);
        f->c->last_state = f->c->state;
        f->c->state = running(10 * n + 9);
        f->c->restart_count = (int32_t)n + 1;
        look(f, 10 * n + 9);
        restart(f, 10 * n + 9);
        nj_detector_pod(f->sim.detector, NJ_WATCH_MODIFIED, &f->pod.object, at(10 * n + 9));
    }
    assert_int_equal(f->sim.events_count, 0);
}

static void test_every_type_of_container(void **state)
{
    struct fixture *f = *state;
    static const enum nj_container_type types[] = {NJ_CONTAINER_INIT, NJ_CONTAINER_SIDECAR,
                                                   NJ_CONTAINER_EPHEMERAL};
    static const char *const names[] = {"init", "sidecar", "ephemeral"};
    f->c->state = running(1);
    for (int i = 0; i < 3; i++)
        add(&f->pod, names[i], types[i])->state = ended(names[i], 1, "Error", 1, 2);
    look(f, 3);
    assert_int_equal(crashes(f), 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(sim_get(&f->sim, NJ_EVENT_CRASH, NULL, names[i], 0)->container_type, names[i]);
}

static void test_reasons_are_kept(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *reason;
        int exit_code;
    } cases[] = {{"StartError", 128},
                 {"ContainerCannotRun", 127},
                 {"Unknown", 255},
                 {"seccomp killed", 159},
                 {"OOMKilled", 137}};
    for (int i = 0; i < 5; i++) {
        f->c->state = ended(cases[i].reason, cases[i].exit_code, cases[i].reason, i, i + 1);
        f->c->restart_count = i;
        look(f, i + 2);
        assert_string_equal(crash(f, (size_t)i)->reason, cases[i].reason);
    }
    assert_int_equal(crashes(f), 5);
}

/* A restart that the kubelet makes of all the pod's containers is nobody's crash. */
static void test_restarting_all_containers(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 137, "RestartingAllContainers", 1, 2);
    look(f, 3);
    assert_int_equal(f->sim.events_count, 0);
}

/* Error turns out to be OOMKilled: the same crash, told better. */
static void test_reason_is_corrected(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 137, "Error", 1, 2);
    look(f, 3);
    f->c->state.reason = "OOMKilled";
    look(f, 4);
    assert_int_equal(f->sim.events_count, 2);
    assert_string_equal(f->sim.events[0].id, f->sim.events[1].id);
    assert_string_equal(f->sim.events[1].reason, "OOMKilled");
    assert_false(f->sim.events[1].first_told);
    restart(f, 5);
    assert_int_equal(f->sim.events_count, 2);
    f->c->last_state = f->c->state; /* a correction that comes late still has the right number */
    f->c->last_state.message = "late words";
    f->c->state = running(6);
    f->c->restart_count = 1;
    look(f, 7);
    assert_int_equal(f->sim.events_count, 3);
    assert_string_equal(f->sim.events[2].id, f->sim.events[0].id);
    assert_int_equal(f->sim.events[2].attempt, 0);
}

static void test_exit_code_is_corrected_to_a_crash(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 0, "Completed", 1, 2);
    look(f, 3);
    assert_int_equal(f->sim.events_count, 0);
    f->c->state = ended("x://0", 137, "OOMKilled", 1, 2);
    look(f, 4);
    assert_int_equal(crashes(f), 1);
    assert_true(crash(f, 0)->first_told);
}

/* A lost container has no id: its number stands for it, and it is told once. */
static void test_lost_container_without_id(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 1);
    f->c->state = waiting("ContainerCreating");
    f->c->last_state = unknown();
    f->c->restart_count = 1;
    look(f, 2);
    assert_int_equal(crashes(f), 1);
    assert_string_equal(crash(f, 0)->container_id, "");
    assert_string_equal(crash(f, 0)->reason, "ContainerStatusUnknown");
    assert_int_equal(crash(f, 0)->attempt, 0);
    f->c->state = running(5);
    look(f, 6);
    f->c->state = ended("x://1", 1, "Error", 5, 8);
    look(f, 9);
    assert_int_equal(crashes(f), 2);
    assert_int_equal(crash(f, 1)->attempt, 1);
    assert_int_equal(sim_lost(&f->sim), 0);
}

/* The runtime did not answer for a moment: the kubelet says terminated, then running with the old number
 * again. */
static void test_lost_and_found(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    f->c->restart_count = 2;
    f->c->last_state = ended("x://1", 1, "Error", 0, 1);
    look(f, 1);
    unsigned lost = sim_lost(&f->sim);
    f->c->state = unknown();
    f->c->restart_count = 3;
    look(f, 2);
    f->c->state = running(1);
    f->c->restart_count = 2;
    look(f, 3);
    f->c->state = ended("x://2", 1, "Error", 1, 8);
    look(f, 9);
    assert_int_equal(crash(f, 2)->attempt, 2);
    assert_int_equal(sim_lost(&f->sim), lost);
}

static void test_statuses_of_a_hostile_server(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("", 1, "", 5, -5);
    f->c->restart_count = INT32_MAX;
    look(f, 1);
    f->c->restart_count = -7;
    f->c->last_state = f->c->state;
    look(f, 2);
    f->c->state = running(1);
    look(f, 3);
    f->c->restart_count = INT32_MIN;
    look(f, 4);
    restart(f, 5);
    f->pod.object.meta.uid = "";
    look(f, 6);
    char long_uid[600];
    memset(long_uid, 'u', sizeof(long_uid) - 1);
    long_uid[sizeof(long_uid) - 1] = '\0';
    f->pod.object.meta.uid = long_uid;
    look(f, 7);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 1);
}

/* --- lost crashes --- */

static void test_restarts_nobody_saw(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 1);
    f->c->restart_count = 5;
    f->c->last_state = ended("x://4", 1, "Error", 50, 60);
    f->c->state = running(61);
    look(f, 62);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_LOST_CRASHES, NULL, NULL), 1);
    assert_int_equal(sim_lost(&f->sim), 4);
    assert_int_equal(f->sim.events[0].at_ns, at(50)); /* they were over when the one that is seen began */
    look(f, 63);
    restart(f, 64);
    assert_int_equal(sim_lost(&f->sim), 4);
    f->c->restart_count = 8; /* and nothing of them is visible at all */
    f->c->last_state = none;
    f->c->state = running(90);
    look(f, 91);
    assert_int_equal(sim_lost(&f->sim), 7);
}

static void test_restart_count_goes_back_to_zero(void **state)
{
    struct fixture *f = *state;
    f->c->restart_count = 1;
    f->c->last_state = ended("x://0", 1, "Error", 1, 2);
    f->c->state = ended("x://1", 1, "Error", 3, 4);
    look(f, 5);
    f->c->restart_count = 0;
    f->c->last_state = none;
    f->c->state = running(6);
    look(f, 7);
    f->c->state = ended("y://0", 1, "Error", 6, 8);
    look(f, 9);
    assert_int_equal(crashes(f), 3);
    assert_int_equal(crash(f, 2)->attempt, 0);
    f->c->restart_count = 1;
    f->c->last_state = f->c->state;
    f->c->state = ended("y://1", 1, "Error", 10, 11);
    look(f, 12);
    assert_int_equal(crashes(f), 4);
    assert_int_equal(sim_lost(&f->sim), 0);
}

/* Straight from one numbering into the other, without a look at the container while it ran. */
static void test_restart_count_goes_back_unseen(void **state)
{
    struct fixture *f = *state;
    f->c->restart_count = 1;
    f->c->last_state = ended("x://0", 1, "Error", 1, 2);
    f->c->state = ended("x://1", 1, "Error", 3, 4);
    look(f, 5);
    f->c->restart_count = 0;
    f->c->last_state = none;
    f->c->state = ended("y://0", 1, "Error", 6, 8);
    look(f, 9);
    f->c->restart_count = 4; /* y://1 and y://2 went unseen */
    f->c->last_state = ended("y://3", 1, "Error", 20, 21);
    f->c->state = running(22);
    look(f, 23);
    assert_int_equal(crashes(f), 4);
    assert_int_equal(sim_lost(&f->sim), 2);
}

/* What happened before an agent came to this node is not lost, but what can still be seen is told. */
static void test_new_on_this_node(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    sim_init(&f->sim, at(1000));
    f->c->restart_count = 7;
    f->c->last_state = ended("x://6", 1, "Error", 900, 901);
    f->c->state = running(902);
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(1001));
    nj_detector_synced(f->sim.detector, at(1001));
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_lost(&f->sim), 0);
    restart(f, 1100);
    assert_int_equal(f->sim.events_count, 1);
    f->c->restart_count = 9; /* 7 went unseen, 8 is visible */
    f->c->last_state = ended("x://8", 1, "Error", 1200, 1201);
    look(f, 1202);
    assert_int_equal(crashes(f), 2);
    assert_int_equal(sim_lost(&f->sim), 1);
}

/* A pod that was well when the agent first came is known to have been, also by a later process. */
static void test_well_at_first_sight(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    sim_init(&f->sim, at(1000));
    f->c->state = running(1);
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(1001));
    nj_detector_synced(f->sim.detector, at(1001));
    f->c->restart_count = 3;
    f->c->last_state = ended("x://2", 1, "Error", 1200, 1201);
    restart(f, 1300);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_lost(&f->sim), 2);
}

/* The first list is the baseline only once it was whole. */
static void test_killed_during_the_first_list(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    sim_init(&f->sim, at(1000));
    sim_kill(&f->sim, SIZE_MAX);
    f->c->restart_count = 3;
    f->c->last_state = ended("x://2", 1, "Error", 900, 901);
    f->c->state = running(902);
    restart(f, 1010);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_lost(&f->sim), 0);
}

static void test_created_after_the_agent_counts_from_zero(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    sim_init(&f->sim, at(-50)); /* the pod is created at 0 */
    f->c->restart_count = 3;
    f->c->last_state = ended("x://2", 1, "Error", 10, 11);
    f->c->state = running(12);
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(20));
    assert_int_equal(sim_lost(&f->sim), 2);
}

/* --- deletion, eviction, shutdown --- */

static void test_deletion_is_no_crash(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 2);
    delete_at(&f->pod, 100, 30);
    look(f, 100);
    f->c->state = ended("x://0", 137, "Error", 1, 131);
    look(f, 131);
    delete_at(&f->pod, 100, 0); /* the kubelet's own, last one */
    look(f, 131);
    look_deleted(f, 131);
    assert_int_equal(f->sim.events_count, 0);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
}

static void test_ends_around_a_deletion(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *reason;
        int64_t finished;
        int exit_code;
        bool told;
    } cases[] = {
        {"Error", 105, 1, false},    {"Error", 100, 1, false},     {"Error", 99, 1, true},
        {"Error", 99, 143, false}, /* the clocks of server and node differ a little */
        {"Error", 90, 143, true},    {"OOMKilled", 99, 137, true}, {"OOMKilled", 101, 137, false},
        {"Completed", 99, 0, false},
    };
    delete_at(&f->pod, 100, 30);
    size_t told = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char uid[32];
        (void)snprintf(uid, sizeof(uid), "pod-%zu", i);
        f->pod.object.meta.uid = uid;
        f->c->state = ended("x://0", cases[i].exit_code, cases[i].reason, 1, cases[i].finished);
        look(f, 106);
        told += cases[i].told;
        assert_int_equal(crashes(f), told);
    }
}

/* A shorter grace period afterwards does not move the moment of the request. */
static void test_earliest_request_counts(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    delete_at(&f->pod, 100, 300);
    look(f, 100);
    f->pod.object.meta.deleted_ns = at(150); /* as if it was asked for at 149 */
    f->pod.object.meta.deletion_grace_seconds = 1;
    f->c->state = ended("x://0", 2, "Error", 1, 120);
    look(f, 150);
    assert_int_equal(f->sim.events_count, 0);
}

static void test_lost_container_of_a_deleted_pod(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 2);
    delete_at(&f->pod, 100, 30);
    f->c->state = waiting("ContainerCreating");
    f->c->last_state = unknown();
    look(f, 110);
    look_deleted(f, 111);
    assert_int_equal(f->sim.events_count, 0);
}

/* The last status comes with the deletion itself. */
static void test_crash_shown_by_the_deletion(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(1);
    look(f, 2);
    f->c->state = ended("x://0", 3, "Error", 1, 50);
    delete_at(&f->pod, 60, 0);
    look_deleted(f, 60);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_last(&f->sim)->type, NJ_EVENT_CLEARED);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_DELETED);
}

static void evict(struct fixture *f, int64_t since)
{
    f->pod.object.pod.phase = "Failed";
    f->pod.object.pod.reason = "Evicted";
    f->pod.object.pod.message = "The node was low on resource: memory.";
    if (since != 0)
        condition(&f->pod, "DisruptionTarget", "True", "TerminationByKubelet", since);
}

static void test_eviction_is_told_once(void **state)
{
    struct fixture *f = *state;
    for (int with_condition = 0; with_condition < 2; with_condition++) {
        f->pod.object.meta.uid = f->pod.object.meta.name = with_condition ? "new" : "old";
        f->c->state = running(1);
        f->pod.object.pod.phase = "Running";
        f->pod.object.pod.reason = "";
        look(f, 50);
        evict(f, with_condition ? 60 : 0);
        look(f, 60);
        f->c->state = ended("x://0", 137, "Error", 1, 62);
        look(f, 62);
        restart(f, 70);
        assert_int_equal(crashes(f), 0);
        const struct sim_event *told =
            sim_get(&f->sim, NJ_EVENT_POD_FAILURE, NULL, NULL, (size_t)with_condition);
        assert_string_equal(told->reason, "Evicted");
        assert_string_equal(told->message, "The node was low on resource: memory.");
        assert_string_equal(told->container, "");
        assert_int_equal(told->at_ns, at(60));
        look_deleted(f, 80);
        assert_int_equal(sim_last(&f->sim)->type, NJ_EVENT_CLEARED);
        assert_string_equal(sim_last(&f->sim)->container, "");
    }
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_POD_FAILURE, NULL, NULL), 2);
}

/* What crashed before the eviction is a crash all the same. */
static void test_crash_before_the_eviction(void **state)
{
    struct fixture *f = *state;
    evict(f, 60);
    f->c->restart_count = 1;
    f->c->last_state = ended("x://0", 1, "Error", 1, 40);
    f->c->state = ended("x://1", 137, "Error", 41, 61);
    look(f, 62);
    assert_int_equal(crashes(f), 1);
    assert_string_equal(crash(f, 0)->container_id, "x://0");
}

static void test_kubelet_made_ends(void **state)
{
    struct fixture *f = *state;
    static const char *const reasons[] = {"NodeShutdown", "Terminated", "DeadlineExceeded",
                                          "Preempting",   "OutOfcpu",   "UnexpectedAdmissionError"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        f->pod.object.meta.uid = reasons[i];
        f->pod.object.pod.phase = "Failed";
        f->pod.object.pod.reason = reasons[i];
        f->c->state = ended("x://0", 143, "Error", 1, 10);
        look(f, 11);
        assert_string_equal(sim_get(&f->sim, NJ_EVENT_POD_FAILURE, NULL, NULL, i)->reason, reasons[i]);
    }
    assert_int_equal(crashes(f), 0);
}

/* The API server's side ends a pod: that is a deletion, shows as one, and is told once as what explains it.
 */
static void test_evicted_by_the_api(void **state)
{
    struct fixture *f = *state;
    static const char *const reasons[] = {"EvictionByEvictionAPI", "PreemptionByScheduler",
                                          "DeletionByTaintManager", "DeletionByPodGC"};
    for (int i = 0; i < (int)(sizeof(reasons) / sizeof(reasons[0])); i++) {
        f->pod.object.meta.uid = reasons[i];
        f->pod.object.pod.conditions_count = 0;
        f->pod.object.meta.deleted_ns = 0;
        f->c->state = running(1);
        condition(&f->pod, "DisruptionTarget", "True", reasons[i], 50);
        look(f, 50);
        assert_int_equal(f->sim.events_count, i);
        delete_at(&f->pod, 80, 30);
        look(f, 50);
        f->c->state = ended("x://0", 1, "Error", 1, 51);
        look(f, 51);
        assert_int_equal(f->sim.events_count, i + 1);
        assert_string_equal(sim_get(&f->sim, NJ_EVENT_POD_FAILURE, NULL, NULL, i)->reason, reasons[i]);
        assert_true(nj_pod_failure_is_deletion(reasons[i]));
    }
    assert_int_equal(crashes(f), 0);
    f->pod.object.meta.uid = "not-any-more";
    f->pod.object.pod.conditions_count = 0;
    f->pod.object.meta.deleted_ns = 0;
    condition(&f->pod, "DisruptionTarget", "False", "", 50);
    look(f, 51);
    assert_int_equal(crashes(f), 1);
}

/* A Job's pod that fails by its container's own doing: phase Failed, no reason. */
static void test_failed_job(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.restart_policy = "Never";
    f->pod.object.pod.phase = "Failed";
    f->c->state = ended("x://0", 4, "Error", 1, 2);
    look(f, 3);
    assert_int_equal(crashes(f), 1);
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_POD_FAILURE, NULL, NULL), 0);
}

/* When a job's containers have completed, the kubelet ends its sidecars. */
static void test_sidecar_of_a_completed_job(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.restart_policy = "OnFailure";
    struct nj_container_status *sidecar = add(&f->pod, "proxy", NJ_CONTAINER_SIDECAR);
    f->c->state = ended("x://0", 0, "Completed", 1, 20);
    sidecar->state = ended("y://0", 143, "Error", 1, 21);
    look(f, 22);
    assert_int_equal(f->sim.events_count, 0);
    f->pod.object.meta.uid = "job-2"; /* but one that ends while they still work is a crash */
    sidecar->state = ended("y://1", 143, "Error", 1, 19);
    look(f, 22);
    assert_int_equal(crashes(f), 1);
    f->pod.object.meta.uid = "job-3"; /* so is one beside a container that failed and will be tried again */
    f->c->state = ended("x://2", 1, "Error", 1, 20);
    sidecar->state = ended("y://2", 143, "Error", 1, 21);
    look(f, 22);
    assert_int_equal(crashes(f), 3);
}

/* --- static pods --- */

static void test_static_pod(void **state)
{
    struct fixture *f = *state;
    f->pod.annotation = (struct nj_kube_pair){"kubernetes.io/config.hash", "0123abcd"};
    f->pod.object.meta.annotations = &f->pod.annotation;
    f->pod.object.meta.annotations_count = 1;
    f->c->state = running(1);
    look(f, 2);
    f->c->state = ended("x://0", 1, "Error", 1, 5);
    look(f, 6);
    assert_string_equal(crash(f, 0)->directory_uid, "0123abcd");
    assert_string_equal(crash(f, 0)->uid, "web-1");
    /* Somebody deletes the mirror pod; the kubelet makes a new one for the same containers. */
    f->c->restart_count = 4;
    f->c->last_state = ended("x://3", 1, "Error", 20, 25);
    f->c->state = running(26);
    look(f, 27);
    assert_int_equal(crashes(f), 2);
    assert_int_equal(sim_lost(&f->sim), 2);
    look_deleted(f, 30);
    f->pod.object.meta.uid = "web-1-again";
    f->pod.object.meta.created_ns = at(30);
    look(f, 31);
    assert_int_equal(crashes(f), 2);
    assert_int_equal(sim_lost(&f->sim), 2);
}

static void test_unscheduled_pod_is_nobodys(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.node_name = "";
    f->c->state = ended("x://0", 1, "Error", 1, 5);
    look(f, 6);
    assert_int_equal(f->sim.events_count, 0);
}

/* --- stuck --- */

static size_t stuck(const struct fixture *f)
{
    return sim_count(&f->sim, NJ_EVENT_STUCK, NULL, NULL);
}

static void test_classes_of_waiting(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *reason;
        int64_t patience;
    } cases[] = {
        {"ErrImagePull", 30},
        {"ImagePullBackOff", 30},
        {"ErrImageNeverPull", 30},
        {"ImageInspectError", 30},
        {"InvalidImageName", 30},
        {"RegistryUnavailable", 30},
        {"SignatureValidationFailed", 30},
        {"CreateContainerConfigError", 30},
        {"CreateContainerError", 30},
        {"RunContainerError", 30},
        {"PreCreateHookError", 30},
        {"PreStartHookError", 30},
        {"PostStartHookError", 30},
        {"CrashLoopBackOff", 0},
        {"ContainerCreating", 600},
        {"PodInitializing", 600},
        {"SomethingNew", 600},
        {"", 600},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char uid[32];
        (void)snprintf(uid, sizeof(uid), "pod-%zu", i);
        f->pod.object.meta.uid = f->pod.object.meta.name = uid;
        int64_t from = 10000 * (int64_t)i;
        f->c->state = waiting(cases[i].reason);
        look(f, from);
        if (cases[i].patience > 0)
            assert_int_equal(stuck(f), i);
        sim_run_until(&f->sim, at(from + cases[i].patience) - 1);
        assert_int_equal(stuck(f), cases[i].patience > 0 ? i : i + 1);
        sim_run_until(&f->sim, at(from + cases[i].patience));
        assert_int_equal(stuck(f), i + 1);
        const struct sim_event *told = sim_get(&f->sim, NJ_EVENT_STUCK, NULL, NULL, i);
        assert_string_equal(told->reason, cases[i].reason);
        assert_string_equal(told->image, "registry/app:1");
        assert_int_equal(told->since_ns, at(from));
        assert_int_equal(told->at_ns, at(from + cases[i].patience));
        sim_run_until(&f->sim, at(from + 9999));
        assert_int_equal(stuck(f), i + 1); /* once */
    }
}

/* ErrImagePull and ImagePullBackOff take turns: one episode, told once, with the reason why. */
static void test_image_episode(void **state)
{
    struct fixture *f = *state;
    for (int64_t now = 0; now < 300; now += 10) {
        f->c->state = waiting(now % 20 == 10 ? "ErrImagePull" : "ImagePullBackOff");
        f->c->state.message = now % 20 == 10 ? "not found" : "Back-off pulling image";
        look(f, now);
    }
    assert_int_equal(stuck(f), 1);
    assert_int_equal(f->sim.events_count, 1);
    assert_string_equal(sim_last(&f->sim)->reason, "ImagePullBackOff");
    assert_string_equal(sim_last(&f->sim)->message, "Back-off pulling image: not found");
}

/* Told without knowing why (a new process that found the back-off), corrected once when it is known. */
static void test_image_cause_comes_later(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ImagePullBackOff");
    look(f, 0);
    look(f, 40);
    assert_int_equal(f->sim.events_count, 1);
    for (int i = 0; i < 3; i++) {
        f->c->state = waiting("ErrImagePull");
        f->c->state.message = "not found";
        look(f, 50 + 20 * i);
        f->c->state = waiting("ImagePullBackOff");
        look(f, 60 + 20 * i);
    }
    assert_int_equal(f->sim.events_count, 2);
    assert_int_equal(stuck(f), 1);
    assert_string_equal(sim_last(&f->sim)->message, "not found");
}

static void test_other_reason_corrects(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("CreateContainerError");
    look(f, 0);
    look(f, 30);
    f->c->state = waiting("RunContainerError");
    look(f, 40);
    f->c->state = waiting("CreateContainerError");
    look(f, 50);
    assert_int_equal(f->sim.events_count, 2);
    assert_int_equal(stuck(f), 1);
    assert_string_equal(sim_last(&f->sim)->reason, "RunContainerError");
    f->c->state = waiting("CreateContainerConfigError"); /* another class is another episode */
    look(f, 60);
    look(f, 90);
    assert_int_equal(stuck(f), 2);
}

/* Between two tries the kubelet may say ContainerCreating: the episode goes on. */
static void test_episode_goes_on_between_tries(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("CreateContainerConfigError");
    look(f, 0);
    f->c->state = waiting("ContainerCreating");
    look(f, 20);
    look(f, 35);
    assert_int_equal(stuck(f), 0); /* it may be about to start */
    f->c->state = waiting("CreateContainerConfigError");
    look(f, 36);
    assert_int_equal(stuck(f), 1);
    assert_int_equal(sim_last(&f->sim)->since_ns, at(0));
}

static void test_stuck_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 100);
    restart(f, 120);
    sim_run_until(&f->sim, at(129));
    assert_int_equal(stuck(f), 0);
    sim_run_until(&f->sim, at(130)); /* 30 s after it was first seen, not after the restart */
    assert_int_equal(stuck(f), 1);
    restart(f, 200);
    sim_run_until(&f->sim, at(400));
    assert_int_equal(f->sim.events_count, 1);
}

/* A new process that never saw the pod goes by the pod's own times. */
static void test_since_by_conditions(void **state)
{
    struct fixture *f = *state;
    sim_done(&f->sim);
    sim_init(&f->sim, at(-100));
    condition(&f->pod, "PodScheduled", "True", "", 10);
    condition(&f->pod, "Ready", "False", "ContainersNotReady", 50);
    f->c->state = waiting("ContainerCreating");
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(300));
    nj_detector_synced(f->sim.detector, at(300));
    sim_run_until(&f->sim, at(649));
    assert_int_equal(stuck(f), 0);
    sim_run_until(&f->sim, at(650));
    assert_int_equal(stuck(f), 1);
    assert_int_equal(sim_last(&f->sim)->since_ns, at(50));
}

/* Containers behind an init container wait for it, however long it takes. */
static void test_behind_an_init_container(void **state)
{
    struct fixture *f = *state;
    struct nj_container_status *app = f->c;
    struct nj_container_status *init = app;
    app = add(&f->pod, "app", NJ_CONTAINER_APP);
    init->type = NJ_CONTAINER_INIT;
    app->state = waiting("PodInitializing");
    init->state = running(1);
    look(f, 1);
    look(f, 5000);
    assert_int_equal(f->sim.events_count, 0);
    init->state = waiting("CrashLoopBackOff");
    init->last_state = ended("x://0", 1, "Error", 1, 5000);
    look(f, 5001);
    look(f, 9000);
    assert_int_equal(stuck(f), 1);
    assert_string_equal(sim_get(&f->sim, NJ_EVENT_STUCK, NULL, NULL, 0)->container, "c");
    init->state = ended("x://1", 0, "Completed", 9001, 9002); /* now it is their turn */
    init->restart_count = 1;
    look(f, 9002);
    look(f, 9602);
    assert_int_equal(stuck(f), 2);
    assert_string_equal(sim_get(&f->sim, NJ_EVENT_STUCK, NULL, "app", 0)->reason, "PodInitializing");
}

/* A volume that cannot be mounted holds up all containers: one of them stands for the pod. */
static void test_one_container_stands_for_the_pod(void **state)
{
    struct fixture *f = *state;
    struct nj_container_status *second = add(&f->pod, "second", NJ_CONTAINER_APP);
    f->c->state = second->state = waiting("ContainerCreating");
    look(f, 0);
    look(f, 700);
    assert_int_equal(stuck(f), 1);
    assert_string_equal(sim_last(&f->sim)->container, "c");
    f->c->state = second->state = running(701);
    look(f, 701);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STARTED);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
}

static void test_deleted_pod_is_not_stuck(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 0);
    delete_at(&f->pod, 10, 30);
    look(f, 10);
    sim_run_until(&f->sim, at(1000));
    assert_int_equal(f->sim.events_count, 0);
    look_deleted(f, 1000);
    assert_int_equal(f->sim.events_count, 0);
}

static void test_new_times_count_at_once(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 0);
    struct nj_detector_times times = f->sim.options.times;
    times.image_ns = 5 * NJ_SEC;
    nj_detector_set_times(f->sim.detector, &times);
    nj_detector_tick(f->sim.detector, at(6));
    assert_int_equal(stuck(f), 1);
}

/* By the clock as it was, both would be due an hour later. */
static void test_clock_set_back(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 4000);
    nj_detector_tick(f->sim.detector, at(400));
    assert_int_equal(nj_detector_next_due(f->sim.detector), at(430));
    nj_detector_tick(f->sim.detector, at(430));
    assert_int_equal(stuck(f), 1);
    f->c->state = running(4500);
    f->c->last_state = ended("x://0", 1, "Error", 4400, 4401);
    f->c->restart_count = 1;
    look(f, 4500);
    look(f, 900);
    nj_detector_tick(f->sim.detector, at(900));
    sim_run_until(&f->sim, at(1199));
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_CLEARED, NULL, NULL), 1);
    sim_run_until(&f->sim, at(1200));
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STABLE);
}

/* While it lasts it is told again, as the same fact: who was told need not take silence for its end. */
static void test_stuck_is_told_again(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 0);
    sim_run_until(&f->sim, at(30));
    assert_int_equal(f->sim.events_count, 1);
    sim_run_until(&f->sim, at(329));
    assert_int_equal(f->sim.events_count, 1);
    sim_run_until(&f->sim, at(330 + 600));
    assert_int_equal(f->sim.events_count, 4);
    assert_int_equal(stuck(f), 1);
    assert_int_equal(sim_last(&f->sim)->at_ns, at(30)); /* when it began to be one */
    restart(f, 1000);
    sim_run_until(&f->sim, at(1299));
    assert_int_equal(f->sim.events_count, 4);
    sim_run_until(&f->sim, at(1300));
    assert_int_equal(f->sim.events_count, 5);
    look(f, -5000); /* the clock is set back: that does not keep it silent */
    nj_detector_tick(f->sim.detector, at(-5000));
    sim_run_until(&f->sim, at(-4700));
    assert_int_equal(f->sim.events_count, 6);
    f->c->state = running(-4690);
    look(f, -4680);
    assert_int_equal(f->sim.events_count, 7);
    sim_run_until(&f->sim, at(5000));
    assert_int_equal(f->sim.events_count, 7);
}

/* A pod is given to a node whose kubelet does not take it up. */
static void test_stuck_without_a_word_from_the_kubelet(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.phase = "Pending";
    f->pod.object.pod.statuses_count = 0;
    look(f, 10);
    sim_run_until(&f->sim, at(609));
    assert_int_equal(f->sim.events_count, 0);
    sim_run_until(&f->sim, at(610));
    assert_int_equal(stuck(f), 1);
    const struct sim_event *told = sim_last(&f->sim);
    assert_string_equal(told->container, "");
    assert_string_equal(told->reason, "Pending");
    assert_string_equal(told->pod, "web-1");
    assert_int_equal(told->since_ns, at(10));
    restart(f, 700);
    assert_int_equal(f->sim.events_count, 1);
    f->pod.object.pod.statuses_count = 1;
    f->c->state = waiting("ContainerCreating");
    look(f, 800);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STARTED);
    assert_string_equal(sim_last(&f->sim)->container, "");
    f->c->state = running(801);
    f->pod.object.pod.phase = "Running";
    look(f, 802);
    assert_int_equal(f->sim.events_count, 2);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
}

static void test_stuck_without_a_word_and_deleted(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.phase = "Pending";
    f->pod.object.pod.statuses_count = 0;
    look(f, 10);
    look(f, 700);
    delete_at(&f->pod, 710, 30);
    look(f, 711);
    sim_run_until(&f->sim, at(5000));
    assert_int_equal(f->sim.events_count, 1);
    look_deleted(f, 5000);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_DELETED);
    assert_int_equal(f->sim.events_count, 2);
}

static void test_a_pod_that_was_taken_up_is_well(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.phase = "Pending";
    f->pod.object.pod.statuses_count = 0;
    look(f, 10);
    f->pod.object.pod.phase = "Running";
    f->pod.object.pod.statuses_count = 1;
    f->c->state = running(12);
    look(f, 12);
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
    sim_run_until(&f->sim, at(5000));
    assert_int_equal(f->sim.events_count, 0);
}

/* --- cleared --- */

static void test_started_after_stuck(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 0);
    look(f, 60);
    f->c->state = running(61);
    look(f, 62);
    assert_int_equal(f->sim.events_count, 2);
    assert_int_equal(sim_last(&f->sim)->type, NJ_EVENT_CLEARED);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STARTED);
    assert_int_equal(sim_last(&f->sim)->at_ns, at(61));
    look_deleted(f, 100);
    assert_int_equal(f->sim.events_count, 2); /* nothing was left to clear */
}

/* It started, and crashed before anybody looked: it is not stuck any more. */
static void test_started_and_crashed_after_stuck(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("ErrImagePull");
    look(f, 0);
    look(f, 60);
    f->c->state = waiting("CrashLoopBackOff");
    f->c->last_state = ended("x://0", 1, "Error", 61, 62);
    look(f, 63);
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_CLEARED, NULL, NULL), 1);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STARTED);
}

static void test_stable_after_a_crash_loop(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("CrashLoopBackOff");
    f->c->last_state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    assert_int_equal(f->sim.events_count, 2); /* the crash and the loop */
    for (int round = 0; round < 3; round++) { /* it crashes on, the loop is not told again */
        int64_t now = 100 + 100 * round;
        f->c->restart_count = round + 1;
        f->c->state = running(now);
        look(f, now);
        f->c->last_state = ended(ids[round + 1], 1, "Error", now, now + 50);
        f->c->state = waiting("CrashLoopBackOff");
        look(f, now + 51);
    }
    assert_int_equal(stuck(f), 1);
    f->c->state = running(500);
    f->c->restart_count = 4;
    look(f, 500);
    restart(f, 600);
    sim_run_until(&f->sim, at(799));
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_CLEARED, NULL, NULL), 0);
    sim_run_until(&f->sim, at(800));
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STABLE);
    assert_int_equal(sim_last(&f->sim)->at_ns, at(800));
    restart(f, 900);
    sim_run_until(&f->sim, at(5000));
    assert_int_equal(sim_count(&f->sim, NJ_EVENT_CLEARED, NULL, NULL), 1);
    f->c->state = waiting("CrashLoopBackOff"); /* a new episode is told again */
    f->c->last_state = ended("x://9", 1, "Error", 5000, 5001);
    look(f, 5002);
    assert_int_equal(stuck(f), 2);
}

static void test_completed_after_a_crash(void **state)
{
    struct fixture *f = *state;
    f->pod.object.pod.restart_policy = "OnFailure";
    f->c->state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    f->c->restart_count = 1;
    f->c->last_state = f->c->state;
    f->c->state = ended("x://1", 0, "Completed", 4, 9);
    f->pod.object.pod.phase = "Succeeded";
    look(f, 10);
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_COMPLETED);
    assert_int_equal(sim_last(&f->sim)->at_ns, at(9));
    look_deleted(f, 11);
    assert_int_equal(f->sim.events_count, 2);
}

static void test_deleted_after_a_crash(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    nj_detector_set_workload(f->sim.detector, "web-1", "Deployment", "web");
    restart(f, 4);
    struct nj_kube_object gone = {.meta = {.uid = "web-1"}};
    nj_detector_pod(f->sim.detector, NJ_WATCH_DELETED, &gone, at(50));
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_DELETED);
    assert_int_equal(sim_last(&f->sim)->at_ns, at(50));
    assert_string_equal(sim_last(&f->sim)->pod, "web-1"); /* though only the uid was told */
    assert_string_equal(sim_last(&f->sim)->namespace, "shop");
    assert_string_equal(sim_last(&f->sim)->owner_name, "web-5d9f8c7b6");
    assert_int_equal(nj_detector_remembered(f->sim.detector), 0);
}

/* --- found late --- */

/* The container has run well for long when the agent first sees that it once crashed: the crash is a fact,
 * and what comes before it makes it one of the past. */
static void test_recovered_long_before_it_was_seen(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(100);
    f->c->last_state = ended("x://1", 1, "Error", 1, 50);
    f->c->restart_count = 3; /* and two of which nothing is left */
    look(f, 1000);
    assert_int_equal(f->sim.events_count, 4);
    assert_int_equal(f->sim.events[0].type, NJ_EVENT_CLEARED);
    assert_int_equal(f->sim.events[0].cause, NJ_CLEARED_STABLE);
    assert_int_equal(f->sim.events[0].at_ns, at(400));
    assert_int_equal(f->sim.events[1].type, NJ_EVENT_LOST_CRASHES);
    assert_int_equal(f->sim.events[2].type, NJ_EVENT_CRASH);
    assert_int_equal(f->sim.events[2].at_ns, at(50));
    assert_string_equal(f->sim.events[3].id,
                        f->sim.events[0].id); /* whoever took it for news is told again */
    look(f, 1010);
    restart(f, 1020);
    assert_int_equal(f->sim.events_count, 4);
    /* The next one is news. */
    f->c->last_state = ended("x://2", 1, "Error", 100, 1030);
    f->c->state = running(1031);
    f->c->restart_count = 4;
    look(f, 1032);
    assert_int_equal(f->sim.events_count, 5);
    assert_int_equal(sim_last(&f->sim)->type, NJ_EVENT_CRASH);
}

static void test_recovered_only_just(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(800);
    f->c->last_state = ended("x://1", 1, "Error", 1, 750);
    f->c->restart_count = 1;
    look(f, 1000);
    assert_int_equal(f->sim.events_count, 1);
    assert_int_equal(sim_last(&f->sim)->type, NJ_EVENT_CRASH);
    sim_run_until(&f->sim, at(1100));
    assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STABLE);
}

/* What is in trouble already counts the crash that was found late. */
static void test_recovered_from_what_was_told(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    sim_kill(&f->sim, SIZE_MAX);
    f->c->last_state = ended("x://1", 1, "Error", 3, 20);
    f->c->state = running(30);
    f->c->restart_count = 2;
    nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(1000));
    assert_int_equal(f->sim.events_count, 3);
    assert_int_equal(f->sim.events[1].type, NJ_EVENT_CRASH);
    assert_int_equal(f->sim.events[2].cause, NJ_CLEARED_STABLE);
}

static void test_recovered_is_not_lost_by_a_kill(void **state)
{
    struct fixture *f = *state;
    for (size_t committed = 0; committed < 3; committed++) {
        char uid[32];
        (void)snprintf(uid, sizeof(uid), "pod-%zu", committed);
        f->pod.object.meta.uid = f->pod.object.meta.name = uid;
        f->c->state = running(100);
        f->c->last_state = ended("x://0", 1, "Error", 1, 50);
        f->c->restart_count = 1;
        f->sim.hold = true;
        look(f, 1000);
        sim_kill(&f->sim, committed);
        f->sim.hold = false;
        nj_detector_pod(f->sim.detector, NJ_WATCH_ADDED, &f->pod.object, at(1001));
        nj_detector_synced(f->sim.detector, at(1001));
        assert_int_equal(sim_count(&f->sim, NJ_EVENT_CRASH, uid, NULL), 1);
        assert_int_equal(sim_last(&f->sim)->cause, NJ_CLEARED_STABLE);
        look_deleted(f, 1002);
    }
}

/* The kubelet lost the container: when it ended nobody knows, but the next one began after it. */
static void test_recovered_from_an_end_without_times(void **state)
{
    struct fixture *f = *state;
    f->c->state = running(100);
    f->c->last_state = unknown();
    f->c->restart_count = 1;
    look(f, 1000);
    assert_int_equal(crash(f, 0)->at_ns, at(100));
    assert_int_equal(f->sim.events[0].cause, NJ_CLEARED_STABLE);
    assert_int_equal(f->sim.events[0].at_ns, at(400));
}

/* --- records --- */

/* The workload is found out after the record was made: it is added to it, and a later process knows it. */
static void test_workload_in_the_record(void **state)
{
    struct fixture *f = *state;
    f->c->state = ended("x://0", 1, "Error", 1, 2);
    look(f, 3);
    struct sim_record *record = &f->sim.records[f->sim.records_count - 1];
    assert_string_equal(record->key, "pod/web-1");
    struct nj_buf value = {0};
    assert_int_equal(nj_buf_append_str(&value, record->value), 0);
    nj_detector_record_workload(&value, "Deployment", "web");
    free(record->value);
    record->value = nj_buf_take(&value);
    restart(f, 4);
    look_deleted(f, 5);
    assert_string_equal(sim_last(&f->sim)->workload_kind, "Deployment");
    assert_string_equal(sim_last(&f->sim)->workload, "web");
}

static void test_broken_records(void **state)
{
    struct fixture *f = *state;
    static const char *const values[] = {"",
                                         "2\n",
                                         "1\nc\tx\n",
                                         "1\ne\t1\t2\t0\t1\n",
                                         "1\nz\n",
                                         "1\np\ta\tb\t\t2\n",
                                         "1\np\ta\tb\t\t0\textra\n",
                                         "garbage"};
    f->c->state = running(1);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "pod/p-%zu", i);
        struct nj_outbox_record record = {key, values[i], strlen(values[i])};
        struct nj_err err = {0};
        struct nj_detector *detector = nj_detector_new(&f->sim.options);
        assert_int_equal(nj_detector_load_state(detector, &record, &err), -EBADMSG);
        assert_non_null(strstr(err.text, key));
        /* It is removed once the pods are known. */
        size_t before = f->sim.records_count;
        nj_detector_synced(detector, at(1));
        assert_int_equal(f->sim.records_count, before + 1);
        assert_string_equal(f->sim.records[before].key, key);
        assert_null(f->sim.records[before].value);
        nj_detector_free(detector);
    }
    struct nj_outbox_record foreign = {"uplink/x", "1", 1};
    assert_int_equal(nj_detector_load_state(f->sim.detector, &foreign, NULL), -ENOENT);
}

/* Nothing of a pod stays behind when it is gone. */
static void test_no_record_is_left(void **state)
{
    struct fixture *f = *state;
    f->c->state = waiting("CreateContainerConfigError");
    look(f, 0);
    f->c->state = running(10);
    look(f, 10);
    for (size_t i = 0; i < f->sim.records_count; i++)
        assert_true(f->sim.records[i].value == NULL || strcmp(f->sim.records[i].key, "pod/web-1") != 0);
    f->c->state = ended("x://0", 1, "Error", 10, 12);
    look(f, 13);
    look_deleted(f, 14);
    for (size_t i = 0; i < f->sim.records_count; i++)
        assert_true(f->sim.records[i].value == NULL || strcmp(f->sim.records[i].key, "pod/web-1") != 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_crash_has_everything),
        T(test_restarted_at_once),
        T(test_attempts),
        T(test_two_at_once),
        T(test_one_end_in_all_its_places),
        T(test_completed_is_no_crash),
        T(test_completed_again_and_again),
        T(test_every_type_of_container),
        T(test_reasons_are_kept),
        T(test_restarting_all_containers),
        T(test_reason_is_corrected),
        T(test_exit_code_is_corrected_to_a_crash),
        T(test_lost_container_without_id),
        T(test_lost_and_found),
        T(test_statuses_of_a_hostile_server),
        T(test_restarts_nobody_saw),
        T(test_restart_count_goes_back_to_zero),
        T(test_restart_count_goes_back_unseen),
        T(test_new_on_this_node),
        T(test_well_at_first_sight),
        T(test_killed_during_the_first_list),
        T(test_created_after_the_agent_counts_from_zero),
        T(test_deletion_is_no_crash),
        T(test_ends_around_a_deletion),
        T(test_earliest_request_counts),
        T(test_lost_container_of_a_deleted_pod),
        T(test_crash_shown_by_the_deletion),
        T(test_eviction_is_told_once),
        T(test_crash_before_the_eviction),
        T(test_kubelet_made_ends),
        T(test_evicted_by_the_api),
        T(test_failed_job),
        T(test_sidecar_of_a_completed_job),
        T(test_static_pod),
        T(test_unscheduled_pod_is_nobodys),
        T(test_classes_of_waiting),
        T(test_image_episode),
        T(test_image_cause_comes_later),
        T(test_other_reason_corrects),
        T(test_episode_goes_on_between_tries),
        T(test_stuck_survives_a_restart),
        T(test_since_by_conditions),
        T(test_behind_an_init_container),
        T(test_one_container_stands_for_the_pod),
        T(test_deleted_pod_is_not_stuck),
        T(test_new_times_count_at_once),
        T(test_clock_set_back),
        T(test_started_after_stuck),
        T(test_started_and_crashed_after_stuck),
        T(test_stable_after_a_crash_loop),
        T(test_stuck_is_told_again),
        T(test_stuck_without_a_word_from_the_kubelet),
        T(test_stuck_without_a_word_and_deleted),
        T(test_a_pod_that_was_taken_up_is_well),
        T(test_recovered_long_before_it_was_seen),
        T(test_recovered_only_just),
        T(test_recovered_from_what_was_told),
        T(test_recovered_is_not_lost_by_a_kill),
        T(test_recovered_from_an_end_without_times),
        T(test_completed_after_a_crash),
        T(test_deleted_after_a_crash),
        T(test_workload_in_the_record),
        T(test_broken_records),
        T(test_no_record_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
