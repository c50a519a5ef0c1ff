/*
 * Ends of processes as the kernel tells them: real children, each with its way to end; and the words for
 * where the kernel tells nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/inspect/exits.h"
#include "agent/inspect/exits_message.h"
#include "common/base/alloc.h"
#include "tests/unit/loop/support.h"

enum { TOLD_MAX = 4096 };

struct fixture {
    struct test_loop *test;
    struct nj_metrics *metrics;
    struct nj_exits *exits;
    struct {
        int32_t pid;
        int exit_code;
    } told[TOLD_MAX];
    int told_count;
    int64_t last_ns;
};

static void on_exit_told(void *data, int32_t pid, int exit_code, int64_t wall_ns)
{
    struct fixture *f = data;
    f->last_ns = wall_ns;
    if (f->told_count == TOLD_MAX) /* other processes of the machine end as well */
        return;
    f->told[f->told_count].pid = pid;
    f->told[f->told_count++].exit_code = exit_code;
}

static int setup(void **state)
{
    void *test = NULL;
    if (test_loop_setup(&test) != 0)
        return -1;
    struct fixture *f = NJ_NEW(struct fixture);
    f->test = test;
    f->metrics = nj_metrics_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    nj_exits_close(f->exits, test_set_flag, &closed);
    test_run_until(f->test, &closed);
    nj_metrics_free(f->metrics);
    void *test = f->test;
    free(f);
    return test_loop_teardown(&test);
}

static struct nj_exits_options options_of(struct fixture *f)
{
    return (struct nj_exits_options){
        .loop = &f->test->loop, .metrics = f->metrics, .on_exit = on_exit_told, .data = f};
}

static void start(struct fixture *f)
{
    struct nj_exits_options options = options_of(f);
    struct nj_err err = {0};
    int rc = nj_exits_start(&options, &f->exits, &err);
    if (rc < 0) {
        assert_string_not_equal(err.text, "");
        print_message("[  SKIPPED ] no ends of processes to be had here: %s\n", err.text);
        skip();
    }
}

/* Runs until the end of `pid` was told; its exit code. */
static int told(struct fixture *f, pid_t pid)
{
    for (;;) {
        for (int i = 0; i < f->told_count; i++) {
            if (f->told[i].pid == pid)
                return f->told[i].exit_code;
        }
        assert_true(uv_run(&f->test->loop.uv, UV_RUN_ONCE) != 0);
    }
}

static bool was_told(const struct fixture *f, pid_t pid)
{
    for (int i = 0; i < f->told_count; i++) {
        if (f->told[i].pid == pid)
            return true;
    }
    return false;
}

static pid_t child(int code)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(code);
    return pid;
}

static void test_exit_codes(void **state)
{
    struct fixture *f = *state;
    start(f);
    static const int codes[] = {0, 1, 3, 137, 255};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        pid_t pid = child(codes[i]);
        int exit_code = told(f, pid); /* before anybody has waited for it */
        assert_true(WIFEXITED(exit_code));
        assert_int_equal(WEXITSTATUS(exit_code), codes[i]);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(exit_code, status);
    }
    assert_true(f->last_ns > 0);
}

static void test_signals(void **state)
{
    struct fixture *f = *state;
    start(f);
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)signal(signals[i], SIG_DFL); /* the sanitizers have theirs */
            (void)raise(signals[i]);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        int exit_code = told(f, pid);
        assert_int_equal(WTERMSIG(exit_code), WTERMSIG(status));
    }
}

static void *thread_main(void *data)
{
    *(pid_t *)data = gettid();
    return NULL;
}

/* A thread's end is none of a process. */
static void test_threads_are_left_out(void **state)
{
    struct fixture *f = *state;
    start(f);
    pid_t thread_id = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_main, &thread_id), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pid_t after = child(0);
    (void)told(f, after);
    assert_int_equal(waitpid(after, NULL, 0), after);
    assert_true(thread_id != 0);
    assert_false(was_told(f, thread_id));
}

static bool metric(const struct fixture *f, const char *line)
{
    struct nj_buf text = {0};
    assert_int_equal(nj_metrics_render(f->metrics, &text), 0);
    bool found = strstr(nj_buf_str(&text), line) != NULL;
    nj_buf_done(&text);
    return found;
}

/* More ends than anybody has read: what was dropped is counted, and it goes on afterwards. */
static void test_overrun(void **state)
{
    struct fixture *f = *state;
    start(f);
    enum { MANY = 6000 };
    pid_t maker = fork(); /* a small process forks faster */
    if (maker == 0) {
        for (int i = 0; i < MANY; i++) {
            /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): fast, and all it does is to end */
            pid_t pid = vfork();
            if (pid == 0)
                _exit(0);
            (void)waitpid(pid, NULL, 0);
        }
        _exit(7);
    }
    assert_int_equal(waitpid(maker, NULL, 0), maker);
    test_run_some(f->test);
    pid_t after = child(9);
    assert_int_equal(waitpid(after, NULL, 0), after);
    f->told_count = 0;
    while (!was_told(f, after)) {
        if (f->told_count == TOLD_MAX)
            f->told_count = 0;
        assert_true(uv_run(&f->test->loop.uv, UV_RUN_ONCE) != 0);
    }
    if (metric(f, "nightjar_agent_exits_overruns_total 0\n"))
        print_message("[  NOTE    ] this kernel kept all of %d\n", MANY);
}

/* Where the kernel tells nothing, the words say what would help. `isolate` is done in a child. */
static void refused_in(struct fixture *f, int (*isolate)(void), int rc_wanted, const char *words)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int way = isolate();
        if (way != 0)
            _exit(way);
        struct nj_exits_options options = options_of(f);
        struct nj_exits *exits = NULL;
        struct nj_err err = {0};
        int rc = nj_exits_start(&options, &exits, &err);
        bool right = rc == rc_wanted && exits == NULL && strstr(err.text, words) != NULL;
        if (!right)
            (void)fprintf(stderr, "%d: %s\n", rc, err.text);
        _exit(right ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("[  SKIPPED ] no namespaces can be made here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static int other_network(void)
{
    return unshare(CLONE_NEWNET) == 0 ? 0 : 77;
}

static int other_pids(void)
{
    if (unshare(CLONE_NEWPID) < 0)
        return 77;
    pid_t pid = fork();
    if (pid == 0)
        return 0;
    int status = 0;
    (void)waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void test_other_network_namespace(void **state)
{
    refused_in(*state, other_network, -ECONNREFUSED, "hostNetwork");
}

static void test_other_pid_namespace(void **state)
{
    struct fixture *f = *state;
    start(f); /* where it can be had at all */
    refused_in(f, other_pids, -ENODATA, "hostPID");
}

/* Torn and foreign messages are passed over; fuzz_cn_proc has more of them. */
static void test_torn_messages(void **state)
{
    (void)state;
    static const uint8_t zeros[256];
    struct nj_exits_message message;
    for (size_t len = 0; len < sizeof(zeros); len++) {
        size_t offset = 0;
        assert_false(nj_exits_next(zeros, len, &offset, &message));
        assert_int_equal(offset, len);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_exit_codes),
        T(test_signals),
        T(test_threads_are_left_out),
        T(test_overrun),
        T(test_other_network_namespace),
        T(test_other_pid_namespace),
        T(test_torn_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
