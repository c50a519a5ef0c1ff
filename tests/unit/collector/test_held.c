/*
 * What goes on on purpose holds incidents back, in the engine: nobody is told, the record says why and is
 * counted, and when the reason ends and the trouble stays, it is told. What a larger incident explains (a
 * node, a failed rollout, a registry) is in test_engine_services.c and test_engine_troubles.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/incident/engine.h"
#include "collector/incident/suppress.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

static const struct nj_event_origin agent = {.cluster = "prod", .project = "p-1", .node = "node-1"};
static const struct nj_suppress_snapshot nothing = {0};

struct fixture {
    struct nj_engine *engine;
    struct nj_suppress *suppress;
    struct nj_buf told, counted;
    struct nj_incident record; /* the latest */
    int64_t now_ns;
    bool silence;
};

static void note_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->told, "%s %s;", nj_incident_kind_name(incident->kind),
                        transition == NJ_TRANSITION_RESOLVED ? incident->resolved_cause
                                                             : nj_transition_name(transition));
}

static void note_suppressed(void *data, const struct nj_incident *incident, enum nj_suppression suppression)
{
    struct fixture *fixture = data;
    (void)incident;
    (void)nj_buf_printf(&fixture->counted, "%s;", nj_suppression_name(suppression));
}

static bool silenced(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size)
{
    struct fixture *fixture = data;
    (void)incident;
    (void)now_ns;
    if (fixture->silence)
        (void)snprintf(ret_reason, size, "silence 3");
    return fixture->silence;
}

static bool ask(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason, size_t size)
{
    return nj_suppress_ask(((struct fixture *)data)->suppress, incident, now_ns, ret_reason, size);
}

static int setup(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    const struct nj_engine_options options = {.stale_after_ns = NJ_DAY,
                                              .max_open = 100,
                                              .max_subjects = 100,
                                              .on_transition = note_transition,
                                              .suppress = ask,
                                              .on_suppressed = note_suppressed,
                                              .data = fixture};
    fixture->now_ns = noon_ns;
    fixture->suppress = nj_suppress_new(silenced, fixture);
    fixture->engine = nj_engine_new(&options, 1);
    nj_suppress_publish(fixture->suppress, &nothing);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_engine_free(fixture->engine);
    nj_suppress_free(fixture->suppress);
    nj_incident_done(&fixture->record);
    nj_buf_done(&fixture->told);
    nj_buf_done(&fixture->counted);
    free(fixture);
    return 0;
}

static int keep_record(void *data, const struct nj_incident *incident)
{
    struct fixture *fixture = data;
    nj_incident_done(&fixture->record);
    nj_incident_copy(&fixture->record, incident);
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

/* As it is stored, and what people read. */
static void read_record(struct fixture *fixture)
{
    assert_int_equal(0, nj_engine_each_change(fixture->engine, keep_record, skip_subject, fixture));
    nj_engine_clear_changes(fixture->engine);
}

static void assert_told(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->told));
    nj_buf_clear(&fixture->told);
}

static void apply(struct fixture *fixture, struct nj_event *event)
{
    event->at_ns = fixture->now_ns;
    (void)nj_engine_apply(fixture->engine, &agent, event, true, fixture->now_ns);
}

#define POD "cart-7d4f9-x2x7k"

static struct nj_event of_pod(enum nj_event_type type)
{
    struct nj_event event = make_event(type, "e1");
    event.subject.pod = event.subject.pod_uid = POD;
    event.subject.node = "node-1";
    return event;
}

static struct nj_event outage(const char *cause)
{
    struct nj_event event = of_pod(NJ_EVENT_OUTAGE);
    event.subject = (struct nj_subject){.namespace = "shop",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = "",
                                        .workload_kind = "Service",
                                        .workload = "front",
                                        .container = ""};
    event.outage = (struct nj_outage){.cause = cause,
                                      .detail = "",
                                      .reference = "",
                                      .behind_kind = "Deployment",
                                      .behind = "cart",
                                      .since_ns = noon_ns - 5 * NJ_SEC,
                                      .desired = 3};
    return event;
}

static void publish(struct fixture *fixture, const struct nj_suppress_snapshot *snapshot)
{
    nj_suppress_publish(fixture->suppress, snapshot);
    nj_engine_review(fixture->engine, fixture->now_ns);
}

/* Held back for this reason, kept and counted; told when the reason has ended. And one that ends before its
 * reason is never told of. */
