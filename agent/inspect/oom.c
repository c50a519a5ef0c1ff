#include "agent/inspect/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/inspect/oom_internal.h"
#include "common/base/alloc.h"

enum {
    WOKEN_MAX = 64,       /* containers that one wake-up looks at; the others have the next */
    INOTIFY_BYTES = 4096, /* read at a time */
    NEAR_PERCENT = 85,    /* of the limit: from here on samples are taken */
    FAR_PERCENT = 50,     /* of the limit: below, the usage is read at every fourth poll only */
    FAR_POLLS = 4,
};

/* A container that reaches its limit all the time (its page cache does) would wake the agent a hundred times
 * a second. */
static const int64_t rest_ns = 20 * NJ_MS;
/* Version 1 announces a kill before it happens; the counter follows within so much. */
static const int64_t hot_ns = 200 * NJ_MS;
static const int64_t sample_pause_min_ns = 100 * NJ_MS;
static const int64_t sample_pause_max_ns = 2 * NJ_SEC;
static const int64_t sample_kept_ns = 500 * NJ_MS;
static const int64_t sample_age_max_ns = 3 * NJ_SEC;

struct nj_oom_watch {
    struct nj_loop *loop;
    struct nj_cgroups *cgroups;
    int proc, vmstat; /* vmstat -1: this kernel does not count there */
    int epoll, inotify;
    uv_poll_t poll;
    struct nj_timer opening, polling, resting, settling;
    int64_t poll_ns, settle_ns;
    size_t max_containers;
    struct nj_oom_container *containers, *watched;
    struct nj_oom_container *waiting; /* to be opened; not among the containers yet */
    struct nj_oom_log log;
    uint64_t node_kills;
    bool look_again; /* the node's counter rises a moment before the container's */
    void (*on_kill)(void *data, const struct nj_oom_kill_seen *kill);
    void *data;
    void (*on_closed)(void *data);
    void *on_closed_data;
    struct {
        struct nj_counter *told, *crashes, *from_log, *from_sample, *unknown, *refused, *left_out, *unread;
        struct nj_gauge *woken, *polled;
    } metrics;
};

/* --- kills --- */

static void arm_settling(struct nj_oom_watch *watch)
{
    int64_t first_ns = INT64_MAX;
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (c->settling && c->settled_ns < first_ns)
            first_ns = c->settled_ns;
    }
    if (first_ns == INT64_MAX)
        return;
    int64_t left_ns = first_ns - nj_loop_mono_ns(watch->loop);
    nj_timer_start(&watch->settling, left_ns > 0 ? left_ns : 0, 0);
}

static void note_usage(struct nj_oom_container *container, uint64_t usage)
{
    if (usage != NJ_UNKNOWN && usage > container->usage_highest)
        container->usage_highest = usage;
}

/* True: the limit was reached since the last look. */
static bool note_limit_hits(struct nj_oom_container *container)
{
    uint64_t hits = nj_oom_container_limit_hits(container);
    bool hit = hits != NJ_UNKNOWN && container->limit_hits != NJ_UNKNOWN && hits > container->limit_hits;
    container->limit_hits = hits;
    if (hit && container->limit != NJ_UNKNOWN)
        note_usage(container, container->limit);
    return hit;
}

/* A peak that is not a new one may be from long ago. */
static void note_peak(struct nj_oom_container *container)
{
    uint64_t peak = nj_oom_container_peak(container);
    if (peak != NJ_UNKNOWN && container->peak != NJ_UNKNOWN && peak > container->peak)
        note_usage(container, peak);
    container->peak = peak;
}

static void sample(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    struct nj_oom_victim victim;
    if (container->settling || now_ns < container->sample_due_ns)
        return;
    /* The largest has just vanished: the counter is about to say why, and a new sample would not have it. */
    if (container->sample.at_ns != 0 && now_ns - container->sample.at_ns < sample_kept_ns &&
        nj_oom_sample_victim(watch->proc, &container->sample, &victim))
        return;
    if (nj_oom_sample_take(watch->proc, container, now_ns, &container->sample))
        nj_counter_add(watch->metrics.left_out, 1);
    container->sample_due_ns = now_ns + container->sample_pause_ns;
    container->sample_pause_ns *= 2;
    if (container->sample_pause_ns > sample_pause_max_ns)
        container->sample_pause_ns = sample_pause_max_ns;
}

