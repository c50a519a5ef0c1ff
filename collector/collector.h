/*
 * The collector: builds the graph of its modules and nothing else does. Reading collector.c shows its whole
 * architecture.
 */
#ifndef NJ_COLLECTOR_COLLECTOR_H
#define NJ_COLLECTOR_COLLECTOR_H

#include "collector/config.h"
#include "common/loop/loop.h"

struct nj_collector;

/* Starts every module. An API server that is away is no error: it is tried for ever, and /readyz says so. A
 * missing secret, a database that cannot be opened, or an address in use is one. `config` is borrowed for
 * good. */
int nj_collector_start(struct nj_loop *loop, const struct nj_collector_config *config,
                       struct nj_collector **ret_collector, struct nj_err *err);

/* Takes over channels, routes, language and the like: nj_collector_live_settings. On an error nothing
 * changed. */
int nj_collector_reload(struct nj_collector *collector, const struct nj_collector_config *config,
                        struct nj_err *err);

/* Commits and acknowledges what was received, lets what is being sent finish, closes every handle, frees the
 * collector, then calls on_stopped. */
void nj_collector_stop(struct nj_collector *collector, void (*on_stopped)(void *data), void *data);

#endif
