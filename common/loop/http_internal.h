/*
 * What http.c (requests and libcurl's multi interface) and http_bare.c (connections without HTTP) share.
 * Private to them. Loop thread only.
 */
#ifndef NJ_LOOP_HTTP_INTERNAL_H
#define NJ_LOOP_HTTP_INTERNAL_H

#include "common/base/buf.h"
#include "common/loop/http_easy.h"
#include "common/loop/http_poll.h"

enum {
    NJ_HTTP_SEND_QUEUE_MAX = 1024 * 1024,
    NJ_HTTP_SPARE_MAX = 32, /* handles of libcurl's that wait to be used again */
};

/* WAITING -> RUNNING -> ENDING -> freed; each state but the last is a list of struct nj_http. A request that
 * ends by itself or is cancelled only changes lists: libcurl may not be called from inside its callbacks, nor
 * may on_done() be called from inside nj_http_cancel(). settle() does both from the loop. */
enum request_state { WAITING, RUNNING, ENDING };

struct nj_http_request {
    struct nj_http *http;
    struct nj_http_request *prev, *next;
    enum request_state state;
    bool added;      /* to the multi handle */
    bool connected;  /* without HTTP: libcurl is done with bare_fd */
    bool bytes_came; /* on it */
    int bare_fd;
    struct nj_buf unsent;
    bool wants_certificate;
    struct nj_http_easy easy;
    struct nj_http_head head;
    struct nj_buf body;
    bool body_cut;
    int end;       /* why it is ENDING: 0 (see code), or a negative errno that is not libcurl's */
    CURLcode code; /* libcurl's result when `end` is 0 */

    uv_timer_t timer; /* for the sooner of the two */
    uint64_t timeout_ms, idle_timeout_ms;
    uint64_t started_ms, last_byte_ms;
    uint64_t started_ns, run_ns; /* uv_hrtime(); run_ns 0: it has not begun */
    curl_off_t uploaded;

    int (*on_status)(void *data, long status, const char *content_type, int64_t retry_after_ns);
    int (*on_header)(void *data, const char *name, size_t name_len, const char *value, size_t value_len);
    int (*on_data)(void *data, const char *bytes, size_t len);
    void (*on_connected)(void *data, struct nj_http_request *request);
    void (*on_done)(void *data, const struct nj_http_result *result);
    void *data;
};

struct nj_http {
    struct nj_loop *loop;
    CURLM *multi;
    struct nj_http_poll *poll;
    uv_timer_t timeout; /* libcurl's */
    uv_idle_t soon;     /* settle() from the loop's next turn */
    struct nj_http_request *waiting, *running, *ending;
    long running_count, running_max;
    CURL *spare[NJ_HTTP_SPARE_MAX];
    size_t spare_count;
    size_t handles; /* libuv's, not closed yet */
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* The request ends, soon, for `code` or, when not 0, for `end`. */
void nj_http_request_end(struct nj_http_request *request, int end, CURLcode code);

/* libcurl has connected: tells so and takes the socket over. */
void nj_http_bare_begin(struct nj_http_request *request);
/* Its socket is readable or writable. */
void nj_http_bare_ready(struct nj_http_request *request);

#endif
