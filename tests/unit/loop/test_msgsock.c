#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/msgsock.h"
#include "tests/unit/loop/support.h"

enum {
    URL_MAX = 64,
    MANY = 200,
    RECONNECTS = 1000,
    MESSAGE_MAX = 4096,
    KEPT_MAX = 16,
    OVERSIZE = 8192,
    SOCKETS_MAX = 512
};

/* A replier that echoes, or keeps the routes of what it got. */
struct echo {
    struct test_loop *test;
    struct nj_replier *replier;
    char url[URL_MAX], host[INET_ADDRSTRLEN];
    int port;
    bool silent, twice, closed;
    int messages;
    struct nj_route kept[KEPT_MAX];
    char last[MESSAGE_MAX];
};

struct asker {
    struct test_loop *test;
    struct nj_requester *requester;
    int replies, timeouts, readies;
    char last[MESSAGE_MAX];
    bool closed;
    bool close_on_reply, close_on_timeout, send_on_ready;
    int sends_left; /* on a reply */
};

static int free_port(void)
{
    return test_free_port();
}

static void on_message(void *data, struct nj_message *message)
{
    struct echo *echo = data;
    size_t len = 0;
    const void *bytes = nj_message_bytes(message, &len);
    assert_true(len < sizeof(echo->last));
    memcpy(echo->last, bytes, len);
    echo->last[len] = '\0';
    if (echo->messages < KEPT_MAX)
        echo->kept[echo->messages] = *nj_message_route(message);
    echo->messages++;
    for (int i = 0; !echo->silent && i < (echo->twice ? 2 : 1); i++)
        assert_int_equal(nj_replier_reply(echo->replier, nj_message_route(message), bytes, len), 0);
    nj_message_free(message);
}

static void echo_start_on(struct echo *echo, struct test_loop *test, const char *host, int port)
{
    *echo = (struct echo){.test = test, .port = port};
    (void)snprintf(echo->host, sizeof(echo->host), "%s", host);
    (void)snprintf(echo->url, sizeof(echo->url), "tcp://%s:%d", host, port);
    const struct nj_replier_options options = {
        .url = echo->url, .max_message_bytes = MESSAGE_MAX - 1, .on_message = on_message, .data = echo};
    struct nj_err err = {0};
    assert_int_equal(nj_replier_start(&test->loop, &options, &echo->replier, &err), 0);
}

static void echo_start_at(struct echo *echo, struct test_loop *test, int port)
{
    char host[INET_ADDRSTRLEN];
    echo_start_on(echo, test, test_own_host(host), port);
}

static void echo_start(struct echo *echo, struct test_loop *test)
{
    echo_start_at(echo, test, free_port());
}

static void echo_close(struct echo *echo)
{
    nj_replier_close(echo->replier, test_set_flag, &echo->closed);
    test_run_until(echo->test, &echo->closed);
}

static void ask(struct asker *asker, const char *text)
{
    assert_int_equal(nj_requester_send(asker->requester, text, strlen(text)), 0);
}

static void asker_close_begin(struct asker *asker)
{
    nj_requester_close(asker->requester, test_set_flag, &asker->closed);
}

static void asker_close(struct asker *asker)
{
    asker_close_begin(asker);
    test_run_until(asker->test, &asker->closed);
}

static void on_reply(void *data, const void *bytes, size_t len)
{
    struct asker *asker = data;
    assert_false(asker->closed);
    assert_true(len < sizeof(asker->last));
    memcpy(asker->last, bytes, len);
    asker->last[len] = '\0';
    asker->replies++;
    if (asker->sends_left > 0) {
        asker->sends_left--;
        ask(asker, "again");
    }
    if (asker->close_on_reply)
        asker_close_begin(asker);
}

static void on_timeout(void *data)
{
    struct asker *asker = data;
    assert_false(asker->closed);
    asker->timeouts++;
    assert_int_equal(nj_requester_send(asker->requester, "x", 1), -EAGAIN);
    if (asker->close_on_timeout)
        asker_close_begin(asker);
}

static void on_ready(void *data)
{
    struct asker *asker = data;
    assert_false(asker->closed);
    asker->readies++;
    if (asker->send_on_ready)
        ask(asker, "retry");
}

