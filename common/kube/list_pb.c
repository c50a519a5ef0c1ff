#include <errno.h>

#include "common/kube/list_internal.h"
#include "common/kube/pb_reader.h"

enum { UNKNOWN_RAW = 2, LIST_METADATA = 1, LIST_ITEMS = 2 };

static int malformed(struct nj_err *err)
{
    return nj_kube_refuse(false, "protobuf list", err);
}

/* The length of field `field` is known. */
static int begin_content(struct nj_list_decoder *decoder, uint64_t len, struct nj_err *err)
{
    struct nj_list_pb *pb = &decoder->pb;
    pb->step = NJ_PB_SKIP;
    pb->left = len;
    if (!pb->in_raw) {
        if (pb->field == UNKNOWN_RAW) {
            pb->in_raw = true;
            pb->raw_left = len;
            pb->step = NJ_PB_TAG;
        }
        return 0;
    }
    if (len > pb->raw_left)
        return malformed(err);
    if (pb->field == LIST_ITEMS && len > decoder->max_item_bytes)
        return nj_err_set(err, -EOVERFLOW, "an item of the list is larger than %zu bytes",
                          decoder->max_item_bytes);
    if (pb->field == LIST_METADATA || pb->field == LIST_ITEMS)
        pb->step = NJ_PB_PIECE;
    return 0;
}

static int begin_field(struct nj_list_pb *pb, uint64_t tag, struct nj_err *err)
{
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return malformed(err);
    pb->field = (uint32_t)(tag >> 3);
    switch ((enum nj_pb_wire)(tag & 7)) {
    case NJ_PB_VARINT:
        pb->step = NJ_PB_SKIP_VARINT;
        return 0;
    case NJ_PB_BYTES:
        pb->step = NJ_PB_LENGTH;
        return 0;
    case NJ_PB_FIXED64:
    case NJ_PB_FIXED32:
        pb->left = (tag & 7) == NJ_PB_FIXED64 ? 8 : 4;
        pb->step = NJ_PB_SKIP;
        return pb->in_raw && pb->left > pb->raw_left ? malformed(err) : 0;
    default:
        return malformed(err);
    }
}

/* One byte of a tag, of a length or of a number that nobody asked for. */
static int feed_varint(struct nj_list_decoder *decoder, uint8_t byte, struct nj_err *err)
{
    struct nj_list_pb *pb = &decoder->pb;
    if (pb->varint_len == NJ_PB_VARINT_MAX || (pb->in_raw && pb->raw_left == 0))
        return malformed(err);
    pb->varint |= (uint64_t)(byte & 0x7f) << (7 * pb->varint_len++);
    if (pb->in_raw)
        pb->raw_left--;
    if ((byte & 0x80) != 0)
        return 0;
    uint64_t value = pb->varint;
    pb->varint = 0;
    pb->varint_len = 0;
    if (pb->step == NJ_PB_TAG)
        return begin_field(pb, value, err);
    if (pb->step == NJ_PB_LENGTH)
        return begin_content(decoder, value, err);
    pb->step = NJ_PB_TAG;
    return 0;
}

/* Contents, skipped or told. */
static int feed_content(struct nj_list_decoder *decoder, const uint8_t *bytes, size_t len, size_t *ret_used,
                        struct nj_err *err)
{
    struct nj_list_pb *pb = &decoder->pb;
    size_t used = pb->left < len ? (size_t)pb->left : len;
    pb->left -= used;
    if (pb->in_raw)
        pb->raw_left -= used;
    *ret_used = used;
    bool told = pb->step == NJ_PB_PIECE;
    bool done = pb->left == 0;
    if (done)
        pb->step = NJ_PB_TAG;
    if (!told)
        return 0;
    return nj_list_take(decoder, pb->field == LIST_ITEMS ? NJ_LIST_ITEM : NJ_LIST_METADATA, bytes, used, done,
                        err);
}

int nj_list_feed_pb(struct nj_list_decoder *decoder, const uint8_t *bytes, size_t len, struct nj_err *err)
{
    struct nj_list_pb *pb = &decoder->pb;
    int rc = 0;
    /* Contents of length 0 need no byte to be complete. */
    while (rc == 0 && (len > 0 || ((pb->step == NJ_PB_SKIP || pb->step == NJ_PB_PIECE) && pb->left == 0))) {
        size_t used = 1;
        switch (pb->step) {
        case NJ_PB_MAGIC:
            if (*bytes != nj_pb_magic[pb->magic_seen])
                return malformed(err);
            if (++pb->magic_seen == NJ_PB_MAGIC_LEN)
                pb->step = NJ_PB_TAG;
            break;
        case NJ_PB_TAG:
            if (pb->in_raw && pb->raw_left == 0 && pb->varint_len == 0)
                pb->in_raw = false;
            rc = feed_varint(decoder, *bytes, err);
            break;
        case NJ_PB_SKIP_VARINT:
        case NJ_PB_LENGTH:
            rc = feed_varint(decoder, *bytes, err);
            break;
        case NJ_PB_SKIP:
        case NJ_PB_PIECE:
            rc = feed_content(decoder, bytes, len, &used, err);
            break;
        }
        bytes += used;
        len -= used;
    }
    return rc;
}

bool nj_list_complete_pb(const struct nj_list_decoder *decoder)
{
    const struct nj_list_pb *pb = &decoder->pb;
    return pb->step == NJ_PB_TAG && pb->varint_len == 0 && (!pb->in_raw || pb->raw_left == 0);
}
