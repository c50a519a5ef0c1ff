/*
 * The cookies of one run: what a login sets, later steps send (RFC 6265, for what a check needs of it: each
 * goes back to the very host that set it, below its path, until it expires, and a secure one over TLS only).
 * Private to common/probe; loop thread.
 */
#ifndef NJ_PROBE_COOKIES_H
#define NJ_PROBE_COOKIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* More, or longer ones with their names, are not kept. */
enum { NJ_COOKIES_MAX = 50, NJ_COOKIE_BYTES_MAX = 4096 };

struct nj_cookies;

struct nj_cookies *nj_cookies_new(void);
void nj_cookies_free(struct nj_cookies *cookies); /* wipes; takes NULL */

/* The value of a Set-Cookie header that answered a request for `path` of `host`. */
void nj_cookies_take(struct nj_cookies *cookies, const char *host, const char *path, const char *set_cookie,
                     int64_t now_ns);

/* Appends "a=b; c=d": what goes with a request; nothing when there is none. */
void nj_cookies_write(const struct nj_cookies *cookies, const char *host, const char *path, bool secure,
                      int64_t now_ns, struct nj_buf *out);

#endif
