/*
 * The list decoder's inside: one core, and a parser that cuts items for each encoding. Private to
 * common/kube.
 */
#ifndef NJ_KUBE_LIST_INTERNAL_H
#define NJ_KUBE_LIST_INTERNAL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/kube/decode_internal.h"
#include "common/kube/json_skim.h"

/* Where in a protobuf list the bytes fed so far ended. */
struct nj_list_pb {
    enum { NJ_PB_MAGIC, NJ_PB_TAG, NJ_PB_SKIP_VARINT, NJ_PB_LENGTH, NJ_PB_SKIP, NJ_PB_PIECE } step;
    size_t magic_seen;
    uint64_t varint;
    unsigned varint_len;
    uint32_t field;
    uint64_t left; /* bytes of NJ_PB_SKIP or NJ_PB_PIECE to come */
    bool in_raw;   /* inside runtime.Unknown's raw: the list itself */
    uint64_t raw_left;
};

enum { NJ_LIST_KEY_MAX = 16 }; /* longer than every key that is looked for */

/* Where in a JSON list the bytes fed so far ended. */
struct nj_list_json {
    enum {
        NJ_LIST_OPEN,
        NJ_LIST_KEY_OR_END,
        NJ_LIST_NEXT_KEY,
        NJ_LIST_KEY,
        NJ_LIST_COLON,
        NJ_LIST_VALUE,
        NJ_LIST_IN_VALUE,
        NJ_LIST_AFTER_VALUE,
        NJ_LIST_ITEM_OR_END,
        NJ_LIST_NEXT_ITEM,
        NJ_LIST_IN_ITEM,
        NJ_LIST_AFTER_ITEM,
        NJ_LIST_CLOSED,
    } step;
    struct nj_json_span span;
    char key[NJ_LIST_KEY_MAX]; /* with its opening quote, cut */
    size_t key_len;
    bool items_seen;
};

struct nj_list_decoder {
    enum nj_kube_encoding encoding;
    enum nj_kube_kind kind;
    size_t max_item_bytes;
    int (*on_item)(void *data, const struct nj_kube_object *object);
    void *data;
    struct nj_arena arena;
    struct nj_buf partial; /* the beginning of an item or of the metadata whose end has not come yet */
    bool failed;
    char *resource_version, *continue_token; /* NULL until the metadata has come */
    union {
        struct nj_list_pb pb;
        struct nj_list_json json;
    };
};

enum nj_list_piece { NJ_LIST_ITEM, NJ_LIST_METADATA };

/* Some more bytes of an item or of the metadata; with `done` the last ones, upon which it is decoded and
 * told. */
int nj_list_take(struct nj_list_decoder *decoder, enum nj_list_piece piece, const void *bytes, size_t len,
                 bool done, struct nj_err *err);

int nj_list_feed_pb(struct nj_list_decoder *decoder, const uint8_t *bytes, size_t len, struct nj_err *err);
bool nj_list_complete_pb(const struct nj_list_decoder *decoder);
int nj_list_feed_json(struct nj_list_decoder *decoder, const char *bytes, size_t len, struct nj_err *err);
bool nj_list_complete_json(const struct nj_list_decoder *decoder);

#endif
