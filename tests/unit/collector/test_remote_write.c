/*
 * Remote write against a server whose every answer the test decides, with the product's clock in the test's
 * hands: what is sent, read as a receiver reads it, and what becomes of it when the receiver is away.
 */
#include <errno.h>
#include <prometheus.pb-c.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/remote/remote_write.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/server.h"

enum { ANSWERS_MAX = 16, PATH_MAX_BYTES = 320, HANG = -1 };

struct fixture {
    struct test_loop *test;
    struct folder folder;
    volatile int64_t now_ns;
    struct test_server server;
    struct nj_http *http;
    struct nj_metrics *metrics;
    struct nj_remote_write *remote;
    char url[128], secret[PATH_MAX_BYTES];
    struct nj_remote_write_options options;
    int answers[ANSWERS_MAX]; /* statuses, the first is used once; without any: 204 */
    int answers_count;
    const char *retry_after;
    struct nj_buf seen; /* of each request its samples, a line each, then "--" */
    struct nj_buf authorizations;
    bool http_closed, remote_closed;
};

/* The server. */

static void list_series(const Prometheus__TimeSeries *series, struct nj_buf *out)
{
    assert_int_equal(1, series->n_samples);
    assert_string_equal("__name__", series->labels[0]->name);
    (void)nj_buf_append_str(out, series->labels[0]->value);
    for (size_t i = 1; i < series->n_labels; i++) {
        assert_true(strcmp(series->labels[i - 1]->name, series->labels[i]->name) < 0);
        assert_true(series->labels[i]->value[0] != '\0');
        (void)nj_buf_printf(out, "%s%s=%s", i == 1 ? "{" : ",", series->labels[i]->name,
                            series->labels[i]->value);
    }
    (void)nj_buf_printf(out, "} %.4g @%lld\n", series->samples[0]->value,
                        (long long)(series->samples[0]->timestamp - noon_ns / NJ_MS));
}

static void list_request(const struct test_peer *peer, struct nj_buf *out)
{
    const char *body = strstr(peer->request, "\r\n\r\n") + 4;
    size_t len = strtoul(strstr(peer->request, "Content-Length: ") + strlen("Content-Length: "), NULL, 10);
    size_t plain_len = 0;
    assert_int_equal(SNAPPY_OK, snappy_uncompressed_length(body, len, &plain_len));
    char *plain = nj_calloc(1, plain_len + 1);
    assert_int_equal(SNAPPY_OK, snappy_uncompress(body, len, plain, &plain_len));
    Prometheus__WriteRequest *request =
        prometheus__write_request__unpack(NULL, plain_len, (const uint8_t *)plain);
    assert_non_null(request);
    for (size_t i = 0; i < request->n_timeseries; i++)
        list_series(request->timeseries[i], out);
    (void)nj_buf_append_str(out, "--\n");
    prometheus__write_request__free_unpacked(request, NULL);
    free(plain);
}

