/*
 * The notifier as the collector runs it: on a loop, a worker and a real store, against a server whose every
 * answer the test decides, with the product's clock in the test's hands. Restarts close everything and begin
 * anew on the same database.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger.h"
#include "collector/notify/notifier.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"
#include "tests/unit/loop/server.h"

enum { REQUESTS_MAX = 256, STEPS_MAX = 32, REQUEST_BYTES = 8 << 10 };

/* What the server does with a request. */
enum action { OK, ERRCODE, STATUS, HANG, RESET, PARTLY, GARBAGE };
struct step {
    const char *path; /* part of the request; "" for any */
    enum action action;
    int number; /* errcode or HTTP status */
};

struct fixture {
    struct test_loop *test;
    struct folder folder;
    volatile int64_t now_ns;
    struct test_server server;
    struct step script[STEPS_MAX]; /* the first that fits is used once; without any: OK */
    size_t script_len;
    char *requests[REQUESTS_MAX];
    int requests_count;
    struct test_peer *hanging;
    int storm_after; /* 0 for most: what a storm is matters to few tests */
    bool impatient;  /* channels whose server hangs are to find out soon; others wait for a busy machine */

    struct nj_collector_config config;
    struct nj_http *http;
    struct nj_worker *worker;
    struct nj_store *store;
    struct nj_metrics *metrics;
    struct nj_notifier *notifier;
    struct nj_store_ops ops; /* the store's, with a disk that may be full */
    int (*commit)(struct nj_store *store, struct nj_err *err);
    atomic_bool full;
    struct nj_err err;
};

/* Channels with their files and timeouts, then the routes' channels. */
static const char yaml_format[] =
    "notify:\n"
    "  public_url: https://nightjar.example\n"
    "  storm_after: %d\n"
    "  channels:\n"
    "  - {name: robot, url_file: %s/robot, timeout: %s}\n"
    "  - {name: plain, url_file: %s/robot, timeout: %s, attach_log: false}\n"
    "  - {name: first, url_file: %s/robot, timeout: %s, attach_log: false, retries: 1, failover: hook}\n"
    "  - {name: hook, type: webhook, url_file: %s/hook, secret_file: %s/token}\n"
    "  - {name: app, type: wecom_app, corp_id: c, agent_id: 1, secret_file: %s/app, to_users: [li], api_url: "
    "'http://127.0.0.1:%d', attach_log: false, failover: %s}\n"
    "  routes:\n"
    "  - {group: ops, channels: [%s], mentions: [li]}\n";

/* The server. */

static bool take_step(struct fixture *fixture, const char *request, struct step *ret_step)
{
    for (size_t i = 0; i < fixture->script_len; i++) {
        if (strstr(request, fixture->script[i].path) == NULL)
            continue;
        *ret_step = fixture->script[i];
        memmove(&fixture->script[i], &fixture->script[i + 1],
                (fixture->script_len - i - 1) * sizeof(fixture->script[0]));
        fixture->script_len--;
        return true;
    }
    return false;
}

static void answer_status(struct test_peer *peer, int status)
{
    char head[128];
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n",
                   status);
    test_peer_send(peer, head);
}

static void on_request(struct test_peer *peer)
{
    struct fixture *fixture = peer->server->data;
    assert_in_range(fixture->requests_count, 0, REQUESTS_MAX - 1);
    fixture->requests[fixture->requests_count++] = nj_strndup(peer->request, REQUEST_BYTES);
    struct step step = {.action = OK};
    char body[256];
    (void)take_step(fixture, peer->request, &step);
    switch (step.action) {
    case OK:
        (void)snprintf(body, sizeof(body),
                       "{\"errcode\":0,\"errmsg\":\"ok\",\"access_token\":\"token-%d\",\"expires_in\":7200,"
                       "\"media_id\":\"media-%d\"}",
                       fixture->requests_count, fixture->requests_count);
        test_peer_answer(peer, body, true);
        break;
    case ERRCODE:
        (void)snprintf(body, sizeof(body), "{\"errcode\":%d,\"errmsg\":\"key=s3cret\"}", step.number);
        test_peer_answer(peer, body, true);
        break;
    case PARTLY:
        test_peer_answer(peer, "{\"errcode\":0,\"invaliduser\":\"li\"}", true);
        break;
    case GARBAGE:
        test_peer_answer(peer, "<html>welcome</html>", true);
        break;
    case STATUS:
        answer_status(peer, step.number);
        break;
    case HANG:
        fixture->hanging = peer;
        break;
    case RESET:
        test_peer_reset(peer);
        break;
    }
}

static void script(struct fixture *fixture, const char *path, enum action action, int number)
{
    assert_in_range(fixture->script_len, 0, STEPS_MAX - 1);
    fixture->script[fixture->script_len++] = (struct step){.path = path, .action = action, .number = number};
}

static int count_requests(const struct fixture *fixture, const char *part)
{
    int count = 0;
    for (int i = 0; i < fixture->requests_count; i++)
        count += strstr(fixture->requests[i], part) != NULL ? 1 : 0;
    return count;
}

