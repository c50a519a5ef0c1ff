#include <curl/curl.h>
#include <errno.h>

#include "common/loop/http_internal.h"

enum { READ_AT_ONCE = 16 * 1024 };

/* Bytes on a connection without HTTP. libcurl's two functions for them are no part of the multi interface. */
static void bare_read(struct nj_http_request *request)
{
    char bytes[READ_AT_ONCE];
    size_t len = 0;
    CURLcode code = curl_easy_recv(request->easy.curl, bytes, sizeof(bytes), &len);
    if (code == CURLE_AGAIN)
        return;
    if (code != CURLE_OK || len == 0) {
        nj_http_request_end(request, code == CURLE_OK ? 0 : -ECONNRESET, CURLE_OK);
        return;
    }
    request->bytes_came = true;
    request->last_byte_ms = uv_now(&request->http->loop->uv);
    int rc = request->on_data(request->data, bytes, len);
    if (rc < 0)
        nj_http_request_end(request, rc, CURLE_OK);
}

static void bare_write(struct nj_http_request *request)
{
    size_t len = 0;
    CURLcode code = CURLE_OK;
    while (request->unsent.len > 0 && code == CURLE_OK) {
        code = curl_easy_send(request->easy.curl, request->unsent.data, request->unsent.len, &len);
        if (code == CURLE_OK)
            nj_buf_consume(&request->unsent, len);
    }
    if (code != CURLE_OK && code != CURLE_AGAIN)
        nj_http_request_end(request, -ECONNRESET, CURLE_OK);
}

static void bare_watch(struct nj_http_request *request)
{
    if (request->state != RUNNING)
        return;
    int events = NJ_HTTP_POLL_IN | (request->unsent.len > 0 ? NJ_HTTP_POLL_OUT : 0);
    int rc = nj_http_poll_watch(request->http->poll, request->bare_fd, events, request);
    if (rc < 0)
        nj_http_request_end(request, rc, CURLE_OK);
}

void nj_http_bare_ready(struct nj_http_request *request)
{
    if (request->state == RUNNING)
        bare_write(request);
    if (request->state == RUNNING)
        bare_read(request);
    bare_watch(request);
}

void nj_http_bare_begin(struct nj_http_request *request)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(request->easy.curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD) {
        nj_http_request_end(request, -ENOMEM, CURLE_OK);
        return;
    }
    request->connected = true;
    request->bare_fd = fd;
    request->on_connected(request->data, request);
    bare_watch(request);
}

int nj_http_send(struct nj_http_request *request, const void *bytes, size_t len)
{
    if (request->state != RUNNING || !request->connected)
        return -ENOTCONN;
    if (nj_buf_append(&request->unsent, bytes, len) < 0) {
        request->unsent.overflowed = false;
        return -EMSGSIZE;
    }
    bare_write(request);
    bare_watch(request);
    return 0;
}
