/*
 * What state each target of each monitor is in, whoever checks it, as it was committed: counts for REST and
 * the status of ApiMonitors, and what checks begin with after a restart. Private to collector/probes; loop
 * thread only.
 */
#ifndef NJ_PROBES_STATES_H
#define NJ_PROBES_STATES_H

#include "collector/store/store.h"
#include "common/base/metrics.h"
#include "common/base/table.h"
#include "common/probe/state.h"
#include "common/wire/plan.h"

enum { NJ_STATES_MAX = 1000000 }; /* targets; further ones are not counted, but for a metric */

struct nj_state {
    char *target; /* id */
    char *target_name, *address;
    enum nj_check_state state;
    int64_t since_ns;
    UT_hash_handle hh;
};

/* A monitor's. */
struct nj_states_of {
    char *monitor; /* id */
    enum nj_monitor_source source;
    char *namespace, *service;
    struct nj_state *targets;
    size_t counts[NJ_CHECK_STATES];
    int64_t changed_ns; /* latest change of any */
    UT_hash_handle hh;
};

struct nj_states;

struct nj_states *nj_states_new(struct nj_metrics *metrics);
void nj_states_free(struct nj_states *states); /* takes NULL */

/* All of the cluster's; on the loop's thread, blocking. */
int nj_states_load(struct nj_states *states, struct nj_store *store, const char *cluster, struct nj_err *err);

/* True when a count or a time has changed. "gone" takes it away. */
bool nj_states_put(struct nj_states *states, const struct nj_store_target *target);

/* NULL: no target is known. Borrowed until the next change. */
const struct nj_states_of *nj_states_of(const struct nj_states *states, const char *monitor);
const struct nj_state *nj_states_find(const struct nj_states *states, const char *monitor,
                                      const char *target);
/* `each` may not change the states. */
void nj_states_each(const struct nj_states *states,
                    void (*each)(void *data, const struct nj_states_of *monitor), void *data);

#endif