static const char *last_request(const struct fixture *fixture)
{
    assert_true(fixture->requests_count > 0);
    return fixture->requests[fixture->requests_count - 1];
}

static void assert_last_says(const struct fixture *fixture, const char *words)
{
    if (strstr(last_request(fixture), words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, last_request(fixture));
}

/* The collector. */

static void use_channels(struct fixture *fixture, const char *channels, const char *app_failover)
{
    const char *at = fixture->folder.path;
    const char *timeout = fixture->impatient ? "1s" : "20s";
    char *yaml = nj_asprintf(yaml_format, fixture->storm_after, at, timeout, at, timeout, at, timeout, at, at,
                             at, fixture->server.port, app_failover, channels);
    config_done(&fixture->config);
    load_config(&fixture->config, yaml);
    free(yaml);
}

static int commit_unless_full(struct nj_store *store, struct nj_err *err)
{
    struct fixture *fixture =
        (struct fixture *)(void *)((char *)(uintptr_t)store->ops - offsetof(struct fixture, ops));
    if (atomic_load(&fixture->full))
        return nj_err_set(err, -ENOSPC, "the disk is full");
    return fixture->commit(store, err);
}

static void open_all(struct fixture *fixture)
{
    fixture->store = open_writer(&fixture->folder);
    fixture->ops = *fixture->store->ops;
    fixture->commit = fixture->ops.commit;
    fixture->ops.commit = commit_unless_full;
    fixture->store->ops = &fixture->ops;
    fixture->http = nj_http_new(&fixture->test->loop, 8);
    fixture->worker = nj_worker_new(&fixture->test->loop, "writer", 16);
    fixture->metrics = nj_metrics_new();
}

static void start(struct fixture *fixture)
{
    const struct nj_notifier_options options = {.loop = &fixture->test->loop,
                                                .http = fixture->http,
                                                .writer = fixture->worker,
                                                .store = fixture->store,
                                                .metrics = fixture->metrics,
                                                .config = &fixture->config};
    if (nj_notifier_start(&options, &fixture->notifier, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

static void stop(struct fixture *fixture)
{
    bool closed = false;
    nj_notifier_close(fixture->notifier, test_set_flag, &closed);
    test_run_until(fixture->test, &closed);
    fixture->notifier = NULL;
}

static void close_all(struct fixture *fixture)
{
    bool worker_closed = false, http_closed = false;
    if (fixture->notifier != NULL)
        stop(fixture);
    nj_worker_close(fixture->worker, test_set_flag, &worker_closed);
    test_run_until(fixture->test, &worker_closed);
    nj_http_close(fixture->http, test_set_flag, &http_closed);
    test_run_until(fixture->test, &http_closed);
    fixture->store->ops->close(fixture->store);
    nj_metrics_free(fixture->metrics);
}

static void restart(struct fixture *fixture)
{
    close_all(fixture);
    open_all(fixture);
    start(fixture);
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
    char url[128];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/cgi-bin/webhook/send?key=s3cret",
                   fixture->server.port);
    write_file(&fixture->folder, "robot", url);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", fixture->server.port);
    write_file(&fixture->folder, "hook", url);
    write_file(&fixture->folder, "token", "bearer-s3cret");
    write_file(&fixture->folder, "app", "s3cret");
    use_channels(fixture, "plain", "''");
    open_all(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_all(fixture);
    test_server_close(&fixture->server);
    for (int i = 0; i < fixture->requests_count; i++)
        free(fixture->requests[i]);
    config_done(&fixture->config);
    end_folder(&fixture->folder);
    void *test = fixture->test;
    fixture->test->clock.replay = NULL;
    free(fixture);
    return test_loop_teardown(&test);
}

/* Work on the store, as ingest does it: on the worker, in one transaction. */
struct work {
    struct nj_job job;
    struct fixture *fixture;
    int64_t first, last; /* incidents */
    enum nj_transition transition;
    int64_t rows_of; /* when set: nothing but this incident's rows into `rows` */
    struct nj_buf rows;
    int rc;
    bool done;
};

static int put(struct work *work, int64_t id)
{
    struct fixture *fixture = work->fixture;
    const struct nj_store_ops *ops = fixture->store->ops;
    char text[32];
    (void)snprintf(text, sizeof(text), "f%d", (int)id);
    struct nj_incident incident = make_incident(id, text);
    const struct nj_store_crash crash = make_crash("crash-1");
    incident.crash_id = "crash-1";
    if (work->transition == NJ_TRANSITION_RESOLVED) {
        incident.state = NJ_INCIDENT_RESOLVED;
        incident.revision = 2;
        incident.resolved_ns = fixture->now_ns;
        incident.resolved_cause = "stable";
    }
    bool is_new = false;
    int rc = ops->put_incident(fixture->store, &incident, &fixture->err);
    if (rc == 0)
        rc = ops->put_crash(fixture->store, &crash, &is_new, &fixture->err);
    if (rc == 0)
        rc = nj_notifier_plan(fixture->notifier, fixture->store, &incident, work->transition, fixture->now_ns,
                              &fixture->err);
    return rc;
}

static int add_row(void *data, const struct nj_notification *row)
{
    struct nj_buf *out = data;
    struct nj_buf line = {0};
    assert_null(strstr(row->error, "s3cret"));
    nj_buf_printf(&line, "%s %s %s%s; ", row->channel, row->transition,
                  nj_notification_status_name(row->status), row->parts_done == 3 ? " with log" : "");
    nj_buf_append(&line, nj_buf_str(out), out->len);
    nj_buf_done(out);
    *out = line;
    return 0;
}

static void run_work(struct nj_job *job)
{
    struct work *work = job->data;
    struct nj_store *store = work->fixture->store;
    struct nj_err *err = &work->fixture->err;
    if (work->rows_of != 0) {
        work->rc = store->ops->each_notification_of(store, work->rows_of, 100, add_row, &work->rows, err);
        return;
    }
    work->rc = store->ops->begin(store, err);
    for (int64_t id = work->first; id <= work->last && work->rc == 0; id++)
        work->rc = put(work, id);
    if (work->rc == 0)
        work->rc = store->ops->commit(store, err);
}

static void work_done(struct nj_job *job)
{
    struct work *work = job->data;
    work->done = true;
}

static void do_work(struct fixture *fixture, struct work *work)
{
    work->job = (struct nj_job){.run = run_work, .done = work_done, .data = work};
    work->fixture = fixture;
    assert_int_equal(nj_worker_submit(fixture->worker, &work->job), 0);
    test_run_until(fixture->test, &work->done);
    if (work->rc != 0)
        fail_msg("%s", fixture->err.text);
}

static void change(struct fixture *fixture, int64_t first, int64_t last, enum nj_transition transition)
{
    struct work work = {.first = first, .last = last, .transition = transition};
    do_work(fixture, &work);
    nj_notifier_kick(fixture->notifier);
}

static void open_incidents(struct fixture *fixture, int64_t first, int64_t last)
{
    change(fixture, first, last, NJ_TRANSITION_OPENED);
}

static void wait_for_requests(struct fixture *fixture, int count)
{
    test_run_until_count(fixture->test, &fixture->requests_count, count);
}

static char *rows(struct fixture *fixture, int64_t incident)
{
    struct work work = {.rows_of = incident};
    do_work(fixture, &work);
    return nj_buf_take(&work.rows);
}

static void set_ticked(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
    uv_stop(timer->loop); /* or the loop would wait for events after its timers, for whatever comes next */
}

/* The loop looks at a replay's clock once a millisecond: long enough for it to have seen the new time. */
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

/* Runs until the incident's rows are these. */
static void wait_for_rows(struct fixture *fixture, int64_t incident, const char *wanted)
{
    char *got = rows(fixture, incident);
    for (int tries = 0; !nj_streq(got, wanted); tries++) {
        if (tries == 2000)
            fail_msg("incident %d: \"%s\" instead of \"%s\"", (int)incident, got, wanted);
        free(got);
        let_the_clock_be_seen(fixture);
        got = rows(fixture, incident);
    }
    free(got);
}

static void assert_rows(struct fixture *fixture, int64_t incident, const char *wanted)
{
    char *got = rows(fixture, incident);
    assert_string_equal(got, wanted);
    free(got);
}

/* Time goes on, and everything that it brings about happens: until nothing is on its way, neither on the
 * network nor on the worker, for a while. */
static void pass(struct fixture *fixture, int64_t ns)
{
    fixture->now_ns += ns;
    int quiet = 0, requests = fixture->requests_count;
    while (quiet < 5) {
        let_the_clock_be_seen(fixture);
        struct work work = {.rows_of = INT64_MAX};
        do_work(fixture, &work);
        nj_buf_done(&work.rows);
        bool moved = fixture->server.connections_open > 0 || fixture->requests_count != requests;
        quiet = moved ? 0 : quiet + 1;
        requests = fixture->requests_count;
    }
}

static void assert_metric(struct fixture *fixture, const char *line)
{
    struct nj_buf out = {0};
    nj_notifier_collect(fixture->notifier);
    assert_int_equal(nj_metrics_render(fixture->metrics, &out), 0);
    if (strstr(nj_buf_str(&out), line) == NULL)
        fail_msg("no %s in:\n%s", line, nj_buf_str(&out));
    nj_buf_done(&out);
}

/* Telling. */

static void a_lone_alert_goes_out_at_once_with_its_log_behind_it(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot", "''");
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "robot opened sent with log; ");
    assert_int_equal(fixture->requests_count, 3);
    assert_non_null(strstr(fixture->requests[0], "POST /cgi-bin/webhook/send?key=s3cret"));
    assert_non_null(strstr(fixture->requests[0], "容器崩溃：shop/cart"));
    assert_non_null(strstr(fixture->requests[0], "<@li>"));
    assert_non_null(strstr(fixture->requests[1], "POST /cgi-bin/webhook/upload_media?key=s3cret&type=file"));
    assert_non_null(strstr(fixture->requests[1], "filename=\"shop_cart-5f7c9-x2k4p_app_2.log\""));
    assert_non_null(strstr(fixture->requests[1], "panic: no 库存 table"));
    assert_non_null(strstr(fixture->requests[2], "\"file\":{\"media_id\":\"media-2\"}"));
    assert_metric(fixture, "nightjar_notifications_total{channel=\"robot\",status=\"sent\"} 1\n");
    assert_metric(fixture, "nightjar_notification_attempts_total{channel=\"robot\",outcome=\"done\"} 2\n");
    assert_metric(fixture, "nightjar_notifications_waiting{channel=\"robot\"} 0\n");
    assert_metric(fixture, "nightjar_notification_latency_seconds_count 1\n");
    /* Nothing more happens, however long one waits. */
    pass(fixture, NJ_DAY);
    assert_int_equal(fixture->requests_count, 3);
    assert_int_equal(nj_notifier_waiting(fixture->notifier), 0);
}

static void the_end_is_told_after_the_beginning(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    open_incidents(fixture, 1, 1);
    change(fixture, 1, 1, NJ_TRANSITION_RESOLVED);
    wait_for_rows(fixture, 1, "plain opened sent; plain resolved sent; ");
    assert_int_equal(fixture->requests_count, 2);
    assert_non_null(strstr(fixture->requests[0], "【警告】"));
    assert_non_null(strstr(fixture->requests[1], "【恢复】"));
}

static void every_channel_is_told(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "plain, hook, app", "''");
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "plain opened sent; hook opened sent; app opened sent; ");
    assert_int_equal(count_requests(fixture, "POST /hook"), 1);
    assert_int_equal(count_requests(fixture, "Authorization: Bearer bearer-s3cret"), 1);
    assert_int_equal(count_requests(fixture, "GET /cgi-bin/gettoken?corpid=c&corpsecret=s3cret"), 1);
    assert_int_equal(count_requests(fixture, "POST /cgi-bin/message/send?access_token=token-"), 1);
}

static void a_kick_without_news_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    pass(fixture, 0);
    nj_notifier_kick(fixture->notifier);
    nj_notifier_kick(fixture->notifier);
    assert_int_equal(nj_worker_queued(fixture->worker), 0);
    assert_int_equal(fixture->requests_count, 0);
}

