/*
 * The worker's side: one scan, and what follows of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/inspect/inspect_internal.h"
#include "agent/probes/pack.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    SOCKETS_KEPT = 3,    /* intervals for which a network namespace that is not asked for is remembered */
    PROCESSES_MAX = 256, /* of one container that are looked at for whose sockets they are */
    PATH_TEXT = 512,
};

/* --- what is told --- */

static struct nj_told_trouble *fill_trouble(struct nj_pack *pack, const char *container_id,
                                            const char *pod_uid, const struct nj_trouble *from)
{
    struct nj_told_trouble *room = nj_pack_room(pack, 1, sizeof(*room));
    struct nj_told_trouble told = {.container_id = nj_pack_text(pack, container_id),
                                   .pod_uid = nj_pack_text(pack, pod_uid),
                                   .trouble = *from};
    told.trouble.detail = nj_pack_text(pack, from->detail);
    told.trouble.severity = nj_pack_text(pack, from->severity);
    told.trouble.message = nj_pack_text(pack, from->message);
    told.trouble.process = nj_pack_text(pack, from->process);
    if (room != NULL)
        *room = told;
    return room;
}

struct nj_told_trouble *nj_told_trouble_new(const char *container_id, const char *pod_uid, bool of_pod,
                                            const struct nj_trouble *trouble)
{
    struct nj_pack pack = {0};
    (void)fill_trouble(&pack, container_id, pod_uid, trouble);
    nj_pack_open(&pack);
    struct nj_told_trouble *told = fill_trouble(&pack, container_id, pod_uid, trouble);
    told->of_pod = of_pod;
    return told;
}

void nj_told_troubles_free(struct nj_told_trouble *troubles)
{
    while (troubles != NULL) {
        struct nj_told_trouble *next = troubles->next;
        free(troubles);
        troubles = next;
    }
}

static void tell_trouble(struct nj_round *round, const char *container_id, const char *pod_uid, bool of_pod,
                         const struct nj_trouble *trouble)
{
    struct nj_told_trouble *told = nj_told_trouble_new(container_id, pod_uid, of_pod, trouble);
    *round->troubles_end = told;
    round->troubles_end = &told->next;
}

static struct nj_told_usage *fill_usage(struct nj_pack *pack, const char *container_id,
                                        const struct nj_usage_item *item)
{
    struct nj_told_usage *room = nj_pack_room(pack, 1, sizeof(*room));
    struct nj_told_usage told = {.container_id = nj_pack_text(pack, container_id), .item = *item};
    for (size_t i = 0; i < NJ_USAGE_METRICS; i++) {
        void *sketch = nj_pack_room(pack, item->metrics[i].len, 1);
        if (sketch != NULL)
            memcpy(sketch, item->metrics[i].sketch, item->metrics[i].len);
        told.item.metrics[i].sketch = sketch;
        told.bytes += item->metrics[i].len;
    }
    if (room != NULL)
        *room = told;
    return room;
}

static void tell_usage(struct nj_round *round, const char *container_id, int64_t minute_ns,
                       const struct nj_usage_item *item)
{
    struct nj_pack pack = {0};
    (void)fill_usage(&pack, container_id, item);
    nj_pack_open(&pack);
    struct nj_told_usage *told = fill_usage(&pack, container_id, item);
    told->minute_ns = minute_ns;
    *round->usage_end = told;
    round->usage_end = &told->next;
}

void nj_told_usage_free(struct nj_told_usage *usage)
{
    while (usage != NULL) {
        struct nj_told_usage *next = usage->next;
        free(usage);
        usage = next;
    }
}

void nj_round_free(struct nj_round *round)
{
    if (round == NULL)
        return;
    free(round->known);
    free(round->containers);
    free(round->container_gpus);
    free(round->gpus);
    nj_told_troubles_free(round->troubles);
    nj_told_troubles_free(round->restored);
    nj_told_usage_free(round->usage);
    free(round);
}

/* --- one scan --- */

static int by_id(const void *id, const void *known)
{
    return strcmp(id, ((const struct nj_known *)known)->id);
}

static const struct nj_known *find_known(const struct nj_round *round, const char *id)
{
    if (round->known_count == 0)
        return NULL;
    return bsearch(id, round->known, round->known_count, sizeof(*round->known), by_id);
}

