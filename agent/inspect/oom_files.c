#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inspect/cgroup_internal.h"
#include "agent/inspect/oom_internal.h"
#include "agent/inspect/proc.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NUMBER_MAX = 64,   /* bytes of a file with one number */
    EVENTS_MAX = 1024, /* of memory.events */
    VMSTAT_MAX = 32768,
    NESTED_MAX = 32, /* cgroups within a container whose processes are looked at */
    NESTED_DEPTH_MAX = 4,
    DIRECTORY_LINKS = 2, /* of a directory without others in it */
};

/* Version 1 writes a limit that is none as the largest number of whole pages. */
#define V1_NO_LIMIT (UINT64_C(1) << 62)

static bool is_v2(const struct nj_oom_container *container)
{
    return container->events >= 0;
}

static uint64_t read_number(int directory, const char *name)
{
    char text[NUMBER_MAX];
    return nj_proc_read(directory, name, text, sizeof(text)) < 0 ? NJ_UNKNOWN : nj_cgroup_number(text);
}

uint64_t nj_oom_container_limit(const struct nj_oom_container *container)
{
    if (is_v2(container))
        return read_number(container->directory, "memory.max");
    uint64_t limit = read_number(container->directory, "memory.limit_in_bytes");
    return limit >= V1_NO_LIMIT ? NJ_UNKNOWN : limit;
}

uint64_t nj_oom_container_usage(const struct nj_oom_container *container)
{
    char text[NUMBER_MAX];
    if (container->usage < 0 || nj_proc_read_fd(container->usage, text, sizeof(text)) < 0)
        return NJ_UNKNOWN;
    return nj_cgroup_number(text);
}

uint64_t nj_oom_container_peak(const struct nj_oom_container *container)
{
    return read_number(container->directory, is_v2(container) ? "memory.peak" : "memory.max_usage_in_bytes");
}

/* A pod of one container has the same limit, which is reached first. */
static bool pod_has_same_limit(const struct nj_oom_container *container)
{
    uint64_t limit = nj_oom_container_limit(container);
    return limit != NJ_UNKNOWN && read_number(container->directory, "../memory.limit_in_bytes") == limit;
}

/* Version 1 counts in three places, by which of the limits stops it first: memory with swap, memory, the
 * pod's. */
static uint64_t v1_limit_hits(const struct nj_oom_container *container)
{
    uint64_t sum = read_number(container->directory, "memory.failcnt");
    const uint64_t others[] = {
        read_number(container->directory, "memory.memsw.failcnt"),
        pod_has_same_limit(container) ? read_number(container->directory, "../memory.failcnt") : 0};
    for (size_t i = 0; sum != NJ_UNKNOWN && i < sizeof(others) / sizeof(others[0]); i++)
        sum += others[i] == NJ_UNKNOWN ? 0 : others[i];
    return sum;
}

uint64_t nj_oom_container_limit_hits(const struct nj_oom_container *container)
{
    char text[EVENTS_MAX];
    if (!is_v2(container))
        return v1_limit_hits(container);
    return nj_proc_read_fd(container->events, text, sizeof(text)) < 0 ? NJ_UNKNOWN
                                                                      : nj_cgroup_keyed(text, "max");
}

uint64_t nj_oom_node_kills(int vmstat)
{
    char text[VMSTAT_MAX];
    if (vmstat < 0 || nj_proc_read_fd(vmstat, text, sizeof(text)) < 0)
        return NJ_UNKNOWN;
    return nj_cgroup_keyed(text, "oom_kill");
}

bool nj_oom_container_ended(const struct nj_oom_container *container)
{
    struct nj_proc_stat stat;
    int rc = nj_proc_stat(container->process, &stat);
    return rc == -ESRCH || (rc == 0 && stat.ending);
}

/* --- life --- */

/* A process number may be another's by now: the cgroup tells whose it is. */
static int open_cgroup(struct nj_cgroups *cgroups, struct nj_oom_container *container)
{
    NJ_CLEANUP_FREE char *text = nj_calloc(1, NJ_PROC_CGROUP_MAX);
    NJ_CLEANUP_FREE char *path = nj_calloc(1, NJ_CGROUP_PATH_MAX);
    struct nj_cgroup_place place;
    if (nj_proc_read(container->process, "cgroup", text, NJ_PROC_CGROUP_MAX) < 0 ||
        !nj_cgroups_path(cgroups, text, path, NJ_CGROUP_PATH_MAX) || !nj_cgroup_place(path, &place) ||
        !nj_streq(place.container_id, container->id))
        return -ESRCH;
    return nj_cgroup_open(cgroups, text, &container->cgroup);
}