static struct nj_requester_options asker_options(struct asker *asker, const char *url, int64_t timeout_ns)
{
    return (struct nj_requester_options){.url = url,
                                         .max_reply_bytes = MESSAGE_MAX - 1,
                                         .reply_timeout_ns = timeout_ns,
                                         .reconnect_min_ns = 10 * NJ_MS,
                                         .reconnect_max_ns = 40 * NJ_MS,
                                         .on_reply = on_reply,
                                         .on_timeout = on_timeout,
                                         .on_ready = on_ready,
                                         .data = asker};
}

static void asker_start(struct asker *asker, struct test_loop *test, const char *url, int64_t timeout_ns)
{
    *asker = (struct asker){.test = test};
    struct nj_requester_options options = asker_options(asker, url, timeout_ns);
    struct nj_err err = {0};
    assert_int_equal(nj_requester_start(&test->loop, &options, &asker->requester, &err), 0);
}

static void ask_and_hear(struct asker *asker, const char *text)
{
    int wanted = asker->replies + 1;
    ask(asker, text);
    test_run_until_count(asker->test, &asker->replies, wanted);
    assert_string_equal(asker->last, text);
}

static void a_request_is_answered(void **state)
{
    struct echo echo;
    struct asker asker;
    echo_start(&echo, *state);
    asker_start(&asker, *state, echo.url, NJ_MIN);
    ask_and_hear(&asker, "one");
    ask_and_hear(&asker, "");
    ask_and_hear(&asker, "three");
    assert_int_equal(asker.timeouts, 0);
    assert_int_equal(echo.messages, 3);
    struct nj_requester_counts counts = nj_requester_counts(asker.requester);
    assert_int_equal(counts.sent, 3);
    assert_int_equal(counts.replies, 3);
    assert_int_equal(counts.resent + counts.timeouts + counts.stray_replies, 0);
    assert_int_equal(counts.connections, 1);
    assert_int_equal(nj_replier_counts(echo.replier).messages, 3);
    assert_int_equal(nj_replier_counts(echo.replier).connections_open, 1);
    asker_close(&asker);
    echo_close(&echo);
}

static void names_and_ipv6_addresses_are_understood(void **state)
{
    struct echo echo;
    struct asker asker;
    echo_start_on(&echo, *state, "127.0.0.1", free_port());
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "tcp://localhost:%d", echo.port);
    asker_start(&asker, *state, url, NJ_MIN);
    ask_and_hear(&asker, "by name"); /* "localhost" may begin with ::1, where nobody listens */
    asker_close(&asker);
    echo_close(&echo);
}

static void an_ipv6_replier_serves_both_families(void **state)
{
    struct test_loop *test = *state;
    struct echo echo = {.test = test, .port = free_port()};
    (void)snprintf(echo.url, sizeof(echo.url), "tcp://[::]:%d", echo.port);
    const struct nj_replier_options options = {
        .url = echo.url, .max_message_bytes = MESSAGE_MAX - 1, .on_message = on_message, .data = &echo};
    struct nj_err err = {0};
    int rc = nj_replier_start(&test->loop, &options, &echo.replier, &err);
    if (rc == -EAFNOSUPPORT)
        skip(); /* a kernel without IPv6 */
    assert_int_equal(rc, 0);
    const char *const hosts[] = {"127.0.0.1", "[::1]"};
    for (size_t i = 0; i < 2; i++) {
        struct asker asker;
        char url[URL_MAX];
        (void)snprintf(url, sizeof(url), "tcp://%s:%d", hosts[i], echo.port);
        asker_start(&asker, test, url, NJ_MIN);
        ask_and_hear(&asker, hosts[i]);
        asker_close(&asker);
    }
    echo_close(&echo);
}

static void ipc_works_too(void **state)
{
    struct test_loop *test = *state;
    struct echo echo = {.test = test};
    (void)snprintf(echo.url, sizeof(echo.url), "ipc:///tmp/nightjar-test-%d.sock", getpid());
    const struct nj_replier_options options = {
        .url = echo.url, .max_message_bytes = MESSAGE_MAX - 1, .on_message = on_message, .data = &echo};
    assert_int_equal(nj_replier_start(&test->loop, &options, &echo.replier, NULL), 0);
    struct asker asker;
    asker_start(&asker, test, echo.url, NJ_MIN);
    ask_and_hear(&asker, "ipc");
    asker_close(&asker);
    echo_close(&echo);
    (void)remove(echo.url + strlen("ipc://"));
}

