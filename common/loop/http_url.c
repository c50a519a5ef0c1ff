#include "common/loop/http_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, which, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = nj_strdup(text);
    curl_free(text);
    return copy;
}

static char *path_of(CURLU *url)
{
    NJ_CLEANUP_FREE char *path = part(url, CURLUPART_PATH, 0);
    NJ_CLEANUP_FREE char *query = part(url, CURLUPART_QUERY, 0);
    return nj_asprintf("%s%s%s", path == NULL ? "/" : path, query == NULL ? "" : "?", nj_str(query));
}

/* Without brackets and the zone, which libcurl gives apart. */
static char *host_of(CURLU *url)
{
    char *host = part(url, CURLUPART_HOST, 0);
    if (host == NULL)
        return NULL;
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
    for (char *c = host; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return host;
}

static int take_parts(CURLU *parsed, struct nj_http_url *url, struct nj_err *err)
{
    NJ_CLEANUP_FREE char *user = part(parsed, CURLUPART_USER, 0);
    NJ_CLEANUP_FREE char *port = part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    url->scheme = part(parsed, CURLUPART_SCHEME, 0);
    url->host = host_of(parsed);
    url->path = path_of(parsed);
    int64_t number = 0;
    if (url->scheme == NULL || url->host == NULL || url->host[0] == '\0' || port == NULL ||
        nj_parse_int(port, 1, UINT16_MAX, &number) < 0)
        return nj_err_set(err, -EINVAL, "a URL without a host or port");
    if (strcmp(url->scheme, "http") != 0 && strcmp(url->scheme, "https") != 0)
        return nj_err_set(err, -EINVAL, "a URL that is neither http nor https");
    if (user != NULL)
        return nj_err_set(err, -EINVAL, "a URL with a user in it");
    url->port = (uint16_t)number;
    return 0;
}

int nj_http_url_parse(const char *base, const char *reference, struct nj_http_url *ret_url,
                      struct nj_err *err)
{
    if (strlen(reference) > NJ_HTTP_URL_MAX)
        return nj_err_set(err, -EINVAL, "a URL that is too long");
    CURLU *parsed = curl_url();
    if (parsed == NULL)
        return nj_err_set(err, -ENOMEM, "out of memory");
    CURLUcode code = base == NULL ? CURLUE_OK : curl_url_set(parsed, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parsed, CURLUPART_URL, reference, CURLU_URLENCODE);
    struct nj_http_url url = {0};
    int rc = 0;
    if (code == CURLUE_OUT_OF_MEMORY)
        rc = nj_err_set(err, -ENOMEM, "out of memory");
    else if (code != CURLUE_OK)
        rc = nj_err_set(err, -EINVAL, "not a valid URL");
    else
        rc = take_parts(parsed, &url, err);
    curl_url_cleanup(parsed);
    if (rc < 0)
        nj_http_url_done(&url);
    else
        *ret_url = url;
    return rc;
}

void nj_http_url_done(struct nj_http_url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->path);
    *url = (struct nj_http_url){0};
}
