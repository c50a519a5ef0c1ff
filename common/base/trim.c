#include "common/base/trim.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 512 }; /* a longer path is read in pieces, of which only the first looks like a mapping */

struct mapping {
    uintptr_t begin, end;
    bool from_file; /* read-only and private, of a file */
    bool changed;   /* a page of it is the process' own by now */
};

/* "7f12e4600000-7f12e4628000 r-xp 00000000 fe:00 1234   /usr/lib/...": proc(5), /proc/pid/smaps */
static bool parse_mapping(const char *line, struct mapping *ret_mapping)
{
    enum { PERMISSIONS = 4, FIELDS_BEFORE_INODE = 3 };
    char *at;
    struct mapping mapping = {.begin = strtoul(line, &at, 16)};
    if (*at != '-')
        return false;
    mapping.end = strtoul(at + 1, &at, 16);
    if (*at != ' ' || strlen(at) <= PERMISSIONS)
        return false;
    at++;
    bool read_only = at[1] == '-';
    bool private = at[3] == 'p';
    for (int i = 0; i < FIELDS_BEFORE_INODE && at != NULL; i++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    mapping.from_file = read_only && private && at != NULL && strtoul(at, NULL, 10) != 0;
    *ret_mapping = mapping;
    return true;
}

/* "Anonymous:   12 kB": is there any of it? */
static bool some_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 && strtoul(line + len, NULL, 10) != 0;
}

void nj_memory_trim(void)
{
    char line[LINE_BYTES];
    struct mapping mapping = {0};
    (void)malloc_trim(0);
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (maps == NULL)
        return;
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (parse_mapping(line, &mapping))
            continue;
        /* What was written to, by the linker's relocations for example, is nowhere else, in memory or swapped
         * out: such a mapping is left alone. */
        if (some_of(line, "Anonymous:") || some_of(line, "Swap:"))
            mapping.changed = true;
        if (strncmp(line, "VmFlags:", 8) == 0 && mapping.from_file && !mapping.changed) /* the last line */
            (void)madvise((void *)mapping.begin, mapping.end - mapping.begin, MADV_DONTNEED);
    }
    (void)fclose(maps);
}
