#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop/http.h"
#include "tests/unit/loop/http_support.h"

static int refuse_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    (void)http_on_status(data, status, content_type, retry_after_ns);
    return -EACCES;
}

static void a_response_has_status_and_body(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){0}, "/path?q=1");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hello");
    assert_false(outcome.body_cut);
    assert_int_equal(outcome.retry_after_ns, -1);
    assert_non_null(strstr(setup.request, "GET /path?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "User-Agent: nightjar/"));
    assert_null(strstr(setup.request, "Accept-Encoding"));
    http_setup_end(&setup);
}

static void a_connection_is_used_again(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(http_fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    assert_int_equal(setup.server.connections, 1);
    http_setup_end(&setup);
}

static void an_idle_client_lets_the_loop_end(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    uv_unref((uv_handle_t *)&setup.server.listener);
    assert_int_equal(http_fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    bool closed = false;
    nj_http_close(setup.http, test_set_flag, &closed);
    nj_loop_run(&setup.test->loop);
    assert_true(closed);
    test_server_close(&setup.server);
}

static void methods_bodies_and_headers_arrive_as_given(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    const char *const headers[] = {"Content-Type: application/json", "Authorization: Bearer t0ken", NULL};
    struct http_outcome outcome = http_fetch(
        &setup,
        (struct nj_http_options){.method = "POST", .headers = headers, .body = "{\"a\":1}", .body_len = 7},
        "/");
    assert_int_equal(outcome.status, 200);
    assert_non_null(strstr(setup.request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(setup.request, "\r\nAuthorization: Bearer t0ken\r\n"));
    assert_non_null(strstr(setup.request, "\r\n\r\n{\"a\":1}"));

    (void)http_fetch(&setup, (struct nj_http_options){.method = "PATCH", .body = "x\0y", .body_len = 3}, "/");
    assert_non_null(strstr(setup.request, "PATCH / HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "\r\nContent-Length: 3\r\n"));
    assert_null(strstr(setup.request, "Content-Type"));

    (void)http_fetch(&setup, (struct nj_http_options){.method = "POST"}, "/");
    assert_non_null(strstr(setup.request, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(setup.request, "Content-Type"));

    (void)http_fetch(&setup, (struct nj_http_options){.method = "DELETE"}, "/");
    assert_non_null(strstr(setup.request, "DELETE / HTTP/1.1\r\n"));
    assert_null(strstr(setup.request, "Content-Length"));
    http_setup_end(&setup);
}

static void large_bodies_are_sent_without_waiting_for_leave(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    enum { LARGE = 60 * 1024 };
    char *body = calloc(1, LARGE);
    assert_non_null(body);
    memset(body, 'x', LARGE);
    struct http_outcome outcome =
        http_fetch(&setup, (struct nj_http_options){.method = "PUT", .body = body, .body_len = LARGE}, "/");
    free(body);
    assert_int_equal(outcome.status, 200);
    assert_null(strstr(setup.request, "Expect"));
    http_setup_end(&setup);
}

static void head_has_no_body(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){.method = "HEAD"}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.body_len, 0);
    assert_non_null(strstr(setup.request, "HEAD / HTTP/1.1\r\n"));
    http_setup_end(&setup);
}

static void a_file_is_sent_as_a_form(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    struct http_outcome outcome = http_fetch(
        &setup,
        (struct nj_http_options){
            .body = "last\nwords\n", .body_len = 11, .file_field = "media", .file_name = "web-1.log"},
        "/upload");
    assert_int_equal(outcome.error, 0);
    assert_non_null(strstr(setup.request, "POST /upload HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "\r\nContent-Type: multipart/form-data; boundary="));
    assert_non_null(
        strstr(setup.request, "Content-Disposition: form-data; name=\"media\"; filename=\"web-1.log\"\r\n"));
    assert_non_null(
        strstr(setup.request, "\r\nContent-Type: application/octet-stream\r\n\r\nlast\nwords\n\r\n"));
    http_setup_end(&setup);
}

static void any_status_is_a_result(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy";
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 503);
    assert_string_equal(outcome.body, "busy");
    assert_int_equal(outcome.retry_after_ns, 7 * NJ_SEC);
    setup.response = "HTTP/1.1 204 Nothing\r\n\r\n";
    outcome = http_fetch(&setup, (struct nj_http_options){.on_status = http_on_status}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 204);
    assert_int_equal(outcome.statuses, 1);
    http_setup_end(&setup);
}

static void a_body_longer_than_its_bound_is_cut(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){.max_body_bytes = 5}, "/");
    assert_string_equal(outcome.body, "hello");
    assert_false(outcome.body_cut);
    outcome = http_fetch(&setup, (struct nj_http_options){.max_body_bytes = 4}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hell");
    assert_true(outcome.body_cut);
    http_setup_end(&setup);
}

static void an_endless_body_ends_at_its_bound(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 200 OK\r\n\r\nfor ever and ever";
    struct http_outcome outcome = http_fetch(&setup, (struct nj_http_options){.max_body_bytes = 8}, "/");
    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.body, "for ever");
    assert_true(outcome.body_cut);
    http_setup_end(&setup);
}

static void stream_the_rest(struct http_outcome *outcome)
{
    if (outcome->pieces == 1)
        test_peer_send(http_streaming_peer, "3\r\ntwo\r\n");
    else if (outcome->pieces == 2)
        test_peer_send(http_streaming_peer, "0\r\nX-Trailer: 1\r\n\r\n");
}

static void a_stream_comes_in_pieces_after_its_status(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, http_stream_one);
    struct http_outcome outcome = {.on_piece = stream_the_rest};
    http_start(&setup, (struct nj_http_options){.on_status = http_on_status, .on_data = http_on_data}, "/",
               &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.statuses, 1);
    assert_string_equal(outcome.content_type, "text/event-stream");
    assert_int_equal(outcome.pieces, 2);
    assert_string_equal(outcome.body, "onetwo");
    http_setup_end(&setup);
}

static void cancel_self(struct http_outcome *outcome)
{
    nj_http_cancel(outcome->request);
    nj_http_cancel(outcome->request);
    assert_false(outcome->done);
}

static void a_stream_can_be_cancelled_from_its_data(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, http_stream_one);
    struct http_outcome outcome = {.on_piece = cancel_self};
    http_start(&setup, (struct nj_http_options){.on_data = http_on_data}, "/", &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, -ECANCELED);
    assert_int_equal(outcome.pieces, 1);
    assert_int_equal(outcome.status, 200);
    http_setup_end(&setup);
}

static void what_a_callback_returns_ends_the_request(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    struct http_outcome outcome = {.stop_with = -EBADMSG};
    http_start(&setup, (struct nj_http_options){.on_data = http_on_data}, "/", &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, -EBADMSG);

    outcome = http_fetch(&setup,
                         (struct nj_http_options){.on_status = refuse_status, .on_data = http_on_data}, "/");
    assert_int_equal(outcome.error, -EACCES);
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.pieces, 0);
    http_setup_end(&setup);
}

static void cancelling_ends_waiting_and_running_requests(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 1, http_stay_silent);
    struct http_outcome running = {0};
    struct http_outcome waiting = {0};
    http_start(&setup, (struct nj_http_options){0}, "/", &running);
    http_start(&setup, (struct nj_http_options){0}, "/", &waiting);
    test_run_until_count(setup.test, &setup.server.requests, 1);
    nj_http_cancel(waiting.request);
    nj_http_cancel(running.request);
    assert_false(waiting.done || running.done);
    test_run_until(setup.test, &running.done);
    test_run_until(setup.test, &waiting.done);
    assert_int_equal(running.error, -ECANCELED);
    assert_int_equal(waiting.error, -ECANCELED);
    assert_int_equal(setup.server.requests, 1);

    struct http_outcome at_once = {0};
    http_start(&setup, (struct nj_http_options){0}, "/", &at_once);
    nj_http_cancel(at_once.request);
    test_run_until(setup.test, &at_once.done);
    assert_int_equal(at_once.error, -ECANCELED);
    http_setup_end(&setup);
}

