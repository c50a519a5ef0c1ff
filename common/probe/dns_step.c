/*
 * A DNS question to the target, or to the resolver's own servers: over UDP, again when no answer comes, over
 * TCP when an answer was cut or that is asked for. What answers another question is not taken notice of.
 */
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "common/probe/dns_message.h"
#include "common/probe/step.h"

enum {
    SERVERS_MAX = MAXNS,
    AGAIN_MS = 1000,     /* without an answer over UDP */
    MESSAGE_MAX = 65535, /* of TCP */
    LENGTH_BYTES = 2,    /* before each message over TCP */
    PORT = 53,
};

struct connection {
    uv_tcp_t tcp; /* first: what libuv hands out */
    uv_connect_t connect;
    uv_write_t write;
};

/* Outlives the run when that is cancelled: until its handles are closed. */
struct exchange {
    struct nj_step_run *run; /* NULL: over */
    uv_timer_t timer;        /* the end, or the next try */
    uv_udp_t *udp;           /* that is at work; NULL */
    uv_tcp_t *tcp;
    size_t handles; /* open, the timer included */
    uint64_t deadline_ns, began_ns, asked_ns;
    struct sockaddr_storage servers[SERVERS_MAX];
    size_t servers_count, server;
    char names[NJ_DNS_NAMES_MAX][NJ_DNS_NAME_MAX];
    size_t names_count, name;
    unsigned char question[LENGTH_BYTES + NJ_DNS_QUESTION_MAX]; /* behind its length */
    size_t question_len;
    bool no_data;           /* a name exists without such a record */
    size_t strange;         /* answers to other questions */
    unsigned char *message; /* MESSAGE_MAX bytes, when something is received */
    size_t received;        /* over TCP, the length included */
};

static void ask(struct exchange *exchange);

/* ---- handles */

static void exchange_closed_one(struct exchange *exchange)
{
    if (--exchange->handles > 0)
        return;
    free(exchange->message);
    free(exchange);
}

static void on_closed(uv_handle_t *handle)
{
    struct exchange *exchange = handle->data;
    if (handle != (uv_handle_t *)&exchange->timer)
        free(handle);
    exchange_closed_one(exchange);
}

static void drop_sockets(struct exchange *exchange)
{
    if (exchange->udp != NULL)
        uv_close((uv_handle_t *)exchange->udp, on_closed);
    if (exchange->tcp != NULL)
        uv_close((uv_handle_t *)exchange->tcp, on_closed);
    exchange->udp = NULL;
    exchange->tcp = NULL;
}

static void detach(struct exchange *exchange)
{
    exchange->run->prober_data = NULL;
    exchange->run = NULL;
    drop_sockets(exchange);
    uv_close((uv_handle_t *)&exchange->timer, on_closed);
}

static void end(struct exchange *exchange)
{
    struct nj_step_run *run = exchange->run;
    int64_t took_ns = (int64_t)(uv_hrtime() - exchange->began_ns);
    int64_t connect_ns = run->response.phase_ns[NJ_PHASE_CONNECT];
    run->response.phase_ns[NJ_PHASE_FIRST_BYTE] = took_ns - (connect_ns < 0 ? 0 : connect_ns);
    detach(exchange);
    run->done(run);
}

static void fail(struct exchange *exchange, enum nj_cause cause, const char *words)
{
    struct nj_step_response *response = &exchange->run->response;
    response->cause = cause;
    response->phase = exchange->tcp != NULL && response->phase_ns[NJ_PHASE_CONNECT] < 0 ? NJ_PHASE_CONNECT
                                                                                        : NJ_PHASE_FIRST_BYTE;
    (void)snprintf(response->got, sizeof(response->got), "%s", words);
    end(exchange);
}

static void fail_errno(struct exchange *exchange, int error)
{
    char words[128];
    enum nj_cause cause = NJ_CAUSE_INTERNAL;
    if (error == -ECONNREFUSED)
        cause = NJ_CAUSE_REFUSED;
    else if (error == -ECONNRESET || error == UV_EOF || error == -EPIPE)
        cause = NJ_CAUSE_RESET;
    else if (error == -EHOSTUNREACH || error == -ENETUNREACH || error == -EHOSTDOWN || error == -ENETDOWN)
        cause = NJ_CAUSE_UNREACHABLE;
    fail(exchange, cause, uv_strerror_r(error, words, sizeof(words)));
}

/* ---- what came */

static void succeed(struct exchange *exchange, const struct nj_dns_answer *answer)
{
    struct nj_step_response *response = &exchange->run->response;
    response->cause = NJ_CAUSE_NONE;
    response->status = answer->rcode;
    response->word = nj_dns_rcode_name(answer->rcode);
    response->records = answer->records;
    response->records_count = answer->records_count;
    end(exchange);
}

static bool is_over_tcp(const struct exchange *exchange)
{
    return exchange->tcp != NULL;
}

static void ask_over_tcp(struct exchange *exchange);

