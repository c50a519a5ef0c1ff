/*
 * What is not about the cluster: health, metrics, the description of the API, the page.
 */
#include <string.h>

#include "collector/api/internal.h"

void nj_api_livez(struct nj_api_call *call)
{
    nj_api_answer(call, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

void nj_api_readyz(struct nj_api_call *call)
{
    struct nj_buf out = {0};
    const struct nj_api_options *options = &call->api->options;
    bool ready = options->ready(options->data, &out);
    (void)nj_buf_append_str(&out, ready ? "readyz check passed\n" : "readyz check failed\n");
    nj_api_answer(call, ready ? 200 : 503, "text/plain; charset=utf-8", nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}

/* What the server has counted since the last look. */
static void collect(struct nj_api *api)
{
    struct nj_httpd_counts now = nj_httpd_counts(api->httpd);
    const struct nj_httpd_counts *before = &api->counted;
    nj_counter_add(api->malformed, now.bad_requests - before->bad_requests);
    nj_counter_add(api->too_large, now.bodies_too_large - before->bodies_too_large);
    nj_counter_add(api->too_slow, now.slow_requests - before->slow_requests);
    nj_counter_add(api->slow_readers, now.streams_dropped - before->streams_dropped);
    nj_gauge_set(api->connections, (int64_t)now.connections_open);
    api->counted = now;
}

void nj_api_metrics(struct nj_api_call *call)
{
    struct nj_buf out = {0};
    const struct nj_api_options *options = &call->api->options;
    collect(call->api);
    if (options->collect != NULL)
        options->collect(options->data);
    int rc = nj_metrics_render(options->metrics, &out);
    if (rc == 0 && options->append_metrics != NULL)
        options->append_metrics(options->data, &out);
    if (rc < 0)
        nj_api_problem(call, 500, "rendering the metrics: %s", strerror(-rc));
    else
        nj_api_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}

static void answer_asset(struct nj_api_call *call, const char *path)
{
    const struct nj_api_asset *asset = nj_api_find_asset(path);
    nj_api_answer(call, 200, asset->content_type, asset->bytes, *asset->len);
}

void nj_api_asset(struct nj_api_call *call)
{
    answer_asset(call, nj_httpd_path(call->request));
}

/* A link in an alert opens the page, which then shows that incident. */
void nj_api_page(struct nj_api_call *call)
{
    answer_asset(call, "/");
}
