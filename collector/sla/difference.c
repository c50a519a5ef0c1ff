#include "collector/sla/difference.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "collector/sla/json_get.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"

enum { DEPTH_MAX = 32, PATH_MAX_BYTES = 512, ELEMENTS_MAX = 1024 };

struct walk {
    struct nj_buf text;
    size_t lines, more;
    char path[PATH_MAX_BYTES];
    size_t hidden; /* how many of the path's segments say that values are nobody's business */
};

/* ---- what is not shown */

static const char *const secret_words[] = {"secret", "passw", "token",  "credential",
                                           "key",    "auth",  "private"};

static bool speaks_of_secrets(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++) {
        size_t word = strlen(secret_words[i]);
        for (size_t at = 0; at + word <= len; at++) {
            if (strncasecmp(text + at, secret_words[i], word) == 0)
                return true;
        }
    }
    return false;
}

/* Of a PodSpec's fields those that sound like it and only name things. */
static bool is_harmless(const char *segment)
{
    static const char *const names[] = {"key", "topologyKey", "matchLabelKeys", "mismatchLabelKeys",
                                        "automountServiceAccountToken"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nj_streq(segment, names[i]))
            return true;
    }
    return false;
}

static bool is_hidden(const char *segment)
{
    return nj_streq(segment, "env") || nj_streq(segment, "httpHeaders") ||
           (speaks_of_secrets(segment, strlen(segment)) && !is_harmless(segment));
}

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static size_t value_len(const char *text)
{
    return strcspn(text, " \t\r\n;&|,\"'");
}

static void put(struct nj_buf *out, const char *text, size_t len)
{
    (void)nj_buf_append(out, text, len);
}

/* "password=..." and "token: ..." within a command, "://user:password@" within an address. */
static void append_masked(struct nj_buf *out, const char *text)
{
    const char *at = text;
    while (*at != '\0') {
        size_t name = 0;
        while (is_of_name(at[name]))
            name++;
        if (name > 0 && (at[name] == '=' || at[name] == ':') && speaks_of_secrets(at, name)) {
            put(out, at, name + 1);
            at += name + 1;
            size_t space = strspn(at, " \"'");
            put(out, at, space);
            at += space;
            size_t value = value_len(at);
            put(out, "***", value > 0 ? 3 : 0);
            at += value;
        } else if (strncmp(at, "://", 3) == 0) {
            size_t host = strcspn(at + 3, "@/ \t\r\n\"'");
            bool user = at[3 + host] == '@';
            put(out, user ? "://***" : "://", user ? 6 : 3);
            at += user ? 3 + host : 3;
        } else {
            size_t step = name > 0 ? name : 1;
            put(out, at, step);
            at += step;
        }
    }
}

/* ---- values as text */

static void append_string(struct nj_buf *out, const char *text)
{
    struct nj_buf masked = {0};
    append_masked(&masked, text);
    (void)nj_json_append_string(out, nj_buf_str(&masked), masked.len);
    nj_buf_done(&masked);
}

/* A flag that is followed by its value: ["--password", "x"]. */
static bool announces_secret(struct json_object *element)
{
    const char *text = json_object_is_type(element, json_type_string) ? json_object_get_string(element) : "";
    return text[0] == '-' && strpbrk(text, "= ") == NULL && speaks_of_secrets(text, strlen(text));
}

static void append_value(struct nj_buf *out, struct json_object *value);

static void append_array(struct nj_buf *out, struct json_object *array)
{
    size_t count = json_object_array_length(array);
    bool secret = false;
    put(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        struct json_object *element = json_object_array_get_idx(array, i);
        put(out, ",", i > 0);
        if (secret)
            put(out, "\"***\"", 5);
        else
            append_value(out, element);
        secret = announces_secret(element);
    }
    put(out, "]", 1);
}

static void append_object(struct nj_buf *out, struct json_object *object)
{
    bool first = true;
    put(out, "{", 1);
    json_object_object_foreach(object, key, value)
    {
        put(out, ",", !first);
        first = false;
        (void)nj_json_append_string(out, key, strlen(key));
        put(out, ":", 1);
        if (is_hidden(key))
            put(out, "\"***\"", 5);
        else
            append_value(out, value);
    }
    put(out, "}", 1);
}

static void append_value(struct nj_buf *out, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        append_string(out, json_object_get_string(value));
        break;
    case json_type_array:
        append_array(out, value);
        break;
    case json_type_object:
        append_object(out, value);
        break;
    default:
        (void)nj_buf_printf(out, "%s", value == NULL ? "none" : json_object_get_string(value));
        break;
    }
}

static void append_cut(struct nj_buf *out, struct json_object *value)
{
    struct nj_buf text = {0};
    append_value(&text, value);
    size_t len = nj_utf8_cut(nj_buf_str(&text), text.len, NJ_DIFFERENCE_VALUE_MAX);
    put(out, nj_buf_str(&text), len);
    put(out, "...", len < text.len ? 3 : 0);
    nj_buf_done(&text);
}

