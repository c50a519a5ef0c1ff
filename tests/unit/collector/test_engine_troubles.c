/*
 * OOM kills, leaks, limits that are near and nodes that are unwell, as incidents; and what a node's trouble
 * absorbs. Random histories of the same are in test_engine.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/incident/engine.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

static const struct nj_event_origin agent = {.cluster = "prod", .project = "p-1", .node = "node-1"};
static const struct nj_event_origin other_agent = {.cluster = "prod", .project = "p-1", .node = "node-2"};
static const struct nj_event_origin collector = {.cluster = "prod", .project = "", .node = ""};

enum { KEPT = 16 };

struct fixture {
    struct nj_engine *engine;
    struct nj_buf told;
    int64_t now_ns;
    struct nj_incident records[KEPT]; /* as last changed, by id */
    struct nj_incident_subject subjects[KEPT];
    int64_t subject_of[KEPT];
    size_t subjects_count;
};

static void note_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->told, "%d %s %s;", (int)incident->id, nj_incident_kind_name(incident->kind),
                        transition == NJ_TRANSITION_RESOLVED ? incident->resolved_cause
                                                             : nj_transition_name(transition));
}

static struct nj_engine *new_engine(struct fixture *fixture, int64_t next_id)
{
    const struct nj_engine_options options = {.stale_after_ns = NJ_DAY,
                                              .max_open = 100,
                                              .max_subjects = 100,
                                              .on_transition = note_transition,
                                              .data = fixture};
    return nj_engine_new(&options, next_id);
}

static int setup(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    fixture->now_ns = noon_ns;
    fixture->engine = new_engine(fixture, 1);
    *state = fixture;
    return 0;
}

static void forget_subjects(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->subjects_count; i++) {
        free((void *)fixture->subjects[i].pod_uid);
        free((void *)fixture->subjects[i].container);
        free((void *)fixture->subjects[i].pod);
    }
    fixture->subjects_count = 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_engine_free(fixture->engine);
    nj_buf_done(&fixture->told);
    for (size_t i = 0; i < KEPT; i++)
        nj_incident_done(&fixture->records[i]);
    forget_subjects(fixture);
    free(fixture);
    return 0;
}

static int keep_record(void *data, const struct nj_incident *incident)
{
    struct fixture *fixture = data;
    assert_in_range(incident->id, 1, KEPT - 1);
    nj_incident_done(&fixture->records[incident->id]);
    nj_incident_copy(&fixture->records[incident->id], incident);
    return 0;
}

static int keep_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                        bool present)
{
    struct fixture *fixture = data;
    if (!present) /* these tests keep what they load again */
        return 0;
    assert_in_range(fixture->subjects_count, 0, KEPT - 1);
    fixture->subject_of[fixture->subjects_count] = incident_id;
    fixture->subjects[fixture->subjects_count++] =
        (struct nj_incident_subject){.pod_uid = nj_strdup(subject->pod_uid),
                                     .container = nj_strdup(subject->container),
                                     .pod = nj_strdup(subject->pod),
                                     .since_ns = subject->since_ns};
    return 0;
}

/* The record as the store has it. */
static const struct nj_incident *record(struct fixture *fixture, int64_t id)
{
    assert_int_equal(0, nj_engine_each_change(fixture->engine, keep_record, keep_subject, fixture));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(id, fixture->records[id].id);
    return &fixture->records[id];
}

static void assert_told(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->told));
    nj_buf_clear(&fixture->told);
}

static void pass(struct fixture *fixture, int64_t ns)
{
    fixture->now_ns += ns;
    nj_engine_tick(fixture->engine, fixture->now_ns);
}

static int64_t apply_from(struct fixture *fixture, const struct nj_event_origin *origin,
                          struct nj_event *event)
{
    event->at_ns = event->at_ns == noon_ns ? fixture->now_ns : event->at_ns;
    return nj_engine_apply(fixture->engine, origin, event, true, fixture->now_ns);
}

