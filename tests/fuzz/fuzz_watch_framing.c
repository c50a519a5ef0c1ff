/*
 * A watch's stream, in both encodings: cut into pieces as long as the first byte says, it must be framed as
 * it is whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/str.h"
#include "common/kube/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_MAX = 512 };

static int on_event(void *data, const void *bytes, size_t len)
{
    uint64_t *sum = data;
    if (len > EVENT_MAX)
        abort();
    *sum = *sum * 31 + nj_hash64(bytes, len) + 1;
    return 0;
}

static uint64_t frame(enum nj_kube_encoding encoding, const uint8_t *data, size_t size, size_t step,
                      int *ret_rc)
{
    uint64_t sum = 0;
    struct nj_err err;
    struct nj_watch_framer *framer = nj_watch_framer_new(encoding, EVENT_MAX, on_event, &sum);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size; at += step)
        rc = nj_watch_framer_feed(framer, data + at, size - at < step ? size - at : step, &err);
    nj_watch_framer_free(framer);
    *ret_rc = rc;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum nj_kube_encoding encoding = (data[0] & 1) != 0 ? NJ_KUBE_JSON : NJ_KUBE_PROTOBUF;
    int whole_rc, pieces_rc;
    uint64_t whole = frame(encoding, data + 1, size - 1, size, &whole_rc);
    uint64_t pieces = frame(encoding, data + 1, size - 1, (size_t)data[0] / 2 + 1, &pieces_rc);
    if (whole != pieces || whole_rc != pieces_rc)
        abort();
    return 0;
}
