#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/config_value.h"
#include "common/base/str.h"

enum {
    INDENT = 2,       /* columns a level */
    COMMENT_END = 96, /* column behind which a comment is wrapped */
};

struct printer {
    struct nj_buf out;
    int depth;
    bool comments;   /* off inside a list's entries, whose settings are explained once before */
    bool after_dash; /* the next line goes on behind "- " */
};

static void start_line(struct printer *printer)
{
    if (!printer->after_dash)
        (void)nj_buf_printf(&printer->out, "%*s", printer->depth * INDENT, "");
    printer->after_dash = false;
}

/* Characters that YAML does not print, or reads as the end of a line, by their UTF-8: U+0080 to U+00A0,
 * U+2028 and U+2029, U+FEFF, U+FFFE and U+FFFF. Returns the code, 0 for any other. `c` is at a valid
 * character's start. */
static unsigned special_character(const unsigned char *c)
{
    if (c[0] == 0xC2 && c[1] <= 0xA0)
        return c[1];
    if (c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9))
        return 0x2000 + (c[2] - 0x80u);
    if (c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF)
        return 0xFEFF;
    if (c[0] == 0xEF && c[1] == 0xBF && c[2] >= 0xBE)
        return 0xFFC0 + (c[2] - 0x80u);
    return 0;
}

/* Always in quotes, so that no text can be taken for a number, null or syntax. Loaded texts are valid UTF-8.
 */
static void append_quoted(struct nj_buf *out, const char *text)
{
    (void)nj_buf_append_char(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        unsigned special = *c < 0x80 ? 0 : special_character(c);
        if (*c == '"' || *c == '\\') {
            (void)nj_buf_printf(out, "\\%c", *c);
        } else if (*c == '\n') {
            (void)nj_buf_append_str(out, "\\n");
        } else if (*c < 0x20 || *c == 0x7F) {
            (void)nj_buf_printf(out, "\\x%02X", *c);
        } else if (special != 0) {
            (void)nj_buf_printf(out, "\\u%04X", special);
            c += special < 0x100 ? 1 : 2;
        } else {
            (void)nj_buf_append_char(out, (char)*c);
        }
    }
    (void)nj_buf_append_char(out, '"');
}

/* A comment of any length, wrapped between words. */
static void print_comment(struct printer *printer, const char *text)
{
    while (*text != '\0') {
        start_line(printer);
        (void)nj_buf_append_char(&printer->out, '#');
        int column = printer->depth * INDENT + 1;
        bool first = true;
        while (*text != '\0') {
            int word = (int)strcspn(text, " ");
            if (!first && column + 1 + word > COMMENT_END)
                break;
            (void)nj_buf_printf(&printer->out, " %.*s", word, text);
            column += 1 + word;
            first = false;
            text += word;
            text += strspn(text, " ");
        }
        (void)nj_buf_append_char(&printer->out, '\n');
    }
}

static void print_help(struct printer *printer, const struct nj_config_field *field)
{
    struct nj_buf text = {0};
    (void)nj_buf_append_str(&text, nj_str(field->help));
    if (field->type != NJ_CONFIG_SECTION) {
        (void)nj_buf_append_str(&text, text.len > 0 ? " (" : "(");
        nj_config_append_type(&text, field);
        if (nj_str(field->fallback)[0] != '\0')
            (void)nj_buf_printf(&text, "; default %s", field->fallback);
        (void)nj_buf_append_char(&text, ')');
    }
    print_comment(printer, nj_buf_str(&text));
    nj_buf_done(&text);
}

/* What an entry of a list may hold, as comments. */
static void print_entry_help(struct printer *printer, const struct nj_config_field *fields,
                             const char *section)
{
    for (const struct nj_config_field *field = fields; field->key != NULL; field++) {
        struct nj_buf text = {0};
        if (field->type == NJ_CONFIG_SECTION) {
            NJ_CLEANUP_FREE char *inner = nj_asprintf("%s%s.", section, field->key);
            print_entry_help(printer, field->fields, inner);
            continue;
        }
        (void)nj_buf_printf(&text, "- %s%s: %s (", section, field->key, nj_str(field->help));
        nj_config_append_type(&text, field);
        if (nj_str(field->fallback)[0] != '\0')
            (void)nj_buf_printf(&text, "; default %s", field->fallback);
        (void)nj_buf_append_char(&text, ')');
        print_comment(printer, nj_buf_str(&text));
        nj_buf_done(&text);
    }
}

