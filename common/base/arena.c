#include "common/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

/* Under the address sanitizer what is not handed out is poisoned, and allocations keep a distance, so that a
 * decoder that reads or writes past its object is found as with malloc(). */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { DISTANCE = 2 * alignof(max_align_t) };
#else
enum { DISTANCE = 0 };
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

enum {
    BLOCK_BYTES = 16 * 1024, /* an ordinary block, its header included */
    LARGE_PART = 4, /* from this part of it on a request has its own block, so that a block's rest is small */
};

struct nj_arena_block {
    struct nj_arena_block *next;
    size_t used;
    size_t size; /* of data */
    alignas(max_align_t) unsigned char data[];
};

/* Of an ordinary block's data. */
static size_t ordinary_size(const struct nj_arena *arena)
{
    return (arena->block_bytes != 0 ? arena->block_bytes : BLOCK_BYTES) - sizeof(struct nj_arena_block);
}

void nj_arena_init(struct nj_arena *arena, size_t max)
{
    *arena = (struct nj_arena){.max = max};
}

static void free_blocks(struct nj_arena_block *block)
{
    while (block != NULL) {
        struct nj_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void nj_arena_done(struct nj_arena *arena)
{
    free_blocks(arena->blocks);
    free_blocks(arena->spare);
    *arena = (struct nj_arena){.max = arena->max, .block_bytes = arena->block_bytes};
}

void nj_arena_reset(struct nj_arena *arena)
{
    while (arena->blocks != NULL) {
        struct nj_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        if (arena->spare == NULL && block->size == ordinary_size(arena)) {
            block->next = NULL;
            block->used = 0;
            ASAN_POISON_MEMORY_REGION(block->data, block->size);
            arena->spare = block;
        } else {
            free(block);
        }
    }
    arena->used = 0;
    arena->starved = false;
}

/* A block with room for `size` bytes, or NULL. */
static struct nj_arena_block *new_block(struct nj_arena *arena, size_t size)
{
    bool ordinary = size < ordinary_size(arena) / LARGE_PART;
    struct nj_arena_block *block = arena->spare;
    if (ordinary && block != NULL) {
        arena->spare = NULL;
        return block;
    }
    size_t data = ordinary ? ordinary_size(arena) : size;
    block = nj_try_alloc(sizeof(*block) + data);
    if (block == NULL)
        return NULL;
    *block = (struct nj_arena_block){.size = data};
    ASAN_POISON_MEMORY_REGION(block->data, data);
    return block;
}

void *nj_arena_alloc(struct nj_arena *arena, size_t size)
{
    size_t aligned = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (aligned < size || aligned > SIZE_MAX / 2 || arena->max < arena->used ||
        aligned > arena->max - arena->used)
        return NULL;
    struct nj_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < aligned + DISTANCE) {
        block = new_block(arena, aligned + DISTANCE);
        if (block == NULL) {
            arena->starved = true;
            return NULL;
        }
        if (block->size != ordinary_size(arena) && arena->blocks != NULL) {
            /* Behind the ordinary block in use, whose rest stays usable. */
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            block->next = arena->blocks;
            arena->blocks = block;
        }
    }
    void *memory = block->data + block->used;
    block->used += aligned + DISTANCE;
    arena->used += aligned;
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *nj_arena_zalloc(struct nj_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *memory = nj_arena_alloc(arena, total);
    if (memory != NULL)
        memset(memory, 0, total);
    return memory;
}

char *nj_arena_strndup(struct nj_arena *arena, const char *text, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = nj_arena_alloc(arena, len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}