static void take_message(struct exchange *exchange, const unsigned char *message, size_t len)
{
    struct nj_dns_answer answer = {0};
    int rc = nj_dns_parse(message, len, exchange->question + LENGTH_BYTES, exchange->question_len,
                          exchange->run->arena, &answer);
    if (rc == -ENOENT && !is_over_tcp(exchange)) {
        exchange->strange++;
    } else if (rc == -ENOMEM) {
        fail(exchange, NJ_CAUSE_TOO_LARGE, "more records than are read");
    } else if (rc < 0) {
        fail(exchange, NJ_CAUSE_PROTOCOL, "what came is no answer of a DNS server");
    } else if (answer.truncated && !is_over_tcp(exchange)) {
        ask_over_tcp(exchange);
    } else if (answer.rcode == ns_r_servfail && exchange->server + 1 < exchange->servers_count) {
        exchange->server++;
        ask(exchange);
    } else if ((answer.rcode == ns_r_nxdomain ||
                (answer.rcode == ns_r_noerror && answer.records_count == 0)) &&
               exchange->name + 1 < exchange->names_count) {
        exchange->no_data = exchange->no_data || answer.rcode == ns_r_noerror;
        exchange->name++;
        ask(exchange);
    } else {
        if (answer.rcode == ns_r_nxdomain && exchange->no_data)
            answer.rcode = ns_r_noerror;
        succeed(exchange, &answer);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct exchange *exchange = handle->data;
    (void)suggested;
    *ret_buf = uv_buf_init((char *)exchange->message + exchange->received,
                           (unsigned)(LENGTH_BYTES + MESSAGE_MAX - exchange->received));
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    struct exchange *exchange = udp->data;
    if (exchange->udp != udp || (len == 0 && from == NULL))
        return;
    if (len < 0) {
        if (exchange->server + 1 < exchange->servers_count) {
            exchange->server++;
            ask(exchange);
        } else {
            fail_errno(exchange, (int)len);
        }
        return;
    }
    if ((flags & UV_UDP_PARTIAL) == 0)
        take_message(exchange, (const unsigned char *)buf->base, (size_t)len);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct exchange *exchange = stream->data;
    (void)buf;
    if ((uv_stream_t *)exchange->tcp != stream || len == 0)
        return;
    if (len < 0) {
        fail_errno(exchange, (int)len);
        return;
    }
    exchange->received += (size_t)len;
    if (exchange->received < LENGTH_BYTES)
        return;
    size_t size = (size_t)exchange->message[0] << 8 | exchange->message[1];
    if (exchange->received >= LENGTH_BYTES + size)
        take_message(exchange, exchange->message + LENGTH_BYTES, size);
}

/* ---- asking */

static void on_written(uv_write_t *write, int status)
{
    struct exchange *exchange = write->data;
    if (status < 0 && exchange->run != NULL && exchange->tcp != NULL &&
        write->handle == (uv_stream_t *)exchange->tcp)
        fail_errno(exchange, status);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct exchange *exchange = connect->data;
    if (exchange->run == NULL || connect->handle != (uv_stream_t *)exchange->tcp)
        return;
    if (status < 0) {
        fail_errno(exchange, status);
        return;
    }
    exchange->run->response.phase_ns[NJ_PHASE_CONNECT] = (int64_t)(uv_hrtime() - exchange->asked_ns);
    exchange->question[0] = (unsigned char)(exchange->question_len >> 8);
    exchange->question[1] = (unsigned char)exchange->question_len;
    uv_buf_t buf = uv_buf_init((char *)exchange->question, (unsigned)(LENGTH_BYTES + exchange->question_len));
    struct connection *connection = (struct connection *)connect->handle;
    connection->write.data = exchange;
    int rc = uv_read_start(connect->handle, on_alloc, on_read);
    if (rc == 0)
        rc = uv_write(&connection->write, connect->handle, &buf, 1, on_written);
    if (rc < 0)
        fail_errno(exchange, rc);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct exchange *exchange, uint64_t at_most_ms)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t left_ns = exchange->deadline_ns > now_ns ? exchange->deadline_ns - now_ns : 0;
    uint64_t left_ms = (left_ns + (uint64_t)NJ_MS - 1) / (uint64_t)NJ_MS;
    (void)uv_timer_start(&exchange->timer, on_timer, left_ms < at_most_ms ? left_ms : at_most_ms, 0);
}

static const struct sockaddr *server_of(const struct exchange *exchange)
{
    return (const struct sockaddr *)&exchange->servers[exchange->server];
}

static void ask_over_tcp(struct exchange *exchange)
{
    drop_sockets(exchange);
    struct connection *connection = NJ_NEW(struct connection);
    (void)uv_tcp_init(exchange->timer.loop, &connection->tcp);
    connection->tcp.data = connection->connect.data = exchange;
    exchange->handles++;
    exchange->tcp = &connection->tcp;
    exchange->received = 0;
    exchange->asked_ns = uv_hrtime();
    int rc = uv_tcp_connect(&connection->connect, &connection->tcp, server_of(exchange), on_connected);
    if (rc < 0)
        fail_errno(exchange, rc);
    else
        set_timer(exchange, UINT64_MAX);
}

