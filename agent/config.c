#include "agent/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/redact.h"
#include "common/base/str.h"

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"json", "text", NULL};

#define AT(member) offsetof(struct nj_agent_config, member)
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
    {.key = "kubeconfig",
     .type = NJ_CONFIG_STRING,
     .offset = AT(kubernetes.kubeconfig) - AT(kubernetes),
     .help = "kubeconfig file; empty inside a cluster"},
    END};

static const struct nj_config_field collector_fields[] = {
    {.key = "url",
     .type = NJ_CONFIG_STRING,
     .offset = AT(collector.url) - AT(collector),
     .fallback = "tcp://nightjar-collector:7645",
     .help = "where the collector listens for agents"},
    {.key = "key_file",
     .type = NJ_CONFIG_STRING,
     .offset = AT(collector.key_file) - AT(collector),
     .fallback = "/etc/nightjar/key/key",
     .help = "file with the shared key: 64 hex digits; a second line is accepted too"},
    {.key = "heartbeat",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(collector.heartbeat_ns) - AT(collector),
     .fallback = "10s",
     .min = NJ_SEC,
     .max = 10 * NJ_MIN,
     .help = "an empty batch is sent after so long without another"},
    {.key = "reply_timeout",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(collector.reply_timeout_ns) - AT(collector),
     .fallback = "10s",
     .min = 100 * NJ_MS,
     .max = 10 * NJ_MIN,
     .help = "without an acknowledgement for so long the connection is made anew"},
    {.key = "reconnect_min",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(collector.reconnect_min_ns) - AT(collector),
     .fallback = "200ms",
     .min = 10 * NJ_MS,
     .max = NJ_MIN,
     .help = "first pause before a new connection"},
    {.key = "reconnect_max",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(collector.reconnect_max_ns) - AT(collector),
     .fallback = "15s",
     .min = 10 * NJ_MS,
     .max = 10 * NJ_MIN,
     .help = "longest pause before a new connection"},
    {.key = "batch_events",
     .type = NJ_CONFIG_INT,
     .offset = AT(collector.batch_events) - AT(collector),
     .fallback = "500",
     .min = 1,
     .max = 4096,
     .help = "events in one batch at most"},
    {.key = "batch_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(collector.batch_bytes) - AT(collector),
     .fallback = "512KiB",
     .min = 4096,
     .max = 4 << 20,
     .help = "size of one batch before compression at most"},
    END};

static const struct nj_config_field outbox_fields[] = {
    {.key = "path",
     .type = NJ_CONFIG_STRING,
     .offset = AT(outbox.path) - AT(outbox),
     .fallback = "/var/lib/nightjar/outbox.db",
     .help = "SQLite database of what the collector has not acknowledged yet"},
    {.key = "max_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(outbox.max_bytes) - AT(outbox),
     .fallback = "64MiB",
     .min = 1 << 20,
     .max = INT64_C(64) << 30,
     .help = "beyond, the least valuable events are dropped and counted"},
    {.key = "max_events",
     .type = NJ_CONFIG_INT,
     .offset = AT(outbox.max_events) - AT(outbox),
     .fallback = "100000",
     .min = 100,
     .max = 100000000,
     .help = "likewise, by number"},
    END};

static const struct nj_config_field crash_fields[] = {
    {.key = "log_dir",
     .type = NJ_CONFIG_STRING,
     .offset = AT(crash.log_dir) - AT(crash),
     .fallback = "/var/log/pods",
     .help = "where the kubelet keeps the pods' logs"},
    {.key = "log_lines",
     .type = NJ_CONFIG_INT,
     .offset = AT(crash.log_lines) - AT(crash),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "last lines of a crashed container's log that are kept at most"},
    {.key = "log_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(crash.log_bytes) - AT(crash),
     .fallback = "256KiB",
     .min = 1024,
     .max = 2 << 20,
     .help = "size of them at most"},
    {.key = "max_pending",
     .type = NJ_CONFIG_INT,
     .offset = AT(crash.max_pending) - AT(crash),
     .fallback = "64",
     .min = 1,
     .max = 10000,
     .help = "crashes whose log files are held open at once; more wait their turn"},
    {.key = "redact_defaults",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(crash.redact_defaults) - AT(crash),
     .fallback = "true",
     .help = "hide bearer tokens, passwords, private keys and cloud keys in logs and messages"},
    {.key = "redact",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = AT(crash.redact) - AT(crash),
     .max = 100,
     .help = "more patterns to hide (PCRE2); with a group (?<secret>...) only that group is hidden"},
    {.key = "stable_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(crash.stable_after_ns) - AT(crash),
     .fallback = "5m",
     .min = NJ_SEC,
     .max = NJ_DAY,
     .help = "a container that stays up for so long after a crash is well again"},
    END};

