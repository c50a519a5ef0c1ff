#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/loop/lookup.h"
#include "common/loop/msgsock.h"
#include "common/loop/msgsock_internal.h"

enum {
    ID_BYTES = 4,
    HOST_MAX = 253,
    RESENDS_MAX = 10,           /* of one request */
    ADDRESS_PATIENCE_MS = 3000, /* then a name's next address gets its turn */
    CONNECTION_LOOK_MS = 25,    /* how often a lost connection is looked for while a reply is awaited */
    RECONNECT_LEAST_MS = 10,
};

/* IDLE: may send. WAITING: for a reply, perhaps still for a connection. BACKOFF: disconnected on purpose. */
enum state { IDLE, WAITING, BACKOFF, CLOSED };

struct nj_requester {
    struct nj_sock sock;
    enum state state;
    char *url; /* of an address; NULL when a name must be looked up: */
    char *host, *port;
    int endpoint; /* nanomsg's; -1: none */
    struct nj_lookup *lookup;
    unsigned address_turn;
    uint64_t connect_ms;      /* when the endpoint was started */
    uint64_t lookup_again_ms; /* not before */
    uv_timer_t timer;         /* the reply's time, or the backoff's */
    uv_timer_t look;          /* for a lost connection */
    size_t timers_open;

    uint32_t id; /* of the newest request; its highest bit is set: the end of a route */
    char *request;
    size_t request_len;
    bool unsent;
    unsigned resends;
    uint64_t connections_at_send;

    uint64_t timeout_ms, backoff_min_ms, backoff_max_ms, backoff_ms;
    struct nj_requester_counts counts;
    void (*on_reply)(void *data, const void *bytes, size_t len);
    void (*on_timeout)(void *data);
    void (*on_ready)(void *data);
    void *data;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static uint64_t to_ms(int64_t ns)
{
    return ns <= 0 ? 1 : ((uint64_t)ns - 1) / (uint64_t)NJ_MS + 1;
}

static uint32_t random_number(void)
{
    uint32_t number = 0;
    (void)uv_random(NULL, NULL, &number, sizeof(number), 0, NULL);
    return number;
}

/* Between half of it and all of it. */
static uint64_t jittered(uint64_t ms)
{
    return ms / 2 + random_number() % (ms / 2 + 1);
}

static uint64_t connections_made(const struct nj_requester *requester)
{
    return nj_sock_connections(&requester->sock).made;
}

static int connect_to(struct nj_requester *requester, const char *url, bool ipv6)
{
    uint64_t pause_ms = jittered(requester->backoff_min_ms);
    int endpoint = nj_sock_connect(&requester->sock, url, ipv6,
                                   pause_ms < RECONNECT_LEAST_MS ? RECONNECT_LEAST_MS : pause_ms);
    if (endpoint < 0)
        return endpoint;
    requester->endpoint = endpoint;
    requester->connect_ms = uv_now(&requester->sock.loop->uv);
    return 0;
}

static bool is_ipv6(const char *url)
{
    return strchr(url, '[') != NULL;
}

static void on_looked_up(void *data, int error, const struct addrinfo *addresses)
{
    struct nj_requester *requester = data;
    requester->lookup = NULL;
    if (error != 0 || addresses == NULL)
        return; /* on_look() tries again */
    unsigned count = 1;
    for (const struct addrinfo *each = addresses->ai_next; each != NULL; each = each->ai_next)
        count++;
    const struct addrinfo *address = addresses;
    for (unsigned turn = requester->address_turn++ % count; turn > 0; turn--)
        address = address->ai_next;
    bool ipv6 = address->ai_family == AF_INET6;
    char text[INET6_ADDRSTRLEN];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
        return;
    NJ_CLEANUP_FREE char *url =
        nj_asprintf("tcp://%s%s%s:%s", ipv6 ? "[" : "", text, ipv6 ? "]" : "", requester->port);
    (void)connect_to(requester, url, ipv6);
}

/* Connects, or looks the name up first. */
static void reconnect(struct nj_requester *requester)
{
    if (requester->endpoint >= 0 || requester->lookup != NULL)
        return;
    if (requester->url != NULL) {
        (void)connect_to(requester, requester->url, is_ipv6(requester->url));
        return;
    }
    struct nj_loop *loop = requester->sock.loop;
    requester->lookup_again_ms = uv_now(&loop->uv) + jittered(requester->backoff_min_ms);
    requester->lookup = nj_lookup_start(loop, requester->host, SOCK_STREAM, on_looked_up, requester);
}

static void disconnect(struct nj_requester *requester)
{
    nj_lookup_cancel(requester->lookup);
    requester->lookup = NULL;
    if (requester->endpoint >= 0)
        nj_sock_disconnect(&requester->sock, requester->endpoint);
    requester->endpoint = -1;
}

static void on_writable(uv_poll_t *poll, int status, int events);

/* Sends the request now, or when nanomsg can take it. */
static void try_send(struct nj_requester *requester)
{
    uint32_t id = requester->id;
    const struct nj_route route = {
        .len = ID_BYTES,
        .bytes = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id}};
    requester->connections_at_send = connections_made(requester);
    requester->unsent =
        nj_sock_send(&requester->sock, &route, requester->request, requester->request_len) < 0;
    if (requester->unsent)
        (void)nj_sock_watch(&requester->sock.writable, on_writable);
    else
        nj_sock_unwatch(&requester->sock.writable);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct nj_requester *requester = poll->data;
    if (requester->state == WAITING && requester->unsent)
        try_send(requester);
    else
        nj_sock_unwatch(poll);
}