static void print_fields(struct printer *printer, const struct nj_config_field *fields, const void *base);

static void print_strings(struct printer *printer, const struct nj_config_strings *strings)
{
    if (strings->count == 0) {
        (void)nj_buf_append_str(&printer->out, " []\n");
        return;
    }
    (void)nj_buf_append_char(&printer->out, '\n');
    printer->depth++;
    for (size_t i = 0; i < strings->count; i++) {
        start_line(printer);
        (void)nj_buf_append_str(&printer->out, "- ");
        append_quoted(&printer->out, strings->items[i]);
        (void)nj_buf_append_char(&printer->out, '\n');
    }
    printer->depth--;
}

static void print_map(struct printer *printer, const struct nj_config_strings *map)
{
    if (map->count == 0) {
        (void)nj_buf_append_str(&printer->out, " {}\n");
        return;
    }
    (void)nj_buf_append_char(&printer->out, '\n');
    printer->depth++;
    for (size_t i = 0; i + 1 < map->count; i += 2) {
        start_line(printer);
        append_quoted(&printer->out, map->items[i]);
        (void)nj_buf_append_str(&printer->out, ": ");
        append_quoted(&printer->out, map->items[i + 1]);
        (void)nj_buf_append_char(&printer->out, '\n');
    }
    printer->depth--;
}

static void print_list(struct printer *printer, const struct nj_config_field *field,
                       const struct nj_config_list *list)
{
    if (list->count == 0) {
        (void)nj_buf_append_str(&printer->out, " []\n");
        return;
    }
    (void)nj_buf_append_char(&printer->out, '\n');
    bool comments = printer->comments;
    printer->comments = false;
    printer->depth++;
    for (size_t i = 0; i < list->count; i++) {
        start_line(printer);
        (void)nj_buf_append_str(&printer->out, "- ");
        printer->after_dash = true;
        printer->depth++;
        print_fields(printer, field->fields, (const char *)list->items + i * field->item_size);
        printer->depth--;
    }
    printer->depth--;
    printer->comments = comments;
}

static void print_scalar(struct printer *printer, const struct nj_config_field *field, const void *base)
{
    struct nj_buf value = {0};
    nj_config_append_scalar(&value, field, base);
    (void)nj_buf_append_char(&printer->out, ' ');
    /* A choice may look like something else to YAML, such as "off" or "null". */
    if (field->type == NJ_CONFIG_STRING || field->type == NJ_CONFIG_ENUM)
        append_quoted(&printer->out, nj_buf_str(&value));
    else
        (void)nj_buf_append_str(&printer->out, nj_buf_str(&value));
    (void)nj_buf_append_char(&printer->out, '\n');
    nj_buf_done(&value);
}

static void print_field(struct printer *printer, const struct nj_config_field *field, const void *base)
{
    const void *value = (const char *)base + field->offset;
    if (printer->comments) {
        print_help(printer, field);
        if (field->type == NJ_CONFIG_LIST) {
            print_comment(printer, "Each entry:");
            print_entry_help(printer, field->fields, "");
        }
    }
    start_line(printer);
    (void)nj_buf_printf(&printer->out, "%s:", field->key);
    switch (field->type) {
    case NJ_CONFIG_SECTION:
        (void)nj_buf_append_char(&printer->out, '\n');
        printer->depth++;
        print_fields(printer, field->fields, value);
        printer->depth--;
        break;
    case NJ_CONFIG_STRING_LIST:
        print_strings(printer, value);
        break;
    case NJ_CONFIG_MAP:
        print_map(printer, value);
        break;
    case NJ_CONFIG_LIST:
        print_list(printer, field, value);
        break;
    default:
        print_scalar(printer, field, base);
        break;
    }
}

static void print_fields(struct printer *printer, const struct nj_config_field *fields, const void *base)
{
    for (const struct nj_config_field *field = fields; field->key != NULL; field++) {
        if (printer->depth == 0 && field != fields)
            (void)nj_buf_append_char(&printer->out, '\n');
        print_field(printer, field, base);
    }
}

int nj_config_print(const struct nj_config_field *table, const void *config, FILE *out)
{
    struct printer printer = {.comments = true};
    print_fields(&printer, table, config);
    size_t written = fwrite(nj_buf_str(&printer.out), 1, printer.out.len, out);
    int rc = written == printer.out.len && fflush(out) == 0 ? 0 : -EIO;
    nj_buf_done(&printer.out);
    return rc;
}
