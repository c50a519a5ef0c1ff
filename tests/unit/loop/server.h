/*
 * An HTTP server in the test's own hands: it tells of each request as it came and sends whatever bytes the
 * test wants, or ends the connection. On the test's loop.
 */
#ifndef NJ_TESTS_UNIT_LOOP_SERVER_H
#define NJ_TESTS_UNIT_LOOP_SERVER_H

#include "tests/unit/loop/support.h"

struct test_server;

struct test_peer {
    uv_tcp_t tcp;
    struct test_server *server;
    char request[64 * 1024]; /* terminated */
    size_t len;
};

struct test_server {
    struct test_loop *test;
    uv_tcp_t listener;
    int port;
    int connections, connections_open, connections_open_max, requests;
    /* A request with its body is in peer->request. */
    void (*on_request)(struct test_peer *peer);
    void *data;
    bool closed;
};

/* On 127.0.0.1. */
void test_server_start(struct test_server *server, struct test_loop *test,
                       void (*on_request)(struct test_peer *peer), void *data);
/* On another address, as that of test_own_host(). */
void test_server_start_at(struct test_server *server, const char *host, struct test_loop *test,
                          void (*on_request)(struct test_peer *peer), void *data);
void test_server_close(struct test_server *server); /* the test has closed its clients */

void test_peer_send(struct test_peer *peer, const char *text);
void test_peer_close(struct test_peer *peer);
void test_peer_reset(struct test_peer *peer);

/* A whole response with status 200; `close` ends the connection after it. */
void test_peer_answer(struct test_peer *peer, const char *body, bool close);

#endif
