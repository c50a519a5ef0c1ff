/*
 * How the capture's parts work together. Private to agent/crash/capture*.c: capture.c keeps the queue,
 * capture_fetch.c asks the API server for a log, capture_hold.c holds the files of announced ends,
 * capture_store.c is what happens on the worker.
 */
#ifndef NJ_CRASH_CAPTURE_INTERNAL_H
#define NJ_CRASH_CAPTURE_INTERNAL_H

#include "agent/crash/capture.h"
#include "common/base/arena.h"
#include "common/base/table.h"

enum {
    NJ_CAPTURE_BATCH = 16,  /* findings that one transaction takes at most */
    NJ_CAPTURE_REASONS = 8, /* of crashes, that are counted by name */
    NJ_CAPTURE_LOGLESS = 64,
};

/* A redactor is replaced while others still use the old one. Loop thread. */
struct nj_shared_redactor {
    struct nj_redactor *redactor;
    size_t users;
};

enum nj_capture_stage {
    NJ_CAPTURE_QUEUED, /* behind an earlier finding of its pod, or of all */
    NJ_CAPTURE_OWNER,  /* its workload is being asked for */
    NJ_CAPTURE_READY,  /* waits for the worker */
    NJ_CAPTURE_WORK,   /* on the worker, which alone may touch it */
    NJ_CAPTURE_FETCH,  /* its log is being asked for */
    NJ_CAPTURE_RETRY,  /* could not be stored */
};

/* How a crash's log came, or why it did not: names for the metrics. */
enum nj_log_outcome {              /* from NJ_LOG_GONE on there is none */
                      NJ_LOG_NONE, /* none was wanted */
                      NJ_LOG_FROM_FILE,
                      NJ_LOG_FROM_API,
                      NJ_LOG_GONE,           /* neither file nor API has it */
                      NJ_LOG_OTHER_INSTANCE, /* what there is belongs to another instance */
                      NJ_LOG_UNREADABLE,     /* the file, or the API's answer */
};

/* The log file of a container whose end was announced, open until its crash is found. While it is being
 * opened the worker has `source.attempt` and `files`; work that is submitted later may read them there. */
struct nj_capture_hold {
    struct nj_capture_hold *prev, *next; /* in order of arrival; until a finding has it */
    struct nj_capture *capture;
    struct nj_job work;
    int64_t until_ns; /* monotonic */
    struct nj_log_source source;
    char *namespace, *pod, *directory_uid, *container; /* of `source` */
    struct nj_log_files files;                         /* fd -1: there is none */
    bool opening;
    bool released; /* while it was being opened */
    char id[];     /* without scheme */
};

struct nj_capture_job {
    struct nj_capture_job *next_of_pod;
    struct nj_capture_job *prev, *next; /* of all, in order of arrival */
    struct nj_capture_job *next_ready;
    struct nj_capture_pod *pod; /* NULL for one that waits for all */
    struct nj_capture *capture;
    enum nj_capture_stage stage;
    uint64_t arrived_ns; /* real, monotonic */
    struct nj_shared_redactor *redactor;
    struct nj_log_limits limits;

    /* The finding, copied: the event as nj_event_encode() writes it. */
    struct nj_buf event; /* empty: only the record changes */
    enum nj_event_type type;
    uint64_t id_hash;
    bool has_workload, after_all;
    char *workload_kind, *workload; /* found out here; NULL: the event has them */
    struct nj_owner_request owner_request;
    char *owner[5]; /* api version, kind, name, uid, template hash */
    char *record_key, *record_value;
    size_t record_len;
    bool record_removed;

    /* Its log. */
    bool log_wanted;
    struct nj_log_source source; /* strings below; attempt is that of `files` */
    char *namespace, *pod_name, *directory_uid, *container;
    int32_t attempts[NJ_FINDING_ATTEMPTS_MAX];
    int attempts_count;
    struct nj_log_files files;
    bool holds_file;
    struct nj_capture_hold *hold; /* of its announced end; NULL */
    bool previous;                /* for the API */
    int fetches;                  /* asked the API so often */
    struct nj_http_request *request;
    struct nj_buf api_text;
    int api_error;       /* of the last fetch: 0, or a negative errno */
    char api_words[256]; /* with it */

    /* What the worker says. */
    bool needs_fetch;
    int stored; /* of nj_outbox_append() */
    enum nj_log_outcome log_outcome;
    int64_t redacted;
};