static void on_request(struct test_peer *peer)
{
    struct fixture *fixture = peer->server->data;
    assert_non_null(strstr(peer->request, "POST /api/v1/write HTTP/1.1\r\n"));
    assert_non_null(strstr(peer->request, "\r\nContent-Encoding: snappy\r\n"));
    assert_non_null(strstr(peer->request, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_non_null(strstr(peer->request, "\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"));
    assert_non_null(strstr(peer->request, "\r\nUser-Agent: nightjar/"));
    const char *authorization = strstr(peer->request, "\r\nAuthorization: ");
    if (authorization != NULL) {
        authorization += strlen("\r\nAuthorization: ");
        (void)nj_buf_printf(&fixture->authorizations, "%.*s;", (int)strcspn(authorization, "\r"),
                            authorization);
    }
    list_request(peer, &fixture->seen);
    int status = fixture->answers_count == 0 ? 204 : fixture->answers[0];
    if (fixture->answers_count > 0)
        memmove(fixture->answers, fixture->answers + 1,
                (size_t)--fixture->answers_count * sizeof(fixture->answers[0]));
    if (status == HANG)
        return;
    char head[256];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s", status,
                   status == 400 ? 13 : 0, fixture->retry_after == NULL ? "" : fixture->retry_after,
                   status == 400 ? "out of order\n" : "");
    test_peer_send(peer, head);
}

static void answer(struct fixture *fixture, int status)
{
    assert_in_range(fixture->answers_count, 0, ANSWERS_MAX - 1);
    fixture->answers[fixture->answers_count++] = status;
}

static void start(struct fixture *fixture)
{
    struct nj_err err = {0};
    assert_int_equal(0, nj_remote_write_new(&fixture->options, &fixture->remote, &err));
}

static int set_up(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    void *test = NULL;
    (void)test_loop_setup(&test);
    fixture->test = test;
    fixture->now_ns = noon_ns;
    fixture->test->clock.replay = &fixture->now_ns;
    begin_folder(&fixture->folder);
    test_server_start(&fixture->server, fixture->test, on_request, fixture);
    fixture->http = nj_http_new(&fixture->test->loop, 4);
    fixture->metrics = nj_metrics_new();
    (void)snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%d/api/v1/write",
                   fixture->server.port);
    (void)snprintf(fixture->secret, sizeof(fixture->secret), "%s/secret", fixture->folder.path);
    fixture->options = (struct nj_remote_write_options){.loop = &fixture->test->loop,
                                                        .http = fixture->http,
                                                        .metrics = fixture->metrics,
                                                        .url = fixture->url,
                                                        .cluster = "prod",
                                                        .user = "",
                                                        .secret_file = "",
                                                        .ca_file = "",
                                                        .max_pending = 100,
                                                        .batch_samples = 50,
                                                        .timeout_ns = 60 * NJ_SEC};
    *state = fixture;
    return 0;
}

static void stop(struct fixture *fixture)
{
    nj_remote_write_close(fixture->remote, test_set_flag, &fixture->remote_closed);
    test_run_until(fixture->test, &fixture->remote_closed);
    fixture->remote = NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture->remote_closed)
        stop(fixture);
    nj_http_close(fixture->http, test_set_flag, &fixture->http_closed);
    test_run_until(fixture->test, &fixture->http_closed);
    test_server_close(&fixture->server);
    nj_metrics_free(fixture->metrics);
    nj_buf_done(&fixture->seen);
    nj_buf_done(&fixture->authorizations);
    end_folder(&fixture->folder);
    void *test = fixture->test;
    fixture->test->clock.replay = NULL;
    free(fixture);
    return test_loop_teardown(&test);
}

static void set_ticked(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
    uv_stop(timer->loop);
}

/* The loop looks at a replay's clock once a millisecond. */
static void let_the_clock_be_seen(struct fixture *fixture)
{
    enum { LOOKS_MS = 3 };
    bool ticked = false;
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(&fixture->test->loop.uv, &timer), 0);
    timer.data = &ticked;
    assert_int_equal(uv_timer_start(&timer, set_ticked, LOOKS_MS, 0), 0);
    test_run_until(fixture->test, &ticked);
    uv_close((uv_handle_t *)&timer, NULL);
    test_run_some(fixture->test);
}

/* A metric's value; 0 when there is none. */
static long metric(struct fixture *fixture, const char *name)
{
    struct nj_buf text = {0};
    assert_int_equal(0, nj_metrics_render(fixture->metrics, &text));
    char wanted[128];
    (void)snprintf(wanted, sizeof(wanted), "\nnightjar_remote_write_%s ", name);
    const char *at = strstr(nj_buf_str(&text), wanted);
    long value = at == NULL ? 0 : strtol(at + strlen(wanted), NULL, 10);
    nj_buf_done(&text);
    return value;
}

/* Time goes on, and what it brings about happens: until so many requests have come altogether, ... */
static void pass_until(struct fixture *fixture, int64_t ns, int requests)
{
    fixture->now_ns += ns;
    test_run_until_count(fixture->test, &fixture->server.requests, requests);
}

