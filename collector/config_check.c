/* What no single field of the settings can check. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/config.h"
#include "collector/incident/incident.h"
#include "collector/sla/maintenance.h"
#include "collector/sla/slo.h"
#include "common/base/str.h"
#include "common/base/zone.h"
#include "common/probe/address.h"

static const struct nj_channel_config *channel_at(const struct nj_collector_config *config, size_t i)
{
    return (const struct nj_channel_config *)config->notify.channels.items + i;
}

static const struct nj_channel_config *find_channel(const struct nj_collector_config *config,
                                                    const char *name)
{
    for (size_t i = 0; i < config->notify.channels.count; i++) {
        if (nj_streq(channel_at(config, i)->name, name))
            return channel_at(config, i);
    }
    return NULL;
}

static bool empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static int check_wecom_app(size_t i, const struct nj_channel_config *channel, struct nj_err *err)
{
    if (empty(channel->corp_id) || empty(channel->secret_file) || channel->agent_id == 0)
        return nj_err_set(err, -EINVAL,
                          "notify.channels[%zu]: a wecom_app needs corp_id, agent_id and secret_file", i);
    if (channel->to_users.count + channel->to_parties.count + channel->to_tags.count == 0)
        return nj_err_set(err, -EINVAL,
                          "notify.channels[%zu]: a wecom_app needs to_users, to_parties or to_tags", i);
    return 0;
}

static int check_channel(const struct nj_collector_config *config, size_t i, struct nj_err *err)
{
    const struct nj_channel_config *channel = channel_at(config, i);
    if (empty(channel->name))
        return nj_err_set(err, -EINVAL, "notify.channels[%zu]: name is missing", i);
    if (find_channel(config, channel->name) != channel)
        return nj_err_set(err, -EINVAL, "notify.channels[%zu]: the name \"%s\" is used twice", i,
                          channel->name);
    bool plain = channel->type == NJ_CHANNEL_WEBHOOK || channel->type == NJ_CHANNEL_ALERTMANAGER;
    if (!empty(channel->user) && (!plain || empty(channel->secret_file)))
        return nj_err_set(err, -EINVAL,
                          "notify.channels[%zu]: user is of a webhook or an alertmanager, and goes with "
                          "secret_file, which holds the password",
                          i);
    if (channel->type == NJ_CHANNEL_WECOM_APP) {
        int rc = check_wecom_app(i, channel, err);
        if (rc < 0)
            return rc;
    } else if (empty(channel->url_file)) {
        return nj_err_set(err, -EINVAL, "notify.channels[%zu]: a %s needs url_file", i,
                          nj_channel_type_name((enum nj_channel_type)channel->type));
    }

    /* Following fail-overs for more steps than there are channels means going in a circle. */
    const struct nj_channel_config *at = channel;
    for (size_t steps = 0; !empty(at->failover); steps++) {
        const struct nj_channel_config *next = find_channel(config, at->failover);
        if (next == NULL)
            return nj_err_set(err, -EINVAL,
                              "notify.channels[%zu]: failover names \"%s\", which is no channel", i,
                              at->failover);
        if (steps == config->notify.channels.count)
            return nj_err_set(err, -EINVAL, "notify.channels[%zu]: the fail-overs of \"%s\" go in a circle",
                              i, channel->name);
        at = next;
    }
    return 0;
}

/* A time of day and its zone, as setting `where` has them. */
static int check_time(const char *where, const char *at, const char *zone, struct nj_err *err)
{
    int64_t since_midnight_ns = 0;
    struct nj_zone *known = NULL;
    if (nj_day_time_parse(at, &since_midnight_ns) < 0)
        return nj_err_set(err, -EINVAL, "%s: \"%s\" is no time of day such as 09:00", where, at);
    if (nj_zone_load(zone, &known, err) < 0)
        return nj_err_wrap(err, "%s", where), -EINVAL;
    nj_zone_free(known);
    return 0;
}

static int check_names(const struct nj_collector_config *config, const char *where,
                       const struct nj_config_strings *names, struct nj_err *err)
{
    for (size_t c = 0; c < names->count; c++) {
        if (find_channel(config, names->items[c]) == NULL)
            return nj_err_set(err, -EINVAL, "%s: \"%s\" is no channel", where, names->items[c]);
    }
    return 0;
}

