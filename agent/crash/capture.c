#include "agent/crash/capture.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "agent/crash/capture_internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

enum {
    WORKER_FULL_PAUSE_MS = 20,
    ARENA_MAX = 64 << 20, /* decoded events of a batch; one is at most 2 MiB */
};

static const int64_t retry_min_ns = NJ_SEC;
static const int64_t retry_max_ns = NJ_MIN;

static void pump(struct nj_capture *capture);
static void advance(struct nj_capture_job *job);

/* A file was closed: the next one that waits for its turn. */
static void open_next_file(struct nj_capture *capture)
{
    struct nj_capture_job *job = NULL;
    DL_FOREACH (capture->jobs, job) {
        if (capture->files >= capture->max_files)
            return;
        if (job->log_wanted && !job->holds_file && job->fetches == 0 &&
            (job->stage == NJ_CAPTURE_QUEUED || job->stage == NJ_CAPTURE_OWNER))
            nj_capture_job_open(job);
    }
}

/* Out of its pod's queue; returns the one that is first now, if this one was. */
static struct nj_capture_job *leave_pod(struct nj_capture_job *job)
{
    struct nj_capture_pod *pod = job->pod;
    struct nj_capture_job **at = &pod->first;
    while (*at != job)
        at = &(*at)->next_of_pod;
    struct nj_capture_job *next = at == &pod->first ? job->next_of_pod : NULL;
    *at = job->next_of_pod;
    if (*at == NULL)
        pod->end = at;
    if (pod->first == NULL) {
        NJ_TABLE_REMOVE(job->capture->pods, pod);
        free(pod);
    }
    return next;
}

/* Out of the queue, whatever became of it. Those that waited for it have their turn. */
static void leave(struct nj_capture_job *job)
{
    struct nj_capture *capture = job->capture;
    DL_DELETE(capture->jobs, job);
    capture->queued--;
    nj_gauge_set(capture->metrics.waiting, (int64_t)capture->queued);
    struct nj_capture_job *next = job->pod != NULL ? leave_pod(job) : NULL;
    bool held_file = job->holds_file;
    nj_capture_job_free(job);
    if (capture->expired)
        return;
    if (held_file)
        open_next_file(capture);
    if (next != NULL)
        advance(next);
    if (capture->jobs != NULL && capture->jobs->after_all && capture->jobs->stage == NJ_CAPTURE_QUEUED)
        advance(capture->jobs);
}

static void make_ready(struct nj_capture_job *job)
{
    struct nj_capture *capture = job->capture;
    job->stage = NJ_CAPTURE_READY;
    job->next_ready = NULL;
    *capture->ready_end = job;
    capture->ready_end = &job->next_ready;
    pump(capture);
}

static void set_workload(struct nj_capture_job *job, const char *kind, const char *name)
{
    job->workload_kind = nj_strdup(kind);
    job->workload = nj_strdup(name);
    job->capture->on_workload(job->capture->data, job->pod->uid, kind, name);
}

static void on_owner(struct nj_owner_request *request, const char *kind, const char *name)
{
    struct nj_capture_job *job = request->data;
    set_workload(job, kind, name);
    make_ready(job);
}

