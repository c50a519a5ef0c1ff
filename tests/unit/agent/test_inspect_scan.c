/*
 * A scan of real processes in real cgroups: what it counts is what there is.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/inspect/scan.h"
#include "tests/unit/agent/scan_lab.h"
#include "tests/unit/test.h"

#define POD "5f8f0c3a-0000-4000-8000-1e77a1b2c3d4"
#define MIB (1024UL * 1024)

enum { STANDARD = 3, BOTH = 2 * STANDARD, WAIT_TURNS = 1000, TURN_NS = 10000000 };

struct fixture {
    struct scan_lab lab;
    struct nj_scan *scan;
    struct rlimit files;
    int64_t now_ns;
};

/* The ids of containers, of this run alone: others may be scanning. */
static char A[NJ_CONTAINER_ID_MAX], B[NJ_CONTAINER_ID_MAX], C[NJ_CONTAINER_ID_MAX];

static const struct nj_scan_options defaults = {
    .proc = "/proc", .cgroup = "/sys/fs/cgroup", .max_processes = 32768, .max_containers = 1024};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *state = f;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &f->files), 0);
    if (!scan_lab_new(&f->lab)) {
        print_message("skipped: cgroups cannot be made here\n");
        free(f);
        *state = NULL;
        return 0;
    }
    scan_lab_container(&f->lab, POD, A);
    scan_lab_container(&f->lab, POD, B);
    scan_lab_container(&f->lab, POD, C);
    return nj_scan_new(&defaults, &f->scan);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f == NULL)
        return 0;
    (void)setrlimit(RLIMIT_NOFILE, &f->files);
    nj_scan_free(f->scan);
    scan_lab_done(&f->lab);
    free(f);
    return 0;
}

static struct fixture *real(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static void wait_a_moment(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = TURN_NS}, NULL);
}

static void run(struct fixture *f)
{
    assert_int_equal(nj_scan_run(f->scan, ++f->now_ns), 0);
}

static const struct nj_container_figures *figures_of(struct fixture *f, const char *id)
{
    size_t count = 0;
    const struct nj_container_figures *all = nj_scan_containers(f->scan, &count);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(all[i - 1].id, all[i].id) < 0);
        if (strcmp(all[i].id, id) == 0)
            return &all[i];
    }
    return NULL;
}

static const struct nj_container_figures *found(struct fixture *f, const char *id)
{
    const struct nj_container_figures *figures = figures_of(f, id);
    assert_non_null(figures);
    assert_string_equal(figures->pod_uid, POD);
    assert_int_equal(figures->at_ns, f->now_ns);
    return figures;
}

static void check(struct fixture *f, const char *id, uint64_t processes, uint64_t threads, uint64_t zombies,
                  uint64_t fds)
{
    const struct nj_container_figures *figures = found(f, id);
    if (figures->processes != processes || figures->threads != threads || figures->zombies != zombies ||
        figures->fds != fds)
        fail_msg("%.4s: %" PRIu64 " processes, %" PRIu64 " threads, %" PRIu64 " zombies, %" PRIu64
                 " fds; there are %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                 id, figures->processes, figures->threads, figures->zombies, figures->fds, processes, threads,
                 zombies, fds);
}

