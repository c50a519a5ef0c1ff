#include "common/loop/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/loop/http_internal.h"

enum { BODY_MAX_DEFAULT = 1024 * 1024 };

static void settle(struct nj_http *http);

static void handle_closed(struct nj_http *http)
{
    if (--http->handles > 0)
        return;
    void (*on_closed)(void *data) = http->on_closed;
    void *data = http->on_closed_data;
    free(http);
    curl_global_cleanup();
    if (on_closed != NULL)
        on_closed(data);
}

/* A socket that libcurl could not note for want of memory is never watched: its transfer would wait for ever,
 * and libcurl divides by zero when the socket is used again (lib/multi.c, singlesocket, 7.88). */
static void act_on(struct nj_http *http, curl_socket_t fd, int events)
{
    int running = 0;
    if (curl_multi_socket_action(http->multi, fd, events, &running) == CURLM_OUT_OF_MEMORY)
        nj_out_of_memory();
}

static void act(struct nj_http *http, curl_socket_t fd, int events)
{
    act_on(http, fd, events);
    settle(http);
}

static void on_ready(void *data, int fd, int events, void *owner)
{
    struct nj_http *http = data;
    if (owner != NULL) {
        nj_http_bare_ready(owner);
        return;
    }
    int flags = ((events & NJ_HTTP_POLL_IN) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & NJ_HTTP_POLL_OUT) != 0 ? CURL_CSELECT_OUT : 0) |
                ((events & NJ_HTTP_POLL_ERR) != 0 ? CURL_CSELECT_ERR : 0);
    act_on(http, fd, flags);
}

static void on_round(void *data)
{
    settle(data);
}

