#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop/http.h"
#include "tests/unit/loop/server.h"

enum { URL_MAX = 256, TEXT_MAX = 4096, RECONNECTS = 1000 };

struct setup {
    struct test_loop *test;
    struct test_server server;
    struct nj_http *http;
    bool http_closed;
    const char *response;   /* sent as it is; NULL: see on_request */
    char request[TEXT_MAX]; /* the last */
    struct nj_http_request *other;
};

/* What one request came to. */
struct outcome {
    struct setup *setup;
    struct nj_http_request *request;
    bool done;
    int error;
    char text[NJ_ERR_TEXT_MAX];
    long status;
    int64_t retry_after_ns;
    char body[TEXT_MAX];
    size_t body_len;
    bool body_cut, maybe_sent;
    int statuses, pieces;
    char content_type[64];
    int stop_with; /* returned by on_data */
    void (*on_piece)(struct outcome *outcome);
    int *done_count;
};

static void on_request(struct test_peer *peer)
{
    struct setup *setup = peer->server->data;
    (void)snprintf(setup->request, sizeof(setup->request), "%.*s", TEXT_MAX - 1, peer->request);
    if (setup->response != NULL)
        test_peer_send(peer, setup->response);
    else
        test_peer_answer(peer, "hello", false);
}

static void setup_start(struct setup *setup, void **state, long max_connections,
                        void (*answer)(struct test_peer *peer))
{
    *setup = (struct setup){.test = *state};
    test_server_start(&setup->server, setup->test, answer == NULL ? on_request : answer, setup);
    setup->http = nj_http_new(&setup->test->loop, max_connections);
    assert_non_null(setup->http);
}

static void setup_end(struct setup *setup)
{
    nj_http_close(setup->http, test_set_flag, &setup->http_closed);
    test_run_until(setup->test, &setup->http_closed);
    test_server_close(&setup->server);
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct outcome *outcome = data;
    assert_false(outcome->done);
    outcome->done = true;
    outcome->error = result->error;
    outcome->status = result->status;
    outcome->retry_after_ns = result->retry_after_ns;
    outcome->body_cut = result->body_cut;
    outcome->maybe_sent = result->maybe_sent;
    assert_int_equal(result->body[result->body_len], '\0');
    if (outcome->body_len == 0 && result->body_len > 0) {
        outcome->body_len = result->body_len;
        (void)snprintf(outcome->body, sizeof(outcome->body), "%s", result->body);
    }
    if (result->error != 0) {
        assert_int_equal(result->err.code, result->error);
        (void)snprintf(outcome->text, sizeof(outcome->text), "%s", result->err.text);
    }
    if (outcome->done_count != NULL)
        ++*outcome->done_count;
}

static int on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct outcome *outcome = data;
    outcome->statuses++;
    assert_int_equal(outcome->pieces, 0);
    outcome->status = status;
    outcome->retry_after_ns = retry_after_ns;
    (void)snprintf(outcome->content_type, sizeof(outcome->content_type), "%s",
                   content_type == NULL ? "" : content_type);
    return 0;
}

static int refuse_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    (void)on_status(data, status, content_type, retry_after_ns);
    return -EACCES;
}

static int on_data(void *data, const char *bytes, size_t len)
{
    struct outcome *outcome = data;
    assert_false(outcome->done);
    outcome->pieces++;
    assert_true(outcome->body_len + len < sizeof(outcome->body));
    memcpy(outcome->body + outcome->body_len, bytes, len);
    outcome->body_len += len;
    if (outcome->on_piece != NULL)
        outcome->on_piece(outcome);
    return outcome->stop_with;
}

static void start(struct setup *setup, struct nj_http_options options, const char *path,
                  struct outcome *outcome)
{
    char url[URL_MAX];
    if (options.url == NULL) {
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", setup->server.port, path);
        options.url = url;
    }
    outcome->setup = setup;
    options.data = outcome;
    options.on_done = on_done;
    struct nj_err err = {0};
    assert_int_equal(nj_http_start(setup->http, &options, &outcome->request, &err), 0);
    assert_string_equal(err.text, "");
    assert_false(outcome->done);
}

static struct outcome fetch(struct setup *setup, struct nj_http_options options, const char *path)
{
    struct outcome outcome = {0};
    start(setup, options, path, &outcome);
    test_run_until(setup->test, &outcome.done);
    return outcome;
}

