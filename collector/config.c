#include "collector/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/incident/incident.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/probe/address.h"
#include "common/wire/batch.h"

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"json", "text", NULL};
static const char *const languages[] = {"zh", "en", NULL};
static const char *const channel_types[] = {"wecom_robot", "wecom_app", "webhook", NULL};
static const char *const channel_formats[] = {"markdown", "text", NULL};

#define AT(member) offsetof(struct nj_collector_config, member)
#define END                                                                                                  \
    {                                                                                                        \
        0                                                                                                    \
    }

static const struct nj_config_field log_fields[] = {{.key = "level",
                                                     .type = NJ_CONFIG_ENUM,
                                                     .offset = AT(log.level) - AT(log),
                                                     .fallback = "info",
                                                     .choices = log_levels,
                                                     .help = "least level that is written"},
                                                    {.key = "format",
                                                     .type = NJ_CONFIG_ENUM,
                                                     .offset = AT(log.format) - AT(log),
                                                     .fallback = "json",
                                                     .choices = log_formats,
                                                     .help = "one JSON object or one line of text an event"},
                                                    END};

static const struct nj_config_field kubernetes_fields[] = {
    {.key = "enabled",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(kubernetes.enabled) - AT(kubernetes),
     .fallback = "true",
     .help = "watch this cluster's unscheduled pods and its namespaces"},
    {.key = "kubeconfig",
     .type = NJ_CONFIG_STRING,
     .offset = AT(kubernetes.kubeconfig) - AT(kubernetes),
     .help = "kubeconfig file; empty inside a cluster"},
    {.key = "unschedulable_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(kubernetes.unschedulable_after_ns) - AT(kubernetes),
     .fallback = "30s",
     .min = 0,
     .max = NJ_DAY,
     .help = "a pod that no node takes for so long is told"},
    {.key = "project_key",
     .type = NJ_CONFIG_STRING,
     .offset = AT(kubernetes.project_key) - AT(kubernetes),
     .fallback = "field.cattle.io/projectId",
     .help =
         "label or annotation of a namespace that names its project; of \"c-abc:p-xyz\" the part after the "
         "colon counts; empty for no projects"},
    END};

static const struct nj_config_field ingest_fields[] = {
    {.key = "listen",
     .type = NJ_CONFIG_STRING,
     .offset = AT(ingest.listen) - AT(ingest),
     .fallback = "tcp://0.0.0.0:7645",
     .help = "where the agents connect, a nanomsg URL"},
    {.key = "key_file",
     .type = NJ_CONFIG_STRING,
     .offset = AT(ingest.key_file) - AT(ingest),
     .fallback = "/etc/nightjar/key/key",
     .help = "file with the key shared with the agents: 64 hex digits; a second line is accepted too"},
    {.key = "max_packet_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(ingest.max_packet_bytes) - AT(ingest),
     .fallback = "5MiB",
     .min = 64 << 10,
     .max = 64 << 20,
     .help =
         "a peer that sends a larger packet is disconnected; an agent's may have up to 4 MiB and a little"},
    {.key = "max_plain_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(ingest.max_plain_bytes) - AT(ingest),
     .fallback = "8MiB",
     .min = NJ_BATCH_BYTES_MAX,
     .max = 256 << 20,
     .help = "a packet that decompresses to more is refused"},
    {.key = "max_queued",
     .type = NJ_CONFIG_INT,
     .offset = AT(ingest.max_queued) - AT(ingest),
     .fallback = "4096",
     .min = 1,
     .max = 100000,
     .help = "packets that wait for the store; beyond, reading from the agents pauses"},
    {.key = "silent_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(ingest.silent_after_ns) - AT(ingest),
     .fallback = "45s",
     .min = NJ_SEC,
     .max = NJ_DAY,
     .help = "an agent that was not heard for so long is shown as silent"},
    {.key = "max_agents",
     .type = NJ_CONFIG_INT,
     .offset = AT(ingest.max_agents) - AT(ingest),
     .fallback = "20000",
     .min = 1,
     .max = 1000000,
     .help = "agents known at once; packets of further ones are refused"},
    END};

