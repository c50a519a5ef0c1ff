/*
 * Incidents as they change, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html): "event: incident", its id being
 * "ID.REVISION", its data the incident as in REST. Only what changes from now on: who connects, or connects
 * anew, reads /api/v1/incidents first.
 */
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"

enum {
    STREAM_QUEUE_MAX = 1024 * 1024, /* bytes that wait for one reader */
    STREAM_KEEPALIVE_S = 15,
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
    if (api->streams_count >= api->options.config->api.max_streams) {
        nj_counter_add(api->slow_readers, 1);
        nj_api_problem(call, 503, "%lld streams are open already: api.max_streams",
                       (long long)api->streams_count);
        return;
    }
    struct nj_api_stream *stream = NJ_NEW(struct nj_api_stream);
    stream->api = api;
    stream->next = api->streams;
    api->streams = stream;
    api->streams_count++;
    nj_gauge_set(api->streams_open, api->streams_count);
    stream->stream =
        nj_httpd_reply_stream(call->request, "text/event-stream", STREAM_QUEUE_MAX, on_stream_closed, stream);
    (void)nj_httpd_stream_write(stream->stream, hello, sizeof(hello) - 1);
    nj_buf_done(&call->body);
    free(call);
}

/* A stream that cannot take more ends, and its on_closed() removes it from the list: hence `next` first. */
static void write_all(struct nj_api *api, const char *bytes, size_t len)
{
    struct nj_api_stream *next;
    for (struct nj_api_stream *stream = api->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (nj_httpd_stream_write(stream->stream, bytes, len) < 0)
            nj_counter_add(api->slow_readers, 1);
    }
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

static void keepalive(struct nj_timer *timer)
{
    static const char comment[] = ":\n\n";
    write_all(timer->data, comment, sizeof(comment) - 1);
}

void nj_api_streams_start(struct nj_api *api)
{
    nj_timer_init(&api->keepalive, api->options.loop, keepalive, api);
    nj_timer_start(&api->keepalive, STREAM_KEEPALIVE_S * NJ_SEC, STREAM_KEEPALIVE_S * NJ_SEC);
}

void nj_api_streams_stop(struct nj_api *api)
{
    struct nj_api_stream *next;
    nj_timer_stop(&api->keepalive);
    for (struct nj_api_stream *stream = api->streams; stream != NULL; stream = next) {
        next = stream->next;
        nj_httpd_stream_end(stream->stream);
    }
}