static void a_response_has_status_and_body(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    struct outcome outcome = fetch(&setup, (struct nj_http_options){0}, "/path?q=1");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hello");
    assert_false(outcome.body_cut);
    assert_int_equal(outcome.retry_after_ns, -1);
    assert_non_null(strstr(setup.request, "GET /path?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "User-Agent: nightjar/"));
    assert_null(strstr(setup.request, "Accept-Encoding"));
    setup_end(&setup);
}

static void a_connection_is_used_again(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    assert_int_equal(setup.server.connections, 1);
    setup_end(&setup);
}

static void an_idle_client_lets_the_loop_end(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    uv_unref((uv_handle_t *)&setup.server.listener);
    assert_int_equal(fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    bool closed = false;
    nj_http_close(setup.http, test_set_flag, &closed);
    nj_loop_run(&setup.test->loop);
    assert_true(closed);
    test_server_close(&setup.server);
}

static void methods_bodies_and_headers_arrive_as_given(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    const char *const headers[] = {"Content-Type: application/json", "Authorization: Bearer t0ken", NULL};
    struct outcome outcome = fetch(
        &setup,
        (struct nj_http_options){.method = "POST", .headers = headers, .body = "{\"a\":1}", .body_len = 7},
        "/");
    assert_int_equal(outcome.status, 200);
    assert_non_null(strstr(setup.request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(setup.request, "\r\nAuthorization: Bearer t0ken\r\n"));
    assert_non_null(strstr(setup.request, "\r\n\r\n{\"a\":1}"));

    (void)fetch(&setup, (struct nj_http_options){.method = "PATCH", .body = "x\0y", .body_len = 3}, "/");
    assert_non_null(strstr(setup.request, "PATCH / HTTP/1.1\r\n"));
    assert_non_null(strstr(setup.request, "\r\nContent-Length: 3\r\n"));
    assert_null(strstr(setup.request, "Content-Type"));

    (void)fetch(&setup, (struct nj_http_options){.method = "POST"}, "/");
    assert_non_null(strstr(setup.request, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(setup.request, "Content-Type"));

    (void)fetch(&setup, (struct nj_http_options){.method = "DELETE"}, "/");
    assert_non_null(strstr(setup.request, "DELETE / HTTP/1.1\r\n"));
    assert_null(strstr(setup.request, "Content-Length"));
    setup_end(&setup);
}

static void large_bodies_are_sent_without_waiting_for_leave(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    enum { LARGE = 60 * 1024 };
    char *body = calloc(1, LARGE);
    assert_non_null(body);
    memset(body, 'x', LARGE);
    struct outcome outcome =
        fetch(&setup, (struct nj_http_options){.method = "PUT", .body = body, .body_len = LARGE}, "/");
    free(body);
    assert_int_equal(outcome.status, 200);
    assert_null(strstr(setup.request, "Expect"));
    setup_end(&setup);
}

static void head_has_no_body(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.method = "HEAD"}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.body_len, 0);
    assert_non_null(strstr(setup.request, "HEAD / HTTP/1.1\r\n"));
    setup_end(&setup);
}

static void a_file_is_sent_as_a_form(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    struct outcome outcome =
        fetch(&setup,
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
    setup_end(&setup);
}

static void any_status_is_a_result(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 503);
    assert_string_equal(outcome.body, "busy");
    assert_int_equal(outcome.retry_after_ns, 7 * NJ_SEC);
    setup.response = "HTTP/1.1 204 Nothing\r\n\r\n";
    outcome = fetch(&setup, (struct nj_http_options){.on_status = on_status}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 204);
    assert_int_equal(outcome.statuses, 1);
    setup_end(&setup);
}

static void a_body_longer_than_its_bound_is_cut(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.max_body_bytes = 5}, "/");
    assert_string_equal(outcome.body, "hello");
    assert_false(outcome.body_cut);
    outcome = fetch(&setup, (struct nj_http_options){.max_body_bytes = 4}, "/");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hell");
    assert_true(outcome.body_cut);
    setup_end(&setup);
}

static void an_endless_body_ends_at_its_bound(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    setup.response = "HTTP/1.1 200 OK\r\n\r\nfor ever and ever";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.max_body_bytes = 8}, "/");
    assert_int_equal(outcome.error, 0);
    assert_string_equal(outcome.body, "for ever");
    assert_true(outcome.body_cut);
    setup_end(&setup);
}

