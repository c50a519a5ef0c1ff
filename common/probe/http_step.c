#include "common/probe/http_step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    HEADER_BYTES_MAX = 64 * 1024,
    HEADERS_MAX = 1024,
    UNREAD_BODY_MAX = 64 * 1024, /* of a body that nothing asks for: its beginning, mostly all of it */
    URL_MAX = 64 * 1024,
};

struct exchange {
    struct nj_http_exchange http;
    struct nj_step_header *headers; /* in the arena */
    size_t headers_count, headers_room;
};

/* The name that the server is to prove: as told, or as asked for by a Host header. NULL: the URL's. */
static const char *server_name(const struct nj_step_run *run)
{
    if (run->request.tls->server_name[0] != '\0')
        return run->request.tls->server_name;
    for (const char *const *header = run->request.headers; header != NULL && *header != NULL; header++) {
        if (strncasecmp(*header, "Host:", 5) != 0)
            continue;
        const char *name = *header + 5;
        name += strspn(name, " \t");
        size_t len = name[0] == '[' ? strcspn(name, "]") + 1 : strcspn(name, ":");
        return len == 0 ? NULL : nj_arena_strndup(run->arena, name, len);
    }
    return NULL;
}

void nj_http_step_options(const struct nj_step_run *run, struct nj_http_tls *ret_tls,
                          struct nj_http_options *ret_options)
{
    const struct nj_step_request *request = &run->request;
    *ret_tls = (struct nj_http_tls){.ca_pem = request->ca_pem[0] == '\0' ? NULL : request->ca_pem,
                                    .server_name = server_name(run),
                                    .insecure_skip_verify = request->tls->insecure_skip_verify};
    size_t max_body_bytes = request->max_body_bytes;
    if (!request->wants_body && max_body_bytes > UNREAD_BODY_MAX)
        max_body_bytes = UNREAD_BODY_MAX;
    *ret_options = (struct nj_http_options){.tls = ret_tls,
                                            .address = (const struct sockaddr *)&request->address,
                                            .connect_timeout_ns = request->timeout_ns,
                                            .timeout_ns = request->timeout_ns,
                                            .max_body_bytes = max_body_bytes,
                                            .max_header_bytes = HEADER_BYTES_MAX,
                                            .fresh_connection = true,
                                            .path_as_is = true,
                                            .want_certificate = true};
}

void nj_http_step_url(const struct nj_step_run *run, const char *scheme, struct nj_buf *out)
{
    bool ipv6 = strchr(run->request.host, ':') != NULL;
    (void)nj_buf_printf(out, ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme, run->request.host,
                        run->request.port);
}

static enum nj_cause cause_of(const struct nj_http_result *result)
{
    switch (result->error) {
    case 0:
        return NJ_CAUSE_NONE;
    case -ECONNREFUSED:
        return NJ_CAUSE_REFUSED;
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
        return NJ_CAUSE_UNREACHABLE;
    case -ETIMEDOUT:
        return result->phase == NJ_HTTP_PHASE_WAIT ? NJ_CAUSE_INTERNAL : NJ_CAUSE_TIMEOUT;
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
        return NJ_CAUSE_RESET;
    case -EKEYREJECTED:
        return NJ_CAUSE_CERTIFICATE;
    case -EPROTO:
        return result->phase == NJ_HTTP_PHASE_TLS ? NJ_CAUSE_TLS : NJ_CAUSE_PROTOCOL;
    case -EMSGSIZE:
        return NJ_CAUSE_TOO_LARGE;
    default:
        return NJ_CAUSE_INTERNAL;
    }
}

static enum nj_phase phase_of(enum nj_http_phase phase)
{
    static const enum nj_phase phases[NJ_HTTP_PHASES] = {
        [NJ_HTTP_PHASE_WAIT] = NJ_PHASE_CONNECT,      [NJ_HTTP_PHASE_LOOKUP] = NJ_PHASE_RESOLVE,
        [NJ_HTTP_PHASE_CONNECT] = NJ_PHASE_CONNECT,   [NJ_HTTP_PHASE_TLS] = NJ_PHASE_TLS,
        [NJ_HTTP_PHASE_ANSWER] = NJ_PHASE_FIRST_BYTE, [NJ_HTTP_PHASE_TRANSFER] = NJ_PHASE_TRANSFER,
    };
    return phases[phase];
}

static const char *keep(struct nj_step_run *run, const char *text)
{
    return nj_str(nj_arena_strndup(run->arena, text, strlen(text)));
}

