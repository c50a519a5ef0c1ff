/*
 * One thread for work that blocks (SQLite, compression, log files), with a bounded queue, first in first out.
 *
 * A job is embedded in its owner's struct: run() is called on the worker, then done() on the loop, in the
 * order of submission. The owner keeps it alive until done() and may free or submit it again from there.
 * nj_worker_close() runs every queued job to its end; their done() callbacks are called before the close
 * callback. The functions are for the loop's thread. A worker without jobs does not keep the loop running.
 */
#ifndef NJ_LOOP_WORKER_H
#define NJ_LOOP_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/loop/loop.h"

struct nj_worker;

struct nj_job {
    void (*run)(struct nj_job *job);
    void (*done)(struct nj_job *job); /* may be NULL */
    void *data;
    struct nj_job *next; /* private */
};

/* `name` becomes the thread's name (at most 15 bytes). `max_queued` (at least 1) bounds the jobs that wait;
 * the one that runs does not count. NULL when no thread can be had. */
struct nj_worker *nj_worker_new(struct nj_loop *loop, const char *name, size_t max_queued);

/* 0, or -EAGAIN when the queue is full: the caller keeps its job and tells its own source to slow down, or
 * counts. -ESHUTDOWN after nj_worker_close(). */
int nj_worker_submit(struct nj_worker *worker, struct nj_job *job);

/* How many jobs wait. */
size_t nj_worker_queued(const struct nj_worker *worker);

/* Ends the thread after the last job, frees the worker, then calls on_closed (may be NULL) from the loop.
 * Takes NULL: on_closed is then called at once. */
void nj_worker_close(struct nj_worker *worker, void (*on_closed)(void *data), void *data);

#endif
