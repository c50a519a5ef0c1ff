#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/loop/http_easy.h"

enum {
    HEAD_MAX_BYTES = 256 * 1024,
    RETRY_AFTER_TEXT_MAX = 64,
    RETRY_AFTER_MAX_S = 24 * 60 * 60,
};

int64_t nj_http_retry_after_ns(const char *value, size_t len, int64_t now_s)
{
    while (len > 0 && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
        len--;
    if (len == 0 || len >= RETRY_AFTER_TEXT_MAX)
        return -1;
    char text[RETRY_AFTER_TEXT_MAX];
    memcpy(text, value, len);
    text[len] = '\0';
    int64_t wait_s = 0;
    if (strspn(text, "0123456789") == len) {
        for (size_t i = 0; i < len && wait_s <= RETRY_AFTER_MAX_S; i++)
            wait_s = wait_s * 10 + (text[i] - '0');
    } else {
        time_t at = curl_getdate(text, NULL);
        if (at == (time_t)-1)
            return -1;
        wait_s = (int64_t)at - now_s;
    }
    if (wait_s < 0)
        wait_s = 0;
    return (wait_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : wait_s) * NJ_SEC;
}

/* Whether these are the headers of what the caller gets, not of a 1xx before it or of a redirect that is
 * followed. */
static bool is_final(const struct nj_http_head *head, const struct nj_http_easy *easy)
{
    if (head->status < 200)
        return false;
    return !(easy->follows_redirects && head->has_location && head->status >= 300 && head->status < 400);
}

static bool line_is(const char *line, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return len > name_len && strncasecmp(line, name, name_len) == 0;
}

/* libcurl follows no empty Location. */
static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(" \t\r\n", text[i]) == NULL)
            return false;
    }
    return true;
}

int nj_http_head_line(struct nj_http_head *head, const struct nj_http_easy *easy, const char *line,
                      size_t len)
{
    head->bytes += len;
    if (head->bytes > (easy->max_header_bytes == 0 ? HEAD_MAX_BYTES : easy->max_header_bytes))
        return -EMSGSIZE;
    if (head->complete)
        return 0;
    if (line_is(line, len, "HTTP/")) {
        const char *code = memchr(line, ' ', len);
        head->is_interim = code != NULL && code + 1 < line + len && code[1] == '1';
        head->has_location = false;
        head->retry_after_ns = -1;
    } else if (line_is(line, len, "Location:")) {
        head->has_location = !is_blank(line + strlen("Location:"), len - strlen("Location:"));
    } else if (line_is(line, len, "Retry-After:")) {
        size_t name_len = strlen("Retry-After:");
        head->retry_after_ns = nj_http_retry_after_ns(line + name_len, len - name_len, (int64_t)time(NULL));
    } else if (len <= 2 && (len == 0 || line[0] == '\r' || line[0] == '\n')) {
        (void)curl_easy_getinfo(easy->curl, CURLINFO_RESPONSE_CODE, &head->status);
        head->complete = is_final(head, easy);
        return head->complete ? 1 : 0;
    }
    return 0;
}

bool nj_http_head_split(const struct nj_http_head *head, const char *line, size_t len,
                        struct nj_http_header *ret_header)
{
    while (len > 0 && strchr("\r\n", line[len - 1]) != NULL)
        len--;
    const char *colon = memchr(line, ':', len);
    if (head->is_interim || colon == NULL || colon == line || line[0] == ' ' || line[0] == '\t' ||
        line_is(line, len, "HTTP/"))
        return false;
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret_header = (struct nj_http_header){
        .name = line, .name_len = (size_t)(colon - line), .value = value, .value_len = (size_t)(end - value)};
    return true;
}
