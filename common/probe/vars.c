#include "common/probe/vars.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/template.h"

enum {
    TOTAL_MAX = 1 << 20, /* bytes of all values of a run */
    SECRET_MIN = 4,      /* shorter ones would hide ordinary text */
    JSON_DEPTH_MAX = 64,
};

static const char HIDDEN[] = "[REDACTED]";

struct variable {
    char *name;
    char *value; /* NULL: a Secret's that could not be read */
    size_t len;
    const struct nj_spec_variable *source; /* NULL: extracted */
};

struct form {
    char *text;
    size_t len;
};

struct nj_vars {
    struct variable *items;
    size_t count;
    size_t total;
    struct form *forms; /* what nj_vars_hide() hides */
    size_t forms_count;
};

static struct variable *find(const struct nj_vars *vars, const char *name, size_t len)
{
    for (size_t i = 0; i < vars->count; i++) {
        if (strlen(vars->items[i].name) == len && memcmp(vars->items[i].name, name, len) == 0)
            return &vars->items[i];
    }
    return NULL;
}

static struct variable *add(struct nj_vars *vars, const char *name)
{
    vars->items = nj_realloc(vars->items, vars->count + 1, sizeof(*vars->items));
    struct variable *variable = &vars->items[vars->count++];
    *variable = (struct variable){.name = nj_strdup(name)};
    return variable;
}

static char *copy_value(const char *value, size_t len)
{
    char *copy = nj_calloc(1, len + 1);
    if (len > 0)
        memcpy(copy, value, len);
    return copy;
}

static void wipe(char *text, size_t len)
{
    if (text != NULL)
        explicit_bzero(text, len);
    free(text);
}

/* ---- how a value is written where it stands */

/* What stands between the quotes of a JSON string. */
static int append_escaped(struct nj_buf *out, const char *value, size_t len)
{
    struct nj_buf quoted = {0};
    int rc = nj_json_append_string(&quoted, value, len);
    if (rc == 0)
        rc = nj_buf_append(out, quoted.data + 1, quoted.len - 2);
    if (quoted.data != NULL)
        explicit_bzero(quoted.data, quoted.len);
    nj_buf_done(&quoted);
    return rc;
}

/* A number, true, false or null: what may stand in JSON outside a string. */
static bool is_json_scalar(const char *value, size_t len)
{
    if (len == 0 || strlen(value) != len || strchr("-0123456789tfn", *value) == NULL)
        return false;
    struct json_tokener *tokener = json_tokener_new();
    if (tokener == NULL)
        nj_out_of_memory();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    /* With its zero byte: a number ends only there. */
    struct json_object *object = json_tokener_parse_ex(tokener, value, (int)len + 1);
    bool is_scalar =
        json_tokener_get_error(tokener) == json_tokener_success &&
        json_tokener_get_parse_end(tokener) == len && !json_object_is_type(object, json_type_object) &&
        !json_object_is_type(object, json_type_array) && !json_object_is_type(object, json_type_string);
    json_object_put(object);
    json_tokener_free(tokener);
    return is_scalar;
}

/* Is the text JSON when each variable is taken for "0", which may stand inside a string and outside one? */
static bool is_json_template(const char *text)
{
    struct nj_buf sample = {.max = NJ_VARS_TEXT_MAX};
    struct nj_template_part part;
    while (nj_template_next(&text, &part) == 1) {
        if (part.is_variable)
            (void)nj_buf_append_char(&sample, '0');
        else
            (void)nj_buf_append(&sample, part.text, part.len);
    }
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (tokener == NULL)
        nj_out_of_memory();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *object = json_tokener_parse_ex(tokener, nj_buf_str(&sample), (int)sample.len);
    bool is_json = json_tokener_get_error(tokener) == json_tokener_success;
    json_object_put(object);
    json_tokener_free(tokener);
    nj_buf_done(&sample);
    return is_json;
}

/* Follows a JSON text to know whether its end stands inside a string. */
static bool follow_json(bool in_string, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (text[i] == '\\' && in_string)
            i++;
    }
    return in_string;
}

