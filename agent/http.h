/*
 * The agent's HTTP endpoints: /livez, /readyz (says what is not ready) and /metrics. Nothing else is served
 * and nothing can be changed through it. Loop thread only.
 */
#ifndef NJ_AGENT_HTTP_H
#define NJ_AGENT_HTTP_H

#include "common/base/buf.h"
#include "common/base/metrics.h"
#include "common/loop/httpd.h"

struct nj_agent_http;

struct nj_agent_http_options {
    struct nj_loop *loop;
    struct nj_metrics *metrics;
    const char *listen;
    int max_connections;
    /* Says of each part whether it is ready, one line each; true when all are. */
    bool (*ready)(void *data, struct nj_buf *out);
    /* Appends what else /metrics shows: 0 or -EOVERFLOW. */
    int (*expose)(void *data, struct nj_buf *out);
    void *data;
};

int nj_agent_http_start(const struct nj_agent_http_options *options, struct nj_agent_http **ret_http,
                        struct nj_err *err);
int nj_agent_http_port(const struct nj_agent_http *http);
void nj_agent_http_close(struct nj_agent_http *http, void (*on_closed)(void *data), void *data);

#endif
