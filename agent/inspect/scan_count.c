#include <string.h>

#include "agent/inspect/scan_internal.h"
#include "common/base/alloc.h"

enum { LIMIT_TRIES = 4 }; /* candidates for the fullest process whose limit is read again */

/* What is not known makes the sum unknown. */
static void add(uint64_t *sum, uint64_t value)
{
    if (value == NJ_UNKNOWN || *sum == NJ_UNKNOWN || __builtin_add_overflow(*sum, value, sum))
        *sum = NJ_UNKNOWN;
}

static void name(struct nj_inspect_process *out, const struct nj_scan_process *process)
{
    out->pid = process->pid;
    memcpy(out->command, process->command, sizeof(out->command));
}

static bool is_zombie(const struct nj_scan_process *process)
{
    return process->state == NJ_SCAN_ZOMBIE;
}

/* ---- zombies */

static int ascending(const void *a, const void *b)
{
    const int32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Whose children most of them are. */
static void find_parent(const struct nj_scan *scan, const struct nj_scan_process *first, uint64_t zombies,
                        struct nj_inspect_process *ret_parent)
{
    if (zombies == 0)
        return;
    int32_t *parents = nj_calloc((size_t)zombies, sizeof(*parents));
    size_t count = 0, most = 0;
    for (const struct nj_scan_process *process = first; process != NULL; process = process->next) {
        if (is_zombie(process))
            parents[count++] = process->parent;
    }
    qsort(parents, count, sizeof(*parents), ascending);
    for (size_t from = 0, to = 0; from < count; from = to) {
        while (to < count && parents[to] == parents[from])
            to++;
        if (to - from > most) {
            most = to - from;
            ret_parent->pid = parents[from];
        }
    }
    free(parents);
    const struct nj_scan_process *parent = nj_scan_find(scan, ret_parent->pid);
    if (parent != NULL)
        name(ret_parent, parent);
}

/* ---- a container */

/* A leads B: it has a larger part of its limit; without a limit, more. */
static bool is_fuller(const struct nj_scan_process *a, const struct nj_scan_process *b)
{
    double a_part = a->limit == NJ_UNKNOWN ? 0 : (double)a->fds / (double)(a->limit > 0 ? a->limit : 1);
    double b_part = b->limit == NJ_UNKNOWN ? 0 : (double)b->fds / (double)(b->limit > 0 ? b->limit : 1);
    return a_part > b_part || (a_part == b_part && a->fds > b->fds);
}

static struct nj_scan_process *fullest_of(struct nj_scan_process *first)
{
    struct nj_scan_process *fullest = NULL;
    for (struct nj_scan_process *process = first; process != NULL; process = process->next) {
        if (!is_zombie(process) && process->fds != NJ_UNKNOWN &&
            (fullest == NULL || is_fuller(process, fullest)))
            fullest = process;
    }
    return fullest;
}

/* Limits are remembered and may have changed: that of the one to be told is read again, until it stays. */
static void find_fullest(struct nj_scan *scan, const struct nj_scan_container *container,
                         struct nj_container_figures *figures)
{
    for (int i = 0; i < LIMIT_TRIES; i++) {
        struct nj_scan_process *fullest = fullest_of(container->first);
        if (fullest == NULL)
            return;
        uint64_t before = fullest->limit;
        nj_scan_read_limit(scan, fullest);
        name(&figures->fullest, fullest);
        figures->fullest_fds = fullest->fds;
        figures->fullest_limit = fullest->limit;
        if (fullest->limit == before)
            return;
    }
}

/* Ticks are coarse: of two that began in the same one the parent is the older. */
bool nj_scan_is_older(const struct nj_scan_process *a, const struct nj_scan_process *b)
{
    if (a->start != b->start)
        return a->start < b->start;
    return a->pid == b->parent || (b->pid != a->parent && a->pid < b->pid);
}

static void sum_up_container(struct nj_scan *scan, const struct nj_scan_container *container,
                             struct nj_container_figures *figures)
{
    const struct nj_scan_process *init = NULL, *most_threads = NULL;
    memcpy(figures->id, container->id, sizeof(figures->id));
    memcpy(figures->pod_uid, container->pod_uid, sizeof(figures->pod_uid));
    figures->fullest_fds = figures->fullest_limit = NJ_UNKNOWN;
    for (const struct nj_scan_process *process = container->first; process != NULL; process = process->next) {
        if (is_zombie(process)) {
            figures->zombies++;
            continue;
        }
        figures->processes++;
        add(&figures->threads, process->threads);
        add(&figures->fds, process->fds);
        if (init == NULL || nj_scan_is_older(process, init))
            init = process;
        if (process->threads != NJ_UNKNOWN &&
            (most_threads == NULL || process->threads > most_threads->threads))
            most_threads = process;
    }
    if (init != NULL)
        name(&figures->init, init);
    if (scan->blind) { /* some may be missing, of any container */
        figures->processes = figures->threads = figures->zombies = figures->fds = NJ_UNKNOWN;
        return;
    }
    if (most_threads != NULL)
        name(&figures->most_threads, most_threads);
    find_parent(scan, container->first, figures->zombies, &figures->zombie_parent);
    find_fullest(scan, container, figures);
}

/* ---- the node */

static void sum_up_node(struct nj_scan *scan)
{
    struct nj_node_figures *node = scan->node;
    node->processes = node->threads = node->zombies = 0;
    node->host_processes = node->host_fds = node->host_zombies = 0;
    node->zombie_parent = (struct nj_inspect_process){0};
    for (size_t i = 0; i < scan->count; i++) {
        const struct nj_scan_process *process = &scan->processes[i];
        if (process->vanished)
            continue;
        if (is_zombie(process)) {
            node->zombies++;
            continue;
        }
        node->processes++;
        add(&node->threads, process->threads);
    }
    for (const struct nj_scan_process *process = scan->host; process != NULL; process = process->next) {
        if (is_zombie(process)) {
            node->host_zombies++;
            continue;
        }
        node->host_processes++;
        add(&node->host_fds, process->fds);
    }
    find_parent(scan, scan->host, node->host_zombies, &node->zombie_parent);
    if (scan->blind) {
        node->processes = node->threads = node->zombies = NJ_UNKNOWN;
        node->host_processes = node->host_fds = node->host_zombies = NJ_UNKNOWN;
    }
}

/* ---- all of it */

static int by_hash(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* How many containers those beyond the bound are in. */
static void count_left_out(struct nj_scan *scan, size_t processes)
{
    if (processes == 0)
        return;
    uint64_t *hashes = nj_calloc(processes, sizeof(*hashes));
    size_t count = 0;
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->processes[i].owner == NJ_SCAN_LEFT_OUT)
            hashes[count++] = scan->processes[i].left_out;
    }
    qsort(hashes, count, sizeof(*hashes), by_hash);
    for (size_t i = 0; i < count; i++)
        scan->losses.containers += i == 0 || hashes[i] != hashes[i - 1];
    free(hashes);
}

