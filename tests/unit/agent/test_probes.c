/*
 * A node's pods and what is told of them: local HTTP servers stand in for the pods.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probes/probes.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "tests/unit/agent/fake_api.h"
#include "tests/unit/agent/pod_json.h"

enum { SERVERS = 4, EVENTS = 64, TEXT = 256, ARENA_MAX = 1 << 20 };

struct server { /* a pod, at 127.0.0.(2 + its place) */
    struct nj_httpd *httpd;
    unsigned status;
    bool hang; /* requests are not answered */
    int requests;
    struct nj_httpd_request *held[8];
    int held_count;
    char body[64];
    char host[TEXT]; /* of the last request */
};

struct told {
    enum nj_event_type type;
    char id[NJ_EVENT_ID_MAX], state[16], monitor[TEXT], target[TEXT], name[TEXT], cause[16], step[64],
        got[TEXT], body[TEXT], workload[TEXT], severity[16];
    int status, runs, failures, items;
};

struct fixture {
    struct test_loop *test;
    struct fake_api api;
    struct nj_owners *owners;
    struct nj_node_probes *probes;
    struct nj_metrics *metrics;
    struct server servers[SERVERS];
    struct told events[EVENTS];
    int events_count, rollups, interests;
    int states; /* events that are no rollups */
    char resolv_conf[128];
};

static void handle(void *data, struct nj_httpd_request *request)
{
    struct server *server = data;
    server->requests++;
    (void)snprintf(server->host, sizeof(server->host), "%s", nj_str(nj_httpd_header(request, "Host")));
    if (server->hang) {
        assert_true(server->held_count < 8);
        server->held[server->held_count++] = request;
        return;
    }
    nj_httpd_reply(request, server->status, "text/plain", NULL, server->body, strlen(server->body));
}

static void serve(struct fixture *f, int place)
{
    char listen[32];
    struct server *server = &f->servers[place];
    (void)snprintf(listen, sizeof(listen), "127.0.0.%d:0", 2 + place);
    struct nj_httpd_options options = {.listen = listen,
                                       .max_connections = 32,
                                       .max_body_bytes = 1024,
                                       .idle_timeout_s = 60,
                                       .handle = handle,
                                       .data = server};
    server->status = 200;
    (void)snprintf(server->body, sizeof(server->body), "I am %d\n", place);
    assert_int_equal(nj_httpd_start(&f->test->loop, &options, &server->httpd, NULL), 0);
}

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static void on_event(void *data, const struct nj_event *event)
{
    struct fixture *f = data;
    assert_true(f->events_count < EVENTS);
    struct told *told = &f->events[f->events_count++];
    *told = (struct told){.type = event->type};
    copy(told->id, sizeof(told->id), event->id);
    assert_string_equal(event->subject.node, "node1");
    if (event->type == NJ_EVENT_ROLLUPS) {
        f->rollups++;
        told->items = (int)event->rollups.count;
        for (size_t i = 0; i < event->rollups.count; i++) {
            told->runs += (int)event->rollups.items[i].runs;
            told->failures += (int)event->rollups.items[i].failures;
            copy(told->state, sizeof(told->state), event->rollups.items[i].state);
            copy(told->target, sizeof(told->target), event->rollups.items[i].key.target);
        }
        return;
    }
    const struct nj_check_event *check = &event->check;
    f->states++;
    copy(told->state, sizeof(told->state), check->state);
    copy(told->monitor, sizeof(told->monitor), check->key.monitor);
    copy(told->target, sizeof(told->target), check->key.target);
    copy(told->name, sizeof(told->name), check->target_name);
    copy(told->cause, sizeof(told->cause), check->cause);
    copy(told->step, sizeof(told->step), check->step);
    copy(told->got, sizeof(told->got), check->got);
    copy(told->body, sizeof(told->body), check->body);
    copy(told->severity, sizeof(told->severity), check->severity);
    (void)snprintf(told->workload, sizeof(told->workload), "%s/%s/%s", event->subject.namespace,
                   event->subject.workload_kind, event->subject.workload);
    told->status = check->status;
}

