#include <malloc.h>

#include "agent/agent.h"
#include "agent/config.h"
#include "common/loop/daemon.h"

static int check(const void *config, struct nj_err *err)
{
    return nj_agent_config_check(config, err);
}

static void log_settings(const void *config, enum nj_log_level *ret_level, enum nj_log_format *ret_format)
{
    const struct nj_agent_config *settings = config;
    *ret_level = (enum nj_log_level)settings->log.level;
    *ret_format = (enum nj_log_format)settings->log.format;
}

static int start(struct nj_loop *loop, const void *config, void **ret_state, struct nj_err *err)
{
    struct nj_agent *agent = NULL;
    int rc = nj_agent_start(loop, config, &agent, err);
    *ret_state = agent;
    return rc;
}

static int reload(void *state, const void *config, struct nj_err *err)
{
    return nj_agent_reload(state, config, err);
}

static void stop(void *state, void (*on_stopped)(void *data), void *data)
{
    nj_agent_stop(state, on_stopped, data);
}

/* An agent is small on every node, or it is too large. Its three threads hardly ever allocate at the same
 * time: an arena for each would only be so many heaps with holes. And what a scrape takes goes back at once,
 * which malloc does not see to any more once it has seen one (mallopt(3), M_MMAP_THRESHOLD). */
static void allocate_sparingly(void)
{
    enum { LARGE_BYTES = 128 << 10 };
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

int main(int argc, char **argv)
{
    static const struct nj_daemon daemon = {
        .program = "nightjar-agent",
        .summary = "Watches the pods of one Kubernetes node and captures every crash with its last words.",
        .table = nj_agent_config_table,
        .live = nj_agent_live_settings,
        .config_size = sizeof(struct nj_agent_config),
        .check = check,
        .log_settings = log_settings,
        .start = start,
        .reload = reload,
        .stop = stop,
    };
    allocate_sparingly();
    return nj_daemon_run(&daemon, argc, argv);
}
