#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/crash/capture_internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode.h"

enum {
    TIME_LEN = 40, /* a line's time, which is not part of the log */
    ANSWER_MAX = 16 << 20,
    STATUS_ARENA_MAX = 1 << 20,
};

static const int64_t fetch_timeout_ns = 5 * NJ_SEC;

/* As much of the end as can be needed. */
static size_t needed(const struct nj_capture_job *job)
{
    size_t len = job->limits.max_bytes + (size_t)job->limits.max_lines * TIME_LEN;
    return len < ANSWER_MAX / 2 ? len : ANSWER_MAX / 2;
}

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct nj_capture_job *job = data;
    (void)content_type;
    (void)retry_after_ns;
    job->api_error = status == 200 ? 0 : -EREMOTEIO;
    return 0;
}

/* Lines may be long: `tailLines` bounds their number only, and the API's own bound on bytes cuts the end off.
 * The end is what counts, so what comes first is dropped here. */
static int on_data(void *data, const char *bytes, size_t len)
{
    struct nj_capture_job *job = data;
    struct nj_buf *text = &job->api_text;
    if (nj_buf_append(text, bytes, len) < 0)
        return -EOVERFLOW;
    if (text->len > 2 * needed(job)) {
        nj_buf_consume(text, text->len - needed(job));
        const char *newline = memchr(text->data, '\n', text->len);
        nj_buf_consume(text, newline == NULL ? text->len : (size_t)(newline - text->data) + 1);
    }
    return 0;
}

/* What the server says instead of a log: a Status. */
static void read_refusal(struct nj_capture_job *job, long status)
{
    struct nj_arena arena;
    nj_arena_init(&arena, STATUS_ARENA_MAX);
    struct nj_kube_status said;
    if (nj_kube_decode_status(NJ_KUBE_JSON, nj_buf_str(&job->api_text), job->api_text.len, &arena, &said,
                              NULL) == 0)
        (void)snprintf(job->api_words, sizeof(job->api_words), "%s", said.message);
    else
        (void)snprintf(job->api_words, sizeof(job->api_words), "HTTP %ld", status);
    nj_arena_done(&arena);
    nj_buf_clear(&job->api_text);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_capture_job *job = data;
    job->request = NULL;
    if (result->error != 0) {
        job->api_error = result->error;
        (void)snprintf(job->api_words, sizeof(job->api_words), "%.255s", result->err.text);
        nj_buf_clear(&job->api_text);
    } else if (job->api_error != 0) {
        read_refusal(job, result->status);
    }
    nj_capture_fetched(job);
}

/* One line more than is wanted tells whether there was more. The second time, the container may have gone
 * from state to lastState meanwhile, or the other way round. */
int nj_capture_fetch(struct nj_capture_job *job)
{
    struct nj_buf path = {0};
    bool previous = job->fetches == 0 ? job->previous : !job->previous;
    (void)nj_buf_append_str(&path, "/api/v1/namespaces/");
    (void)nj_url_append(&path, job->namespace, strlen(job->namespace));
    (void)nj_buf_append_str(&path, "/pods/");
    (void)nj_url_append(&path, job->pod_name, strlen(job->pod_name));
    (void)nj_buf_append_str(&path, "/log?container=");
    (void)nj_url_append(&path, job->container, strlen(job->container));
    (void)nj_buf_printf(&path, "&previous=%s&timestamps=true&tailLines=%zu", previous ? "true" : "false",
                        (size_t)job->limits.max_lines + 1);
    struct nj_http_options options = {.timeout_ns = fetch_timeout_ns,
                                      .connect_timeout_ns = fetch_timeout_ns,
                                      .on_status = on_status,
                                      .on_data = on_data,
                                      .on_done = on_done,
                                      .data = job};
    job->fetches++;
    job->api_error = 0;
    nj_buf_clear(&job->api_text);
    job->api_text.max = ANSWER_MAX;
    struct nj_err err = {0};
    int rc = nj_kube_client_start(job->capture->client, nj_buf_str(&path), "application/json, */*", &options,
                                  &job->request, &err);
    nj_buf_done(&path);
    if (rc < 0) {
        job->api_error = rc;
        (void)snprintf(job->api_words, sizeof(job->api_words), "%.255s", err.text);
    }
    return rc;
}