/* Rate. */

static void twenty_a_minute_then_a_digest(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    for (int i = 1; i <= 20; i++) {
        open_incidents(fixture, i, i);
        wait_for_rows(fixture, i, "plain opened sent; ");
        fixture->now_ns += NJ_SEC;
    }
    open_incidents(fixture, 21, 30);
    pass(fixture, 39 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 20);
    assert_int_equal(nj_notifier_waiting(fixture->notifier), 10);
    assert_metric(fixture, "nightjar_notifications_waiting{channel=\"plain\"} 10\n");
    pass(fixture, 1500 * NJ_MS); /* the first of the twenty was sent a minute ago, the second was not */
    assert_int_equal(fixture->requests_count, 21);
    assert_last_says(fixture, "【汇总】10 条告警，0 条恢复");
    assert_int_equal(nj_notifier_waiting(fixture->notifier), 0);
    wait_for_rows(fixture, 30, "plain opened folded; ");
    assert_metric(fixture, "nightjar_notifications_folded_total 10\n");
    /* And a lone one after it goes at once again. */
    pass(fixture, NJ_MIN);
    open_incidents(fixture, 31, 31);
    wait_for_rows(fixture, 31, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 22);
}

static void a_burst_is_one_message(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    open_incidents(fixture, 1, 200);
    wait_for_rows(fixture, 200, "plain opened folded; ");
    assert_non_null(strstr(fixture->requests[0], "【汇总】200 条告警"));
    assert_in_range(fixture->requests_count, 1, 4);
}

