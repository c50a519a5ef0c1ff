#include <errno.h>
#include <string.h>

#include "common/kube/list_internal.h"

/* The key that ended, without its quotes. */
static bool key_is(const struct nj_list_json *json, const char *key)
{
    size_t len = strlen(key);
    return json->key_len == len + 2 && memcmp(json->key + 1, key, len) == 0;
}

static void begin(struct nj_list_json *json, int step)
{
    json->span = (struct nj_json_span){0};
    json->step = step;
}

/* Steps that take one character after white space; true when it is used up by the step. */
static int take_char(struct nj_list_json *json, char c, bool *ret_used)
{
    *ret_used = true;
    switch (json->step) {
    case NJ_LIST_OPEN:
        json->step = NJ_LIST_KEY_OR_END;
        return c == '{' ? 0 : -EBADMSG;
    case NJ_LIST_KEY_OR_END:
    case NJ_LIST_NEXT_KEY:
        if (c == '}' && json->step == NJ_LIST_KEY_OR_END) {
            json->step = NJ_LIST_CLOSED;
            return 0;
        }
        *ret_used = false;
        json->key_len = 0;
        begin(json, NJ_LIST_KEY);
        return c == '"' ? 0 : -EBADMSG;
    case NJ_LIST_COLON:
        json->step = NJ_LIST_VALUE;
        return c == ':' ? 0 : -EBADMSG;
    case NJ_LIST_VALUE:
        if (key_is(json, "items") && c == '[') {
            json->items_seen = true;
            json->step = NJ_LIST_ITEM_OR_END;
            return 0;
        }
        *ret_used = false;
        json->items_seen =
            json->items_seen || key_is(json, "items"); /* null is how Go writes an empty list */
        begin(json, NJ_LIST_IN_VALUE);
        return key_is(json, "items") && c != 'n' ? -EBADMSG : 0;
    case NJ_LIST_AFTER_VALUE:
        json->step = c == ',' ? NJ_LIST_NEXT_KEY : NJ_LIST_CLOSED;
        return c == ',' || c == '}' ? 0 : -EBADMSG;
    case NJ_LIST_ITEM_OR_END:
    case NJ_LIST_NEXT_ITEM:
        if (c == ']' && json->step == NJ_LIST_ITEM_OR_END) {
            json->step = NJ_LIST_AFTER_VALUE;
            return 0;
        }
        *ret_used = false;
        begin(json, NJ_LIST_IN_ITEM);
        return c == '{' ? 0 : -EBADMSG;
    case NJ_LIST_AFTER_ITEM:
        json->step = c == ',' ? NJ_LIST_NEXT_ITEM : NJ_LIST_AFTER_VALUE;
        return c == ',' || c == ']' ? 0 : -EBADMSG;
    default:
        return -EBADMSG; /* something behind the list's end */
    }
}

/* Steps that take a run of bytes: keys and values. */
static int take_span(struct nj_list_decoder *decoder, const char *bytes, size_t len, size_t *ret_used,
                     struct nj_err *err)
{
    struct nj_list_json *json = &decoder->json;
    bool done;
    size_t used = nj_json_span_feed(&json->span, bytes, len, &done);
    *ret_used = used;
    if (json->step == NJ_LIST_KEY) {
        for (size_t i = 0; i < used; i++) {
            if (json->key_len < sizeof(json->key))
                json->key[json->key_len] = bytes[i];
            json->key_len++;
        }
        if (done)
            json->step = NJ_LIST_COLON;
        return 0;
    }
    bool item = json->step == NJ_LIST_IN_ITEM;
    bool metadata = !item && key_is(json, "metadata");
    if (done)
        json->step = item ? NJ_LIST_AFTER_ITEM : NJ_LIST_AFTER_VALUE;
    if (!item && !metadata)
        return 0;
    return nj_list_take(decoder, item ? NJ_LIST_ITEM : NJ_LIST_METADATA, bytes, used, done, err);
}

int nj_list_feed_json(struct nj_list_decoder *decoder, const char *bytes, size_t len, struct nj_err *err)
{
    struct nj_list_json *json = &decoder->json;
    while (len > 0) {
        size_t used = 1;
        int rc = 0;
        if (json->step == NJ_LIST_KEY || json->step == NJ_LIST_IN_VALUE || json->step == NJ_LIST_IN_ITEM) {
            rc = take_span(decoder, bytes, len, &used, err);
            if (rc < 0)
                return rc;
        } else if (!nj_json_is_space(*bytes)) {
            bool taken;
            rc = take_char(json, *bytes, &taken);
            if (rc < 0)
                return nj_kube_refuse(false, "JSON list", err);
            used = taken;
        }
        bytes += used;
        len -= used;
    }
    return 0;
}

bool nj_list_complete_json(const struct nj_list_decoder *decoder)
{
    return decoder->json.step == NJ_LIST_CLOSED && decoder->json.items_seen;
}
