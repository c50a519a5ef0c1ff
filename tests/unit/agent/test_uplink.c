/* The way to the collector: what arrives, and what survives a collector that is silent, busy, broken or a
 * liar. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sqlite3.h>

#include "agent/uplink/uplink.h"
#include "common/base/alloc.h"
#include "tests/unit/agent/fake_collector.h"
#include "tests/unit/agent/faulty_vfs.h"
#include "tests/unit/agent/outbox_samples.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define FOREIGN_KEY "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"

enum { TEXT = 65536, PATIENCE_MS = 20000, WATCH_MS = 60 };

struct fixture {
    struct outbox_folder place;
    char url[PATH_BYTES];
    struct nj_loop loop;
    struct nj_worker *worker;
    struct nj_outbox *outbox;
    struct nj_metrics *metrics;
    struct nj_keyring *keyring;
    struct nj_uplink_options options;
    struct nj_uplink *uplink;
    struct fake_collector collector;
    uv_timer_t patience;
    bool expired, uplink_closed;
    char text[TEXT];
    char plan[256]; /* the last that came: "v1 shop/service.shop.web" */
    int plans;
    const char *namespaces[2]; /* that a plan is wanted for */
    size_t namespaces_count;
};

static void on_expired(uv_timer_t *timer)
{
    struct fixture *fixture = timer->data;
    fixture->expired = true;
}

/* Runs the loop until the condition holds; a test fails when it never does. */
static void run_until(struct fixture *fixture, bool (*holds)(struct fixture *fixture))
{
    fixture->expired = false;
    assert_int_equal(uv_timer_start(&fixture->patience, on_expired, PATIENCE_MS, 0), 0);
    while (!holds(fixture) && !fixture->expired)
        (void)uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    (void)uv_timer_stop(&fixture->patience);
    assert_true(holds(fixture));
}

/* Runs the loop a little, to see that something does not happen. */
static void run_on(struct fixture *fixture)
{
    fixture->expired = false;
    assert_int_equal(uv_timer_start(&fixture->patience, on_expired, WATCH_MS, 0), 0);
    while (!fixture->expired)
        (void)uv_run(&fixture->loop.uv, UV_RUN_ONCE);
}

static struct nj_outbox_stats stats_of(const struct fixture *fixture)
{
    struct nj_outbox_stats stats;
    nj_outbox_stats(fixture->outbox, &stats);
    return stats;
}

static bool outbox_empty(struct fixture *fixture)
{
    return stats_of(fixture).events == 0;
}

static bool heard(struct fixture *fixture)
{
    return fixture->collector.requests > 0;
}

static bool acknowledged(struct fixture *fixture)
{
    return nj_uplink_last_ack_ns(fixture->uplink) > 0;
}

static bool closed(struct fixture *fixture)
{
    return fixture->uplink_closed;
}

static void on_uplink_closed(void *data)
{
    struct fixture *fixture = data;
    fixture->uplink_closed = true;
}

static void report_status(void *data, struct nj_agent_status *ret_status)
{
    (void)data;
    *ret_status = (struct nj_agent_status){
        .version = "1.2.3", .started_ns = 77, .lost_crashes = 5, .pods = 110, .watch_synced = true};
}

/* Has the plan that came last. */
static void report_interest(void *data, struct nj_uplink_interest *ret_interest)
{
    struct fixture *fixture = data;
    *ret_interest = (struct nj_uplink_interest){.plan_version = fixture->plans > 0 ? "v1" : "",
                                                .namespaces = fixture->namespaces,
                                                .namespaces_count = fixture->namespaces_count};
}

