/*
 * A TCP server that speaks whatever the test makes it say, also no HTTP at all: it tells of each connection
 * and of what comes on it. On the test's loop.
 */
#ifndef NJ_TESTS_UNIT_PROBE_RAW_SERVER_H
#define NJ_TESTS_UNIT_PROBE_RAW_SERVER_H

#include "tests/unit/loop/support.h"

struct raw_server;

struct raw_peer {
    uv_tcp_t tcp;
    uv_timer_t drip;
    struct raw_server *server;
    struct raw_peer *prev, *next;
    int handles;
    char bytes[4096];
    size_t received;
    const char *piece;
    size_t piece_len;
    uint64_t every_ms; /* 0: as fast as it goes */
};

struct raw_server {
    struct test_loop *test;
    uv_tcp_t listener;
    struct raw_peer *peers;
    int port, connections, open;
    size_t sent; /* bytes that went out */
    void (*on_open)(struct raw_peer *peer);
    void (*on_bytes)(struct raw_peer *peer); /* the first that came; may be NULL */
    void *data;
    bool closed;
};

void raw_server_start(struct raw_server *server, struct test_loop *test,
                      void (*on_open)(struct raw_peer *peer), void (*on_bytes)(struct raw_peer *peer),
                      void *data);
void raw_server_close(struct raw_server *server);

void raw_send(struct raw_peer *peer, const void *bytes, size_t len);
void raw_send_text(struct raw_peer *peer, const char *text);
/* The piece (a constant) over and over, until the peer goes. */
void raw_send_forever(struct raw_peer *peer, const char *piece, uint64_t every_ms);
void raw_close(struct raw_peer *peer);
void raw_reset(struct raw_peer *peer);

#endif
