#include <errno.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/kube/list_internal.h"

enum {
    ARENA_FACTOR = 16,         /* decoded, an object of many tiny fields is larger than its bytes */
    ARENA_LEAST = 64 * 1024,   /* bytes */
    METADATA_MAX = 128 * 1024, /* bytes; a continue token is a few hundred */
};

struct nj_list_decoder *nj_list_decoder_new(enum nj_kube_encoding encoding, enum nj_kube_kind kind,
                                            size_t max_item_bytes,
                                            int (*on_item)(void *data, const struct nj_kube_object *object),
                                            void *data)
{
    struct nj_list_decoder *decoder = NJ_NEW(struct nj_list_decoder);
    decoder->encoding = encoding;
    decoder->kind = kind;
    decoder->max_item_bytes = max_item_bytes;
    decoder->on_item = on_item;
    decoder->data = data;
    nj_arena_init(&decoder->arena, max_item_bytes * ARENA_FACTOR + ARENA_LEAST);
    nj_buf_init(&decoder->partial, 0); /* nj_list_take() bounds it */
    return decoder;
}

void nj_list_decoder_free(struct nj_list_decoder *decoder)
{
    if (decoder == NULL)
        return;
    nj_arena_done(&decoder->arena);
    nj_buf_done(&decoder->partial);
    free(decoder->resource_version);
    free(decoder->continue_token);
    free(decoder);
}

static int decode_item(struct nj_list_decoder *decoder, const void *bytes, size_t len, struct nj_err *err)
{
    struct nj_kube_object object;
    int rc = decoder->encoding == NJ_KUBE_JSON
                 ? nj_kube_decode_bare_json(decoder->kind, bytes, len, &decoder->arena, &object, err)
                 : nj_kube_decode_bare_pb(decoder->kind, bytes, len, &decoder->arena, &object, err);
    if (rc == 0) {
        rc = decoder->on_item(decoder->data, &object);
        if (rc < 0)
            nj_err_set(err, rc, "an item was refused by its receiver");
    }
    nj_arena_reset(&decoder->arena);
    return rc;
}

static int decode_metadata(struct nj_list_decoder *decoder, const void *bytes, size_t len, struct nj_err *err)
{
    struct nj_list_end end;
    int rc = decoder->encoding == NJ_KUBE_JSON
                 ? nj_kube_decode_list_meta_json(bytes, len, &decoder->arena, &end, err)
                 : nj_kube_decode_list_meta_pb(bytes, len, &decoder->arena, &end, err);
    if (rc == 0) {
        free(decoder->resource_version);
        free(decoder->continue_token);
        decoder->resource_version = nj_strdup(end.resource_version);
        decoder->continue_token = nj_strdup(end.continue_token);
    }
    nj_arena_reset(&decoder->arena);
    return rc;
}

int nj_list_take(struct nj_list_decoder *decoder, enum nj_list_piece piece, const void *bytes, size_t len,
                 bool done, struct nj_err *err)
{
    struct nj_buf *partial = &decoder->partial;
    size_t max = piece == NJ_LIST_ITEM ? decoder->max_item_bytes : METADATA_MAX;
    if (len > max - partial->len)
        return nj_err_set(err, -EOVERFLOW, "%s is larger than %zu bytes",
                          piece == NJ_LIST_ITEM ? "an item of the list" : "the list's metadata", max);
    if (partial->len > 0 || !done) {
        int rc = nj_buf_append(partial, bytes, len);
        if (rc < 0)
            return nj_err_set(err, rc, "no memory for an item of the list");
        bytes = partial->data;
        len = partial->len;
    }
    if (!done)
        return 0;
    int rc = piece == NJ_LIST_ITEM ? decode_item(decoder, bytes, len, err)
                                   : decode_metadata(decoder, bytes, len, err);
    nj_buf_clear(partial);
    return rc;
}

int nj_list_decoder_feed(struct nj_list_decoder *decoder, const void *bytes, size_t len, struct nj_err *err)
{
    if (decoder->failed)
        return nj_err_set(err, -EBADMSG, "the list is malformed before this point");
    int rc = decoder->encoding == NJ_KUBE_JSON ? nj_list_feed_json(decoder, bytes, len, err)
                                               : nj_list_feed_pb(decoder, bytes, len, err);
    decoder->failed = rc < 0;
    return rc;
}

const char *nj_list_decoder_resource_version(const struct nj_list_decoder *decoder)
{
    return nj_str(decoder->resource_version);
}

int nj_list_decoder_end(struct nj_list_decoder *decoder, struct nj_list_end *ret_end, struct nj_err *err)
{
    bool complete =
        !decoder->failed && decoder->resource_version != NULL &&
        (decoder->encoding == NJ_KUBE_JSON ? nj_list_complete_json(decoder) : nj_list_complete_pb(decoder));
    if (!complete)
        return nj_err_set(err, -EBADMSG, "the list ended too early, or is none");
    *ret_end = (struct nj_list_end){.resource_version = decoder->resource_version,
                                    .continue_token = decoder->continue_token};
    return 0;
}
