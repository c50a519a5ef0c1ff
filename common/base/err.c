#include "common/base/err.h"

#include <stdio.h>
#include <string.h>

static void mark_cut(char *text)
{
    memcpy(text + NJ_ERR_TEXT_MAX - 4, "...", 4);
}

int nj_err_set(struct nj_err *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    err->code = code;
    va_list args;
    va_start(args, format);
    int written = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (written >= NJ_ERR_TEXT_MAX)
        mark_cut(err->text);
    return code;
}

int nj_err_wrap(struct nj_err *err, const char *format, ...)
{
    if (err == NULL)
        return 0;
    char inner[NJ_ERR_TEXT_MAX];
    memcpy(inner, err->text, sizeof(inner));
    va_list args;
    va_start(args, format);
    int written = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (written < 0 || written >= NJ_ERR_TEXT_MAX)
        written = NJ_ERR_TEXT_MAX - 1;
    size_t room = sizeof(err->text) - (size_t)written;
    if (snprintf(err->text + written, room, ": %s", inner) >= (int)room)
        mark_cut(err->text);
    return err->code;
}
