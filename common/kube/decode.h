/*
 * From bytes to objects: Kubernetes protobuf (`k8s\0` envelope,
 * https://kubernetes.io/docs/reference/using-api/api-concepts/) through protobuf-c, and JSON through json-c.
 * Pure; every input is treated as hostile: a bad one gives -EBADMSG with a text, a too large one -EOVERFLOW,
 * and nothing is read outside it. One arena, one thread.
 */
#ifndef NJ_KUBE_DECODE_H
#define NJ_KUBE_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/kube/objects.h"

enum nj_kube_encoding { NJ_KUBE_PROTOBUF, NJ_KUBE_JSON };

/* One object, with its envelope in protobuf. Strings may point into `bytes`, which must live as long as the
 * object. */
int nj_kube_decode(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const void *bytes, size_t len,
                   struct nj_arena *arena, struct nj_kube_object *ret_object, struct nj_err *err);

/* A metav1.Status: what an error answer or an ERROR event holds. */
struct nj_kube_status {
    int32_t code;       /* HTTP status */
    const char *reason; /* "Expired", "Gone", ... */
    const char *message;
    bool too_large_resource_version; /* a cause ResourceVersionTooLarge */
    int32_t retry_after_seconds;     /* 0: none */
};
int nj_kube_decode_status(enum nj_kube_encoding encoding, const void *bytes, size_t len,
                          struct nj_arena *arena, struct nj_kube_status *ret_status, struct nj_err *err);

enum nj_watch_event_type {
    NJ_WATCH_ADDED,
    NJ_WATCH_MODIFIED,
    NJ_WATCH_DELETED,
    NJ_WATCH_BOOKMARK,
    NJ_WATCH_ERROR,
};

/* One event of a watch: a protobuf frame without its length, or a JSON line. For ERROR *ret_status is set,
 * else *ret_object (for BOOKMARK only its resource_version). */
int nj_kube_decode_event(enum nj_kube_encoding encoding, enum nj_kube_kind kind, const void *bytes,
                         size_t len, struct nj_arena *arena, enum nj_watch_event_type *ret_type,
                         struct nj_kube_object *ret_object, struct nj_kube_status *ret_status,
                         struct nj_err *err);

/*
 * A list, as its bytes arrive: items are decoded one at a time, so that a list of any length needs memory for
 * one item. nj_list_decoder_feed() calls on_item for each complete item (borrowed; the arena is reset after
 * it returns).
 */
struct nj_list_decoder;

struct nj_list_end { /* ListMeta; strings are owned by the decoder */
    const char *resource_version;
    const char *continue_token; /* "" on the last page */
};

struct nj_list_decoder *nj_list_decoder_new(enum nj_kube_encoding encoding, enum nj_kube_kind kind,
                                            size_t max_item_bytes,
                                            int (*on_item)(void *data, const struct nj_kube_object *object),
                                            void *data);
int nj_list_decoder_feed(struct nj_list_decoder *decoder, const void *bytes, size_t len, struct nj_err *err);
/* The list's version as soon as its metadata has come, "" before: what was told is not older than this.
 * Borrowed. */
const char *nj_list_decoder_resource_version(const struct nj_list_decoder *decoder);
/* The list is complete: 0, or -EBADMSG when it ended too early or is no list at all. */
int nj_list_decoder_end(struct nj_list_decoder *decoder, struct nj_list_end *ret_end, struct nj_err *err);
void nj_list_decoder_free(struct nj_list_decoder *decoder);

/* A watch's stream, as its bytes arrive: calls on_event with the bytes of each complete event for
 * nj_kube_decode_event(). */
struct nj_watch_framer;
struct nj_watch_framer *nj_watch_framer_new(enum nj_kube_encoding encoding, size_t max_event_bytes,
                                            int (*on_event)(void *data, const void *bytes, size_t len),
                                            void *data);
int nj_watch_framer_feed(struct nj_watch_framer *framer, const void *bytes, size_t len, struct nj_err *err);
void nj_watch_framer_free(struct nj_watch_framer *framer);

#endif
