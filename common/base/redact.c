#include "common/base/redact.h"

#include <errno.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/alloc.h"

enum {
    REDACT_MATCH_LIMIT = 200000, /* steps of one match attempt before a pattern gives up */
    REDACT_HEAP_LIMIT_KIB = 2048,
};

static const char HIDDEN[] = "[REDACTED]";

/* What names a value as secret by itself, and what does so only in a strict assignment: "token: expected ';'"
 * and "secret: not found" are words of ordinary error messages, `token=...` and `"secret": "..."` are not. */
#define WORD_SURE                                                                                            \
    "(?:passw(?:or)?d|passphrase|passwd|api[_-]?key|secret[_-]?key|access[_-]?key|private[_-]?key|account[_" \
    "-]?key)"
#define WORD_MAYBE "(?:secret|token|credentials?|pwd)"
#define WORD_TAIL "[a-z0-9_.-]{0,32}"
#define VALUE                                                                                                \
    "(?|\\\\?\"(?<secret>(?:[^\"\\\\\n]|\\\\[^\"\n])++)|'(?<secret>[^'\n]++)|(?<secret>(?!\\[REDACTED)[^"    \
    "\\s\"',;&\\\\)}\\]]++))"

static const char *const default_patterns[] = {
    /* HTTP credentials */
    "(?i)\\bauthorization\\\\?[\"']?\\s{0,4}[:=]\\s{0,4}\\\\?[\"']?(?:(?:bearer|basic|token|digest|negotiate)"
    "\\s+)?"
    "(?<secret>[^\\s\"',;\\\\]{4,}+)",
    "(?i)\\bbearer\\s+(?<secret>(?=[a-z._~+/-]{0,256}[0-9])[a-z0-9._~+/-]{12,}=*)",
    "\\beyJ[A-Za-z0-9_-]{5,}+\\.[A-Za-z0-9_-]{5,}+\\.[A-Za-z0-9_-]*+",
    "(?i)\\b(?:set-)?cookie\\s{0,4}:\\s{0,4}(?<secret>[^\\r\\n\"]{4,}+)",
    /* a password in a URL */
    "[A-Za-z][A-Za-z0-9+.-]{0,32}://[^\\s/:@\"'<>]{0,256}:(?<secret>[^\\s\"'<>@]{1,256})@",
    /* assignments */
    "(?i)" WORD_SURE WORD_TAIL "\\\\?[\"']?\\s{0,4}(?:=>|:=|[:=])\\s{0,4}" VALUE,
    "(?i)" WORD_MAYBE WORD_TAIL "\\\\?[\"']?(?:\\s{0,4}(?:=>|:=|=)\\s{0,4}|:(?=\\\\?[\"'0-9]))" VALUE,
    "(?i)" WORD_MAYBE WORD_TAIL "\\\\?[\"']\\s{0,4}:\\s{0,4}" VALUE,
    "(?i)(?<![a-z0-9])--?[a-z0-9-]{0,32}(?:password|passphrase|token|secret|api-?key)[ "
    "=](?<secret>[^\\s\"']++)",
    /* keys that show by themselves: AWS, Aliyun, Tencent, Google, GitHub, GitLab, Slack, Stripe, npm, OpenAI
     */
    "\\b(?:(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|LTAI[A-Za-z0-9]{12,28}|AKID[A-Za-z0-9]{13,40}|AIza[0-9A-Za-z_-"
    "]{35}|"
    "ya29\\.[0-9A-Za-z_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|"
    "glpat-[A-Za-z0-9_-]{20,255}|xox[abeoprs]-[A-Za-z0-9-]{10,255}|[rs]k_live_[0-9a-zA-Z]{16,255}|"
    "npm_[A-Za-z0-9]{36}|sk-[A-Za-z0-9_-]{20,255})",
    /* keys in URLs: WeCom, DingTalk and Slack robots, Azure's shared access signatures */
    "(?i)/cgi-bin/webhook/[a-z_]{1,32}\\?key=(?<secret>[0-9a-z-]{8,64})",
    "(?i)[?&](?:sig|signature|access_token|x-amz-signature|x-amz-security-token|corpsecret)=(?<secret>[^"
    "\\s\"'&]{8,})",
    "(?i)hooks\\.slack\\.com/services/(?<secret>[a-z0-9/]{8,128})",
};

struct pattern {
    pcre2_code *code;
    uint32_t secret; /* number of the group to hide; 0: the whole match */
};

struct nj_redactor {
    struct pattern *patterns;
    size_t count;
    bool private_keys;
    pcre2_match_context *context;
};