static const struct nj_config_field store_fields[] = {
    {.key = "path",
     .type = NJ_CONFIG_STRING,
     .offset = AT(store.path) - AT(store),
     .fallback = "/var/lib/nightjar/collector.db",
     .help = "SQLite database of crashes, incidents, messages and agents"},
    {.key = "crashes",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.crashes_ns) - AT(store),
     .fallback = "30d",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "age at which crashes are deleted"},
    {.key = "logs",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.logs_ns) - AT(store),
     .fallback = "14d",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "age at which the logs of crashes are deleted"},
    {.key = "incidents",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.incidents_ns) - AT(store),
     .fallback = "90d",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "age at which resolved incidents are deleted, with what was sent about them"},
    {.key = "agents",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.agents_ns) - AT(store),
     .fallback = "7d",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "an agent that was not heard for so long is forgotten"},
    {.key = "points_minute",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.points_minute_ns) - AT(store),
     .fallback = "48h",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "age at which the checks' points of a minute are deleted"},
    {.key = "points_hour",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.points_hour_ns) - AT(store),
     .fallback = "30d",
     .min = NJ_HOUR,
     .max = 3650 * NJ_DAY,
     .help = "age at which the checks' points of an hour are deleted"},
    {.key = "points_day",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(store.points_day_ns) - AT(store),
     .fallback = "400d",
     .min = NJ_DAY,
     .max = 3650 * NJ_DAY,
     .help = "age at which the checks' points of a day are deleted"},
    END};

static const struct nj_config_field probes_fields[] = {
    {.key = "derive",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(probes.derive) - AT(probes),
     .fallback = "true",
     .help =
         "check every Service that no ApiMonitor checks, by its pods' own probes or a TCP connection, and "
         "the metrics page of pods with prometheus.io/scrape; a namespace or Service opts out with the "
         "annotation nightjar.dev/probe: \"off\""},
    {.key = "builtin",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(probes.builtin) - AT(probes),
     .fallback = "true",
     .help = "check the API server, its certificate, and the scheduler, controller manager and etcd where a "
             "Service of kube-system makes them reachable"},
    {.key = "allowed_hosts",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = AT(probes.allowed_hosts) - AT(probes),
     .max = 1000,
     .help =
         "hosts that a monitor's URL may go to: api.example.com, *.example.com, 10.1.2.3, 10.1.0.0/16, each "
         "with :port to allow one port only; without any a monitor reaches its own namespace only"},
    {.key = "cluster_domain",
     .type = NJ_CONFIG_STRING,
     .offset = AT(probes.cluster_domain) - AT(probes),
     .fallback = "cluster.local",
     .help = "of the cluster's DNS; a Service is asked as NAME.NAMESPACE.svc.cluster.local"},
    {.key = "max_checks",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_checks) - AT(probes),
     .fallback = "20000",
     .min = 1,
     .max = 1000000,
     .help = "targets that the collector itself checks (Services, Ingresses, URLs); further ones are not "
             "checked, "
             "and counted"},
    {.key = "max_concurrent",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_concurrent) - AT(probes),
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .help = "checks of the collector that run at once; more wait their turn"},
    {.key = "max_response_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(probes.max_response_bytes) - AT(probes),
     .fallback = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "of an answer's body that are read at most"},
    {.key = "max_objects",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_objects) - AT(probes),
     .fallback = "200000",
     .min = 100,
     .max = 10000000,
     .help =
         "Services, EndpointSlices, Ingresses and ApiMonitors followed, together; further ones are counted"},
    {.key = "target_silent_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(probes.target_silent_after_ns) - AT(probes),
     .fallback = "15m",
     .min = 10 * NJ_MIN, /* rare checks are heard of every 5 minutes */
     .max = NJ_DAY,
     .help = "a target of which nothing was heard for so long is taken for gone"},
    END};

static const struct nj_config_field incident_fields[] = {
    {.key = "stale_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(incident.stale_after_ns) - AT(incident),
     .fallback = "24h",
     .min = 10 * NJ_MIN,
     .max = 365 * NJ_DAY,
     .help = "an open incident of which nothing was heard for so long is resolved as stale"},
    {.key = "max_open",
     .type = NJ_CONFIG_INT,
     .offset = AT(incident.max_open) - AT(incident),
     .fallback = "100000",
     .min = 1,
     .max = 10000000,
     .help = "open incidents at once; beyond, the one that was quiet longest is resolved as evicted"},
    {.key = "max_subjects",
     .type = NJ_CONFIG_INT,
     .offset = AT(incident.max_subjects) - AT(incident),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .help = "pods and containers in trouble that one incident remembers; beyond, the oldest is forgotten"},
    END};