static void with_storms(struct fixture *fixture)
{
    fixture->storm_after = 3;
    use_channels(fixture, "plain", "''");
    start(fixture);
}

static void lone_alerts_go_at_once(void **state)
{
    struct fixture *fixture = *state;
    with_storms(fixture);
    for (int i = 1; i <= 8; i++) { /* at most three within ten seconds */
        open_incidents(fixture, i, i);
        wait_for_rows(fixture, i, "plain opened sent; ");
        pass(fixture, 4 * NJ_SEC);
    }
    assert_int_equal(fixture->requests_count, 8);
}

static void what_follows_within_ten_seconds_is_gathered(void **state)
{
    struct fixture *fixture = *state;
    with_storms(fixture);
    for (int i = 1; i <= 13; i++) {
        open_incidents(fixture, i, i);
        pass(fixture, 100 * NJ_MS);
    }
    assert_int_equal(fixture->requests_count, 3);
    pass(fixture, 8 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 3);
    pass(fixture, 2 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 4);
    assert_last_says(fixture, "【汇总】10 条告警，0 条恢复");
    wait_for_rows(fixture, 13, "plain opened folded; ");
    /* Long after it, a lone one goes at once again. */
    pass(fixture, 2 * NJ_MIN);
    open_incidents(fixture, 14, 14);
    wait_for_rows(fixture, 14, "plain opened sent; ");
}

