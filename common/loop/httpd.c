#include "common/loop/httpd.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/loop/httpd_internal.h"

enum {
    CONNECTION_MEMORY = 32 * 1024, /* of MHD: request line and headers must fit */
    DISCARD_MAX = 1024 * 1024,     /* of a body that is too large, so that its sender can read the 413 */
    SWEEP_MS = 1000,
};

/* ---- requests ---- */

static void request_free(struct nj_httpd_request *request)
{
    free(request->method);
    nj_uri_done(&request->uri);
    nj_buf_done(&request->body);
    free(request);
}

static struct nj_httpd_connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static bool is_loopback(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL)
        return false;
    if (info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, info->client_addr, sizeof(ipv4));
        return ntohl(ipv4.sin_addr.s_addr) >> 24 == 127;
    }
    if (info->client_addr->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, info->client_addr, sizeof(ipv6));
    return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr) && ipv6.sin6_addr.s6_addr[12] == 127);
}

/* A request begins: its target as it was sent. The result becomes MHD's context of the request. */
static void *on_target(void *data, const char *target, struct MHD_Connection *connection)
{
    struct nj_httpd *httpd = data;
    struct nj_httpd_request *request = NJ_NEW(struct nj_httpd_request);
    request->httpd = httpd;
    request->connection = connection;
    request->peer = connection_of(connection);
    nj_buf_init(&request->body, httpd->max_body_bytes);
    (void)nj_uri_parse(target, &request->uri, &request->bad);
    request->peer_is_loopback = is_loopback(connection);
    DL_APPEND(httpd->requests, request);
    return request;
}

/* MHD's own decoding, which is lenient, is not wanted. */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
    (void)data;
    (void)connection;
    return strlen(text);
}

void nj_httpd_answer(struct nj_httpd_request *request, unsigned status, struct MHD_Response *response)
{
    request->answered = true;
    if (request->connection == NULL) {
        if (response != NULL)
            MHD_destroy_response(response);
        request_free(request);
        return;
    }
    if (response == NULL || MHD_queue_response(request->connection, status, response) != MHD_YES)
        (void)shutdown(request->peer->fd, SHUT_RDWR);
    if (response != NULL)
        MHD_destroy_response(response);
    nj_buf_done(&request->body);
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
        nj_httpd_run_soon(request->httpd);
    }
}

void nj_httpd_reply(struct nj_httpd_request *request, unsigned status, const char *content_type,
                    const char *const *headers, const void *body, size_t body_len)
{
    struct MHD_Response *response = NULL;
    if (request->connection != NULL)
        response = MHD_create_response_from_buffer(body_len, (void *)(body_len == 0 ? "" : body),
                                                   MHD_RESPMEM_MUST_COPY);
    if (response != NULL && content_type != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (; response != NULL && headers != NULL && headers[0] != NULL; headers += 2)
        (void)MHD_add_response_header(response, headers[0], headers[1]);
    nj_httpd_answer(request, status, response);
}

/* What the server answers by itself, as the API's own errors look (RFC 9457). */
static void refuse(struct nj_httpd_request *request, unsigned status, const char *title, const char *detail)
{
    struct nj_buf body = {0};
    (void)nj_buf_printf(&body, "{\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}\n", title, status, detail);
    nj_httpd_reply(request, status, "application/problem+json", NULL, nj_buf_str(&body), body.len);
    nj_buf_done(&body);
}

/* A part of the body. What is too large is read on for a while, so that the sender hears why. */
static enum MHD_Result take_body(struct nj_httpd_request *request, const char *bytes, size_t len)
{
    request->body_seen += len;
    if (!request->too_large && nj_buf_append(&request->body, bytes, len) < 0) {
        request->too_large = true;
        nj_buf_done(&request->body);
    }
    return request->too_large && request->body_seen > (uint64_t)request->httpd->max_body_bytes + DISCARD_MAX
               ? MHD_NO
               : MHD_YES;
}

/* So large that nothing of it is read. */
static bool is_hopeless(const struct nj_httpd_request *request)
{
    int64_t length = 0;
    const char *text = nj_httpd_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (text == NULL)
        return false;
    int rc = nj_parse_int(text, 0, INT64_MAX, &length);
    return rc == -ERANGE ||
           (rc == 0 && (uint64_t)length > (uint64_t)request->httpd->max_body_bytes + DISCARD_MAX);
}

static void begin(struct nj_httpd_request *request)
{
    struct nj_httpd *httpd = request->httpd;
    assert(request->connection != NULL); /* hence an answer does not free the request */
    httpd->counts.requests++;
    request->begun = true;
    request->peer->receiving = false;
    if (request->bad != NULL) {
        httpd->counts.bad_requests++;
        refuse(request, MHD_HTTP_BAD_REQUEST, "Bad Request", request->bad);
    } else if (request->too_large) {
        httpd->counts.bodies_too_large++;
        refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "Content Too Large",
               "the body is larger than is allowed");
    } else {
        httpd->handle(httpd->data, request);
    }
    if (!request->answered) {
        request->suspended = true;
        MHD_suspend_connection(request->connection);
    }
}

