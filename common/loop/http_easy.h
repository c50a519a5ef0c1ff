/*
 * One HTTP exchange as a libcurl easy handle: the options of a request checked and set, response headers
 * read, and libcurl's results put into words. Private to common/loop/http.c, which runs the handles. Loop
 * thread only.
 *
 * Texts name method, scheme, host and port. Never the path or the query, which may hold keys, nor any header.
 */
#ifndef NJ_LOOP_HTTP_EASY_H
#define NJ_LOOP_HTTP_EASY_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/err.h"
#include "common/loop/http.h"
#include "common/loop/http_tls.h"

struct nj_http_easy {
    CURL *curl;
    struct curl_slist *headers, *connect_to;
    curl_mime *mime;
    char *what; /* "GET https://host:port" */
    bool is_tls, follows_redirects;
    bool wants_http2;                /* with prior knowledge */
    struct sockaddr_storage address; /* family 0: none was given */
    size_t max_header_bytes;
    struct nj_http_handshake handshake;
    char error[CURL_ERROR_SIZE];
};

/* Checks the options and sets everything but the callbacks. 0, -EINVAL, -ENOMEM; *easy is then empty. Takes
 * `spare` (may be NULL), a handle that nj_http_easy_release() gave, even on failure. The struct must not move
 * until nj_http_easy_done(). */
int nj_http_easy_init(struct nj_http_easy *easy, CURL *spare, const struct nj_http_options *options,
                      struct nj_err *err);
void nj_http_easy_done(struct nj_http_easy *easy);
/* The same, but keeps libcurl's handle, which is costly to make, as good as new. */
CURL *nj_http_easy_release(struct nj_http_easy *easy);

/* False for other families than IPv4 and IPv6. */
bool nj_http_address_text(const struct sockaddr *address, char text[INET6_ADDRSTRLEN], uint16_t *ret_port);
curl_socket_t nj_http_easy_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *to);

/* What the exchange waits for (code CURLE_OK) or broke at. */
enum nj_http_phase nj_http_easy_phase(const struct nj_http_easy *easy, CURLcode code);
const char *nj_http_phase_name(enum nj_http_phase phase); /* "connect", ... */

/* How long each phase took of an exchange between two uv_hrtime() that ended in phase `last`; what did not
 * come to be is left as it is. */
void nj_http_easy_times(const struct nj_http_easy *easy, uint64_t began_ns, uint64_t ended_ns,
                        enum nj_http_phase last, int64_t ret_phase_ns[NJ_HTTP_PHASES]);

const char *nj_http_easy_version(const struct nj_http_easy *easy); /* "1.1", "2"; "": no response */

/* Whether a byte of the request may have left. */
bool nj_http_easy_maybe_sent(const struct nj_http_easy *easy);

/* A negative errno for what libcurl says, 0 for CURLE_OK, with the text. -ETIMEDOUT, -ECONNREFUSED and what
 * else the system said; -EHOSTUNREACH: the name is not known; -ECONNRESET: the connection ended early;
 * -EKEYREJECTED: the server's certificate is not trusted; -EPROTO: no HTTP, or a TLS handshake that failed;
 * -ELOOP: too many redirects. */
int nj_http_easy_error(const struct nj_http_easy *easy, CURLcode code, struct nj_err *err);

/* What matters of the headers of one response. */
struct nj_http_head {
    size_t bytes;
    bool complete; /* the final response's headers have ended: what follows are trailers */
    bool has_location, is_interim;
    long status;
    int64_t retry_after_ns; /* -1: none */
};

/* Takes one header line as libcurl gives it. 1 when it ends the final response's headers, else 0; -EMSGSIZE
 * when they are too many. */
int nj_http_head_line(struct nj_http_head *head, const struct nj_http_easy *easy, const char *line,
                      size_t len);

struct nj_http_header {
    const char *name, *value;
    size_t name_len, value_len;
};

/* After nj_http_head_line(): the header in the line. False when it holds none, or one of a 1xx response. */
bool nj_http_head_split(const struct nj_http_head *head, const char *line, size_t len,
                        struct nj_http_header *ret_header);

/* The value of a Retry-After header (RFC 9110, 10.2.3): seconds or a date. ns from now_s, within [0, 1 d];
 * -1: none. */
int64_t nj_http_retry_after_ns(const char *value, size_t len, int64_t now_s);

#endif
