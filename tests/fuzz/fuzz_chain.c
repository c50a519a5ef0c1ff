/*
 * Whatever a variable's value is, it stays a value: one segment of a path, one line of a header, one value of
 * a JSON body. Whatever a text is, a Secret in it is hidden.
 *
 * Input: a template, a value, a Secret's value, a text; each ends with a zero byte.
 */
#include <json-c/json.h>

#include "common/base/str.h"
#include "common/probe/vars.h"
#include "tests/fuzz/input.h"

static void check_path(const struct nj_vars *vars)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%";
    struct nj_buf out = {0};
    check(nj_vars_expand(vars, NJ_PLACE_PATH, "/${a}", &out, NULL) == 0);
    check(out.data[0] == '/' && strspn(out.data + 1, allowed) == out.len - 1);
    nj_buf_done(&out);
}

static void check_header(const struct nj_vars *vars, const char *template)
{
    struct nj_buf out = {0};
    bool clean = strpbrk(template, "\r\n") == NULL;
    if (nj_vars_expand(vars, NJ_PLACE_HEADER, template, &out, NULL) == 0 && clean)
        check(strpbrk(nj_buf_str(&out), "\r\n") == NULL);
    nj_buf_done(&out);
}

static void check_body(const struct nj_vars *vars, const char *value)
{
    struct nj_buf out = {0};
    struct nj_buf readable = {0};
    (void)nj_utf8_append_lossy(&readable, value, strlen(value));
    check(nj_vars_expand(vars, NJ_PLACE_BODY, "{\"a\\\\\": \"x${a}y\", \"b\": 1}", &out, NULL) == 0);
    struct json_object *root = json_tokener_parse(nj_buf_str(&out));
    check(json_object_object_length(root) == 2);
    const char *text = json_object_get_string(json_object_object_get(root, "a\\"));
    check(text[0] == 'x' && strlen(text) == readable.len + 2);
    check(memcmp(text + 1, nj_buf_str(&readable), readable.len) == 0);
    json_object_put(root);
    nj_buf_clear(&out);
    if (nj_vars_expand(vars, NJ_PLACE_BODY, "{\"a\": ${a}, \"b\": 1}", &out, NULL) == 0) {
        root = json_tokener_parse(nj_buf_str(&out));
        check(json_object_object_length(root) == 2);
        check(!json_object_is_type(json_object_object_get(root, "a"), json_type_object));
        json_object_put(root);
    }
    nj_buf_done(&out);
    nj_buf_done(&readable);
}

static void check_hidden(const struct nj_vars *vars, const char *secret, const char *text)
{
    struct nj_buf out = {0};
    nj_vars_hide(vars, NULL, text, strlen(text), &out);
    check(nj_utf8_valid(nj_buf_str(&out), out.len));
    /* What stands in for it could make up such a Secret itself. */
    bool plain = strpbrk(secret, "[REDACTED]\xEF\xBF\xBD") == NULL;
    if (strlen(secret) >= 4 && plain)
        check(strstr(nj_buf_str(&out), secret) == NULL);
    nj_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char json[] =
        "{\"variables\":[{\"name\":\"a\",\"value\":\"\"},{\"name\":\"s\",\"valueFrom\":"
        "{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}]}";
    const uint8_t *at = data;
    size_t left = size;
    char *template = take(&at, &left);
    char *value = take(&at, &left);
    char *secret = take(&at, &left);
    char *text = take(&at, &left);
    struct nj_spec *spec = NULL;
    check(nj_spec_parse("spec", json, sizeof(json) - 1, false, &spec, NULL) == 0);
    const struct nj_probe_value secrets[] = {{"s", secret}};
    struct nj_vars *vars = nj_vars_new(spec, secrets, 1);
    if (strlen(secret) <= NJ_VARS_VALUE_MAX && nj_vars_set(vars, "a", value, strlen(value)) == 0) {
        for (int place = NJ_PLACE_PATH; place <= NJ_PLACE_TEXT; place++) {
            struct nj_buf out = {0};
            if (nj_vars_expand(vars, (enum nj_place)place, template, &out, NULL) < 0)
                check(out.len == 0);
            nj_buf_done(&out);
        }
        check_path(vars);
        check_header(vars, template);
        check_body(vars, value);
        check_hidden(vars, secret, text);
    }
    nj_vars_free(vars);
    nj_spec_unref(spec);
    free(template);
    free(value);
    free(secret);
    free(text);
    return 0;
}
