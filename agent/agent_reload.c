/* New settings, while the agent runs. */
#include "agent/agent_internal.h"
#include "common/base/log.h"

struct nj_detector_times nj_agent_detector_times(const struct nj_agent_config *config)
{
    return (struct nj_detector_times){
        .image_ns = config->stuck.image_ns,
        .config_ns = config->stuck.config_ns,
        .start_ns = config->stuck.start_ns,
        .other_ns = config->stuck.other_ns,
        .stable_after_ns = config->crash.stable_after_ns,
    };
}

struct nj_log_limits nj_agent_log_limits(const struct nj_agent_config *config)
{
    return (struct nj_log_limits){
        .max_lines = (uint32_t)config->crash.log_lines,
        .max_bytes = (size_t)config->crash.log_bytes,
    };
}

int nj_agent_redactor(const struct nj_agent_config *config, struct nj_redactor **ret_redactor,
                      struct nj_err *err)
{
    return nj_redactor_new(config->crash.redact_defaults, config->crash.redact.items,
                           config->crash.redact.count, ret_redactor, err);
}

static void say_restart(void *data, const char *setting, bool live)
{
    (void)data;
    if (!live)
        nj_warn("main", "reload: %s differs from what was started with: restart to put it in force", setting);
}

static void say_changed(void *data, const char *setting, bool live)
{
    (void)data;
    if (live)
        nj_info("main", "reload: %s has changed", setting);
}

int nj_agent_reload(struct nj_agent *agent, const struct nj_agent_config *config, struct nj_err *err)
{
    struct nj_redactor *redactor = NULL;
    struct nj_redactor *for_probes = NULL;
    int rc = nj_agent_redactor(config, &redactor, err);
    if (rc == 0)
        rc = nj_agent_redactor(config, &for_probes, err);
    if (rc < 0) {
        nj_redactor_free(redactor);
        return rc;
    }
    if (agent->probes != NULL)
        nj_node_probes_set_redactor(agent->probes, for_probes);
    nj_redactor_free(agent->redactor);
    agent->redactor = for_probes;
    struct nj_log_limits limits = nj_agent_log_limits(config);
    struct nj_detector_times times = nj_agent_detector_times(config);
    nj_agent_config_compare(agent->config, config, say_restart, NULL);
    nj_agent_config_compare(agent->live, config, say_changed, NULL);
    nj_capture_set(agent->capture, &limits, redactor);
    nj_detector_set_times(agent->detector, &times);
    nj_pods_wake(agent->pods);
    agent->live = config;
    return 0;
}
