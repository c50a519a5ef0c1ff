/*
 * OOM kills: in a real cgroup with a limit where this machine allows it, and in folders that look like
 * cgroups; and what the kernel log says of them.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/oom.h"
#include "agent/inspect/oom_line.h"
#include "common/base/alloc.h"
#include "tests/unit/agent/cgroup_lab.h"
#include "tests/unit/loop/support.h"

enum { KILLS_MAX = 8, LIMIT = 64 << 20 };

#define ID "6666666666666666666666666666666666666666666666666666666666666666"
#define UID "12345678-1111-4222-8333-444444444444"

struct fixture {
    struct test_loop *test;
    struct nj_metrics *metrics;
    struct nj_oom_watch *watch;
    struct nj_oom_options options;
    struct cgroup_lab lab;
    struct {
        char container_id[NJ_CONTAINER_ID_MAX], pod_uid[NJ_POD_UID_MAX];
        struct nj_oom_kill_seen seen;
    } kills[KILLS_MAX];
    int kills_count;
    /* Folders in place of /proc and /sys/fs/cgroup. */
    char folder[64], proc[96], cgroup[96], log[96], container[256];
};

static void on_kill(void *data, const struct nj_oom_kill_seen *kill)
{
    struct fixture *f = data;
    assert_true(f->kills_count < KILLS_MAX);
    (void)snprintf(f->kills[f->kills_count].container_id, NJ_CONTAINER_ID_MAX, "%s", kill->container_id);
    (void)snprintf(f->kills[f->kills_count].pod_uid, NJ_POD_UID_MAX, "%s", kill->pod_uid);
    f->kills[f->kills_count++].seen = *kill;
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    f->metrics = nj_metrics_new();
    f->options = (struct nj_oom_options){.loop = &f->test->loop,
                                         .metrics = f->metrics,
                                         .proc = "/proc",
                                         .cgroup = "/sys/fs/cgroup",
                                         .kernel_log = "/dev/kmsg",
                                         .poll_ns = 20 * NJ_MS,
                                         .settle_ns = 300 * NJ_MS,
                                         .max_containers = 16,
                                         .on_kill = on_kill,
                                         .data = f};
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    nj_oom_watch_close(f->watch, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    cgroup_lab_close(&f->lab);
    if (f->folder[0] != '\0')
        (void)nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    nj_metrics_free(f->metrics);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static void start(struct fixture *f)
{
    assert_int_equal(nj_oom_watch_new(&f->options, &f->watch), 0);
}

static bool metric(const struct fixture *f, const char *line)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(f->metrics, &text), 0);
    bool found = strstr(nj_buf_str(&text), line) != NULL;
    nj_buf_done(&text);
    return found;
}

static void run_until_metric(struct fixture *f, const char *line)
{
    while (!metric(f, line))
        assert_true(uv_run(&f->test->loop.uv, UV_RUN_ONCE) != 0);
}

static void on_waited(struct nj_timer *timer)
{
    *(bool *)timer->data = true;
}

/* So long that a number of polls, or a settling, have been. */
static void run_for(struct fixture *f, int64_t ns)
{
    bool waited = false;
    struct nj_timer timer;
    nj_timer_init(&timer, &f->test->loop, on_waited, &waited);
    nj_timer_start(&timer, ns, 0);
    test_run_until(f->test, &waited);
}

/* --- real ones --- */

static void start_real(struct fixture *f)
{
    const char *why = cgroup_lab_open(&f->lab, LIMIT);
    if (why != NULL) {
        print_message("[  SKIPPED ] no real OOM kills: %s\n", why);
        skip();
    }
    start(f);
    nj_oom_watch_add(f->watch, f->lab.id, f->lab.pod_uid, f->lab.first, NJ_UNKNOWN);
    run_for(f, 2 * f->options.poll_ns);
}

