#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/http.h"
#include "common/loop/httpd.h"
#include "common/loop/httpd_uri.h"
#include "tests/unit/loop/support.h"

enum {
    TEXT_MAX = 64 * 1024,
    BODY_MAX = 1000,
    CONNECTIONS_MAX = 8,
    REQUESTS = 1000,
    KEPT_MAX = 16,
    CHUNK_MAX = 70000
};

struct service {
    struct test_loop *test;
    struct nj_httpd *httpd;
    bool closed;
    int handled;
    bool keep, stream; /* how requests are answered: later; with a stream */
    struct nj_httpd_request *kept[KEPT_MAX];
    int kept_count;
    struct nj_httpd_stream *streams[KEPT_MAX];
    int streams_count, streams_closed;
    size_t stream_max;
    bool close_in_handler;
    char seen[TEXT_MAX]; /* method, path, parameters and body of the last request */
    const char *answer;
};

static void on_stream_closed(void *data)
{
    struct service *service = data;
    service->streams_closed++;
}

static void see_param(void *data, const char *name, const char *value)
{
    struct service *service = data;
    size_t len = strlen(service->seen);
    (void)snprintf(service->seen + len, sizeof(service->seen) - len, " [%s]=[%s]", name, value);
}

static void on_service_closed(void *data)
{
    struct service *service = data;
    assert_false(service->closed);
    service->closed = true;
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct service *service = data;
    service->handled++;
    (void)snprintf(service->seen, sizeof(service->seen), "%s %s", nj_httpd_method(request),
                   nj_httpd_path(request));
    nj_httpd_each_query(request, see_param, service);
    size_t len = 0;
    const char *body = nj_httpd_body(request, &len);
    assert_int_equal(strlen(body), len);
    size_t at = strlen(service->seen);
    if (len > 0)
        (void)snprintf(service->seen + at, sizeof(service->seen) - at, " {%s}", body);
    if (service->close_in_handler)
        nj_httpd_close(service->httpd, on_service_closed, service);
    static const char *const headers[] = {"X-Answer", "yes", "ETag", "\"1\"", NULL};
    if (service->keep) {
        assert_true(service->kept_count < KEPT_MAX);
        service->kept[service->kept_count++] = request;
    } else if (service->stream) {
        assert_true(service->streams_count < KEPT_MAX);
        service->streams[service->streams_count++] = nj_httpd_reply_stream(
            request, "text/event-stream", service->stream_max, on_stream_closed, service);
    } else {
        nj_httpd_reply(request, 200, "text/plain", headers, service->answer, strlen(service->answer));
    }
}

static int service_try(struct service *service, struct test_loop *test, const char *listen,
                       struct nj_err *err)
{
    memset(service, 0, sizeof(*service));
    service->test = test;
    service->answer = "hello";
    service->stream_max = 1024;
    const struct nj_httpd_options options = {.listen = listen,
                                             .max_connections = CONNECTIONS_MAX,
                                             .max_body_bytes = BODY_MAX,
                                             .idle_timeout_s = 30,
                                             .handle = handle,
                                             .data = service};
    return nj_httpd_start(&test->loop, &options, &service->httpd, err);
}

static void service_start(struct service *service, void **state)
{
    struct nj_err err = {0};
    assert_int_equal(service_try(service, *state, "127.0.0.1:0", &err), 0);
    assert_string_equal(err.text, "");
}

static void service_close(struct service *service)
{
    nj_httpd_close(service->httpd, on_service_closed, service);
    test_run_until(service->test, &service->closed);
}

/* What a plain client reads until `until` is in it, or until the end when that is NULL; terminated. */
static char received[TEXT_MAX];
static size_t received_len;

static bool read_more(int fd)
{
    ssize_t len = recv(fd, received + received_len, sizeof(received) - received_len - 1, MSG_DONTWAIT);
    if (len > 0)
        received_len += (size_t)len;
    received[received_len] = '\0';
    return len > 0 || (len < 0 && errno == EAGAIN);
}

static void no_op(uv_timer_t *timer)
{
    (void)timer;
}

