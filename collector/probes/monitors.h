/*
 * From what the model has of a namespace to its monitors: ApiMonitors, Services' annotations, else derived
 * checks; each with what the agents are to check, and the targets that the collector checks itself. Private
 * to collector/probes. Does no I/O: what it needs to know beyond the model comes through a context.
 *
 * A monitor owns its strings, its targets and a reference to its spec. `plan_*` point into the model and are
 * valid only until the loop runs again.
 */
#ifndef NJ_PROBES_MONITORS_H
#define NJ_PROBES_MONITORS_H

#include "collector/cluster/model.h"
#include "common/base/table.h"
#include "common/kube/objects.h"
#include "common/probe/prober.h"
#include "common/wire/plan.h"

enum {
    NJ_MONITOR_TARGETS_MAX = 1000, /* of one monitor, by the collector; further ones are left out and said */
    NJ_MONITORS_MAX = 100000,      /* of a namespace */
    NJ_INGRESS_PATHS_MAX = 8,      /* of a host, unless an ApiMonitor asks for all of them */
};

/* Why a monitor is not run, or not all of it. */
enum nj_monitor_trouble {
    NJ_MONITOR_NONE,
    NJ_MONITOR_INVALID,
    NJ_MONITOR_NOT_FOUND,
    NJ_MONITOR_SECRET,
    NJ_MONITOR_HOST,
    NJ_MONITOR_BOUND, /* not all of its targets */
};

struct nj_check;
struct nj_monitor;

/* A target that the collector itself checks. */
struct nj_target {
    char *id;   /* "service/80/IPv4", "endpoint/10.0.0.7/8080", "ingress/HOST/PATH", "url" */
    char *name; /* for people */
    char *host, *path, *authority;
    const char *scheme; /* a constant */
    uint16_t port;
    enum nj_trust trust;
    struct nj_monitor *monitor;
    /* central.c's: */
    struct nj_check *check; /* NULL: it does not run */
    uint64_t signature;
    struct nj_target *prev, *next;
};

struct nj_monitor {
    char *id;
    enum nj_monitor_source source;
    char *namespace, *name, *service;
    char *workload; /* of its events' subject */
    const char *workload_kind;
    char *description;    /* the target for people */
    struct nj_spec *spec; /* NULL: not valid, or known by its targets alone */
    char *json;           /* the spec as it was written; "" when each pod's own probes say it */
    enum nj_monitor_trouble trouble;
    char *trouble_text; /* "" */
    bool suspended;
    bool pending;       /* a Secret is being read */
    int64_t generation; /* of an ApiMonitor; 0: it is none */

    struct nj_probe_value *secrets; /* of its variables; values are wiped */
    size_t secrets_count;
    char *ca_pem; /* NULL: none */
    struct nj_target *targets;
    size_t targets_count;

    /* What its pods' agents are to do; none when plan_selector_count is 0. */
    const struct nj_kube_pair *plan_selector;
    size_t plan_selector_count;
    struct nj_plan_port *plan_ports;
    size_t plan_ports_count;
    const char *const *plan_families;
    size_t plan_families_count;

    bool stale;                     /* while its namespace is gone through */
    struct nj_monitor *prev, *next; /* of its namespace */
    UT_hash_handle hh;              /* by id */
};

enum nj_secret_answer { NJ_SECRET_READY, NJ_SECRET_PENDING, NJ_SECRET_FAILED };

struct nj_monitors_context {
    const char *cluster_domain;
    char *const *allowed;
    size_t allowed_count;
    /* Of what the model has; never NULL. */
    const struct nj_model_service *(*service)(void *data, const char *namespace, const char *name);
    const struct nj_model_ingress *(*ingress)(void *data, const char *namespace, const char *name);
    const char *(*address_namespace)(void *data, const char *address, const char *besides);
    /* A key of a Secret: *ret_text is its value, or why there is none. Borrowed until the loop runs again. */
    enum nj_secret_answer (*secret)(void *data, const char *namespace, const char *name, const char *key,
                                    const char **ret_text);
    /* A spec that was parsed before from the same text, for this monitor; NULL: none. Borrowed. */
    struct nj_spec *(*known)(void *data, const char *id, const char *json, size_t len);
    void *data;
};

/* An ApiMonitor's monitor; never NULL: what is wrong with it is its trouble. */
struct nj_monitor *nj_monitor_of_custom(const struct nj_monitors_context *context,
                                        const struct nj_model_monitor *custom);
/* A Service's own: by its annotations, else (with `derive`) derived. NULL: nothing is to be checked (switched
 * off, no TCP port, an ExternalName). */
struct nj_monitor *nj_monitor_of_service(const struct nj_monitors_context *context,
                                         const struct nj_model_service *service, bool derive);
/* An Ingress' own: by its annotations, else (with `derive`) derived. NULL: nothing is to be checked. */
struct nj_monitor *nj_monitor_of_ingress(const struct nj_monitors_context *context,
                                         const struct nj_model_ingress *ingress, bool derive);
/* An unsaved one, whose spec is valid, as if it were not suspended. The reference stays the caller's. */
struct nj_monitor *nj_monitor_of_spec(const struct nj_monitors_context *context, const char *namespace,
                                      const char *name, struct nj_spec *spec);
/* One that is known by its targets alone, or made elsewhere (builtin.c). */
struct nj_monitor *nj_monitor_new(enum nj_monitor_source source, const char *id, const char *namespace,
                                  const char *name);
void nj_monitor_free(struct nj_monitor *monitor); /* its targets do not run any more; takes NULL */

/* Whether an ApiMonitor is for this Service or Ingress, whose derived check it replaces. */
bool nj_monitor_replaces(const struct nj_monitor *monitor, enum nj_target_kind kind, const char *name);

/* Keeps the text, and what it says; false when that is not valid, which is its trouble then. `where` begins
 * what is said of it. */
bool nj_monitor_take_spec(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                          const char *where, const char *json, size_t len);

/* The first trouble counts. */
void nj_monitor_set_trouble(struct nj_monitor *monitor, enum nj_monitor_trouble trouble, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));

/* Adds a target, unless it has one of this id; NULL then, and beyond the bound. Strings are copied. */
struct nj_target *nj_monitor_add_target(struct nj_monitor *monitor, const char *id, const char *name,
                                        const struct nj_probe_target *target);
void nj_target_free(struct nj_target *target);
struct nj_probe_target nj_target_probe(const struct nj_target *target); /* borrowed from it */
enum { NJ_TARGET_ADDRESS_MAX = 320 };
/* "10.0.0.7:8080", "[fd00::7]:8080"; returns `address`. */
const char *nj_target_address(const struct nj_target *target, char address[NJ_TARGET_ADDRESS_MAX]);

/* The check for the plan, borrowed from the monitor and `pairs`, which has room for its selector and secrets.
 * False: it is not for pods. */
bool nj_monitor_plan(const struct nj_monitor *monitor, struct nj_plan_pair *pairs,
                     struct nj_plan_check *ret_check);

/* Of a Service (targets.c). */
bool nj_service_has_backend(const struct nj_model_service *service, bool ipv6);
void nj_monitor_service_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                                const struct nj_model_service *service);
void nj_monitor_ingress_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                                const struct nj_model_ingress *ingress);
void nj_monitor_url_target(const struct nj_monitors_context *context, struct nj_monitor *monitor);
/* Pods and other endpoints behind a Service, ready or not, at most `max`: for a test. */
void nj_monitor_pod_targets(const struct nj_monitors_context *context, struct nj_monitor *monitor,
                            const struct nj_model_service *service, size_t max);

#endif
