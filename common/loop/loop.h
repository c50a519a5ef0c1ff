/*
 * The one event loop of a process, and timers that follow the product's clock.
 *
 * A `struct nj_timer` fires by the nj_clock given to the loop: in a replay that clock runs faster than real
 * time. Timeouts of sockets are not such timers: they use libuv's own. All functions are for the loop's
 * thread.
 */
#ifndef NJ_LOOP_LOOP_H
#define NJ_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/metrics.h"

struct nj_loop {
    uv_loop_t uv;
    const struct nj_clock *clock;
    struct nj_timer *timers; /* armed ones, soonest first; equal ones in the order of their arming */
    uv_timer_t wake;
    uint64_t armings; /* how often a timer was armed */
    bool firing;
    uv_prepare_t turn; /* begins before it waits; active while `stalls` is there */
    struct nj_histogram *stalls;
    uint64_t turned_ns, idle_ns; /* at the last turn */
};

/* `clock` is borrowed until nj_loop_close(). 0 or a negative errno. */
int nj_loop_init(struct nj_loop *loop, const struct nj_clock *clock);

/* Runs until nothing is left to do or nj_loop_stop(). An armed timer is something to do; idle connections, an
 * idle worker and the like are not. */
void nj_loop_run(struct nj_loop *loop);
void nj_loop_stop(struct nj_loop *loop);

/* Closes the loop's own handles and runs it until every close callback is done, for at most 10 s. Returns
 * -EBUSY when a module left a handle open (a bug: asserted in tests). No timer may be armed any more. */
int nj_loop_close(struct nj_loop *loop);

/* Observes in nightjar_loop_stall_seconds, from the next turn on, for how long each turn of the loop was
 * busy: nothing else can happen meanwhile. NULL ends that, which must come before the metrics are freed. */
void nj_loop_measure(struct nj_loop *loop, struct nj_metrics *metrics);

int64_t nj_loop_wall_ns(const struct nj_loop *loop);
int64_t nj_loop_mono_ns(const struct nj_loop *loop);

struct nj_timer {
    void (*fire)(struct nj_timer *timer);
    void *data;
    /* private: */
    struct nj_loop *loop;
    struct nj_timer *next;
    int64_t due_ns; /* monotonic */
    int64_t every_ns;
    uint64_t arming;
    bool armed;
};

void nj_timer_init(struct nj_timer *timer, struct nj_loop *loop, void (*fire)(struct nj_timer *timer),
                   void *data);

/* Fires once after delay_ns (>= 0), then every every_ns if that is not 0; periods that were missed are
 * skipped. Arming an armed timer moves it. Never fires from inside this call: a timer armed with 0 by its own
 * callback lets the loop's other work go first. */
void nj_timer_start(struct nj_timer *timer, int64_t delay_ns, int64_t every_ns);

/* May be called on one that is not armed, also from its own callback or another timer's: it does not fire
 * then. */
void nj_timer_stop(struct nj_timer *timer);

#endif
