/*
 * gRPC's health service: grpc.health.v1.Health/Check as
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md and PROTOCOL-HTTP2.md have it. The request
 * and the answer are one field each, so they are written and read here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/http_step.h"

enum {
    FRAME_HEAD = 5, /* flag and length before each message */
    CODE_MAX = 16,
    STATUS_OK = 200,
};

struct exchange {
    struct nj_http_exchange http;
    int code; /* grpc-status; -1: none came */
    char message[128];
};

static const char *code_name(int code)
{
    static const char *const names[CODE_MAX + 1] = {
        "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED"};
    return code >= 0 && code <= CODE_MAX ? names[code] : "a code that gRPC does not know";
}

static int on_header(void *data, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct exchange *exchange = data;
    char text[16];
    int64_t code = 0;
    if (name_len == strlen("grpc-status") && strncasecmp(name, "grpc-status", name_len) == 0 &&
        value_len < sizeof(text)) {
        memcpy(text, value, value_len);
        text[value_len] = '\0';
        exchange->code = nj_parse_int(text, 0, INT16_MAX, &code) == 0 ? (int)code : -1;
    } else if (name_len == strlen("grpc-message") && strncasecmp(name, "grpc-message", name_len) == 0) {
        size_t len = nj_utf8_cut(value, value_len, sizeof(exchange->message) - 1);
        memcpy(exchange->message, value, len);
        exchange->message[len] = '\0';
    }
    return 0;
}

/* A protobuf varint at *at: 0, or -EINVAL. */
static int take_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return 0;
        }
    }
    return -EINVAL;
}

/* HealthCheckResponse: field 1, an enum; others are passed over. 0 and the status, or -EINVAL. */
static int parse_health(const unsigned char *at, const unsigned char *end, uint64_t *ret_status)
{
    enum { VARINT, FIXED64, LENGTH, FIXED32 = 5 };
    uint64_t status = 0;
    while (at < end) {
        uint64_t tag = 0;
        uint64_t value = 0;
        size_t skip = 0;
        if (take_varint(&at, end, &tag) < 0)
            return -EINVAL;
        if ((tag & 7) == VARINT || (tag & 7) == LENGTH) {
            if (take_varint(&at, end, &value) < 0)
                return -EINVAL;
            if ((tag & 7) == LENGTH) {
                if (value > (uint64_t)(end - at))
                    return -EINVAL;
                skip = (size_t)value;
            }
        } else if ((tag & 7) == FIXED64 || (tag & 7) == FIXED32) {
            skip = (tag & 7) == FIXED64 ? 8 : 4;
        } else {
            return -EINVAL;
        }
        if (skip > (size_t)(end - at))
            return -EINVAL;
        at += skip;
        if (tag == (1 << 3 | VARINT))
            status = value;
    }
    *ret_status = status;
    return 0;
}

/* The one message of the answer: 0 and its status' name, or -EINVAL. */
static int parse_answer(const char *body, size_t len, const char **ret_word)
{
    static const char *const words[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    const unsigned char *bytes = (const unsigned char *)body;
    uint64_t status = 0;
    if (len < FRAME_HEAD || bytes[0] != 0)
        return -EINVAL;
    size_t size = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
    if (size != len - FRAME_HEAD || parse_health(bytes + FRAME_HEAD, bytes + len, &status) < 0)
        return -EINVAL;
    *ret_word = status < sizeof(words) / sizeof(words[0]) ? words[status] : "a status that is not known";
    return 0;
}

static void take_answer(const struct exchange *exchange, const struct nj_http_result *result)
{
    struct nj_step_response *response = &exchange->http.run->response;
    response->status = exchange->code > 0 ? exchange->code : 0;
    if (response->cause != NJ_CAUSE_NONE)
        return;
    response->cause = NJ_CAUSE_PROTOCOL;
    response->phase = NJ_PHASE_TRANSFER;
    if (exchange->code < 0) {
        (void)snprintf(response->got, sizeof(response->got), "HTTP/%s status %ld without a gRPC status",
                       result->version, result->status);
    } else if (exchange->code > 0) {
        response->cause = NJ_CAUSE_NONE;
        response->word = code_name(exchange->code);
        response->body = exchange->message;
        response->body_len = strlen(exchange->message);
    } else if (result->status != STATUS_OK ||
               parse_answer(result->body, result->body_len, &response->word) < 0) {
        (void)snprintf(response->got, sizeof(response->got), "an answer that is no HealthCheckResponse");
    } else {
        response->cause = NJ_CAUSE_NONE;
    }
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct exchange *exchange = data;
    struct nj_step_run *run = exchange->http.run;
    if (run != NULL) {
        nj_http_step_result(run, result);
        take_answer(exchange, result);
        run->prober_data = NULL;
        run->done(run);
    }
    free(exchange);
}

/* HealthCheckRequest{service = 1} in its frame. */
static void make_request(const char *service, struct nj_buf *out)
{
    size_t len = strlen(service); /* at most 253 */
    size_t size = len == 0 ? 0 : len + (len < 0x80 ? 2 : 3);
    const unsigned char head[FRAME_HEAD] = {0, 0, 0, (unsigned char)(size >> 8), (unsigned char)size};
    (void)nj_buf_append(out, head, sizeof(head));
    if (len == 0)
        return;
    (void)nj_buf_append_char(out, 1 << 3 | 2);
    if (len < 0x80) {
        (void)nj_buf_append_char(out, (char)len);
    } else {
        (void)nj_buf_append_char(out, (char)(unsigned char)(0x80 | (len & 0x7F)));
        (void)nj_buf_append_char(out, (char)(len >> 7));
    }
    (void)nj_buf_append_str(out, service);
}

static int start(struct nj_step_run *run, struct nj_err *err)
{
    static const char *const headers[] = {"Content-Type: application/grpc", "TE: trailers", NULL};
    struct exchange *exchange = NJ_NEW(struct exchange);
    exchange->code = -1;
    struct nj_http_tls tls;
    struct nj_http_options options;
    struct nj_buf url = {0};
    struct nj_buf body = {0};
    nj_http_step_options(run, &tls, &options);
    nj_http_step_url(run, run->request.step->tls ? "https" : "http", &url);
    (void)nj_buf_append_str(&url, "/grpc.health.v1.Health/Check");
    make_request(run->request.step->grpc_service, &body);
    options.method = "POST";
    options.url = nj_buf_str(&url);
    options.headers = headers;
    options.body = body.data;
    options.body_len = body.len;
    options.protocol = NJ_HTTP_PROTOCOL_2;
    options.on_header = on_header;
    options.on_done = on_done;
    options.data = exchange;
    int rc = nj_http_step_begin(run, &exchange->http, &options, err);
    nj_buf_done(&url);
    nj_buf_done(&body);
    if (rc < 0)
        free(exchange);
    return rc;
}

const struct nj_step_prober nj_grpc_step = {.name = "grpc", .start = start, .cancel = nj_http_step_cancel};