/* ---- lines */

static bool begin_line(struct walk *walk)
{
    if (walk->lines == NJ_DIFFERENCE_LINES_MAX) {
        walk->more++;
        return false;
    }
    walk->lines++;
    (void)nj_buf_printf(&walk->text, "%s%s: ", walk->text.len == 0 ? "" : "\n", walk->path);
    return true;
}

static void say(struct walk *walk, const char *words)
{
    if (begin_line(walk))
        put(&walk->text, words, strlen(words));
}

static void say_values(struct walk *walk, struct json_object *from, struct json_object *to)
{
    if (walk->hidden > 0) {
        say(walk, from == NULL ? "added" : to == NULL ? "removed" : "changed");
    } else if (begin_line(walk)) {
        append_cut(&walk->text, from);
        put(&walk->text, " -> ", 4);
        append_cut(&walk->text, to);
    }
}

/* ---- walking */

static void compare(struct walk *walk, struct json_object *from, struct json_object *to, int depth);

struct mark {
    size_t len, hidden;
};

/* As part of a line, whatever a key or a name holds. */
static void append_name(struct nj_buf *out, const char *name)
{
    size_t from = out->len;
    (void)nj_utf8_append_lossy(out, name, strlen(name));
    for (size_t i = from; i < out->len; i++) {
        if ((unsigned char)out->data[i] < ' ' || out->data[i] == 0x7f)
            out->data[i] = '?';
    }
}

/* One segment further: ".name", or "[name]" of something that is called so. */
static struct mark enter(struct walk *walk, const char *name, bool element)
{
    struct mark mark = {strlen(walk->path), walk->hidden};
    struct nj_buf segment = {0};
    put(&segment, element ? "[" : ".", element || mark.len > 0);
    append_name(&segment, name);
    put(&segment, "]", element);
    size_t len = nj_utf8_cut(nj_buf_str(&segment), segment.len, sizeof(walk->path) - 1 - mark.len);
    memcpy(walk->path + mark.len, nj_buf_str(&segment), len);
    walk->path[mark.len + len] = '\0';
    walk->hidden += is_hidden(name);
    nj_buf_done(&segment);
    return mark;
}

static void leave(struct walk *walk, struct mark mark)
{
    walk->path[mark.len] = '\0';
    walk->hidden = mark.hidden;
}

/* What tells an element from the others, as it tells a server's merge (patchMergeKey); NULL: nothing does. */
static const char *name_of(struct json_object *element, const char *key)
{
    struct json_object *value = nj_sla_json_get(element, key);
    enum json_type type = json_object_get_type(value);
    return type == json_type_string || type == json_type_int ? json_object_get_string(value) : NULL;
}

static struct json_object *named(struct json_object *array, const char *key, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *element = json_object_array_get_idx(array, i);
        if (nj_streq(name_of(element, key), name))
            return element;
    }
    return NULL;
}

static bool are_named(struct json_object *array, const char *key)
{
    size_t count = json_object_array_length(array);
    if (count > ELEMENTS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct json_object *element = json_object_array_get_idx(array, i);
        const char *name = name_of(element, key);
        if (name == NULL || named(array, key, name) != element)
            return false;
    }
    return true;
}

/* A container, volume, variable that is new, or no longer there: its contents are no news line by line. */
static void say_presence(struct walk *walk, struct json_object *from, struct json_object *to)
{
    const char *image = name_of(from == NULL ? to : from, "image");
    if (image == NULL || !begin_line(walk)) {
        if (image == NULL)
            say(walk, from == NULL ? "added" : "removed");
        return;
    }
    (void)nj_buf_printf(&walk->text, "%s (", from == NULL ? "added" : "removed");
    append_cut(&walk->text, nj_sla_json_get(from == NULL ? to : from, "image"));
    put(&walk->text, ")", 1);
}

static void compare_named(struct walk *walk, struct json_object *from, struct json_object *to,
                          const char *key, int depth)
{
    for (size_t i = 0; i < json_object_array_length(from); i++) {
        struct json_object *before = json_object_array_get_idx(from, i);
        struct json_object *after = named(to, key, name_of(before, key));
        struct mark mark = enter(walk, name_of(before, key), true);
        if (after == NULL)
            say_presence(walk, before, NULL);
        else
            compare(walk, before, after, depth + 1);
        leave(walk, mark);
    }
    for (size_t i = 0; i < json_object_array_length(to); i++) {
        struct json_object *after = json_object_array_get_idx(to, i);
        if (named(from, key, name_of(after, key)) != NULL)
            continue;
        struct mark mark = enter(walk, name_of(after, key), true);
        say_presence(walk, NULL, after);
        leave(walk, mark);
    }
}

