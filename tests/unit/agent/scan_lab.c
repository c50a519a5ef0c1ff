#include "tests/unit/agent/scan_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/test.h"

enum {
    PATH_SIZE = 512,
    RETRIES = 500,
    RETRY_NS = 10000000,
    FIRST_FREE_FD = 3,
    HIGH_FD = 1000,
    SPARE_FDS = 2000,
    STACK_BYTES = 131072
};

static const char top[] = "/sys/fs/cgroup";

static void wait_a_moment(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = (ssize_t)strlen(text);
    bool ok = write(fd, text, (size_t)len) == len;
    (void)close(fd);
    return ok;
}

/* ---- cgroups */

/* Lets the cgroups below have these controllers (version 2). */
static void hand_down(const char *folder)
{
    static const char *const controllers[] = {"+memory", "+pids", "+cpu", "+io"};
    char path[PATH_SIZE + 32];
    (void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", folder);
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
        (void)write_file(path, controllers[i]);
}

static bool make(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool take_root(struct scan_lab *lab, const char *mount)
{
    char *root = lab->roots[lab->roots_count];
    if (access(mount, F_OK) != 0)
        return true;
    (void)snprintf(root, sizeof(lab->roots[0]), "%s/nightjar-test-%d", mount, (int)getpid());
    if (lab->is_v2)
        hand_down(mount);
    if (!make(root))
        return false;
    lab->roots_count++;
    return true;
}

bool scan_lab_new(struct scan_lab *lab)
{
    static const char *const mounts[] = {"memory", "cpu", "cpuacct", "blkio", "pids", "unified"};
    *lab = (struct scan_lab){0};
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", top);
    lab->is_v2 = access(path, F_OK) == 0;
    if (geteuid() != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return false;
    bool ok = !lab->is_v2 || take_root(lab, top);
    for (size_t i = 0; ok && !lab->is_v2 && i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        (void)snprintf(path, sizeof(path), "%.32s/%s", top, mounts[i]);
        ok = take_root(lab, path);
    }
    if (!ok || lab->roots_count == 0) {
        scan_lab_done(lab);
        return false;
    }
    return true;
}

static int remove_folder(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (type != FTW_DP && type != FTW_D)
        return 0;
    for (int i = 0; i < RETRIES && rmdir(path) != 0; i++) {
        if (errno != EBUSY)
            return -1;
        wait_a_moment(); /* for those that were killed */
    }
    return 0;
}

void scan_lab_done(struct scan_lab *lab)
{
    while (lab->children_count > 0)
        scan_lab_kill(lab, lab->children[0]);
    while (waitpid(-1, NULL, 0) > 0) /* theirs that are still ending */
        ;
    for (int i = 0; i < lab->roots_count; i++)
        (void)nftw(lab->roots[i], remove_folder, 8, FTW_DEPTH | FTW_PHYS);
    lab->roots_count = 0;
}

static void path_of(const char *root, const char *pod_uid, const char *id, const char *file,
                    char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/kubepods/burstable/pod%s/%s/%s", root, pod_uid, id, file);
}

void scan_lab_container(const struct scan_lab *lab, const char *pod_uid, const char *id)
{
    char path[PATH_SIZE];
    for (int i = 0; i < lab->roots_count; i++) {
        path_of(lab->roots[i], pod_uid, id, "", path);
        for (char *slash = path + strlen(lab->roots[i]); slash != NULL; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            assert_true(make(path));
            if (lab->is_v2 && slash[1] != '\0')
                hand_down(path);
            *slash = '/';
        }
    }
}

bool scan_lab_write(const struct scan_lab *lab, const char *pod_uid, const char *id, const char *file,
                    const char *text)
{
    char path[PATH_SIZE];
    for (int i = 0; i < lab->roots_count; i++) {
        path_of(lab->roots[i], pod_uid, id, file, path);
        if (access(path, F_OK) == 0)
            return write_file(path, text);
    }
    return false;
}

static bool put(const struct scan_lab *lab, const char *pod_uid, const char *id, const char *pid)
{
    char path[PATH_SIZE];
    for (int i = 0; i < lab->roots_count; i++) {
        path_of(lab->roots[i], pod_uid, id, "cgroup.procs", path);
        if (!write_file(path, pid))
            return false;
    }
    return true;
}

void scan_lab_move(const struct scan_lab *lab, const char *pod_uid, const char *id, pid_t pid)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", (int)pid);
    assert_true(put(lab, pod_uid, id, text));
}

/* ---- processes: in the child no assertion may be */

static int ready_fd = -1; /* the end of a pipe that its parent reads */

/* That it is closed says that the child has what the test asked for, and no more. */
static void say_ready(void)
{
    (void)!write(ready_fd, "", 1);
    (void)close(ready_fd);
}

static void work_for_ever(int ready, void (*work)(long amount), long amount)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    (void)dup2(null, STDIN_FILENO);
    ready_fd = fcntl(ready, F_DUPFD_CLOEXEC, HIGH_FD); /* out of the way of what the work opens */
    (void)close_range(FIRST_FREE_FD, (unsigned)ready_fd - 1, 0);
    (void)close_range((unsigned)ready_fd + 1, ~0U, 0);
    work(amount);
    say_ready();
    for (;;)
        (void)pause();
}

static pid_t fork_as(pid_t pid)
{
    if (pid == 0)
        return fork();
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1};
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

pid_t scan_lab_start_as(struct scan_lab *lab, pid_t pid, const char *pod_uid, const char *id,
                        void (*work)(long amount), long amount)
{
    int ready[2];
    assert_true(lab->children_count < LAB_CHILDREN_MAX);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork_as(pid);
    if (child == 0) {
        if (id != NULL && !put(lab, pod_uid, id, "0"))
            _exit(EXIT_FAILURE);
        work_for_ever(ready[1], work, amount);
    }
    (void)close(ready[1]);
    if (child < 0) {
        (void)close(ready[0]);
        assert_true(pid != 0);
        return 0;
    }
    lab->children[lab->children_count++] = child;
    char done = 1;
    ssize_t worked = read(ready[0], &done, 1);
    ssize_t closed = read(ready[0], &done, 1);
    (void)close(ready[0]);
    assert_int_equal(worked, 1);
    assert_int_equal(closed, 0);
    return child;
}

pid_t scan_lab_start(struct scan_lab *lab, const char *pod_uid, const char *id, void (*work)(long amount),
                     long amount)
{
    return scan_lab_start_as(lab, 0, pod_uid, id, work, amount);
}

void scan_lab_kill(struct scan_lab *lab, pid_t pid)
{
    for (int i = 0; i < lab->children_count; i++) {
        if (lab->children[i] != pid)
            continue;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        while (waitpid(-1, NULL, WNOHANG) > 0) /* its zombies, which are ours now */
            ;
        lab->children[i] = lab->children[--lab->children_count];
        return;
    }
}

/* ---- what they do */

void lab_nothing(long unused)
{
    (void)unused;
}

void lab_open(long count)
{
    const struct rlimit wide = {(rlim_t)count + SPARE_FDS, (rlim_t)count + SPARE_FDS};
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        _exit(EXIT_FAILURE);
    if (files.rlim_cur < wide.rlim_cur && setrlimit(RLIMIT_NOFILE, &wide) < 0) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            _exit(EXIT_FAILURE);
    }
    for (long i = 0; i < count; i++) {
        if (dup(STDIN_FILENO) < 0)
            _exit(EXIT_FAILURE);
    }
}

