/*
 * The sockets that the HTTP client waits for: an epoll set of its own inside the loop. A socket of uv_poll_t
 * costs seven calls of epoll_ctl() in the life of a short connection, here it is two, which is a tenth of
 * what a probe takes. Keeps the loop running while a socket is watched. Private to common/loop/http*.c. Loop
 * thread only.
 */
#ifndef NJ_LOOP_HTTP_POLL_H
#define NJ_LOOP_HTTP_POLL_H

#include <stdbool.h>

#include "common/loop/loop.h"

enum { NJ_HTTP_POLL_IN = 1, NJ_HTTP_POLL_OUT = 2, NJ_HTTP_POLL_ERR = 4 };

struct nj_http_poll;

/* on_ready gets a socket's events (with ERR: all of them) and its owner; it may watch and forget any.
 * on_round follows after one or more of those. NULL when no descriptor is left. */
struct nj_http_poll *nj_http_poll_new(struct nj_loop *loop,
                                      void (*on_ready)(void *data, int fd, int events, void *owner),
                                      void (*on_round)(void *data), void *data);
/* Watches for IN and OUT, or changes that. 0 or a negative errno. */
int nj_http_poll_watch(struct nj_http_poll *poll, int fd, int events, void *owner);
/* Before the socket is closed, or when it is kept without being used. */
void nj_http_poll_forget(struct nj_http_poll *poll, int fd);
/* Frees, then calls on_closed with data. */
void nj_http_poll_close(struct nj_http_poll *poll, void (*on_closed)(void *data));

#endif
