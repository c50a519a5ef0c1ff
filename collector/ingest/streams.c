#include "collector/ingest/streams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

static int make_key(const struct nj_batch *batch, char key[NJ_STREAM_KEY_MAX], size_t *ret_len)
{
    const char *const parts[] = {batch->cluster, batch->node, batch->stream};
    size_t at = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t len = strlen(parts[i]) + 1;
        if (len == 1 || len > NJ_STREAM_KEY_MAX - at)
            return -EINVAL;
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

static void set_version(struct nj_stream *stream, const char *version)
{
    size_t len = strlen(nj_str(version));
    if (len >= sizeof(stream->version))
        len = nj_utf8_cut(version, len, sizeof(stream->version) - 1);
    memmove(stream->version, nj_str(version), len);
    stream->version[len] = '\0';
}

/* Removes the one that was silent longest, if it was so for long enough. */
static bool make_room(struct nj_streams *streams, int64_t now_ns)
{
    struct nj_stream *oldest = streams->quiet;
    if (oldest == NULL || oldest->dirty || oldest->group == streams->group ||
        now_ns - oldest->agent.last_heard_ns < streams->silent_after_ns)
        return false;
    NJ_TABLE_REMOVE(streams->all, oldest);
    DL_DELETE(streams->quiet, oldest);
    free(oldest);
    return true;
}

static int load(struct nj_streams *streams, struct nj_store *store, const struct nj_batch *batch,
                struct nj_stream *stream, int64_t now_ns, struct nj_err *err)
{
    int rc = store->ops->get_agent(store, batch->cluster, batch->node, batch->stream, &stream->agent, err);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (rc == 0) {
        set_version(stream, stream->agent.status.version);
        stream->safe = stream->agent.committed;
        stream->heard = true;
    } else {
        stream->agent.first_heard_ns = now_ns;
    }
    name_agent(stream);
    HASH_ADD(hh, streams->all, key, stream->key_len, stream);
    DL_APPEND(streams->quiet, stream);
    return 0;
}

int nj_streams_get(struct nj_streams *streams, struct nj_store *store, const struct nj_batch *batch,
                   int64_t now_ns, struct nj_stream **ret_stream, struct nj_err *err)
{
    char key[NJ_STREAM_KEY_MAX];
    size_t len = 0;
    int rc = make_key(batch, key, &len);
    if (rc < 0)
        return nj_err_set(err, rc, "the names of cluster, node and stream are empty or too long");
    struct nj_stream *stream = NULL;
    HASH_FIND(hh, streams->all, key, len, stream);
    if (stream == NULL) {
        if (HASH_COUNT(streams->all) >= streams->max && !make_room(streams, now_ns))
            return nj_err_set(err, -EMFILE, "%zu agents are known already (ingest.max_agents)", streams->max);
        stream = NJ_NEW(struct nj_stream);
        memcpy(stream->key, key, len);
        stream->key_len = len;
        rc = load(streams, store, batch, stream, now_ns, err);
        if (rc < 0) {
            free(stream);
            return rc;
        }
    }
    stream->group = streams->group;
    *ret_stream = stream;
    return 0;
}

void nj_streams_note_time(struct nj_streams *streams, int64_t now_ns)
{
    struct nj_stream *stream = NULL;
    bool set_back = now_ns < streams->last_ns;
    streams->last_ns = now_ns;
    if (!set_back)
        return;
    DL_FOREACH (streams->quiet, stream) {
        if (stream->agent.last_heard_ns > now_ns) {
            stream->agent.last_heard_ns = now_ns;
            nj_streams_changed(streams, stream);
        }
    }
}

void nj_streams_changed(struct nj_streams *streams, struct nj_stream *stream)
{
    if (stream->dirty)
        return;
    stream->dirty = true;
    DL_APPEND2(streams->dirty, stream, dirty_prev, dirty_next);
}

void nj_streams_heard(struct nj_streams *streams, struct nj_stream *stream, const struct nj_batch *batch,
                      int64_t now_ns)
{
    stream->agent.status = batch->status;
    set_version(stream, batch->status.version);
    stream->agent.status.version = stream->version;
    stream->agent.last_heard_ns = now_ns;
    stream->agent.request = batch->request;
    stream->heard = true;
    DL_DELETE(streams->quiet, stream);
    DL_APPEND(streams->quiet, stream);
    nj_streams_changed(streams, stream);
}

int nj_streams_store(const struct nj_streams *streams, struct nj_store *store, struct nj_err *err)
{
    struct nj_stream *stream = NULL;
    DL_FOREACH2(streams->dirty, stream, dirty_next)
    {
        int rc = store->ops->put_agent(store, &stream->agent, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void nj_streams_clean(struct nj_streams *streams)
{
    struct nj_stream *stream = NULL;
    DL_FOREACH2(streams->dirty, stream, dirty_next)
    {
        stream->safe = stream->agent.committed;
        stream->dirty = false;
    }
    streams->dirty = NULL;
}

void nj_streams_clear(struct nj_streams *streams)
{
    for (struct nj_stream *stream; (stream = streams->all) != NULL;) {
        NJ_TABLE_REMOVE(streams->all, stream);
        free(stream);
    }
    streams->quiet = NULL;
    streams->dirty = NULL;
}
