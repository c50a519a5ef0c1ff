/*
 * The engine's rules, one by one, and then all of them against a slow reference with random events.
 */
#include "collector/incident/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/slow_engine.h"
#include "tests/unit/collector/support.h"

static const struct nj_event_origin prod = {.cluster = "prod", .project = "p-1", .node = "node-7"};

enum { TOLD = 4096 };

struct fixture {
    struct nj_engine *engine;
    struct nj_buf transitions; /* "+1 crash;" opened, "^1;" worsened, "-1 stable;" resolved */
    int64_t now_ns;
    const char *reasons[3]; /* to hold back what is of cart, basket, toy; NULL: none */
    bool told[TOLD];        /* by incident */
};

static const char *reason_of(void *data, const char *workload)
{
    static const char *const workloads[] = {"cart", "basket", "toy"};
    const struct fixture *fixture = data;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(workloads[i], workload) == 0)
            return fixture->reasons[i];
    }
    return NULL;
}

static bool hook(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                 size_t size)
{
    const char *reason = reason_of(data, incident->workload);
    assert_true(now_ns > 0);
    if (reason != NULL)
        (void)snprintf(ret_reason, size, "%s", reason);
    return reason != NULL;
}

/* Whoever hears of an incident has heard of its beginning, once. */
static void note_told(struct fixture *fixture, const struct nj_incident *incident,
                      enum nj_transition transition)
{
    assert_in_range(incident->id, 1, TOLD - 1);
    assert_int_equal(fixture->told[incident->id], transition != NJ_TRANSITION_OPENED);
    assert_string_equal("", incident->suppressed);
    fixture->told[incident->id] = true;
}

static void note_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct fixture *fixture = data;
    note_told(fixture, incident, transition);
    if (transition == NJ_TRANSITION_WORSENED)
        (void)nj_buf_printf(&fixture->transitions, "^%d;", (int)incident->id);
    else if (transition == NJ_TRANSITION_OPENED)
        (void)nj_buf_printf(&fixture->transitions, "+%d %s;", (int)incident->id,
                            nj_incident_kind_name(incident->kind));
    else
        (void)nj_buf_printf(&fixture->transitions, "-%d %s;", (int)incident->id, incident->resolved_cause);
}

static struct nj_engine *new_engine(struct fixture *fixture, size_t max_open, size_t max_subjects,
                                    int64_t next_id)
{
    const struct nj_engine_options options = {.stale_after_ns = NJ_DAY,
                                              .max_open = max_open,
                                              .max_subjects = max_subjects,
                                              .on_transition = note_transition,
                                              .suppress = hook,
                                              .data = fixture};
    return nj_engine_new(&options, next_id);
}

static int setup(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    fixture->now_ns = noon_ns + NJ_SEC;
    fixture->engine = new_engine(fixture, 100, 100, 1);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_engine_free(fixture->engine);
    nj_buf_done(&fixture->transitions);
    free(fixture);
    return 0;
}

static int64_t apply(struct fixture *fixture, const struct nj_event *event)
{
    return nj_engine_apply(fixture->engine, &prod, event, true, fixture->now_ns);
}

static void assert_transitions(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->transitions));
    nj_buf_clear(&fixture->transitions);
}

/* What changed, as the store is told. */
static int list_incident(void *data, const struct nj_incident *incident)
{
    (void)nj_buf_printf(data, "%d %s %s %s n=%d lost=%d r%d;", (int)incident->id,
                        nj_incident_kind_name(incident->kind), nj_incident_state_name(incident->state),
                        nj_severity_name(incident->severity), (int)incident->count, (int)incident->lost,
                        (int)incident->revision);
    return 0;
}

static int list_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                        bool present)
{
    (void)nj_buf_printf(data, "%c%d %s/%s;", present ? '+' : '-', (int)incident_id, subject->pod_uid,
                        subject->container);
    return 0;
}

static void assert_changes(struct fixture *fixture, const char *expected)
{
    struct nj_buf got = {0};
    assert_int_equal(0, nj_engine_each_change(fixture->engine, list_incident, list_subject, &got));
    assert_string_equal(expected, nj_buf_str(&got));
    nj_buf_done(&got);
    nj_engine_clear_changes(fixture->engine);
}

/* Of pod "u<number>", at so many seconds after noon. */
static struct nj_event event_of(enum nj_event_type type, const char *id, const char *uid, int at_s)
{
    struct nj_event event = make_event(type, id);
    event.subject.pod_uid = uid;
    event.subject.pod = uid;
    event.at_ns = noon_ns + at_s * NJ_SEC;
    return event;
}

static struct nj_event crash_of(const char *id, const char *uid, int at_s)
{
    return event_of(NJ_EVENT_CRASH, id, uid, at_s);
}

static struct nj_event stuck_of(const char *reason, const char *uid, int at_s)
{
    struct nj_event event = event_of(NJ_EVENT_STUCK, reason, uid, at_s);
    event.stuck.reason = reason;
    return event;
}

static struct nj_event cleared_of(enum nj_cleared_cause cause, const char *uid, int at_s)
{
    struct nj_event event = event_of(NJ_EVENT_CLEARED, "cleared", uid, at_s);
    event.cleared.cause = cause;
    return event;
}

static int64_t crash(struct fixture *fixture, const char *id, const char *uid, int at_s)
{
    const struct nj_event event = crash_of(id, uid, at_s);
    return apply(fixture, &event);
}

static int64_t stuck(struct fixture *fixture, const char *reason, const char *uid, int at_s)
{
    const struct nj_event event = stuck_of(reason, uid, at_s);
    return apply(fixture, &event);
}

static void cleared(struct fixture *fixture, enum nj_cleared_cause cause, const char *uid, int at_s)
{
    const struct nj_event event = cleared_of(cause, uid, at_s);
    assert_int_equal(0, apply(fixture, &event));
}

static void crashes_of_one_workload_are_one_incident(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, crash(fixture, "a", "u1", 0));
    assert_int_equal(1, crash(fixture, "b", "u1", 10));
    assert_int_equal(1, crash(fixture, "c", "u2", 20));
    assert_transitions(fixture, "+1 crash;");
    assert_changes(fixture, "1 crash open warning n=3 lost=0 r3;+1 u1/app;+1 u2/app;");
    assert_int_equal(1, nj_engine_open_count(fixture->engine));
    assert_int_equal(1, nj_engine_open_of(fixture->engine, NJ_INCIDENT_CRASH));
    assert_int_equal(0, nj_engine_open_of(fixture->engine, NJ_INCIDENT_STUCK));
    assert_changes(fixture, "");
}

static void another_cluster_workload_or_container_is_another_incident(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event_origin test = {.cluster = "test", .project = "", .node = "n"};
    struct nj_event event = crash_of("a", "u1", 0);
    assert_int_equal(1, apply(fixture, &event));
    assert_int_equal(2, nj_engine_apply(fixture->engine, &test, &event, true, fixture->now_ns));
    event.subject.container = "sidecar";
    assert_int_equal(3, apply(fixture, &event));
    event.subject.workload = "basket";
    assert_int_equal(4, apply(fixture, &event));
    event.subject.workload_kind = "StatefulSet";
    assert_int_equal(5, apply(fixture, &event));
    event.subject.namespace = "bank";
    assert_int_equal(6, apply(fixture, &event));
    /* Parts that would run together are told apart. */
    event.subject.namespace = "a";
    event.subject.workload = "bc";
    assert_int_equal(7, apply(fixture, &event));
    event.subject.namespace = "ab";
    event.subject.workload = "c";
    assert_int_equal(8, apply(fixture, &event));
}

struct seen {
    struct nj_incident copy;
    int count;
};

static int keep_incident(void *data, const struct nj_incident *incident)
{
    struct seen *seen = data;
    if (seen->count++ > 0)
        nj_incident_done(&seen->copy);
    nj_incident_copy(&seen->copy, incident);
    return 0;
}

static int ignore_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                          bool present)
{
    (void)data;
    (void)incident_id;
    (void)subject;
    (void)present;
    return 0;
}

/* The only changed incident; the caller frees the copy. */
static struct nj_incident only_change(struct fixture *fixture)
{
    struct seen seen = {0};
    assert_int_equal(0, nj_engine_each_change(fixture->engine, keep_incident, ignore_subject, &seen));
    assert_int_equal(1, seen.count);
    nj_engine_clear_changes(fixture->engine);
    return seen.copy;
}

