#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/oom_line.h"
#include "agent/inspect/scan_internal.h"
#include "common/base/str.h"

enum {
    REFRESH_SCANS = 64,      /* a known process' cgroup, name and limit are read again after so many scans */
    LISTED_PER_SCAN = 20000, /* descriptors, a microsecond each */
    LISTED_LEAST = 16,       /* what listing costs of itself, in descriptors */
};

static void count_refusal(struct nj_scan *scan, int rc)
{
    if (rc < 0 && rc != -ESRCH)
        scan->losses.unreadable++;
}

/* ---- handles */

static int open_process(const struct nj_scan *scan, int32_t pid)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%d", pid);
    int fd = openat(scan->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    return errno == ENOENT ? -ESRCH : -errno;
}

static void keep_or_close(struct nj_scan *scan, struct nj_scan_process *process, int handle)
{
    if (scan->held < scan->max_held) {
        process->handle = handle;
        scan->held++;
    } else {
        process->handle = -1;
        (void)close(handle);
    }
}

/* The handle of a known process; one that was not kept is opened, and is this process' when it began at the
 * same time. */
static int borrow_handle(const struct nj_scan *scan, const struct nj_scan_process *process)
{
    if (process->handle >= 0)
        return process->handle;
    int handle = open_process(scan, process->pid);
    struct nj_proc_stat stat;
    int rc = handle < 0 ? handle : nj_proc_stat(handle, &stat);
    if (rc == 0 && stat.start == process->start)
        return handle;
    if (handle >= 0)
        (void)close(handle);
    return rc < 0 ? rc : -ESRCH;
}

static void return_handle(const struct nj_scan_process *process, int handle)
{
    if (handle >= 0 && handle != process->handle)
        (void)close(handle);
}

static void close_one(struct nj_scan *scan, int *handle)
{
    if (*handle < 0)
        return;
    (void)close(*handle);
    *handle = -1;
    scan->held--;
}

void nj_scan_drop(struct nj_scan *scan, struct nj_scan_process *process)
{
    close_one(scan, &process->handle);
    close_one(scan, &process->files);
    close_one(scan, &process->tasks);
}

