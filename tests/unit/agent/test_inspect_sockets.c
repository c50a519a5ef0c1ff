/*
 * Sockets counted by both ways, in real network namespaces full of real sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/inspect/sockets.h"
#include "common/base/clock.h"
#include "tests/unit/agent/socket_farm.h"
#include "tests/unit/test.h"

/* With NJ_TEST_SOCKETS=50000 in the environment the large namespace has that many. */
enum { SOCKETS = 4000, TRIES = 500, TRY_MS = 10 };

/* Of this thread; the permitted ones stay, so that it can be taken back. */
static void may_enter_namespaces(bool may)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    assert_int_equal(syscall(SYS_capget, &header, sets), 0);
    sets[0].effective = may ? sets[0].permitted : sets[0].effective & ~(1U << CAP_SYS_ADMIN);
    assert_int_equal(syscall(SYS_capset, &header, sets), 0);
}

static struct nj_sockets *open_sockets(void)
{
    struct nj_sockets *sockets = NULL;
    assert_int_equal(nj_sockets_new("/proc", 1000, &sockets), 0);
    return sockets;
}

static void count_afresh(pid_t pid, struct nj_socket_figures *figures)
{
    struct nj_sockets *sockets = open_sockets();
    assert_int_equal(nj_sockets_count(sockets, "pod", pid, NJ_SEC, figures), 0);
    assert_int_equal(figures->at_ns, NJ_SEC);
    nj_sockets_free(sockets);
}

static bool same_states(const struct nj_socket_figures *a, const struct nj_socket_figures *b)
{
    return memcmp(a->tcp, b->tcp, sizeof(a->tcp)) == 0;
}

/* The kernel finishes a close or a handshake in its own time: counts until it has. */
static void count_when_quiet(const struct farm *farm, struct nj_socket_figures *figures)
{
    for (int i = 0; i < TRIES; i++) {
        count_afresh(farm->pid, figures);
        if (same_states(figures, &farm->truth))
            return;
        (void)poll(NULL, 0, TRY_MS);
    }
    for (int state = 1; state < NJ_TCP_STATES; state++) {
        if (figures->tcp[state] != farm->truth.tcp[state])
            print_error("%s: counted %llu, there are %llu\n", nj_tcp_state_name(state),
                        (unsigned long long)figures->tcp[state], (unsigned long long)farm->truth.tcp[state]);
    }
    fail_msg("the count is not what there is");
}

static void start(struct farm *farm, const struct farm_wish *wish)
{
    if (!farm_start(farm, wish)) {
        print_message("no network namespace can be made here\n");
        skip();
    }
}

static void end(struct farm *farm)
{
    farm_end(farm);
    farm_reap(farm);
}

static void check_all(const struct nj_socket_figures *figures, const struct nj_socket_figures *truth)
{
    assert_true(same_states(figures, truth));
    assert_int_equal(figures->udp, truth->udp);
    assert_int_equal(figures->raw, truth->raw);
    assert_int_equal(figures->unix_stream, truth->unix_stream);
    assert_int_equal(figures->queue_port, truth->queue_port);
    assert_int_equal(figures->queue_length, truth->queue_length);
    assert_true(figures->listen_overflows >= 1 && figures->listen_overflows < 100);
    assert_true(figures->listen_drops >= figures->listen_overflows && figures->listen_drops < 100);
}