/* Whether its counter of kills has risen. A kill begins a burst, which is told when it has settled. */
static void look(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    uint64_t total = nj_cgroup_oom_kills(container->cgroup);
    bool hit = note_limit_hits(container);
    if (total == NJ_UNKNOWN)
        return;
    if (container->known == NJ_UNKNOWN || total < container->known)
        container->known = total; /* it counts from anew */
    if (total > container->known && !container->settling) {
        container->settling = true;
        container->settled_ns = nj_loop_mono_ns(watch->loop) + watch->settle_ns;
        note_usage(container, nj_oom_container_usage(container));
        arm_settling(watch);
    } else if (hit) {
        sample(watch, container);
    }
}

static void find_victim(struct nj_oom_watch *watch, struct nj_oom_container *container,
                        struct nj_oom_victim *victim)
{
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    *victim = (struct nj_oom_victim){.bytes = NJ_UNKNOWN};
    nj_counter_add(watch->metrics.unread, nj_oom_log_read(&watch->log, now_ns));
    if (nj_oom_log_victim(&watch->log, container, now_ns, victim))
        return;
    int64_t seen_ns = container->settled_ns - watch->settle_ns; /* when the kill was */
    if (seen_ns - container->sample.at_ns <= sample_age_max_ns)
        (void)nj_oom_sample_victim(watch->proc, &container->sample, victim);
}

/* The container lives on without what was killed; or it does not, and there is nothing to tell. */
static void settle(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    struct nj_oom_victim victim;
    container->settling = false;
    uint64_t total = nj_cgroup_oom_kills(container->cgroup);
    find_victim(watch, container, &victim);
    container->sample.at_ns = 0;
    container->sample_due_ns = 0;
    container->sample_pause_ns = sample_pause_min_ns;
    bool ended = total == NJ_UNKNOWN || victim.is_first || nj_oom_container_ended(container);
    if (ended || total <= container->known) {
        nj_counter_add(watch->metrics.crashes, ended ? 1 : 0);
        container->known = total;
        return;
    }
    (void)note_limit_hits(container);
    note_peak(container);
    if (victim.own_limit)
        note_usage(container, container->limit);
    uint64_t highest = container->usage_highest;
    struct nj_oom_kill_seen kill = {.container_id = container->id,
                                    .pod_uid = container->pod_uid,
                                    .count = total - container->known,
                                    .total = total,
                                    .process = victim.process,
                                    .process_bytes = victim.bytes,
                                    .memory_limit = nj_oom_container_limit(container),
                                    .memory_usage = highest != 0 ? highest : NJ_UNKNOWN,
                                    .at_ns = nj_loop_wall_ns(watch->loop) - watch->settle_ns};
    container->known = total;
    container->usage_highest = 0;
    container->limit = kill.memory_limit;
    nj_counter_add(watch->metrics.told, kill.count);
    nj_counter_add(victim.process.pid == 0 ? watch->metrics.unknown
                   : victim.from_log       ? watch->metrics.from_log
                                           : watch->metrics.from_sample,
                   1);
    watch->on_kill(watch->data, &kill);
}

static void on_settled(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (c->settling && c->settled_ns <= now_ns)
            settle(watch, c);
    }
    arm_settling(watch);
}

/* --- what wakes --- */

static void on_woken(uv_poll_t *poll, int status, int events);

static void read_inotify(struct nj_oom_watch *watch)
{
    _Alignas(struct inotify_event) char bytes[INOTIFY_BYTES];
    ssize_t len = read(watch->inotify, bytes, sizeof(bytes));
    for (ssize_t at = 0; len - at >= (ssize_t)sizeof(struct inotify_event);) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
        at += (ssize_t)(sizeof(*event) + event->len);
        if ((event->mask & IN_Q_OVERFLOW) != 0) {
            watch->look_again = true; /* the next poll looks at all */
            continue;
        }
        struct nj_oom_container *container = NULL;
        HASH_FIND(watch_hh, watch->watched, &event->wd, sizeof(event->wd), container);
        if (container == NULL)
            continue;
        if ((event->mask & IN_IGNORED) != 0) { /* its cgroup has gone */
            HASH_DELETE(watch_hh, watch->watched, container);
            container->watch = -1;
            nj_gauge_add(watch->metrics.woken, -1);
            nj_gauge_add(watch->metrics.polled, 1);
            continue;
        }
        look(watch, container);
    }
}

