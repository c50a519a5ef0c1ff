#include "tests/unit/collector/api_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { TURNS_MAX = 60000 };

/* ---- the server */

static bool on_ready(void *data, struct nj_buf *out)
{
    const struct api_setup *setup = data;
    (void)nj_buf_append_str(out, setup->ready ? "[+]store ok\n" : "[-]store failed: no space\n");
    return setup->ready;
}

static void on_collect(void *data)
{
    ((struct api_setup *)data)->collected++;
}

static void on_append_metrics(void *data, struct nj_buf *out)
{
    (void)nj_buf_append_str(out, nj_str(((struct api_setup *)data)->more_metrics));
}

static double find_objective(void *data, const char *kind, const char *namespace, const char *name)
{
    bool is_it = nj_streq(kind, "Service") && nj_streq(namespace, "shop") && nj_streq(name, "web");
    return is_it ? ((struct api_setup *)data)->objective : 0;
}

/* ---- in place of probing */

static bool is_wanted(const struct nj_monitor_view *monitor, const struct nj_monitor_filter *filter)
{
    return (filter->id == NULL || strcmp(filter->id, monitor->id) == 0) &&
           (filter->namespace == NULL || strcmp(filter->namespace, monitor->namespace) == 0) &&
           (filter->service == NULL || strcmp(filter->service, monitor->service) == 0) &&
           (filter->source == NULL || strcmp(filter->source, nj_monitor_source_name(monitor->source)) == 0) &&
           (!filter->failing || monitor->failing > 0) &&
           (filter->after == NULL || strcmp(monitor->id, filter->after) > 0);
}

bool nj_probes_each_monitor(struct nj_probes *probes, const struct nj_monitor_filter *filter,
                            void (*each)(void *data, const struct nj_monitor_view *monitor), void *data)
{
    size_t found = 0;
    for (size_t i = 0; i < probes->count; i++) {
        if (!is_wanted(&probes->monitors[i], filter))
            continue;
        if (found++ == filter->limit)
            return true;
        each(data, &probes->monitors[i]);
    }
    return false;
}

int nj_probes_test(struct nj_probes *probes, const char *namespace, const char *spec, size_t len,
                   void (*on_done)(void *data, const struct nj_probes_test_outcome *outcomes, size_t count),
                   void *data, struct nj_probes_test **ret_test, struct nj_err *err)
{
    if (probes->refuses < 0)
        return nj_err_set(err, probes->refuses, "%s", probes->words);
    free(probes->namespace);
    free(probes->spec);
    probes->namespace = nj_strdup(namespace);
    probes->spec = nj_strndup(spec, len);
    probes->on_done = on_done;
    probes->data = data;
    probes->started++;
    *ret_test = (struct nj_probes_test *)(void *)probes;
    return 0;
}

void nj_probes_test_cancel(struct nj_probes_test *test)
{
    ((struct nj_probes *)(void *)test)->cancelled++;
}

/* ---- in place of what is known of nodes */

static bool is_wanted_name(const struct nj_capacity_filter *filter, const char *name)
{
    return (filter->name == NULL || strcmp(filter->name, name) == 0) &&
           (filter->after == NULL || strcmp(name, filter->after) > 0);
}

bool nj_capacity_each_node(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                           void (*each)(void *data, const struct nj_capacity_node_view *node), void *data)
{
    size_t given = 0;
    for (size_t i = 0; i < capacity->nodes_count; i++) {
        const struct nj_capacity_node_view *node = &capacity->nodes[i];
        if (!is_wanted_name(filter, node->name) ||
            (filter->critical && node->loss.unplaceable[NJ_FORECAST_REQUESTS] == 0))
            continue;
        if (given++ == filter->limit)
            return true;
        each(data, node);
    }
    return false;
}

bool nj_capacity_each_namespace(struct nj_capacity *capacity, const struct nj_capacity_filter *filter,
                                void (*each)(void *data, const char *name, const struct nj_capacity_sum *sum),
                                void *data)
{
    size_t given = 0;
    for (size_t i = 0; i < capacity->namespaces_count; i++) {
        if (!is_wanted_name(filter, capacity->namespaces[i]))
            continue;
        if (given++ == filter->limit)
            return true;
        each(data, capacity->namespaces[i], &capacity->sums[i]);
    }
    return false;
}

