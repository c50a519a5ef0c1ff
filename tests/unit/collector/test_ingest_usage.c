/*
 * What an inspection tells, from packets to committed facts: minutes of use that count once and are told once
 * they are kept, OOM kills and troubles that are taken once, and what a hostile agent says.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/ingest.h"
#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "tests/unit/collector/ingest_support.h"

#define EVENTS(type) "nightjar_ingest_events_total{type=\"" type "\"}"

struct fixture {
    struct server server; /* what its callbacks are given */
    struct test_loop *test;
    struct agent agent;
    volatile int64_t now_ns;
    struct nj_buf told, text;
    struct nj_buf sketch; /* of one sample, 0.5 */
    size_t longest;       /* name that was told */
};

static void on_minute(void *data, const char *node, const struct nj_event *event)
{
    struct fixture *fixture = data;
    if (event->type == NJ_EVENT_ROLLUPS) {
        (void)nj_buf_printf(&fixture->told, "%s checks %zu;", node, event->rollups.count);
        return;
    }
    (void)nj_buf_printf(&fixture->told, "%s use %" PRId64 " %u/%u", node,
                        (event->usage.minute_ns - noon_ns) / NJ_MIN, event->usage.part, event->usage.parts);
    for (size_t i = 0; i < event->usage.count; i++) {
        const char *uid = event->usage.items[i].pod_uid;
        fixture->longest = strlen(uid) > fixture->longest ? strlen(uid) : fixture->longest;
        (void)nj_buf_printf(&fixture->told, " %.8s", uid);
    }
    (void)nj_buf_printf(&fixture->told, " pods=%zu;", event->usage.pods_count);
}

static int setup(void **state)
{
    void *test = NULL;
    struct nj_sketch sketch = {0};
    struct fixture *fixture = NJ_NEW(struct fixture);
    (void)test_loop_setup(&test);
    fixture->test = test;
    fixture->now_ns = noon_ns;
    fixture->test->clock.replay = &fixture->now_ns;
    nj_sketch_add(&sketch, 0.5);
    assert_int_equal(0, nj_sketch_encode(&sketch, &fixture->sketch));
    nj_sketch_done(&sketch);
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
    nj_buf_done(&fixture->told);
    nj_buf_done(&fixture->text);
    nj_buf_done(&fixture->sketch);
    free(fixture);
    return test_loop_teardown(&test);
}

static void restart(struct fixture *fixture, bool listening)
{
    server_stop(&fixture->server);
    fixture->server.options.on_minute = listening ? on_minute : NULL;
    server_start(&fixture->server);
}

static struct nj_usage_item make_item(const struct fixture *fixture, const char *uid)
{
    return (struct nj_usage_item){.namespace = "shop",
                                  .pod = "cart-1",
                                  .pod_uid = uid,
                                  .container = "app",
                                  .workload_kind = "Deployment",
                                  .workload = "cart",
                                  .metrics = {[NJ_USAGE_CPU] = {fixture->sketch.data, fixture->sketch.len}}};
}

static struct nj_event make_usage(const char *id, int64_t minute_ns, const struct nj_usage_item *items,
                                  size_t count)
{
    return (struct nj_event){.id = id,
                             .at_ns = minute_ns,
                             .type = NJ_EVENT_USAGE,
                             .usage = {.minute_ns = minute_ns, .items = items, .count = count, .parts = 1}};
}

static int write_point(void *data, const struct nj_usage_point *point)
{
    struct nj_sketch sketch = {0};
    if (point->item.metrics[NJ_USAGE_CPU].len > 0)
        assert_int_equal(0, nj_sketch_decode(point->item.metrics[NJ_USAGE_CPU].sketch,
                                             point->item.metrics[NJ_USAGE_CPU].len, &sketch));
    (void)nj_buf_printf(data, "%s %.8s %" PRIu64 ";", point->node, point->item.pod_uid, sketch.count);
    nj_sketch_done(&sketch);
    return 0;
}

/* "NODE UID SAMPLES;" of all minutes. */
static void assert_points(struct fixture *fixture, const char *wanted)
{
    const struct nj_usage_filter all = {.cluster = "prod", .until_ns = INT64_MAX};
    struct nj_store *reader = open_reader(&fixture->server.folder);
    nj_buf_clear(&fixture->text);
    assert_int_equal(0, reader->ops->each_usage(reader, &all, false, write_point, &fixture->text, NULL));
    assert_string_equal(wanted, nj_buf_str(&fixture->text));
    reader->ops->close(reader);
}