static int append_header(struct nj_buf *out, const struct variable *variable, struct nj_err *err)
{
    for (size_t i = 0; i < variable->len; i++) {
        unsigned char c = (unsigned char)variable->value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return nj_err_set(err, -EILSEQ,
                              "the value of ${%s} holds a line break or another control character, which "
                              "cannot stand in a header",
                              variable->name);
    }
    return nj_buf_append(out, variable->value, variable->len);
}

static int append_variable(struct nj_buf *out, enum nj_place place, const struct variable *variable,
                           bool is_json, bool in_string, struct nj_err *err)
{
    switch (place) {
    case NJ_PLACE_PATH:
        return nj_url_append(out, variable->value, variable->len);
    case NJ_PLACE_HEADER:
        return append_header(out, variable, err);
    case NJ_PLACE_BODY:
        if (is_json && in_string)
            return append_escaped(out, variable->value, variable->len);
        if (is_json && !is_json_scalar(variable->value, variable->len))
            return nj_err_set(err, -EILSEQ,
                              "the value of ${%s} is no number, true, false or null: put the variable in "
                              "quotes inside the JSON body",
                              variable->name);
        break;
    default:
        break;
    }
    return nj_buf_append(out, variable->value, variable->len);
}

static int find_value(const struct nj_vars *vars, const struct nj_template_part *part,
                      const struct variable **ret_variable, struct nj_err *err)
{
    const struct variable *variable = find(vars, part->text, part->len);
    if (variable == NULL) {
        (void)nj_err_set(err, -ENOENT, "${%.*s} has no value: the step that sets it did not get so far",
                         (int)part->len, part->text);
        return -ENOENT;
    }
    if (variable->value == NULL) {
        (void)nj_err_set(
            err, -ENOENT,
            "${%s} has no value: key %s of Secret %s is not there, may not be read or is too long",
            variable->name, variable->source->secret_key, variable->source->secret_name);
        return -ENOENT;
    }
    *ret_variable = variable;
    return 0;
}

