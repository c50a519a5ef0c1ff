#include "collector/api/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "collector/api/internal.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

#define WHERE "cluster", "project", "namespace", "workload", "pod"
#define OF "namespace", "workload", "pod", "container"
#define WHEN "since", "until", "limit", "cursor"

#define READ(at, handler, ...)                                                                               \
    {                                                                                                        \
        .path = (at), .access = NJ_API_READ, .handle = (handler), .params = { __VA_ARGS__ }                  \
    }
#define WRITE(at, how, handler)                                                                              \
    {                                                                                                        \
        .path = (at), .access = NJ_API_WRITE, .method = (how), .handle = (handler)                           \
    }
#define LINK(at, how)                                                                                        \
    {                                                                                                        \
        .path = (at), .access = NJ_API_OPEN, .method = (how), .handle = nj_api_link, .is_page = true         \
    }
#define OPEN(at, handler, ...)                                                                               \
    {                                                                                                        \
        .path = (at), .access = NJ_API_OPEN, .handle = (handler), .params = { __VA_ARGS__ }                  \
    }
#define PAGE(at, handler)                                                                                    \
    {                                                                                                        \
        .path = (at), .access = NJ_API_OPEN, .handle = (handler), .is_page = true                            \
    }

const struct nj_api_endpoint nj_api_endpoints[] = {
    READ("/api/v1/incidents", nj_api_incidents, WHERE, "kind", "state", "severity", WHEN),
    READ("/api/v1/incidents/stream", nj_api_stream, NULL),
    READ("/api/v1/incidents/{id}", nj_api_incident, NULL),
    READ("/api/v1/incidents/{id}/notifications", nj_api_incident_notifications, "limit"),
    READ("/api/v1/incidents/{id}/acknowledge", nj_api_acknowledgement, NULL),
    WRITE("/api/v1/incidents/{id}/acknowledge", "POST", nj_api_acknowledge),
    WRITE("/api/v1/incidents/{id}/mark", "POST", nj_api_mark),
    READ("/api/v1/silences", nj_api_silences, "state", "limit", "cursor"),
    WRITE("/api/v1/silences", "POST", nj_api_silence_add),
    READ("/api/v1/silences/{id}", nj_api_silence, NULL),
    WRITE("/api/v1/silences/{id}", "DELETE", nj_api_silence_end),
    READ("/api/v1/rules", nj_api_rules, NULL),
    READ("/api/v1/notifications", nj_api_notifications, "limit"),
    READ("/api/v1/crashes", nj_api_crashes, WHERE, "container", "reason", "incident", WHEN),
    READ("/api/v1/crashes/{id}", nj_api_crash, NULL),
    READ("/api/v1/crashes/{id}/log", nj_api_crash_log, "download"),
    READ("/api/v1/monitors", nj_api_monitors, "namespace", "service", "source", "failing", "limit", "cursor"),
    WRITE("/api/v1/monitors/test", "POST", nj_api_monitor_test), /* before the next, which it would fit too */
    READ("/api/v1/monitors/{id}", nj_api_monitor, "state", "limit", "cursor"),
    READ("/api/v1/series", nj_api_series, "monitor", "target", "namespace", "service", "from", "to", "step"),
    READ("/api/v1/errors", nj_api_errors, "from", "to", "namespace", "service"),
    READ("/api/v1/services", nj_api_services, "namespace", "kind", "state", "basis", "limit", "cursor"),
    READ("/api/v1/services/{namespace}/{name}", nj_api_service, "kind", "basis", "from", "to"),
    READ("/api/v1/services/{namespace}/{name}/sla", nj_api_service_sla, "kind", "basis", "by", "zone", "from",
         "to"),
    READ("/api/v1/services/{namespace}/{name}/outages", nj_api_service_outages, "kind", "basis", "from",
         "to"),
    READ("/api/v1/rollouts", nj_api_rollouts, "namespace", "kind", "workload", "outcome", WHEN),
    READ("/api/v1/rollouts/{id}", nj_api_rollout, NULL),
    READ("/api/v1/nodes", nj_api_nodes, "limit", "cursor"),
    READ("/api/v1/nodes/{id}", nj_api_node, NULL),
    READ("/api/v1/namespaces", nj_api_namespaces, "limit", "cursor"),
    READ("/api/v1/capacity/forecast", nj_api_forecast, "critical", "limit", "cursor"),
    READ("/api/v1/resources", nj_api_resources, OF, "node", "by", "from", "to", "step", "sort", "order",
         "limit", "format"),
    READ("/api/v1/resources/series", nj_api_resource_series, OF, "node", "from", "to", "step"),
    READ("/api/v1/resources/recommendations", nj_api_recommendations, OF, "from", "to", "limit"),
    READ("/api/v1/agents", nj_api_agents, NULL),
    OPEN("/openapi.json", nj_api_asset, NULL),
    OPEN("/livez", nj_api_livez, "verbose"),
    OPEN("/readyz", nj_api_readyz, "verbose"),
    OPEN("/metrics", nj_api_metrics, NULL),
    LINK("/ack/{id}", NULL),
    LINK("/ack/{id}", "POST"),
    LINK("/mark/{id}", NULL),
    LINK("/mark/{id}", "POST"),
    PAGE("/", nj_api_page),
    PAGE("/incidents/{id}", nj_api_page),
    PAGE("/monitors", nj_api_page),
    PAGE("/monitors/{id}", nj_api_page),
    PAGE("/services", nj_api_page),
    PAGE("/services/{namespace}/{name}", nj_api_page),
    PAGE("/silences", nj_api_page),
    PAGE("/resources", nj_api_page),
    PAGE("/resources/{namespace}/{workload}", nj_api_page),
    PAGE("/nodes", nj_api_page),
    PAGE("/nodes/{id}", nj_api_page),
    PAGE("/app.js", nj_api_asset),
    PAGE("/care.js", nj_api_asset),
    PAGE("/chart.js", nj_api_asset),
    PAGE("/elements.js", nj_api_asset),
    PAGE("/incident.js", nj_api_asset),
    PAGE("/incidents.js", nj_api_asset),
    PAGE("/matchers.js", nj_api_asset),
    PAGE("/monitor.js", nj_api_asset),
    PAGE("/monitors.js", nj_api_asset),
    PAGE("/node.js", nj_api_asset),
    PAGE("/nodes.js", nj_api_asset),
    PAGE("/resource.js", nj_api_asset),
    PAGE("/resources.js", nj_api_asset),
    PAGE("/rest.js", nj_api_asset),
    PAGE("/service.js", nj_api_asset),
    PAGE("/services.js", nj_api_asset),
    PAGE("/silences.js", nj_api_asset),
    PAGE("/terms.js", nj_api_asset),
    PAGE("/trend.js", nj_api_asset),
    PAGE("/words.js", nj_api_asset),
    PAGE("/style.css", nj_api_asset),
    PAGE("/icon.svg", nj_api_asset),
    {.path = NULL},
};

