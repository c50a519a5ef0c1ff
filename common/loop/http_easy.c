#include "common/loop/http_easy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    METHOD_MAX = 16,
    REDIRECTS_MAX = 5,
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

static int set_tls(struct nj_http_easy *easy, struct setting *setting, const struct nj_http_options *options,
                   struct nj_err *err)
{
    const struct nj_http_tls *tls = options->tls;
    set_long(setting, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    set_long(setting, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
    if (options->want_certificate) /* a resumed session shows none */
        set_long(setting, CURLOPT_SSL_SESSIONID_CACHE, 0);
    if (setting->code == CURLE_OK)
        setting->code = nj_http_handshake_watch(&easy->handshake, setting->curl);
    if (tls == NULL || (tls->ca_file == NULL && tls->ca_pem == NULL))
        set_str(setting, CURLOPT_CAPATH, NULL); /* only the system's one file of authorities can be kept */
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

/* Leads the connection to where the URL does not: to the address that was given, or, when another name is to
 * be verified and stands in the URL, to the URL's own host. */
static int set_detour(struct nj_http_easy *easy, struct setting *setting,
                      const struct nj_http_options *options, const struct url *url, bool renamed,
                      struct nj_err *err)
{
    NJ_CLEANUP_FREE char *detour = NULL;
    if (options->address != NULL) {
        char numeric[INET6_ADDRSTRLEN];
        uint16_t port = 0;
        if (!nj_http_address_text(options->address, numeric, &port))
            return nj_err_set(err, -EINVAL, "an address that is neither IPv4 nor IPv6");
        bool ipv6 = options->address->sa_family == AF_INET6;
        detour = nj_asprintf(ipv6 ? "::[%s]:%u" : "::%s:%u", numeric, port);
        memcpy(&easy->address, options->address,
               ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
        set_pointer(setting, CURLOPT_OPENSOCKETDATA, easy);
        if (setting->code == CURLE_OK)
            setting->code =
                curl_easy_setopt(setting->curl, CURLOPT_OPENSOCKETFUNCTION, nj_http_easy_open_socket);
        set_long(setting, CURLOPT_DNS_CACHE_TIMEOUT, 0); /* there is nothing to be remembered */
    } else if (renamed) {
        detour = nj_asprintf("%s:%s:%s:%s", options->tls->server_name, url->port, url->host, url->port);
    } else {
        return 0;
    }
    if (!list_append(&easy->connect_to, detour))
        return nj_err_set(err, -ENOMEM, "out of memory");
    set_pointer(setting, CURLOPT_CONNECT_TO, easy->connect_to);
    return 0;
}

/* To verify another name than the URL's host, that name is put into the URL. */
static int set_url(struct nj_http_easy *easy, struct setting *setting, const struct nj_http_options *options,
                   const struct url *url, struct nj_err *err)
{
    const char *name = options->tls == NULL || !easy->is_tls ? NULL : options->tls->server_name;
    set_long(setting, CURLOPT_PATH_AS_IS, options->path_as_is ? 1 : 0);
    if (name == NULL) {
        set_str(setting, CURLOPT_URL, options->url);
        return set_detour(easy, setting, options, url, false, err);
    }
    if (curl_url_set(url->parsed, CURLUPART_HOST, name, 0) != CURLUE_OK)
        return nj_err_set(err, -EINVAL, "TLS: \"%s\" is no server name", name);
    NJ_CLEANUP_FREE char *host = url->explicit_port == NULL
                                     ? nj_asprintf("Host: %s", url->host)
                                     : nj_asprintf("Host: %s:%s", url->host, url->explicit_port);
    if (!has_header(options, "Host") && !list_append(&easy->headers, host))
        return nj_err_set(err, -ENOMEM, "out of memory");
    char *changed = url_part(url->parsed, CURLUPART_URL, 0);
    set_str(setting, CURLOPT_URL, changed);
    curl_free(changed);
    return set_detour(easy, setting, options, url, true, err);
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
    if (options->decompress) {
        /* Any encoding that comes is undone, but none is asked for unless the caller does. */
        set_str(setting, CURLOPT_ACCEPT_ENCODING, "");
        if (!has_header(options, "Accept-Encoding") && !list_append(&easy->headers, "Accept-Encoding:"))
            return nj_err_set(err, -ENOMEM, "out of memory");
    }
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

static long version_of(const struct nj_http_easy *easy, enum nj_http_protocol protocol)
{
    if (protocol == NJ_HTTP_PROTOCOL_1_1)
        return CURL_HTTP_VERSION_1_1;
    if (easy->is_tls)
        return CURL_HTTP_VERSION_2TLS;
    return protocol == NJ_HTTP_PROTOCOL_2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1;
}

static void set_connection(struct setting *setting, const struct nj_http_easy *easy,
                           const struct nj_http_options *options)
{
    bool bare = options->on_connected != NULL;
    bool fresh = options->fresh_connection || bare;
    set_long(setting, CURLOPT_HTTP_VERSION, version_of(easy, options->protocol));
    set_long(setting, CURLOPT_FRESH_CONNECT, fresh ? 1 : 0);
    /* Without HTTP libcurl would close it as soon as it stands; taking the handle away closes it, too. */
    set_long(setting, CURLOPT_FORBID_REUSE, fresh && !bare ? 1 : 0);
    if (bare) {
        set_long(setting, CURLOPT_CONNECT_ONLY, 1);
        set_long(setting, CURLOPT_SSL_ENABLE_ALPN, 0); /* what will be spoken is no HTTP */
    }
    if (fresh && options->timeout_ns > 0) /* it ends before keepalive would find anything */
        return;
    set_long(setting, CURLOPT_TCP_KEEPALIVE, 1);
    set_long(setting, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_long(setting, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
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
    set_str(setting, CURLOPT_PROTOCOLS_STR, "http,https");
    set_str(setting, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set_str(setting, CURLOPT_PROXY, "");
    set_long(setting, CURLOPT_NETRC, CURL_NETRC_IGNORED);
    set_str(setting, CURLOPT_USERAGENT, "nightjar/" NJ_VERSION);
    set_connection(setting, easy, options);
    set_long(setting, CURLOPT_FOLLOWLOCATION, easy->follows_redirects ? 1 : 0);
    set_long(setting, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    set_pointer(setting, CURLOPT_ERRORBUFFER, easy->error);
}

static int set_all(struct nj_http_easy *easy, const struct nj_http_options *options, const struct url *url,
                   const char *method, struct nj_err *err)
{
    struct setting setting = {.curl = easy->curl, .code = CURLE_OK};
    set_manners(&setting, easy, options);
    int rc = easy->is_tls ? set_tls(easy, &setting, options, err) : 0;
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

bool nj_http_address_text(const struct sockaddr *address, char text[INET6_ADDRSTRLEN], uint16_t *ret_port)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        *ret_port = ntohs(v4.sin_port);
        return inet_ntop(AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN) != NULL;
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof(v6));
    *ret_port = ntohs(v6.sin6_port);
    return inet_ntop(AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
}

/* The last gate: whatever libcurl makes of the URL, nothing but the given address is connected to. */
curl_socket_t nj_http_easy_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *to)
{
    const struct nj_http_easy *easy = data;
    char wanted[INET6_ADDRSTRLEN];
    char asked[INET6_ADDRSTRLEN];
    uint16_t wanted_port = 0;
    uint16_t asked_port = 0;
    if (purpose != CURLSOCKTYPE_IPCXN || to->socktype != SOCK_STREAM ||
        !nj_http_address_text((const struct sockaddr *)&easy->address, wanted, &wanted_port) ||
        !nj_http_address_text(&to->addr, asked, &asked_port) || wanted_port != asked_port ||
        strcmp(wanted, asked) != 0)
        return CURL_SOCKET_BAD;
    return socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, to->protocol);
}

/* Redirects are followed below what tells of headers. */
static bool fit_together(const struct nj_http_options *options)
{
    if (options->follow_redirects && (options->on_header != NULL || options->address != NULL))
        return false;
    return options->on_connected == NULL || options->on_data != NULL;
}

int nj_http_easy_init(struct nj_http_easy *easy, CURL *spare, const struct nj_http_options *options,
                      struct nj_err *err)
{
    *easy = (struct nj_http_easy){.curl = spare};
    const char *method = options->method;
    if (method == NULL)
        method = options->file_field == NULL ? "GET" : "POST";
    struct url url;
    int rc = url_parse(&url, options->url, err);
    if (rc == 0 && !method_valid(method))
        rc = nj_err_set(err, -EINVAL, "not a method of HTTP");
    if (rc == 0 && !fit_together(options))
        rc = nj_err_set(err, -EINVAL, "options that do not fit together");
    if (rc == 0) {
        easy->is_tls = nj_streq(url.scheme, "https");
        easy->wants_http2 = !easy->is_tls && options->protocol == NJ_HTTP_PROTOCOL_2;
        easy->max_header_bytes = options->max_header_bytes;
        easy->what =
            nj_asprintf("%s %s://%s%s%s", method, url.scheme, url.host, url.explicit_port == NULL ? "" : ":",
                        url.explicit_port == NULL ? "" : url.explicit_port);
        easy->follows_redirects = options->follow_redirects && !carries_credentials(options, &url);
        if (easy->curl == NULL)
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

CURL *nj_http_easy_release(struct nj_http_easy *easy)
{
    CURL *curl = easy->curl;
    easy->curl = NULL;
    if (curl != NULL)
        curl_easy_reset(curl);
    nj_http_easy_done(easy);
    return curl;
}

void nj_http_easy_done(struct nj_http_easy *easy)
{
    curl_easy_cleanup(easy->curl);
    nj_http_handshake_done(&easy->handshake);
    curl_mime_free(easy->mime);
    curl_slist_free_all(easy->headers);
    curl_slist_free_all(easy->connect_to);
    free(easy->what);
    *easy = (struct nj_http_easy){0};
}