static void assert_told(struct fixture *fixture, const char *wanted)
{
    assert_string_equal(wanted, nj_buf_str(&fixture->told));
    nj_buf_clear(&fixture->told);
}

static void a_minute_of_use_counts_once_and_is_told_when_it_is_kept(void **state)
{
    struct fixture *fixture = *state;
    restart(fixture, true);
    const struct nj_usage_item items[] = {make_item(fixture, "u-1"), make_item(fixture, "u-2")};
    const struct nj_usage_pod pod = {.pod_uid = "u-1"};
    struct nj_event events[2] = {make_usage("m-1", noon_ns - NJ_MIN, items, 2),
                                 make_usage("m-2", noon_ns, items, 1)};
    events[1].usage.pods = &pod;
    events[1].usage.pods_count = 1;
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(fixture->agent.ack.committed, 2);
    assert_points(fixture, "node-1 u-1 1;node-1 u-2 1;node-1 u-1 1;");
    assert_told(fixture, "node-1 use -1 0/1 u-1 u-2 pods=0;node-1 use 0 0/1 u-1 pods=1;");
    /* The agent lost its outbox, and the collector was restarted. */
    restart(fixture, true);
    fixture->agent.stream = "s-2";
    agent_tell(&fixture->agent, events, 2, 1);
    assert_points(fixture, "node-1 u-1 1;node-1 u-2 1;node-1 u-1 1;");
    assert_told(fixture, "");
    assert_int_equal(2, server_metric(&fixture->server, EVENTS("usage")));
    assert_int_equal(3, server_metric(&fixture->server, "nightjar_ingest_usage_items_total"));
    assert_int_equal(2, server_metric(&fixture->server, "nightjar_ingest_duplicate_events_total"));
}

static void minutes_are_kept_when_nobody_listens(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_usage_item item = make_item(fixture, "u-1");
    const struct nj_event event = make_usage("m-1", noon_ns, &item, 1);
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_points(fixture, "node-1 u-1 1;");
    assert_told(fixture, "");
    assert_int_equal(0, server_metric(&fixture->server, "nightjar_ingest_untold_rollups_total"));
}

static void minutes_of_checks_are_told_as_well_the_collectors_own_too(void **state)
{
    struct fixture *fixture = *state;
    restart(fixture, true);
    const struct nj_check_rollup item = {
        .key = {.monitor = "service.shop.cart", .target = "service/80/IPv4"}, .runs = 1, .state = "passing"};
    struct nj_event event = {.id = "r-1", .type = NJ_EVENT_ROLLUPS, .at_ns = noon_ns};
    event.rollups = (struct nj_rollups){.minute_ns = noon_ns, .items = &item, .count = 1};
    struct nj_event own = event;
    own.id = "r-2";
    own.subject.node = "";
    nj_ingest_local_event(fixture->server.ingest, &own);
    agent_tell(&fixture->agent, &event, 1, 1);
    while (strlen(nj_buf_str(&fixture->told)) < strlen(" checks 1;node-1 checks 1;"))
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    assert_told(fixture, " checks 1;node-1 checks 1;");
}

static void a_minute_that_could_not_be_committed_is_told_when_it_comes_again(void **state)
{
    struct fixture *fixture = *state;
    restart(fixture, true);
    const struct nj_usage_item item = make_item(fixture, "u-1");
    const struct nj_event events[] = {make_usage("m-1", noon_ns, &item, 1), make_event(NJ_EVENT_CRASH, "c")};
    fixture->server.plan_fails_at = 1;
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(fixture->agent.ack.refusal, NJ_REFUSAL_STORE);
    assert_told(fixture, "");
    assert_points(fixture, "");
    restart(fixture, true);
    agent_tell(&fixture->agent, events, 2, 1);
    assert_int_equal(fixture->agent.ack.committed, 2);
    assert_told(fixture, "node-1 use 0 0/1 u-1 pods=0;");
    assert_points(fixture, "node-1 u-1 1;");
}