static void an_incident_says_what_happened_last_whatever_the_order(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event late = crash_of("newer", "u2", 20);
    late.crash.reason = "OOMKilled";
    late.crash.exit_code = 137;
    late.subject.node = "";
    assert_int_equal(1, apply(fixture, &late));
    assert_int_equal(1, crash(fixture, "older", "u1", 5));
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("OOMKilled", incident.reason);
    assert_int_equal(137, incident.exit_code);
    assert_string_equal("newer", incident.crash_id);
    assert_string_equal("u2", incident.pod_uid);
    assert_string_equal("node-7", incident.node);
    assert_string_equal("p-1", incident.project);
    assert_int_equal(2, incident.count);
    assert_int_equal(noon_ns + 5 * NJ_SEC, incident.first_ns);
    assert_int_equal(noon_ns + 20 * NJ_SEC, incident.last_ns);
    assert_int_equal(64, strlen(incident.fingerprint));
    nj_incident_done(&incident);
}

static void a_known_crash_corrects_the_record_and_counts_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = crash_of("a", "u1", 0);
    assert_int_equal(1, apply(fixture, &event));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(1, nj_engine_apply(fixture->engine, &prod, &event, false, fixture->now_ns));
    assert_changes(fixture, "");
    event.crash.reason = "OOMKilled";
    event.crash.exit_code = 137;
    assert_int_equal(1, nj_engine_apply(fixture->engine, &prod, &event, false, fixture->now_ns));
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("OOMKilled", incident.reason);
    assert_int_equal(137, incident.exit_code);
    assert_int_equal(1, incident.count);
    assert_int_equal(2, incident.revision);
    nj_incident_done(&incident);
    /* Not the latest one, or of no open incident. */
    event.id = "other";
    assert_int_equal(0, nj_engine_apply(fixture->engine, &prod, &event, false, fixture->now_ns));
    event.subject.workload = "basket";
    assert_int_equal(0, nj_engine_apply(fixture->engine, &prod, &event, false, fixture->now_ns));
    assert_changes(fixture, "");
    assert_transitions(fixture, "+1 crash;");
}

static void it_resolves_when_the_last_one_in_trouble_is_cleared(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    (void)crash(fixture, "b", "u2", 0);
    nj_engine_clear_changes(fixture->engine);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 300);
    assert_changes(fixture, "-1 u1/app;");
    cleared(fixture, NJ_CLEARED_STABLE, "u2", 310);
    assert_transitions(fixture, "+1 crash;-1 stable;");
    struct nj_incident incident = only_change(fixture);
    assert_int_equal(NJ_INCIDENT_RESOLVED, incident.state);
    assert_int_equal(noon_ns + 310 * NJ_SEC, incident.resolved_ns);
    assert_string_equal("stable", incident.resolved_cause);
    nj_incident_done(&incident);
    assert_int_equal(0, nj_engine_open_count(fixture->engine));
    /* Again changes nothing; the next crash is another incident. */
    cleared(fixture, NJ_CLEARED_STABLE, "u2", 310);
    assert_changes(fixture, "");
    assert_int_equal(2, crash(fixture, "c", "u2", 400));
    assert_transitions(fixture, "+2 crash;");
}

static void opened_and_resolved_before_it_is_stored_it_is_told_whole(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 300);
    (void)crash(fixture, "b", "u1", 400);
    assert_changes(fixture,
                   "1 crash resolved warning n=1 lost=0 r2;2 crash open warning n=1 lost=0 r1;+2 u1/app;");
}

static void a_crash_loop_belongs_to_the_crash_and_is_critical(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    assert_int_equal(1, stuck(fixture, "CrashLoopBackOff", "u1", 10));
    struct nj_incident incident = only_change(fixture);
    assert_true(incident.crash_loop);
    assert_string_equal("Error", incident.reason);
    assert_int_equal(NJ_SEVERITY_CRITICAL, incident.severity);
    assert_int_equal(1, incident.count);
    nj_incident_done(&incident);
    assert_int_equal(1, stuck(fixture, "CrashLoopBackOff", "u1", 10));
    assert_changes(fixture, "");
    /* It runs for a while and crashes again: it started, but it is not well. */
    cleared(fixture, NJ_CLEARED_STARTED, "u1", 40);
    (void)crash(fixture, "b", "u1", 50);
    assert_transitions(fixture, "+1 crash;");
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 500);
    assert_transitions(fixture, "-1 stable;");
}

static void a_crash_loop_whose_crash_nobody_told_opens_an_incident(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, stuck(fixture, "CrashLoopBackOff", "u1", 10));
    assert_changes(fixture, "1 crash open critical n=0 lost=0 r1;+1 u1/app;");
    assert_int_equal(1, crash(fixture, "a", "u1", 5));
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("a", incident.crash_id);
    assert_string_equal("Error", incident.reason);
    assert_int_equal(1, incident.count);
    nj_incident_done(&incident);
}

static void lost_crashes_are_a_fact_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event lost = event_of(NJ_EVENT_LOST_CRASHES, "lost", "u1", 0);
    assert_int_equal(1, apply(fixture, &lost));
    assert_changes(fixture, "1 crash open warning n=0 lost=2 r1;+1 u1/app;");
    (void)crash(fixture, "a", "u1", 1);
    assert_int_equal(0, nj_engine_apply(fixture->engine, &prod, &lost, false, fixture->now_ns));
    const struct nj_event more = event_of(NJ_EVENT_LOST_CRASHES, "more", "u1", 9);
    assert_int_equal(1, apply(fixture, &more));
    assert_changes(fixture, "1 crash open warning n=1 lost=4 r3;+1 u1/app;");
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 300);
    assert_transitions(fixture, "+1 crash;-1 stable;");
}

static void what_is_waited_for_decides_the_kind(void **state)
{
    static const struct {
        const char *reason;
        const char *kind;
    } cases[] = {{"ErrImagePull", "image_pull"},
                 {"ImagePullBackOff", "image_pull"},
                 {"ErrImageNeverPull", "image_pull"},
                 {"ImageInspectError", "image_pull"},
                 {"InvalidImageName", "image_pull"},
                 {"RegistryUnavailable", "image_pull"},
                 {"SignatureValidationFailed", "image_pull"},
                 {"CreateContainerConfigError", "config_error"},
                 {"RunContainerError", "start_error"},
                 {"CreateContainerError", "start_error"},
                 {"PreCreateHookError", "start_error"},
                 {"PreStartHookError", "start_error"},
                 {"PostStartHookError", "start_error"},
                 {"CrashLoopBackOff", "crash"},
                 {"Unschedulable", "unschedulable"},
                 {"ContainerCreating", "stuck"},
                 {"PodInitializing", "stuck"},
                 {"SomethingNew", "stuck"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture = {.now_ns = noon_ns};
        char expected[64];
        fixture.engine = new_engine(&fixture, 10, 10, 1);
        assert_int_equal(1, stuck(&fixture, cases[i].reason, "u1", 0));
        (void)snprintf(expected, sizeof(expected), "+1 %s;", cases[i].kind);
        assert_transitions(&fixture, expected);
        nj_engine_free(fixture.engine);
        nj_buf_done(&fixture.transitions);
    }
}

static void a_stuck_pod_counts_once_and_its_words_are_kept_current(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, stuck(fixture, "ErrImagePull", "u1", 0));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(1, stuck(fixture, "ErrImagePull", "u1", 0));
    assert_changes(fixture, "");
    assert_int_equal(1, stuck(fixture, "ImagePullBackOff", "u1", 15));
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("ImagePullBackOff", incident.reason);
    assert_string_equal("registry/cart:1.4.3", incident.image);
    assert_int_equal(1, incident.count);
    nj_incident_done(&incident);
    assert_int_equal(1, stuck(fixture, "ErrImagePull", "u2", 20));
    cleared(fixture, NJ_CLEARED_STARTED, "u1", 30);
    assert_transitions(fixture, "+1 image_pull;");
    cleared(fixture, NJ_CLEARED_STARTED, "u2", 40);
    assert_transitions(fixture, "-1 started;");
}

static void a_container_waits_for_one_thing_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, stuck(fixture, "ImagePullBackOff", "u1", 0));
    assert_int_equal(2, stuck(fixture, "CreateContainerConfigError", "u1", 60));
    assert_transitions(fixture, "+1 image_pull;+2 config_error;-1 superseded;");
    /* A loop of failed starts goes to and fro, and is one incident of each. */
    assert_int_equal(3, stuck(fixture, "RunContainerError", "u1", 70));
    assert_int_equal(4, stuck(fixture, "CrashLoopBackOff", "u1", 80));
    assert_int_equal(3, stuck(fixture, "RunContainerError", "u1", 90));
    assert_int_equal(4, stuck(fixture, "CrashLoopBackOff", "u1", 100));
    assert_transitions(fixture, "+3 start_error;-2 superseded;+4 crash;");
}

