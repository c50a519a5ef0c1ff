/*
 * Counts what the whole program asks malloc() and its relatives for, libraries included: this file's
 * definitions take the place of the C library's (glibc, "Replacing malloc"). One thread.
 */
#ifndef NJ_BENCH_ALLOC_COUNT_H
#define NJ_BENCH_ALLOC_COUNT_H

#include <stdint.h>

struct nj_alloc_count {
    uint64_t calls, bytes; /* since the start; a realloc() counts its new size */
};

struct nj_alloc_count nj_alloc_count(void);

#endif
