#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/crash/capture_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

enum {
    MESSAGE_MAX = 16 << 10, /* a termination message has 4 KiB; events tell no longer one */
    FETCHES_MAX = 2,        /* previous=true and previous=false */
    GROUP_BYTES = 1 << 20,  /* logs that are held for one transaction, more or less */
};

/* What is collected for one transaction. */
struct group {
    struct nj_event events[NJ_CAPTURE_BATCH];
    struct nj_outbox_record records[NJ_CAPTURE_BATCH];
    struct nj_buf values[NJ_CAPTURE_BATCH]; /* of records, with the workload */
    struct nj_buf texts[NJ_CAPTURE_BATCH];  /* logs */
    struct nj_capture_job *jobs[NJ_CAPTURE_BATCH];
    bool has_event[NJ_CAPTURE_BATCH], has_record[NJ_CAPTURE_BATCH];
    int count;
    size_t bytes;
};

static void keep_log(struct nj_capture_job *job, struct nj_log_result *result, enum nj_log_outcome outcome,
                     struct nj_event *event, struct nj_buf *ret_text)
{
    job->log_outcome = outcome;
    job->redacted += result->redacted;
    *ret_text = result->text;
    event->crash.log = (struct nj_log_text){.text = nj_buf_str(ret_text),
                                            .len = ret_text->len,
                                            .lines = result->lines,
                                            .cut = result->cut,
                                            .source = outcome == NJ_LOG_FROM_FILE ? "file" : "api",
                                            .missing = ""};
}

/* Reads the file of one of the numbers the instance may have: `held`, or what there is now. True: the log is
 * had. */
static bool read_file(struct nj_capture_job *job, int32_t attempt, const struct nj_log_files *held,
                      struct nj_event *event, struct nj_buf *ret_text, struct nj_err *why)
{
    struct nj_log_source source = job->source;
    struct nj_log_files files = {.fd = -1};
    source.attempt = attempt;
    int rc = held != NULL ? 0 : nj_log_open(&source, &files);
    struct nj_log_result result = {0};
    struct nj_err err = {0};
    if (rc == 0 || rc == -ENOENT)
        rc = nj_log_capture(&source, held != NULL ? held : &files, &job->limits, job->redactor->redactor,
                            &result, &err);
    else
        (void)nj_err_set(&err, rc, "%s", strerror(-rc));
    nj_log_close(&files);
    if (rc == -ENOMEM) {
        job->stored = rc; /* there may be more when it is tried again */
        return false;
    }
    if (rc == 0 && !result.other_instance) {
        event->crash.attempt = attempt;
        keep_log(job, &result, NJ_LOG_FROM_FILE, event, ret_text);
        return true;
    }
    if (rc == 0) {
        nj_buf_done(&result.text);
        job->log_outcome = NJ_LOG_OTHER_INSTANCE;
        (void)nj_err_set(why, -ENOENT, "the log file is another instance's");
    } else if (rc != -ENOENT) {
        job->log_outcome = NJ_LOG_UNREADABLE;
        (void)nj_err_set(why, -ENOENT, "the log file cannot be read: %s", err.text);
    }
    return false;
}

/* The kubelet answers 200 and says in the body that the log is gone; a line of a log starts with its time. */
static bool is_log(const struct nj_buf *text)
{
    int64_t time_ns = 0;
    return text->len == 0 || nj_time_parse(text->data, strcspn(text->data, " \n"), &time_ns) == 0;
}

