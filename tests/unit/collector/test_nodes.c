/*
 * The cluster's Nodes against a small API server: what is known of them, and what is told when they are
 * unwell.
 */
#include "collector/cluster/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

struct setup {
    struct fake_kube fake;
    struct fake_resource *resource;
    struct nj_nodes *nodes;
    struct nj_metrics *metrics;
    struct nj_buf told; /* "n1 node_not_ready;n1 node_not_ready over;" */
    char first_id[NJ_EVENT_ID_MAX], last_id[NJ_EVENT_ID_MAX];
    char *message;
    int64_t at_ns, since_ns;
    int events;
    bool closed;
};

#define CONDITION(type, status, since)                                                                       \
    "{\"type\":\"" type "\",\"status\":\"" status "\",\"reason\":\"Why\",\"message\":\"in words\","          \
    "\"lastTransitionTime\":\"" since "\"}"
#define NODE(name, uid, version, created, conditions)                                                        \
    "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid            \
    "\",\"resourceVersion\":\"" version "\",\"creationTimestamp\":\"" created                                \
    "\",\"labels\":{\"zone\":\"a\",\"disk\":\"ssd\"}},\"spec\":{\"taints\":[{\"key\":\"gpu\",\"value\":"     \
    "\"yes\",\"effect\":\"NoSchedule\"}]},\"status\":{\"allocatable\":{\"cpu\":\"3900m\",\"memory\":"        \
    "\"7Gi\",\"pods\":\"110\"},\"conditions\":[" conditions "]}}"
#define LONG_AGO "2026-01-01T00:00:00Z"
#define EARLIER "2026-11-21T11:50:00Z"
#define READY CONDITION("Ready", "True", LONG_AGO)
#define NOT_READY CONDITION("Ready", "Unknown", EARLIER)

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    assert_int_equal(event->type, NJ_EVENT_TROUBLE);
    assert_string_equal(event->subject.workload_kind, "Node");
    assert_string_equal(event->subject.workload, event->subject.node);
    assert_string_equal(event->subject.pod_uid, "");
    (void)nj_buf_printf(&setup->told, "%s %s%s;", event->subject.node,
                        nj_trouble_kind_name(event->trouble.kind), event->trouble.over ? " over" : "");
    memcpy(setup->last_id, event->id, strlen(event->id) + 1);
    if (setup->events++ == 0)
        memcpy(setup->first_id, event->id, strlen(event->id) + 1);
    free(setup->message);
    setup->message = nj_strdup(event->trouble.message);
    setup->at_ns = event->at_ns;
    setup->since_ns = event->trouble.since_ns;
}

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    setup->resource = fake_resource(&setup->fake, "nodes", "");
    setup->metrics = nj_metrics_new();
    *state = setup;
    return 0;
}

static void stop(struct setup *setup)
{
    setup->closed = false;
    nj_nodes_close(setup->nodes, test_set_flag, &setup->closed);
    test_run_until(setup->fake.test, &setup->closed);
    setup->nodes = NULL;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    stop(setup);
    fake_kube_stop(&setup->fake);
    nj_metrics_free(setup->metrics);
    nj_buf_done(&setup->told);
    free(setup->message);
    free(setup);
    return 0;
}

static void begin(struct setup *setup, const char *items, size_t max_nodes)
{
    const struct nj_nodes_options options = {.loop = &setup->fake.test->loop,
                                             .client = setup->fake.client,
                                             .metrics = setup->metrics,
                                             .max_nodes = max_nodes,
                                             .not_ready_after_ns = 2 * NJ_MIN,
                                             .on_event = on_event,
                                             .data = setup};
    setup->resource->items = items;
    setup->resource->watches = 0;
    assert_int_equal(0, nj_nodes_start(&options, &setup->nodes, NULL));
}

static void run_until_watched(struct setup *setup)
{
    while (setup->resource->watches == 0)
        fake_run_once(&setup->fake);
}

static void start(struct setup *setup, const char *items)
{
    begin(setup, items, 100);
    run_until_watched(setup);
}

static void run_until_told(struct setup *setup, int events)
{
    while (setup->events < events)
        fake_run_once(&setup->fake);
}

static void assert_told(const struct setup *setup, const char *expected)
{
    assert_string_equal(nj_buf_str(&setup->told), expected);
}

static int64_t time_of(const char *text)
{
    int64_t ns = 0;
    assert_int_equal(0, nj_time_parse(text, (size_t)-1, &ns));
    return ns;
}