#define CHANNEL(member) offsetof(struct nj_channel_config, member)
static const struct nj_config_field channel_fields[] = {
    {.key = "name",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(name),
     .help = "by which routes and fail-overs name it"},
    {.key = "type",
     .type = NJ_CONFIG_ENUM,
     .offset = CHANNEL(type),
     .fallback = "wecom_robot",
     .choices = channel_types,
     .help = "a group robot, an application's messages, or JSON to any URL"},
    {.key = "format",
     .type = NJ_CONFIG_ENUM,
     .offset = CHANNEL(format),
     .fallback = "markdown",
     .choices = channel_formats,
     .help = "WeCom: markdown, or text, which WeChat outside the company's app shows too"},
    {.key = "url_file",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(url_file),
     .help = "robot and webhook: file with the URL (a robot's URL holds its key)"},
    {.key = "corp_id", .type = NJ_CONFIG_STRING, .offset = CHANNEL(corp_id), .help = "application: corp id"},
    {.key = "agent_id",
     .type = NJ_CONFIG_INT,
     .offset = CHANNEL(agent_id),
     .fallback = "0",
     .min = 0,
     .max = INT32_MAX,
     .help = "application: agent id"},
    {.key = "secret_file",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(secret_file),
     .help = "application: file with the corp secret; webhook: file with a bearer token, optional"},
    {.key = "api_url",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(api_url),
     .fallback = "https://qyapi.weixin.qq.com",
     .help = "application: WeCom's API server"},
    {.key = "ca_file",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(ca_file),
     .help = "certificates to trust for this channel; empty for the system's"},
    {.key = "to_users",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = CHANNEL(to_users),
     .max = 1000,
     .help = "application: user ids, or @all"},
    {.key = "to_parties",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = CHANNEL(to_parties),
     .max = 100,
     .help = "application: department ids"},
    {.key = "to_tags",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = CHANNEL(to_tags),
     .max = 100,
     .help = "application: tag ids"},
    {.key = "attach_log",
     .type = NJ_CONFIG_BOOL,
     .offset = CHANNEL(attach_log),
     .fallback = "true",
     .help = "send the crash's log as a file too"},
    {.key = "rate_per_minute",
     .type = NJ_CONFIG_INT,
     .offset = CHANNEL(rate_per_minute),
     .fallback = "20",
     .min = 1,
     .max = 100000,
     .help = "messages a minute; what waits is folded into a digest. WeCom allows a robot 20"},
    {.key = "timeout",
     .type = NJ_CONFIG_DURATION,
     .offset = CHANNEL(timeout_ns),
     .fallback = "10s",
     .min = 100 * NJ_MS,
     .max = 5 * NJ_MIN,
     .help = "of one request"},
    {.key = "retries",
     .type = NJ_CONFIG_INT,
     .offset = CHANNEL(retries),
     .fallback = "3",
     .min = 0,
     .max = 100,
     .help = "attempts after a failure that may pass, before the fail-over is told"},
    {.key = "failover",
     .type = NJ_CONFIG_STRING,
     .offset = CHANNEL(failover),
     .help = "channel that is told instead when this one fails; empty for none"},
    {.key = "resend_uncertain",
     .type = NJ_CONFIG_BOOL,
     .offset = CHANNEL(resend_uncertain),
     .fallback = "false",
     .help = "after a crash of the collector in the middle of sending: rather tell twice than never"},
    END};

#define ROUTE(member) offsetof(struct nj_route_config, member)
static const struct nj_config_field route_fields[] = {
    {.key = "group",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(group),
     .help = "alert group: who is told, as it stands in the message"},
    {.key = "channels",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = ROUTE(channels),
     .max = 100,
     .help = "names of the channels that are told"},
    {.key = "mentions",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = ROUTE(mentions),
     .max = 100,
     .help = "WeCom user ids that are mentioned, or @all"},
    {.key = "cluster",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(cluster),
     .help = "matches only this cluster; like the next four a pattern with * and ?, empty for any"},
    {.key = "project",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(project),
     .help = "matches only this project"},
    {.key = "namespace",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(namespace),
     .help = "matches only this namespace"},
    {.key = "workload",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(workload),
     .help = "matches only this workload"},
    {.key = "kind",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(kind),
     .help = "matches only this kind of incident: crash, image_pull, config_error, start_error, stuck, "
             "unschedulable, pod_failure"},
    {.key = "severity",
     .type = NJ_CONFIG_STRING,
     .offset = ROUTE(severity),
     .help = "matches only incidents at least this severe: info, warning, critical; empty for any"},
    {.key = "resolved",
     .type = NJ_CONFIG_BOOL,
     .offset = ROUTE(resolved),
     .fallback = "true",
     .help = "also tell the end"},
    {.key = "proceed",
     .type = NJ_CONFIG_BOOL,
     .offset = ROUTE(proceed),
     .fallback = "false",
     .help = "go on with the next route after a match"},
    END};