static bool read_answer(struct nj_capture_job *job, struct nj_event *event, struct nj_buf *ret_text,
                        struct nj_err *why)
{
    if (job->api_error != 0 || !is_log(&job->api_text)) {
        const char *said = job->api_error != 0 ? job->api_words : nj_buf_str(&job->api_text);
        (void)nj_err_set(why, -ENOENT, "the log file is gone, and the API server says: %.*s",
                         (int)strcspn(said, "\n"), said);
        return false;
    }
    struct nj_log_result result = {0};
    struct nj_err err = {0};
    int rc = nj_log_from_api(job->api_text.data == NULL ? "" : job->api_text.data, job->api_text.len,
                             &job->source, &job->limits, job->redactor->redactor, &result, &err);
    if (rc == -ENOMEM) {
        job->stored = rc;
        return false;
    }
    if (rc == 0 && !result.other_instance) {
        keep_log(job, &result, NJ_LOG_FROM_API, event, ret_text);
        return true;
    }
    if (rc == 0) {
        nj_buf_done(&result.text);
        job->log_outcome = NJ_LOG_OTHER_INSTANCE;
        (void)nj_err_set(why, -ENOENT, "the log file is gone, and the API server has another instance's");
    } else {
        job->log_outcome = NJ_LOG_UNREADABLE;
        (void)nj_err_set(why, -ENOENT, "the API server's log cannot be read: %s", err.text);
    }
    return false;
}

/* The file that the container's announced end has opened, if it has one of the instance's numbers. */
static bool read_held(struct nj_capture_job *job, struct nj_event *event, struct nj_buf *ret_text,
                      struct nj_err *why)
{
    const struct nj_capture_hold *hold = job->hold;
    if (hold == NULL || hold->files.fd < 0)
        return false;
    bool is_its = false;
    for (int i = 0; i < job->attempts_count; i++)
        is_its = is_its || job->attempts[i] == hold->source.attempt;
    return is_its && read_file(job, hold->source.attempt, &hold->files, event, ret_text, why);
}

/* False: the API server has to be asked first. Without memory job->stored says so. */
static bool find_log(struct nj_capture_job *job, struct nj_event *event, struct nj_buf *ret_text,
                     struct nj_arena *arena)
{
    struct nj_err why = {.text = "the log file is gone"};
    job->log_outcome = NJ_LOG_GONE;
    job->redacted = 0;
    if (read_held(job, event, ret_text, &why))
        return true;
    for (int i = 0; i < job->attempts_count && job->stored == 0; i++) {
        bool is_open = job->holds_file && job->attempts[i] == job->source.attempt;
        if (read_file(job, job->attempts[i], is_open ? &job->files : NULL, event, ret_text, &why))
            return true;
    }
    if (job->stored == 0 && job->fetches > 0 && read_answer(job, event, ret_text, &why))
        return true;
    if (job->stored < 0)
        return true;
    if (job->fetches < FETCHES_MAX && job->capture->client != NULL)
        return false;
    char *kept = nj_arena_strndup(arena, why.text, strlen(why.text));
    event->crash.log.missing = kept != NULL ? kept : "gone";
    return true;
}

/* A message with its secrets hidden, in the arena; a place holder when that cannot be done. */
static const char *clean(struct nj_capture_job *job, const char *text, struct nj_arena *arena)
{
    if (text[0] == '\0')
        return text;
    struct nj_buf out = {0};
    int64_t hidden = nj_redact(job->redactor->redactor, text, strlen(text), &out);
    const char *kept = NULL;
    if (hidden >= 0) {
        job->redacted += hidden;
        kept = nj_arena_strndup(arena, nj_buf_str(&out), nj_utf8_cut(nj_buf_str(&out), out.len, MESSAGE_MAX));
    }
    nj_buf_done(&out);
    if (hidden == -ENOMEM || (hidden >= 0 && kept == NULL))
        job->stored = -ENOMEM;
    return kept != NULL ? kept : "(message left out: it could not be searched for secrets)";
}

