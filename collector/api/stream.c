/*
 * Incidents as they change, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html): "event: incident", its id being
 * "ID.REVISION", its data the incident as in REST. Only what changes from now on: who connects, or connects
 * anew, reads /api/v1/incidents first.
 */
#include <stdlib.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    STREAM_QUEUE_MAX = 1024 * 1024,  /* bytes that wait for one reader */
    STREAM_KEEPALIVE_MS = 15 * 1000, /* proxies end what is silent for longer */
};

struct nj_api_stream {
    struct nj_api *api;
    struct nj_httpd_stream *stream;
    struct nj_api_stream *next;
};

static void on_stream_closed(void *data)
{
    struct nj_api_stream *stream = data;
    struct nj_api *api = stream->api;
    for (struct nj_api_stream **at = &api->streams; *at != NULL; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    api->streams_count--;
    nj_gauge_set(api->streams_open, api->streams_count);
    free(stream);
}

void nj_api_stream(struct nj_api_call *call)
{
    static const char hello[] = ": incidents as they change\nretry: 3000\n\n";
    struct nj_api *api = call->api;
    if (nj_streq(nj_httpd_method(call->request), "HEAD")) {
        nj_api_answer(call, 200, "text/event-stream", "", 0);
        return;
    }
    if (api->streams_count >= call->config->api.max_streams) {
        nj_counter_add(api->streams_refused, 1);
        nj_api_problem(call, 503, "%lld streams are open already, as many as api.max_streams allows",
                       (long long)api->streams_count);
        return;
    }
    nj_api_count(api, 200);
    struct nj_api_stream *stream = NJ_NEW(struct nj_api_stream);
    stream->api = api;
    stream->next = api->streams;
    api->streams = stream;
    api->streams_count++;
    nj_gauge_set(api->streams_open, api->streams_count);
    stream->stream =
        nj_httpd_reply_stream(call->request, "text/event-stream", STREAM_QUEUE_MAX, on_stream_closed, stream);
    (void)nj_httpd_stream_write(stream->stream, hello, sizeof(hello) - 1);
    nj_api_free_call(call);
}

/* A stream that cannot take more is ended, and counted, by the server; on_stream_closed() follows from the
 * loop. */
static void write_all(const struct nj_api *api, const char *bytes, size_t len)
{
    for (const struct nj_api_stream *stream = api->streams; stream != NULL; stream = stream->next)
        (void)nj_httpd_stream_write(stream->stream, bytes, len);
}

void nj_api_streams_publish(struct nj_api *api, const struct nj_incident *incident)
{
    struct nj_buf out = {0};
    if (api->streams == NULL)
        return;
    (void)nj_buf_printf(&out, "event: incident\nid: %lld.%llu\ndata: ", (long long)incident->id,
                        (unsigned long long)incident->revision);
    (void)nj_incident_json(incident, api->options.config->notify.public_url, &out);
    (void)nj_buf_append_str(&out, "\n\n");
    write_all(api, nj_buf_str(&out), out.len);
    nj_buf_done(&out);
}

static void on_keepalive(uv_timer_t *keepalive)
{
    static const char comment[] = ":\n\n";
    write_all(keepalive->data, comment, sizeof(comment) - 1);
}

/* Real time, as everything that concerns connections: a replay's clock may fly, or stand still. */
void nj_api_streams_start(struct nj_api *api)
{
    (void)uv_timer_init(&api->options.loop->uv, &api->keepalive);
    api->keepalive.data = api;
    (void)uv_timer_start(&api->keepalive, on_keepalive, STREAM_KEEPALIVE_MS, STREAM_KEEPALIVE_MS);
    uv_unref((uv_handle_t *)&api->keepalive);
}

static void on_timer_closed(uv_handle_t *keepalive)
{
    struct nj_api *api = keepalive->data;
    api->on_timer_closed(api);
}

void nj_api_streams_stop(struct nj_api *api, void (*on_stopped)(struct nj_api *api))
{
    api->on_timer_closed = on_stopped;
    uv_close((uv_handle_t *)&api->keepalive, on_timer_closed);
    for (const struct nj_api_stream *stream = api->streams; stream != NULL; stream = stream->next)
        nj_httpd_stream_end(stream->stream);
}