/* ... and this is said of it. */
static void wait_for(struct fixture *fixture, const char *name, long value)
{
    for (int tries = 0; metric(fixture, name) != value; tries++) {
        if (tries == 5000)
            fail_msg("%s is %ld instead of %ld", name, metric(fixture, name), value);
        let_the_clock_be_seen(fixture);
    }
}

static void assert_seen(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->seen));
    nj_buf_clear(&fixture->seen);
}

static void assert_no_request_within(struct fixture *fixture, int64_t ns)
{
    int requests = fixture->server.requests;
    fixture->now_ns += ns;
    for (int i = 0; i < 5; i++)
        let_the_clock_be_seen(fixture);
    assert_int_equal(requests, fixture->server.requests);
}

/* Minutes. */

static void encode(const double *values, size_t count, struct nj_buf *out)
{
    struct nj_sketch sketch = {0};
    for (size_t i = 0; i < count; i++)
        nj_sketch_add(&sketch, values[i]);
    assert_int_equal(0, nj_sketch_encode(&sketch, out));
    nj_sketch_done(&sketch);
}

/* One sample: how many OOM kills `pod` had. */
static void push_pod(struct fixture *fixture, const char *pod, int minute)
{
    const struct nj_usage_item item = {.namespace = "shop", .pod = pod, .pod_uid = "u", .container = "app"};
    const struct nj_usage usage = {
        .minute_ns = noon_ns + minute * NJ_MIN, .items = &item, .count = 1, .parts = 1};
    nj_remote_write_usage(fixture->remote, "node-7", &usage);
}

#define POD(pod, ms)                                                                                         \
    "nightjar_container_oom_kills{cluster=prod,container=app,namespace=shop,node=node-7,pod=" pod            \
    "} 0 @" #ms "\n"

static void a_minute_of_use_becomes_series(void **state)
{
    struct fixture *fixture = *state;
    static const double cores[] = {0.1, 0.9, 0.9, 0.9};
    static const double bytes[] = {1048576};
    struct nj_buf cpu = {0}, memory = {0};
    encode(cores, 4, &cpu);
    encode(bytes, 1, &memory);
    struct nj_usage_item items[2] = {{.namespace = "shop",
                                      .pod = "cart-1",
                                      .pod_uid = "u1",
                                      .container = "app",
                                      .workload_kind = "Deployment",
                                      .workload = "cart",
                                      .cpu_request_millis = 250,
                                      .memory_limit_bytes = 2 << 20,
                                      .oom_kills = 2},
                                     {.pod_uid = ""}};
    items[0].metrics[NJ_USAGE_CPU].sketch = cpu.data;
    items[0].metrics[NJ_USAGE_CPU].len = cpu.len;
    items[1].metrics[NJ_USAGE_MEMORY].sketch = memory.data;
    items[1].metrics[NJ_USAGE_MEMORY].len = memory.len;
    items[1].metrics[NJ_USAGE_CPU].sketch = "no sketch";
    items[1].metrics[NJ_USAGE_CPU].len = 9;
    const struct nj_usage usage = {.minute_ns = noon_ns, .items = items, .count = 2, .parts = 1};
    start(fixture);
    nj_remote_write_usage(fixture->remote, "node-7", &usage);
    assert_no_request_within(fixture, NJ_SEC / 2);
    pass_until(fixture, NJ_SEC, 1);
#define CART                                                                                                 \
    "cluster=prod,container=app,namespace=shop,node=node-7,pod=cart-1,workload=cart,workload_kind="          \
    "Deployment"
    assert_seen(fixture,
                "nightjar_container_cpu_cores_avg{" CART "} 0.7 @60000\n"
                "nightjar_container_cpu_cores_max{" CART "} 0.9 @60000\n"
                "nightjar_container_cpu_cores_p95{" CART "} 0.9 @60000\n"
                "nightjar_container_cpu_request_cores{" CART "} 0.25 @60000\n"
                "nightjar_container_memory_limit_bytes{" CART "} 2.097e+06 @60000\n"
                "nightjar_container_oom_kills{" CART "} 2 @60000\n"
                "nightjar_node_memory_working_set_bytes_avg{cluster=prod,node=node-7} 1.049e+06 @60000\n"
                "nightjar_node_memory_working_set_bytes_max{cluster=prod,node=node-7} 1.049e+06 @60000\n"
                "nightjar_node_memory_working_set_bytes_p95{cluster=prod,node=node-7} 1.049e+06 @60000\n"
                "--\n");
    wait_for(fixture, "samples_total", 9);
    assert_int_equal(0, metric(fixture, "pending_samples"));
    nj_buf_done(&cpu);
    nj_buf_done(&memory);
}