static struct test_peer *streaming_peer; /* of the one streaming test that runs */

static void stream_one(struct test_peer *peer)
{
    streaming_peer = peer;
    test_peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
}

static void stream_the_rest(struct outcome *outcome)
{
    if (outcome->pieces == 1)
        test_peer_send(streaming_peer, "3\r\ntwo\r\n");
    else if (outcome->pieces == 2)
        test_peer_send(streaming_peer, "0\r\nX-Trailer: 1\r\n\r\n");
}

static void a_stream_comes_in_pieces_after_its_status(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, stream_one);
    struct outcome outcome = {.on_piece = stream_the_rest};
    start(&setup, (struct nj_http_options){.on_status = on_status, .on_data = on_data}, "/", &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.statuses, 1);
    assert_string_equal(outcome.content_type, "text/event-stream");
    assert_int_equal(outcome.pieces, 2);
    assert_string_equal(outcome.body, "onetwo");
    setup_end(&setup);
}

static void cancel_self(struct outcome *outcome)
{
    nj_http_cancel(outcome->request);
    nj_http_cancel(outcome->request);
    assert_false(outcome->done);
}

static void a_stream_can_be_cancelled_from_its_data(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, stream_one);
    struct outcome outcome = {.on_piece = cancel_self};
    start(&setup, (struct nj_http_options){.on_data = on_data}, "/", &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, -ECANCELED);
    assert_int_equal(outcome.pieces, 1);
    assert_int_equal(outcome.status, 200);
    setup_end(&setup);
}

static void what_a_callback_returns_ends_the_request(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    struct outcome outcome = {.stop_with = -EBADMSG};
    start(&setup, (struct nj_http_options){.on_data = on_data}, "/", &outcome);
    test_run_until(setup.test, &outcome.done);
    assert_int_equal(outcome.error, -EBADMSG);

    outcome = fetch(&setup, (struct nj_http_options){.on_status = refuse_status, .on_data = on_data}, "/");
    assert_int_equal(outcome.error, -EACCES);
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.pieces, 0);
    setup_end(&setup);
}

static void stay_silent(struct test_peer *peer)
{
    (void)peer;
}

static void cancelling_ends_waiting_and_running_requests(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 1, stay_silent);
    struct outcome running = {0};
    struct outcome waiting = {0};
    start(&setup, (struct nj_http_options){0}, "/", &running);
    start(&setup, (struct nj_http_options){0}, "/", &waiting);
    test_run_until_count(setup.test, &setup.server.requests, 1);
    nj_http_cancel(waiting.request);
    nj_http_cancel(running.request);
    assert_false(waiting.done || running.done);
    test_run_until(setup.test, &running.done);
    test_run_until(setup.test, &waiting.done);
    assert_int_equal(running.error, -ECANCELED);
    assert_int_equal(waiting.error, -ECANCELED);
    assert_int_equal(setup.server.requests, 1);

    struct outcome at_once = {0};
    start(&setup, (struct nj_http_options){0}, "/", &at_once);
    nj_http_cancel(at_once.request);
    test_run_until(setup.test, &at_once.done);
    assert_int_equal(at_once.error, -ECANCELED);
    setup_end(&setup);
}

static void cancel_other(struct outcome *outcome)
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
    struct setup setup;
    setup_start(&setup, state, 4, stream_or_stay_silent);
    struct outcome silent = {0};
    start(&setup, (struct nj_http_options){0}, "/silent", &silent);
    setup.other = silent.request;
    struct outcome stream = {.on_piece = cancel_other};
    start(&setup, (struct nj_http_options){.on_data = on_data}, "/stream", &stream);
    test_run_until(setup.test, &silent.done);
    test_run_until(setup.test, &stream.done);
    assert_int_equal(silent.error, -ECANCELED);
    assert_int_equal(stream.error, 0);
    setup_end(&setup);
}

static struct outcome second_of_two; /* of the one test that starts a request from a callback */

static void start_second(struct outcome *outcome)
{
    if (second_of_two.request == NULL)
        start(outcome->setup, (struct nj_http_options){0}, "/second", &second_of_two);
}