static int64_t apply(struct fixture *fixture, struct nj_event *event)
{
    return apply_from(fixture, &agent, event);
}

static struct nj_event of_pod(enum nj_event_type type, const char *pod, const char *node)
{
    struct nj_event event = make_event(type, pod);
    event.subject.pod = event.subject.pod_uid = pod;
    event.subject.node = node;
    return event;
}

static struct nj_event oom_of(const char *pod)
{
    struct nj_event event = of_pod(NJ_EVENT_OOM_KILL, pod, "node-1");
    event.oom_kill = (struct nj_oom_kill){.container_id = "containerd://1",
                                          .count = 1,
                                          .process = "worker",
                                          .pid = 4711,
                                          .process_bytes = 180 << 20,
                                          .memory_limit_bytes = 256 << 20,
                                          .memory_usage_bytes = 255 << 20};
    return event;
}

static struct nj_event trouble_of(enum nj_trouble_kind kind, const char *detail, const char *severity,
                                  const char *pod)
{
    struct nj_event event = of_pod(NJ_EVENT_TROUBLE, pod, "node-1");
    event.trouble = (struct nj_trouble){.kind = kind,
                                        .detail = detail,
                                        .severity = severity,
                                        .message = "3120 sockets in CLOSE_WAIT",
                                        .value = 3120,
                                        .limit = 4096,
                                        .per_hour = 210,
                                        .reaches_ns = noon_ns + 5 * NJ_HOUR,
                                        .process = "java",
                                        .pid = 12};
    return event;
}

static struct nj_event node_of(enum nj_trouble_kind kind, const char *detail, const char *severity,
                               const char *node)
{
    struct nj_event event = make_event(NJ_EVENT_TROUBLE, node);
    event.subject = (struct nj_subject){.namespace = "",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = node,
                                        .workload_kind = "Node",
                                        .workload = node,
                                        .container = ""};
    event.trouble = (struct nj_trouble){.kind = kind,
                                        .detail = detail,
                                        .severity = severity,
                                        .message = "as its conditions say",
                                        .process = ""};
    return event;
}

static int64_t node_is(struct fixture *fixture, enum nj_trouble_kind kind, const char *node)
{
    struct nj_event event = node_of(kind, "", "warning", node);
    return apply_from(fixture, &collector, &event);
}

static void node_is_no_more(struct fixture *fixture, enum nj_trouble_kind kind, const char *node)
{
    struct nj_event event = node_of(kind, "", "warning", node);
    event.trouble.over = true;
    assert_int_equal(0, apply_from(fixture, &collector, &event));
}

static void cleared(struct fixture *fixture, enum nj_cleared_cause cause, const char *pod,
                    const char *container)
{
    struct nj_event event = of_pod(NJ_EVENT_CLEARED, pod, "node-1");
    event.subject.container = container;
    event.cleared.cause = cause;
    assert_int_equal(0, apply(fixture, &event));
}

static int64_t crash(struct fixture *fixture, const char *pod, const char *node)
{
    struct nj_event event = of_pod(NJ_EVENT_CRASH, pod, node);
    return apply(fixture, &event);
}

static void an_oom_kill_names_the_process_and_counts_each(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = oom_of("u1");
    assert_int_equal(1, apply(fixture, &event));
    const struct nj_incident *got = record(fixture, 1);
    assert_int_equal(NJ_INCIDENT_OOM_KILL, got->kind);
    assert_int_equal(NJ_SEVERITY_WARNING, got->severity);
    assert_string_equal("OOMKill", got->reason);
    assert_string_equal("worker", got->process);
    assert_int_equal(4711, got->pid);
    assert_int_equal(256 << 20, got->memory_limit_bytes);
    assert_true(got->value == 255 << 20 && got->at_most == 256 << 20);
    assert_string_equal(
        "worker (pid 4711, 180.0 MiB) was killed for memory: the container used 255.0 MiB of 256.0 MiB",
        got->message);
    assert_int_equal(1, got->count);
    event.oom_kill = (struct nj_oom_kill){.count = 3, .process = "", .memory_limit_bytes = 256 << 20};
    assert_int_equal(1, apply(fixture, &event));
    got = record(fixture, 1);
    assert_string_equal("a process and 2 more were killed for memory: the container's limit is 256.0 MiB",
                        got->message);
    assert_int_equal(4, got->count);
    /* One that is known already. */
    assert_int_equal(1, nj_engine_apply(fixture->engine, &agent, &event, false, fixture->now_ns));
    assert_int_equal(4, record(fixture, 1)->count);
    assert_told(fixture, "1 oom_kill opened;");
}