/* Most messages in any minute. */
static int busiest_minute(const int64_t *times_ns, int count)
{
    int most = 0;
    for (int i = 0; i < count; i++) {
        int within = 0;
        for (int j = i; j < count && times_ns[j] < times_ns[i] + NJ_MIN; j++)
            within++;
        most = within > most ? within : most;
    }
    return most;
}

static void a_storm_brings_five_messages_a_minute_at_most(void **state)
{
    struct fixture *fixture = *state;
    int64_t times_ns[REQUESTS_MAX];
    int seen = 0, opened = 0;
    with_storms(fixture);
    for (int s = 0; s < 300; s++) { /* 200 incidents within 100 s, half of them over by and by, then calm */
        if (s < 100) {
            open_incidents(fixture, opened + 1, opened + 2);
            opened += 2;
        } else if (s < 150) {
            change(fixture, s - 99, s - 99, NJ_TRANSITION_RESOLVED);
        }
        if (s == 30)
            restart(fixture);
        pass(fixture, 0);
        for (; seen < fixture->requests_count; seen++)
            times_ns[seen] = fixture->now_ns;
        assert_true(seen > 0); /* the first at once */
        fixture->now_ns += NJ_SEC;
    }
    assert_in_range(busiest_minute(times_ns, seen), 3, 5);
    assert_int_equal(nj_notifier_waiting(fixture->notifier), 0);
    for (int i = 1; i <= opened; i += 20) {
        char *got = rows(fixture, i);
        assert_null(strstr(got, "pending"));
        assert_null(strstr(got, "failed"));
        free(got);
    }
}

static void the_rate_is_kept_across_restarts(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    open_incidents(fixture, 1, 20);
    wait_for_requests(fixture, 20);
    wait_for_rows(fixture, 20, "plain opened sent; ");
    restart(fixture);
    open_incidents(fixture, 21, 21);
    pass(fixture, 59 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 20);
    pass(fixture, 2 * NJ_SEC);
    wait_for_rows(fixture, 21, "plain opened sent; ");
}

static void log_files_leave_room_for_alerts(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot", "''");
    start(fixture);
    open_incidents(fixture, 1, 20);
    wait_for_rows(fixture, 20, "robot opened pending; ");
    pass(fixture, NJ_SEC);
    assert_int_equal(count_requests(fixture, "\"msgtype\":\"markdown\""), 20);
    assert_int_equal(count_requests(fixture, "\"msgtype\":\"file\""), 0);
    /* With the next minute files follow, but half of its messages are kept for alerts. */
    pass(fixture, NJ_MIN);
    assert_int_equal(count_requests(fixture, "\"msgtype\":\"file\""), 10);
    open_incidents(fixture, 21, 21);
    wait_for_requests(fixture, fixture->requests_count + 1);
    assert_last_says(fixture, "\"msgtype\":\"markdown\"");
}

static void a_slow_upload_holds_up_no_alert(void **state)
{
    struct fixture *fixture = *state;
    fixture->impatient = true;
    use_channels(fixture, "robot", "''");
    script(fixture, "upload_media", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 2);
    open_incidents(fixture, 2, 2);
    wait_for_requests(fixture, 3);
    assert_last_says(fixture, "\"msgtype\":\"markdown\"");
    assert_last_says(fixture, "#2");
}

/* Failures. */

static void what_may_pass_is_tried_again_after_a_wait(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", STATUS, 500);
    script(fixture, "send", ERRCODE, -1);
    script(fixture, "send", ERRCODE, 45033);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    wait_for_rows(fixture, 1, "plain opened pending; ");
    pass(fixture, 6 * NJ_SEC); /* the server asks for 7 s */
    assert_int_equal(fixture->requests_count, 1);
    pass(fixture, 2 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 2);
    pass(fixture, 4 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 3);
    pass(fixture, 8 * NJ_SEC);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 4);
    assert_metric(fixture, "outcome=\"retry\"} 3\n");
}

static void a_refused_connection_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    int port = 0;
    int fd = test_refuse(&port);
    char url[128];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/cgi-bin/webhook/send?key=s3cret", port);
    write_file(&fixture->folder, "robot", url);
    start(fixture);
    open_incidents(fixture, 1, 1);
    pass(fixture, NJ_SEC);
    assert_rows(fixture, 1, "plain opened pending; ");
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/cgi-bin/webhook/send?key=s3cret",
                   fixture->server.port);
    write_file(&fixture->folder, "robot", url);
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), 0);
    pass(fixture, NJ_MIN);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 1);
    test_close(fd);
}

/* A robot that is gone is asked again only after minutes: whoever puts it right does not wait for that. */
static void what_waits_is_sent_when_the_channel_was_put_right(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", ERRCODE, 93000);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    pass(fixture, NJ_MIN);
    assert_rows(fixture, 1, "plain opened pending; ");
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), 0);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 2);
}

