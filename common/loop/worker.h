/*
 * One thread for work that blocks (SQLite, compression, log files), with a bounded queue, first in first out.
 *
 * A job is embedded in its owner's struct: run() is called on the worker, then done() on the loop. The owner keeps it
 * alive until done(). nj_worker_close() runs every queued job to its end; their done() callbacks are called before the
 * close callback.
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

/* `name` becomes the thread's name (at most 15 bytes). `max_queued` bounds the jobs that wait. */
struct nj_worker *nj_worker_new(struct nj_loop *loop, const char *name, size_t max_queued);

/* 0, or -EAGAIN when the queue is full: the caller keeps its job and tells its own source to slow down, or counts. */
int nj_worker_submit(struct nj_worker *worker, struct nj_job *job);

size_t nj_worker_queued(const struct nj_worker *worker);

/* Ends the thread after the last job, frees the worker, then calls on_closed (may be NULL). Takes NULL. */
void nj_worker_close(struct nj_worker *worker, void (*on_closed)(void *data), void *data);

#endif
