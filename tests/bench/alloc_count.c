#include "tests/bench/alloc_count.h"

#include <stddef.h>
#include <stdlib.h>

/* glibc's own, under the names it exports for this purpose; memory of theirs is freed by its free(). */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static struct nj_alloc_count counted;

static void count(size_t bytes)
{
    counted.calls++;
    counted.bytes += bytes;
}

struct nj_alloc_count nj_alloc_count(void)
{
    return counted;
}

void *malloc(size_t size)
{
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
    count(members * size);
    return __libc_calloc(members, size);
}

void *realloc(void *memory, size_t size)
{
    count(size);
    return __libc_realloc(memory, size);
}