static void what_may_have_arrived_is_never_sent_again_to_a_robot(void **state)
{
    struct fixture *fixture = *state;
    static const enum action actions[] = {RESET, HANG, GARBAGE};
    fixture->impatient = true;
    use_channels(fixture, "plain", "''");
    start(fixture);
    for (int i = 0; i < 3; i++) {
        script(fixture, "send", actions[i], 0);
        open_incidents(fixture, i + 1, i + 1);
        wait_for_rows(fixture, i + 1, "plain opened uncertain; ");
        assert_int_equal(fixture->requests_count, i + 1);
        pass(fixture, NJ_HOUR);
    }
    assert_int_equal(fixture->requests_count, 3);
    assert_metric(fixture, "nightjar_notifications_uncertain_total 3\n");
}

static void what_may_have_arrived_is_told_on_the_fail_over(void **state)
{
    struct fixture *fixture = *state;
    fixture->impatient = true;
    use_channels(fixture, "first", "''");
    script(fixture, "send", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "first opened uncertain; hook opened sent; ");
    assert_int_equal(fixture->requests_count, 2);
}

static void a_webhook_gets_the_same_request_with_the_same_key_again(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "hook", "''");
    script(fixture, "/hook", RESET, 0);
    script(fixture, "/hook", STATUS, 503);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    pass(fixture, 0);
    pass(fixture, 2 * NJ_SEC);
    assert_int_equal(fixture->requests_count, 2);
    pass(fixture, 10 * NJ_SEC);
    wait_for_rows(fixture, 1, "hook opened sent; ");
    assert_int_equal(fixture->requests_count, 3);
    assert_string_equal(fixture->requests[0], fixture->requests[1]);
    assert_string_equal(fixture->requests[0], fixture->requests[2]);
    assert_int_equal(count_requests(fixture, "Idempotency-Key: 1-opened-1-"), 3);
}

static void over_the_rate_waits_for_the_window(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first", "''");
    script(fixture, "send", ERRCODE, 45009);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    wait_for_rows(fixture, 1, "first opened pending; ");
    pass(fixture, 59 * NJ_SEC);
    open_incidents(fixture, 2, 2);
    pass(fixture, 0);
    assert_int_equal(fixture->requests_count, 1);
    pass(fixture, 2 * NJ_SEC);
    wait_for_rows(fixture, 1, "first opened sent; ");
    wait_for_rows(fixture, 2, "first opened sent; ");
}

static void a_robot_that_is_gone_fails_over_at_once(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first", "''");
    script(fixture, "send", ERRCODE, 93000);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "first opened failed; hook opened sent; ");
    /* The next one does not even try. */
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "first opened failed; hook opened sent; ");
    assert_int_equal(count_requests(fixture, "webhook/send"), 1);
    /* After a rest one message finds out that the robot is back. */
    pass(fixture, 5 * NJ_MIN);
    open_incidents(fixture, 3, 3);
    wait_for_rows(fixture, 3, "first opened sent; ");
}

static void retries_end_at_the_fail_over(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first", "''");
    script(fixture, "send", STATUS, 502);
    script(fixture, "send", STATUS, 502);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    pass(fixture, 0);
    pass(fixture, 8 * NJ_SEC);
    wait_for_rows(fixture, 1, "first opened failed; hook opened sent; ");
    assert_int_equal(fixture->requests_count, 3);
}

static void an_alert_that_is_too_long_is_sent_shorter(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", ERRCODE, 45002);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 2);
    assert_true(strlen(fixture->requests[1]) < strlen(fixture->requests[0]));
}

static void a_message_that_is_never_accepted_is_a_dead_letter(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++)
        script(fixture, "send", ERRCODE, 40058);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "plain opened failed; ");
    assert_in_range(fixture->requests_count, 2, 4);
    fixture->script_len = 0;
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "plain opened sent; ");
}

/* Application messages. */

static void a_token_is_fetched_once_and_renewed_when_it_ends(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "''");
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "app opened sent; ");
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "app opened sent; ");
    assert_int_equal(count_requests(fixture, "gettoken"), 1);
    /* It ends before its time. */
    script(fixture, "message/send", ERRCODE, 42001);
    open_incidents(fixture, 3, 3);
    wait_for_rows(fixture, 3, "app opened sent; ");
    assert_int_equal(count_requests(fixture, "gettoken"), 2);
    assert_int_equal(count_requests(fixture, "message/send"), 4);
    /* It is renewed in time. */
    pass(fixture, 2 * NJ_HOUR);
    open_incidents(fixture, 4, 4);
    wait_for_rows(fixture, 4, "app opened sent; ");
    assert_int_equal(count_requests(fixture, "gettoken"), 3);
    assert_int_equal(count_requests(fixture, "message/send"), 5);
}