/* MHD calls it when the headers are there, for each part of the body, and at its end. */
static enum MHD_Result on_access(void *data, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_len, void **context)
{
    (void)data;
    (void)connection;
    (void)url;
    (void)version;
    struct nj_httpd_request *request = *context;
    if (request->method == NULL) {
        request->method = nj_strdup(method);
        request->too_large = is_hopeless(request);
        if (request->too_large)
            begin(request);
        return MHD_YES;
    }
    if (*upload_len > 0) {
        enum MHD_Result result = take_body(request, upload, *upload_len);
        *upload_len = 0;
        return result;
    }
    if (!request->begun)
        begin(request);
    return MHD_YES;
}

/* The connection is done with the request, answered or not. */
static void on_completed(void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)connection;
    (void)why;
    struct nj_httpd *httpd = data;
    struct nj_httpd_request *request = *context;
    *context = NULL;
    if (request == NULL)
        return;
    DL_DELETE(httpd->requests, request);
    request->peer->receiving = true;
    request->peer->since_ms = uv_now(&httpd->loop->uv);
    if (request->stream != NULL)
        nj_httpd_stream_completed(request->stream);
    if (request->answered || !request->begun) {
        request_free(request);
    } else {
        request->httpd = NULL;
        request->connection = NULL;
        request->peer = NULL;
    }
}

const char *nj_httpd_method(const struct nj_httpd_request *request)
{
    return request->method;
}

const char *nj_httpd_path(const struct nj_httpd_request *request)
{
    return request->uri.path;
}

const char *nj_httpd_query(const struct nj_httpd_request *request, const char *name)
{
    return nj_uri_param(&request->uri, name);
}

void nj_httpd_each_query(const struct nj_httpd_request *request,
                         void (*each)(void *data, const char *name, const char *value), void *data)
{
    for (size_t i = 0; i < request->uri.params_count; i++)
        each(data, request->uri.params[i].name, request->uri.params[i].value);
}

const char *nj_httpd_header(const struct nj_httpd_request *request, const char *name)
{
    if (request->connection == NULL)
        return NULL;
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *nj_httpd_body(const struct nj_httpd_request *request, size_t *ret_len)
{
    *ret_len = request->body.len;
    return nj_buf_str(&request->body);
}

bool nj_httpd_peer_is_loopback(const struct nj_httpd_request *request)
{
    return request->peer_is_loopback;
}

/* ---- connections ---- */

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct nj_httpd *httpd = data;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct nj_httpd_connection *peer = NJ_NEW(struct nj_httpd_connection);
        peer->httpd = httpd;
        peer->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        peer->receiving = true;
        peer->since_ms = uv_now(&httpd->loop->uv);
        DL_APPEND(httpd->connections, peer);
        httpd->counts.connections++;
        httpd->counts.connections_open++;
        *context = peer;
    } else if (*context != NULL) {
        struct nj_httpd_connection *peer = *context;
        DL_DELETE(httpd->connections, peer);
        httpd->counts.connections_open--;
        free(peer);
        *context = NULL;
    }
}

/* MHD's timeout starts anew with every byte: a request that drips in would hold its connection for ever. One
 * may take as long as the silence before it and itself together are allowed. */
static void on_sweep(uv_timer_t *sweep)
{
    struct nj_httpd *httpd = sweep->data;
    uint64_t now_ms = uv_now(&httpd->loop->uv);
    for (struct nj_httpd_connection *peer = httpd->connections; peer != NULL; peer = peer->next) {
        if (peer->receiving && now_ms - peer->since_ms > (uint64_t)httpd->idle_timeout_s * 2000) {
            httpd->counts.slow_requests++;
            peer->since_ms = now_ms;
            (void)shutdown(peer->fd, SHUT_RDWR);
        }
    }
}

/* ---- the server on the loop ---- */

