/*
 * A nanomsg socket on the loop: what requester and replier share. Private to common/loop; implemented in
 * msgsock.c, which alone calls nanomsg. A socket is a member of its owner, and the owner is freed when the
 * socket has closed.
 */
#ifndef NJ_LOOP_MSGSOCK_INTERNAL_H
#define NJ_LOOP_MSGSOCK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/loop.h"
#include "common/loop/msgsock.h"

struct nj_sock {
    struct nj_loop *loop;
    int nn; /* nanomsg's number; -1: none */
    void *owner;
    void (*owner_free)(void *owner);
    uv_poll_t readable, writable; /* level-triggered: a message can be received, one can be sent */
    size_t handles;               /* libuv's, not closed yet */
    bool closing;
    uv_work_t close_work; /* nn_close() may block */
    void (*on_closed)(void *data);
    void *on_closed_data;
};

enum nj_sock_kind { NJ_SOCK_REQUESTER, NJ_SOCK_REPLIER };

/* Opens a raw socket; a message of more than max_bytes drops its connection. The polls are not started;
 * `owner` is their data. 0 or a negative errno; after either, nj_sock_close() is what frees the owner. */
int nj_sock_open(struct nj_sock *sock, struct nj_loop *loop, enum nj_sock_kind kind, size_t max_bytes,
                 void *owner, void (*owner_free)(void *owner));

/* Closes the polls, then nanomsg's socket on another thread, frees the owner, calls on_closed (may be NULL).
 * Nothing on a second call. */
void nj_sock_close(struct nj_sock *sock, void (*on_closed)(void *data), void *data);

/* Starts to watch for a message to receive, or for room to send one. */
int nj_sock_watch(uv_poll_t *poll, uv_poll_cb on_ready);
void nj_sock_unwatch(uv_poll_t *poll); /* also one that nj_sock_open() did not get to */

/* Start an endpoint: its number, or a negative errno. reconnect_ms: the pause after a broken connection.
 * Whether the address is IPv6 must be right: nanomsg aborts otherwise. */
int nj_sock_connect(struct nj_sock *sock, const char *url, bool ipv6, uint64_t reconnect_ms);
int nj_sock_bind(struct nj_sock *sock, const char *url, bool ipv6);
void nj_sock_disconnect(struct nj_sock *sock, int endpoint);

/* A message, to be freed with nj_sock_free_body(), and its route, of length 0 when it was too long. -EAGAIN:
 * none now. */
int nj_sock_receive(struct nj_sock *sock, void **ret_body, size_t *ret_len, struct nj_route *ret_route);
void nj_sock_free_body(void *body); /* any thread */

/* -EAGAIN: there is no peer, or its connection is full. */
int nj_sock_send(struct nj_sock *sock, const struct nj_route *route, const void *bytes, size_t len);

/* What nanomsg counts: connections made, accepted, broken, and open now. */
struct nj_sock_connections {
    uint64_t made, accepted, broken, open;
};
struct nj_sock_connections nj_sock_connections(const struct nj_sock *sock);

/* Words for a negative errno, nanomsg's own ones too. */
const char *nj_sock_strerror(int error);

#endif
