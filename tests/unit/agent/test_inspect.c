/*
 * The inspection as a whole, on real containers: what it shows, what it tells, under whose name, and how it
 * ends. The time is the test's own: minutes pass when it says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/inspect/inspect.h"
#include "agent/inspect/inspect_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "common/wire/batch.h"
#include "tests/unit/agent/cgroup_lab.h"
#include "tests/unit/agent/fake_api.h"
#include "tests/unit/agent/pod_json.h"
#include "tests/unit/test.h"

enum { EVENTS_MAX = 64, TURNS_MAX = 60000 };

#define MIB ((int64_t)1 << 20)

struct fixture {
    struct test_loop *test;
    struct fake_api api;
    struct nj_metrics *metrics;
    struct nj_owners *owners;
    struct nj_inspect *inspect;
    struct cgroup_lab lab; /* a container */
    bool has_lab;
    int64_t now_ns; /* the loop's clock */
    struct nj_arena arena;
    struct nj_event events[EVENTS_MAX]; /* decoded copies, in the arena */
    int count;
    int turns;
    int exits;
    char exit_text[256];
    char key[128]; /* the record that came with the last trouble; empty: removed */
    struct nj_buf record;
};

static void on_event(void *data, const struct nj_event *event)
{
    struct fixture *f = data;
    struct nj_buf bytes = {0};
    struct nj_event numbered = *event;
    numbered.seq = 1;
    assert_true(f->count < EVENTS_MAX);
    assert_int_equal(nj_event_encode(&numbered, &bytes), 0);
    char *kept = nj_arena_alloc(&f->arena, bytes.len);
    memcpy(kept, bytes.data, bytes.len);
    assert_int_equal(nj_event_decode(kept, bytes.len, &f->arena, &f->events[f->count], NULL), 0);
    f->count++;
    nj_buf_done(&bytes);
}

static void on_container_exit(void *data, const struct nj_inspect_exit *exit)
{
    struct fixture *f = data;
    f->exits++;
    (void)snprintf(f->exit_text, sizeof(f->exit_text), "%s/%s/%s %d %d", exit->namespace, exit->pod,
                   exit->container, exit->restart_count, exit->exit_code);
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
    f->now_ns = 1700000000 * NJ_SEC - 1700000000 * NJ_SEC % NJ_MIN + 5 * NJ_SEC;
    f->test->clock.replay = &f->now_ns;
    f->metrics = nj_metrics_new();
    nj_arena_init(&f->arena, 64 << 20);
    struct nj_owners_options owners = {
        .loop = &f->test->loop, .client = f->api.client, .node = "node1", .metrics = f->metrics};
    f->owners = nj_owners_new(&owners);
    *state = f;
    return 0;
}

static void close_inspect(struct fixture *f)
{
    bool closed = false;
    nj_inspect_close(f->inspect, test_set_flag, &closed);
    f->inspect = NULL;
    test_run_until(f->test, &closed);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    if (f->inspect != NULL)
        close_inspect(f);
    if (f->has_lab)
        cgroup_lab_close(&f->lab);
    nj_owners_close(f->owners, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    fake_api_close(&f->api);
    nj_metrics_free(f->metrics);
    nj_arena_done(&f->arena);
    nj_buf_done(&f->record);
    f->test->clock.replay = NULL;
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static struct nj_inspect_options options_of(struct fixture *f)
{
    return (struct nj_inspect_options){.loop = &f->test->loop,
                                       .owners = f->owners,
                                       .metrics = f->metrics,
                                       .node = "node1",
                                       .proc = "/proc",
                                       .cgroup = "/sys/fs/cgroup",
                                       .root = "",
                                       .kernel_log = "",
                                       .interval_ns = 10 * NJ_SEC,
                                       .leak_after_ns = NJ_HOUR,
                                       .max_processes = 32768,
                                       .max_containers = 4096,
                                       .sockets_rest = 1000,
                                       .exits = true,
                                       .on_event = on_event,
                                       .on_container_exit = on_container_exit,
                                       .data = f};
}

static void start(struct fixture *f)
{
    struct nj_err err = {0};
    struct nj_inspect_options options = options_of(f);
    if (nj_inspect_start(&options, &f->inspect, &err) < 0)
        fail_msg("%s", err.text);
}

/* A real container, or the test is skipped. */
static void make_container(struct fixture *f)
{
    const char *why = cgroup_lab_open(&f->lab, 64 * MIB);
    if (why != NULL) {
        print_message("skipped: %s\n", why);
        skip();
    }
    f->has_lab = true;
}

static uint64_t metric(struct fixture *f, const char *line)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(f->metrics, &text), 0);
    const char *at = strstr(text.data, line);
    assert_non_null(at);
    uint64_t value = strtoull(at + strlen(line), NULL, 10);
    nj_buf_done(&text);
    return value;
}

