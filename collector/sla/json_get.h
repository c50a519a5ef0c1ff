/*
 * Reading json-c's values: what is absent, null or of another type reads as nothing. Any thread; what is
 * returned is the object's own.
 */
#ifndef NJ_SLA_JSON_GET_H
#define NJ_SLA_JSON_GET_H

#include <json-c/json.h>

/* NULL: it is no object, or has no such member. */
struct json_object *nj_sla_json_get(struct json_object *object, const char *name);
/* "" for none. */
const char *nj_sla_json_text(struct json_object *object, const char *name);

#endif
