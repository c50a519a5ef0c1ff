/*
 * An asynchronous HTTP/1.1 client: libcurl's multi_socket interface on the loop. The only user of libcurl's
 * multi interface. All functions and callbacks are for the loop's thread; no callback runs inside
 * nj_http_start(), nj_http_cancel() or nj_http_close(). Nothing blocks: names are looked up on libcurl's
 * threads.
 *
 * A request owns copies of everything it was given. It ends exactly once with on_done(), also after
 * nj_http_cancel() (result -ECANCELED), and is freed after on_done() returns. Callbacks may start and cancel
 * requests, and close. After nj_http_cancel() neither on_status() nor on_data() is called any more. Idle
 * connections are kept for reuse and do not keep the loop running. Neither proxies nor netrc are taken from
 * the environment. Bodies are not decompressed.
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

/* What to trust and who to be; strings are borrowed during nj_http_start() only. A path or PEM text, not
 * both. */
struct nj_http_tls {
    const char *ca_file, *ca_pem;
    const char *cert_file, *cert_pem;
    const char *key_file, *key_pem;
    const char *server_name; /* verified instead of the URL's host; NULL: the URL's host, also an IP */
    bool insecure_skip_verify;
};

struct nj_http_result {
    /* 0: a whole response was received, whatever its status; else a negative errno: -ECANCELED, -ETIMEDOUT,
     * what a callback returned, what the system said (-ECONNREFUSED, -ECONNRESET: also for a response that
     * ended early), -EHOSTUNREACH (the name is not known), -EKEYREJECTED (the server's certificate is not
     * trusted), -EPROTO (a failed TLS handshake, or no HTTP), -EINVAL (bad PEM), -EMSGSIZE (too many
     * headers), -ELOOP (redirects). */
    int error;
    struct nj_err err; /* text when error != 0: method, host, phase, cause; never path, query or headers */
    long status;       /* 0 when there was none */
    int64_t retry_after_ns; /* from Retry-After, both forms; -1: none */
    const char *body;       /* collected when there is no on_data(); terminated; valid during on_done() */
    size_t body_len;
    bool body_cut; /* the body was longer than max_body_bytes: its beginning is here, the rest was not read */
    /* The request, or a part of it, may have left. When false, nobody can have acted on it. */
    bool maybe_sent;
};

struct nj_http_options {
    const char *method; /* capitals; NULL: GET, POST with file_field */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL; no Content-Type by itself */
    const void *body;
    size_t body_len;
    const char *file_field; /* when set: multipart/form-data with one file: body under this field, ... */
    const char *file_name;  /* ... this name, content type application/octet-stream */
    const struct nj_http_tls *tls; /* NULL: system trust */
    int64_t connect_timeout_ns;    /* name lookup, TCP and TLS together, real time; 0: 10 s */
    int64_t timeout_ns; /* whole request with its wait for a free connection, real time; 0: none (a watch) */
    int64_t idle_timeout_ns; /* -ETIMEDOUT when no byte came or went for so long, real time; 0: none */
    size_t max_body_bytes;   /* without on_data: what is collected at most; 0: 1 MiB */
    /* At most 5, http and https only. A request that carries credentials (Authorization, Cookie, a user in
     * the URL, a client certificate) is answered with the redirect itself. */
    bool follow_redirects;
    /* Neither use a kept connection nor keep this one. libcurl sends a request again by itself when the kept
     * connection it went out on ends without an answer, though the server may have acted on it: to be set for
     * what must not arrive twice. */
    bool fresh_connection;

    /* The headers of the final response are complete (not those of redirects). Return 0 to go on, negative to
     * end the request with that error. May be NULL. */
    int (*on_status)(void *data, long status, const char *content_type, int64_t retry_after_ns);
    /* Body bytes as they come, when set. Return 0, or negative to end the request with that error. */
    int (*on_data)(void *data, const char *bytes, size_t len);
    void (*on_done)(void *data, const struct nj_http_result *result);
    void *data;
};

/* `max_connections` open at once (more requests wait). NULL when libcurl cannot be set up. */
struct nj_http *nj_http_new(struct nj_loop *loop, long max_connections);

/* 0 and, in *ret_request (may be NULL), a handle for nj_http_cancel(), valid until on_done(); -EINVAL for a
 * bad URL, method or header; -ENOMEM; -ESHUTDOWN after nj_http_close(). */
int nj_http_start(struct nj_http *http, const struct nj_http_options *options,
                  struct nj_http_request **ret_request, struct nj_err *err);

/* on_done() follows from the loop with -ECANCELED, never from inside this call. Nothing once the request has
 * ended. */
void nj_http_cancel(struct nj_http_request *request);

/* Cancels what runs (their on_done() are called from the loop), frees, then calls on_closed (may be NULL).
 * Takes NULL: on_closed is then called at once. */
void nj_http_close(struct nj_http *http, void (*on_closed)(void *data), void *data);

#endif