static void oom_kills_are_over_when_there_was_none_for_long(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        struct nj_event event = oom_of("u1");
        assert_int_equal(1, apply(fixture, &event));
        pass(fixture, 9 * NJ_MIN);
    }
    /* That its container stays up says nothing of its children. */
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "app");
    assert_told(fixture, "1 oom_kill opened;");
    pass(fixture, 2 * NJ_MIN);
    assert_told(fixture, "1 oom_kill quiet;");
    struct nj_event event = oom_of("u1");
    assert_int_equal(2, apply(fixture, &event));
    cleared(fixture, NJ_CLEARED_DELETED, "u1", "");
    assert_told(fixture, "2 oom_kill opened;2 oom_kill deleted;");
    assert_int_equal(0, apply(fixture, &event));
    assert_told(fixture, "");
}

static void a_leak_says_what_and_whose_and_when_the_limit_is_reached(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = trouble_of(NJ_TROUBLE_LEAK_SOCKETS, "CLOSE_WAIT", "warning", "u1");
    event.trouble.since_ns = noon_ns - 3 * NJ_HOUR;
    assert_int_equal(1, apply(fixture, &event));
    const struct nj_incident *got = record(fixture, 1);
    assert_string_equal("SocketLeak", got->reason);
    assert_string_equal("CLOSE_WAIT", got->detail);
    assert_string_equal("3120 sockets in CLOSE_WAIT", got->message);
    assert_string_equal("java", got->process);
    assert_int_equal(12, got->pid);
    assert_true(got->value == 3120 && got->at_most == 4096 && got->per_hour == 210);
    assert_int_equal(noon_ns + 5 * NJ_HOUR, got->reaches_ns);
    assert_int_equal(noon_ns - 3 * NJ_HOUR, got->first_ns);
    assert_string_equal("u1", got->pod);
    assert_string_equal("app", got->container);
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(got, "", &json));
    assert_non_null(
        strstr(nj_buf_str(&json),
               "\"detail\":\"CLOSE_WAIT\",\"process\":\"java\",\"pid\":12,\"value\":3120,\"limit\":4096,"
               "\"perHour\":210,\"reachesAt\":\"2"));
    nj_buf_done(&json);
    /* Another quantity, and another pod of the workload: the same incident. The same again is none. */
    struct nj_event fds = trouble_of(NJ_TROUBLE_LEAK_FDS, "", "warning", "u1");
    struct nj_event pod = trouble_of(NJ_TROUBLE_LEAK_FDS, "", "warning", "u2");
    assert_int_equal(1, apply(fixture, &fds));
    assert_int_equal(1, apply(fixture, &pod));
    assert_int_equal(1, apply(fixture, &pod));
    got = record(fixture, 1);
    assert_int_equal(3, got->count);
    assert_string_equal("FdLeak", got->reason);
    assert_string_equal("u2", got->pod);
    assert_told(fixture, "1 leak opened;");
}

