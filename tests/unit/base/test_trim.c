#include "common/base/trim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/test.h"

enum { PAGES = 64 };

/* Of `len` bytes, how many pages are mapped in. */
static size_t resident(const void *memory, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t count = 0;
    FILE *pagemap = fopen("/proc/self/pagemap", "re");
    assert_non_null(pagemap);
    for (size_t i = 0; i < len / page; i++) {
        uint64_t entry = 0;
        assert_int_equal(fseek(pagemap, (long)(((uintptr_t)memory / page + i) * sizeof(entry)), SEEK_SET), 0);
        assert_int_equal(fread(&entry, sizeof(entry), 1, pagemap), 1);
        count += entry >> 63;
    }
    (void)fclose(pagemap);
    return count;
}

/* A private mapping of a file full of 'f'. */
static char *map_file(size_t len)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(fputc('f', file), 'f');
    assert_int_equal(fflush(file), 0);
    char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    (void)fclose(file);
    return memory;
}

static size_t touch(const volatile char *memory, size_t len)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += memory[i] == 'f';
    return sum;
}

static void test_unchanged_pages_go_and_come_back(void **state)
{
    (void)state;
    size_t len = PAGES * (size_t)sysconf(_SC_PAGESIZE);
    char *memory = map_file(len);
    assert_int_equal(mprotect(memory, len, PROT_READ), 0);
    assert_int_equal(touch(memory, len), len);
    assert_int_equal(resident(memory, len), PAGES);
    nj_memory_trim();
    assert_int_equal(resident(memory, len), 0);
    assert_int_equal(touch(memory, len), len);
    assert_int_equal(munmap(memory, len), 0);
}

static void test_what_was_written_stays(void **state)
{
    (void)state;
    size_t len = PAGES * (size_t)sysconf(_SC_PAGESIZE);
    char *read_only = map_file(len);
    char *writable = map_file(len);
    read_only[len / 2] = 'x'; /* as a relocation does before the linker protects the page */
    writable[len / 2] = 'x';
    assert_int_equal(mprotect(read_only, len, PROT_READ), 0);
    nj_memory_trim();
    assert_int_equal(read_only[len / 2], 'x');
    assert_int_equal(writable[len / 2], 'x');
    assert_int_equal(touch(read_only, len), len - 1);
    assert_int_equal(munmap(read_only, len), 0);
    assert_int_equal(munmap(writable, len), 0);
}

static void test_the_program_goes_on(void **state)
{
    (void)state;
    char *text = malloc(100);
    (void)snprintf(text, 100, "%s", "kept");
    nj_memory_trim();
    nj_memory_trim();
    assert_string_equal(text, "kept");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unchanged_pages_go_and_come_back),
        cmocka_unit_test(test_what_was_written_stays),
        cmocka_unit_test(test_the_program_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
