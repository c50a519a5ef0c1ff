#include "collector/api/api.h"

#include <errno.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

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

static void handle_livez(struct nj_api_call *call)
{
    nj_api_answer(call, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

static void handle_readyz(struct nj_api_call *call)
{
    struct nj_buf out = {0};
    const struct nj_api_options *options = &call->api->options;
    bool ready = options->ready(options->data, &out);
    (void)nj_buf_append_str(&out, ready ? "readyz check passed\n" : "readyz check failed\n");
    nj_api_answer(call, ready ? 200 : 503, "text/plain; charset=utf-8", nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}

static void handle_metrics(struct nj_api_call *call)
{
    struct nj_buf out = {0};
    const struct nj_api_options *options = &call->api->options;
    if (options->collect != NULL)
        options->collect(options->data);
    int rc = nj_metrics_render(options->metrics, &out);
    if (rc < 0)
        nj_api_problem(call, 500, "rendering the metrics: %s", strerror(-rc));
    else
        nj_api_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}

static void handle_asset(struct nj_api_call *call)
{
    const struct nj_api_asset *asset = nj_api_find_asset(nj_httpd_path(call->request));
    nj_api_answer(call, 200, asset->content_type, asset->bytes, *asset->len);
}

/* A link in an alert opens the page, which then shows that incident. */
static void handle_page(struct nj_api_call *call)
{
    const struct nj_api_asset *asset = nj_api_find_asset("/");
    nj_api_answer(call, 200, asset->content_type, asset->bytes, *asset->len);
}

#define WHERE "cluster", "project", "namespace", "workload", "pod"

const struct nj_api_endpoint nj_api_endpoints[] = {
    {"/api/v1/incidents",
     NJ_API_READ,
     nj_api_incidents,
     {WHERE, "kind", "state", "severity", "since", "until", "limit", "cursor"}},
    {"/api/v1/incidents/stream", NJ_API_READ, nj_api_stream, {0}},
    {"/api/v1/incidents/{id}", NJ_API_READ, nj_api_incident, {0}},
    {"/api/v1/incidents/{id}/notifications", NJ_API_READ, nj_api_incident_notifications, {"limit"}},
    {"/api/v1/notifications", NJ_API_READ, nj_api_notifications, {"limit"}},
    {"/api/v1/crashes",
     NJ_API_READ,
     nj_api_crashes,
     {WHERE, "container", "reason", "incident", "since", "until", "limit", "cursor"}},
    {"/api/v1/crashes/{id}", NJ_API_READ, nj_api_crash, {0}},
    {"/api/v1/crashes/{id}/log", NJ_API_READ, nj_api_crash_log, {"download"}},
    {"/api/v1/agents", NJ_API_READ, nj_api_agents, {0}},
    {"/openapi.json", NJ_API_OPEN, handle_asset, {0}},
    {"/livez", NJ_API_OPEN, handle_livez, {"verbose"}},
    {"/readyz", NJ_API_OPEN, handle_readyz, {"verbose"}},
    {"/metrics", NJ_API_OPEN, handle_metrics, {0}},
    {"/", NJ_API_OPEN, handle_page, {0}},
    {"/incidents/{id}", NJ_API_OPEN, handle_page, {0}},
    {"/app.js", NJ_API_OPEN, handle_asset, {0}},
    {"/style.css", NJ_API_OPEN, handle_asset, {0}},
    {0},
};

/* Whether `path` fits the template; the segment in place of its "{...}" goes to `argument`. */
static bool fits(const char *template, const char *path, char *argument, size_t size)
{
    while (*template != '\0') {
        if (*template == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0 || len >= size)
                return false;
            memcpy(argument, path, len);
            argument[len] = '\0';
            path += len;
            template += strcspn(template, "}") + 1;
        } else if (*template ++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static void check_param(void *data, const char *name, const char *value)
{
    const char **unknown = ((void **)data)[0];
    const struct nj_api_endpoint *endpoint = ((void **)data)[1];
    (void)value;
    for (int i = 0; i < NJ_API_PARAMS_MAX && endpoint->params[i] != NULL; i++) {
        if (nj_streq(endpoint->params[i], name))
            return;
    }
    *unknown = name;
}

/* Without tokens the only guard is that nobody but this machine can connect: a web page that makes a browser
 * here ask for it under another name (DNS rebinding) is turned away. */
static bool is_local_host(const char *host)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    if (host == NULL)
        return true;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        size_t len = strlen(local[i]);
        if (strncmp(host, local[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
            return true;
    }
    return false;
}

static bool is_allowed(struct nj_api_call *call, const struct nj_api_endpoint *endpoint)
{
    const struct nj_api_tokens *tokens = call->api->tokens;
    if (endpoint->access == NJ_API_OPEN)
        return true;
    if (!nj_api_tokens_any(tokens) && !is_local_host(nj_httpd_header(call->request, "Host"))) {
        nj_api_problem(call, 403, "without a token only this machine is served: set api.read_token_file");
        return false;
    }
    enum nj_api_access access = nj_api_tokens_check(tokens, nj_httpd_header(call->request, "Authorization"));
    if (access >= endpoint->access)
        return true;
    nj_counter_add(call->api->refused, 1);
    if (access == NJ_API_OPEN)
        nj_api_problem(call, 401, "a bearer token is needed: 'Authorization: Bearer TOKEN'");
    else
        nj_api_problem(call, 403, "this token may only read");
    return false;
}

static void dispatch(struct nj_api_call *call)
{
    const char *path = nj_httpd_path(call->request);
    const char *method = nj_httpd_method(call->request);
    const struct nj_api_endpoint *endpoint = nj_api_endpoints;
    while (endpoint->path != NULL && !fits(endpoint->path, path, call->argument, sizeof(call->argument)))
        endpoint++;
    if (endpoint->path == NULL) {
        nj_api_problem(call, 404, "there is nothing at %s: see /openapi.json", path);
        return;
    }
    if (!is_allowed(call, endpoint))
        return;
    if (!nj_streq(method, "GET") && !nj_streq(method, "HEAD")) {
        nj_api_problem(call, 405, "%s is not allowed here: GET and HEAD are", method);
        return;
    }
    const char *unknown = NULL;
    nj_httpd_each_query(call->request, check_param,
                        (void *[]){(void *)&unknown, (void *)(uintptr_t)endpoint});
    if (unknown != NULL) {
        nj_api_problem(call, 400, "unknown query parameter '%s': see /openapi.json", unknown);
        return;
    }
    endpoint->handle(call);
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct nj_api *api = data;
    struct nj_api_call *call = NJ_NEW(struct nj_api_call);
    call->api = api;
    call->request = request;
    nj_buf_init(&call->body, NJ_API_ANSWER_MAX);
    nj_counter_add(api->requests, 1);
    dispatch(call);
}

static void free_call(struct nj_api_call *call)
{
    nj_buf_done(&call->body);
    free(call);
}

void nj_api_answer(struct nj_api_call *call, unsigned status, const char *content_type, const void *body,
                   size_t len)
{
    const char *headers[sizeof(security_headers) / sizeof(security_headers[0]) + 4];
    size_t count = 0;
    for (; security_headers[count] != NULL; count++)
        headers[count] = security_headers[count];
    if (call->disposition[0] != '\0') {
        headers[count++] = "Content-Disposition";
        headers[count++] = call->disposition;
    }
    if (status == 401) {
        headers[count++] = "WWW-Authenticate";
        headers[count++] = "Bearer";
    }
    headers[count] = NULL;
    nj_httpd_reply(call->request, status, content_type, headers, body, len);
    free_call(call);
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

static void finish_close(struct nj_api *api)
{
    if (!api->closing || !api->httpd_closed || api->calls > 0)
        return;
    void (*on_closed)(void *data) = api->on_closed;
    void *data = api->on_closed_data;
    nj_api_tokens_free(api->tokens);
    free(api);
    if (on_closed != NULL)
        on_closed(data);
}

static void run_query(struct nj_job *job)
{
    struct nj_api_call *call = job->data;
    call->rc = call->query(call, &call->err);
    if (call->rc == 0 && call->body.overflowed)
        call->rc =
            nj_err_set(&call->err, -EOVERFLOW, "the answer is larger than %d bytes: ask for less with limit",
                       NJ_API_ANSWER_MAX);
}

static void query_done(struct nj_job *job)
{
    struct nj_api_call *call = job->data;
    struct nj_api *api = call->api;
    api->calls--;
    if (call->rc == -ENOENT)
        nj_api_problem(call, 404, "%s", call->err.text[0] != '\0' ? call->err.text : "not found");
    else if (call->rc < 0)
        nj_api_problem(call, call->rc == -EOVERFLOW ? 400 : 500, "%s", call->err.text);
    else
        nj_api_answer(call, 200, call->content_type == NULL ? "application/json" : call->content_type,
                      nj_buf_str(&call->body), call->body.len);
    finish_close(api);
}

void nj_api_run(struct nj_api_call *call, int (*query)(struct nj_api_call *call, struct nj_err *err))
{
    call->query = query;
    call->job = (struct nj_job){.run = run_query, .done = query_done, .data = call};
    if (nj_worker_submit(call->api->options.reader, &call->job) < 0) {
        nj_api_problem(call, 503, "too many queries wait: try again in a moment");
        return;
    }
    call->api->calls++;
}

int nj_api_start(const struct nj_api_options *options, struct nj_api **ret_api, struct nj_err *err)
{
    struct nj_api *api = NJ_NEW(struct nj_api);
    api->options = *options;
    int rc = nj_api_tokens_load(options->config->api.read_token_file, options->config->api.write_token_file,
                                &api->tokens, err);
    if (rc < 0) {
        free(api);
        return rc;
    }
    struct nj_metrics *metrics = options->metrics;
    api->requests =
        nj_metrics_counter(metrics, "nightjar_api_requests_total", "", "Requests to the HTTP server.");
    api->refused =
        nj_metrics_counter(metrics, "nightjar_api_refused_total", "", "Requests without a right token.");
    api->slow_readers =
        nj_metrics_counter(metrics, "nightjar_api_streams_dropped_total", "",
                           "Streams ended because their reader was too slow or there were too many.");
    api->streams_open =
        nj_metrics_gauge(metrics, "nightjar_api_streams", "", "Streams of incidents that are open.");
    struct nj_httpd_options httpd = {
        .listen = options->config->api.listen,
        .max_connections = (int)options->config->api.max_connections,
        .max_body_bytes = (size_t)options->config->api.max_body_bytes,
        .idle_timeout_s = 60,
        .handle = handle,
        .data = api,
    };
    rc = nj_httpd_start(options->loop, &httpd, &api->httpd, err);
    if (rc < 0) {
        nj_api_tokens_free(api->tokens);
        free(api);
        return nj_err_wrap(err, "api.listen");
    }
    nj_api_streams_start(api);
    *ret_api = api;
    return 0;
}

int nj_api_port(const struct nj_api *api)
{
    return nj_httpd_port(api->httpd);
}

void nj_api_publish(struct nj_api *api, const struct nj_incident *incident)
{
    nj_api_streams_publish(api, incident);
}

static void httpd_closed(void *data)
{
    struct nj_api *api = data;
    api->httpd_closed = true;
    finish_close(api);
}

void nj_api_close(struct nj_api *api, void (*on_closed)(void *data), void *data)
{
    if (api == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    api->closing = true;
    api->on_closed = on_closed;
    api->on_closed_data = data;
    nj_api_streams_stop(api);
    nj_httpd_close(api->httpd, httpd_closed, api);
}