static void tokens_that_are_never_good_are_not_fetched_for_ever(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "''");
    for (int i = 0; i < 4; i++)
        script(fixture, "message/send", ERRCODE, 40014);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "app opened pending; ");
    pass(fixture, NJ_SEC);
    assert_int_equal(count_requests(fixture, "gettoken"), 1);
    assert_int_equal(count_requests(fixture, "message/send"), 1);
}

static void a_wrong_secret_is_tried_once_until_it_is_corrected(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "''");
    script(fixture, "gettoken", ERRCODE, 40001);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    for (int i = 2; i <= 4; i++) {
        open_incidents(fixture, i, i);
        pass(fixture, 10 * NJ_MIN);
    }
    assert_int_equal(fixture->requests_count, 1);
    assert_rows(fixture, 1, "app opened pending; ");
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), 0);
    for (int i = 1; i <= 4; i++)
        wait_for_rows(fixture, i, "app opened sent; ");
}

static void a_wrong_secret_fails_over(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "hook");
    script(fixture, "gettoken", ERRCODE, 40001);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "app opened failed; hook opened sent; ");
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "app opened failed; hook opened sent; ");
    assert_int_equal(count_requests(fixture, "gettoken"), 1);
}

static void when_some_were_not_told_the_fail_over_is(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "hook");
    script(fixture, "message/send", PARTLY, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "app opened sent; hook opened sent; ");
    script(fixture, "message/send", ERRCODE, 81013);
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "app opened failed; hook opened sent; ");
}

/* Restarts and reloads. */

static void closing_waits_for_the_answer(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 2);
    wait_for_requests(fixture, 1);
    bool closed = false;
    nj_notifier_close(fixture->notifier, test_set_flag, &closed);
    fixture->notifier = NULL;
    test_run_some(fixture->test);
    assert_false(closed);
    test_peer_answer(fixture->hanging, "{\"errcode\":0}", true);
    test_run_until(fixture->test, &closed);
    /* What was sent is known as sent; what was not is told after the restart. */
    restart(fixture);
    wait_for_rows(fixture, 2, "plain opened sent; ");
    assert_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 2);
}

static void closing_between_steps_gives_the_message_back(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app", "''");
    script(fixture, "gettoken", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    restart(fixture);
    wait_for_rows(fixture, 1, "app opened sent; ");
    assert_int_equal(count_requests(fixture, "message/send"), 1);
}

static void closing_while_a_claim_is_made_gives_it_back(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    pass(fixture, 0);
    open_incidents(fixture, 1, 1); /* the job is on the worker */
    restart(fixture);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 1);
}

/* As kill -9 leaves it: claimed, and nobody knows whether it left. */
static void kill_while_sending(struct fixture *fixture, const char *channel)
{
    struct nj_notify_settings *settings = NULL;
    assert_int_equal(nj_notify_settings_new(&fixture->config, &settings, &fixture->err), 0);
    const struct nj_ledger_terms terms = {
        .settings = settings, .target = nj_notify_target(settings, channel), .now_ns = fixture->now_ns};
    const struct nj_claim_terms claim = {.budget = 20};
    struct nj_ledger_result result = {0};
    assert_int_equal(fixture->store->ops->begin(fixture->store, &fixture->err), 0);
    assert_int_equal(nj_ledger_claim(fixture->store, &terms, &claim, &result, &fixture->err), 0);
    assert_int_equal(fixture->store->ops->commit(fixture->store, &fixture->err), 0);
    assert_non_null(result.claim);
    nj_claim_free(result.claim);
    nj_notify_settings_unref(settings);
}

static void after_a_kill_a_robot_is_not_told_again_but_a_webhook_is(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first, hook", "''");
    script(fixture, "send", STATUS, 500);
    script(fixture, "hook", STATUS, 500);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 2);
    wait_for_rows(fixture, 1, "first opened pending; hook opened pending; ");
    stop(fixture);
    fixture->now_ns += NJ_MIN;
    kill_while_sending(fixture, "first");
    kill_while_sending(fixture, "hook");
    start(fixture);
    wait_for_rows(fixture, 1, "first opened uncertain; hook opened sent; ");
    assert_int_equal(count_requests(fixture, "webhook/send"), 1);
    assert_int_equal(count_requests(fixture, "POST /hook"), 2);
    assert_metric(fixture, "nightjar_notifications_total{channel=\"first\",status=\"uncertain\"} 1\n");
}

static void a_reload_changes_routes_and_channels(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", STATUS, 500);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "plain opened pending; ");
    wait_for_requests(fixture, 1);

    struct nj_collector_config old = fixture->config;
    fixture->config = (struct nj_collector_config){0};
    use_channels(fixture, "hook", "''");
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), 0);
    config_done(&old);
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "hook opened sent; ");
    /* What waited for a channel that is still there is told there. */
    pass(fixture, NJ_MIN);
    wait_for_rows(fixture, 1, "plain opened sent; ");
}

static void a_reload_that_fails_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    write_file(&fixture->folder, "hook", "not a url");
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), -EINVAL);
    assert_non_null(strstr(fixture->err.text, "hook"));
    open_incidents(fixture, 1, 1);
    wait_for_rows(fixture, 1, "plain opened sent; ");
}

