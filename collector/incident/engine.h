/*
 * From events to incidents: a pure core. It holds the open incidents, takes events and the time, and says
 * what changed; it knows no store, no loop and no channel. One thread (the store's writer).
 *
 * Rules. The fingerprint is (kind, cluster, namespace, workload kind, workload, container): the pods of one
 * workload that fail alike are one incident. Each incident keeps the set of subjects (pod uid and container)
 * that are in trouble; it resolves when the last one is cleared, or when nothing was heard of it for
 * `stale_after_ns`. The same event again changes nothing; an event with a known id and other contents
 * corrects the record and counts nothing. A CrashLoopBackOff belongs to the crash incident of its container.
 * An event that arrives after a clearing of the same subject but happened before it reopens nothing.
 */
#ifndef NJ_INCIDENT_ENGINE_H
#define NJ_INCIDENT_ENGINE_H

#include "collector/incident/incident.h"
#include "common/wire/event.h"

struct nj_engine;

enum nj_transition { NJ_TRANSITION_NONE, NJ_TRANSITION_OPENED, NJ_TRANSITION_RESOLVED };

struct nj_engine_options {
    int64_t stale_after_ns;
    size_t max_open;     /* beyond, the one that was quiet longest is resolved as "evicted" and counted */
    size_t max_subjects; /* of one incident; beyond, the oldest is forgotten */

    /* Called once for each change of an incident, within nj_engine_apply() and nj_engine_tick(). Borrowed. */
    void (*on_change)(void *data, const struct nj_incident *incident, enum nj_transition transition);
    /* The set of an incident's subjects changed: to be stored with it. `since_ns` is the subject's latest
     * event. */
    void (*on_subject)(void *data, int64_t incident_id, const char *subject, int64_t since_ns, bool present);
    void *data;
};

/* Where an event comes from. `project` may be "". */
struct nj_event_origin {
    const char *cluster, *project, *node;
};

struct nj_engine *nj_engine_new(const struct nj_engine_options *options, int64_t next_id);
void nj_engine_free(struct nj_engine *engine);

/* At the start: each open incident as it was stored, then its subjects. */
void nj_engine_load(struct nj_engine *engine, const struct nj_incident *incident);
void nj_engine_load_subject(struct nj_engine *engine, int64_t incident_id, const char *subject,
                            int64_t since_ns);

/* `is_new` is false for a crash that the store already had: it corrects and counts nothing. */
void nj_engine_apply(struct nj_engine *engine, const struct nj_event_origin *origin,
                     const struct nj_event *event, bool is_new, int64_t now_ns);

/* What time alone changes. Call about once a minute. */
void nj_engine_tick(struct nj_engine *engine, int64_t now_ns);

size_t nj_engine_open_count(const struct nj_engine *engine);

#endif