/* Whether `path` fits the pattern; the segments in place of its "{...}" go to the call's arguments. */
static bool fits(const char *pattern, const char *path, struct nj_api_call *call)
{
    char *argument = call->argument;
    const size_t size = sizeof(call->argument);
    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0 || len >= size)
                return false;
            memcpy(argument, path, len);
            argument[len] = '\0';
            argument = call->second_argument;
            path += len;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

struct params_check {
    const struct nj_api_endpoint *endpoint;
    const struct nj_httpd_request *request;
    const char *unknown, *twice; /* names; NULL: there is none */
};

static void check_param(void *data, const char *name, const char *value)
{
    struct params_check *check = data;
    int i = 0;
    while (i < NJ_API_PARAMS_MAX && check->endpoint->params[i] != NULL &&
           !nj_streq(check->endpoint->params[i], name))
        i++;
    if (i == NJ_API_PARAMS_MAX || check->endpoint->params[i] == NULL)
        check->unknown = name;
    else if (nj_httpd_query(check->request, name) != value) /* which is the first of that name */
        check->twice = name;
}

/* Without tokens the only guard is that nobody but this machine can connect: a web page that makes a browser
 * here ask for it under a name of its own (DNS rebinding) is turned away. An address cannot be rebound. */
static bool is_local_host(const char *host)
{
    char name[INET6_ADDRSTRLEN + 2];
    struct in_addr ipv4;
    if (host == NULL) /* HTTP/1.0: no browser */
        return true;
    size_t len = strcspn(host, host[0] == '[' ? "]" : ":");
    len += host[len] == ']';
    if (len >= sizeof(name) || (host[len] != '\0' && host[len] != ':'))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (inet_pton(AF_INET, name, &ipv4) == 1)
        return ntohl(ipv4.s_addr) >> 24 == 127;
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0;
}