static const struct nj_config_field stuck_fields[] = {
    {.key = "image",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(stuck.image_ns) - AT(stuck),
     .fallback = "30s",
     .min = 0,
     .max = NJ_DAY,
     .help = "an image that cannot be pulled for so long is told"},
    {.key = "config",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(stuck.config_ns) - AT(stuck),
     .fallback = "30s",
     .min = 0,
     .max = NJ_DAY,
     .help = "a container whose configuration is in error for so long is told"},
    {.key = "start",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(stuck.start_ns) - AT(stuck),
     .fallback = "30s",
     .min = 0,
     .max = NJ_DAY,
     .help = "a container that the runtime cannot start for so long is told"},
    {.key = "other",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(stuck.other_ns) - AT(stuck),
     .fallback = "10m",
     .min = NJ_SEC,
     .max = NJ_DAY,
     .help = "a container that waits for any other reason (volumes, network) for so long is told"},
    END};

static const struct nj_config_field probes_fields[] = {
    {.key = "enabled",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(probes.enabled) - AT(probes),
     .fallback = "true",
     .help = "probe the node's pods as the collector's plan says"},
    {.key = "builtin",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(probes.builtin) - AT(probes),
     .fallback = "true",
     .help = "probe the node's kubelet, kube-proxy and control plane, and the cluster's DNS from here"},
    {.key = "max_checks",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_checks) - AT(probes),
     .fallback = "5000",
     .min = 1,
     .max = 100000,
     .help = "checks at most; more are not made, and counted"},
    {.key = "max_concurrent",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_concurrent) - AT(probes),
     .fallback = "256",
     .min = 1,
     .max = 10000,
     .help = "checks that run at once at most; more wait their turn"},
    {.key = "max_starts_per_s",
     .type = NJ_CONFIG_INT,
     .offset = AT(probes.max_starts_per_s) - AT(probes),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "checks that begin within a second at most"},
    {.key = "max_response_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = AT(probes.max_response_bytes) - AT(probes),
     .fallback = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "of an answer at most; what is larger fails its check"},
    END};

static const struct nj_config_field inspect_fields[] = {
    {.key = "enabled",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(inspect.enabled) - AT(inspect),
     .fallback = "true",
     .help = "inspect the node and its containers: processes, file descriptors, sockets, CPU, memory, leaks"},
    {.key = "interval",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(inspect.interval_ns) - AT(inspect),
     .fallback = "10s",
     .min = 100 * NJ_MS,
     .max = 10 * NJ_MIN,
     .help = "from one scan of all processes and containers to the next"},
    {.key = "max_processes",
     .type = NJ_CONFIG_INT,
     .offset = AT(inspect.max_processes) - AT(inspect),
     .fallback = "32768",
     .min = 100,
     .max = 1 << 22,
     .help = "processes that are looked at; more are left out, and counted"},
    {.key = "max_containers",
     .type = NJ_CONFIG_INT,
     .offset = AT(inspect.max_containers) - AT(inspect),
     .fallback = "1024",
     .min = 1,
     .max = 16384,
     .help = "containers that are looked at and shown in /metrics; more are left out, and counted"},
    {.key = "sockets_rest",
     .type = NJ_CONFIG_INT,
     .offset = AT(inspect.sockets_rest) - AT(inspect),
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .help = "after sockets were counted, times as long as that took: 1000 is a thousandth of a core"},
    {.key = "leak_after",
     .type = NJ_CONFIG_DURATION,
     .offset = AT(inspect.leak_after_ns) - AT(inspect),
     .fallback = "1h",
     .min = NJ_SEC,
     .max = 7 * NJ_DAY,
     .help = "what has risen for so long without an end is told as a leak; sooner when its limit is near"},
    {.key = "exits",
     .type = NJ_CONFIG_BOOL,
     .offset = AT(inspect.exits) - AT(inspect),
     .fallback = "true",
     .help = "hear of a container's end from the kernel, before the kubelet says so, where that is possible: "
             "in the node's own network (deploy/manifests/host-network)"},
    {.key = "proc",
     .type = NJ_CONFIG_STRING,
     .offset = AT(inspect.proc) - AT(inspect),
     .fallback = "/proc",
     .help = "the node's /proc; with hostPID it is the agent's own"},
    {.key = "cgroup",
     .type = NJ_CONFIG_STRING,
     .offset = AT(inspect.cgroup) - AT(inspect),
     .fallback = "/sys/fs/cgroup",
     .help = "the node's /sys/fs/cgroup"},
    {.key = "root",
     .type = NJ_CONFIG_STRING,
     .offset = AT(inspect.root) - AT(inspect),
     .fallback = "/proc/1/root",
     .help = "where the node's file systems are seen, to tell how full they are; needs CAP_SYS_PTRACE"},
    {.key = "kernel_log",
     .type = NJ_CONFIG_STRING,
     .offset = AT(inspect.kernel_log) - AT(inspect),
     .fallback = "/dev/kmsg",
     .help = "names the process that was killed for want of memory, where it can be read; empty for none"},
    END};

