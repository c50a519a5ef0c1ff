#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/loop/msgsock.h"
#include "common/loop/msgsock_internal.h"

enum {
    RECEIVE_AT_ONCE = 256, /* messages, before other work gets its turn */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 6,
    UNACKED_MAX_MS = 2 * 60 * 1000,
};

struct nj_replier {
    struct nj_sock sock;
    struct nj_replier_counts counts;
    void (*on_message)(void *data, struct nj_message *message);
    void *data;
    bool paused;
};

struct nj_message {
    void *body;
    size_t len;
    struct nj_route route;
};

const void *nj_message_bytes(const struct nj_message *message, size_t *ret_len)
{
    *ret_len = message->len;
    return message->body;
}

const struct nj_route *nj_message_route(const struct nj_message *message)
{
    return &message->route;
}

void nj_message_free(struct nj_message *message)
{
    if (message == NULL)
        return;
    nj_sock_free_body(message->body);
    free(message);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct nj_replier *replier = poll->data;
    for (int i = 0; i < RECEIVE_AT_ONCE && !replier->paused && !replier->sock.closing; i++) {
        struct nj_message received;
        if (nj_sock_receive(&replier->sock, &received.body, &received.len, &received.route) < 0)
            return;
        if (received.route.len == 0) {
            replier->counts.routes_dropped++;
            nj_sock_free_body(received.body);
            continue;
        }
        struct nj_message *message = NJ_NEW(struct nj_message);
        *message = received;
        replier->counts.messages++;
        replier->on_message(replier->data, message);
    }
}

static bool listens_on(int fd, long port)
{
    int listening = 0;
    socklen_t len = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || listening == 0)
        return false;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_storage room;
    } address = {0};
    len = sizeof(address);
    if (getsockname(fd, &address.any, &len) < 0)
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.ipv4.sin_port) == port;
    return address.any.sa_family == AF_INET6 && ntohs(address.ipv6.sin6_port) == port;
}

static void keep_alive(int fd)
{
    const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MAX_MS},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                         sizeof(options[i].value));
}

/* nanomsg has no keepalive: the connection of a node that lost its power would stay for ever. Accepted
 * sockets inherit the options of the listening one, which nanomsg does not give away, so it is found by its
 * port. */
static void keep_accepted_alive(const char *url)
{
    const char *colon = strrchr(url, ':');
    long port = colon == NULL ? 0 : strtol(colon + 1, NULL, 10);
    DIR *folder = port == 0 ? NULL : opendir("/proc/self/fd");
    if (folder == NULL)
        return;
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && listens_on(fd, port))
            keep_alive(fd);
    }
    (void)closedir(folder);
}

static void replier_free(void *owner)
{
    free(owner);
}

int nj_replier_start(struct nj_loop *loop, const struct nj_replier_options *options,
                     struct nj_replier **ret_replier, struct nj_err *err)
{
    struct nj_replier *replier = NJ_NEW(struct nj_replier);
    replier->on_message = options->on_message;
    replier->data = options->data;
    int rc = nj_sock_open(&replier->sock, loop, NJ_SOCK_REPLIER, options->max_message_bytes, replier,
                          replier_free);
    if (rc == 0)
        rc = nj_sock_watch(&replier->sock.readable, on_readable);
    if (rc == 0) {
        int endpoint = nj_sock_bind(&replier->sock, options->url, strchr(options->url, '[') != NULL);
        rc = endpoint < 0 ? endpoint : 0;
    }
    if (rc < 0) {
        (void)nj_err_set(err, rc, "%s: cannot listen: %s", options->url, nj_sock_strerror(rc));
        nj_replier_close(replier, NULL, NULL);
        return rc;
    }
    keep_accepted_alive(options->url);
    *ret_replier = replier;
    return 0;
}

void nj_replier_pause(struct nj_replier *replier, bool paused)
{
    if (replier->sock.closing || replier->paused == paused)
        return;
    replier->paused = paused;
    if (paused)
        nj_sock_unwatch(&replier->sock.readable);
    else
        (void)nj_sock_watch(&replier->sock.readable, on_readable);
}

int nj_replier_reply(struct nj_replier *replier, const struct nj_route *route, const void *bytes, size_t len)
{
    if (replier->sock.closing)
        return 0;
    if (len > INT_MAX)
        return -EMSGSIZE;
    replier->counts.replies++;
    return nj_sock_send(&replier->sock, route, bytes, len);
}

struct nj_replier_counts nj_replier_counts(const struct nj_replier *replier)
{
    struct nj_replier_counts counts = replier->counts;
    struct nj_sock_connections connections = nj_sock_connections(&replier->sock);
    counts.connections = connections.accepted;
    counts.connections_broken = connections.broken;
    counts.connections_open = connections.open;
    return counts;
}

void nj_replier_close(struct nj_replier *replier, void (*on_closed)(void *data), void *data)
{
    if (replier != NULL)
        nj_sock_close(&replier->sock, on_closed, data);
    else if (on_closed != NULL)
        on_closed(data);
}
