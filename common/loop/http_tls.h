/*
 * What happens in a TLS handshake of libcurl's: when it began, and which certificate the server showed, also
 * one that was refused, of which libcurl itself tells nothing. Through OpenSSL, which Debian's libcurl uses.
 * Private to common/loop/http*.c. Loop thread only.
 */
#ifndef NJ_LOOP_HTTP_TLS_H
#define NJ_LOOP_HTTP_TLS_H

#include <curl/curl.h>
#include <stdint.h>

#include "common/loop/http.h"

struct nj_http_handshake {
    uint64_t began_ns; /* uv_hrtime(); 0: not yet */
    void *leaf;        /* OpenSSL's X509 */
};

/* Must not move until nj_http_handshake_done(). */
CURLcode nj_http_handshake_watch(struct nj_http_handshake *handshake, CURL *curl);
void nj_http_handshake_done(struct nj_http_handshake *handshake);

struct nj_http_shown {
    struct nj_http_certificate certificate;
    char *subject, *issuer, *names; /* its texts, in valid UTF-8 */
};

/* False when the server showed none. */
bool nj_http_handshake_certificate(const struct nj_http_handshake *handshake,
                                   struct nj_http_shown *ret_shown);
void nj_http_shown_done(struct nj_http_shown *shown);

#endif
