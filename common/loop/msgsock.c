#include "common/loop/msgsock_internal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>
#include <string.h>

/* The control data of a message: its route, as nn_recvmsg() and nn_sendmsg() lay it out. */
union control {
    struct nn_cmsghdr header;
    uint8_t bytes[NN_CMSG_SPACE(sizeof(size_t) + NJ_ROUTE_MAX)];
};

static int set_option(const struct nj_sock *sock, int level, int option, int value)
{
    return nn_setsockopt(sock->nn, level, option, &value, sizeof(value)) < 0 ? -nn_errno() : 0;
}

static int clamp(uint64_t value)
{
    return value == 0 ? 1 : value > INT_MAX ? INT_MAX : (int)value;
}

static int init_poll(struct nj_sock *sock, uv_poll_t *poll, int option)
{
    int fd = -1;
    size_t len = sizeof(fd);
    if (nn_getsockopt(sock->nn, NN_SOL_SOCKET, option, &fd, &len) < 0)
        return -nn_errno();
    int rc = uv_poll_init(&sock->loop->uv, poll, fd);
    if (rc < 0)
        return rc;
    poll->data = sock->owner;
    sock->handles++;
    return 0;
}

int nj_sock_open(struct nj_sock *sock, struct nj_loop *loop, enum nj_sock_kind kind, size_t max_bytes,
                 void *owner, void (*owner_free)(void *owner))
{
    *sock = (struct nj_sock){.loop = loop, .owner = owner, .owner_free = owner_free};
    sock->nn = nn_socket(AF_SP_RAW, kind == NJ_SOCK_REQUESTER ? NN_REQ : NN_REP);
    if (sock->nn < 0)
        return -nn_errno();
    int rc = set_option(sock, NN_SOL_SOCKET, NN_RCVMAXSIZE, clamp(max_bytes));
    if (rc == 0)
        rc = set_option(sock, NN_TCP, NN_TCP_NODELAY, 1);
    if (rc == 0)
        rc = init_poll(sock, &sock->readable, NN_RCVFD);
    if (rc == 0)
        rc = init_poll(sock, &sock->writable, NN_SNDFD);
    return rc;
}

static void close_nn(uv_work_t *work)
{
    const struct nj_sock *sock = work->data;
    if (sock->nn >= 0)
        (void)nn_close(sock->nn);
}

static void on_nn_closed(uv_work_t *work, int status)
{
    (void)status;
    struct nj_sock *sock = work->data;
    void (*on_closed)(void *data) = sock->on_closed;
    void *data = sock->on_closed_data;
    sock->owner_free(sock->owner);
    if (on_closed != NULL)
        on_closed(data);
}

/* The polls first: nanomsg's descriptors must not be closed while they are watched. */
static void go_on_closing(struct nj_sock *sock)
{
    if (sock->handles > 0)
        return;
    sock->close_work.data = sock;
    (void)uv_queue_work(&sock->loop->uv, &sock->close_work, close_nn,
                        on_nn_closed); /* fails without a callback only */
}

static void on_poll_closed(uv_handle_t *poll)
{
    struct nj_sock *sock = poll->data;
    sock->handles--;
    go_on_closing(sock);
}

static void close_poll(struct nj_sock *sock, uv_poll_t *poll)
{
    if (poll->data == NULL) /* never initialised */
        return;
    poll->data = sock;
    uv_close((uv_handle_t *)poll, on_poll_closed);
}

void nj_sock_close(struct nj_sock *sock, void (*on_closed)(void *data), void *data)
{
    if (sock->closing)
        return;
    sock->closing = true;
    sock->on_closed = on_closed;
    sock->on_closed_data = data;
    close_poll(sock, &sock->readable);
    close_poll(sock, &sock->writable);
    go_on_closing(sock);
}

int nj_sock_watch(uv_poll_t *poll, uv_poll_cb on_ready)
{
    return uv_poll_start(poll, UV_READABLE, on_ready); /* both of nanomsg's descriptors become readable */
}

