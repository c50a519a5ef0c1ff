#include "common/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

_Noreturn void nj_out_of_memory(void)
{
    fputs("nightjar: out of memory\n", stderr);
    abort();
}

static void *or_abort(void *memory)
{
    if (memory == NULL)
        nj_out_of_memory();
    return memory;
}

void *nj_calloc(size_t count, size_t size)
{
    return or_abort(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *nj_realloc(void *memory, size_t count, size_t size)
{
    if (count == 0 || size == 0) {
        free(memory);
        return NULL;
    }
    return or_abort(reallocarray(memory, count, size));
}

void *nj_try_alloc(size_t size)
{
    return malloc(size == 0 ? 1 : size);
}

char *nj_strdup(const char *text)
{
    return text == NULL ? NULL : or_abort(strdup(text));
}

char *nj_strndup(const char *text, size_t length)
{
    return text == NULL ? NULL : or_abort(strndup(text, length));
}

char *nj_asprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int written = vasprintf(&text, format, args);
    va_end(args);
    return or_abort(written < 0 ? NULL : text);
}

void nj_cleanup_free(void *pointer_to_pointer)
{
    void *memory;
    memcpy(&memory, pointer_to_pointer, sizeof(memory));
    free(memory);
}
