#include "collector/remote/remote_write.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/remote/remote_queue.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/config.h"
#include "common/base/log.h"
#include "common/base/str.h"

enum {
    STATUS_TOO_MANY = 429,
    ANSWER_BYTES_MAX = 4096,
    SAID_BYTES_MAX = 200, /* of an answer in the log */
};

static const char user_agent[] = "User-Agent: nightjar/" NJ_VERSION;

struct nj_remote_write {
    struct nj_remote_write_options options; /* its strings are owned */
    struct nj_remote_queue queue;
    struct nj_timer timer; /* waits for more samples, or for the next attempt */
    bool waiting;          /* it is armed */
    struct nj_http_request *request;
    size_t sending;   /* samples of the batch that is being sent */
    int64_t pause_ns; /* 0: the last attempt went well */
    const char *said; /* what was said last of how it does not go; NULL: it goes well */
    bool closing;
    uint64_t counted_full, counted_invalid;
    void (*on_closed)(void *data);
    void *on_closed_data;
    struct {
        struct nj_counter *sent, *full, *invalid, *refused, *retries;
        struct nj_gauge *pending;
    } metrics;
};

static void send_batch(struct nj_remote_write *remote);

static void show(struct nj_remote_write *remote)
{
    struct nj_remote_queue *queue = &remote->queue;
    nj_counter_add(remote->metrics.full, queue->full - remote->counted_full);
    nj_counter_add(remote->metrics.invalid, queue->invalid - remote->counted_invalid);
    remote->counted_full = queue->full;
    remote->counted_invalid = queue->invalid;
    nj_gauge_set(remote->metrics.pending, (int64_t)queue->samples);
}

static void free_remote(struct nj_remote_write *remote)
{
    const struct nj_remote_write_options *options = &remote->options;
    while (remote->queue.entries != NULL)
        nj_remote_queue_pop(&remote->queue, 1);
    free((void *)options->url);
    free((void *)options->cluster);
    free((void *)options->user);
    free((void *)options->secret_file);
    free((void *)options->ca_file);
    free(remote);
}

static void finish(struct nj_remote_write *remote)
{
    void (*on_closed)(void *data) = remote->on_closed;
    void *data = remote->on_closed_data;
    free_remote(remote);
    if (on_closed != NULL)
        on_closed(data);
}

static void wait_for(struct nj_remote_write *remote, int64_t ns)
{
    remote->waiting = true;
    nj_timer_start(&remote->timer, ns, 0);
}

static void on_timer(struct nj_timer *timer)
{
    send_batch(timer->data);
}

/* The same is said once, until it goes well again. `what` is static; the text must hold no secret. */
static void say(struct nj_remote_write *remote, const char *what, const char *text)
{
    if (remote->said != what)
        nj_warn("remote_write", "%s: %s", what, text);
    remote->said = what;
}

static void try_again(struct nj_remote_write *remote, int64_t retry_after_ns)
{
    int64_t pause_ns = remote->pause_ns == 0 ? NJ_REMOTE_BACKOFF_MIN_NS : remote->pause_ns * 2;
    remote->pause_ns = pause_ns < NJ_REMOTE_BACKOFF_MAX_NS ? pause_ns : NJ_REMOTE_BACKOFF_MAX_NS;
    int64_t wait_ns = remote->pause_ns;
    if (retry_after_ns > NJ_REMOTE_RETRY_AFTER_MAX_NS)
        retry_after_ns = NJ_REMOTE_RETRY_AFTER_MAX_NS;
    if (retry_after_ns > wait_ns)
        wait_ns = retry_after_ns;
    nj_counter_add(remote->metrics.retries, 1);
    wait_for(remote, wait_ns);
}

/* The first line of an answer, without what would disturb a log. */
static void first_line(const struct nj_http_result *result, char text[SAID_BYTES_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < result->body_len && len + 1 < SAID_BYTES_MAX; i++) {
        if (result->body[i] == '\n')
            break;
        if (result->body[i] >= ' ' && result->body[i] < 127)
            text[len++] = result->body[i];
    }
    text[len] = '\0';
}