static void on_plan(void *data, const struct nj_plan *plan)
{
    struct fixture *fixture = data;
    fixture->plans++;
    (void)snprintf(fixture->plan, sizeof(fixture->plan), "%s %s/%s", plan->version, plan->namespaces[0].name,
                   plan->namespaces[0].checks[0].monitor);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    make_folder(&fixture->place);
    (void)snprintf(fixture->url, sizeof(fixture->url), "ipc://%s/socket", fixture->place.folder);
    assert_int_equal(nj_loop_init(&fixture->loop, &fixture->place.clock), 0);
    fixture->worker = nj_worker_new(&fixture->loop, "test", 16);
    fixture->outbox = open_outbox(&fixture->place, NULL);
    fixture->metrics = nj_metrics_new();
    assert_int_equal(nj_keyring_parse(KEY, strlen(KEY), &fixture->keyring, NULL), 0);
    assert_int_equal(uv_timer_init(&fixture->loop.uv, &fixture->patience), 0);
    fixture->patience.data = fixture;
    fixture->options = (struct nj_uplink_options){
        .url = fixture->url,
        .cluster = "prod",
        .node = "node-7",
        .worker = fixture->worker,
        .outbox = fixture->outbox,
        .keyring = fixture->keyring,
        .metrics = fixture->metrics,
        .heartbeat_ns = NJ_HOUR,
        .reply_timeout_ns = PATIENCE_MS * NJ_MS,
        .reconnect_min_ns = 2 * NJ_MS,
        .reconnect_max_ns = 20 * NJ_MS,
        .batch_events = NJ_UPLINK_BATCH_EVENTS,
        .batch_bytes = NJ_UPLINK_BATCH_BYTES,
        .status = report_status,
    };
    fake_collector_init(&fixture->collector, &fixture->loop, fixture->url, KEY, FOREIGN_KEY);
    fake_collector_listen(&fixture->collector);
    *state = fixture;
    return 0;
}

static void start(struct fixture *fixture)
{
    struct nj_err err = {0};
    fixture->uplink_closed = false;
    int rc = nj_uplink_start(&fixture->loop, &fixture->options, &fixture->uplink, &err);
    if (rc != 0)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
}

static void stop(struct fixture *fixture, int64_t drain_ns)
{
    nj_uplink_close(fixture->uplink, drain_ns, on_uplink_closed, fixture);
    fixture->uplink = NULL;
    run_until(fixture, closed);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->uplink != NULL)
        stop(fixture, 0);
    fake_collector_stop(&fixture->collector);
    nj_worker_close(fixture->worker, NULL, NULL);
    uv_close((uv_handle_t *)&fixture->patience, NULL);
    assert_int_equal(nj_loop_close(&fixture->loop), 0);
    fake_collector_done(&fixture->collector);
    nj_outbox_close(fixture->outbox);
    nj_metrics_free(fixture->metrics);
    nj_keyring_free(fixture->keyring);
    DIR *dir = opendir(fixture->place.folder);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(fixture->place.folder);
    free(fixture);
    return 0;
}

/* Directly, while the worker has nothing of the outbox's to do. */
static void append(struct fixture *fixture, const char *id)
{
    struct nj_event event = crash_event(id, "log\n");
    append_one(fixture->outbox, &event);
}

static void append_many(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%04d", i);
        append(fixture, id);
    }
}

static const char *arrived(struct fixture *fixture)
{
    return fake_collector_ids(&fixture->collector, fixture->text, sizeof(fixture->text));
}

static void assert_arrived_in_order(const struct fixture *fixture, int count)
{
    assert_int_equal(fixture->collector.ids_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(strtol(fixture->collector.ids[i], NULL, 10), i);
}

/* The value of a series, as Prometheus would read it. `series` is the name, with its labels in braces. */
static uint64_t counted(struct fixture *fixture, const char *series)
{
    struct nj_buf text = {0};
    NJ_CLEANUP_FREE char *start = nj_asprintf("\n%s ", series);
    assert_int_equal(nj_metrics_render(fixture->metrics, &text), 0);
    const char *line = strstr(nj_buf_str(&text), start);
    assert_non_null(line);
    uint64_t value = strtoull(line + strlen(start), NULL, 10);
    nj_buf_done(&text);
    return value;
}

static void test_it_says_hello_at_once(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    assert_true(nj_uplink_last_ack_ns(fixture->uplink) == 0);
    run_until(fixture, acknowledged);
    const struct fake_collector *collector = &fixture->collector;
    assert_int_equal(collector->requests, 1);
    assert_string_equal(collector->cluster, "prod");
    assert_string_equal(collector->node, "node-7");
    assert_string_equal(collector->stream, nj_outbox_stream(fixture->outbox));
    assert_string_equal(collector->status.version, "1.2.3");
    assert_true(collector->status.started_ns == 77 && collector->status.lost_crashes == 5);
    assert_true(collector->status.pods == 110 && collector->status.watch_synced);
    assert_true(counted(fixture, "nightjar_uplink_batches_total") == 1);
}

static void test_a_lone_crash_goes_at_once_and_is_forgotten_when_committed(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    run_until(fixture, acknowledged);
    append(fixture, "crash");
    nj_uplink_kick(fixture->uplink); /* nothing but the kick wakes it: heartbeats are an hour apart */
    run_until(fixture, outbox_empty);
    assert_string_equal(arrived(fixture), "crash");
    assert_int_equal(fixture->collector.requests, 2);
    assert_true(fixture->collector.status.outbox_events == 1);
    assert_true(counted(fixture, "nightjar_uplink_events_sent_total") == 1);
    assert_true(counted(fixture, "nightjar_uplink_events_acknowledged_total") == 1);
}

static void test_a_backlog_goes_in_order_and_in_bounded_batches(void **state)
{
    struct fixture *fixture = *state;
    append_many(fixture, 1200);
    fixture->options.batch_events = 500;
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 1200);
    assert_int_equal(fixture->collector.duplicates, 0);
    assert_int_equal(fixture->collector.largest_batch, 500);
    assert_int_equal(fixture->collector.requests, 3);
}