static void a_minute_of_checks_becomes_series(void **state)
{
    struct fixture *fixture = *state;
    static const double seconds[] = {0.5};
    struct nj_buf latency = {0};
    encode(seconds, 1, &latency);
    const struct nj_check_rollup items[] = {{.key = {"service.shop.web", "pod/u1/80/IPv4"},
                                             .namespace = "shop",
                                             .service = "web",
                                             .target_name = "web-1",
                                             .runs = 6,
                                             .failures = 1,
                                             .latency = latency.data,
                                             .latency_len = latency.len},
                                            {.key = {"builtin.node", "node/n"},
                                             .namespace = "",
                                             .service = "",
                                             .target_name = "n",
                                             .runs = 2,
                                             .failures = 2},
                                            {.key = {"service.shop.web", "pod/u2/80/IPv4"}, .runs = 0}};
    const struct nj_rollups rollups = {.minute_ns = noon_ns, .items = items, .count = 3};
    start(fixture);
    nj_remote_write_rollups(fixture->remote, &rollups);
    pass_until(fixture, NJ_SEC, 1);
#define WEB "cluster=prod,monitor=service.shop.web,namespace=shop,"
#define TARGET "service=web,target=pod/u1/80/IPv4,target_name=web-1"
    assert_seen(
        fixture,
        "nightjar_probe_runs{" WEB TARGET "} 6 @60000\n"
        "nightjar_probe_failures{" WEB TARGET "} 1 @60000\n"
        "nightjar_probe_latency_seconds{" WEB "quantile=0.5," TARGET "} 0.5 @60000\n"
        "nightjar_probe_latency_seconds{" WEB "quantile=0.95," TARGET "} 0.5 @60000\n"
        "nightjar_probe_latency_seconds{" WEB "quantile=0.99," TARGET "} 0.5 @60000\n"
        "nightjar_probe_latency_seconds_avg{" WEB TARGET "} 0.5 @60000\n"
        "nightjar_probe_latency_seconds_max{" WEB TARGET "} 0.5 @60000\n"
        "nightjar_probe_runs{cluster=prod,monitor=builtin.node,target=node/n,target_name=n} 2 @60000\n"
        "nightjar_probe_failures{cluster=prod,monitor=builtin.node,target=node/n,target_name=n} 2 @60000\n"
        "--\n");
    nj_buf_done(&latency);
}

static void what_waits_goes_in_batches_one_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.batch_samples = 2;
    start(fixture);
    push_pod(fixture, "a", 0);
    push_pod(fixture, "b", 0); /* a batch is full: at once */
    push_pod(fixture, "c", 0);
    push_pod(fixture, "a", 1);
    push_pod(fixture, "b", 1);
    pass_until(fixture, 0, 3);
    assert_seen(fixture, POD("a", 60000) POD("b", 60000) "--\n" POD("c", 60000)
                             POD("a", 120000) "--\n" POD("b", 120000) "--\n");
    assert_int_equal(1, fixture->server.connections_open_max);
    wait_for(fixture, "samples_total", 5);
}

