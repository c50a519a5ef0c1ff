/* New settings, while the collector runs. */
#include "collector/collector_internal.h"

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
    return 0;
}