static void a_minute_from_a_wrong_clock_counts_as_now(void **state)
{
    struct fixture *fixture = *state;
    restart(fixture, true);
    const struct nj_usage_item item = make_item(fixture, "u-1");
    const struct nj_event events[] = {make_usage("m-1", INT64_MAX, &item, 1),
                                      make_usage("m-2", INT64_MIN, &item, 1)};
    agent_tell(&fixture->agent, events, 2, 1);
    struct nj_buf told = {0};
    (void)nj_buf_printf(&told, "node-1 use 0 0/1 u-1 pods=0;node-1 use %" PRId64 " 0/1 u-1 pods=0;",
                        -(noon_ns / NJ_MIN));
    assert_told(fixture, nj_buf_str(&told));
    assert_points(fixture, "node-1 u-1 1;node-1 u-1 1;");
    nj_buf_done(&told);
}

static void long_names_and_bytes_that_are_no_sketch_do_no_harm(void **state)
{
    enum { LONG = 100000, BOUND = 512 };
    struct fixture *fixture = *state;
    restart(fixture, true);
    char *name = nj_calloc(1, LONG + 1);
    memset(name, 'u', LONG);
    struct nj_usage_item item = make_item(fixture, name);
    item.namespace = item.pod = item.container = item.workload = item.workload_kind = name;
    item.metrics[NJ_USAGE_CPU].sketch = "\xff\xff\xff";
    item.metrics[NJ_USAGE_CPU].len = 3;
    struct nj_event events[] = {make_usage("m-1", noon_ns, &item, 1), make_event(NJ_EVENT_TROUBLE, "t"),
                                make_event(NJ_EVENT_OOM_KILL, "o")};
    events[1].trouble = (struct nj_trouble){
        .kind = NJ_TROUBLE_LEAK_FDS, .severity = name, .detail = name, .message = name, .process = name};
    events[2].oom_kill = (struct nj_oom_kill){.count = UINT64_MAX, .process = name, .container_id = name};
    agent_tell(&fixture->agent, events, 3, 1);
    assert_int_equal(fixture->agent.ack.committed, 3);
    assert_int_equal(fixture->longest, BOUND);
    assert_points(fixture, "node-1 uuuuuuuu 0;");
    free(name);
}

/* What one group may keep to be told: many large minutes in one go. */
static void minutes_that_are_too_many_are_kept_and_counted_but_not_told(void **state)
{
    enum { PODS = 150, AGENTS = 24 };
    struct fixture *fixture = *state;
    restart(fixture, true);
    struct agent agents[AGENTS];
    struct nj_usage_pod pods[PODS];
    static char placement[NJ_USAGE_PLACEMENT_MAX + 1];
    char names[AGENTS][2][16];
    memset(placement, ' ', sizeof(placement) - 1);
    for (int i = 0; i < PODS; i++)
        pods[i] = (struct nj_usage_pod){.pod_uid = "u", .placement = placement};
    server_hold(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        (void)snprintf(names[i][0], sizeof(names[i][0]), "node-%d", 10 + i);
        (void)snprintf(names[i][1], sizeof(names[i][1]), "m-%d", i);
        struct nj_event event = make_usage(names[i][1], noon_ns, NULL, 0);
        event.usage.pods = pods;
        event.usage.pods_count = PODS;
        agent_open(&agents[i], fixture->test, fixture->server.url, test_key, names[i][0], names[i][0]);
        agent_send(&agents[i], &event, 1, 1);
    }
    while (server_metric(&fixture->server, "nightjar_ingest_packets_total") < AGENTS)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
    server_release(&fixture->server);
    for (int i = 0; i < AGENTS; i++) {
        agent_wait(&agents[i]);
        assert_int_equal(agents[i].ack.committed, 1);
        agent_close(&agents[i]);
    }
    int64_t untold = server_metric(&fixture->server, "nightjar_ingest_untold_rollups_total");
    int64_t told = 0;
    for (const char *at = nj_buf_str(&fixture->told); (at = strchr(at, ';')) != NULL; at++)
        told++;
    assert_in_range(untold, 1, AGENTS - 1);
    assert_int_equal(told + untold, AGENTS);
    assert_int_equal(AGENTS, server_metric(&fixture->server, EVENTS("usage")));
}

