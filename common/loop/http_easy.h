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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/loop/http.h"

struct nj_http_easy {
    CURL *curl;
    struct curl_slist *headers, *connect_to;
    curl_mime *mime;
    char *what; /* "GET https://host:port" */
    bool follows_redirects;
    char error[CURL_ERROR_SIZE];
};

/* Checks the options and sets everything but the callbacks. 0, -EINVAL, -ENOMEM; *easy is then empty. The
 * struct must not move until nj_http_easy_done(). */
int nj_http_easy_init(struct nj_http_easy *easy, const struct nj_http_options *options, struct nj_err *err);
void nj_http_easy_done(struct nj_http_easy *easy);

/* What the exchange waits for (code CURLE_OK) or broke at: "connect", ... */
const char *nj_http_easy_phase(const struct nj_http_easy *easy, CURLcode code);

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
    bool has_location;
    long status;
    int64_t retry_after_ns; /* -1: none */
};

/* Takes one header line as libcurl gives it. 1 when it ends the final response's headers, else 0; -EMSGSIZE
 * when they are too many. */
int nj_http_head_line(struct nj_http_head *head, const struct nj_http_easy *easy, const char *line,
                      size_t len);

/* The value of a Retry-After header (RFC 9110, 10.2.3): seconds or a date. ns from now_s, within [0, 1 d];
 * -1: none. */
int64_t nj_http_retry_after_ns(const char *value, size_t len, int64_t now_s);

#endif
