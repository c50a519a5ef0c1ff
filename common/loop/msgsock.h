/*
 * Request and reply messages over nanomsg on the loop; the only file that calls nanomsg.
 *
 * Requester (agent): one request outstanding. It is sent as soon as there is a connection, and again when the
 * connection broke and was made anew before the reply came: the replier must know duplicates. The answer, or
 * silence, is told by callback; after silence the connection is made anew with jittered backoff, the name is
 * looked up again (its addresses take turns), and no reply to an older request is ever taken for one to a
 * newer. Replier (collector): one raw REP socket for thousands of peers; each message carries a route that
 * its reply needs. Messages larger than the bound drop the peer's connection (NN_RCVMAXSIZE is always
 * finite); peers that vanished without a word are found out by TCP keepalive. Nothing blocks. No security
 * here: see common/wire/seal.h. Loop thread only. Programs raise RLIMIT_NOFILE: out of descriptors, nanomsg's
 * thread spins.
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
    const char *url;          /* "tcp://collector:7645", "tcp://[::1]:7645", "ipc:///path" */
    size_t max_reply_bytes;   /* at least 1 */
    int64_t reply_timeout_ns; /* real time, from nj_requester_send() on */
    int64_t reconnect_min_ns, reconnect_max_ns; /* real time; doubled from min to max, half of it random */
    /* Exactly one of these per nj_requester_send(): the reply (borrowed), or that none came in time (the
     * connection is then renewed; on_ready() follows when sending may be tried again). Not called after
     * close, nor from inside nj_requester_send(). All may send and close. */
    void (*on_reply)(void *data, const void *bytes, size_t len);
    void (*on_timeout)(void *data);
    void (*on_ready)(void *data); /* after a backoff; may be NULL */
    void *data;
};

/* Since the start; for metrics. */
struct nj_requester_counts {
    uint64_t sent;   /* nj_requester_send() that were taken */
    uint64_t resent; /* because their connection broke */
    uint64_t replies, timeouts;
    uint64_t stray_replies; /* to requests that had been given up */
    uint64_t connections;   /* made */
};

/* 0 also when nobody listens yet. -EINVAL for a bad URL, else nanomsg's error. */
int nj_requester_start(struct nj_loop *loop, const struct nj_requester_options *options,
                       struct nj_requester **ret_requester, struct nj_err *err);
/* Copies the bytes. 0 (also while not connected: the reply's time runs), -EBUSY while one is outstanding,
 * -EAGAIN during a backoff, -ESHUTDOWN after close, -EMSGSIZE beyond INT_MAX, -ENOMEM. */
int nj_requester_send(struct nj_requester *requester, const void *bytes, size_t len);
struct nj_requester_counts nj_requester_counts(const struct nj_requester *requester);
/* Gives up what is outstanding, without its callbacks; on_closed (may be NULL) is called from the loop. Takes
 * NULL: on_closed is then called at once. */
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
void nj_message_free(struct nj_message *message); /* any thread; takes NULL */

struct nj_replier_options {
    const char *url;          /* "tcp://0.0.0.0:7645", "tcp://[::]:7645" (both families) */
    size_t max_message_bytes; /* at least 1 */
    /* Takes the message, which must be freed with nj_message_free(). May pause, reply and close. */
    void (*on_message)(void *data, struct nj_message *message);
    void *data;
};

/* Since the start; for metrics. */
struct nj_replier_counts {
    uint64_t messages, replies;
    uint64_t routes_dropped;     /* messages whose route was longer than NJ_ROUTE_MAX */
    uint64_t connections;        /* accepted */
    uint64_t connections_broken; /* ended by the peer, by garbage, by an oversize message */
    uint64_t connections_open;   /* now, past the handshake */
};

/* 0 or a negative errno with a text that names the URL. */
int nj_replier_start(struct nj_loop *loop, const struct nj_replier_options *options,
                     struct nj_replier **ret_replier, struct nj_err *err);
/* Stops and resumes reading, for back-pressure: peers then wait in their own send queues. */
void nj_replier_pause(struct nj_replier *replier, bool paused);
/* Copies. A peer that has gone, or that does not read its replies, is no error. -ENOMEM, -EMSGSIZE beyond
 * INT_MAX. */
int nj_replier_reply(struct nj_replier *replier, const struct nj_route *route, const void *bytes, size_t len);
struct nj_replier_counts nj_replier_counts(const struct nj_replier *replier);
/* on_message is not called any more; on_closed (may be NULL) is called from the loop. Takes NULL: at once
 * then. */
void nj_replier_close(struct nj_replier *replier, void (*on_closed)(void *data), void *data);

#endif
