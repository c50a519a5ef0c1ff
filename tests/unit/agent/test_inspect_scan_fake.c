/*
 * A scan of what this machine does not show: a kernel that does not tell the number of open files, files that
 * may not be read, bounds, a pid that another process has between two scans, garbage.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/proc.h"
#include "agent/inspect/scan.h"
#include "tests/unit/agent/fake_tree.h"
#include "tests/unit/test.h"

#define POD "kubepods/burstable/pod0b6d9b7e-2f3c-4a58-9d31-5f8f0c3a1e77/"
#define A "aaaa000000000000000000000000000000000000000000000000000000000001"
#define B "bbbb000000000000000000000000000000000000000000000000000000000002"

struct fixture {
    struct fake_tree proc, cgroup;
    struct nj_scan *scan;
    int64_t now_ns;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fake_tree_new(&f->proc);
    fake_tree_new(&f->cgroup);
    fake_tree_put(&f->cgroup, "cgroup.controllers", "memory pids\n");
    fake_tree_put(&f->cgroup, POD A "/memory.current", "1000\n");
    fake_tree_put(&f->cgroup, POD B "/memory.current", "2000\n");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    nj_scan_free(f->scan);
    fake_tree_done(&f->proc);
    fake_tree_done(&f->cgroup);
    free(f);
    return 0;
}

static void start(struct fixture *f, size_t max_processes, size_t max_containers)
{
    nj_scan_free(f->scan);
    f->scan = NULL;
    const struct nj_scan_options options = {.proc = f->proc.root,
                                            .cgroup = f->cgroup.root,
                                            .max_processes = max_processes,
                                            .max_containers = max_containers};
    assert_int_equal(nj_scan_new(&options, &f->scan), 0);
}

static void run(struct fixture *f)
{
    assert_int_equal(nj_scan_run(f->scan, ++f->now_ns), 0);
}

struct process {
    int pid;
    const char *command;
    char state;
    int parent;
    unsigned flags, threads, start, fds;
    const char *cgroup; /* NULL: cannot be told */
};

static void put(const struct fixture *f, const struct process *process)
{
    char path[FAKE_PATH_MAX], text[512];
    (void)snprintf(path, sizeof(path), "%d/stat", process->pid);
    (void)snprintf(text, sizeof(text),
                   "%d (%s) %c %d 1 1 0 -1 %u 10 0 0 0 1 2 0 0 20 0 %u 0 %u 1000 100 18446744073709551615\n",
                   process->pid, process->command, process->state, process->parent, process->flags,
                   process->threads, process->start);
    fake_tree_put(&f->proc, path, text);
    (void)snprintf(path, sizeof(path), "%d/limits", process->pid);
    fake_tree_put(&f->proc, path,
                  "Limit                     Soft Limit           Hard Limit           Units     \n"
                  "Max open files            100                  4096                 files     \n");
    if (process->cgroup != NULL) {
        (void)snprintf(path, sizeof(path), "%d/cgroup", process->pid);
        (void)snprintf(text, sizeof(text), "0::/%s\n", process->cgroup);
        fake_tree_put(&f->proc, path, text);
    }
    (void)snprintf(path, sizeof(path), "%d/fd", process->pid);
    fake_tree_folder(&f->proc, path);
    for (unsigned i = 0; i < process->fds; i++) {
        (void)snprintf(path, sizeof(path), "%d/fd/%u", process->pid, i);
        fake_tree_put(&f->proc, path, "");
    }
}

static const struct nj_container_figures *figures_of(struct fixture *f, const char *id)
{
    size_t count = 0;
    const struct nj_container_figures *all = nj_scan_containers(f->scan, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].id, id) == 0)
            return &all[i];
    }
    fail_msg("%.4s was not found among %zu containers", id, count);
    return NULL;
}

static void remove_process(const struct fixture *f, int pid)
{
    char path[16];
    (void)snprintf(path, sizeof(path), "%d", pid);
    fake_tree_remove(&f->proc, path);
}

