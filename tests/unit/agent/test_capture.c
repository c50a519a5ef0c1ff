/*
 * From a finding to the outbox: what is stored, in which order, with which log, and what happens when the
 * file, the API server or the disk fails.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/crash/capture.h"
#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "common/base/log.h"
#include "tests/unit/agent/fake_api.h"

enum { STORED_MAX = 64, ARENA_MAX = 16 << 20 };

static const char plain[] = "text/plain";
static const char log_path[] = "/api/v1/namespaces/shop/pods/web-1/log";

/* 2026-11-21T09:13:26Z to :31, when the crashed container ran. */
static const int64_t started_ns = INT64_C(1795252406) * NJ_SEC;
static const int64_t finished_ns = INT64_C(1795252411) * NJ_SEC;
#define LINE_1 "2026-11-21T09:13:26.5Z stdout F starting\n"
#define LINE_2 "2026-11-21T09:13:31.2Z stderr F FATAL: password=hunter2\n"

struct fixture {
    struct test_loop *test;
    struct fake_api api;
    struct nj_worker *worker;
    struct nj_owners *owners;
    struct nj_metrics *metrics;
    struct nj_outbox *outbox;
    struct nj_capture *capture;
    struct nj_capture_options options;
    char log_dir[96], outbox_path[96];
    char workload[128]; /* of the last on_workload() */
    int stored;         /* on_stored() */
    int broken;

    struct nj_arena arena; /* of what was read back */
    struct nj_event events[STORED_MAX];
    size_t events_count;
};

static void on_workload(void *data, const char *pod_uid, const char *kind, const char *name)
{
    struct fixture *f = data;
    (void)snprintf(f->workload, sizeof(f->workload), "%s %s %s", pod_uid, kind, name);
}

static void on_stored(void *data)
{
    struct fixture *f = data;
    f->stored++;
}

static void on_broken(void *data, const struct nj_err *err)
{
    struct fixture *f = data;
    (void)err;
    f->broken++;
}

static void open_capture(struct fixture *f)
{
    assert_int_equal(nj_redactor_new(true, NULL, 0, &f->options.redactor, NULL), 0);
    f->capture = nj_capture_new(&f->options);
}

static void open_outbox(struct fixture *f)
{
    struct nj_outbox_options options = {
        .path = f->outbox_path, .max_bytes = 64 << 20, .max_events = 1000, .clock = &f->test->clock};
    struct nj_err err = {0};
    if (nj_outbox_open(&options, &f->outbox, NULL, &err) < 0)
        fail_msg("%s", err.text);
    f->options.outbox = f->outbox;
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    fake_api_open(&f->api, f->test);
    (void)snprintf(f->log_dir, sizeof(f->log_dir), "%s/pods", f->api.folder);
    (void)snprintf(f->outbox_path, sizeof(f->outbox_path), "%s/outbox.db", f->api.folder);
    f->metrics = nj_metrics_new();
    f->worker = nj_worker_new(&f->test->loop, "test", 8);
    struct nj_owners_options owners = {.loop = &f->test->loop, .client = f->api.client, .node = "node1"};
    f->owners = nj_owners_new(&owners);
    f->options = (struct nj_capture_options){.loop = &f->test->loop,
                                             .worker = f->worker,
                                             .owners = f->owners,
                                             .client = f->api.client,
                                             .metrics = f->metrics,
                                             .log_dir = f->log_dir,
                                             .max_files = 8,
                                             .limits = {.max_lines = 1000, .max_bytes = 65536},
                                             .on_workload = on_workload,
                                             .on_stored = on_stored,
                                             .on_broken = on_broken,
                                             .data = f};
    open_outbox(f);
    open_capture(f);
    nj_arena_init(&f->arena, ARENA_MAX);
    *state = f;
    return 0;
}