static void compare_arrays(struct walk *walk, struct json_object *from, struct json_object *to, int depth)
{
    /* The merge keys of a PodSpec (k8s.io/api core/v1): mounts may share a name, ports need none. */
    static const char *const keys[] = {"mountPath", "devicePath", "name", "containerPort"};
    if (json_object_array_length(from) + json_object_array_length(to) > 0) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (!are_named(from, keys[i]) || !are_named(to, keys[i]))
                continue;
            compare_named(walk, from, to, keys[i], depth);
            return;
        }
    }
    if (!json_object_equal(from, to))
        say_values(walk, from, to);
}

/* What controllers add to tell templates apart. */
static bool is_of_controllers(const char *key)
{
    return nj_streq(key, "pod-template-hash") || nj_streq(key, "controller-revision-hash") ||
           nj_streq(key, "pod-template-generation");
}

static void compare_members(struct walk *walk, struct json_object *from, struct json_object *to,
                            bool as_elements, int depth)
{
    struct json_object_iterator it = json_object_iter_begin(from), end = json_object_iter_end(from);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *key = json_object_iter_peek_name(&it);
        struct mark mark = enter(walk, key, as_elements);
        if (!is_of_controllers(key))
            compare(walk, json_object_iter_peek_value(&it), nj_sla_json_get(to, key), depth + 1);
        leave(walk, mark);
    }
    it = json_object_iter_begin(to);
    end = json_object_iter_end(to);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *key = json_object_iter_peek_name(&it);
        struct mark mark = enter(walk, key, as_elements);
        if (nj_sla_json_get(from, key) == NULL && !is_of_controllers(key))
            compare(walk, NULL, json_object_iter_peek_value(&it), depth + 1);
        leave(walk, mark);
    }
}

static void compare(struct walk *walk, struct json_object *from, struct json_object *to, int depth)
{
    if (json_object_equal(from, to))
        return;
    if (walk->hidden > 0 || depth > DEPTH_MAX) {
        /* The variables of env are told apart, what is in them is not. */
        if (json_object_is_type(from, json_type_array) && json_object_is_type(to, json_type_array) &&
            are_named(from, "name") && are_named(to, "name"))
            compare_named(walk, from, to, "name", depth);
        else
            say(walk, from == NULL ? "added" : to == NULL ? "removed" : "changed");
    } else if (json_object_is_type(from, json_type_object) && json_object_is_type(to, json_type_object)) {
        compare_members(walk, from, to, false, depth);
    } else if (json_object_is_type(from, json_type_array) && json_object_is_type(to, json_type_array)) {
        compare_arrays(walk, from, to, depth);
    } else {
        say_values(walk, from, to);
    }
}

static void compare_pairs(struct walk *walk, const char *key, struct json_object *from,
                          struct json_object *to)
{
    struct json_object *none = json_object_new_object();
    struct json_object *before = nj_sla_json_get(nj_sla_json_get(from, "metadata"), key);
    struct json_object *after = nj_sla_json_get(nj_sla_json_get(to, "metadata"), key);
    struct mark mark = enter(walk, key, false);
    compare_members(walk, json_object_is_type(before, json_type_object) ? before : none,
                    json_object_is_type(after, json_type_object) ? after : none, true, 0);
    leave(walk, mark);
    json_object_put(none);
}

static struct json_object *parse(const char *text, size_t len)
{
    struct json_tokener *tokener = len > INT32_MAX ? NULL : json_tokener_new_ex(DEPTH_MAX);
    if (tokener == NULL)
        return NULL;
    struct json_object *json = json_tokener_parse_ex(tokener, text, (int)len);
    json_tokener_free(tokener);
    return json;
}

static struct json_object *template_of(struct json_object *json)
{
    struct json_object *data = nj_sla_json_get(json, "data");
    struct json_object *template =
        nj_sla_json_get(nj_sla_json_get(data == NULL ? json : data, "spec"), "template");
    return template == NULL ? json : template;
}

char *nj_difference(const char *from, size_t from_len, const char *to, size_t to_len)
{
    struct walk walk = {.hidden = 0};
    struct json_object *before = parse(from, from_len);
    struct json_object *after = parse(to, to_len);
    struct json_object *none = json_object_new_object();
    struct json_object *earlier = template_of(before);
    struct json_object *later = template_of(after);
    struct json_object *specs[] = {nj_sla_json_get(earlier, "spec"), nj_sla_json_get(later, "spec")};
    for (size_t i = 0; i < 2; i++)
        specs[i] = json_object_is_type(specs[i], json_type_object) ? specs[i] : none;
    compare_members(&walk, specs[0], specs[1], false, 0);
    compare_pairs(&walk, "labels", earlier, later);
    compare_pairs(&walk, "annotations", earlier, later);
    if (walk.more > 0)
        (void)nj_buf_printf(&walk.text, "\nand %zu more", walk.more);
    char *text = nj_strdup(nj_buf_str(&walk.text));
    nj_buf_done(&walk.text);
    json_object_put(none);
    json_object_put(before);
    json_object_put(after);
    return text;
}
