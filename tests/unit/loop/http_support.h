/*
 * An HTTP client and a server in the test's hands, and what became of a request.
 */
#ifndef NJ_TESTS_UNIT_LOOP_HTTP_SUPPORT_H
#define NJ_TESTS_UNIT_LOOP_HTTP_SUPPORT_H

#include "common/loop/http.h"
#include "tests/unit/loop/server.h"

enum { URL_MAX = 256, TEXT_MAX = 4096 };

struct http_setup {
    struct test_loop *test;
    struct test_server server;
    struct nj_http *http;
    bool http_closed;
    const char *response;   /* sent as it is; NULL: see on_request */
    char request[TEXT_MAX]; /* the last */
    struct nj_http_request *other;
};

/* What one request came to. */
struct http_outcome {
    struct http_setup *setup;
    struct nj_http_request *request;
    bool done;
    int error;
    char text[NJ_ERR_TEXT_MAX];
    long status;
    int64_t retry_after_ns;
    char body[TEXT_MAX];
    size_t body_len;
    bool body_cut, maybe_sent;
    int statuses, pieces;
    char content_type[64];
    int stop_with; /* returned by on_data */
    void (*on_piece)(struct http_outcome *outcome);
    int *done_count;
};

/* `answer` NULL: each request gets setup->response, or a 200 with "hello" when that is NULL. */
void http_setup_start(struct http_setup *setup, void **state, long max_connections,
                      void (*answer)(struct test_peer *peer));
void http_setup_end(struct http_setup *setup);

/* Starts a request to the server's `path`, or to options.url; on_done and data are set here. */
void http_start(struct http_setup *setup, struct nj_http_options options, const char *path,
                struct http_outcome *outcome);
/* ... and waits for its end. */
struct http_outcome http_fetch(struct http_setup *setup, struct nj_http_options options, const char *path);

/* For options: note what they get. */
int http_on_status(void *data, long status, const char *content_type, int64_t retry_after_ns);
int http_on_data(void *data, const char *bytes, size_t len);
void http_on_done(void *data, const struct nj_http_result *result);

/* Answers: what setup says; nothing at all; the first chunk of a stream, whose peer is then
 * http_streaming_peer. */
extern struct test_peer *http_streaming_peer;
void http_answer(struct test_peer *peer);
void http_stream_one(struct test_peer *peer);
void http_stay_silent(struct test_peer *peer);

#endif
