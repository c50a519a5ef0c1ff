#include "agent/inspect/inspect.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/inspect/inspect_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"

static const int64_t soon_ns = 200 * NJ_MS;      /* after a container that no scan has seen */
static const int64_t soon_least_ns = NJ_SEC;     /* between scans that were brought forward */
static const int64_t kill_waits_ns = 5 * NJ_SEC; /* for its container's name */
static const int64_t kill_retry_ns = 250 * NJ_MS;
static const int64_t oom_poll_ns = 250 * NJ_MS;
static const int64_t oom_settle_ns = 300 * NJ_MS;
static const int64_t remember_ns = NJ_MIN; /* pods that were deleted, beside some intervals */
enum { REMEMBER_INTERVALS = 3 };

static const double scan_bounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};

/* --- finding a container's figures --- */

static int by_id(const void *id, const void *figures)
{
    return strcmp(id, ((const struct nj_container_figures *)figures)->id);
}

const struct nj_container_figures *nj_inspect_figures(const struct nj_inspect *inspect, const char *id)
{
    const struct nj_round *shown = inspect->shown;
    if (shown == NULL || shown->containers_count == 0)
        return NULL;
    return bsearch(id, shown->containers, shown->containers_count, sizeof(*shown->containers), by_id);
}

/* --- scans --- */

struct known_list {
    struct nj_known *items;
    size_t count, capacity;
};

static void add_known(void *data, const struct nj_named_pod *pod)
{
    struct known_list *list = data;
    for (size_t i = 0; i < pod->containers_count; i++) {
        const char *id = nj_names_bare_id(pod->containers[i].id);
        size_t len = strlen(id);
        if (len == 0 || len >= sizeof(list->items->id))
            continue;
        if (list->count == list->capacity) {
            list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
            list->items = nj_realloc(list->items, list->capacity, sizeof(*list->items));
        }
        struct nj_known *known = &list->items[list->count++];
        memcpy(known->id, id, len + 1);
        known->host_network = pod->host_network;
    }
}

static int compare_known(const void *a, const void *b)
{
    return strcmp(((const struct nj_known *)a)->id, ((const struct nj_known *)b)->id);
}

static void on_round(struct nj_job *job);

static void scan(struct nj_inspect *inspect)
{
    struct known_list known = {0};
    struct nj_round *round = NJ_NEW(struct nj_round);
    nj_names_sweep(inspect->names);
    nj_names_each(inspect->names, add_known, &known);
    if (known.count > 0)
        qsort(known.items, known.count, sizeof(*known.items), compare_known);
    round->work = inspect->work;
    round->known = known.items;
    round->known_count = known.count;
    round->known_all = inspect->synced;
    if (!inspect->restored)
        round->restored = nj_kept_restored(inspect);
    round->inspect = inspect;
    round->job = (struct nj_job){.run = nj_inspect_work_run, .done = on_round, .data = round};
    inspect->began_ns = nj_loop_mono_ns(inspect->options.loop);
    inspect->soon = false;
    inspect->running = nj_worker_submit(inspect->worker, &round->job) == 0;
    assert(inspect->running); /* one job at a time, and not while it closes */
}

static void arm(struct nj_inspect *inspect, int64_t due_ns)
{
    int64_t now_ns = nj_loop_mono_ns(inspect->options.loop);
    inspect->due_ns = due_ns;
    nj_timer_start(&inspect->timer, due_ns > now_ns ? due_ns - now_ns : 0, 0);
}

static int64_t soonest(const struct nj_inspect *inspect)
{
    int64_t due_ns = nj_loop_mono_ns(inspect->options.loop) + soon_ns;
    int64_t least_ns = inspect->began_ns + soon_least_ns;
    return due_ns > least_ns ? due_ns : least_ns;
}

