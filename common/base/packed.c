#include "common/base/packed.h"

#include <string.h>

enum { WHOLE_BYTES = 9 }; /* of 63 bits */

void nj_pack_whole(struct nj_buf *out, uint64_t value)
{
    char bytes[WHOLE_BYTES + 1];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (char)(value | 0x80);
    bytes[len++] = (char)value;
    (void)nj_buf_append(out, bytes, len);
}

void nj_pack_real(struct nj_buf *out, double value, size_t bytes)
{
    size_t dropped_bits = 8 * (sizeof(value) - bytes);
    uint64_t bits;
    char packed[sizeof(bits)];
    memcpy(&bits, &value, sizeof(bits));
    if (dropped_bits > 0)
        bits += UINT64_C(1) << (dropped_bits - 1);
    for (size_t i = 0; i < bytes; i++)
        packed[i] = (char)(bits >> (dropped_bits + 8 * i));
    (void)nj_buf_append(out, packed, bytes);
}

uint64_t nj_unpack_whole(struct nj_packed *packed, uint64_t max)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < WHOLE_BYTES && packed->at < packed->end; i++) {
        uint8_t byte = *packed->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            packed->bad = packed->bad || value > max;
            return packed->bad ? 0 : value;
        }
    }
    packed->bad = true;
    return 0;
}

double nj_unpack_real(struct nj_packed *packed, size_t bytes)
{
    uint64_t bits = 0;
    double value;
    if (packed->bad || packed->end - packed->at < (ptrdiff_t)bytes) {
        packed->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        bits |= (uint64_t)packed->at[i] << (8 * (sizeof(bits) - bytes + i));
    packed->at += bytes;
    memcpy(&value, &bits, sizeof(value));
    return value;
}