static void test_batches_keep_to_their_bytes_but_a_large_event_goes_alone(void **state)
{
    struct fixture *fixture = *state;
    char *log = malloc(100001);
    assert_non_null(log);
    memset(log, 'x', 100000);
    log[100000] = '\0';
    for (int i = 0; i < 10; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%04d", i);
        struct nj_event event = crash_event(id, i == 4 ? log : "log\n");
        append_one(fixture->outbox, &event);
    }
    free(log);
    fixture->options.batch_bytes = 1000;
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 10);
    assert_true(fixture->collector.requests >= 3);
}

static void test_the_largest_batches_are_taken(void **state)
{
    struct fixture *fixture = *state;
    const size_t large = NJ_EVENT_BYTES_MAX - 1000, small = 900;
    char *log = malloc(large + 1);
    uint32_t random = 1;
    assert_non_null(log);
    for (size_t i = 0; i < large; i++) {
        random = random * 1664525 + 1013904223;
        log[i] = (char)('!' + (random >> 24) % 90); /* hardly compresses */
    }
    log[large] = '\0';
    struct nj_event event = crash_event("0000", log);
    append_one(fixture->outbox, &event);
    for (int i = 1; i < NJ_BATCH_EVENTS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%04d", i);
        event = crash_event(id, log + large - small);
        append_one(fixture->outbox, &event);
    }
    free(log);
    fixture->options.batch_events = NJ_BATCH_EVENTS_MAX;
    fixture->options.batch_bytes = NJ_BATCH_BYTES_MAX;
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, NJ_BATCH_EVENTS_MAX);
    assert_true(fixture->collector.largest_batch > 3000);
    assert_int_equal(fixture->collector.bad_requests, 0);
}

static bool five_heartbeats(struct fixture *fixture)
{
    return fixture->collector.heartbeats >= 5;
}

static void test_heartbeats_go_on_when_nothing_happens(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.heartbeat_ns = 5 * NJ_MS;
    start(fixture);
    run_until(fixture, five_heartbeats);
    assert_int_equal(fixture->collector.ids_count, 0);
}

static const struct nj_plan_pair web_pods[] = {{"app", "web"}};
static const struct nj_plan_check web_check = {
    .monitor = "service.shop.web", .source = NJ_SOURCE_DERIVED, .selector = web_pods, .selector_count = 1};
static const struct nj_plan_namespace shop_plan = {.name = "shop", .checks = &web_check, .checks_count = 1};

static void want_plans(struct fixture *fixture)
{
    fixture->options.interest = report_interest;
    fixture->options.on_plan = on_plan;
    fixture->options.data = fixture;
    fixture->collector.plan = &shop_plan;
    fixture->collector.plan_version = "v1";
    fixture->namespaces[0] = "shop";
    fixture->namespaces[1] = "zoo";
    fixture->namespaces_count = 1;
}

static bool three_requests(struct fixture *fixture)
{
    return fixture->collector.requests >= 3;
}