/* A container runs that no scan has seen: its OOM watch and its end's notice wait for one. */
static void scan_soon(struct nj_inspect *inspect)
{
    if (inspect->running)
        inspect->soon = true;
    else if (soonest(inspect) < inspect->due_ns)
        arm(inspect, soonest(inspect));
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_inspect *inspect = timer->data;
    scan(inspect);
}

/* --- what a scan brought --- */

static int by_pid(const void *a, const void *b)
{
    int32_t left = ((const struct nj_first_process *)a)->pid;
    int32_t right = ((const struct nj_first_process *)b)->pid;
    return left < right ? -1 : left > right;
}

static void note_firsts(struct nj_inspect *inspect)
{
    const struct nj_round *shown = inspect->shown;
    free(inspect->firsts);
    inspect->firsts = nj_calloc(shown->containers_count + 1, sizeof(*inspect->firsts));
    inspect->firsts_count = shown->containers_count;
    for (size_t i = 0; i < shown->containers_count; i++)
        inspect->firsts[i] = (struct nj_first_process){.pid = shown->containers[i].init.pid, .container = i};
    qsort(inspect->firsts, inspect->firsts_count, sizeof(*inspect->firsts), by_pid);
}

/* Kills of a container that began after us are all told. Of an older one, what it counts is taken as known:
 * an earlier process may have told them. */
static void watch_kills(struct nj_inspect *inspect)
{
    const struct nj_round *shown = inspect->shown;
    for (size_t i = 0; inspect->oom != NULL && i < shown->containers_count; i++) {
        const struct nj_container_figures *figures = &shown->containers[i];
        const struct nj_named_container *container = NULL;
        const struct nj_named_pod *pod = nj_names_container(inspect->names, figures->id, &container);
        if (pod == NULL)
            continue;
        uint64_t known = container->started_ns > inspect->started_ns ? 0 : NJ_UNKNOWN;
        nj_oom_watch_add(inspect->oom, figures->id, pod->uid, figures->init.pid, known);
    }
}

/* Both are in order. */
static void forget_gone(struct nj_inspect *inspect, const struct nj_round *before)
{
    const struct nj_round *shown = inspect->shown;
    size_t now = 0;
    for (size_t i = 0; inspect->oom != NULL && before != NULL && i < before->containers_count; i++) {
        const char *id = before->containers[i].id;
        while (now < shown->containers_count && strcmp(shown->containers[now].id, id) < 0)
            now++;
        if (now == shown->containers_count || strcmp(shown->containers[now].id, id) != 0)
            nj_oom_watch_remove(inspect->oom, id);
    }
}

static void take_usage(struct nj_inspect *inspect, struct nj_round *round)
{
    if (round->usage != NULL) {
        *inspect->usage_end = round->usage;
        inspect->usage_end = round->usage_end;
        round->usage = NULL;
    }
    if (!round->minute_over)
        return;
    struct nj_told_usage *usage = inspect->usage;
    inspect->usage = NULL;
    inspect->usage_end = &inspect->usage;
    nj_inspect_tell_usage(inspect, usage);
}

static void count_losses(struct nj_inspect *inspect, const struct nj_scan_losses *losses)
{
    nj_counter_add(inspect->metrics.processes, losses->processes - inspect->losses.processes);
    nj_counter_add(inspect->metrics.containers, losses->containers - inspect->losses.containers);
    nj_counter_add(inspect->metrics.unreadable, losses->unreadable - inspect->losses.unreadable);
    inspect->losses = *losses;
}

static void show(struct nj_inspect *inspect, struct nj_round *round)
{
    struct nj_round *before = inspect->shown;
    inspect->shown = round;
    inspect->restored = true;
    inspect->failing = false;
    nj_gauge_set(inspect->metrics.named, (int64_t)round->containers_count);
    nj_gauge_set(inspect->metrics.unknown, (int64_t)round->unknown_count);
    note_firsts(inspect);
    forget_gone(inspect, before);
    watch_kills(inspect);
    nj_inspect_tell_troubles(inspect, round->troubles);
    take_usage(inspect, round);
    nj_round_free(before);
}