static void cancel_other(struct http_outcome *outcome)
{
    nj_http_cancel(outcome->setup->other);
}

static void stream_or_stay_silent(struct test_peer *peer)
{
    if (strstr(peer->request, "GET /stream ") != NULL)
        test_peer_answer(peer, "data", false);
}

static void a_callback_may_cancel_another_request(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, stream_or_stay_silent);
    struct http_outcome silent = {0};
    http_start(&setup, (struct nj_http_options){0}, "/silent", &silent);
    setup.other = silent.request;
    struct http_outcome stream = {.on_piece = cancel_other};
    http_start(&setup, (struct nj_http_options){.on_data = http_on_data}, "/stream", &stream);
    test_run_until(setup.test, &silent.done);
    test_run_until(setup.test, &stream.done);
    assert_int_equal(silent.error, -ECANCELED);
    assert_int_equal(stream.error, 0);
    http_setup_end(&setup);
}

static struct http_outcome second_of_two; /* of the one test that starts a request from a callback */

static void start_second(struct http_outcome *outcome)
{
    if (second_of_two.request == NULL)
        http_start(outcome->setup, (struct nj_http_options){0}, "/second", &second_of_two);
}

static void a_callback_may_start_a_request(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    second_of_two = (struct http_outcome){0};
    struct http_outcome first = {.on_piece = start_second};
    http_start(&setup, (struct nj_http_options){.on_data = http_on_data}, "/first", &first);
    test_run_until(setup.test, &first.done);
    test_run_until(setup.test, &second_of_two.done);
    assert_int_equal(second_of_two.error, 0);
    http_setup_end(&setup);
}

