/*
 * What a probed server and a configuration write: Set-Cookie headers, where a redirect leads, what the
 * allow-list holds. The first line is a Location, the second an entry of the list, the others are cookies. A
 * cookie that goes back is on one line; a redirect that is accepted has every part; what is no entry allows
 * nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/http_url.h"
#include "common/probe/address.h"
#include "common/probe/cookies.h"

enum { NOW_S = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(const char *location)
{
    struct nj_http_url url = {0};
    if (nj_http_url_parse("http://web.example:8080/a/b?c", location, &url, NULL) < 0) {
        assert(url.scheme == NULL);
        return;
    }
    assert(strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0);
    assert(url.host[0] != '\0' && url.port != 0 && url.path[0] == '/');
    for (const char *c = url.host; *c != '\0'; c++)
        assert((unsigned char)*c > ' ' && *c != '/' && *c != '@' && *c != '?' && *c != '#');
    for (const char *c = url.path; *c != '\0'; c++)
        assert((unsigned char)*c > ' ' && *c != '#');
    nj_http_url_done(&url);
}

static void allow(char *entry)
{
    char *const list[] = {entry};
    bool good = nj_allowed_check(entry, NULL) == 0;
    assert(good || !nj_host_allowed("web.example", 80, list, 1));
    assert(good || !nj_host_allowed("10.0.0.1", 80, list, 1));
    assert(good || !nj_host_allowed(entry, 80, list, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = nj_strndup((const char *)data, size);
    if (text == NULL)
        return 0;
    struct nj_cookies *cookies = nj_cookies_new();
    char *rest = text;
    for (int i = 0; rest != NULL; i++) {
        char *line = strsep(&rest, "\n");
        if (i == 0)
            follow(line);
        else if (i == 1)
            allow(line);
        else
            nj_cookies_take(cookies, "web.example", "/a/b?c=/d", line, NOW_S * NJ_SEC);
    }
    struct nj_buf out = {0};
    nj_cookies_write(cookies, "WEB.example", "/a/b", true, NOW_S * NJ_SEC, &out);
    for (size_t i = 0; i < out.len; i++)
        assert((unsigned char)out.data[i] >= ' ' && out.data[i] != '\x7f');
    size_t len = out.len;
    nj_cookies_write(cookies, "other.example", "/a/b", true, NOW_S * NJ_SEC, &out);
    assert(out.len == len);
    nj_buf_done(&out);
    nj_cookies_free(cookies);
    free(text);
    return 0;
}