static void a_leak_is_over_when_the_last_of_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event sockets = trouble_of(NJ_TROUBLE_LEAK_SOCKETS, "CLOSE_WAIT", "warning", "u1");
    struct nj_event memory = trouble_of(NJ_TROUBLE_LEAK_MEMORY, "", "warning", "u1");
    assert_int_equal(1, apply(fixture, &sockets));
    assert_int_equal(1, apply(fixture, &memory));
    pass(fixture, NJ_MIN);
    memory.trouble.over = true;
    memory.at_ns = fixture->now_ns;
    assert_int_equal(0, apply(fixture, &memory));
    const struct nj_incident *got = record(fixture, 1);
    assert_string_equal("SocketLeak", got->reason);
    assert_string_equal("CLOSE_WAIT", got->detail);
    assert_string_equal("SocketLeak CLOSE_WAIT of u1 goes on", got->message);
    assert_true(got->value == 0 && got->reaches_ns == 0);
    /* What happened before its end and comes after it. */
    memory.trouble.over = false;
    memory.at_ns = fixture->now_ns - 30 * NJ_SEC;
    assert_int_equal(1, apply(fixture, &memory));
    assert_string_equal("SocketLeak", record(fixture, 1)->reason);
    sockets.trouble.over = true;
    sockets.at_ns = fixture->now_ns;
    assert_int_equal(0, apply(fixture, &sockets));
    assert_told(fixture, "1 leak opened;1 leak over;");
}

static void the_end_of_a_pod_or_a_container_ends_its_leaks_and_staying_up_does_not(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event leak = trouble_of(NJ_TROUBLE_LEAK_FDS, "", "warning", "u1");
    struct nj_event near = trouble_of(NJ_TROUBLE_NEAR_FDS, "", "warning", "u2");
    assert_int_equal(1, apply(fixture, &leak));
    assert_int_equal(2, apply(fixture, &near));
    near.subject.container = "app-2";
    assert_int_equal(3, apply(fixture, &near));
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "app");
    cleared(fixture, NJ_CLEARED_STARTED, "u1", "app");
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "");
    assert_told(fixture, "1 leak opened;2 near_limit opened;3 near_limit opened;");
    cleared(fixture, NJ_CLEARED_COMPLETED, "u2", "app");
    assert_told(fixture, "2 near_limit completed;");
    cleared(fixture, NJ_CLEARED_DELETED, "u1", "");
    assert_told(fixture, "1 leak deleted;");
    assert_int_equal(0, apply(fixture, &leak));
    assert_told(fixture, "");
}

static void from_80_to_95_per_cent_it_has_worsened_once(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event near = trouble_of(NJ_TROUBLE_NEAR_FDS, "", "warning", "u1");
    near.trouble.level = 80;
    assert_int_equal(1, apply(fixture, &near));
    near.trouble.level = 95;
    near.trouble.severity = "critical";
    near.trouble.value = 4000;
    pass(fixture, NJ_MIN);
    near.at_ns = fixture->now_ns;
    assert_int_equal(1, apply(fixture, &near));
    assert_told(fixture, "1 near_limit opened;1 near_limit worsened;");
    assert_int_equal(1, apply(fixture, &near));
    const struct nj_incident *got = record(fixture, 1);
    assert_int_equal(NJ_SEVERITY_CRITICAL, got->severity);
    assert_int_equal(2, got->count);
    assert_true(got->value == 4000);
    /* Another pod at 80 per cent does not hide it. */
    struct nj_event pod = trouble_of(NJ_TROUBLE_NEAR_FDS, "", "warning", "u2");
    assert_int_equal(1, apply(fixture, &pod));
    assert_true(record(fixture, 1)->value == 4000);
    assert_told(fixture, "");
}

static void usage_of(struct fixture *fixture, const struct nj_event_origin *origin, const char *pod_uid,
                     const char *container)
{
    const struct nj_usage_item items[] = {{.pod_uid = pod_uid, .container = container}};
    struct nj_event event = make_event(NJ_EVENT_USAGE, "minute");
    event.usage = (struct nj_usage){.minute_ns = fixture->now_ns, .items = items, .count = 1, .parts = 1};
    assert_int_equal(0, apply_from(fixture, origin, &event));
}

