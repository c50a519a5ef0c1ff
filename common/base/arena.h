/*
 * Memory that is released all at once: what a decoded object needs. Blocks are kept for reuse by
 * nj_arena_reset(), so that decoding in a steady state allocates nothing. A bound refuses hostile sizes. One
 * thread.
 */
#ifndef NJ_BASE_ARENA_H
#define NJ_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct nj_arena_block;

struct nj_arena {
    struct nj_arena_block *blocks; /* the one in use first */
    struct nj_arena_block *spare;
    size_t used;        /* bytes handed out since the last reset */
    size_t max;         /* bytes; nj_arena_alloc() fails beyond */
    size_t block_bytes; /* of what is taken at once, at least 1 KiB; 0: as suits a decoder. Set before the
                           first use */
    bool
        starved; /* since the last reset it failed within the bound: memory is out, the content is innocent */
};

void nj_arena_init(struct nj_arena *arena, size_t max);
void nj_arena_done(struct nj_arena *arena);

/* Forgets everything that was handed out and keeps at most one block of ordinary size. */
void nj_arena_reset(struct nj_arena *arena);

/* Aligned for any type, not initialised; NULL past the bound or when memory is out. */
void *nj_arena_alloc(struct nj_arena *arena, size_t size);
void *nj_arena_zalloc(struct nj_arena *arena, size_t count, size_t size);

/* A terminated copy; NULL past the bound. */
char *nj_arena_strndup(struct nj_arena *arena, const char *text, size_t len);

#endif
