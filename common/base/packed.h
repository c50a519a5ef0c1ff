/*
 * Numbers in few bytes, as sketches and points of use are kept: whole ones seven bits a byte, the lowest
 * first (protobuf's and SQLite's varints are others' and read elsewhere), real ones by the highest bytes of a
 * double. Whatever the bytes are, reading stays within them. Any thread; nothing is kept.
 */
#ifndef NJ_BASE_PACKED_H
#define NJ_BASE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Appends; what does not fit is the buffer's to say. Numbers below 2^63. */
void nj_pack_whole(struct nj_buf *out, uint64_t value);

/* `bytes` 2 to 8; rounded to the nearest of what they can say. */
void nj_pack_real(struct nj_buf *out, double value, size_t bytes);

struct nj_packed {
    const uint8_t *at, *end;
    bool bad; /* once bad, every number read is 0 */
};

/* 0 and bad for more than `max`, for too many bytes, and past the end. */
uint64_t nj_unpack_whole(struct nj_packed *packed, uint64_t max);
double nj_unpack_real(struct nj_packed *packed, size_t bytes);

#endif