static void what_lasts_is_not_stale_while_its_agent_lives(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event leak = trouble_of(NJ_TROUBLE_LEAK_FDS, "", "warning", "u1");
    struct nj_event disk = node_of(NJ_TROUBLE_NODE_DISK_FULL, "/var", "warning", "node-1");
    assert_int_equal(1, apply(fixture, &leak));
    assert_int_equal(2, apply(fixture, &disk));
    leak.subject.workload = "basket"; /* of which no minutes come */
    leak.subject.pod_uid = "u9";
    assert_int_equal(3, apply(fixture, &leak));
    nj_buf_clear(&fixture->told);
    for (int hour = 0; hour < 72; hour += 4) {
        usage_of(fixture, &agent, "u1", "app");
        usage_of(fixture, &agent, "", "");
        usage_of(fixture, &other_agent, "", "");
        usage_of(fixture, &agent, "u9", "sidecar");
        pass(fixture, 4 * NJ_HOUR);
    }
    assert_told(fixture, "3 leak stale;");
    /* The agent is gone. */
    pass(fixture, 25 * NJ_HOUR);
    assert_told(fixture, "1 leak stale;2 node stale;");
}

static void an_end_that_nobody_told_is_made_up_for(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event leak = trouble_of(NJ_TROUBLE_LEAK_FDS, "", "warning", "u1");
    assert_int_equal(1, apply(fixture, &leak));
    for (int64_t ns = 0; ns < NJ_ENGINE_TROUBLE_KEPT_NS + 2 * NJ_DAY; ns += 4 * NJ_HOUR) {
        usage_of(fixture, &agent, "u1", "app");
        pass(fixture, 4 * NJ_HOUR);
    }
    assert_told(fixture, "1 leak opened;1 leak stale;");
}

static void a_node_s_troubles_are_one_incident_and_the_worst_is_shown(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event disk = node_of(NJ_TROUBLE_NODE_DISK_FULL, "/var", "warning", "node-1");
    assert_int_equal(1, apply(fixture, &disk));
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_told(fixture, "1 node opened;1 node worsened;");
    disk.trouble.detail = "/home";
    assert_int_equal(1, apply(fixture, &disk));
    const struct nj_incident *got = record(fixture, 1);
    assert_string_equal("NotReady", got->reason);
    assert_int_equal(NJ_SEVERITY_CRITICAL, got->severity);
    assert_int_equal(3, got->count);
    assert_string_equal("Node", got->workload_kind);
    assert_string_equal("node-1", got->workload);
    assert_string_equal("node-1", got->node);
    assert_int_equal(2, node_is(fixture, NJ_TROUBLE_NODE_MEMORY, "node-2"));
    node_is_no_more(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    got = record(fixture, 1);
    assert_string_equal("DiskFull", got->reason);
    assert_string_equal("/home", got->detail);
    assert_string_equal("DiskFull /home of node-1 goes on", got->message);
    disk.trouble.over = true;
    assert_int_equal(0, apply(fixture, &disk));
    disk.trouble.detail = "/var";
    assert_int_equal(0, apply(fixture, &disk));
    assert_told(fixture, "2 node opened;1 node over;");
    /* The collector watches the other itself. */
    pass(fixture, 10 * NJ_DAY);
    assert_told(fixture, "");
}

static void that_no_node_could_be_lost_is_one_incident_of_the_cluster(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_LOSS, "node-1"));
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_LOSS, "node-2"));
    const struct nj_incident *got = record(fixture, 1);
    assert_int_equal(NJ_INCIDENT_CAPACITY, got->kind);
    assert_string_equal("Cluster", got->workload_kind);
    assert_string_equal("prod", got->workload);
    assert_string_equal("node-2", got->node);
    assert_string_equal("NodeLoss", got->reason);
    assert_int_equal(2, got->count);
    pass(fixture, 3 * NJ_DAY);
    node_is_no_more(fixture, NJ_TROUBLE_NODE_LOSS, "node-1");
    assert_told(fixture, "1 capacity opened;");
    node_is_no_more(fixture, NJ_TROUBLE_NODE_LOSS, "node-2");
    assert_told(fixture, "1 capacity over;");
}