static void test_both_ways_tell_the_truth(void **state)
{
    (void)state;
    struct farm farm;
    struct nj_socket_figures figures;
    char before[64] = {0}, after[64] = {0};
    start(&farm,
          &(struct farm_wish){.pairs = 20, .pairs6 = 7, .close_wait = 5, .processes = 2, .others = true});

    may_enter_namespaces(false);
    count_when_quiet(&farm, &figures);
    check_all(&figures, &farm.truth);
    assert_true(figures.queue_limit == NJ_UNKNOWN);

    may_enter_namespaces(true);
    assert_true(readlink("/proc/thread-self/ns/net", before, sizeof(before) - 1) > 0);
    count_when_quiet(&farm, &figures);
    check_all(&figures, &farm.truth);
    assert_true(readlink("/proc/thread-self/ns/net", after, sizeof(after) - 1) > 0);
    assert_string_equal(before, after);
    if (figures.queue_limit == NJ_UNKNOWN)
        print_message("netlink was not tried: this process may not enter namespaces\n");
    else
        assert_int_equal(figures.queue_limit, farm.truth.queue_limit);
    end(&farm);
}

static void test_namespace_without_sockets(void **state)
{
    (void)state;
    struct farm farm;
    struct nj_socket_figures figures;
    start(&farm, &(struct farm_wish){.processes = 1});
    for (int may = 0; may < 2; may++) {
        may_enter_namespaces(may == 1);
        count_when_quiet(&farm, &figures);
        assert_int_equal(figures.tcp[NJ_TCP_LISTEN], 1);
        assert_int_equal(figures.udp, 0);
        assert_int_equal(figures.raw, 0);
        assert_int_equal(figures.unix_stream, 0);
        assert_int_equal(figures.queue_length, 0);
        assert_int_equal(figures.queue_port, farm.truth.queue_port);
        assert_int_equal(figures.listen_overflows, 0);
    }
    may_enter_namespaces(true);
    end(&farm);
}

static void test_many_sockets(void **state)
{
    (void)state;
    const char *wanted = getenv("NJ_TEST_SOCKETS");
    enum { PROCESSES = 4, PARTS = 2 * PROCESSES };
    int pairs = (wanted == NULL ? SOCKETS : (int)strtol(wanted, NULL, 10)) / PARTS;
    struct farm farm;
    struct nj_socket_figures figures;
    start(&farm,
          &(struct farm_wish){.pairs = pairs / 2, .close_wait = pairs - pairs / 2, .processes = PROCESSES});
    for (int may = 0; may < 2; may++) {
        may_enter_namespaces(may == 1);
        count_when_quiet(&farm, &figures);
    }
    may_enter_namespaces(true);

    uint64_t own = 0;
    struct nj_sockets *sockets = open_sockets();
    assert_int_equal(nj_sockets_own(sockets, farm.pid, NJ_TCP_CLOSE_WAIT, &own), 0);
    assert_int_equal(own, farm.own_close_wait);
    assert_int_equal(own * PROCESSES, farm.truth.tcp[NJ_TCP_CLOSE_WAIT]);
    nj_sockets_free(sockets);
    end(&farm);
}

static void test_own_share(void **state)
{
    (void)state;
    struct farm farm;
    uint64_t own = 77;
    start(&farm, &(struct farm_wish){.pairs = 3, .close_wait = 4, .processes = 3, .others = true});
    for (int may = 0; may < 2; may++) {
        struct nj_sockets *sockets = open_sockets();
        may_enter_namespaces(may == 1);
        assert_int_equal(nj_sockets_own(sockets, farm.pid, NJ_TCP_CLOSE_WAIT, &own), 0);
        assert_int_equal(own,
                         farm.own_close_wait); /* of three processes one; a duplicated fd is one socket */
        assert_int_equal(nj_sockets_own(sockets, farm.pid, NJ_TCP_TIME_WAIT, &own), 0);
        assert_int_equal(own, 0); /* those are nobody's */
        assert_int_equal(nj_sockets_own(sockets, getpid(), NJ_TCP_CLOSE_WAIT, &own), 0);
        assert_int_equal(own, 0);
        nj_sockets_free(sockets);
    }
    may_enter_namespaces(true);
    end(&farm);
}