static void take_answer(struct nj_remote_write *remote, const struct nj_http_result *result, size_t entries)
{
    char line[SAID_BYTES_MAX], text[SAID_BYTES_MAX + 64];
    bool again = result->error != 0 || result->status == STATUS_TOO_MANY || result->status >= 500;
    first_line(result, line);
    (void)snprintf(text, sizeof(text), "status %ld%s%s", result->status, line[0] == '\0' ? "" : ": ", line);
    if (again) {
        say(remote, "the receiver takes no samples now, will try again",
            result->error != 0 ? result->err.text : text);
        try_again(remote, result->retry_after_ns);
        return;
    }
    bool taken = result->status >= 200 && result->status < 300;
    nj_counter_add(taken ? remote->metrics.sent : remote->metrics.refused, remote->sending);
    if (!taken)
        say(remote, "the receiver refuses samples, they are dropped", text);
    else if (remote->said != NULL)
        nj_info("remote_write", "the receiver takes samples again");
    if (taken)
        remote->said = NULL;
    remote->pause_ns = 0;
    nj_remote_queue_pop(&remote->queue, entries);
    if (remote->queue.entries != NULL)
        send_batch(remote);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct nj_remote_write *remote = data;
    size_t entries = remote->queue.held;
    remote->request = NULL;
    remote->queue.held = 0;
    if (remote->closing) {
        finish(remote);
        return;
    }
    take_answer(remote, result, entries);
    show(remote);
}

/* "Authorization: ..."; *ret_header is NULL when none is wanted. */
static int make_authorization(const struct nj_remote_write *remote, char **ret_header, struct nj_err *err)
{
    const struct nj_remote_write_options *options = &remote->options;
    char *secret = NULL;
    size_t len = 0;
    *ret_header = NULL;
    if (options->secret_file[0] == '\0')
        return 0;
    int rc = nj_config_read_secret("remote_write.secret_file", options->secret_file, NJ_REMOTE_SECRET_MAX,
                                   &secret, &len, err);
    if (rc < 0)
        return rc;
    if (options->user[0] == '\0') {
        *ret_header = nj_asprintf("Authorization: Bearer %s", secret);
    } else {
        char *pair = nj_asprintf("%s:%s", options->user, secret);
        size_t pair_len = strlen(pair);
        size_t size = sodium_base64_ENCODED_LEN(pair_len, sodium_base64_VARIANT_ORIGINAL);
        char *base64 = nj_calloc(1, size);
        (void)sodium_bin2base64(base64, size, (const unsigned char *)pair, pair_len,
                                sodium_base64_VARIANT_ORIGINAL);
        *ret_header = nj_asprintf("Authorization: Basic %s", base64);
        sodium_memzero(pair, pair_len);
        sodium_memzero(base64, size);
        free(pair);
        free(base64);
    }
    sodium_memzero(secret, len);
    free(secret);
    return 0;
}

static int post(struct nj_remote_write *remote, const struct nj_buf *body, struct nj_err *err)
{
    const struct nj_remote_write_options *options = &remote->options;
    char *authorization = NULL;
    int rc = make_authorization(remote, &authorization, err);
    if (rc < 0)
        return rc;
    const char *const headers[] = {"Content-Type: application/x-protobuf",
                                   "Content-Encoding: snappy",
                                   "X-Prometheus-Remote-Write-Version: 0.1.0",
                                   user_agent,
                                   authorization,
                                   NULL};
    const struct nj_http_tls tls = {.ca_file = options->ca_file};
    const struct nj_http_options request = {
        .method = "POST",
        .url = options->url,
        .headers = headers,
        .body = body->data,
        .body_len = body->len,
        .tls = options->ca_file[0] == '\0' ? NULL : &tls,
        .timeout_ns = options->timeout_ns,
        .max_body_bytes = ANSWER_BYTES_MAX,
        .on_done = on_done,
        .data = remote,
    };
    rc = nj_http_start(options->http, &request, &remote->request, err);
    if (authorization != NULL)
        sodium_memzero(authorization, strlen(authorization));
    free(authorization);
    return rc;
}

