#include "tests/unit/loop/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_peer_closed(uv_handle_t *handle)
{
    struct test_peer *peer = handle->data;
    peer->server->connections_open--;
    free(peer);
}

void test_peer_close(struct test_peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->tcp))
        uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

void test_peer_reset(struct test_peer *peer)
{
    assert_int_equal(uv_tcp_close_reset(&peer->tcp, on_peer_closed), 0);
}

struct sending {
    uv_write_t write;
    char text[];
};

static void on_sent(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

void test_peer_send(struct test_peer *peer, const char *text)
{
    if (uv_is_closing((uv_handle_t *)&peer->tcp))
        return;
    size_t len = strlen(text);
    struct sending *sending = calloc(1, sizeof(*sending) + len);
    assert_non_null(sending);
    for (size_t i = 0; i < len; i++)
        sending->text[i] = text[i];
    sending->write.data = sending;
    uv_buf_t buf = uv_buf_init(sending->text, (unsigned)len);
    assert_int_equal(uv_write(&sending->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_sent), 0);
}

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    test_peer_close(shutdown->handle->data);
    free(shutdown);
}

void test_peer_answer(struct test_peer *peer, const char *body, bool close)
{
    char head[256];
    int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n", strlen(body),
                       close ? "Connection: close\r\n" : "");
    assert_in_range(len, 1, sizeof(head) - 1);
    test_peer_send(peer, head);
    test_peer_send(peer, body);
    if (close) {
        uv_shutdown_t *shutdown = calloc(1, sizeof(*shutdown));
        assert_non_null(shutdown);
        assert_int_equal(uv_shutdown(shutdown, (uv_stream_t *)&peer->tcp, on_shut_down), 0);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct test_peer *peer = handle->data;
    *buf = uv_buf_init(peer->request + peer->len, (unsigned)(sizeof(peer->request) - peer->len - 1));
}

/* The length of the request at the front, 0 when more must come. Bodies have a Content-Length in these tests.
 */
static size_t request_length(const struct test_peer *peer)
{
    const char *end = strstr(peer->request, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t len = (size_t)(end - peer->request) + 4;
    const char *length = strstr(peer->request, "Content-Length: ");
    if (length != NULL && length < end)
        len += strtoul(length + strlen("Content-Length: "), NULL, 10);
    return peer->len >= len ? len : 0;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    struct test_peer *peer = stream->data;
    if (count < 0) {
        test_peer_close(peer);
        return;
    }
    peer->len += (size_t)count;
    peer->request[peer->len] = '\0';
    size_t len = request_length(peer);
    if (len == 0)
        return;
    assert_int_equal(len, peer->len); /* nobody pipelines */
    peer->len = 0;
    peer->server->requests++;
    peer->server->on_request(peer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct test_server *server = listener->data;
    assert_int_equal(status, 0);
    struct test_peer *peer = calloc(1, sizeof(*peer));
    assert_non_null(peer);
    peer->server = server;
    assert_int_equal(uv_tcp_init(&server->test->loop.uv, &peer->tcp), 0);
    peer->tcp.data = peer;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&peer->tcp, on_room, on_read), 0);
    server->connections++;
    if (++server->connections_open > server->connections_open_max)
        server->connections_open_max = server->connections_open;
}

void test_server_start(struct test_server *server, struct test_loop *test,
                       void (*on_request)(struct test_peer *peer), void *data)
{
    test_server_start_at(server, "127.0.0.1", test, on_request, data);
}

void test_server_start_at(struct test_server *server, const char *host, struct test_loop *test,
                          void (*on_request)(struct test_peer *peer), void *data)
{
    *server = (struct test_server){.test = test, .on_request = on_request, .data = data};
    struct sockaddr_in address;
    int len = sizeof(address);
    assert_int_equal(uv_ip4_addr(host, 0, &address), 0);
    assert_int_equal(uv_tcp_init(&test->loop.uv, &server->listener), 0);
    server->listener.data = server;
    assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 128, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct test_server *server = handle->data;
    server->closed = true;
}

static void close_peer(uv_handle_t *handle, void *data)
{
    struct test_server *server = data;
    if (handle->type == UV_TCP && handle != (uv_handle_t *)&server->listener && !uv_is_closing(handle))
        uv_close(handle, on_peer_closed);
}

void test_server_close(struct test_server *server)
{
    uv_walk(&server->test->loop.uv, close_peer, server);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    test_run_until(server->test, &server->closed);
    test_run_some(server->test);
    assert_int_equal(server->connections_open, 0);
}
