#include "agent/http.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { REQUEST_BODY_MAX = 1024, IDLE_TIMEOUT_S = 30 };

struct nj_agent_http {
    struct nj_agent_http_options options;
    struct nj_httpd *httpd;
    struct nj_counter *requests;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

static void reply(struct nj_httpd_request *request, unsigned status, const char *type,
                  const struct nj_buf *body)
{
    nj_httpd_reply(request, status, type, NULL, nj_buf_str(body), body->len);
}

static void handle(void *data, struct nj_httpd_request *request)
{
    static const char text[] = "text/plain; charset=utf-8";
    struct nj_agent_http *http = data;
    const char *path = nj_httpd_path(request);
    const char *method = nj_httpd_method(request);
    struct nj_buf body = {0};
    nj_counter_add(http->requests, 1);
    if (!nj_streq(method, "GET") && !nj_streq(method, "HEAD")) {
        (void)nj_buf_append_str(&body, "only GET and HEAD are allowed\n");
        reply(request, 405, text, &body);
    } else if (nj_streq(path, "/livez")) {
        (void)nj_buf_append_str(&body, "ok\n");
        reply(request, 200, text, &body);
    } else if (nj_streq(path, "/readyz")) {
        bool ready = http->options.ready(http->options.data, &body);
        (void)nj_buf_append_str(&body, ready ? "readyz check passed\n" : "readyz check failed\n");
        reply(request, ready ? 200 : 503, text, &body);
    } else if (nj_streq(path, "/metrics")) {
        int rc = nj_metrics_render(http->options.metrics, &body);
        if (rc == 0)
            rc = http->options.expose(http->options.data, &body);
        reply(request, rc < 0 ? 500 : 200, "text/plain; version=0.0.4; charset=utf-8", &body);
    } else {
        (void)nj_buf_append_str(&body, "there are /livez, /readyz and /metrics\n");
        reply(request, 404, text, &body);
    }
    nj_buf_done(&body);
}

int nj_agent_http_start(const struct nj_agent_http_options *options, struct nj_agent_http **ret_http,
                        struct nj_err *err)
{
    struct nj_agent_http *http = NJ_NEW(struct nj_agent_http);
    http->options = *options;
    http->requests = nj_metrics_counter(options->metrics, "nightjar_http_requests_total", "",
                                        "Requests to the HTTP server.");
    struct nj_httpd_options httpd = {
        .listen = options->listen,
        .max_connections = options->max_connections,
        .max_body_bytes = REQUEST_BODY_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .handle = handle,
        .data = http,
    };
    int rc = nj_httpd_start(options->loop, &httpd, &http->httpd, err);
    if (rc < 0) {
        free(http);
        nj_err_wrap(err, "http.listen");
        return rc;
    }
    *ret_http = http;
    return 0;
}

int nj_agent_http_port(const struct nj_agent_http *http)
{
    return nj_httpd_port(http->httpd);
}

static void on_httpd_closed(void *data)
{
    struct nj_agent_http *http = data;
    void (*on_closed)(void *data) = http->on_closed;
    void *on_closed_data = http->on_closed_data;
    free(http);
    if (on_closed != NULL)
        on_closed(on_closed_data);
}

void nj_agent_http_close(struct nj_agent_http *http, void (*on_closed)(void *data), void *data)
{
    if (http == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    http->on_closed = on_closed;
    http->on_closed_data = data;
    nj_httpd_close(http->httpd, on_httpd_closed, http);
}