static void read_eventfd(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    uint64_t count;
    (void)!read(container->eventfd, &count, sizeof(count));
    container->hot_until_ns = nj_loop_mono_ns(watch->loop) + hot_ns;
    look(watch, container);
}

static void rest(struct nj_oom_watch *watch)
{
    (void)uv_poll_stop(&watch->poll);
    nj_timer_start(&watch->resting, rest_ns, 0);
}

static void on_woken(uv_poll_t *poll, int status, int events)
{
    struct nj_oom_watch *watch = poll->data;
    struct epoll_event woken[WOKEN_MAX];
    (void)status;
    (void)events;
    int count = epoll_wait(watch->epoll, woken, WOKEN_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (woken[i].data.ptr == NULL)
            read_inotify(watch);
        else
            read_eventfd(watch, woken[i].data.ptr);
    }
    rest(watch);
}

/* The rest is over. What was announced meanwhile is looked at, and after that until it has come. */
static void on_rested(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    bool hot = false;
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (c->hot_until_ns <= now_ns || c->settling)
            continue;
        hot = true;
        look(watch, c);
    }
    (void)uv_poll_start(&watch->poll, UV_READABLE, on_woken);
    if (hot)
        nj_timer_start(&watch->resting, rest_ns, 0);
}

/* --- polling --- */

static uint64_t percent(uint64_t usage, uint64_t limit)
{
    return limit / 100 == 0 ? 100 : usage / (limit / 100);
}

static void poll_usage(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    if (container->limit == NJ_UNKNOWN || container->polls-- > 0)
        return;
    uint64_t usage = nj_oom_container_usage(container);
    container->polls = 0;
    if (usage == NJ_UNKNOWN)
        return;
    note_usage(container, usage);
    if (percent(usage, container->limit) >= NEAR_PERCENT) {
        sample(watch, container);
        return;
    }
    container->sample_pause_ns = sample_pause_min_ns;
    if (percent(usage, container->limit) < FAR_PERCENT)
        container->polls = FAR_POLLS - 1;
}

/* One counter of the node says whether there is anything to look at. */
static bool node_has_kills(struct nj_oom_watch *watch)
{
    uint64_t kills = nj_oom_node_kills(watch->vmstat);
    bool risen = kills == NJ_UNKNOWN || kills != watch->node_kills;
    bool wanted = risen || watch->look_again;
    watch->node_kills = kills;
    watch->look_again = risen;
    return wanted;
}

static void on_poll(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    bool wanted = node_has_kills(watch);
    nj_counter_add(watch->metrics.unread, nj_oom_log_read(&watch->log, nj_loop_mono_ns(watch->loop)));
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (wanted)
            look(watch, c);
        poll_usage(watch, c);
    }
}

/* --- containers --- */

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
    container->sample_pause_ns = sample_pause_min_ns;
    HASH_ADD_KEYPTR(hh, watch->containers, container->id, strlen(container->id), container);
    listen_to(watch, container);
    look(watch, container);
    return true;
}

/* One in each turn of the loop: opening its files takes a fraction of a millisecond. */
static void on_opening(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    struct nj_oom_container *container = watch->waiting;
    if (container == NULL)
        return;
    HASH_DELETE(hh, watch->waiting, container);
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
        HASH_DELETE(hh, watch->waiting, waiting);
        container_free(waiting);
        return;
    }
    struct nj_oom_container *container = find(watch->containers, container_id);
    if (container == NULL)
        return;
    HASH_DELETE(hh, watch->containers, container);
    if (container->watch >= 0)
        HASH_DELETE(watch_hh, watch->watched, container);
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
    nj_timer_init(&watch->polling, options->loop, on_poll, watch);
    nj_timer_init(&watch->resting, options->loop, on_rested, watch);
    nj_timer_init(&watch->settling, options->loop, on_settled, watch);
    if (options->metrics != NULL)
        add_metrics(watch, options->metrics);
    (void)uv_poll_start(&watch->poll, UV_READABLE, on_woken);
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
