/*
 * Debian's nginx as a peer, with its own configuration in a temporary folder, and certificates made for this
 * run: HTTP/1.1, HTTP/2 with prior knowledge, and TLS with a good, an expired, a self-signed and a wrongly
 * named certificate.
 */
#ifndef NJ_TESTS_UNIT_PROBE_NGINX_H
#define NJ_TESTS_UNIT_PROBE_NGINX_H

#include <sys/types.h>

enum nginx_server {
    NGINX_HTTP,
    NGINX_HTTP2,
    NGINX_TLS,        /* for web.test and 127.0.0.1; HTTP/2 and HTTP/1.1 */
    NGINX_TLS1,       /* the same, HTTP/1.1 only */
    NGINX_EXPIRED,    /* for web.test, since a day */
    NGINX_OTHER_NAME, /* for other.test */
    NGINX_SELF_SIGNED,
    NGINX_SERVERS
};

enum { NGINX_PEM_MAX = 4096 };

struct nginx {
    char folder[64];
    pid_t pid;
    int ports[NGINX_SERVERS];
    char ca[NGINX_PEM_MAX], self_signed[NGINX_PEM_MAX];
};

void nginx_start(struct nginx *nginx);
void nginx_stop(struct nginx *nginx); /* and removes the folder */

#endif