static bool log_is_readable(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* The numbers of the kernel log are those of the first pid namespace. */
static bool is_first_namespace(void)
{
    char link[64] = "";
    return readlink("/proc/self/ns/pid", link, sizeof(link) - 1) > 0 && strstr(link, "4026531836") != NULL;
}

/* A worker is killed, and the container lives on. */
static void test_child_killed(void **state)
{
    struct fixture *f = *state;
    start_real(f);
    pid_t child = cgroup_lab_child(&f->lab, "hungry", LIMIT / 8);
    assert_true(cgroup_lab_feed_child(&f->lab));
    int64_t killed_ns = nj_clock_mono_ns(&f->test->clock);
    test_run_until_count(f->test, &f->kills_count, 1);
    print_message("[  NOTE    ] told %lld ms after the worker's end was known\n",
                  (long long)((nj_clock_mono_ns(&f->test->clock) - killed_ns) / NJ_MS));
    const struct nj_oom_kill_seen *kill = &f->kills[0].seen;
    assert_string_equal(f->kills[0].container_id, f->lab.id);
    assert_string_equal(f->kills[0].pod_uid, f->lab.pod_uid);
    assert_int_equal(kill->count, 1);
    assert_int_equal(kill->total, 1);
    assert_int_equal(kill->memory_limit, LIMIT);
    assert_true(kill->memory_usage >= (uint64_t)LIMIT / 100 * 90 && kill->memory_usage <= LIMIT);
    assert_true(kill->at_ns > 0);
    assert_true(metric(f, "nightjar_agent_oom_kills_total{outcome=\"told\"} 1\n"));
    if (!log_is_readable()) {
        print_message("[  NOTE    ] /dev/kmsg cannot be read: the name is not checked\n");
        return;
    }
    assert_string_equal(kill->process.command, "hungry");
    assert_true(kill->process_bytes > LIMIT / 2 && kill->process_bytes <= 2 * (uint64_t)LIMIT);
    if (is_first_namespace())
        assert_int_equal(kill->process.pid, child);
}

/* The second one is an event of its own, whose number goes on. */
static void test_killed_again(void **state)
{
    struct fixture *f = *state;
    start_real(f);
    for (int i = 0; i < 2; i++) {
        (void)cgroup_lab_child(&f->lab, i == 0 ? "one" : "two", LIMIT / 8);
        assert_true(cgroup_lab_feed_child(&f->lab));
        test_run_until_count(f->test, &f->kills_count, i + 1);
        assert_int_equal(f->kills[i].seen.count, 1);
        assert_int_equal(f->kills[i].seen.total, i + 1);
        if (log_is_readable())
            assert_string_equal(f->kills[i].seen.process.command, i == 0 ? "one" : "two");
        if (log_is_readable()) /* which says whose limit was reached */
            assert_int_equal(f->kills[i].seen.memory_usage, LIMIT);
    }
}

/* Two at once are one event. */
static void test_burst(void **state)
{
    struct fixture *f = *state;
    start_real(f);
    (void)cgroup_lab_child(&f->lab, "one", LIMIT / 8);
    assert_true(cgroup_lab_feed_child(&f->lab));
    (void)cgroup_lab_child(&f->lab, "two", LIMIT / 8);
    assert_true(cgroup_lab_feed_child(&f->lab));
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 2);
    run_for(f, 2 * f->options.settle_ns);
    assert_int_equal(f->kills_count, 1);
}

/* The container's first process dies: Kubernetes tells that as a crash. */
static void test_first_process_killed(void **state)
{
    struct fixture *f = *state;
    start_real(f);
    cgroup_lab_feed_first(&f->lab);
    run_until_metric(f, "nightjar_agent_oom_kills_total{outcome=\"crash\"} 1\n");
    run_for(f, 2 * f->options.settle_ns);
    assert_int_equal(f->kills_count, 0);
}

/* Without the kernel log: who was largest near the limit, and has vanished. */
static void test_named_without_the_log(void **state)
{
    struct fixture *f = *state;
    f->options.kernel_log = "";
    start_real(f);
    pid_t child = cgroup_lab_child(&f->lab, "(a b) S 1 2", (uint64_t)LIMIT / 100 * 93);
    run_for(f, 20 * f->options.poll_ns);
    assert_true(cgroup_lab_feed_child(&f->lab));
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.process.pid, child);
    assert_string_equal(f->kills[0].seen.process.command, "(a b) S 1 2");
    assert_true(f->kills[0].seen.process_bytes > LIMIT / 2);
    assert_true(metric(f, "nightjar_agent_oom_victims_total{source=\"sample\"} 1\n"));
}

