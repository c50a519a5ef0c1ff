/*
 * Hiding secrets in logs and messages before they leave the node.
 *
 * Patterns are PCRE2, matched in UTF mode on text that is valid UTF-8, with a match limit, so that no log
 * line can make one run away: a text on which a pattern gives up is hidden line by line as a whole, never let
 * through. A match, or its group `secret` when the pattern has one, becomes "[REDACTED]". A private key block
 * is hidden across its lines, also when its end was cut off. Read-only after nj_redactor_new(): any thread,
 * one nj_redact() at a time each.
 */
#ifndef NJ_BASE_REDACT_H
#define NJ_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct nj_redactor;

/* `defaults`: bearer and basic tokens, JSON web tokens, passwords in URLs and assignments (password=,
 * "secret": ...), private key blocks, keys of AWS, GCP, Azure, Aliyun, Tencent, GitHub, GitLab, Slack, WeCom
 * robots. -EINVAL names the pattern that does not compile and where. */
int nj_redactor_new(bool defaults, char *const *patterns, size_t count, struct nj_redactor **ret_redactor,
                    struct nj_err *err);
void nj_redactor_free(struct nj_redactor *redactor);

/* Appends `text` (valid UTF-8) with its secrets hidden; returns how many were, or a negative errno. */
int64_t nj_redact(const struct nj_redactor *redactor, const char *text, size_t len, struct nj_buf *out);

#endif