static int check_quiet(size_t i, const struct nj_quiet_config *quiet, struct nj_err *err)
{
    char where[64];
    enum nj_severity below = NJ_SEVERITY_INFO;
    (void)snprintf(where, sizeof(where), "notify.routes[%zu].quiet", i);
    if (empty(quiet->from) && empty(quiet->to))
        return 0;
    if (empty(quiet->from) || empty(quiet->to))
        return nj_err_set(err, -EINVAL, "%s: needs both from and to", where);
    if (nj_streq(quiet->from, quiet->to))
        return nj_err_set(err, -EINVAL, "%s: from and to are the same: no time is between \"%s\" and itself",
                          where, quiet->to);
    int rc = check_time(where, nj_str(quiet->from), quiet->zone, err);
    if (rc == 0)
        rc = check_time(where, nj_str(quiet->to), quiet->zone, err);
    if (rc == 0 && (nj_severity_parse(quiet->below, &below) < 0 || below == NJ_SEVERITY_INFO))
        rc =
            nj_err_set(err, -EINVAL, "%s.below: \"%s\" is neither warning nor critical", where, quiet->below);
    return rc;
}

/* What of a route comes later than its beginning. */
static int check_later(const struct nj_collector_config *config, size_t i,
                       const struct nj_route_config *route, struct nj_err *err)
{
    char where[64];
    (void)snprintf(where, sizeof(where), "notify.routes[%zu].escalate", i);
    if ((route->escalate.after_ns > 0) != (route->escalate.channels.count > 0))
        return nj_err_set(err, -EINVAL, "%s: needs both after and channels", where);
    int rc = check_names(config, where, &route->escalate.channels, err);
    return rc < 0 ? rc : check_quiet(i, &route->quiet, err);
}

static int check_digest(const struct nj_collector_config *config, struct nj_err *err)
{
    bool daily = !empty(config->notify.digest.at);
    if (daily != (config->notify.digest.channels.count > 0))
        return nj_err_set(err, -EINVAL, "notify.digest: needs both at and channels");
    if (config->notify.demote && !daily)
        return nj_err_set(err, -EINVAL,
                          "notify.demote: needs notify.digest, else nobody would be told at all");
    if (daily && check_time("notify.digest", config->notify.digest.at, config->notify.digest.zone, err) < 0)
        return -EINVAL;
    return check_names(config, "notify.digest.channels", &config->notify.digest.channels, err);
}

static int check_route(const struct nj_collector_config *config, size_t i, struct nj_err *err)
{
    const struct nj_route_config *route = (const struct nj_route_config *)config->notify.routes.items + i;
    enum nj_incident_kind kind;
    if (route->channels.count == 0)
        return nj_err_set(err, -EINVAL, "notify.routes[%zu]: channels is empty, nobody would be told", i);
    for (size_t c = 0; c < route->channels.count; c++) {
        if (find_channel(config, route->channels.items[c]) == NULL)
            return nj_err_set(err, -EINVAL, "notify.routes[%zu]: \"%s\" is no channel", i,
                              route->channels.items[c]);
        for (size_t d = 0; d < c; d++) {
            if (nj_streq(route->channels.items[c], route->channels.items[d]))
                return nj_err_set(err, -EINVAL, "notify.routes[%zu]: the channel \"%s\" is named twice", i,
                                  route->channels.items[c]);
        }
    }
    if (strpbrk(nj_str(route->kind), "*?") == NULL && !empty(route->kind) &&
        nj_incident_kind_parse(route->kind, &kind) < 0)
        return nj_err_set(err, -EINVAL,
                          "notify.routes[%zu]: kind \"%s\" is no kind of incident, such as crash or "
                          "service_outage, nor a pattern of them",
                          i, route->kind);
    enum nj_severity severity;
    if (!empty(route->severity) && nj_severity_parse(route->severity, &severity) < 0)
        return nj_err_set(err, -EINVAL,
                          "notify.routes[%zu]: severity \"%s\" is not info, warning or critical", i,
                          route->severity);
    return check_later(config, i, route, err);
}