static void test_process_that_is_gone(void **state)
{
    (void)state;
    struct farm farm;
    struct nj_socket_figures figures = {.at_ns = 42};
    uint64_t own = 42;
    start(&farm, &(struct farm_wish){.processes = 1});
    struct nj_sockets *sockets = open_sockets();
    farm_end(&farm); /* a zombie now */
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_SEC, &figures), -ESRCH);
    assert_int_equal(figures.at_ns, 42);
    farm_reap(&farm);
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_SEC, &figures), -ESRCH);
    assert_int_equal(nj_sockets_own(sockets, farm.pid, NJ_TCP_LISTEN, &own), -ESRCH);
    assert_int_equal(figures.at_ns, 42);
    assert_int_equal(own, 42);
    nj_sockets_free(sockets);
}

static void test_rests_after_a_count(void **state)
{
    (void)state;
    struct farm farm;
    struct nj_socket_figures figures;
    start(&farm, &(struct farm_wish){.pairs = 5, .processes = 1});
    struct nj_sockets *sockets = open_sockets();
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_SEC, &figures), 0);
    farm_grow(&farm, 3);
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_SEC + 1, &figures), 0);
    assert_int_equal(figures.at_ns, NJ_SEC);
    assert_int_equal(figures.tcp[NJ_TCP_ESTABLISHED], 10);
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_DAY, &figures), 0);
    assert_int_equal(figures.at_ns, NJ_DAY);
    assert_int_equal(figures.tcp[NJ_TCP_ESTABLISHED], 16);

    /* Forgotten, it is as one that was never seen; one that was asked for is kept. */
    farm_grow(&farm, 2);
    nj_sockets_forget(sockets, NJ_DAY);
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_DAY + 1, &figures), 0);
    assert_int_equal(figures.at_ns, NJ_DAY);
    nj_sockets_forget(sockets, NJ_DAY + 2);
    assert_int_equal(nj_sockets_count(sockets, "pod", farm.pid, NJ_DAY + 2, &figures), 0);
    assert_int_equal(figures.at_ns, NJ_DAY + 2);
    assert_int_equal(figures.tcp[NJ_TCP_ESTABLISHED], 20);
    nj_sockets_free(sockets);
    end(&farm);
}

/* When, after `now`, is the one that has changed counted again, and when is the quiet one? Ten names stand
 * for the quiet one, so that its turn comes late. */
static void watch(const struct farm *changed, const struct farm *quiet, struct nj_sockets *sockets,
                  int64_t now, struct nj_socket_figures *ret_changed, int64_t *ret_changed_ns,
                  int64_t *ret_quiet_ns)
{
    struct nj_socket_figures figures;
    *ret_changed_ns = *ret_quiet_ns = 0;
    for (int64_t passed = 10 * NJ_MS; *ret_quiet_ns == 0; passed += passed / 10) {
        assert_true(passed < NJ_DAY);
        assert_int_equal(nj_sockets_count(sockets, "changed", changed->pid, now + passed, &figures), 0);
        if (*ret_changed_ns == 0 && figures.at_ns > now) {
            *ret_changed_ns = passed;
            *ret_changed = figures;
        }
        assert_int_equal(nj_sockets_count(sockets, "quiet 1", quiet->pid, now + passed, &figures), 0);
        if (figures.at_ns > now)
            *ret_quiet_ns = passed;
    }
}