/* A turn of the loop, of a millisecond at most, in which `step_ns` pass; not for ever. */
static void turn(struct fixture *f, int64_t step_ns)
{
    if (++f->turns > TURNS_MAX)
        fail_msg("what was waited for does not come");
    f->now_ns += step_ns;
    (void)uv_run(&f->test->loop.uv, UV_RUN_ONCE);
}

/* Runs until so many scans more are done; the time passes by `step_ns` a turn. */
static void pass_scans(struct fixture *f, int scans, int64_t step_ns)
{
    uint64_t wanted = metric(f, "\nnightjar_inspect_scans_total ") + (uint64_t)scans;
    while (metric(f, "\nnightjar_inspect_scans_total ") < wanted) {
        turn(f, step_ns);
    }
}

static char *shown(struct fixture *f)
{
    struct nj_buf out = {0};
    assert_int_equal(nj_inspect_expose(f->inspect, &out), 0);
    return nj_buf_take(&out);
}

static bool shows(struct fixture *f, const char *part)
{
    NJ_CLEANUP_FREE char *text = shown(f);
    return strstr(text, part) != NULL;
}

/* The pod of the container, as its status shows it. */
static void tell_pod_of(struct fixture *f, enum nj_watch_event_type type, const char *phase, const char *uid,
                        const char *container)
{
    struct nj_arena arena;
    nj_arena_init(&arena, 1 << 20);
    struct nj_kube_object object = test_pod(
        &arena,
        "{'kind': 'Pod', 'metadata': {'name': 'web-0', 'namespace': 'shop', 'uid': '%s',"
        " 'ownerReferences': [{'apiVersion': 'apps/v1', 'kind': 'StatefulSet', 'name': 'web', 'uid': "
        "'s', 'controller': true}]},"
        " 'spec': {'nodeName': 'node1', 'nodeSelector': {'disk': 'ssd'}, 'priority': 7,"
        "  'containers': [{'name': 'app', 'resources':"
        "   {'requests': {'cpu': '100m', 'memory': '32Mi'}, 'limits': {'memory': '64Mi'}}}]},"
        " 'status': {'phase': '%s', 'containerStatuses': [{'name': 'app', 'restartCount': 3,"
        "  'containerID': 'containerd://%s', 'state': {'running': {'startedAt': '2023-01-01T00:00:00Z'}}}]}}",
        uid, phase, container);
    nj_inspect_pod(f->inspect, type, &object);
    nj_arena_done(&arena);
}

static void tell_pod(struct fixture *f, enum nj_watch_event_type type, const char *phase)
{
    tell_pod_of(f, type, phase, f->lab.pod_uid, f->lab.id);
}

#define LABELS "namespace=\"shop\",pod=\"web-0\",node=\"node1\",container=\"app\""

/* The first scan has not seen its name; its status brings the next one forward. */
static void test_a_container_is_shown_under_its_name(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    pass_scans(f, 1, NJ_MS);
    assert_false(shows(f, "container_processes{"));
    assert_true(shows(f, "\nnode_memory_MemTotal_bytes "));
    int64_t before_ns = f->now_ns;
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 1, NJ_MS);
    assert_true(f->now_ns - before_ns < 5 * NJ_SEC); /* not at the next interval */
    assert_true(shows(f, "container_processes{" LABELS "} 1\n"));
    assert_true(shows(f, "container_spec_memory_limit_bytes{" LABELS "} 67108864\n"));
    assert_true(shows(f, "container_start_time_seconds{" LABELS "} 1672531200\n"));
}