static void a_scan_counts_what_there_is(void **state)
{
    struct fixture *f = real(state);
    pid_t first = scan_lab_start(&f->lab, POD, A, lab_open, 40);
    pid_t second = scan_lab_start(&f->lab, POD, A, lab_open, 7);
    (void)scan_lab_start(&f->lab, POD, B, lab_threads, 9);
    for (int i = 0; i < 3; i++) { /* new, again, and remembered */
        run(f);
        check(f, A, 2, 2, 0, 40 + 7 + BOTH);
        check(f, B, 1, 10, 0, STANDARD);
        assert_null(figures_of(f, C));
    }
    assert_int_equal(found(f, A)->init.pid, first);
    assert_int_equal(found(f, A)->fullest.pid, first);
    assert_string_equal(found(f, A)->fullest.command, "test_inspect_sc"); /* as the kernel cuts it */
    assert_int_equal(found(f, A)->fullest_fds, 40 + STANDARD);
    assert_true(nj_scan_cgroup(f->scan, A) != NULL);
    struct nj_inspect_process processes[4];
    assert_int_equal(nj_scan_processes(f->scan, A, processes, 4), 2);
    assert_int_equal(processes[0].pid, first);
    assert_int_equal(processes[1].pid, second);
    assert_int_equal(nj_scan_processes(f->scan, A, processes, 1), 1);
    assert_int_equal(nj_scan_processes(f->scan, C, processes, 4), 0);
    /* One ends, one comes. */
    scan_lab_kill(&f->lab, first);
    (void)scan_lab_start(&f->lab, POD, B, lab_open, 1);
    run(f);
    check(f, A, 1, 1, 0, 7 + STANDARD);
    assert_int_equal(found(f, A)->init.pid, second);
    check(f, B, 2, 11, 0, 1 + BOTH);
    /* And the last one of a container. */
    scan_lab_kill(&f->lab, second);
    run(f);
    assert_null(figures_of(f, A));
    assert_null(nj_scan_cgroup(f->scan, A));
}

static void what_is_in_no_pod_is_the_hosts(void **state)
{
    struct fixture *f = real(state);
    struct nj_node_figures before = {0}, after = {0};
    pid_t child = scan_lab_start(&f->lab, NULL, NULL, lab_zombies, 3);
    (void)scan_lab_start(&f->lab, POD, A, lab_zombies, 4);
    run(f);
    nj_scan_node(f->scan, &before);
    assert_true(before.host_zombies >= 3 && before.zombies >= before.host_zombies + 4);
    assert_true(before.processes > before.host_processes && before.threads >= before.processes);
    assert_true(before.host_fds >= STANDARD);
    scan_lab_kill(&f->lab, child);
    run(f);
    nj_scan_node(f->scan, &after);
    check(f, A, 1, 1, 4, STANDARD);
}

static void zombies_are_counted_and_whose_children_they_are(void **state)
{
    struct fixture *f = real(state);
    pid_t few = scan_lab_start(&f->lab, POD, A, lab_zombies, 2);
    pid_t many = scan_lab_start(&f->lab, POD, A, lab_zombies, 5);
    for (int i = 0; i < 3; i++) {
        run(f); /* none of them was ever seen alive */
        check(f, A, 2, 2, 7, BOTH);
        assert_int_equal(found(f, A)->zombie_parent.pid, many);
    }
    scan_lab_kill(&f->lab, many);
    run(f);
    check(f, A, 1, 1, 2, STANDARD);
    assert_int_equal(found(f, A)->zombie_parent.pid, few);
}

static void one_that_was_alive_stays_its_containers_as_a_zombie(void **state)
{
    struct fixture *f = real(state);
    pid_t child = scan_lab_start(&f->lab, POD, A, lab_open, 20);
    (void)scan_lab_start(&f->lab, POD, A, lab_nothing, 0);
    run(f);
    check(f, A, 2, 2, 0, 20 + BOTH);
    siginfo_t info;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    run(f);
    check(f, A, 1, 1, 1, STANDARD);
    assert_int_equal(found(f, A)->zombie_parent.pid, getpid()); /* which is outside */
    scan_lab_kill(&f->lab, child);
    run(f);
    check(f, A, 1, 1, 0, STANDARD);
}

static void a_process_whose_first_thread_has_ended_is_no_zombie(void **state)
{
    struct fixture *f = real(state);
    pid_t child = scan_lab_start(&f->lab, POD, A, lab_dead_leader, 30);
    for (int i = 0; i < 3; i++) {
        run(f);
        check(f, A, 1, 2, 0, 30 + STANDARD);
        assert_int_equal(found(f, A)->fullest.pid, child);
        assert_int_equal(found(f, A)->fullest_fds, 30 + STANDARD);
    }
    scan_lab_kill(&f->lab, child);
    run(f);
    assert_null(figures_of(f, A));
}

