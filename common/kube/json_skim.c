#include "common/kube/json_skim.h"

#include <errno.h>
#include <string.h>

/* Moves behind the string's closing quote; NULL when the bytes end before it. */
static const char *string_end(struct nj_json_span *span, const char *at, const char *end)
{
    if (span->escaped && at < end) {
        span->escaped = false;
        at++;
    }
    while (at < end) {
        if (*at == '"') {
            span->in_string = false;
            return at + 1;
        }
        if (*at == '\\') {
            if (at + 1 == end) {
                span->escaped = true;
                return NULL;
            }
            at++;
        }
        at++;
    }
    return NULL;
}

/* A number, true, false or null ends before what cannot be part of it. */
static size_t scalar_len(const char *bytes, size_t len)
{
    size_t i = 0;
    while (i < len && !nj_json_is_space(bytes[i]) && bytes[i] != ',' && bytes[i] != '}' && bytes[i] != ']')
        i++;
    return i;
}

static size_t feed_scalar(const char *bytes, size_t len, bool *ret_done)
{
    size_t used = scalar_len(bytes, len);
    *ret_done = used < len;
    return used;
}

size_t nj_json_span_feed(struct nj_json_span *span, const char *bytes, size_t len, bool *ret_done)
{
    *ret_done = false;
    if (len == 0)
        return 0;
    if (!span->begun) {
        span->begun = true;
        span->scalar = bytes[0] != '"' && bytes[0] != '{' && bytes[0] != '[';
    }
    if (span->scalar)
        return feed_scalar(bytes, len, ret_done);
    const char *at = bytes;
    const char *end = bytes + len;
    while (at < end) {
        if (span->in_string) {
            at = string_end(span, at, end);
            if (at == NULL)
                return len;
        } else {
            char c = *at++;
            if (c == '"') {
                span->in_string = true;
                continue;
            }
            if (c == '{' || c == '[')
                span->depth++;
            else if ((c == '}' || c == ']') && span->depth > 0)
                span->depth--;
            else
                continue;
        }
        if (span->depth == 0) {
            *ret_done = true;
            break;
        }
    }
    return (size_t)(at - bytes);
}

static void skip_space(struct nj_json_skim *skim)
{
    while (skim->at < skim->end && nj_json_is_space(*skim->at))
        skim->at++;
}

/* Consumes `c` and the white space before it. */
static bool expect(struct nj_json_skim *skim, char c)
{
    skip_space(skim);
    if (skim->at == skim->end || *skim->at != c)
        return false;
    skim->at++;
    return true;
}

static int enter(struct nj_json_skim *skim, const char *text, size_t len, char bracket)
{
    *skim = (struct nj_json_skim){.at = text, .end = text + len, .first = true};
    return expect(skim, bracket) ? 0 : -EBADMSG;
}

int nj_json_skim_open(struct nj_json_skim *skim, const char *text, size_t len)
{
    return enter(skim, text, len, '{');
}

int nj_json_skim_open_array(struct nj_json_skim *skim, const char *text, size_t len)
{
    return enter(skim, text, len, '[');
}

/* A value that ends inside the text. */
static bool take_value(struct nj_json_skim *skim, const char **ret_value, size_t *ret_len)
{
    skip_space(skim);
    struct nj_json_span span = {0};
    bool done;
    const char *value = skim->at;
    size_t len = nj_json_span_feed(&span, value, (size_t)(skim->end - skim->at), &done);
    if (!done || len == 0)
        return false;
    skim->at += len;
    *ret_value = value;
    *ret_len = len;
    return true;
}

/* In front of the next member or element: 1; 0 behind the last one. */
static int advance(struct nj_json_skim *skim, char bracket)
{
    if (expect(skim, bracket)) {
        skip_space(skim);
        return skim->at == skim->end ? 0 : -EBADMSG;
    }
    if (!skim->first && !expect(skim, ','))
        return -EBADMSG;
    skim->first = false;
    skip_space(skim);
    return 1;
}

int nj_json_skim_next_element(struct nj_json_skim *skim, struct nj_json_member *ret_element)
{
    struct nj_json_member element = {.key = ""};
    int rc = advance(skim, ']');
    if (rc != 1)
        return rc;
    if (!take_value(skim, &element.value, &element.value_len))
        return -EBADMSG;
    *ret_element = element;
    return 1;
}

int nj_json_skim_next(struct nj_json_skim *skim, struct nj_json_member *ret_member)
{
    int rc = advance(skim, '}');
    if (rc != 1)
        return rc;
    struct nj_json_member member;
    if (skim->at == skim->end || *skim->at != '"' || !take_value(skim, &member.key, &member.key_len) ||
        !expect(skim, ':') || !take_value(skim, &member.value, &member.value_len))
        return -EBADMSG;
    member.key++;
    member.key_len -= 2;
    *ret_member = member;
    return 1;
}

bool nj_json_member_is(const struct nj_json_member *member, const char *key)
{
    /* Most differ in the first character. */
    if (member->key_len == 0 || member->key[0] != key[0])
        return member->key_len == 0 && key[0] == '\0';
    return member->key_len == strlen(key) && memcmp(member->key, key, member->key_len) == 0;
}