static void a_node_that_is_not_ready_absorbs_what_its_pods_open(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    const struct nj_incident *got = record(fixture, 2);
    assert_string_equal("node", got->suppressed);
    assert_int_equal(2, got->count);
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(got, "", &json));
    assert_non_null(strstr(nj_buf_str(&json), "\"suppressed\":\"node\""));
    nj_buf_done(&json);
    /* Of another node, from the start. */
    struct nj_event event = of_pod(NJ_EVENT_CRASH, "u5", "node-2");
    event.subject.workload = "basket";
    assert_int_equal(3, apply_from(fixture, &other_agent, &event));
    assert_told(fixture, "1 node opened;3 crash opened;");
    /* What is over meanwhile was never told. */
    pass(fixture, NJ_MIN);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "app");
    assert_int_equal(NJ_INCIDENT_RESOLVED, record(fixture, 2)->state);
    assert_told(fixture, "");
}

static void what_outlasts_the_node_s_trouble_is_told_after_a_grace(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_MEMORY, "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    pass(fixture, NJ_HOUR);
    node_is_no_more(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    pass(fixture, NJ_HOUR);
    assert_told(fixture, "1 node opened;");
    node_is_no_more(fixture, NJ_TROUBLE_NODE_MEMORY, "node-1");
    pass(fixture, NJ_MIN);
    /* What comes of it late belongs to it too. */
    struct nj_event event = of_pod(NJ_EVENT_STUCK, "u2", "node-1");
    assert_int_equal(3, apply(fixture, &event));
    assert_told(fixture, "1 node over;");
    pass(fixture, NJ_MIN);
    assert_told(fixture, "2 crash opened;3 image_pull opened;");
    assert_string_equal("", record(fixture, 2)->suppressed);
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "app");
    assert_told(fixture, "2 crash stable;");
    struct nj_event later = of_pod(NJ_EVENT_CRASH, "u3", "node-1");
    later.subject.workload = "basket";
    assert_int_equal(4, apply(fixture, &later));
    assert_told(fixture, "4 crash opened;");
}

static void a_node_that_falls_again_within_the_grace_goes_on_absorbing(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    node_is_no_more(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    pass(fixture, NJ_MIN);
    assert_int_equal(3, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    pass(fixture, 5 * NJ_MIN);
    assert_told(fixture, "1 node opened;1 node over;3 node opened;");
    node_is_no_more(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    pass(fixture, NJ_MIN);
    assert_told(fixture, "3 node over;");
    pass(fixture, NJ_MIN);
    assert_told(fixture, "2 crash opened;");
}

static void an_event_of_another_node_is_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    assert_told(fixture, "1 node opened;");
    assert_int_equal(3, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-3"));
    assert_int_equal(2, crash(fixture, "u3", "node-3")); /* just as unwell */
    assert_told(fixture, "3 node opened;");
    assert_int_equal(2, crash(fixture, "u2", "node-2"));
    assert_told(fixture, "2 crash opened;");
    assert_string_equal("", record(fixture, 2)->suppressed);
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    cleared(fixture, NJ_CLEARED_STABLE, "u1", "app");
    cleared(fixture, NJ_CLEARED_STABLE, "u2", "app");
    cleared(fixture, NJ_CLEARED_STABLE, "u3", "app");
    assert_told(fixture, "2 crash stable;");
}

static void a_full_disk_absorbs_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event disk = node_of(NJ_TROUBLE_NODE_DISK_FULL, "/var", "warning", "node-1");
    assert_int_equal(1, apply(fixture, &disk));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    assert_told(fixture, "1 node opened;2 crash opened;");
}

static void evictions_count_in_the_node_s_incident(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_MEMORY, "node-1"));
    static const char *const pods[] = {"u1", "u2", "u2"};
    for (size_t i = 0; i < 3; i++) {
        struct nj_event evicted = of_pod(NJ_EVENT_POD_FAILURE, pods[i], "node-1");
        assert_int_equal(2, apply(fixture, &evicted));
    }
    struct nj_event deadline = of_pod(NJ_EVENT_POD_FAILURE, "u3", "node-1");
    deadline.failure.reason = "DeadlineExceeded";
    assert_int_equal(2, apply(fixture, &deadline));
    assert_int_equal(2, record(fixture, 1)->evictions);
    assert_told(fixture, "1 node opened;");
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(record(fixture, 1), "", &json));
    assert_non_null(strstr(nj_buf_str(&json), "\"evictions\":2"));
    nj_buf_done(&json);
}

