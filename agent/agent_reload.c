/* New settings, while the agent runs. */
#include "agent/agent_internal.h"

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
    nj_capture_set(agent->capture, &limits, redactor);
    nj_detector_set_times(agent->detector, &times);
    nj_pods_wake(agent->pods);
    return 0;
}