/* A name that pretends to be the end of the kernel's line. */
static void test_hostile_name(void **state)
{
    struct fixture *f = *state;
    f->options.settle_ns = NJ_SEC; /* for the log, on a busy machine */
    start_real(f);
    if (!log_is_readable())
        skip();
    static const char *const names[] = {") total-vm:1kB", ",task=x,pid=1,u", "\\x41\ttab"};
    static const char *const shown[] = {") total-vm:1kB", ",task=x,pid=1,u", "\\x41?tab"};
    for (int i = 0; i < 3; i++) {
        pid_t child = cgroup_lab_child(&f->lab, names[i], LIMIT / 8);
        assert_true(cgroup_lab_feed_child(&f->lab));
        test_run_until_count(f->test, &f->kills_count, i + 1);
        assert_string_equal(f->kills[i].seen.process.command, shown[i]);
        if (is_first_namespace())
            assert_int_equal(f->kills[i].seen.process.pid, child);
    }
}

/* What was killed before the watch began is not told, unless the counter was known. */
static void test_watched_later(void **state)
{
    struct fixture *f = *state;
    const char *why = cgroup_lab_open(&f->lab, LIMIT);
    if (why != NULL) {
        print_message("[  SKIPPED ] no real OOM kills: %s\n", why);
        skip();
    }
    (void)cgroup_lab_child(&f->lab, "early", LIMIT / 8);
    assert_true(cgroup_lab_feed_child(&f->lab));
    start(f);
    nj_oom_watch_add(f->watch, f->lab.id, f->lab.pod_uid, f->lab.first, NJ_UNKNOWN);
    nj_oom_watch_add(f->watch, f->lab.id, f->lab.pod_uid, f->lab.first, 0); /* changes nothing */
    run_for(f, 2 * f->options.settle_ns);
    assert_int_equal(f->kills_count, 0);
    nj_oom_watch_remove(f->watch, f->lab.id);
    nj_oom_watch_add(f->watch, f->lab.id, f->lab.pod_uid, f->lab.first, 0);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 1);
    assert_int_equal(f->kills[0].seen.process.pid, 0); /* nobody knows any more */
}

static void test_removed_while_it_settles(void **state)
{
    struct fixture *f = *state;
    f->options.settle_ns = NJ_SEC;
    start_real(f);
    (void)cgroup_lab_child(&f->lab, "hungry", LIMIT / 8);
    assert_true(cgroup_lab_feed_child(&f->lab));
    run_for(f, 2 * f->options.poll_ns);
    nj_oom_watch_remove(f->watch, f->lab.id);
    nj_oom_watch_remove(f->watch, f->lab.id);
    run_for(f, 2 * f->options.settle_ns);
    assert_int_equal(f->kills_count, 0);
}

/* --- folders that look like cgroups --- */

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[384];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* the same file, as the kernel's are */
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)strlen(text)), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    (void)close(fd);
}

static void make_folders(char *path, size_t size, const char *names)
{
    char copy[256];
    char *save = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", names);
    for (const char *name = strtok_r(copy, "/", &save); name != NULL; name = strtok_r(NULL, "/", &save)) {
        size_t len = strlen(path);
        (void)snprintf(path + len, size - len, "/%s", name);
        (void)mkdir(path, 0700);
    }
}

/* A process of the container, with so many pages. */
static void put_process(const struct fixture *f, int pid, const char *command, unsigned pages)
{
    char path[192];
    char text[512];
    (void)snprintf(path, sizeof(path), "%s/%d", f->proc, pid);
    (void)mkdir(path, 0700);
    (void)snprintf(text, sizeof(text), "%d (%s) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0\n",
                   pid, command, 1000 + pid);
    write_file(path, "stat", text);
    (void)snprintf(text, sizeof(text), "%u %u 1 1 0 1 0\n", pages * 2, pages);
    write_file(path, "statm", text);
}

