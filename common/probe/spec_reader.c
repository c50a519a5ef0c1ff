#include "common/probe/spec_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/probe/template.h"

enum { PATH_DEPTH_MAX = 16 };

/* ---- errors */

static void append_path(struct nj_buf *out, const struct nj_spec_node *node)
{
    const struct nj_spec_node *path[PATH_DEPTH_MAX];
    size_t depth = 0;
    for (; node != NULL && node->parent != NULL && depth < PATH_DEPTH_MAX; node = node->parent)
        path[depth++] = node;
    while (depth-- > 0) {
        if (path[depth]->key == NULL)
            (void)nj_buf_printf(out, "[%zu]", path[depth]->index);
        else
            (void)nj_buf_printf(out, ".%s", path[depth]->key);
    }
}

int nj_spec_fail(const struct nj_spec_reader *reader, const struct nj_spec_node *node, const char *format,
                 ...)
{
    char text[NJ_ERR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (len >= (int)sizeof(text))
        text[nj_utf8_cut(text, sizeof(text) - 1, sizeof(text) - 2)] = '\0';
    struct nj_buf path = {0};
    append_path(&path, node);
    (void)nj_err_set(reader->err, -EINVAL, "%s%s: %s", reader->where, nj_buf_str(&path), text);
    nj_buf_done(&path);
    return -EINVAL;
}

int nj_spec_fail_at(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                    const char *text)
{
    struct nj_spec_node node = {.parent = parent, .key = key};
    return nj_spec_fail(reader, &node, "%s", text);
}

const char *nj_spec_shown(const char *text, char buffer[NJ_SPEC_SHOWN_MAX + 4])
{
    size_t len = strlen(text);
    size_t cut = nj_utf8_cut(text, len, NJ_SPEC_SHOWN_MAX);
    memcpy(buffer, text, cut);
    memcpy(buffer + cut, cut < len ? "..." : "", cut < len ? 4 : 1);
    for (char *c = buffer; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    }
    return buffer;
}

static const char *type_name(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return "true or false";
    case json_type_double:
    case json_type_int:
        return "a number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "a list";
    case json_type_string:
        return "text";
    default:
        return "null";
    }
}

static void append_words(struct nj_buf *out, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (i > 0)
            (void)nj_buf_append_str(out, words[i + 1] == NULL ? " or " : ", ");
        (void)nj_buf_append_str(out, words[i]);
    }
}

/* ---- memory */

int nj_spec_alloc(struct nj_spec_reader *reader, size_t count, size_t size, void **ret_memory)
{
    struct nj_arena *arena = &reader->memory->arena;
    void *memory = nj_arena_zalloc(arena, count, size);
    if (memory == NULL) {
        if (arena->starved)
            nj_out_of_memory();
        (void)nj_err_set(reader->err, -E2BIG, "%s: it is too large", reader->where);
        return -E2BIG;
    }
    *ret_memory = memory;
    return 0;
}

int nj_spec_copy(struct nj_spec_reader *reader, const char *text, size_t len, const char **ret_copy)
{
    void *copy = NULL;
    int rc = nj_spec_alloc(reader, 1, len + 1, &copy);
    if (rc < 0)
        return rc;
    memcpy(copy, text, len);
    *ret_copy = copy;
    return 0;
}

/* ---- objects and lists */

bool nj_spec_member(const struct nj_spec_node *parent, const char *key, struct nj_spec_node *ret_node)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(parent->value, key, &value) || value == NULL)
        return false;
    *ret_node = (struct nj_spec_node){.parent = parent, .key = key, .value = value};
    return true;
}

int nj_spec_check_members(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                          const char *const *members)
{
    if (!json_object_is_type(node->value, json_type_object))
        return nj_spec_fail(reader, node, "must be an object, not %s", type_name(node->value));
    struct json_object_iterator at = json_object_iter_begin(node->value);
    struct json_object_iterator end = json_object_iter_end(node->value);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *name = json_object_iter_peek_name(&at);
        size_t i = 0;
        while (members[i] != NULL && strcmp(members[i], name) != 0)
            i++;
        if (members[i] != NULL)
            continue;
        char text[NJ_SPEC_SHOWN_MAX + 4];
        struct nj_buf known = {0};
        append_words(&known, members);
        int rc = nj_spec_fail(reader, node, "has no field '%s', use %s", nj_spec_shown(name, text),
                              nj_buf_str(&known));
        nj_buf_done(&known);
        return rc;
    }
    return 0;
}

size_t nj_spec_count_members(const struct nj_spec_node *node, const char *const *members, size_t *ret_index)
{
    size_t count = 0;
    for (size_t i = 0; members[i] != NULL; i++) {
        struct nj_spec_node member;
        if (nj_spec_member(node, members[i], &member)) {
            *ret_index = i;
            count++;
        }
    }
    return count;
}

int nj_spec_one_of(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                   const char *const *members, size_t *ret_index)
{
    size_t index = 0;
    size_t count = nj_spec_count_members(node, members, &index);
    if (count == 1) {
        *ret_index = index;
        return 0;
    }
    struct nj_buf known = {0};
    append_words(&known, members);
    int rc = nj_spec_fail(reader, node, "needs exactly one of %s, has %zu", nj_buf_str(&known), count);
    nj_buf_done(&known);
    return rc;
}

