/*
 * Text helpers. All are pure; any thread.
 */
#ifndef NJ_BASE_STR_H
#define NJ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* "" for NULL. */
static inline const char *nj_str(const char *text)
{
    return text == NULL ? "" : text;
}

/* NULL counts as "". */
bool nj_streq(const char *a, const char *b);
bool nj_str_starts(const char *text, const char *prefix);
bool nj_str_ends(const char *text, const char *suffix);

/* A whole decimal number within [min, max]: 0, -EINVAL (not a number) or -ERANGE. */
int nj_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* "250ms", "30s", "5m", "2h", "7d", sums such as "1h30m"; a bare "0" is allowed. Result in ns. 0, -EINVAL, -ERANGE. */
int nj_parse_duration(const char *text, int64_t *ret_ns);

/* Sizes in bytes: "4096", "256KiB", "64MiB", "2GiB"; k8s spellings Ki, Mi, Gi, k, M, G too. 0, -EINVAL, -ERANGE. */
int nj_parse_size(const char *text, int64_t *ret_bytes);

/* The largest length <= max at which `text` may be cut without splitting a UTF-8 character. */
size_t nj_utf8_cut(const char *text, size_t len, size_t max);

/* Appends `text` as valid UTF-8: each byte that is part of no valid sequence becomes U+FFFD, as WHATWG's decoder does. */
int nj_utf8_append_lossy(struct nj_buf *out, const char *text, size_t len);
bool nj_utf8_valid(const char *text, size_t len);

/* Appends a JSON string with its quotes; invalid UTF-8 is replaced. */
int nj_json_append_string(struct nj_buf *out, const char *text, size_t len);

/* Case-sensitive glob with '*' (any run) and '?' (one character); linear time. */
bool nj_glob_match(const char *pattern, const char *text);

/* 64-bit FNV-1a; for tables and change detection, not against an adversary. */
uint64_t nj_hash64(const void *data, size_t len);

#endif
