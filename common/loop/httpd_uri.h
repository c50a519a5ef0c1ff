/*
 * The target of an HTTP request (RFC 9112, 3.2) taken apart: path and query parameters, percent-decoded.
 * Pure; any thread.
 */
#ifndef NJ_LOOP_HTTPD_URI_H
#define NJ_LOOP_HTTPD_URI_H

#include <stddef.h>

enum { NJ_URI_PARAMS_MAX = 64 };

struct nj_uri_param {
    const char *name, *value; /* value: "" when there is none */
};

struct nj_uri {
    char *path; /* starts with '/' */
    struct nj_uri_param params[NJ_URI_PARAMS_MAX];
    size_t params_count;
    char *memory;
};

/* 0, or -EINVAL: malformed percent-encoding, a NUL, no UTF-8, too many parameters, no path; *ret_why
 * (borrowed for ever) says which, and *ret_uri is empty. In the query '+' is a space. */
int nj_uri_parse(const char *target, struct nj_uri *ret_uri, const char **ret_why);
void nj_uri_done(struct nj_uri *uri);

/* The first of that name; NULL: none. */
const char *nj_uri_param(const struct nj_uri *uri, const char *name);

#endif