static void the_fullest_is_told_against_its_own_limit(void **state)
{
    struct fixture *f = real(state);
    pid_t near = scan_lab_start(&f->lab, POD, A, lab_open, 50);
    pid_t many = scan_lab_start(&f->lab, POD, A, lab_open, 500);
    const struct rlimit tight = {60, 10000}, wide = {10000, 10000};
    assert_int_equal(prlimit(many, RLIMIT_NOFILE, &wide, NULL), 0);
    assert_int_equal(prlimit(near, RLIMIT_NOFILE, &tight, NULL), 0);
    run(f);
    const struct nj_container_figures *figures = found(f, A);
    assert_int_equal(figures->fds, 550 + BOTH);
    assert_int_equal(figures->fullest.pid, near);
    assert_int_equal(figures->fullest_fds, 50 + STANDARD);
    assert_int_equal(figures->fullest_limit, 60);
    run(f);
    run(f);
    /* Its limit is raised while it is remembered: the other is now the fullest. */
    assert_int_equal(prlimit(near, RLIMIT_NOFILE, &wide, NULL), 0);
    run(f);
    figures = found(f, A);
    assert_int_equal(figures->fullest.pid, many);
    assert_int_equal(figures->fullest_limit, 10000);
    assert_int_equal(figures->fullest_fds, 500 + STANDARD);
}

/* As many as this machine lets one process have. */
static void a_hundred_thousand_descriptors_are_counted(void **state)
{
    struct fixture *f = real(state);
    enum { MANY = 100000, SPARE = 16 };
    const struct rlimit wide = {MANY + 2000, MANY + 2000};
    struct rlimit limit = f->files;
    if (limit.rlim_max < MANY + SPARE && setrlimit(RLIMIT_NOFILE, &wide) == 0)
        limit = wide;
    long many = limit.rlim_max < MANY + SPARE ? (long)limit.rlim_max - SPARE : MANY;
    (void)setrlimit(RLIMIT_NOFILE, &f->files);
    if (many < MANY)
        print_message("%ld descriptors: more may not be had here\n", many);
    pid_t child = scan_lab_start(&f->lab, POD, A, lab_open, many);
    run(f);
    check(f, A, 1, 1, 0, (uint64_t)many + STANDARD);
    assert_int_equal(found(f, A)->fullest.pid, child);
    assert_int_equal(found(f, A)->fullest_fds, many + STANDARD);
    assert_in_range(found(f, A)->fullest_limit, many + STANDARD, many + 2000);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
    struct fixture *f = real(state);
    pid_t first = scan_lab_start(&f->lab, POD, A, lab_open, 40);
    run(f);
    run(f);
    check(f, A, 1, 1, 0, 40 + STANDARD);
    scan_lab_kill(&f->lab, first);
    pid_t second = scan_lab_start_as(&f->lab, first, POD, B, lab_open, 9);
    if (second == 0)
        skip(); /* needs CAP_CHECKPOINT_RESTORE */
    assert_int_equal(second, first);
    run(f);
    assert_null(figures_of(f, A));
    check(f, B, 1, 1, 0, 9 + STANDARD);
    assert_int_equal(found(f, B)->init.pid, first);
}

static void with_few_handles_the_counts_are_the_same(void **state)
{
    struct fixture *f = real(state);
    pid_t first = scan_lab_start(&f->lab, POD, A, lab_open, 40);
    (void)scan_lab_start(&f->lab, POD, A, lab_zombies, 2);
    (void)scan_lab_start(&f->lab, POD, B, lab_dead_leader, 5);
    nj_scan_free(f->scan);
    f->scan = NULL;
    const struct rlimit low = {.rlim_cur = 32, .rlim_max = f->files.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(nj_scan_new(&defaults, &f->scan), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &f->files), 0);
    for (int i = 0; i < 3; i++) {
        run(f);
        check(f, A, 2, 2, 2, 40 + BOTH);
        check(f, B, 1, 2, 0, 5 + STANDARD);
        assert_int_equal(found(f, A)->pids, 4);
    }
    scan_lab_kill(&f->lab, first);
    pid_t second = scan_lab_start_as(&f->lab, first, POD, C, lab_open, 9);
    run(f);
    check(f, A, 1, 1, 2, STANDARD);
    if (second != 0)
        check(f, C, 1, 1, 0, 9 + STANDARD);
}

