/*
 * What the glue's files share: sla.c (its life), sla_feed.c (states into the trackers), sla_rollout.c
 * (rollouts), sla_template.c (their templates), sla_rollout_services.c (the Services behind which one goes
 * on), sla_outage.c (outages as events), sla_facts.c (what explains them), sla_pods.c (since when pods are
 * ready), sla_write.c (into the store), sla_held.c (what holds incidents back). Private to them; loop thread
 * only.
 */
#ifndef NJ_SLA_INTERNAL_H
#define NJ_SLA_INTERNAL_H

#include "collector/sla/maintenance.h"
#include "collector/sla/rollback.h"
#include "collector/sla/sla.h"
#include "collector/sla/slo.h"
#include "common/base/table.h"

#define NJ_SLA_BLIND_NS (5 * NJ_SEC) /* a watch that is broken for longer leaves a gap */
#define NJ_SLA_DRAIN_NS                                                                                      \
    (15 * NJ_MIN) /* after it was cordoned, or the last eviction, a node counts as drained */
#define NJ_SLA_SCALE_DOWN_NS NJ_MIN /* that a pod ends later than that is its deletion, as its agent sees */
#define NJ_SLA_DELETED_NS (2 * NJ_MIN)

enum {
    NJ_SLA_FACTS_MAX = 20000,
    NJ_SLA_ROLLOUTS_MAX = 5000,
    NJ_SLA_WORKLOADS_MAX = 200000, /* objects of all kinds */
    NJ_SLA_MARKS_MAX = 20000,
    NJ_SLA_ASKS_MAX = 8,       /* at once */
    NJ_SLA_TEMPLATES_MAX = 16, /* likewise */
};

/* A service that is not available, from the beginning on; told when it has lasted. */
struct nj_sla_down {
    char *key, *namespace, *service;
    int64_t since_ns;
    bool told, going;           /* going: the tracker says so, too; else only the store did */
    enum nj_outage_cause cause; /* as it was told */
    int32_t min_ready;
    uint64_t behind; /* hash of the workload behind it; 0: none */
    UT_hash_handle hh;
};

/* A rollout that goes on, or has ended a moment ago. */
struct nj_sla_rollout {
    int64_t id;
    char *namespace, *kind, *workload, *template_hash;
    int64_t began_ns, ended_ns, allowance_ns, deadline_ns;
    bool failed;
    bool considered;  /* whether it is to be rolled back, by this process */
    int64_t waits_ns; /* since when its failure waits to be told; 0: it does not */
    int64_t told_ns;  /* when it was, which may be long after it failed; 0: not yet */
    bool by_hand;     /* its pods change when somebody deletes them */
    bool explains;    /* the trackers take it for the cause of what is lost */
    int32_t updated;
    int64_t changed_ns; /* when `updated` did */
    char **services;    /* whose addresses' checks it explains: sla_rollout_services.c */
    size_t services_count;
    UT_hash_handle hh;
};

/* A workload whose failed rollout people know of. */
struct nj_sla_failed {
    char *key;
    UT_hash_handle hh;
};

struct nj_sla_mark {
    struct nj_suppress_mark mark;
    struct nj_sla_mark *prev, *next;
};

/* A node that is cordoned or not ready. */
struct nj_sla_node {
    char *name;
    bool cordoned, down, seen;
    int64_t drained_ns; /* cordoned, or a pod of it evicted */
    UT_hash_handle hh;
};

/* The latest crash of a workload that is being rolled out: whose last words tell why it failed. */
struct nj_sla_words {
    char *key; /* "NAMESPACE/KIND/WORKLOAD" */
    char *pod, *crash_id, *text;
    UT_hash_handle hh;
};

struct nj_sla_write;
struct nj_sla_ask;
struct nj_sla_template;