static void a_node_is_known_with_what_placement_needs(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, READY));
    assert_true(nj_nodes_synced(setup->nodes));
    const struct nj_nodes_node *node = nj_nodes_find(setup->nodes, "n1");
    assert_non_null(node);
    assert_true(node->ready);
    assert_string_equal(node->uid, "u1");
    assert_int_equal(node->labels_count, 2);
    assert_string_equal(node->labels[0].key, "disk");
    assert_string_equal(node->labels[1].value, "a");
    assert_int_equal(node->node->allocatable_cpu_millis, 3900);
    assert_int_equal(node->node->allocatable_memory_bytes, INT64_C(7) << 30);
    assert_int_equal(node->node->allocatable_pods, 110);
    assert_int_equal(node->node->taints_count, 1);
    assert_string_equal(node->node->taints[0].key, "gpu");
    assert_null(nj_nodes_find(setup->nodes, "n2"));
    assert_told(setup, "");
}

static void not_ready_is_told_with_the_conditions_own_time(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, READY));
    fake_send(setup->resource, "MODIFIED", NODE("n1", "u1", "2", LONG_AGO, NOT_READY));
    run_until_told(setup, 1);
    assert_told(setup, "n1 node_not_ready;");
    assert_string_equal(setup->message, "node n1 is not ready: Why: in words");
    assert_int_equal(setup->since_ns, time_of(EARLIER));
    assert_int_equal(setup->at_ns, time_of(EARLIER));
    /* From Unknown to False it is still the same. */
    fake_send(setup->resource, "MODIFIED",
              NODE("n1", "u1", "3", LONG_AGO, CONDITION("Ready", "False", "2026-11-21T11:55:00Z")));
    fake_send(setup->resource, "MODIFIED",
              NODE("n1", "u1", "4", LONG_AGO, CONDITION("Ready", "True", "2026-11-21T11:58:00Z")));
    run_until_told(setup, 2);
    assert_told(setup, "n1 node_not_ready;n1 node_not_ready over;");
    assert_int_equal(setup->at_ns, time_of("2026-11-21T11:58:00Z"));
    assert_int_equal(setup->since_ns, time_of(EARLIER));
}

static void each_pressure_is_a_trouble_of_its_own_and_cordoned_is_none(void **state)
{
    struct setup *setup = *state;
    start(
        setup,
        NODE("n1", "u1", "1", LONG_AGO,
             READY "," CONDITION("MemoryPressure", "True", EARLIER) "," CONDITION(
                 "DiskPressure", "True",
                 EARLIER) "," CONDITION("PIDPressure", "Unknown",
                                        EARLIER) "," CONDITION("NetworkUnavailable", "False",
                                                               EARLIER)) "," /* then one that is cordoned */
                                                                         "{\"metadata\":{\"name\":\"n2\","
                                                                         "\"uid\":\"u2\",\"resourceVersion\":"
                                                                         "\"1\"},"
                                                                         "\"spec\":{\"unschedulable\":true},"
                                                                         "\"status\":{\"conditions\":[" READY
                                                                         "]}}");
    assert_told(setup, "n1 node_memory;n1 node_disk;");
    assert_true(nj_nodes_find(setup->nodes, "n2")->node->unschedulable);
    const char *bad[NJ_NODES_CONDITIONS];
    assert_int_equal(nj_nodes_bad(nj_nodes_find(setup->nodes, "n1"), bad), 2);
    assert_string_equal(bad[1], "DiskPressure");
}

static void a_new_node_has_time_to_become_ready(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", "2026-11-21T12:00:00Z",
                      NOT_READY) "," NODE("n2", "u2", "1", "2026-11-21T12:00:00Z", ""));
    while (setup->fake.now_ns < noon_ns + NJ_MIN)
        fake_run_once(&setup->fake);
    assert_told(setup, "");
    fake_send(setup->resource, "MODIFIED", NODE("n1", "u1", "2", "2026-11-21T12:00:00Z", READY));
    run_until_told(setup, 1);
    assert_told(setup, "n2 node_not_ready;");
    assert_true(setup->fake.now_ns >= noon_ns + 2 * NJ_MIN);
    assert_string_equal(setup->message, "node n2 is not ready: its kubelet has not said anything yet");
    /* Once it was ready there is nothing to wait for. */
    fake_send(setup->resource, "MODIFIED", NODE("n1", "u1", "3", "2026-11-21T12:00:00Z", NOT_READY));
    run_until_told(setup, 2);
    assert_told(setup, "n2 node_not_ready;n1 node_not_ready;");
}