static void one_request_at_a_time(void **state)
{
    struct echo echo;
    struct asker asker;
    echo_start(&echo, *state);
    asker_start(&asker, *state, echo.url, NJ_MIN);
    ask(&asker, "one");
    assert_int_equal(nj_requester_send(asker.requester, "two", 3), -EBUSY);
    test_run_until_count(asker.test, &asker.replies, 1);
    assert_string_equal(asker.last, "one");
    assert_int_equal(echo.messages, 1);
    asker_close(&asker);
    assert_int_equal(asker.replies, 1);
    echo_close(&echo);
}

static void the_next_request_may_be_sent_from_the_reply(void **state)
{
    struct echo echo;
    struct asker asker;
    echo_start(&echo, *state);
    asker_start(&asker, *state, echo.url, NJ_MIN);
    asker.sends_left = 1000;
    ask(&asker, "first");
    test_run_until_count(asker.test, &asker.replies, 1001);
    assert_int_equal(echo.messages, 1001);
    asker_close(&asker);
    echo_close(&echo);
}

static void many_requesters_share_one_replier(void **state)
{
    struct test_loop *test = *state;
    struct echo echo;
    static struct asker askers[MANY];
    echo_start(&echo, test);
    for (int i = 0; i < MANY; i++) {
        asker_start(&askers[i], test, echo.url, NJ_MIN);
        askers[i].sends_left = 9;
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        ask(&askers[i], text);
    }
    uint64_t resent = 0;
    for (int i = 0; i < MANY; i++) {
        test_run_until_count(test, &askers[i].replies, 10);
        assert_int_equal(askers[i].timeouts, 0);
        resent += nj_requester_counts(askers[i].requester).resent;
    }
    /* On a very busy machine a connection breaks; what was sent on it is sent again and counted. */
    assert_in_range(echo.messages, (size_t)MANY * 10, (size_t)MANY * 10 + resent);
    for (int i = 0; i < MANY; i++)
        asker_close_begin(&askers[i]);
    for (int i = 0; i < MANY; i++)
        test_run_until(test, &askers[i].closed);
    echo_close(&echo);
}

static void a_request_waits_for_a_replier_that_comes_later(void **state)
{
    struct asker asker;
    struct echo echo;
    int port = free_port();
    char url[URL_MAX], host[INET_ADDRSTRLEN];
    (void)snprintf(url, sizeof(url), "tcp://%s:%d", test_own_host(host), port);
    asker_start(&asker, *state, url, NJ_MIN);
    ask(&asker, "early");
    test_run_some(*state);
    echo_start_at(&echo, *state, port);
    test_run_until_count(*state, &asker.replies, 1);
    assert_string_equal(asker.last, "early");
    assert_int_equal(echo.messages, 1);
    asker_close(&asker);
    echo_close(&echo);
}

static void a_request_is_sent_again_to_a_replier_that_restarted(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    int port = echo.port;
    asker_start(&asker, *state, echo.url, NJ_MIN);
    ask_and_hear(&asker, "before");
    echo.silent = true;
    ask(&asker, "lost?");
    test_run_until_count(*state, &echo.messages, 2);
    echo_close(&echo);
    echo_start_at(&echo, *state, port);
    test_run_until_count(*state, &asker.replies, 2);
    assert_string_equal(asker.last, "lost?");
    assert_int_equal(echo.messages, 1);
    assert_int_equal(asker.timeouts, 0);
    assert_int_equal(nj_requester_counts(asker.requester).resent, 1);
    asker_close(&asker);
    echo_close(&echo);
}

static void after_silence_the_connection_is_made_anew(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    echo.silent = true;
    asker_start(&asker, *state, echo.url, 30 * NJ_MS);
    ask(&asker, "first");
    test_run_until_count(*state, &asker.timeouts, 1);
    assert_int_equal(asker.readies, 0);
    test_run_until_count(*state, &asker.readies, 1);
    test_run_until_count(*state, &echo.messages, 1);
    asker.send_on_ready = true;
    ask(&asker, "second");
    test_run_until_count(*state, &asker.timeouts, 3);
    echo.silent = false;
    test_run_until_count(*state, &asker.replies, 1);
    assert_string_equal(asker.last, "retry");
    struct nj_requester_counts counts = nj_requester_counts(asker.requester);
    assert_true(counts.connections >= 4);
    assert_int_equal(counts.timeouts, asker.timeouts);
    asker.send_on_ready = false;
    asker_close(&asker);
    echo_close(&echo);
}