/* For one that has stayed until the second look. */
static void keep_more(struct nj_scan *scan, struct nj_scan_process *process)
{
    if (!scan->tells_fds || process->handle < 0 || process->files >= 0 || process->state != NJ_SCAN_LIVES ||
        scan->held + 2 > scan->max_held)
        return;
    process->files = openat(process->handle, "fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    process->tasks = openat(process->handle, "task", O_PATH | O_DIRECTORY | O_CLOEXEC);
    scan->held += (size_t)(process->files >= 0) + (size_t)(process->tasks >= 0);
}

/* Where the process' files and cgroup are to be seen: itself, or a thread that lives. To be returned. */
static int living(const struct nj_scan_process *process, int handle)
{
    return process->state == NJ_SCAN_LEADER_DEAD ? nj_proc_live_thread(handle, process->pid) : handle;
}

/* ---- what a process is */

static int take_stat(struct nj_scan *scan, struct nj_scan_process *process, int handle, bool *ret_ending)
{
    struct nj_proc_stat stat;
    int rc = nj_proc_stat(handle, &stat);
    if (rc < 0) {
        count_refusal(scan, rc);
        return rc;
    }
    if ((process->scans > 0 && stat.start != process->start) || stat.state == 'X')
        return -ESRCH;
    process->start = stat.start;
    process->parent = stat.parent;
    process->threads = stat.threads;
    nj_oom_command(stat.command, strlen(stat.command), process->command); /* it goes into messages */
    process->state = stat.kernel_thread  ? NJ_SCAN_KERNEL
                     : stat.state != 'Z' ? NJ_SCAN_LIVES
                     : stat.threads > 1  ? NJ_SCAN_LEADER_DEAD
                                         : NJ_SCAN_ZOMBIE;
    *ret_ending = stat.ending;
    if (process->state == NJ_SCAN_ZOMBIE || process->state == NJ_SCAN_KERNEL)
        process->fds = 0;
    return 0;
}

void nj_scan_read_limit(struct nj_scan *scan, struct nj_scan_process *process)
{
    int handle = borrow_handle(scan, process);
    int seen = handle < 0 ? handle : living(process, handle);
    int rc = seen < 0 ? seen : nj_proc_files_limit(seen, &process->limit);
    if (seen != handle)
        return_handle(process, seen);
    return_handle(process, handle);
    if (rc < 0) {
        count_refusal(scan, rc);
        process->limit = NJ_UNKNOWN;
    }
}

/* ---- where it belongs */

static void put_into(struct nj_scan *scan, struct nj_scan_process *process, const char *text,
                     const struct nj_cgroup_place *place)
{
    struct nj_scan_container *container = nj_scan_container(scan, place);
    process->container = container;
    process->owner = container == NULL ? NJ_SCAN_LEFT_OUT : NJ_SCAN_CONTAINER;
    if (container == NULL)
        process->left_out = nj_hash64(place->container_id, strlen(place->container_id));
    else if (container->cgroup == NULL) /* -ENOENT: tried again with the next look */
        (void)nj_cgroup_open(scan->cgroups, text, &container->cgroup);
}

/* `ending` is as of after the text was read. On version 1 what ends shows the top of each hierarchy: such a
 * process stays where it was, or goes where its parent is. */
static void place_by(struct nj_scan *scan, struct nj_scan_process *process, const char *text, bool ending)
{
    char path[PATH_MAX];
    struct nj_cgroup_place place;
    bool found = nj_cgroups_path(scan->cgroups, text, path, sizeof(path));
    if (found && nj_cgroup_place(path, &place) && place.container_id[0] != '\0') {
        put_into(scan, process, text, &place);
        return;
    }
    bool is_in_pod = found && nj_cgroup_place(path, &place);
    bool is_known = process->scans > 0 && process->owner != NJ_SCAN_UNPLACED;
    if (is_known && (ending || !found))
        return;
    process->owner = is_in_pod ? NJ_SCAN_POD
                     : ending  ? NJ_SCAN_BY_PARENT
                     : found   ? NJ_SCAN_HOST
                               : NJ_SCAN_UNPLACED;
    process->container = NULL;
}

/* Reads who it is, where it belongs, and its limit. */
static int refresh(struct nj_scan *scan, struct nj_scan_process *process, int handle)
{
    char text[NJ_PROC_CGROUP_MAX];
    bool ending;
    ssize_t len = nj_proc_read(handle, "cgroup", text, sizeof(text));
    int rc = take_stat(scan, process, handle, &ending);
    if (rc < 0)
        return rc;
    if (process->state == NJ_SCAN_KERNEL) {
        process->owner = NJ_SCAN_HOST;
        return 0;
    }
    int seen = living(process, handle);
    if (seen < 0) /* its last thread has just ended: a zombie, next time */
        return process->scans > 0 ? 0 : seen;
    if (process->state == NJ_SCAN_LEADER_DEAD) {
        len = nj_proc_read(seen, "cgroup", text, sizeof(text));
        ending = false;
    }
    if (process->state != NJ_SCAN_ZOMBIE && nj_proc_files_limit(seen, &process->limit) < 0)
        process->limit = NJ_UNKNOWN; /* read again before it is told */
    if (seen != handle)
        return_handle(process, seen);
    if (len == -ENOENT || len == -ESRCH)
        return -ESRCH;
    if (len < 0)
        count_refusal(scan, (int)len);
    place_by(scan, process, len < 0 ? "" : text, ending);
    return 0;
}

/* ---- its figures */

/* The number of its files, at once. */
static int tell_fds(struct nj_scan *scan, struct nj_scan_process *process, int handle)
{
    uint64_t fds = 0;
    bool ending;
    if (process->state == NJ_SCAN_ZOMBIE)
        return take_stat(scan, process, handle, &ending); /* whose child it is may change */
    int rc = nj_proc_fds(handle, "fd", &fds);
    if (rc == -ESRCH)
        return rc;
    count_refusal(scan, rc);
    process->fds = rc < 0 ? NJ_UNKNOWN : fds;
    if (rc < 0 || (process->state == NJ_SCAN_LIVES && fds > 0))
        return 0;
    /* Without files: a zombie, a first thread that has ended, or really none. */
    rc = take_stat(scan, process, handle, &ending);
    if (rc < 0 || process->state != NJ_SCAN_LEADER_DEAD)
        return rc;
    int seen = living(process, handle);
    if (seen >= 0 && nj_proc_fds(seen, "fd", &fds) == 0)
        process->fds = fds;
    return_handle(process, seen);
    return 0;
}

static int count(struct nj_scan *scan, struct nj_scan_process *process, int handle)
{
    if (!scan->tells_fds) {
        bool ending;
        return take_stat(scan, process, handle, &ending); /* and nj_scan_list_fds() */
    }
    if (process->state != NJ_SCAN_KERNEL) {
        int rc = tell_fds(scan, process, handle);
        if (rc < 0 || process->state == NJ_SCAN_ZOMBIE)
            return rc;
    }
    int rc = nj_proc_threads(handle, "task", &process->threads);
    count_refusal(scan, rc);
    if (rc < 0 && rc != -ESRCH)
        process->threads = NJ_UNKNOWN;
    return rc == -ESRCH ? rc : 0;
}

static bool is_due(const struct nj_scan *scan, const struct nj_scan_process *process)
{
    if (process->state == NJ_SCAN_ZOMBIE || process->state == NJ_SCAN_KERNEL)
        return false;
    if (process->owner == NJ_SCAN_CONTAINER && process->container->cgroup == NULL)
        return true;
    if (process->owner == NJ_SCAN_LEFT_OUT && scan->has_room)
        return true;
    /* The second look finds it where its runtime has put it, under the name of what it runs. */
    return process->scans == 1 || process->owner == NJ_SCAN_UNPLACED ||
           (process->scans + (uint32_t)process->pid) % REFRESH_SCANS == 0;
}

/* Two system calls: all that most processes take. False: look closer. */
static bool glance(struct nj_scan_process *process)
{
    uint64_t fds, threads;
    if (process->files < 0 || process->tasks < 0 || process->state != NJ_SCAN_LIVES ||
        nj_proc_fds(process->files, "", &fds) < 0 || fds == 0 ||
        nj_proc_threads(process->tasks, "", &threads) < 0)
        return false;
    process->fds = fds;
    process->threads = threads;
    return true;
}

int nj_scan_look(struct nj_scan *scan, struct nj_scan_process *process)
{
    if (!is_due(scan, process) && glance(process)) {
        process->scans++;
        return 0;
    }
    int handle = borrow_handle(scan, process);
    if (handle < 0)
        return handle;
    int rc = is_due(scan, process) ? refresh(scan, process, handle) : 0;
    if (rc == 0)
        rc = count(scan, process, handle);
    return_handle(process, handle);
    if (rc == 0) {
        process->scans++;
        keep_more(scan, process);
    }
    return rc;
}

int nj_scan_meet(struct nj_scan *scan, int32_t pid, struct nj_scan_process *ret_process)
{
    struct nj_scan_process process = {
        .pid = pid, .handle = -1, .files = -1, .tasks = -1, .fds = NJ_UNKNOWN, .limit = NJ_UNKNOWN};
    int handle = open_process(scan, pid);
    if (handle < 0) {
        count_refusal(scan, handle);
        return handle;
    }
    int rc = refresh(scan, &process, handle);
    if (rc == 0)
        rc = count(scan, &process, handle);
    if (rc < 0) {
        (void)close(handle);
        return rc;
    }
    process.scans = 1;
    keep_or_close(scan, &process, handle);
    *ret_process = process;
    return 0;
}

/* ---- older kernels */

static uint64_t list(struct nj_scan *scan, struct nj_scan_process *process)
{
    int handle = borrow_handle(scan, process);
    int seen = handle < 0 ? handle : living(process, handle);
    uint64_t fds = 0;
    int rc = seen < 0 ? seen : nj_proc_fds_listed(seen, &fds);
    if (seen != handle)
        return_handle(process, seen);
    return_handle(process, handle);
    process->vanished = rc == -ESRCH;
    count_refusal(scan, rc);
    process->fds = rc < 0 ? NJ_UNKNOWN : fds;
    return fds + LISTED_LEAST;
}

void nj_scan_list_fds(struct nj_scan *scan)
{
    scan->list_budget += LISTED_PER_SCAN;
    if (scan->list_budget > LISTED_PER_SCAN)
        scan->list_budget = LISTED_PER_SCAN;
    size_t first = 0;
    while (first < scan->count && scan->processes[first].pid < scan->list_from)
        first++;
    /* Each gets its turn; one with more than the budget is counted to the end, and the others wait longer.
     * What was counted in an earlier scan stays. */
    for (size_t i = 0; i < scan->count; i++) {
        struct nj_scan_process *process = &scan->processes[(first + i) % scan->count];
        if (process->state == NJ_SCAN_ZOMBIE || process->state == NJ_SCAN_KERNEL)
            continue;
        if (scan->list_budget <= 0) {
            scan->list_from = process->pid;
            return;
        }
        scan->list_budget -= (int64_t)list(scan, process);
    }
}