static void a_receiver_that_is_busy_gets_the_batch_again_after_pauses_that_grow(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    answer(fixture, 503);
    answer(fixture, 500);
    answer(fixture, 429);
    push_pod(fixture, "a", 0);
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "retries_total", 1);
    assert_no_request_within(fixture, NJ_SEC * 9 / 10);
    pass_until(fixture, NJ_SEC / 10, 2);
    wait_for(fixture, "retries_total", 2);
    assert_no_request_within(fixture, NJ_SEC * 19 / 10);
    /* What comes meanwhile waits with it. */
    push_pod(fixture, "b", 0);
    pass_until(fixture, NJ_SEC / 10, 3);
    wait_for(fixture, "retries_total", 3);
    pass_until(fixture, 4 * NJ_SEC, 4);
    wait_for(fixture, "samples_total", 2);
    assert_seen(fixture, POD("a", 60000) "--\n" POD("a", 60000) "--\n" POD("a", 60000)
                             POD("b", 60000) "--\n" POD("a", 60000) POD("b", 60000) "--\n");
    /* It goes well again: the next pause is short again. */
    answer(fixture, 503);
    push_pod(fixture, "c", 0);
    pass_until(fixture, NJ_SEC, 5);
    wait_for(fixture, "retries_total", 4);
    pass_until(fixture, NJ_SEC, 6);
    wait_for(fixture, "samples_total", 3);
}

static void retry_after_counts(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    fixture->retry_after = "Retry-After: 120\r\n";
    answer(fixture, 429);
    push_pod(fixture, "a", 0);
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "retries_total", 1);
    assert_no_request_within(fixture, 119 * NJ_SEC);
    fixture->retry_after = "Retry-After: 86400\r\n"; /* not believed */
    answer(fixture, 503);
    pass_until(fixture, NJ_SEC, 2);
    wait_for(fixture, "retries_total", 2);
    pass_until(fixture, NJ_REMOTE_RETRY_AFTER_MAX_NS, 3);
    wait_for(fixture, "samples_total", 1);
}

static void a_receiver_that_is_away_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    int port = 0;
    int refuses = test_refuse(&port);
    (void)snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%d/api/v1/write", port);
    start(fixture);
    push_pod(fixture, "a", 0);
    fixture->now_ns += NJ_SEC;
    wait_for(fixture, "retries_total", 1);
    fixture->now_ns += NJ_SEC;
    wait_for(fixture, "retries_total", 2);
    assert_int_equal(1, metric(fixture, "pending_samples"));
    test_close(refuses);
}

static void what_is_refused_is_dropped_and_counted(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.batch_samples = 2;
    start(fixture);
    answer(fixture, 400);
    answer(fixture, 302);
    push_pod(fixture, "a", 0);
    push_pod(fixture, "b", 0);
    push_pod(fixture, "c", 0);
    push_pod(fixture, "d", 0);
    push_pod(fixture, "e", 0);
    pass_until(fixture, NJ_SEC, 3);
    wait_for(fixture, "samples_total", 1);
    assert_int_equal(4, metric(fixture, "dropped_samples_total{reason=\"refused\"}"));
    assert_int_equal(0, metric(fixture, "retries_total"));
    assert_seen(fixture, POD("a", 60000) POD("b", 60000) "--\n" POD("c", 60000)
                             POD("d", 60000) "--\n" POD("e", 60000) "--\n");
}

static void too_much_that_waits_drops_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.max_pending = 3;
    fixture->options.batch_samples = 2;
    start(fixture);
    answer(fixture, HANG);
    push_pod(fixture, "a", 0);
    push_pod(fixture, "b", 0);
    pass_until(fixture, NJ_SEC, 1);
    /* The two that are on their way stay; the third makes room. */
    push_pod(fixture, "c", 0);
    push_pod(fixture, "d", 0);
    push_pod(fixture, "e", 0);
    assert_int_equal(3, metric(fixture, "pending_samples"));
    assert_int_equal(2, metric(fixture, "dropped_samples_total{reason=\"full\"}"));
    stop(fixture);
    assert_seen(fixture, POD("a", 60000) POD("b", 60000) "--\n");
}