/* libcurl tells which socket to watch for what. */
static int on_socket(CURL *curl, curl_socket_t fd, int what, void *data, void *socket_data)
{
    (void)curl;
    (void)socket_data;
    struct nj_http *http = data;
    if (what == CURL_POLL_REMOVE) {
        nj_http_poll_forget(http->poll, fd);
        return 0;
    }
    int events = ((what & CURL_POLL_IN) != 0 ? NJ_HTTP_POLL_IN : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? NJ_HTTP_POLL_OUT : 0);
    (void)nj_http_poll_watch(http->poll, fd, events,
                             NULL); /* out of watches: the request's timeouts end it */
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    struct nj_http *http = data;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&http->timeout);
    else
        (void)uv_timer_start(&http->timeout, on_timeout, timeout_ms == 0 ? 1 : (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_soon(uv_idle_t *soon)
{
    settle(soon->data);
}

static void settle_soon(struct nj_http *http)
{
    (void)uv_idle_start(&http->soon, on_soon);
}

void nj_http_request_end(struct nj_http_request *request, int end, CURLcode code)
{
    struct nj_http *http = request->http;
    if (request->state == ENDING)
        return;
    if (request->state == WAITING) {
        DL_DELETE(http->waiting, request);
    } else {
        DL_DELETE(http->running, request);
        http->running_count--;
    }
    request->state = ENDING;
    request->end = end;
    request->code = code;
    DL_APPEND(http->ending, request);
    settle_soon(http);
}

/* libcurl's callbacks: a return value other than the length ends the transfer. */
static size_t on_header(char *line, size_t size, size_t count, void *data)
{
    struct nj_http_request *request = data;
    size_t len = size * count;
    if (request->state != RUNNING)
        return 0;
    request->last_byte_ms = uv_now(&request->http->loop->uv);
    int rc = nj_http_head_line(&request->head, &request->easy, line, len);
    if (rc == 1 && request->on_status != NULL) {
        char *content_type = NULL;
        (void)curl_easy_getinfo(request->easy.curl, CURLINFO_CONTENT_TYPE, &content_type);
        rc = request->on_status(request->data, request->head.status, content_type,
                                request->head.retry_after_ns);
    }
    struct nj_http_header header;
    if (rc >= 0 && request->on_header != NULL && nj_http_head_split(&request->head, line, len, &header))
        rc = request->on_header(request->data, header.name, header.name_len, header.value, header.value_len);
    if (rc < 0)
        nj_http_request_end(request, rc, CURLE_OK);
    return request->state == RUNNING ? len : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct nj_http_request *request = data;
    size_t len = size * count;
    if (request->state != RUNNING)
        return 0;
    request->last_byte_ms = uv_now(&request->http->loop->uv);
    int rc = 0;
    if (request->on_data != NULL) {
        rc = request->on_data(request->data, bytes, len);
    } else {
        size_t room = request->body.max - request->body.len;
        request->body_cut = len > room;
        rc = nj_buf_append(&request->body, bytes, request->body_cut ? room : len);
    }
    if (rc < 0)
        nj_http_request_end(request, rc, CURLE_OK);
    else if (request->body_cut)
        nj_http_request_end(request, 0, CURLE_OK);
    return request->state == RUNNING ? len : 0;
}

static uint64_t to_ms(int64_t ns)
{
    return ns <= 0 ? 0 : ((uint64_t)ns - 1) / (uint64_t)NJ_MS + 1;
}

static void request_watch_time(struct nj_http_request *request);

static void on_request_timer(uv_timer_t *timer)
{
    request_watch_time(timer->data);
}

/* Ends the request whose time is over, else sets its timer for when it would be. Bytes only note their time.
 */
static void request_watch_time(struct nj_http_request *request)
{
    if (request->state == ENDING)
        return;
    uint64_t now_ms = uv_now(&request->http->loop->uv);
    curl_off_t uploaded = 0;
    if (request->state == RUNNING &&
        curl_easy_getinfo(request->easy.curl, CURLINFO_SIZE_UPLOAD_T, &uploaded) == CURLE_OK &&
        uploaded != request->uploaded) {
        request->uploaded = uploaded;
        request->last_byte_ms = now_ms;
    }
    uint64_t due_ms = UINT64_MAX;
    if (request->timeout_ms != 0)
        due_ms = request->started_ms + request->timeout_ms;
    if (request->idle_timeout_ms != 0 && request->state == RUNNING &&
        request->last_byte_ms + request->idle_timeout_ms < due_ms)
        due_ms = request->last_byte_ms + request->idle_timeout_ms;
    if (due_ms <= now_ms)
        nj_http_request_end(request, -ETIMEDOUT, CURLE_OK);
    else if (due_ms != UINT64_MAX)
        (void)uv_timer_start(&request->timer, on_request_timer, due_ms - now_ms, 0);
}

static void on_request_closed(uv_handle_t *handle)
{
    struct nj_http_request *request = handle->data;
    struct nj_http *http = request->http;
    free(request);
    handle_closed(http);
}

static enum nj_http_phase phase_of(const struct nj_http_request *request)
{
    if (!request->added)
        return NJ_HTTP_PHASE_WAIT;
    if (request->connected)
        return request->bytes_came ? NJ_HTTP_PHASE_TRANSFER : NJ_HTTP_PHASE_ANSWER;
    return nj_http_easy_phase(&request->easy, request->end == 0 ? request->code : CURLE_OK);
}

static void take_times(const struct nj_http_request *request, struct nj_http_result *result)
{
    uint64_t now_ns = uv_hrtime();
    for (int i = 0; i < NJ_HTTP_PHASES; i++)
        result->phase_ns[i] = -1;
    uint64_t waited_until_ns = request->run_ns == 0 ? now_ns : request->run_ns;
    result->phase_ns[NJ_HTTP_PHASE_WAIT] = (int64_t)(waited_until_ns - request->started_ns);
    if (request->added)
        nj_http_easy_times(&request->easy, request->run_ns, now_ns, result->phase, result->phase_ns);
}

static int result_error(const struct nj_http_request *request, enum nj_http_phase phase, struct nj_err *err)
{
    const char *what = request->easy.what;
    if (request->end == 0 && request->connected)
        return 0;
    if (request->end == 0 && request->code == CURLE_OK && !request->head.complete)
        return nj_err_set(err, -ECONNRESET, "%s: %s: it ended before its headers did", what,
                          nj_http_phase_name(phase));
    if (request->end == 0)
        return nj_http_easy_error(&request->easy, request->code, err);
    if (request->end == -ECANCELED)
        return nj_err_set(err, request->end, "%s: cancelled", what);
    if (request->end == -ETIMEDOUT)
        return nj_err_set(err, request->end, "%s: %s: no answer in time", what, nj_http_phase_name(phase));
    char words[128];
    return nj_err_set(err, request->end, "%s: response refused: %s", what,
                      uv_strerror_r(request->end, words, sizeof(words)));
}

static void free_handle(struct nj_http *http, struct nj_http_easy *easy)
{
    CURL *curl = nj_http_easy_release(easy);
    if (curl != NULL && http->spare_count < NJ_HTTP_SPARE_MAX)
        http->spare[http->spare_count++] = curl;
    else
        curl_easy_cleanup(curl);
}

/* What follows "start: ". */
static const char *skip(const char *text, const char *start)
{
    size_t len = strlen(start);
    return strncmp(text, start, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2 : text;
}

static void request_finish(struct nj_http_request *request)
{
    struct nj_http *http = request->http;
    DL_DELETE(http->ending, request);
    struct nj_http_result result = {
        .status = request->head.status,
        .retry_after_ns = request->head.retry_after_ns,
        .body = nj_buf_str(&request->body),
        .body_len = request->body.len,
        .body_cut = request->body_cut,
        .maybe_sent = request->added && (request->connected || nj_http_easy_maybe_sent(&request->easy)),
        .phase = phase_of(request),
        .version = request->added ? nj_http_easy_version(&request->easy) : ""};
    take_times(request, &result);
    if (request->connected)
        nj_http_poll_forget(http->poll, request->bare_fd);
    if (request->added)
        (void)curl_multi_remove_handle(http->multi, request->easy.curl);
    struct nj_http_shown shown = {0};
    if (request->wants_certificate && nj_http_handshake_certificate(&request->easy.handshake, &shown))
        result.certificate = &shown.certificate;
    result.error = result_error(request, result.phase, &result.err);
    result.why = skip(skip(result.err.text, request->easy.what), nj_http_phase_name(result.phase));
    request->on_done(request->data, &result);
    nj_http_shown_done(&shown);
    nj_buf_done(&request->body);
    nj_buf_done(&request->unsent);
    free_handle(http, &request->easy);
    uv_close((uv_handle_t *)&request->timer, on_request_closed);
}

static void request_run(struct nj_http_request *request)
{
    struct nj_http *http = request->http;
    DL_DELETE(http->waiting, request);
    DL_APPEND(http->running, request);
    http->running_count++;
    request->state = RUNNING;
    request->last_byte_ms = uv_now(&http->loop->uv);
    request->run_ns = uv_hrtime();
    if (curl_multi_add_handle(http->multi, request->easy.curl) != CURLM_OK) {
        nj_http_request_end(request, -ENOMEM, CURLE_OK);
        return;
    }
    request->added = true;
    request_watch_time(request);
}

static void drain_results(struct nj_http *http)
{
    int left = 0;
    const CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *private_data = NULL;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data) != CURLE_OK)
            continue;
        struct nj_http_request *request = (struct nj_http_request *)(void *)private_data;
        if (message->data.result == CURLE_OK && request->on_connected != NULL && request->state == RUNNING)
            nj_http_bare_begin(request);
        else
            nj_http_request_end(request, 0, message->data.result);
    }
}

