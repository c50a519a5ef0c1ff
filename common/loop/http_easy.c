#include "common/loop/http_easy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <uv.h>

#include "common/base/alloc.h"

enum {
    METHOD_MAX = 16,
    REDIRECTS_MAX = 5,
    HEAD_MAX_BYTES = 256 * 1024,
    RETRY_AFTER_TEXT_MAX = 64,
    RETRY_AFTER_MAX_S = 24 * 60 * 60,
    CONNECT_TIMEOUT_MS = 10 * 1000,
    CA_CACHE_S = 5 * 60, /* a cluster's authority may change: its file is read again */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
};

/* The parts of a URL; each is libcurl's memory. */
struct url {
    CURLU *parsed;
    char *scheme, *user, *host, *port;
    char *explicit_port; /* NULL: the scheme's own */
};

static void url_done(struct url *url)
{
    curl_free(url->scheme);
    curl_free(url->user);
    curl_free(url->host);
    curl_free(url->port);
    curl_free(url->explicit_port);
    curl_url_cleanup(url->parsed);
}

static char *url_part(CURLU *parsed, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(parsed, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static int url_parse(struct url *url, const char *text, struct nj_err *err)
{
    *url = (struct url){.parsed = curl_url()};
    if (url->parsed == NULL)
        return nj_err_set(err, -ENOMEM, "out of memory");
    CURLUcode code =
        text == NULL ? CURLUE_MALFORMED_INPUT : curl_url_set(url->parsed, CURLUPART_URL, text, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return nj_err_set(err, -ENOMEM, "out of memory");
    if (code != CURLUE_OK)
        return nj_err_set(err, -EINVAL, "not a valid URL (http://... or https://...)");
    url->scheme = url_part(url->parsed, CURLUPART_SCHEME, 0);
    url->user = url_part(url->parsed, CURLUPART_USER, 0);
    url->host = url_part(url->parsed, CURLUPART_HOST, 0);
    url->port = url_part(url->parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    url->explicit_port = url_part(url->parsed, CURLUPART_PORT, 0);
    if (url->scheme == NULL || url->host == NULL || url->host[0] == '\0' || url->port == NULL)
        return nj_err_set(err, -EINVAL, "a URL without a host");
    if (strcmp(url->scheme, "http") != 0 && strcmp(url->scheme, "https") != 0)
        return nj_err_set(err, -EINVAL, "%s: only http and https are supported", url->scheme);
    return 0;
}

static bool method_valid(const char *method)
{
    size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len > 0 && len <= METHOD_MAX && method[len] == '\0';
}

static bool header_is(const char *header, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(header, name, len) == 0 && header[len] == ':';
}

static bool has_header(const struct nj_http_options *options, const char *name)
{
    for (const char *const *header = options->headers; header != NULL && *header != NULL; header++) {
        if (header_is(*header, name))
            return true;
    }
    return false;
}

/* libcurl does what a redirect says, with the same credentials where the host is the same: better not at all.
 */
static bool carries_credentials(const struct nj_http_options *options, const struct url *url)
{
    return url->user != NULL || has_header(options, "Authorization") || has_header(options, "Cookie") ||
           has_header(options, "Proxy-Authorization") ||
           (options->tls != NULL && (options->tls->cert_file != NULL || options->tls->cert_pem != NULL));
}

/* The first setting that libcurl refuses is kept, so that many may be set and checked once. */
struct setting {
    CURL *curl;
    CURLcode code;
};

static void set_long(struct setting *setting, CURLoption option, long value)
{
    if (setting->code == CURLE_OK)
        setting->code = curl_easy_setopt(setting->curl, option, value);
}

static void set_str(struct setting *setting, CURLoption option, const char *value)
{
    if (setting->code == CURLE_OK)
        setting->code = curl_easy_setopt(setting->curl, option, value);
}

static void set_pointer(struct setting *setting, CURLoption option, void *value)
{
    if (setting->code == CURLE_OK)
        setting->code = curl_easy_setopt(setting->curl, option, value);
}

/* From a file or from PEM text. */
static void set_pem(struct setting *setting, CURLoption file_option, const char *file, CURLoption blob_option,
                    const char *pem)
{
    if (pem != NULL) {
        struct curl_blob blob = {.data = (void *)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};
        set_pointer(setting, blob_option, &blob);
    } else if (file != NULL) {
        set_str(setting, file_option, file);
    }
}

static int set_tls(struct setting *setting, const struct nj_http_tls *tls, struct nj_err *err)
{
    set_long(setting, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    set_long(setting, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
    if (tls == NULL)
        return 0;
    if ((tls->ca_file != NULL && tls->ca_pem != NULL) || (tls->cert_file != NULL && tls->cert_pem != NULL) ||
        (tls->key_file != NULL && tls->key_pem != NULL))
        return nj_err_set(err, -EINVAL, "TLS: a path and PEM text for the same thing");
    if (tls->ca_file != NULL || tls->ca_pem != NULL) {
        set_pem(setting, CURLOPT_CAINFO, tls->ca_file, CURLOPT_CAINFO_BLOB, tls->ca_pem);
        set_str(setting, CURLOPT_CAPATH, NULL); /* else the system's authorities are trusted as well */
    }
    set_pem(setting, CURLOPT_SSLCERT, tls->cert_file, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    set_pem(setting, CURLOPT_SSLKEY, tls->key_file, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    if (tls->insecure_skip_verify) {
        set_long(setting, CURLOPT_SSL_VERIFYPEER, 0);
        set_long(setting, CURLOPT_SSL_VERIFYHOST, 0);
    }
    return 0;
}

/* Appends to a list of libcurl's; false when memory is out. */
static bool list_append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* To verify another name than the URL's host, that name is put into the URL and the connection led to the
 * host. */
static int set_url(struct nj_http_easy *easy, struct setting *setting, const struct nj_http_options *options,
                   const struct url *url, struct nj_err *err)
{
    const char *name = options->tls == NULL ? NULL : options->tls->server_name;
    if (name == NULL || strcmp(url->scheme, "https") != 0) {
        set_str(setting, CURLOPT_URL, options->url);
        return 0;
    }
    if (curl_url_set(url->parsed, CURLUPART_HOST, name, 0) != CURLUE_OK)
        return nj_err_set(err, -EINVAL, "TLS: \"%s\" is no server name", name);
    NJ_CLEANUP_FREE char *detour = nj_asprintf("%s:%s:%s:%s", name, url->port, url->host, url->port);
    NJ_CLEANUP_FREE char *host = url->explicit_port == NULL
                                     ? nj_asprintf("Host: %s", url->host)
                                     : nj_asprintf("Host: %s:%s", url->host, url->explicit_port);
    if (!list_append(&easy->connect_to, detour) ||
        (!has_header(options, "Host") && !list_append(&easy->headers, host)))
        return nj_err_set(err, -ENOMEM, "out of memory");
    char *changed = url_part(url->parsed, CURLUPART_URL, 0);
    set_str(setting, CURLOPT_URL, changed);
    curl_free(changed);
    set_pointer(setting, CURLOPT_CONNECT_TO, easy->connect_to);
    return 0;
}

static int set_headers(struct nj_http_easy *easy, struct setting *setting,
                       const struct nj_http_options *options, struct nj_err *err)
{
    for (const char *const *header = options->headers; header != NULL && *header != NULL; header++) {
        if (strpbrk(*header, "\r\n") != NULL || strchr(*header, ':') == NULL)
            return nj_err_set(err, -EINVAL, "a header that is not \"Name: value\" on one line");
        if (!list_append(&easy->headers, *header))
            return nj_err_set(err, -ENOMEM, "out of memory");
    }
    /* No wait for "100 Continue", and no form type for a body whose type nobody named. */
    bool typed = options->file_field != NULL || has_header(options, "Content-Type");
    if (!list_append(&easy->headers, "Expect:") || (!typed && !list_append(&easy->headers, "Content-Type:")))
        return nj_err_set(err, -ENOMEM, "out of memory");
    set_pointer(setting, CURLOPT_HTTPHEADER, easy->headers);
    return 0;
}

static void set_file(struct nj_http_easy *easy, struct setting *setting,
                     const struct nj_http_options *options)
{
    easy->mime = curl_mime_init(easy->curl);
    curl_mimepart *part = easy->mime == NULL ? NULL : curl_mime_addpart(easy->mime);
    if (part == NULL) {
        setting->code = CURLE_OUT_OF_MEMORY;
        return;
    }
    CURLcode codes[] = {
        curl_mime_name(part, options->file_field),
        curl_mime_filename(part, options->file_name == NULL ? "file" : options->file_name),
        curl_mime_type(part, "application/octet-stream"),
        curl_mime_data(part, options->body_len == 0 ? "" : options->body, options->body_len),
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (setting->code == CURLE_OK)
            setting->code = codes[i];
    }
    set_pointer(setting, CURLOPT_MIMEPOST, easy->mime);
}

static void set_method_and_body(struct nj_http_easy *easy, struct setting *setting,
                                const struct nj_http_options *options, const char *method)
{
    bool post = strcmp(method, "POST") == 0;
    if (options->file_field != NULL) {
        set_file(easy, setting, options);
    } else if (options->body_len > 0 || post || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0) {
        if (setting->code == CURLE_OK)
            setting->code =
                curl_easy_setopt(setting->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body_len);
        set_str(setting, CURLOPT_COPYPOSTFIELDS, options->body_len == 0 ? "" : options->body);
    } else if (strcmp(method, "HEAD") == 0) {
        set_long(setting, CURLOPT_NOBODY, 1);
        return;
    }
    if (!post)
        set_str(setting, CURLOPT_CUSTOMREQUEST, method);
}

static void set_manners(struct setting *setting, struct nj_http_easy *easy,
                        const struct nj_http_options *options)
{
    int64_t connect_ns = options->connect_timeout_ns;
    long connect_ms = CONNECT_TIMEOUT_MS;
    if (connect_ns > 0)
        connect_ms = connect_ns / NJ_MS >= INT32_MAX ? INT32_MAX : (long)((connect_ns + NJ_MS - 1) / NJ_MS);
    set_long(setting, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    set_long(setting, CURLOPT_NOSIGNAL, 1);
    set_long(setting, CURLOPT_QUICK_EXIT, 1); /* a cancelled name lookup is left behind, not waited for */
    set_long(setting, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set_str(setting, CURLOPT_PROTOCOLS_STR, "http,https");
    set_str(setting, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set_str(setting, CURLOPT_PROXY, "");
    set_long(setting, CURLOPT_NETRC, CURL_NETRC_IGNORED);
    set_str(setting, CURLOPT_USERAGENT, "nightjar/" NJ_VERSION);
    set_long(setting, CURLOPT_TCP_KEEPALIVE, 1);
    set_long(setting, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_long(setting, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_long(setting, CURLOPT_FOLLOWLOCATION, easy->follows_redirects ? 1 : 0);
    set_long(setting, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    set_long(setting, CURLOPT_FRESH_CONNECT, options->fresh_connection ? 1 : 0);
    set_long(setting, CURLOPT_FORBID_REUSE, options->fresh_connection ? 1 : 0);
    set_pointer(setting, CURLOPT_ERRORBUFFER, easy->error);
}

static int set_all(struct nj_http_easy *easy, const struct nj_http_options *options, const struct url *url,
                   const char *method, struct nj_err *err)
{
    struct setting setting = {.curl = easy->curl, .code = CURLE_OK};
    set_manners(&setting, easy, options);
    int rc = set_tls(&setting, options->tls, err);
    if (rc == 0)
        rc = set_url(easy, &setting, options, url, err);
    if (rc == 0)
        rc = set_headers(easy, &setting, options, err);
    if (rc < 0)
        return rc;
    set_method_and_body(easy, &setting, options, method);
    if (setting.code != CURLE_OK)
        return nj_err_set(err, setting.code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL, "libcurl: %s",
                          curl_easy_strerror(setting.code));
    return 0;
}

int nj_http_easy_init(struct nj_http_easy *easy, const struct nj_http_options *options, struct nj_err *err)
{
    *easy = (struct nj_http_easy){0};
    const char *method = options->method;
    if (method == NULL)
        method = options->file_field == NULL ? "GET" : "POST";
    struct url url;
    int rc = url_parse(&url, options->url, err);
    if (rc == 0 && !method_valid(method))
        rc = nj_err_set(err, -EINVAL, "not a method of HTTP");
    if (rc == 0) {
        easy->what =
            nj_asprintf("%s %s://%s%s%s", method, url.scheme, url.host, url.explicit_port == NULL ? "" : ":",
                        url.explicit_port == NULL ? "" : url.explicit_port);
        easy->follows_redirects = options->follow_redirects && !carries_credentials(options, &url);
        easy->curl = curl_easy_init();
        rc = easy->curl == NULL ? nj_err_set(err, -ENOMEM, "out of memory")
                                : set_all(easy, options, &url, method, err);
        if (rc < 0)
            (void)nj_err_wrap(err, "%s", easy->what);
    }
    url_done(&url);
    if (rc < 0)
        nj_http_easy_done(easy);
    return rc;
}

void nj_http_easy_done(struct nj_http_easy *easy)
{
    curl_easy_cleanup(easy->curl);
    curl_mime_free(easy->mime);
    curl_slist_free_all(easy->headers);
    curl_slist_free_all(easy->connect_to);
    free(easy->what);
    *easy = (struct nj_http_easy){0};
}

static bool happened(const struct nj_http_easy *easy, CURLINFO info)
{
    curl_off_t after_us = 0;
    return curl_easy_getinfo(easy->curl, info, &after_us) == CURLE_OK && after_us > 0;
}

/* libcurl notes the time of the TCP connection only when TLS stands too, and neither on a kept connection. */
static const char *phase_by_times(const struct nj_http_easy *easy)
{
    if (happened(easy, CURLINFO_STARTTRANSFER_TIME_T))
        return "response";
    if (happened(easy, CURLINFO_PRETRANSFER_TIME_T))
        return "request";
    if (!happened(easy, CURLINFO_NAMELOOKUP_TIME_T))
        return "name lookup";
    bool tls = strstr(easy->what, " https:") != NULL;
    if (!happened(easy, tls ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T))
        return tls ? "connect or TLS handshake" : "connect";
    return "request";
}

const char *nj_http_easy_phase(const struct nj_http_easy *easy, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "name lookup";
    case CURLE_COULDNT_CONNECT:
        return "connect";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return "TLS handshake";
    default:
        return phase_by_times(easy);
    }
}

bool nj_http_easy_maybe_sent(const struct nj_http_easy *easy)
{
    return happened(easy, CURLINFO_PRETRANSFER_TIME_T);
}

static int errno_of(const struct nj_http_easy *easy, CURLcode code)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(easy->curl, CURLINFO_OS_ERRNO, &os_errno);
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return -EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return os_errno > 0 ? -(int)os_errno : -ECONNREFUSED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return os_errno > 0 ? -(int)os_errno : -ECONNRESET;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return -EKEYREJECTED;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

/* libcurl's own words, unless they quote a URL. */
static const char *detail_of(const struct nj_http_easy *easy, CURLcode code)
{
    if (easy->error[0] == '\0' || strstr(easy->error, "://") != NULL)
        return curl_easy_strerror(code);
    return easy->error;
}

int nj_http_easy_error(const struct nj_http_easy *easy, CURLcode code, struct nj_err *err)
{
    int rc = errno_of(easy, code);
    if (rc == 0)
        return 0;
    long os_errno = 0;
    (void)curl_easy_getinfo(easy->curl, CURLINFO_OS_ERRNO, &os_errno);
    bool system_said = os_errno > 0 && rc == -(int)os_errno;
    char words[128];
    return nj_err_set(err, rc, "%s: %s: %s", easy->what, nj_http_easy_phase(easy, code),
                      system_said ? uv_strerror_r(rc, words, sizeof(words)) : detail_of(easy, code));
}

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
    if (head->bytes > HEAD_MAX_BYTES)
        return -EMSGSIZE;
    if (head->complete)
        return 0;
    if (line_is(line, len, "HTTP/")) {
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
