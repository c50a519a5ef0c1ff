#include "collector/notify/settings.h"

#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

static void copy_text(char **text)
{
    *text = nj_strdup(nj_str(*text));
}

static void copy_strings(struct nj_config_strings *strings)
{
    char **items = nj_calloc(strings->count + 1, sizeof(*items));
    for (size_t i = 0; i < strings->count; i++)
        items[i] = nj_strdup(strings->items[i]);
    strings->items = items;
}

static void free_strings(struct nj_config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
}

static void copy_route(struct nj_route_config *copy, const struct nj_route_config *route)
{
    *copy = *route;
    copy_strings(&copy->channels);
    copy_strings(&copy->mentions);
    copy_strings(&copy->escalate.channels);
    char **texts[] = {&copy->group,    &copy->cluster,    &copy->project,    &copy->namespace,
                      &copy->workload, &copy->kind,       &copy->severity,   &copy->quiet.from,
                      &copy->quiet.to, &copy->quiet.zone, &copy->quiet.below};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        copy_text(texts[i]);
}

static void free_route(struct nj_route_config *route)
{
    free_strings(&route->channels);
    free_strings(&route->mentions);
    free_strings(&route->escalate.channels);
    char *texts[] = {route->group,    route->cluster,    route->project,    route->namespace,
                     route->workload, route->kind,       route->severity,   route->quiet.from,
                     route->quiet.to, route->quiet.zone, route->quiet.below};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
}

static void copy_channel(struct nj_channel_config *copy, const struct nj_channel_config *channel)
{
    *copy = *channel;
    copy_strings(&copy->to_users);
    copy_strings(&copy->to_parties);
    copy_strings(&copy->to_tags);
    char **texts[] = {&copy->name,        &copy->url_file, &copy->corp_id, &copy->user,
                      &copy->secret_file, &copy->api_url,  &copy->ca_file, &copy->failover};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        copy_text(texts[i]);
}

static void free_target(struct nj_target *target)
{
    struct nj_channel_config *config = &target->config;
    free_strings(&config->to_users);
    free_strings(&config->to_parties);
    free_strings(&config->to_tags);
    char *texts[] = {config->name,        config->url_file, config->corp_id, config->user,
                     config->secret_file, config->api_url,  config->ca_file, config->failover};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    nj_secret_free(target->url);
    nj_secret_free(target->upload_url);
    nj_secret_free(target->secret);
}

/* The times were checked with the configuration (config_check.c). */
static int load_quiet(struct nj_quiet *quiet, const struct nj_quiet_config *config, struct nj_err *err)
{
    if (nj_day_time_parse(config->from, &quiet->from_ns) < 0 ||
        nj_day_time_parse(config->to, &quiet->to_ns) < 0)
        return 0;
    quiet->below = NJ_SEVERITY_CRITICAL;
    (void)nj_severity_parse(nj_str(config->below), &quiet->below);
    return nj_zone_load(config->zone, &quiet->zone, err);
}

int64_t nj_quiet_until(const struct nj_quiet *quiet, enum nj_severity severity, int64_t now_ns)
{
    if (quiet->zone == NULL || severity >= quiet->below ||
        !nj_zone_within(quiet->zone, quiet->from_ns, quiet->to_ns, now_ns))
        return 0;
    return nj_zone_next(quiet->zone, quiet->to_ns, now_ns);
}

static int load_times(struct nj_notify_settings *settings, const struct nj_collector_config *config,
                      struct nj_err *err)
{
    int rc = 0;
    settings->storm_after = config->notify.storm_after;
    settings->storm_window_ns = config->notify.storm_window_ns;
    settings->demote = config->notify.demote;
    settings->digest_channels = config->notify.digest.channels;
    copy_strings(&settings->digest_channels);
    for (size_t i = 0; i < settings->routes_count && rc == 0; i++)
        rc = load_quiet(&settings->quiet[i], &settings->routes[i].quiet, err);
    if (rc == 0 && nj_day_time_parse(config->notify.digest.at, &settings->digest_at_ns) == 0)
        rc = nj_zone_load(config->notify.digest.zone, &settings->digest_zone, err);
    return rc;
}

int nj_notify_settings_new(const struct nj_collector_config *config, struct nj_notify_settings **ret_settings,
                           struct nj_err *err)
{
    struct nj_notify_settings *settings = NJ_NEW(struct nj_notify_settings);
    atomic_init(&settings->references, 1);
    settings->language = (enum nj_language)config->notify.language;
    settings->public_url = nj_strdup(nj_str(config->notify.public_url));
    settings->log_lines = config->notify.log_lines;
    settings->probe_wait_ns = config->notify.probe_wait_ns;
    settings->routes = nj_calloc(config->notify.routes.count + 1, sizeof(*settings->routes));
    settings->quiet = nj_calloc(config->notify.routes.count + 1, sizeof(*settings->quiet));
    settings->targets = nj_calloc(config->notify.channels.count + 1, sizeof(*settings->targets));
    const struct nj_route_config *routes = config->notify.routes.items;
    for (; settings->routes_count < config->notify.routes.count; settings->routes_count++)
        copy_route(&settings->routes[settings->routes_count], &routes[settings->routes_count]);
    const struct nj_channel_config *channels = config->notify.channels.items;
    int rc = load_times(settings, config, err);
    while (rc == 0 && settings->targets_count < config->notify.channels.count) {
        struct nj_target *target = &settings->targets[settings->targets_count];
        copy_channel(&target->config, &channels[settings->targets_count++]);
        target->ops = nj_channel_ops_of(target->config.type);
        rc = target->ops->read_secrets(target, err);
    }
    if (rc < 0) {
        nj_notify_settings_unref(settings);
        return rc;
    }
    *ret_settings = settings;
    return 0;
}

struct nj_notify_settings *nj_notify_settings_ref(struct nj_notify_settings *settings)
{
    atomic_fetch_add_explicit(&settings->references, 1, memory_order_relaxed);
    return settings;
}

void nj_notify_settings_unref(struct nj_notify_settings *settings)
{
    if (settings == NULL || atomic_fetch_sub_explicit(&settings->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < settings->routes_count; i++) {
        free_route(&settings->routes[i]);
        nj_zone_free(settings->quiet[i].zone);
    }
    free(settings->quiet);
    nj_zone_free(settings->digest_zone);
    free_strings(&settings->digest_channels);
    for (size_t i = 0; i < settings->targets_count; i++)
        free_target(&settings->targets[i]);
    free(settings->routes);
    free(settings->targets);
    free(settings->public_url);
    free(settings);
}

const struct nj_target *nj_notify_target(const struct nj_notify_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->targets_count; i++) {
        if (nj_streq(settings->targets[i].config.name, name))
            return &settings->targets[i];
    }
    return NULL;
}