static void assert_held(struct fixture *fixture, const struct nj_suppress_snapshot *snapshot,
                        struct nj_event *event, const char *reason, const char *counted, const char *told)
{
    publish(fixture, snapshot);
    apply(fixture, event);
    assert_told(fixture, "");
    assert_int_equal(1, nj_engine_suppressed_count(fixture->engine));
    read_record(fixture);
    assert_string_equal(reason, fixture->record.suppressed);
    assert_int_equal(NJ_INCIDENT_OPEN, fixture->record.state);
    assert_string_equal(counted, nj_buf_str(&fixture->counted));
    nj_buf_clear(&fixture->counted);
    /* The reason goes on. */
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "");
    /* It ends, and the trouble stays. */
    fixture->silence = false;
    publish(fixture, &nothing);
    assert_told(fixture, told);
    read_record(fixture);
    assert_string_equal("", fixture->record.suppressed);
    assert_int_equal(0, nj_engine_suppressed_count(fixture->engine));
}

static void assert_never_told(struct fixture *fixture, const struct nj_suppress_snapshot *snapshot,
                              struct nj_event *event, struct nj_event *end, const char *reason)
{
    publish(fixture, snapshot);
    apply(fixture, event);
    fixture->now_ns += 5 * NJ_SEC;
    apply(fixture, end);
    fixture->silence = false;
    publish(fixture, &nothing);
    assert_told(fixture, "");
    read_record(fixture);
    assert_int_equal(NJ_INCIDENT_RESOLVED, fixture->record.state);
    assert_string_equal(reason, fixture->record.suppressed);
}

/* The same crash, in each of the situations that explain it. */
static void assert_crash_waits(void **state, const struct nj_suppress_snapshot *snapshot, const char *reason,
                               const char *counted)
{
    struct fixture *fixture = *state;
    struct nj_event crash = of_pod(NJ_EVENT_CRASH), gone = of_pod(NJ_EVENT_CLEARED);
    bool silence = fixture->silence;
    assert_held(fixture, snapshot, &crash, reason, counted, "crash opened;");
    assert_int_equal(0, teardown(state));
    assert_int_equal(0, setup(state));
    fixture = *state;
    fixture->silence = silence;
    gone.cleared.cause = NJ_CLEARED_DELETED;
    gone.subject.container = "";
    assert_never_told(fixture, snapshot, &crash, &gone, reason);
}

static struct nj_suppress_snapshot marked(struct nj_suppress_mark *mark, enum nj_suppress_why why)
{
    *mark = (struct nj_suppress_mark){why, "shop", "Deployment", "cart", noon_ns + NJ_HOUR};
    return (struct nj_suppress_snapshot){.marks = mark, .marks_count = 1};
}

static void during_a_rollout_within_its_allowance(void **state)
{
    const struct nj_suppress_rollout rollout = {.namespace = "shop",
                                                .workload_kind = "Deployment",
                                                .workload = "cart",
                                                .template_hash = "7d4f9",
                                                .began_ns = noon_ns,
                                                .allowance_ns = NJ_MIN};
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    assert_crash_waits(state, &snapshot, "rollout", "rollout;");
    /* The allowance is over, while the rollout goes on. */
    struct fixture *fixture = *state;
    struct nj_event crash = of_pod(NJ_EVENT_CRASH);
    crash.id = "e2";
    crash.subject.pod = crash.subject.pod_uid = "cart-7d4f9-zzzzz";
    publish(fixture, &snapshot);
    apply(fixture, &crash);
    fixture->now_ns += NJ_MIN - 1;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "");
    fixture->now_ns += 1;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "crash opened;");
}

static void on_scale_down(void **state)
{
    struct nj_suppress_mark mark;
    const struct nj_suppress_snapshot snapshot = marked(&mark, NJ_SUPPRESS_SCALE_DOWN);
    assert_crash_waits(state, &snapshot, "scale-down", "scale-down;");
}

static void when_the_workload_is_deleted(void **state)
{
    struct nj_suppress_mark mark;
    const struct nj_suppress_snapshot snapshot = marked(&mark, NJ_SUPPRESS_DELETED);
    assert_crash_waits(state, &snapshot, "deletion", "deletion;");
}

/* Nothing has to be published: agents say that the pod was deleted, and its Service has a minute to recover.
 */
