/* Which settings differ, as a reload wants to know it. */
#include <stdio.h>
#include <string.h>

#include "common/base/config.h"
#include "common/base/str.h"

enum { KEY_MAX = 256 };

static bool strings_equal(const struct nj_config_strings *a, const struct nj_config_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool values_equal(const struct nj_config_field *field, const void *a, const void *b);

static bool structs_equal(const struct nj_config_field *fields, const char *a, const char *b)
{
    for (; fields->key != NULL; fields++) {
        if (!values_equal(fields, a + fields->offset, b + fields->offset))
            return false;
    }
    return true;
}

static bool lists_equal(const struct nj_config_field *field, const struct nj_config_list *a,
                        const struct nj_config_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        size_t offset = i * field->item_size;
        if (!structs_equal(field->fields, (const char *)a->items + offset, (const char *)b->items + offset))
            return false;
    }
    return true;
}

static bool values_equal(const struct nj_config_field *field, const void *a, const void *b)
{
    switch (field->type) {
    case NJ_CONFIG_STRING:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    case NJ_CONFIG_INT:
    case NJ_CONFIG_DURATION:
    case NJ_CONFIG_SIZE:
        return *(const int64_t *)a == *(const int64_t *)b;
    case NJ_CONFIG_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case NJ_CONFIG_ENUM:
        return *(const int *)a == *(const int *)b;
    case NJ_CONFIG_STRING_LIST:
    case NJ_CONFIG_MAP:
        return strings_equal(a, b);
    case NJ_CONFIG_SECTION:
        return structs_equal(field->fields, a, b);
    case NJ_CONFIG_LIST:
        return lists_equal(field, a, b);
    }
    return true;
}

static bool is_live(const char *const *live, const char *key)
{
    for (; *live != NULL; live++) {
        if (nj_str_starts(key, *live))
            return true;
    }
    return false;
}

struct comparison {
    const char *const *live;
    void (*each)(void *data, const char *key, bool live);
    void *data;
};

static void compare(const struct comparison *comparison, const struct nj_config_field *fields,
                    const char *section, const char *a, const char *b)
{
    for (; fields->key != NULL; fields++) {
        char key[KEY_MAX];
        (void)snprintf(key, sizeof(key), "%s%s%s", section, section[0] == '\0' ? "" : ".", fields->key);
        if (fields->type == NJ_CONFIG_SECTION)
            compare(comparison, fields->fields, key, a + fields->offset, b + fields->offset);
        else if (!values_equal(fields, a + fields->offset, b + fields->offset))
            comparison->each(comparison->data, key, is_live(comparison->live, key));
    }
}

void nj_config_compare(const struct nj_config_field *table, const void *before, const void *after,
                       const char *const *live, void (*each)(void *data, const char *key, bool live),
                       void *data)
{
    const struct comparison comparison = {.live = live, .each = each, .data = data};
    compare(&comparison, table, "", before, after);
}