static void on_round(struct nj_job *job)
{
    struct nj_round *round = job->data;
    struct nj_inspect *inspect = round->inspect;
    inspect->running = false;
    if (inspect->closing) {
        nj_round_free(round);
        return;
    }
    nj_counter_add(inspect->metrics.scans, 1);
    nj_histogram_observe(inspect->metrics.seconds, (double)round->took_ns / (double)NJ_SEC);
    count_losses(inspect, &round->losses);
    if (round->rc == 0) {
        show(inspect, round);
    } else {
        nj_counter_add(inspect->metrics.failed, 1);
        if (!inspect->failing)
            nj_warn("inspect", "the node's processes cannot be read: %s; will try again",
                    strerror(-round->rc));
        inspect->failing = true;
        nj_round_free(round);
    }
    int64_t due_ns = inspect->began_ns + inspect->options.interval_ns;
    if (inspect->soon && soonest(inspect) < due_ns)
        due_ns = soonest(inspect);
    arm(inspect, due_ns);
}

/* --- pods --- */

static void try_kills(struct nj_inspect *inspect);

void nj_inspect_synced(struct nj_inspect *inspect)
{
    inspect->synced = true;
}

static bool has_unseen(const struct nj_inspect *inspect, const char *uid)
{
    const struct nj_named_pod *pod = nj_names_by_uid(inspect->names, uid);
    for (size_t i = 0; pod != NULL && i < pod->containers_count; i++) {
        const struct nj_named_container *container = &pod->containers[i];
        if (container->running && container->id[0] != '\0' &&
            nj_inspect_figures(inspect, nj_names_bare_id(container->id)) == NULL)
            return true;
    }
    return false;
}

void nj_inspect_pod(struct nj_inspect *inspect, enum nj_watch_event_type type,
                    const struct nj_kube_object *object)
{
    nj_names_pod(inspect->names, type, object);
    if (type == NJ_WATCH_DELETED)
        return;
    if (has_unseen(inspect, object->meta.uid))
        scan_soon(inspect);
    try_kills(inspect);
}

/* --- OOM kills --- */

static void try_kills(struct nj_inspect *inspect)
{
    int64_t now_ns = nj_loop_mono_ns(inspect->options.loop);
    size_t kept = 0;
    for (size_t i = 0; i < inspect->kills_count; i++) {
        struct nj_waiting_kill *waiting = &inspect->kills[i];
        waiting->kill.container_id = waiting->container_id;
        waiting->kill.pod_uid = waiting->pod_uid;
        if (!nj_inspect_tell_kill(inspect, &waiting->kill, waiting->until_ns <= now_ns))
            inspect->kills[kept++] = *waiting;
    }
    inspect->kills_count = kept;
    if (kept == 0)
        nj_timer_stop(&inspect->kills_timer);
}

static void on_kills_timer(struct nj_timer *timer)
{
    try_kills(timer->data);
}

static void on_names_workload(void *data)
{
    struct nj_inspect *inspect = data;
    if (!inspect->closing)
        try_kills(inspect);
}

static void on_kill(void *data, const struct nj_oom_kill_seen *kill)
{
    struct nj_inspect *inspect = data;
    bool full = inspect->kills_count == NJ_INSPECT_KILLS_MAX;
    if (inspect->closing || nj_inspect_tell_kill(inspect, kill, full))
        return;
    struct nj_waiting_kill *waiting = &inspect->kills[inspect->kills_count++];
    waiting->kill = *kill;
    (void)snprintf(waiting->container_id, sizeof(waiting->container_id), "%s", kill->container_id);
    (void)snprintf(waiting->pod_uid, sizeof(waiting->pod_uid), "%s", kill->pod_uid);
    waiting->until_ns = nj_loop_mono_ns(inspect->options.loop) + kill_waits_ns;
    nj_timer_start(&inspect->kills_timer, kill_retry_ns, kill_retry_ns);
}

