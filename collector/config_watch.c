/* Settings of what the collector itself watches and checks: namespaces and pods, services, nodes. */
#include "collector/config_table.h"

#include "common/base/clock.h"

const struct nj_config_field nj_kubernetes_settings[] = {
    {.key = "enabled",
     .type = NJ_CONFIG_BOOL,
     .offset = NJ_SETTING_OF(kubernetes, enabled),
     .fallback = "true",
     .help = "watch this cluster's unscheduled pods and its namespaces"},
    {.key = "kubeconfig",
     .type = NJ_CONFIG_STRING,
     .offset = NJ_SETTING_OF(kubernetes, kubeconfig),
     .help = "kubeconfig file; empty inside a cluster"},
    {.key = "unschedulable_after",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(kubernetes, unschedulable_after_ns),
     .fallback = "30s",
     .min = 0,
     .max = NJ_DAY,
     .help = "a pod that no node takes for so long is told"},
    {.key = "project_key",
     .type = NJ_CONFIG_STRING,
     .offset = NJ_SETTING_OF(kubernetes, project_key),
     .fallback = "field.cattle.io/projectId",
     .help =
         "label or annotation of a namespace that names its project; of \"c-abc:p-xyz\" the part after the "
         "colon counts; empty for no projects"},
    NJ_SETTINGS_END};

const struct nj_config_field nj_probes_settings[] = {
    {.key = "derive",
     .type = NJ_CONFIG_BOOL,
     .offset = NJ_SETTING_OF(probes, derive),
     .fallback = "true",
     .help =
         "check every Service that no ApiMonitor checks, by its pods' own probes or a TCP connection, and "
         "the metrics page of pods with prometheus.io/scrape; a namespace or Service opts out with the "
         "annotation nightjar.dev/probe: \"off\""},
    {.key = "builtin",
     .type = NJ_CONFIG_BOOL,
     .offset = NJ_SETTING_OF(probes, builtin),
     .fallback = "true",
     .help = "check the API server, its certificate, and the scheduler, controller manager and etcd where a "
             "Service of kube-system makes them reachable"},
    {.key = "allowed_hosts",
     .type = NJ_CONFIG_STRING_LIST,
     .offset = NJ_SETTING_OF(probes, allowed_hosts),
     .max = 1000,
     .help =
         "hosts that a monitor's URL may go to: api.example.com, *.example.com, 10.1.2.3, 10.1.0.0/16, each "
         "with :port to allow one port only; without any a monitor reaches its own namespace only"},
    {.key = "cluster_domain",
     .type = NJ_CONFIG_STRING,
     .offset = NJ_SETTING_OF(probes, cluster_domain),
     .fallback = "cluster.local",
     .help = "of the cluster's DNS; a Service is asked as NAME.NAMESPACE.svc.cluster.local"},
    {.key = "max_checks",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(probes, max_checks),
     .fallback = "20000",
     .min = 1,
     .max = 1000000,
     .help = "targets that the collector itself checks (Services, Ingresses, URLs); further ones are not "
             "checked, and counted"},
    {.key = "max_concurrent",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(probes, max_concurrent),
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .help = "checks of the collector that run at once; more wait their turn"},
    {.key = "max_response_bytes",
     .type = NJ_CONFIG_SIZE,
     .offset = NJ_SETTING_OF(probes, max_response_bytes),
     .fallback = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "of an answer's body that are read at most"},
    {.key = "max_objects",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(probes, max_objects),
     .fallback = "200000",
     .min = 100,
     .max = 10000000,
     .help =
         "Services, EndpointSlices, Ingresses and ApiMonitors followed, together; further ones are counted"},
    {.key = "target_silent_after",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(probes, target_silent_after_ns),
     .fallback = "15m",
     .min = 10 * NJ_MIN, /* rare checks are heard of every 5 minutes */
     .max = NJ_DAY,
     .help = "a target of which nothing was heard for so long is taken for gone"},
    NJ_SETTINGS_END};

const struct nj_config_field nj_nodes_settings[] = {
    {.key = "max",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(nodes, max),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .help = "nodes followed; further ones are left out, and counted"},
    {.key = "not_ready_after",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(nodes, not_ready_after_ns),
     .fallback = "10m",
     .min = 0,
     .max = NJ_DAY,
     .help = "a new node has so long to become ready and get its network before it is told"},
    NJ_SETTINGS_END};

const struct nj_config_field nj_capacity_settings[] = {
    {.key = "interval",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(capacity, interval_ns),
     .fallback = "1m",
     .min = 10 * NJ_SEC,
     .max = 5 * NJ_MIN, /* what lasts is to be heard of as often */
     .help = "time between two forecasts of what losing each node would do"},
    {.key = "silent_after",
     .type = NJ_CONFIG_DURATION,
     .offset = NJ_SETTING_OF(capacity, silent_after_ns),
     .fallback = "5m",
     .min = 2 * NJ_MIN, /* figures come once a minute */
     .max = NJ_HOUR,
     .help = "a node of which no figures came for so long is left out of sums and forecasts"},
    {.key = "max_pods",
     .type = NJ_CONFIG_INT,
     .offset = NJ_SETTING_OF(capacity, max_pods),
     .fallback = "200000",
     .min = 100,
     .max = 10000000,
     .help = "pods of all nodes whose requests and use are kept in memory, some 900 bytes each; further ones "
             "are left out, and counted"},
    NJ_SETTINGS_END};
