/*
 * An asynchronous HTTP client: libcurl's multi_socket interface on the loop. The only user of libcurl's multi
 * interface. All functions and callbacks are for the loop's thread; no callback runs inside nj_http_start().
 *
 * A request owns copies of everything it was given. It ends exactly once with on_done(), also after nj_http_cancel()
 * (result -ECANCELED), and is freed after on_done() returns. Callbacks may start and cancel requests.
 */
#ifndef NJ_LOOP_HTTP_H
#define NJ_LOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

struct nj_http;
struct nj_http_request;

/* What to trust and who to be; strings are borrowed during nj_http_start() only. Paths or PEM text, not both. */
struct nj_http_tls {
    const char *ca_file, *ca_pem;
    const char *cert_file, *cert_pem;
    const char *key_file, *key_pem;
    const char *server_name; /* verify against this name instead of the URL's host; NULL: the URL's, IPs too */
    bool insecure_skip_verify;
};

struct nj_http_result {
    int error;          /* 0: a whole response was received, whatever its status; else a negative errno */
    struct nj_err err;  /* text when error != 0: which host, which phase */
    long status;        /* 0 when there was none */
    int64_t retry_after_ns; /* from Retry-After, both forms; -1: none */
    const char *body;   /* collected when there is no on_data(); terminated; valid during on_done() */
    size_t body_len;
    bool body_cut;      /* the body was longer than max_body_bytes; the rest was dropped */
};

struct nj_http_options {
    const char *method; /* NULL: GET */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const void *body;
    size_t body_len;
    const char *file_field; /* when set: multipart/form-data with one file: body under this field, ... */
    const char *file_name;  /* ... this name, content type application/octet-stream */
    const struct nj_http_tls *tls; /* NULL: system trust */
    int64_t connect_timeout_ns; /* real time; 0: 10 s */
    int64_t timeout_ns;         /* whole request, real time; 0: none (a watch) */
    int64_t idle_timeout_ns;    /* ends with -ETIMEDOUT when no byte arrives for so long, real time; 0: none */
    size_t max_body_bytes;      /* without on_data: what is collected at most; 0: 1 MiB */
    bool follow_redirects;      /* at most 5, http and https only; never for requests that carry credentials */

    /* Response headers are complete. Return 0 to go on, negative to end the request with that error. May be NULL. */
    int (*on_status)(void *data, long status, const char *content_type, int64_t retry_after_ns);
    /* Body bytes as they come, when set. Return 0, or negative to end the request with that error. */
    int (*on_data)(void *data, const char *bytes, size_t len);
    void (*on_done)(void *data, const struct nj_http_result *result);
    void *data;
};

/* `max_connections` open at once (more requests wait). NULL when libcurl cannot be set up. */
struct nj_http *nj_http_new(struct nj_loop *loop, long max_connections);

/* 0 and, in *ret_request (may be NULL), a handle for nj_http_cancel(), valid until on_done(); -EINVAL for a bad URL. */
int nj_http_start(struct nj_http *http, const struct nj_http_options *options,
                  struct nj_http_request **ret_request, struct nj_err *err);

/* on_done() follows from the loop with -ECANCELED, never from inside this call. */
void nj_http_cancel(struct nj_http_request *request);

/* Cancels what runs (their on_done() are called), frees, then calls on_closed (may be NULL). Takes NULL. */
void nj_http_close(struct nj_http *http, void (*on_closed)(void *data), void *data);

#endif
