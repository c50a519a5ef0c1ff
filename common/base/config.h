/*
 * Configuration: one table says every setting's key, type, default, range and help; YAML file first, flags
 * over it.
 *
 * The table describes a C struct by offsets. nj_config_load() fills a zeroed struct with defaults, then the
 * file, then the flags, and checks every value; an unknown key, a wrong type or a value out of range is an
 * error that names file, line, key and what is allowed. Sections nest; a list holds sections or strings.
 * Secrets are never values: a setting ends in `_file` and names the file that holds one. One thread; the
 * loaded struct is read-only afterwards.
 */
#ifndef NJ_BASE_CONFIG_H
#define NJ_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/err.h"

enum nj_config_type {
    NJ_CONFIG_STRING,      /* char *; never NULL after loading */
    NJ_CONFIG_INT,         /* int64_t, within [min, max] */
    NJ_CONFIG_BOOL,        /* bool: true or false */
    NJ_CONFIG_DURATION,    /* int64_t ns, within [min, max]; see nj_parse_duration() */
    NJ_CONFIG_SIZE,        /* int64_t bytes, within [min, max]; see nj_parse_size() */
    NJ_CONFIG_ENUM,        /* int: index into choices */
    NJ_CONFIG_STRING_LIST, /* struct nj_config_strings; at most max entries */
    NJ_CONFIG_SECTION,     /* a struct described by `fields` at `offset` */
    NJ_CONFIG_LIST,        /* struct nj_config_list of structs described by `fields`; at most max entries */
    NJ_CONFIG_MAP, /* struct nj_config_strings of alternating key, value (count is twice the pairs); any
                      scalar values; at most max pairs */
};

struct nj_config_strings {
    char **items;
    size_t count;
};

struct nj_config_list {
    void *items; /* count structs of the field's item_size */
    size_t count;
};

struct nj_config_field {
    const char *key;
    enum nj_config_type type;
    size_t offset;
    const char *fallback; /* default as it would stand in the file (lists: "[a, b]"); NULL for "", 0, false,
                             empty, the first choice */
    int64_t min, max;     /* both 0: no range */
    const char *const *choices;           /* ENUM: NULL-terminated */
    const struct nj_config_field *fields; /* SECTION, LIST: terminated by a field without key */
    size_t item_size;                     /* LIST */
    const char *help;                     /* one sentence; units where there are any */
};

struct nj_config_flag {
    const char *key; /* dotted path: "crash.log_lines" */
    const char *value;
};

/* What a file may hold: one YAML document, of at most NJ_CONFIG_FILE_MAX bytes, without anchors, aliases and
 * tags. A list, section or map without a value keeps its default. Where a list's max is 0,
 * NJ_CONFIG_ITEMS_MAX entries are allowed. A flag sets a scalar or a list of strings (comma separated), the
 * last of a key counts. */
enum {
    NJ_CONFIG_FILE_MAX = 1 << 20,
    NJ_CONFIG_ITEMS_MAX = 1000,
    NJ_CONFIG_MAP_KEY_MAX = 320, /* bytes; a Kubernetes label's key has at most 317 */
};

/* Fills *ret_config (a zeroed struct of the table's shape). `path` NULL: defaults and flags only. On error
 * nothing is kept in it. 0 or -EINVAL, -ENOENT and the like with a text such as
 * "/etc/nightjar/agent.yaml:12: crash.log_lines: 0 is out of range, 1 to 100000 are allowed". */
int nj_config_load(const struct nj_config_field *table, const char *path, const struct nj_config_flag *flags,
                   size_t flags_count, void *ret_config, struct nj_err *err);

/* Same from memory; `name` stands for the file in errors. */
int nj_config_load_text(const struct nj_config_field *table, const char *name, const char *text, size_t len,
                        const struct nj_config_flag *flags, size_t flags_count, void *ret_config,
                        struct nj_err *err);

/* Frees what the struct holds and zeroes it. */
void nj_config_done(const struct nj_config_field *table, void *config);

/* Writes YAML that loads back to the same values, each setting after a comment with its help, range and
 * default. */
int nj_config_print(const struct nj_config_field *table, const void *config, FILE *out);

/* Calls each for every setting ("crash.log_dir") that differs between two loaded structs; a list differs as a
 * whole ("notify.routes"). `live`: beginnings of the keys that a reload puts in force, NULL-terminated. */
void nj_config_compare(const struct nj_config_field *table, const void *before, const void *after,
                       const char *const *live, void (*each)(void *data, const char *key, bool live),
                       void *data);

/* Reads a secret's file: at most max bytes, one trailing newline dropped; the caller wipes and frees. -ENOENT
 * etc. with a text that names the setting `key` and the path, never the contents. */
int nj_config_read_secret(const char *key, const char *path, size_t max, char **ret_text, size_t *ret_len,
                          struct nj_err *err);

#endif