/* Its turn has come. */
static void advance(struct nj_capture_job *job)
{
    if (job->event.len == 0 || job->has_workload) {
        make_ready(job);
        return;
    }
    struct nj_owner_query query = {.namespace = job->namespace,
                                   .pod = job->pod_name,
                                   .api_version = job->owner[0],
                                   .kind = job->owner[1],
                                   .name = job->owner[2],
                                   .uid = job->owner[3],
                                   .template_hash = job->owner[4]};
    const char *kind = NULL;
    const char *name = NULL;
    job->stage = NJ_CAPTURE_OWNER;
    job->owner_request = (struct nj_owner_request){.done = on_owner, .data = job};
    if (nj_owners_resolve(job->capture->owners, &query, &job->owner_request, &kind, &name)) {
        set_workload(job, kind, name);
        make_ready(job);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct nj_capture *capture = handle->data;
    if (--capture->timers_open > 0)
        return;
    void (*on_closed)(void *data) = capture->on_closed;
    void *data = capture->on_closed_data;
    nj_arena_done(&capture->batch.arena);
    nj_shared_redactor_unref(capture->redactor);
    free(capture->log_dir);
    free(capture);
    if (on_closed != NULL)
        on_closed(data);
}

void nj_capture_finish_closing(struct nj_capture *capture)
{
    if (!capture->closing || capture->closed || capture->jobs != NULL || capture->batch.busy ||
        capture->holds_opening > 0)
        return;
    capture->closed = true;
    nj_timer_stop(&capture->retry);
    uv_close((uv_handle_t *)&capture->pause, on_timer_closed);
    uv_close((uv_handle_t *)&capture->drain, on_timer_closed);
}

/* Gives up what is not under way; what is ends soon. */
static void expire(struct nj_capture *capture)
{
    capture->expired = true;
    capture->ready = NULL;
    capture->ready_end = &capture->ready;
    struct nj_capture_job *job = NULL;
    struct nj_capture_job *next = NULL;
    DL_FOREACH_SAFE (capture->jobs, job, next) {
        if (job->stage == NJ_CAPTURE_FETCH)
            nj_http_cancel(job->request);
        else if (job->stage != NJ_CAPTURE_WORK)
            leave(job);
    }
}

static void on_pause(uv_timer_t *timer)
{
    struct nj_capture *capture = timer->data;
    capture->pausing = false;
    pump(capture);
}

static void on_worked(struct nj_job *work);

/* Hands the next findings to the worker. While storing fails, one of them tries; the others wait. */
static void pump(struct nj_capture *capture)
{
    struct nj_capture_batch *batch = &capture->batch;
    bool failing = capture->retry_ns != 0 && !capture->probing;
    if (batch->busy || capture->holding || capture->pausing || capture->ready == NULL || failing ||
        capture->broken)
        return;
    int most = capture->probing ? 1 : NJ_CAPTURE_BATCH;
    batch->count = 0;
    for (struct nj_capture_job *job = capture->ready; job != NULL && batch->count < most;
         job = job->next_ready)
        batch->jobs[batch->count++] = job;
    batch->work = (struct nj_job){.run = nj_capture_work, .done = on_worked, .data = capture};
    batch->err.text[0] = '\0';
    if (nj_worker_submit(capture->worker, &batch->work) < 0) {
        capture->pausing = true;
        (void)uv_timer_start(&capture->pause, on_pause, WORKER_FULL_PAUSE_MS, 0);
        return;
    }
    batch->busy = true;
    capture->probing = false;
    for (int i = 0; i < batch->count; i++) {
        capture->ready = batch->jobs[i]->next_ready;
        batch->jobs[i]->stage = NJ_CAPTURE_WORK;
    }
    if (capture->ready == NULL)
        capture->ready_end = &capture->ready;
}

static void put_back(struct nj_capture_job *job)
{
    struct nj_capture *capture = job->capture;
    job->stage = NJ_CAPTURE_RETRY;
    job->fetches = 0; /* what the API server said is not kept */
    nj_buf_done(&job->api_text);
    job->next_ready = capture->ready;
    if (capture->ready == NULL)
        capture->ready_end = &job->next_ready;
    capture->ready = job;
}

static void on_retry(struct nj_timer *timer)
{
    struct nj_capture *capture = timer->data;
    capture->probing = true;
    pump(capture);
}

static void note_failure(struct nj_capture *capture)
{
    if (capture->retry_ns == 0)
        nj_error("capture", "events cannot be stored: %s; they are kept and tried again",
                 capture->batch.err.text);
    capture->trouble = capture->batch.err;
    int64_t pause_ns = capture->retry_ns == 0 ? retry_min_ns : capture->retry_ns * 2;
    capture->retry_ns = pause_ns < retry_max_ns ? pause_ns : retry_max_ns;
    nj_timer_start(&capture->retry, capture->retry_ns, 0);
    nj_counter_add(capture->metrics.failed_appends, 1);
}

static void note_success(struct nj_capture *capture)
{
    if (capture->retry_ns != 0)
        nj_info("capture", "events can be stored again");
    capture->retry_ns = 0;
    nj_timer_stop(&capture->retry);
}

/* Stored, or never to be. */
static void finish(struct nj_capture_job *job)
{
    struct nj_capture *capture = job->capture;
    if (job->stored < 0) {
        nj_error("capture", "a finding about pod %s/%s cannot be stored at all: %s", nj_str(job->namespace),
                 nj_str(job->pod_name), strerror(-job->stored));
        nj_counter_add(capture->metrics.invalid, 1);
    } else if (job->event.len > 0) {
        nj_capture_count_log(job);
        nj_counter_add(capture->metrics.redacted, (uint64_t)job->redacted);
        nj_histogram_observe(capture->metrics.seconds,
                             (double)(uv_hrtime() - job->arrived_ns) / (double)NJ_SEC);
        if (job->log_outcome >= NJ_LOG_GONE) {
            capture->without_log[capture->without_log_at++] = job->id_hash;
            capture->without_log_at %= NJ_CAPTURE_LOGLESS;
        }
    }
    leave(job);
}

static void fetch(struct nj_capture_job *job)
{
    job->stage = NJ_CAPTURE_FETCH;
    if (job->capture->expired)
        leave(job);
    else if (nj_capture_fetch(job) < 0)
        make_ready(job);
}

void nj_capture_fetched(struct nj_capture_job *job)
{
    struct nj_capture *capture = job->capture;
    if (capture->expired)
        leave(job);
    else
        make_ready(job);
    nj_capture_finish_closing(capture);
}

/* The outbox takes such a one neither now nor later. */
static bool is_permanent(int stored)
{
    return stored == -EINVAL || stored == -EPROTO || stored == -EOVERFLOW;
}

static bool may_be_retried(const struct nj_capture_job *job)
{
    return !job->needs_fetch && job->stored < 0 && !is_permanent(job->stored);
}

/* Those that could not be stored go back, before the others make room for more. */
static void sort_out(struct nj_capture *capture, struct nj_capture_job **jobs, int count)
{
    bool failed = false;
    bool stored = false;
    for (int i = count - 1; i >= 0; i--) { /* backwards: put_back() puts in front */
        stored = stored || (!jobs[i]->needs_fetch && jobs[i]->stored == 0);
        capture->broken = capture->broken || jobs[i]->stored == -EUCLEAN;
        if (may_be_retried(jobs[i])) {
            failed = true;
            put_back(jobs[i]);
            jobs[i] = NULL;
        }
    }
    if (failed)
        note_failure(capture);
    else if (stored)
        note_success(capture);
    else if (capture->retry_ns != 0)
        capture->probing = true; /* it told nothing yet */
    if (stored)
        capture->on_stored(capture->data);
}

static void on_worked(struct nj_job *work)
{
    struct nj_capture *capture = work->data;
    struct nj_capture_job *jobs[NJ_CAPTURE_BATCH];
    int count = capture->batch.count;
    memcpy(jobs, capture->batch.jobs, sizeof(jobs));
    capture->batch.busy = false;
    capture->holding = true;
    bool was_broken = capture->broken;
    sort_out(capture, jobs, count);
    for (int i = 0; i < count; i++) {
        if (jobs[i] != NULL && jobs[i]->needs_fetch)
            fetch(jobs[i]);
        else if (jobs[i] != NULL)
            finish(jobs[i]);
    }
    capture->holding = false;
    if (capture->expired)
        expire(capture);
    if (capture->broken && !was_broken)
        capture->on_broken(capture->data, &capture->batch.err);
    pump(capture);
    nj_capture_finish_closing(capture);
}

/* --- findings --- */

static bool is_state(const struct nj_capture_job *job)
{
    return job->event.len == 0 || nj_outbox_class_of(job->type) != NJ_OUTBOX_FAILURE;
}

static void count_drop(struct nj_capture *capture, const struct nj_capture_job *job)
{
    nj_counter_add(is_state(job) ? capture->metrics.dropped_states : capture->metrics.dropped_facts, 1);
}

/* The queue is full: a fact takes the place of the oldest state that still waits. False: there is none for
 * it. */
static bool make_room(struct nj_capture *capture, const struct nj_capture_job *added)
{
    struct nj_capture_job *job = is_state(added) ? NULL : capture->jobs;
    while (job != NULL && (job->stage != NJ_CAPTURE_QUEUED || !is_state(job)))
        job = job->next;
    count_drop(capture, job != NULL ? job : added);
    if (job != NULL)
        leave(job);
    return job != NULL;
}

/* Behind the earlier ones of its pod. True: it is the first. */
static bool join_pod(struct nj_capture_job *job, const char *uid)
{
    struct nj_capture *capture = job->capture;
    struct nj_capture_pod *pod = NULL;
    size_t len = strlen(uid);
    HASH_FIND(hh, capture->pods, uid, len, pod);
    if (pod == NULL) {
        pod = nj_calloc(1, sizeof(*pod) + len + 1);
        memcpy(pod->uid, uid, len);
        pod->end = &pod->first;
        HASH_ADD_KEYPTR(hh, capture->pods, pod->uid, len, pod);
    }
    bool first = pod->first == NULL;
    job->pod = pod;
    *pod->end = job;
    pod->end = &job->next_of_pod;
    return first;
}

void nj_capture_finding(struct nj_capture *capture, const struct nj_finding *finding)
{
    assert(!capture->closing);
    nj_capture_count_finding(capture, finding);
    struct nj_capture_job *job = nj_capture_job_new(capture, finding);
    if (capture->queued >= capture->max_queue && !make_room(capture, job)) {
        nj_capture_job_free(job);
        return;
    }
    if (job->log_wanted && capture->files < capture->max_files)
        nj_capture_job_open(job);
    bool first = job->after_all ? capture->jobs == NULL : join_pod(job, finding->pod_uid);
    DL_APPEND(capture->jobs, job);
    capture->queued++;
    nj_gauge_set(capture->metrics.waiting, (int64_t)capture->queued);
    if (first)
        advance(job);
}

/* --- life --- */

struct nj_capture *nj_capture_new(const struct nj_capture_options *options)
{
    struct nj_capture *capture = NJ_NEW(struct nj_capture);
    capture->loop = options->loop;
    capture->worker = options->worker;
    capture->outbox = options->outbox;
    capture->owners = options->owners;
    capture->client = options->client;
    capture->log_dir = nj_strdup(options->log_dir);
    capture->max_files = options->max_files;
    capture->max_queue = options->max_queue != 0 ? options->max_queue : NJ_CAPTURE_QUEUE_MAX;
    capture->max_held = options->max_held != 0 ? options->max_held : NJ_CAPTURE_HELD_MAX;
    capture->hold_ns = options->hold_ns != 0 ? options->hold_ns : NJ_MIN;
    capture->limits = options->limits;
    capture->redactor = nj_shared_redactor_new(options->redactor);
    capture->on_workload = options->on_workload;
    capture->on_stored = options->on_stored;
    capture->on_broken = options->on_broken;
    capture->data = options->data;
    capture->ready_end = &capture->ready;
    nj_arena_init(&capture->batch.arena, ARENA_MAX);
    nj_timer_init(&capture->hold_timer, options->loop, nj_capture_holds_expire, capture);
    nj_timer_init(&capture->retry, options->loop, on_retry, capture);
    (void)uv_timer_init(&options->loop->uv, &capture->pause);
    (void)uv_timer_init(&options->loop->uv, &capture->drain);
    capture->pause.data = capture->drain.data = capture;
    capture->timers_open = 2;
    if (options->metrics != NULL)
        nj_capture_add_metrics(capture, options->metrics);
    return capture;
}

void nj_capture_set(struct nj_capture *capture, const struct nj_log_limits *limits,
                    struct nj_redactor *redactor)
{
    capture->limits = *limits;
    nj_shared_redactor_unref(capture->redactor);
    capture->redactor = nj_shared_redactor_new(redactor);
}

size_t nj_capture_waiting(const struct nj_capture *capture)
{
    return capture->queued;
}

uint64_t nj_capture_lost_crashes(const struct nj_capture *capture)
{
    return capture->lost;
}

const char *nj_capture_trouble(const struct nj_capture *capture)
{
    return capture->retry_ns != 0 || capture->broken ? capture->trouble.text : NULL;
}

static void on_drain(uv_timer_t *timer)
{
    struct nj_capture *capture = timer->data;
    expire(capture);
    nj_capture_finish_closing(capture);
}

void nj_capture_close(struct nj_capture *capture, int64_t drain_ns, void (*on_closed)(void *data), void *data)
{
    if (capture == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    capture->closing = true;
    nj_capture_holds_close(capture);
    capture->on_closed = on_closed;
    capture->on_closed_data = data;
    if (capture->jobs != NULL && drain_ns > 0 && !capture->broken)
        (void)uv_timer_start(&capture->drain, on_drain, (uint64_t)(drain_ns / NJ_MS) + 1, 0);
    else
        expire(capture);
    nj_capture_finish_closing(capture);
}