/* Two series of the same labels would spoil the whole scrape. */
static void test_a_pod_that_was_replaced_is_not_shown_beside_its_successor(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 2, NJ_SEC);
    assert_true(shows(f, "\ncontainer_processes{" LABELS "} "));
    tell_pod(f, NJ_WATCH_DELETED, "Running"); /* by force: it still runs */
    pass_scans(f, 1, NJ_SEC);
    assert_true(shows(f, "\ncontainer_processes{" LABELS "} "));
    tell_pod_of(f, NJ_WATCH_ADDED, "Running", "another", "0123");
    pass_scans(f, 1, NJ_SEC);
    assert_false(shows(f, "\ncontainer_processes{" LABELS "} "));
}

/* A static pod's mirror that is deleted is made anew with another uid, while its containers run on. */
static void test_a_mirror_made_anew_has_the_same_containers(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 2, NJ_SEC);
    tell_pod(f, NJ_WATCH_DELETED, "Running");
    tell_pod_of(f, NJ_WATCH_ADDED, "Running", "another", f->lab.id);
    for (int i = 0; i < 3; i++) {
        pass_scans(f, 1, NJ_SEC);
        assert_true(shows(f, "\ncontainer_processes{" LABELS "} "));
    }
    f->now_ns += 10 * NJ_MIN; /* the old one is forgotten */
    pass_scans(f, 3, NJ_SEC);
    assert_true(shows(f, "\ncontainer_processes{" LABELS "} "));
}

/* What is in no pod of this node is nobody's, and gets no series. */
static void test_a_container_of_no_known_pod_is_not_shown(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    pass_scans(f, 3, NJ_SEC);
    assert_false(shows(f, "container_processes{"));
    assert_true(metric(f, "\nnightjar_inspect_unnamed_containers ") >= 1);
    assert_int_equal(metric(f, "\nnightjar_inspect_containers "), 0);
}

static const struct nj_event *event_of(const struct fixture *f, enum nj_event_type type, int nth)
{
    for (int i = 0; i < f->count; i++) {
        if (f->events[i].type == type && nth-- == 0)
            return &f->events[i];
    }
    return NULL;
}

static const struct nj_usage_item *item_of(const struct nj_event *event, const char *container)
{
    for (size_t i = 0; i < event->usage.count; i++) {
        if (strcmp(event->usage.items[i].container, container) == 0)
            return &event->usage.items[i];
    }
    return NULL;
}

static double mean_of(const struct nj_usage_item *item, enum nj_usage_metric which)
{
    struct nj_sketch sketch = {0};
    assert_int_equal(nj_sketch_decode(item->metrics[which].sketch, item->metrics[which].len, &sketch), 0);
    assert_true(sketch.count > 0);
    double mean = sketch.sum / (double)sketch.count;
    nj_sketch_done(&sketch);
    return mean;
}

