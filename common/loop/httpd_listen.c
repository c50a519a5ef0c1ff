#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/loop/httpd_internal.h"

enum {
    BACKLOG = 128,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 6,
};

union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* "HOST:PORT" with an IP address, a bracketed one, or nothing for all addresses. */
static int parse_listen(const char *text, union address *ret_address, struct nj_err *err)
{
    *ret_address = (union address){0};
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (colon == NULL || nj_parse_int(colon + 1, 0, UINT16_MAX, &port) < 0)
        return nj_err_set(err, -EINVAL, "\"%s\" is not ADDRESS:PORT", text);
    size_t len = (size_t)(colon - text);
    NJ_CLEANUP_FREE char *host = nj_strndup(text, len);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        ret_address->ipv6.sin6_family = AF_INET6;
        ret_address->ipv6.sin6_port = htons((uint16_t)port);
        if (inet_pton(AF_INET6, host + 1, &ret_address->ipv6.sin6_addr) == 1)
            return 0;
    } else if (len == 0) {
        ret_address->ipv6.sin6_family = AF_INET6;
        ret_address->ipv6.sin6_port = htons((uint16_t)port);
        return 0;
    } else {
        ret_address->ipv4.sin_family = AF_INET;
        ret_address->ipv4.sin_port = htons((uint16_t)port);
        if (inet_pton(AF_INET, host, &ret_address->ipv4.sin_addr) == 1)
            return 0;
    }
    return nj_err_set(err, -EINVAL,
                      "\"%s\": the address is no IP address (IPv6 in brackets), nor empty for all", text);
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* A socket that listens, or a negative errno. Connections inherit its keepalive. */
static int listen_on(const union address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    bool ipv6 = address->any.sa_family == AF_INET6;
    if (ipv6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, &address->any, ipv6 ? sizeof(address->ipv6) : sizeof(address->ipv4)) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int rc = -errno;
        (void)close(fd);
        return rc;
    }
    return fd;
}

static int port_of(int fd)
{
    union address address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) < 0)
        return -1;
    return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

int nj_httpd_listen(const char *text, int *ret_port, struct nj_err *err)
{
    union address address;
    int rc = parse_listen(text, &address, err);
    if (rc < 0)
        return rc;
    int fd = listen_on(&address);
    if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && text[0] == ':') { /* a kernel without IPv6 */
        in_port_t port = address.ipv6.sin6_port;
        address = (union address){.ipv4 = {.sin_family = AF_INET, .sin_port = port}};
        fd = listen_on(&address);
    }
    if (fd < 0)
        return nj_err_set(err, fd, "cannot listen on %s: %s", text, strerror(-fd));
    *ret_port = port_of(fd);
    return fd;
}