static void clean_messages(struct nj_capture_job *job, struct nj_event *event, struct nj_arena *arena)
{
    switch (event->type) {
    case NJ_EVENT_CRASH:
        event->crash.message = clean(job, event->crash.message, arena);
        break;
    case NJ_EVENT_STUCK:
        event->stuck.message = clean(job, event->stuck.message, arena);
        break;
    case NJ_EVENT_POD_FAILURE:
        event->failure.message = clean(job, event->failure.message, arena);
        break;
    case NJ_EVENT_LOST_CRASHES:
    case NJ_EVENT_CLEARED:
    case NJ_EVENT_CHECK: /* redacted where it is made */
    case NJ_EVENT_ROLLUPS:
    case NJ_EVENT_OOM_KILL:
    case NJ_EVENT_TROUBLE:
    case NJ_EVENT_USAGE:
    case NJ_EVENT_OUTAGE: /* the collector's own */
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
}

/* Puts one finding into the group, or marks that its log has to be fetched. */
static void prepare(struct nj_capture_job *job, struct nj_arena *arena, struct group *group)
{
    int at = group->count;
    struct nj_event *event = &group->events[at];
    job->needs_fetch = false;
    job->stored = 0;
    group->has_event[at] = job->event.len > 0;
    if (group->has_event[at]) {
        job->stored =
            nj_event_decode(job->event.data, job->event.len, arena, event, &job->capture->batch.err);
        if (job->stored < 0)
            return;
        if (job->workload_kind != NULL) {
            event->subject.workload_kind = job->workload_kind;
            event->subject.workload = job->workload;
        }
        if (job->log_wanted && !find_log(job, event, &group->texts[at], arena)) {
            job->needs_fetch = true;
            return;
        }
        if (job->stored == 0)
            clean_messages(job, event, arena);
        if (job->stored < 0) {
            (void)nj_err_set(&job->capture->batch.err, job->stored, "out of memory");
            nj_buf_done(&group->texts[at]);
            return;
        }
    }
    group->has_record[at] = job->record_key != NULL;
    if (group->has_record[at] && !job->record_removed) {
        struct nj_buf *value = &group->values[at];
        if (nj_buf_append(value, job->record_value, job->record_len) < 0)
            nj_out_of_memory();
        if (job->workload_kind != NULL)
            nj_detector_record_workload(value, job->workload_kind, job->workload);
    }
    group->jobs[group->count++] = job;
    group->bytes += group->texts[at].len;
}

static int append(struct nj_capture *capture, const struct group *group, int from, int to, struct nj_err *err)
{
    struct nj_event events[NJ_CAPTURE_BATCH];
    struct nj_outbox_record records[NJ_CAPTURE_BATCH];
    size_t events_count = 0;
    size_t records_count = 0;
    for (int i = from; i < to; i++) {
        const struct nj_capture_job *job = group->jobs[i];
        if (group->has_event[i])
            events[events_count++] = group->events[i];
        if (group->has_record[i])
            records[records_count++] =
                (struct nj_outbox_record){.key = job->record_key,
                                          .value = job->record_removed ? NULL : nj_buf_str(&group->values[i]),
                                          .len = group->values[i].len};
    }
    return nj_outbox_append(capture->outbox, events, events_count, records, records_count, err);
}

/* One that the outbox does not take at all must not keep the others out. */
static void store(struct nj_capture *capture, struct group *group)
{
    struct nj_err *err = &capture->batch.err;
    int rc = append(capture, group, 0, group->count, err);
    for (int i = 0; i < group->count; i++)
        group->jobs[i]->stored =
            rc == -EINVAL && group->count > 1 ? append(capture, group, i, i + 1, err) : rc;
    for (int i = 0; i < group->count; i++) {
        nj_buf_done(&group->values[i]);
        nj_buf_done(&group->texts[i]);
    }
    nj_arena_reset(&capture->batch.arena);
    *group = (struct group){0};
}

void nj_capture_work(struct nj_job *work)
{
    struct nj_capture *capture = work->data;
    struct nj_capture_batch *batch = &capture->batch;
    struct group *group = NJ_NEW(struct group);
    for (int i = 0; i < batch->count; i++) {
        prepare(batch->jobs[i], &batch->arena, group);
        if (group->bytes >= GROUP_BYTES)
            store(capture, group);
    }
    if (group->count > 0)
        store(capture, group);
    free(group);
}
