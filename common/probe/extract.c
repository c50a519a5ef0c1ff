#include <errno.h>
#include <string.h>

#include "common/probe/json_value.h"
#include "common/probe/judge.h"
#include "common/probe/pattern.h"
#include "common/probe/verdict.h"

/* The value and its length, or NULL with why not in the verdict. Valid as long as the response and `root`. */
static const char *from_json(const struct nj_extract *extract, const struct nj_step_response *response,
                             struct json_object *root, bool is_json, size_t *ret_len,
                             struct nj_verdict *verdict)
{
    struct json_object *value = NULL;
    if (response->body_cut)
        nj_verdict_got(verdict, "more than %zu bytes", response->body_len);
    else if (!is_json)
        nj_verdict_got(verdict, "the body is no JSON");
    else if (!nj_json_find(root, extract->what, &value))
        nj_verdict_got(verdict, "no such member");
    else if (value == NULL)
        nj_verdict_got(verdict, "null");
    else
        return nj_json_text(value, ret_len);
    return NULL;
}

static const char *from_body(const struct nj_extract *extract, const struct nj_step_response *response,
                             struct nj_pattern_budget *budget, size_t *ret_len, struct nj_verdict *verdict)
{
    struct nj_pattern_span span;
    int rc = nj_pattern_match(extract->pattern, response->body, response->body_len, budget, &span);
    if (rc == 1) {
        *ret_len = span.to - span.from;
        return response->body + span.from;
    }
    if (rc < 0)
        nj_verdict_got(verdict, "the pattern takes too long on %zu bytes", response->body_len);
    else
        nj_verdict_got_text(verdict, response->body, response->body_len, "nothing");
    return NULL;
}

static const char *from_header(const struct nj_extract *extract, const struct nj_step_response *response,
                               size_t *ret_len, struct nj_verdict *verdict)
{
    for (size_t i = 0; i < response->headers_count; i++) {
        if (strcasecmp(response->headers[i].name, extract->what) != 0)
            continue;
        *ret_len = strlen(response->headers[i].value);
        return response->headers[i].value;
    }
    nj_verdict_got(verdict, "no such header");
    return NULL;
}

/* Of several with this name the last, which is the one that a browser keeps. */
static const char *from_cookie(const struct nj_extract *extract, const struct nj_step_response *response,
                               size_t *ret_len, struct nj_verdict *verdict)
{
    size_t name_len = strlen(extract->what);
    for (size_t i = response->headers_count; i-- > 0;) {
        const char *value = response->headers[i].value;
        if (strcasecmp(response->headers[i].name, "set-cookie") != 0)
            continue;
        value += strspn(value, " \t");
        if (strncmp(value, extract->what, name_len) != 0 || value[name_len] != '=')
            continue;
        value += name_len + 1;
        *ret_len = strcspn(value, ";");
        return value;
    }
    nj_verdict_got(verdict, "no such cookie");
    return NULL;
}

static void expect_value(const struct nj_extract *extract, struct nj_verdict *verdict)
{
    static const char *const sources[] = {[NJ_EXTRACT_JSON] = "JSON",
                                          [NJ_EXTRACT_REGEX] = "a match of",
                                          [NJ_EXTRACT_HEADER] = "header",
                                          [NJ_EXTRACT_COOKIE] = "cookie"};
    const char *slash = extract->from == NJ_EXTRACT_REGEX ? "/" : "";
    nj_verdict_set(verdict, NJ_CAUSE_EXTRACT, "%s %s%.300s%s for ${%s}", sources[extract->from], slash,
                   extract->what, slash, extract->variable);
}

void nj_extract_all(const struct nj_step *step, const struct nj_step_response *response, struct nj_vars *vars,
                    struct nj_verdict *ret_verdict)
{
    struct json_object *root = NULL;
    bool is_parsed = false;
    bool is_json = false;
    struct nj_pattern_budget budget = {0};
    struct nj_verdict verdict = {.cause = NJ_CAUSE_NONE};
    for (size_t i = 0; i < step->extracts_count; i++) {
        const struct nj_extract *extract = &step->extracts[i];
        const char *value = NULL;
        size_t len = 0;
        if (extract->from == NJ_EXTRACT_JSON) {
            if (!is_parsed)
                is_json = nj_json_parse(response->body, response->body_len, &root) == 0;
            is_parsed = true;
            value = from_json(extract, response, root, is_json, &len, &verdict);
        } else if (extract->from == NJ_EXTRACT_REGEX) {
            value = from_body(extract, response, &budget, &len, &verdict);
        } else if (extract->from == NJ_EXTRACT_HEADER) {
            value = from_header(extract, response, &len, &verdict);
        } else {
            value = from_cookie(extract, response, &len, &verdict);
        }
        if (value != NULL && nj_vars_set(vars, extract->variable, value, len) == 0)
            continue;
        expect_value(extract, &verdict);
        if (value != NULL)
            nj_verdict_got(&verdict, "%zu bytes, at most %d are allowed", len, (int)NJ_VARS_VALUE_MAX);
        break;
    }
    json_object_put(root);
    *ret_verdict = verdict;
}
