/*
 * What goes over the wire, once opened: a Batch in each request, an Ack in each reply (proto/nightjar.proto).
 *
 * A batch carries events in order of seq. The collector answers with the highest seq it has committed for
 * this stream; the agent forgets up to there. An empty batch is a heartbeat.
 *
 * Encoders replace what is no UTF-8 (U+FFFD), so that no agent can make a batch that its collector must
 * refuse. Decoders refuse: more than NJ_BATCH_EVENTS_MAX events, sequence numbers that do not rise, strings
 * that are no UTF-8, events without a known type or with an id that is empty or longer than
 * NJ_EVENT_ID_BYTES_MAX: -EPROTO with a text; what needs more memory than the arena's bound: -EOVERFLOW;
 * -ENOMEM when there is none.  * Decoded strings, log texts too, live in the arena and are terminated. Any
 * thread.
 */
#ifndef NJ_WIRE_BATCH_H
#define NJ_WIRE_BATCH_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/wire/event.h"
#include "common/wire/plan.h"

enum {
    NJ_WIRE_VERSION = 1, /* a peer that speaks a higher one is refused with a reason */
    NJ_BATCH_EVENTS_MAX = 4096,
    NJ_EVENT_ID_BYTES_MAX = 128,
    NJ_EVENT_BYTES_MAX = 3 << 20, /* of one encoded event; the outbox takes no larger one */
    NJ_BATCH_BYTES_MAX = 4 << 20, /* of a plain batch: what a collector must accept */
    NJ_ACK_BYTES_MAX = NJ_PLAN_BYTES_MAX + (64 << 10),
};

/* How an agent is doing; travels with every batch. */
struct nj_agent_status {
    const char *version; /* of the program */
    int64_t started_ns;
    uint64_t outbox_events, outbox_bytes;
    uint64_t dropped_events; /* forced out by a bound, since the outbox was made */
    uint64_t lost_crashes;
    uint32_t pods; /* on the node */
    bool watch_synced;
};

struct nj_batch {
    uint32_t version;
    const char *cluster, *node;
    const char *stream; /* identity of the agent's outbox: sequence numbers belong to it */
    uint64_t request; /* rises with every request of the stream: an older one is a replay; the newest may come
                       * again, byte by byte, when its connection broke, and is answered again */
    int64_t sent_ns;
    struct nj_agent_status status;
    const struct nj_event *events;
    size_t events_count;
    const char *plan_version; /* of the plan that the agent has; "" for none */
    /* Those that have pods on the node, sorted, without repeats: what the plan is wanted for. At most
     * NJ_PLAN_NAMESPACES_MAX. */
    const char *const *plan_namespaces;
    size_t plan_namespaces_count;
};

/* Why a batch was not taken, as a number that can be counted by. */
enum nj_refusal {
    NJ_REFUSAL_NONE,
    NJ_REFUSAL_OTHER,
    NJ_REFUSAL_VERSION, /* the agent speaks a newer protocol */
    NJ_REFUSAL_REPLAY,  /* an older request than one already seen: `request` says above which to continue */
    NJ_REFUSAL_INVALID, /* what was sent cannot be read or is out of bounds */
    NJ_REFUSAL_BUSY,    /* too much waits; see retry_after_ns */
    NJ_REFUSAL_STORE,   /* the collector cannot write (disk full) */
    NJ_REFUSALS,
};
const char *nj_refusal_name(enum nj_refusal refusal); /* "none", "other", "version", ...: a metric's label */

struct nj_ack {
    uint32_t version;        /* the collector's */
    uint64_t committed;      /* highest seq of the stream that is safe */
    uint64_t request;        /* the one that is answered; higher than the agent's own: continue above it */
    const char *refused;     /* "" or why the batch was not taken, for the agent's log */
    enum nj_refusal refusal; /* the same for a counter; NONE with a text counts as OTHER */
    int64_t retry_after_ns;  /* the collector is busy: wait so long */
    /* The plan for the namespaces that the batch named, when it is another than the one that the agent has;
     * its version is
     * "" when the agent's is right. */
    struct nj_plan plan;
    /* To encode: a Plan message's bytes, nj_plan_encode(), instead of `plan`; NULL: none. */
    const void *plan_bytes;
    size_t plan_len;
};

/* Events are kept encoded in the outbox: one event to bytes, and a batch from such bytes without decoding
 * them. Encoders append; -EINVAL for an event without id or known type, -EOVERFLOW past the bound of `out`.
 */
int nj_event_encode(const struct nj_event *event, struct nj_buf *out);
int nj_event_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_event *ret_event,
                    struct nj_err *err);

struct nj_encoded_event {
    uint64_t seq;
    const void *bytes; /* of nj_event_encode(); its own seq is ignored */
    size_t len;
};
/* batch->events is ignored; `events` are taken instead. -EINVAL: too many, or seqs that do not rise from 1.
 */
int nj_batch_encode(const struct nj_batch *batch, const struct nj_encoded_event *events, size_t count,
                    struct nj_buf *out);
/* A batch of a newer version is decoded without its events, so that it can be refused by its version. */
int nj_batch_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_batch *ret_batch,
                    struct nj_err *err);
int nj_ack_encode(const struct nj_ack *ack, struct nj_buf *out);
int nj_ack_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_ack *ret_ack,
                  struct nj_err *err);

#endif