static struct nj_event make_trouble(const char *id, enum nj_trouble_kind kind, const char *node)
{
    struct nj_event event = make_event(NJ_EVENT_TROUBLE, id);
    if (nj_trouble_is_of_node(kind))
        event.subject = (struct nj_subject){.node = node, .workload_kind = "Node", .workload = node};
    event.trouble = (struct nj_trouble){
        .kind = kind, .severity = "warning", .message = "it is so", .since_ns = noon_ns, .level = 80};
    return event;
}

static void assert_incidents(struct fixture *fixture, const char *wanted)
{
    server_incidents(&fixture->server, &fixture->text);
    assert_string_equal(wanted, nj_buf_str(&fixture->text));
}

static void an_oom_kill_counts_once(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = make_event(NJ_EVENT_OOM_KILL, "oom-1");
    event.oom_kill = (struct nj_oom_kill){.count = 1, .process = "worker"};
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_incidents(fixture, "1 oom_kill open n=1 lost=0;");
    restart(fixture, false);
    fixture->agent.stream = "s-2";
    agent_tell(&fixture->agent, &event, 1, 1);
    assert_incidents(fixture, "1 oom_kill open n=1 lost=0;");
    event.id = "oom-2";
    agent_tell(&fixture->agent, &event, 1, 2);
    assert_incidents(fixture, "1 oom_kill open n=2 lost=0;");
    assert_int_equal(2, server_metric(&fixture->server, EVENTS("oom_kill")));
}

static void a_trouble_that_is_over_is_not_opened_again_by_an_old_word(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event events[] = {make_trouble("t-1", NJ_TROUBLE_NEAR_FDS, ""),
                                make_trouble("t-1-over", NJ_TROUBLE_NEAR_FDS, "")};
    events[1].trouble.over = true;
    agent_tell(&fixture->agent, events, 1, 1);
    assert_incidents(fixture, "1 near_limit open n=1 lost=0;");
    agent_tell(&fixture->agent, &events[1], 1, 2);
    assert_incidents(fixture, "1 near_limit resolved n=1 lost=0;");
    fixture->agent.stream = "s-2";
    agent_tell(&fixture->agent, events, 1, 1);
    assert_incidents(fixture, "1 near_limit resolved n=1 lost=0;");
    assert_int_equal(2, server_metric(&fixture->server, EVENTS("trouble")));
}

static void an_agent_tells_of_its_own_node_and_what_it_sees_there(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_event events[] = {make_trouble("t-1", NJ_TROUBLE_NODE_DISK_FULL, "node-2"),
                                      make_trouble("t-2", NJ_TROUBLE_NODE_NOT_READY, "node-1"),
                                      make_trouble("t-3", NJ_TROUBLE_NODE_LOSS, "node-1"),
                                      make_trouble("t-4", NJ_TROUBLE_NODE_DISK_FULL, "node-1")};
    agent_tell(&fixture->agent, events, 3, 1);
    assert_int_equal(fixture->agent.ack.committed, 3);
    assert_incidents(fixture, "");
    assert_int_equal(3, server_metric(&fixture->server, "nightjar_ingest_foreign_troubles_total"));
    agent_tell(&fixture->agent, &events[3], 1, 4);
    assert_incidents(fixture, "1 node open n=1 lost=0;");
    nj_ingest_local_event(fixture->server.ingest, &events[1]);
    while (server_metric(&fixture->server, EVENTS("trouble")) < 2)
        (void)uv_run(&fixture->test->loop.uv, UV_RUN_ONCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_minute_of_use_counts_once_and_is_told_when_it_is_kept),
        TEST(minutes_are_kept_when_nobody_listens),
        TEST(minutes_of_checks_are_told_as_well_the_collectors_own_too),
        TEST(a_minute_that_could_not_be_committed_is_told_when_it_comes_again),
        TEST(a_minute_from_a_wrong_clock_counts_as_now),
        TEST(long_names_and_bytes_that_are_no_sketch_do_no_harm),
        TEST(minutes_that_are_too_many_are_kept_and_counted_but_not_told),
        TEST(an_oom_kill_counts_once),
        TEST(a_trouble_that_is_over_is_not_opened_again_by_an_old_word),
        TEST(an_agent_tells_of_its_own_node_and_what_it_sees_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