static void a_late_reply_is_never_taken_for_another_requests(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    echo.silent = true;
    asker_start(&asker, *state, echo.url, 50 * NJ_MS);
    ask(&asker, "first");
    test_run_until_count(*state, &echo.messages, 1);
    test_run_until_count(*state, &asker.readies, 1);
    ask(&asker, "second");
    test_run_until_count(*state, &echo.messages, 2);
    assert_int_equal(nj_replier_reply(echo.replier, &echo.kept[0], "old", 3), 0);
    assert_int_equal(nj_replier_reply(echo.replier, &echo.kept[1], "new", 3), 0);
    test_run_until_count(*state, &asker.replies, 1);
    assert_string_equal(asker.last, "new");
    asker_close(&asker);
    echo_close(&echo);
}

static void a_reply_that_comes_twice_is_taken_once(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    echo.twice = true;
    asker_start(&asker, *state, echo.url, NJ_MIN);
    for (int i = 0; i < 50; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        ask_and_hear(&asker, text);
    }
    assert_int_equal(asker.replies, 50);
    asker_close(&asker);
    echo_close(&echo);
}

static void a_message_beyond_the_bound_only_harms_its_sender(void **state)
{
    struct asker large;
    struct asker small;
    struct echo echo;
    echo_start(&echo, *state);
    asker_start(&large, *state, echo.url, 100 * NJ_MS);
    asker_start(&small, *state, echo.url, NJ_MIN);
    ask_and_hear(&large, "fits");
    char *message = nj_calloc(1, OVERSIZE);
    assert_int_equal(nj_requester_send(large.requester, message, OVERSIZE), 0);
    free(message);
    test_run_until_count(*state, &large.timeouts, 1);
    assert_int_equal(echo.messages, 1);
    ask_and_hear(&small, "unharmed");
    test_run_until_count(*state, &large.readies, 1);
    ask_and_hear(&large, "fits again");
    assert_true(nj_replier_counts(echo.replier).connections_broken >= 1);
    asker_close(&large);
    asker_close(&small);
    echo_close(&echo);
}

static void a_reply_beyond_the_bound_is_silence(void **state)
{
    struct test_loop *test = *state;
    struct asker asker = {.test = test};
    struct echo echo;
    echo_start(&echo, test);
    struct nj_requester_options options = asker_options(&asker, echo.url, 50 * NJ_MS);
    options.max_reply_bytes = 16;
    assert_int_equal(nj_requester_start(&test->loop, &options, &asker.requester, NULL), 0);
    ask_and_hear(&asker, "short");
    ask(&asker, "much longer than that");
    test_run_until_count(test, &asker.timeouts, 1);
    assert_int_equal(asker.replies, 1);
    asker_close(&asker);
    echo_close(&echo);
}

/* What a peer may write into its TCP connection. */
static const char sp_req[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

static void send_size(int fd, uint64_t size)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(size >> (56 - 8 * i));
    test_send(fd, bytes, sizeof(bytes));
}

