/*
 * From the agents' packets to committed facts. The loop receives and answers; the writer's worker takes
 * everything that waits as one group, does it in one transaction, and only then is anything acknowledged.
 *
 *   replier -> queue -> group on the worker: unseal, decode, drop what is known, store, fold into incidents,
 *   plan who is told, commit -> acknowledgements, changed incidents told to the observers
 *
 * Invariants. What is acknowledged is committed. An event is applied once, however often it arrives: by its
 * stream's sequence number, and by its own identity when an agent lost its outbox. The engine never runs
 * ahead of the store: when a transaction fails, it is rebuilt from the store, and the agents are asked to
 * come again. A packet that is not one of ours costs a counter. A group without events needs no commit: what
 * it says of its agents is written with the next.
 */
#ifndef NJ_INGEST_INGEST_H
#define NJ_INGEST_INGEST_H

#include "collector/incident/engine.h"
#include "collector/store/store.h"
#include "common/base/metrics.h"
#include "common/loop/worker.h"
#include "common/wire/seal.h"

struct nj_ingest;

/* A fact that agents (or the collector's own checks) told, as causes of other things are looked for in:
 * crashes that are new, NJ_EVENT_STUCK, CLEARED, POD_FAILURE, and states of checks. Of stuck and cleared the
 * same may be told again. Long texts are cut; logs, bodies and evidence are left out (""). */
struct nj_ingest_fact {
    struct nj_event event;
    int64_t incident_id; /* that it was folded into; 0: none */
};

/* Something that the collector itself has to store. The caller's, and not to be touched until done(). */
struct nj_ingest_write {
    /* On the worker, within a transaction, in the order of the collector's own events and writes. Called
     * again when the transaction failed. A negative errno fails the transaction: only for what trying again
     * may mend. */
    int (*write)(struct nj_ingest_write *write, struct nj_store *store, struct nj_err *err);
    /* On the loop, once: it is committed; or not, for there were too many (then from within
     * nj_ingest_local_write()), or at the end. */
    void (*done)(struct nj_ingest_write *write, bool committed);
};

struct nj_ingest_options {
    struct nj_loop *loop;
    struct nj_worker *writer; /* the worker that owns `store` from the start on */
    struct nj_store *store;   /* the writer connection */
    const struct nj_keyring *keyring;
    struct nj_metrics *metrics; /* may be NULL */
    const char *listen;         /* nanomsg URL; NULL: no agents, local events only */
    const char *cluster;        /* of local events */
    size_t max_packet_bytes, max_plain_bytes;
    size_t max_queued; /* packets that wait; beyond, reading pauses */
    size_t max_agents;
    int64_t silent_after_ns; /* an agent not heard for so long makes room for another */
    int64_t stale_after_ns;  /* of incidents; see engine.h */
    size_t max_open, max_subjects;
    struct nj_retention retention;

    /* The project of a namespace, "" for none. Any thread. May be NULL. */
    void (*project)(void *data, const char *cluster, const char *namespace, char *ret_project, size_t size);
    /* Adds the notifications of a transition; on the worker, within the transaction. May be NULL. */
    int (*plan)(void *data, struct nj_store *writer, const struct nj_incident *incident,
                enum nj_transition transition, int64_t now_ns, struct nj_err *err);
    void *plan_data;
    /* Whether an incident is held back: options.suppress of engine.h, with data of its own. On the worker.
     * May be NULL. */
    bool (*suppress)(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size);
    void *suppress_data;
    /* On the loop, after a commit that changed incidents: copies, borrowed. May be NULL. */
    void (*on_changed)(void *data, const struct nj_incident *incidents, size_t count);
    /* On the loop, after a commit: targets whose state was told; copies, borrowed. May be NULL. */
    void (*on_targets)(void *data, const struct nj_store_target *targets, size_t count);
    /* On the loop, after a commit: a minute of use or of checks (NJ_EVENT_USAGE, NJ_EVENT_ROLLUPS) that was
     * new, borrowed; in the order in which they came. `node` is the agent's, "" for the collector's own. What
     * one group brings beyond 32 MiB is stored, but not told, and counted. NULL: nobody listens, and nothing
     * is kept for it. */
    void (*on_minute)(void *data, const char *node, const struct nj_event *event);
    /* On the loop, after a commit: facts in the order in which they came, borrowed. What one group brings
     * beyond 16 MiB is not told, and counted. NULL: nobody listens, and nothing is kept for it. */
    void (*on_facts)(void *data, const struct nj_ingest_fact *facts, size_t count);
    /* On the worker: appends the plan for an agent's namespaces to `out` unless its version is `have`; true
     * when it did. May be NULL. */
    bool (*plan_for)(void *data, const char *const *namespaces, size_t count, const char *have,
                     struct nj_buf *out);
    int64_t target_silent_after_ns; /* a target not heard of for so long is gone */
    void *data;
};

/* Loads the open incidents (blocking, at the start), then listens. 0 or a negative errno with a text. */
int nj_ingest_start(const struct nj_ingest_options *options, struct nj_ingest **ret_ingest,
                    struct nj_err *err);

/* While held, no packets are read, what agents send waits in their connections, and the collector's own
 * events wait too. Not held at the start. */
void nj_ingest_hold(struct nj_ingest *ingest, bool held);

/* An event that the collector itself saw; goes the same way. Kept until it is committed. */
void nj_ingest_local_event(struct nj_ingest *ingest, const struct nj_event *event);

/* At most 65536 may wait; a further one is done at once, not committed, and counted. */
void nj_ingest_local_write(struct nj_ingest *ingest, struct nj_ingest_write *write);

/* What `suppress` answers has changed: those that are held back are asked about again, soon. */
void nj_ingest_review(struct nj_ingest *ingest);

/* What the engine knew to be in trouble at the start, of one kind; before the loop runs. */
void nj_ingest_each_subject(struct nj_ingest *ingest, enum nj_incident_kind kind,
                            void (*on_subject)(void *data, const struct nj_incident *incident,
                                               const struct nj_incident_subject *subject),
                            void *data);

/* Whether the last transaction succeeded; else *ret_err (may be NULL) says why not. */
bool nj_ingest_healthy(const struct nj_ingest *ingest, struct nj_err *ret_err);

/* Brings gauges up to date. */
void nj_ingest_collect(struct nj_ingest *ingest);

/* Stops reading, commits and answers what was received, then calls on_closed. Takes NULL. */
void nj_ingest_close(struct nj_ingest *ingest, void (*on_closed)(void *data), void *data);

#endif