static bool asked_for_both(struct fixture *fixture)
{
    return strcmp(fixture->collector.asked_for, "v1: shop zoo") == 0;
}

/* The first answer brings the plan, the next ones do not: the agent says which it has. */
static void test_a_plan_comes_once(void **state)
{
    struct fixture *fixture = *state;
    want_plans(fixture);
    fixture->options.heartbeat_ns = 5 * NJ_MS;
    start(fixture);
    run_until(fixture, three_requests);
    assert_string_equal(fixture->plan, "v1 shop/service.shop.web");
    assert_int_equal(fixture->plans, 1);
    assert_string_equal(fixture->collector.asked_for, "v1: shop");
}

/* What the agent wants to know has changed: one question soon, however often that is said, and no heartbeat.
 */
static void test_a_plan_is_asked_for_at_once(void **state)
{
    struct fixture *fixture = *state;
    want_plans(fixture);
    start(fixture);
    run_until(fixture, acknowledged);
    assert_string_equal(fixture->collector.asked_for, ": shop");
    fixture->namespaces_count = 2;
    for (int i = 0; i < 100; i++)
        nj_uplink_refresh(fixture->uplink);
    run_until(fixture, asked_for_both);
    run_on(fixture);
    assert_int_equal(fixture->collector.requests, 2);
    nj_uplink_refresh(fixture->uplink); /* closed while one is due */
}

/* A plan in an answer that refuses is none. */
static void test_a_refusal_brings_no_plan(void **state)
{
    struct fixture *fixture = *state;
    want_plans(fixture);
    fixture->collector.manner = FAKE_REFUSE;
    fixture->collector.refusal = NJ_REFUSAL_BUSY;
    fixture->collector.for_requests = 1;
    start(fixture);
    run_until(fixture, heard);
    assert_int_equal(fixture->plans, 0);
    run_until(fixture, acknowledged);
    assert_int_equal(fixture->plans, 1);
}

static void test_a_silent_collector_gets_everything_later(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_SILENT;
    fixture->collector.for_requests = 3;
    fixture->options.reply_timeout_ns = 10 * NJ_MS;
    append_many(fixture, 20);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 20);
    assert_true(counted(fixture, "nightjar_uplink_timeouts_total") >= 3);
}

static void test_a_lost_answer_makes_no_second_event(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_COMMIT_SILENT;
    fixture->collector.for_requests = 2;
    fixture->options.reply_timeout_ns = 10 * NJ_MS;
    append_many(fixture, 20);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 20);
    assert_true(fixture->collector.duplicates >= 20); /* sent again, and known */
}

static void test_what_was_committed_in_part_is_sent_in_rest(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_HALF;
    fixture->collector.for_requests = -1;
    append_many(fixture, 20);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 20);
    assert_int_equal(fixture->collector.duplicates, 0);
}

static void test_a_collector_that_never_commits_deletes_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_LAZY;
    fixture->collector.for_requests = -1;
    append_many(fixture, 3);
    start(fixture);
    run_until(fixture, three_requests);
    assert_true(stats_of(fixture).events == 3);
    fixture->collector.for_requests = 0;
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 3);
}

/* stderr goes to a file meanwhile; returns how many lines hold `text`. */
static int count_log_lines(FILE *log, const char *text)
{
    char line[4096];
    int count = 0;
    rewind(log);
    while (fgets(line, sizeof(line), log) != NULL)
        count += strstr(line, text) != NULL;
    return count;
}

static void test_a_refusal_is_counted_told_once_and_tried_again(void **state)
{
    struct fixture *fixture = *state;
    FILE *log = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_non_null(log);
    assert_true(saved >= 0 && dup2(fileno(log), STDERR_FILENO) >= 0);
    fixture->collector.manner = FAKE_REFUSE;
    fixture->collector.refusal = NJ_REFUSAL_STORE;
    fixture->collector.for_requests = 5;
    append_many(fixture, 3);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    assert_arrived_in_order(fixture, 3);
    assert_true(counted(fixture, "nightjar_uplink_refused_total{reason=\"store\"}") == 5);
    assert_int_equal(count_log_lines(log, "not now"), 1);
    assert_int_equal(count_log_lines(log, "takes events again"), 1);
    (void)fclose(log);
}

