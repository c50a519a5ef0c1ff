#include "agent/inspect/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/inspect/oom_internal.h"

static struct nj_oom_container *find(struct nj_oom_container *table, const char *id)
{
    struct nj_oom_container *container = NULL;
    HASH_FIND(hh, table, id, strlen(id), container);
    return container;
}

static void container_free(struct nj_oom_container *container)
{
    free(container->id);
    free(container->pod_uid);
    free(container);
}

static void listen_to(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    bool woken = nj_oom_container_listen(container, watch->inotify, watch->epoll);
    nj_gauge_add(woken ? watch->metrics.woken : watch->metrics.polled, 1);
    if (container->watch >= 0)
        HASH_ADD(watch_hh, watch->watched, watch, sizeof(container->watch), container);
}

/* False: it has gone, or its number is another's by now. */
static bool begin(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    if (nj_oom_container_open(watch->cgroups, watch->proc, container->pid, container) < 0)
        return false;
    container->limit = nj_oom_container_limit(container);
    container->limit_hits = nj_oom_container_limit_hits(container);
    container->peak = nj_oom_container_peak(container);
    HASH_ADD_KEYPTR(hh, watch->containers, container->id, strlen(container->id), container);
    listen_to(watch, container);
    nj_oom_look(watch, container);
    return true;
}

/* One in each turn of the loop: opening its files takes a fraction of a millisecond. */
static void on_opening(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    struct nj_oom_container *container = watch->waiting;
    if (container == NULL)
        return;
    NJ_TABLE_REMOVE(watch->waiting, container);
    if (watch->waiting != NULL)
        nj_timer_start(timer, 0, 0);
    if (!begin(watch, container))
        container_free(container);
}

void nj_oom_watch_add(struct nj_oom_watch *watch, const char *container_id, const char *pod_uid, int32_t pid,
                      uint64_t known_kills)
{
    if (find(watch->containers, container_id) != NULL || find(watch->waiting, container_id) != NULL)
        return;
    if (HASH_CNT(hh, watch->containers) + HASH_CNT(hh, watch->waiting) >= watch->max_containers) {
        nj_counter_add(watch->metrics.refused, 1);
        return;
    }
    struct nj_oom_container *container = NJ_NEW(struct nj_oom_container);
    container->id = nj_strdup(container_id);
    container->pod_uid = nj_strdup(pod_uid);
    container->pid = pid;
    container->known = known_kills;
    HASH_ADD_KEYPTR(hh, watch->waiting, container->id, strlen(container->id), container);
    nj_timer_start(&watch->opening, 0, 0);
}

/* One that is in no table any more. */
static void drop(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    bool woken = container->watch >= 0 || container->eventfd >= 0;
    nj_gauge_add(woken ? watch->metrics.woken : watch->metrics.polled, -1);
    if (container->watch >= 0)
        (void)inotify_rm_watch(watch->inotify, container->watch);
    nj_oom_container_close(container);
    container_free(container);
}

void nj_oom_watch_remove(struct nj_oom_watch *watch, const char *container_id)
{
    struct nj_oom_container *waiting = find(watch->waiting, container_id);
    if (waiting != NULL) {
        NJ_TABLE_REMOVE(watch->waiting, waiting);
        container_free(waiting);
        return;
    }
    struct nj_oom_container *container = find(watch->containers, container_id);
    if (container == NULL)
        return;
    NJ_TABLE_REMOVE(watch->containers, container);
    if (container->watch >= 0)
        NJ_TABLE_REMOVE_BY(watch_hh, watch->watched, container);
    drop(watch, container);
}

/* --- life --- */

