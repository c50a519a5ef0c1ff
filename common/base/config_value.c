#include "common/base/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { NAME_MAX_COMPARED = 96 /* bytes of a setting's name, when a near one is looked for */ };

const char *nj_config_shown(const char *text, char shown[NJ_CONFIG_SHOWN_MAX])
{
    struct nj_buf clean = {0};
    (void)nj_utf8_append_lossy(&clean, text, strlen(text));
    size_t len = nj_utf8_cut(nj_buf_str(&clean), clean.len, NJ_CONFIG_SHOWN_MAX - 4);
    memcpy(shown, nj_buf_str(&clean), len);
    memcpy(shown + len, len < clean.len ? "..." : "", len < clean.len ? 4 : 1);
    for (char *c = shown; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    }
    nj_buf_done(&clean);
    return shown;
}

bool nj_config_is_scalar(const struct nj_config_field *field)
{
    return field->type <= NJ_CONFIG_ENUM;
}

int64_t nj_config_items_max(const struct nj_config_field *field)
{
    return field->max > 0 ? field->max : NJ_CONFIG_ITEMS_MAX;
}

static void append_number(struct nj_buf *out, enum nj_config_type type, int64_t value)
{
    char text[NJ_UNIT_TEXT_MAX];
    if (type == NJ_CONFIG_DURATION)
        (void)nj_buf_append_str(out, nj_duration_format(value, text));
    else if (type == NJ_CONFIG_SIZE)
        (void)nj_buf_append_str(out, nj_size_format(value, text));
    else
        (void)nj_buf_printf(out, "%" PRId64, value);
}

static void append_range(struct nj_buf *out, const struct nj_config_field *field)
{
    append_number(out, field->type, field->min);
    if (field->max == INT64_MAX) {
        (void)nj_buf_append_str(out, " or more");
        return;
    }
    (void)nj_buf_append_str(out, " to ");
    append_number(out, field->type, field->max);
}

static bool has_range(const struct nj_config_field *field)
{
    return field->min != 0 || field->max != 0;
}

static void append_choices(struct nj_buf *out, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (i > 0)
            (void)nj_buf_append_str(out, choices[i + 1] == NULL ? " or " : ", ");
        (void)nj_buf_append_str(out, choices[i]);
    }
}

void nj_config_append_type(struct nj_buf *out, const struct nj_config_field *field)
{
    static const char *const names[] = {
        [NJ_CONFIG_STRING] = "text",
        [NJ_CONFIG_INT] = "whole number",
        [NJ_CONFIG_BOOL] = "true or false",
        [NJ_CONFIG_DURATION] = "duration",
        [NJ_CONFIG_SIZE] = "size",
        [NJ_CONFIG_STRING_LIST] = "list of texts",
        [NJ_CONFIG_SECTION] = "section",
        [NJ_CONFIG_LIST] = "list",
        [NJ_CONFIG_MAP] = "keys with values",
    };
    if (field->type == NJ_CONFIG_ENUM) {
        append_choices(out, field->choices);
        return;
    }
    (void)nj_buf_append_str(out, names[field->type]);
    bool number =
        field->type == NJ_CONFIG_INT || field->type == NJ_CONFIG_DURATION || field->type == NJ_CONFIG_SIZE;
    if (number && has_range(field)) {
        (void)nj_buf_append_str(out, ", ");
        append_range(out, field);
    } else if (!number && field->max > 0) {
        (void)nj_buf_printf(out, ", at most %" PRId64, field->max);
    }
}

static void *at(const struct nj_config_field *field, void *base)
{
    return (char *)base + field->offset;
}

static int store_number(const struct nj_config_field *field, void *base, const char *text, struct nj_err *err)
{
    static const char *const wanted[] = {
        [NJ_CONFIG_INT] = "a whole number",
        [NJ_CONFIG_DURATION] = "a duration such as 250ms, 30s or 1h30m",
        [NJ_CONFIG_SIZE] = "a size such as 4096, 256KiB or 2GiB",
    };
    char shown[NJ_CONFIG_SHOWN_MAX];
    int64_t value = 0;
    int rc;
    if (field->type == NJ_CONFIG_INT)
        rc = nj_parse_int(text, INT64_MIN, INT64_MAX, &value);
    else if (field->type == NJ_CONFIG_DURATION)
        rc = nj_parse_duration(text, &value);
    else
        rc = nj_parse_size(text, &value);
    if (rc == -EINVAL)
        return nj_err_set(err, -EINVAL, "\"%s\" is not %s", nj_config_shown(text, shown),
                          wanted[field->type]);
    if (rc == 0 && (!has_range(field) || (value >= field->min && value <= field->max))) {
        memcpy(at(field, base), &value, sizeof(value));
        return 0;
    }
    if (!has_range(field))
        return nj_err_set(err, -EINVAL, "%s is too large", nj_config_shown(text, shown));
    struct nj_buf range = {0};
    append_range(&range, field);
    rc = nj_err_set(err, -EINVAL, "%s is out of range, %s %s allowed", nj_config_shown(text, shown),
                    nj_buf_str(&range), field->max == INT64_MAX ? "is" : "are");
    nj_buf_done(&range);
    return rc;
}

static int store_enum(const struct nj_config_field *field, void *base, const char *text, struct nj_err *err)
{
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            memcpy(at(field, base), &i, sizeof(i));
            return 0;
        }
    }
    char shown[NJ_CONFIG_SHOWN_MAX];
    struct nj_buf choices = {0};
    append_choices(&choices, field->choices);
    int rc = nj_err_set(err, -EINVAL, "\"%s\" is unknown, use %s", nj_config_shown(text, shown),
                        nj_buf_str(&choices));
    nj_buf_done(&choices);
    return rc;
}

