/*
 * The inside of the collector's probing. probes.c begins, changes and ends it, registry.c keeps the monitors
 * and brings them in step with the model, central.c runs the checks of targets, events.c tells of them,
 * builtin.c makes the monitors of the cluster's components, trial.c tries unsaved specs. Private to
 * collector/probes; loop thread only.
 */
#ifndef NJ_PROBES_INTERNAL_H
#define NJ_PROBES_INTERNAL_H

#include "collector/probes/monitors.h"
#include "collector/probes/plans.h"
#include "collector/probes/probes.h"
#include "collector/probes/secrets.h"
#include "collector/probes/states.h"
#include "collector/probes/status.h"
#include "common/base/arena.h"
#include "common/probe/exposition.h"

/* A namespace's monitors in the registry. */
struct nj_probes_space {
    char *name;
    struct nj_monitor *monitors;
    UT_hash_handle hh;
};

/* The minutes of checks that wait to be told together. */
struct nj_rollup_batch {
    struct nj_check_rollup items[NJ_ROLLUPS_MAX];
    size_t count;
    int64_t minute_ns;
    uint64_t part; /* of this process: makes an event's identity */
    struct nj_arena arena;
    struct nj_timer timer;
};

struct nj_probes {
    struct nj_probes_options options;
    const struct nj_collector_config *config;
    char *cluster;
    struct nj_model *model; /* NULL: no API server */
    struct nj_redactor *redactor;
    struct nj_prober *prober;
    struct nj_checks *checks;
    struct nj_exposition *exposition;
    struct nj_plans *plans;
    struct nj_secrets *secrets;
    struct nj_states *states;
    struct nj_statuses *statuses;
    struct nj_monitors_context context;

    struct nj_monitor *monitors; /* all, by id */
    struct nj_probes_space *spaces;
    bool unsorted;            /* the registry has new ones since it was last sorted by id */
    bool ready;               /* the model and the namespaces are known */
    bool open;                /* plans are handed out, and what the last process left has been swept */
    bool stopped;             /* no check runs, none is started */
    struct nj_timer patience; /* how long the namespaces and Secrets are waited for */
    struct nj_timer minute;
    bool impatient;
    struct nj_rollup_batch batch;
    int64_t started_ns; /* wall */
    struct nj_probes_test *tests;
    size_t tests_count;
    struct nj_gauge *monitors_gauge;
    struct nj_counter *monitors_left_out;
    int step; /* of closing */
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* Puts a monitor into the registry in the place of the one with its id, whose running checks it takes over
 * where nothing about them has changed. `space` NULL: of no namespace's own. */
void nj_probes_put(struct nj_probes *probes, struct nj_probes_space *space, struct nj_monitor *take_monitor);
void nj_probes_take_out(struct nj_probes *probes, struct nj_monitor *monitor);
struct nj_monitor *nj_probes_find(struct nj_probes *probes, const char *id);
/* Makes a namespace's monitors, and its part of the plans, anew from the model. */
void nj_probes_rebuild(struct nj_probes *probes, const char *namespace);
void nj_probes_rebuild_all(struct nj_probes *probes);
/* Adds a monitor that nothing is known of but what agents say of its targets. */
void nj_probes_know_by_targets(struct nj_probes *probes, const char *id);
/* Of an ApiMonitor. */
void nj_probes_write_status(struct nj_probes *probes, const struct nj_monitor *monitor);
void nj_probes_free_registry(struct nj_probes *probes); /* nothing runs any more */

/* central.c */
struct nj_checks *nj_central_new(struct nj_probes *probes);
/* Starts what `monitor` has; what runs for `old` (may be NULL) goes on, or ends and is told as gone. */
void nj_central_apply(struct nj_probes *probes, struct nj_monitor *monitor, struct nj_monitor *old);
/* What runs for it ends and is told as gone. */
void nj_central_stop(struct nj_probes *probes, struct nj_monitor *monitor);
/* It ends with this process, and goes on with the next. */
void nj_central_halt(struct nj_probes *probes, struct nj_monitor *monitor);
/* Tells as gone what the store has of targets that are the collector's and that nothing checks any more. */
void nj_central_sweep(struct nj_probes *probes);

/* events.c */
void nj_events_init(struct nj_probes *probes);
void nj_events_result(struct nj_probes *probes, const struct nj_target *target,
                      const struct nj_check_memory *memory, const struct nj_result *result);
void nj_events_gone(struct nj_probes *probes, const struct nj_monitor *monitor, const char *target,
                    const char *target_name, const char *address);
void nj_events_rollup(struct nj_probes *probes, const struct nj_target *target, const char *state,
                      const struct nj_rollup *rollup);
void nj_events_flush(struct nj_probes *probes);
void nj_events_done(struct nj_probes *probes);

/* builtin.c: makes them anew, as the API server's address and credentials and kube-system's Services are. */
void nj_builtin_update(struct nj_probes *probes);

/* trial.c */
void nj_tests_cancel_all(struct nj_probes *probes);
/* A Secret was read. */
void nj_tests_continue(struct nj_probes *probes);
/* Between nj_secrets_begin() and nj_secrets_sweep(): the Secrets that tests wait for are wanted too. */
void nj_tests_want_secrets(struct nj_probes *probes, const char *namespace);

#endif
