#include "common/base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

bool nj_streq(const char *a, const char *b)
{
    return strcmp(nj_str(a), nj_str(b)) == 0;
}

bool nj_str_starts(const char *text, const char *prefix)
{
    return strncmp(nj_str(text), nj_str(prefix), strlen(nj_str(prefix))) == 0;
}

bool nj_str_ends(const char *text, const char *suffix)
{
    size_t len = strlen(nj_str(text));
    size_t suffix_len = strlen(nj_str(suffix));
    return len >= suffix_len && strcmp(nj_str(text) + len - suffix_len, nj_str(suffix)) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits from *text and moves it behind them. 0, -EINVAL (no digit), -ERANGE (more than an int64_t). */
static int parse_digits(const char **text, int64_t *ret_value)
{
    const char *at = *text;
    if (!is_digit(*at))
        return -EINVAL;
    int64_t value = 0;
    bool overflow = false;
    for (; is_digit(*at); at++) {
        overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, *at - '0', &value);
    }
    *text = at;
    if (overflow)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int nj_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    const char *at = nj_str(text);
    bool negative = *at == '-';
    if (negative)
        at++;
    if (!is_digit(*at))
        return -EINVAL;
    int64_t value = 0;
    bool overflow = false;
    for (; is_digit(*at); at++) {
        int digit = negative ? '0' - *at : *at - '0';
        overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, digit, &value);
    }
    if (*at != '\0')
        return -EINVAL;
    if (overflow || value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first; no name is looked up by prefix, so "m" and "ms" do not meet. */
static const struct unit duration_units[] = {
    {"d", INT64_C(86400000000000)},
    {"h", INT64_C(3600000000000)},
    {"m", INT64_C(60000000000)},
    {"s", 1000000000},
    {"ms", 1000000},
    {"us", 1000},
    {"ns", 1},
};

static const struct unit size_units[] = {
    {"", 1},           {"B", 1},
    {"KiB", 1 << 10},  {"MiB", 1 << 20},
    {"GiB", 1 << 30},  {"TiB", INT64_C(1) << 40},
    {"Ki", 1 << 10},   {"Mi", 1 << 20},
    {"Gi", 1 << 30},   {"Ti", INT64_C(1) << 40},
    {"k", 1000},       {"M", 1000000},
    {"G", 1000000000}, {"T", INT64_C(1000000000000)},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The unit named by the letters at *text, which is moved behind them; NULL when there is none of that name.
 */
static const struct unit *take_unit(const char **text, const struct unit *units, size_t count)
{
    const char *start = *text;
    while ((**text >= 'a' && **text <= 'z') || (**text >= 'A' && **text <= 'Z'))
        (*text)++;
    size_t len = (size_t)(*text - start);
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, start, len) == 0)
            return &units[i];
    }
    return NULL;
}