/* --- exits --- */

static void on_exit_told(void *data, int32_t pid, int exit_code, int64_t wall_ns)
{
    struct nj_inspect *inspect = data;
    const struct nj_first_process wanted = {.pid = pid};
    struct nj_first_process *first =
        inspect->firsts_count == 0 || inspect->closing
            ? NULL
            : bsearch(&wanted, inspect->firsts, inspect->firsts_count, sizeof(wanted), by_pid);
    if (first == NULL || first->ended)
        return;
    const char *id = inspect->shown->containers[first->container].id;
    const struct nj_named_container *container = NULL;
    const struct nj_named_pod *pod = nj_names_container(inspect->names, id, &container);
    first->ended = true;
    if (pod == NULL)
        return;
    struct nj_inspect_exit exit = {
        .container_id = id,
        .namespace = pod->namespace,
        .pod = pod->name,
        .pod_uid = pod->uid,
        .directory_uid = pod->directory_uid,
        .container = container->name,
        .restart_count = nj_streq(nj_names_bare_id(container->id), id) ? container->restart_count : -1,
        .exit_code = exit_code,
        .wall_ns = wall_ns,
    };
    inspect->options.on_container_exit(inspect->options.data, &exit);
}

/* --- life --- */

static void add_metrics(struct nj_inspect *inspect, struct nj_metrics *metrics)
{
    static const char losses[] = "What inspection left out: processes and containers beyond their bounds, "
                                 "reads that were refused.";
    if (metrics == NULL)
        return;
    inspect->metrics.scans =
        nj_metrics_counter(metrics, "nightjar_inspect_scans_total", "", "Scans of the node's processes.");
    inspect->metrics.failed = nj_metrics_counter(metrics, "nightjar_inspect_failed_scans_total", "",
                                                 "Scans that could not read the processes at all.");
    inspect->metrics.seconds =
        nj_metrics_histogram(metrics, "nightjar_inspect_scan_seconds", "",
                             "How long a scan and what follows of it took, beside the event loop.",
                             scan_bounds, sizeof(scan_bounds) / sizeof(scan_bounds[0]));
    inspect->metrics.processes =
        nj_metrics_counter(metrics, "nightjar_inspect_left_out_total", "what=\"processes\"", losses);
    inspect->metrics.containers =
        nj_metrics_counter(metrics, "nightjar_inspect_left_out_total", "what=\"containers\"", losses);
    inspect->metrics.unreadable =
        nj_metrics_counter(metrics, "nightjar_inspect_left_out_total", "what=\"reads\"", losses);
    inspect->metrics.events = nj_metrics_counter(metrics, "nightjar_inspect_events_total", "",
                                                 "OOM kills, troubles and minutes of use that were told.");
    inspect->metrics.nameless =
        nj_metrics_counter(metrics, "nightjar_inspect_nameless_total", "",
                           "OOM kills and troubles of containers that no pod of the node has.");
    inspect->metrics.parts =
        nj_metrics_counter(metrics, "nightjar_inspect_usage_left_out_total", "",
                           "Containers and pods that did not fit into a minute's events.");
    inspect->metrics.named = nj_metrics_gauge(metrics, "nightjar_inspect_containers", "",
                                              "Containers of the node's pods at the last scan.");
    inspect->metrics.unknown =
        nj_metrics_gauge(metrics, "nightjar_inspect_unnamed_containers", "",
                         "Containers at the last scan that no pod's status names, such "
                         "as the pods' sandboxes.");
}

static void watch_oom(struct nj_inspect *inspect, const struct nj_inspect_options *options)
{
    struct nj_oom_options oom = {.loop = options->loop,
                                 .metrics = options->metrics,
                                 .proc = options->proc,
                                 .cgroup = options->cgroup,
                                 .kernel_log = options->kernel_log,
                                 .poll_ns = oom_poll_ns,
                                 .settle_ns = oom_settle_ns,
                                 .max_containers = options->max_containers,
                                 .on_kill = on_kill,
                                 .data = inspect};
    int rc = nj_oom_watch_new(&oom, &inspect->oom);
    if (rc < 0)
        nj_warn("inspect", "OOM kills are not watched for: %s", strerror(-rc));
}

