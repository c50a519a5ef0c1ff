#include "common/base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/config_value.h"
#include "common/base/str.h"

int nj_config_set_defaults(const struct nj_config_field *fields, void *base, struct nj_err *err)
{
    for (const struct nj_config_field *field = fields; field->key != NULL; field++) {
        int rc = 0;
        if (field->type == NJ_CONFIG_SECTION)
            rc = nj_config_set_defaults(field->fields, (char *)base + field->offset, err);
        else if (field->fallback != NULL && nj_config_is_scalar(field))
            rc = nj_config_store_scalar(field, base, field->fallback, err);
        else if (field->fallback != NULL)
            rc = nj_config_read_yaml_value(field, "default", field->fallback, base, err);
        else if (field->type == NJ_CONFIG_STRING)
            rc = nj_config_store_scalar(field, base, "", err);
        if (rc < 0) {
            (void)nj_err_wrap(err, "default of %s", field->key);
            return rc;
        }
    }
    return 0;
}

static int store_flag_list(const struct nj_config_field *field, void *section, const char *value,
                           struct nj_err *err)
{
    struct nj_config_strings *strings = (void *)((char *)section + field->offset);
    nj_config_strings_done(strings);
    while (*value != '\0') {
        size_t len = strcspn(value, ",");
        NJ_CLEANUP_FREE char *item = nj_strndup(value, len);
        int rc = nj_config_append_string(strings, item, nj_config_items_max(field), err);
        if (rc < 0)
            return rc;
        value += len;
        if (*value == ',' && *++value == '\0')
            return nj_err_set(err, -EINVAL, "the text behind the last comma is missing");
    }
    return 0;
}

static int store_flag(const struct nj_config_field *table, const struct nj_config_flag *flag, void *config,
                      struct nj_err *err)
{
    size_t offset = 0;
    const struct nj_config_field *field = nj_config_find(table, flag->key, &offset);
    if (field == NULL) {
        struct nj_buf hint = {0};
        nj_config_append_nearest(&hint, "; did you mean --", table, flag->key);
        if (hint.len > 0)
            (void)nj_buf_append_char(&hint, '?');
        int rc = nj_err_set(err, -EINVAL, "no such setting%s", nj_buf_str(&hint));
        nj_buf_done(&hint);
        return rc;
    }
    void *section = (char *)config + offset;
    if (nj_config_is_scalar(field))
        return nj_config_store_scalar(field, section, flag->value, err);
    if (field->type == NJ_CONFIG_STRING_LIST)
        return store_flag_list(field, section, flag->value, err);
    if (field->type == NJ_CONFIG_SECTION)
        return nj_err_set(err, -EINVAL, "is a section; set one of its settings, such as --%s.%s", flag->key,
                          field->fields[0].key);
    return nj_err_set(err, -EINVAL, "can be set in the configuration file only");
}

int nj_config_load_text(const struct nj_config_field *table, const char *name, const char *text, size_t len,
                        const struct nj_config_flag *flags, size_t flags_count, void *ret_config,
                        struct nj_err *err)
{
    int rc = nj_config_set_defaults(table, ret_config, err);
    if (rc == 0 && text != NULL)
        rc = nj_config_read_yaml(table, name, text, len, ret_config, err);
    for (size_t i = 0; rc == 0 && i < flags_count; i++) {
        rc = store_flag(table, &flags[i], ret_config, err);
        char shown[NJ_CONFIG_SHOWN_MAX];
        if (rc < 0)
            (void)nj_err_wrap(err, "--%s", nj_config_shown(flags[i].key, shown));
    }
    if (rc < 0)
        nj_config_done(table, ret_config);
    return rc;
}

/* Reads all of a file of at most `max` bytes into new memory with a '\0' behind. 0 or a negative errno:
 * -EFBIG when it holds more. Nothing of it stays in other memory, since it may be a secret. */
static int read_file(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *text = nj_try_alloc(max + 1);
    int rc = text == NULL ? -ENOMEM : 0;
    size_t len = 0;
    while (rc == 0 && len <= max) {
        ssize_t got = read(fd, text + len, max + 1 - len);
        if (got == 0)
            break;
        if (got > 0)
            len += (size_t)got;
        else if (errno != EINTR)
            rc = -errno;
    }
    close(fd);
    if (rc == 0 && len > max)
        rc = -EFBIG;
    if (rc < 0) {
        if (text != NULL)
            explicit_bzero(text, max + 1);
        free(text);
        return rc;
    }
    text[len] = '\0';
    *ret_text = text;
    *ret_len = len;
    return 0;
}

int nj_config_load(const struct nj_config_field *table, const char *path, const struct nj_config_flag *flags,
                   size_t flags_count, void *ret_config, struct nj_err *err)
{
    if (path == NULL)
        return nj_config_load_text(table, "", NULL, 0, flags, flags_count, ret_config, err);
    NJ_CLEANUP_FREE char *text = NULL;
    size_t len = 0;
    int rc = read_file(path, NJ_CONFIG_FILE_MAX, &text, &len);
    if (rc == -EFBIG)
        return nj_err_set(err, rc, "%s: is larger than %d bytes", path, NJ_CONFIG_FILE_MAX);
    if (rc < 0)
        return nj_err_set(err, rc, "%s: %s", path, strerror(-rc));
    return nj_config_load_text(table, path, text, len, flags, flags_count, ret_config, err);
}

void nj_config_list_done(const struct nj_config_field *field, struct nj_config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        nj_config_done(field->fields, (char *)list->items + i * field->item_size);
    free(list->items);
    *list = (struct nj_config_list){0};
}

void nj_config_done(const struct nj_config_field *table, void *config)
{
    for (const struct nj_config_field *field = table; field->key != NULL; field++) {
        void *value = (char *)config + field->offset;
        switch (field->type) {
        case NJ_CONFIG_STRING: {
            char **string = value;
            free(*string);
            *string = NULL;
            break;
        }
        case NJ_CONFIG_STRING_LIST:
        case NJ_CONFIG_MAP:
            nj_config_strings_done(value);
            break;
        case NJ_CONFIG_SECTION:
            nj_config_done(field->fields, value);
            break;
        case NJ_CONFIG_LIST:
            nj_config_list_done(field, value);
            break;
        case NJ_CONFIG_BOOL:
            memset(value, 0, sizeof(bool));
            break;
        case NJ_CONFIG_ENUM:
            memset(value, 0, sizeof(int));
            break;
        case NJ_CONFIG_INT:
        case NJ_CONFIG_DURATION:
        case NJ_CONFIG_SIZE:
            memset(value, 0, sizeof(int64_t));
            break;
        }
    }
}

int nj_config_read_secret(const char *key, const char *path, size_t max, char **ret_text, size_t *ret_len,
                          struct nj_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = read_file(path, max, &text, &len);
    if (rc == -EFBIG)
        return nj_err_set(err, rc, "%s: %s: is larger than %zu bytes", key, path, max);
    if (rc < 0)
        return nj_err_set(err, rc, "%s: %s: %s", key, path, strerror(-rc));
    if (len > 0 && text[len - 1] == '\n') {
        text[--len] = '\0';
        if (len > 0 && text[len - 1] == '\r')
            text[--len] = '\0';
    }
    if (len == 0) {
        free(text);
        return nj_err_set(err, -EINVAL, "%s: %s: is empty", key, path);
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}
