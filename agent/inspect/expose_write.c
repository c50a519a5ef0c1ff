#include "agent/inspect/expose_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/inspect/sockets.h"
#include "common/base/str.h"

enum {
    NUMBER_MAX = 40, /* "18446744073709551615", or with a fraction of 9 digits */
    AROUND = 8,      /* braces, commas, a space, a newline */
};

static size_t write_u64(uint64_t value, char *out)
{
    char digits[NUMBER_MAX];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

/* Exactly, without the zeros at the end: 1500 of 1000 is "1.5". */
static size_t write_fraction(uint64_t value, uint64_t parts, char *out)
{
    size_t len = write_u64(value / parts, out);
    uint64_t rest = value % parts;
    if (rest == 0)
        return len;
    out[len++] = '.';
    while (rest != 0) {
        parts /= 10;
        out[len++] = (char)('0' + rest / parts);
        rest %= parts;
    }
    return len;
}

static size_t write_value(uint64_t value, enum nj_expose_unit unit, char *out)
{
    switch (unit) {
    case NJ_EXPOSE_NUMBER:
        break;
    case NJ_EXPOSE_NS:
        return write_fraction(value, 1000000000, out);
    case NJ_EXPOSE_US:
        return write_fraction(value, 1000000, out);
    case NJ_EXPOSE_MILLIS:
        return write_fraction(value, 1000, out);
    }
    return write_u64(value, out);
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static void write_line(struct nj_expose_family *family, const char *labels, const char *more,
                       const char *number, size_t number_len, struct nj_buf *out)
{
    size_t name_len = strlen(family->name);
    size_t labels_len = strlen(labels);
    size_t more_len = strlen(more);
    if (!family->headed)
        (void)nj_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                            family->type);
    family->headed = true;
    char *start = nj_buf_reserve(out, name_len + labels_len + more_len + number_len + AROUND);
    if (start == NULL)
        return;
    char *at = put(start, family->name, name_len);
    if (labels_len + more_len > 0) {
        *at++ = '{';
        at = put(at, labels, labels_len);
        if (labels_len > 0 && more_len > 0)
            *at++ = ',';
        at = put(at, more, more_len);
        *at++ = '}';
    }
    *at++ = ' ';
    at = put(at, number, number_len);
    *at++ = '\n';
    *at = '\0';
    out->len += (size_t)(at - start);
}

void nj_expose_sample(struct nj_expose_family *family, const char *labels, const char *more, uint64_t value,
                      enum nj_expose_unit unit, struct nj_buf *out)
{
    char number[NUMBER_MAX];
    if (value == NJ_UNKNOWN)
        return;
    size_t len = write_value(value, unit, number);
    write_line(family, labels, more, number, len, out);
}

void nj_expose_double(struct nj_expose_family *family, const char *labels, const char *more, double value,
                      struct nj_buf *out)
{
    char number[NUMBER_MAX];
    if (!isfinite(value))
        return;
    int len = snprintf(number, sizeof(number), "%.9g", value);
    write_line(family, labels, more, number, (size_t)len, out);
}

static void append_escaped(struct nj_buf *labels, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\n') {
            (void)nj_buf_append_str(labels, "\\n");
            continue;
        }
        if (*c == '\\' || *c == '"')
            (void)nj_buf_append_char(labels, '\\');
        (void)nj_buf_append_char(labels, *c);
    }
}

void nj_expose_label(struct nj_buf *labels, const char *name, const char *value)
{
    struct nj_buf valid = {0};
    if (nj_str(value)[0] == '\0')
        return;
    (void)nj_buf_printf(labels, "%s%s=\"", labels->len == 0 ? "" : ",", name);
    if (!nj_utf8_valid(value, strlen(value))) {
        (void)nj_utf8_append_lossy(&valid, value, strlen(value));
        value = nj_buf_str(&valid);
    }
    append_escaped(labels, value);
    (void)nj_buf_append_char(labels, '"');
    nj_buf_done(&valid);
}

void nj_expose_sockets(struct nj_expose_family *family, const char *labels,
                       const struct nj_socket_figures *sockets, struct nj_buf *out)
{
    char more[64];
    if (sockets->at_ns == 0)
        return;
    for (int state = NJ_TCP_ESTABLISHED; state < NJ_TCP_STATES; state++) {
        (void)snprintf(more, sizeof(more), "protocol=\"tcp\",state=\"%s\"",
                       nj_tcp_state_name((enum nj_tcp_state)state));
        nj_expose_sample(family, labels, more, sockets->tcp[state], NJ_EXPOSE_NUMBER, out);
    }
    nj_expose_sample(family, labels, "protocol=\"udp\"", sockets->udp, NJ_EXPOSE_NUMBER, out);
    nj_expose_sample(family, labels, "protocol=\"raw\"", sockets->raw, NJ_EXPOSE_NUMBER, out);
    nj_expose_sample(family, labels, "protocol=\"unix\"", sockets->unix_stream, NJ_EXPOSE_NUMBER, out);
}
