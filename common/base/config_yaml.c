/*
 * Settings from YAML, by libyaml's events straight into the struct. The recursion is as deep as the table,
 * whatever the file nests: a value that the table does not expect is an error at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/alloc.h"
#include "common/base/config_value.h"
#include "common/base/str.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; owned */
    const char *name;
    const char *text;
    size_t len;
    struct nj_buf path; /* dotted, of the value that is read: "routes[0].channels" */
    struct nj_err *err;
};

static size_t event_line(const struct reader *reader)
{
    return reader->event.start_mark.line + 1;
}

/* Puts file, line and path before the error's text; returns its code. */
static int locate(struct reader *reader, size_t line)
{
    if (reader->path.len > 0)
        (void)nj_err_wrap(reader->err, "%s", nj_buf_str(&reader->path));
    return nj_err_wrap(reader->err, "%s:%zu", reader->name, line);
}

static int fail(struct reader *reader, const char *text)
{
    (void)nj_err_set(reader->err, -EINVAL, "%s", text);
    return locate(reader, event_line(reader));
}

/* Enters a value's name; returns what leave() needs. */
static size_t enter(struct reader *reader, const char *key)
{
    size_t before = reader->path.len;
    (void)nj_buf_printf(&reader->path, "%s%s", before == 0 ? "" : ".", key);
    return before;
}

static size_t enter_index(struct reader *reader, size_t index)
{
    size_t before = reader->path.len;
    (void)nj_buf_printf(&reader->path, "[%zu]", index);
    return before;
}

static void leave(struct reader *reader, size_t before)
{
    reader->path.len = before;
    reader->path.data[before] = '\0';
}

static int fail_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return nj_err_set(reader->err, -ENOMEM, "%s: out of memory", reader->name);
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        /* Such an error has an offset only. */
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < reader->len; i++)
            line += reader->text[i] == '\n';
    }
    (void)nj_err_set(reader->err, -EINVAL, "not valid YAML: %s%s%s", nj_str(parser->problem),
                     parser->context == NULL ? "" : " ", nj_str(parser->context));
    return nj_err_wrap(reader->err, "%s:%zu", reader->name, line);
}

/* Moves to the next event. */
static int next(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    return yaml_parser_parse(&reader->parser, &reader->event) == 1 ? 0 : fail_syntax(reader);
}

/* Refuses what makes a file say something else than it shows. The current event starts a value or a key. */
static int check_plain(struct reader *reader)
{
    const yaml_event_t *event = &reader->event;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail(reader, "YAML aliases (*name) are not supported, write the value out");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL)
            return fail(reader, "a NUL character is not allowed");
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL)
        return fail(reader, "YAML anchors (&name) are not supported, write the value out where it is needed");
    if (tag != NULL)
        return fail(reader, "YAML tags (!name) are not supported, leave the tag out");
    return 0;
}

static const char *scalar_text(const struct reader *reader)
{
    return (const char *)reader->event.data.scalar.value;
}

static bool is_scalar(const struct reader *reader)
{
    return reader->event.type == YAML_SCALAR_EVENT;
}