static void starting_ends_waiting_and_not_a_crash(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    (void)stuck(fixture, "ImagePullBackOff", "u1", 1);
    cleared(fixture, NJ_CLEARED_STARTED, "u1", 9);
    assert_transitions(fixture, "+1 crash;+2 image_pull;-2 started;");
    cleared(fixture, NJ_CLEARED_SCHEDULED, "u1", 9);
    assert_transitions(fixture, "");
    cleared(fixture, NJ_CLEARED_COMPLETED, "u1", 9);
    assert_transitions(fixture, "-1 completed;");
}

static void an_unscheduled_pod_is_cleared_when_a_node_takes_it(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = stuck_of("Unschedulable", "u1", 0);
    event.subject.container = "";
    event.subject.node = "";
    const struct nj_event_origin own = {.cluster = "prod", .project = "", .node = ""};
    assert_int_equal(1, nj_engine_apply(fixture->engine, &own, &event, true, fixture->now_ns));
    /* A container that starts says nothing about it. */
    cleared(fixture, NJ_CLEARED_STARTED, "u1", 5);
    assert_transitions(fixture, "+1 unschedulable;");
    struct nj_event scheduled = cleared_of(NJ_CLEARED_SCHEDULED, "u1", 6);
    scheduled.subject.container = "";
    (void)apply(fixture, &scheduled);
    assert_transitions(fixture, "-1 scheduled;");
}

static void deletion_ends_everything_of_the_pod_and_nothing_is_news_afterwards(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    (void)stuck(fixture, "ImagePullBackOff", "u1", 1);
    const struct nj_event evicted = event_of(NJ_EVENT_POD_FAILURE, "e", "u1", 2);
    (void)apply(fixture, &evicted);
    (void)crash(fixture, "b", "u2", 3);
    assert_transitions(fixture, "+1 crash;+2 image_pull;+3 pod_failure;");
    struct nj_event deleted = cleared_of(NJ_CLEARED_DELETED, "u1", 4);
    deleted.subject.container = "";
    (void)apply(fixture, &deleted);
    assert_transitions(fixture, "-2 deleted;-3 deleted;");
    /* The other pod keeps the crash incident open: what comes late is counted there, and opens nothing. */
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(1, crash(fixture, "c", "u1", 5));
    assert_changes(fixture, "1 crash open warning n=3 lost=0 r3;");
    assert_int_equal(0, stuck(fixture, "ImagePullBackOff", "u1", 6));
    assert_int_equal(0, apply(fixture, &evicted));
    cleared(fixture, NJ_CLEARED_STABLE, "u2", 300);
    assert_transitions(fixture, "-1 stable;");
    assert_int_equal(0, crash(fixture, "d", "u1", 5));
    const struct nj_event lost = event_of(NJ_EVENT_LOST_CRASHES, "l", "u1", 5);
    assert_int_equal(0, apply(fixture, &lost));
    assert_transitions(fixture, "");
}

static void what_is_cleared_while_the_clock_is_set_back_is_over(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    /* Two seconds more than an hour ahead of the collector: the same agent's crash was not. */
    fixture->now_ns = noon_ns - NJ_HOUR + NJ_SEC;
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 3);
    assert_transitions(fixture, "+1 crash;-1 stable;");
}

static void deletion_of_one_container_leaves_the_others(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = crash_of("a", "u1", 0);
    (void)apply(fixture, &event);
    event.subject.container = "sidecar";
    (void)apply(fixture, &event);
    cleared(fixture, NJ_CLEARED_DELETED, "u1", 4);
    assert_transitions(fixture, "+1 crash;+2 crash;-1 deleted;");
}

static void what_happened_before_a_clearing_and_comes_after_it_reopens_nothing(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 300);
    assert_transitions(fixture, "+1 crash;-1 stable;");
    assert_int_equal(0, crash(fixture, "b", "u1", 200));
    assert_int_equal(0, stuck(fixture, "CrashLoopBackOff", "u1", 200));
    assert_int_equal(0, stuck(fixture, "ImagePullBackOff", "u1", 200));
    assert_transitions(fixture, "");
    /* Kubernetes' times are whole seconds: this may well have been afterwards. */
    struct nj_event close = crash_of("c", "u1", 300);
    close.at_ns = noon_ns + 300 * NJ_SEC - NJ_SEC / 2;
    assert_int_equal(2, apply(fixture, &close));
    /* Another pod has nothing to do with it. */
    assert_int_equal(2, crash(fixture, "d", "u2", 100));
}

static void a_clearing_older_than_the_trouble_clears_nothing(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 100);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 50);
    assert_transitions(fixture, "+1 crash;");
    /* Unless it is the pod's end. */
    cleared(fixture, NJ_CLEARED_DELETED, "u1", 50);
    assert_transitions(fixture, "-1 deleted;");
}

static void a_start_within_the_second_of_the_trouble_clears_it(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = stuck_of("ImagePullBackOff", "u1", 0);
    event.at_ns = noon_ns + NJ_SEC / 2;
    (void)apply(fixture, &event);
    cleared(fixture, NJ_CLEARED_STARTED, "u1", 0);
    assert_transitions(fixture, "+1 image_pull;-1 started;");
}

static void a_pod_that_was_ended_counts_once_and_by_design_is_mild(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event evicted = event_of(NJ_EVENT_POD_FAILURE, "e", "u1", 0);
    assert_int_equal(1, apply(fixture, &evicted));
    assert_int_equal(1, apply(fixture, &evicted));
    assert_changes(fixture, "1 pod_failure open warning n=1 lost=0 r1;+1 u1/;");
    struct nj_event shutdown = event_of(NJ_EVENT_POD_FAILURE, "s", "u2", 0);
    shutdown.subject.workload = "basket";
    shutdown.failure.reason = "NodeShutdown";
    assert_int_equal(2, apply(fixture, &shutdown));
    assert_changes(fixture, "2 pod_failure open info n=1 lost=0 r1;+2 u2/;");
    /* It only gets worse. */
    shutdown.subject.pod_uid = "u3";
    shutdown.at_ns += NJ_SEC;
    shutdown.failure.reason = "DeadlineExceeded";
    assert_int_equal(2, apply(fixture, &shutdown));
    shutdown.subject.pod_uid = "u4";
    shutdown.at_ns += NJ_SEC;
    shutdown.failure.reason = "NodeShutdown";
    assert_int_equal(2, apply(fixture, &shutdown));
    assert_changes(fixture, "2 pod_failure open warning n=3 lost=0 r3;+2 u3/;+2 u4/;");
    /* What the API server's side ends is deleted on purpose. */
    shutdown.subject.pod_uid = "u5";
    shutdown.failure.reason = "EvictionByEvictionAPI";
    assert_int_equal(0, apply(fixture, &shutdown));
    assert_changes(fixture, "");
}

/* How an agent tells a crash that it finds long after: that all is well comes first. */
static void what_was_over_before_it_was_told_alarms_nobody(void **state)
{
    struct fixture *fixture = *state;
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 400);
    assert_int_equal(0, crash(fixture, "a", "u1", 50));
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 400);
    assert_transitions(fixture, "");
    assert_int_equal(1, crash(fixture, "b", "u1", 500));
    assert_transitions(fixture, "+1 crash;");
}

struct copying {
    struct nj_incident *to;
    size_t count;
};

static int copy_incident(void *data, const struct nj_incident *incident)
{
    struct copying *copying = data;
    nj_incident_copy(&copying->to[copying->count++], incident);
    return 0;
}

static int skip_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                        bool present)
{
    (void)data;
    (void)incident_id;
    (void)subject;
    (void)present;
    return 0;
}

static void what_was_not_heard_of_for_long_is_stale(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    fixture->now_ns += NJ_HOUR;
    (void)stuck(fixture, "ImagePullBackOff", "u2", 3600);
    nj_engine_tick(fixture->engine, noon_ns + NJ_DAY);
    assert_transitions(fixture, "+1 crash;+2 image_pull;");
    nj_engine_tick(fixture->engine, noon_ns + NJ_DAY + 2 * NJ_SEC);
    assert_transitions(fixture, "-1 stale;");
    nj_engine_clear_changes(fixture->engine);
    /* Being heard of again, without any change, is enough. */
    fixture->now_ns += 20 * NJ_HOUR;
    (void)stuck(fixture, "ImagePullBackOff", "u2", 3600);
    assert_changes(fixture, "");
    nj_engine_tick(fixture->engine, noon_ns + NJ_DAY + 10 * NJ_HOUR);
    assert_transitions(fixture, "");
    nj_engine_tick(fixture->engine, noon_ns + 2 * NJ_DAY);
    assert_transitions(fixture, "-2 stale;");
}

