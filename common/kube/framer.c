#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/kube/decode.h"

enum { LENGTH_BYTES = 4 }; /* big-endian, in front of each protobuf event */

struct nj_watch_framer {
    enum nj_kube_encoding encoding;
    size_t max_event_bytes;
    int (*on_event)(void *data, const void *bytes, size_t len);
    void *data;
    struct nj_buf partial; /* the beginning of an event, with its length, whose end has not come yet */
    bool failed;
};

struct nj_watch_framer *nj_watch_framer_new(enum nj_kube_encoding encoding, size_t max_event_bytes,
                                            int (*on_event)(void *data, const void *bytes, size_t len),
                                            void *data)
{
    struct nj_watch_framer *framer = NJ_NEW(struct nj_watch_framer);
    framer->encoding = encoding;
    framer->max_event_bytes = max_event_bytes;
    framer->on_event = on_event;
    framer->data = data;
    nj_buf_init(&framer->partial, 0); /* bounded by what the functions below let in */
    return framer;
}

void nj_watch_framer_free(struct nj_watch_framer *framer)
{
    if (framer == NULL)
        return;
    nj_buf_done(&framer->partial);
    free(framer);
}

static int too_large(const struct nj_watch_framer *framer, struct nj_err *err)
{
    return nj_err_set(err, -EOVERFLOW, "a watch event is larger than %zu bytes", framer->max_event_bytes);
}

static int tell(struct nj_watch_framer *framer, const void *bytes, size_t len, struct nj_err *err)
{
    int rc = framer->on_event(framer->data, bytes, len);
    return rc < 0 ? nj_err_set(err, rc, "a watch event was refused by its receiver") : 0;
}

static int keep(struct nj_watch_framer *framer, const void *bytes, size_t len, struct nj_err *err)
{
    int rc = nj_buf_append(&framer->partial, bytes, len);
    return rc < 0 ? nj_err_set(err, rc, "no memory for a watch event") : 0;
}

/* One line, its newline dropped; blank ones are nothing. */
static int tell_line(struct nj_watch_framer *framer, const char *line, size_t len, struct nj_err *err)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0)
        return 0;
    return len > framer->max_event_bytes ? too_large(framer, err) : tell(framer, line, len, err);
}

static int feed_lines(struct nj_watch_framer *framer, const char *bytes, size_t len, struct nj_err *err)
{
    struct nj_buf *partial = &framer->partial;
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t used = newline == NULL ? len : (size_t)(newline - bytes);
        int rc = 0;
        if (newline != NULL && partial->len == 0) {
            rc = tell_line(framer, bytes, used, err);
        } else {
            if (used > framer->max_event_bytes + 1 - partial->len) /* 1: the '\r' */
                return too_large(framer, err);
            rc = keep(framer, bytes, used, err);
            if (rc == 0 && newline != NULL) {
                rc = tell_line(framer, partial->data, partial->len, err);
                nj_buf_clear(partial);
            }
        }
        if (rc < 0)
            return rc;
        used += newline != NULL;
        bytes += used;
        len -= used;
    }
    return 0;
}

static size_t frame_len(const void *bytes)
{
    const unsigned char *b = bytes;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

/* Adds to the partial frame until it has `want` bytes; true when it has. */
static int fill(struct nj_watch_framer *framer, const char **bytes, size_t *len, size_t want,
                struct nj_err *err)
{
    size_t used = want - framer->partial.len;
    if (used > *len)
        used = *len;
    int rc = keep(framer, *bytes, used, err);
    *bytes += used;
    *len -= used;
    return rc;
}

static int feed_frames(struct nj_watch_framer *framer, const char *bytes, size_t len, struct nj_err *err)
{
    struct nj_buf *partial = &framer->partial;
    while (len > 0) {
        int rc;
        if (partial->len == 0 && len >= LENGTH_BYTES && frame_len(bytes) <= len - LENGTH_BYTES) {
            size_t whole = frame_len(bytes);
            if (whole > framer->max_event_bytes)
                return too_large(framer, err);
            rc = tell(framer, bytes + LENGTH_BYTES, whole, err);
            if (rc < 0)
                return rc;
            bytes += LENGTH_BYTES + whole;
            len -= LENGTH_BYTES + whole;
            continue;
        }
        if (partial->len < LENGTH_BYTES) {
            rc = fill(framer, &bytes, &len, LENGTH_BYTES, err);
            if (rc < 0)
                return rc;
            if (partial->len < LENGTH_BYTES)
                return 0;
            if (frame_len(partial->data) > framer->max_event_bytes)
                return too_large(framer, err);
        }
        size_t whole = frame_len(partial->data);
        rc = fill(framer, &bytes, &len, LENGTH_BYTES + whole, err);
        if (rc == 0 && partial->len == LENGTH_BYTES + whole) {
            rc = tell(framer, partial->data + LENGTH_BYTES, whole, err);
            nj_buf_clear(partial);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

int nj_watch_framer_feed(struct nj_watch_framer *framer, const void *bytes, size_t len, struct nj_err *err)
{
    if (framer->failed)
        return nj_err_set(err, -EBADMSG, "the watch is malformed before this point");
    int rc = framer->encoding == NJ_KUBE_JSON ? feed_lines(framer, bytes, len, err)
                                              : feed_frames(framer, bytes, len, err);
    framer->failed = rc < 0;
    return rc;
}