static bool is_unquoted(const struct reader *reader)
{
    return is_scalar(reader) && reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* As YAML's core schema has it: https://yaml.org/spec/1.2.2/#1032-tag-resolution */
static bool is_null(const struct reader *reader)
{
    static const char *const spellings[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; is_unquoted(reader) && i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        if (strcmp(scalar_text(reader), spellings[i]) == 0)
            return true;
    }
    return false;
}

static int read_mapping(struct reader *reader, const struct nj_config_field *fields, void *base);
static int read_value(struct reader *reader, const struct nj_config_field *field, void *base);

static int read_scalar(struct reader *reader, const struct nj_config_field *field, void *base)
{
    if (!is_scalar(reader) || is_null(reader)) {
        struct nj_buf type = {0};
        nj_config_append_type(&type, field);
        (void)nj_err_set(reader->err, -EINVAL, "%s (%s)",
                         is_scalar(reader) ? "a value is missing; leave the line out to have the default"
                                           : "a single value is needed",
                         nj_buf_str(&type));
        nj_buf_done(&type);
        return locate(reader, event_line(reader));
    }
    bool number_or_bool = field->type == NJ_CONFIG_INT || field->type == NJ_CONFIG_BOOL;
    if (number_or_bool && !is_unquoted(reader))
        return fail(reader, field->type == NJ_CONFIG_INT ? "a whole number without quotes is needed"
                                                         : "true or false without quotes is needed");
    int rc = nj_config_store_scalar(field, base, scalar_text(reader), reader->err);
    return rc < 0 ? locate(reader, event_line(reader)) : 0;
}

static int read_string_list(struct reader *reader, const struct nj_config_field *field,
                            struct nj_config_strings *strings)
{
    if (reader->event.type != YAML_SEQUENCE_START_EVENT)
        return fail(reader, "a list is needed, such as [a, b]");
    nj_config_strings_done(strings);
    for (;;) {
        int rc = next(reader);
        if (rc < 0)
            return rc;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        size_t before = enter_index(reader, strings->count);
        rc = check_plain(reader);
        if (rc == 0 && !is_scalar(reader))
            rc = fail(reader, "a text is needed");
        if (rc == 0 && is_null(reader))
            rc = fail(reader, "a text is missing");
        leave(reader, before);
        if (rc == 0 && nj_config_append_string(strings, scalar_text(reader), nj_config_items_max(field),
                                               reader->err) < 0)
            rc = locate(reader, event_line(reader));
        if (rc < 0)
            return rc;
    }
}

static int read_list(struct reader *reader, const struct nj_config_field *field, struct nj_config_list *list)
{
    if (reader->event.type != YAML_SEQUENCE_START_EVENT)
        return fail(reader, "a list of sections is needed, each starting with \"- \"");
    nj_config_list_done(field, list);
    for (;;) {
        int rc = next(reader);
        if (rc < 0)
            return rc;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        if ((int64_t)list->count >= nj_config_items_max(field)) {
            (void)nj_err_set(reader->err, -EINVAL, "has too many entries, at most %" PRId64 " are allowed",
                             nj_config_items_max(field));
            return locate(reader, event_line(reader));
        }
        /* Grows at each power of two, so that no capacity needs to be kept. */
        if ((list->count & (list->count - 1)) == 0)
            list->items = nj_realloc(list->items, list->count == 0 ? 1 : list->count * 2, field->item_size);
        void *item = (char *)list->items + list->count * field->item_size;
        memset(item, 0, field->item_size);
        size_t before = enter_index(reader, list->count);
        list->count++;
        rc = nj_config_set_defaults(field->fields, item, reader->err);
        if (rc == 0)
            rc = check_plain(reader);
        if (rc == 0)
            rc = read_mapping(reader, field->fields, item);
        leave(reader, before);
        if (rc < 0)
            return rc;
    }
}

/* The current event is a key of a map: checks it and appends it. */
static int read_map_key(struct reader *reader, const struct nj_config_field *field,
                        struct nj_config_strings *map)
{
    int rc = check_plain(reader);
    if (rc < 0)
        return rc;
    if (!is_scalar(reader))
        return fail(reader, "a key must be a text");
    const char *key = scalar_text(reader);
    size_t len = strlen(key);
    if (len == 0 || len > NJ_CONFIG_MAP_KEY_MAX)
        return fail(reader, len == 0 ? "a key is empty" : "a key is too long");
    for (const char *c = key; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return fail(reader, "a key with a control character is not allowed");
    }
    char shown[NJ_CONFIG_SHOWN_MAX];
    for (size_t i = 0; i < map->count; i += 2) {
        if (strcmp(map->items[i], key) == 0) {
            (void)nj_err_set(reader->err, -EINVAL, "the key \"%s\" stands twice",
                             nj_config_shown(key, shown));
            return locate(reader, event_line(reader));
        }
    }
    rc = nj_config_append_string(map, key, 2 * nj_config_items_max(field), reader->err);
    return rc < 0 ? locate(reader, event_line(reader)) : 0;
}

static int read_map(struct reader *reader, const struct nj_config_field *field, struct nj_config_strings *map)
{
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return fail(reader, "keys with values are needed");
    nj_config_strings_done(map);
    for (;;) {
        int rc = next(reader);
        if (rc < 0)
            return rc;
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return 0;
        if ((int64_t)map->count >= 2 * nj_config_items_max(field)) {
            (void)nj_err_set(reader->err, -EINVAL, "has too many entries, at most %" PRId64 " are allowed",
                             nj_config_items_max(field));
            return locate(reader, event_line(reader));
        }
        rc = read_map_key(reader, field, map);
        if (rc == 0)
            rc = next(reader);
        if (rc == 0)
            rc = check_plain(reader);
        if (rc == 0 && !is_scalar(reader))
            rc = fail(reader, "a key's value must be a single value");
        if (rc < 0)
            return rc;
        const char *value = is_null(reader) ? "" : scalar_text(reader);
        rc = nj_config_append_string(map, value, 2 * nj_config_items_max(field), reader->err);
        if (rc < 0)
            return locate(reader, event_line(reader));
    }
}

static int read_value(struct reader *reader, const struct nj_config_field *field, void *base)
{
    int rc = check_plain(reader);
    if (rc < 0)
        return rc;
    if (nj_config_is_scalar(field))
        return read_scalar(reader, field, base);
    if (is_null(reader))
        return 0;
    void *value = (char *)base + field->offset;
    switch (field->type) {
    case NJ_CONFIG_STRING_LIST:
        return read_string_list(reader, field, value);
    case NJ_CONFIG_LIST:
        return read_list(reader, field, value);
    case NJ_CONFIG_MAP:
        return read_map(reader, field, value);
    default:
        return read_mapping(reader, field->fields, value);
    }
}

static int fail_unknown_key(struct reader *reader, const struct nj_config_field *fields)
{
    char shown[NJ_CONFIG_SHOWN_MAX];
    struct nj_buf hint = {0};
    nj_config_append_nearest(&hint, "; did you mean ", fields, scalar_text(reader));
    if (hint.len > 0)
        (void)nj_buf_append_char(&hint, '?');
    size_t before = enter(reader, nj_config_shown(scalar_text(reader), shown));
    (void)nj_err_set(reader->err, -EINVAL, "no such setting%s", nj_buf_str(&hint));
    int rc = locate(reader, event_line(reader));
    leave(reader, before);
    nj_buf_done(&hint);
    return rc;
}

/* One key and its value; `lines` remembers for each field in which line it stood. */
static int read_entry(struct reader *reader, const struct nj_config_field *fields, size_t *lines, void *base)
{
    int rc = check_plain(reader);
    if (rc < 0)
        return rc;
    if (!is_scalar(reader))
        return fail(reader, "a key must be a text");
    const struct nj_config_field *field = fields;
    while (field->key != NULL && strcmp(field->key, scalar_text(reader)) != 0)
        field++;
    if (field->key == NULL)
        return fail_unknown_key(reader, fields);
    size_t before = enter(reader, field->key);
    size_t *line = &lines[field - fields];
    if (*line != 0) {
        (void)nj_err_set(reader->err, -EINVAL, "stands twice, first in line %zu", *line);
        rc = locate(reader, event_line(reader));
    } else {
        *line = event_line(reader);
        rc = next(reader);
        if (rc == 0)
            rc = read_value(reader, field, base);
    }
    leave(reader, before);
    return rc;
}

/* The current event starts the mapping; on success it is the one that ends it. */
static int read_mapping(struct reader *reader, const struct nj_config_field *fields, void *base)
{
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return fail(reader, "settings are needed, each as \"key: value\"");
    size_t count = 0;
    while (fields[count].key != NULL)
        count++;
    size_t *lines = nj_calloc(count, sizeof(*lines));
    int rc;
    while ((rc = next(reader)) == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        rc = read_entry(reader, fields, lines, base);
        if (rc < 0)
            break;
    }
    free(lines);
    return rc;
}

/* `field` is read when it is not NULL, else the document is a mapping of `fields`. */
static int read_stream(struct reader *reader, const struct nj_config_field *fields,
                       const struct nj_config_field *field, void *base)
{
    int rc = next(reader); /* the stream's start */
    if (rc == 0)
        rc = next(reader);
    if (rc < 0 || reader->event.type == YAML_STREAM_END_EVENT)
        return rc; /* nothing but comments */
    rc = next(reader);
    if (rc == 0 && field != NULL) {
        rc = read_value(reader, field, base);
    } else if (rc == 0) {
        rc = check_plain(reader);
        if (rc == 0 && !is_null(reader))
            rc = read_mapping(reader, fields, base);
    }
    if (rc == 0)
        rc = next(reader); /* the document's end */
    if (rc == 0)
        rc = next(reader);
    if (rc == 0 && reader->event.type != YAML_STREAM_END_EVENT)
        rc = fail(reader, "a second document (---) is not allowed");
    return rc;
}

static int read_text(const struct nj_config_field *fields, const struct nj_config_field *field,
                     const char *name, const char *text, size_t len, void *base, struct nj_err *err)
{
    struct nj_err ignored;
    struct reader reader = {.name = name, .text = text, .len = len, .err = err == NULL ? &ignored : err};
    if (len > NJ_CONFIG_FILE_MAX)
        return nj_err_set(err, -EINVAL, "%s: is larger than %d bytes", name, NJ_CONFIG_FILE_MAX);
    if (yaml_parser_initialize(&reader.parser) == 0)
        return nj_err_set(err, -ENOMEM, "%s: out of memory", name);
    (void)nj_buf_append_str(&reader.path, "");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
    int rc = read_stream(&reader, fields, field, base);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    nj_buf_done(&reader.path);
    return rc;
}

int nj_config_read_yaml(const struct nj_config_field *fields, const char *name, const char *text, size_t len,
                        void *base, struct nj_err *err)
{
    return read_text(fields, NULL, name, text, len, base, err);
}

int nj_config_read_yaml_value(const struct nj_config_field *field, const char *name, const char *text,
                              void *base, struct nj_err *err)
{
    return read_text(NULL, field, name, text, strlen(text), base, err);
}