/* What lasts is told again and again, with nothing new: the store knows only when it began. */
static void what_lasts_is_not_stale_after_a_start(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    (void)stuck(fixture, "ImagePullBackOff", "u2", 0);
    struct nj_incident records[2] = {{0}};
    struct copying copying = {.to = records};
    assert_int_equal(0, nj_engine_each_change(fixture->engine, copy_incident, skip_subject, &copying));
    nj_engine_free(fixture->engine);
    fixture->engine = new_engine(fixture, 100, 100, 3);
    nj_engine_load(fixture->engine, &records[0]);
    nj_engine_load(fixture->engine, &records[1]);
    for (size_t i = 0; i < 2; i++)
        nj_incident_done(&records[i]);
    nj_buf_clear(&fixture->transitions);

    fixture->now_ns = noon_ns + 3 * NJ_DAY;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_transitions(fixture, "");
    fixture->now_ns += 5 * NJ_MIN;
    (void)stuck(fixture, "ImagePullBackOff", "u2", 0);
    fixture->now_ns += NJ_HOUR;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_transitions(fixture, "-1 stale;");
}

static void a_clock_that_was_set_back_keeps_nothing_open(void **state)
{
    struct fixture *fixture = *state;
    fixture->now_ns += 30 * NJ_DAY;
    (void)crash(fixture, "a", "u1", 0);
    nj_engine_tick(fixture->engine, fixture->now_ns);
    fixture->now_ns -= 30 * NJ_DAY;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    nj_engine_tick(fixture->engine, fixture->now_ns + NJ_DAY);
    assert_transitions(fixture, "+1 crash;");
    nj_engine_tick(fixture->engine, fixture->now_ns + NJ_DAY + NJ_SEC);
    assert_transitions(fixture, "-1 stale;");
}

/* A clearing is remembered for minutes, not until a clock that was set back has come to it again. */
static void a_clearing_is_forgotten_though_the_clock_was_set_back(void **state)
{
    struct fixture *fixture = *state;
    fixture->now_ns += NJ_HOUR;
    cleared(fixture, NJ_CLEARED_STABLE, "u1", 3600);
    nj_engine_tick(fixture->engine, fixture->now_ns);
    fixture->now_ns -= NJ_HOUR;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_int_equal(0, crash(fixture, "a", "u1", 0));
    fixture->now_ns += NJ_ENGINE_CLEARED_AGE_NS + NJ_SEC;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_int_equal(1, crash(fixture, "b", "u1", 611));
}

static void a_crash_loop_is_not_written_each_time(void **state)
{
    (void)state;
    struct fixture fixture = {.now_ns = noon_ns};
    const struct nj_engine_options options = {
        .stale_after_ns = NJ_DAY, .since_slack_ns = NJ_MIN, .max_open = 10, .max_subjects = 10};
    fixture.engine = nj_engine_new(&options, 1);
    (void)crash(&fixture, "a", "u1", 0);
    nj_engine_clear_changes(fixture.engine);
    (void)crash(&fixture, "b", "u1", 59);
    assert_changes(&fixture, "1 crash open warning n=2 lost=0 r2;");
    (void)crash(&fixture, "c", "u1", 60);
    assert_changes(&fixture, "1 crash open warning n=3 lost=0 r3;+1 u1/app;");
    /* What is known here is the latest all the same. */
    (void)crash(&fixture, "d", "u1", 90);
    cleared(&fixture, NJ_CLEARED_STABLE, "u1", 80);
    assert_int_equal(1, nj_engine_open_count(fixture.engine));
    nj_engine_free(fixture.engine);
    nj_buf_done(&fixture.transitions);
}

static void too_many_open_incidents_evict_the_quietest(void **state)
{
    (void)state;
    struct fixture fixture = {.now_ns = noon_ns};
    fixture.engine = new_engine(&fixture, 2, 10, 1);
    static const char *const workloads[] = {"one", "two", "one", "three"};
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        struct nj_event event = crash_of("x", "u1", 0);
        event.subject.workload = workloads[i];
        (void)apply(&fixture, &event);
    }
    assert_transitions(&fixture, "+1 crash;+2 crash;-2 evicted;+3 crash;");
    assert_int_equal(1, nj_engine_losses(fixture.engine).evicted_incidents);
    assert_int_equal(2, nj_engine_open_count(fixture.engine));
    nj_engine_free(fixture.engine);
    nj_buf_done(&fixture.transitions);
}

static void too_many_pods_of_one_incident_forget_the_quietest(void **state)
{
    (void)state;
    struct fixture fixture = {.now_ns = noon_ns};
    fixture.engine = new_engine(&fixture, 10, 2, 1);
    (void)crash(&fixture, "a", "u1", 0);
    (void)crash(&fixture, "b", "u2", 1);
    (void)crash(&fixture, "c", "u1", 2);
    nj_engine_clear_changes(fixture.engine);
    (void)crash(&fixture, "d", "u3", 3);
    assert_changes(&fixture, "1 crash open warning n=4 lost=0 r4;-1 u2/app;+1 u3/app;");
    assert_int_equal(1, nj_engine_losses(fixture.engine).forgotten_subjects);
    cleared(&fixture, NJ_CLEARED_STABLE, "u1", 300);
    cleared(&fixture, NJ_CLEARED_STABLE, "u3", 300);
    assert_transitions(&fixture, "+1 crash;-1 stable;");
    nj_engine_free(fixture.engine);
    nj_buf_done(&fixture.transitions);
}

static void times_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    struct nj_event event = crash_of("a", "u1", 0);
    assert_int_equal(noon_ns, nj_engine_event_time(&event, noon_ns + 5));
    event.at_ns = 0;
    assert_int_equal(noon_ns + 1, nj_engine_event_time(&event, noon_ns + 5));
    event.seen_ns = 0;
    assert_int_equal(noon_ns + 5, nj_engine_event_time(&event, noon_ns + 5));
    event.at_ns = INT64_MAX;
    assert_int_equal(noon_ns + 5, nj_engine_event_time(&event, noon_ns + 5));
    event.at_ns = noon_ns + NJ_MIN;
    assert_int_equal(noon_ns + NJ_MIN, nj_engine_event_time(&event, noon_ns));
}

static void long_words_are_cut(void **state)
{
    struct fixture *fixture = *state;
    char *text = nj_calloc(1, 10001);
    memset(text, 'x', 10000);
    struct nj_event event = crash_of("a", "u1", 0);
    event.crash.message = text;
    event.crash.image = text;
    (void)apply(fixture, &event);
    struct nj_incident incident = only_change(fixture);
    assert_int_equal(NJ_ENGINE_MESSAGE_MAX, strlen(incident.message));
    assert_int_equal(NJ_ENGINE_NAME_MAX, strlen(incident.image));
    nj_incident_done(&incident);
    free(text);
}

static void a_clearing_of_no_known_cause_or_type_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    (void)crash(fixture, "a", "u1", 0);
    cleared(fixture, (enum nj_cleared_cause)99, "u1", 9);
    struct nj_event event = crash_of("b", "u1", 0);
    event.type = (enum nj_event_type)99;
    assert_int_equal(0, apply(fixture, &event));
    assert_transitions(fixture, "+1 crash;");
}

static void list_open_subject(void *data, const struct nj_incident *incident,
                              const struct nj_incident_subject *subject)
{
    (void)nj_buf_printf(data, "%d %s %s;", (int)incident->id, subject->pod_uid, subject->pod);
}

static void what_is_in_trouble_can_be_listed_by_kind_and_cluster(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event_origin test = {.cluster = "test", .project = "", .node = ""};
    (void)crash(fixture, "a", "u1", 0);
    (void)stuck(fixture, "Unschedulable", "u2", 0);
    (void)stuck(fixture, "Unschedulable", "u3", 0);
    struct nj_event other = stuck_of("Unschedulable", "u4", 0);
    (void)nj_engine_apply(fixture->engine, &test, &other, true, fixture->now_ns);
    struct nj_buf got = {0};
    nj_engine_each_subject(fixture->engine, NJ_INCIDENT_UNSCHEDULABLE, "prod", list_open_subject, &got);
    assert_string_equal("2 u2 u2;2 u3 u3;", nj_buf_str(&got));
    nj_buf_done(&got);
}

static int refuse_incident(void *data, const struct nj_incident *incident)
{
    (void)data;
    (void)incident;
    return -28;
}

