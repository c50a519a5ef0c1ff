/*
 * The collector's part of probing: turns what the model has into monitors (an ApiMonitor, a Service's
 * annotations, else a derived check; the cluster's own components), hands the agents what concerns pods,
 * itself probes Services, Ingresses, URLs and endpoints without a selector, and keeps ApiMonitors' status.
 *
 *   model -> monitors -> plans by namespace (any thread) -> ingest's acknowledgements -> agents
 *                     '-> checks on the loop -> local events -> ingest
 *   ingest, after a commit -> targets' states -> status of ApiMonitors, counts in REST
 *
 * Loop thread only, but for nj_probes_plan().
 */
#ifndef NJ_PROBES_PROBES_H
#define NJ_PROBES_PROBES_H

#include "collector/cluster/model.h"
#include "collector/cluster/namespaces.h"
#include "collector/config.h"
#include "collector/store/store.h"
#include "common/base/redact.h"
#include "common/probe/checks.h"
#include "common/wire/event.h"
#include "common/wire/plan.h"

struct nj_probes;

struct nj_probes_options {
    struct nj_loop *loop;
    struct nj_kube_client *client; /* NULL: no API server; only the built-in checks that need none */
    struct nj_namespaces *namespaces;
    struct nj_metrics *metrics;
    const struct nj_collector_config *config; /* borrowed until the next nj_probes_reload() */
    struct nj_store *store;                   /* read at the start, on this thread, for the targets' states */
    /* A state or a minute of one of its own checks; goes to nj_ingest_local_event(). */
    void (*on_event)(void *data, const struct nj_event *event);
    /* A kind of objects cannot be watched for now; what makes it unavailable is told once. May be NULL. */
    void (*on_trouble)(void *data, enum nj_model_kind kind, const struct nj_err *err);
    /* As the model's: for others that look at its Services. May be NULL. */
    void (*on_service)(void *data, const char *namespace, const char *name);
    void (*on_synced)(void *data);
    void *data;
};

int nj_probes_start(const struct nj_probes_options *options, struct nj_probes **ret_probes,
                    struct nj_err *err);
/* What may run at once, and how much, stays as it was at the start. */
void nj_probes_reload(struct nj_probes *probes, const struct nj_collector_config *config);
/* A namespace's nj_namespaces_probe_off() has changed; NULL: the namespaces have been read. */
void nj_probes_namespace(struct nj_probes *probes, const char *namespace);
/* The first lists have been read, or cannot be. */
bool nj_probes_synced(const struct nj_probes *probes);
/* The model that it watches, for reading, until nj_probes_close(). NULL: there is no API server. */
struct nj_model *nj_probes_model(struct nj_probes *probes);
/* Ends its own checks, and tells their last minutes; nothing starts any more. Plans can still be had. */
void nj_probes_stop(struct nj_probes *probes); /* takes NULL */
/* After nobody asks for plans any more, and all tests have been cancelled. Takes NULL. */
void nj_probes_close(struct nj_probes *probes, void (*on_closed)(void *data), void *data);

/* The latest runs of its own checks, as Prometheus text. */
void nj_probes_exposition(struct nj_probes *probes, struct nj_buf *out);

/* Any thread. Appends the plan for these namespaces to `out` unless its version is `have`. True when it did.
 */
bool nj_probes_plan(struct nj_probes *probes, const char *const *namespaces, size_t count, const char *have,
                    struct nj_buf *out);

/* After a commit: a target's state, whoever probes it. `cluster` other than the collector's own is ignored.
 */
void nj_probes_target(struct nj_probes *probes, const struct nj_store_target *target);

/* For REST. */
struct nj_monitor_view {
    const char *id;
    enum nj_monitor_source source;
    const char *namespace, *name,
        *service;       /* name: of the ApiMonitor, else of the Service, workload or component */
    const char *target; /* for people: "service web:http", "https://api.example.com/" */
    const char *scope;
    const char *spec;    /* JSON; "" when each pod's own probes say it */
    const char *trouble; /* why it is not run, or not as asked (invalid, suspended, a Secret that cannot be
                            read); "" */
    bool suspended;
    size_t targets, failing, starting;
};
struct nj_monitor_filter {
    const char *namespace, *service, *source, *id; /* NULL: any */
    bool failing;                                  /* only those with failing targets */
    const char *after;                             /* cursor: ids above; NULL: from the first */
    size_t limit;
};
/* Ordered by id. Returns true when there are more. */
bool nj_probes_each_monitor(struct nj_probes *probes, const struct nj_monitor_filter *filter,
                            void (*each)(void *data, const struct nj_monitor_view *monitor), void *data);

/* Runs an unsaved spec once, from the collector: on the Service, Ingress or URL, and with scope pods or both
 * on up to NJ_PROBES_TEST_TARGETS_MAX endpoints. on_done() once, from the loop, with each target's name,
 * address and result. */
enum { NJ_PROBES_TEST_TARGETS_MAX = 10, NJ_PROBES_TESTS_MAX = 8 /* at once */ };
struct nj_probes_test_outcome {
    const char *target_name, *address;
    const struct nj_result *result; /* NULL: `trouble` says why it could not be run */
    const char *trouble;
};
struct nj_probes_test;
/* -EINVAL: the spec is wrong, with a text that names the field; -ENOENT: no such Service, port or Ingress;
 * -EACCES: the host is not allowed; -EAGAIN: too many tests run. */
int nj_probes_test(struct nj_probes *probes, const char *namespace, const char *spec, size_t len,
                   void (*on_done)(void *data, const struct nj_probes_test_outcome *outcomes, size_t count),
                   void *data, struct nj_probes_test **ret_test, struct nj_err *err);
void nj_probes_test_cancel(struct nj_probes_test *test); /* on_done() is not called */

#endif
