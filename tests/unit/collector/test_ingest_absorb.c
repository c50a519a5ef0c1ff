/*
 * What a node's trouble absorbs, through sockets, store and restarts: who is told of what, and when.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/ingest_support.h"

struct fixture {
    struct test_loop *test;
    struct server server;
    struct agent agent;
    volatile int64_t now_ns;
};

static int setup(void **state)
{
    void *test = NULL;
    struct fixture *fixture = NJ_NEW(struct fixture);
    (void)test_loop_setup(&test);
    fixture->test = test;
    fixture->now_ns = noon_ns;
    fixture->test->clock.replay = &fixture->now_ns;
    server_open(&fixture->server, fixture->test);
    agent_open(&fixture->agent, fixture->test, fixture->server.url, test_key, "node-1", "s-1");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *test = fixture->test;
    agent_close(&fixture->agent);
    server_close(&fixture->server);
    fixture->test->clock.replay = NULL;
    free(fixture);
    return test_loop_teardown(&test);
}

static void assert_planned(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->server.planned));
    nj_buf_clear(&fixture->server.planned);
}

/* The collector's own watch says so; stopping commits it. */
static void node_is_ready(struct fixture *fixture, bool ready)
{
    struct nj_event event = make_event(NJ_EVENT_TROUBLE, ready ? "over" : "begun");
    event.at_ns = fixture->now_ns;
    event.subject = (struct nj_subject){.namespace = "",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = "node-1",
                                        .workload_kind = "Node",
                                        .workload = "node-1",
                                        .container = ""};
    event.trouble = (struct nj_trouble){.kind = NJ_TROUBLE_NODE_NOT_READY,
                                        .detail = "",
                                        .over = ready,
                                        .severity = "critical",
                                        .message = "the kubelet is silent",
                                        .process = ""};
    nj_ingest_local_event(fixture->server.ingest, &event);
    server_stop(&fixture->server);
    server_start(&fixture->server);
}

static void crash(struct fixture *fixture, const char *id, uint64_t seq)
{
    struct nj_event event = make_event(NJ_EVENT_CRASH, id);
    event.subject.node = "node-1";
    event.at_ns = fixture->now_ns;
    agent_tell(&fixture->agent, &event, 1, seq);
    assert_int_equal(seq, fixture->agent.ack.committed);
}

static void assert_incidents(struct fixture *fixture, const char *expected)
{
    struct nj_buf text = {0};
    server_incidents(&fixture->server, &text);
    assert_string_equal(expected, nj_buf_str(&text));
    nj_buf_done(&text);
}

static void what_outlasts_the_node_s_trouble_is_told_once_and_after_it(void **state)
{
    struct fixture *fixture = *state;
    node_is_ready(fixture, false);
    assert_planned(fixture, "+1 node;");
    crash(fixture, "a", 1);
    server_stop(&fixture->server);
    server_start(&fixture->server);
    crash(fixture, "b", 2);
    assert_incidents(fixture, "2 crash open n=2 lost=0;1 node open n=1 lost=0;");
    assert_planned(fixture, "");
    node_is_ready(fixture, true);
    assert_planned(fixture, "-1 over;");
    int64_t recovered_ns = fixture->now_ns;
    while (fixture->server.planned.len == 0) {
        fixture->now_ns += NJ_SEC;
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    }
    assert_planned(fixture, "+2 crash;");
    assert_true(fixture->now_ns - recovered_ns >= NJ_ENGINE_NODE_GRACE_NS);
    struct nj_event cleared = make_event(NJ_EVENT_CLEARED, "c");
    cleared.at_ns = fixture->now_ns;
    agent_tell(&fixture->agent, &cleared, 1, 3);
    assert_planned(fixture, "-2 stable;");
}

static void what_is_over_with_the_node_s_trouble_is_never_told(void **state)
{
    struct fixture *fixture = *state;
    node_is_ready(fixture, false);
    crash(fixture, "a", 1);
    node_is_ready(fixture, true);
    struct nj_event cleared = make_event(NJ_EVENT_CLEARED, "c");
    cleared.subject.container = "";
    cleared.cleared.cause = NJ_CLEARED_DELETED;
    cleared.at_ns = fixture->now_ns;
    agent_tell(&fixture->agent, &cleared, 1, 2);
    assert_incidents(fixture, "2 crash resolved n=1 lost=0;1 node resolved n=1 lost=0;");
    assert_planned(fixture, "+1 node;-1 over;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_outlasts_the_node_s_trouble_is_told_once_and_after_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_over_with_the_node_s_trouble_is_never_told, setup, teardown),
    };
    return cmocka_run_group_tests_name("collector/ingest-absorb", tests, NULL, NULL);
}
