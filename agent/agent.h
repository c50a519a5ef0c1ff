/*
 * The agent: builds the graph of its modules and nothing else does. Reading agent.c shows its whole
 * architecture.
 */
#ifndef NJ_AGENT_AGENT_H
#define NJ_AGENT_AGENT_H

#include "agent/config.h"
#include "common/loop/loop.h"

struct nj_agent;

/* Starts every module. An API server or collector that is away is no error: both are tried for ever, and
 * /readyz says so. A missing key file, or a folder that cannot be written, is one. `config` is borrowed for
 * good. */
int nj_agent_start(struct nj_loop *loop, const struct nj_agent_config *config, struct nj_agent **ret_agent,
                   struct nj_err *err);

/* Takes over what can change while it runs (redaction, log bounds, stuck times): nj_agent_live_settings. On
 * an error nothing changed. */
int nj_agent_reload(struct nj_agent *agent, const struct nj_agent_config *config, struct nj_err *err);

/* Sends what is queued, for a few seconds at most, closes every handle, frees the agent, then calls
 * on_stopped. */
void nj_agent_stop(struct nj_agent *agent, void (*on_stopped)(void *data), void *data);

#endif
