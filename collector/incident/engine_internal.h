/*
 * What the files with the engine's rules share: engine.c (pods and containers), engine_clear.c,
 * engine_checks.c, engine_troubles.c and engine_absorb.c.
 */
#ifndef NJ_INCIDENT_ENGINE_INTERNAL_H
#define NJ_INCIDENT_ENGINE_INTERNAL_H

#include "collector/incident/engine_state.h"

/* What an event says about one incident, whatever its type. */
struct nj_report {
    const struct nj_event_origin *origin;
    const struct nj_event *event;
    enum nj_incident_kind kind;
    const char *container; /* of the fingerprint: "" for what concerns the pod */
    const char *uid;       /* of the pod, or what stands for it */
    int64_t at_ns, now_ns;
};

/* The open incident that the report belongs to, or NULL. */
struct nj_open *nj_report_find(struct nj_engine *engine, const struct nj_report *report);
/* A record that has its identity and its times, and nothing that changes later. */
struct nj_open *nj_report_open(struct nj_engine *engine, const struct nj_report *report);
/* The report's incident: `open`, or a new one when that is NULL. What was suppressed for its node's trouble
 * is told when the event is written, if it is of another node. */
struct nj_open *nj_report_join(struct nj_engine *engine, const struct nj_report *report,
                               struct nj_open *open);
const char *nj_report_node(const struct nj_report *report); /* "" when it is of none */
/* Where it happened last. True when that has changed. */
bool nj_report_set_place(struct nj_incident *record, const struct nj_report *report);

void nj_open_extend_times(struct nj_incident *record, int64_t at_ns);
/* Ends the writing of one event into a record: severity, revision, and the opening when it is new (or told
 * only now). */
void nj_open_settle(struct nj_engine *engine, struct nj_open *open, enum nj_severity severity, bool opened);
void nj_open_transition(struct nj_engine *engine, struct nj_open *open, enum nj_transition transition);
void nj_open_resolve(struct nj_engine *engine, struct nj_open *open, const char *cause, int64_t at_ns);

enum nj_clearable nj_clearable_of(enum nj_incident_kind kind);
/* NJ_EVENT_CLEARED. */
void nj_engine_apply_cleared(struct nj_engine *engine, const struct nj_report *report);
/* A container waits for one reason at a time: what it waited for before is over. */
void nj_engine_supersede(struct nj_engine *engine, const struct nj_report *report);

/* NJ_EVENT_CHECK: as nj_engine_apply(). */
int64_t nj_engine_apply_check(struct nj_engine *engine, const struct nj_report *report);
/* NJ_EVENT_ROLLUPS. */
void nj_engine_apply_rollups(struct nj_engine *engine, const struct nj_report *report);

bool nj_incident_is_of_troubles(enum nj_incident_kind kind); /* its subjects are "container|kind|detail" */
/* Is a trouble's subject one of this container? */
bool nj_trouble_is_in(const char *identity, const char *container);
int64_t nj_engine_apply_trouble(struct nj_engine *engine, const struct nj_report *report);
int64_t nj_engine_apply_oom_kill(struct nj_engine *engine, const struct nj_report *report, bool is_new);
/* NJ_EVENT_USAGE. */
void nj_engine_apply_usage(struct nj_engine *engine, const struct nj_report *report);
/* Keeps from being stale what nobody tells again. */
void nj_engine_tick_lasting(struct nj_engine *engine, int64_t now_ns);
void nj_engine_tick_ooms(struct nj_engine *engine, int64_t now_ns);

/* A trouble of a node began, or one of `kind` ended. */
void nj_absorb_begun(struct nj_engine *engine, const char *cluster, const char *node);
void nj_absorb_ended(struct nj_engine *engine, const char *cluster, const char *node,
                     enum nj_trouble_kind kind, int64_t now_ns);
/* Suppresses what was just opened, if it is of a node in trouble. */
void nj_absorb_opened(struct nj_engine *engine, struct nj_open *open);
/* Counts it in the node's incident. */
void nj_absorb_eviction(struct nj_engine *engine, const struct nj_report *report);
/* Tells what the event has lifted. */
void nj_absorb_settle(struct nj_engine *engine);
void nj_engine_tick_absorbed(struct nj_engine *engine, int64_t now_ns);

#endif
