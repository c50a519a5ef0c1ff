#include "collector/import/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum { LINE_WIDTH = 120, INDENT = 2, NUMBER_TEXT_MAX = 64 };

struct conversion {
    yaml_document_t *document;
    size_t nodes;
    struct nj_err *err;
    int rc;
};

static bool is_one_of(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

/* The core schema of YAML 1.2 (10.3.2), which is what the programs that these files are for make of plain
 * words. */
static struct json_object *plain_scalar(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    char *end = NULL;
    if (is_one_of(text, nulls))
        return NULL;
    if (is_one_of(text, yes) || is_one_of(text, no))
        return json_object_new_boolean(is_one_of(text, yes));
    if (strspn(text, "+-0123456789") == strlen(text)) {
        errno = 0;
        long long number = strtoll(text, &end, 10);
        if (errno == 0 && *end == '\0')
            return json_object_new_int64(number);
    }
    if (strspn(text, "+-.0123456789eE") == strlen(text) && strpbrk(text, "0123456789") != NULL) {
        double number = strtod(text, &end);
        if (*end == '\0')
            return json_object_new_double_s(number, text);
    }
    return json_object_new_string(text);
}

static struct json_object *convert(struct conversion *conversion, yaml_node_t *node, int depth);

static struct json_object *convert_sequence(struct conversion *conversion, const yaml_node_t *node, int depth)
{
    struct json_object *list = json_object_new_array();
    for (const yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++)
        (void)json_object_array_add(
            list, convert(conversion, yaml_document_get_node(conversion->document, *item), depth + 1));
    return list;
}

static struct json_object *convert_mapping(struct conversion *conversion, const yaml_node_t *node, int depth)
{
    struct json_object *object = json_object_new_object();
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = yaml_document_get_node(conversion->document, pair->key);
        if (key == NULL || key->type != YAML_SCALAR_NODE) {
            conversion->rc = nj_err_set(conversion->err, -EBADMSG, "line %zu: a key is no word",
                                        key == NULL ? 0 : key->start_mark.line + 1);
            break;
        }
        struct json_object *value =
            convert(conversion, yaml_document_get_node(conversion->document, pair->value), depth + 1);
        (void)json_object_object_add(object, (const char *)key->data.scalar.value, value);
    }
    return object;
}

static struct json_object *convert(struct conversion *conversion, yaml_node_t *node, int depth)
{
    if (conversion->rc < 0 || node == NULL)
        return NULL;
    if (depth > NJ_TREE_DEPTH_MAX || ++conversion->nodes > NJ_TREE_NODES_MAX) {
        conversion->rc =
            nj_err_set(conversion->err, -EBADMSG, "line %zu: more than %d levels, or than %d values",
                       node->start_mark.line + 1, NJ_TREE_DEPTH_MAX, NJ_TREE_NODES_MAX);
        return NULL;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE: {
        const char *text = (const char *)node->data.scalar.value;
        if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
            return plain_scalar(text);
        return json_object_new_string_len(text, (int)node->data.scalar.length);
    }
    case YAML_SEQUENCE_NODE:
        return convert_sequence(conversion, node, depth);
    case YAML_MAPPING_NODE:
        return convert_mapping(conversion, node, depth);
    case YAML_NO_NODE:
        break;
    }
    return NULL;
}

int nj_tree_parse(const char *text, size_t len, struct json_object **ret_tree, struct nj_err *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return nj_err_set(err, -ENOMEM, "no memory to read YAML");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &document)) {
        int rc = nj_err_set(err, -EBADMSG, "line %zu, column %zu: %s", parser.problem_mark.line + 1,
                            parser.problem_mark.column + 1, nj_str(parser.problem));
        yaml_parser_delete(&parser);
        return rc;
    }
    struct conversion conversion = {.document = &document, .err = err};
    struct json_object *tree = convert(&conversion, yaml_document_get_root_node(&document), 0);
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    if (conversion.rc < 0) {
        json_object_put(tree);
        return conversion.rc;
    }
    *ret_tree = tree;
    return 0;
}

