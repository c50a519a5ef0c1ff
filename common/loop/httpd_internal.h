/*
 * What httpd.c (the server, requests, answers), httpd_listen.c and httpd_stream.c share. Private to them.
 */
#ifndef NJ_LOOP_HTTPD_INTERNAL_H
#define NJ_LOOP_HTTPD_INTERNAL_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/loop/httpd.h"
#include "common/loop/httpd_uri.h"

/* A TCP connection, from being accepted to its end. */
struct nj_httpd_connection {
    struct nj_httpd *httpd;
    struct nj_httpd_connection *prev, *next;
    int fd;
    bool receiving;    /* the next request, or waiting for one */
    uint64_t since_ms; /* ... since then */
};

/* Freed when both the connection has ended it (MHD's completion) and it was answered. */
struct nj_httpd_request {
    struct nj_httpd *httpd;            /* NULL: dropped */
    struct MHD_Connection *connection; /* NULL: dropped */
    struct nj_httpd_connection *peer;
    struct nj_httpd_request *prev, *next;
    char *method;
    struct nj_uri uri;
    struct nj_buf body;
    uint64_t body_seen;
    const char *bad; /* why the target is refused */
    bool too_large;
    bool begun; /* the handler knows it, or the server has refused it */
    bool suspended;
    bool answered;
    bool peer_is_loopback;
    struct nj_httpd_stream *stream;
};

struct nj_httpd {
    struct nj_loop *loop;
    struct MHD_Daemon *daemon;
    int port;
    uv_poll_t poll;   /* MHD's epoll descriptor */
    uv_timer_t timer; /* MHD's next timeout */
    uv_idle_t soon;   /* MHD has work that no descriptor tells of */
    uv_timer_t sweep; /* for requests that drip in */
    size_t handles;   /* libuv's, not closed yet */
    bool closing;
    unsigned connections_before; /* at the end of MHD's last turn */
    struct nj_httpd_connection *connections;
    struct nj_httpd_request *requests; /* those that MHD knows */
    struct nj_httpd_counts counts;
    size_t max_body_bytes;
    unsigned idle_timeout_s;
    void (*handle)(void *data, struct nj_httpd_request *request);
    void *data;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* A socket that listens on "ADDRESS:PORT", or a negative errno. */
int nj_httpd_listen(const char *text, int *ret_port, struct nj_err *err);

/* Lets MHD work from the loop's next turn. */
void nj_httpd_run_soon(struct nj_httpd *httpd);

/* Gives the request its answer: queues it and wakes the connection. Takes the response, which may be NULL (no
 * memory: the connection is dropped). */
void nj_httpd_answer(struct nj_httpd_request *request, unsigned status, struct MHD_Response *response);

/* A libuv handle of the server's is closed: the last one ends nj_httpd_close(). */
void nj_httpd_handle_closed(struct nj_httpd *httpd);

/* Lets MHD stop: it does not with suspended connections. */
void nj_httpd_stream_release(struct nj_httpd_stream *stream);

/* The connection of the stream has ended: tells the owner and frees. */
void nj_httpd_stream_completed(struct nj_httpd_stream *stream);

#endif
