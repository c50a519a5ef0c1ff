/*
 * Random lives of containers, looked at at random moments by agents that are killed at random moments,
 * against a slow and obvious account of what can have been known. A failure names its seed;
 * `test_detect_random SEED` plays it alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/unit/agent/detect_sim.h"

enum { SEEDS = 400, PODS = 6, CONTAINERS = 3, INSTANCES = 24, TEXT = 48, STEPS = 120, END = 4000 };

static uint64_t seed_now;
static uint64_t only_seed;

#define check(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("seed %" PRIu64 ", line %d: %s", seed_now, __LINE__, #condition);                       \
    } while (0)

struct random {
    uint64_t state;
};

static uint64_t next(struct random *random) /* splitmix64 */
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t below(struct random *random, int64_t bound)
{
    return (int64_t)(next(random) % (uint64_t)bound);
}

struct instance {
    int64_t start, end; /* seconds */
    int exit_code;
    const char *reason, *later_reason; /* what the status says from late_at on */
    int64_t late_at;
    bool removed; /* the kubelet removes it as soon as the next one runs */
    char id[TEXT];
    bool seen;      /* in a status whose findings were stored */
    bool looked_at; /* in one since the last commit */
};

struct life {
    char name[TEXT];
    enum nj_container_type type;
    struct instance instances[INSTANCES];
    int count;
    int64_t ended, ended_looked_at; /* instances known to have ended; as above */
    int64_t unknown_past;           /* what ended before the agent came, and could not be seen */
};

struct pod {
    char name[TEXT];
    int64_t created, deleted /* requested */, gone;
    const char *restart_policy;
    struct life lives[CONTAINERS];
    int containers;
    bool told_gone, sighted;
};

struct world {
    struct random random;
    struct sim sim;
    struct pod pods[PODS];
    int64_t watched_since, now;
};

static void make_life(struct world *world, struct pod *pod, struct life *life)
{
    struct random *random = &world->random;
    static const struct {
        int exit_code;
        const char *reason, *later;
    } ends[] = {{0, "Completed", NULL}, {1, "Error", NULL},          {137, "OOMKilled", NULL},
                {2, "Error", NULL},     {139, "Error", "OOMKilled"}, {128, "StartError", NULL}};
    life->type = (enum nj_container_type)below(random, NJ_CONTAINER_EPHEMERAL);
    int64_t now = pod->created + below(random, 20);
    for (life->count = 0; life->count < INSTANCES && now < pod->gone;) {
        struct instance *instance = &life->instances[life->count];
        int64_t kind = below(random, (int64_t)(sizeof(ends) / sizeof(ends[0])));
        *instance = (struct instance){.start = now,
                                      .end = now + 1 + below(random, below(random, 3) == 0 ? 400 : 20),
                                      .exit_code = ends[kind].exit_code,
                                      .reason = ends[kind].reason,
                                      .later_reason = ends[kind].later,
                                      .removed = below(random, 4) == 0};
        instance->late_at = instance->end + below(random, 10);
        /* All of these are parts of one object: gcc takes the copy for one onto itself. */
        char id[TEXT];
        (void)snprintf(id, sizeof(id), "containerd://%s-%s-%d", pod->name, life->name, life->count);
        memcpy(instance->id, id, sizeof(id));
        life->count++;
        if (instance->end >= pod->deleted) { /* the kubelet ends it within the grace period */
            instance->end = pod->deleted + below(random, pod->gone - pod->deleted);
            instance->exit_code = below(random, 2) == 0 ? 137 : 143;
            instance->reason = "Error";
            instance->later_reason = NULL;
            return;
        }
        bool again = strcmp(pod->restart_policy, "Always") == 0 ||
                     (strcmp(pod->restart_policy, "OnFailure") == 0 && instance->exit_code != 0);
        if (!again || (life->type == NJ_CONTAINER_INIT && instance->exit_code == 0))
            return;
        now = instance->end + (below(random, 3) == 0 ? 0 : below(random, 60));
        if (now >= pod->deleted)
            return;
    }
}

static void make_pod(struct world *world, struct pod *pod, int number)
{
    static const char *const policies[] = {"Always", "Always", "OnFailure", "Never"};
    struct random *random = &world->random;
    *pod = (struct pod){.created = below(random, END / 2), .restart_policy = policies[below(random, 4)]};
    pod->deleted = pod->created + 1 + below(random, END);
    pod->gone = pod->deleted + 1 + below(random, 40);
    pod->containers = 1 + (int)below(random, CONTAINERS);
    (void)snprintf(pod->name, TEXT, "pod-%d", number);
    for (int c = 0; c < pod->containers; c++) {
        (void)snprintf(pod->lives[c].name, TEXT, "c%d", c);
        make_life(world, pod, &pod->lives[c]);
    }
    /* A sidecar's end may be excused by what its neighbours do; test_detect.c has that rule. */
    for (int c = 0; c < pod->containers; c++) {
        if (pod->lives[c].type == NJ_CONTAINER_SIDECAR)
            pod->lives[c].type = NJ_CONTAINER_APP;
    }
}