static void what_waits_for_another_attempt_makes_room_too(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.max_pending = 2;
    start(fixture);
    answer(fixture, 503);
    push_pod(fixture, "a", 0);
    push_pod(fixture, "b", 0);
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "retries_total", 1);
    push_pod(fixture, "c", 0);
    pass_until(fixture, NJ_SEC, 2);
    wait_for(fixture, "samples_total", 2);
    assert_seen(fixture, POD("a", 60000) POD("b", 60000) "--\n" POD("b", 60000) POD("c", 60000) "--\n");
}

static void write_secret(struct fixture *fixture, const char *secret)
{
    FILE *file = fopen(fixture->secret, "we");
    assert_non_null(file);
    assert_true(fputs(secret, file) >= 0);
    assert_int_equal(0, fclose(file));
}

static void the_secret_is_read_for_each_batch(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.secret_file = fixture->secret;
    start(fixture);
    push_pod(fixture, "a", 0);
    fixture->now_ns += NJ_SEC;
    wait_for(fixture, "retries_total", 1); /* there is no such file yet */
    assert_int_equal(0, fixture->server.requests);
    write_secret(fixture, "s3cret\n");
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "samples_total", 1);
    write_secret(fixture, "other");
    push_pod(fixture, "b", 0);
    pass_until(fixture, NJ_SEC, 2);
    wait_for(fixture, "samples_total", 2);
    assert_string_equal("Bearer s3cret;Bearer other;", nj_buf_str(&fixture->authorizations));
}

static void with_a_user_it_is_basic_authentication(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.secret_file = fixture->secret;
    fixture->options.user = "aladdin"; /* RFC 7617's example, nearly */
    write_secret(fixture, "opensesame\n");
    start(fixture);
    push_pod(fixture, "a", 0);
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "samples_total", 1);
    assert_string_equal("Basic YWxhZGRpbjpvcGVuc2VzYW1l;", nj_buf_str(&fixture->authorizations));
}

static void labels_are_bounded_and_utf8(void **state)
{
    struct fixture *fixture = *state;
    char name[NJ_REMOTE_LABEL_MAX + 100];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    start(fixture);
    push_pod(fixture, "\xff", 0);
    push_pod(fixture, name, 0);
    pass_until(fixture, NJ_SEC, 1);
    wait_for(fixture, "samples_total", 1);
    assert_int_equal(1, metric(fixture, "dropped_samples_total{reason=\"invalid\"}"));
    const char *pod = strstr(nj_buf_str(&fixture->seen), "pod=");
    assert_int_equal(NJ_REMOTE_LABEL_MAX, strcspn(pod + 4, "}"));
}

static void a_url_of_another_kind_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_err err = {0};
    fixture->options.url = "ftp://127.0.0.1/";
    assert_int_equal(-EINVAL, nj_remote_write_new(&fixture->options, &fixture->remote, &err));
    assert_non_null(strstr(err.text, "remote_write.url"));
    assert_null(fixture->remote);
}

static void it_closes_while_samples_wait(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    push_pod(fixture, "a", 0);
    stop(fixture);
    assert_int_equal(0, fixture->server.requests);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_minute_of_use_becomes_series),
        TEST(a_minute_of_checks_becomes_series),
        TEST(what_waits_goes_in_batches_one_after_the_other),
        TEST(a_receiver_that_is_busy_gets_the_batch_again_after_pauses_that_grow),
        TEST(retry_after_counts),
        TEST(a_receiver_that_is_away_is_tried_again),
        TEST(what_is_refused_is_dropped_and_counted),
        TEST(too_much_that_waits_drops_the_oldest),
        TEST(what_waits_for_another_attempt_makes_room_too),
        TEST(the_secret_is_read_for_each_batch),
        TEST(with_a_user_it_is_basic_authentication),
        TEST(labels_are_bounded_and_utf8),
        TEST(a_url_of_another_kind_is_refused),
        TEST(it_closes_while_samples_wait),
    };
    return cmocka_run_group_tests_name("collector/remote-write", tests, NULL, NULL);
}