static void a_callback_may_start_a_request(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    second_of_two = (struct outcome){0};
    struct outcome first = {.on_piece = start_second};
    start(&setup, (struct nj_http_options){.on_data = on_data}, "/first", &first);
    test_run_until(setup.test, &first.done);
    test_run_until(setup.test, &second_of_two.done);
    assert_int_equal(second_of_two.error, 0);
    setup_end(&setup);
}

static void close_client(struct outcome *outcome)
{
    nj_http_close(outcome->setup->http, test_set_flag, &outcome->setup->http_closed);
}

static void closing_from_a_callback_cancels_everything(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, stream_or_stay_silent);
    struct outcome silent = {0};
    struct outcome stream = {.on_piece = close_client};
    start(&setup, (struct nj_http_options){0}, "/silent", &silent);
    start(&setup, (struct nj_http_options){.on_data = on_data}, "/stream", &stream);
    test_run_until(setup.test, &setup.http_closed);
    assert_int_equal(silent.error, -ECANCELED);
    assert_int_equal(stream.error, -ECANCELED);
    test_server_close(&setup.server);
}

static void starting_on_a_closed_client_is_refused(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    nj_http_close(setup.http, test_set_flag, &setup.http_closed);
    struct nj_http_options options = {.url = "http://127.0.0.1/", .on_done = on_done};
    struct nj_err err = {0};
    assert_int_equal(nj_http_start(setup.http, &options, NULL, &err), -ESHUTDOWN);
    test_run_until(setup.test, &setup.http_closed);
    test_server_close(&setup.server);
}

static void a_refused_connection_names_host_and_phase_but_no_secret(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    int port = 0;
    int fd = test_listen(&port);
    test_close(fd);
    char url[URL_MAX];
    char wanted[URL_MAX];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/cgi/s3cret?key=s3cret", port);
    (void)snprintf(wanted, sizeof(wanted), "POST http://127.0.0.1:%d: connect: connection refused", port);
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.url = url, .method = "POST"}, NULL);
    assert_int_equal(outcome.error, -ECONNREFUSED);
    assert_string_equal(outcome.text, wanted);
    assert_int_equal(outcome.status, 0);
    assert_false(outcome.maybe_sent);
    setup_end(&setup);
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
    struct setup setup;
    setup_start(&setup, state, 4, reset_after_the_request);
    const struct nj_http_options post = {.method = "POST", .body = "x", .body_len = 1};
    struct outcome outcome = fetch(&setup, post, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_true(outcome.maybe_sent);

    setup.server.on_request = no_answer;
    struct nj_http_options impatient = post;
    impatient.timeout_ns = 50 * NJ_MS;
    outcome = fetch(&setup, impatient, "/");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_true(outcome.maybe_sent);

    /* A TLS handshake with a server that speaks none. */
    setup.server.on_request = reset_after_the_request;
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", setup.server.port);
    struct nj_http_options tls = {.url = url, .method = "POST", .timeout_ns = 200 * NJ_MS};
    outcome = fetch(&setup, tls, NULL);
    assert_true(outcome.error < 0);
    assert_false(outcome.maybe_sent);

    setup.server.on_request = on_request;
    outcome = fetch(&setup, post, "/");
    assert_int_equal(outcome.error, 0);
    assert_true(outcome.maybe_sent);
    setup_end(&setup);
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
    struct setup setup;
    setup_start(&setup, state, 4, end_the_kept_connection);
    const struct nj_http_options post = {
        .method = "POST", .body = "x", .body_len = 1, .fresh_connection = true};
    struct outcome outcome = fetch(&setup, post, "/");
    assert_int_equal(outcome.error, 0);
    outcome = fetch(&setup, post, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_true(outcome.maybe_sent);
    assert_int_equal(setup.server.requests, 2);
    assert_int_equal(setup.server.connections, 2);

    /* What the setting is for: on a kept connection libcurl sends the second request again. */
    setup.server.requests = 0;
    struct nj_http_options kept = post;
    kept.fresh_connection = false;
    (void)fetch(&setup, kept, "/");
    outcome = fetch(&setup, kept, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(setup.server.requests, 3);
    setup_end(&setup);
}

static void an_unknown_name_is_told(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    /* A label of more than 63 characters: the resolver knows without asking anybody. */
    const char *url =
        "http://nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.invalid/?key=k";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.url = url}, NULL);
    assert_int_equal(outcome.error, -EHOSTUNREACH);
    assert_non_null(strstr(outcome.text, ": name lookup: "));
    assert_null(strstr(outcome.text, "key"));
    setup_end(&setup);
}

