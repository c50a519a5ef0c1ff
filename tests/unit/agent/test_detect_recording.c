/*
 * Crash detection on the recorded cluster: what tests/recordings/README.md says is true of it comes out,
 * whatever breaks in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/unit/agent/detect_sim.h"
#include "tests/unit/agent/recording.h"

static const struct {
    const char *pod, *container, *type, *reason;
    unsigned crashes;
    int exit_code;
} truth[] = {
    {"crasher-", "c", "app", "Error", 7, 3},         {"fastcrash-", "c", "app", "Error", 1, 2},
    {"initfail-", "migrate", "init", "Error", 7, 1}, {"job-bad-", "c", "app", "Error", 2, 4},
    {"liveness-", "c", "app", "Error", 8, 143},      {"oom-", "c", "app", "OOMKilled", 7, 137},
    {"sidecar-", "logger", "app", "Error", 7, 1},
};
enum { TRUTH = sizeof(truth) / sizeof(truth[0]), CRASHES = 39 };

static struct recording recording;

static int load(void **state)
{
    (void)state;
    recording_load(&recording);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    recording_done(&recording);
    return 0;
}

static int64_t at(const char *time)
{
    char text[64];
    int64_t ns = 0;
    (void)snprintf(text, sizeof(text), "2026-11-21T%sZ", time);
    assert_int_equal(nj_time_parse(text, (size_t)-1, &ns), 0);
    return ns;
}

struct listing {
    struct sim *sim;
    int64_t now_ns;
};

static void tell_listed(void *data, const struct nj_kube_object *object)
{
    struct listing *listing = data;
    nj_detector_pod(listing->sim->detector, NJ_WATCH_ADDED, object, listing->now_ns);
}

static int64_t time_of(size_t event)
{
    return event == 0 ? at("09:13:32.5") : recording.events[event - 1].at_ns;
}

/* The first list of a process, after so many events. */
static void list(struct sim *sim, size_t events)
{
    struct listing listing = {sim, time_of(events)};
    recording_list(&recording, events, tell_listed, &listing);
    nj_detector_synced(sim->detector, listing.now_ns);
}

static void play(struct sim *sim, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct recorded_event *event = &recording.events[i];
        sim_run_until(sim, event->at_ns);
        nj_detector_pod(sim->detector, event->type, &event->object, event->at_ns);
    }
}

/* A relist of a watch that knows what it has told: the difference only, what is gone by its uid. */
struct difference {
    struct sim *sim;
    size_t from, to;
    int64_t now_ns;
};

static void tell_difference(void *data, const struct nj_kube_object *object)
{
    const struct difference *difference = data;
    for (size_t i = difference->from; i < difference->to; i++) {
        if (strcmp(recording.events[i].object.meta.uid, object->meta.uid) == 0) {
            nj_detector_pod(difference->sim->detector, NJ_WATCH_MODIFIED, object, difference->now_ns);
            return;
        }
    }
}

static void relist(struct sim *sim, size_t from, size_t to)
{
    struct difference difference = {sim, from, to, time_of(to)};
    recording_list(&recording, to, tell_difference, &difference);
    for (size_t i = from; i < to; i++) {
        if (recording.events[i].type == NJ_WATCH_DELETED) {
            struct nj_kube_object gone = {.meta.uid = recording.events[i].object.meta.uid};
            nj_detector_pod(sim->detector, NJ_WATCH_DELETED, &gone, difference.now_ns);
        }
    }
    nj_detector_synced(sim->detector, difference.now_ns);
}

static void begin(struct sim *sim)
{
    sim_init(sim, at("09:13:30")); /* two of the listed pods are older */
}

static void check_truth(const struct sim *sim)
{
    for (size_t i = 0; i < TRUTH; i++) {
        assert_int_equal(sim_count(sim, NJ_EVENT_CRASH, truth[i].pod, truth[i].container), truth[i].crashes);
        for (size_t n = 0; n < truth[i].crashes; n++) {
            const struct sim_event *crash = sim_get(sim, NJ_EVENT_CRASH, truth[i].pod, truth[i].container, n);
            assert_int_equal(crash->exit_code, truth[i].exit_code);
            assert_string_equal(crash->reason, truth[i].reason);
            assert_string_equal(crash->container_type, truth[i].type);
            assert_string_equal(crash->namespace, "shop");
            assert_int_equal(crash->at_ns, crash->finished_ns);
        }
    }
    assert_int_equal(sim_count(sim, NJ_EVENT_CRASH, NULL, NULL), CRASHES);
    assert_int_equal(sim_lost(sim), 0);
    assert_int_equal(sim_count(sim, NJ_EVENT_POD_FAILURE, NULL, NULL), 0);
}