static void an_older_kernels_descriptors_are_listed(void **state)
{
    struct fixture *f = *state;
    const struct process processes[] = {
        {.pid = 9, .command = "kthreadd", .state = 'S', .flags = 0x00208040, .threads = 1, .cgroup = ""},
        {.pid = 10,
         .command = "a b) S (x",
         .state = 'S',
         .parent = 1,
         .threads = 3,
         .start = 50,
         .fds = 7,
         .cgroup = POD A},
        {.pid = 1000,
         .command = "child",
         .state = 'R',
         .parent = 10,
         .threads = 1,
         .start = 50,
         .fds = 5,
         .cgroup = POD A "/sub"},
        {.pid = 200,
         .command = "gone",
         .state = 'Z',
         .parent = 1000,
         .flags = 4,
         .threads = 1,
         .start = 60,
         .cgroup = POD A},
        {.pid = 30,
         .command = "kubelet",
         .state = 'S',
         .threads = 20,
         .start = 9,
         .fds = 4,
         .cgroup = "system.slice/kubelet.service"},
        {.pid = 31,
         .command = "conmon",
         .state = 'S',
         .threads = 1,
         .start = 9,
         .fds = 4,
         .cgroup = POD "crio-conmon-" A},
    };
    for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++)
        put(f, &processes[i]);
    fake_tree_put(&f->proc, "31337x/stat", "no process");
    fake_tree_put(&f->proc, "meminfo", "");
    start(f, 100, 10);
    for (int i = 0; i < 3; i++) {
        run(f);
        const struct nj_container_figures *figures = figures_of(f, A);
        assert_int_equal(figures->processes, 2);
        assert_int_equal(figures->threads, 4);
        assert_int_equal(figures->zombies, 1);
        assert_int_equal(figures->zombie_parent.pid, 1000);
        assert_string_equal(figures->zombie_parent.command, "child");
        assert_int_equal(figures->fds, 12);
        assert_int_equal(figures->init.pid, 10);
        assert_string_equal(figures->init.command, "a b) S (x");
        assert_int_equal(figures->fullest.pid, 10);
        assert_int_equal(figures->fullest_fds, 7);
        assert_int_equal(figures->fullest_limit, 100);
        assert_int_equal(figures->most_threads.pid, 10);
        assert_int_equal(figures->memory_usage, 1000);
        struct nj_node_figures node = {0};
        nj_scan_node(f->scan, &node);
        assert_int_equal(node.processes, 5);
        assert_int_equal(node.zombies, 1);
        assert_int_equal(node.threads, 26);
        assert_int_equal(node.host_processes, 2); /* conmon is a pod's */
        assert_int_equal(node.host_fds, 4);
        assert_int_equal(node.host_zombies, 0);
    }
    assert_int_equal(nj_scan_losses(f->scan).unreadable, 0);
}

static void a_number_that_another_process_has_now_is_that_ones(void **state)
{
    struct fixture *f = *state;
    struct process process = {
        .pid = 10, .command = "old", .state = 'S', .threads = 3, .start = 50, .fds = 7, .cgroup = POD A};
    put(f, &process);
    start(f, 100, 10);
    run(f);
    assert_int_equal(figures_of(f, A)->threads, 3);
    /* In the same folder, so that only the time of its start tells. */
    process.command = "new";
    process.start = 51;
    process.threads = 1;
    process.cgroup = POD B;
    put(f, &process);
    run(f);
    size_t count = 0;
    (void)nj_scan_containers(f->scan, &count);
    assert_int_equal(count, 1);
    assert_int_equal(figures_of(f, B)->threads, 1);
    assert_string_equal(figures_of(f, B)->init.command, "new");
    remove_process(f, 10);
    run(f);
    (void)nj_scan_containers(f->scan, &count);
    assert_int_equal(count, 0);
}

/* A process may call itself anything. */
static void a_name_is_shown_without_what_would_break_a_line(void **state)
{
    struct fixture *f = *state;
    static const char *const names[][2] = {{"a\nb: all well", "a?b: all well"},
                                           {"x\033[2J\177", "x?[2J?"},
                                           {"\xff\xc3", "??"},
                                           {"caf\xc3\xa9", "caf\xc3\xa9"}};
    start(f, 100, 10);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct process process = {.pid = 10 + (int)i,
                                        .command = names[i][0],
                                        .state = 'S',
                                        .threads = 1,
                                        .start = 50,
                                        .fds = 1,
                                        .cgroup = POD A};
        put(f, &process);
        run(f);
        assert_string_equal(figures_of(f, A)->init.command, names[i][1]);
        remove_process(f, process.pid);
    }
}

