#include "tests/unit/probe/raw_server.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct sending {
    uv_write_t write;
    struct raw_peer *peer;
    size_t len;
    bool again;
    char bytes[];
};

static void on_peer_closed(uv_handle_t *handle)
{
    struct raw_peer *peer = handle->data;
    if (--peer->handles > 0)
        return;
    DL_DELETE(peer->server->peers, peer);
    peer->server->open--;
    free(peer);
}

void raw_close(struct raw_peer *peer)
{
    if (uv_is_closing((uv_handle_t *)&peer->tcp))
        return;
    uv_close((uv_handle_t *)&peer->drip, on_peer_closed);
    uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

void raw_reset(struct raw_peer *peer)
{
    uv_close((uv_handle_t *)&peer->drip, on_peer_closed);
    assert_int_equal(uv_tcp_close_reset(&peer->tcp, on_peer_closed), 0);
}

static void send_piece(struct raw_peer *peer);

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    struct raw_peer *peer = sending->peer;
    bool again = sending->again && status == 0;
    if (status == 0)
        peer->server->sent += sending->len;
    free(sending);
    if (status < 0)
        raw_close(peer);
    else if (again && !uv_is_closing((uv_handle_t *)&peer->tcp))
        send_piece(peer);
}

static void write_bytes(struct raw_peer *peer, const void *bytes, size_t len, bool again)
{
    if (uv_is_closing((uv_handle_t *)&peer->tcp))
        return;
    struct sending *sending = calloc(1, sizeof(*sending) + len);
    assert_non_null(sending);
    memcpy(sending->bytes, bytes, len);
    sending->peer = peer;
    sending->len = len;
    sending->again = again;
    sending->write.data = sending;
    uv_buf_t buf = uv_buf_init(sending->bytes, (unsigned)len);
    assert_int_equal(uv_write(&sending->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_sent), 0);
}

void raw_send(struct raw_peer *peer, const void *bytes, size_t len)
{
    write_bytes(peer, bytes, len, false);
}

void raw_send_text(struct raw_peer *peer, const char *text)
{
    raw_send(peer, text, strlen(text));
}

static void send_piece(struct raw_peer *peer)
{
    write_bytes(peer, peer->piece, peer->piece_len, peer->every_ms == 0);
}

static void on_drip(uv_timer_t *timer)
{
    send_piece(timer->data);
}

void raw_send_forever(struct raw_peer *peer, const char *piece, uint64_t every_ms)
{
    peer->piece = piece;
    peer->piece_len = strlen(piece);
    peer->every_ms = every_ms;
    if (every_ms == 0)
        send_piece(peer);
    else
        assert_int_equal(uv_timer_start(&peer->drip, on_drip, every_ms, every_ms), 0);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct raw_peer *peer = handle->data;
    *buf = uv_buf_init(peer->bytes, sizeof(peer->bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    struct raw_peer *peer = stream->data;
    if (count < 0) {
        raw_close(peer);
        return;
    }
    bool first = peer->received == 0 && count > 0;
    peer->received += (size_t)count;
    if (first && peer->server->on_bytes != NULL)
        peer->server->on_bytes(peer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct raw_server *server = listener->data;
    assert_int_equal(status, 0);
    struct raw_peer *peer = calloc(1, sizeof(*peer));
    assert_non_null(peer);
    peer->server = server;
    peer->handles = 2;
    assert_int_equal(uv_tcp_init(&server->test->loop.uv, &peer->tcp), 0);
    assert_int_equal(uv_timer_init(&server->test->loop.uv, &peer->drip), 0);
    peer->tcp.data = peer->drip.data = peer;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&peer->tcp, on_room, on_read), 0);
    DL_APPEND(server->peers, peer);
    server->connections++;
    server->open++;
    if (server->on_open != NULL)
        server->on_open(peer);
}

void raw_server_start(struct raw_server *server, struct test_loop *test,
                      void (*on_open)(struct raw_peer *peer), void (*on_bytes)(struct raw_peer *peer),
                      void *data)
{
    *server = (struct raw_server){.test = test, .on_open = on_open, .on_bytes = on_bytes, .data = data};
    struct sockaddr_in address;
    int len = sizeof(address);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_init(&test->loop.uv, &server->listener), 0);
    server->listener.data = server;
    assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 128, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct raw_server *server = handle->data;
    server->closed = true;
}

void raw_server_close(struct raw_server *server)
{
    for (struct raw_peer *peer = server->peers; peer != NULL; peer = peer->next)
        raw_close(peer);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    test_run_until(server->test, &server->closed);
    test_run_some(server->test);
    assert_int_equal(server->open, 0);
}
