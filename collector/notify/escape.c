#include "collector/notify/escape.h"

#include <stdint.h>
#include <string.h>

#include "common/base/str.h"

#define ELLIPSIS "\xE2\x80\xA6"
enum { ELLIPSIS_BYTES = sizeof(ELLIPSIS) - 1, INPUT_SLACK = 64 };

/* One character of valid UTF-8. */
static uint32_t decode(const char *text, size_t *ret_len)
{
    unsigned char lead = (unsigned char)text[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = len == 1 ? lead : lead & (0x7FU >> len);
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3FU);
    *ret_len = len;
    return code;
}

static bool is_break(uint32_t code)
{
    return (code >= 0x0A && code <= 0x0D) || code == 0x85 || code == 0x2028 || code == 0x2029;
}

/* Control characters, and what changes how other characters are shown without being seen. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200B ||
           code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x2069) || code == 0xFEFF;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What stands for the character at `at`, or NULL when it may stand for itself. */
static const char *replacement(const char *text, size_t at, bool at_start, bool markdown)
{
    const char next = text[at + 1]; /* the terminator at the end */
    const char last = text[at > 0 ? at - 1 : 0];
    char c = text[at];
    if (c == '<' && (next == '@' || next == '/' || next == '!' || is_letter(next)))
        return "\xEF\xBC\x9C"; /* ＜ */
    if (!markdown)
        return NULL;
    if (c == '`')
        return "\xEF\xBD\x80"; /* ｀ */
    if (c == '(' && at > 0 && last == ']')
        return "\xEF\xBC\x88"; /* （ */
    if (c == '*' && (next == '*' || (at > 0 && last == '*')))
        return "\xEF\xBC\x8A"; /* ＊ */
    if (c == '#' && at_start)
        return "\xEF\xBC\x83"; /* ＃ */
    if (c == '>' && at_start)
        return "\xEF\xBC\x9E"; /* ＞ */
    return NULL;
}

/* One line without what is hidden: only then are characters neighbours that people, and WeCom, see side by
 * side. */
static void append_visible(struct nj_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, step = 0; at < len; at += step) {
        uint32_t code = decode(text + at, &step);
        if (is_break(code)) {
            if (out->len > 0 && out->data[out->len - 1] != ' ')
                nj_buf_append_char(out, ' ');
        } else if (code == '\t') {
            nj_buf_append_str(out, "    ");
        } else if (!is_hidden(code)) {
            nj_buf_append(out, text + at, step);
        }
    }
}

static void append_escaped(struct nj_buf *out, const char *text, size_t len, bool markdown)
{
    bool at_start = true;
    for (size_t at = 0; at < len; at++) {
        const char *other = replacement(text, at, at_start, markdown);
        if (other != NULL)
            nj_buf_append_str(out, other);
        else
            nj_buf_append_char(out, text[at]);
        if (text[at] != ' ' && text[at] != '>' && text[at] != '#')
            at_start = false;
    }
}

void nj_escape(struct nj_buf *out, const char *text, size_t len, size_t max, bool markdown)
{
    /* A line of any length costs no more than what may be shown of it. */
    size_t taken = len > 4 * max + INPUT_SLACK ? 4 * max + INPUT_SLACK : len;
    struct nj_buf valid = {0}, visible = {0}, line = {0};
    nj_utf8_append_lossy(&valid, text, taken);
    append_visible(&visible, nj_buf_str(&valid), valid.len);
    append_escaped(&line, nj_buf_str(&visible), visible.len, markdown);
    while (line.len > 0 && line.data[line.len - 1] == ' ')
        line.data[--line.len] = '\0';
    if (line.len <= max && taken == len) {
        nj_buf_append(out, nj_buf_str(&line), line.len);
    } else if (max >= ELLIPSIS_BYTES) {
        nj_buf_append(out, nj_buf_str(&line), nj_utf8_cut(nj_buf_str(&line), line.len, max - ELLIPSIS_BYTES));
        nj_buf_append_str(out, ELLIPSIS);
    }
    nj_buf_done(&valid);
    nj_buf_done(&visible);
    nj_buf_done(&line);
}