static int64_t ns(int64_t seconds)
{
    return (INT64_C(1700000000) + seconds) * NJ_SEC;
}

static struct nj_container_state state_of(const struct instance *instance, int64_t now)
{
    struct nj_container_state state = {
        .reason = "", .message = "", .container_id = "", .started_ns = ns(instance->start)};
    state.kind = instance->end <= now ? NJ_STATE_TERMINATED : NJ_STATE_RUNNING;
    if (state.kind == NJ_STATE_TERMINATED) {
        bool late = instance->later_reason != NULL && now >= instance->late_at;
        state.reason = late ? instance->later_reason : instance->reason;
        state.exit_code = instance->exit_code;
        state.finished_ns = ns(instance->end);
        state.container_id = instance->id;
    }
    return state;
}

/* The status as the kubelet would write it now; marks what it shows. */
static struct nj_container_status look_at_life(struct life *life, const struct pod *pod, int64_t now)
{
    static const struct nj_container_state none = {.reason = "", .message = "", .container_id = ""};
    struct nj_container_status status = {
        .name = life->name, .image = "", .container_id = "", .type = life->type};
    status.state = status.last_state = none;
    int newest = -1;
    while (newest + 1 < life->count && life->instances[newest + 1].start <= now)
        newest++;
    if (newest < 0) {
        status.state.kind = NJ_STATE_WAITING;
        status.state.reason = "ContainerCreating";
        return status;
    }
    struct instance *instance = &life->instances[newest];
    struct instance *before = newest > 0 && !life->instances[newest - 1].removed ? instance - 1 : NULL;
    status.restart_count = newest;
    status.state = state_of(instance, now);
    if (before != NULL)
        status.last_state = state_of(before, now);
    life->ended_looked_at = newest + (instance->end <= now);
    bool held_back = instance->end + 2 <= now && newest + 1 < life->count && now < pod->deleted;
    if (held_back) {
        status.last_state = status.state;
        status.state = none;
        status.state.kind = NJ_STATE_WAITING;
        status.state.reason = "CrashLoopBackOff";
    } else if (before != NULL) {
        before->looked_at = true;
    }
    if (instance->end <= now)
        instance->looked_at = true;
    return status;
}

static void look_at_pod(struct world *world, struct pod *pod, enum nj_watch_event_type type)
{
    struct nj_container_status statuses[CONTAINERS];
    for (int c = 0; c < pod->containers; c++)
        statuses[c] = look_at_life(&pod->lives[c], pod, world->now);
    struct nj_kube_object object = {
        .kind = NJ_KUBE_POD,
        .meta = {.name = pod->name,
                 .namespace = "ns",
                 .uid = pod->name,
                 .resource_version = "",
                 .created_ns = ns(pod->created),
                 .deletion_grace_seconds = -1},
        .pod = {.node_name = "node1",
                .restart_policy = pod->restart_policy,
                .phase = "Running",
                .reason = "",
                .message = "",
                .statuses = statuses,
                .statuses_count = (size_t)pod->containers},
    };
    if (world->now >= pod->deleted) {
        object.meta.deletion_grace_seconds = 30;
        object.meta.deleted_ns = ns(pod->deleted + 30);
    }
    for (int c = 0; c < pod->containers && !pod->sighted; c++) {
        struct life *life = &pod->lives[c];
        int64_t visible = 0;
        for (int i = 0; i < life->count; i++)
            visible += life->instances[i].looked_at;
        if (pod->created < world->watched_since)
            life->unknown_past = life->ended_looked_at - visible;
    }
    pod->sighted = true;
    nj_detector_pod(world->sim.detector, type, &object, ns(world->now));
}

static void commit(struct world *world)
{
    sim_commit(&world->sim, SIZE_MAX);
    for (int p = 0; p < PODS; p++) {
        for (int c = 0; c < world->pods[p].containers; c++) {
            struct life *life = &world->pods[p].lives[c];
            life->ended = life->ended_looked_at;
            for (int i = 0; i < life->count; i++)
                life->instances[i].seen |= life->instances[i].looked_at;
        }
    }
}

static void lose(struct world *world)
{
    for (int p = 0; p < PODS; p++) {
        for (int c = 0; c < world->pods[p].containers; c++) {
            struct life *life = &world->pods[p].lives[c];
            life->ended_looked_at = life->ended;
            for (int i = 0; i < life->count; i++)
                life->instances[i].looked_at = false;
        }
    }
}