static void a_name_lookup_can_be_cancelled(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    for (int i = 0; i < 20; i++) {
        struct outcome outcome = {0};
        start(&setup, (struct nj_http_options){.url = "http://localhost:1/"}, NULL, &outcome);
        for (int turns = 0; turns < i; turns++)
            (void)uv_run(&setup.test->loop.uv, UV_RUN_NOWAIT);
        if (!outcome.done)
            nj_http_cancel(outcome.request);
        test_run_until(setup.test, &outcome.done);
    }
    setup_end(&setup);
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
    struct setup setup;
    setup_start(&setup, state, 4, reset_in_the_body);
    struct outcome outcome = fetch(&setup, (struct nj_http_options){0}, "/?key=k");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_null(strstr(outcome.text, "key"));
    setup.server.on_request = end_in_the_body;
    outcome = fetch(&setup, (struct nj_http_options){.on_data = on_data}, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "some");
    assert_non_null(strstr(outcome.text, ": response: "));
    setup.server.on_request = test_peer_close;
    outcome = fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -ECONNRESET);
    assert_int_equal(outcome.status, 0);
    setup_end(&setup);
}

static void what_is_not_http_is_an_error(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    setup.response = "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EPROTO);
    setup.response = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n";
    outcome = fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EPROTO);
    setup_end(&setup);
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
    struct setup setup;
    setup_start(&setup, state, 4, send_headers_for_ever);
    struct outcome outcome = fetch(&setup, (struct nj_http_options){0}, "/");
    assert_int_equal(outcome.error, -EMSGSIZE);
    setup_end(&setup);
}

static void headers_before_the_final_ones_are_not_told(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    setup.response =
        "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct outcome outcome = fetch(&setup, (struct nj_http_options){.on_status = on_status}, "/");
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.retry_after_ns, -1);
    setup_end(&setup);
}

static void silence_ends_with_the_idle_timeout(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, stay_silent);
    struct outcome outcome =
        fetch(&setup, (struct nj_http_options){.idle_timeout_ns = 30 * NJ_MS}, "/?key=k");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_null(strstr(outcome.text, "key"));
    assert_non_null(strstr(outcome.text, "no answer in time"));
    setup.server.on_request = stream_one;
    outcome = fetch(&setup, (struct nj_http_options){.idle_timeout_ns = 30 * NJ_MS, .on_data = on_data}, "/");
    assert_int_equal(outcome.error, -ETIMEDOUT);
    assert_string_equal(outcome.body, "one");
    setup_end(&setup);
}

static void send_chunk(uv_timer_t *timer)
{
    struct test_peer *peer = timer->data;
    test_peer_send(peer, "1\r\n.\r\n");
}

/* Many pieces, each sooner than the idle timeout, together longer. */
static void an_active_stream_outlives_its_idle_timeout(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, stream_one);
    struct outcome outcome = {0};
    start(&setup, (struct nj_http_options){.idle_timeout_ns = NJ_SEC, .on_data = on_data}, "/", &outcome);
    test_run_until_count(setup.test, &outcome.pieces, 1);
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(&setup.test->loop.uv, &timer), 0);
    timer.data = streaming_peer;
    assert_int_equal(uv_timer_start(&timer, send_chunk, 50, 50), 0);
    test_run_until_count(setup.test, &outcome.pieces, 30);
    assert_false(outcome.done);
    uv_close((uv_handle_t *)&timer, NULL);
    nj_http_cancel(outcome.request);
    test_run_until(setup.test, &outcome.done);
    setup_end(&setup);
}

static void the_whole_time_is_bounded_also_while_waiting_for_a_connection(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 1, stay_silent);
    struct outcome running = {0};
    struct outcome waiting = {0};
    start(&setup, (struct nj_http_options){0}, "/", &running);
    start(&setup, (struct nj_http_options){.timeout_ns = 20 * NJ_MS}, "/", &waiting);
    test_run_until(setup.test, &waiting.done);
    assert_int_equal(waiting.error, -ETIMEDOUT);
    assert_non_null(strstr(waiting.text, "wait for a free connection"));
    assert_false(running.done);
    nj_http_cancel(running.request);
    test_run_until(setup.test, &running.done);
    struct outcome bounded = fetch(&setup, (struct nj_http_options){.timeout_ns = 20 * NJ_MS}, "/");
    assert_int_equal(bounded.error, -ETIMEDOUT);
    setup_end(&setup);
}

