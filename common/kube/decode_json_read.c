#include <limits.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/kube/decode_json_internal.h"

struct json_object *nj_json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (json_object_is_type(object, json_type_object))
        (void)json_object_object_get_ex(object, key, &value);
    return value;
}

const char *nj_json_copy(struct nj_json_reader *reader, struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return "";
    int len = json_object_get_string_len(value);
    if (len == 0)
        return "";
    const char *copy = nj_arena_strndup(reader->arena, json_object_get_string(value), (size_t)len);
    reader->full = reader->full || copy == NULL;
    return nj_str(copy);
}

const char *nj_json_unquote(struct nj_json_reader *reader, const struct nj_json_member *member)
{
    if (member->value_len < 2 || member->value[0] != '"')
        return "";
    if (memchr(member->value, '\\', member->value_len) == NULL) {
        const char *copy = nj_arena_strndup(reader->arena, member->value + 1, member->value_len - 2);
        reader->full = reader->full || copy == NULL;
        return nj_str(copy);
    }
    struct json_tokener *tokener = member->value_len > INT_MAX ? NULL : json_tokener_new();
    struct json_object *string =
        tokener == NULL ? NULL : json_tokener_parse_ex(tokener, member->value, (int)member->value_len);
    const char *copy = nj_json_copy(reader, string);
    json_object_put(string);
    if (tokener != NULL)
        json_tokener_free(tokener);
    return copy;
}

const char *nj_json_string(struct nj_json_reader *reader, struct json_object *object, const char *key)
{
    return nj_json_copy(reader, nj_json_get(object, key));
}

int64_t nj_json_int(struct json_object *object, const char *key, int64_t absent)
{
    struct json_object *value = nj_json_get(object, key);
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : absent;
}

int32_t nj_json_int32(struct json_object *object, const char *key)
{
    int64_t value = nj_json_int(object, key, 0);
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

bool nj_json_bool(struct json_object *object, const char *key, bool absent)
{
    struct json_object *value = nj_json_get(object, key);
    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : absent;
}

static int64_t time_ns(const char *text, size_t len)
{
    int64_t ns;
    if (nj_time_parse(text, len, &ns) < 0)
        return 0;
    int64_t fraction = ns % NJ_SEC;
    return ns - (fraction < 0 ? fraction + NJ_SEC : fraction);
}

int64_t nj_json_time_text(const char *text)
{
    return time_ns(text, strlen(text));
}

int64_t nj_json_time(struct json_object *object, const char *key)
{
    struct json_object *value = nj_json_get(object, key);
    return json_object_is_type(value, json_type_string)
               ? time_ns(json_object_get_string(value), (size_t)json_object_get_string_len(value))
               : 0;
}

size_t nj_json_len(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

void *nj_json_array(struct nj_json_reader *reader, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *array = nj_arena_zalloc(reader->arena, count, size);
    reader->full = reader->full || array == NULL;
    return array;
}

void nj_json_pairs(struct nj_json_reader *reader, struct json_object *object,
                   const struct nj_kube_pair **ret_pairs, size_t *ret_count)
{
    size_t count =
        json_object_is_type(object, json_type_object) ? (size_t)json_object_object_length(object) : 0;
    struct nj_kube_pair *pairs = nj_json_array(reader, count, sizeof(*pairs));
    if (pairs == NULL)
        return;
    size_t i = 0;
    json_object_object_foreach(object, key, value)
    {
        const char *copy = nj_arena_strndup(reader->arena, key, strlen(key));
        reader->full = reader->full || copy == NULL;
        pairs[i++] = (struct nj_kube_pair){.key = nj_str(copy), .value = nj_json_copy(reader, value)};
    }
    nj_kube_sort_pairs(pairs, count);
    *ret_pairs = pairs;
    *ret_count = count;
}

void nj_json_strings(struct nj_json_reader *reader, struct json_object *array,
                     const char *const **ret_strings, size_t *ret_count)
{
    size_t count = nj_json_len(array);
    const char **strings = nj_json_array(reader, count, sizeof(*strings));
    if (strings == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        strings[i] = nj_json_copy(reader, json_object_array_get_idx(array, i));
    *ret_strings = strings;
    *ret_count = count;
}

void nj_json_port(struct nj_json_reader *reader, struct json_object *object, const char *key,
                  const char **ret_name, uint16_t *ret_number)
{
    bool text = json_object_is_type(nj_json_get(object, key), json_type_string);
    nj_kube_set_port(text ? nj_json_string(reader, object, key) : NULL, nj_json_int(object, key, 0), ret_name,
                     ret_number);
}
