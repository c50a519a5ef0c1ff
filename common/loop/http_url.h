/*
 * The parts of a URL, and where a redirect leads (RFC 3986, 5). Pure; any thread.
 */
#ifndef NJ_LOOP_HTTP_URL_H
#define NJ_LOOP_HTTP_URL_H

#include <stdint.h>

#include "common/base/err.h"

enum { NJ_HTTP_URL_MAX = 8 * 1024 };

struct nj_http_url {
    char *scheme, *host; /* host: without the brackets of IPv6; lower case, a name in ASCII */
    char *path;          /* with its query, without fragment; at least "/" */
    uint16_t port;       /* the scheme's own when none is written */
};

/* `reference` may be relative when `base` is not NULL. Only http and https. 0; -EINVAL, also for a URL with a
 * user; -ENOMEM. */
int nj_http_url_parse(const char *base, const char *reference, struct nj_http_url *ret_url,
                      struct nj_err *err);
void nj_http_url_done(struct nj_http_url *url);

#endif