static void test_change_is_counted_out_of_turn(void **state)
{
    (void)state;
    enum { NAMES = 20, PAIRS = 1500 };
    struct farm changed, quiet;
    struct nj_socket_figures figures;
    int64_t now = NJ_HOUR, changed_ns, quiet_ns;
    start(&changed, &(struct farm_wish){.pairs = PAIRS, .processes = 1, .others = true});
    start(&quiet, &(struct farm_wish){.pairs = PAIRS, .processes = 1});
    may_enter_namespaces(false); /* the dearer way: the proportions are those of a large node */
    for (int overflows = 0; overflows < 2; overflows++) {
        struct nj_sockets *sockets = open_sockets();
        assert_int_equal(nj_sockets_count(sockets, "changed", changed.pid, now, &figures), 0);
        for (int i = 0; i < NAMES; i++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "quiet %d", i);
            assert_int_equal(nj_sockets_count(sockets, name, quiet.pid, now, &figures), 0);
        }
        if (overflows == 0)
            farm_grow(&changed, PAIRS / 2);
        else
            farm_overflow(&changed, 3);
        watch(&changed, &quiet, sockets, now, &figures, &changed_ns, &quiet_ns);
        assert_true(changed_ns > 0);
        assert_true(changed_ns * 2 < quiet_ns);
        assert_true(figures.tcp[NJ_TCP_ESTABLISHED] == changed.truth.tcp[NJ_TCP_ESTABLISHED]);
        nj_sockets_free(sockets);
    }
    may_enter_namespaces(true);
    end(&changed);
    end(&quiet);
}

/* The kernel refuses to let the thread go to the namespace that `own` stands for: which fd that is, is known,
 * for nj_sockets_new() opens it as the second one, after /proc. */
static void refuse_setns_to(int own)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)own, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        _exit(2);
}

/* In a process of its own, since the thread is lost: 0 when all is as it should be. */
static int lose_the_way_back(const struct farm *farm)
{
    struct nj_sockets *sockets;
    struct nj_socket_figures first, second;
    struct stat here, there;
    char path[64];
    int first_free = open("/dev/null", O_RDONLY | O_CLOEXEC), second_free = dup(first_free);
    if (first_free < 0 || second_free < 0 || close(first_free) < 0 || close(second_free) < 0)
        return 10;
    refuse_setns_to(second_free);
    if (nj_sockets_new("/proc", 1000, &sockets) < 0)
        return 11;
    if (nj_sockets_count(sockets, "pod", farm->pid, NJ_SEC, &first) < 0)
        return 12;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", farm->pid);
    if (stat(path, &there) < 0 || stat("/proc/thread-self/ns/net", &here) < 0)
        return 13;
    if (here.st_ino != there.st_ino)
        return 14; /* it is back after all: the test does not test what it says */
    /* Another process' namespace is not entered any more, and its sockets are still counted. */
    if (nj_sockets_count(sockets, "", getppid(), NJ_SEC, &second) < 0)
        return 15;
    if (stat("/proc/thread-self/ns/net", &here) < 0 || here.st_ino != there.st_ino)
        return 16;
    bool right = first.tcp[NJ_TCP_ESTABLISHED] == 10 && second.tcp[NJ_TCP_LISTEN] != NJ_UNKNOWN &&
                 second.at_ns == NJ_SEC;
    nj_sockets_free(sockets);
    return right ? 0 : 17;
}

static void test_no_way_back(void **state)
{
    (void)state;
    struct farm farm;
    int status = 0;
    if (geteuid() != 0) {
        print_message("needs the right to enter namespaces\n");
        skip();
    }
    start(&farm, &(struct farm_wish){.pairs = 5, .processes = 1});
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(lose_the_way_back(&farm));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    end(&farm);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(nj_tcp_state_name(NJ_TCP_CLOSE_WAIT), "CLOSE_WAIT");
    assert_string_equal(nj_tcp_state_name(NJ_TCP_CLOSING), "CLOSING");
    assert_string_equal(nj_tcp_state_name((enum nj_tcp_state)0), "");
    assert_string_equal(nj_tcp_state_name(NJ_TCP_STATES), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_tell_the_truth),
        cmocka_unit_test(test_namespace_without_sockets),
        cmocka_unit_test(test_many_sockets),
        cmocka_unit_test(test_own_share),
        cmocka_unit_test(test_process_that_is_gone),
        cmocka_unit_test(test_rests_after_a_count),
        cmocka_unit_test(test_change_is_counted_out_of_turn),
        cmocka_unit_test(test_no_way_back),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
