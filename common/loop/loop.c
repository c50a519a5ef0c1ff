#include "common/loop/loop.h"

#include <assert.h>
#include <stddef.h>

enum {
    REPLAY_POLL_MS = 1, /* a replay's clock jumps: nobody tells when */
    WAKE_MAX_MS = 60 * 60 * 1000,
    CLOSE_WAIT_MS = 10 * 1000,
};

/* 20 ms is what no duty may take. */
static const double stall_bounds[] = {0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5};

static void on_wake(uv_timer_t *wake);

int nj_loop_init(struct nj_loop *loop, const struct nj_clock *clock)
{
    *loop = (struct nj_loop){.clock = clock};
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0)
        return rc;
    rc = uv_timer_init(&loop->uv, &loop->wake);
    if (rc < 0) {
        (void)uv_loop_close(&loop->uv);
        return rc;
    }
    loop->wake.data = loop;
    (void)uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    (void)uv_prepare_init(&loop->uv, &loop->turn);
    uv_unref((uv_handle_t *)&loop->turn);
    loop->turn.data = loop;
    return 0;
}

/* From one turn to the next, without the time that was spent waiting. Callbacks of I/O are made within
 * libuv's poll phase, so the waiting cannot be told by what is called before and after that. */
static void on_turn(uv_prepare_t *turn)
{
    struct nj_loop *loop = turn->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t idle_ns = uv_metrics_idle_time(&loop->uv);
    uint64_t took_ns = now_ns - loop->turned_ns;
    uint64_t waited_ns = idle_ns - loop->idle_ns;
    if (loop->turned_ns != 0)
        nj_histogram_observe(loop->stalls,
                             took_ns > waited_ns ? (double)(took_ns - waited_ns) / (double)NJ_SEC : 0);
    loop->turned_ns = now_ns;
    loop->idle_ns = idle_ns;
}

void nj_loop_measure(struct nj_loop *loop, struct nj_metrics *metrics)
{
    loop->stalls = NULL;
    loop->turned_ns = 0;
    (void)uv_prepare_stop(&loop->turn);
    if (metrics == NULL)
        return;
    loop->stalls = nj_metrics_histogram(metrics, "nightjar_loop_stall_seconds", "",
                                        "For how long one turn of the event loop was busy.", stall_bounds,
                                        sizeof(stall_bounds) / sizeof(stall_bounds[0]));
    (void)uv_prepare_start(&loop->turn, on_turn);
}

void nj_loop_run(struct nj_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void nj_loop_stop(struct nj_loop *loop)
{
    uv_stop(&loop->uv);
}

static void on_close_wait(uv_timer_t *wake)
{
    bool *expired = wake->data;
    *expired = true;
}

int nj_loop_close(struct nj_loop *loop)
{
    assert(loop->timers == NULL);
    /* Modules whose close is under way (a worker with its last job, a socket being closed) may take a moment.
     */
    bool expired = false;
    loop->wake.data = &expired;
    (void)uv_timer_start(&loop->wake, on_close_wait, CLOSE_WAIT_MS, 0);
    uv_unref((uv_handle_t *)&loop->wake);
    while (!expired && uv_loop_alive(&loop->uv) != 0)
        (void)uv_run(&loop->uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->turn, NULL);
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    return uv_loop_close(&loop->uv);
}

int64_t nj_loop_wall_ns(const struct nj_loop *loop)
{
    return nj_clock_wall_ns(loop->clock);
}

int64_t nj_loop_mono_ns(const struct nj_loop *loop)
{
    return nj_clock_mono_ns(loop->clock);
}

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Sets libuv's timer for the soonest of ours; without any, libuv's timer must not keep the loop alive. libuv
 * runs a timer that is armed with 0 from a timer's callback before anything else, for ever: hence least_ms.
 */
static void arm_wake(struct nj_loop *loop, uint64_t least_ms)
{
    if (loop->timers == NULL) {
        (void)uv_timer_stop(&loop->wake);
        return;
    }
    uint64_t delay_ms = REPLAY_POLL_MS;
    if (loop->clock->replay == NULL) {
        int64_t wait_ns = loop->timers->due_ns - nj_loop_mono_ns(loop);
        delay_ms = wait_ns <= 0 ? 0 : ((uint64_t)wait_ns - 1) / (uint64_t)NJ_MS + 1;
        if (delay_ms > WAKE_MAX_MS)
            delay_ms = WAKE_MAX_MS;
        if (delay_ms < least_ms)
            delay_ms = least_ms;
        uv_update_time(&loop->uv);
    } else if (uv_is_active((uv_handle_t *)&loop->wake)) {
        return;
    }
    (void)uv_timer_start(&loop->wake, on_wake, delay_ms, 0);
}

static void insert(struct nj_loop *loop, struct nj_timer *timer)
{
    struct nj_timer **at = &loop->timers;
    while (*at != NULL && (*at)->due_ns <= timer->due_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    timer->arming = loop->armings++;
    timer->armed = true;
}

static void take_out(struct nj_timer *timer)
{
    struct nj_timer **at = &timer->loop->timers;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    timer->next = NULL;
    timer->armed = false;
}

/* The first that is due and was armed before this round: one that its callback arms anew waits for the next
 * round, otherwise a delay of 0 would starve the loop. */
static struct nj_timer *first_due(const struct nj_loop *loop, int64_t now_ns, uint64_t armings)
{
    for (struct nj_timer *timer = loop->timers; timer != NULL && timer->due_ns <= now_ns;
         timer = timer->next) {
        if (timer->arming < armings)
            return timer;
    }
    return NULL;
}

static void on_wake(uv_timer_t *wake)
{
    struct nj_loop *loop = wake->data;
    int64_t now_ns = nj_loop_mono_ns(loop);
    uint64_t armings = loop->armings;
    struct nj_timer *timer = NULL;
    loop->firing = true;
    while ((timer = first_due(loop, now_ns, armings)) != NULL) {
        take_out(timer);
        if (timer->every_ns > 0) {
            timer->due_ns = saturating_add(timer->due_ns, timer->every_ns);
            if (timer->due_ns <= now_ns)
                timer->due_ns = saturating_add(now_ns, timer->every_ns);
            insert(loop, timer);
        }
        timer->fire(timer); /* may free the timer */
    }
    loop->firing = false;
    arm_wake(loop, 1);
}

void nj_timer_init(struct nj_timer *timer, struct nj_loop *loop, void (*fire)(struct nj_timer *timer),
                   void *data)
{
    *timer = (struct nj_timer){.fire = fire, .data = data, .loop = loop};
}

void nj_timer_start(struct nj_timer *timer, int64_t delay_ns, int64_t every_ns)
{
    assert(delay_ns >= 0 && every_ns >= 0);
    if (timer->armed)
        take_out(timer);
    timer->due_ns = saturating_add(nj_loop_mono_ns(timer->loop), delay_ns);
    timer->every_ns = every_ns;
    insert(timer->loop, timer);
    if (!timer->loop->firing)
        arm_wake(timer->loop, 0);
}

void nj_timer_stop(struct nj_timer *timer)
{
    if (!timer->armed)
        return;
    take_out(timer);
    if (!timer->loop->firing)
        arm_wake(timer->loop, 0);
}