static int refuse_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                          bool present)
{
    (void)data;
    (void)incident_id;
    (void)subject;
    (void)present;
    return -5;
}

static void a_store_that_fails_is_told_everything_again(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {0};
    (void)crash(fixture, "a", "u1", 0);
    assert_int_equal(-28, nj_engine_each_change(fixture->engine, refuse_incident, refuse_subject, NULL));
    assert_int_equal(-5, nj_engine_each_change(fixture->engine, keep_incident, refuse_subject, &seen));
    nj_incident_done(&seen.copy);
    assert_changes(fixture, "1 crash open warning n=1 lost=0 r1;+1 u1/app;");
}

/* --- Random events against a slow reference, with restarts from what was stored. --- */

/* What a store would hold. */
struct mirror {
    struct {
        struct nj_incident record;
        struct nj_incident_subject subjects[64];
        size_t subjects_count;
    } open[64];
    size_t count;
};

static size_t mirror_find(const struct mirror *mirror, int64_t id)
{
    size_t i = 0;
    while (i < mirror->count && mirror->open[i].record.id != id)
        i++;
    return i;
}

static int mirror_incident(void *data, const struct nj_incident *incident)
{
    struct mirror *mirror = data;
    size_t i = mirror_find(mirror, incident->id);
    if (i < mirror->count)
        nj_incident_done(&mirror->open[i].record);
    else if (incident->state == NJ_INCIDENT_OPEN)
        mirror->open[mirror->count++].subjects_count = 0;
    if (incident->state == NJ_INCIDENT_OPEN) {
        nj_incident_copy(&mirror->open[i].record, incident);
    } else if (i < mirror->count) {
        for (size_t s = 0; s < mirror->open[i].subjects_count; s++)
            free((void *)mirror->open[i].subjects[s].pod_uid);
        memmove(&mirror->open[i], &mirror->open[i + 1], (mirror->count - i - 1) * sizeof(mirror->open[0]));
        mirror->count--;
    }
    return 0;
}

static int mirror_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                          bool present)
{
    struct mirror *mirror = data;
    size_t i = mirror_find(mirror, incident_id);
    if (i == mirror->count) {
        assert_false(present);
        return 0;
    }
    struct nj_incident_subject *subjects = mirror->open[i].subjects;
    size_t *count = &mirror->open[i].subjects_count, at = 0;
    while (at < *count && (strcmp(subjects[at].pod_uid, subject->pod_uid) != 0 ||
                           strcmp(subjects[at].container, subject->container) != 0))
        at++;
    if (at < *count) {
        free((void *)subjects[at].pod_uid);
        memmove(&subjects[at], &subjects[at + 1], (*count - at - 1) * sizeof(subjects[0]));
        (*count)--;
    }
    if (present) {
        struct nj_incident_subject *put = &subjects[(*count)++];
        *put = *subject;
        size_t uid = strlen(subject->pod_uid) + 1, container = strlen(subject->container) + 1;
        char *text = nj_calloc(1, uid + container);
        memcpy(text, subject->pod_uid, uid);
        memcpy(text + uid, subject->container, container);
        put->pod_uid = text;
        put->container = text + uid;
        put->pod = text;
    }
    return 0;
}

static void mirror_free(struct mirror *mirror)
{
    for (size_t i = 0; i < mirror->count; i++) {
        nj_incident_done(&mirror->open[i].record);
        for (size_t s = 0; s < mirror->open[i].subjects_count; s++)
            free((void *)mirror->open[i].subjects[s].pod_uid);
    }
    free(mirror);
}

static int order_subjects(const void *a, const void *b)
{
    const struct nj_incident_subject *left = a, *right = b;
    if (left->since_ns != right->since_ns)
        return left->since_ns < right->since_ns ? -1 : 1;
    int order = strcmp(left->pod_uid, right->pod_uid);
    return order != 0 ? order : strcmp(left->container, right->container);
}

static int order_incidents(const void *a, const void *b)
{
    const struct nj_incident *left = a, *right = b; /* the first member of what is sorted */
    if (left->last_ns != right->last_ns)
        return left->last_ns < right->last_ns ? -1 : 1;
    return left->id < right->id ? -1 : 1;
}

/* Ordered as the store gives them. */
static void restart(struct fixture *fixture, struct mirror *mirror, int64_t next_id)
{
    qsort(mirror->open, mirror->count, sizeof(mirror->open[0]), order_incidents);
    for (size_t i = 0; i < mirror->count; i++)
        qsort(mirror->open[i].subjects, mirror->open[i].subjects_count, sizeof(mirror->open[i].subjects[0]),
              order_subjects);
    nj_engine_free(fixture->engine);
    fixture->engine = new_engine(fixture, 1000, 1000, next_id);
    for (size_t i = 0; i < mirror->count; i++) {
        nj_engine_load(fixture->engine, &mirror->open[i].record);
        for (size_t s = 0; s < mirror->open[i].subjects_count; s++)
            nj_engine_load_subject(fixture->engine, mirror->open[i].record.id, &mirror->open[i].subjects[s]);
    }
}

/* ---- checks */

/* Of the Service web: a pod's port, at so many seconds after noon. `pod` is its uid and name. */
static struct nj_event check_of(const char *pod, const char *state, int at_s)
{
    static const char *const targets[][2] = {{"web-1", "pod/web-1/80/IPv4"},
                                             {"web-2", "pod/web-2/80/IPv4"},
                                             {"web-3", "pod/web-3/80/IPv4"},
                                             {"web", "service/80/IPv4"}};
    size_t i = 0;
    while (strcmp(targets[i][0], pod) != 0)
        i++;
    struct nj_event event = make_event(NJ_EVENT_CHECK, state);
    bool of_pod = strcmp(pod, "web") != 0;
    event.at_ns = noon_ns + at_s * NJ_SEC;
    event.subject = (struct nj_subject){.namespace = "shop",
                                        .pod = of_pod ? pod : "",
                                        .pod_uid = of_pod ? pod : "",
                                        .node = of_pod ? "node-3" : "",
                                        .workload_kind = "Service",
                                        .workload = "web",
                                        .container = ""};
    event.check = (struct nj_check_event){.key = {"apimonitor.shop.web", targets[i][1]},
                                          .source = "apimonitor",
                                          .service = "web",
                                          .target_name = pod,
                                          .state = state,
                                          .severity = "",
                                          .group = "payments",
                                          .cause = "status",
                                          .phase = "check",
                                          .step = "login",
                                          .expected = "status 200-299",
                                          .got = "500",
                                          .body = "{\"error\":\"no database\"}",
                                          .status = 500,
                                          .evidence = "{}"};
    return event;
}

/* `failing` of `total` pods fail once this is stored; the Service's own target does not. */
static int64_t check(struct fixture *fixture, const char *pod, const char *state, int at_s, int failing,
                     int total)
{
    const struct nj_event event = check_of(pod, state, at_s);
    struct nj_event_origin origin = prod;
    origin.targets_failing = origin.pods_failing = failing;
    origin.targets_total = total + 1;
    origin.pods_total = total;
    return nj_engine_apply(fixture->engine, &origin, &event, true, fixture->now_ns);
}

static void assert_open(struct fixture *fixture, const char *reason, const char *message)
{
    struct nj_incident incident = only_change(fixture);
    assert_string_equal(message, incident.message);
    assert_string_equal(reason, incident.reason);
    nj_incident_done(&incident);
}

static void failing_pods_of_a_service_are_one_incident_that_names_them(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 3));
    assert_int_equal(1, check(fixture, "web-2", "failing", 5, 2, 3));
    assert_transitions(fixture, "+1 probe;");
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("2 of 4 targets fail: web-1, web-2 (step login: expected status 200-299, got 500)",
                        incident.message);
    assert_string_equal("SomeFail", incident.reason);
    assert_string_equal("payments", incident.group);
    assert_string_equal("apimonitor.shop.web", incident.monitor);
    assert_string_equal("login", incident.step);
    assert_string_equal("status", incident.cause);
    assert_string_equal("status 200-299", incident.expected);
    assert_string_equal("500", incident.got);
    assert_string_equal("{\"error\":\"no database\"}", incident.body);
    assert_string_equal("web-2", incident.pod);
    assert_string_equal("node-3", incident.node);
    assert_string_equal("Service", incident.workload_kind);
    assert_string_equal("", incident.container);
    assert_int_equal(500, incident.status);
    assert_int_equal(2, incident.targets_failing);
    assert_int_equal(4, incident.targets_total);
    assert_int_equal(2, incident.count);
    assert_int_equal(NJ_SEVERITY_WARNING, incident.severity);
    nj_incident_done(&incident);
    /* Told again, nothing changes. */
    assert_int_equal(1, check(fixture, "web-2", "failing", 5, 2, 3));
    assert_changes(fixture, "");
}