static void processes_that_come_and_go_leave_nothing(void **state)
{
    enum { SCANS = 200 };
    struct fixture *f = real(state);
    (void)scan_lab_start(&f->lab, POD, A, lab_open, 11);
    (void)scan_lab_start(&f->lab, POD, B, lab_storm, 0);
    (void)scan_lab_start(&f->lab, POD, B, lab_storm, 0);
    for (int i = 0; i < SCANS; i++) {
        run(f);
        check(f, A, 1, 1, 0, 11 + STANDARD);
        const struct nj_container_figures *storm = found(f, B);
        assert_in_range(storm->processes, 2, 4);
        assert_in_range(storm->fds, BOTH, 2 * BOTH);
        assert_true(storm->zombies <= 2);
    }
    assert_int_equal(nj_scan_losses(f->scan).unreadable, 0);
    assert_int_equal(nj_scan_losses(f->scan).processes, 0);
}

static void a_container_that_is_moved_into_late_is_found(void **state)
{
    struct fixture *f = real(state);
    pid_t child = scan_lab_start(&f->lab, NULL, NULL, lab_open, 4);
    run(f);
    assert_null(figures_of(f, A));
    scan_lab_move(&f->lab, POD, A, child);
    run(f);
    check(f, A, 1, 1, 0, 4 + STANDARD);
}

/* ---- what the cgroup counts */

static void memory_pids_and_limits_are_the_kernels(void **state)
{
    struct fixture *f = real(state);
    bool v2 = f->lab.is_v2;
    if (!scan_lab_write(&f->lab, POD, A, v2 ? "memory.max" : "memory.limit_in_bytes", "67108864") ||
        !scan_lab_write(&f->lab, POD, A, "pids.max", "50"))
        skip(); /* no such controllers */
    (void)scan_lab_start(&f->lab, POD, A, lab_memory, 32 * MIB);
    (void)scan_lab_start(&f->lab, POD, A, lab_threads, 4);
    (void)scan_lab_start(&f->lab, POD, B, lab_nothing, 0);
    run(f);
    const struct nj_container_figures *a = found(f, A), *b = found(f, B);
    assert_int_equal(a->memory_limit, 64 * MIB);
    assert_int_equal(b->memory_limit, NJ_UNKNOWN);
    assert_in_range(a->memory_rss, 32 * MIB, 48 * MIB);
    assert_in_range(a->memory_usage, a->memory_rss, 64 * MIB);
    assert_in_range(a->memory_working_set, a->memory_rss, a->memory_usage);
    if (a->memory_peak != NJ_UNKNOWN)
        assert_true(a->memory_peak >= a->memory_usage);
    assert_true(b->memory_rss < 32 * MIB);
    assert_int_equal(a->pids, 6);
    assert_int_equal(a->pids_limit, 50);
    assert_int_equal(b->pids, 1);
    assert_int_equal(b->pids_limit, NJ_UNKNOWN);
    assert_int_equal(a->oom_kills, 0);
    assert_true(a->cpu_ns > 0 && a->cpu_ns != NJ_UNKNOWN);
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/memory.pressure", f->lab.roots[f->lab.roots_count - 1]);
    if (access(path, R_OK) == 0) {
        assert_int_not_equal(a->pressure.memory_some, NJ_UNKNOWN);
        assert_int_not_equal(a->pressure.cpu_some, NJ_UNKNOWN);
    }
}

static void a_child_that_is_killed_for_memory_is_counted_and_the_container_lives(void **state)
{
    struct fixture *f = real(state);
    bool v2 = f->lab.is_v2;
    if (!scan_lab_write(&f->lab, POD, A, v2 ? "memory.max" : "memory.limit_in_bytes", "33554432"))
        skip();
    (void)scan_lab_write(&f->lab, POD, A, "memory.swap.max", "0");
    (void)scan_lab_start(&f->lab, POD, A, lab_nothing, 0);
    run(f);
    assert_int_equal(found(f, A)->oom_kills, 0);
    (void)scan_lab_start(&f->lab, POD, A, lab_killed_child, 128 * MIB);
    run(f);
    assert_int_equal(found(f, A)->oom_kills, 1);
    assert_int_equal(nj_cgroup_oom_kills(nj_scan_cgroup(f->scan, A)), 1);
    assert_true(found(f, A)->memory_peak <= 32 * MIB || found(f, A)->memory_peak == NJ_UNKNOWN);
    check(f, A, 2, 2, 0, BOTH);
}