int nj_spec_list(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 size_t max, struct nj_spec_node *ret_list, size_t *ret_count)
{
    struct nj_spec_node list;
    if (!nj_spec_member(parent, key, &list)) {
        *ret_count = 0;
        return 0;
    }
    if (!json_object_is_type(list.value, json_type_array))
        return nj_spec_fail(reader, &list, "must be a list, not %s", type_name(list.value));
    size_t count = json_object_array_length(list.value);
    if (count > max)
        return nj_spec_fail(reader, &list, "has %zu items, at most %zu are allowed", count, max);
    *ret_list = list;
    *ret_count = count;
    return 0;
}

struct nj_spec_node nj_spec_item(const struct nj_spec_node *list, size_t index)
{
    return (struct nj_spec_node){
        .parent = list, .index = index, .value = json_object_array_get_idx(list->value, index)};
}

/* ---- values */

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80)
            count++;
    }
    return count;
}

int nj_spec_text_value(struct nj_spec_reader *reader, const struct nj_spec_node *node,
                       const struct nj_spec_text_rule *rule, const char **ret_text)
{
    if (!json_object_is_type(node->value, json_type_string))
        return nj_spec_fail(reader, node, "must be text, not %s: put it in quotes", type_name(node->value));
    const char *text = json_object_get_string(node->value);
    char buffer[NJ_SPEC_SHOWN_MAX + 4];
    if (strlen(text) != (size_t)json_object_get_string_len(node->value))
        return nj_spec_fail(reader, node, "may not hold a zero character");
    size_t count = characters(text);
    if (count > rule->max)
        return nj_spec_fail(reader, node, "has %zu characters, at most %zu are allowed", count, rule->max);
    if (count < rule->min)
        return nj_spec_fail(reader, node, "may not be empty");
    if (rule->is_valid != NULL && !rule->is_valid(text))
        return nj_spec_fail(reader, node, "'%s' is not allowed, use %s", nj_spec_shown(text, buffer),
                            rule->wanted);
    return nj_spec_copy(reader, text, strlen(text), ret_text);
}

int nj_spec_text(struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 const struct nj_spec_text_rule *rule, const char **ret_text)
{
    struct nj_spec_node node;
    if (nj_spec_member(parent, key, &node))
        return nj_spec_text_value(reader, &node, rule, ret_text);
    if (rule->fallback == NULL)
        return nj_spec_fail_at(reader, parent, key, "is required");
    *ret_text = rule->fallback;
    return 0;
}

int nj_spec_bool(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                 bool fallback, bool *ret_value)
{
    struct nj_spec_node node;
    if (!nj_spec_member(parent, key, &node)) {
        *ret_value = fallback;
        return 0;
    }
    if (!json_object_is_type(node.value, json_type_boolean))
        return nj_spec_fail(reader, &node, "must be true or false, not %s", type_name(node.value));
    *ret_value = json_object_get_boolean(node.value) != 0;
    return 0;
}

int nj_spec_int_value(const struct nj_spec_reader *reader, const struct nj_spec_node *node, int64_t min,
                      int64_t max, int64_t *ret_value)
{
    int64_t value = json_object_get_int64(node->value);
    bool is_whole = json_object_is_type(node->value, json_type_int);
    if (json_object_is_type(node->value, json_type_double)) {
        double number = json_object_get_double(node->value);
        /* 5.0 is a whole number for the Kubernetes API as well. */
        is_whole = number >= -9e15 && number <= 9e15 && (double)(int64_t)number == number;
        value = is_whole ? (int64_t)number : 0;
    }
    if (!is_whole)
        return nj_spec_fail(reader, node, "must be a whole number, not %s",
                            json_object_is_type(node->value, json_type_double) ? "a fraction"
                                                                               : type_name(node->value));
    if (value < min || value > max)
        return nj_spec_fail(reader, node,
                            "%" PRId64 " is out of range, %" PRId64 " to %" PRId64 " is allowed", value, min,
                            max);
    *ret_value = value;
    return 0;
}

int nj_spec_int(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                int64_t min, int64_t max, int64_t fallback, int64_t *ret_value)
{
    struct nj_spec_node node;
    if (nj_spec_member(parent, key, &node))
        return nj_spec_int_value(reader, &node, min, max, ret_value);
    *ret_value = fallback;
    return 0;
}

/* As Go reads it too, which is what the API server's rules do: h, m, s and ms, each with a whole number. */
static bool is_duration(const char *text, int64_t *ret_ns)
{
    size_t len = strlen(text);
    return len > 0 && len <= NJ_SPEC_DURATION_MAX && strspn(text, "0123456789hms") == len &&
           strchr("hms", text[len - 1]) != NULL && nj_parse_duration(text, ret_ns) == 0;
}