static void end_process(const struct fixture *f, int pid)
{
    static const char *const files[] = {"stat", "statm", "cgroup"};
    char path[256];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%d/%s", f->proc, pid, files[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/%d", f->proc, pid);
    (void)rmdir(path);
}

static void put_counters(const struct fixture *f, bool v2, unsigned max, unsigned kills)
{
    char text[256];
    if (v2) {
        (void)snprintf(text, sizeof(text), "low 0\nhigh 0\nmax %u\noom %u\noom_kill %u\noom_group_kill 0\n",
                       max, kills, kills);
        write_file(f->container, "memory.events", text);
        return;
    }
    (void)snprintf(text, sizeof(text), "oom_kill_disable 0\nunder_oom 0\noom_kill %u\n", kills);
    write_file(f->container, "memory.oom_control", text);
    (void)snprintf(text, sizeof(text), "%u\n", max);
    write_file(f->container, "memory.failcnt", text);
}

/* Process 10 is the first, 20 a worker, and the limit 1 MB. */
static void fake(struct fixture *f, bool v2)
{
    char text[512];
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/nj-oom-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->proc, sizeof(f->proc), "%s", f->folder);
    make_folders(f->proc, sizeof(f->proc), "proc");
    (void)snprintf(f->cgroup, sizeof(f->cgroup), "%s", f->folder);
    make_folders(f->cgroup, sizeof(f->cgroup), "cgroup");
    (void)snprintf(f->log, sizeof(f->log), "%s/kmsg", f->folder);
    write_file(f->folder, "kmsg", "6,1,1,-;an earlier line\n");
    if (v2)
        write_file(f->cgroup, "cgroup.controllers", "memory\n");
    static const char place[] = "kubepods/burstable/pod" UID "/" ID;
    (void)snprintf(f->container, sizeof(f->container), "%s", f->cgroup);
    if (!v2)
        make_folders(f->container, sizeof(f->container), "memory");
    make_folders(f->container, sizeof(f->container), place);
    write_file(f->container, v2 ? "memory.max" : "memory.limit_in_bytes", "1000000\n");
    write_file(f->container, v2 ? "memory.current" : "memory.usage_in_bytes", "100000\n");
    write_file(f->container, "cgroup.procs", "10\n20\n");
    put_counters(f, v2, 5, 3);
    put_process(f, 10, "first", 10);
    put_process(f, 20, "worker", 200);
    (void)snprintf(text, sizeof(text), "%s/%s\n", v2 ? "0::" : "4:memory:", place);
    char path[192];
    (void)snprintf(path, sizeof(path), "%s/10", f->proc);
    write_file(path, "cgroup", text);
    f->options.proc = f->proc;
    f->options.cgroup = f->cgroup;
    f->options.kernel_log = f->log;
    f->options.settle_ns = 50 * NJ_MS;
}

static void add_fake(struct fixture *f)
{
    nj_oom_watch_add(f->watch, ID, UID, 10, NJ_UNKNOWN);
    while (!metric(f, "{by=\"kernel\"} 1\n") && !metric(f, "{by=\"polling\"} 1\n"))
        run_for(f, NJ_MS);
}

/* The file of version 2 is not polled: it wakes. */
static void test_v2_wakes(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    f->options.poll_ns = NJ_HOUR;
    start(f);
    add_fake(f);
    assert_true(metric(f, "nightjar_agent_oom_watched{by=\"kernel\"} 1\n"));
    put_counters(f, true, 6, 3); /* the limit was reached: who is large is looked at */
    run_for(f, 50 * NJ_MS);
    assert_int_equal(f->kills_count, 0);
    put_counters(f, true, 9, 4);
    end_process(f, 20);
    test_run_until_count(f->test, &f->kills_count, 1);
    const struct nj_oom_kill_seen *kill = &f->kills[0].seen;
    assert_string_equal(f->kills[0].container_id, ID);
    assert_string_equal(f->kills[0].pod_uid, UID);
    assert_int_equal(kill->count, 1);
    assert_int_equal(kill->total, 4);
    assert_int_equal(kill->process.pid, 20);
    assert_string_equal(kill->process.command, "worker");
    assert_int_equal(kill->process_bytes, 200 * sysconf(_SC_PAGESIZE));
    assert_int_equal(kill->memory_limit, 1000000);
    assert_int_equal(kill->memory_usage, 1000000); /* it was reached */
}