static void add_metrics(struct nj_oom_watch *watch, struct nj_metrics *metrics)
{
    static const char kills[] = "nightjar_agent_oom_kills_total";
    static const char kills_help[] = "OOM kills in containers that were told, and times that the container "
                                     "ended with it, which is a crash.";
    static const char victims[] = "nightjar_agent_oom_victims_total";
    static const char victims_help[] = "OOM kills that were told, by what named the process.";
    static const char lost[] = "nightjar_agent_oom_left_out_total";
    static const char lost_help[] = "What the OOM watch's bounds left out.";
    static const char watched[] = "nightjar_agent_oom_watched";
    static const char watched_help[] = "Containers watched for OOM kills, by how their kills are noticed.";
    watch->metrics.told = nj_metrics_counter(metrics, kills, "outcome=\"told\"", kills_help);
    watch->metrics.crashes = nj_metrics_counter(metrics, kills, "outcome=\"crash\"", kills_help);
    watch->metrics.from_log = nj_metrics_counter(metrics, victims, "source=\"kernel_log\"", victims_help);
    watch->metrics.from_sample = nj_metrics_counter(metrics, victims, "source=\"sample\"", victims_help);
    watch->metrics.unknown = nj_metrics_counter(metrics, victims, "source=\"unknown\"", victims_help);
    watch->metrics.refused = nj_metrics_counter(metrics, lost, "what=\"containers\"", lost_help);
    watch->metrics.left_out = nj_metrics_counter(metrics, lost, "what=\"samples\"", lost_help);
    watch->metrics.unread = nj_metrics_counter(metrics, lost, "what=\"kernel_log\"", lost_help);
    watch->metrics.woken = nj_metrics_gauge(metrics, watched, "by=\"kernel\"", watched_help);
    watch->metrics.polled = nj_metrics_gauge(metrics, watched, "by=\"polling\"", watched_help);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void watch_free(struct nj_oom_watch *watch)
{
    nj_cgroups_close(watch->cgroups);
    nj_oom_log_close(&watch->log);
    close_fd(&watch->epoll);
    close_fd(&watch->inotify);
    close_fd(&watch->vmstat);
    close_fd(&watch->proc);
    free(watch);
}

/* Everything but the loop's handles. */
static int open_all(struct nj_oom_watch *watch, const struct nj_oom_options *options)
{
    watch->proc = open(options->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (watch->proc < 0)
        return -errno;
    int rc = nj_cgroups_open(options->cgroup, options->proc, &watch->cgroups);
    if (rc < 0)
        return rc;
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watch->epoll < 0)
        return -errno;
    watch->vmstat = openat(watch->proc, "vmstat", O_RDONLY | O_CLOEXEC);
    watch->node_kills = nj_oom_node_kills(watch->vmstat);
    /* Few instances of inotify are to be had by one user; without one the counters are polled. */
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (watch->inotify >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->inotify, &event) < 0)
        close_fd(&watch->inotify);
    nj_oom_log_open(&watch->log, options->kernel_log);
    return uv_poll_init(&options->loop->uv, &watch->poll, watch->epoll);
}

int nj_oom_watch_new(const struct nj_oom_options *options, struct nj_oom_watch **ret_watch)
{
    struct nj_oom_watch *watch = NJ_NEW(struct nj_oom_watch);
    watch->proc = watch->vmstat = watch->epoll = watch->inotify = watch->log.fd = -1;
    int rc = open_all(watch, options);
    if (rc < 0) {
        watch_free(watch);
        return rc;
    }
    watch->loop = options->loop;
    watch->poll_ns = options->poll_ns;
    watch->settle_ns = options->settle_ns;
    watch->max_containers = options->max_containers;
    watch->on_kill = options->on_kill;
    watch->data = options->data;
    watch->poll.data = watch;
    nj_timer_init(&watch->opening, options->loop, on_opening, watch);
    nj_timer_init(&watch->polling, options->loop, nj_oom_on_poll, watch);
    nj_timer_init(&watch->resting, options->loop, nj_oom_on_rested, watch);
    nj_timer_init(&watch->settling, options->loop, nj_oom_on_settled, watch);
    if (options->metrics != NULL)
        add_metrics(watch, options->metrics);
    (void)uv_poll_start(&watch->poll, UV_READABLE, nj_oom_on_woken);
    nj_timer_start(&watch->polling, watch->poll_ns, watch->poll_ns);
    *ret_watch = watch;
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct nj_oom_watch *watch = handle->data;
    void (*on_closed)(void *data) = watch->on_closed;
    void *data = watch->on_closed_data;
    watch_free(watch);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_oom_watch_close(struct nj_oom_watch *watch, void (*on_closed)(void *data), void *data)
{
    if (watch == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    watch->on_closed = on_closed;
    watch->on_closed_data = data;
    nj_timer_stop(&watch->opening);
    nj_timer_stop(&watch->polling);
    nj_timer_stop(&watch->resting);
    nj_timer_stop(&watch->settling);
    struct nj_oom_container *container = watch->containers;
    HASH_CLEAR(watch_hh, watch->watched);
    HASH_CLEAR(hh, watch->containers); /* the containers stay linked */
    while (container != NULL) {
        struct nj_oom_container *next = container->hh.next;
        drop(watch, container);
        container = next;
    }
    container = watch->waiting;
    HASH_CLEAR(hh, watch->waiting);
    while (container != NULL) {
        struct nj_oom_container *next = container->hh.next;
        container_free(container);
        container = next;
    }
    uv_close((uv_handle_t *)&watch->poll, on_poll_closed);
}