static void close_capture(struct fixture *f, int64_t drain_ns)
{
    bool closed = false;
    nj_capture_close(f->capture, drain_ns, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    f->capture = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->capture != NULL)
        close_capture(f, 0);
    bool closed = false;
    nj_owners_close(f->owners, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    closed = false;
    nj_worker_close(f->worker, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    nj_outbox_close(f->outbox);
    fake_api_close(&f->api);
    nj_metrics_free(f->metrics);
    nj_arena_done(&f->arena);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

/* --- what comes in --- */

static void write_log(const struct fixture *f, const char *pod, int attempt, const char *text)
{
    char path[256];
    (void)mkdir(f->log_dir, 0700);
    (void)snprintf(path, sizeof(path), "%s/shop_%s_%s", f->log_dir, pod, pod);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/shop_%s_%s/c", f->log_dir, pod, pod);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s/shop_%s_%s/c/%d.log", f->log_dir, pod, pod, attempt);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_log(const struct fixture *f, const char *pod, int attempt)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/shop_%s_%s/c/%d.log", f->log_dir, pod, pod, attempt);
    assert_int_equal(unlink(path), 0);
}

struct made { /* a finding, to be changed before it is handed over */
    struct nj_event event;
    struct nj_finding finding;
};

/* A crash of container c of a bare pod, whose uid is its name; number 1, terminated now. */
static void make_crash(struct made *made, const char *pod, const char *id)
{
    *made = (struct made){
        .event =
            {.id = id,
             .at_ns = finished_ns,
             .seen_ns = finished_ns,
             .type = NJ_EVENT_CRASH,
             .subject = {.namespace = "shop", .pod = pod, .pod_uid = pod, .node = "node1", .container = "c"},
             .crash = {.container_id = "x://1",
                       .container_type = "app",
                       .reason = "Error",
                       .message = "",
                       .exit_code = 3,
                       .attempt = 1,
                       .started_ns = started_ns,
                       .finished_ns = finished_ns}},
        .finding = {.pod_uid = pod,
                    .owner = {"", "", "", "", ""},
                    .first_told = true,
                    .directory_uid = pod,
                    .attempts = {1},
                    .attempts_count = 1}};
}

static void hand_over(struct fixture *f, struct made *made)
{
    made->finding.event = &made->event;
    nj_capture_finding(f->capture, &made->finding);
}

static void tell_crash(struct fixture *f, const char *pod, const char *id)
{
    struct made made;
    make_crash(&made, pod, id);
    hand_over(f, &made);
}

static void tell_state(struct fixture *f, const char *pod, const char *id)
{
    struct made made;
    make_crash(&made, pod, id);
    made.event.type = NJ_EVENT_STUCK;
    made.event.stuck =
        (struct nj_stuck){.reason = "ErrImagePull", .message = "https://me:secret@registry/x", .image = "x"};
    hand_over(f, &made);
}

/* --- what comes out --- */

static void wait_idle(struct fixture *f)
{
    while (nj_capture_waiting(f->capture) > 0)
        assert_true(uv_run(&f->test->loop.uv, UV_RUN_ONCE) != 0);
}

/* Everything queued in the outbox, in order. */
static void read_back(struct fixture *f)
{
    struct nj_outbox_page page = {0};
    assert_int_equal(nj_outbox_read(f->outbox, 0, STORED_MAX, 32 << 20, &page, NULL), 0);
    nj_arena_reset(&f->arena);
    f->events_count = page.count;
    for (size_t i = 0; i < page.count; i++)
        assert_int_equal(
            nj_event_decode(page.events[i].bytes, page.events[i].len, &f->arena, &f->events[i], NULL), 0);
    nj_outbox_page_done(&page);
}

static const struct nj_event *stored(const struct fixture *f, const char *id)
{
    for (size_t i = 0; i < f->events_count; i++) {
        if (strcmp(f->events[i].id, id) == 0)
            return &f->events[i];
    }
    fail_msg("%s was not stored", id);
    return NULL;
}

static const struct nj_log_text *log_of(const struct fixture *f, const char *id)
{
    return &stored(f, id)->crash.log;
}

struct record_wanted {
    const char *key;
    char value[512];
    bool found;
};

static int on_record(void *data, const struct nj_outbox_record *record)
{
    struct record_wanted *wanted = data;
    if (strcmp(record->key, wanted->key) == 0) {
        wanted->found = true;
        (void)snprintf(wanted->value, sizeof(wanted->value), "%.*s", (int)record->len,
                       (const char *)record->value);
    }
    return 0;
}

static struct record_wanted record(const struct fixture *f, const char *key)
{
    struct record_wanted wanted = {.key = key};
    assert_int_equal(nj_outbox_load(f->outbox, on_record, &wanted, NULL), 0);
    return wanted;
}

static bool metric(const struct fixture *f, const char *line)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(f->metrics, &text), 0);
    bool found = strstr(nj_buf_str(&text), line) != NULL;
    nj_buf_done(&text);
    return found;
}