static bool two_requests(struct fixture *fixture)
{
    return fixture->collector.requests >= 2;
}

static void test_a_busy_collector_is_left_alone_for_as_long_as_it_asks(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_REFUSE;
    fixture->collector.refusal = NJ_REFUSAL_BUSY;
    fixture->collector.retry_after_ns = NJ_HOUR;
    fixture->collector.for_requests = 1;
    append(fixture, "a");
    fixture->options.heartbeat_ns = NJ_MS;
    start(fixture);
    run_until(fixture, heard);
    append(fixture, "b");
    nj_uplink_kick(fixture->uplink);
    run_on(fixture); /* thirty times the pause after an ordinary refusal */
    assert_int_equal(fixture->collector.requests, 1);
    assert_true(stats_of(fixture).events == 2);
    assert_true(nj_uplink_last_ack_ns(fixture->uplink) == 0);
}

static void test_numbers_it_never_gave_out_are_skipped(void **state)
{
    struct fixture *fixture = *state;
    /* As after a restore of an older copy of the file: the collector has more than the file knows. */
    fixture->collector.committed = 1000;
    append_many(fixture, 5);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 5);
    assert_true(fixture->collector.seqs[0] == 1001 && fixture->collector.seqs[4] == 1005);
    append(fixture, "0005");
    nj_uplink_kick(fixture->uplink);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 6);
}

static void test_absurd_numbers_are_no_answer(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.lie = UINT64_MAX;
    fixture->collector.for_requests = 1;
    append_many(fixture, 5);
    fixture->collector.manner = FAKE_LIE_COMMITTED;
    start(fixture);
    run_until(fixture, heard);
    fixture->collector.for_requests = 1;
    fixture->collector.manner = FAKE_LIE_REQUEST;
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 5);
    assert_true(counted(fixture, "nightjar_uplink_bad_replies_total") == 2);
    assert_true(stats_of(fixture).last_seq == 5);
}

static void test_answers_of_others_are_counted_and_ignored(void **state)
{
    static const enum fake_manner manners[] = {FAKE_GARBAGE, FAKE_WRONG_KEY, FAKE_CHANGED, FAKE_REPEAT};
    struct fixture *fixture = *state;
    start(fixture);
    run_until(fixture, acknowledged); /* so that there is an answer to repeat */
    for (int i = 0; i < 4; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        int before = fixture->collector.requests;
        fixture->collector.manner = manners[i];
        fixture->collector.for_requests = 2;
        append(fixture, id);
        nj_uplink_kick(fixture->uplink);
        run_until(fixture, outbox_empty);
        assert_int_equal(fixture->collector.requests - before, 3);
        assert_true(counted(fixture, "nightjar_uplink_bad_replies_total") == 2 * (uint64_t)(i + 1));
    }
    assert_string_equal(arrived(fixture), "a b c d");
}

static void test_a_restarted_collector_gets_what_happened_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.reply_timeout_ns = 30 * NJ_MS;
    start(fixture);
    run_until(fixture, acknowledged);
    for (int i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%04d", i);
        fake_collector_stop(&fixture->collector);
        append(fixture, id);
        nj_uplink_kick(fixture->uplink);
        run_on(fixture);
        assert_true(stats_of(fixture).events == 1);
        fake_collector_listen(&fixture->collector);
        run_until(fixture, outbox_empty);
    }
    assert_arrived_in_order(fixture, 3);
}

static void test_request_numbers_rise_over_restarts(void **state)
{
    struct fixture *fixture = *state;
    uint64_t last = 0;
    fixture->collector.check_requests = true;
    for (int i = 0; i < 4; i++) {
        fixture->collector.requests = 0;
        start(fixture);
        run_until(fixture, acknowledged);
        assert_int_equal(fixture->collector.requests, 1);
        assert_true(fixture->collector.last_request > last);
        last = fixture->collector.last_request;
        stop(fixture, 0);
    }
    assert_true(counted(fixture, "nightjar_uplink_refused_total{reason=\"replay\"}") == 0);
}

