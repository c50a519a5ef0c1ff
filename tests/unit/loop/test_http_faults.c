#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop/http.h"
#include "common/loop/http_easy.h"
#include "tests/unit/loop/http_support.h"

enum { RECONNECTS = 1000 };

static void a_refused_connection_names_host_and_phase_but_no_secret(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    int port = 0;
    int fd = test_refuse(&port);
    char url[URL_MAX];
    char wanted[URL_MAX];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/cgi/s3cret?key=s3cret", port);
    (void)snprintf(wanted, sizeof(wanted), "POST http://127.0.0.1:%d: connect: connection refused", port);
    struct http_outcome outcome =
        http_fetch(&setup, (struct nj_http_options){.url = url, .method = "POST"}, NULL);
    assert_int_equal(outcome.error, -ECONNREFUSED);
    assert_string_equal(outcome.text, wanted);
    assert_int_equal(outcome.status, 0);
    assert_false(outcome.maybe_sent);
    test_close(fd);
    http_setup_end(&setup);
}

static void reset_after_the_request(struct test_peer *peer)
{
    test_peer_reset(peer);
}

static void no_answer(struct test_peer *peer)
{
    (void)peer;
}

/* A message may be told again only when it is certain that nobody had it. */
static void a_request_that_left_and_was_not_answered_is_told_from_one_that_did_not_leave(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, reset_after_the_request);
    const struct nj_http_options post = {.method = "POST", .body = "x", .body_len = 1};
    struct http_outcome outcome = http_fetch(&setup, post, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_true(outcome.maybe_sent);

    setup.server.on_request = no_answer;
    struct nj_http_options impatient = post;
    impatient.timeout_ns = 50 * NJ_MS;
    outcome = http_fetch(&setup, impatient, "/");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_true(outcome.maybe_sent);

    /* A TLS handshake with a server that speaks none. */
    setup.server.on_request = reset_after_the_request;
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", setup.server.port);
    struct nj_http_options tls = {.url = url, .method = "POST", .timeout_ns = 200 * NJ_MS};
    outcome = http_fetch(&setup, tls, NULL);
    assert_true(outcome.error < 0);
    assert_false(outcome.maybe_sent);

    setup.server.on_request = http_answer;
    outcome = http_fetch(&setup, post, "/");
    assert_int_equal(outcome.error, 0);
    assert_true(outcome.maybe_sent);
    http_setup_end(&setup);
}

/* Answers the first, takes the second on the same connection and ends it. */
static void end_the_kept_connection(struct test_peer *peer)
{
    if (peer->server->requests == 1)
        test_peer_answer(peer, "first", false);
    else
        test_peer_close(peer);
}

static void a_request_that_wants_a_fresh_connection_never_leaves_twice(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, end_the_kept_connection);
    const struct nj_http_options post = {
        .method = "POST", .body = "x", .body_len = 1, .fresh_connection = true};
    struct http_outcome outcome = http_fetch(&setup, post, "/");
    assert_int_equal(outcome.error, 0);
    outcome = http_fetch(&setup, post, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_true(outcome.maybe_sent);
    assert_int_equal(setup.server.requests, 2);
    assert_int_equal(setup.server.connections, 2);

    /* What the setting is for: on a kept connection libcurl sends the second request again. */
    setup.server.requests = 0;
    struct nj_http_options kept = post;
    kept.fresh_connection = false;
    (void)http_fetch(&setup, kept, "/");
    outcome = http_fetch(&setup, kept, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(setup.server.requests, 3);
    http_setup_end(&setup);
}

static void an_unknown_name_is_told(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    /* A label of more than 63 characters: the resolver knows without asking anybody. */
    const char *url =
        "http://nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.invalid/?key=k";
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){.url = url}, NULL);
    assert_int_equal(outcome.error, -EHOSTUNREACH);
    assert_non_null(strstr(outcome.text, ": name lookup: "));
    assert_null(strstr(outcome.text, "key"));
    http_setup_end(&setup);
}

