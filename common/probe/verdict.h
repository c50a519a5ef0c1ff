/*
 * The words of a verdict. Private to judge.c and extract.c.
 */
#ifndef NJ_PROBE_VERDICT_H
#define NJ_PROBE_VERDICT_H

#include "common/probe/judge.h"

/* Sets cause and `expected`, unless there is a verdict already. */
void nj_verdict_set(struct nj_verdict *verdict, enum nj_cause cause, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void nj_verdict_got(struct nj_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "text" in quotes, its beginning when it is long; `empty` when there is none. */
void nj_verdict_got_text(struct nj_verdict *verdict, const char *text, size_t len, const char *empty);

#endif