/* --- logs --- */

static void test_log_of_a_file(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1 LINE_2);
    struct made made;
    make_crash(&made, "web-1", "a");
    made.event.crash.message = "could not use token=ghp_0123456789abcdefghijABCDEFGHIJ0123456789";
    made.finding.record = (struct nj_outbox_record){"pod/web-1", "1\n", 2};
    hand_over(f, &made);
    wait_idle(f);
    read_back(f);
    const struct nj_event *event = stored(f, "a");
    assert_string_equal(event->crash.log.text, "starting\n[stderr] FATAL: password=[REDACTED]\n");
    assert_int_equal(event->crash.log.lines, 2);
    assert_string_equal(event->crash.log.source, "file");
    assert_string_equal(event->crash.log.missing, "");
    assert_null(strstr(event->crash.message, "ghp_"));
    assert_string_equal(event->subject.workload_kind, "Pod");
    assert_string_equal(event->subject.workload, "web-1");
    assert_string_equal(f->workload, "web-1 Pod web-1");
    assert_string_equal(record(f, "pod/web-1").value, "1\nw\tPod\tweb-1\n");
    assert_int_equal(f->stored, 1);
    assert_true(metric(f, "nightjar_agent_log_captures_total{source=\"file\"} 1\n"));
    assert_true(metric(f, "nightjar_agent_crashes_total{reason=\"Error\"} 1\n"));
    assert_true(metric(f, "nightjar_agent_log_files_open 0\n"));
}

/* The kubelet removes the file in the moment after the crash was seen. */
static void test_file_removed_at_once(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    tell_crash(f, "web-1", "a");
    remove_log(f, "web-1", 1);
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
    assert_int_equal(f->api.asked, 0);
}

/* The number may be one of two: the times in the files tell. */
static void test_other_number(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 2, "2026-11-21T09:20:00Z stdout F a later one\n");
    write_log(f, "web-1", 1, LINE_1);
    struct made made;
    make_crash(&made, "web-1", "a");
    made.event.crash.attempt = 2;
    made.finding.attempts[0] = 2;
    made.finding.attempts[1] = 1;
    made.finding.attempts_count = 2;
    hand_over(f, &made);
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
    assert_int_equal(stored(f, "a")->crash.attempt, 1);
}

static void test_log_of_the_api(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, log_path, 200, plain, "2026-11-21T09:13:26.5Z starting\n2026-11-21T09:13:31.2Z FATAL\n");
    struct made made;
    make_crash(&made, "web-1", "a");
    made.finding.previous = true;
    hand_over(f, &made);
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\nFATAL\n");
    assert_string_equal(log_of(f, "a")->source, "api");
    assert_non_null(strstr(f->api.query, "previous=true&"));
    assert_non_null(strstr(f->api.query, "container=c&"));
    assert_non_null(strstr(f->api.query, "timestamps=true&"));
    assert_non_null(strstr(f->api.query, "tailLines=1001&"));
    assert_null(strstr(f->api.query, "limitBytes"));
}