static void a_name_lookup_can_be_cancelled(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    for (int i = 0; i < 20; i++) {
        struct http_outcome outcome = {0};
        http_start(&setup, (struct nj_http_options){.url = "http://localhost:1/"}, NULL, &outcome);
        for (int turns = 0; turns < i; turns++)
            (void)uv_run(&setup.test->loop.uv, UV_RUN_NOWAIT);
        if (!outcome.done)
            nj_http_cancel(outcome.request);
        test_run_until(setup.test, &outcome.done);
    }
    http_setup_end(&setup);
}

static void reset_in_the_body(struct test_peer *peer)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)head, sizeof(head) - 1);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1), sizeof(head) - 1);
    test_peer_reset(peer);
}

static void end_in_the_body(struct test_peer *peer)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)head, sizeof(head) - 1);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1), sizeof(head) - 1);
    test_peer_close(peer);
}

static void a_connection_that_breaks_in_the_body_is_an_error(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, reset_in_the_body);
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){0}, "/?key=k");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_null(strstr(outcome.text, "key"));
    setup.server.on_request = end_in_the_body;
    outcome = http_fetch(&setup, (struct nj_http_options){.on_data = http_on_data}, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "some");
    assert_non_null(strstr(outcome.text, ": response: "));
    setup.server.on_request = test_peer_close;
    outcome = http_fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(outcome.status, 0);
    http_setup_end(&setup);
}

static void what_is_not_http_is_an_error(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    setup.response = "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n";
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EPROTO);
    setup.response = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n";
    outcome = http_fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EPROTO);
    http_setup_end(&setup);
}

static void send_headers_for_ever(struct test_peer *peer)
{
    test_peer_send(peer, "HTTP/1.1 200 OK\r\n");
    char line[1100];
    (void)snprintf(line, sizeof(line), "X-Long: %01080d\r\n", 0);
    for (int i = 0; i < 300; i++)
        test_peer_send(peer, line);
}

static void endless_headers_are_refused(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, send_headers_for_ever);
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EMSGSIZE);
    http_setup_end(&setup);
}

static void headers_before_the_final_ones_are_not_told(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    setup.response =
        "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct http_outcome outcome =
        http_fetch(&setup, (struct nj_http_options){.on_status = http_on_status}, "/");
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.retry_after_ns, -1);
    http_setup_end(&setup);
}

static void silence_ends_with_the_idle_timeout(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, http_stay_silent);
    struct http_outcome outcome =
        http_fetch(&setup, (struct nj_http_options){.idle_timeout_ns = 30 * NJ_MS}, "/?key=k");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_null(strstr(outcome.text, "key"));
    assert_non_null(strstr(outcome.text, "no answer in time"));
    setup.server.on_request = http_stream_one;
    outcome = http_fetch(
        &setup, (struct nj_http_options){.idle_timeout_ns = 30 * NJ_MS, .on_data = http_on_data}, "/");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_string_equal(outcome.body, "one");
    http_setup_end(&setup);
}

static void send_chunk(uv_timer_t *timer)
{
    struct test_peer *peer = timer->data;
    test_peer_send(peer, "1\r\n.\r\n");
}

/* Many pieces, each sooner than the idle timeout, together longer. */
static void an_active_stream_outlives_its_idle_timeout(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, http_stream_one);
    struct http_outcome outcome = {0};
    http_start(&setup, (struct nj_http_options){.idle_timeout_ns = NJ_SEC, .on_data = http_on_data}, "/",
               &outcome);
    test_run_until_count(setup.test, &outcome.pieces, 1);
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(&setup.test->loop.uv, &timer), 0);
    timer.data = http_streaming_peer;
    assert_int_equal(uv_timer_start(&timer, send_chunk, 50, 50), 0);
    test_run_until_count(setup.test, &outcome.pieces, 30);
    assert_false(outcome.done);
    uv_close((uv_handle_t *)&timer, NULL);
    nj_http_cancel(outcome.request);
    test_run_until(setup.test, &outcome.done);
    http_setup_end(&setup);
}

