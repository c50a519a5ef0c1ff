/*
 * When each service and workload was available, and why not: turns what the cluster tells into intervals,
 * rollouts, outages and burnt budgets.
 *
 *   model (Services, slices), workloads, nodes, committed events -> trackers, rollouts -> the store
 *                                                                        '-> local events -> incidents
 *                                                                        '-> what holds incidents back
 *
 * What is written goes in the order in which it happened, through the writer's transactions; one row says
 * until when the cluster was looked at. A start reads the open intervals and the rollouts that go on, and
 * fills what happened meanwhile from what the cluster still knows. While the slices' watch is broken nothing
 * is known of any service. Loop thread only.
 */
#ifndef NJ_SLA_SLA_H
#define NJ_SLA_SLA_H

#include "collector/cluster/model.h"
#include "collector/cluster/namespaces.h"
#include "collector/cluster/nodes.h"
#include "collector/config.h"
#include "collector/incident/suppress.h"
#include "collector/ingest/ingest.h"
#include "collector/sla/rollouts.h"
#include "collector/sla/tracker.h"
#include "collector/store/store.h"
#include "common/loop/worker.h"
#include "common/wire/event.h"

struct nj_sla;

struct nj_sla_options {
    struct nj_loop *loop;
    struct nj_kube_client *client;    /* not NULL: without an API server there is nothing to be known */
    struct nj_model *model;           /* outlives it */
    struct nj_nodes *nodes;           /* likewise, until nj_sla_stop() */
    struct nj_namespaces *namespaces; /* likewise; may be NULL */
    struct nj_metrics *metrics;
    struct nj_suppress *suppress;             /* is told what goes on; may be NULL */
    const struct nj_collector_config *config; /* borrowed until the next nj_sla_reload() */
    struct nj_store *store;                   /* read at the start, on this thread */
    struct nj_worker *reader;                 /* reads `store` afterwards, for the budgets; may be NULL */
    void (*write)(void *data, struct nj_ingest_write *write);   /* goes to nj_ingest_local_write() */
    void (*on_event)(void *data, const struct nj_event *event); /* goes to nj_ingest_local_event() */
    void (*on_explained)(void *data); /* what `suppress` says is different now; may be NULL */
    /* Windows beside those of the settings: silences with `maintenance`. A workload's own time is asked for
     * with the name "KIND/NAME". May be NULL. */
    void (*maintenance)(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                        struct nj_maintenance_state *state);
    void (*on_trouble)(void *data, const struct nj_err *err); /* the workloads' watches; may be NULL */
    void *data;
};

/* Reads the store (blocking), then watches the workloads. 0 or a negative errno with a text. */
int nj_sla_start(const struct nj_sla_options *options, struct nj_sla **ret_sla, struct nj_err *err);
/* Before the loop runs: incidents of kinds SERVICE_OUTAGE, ROLLOUT_FAILED and SLO_BURN that are open, so that
 * their end is told. */
void nj_sla_remember(struct nj_sla *sla, const struct nj_incident *incident);
void nj_sla_reload(struct nj_sla *sla, const struct nj_collector_config *config);

/* Of the model: its lists were read; a Service or its slices are other ones now. */
void nj_sla_model_synced(struct nj_sla *sla);
void nj_sla_service(struct nj_sla *sla, const char *namespace, const char *name);
/* As ingest's on_facts. */
void nj_sla_facts(struct nj_sla *sla, const struct nj_ingest_fact *facts, size_t count);

/* The workloads were listed, or cannot be. */
bool nj_sla_synced(const struct nj_sla *sla);

/* The objective of a service in (0, 1), by its annotation nightjar.dev/slo, its workload's, or the setting;
 * 0: none. */
double nj_sla_objective(const struct nj_sla *sla, const char *namespace, const char *name);

/* The services' figures as Prometheus text, and gauges brought up to date. */
int nj_sla_exposition(struct nj_sla *sla, struct nj_buf *out);

/* Nothing is told any more; what waits goes with ingest's last commit. Takes NULL. */
void nj_sla_stop(struct nj_sla *sla);
/* After ingest is closed. Takes NULL. */
void nj_sla_close(struct nj_sla *sla, void (*on_closed)(void *data), void *data);

#endif