/* Does "HOST:PORT" stay on this machine? A host name is not looked up: only what is loopback for certain
 * counts. */
static bool listens_on_loopback(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon == NULL ? strlen(listen) : (size_t)(colon - listen);
    char host[INET6_ADDRSTRLEN + 2];
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, listen, len);
    host[len] = '\0';
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return nj_streq(host, "[::1]") || nj_streq(host, "localhost");
}

static int check_probes(const struct nj_collector_config *config, struct nj_err *err)
{
    const struct nj_config_strings *allowed = &config->probes.allowed_hosts;
    if (empty(config->probes.cluster_domain))
        return nj_err_set(err, -EINVAL, "probes.cluster_domain: must not be empty");
    for (size_t i = 0; i < allowed->count; i++) {
        if (nj_allowed_check(allowed->items[i], err) < 0) {
            (void)nj_err_wrap(err, "probes.allowed_hosts[%zu]", i);
            return -EINVAL;
        }
    }
    return 0;
}

/* A secret in the URL would be shown with the settings. */
static int check_remote_write(const struct nj_collector_config *config, struct nj_err *err)
{
    const char *url = config->remote_write.url;
    const char *host = nj_str(url);
    if (empty(url) && (!empty(config->remote_write.secret_file) || !empty(config->remote_write.user)))
        return nj_err_set(err, -EINVAL, "remote_write.url: is missing");
    if (empty(url))
        return 0;
    if (strncmp(url, "http://", 7) == 0)
        host += 7;
    else if (strncmp(url, "https://", 8) == 0)
        host += 8;
    size_t host_len = strcspn(host, "/?#");
    if (host == url || host_len == 0)
        return nj_err_set(err, -EINVAL,
                          "remote_write.url: must begin with http:// or https:// and name a host");
    if (memchr(host, '@', host_len) != NULL)
        return nj_err_set(err, -EINVAL,
                          "remote_write.url: must hold no user or password, those are remote_write.user and "
                          "remote_write.secret_file");
    if (!empty(config->remote_write.user) && empty(config->remote_write.secret_file))
        return nj_err_set(err, -EINVAL,
                          "remote_write.user: needs remote_write.secret_file with the password");
    return 0;
}

static int check_sla(const struct nj_collector_config *config, struct nj_err *err)
{
    double objective = 0;
    if (!empty(config->sla.objective) && nj_slo_parse(config->sla.objective, &objective) < 0)
        return nj_err_set(err, -EINVAL, "sla.objective: \"%s\" is no number of per cent between 0 and 100",
                          config->sla.objective);
    struct nj_maintenance *maintenance = nj_maintenance_new(&config->sla.maintenance, err);
    if (maintenance == NULL)
        return -EINVAL;
    nj_maintenance_free(maintenance);
    return 0;
}

int nj_collector_config_check(const struct nj_collector_config *config, struct nj_err *err)
{
    if (empty(config->cluster))
        return nj_err_set(err, -EINVAL,
                          "cluster: must not be empty, it is the first part of every full name");
    if (config->ingest.max_plain_bytes < config->ingest.max_packet_bytes)
        return nj_err_set(err, -EINVAL,
                          "ingest.max_plain_bytes: must not be less than ingest.max_packet_bytes");
    if (config->store.logs_ns > config->store.crashes_ns)
        return nj_err_set(err, -EINVAL,
                          "store.logs: must not be longer than store.crashes, a log goes with its crash");
    if (check_probes(config, err) < 0 || check_remote_write(config, err) < 0 || check_sla(config, err) < 0)
        return -EINVAL;
    for (size_t i = 0; i < config->notify.channels.count; i++) {
        int rc = check_channel(config, i, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < config->notify.routes.count; i++) {
        int rc = check_route(config, i, err);
        if (rc < 0)
            return rc;
    }
    if (check_digest(config, err) < 0)
        return -EINVAL;
    if (empty(config->api.read_token_file) && empty(config->api.write_token_file) &&
        !listens_on_loopback(config->api.listen))
        return nj_err_set(err, -EINVAL,
                          "api.listen: without api.read_token_file or api.write_token_file it may listen on "
                          "loopback only, such as 127.0.0.1:8645, not on \"%s\"",
                          config->api.listen);
    return 0;
}
