#include "agent/inspect/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/inspect/scan_internal.h"
#include "common/base/alloc.h"

/*
 * What a scan does, so that it costs little: the "fd" and "task" of each known process, held open, are asked
 * for their size and their links, two system calls, and the containers' files are held open and read. Names,
 * cgroups and limits are read of processes that are new or due.
 */

enum {
    HANDLES = 3,    /* descriptors held for a process */
    HELD_SHARE = 2, /* no more than one in so many of those that the program may have */
};

int nj_scan_new(const struct nj_scan_options *options, struct nj_scan **ret_scan)
{
    struct nj_scan *scan = NJ_NEW(struct nj_scan);
    scan->max_processes = options->max_processes;
    scan->max_containers = options->max_containers;
    scan->wanted = options->wanted;
    scan->wanted_data = options->data;
    scan->max_held = HANDLES * options->max_processes;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / HELD_SHARE < scan->max_held)
        scan->max_held = (size_t)files.rlim_cur / HELD_SHARE;
    scan->proc = open(options->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = scan->proc < 0 ? -errno : nj_cgroups_open(options->cgroup, options->proc, &scan->cgroups);
    if (rc < 0) {
        nj_scan_free(scan);
        return rc;
    }
    scan->tells_fds = nj_proc_tells_fds(scan->proc);
    scan->containers = nj_calloc(scan->max_containers + 1, sizeof(struct nj_scan_container *));
    scan->node = NJ_NEW(struct nj_node_figures);
    *ret_scan = scan;
    return 0;
}

void nj_scan_free(struct nj_scan *scan)
{
    if (scan == NULL)
        return;
    for (size_t i = 0; i < scan->count; i++)
        nj_scan_drop(scan, &scan->processes[i]);
    for (size_t i = 0; i < scan->containers_count; i++) {
        nj_cgroup_close(scan->containers[i]->cgroup);
        free(scan->containers[i]);
    }
    nj_cgroups_close(scan->cgroups);
    if (scan->proc >= 0)
        (void)close(scan->proc);
    free(scan->processes);
    free(scan->spare);
    free(scan->pids);
    free(scan->containers);
    free(scan->figures);
    free(scan->node);
    free(scan);
}

/* ---- tables */