static const struct nj_config_field http_fields[] = {
    {.key = "listen",
     .type = NJ_CONFIG_STRING,
     .offset = AT(http.listen) - AT(http),
     .fallback = "127.0.0.1:9645",
     .help = "address for /metrics, /livez and /readyz; \":9645\" for all addresses"},
    {.key = "max_connections",
     .type = NJ_CONFIG_INT,
     .offset = AT(http.max_connections) - AT(http),
     .fallback = "32",
     .min = 1,
     .max = 10000,
     .help = "connections at once; more are refused"},
    END};

const struct nj_config_field nj_agent_config_table[] = {
    {.key = "cluster",
     .type = NJ_CONFIG_STRING,
     .offset = AT(cluster),
     .fallback = "default",
     .help = "name of the cluster, the first part of every full name"},
    {.key = "node",
     .type = NJ_CONFIG_STRING,
     .offset = AT(node),
     .help = "name of the node to watch; empty for $NODE_NAME, else the host's name"},
    {.key = "log",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(log),
     .fields = log_fields,
     .help = "the agent's own log, on stderr"},
    {.key = "kubernetes",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(kubernetes),
     .fields = kubernetes_fields,
     .help = "the API server"},
    {.key = "collector",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(collector),
     .fields = collector_fields,
     .help = "where events go"},
    {.key = "outbox",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(outbox),
     .fields = outbox_fields,
     .help = "what survives a restart or a collector that is away"},
    {.key = "crash",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(crash),
     .fields = crash_fields,
     .help = "crashes and their last words"},
    {.key = "stuck",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(stuck),
     .fields = stuck_fields,
     .help = "containers that do not start"},
    {.key = "probes",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(probes),
     .fields = probes_fields,
     .help = "checks of the node's pods"},
    {.key = "inspect",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(inspect),
     .fields = inspect_fields,
     .help = "what the node's processes and containers use, and what leaks"},
    {.key = "http",
     .type = NJ_CONFIG_SECTION,
     .offset = AT(http),
     .fields = http_fields,
     .help = "metrics and health"},
    END};

int nj_agent_config_check(const struct nj_agent_config *config, struct nj_err *err)
{
    struct nj_redactor *redactor = NULL;
    int rc = nj_redactor_new(config->crash.redact_defaults, config->crash.redact.items,
                             config->crash.redact.count, &redactor, err);
    if (rc < 0)
        return nj_err_wrap(err, "crash.redact");
    nj_redactor_free(redactor);
    if (config->collector.reconnect_min_ns > config->collector.reconnect_max_ns)
        return nj_err_set(err, -EINVAL, "collector.reconnect_min is longer than collector.reconnect_max");
    if (config->cluster[0] == '\0')
        return nj_err_set(err, -EINVAL, "cluster: a name is needed");
    return 0;
}

/* The settings that nj_agent_reload() puts into force; a section stands for all in it. */
static const char *const live_settings[] = {
    "log.", "stuck.", "crash.log_lines", "crash.log_bytes", "crash.redact", "crash.stable_after"};

static bool is_live(const char *key)
{
    for (size_t i = 0; i < sizeof(live_settings) / sizeof(live_settings[0]); i++) {
        if (nj_str_starts(key, live_settings[i]))
            return true;
    }
    return false;
}

static bool lists_equal(const struct nj_config_strings *a, const struct nj_config_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool values_equal(const struct nj_config_field *field, const char *a, const char *b)
{
    switch (field->type) {
    case NJ_CONFIG_STRING:
        return strcmp(*(char *const *)(const void *)a, *(char *const *)(const void *)b) == 0;
    case NJ_CONFIG_INT:
    case NJ_CONFIG_DURATION:
    case NJ_CONFIG_SIZE:
        return *(const int64_t *)(const void *)a == *(const int64_t *)(const void *)b;
    case NJ_CONFIG_BOOL:
        return *(const bool *)(const void *)a == *(const bool *)(const void *)b;
    case NJ_CONFIG_ENUM:
        return *(const int *)(const void *)a == *(const int *)(const void *)b;
    case NJ_CONFIG_STRING_LIST:
    case NJ_CONFIG_MAP:
        return lists_equal((const struct nj_config_strings *)(const void *)a,
                           (const struct nj_config_strings *)(const void *)b);
    case NJ_CONFIG_SECTION:
    case NJ_CONFIG_LIST: /* the agent has none */
        break;
    }
    return true;
}

void nj_agent_config_compare(const struct nj_agent_config *before, const struct nj_agent_config *after,
                             void (*each)(void *data, const char *key, bool live), void *data)
{
    static const struct nj_config_field end[] = {END};
    for (const struct nj_config_field *top = nj_agent_config_table; top->key != NULL; top++) {
        bool is_section = top->type == NJ_CONFIG_SECTION;
        const char *a = (const char *)before + top->offset;
        const char *b = (const char *)after + top->offset;
        if (!is_section && !values_equal(top, a, b))
            each(data, top->key, is_live(top->key));
        for (const struct nj_config_field *field = is_section ? top->fields : end; field->key != NULL;
             field++) {
            char key[128];
            (void)snprintf(key, sizeof(key), "%s.%s", top->key, field->key);
            if (!values_equal(field, a + field->offset, b + field->offset))
                each(data, key, is_live(key));
        }
    }
}