static void when_a_pod_is_deleted_by_hand(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event gone = of_pod(NJ_EVENT_CLEARED), crash = of_pod(NJ_EVENT_CRASH);
    struct nj_event stuck = of_pod(NJ_EVENT_STUCK), down = outage("deletion"), up = outage("deletion");
    gone.cleared.cause = NJ_CLEARED_DELETED;
    gone.subject.container = "";
    apply(fixture, &gone);
    apply(fixture, &crash);
    apply(fixture, &stuck);
    assert_int_equal(0, nj_engine_open_count(fixture->engine));
    apply(fixture, &down);
    read_record(fixture);
    assert_string_equal("deletion", fixture->record.suppressed);
    assert_string_equal("deletion;", nj_buf_str(&fixture->counted));
    fixture->now_ns += 10 * NJ_SEC;
    up.outage.over = true;
    apply(fixture, &up);
    assert_told(fixture, "");
    /* Again, and nothing comes in the pod's place. */
    down = outage("deletion");
    down.id = "e2";
    down.outage.since_ns = fixture->now_ns;
    apply(fixture, &down);
    fixture->now_ns += NJ_SUPPRESS_DELETION_NS;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "service_outage opened;");
}

static void when_a_node_is_drained(void **state)
{
    const struct nj_suppress_node node = {"node-1", 0};
    const struct nj_suppress_snapshot snapshot = {.nodes = &node, .nodes_count = 1};
    assert_crash_waits(state, &snapshot, "drain", "drain;");
    /* What it costs is told. */
    struct fixture *fixture = *state;
    struct nj_event down = outage("drain");
    publish(fixture, &snapshot);
    apply(fixture, &down);
    assert_told(fixture, "service_outage opened;");
}

static void when_a_job_is_completed(void **state)
{
    struct nj_suppress_mark mark;
    struct nj_suppress_snapshot snapshot = marked(&mark, NJ_SUPPRESS_COMPLETED);
    assert_crash_waits(state, &snapshot, "job completed", "job completed;");
}

static void while_it_starts(void **state)
{
    struct fixture *fixture = *state;
    struct nj_suppress_mark mark;
    const struct nj_suppress_snapshot slow = marked(&mark, NJ_SUPPRESS_STARTING);
    struct nj_event down = outage("starting");
    publish(fixture, &slow);
    apply(fixture, &down);
    read_record(fixture);
    assert_string_equal("starting", fixture->record.suppressed);
    assert_string_equal("starting;", nj_buf_str(&fixture->counted));
    /* Any service may for a while; this one's own settings say longer. */
    fixture->now_ns = noon_ns + NJ_SUPPRESS_STARTING_NS;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "");
    fixture->now_ns = noon_ns + NJ_HOUR;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "service_outage opened;");
}

static void within_a_maintenance_window(void **state)
{
    const struct nj_suppress_window window = {"sh*", noon_ns - NJ_HOUR, noon_ns + NJ_HOUR};
    const struct nj_suppress_snapshot snapshot = {.windows = &window, .windows_count = 1};
    assert_crash_waits(state, &snapshot, "maintenance", "maintenance;");
    /* It ends by itself. */
    struct fixture *fixture = *state;
    struct nj_event crash = of_pod(NJ_EVENT_CRASH);
    crash.id = "e2";
    crash.subject.pod = crash.subject.pod_uid = "cart-7d4f9-zzzzz";
    publish(fixture, &snapshot);
    apply(fixture, &crash);
    assert_told(fixture, "");
    fixture->now_ns = noon_ns + NJ_HOUR;
    nj_engine_tick(fixture->engine, fixture->now_ns);
    assert_told(fixture, "crash opened;");
}

static void while_it_is_silenced(void **state)
{
    ((struct fixture *)*state)->silence = true;
    assert_crash_waits(state, &nothing, "silence 3", "silence;");
}

static void while_its_namespace_is_being_deleted(void **state)
{
    static const char *const namespaces[] = {"shop"};
    const struct nj_suppress_snapshot snapshot = {.namespaces = namespaces, .namespaces_count = 1};
    assert_crash_waits(state, &snapshot, "namespace deleted", "namespace deleted;");
    struct fixture *fixture = *state;
    struct nj_event down = outage("crash");
    nj_buf_clear(&fixture->counted);
    assert_held(fixture, &snapshot, &down, "namespace deleted", "namespace deleted;",
                "service_outage opened;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(during_a_rollout_within_its_allowance),
        TEST(on_scale_down),
        TEST(when_the_workload_is_deleted),
        TEST(when_a_pod_is_deleted_by_hand),
        TEST(when_a_node_is_drained),
        TEST(when_a_job_is_completed),
        TEST(while_it_starts),
        TEST(within_a_maintenance_window),
        TEST(while_it_is_silenced),
        TEST(while_its_namespace_is_being_deleted),
    };
    return cmocka_run_group_tests_name("collector/held", tests, NULL, NULL);
}
