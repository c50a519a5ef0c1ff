#include "common/loop/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/alloc.h"

enum { THREAD_NAME_MAX = 15 };

struct job_list {
    struct nj_job *first, **end;
};

struct nj_worker {
    struct nj_loop *loop;
    pthread_t thread;
    uv_async_t wake; /* to the loop: jobs are done, or the thread has ended */
    size_t max_queued;
    size_t under_way; /* submitted and not done(); the loop's */
    void (*on_closed)(void *data);
    void *on_closed_data;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    struct job_list queue;
    struct job_list finished;
    size_t queued;
    bool closing;
    bool ended;
};

static void list_clear(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct job_list *list, struct nj_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct nj_job *list_take_first(struct job_list *list)
{
    struct nj_job *job = list->first;
    list->first = job->next;
    if (list->first == NULL)
        list_clear(list);
    return job;
}

static void lock(struct nj_worker *worker)
{
    int rc = pthread_mutex_lock(&worker->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct nj_worker *worker)
{
    int rc = pthread_mutex_unlock(&worker->lock);
    assert(rc == 0);
    (void)rc;
}

static void *work(void *data)
{
    struct nj_worker *worker = data;
    lock(worker);
    for (;;) {
        while (worker->queue.first == NULL && !worker->closing)
            (void)pthread_cond_wait(&worker->more, &worker->lock);
        if (worker->queue.first == NULL)
            break;
        struct nj_job *job = list_take_first(&worker->queue);
        worker->queued--;
        unlock(worker);
        job->run(job);
        lock(worker);
        list_append(&worker->finished, job);
        (void)uv_async_send(&worker->wake);
    }
    worker->ended = true;
    (void)uv_async_send(&worker->wake);
    unlock(worker);
    return NULL;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct nj_worker *worker = handle->data;
    void (*on_closed)(void *data) = worker->on_closed;
    void *data = worker->on_closed_data;
    (void)pthread_cond_destroy(&worker->more);
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
    if (on_closed != NULL)
        on_closed(data);
}

/* The handle keeps the loop running only while somebody waits for this worker. */
static void hold_loop(struct nj_worker *worker, bool hold)
{
    if (hold)
        uv_ref((uv_handle_t *)&worker->wake);
    else
        uv_unref((uv_handle_t *)&worker->wake);
}

static void on_wake(uv_async_t *wake)
{
    struct nj_worker *worker = wake->data;
    lock(worker);
    struct nj_job *job = worker->finished.first;
    list_clear(&worker->finished);
    bool ended = worker->ended;
    unlock(worker);
    while (job != NULL) {
        struct nj_job *next = job->next;
        worker->under_way--;
        if (job->done != NULL)
            job->done(job);
        job = next;
    }
    if (ended) {
        (void)pthread_join(worker->thread, NULL);
        uv_close((uv_handle_t *)&worker->wake, on_handle_closed);
    } else {
        lock(worker);
        bool closing = worker->closing;
        unlock(worker);
        hold_loop(worker, worker->under_way > 0 || closing);
    }
}

/* Signals are the loop's thread's business. */
static int start_thread(struct nj_worker *worker, const char *name)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&worker->thread, NULL, work, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return -rc;
    NJ_CLEANUP_FREE char *short_name = nj_strndup(name, THREAD_NAME_MAX);
    (void)pthread_setname_np(worker->thread, short_name);
    return 0;
}

struct nj_worker *nj_worker_new(struct nj_loop *loop, const char *name, size_t max_queued)
{
    assert(max_queued > 0);
    struct nj_worker *worker = NJ_NEW(struct nj_worker);
    worker->loop = loop;
    worker->max_queued = max_queued;
    list_clear(&worker->queue);
    list_clear(&worker->finished);
    if (uv_async_init(&loop->uv, &worker->wake, on_wake) < 0) {
        free(worker);
        return NULL;
    }
    worker->wake.data = worker;
    hold_loop(worker, false);
    (void)pthread_mutex_init(&worker->lock, NULL);
    (void)pthread_cond_init(&worker->more, NULL);
    if (start_thread(worker, name) < 0) {
        uv_close((uv_handle_t *)&worker->wake, on_handle_closed);
        return NULL;
    }
    return worker;
}

int nj_worker_submit(struct nj_worker *worker, struct nj_job *job)
{
    int rc = 0;
    lock(worker);
    if (worker->closing)
        rc = -ESHUTDOWN;
    else if (worker->queued >= worker->max_queued)
        rc = -EAGAIN;
    if (rc == 0) {
        list_append(&worker->queue, job);
        worker->queued++;
        (void)pthread_cond_signal(&worker->more);
    }
    unlock(worker);
    if (rc == 0) {
        worker->under_way++;
        hold_loop(worker, true);
    }
    return rc;
}

size_t nj_worker_queued(const struct nj_worker *worker)
{
    struct nj_worker *locked = (struct nj_worker *)worker;
    lock(locked);
    size_t queued = locked->queued;
    unlock(locked);
    return queued;
}

void nj_worker_close(struct nj_worker *worker, void (*on_closed)(void *data), void *data)
{
    if (worker == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    worker->on_closed = on_closed;
    worker->on_closed_data = data;
    hold_loop(worker, true);
    lock(worker);
    worker->closing = true;
    (void)pthread_cond_signal(&worker->more);
    unlock(worker);
}
