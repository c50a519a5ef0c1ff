#include "common/kube/pb_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

const uint8_t nj_pb_magic[NJ_PB_MAGIC_LEN] = {'k', '8', 's', 0};

static bool read_varint(struct nj_pb_reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < NJ_PB_VARINT_MAX && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

int nj_pb_next(struct nj_pb_reader *reader, struct nj_pb_field *ret_field)
{
    if (reader->at == reader->end)
        return 0;
    struct nj_pb_field field = {.start = reader->at};
    uint64_t tag;
    if (!read_varint(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -EBADMSG;
    field.number = (uint32_t)(tag >> 3);
    field.wire = (enum nj_pb_wire)(tag & 7);
    uint64_t skip = 0;
    uint64_t ignored;
    switch (field.wire) {
    case NJ_PB_VARINT:
        if (!read_varint(reader, &ignored))
            return -EBADMSG;
        break;
    case NJ_PB_FIXED64:
        skip = 8;
        break;
    case NJ_PB_FIXED32:
        skip = 4;
        break;
    case NJ_PB_BYTES:
        if (!read_varint(reader, &skip))
            return -EBADMSG;
        break;
    default: /* groups ended with proto2's first versions; Kubernetes never had any */
        return -EBADMSG;
    }
    if (skip > (uint64_t)(reader->end - reader->at))
        return -EBADMSG;
    field.data = reader->at;
    field.len = (size_t)skip;
    reader->at += skip;
    *ret_field = field;
    return 1;
}

int nj_pb_unwrap(const void *bytes, size_t len, const uint8_t **ret_raw, size_t *ret_len)
{
    enum { UNKNOWN_RAW = 2 };
    if (len < NJ_PB_MAGIC_LEN || memcmp(bytes, nj_pb_magic, NJ_PB_MAGIC_LEN) != 0)
        return -EBADMSG;
    const uint8_t *start = bytes;
    struct nj_pb_reader reader = {.at = start + NJ_PB_MAGIC_LEN, .end = start + len};
    struct nj_pb_field field, raw = {.data = NULL};
    int rc;
    while ((rc = nj_pb_next(&reader, &field)) > 0) {
        if (field.number == UNKNOWN_RAW && field.wire == NJ_PB_BYTES)
            raw = field;
    }
    if (rc < 0 || raw.data == NULL)
        return -EBADMSG;
    *ret_raw = raw.data;
    *ret_len = raw.len;
    return 0;
}
