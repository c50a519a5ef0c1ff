/*
 * A cursor over the fields of one protobuf message in memory, for the envelopes around Kubernetes objects:
 * they are walked in place, where protobuf-c would copy an object twice before it is looked at. Private to
 * common/kube. Source: https://protobuf.dev/programming-guides/encoding/
 */
#ifndef NJ_KUBE_PB_READER_H
#define NJ_KUBE_PB_READER_H

#include <stddef.h>
#include <stdint.h>

enum nj_pb_wire { NJ_PB_VARINT = 0, NJ_PB_FIXED64 = 1, NJ_PB_BYTES = 2, NJ_PB_FIXED32 = 5 };

enum { NJ_PB_VARINT_MAX = 10 }; /* bytes of the longest varint */

struct nj_pb_reader {
    const uint8_t *at, *end;
};

struct nj_pb_field {
    uint32_t number;
    enum nj_pb_wire wire;
    const uint8_t *start; /* of the field, its tag included */
    const uint8_t *data;  /* NJ_PB_BYTES: the contents, `len` bytes */
    size_t len;
};

/* 1 and the next field, 0 at the end, -EBADMSG. */
int nj_pb_next(struct nj_pb_reader *reader, struct nj_pb_field *ret_field);

/* What lies behind a message's `k8s\0` and runtime.Unknown: the object's own bytes. 0 or -EBADMSG. */
int nj_pb_unwrap(const void *bytes, size_t len, const uint8_t **ret_raw, size_t *ret_len);

/* The four bytes in front of every Kubernetes protobuf message. */
enum { NJ_PB_MAGIC_LEN = 4 };
extern const uint8_t nj_pb_magic[NJ_PB_MAGIC_LEN];

#endif