/* Meanwhile the container has gone from state to lastState: the first answer is the next instance's. */
static void test_api_has_moved_on(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, log_path, 200, plain, "2026-11-21T09:14:00Z the next one\n")->previous = "false";
    fake_on(&f->api, log_path, 200, plain, "2026-11-21T09:13:27Z this one\n")->previous = "true";
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "this one\n");
    assert_int_equal(f->api.asked, 2);
}

static void test_no_log_anywhere(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned status;
        const char *body, *said, *counted;
    } cases[] = {
        {200, "2026-11-21T09:14:00Z the next one\n", "another instance",
         "nightjar_agent_log_missing_total{cause=\"other_instance\"} 1\n"},
        {200, "unable to retrieve container logs for containerd://1", "unable to retrieve",
         "nightjar_agent_log_missing_total{cause=\"gone\"} 1\n"},
        {400,
         "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"message\":\"previous terminated "
         "container not found\",\"code\":400}",
         "previous terminated container not found", "nightjar_agent_log_missing_total{cause=\"gone\"} 2\n"},
        {404, "{}", "the API server says", "nightjar_agent_log_missing_total{cause=\"gone\"} 3\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "crash-%zu", i);
        f->api.answers_count = 0;
        fake_on(&f->api, log_path, cases[i].status, i < 2 ? plain : "application/json", cases[i].body);
        tell_crash(f, "web-1", id);
        wait_idle(f);
        read_back(f);
        assert_string_equal(log_of(f, id)->text, "");
        assert_non_null(strstr(log_of(f, id)->missing, cases[i].said));
        assert_true(metric(f, cases[i].counted));
    }
}

/* A correction is told without a log, unless there was none the first time. */
static void test_corrections(void **state)
{
    struct fixture *f = *state;
    struct made made;
    write_log(f, "web-1", 1, LINE_1);
    tell_crash(f, "web-1", "with");
    wait_idle(f);
    tell_crash(f, "web-2", "without");
    wait_idle(f);
    write_log(f, "web-2", 1, LINE_1);
    make_crash(&made, "web-1", "with");
    made.finding.first_told = false;
    made.event.crash.reason = "OOMKilled";
    hand_over(f, &made);
    make_crash(&made, "web-2", "without");
    made.finding.first_told = false;
    hand_over(f, &made);
    wait_idle(f);
    read_back(f);
    const struct nj_event *last = stored(f, "with");
    for (size_t i = 0; i < f->events_count; i++) {
        if (strcmp(f->events[i].id, "with") == 0)
            last = &f->events[i];
    }
    assert_string_equal(last->crash.reason, "OOMKilled");
    assert_string_equal(last->crash.log.text, "");
    assert_string_equal(log_of(f, "without")->text, "starting\n"); /* it took the first one's place */
}

static void test_messages_are_redacted(void **state)
{
    struct fixture *f = *state;
    tell_state(f, "web-1", "s");
    wait_idle(f);
    read_back(f);
    assert_null(strstr(stored(f, "s")->stuck.message, "secret"));
    assert_non_null(strstr(stored(f, "s")->stuck.message, "registry/x"));
}

/* New settings count for what comes after them. */
static void test_new_settings(void **state)
{
    struct fixture *f = *state;
    char pattern[] = "start";
    char *patterns[] = {pattern};
    struct nj_redactor *redactor = NULL;
    write_log(f, "web-1", 1, LINE_1 LINE_2);
    tell_crash(f, "web-1", "before");
    assert_int_equal(nj_redactor_new(false, patterns, 1, &redactor, NULL), 0);
    nj_capture_set(f->capture, &(struct nj_log_limits){.max_lines = 1, .max_bytes = 65536}, redactor);
    tell_crash(f, "web-1", "after");
    wait_idle(f);
    read_back(f);
    assert_int_equal(log_of(f, "before")->lines, 2);
    assert_string_equal(log_of(f, "after")->text, "[stderr] FATAL: password=hunter2\n");
    assert_true(log_of(f, "after")->cut);
}

