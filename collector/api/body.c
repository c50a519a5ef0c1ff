/*
 * What a request brings: a JSON object, or a form's fields.
 */
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "collector/api/internal.h"
#include "common/base/alloc.h"

enum { DEPTH_MAX = 32 };

static struct json_object *parse_body(struct nj_api_call *call)
{
    size_t len = 0;
    const char *body = nj_httpd_body(call->request, &len);
    struct json_tokener *tokener = len <= INT32_MAX ? json_tokener_new_ex(DEPTH_MAX) : NULL;
    if (tokener == NULL) {
        nj_api_problem(call, 400, "the body is too large");
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *parsed = json_tokener_parse_ex(tokener, body, (int)len + 1); /* with its terminator */
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (error == json_tokener_success && end == len && json_object_is_type(parsed, json_type_object))
        return parsed;
    (void)json_object_put(parsed);
    nj_api_problem(call, 400, "the body is no JSON object: %s",
                   error == json_tokener_success ? "something else is there"
                                                 : json_tokener_error_desc(error));
    return NULL;
}

/* A page of another origin can make a browser send anything but this type without asking first. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t len = strlen(json);
    return type != NULL && strncasecmp(type, json, len) == 0 && strchr(" ;", type[len]) != NULL;
}

struct json_object *nj_api_body(struct nj_api_call *call)
{
    if (is_json(nj_httpd_header(call->request, "Content-Type")))
        return parse_body(call);
    nj_api_problem(call, 415, "the body must be sent as Content-Type: application/json");
    return NULL;
}

bool nj_api_text(struct nj_api_call *call, struct json_object *value, const char *name, size_t max,
                 char **ret_text)
{
    if (!json_object_is_type(value, json_type_string)) {
        nj_api_problem(call, 400, "%s: a string is needed", name);
        return false;
    }
    const char *text = json_object_get_string(value);
    size_t len = (size_t)json_object_get_string_len(value);
    if (len > max || strlen(text) != len) {
        nj_api_problem(call, 400, "%s: at most %zu bytes, none of them 0", name, max);
        return false;
    }
    free(*ret_text);
    *ret_text = nj_strdup(text);
    return true;
}