static int compile(const char *text, struct pattern *ret_pattern, struct nj_err *err)
{
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (compiled == NULL) {
        char reason[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof(reason));
        return nj_err_set(err, -EINVAL, "pattern '%s' is wrong at character %zu: %s", text, (size_t)offset,
                          reason);
    }
    /* Compilation to machine code may be forbidden here; matching then interprets. */
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    int secret = pcre2_substring_number_from_name(compiled, (PCRE2_SPTR) "secret");
    *ret_pattern = (struct pattern){.code = compiled, .secret = secret > 0 ? (uint32_t)secret : 0};
    return 0;
}

int nj_redactor_new(bool defaults, char *const *patterns, size_t count, struct nj_redactor **ret_redactor,
                    struct nj_err *err)
{
    size_t builtin = defaults ? sizeof(default_patterns) / sizeof(default_patterns[0]) : 0;
    struct nj_redactor *redactor = NJ_NEW(struct nj_redactor);
    redactor->private_keys = defaults;
    redactor->patterns = nj_calloc(builtin + count, sizeof(*redactor->patterns));
    redactor->context = pcre2_match_context_create(NULL);
    if (redactor->context == NULL) {
        nj_redactor_free(redactor);
        return nj_err_set(err, -ENOMEM, "out of memory");
    }
    pcre2_set_match_limit(redactor->context, REDACT_MATCH_LIMIT);
    pcre2_set_heap_limit(redactor->context, REDACT_HEAP_LIMIT_KIB);
    for (size_t i = 0; i < builtin + count; i++) {
        const char *text = i < builtin ? default_patterns[i] : patterns[i - builtin];
        int rc = compile(text, &redactor->patterns[i], err);
        if (rc < 0) {
            nj_redactor_free(redactor);
            return rc;
        }
        redactor->count++;
    }
    *ret_redactor = redactor;
    return 0;
}

void nj_redactor_free(struct nj_redactor *redactor)
{
    if (redactor == NULL)
        return;
    for (size_t i = 0; i < redactor->count; i++)
        pcre2_code_free(redactor->patterns[i].code);
    pcre2_match_context_free(redactor->context);
    free(redactor->patterns);
    free(redactor);
}

/* One pattern over one piece of text. Returns how many matches were hidden, or -EAGAIN when the pattern gave
 * up: `out` then holds an unfinished copy that the caller drops. */
static int64_t apply(const struct nj_redactor *redactor, const struct pattern *pattern,
                     pcre2_match_data *match, const char *text, size_t len, struct nj_buf *out)
{
    int64_t hidden = 0;
    size_t copied = 0;
    size_t at = 0;
    while (at <= len) {
        int rc = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, at, PCRE2_NO_UTF_CHECK, match,
                             redactor->context);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0)
            return -EAGAIN;
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        PCRE2_SIZE from = span[0];
        PCRE2_SIZE to = span[1];
        if (pattern->secret != 0 && pattern->secret < (uint32_t)rc &&
            span[2 * (size_t)pattern->secret] != PCRE2_UNSET) {
            from = span[2 * (size_t)pattern->secret];
            to = span[2 * (size_t)pattern->secret + 1];
        }
        size_t end = span[1];
        if (from >= copied && to > from) {
            if (nj_buf_append(out, text + copied, from - copied) < 0 || nj_buf_append_str(out, HIDDEN) < 0)
                return -ENOMEM;
            copied = to;
            hidden++;
        }
        if (end <= at) { /* an empty match: step over one character */
            end = at + 1;
            while (end < len && ((unsigned char)text[end] & 0xC0) == 0x80)
                end++;
        }
        at = end;
    }
    if (nj_buf_append(out, text + copied, len - copied) < 0)
        return -ENOMEM;
    return hidden;
}

/* What a pattern gave up on as a whole is tried line by line; a line that is still too much is hidden whole.
 */
static int64_t apply_by_line(const struct nj_redactor *redactor, const struct pattern *pattern,
                             pcre2_match_data *match, const char *text, size_t len, struct nj_buf *out)
{
    int64_t hidden = 0;
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t line = newline == NULL ? len - at : (size_t)(newline - text) - at;
        size_t before = out->len;
        int64_t rc = apply(redactor, pattern, match, text + at, line, out);
        if (rc == -EAGAIN) {
            out->len = before;
            rc = nj_buf_append_str(out, HIDDEN) < 0 ? -ENOMEM : 1;
        }
        if (rc < 0)
            return rc;
        hidden += rc;
        at += line;
        if (newline != NULL) {
            if (nj_buf_append_char(out, '\n') < 0)
                return -ENOMEM;
            at++;
        }
    }
    return hidden;
}

static bool is_base64_line(const char *line, size_t len)
{
    static const char prefix[] = "[stderr] ";
    if (len >= sizeof(prefix) - 1 && memcmp(line, prefix, sizeof(prefix) - 1) == 0) {
        line += sizeof(prefix) - 1;
        len -= sizeof(prefix) - 1;
    }
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    if (len < 8)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
              c == '/' || c == '='))
            return false;
    }
    return true;
}

