/*
 * Objects, events, statuses and lists in json. The first byte chooses what the rest is taken for. A list is
 * decoded twice, whole and in pieces as long as the byte says: both must come to the same end.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/arena.h"
#include "common/kube/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 4 << 20, ITEM_MAX = 4096 };
enum { AS_POD, AS_META, AS_EVENT, AS_STATUS, AS_LIST, KINDS };

static int on_item(void *data, const struct nj_kube_object *object)
{
    /* What an object points to can be read: the sanitizer looks. */
    size_t *seen = data;
    for (const char *c = object->meta.name; *c != '\0'; c++)
        *seen += (size_t)*c;
    for (size_t i = 0; i < object->meta.labels_count; i++)
        *seen += (size_t)object->meta.labels[i].key[0];
    for (size_t i = 0; i < object->pod.statuses_count; i++)
        *seen += (size_t)object->pod.statuses[i].last_state.reason[0];
    ++*seen;
    return 0;
}

static size_t decode_list(const uint8_t *data, size_t size, size_t step, int *ret_rc)
{
    size_t seen = 0;
    struct nj_err err;
    struct nj_list_end end;
    struct nj_list_decoder *decoder =
        nj_list_decoder_new(NJ_KUBE_JSON, NJ_KUBE_POD, ITEM_MAX, on_item, &seen);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size; at += step)
        rc = nj_list_decoder_feed(decoder, data + at, size - at < step ? size - at : step, &err);
    if (rc == 0)
        rc = nj_list_decoder_end(decoder, &end, &err);
    nj_list_decoder_free(decoder);
    *ret_rc = rc;
    return seen;
}

static void decode_one(int as, const uint8_t *data, size_t size)
{
    size_t seen = 0;
    struct nj_arena arena;
    struct nj_kube_object object;
    struct nj_kube_status status;
    enum nj_watch_event_type type;
    struct nj_err err;
    nj_arena_init(&arena, ARENA_MAX);
    if (as == AS_STATUS) {
        (void)nj_kube_decode_status(NJ_KUBE_JSON, data, size, &arena, &status, &err);
    } else if (as == AS_EVENT) {
        if (nj_kube_decode_event(NJ_KUBE_JSON, NJ_KUBE_POD, data, size, &arena, &type, &object, &status,
                                 &err) == 0 &&
            type != NJ_WATCH_ERROR)
            (void)on_item(&seen, &object);
    } else if (nj_kube_decode(NJ_KUBE_JSON, as == AS_POD ? NJ_KUBE_POD : NJ_KUBE_META, data, size, &arena,
                              &object, &err) == 0) {
        (void)on_item(&seen, &object);
    }
    nj_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % KINDS == AS_LIST) {
        int whole_rc, pieces_rc;
        size_t whole = decode_list(data + 1, size - 1, size, &whole_rc);
        size_t pieces = decode_list(data + 1, size - 1, (size_t)data[0] / KINDS + 1, &pieces_rc);
        if (whole != pieces || whole_rc != pieces_rc)
            abort();
        return 0;
    }
    decode_one(data[0] % KINDS, data + 1, size - 1);
    return 0;
}