static void restart(struct fixture *fixture)
{
    int64_t next_id = 1;
    (void)record(fixture, 1);
    nj_engine_free(fixture->engine);
    fixture->engine = new_engine(fixture, 1);
    for (int64_t id = 1; id < KEPT; id++) {
        if (fixture->records[id].id == 0)
            continue;
        next_id = id + 1;
        if (fixture->records[id].state != NJ_INCIDENT_OPEN)
            continue;
        nj_engine_load(fixture->engine, &fixture->records[id]);
        for (size_t i = 0; i < fixture->subjects_count; i++) {
            if (fixture->subject_of[i] == id)
                nj_engine_load_subject(fixture->engine, id, &fixture->subjects[i]);
        }
    }
    nj_engine_set_next_id(fixture->engine, next_id);
}

static void what_a_node_absorbs_is_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1"));
    assert_int_equal(2, crash(fixture, "u1", "node-1"));
    assert_told(fixture, "1 node opened;");
    restart(fixture);
    pass(fixture, NJ_MIN);
    struct nj_event event = of_pod(NJ_EVENT_CRASH, "u5", "node-1");
    event.subject.workload = "basket";
    assert_int_equal(3, apply(fixture, &event));
    assert_told(fixture, "");
    node_is_no_more(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    assert_told(fixture, "1 node over;");
    /* It has recovered, and that is forgotten: the grace begins anew. */
    pass(fixture, NJ_MIN);
    restart(fixture);
    pass(fixture, NJ_MIN);
    assert_told(fixture, "");
    pass(fixture, NJ_MIN);
    assert_told(fixture, "");
    pass(fixture, NJ_MIN);
    assert_told(fixture, "2 crash opened;3 crash opened;");
}

static void what_the_collector_tells_itself_is_not_stale_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, node_is(fixture, NJ_TROUBLE_NODE_MEMORY, "node-1"));
    assert_int_equal(2, node_is(fixture, NJ_TROUBLE_NODE_LOSS, "node-1"));
    nj_buf_clear(&fixture->told);
    restart(fixture);
    for (int day = 0; day < 10; day++)
        pass(fixture, NJ_DAY + NJ_HOUR);
    assert_told(fixture, "");
}

struct listing {
    struct nj_buf text;
};

static void list_kind(void *data, const struct nj_incident *incident,
                      const struct nj_incident_subject *subject)
{
    struct listing *listing = data;
    enum nj_trouble_kind kind = NJ_TROUBLE_KINDS;
    const char *detail = NULL;
    (void)incident;
    assert_true(nj_engine_trouble_of(subject->container, &kind, &detail));
    (void)nj_buf_printf(&listing->text, "%s %s %s [%s];", subject->pod_uid, subject->pod,
                        nj_trouble_kind_name(kind), detail);
}

