/*
 * Maintenance windows: when what fails was meant. Those of the settings are over namespaces: once ("from",
 * "to"), or every week ("Sun 02:00-04:00", "Mon-Fri 22:00-02:00", "daily 03:00-03:30") in a zone that is an
 * offset from UTC ("+08:00", "UTC"). A window that ends before it begins goes on into the next day. Silences
 * with `maintenance` are others (notify/pipeline.h). Pure; one thread.
 */
#ifndef NJ_SLA_MAINTENANCE_H
#define NJ_SLA_MAINTENANCE_H

#include "collector/config.h"
#include "collector/incident/suppress.h"

struct nj_maintenance;

/* NULL with a text that names the setting when one is wrong. `windows` are struct nj_maintenance_config. */
struct nj_maintenance *nj_maintenance_new(const struct nj_config_list *windows, struct nj_err *err);
void nj_maintenance_free(struct nj_maintenance *maintenance); /* takes NULL */

enum { NJ_MAINTENANCE_REASON_MAX = 256 };

/* How it stands at a time. The caller begins with {.until_ns = INT64_MAX}: none. */
struct nj_maintenance_state {
    bool on;
    int64_t until_ns; /* it may be otherwise from then on, not before */
    char reason[NJ_MAINTENANCE_REASON_MAX];
};
/* Adds a window that may be on at at_ns, or begin later. */
void nj_maintenance_add(struct nj_maintenance_state *state, int64_t at_ns, int64_t from_ns, int64_t until_ns,
                        const char *reason);

/* Adds those over a namespace; NULL: over any. */
void nj_maintenance_at(const struct nj_maintenance *maintenance, const char *namespace, int64_t at_ns,
                       struct nj_maintenance_state *state);
/* Those that are on; borrowed until the next call. */
const struct nj_suppress_window *nj_maintenance_windows(struct nj_maintenance *maintenance, int64_t now_ns,
                                                        size_t *ret_count);

#endif
