/*
 * Maintenance windows: when what fails in which namespaces was meant. From the settings: once ("from", "to"),
 * or every week ("Sun 02:00-04:00", "Mon-Fri 22:00-02:00", "daily 03:00-03:30") in a zone that is an offset
 * from UTC ("+08:00", "UTC"). A window that ends before it begins goes on into the next day. Pure; one
 * thread.
 */
#ifndef NJ_SLA_MAINTENANCE_H
#define NJ_SLA_MAINTENANCE_H

#include "collector/config.h"
#include "collector/incident/suppress.h"

struct nj_maintenance;

/* NULL with a text that names the setting when one is wrong. `windows` are struct nj_maintenance_config. */
struct nj_maintenance *nj_maintenance_new(const struct nj_config_list *windows, struct nj_err *err);
void nj_maintenance_free(struct nj_maintenance *maintenance); /* takes NULL */
size_t nj_maintenance_count(const struct nj_maintenance *maintenance);

/* A stretch of time that is on at now_ns; false: the window is not. */
bool nj_maintenance_is_on(const struct nj_maintenance *maintenance, size_t window, int64_t now_ns,
                          int64_t *ret_from_ns, int64_t *ret_until_ns);
/* Tells when what holds for a namespace is other than at the last look. */
void nj_maintenance_look(struct nj_maintenance *maintenance, const char *namespace, int64_t now_ns,
                         void (*on_change)(void *data, const char *namespace, bool on, const char *reason),
                         void *data);
/* Those that are on; borrowed until the next call. */
const struct nj_suppress_window *nj_maintenance_windows(struct nj_maintenance *maintenance, int64_t now_ns,
                                                        size_t *ret_count);

#endif
