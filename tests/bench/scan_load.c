/*
 * bench_scan_load PROCESSES FDS CONTAINERS: starts so many processes with so many open files each, in as many
 * containers' cgroups (where cgroups may be made: root), prints {"containers"} and keeps them until SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/str.h"
#include "tests/bench/measure.h"

enum { ARGS = 4, PATH_SIZE = 512, ID_SIZE = 65, ROOTS_MAX = 8, LEVELS = 4, AMOUNT_MAX = 100000 };

struct load {
    int64_t processes, fds, containers;
    char roots[ROOTS_MAX][128]; /* of the hierarchies, a folder of our own in each */
    int roots_count;
};

static bool make(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static void hand_down(const char *folder)
{
    char path[PATH_SIZE + 32];
    (void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", folder);
    (void)write_file(path, "+cpu +io +memory +pids");
}

static void find_roots(struct load *load)
{
    static const char *const mounts[] = {"/memory", "/cpu", "/cpuacct", "/blkio", "/pids", "/unified"};
    bool is_v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
    for (size_t i = 0; i < (is_v2 ? 1 : sizeof(mounts) / sizeof(mounts[0])); i++) {
        char mount[64];
        (void)snprintf(mount, sizeof(mount), "/sys/fs/cgroup%s", is_v2 ? "" : mounts[i]);
        char *root = load->roots[load->roots_count];
        (void)snprintf(root, sizeof(load->roots[0]), "%s/nightjar-bench-%d", mount, (int)getpid());
        if (is_v2)
            hand_down(mount);
        if (access(mount, F_OK) == 0 && mkdir(root, 0755) == 0)
            load->roots_count++;
    }
}

/* The folder of the container's level 0 (kubepods) to 3 (itself); of two containers each pod has two. */
static void level_path(const struct load *load, int root, int64_t container, int level, char path[PATH_SIZE])
{
    char pod[64], id[ID_SIZE];
    (void)snprintf(pod, sizeof(pod), "/pod00000000-0000-4000-8000-%012" PRId64, container / 2);
    (void)snprintf(id, sizeof(id), "%064" PRIx64, container + 1);
    (void)snprintf(path, PATH_SIZE, "%s/kubepods%s%s%s%s", load->roots[root], level > 0 ? "/burstable" : "",
                   level > 1 ? pod : "", level > 2 ? "/" : "", level > 2 ? id : "");
}

static bool make_container(const struct load *load, int64_t container)
{
    char path[PATH_SIZE];
    for (int root = 0; root < load->roots_count; root++) {
        hand_down(load->roots[root]);
        for (int level = 0; level < LEVELS; level++) {
            level_path(load, root, container, level, path);
            if (!make(path))
                return false;
            if (level < LEVELS - 1)
                hand_down(path);
        }
    }
    return load->roots_count > 0;
}

static void remove_containers(const struct load *load)
{
    char path[PATH_SIZE];
    for (int root = 0; root < load->roots_count; root++) {
        for (int level = LEVELS - 1; level >= 0; level--) {
            for (int64_t i = 0; i < load->containers; i++) {
                level_path(load, root, i, level, path);
                (void)rmdir(path);
            }
        }
        (void)rmdir(load->roots[root]);
    }
}

static void live(const struct load *load, int64_t container, int ready)
{
    char path[PATH_SIZE + 16], folder[PATH_SIZE];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGTERM, SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int root = 0; root < load->roots_count; root++) {
        level_path(load, root, container, LEVELS - 1, folder);
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
        if (!write_file(path, "0"))
            _exit(EXIT_FAILURE);
    }
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < load->fds; fd++) {
        if (fd != ready && dup2(null, fd) < 0)
            _exit(EXIT_FAILURE);
    }
    (void)close_range((unsigned)load->fds, ~0U, 0);
    (void)!write(ready, "", 1);
    (void)dup2(null, ready);
    for (;;)
        (void)pause();
}

static int64_t number(const char *text)
{
    int64_t value = 0;
    if (nj_parse_int(text, 1, AMOUNT_MAX, &value) < 0)
        nj_bench_fail("%s: not a number from 1 to %d", text, AMOUNT_MAX);
    return value;
}

int main(int argc, char **argv)
{
    if (argc != ARGS)
        nj_bench_fail("usage: bench_scan_load PROCESSES FDS CONTAINERS");
    static struct load load;
    load.processes = number(argv[1]);
    load.fds = number(argv[2]);
    load.containers = number(argv[3]);
    find_roots(&load);
    bool contained = load.roots_count > 0;
    for (int64_t i = 0; i < load.containers && contained; i++)
        contained = make_container(&load, i);
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    int ready[2];
    pid_t *children = calloc((size_t)load.processes, sizeof(*children));
    if (children == NULL || pipe2(ready, O_CLOEXEC) < 0)
        nj_bench_fail("out of memory");
    bool failed = false;
    int64_t started = 0;
    for (; started < load.processes && !failed; started++) {
        children[started] = fork();
        if (children[started] == 0)
            live(&load, started % load.containers, ready[1]);
        char done;
        failed = children[started] < 0 || read(ready[0], &done, 1) != 1;
    }
    int signal_number;
    if (!failed) {
        (void)printf("{\"containers\": %" PRId64 "}\n", contained ? load.containers : 0);
        (void)fflush(stdout);
        (void)sigwait(&ends, &signal_number);
    }
    for (int64_t i = 0; i < started; i++) {
        if (children[i] > 0)
            (void)kill(children[i], SIGKILL);
    }
    while (wait(NULL) > 0)
        ;
    remove_containers(&load);
    free(children);
    if (failed)
        nj_bench_fail("only %" PRId64 " processes could be started", started);
    return 0;
}