/* --- ends that are announced before the pod's status tells them --- */

static void announce(struct fixture *f, const char *pod, const char *container_id, int32_t attempt)
{
    struct nj_capture_end end = {.container_id = container_id,
                                 .namespace = "shop",
                                 .pod = pod,
                                 .directory_uid = pod,
                                 .container = "c",
                                 .attempt = attempt,
                                 .exit_code = 3 << 8};
    nj_capture_container_ended(f->capture, &end);
}

/* The worker has done what was asked of it so far. */
static void on_flushed(struct nj_job *job)
{
    *(bool *)job->data = true;
}

static void nothing(struct nj_job *job)
{
    (void)job;
}

static void flush_worker(struct fixture *f)
{
    bool flushed = false;
    struct nj_job job = {.run = nothing, .done = on_flushed, .data = &flushed};
    assert_int_equal(nj_worker_submit(f->worker, &job), 0);
    test_run_until(f->test, &flushed);
}

static void run_until_metric(struct fixture *f, const char *line)
{
    while (!metric(f, line))
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
}

/* The kubelet has removed the dead container and its log before the status with the crash arrives. */
static void test_end_announced(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1 LINE_2);
    announce(f, "web-1", "1", 1); /* the kernel's word has no scheme, the status has one */
    flush_worker(f);
    assert_true(metric(f, "nightjar_agent_log_files_open 1\n"));
    remove_log(f, "web-1", 1);
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n[stderr] FATAL: password=[REDACTED]\n");
    assert_string_equal(log_of(f, "a")->source, "file");
    assert_false(log_of(f, "a")->cut);
    assert_int_equal(f->api.asked, 0);
    assert_true(metric(f, "nightjar_agent_held_logs_total{outcome=\"used\"} 1\n"));
    assert_true(metric(f, "nightjar_agent_log_files_open 0\n"));
}

/* What the container wrote last reaches the file after the end was announced. */
static void test_log_goes_on_after_the_end(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    announce(f, "web-1", "x://1", 1);
    flush_worker(f);
    write_log(f, "web-1", 1, LINE_1 LINE_2); /* the same file, written to */
    remove_log(f, "web-1", 1);
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_int_equal(log_of(f, "a")->lines, 2);
}

/* The status comes while the file is being opened. */
static void test_end_and_crash_at_once(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    announce(f, "web-1", "x://1", 1);
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
    assert_true(metric(f, "nightjar_agent_held_logs_total{outcome=\"used\"} 1\n"));
}

/* Which number the instance has is not known: the newest is taken, if it is the instance's indeed. */
static void test_end_without_a_number(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 0, "2026-11-21T09:10:00Z stdout F an earlier one\n");
    write_log(f, "web-1", 1, LINE_1);
    write_log(f, "web-2", 1, LINE_1);
    write_log(f, "web-2", 2, "2026-11-21T09:20:00Z stdout F a later one\n");
    announce(f, "web-1", "1", -1);
    announce(f, "web-2", "2", -1);
    flush_worker(f);
    remove_log(f, "web-1", 1);
    tell_crash(f, "web-1", "a");
    struct made made;
    make_crash(&made, "web-2", "b");
    made.event.crash.container_id = "x://2";
    hand_over(f, &made);
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
    assert_string_equal(log_of(f, "b")->text, "starting\n");
}

/* There is no file, or names that no pod has: the crash's log comes as ever. */
static void test_end_without_a_file(void **state)
{
    struct fixture *f = *state;
    announce(f, "web-1", "1", -1);
    announce(f, "../web-2", "2", 1);
    flush_worker(f);
    assert_true(metric(f, "nightjar_agent_held_logs_total{outcome=\"no_file\"} 2\n"));
    write_log(f, "web-1", 1, LINE_1);
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
}