static void on_interest(void *data)
{
    ((struct fixture *)data)->interests++;
}

static void open_probes(struct fixture *f, bool builtin)
{
    struct nj_err err = {0};
    struct nj_node_probes_options options = {.loop = &f->test->loop,
                                             .client = f->api.client,
                                             .owners = f->owners,
                                             .metrics = f->metrics,
                                             .node = "node1",
                                             .max_checks = 100,
                                             .max_concurrent = 16,
                                             .max_response_bytes = 64 << 10,
                                             .max_starts_per_s = 1000,
                                             .builtin = builtin,
                                             .resolv_conf = f->resolv_conf,
                                             .on_event = on_event,
                                             .on_interest = on_interest,
                                             .data = f};
    if (nj_node_probes_new(&options, &f->probes, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    nj_log_set(NJ_LOG_ERROR, NJ_LOG_TEXT);
    fake_api_open(&f->api, f->test);
    f->metrics = nj_metrics_new();
    struct nj_owners_options owners = {
        .loop = &f->test->loop, .client = f->api.client, .metrics = f->metrics, .node = "node1"};
    f->owners = nj_owners_new(&owners);
    (void)snprintf(f->resolv_conf, sizeof(f->resolv_conf), "%s/resolv.conf", f->api.folder);
    for (int i = 0; i < SERVERS; i++)
        serve(f, i);
    open_probes(f, false);
    *state = f;
    return 0;
}

static void close_probes(struct fixture *f)
{
    bool closed = false;
    nj_node_probes_close(f->probes, test_set_flag, &closed);
    f->probes = NULL;
    test_run_until(f->test, &closed);
}

static void answer_held(struct server *server)
{
    for (int i = 0; i < server->held_count; i++)
        nj_httpd_reply(server->held[i], server->status, "text/plain", NULL, "", 0);
    server->held_count = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->probes != NULL)
        close_probes(f);
    for (int i = 0; i < SERVERS; i++) {
        bool closed = false;
        nj_httpd_close(f->servers[i].httpd, test_set_flag, &closed);
        answer_held(&f->servers[i]);
        test_run_until(f->test, &closed);
    }
    bool closed = false;
    nj_owners_close(f->owners, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    fake_api_close(&f->api);
    nj_metrics_free(f->metrics);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static void on_time(uv_timer_t *timer)
{
    test_set_flag(timer->data);
}

/* To see that something does not happen. */
static void run_for(struct fixture *f, int ms)
{
    bool over = false;
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(&f->test->loop.uv, &timer), 0);
    timer.data = &over;
    assert_int_equal(uv_timer_start(&timer, on_time, (uint64_t)ms, 0), 0);
    test_run_until(f->test, &over);
    uv_close((uv_handle_t *)&timer, NULL);
    test_run_some(f->test);
}

/* --- pods and plans --- */

#define QUICK "\"interval\":\"1s\",\"timeout\":\"10s\",\"retries\":{\"count\":0}"
#define PAGE "{" QUICK ",\"steps\":[{\"name\":\"page\",\"http\":{\"path\":\"/\"}}]}"
#define OTHER_PAGE "{" QUICK ",\"steps\":[{\"name\":\"other\",\"http\":{\"path\":\"/other\"}}]}"
/* As PAGE, but for its interval. */
#define HOURLY_PAGE                                                                                          \
    "{\"interval\":\"1h\",\"timeout\":\"900ms\",\"steps\":[{\"name\":\"page\",\"http\":{\"path\":\"/\"}}]}"
#define READY "{'type':'Ready','status':'True'}"

/* Pod `place` of app; `more` goes into metadata, `conditions` into its status. */
static void put_pod(struct fixture *f, enum nj_watch_event_type type, int place, const char *app,
                    const char *more, const char *conditions)
{
    struct nj_arena arena;
    nj_arena_init(&arena, ARENA_MAX);
    struct nj_kube_object pod = test_pod(
        &arena,
        "{'metadata':{'name':'%s-%d','namespace':'shop','uid':'uid%d','labels':{'app':'%s'}%s},"
        "'spec':{'nodeName':'node1','containers':[{'name':'c','ports':[{'name':'http','containerPort':%d}]}]}"
        ","
        "'status':{'phase':'Running','podIPs':[{'ip':'127.0.0.%d'}],'conditions':[%s],"
        "'containerStatuses':[{'name':'c','state':{'running':{'startedAt':'2099-01-01T00:00:00Z'}}}]}}",
        app, place, place, app, more, nj_httpd_port(f->servers[place].httpd), 2 + place, conditions);
    nj_node_probes_pod(f->probes, type, &pod);
    nj_arena_done(&arena);
}

static void add_ready(struct fixture *f, int place, const char *app)
{
    put_pod(f, NJ_WATCH_ADDED, place, app, "", READY);
}

static void delete_pod(struct fixture *f, int place)
{
    char uid[16];
    (void)snprintf(uid, sizeof(uid), "uid%d", place);
    struct nj_kube_object gone = {.kind = NJ_KUBE_POD, .meta = {.uid = uid}};
    nj_node_probes_pod(f->probes, NJ_WATCH_DELETED, &gone);
}

/* Services "web" and "api" of namespace shop, each with a monitor. */
static void set_plan(struct fixture *f, const char *version, const char *web_spec, const char *api_spec)
{
    static const struct nj_plan_pair web[] = {{"app", "web"}};
    static const struct nj_plan_pair api[] = {{"app", "api"}};
    static const struct nj_plan_port port = {
        .name = "http", .number = 80, .target_name = "http", .app_protocol = ""};
    struct nj_plan_check checks[] = {{.monitor = "apimonitor.shop.web",
                                      .source = NJ_SOURCE_MONITOR,
                                      .service = "web",
                                      .selector = web,
                                      .selector_count = 1,
                                      .ports = &port,
                                      .ports_count = 1,
                                      .spec = web_spec,
                                      .ca_pem = "",
                                      .trouble = ""},
                                     {.monitor = "apimonitor.shop.api",
                                      .source = NJ_SOURCE_MONITOR,
                                      .service = "api",
                                      .selector = api,
                                      .selector_count = 1,
                                      .ports = &port,
                                      .ports_count = 1,
                                      .spec = nj_str(api_spec),
                                      .ca_pem = "",
                                      .trouble = ""}};
    struct nj_plan_namespace shop = {
        .name = "shop", .derive = true, .checks = checks, .checks_count = api_spec == NULL ? 1 : 2};
    struct nj_plan plan = {.version = version, .namespaces = &shop, .namespaces_count = 1};
    nj_node_probes_set_plan(f->probes, &plan);
}

static const struct told *last_state(const struct fixture *f)
{
    const struct told *last = NULL;
    for (int i = 0; i < f->events_count; i++)
        last = f->events[i].type == NJ_EVENT_CHECK ? &f->events[i] : last;
    assert_non_null(last);
    return last;
}

static int count_states(const struct fixture *f, const char *state)
{
    int count = 0;
    for (int i = 0; i < f->events_count; i++)
        count += f->events[i].type == NJ_EVENT_CHECK && nj_streq(f->events[i].state, state);
    return count;
}

static char *target_id(const struct fixture *f, int place, char text[TEXT])
{
    (void)snprintf(text, TEXT, "pod/uid%d/%d/IPv4", place, nj_httpd_port(f->servers[place].httpd));
    return text;
}

/* --- tests --- */

static void test_a_pod_is_probed_and_told_once(void **state)
{
    struct fixture *f = *state;
    char id[TEXT];
    set_plan(f, "v1", PAGE, NULL);
    assert_string_equal(nj_node_probes_plan_version(f->probes), "v1");
    add_ready(f, 0, "web");
    add_ready(f, 1, "other"); /* of no Service */
    test_run_until_count(f->test, &f->servers[0].requests, 3);
    assert_int_equal(f->states, 1);
    assert_string_equal(last_state(f)->state, "passing");
    assert_string_equal(last_state(f)->monitor, "apimonitor.shop.web");
    assert_string_equal(last_state(f)->target, target_id(f, 0, id));
    assert_string_equal(last_state(f)->name, "web-0");
    assert_string_equal(last_state(f)->workload, "shop/Service/web");
    assert_string_equal(last_state(f)->cause, "");
    assert_int_equal(f->servers[1].requests, 0);
    assert_string_equal(f->servers[0].host, "web.shop.svc.cluster.local"); /* as its clients ask */
    struct nj_buf text = {0};
    assert_int_equal(nj_node_probes_expose(f->probes, &text), 0);
    assert_non_null(strstr(nj_buf_str(&text), "probe_success{"));
    assert_non_null(strstr(nj_buf_str(&text), "pod=\"web-0\""));
    nj_buf_done(&text);
}

static void test_a_broken_page_is_told_once_and_its_repair_once(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, NULL);
    add_ready(f, 0, "web");
    add_ready(f, 1, "web");
    test_run_until_count(f->test, &f->states, 2);
    f->servers[1].status = 500;
    test_run_until_count(f->test, &f->states, 3);
    assert_string_equal(last_state(f)->state, "failing");
    assert_string_equal(last_state(f)->name, "web-1");
    assert_string_equal(last_state(f)->cause, "status");
    assert_string_equal(last_state(f)->step, "page");
    assert_string_equal(last_state(f)->got, "500");
    assert_string_equal(last_state(f)->body, "I am 1\n");
    assert_string_equal(last_state(f)->severity, "warning");
    assert_int_equal(last_state(f)->status, 500);
    int requests = f->servers[1].requests;
    test_run_until_count(f->test, &f->servers[1].requests, requests + 2);
    assert_int_equal(f->states, 3);
    f->servers[1].status = 200;
    test_run_until_count(f->test, &f->states, 4);
    assert_string_equal(last_state(f)->state, "passing");
    assert_string_equal(last_state(f)->name, "web-1");
}

/* Nothing is sent after its deletion was seen, what was under way is broken off, and its end is told. */
static void test_a_deleted_pod_is_not_probed(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, NULL);
    add_ready(f, 0, "web");
    add_ready(f, 1, "web");
    test_run_until_count(f->test, &f->states, 2);
    f->servers[0].hang = true;
    test_run_until_count(f->test, &f->servers[0].held_count, 1);
    put_pod(f, NJ_WATCH_MODIFIED, 0, "web", ",'deletionTimestamp':'2099-01-01T00:00:00Z'", READY);
    assert_int_equal(f->states, 3);
    assert_string_equal(last_state(f)->state, "gone");
    assert_string_equal(last_state(f)->name, "web-0");
    int requests = f->servers[0].requests;
    uint64_t connections = nj_httpd_counts(f->servers[0].httpd).connections;
    delete_pod(f, 1);
    assert_int_equal(f->states, 4);
    int others = f->servers[1].requests;
    answer_held(&f->servers[0]);
    run_for(f, 2500);
    assert_int_equal(f->servers[0].requests, requests);
    assert_int_equal(f->servers[1].requests, others);
    assert_true(nj_httpd_counts(f->servers[0].httpd).connections == connections);
    assert_true(nj_httpd_counts(f->servers[0].httpd).connections_open == 0);
    delete_pod(f, 0);
    assert_int_equal(f->states, 4);
    struct nj_buf text = {0};
    assert_int_equal(nj_node_probes_expose(f->probes, &text), 0);
    assert_null(strstr(nj_buf_str(&text), "pod=\"web-0\""));
    nj_buf_done(&text);
}