static void channels_that_a_reload_takes_away_finish_and_leave_dead_letters(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    change(fixture, 1, 1, NJ_TRANSITION_RESOLVED);
    struct nj_collector_config none;
    load_config(&none, "notify: {}\n");
    assert_int_equal(nj_notifier_reload(fixture->notifier, &none, &fixture->err), 0);
    test_run_some(fixture->test);
    test_peer_answer(fixture->hanging, "{\"errcode\":0}", true);
    wait_for_rows(fixture, 1, "plain opened sent; plain resolved failed; ");
    /* And back again. */
    assert_int_equal(nj_notifier_reload(fixture->notifier, &fixture->config, &fixture->err), 0);
    config_done(&none);
    open_incidents(fixture, 2, 2);
    wait_for_rows(fixture, 2, "plain opened sent; ");
}

static void while_the_store_fails_nothing_is_sent_and_nothing_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    script(fixture, "send", HANG, 0);
    start(fixture);
    open_incidents(fixture, 1, 1);
    wait_for_requests(fixture, 1);
    open_incidents(fixture, 2, 2);

    /* The disk fills up while the first is on its way: that it was sent must be stored before anything else
     * goes. */
    atomic_store(&fixture->full, true);
    test_peer_answer(fixture->hanging, "{\"errcode\":0}", true);
    for (int i = 0; i < 5; i++)
        pass(fixture, NJ_SEC);
    assert_int_equal(fixture->requests_count, 1);

    atomic_store(&fixture->full, false);
    pass(fixture, 2 * NJ_SEC);
    wait_for_rows(fixture, 1, "plain opened sent; ");
    wait_for_rows(fixture, 2, "plain opened sent; ");
    assert_int_equal(fixture->requests_count, 2);
}

static void a_full_queue_of_the_worker_only_delays(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    pass(fixture, 0);
    enum { JOBS = 17 };
    struct work works[JOBS];
    for (int i = 0; i < JOBS; i++) {
        works[i] = (struct work){.fixture = fixture, .rows_of = INT64_MAX};
        works[i].job = (struct nj_job){.run = run_work, .done = work_done, .data = &works[i]};
    }
    open_incidents(fixture, 1, 1);
    int submitted = 0;
    while (submitted < JOBS && nj_worker_submit(fixture->worker, &works[submitted].job) == 0)
        submitted++;
    assert_true(submitted > 10);
    test_run_until(fixture->test, &works[submitted - 1].done);
    pass(fixture, NJ_SEC);
    wait_for_rows(fixture, 1, "plain opened sent; ");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lone_alert_goes_out_at_once_with_its_log_behind_it),
        TEST(the_end_is_told_after_the_beginning),
        TEST(every_channel_is_told),
        TEST(a_kick_without_news_costs_nothing),
        TEST(twenty_a_minute_then_a_digest),
        TEST(a_burst_is_one_message),
        TEST(lone_alerts_go_at_once),
        TEST(what_follows_within_ten_seconds_is_gathered),
        TEST(a_storm_brings_five_messages_a_minute_at_most),
        TEST(the_rate_is_kept_across_restarts),
        TEST(log_files_leave_room_for_alerts),
        TEST(a_slow_upload_holds_up_no_alert),
        TEST(what_may_pass_is_tried_again_after_a_wait),
        TEST(a_refused_connection_is_tried_again),
        TEST(what_waits_is_sent_when_the_channel_was_put_right),
        TEST(what_may_have_arrived_is_never_sent_again_to_a_robot),
        TEST(what_may_have_arrived_is_told_on_the_fail_over),
        TEST(a_webhook_gets_the_same_request_with_the_same_key_again),
        TEST(over_the_rate_waits_for_the_window),
        TEST(a_robot_that_is_gone_fails_over_at_once),
        TEST(retries_end_at_the_fail_over),
        TEST(an_alert_that_is_too_long_is_sent_shorter),
        TEST(a_message_that_is_never_accepted_is_a_dead_letter),
        TEST(a_token_is_fetched_once_and_renewed_when_it_ends),
        TEST(tokens_that_are_never_good_are_not_fetched_for_ever),
        TEST(a_wrong_secret_is_tried_once_until_it_is_corrected),
        TEST(a_wrong_secret_fails_over),
        TEST(when_some_were_not_told_the_fail_over_is),
        TEST(closing_waits_for_the_answer),
        TEST(closing_between_steps_gives_the_message_back),
        TEST(closing_while_a_claim_is_made_gives_it_back),
        TEST(after_a_kill_a_robot_is_not_told_again_but_a_webhook_is),
        TEST(a_reload_changes_routes_and_channels),
        TEST(a_reload_that_fails_changes_nothing),
        TEST(channels_that_a_reload_takes_away_finish_and_leave_dead_letters),
        TEST(while_the_store_fails_nothing_is_sent_and_nothing_is_forgotten),
        TEST(a_full_queue_of_the_worker_only_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