/* Ends that no crash follows are held for a while, and so many at most. */
static void test_held_files_are_bounded(void **state)
{
    struct fixture *f = *state;
    close_capture(f, 0);
    f->options.max_held = 2;
    open_capture(f);
    int before = test_count_fds();
    write_log(f, "web-1", 1, LINE_1);
    write_log(f, "web-2", 1, LINE_1);
    write_log(f, "web-3", 1, LINE_1);
    announce(f, "web-1", "1", 1);
    announce(f, "web-2", "2", 1);
    announce(f, "web-2", "x://2", 1); /* the same one */
    announce(f, "web-3", "3", 1);     /* in place of the oldest */
    flush_worker(f);
    assert_int_equal(test_count_fds(), before + 2);
    assert_true(metric(f, "nightjar_agent_held_logs_total{outcome=\"no_room\"} 1\n"));
    struct nj_capture_end well = {.container_id = "4",
                                  .namespace = "shop",
                                  .pod = "web-1",
                                  .directory_uid = "web-1",
                                  .container = "c",
                                  .attempt = 1};
    nj_capture_container_ended(f->capture, &well);
    flush_worker(f);
    assert_int_equal(test_count_fds(), before + 2);
    close_capture(f, 0);
    assert_int_equal(test_count_fds(), before);
}

static void test_held_files_expire(void **state)
{
    struct fixture *f = *state;
    close_capture(f, 0);
    f->options.hold_ns = NJ_MS;
    open_capture(f);
    int before = test_count_fds();
    write_log(f, "web-1", 1, LINE_1);
    announce(f, "web-1", "1", 1);
    announce(f, "web-2", "2", 1);
    run_until_metric(f, "nightjar_agent_held_logs_total{outcome=\"unused\"} 2\n");
    flush_worker(f);
    assert_int_equal(test_count_fds(), before);
}

/* The worker has no room for more: the file is held nevertheless. */
static void test_end_with_a_full_worker(void **state)
{
    struct fixture *f = *state;
    enum { JOBS = 16 };
    struct nj_job jobs[JOBS];
    bool flushed[JOBS] = {false};
    int submitted = 0;
    write_log(f, "web-1", 1, LINE_1);
    for (; submitted < JOBS; submitted++) {
        jobs[submitted] = (struct nj_job){.run = nothing, .done = on_flushed, .data = &flushed[submitted]};
        if (nj_worker_submit(f->worker, &jobs[submitted]) < 0)
            break;
    }
    announce(f, "web-1", "1", 1);
    for (int i = 0; i < submitted; i++)
        test_run_until(f->test, &flushed[i]);
    flush_worker(f);
    remove_log(f, "web-1", 1);
    tell_crash(f, "web-1", "a");
    wait_idle(f);
    read_back(f);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
}

static void test_ended_while_a_file_is_opened(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    announce(f, "web-1", "1", 1);
    announce(f, "web-1", "2", 1);
    tell_crash(f, "web-1", "a");
    close_capture(f, 0);
    nj_capture_close(NULL, 0, NULL, NULL);
}

/* --- order --- */

/* A pod's findings are stored in their order, however long the first one takes; another pod's are not held
 * up. */
static void test_order_within_a_pod(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, log_path, 200, plain, "2026-11-21T09:13:27Z late\n")->hold = true;
    write_log(f, "web-2", 1, LINE_1);
    tell_crash(f, "web-1", "first");
    tell_state(f, "web-1", "second");
    tell_crash(f, "web-2", "other");
    while (f->api.held_count == 0 || f->stored == 0)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    read_back(f);
    assert_int_equal(f->events_count, 1);
    assert_string_equal(f->events[0].id, "other");
    fake_release(&f->api);
    wait_idle(f);
    read_back(f);
    assert_string_equal(f->events[1].id, "first");
    assert_string_equal(f->events[2].id, "second");
}

/* The record of all comes after everything that was found before it, and holds up nothing that comes later.
 */
