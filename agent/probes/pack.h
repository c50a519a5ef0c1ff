/*
 * Copies of many small things in one block of memory: the same code runs twice, first without a block, to
 * find out how much room it takes, then with one. For agent/probes and agent/inspect; any thread.
 *
 *     struct nj_pack pack = {0};
 *     fill(&pack, from);                  counts
 *     nj_pack_open(&pack);
 *     struct x *x = fill(&pack, from);    copies; x == pack.block when it comes first
 */
#ifndef NJ_PROBES_PACK_H
#define NJ_PROBES_PACK_H

#include <stdalign.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

struct nj_pack {
    char *block; /* NULL: only counts. Belongs to the caller */
    size_t used;
};

static inline void nj_pack_open(struct nj_pack *pack)
{
    pack->block = nj_calloc(1, pack->used);
    pack->used = 0;
}

/* Zeroed; NULL while it only counts, and for no bytes at all. */
static inline void *nj_pack_room(struct nj_pack *pack, size_t count, size_t size)
{
    size_t align = alignof(max_align_t);
    pack->used = (pack->used + align - 1) / align * align;
    void *room = pack->block == NULL || count == 0 ? NULL : pack->block + pack->used;
    pack->used += count * size;
    return room;
}

static inline const char *nj_pack_text(struct nj_pack *pack, const char *text)
{
    size_t size = strlen(nj_str(text)) + 1;
    if (size == 1)
        return "";
    char *room = pack->block == NULL ? NULL : pack->block + pack->used;
    pack->used += size;
    if (room != NULL)
        memcpy(room, text, size);
    return room;
}

#endif
