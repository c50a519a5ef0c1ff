/*
 * What the files with the engine's rules share: engine.c (pods and containers) and engine_checks.c.
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
/* Where it happened last. True when that has changed. */
bool nj_report_set_place(struct nj_incident *record, const struct nj_report *report);

void nj_open_extend_times(struct nj_incident *record, int64_t at_ns);
/* Ends the writing of one event into a record: severity, revision, and the opening when it is new. */
void nj_open_settle(struct nj_engine *engine, struct nj_open *open, enum nj_severity severity, bool opened);
void nj_open_transition(struct nj_engine *engine, struct nj_open *open, enum nj_transition transition);
void nj_open_resolve(struct nj_engine *engine, struct nj_open *open, const char *cause, int64_t at_ns);

/* NJ_EVENT_CHECK: as nj_engine_apply(). */
int64_t nj_engine_apply_check(struct nj_engine *engine, const struct nj_report *report);
/* NJ_EVENT_ROLLUPS. */
void nj_engine_apply_rollups(struct nj_engine *engine, const struct nj_report *report);

#endif