/* The minute of a target that goes comes before its end. */
static void test_the_minute_comes_before_the_end(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, NULL);
    add_ready(f, 0, "web");
    test_run_until_count(f->test, &f->states, 1);
    int before = f->events_count;
    delete_pod(f, 0);
    assert_int_equal(f->events_count, before + 2);
    assert_int_equal(f->events[before].type, NJ_EVENT_ROLLUPS);
    assert_true(f->events[before].runs >= 1);
    assert_int_equal(f->events[before].failures, 0);
    assert_string_equal(f->events[before].state, "passing");
    assert_string_equal(f->events[before + 1].state, "gone");
}

/* Through a rollout nothing is told: new pods fail while they start, old ones go. */
static void test_a_rollout_is_silent(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, NULL);
    f->servers[2].status = f->servers[3].status = 503;
    add_ready(f, 0, "web");
    add_ready(f, 1, "web");
    put_pod(f, NJ_WATCH_ADDED, 2, "web", "", "");
    put_pod(f, NJ_WATCH_ADDED, 3, "web", "", "{'type':'Ready','status':'False'}");
    test_run_until_count(f->test, &f->servers[2].requests, 3);
    test_run_until_count(f->test, &f->servers[3].requests, 3);
    f->servers[0].status = 500; /* it ends before it is asked again */
    put_pod(f, NJ_WATCH_MODIFIED, 0, "web", ",'deletionTimestamp':'2099-01-01T00:00:00Z'", READY);
    f->servers[2].status = 200;
    put_pod(f, NJ_WATCH_MODIFIED, 2, "web", "", READY);
    run_for(f, 1500);
    assert_int_equal(count_states(f, "failing"), 0);
    assert_int_equal(count_states(f, "passing"), 3);
    assert_int_equal(count_states(f, "gone"), 1);
    /* One that was Ready and answers badly is told, also when it is not Ready any more. */
    put_pod(f, NJ_WATCH_MODIFIED, 3, "web", "", READY);
    put_pod(f, NJ_WATCH_MODIFIED, 3, "web", "", "{'type':'Ready','status':'False'}");
    int states = f->states;
    test_run_until_count(f->test, &f->states, states + 1);
    assert_string_equal(last_state(f)->state, "failing");
    assert_string_equal(last_state(f)->name, "web-3");
    assert_int_equal(last_state(f)->status, 503);
}

