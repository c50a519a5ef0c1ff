/*
 * Answers, and problems as RFC 9457 writes them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/api/internal.h"

static const char *const security_headers[] = {
    "X-Content-Type-Options",
    "nosniff",
    "Content-Security-Policy",
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy",
    "no-referrer",
    "Cache-Control",
    "no-store",
    NULL,
};

enum { POLICY_AT = 3 }; /* the value of Content-Security-Policy */
static const char form_policy[] =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

void nj_api_free_call(struct nj_api_call *call)
{
    nj_buf_done(&call->body);
    free(call->writing.matchers);
    free(call->writing.author);
    free(call->writing.reason);
    nj_api_services_free(call);
    free(call);
}

void nj_api_count(struct nj_api *api, unsigned status)
{
    char label[24];
    (void)snprintf(label, sizeof(label), "code=\"%u\"", status);
    nj_counter_add(nj_metrics_counter(api->options.metrics, "nightjar_api_requests_total", label,
                                      "Requests answered, by the status of the answer."),
                   1);
}

void nj_api_answer(struct nj_api_call *call, unsigned status, const char *content_type, const void *body,
                   size_t len)
{
    const char *headers[sizeof(security_headers) / sizeof(security_headers[0]) + 6];
    size_t count = 0;
    for (; security_headers[count] != NULL; count++)
        headers[count] = security_headers[count];
    if (call->has_form)
        headers[POLICY_AT] = form_policy;
    if (call->disposition[0] != '\0') {
        headers[count++] = "Content-Disposition";
        headers[count++] = call->disposition;
    }
    if (status == 401) {
        headers[count++] = "WWW-Authenticate";
        headers[count++] = "Bearer realm=\"nightjar\"";
    }
    if (status == 405) {
        headers[count++] = "Allow";
        headers[count++] = call->allow;
    }
    headers[count] = NULL;
    nj_api_count(call->api, status);
    nj_httpd_reply(call->request, status, content_type, headers, body, len);
    nj_api_free_call(call);
}

static const char *status_title(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 415:
        return "Unsupported Media Type";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void nj_api_problem(struct nj_api_call *call, unsigned status, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    struct nj_buf out = {0};
    nj_api_object_begin(&out);
    nj_api_field(&out, "type", "about:blank");
    nj_api_field(&out, "title", status_title(status));
    nj_api_field_int(&out, "status", status);
    nj_api_field(&out, "detail", detail);
    nj_api_object_end(&out);
    call->disposition[0] = '\0';
    nj_api_answer(call, status, "application/problem+json", nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}
