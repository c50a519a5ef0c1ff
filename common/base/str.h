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

/* "250ms", "30s", "5m", "2h", "7d", sums with the largest unit first such as "1h30m"; whole numbers, not
 * negative; also us and ns; a bare "0" is allowed. Result in ns. 0, -EINVAL, -ERANGE (past an int64_t). */
int nj_parse_duration(const char *text, int64_t *ret_ns);

/* Sizes in bytes: "4096", "256KiB", "64MiB", "2GiB", "1TiB"; k8s spellings Ki, Mi, Gi, Ti, k, M, G, T too. 0,
 * -EINVAL, -ERANGE (past an int64_t). */
int nj_parse_size(const char *text, int64_t *ret_bytes);

enum { NJ_UNIT_TEXT_MAX = 48 };

/* The shortest spelling that nj_parse_duration() and nj_parse_size() read back as the same value: "1h30m",
 * "0s", "256KiB", "1000". Negative ones, which those refuse, get a '-'. Return `text`. */
const char *nj_duration_format(int64_t ns, char text[NJ_UNIT_TEXT_MAX]);
const char *nj_size_format(int64_t bytes, char text[NJ_UNIT_TEXT_MAX]);

/* The largest length <= max at which `text` may be cut without splitting a UTF-8 character; len when it fits.
 */
size_t nj_utf8_cut(const char *text, size_t len, size_t max);

/* Appends `text` as valid UTF-8: what is no valid sequence becomes U+FFFD, one for each longest start of a
 * valid sequence or else each byte, as WHATWG's decoder does
 * (https://encoding.spec.whatwg.org/#utf-8-decoder). The appends of this and of the JSON string return 0,
 * -EOVERFLOW or -ENOMEM; what fitted before an overflow stays. */
int nj_utf8_append_lossy(struct nj_buf *out, const char *text, size_t len);
bool nj_utf8_valid(const char *text, size_t len);

/* Appends a JSON string with its quotes; invalid UTF-8 is replaced; control characters, also DEL and U+0080
 * to U+009F, are escaped. */
int nj_json_append_string(struct nj_buf *out, const char *text, size_t len);

/* Appends `text` with all but RFC 3986's unreserved characters (2.3) percent-encoded: data in a path's
 * segment or a query. 0, -EOVERFLOW or -ENOMEM. */
int nj_url_append(struct nj_buf *out, const char *text, size_t len);

/* Case-sensitive glob over the whole text with '*' (any run) and '?' (one UTF-8 character); at most
 * length(pattern) x length(text) steps, whatever the pattern. */
bool nj_glob_match(const char *pattern, const char *text);

/* 64-bit FNV-1a; for tables and change detection, not against an adversary. */
uint64_t nj_hash64(const void *data, size_t len);

#endif