static void with_many_descriptors_on_an_older_kernel_each_gets_its_turn(void **state)
{
    enum { FULL = 7, MANY = 3000, OTHERS = 5 }; /* together more than one scan lists */
    struct fixture *f = *state;
    char path[FAKE_PATH_MAX];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "files/%d", i);
        fake_tree_folder(&f->proc, path); /* quicker than files */
    }
    struct process process = {.pid = 10, .command = "full", .state = 'S', .threads = 1, .cgroup = POD A};
    for (; process.pid < 10 + FULL; process.pid++) {
        put(f, &process);
        (void)snprintf(path, sizeof(path), "%d/fd", process.pid);
        fake_tree_remove(&f->proc, path);
        fake_tree_link(&f->proc, path, "../files");
    }
    process.cgroup = POD B;
    process.fds = 3;
    for (; process.pid < 10 + FULL + OTHERS; process.pid++)
        put(f, &process);
    start(f, 100, 10);
    run(f);
    assert_int_equal(figures_of(f, A)->fds, FULL * MANY);
    assert_int_equal(figures_of(f, B)->fds, NJ_UNKNOWN); /* not counted yet: not told */
    assert_int_equal(figures_of(f, B)->processes, OTHERS);
    for (int i = 0; i < 3; i++) {
        run(f);
        assert_int_equal(figures_of(f, A)->fds, FULL * MANY);
        assert_int_equal(figures_of(f, B)->fds, 3 * OTHERS);
    }
}

static void what_cannot_be_read_is_not_told(void **state)
{
    struct fixture *f = *state;
    struct process process = {
        .pid = 10, .command = "a", .state = 'S', .threads = 1, .start = 50, .fds = 3, .cgroup = POD A};
    put(f, &process);
    process.pid = 11;
    process.cgroup = POD B;
    put(f, &process);
    /* What root cannot read either: a link to itself. */
    fake_tree_remove(&f->proc, "11/fd");
    fake_tree_link(&f->proc, "11/fd", "fd");
    start(f, 100, 10);
    run(f);
    assert_int_equal(figures_of(f, A)->fds, 3);
    assert_int_equal(figures_of(f, B)->fds, NJ_UNKNOWN);
    assert_int_equal(figures_of(f, B)->processes, 1);
    assert_int_equal(figures_of(f, B)->fullest.pid, 0);
    assert_int_equal(figures_of(f, B)->fullest_fds, NJ_UNKNOWN);
    assert_int_equal(nj_scan_losses(f->scan).unreadable, 1);
    /* A process of which nothing is known may be anybody's: no sum of processes is told. */
    fake_tree_put(&f->proc, "12/stat", "garbage\n");
    fake_tree_put(&f->proc, "12/cgroup", "0::/\n");
    run(f);
    assert_int_equal(figures_of(f, A)->processes, NJ_UNKNOWN);
    assert_int_equal(figures_of(f, A)->fds, NJ_UNKNOWN);
    assert_int_equal(figures_of(f, A)->fullest_fds, NJ_UNKNOWN);
    assert_int_equal(figures_of(f, A)->memory_usage, 1000);
    struct nj_node_figures node = {0};
    nj_scan_node(f->scan, &node);
    assert_int_equal(node.processes, NJ_UNKNOWN);
    assert_true(nj_scan_losses(f->scan).unreadable >= 2);
    /* One that ends while it is looked at is nobody's. */
    remove_process(f, 12);
    fake_tree_folder(&f->proc, "13");
    run(f);
    assert_int_equal(figures_of(f, A)->processes, 1);
    assert_int_equal(figures_of(f, A)->fds, 3);
}

static void a_container_whose_cgroup_is_not_to_be_seen_has_its_processes(void **state)
{
    struct fixture *f = *state;
    struct process process = {
        .pid = 10, .command = "a", .state = 'S', .threads = 2, .start = 50, .fds = 3, .cgroup = POD A};
    put(f, &process);
    fake_tree_remove(&f->cgroup, POD A);
    start(f, 100, 10);
    run(f);
    assert_int_equal(figures_of(f, A)->threads, 2);
    assert_int_equal(figures_of(f, A)->memory_usage, NJ_UNKNOWN);
    assert_null(nj_scan_cgroup(f->scan, A));
    fake_tree_put(&f->cgroup, POD A "/memory.current", "77\n");
    run(f); /* it is looked for again */
    assert_int_equal(figures_of(f, A)->memory_usage, 77);
}