static bool is_allowed(struct nj_api_call *call, const struct nj_api_endpoint *endpoint)
{
    const struct nj_api_tokens *tokens = call->api->tokens;
    if (endpoint->access == NJ_API_OPEN)
        return true;
    if (!nj_api_tokens_any(tokens) && !is_local_host(nj_httpd_header(call->request, "Host"))) {
        nj_counter_add(call->api->refused, 1);
        nj_api_problem(call, 403,
                       "without a token only this machine is served, as localhost or 127.0.0.1: set "
                       "api.read_token_file");
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

static bool is_method(const struct nj_api_endpoint *endpoint, const char *method)
{
    const char *only = endpoint->method;
    return only == NULL ? nj_streq(method, "GET") || nj_streq(method, "HEAD") : nj_streq(method, only);
}

/* The endpoints of one path stand side by side: the one of this method, or the first with `call->allow` set.
 */
static const struct nj_api_endpoint *find_method(struct nj_api_call *call,
                                                 const struct nj_api_endpoint *first, const char *method)
{
    const char *others = NULL;
    for (const struct nj_api_endpoint *at = first; nj_streq(at->path, first->path); at++) {
        if (is_method(at, method))
            return at;
        others = at->method;
    }
    call->allow = "GET, HEAD";
    if (first->method == NULL && others != NULL)
        call->allow = nj_streq(others, "POST") ? "GET, HEAD, POST" : "GET, HEAD, DELETE";
    else if (first->method != NULL)
        call->allow = first->method;
    return first;
}

static void refuse_method(struct nj_api_call *call, const char *method)
{
    nj_api_problem(call, 405, "%s is not allowed here: only %s is", method, call->allow);
}

static void dispatch(struct nj_api_call *call)
{
    const char *path = nj_httpd_path(call->request);
    const char *method = nj_httpd_method(call->request);
    const struct nj_api_endpoint *endpoint = nj_api_endpoints;
    while (endpoint->path != NULL && !fits(endpoint->path, path, call))
        endpoint++;
    if (endpoint->path == NULL) {
        nj_api_problem(call, 404, "there is nothing at %s: see /openapi.json", path);
        return;
    }
    endpoint = find_method(call, endpoint, method);
    if (!is_allowed(call, endpoint))
        return;
    if (call->allow != NULL) {
        refuse_method(call, method);
        return;
    }
    struct params_check check = {.endpoint = endpoint, .request = call->request};
    if (!endpoint->is_page) /* whose query is for its script: the list's filter */
        nj_httpd_each_query(call->request, check_param, &check);
    if (check.unknown != NULL)
        nj_api_problem(call, 400, "unknown query parameter '%s': see /openapi.json", check.unknown);
    else if (check.twice != NULL)
        nj_api_problem(call, 400, "%s: given more than once", check.twice);
    else
        endpoint->handle(call);
}

static void handle(void *data, struct nj_httpd_request *request)
{
    struct nj_api *api = data;
    struct nj_api_call *call = NJ_NEW(struct nj_api_call);
    call->api = api;
    call->request = request;
    call->config = api->options.config;
    nj_buf_init(&call->body, api->options.max_answer_bytes);
    dispatch(call);
}

static void finish_close(struct nj_api *api)
{
    if (!api->closing || api->handles > 0 || api->calls > 0)
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
    if (call->body.overflowed)
        call->rc =
            nj_err_set(&call->err, -EOVERFLOW,
                       "the answer is larger than %zu bytes: ask for less at once (limit)", call->body.max);
}

/* Within one transaction; what was said about alerts is known to whoever decides once it is committed. */
static void run_write(struct nj_job *job)
{
    struct nj_api_call *call = job->data;
    const struct nj_api_options *options = &call->api->options;
    struct nj_store *store = options->writer_store;
    call->rc = store->ops->begin(store, &call->err);
    if (call->rc == 0) {
        run_query(job);
        if (call->rc == 0)
            call->rc = store->ops->commit(store, &call->err);
        if (call->rc < 0)
            store->ops->rollback(store);
    }
    if (call->rc == 0)
        call->rc = nj_pipeline_reload(options->pipeline, store, call->now_ns, &call->err);
}

static unsigned status_of(int rc)
{
    switch (rc) {
    case -EOVERFLOW:
    case -EINVAL:
        return 400;
    case -EEXIST:
        return 409;
    default:
        return 500;
    }
}

static void query_done(struct nj_job *job)
{
    struct nj_api_call *call = job->data;
    struct nj_api *api = call->api;
    api->calls--;
    if (call->rc == 0 && job->run == run_write && api->options.on_written != NULL)
        api->options.on_written(api->options.data);
    if (call->rc == 0 && call->finish != NULL)
        call->finish(call);
    if (call->rc == -ENOENT)
        nj_api_problem(call, 404, "%s", call->err.text[0] != '\0' ? call->err.text : "not found");
    else if (call->rc < 0)
        nj_api_problem(call, status_of(call->rc), "%s", call->err.text);
    else
        nj_api_answer(call, call->status == 0 ? 200 : call->status,
                      call->content_type == NULL ? "application/json" : call->content_type,
                      nj_buf_str(&call->body), call->body.len);
    finish_close(api);
}

void nj_api_run(struct nj_api_call *call, int (*query)(struct nj_api_call *call, struct nj_err *err))
{
    call->query = query;
    call->job = (struct nj_job){.run = run_query, .done = query_done, .data = call};
    if (nj_worker_submit(call->api->options.reader, &call->job) < 0) {
        nj_counter_add(call->api->queries_refused, 1);
        nj_api_problem(call, 503, "too many queries wait: try again in a moment");
        return;
    }
    call->api->calls++;
}

void nj_api_run_write(struct nj_api_call *call, int (*query)(struct nj_api_call *call, struct nj_err *err))
{
    if (call->api->options.writer == NULL) {
        nj_api_problem(call, 503, "nothing can be changed here");
        return;
    }
    call->query = query;
    call->now_ns = nj_loop_wall_ns(call->api->options.loop);
    call->job = (struct nj_job){.run = run_write, .done = query_done, .data = call};
    if (nj_worker_submit(call->api->options.writer, &call->job) < 0) {
        nj_counter_add(call->api->queries_refused, 1);
        nj_api_problem(call, 503, "too much waits for the store: try again in a moment");
        return;
    }
    call->api->calls++;
}

static struct nj_counter *rejected(struct nj_api *api, const char *label)
{
    return nj_metrics_counter(api->options.metrics, "nightjar_api_rejected_requests_total", label,
                              "Requests that the HTTP server refused or cut off by itself.");
}

static void create_metrics(struct nj_api *api)
{
    struct nj_metrics *metrics = api->options.metrics;
    api->refused =
        nj_metrics_counter(metrics, "nightjar_api_refused_total", "", "Requests without a right token.");
    api->queries_refused = nj_metrics_counter(metrics, "nightjar_api_queries_refused_total", "",
                                              "Requests refused because too many queries waited.");
    api->links_refused = nj_metrics_counter(metrics, "nightjar_api_links_refused_total", "",
                                            "Links of messages that were wrong, or followed too often.");
    api->malformed = rejected(api, "reason=\"malformed\"");
    api->too_large = rejected(api, "reason=\"too_large\"");
    api->too_slow = rejected(api, "reason=\"too_slow\"");
    api->slow_readers = nj_metrics_counter(metrics, "nightjar_api_streams_dropped_total", "",
                                           "Streams ended because their reader was too slow.");
    api->streams_refused = nj_metrics_counter(metrics, "nightjar_api_streams_refused_total", "",
                                              "Streams refused because api.max_streams were open.");
    api->streams_open =
        nj_metrics_gauge(metrics, "nightjar_api_streams", "", "Streams of incidents that are open.");
    api->connections =
        nj_metrics_gauge(metrics, "nightjar_api_connections", "", "Connections to the HTTP server.");
}

int nj_api_start(const struct nj_api_options *options, struct nj_api **ret_api, struct nj_err *err)
{
    struct nj_api *api = NJ_NEW(struct nj_api);
    api->options = *options;
    if (api->options.max_answer_bytes == 0)
        api->options.max_answer_bytes = NJ_API_ANSWER_MAX;
    int rc = nj_api_tokens_load(options->config->api.read_token_file, options->config->api.write_token_file,
                                &api->tokens, err);
    if (rc < 0) {
        free(api);
        return rc;
    }
    create_metrics(api);
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
    api->handles = 2;
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

void nj_api_reload(struct nj_api *api, const struct nj_collector_config *config)
{
    api->options.config = config;
}

/* The server's, or the timer's. */
static void handle_closed(struct nj_api *api)
{
    api->handles--;
    finish_close(api);
}

static void httpd_closed(void *data)
{
    handle_closed(data);
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
    nj_api_tests_stop(api);
    nj_api_streams_stop(api, handle_closed);
    nj_httpd_close(api->httpd, httpd_closed, api);
}