static void throttling_is_counted(void **state)
{
    struct fixture *f = real(state);
    bool has = f->lab.is_v2 ? scan_lab_write(&f->lab, POD, A, "cpu.max", "5000 50000")
                            : scan_lab_write(&f->lab, POD, A, "cpu.cfs_period_us", "50000") &&
                                  scan_lab_write(&f->lab, POD, A, "cpu.cfs_quota_us", "5000");
    if (!has)
        skip();
    (void)scan_lab_start(&f->lab, POD, A, lab_spin, 0);
    for (int i = 0; i < WAIT_TURNS; i++) {
        run(f);
        if (found(f, A)->throttled_ns > 0)
            break;
        wait_a_moment();
    }
    const struct nj_container_figures *figures = found(f, A);
    assert_int_equal(figures->cpu_quota_millis, 100);
    assert_true(figures->throttled_periods > 0 && figures->periods >= figures->throttled_periods);
    assert_true(figures->throttled_ns > 0 && figures->throttled_ns != NJ_UNKNOWN);
    assert_true(figures->cpu_ns > 0 && figures->cpu_ns != NJ_UNKNOWN);
}

static void a_cgroup_that_is_removed_is_gone(void **state)
{
    struct fixture *f = real(state);
    pid_t child = scan_lab_start(&f->lab, POD, A, lab_nothing, 0);
    char text[4096];
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)child);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    struct nj_cgroups *cgroups = NULL;
    struct nj_cgroup *cgroup = NULL;
    struct nj_container_figures figures = {0};
    assert_int_equal(nj_cgroups_open("/sys/fs/cgroup", "/proc", &cgroups), 0);
    assert_int_equal(nj_cgroup_open(cgroups, text, &cgroup), 0);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), 0);
    assert_int_equal(figures.pids, 1);
    scan_lab_done(&f->lab);
    assert_int_equal(nj_cgroup_read(cgroup, &figures), -ENOENT);
    assert_int_equal(figures.memory_usage, NJ_UNKNOWN);
    assert_int_equal(figures.pids, NJ_UNKNOWN);
    assert_int_equal(nj_cgroup_oom_kills(cgroup), NJ_UNKNOWN);
    nj_cgroup_close(cgroup);
    assert_int_equal(nj_cgroup_open(cgroups, text, &cgroup), -ENOENT);
    nj_cgroups_close(cgroups);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    (void)snprintf(A, sizeof(A), "aaaa%060x", (unsigned)getpid());
    (void)snprintf(B, sizeof(B), "bbbb%060x", (unsigned)getpid());
    (void)snprintf(C, sizeof(C), "cccc%060x", (unsigned)getpid());
    const struct CMUnitTest tests[] = {
        REAL(a_scan_counts_what_there_is),
        REAL(what_is_in_no_pod_is_the_hosts),
        REAL(zombies_are_counted_and_whose_children_they_are),
        REAL(one_that_was_alive_stays_its_containers_as_a_zombie),
        REAL(a_process_whose_first_thread_has_ended_is_no_zombie),
        REAL(the_fullest_is_told_against_its_own_limit),
        REAL(a_hundred_thousand_descriptors_are_counted),
        REAL(a_pid_that_is_used_again_is_another_process),
        REAL(with_few_handles_the_counts_are_the_same),
        REAL(processes_that_come_and_go_leave_nothing),
        REAL(a_container_that_is_moved_into_late_is_found),
        REAL(memory_pids_and_limits_are_the_kernels),
        REAL(a_child_that_is_killed_for_memory_is_counted_and_the_container_lives),
        REAL(throttling_is_counted),
        REAL(a_cgroup_that_is_removed_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