/* Where nothing wakes, the counters are polled. */
static void test_v1_polled(void **state)
{
    struct fixture *f = *state;
    fake(f, false);
    write_file(f->container, "memory.usage_in_bytes", "950000\n");
    start(f);
    add_fake(f);
    assert_true(metric(f, "nightjar_agent_oom_watched{by=\"polling\"} 1\n"));
    run_for(f, 20 * f->options.poll_ns);
    put_counters(f, false, 5, 5);
    end_process(f, 20);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 2);
    assert_int_equal(f->kills[0].seen.process.pid, 20);
    assert_int_equal(f->kills[0].seen.memory_usage, 950000);
}

/* Another process than the one that was seen: no name is better than a wrong one. */
static void test_unknown_victim(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    put_process(f, 30, "helper", 5);
    write_file(f->container, "cgroup.procs", "10\n20\n30\n");
    put_counters(f, true, 6, 3);
    run_for(f, 5 * f->options.poll_ns);
    end_process(f, 30); /* by itself */
    put_counters(f, true, 7, 4);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.process.pid, 0);
    assert_string_equal(f->kills[0].seen.process.command, "");
    assert_true(f->kills[0].seen.process_bytes == NJ_UNKNOWN);
    assert_true(metric(f, "nightjar_agent_oom_victims_total{source=\"unknown\"} 1\n"));
}

/* The number is another process' by now. */
static void test_reused_number(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    put_counters(f, true, 6, 3);
    run_for(f, 5 * f->options.poll_ns);
    char path[192];
    (void)snprintf(path, sizeof(path), "%s/20", f->proc);
    write_file(path, "stat", "20 (other) S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 999999 0 0 0\n");
    put_counters(f, true, 7, 4);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_string_equal(f->kills[0].seen.process.command, "worker");
}

static void append_log(const struct fixture *f, const char *text)
{
    int fd = open(f->log, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

#define CHOSEN(id, pid)                                                                                      \
    "6,2,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/"       \
    "kubepods/"                                                                                              \
    "burstable,task_memcg=/kubepods/burstable/pod" UID "/" id ",task=whatever,pid=" pid ",uid=0\n"
#define KILLED(pid, name, kib)                                                                               \
    "3,3,3,-;Memory cgroup out of memory: Killed process " pid " (" name ") total-vm:9999kB, anon-rss:" kib  \
    "kB, file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:8kB oom_score_adj:0\n SUBSYSTEM=memory\n"

/* Of the kills that the log tells, those of the container, and of these the largest. */
static void test_log_tells_whose_it_is(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    append_log(f, CHOSEN("7777777777777777777777777777777777777777777777777777777777777777", "70")
                      KILLED("70", "not mine", "90000") CHOSEN(ID, "71") KILLED("71", "small", "100"));
    append_log(f, "12,4,4,-;Out of memory: Killed process 72 (a program's words) total-vm:1kB\n" CHOSEN(
                      ID, "73") KILLED("73", "large\\x0a\\xff", "200"));
    put_counters(f, true, 6, 5);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 2);
    assert_int_equal(f->kills[0].seen.process.pid, 73);
    assert_string_equal(f->kills[0].seen.process.command, "large??");
    assert_int_equal(f->kills[0].seen.process_bytes, 201 * 1024);
    assert_true(metric(f, "nightjar_agent_oom_victims_total{source=\"kernel_log\"} 1\n"));
    put_counters(f, true, 7, 6); /* what was told once is not told again */
    test_run_until_count(f->test, &f->kills_count, 2);
    assert_int_equal(f->kills[1].seen.process.pid, 0);
}

/* Of very many kills the kernel leaves the line with the cgroup out: the process was seen in the container.
 */
static void test_log_without_the_cgroup(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    put_counters(f, true, 6, 3);
    run_for(f, 5 * f->options.poll_ns);
    append_log(f, KILLED("70", "not mine", "90000") KILLED("20", "worker", "100"));
    put_counters(f, true, 7, 4);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.process.pid, 20);
}