struct nj_sla {
    struct nj_sla_options options;
    const struct nj_collector_config *config;
    char *cluster;
    struct nj_workloads *workloads;
    struct nj_tracker *services, *owns; /* of Services; of the workloads themselves */
    struct nj_rollouts *rollouts;
    struct nj_rollback *rollback;
    struct nj_slo_book *slo;
    struct nj_maintenance *maintenance;
    int64_t windows_until_ns; /* none of its windows begins or ends before */
    struct nj_timer tick;
    int64_t ticks;
    bool model_synced, workloads_synced, ready, stopped, closed;
    bool blind;      /* the endpoints cannot be seen */
    bool looked;     /* they could be, since the start */
    int64_t seen_ns; /* at the start: until when it was looked before */
    bool reading;    /* what was before */
    struct nj_sla_write *first_write, **last_write;
    size_t writing; /* handed over and not done */
    struct nj_sla_down *downs;
    struct nj_sla_rollout *running;
    struct nj_sla_failed *failed;
    struct nj_sla_words *words;
    struct nj_sla_mark *marks;
    size_t marks_count;
    struct nj_sla_node *odd_nodes;
    bool held_changed; /* what holds incidents back */
    struct nj_sla_ask *asks;
    size_t asking;
    struct nj_sla_template *templates;
    size_t fetching;
    struct nj_gauge *services_gauge, *workloads_gauge, *rollouts_gauge, *namespaces_gauge, *left_out;
    struct nj_counter *rollouts_total[NJ_ROLLOUT_OUTCOMES], *gaps, *asked, *unfetched, *forgotten_marks;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

int64_t nj_sla_time(const struct nj_sla *sla); /* wall */
/* Something that was waited for has ended: frees all when it was the last. */
void nj_sla_ended(struct nj_sla *sla);
/* At the end of whatever came in: hands over what is to be written, and publishes what is other. */
void nj_sla_settle(struct nj_sla *sla);

/* sla_feed.c */
void nj_sla_feed_all(struct nj_sla *sla);
void nj_sla_feed(struct nj_sla *sla, const struct nj_model_service *view, int64_t ready_since_ns);
void nj_sla_feed_behind(struct nj_sla *sla, const struct nj_workloads_item *item);
void nj_sla_feed_workload(struct nj_sla *sla, const struct nj_workloads_item *item);
void nj_sla_workload_change(void *data, const struct nj_workloads_item *before,
                            const struct nj_workloads_item *after, int64_t at_ns);
void nj_sla_end_unseen(struct nj_sla *sla);

/* sla_facts.c */
void nj_sla_fact(struct nj_sla *sla, const struct nj_tracker_fact *fact);
void nj_sla_look_at_nodes(struct nj_sla *sla);
void nj_sla_look_at_windows(struct nj_sla *sla);
void nj_sla_maintenance(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                        struct nj_maintenance_state *ret_state);
void nj_sla_facts_done(struct nj_sla *sla);

/* sla_rollout.c: what came of a rollback, for the rollout's incident. */
void nj_sla_rolled_back(void *data, const struct nj_rollback_result *result);

/* sla_outage.c */
void nj_sla_outage_state(struct nj_sla *sla, const struct nj_interval *now);
void nj_sla_outage_gone(struct nj_sla *sla, const char *namespace, const char *service, int64_t at_ns);
void nj_sla_outage_remember(struct nj_sla *sla, const char *namespace, const char *service, int64_t since_ns);
void nj_sla_outages_tell(struct nj_sla *sla);
void nj_sla_outages_done(struct nj_sla *sla);
bool nj_sla_is_down(const struct nj_sla *sla, const char *namespace, const char *workload_kind,
                    const char *workload);

/* sla_rollout.c */
int nj_sla_rollouts_start(struct nj_sla *sla, struct nj_err *err);
void nj_sla_rollout_remember(struct nj_sla *sla, const struct nj_incident *incident);
void nj_sla_rollouts_tick(struct nj_sla *sla);
void nj_sla_rollout_words(struct nj_sla *sla, const struct nj_event *event);
/* It may explain what opens now: where pods change by hand, while one changes. */
bool nj_sla_rollout_holds(const struct nj_sla *sla, const struct nj_sla_rollout *rollout);
void nj_sla_rollouts_done(struct nj_sla *sla);

/* sla_rollout_services.c: looks again at which Services' addresses a rollout explains, or each does. */
void nj_sla_rollout_services_look_at(struct nj_sla *sla, struct nj_sla_rollout *rollout);
void nj_sla_rollout_services_look(struct nj_sla *sla);
void nj_sla_rollout_services_forget(struct nj_sla_rollout *rollout);
size_t nj_sla_rollout_services_count(const struct nj_sla *sla);
/* A check of a pod fails: of a rollout of the workload behind its Service, maybe. */
void nj_sla_rollout_check(struct nj_sla *sla, const struct nj_event *event);

/* sla_template.c */
void nj_sla_template_fetch(struct nj_sla *sla, const struct nj_rollout *rollout);
void nj_sla_templates_done(struct nj_sla *sla);

/* sla_pods.c: asks since when the service's pods are ready, then feeds it. False: too many are asked; feed it
 * without. True also while it is being asked. */
bool nj_sla_ask_pods(struct nj_sla *sla, const struct nj_model_service *view);
bool nj_sla_is_asking(const struct nj_sla *sla, const char *namespace, const char *name);
void nj_sla_asks_done(struct nj_sla *sla);

/* sla_write.c */
void nj_sla_write_interval(struct nj_sla *sla, const char *kind, const struct nj_interval *interval);
void nj_sla_write_recause(struct nj_sla *sla, const char *namespace, const char *reference,
                          enum nj_outage_cause cause, const char *detail);
void nj_sla_write_rollout(struct nj_sla *sla, const struct nj_rollout *rollout);
void nj_sla_write_alive(struct nj_sla *sla);
void nj_sla_flush(struct nj_sla *sla);
void nj_sla_writes_done(struct nj_sla *sla);

/* sla_held.c */
void nj_sla_mark(struct nj_sla *sla, enum nj_suppress_why why, const char *namespace,
                 const char *workload_kind, const char *workload, int64_t until_ns);
void nj_sla_publish(struct nj_sla *sla);
void nj_sla_marks_tick(struct nj_sla *sla);
void nj_sla_held_done(struct nj_sla *sla);

#endif