static void it_begins_with_the_first_run_that_failed(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = check_of("web-1", "failing", 20);
    event.check.since_ns = noon_ns;
    assert_int_equal(1, apply(fixture, &event));
    struct nj_incident incident = only_change(fixture);
    assert_int_equal(noon_ns, incident.first_ns);
    assert_int_equal(noon_ns + 20 * NJ_SEC, incident.last_ns);
    nj_incident_done(&incident);
}

static void when_every_pod_fails_the_service_is_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 2));
    assert_transitions(fixture, "+1 probe;");
    assert_int_equal(1, check(fixture, "web-2", "failing", 5, 2, 2));
    assert_transitions(fixture, "^1;");
    assert_changes(fixture, "1 probe open critical n=2 lost=0 r2;"
                            "+1 web-1/apimonitor.shop.web|pod/web-1/80/IPv4;"
                            "+1 web-2/apimonitor.shop.web|pod/web-2/80/IPv4;");
    /* The Service's address fails too: nothing new. */
    assert_int_equal(1, check(fixture, "web", "failing", 6, 2, 2));
    assert_transitions(fixture, "");
    /* One recovers, and fails again. */
    assert_int_equal(0, check(fixture, "web-2", "passing", 10, 1, 2));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(1, check(fixture, "web-2", "failing", 20, 2, 2));
    assert_transitions(fixture, "^1;");
}

static void what_is_down_from_the_start_is_critical_at_once(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 2, 2));
    assert_transitions(fixture, "+1 probe;");
    struct nj_incident incident = only_change(fixture);
    assert_string_equal("AllFail", incident.reason);
    assert_int_equal(NJ_SEVERITY_CRITICAL, incident.severity);
    nj_incident_done(&incident);
}

static void the_good_pod_that_goes_leaves_the_service_down(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 2));
    assert_int_equal(0, check(fixture, "web-2", "gone", 5, 1, 1));
    assert_transitions(fixture, "+1 probe;^1;");
    assert_open(fixture, "AllFail",
                "1 of 2 targets fail: web-1 (step login: expected status 200-299, got 500)");
}

static void a_monitor_says_how_severe_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = check_of("web", "failing", 0);
    struct nj_event_origin origin = prod;
    origin.targets_failing = origin.targets_total = 1;
    event.check.severity = "info";
    event.check.expected = event.check.step = "";
    event.check.got = "";
    event.check.cause = "refused";
    event.subject.workload_kind = "ApiMonitor";
    assert_int_equal(1, nj_engine_apply(fixture->engine, &origin, &event, true, fixture->now_ns));
    struct nj_incident incident = only_change(fixture);
    assert_int_equal(NJ_SEVERITY_INFO, incident.severity);
    assert_string_equal("AllFail", incident.reason);
    assert_string_equal("web fails (refused)", incident.message);
    nj_incident_done(&incident);
}

static void flapping_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = check_of("web", "flapping", 0);
    struct nj_event_origin origin = prod;
    origin.targets_failing = origin.targets_total = 1;
    assert_int_equal(1, nj_engine_apply(fixture->engine, &origin, &event, true, fixture->now_ns));
    assert_transitions(fixture, "+1 probe;");
    assert_open(fixture, "Flapping",
                "web: passing and failing in turn (step login: expected status 200-299, got 500)");
    event = check_of("web", "failing", 60);
    assert_int_equal(1, nj_engine_apply(fixture->engine, &origin, &event, true, fixture->now_ns));
    assert_transitions(fixture, "");
    assert_open(fixture, "AllFail", "web fails (step login: expected status 200-299, got 500)");
    event = check_of("web", "passing", 120);
    assert_int_equal(0, nj_engine_apply(fixture->engine, &origin, &event, true, fixture->now_ns));
    assert_transitions(fixture, "-1 passing;");
}

static void it_is_over_when_its_last_target_passes_or_is_gone(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 3));
    assert_int_equal(1, check(fixture, "web-2", "failing", 0, 2, 3));
    assert_int_equal(0, check(fixture, "web-3", "starting", 1, 2, 3));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(0, check(fixture, "web-1", "passing", 5, 1, 3));
    assert_open(fixture, "SomeFail",
                "1 of 4 targets fail: web-2 (step login: expected status 200-299, got 500)");
    assert_int_equal(0, check(fixture, "web-2", "gone", 9, 0, 2));
    assert_transitions(fixture, "+1 probe;-1 gone;");
    /* What failed before that and comes late is over. */
    assert_int_equal(0, check(fixture, "web-2", "failing", 5, 1, 3));
    assert_transitions(fixture, "");
    assert_int_equal(2, check(fixture, "web-2", "failing", 30, 1, 3));
}

static void a_pod_s_deletion_ends_its_checks_and_a_container_s_health_does_not(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 2));
    cleared(fixture, NJ_CLEARED_STABLE, "web-1", 5);
    struct nj_event whole = cleared_of(NJ_CLEARED_COMPLETED, "web-1", 6);
    whole.subject.container = "";
    assert_int_equal(0, apply(fixture, &whole));
    assert_transitions(fixture, "+1 probe;");
    whole.cleared.cause = NJ_CLEARED_DELETED;
    assert_int_equal(0, apply(fixture, &whole));
    assert_transitions(fixture, "-1 deleted;");
    assert_int_equal(0, check(fixture, "web-1", "failing", 600, 1, 2));
}

static void a_node_s_checks_are_the_node_s(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = check_of("web", "failing", 0);
    event.subject = (struct nj_subject){.namespace = "",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = "node-3",
                                        .workload_kind = "Node",
                                        .workload = "node-3",
                                        .container = ""};
    event.check.key.target = "node/node-3";
    assert_int_equal(1, apply(fixture, &event));
    /* The kubelet of that node, as one of the cluster's components. */
    event.subject.workload_kind = "Component";
    event.subject.workload = "kubelet";
    event.check.key.monitor = "builtin.kubelet";
    assert_int_equal(2, apply(fixture, &event));
    assert_transitions(fixture, "+1 node_probes;+2 probe;");
    assert_changes(fixture, "1 node_probes open critical n=1 lost=0 r1;2 probe open warning n=1 lost=0 r1;"
                            "+1 apimonitor.shop.web|node/node-3/apimonitor.shop.web|node/node-3;"
                            "+2 builtin.kubelet|node/node-3/builtin.kubelet|node/node-3;");
}

static void what_fails_is_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct mirror *mirror = NJ_NEW(struct mirror);
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 3));
    assert_int_equal(1, check(fixture, "web", "failing", 0, 1, 3));
    assert_int_equal(0, nj_engine_each_change(fixture->engine, mirror_incident, mirror_subject, mirror));
    restart(fixture, mirror, 2);
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 3));
    assert_int_equal(0, check(fixture, "web", "passing", 10, 1, 3));
    assert_int_equal(0, check(fixture, "web-1", "passing", 10, 0, 3));
    assert_transitions(fixture, "+1 probe;-1 passing;");
    mirror_free(mirror);
}

static void rollup(struct fixture *fixture, const char *state, int64_t minute_ns)
{
    const struct nj_check_rollup items[] = {
        {.key = {"m", "other"}, .state = "failing"},
        {.key = {"apimonitor.shop.web", "pod/web-1/80/IPv4"}, .state = state, .runs = 6},
    };
    struct nj_event event = make_event(NJ_EVENT_ROLLUPS, "minute");
    event.at_ns = minute_ns + NJ_MIN;
    event.rollups = (struct nj_rollups){.minute_ns = minute_ns, .items = items, .count = 2};
    assert_int_equal(0, apply(fixture, &event));
}

static void what_goes_on_failing_is_not_stale(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 0, 1, 3));
    for (int hour = 0; hour < 30; hour += 10) {
        fixture->now_ns = noon_ns + hour * NJ_HOUR;
        rollup(fixture, "failing", fixture->now_ns - NJ_MIN);
        nj_engine_tick(fixture->engine, fixture->now_ns);
    }
    assert_transitions(fixture, "+1 probe;");
    fixture->now_ns += NJ_DAY + NJ_HOUR;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_transitions(fixture, "-1 stale;");
}