static void test_after_all(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, log_path, 200, plain, "")->hold = true;
    tell_crash(f, "web-1", "first");
    struct nj_finding baseline = {
        .pod_uid = "", .directory_uid = "", .record = {"detector/baseline", "1", 1}, .after_all = true};
    nj_capture_finding(f->capture, &baseline);
    tell_state(f, "web-3", "later");
    while (f->api.held_count == 0 || f->stored == 0)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    assert_false(record(f, "detector/baseline").found);
    fake_release(&f->api);
    wait_idle(f);
    assert_true(record(f, "detector/baseline").found);
    read_back(f);
    assert_int_equal(f->events_count, 2);
}

static void test_records_alone(void **state)
{
    struct fixture *f = *state;
    struct nj_finding finding = {
        .pod_uid = "web-1", .directory_uid = "web-1", .record = {"pod/web-1", "1\n", 2}};
    nj_capture_finding(f->capture, &finding);
    wait_idle(f);
    assert_string_equal(record(f, "pod/web-1").value, "1\n");
    finding.record = (struct nj_outbox_record){"pod/web-1", NULL, 0};
    nj_capture_finding(f->capture, &finding);
    wait_idle(f);
    assert_false(record(f, "pod/web-1").found);
}

/* Many at once: all are stored, with the files of few of them open at a time. */
static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 60 };
    char names[MANY][16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "pod-%d", i);
        write_log(f, names[i], 1, LINE_1);
    }
    int before = test_count_fds();
    for (int i = 0; i < MANY; i++)
        tell_crash(f, names[i], names[i]);
    assert_int_equal(test_count_fds(), before + (int)f->options.max_files);
    wait_idle(f);
    read_back(f);
    assert_int_equal(f->events_count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_string_equal(log_of(f, names[i])->text, "starting\n");
}

/* --- bounds and faults --- */

