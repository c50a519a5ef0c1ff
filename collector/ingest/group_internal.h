/*
 * What the worker's files share: group.c has the transaction, packets.c what comes in and goes out.
 */
#ifndef NJ_INGEST_GROUP_INTERNAL_H
#define NJ_INGEST_GROUP_INTERNAL_H

#include "collector/ingest/group.h"
#include "collector/ingest/streams.h"

enum { NJ_GROUP_PROJECT_MAX = 128, NJ_GROUP_GONE_MAX = 4096 };

/* A target that has ended. */
struct nj_group_gone {
    uint64_t hash;
    int64_t at_ns;
};

struct nj_group_worker {
    struct nj_ingest_options options;
    struct nj_group_metrics metrics;
    struct nj_engine *engine; /* NULL: it could not be loaded, and is before anything else is done */
    struct nj_streams streams;
    struct nj_sealer *sealer;
    struct nj_arena arena;
    struct nj_minute *minutes, **last_minute; /* of the packet in the arena */
    struct nj_buf plain;
    struct nj_buf ack;
    int64_t now_ns;
    int64_t measured_ns;    /* when the gauges that cost a query were last brought up to date */
    uint64_t resting_until; /* uv_hrtime(): after a failure nothing is written until then; 0: as usual */
    struct nj_group *group; /* the one that is worked on */
    size_t events;          /* of this group */
    size_t plan_bytes;      /* of the plans in this group's answers */
    int64_t looked_ns;      /* when silent targets were last looked for */
    int64_t listening_since_ns;
    struct nj_group_gone gone[NJ_GROUP_GONE_MAX]; /* ring: the latest */
    size_t gone_next;
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
    struct nj_buf plan;    /* for the agent; empty: it has the right one */
};

/* Puts the event into the transaction, which it begins if need be. */
void nj_group_apply(struct nj_group_worker *worker, const char *cluster, const char *node,
                    const struct nj_event *event);
/* Instead of that: acknowledged with the transaction, and counted. */
void nj_group_leave_out(struct nj_group_worker *worker, struct nj_counter *why);
/* The namespace's project, written to `project` of NJ_GROUP_PROJECT_MAX bytes; returns it. */
const char *nj_group_project(const struct nj_group_worker *worker, const char *cluster, const char *namespace,
                             char *project);
/* Notes the transaction's first failure; returns what there is of it. */
int nj_group_fail(struct nj_group_worker *worker, int rc);

/* checks.c. Apply: whether the event was unknown. Forget: tells gone what nobody speaks of any more; whether
 * there is more. */
bool nj_group_apply_check(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                          const struct nj_event *event);
bool nj_group_apply_rollups(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                            const struct nj_event *event);
bool nj_group_forget_silent(struct nj_group_worker *worker);
/* Keeps what a hostile agent says small. */
void nj_group_bound_check(struct nj_arena *arena, struct nj_check_event *check);
void nj_group_bound(struct nj_arena *arena, const char **text, size_t max);

/* A minute as it is counted: one that is far ahead is of a clock that is wrong, and counts as now. */
int64_t nj_group_minute(const struct nj_group_worker *worker, int64_t minute_ns);

/* minutes.c. Begin: empties the arena for a packet (or an event of the collector's own). End: what the packet
 * brought to be told stays with the group. */
void nj_group_begin_packet(struct nj_group_worker *worker);
void nj_group_end_packet(struct nj_group_worker *worker);
bool nj_group_apply_usage(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                          const struct nj_event *event);
/* Is told once it is committed. What it points to is in the worker's arena; `node` is copied. */
void nj_group_note_minute(struct nj_group_worker *worker, const char *node, const struct nj_event *event);
void nj_group_bound_usage(struct nj_arena *arena, struct nj_usage *usage);

/* facts.c: is told once it is committed; copied. */
void nj_group_note_fact(struct nj_group_worker *worker, const struct nj_event *event, int64_t incident_id);

/* Begins the transaction, if need be. 0, or what it failed with. */
int nj_group_begin(struct nj_group_worker *worker);

void nj_group_take_packet(struct nj_group_worker *worker, struct nj_packet *packet, struct nj_answer *answer);
void nj_group_take_local(struct nj_group_worker *worker, const struct nj_local_event *local);
/* After the commit, or its failure. */
void nj_group_seal_answer(struct nj_group_worker *worker, struct nj_answer *answer);

#endif
