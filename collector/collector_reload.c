/* New settings, while the collector runs. */
#include "collector/collector_internal.h"
#include "common/base/log.h"

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

int nj_collector_reload(struct nj_collector *collector, const struct nj_collector_config *config,
                        struct nj_err *err)
{
    int rc = nj_notifier_reload(collector->notifier, config, err);
    if (rc < 0)
        return rc;
    nj_api_reload(collector->api, config);
    nj_probes_reload(collector->probes, config);
    if (collector->sla != NULL)
        nj_sla_reload(collector->sla, config);
    nj_collector_config_compare(collector->config, config, say_restart, NULL);
    nj_collector_config_compare(collector->live, config, say_changed, NULL);
    collector->live = config;
    return 0;
}