static void test_a_minute_is_told_with_names_requests_and_pods(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    while (event_of(f, NJ_EVENT_USAGE, 1) == NULL)
        pass_scans(f, 1, 50 * NJ_MS);
    const struct nj_event *event = event_of(f, NJ_EVENT_USAGE, 1);
    assert_string_equal(event->subject.node, "node1");
    assert_int_equal(event->usage.part, 0);
    assert_int_equal(event->usage.parts, 1);
    assert_int_equal(event->usage.minute_ns % NJ_MIN, 0);
    assert_int_equal(event->usage.minute_ns - event_of(f, NJ_EVENT_USAGE, 0)->usage.minute_ns, NJ_MIN);
    const struct nj_usage_item *item = item_of(event, "app");
    assert_non_null(item);
    assert_string_equal(item->namespace, "shop");
    assert_string_equal(item->pod, "web-0");
    assert_string_equal(item->pod_uid, f->lab.pod_uid);
    assert_string_equal(item->workload_kind, "StatefulSet");
    assert_string_equal(item->workload, "web");
    assert_int_equal(item->cpu_request_millis, 100);
    assert_int_equal(item->memory_request_bytes, 32 * MIB);
    assert_int_equal(item->memory_limit_bytes, 64 * MIB);
    assert_int_equal(item->started_ns, 1672531200 * NJ_SEC);
    assert_true(mean_of(item, NJ_USAGE_MEMORY) > 0);
    const struct nj_usage_item *node = item_of(event, "");
    assert_non_null(node);
    assert_string_equal(node->pod_uid, "");
    assert_true(mean_of(node, NJ_USAGE_MEMORY) > 0);
    assert_int_equal(event->usage.pods_count, 1);
    assert_string_equal(event->usage.pods[0].pod, "web-0");
    assert_int_equal(event->usage.pods[0].cpu_request_millis, 100);
    assert_int_equal(event->usage.pods[0].priority, 7);
    assert_string_equal(event->usage.pods[0].placement, "{\"nodeSelector\":{\"disk\":\"ssd\"}}");
}

static size_t count_fds(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char one[96];
        (void)snprintf(one, sizeof(one), "%s/%d", path, fd);
        char link[8];
        count += readlink(one, link, sizeof(link)) > 0;
    }
    return count;
}

static void set_fd_limit(struct fixture *f, size_t limit)
{
    struct rlimit files = {.rlim_cur = limit, .rlim_max = 4096};
    assert_int_equal(prlimit(f->lab.first, RLIMIT_NOFILE, &files, NULL), 0);
}

static const struct nj_event *near_fds(const struct fixture *f, int nth)
{
    for (int i = 0; i < f->count; i++) {
        if (f->events[i].type == NJ_EVENT_TROUBLE && f->events[i].trouble.kind == NJ_TROUBLE_NEAR_FDS &&
            nth-- == 0)
            return &f->events[i];
    }
    return NULL;
}

/* A limit that is near is told once, then that it is over, by the pod's name though that is gone by then. */
static void test_a_trouble_is_told_and_ended_under_its_name(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    set_fd_limit(f, count_fds(f->lab.first));
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 4, NJ_SEC);
    const struct nj_event *event = near_fds(f, 0);
    assert_non_null(event);
    assert_string_equal(event->subject.namespace, "shop");
    assert_string_equal(event->subject.pod, "web-0");
    assert_string_equal(event->subject.pod_uid, f->lab.pod_uid);
    assert_string_equal(event->subject.container, "app");
    assert_string_equal(event->subject.workload, "web");
    assert_string_equal(event->subject.node, "node1");
    assert_string_equal(event->trouble.severity, "critical");
    assert_int_equal(event->trouble.level, 95);
    assert_string_equal(event->trouble.process, "first");
    assert_false(event->trouble.over);
    assert_null(near_fds(f, 1));

    tell_pod(f, NJ_WATCH_DELETED, "Running");
    cgroup_lab_close(&f->lab);
    f->has_lab = false;
    pass_scans(f, 2, 100 * NJ_MS);
    const struct nj_event *over = near_fds(f, 1);
    assert_non_null(over);
    assert_true(over->trouble.over);
    assert_string_equal(over->subject.pod, "web-0");
    assert_string_not_equal(over->id, event->id);
    assert_false(shows(f, "container_processes{"));
    pass_scans(f, 2, NJ_SEC);
    assert_null(near_fds(f, 2));
}

static void on_trouble(void *data, const struct nj_event *event, const struct nj_inspect_record *record)
{
    struct fixture *f = data;
    assert_true(nj_str_starts(record->key, nj_inspect_record_prefix));
    (void)snprintf(f->key, sizeof(f->key), "%s", record->key);
    nj_buf_clear(&f->record);
    if (record->value != NULL)
        assert_int_equal(nj_buf_append(&f->record, record->value, record->len), 0);
    if (event != NULL)
        on_event(data, event);
}