static const struct nj_config_field notify_fields[] = {
    {.key = "language",
     .type = NJ_CONFIG_ENUM,
     .offset = AT(notify.language) - AT(notify),
     .fallback = "zh",
     .choices = languages,
     .help = "of messages: zh (Chinese) or en (English)"},
    {.key = "public_url",
     .type = NJ_CONFIG_STRING,
     .offset = AT(notify.public_url) - AT(notify),
     .help = "where people reach the collector, for links in messages; empty for none"},
    {.key = "log_lines",
     .type = NJ_CONFIG_INT,
     .offset = AT(notify.log_lines) - AT(notify),
     .fallback = "10",
     .min = 0,
     .max = 200,
     .help = "last lines of the log in a message, as far as they fit"},
    {.key = "probe_wait",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(notify.probe_wait_ns) - AT(notify),
     .fallback = "2s",
     .min = 0,
     .max = 5 * NJ_MIN,
     .help = "failing checks wait so long for what fails with them; what is over by then is not told"},
    {.key = "channels",
     .type = NJ_CONFIG_LIST,
     .offset = AT(notify.channels) - AT(notify),
     .max = 100,
     .fields = channel_fields,
     .item_size = sizeof(struct nj_channel_config),
     .help = "ways to tell people"},
    {.key = "routes",
     .type = NJ_CONFIG_LIST,
     .offset = AT(notify.routes) - AT(notify),
     .max = 1000,
     .fields = route_fields,
     .item_size = sizeof(struct nj_route_config),
     .help = "who is told what; the first that matches decides, unless it proceeds"},
    END};

static const struct nj_config_field api_fields[] = {
    {.key = "listen",
     .type = NJ_CONFIG_STRING,
     .offset = AT(api.listen) - AT(api),
     .fallback = "127.0.0.1:8645",
     .help = "address of the REST API, metrics and health; \":8645\" for all addresses, which needs a token"},
    {.key = "read_token_file",
     .type = NJ_CONFIG_STRING,
     .offset = AT(api.read_token_file) - AT(api),
     .help = "file with the bearer token that allows reading"},
    {.key = "write_token_file",
     .type = NJ_CONFIG_STRING,
     .offset = AT(api.write_token_file) - AT(api),
     .help = "file with the bearer token that allows everything"},
    {.key = "max_connections",
     .type = NJ_CONFIG_INT,
     .offset = AT(api.max_connections) - AT(api),
     .fallback = "256",
     .min = 1,
     .max = 10000,
     .help = "connections at once; more are refused"},
    {.key = "max_streams",
     .type = NJ_CONFIG_INT,
     .offset = AT(api.max_streams) - AT(api),
     .fallback = "64",
     .min = 0,
     .max = 10000,
     .help = "server-sent-event streams at once; more are refused"},
    {.key = "max_body_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(api.max_body_bytes) - AT(api),
     .fallback = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "size of a request's body at most"},
    END};

const struct nj_config_field nj_collector_config_table[] = {
    {.key = "cluster",
     .type = NJ_CONFIG_STRING,
     .offset = AT(cluster),
     .fallback = "default",
     .help = "name of the cluster the collector itself watches, the first part of every full name"},
    {.key = "log",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(log),
     .fields = log_fields,
     .help = "the collector's own log, on stderr"},
    {.key = "kubernetes",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(kubernetes),
     .fields = kubernetes_fields,
     .help = "the collector's own watches"},
    {.key = "ingest",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(ingest),
     .fields = ingest_fields,
     .help = "what the agents send"},
    {.key = "store",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(store),
     .fields = store_fields,
     .help = "where everything is kept, and for how long"},
    {.key = "probes",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(probes),
     .fields = probes_fields,
     .help = "checks of Services, Ingresses, URLs and the cluster's own components"},
    {.key = "incident",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(incident),
     .fields = incident_fields,
     .help = "how events become incidents"},
    {.key = "notify",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(notify),
     .fields = notify_fields,
     .help = "who is told, and how"},
    {.key = "api",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(api),
     .fields = api_fields,
     .help = "REST API, metrics and health"},
    END};

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
    if (channel->type == NJ_CHANNEL_WECOM_APP) {
        int rc = check_wecom_app(i, channel, err);
        if (rc < 0)
            return rc;
    } else if (empty(channel->url_file)) {
        return nj_err_set(err, -EINVAL, "notify.channels[%zu]: a %s needs url_file", i,
                          channel_types[channel->type]);
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

static int check_route(const struct nj_collector_config *config, size_t i, struct nj_err *err)
{
    const struct nj_route_config *route = (const struct nj_route_config *)config->notify.routes.items + i;
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
    enum nj_severity severity;
    if (!empty(route->severity) && nj_severity_parse(route->severity, &severity) < 0)
        return nj_err_set(err, -EINVAL,
                          "notify.routes[%zu]: severity \"%s\" is not info, warning or critical", i,
                          route->severity);
    return 0;
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
    if (check_probes(config, err) < 0)
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
    if (empty(config->api.read_token_file) && empty(config->api.write_token_file) &&
        !listens_on_loopback(config->api.listen))
        return nj_err_set(err, -EINVAL,
                          "api.listen: without api.read_token_file or api.write_token_file it may listen on "
                          "loopback only, such as 127.0.0.1:8645, not on \"%s\"",
                          config->api.listen);
    return 0;
}
