#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "common/loop/worker.h"
#include "tests/unit/loop/support.h"

enum { JOBS = 1000, QUEUE = 3 };

struct shared {
    int ran[JOBS], ran_count; /* the worker's until a job's done() */
    int done[JOBS], done_count;
    sem_t gate; /* jobs wait for it when `gated` */
    sem_t at_gate;
    pthread_t loop_thread;
    struct nj_worker *worker;
    bool closed;
};

struct numbered {
    struct nj_job job;
    struct shared *shared;
    int number;
    bool gated;
    int resubmits;
};

static void run(struct nj_job *job)
{
    struct numbered *numbered = job->data;
    struct shared *shared = numbered->shared;
    assert_false(pthread_equal(pthread_self(), shared->loop_thread));
    if (numbered->gated) {
        assert_int_equal(sem_post(&shared->at_gate), 0);
        assert_int_equal(sem_wait(&shared->gate), 0);
    }
    shared->ran[shared->ran_count++ % JOBS] = numbered->number;
}

static void done(struct nj_job *job)
{
    struct numbered *numbered = job->data;
    struct shared *shared = numbered->shared;
    assert_true(pthread_equal(pthread_self(), shared->loop_thread));
    shared->done[shared->done_count++ % JOBS] = numbered->number;
    if (numbered->resubmits > 0) {
        numbered->resubmits--;
        assert_int_equal(nj_worker_submit(shared->worker, &numbered->job), 0);
    }
}

static void shared_init(struct shared *shared, struct test_loop *test, size_t max_queued)
{
    memset(shared, 0, sizeof(*shared));
    shared->loop_thread = pthread_self();
    assert_int_equal(sem_init(&shared->gate, 0, 0), 0);
    assert_int_equal(sem_init(&shared->at_gate, 0, 0), 0);
    shared->worker = nj_worker_new(&test->loop, "a-long-name-for-a-thread", max_queued);
    assert_non_null(shared->worker);
}

static struct numbered numbered_job(struct shared *shared, int number, bool gated)
{
    return (struct numbered){
        .job = {.run = run, .done = done}, .shared = shared, .number = number, .gated = gated};
}

static void close_worker(struct test_loop *test, struct shared *shared)
{
    nj_worker_close(shared->worker, test_set_flag, &shared->closed);
    test_run_until(test, &shared->closed);
    assert_int_equal(sem_destroy(&shared->gate), 0);
    assert_int_equal(sem_destroy(&shared->at_gate), 0);
}

static void jobs_run_and_are_done_in_the_order_of_submission(void **state)
{
    struct test_loop *test = *state;
    static struct shared shared;
    static struct numbered jobs[JOBS];
    shared_init(&shared, test, JOBS);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = numbered_job(&shared, i, false);
        jobs[i].job.data = &jobs[i];
        assert_int_equal(nj_worker_submit(shared.worker, &jobs[i].job), 0);
    }
    nj_loop_run(&test->loop); /* ends by itself: an idle worker is nothing to wait for */
    assert_int_equal(shared.done_count, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(shared.ran[i], i);
        assert_int_equal(shared.done[i], i);
    }
    close_worker(test, &shared);
}

static void a_full_queue_refuses_and_takes_again_later(void **state)
{
    struct test_loop *test = *state;
    static struct shared shared;
    struct numbered jobs[QUEUE + 2];
    shared_init(&shared, test, QUEUE);
    jobs[0] = numbered_job(&shared, 0, true);
    jobs[0].job.data = &jobs[0];
    assert_int_equal(nj_worker_submit(shared.worker, &jobs[0].job), 0);
    assert_int_equal(sem_wait(&shared.at_gate), 0); /* it runs, so it waits no longer */
    for (int i = 1; i < QUEUE + 2; i++) {
        jobs[i] = numbered_job(&shared, i, false);
        jobs[i].job.data = &jobs[i];
        assert_int_equal(nj_worker_submit(shared.worker, &jobs[i].job), i <= QUEUE ? 0 : -EAGAIN);
    }
    assert_int_equal(nj_worker_queued(shared.worker), QUEUE);
    assert_int_equal(sem_post(&shared.gate), 0);
    test_run_until_count(test, &shared.done_count, QUEUE + 1);
    assert_int_equal(nj_worker_queued(shared.worker), 0);
    assert_int_equal(nj_worker_submit(shared.worker, &jobs[QUEUE + 1].job), 0);
    test_run_until_count(test, &shared.done_count, QUEUE + 2);
    assert_int_equal(shared.done[QUEUE + 1], QUEUE + 1);
    close_worker(test, &shared);
}

static void a_job_may_be_submitted_again_from_its_done(void **state)
{
    struct test_loop *test = *state;
    static struct shared shared;
    shared_init(&shared, test, 1);
    struct numbered job = numbered_job(&shared, 7, false);
    job.job.data = &job;
    job.resubmits = 100;
    assert_int_equal(nj_worker_submit(shared.worker, &job.job), 0);
    nj_loop_run(&test->loop);
    assert_int_equal(shared.done_count, 101);
    close_worker(test, &shared);
}

static void closing_runs_what_is_queued_and_refuses_more(void **state)
{
    struct test_loop *test = *state;
    static struct shared shared;
    struct numbered jobs[QUEUE + 1];
    shared_init(&shared, test, QUEUE);
    for (int i = 0; i <= QUEUE; i++) {
        jobs[i] = numbered_job(&shared, i, i == 0);
        jobs[i].job.data = &jobs[i];
        jobs[i].job.done = i == 1 ? NULL : done;
        assert_int_equal(nj_worker_submit(shared.worker, &jobs[i].job), 0);
        if (i == 0)
            assert_int_equal(sem_wait(&shared.at_gate), 0);
    }
    nj_worker_close(shared.worker, test_set_flag, &shared.closed);
    assert_int_equal(nj_worker_submit(shared.worker, &jobs[0].job), -ESHUTDOWN);
    assert_false(shared.closed);
    assert_int_equal(sem_post(&shared.gate), 0);
    test_run_until(test, &shared.closed);
    assert_int_equal(shared.ran_count, QUEUE + 1);
    assert_int_equal(shared.done_count, QUEUE);
    assert_int_equal(sem_destroy(&shared.gate), 0);
    assert_int_equal(sem_destroy(&shared.at_gate), 0);
}

static void workers_that_come_and_go_leave_nothing(void **state)
{
    struct test_loop *test = *state;
    for (int i = 0; i < 50; i++) {
        bool closed = false;
        struct nj_worker *worker = nj_worker_new(&test->loop, "short", 1);
        assert_non_null(worker);
        nj_worker_close(worker, test_set_flag, &closed);
        test_run_until(test, &closed);
    }
    bool closed = false;
    nj_worker_close(NULL, test_set_flag, &closed);
    assert_true(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(jobs_run_and_are_done_in_the_order_of_submission),
        test_loop_case(a_full_queue_refuses_and_takes_again_later),
        test_loop_case(a_job_may_be_submitted_again_from_its_done),
        test_loop_case(closing_runs_what_is_queued_and_refuses_more),
        test_loop_case(workers_that_come_and_go_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