struct nj_capture_pod {
    UT_hash_handle hh;
    struct nj_capture_job *first, **end;
    char uid[]; /* key */
};

/* One piece of work for the worker; there is one at a time. */
struct nj_capture_batch {
    struct nj_job work;
    struct nj_capture_job *jobs[NJ_CAPTURE_BATCH];
    int count;
    bool busy;
    struct nj_arena arena; /* the worker's */
    struct nj_err err;     /* of the last failed append */
};

struct nj_capture {
    struct nj_loop *loop;
    struct nj_worker *worker;
    struct nj_outbox *outbox;
    struct nj_owners *owners;
    struct nj_kube_client *client;
    char *log_dir;
    size_t max_files, files;
    size_t max_queue, queued;
    struct nj_capture_hold *holds; /* that wait for their crash */
    size_t max_held, holds_count, files_held, holds_opening;
    int64_t hold_ns;
    struct nj_timer hold_timer;
    struct nj_log_limits limits;
    struct nj_shared_redactor *redactor;
    void (*on_workload)(void *data, const char *pod_uid, const char *kind, const char *name);
    void (*on_stored)(void *data);
    void (*on_broken)(void *data, const struct nj_err *err);
    void *data;

    struct nj_capture_pod *pods;
    struct nj_capture_job *jobs; /* all, in order of arrival; utlist */
    struct nj_capture_job *ready, **ready_end;
    bool holding; /* more will be ready in a moment */
    struct nj_capture_batch batch;
    uint64_t without_log[NJ_CAPTURE_LOGLESS]; /* hashes of ids of crashes whose log was not found, a ring */
    size_t without_log_at;

    struct nj_timer retry;
    int64_t retry_ns; /* the next pause; 0: storing works */
    bool probing;     /* one finding may try whether storing works again */
    struct nj_err trouble;
    bool broken;
    uint64_t lost;

    uv_timer_t pause; /* the worker's queue is full */
    bool pausing;
    uv_timer_t drain;
    int timers_open;
    bool closing, closed;
    bool expired; /* what is not under way is given up */
    void (*on_closed)(void *data);
    void *on_closed_data;

    struct {
        struct nj_counter *crashes[NJ_CAPTURE_REASONS], *lost, *from_file, *from_api, *gone, *other_instance,
            *unreadable, *redacted;
        struct nj_counter *held_used, *held_unused, *held_gone, *held_dropped;
        struct nj_counter *failed_appends, *dropped_facts, *dropped_states, *invalid;
        struct nj_gauge *waiting, *files;
        struct nj_histogram *seconds;
    } metrics;
};

/* capture_job.c: findings as they are kept, and their log files. */
struct nj_shared_redactor *nj_shared_redactor_new(struct nj_redactor *redactor);
void nj_shared_redactor_unref(struct nj_shared_redactor *shared);
struct nj_capture_job *nj_capture_job_new(struct nj_capture *capture, const struct nj_finding *finding);
void nj_capture_job_free(struct nj_capture_job *job); /* in no queue any more */
/* Opens the file of the first of the numbers for which there is one. */
void nj_capture_job_open(struct nj_capture_job *job);
/* Files of findings and of announced ends were opened or closed. */
void nj_capture_count_files(struct nj_capture *capture, int jobs, int holds);

/* capture.c: when everything has ended that had to. */
void nj_capture_finish_closing(struct nj_capture *capture);

/* capture_hold.c. The file of an announced end goes to its finding, which releases it; NULL: there is none.
 */
struct nj_capture_hold *nj_capture_hold_take(struct nj_capture *capture, const char *container_id);
void nj_capture_hold_release(struct nj_capture_hold *hold); /* takes NULL */
void nj_capture_holds_expire(struct nj_timer *timer);
void nj_capture_holds_close(struct nj_capture *capture);

/* capture_metrics.c */
void nj_capture_add_metrics(struct nj_capture *capture, struct nj_metrics *metrics);
void nj_capture_count_finding(struct nj_capture *capture, const struct nj_finding *finding);
void nj_capture_count_log(const struct nj_capture_job *job);

/* capture_store.c: the worker's part of a batch. */
void nj_capture_work(struct nj_job *work);

/* capture_fetch.c: asks the API server; 0, or an error when it cannot even be asked. nj_capture_fetched()
 * follows. */
int nj_capture_fetch(struct nj_capture_job *job);
void nj_capture_fetched(struct nj_capture_job *job);

#endif
