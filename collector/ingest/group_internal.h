/*
 * What the worker's files share: group.c has the transaction, packets.c what comes in and goes out.
 */
#ifndef NJ_INGEST_GROUP_INTERNAL_H
#define NJ_INGEST_GROUP_INTERNAL_H

#include "collector/ingest/group.h"
#include "collector/ingest/streams.h"

struct nj_group_worker {
    struct nj_ingest_options options;
    struct nj_group_metrics metrics;
    struct nj_engine *engine; /* NULL: it could not be loaded, and is before anything else is done */
    struct nj_streams streams;
    struct nj_sealer *sealer;
    struct nj_arena arena;
    struct nj_buf plain;
    struct nj_buf ack;
    int64_t now_ns;
    int64_t measured_ns;    /* when the gauges that cost a query were last brought up to date */
    uint64_t resting_until; /* uv_hrtime(): after a failure nothing is written until then; 0: as usual */
    size_t events;          /* of this group */
    bool in_transaction;
    int rc; /* of the transaction, 0 until something fails */
    struct nj_err err;
};

/* What a packet is to be answered once the group is committed. */
struct nj_answer {
    struct nj_packet *packet;
    bool wanted;              /* it is one of ours */
    struct nj_stream *stream; /* NULL: not known */
    uint8_t nonce[NJ_SEAL_NONCE];
    uint64_t request;
    enum nj_refusal refusal;
    struct nj_err refused; /* why, in words */
};

/* Puts the event into the transaction, which it begins if need be. */
void nj_group_apply(struct nj_group_worker *worker, const char *cluster, const char *node,
                    const struct nj_event *event);
/* Notes the transaction's first failure; returns what there is of it. */
int nj_group_fail(struct nj_group_worker *worker, int rc);

void nj_group_take_packet(struct nj_group_worker *worker, struct nj_packet *packet, struct nj_answer *answer);
void nj_group_take_local(struct nj_group_worker *worker, const struct nj_local_event *local);
/* After the commit, or its failure. */
void nj_group_seal_answer(struct nj_group_worker *worker, struct nj_answer *answer);

#endif