static void garbage_on_a_connection_costs_only_that_connection(void **state)
{
    struct test_loop *test = *state;
    struct asker asker;
    struct echo echo;
    echo_start(&echo, test);
    asker_start(&asker, test, echo.url, NJ_MIN);
    ask_and_hear(&asker, "before");

    int http = test_connect_to(echo.host, echo.port);
    test_send(http, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    int other_protocol = test_connect_to(echo.host, echo.port);
    test_send(other_protocol, "\0SP\0\0\x10\0\0", 8);
    int huge = test_connect_to(echo.host, echo.port);
    test_send(huge, sp_req, sizeof(sp_req));
    send_size(huge, UINT64_MAX);
    int negative = test_connect_to(echo.host, echo.port);
    test_send(negative, sp_req, sizeof(sp_req));
    send_size(negative, UINT64_C(1) << 63);

    int no_route = test_connect_to(
        echo.host, echo.port); /* messages too short for a request's header, then one without its end */
    test_send(no_route, sp_req, sizeof(sp_req));
    send_size(no_route, 0);
    send_size(no_route, 3);
    test_send(no_route, "abc", 3);
    send_size(no_route, 40);
    char zeros[40] = {0};
    test_send(no_route, zeros, sizeof(zeros));

    int many_hops = test_connect_to(echo.host, echo.port);
    test_send(many_hops, sp_req, sizeof(sp_req));
    send_size(many_hops, 404);
    char hops[404] = {0};
    hops[400] = (char)0x80;
    test_send(many_hops, hops, sizeof(hops));

    for (int i = 0; i < 20; i++)
        ask_and_hear(&asker, "during");
    int fds[] = {http, other_protocol, huge, negative, no_route, many_hops};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        test_close(fds[i]);
    ask_and_hear(&asker, "after");
    assert_int_equal(echo.messages, 22);
    asker_close(&asker);
    echo_close(&echo);
}

static void a_message_with_several_hops_is_answered_along_its_route(void **state)
{
    struct test_loop *test = *state;
    struct echo echo;
    echo_start(&echo, test);
    int fd = test_connect_to(echo.host, echo.port);
    test_send(fd, sp_req, sizeof(sp_req));
    static const char request[] = "\0\0\0\x01\0\0\0\x02\x80\0\0\x03hello";
    send_size(fd, sizeof(request) - 1);
    test_send(fd, request, sizeof(request) - 1);
    test_run_until_count(test, &echo.messages, 1);
    assert_string_equal(echo.last, "hello");
    char reply[8 + 8 + sizeof(request) - 1];
    assert_int_equal(recv(fd, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
    assert_memory_equal(reply + 16, request, sizeof(request) - 1);
    test_close(fd);
    echo_close(&echo);
}

static void half_open_peers_do_not_hinder_others(void **state)
{
    struct test_loop *test = *state;
    struct asker asker;
    struct echo echo;
    echo_start(&echo, test);
    enum { PEERS = 60 };
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++) {
        fds[i] = test_connect_to(echo.host, echo.port);
        if (i % 3 > 0)
            test_send(fds[i], sp_req, sizeof(sp_req));
        if (i % 3 > 1) {
            send_size(fds[i], 100);
            test_send(fds[i], "\x80\0\0\1half of it", 14);
        }
    }
    asker_start(&asker, test, echo.url, NJ_MIN);
    for (int i = 0; i < 20; i++)
        ask_and_hear(&asker, "during");
    for (int i = 0; i < PEERS; i++)
        test_close(fds[i]);
    ask_and_hear(&asker, "after");
    asker_close(&asker);
    echo_close(&echo);
}

static void dead_peers_of_a_replier_are_found_out_by_keepalive(void **state)
{
    struct test_loop *test = *state;
    struct echo echo;
    echo_start(&echo, test);
    int fd = test_connect_to(echo.host, echo.port);
    test_send(fd, sp_req, sizeof(sp_req));
    send_size(fd, 5);
    test_send(fd, "\x80\0\0\1x", 5);
    test_run_until_count(test, &echo.messages, 1); /* it is accepted now */
    struct sockaddr_in own = {0};
    socklen_t len = sizeof(own);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    bool found = false;
    for (int other = 0; other < 256 && !found; other++) {
        struct sockaddr_in peer = {0};
        len = sizeof(peer);
        int alive = 0;
        socklen_t alive_len = sizeof(alive);
        found = other != fd && getpeername(other, (struct sockaddr *)&peer, &len) == 0 &&
                peer.sin_port == own.sin_port &&
                getsockopt(other, SOL_SOCKET, SO_KEEPALIVE, &alive, &alive_len) == 0 && alive == 1;
    }
    assert_true(found);
    test_close(fd);
    echo_close(&echo);
}

static void a_peer_that_never_answers_the_handshake_is_silence(void **state)
{
    struct asker asker;
    int port = 0;
    int fd = test_listen(&port);
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
    asker_start(&asker, *state, url, 50 * NJ_MS);
    ask(&asker, "anybody?");
    test_run_until_count(*state, &asker.readies, 1);
    assert_int_equal(asker.timeouts, 1);
    asker_close(&asker);
    test_close(fd);
}

static void a_name_that_nobody_knows_is_silence(void **state)
{
    struct asker asker;
    /* A label of more than 63 characters: the resolver knows without asking anybody. */
    asker_start(&asker, *state,
                "tcp://nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.invalid:1",
                50 * NJ_MS);
    ask(&asker, "anybody?");
    test_run_until_count(*state, &asker.readies, 1);
    assert_int_equal(asker.timeouts, 1);
    asker_close(&asker);
}

static void closing_while_a_reply_is_awaited_is_quiet(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    echo.silent = true;
    asker_start(&asker, *state, echo.url, NJ_MIN);
    ask(&asker, "one");
    test_run_until_count(*state, &echo.messages, 1);
    asker_close_begin(&asker);
    assert_int_equal(nj_requester_send(asker.requester, "x", 1), -ESHUTDOWN);
    assert_int_equal(nj_replier_reply(echo.replier, &echo.kept[0], "late", 4), 0);
    test_run_until(*state, &asker.closed);
    assert_int_equal(asker.replies + asker.timeouts + asker.readies, 0);
    echo_close(&echo);
}

static void closing_from_callbacks(void **state)
{
    struct asker asker;
    struct echo echo;
    echo_start(&echo, *state);
    asker_start(&asker, *state, echo.url, NJ_MIN);
    asker.close_on_reply = true;
    ask(&asker, "one");
    test_run_until(*state, &asker.closed);
    assert_int_equal(asker.replies, 1);
    echo.silent = true;
    asker_start(&asker, *state, echo.url, 20 * NJ_MS);
    asker.close_on_timeout = true;
    ask(&asker, "two");
    test_run_until(*state, &asker.closed);
    assert_int_equal(asker.timeouts, 1);
    assert_int_equal(asker.readies, 0);
    echo_close(&echo);
}

static void an_idle_requester_lets_the_loop_end(void **state)
{
    struct test_loop *test = *state;
    struct asker asker;
    asker_start(&asker, test, "tcp://127.0.0.1:1", NJ_MIN);
    nj_loop_run(&test->loop);
    asker_close(&asker);
}

static void a_paused_replier_reads_nothing_and_loses_nothing(void **state)
{
    struct test_loop *test = *state;
    struct asker asker;
    struct echo echo;
    echo_start(&echo, test);
    asker_start(&asker, test, echo.url, NJ_MIN);
    ask_and_hear(&asker, "before");
    nj_replier_pause(echo.replier, true);
    ask(&asker, "waits");
    for (int i = 0; i < 20; i++)
        (void)uv_run(&test->loop.uv, UV_RUN_ONCE);
    assert_int_equal(echo.messages, 1);
    nj_replier_pause(echo.replier, false);
    test_run_until_count(test, &asker.replies, 2);
    asker_close(&asker);
    echo_close(&echo);
}

static void bad_addresses_are_refused(void **state)
{
    struct test_loop *test = *state;
    static const char *const bad[] = {"",
                                      "collector:7645",
                                      "http://127.0.0.1:80",
                                      "tcp://",
                                      "tcp://:7645",
                                      "tcp://collector",
                                      "tcp://collector:",
                                      "tcp://collector:0",
                                      "tcp://collector:65536",
                                      "tcp://collector:76x",
                                      "tcp://[::1:7645",
                                      "tcp://[]:7645",
                                      "tcp://[127.0.0.1]:7645",
                                      "tcp://::1:7645",
                                      "tcp://eth0;collector:7645",
                                      "ipc://"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct asker asker = {0};
        struct nj_requester_options options = asker_options(&asker, bad[i], NJ_SEC);
        struct nj_err err = {0};
        assert_int_equal(nj_requester_start(&test->loop, &options, &asker.requester, &err), -EINVAL);
        assert_null(asker.requester);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void an_address_in_use_is_told(void **state)
{
    struct test_loop *test = *state;
    int port = 0;
    int fd = test_listen(&port);
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
    const struct nj_replier_options options = {.url = url, .max_message_bytes = 1, .on_message = on_message};
    struct nj_replier *replier = NULL;
    struct nj_err err = {0};
    assert_int_equal(nj_replier_start(&test->loop, &options, &replier, &err), -EADDRINUSE);
    assert_null(replier);
    assert_non_null(strstr(err.text, url));
    test_close(fd);
}

static void a_thousand_requesters_leave_no_descriptor(void **state)
{
    struct test_loop *test = *state;
    struct echo echo;
    struct asker asker;
    echo_start(&echo, test);
    asker_start(&asker, test, echo.url, NJ_MIN);
    ask_and_hear(&asker, "one");
    asker_close(&asker);
    int before = test_count_fds();
    for (int i = 0; i < RECONNECTS; i++) {
        asker_start(&asker, test, echo.url, NJ_MIN);
        ask_and_hear(&asker, "one");
        asker_close(&asker);
    }
    /* The replier's side of the last ones is closed by nanomsg's thread: a later answer shows that it got
     * there. */
    asker_start(&asker, test, echo.url, NJ_MIN);
    ask_and_hear(&asker, "last");
    asker_close(&asker);
    assert_true(test_count_fds() <= before + 4);
    echo_close(&echo);
}

/* nanomsg has 512 sockets, of two descriptors each. */
static void when_sockets_run_out_it_is_told(void **state)
{
    struct test_loop *test = *state;
    static struct asker askers[SOCKETS_MAX + 1];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 4UL * SOCKETS_MAX)
        skip(); /* nanomsg does not bear to run out of descriptors first */
    struct nj_err err = {0};
    int count = 0;
    int rc = 0;
    for (; rc == 0 && count <= SOCKETS_MAX; count++) {
        askers[count] = (struct asker){.test = test};
        struct nj_requester_options options =
            asker_options(&askers[count], "ipc:///nonexistent/socket", NJ_MIN);
        rc = nj_requester_start(&test->loop, &options, &askers[count].requester, &err);
    }
    assert_int_equal(rc, -EMFILE);
    assert_non_null(strstr(err.text, "ipc:///nonexistent/socket"));
    const struct nj_replier_options options = {
        .url = "tcp://127.0.0.1:1", .max_message_bytes = 1, .on_message = on_message};
    struct nj_replier *replier = NULL;
    assert_int_equal(nj_replier_start(&test->loop, &options, &replier, &err), -EMFILE);
    assert_null(replier);
    for (int i = 0; i < count - 1; i++)
        asker_close_begin(&askers[i]);
    for (int i = 0; i < count - 1; i++)
        test_run_until(test, &askers[i].closed);
}

/* 200 requesters and their replier in one process. */
static int raise_fd_limit(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 4096)
        limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_request_is_answered),
        test_loop_case(names_and_ipv6_addresses_are_understood),
        test_loop_case(an_ipv6_replier_serves_both_families),
        test_loop_case(ipc_works_too),
        test_loop_case(one_request_at_a_time),
        test_loop_case(the_next_request_may_be_sent_from_the_reply),
        test_loop_case(many_requesters_share_one_replier),
        test_loop_case(a_request_waits_for_a_replier_that_comes_later),
        test_loop_case(a_request_is_sent_again_to_a_replier_that_restarted),
        test_loop_case(after_silence_the_connection_is_made_anew),
        test_loop_case(a_late_reply_is_never_taken_for_another_requests),
        test_loop_case(a_reply_that_comes_twice_is_taken_once),
        test_loop_case(a_message_beyond_the_bound_only_harms_its_sender),
        test_loop_case(a_reply_beyond_the_bound_is_silence),
        test_loop_case(garbage_on_a_connection_costs_only_that_connection),
        test_loop_case(a_message_with_several_hops_is_answered_along_its_route),
        test_loop_case(half_open_peers_do_not_hinder_others),
        test_loop_case(dead_peers_of_a_replier_are_found_out_by_keepalive),
        test_loop_case(a_peer_that_never_answers_the_handshake_is_silence),
        test_loop_case(a_name_that_nobody_knows_is_silence),
        test_loop_case(closing_while_a_reply_is_awaited_is_quiet),
        test_loop_case(closing_from_callbacks),
        test_loop_case(an_idle_requester_lets_the_loop_end),
        test_loop_case(a_paused_replier_reads_nothing_and_loses_nothing),
        test_loop_case(bad_addresses_are_refused),
        test_loop_case(an_address_in_use_is_told),
        test_loop_case(a_thousand_requesters_leave_no_descriptor),
        test_loop_case(when_sockets_run_out_it_is_told),
    };
    return cmocka_run_group_tests(tests, raise_fd_limit, NULL);
}