void nj_capacity_each_pod(struct nj_capacity *capacity, const char *node,
                          void (*each)(void *data, const struct nj_capacity_pod_view *pod), void *data)
{
    (void)node;
    for (size_t i = 0; i < capacity->pods_count; i++)
        each(data, &capacity->pods[i]);
}

void nj_capacity_summary(const struct nj_capacity *capacity, struct nj_capacity_summary *ret_summary)
{
    *ret_summary = capacity->summary;
}

/* ---- setup and teardown */

int api_setup(void **state)
{
    struct api_setup *setup = NJ_NEW(struct api_setup);
    struct nj_err err = {0};
    void *test = NULL;
    assert_int_equal(test_loop_setup(&test), 0);
    setup->test = test;
    setup->clock = noon_ns;
    setup->test->clock.replay = &setup->clock;
    begin_folder(&setup->folder);
    setup->writer = open_writer(&setup->folder);
    setup->reader = open_reader(&setup->folder);
    assert_int_equal(nj_pipeline_open(setup->writer, noon_ns, &setup->pipeline, &err), 0);
    setup->metrics = nj_metrics_new();
    setup->max_queued = 64;
    setup->ready = true;
    assert_int_equal(pthread_mutex_init(&setup->gate, NULL), 0);
    const struct nj_config_flag listen = {.key = "api.listen", .value = "127.0.0.1:0"};
    if (nj_config_load(nj_collector_config_table, NULL, &listen, 1, &setup->config, &err) < 0)
        fail_msg("%s", err.text);
    *state = setup;
    return 0;
}

void api_open(struct api_setup *setup)
{
    struct nj_err err = {0};
    setup->worker = nj_worker_new(&setup->test->loop, "test-reader", setup->max_queued);
    assert_non_null(setup->worker);
    const struct nj_api_options options = {
        .loop = &setup->test->loop,
        .reader = setup->worker,
        .store = setup->reader,
        .writer = setup->worker,
        .writer_store = setup->writer,
        .pipeline = setup->pipeline,
        .metrics = setup->metrics,
        .config = &setup->config,
        .max_answer_bytes = setup->max_answer_bytes,
        .ready = on_ready,
        .collect = on_collect,
        .append_metrics = setup->more_metrics == NULL ? NULL : on_append_metrics,
        .objective = find_objective,
        .probes = setup->probes,
        .capacity = setup->capacity,
        .data = setup,
    };
    if (nj_api_start(&options, &setup->api, &err) < 0)
        fail_msg("%s", err.text);
}

void api_close(struct api_setup *setup)
{
    bool worker_closed = false;
    nj_api_close(setup->api, test_set_flag, &setup->closed);
    test_run_until(setup->test, &setup->closed);
    setup->api = NULL;
    nj_worker_close(setup->worker, test_set_flag, &worker_closed);
    test_run_until(setup->test, &worker_closed);
    setup->worker = NULL;
}

int api_teardown(void **state)
{
    struct api_setup *setup = *state;
    if (setup->api != NULL)
        api_close(setup);
    setup->reader->ops->close(setup->reader);
    nj_pipeline_free(setup->pipeline);
    setup->writer->ops->close(setup->writer);
    nj_metrics_free(setup->metrics);
    nj_config_done(nj_collector_config_table, &setup->config);
    assert_int_equal(pthread_mutex_destroy(&setup->gate), 0);
    end_folder(&setup->folder);
    void *test = setup->test;
    assert_int_equal(test_loop_teardown(&test), 0);
    free(setup);
    return 0;
}

char *api_file(struct api_setup *setup, const char *name, const char *text)
{
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", setup->folder.path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return nj_strdup(path);
}

/* The gate is taken and given by the loop's thread; the worker only passes through. */
static void wait_at_gate(struct nj_job *job)
{
    struct api_setup *setup = job->data;
    pthread_mutex_lock(&setup->gate);
    pthread_mutex_unlock(&setup->gate);
}

static void on_gate_passed(struct nj_job *job)
{
    ((struct api_setup *)job->data)->gate_runs++;
}