int nj_spec_duration(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                     int64_t min_ns, int64_t max_ns, int64_t fallback_ns, int64_t *ret_ns)
{
    struct nj_spec_node node;
    char buffer[NJ_SPEC_SHOWN_MAX + 4], low[NJ_UNIT_TEXT_MAX], high[NJ_UNIT_TEXT_MAX];
    if (!nj_spec_member(parent, key, &node)) {
        *ret_ns = fallback_ns;
        return 0;
    }
    if (!json_object_is_type(node.value, json_type_string))
        return nj_spec_fail(reader, &node, "must be a duration such as \"10s\", not %s",
                            type_name(node.value));
    const char *text = json_object_get_string(node.value);
    int64_t value = 0;
    if (!is_duration(text, &value))
        return nj_spec_fail(reader, &node, "'%s' is no duration, use one such as 500ms, 10s or 1m30s",
                            nj_spec_shown(text, buffer));
    if (value < min_ns || value > max_ns)
        return nj_spec_fail(reader, &node, "%s is out of range, %s to %s is allowed",
                            nj_spec_shown(text, buffer), nj_duration_format(min_ns, low),
                            nj_duration_format(max_ns, high));
    *ret_ns = value;
    return 0;
}

int nj_spec_choice(const struct nj_spec_reader *reader, const struct nj_spec_node *parent, const char *key,
                   const char *const *choices, size_t *ret_index)
{
    struct nj_spec_node node;
    if (!nj_spec_member(parent, key, &node)) {
        *ret_index = 0;
        return 0;
    }
    struct nj_buf known = {0};
    append_words(&known, choices);
    int rc = 0;
    if (!json_object_is_type(node.value, json_type_string)) {
        rc = nj_spec_fail(reader, &node, "must be text (%s), not %s: put it in quotes", nj_buf_str(&known),
                          type_name(node.value));
    } else {
        const char *text = json_object_get_string(node.value);
        size_t i = 0;
        while (choices[i] != NULL && strcmp(choices[i], text) != 0)
            i++;
        char buffer[NJ_SPEC_SHOWN_MAX + 4];
        if (choices[i] != NULL)
            *ret_index = i;
        else
            rc = nj_spec_fail(reader, &node, "'%s' is unknown, use %s", nj_spec_shown(text, buffer),
                              nj_buf_str(&known));
    }
    nj_buf_done(&known);
    return rc;
}

int nj_spec_pattern(struct nj_spec_reader *reader, const struct nj_spec_node *node, enum nj_pattern_kind kind,
                    struct nj_pattern **ret_pattern)
{
    const struct nj_spec_text_rule rule = {.min = kind == NJ_PATTERN_EQUALS ? 0 : 1,
                                           .max = kind == NJ_PATTERN_REGEX ? (size_t)NJ_SPEC_REGEX_MAX
                                                                           : (size_t)NJ_SPEC_VALUE_MAX};
    struct nj_spec_memory *memory = reader->memory;
    const char *text = "";
    int rc = nj_spec_text_value(reader, node, &rule, &text);
    if (rc < 0)
        return rc;
    if (kind == NJ_PATTERN_REGEX && strlen(text) > NJ_SPEC_REGEX_MAX)
        return nj_spec_fail(reader, node, "has %zu bytes, at most %d are allowed", strlen(text),
                            (int)NJ_SPEC_REGEX_MAX);
    if (memory->patterns_count == NJ_SPEC_PATTERNS_MAX)
        return nj_spec_fail(reader, node, "is one pattern too many, at most %d are allowed",
                            (int)NJ_SPEC_PATTERNS_MAX);
    struct nj_err reason;
    struct nj_pattern *pattern = NULL;
    rc = nj_pattern_new(kind, text, &pattern, &reason);
    if (rc < 0)
        return nj_spec_fail(reader, node, "%s", reason.text);
    memory->patterns = nj_realloc(memory->patterns, memory->patterns_count + 1, sizeof(struct nj_pattern *));
    memory->patterns[memory->patterns_count++] = pattern;
    *ret_pattern = pattern;
    return 0;
}

/* ---- variables */

void nj_spec_add_variable(struct nj_spec_reader *reader, const char *name)
{
    reader->variables = nj_realloc(reader->variables, reader->variables_count + 1, sizeof(const char *));
    reader->variables[reader->variables_count++] = name;
}

static bool is_known(const struct nj_spec_reader *reader, const char *name, size_t len)
{
    for (size_t i = 0; i < reader->variables_count; i++) {
        if (strlen(reader->variables[i]) == len && memcmp(reader->variables[i], name, len) == 0)
            return true;
    }
    return false;
}

int nj_spec_check_variables(const struct nj_spec_reader *reader, const struct nj_spec_node *node,
                            const char *text)
{
    struct nj_template_part part;
    int rc;
    while ((rc = nj_template_next(&text, &part)) == 1) {
        if (part.is_variable && !is_known(reader, part.text, part.len))
            return nj_spec_fail(
                reader, node, "${%.*s} is not known here: neither spec.variables nor an earlier step sets it",
                (int)part.len, part.text);
    }
    if (rc < 0)
        return nj_spec_fail(reader, node,
                            "'${' begins a variable such as ${name}; for the text itself write $${");
    return 0;
}