static void start_with_records(struct fixture *f)
{
    struct nj_err err = {0};
    struct nj_inspect_options options = options_of(f);
    options.on_trouble = on_trouble;
    if (nj_inspect_start(&options, &f->inspect, &err) < 0)
        fail_msg("%s", err.text);
    const struct nj_inspect_record record = {.key = f->key, .value = f->record.data, .len = f->record.len};
    if (f->record.len > 0)
        nj_inspect_restore(f->inspect, &record);
}

/* A new process knows from the record what the one before has told: it does not tell it again, but its end.
 */
static void test_a_trouble_outlives_the_process_that_told_it(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    set_fd_limit(f, count_fds(f->lab.first));
    start_with_records(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    nj_inspect_synced(f->inspect);
    pass_scans(f, 3, NJ_SEC);
    const struct nj_event *event = near_fds(f, 0);
    assert_non_null(event);
    assert_true(f->record.len > 0);
    close_inspect(f);

    start_with_records(f);
    pass_scans(f, 3, NJ_SEC); /* no pod is known yet, and so nothing is over */
    assert_null(near_fds(f, 1));
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    nj_inspect_synced(f->inspect);
    pass_scans(f, 4, NJ_SEC);
    assert_null(near_fds(f, 1));
    set_fd_limit(f, 1024);
    pass_scans(f, 2, NJ_SEC);
    const struct nj_event *over = near_fds(f, 1);
    assert_non_null(over);
    assert_true(over->trouble.over);
    assert_int_equal(over->trouble.since_ns, event->trouble.since_ns);
    assert_string_equal(over->subject.container, "app");
    assert_int_equal(f->record.len, 0);
}

static void test_a_trouble_ends_whose_container_went_while_nobody_looked(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    set_fd_limit(f, count_fds(f->lab.first));
    start_with_records(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    nj_inspect_synced(f->inspect);
    pass_scans(f, 3, NJ_SEC);
    assert_non_null(near_fds(f, 0));
    close_inspect(f);
    cgroup_lab_close(&f->lab);
    f->has_lab = false;

    start_with_records(f);
    nj_inspect_synced(f->inspect);
    pass_scans(f, 3, NJ_SEC);
    const struct nj_event *over = near_fds(f, 1);
    assert_non_null(over);
    assert_true(over->trouble.over);
    assert_string_equal(over->subject.pod, "web-0");
    assert_string_equal(over->subject.container, "app");
    assert_string_equal(over->subject.workload, "web");
    assert_int_equal(f->record.len, 0);
    assert_null(near_fds(f, 2));
}

static void test_a_record_that_cannot_be_read_is_removed(void **state)
{
    struct fixture *f = *state;
    const char *const damaged[] = {"", "x", "abc\0def", "abc\0def\0ghi", "\0\0\0\0\0"};
    const size_t lens[] = {0, 1, 7, 11, 5};
    start_with_records(f);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        const struct nj_inspect_record record = {.key = "trouble/1", .value = damaged[i], .len = lens[i]};
        (void)nj_buf_append_str(&f->record, "is there");
        nj_inspect_restore(f->inspect, &record);
        assert_int_equal(f->record.len, 0);
        assert_string_equal(f->key, "trouble/1");
    }
    assert_int_equal(f->count, 0);
}

/* The id is the fact's: who sees it again, gives the same. */
static void test_ids_of_troubles_tell_facts_apart(void **state)
{
    struct fixture *f = *state;
    struct nj_trouble trouble = {.kind = NJ_TROUBLE_NODE_DISK_FULL,
                                 .detail = "/",
                                 .severity = "warning",
                                 .message = "full",
                                 .process = "",
                                 .since_ns = 5,
                                 .level = 85};
    struct nj_told_trouble told = {.container_id = "", .pod_uid = "", .trouble = trouble};
    start(f);
    nj_inspect_tell_troubles(f->inspect, &told);
    nj_inspect_tell_troubles(f->inspect, &told);
    told.trouble.level = 95;
    nj_inspect_tell_troubles(f->inspect, &told);
    told.trouble.over = true;
    nj_inspect_tell_troubles(f->inspect, &told);
    told.trouble.detail = "/var";
    nj_inspect_tell_troubles(f->inspect, &told);
    assert_int_equal(f->count, 5);
    assert_string_equal(f->events[0].id, f->events[1].id);
    for (int i = 2; i < 5; i++)
        assert_string_not_equal(f->events[i].id, f->events[i - 1].id);
    assert_string_equal(f->events[0].subject.workload_kind, "Node");
    assert_string_equal(f->events[0].subject.workload, "node1");
    assert_string_equal(f->events[0].subject.pod_uid, "");
}

/* A process is killed before the pod's status has its container: it is told when that has come. */
static void test_an_oom_kill_waits_for_its_name(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    struct nj_oom_kill_seen kill = {.container_id = f->lab.id,
                                    .pod_uid = f->lab.pod_uid,
                                    .count = 1,
                                    .total = 4,
                                    .process = {.pid = 12, .command = "worker"},
                                    .process_bytes = 5 * MIB,
                                    .memory_limit = 64 * MIB,
                                    .memory_usage = NJ_UNKNOWN,
                                    .at_ns = f->now_ns};
    assert_false(nj_inspect_tell_kill(f->inspect, &kill, false));
    assert_int_equal(f->count, 0);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    assert_true(nj_inspect_tell_kill(f->inspect, &kill, false));
    assert_int_equal(f->count, 1);
    const struct nj_event *event = &f->events[0];
    assert_int_equal(event->type, NJ_EVENT_OOM_KILL);
    assert_string_equal(event->subject.container, "app");
    assert_string_equal(event->oom_kill.process, "worker");
    assert_true(nj_str_starts(event->oom_kill.container_id, "containerd://"));
    assert_int_equal(event->oom_kill.process_bytes, 5 * MIB);
    assert_int_equal(event->oom_kill.memory_limit_bytes, 64 * MIB);
    assert_int_equal(event->oom_kill.memory_usage_bytes, 0);
    kill.container_id = "ffff";
    kill.pod_uid = "nobody";
    assert_true(nj_inspect_tell_kill(f->inspect, &kill, true)); /* there is nobody to tell it of */
    assert_int_equal(f->count, 1);
    assert_int_equal(metric(f, "\nnightjar_inspect_nameless_total "), 1);
}

/* A real one, in a container that lives on. */
static void test_an_oom_kill_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 3, NJ_SEC);
    (void)cgroup_lab_child(&f->lab, "worker", 4 * MIB);
    assert_true(cgroup_lab_feed_child(&f->lab));
    while (event_of(f, NJ_EVENT_OOM_KILL, 0) == NULL)
        turn(f, NJ_MS);
    const struct nj_event *event = event_of(f, NJ_EVENT_OOM_KILL, 0);
    assert_string_equal(event->subject.pod, "web-0");
    assert_string_equal(event->subject.container, "app");
    assert_int_equal(event->oom_kill.memory_limit_bytes, 64 * MIB);
}