static void on_own_handle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_poll_closed(void *data)
{
    handle_closed(data);
}

/* What could not be done where it was found out. Never from inside one of libcurl's callbacks. */
static void settle(struct nj_http *http)
{
    (void)uv_idle_stop(&http->soon);
    drain_results(http);
    while (http->ending != NULL)
        request_finish(http->ending);
    while (http->waiting != NULL && http->running_count < http->running_max)
        request_run(http->waiting);
    if (!http->closing || http->multi == NULL || http->ending != NULL)
        return;
    while (http->spare_count > 0)
        curl_easy_cleanup(http->spare[--http->spare_count]);
    (void)curl_multi_cleanup(http->multi);
    http->multi = NULL;
    nj_http_poll_close(http->poll, on_poll_closed);
    uv_close((uv_handle_t *)&http->soon, on_own_handle_closed);
    uv_close((uv_handle_t *)&http->timeout, on_own_handle_closed);
}

struct nj_http *nj_http_new(struct nj_loop *loop, long max_connections)
{
    assert(max_connections > 0);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_global_cleanup();
        return NULL;
    }
    struct nj_http *http = NJ_NEW(struct nj_http);
    http->poll = nj_http_poll_new(loop, on_ready, on_round, http);
    if (http->poll == NULL) {
        free(http);
        (void)curl_multi_cleanup(multi);
        curl_global_cleanup();
        return NULL;
    }
    http->loop = loop;
    http->multi = multi;
    http->running_max = max_connections;
    (void)uv_timer_init(&loop->uv, &http->timeout); /* these two cannot fail */
    (void)uv_idle_init(&loop->uv, &http->soon);
    http->timeout.data = http;
    http->soon.data = http;
    http->handles = 3; /* with the poll's */
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_connections);
    return http;
}