static void check_stuck(const struct sim *sim)
{
    assert_int_equal(sim_count(sim, NJ_EVENT_STUCK, "noimage-", "c"), 1);
    assert_int_equal(sim_count(sim, NJ_EVENT_STUCK, "badconfig-", "c"), 1);
    for (size_t i = 0; i < TRUTH; i++) {
        bool loops = truth[i].crashes > 2;
        assert_int_equal(sim_count(sim, NJ_EVENT_STUCK, truth[i].pod, NULL), loops ? 1 : 0);
    }
    assert_int_equal(sim_count(sim, NJ_EVENT_STUCK, NULL, NULL), 7);
    assert_int_equal(sim_count(sim, NJ_EVENT_STUCK, "initfail-", "migrate"), 1);
}

static void test_truth_table(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim);
    list(&sim, 0);
    play(&sim, 0, recording.events_count);
    check_truth(&sim);
    check_stuck(&sim);

    const struct sim_event *image = sim_get(&sim, NJ_EVENT_STUCK, "noimage-", "c", 0);
    assert_string_equal(image->image, "lab.local/nosuch:9");
    assert_int_equal(image->at_ns - image->since_ns, 30 * NJ_SEC);
    assert_non_null(strstr(image->message, "failed to pull")); /* why, not only that it is tried again */
    const struct sim_event *config = sim_get(&sim, NJ_EVENT_STUCK, "badconfig-", "c", 0);
    assert_string_equal(config->reason, "CreateContainerConfigError");

    /* Nobody was told about what ended by deletion or well. */
    assert_int_equal(sim_count(&sim, NJ_EVENT_CRASH, "web-", NULL), 0);
    assert_int_equal(sim_count(&sim, NJ_EVENT_CLEARED, "web-", NULL), 0);
    assert_int_equal(sim_count(&sim, NJ_EVENT_CLEARED, "tick-", NULL), 0);
    for (size_t i = 0; i < sim.events_count; i++)
        assert_true(strncmp(sim.events[i].pod, "web-", 4) != 0 &&
                    strncmp(sim.events[i].pod, "tick-", 5) != 0);
    sim_done(&sim);
}

/* Each crash's number names the log file of its own instance: the file's first line is not older than the
 * instance, and no two crashes of a container share one. */
static void test_attempts_name_the_log_files(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim);
    list(&sim, 0);
    play(&sim, 0, recording.events_count);
    for (size_t n = 0; n < CRASHES; n++) {
        const struct sim_event *crash = sim_get(&sim, NJ_EVENT_CRASH, NULL, NULL, n);
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/podlogs/%s_%s_%s/%s/%d.log", NJ_RECORDINGS, crash->namespace,
                       crash->pod, crash->directory_uid, crash->container, crash->attempt);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            fail_msg("%s is missing", path);
        char line[4096] = "";
        int64_t first_ns = 0;
        if (fgets(line, sizeof(line), file) != NULL) {
            assert_int_equal(nj_time_parse(line, strcspn(line, " "), &first_ns), 0);
            assert_true(first_ns >= crash->started_ns && first_ns < crash->finished_ns + NJ_SEC);
        }
        assert_int_equal(fclose(file), 0);
        for (size_t m = 0; m < n; m++) {
            const struct sim_event *other = sim_get(&sim, NJ_EVENT_CRASH, crash->pod, crash->container, 0);
            if (other != crash && strcmp(other->uid, crash->uid) == 0)
                assert_int_not_equal(other->attempt, crash->attempt);
        }
    }
    sim_done(&sim);
}

/* The watch breaks after every event in turn, and a relist shows what happened meanwhile. What cannot be seen
 * any more is lost, and counted: nothing is missing from the sum. */
static void test_relist_at_every_event(void **state)
{
    (void)state;
    static const size_t gaps[] = {0, 1, 2, 5, 17};
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        for (size_t cut = 0; cut + gaps[g] <= recording.events_count; cut++) {
            struct sim sim;
            begin(&sim);
            list(&sim, 0);
            play(&sim, 0, cut);
            relist(&sim, cut, cut + gaps[g]);
            play(&sim, cut + gaps[g], recording.events_count);
            if (gaps[g] == 0)
                check_truth(&sim);
            assert_int_equal(sim_count(&sim, NJ_EVENT_CRASH, NULL, NULL) + sim_lost(&sim), CRASHES);
            assert_int_equal(sim_count(&sim, NJ_EVENT_CRASH, "web-", NULL), 0);
            sim_done(&sim);
        }
    }
}