/* When every check fails it is the node's failure, told once; afterwards those that still fail are told. */
static void test_the_nodes_failure_is_one(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, PAGE);
    for (int i = 0; i < 3; i++)
        add_ready(f, i, i == 0 ? "api" : "web");
    test_run_until_count(f->test, &f->states, 3);
    for (int i = 0; i < 3; i++)
        f->servers[i].status = 500;
    test_run_until_count(f->test, &f->states, 4);
    assert_string_equal(last_state(f)->state, "failing");
    assert_string_equal(last_state(f)->monitor, "builtin.node");
    assert_string_equal(last_state(f)->target, "node/node1");
    assert_string_equal(last_state(f)->workload, "/Node/node1");
    assert_string_equal(last_state(f)->got, "all 3 checks on this node fail");
    int requests = f->servers[0].requests;
    test_run_until_count(f->test, &f->servers[0].requests, requests + 2);
    assert_int_equal(f->states, 4);
    f->servers[0].status = f->servers[1].status = 200;
    test_run_until_count(f->test, &f->states, 6);
    assert_int_equal(count_states(f, "failing"), 2);
    assert_string_equal(last_state(f)->state, "failing");
    assert_string_equal(last_state(f)->name, "web-2");
    run_for(f, 1500);
    assert_int_equal(f->states, 6);
    assert_int_equal(count_states(f, "passing"), 4);
}