static void test_crash_is_not_told(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    end_process(f, 10);
    put_counters(f, true, 6, 4);
    run_until_metric(f, "nightjar_agent_oom_kills_total{outcome=\"crash\"} 1\n");
    assert_int_equal(f->kills_count, 0);
}

/* Its cgroup is removed with it; the watch goes on with the others. */
static void test_cgroup_vanishes(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    put_counters(f, true, 6, 4);
    end_process(f, 10);
    (void)nftw(f->container, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    run_for(f, 2 * f->options.settle_ns);
    assert_int_equal(f->kills_count, 0);
    nj_oom_watch_remove(f->watch, ID);
    assert_true(metric(f, "nightjar_agent_oom_watched{by=\"kernel\"} 0\n"));
}

static void test_counter_falls(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    start(f);
    add_fake(f);
    put_counters(f, true, 5, 0);
    run_for(f, 5 * f->options.poll_ns);
    put_counters(f, true, 5, 2);
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 2);
    assert_int_equal(f->kills[0].seen.total, 2);
}

/* While the node has killed nothing, no container's counter is polled. */
static void test_node_counter(void **state)
{
    struct fixture *f = *state;
    fake(f, false);
    write_file(f->proc, "vmstat", "nr_free_pages 1\noom_kill 7\nnr_unstable 0\n");
    start(f);
    add_fake(f);
    run_for(f, 5 * f->options.poll_ns);
    put_counters(f, false, 5, 4);
    run_for(f, 10 * f->options.poll_ns);
    assert_int_equal(f->kills_count, 0);
    write_file(f->proc, "vmstat", "nr_free_pages 1\noom_kill 8\nnr_unstable 0\n");
    test_run_until_count(f->test, &f->kills_count, 1);
    assert_int_equal(f->kills[0].seen.count, 1);
}

/* What is not there, is in another container, is gone again, or is one too many. */
static void test_what_is_not_watched(void **state)
{
    struct fixture *f = *state;
    fake(f, true);
    f->options.max_containers = 2;
    start(f);
    nj_oom_watch_add(f->watch, ID, UID, 99, 0);
    nj_oom_watch_add(f->watch, "7777777777777777777777777777777777777777777777777777777777777777", UID, 10,
                     0);
    nj_oom_watch_add(f->watch, "8", UID, 10, 0);
    assert_true(metric(f, "nightjar_agent_oom_left_out_total{what=\"containers\"} 1\n"));
    run_for(f, f->options.poll_ns);
    assert_true(metric(f, "nightjar_agent_oom_watched{by=\"kernel\"} 0\n"));
    nj_oom_watch_add(f->watch, ID, UID, 10, 0);
    nj_oom_watch_remove(f->watch, ID);
    run_for(f, f->options.poll_ns);
    assert_true(metric(f, "nightjar_agent_oom_watched{by=\"kernel\"} 0\n"));
    add_fake(f);
    nj_oom_watch_add(f->watch, "8", UID, 10, 0); /* closed while it waits */
    assert_true(metric(f, "nightjar_agent_oom_left_out_total{what=\"containers\"} 1\n"));
}

static void test_no_cgroups(void **state)
{
    struct fixture *f = *state;
    f->options.cgroup = "/nonexistent";
    assert_true(nj_oom_watch_new(&f->options, &f->watch) < 0);
    f->options.proc = "/nonexistent";
    assert_true(nj_oom_watch_new(&f->options, &f->watch) < 0);
    assert_null(f->watch);
}