/* kill -9 after every event in turn, when some of what was found in the last events had reached the store and
 * some had not; then a new process, at once or some events later. */
static void test_kill_at_every_event(void **state)
{
    (void)state;
    static const size_t gaps[] = {0, 1, 6, 30};
    enum { ON_THE_WAY = 4 };
    for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
        for (size_t cut = 0; cut + gaps[g] <= recording.events_count; cut++) {
            for (size_t committed = 0;; committed++) {
                struct sim sim;
                begin(&sim);
                list(&sim, 0);
                size_t safe = cut > ON_THE_WAY ? cut - ON_THE_WAY : 0;
                play(&sim, 0, safe);
                sim.hold = true;
                play(&sim, safe, cut);
                size_t queued = sim.queued;
                sim_kill(&sim, committed);
                sim.hold = false;
                list(&sim, cut + gaps[g]);
                play(&sim, cut + gaps[g], recording.events_count);
                if (gaps[g] == 0) {
                    check_truth(&sim);
                    check_stuck(&sim);
                }
                assert_int_equal(sim_count(&sim, NJ_EVENT_CRASH, NULL, NULL) + sim_lost(&sim), CRASHES);
                assert_int_equal(sim_count(&sim, NJ_EVENT_CRASH, "web-", NULL), 0);
                sim_done(&sim);
                if (committed >= queued)
                    break;
            }
        }
    }
}

/* A restart alone tells nothing again. */
static void test_restart_repeats_nothing(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim);
    list(&sim, 0);
    for (size_t i = 0; i < recording.events_count; i++) {
        play(&sim, i, i + 1);
        size_t before = sim.events_count;
        sim_kill(&sim, SIZE_MAX);
        list(&sim, i + 1);
        assert_int_equal(sim.events_count, before);
    }
    check_truth(&sim);
    sim_done(&sim);
}

/* An agent that was never on this node tells what is visible, and counts nothing as lost. */
static void test_new_agent_at_every_event(void **state)
{
    (void)state;
    for (size_t first = 0; first <= recording.events_count; first++) {
        struct sim sim;
        sim_init(&sim, time_of(first) + NJ_SEC);
        list(&sim, first);
        assert_int_equal(sim_lost(&sim), 0);
        play(&sim, first, recording.events_count);
        assert_int_equal(sim_lost(&sim), 0);
        /* At the end each container of the truth table shows one. */
        assert_true(sim_count(&sim, NJ_EVENT_CRASH, NULL, NULL) >= TRUTH + 1);
        sim_done(&sim);
    }
}

/* When the pods go while the agent is away, what was told about them is cleared. */
static void test_pods_gone_meanwhile(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim);
    list(&sim, 0);
    play(&sim, 0, recording.events_count);
    sim_kill(&sim, SIZE_MAX);
    nj_detector_synced(sim.detector, at("10:00:00"));
    /* The containers of the truth table (job-bad's twice), noimage's and badconfig's. */
    assert_int_equal(sim_count(&sim, NJ_EVENT_CLEARED, NULL, NULL), TRUTH + 1 + 2);
    assert_int_equal(sim_get(&sim, NJ_EVENT_CLEARED, "oom-", "c", 0)->cause, NJ_CLEARED_DELETED);
    assert_int_equal(nj_detector_remembered(sim.detector), 0);
    for (size_t i = 0; i < sim.records_count; i++)
        assert_true(sim.records[i].value == NULL || strcmp(sim.records[i].key, "detector/baseline") == 0);
    sim_done(&sim);
}

/* A container that stays up for five minutes after its last crash is well again. */
static void test_stable_after_the_recording(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim);
    list(&sim, 0);
    play(&sim, 0, recording.events_count);
    sim_run_until(&sim, at("09:30:00"));
    assert_int_equal(sim_count(&sim, NJ_EVENT_CLEARED, NULL, NULL), 1);
    const struct sim_event *cleared = sim_get(&sim, NJ_EVENT_CLEARED, "fastcrash-", "c", 0);
    assert_int_equal(cleared->cause, NJ_CLEARED_STABLE);
    assert_int_equal(cleared->at_ns, at("09:18:37"));
    sim_done(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth_table),
        cmocka_unit_test(test_attempts_name_the_log_files),
        cmocka_unit_test(test_relist_at_every_event),
        cmocka_unit_test(test_kill_at_every_event),
        cmocka_unit_test(test_restart_repeats_nothing),
        cmocka_unit_test(test_new_agent_at_every_event),
        cmocka_unit_test(test_pods_gone_meanwhile),
        cmocka_unit_test(test_stable_after_the_recording),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