/* The end of what looks like a key's body from `at` on: its END line, or the last line that is base64. */
static size_t key_end(const char *text, size_t len, size_t body)
{
    static const char end_mark[] = "-----END ";
    const char *mark = memmem(text + body, len - body, end_mark, sizeof(end_mark) - 1);
    const char *next = memmem(text + body, len - body, "-----BEGIN ", 11);
    if (mark != NULL && (next == NULL || mark < next)) {
        const char *close = memmem(mark + sizeof(end_mark) - 1,
                                   len - (size_t)(mark - text) - (sizeof(end_mark) - 1), "-----", 5);
        if (close != NULL && close - mark < 64 && memchr(mark, '\n', (size_t)(close - mark)) == NULL)
            return (size_t)(close - text) + 5;
    }
    size_t end = body;
    while (end < len) {
        size_t start = end + (text[end] == '\n' ? 1 : 0);
        const char *newline = start < len ? memchr(text + start, '\n', len - start) : NULL;
        size_t line = (newline == NULL ? len : (size_t)(newline - text)) - start;
        if (start >= len || !is_base64_line(text + start, line))
            break;
        end = start + line;
    }
    return end;
}

/* Where the base64 lines just before `at` begin: the rest of a key whose beginning was cut off. */
static size_t body_start(const char *text, size_t floor, size_t at)
{
    while (at > floor) {
        size_t line_end = at - 1; /* the newline before */
        size_t start = line_end;
        while (start > floor && text[start - 1] != '\n')
            start--;
        if (!is_base64_line(text + start, line_end - start))
            break;
        at = start;
    }
    return at;
}

/* PEM private keys, by hand: a lazy pattern over many lines is what match limits are made against. */
static int64_t hide_private_keys(const char *text, size_t len, struct nj_buf *out)
{
    static const char mark[] = "PRIVATE KEY";
    int64_t hidden = 0;
    size_t copied = 0;
    const char *found = text;
    while ((found = memmem(found, len - (size_t)(found - text), mark, sizeof(mark) - 1)) != NULL) {
        size_t at = (size_t)(found - text);
        found += sizeof(mark) - 1;
        size_t floor = at > 48 ? at - 48 : 0;
        if (floor < copied)
            floor = copied;
        const char *begin = memmem(text + floor, at - floor, "-----BEGIN ", 11);
        const char *end = memmem(text + floor, at - floor, "-----END ", 9);
        size_t from;
        size_t to;
        if (begin != NULL && memchr(begin, '\n', at - (size_t)(begin - text)) == NULL) {
            from = (size_t)(begin - text);
            size_t body = at + sizeof(mark) - 1;
            const char *dashes = memmem(text + body, len - body < 16 ? len - body : 16, "-----", 5);
            body = dashes == NULL ? body : (size_t)(dashes - text) + 5;
            to = key_end(text, len, body);
        } else if (end != NULL && memchr(end, '\n', at - (size_t)(end - text)) == NULL) {
            size_t line = (size_t)(end - text);
            while (line > copied && text[line - 1] != '\n')
                line--;
            from = body_start(text, copied, line);
            to = at + sizeof(mark) - 1;
        } else {
            continue;
        }
        if (nj_buf_append(out, text + copied, from - copied) < 0 || nj_buf_append_str(out, HIDDEN) < 0)
            return -ENOMEM;
        copied = to;
        hidden++;
        found = text + to;
    }
    return nj_buf_append(out, text + copied, len - copied) < 0 ? -ENOMEM : hidden;
}

int64_t nj_redact(const struct nj_redactor *redactor, const char *text, size_t len, struct nj_buf *out)
{
    struct nj_buf now = {0};
    struct nj_buf next = {0};
    int64_t hidden = 0;
    int64_t rc = 0;
    if (len == 0)
        return 0;
    pcre2_match_data *match = pcre2_match_data_create(32, NULL);
    if (match == NULL)
        return -ENOMEM;
    rc = redactor->private_keys ? hide_private_keys(text, len, &now) : nj_buf_append(&now, text, len);
    hidden += rc > 0 ? rc : 0;
    for (size_t i = 0; i < redactor->count && rc >= 0; i++) {
        const struct pattern *pattern = &redactor->patterns[i];
        nj_buf_clear(&next);
        rc = apply(redactor, pattern, match, nj_buf_str(&now), now.len, &next);
        if (rc == -EAGAIN) {
            nj_buf_clear(&next);
            rc = apply_by_line(redactor, pattern, match, nj_buf_str(&now), now.len, &next);
        }
        if (rc > 0)
            hidden += rc;
        struct nj_buf swap = now;
        now = next;
        next = swap;
    }
    pcre2_match_data_free(match);
    if (rc >= 0)
        rc = nj_buf_append(out, nj_buf_str(&now), now.len);
    nj_buf_done(&now);
    nj_buf_done(&next);
    return rc < 0 ? rc : hidden;
}