int nj_tree_read_file(const char *path, char **ret_text, size_t *ret_len, struct nj_err *err)
{
    struct nj_buf text = {.max = NJ_TREE_FILE_MAX};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return nj_err_set(err, -errno, "%s: %s", path, strerror(errno));
    int rc = 0;
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0)
            break;
        if (got < 0) {
            rc = nj_err_set(err, -errno, "%s: %s", path, strerror(errno));
            break;
        }
        if (nj_buf_append(&text, chunk, (size_t)got) < 0) {
            rc = nj_err_set(err, -EFBIG, "%s has more than %d bytes", path, NJ_TREE_FILE_MAX);
            break;
        }
    }
    (void)close(fd);
    if (rc == 0) {
        *ret_len = text.len;
        *ret_text = nj_buf_take(&text);
    }
    nj_buf_done(&text);
    return rc;
}

/* A word that would be read as something else, or by an older reader as yes or no, gets quotes. */
static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", NULL};
    struct json_object *read = plain_scalar(text);
    bool is_text = read != NULL && json_object_get_type(read) == json_type_string;
    json_object_put(read);
    if (!is_text)
        return true;
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static int take_output(void *data, unsigned char *bytes, size_t size)
{
    return nj_buf_append(data, bytes, size) == 0;
}

static bool emit(yaml_emitter_t *emitter, struct json_object *value)
{
    yaml_event_t event;
    switch (json_object_get_type(value)) {
    case json_type_object: {
        bool ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) &&
                  yaml_emitter_emit(emitter, &event);
        json_object_object_foreach(value, key, member)
        {
            ok = ok &&
                 yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)key, -1, 1, 1,
                                              needs_quotes(key) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                                : YAML_ANY_SCALAR_STYLE) &&
                 yaml_emitter_emit(emitter, &event) && emit(emitter, member);
        }
        return ok && yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
    }
    case json_type_array: {
        bool ok = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE) &&
                  yaml_emitter_emit(emitter, &event);
        for (size_t i = 0; i < json_object_array_length(value); i++)
            ok = ok && emit(emitter, json_object_array_get_idx(value, i));
        return ok && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
    }
    default: {
        const char *text = value == NULL ? "null" : json_object_get_string(value);
        bool quoted = json_object_get_type(value) == json_type_string && needs_quotes(text);
        return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, -1, 1, 1,
                                            quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                   : YAML_ANY_SCALAR_STYLE) &&
               yaml_emitter_emit(emitter, &event);
    }
    }
}

int nj_tree_write(struct json_object *tree, struct nj_buf *out)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return -ENOMEM;
    yaml_emitter_set_output(&emitter, take_output, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, LINE_WIDTH);
    yaml_emitter_set_indent(&emitter, INDENT);
    bool ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
              yaml_emitter_emit(&emitter, &event) &&
              yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
              yaml_emitter_emit(&emitter, &event) && emit(&emitter, tree) &&
              yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&emitter, &event) &&
              yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
    return ok ? nj_buf_check(out) : -ENOMEM;
}

struct json_object *nj_tree_get(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    if (json_object_get_type(object) != json_type_object || !json_object_object_get_ex(object, name, &member))
        return NULL;
    return member;
}

const char *nj_tree_text(struct json_object *object, const char *name)
{
    struct json_object *member = nj_tree_get(object, name);
    enum json_type type = json_object_get_type(member);
    return type == json_type_null || type == json_type_object || type == json_type_array
               ? NULL
               : json_object_get_string(member);
}

bool nj_tree_bool(struct json_object *object, const char *name, bool fallback)
{
    struct json_object *member = nj_tree_get(object, name);
    return member == NULL ? fallback : json_object_get_boolean(member) != 0;
}

int64_t nj_tree_int(struct json_object *object, const char *name, int64_t fallback)
{
    struct json_object *member = nj_tree_get(object, name);
    return member == NULL ? fallback : json_object_get_int64(member);
}

size_t nj_tree_count(struct json_object *list)
{
    return json_object_get_type(list) == json_type_array ? json_object_array_length(list) : 0;
}