static void the_whole_time_is_bounded_also_while_waiting_for_a_connection(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 1, http_stay_silent);
    struct http_outcome running = {0};
    struct http_outcome waiting = {0};
    http_start(&setup, (struct nj_http_options){0}, "/", &running);
    http_start(&setup, (struct nj_http_options){.timeout_ns = 20 * NJ_MS}, "/", &waiting);
    test_run_until(setup.test, &waiting.done);
    assert_int_equal(waiting.error, -ETIMEDOUT);
    assert_non_null(strstr(waiting.text, "wait for a free connection"));
    assert_false(running.done);
    nj_http_cancel(running.request);
    test_run_until(setup.test, &running.done);
    struct http_outcome bounded = http_fetch(&setup, (struct nj_http_options){.timeout_ns = 20 * NJ_MS}, "/");
    assert_int_equal(bounded.error, -ETIMEDOUT);
    http_setup_end(&setup);
}

static void answer_and_close(struct test_peer *peer)
{
    test_peer_answer(peer, "bye", true);
}

static void a_thousand_connections_leave_no_descriptor(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, answer_and_close);
    assert_int_equal(http_fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    test_run_some(setup.test);
    int before = test_count_fds();
    for (int i = 0; i < RECONNECTS; i++)
        assert_int_equal(http_fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    test_run_some(setup.test);
    assert_true(test_count_fds() <= before + 1); /* the last may not have been closed by both sides yet */
    assert_int_equal(setup.server.connections, RECONNECTS + 1);
    http_setup_end(&setup);
}

static void a_thousand_refused_connections_leave_no_descriptor(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    int port = 0;
    int fd = test_refuse(&port);
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    int before = test_count_fds();
    for (int i = 0; i < RECONNECTS; i++)
        assert_int_equal(http_fetch(&setup, (struct nj_http_options){.url = url}, NULL).error, -ECONNREFUSED);
    assert_int_equal(test_count_fds(), before);
    test_close(fd);
    http_setup_end(&setup);
}

static int64_t retry_after(const char *value)
{
    return nj_http_retry_after_ns(value, strlen(value), 1700000000);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    assert_int_equal(retry_after("120"), 120 * NJ_SEC);
    assert_int_equal(retry_after(" 0\r\n"), 0);
    assert_int_equal(retry_after("Tue, 14 Nov 2023 22:13:50 GMT"), 30 * NJ_SEC);
    assert_int_equal(retry_after("Tue, 14 Nov 2023 22:13:10 GMT"), 0);
    assert_int_equal(retry_after("Tue, 14 Nov 2034 22:13:10 GMT"), NJ_DAY);
    assert_int_equal(retry_after("99999999999999999999"), NJ_DAY);
    assert_int_equal(retry_after(""), -1);
    assert_int_equal(retry_after("soon"), -1);
    assert_int_equal(retry_after("-5"), -1);
    assert_int_equal(retry_after("1.5"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_refused_connection_names_host_and_phase_but_no_secret),
        test_loop_case(a_request_that_left_and_was_not_answered_is_told_from_one_that_did_not_leave),
        test_loop_case(a_request_that_wants_a_fresh_connection_never_leaves_twice),
        test_loop_case(an_unknown_name_is_told),
        test_loop_case(a_name_lookup_can_be_cancelled),
        test_loop_case(a_connection_that_breaks_in_the_body_is_an_error),
        test_loop_case(what_is_not_http_is_an_error),
        test_loop_case(endless_headers_are_refused),
        test_loop_case(headers_before_the_final_ones_are_not_told),
        test_loop_case(silence_ends_with_the_idle_timeout),
        test_loop_case(an_active_stream_outlives_its_idle_timeout),
        test_loop_case(the_whole_time_is_bounded_also_while_waiting_for_a_connection),
        test_loop_case(a_thousand_connections_leave_no_descriptor),
        test_loop_case(a_thousand_refused_connections_leave_no_descriptor),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
