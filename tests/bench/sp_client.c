#include "tests/bench/sp_client.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "tests/bench/measure.h"

enum {
    HANDSHAKE_BYTES = 8,
    REQUEST_ID_BYTES = 4,
    HEAD_BYTES = 8 + REQUEST_ID_BYTES, /* the length counts the id, not itself */
    REPLY_MAX = 1 << 20,
    READ_BYTES = 4096,
    EVENTS_AT_ONCE = 256,
    HANDSHAKE_SECONDS = 10,
};

/* "\0SP\0", the endpoint's type, two reserved bytes: REQ is 0x30, REP 0x31. */
static const uint8_t request_handshake[HANDSHAKE_BYTES] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const uint8_t reply_handshake[HANDSHAKE_BYTES] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

struct peer {
    int fd;
    uint32_t id;
    uint8_t head[HEAD_BYTES];
    const char *body;
    size_t body_len, sent; /* head included */
    struct nj_buf received;
};

struct nj_sp_client {
    int epoll_fd;
    struct peer *peers;
    int count;
    void (*on_reply)(void *data, int peer, const void *bytes, size_t len);
    void *data;
};

static void connect_peer(struct peer *peer, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = HANDSHAKE_SECONDS};
    uint8_t answer[HANDSHAKE_BYTES];
    int yes = 1;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
        connect(peer->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        nj_bench_fail("port %d: %s", port, strerror(errno));
    if (send(peer->fd, request_handshake, HANDSHAKE_BYTES, 0) != HANDSHAKE_BYTES ||
        recv(peer->fd, answer, HANDSHAKE_BYTES, MSG_WAITALL) != HANDSHAKE_BYTES ||
        memcmp(answer, reply_handshake, HANDSHAKE_BYTES) != 0)
        nj_bench_fail("port %d: no REP socket answers", port);
}

static void watch_peer(struct nj_sp_client *client, int number, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)number};
    if (epoll_ctl(client->epoll_fd, operation, client->peers[number].fd, &event) < 0)
        nj_bench_fail("epoll: %s", strerror(errno));
}

struct nj_sp_client *nj_sp_client_new(int port, int count,
                                      void (*on_reply)(void *data, int peer, const void *bytes, size_t len),
                                      void *data)
{
    struct nj_sp_client *client = NJ_NEW(struct nj_sp_client);
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->peers = nj_calloc((size_t)count, sizeof(*client->peers));
    client->count = count;
    client->on_reply = on_reply;
    client->data = data;
    for (int i = 0; i < count; i++) {
        connect_peer(&client->peers[i], port);
        watch_peer(client, i, EPOLL_CTL_ADD, EPOLLIN);
        nj_buf_init(&client->peers[i].received, REPLY_MAX);
    }
    return client;
}

void nj_sp_client_free(struct nj_sp_client *client)
{
    for (int i = 0; i < client->count; i++) {
        (void)close(client->peers[i].fd);
        nj_buf_done(&client->peers[i].received);
    }
    (void)close(client->epoll_fd);
    free(client->peers);
    free(client);
}

/* As much of the request as the socket takes; true when all of it has gone. */
static bool push(struct peer *peer)
{
    while (peer->sent < HEAD_BYTES + peer->body_len) {
        size_t head_sent = peer->sent < HEAD_BYTES ? peer->sent : HEAD_BYTES;
        size_t body_sent = peer->sent - head_sent;
        struct iovec parts[] = {
            {.iov_base = peer->head + head_sent, .iov_len = HEAD_BYTES - head_sent},
            {.iov_base = (char *)peer->body + body_sent, .iov_len = peer->body_len - body_sent}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(peer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0)
            nj_bench_fail("the collector broke a connection: %s", strerror(errno));
        peer->sent += (size_t)sent;
    }
    return true;
}

void nj_sp_client_send(struct nj_sp_client *client, int number, const void *bytes, size_t len)
{
    struct peer *peer = &client->peers[number];
    uint64_t wire_len = htobe64(len + REQUEST_ID_BYTES);
    uint32_t wire_id = htobe32(++peer->id | UINT32_C(1) << 31);
    memcpy(peer->head, &wire_len, sizeof(wire_len));
    memcpy(peer->head + sizeof(wire_len), &wire_id, sizeof(wire_id));
    peer->body = bytes;
    peer->body_len = len;
    peer->sent = 0;
    if (!push(peer))
        watch_peer(client, number, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* Tells the reply once it is complete. */
static void take_reply(struct nj_sp_client *client, int number)
{
    struct peer *peer = &client->peers[number];
    struct nj_buf *received = &peer->received;
    if (received->len < HEAD_BYTES)
        return;
    uint64_t len;
    uint32_t id;
    memcpy(&len, received->data, sizeof(len));
    memcpy(&id, received->data + sizeof(len), sizeof(id));
    len = be64toh(len);
    if (len < REQUEST_ID_BYTES || len > REPLY_MAX - sizeof(len))
        nj_bench_fail("the collector sent a reply of %llu bytes", (unsigned long long)len);
    if (received->len < sizeof(len) + len)
        return;
    if (received->len > sizeof(len) + len || be32toh(id) != (peer->id | UINT32_C(1) << 31))
        nj_bench_fail("the collector answered what nobody asked");
    received->len = 0; /* the bytes stay until the next ones come */
    client->on_reply(client->data, number, received->data + HEAD_BYTES, len - REQUEST_ID_BYTES);
}

static void pull(struct nj_sp_client *client, int number)
{
    struct peer *peer = &client->peers[number];
    char *place = nj_buf_reserve(&peer->received, READ_BYTES);
    if (place == NULL)
        nj_bench_fail("the collector sent too long a reply");
    ssize_t got = recv(peer->fd, place, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        nj_bench_fail("the collector closed a connection");
    peer->received.len += (size_t)got;
    take_reply(client, number);
}

int nj_sp_client_run(struct nj_sp_client *client, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(client->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++) {
        int number = (int)events[i].data.u32;
        if ((events[i].events & EPOLLOUT) != 0 && push(&client->peers[number]))
            watch_peer(client, number, EPOLL_CTL_MOD, EPOLLIN);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            pull(client, number);
    }
    return count;
}
