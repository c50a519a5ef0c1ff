/*
 * What the files with the engine's rules share: engine.c (pods and containers), engine_clear.c,
 * engine_checks.c, engine_troubles.c, engine_services.c, engine_hold.c, engine_explain.c and engine_absorb.c.
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
/* The report's incident: `open`, or a new one when that is NULL. What is held back is asked about again when
 * the event is written. */
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

/* When it is asked why nobody is to be told of an incident. */
enum nj_asked { NJ_ASKED_AT_OPENING, NJ_ASKED_BY_EVENT, NJ_ASKED_AGAIN };

/* Each has a reason to hold it back, or not. */
/* The node's open incident, when it has a trouble that absorbs; else NULL. */
struct nj_open *nj_absorbing(struct nj_engine *engine, const char *cluster, const char *node);
bool nj_absorb_holds(struct nj_engine *engine, const struct nj_open *open, enum nj_asked asked,
                     char reason[NJ_ENGINE_SUPPRESSED_MAX]);
bool nj_explain_holds(struct nj_engine *engine, const struct nj_open *open,
                      char reason[NJ_ENGINE_SUPPRESSED_MAX]);
/* An outage is held back now, or no longer: the incident that explains it (or did, `before`) names it. */
void nj_explain_changed(struct nj_engine *engine, const struct nj_open *open, const char *before);

/* Holds back what was just opened, if there is a reason. */
void nj_hold_opened(struct nj_engine *engine, struct nj_open *open);
/* An event is written into what is held back: asked again once that is done, by nj_hold_settle().
 * `left_node`: it is not of the node whose trouble held it back, and of one that is well. */
void nj_hold_joined(struct nj_engine *engine, struct nj_open *open, bool left_node);
void nj_hold_settle(struct nj_engine *engine);
void nj_hold_review(struct nj_engine *engine);
/* Keep the list of what is held back. */
void nj_hold_loaded(struct nj_engine *engine, struct nj_open *open);
void nj_hold_removed(struct nj_engine *engine, struct nj_open *open);

/* NJ_EVENT_OUTAGE, _ROLLOUT_FAILED, _SLO: as nj_engine_apply(). */
int64_t nj_engine_apply_outage(struct nj_engine *engine, const struct nj_report *report);
int64_t nj_engine_apply_rollout_failed(struct nj_engine *engine, const struct nj_report *report);
int64_t nj_engine_apply_slo(struct nj_engine *engine, const struct nj_report *report);

/* An image cannot be had: it may be that of others too. Before it is told. */
void nj_registry_note(struct nj_engine *engine, struct nj_open *open, const struct nj_report *report);
/* An incident of an image has ended. */
void nj_registry_ended(struct nj_engine *engine, const struct nj_open *open, int64_t at_ns);
/* The host of an image's registry: "docker.io" when its name has none. */
void nj_registry_of(const char *image, char ret_host[NJ_ENGINE_NAME_MAX]);

/* A trouble of a node began, or one of `kind` ended. */
void nj_absorb_begun(struct nj_engine *engine, const char *cluster, const char *node);
void nj_absorb_ended(struct nj_engine *engine, const char *cluster, const char *node,
                     enum nj_trouble_kind kind, int64_t now_ns);
/* Counts it in the node's incident. */
void nj_absorb_eviction(struct nj_engine *engine, const struct nj_report *report);
/* Looks again at all that is held back, and forgets nodes that have been well for long. */
void nj_engine_tick_absorbed(struct nj_engine *engine, int64_t now_ns);

#endif