static void list(struct world *world)
{
    for (int p = 0; p < PODS; p++) {
        struct pod *pod = &world->pods[p];
        if (pod->created <= world->now && world->now < pod->gone)
            look_at_pod(world, pod, NJ_WATCH_ADDED);
        else if (world->now >= pod->gone)
            pod->told_gone = true;
    }
    nj_detector_synced(world->sim.detector, ns(world->now));
    commit(world); /* an agent that is killed in its first list forever gets nowhere */
}

static void step(struct world *world)
{
    struct random *random = &world->random;
    world->now += below(random, below(random, 5) == 0 ? 200 : 20);
    if (below(random, 3) > 0)
        sim_run_until(&world->sim, ns(world->now));
    int64_t what = below(random, 20);
    if (what == 0) { /* kill -9: what is on its way is lost or stored */
        if (below(random, 2) == 0)
            commit(world);
        lose(world);
        sim_kill(&world->sim, 0);
        world->now += below(random, 100);
        list(world);
        return;
    }
    struct pod *pod = &world->pods[below(random, PODS)];
    if (pod->created > world->now || pod->told_gone)
        return;
    if (world->now < pod->gone) {
        look_at_pod(world, pod, NJ_WATCH_MODIFIED);
    } else { /* found by a relist: only the uid is known */
        struct nj_kube_object gone = {.meta = {.uid = pod->name}};
        nj_detector_pod(world->sim.detector, NJ_WATCH_DELETED, &gone, ns(world->now));
        pod->told_gone = true;
    }
    if (below(random, 4) > 0)
        commit(world);
}

static bool is_crash(const struct pod *pod, const struct instance *instance)
{
    return instance->exit_code != 0 && instance->end < pod->deleted;
}

static void check_life(const struct world *world, const struct pod *pod, const struct life *life)
{
    int64_t seen = 0;
    size_t crashes = 0;
    for (int i = 0; i < life->count; i++) {
        seen += life->instances[i].seen;
        crashes += life->instances[i].seen && is_crash(pod, &life->instances[i]);
    }
    check(sim_count(&world->sim, NJ_EVENT_CRASH, pod->name, life->name) == crashes);
    for (size_t n = 0; n < crashes; n++) {
        const struct sim_event *told = sim_get(&world->sim, NJ_EVENT_CRASH, pod->name, life->name, n);
        check(told->attempt >= 0 && told->attempt < life->count);
        const struct instance *instance = &life->instances[told->attempt];
        check(strcmp(told->container_id, instance->id) == 0);
        check(told->exit_code == instance->exit_code);
        check(instance->seen && is_crash(pod, instance));
    }
    int64_t lost = 0;
    for (size_t n = 0; n < sim_count(&world->sim, NJ_EVENT_LOST_CRASHES, pod->name, life->name); n++)
        lost += sim_get(&world->sim, NJ_EVENT_LOST_CRASHES, pod->name, life->name, n)->count;
    check(lost == life->ended - seen - life->unknown_past);
}

/* Whatever was told about a container is cleared after its pod is gone, and nothing is remembered. */
static void check_cleared(struct world *world)
{
    world->now += (int64_t)END * 4;
    list(world);
    sim_kill(&world->sim, SIZE_MAX);
    list(world);
    const struct sim *sim = &world->sim;
    for (size_t i = 0; i < sim->events_count; i++) {
        const struct sim_event *event = &sim->events[i];
        bool opens = event->type == NJ_EVENT_CRASH || event->type == NJ_EVENT_LOST_CRASHES ||
                     event->type == NJ_EVENT_STUCK;
        bool cleared = !opens;
        for (size_t j = i + 1; j < sim->events_count && !cleared; j++) {
            const struct sim_event *later = &sim->events[j];
            cleared = later->type == NJ_EVENT_CLEARED && strcmp(later->pod, event->pod) == 0 &&
                      strcmp(later->container, event->container) == 0 && later->at_ns >= event->at_ns;
        }
        check(cleared);
    }
    check(nj_detector_remembered(sim->detector) == 0);
    for (size_t i = 0; i < sim->records_count; i++)
        check(sim->records[i].value == NULL || strcmp(sim->records[i].key, "detector/baseline") == 0);
}

static void play(uint64_t seed)
{
    seed_now = seed;
    struct world *world = NJ_NEW(struct world);
    world->random.state = seed;
    for (int p = 0; p < PODS; p++)
        make_pod(world, &world->pods[p], p);
    world->watched_since = world->now = below(&world->random, END / 2);
    sim_init(&world->sim, ns(world->watched_since));
    world->sim.hold = true;
    list(world);
    for (int i = 0; i < STEPS; i++)
        step(world);
    commit(world);
    for (int p = 0; p < PODS; p++) {
        for (int c = 0; c < world->pods[p].containers; c++)
            check_life(world, &world->pods[p], &world->pods[p].lives[c]);
    }
    check_cleared(world);
    sim_done(&world->sim);
    free(world);
}

static void test_random_lives(void **state)
{
    (void)state;
    if (only_seed != 0) {
        play(only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(seed);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        only_seed = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