static void read_until(struct service *service, int fd, const char *until)
{
    uv_timer_t turn; /* the client's socket is not the loop's: look at it every millisecond */
    assert_int_equal(uv_timer_init(&service->test->loop.uv, &turn), 0);
    assert_int_equal(uv_timer_start(&turn, no_op, 1, 1), 0);
    received_len = 0;
    bool open = true;
    int turns = 0;
    while (open && (until == NULL || received_len == 0 || strstr(received, until) == NULL)) {
        (void)uv_run(&service->test->loop.uv, UV_RUN_ONCE);
        open = read_more(fd);
        assert_true(++turns < 60000);
    }
    uv_close((uv_handle_t *)&turn, NULL);
    (void)uv_run(&service->test->loop.uv, UV_RUN_NOWAIT);
    assert_true(until == NULL || strstr(received, until) != NULL);
}

static int client_send(struct service *service, const char *text)
{
    int fd = test_connect(nj_httpd_port(service->httpd));
    test_send(fd, text, strlen(text));
    return fd;
}

/* One request on a connection of its own; the whole answer is in `received`. */
static void exchange(struct service *service, const char *text)
{
    int fd = client_send(service, text);
    read_until(service, fd, NULL);
    test_close(fd);
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void a_request_is_seen_and_answered(void **state)
{
    struct service service;
    service_start(&service, state);
    exchange(&service, "GET /a/b?x=1&y=two HTTP/1.1\r\n" CLOSE);
    assert_string_equal(service.seen, "GET /a/b [x]=[1] [y]=[two]");
    assert_int_equal(strncmp(received, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(received, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(received, "\r\nX-Answer: yes\r\n"));
    assert_non_null(strstr(received, "\r\nContent-Length: 5\r\n"));
    assert_non_null(strstr(received, "\r\n\r\nhello"));
    struct nj_httpd_counts counts = nj_httpd_counts(service.httpd);
    assert_int_equal(counts.connections, 1);
    assert_int_equal(counts.requests, 1);
    service_close(&service);
}

static void head_is_answered_without_the_body(void **state)
{
    struct service service;
    service_start(&service, state);
    exchange(&service, "HEAD / HTTP/1.1\r\n" CLOSE);
    assert_string_equal(service.seen, "HEAD /");
    assert_non_null(strstr(received, "\r\nContent-Length: 5\r\n"));
    assert_null(strstr(received, "hello"));
    service_close(&service);
}

static void escapes_are_decoded(void **state)
{
    struct service service;
    service_start(&service, state);
    exchange(&service,
             "GET /%E9%9B%B2/a%20b%2fc+d?na%6De=a+b%26c%3D%2b&empty=&bare&=x&&name=2 HTTP/1.1\r\n" CLOSE);
    assert_string_equal(service.seen,
                        "GET /雲/a b/c+d [name]=[a b&c=+] [empty]=[] [bare]=[] []=[x] [name]=[2]");
    exchange(&service, "GET http://other.example:80/absolute?x=1 HTTP/1.1\r\n" CLOSE);
    assert_string_equal(service.seen, "GET /absolute [x]=[1]");
    service_close(&service);
}

static void malformed_escapes_are_bad_requests(void **state)
{
    static const char *const bad[] = {"/%",     "/%4",     "/%zz",  "/a%00b", "/%ff",       "/?q=%",
                                      "/?%gg=", "/?q=%c3", "/?%00", "*",      "http://host"};
    struct service service;
    service_start(&service, state);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char request[128];
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" CLOSE, bad[i]);
        exchange(&service, request);
        assert_int_equal(strncmp(received, "HTTP/1.1 400 ", 13), 0);
        assert_non_null(strstr(received, "\r\nContent-Type: application/problem+json\r\n"));
    }
    assert_int_equal(service.handled, 0);
    assert_int_equal(nj_httpd_counts(service.httpd).bad_requests, sizeof(bad) / sizeof(bad[0]));
    service_close(&service);
}

static void the_number_of_parameters_is_bounded(void **state)
{
    struct service service;
    service_start(&service, state);
    char request[1024] = "GET /?";
    for (int i = 0; i < NJ_URI_PARAMS_MAX; i++) {
        size_t len = strlen(request);
        (void)snprintf(request + len, sizeof(request) - len, "p%d&", i);
    }
    char more[1200];
    (void)snprintf(more, sizeof(more), "%s HTTP/1.1\r\n" CLOSE, request);
    exchange(&service, more);
    assert_int_equal(strncmp(received, "HTTP/1.1 200 ", 13), 0);
    (void)snprintf(more, sizeof(more), "%sone-more HTTP/1.1\r\n" CLOSE, request);
    exchange(&service, more);
    assert_int_equal(strncmp(received, "HTTP/1.1 400 ", 13), 0);
    service_close(&service);
}

static void bodies_arrive_whole(void **state)
{
    struct service service;
    service_start(&service, state);
    exchange(&service, "POST /x HTTP/1.1\r\nContent-Length: 7\r\n" CLOSE "{\"a\":1}");
    assert_string_equal(service.seen, "POST /x {{\"a\":1}}");
    exchange(&service,
             "POST /y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_string_equal(service.seen, "POST /y {abcde}");
    exchange(&service, "POST /z HTTP/1.1\r\nContent-Length: 0\r\n" CLOSE);
    assert_string_equal(service.seen, "POST /z");

    int fd = client_send(&service, "PUT /slow HTTP/1.1\r\nContent-Length: 4\r\n" CLOSE "ab");
    test_run_some(service.test);
    assert_string_equal(service.seen, "POST /z");
    test_send(fd, "cd", 2);
    read_until(&service, fd, NULL);
    assert_string_equal(service.seen, "PUT /slow {abcd}");
    test_close(fd);
    service_close(&service);
}

static void bodies_beyond_the_bound_are_refused(void **state)
{
    struct service service;
    service_start(&service, state);
    char request[BODY_MAX + 200];
    (void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nContent-Length: %d\r\n" CLOSE "%0*d",
                   BODY_MAX, BODY_MAX, 0);
    exchange(&service, request);
    assert_int_equal(strncmp(received, "HTTP/1.1 200 ", 13), 0);
    (void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nContent-Length: %d\r\n" CLOSE "%0*d",
                   BODY_MAX + 1, BODY_MAX + 1, 0);
    exchange(&service, request);
    assert_int_equal(strncmp(received, "HTTP/1.1 413 ", 13), 0);
    (void)snprintf(request, sizeof(request),
                   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "3e9\r\n%01001d\r\n0\r\n\r\n",
                   0);
    exchange(&service, request);
    assert_int_equal(strncmp(received, "HTTP/1.1 413 ", 13), 0);
    exchange(&service, "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n" CLOSE);
    assert_int_equal(strncmp(received, "HTTP/1.1 413 ", 13), 0);
    assert_int_equal(service.handled, 1);
    assert_int_equal(nj_httpd_counts(service.httpd).bodies_too_large, 3);
    service_close(&service);
}

static void an_endless_body_is_cut_off(void **state)
{
    struct service service;
    service_start(&service, state);
    int fd = client_send(&service, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    char *chunk = nj_calloc(1, CHUNK_MAX);
    (void)snprintf(chunk, CHUNK_MAX, "10000\r\n%065536d\r\n", 0);
    size_t len = strlen(chunk);
    size_t sent = 0;
    bool open = true;
    for (int turns = 0; open; turns++) {
        assert_true(turns < 100000);
        ssize_t now = send(fd, chunk + sent % len, len - sent % len, MSG_DONTWAIT | MSG_NOSIGNAL);
        open = now > 0 || errno == EAGAIN;
        sent += now > 0 ? (size_t)now : 0;
        assert_true(sent < 64000000);
        (void)uv_run(&service.test->loop.uv, UV_RUN_NOWAIT);
    }
    free(chunk);
    test_close(fd);
    assert_int_equal(service.handled, 0);
    service_close(&service);
}

static void headers_beyond_the_bound_are_refused(void **state)
{
    struct service service;
    service_start(&service, state);
    char *request = nj_calloc(1, TEXT_MAX);
    (void)snprintf(request, TEXT_MAX, "GET / HTTP/1.1\r\nX: %040000d\r\n" CLOSE, 0);
    exchange(&service, request);
    assert_int_equal(strncmp(received, "HTTP/1.1 4", 10), 0);
    free(request);
    assert_int_equal(service.handled, 0);
    service_close(&service);
}

static void what_is_not_http_is_refused(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n\r\n\r\nx",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    struct service service;
    service_start(&service, state);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = client_send(&service, bad[i]);
        test_run_some(service.test);
        received_len = 0;
        (void)read_more(fd);
        assert_null(strstr(received, " 200 "));
        test_close(fd);
    }
    assert_int_equal(service.handled, 0);
    exchange(&service, "GET / HTTP/1.1\r\n" CLOSE);
    assert_int_equal(service.handled, 1);
    service_close(&service);
}

static void a_kept_connection_serves_one_request_after_another(void **state)
{
    struct service service;
    service_start(&service, state);
    int fd = test_connect(nj_httpd_port(service.httpd));
    for (int i = 0; i < 20; i++) {
        static const char request[] = "GET /again HTTP/1.1\r\nHost: x\r\n\r\n";
        test_send(fd, request, sizeof(request) - 1);
        read_until(&service, fd, "hello");
    }
    static const char both[] = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\n" CLOSE;
    test_send(fd, both, sizeof(both) - 1);
    read_until(&service, fd, NULL);
    assert_int_equal(service.handled, 22);
    assert_string_equal(service.seen, "GET /2");
    test_close(fd);
    service_close(&service);
}

static void an_answer_may_come_later(void **state)
{
    struct service service;
    service_start(&service, state);
    service.keep = true;
    int fd = client_send(&service, "GET /later HTTP/1.1\r\nX-Token: t\r\n" CLOSE);
    test_run_until_count(service.test, &service.kept_count, 1);
    test_run_some(service.test);
    struct nj_httpd_request *request = service.kept[0];
    assert_string_equal(nj_httpd_path(request), "/later");
    assert_string_equal(nj_httpd_header(request, "x-TOKEN"), "t");
    assert_null(nj_httpd_header(request, "X-Other"));
    assert_true(nj_httpd_peer_is_loopback(request));
    nj_httpd_reply(request, 404, "text/plain", NULL, "late", 4);
    read_until(&service, fd, NULL);
    assert_int_equal(strncmp(received, "HTTP/1.1 404 ", 13), 0);
    assert_non_null(strstr(received, "\r\n\r\nlate"));
    test_close(fd);
    service_close(&service);
}

static void an_answer_to_somebody_who_has_left_is_harmless(void **state)
{
    struct service service;
    service_start(&service, state);
    service.keep = true;
    for (int i = 0; i < 10; i++) {
        int fd = client_send(&service, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        test_run_until_count(service.test, &service.kept_count, i + 1);
        const struct linger reset = {.l_onoff = 1};
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        test_close(fd);
        test_run_some(service.test);
        nj_httpd_reply(service.kept[i], 200, NULL, NULL, NULL, 0);
        test_run_some(service.test);
    }
    assert_int_equal(nj_httpd_counts(service.httpd).connections_open, 0);
    service_close(&service);
}

static void requests_that_are_kept_survive_the_close(void **state)
{
    struct service service;
    service_start(&service, state);
    service.keep = true;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_send(&service, "GET /kept?x=1 HTTP/1.1\r\n" CLOSE);
        test_run_until_count(service.test, &service.kept_count, i + 1);
    }
    service_close(&service);
    assert_string_equal(nj_httpd_path(service.kept[0]), "/kept");
    assert_string_equal(nj_httpd_query(service.kept[0], "x"), "1");
    assert_null(nj_httpd_header(service.kept[0], "Host"));
    nj_httpd_reply(service.kept[0], 200, "text/plain", NULL, "x", 1);
    nj_httpd_reply(service.kept[1], 500, NULL, NULL, NULL, 0);
    assert_null(nj_httpd_reply_stream(service.kept[2], "text/event-stream", 100, on_stream_closed, &service));
    assert_int_equal(nj_httpd_stream_write(NULL, "x", 1), -EPIPE);
    nj_httpd_stream_end(NULL);
    for (int i = 0; i < 3; i++)
        test_close(fds[i]);
}

static void a_handler_may_close_the_server(void **state)
{
    struct service service;
    service_start(&service, state);
    service.close_in_handler = true;
    int fd = client_send(&service, "GET / HTTP/1.1\r\n" CLOSE);
    test_run_until(service.test, &service.closed);
    test_close(fd);
}

static void a_stream_carries_what_is_written_when_it_is_written(void **state)
{
    struct service service;
    service_start(&service, state);
    service.stream = true;
    int fd = client_send(&service, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    test_run_until_count(service.test, &service.streams_count, 1);
    assert_int_equal(nj_httpd_stream_write(service.streams[0], "data: 1\n\n", 9), 0);
    read_until(&service, fd, "data: 1\n\n");
    assert_non_null(strstr(received, "\r\nContent-Type: text/event-stream\r\n"));
    for (int i = 0; i < 100; i++) {
        char event[32];
        (void)snprintf(event, sizeof(event), "data: n%d\n\n", i);
        assert_int_equal(nj_httpd_stream_write(service.streams[0], event, strlen(event)), 0);
        read_until(&service, fd, event);
    }
    assert_int_equal(nj_httpd_stream_write(service.streams[0], "data: last\n\n", 12), 0);
    nj_httpd_stream_end(service.streams[0]);
    read_until(&service, fd, "\r\n0\r\n\r\n");
    assert_non_null(strstr(received, "data: last\n\n"));
    test_run_until_count(service.test, &service.streams_closed, 1);
    test_close(fd);
    service_close(&service);
    assert_int_equal(service.streams_closed, 1);
}

static void a_stream_may_begin_later_too(void **state)
{
    struct service service;
    service_start(&service, state);
    service.keep = true;
    int fd = client_send(&service, "GET /stream HTTP/1.1\r\n" CLOSE);
    test_run_until_count(service.test, &service.kept_count, 1);
    struct nj_httpd_stream *stream =
        nj_httpd_reply_stream(service.kept[0], "text/event-stream", 100, on_stream_closed, &service);
    assert_int_equal(nj_httpd_stream_write(stream, "data: 1\n\n", 9), 0);
    nj_httpd_stream_end(stream);
    assert_int_equal(nj_httpd_stream_write(stream, "more", 4), -EPIPE);
    read_until(&service, fd, NULL);
    assert_non_null(strstr(received, "data: 1\n\n"));
    test_run_until_count(service.test, &service.streams_closed, 1);
    test_close(fd);
    service_close(&service);
}

static void a_reader_that_leaves_is_noticed_without_writing(void **state)
{
    struct service service;
    service_start(&service, state);
    service.stream = true;
    for (int i = 0; i < 10; i++) {
        int fd = client_send(&service, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        test_run_until_count(service.test, &service.streams_count, i + 1);
        if (i % 2 == 0)
            test_run_some(service.test);
        test_close(fd);
        test_run_until_count(service.test, &service.streams_closed, i + 1);
    }
    test_run_some(service.test);
    struct nj_httpd_counts counts = nj_httpd_counts(service.httpd);
    assert_int_equal(counts.streams, 10);
    assert_int_equal(counts.streams_open, 0);
    assert_int_equal(counts.streams_dropped, 0);
    assert_int_equal(counts.connections_open, 0);
    service_close(&service);
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
    struct service service;
    service_start(&service, state);
    service.stream = true;
    int slow = client_send(&service, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    test_run_until_count(service.test, &service.streams_count, 1);
    char event[1000];
    memset(event, 'x', sizeof(event));
    int written = 0;
    while (nj_httpd_stream_write(service.streams[0], event, sizeof(event)) == 0) {
        (void)uv_run(&service.test->loop.uv, UV_RUN_NOWAIT);
        assert_true(++written < 100000); /* the kernel's buffers take some megabytes */
    }
    assert_int_equal(service.streams_closed, 0);
    assert_int_equal(nj_httpd_stream_write(service.streams[0], event, 1), -EPIPE);
    test_run_until_count(service.test, &service.streams_closed, 1);
    assert_int_equal(nj_httpd_counts(service.httpd).streams_dropped, 1);
    test_close(slow);

    /* Too much at once for the queue. */
    int fd = client_send(&service, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    test_run_until_count(service.test, &service.streams_count, 2);
    assert_int_equal(nj_httpd_stream_write(service.streams[1], event, sizeof(event)), 0);
    assert_int_equal(nj_httpd_stream_write(service.streams[1], event, sizeof(event)), -EPIPE);
    test_run_until_count(service.test, &service.streams_closed, 2);
    test_close(fd);
    service_close(&service);
}

static void streams_end_when_the_server_closes(void **state)
{
    struct service service;
    service_start(&service, state);
    service.stream = true;
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = client_send(&service, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        test_run_until_count(service.test, &service.streams_count, i + 1);
    }
    assert_int_equal(nj_httpd_stream_write(service.streams[1], "queued", 6), 0);
    nj_httpd_stream_end(service.streams[2]);
    service_close(&service);
    assert_int_equal(service.streams_closed, 4);
    for (int i = 0; i < 4; i++)
        test_close(fds[i]);
}

static void head_of_a_stream_ends_at_once(void **state)
{
    struct service service;
    service_start(&service, state);
    service.stream = true;
    exchange(&service, "HEAD /stream HTTP/1.1\r\n" CLOSE);
    assert_int_equal(strncmp(received, "HTTP/1.1 200 ", 13), 0);
    test_run_until_count(service.test, &service.streams_closed, 1);
    service_close(&service);
}

static void more_connections_than_allowed_wait_for_their_turn(void **state)
{
    struct service service;
    service_start(&service, state);
    enum { CLIENTS = CONNECTIONS_MAX + 4 };
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_send(&service, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    test_run_until_count(service.test, &service.handled, CONNECTIONS_MAX);
    test_run_some(service.test);
    assert_int_equal(service.handled, CONNECTIONS_MAX);
    assert_int_equal(nj_httpd_counts(service.httpd).connections_open, CONNECTIONS_MAX);
    for (int i = 0; i < CLIENTS; i++) {
        read_until(&service, fds[i], "hello");
        test_close(fds[i]);
    }
    assert_int_equal(service.handled, CLIENTS);
    service_close(&service);
}

static void silent_and_dripping_connections_are_closed(void **state)
{
    struct service service;
    memset(&service, 0, sizeof(service));
    service.test = *state;
    service.answer = "hello";
    const struct nj_httpd_options options = {.listen = "127.0.0.1:0",
                                             .max_connections = CONNECTIONS_MAX,
                                             .max_body_bytes = BODY_MAX,
                                             .idle_timeout_s = 1,
                                             .handle = handle,
                                             .data = &service};
    assert_int_equal(nj_httpd_start(&service.test->loop, &options, &service.httpd, NULL), 0);
    int silent = test_connect(nj_httpd_port(service.httpd));
    read_until(&service, silent, NULL);
    test_close(silent);

    int dripping = client_send(&service, "GET / HTTP/1.1\r\nX-Endless: ");
    for (int turns = 0; send(dripping, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1; turns++) {
        assert_true(turns < 1000);
        for (int i = 0; i < 5; i++)
            (void)uv_run(&service.test->loop.uv, UV_RUN_NOWAIT);
        (void)poll(NULL, 0, 20);
    }
    assert_int_equal(nj_httpd_counts(service.httpd).slow_requests, 1);
    test_close(dripping);
    assert_int_equal(service.handled, 0);
    service_close(&service);
}

static void it_listens_on_ipv6_and_on_everything(void **state)
{
    static const char *const listens[] = {"[::1]:0", ":0", "127.0.0.1:0", "[::]:0"};
    static const char *const hosts[] = {"[::1]", "127.0.0.1", "127.0.0.1", "127.0.0.1"};
    struct test_loop *test = *state;
    for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
        struct service service;
        struct nj_err err = {0};
        int rc = service_try(&service, test, listens[i], &err);
        if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
            continue; /* a kernel without IPv6 */
        assert_int_equal(rc, 0);
        service.keep = true;
        int fd = -1;
        if (hosts[i][0] != '[') {
            fd = client_send(&service, "GET / HTTP/1.1\r\n" CLOSE);
            test_run_until_count(test, &service.kept_count, 1);
            assert_true(nj_httpd_peer_is_loopback(service.kept[0]));
            nj_httpd_reply(service.kept[0], 200, NULL, NULL, "ok", 2);
            read_until(&service, fd, NULL);
            assert_non_null(strstr(received, " 200 "));
            test_close(fd);
        }
        service_close(&service);
    }
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "8645",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:65536",
                                      "localhost:80",
                                      "::1:80",
                                      "[::1:80",
                                      "[localhost]:80",
                                      "300.0.0.1:80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct service service;
        struct nj_err err = {0};
        assert_int_equal(service_try(&service, *state, bad[i], &err), -EINVAL);
        assert_null(service.httpd);
        assert_non_null(strstr(err.text, bad[i]));
    }
    int port = 0;
    int fd = test_listen(&port);
    char listen[32];
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    struct service service;
    struct nj_err err = {0};
    assert_int_equal(service_try(&service, *state, listen, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, listen));
    test_close(fd);
}

struct fetched {
    bool done;
    int error;
    long status;
    int count;
};

static void on_fetched(void *data, const struct nj_http_result *result)
{
    struct fetched *fetched = data;
    fetched->done = true;
    fetched->error = result->error;
    fetched->status = result->status;
    fetched->count++;
}

/* Both of our own ends against each other, over kept connections and new ones. */
static void our_client_and_our_server_understand_each_other(void **state)
{
    struct service service;
    service_start(&service, state);
    struct nj_http *http = nj_http_new(&service.test->loop, CONNECTIONS_MAX);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/x?a=b", nj_httpd_port(service.httpd));
    static const char *const close_it[] = {"Connection: close", NULL};
    int before = 0;
    for (int i = 0; i < REQUESTS; i++) {
        struct fetched fetched = {0};
        const struct nj_http_options options = {.url = url,
                                                .method = "POST",
                                                .body = "body",
                                                .body_len = 4,
                                                .headers = i % 2 == 0 ? close_it : NULL,
                                                .on_done = on_fetched,
                                                .data = &fetched};
        assert_int_equal(nj_http_start(http, &options, NULL, NULL), 0);
        test_run_until(service.test, &fetched.done);
        assert_int_equal(fetched.error, 0);
        assert_int_equal(fetched.status, 200);
        assert_string_equal(service.seen, "POST /x [a]=[b] {body}");
        if (i == 10)
            before = test_count_fds();
    }
    test_run_some(service.test);
    assert_true(test_count_fds() <= before + 2);
    bool closed = false;
    nj_http_close(http, test_set_flag, &closed);
    test_run_until(service.test, &closed);
    service_close(&service);
}

/* libmicrohttpd would like to tell of every broken connection on stderr. */
static void nothing_is_written_to_stderr(void **state)
{
    struct service service;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int real = dup(STDERR_FILENO);
    assert_true(real >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    test_close(ends[1]);
    service_start(&service, state);
    exchange(&service, "\x01garbage\r\n\r\n");
    int fd = client_send(&service, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    test_run_some(service.test);
    test_close(fd);
    test_run_some(service.test);
    service_close(&service);
    assert_true(dup2(real, STDERR_FILENO) >= 0);
    test_close(real);
    char text[64];
    assert_int_equal(read(ends[0], text, sizeof(text)), 0);
    test_close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_request_is_seen_and_answered),
        test_loop_case(head_is_answered_without_the_body),
        test_loop_case(escapes_are_decoded),
        test_loop_case(malformed_escapes_are_bad_requests),
        test_loop_case(the_number_of_parameters_is_bounded),
        test_loop_case(bodies_arrive_whole),
        test_loop_case(bodies_beyond_the_bound_are_refused),
        test_loop_case(an_endless_body_is_cut_off),
        test_loop_case(headers_beyond_the_bound_are_refused),
        test_loop_case(what_is_not_http_is_refused),
        test_loop_case(a_kept_connection_serves_one_request_after_another),
        test_loop_case(an_answer_may_come_later),
        test_loop_case(an_answer_to_somebody_who_has_left_is_harmless),
        test_loop_case(requests_that_are_kept_survive_the_close),
        test_loop_case(a_handler_may_close_the_server),
        test_loop_case(a_stream_carries_what_is_written_when_it_is_written),
        test_loop_case(a_stream_may_begin_later_too),
        test_loop_case(a_reader_that_leaves_is_noticed_without_writing),
        test_loop_case(a_reader_that_does_not_read_is_dropped),
        test_loop_case(streams_end_when_the_server_closes),
        test_loop_case(head_of_a_stream_ends_at_once),
        test_loop_case(more_connections_than_allowed_wait_for_their_turn),
        test_loop_case(silent_and_dripping_connections_are_closed),
        test_loop_case(it_listens_on_ipv6_and_on_everything),
        test_loop_case(bad_addresses_are_refused),
        test_loop_case(our_client_and_our_server_understand_each_other),
        test_loop_case(nothing_is_written_to_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