static void set_unknown(struct nj_socket_figures *sockets)
{
    *sockets = (struct nj_socket_figures){.udp = NJ_UNKNOWN,
                                          .raw = NJ_UNKNOWN,
                                          .unix_stream = NJ_UNKNOWN,
                                          .listen_overflows = NJ_UNKNOWN,
                                          .listen_drops = NJ_UNKNOWN,
                                          .queue_length = NJ_UNKNOWN,
                                          .queue_limit = NJ_UNKNOWN};
    for (int state = 0; state < NJ_TCP_STATES; state++)
        sockets->tcp[state] = NJ_UNKNOWN;
}

static bool is_known(void *data, const char *container_id)
{
    const struct nj_inspect_work *work = data;
    return find_known(work->round, container_id) != NULL;
}

/* The pod's uid names its network namespace; a container of which the cgroup does not tell the pod has one of
 * its own. */
static void count_sockets(struct nj_inspect_work *work, const struct nj_known *known,
                          struct nj_container_figures *figures)
{
    const char *key = figures->pod_uid[0] != '\0' ? figures->pod_uid : figures->id;
    figures->network_is_host = known->host_network;
    if (known->host_network)
        key = "";
    if (nj_sockets_count(work->sockets, key, figures->init.pid, figures->at_ns, &figures->sockets) < 0)
        set_unknown(&figures->sockets);
}

/* Copies the containers that are known, with their sockets. */
static void take_containers(struct nj_inspect_work *work, struct nj_round *round)
{
    size_t count = 0;
    const struct nj_container_figures *all = nj_scan_containers(work->scan, &count);
    round->containers = nj_calloc(count + 1, sizeof(*round->containers));
    round->container_gpus = nj_calloc(count + 1, sizeof(*round->container_gpus));
    for (size_t i = 0; i < count; i++) {
        const struct nj_known *known = find_known(round, all[i].id);
        if (known == NULL) {
            round->unknown_count++;
            continue;
        }
        struct nj_container_figures *figures = &round->containers[round->containers_count];
        round->container_gpus[round->containers_count++] =
            (struct nj_container_gpu){.use = -1, .memory = NJ_UNKNOWN};
        *figures = all[i];
        count_sockets(work, known, figures);
    }
}

static void read_node(struct nj_inspect_work *work, struct nj_round *round, int64_t now_ns)
{
    struct nj_node_figures *node = &round->node;
    nj_node_read(&work->node_options, now_ns, nj_clock_wall_ns(work->clock), node);
    nj_scan_node(work->scan, node);
    if (nj_sockets_count(work->sockets, "", 1, now_ns, &node->sockets) < 0)
        set_unknown(&node->sockets);
}

static bool has_process(const struct nj_inspect_work *work, const char *container_id, int32_t pid)
{
    struct nj_inspect_process processes[PROCESSES_MAX];
    size_t count = nj_scan_processes(work->scan, container_id, processes, PROCESSES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (processes[i].pid == pid)
            return true;
    }
    return false;
}

static void add_gpu(struct nj_container_gpu *gpu, const struct nj_gpu_process *process)
{
    if (process->use >= 0)
        gpu->use = (gpu->use < 0 ? 0 : gpu->use) + process->use;
    if (process->memory_bytes != NJ_UNKNOWN)
        gpu->memory = (gpu->memory == NJ_UNKNOWN ? 0 : gpu->memory) + process->memory_bytes;
}

static void read_gpus(struct nj_inspect_work *work, struct nj_round *round)
{
    const struct nj_gpu_device *devices = NULL;
    const struct nj_gpu_process *processes = NULL;
    size_t processes_count = 0;
    if (!work->gpu_tried)
        work->gpu = nj_gpu_open(NULL);
    work->gpu_tried = true;
    if (work->gpu == NULL)
        return;
    round->gpus_count = nj_gpu_read(work->gpu, &devices, &processes, &processes_count);
    round->gpus = nj_calloc(round->gpus_count + 1, sizeof(*round->gpus));
    if (round->gpus_count > 0)
        memcpy(round->gpus, devices, round->gpus_count * sizeof(*round->gpus));
    for (size_t i = 0; i < processes_count; i++) {
        for (size_t j = 0; j < round->containers_count; j++) {
            if (has_process(work, round->containers[j].id, processes[i].pid)) {
                add_gpu(&round->container_gpus[j], &processes[i]);
                break;
            }
        }
    }
}

