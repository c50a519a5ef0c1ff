/* Connections without HTTP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/loop/http_support.h"

struct bare {
    struct http_outcome outcome;
    const char *greeting;
    bool cancels;
    int connected;
    int sent; /* nj_http_send()'s */
};

static void on_connected(void *data, struct nj_http_request *request)
{
    struct bare *bare = data;
    bare->connected++;
    if (bare->greeting != NULL)
        bare->sent = nj_http_send(request, bare->greeting, strlen(bare->greeting));
    if (bare->cancels)
        nj_http_cancel(request);
}

static void run(struct http_setup *setup, struct bare *bare, struct nj_http_options options)
{
    options.on_connected = on_connected;
    options.on_data = http_on_data;
    http_start(setup, options, "/", &bare->outcome);
    assert_int_equal(nj_http_send(bare->outcome.request, "early", 5), -ENOTCONN);
    test_run_until(setup->test, &bare->outcome.done);
}

static void echo(struct test_peer *peer)
{
    test_peer_send(peer, "you said: ");
    test_peer_send(peer, peer->request);
    test_peer_answer(peer, "", true);
}

static void reset(struct test_peer *peer)
{
    test_peer_reset(peer);
}

static void what_is_sent_arrives_and_what_comes_is_told_until_the_peer_closes(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 2, echo);
    struct bare bare = {.greeting = "HELO me\r\n\r\n"};
    run(&setup, &bare, (struct nj_http_options){0});
    assert_int_equal(bare.outcome.error, 0);
    assert_int_equal(bare.connected, 1);
    assert_int_equal(bare.sent, 0);
    assert_true(bare.outcome.maybe_sent);
    assert_non_null(strstr(bare.outcome.body, "you said: HELO me\r\n\r\n"));
    http_setup_end(&setup);
}

static void what_was_sent_goes_out_even_when_nobody_waits_for_more(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 1, http_stay_silent);
    struct bare bare = {.greeting = "bye\r\n\r\n", .cancels = true};
    run(&setup, &bare, (struct nj_http_options){0});
    assert_int_equal(bare.outcome.error, -ECANCELED);
    test_run_until_count(setup.test, &setup.server.requests, 1);
    http_setup_end(&setup);
}

static void a_reset_a_silence_and_a_refusal_are_errors(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 1, reset);
    struct bare bare = {.greeting = "x\r\n\r\n"};
    run(&setup, &bare, (struct nj_http_options){0});
    assert_int_equal(bare.outcome.error, -ECONNRESET);
    struct bare silent = {.connected = 0};
    run(&setup, &silent, (struct nj_http_options){.timeout_ns = 100 * NJ_MS});
    assert_int_equal(silent.connected, 1);
    assert_int_equal(silent.outcome.error, -ETIMEDOUT);
    struct bare refused = {.connected = 0};
    char url[URL_MAX];
    int port = 0;
    test_close(test_listen(&port));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    run(&setup, &refused, (struct nj_http_options){.url = url});
    assert_int_equal(refused.connected, 0);
    assert_int_equal(refused.outcome.error, -ECONNREFUSED);
    http_setup_end(&setup);
}

static void a_request_that_makes_no_sense_is_refused(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 1, NULL);
    const struct nj_http_options deaf = {
        .url = "http://127.0.0.1:1", .on_connected = on_connected, .on_done = http_on_done};
    assert_int_equal(nj_http_start(setup.http, &deaf, NULL, NULL), -EINVAL);
    const struct sockaddr local = {.sa_family = AF_UNIX};
    const struct nj_http_options nowhere = {
        .url = "http://127.0.0.1:1", .address = &local, .on_done = http_on_done};
    assert_int_equal(nj_http_start(setup.http, &nowhere, NULL, NULL), -EINVAL);
    http_setup_end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(what_is_sent_arrives_and_what_comes_is_told_until_the_peer_closes),
        test_loop_case(what_was_sent_goes_out_even_when_nobody_waits_for_more),
        test_loop_case(a_reset_a_silence_and_a_refusal_are_errors),
        test_loop_case(a_request_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
