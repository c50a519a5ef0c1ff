/*
 * What goes over the wire, once opened: a Batch in each request, an Ack in each reply (proto/nightjar.proto).
 *
 * A batch carries events in order of seq. The collector answers with the highest seq it has committed for this stream;
 * the agent forgets up to there. An empty batch is a heartbeat. Limits: nj_batch_decode() refuses batches with more
 * than NJ_BATCH_EVENTS_MAX events and strings that are no UTF-8.
 */
#ifndef NJ_WIRE_BATCH_H
#define NJ_WIRE_BATCH_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/wire/event.h"

enum {
    NJ_WIRE_VERSION = 1, /* a peer that speaks a higher one is refused with a reason */
    NJ_BATCH_EVENTS_MAX = 4096,
};

/* How an agent is doing; travels with every batch. */
struct nj_agent_status {
    const char *version;        /* of the program */
    int64_t started_ns;
    uint64_t outbox_events, outbox_bytes;
    uint64_t dropped_events;    /* forced out by a bound, since the outbox was made */
    uint64_t lost_crashes;
    uint32_t pods;              /* on the node */
    bool watch_synced;
};

struct nj_batch {
    uint32_t version;
    const char *cluster, *node;
    const char *stream;     /* identity of the agent's outbox: sequence numbers belong to it */
    uint64_t request;       /* rises with every request of the stream: an older one is a replay */
    int64_t sent_ns;
    struct nj_agent_status status;
    const struct nj_event *events;
    size_t events_count;
};

struct nj_ack {
    uint32_t version;       /* the collector's */
    uint64_t committed;     /* highest seq of the stream that is safe */
    uint64_t request;       /* the one that is answered; higher than the agent's own: continue above it */
    const char *refused;    /* "" or why the batch was not taken, for the agent's log */
    int64_t retry_after_ns; /* the collector is busy: wait so long */
};

/* Events are kept encoded in the outbox: one event to bytes, and a batch from such bytes without decoding them. */
int nj_event_encode(const struct nj_event *event, struct nj_buf *out);
int nj_event_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_event *ret_event,
                    struct nj_err *err);

struct nj_encoded_event {
    uint64_t seq;
    const void *bytes; /* of nj_event_encode(); its own seq is ignored */
    size_t len;
};
/* batch->events is ignored; `events` are taken instead. */
int nj_batch_encode(const struct nj_batch *batch, const struct nj_encoded_event *events, size_t count,
                    struct nj_buf *out);
int nj_batch_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_batch *ret_batch,
                    struct nj_err *err);
int nj_ack_encode(const struct nj_ack *ack, struct nj_buf *out);
int nj_ack_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_ack *ret_ack, struct nj_err *err);

#endif
