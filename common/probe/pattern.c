#include "common/probe/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

enum {
    MATCH_LIMIT = 200000, /* steps from one place of the text before a pattern gives up */
    HEAP_LIMIT_KIB = 2048,
    PLACES_BETWEEN_LOOKS = 32, /* at the processor's time */
    NEST_LIMIT = 64,           /* of parentheses */
    SHOWN_MAX = 200,           /* bytes of a wrong expression in an error */
};

/* Of all matches that share a budget, from all places of their texts. */
#define MATCH_TIME_NS (100 * NJ_MS)

struct nj_pattern {
    enum nj_pattern_kind kind;
    char *text;
    size_t len;
    pcre2_code *code;
    pcre2_match_context *context;
};

/* What counts while a match runs. */
struct match_watch {
    uint32_t places;
    int64_t until_ns;
};

static int64_t thread_time_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * NJ_SEC + now.tv_nsec;
}

/* PCRE2 bounds the steps from each place, not the places: "(?C1)" at the pattern's start calls this at each.
 */
static int on_place(pcre2_callout_block *block, void *data)
{
    (void)block;
    struct match_watch *watch = data;
    watch->places++;
    if (watch->places % PLACES_BETWEEN_LOOKS != 0)
        return 0;
    return thread_time_ns() > watch->until_ns ? PCRE2_ERROR_CALLOUT : 0;
}

static int compile(struct nj_pattern *pattern, struct nj_err *err)
{
    static const char PLACE[] = "(?C1)";
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL)
        nj_out_of_memory();
    pcre2_set_parens_nest_limit(context, NEST_LIMIT);
    char *watched = nj_asprintf("%s%s", PLACE, pattern->text);
    pattern->code =
        pcre2_compile((PCRE2_SPTR)watched, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    free(watched);
    pcre2_compile_context_free(context);
    if (pattern->code == NULL) {
        char reason[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof(reason));
        size_t at = offset < sizeof(PLACE) - 1 ? 0 : offset - (sizeof(PLACE) - 1);
        return nj_err_set(err, -EINVAL, "'%.*s' is no regular expression, at character %zu: %s",
                          (int)nj_utf8_cut(pattern->text, pattern->len, SHOWN_MAX), pattern->text, at,
                          reason);
    }
    /* Compilation to machine code may be forbidden here; matching then interprets. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    pattern->context = pcre2_match_context_create(NULL);
    if (pattern->context == NULL)
        nj_out_of_memory();
    pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
    pcre2_set_heap_limit(pattern->context, HEAP_LIMIT_KIB);
    return 0;
}

int nj_pattern_new(enum nj_pattern_kind kind, const char *text, struct nj_pattern **ret_pattern,
                   struct nj_err *err)
{
    struct nj_pattern *pattern = NJ_NEW(struct nj_pattern);
    pattern->kind = kind;
    pattern->text = nj_strdup(text);
    pattern->len = strlen(text);
    int rc = kind == NJ_PATTERN_REGEX ? compile(pattern, err) : 0;
    if (rc < 0) {
        nj_pattern_free(pattern);
        return rc;
    }
    *ret_pattern = pattern;
    return 0;
}

void nj_pattern_free(struct nj_pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->context);
    free(pattern->text);
    free(pattern);
}

enum nj_pattern_kind nj_pattern_kind(const struct nj_pattern *pattern)
{
    return pattern->kind;
}

const char *nj_pattern_text(const struct nj_pattern *pattern)
{
    return pattern->text;
}

static int match_literal(const struct nj_pattern *pattern, const char *text, size_t len,
                         struct nj_pattern_span *ret_span)
{
    size_t from = 0;
    if (pattern->kind == NJ_PATTERN_EQUALS) {
        if (len != pattern->len || memcmp(text, pattern->text, len) != 0)
            return 0;
    } else {
        const char *found = memmem(text, len, pattern->text, pattern->len);
        if (found == NULL)
            return 0;
        from = (size_t)(found - text);
    }
    if (ret_span != NULL)
        *ret_span = (struct nj_pattern_span){from, from + pattern->len};
    return 1;
}

static int match_regex(const struct nj_pattern *pattern, const char *text, size_t len,
                       struct nj_pattern_budget *budget, pcre2_match_data *match)
{
    int64_t began_ns = thread_time_ns();
    struct match_watch watch = {.until_ns = began_ns + MATCH_TIME_NS - budget->spent_ns};
    pcre2_set_callout(pattern->context, on_place, &watch);
    int rc = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, 0, match, pattern->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) /* the machine code's own stack is small */
        rc = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_JIT, match, pattern->context);
    budget->spent_ns += thread_time_ns() - began_ns;
    return rc;
}

int nj_pattern_match(const struct nj_pattern *pattern, const char *text, size_t len,
                     struct nj_pattern_budget *budget, struct nj_pattern_span *ret_span)
{
    if (pattern->kind != NJ_PATTERN_REGEX)
        return match_literal(pattern, text, len, ret_span);
    if (budget->spent_ns >= MATCH_TIME_NS)
        return -EAGAIN;
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    if (match == NULL)
        nj_out_of_memory();
    int rc = match_regex(pattern, text, len, budget, match);
    if (rc > 0 && ret_span != NULL) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        size_t group = rc > 1 && span[2] != PCRE2_UNSET ? 1 : 0;
        *ret_span = (struct nj_pattern_span){span[2 * group], span[2 * group + 1]};
        /* \K can put the start behind the end. */
        if (ret_span->from > ret_span->to)
            ret_span->from = ret_span->to;
    }
    pcre2_match_data_free(match);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    return rc > 0 ? 1 : -EAGAIN;
}
