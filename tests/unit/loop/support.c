#include "tests/unit/loop/support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { GUARD_MS = 60 * 1000, THREADS_MS = 2000, FDS_MS = 5000 };

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int count = 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

int test_count_fds(void)
{
    return count_entries("/proc/self/fd");
}

static int count_threads(void)
{
    return count_entries("/proc/self/task");
}

int test_loop_setup(void **state)
{
    /* As both programs do: here a peer is often gone before the test's own server has written to it. */
    (void)signal(SIGPIPE, SIG_IGN);
    /* libuv keeps a few descriptors for the whole process from the first loop on. */
    static const struct nj_clock system_clock;
    struct nj_loop first;
    assert_int_equal(nj_loop_init(&first, &system_clock), 0);
    assert_int_equal(nj_loop_close(&first), 0);

    struct test_loop *test = calloc(1, sizeof(*test));
    assert_non_null(test);
    test->threads = count_threads();
    test->fds = test_count_fds();
    nj_clock_init(&test->clock);
    assert_int_equal(nj_loop_init(&test->loop, &test->clock), 0);
    *state = test;
    return 0;
}

/* A lookup that was cancelled goes on by itself for a moment: its thread opens files and sockets, and would
 * disturb the next test's count, too. */
static void wait_for(int (*count)(void), int wanted, int at_most_ms)
{
    const struct timespec moment = {.tv_nsec = NJ_MS};
    for (int ms = 0; ms < at_most_ms && count() > wanted; ms++)
        (void)nanosleep(&moment, NULL);
}

int test_loop_teardown(void **state)
{
    struct test_loop *test = *state;
    assert_int_equal(nj_loop_close(&test->loop), 0);
    wait_for(count_threads, test->threads, THREADS_MS);
    wait_for(test_count_fds, test->fds, FDS_MS);
    assert_int_equal(test_count_fds(), test->fds);
    free(test);
    return 0;
}

static void on_guard(uv_timer_t *guard)
{
    bool *expired = guard->data;
    *expired = true;
}

static void run(struct test_loop *test, const bool *done, const int *count, int wanted)
{
    bool expired = false;
    uv_timer_t guard;
    assert_int_equal(uv_timer_init(&test->loop.uv, &guard), 0);
    guard.data = &expired;
    assert_int_equal(uv_timer_start(&guard, on_guard, GUARD_MS, 0), 0);
    while (!expired && !(done != NULL ? *done : *count >= wanted))
        (void)uv_run(&test->loop.uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&guard, NULL);
    (void)uv_run(&test->loop.uv, UV_RUN_NOWAIT);
    assert_false(expired);
}

void test_run_until(struct test_loop *test, const bool *done)
{
    run(test, done, NULL, 0);
}

void test_run_until_count(struct test_loop *test, const int *count, int wanted)
{
    run(test, NULL, count, wanted);
}

void test_run_some(struct test_loop *test)
{
    for (int i = 0; i < 20; i++)
        (void)uv_run(&test->loop.uv, UV_RUN_NOWAIT);
}

void test_set_flag(void *data)
{
    bool *flag = data;
    assert_false(*flag);
    *flag = true;
}

int test_listen(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int test_refuse(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int test_free_port(void)
{
    enum { LOWEST = 12000, COUNT = 8000, TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        int port = LOWEST + (int)((uv_hrtime() / 1000 + (uint64_t)getpid() * 31) % COUNT);
        const struct sockaddr_in address = {.sin_family = AF_INET,
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                            .sin_port = htons((uint16_t)port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
        test_close(fd);
        if (is_free)
            return port;
    }
    fail_msg("no free port on 127.0.0.1");
    return -1;
}

int test_connect(int port)
{
    return test_connect_to("127.0.0.1", port);
}

int test_connect_to(const char *host, int port)
{
    struct sockaddr_in address;
    assert_int_equal(uv_ip4_addr(host, port, &address), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

const char *test_own_host(char text[INET_ADDRSTRLEN])
{
    enum { NET = 0x7f400000, OF_PID = 0x3fffff }; /* 127.64.0.0/10; an id has 22 bits at most */
    const struct in_addr address = {.s_addr = htonl((uint32_t)NET | ((uint32_t)getpid() & OF_PID))};
    assert_non_null(inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN));
    return text;
}

void test_close(int fd)
{
    assert_int_equal(close(fd), 0);
}

void test_send(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}