/* Links each process to its container's, or the host's. */
static void assign(struct nj_scan *scan)
{
    size_t left_out = 0;
    scan->host = NULL;
    for (size_t i = 0; i < scan->containers_count; i++)
        scan->containers[i]->first = NULL;
    for (size_t i = scan->count; i-- > 0;) {
        struct nj_scan_process *process = &scan->processes[i];
        enum nj_scan_owner owner = process->owner;
        struct nj_scan_container *container = process->container;
        process->next = NULL;
        if (process->vanished)
            continue;
        if (owner == NJ_SCAN_BY_PARENT) {
            const struct nj_scan_process *parent = nj_scan_find(scan, process->parent);
            owner = parent == NULL || parent->owner == NJ_SCAN_BY_PARENT ? NJ_SCAN_HOST : parent->owner;
            container = parent == NULL ? NULL : parent->container;
        }
        left_out += process->owner == NJ_SCAN_LEFT_OUT;
        scan->blind |= owner == NJ_SCAN_UNPLACED;
        struct nj_scan_process **first = owner == NJ_SCAN_HOST        ? &scan->host
                                         : owner == NJ_SCAN_CONTAINER ? &container->first
                                                                      : NULL;
        if (first != NULL) {
            process->next = *first;
            *first = process;
        }
    }
    count_left_out(scan, left_out);
}

/* Forgets containers of which no process is left. */
static void forget_empty(struct nj_scan *scan)
{
    size_t kept = 0;
    for (size_t i = 0; i < scan->containers_count; i++) {
        struct nj_scan_container *container = scan->containers[i];
        if (container->first != NULL) {
            scan->containers[kept++] = container;
            continue;
        }
        for (size_t j = 0; j < scan->count; j++) { /* of those that vanished in this scan */
            if (scan->processes[j].container == container) {
                scan->processes[j].container = NULL;
                scan->processes[j].owner = NJ_SCAN_UNPLACED;
            }
        }
        nj_cgroup_close(container->cgroup);
        free(container);
    }
    scan->containers_count = kept;
}

void nj_scan_sum_up(struct nj_scan *scan, int64_t now_ns)
{
    assign(scan);
    forget_empty(scan);
    memset(scan->figures, 0, scan->containers_count * sizeof(*scan->figures));
    for (size_t i = 0; i < scan->containers_count; i++) {
        struct nj_scan_container *container = scan->containers[i];
        struct nj_container_figures *figures = &scan->figures[i];
        figures->at_ns = now_ns;
        sum_up_container(scan, container, figures);
        bool wanted = scan->wanted == NULL || scan->wanted(scan->wanted_data, container->id);
        if (container->cgroup == NULL || !wanted) {
            nj_cgroup_unknown(figures);
        } else if (nj_cgroup_read(container->cgroup, figures) < 0) {
            nj_cgroup_close(container->cgroup);
            container->cgroup = NULL;
        }
    }
    sum_up_node(scan);
}
