#include "collector/sla/json_get.h"

struct json_object *nj_sla_json_get(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    if (json_object_is_type(object, json_type_object))
        (void)json_object_object_get_ex(object, name, &value);
    return value;
}

const char *nj_sla_json_text(struct json_object *object, const char *name)
{
    struct json_object *value = nj_sla_json_get(object, name);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}