static int store_bool(const struct nj_config_field *field, void *base, const char *text, struct nj_err *err)
{
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0) {
        char shown[NJ_CONFIG_SHOWN_MAX];
        return nj_err_set(err, -EINVAL, "\"%s\" is neither true nor false", nj_config_shown(text, shown));
    }
    memcpy(at(field, base), &value, sizeof(value));
    return 0;
}

static int check_text(const char *text, struct nj_err *err)
{
    char shown[NJ_CONFIG_SHOWN_MAX];
    if (!nj_utf8_valid(text, strlen(text)))
        return nj_err_set(err, -EINVAL, "\"%s\" is not valid UTF-8", nj_config_shown(text, shown));
    return 0;
}

int nj_config_store_scalar(const struct nj_config_field *field, void *base, const char *text,
                           struct nj_err *err)
{
    switch (field->type) {
    case NJ_CONFIG_STRING: {
        int rc = check_text(text, err);
        if (rc < 0)
            return rc;
        char **string = at(field, base);
        free(*string);
        *string = nj_strdup(text);
        return 0;
    }
    case NJ_CONFIG_INT:
    case NJ_CONFIG_DURATION:
    case NJ_CONFIG_SIZE:
        return store_number(field, base, text, err);
    case NJ_CONFIG_BOOL:
        return store_bool(field, base, text, err);
    case NJ_CONFIG_ENUM:
        return store_enum(field, base, text, err);
    default:
        return nj_err_set(err, -EINVAL, "is not a single value");
    }
}

void nj_config_append_scalar(struct nj_buf *out, const struct nj_config_field *field, const void *base)
{
    const char *value = (const char *)base + field->offset;
    switch (field->type) {
    case NJ_CONFIG_STRING: {
        char *string;
        memcpy(&string, value, sizeof(string));
        (void)nj_buf_append_str(out, nj_str(string));
        break;
    }
    case NJ_CONFIG_BOOL: {
        bool flag;
        memcpy(&flag, value, sizeof(flag));
        (void)nj_buf_append_str(out, flag ? "true" : "false");
        break;
    }
    case NJ_CONFIG_ENUM: {
        int index;
        memcpy(&index, value, sizeof(index));
        (void)nj_buf_append_str(out, field->choices[index]);
        break;
    }
    default: {
        int64_t number;
        memcpy(&number, value, sizeof(number));
        append_number(out, field->type, number);
        break;
    }
    }
}

int nj_config_append_string(struct nj_config_strings *strings, const char *text, int64_t max,
                            struct nj_err *err)
{
    int rc = check_text(text, err);
    if (rc < 0)
        return rc;
    if ((int64_t)strings->count >= max)
        return nj_err_set(err, -EINVAL, "has too many entries, at most %" PRId64 " are allowed", max);
    /* Grows at each power of two, so that no capacity needs to be kept. */
    if ((strings->count & (strings->count - 1)) == 0)
        strings->items =
            nj_realloc(strings->items, strings->count == 0 ? 1 : strings->count * 2, sizeof(char *));
    strings->items[strings->count++] = nj_strdup(text);
    return 0;
}

void nj_config_strings_done(struct nj_config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct nj_config_strings){0};
}

const struct nj_config_field *nj_config_find(const struct nj_config_field *table, const char *path,
                                             size_t *ret_section_offset)
{
    size_t offset = 0;
    for (;;) {
        size_t len = strcspn(path, ".");
        const struct nj_config_field *field = table;
        while (field->key != NULL && (strlen(field->key) != len || memcmp(field->key, path, len) != 0))
            field++;
        if (field->key == NULL)
            return NULL;
        if (path[len] == '\0' || field->type == NJ_CONFIG_LIST) {
            *ret_section_offset = offset;
            return field;
        }
        if (field->type != NJ_CONFIG_SECTION)
            return NULL;
        offset += field->offset;
        table = field->fields;
        path += len + 1;
    }
}

/* Levenshtein's distance of two texts of at most NAME_MAX_COMPARED bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b_len];
}

struct nearest {
    const char *name;
    size_t distance; /* of the best so far; only smaller ones are taken */
    char path[NAME_MAX_COMPARED + 1];
};

static void search_nearest(struct nearest *nearest, const struct nj_config_field *table, const char *parent)
{
    for (const struct nj_config_field *field = table; field->key != NULL; field++) {
        char path[NAME_MAX_COMPARED + 1];
        int len = snprintf(path, sizeof(path), "%s%s%s", parent, parent[0] == '\0' ? "" : ".", field->key);
        if (len >= (int)sizeof(path))
            continue;
        size_t distance = edit_distance(nearest->name, path);
        if (distance > 1 && strcmp(field->key, nearest->name) == 0)
            distance = 1; /* the right name without its section */
        if (distance < nearest->distance) {
            nearest->distance = distance;
            memcpy(nearest->path, path, sizeof(path));
        }
        if (field->type == NJ_CONFIG_SECTION)
            search_nearest(nearest, field->fields, path);
    }
}

void nj_config_append_nearest(struct nj_buf *out, const char *prefix, const struct nj_config_field *table,
                              const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_COMPARED)
        return;
    struct nearest nearest = {.name = name, .distance = (len < 3 ? 1 : len / 3) + 1};
    search_nearest(&nearest, table, "");
    if (nearest.path[0] != '\0')
        (void)nj_buf_printf(out, "%s%s", prefix, nearest.path);
}
