/*
 * Inside the configuration: one setting's value from text and to text, and how settings are found by name.
 * Used by config*.c and cli.c only. Any thread; nothing is kept.
 */
#ifndef NJ_BASE_CONFIG_VALUE_H
#define NJ_BASE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/config.h"
#include "common/base/err.h"

enum { NJ_CONFIG_SHOWN_MAX = 80 };

/* `text` as an error may quote it: cut, and without control characters. Returns `shown`. */
const char *nj_config_shown(const char *text, char shown[NJ_CONFIG_SHOWN_MAX]);

/* One value of STRING, INT, BOOL, DURATION, SIZE or ENUM at `base` + the field's offset; frees what a string
 * held before. 0 or -EINVAL with a text that says what is wrong and allowed, not where. */
int nj_config_store_scalar(const struct nj_config_field *field, void *base, const char *text,
                           struct nj_err *err);

/* Appends a copy to a list; `max` 0 is NJ_CONFIG_ITEMS_MAX. 0 or -EINVAL. */
int nj_config_append_string(struct nj_config_strings *strings, const char *text, int64_t max,
                            struct nj_err *err);
void nj_config_strings_done(struct nj_config_strings *strings);
void nj_config_list_done(const struct nj_config_field *field, struct nj_config_list *list);

bool nj_config_is_scalar(const struct nj_config_field *field);

/* Entries a LIST, STRING_LIST or MAP may have. */
int64_t nj_config_items_max(const struct nj_config_field *field);

/* "whole number, 1 to 100000", "json or text", "true or false": type and range in words. */
void nj_config_append_type(struct nj_buf *out, const struct nj_config_field *field);

/* The value as it stands in a file, but strings without quotes; scalars only. */
void nj_config_append_scalar(struct nj_buf *out, const struct nj_config_field *field, const void *base);

/* The field of a dotted path and the sum of the offsets of the sections above it; NULL when there is none.
 * Stops at a LIST: "routes.name" gives routes. */
const struct nj_config_field *nj_config_find(const struct nj_config_field *table, const char *path,
                                             size_t *ret_section_offset);

/* Appends `prefix` and the dotted path of the setting whose name is nearest to `name`; nothing when none is
 * near. `name` may also be the last part alone. Lists' entries are not searched. */
void nj_config_append_nearest(struct nj_buf *out, const char *prefix, const struct nj_config_field *table,
                              const char *name);

/* Fills the zeroed struct at `base` with the defaults of `fields`. 0 or -EINVAL for a table whose default is
 * not valid. */
int nj_config_set_defaults(const struct nj_config_field *fields, void *base, struct nj_err *err);

/* Reads YAML over what is in `base`; `name` stands for the file in errors. 0 or -EINVAL. */
int nj_config_read_yaml(const struct nj_config_field *fields, const char *name, const char *text, size_t len,
                        void *base, struct nj_err *err);

/* Reads `text` as the YAML value of one field. 0 or -EINVAL. */
int nj_config_read_yaml_value(const struct nj_config_field *field, const char *name, const char *text,
                              void *base, struct nj_err *err);

#endif