static void a_deleted_node_ends_its_troubles(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY));
    run_until_told(setup, 1);
    fake_send(setup->resource, "DELETED", NODE("n1", "u1", "2", LONG_AGO, NOT_READY));
    run_until_told(setup, 2);
    assert_told(setup, "n1 node_not_ready;n1 node_not_ready over;");
    assert_string_equal(setup->message, "node n1 is no longer in the cluster");
    assert_null(nj_nodes_find(setup->nodes, "n1"));
}

static void a_node_made_anew_under_its_name_goes_on(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY));
    run_until_told(setup, 1);
    fake_send(setup->resource, "ADDED", NODE("n1", "u2", "5", LONG_AGO, READY));
    fake_send(setup->resource, "DELETED", NODE("n1", "u1", "6", LONG_AGO, NOT_READY));
    fake_send(setup->resource, "MODIFIED", NODE("n1", "u2", "7", LONG_AGO, NOT_READY));
    run_until_told(setup, 3);
    assert_told(setup, "n1 node_not_ready;n1 node_not_ready over;n1 node_not_ready;");
    assert_string_equal(nj_nodes_find(setup->nodes, "n1")->uid, "u2");
}

static void what_lasts_is_told_again_as_the_same_fact(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY));
    run_until_told(setup, 2);
    assert_true(setup->fake.now_ns >= noon_ns + 5 * NJ_MIN);
    assert_string_equal(setup->first_id, setup->last_id);
}

static void another_process_tells_the_same_fact_and_its_end(void **state)
{
    struct setup *setup = *state;
    start(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY));
    run_until_told(setup, 1);
    stop(setup);

    begin(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY), 100);
    run_until_watched(setup);
    run_until_told(setup, 2);
    assert_string_equal(setup->first_id, setup->last_id);
    stop(setup);

    /* While nobody looked the one became well, and the other left. */
    nj_buf_clear(&setup->told);
    begin(setup, NODE("n1", "u1", "9", LONG_AGO, READY), 100);
    nj_nodes_remember(setup->nodes, "n1", NJ_TROUBLE_NODE_NOT_READY, time_of(EARLIER));
    nj_nodes_remember(setup->nodes, "n2", NJ_TROUBLE_NODE_DISK, time_of(EARLIER));
    nj_nodes_remember(setup->nodes, "n2", NJ_TROUBLE_NODE_DISK_FULL, time_of(EARLIER)); /* the agent's */
    run_until_watched(setup);
    assert_told(setup, "n1 node_not_ready over;n2 node_disk over;");
    assert_int_equal(setup->since_ns, time_of(EARLIER));
}

static void what_was_remembered_and_lasts_is_not_told_as_new(void **state)
{
    struct setup *setup = *state;
    begin(setup, NODE("n1", "u1", "1", LONG_AGO, NOT_READY), 100);
    nj_nodes_remember(setup->nodes, "n1", NJ_TROUBLE_NODE_NOT_READY, time_of(EARLIER));
    run_until_watched(setup);
    assert_told(setup, "");
    run_until_told(setup, 1);
    assert_true(setup->fake.now_ns >= noon_ns + 5 * NJ_MIN);
    assert_int_equal(setup->since_ns, time_of(EARLIER));
}

static void nodes_beyond_the_bound_are_counted(void **state)
{
    struct setup *setup = *state;
    begin(setup,
          NODE("n1", "u1", "1", LONG_AGO, READY) "," NODE("n2", "u2", "1", LONG_AGO, READY) "," NODE(
              "n3", "u3", "1", LONG_AGO, NOT_READY),
          2);
    run_until_watched(setup);
    assert_null(nj_nodes_find(setup->nodes, "n3"));
    assert_told(setup, "");
    assert_int_equal(
        nj_counter_get(nj_metrics_counter(setup->metrics, "nightjar_nodes_ignored_total", "",
                                          "Nodes that are not followed because of the bound, or cannot be.")),
        1);
}

#define nodes_case(function) cmocka_unit_test_setup_teardown(function, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        nodes_case(a_node_is_known_with_what_placement_needs),
        nodes_case(not_ready_is_told_with_the_conditions_own_time),
        nodes_case(each_pressure_is_a_trouble_of_its_own_and_cordoned_is_none),
        nodes_case(a_new_node_has_time_to_become_ready),
        nodes_case(a_deleted_node_ends_its_troubles),
        nodes_case(a_node_made_anew_under_its_name_goes_on),
        nodes_case(what_lasts_is_told_again_as_the_same_fact),
        nodes_case(another_process_tells_the_same_fact_and_its_end),
        nodes_case(what_was_remembered_and_lasts_is_not_told_as_new),
        nodes_case(nodes_beyond_the_bound_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