/* nanomsg tells of no disconnection: it is seen by the count of connections. */
static void on_look(uv_timer_t *look)
{
    struct nj_requester *requester = look->data;
    uint64_t now_ms = uv_now(&requester->sock.loop->uv);
    if (requester->unsent && requester->host != NULL && requester->endpoint >= 0 &&
        now_ms >= requester->connect_ms + ADDRESS_PATIENCE_MS)
        disconnect(requester);
    if (requester->endpoint < 0 && now_ms >= requester->lookup_again_ms)
        reconnect(requester);
    if (requester->unsent || requester->resends >= RESENDS_MAX ||
        connections_made(requester) == requester->connections_at_send)
        return;
    requester->resends++;
    requester->counts.resent++;
    try_send(requester);
}

/* Ends WAITING. */
static void forget_request(struct nj_requester *requester)
{
    (void)uv_timer_stop(&requester->timer);
    (void)uv_timer_stop(&requester->look);
    nj_sock_unwatch(&requester->sock.writable);
    free(requester->request);
    requester->request = NULL;
    requester->unsent = false;
}

static void on_backoff_over(uv_timer_t *timer)
{
    struct nj_requester *requester = timer->data;
    requester->state = IDLE;
    reconnect(requester);
    if (requester->on_ready != NULL)
        requester->on_ready(requester->data);
}

static void on_silence(uv_timer_t *timer)
{
    struct nj_requester *requester = timer->data;
    requester->counts.timeouts++;
    forget_request(requester);
    disconnect(requester);
    requester->state = BACKOFF;
    (void)uv_timer_start(&requester->timer, on_backoff_over, jittered(requester->backoff_ms), 0);
    bool longest = requester->backoff_ms >= requester->backoff_max_ms / 2;
    requester->backoff_ms = longest ? requester->backoff_max_ms : requester->backoff_ms * 2;
    requester->on_timeout(requester->data);
}

static bool is_awaited(const struct nj_requester *requester, const struct nj_route *route)
{
    const uint8_t *id = route->bytes;
    return requester->state == WAITING && route->len == ID_BYTES &&
           requester->id ==
               (((uint32_t)id[0] << 24) | ((uint32_t)id[1] << 16) | ((uint32_t)id[2] << 8) | (uint32_t)id[3]);
}

/* One message a call: the poll is level-triggered, and the callback may close. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct nj_requester *requester = poll->data;
    void *body = NULL;
    size_t len = 0;
    struct nj_route route;
    if (nj_sock_receive(&requester->sock, &body, &len, &route) < 0)
        return;
    if (is_awaited(requester, &route)) {
        forget_request(requester);
        requester->state = IDLE;
        requester->backoff_ms = requester->backoff_min_ms;
        requester->counts.replies++;
        requester->on_reply(requester->data, body, len);
    } else {
        requester->counts.stray_replies++;
    }
    nj_sock_free_body(body);
}

static bool port_valid(const char *port)
{
    size_t len = strspn(port, "0123456789");
    if (len == 0 || len > 5 || port[len] != '\0')
        return false;
    long number = strtol(port, NULL, 10);
    return number > 0 && number <= UINT16_MAX;
}

/* Sets host and port of "HOST:PORT" when HOST is a name, and url when it is an address. */
static int parse_tcp(struct nj_requester *requester, const char *url, const char *host, struct nj_err *err)
{
    const char *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || colon - host > HOST_MAX || !port_valid(colon + 1))
        return nj_err_set(err, -EINVAL, "%s: not tcp://HOST:PORT with a port from 1 to 65535", url);
    NJ_CLEANUP_FREE char *name = nj_strndup(host, (size_t)(colon - host));
    size_t len = strlen(name);
    uint8_t address[sizeof(struct in6_addr)];
    if (name[0] == '[') {
        NJ_CLEANUP_FREE char *inside = nj_strndup(name + 1, len >= 2 ? len - 2 : 0);
        if (name[len - 1] != ']' || inet_pton(AF_INET6, inside, address) != 1)
            return nj_err_set(err, -EINVAL, "%s: no IPv6 address inside the brackets", url);
        requester->url = nj_strdup(url);
    } else if (inet_pton(AF_INET, name, address) == 1) {
        requester->url = nj_strdup(url);
    } else if (strpbrk(name, ":;*/[] ") == NULL) {
        requester->host = nj_strdup(name);
        requester->port = nj_strdup(colon + 1);
    } else {
        return nj_err_set(err, -EINVAL, "%s: not a host name (IPv6 addresses stand in brackets)", url);
    }
    return 0;
}

