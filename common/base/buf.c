#include "common/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum {
    BUF_FIRST_CAPACITY = 64,
    BUF_SMALL_CAPACITY = 64 * 1024, /* up to here memory is there, or the program ends */
};

void nj_buf_init(struct nj_buf *buf, size_t max)
{
    *buf = (struct nj_buf){.max = max};
}

void nj_buf_done(struct nj_buf *buf)
{
    free(buf->data);
    nj_buf_init(buf, buf->max);
}

void nj_buf_clear(struct nj_buf *buf)
{
    buf->len = 0;
    buf->overflowed = buf->starved = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

int nj_buf_check(const struct nj_buf *buf)
{
    if (buf->overflowed)
        return -EOVERFLOW;
    return buf->starved ? -ENOMEM : 0;
}

/* Room for `extra` bytes and the terminator. */
static int grow(struct nj_buf *buf, size_t extra)
{
    int refused = nj_buf_check(buf);
    if (refused < 0)
        return refused;
    if (extra > SIZE_MAX / 4 - buf->len || (buf->max != 0 && buf->len + extra > buf->max)) {
        buf->overflowed = true;
        return -EOVERFLOW;
    }
    size_t needed = buf->len + extra + 1;
    if (needed <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity == 0 ? BUF_FIRST_CAPACITY : buf->capacity;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        if (capacity <= BUF_SMALL_CAPACITY)
            nj_out_of_memory();
        buf->starved = true;
        return -ENOMEM;
    }
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int nj_buf_append(struct nj_buf *buf, const void *data, size_t len)
{
    int rc = grow(buf, len);
    if (rc < 0)
        return rc;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}

int nj_buf_append_str(struct nj_buf *buf, const char *text)
{
    return nj_buf_append(buf, text, strlen(text));
}

int nj_buf_append_char(struct nj_buf *buf, char c)
{
    return nj_buf_append(buf, &c, 1);
}

int nj_buf_printf(struct nj_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = length < 0 ? -EINVAL : grow(buf, (size_t)length);
    if (rc == 0) {
        (void)vsnprintf(buf->data + buf->len, (size_t)length + 1, format, again);
        buf->len += (size_t)length;
    }
    va_end(again);
    return rc;
}

char *nj_buf_reserve(struct nj_buf *buf, size_t len)
{
    return grow(buf, len) == 0 ? buf->data + buf->len : NULL;
}

void nj_buf_consume(struct nj_buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
    } else {
        memmove(buf->data, buf->data + len, buf->len - len);
        buf->len -= len;
    }
    if (buf->data != NULL)
        buf->data[buf->len] = '\0';
}

const char *nj_buf_str(const struct nj_buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

char *nj_buf_take(struct nj_buf *buf)
{
    char *data = buf->data == NULL ? nj_strdup("") : buf->data;
    size_t max = buf->max;
    nj_buf_init(buf, max);
    return data;
}