void api_hold(struct api_setup *setup)
{
    pthread_mutex_lock(&setup->gate);
    setup->held = true;
    setup->gate_job =
        (struct nj_job){.run = wait_at_gate, .done = on_gate_passed, .data = setup, .next = NULL};
    assert_int_equal(nj_worker_submit(setup->worker, &setup->gate_job), 0);
    while (nj_worker_queued(setup->worker) > 0) /* until it runs: a moment */
        test_run_some(setup->test);
}

void api_release(struct api_setup *setup)
{
    int wanted = setup->gate_runs + 1;
    setup->held = false;
    pthread_mutex_unlock(&setup->gate);
    test_run_until_count(setup->test, &setup->gate_runs, wanted);
}

void api_begin(struct api_setup *setup)
{
    assert_int_equal(setup->writer->ops->begin(setup->writer, NULL), 0);
}

void api_commit(struct api_setup *setup)
{
    assert_int_equal(setup->writer->ops->commit(setup->writer, NULL), 0);
}

void api_put_incident(struct api_setup *setup, const struct nj_incident *incident)
{
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_incident(setup->writer, incident, NULL), 0);
    api_commit(setup);
}

void api_put_crash(struct api_setup *setup, const struct nj_store_crash *crash)
{
    bool is_new = false;
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_crash(setup->writer, crash, &is_new, NULL), 0);
    api_commit(setup);
}

/* ---- the client */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    buf->base = nj_calloc(1, suggested);
    buf->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct reply *reply = stream->data;
    if (len > 0)
        assert_int_equal(nj_buf_append(&reply->bytes, buf->base, (size_t)len), 0);
    else if (len < 0)
        reply->ended = true;
    free(buf->base);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* a server that goes is a test's own wish */
    (void)write;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct reply *reply = connect->data;
    assert_int_equal(status, 0);
    uv_buf_t buf = uv_buf_init(reply->request, (unsigned)strlen(reply->request));
    uv_stream_t *stream = (uv_stream_t *)&reply->tcp;
    assert_int_equal(uv_write(&reply->write, stream, &buf, 1, on_written), 0);
    if (!reply->stalled)
        assert_int_equal(uv_read_start(stream, on_alloc, on_read), 0);
}

void reply_start(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
                 const char *headers)
{
    reply_start_body(setup, reply, method, target, headers, NULL, "");
}

void reply_start_body(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
                      const char *headers, const char *type, const char *body)
{
    bool stalled = reply->stalled;
    struct nj_buf text = {0};
    struct sockaddr_in address;
    *reply = (struct reply){.stalled = stalled};
    (void)nj_buf_printf(&text, "%s %s HTTP/1.1\r\n%s", method, target,
                        headers == NULL ? "Host: localhost\r\n" : headers);
    if (type != NULL)
        (void)nj_buf_printf(&text, "Content-Type: %s\r\n", type);
    if (*body != '\0')
        (void)nj_buf_printf(&text, "Content-Length: %zu\r\n", strlen(body));
    (void)nj_buf_printf(&text, "Connection: close\r\n\r\n%s", body);
    reply->request = nj_buf_take(&text);
    reply->tcp.data = reply;
    reply->connect.data = reply;
    assert_int_equal(uv_tcp_init(&setup->test->loop.uv, &reply->tcp), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", nj_api_port(setup->api), &address), 0);
    assert_int_equal(
        uv_tcp_connect(&reply->connect, &reply->tcp, (const struct sockaddr *)&address, on_connected), 0);
}

static void parse(struct reply *reply)
{
    const char *text = nj_buf_str(&reply->bytes);
    const char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    assert_int_equal(strncmp(text, "HTTP/1.1 ", 9), 0);
    reply->status = (int)strtol(text + 9, NULL, 10);
    reply->body = end + 4;
    reply->body_len = reply->bytes.len - (size_t)(reply->body - text);
    if (reply->body_len > 0 && strstr(text, "json\r\n") != NULL) {
        reply->json = json_tokener_parse(reply->body);
        if (reply->json == NULL)
            fail_msg("no JSON: %s", reply->body);
    }
}

void reply_wait(struct api_setup *setup, struct reply *reply)
{
    test_run_until(setup->test, &reply->ended);
    parse(reply);
}

void reply_wait_text(struct api_setup *setup, struct reply *reply, const char *text)
{
    int turns = 0;
    while (strstr(nj_buf_str(&reply->bytes), text) == NULL && !reply->ended && ++turns < TURNS_MAX)
        (void)uv_run(&setup->test->loop.uv, UV_RUN_ONCE);
    if (strstr(nj_buf_str(&reply->bytes), text) == NULL)
        fail_msg("no \"%s\" in: %s", text, nj_buf_str(&reply->bytes));
}

static void on_reply_closed(uv_handle_t *handle)
{
    ((struct reply *)handle->data)->closed = true;
}

void reply_leave(struct api_setup *setup, struct reply *reply)
{
    uv_close((uv_handle_t *)&reply->tcp, on_reply_closed);
    test_run_until(setup->test, &reply->closed);
}

void reply_done(struct api_setup *setup, struct reply *reply)
{
    if (!reply->closed)
        reply_leave(setup, reply);
    if (reply->json != NULL)
        assert_int_equal(json_object_put(reply->json), 1);
    nj_buf_done(&reply->bytes);
    free(reply->request);
    *reply = (struct reply){0};
}

void request(struct api_setup *setup, struct reply *reply, const char *method, const char *target,
             const char *headers)
{
    reply->stalled = false;
    reply_start(setup, reply, method, target, headers);
    reply_wait(setup, reply);
}

void get(struct api_setup *setup, struct reply *reply, const char *target)
{
    request(setup, reply, "GET", target, NULL);
}

bool reply_has(const struct reply *reply, const char *header_line)
{
    char line[512];
    const char *text = nj_buf_str(&reply->bytes);
    (void)snprintf(line, sizeof(line), "\r\n%s\r\n", header_line);
    const char *found = strstr(text, line);
    return found != NULL && found < reply->body;
}

const char *field(json_object *object, const char *name)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(object, name, &value))
        fail_msg("no field %s in %s", name, json_object_to_json_string(object));
    return value == NULL ? "" : json_object_get_string(value);
}