int nj_oom_container_open(struct nj_cgroups *cgroups, int proc, int32_t pid,
                          struct nj_oom_container *container)
{
    char name[16];
    container->pid = pid;
    container->directory = container->usage = container->events = container->eventfd = container->watch = -1;
    (void)snprintf(name, sizeof(name), "%" PRId32, pid);
    container->process = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (container->process < 0)
        return -errno;
    int rc = open_cgroup(cgroups, container);
    const char *path = rc < 0 ? NULL : nj_cgroup_memory_path(container->cgroup);
    if (path != NULL)
        container->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (container->directory < 0) {
        rc = rc < 0 ? rc : -ENOENT;
        nj_oom_container_close(container);
        return rc;
    }
    bool v2 = nj_cgroups_are_v2(cgroups);
    if (v2)
        container->events = openat(container->directory, "memory.events", O_RDONLY | O_CLOEXEC);
    container->usage =
        openat(container->directory, v2 ? "memory.current" : "memory.usage_in_bytes", O_RDONLY | O_CLOEXEC);
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void nj_oom_container_close(struct nj_oom_container *container)
{
    nj_cgroup_close(container->cgroup);
    container->cgroup = NULL;
    close_fd(&container->directory);
    close_fd(&container->process);
    close_fd(&container->usage);
    close_fd(&container->events);
    close_fd(&container->eventfd); /* which ends what is registered for it */
}

/* --- being woken --- */

/* Documentation/admin-guide/cgroup-v1/memory.rst, 10: "EVENTFD FD". A threshold of the usage (9) could be
 * told likewise, but registering one waits for all processors: up to 50 ms each, where the loop waits as
 * well. */
static bool register_event(const struct nj_oom_container *container)
{
    char line[NUMBER_MAX];
    int fd = openat(container->directory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    int control = openat(container->directory, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
    bool done = false;
    if (fd >= 0 && control >= 0) {
        int len = snprintf(line, sizeof(line), "%d %d", container->eventfd, fd);
        done = write(control, line, (size_t)len) == len;
    }
    close_fd(&fd);
    close_fd(&control);
    return done;
}

static bool listen_v1(struct nj_oom_container *container, int epoll)
{
    container->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (container->eventfd < 0)
        return false;
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = container}};
    if (!register_event(container) || epoll_ctl(epoll, EPOLL_CTL_ADD, container->eventfd, &event) < 0) {
        close_fd(&container->eventfd);
        return false;
    }
    return true;
}

bool nj_oom_container_listen(struct nj_oom_container *container, int inotify, int epoll)
{
    if (!is_v2(container))
        return epoll >= 0 && listen_v1(container, epoll);
    if (inotify < 0)
        return false;
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s/memory.events", nj_cgroup_memory_path(container->cgroup));
    container->watch = inotify_add_watch(inotify, path, IN_MODIFY);
    return container->watch >= 0;
}

/* --- processes --- */

struct pid_list {
    int32_t *pids;
    size_t count, max;
    bool more;
    int directories;
};

static void add_pids(struct pid_list *list, int directory)
{
    char text[4096];
    int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    ssize_t len = 0;
    size_t kept = 0; /* the start of a number whose end has not been read */
    while (fd >= 0 && (len = read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
        text[kept + (size_t)len] = '\0';
        char *at = text;
        for (char *newline = strchr(at, '\n'); newline != NULL; newline = strchr(at, '\n')) {
            int64_t pid = 0;
            *newline = '\0';
            if (nj_parse_int(at, 1, INT32_MAX, &pid) == 0) {
                if (list->count < list->max)
                    list->pids[list->count++] = (int32_t)pid;
                else
                    list->more = true;
            }
            at = newline + 1;
        }
        kept = strlen(at);
        if (kept > 16 || list->more) /* no number is as long */
            break;
        memmove(text, at, kept);
    }
    close_fd(&fd);
}

/* Takes `directory`. */
static void add_all(struct pid_list *list, int directory, int depth)
{
    struct stat info;
    add_pids(list, directory);
    if (depth == NESTED_DEPTH_MAX || fstat(directory, &info) < 0 || info.st_nlink <= DIRECTORY_LINKS) {
        (void)close(directory);
        return;
    }
    DIR *dir = fdopendir(directory);
    if (dir == NULL) {
        (void)close(directory);
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL && !list->more; entry = readdir(dir)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (list->directories++ == NESTED_MAX) {
            list->more = true;
            break;
        }
        int below = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (below >= 0)
            add_all(list, below, depth + 1);
    }
    (void)closedir(dir);
}

size_t nj_oom_container_pids(const struct nj_oom_container *container, int32_t *ret_pids, size_t max,
                             bool *ret_more)
{
    struct pid_list list = {.pids = ret_pids, .max = max};
    int directory = openat(container->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0)
        add_all(&list, directory, 0);
    *ret_more = list.more;
    return list.count;
}