static void no_more_connections_than_allowed_and_none_starves(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 3, NULL);
    enum { REQUESTS = 60 };
    static struct outcome outcomes[REQUESTS];
    int done = 0;
    for (int i = 0; i < REQUESTS; i++) {
        outcomes[i] = (struct outcome){.done_count = &done};
        start(&setup, (struct nj_http_options){0}, "/", &outcomes[i]);
    }
    test_run_until_count(setup.test, &done, REQUESTS);
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(outcomes[i].error, 0);
    assert_true(setup.server.connections_open_max <= 3);
    setup_end(&setup);
}

static void redirect(struct test_peer *peer)
{
    struct setup *setup = peer->server->data;
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
    struct setup setup;
    setup_start(&setup, state, 4, redirect);
    struct nj_http_options follow = {.follow_redirects = true, .on_status = on_status, .on_data = on_data};
    struct outcome outcome = fetch(&setup, follow, "/5");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.statuses, 1);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "arrived");
    outcome = fetch(&setup, follow, "/6");
    assert_int_equal(outcome.error, -ELOOP);
    assert_int_equal(outcome.statuses, 0);
    outcome = fetch(&setup, (struct nj_http_options){0}, "/1");
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 302);
    assert_string_equal(outcome.body, "move");
    setup_end(&setup);
}

static void credentials_are_not_taken_along_on_a_redirect(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, redirect);
    const char *const headers[] = {"authorization: Bearer t0ken", NULL};
    struct outcome outcome =
        fetch(&setup, (struct nj_http_options){.follow_redirects = true, .headers = headers}, "/1");
    assert_int_equal(outcome.status, 302);
    assert_non_null(strstr(setup.request, "GET /1 "));
    setup_end(&setup);
}

static void redirects_lead_to_http_only(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    static const char *const places[] = {"file:///etc/passwd", "ftp://127.0.0.1/x?key=k",
                                         "gopher://127.0.0.1/"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char response[URL_MAX];
        (void)snprintf(response, sizeof(response),
                       "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", places[i]);
        setup.response = response;
        struct outcome outcome = fetch(&setup, (struct nj_http_options){.follow_redirects = true}, "/");
        assert_int_equal(outcome.error, -EPROTO);
        assert_null(strstr(outcome.text, "key"));
        assert_int_equal(outcome.body_len, 0);
    }
    setup_end(&setup);
}

static void bad_options_are_refused_at_once(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
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
    setup_end(&setup);
}

static void answer_and_close(struct test_peer *peer)
{
    test_peer_answer(peer, "bye", true);
}

static void a_thousand_connections_leave_no_descriptor(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, answer_and_close);
    assert_int_equal(fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    test_run_some(setup.test);
    int before = test_count_fds();
    for (int i = 0; i < RECONNECTS; i++)
        assert_int_equal(fetch(&setup, (struct nj_http_options){0}, "/").error, 0);
    test_run_some(setup.test);
    assert_true(test_count_fds() <= before + 1); /* the last may not have been closed by both sides yet */
    assert_int_equal(setup.server.connections, RECONNECTS + 1);
    setup_end(&setup);
}

static void a_thousand_refused_connections_leave_no_descriptor(void **state)
{
    struct setup setup;
    setup_start(&setup, state, 4, NULL);
    int port = 0;
    int fd = test_listen(&port);
    test_close(fd);
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    int before = test_count_fds();
    for (int i = 0; i < RECONNECTS; i++)
        assert_int_equal(fetch(&setup, (struct nj_http_options){.url = url}, NULL).error, -ECONNREFUSED);
    assert_int_equal(test_count_fds(), before);
    setup_end(&setup);
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
        test_loop_case(no_more_connections_than_allowed_and_none_starves),
        test_loop_case(redirects_are_followed_when_wanted_and_bounded),
        test_loop_case(credentials_are_not_taken_along_on_a_redirect),
        test_loop_case(redirects_lead_to_http_only),
        test_loop_case(bad_options_are_refused_at_once),
        test_loop_case(a_thousand_connections_leave_no_descriptor),
        test_loop_case(a_thousand_refused_connections_leave_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