static void send_batch(struct nj_remote_write *remote)
{
    struct nj_buf body = {0};
    struct nj_err err = {0};
    size_t samples = 0;
    size_t entries = nj_remote_queue_batch(&remote->queue, remote->options.batch_samples, &samples);
    nj_timer_stop(&remote->timer);
    remote->waiting = false;
    if (entries == 0)
        return;
    int rc = nj_remote_request(remote->queue.entries, entries, &body);
    if (rc < 0)
        (void)nj_err_set(&err, rc, "no memory for a batch");
    else
        rc = post(remote, &body, &err);
    nj_buf_done(&body);
    if (rc < 0) {
        say(remote, "samples cannot be sent, will try again", err.text);
        try_again(remote, -1);
        return;
    }
    remote->queue.held = entries;
    remote->sending = samples;
}

/* A batch that is full goes at once, unless the last one failed. */
static void look(struct nj_remote_write *remote)
{
    show(remote);
    if (remote->request != NULL || remote->closing || remote->queue.entries == NULL)
        return;
    if (remote->pause_ns == 0 && remote->queue.samples >= remote->options.batch_samples)
        send_batch(remote);
    else if (!remote->waiting)
        wait_for(remote, NJ_REMOTE_LINGER_NS);
}

void nj_remote_write_usage(struct nj_remote_write *remote, const char *node, const struct nj_usage *usage)
{
    nj_remote_queue_usage(&remote->queue, remote->options.cluster, node, usage);
    look(remote);
}

void nj_remote_write_rollups(struct nj_remote_write *remote, const struct nj_rollups *rollups)
{
    nj_remote_queue_rollups(&remote->queue, remote->options.cluster, rollups);
    look(remote);
}

static struct nj_counter *dropped(struct nj_metrics *metrics, const char *reason)
{
    return nj_metrics_counter(metrics, "nightjar_remote_write_dropped_samples_total", reason,
                              "Samples that were not sent by remote write, and why.");
}

static void make_metrics(struct nj_remote_write *remote)
{
    struct nj_metrics *metrics = remote->options.metrics;
    if (metrics == NULL)
        return;
    remote->metrics.sent = nj_metrics_counter(metrics, "nightjar_remote_write_samples_total", "",
                                              "Samples that the remote write's receiver has taken.");
    remote->metrics.full = dropped(metrics, "reason=\"full\"");
    remote->metrics.invalid = dropped(metrics, "reason=\"invalid\"");
    remote->metrics.refused = dropped(metrics, "reason=\"refused\"");
    remote->metrics.retries = nj_metrics_counter(metrics, "nightjar_remote_write_retries_total", "",
                                                 "Batches that are to be sent again.");
    remote->metrics.pending = nj_metrics_gauge(metrics, "nightjar_remote_write_pending_samples", "",
                                               "Samples that wait to be sent by remote write.");
}

int nj_remote_write_new(const struct nj_remote_write_options *options, struct nj_remote_write **ret_remote,
                        struct nj_err *err)
{
    if (strncmp(options->url, "http://", 7) != 0 && strncmp(options->url, "https://", 8) != 0)
        return nj_err_set(err, -EINVAL, "remote_write.url: must begin with http:// or https://");
    struct nj_remote_write *remote = NJ_NEW(struct nj_remote_write);
    remote->options = *options;
    remote->options.url = nj_strdup(options->url);
    remote->options.cluster = nj_strdup(options->cluster);
    remote->options.user = nj_strdup(nj_str(options->user));
    remote->options.secret_file = nj_strdup(nj_str(options->secret_file));
    remote->options.ca_file = nj_strdup(nj_str(options->ca_file));
    remote->queue.max_samples = options->max_pending;
    nj_timer_init(&remote->timer, options->loop, on_timer, remote);
    make_metrics(remote);
    *ret_remote = remote;
    return 0;
}

void nj_remote_write_close(struct nj_remote_write *remote, void (*on_closed)(void *data), void *data)
{
    if (remote == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    remote->closing = true;
    remote->on_closed = on_closed;
    remote->on_closed_data = data;
    nj_timer_stop(&remote->timer);
    if (remote->request != NULL)
        nj_http_cancel(remote->request);
    else
        finish(remote);
}
