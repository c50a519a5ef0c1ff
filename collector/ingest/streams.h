/*
 * What is known of each agent's stream, kept in memory between its packets: loaded from the store when it is
 * first heard, written back with the next transaction. Bounded: who was silent for long makes room. Worker
 * only.
 */
#ifndef NJ_INGEST_STREAMS_H
#define NJ_INGEST_STREAMS_H

#include <uthash.h>

#include "collector/store/store.h"

enum { NJ_STREAM_KEY_MAX = 640, NJ_STREAM_VERSION_MAX = 64 };

struct nj_stream {
    char key[NJ_STREAM_KEY_MAX]; /* cluster, node and stream, each terminated */
    size_t key_len;
    struct nj_store_agent agent; /* its strings point into key and version */
    char version[NJ_STREAM_VERSION_MAX];
    bool dirty;  /* differs from the store */
    bool stored; /* the store has a record of it */
    UT_hash_handle hh;
};

struct nj_streams {
    struct nj_stream *all;
    size_t max;
    int64_t silent_after_ns;
};

/* 0; -ENAMETOOLONG; -EMFILE when there are too many that still speak; or the store's error. */
int nj_streams_get(struct nj_streams *streams, struct nj_store *store, const struct nj_batch *batch,
                   int64_t now_ns, struct nj_stream **ret_stream, struct nj_err *err);
/* What a batch says of its agent. */
void nj_streams_heard(struct nj_stream *stream, const struct nj_batch *batch, int64_t now_ns);
/* Writes the dirty ones, within a transaction; nj_streams_clean() after the commit. */
int nj_streams_store(struct nj_streams *streams, struct nj_store *store, struct nj_err *err);
void nj_streams_clean(struct nj_streams *streams);
/* Forgets everything: after a rollback, or at the end. */
void nj_streams_clear(struct nj_streams *streams);

#endif
