#include "tests/bench/measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return now.tv_sec * NJ_SEC + now.tv_nsec;
}

int64_t nj_bench_cpu_ns(void)
{
    return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t nj_bench_mono_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

void nj_bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

char *nj_bench_read(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        nj_bench_fail("%s: %s", path, strerror(errno));
    long size = ftell(file);
    rewind(file);
    char *bytes = nj_calloc((size_t)size + 1, 1);
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size)
        nj_bench_fail("%s: cannot be read", path);
    (void)fclose(file);
    *ret_len = (size_t)size;
    return bytes;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t nj_bench_percentile(int64_t *values, size_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare);
    size_t at = (size_t)(share * (double)count);
    return values[at < count ? at : count - 1];
}