static void listen_to_exits(struct nj_inspect *inspect, const struct nj_inspect_options *options)
{
    struct nj_err err = {0};
    struct nj_exits_options exits = {
        .loop = options->loop, .metrics = options->metrics, .on_exit = on_exit_told, .data = inspect};
    if (!options->exits || options->on_container_exit == NULL)
        return;
    if (nj_exits_start(&exits, &inspect->exits, &err) < 0)
        nj_info("inspect", "containers' ends are known from their pods' statuses alone: %s", err.text);
}

static void look_at_root(const char *root)
{
    int fd = open(root[0] == '\0' ? "/" : root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        nj_info("inspect", "how full the node's file systems are cannot be seen: %s: %s", root,
                strerror(errno));
    else
        (void)close(fd);
}

int nj_inspect_start(const struct nj_inspect_options *options, struct nj_inspect **ret_inspect,
                     struct nj_err *err)
{
    struct nj_inspect_work *work = NULL;
    int rc = nj_inspect_work_new(options, &work, err);
    if (rc < 0)
        return rc;
    struct nj_worker *worker = nj_worker_new(options->loop, "nj-inspect", 1);
    if (worker == NULL) {
        nj_inspect_work_free(work);
        return nj_err_set(err, -ENOMEM, "no memory for a thread");
    }
    struct nj_inspect *inspect = NJ_NEW(struct nj_inspect);
    struct nj_names_options names = {.loop = options->loop,
                                     .owners = options->owners,
                                     .metrics = options->metrics,
                                     .remember_ns = remember_ns + REMEMBER_INTERVALS * options->interval_ns,
                                     .on_workload = on_names_workload,
                                     .data = inspect};
    inspect->options = *options;
    inspect->node = nj_strdup(options->node);
    inspect->started_ns = nj_loop_wall_ns(options->loop);
    inspect->usage_end = &inspect->usage;
    inspect->work = work;
    inspect->worker = worker;
    inspect->names = nj_names_new(&names);
    add_metrics(inspect, options->metrics);
    watch_oom(inspect, options);
    listen_to_exits(inspect, options);
    look_at_root(options->root);
    nj_timer_init(&inspect->timer, options->loop, on_timer, inspect);
    nj_timer_init(&inspect->kills_timer, options->loop, on_kills_timer, inspect);
    inspect->began_ns = nj_loop_mono_ns(options->loop) - soon_least_ns;
    arm(inspect, nj_loop_mono_ns(options->loop));
    *ret_inspect = inspect;
    return 0;
}

static void on_part_closed(void *data)
{
    struct nj_inspect *inspect = data;
    if (--inspect->open_parts > 0)
        return;
    void (*on_closed)(void *data) = inspect->on_closed;
    void *on_closed_data = inspect->on_closed_data;
    nj_names_free(inspect->names);
    nj_inspect_work_free(inspect->work);
    nj_round_free(inspect->shown);
    nj_told_usage_free(inspect->usage);
    nj_kept_free(inspect);
    free(inspect->firsts);
    free(inspect->node);
    free(inspect);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_inspect_close(struct nj_inspect *inspect, void (*on_closed)(void *data), void *data)
{
    if (inspect == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    inspect->closing = true;
    inspect->on_closed = on_closed;
    inspect->on_closed_data = data;
    nj_timer_stop(&inspect->timer);
    nj_timer_stop(&inspect->kills_timer);
    inspect->open_parts = 3;
    nj_oom_watch_close(inspect->oom, on_part_closed, inspect);
    nj_exits_close(inspect->exits, on_part_closed, inspect);
    nj_worker_close(inspect->worker, on_part_closed, inspect);
}
