/*
 * Values inside a JSON answer. Pure. Private to common/probe.
 */
#ifndef NJ_PROBE_JSON_VALUE_H
#define NJ_PROBE_JSON_VALUE_H

#include <json-c/json.h>

#include "common/base/buf.h"
#include "common/probe/vars.h"

/* The whole text as JSON, of bounded depth: 0 (NULL is JSON's null), -EINVAL. The caller puts it. */
int nj_json_parse(const char *text, size_t len, struct json_object **ret_root);

/* RFC 6901. False when there is no such member; *ret_value may be JSON's null. */
bool nj_json_find(struct json_object *root, const char *pointer, struct json_object **ret_value);

/* A string's text, else its JSON: what a pattern is matched with and a variable is set to. */
const char *nj_json_text(struct json_object *value, size_t *ret_len);

/* Is `value` what `expected` says: numbers by their value, texts with their ${variables} replaced (and then
 * equal to a number or truth value that is written so)? 1, 0, or a negative errno of nj_vars_expand(). */
int nj_json_equal(struct json_object *expected, struct json_object *value, const struct nj_vars *vars,
                  struct nj_err *err);

/* -1, 0, 1; both are numbers. */
int nj_json_compare(struct json_object *a, struct json_object *b);
bool nj_json_is_number(struct json_object *value);

#endif
