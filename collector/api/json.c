#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

/* A comma, unless this is the first field of its object or the first item of its list, or has one already. */
static void comma(struct nj_buf *out)
{
    if (out->len > 0 && strchr("{[,", out->data[out->len - 1]) == NULL)
        (void)nj_buf_append_char(out, ',');
}

static void name(struct nj_buf *out, const char *field)
{
    comma(out);
    (void)nj_buf_printf(out, "\"%s\":", field);
}

void nj_api_object_begin(struct nj_buf *out)
{
    comma(out);
    (void)nj_buf_append_char(out, '{');
}

void nj_api_object_field_begin(struct nj_buf *out, const char *field)
{
    name(out, field);
    (void)nj_buf_append_char(out, '{');
}

void nj_api_object_end(struct nj_buf *out)
{
    (void)nj_buf_append_char(out, '}');
}

void nj_api_field(struct nj_buf *out, const char *field, const char *value)
{
    name(out, field);
    (void)nj_json_append_string(out, nj_str(value), strlen(nj_str(value)));
}

void nj_api_field_int(struct nj_buf *out, const char *field, int64_t value)
{
    name(out, field);
    (void)nj_buf_printf(out, "%lld", (long long)value);
}

void nj_api_field_bool(struct nj_buf *out, const char *field, bool value)
{
    name(out, field);
    (void)nj_buf_append_str(out, value ? "true" : "false");
}

void nj_api_field_time(struct nj_buf *out, const char *field, int64_t ns)
{
    char text[NJ_TIME_TEXT_MAX];
    name(out, field);
    (void)nj_buf_printf(out, ns == 0 ? "null" : "\"%s\"", nj_time_format(ns, text));
}

void nj_api_field_ms(struct nj_buf *out, const char *field, bool known, double seconds)
{
    name(out, field);
    if (known)
        (void)nj_buf_printf(out, "%.3f", seconds * 1e3);
    else
        (void)nj_buf_append_str(out, "null");
}

void nj_api_field_double(struct nj_buf *out, const char *field, double value)
{
    name(out, field);
    if (!isfinite(value))
        (void)nj_buf_append_str(out, "null");
    else
        (void)nj_buf_printf(out, value == floor(value) ? "%.0f" : "%.6f", value);
}

void nj_api_field_share(struct nj_buf *out, const char *field, uint64_t part, uint64_t whole)
{
    name(out, field);
    (void)nj_buf_printf(out, "%.6f", whole == 0 ? 0 : (double)part / (double)whole);
}

void nj_api_field_ratio(struct nj_buf *out, const char *field, double ratio)
{
    name(out, field);
    if (!(ratio >= 0))
        (void)nj_buf_append_str(out, "null");
    else
        (void)nj_buf_printf(out, ratio == floor(ratio) ? "%.0f" : "%.9f", ratio);
}

/* It was checked by whoever made it, but came from elsewhere since. */
static bool is_object(const char *text)
{
    if (nj_str(text)[0] != '{')
        return false;
    struct json_object *parsed = json_tokener_parse(text);
    bool object = json_object_is_type(parsed, json_type_object);
    (void)json_object_put(parsed);
    return object;
}

void nj_api_field_json(struct nj_buf *out, const char *field, const char *text)
{
    name(out, field);
    (void)nj_buf_append_str(out, is_object(text) ? text : "null");
}

void nj_api_array_begin(struct nj_buf *out, const char *field)
{
    name(out, field);
    (void)nj_buf_append_char(out, '[');
}

void nj_api_array_end(struct nj_buf *out)
{
    (void)nj_buf_append_char(out, ']');
}

void nj_api_list_begin(struct nj_buf *out)
{
    (void)nj_buf_append_str(out, "{\"items\":[");
}

void nj_api_list_item(struct nj_api_call *call)
{
    comma(&call->body);
    call->rows++;
}

void nj_api_list_end(struct nj_api_call *call)
{
    (void)nj_buf_append_str(&call->body, "],\"nextCursor\":");
    if (call->limit > 0 && call->rows == call->limit)
        (void)nj_buf_printf(&call->body, "\"%lld\"}", (long long)call->cursor);
    else
        (void)nj_buf_append_str(&call->body, "null}");
}