/* Behind a finding that waits, the queue fills up: states go before facts. */
static void test_full_queue(void **state)
{
    struct fixture *f = *state;
    close_capture(f, 0);
    f->options.max_queue = 4;
    open_capture(f);
    fake_on(&f->api, log_path, 200, plain, "")->hold = true;
    tell_crash(f, "web-1", "fact-1");
    tell_state(f, "web-1", "state-1");
    tell_crash(f, "web-1", "fact-2");
    tell_state(f, "web-1", "state-2");
    tell_state(f, "web-1", "state-3"); /* no room */
    tell_crash(f, "web-1", "fact-3");  /* in place of state-1 */
    tell_crash(f, "web-1", "fact-4");  /* in place of state-2 */
    tell_crash(f, "web-1", "fact-5");  /* no room at all */
    assert_int_equal(nj_capture_waiting(f->capture), 4);
    while (nj_capture_waiting(f->capture) > 0) {
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
        fake_release(&f->api);
    }
    read_back(f);
    static const char *const left[] = {"fact-1", "fact-2", "fact-3", "fact-4"};
    assert_int_equal(f->events_count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(f->events[i].id, left[i]);
    assert_true(metric(f, "nightjar_agent_findings_dropped_total{class=\"condition\"} 3\n"));
    assert_true(metric(f, "nightjar_agent_findings_dropped_total{class=\"failure\"} 1\n"));
}

/* No file of this process can grow any more: to SQLite that is a full disk. */
static void fill_disk(struct rlimit *ret_before)
{
    assert_int_equal(getrlimit(RLIMIT_FSIZE, ret_before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit none = {.rlim_cur = 1, .rlim_max = ret_before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

/* What cannot be stored is kept and stored later, with the log of a file that is long gone by then. */
static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    write_log(f, "web-2", 1, LINE_1);
    struct rlimit before;
    fill_disk(&before);
    tell_crash(f, "web-1", "a");
    tell_state(f, "web-1", "b");
    tell_crash(f, "web-2", "c");
    while (nj_capture_trouble(f->capture) == NULL)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    remove_log(f, "web-1", 1);
    remove_log(f, "web-2", 1);
    assert_int_equal(nj_capture_waiting(f->capture), 3);
    assert_int_equal(f->stored, 0);
    assert_true(nj_capture_trouble(f->capture)[0] != '\0');
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    wait_idle(f);
    assert_null(nj_capture_trouble(f->capture));
    read_back(f);
    assert_int_equal(f->events_count, 3);
    assert_string_equal(log_of(f, "a")->text, "starting\n");
    assert_string_equal(log_of(f, "c")->text, "starting\n");
    assert_true(metric(f, "nightjar_agent_findings_waiting 0\n"));
}

/* A finding that the outbox takes neither now nor later keeps nobody out. */
static void test_impossible_finding(void **state)
{
    struct fixture *f = *state;
    struct made made;
    make_crash(&made, "web-1", "bad");
    made.finding.record.key = "x";
    static const char large[NJ_OUTBOX_VALUE_MAX + 10];
    made.finding.record.value = large;
    made.finding.record.len = sizeof(large);
    write_log(f, "web-1", 1, LINE_1);
    write_log(f, "web-2", 1, LINE_1);
    hand_over(f, &made);
    tell_crash(f, "web-1", "behind");
    tell_crash(f, "web-2", "beside");
    wait_idle(f);
    read_back(f);
    assert_int_equal(f->events_count, 2);
    assert_true(metric(f, "nightjar_agent_findings_dropped_total{class=\"invalid\"} 1\n"));
}

/* --- the end --- */

static void test_drain(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    tell_crash(f, "web-1", "a");
    tell_state(f, "web-1", "b");
    close_capture(f, 10 * NJ_SEC);
    read_back(f);
    assert_int_equal(f->events_count, 2);
}

/* Ended while it asks for a log, for an owner, while it cannot store, while others wait: nothing is left
 * behind. */
static void test_ended_in_every_stage(void **state)
{
    struct fixture *f = *state;
    fake_on(&f->api, log_path, 200, plain, "")->hold = true;
    fake_on(&f->api, "/apis/apps/v1/namespaces/shop/replicasets/web-abc", 200, plain, "")->hold = true;
    tell_crash(f, "web-1", "fetch");
    tell_state(f, "web-1", "behind");
    struct made made;
    make_crash(&made, "web-9", "owner");
    made.finding.owner = (struct nj_pod_owner){"apps/v1", "ReplicaSet", "web-abc", "rs", "abc"};
    hand_over(f, &made);
    while (f->api.held_count < 2)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    tell_state(f, "web-5", "ready");
    close_capture(f, 1);
    read_back(f);
    assert_true(f->events_count <= 1);
}

static void test_ended_with_a_full_disk(void **state)
{
    struct fixture *f = *state;
    write_log(f, "web-1", 1, LINE_1);
    struct rlimit before;
    fill_disk(&before);
    tell_crash(f, "web-1", "a");
    while (nj_capture_trouble(f->capture) == NULL)
        (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
    close_capture(f, 50 * NJ_MS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    read_back(f);
    assert_int_equal(f->events_count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    nj_log_set(NJ_LOG_ERROR, NJ_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        T(test_log_of_a_file),
        T(test_file_removed_at_once),
        T(test_other_number),
        T(test_log_of_the_api),
        T(test_api_has_moved_on),
        T(test_no_log_anywhere),
        T(test_corrections),
        T(test_messages_are_redacted),
        T(test_new_settings),
        T(test_end_announced),
        T(test_log_goes_on_after_the_end),
        T(test_end_and_crash_at_once),
        T(test_end_without_a_number),
        T(test_end_without_a_file),
        T(test_held_files_are_bounded),
        T(test_held_files_expire),
        T(test_end_with_a_full_worker),
        T(test_ended_while_a_file_is_opened),
        T(test_order_within_a_pod),
        T(test_after_all),
        T(test_records_alone),
        T(test_many_at_once),
        T(test_full_queue),
        T(test_full_disk),
        T(test_impossible_finding),
        T(test_drain),
        T(test_ended_in_every_stage),
        T(test_ended_with_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