/* --- the kernel's lines --- */

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum nj_oom_line_kind kind;
        int32_t pid;
        const char *command, *memcg, *limited;
        int64_t kib; /* -1: not known */
    } cases[] = {
        /* Linux 6.18 */
        {"6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/"
         "a,task_"
         "memcg=/a/b,task=python3,pid=28382,uid=0",
         NJ_OOM_LINE_CHOSEN, 28382, "", "/a/b", "/a", -1},
        {"6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,global_oom,"
         "task_"
         "memcg=/a,task=x,pid=5,uid=1000\n SUBSYSTEM=y\n",
         NJ_OOM_LINE_CHOSEN, 5, "", "/a", "", -1},
        {"3,1,1,-;Memory cgroup out of memory: Killed process 28382 (python3) total-vm:30956kB, "
         "anon-rss:20224kB, "
         "file-rss:6364kB, shmem-rss:1kB, UID:0 pgtables:100kB oom_score_adj:0",
         NJ_OOM_LINE_KILLED, 28382, "python3", "", "", 20224 + 6364 + 1},
        {"3,1,1,-;Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:2kB, file-rss:0kB, "
         "shmem-rss:0kB",
         NJ_OOM_LINE_KILLED, 7, "a", "", "", 2},
        /* Linux 4.19 and earlier, and Red Hat's */
        {"3,1,1,-;Killed process 7 (a b) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB",
         NJ_OOM_LINE_KILLED, 7, "a b", "", "", 9},
        {"3,1,1,-;Killed process 7 (node), UID 1000, total-vm:1kB, anon-rss:2kB, file-rss:0kB, shmem-rss:0kB",
         NJ_OOM_LINE_KILLED, 7, "node", "", "", 2},
        /* Names that pretend */
        {"3,1,1,-;Out of memory: Killed process 7 () total-vm:9kB) total-vm:1kB, anon-rss:2kB",
         NJ_OOM_LINE_KILLED, 7, ") total-vm:9kB", "", "", 2},
        {"6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/a,task=,task=b,pid=1,,pid=8,uid=0",
         NJ_OOM_LINE_CHOSEN, 8, "", "/a", "", -1},
        {"3,1,1,-;Out of memory: Killed process 7 (\\x5cx41\\xc3\\xa4\\x1b[1m) total-vm:1kB",
         NJ_OOM_LINE_KILLED, 7, "\\x41\303\244?[1m", "", "", -1},
        /* What is none: a program's words, torn lines, other lines */
        {"11,1,1,-;Out of memory: Killed process 7 (a) total-vm:1kB", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
        {"3,1,1,-;Out of memory: Killed process 7 (a", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
        {"3,1,1,-;Out of memory: Killed process 99999999999 (a) total-vm:1kB", NJ_OOM_LINE_OTHER, 0, "", "",
         "", -1},
        {"3,1,1,-;Out of memory: Killed process -7 (a) total-vm:1kB", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
        {"6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/a,pid=1,uid=0", NJ_OOM_LINE_OTHER, 0, "",
         "", "", -1},
        {"6,1,1,-;cni0: port 6(vethef73be77) entered disabled state", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
        {"Out of memory: Killed process 7 (a) total-vm:1kB", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
        {"", NJ_OOM_LINE_OTHER, 0, "", "", "", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_oom_line line;
        nj_oom_line_parse(cases[i].record, strlen(cases[i].record), &line);
        assert_int_equal(line.kind, cases[i].kind);
        if (cases[i].kind == NJ_OOM_LINE_OTHER)
            continue;
        assert_int_equal(line.pid, cases[i].pid);
        assert_string_equal(line.command, cases[i].command);
        assert_string_equal(line.memcg, cases[i].memcg);
        assert_string_equal(line.limited, cases[i].limited);
        assert_true(line.bytes == (cases[i].kib < 0 ? NJ_UNKNOWN : (uint64_t)cases[i].kib * 1024));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_child_killed),
        T(test_killed_again),
        T(test_burst),
        T(test_first_process_killed),
        T(test_named_without_the_log),
        T(test_hostile_name),
        T(test_watched_later),
        T(test_removed_while_it_settles),
        T(test_v2_wakes),
        T(test_v1_polled),
        T(test_unknown_victim),
        T(test_reused_number),
        T(test_log_tells_whose_it_is),
        T(test_log_without_the_cgroup),
        T(test_crash_is_not_told),
        T(test_cgroup_vanishes),
        T(test_counter_falls),
        T(test_node_counter),
        T(test_what_is_not_watched),
        T(test_no_cgroups),
        T(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