/* More than an event may hold: in parts of one minute, nothing lost, nothing twice. */
static void test_a_minute_of_many_containers_is_told_in_parts(void **state)
{
    enum { MANY = 600 };
    struct fixture *f = *state;
    struct nj_told_usage *usage = NULL;
    struct nj_told_usage **end = &usage;
    start(f);
    for (int i = 0; i < MANY; i++) {
        struct nj_arena arena;
        nj_arena_init(&arena, 1 << 20);
        struct nj_kube_object object = test_pod(
            &arena,
            "{'kind': 'Pod', 'metadata': {'name': 'p%d', 'namespace': 'shop', 'uid': 'u%d'},"
            " 'spec': {'nodeName': 'node1', 'containers': [{'name': 'c'}]},"
            " 'status': {'phase': '%s', 'containerStatuses': [{'name': 'c', 'containerID': 'x://%064d', "
            "'state': {'running': {}}}]}}",
            i, i, i % 100 == 99 ? "Succeeded" : "Running", i);
        nj_inspect_pod(f->inspect, NJ_WATCH_ADDED, &object);
        nj_arena_done(&arena);
        struct nj_told_usage *told = nj_calloc(1, sizeof(*told) + 65);
        (void)snprintf((char *)(told + 1), 65, "%064d", i);
        told->container_id = (const char *)(told + 1);
        told->minute_ns = 60 * NJ_SEC;
        *end = told;
        end = &told->next;
    }
    nj_inspect_tell_usage(f->inspect, usage);
    assert_int_equal(f->count, 3);
    size_t items = 0;
    size_t pods = 0;
    for (int i = 0; i < f->count; i++) {
        const struct nj_usage *part = &f->events[i].usage;
        assert_int_equal(part->part, i);
        assert_int_equal(part->parts, 3);
        assert_int_equal(part->minute_ns, 60 * NJ_SEC);
        assert_true(part->count <= NJ_USAGE_ITEMS_MAX && part->pods_count <= NJ_USAGE_PODS_MAX);
        items += part->count;
        pods += part->pods_count;
        for (int j = 0; j < i; j++)
            assert_string_not_equal(f->events[i].id, f->events[j].id);
    }
    assert_int_equal(items, MANY);
    assert_int_equal(pods, MANY - MANY / 100); /* those that are over take nothing of the node */
}