static void test_a_request_number_that_was_seen_is_skipped_at_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.check_requests = true;
    fixture->collector.last_request = 1000000;
    fixture->options.reconnect_min_ns = fixture->options.reconnect_max_ns = NJ_HOUR; /* no pause is needed */
    append(fixture, "a");
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_string_equal(arrived(fixture), "a");
    assert_true(fixture->collector.last_request > 1000000);
    assert_int_equal(fixture->collector.requests, 2);
}

static void test_closing_sends_what_is_queued(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    run_until(fixture, acknowledged);
    append_many(fixture, 1200); /* without a kick */
    stop(fixture, PATIENCE_MS * NJ_MS);
    assert_arrived_in_order(fixture, 1200);
    assert_true(outbox_empty(fixture));
}

static void test_closing_ends_in_time_when_nobody_answers(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_SILENT;
    fixture->collector.for_requests = -1;
    append_many(fixture, 3);
    start(fixture);
    run_until(fixture, heard);
    stop(fixture, 20 * NJ_MS);
    assert_true(stats_of(fixture).events == 3);
}

static void test_closing_without_drain_leaves_the_rest_for_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    append_many(fixture, 3);
    start(fixture);
    stop(fixture, 0); /* with the first fetch under way */
    assert_true(stats_of(fixture).events == 3);
    start(fixture);
    run_until(fixture, outbox_empty);
    assert_arrived_in_order(fixture, 3);
    fixture->uplink_closed = false;
    nj_uplink_close(NULL, NJ_SEC, on_uplink_closed, fixture);
    assert_true(fixture->uplink_closed);
}

struct blocking_job {
    struct nj_job job;
    sem_t go_on;
};

static void wait_for_it(struct nj_job *job)
{
    struct blocking_job *blocking = job->data;
    (void)sem_wait(&blocking->go_on);
}

static void test_a_full_worker_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    enum { JOBS = 17 };
    struct blocking_job blocking = {0};
    struct nj_job jobs[JOBS];
    assert_int_equal(sem_init(&blocking.go_on, 0, 0), 0);
    int submitted = 0;
    while (submitted < JOBS) {
        jobs[submitted] = (struct nj_job){.run = wait_for_it, .data = &blocking};
        if (nj_worker_submit(fixture->worker, &jobs[submitted]) < 0)
            break;
        submitted++;
    }
    append(fixture, "a");
    start(fixture);
    run_on(fixture);
    assert_int_equal(fixture->collector.requests, 0);
    for (int i = 0; i < submitted; i++)
        assert_int_equal(sem_post(&blocking.go_on), 0);
    run_until(fixture, outbox_empty);
    assert_string_equal(arrived(fixture), "a");
    assert_int_equal(sem_destroy(&blocking.go_on), 0);
}

static bool committed_all(struct fixture *fixture)
{
    return fixture->collector.ids_count == 5 && fixture->collector.requests >= 2;
}

static bool several_errors(struct fixture *fixture)
{
    return counted(fixture, "nightjar_outbox_errors_total") >= 3;
}

static void test_a_full_disk_stops_neither_events_nor_heartbeats(void **state)
{
    struct fixture *fixture = *state;
    struct faulty_disk disk = {0};
    nj_outbox_close(fixture->outbox);
    faulty_vfs_install(&disk);
    fixture->outbox = open_outbox(&fixture->place, NULL);
    fixture->options.outbox = fixture->outbox;
    append_many(fixture, 5);
    disk.code = SQLITE_FULL;
    disk.fail_from = disk.calls + 1;
    fixture->options.heartbeat_ns = 5 * NJ_MS;
    start(fixture);
    run_until(fixture, committed_all);
    run_until(fixture, several_errors);
    run_until(fixture, five_heartbeats);
    assert_true(stats_of(fixture).events == 5); /* could not be forgotten */
    assert_int_equal(fixture->collector.duplicates, 0);
    disk.fail_from = 0;
    run_until(fixture, outbox_empty);
    stop(fixture, 0);
    nj_outbox_close(fixture->outbox);
    faulty_vfs_remove();
    fixture->outbox = open_outbox(&fixture->place, NULL);
    assert_true(outbox_empty(fixture));
}

static bool two_bad_requests(struct fixture *fixture)
{
    return fixture->collector.bad_requests >= 2;
}