int nj_parse_duration(const char *text, int64_t *ret_ns)
{
    const char *at = nj_str(text);
    if (strcmp(at, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    int64_t total = 0;
    bool overflow = false;
    const struct unit *last = NULL;
    do {
        int64_t value = 0;
        int rc = parse_digits(&at, &value);
        if (rc == -EINVAL)
            return rc;
        overflow = overflow || rc < 0;
        const struct unit *unit = take_unit(&at, duration_units, COUNT_OF(duration_units));
        if (unit == NULL || (last != NULL && unit <= last))
            return -EINVAL;
        last = unit;
        overflow = overflow || __builtin_mul_overflow(value, unit->factor, &value) ||
                   __builtin_add_overflow(total, value, &total);
    } while (*at != '\0');
    if (overflow)
        return -ERANGE;
    *ret_ns = total;
    return 0;
}

int nj_parse_size(const char *text, int64_t *ret_bytes)
{
    const char *at = nj_str(text);
    int64_t value = 0;
    int rc = parse_digits(&at, &value);
    if (rc == -EINVAL)
        return rc;
    const struct unit *unit = take_unit(&at, size_units, COUNT_OF(size_units));
    if (unit == NULL || *at != '\0')
        return -EINVAL;
    if (rc < 0 || __builtin_mul_overflow(value, unit->factor, &value))
        return -ERANGE;
    *ret_bytes = value;
    return 0;
}

const char *nj_duration_format(int64_t ns, char text[NJ_UNIT_TEXT_MAX])
{
    uint64_t rest = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (rest == 0)
        return memcpy(text, "0s", sizeof("0s"));
    size_t len = 0;
    if (ns < 0)
        text[len++] = '-';
    for (size_t i = 0; i < COUNT_OF(duration_units) && rest > 0; i++) {
        uint64_t factor = (uint64_t)duration_units[i].factor;
        if (rest < factor)
            continue;
        len += (size_t)snprintf(text + len, NJ_UNIT_TEXT_MAX - len, "%" PRIu64 "%s", rest / factor,
                                duration_units[i].name);
        rest %= factor;
    }
    return text;
}

const char *nj_size_format(int64_t bytes, char text[NJ_UNIT_TEXT_MAX])
{
    static const char *const names[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < COUNT_OF(names)) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(text, NJ_UNIT_TEXT_MAX, "%" PRId64 "%s", bytes, names[unit]);
    return text;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Looks at the character that starts at text[0] (len > 0). Returns its length, or 0 when it is not valid;
 * then *ret_skip is the length of the longest start of a valid sequence (at least 1), which counts as one
 * error. The ranges are those of The Unicode Standard, table 3-7. */
static size_t utf8_char(const unsigned char *text, size_t len, size_t *ret_skip)
{
    unsigned char first = text[0];
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t length;
    *ret_skip = 1;
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        length = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        length = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        length = 4;
    else
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F; /* no surrogates */
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F; /* nothing above U+10FFFF */
    for (size_t i = 1; i < length; i++) {
        if (i >= len || text[i] < low || text[i] > high) {
            *ret_skip = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

/* How many ASCII characters the text begins with, in whole words: most of what is ever checked is ASCII. */
static size_t ascii_words(const unsigned char *text, size_t len)
{
    size_t at = 0;
    uint64_t word;
    for (; len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return at;
}

size_t nj_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    const unsigned char *bytes = (const unsigned char *)text;
    size_t start = max;
    while (start > 0 && max - start < 3 && is_continuation(bytes[start]))
        start--;
    size_t skip;
    size_t length = utf8_char(bytes + start, len - start, &skip);
    return start + length > max ? start : max;
}

int nj_utf8_append_lossy(struct nj_buf *out, const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t run = 0; /* where what is valid and not yet appended starts */
    size_t at = 0;
    int rc = 0;
    while (at < len && rc == 0) {
        size_t skip;
        at += ascii_words(bytes + at, len - at);
        if (at == len)
            break;
        size_t length = utf8_char(bytes + at, len - at, &skip);
        if (length > 0) {
            at += length;
            continue;
        }
        rc = nj_buf_append(out, text + run, at - run);
        if (rc == 0)
            rc = nj_buf_append_str(out, REPLACEMENT);
        at += skip;
        run = at;
    }
    return rc < 0 ? rc : nj_buf_append(out, text + run, len - run);
}

bool nj_utf8_valid(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t skip;
    for (size_t at = ascii_words(bytes, len); at < len;) {
        size_t length = utf8_char(bytes + at, len - at, &skip);
        if (length == 0)
            return false;
        at += length;
        at += ascii_words(bytes + at, len - at);
    }
    return true;
}

/* How the character at text[0] stands in a JSON string when not as itself; NULL when as itself. Controls are
 * escaped beyond what JSON asks (DEL and U+0080 to U+009F), because logs are read in terminals. */
static const char *json_escape(const unsigned char *text, size_t length, char space[8])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char code = length == 2 ? text[1] : text[0]; /* U+0080 to U+00BF are C2 and the code itself */
    if (length == 2 && (text[0] != 0xC2 || code > 0x9F))
        return NULL;
    if (length > 2 || (length == 1 && code >= 0x20 && code != '"' && code != '\\' && code != 0x7F))
        return NULL;
    switch (code) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        memcpy(space, "\\u00", 4);
        space[4] = hex[code >> 4];
        space[5] = hex[code & 15];
        space[6] = '\0';
        return space;
    }
}

int nj_json_append_string(struct nj_buf *out, const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t run = 0;
    size_t at = 0;
    int rc = nj_buf_append_char(out, '"');
    while (at < len && rc == 0) {
        size_t skip;
        char space[8];
        size_t length = utf8_char(bytes + at, len - at, &skip);
        const char *instead = length == 0 ? REPLACEMENT : json_escape(bytes + at, length, space);
        if (instead != NULL) {
            rc = nj_buf_append(out, text + run, at - run);
            if (rc == 0)
                rc = nj_buf_append_str(out, instead);
            run = at + (length == 0 ? skip : length);
        }
        at += length == 0 ? skip : length;
    }
    if (rc == 0)
        rc = nj_buf_append(out, text + run, len - run);
    return rc < 0 ? rc : nj_buf_append_char(out, '"');
}

/* The bytes of the character at text[0] (not '\0'); a byte that is part of no character counts as one. */
static size_t char_length(const char *text)
{
    size_t skip;
    size_t length = utf8_char((const unsigned char *)text, strnlen(text, 4), &skip);
    return length == 0 ? 1 : length;
}

int nj_url_append(struct nj_buf *out, const char *text, size_t len)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < len; i++) {
        int rc = text[i] != '\0' && strchr(unreserved, text[i]) != NULL
                     ? nj_buf_append_char(out, text[i])
                     : nj_buf_printf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool nj_glob_match(const char *pattern, const char *text)
{
    const char *after_star = NULL; /* only the last star ever needs to be widened */
    const char *star_text = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            star_text = text;
        } else if (*pattern == '?') {
            pattern++;
            text += char_length(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (after_star != NULL) {
            star_text += char_length(star_text);
            pattern = after_star;
            text = star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

uint64_t nj_hash64(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}