static int expand(const struct nj_vars *vars, enum nj_place place, const char *text, struct nj_buf *out,
                  struct nj_err *err)
{
    bool is_json = place == NJ_PLACE_BODY && nj_template_has_variables(text) && is_json_template(text);
    bool in_string = false;
    size_t start = out->len;
    struct nj_template_part part;
    int rc;
    while ((rc = nj_template_next(&text, &part)) == 1) {
        if (part.is_variable) {
            const struct variable *variable = NULL;
            rc = find_value(vars, &part, &variable, err);
            if (rc == 0)
                rc = append_variable(out, place, variable, is_json, in_string, err);
        } else {
            in_string = is_json && follow_json(in_string, part.text, part.len);
            rc = nj_buf_append(out, part.text, part.len);
        }
        if (rc == 0 && out->len - start > NJ_VARS_TEXT_MAX)
            rc = -EOVERFLOW;
        if (rc == -EOVERFLOW)
            return nj_err_set(err, -EMSGSIZE,
                              "the text is too long with its variables, at most %d bytes are allowed",
                              (int)NJ_VARS_TEXT_MAX);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? nj_err_set(err, rc, "'${' begins no variable") : 0;
}

int nj_vars_expand(const struct nj_vars *vars, enum nj_place place, const char *text, struct nj_buf *out,
                   struct nj_err *err)
{
    size_t before = out->len;
    int rc = expand(vars, place, text, out, err);
    if (rc < 0 && out->data != NULL) {
        explicit_bzero(out->data + before, out->len - before);
        out->len = before;
        out->data[before] = '\0';
    }
    return rc;
}

/* ---- life */

static void add_form(struct nj_vars *vars, const char *text, size_t len)
{
    for (size_t i = 0; i < vars->forms_count; i++) {
        if (vars->forms[i].len == len && memcmp(vars->forms[i].text, text, len) == 0)
            return;
    }
    vars->forms = nj_realloc(vars->forms, vars->forms_count + 1, sizeof(*vars->forms));
    vars->forms[vars->forms_count++] = (struct form){copy_value(text, len), len};
}

static void add_text(struct nj_vars *vars, struct nj_buf *text)
{
    size_t len = text->len;
    add_form(vars, nj_buf_str(text), len);
    wipe(nj_buf_take(text), len);
}

static void add_forms(struct nj_vars *vars, const struct variable *variable)
{
    if (variable->len < SECRET_MIN)
        return;
    struct nj_buf percent = {0};
    struct nj_buf escaped = {0};
    (void)nj_url_append(&percent, variable->value, variable->len);
    (void)append_escaped(&escaped, variable->value, variable->len);
    add_form(vars, variable->value, variable->len);
    add_text(vars, &percent);
    add_text(vars, &escaped);
}

struct nj_vars *nj_vars_new(const struct nj_spec *spec, const struct nj_probe_value *secrets, size_t count)
{
    struct nj_vars *vars = NJ_NEW(struct nj_vars);
    for (size_t i = 0; i < spec->variables_count; i++) {
        const struct nj_spec_variable *source = &spec->variables[i];
        struct variable *variable = add(vars, source->name);
        bool is_secret = source->secret_name[0] != '\0';
        const char *value = is_secret ? NULL : source->value;
        for (size_t j = 0; j < count && is_secret && value == NULL; j++) {
            if (strcmp(secrets[j].name, source->name) == 0)
                value = secrets[j].value;
        }
        variable->source = source;
        if (value == NULL || strlen(value) > NJ_VARS_VALUE_MAX)
            continue;
        variable->len = strlen(value);
        variable->value = copy_value(value, variable->len);
        vars->total += variable->len;
        if (is_secret)
            add_forms(vars, variable);
    }
    return vars;
}

void nj_vars_free(struct nj_vars *vars)
{
    if (vars == NULL)
        return;
    for (size_t i = 0; i < vars->count; i++) {
        wipe(vars->items[i].value, vars->items[i].len);
        free(vars->items[i].name);
    }
    for (size_t i = 0; i < vars->forms_count; i++)
        wipe(vars->forms[i].text, vars->forms[i].len);
    free(vars->items);
    free(vars->forms);
    free(vars);
}

int nj_vars_set(struct nj_vars *vars, const char *name, const char *value, size_t len)
{
    struct variable *variable = find(vars, name, strlen(name));
    size_t old = variable == NULL ? 0 : variable->len;
    if (len > NJ_VARS_VALUE_MAX || vars->total - old + len > TOTAL_MAX)
        return -EMSGSIZE;
    if (variable == NULL)
        variable = add(vars, name);
    char *copy = copy_value(value, len);
    wipe(variable->value, variable->len);
    variable->value = copy;
    variable->len = len;
    vars->total = vars->total - old + len;
    return 0;
}

/* ---- hiding */

/* How much of the text stands for a secret: a whole form of one, or the beginning of one where the text was
 * cut (its end, or "..."). */
static size_t secret_at(const struct nj_vars *vars, const char *text, size_t len)
{
    size_t longest = 0;
    for (size_t i = 0; i < vars->forms_count; i++) {
        const struct form *form = &vars->forms[i];
        size_t same = 0;
        while (same < len && same < form->len && text[same] == form->text[same])
            same++;
        bool is_cut = same == len || (len - same >= 3 && memcmp(text + same, "...", 3) == 0);
        if (same > longest && (same == form->len || (is_cut && same >= SECRET_MIN)))
            longest = same;
    }
    return longest;
}

void nj_vars_hide(const struct nj_vars *vars, const struct nj_redactor *redactor, const char *text,
                  size_t len, struct nj_buf *out)
{
    struct nj_buf raw = {0};
    for (size_t i = 0; i < len;) {
        size_t hidden = secret_at(vars, text + i, len - i);
        if (hidden > 0)
            (void)nj_buf_append_str(&raw, HIDDEN);
        else
            (void)nj_buf_append_char(&raw, text[i]);
        i += hidden > 0 ? hidden : 1;
    }
    if (redactor == NULL) {
        (void)nj_utf8_append_lossy(out, nj_buf_str(&raw), raw.len);
    } else {
        struct nj_buf readable = {0};
        (void)nj_utf8_append_lossy(&readable, nj_buf_str(&raw), raw.len);
        if (nj_redact(redactor, nj_buf_str(&readable), readable.len, out) < 0)
            (void)nj_buf_append_str(out, HIDDEN);
        nj_buf_done(&readable);
    }
    nj_buf_done(&raw);
}