static int parse_url(struct nj_requester *requester, const char *url, struct nj_err *err)
{
    static const char tcp[] = "tcp://";
    static const char ipc[] = "ipc://";
    if (strncmp(url, tcp, sizeof(tcp) - 1) == 0)
        return parse_tcp(requester, url, url + sizeof(tcp) - 1, err);
    if (strncmp(url, ipc, sizeof(ipc) - 1) != 0 || url[sizeof(ipc) - 1] == '\0')
        return nj_err_set(err, -EINVAL, "%s: neither tcp://HOST:PORT nor ipc://PATH", url);
    requester->url = nj_strdup(url);
    return 0;
}

static void requester_free(void *owner)
{
    struct nj_requester *requester = owner;
    free(requester->url);
    free(requester->host);
    free(requester->port);
    free(requester->request);
    free(requester);
}

static int open_and_connect(struct nj_requester *requester, struct nj_loop *loop, size_t max_reply_bytes)
{
    int rc =
        nj_sock_open(&requester->sock, loop, NJ_SOCK_REQUESTER, max_reply_bytes, requester, requester_free);
    if (rc == 0)
        rc = nj_sock_watch(&requester->sock.readable, on_readable);
    if (rc == 0 && requester->url != NULL)
        rc = connect_to(requester, requester->url, is_ipv6(requester->url));
    if (rc < 0)
        return rc;
    reconnect(requester);
    uv_unref((uv_handle_t *)&requester->sock.readable); /* what is awaited has a timer, and that counts */
    return 0;
}

int nj_requester_start(struct nj_loop *loop, const struct nj_requester_options *options,
                       struct nj_requester **ret_requester, struct nj_err *err)
{
    struct nj_requester *requester = NJ_NEW(struct nj_requester);
    int rc = parse_url(requester, options->url, err);
    if (rc < 0) {
        requester_free(requester);
        return rc;
    }
    requester->endpoint = -1;
    requester->id = random_number();
    requester->timeout_ms = to_ms(options->reply_timeout_ns);
    requester->backoff_min_ms = to_ms(options->reconnect_min_ns);
    requester->backoff_max_ms = to_ms(options->reconnect_max_ns);
    requester->backoff_ms = requester->backoff_min_ms;
    requester->on_reply = options->on_reply;
    requester->on_timeout = options->on_timeout;
    requester->on_ready = options->on_ready;
    requester->data = options->data;
    (void)uv_timer_init(&loop->uv, &requester->timer);
    (void)uv_timer_init(&loop->uv, &requester->look);
    requester->timer.data = requester;
    requester->look.data = requester;
    requester->timers_open = 2;
    rc = open_and_connect(requester, loop, options->max_reply_bytes);
    if (rc < 0) {
        (void)nj_err_set(err, rc, "%s: %s", options->url, nj_sock_strerror(rc));
        nj_requester_close(requester, NULL, NULL);
        return rc;
    }
    *ret_requester = requester;
    return 0;
}

int nj_requester_send(struct nj_requester *requester, const void *bytes, size_t len)
{
    if (requester->state == CLOSED)
        return -ESHUTDOWN;
    if (requester->state != IDLE)
        return requester->state == WAITING ? -EBUSY : -EAGAIN;
    if (len > INT_MAX)
        return -EMSGSIZE;
    requester->request = nj_try_alloc(len);
    if (requester->request == NULL)
        return -ENOMEM;
    if (len > 0)
        memcpy(requester->request, bytes, len);
    requester->request_len = len;
    requester->id = (requester->id + 1) | UINT32_C(0x80000000);
    requester->state = WAITING;
    requester->resends = 0;
    requester->counts.sent++;
    uv_update_time(&requester->sock.loop->uv);
    (void)uv_timer_start(&requester->timer, on_silence, requester->timeout_ms, 0);
    (void)uv_timer_start(&requester->look, on_look, CONNECTION_LOOK_MS, CONNECTION_LOOK_MS);
    try_send(requester);
    return 0;
}

struct nj_requester_counts nj_requester_counts(const struct nj_requester *requester)
{
    struct nj_requester_counts counts = requester->counts;
    counts.connections = connections_made(requester);
    return counts;
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct nj_requester *requester = timer->data;
    if (--requester->timers_open == 0)
        nj_sock_close(&requester->sock, requester->on_closed, requester->on_closed_data);
}

void nj_requester_close(struct nj_requester *requester, void (*on_closed)(void *data), void *data)
{
    if (requester == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    if (requester->state == CLOSED)
        return;
    requester->state = CLOSED;
    requester->on_closed = on_closed;
    requester->on_closed_data = data;
    disconnect(requester);
    nj_sock_unwatch(&requester->sock.readable);
    nj_sock_unwatch(&requester->sock.writable);
    uv_close((uv_handle_t *)&requester->timer, on_timer_closed);
    uv_close((uv_handle_t *)&requester->look, on_timer_closed);
}