static void test_the_end_of_a_container_is_known_at_once(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    start(f);
    tell_pod(f, NJ_WATCH_ADDED, "Running");
    pass_scans(f, 3, NJ_SEC);
    if (f->inspect->exits == NULL) {
        print_message("skipped: the proc connector cannot be had\n");
        skip();
    }
    cgroup_lab_close(&f->lab);
    f->has_lab = false;
    while (f->exits == 0)
        turn(f, NJ_MS);
    assert_string_equal(f->exit_text, "shop/web-0/app 3 9");
}

static void test_closed_at_any_moment(void **state)
{
    struct fixture *f = *state;
    make_container(f);
    for (int turns = 0; turns < 40; turns++) {
        start(f);
        if (turns % 2 == 1)
            tell_pod(f, NJ_WATCH_ADDED, "Running");
        for (int i = 0; i < turns; i++) {
            f->now_ns += NJ_MS * 100;
            (void)uv_run(&f->test->loop.uv, UV_RUN_NOWAIT);
        }
        close_inspect(f);
    }
}

static void test_what_cannot_be_read_is_said(void **state)
{
    struct fixture *f = *state;
    struct nj_err err = {0};
    struct nj_inspect_options options = options_of(f);
    options.proc = "/nowhere/proc";
    options.cgroup = "/nowhere/cgroup";
    assert_true(nj_inspect_start(&options, &f->inspect, &err) < 0);
    assert_null(f->inspect);
    assert_non_null(strstr(err.text, "/nowhere"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_container_is_shown_under_its_name),
        T(test_a_container_of_no_known_pod_is_not_shown),
        T(test_a_pod_that_was_replaced_is_not_shown_beside_its_successor),
        T(test_a_mirror_made_anew_has_the_same_containers),
        T(test_a_minute_is_told_with_names_requests_and_pods),
        T(test_a_trouble_is_told_and_ended_under_its_name),
        T(test_a_trouble_outlives_the_process_that_told_it),
        T(test_a_trouble_ends_whose_container_went_while_nobody_looked),
        T(test_a_record_that_cannot_be_read_is_removed),
        T(test_ids_of_troubles_tell_facts_apart),
        T(test_an_oom_kill_waits_for_its_name),
        T(test_an_oom_kill_is_told_at_once),
        T(test_a_minute_of_many_containers_is_told_in_parts),
        T(test_the_end_of_a_container_is_known_at_once),
        T(test_closed_at_any_moment),
        T(test_what_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
