/*
 * The node's pods, from an API server to the crash detector and its timer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pods/pods.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "tests/unit/agent/fake_api.h"

static const char protobuf[] = "application/vnd.kubernetes.protobuf";

struct fixture {
    struct test_loop *test;
    struct fake_api api;
    struct nj_buf list;
    struct nj_detector *detector;
    struct nj_pods *pods;
    int crashes, cleared;
    bool crashed, is_cleared;
};

static void on_finding(void *data, const struct nj_finding *finding)
{
    struct fixture *f = data;
    if (finding->event == NULL)
        return;
    f->crashes += finding->event->type == NJ_EVENT_CRASH;
    f->cleared += finding->event->type == NJ_EVENT_CLEARED;
    f->crashed = f->crashes > 0;
    f->is_cleared = f->cleared > 0;
}

static void read_list(struct fixture *f)
{
    FILE *file = fopen(NJ_RECORDINGS "/pods/list.pb", "rb");
    assert_non_null(file);
    char piece[4096];
    size_t got = 0;
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        assert_int_equal(nj_buf_append(&f->list, piece, got), 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    fake_api_open(&f->api, f->test);
    read_list(f);
    *state = f;
    return 0;
}

/* crasher has run since 09:13:26Z: how long is stable, so that it is from `in_ns` from now on. */
static int64_t stable_in(const struct fixture *f, int64_t in_ns)
{
    int64_t running_ns = 0;
    assert_int_equal(nj_time_parse("2026-11-21T09:13:26Z", (size_t)-1, &running_ns), 0);
    return nj_loop_wall_ns(&f->test->loop) - running_ns + in_ns;
}

static void start(struct fixture *f, int64_t stable_in_ns)
{
    struct nj_detector_options detector = {.node = "node1",
                                           .times = {.stable_after_ns = stable_in(f, stable_in_ns)},
                                           .on_finding = on_finding,
                                           .data = f};
    f->detector = nj_detector_new(&detector);
    struct nj_pods_options pods = {
        .loop = &f->test->loop, .client = f->api.client, .detector = f->detector, .node = "node1"};
    struct nj_err err = {0};
    if (nj_pods_start(&pods, &f->pods, &err) < 0)
        fail_msg("%s", err.text);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    nj_pods_close(f->pods, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    nj_detector_free(f->detector);
    fake_api_close(&f->api);
    nj_buf_done(&f->list);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static struct fake_answer *serve_list(struct fixture *f)
{
    struct fake_answer *answer = fake_on(&f->api, "/api/v1/pods", 200, protobuf, f->list.data);
    answer->len = f->list.len;
    struct fake_answer *watch = fake_on(&f->api, "/api/v1/pods", 200, protobuf, "");
    watch->watch = true;
    watch->hold = true;
    return answer;
}

static void run_until_synced(struct fixture *f)
{
    while (!nj_pods_synced(f->pods))
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
}

static void test_only_this_nodes_pods(void **state)
{
    struct fixture *f = *state;
    struct fake_answer *list = serve_list(f);
    start(f, NJ_HOUR);
    assert_false(nj_pods_synced(f->pods));
    while (list->asked == 0)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    assert_non_null(strstr(f->api.query, "fieldSelector=spec.nodeName=node1&"));
    run_until_synced(f);
    assert_int_equal(nj_pods_count(f->pods), 3);
    assert_null(nj_pods_trouble(f->pods));
    assert_int_equal(f->crashes, 1); /* crasher's, in its lastState */
}

/* An API server that is not well is told of, and tried again. */
static void test_trouble(void **state)
{
    struct fixture *f = *state;
    nj_log_set(NJ_LOG_ERROR, NJ_LOG_TEXT);
    struct fake_answer *broken = fake_on(&f->api, "/api/v1/pods", 500, "application/json", "{}");
    start(f, NJ_HOUR);
    while (nj_pods_trouble(f->pods) == NULL)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    assert_non_null(strstr(nj_pods_trouble(f->pods), "500"));
    assert_false(nj_pods_synced(f->pods));
    broken->path = "/nowhere";
    serve_list(f);
    run_until_synced(f);
    test_run_some(f->test);
    assert_null(nj_pods_trouble(f->pods));
    assert_int_equal(f->crashes, 1);
}

/* What only time brings about comes from the timer. */
static void test_timer(void **state)
{
    struct fixture *f = *state;
    serve_list(f);
    start(f, 300 * NJ_MS);
    test_run_until(f->test, &f->is_cleared);
    assert_int_equal(f->crashes, 1);
    assert_int_equal(f->cleared, 1);
}

/* New times are looked at when the pods are woken. */
static void test_new_times(void **state)
{
    struct fixture *f = *state;
    serve_list(f);
    start(f, NJ_HOUR);
    run_until_synced(f);
    assert_int_equal(f->cleared, 0);
    nj_detector_set_times(f->detector, &(struct nj_detector_times){.stable_after_ns = stable_in(f, 0)});
    nj_pods_wake(f->pods);
    test_run_until(f->test, &f->is_cleared);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_only_this_nodes_pods),
        T(test_trouble),
        T(test_timer),
        T(test_new_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