static void test_an_agent_with_another_key_is_not_understood(void **state)
{
    struct fixture *fixture = *state;
    struct nj_keyring *foreign = NULL;
    assert_int_equal(nj_keyring_parse(FOREIGN_KEY, strlen(FOREIGN_KEY), &foreign, NULL), 0);
    fixture->options.keyring = foreign;
    fixture->options.reply_timeout_ns = 10 * NJ_MS;
    append(fixture, "a");
    start(fixture);
    run_until(fixture, two_bad_requests);
    stop(fixture, 0);
    nj_keyring_free(foreign);
    assert_int_equal(fixture->collector.requests, 0);
    assert_true(stats_of(fixture).events == 1);
}

static void test_the_outbox_is_shown_in_the_metrics(void **state)
{
    struct fixture *fixture = *state;
    fixture->collector.manner = FAKE_LAZY;
    fixture->collector.for_requests = -1;
    append_many(fixture, 3);
    start(fixture);
    run_until(fixture, two_requests);
    nj_uplink_kick(fixture->uplink);
    assert_true(counted(fixture, "nightjar_outbox_events") == 3);
    assert_true(counted(fixture, "nightjar_outbox_bytes") == stats_of(fixture).bytes);
    assert_true(counted(fixture, "nightjar_outbox_dropped_total{class=\"failure\"}") == 0);
    assert_true(counted(fixture, "nightjar_uplink_refused_total{reason=\"version\"}") == 0);
}

static void test_options_out_of_range_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_uplink *uplink = NULL;
    struct nj_err err = {0};
    struct nj_uplink_options options = fixture->options;
    options.batch_events = NJ_BATCH_EVENTS_MAX + 1;
    assert_int_equal(nj_uplink_start(&fixture->loop, &options, &uplink, &err), -EINVAL);
    options = fixture->options;
    options.batch_bytes = NJ_BATCH_BYTES_MAX + 1;
    assert_int_equal(nj_uplink_start(&fixture->loop, &options, &uplink, &err), -EINVAL);
    options = fixture->options;
    options.reconnect_max_ns = options.reconnect_min_ns - 1;
    assert_int_equal(nj_uplink_start(&fixture->loop, &options, &uplink, &err), -EINVAL);
    options = fixture->options;
    options.url = "http://collector";
    assert_int_equal(nj_uplink_start(&fixture->loop, &options, &uplink, &err), -EINVAL);
    assert_true(err.text[0] != '\0');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_says_hello_at_once),
        TEST(test_a_lone_crash_goes_at_once_and_is_forgotten_when_committed),
        TEST(test_a_backlog_goes_in_order_and_in_bounded_batches),
        TEST(test_batches_keep_to_their_bytes_but_a_large_event_goes_alone),
        TEST(test_the_largest_batches_are_taken),
        TEST(test_heartbeats_go_on_when_nothing_happens),
        TEST(test_a_plan_comes_once),
        TEST(test_a_plan_is_asked_for_at_once),
        TEST(test_a_refusal_brings_no_plan),
        TEST(test_a_silent_collector_gets_everything_later),
        TEST(test_a_lost_answer_makes_no_second_event),
        TEST(test_what_was_committed_in_part_is_sent_in_rest),
        TEST(test_a_collector_that_never_commits_deletes_nothing),
        TEST(test_a_refusal_is_counted_told_once_and_tried_again),
        TEST(test_a_busy_collector_is_left_alone_for_as_long_as_it_asks),
        TEST(test_numbers_it_never_gave_out_are_skipped),
        TEST(test_absurd_numbers_are_no_answer),
        TEST(test_answers_of_others_are_counted_and_ignored),
        TEST(test_a_restarted_collector_gets_what_happened_meanwhile),
        TEST(test_request_numbers_rise_over_restarts),
        TEST(test_a_request_number_that_was_seen_is_skipped_at_once),
        TEST(test_closing_sends_what_is_queued),
        TEST(test_closing_ends_in_time_when_nobody_answers),
        TEST(test_closing_without_drain_leaves_the_rest_for_the_next_start),
        TEST(test_a_full_worker_is_waited_for),
        TEST(test_a_full_disk_stops_neither_events_nor_heartbeats),
        TEST(test_an_agent_with_another_key_is_not_understood),
        TEST(test_the_outbox_is_shown_in_the_metrics),
        TEST(test_options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