static void close_client(struct http_outcome *outcome)
{
    nj_http_close(outcome->setup->http, test_set_flag, &outcome->setup->http_closed);
}

static void closing_from_a_callback_cancels_everything(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, stream_or_stay_silent);
    struct http_outcome silent = {0};
    struct http_outcome stream = {.on_piece = close_client};
    http_start(&setup, (struct nj_http_options){0}, "/silent", &silent);
    http_start(&setup, (struct nj_http_options){.on_data = http_on_data}, "/stream", &stream);
    test_run_until(setup.test, &setup.http_closed);
    assert_int_equal(silent.error, -ECANCELED);
    assert_int_equal(stream.error, -ECANCELED);
    test_server_close(&setup.server);
}

static void starting_on_a_closed_client_is_refused(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    nj_http_close(setup.http, test_set_flag, &setup.http_closed);
    struct nj_http_options options = {.url = "http://127.0.0.1/", .on_done = http_on_done};
    struct nj_err err = {0};
    assert_int_equal(nj_http_start(setup.http, &options, NULL, &err), -ESHUTDOWN);
    test_run_until(setup.test, &setup.http_closed);
    test_server_close(&setup.server);
}

static void redirect(struct test_peer *peer)
{
    struct http_setup *setup = peer->server->data;
    (void)snprintf(setup->request, sizeof(setup->request), "%.*s", TEXT_MAX - 1, peer->request);
    int left = 0;
    char response[URL_MAX];
    if (strncmp(peer->request, "GET /", 5) == 0)
        left = (int)strtol(peer->request + 5, NULL, 10);
    if (left == 0) {
        test_peer_answer(peer, "arrived", false);
        return;
    }
    (void)snprintf(response, sizeof(response),
                   "HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 4\r\n\r\nmove", left - 1);
    test_peer_send(peer, response);
}

static void redirects_are_followed_when_wanted_and_bounded(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, redirect);
    struct nj_http_options follow = {
        .follow_redirects = true, .on_status = http_on_status, .on_data = http_on_data};
    struct http_outcome outcome = http_fetch(&setup, follow, "/5");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "arrived");
    outcome = http_fetch(&setup, follow, "/6");
    assert_int_equal(outcome.error, -ELOOP);
    assert_int_equal(outcome.statuses, 0);
    outcome = http_fetch(&setup, (struct nj_http_options){0}, "/1");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 302);
    assert_string_equal(outcome.body, "move");
    http_setup_end(&setup);
}

static void credentials_are_not_taken_along_on_a_redirect(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, redirect);
    const char *const headers[] = {"authorization: Bearer t0ken", NULL};
    struct http_outcome outcome =
        http_fetch(&setup, (struct nj_http_options){.follow_redirects = true, .headers = headers}, "/1");
    assert_int_equal(outcome.status, 302);
    assert_non_null(strstr(setup.request, "GET /1 "));
    http_setup_end(&setup);
}

