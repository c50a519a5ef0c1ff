#include "collector/ingest/streams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

static int make_key(const struct nj_batch *batch, char key[NJ_STREAM_KEY_MAX], size_t *ret_len)
{
    const char *const parts[] = {batch->cluster, batch->node, batch->stream};
    size_t at = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t len = strlen(parts[i]) + 1;
        if (len > NJ_STREAM_KEY_MAX - at)
            return -ENAMETOOLONG;
        memcpy(key + at, parts[i], len);
        at += len;
    }
    *ret_len = at;
    return 0;
}

static void name_agent(struct nj_stream *stream)
{
    stream->agent.cluster = stream->key;
    stream->agent.node = stream->agent.cluster + strlen(stream->agent.cluster) + 1;
    stream->agent.stream = stream->agent.node + strlen(stream->agent.node) + 1;
    stream->agent.status.version = stream->version;
}

/* Removes the one that was silent longest, if it was so for long enough. */
static bool make_room(struct nj_streams *streams, int64_t now_ns)
{
    struct nj_stream *oldest = NULL;
    for (struct nj_stream *stream = streams->all; stream != NULL; stream = stream->hh.next) {
        if (!stream->dirty && (oldest == NULL || stream->agent.last_heard_ns < oldest->agent.last_heard_ns))
            oldest = stream;
    }
    if (oldest == NULL || now_ns - oldest->agent.last_heard_ns < streams->silent_after_ns)
        return false;
    HASH_DEL(streams->all, oldest);
    free(oldest);
    return true;
}

int nj_streams_get(struct nj_streams *streams, struct nj_store *store, const struct nj_batch *batch,
                   int64_t now_ns, struct nj_stream **ret_stream, struct nj_err *err)
{
    char key[NJ_STREAM_KEY_MAX];
    size_t len = 0;
    int rc = make_key(batch, key, &len);
    if (rc < 0)
        return nj_err_set(err, rc, "the names of cluster, node and stream are too long");
    struct nj_stream *stream = NULL;
    HASH_FIND(hh, streams->all, key, len, stream);
    if (stream != NULL) {
        *ret_stream = stream;
        return 0;
    }
    if (HASH_COUNT(streams->all) >= streams->max && !make_room(streams, now_ns))
        return nj_err_set(err, -EMFILE, "%zu agents are known already (ingest.max_agents)", streams->max);
    stream = NJ_NEW(struct nj_stream);
    memcpy(stream->key, key, len);
    stream->key_len = len;
    rc = store->ops->get_agent(store, batch->cluster, batch->node, batch->stream, &stream->agent, err);
    if (rc < 0 && rc != -ENOENT) {
        free(stream);
        return rc;
    }
    stream->stored = rc == 0;
    if (rc == 0)
        (void)snprintf(stream->version, sizeof(stream->version), "%s", nj_str(stream->agent.status.version));
    else
        stream->agent.first_heard_ns = now_ns;
    name_agent(stream);
    HASH_ADD(hh, streams->all, key, len, stream);
    *ret_stream = stream;
    return 0;
}

void nj_streams_heard(struct nj_stream *stream, const struct nj_batch *batch, int64_t now_ns)
{
    stream->agent.status = batch->status;
    (void)snprintf(stream->version, sizeof(stream->version), "%s", nj_str(batch->status.version));
    stream->agent.status.version = stream->version;
    stream->agent.last_heard_ns = now_ns;
    if (batch->request > stream->agent.request)
        stream->agent.request = batch->request;
    stream->dirty = true;
}

int nj_streams_store(struct nj_streams *streams, struct nj_store *store, struct nj_err *err)
{
    for (struct nj_stream *stream = streams->all; stream != NULL; stream = stream->hh.next) {
        int rc = stream->dirty ? store->ops->put_agent(store, &stream->agent, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

void nj_streams_clean(struct nj_streams *streams)
{
    for (struct nj_stream *stream = streams->all; stream != NULL; stream = stream->hh.next) {
        stream->stored |= stream->dirty;
        stream->dirty = false;
    }
}

void nj_streams_clear(struct nj_streams *streams)
{
    struct nj_stream *stream;
    struct nj_stream *next;
    HASH_ITER (hh, streams->all, stream, next) {
        HASH_DEL(streams->all, stream);
        free(stream);
    }
}
