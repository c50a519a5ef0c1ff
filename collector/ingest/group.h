/*
 * One group on the writer's worker: what waits when the worker is free. The loop fills it in, the worker
 * works it off, the loop takes the results.
 */
#ifndef NJ_INGEST_GROUP_H
#define NJ_INGEST_GROUP_H

#include "collector/ingest/ingest.h"
#include "common/base/arena.h"
#include "common/loop/msgsock.h"

struct nj_packet {
    struct nj_message *message;
    struct nj_buf reply; /* set by the worker; empty: no answer */
    struct nj_packet *next;
};

struct nj_local_event {
    struct nj_buf bytes;           /* nj_event_encode() */
    struct nj_event *event;        /* instead of that: one that has no form on the wire */
    struct nj_ingest_write *write; /* or this; NULL: an event */
    struct nj_local_event *next;
};

struct nj_group {
    struct nj_packet *packets;
    struct nj_local_event *locals;
    bool upkeep; /* also do what time alone asks for: stale incidents, retention, agents' last words */

    /* Results. */
    struct nj_packet *left;      /* not taken, for this group has enough: for the next */
    struct nj_incident *changed; /* copies of the incidents that changed */
    size_t changed_count;
    struct nj_store_target *targets; /* copies of those whose state was told */
    size_t targets_count, targets_capacity;
    struct nj_minutes *minutes, *last_minutes; /* the new ones, when they are asked for: minutes.c */
    size_t minutes_bytes;
    struct nj_ingest_fact *facts; /* when they are asked for: facts.c */
    size_t facts_count, facts_capacity;
    struct nj_arena facts_memory; /* what they point to; in use when there is a fact */
    int rc; /* of the transaction; when negative nothing was done: the locals are to come again */
    struct nj_err err;
    bool more_upkeep; /* there is more to delete or to tidy */
};

enum nj_rejection {
    NJ_REJECTED_FORMAT, /* no packet of ours */
    NJ_REJECTED_KEY,    /* unknown key */
    NJ_REJECTED_AUTH,   /* does not authenticate */
    NJ_REJECTED_SIZE,   /* larger than allowed, also when unpacked */
    NJ_REJECTED_COMPRESSION,
    NJ_REJECTED_DECODE,
    NJ_REJECTED_VERSION,
    NJ_REJECTED_REPLAY,
    NJ_REJECTED_AGENTS, /* too many agents */
    NJ_REJECTED_STORE,  /* nothing can be written at the moment */
    NJ_REJECTIONS,
};

/* Counters that the worker raises; the loop made them. */
struct nj_group_metrics {
    struct nj_counter *rejected[NJ_REJECTIONS];
    struct nj_counter *events[NJ_EVENT_TYPES];
    struct nj_counter *duplicates, *unknown, *plans, *late_plans, *gaps, *commits, *failed_commits;
    struct nj_counter *foreign, *usage_items, *untold_minutes, *untold_facts;
    struct nj_histogram *commit_seconds, *group_packets;
    struct nj_gauge *streams, *agents_heard, *agents_silent, *store_bytes;
    struct nj_counter *suppressed[NJ_SUPPRESSIONS];
    struct nj_gauge *held_back, *open[NJ_INCIDENT_KINDS], *evicted_incidents, *forgotten_subjects;
};

struct nj_group_worker;

/* Loads the engine; on the thread that later is the worker's, or before there is one. */
int nj_group_worker_new(const struct nj_ingest_options *options, const struct nj_group_metrics *metrics,
                        struct nj_group_worker **ret_worker, struct nj_err *err);
void nj_group_worker_free(struct nj_group_worker *worker);

void nj_group_work(struct nj_group_worker *worker, struct nj_group *group);

/* Tells the committed minutes, in the order in which they came, and lets go of them; only the latter without
 * `on_minute`. Any thread. */
void nj_group_tell_minutes(struct nj_group *group,
                           void (*on_minute)(void *data, const char *node, const struct nj_event *event),
                           void *data);

/* Likewise the committed facts. */
void nj_group_tell_facts(struct nj_group *group,
                         void (*on_facts)(void *data, const struct nj_ingest_fact *facts, size_t count),
                         void *data);

struct nj_engine *nj_group_engine(struct nj_group_worker *worker);

#endif