static void redirects_lead_to_http_only(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    static const char *const places[] = {"file:///etc/passwd", "ftp://127.0.0.1/x?key=k",
                                         "gopher://127.0.0.1/"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char response[URL_MAX];
        (void)snprintf(response, sizeof(response),
                       "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", places[i]);
        setup.response = response;
        struct http_outcome outcome =
            http_fetch(&setup, (struct nj_http_options){.follow_redirects = true}, "/");
        assert_int_equal(outcome.error, -EPROTO);
        assert_null(strstr(outcome.text, "key"));
        assert_int_equal(outcome.body_len, 0);
    }
    http_setup_end(&setup);
}

static void bad_options_are_refused_at_once(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 4, NULL);
    const char *const two_lines[] = {"X-A: 1\r\nX-B: 2", NULL};
    const char *const no_colon[] = {"X-A", NULL};
    const struct nj_http_tls both = {.ca_file = "/ca.pem", .ca_pem = "-----BEGIN"};
    const struct nj_http_options bad[] = {
        {.url = NULL},
        {.url = ""},
        {.url = "127.0.0.1"},
        {.url = "http://"},
        {.url = "http://a b/"},
        {.url = "http://127.0.0.1:99999/"},
        {.url = "file:///etc/passwd"},
        {.url = "ftp://127.0.0.1/"},
        {.url = "http://127.0.0.1/", .method = "GET / HTTP/1.1\r\nX: "},
        {.url = "http://127.0.0.1/", .method = ""},
        {.url = "http://127.0.0.1/", .headers = two_lines},
        {.url = "http://127.0.0.1/?key=s3cret", .headers = no_colon},
        {.url = "https://127.0.0.1/", .tls = &both},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nj_err err = {0};
        struct nj_http_request *request = NULL;
        assert_int_equal(nj_http_start(setup.http, &bad[i], &request, &err), -EINVAL);
        assert_null(request);
        assert_int_equal(err.code, -EINVAL);
        assert_string_not_equal(err.text, "");
        assert_null(strstr(err.text, "s3cret"));
    }
    assert_int_equal(setup.server.connections, 0);
    http_setup_end(&setup);
}

static void no_more_connections_than_allowed_and_none_starves(void **state)
{
    struct http_setup setup;
    http_setup_start(&setup, state, 3, NULL);
    enum { REQUESTS = 60 };
    static struct http_outcome outcomes[REQUESTS];
    int done = 0;
    for (int i = 0; i < REQUESTS; i++) {
        outcomes[i] = (struct http_outcome){.done_count = &done};
        http_start(&setup, (struct nj_http_options){0}, "/", &outcomes[i]);
    }
    test_run_until_count(setup.test, &done, REQUESTS);
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(outcomes[i].error, 0);
    assert_true(setup.server.connections_open_max <= 3);
    http_setup_end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_response_has_status_and_body),
        test_loop_case(a_connection_is_used_again),
        test_loop_case(an_idle_client_lets_the_loop_end),
        test_loop_case(methods_bodies_and_headers_arrive_as_given),
        test_loop_case(large_bodies_are_sent_without_waiting_for_leave),
        test_loop_case(head_has_no_body),
        test_loop_case(a_file_is_sent_as_a_form),
        test_loop_case(any_status_is_a_result),
        test_loop_case(a_body_longer_than_its_bound_is_cut),
        test_loop_case(an_endless_body_ends_at_its_bound),
        test_loop_case(a_stream_comes_in_pieces_after_its_status),
        test_loop_case(a_stream_can_be_cancelled_from_its_data),
        test_loop_case(what_a_callback_returns_ends_the_request),
        test_loop_case(cancelling_ends_waiting_and_running_requests),
        test_loop_case(a_callback_may_cancel_another_request),
        test_loop_case(a_callback_may_start_a_request),
        test_loop_case(closing_from_a_callback_cancels_everything),
        test_loop_case(starting_on_a_closed_client_is_refused),
        test_loop_case(redirects_are_followed_when_wanted_and_bounded),
        test_loop_case(credentials_are_not_taken_along_on_a_redirect),
        test_loop_case(redirects_lead_to_http_only),
        test_loop_case(bad_options_are_refused_at_once),
        test_loop_case(no_more_connections_than_allowed_and_none_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