/* Some fail, others pass: each is its own, without waiting for anything but a pass. */
static void test_not_all_is_not_the_node(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, PAGE);
    for (int i = 0; i < 3; i++)
        add_ready(f, i, i == 0 ? "api" : "web");
    test_run_until_count(f->test, &f->states, 3);
    f->servers[1].status = f->servers[2].status = 500;
    test_run_until_count(f->test, &f->states, 5);
    assert_int_equal(count_states(f, "failing"), 2);
    assert_string_equal(last_state(f)->workload, "shop/Service/web");
}

/* Whether another passes is asked at once, and not when its turn comes in an hour. */
static void test_another_is_asked_out_of_turn(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, HOURLY_PAGE);
    for (int i = 0; i < 3; i++)
        add_ready(f, i, i == 0 ? "api" : "web");
    test_run_until_count(f->test, &f->states, 3);
    f->servers[1].status = f->servers[2].status = 500;
    test_run_until_count(f->test, &f->servers[0].requests, 2);
    test_run_until_count(f->test, &f->states, 5);
    assert_int_equal(count_states(f, "failing"), 2);
}

/* A changed monitor is another check with the same state; one that is taken away is gone. */
static void test_a_plan_changes(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, PAGE);
    add_ready(f, 0, "web");
    add_ready(f, 1, "api");
    test_run_until_count(f->test, &f->states, 2);
    int requests = f->servers[1].requests;
    set_plan(f, "v2", OTHER_PAGE, PAGE);
    test_run_until_count(f->test, &f->servers[1].requests, requests + 2);
    assert_int_equal(f->states, 2); /* it passes as before */
    f->servers[0].status = 404;
    test_run_until_count(f->test, &f->states, 3);
    assert_string_equal(last_state(f)->step, "other");
    set_plan(f, "v3", "{\"interval\":\"1s\",\"timeout\":\"1s\",\"steps\":[{\"http\":{\"path\":\"/third\"}}]}",
             PAGE);
    run_for(f, 1500);
    assert_int_equal(f->states, 3); /* it fails as before */
    set_plan(f, "v4", PAGE, NULL);
    assert_int_equal(f->states, 4);
    assert_string_equal(last_state(f)->state, "gone");
    assert_string_equal(last_state(f)->name, "api-1");
    set_plan(f, "v5", "{\"nonsense\":1}", NULL);
    assert_int_equal(count_states(f, "gone"), 2);
}

