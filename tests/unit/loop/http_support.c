#include "tests/unit/loop/http_support.h"

#include <stdio.h>
#include <string.h>

void http_answer(struct test_peer *peer)
{
    struct http_setup *setup = peer->server->data;
    (void)snprintf(setup->request, sizeof(setup->request), "%.*s", TEXT_MAX - 1, peer->request);
    if (setup->response != NULL)
        test_peer_send(peer, setup->response);
    else
        test_peer_answer(peer, "hello", false);
}

void http_setup_start(struct http_setup *setup, void **state, long max_connections,
                      void (*answer)(struct test_peer *peer))
{
    *setup = (struct http_setup){.test = *state};
    test_server_start(&setup->server, setup->test, answer == NULL ? http_answer : answer, setup);
    setup->http = nj_http_new(&setup->test->loop, max_connections);
    assert_non_null(setup->http);
}

void http_setup_end(struct http_setup *setup)
{
    nj_http_close(setup->http, test_set_flag, &setup->http_closed);
    test_run_until(setup->test, &setup->http_closed);
    test_server_close(&setup->server);
}

void http_on_done(void *data, const struct nj_http_result *result)
{
    struct http_outcome *outcome = data;
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

int http_on_status(void *data, long status, const char *content_type, int64_t retry_after_ns)
{
    struct http_outcome *outcome = data;
    outcome->statuses++;
    assert_int_equal(outcome->pieces, 0);
    outcome->status = status;
    outcome->retry_after_ns = retry_after_ns;
    (void)snprintf(outcome->content_type, sizeof(outcome->content_type), "%s",
                   content_type == NULL ? "" : content_type);
    return 0;
}

int http_on_data(void *data, const char *bytes, size_t len)
{
    struct http_outcome *outcome = data;
    assert_false(outcome->done);
    outcome->pieces++;
    assert_true(outcome->body_len + len < sizeof(outcome->body));
    memcpy(outcome->body + outcome->body_len, bytes, len);
    outcome->body_len += len;
    if (outcome->on_piece != NULL)
        outcome->on_piece(outcome);
    return outcome->stop_with;
}

void http_start(struct http_setup *setup, struct nj_http_options options, const char *path,
                struct http_outcome *outcome)
{
    char url[URL_MAX];
    if (options.url == NULL) {
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", setup->server.port, path);
        options.url = url;
    }
    outcome->setup = setup;
    options.data = outcome;
    options.on_done = http_on_done;
    struct nj_err err = {0};
    assert_int_equal(nj_http_start(setup->http, &options, &outcome->request, &err), 0);
    assert_string_equal(err.text, "");
    assert_false(outcome->done);
}

struct http_outcome http_fetch(struct http_setup *setup, struct nj_http_options options, const char *path)
{
    struct http_outcome outcome = {0};
    http_start(setup, options, path, &outcome);
    test_run_until(setup->test, &outcome.done);
    return outcome;
}

struct test_peer *http_streaming_peer; /* of the one streaming test that runs */

void http_stream_one(struct test_peer *peer)
{
    http_streaming_peer = peer;
    test_peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
}

void http_stay_silent(struct test_peer *peer)
{
    (void)peer;
}
