/*
 * How the files of the agent's probing work together: probes.c keeps pods and plan, targets.c makes checks of
 * what they give together, tell.c says what comes of the checks. Private to agent/probes; loop thread.
 */
#ifndef NJ_PROBES_INTERNAL_H
#define NJ_PROBES_INTERNAL_H

#include "agent/probes/deadline.h"
#include "agent/probes/match.h"
#include "agent/probes/node.h"
#include "agent/probes/plan.h"
#include "agent/probes/probes.h"
#include "common/base/arena.h"
#include "common/base/table.h"
#include "common/probe/exposition.h"

/* A spec and those who use it: derived checks of many pods are the same. */
struct nj_shared_spec {
    UT_hash_handle hh; /* by spec->json */
    struct nj_spec *spec;
    size_t users;
};

/* One target of one monitor, and its check. Strings are in one block with it. */
struct nj_node_target {
    UT_hash_handle hh; /* by id */
    struct nj_node_probes *probes;
    struct nj_node_pod *pod;            /* NULL: a component of the node */
    struct nj_node_target *prev, *next; /* of the pod, or of the components */
    struct nj_check *check;
    struct nj_shared_spec *shared;
    uint64_t signature; /* of all that the check was made of */
    bool wanted;        /* while targets are matched anew */
    bool held;          /* failing is not held against it yet */

    enum nj_monitor_source source;
    const char *id; /* "MONITOR|TARGET" */
    const char *monitor, *target, *service, *component, *address;
    uint16_t port;

    enum nj_check_state told; /* STARTING: nothing */
    bool known;               /* the collector has heard of it */

    /* For telling the node's failure from its own; times are monotonic. */
    int64_t failing_since_ns, last_run_ns, last_pass_ns;
    uint64_t service_hash;
    int64_t waits_since_ns; /* failing, and held back until it is clear whose failure it is; 0: it does not */
    struct nj_buf kept;     /* the event that waits, encoded */
    bool nodes;             /* failing, and the node's */
};

struct nj_node_pod {
    UT_hash_handle hh; /* by uid */
    struct nj_node_probes *probes;
    struct nj_pod_facts *facts;
    struct nj_node_target *targets; /* utlist */
    bool starting;
    bool asked_plan; /* it matches nothing, and the plan was asked for */
    bool asked_owner;
    struct nj_owner_request owner_request;
    char *workload_kind, *workload; /* NULL: not known */
    uint64_t workload_hash;         /* of its likely name */
    char uid[];                     /* key */
};

/* Minutes of checks that go out together; all of the same minute. */
struct nj_rollup_pack {
    int64_t minute_ns;
    struct nj_check_rollup *items; /* NULL: none; room for NJ_ROLLUPS_MAX */
    size_t count;
    struct nj_arena arena; /* what the items point to, besides their targets' strings */
    struct nj_timer timer;
    uint64_t parts; /* since the start */
};

struct nj_node_probes {
    struct nj_node_probes_options options; /* pointers to strings are not kept */
    char *node;
    int64_t started_ns;
    struct nj_prober *prober;
    struct nj_checks *checks;
    struct nj_exposition *exposition;
    struct nj_deadlines *deadlines;
    struct nj_plan_copy *plan; /* NULL: none yet */
    struct nj_shared_spec *specs;

    struct nj_node_pod *pods;
    struct nj_node_target *targets;    /* all, by id */
    struct nj_node_target *components; /* utlist: those without a pod */
    char *host_ip;                     /* the node's; "" until a pod tells it */
    bool shares_host;                  /* it is one of our own */
    struct nj_buf dns_host, dns_json;
    struct nj_builtin dns;
    struct nj_buf domain; /* the cluster's; empty: not known */
    bool synced, closing;
    const char **namespaces; /* sorted; NULL: to be listed anew */
    size_t namespaces_count;

    struct nj_timer allowance_timer;
    int64_t allowance_due_ns; /* what it waits for, monotonic; 0: nothing */
    struct nj_timer judge_timer;
    int64_t last_pass_ns; /* of any pod's check */
    size_t waiting;       /* targets that are held back until it is clear whose failure it is */
    bool node_fails;
    int64_t node_since_ns;      /* wall */
    int64_t node_since_mono_ns; /* the same */
    int64_t asked_ns; /* monotonic: when checks were last run out of turn, to tell whose failure it is */
    struct nj_rollup_pack pack;

    struct {
        struct nj_gauge *targets, *starting, *held_back, *node_fails;
        struct nj_counter *events, *bad_specs, *refused;
    } metrics;
    int open_parts;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* targets.c */
struct nj_wanted { /* borrowed */
    enum nj_monitor_source source;
    const char *monitor, *target, *service;
    const char *component; /* "" of a pod */
    const char *host, *scheme, *json, *ca_pem;
    bool by_resolver; /* whom the resolver would ask is asked; `host` says who that is */
    uint16_t port;
    uint16_t service_port; /* the Service is asked for, at this port of its own; 0: the pod itself */
    const struct nj_plan_pair *secrets;
    size_t secrets_count;
};
/* Marks the target as wanted: the one that is there, made anew where what is asked for has changed, or a new
 * one. NULL: the check cannot be made. */
struct nj_node_target *nj_target_want(struct nj_node_probes *probes, struct nj_node_pod *pod,
                                      const struct nj_wanted *wanted);
/* Ends those of the list that are not wanted, and tells that they are gone; the others have the mark taken
 * off. */
void nj_targets_sweep(struct nj_node_probes *probes, struct nj_node_target **list);
/* Frees what is left, without a word. Its checks are gone already. */
void nj_targets_free(struct nj_node_probes *probes);
void nj_target_hold(struct nj_node_target *target, bool held);

/* components.c */
void nj_components_read_resolver(struct nj_node_probes *probes);
/* The node's address, as a pod tells it; true when it is another than before. */
bool nj_components_note_host(struct nj_node_probes *probes, const char *host_ip);
/* The components are others, or somewhere else. */
void nj_components_match(struct nj_node_probes *probes);

/* tell.c */
void nj_tell_result(void *data, struct nj_check *check, const struct nj_result *result, bool changed);
void nj_tell_rollup(void *data, struct nj_check *check, const struct nj_rollup *rollup);
void nj_tell_flush(struct nj_node_probes *probes); /* the rollups that are packed */
void nj_tell_gone(struct nj_node_target *target);
/* It is not held back any more; what was kept is dropped. */
void nj_tell_forget(struct nj_node_target *target);
void nj_tell_kept(struct nj_node_target *target); /* it is its own failure after all */
/* The node's own state. */
void nj_tell_node(struct nj_node_probes *probes, enum nj_check_state state, size_t counted);

/* verdict.c: whose failure is it; tells what was held back, and the node's. */
void nj_tell_judge(struct nj_node_probes *probes);

#endif