static void minutes_that_pass_end_what_nobody_else_ended(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, check(fixture, "web-1", "failing", 90, 1, 3));
    /* Told after it, but of the minute in which it began to fail, or of the one before. */
    rollup(fixture, "passing", noon_ns);
    rollup(fixture, "passing", noon_ns + NJ_MIN);
    assert_transitions(fixture, "+1 probe;");
    rollup(fixture, "passing", noon_ns + 2 * NJ_MIN);
    assert_transitions(fixture, "-1 passing;");
}

static void names_without_bounds_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = check_of("web", "failing", 0);
    char target[2 * NJ_ENGINE_NAME_MAX], uid[2 * NJ_ENGINE_NAME_MAX];
    (void)snprintf(target, sizeof(target), "ingress/%*s", (int)sizeof(target) - 9, "path");
    event.check.key.target = target;
    assert_int_equal(1, apply(fixture, &event));
    (void)snprintf(uid, sizeof(uid), "pod/%*s/80", (int)sizeof(uid) - 9, "uid");
    event.check.key.target = uid;
    assert_int_equal(1, apply(fixture, &event));
    nj_engine_clear_changes(fixture->engine);
    event.check.state = "passing";
    assert_int_equal(0, apply(fixture, &event));
    event.check.key.target = target;
    assert_int_equal(0, apply(fixture, &event));
    assert_transitions(fixture, "+1 probe;-1 passing;");
    /* Very many are counted, and a few are named. */
    event.check.state = "failing";
    event.at_ns += NJ_MIN;
    char names[90][16];
    for (int i = 0; i < 90; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "web-%d", i / 15);
        (void)snprintf(target, sizeof(target), "pod/%d/80", i);
        event.check.target_name = names[i];
        event.check.key.target = target;
        assert_int_equal(2, apply(fixture, &event));
    }
    struct seen seen = {0};
    assert_int_equal(0, nj_engine_each_change(fixture->engine, keep_incident, ignore_subject, &seen));
    assert_non_null(strstr(seen.copy.message, "web-0, web-1, web-2, web-3, web-4, ... fails"));
    assert_int_equal(90, seen.copy.count);
    nj_incident_done(&seen.copy);
}

static struct nj_check_event random_check(unsigned *seed, size_t pod)
{
    static const char *const states[] = {"failing", "failing", "flapping", "passing", "gone", "starting"};
    static const char *const monitors[] = {"m1", "m2"};
    static const char *const targets[] = {"pod/u1/80/4", "pod/u2/80/4", "pod/u3/80/4", "pod/u4/80/4"};
    return (struct nj_check_event){
        .key = {.monitor = monitors[rand_r(seed) % 2], .target = targets[pod]},
        .target_name = targets[pod],
        .state = states[rand_r(seed) % 6],
        .cause = "status",
        .status = 500,
    };
}

#define STEP_NS (5 * NJ_SEC) /* so that a history has time for what is over by itself */

/* The counts are what the store says, whatever that is: the engine only reads them. */
static struct nj_event_origin random_origin(unsigned *seed)
{
    struct nj_event_origin origin = prod;
    origin.targets_total = 1 + rand_r(seed) % 3;
    origin.targets_failing = rand_r(seed) % (origin.targets_total + 1);
    origin.pods_total = rand_r(seed) % 3;
    origin.pods_failing = rand_r(seed) % (origin.pods_total + 1);
    return origin;
}

/* Of a pod's container, or of a node. */
static void make_trouble(unsigned *seed, struct nj_event *event)
{
    static const enum nj_trouble_kind kinds[] = {
        NJ_TROUBLE_LEAK_FDS,    NJ_TROUBLE_LEAK_SOCKETS,   NJ_TROUBLE_NEAR_FDS, NJ_TROUBLE_NODE_NOT_READY,
        NJ_TROUBLE_NODE_MEMORY, NJ_TROUBLE_NODE_DISK_FULL, NJ_TROUBLE_NODE_LOSS};
    static const char *const severities[] = {"warning", "warning", "critical"};
    static const char *const states[] = {"SYN", "CLOSE"};
    event->trouble = (struct nj_trouble){.kind = kinds[rand_r(seed) % 7],
                                         .detail = "",
                                         .over = rand_r(seed) % 3 == 0,
                                         .severity = severities[rand_r(seed) % 3],
                                         .message = "",
                                         .process = ""};
    if (event->trouble.kind == NJ_TROUBLE_LEAK_SOCKETS)
        event->trouble.detail = states[rand_r(seed) % 2];
    if (!nj_trouble_is_of_node(event->trouble.kind))
        return;
    event->subject.workload_kind = "Node";
    event->subject.workload = event->subject.node;
    event->subject.pod = event->subject.pod_uid = event->subject.container = event->subject.namespace = "";
}

/* Of a service and what is behind it, or a workload's rollout. `reference` is of 32 bytes. */
static struct nj_event random_service(unsigned *seed, int step, char *reference)
{
    static const char *const workloads[] = {"cart", "basket", "toy"}, *const services[] = {"front", "api"};
    static const char *const causes[] = {"crash", "crash", "failed_rollout", "unknown"};
    static const char *const hashes[] = {"1", "2"};
    bool of_rollout = rand_r(seed) % 2 == 0, over = rand_r(seed) % 3 == 0;
    size_t i = (size_t)rand_r(seed) % 2, w = (size_t)rand_r(seed) % 3;
    struct nj_event event = make_event(of_rollout ? NJ_EVENT_ROLLOUT_FAILED : NJ_EVENT_OUTAGE, "service");
    event.subject = (struct nj_subject){.namespace = "shop",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = "",
                                        .workload_kind = of_rollout ? "Deployment" : "Service",
                                        .workload = of_rollout ? workloads[w] : services[i],
                                        .container = ""};
    event.at_ns = noon_ns + step * STEP_NS;
    (void)snprintf(reference, 32, "incident/%d", 1 + (int)(rand_r(seed) % (unsigned)step));
    if (of_rollout)
        event.rollout = (struct nj_rollout_failed){.over = over,
                                                   .revision = hashes[i],
                                                   .template_hash = hashes[i],
                                                   .reason = "CrashLoop",
                                                   .down = rand_r(seed) % 3 == 0};
    else
        event.outage = (struct nj_outage){.over = over,
                                          .cause = causes[rand_r(seed) % 4],
                                          .reference = rand_r(seed) % 4 == 0 ? reference : "",
                                          .behind_kind = "Deployment",
                                          .behind = workloads[w]};
    return event;
}