static int set_callbacks(struct nj_http_request *request)
{
    CURL *curl = request->easy.curl;
    bool set = curl_easy_setopt(curl, CURLOPT_PRIVATE, request) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_HEADERDATA, request) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEDATA, request) == CURLE_OK;
    return set ? 0 : -ENOMEM;
}

int nj_http_start(struct nj_http *http, const struct nj_http_options *options,
                  struct nj_http_request **ret_request, struct nj_err *err)
{
    if (http->closing)
        return nj_err_set(err, -ESHUTDOWN, "the HTTP client is closing");
    struct nj_http_request *request = NJ_NEW(struct nj_http_request);
    CURL *spare = http->spare_count > 0 ? http->spare[--http->spare_count] : NULL;
    int rc = nj_http_easy_init(&request->easy, spare, options, err);
    if (rc == 0 && set_callbacks(request) < 0) {
        rc = nj_err_set(err, -ENOMEM, "out of memory");
        nj_http_easy_done(&request->easy);
    }
    if (rc < 0) {
        free(request);
        return rc;
    }
    uv_update_time(&http->loop->uv);
    request->http = http;
    request->head.retry_after_ns = -1;
    nj_buf_init(&request->body, options->max_body_bytes == 0 ? BODY_MAX_DEFAULT : options->max_body_bytes);
    request->timeout_ms = to_ms(options->timeout_ns);
    request->idle_timeout_ms = to_ms(options->idle_timeout_ns);
    request->started_ms = uv_now(&http->loop->uv);
    request->on_status = options->on_status;
    request->on_header = options->on_header;
    request->on_data = options->on_data;
    request->on_connected = options->on_connected;
    request->wants_certificate = options->want_certificate;
    nj_buf_init(&request->unsent, NJ_HTTP_SEND_QUEUE_MAX);
    request->started_ns = uv_hrtime();
    request->on_done = options->on_done;
    request->data = options->data;
    (void)uv_timer_init(&http->loop->uv, &request->timer);
    request->timer.data = request;
    http->handles++;
    DL_APPEND(http->waiting, request);
    request_watch_time(request);
    settle_soon(http);
    if (ret_request != NULL)
        *ret_request = request;
    return 0;
}

void nj_http_cancel(struct nj_http_request *request)
{
    nj_http_request_end(request, -ECANCELED, CURLE_OK);
}

void nj_http_close(struct nj_http *http, void (*on_closed)(void *data), void *data)
{
    if (http == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    http->closing = true;
    http->on_closed = on_closed;
    http->on_closed_data = data;
    while (http->waiting != NULL)
        nj_http_request_end(http->waiting, -ECANCELED, CURLE_OK);
    while (http->running != NULL)
        nj_http_request_end(http->running, -ECANCELED, CURLE_OK);
    settle_soon(http);
}