static void add_usage(struct nj_inspect_work *work, struct nj_round *round)
{
    struct nj_usage_item item = {0};
    int64_t minute_ns = 0;
    for (size_t i = 0; i < round->containers_count; i++) {
        const struct nj_container_figures *figures = &round->containers[i];
        const struct nj_container_gpu *gpu = &round->container_gpus[i];
        if (nj_usage_add(work->usage, figures, gpu->use, gpu->memory, round->node.wall_ns, &minute_ns, &item))
            tell_usage(round, figures->id, minute_ns, &item);
    }
    round->minute_over = nj_usage_add_node(work->usage, &round->node, &minute_ns, &item);
    if (round->minute_over)
        tell_usage(round, "", minute_ns, &item);
}

/* --- troubles --- */

struct hooked {
    struct nj_inspect_work *work;
    struct nj_round *round;
};

static void on_container_trouble(void *data, const struct nj_container_figures *figures,
                                 const struct nj_trouble *trouble, bool of_pod)
{
    struct hooked *hooked = data;
    tell_trouble(hooked->round, figures->id, figures->pod_uid, of_pod, trouble);
}

static void on_node_trouble(void *data, const struct nj_trouble *trouble)
{
    tell_trouble(data, "", "", false, trouble);
}

static int own_sockets(void *data, const struct nj_container_figures *figures, enum nj_tcp_state state,
                       struct nj_inspect_process *ret_process, uint64_t *ret_count)
{
    struct nj_inspect_work *work = ((struct hooked *)data)->work;
    struct nj_inspect_process processes[PROCESSES_MAX];
    size_t count = nj_scan_processes(work->scan, figures->id, processes, PROCESSES_MAX);
    uint64_t sum = 0;
    uint64_t most = 0;
    int rc = -ESRCH;
    for (size_t i = 0; i < count; i++) {
        uint64_t own = 0;
        int one = nj_sockets_own(work->sockets, processes[i].pid, state, &own);
        if (one == -ESRCH) /* it has just ended */
            continue;
        if (one < 0)
            return one;
        if (rc < 0 || own > most) {
            most = own;
            *ret_process = processes[i];
        }
        sum += own;
        rc = 0;
    }
    if (rc == 0)
        *ret_count = sum;
    return rc;
}

/* What was there at the last scan and is no more. Both lists are in order. */
static void end_gone(struct nj_inspect_work *work, struct nj_round *round,
                     const struct nj_trouble_hooks *hooks)
{
    struct nj_usage_item item = {0};
    int64_t minute_ns = 0;
    size_t now = 0;
    for (size_t i = 0; i < work->before_count; i++) {
        const char *id = work->before[i];
        while (now < round->containers_count && strcmp(round->containers[now].id, id) < 0)
            now++;
        if (now < round->containers_count && strcmp(round->containers[now].id, id) == 0)
            continue;
        if (nj_usage_end(work->usage, id, &minute_ns, &item))
            tell_usage(round, id, minute_ns, &item);
        nj_container_troubles_end(work->container_troubles, id, round->node.wall_ns, hooks);
    }
    free(work->before);
    work->before = nj_calloc(round->containers_count + 1, sizeof(*work->before));
    work->before_count = round->containers_count;
    for (size_t i = 0; i < round->containers_count; i++)
        memcpy(work->before[i], round->containers[i].id, sizeof(work->before[i]));
}