static struct nj_event random_event(unsigned *seed, int step, char id[32])
{
    static const char *const reasons[] = {"ErrImagePull",      "CreateContainerConfigError",
                                          "RunContainerError", "CrashLoopBackOff",
                                          "Unschedulable",     "ContainerCreating"};
    static const char *const uids[] = {"u1", "u2", "u3", "u4"};
    static const char *const containers[] = {"a", "b", ""};
    static const char *const workloads[] = {"cart", "cart", "basket", "toy"};
    static const char *const pods[] = {"cart-1-a", "cart-2-b", "basket-1-c", "toy-2-d"};
    if (rand_r(seed) % 5 == 0)
        return random_service(seed, step, id);
    (void)snprintf(id, 32, "%d", (int)(rand_r(seed) % 4) == 0 ? step / 2 : step);
    static const enum nj_event_type types[] = {NJ_EVENT_CRASH,    NJ_EVENT_LOST_CRASHES, NJ_EVENT_STUCK,
                                               NJ_EVENT_CLEARED,  NJ_EVENT_POD_FAILURE,  NJ_EVENT_CHECK,
                                               NJ_EVENT_OOM_KILL, NJ_EVENT_TROUBLE,      NJ_EVENT_TROUBLE};
    static const char *const nodes[] = {"n1", "n1", "n2"};
    struct nj_event event = make_event(types[rand_r(seed) % 9], id);
    size_t pod = (size_t)rand_r(seed) % 4;
    /* The last pod is on both. */
    event.subject.node = pod < 3 ? nodes[pod] : nodes[rand_r(seed) % 3];
    event.subject.pod_uid = uids[pod];
    event.subject.pod = pods[pod];
    event.subject.workload = workloads[pod];
    event.subject.container = containers[rand_r(seed) % 3];
    /* Mostly forwards, sometimes far back. */
    event.at_ns = noon_ns + step * STEP_NS - (rand_r(seed) % 4 == 0 ? rand_r(seed) % 40 * (NJ_SEC / 2) : 0);
    if (event.type == NJ_EVENT_CRASH && event.subject.container[0] == '\0')
        event.subject.container = "a";
    if (event.type == NJ_EVENT_OOM_KILL)
        event.oom_kill = (struct nj_oom_kill){.count = 1 + rand_r(seed) % 2, .process = "worker"};
    if (event.type == NJ_EVENT_POD_FAILURE && rand_r(seed) % 2 == 0)
        event.failure.reason = "DeadlineExceeded";
    if (event.type == NJ_EVENT_TROUBLE)
        make_trouble(seed, &event);
    if (event.type == NJ_EVENT_CHECK) {
        event.check = random_check(seed, pod);
        event.subject.container = "";
    }
    if (event.type == NJ_EVENT_CRASH && rand_r(seed) % 2 == 0)
        event.crash.reason = "OOMKilled";
    if (event.type == NJ_EVENT_STUCK)
        event.stuck.reason = reasons[rand_r(seed) % 9 % 6];
    if (event.type == NJ_EVENT_CLEARED) {
        event.cleared.cause = (enum nj_cleared_cause)(1 + rand_r(seed) % 5);
        /* A deletion is for good: rarely, so that something is left to happen. */
        if (event.cleared.cause == NJ_CLEARED_DELETED && rand_r(seed) % 10 != 0)
            event.cleared.cause = NJ_CLEARED_STABLE;
    }
    return event;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What one clearing resolves has no order of its own: sorts "b;a;" to "a;b;" and empties `from`. */
static char *take_sorted(struct nj_buf *from)
{
    char *parts[64];
    size_t count = 0;
    char *text = nj_buf_take(from);
    for (char *at = text, *end; (end = strchr(at, ';')) != NULL && count < 64; at = end + 1) {
        *end = '\0';
        parts[count++] = at;
    }
    qsort(parts, count, sizeof(parts[0]), compare_texts);
    struct nj_buf sorted = {0};
    for (size_t i = 0; i < count; i++)
        (void)nj_buf_printf(&sorted, "%s;", parts[i]);
    free(text);
    return nj_buf_take(&sorted);
}

static void assert_same_transitions(struct fixture *fixture, struct slow_engine *slow, unsigned seed,
                                    int step)
{
    char *got = take_sorted(&fixture->transitions);
    char *expected = take_sorted(slow_engine_transitions(slow));
    if (strcmp(got, expected) != 0)
        fail_msg("seed %u step %d: %s instead of %s", seed, step, got, expected);
    free(got);
    free(expected);
}

static void random_events_give_what_the_rules_say(void **state)
{
    static const char *const reasons[] = {NULL, NULL, "maintenance", "silence 3"};
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        unsigned seed = round;
        struct fixture fixture = {.now_ns = noon_ns};
        struct slow_engine *slow = slow_engine_new(reason_of, &fixture);
        struct mirror *mirror = NJ_NEW(struct mirror);
        int64_t next_id = 1;
        fixture.engine = new_engine(&fixture, 1000, 1000, 1);
        for (int step = 1; step <= 200; step++) {
            char id[32];
            const struct nj_event event = random_event(&seed, step, id);
            bool is_new = slow_engine_is_new(slow, &event);
            fixture.now_ns = noon_ns + step * STEP_NS;
            const struct nj_event_origin origin = random_origin(&seed);
            int64_t got = nj_engine_apply(fixture.engine, &origin, &event, is_new, fixture.now_ns);
            int64_t expected = slow_engine_apply(slow, &origin, &event, is_new, fixture.now_ns);
            if (got != expected)
                fail_msg("seed %u step %d: incident %d instead of %d", round, step, (int)got, (int)expected);
            assert_same_transitions(&fixture, slow, round, step);
            if (rand_r(&seed) % 5 == 0) {
                assert_int_equal(
                    0, nj_engine_each_change(fixture.engine, mirror_incident, mirror_subject, mirror));
                nj_engine_clear_changes(fixture.engine);
            }
            if (rand_r(&seed) % 6 == 0)
                fixture.reasons[rand_r(&seed) % 3] = reasons[rand_r(&seed) % 4];
            if (rand_r(&seed) % 10 == 0) {
                nj_engine_review(fixture.engine, fixture.now_ns);
                slow_engine_review(slow, fixture.now_ns);
                assert_same_transitions(&fixture, slow, round, step);
            }
            if (rand_r(&seed) % 8 == 0) {
                nj_engine_tick(fixture.engine, fixture.now_ns);
                slow_engine_tick(slow, fixture.now_ns);
                assert_same_transitions(&fixture, slow, round, step);
            }
            next_id = slow_engine_next_id(slow);
            if (rand_r(&seed) % 60 == 0) {
                assert_int_equal(
                    0, nj_engine_each_change(fixture.engine, mirror_incident, mirror_subject, mirror));
                restart(&fixture, mirror, next_id);
                slow_engine_restart(slow);
            }
        }
        assert_int_equal(0, nj_engine_each_change(fixture.engine, mirror_incident, mirror_subject, mirror));
        assert_int_equal(slow_engine_open_count(slow), mirror->count);
        for (size_t i = 0; i < mirror->count; i++)
            slow_engine_assert_same(slow, &mirror->open[i].record, mirror->open[i].subjects,
                                    mirror->open[i].subjects_count);
        mirror_free(mirror);
        slow_engine_free(slow);
        nj_engine_free(fixture.engine);
        nj_buf_done(&fixture.transitions);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(crashes_of_one_workload_are_one_incident),
        TEST(another_cluster_workload_or_container_is_another_incident),
        TEST(an_incident_says_what_happened_last_whatever_the_order),
        TEST(a_known_crash_corrects_the_record_and_counts_nothing),
        TEST(it_resolves_when_the_last_one_in_trouble_is_cleared),
        TEST(opened_and_resolved_before_it_is_stored_it_is_told_whole),
        TEST(a_crash_loop_belongs_to_the_crash_and_is_critical),
        TEST(a_crash_loop_whose_crash_nobody_told_opens_an_incident),
        TEST(lost_crashes_are_a_fact_of_their_own),
        TEST(what_is_waited_for_decides_the_kind),
        TEST(a_stuck_pod_counts_once_and_its_words_are_kept_current),
        TEST(a_container_waits_for_one_thing_at_a_time),
        TEST(starting_ends_waiting_and_not_a_crash),
        TEST(an_unscheduled_pod_is_cleared_when_a_node_takes_it),
        TEST(deletion_ends_everything_of_the_pod_and_nothing_is_news_afterwards),
        TEST(what_is_cleared_while_the_clock_is_set_back_is_over),
        TEST(deletion_of_one_container_leaves_the_others),
        TEST(what_happened_before_a_clearing_and_comes_after_it_reopens_nothing),
        TEST(a_clearing_older_than_the_trouble_clears_nothing),
        TEST(a_start_within_the_second_of_the_trouble_clears_it),
        TEST(a_pod_that_was_ended_counts_once_and_by_design_is_mild),
        TEST(what_was_not_heard_of_for_long_is_stale),
        TEST(what_lasts_is_not_stale_after_a_start),
        TEST(what_was_over_before_it_was_told_alarms_nobody),
        TEST(a_clock_that_was_set_back_keeps_nothing_open),
        TEST(a_clearing_is_forgotten_though_the_clock_was_set_back),
        TEST(a_crash_loop_is_not_written_each_time),
        TEST(too_many_open_incidents_evict_the_quietest),
        TEST(too_many_pods_of_one_incident_forget_the_quietest),
        TEST(times_that_cannot_be_are_not_believed),
        TEST(long_words_are_cut),
        TEST(a_clearing_of_no_known_cause_or_type_changes_nothing),
        TEST(what_is_in_trouble_can_be_listed_by_kind_and_cluster),
        TEST(a_store_that_fails_is_told_everything_again),
        TEST(failing_pods_of_a_service_are_one_incident_that_names_them),
        TEST(it_begins_with_the_first_run_that_failed),
        TEST(when_every_pod_fails_the_service_is_down),
        TEST(what_is_down_from_the_start_is_critical_at_once),
        TEST(the_good_pod_that_goes_leaves_the_service_down),
        TEST(a_monitor_says_how_severe_it_is),
        TEST(flapping_is_told_once),
        TEST(it_is_over_when_its_last_target_passes_or_is_gone),
        TEST(a_pod_s_deletion_ends_its_checks_and_a_container_s_health_does_not),
        TEST(a_node_s_checks_are_the_node_s),
        TEST(what_fails_is_known_after_a_restart),
        TEST(what_goes_on_failing_is_not_stale),
        TEST(minutes_that_pass_end_what_nobody_else_ended),
        TEST(names_without_bounds_are_bounded),
        cmocka_unit_test(random_events_give_what_the_rules_say),
    };
    return cmocka_run_group_tests_name("collector/engine", tests, NULL, NULL);
}