static void *wait_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        (void)pause();
    return NULL;
}

static void start_thread(void *(*body)(void *data), void *data)
{
    pthread_t thread;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_create(&thread, &attributes, body, data) != 0)
        _exit(EXIT_FAILURE);
    (void)pthread_attr_destroy(&attributes);
}

void lab_threads(long count)
{
    for (long i = 0; i < count; i++)
        start_thread(wait_for_ever, NULL);
}

void lab_zombies(long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        siginfo_t info;
        if (child == 0)
            _exit(0);
        if (child < 0 || waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0)
            _exit(EXIT_FAILURE);
    }
}

static void *outlive(void *leader)
{
    (void)pthread_join(*(pthread_t *)leader, NULL);
    say_ready();
    return wait_for_ever(NULL);
}

void lab_dead_leader(long fds)
{
    static pthread_t leader;
    lab_open(fds);
    leader = pthread_self();
    start_thread(outlive, &leader);
    pthread_exit(NULL);
}

void lab_memory(long bytes)
{
    volatile char *memory = malloc((size_t)bytes);
    if (memory == NULL)
        _exit(EXIT_FAILURE);
    for (long i = 0; i < bytes; i += 4096)
        memory[i] = 1;
}

void lab_killed_child(long bytes)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        lab_memory(bytes);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status))
        _exit(EXIT_FAILURE);
}

static void *spin(void *unused)
{
    (void)unused;
    for (volatile unsigned turns = 0;;)
        turns = turns + 1;
    return NULL;
}

void lab_spin(long unused)
{
    (void)unused;
    start_thread(spin, NULL);
}

static void *storm(void *unused)
{
    (void)unused;
    for (;;) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        (void)waitpid(child, NULL, 0);
    }
    return NULL;
}

void lab_storm(long unused)
{
    (void)unused;
    start_thread(storm, NULL);
}