/* What an earlier process told is taken up before anything is judged. */
static void restore(struct nj_inspect_work *work, struct nj_round *round)
{
    struct nj_told_trouble *told = round->restored;
    round->restored = NULL;
    while (told != NULL) {
        struct nj_told_trouble *next = told->next;
        if (told->container_id[0] == '\0') {
            nj_node_troubles_restore(work->node_troubles, &told->trouble, round->node.at_ns);
            free(told);
        } else {
            const struct nj_trouble_restored restored = {.container_id = told->container_id,
                                                         .pod_uid = told->pod_uid,
                                                         .of_pod = told->of_pod,
                                                         .trouble = &told->trouble,
                                                         .told_ns = told->told_ns};
            nj_container_troubles_restore(work->container_troubles, &restored, round->node.at_ns);
            told->next = work->restored;
            work->restored = told;
        }
        told = next;
    }
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All pods are known: the next round ends what was restored of containers that are gone meanwhile. */
static void expect_restored(struct nj_inspect_work *work)
{
    while (work->restored != NULL) {
        struct nj_told_trouble *told = work->restored;
        work->restored = told->next;
        if (work->before_count == 0 || bsearch(told->container_id, work->before, work->before_count,
                                               sizeof(*work->before), compare_ids) == NULL) {
            work->before = nj_realloc(work->before, work->before_count + 1, sizeof(*work->before));
            (void)snprintf(work->before[work->before_count++], sizeof(*work->before), "%s",
                           told->container_id);
            qsort(work->before, work->before_count, sizeof(*work->before), compare_ids);
        }
        free(told);
    }
}

static void judge(struct nj_inspect_work *work, struct nj_round *round)
{
    struct hooked hooked = {.work = work, .round = round};
    struct nj_trouble_hooks hooks = {.on_trouble = on_container_trouble,
                                     .own_sockets = own_sockets,
                                     .data = &hooked,
                                     .node_memory = round->node.memory_total,
                                     .node_pids = round->node.pid_max};
    end_gone(work, round, &hooks);
    restore(work, round);
    if (round->known_all)
        expect_restored(work);
    for (size_t i = 0; i < round->containers_count; i++)
        nj_container_troubles_update(work->container_troubles, &round->containers[i], round->node.wall_ns,
                                     &hooks);
    nj_node_troubles_update(work->node_troubles, &round->node, on_node_trouble, round);
}

void nj_inspect_work_run(struct nj_job *job)
{
    struct nj_round *round = job->data;
    struct nj_inspect_work *work = round->work;
    int64_t began_ns = nj_clock_mono_ns(work->clock);
    work->round = round;
    round->troubles_end = &round->troubles;
    round->usage_end = &round->usage;
    round->rc = nj_scan_run(work->scan, began_ns);
    if (round->rc == 0) {
        read_node(work, round, began_ns);
        take_containers(work, round);
        read_gpus(work, round);
        judge(work, round);
        add_usage(work, round);
        nj_sockets_forget(work->sockets, began_ns - SOCKETS_KEPT * work->interval_ns);
    }
    round->losses = nj_scan_losses(work->scan);
    round->took_ns = nj_clock_mono_ns(work->clock) - began_ns;
}

/* --- life --- */

/* Is the agent in the network of the node's first process? Where that cannot be seen, it is taken not to be,
 * and what is read is right either way. */
static bool is_in_host_network(const char *proc)
{
    char path[PATH_TEXT];
    struct stat own;
    struct stat hosts;
    (void)snprintf(path, sizeof(path), "%s/1/ns/net", proc);
    return stat("/proc/self/ns/net", &own) == 0 && stat(path, &hosts) == 0 && own.st_ino == hosts.st_ino &&
           own.st_dev == hosts.st_dev;
}

int nj_inspect_work_new(const struct nj_inspect_options *options, struct nj_inspect_work **ret_work,
                        struct nj_err *err)
{
    struct nj_inspect_work *work = NJ_NEW(struct nj_inspect_work);
    struct nj_scan_options scan = {.proc = options->proc,
                                   .cgroup = options->cgroup,
                                   .max_processes = options->max_processes,
                                   .max_containers = options->max_containers,
                                   .wanted = is_known,
                                   .data = work};
    struct nj_leak_rules rules = {.interval_ns = options->interval_ns,
                                  .least_span_ns = options->leak_after_ns};
    work->clock = options->loop->clock;
    work->interval_ns = options->interval_ns;
    int rc = nj_scan_new(&scan, &work->scan);
    if (rc < 0)
        (void)nj_err_set(err, rc, "%s and %s cannot be read: %s", options->proc, options->cgroup,
                         strerror(-rc));
    if (rc == 0) {
        rc = nj_sockets_new(options->proc, options->sockets_rest, &work->sockets);
        if (rc < 0)
            (void)nj_err_set(err, rc, "%s: %s", options->proc, strerror(-rc));
    }
    if (rc < 0) {
        nj_inspect_work_free(work);
        return rc;
    }
    work->usage = nj_usage_minutes_new();
    work->container_troubles = nj_container_troubles_new(&rules);
    work->node_troubles = nj_node_troubles_new();
    work->proc = nj_strdup(options->proc);
    work->root = nj_strdup(options->root);
    work->node_options = (struct nj_node_options){
        .proc = work->proc, .root = work->root, .own_network = !is_in_host_network(options->proc)};
    *ret_work = work;
    return 0;
}

void nj_inspect_work_free(struct nj_inspect_work *work)
{
    if (work == NULL)
        return;
    nj_scan_free(work->scan);
    nj_sockets_free(work->sockets);
    nj_gpu_close(work->gpu);
    nj_usage_minutes_free(work->usage);
    nj_container_troubles_free(work->container_troubles);
    nj_node_troubles_free(work->node_troubles);
    free(work->proc);
    free(work->root);
    free(work->before);
    nj_told_troubles_free(work->restored);
    free(work);
}
