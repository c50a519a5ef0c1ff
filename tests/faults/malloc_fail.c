/*
 * Preloaded into a program, lets allocations fail. A test says which by a file that $MALLOC_FAIL names and
 * that may be changed at any time: four numbers of 8 bytes. The first counts the allocations of at least so
 * many bytes as the last says (counted here, from the start of the program). When it comes to the second,
 * that allocation fails, and so does each that follows it at a distance of a multiple of the third; 0: none.
 * Says on stderr which one failed and who asked.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own, under the names that nobody preloads. */
extern void *__libc_malloc(size_t size);                /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_calloc(size_t count, size_t size);  /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_realloc(void *memory, size_t size); /* NOLINT(bugprone-reserved-identifier) */

struct rule {
    _Atomic uint64_t count, at, every, min;
};

static struct rule *rule; /* NULL until the program starts */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MALLOC_FAIL");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof(*rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    rule = memory == MAP_FAILED ? NULL : memory;
}

static void say(uint64_t count, size_t size, const void *caller)
{
    char line[256];
    Dl_info info = {0};
    (void)dladdr(caller, &info);
    int len = snprintf(line, sizeof(line), "malloc_fail: number %llu, %zu bytes, asked for at %.100s+0x%zx\n",
                       (unsigned long long)count, size, info.dli_fname == NULL ? "?" : info.dli_fname,
                       (size_t)((const char *)caller - (const char *)info.dli_fbase));
    if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
        return;
}

static int fails(size_t size, const void *caller)
{
    if (rule == NULL || size < rule->min)
        return 0;
    uint64_t count = atomic_fetch_add(&rule->count, 1) + 1;
    uint64_t at = rule->at;
    uint64_t every = rule->every;
    if (at == 0 || count < at || (count > at && (every == 0 || (count - at) % every != 0)))
        return 0;
    say(count, size, caller);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(count * size, __builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return size > 0 && fails(size, __builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}
