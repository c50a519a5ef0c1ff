/* New settings, while the collector runs. */
#include <string.h>

#include "collector/collector_internal.h"
#include "common/base/log.h"
#include "common/base/str.h"

static void say_restart(bool changed, const char *setting)
{
    if (changed)
        nj_warn("main", "reload: %s has changed: restart to put it in force", setting);
}

int nj_collector_reload(struct nj_collector *collector, const struct nj_collector_config *config,
                        struct nj_err *err)
{
    const struct nj_collector_config *old = collector->config;
    int rc = nj_notifier_reload(collector->notifier, config, err);
    if (rc < 0)
        return rc;
    nj_api_reload(collector->api, config);
    nj_probes_reload(collector->probes, config);
    if (collector->sla != NULL)
        nj_sla_reload(collector->sla, config);
    say_restart(!nj_streq(old->sla.objective, config->sla.objective) ||
                    old->sla.window_ns != config->sla.window_ns ||
                    old->sla.max_services != config->sla.max_services ||
                    old->sla.max_objects != config->sla.max_objects,
                "sla's objective, window or a bound of it");
    say_restart(!nj_streq(old->cluster, config->cluster), "cluster");
    say_restart(!nj_streq(old->ingest.listen, config->ingest.listen), "ingest.listen");
    say_restart(!nj_streq(old->ingest.key_file, config->ingest.key_file), "ingest.key_file");
    say_restart(!nj_streq(old->store.path, config->store.path), "store.path");
    say_restart(!nj_streq(old->api.listen, config->api.listen), "api.listen");
    say_restart(!nj_streq(old->api.read_token_file, config->api.read_token_file) ||
                    !nj_streq(old->api.write_token_file, config->api.write_token_file),
                "api.read_token_file or api.write_token_file");
    say_restart(old->kubernetes.enabled != config->kubernetes.enabled ||
                    !nj_streq(old->kubernetes.kubeconfig, config->kubernetes.kubeconfig) ||
                    !nj_streq(old->kubernetes.project_key, config->kubernetes.project_key) ||
                    old->kubernetes.unschedulable_after_ns != config->kubernetes.unschedulable_after_ns,
                "kubernetes");
    say_restart(memcmp(&old->nodes, &config->nodes, sizeof(old->nodes)) != 0, "nodes");
    say_restart(memcmp(&old->capacity, &config->capacity, sizeof(old->capacity)) != 0, "capacity");
    say_restart(!nj_streq(old->remote_write.url, config->remote_write.url) ||
                    !nj_streq(old->remote_write.user, config->remote_write.user) ||
                    !nj_streq(old->remote_write.secret_file, config->remote_write.secret_file) ||
                    !nj_streq(old->remote_write.ca_file, config->remote_write.ca_file) ||
                    old->remote_write.max_pending != config->remote_write.max_pending ||
                    old->remote_write.batch_samples != config->remote_write.batch_samples ||
                    old->remote_write.timeout_ns != config->remote_write.timeout_ns,
                "remote_write");
    say_restart(memcmp(&old->incident, &config->incident, sizeof(old->incident)) != 0, "incident");
    say_restart(old->store.crashes_ns != config->store.crashes_ns ||
                    old->store.logs_ns != config->store.logs_ns ||
                    old->store.incidents_ns != config->store.incidents_ns ||
                    old->store.agents_ns != config->store.agents_ns ||
                    old->store.points_minute_ns != config->store.points_minute_ns ||
                    old->store.points_hour_ns != config->store.points_hour_ns ||
                    old->store.points_day_ns != config->store.points_day_ns ||
                    old->store.usage_minute_ns != config->store.usage_minute_ns ||
                    old->store.usage_hour_ns != config->store.usage_hour_ns ||
                    old->store.usage_day_ns != config->store.usage_day_ns ||
                    old->store.intervals_ns != config->store.intervals_ns ||
                    old->store.rollouts_ns != config->store.rollouts_ns,
                "store's retention");
    say_restart(old->probes.max_checks != config->probes.max_checks ||
                    old->probes.max_concurrent != config->probes.max_concurrent ||
                    old->probes.max_response_bytes != config->probes.max_response_bytes ||
                    old->probes.max_objects != config->probes.max_objects ||
                    old->probes.target_silent_after_ns != config->probes.target_silent_after_ns,
                "a bound of probes");
    collector->config = config;
    return 0;
}
