/*
 * Request and reply messages over nanomsg on the loop; the only file that calls nanomsg.
 *
 * Requester (agent): one request outstanding. The answer, or silence, is told by callback; after silence the connection
 * is made anew (nn_shutdown and nn_connect) with jittered backoff. Replier (collector): one raw REP socket for
 * thousands of peers; each message carries a route that its reply needs. Messages larger than the bound drop the
 * peer's connection (NN_RCVMAXSIZE is always finite). No security here: see common/wire/seal.h. Loop thread only.
 */
#ifndef NJ_LOOP_MSGSOCK_H
#define NJ_LOOP_MSGSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/loop.h"

struct nj_requester;
struct nj_replier;

struct nj_requester_options {
    const char *url;           /* "tcp://collector:7645", "ipc:///path" */
    size_t max_reply_bytes;
    int64_t reply_timeout_ns;  /* real time */
    int64_t reconnect_min_ns, reconnect_max_ns; /* real time; doubled from min to max, half of it random */
    /* Exactly one of these per nj_requester_send(): the reply (borrowed), or that none came in time (the connection is
     * then renewed; on_ready() follows when sending may be tried again). Not called after close. */
    void (*on_reply)(void *data, const void *bytes, size_t len);
    void (*on_timeout)(void *data);
    void (*on_ready)(void *data); /* after a backoff; may be NULL */
    void *data;
};

int nj_requester_start(struct nj_loop *loop, const struct nj_requester_options *options,
                       struct nj_requester **ret_requester, struct nj_err *err);
/* Copies the bytes. 0, -EBUSY while one is outstanding, -EAGAIN during a backoff. */
int nj_requester_send(struct nj_requester *requester, const void *bytes, size_t len);
void nj_requester_close(struct nj_requester *requester, void (*on_closed)(void *data), void *data);

/* Where a message came from; plain data, may be copied and kept; good for one reply. */
enum { NJ_ROUTE_MAX = 64 };
struct nj_route {
    uint8_t len;
    uint8_t bytes[NJ_ROUTE_MAX];
};

struct nj_message; /* a received message: nanomsg's own memory, not copied */
const void *nj_message_bytes(const struct nj_message *message, size_t *ret_len);
const struct nj_route *nj_message_route(const struct nj_message *message);
void nj_message_free(struct nj_message *message); /* any thread */

struct nj_replier_options {
    const char *url;             /* "tcp://0.0.0.0:7645" */
    size_t max_message_bytes;
    /* Takes the message, which must be freed with nj_message_free(). */
    void (*on_message)(void *data, struct nj_message *message);
    void *data;
};

int nj_replier_start(struct nj_loop *loop, const struct nj_replier_options *options,
                     struct nj_replier **ret_replier, struct nj_err *err);
/* Stops and resumes reading, for back-pressure: peers then wait in their own send queues. */
void nj_replier_pause(struct nj_replier *replier, bool paused);
/* Copies. A peer that has gone is no error. */
int nj_replier_reply(struct nj_replier *replier, const struct nj_route *route, const void *bytes, size_t len);
void nj_replier_close(struct nj_replier *replier, void (*on_closed)(void *data), void *data);

#endif