static unsigned connections_now(struct nj_httpd *httpd)
{
    return MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

static void close_now(struct nj_httpd *httpd);

static void on_mhd_timeout(uv_timer_t *timer);

/* MHD takes new connections again only at the beginning of a turn, but counts the ended ones at its end:
 * hence one more turn after some ended. */
static void run(struct nj_httpd *httpd)
{
    if (httpd->daemon == NULL)
        return;
    (void)uv_idle_stop(&httpd->soon);
    if (httpd->closing) {
        close_now(httpd);
        return;
    }
    (void)MHD_run(httpd->daemon);
    unsigned connections = connections_now(httpd);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    bool limited = MHD_get_timeout(httpd->daemon, &timeout_ms) == MHD_YES;
    if (httpd->closing || connections < httpd->connections_before || (limited && timeout_ms == 0))
        nj_httpd_run_soon(httpd);
    else if (limited)
        (void)uv_timer_start(&httpd->timer, on_mhd_timeout, timeout_ms, 0);
    else
        (void)uv_timer_stop(&httpd->timer);
    httpd->connections_before = connections;
}

static void on_mhd_timeout(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_soon(uv_idle_t *soon)
{
    run(soon->data);
}

static void on_mhd_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

void nj_httpd_run_soon(struct nj_httpd *httpd)
{
    if (httpd->daemon != NULL)
        (void)uv_idle_start(&httpd->soon, on_soon);
}

/* ---- begin and end ---- */

static struct MHD_Daemon *start_daemon(struct nj_httpd *httpd, int fd, const struct nj_httpd_options *options)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, httpd, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        httpd->idle_timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, httpd,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, httpd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd, MHD_OPTION_END);
}

static void watch_daemon(struct nj_httpd *httpd)
{
    uv_loop_t *uv = &httpd->loop->uv;
    int epoll_fd = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    (void)uv_poll_init(uv, &httpd->poll, epoll_fd);
    (void)uv_timer_init(uv, &httpd->timer);
    (void)uv_timer_init(uv, &httpd->sweep);
    (void)uv_idle_init(uv, &httpd->soon);
    httpd->handles = 4;
    httpd->poll.data = httpd;
    httpd->timer.data = httpd;
    httpd->sweep.data = httpd;
    httpd->soon.data = httpd;
    (void)uv_poll_start(&httpd->poll, UV_READABLE, on_mhd_ready);
    (void)uv_timer_start(&httpd->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&httpd->sweep);
    nj_httpd_run_soon(httpd); /* MHD watches its listening socket from its first turn on */
}

int nj_httpd_start(struct nj_loop *loop, const struct nj_httpd_options *options, struct nj_httpd **ret_httpd,
                   struct nj_err *err)
{
    int port = 0;
    int fd = nj_httpd_listen(options->listen, &port, err);
    if (fd < 0)
        return fd;
    struct nj_httpd *httpd = NJ_NEW(struct nj_httpd);
    httpd->loop = loop;
    httpd->port = port;
    httpd->max_body_bytes = options->max_body_bytes == 0 ? 1 : options->max_body_bytes;
    httpd->idle_timeout_s = options->idle_timeout_s < 1 ? 1 : (unsigned)options->idle_timeout_s;
    httpd->handle = options->handle;
    httpd->data = options->data;
    httpd->daemon = start_daemon(httpd, fd, options);
    if (httpd->daemon == NULL) {
        free(httpd);
        (void)close(fd);
        return nj_err_set(err, -ENOMEM, "cannot start the HTTP server on %s", options->listen);
    }
    watch_daemon(httpd);
    *ret_httpd = httpd;
    return 0;
}

int nj_httpd_port(const struct nj_httpd *httpd)
{
    return httpd->port;
}

struct nj_httpd_counts nj_httpd_counts(const struct nj_httpd *httpd)
{
    return httpd->counts;
}

void nj_httpd_handle_closed(struct nj_httpd *httpd)
{
    if (--httpd->handles > 0)
        return;
    void (*on_closed)(void *data) = httpd->on_closed;
    void *data = httpd->on_closed_data;
    free(httpd);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_handle_closed(uv_handle_t *handle)
{
    nj_httpd_handle_closed(handle->data);
}

/* From the loop, never from inside one of MHD's callbacks. MHD does not stop with suspended connections. */
static void close_now(struct nj_httpd *httpd)
{
    uv_close((uv_handle_t *)&httpd->poll, on_handle_closed); /* before MHD closes what it watches */
    uv_close((uv_handle_t *)&httpd->timer, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->soon, on_handle_closed);
    for (struct nj_httpd_request *request = httpd->requests; request != NULL; request = request->next) {
        if (request->suspended) {
            request->suspended = false;
            MHD_resume_connection(request->connection);
        }
        if (request->stream != NULL)
            nj_httpd_stream_release(request->stream);
    }
    struct MHD_Daemon *daemon = httpd->daemon;
    httpd->daemon = NULL;
    MHD_stop_daemon(daemon);
}

void nj_httpd_close(struct nj_httpd *httpd, void (*on_closed)(void *data), void *data)
{
    if (httpd == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    if (httpd->closing)
        return;
    httpd->closing = true;
    httpd->on_closed = on_closed;
    httpd->on_closed_data = data;
    nj_httpd_run_soon(httpd);
}