void nj_sock_unwatch(uv_poll_t *poll)
{
    if (poll->data != NULL)
        (void)uv_poll_stop(poll);
}

int nj_sock_connect(struct nj_sock *sock, const char *url, bool ipv6, uint64_t reconnect_ms)
{
    int rc = set_option(sock, NN_SOL_SOCKET, NN_IPV4ONLY, ipv6 ? 0 : 1);
    if (rc == 0)
        rc = set_option(sock, NN_SOL_SOCKET, NN_RECONNECT_IVL, clamp(reconnect_ms));
    if (rc < 0)
        return rc;
    int endpoint = nn_connect(sock->nn, url);
    return endpoint < 0 ? -nn_errno() : endpoint;
}

int nj_sock_bind(struct nj_sock *sock, const char *url, bool ipv6)
{
    int rc = set_option(sock, NN_SOL_SOCKET, NN_IPV4ONLY, ipv6 ? 0 : 1);
    if (rc < 0)
        return rc;
    int endpoint = nn_bind(sock->nn, url);
    return endpoint < 0 ? -nn_errno() : endpoint;
}

void nj_sock_disconnect(struct nj_sock *sock, int endpoint)
{
    (void)nn_shutdown(sock->nn, endpoint);
}

int nj_sock_receive(struct nj_sock *sock, void **ret_body, size_t *ret_len, struct nj_route *ret_route)
{
    union control control;
    memset(&control, 0, sizeof(control)); /* stays so when the route does not fit */
    void *body = NULL;
    struct nn_iovec part = {.iov_base = &body, .iov_len = NN_MSG};
    struct nn_msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int len = nn_recvmsg(sock->nn, &header, NN_DONTWAIT);
    if (len < 0)
        return -nn_errno();
    *ret_body = body;
    *ret_len = (size_t)len;
    ret_route->len = 0;
    size_t route_len = 0;
    const uint8_t *data = control.bytes + sizeof(control.header);
    memcpy(&route_len, data, sizeof(route_len));
    if (control.header.cmsg_level == PROTO_SP && control.header.cmsg_type == SP_HDR &&
        route_len <= NJ_ROUTE_MAX) {
        ret_route->len = (uint8_t)route_len;
        memcpy(ret_route->bytes, data + sizeof(route_len), route_len);
    }
    return 0;
}

void nj_sock_free_body(void *body)
{
    (void)nn_freemsg(body);
}

int nj_sock_send(struct nj_sock *sock, const struct nj_route *route, const void *bytes, size_t len)
{
    union control control;
    memset(&control, 0, sizeof(control));
    size_t route_len = route->len;
    control.header.cmsg_len = NN_CMSG_SPACE(sizeof(size_t) + route_len);
    control.header.cmsg_level = PROTO_SP;
    control.header.cmsg_type = SP_HDR;
    uint8_t *data = control.bytes + sizeof(control.header);
    memcpy(data, &route_len, sizeof(route_len));
    memcpy(data + sizeof(route_len), route->bytes, route_len);
    struct nn_iovec part = {.iov_base = (void *)(len == 0 ? "" : bytes), .iov_len = len};
    struct nn_msghdr header = {.msg_iov = &part,
                               .msg_iovlen = 1,
                               .msg_control = &control,
                               .msg_controllen = control.header.cmsg_len};
    return nn_sendmsg(sock->nn, &header, NN_DONTWAIT) < 0 ? -nn_errno() : 0;
}

struct nj_sock_connections nj_sock_connections(const struct nj_sock *sock)
{
    return (struct nj_sock_connections){.made = nn_get_statistic(sock->nn, NN_STAT_ESTABLISHED_CONNECTIONS),
                                        .accepted = nn_get_statistic(sock->nn, NN_STAT_ACCEPTED_CONNECTIONS),
                                        .broken = nn_get_statistic(sock->nn, NN_STAT_BROKEN_CONNECTIONS),
                                        .open = nn_get_statistic(sock->nn, NN_STAT_CURRENT_CONNECTIONS)};
}

const char *nj_sock_strerror(int error)
{
    return nn_strerror(-error);
}
