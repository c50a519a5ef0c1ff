/*
 * A small HTTP server on the loop: libmicrohttpd without threads of its own, its epoll descriptor watched by
 * libuv.
 *
 * A handler answers at once, or keeps the request and answers later from the loop's thread (the connection is
 * suspended meanwhile). Every request is answered exactly once. A stream (server-sent events) stays open
 * until either side ends it. Loop thread only; no callback runs inside a function that is called here, but
 * for handle()'s own answer.
 *
 * The server itself answers 400 (malformed percent-encoding, no UTF-8, more than 64 query parameters), 413
 * (the body), 431 and 414 (more than 32 KiB of request line and headers). It closes connections that are
 * silent, requests that drip in for longer than twice the idle timeout, and finds out vanished peers by TCP
 * keepalive.
 */
#ifndef NJ_LOOP_HTTPD_H
#define NJ_LOOP_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

struct nj_httpd;
struct nj_httpd_request;
struct nj_httpd_stream;

struct nj_httpd_options {
    const char *listen;    /* "127.0.0.1:8645", "[::1]:8645", ":8645" (all addresses of both families), port 0
                              picks one */
    int max_connections;   /* at once; more wait in the kernel's queue until one ends */
    size_t max_body_bytes; /* of a request; larger ones get 413 */
    int idle_timeout_s; /* closes silent connections; requests that are being answered and streams are exempt
                         */
    void (*handle)(void *data, struct nj_httpd_request *request); /* every complete request */
    void *data;
};

/* Since the start, but for those that are open now; for metrics. */
struct nj_httpd_counts {
    uint64_t connections, requests;
    uint64_t bad_requests;     /* answered with 400 by the server itself */
    uint64_t bodies_too_large; /* 413 */
    uint64_t slow_requests;    /* dripped in and were cut off */
    uint64_t streams;
    uint64_t streams_dropped; /* for their slow readers */
    uint64_t connections_open, streams_open;
};

/* 0 or negative errno with a text that names the address. */
int nj_httpd_start(struct nj_loop *loop, const struct nj_httpd_options *options, struct nj_httpd **ret_httpd,
                   struct nj_err *err);
int nj_httpd_port(const struct nj_httpd *httpd);
struct nj_httpd_counts nj_httpd_counts(const struct nj_httpd *httpd);

/* Requests not answered yet are dropped with their connections; nj_httpd_reply() on them is then a no-op that
 * frees. Streams end at once (their on_closed() is called). Calls on_closed (may be NULL) when done. Takes
 * NULL: calls it at once. */
void nj_httpd_close(struct nj_httpd *httpd, void (*on_closed)(void *data), void *data);

/* Valid until the request was answered. */
const char *nj_httpd_method(const struct nj_httpd_request *request);
const char *
nj_httpd_path(const struct nj_httpd_request *request); /* percent-decoded, starts with '/', UTF-8 */
const char *nj_httpd_query(const struct nj_httpd_request *request,
                           const char *name); /* decoded; NULL: not given */
/* Calls each for every query parameter, to find unknown ones. */
void nj_httpd_each_query(const struct nj_httpd_request *request,
                         void (*each)(void *data, const char *name, const char *value), void *data);
/* Any case; NULL: none, or the request was dropped. */
const char *nj_httpd_header(const struct nj_httpd_request *request, const char *name);
const char *nj_httpd_body(const struct nj_httpd_request *request, size_t *ret_len); /* terminated */
bool nj_httpd_peer_is_loopback(const struct nj_httpd_request *request);

/* Answers and frees the request. `headers` are "Name", "value" pairs, NULL-terminated, may be NULL. The body
 * is copied. HEAD is answered without the body by itself. content_type may be NULL. */
void nj_httpd_reply(struct nj_httpd_request *request, unsigned status, const char *content_type,
                    const char *const *headers, const void *body, size_t body_len);

/* Answers with a stream and frees the request. At most max_queued_bytes wait for a slow reader; beyond, the
 * stream is ended. on_closed() is called once when the stream has ended, whoever ended it, and the stream is
 * then freed. NULL, without on_closed(), for a request that was dropped (see nj_httpd_close()): never inside
 * handle(). */
struct nj_httpd_stream *nj_httpd_reply_stream(struct nj_httpd_request *request, const char *content_type,
                                              size_t max_queued_bytes, void (*on_closed)(void *data),
                                              void *data);
/* 0, or -EPIPE when the stream has ended or ends now for its slow reader. Takes NULL. */
int nj_httpd_stream_write(struct nj_httpd_stream *stream, const void *bytes, size_t len);
/* What is queued still goes out; on_closed() follows from the loop. Takes NULL. */
void nj_httpd_stream_end(struct nj_httpd_stream *stream);

#endif