void assert_problem(struct api_setup *setup, struct reply *reply, int status, const char *text)
{
    char number[16];
    (void)snprintf(number, sizeof(number), "%d", status);
    if (reply->status != status)
        fail_msg("%d instead of %d: %s", reply->status, status, reply->body);
    assert_true(reply_has(reply, "Content-Type: application/problem+json"));
    assert_non_null(reply->json);
    assert_string_equal(field(reply->json, "status"), number);
    assert_string_not_equal(field(reply->json, "title"), "");
    if (strstr(field(reply->json, "detail"), text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", field(reply->json, "detail"), text);
    reply_done(setup, reply);
}

void assert_get_problem(struct api_setup *setup, const char *target, int status, const char *text)
{
    struct reply reply;
    get(setup, &reply, target);
    assert_problem(setup, &reply, status, text);
}

void get_list(struct api_setup *setup, const char *target, const char *name, struct nj_buf *ret_list,
              char *ret_cursor)
{
    struct reply reply;
    json_object *items = NULL;
    get(setup, &reply, target);
    if (reply.status != 200)
        fail_msg("%s: %s", target, reply.body);
    assert_true(json_object_object_get_ex(reply.json, "items", &items));
    for (size_t i = 0; i < json_object_array_length(items); i++)
        (void)nj_buf_printf(ret_list, "%s ", field(json_object_array_get_idx(items, i), name));
    if (ret_cursor != NULL)
        (void)snprintf(ret_cursor, 32, "%s", field(reply.json, "nextCursor"));
    reply_done(setup, &reply);
}

void assert_list(struct api_setup *setup, const char *target, const char *name, const char *expected)
{
    struct nj_buf list = {0};
    get_list(setup, target, name, &list, NULL);
    if (strcmp(nj_buf_str(&list), expected) != 0)
        fail_msg("%s gives \"%s\" instead of \"%s\"", target, nj_buf_str(&list), expected);
    nj_buf_done(&list);
}

int64_t api_metric(struct api_setup *setup, const char *series)
{
    char line[256];
    struct reply reply;
    int64_t value = -1;
    (void)snprintf(line, sizeof(line), "\n%s ", series);
    get(setup, &reply, "/metrics");
    assert_int_equal(reply.status, 200);
    const char *found = strstr(reply.body, line);
    if (found != NULL)
        value = strtoll(found + strlen(line), NULL, 10);
    reply_done(setup, &reply);
    return value;
}