/* What the plan is wanted for, and when it is asked for at once. */
static void test_interest(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    add_ready(f, 0, "web");
    assert_int_equal(f->interests, 0); /* the list is not whole yet */
    nj_node_probes_synced(f->probes);
    assert_int_equal(f->interests, 1);
    const char *const *namespaces = nj_node_probes_namespaces(f->probes, &count);
    assert_int_equal(count, 1);
    assert_string_equal(namespaces[0], "shop");
    set_plan(f, "v1", PAGE, NULL);
    assert_int_equal(f->interests, 1);
    add_ready(f, 1, "web");
    assert_int_equal(f->interests, 1); /* the plan knows its Service */
    add_ready(f, 2, "new");
    assert_int_equal(f->interests, 2);
    put_pod(f, NJ_WATCH_MODIFIED, 2, "new", "", "");
    assert_int_equal(f->interests, 2); /* once */
    for (int i = 0; i < 3; i++)
        delete_pod(f, i);
    (void)nj_node_probes_namespaces(f->probes, &count);
    assert_int_equal(count, 0);
}

/* A metrics page is its workload's. */
static void test_metrics_page(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, NULL);
    put_pod(
        f, NJ_WATCH_ADDED, 0, "db",
        ",'annotations':{'prometheus.io/scrape':'true'},'ownerReferences':[{'apiVersion':'apps/v1','kind':"
        "'StatefulSet','name':'db','uid':'o','controller':true}]",
        READY);
    test_run_until_count(f->test, &f->states, 1);
    assert_string_equal(last_state(f)->monitor, "metrics.shop.db");
    assert_string_equal(last_state(f)->workload, "shop/StatefulSet/db");
}

