#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <uv.h>

#include "common/loop/http_easy.h"

enum { US = 1000 /* ns */ };

/* When libcurl says that something had happened, from the exchange's start; 0: it has not. */
static int64_t time_of(const struct nj_http_easy *easy, CURLINFO info)
{
    curl_off_t after_us = 0;
    return curl_easy_getinfo(easy->curl, info, &after_us) == CURLE_OK ? (int64_t)after_us * US : 0;
}

static bool happened(const struct nj_http_easy *easy, CURLINFO info)
{
    return time_of(easy, info) > 0;
}

/* libcurl notes the time of the TCP connection only when TLS stands too, and neither on a kept connection. */
static enum nj_http_phase phase_by_times(const struct nj_http_easy *easy)
{
    if (happened(easy, CURLINFO_STARTTRANSFER_TIME_T))
        return NJ_HTTP_PHASE_TRANSFER;
    if (happened(easy, CURLINFO_PRETRANSFER_TIME_T))
        return NJ_HTTP_PHASE_ANSWER;
    if (!happened(easy, CURLINFO_NAMELOOKUP_TIME_T))
        return easy->address.ss_family == 0 ? NJ_HTTP_PHASE_LOOKUP : NJ_HTTP_PHASE_CONNECT;
    if (!happened(easy, easy->is_tls ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T))
        return easy->handshake.began_ns != 0 ? NJ_HTTP_PHASE_TLS : NJ_HTTP_PHASE_CONNECT;
    return NJ_HTTP_PHASE_ANSWER;
}

enum nj_http_phase nj_http_easy_phase(const struct nj_http_easy *easy, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return NJ_HTTP_PHASE_LOOKUP;
    case CURLE_COULDNT_CONNECT:
        return NJ_HTTP_PHASE_CONNECT;
    case CURLE_GOT_NOTHING:
        return NJ_HTTP_PHASE_ANSWER;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return NJ_HTTP_PHASE_TLS;
    default:
        return phase_by_times(easy);
    }
}

const char *nj_http_phase_name(enum nj_http_phase phase)
{
    static const char *const names[NJ_HTTP_PHASES] = {
        [NJ_HTTP_PHASE_WAIT] = "wait for a free connection",
        [NJ_HTTP_PHASE_LOOKUP] = "name lookup",
        [NJ_HTTP_PHASE_CONNECT] = "connect",
        [NJ_HTTP_PHASE_TLS] = "TLS handshake",
        [NJ_HTTP_PHASE_ANSWER] = "request",
        [NJ_HTTP_PHASE_TRANSFER] = "response",
    };
    return names[phase];
}

void nj_http_easy_times(const struct nj_http_easy *easy, uint64_t began_ns, uint64_t ended_ns,
                        enum nj_http_phase last, int64_t ret_phase_ns[NJ_HTTP_PHASES])
{
    int64_t total_ns = (int64_t)(ended_ns - began_ns);
    int64_t until_ns[NJ_HTTP_PHASES] = {
        [NJ_HTTP_PHASE_LOOKUP] = easy->address.ss_family == 0 ? time_of(easy, CURLINFO_NAMELOOKUP_TIME_T) : 0,
        [NJ_HTTP_PHASE_CONNECT] = time_of(easy, CURLINFO_CONNECT_TIME_T),
        [NJ_HTTP_PHASE_TLS] = time_of(easy, CURLINFO_APPCONNECT_TIME_T),
        [NJ_HTTP_PHASE_ANSWER] = time_of(easy, CURLINFO_STARTTRANSFER_TIME_T),
        [NJ_HTTP_PHASE_TRANSFER] = last == NJ_HTTP_PHASE_TRANSFER ? total_ns : 0,
    };
    if (easy->is_tls && easy->handshake.began_ns > began_ns)
        until_ns[NJ_HTTP_PHASE_CONNECT] = (int64_t)(easy->handshake.began_ns - began_ns);
    until_ns[last] = total_ns;
    int64_t before_ns = 0;
    for (int phase = NJ_HTTP_PHASE_LOOKUP; phase <= (int)last; phase++) {
        if (until_ns[phase] <= 0)
            continue;
        if (until_ns[phase] < before_ns)
            until_ns[phase] = before_ns;
        ret_phase_ns[phase] = until_ns[phase] - before_ns;
        before_ns = until_ns[phase];
    }
}

const char *nj_http_easy_version(const struct nj_http_easy *easy)
{
    long version = 0;
    (void)curl_easy_getinfo(easy->curl, CURLINFO_HTTP_VERSION, &version);
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_1_1:
        return "1.1";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    default:
        return "";
    }
}

bool nj_http_easy_maybe_sent(const struct nj_http_easy *easy)
{
    return happened(easy, CURLINFO_PRETRANSFER_TIME_T);
}

/* In the middle of a TLS handshake; OpenSSL's words are all that libcurl passes on. */
static bool peer_left(const struct nj_http_easy *easy, long os_errno)
{
    return os_errno == ECONNRESET || os_errno == EPIPE || strstr(easy->error, "SSL_ERROR_SYSCALL") != NULL ||
           strstr(easy->error, "unexpected eof") != NULL;
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
        return os_errno > 0 ? -(int)os_errno : -ECONNRESET;
    case CURLE_RECV_ERROR:
        if (os_errno > 0)
            return -(int)os_errno;
        return strstr(easy->error, "chunked") != NULL ? -EPROTO : -ECONNRESET;
    case CURLE_GOT_NOTHING: /* also when what came was no HTTP/2 */
        return easy->wants_http2 ? -EPROTO : -ECONNRESET;
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return -EKEYREJECTED;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_OUT_OF_MEMORY:
        /* What libcurl says of a header line without end. */
        return happened(easy, CURLINFO_STARTTRANSFER_TIME_T) ? -EMSGSIZE : -ENOMEM;
    case CURLE_SSL_CONNECT_ERROR:
        return peer_left(easy, os_errno) ? -ECONNRESET : -EPROTO;
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
    return nj_err_set(err, rc, "%s: %s: %s", easy->what, nj_http_phase_name(nj_http_easy_phase(easy, code)),
                      system_said ? uv_strerror_r(rc, words, sizeof(words)) : detail_of(easy, code));
}