struct nj_scan_process *nj_scan_find(const struct nj_scan *scan, int32_t pid)
{
    size_t low = 0, high = scan->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scan->processes[middle].pid == pid)
            return &scan->processes[middle];
        if (scan->processes[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool nj_scan_find_container(const struct nj_scan *scan, const char *id, size_t *ret_index)
{
    size_t low = 0, high = scan->containers_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(scan->containers[middle]->id, id);
        if (order == 0) {
            *ret_index = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_index = low;
    return false;
}

struct nj_scan_container *nj_scan_container(struct nj_scan *scan, const struct nj_cgroup_place *place)
{
    size_t index;
    if (nj_scan_find_container(scan, place->container_id, &index))
        return scan->containers[index];
    if (scan->containers_count == scan->max_containers)
        return NULL;
    struct nj_scan_container *container = NJ_NEW(struct nj_scan_container);
    memcpy(container->id, place->container_id, sizeof(container->id));
    memcpy(container->pod_uid, place->pod_uid, sizeof(container->pod_uid));
    struct nj_scan_container **at = &scan->containers[index];
    memmove(at + 1, at, (scan->containers_count - index) * sizeof(struct nj_scan_container *));
    *at = container;
    scan->containers_count++;
    return container;
}

/* ---- the pass over /proc */

static void meet(struct nj_scan *scan, int32_t pid, size_t *count)
{
    int rc = nj_scan_meet(scan, pid, &scan->spare[*count]);
    if (rc == 0)
        (*count)++;
    else if (rc != -ESRCH)
        scan->blind = true;
}

/* Both the known and the listed are in order: what is in both is looked at again. */
static void merge(struct nj_scan *scan, size_t listed)
{
    size_t known = 0, count = 0;
    for (size_t i = 0; i < listed; i++) {
        int32_t pid = scan->pids[i];
        for (; known < scan->count && scan->processes[known].pid < pid; known++)
            nj_scan_drop(scan, &scan->processes[known]);
        if (known == scan->count || scan->processes[known].pid != pid) {
            meet(scan, pid, &count);
            continue;
        }
        struct nj_scan_process *process = &scan->processes[known++];
        int rc = nj_scan_look(scan, process);
        if (rc == 0) {
            scan->spare[count++] = *process;
            continue;
        }
        nj_scan_drop(scan, process);
        if (rc == -ESRCH) /* the listed one is another */
            meet(scan, pid, &count);
        else
            scan->blind = true;
    }
    for (; known < scan->count; known++)
        nj_scan_drop(scan, &scan->processes[known]);
    struct nj_scan_process *processes = scan->spare;
    size_t capacity = scan->spare_capacity;
    scan->spare = scan->processes;
    scan->spare_capacity = scan->capacity;
    scan->processes = processes;
    scan->capacity = capacity;
    scan->count = count;
}

int nj_scan_run(struct nj_scan *scan, int64_t now_ns)
{
    size_t listed = 0;
    uint64_t left_out = 0;
    int rc =
        nj_proc_list(scan->proc, scan->max_processes, &scan->pids, &scan->pids_capacity, &listed, &left_out);
    if (rc < 0)
        return rc;
    scan->losses.processes += left_out;
    scan->blind = left_out > 0;
    scan->has_room = scan->containers_count < scan->max_containers;
    if (scan->spare_capacity < listed) {
        scan->spare_capacity = scan->pids_capacity;
        scan->spare = nj_realloc(scan->spare, scan->spare_capacity, sizeof(*scan->spare));
    }
    merge(scan, listed);
    if (!scan->tells_fds)
        nj_scan_list_fds(scan);
    scan->figures =
        nj_realloc(scan->figures, scan->containers_count + 1, sizeof(struct nj_container_figures));
    nj_scan_sum_up(scan, now_ns);
    return 0;
}

/* ---- results */

struct nj_container_figures *nj_scan_containers(struct nj_scan *scan, size_t *ret_count)
{
    *ret_count = scan->figures == NULL ? 0 : scan->containers_count;
    return scan->figures;
}

void nj_scan_node(const struct nj_scan *scan, struct nj_node_figures *node)
{
    node->processes = scan->node->processes;
    node->threads = scan->node->threads;
    node->zombies = scan->node->zombies;
    node->host_processes = scan->node->host_processes;
    node->host_fds = scan->node->host_fds;
    node->host_zombies = scan->node->host_zombies;
    node->zombie_parent = scan->node->zombie_parent;
}

struct nj_scan_losses nj_scan_losses(const struct nj_scan *scan)
{
    return scan->losses;
}

struct found {
    const struct nj_scan_process *process;
};

static int by_start(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    return nj_scan_is_older(left->process, right->process) ? -1 : 1;
}

size_t nj_scan_processes(const struct nj_scan *scan, const char *container_id,
                         struct nj_inspect_process *ret_processes, size_t max)
{
    size_t index, count = 0;
    if (!nj_scan_find_container(scan, container_id, &index))
        return 0;
    const struct nj_scan_process *first = scan->containers[index]->first;
    for (const struct nj_scan_process *process = first; process != NULL; process = process->next)
        count += process->state != NJ_SCAN_ZOMBIE;
    struct found *found = nj_calloc(count + 1, sizeof(*found));
    count = 0;
    for (const struct nj_scan_process *process = first; process != NULL; process = process->next) {
        if (process->state != NJ_SCAN_ZOMBIE)
            found[count++].process = process;
    }
    qsort(found, count, sizeof(*found), by_start);
    for (size_t i = 0; i < count && i < max; i++) {
        const struct nj_scan_process *process = found[i].process;
        ret_processes[i].pid = process->pid;
        memcpy(ret_processes[i].command, process->command, sizeof(process->command));
    }
    free(found);
    return count < max ? count : max;
}

struct nj_cgroup *nj_scan_cgroup(struct nj_scan *scan, const char *container_id)
{
    size_t index;
    return nj_scan_find_container(scan, container_id, &index) ? scan->containers[index]->cgroup : NULL;
}