static void what_the_bounds_leave_out_is_counted_and_nothing_is_made_up(void **state)
{
    struct fixture *f = *state;
    struct process process = {.command = "a", .state = 'S', .threads = 1, .start = 50, .fds = 1};
    for (process.pid = 10; process.pid < 16; process.pid++) {
        process.cgroup = process.pid < 12 ? POD A : process.pid < 15 ? POD B : POD "cccccccccccccccc";
        put(f, &process);
    }
    start(f, 100, 1);
    run(f);
    size_t count = 0;
    const struct nj_container_figures *figures = nj_scan_containers(f->scan, &count);
    assert_int_equal(count, 1);
    assert_string_equal(figures->id, A);
    assert_int_equal(figures->processes, 2);
    assert_int_equal(nj_scan_losses(f->scan).containers, 2);
    run(f);
    assert_int_equal(nj_scan_losses(f->scan).containers, 4);
    /* When there is room another is found. */
    remove_process(f, 10);
    remove_process(f, 11);
    run(f);
    run(f);
    figures = nj_scan_containers(f->scan, &count);
    assert_int_equal(count, 1);
    assert_string_equal(figures->id, B);
    assert_int_equal(figures->processes, 3);

    start(f, 3, 10);
    run(f);
    assert_int_equal(nj_scan_losses(f->scan).processes, 1);
    struct nj_node_figures node = {0};
    nj_scan_node(f->scan, &node);
    assert_int_equal(node.processes, NJ_UNKNOWN);
    assert_int_equal(node.host_fds, NJ_UNKNOWN);
    figures = nj_scan_containers(f->scan, &count);
    assert_true(count >= 1);
    assert_int_equal(figures->processes, NJ_UNKNOWN);
}

static void a_folder_that_is_no_proc_is_refused(void **state)
{
    struct fixture *f = *state;
    struct nj_scan_options options = {
        .proc = "/nowhere/at/all", .cgroup = f->cgroup.root, .max_processes = 10, .max_containers = 10};
    assert_true(nj_scan_new(&options, &f->scan) < 0);
    options.proc = f->proc.root;
    options.cgroup = "/nowhere/at/all";
    assert_true(nj_scan_new(&options, &f->scan) < 0);
    assert_null(f->scan);
}

static void the_texts_of_proc_are_read_or_refused(void **state)
{
    (void)state;
    struct nj_proc_stat stat = {.parent = 5};
    static const char *const none[] = {"",
                                       "1",
                                       "1 (a",
                                       "1 (a)",
                                       "1 (a) ",
                                       "1 )a( S 1",
                                       "1 (a) S",
                                       "1 (a) S x 1 1 0 -1 4 1",
                                       "1 (a) S 1 1 1 0 -1 4 1 1 1 1 1 1 1 1 20 0 99999999999999999999 0 5",
                                       "1 (a) S 99999999999 1 1 0 -1 4 1 1 1 1 1 1 1 1 20 0 1 0 5"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(nj_proc_stat_parse(none[i], &stat));
    assert_int_equal(stat.parent, 5);
    assert_true(
        nj_proc_stat_parse("1 (a very long name of a worker/0:1-x) Z 7 1 1 0 -1 4 1 1 1 1 1 1 1 1 20 0 9 "
                           "0 12345 0",
                           &stat));
    assert_int_equal(stat.state, 'Z');
    assert_int_equal(stat.parent, 7);
    assert_int_equal(stat.threads, 9);
    assert_int_equal(stat.start, 12345);
    assert_true(stat.ending);
    assert_string_equal(stat.command, "a very long name");
    uint64_t limit = 1;
    assert_true(nj_proc_files_limit_parse("x\nMax open files   unlimited  unlimited files\n", &limit));
    assert_int_equal(limit, NJ_UNKNOWN);
    assert_true(nj_proc_files_limit_parse("Max open files   1024   4096  files\n", &limit));
    assert_int_equal(limit, 1024);
    assert_false(nj_proc_files_limit_parse("Max open files", &limit));
    assert_false(nj_proc_files_limit_parse("Max open files   many\n", &limit));
    assert_false(nj_proc_files_limit_parse(" Max open files   3\n", &limit));
    assert_int_equal(limit, 1024);
}

#define FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE(an_older_kernels_descriptors_are_listed),
        FAKE(a_number_that_another_process_has_now_is_that_ones),
        FAKE(a_name_is_shown_without_what_would_break_a_line),
        FAKE(with_many_descriptors_on_an_older_kernel_each_gets_its_turn),
        FAKE(what_cannot_be_read_is_not_told),
        FAKE(a_container_whose_cgroup_is_not_to_be_seen_has_its_processes),
        FAKE(what_the_bounds_leave_out_is_counted_and_nothing_is_made_up),
        FAKE(a_folder_that_is_no_proc_is_refused),
        cmocka_unit_test(the_texts_of_proc_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