/* The Deployment's deadline is asked for, and ends the start. */
static void test_a_deployments_deadline(void **state)
{
    struct fixture *f = *state;
    static const char set[] = "{\"kind\":\"ReplicaSet\",\"apiVersion\":\"apps/"
                              "v1\",\"metadata\":{\"name\":\"web-5d\",\"uid\":\"rs\","
                              "\"ownerReferences\":[{\"apiVersion\":\"apps/"
                              "v1\",\"kind\":\"Deployment\",\"name\":\"web\",\"uid\":\"d\","
                              "\"controller\":true}]}}";
    static const char deployment[] =
        "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":"
        "\"web\"},\"spec\":{\"progressDeadlineSeconds\":1}}";
    (void)fake_on(&f->api, "/apis/apps/v1/namespaces/shop/replicasets/web-5d", 200, "application/json", set);
    struct fake_answer *asked = fake_on(&f->api, "/apis/apps/v1/namespaces/shop/deployments/web", 200,
                                        "application/json", deployment);
    char started[NJ_TIME_TEXT_MAX];
    struct nj_arena arena;
    nj_arena_init(&arena, ARENA_MAX);
    set_plan(f, "v1", PAGE, NULL);
    f->servers[0].status = 500;
    struct nj_kube_object pod = test_pod(
        &arena,
        "{'metadata':{'name':'web-5d-x','namespace':'shop','uid':'uid0','labels':{'app':'web','pod-template-"
        "hash':"
        "'5d'},'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'web-5d','uid':'rs',"
        "'controller':true}]},"
        "'spec':{'nodeName':'node1','containers':[{'name':'c','ports':[{'name':'http','containerPort':%d}]}]}"
        ","
        "'status':{'phase':'Running','podIPs':[{'ip':'127.0.0.2'}],"
        "'containerStatuses':[{'name':'c','state':{'running':{'startedAt':'%s'}}}]}}",
        nj_httpd_port(f->servers[0].httpd), nj_time_format(nj_loop_wall_ns(&f->test->loop), started));
    nj_node_probes_pod(f->probes, NJ_WATCH_ADDED, &pod);
    nj_arena_done(&arena);
    test_run_until_count(f->test, &f->states, 1);
    assert_int_equal(asked->asked, 1);
    assert_string_equal(last_state(f)->state, "failing");
    assert_true(f->servers[0].requests > 1);
}

/* The node's own checks: the kubelet's port is not open here, which is not told, for it never was. */
static void test_builtin(void **state)
{
    struct fixture *f = *state;
    close_probes(f);
    open_probes(f, true);
    struct nj_arena arena;
    nj_arena_init(&arena, ARENA_MAX);
    struct nj_kube_object pod = test_pod(
        &arena,
        "{'metadata':{'name':'kube-scheduler-node1','namespace':'kube-system','uid':'s','labels':{'tier':"
        "'control-plane','component':'kube-scheduler'}},'spec':{'nodeName':'node1','containers':[{'name':'c',"
        "'livenessProbe':{'httpGet':{'host':'127.0.0.2','port':%d,'path':'/livez'},'periodSeconds':10}}]},"
        "'status':{'phase':'Running','hostIP':'127.0.0.1','podIPs':[{'ip':'127.0.0.1'}]}}",
        nj_httpd_port(f->servers[0].httpd));
    nj_node_probes_pod(f->probes, NJ_WATCH_ADDED, &pod);
    test_run_until_count(f->test, &f->states, 1);
    assert_string_equal(last_state(f)->monitor, "builtin.scheduler");
    assert_string_equal(last_state(f)->target, "node/node1");
    assert_string_equal(last_state(f)->workload, "/Component/scheduler");
    nj_node_probes_pod(f->probes, NJ_WATCH_DELETED, &pod);
    nj_arena_done(&arena);
    assert_string_equal(last_state(f)->state, "gone");
    assert_int_equal(f->states, 2);
}

/* A process that ends tells its minutes, and nobody as gone. */
static void test_an_end_is_silent(void **state)
{
    struct fixture *f = *state;
    set_plan(f, "v1", PAGE, PAGE);
    add_ready(f, 0, "web");
    add_ready(f, 1, "api");
    f->servers[1].hang = true;
    test_run_until_count(f->test, &f->states, 1);
    test_run_until_count(f->test, &f->servers[1].held_count, 1);
    close_probes(f);
    assert_int_equal(f->rollups, 1);
    assert_int_equal(f->states, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_pod_is_probed_and_told_once),
        T(test_a_broken_page_is_told_once_and_its_repair_once),
        T(test_a_deleted_pod_is_not_probed),
        T(test_the_minute_comes_before_the_end),
        T(test_a_rollout_is_silent),
        T(test_the_nodes_failure_is_one),
        T(test_not_all_is_not_the_node),
        T(test_another_is_asked_out_of_turn),
        T(test_a_plan_changes),
        T(test_interest),
        T(test_metrics_page),
        T(test_a_deployments_deadline),
        T(test_builtin),
        T(test_an_end_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
