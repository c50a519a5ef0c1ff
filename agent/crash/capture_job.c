#include <stdlib.h>
#include <string.h>

#include "agent/crash/capture_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

struct nj_shared_redactor *nj_shared_redactor_new(struct nj_redactor *redactor)
{
    struct nj_shared_redactor *shared = NJ_NEW(struct nj_shared_redactor);
    shared->redactor = redactor;
    shared->users = 1;
    return shared;
}

void nj_shared_redactor_unref(struct nj_shared_redactor *shared)
{
    if (--shared->users > 0)
        return;
    nj_redactor_free(shared->redactor);
    free(shared);
}

void nj_capture_count_files(struct nj_capture *capture, int jobs, int holds)
{
    capture->files += (size_t)jobs;
    capture->files_held += (size_t)holds;
    nj_gauge_set(capture->metrics.files, (int64_t)(capture->files + capture->files_held));
}

/* The first of the numbers for which there is a file, unless its announced end has opened it. */
void nj_capture_job_open(struct nj_capture_job *job)
{
    if (job->hold != NULL && !job->hold->opening && job->hold->files.fd >= 0)
        return;
    for (int i = 0; i < job->attempts_count && !job->holds_file; i++) {
        job->source.attempt = job->attempts[i];
        job->holds_file = nj_log_open(&job->source, &job->files) == 0;
    }
    if (job->holds_file)
        nj_capture_count_files(job->capture, 1, 0);
}

void nj_capture_job_free(struct nj_capture_job *job)
{
    if (job->holds_file) {
        nj_log_close(&job->files);
        nj_capture_count_files(job->capture, -1, 0);
    }
    nj_capture_hold_release(job->hold);
    nj_owners_cancel(&job->owner_request);
    nj_shared_redactor_unref(job->redactor);
    nj_buf_done(&job->event);
    nj_buf_done(&job->api_text);
    for (size_t i = 0; i < sizeof(job->owner) / sizeof(job->owner[0]); i++)
        free(job->owner[i]);
    free(job->workload_kind);
    free(job->workload);
    free(job->record_key);
    free(job->record_value);
    free(job->namespace);
    free(job->pod_name);
    free(job->directory_uid);
    free(job->container);
    free(job);
}

static bool is_without_log(const struct nj_capture *capture, uint64_t id_hash)
{
    for (int i = 0; i < NJ_CAPTURE_LOGLESS; i++) {
        if (capture->without_log[i] == id_hash)
            return true;
    }
    return false;
}

static void copy_log_source(struct nj_capture_job *job, const struct nj_finding *finding)
{
    const struct nj_event *event = finding->event;
    job->container = nj_strdup(event->subject.container);
    job->directory_uid = nj_strdup(finding->directory_uid);
    job->previous = finding->previous;
    job->hold = nj_capture_hold_take(job->capture, event->crash.container_id);
    job->attempts_count = finding->attempts_count;
    memcpy(job->attempts, finding->attempts, sizeof(job->attempts));
    job->source = (struct nj_log_source){.log_dir = job->capture->log_dir,
                                         .namespace = job->namespace,
                                         .pod = job->pod_name,
                                         .directory_uid = job->directory_uid,
                                         .container = job->container,
                                         .attempt = finding->attempts[0],
                                         .started_ns = event->crash.started_ns,
                                         .finished_ns = event->crash.finished_ns};
}

static void copy_event(struct nj_capture_job *job, const struct nj_finding *finding)
{
    const struct nj_event *event = finding->event;
    if (nj_event_encode(event, &job->event) < 0)
        nj_out_of_memory(); /* it is bounded, and the detector's own */
    job->type = event->type;
    job->id_hash = nj_hash64(event->id, strlen(event->id));
    job->has_workload = finding->has_workload;
    job->namespace = nj_strdup(event->subject.namespace);
    job->pod_name = nj_strdup(event->subject.pod);
    const char *owner[] = {finding->owner.api_version, finding->owner.kind, finding->owner.name,
                           finding->owner.uid, finding->owner.template_hash};
    for (size_t i = 0; i < sizeof(owner) / sizeof(owner[0]); i++)
        job->owner[i] = nj_strdup(owner[i]);
    job->log_wanted =
        event->type == NJ_EVENT_CRASH && (finding->first_told || is_without_log(job->capture, job->id_hash));
    if (job->log_wanted)
        copy_log_source(job, finding);
}

struct nj_capture_job *nj_capture_job_new(struct nj_capture *capture, const struct nj_finding *finding)
{
    struct nj_capture_job *job = NJ_NEW(struct nj_capture_job);
    job->capture = capture;
    job->arrived_ns = uv_hrtime();
    job->redactor = capture->redactor;
    job->redactor->users++;
    job->limits = capture->limits;
    job->files.fd = -1;
    job->after_all = finding->after_all;
    if (finding->event != NULL)
        copy_event(job, finding);
    if (finding->record.key != NULL) {
        job->record_key = nj_strdup(finding->record.key);
        job->record_removed = finding->record.value == NULL;
        job->record_len = finding->record.len;
        job->record_value = nj_calloc(1, finding->record.len + 1);
        if (finding->record.value != NULL)
            memcpy(job->record_value, finding->record.value, finding->record.len);
    }
    return job;
}