static int ask_over_udp(struct exchange *exchange)
{
    drop_sockets(exchange);
    uv_udp_t *udp = NJ_NEW(uv_udp_t);
    (void)uv_udp_init(exchange->timer.loop, udp);
    udp->data = exchange;
    exchange->handles++;
    exchange->udp = udp;
    exchange->received = 0;
    /* Connected, so that the kernel lets nobody else answer and tells of a port that nobody listens on. */
    int rc = uv_udp_connect(udp, server_of(exchange));
    if (rc == 0)
        rc = uv_udp_recv_start(udp, on_alloc, on_datagram);
    uv_buf_t buf = uv_buf_init((char *)exchange->question + LENGTH_BYTES, (unsigned)exchange->question_len);
    if (rc == 0)
        rc = uv_udp_try_send(udp, &buf, 1, NULL);
    set_timer(exchange, AGAIN_MS);
    return rc < 0 && rc != UV_EAGAIN ? rc : 0;
}

/* A question for the present name to the present server. */
static void ask(struct exchange *exchange)
{
    const struct nj_step *step = exchange->run->request.step;
    uint16_t id = 0;
    if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
        id = (uint16_t)uv_hrtime();
    int len = nj_dns_question(exchange->names[exchange->name], nj_dns_type(step->dns_type), id,
                              exchange->question + LENGTH_BYTES);
    if (len < 0) {
        fail(exchange, NJ_CAUSE_INTERNAL, "no question can be made of the name");
        return;
    }
    exchange->question_len = (size_t)len;
    if (step->dns_tcp) {
        ask_over_tcp(exchange);
        return;
    }
    int rc = ask_over_udp(exchange);
    if (rc < 0)
        fail_errno(exchange, rc);
}

static void on_timer(uv_timer_t *timer)
{
    struct exchange *exchange = timer->data;
    if (exchange->began_ns == 0) {
        exchange->began_ns = uv_hrtime();
        ask(exchange);
        return;
    }
    if (uv_hrtime() < exchange->deadline_ns) { /* only UDP wakes before */
        exchange->server = (exchange->server + 1) % exchange->servers_count;
        ask(exchange);
        return;
    }
    fail(exchange, NJ_CAUSE_TIMEOUT,
         exchange->strange == 0 ? "no answer" : "only answers to other questions");
}

/* ---- beginning */

static void take_servers(struct exchange *exchange, const struct __res_state *state)
{
    for (int i = 0; i < state->nscount && i < SERVERS_MAX; i++) {
        struct sockaddr_storage *server = &exchange->servers[exchange->servers_count];
        *server = (struct sockaddr_storage){0};
        if (state->nsaddr_list[i].sin_family == AF_INET)
            memcpy(server, &state->nsaddr_list[i], sizeof(state->nsaddr_list[i]));
        else if (state->_u._ext.nsaddrs[i] != NULL)
            memcpy(server, state->_u._ext.nsaddrs[i], sizeof(struct sockaddr_in6));
        else
            continue;
        exchange->servers_count++;
    }
}

static int prepare(struct exchange *exchange, struct nj_err *err)
{
    const struct nj_step_request *request = &exchange->run->request;
    struct __res_state state = {0};
    if (res_ninit(&state) != 0)
        return nj_err_set(err, -EIO, "/etc/resolv.conf cannot be read");
    if (request->address.ss_family == AF_UNSPEC) {
        take_servers(exchange, &state);
    } else {
        exchange->servers[0] = request->address;
        exchange->servers_count = 1;
    }
    exchange->names_count =
        nj_dns_names(request->step->dns_name, state.dnsrch, (unsigned)state.ndots, exchange->names);
    res_nclose(&state);
    if (exchange->servers_count == 0)
        return nj_err_set(err, -ENOENT, "/etc/resolv.conf names no server");
    if (exchange->names_count == 0)
        return nj_err_set(err, -EINVAL, "the name is too long");
    return 0;
}

static int start(struct nj_step_run *run, struct nj_err *err)
{
    struct exchange *exchange = NJ_NEW(struct exchange);
    exchange->run = run;
    exchange->deadline_ns = uv_hrtime() + (uint64_t)run->request.timeout_ns;
    int rc = prepare(exchange, err);
    if (rc == 0) {
        exchange->message = nj_try_alloc(LENGTH_BYTES + MESSAGE_MAX);
        if (exchange->message == NULL)
            rc = nj_err_set(err, -ENOMEM, "out of memory");
    }
    if (rc < 0) {
        free(exchange);
        return rc;
    }
    (void)uv_timer_init(&run->loop->uv, &exchange->timer);
    exchange->timer.data = exchange;
    exchange->handles = 1;
    run->prober_data = exchange;
    /* From the loop: nothing may be told from inside here. */
    (void)uv_timer_start(&exchange->timer, on_timer, 0, 0);
    return 0;
}

static void cancel(struct nj_step_run *run)
{
    detach(run->prober_data);
}

const struct nj_step_prober nj_dns_step = {.name = "dns", .start = start, .cancel = cancel};
