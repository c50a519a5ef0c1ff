/*
 * What a text is compared with: a regular expression (PCRE2, UTF), or a text that must stand in it or be all
 * of it.
 *
 * A text need not be valid UTF-8: what is not matches nothing. Patterns are written by whoever owns a
 * namespace and run on the loop: a match is bounded in steps at one place and in memory, and all matches of a
 * step's answer together in processor time. Immutable. Private to common/probe; loop thread.
 */
#ifndef NJ_PROBE_PATTERN_H
#define NJ_PROBE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum nj_pattern_kind {
    NJ_PATTERN_REGEX,
    NJ_PATTERN_CONTAINS, /* the text stands somewhere in it */
    NJ_PATTERN_EQUALS,   /* it is the text */
};

struct nj_pattern;

/* -EINVAL names what is wrong with a regular expression, and where. `text` is copied. */
int nj_pattern_new(enum nj_pattern_kind kind, const char *text, struct nj_pattern **ret_pattern,
                   struct nj_err *err);
void nj_pattern_free(struct nj_pattern *pattern); /* takes NULL */

enum nj_pattern_kind nj_pattern_kind(const struct nj_pattern *pattern);
const char *nj_pattern_text(const struct nj_pattern *pattern);

struct nj_pattern_span {
    size_t from, to; /* of group 1; of the whole match where the pattern has no group or it took no part */
};

/* The processor time that matches have taken; zero at first. */
struct nj_pattern_budget {
    int64_t spent_ns;
};

/* 1 when it matches, 0 when not, -EAGAIN when the pattern gave up on this text or the budget is spent.
 * ret_span may be NULL. */
int nj_pattern_match(const struct nj_pattern *pattern, const char *text, size_t len,
                     struct nj_pattern_budget *budget, struct nj_pattern_span *ret_span);

#endif
