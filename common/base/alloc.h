/*
 * Memory. Small allocations abort when they fail (a program that cannot get 100 bytes cannot do its duty, and
 * both programs recover from being killed at any moment); sizes that come from outside go through
 * nj_try_alloc(), which refuses. Everything is released with free(). Any thread.
 */
#ifndef NJ_BASE_ALLOC_H
#define NJ_BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

/* Zeroed memory for `count` objects of `size` bytes; never NULL. Aborts on overflow or when memory is out. */
void *nj_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Like realloc() for arrays; never NULL for a non-zero size; new bytes are not initialised. */
void *nj_realloc(void *memory, size_t count, size_t size);

/* Uninitialised memory or NULL; for sizes that come from outside, which the caller has bounded. */
void *nj_try_alloc(size_t size) __attribute__((malloc));

/* Copies; NULL gives NULL. */
char *nj_strdup(const char *text);
char *nj_strndup(const char *text, size_t length);

/* asprintf() that aborts instead of failing. */
char *nj_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* What all of these do when memory is out: says so and aborts. Also for failures that can only mean that. */
_Noreturn void nj_out_of_memory(void);

#define NJ_NEW(type) ((type *)nj_calloc(1, sizeof(type)))

/* Frees what a local variable points to when it goes out of scope: `NJ_CLEANUP_FREE char *name = ...;` */
#define NJ_CLEANUP_FREE __attribute__((cleanup(nj_cleanup_free)))
void nj_cleanup_free(void *pointer_to_pointer);

#endif
