#include "common/probe/json_value.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/probe/template.h"

enum { DEPTH_MAX = 64 };

int nj_json_parse(const char *text, size_t len, struct json_object **ret_root)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of byte order: some servers begin with it */
    if (len >= sizeof(mark) - 1 && memcmp(text, mark, sizeof(mark) - 1) == 0) {
        text += sizeof(mark) - 1;
        len -= sizeof(mark) - 1;
    }
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL && text[len - 1] != '\0')
        len--;
    if (len == 0 || len >= INT_MAX)
        return -EINVAL;
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    if (tokener == NULL)
        nj_out_of_memory();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *root = json_tokener_parse_ex(tokener, text, (int)len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) { /* a bare number ends only with the text */
        root = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
    }
    json_tokener_free(tokener);
    if (error != json_tokener_success) {
        json_object_put(root);
        return -EINVAL;
    }
    *ret_root = root;
    return 0;
}

/* The member of an object whose name is an unescaped part of a pointer. */
static bool find_member(struct json_object *object, const char *part, size_t len,
                        struct json_object **ret_value)
{
    char *name = nj_calloc(1, len + 1);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (part[i] == '~' && i + 1 < len) {
            i++;
            name[used++] = part[i] == '1' ? '/' : '~';
        } else {
            name[used++] = part[i];
        }
    }
    bool found = json_object_object_get_ex(object, name, ret_value);
    free(name);
    return found;
}

static bool find_item(struct json_object *array, const char *part, size_t len, struct json_object **ret_value)
{
    size_t index = 0;
    if (len == 0 || len > 9 || (len > 1 && part[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (part[i] < '0' || part[i] > '9')
            return false;
        index = index * 10 + (size_t)(part[i] - '0');
    }
    if (index >= json_object_array_length(array))
        return false;
    *ret_value = json_object_array_get_idx(array, index);
    return true;
}

bool nj_json_find(struct json_object *root, const char *pointer, struct json_object **ret_value)
{
    struct json_object *value = root;
    while (*pointer == '/') {
        const char *part = pointer + 1;
        size_t len = strcspn(part, "/");
        bool found = false;
        if (json_object_is_type(value, json_type_object))
            found = find_member(value, part, len, &value);
        else if (json_object_is_type(value, json_type_array))
            found = find_item(value, part, len, &value);
        if (!found)
            return false;
        pointer = part + len;
    }
    *ret_value = value;
    return true;
}

const char *nj_json_text(struct json_object *value, size_t *ret_len)
{
    if (json_object_is_type(value, json_type_string)) {
        *ret_len = (size_t)json_object_get_string_len(value);
        return json_object_get_string(value);
    }
    const char *text =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    *ret_len = strlen(text);
    return text;
}

bool nj_json_is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
}

int nj_json_compare(struct json_object *a, struct json_object *b)
{
    if (json_object_is_type(a, json_type_int) && json_object_is_type(b, json_type_int)) {
        int64_t x = json_object_get_int64(a);
        int64_t y = json_object_get_int64(b);
        return (x > y) - (x < y);
    }
    double x = json_object_get_double(a);
    double y = json_object_get_double(b);
    return (x > y) - (x < y);
}

static int equal_text(struct json_object *expected, struct json_object *value, const struct nj_vars *vars,
                      struct nj_err *err)
{
    const char *template = json_object_get_string(expected);
    bool is_scalar = nj_json_is_number(value) || json_object_is_type(value, json_type_boolean);
    if (!json_object_is_type(value, json_type_string) && (!is_scalar || !nj_template_has_variables(template)))
        return 0;
    struct nj_buf text = {0};
    int rc = nj_vars_expand(vars, NJ_PLACE_TEXT, template, &text, err);
    if (rc == 0) {
        size_t len = 0;
        const char *actual = nj_json_text(value, &len);
        rc = len == text.len && memcmp(actual, nj_buf_str(&text), len) == 0 ? 1 : 0;
    }
    nj_buf_done(&text);
    return rc;
}

static int equal_arrays(struct json_object *expected, struct json_object *value, const struct nj_vars *vars,
                        struct nj_err *err)
{
    size_t count = json_object_array_length(expected);
    int rc = count == json_object_array_length(value) ? 1 : 0;
    for (size_t i = 0; i < count && rc == 1; i++)
        rc = nj_json_equal(json_object_array_get_idx(expected, i), json_object_array_get_idx(value, i), vars,
                           err);
    return rc;
}

static int equal_objects(struct json_object *expected, struct json_object *value, const struct nj_vars *vars,
                         struct nj_err *err)
{
    int rc = json_object_object_length(expected) == json_object_object_length(value) ? 1 : 0;
    struct json_object_iterator at = json_object_iter_begin(expected);
    struct json_object_iterator end = json_object_iter_end(expected);
    for (; !json_object_iter_equal(&at, &end) && rc == 1; json_object_iter_next(&at)) {
        struct json_object *member = NULL;
        if (!json_object_object_get_ex(value, json_object_iter_peek_name(&at), &member))
            return 0;
        rc = nj_json_equal(json_object_iter_peek_value(&at), member, vars, err);
    }
    return rc;
}

int nj_json_equal(struct json_object *expected, struct json_object *value, const struct nj_vars *vars,
                  struct nj_err *err)
{
    if (json_object_is_type(expected, json_type_string))
        return equal_text(expected, value, vars, err);
    if (nj_json_is_number(expected))
        return nj_json_is_number(value) && nj_json_compare(expected, value) == 0 ? 1 : 0;
    if (json_object_get_type(expected) != json_object_get_type(value))
        return 0;
    if (json_object_is_type(expected, json_type_boolean))
        return json_object_get_boolean(expected) == json_object_get_boolean(value) ? 1 : 0;
    if (json_object_is_type(expected, json_type_array))
        return equal_arrays(expected, value, vars, err);
    if (json_object_is_type(expected, json_type_object))
        return equal_objects(expected, value, vars, err);
    return 1; /* null is null */
}
