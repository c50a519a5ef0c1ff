#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/loop/httpd_internal.h"

enum { READ_AT_ONCE = 16 * 1024 };

struct nj_httpd_stream {
    struct nj_httpd *httpd;
    struct MHD_Connection *connection;
    int fd;
    struct nj_buf queue;
    bool suspended; /* the queue is empty and MHD waits for more */
    bool ended;     /* no more comes; what is queued still goes out */
    bool broken;    /* the reader is gone or was too slow */
    bool watched;   /* `gone` is initialised */
    uv_poll_t gone; /* MHD does not look at a suspended connection: this notices that the reader left */
    void (*on_closed)(void *data);
    void *data;
};

static void wake(struct nj_httpd_stream *stream)
{
    if (stream->suspended) {
        stream->suspended = false;
        MHD_resume_connection(stream->connection);
    }
    nj_httpd_run_soon(stream->httpd);
}

/* Ends the connection whatever is still queued. MHD finds its socket shut down. */
static void break_off(struct nj_httpd_stream *stream)
{
    if (stream->broken)
        return;
    stream->broken = true;
    nj_buf_done(&stream->queue);
    if (stream->watched)
        (void)uv_poll_stop(&stream->gone);
    (void)shutdown(stream->fd, SHUT_RDWR);
    wake(stream);
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
    if (status < 0 || (events & UV_DISCONNECT) != 0)
        break_off(poll->data);
}

/* MHD asks for the next bytes. */
static ssize_t on_read(void *data, uint64_t position, char *to, size_t room)
{
    (void)position;
    struct nj_httpd_stream *stream = data;
    if (stream->broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t len = stream->queue.len < room ? stream->queue.len : room;
    if (len > 0) {
        memcpy(to, stream->queue.data, len);
        nj_buf_consume(&stream->queue, len);
        return (ssize_t)len;
    }
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void set_idle_timeout(struct MHD_Connection *connection, unsigned seconds)
{
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

struct nj_httpd_stream *nj_httpd_reply_stream(struct nj_httpd_request *request, const char *content_type,
                                              size_t max_queued_bytes, void (*on_closed)(void *data),
                                              void *data)
{
    struct nj_httpd *httpd = request->httpd;
    struct nj_httpd_stream *stream = NULL;
    struct MHD_Response *response = NULL;
    if (httpd != NULL) {
        stream = NJ_NEW(struct nj_httpd_stream);
        stream->httpd = httpd;
        stream->connection = request->connection;
        stream->fd = request->peer->fd;
        nj_buf_init(&stream->queue, max_queued_bytes);
        stream->on_closed = on_closed;
        stream->data = data;
        request->stream = stream;
        httpd->counts.streams++;
        httpd->counts.streams_open++;
        stream->gone.data = stream;
        stream->watched = uv_poll_init(&httpd->loop->uv, &stream->gone, stream->fd) == 0;
        if (stream->watched) {
            httpd->handles++;
            (void)uv_poll_start(&stream->gone, UV_DISCONNECT, on_gone);
        }
        set_idle_timeout(stream->connection, 0);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READ_AT_ONCE, on_read, stream, NULL);
    }
    if (response != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    nj_httpd_answer(request, MHD_HTTP_OK, response);
    return stream;
}

int nj_httpd_stream_write(struct nj_httpd_stream *stream, const void *bytes, size_t len)
{
    if (stream == NULL || stream->broken || stream->ended)
        return -EPIPE;
    if (nj_buf_append(&stream->queue, bytes, len) < 0) {
        stream->httpd->counts.streams_dropped++;
        break_off(stream);
        return -EPIPE;
    }
    wake(stream);
    return 0;
}

void nj_httpd_stream_end(struct nj_httpd_stream *stream)
{
    if (stream == NULL || stream->broken || stream->ended)
        return;
    stream->ended = true;
    set_idle_timeout(stream->connection,
                     stream->httpd->idle_timeout_s); /* a reader that stalls now is not waited for */
    wake(stream);
}

static void on_poll_closed(uv_handle_t *poll)
{
    struct nj_httpd_stream *stream = poll->data;
    struct nj_httpd *httpd = stream->httpd;
    free(stream);
    nj_httpd_handle_closed(httpd);
}

void nj_httpd_stream_release(struct nj_httpd_stream *stream)
{
    stream->broken = true;
    if (stream->suspended) {
        stream->suspended = false;
        MHD_resume_connection(stream->connection);
    }
}

void nj_httpd_stream_completed(struct nj_httpd_stream *stream)
{
    stream->broken = true;
    stream->httpd->counts.streams_open--;
    nj_buf_done(&stream->queue);
    void (*on_closed)(void *data) = stream->on_closed;
    void *data = stream->data;
    if (stream->watched)
        uv_close((uv_handle_t *)&stream->gone, on_poll_closed);
    else
        free(stream);
    if (on_closed != NULL)
        on_closed(data);
}
