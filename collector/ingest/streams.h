/*
 * What is known of each agent's stream, kept in memory between its packets: loaded from the store when it is
 * first heard, written back with the next transaction. Bounded: who was silent for long makes room. Worker
 * only.
 */
#ifndef NJ_INGEST_STREAMS_H
#define NJ_INGEST_STREAMS_H

#include "collector/store/store.h"
#include "common/base/table.h"

enum { NJ_STREAM_KEY_MAX = 640, NJ_STREAM_VERSION_MAX = 64 };

struct nj_stream {
    char key[NJ_STREAM_KEY_MAX]; /* cluster, node and stream, each terminated */
    size_t key_len;
    struct nj_store_agent agent; /* its strings point into key and version */
    char version[NJ_STREAM_VERSION_MAX];
    uint64_t safe;  /* highest seq that is committed; agent.committed runs ahead of it within a group */
    uint64_t group; /* the last one that used it: within it, it is not removed */
    bool dirty;     /* differs from the store */
    bool heard;     /* at least one request was taken */
    struct nj_stream *prev, *next;             /* the one that was silent longest first */
    struct nj_stream *dirty_prev, *dirty_next; /* of the dirty ones */
    UT_hash_handle hh;
};

struct nj_streams {
    struct nj_stream *all;   /* hash by key */
    struct nj_stream *quiet; /* list */
    struct nj_stream *dirty; /* list */
    size_t max;
    int64_t silent_after_ns;
    uint64_t group;  /* the current one's number */
    int64_t last_ns; /* of the group before; later than now: the clock was set back since */
};

/* 0; -EINVAL for names that are empty or too long; -EMFILE when there are too many that still speak; or the
 * store's error. */
int nj_streams_get(struct nj_streams *streams, struct nj_store *store, const struct nj_batch *batch,
                   int64_t now_ns, struct nj_stream **ret_stream, struct nj_err *err);
/* What a batch says of its agent. */
void nj_streams_heard(struct nj_streams *streams, struct nj_stream *stream, const struct nj_batch *batch,
                      int64_t now_ns);
/* At each group, before its packets: after the wall clock was set back, nobody was heard later than now. */
void nj_streams_note_time(struct nj_streams *streams, int64_t now_ns);
/* Its record differs from the store's now. */
void nj_streams_changed(struct nj_streams *streams, struct nj_stream *stream);
/* Writes the dirty ones, within a transaction; nj_streams_clean() after the commit. */
int nj_streams_store(const struct nj_streams *streams, struct nj_store *store, struct nj_err *err);
void nj_streams_clean(struct nj_streams *streams);
/* Forgets everything: after a rollback, or at the end. */
void nj_streams_clear(struct nj_streams *streams);

#endif
