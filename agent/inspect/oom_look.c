#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/inspect/oom_internal.h"

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
    if (container->sample_pause_ns < sample_pause_min_ns)
        container->sample_pause_ns = sample_pause_min_ns;
    container->sample_due_ns = now_ns + container->sample_pause_ns;
    container->sample_pause_ns *= 2;
    if (container->sample_pause_ns > sample_pause_max_ns)
        container->sample_pause_ns = sample_pause_max_ns;
}

/* Whether its counter of kills has risen. A kill begins a burst, which is told when it has settled. */
void nj_oom_look(struct nj_oom_watch *watch, struct nj_oom_container *container)
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
    container->sample_pause_ns = 0;
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

void nj_oom_on_settled(struct nj_timer *timer)
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
            NJ_TABLE_REMOVE_BY(watch_hh, watch->watched, container);
            container->watch = -1;
            nj_gauge_add(watch->metrics.woken, -1);
            nj_gauge_add(watch->metrics.polled, 1);
            continue;
        }
        nj_oom_look(watch, container);
    }
}

static void read_eventfd(struct nj_oom_watch *watch, struct nj_oom_container *container)
{
    uint64_t count;
    (void)!read(container->eventfd, &count, sizeof(count));
    container->hot_until_ns = nj_loop_mono_ns(watch->loop) + hot_ns;
    nj_oom_look(watch, container);
}

static void rest(struct nj_oom_watch *watch)
{
    (void)uv_poll_stop(&watch->poll);
    nj_timer_start(&watch->resting, rest_ns, 0);
}

void nj_oom_on_woken(uv_poll_t *poll, int status, int events)
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
void nj_oom_on_rested(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    int64_t now_ns = nj_loop_mono_ns(watch->loop);
    bool hot = false;
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (c->hot_until_ns <= now_ns || c->settling)
            continue;
        hot = true;
        nj_oom_look(watch, c);
    }
    (void)uv_poll_start(&watch->poll, UV_READABLE, nj_oom_on_woken);
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
    container->sample_pause_ns = 0;
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

void nj_oom_on_poll(struct nj_timer *timer)
{
    struct nj_oom_watch *watch = timer->data;
    bool wanted = node_has_kills(watch);
    nj_counter_add(watch->metrics.unread, nj_oom_log_read(&watch->log, nj_loop_mono_ns(watch->loop)));
    for (struct nj_oom_container *c = watch->containers; c != NULL; c = c->hh.next) {
        if (wanted)
            nj_oom_look(watch, c);
        poll_usage(watch, c);
    }
}