static void what_is_wrong_with_nodes_can_be_listed(void **state)
{
    struct fixture *fixture = *state;
    struct listing listing = {0};
    enum nj_trouble_kind kind = NJ_TROUBLE_KINDS;
    struct nj_event disk = node_of(NJ_TROUBLE_NODE_DISK_FULL, "/var|a", "warning", "node-2");
    (void)node_is(fixture, NJ_TROUBLE_NODE_NOT_READY, "node-1");
    (void)apply(fixture, &disk);
    nj_engine_each_subject(fixture->engine, NJ_INCIDENT_NODE, "prod", list_kind, &listing);
    assert_string_equal("node/node-1 node-1 node_not_ready [];node/node-2 node-2 node_disk_full [/var|a];",
                        nj_buf_str(&listing.text));
    nj_buf_done(&listing.text);
    assert_false(nj_engine_trouble_of("apimonitor.shop.web|service/80", &kind, NULL));
    assert_false(nj_engine_trouble_of("", &kind, NULL));
    assert_false(nj_engine_trouble_of("app|what|", &kind, NULL));
    assert_int_equal(NJ_TROUBLE_KINDS, kind);
}

static void names_without_bounds_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char detail[4 * NJ_ENGINE_NAME_MAX], container[2 * NJ_ENGINE_NAME_MAX];
    memset(detail, 'd', sizeof(detail) - 1);
    memset(container, 'c', sizeof(container) - 1);
    detail[sizeof(detail) - 1] = container[sizeof(container) - 1] = '\0';
    struct nj_event leak = trouble_of(NJ_TROUBLE_LEAK_SOCKETS, detail, "what", "u1");
    leak.subject.container = container;
    assert_int_equal(1, apply(fixture, &leak));
    detail[sizeof(detail) - 2] = 'e';
    assert_int_equal(1, apply(fixture, &leak));
    assert_int_equal(2, record(fixture, 1)->count);
    assert_int_equal(NJ_SEVERITY_WARNING, record(fixture, 1)->severity);
    leak.trouble.over = true;
    assert_int_equal(0, apply(fixture, &leak));
    detail[sizeof(detail) - 2] = 'd';
    assert_told(fixture, "1 leak opened;");
    assert_int_equal(0, apply(fixture, &leak));
    assert_told(fixture, "1 leak over;");
    leak.trouble.kind = NJ_TROUBLE_KINDS;
    leak.trouble.over = false;
    assert_int_equal(0, apply(fixture, &leak));
    assert_told(fixture, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_oom_kill_names_the_process_and_counts_each),
        TEST(oom_kills_are_over_when_there_was_none_for_long),
        TEST(a_leak_says_what_and_whose_and_when_the_limit_is_reached),
        TEST(a_leak_is_over_when_the_last_of_it_is),
        TEST(the_end_of_a_pod_or_a_container_ends_its_leaks_and_staying_up_does_not),
        TEST(from_80_to_95_per_cent_it_has_worsened_once),
        TEST(what_lasts_is_not_stale_while_its_agent_lives),
        TEST(an_end_that_nobody_told_is_made_up_for),
        TEST(a_node_s_troubles_are_one_incident_and_the_worst_is_shown),
        TEST(that_no_node_could_be_lost_is_one_incident_of_the_cluster),
        TEST(a_node_that_is_not_ready_absorbs_what_its_pods_open),
        TEST(what_outlasts_the_node_s_trouble_is_told_after_a_grace),
        TEST(a_node_that_falls_again_within_the_grace_goes_on_absorbing),
        TEST(an_event_of_another_node_is_told_at_once),
        TEST(a_full_disk_absorbs_nothing),
        TEST(evictions_count_in_the_node_s_incident),
        TEST(what_a_node_absorbs_is_known_after_a_restart),
        TEST(what_the_collector_tells_itself_is_not_stale_after_a_restart),
        TEST(what_is_wrong_with_nodes_can_be_listed),
        TEST(names_without_bounds_are_bounded),
    };
    return cmocka_run_group_tests_name("collector/engine-troubles", tests, NULL, NULL);
}
