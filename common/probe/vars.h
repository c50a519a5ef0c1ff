/*
 * The variables of one run, and their substitution into texts. A value is data: what it may not hold where it
 * stands is encoded or refused, never passed on. Private to common/probe; loop thread.
 */
#ifndef NJ_PROBE_VARS_H
#define NJ_PROBE_VARS_H

#include "common/probe/prober.h"

struct nj_vars;

enum nj_place {
    NJ_PLACE_PATH,   /* percent-encoded, but for unreserved characters (RFC 3986, 2.3) */
    NJ_PLACE_HEADER, /* no control character but tab */
    NJ_PLACE_BODY,   /* inside a JSON body (its template is JSON once variables are taken for text): escaped;
                        else as it is */
    NJ_PLACE_TEXT,   /* as it is: what is sent over TCP, a value to compare with */
};

/* Takes the spec's variables; those from Secrets out of `secrets`. A Secret's that is missing is known as
 * such, and using it fails. The spec is borrowed until nj_vars_free(). */
struct nj_vars *nj_vars_new(const struct nj_spec *spec, const struct nj_probe_value *secrets, size_t count);
void nj_vars_free(struct nj_vars *vars); /* wipes; takes NULL */

/* At most NJ_VARS_VALUE_MAX bytes: -EMSGSIZE. */
enum { NJ_VARS_VALUE_MAX = 16 << 10, NJ_VARS_TEXT_MAX = 256 << 10 };
int nj_vars_set(struct nj_vars *vars, const char *name, const char *value, size_t len);

/* Appends `text` with every ${name} replaced; "$${" stands for "${". -ENOENT: no value; -EILSEQ: it may not
 * stand here; -EMSGSIZE. */
int nj_vars_expand(const struct nj_vars *vars, enum nj_place place, const char *text, struct nj_buf *out,
                   struct nj_err *err);

/* Appends text with the values of Secrets (of at least 4 bytes, also percent-encoded or JSON-escaped) and
 * what the redactor (may be NULL) knows hidden. Invalid UTF-8 is made readable. */
void nj_vars_hide(const struct nj_vars *vars, const struct nj_redactor *redactor, const char *text,
                  size_t len, struct nj_buf *out);

#endif