void nj_http_step_result(struct nj_step_run *run, const struct nj_http_result *result)
{
    struct nj_step_response *response = &run->response;
    response->cause = cause_of(result);
    response->phase = phase_of(result->phase);
    response->status = (int32_t)result->status;
    response->http_version = result->version; /* a constant */
    for (int phase = NJ_HTTP_PHASE_CONNECT; phase < NJ_HTTP_PHASES; phase++)
        response->phase_ns[phase_of((enum nj_http_phase)phase)] = result->phase_ns[phase];
    if (response->cause != NJ_CAUSE_NONE)
        (void)snprintf(response->got, sizeof(response->got), "%s", result->why);
    const struct nj_http_certificate *shown = result->certificate;
    if (shown != NULL)
        response->certificate = (struct nj_peer_certificate){.present = true,
                                                             .subject = keep(run, shown->subject),
                                                             .issuer = keep(run, shown->issuer),
                                                             .names = keep(run, shown->names),
                                                             .not_before_ns = shown->not_before_ns,
                                                             .not_after_ns = shown->not_after_ns};
}

static int on_header(void *data, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct exchange *exchange = data;
    struct nj_arena *arena = exchange->http.run->arena;
    if (exchange->headers_count == HEADERS_MAX)
        return -EMSGSIZE;
    if (exchange->headers_count == exchange->headers_room) {
        size_t room = exchange->headers_room == 0 ? 16 : exchange->headers_room * 2;
        struct nj_step_header *more = nj_arena_zalloc(arena, room, sizeof(*more));
        if (more == NULL)
            return -EMSGSIZE;
        if (exchange->headers_count > 0)
            memcpy(more, exchange->headers, exchange->headers_count * sizeof(*more));
        exchange->headers = more;
        exchange->headers_room = room;
    }
    struct nj_step_header header = {.name = nj_arena_strndup(arena, name, name_len),
                                    .value = nj_arena_strndup(arena, value, value_len)};
    if (header.name == NULL || header.value == NULL)
        return -EMSGSIZE;
    exchange->headers[exchange->headers_count++] = header;
    return 0;
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct exchange *exchange = data;
    struct nj_step_run *run = exchange->http.run;
    if (run != NULL) {
        struct nj_step_response *response = &run->response;
        nj_http_step_result(run, result);
        response->headers = exchange->headers;
        response->headers_count = exchange->headers_count;
        response->body = result->body;
        response->body_len = result->body_len;
        response->body_cut = result->body_cut;
        if (response->cause == NJ_CAUSE_NONE && run->request.step->version == NJ_HTTP_2 &&
            strcmp(result->version, "2") != 0) {
            response->cause = NJ_CAUSE_PROTOCOL;
            (void)snprintf(response->got, sizeof(response->got), "HTTP/%s, not HTTP/2", result->version);
        } else if (response->cause == NJ_CAUSE_NONE && result->body_cut && run->request.wants_body) {
            response->cause = NJ_CAUSE_TOO_LARGE;
            (void)snprintf(response->got, sizeof(response->got), "a body of more than %zu bytes",
                           result->body_len);
        } else if (response->cause == NJ_CAUSE_TOO_LARGE) {
            (void)snprintf(response->got, sizeof(response->got), "headers of more than %d bytes",
                           HEADER_BYTES_MAX);
        }
        run->prober_data = NULL;
        run->done(run);
    }
    free(exchange);
}

int nj_http_step_begin(struct nj_step_run *run, struct nj_http_exchange *exchange,
                       const struct nj_http_options *options, struct nj_err *err)
{
    exchange->run = run;
    run->prober_data = exchange;
    return nj_http_start(nj_prober_http(run->prober), options, &exchange->request, err);
}

void nj_http_step_cancel(struct nj_step_run *run)
{
    struct nj_http_exchange *exchange = run->prober_data;
    exchange->run = NULL;
    nj_http_cancel(exchange->request);
}

static enum nj_http_protocol protocol_of(enum nj_http_version version)
{
    if (version == NJ_HTTP_2)
        return NJ_HTTP_PROTOCOL_2;
    return version == NJ_HTTP_1_1 ? NJ_HTTP_PROTOCOL_1_1 : NJ_HTTP_PROTOCOL_ANY;
}

static int start(struct nj_step_run *run, struct nj_err *err)
{
    const struct nj_step_request *request = &run->request;
    struct exchange *exchange = NJ_NEW(struct exchange);
    struct nj_buf url = {.max = URL_MAX};
    nj_http_step_url(run, request->scheme, &url);
    (void)nj_buf_append_str(&url, request->path);
    struct nj_http_tls tls;
    struct nj_http_options options;
    nj_http_step_options(run, &tls, &options);
    options.method = request->method;
    options.url = nj_buf_str(&url);
    options.headers = request->headers;
    options.body = request->body;
    options.body_len = strlen(request->body);
    options.protocol = protocol_of(request->step->version);
    options.decompress = true;
    options.on_header = on_header;
    options.on_done = on_done;
    options.data = exchange;
    int rc = nj_buf_check(&url);
    if (rc < 0)
        rc = nj_err_set(err, -EINVAL, "a path that is too long");
    else
        rc = nj_http_step_begin(run, &exchange->http, &options, err);
    nj_buf_done(&url);
    if (rc < 0)
        free(exchange);
    return rc;
}

const struct nj_step_prober nj_http_step = {.name = "http", .start = start, .cancel = nj_http_step_cancel};
