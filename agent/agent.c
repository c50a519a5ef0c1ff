/*
 * The whole agent, and who tells whom:
 *
 *   API server -> pods -> detector -> capture (owners, log files) -> outbox -> uplink -> collector
 *                     |-> probes ------^ ^                                      '-> plan -> probes
 *                     '-> inspect -------'
 *   /proc, cgroups, kernel ---^
 */
#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/agent_internal.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/trim.h"

enum {
    HTTP_CONNECTIONS_MAX = 16, /* to the API server */
    WORKER_QUEUE_MAX = 1024,
    TRIM_FIRST_S = 5, /* when the start is over */
    TRIM_EVERY_MIN = 10,
};

static void find_node(struct nj_agent *agent)
{
    const char *name = agent->config->node;
    if (*name == '\0')
        name = nj_str(getenv("NODE_NAME"));
    (void)snprintf(agent->node, sizeof(agent->node), "%s", name);
    if (*agent->node == '\0' && gethostname(agent->node, sizeof(agent->node) - 1) < 0)
        (void)snprintf(agent->node, sizeof(agent->node), "localhost");
}

static void make_metrics(struct nj_agent *agent)
{
    agent->metrics = nj_metrics_new();
    nj_gauge_set(nj_metrics_gauge(agent->metrics, "nightjar_build_info",
                                  "version=\"" NJ_VERSION "\",program=\"agent\"", "What runs; always 1."),
                 1);
    nj_loop_measure(agent->loop, agent->metrics);
}

/* Most of what a start or a crash touches, half of it code, is of no use to an agent that idles. */
static void on_trim(struct nj_timer *timer)
{
    (void)timer;
    nj_memory_trim();
}

void nj_agent_trim_later(struct nj_agent *agent)
{
    nj_timer_start(&agent->trim, TRIM_FIRST_S * NJ_SEC, TRIM_EVERY_MIN * NJ_MIN);
}

static int open_outbox(struct nj_agent *agent, struct nj_err *err)
{
    const struct nj_agent_config *config = agent->config;
    struct nj_outbox_found found = {0};
    struct nj_outbox_options options = {
        .path = config->outbox.path,
        .max_bytes = (uint64_t)config->outbox.max_bytes,
        .max_events = (uint64_t)config->outbox.max_events,
        .clock = agent->loop->clock,
    };
    int rc = nj_keyring_load("collector.key_file", config->collector.key_file, &agent->keyring, err);
    if (rc < 0)
        return rc;
    rc = nj_outbox_open(&options, &agent->outbox, &found, err);
    if (rc < 0) {
        nj_err_wrap(err, "outbox.path");
        return rc;
    }
    if (found.damaged)
        nj_warn("outbox", "the file was damaged: it is now %s, and a new one begins",
                *found.moved_to == '\0' ? "gone" : found.moved_to);
    agent->worker = nj_worker_new(agent->loop, "nj-worker", WORKER_QUEUE_MAX);
    return agent->worker == NULL ? nj_err_set(err, -ENOMEM, "no memory for a thread") : 0;
}

static int load_record(void *data, const struct nj_outbox_record *record)
{
    struct nj_err err = {0};
    struct nj_agent *agent = data;
    if (nj_str_starts(record->key, nj_inspect_record_prefix))
        return 0;
    if (nj_detector_load_state(agent->detector, record, &err) < 0)
        nj_warn("crash", "a record of the outbox is not used: %s", err.text);
    return 0;
}

static int start_detection(struct nj_agent *agent, struct nj_err *err)
{
    const struct nj_agent_config *config = agent->config;
    agent->http = nj_http_new(agent->loop, HTTP_CONNECTIONS_MAX);
    if (agent->http == NULL)
        return nj_err_set(err, -ENOMEM, "no memory to set up libcurl");
    int rc = nj_kube_client_new(agent->loop, agent->http, config->kubernetes.kubeconfig, &agent->client, err);
    if (rc < 0) {
        nj_err_wrap(err, "kubernetes");
        return rc;
    }
    struct nj_owners_options owners = {
        .loop = agent->loop, .client = agent->client, .metrics = agent->metrics, .node = agent->node};
    agent->owners = nj_owners_new(&owners);

    struct nj_detector_options detector = {
        .node = agent->node,
        .watched_since_ns = nj_outbox_created_ns(agent->outbox),
        .times = nj_agent_detector_times(config),
        .on_finding = nj_agent_on_finding,
        .data = agent,
    };
    agent->detector = nj_detector_new(&detector);
    rc = nj_outbox_load(agent->outbox, load_record, agent, err);
    if (rc < 0)
        return rc;

    struct nj_capture_options capture = {
        .loop = agent->loop,
        .worker = agent->worker,
        .outbox = agent->outbox,
        .owners = agent->owners,
        .client = agent->client,
        .metrics = agent->metrics,
        .log_dir = config->crash.log_dir,
        .max_files = (size_t)config->crash.max_pending,
        .limits = nj_agent_log_limits(config),
        .on_workload = nj_agent_on_workload,
        .on_stored = nj_agent_on_stored,
        .on_broken = nj_agent_on_broken,
        .data = agent,
    };
    rc = nj_agent_redactor(config, &capture.redactor, err);
    if (rc == 0)
        agent->capture = nj_capture_new(&capture);
    return rc;
}

static int start_probes(struct nj_agent *agent, struct nj_err *err)
{
    const struct nj_agent_config *config = agent->config;
    if (!config->probes.enabled)
        return 0;
    int rc = nj_agent_redactor(config, &agent->redactor, err);
    if (rc < 0)
        return rc;
    struct nj_node_probes_options probes = {
        .loop = agent->loop,
        .client = agent->client,
        .owners = agent->owners,
        .metrics = agent->metrics,
        .redactor = agent->redactor,
        .node = agent->node,
        .max_checks = (size_t)config->probes.max_checks,
        .max_concurrent = (size_t)config->probes.max_concurrent,
        .max_response_bytes = (size_t)config->probes.max_response_bytes,
        .max_starts_per_s = config->probes.max_starts_per_s,
        .builtin = config->probes.builtin,
        .on_event = nj_agent_on_probe_event,
        .on_interest = nj_agent_on_probe_interest,
        .data = agent,
    };
    return nj_node_probes_new(&probes, &agent->probes, err);
}

static int restore_trouble(void *data, const struct nj_outbox_record *record)
{
    const struct nj_inspect_record kept = {.key = record->key, .value = record->value, .len = record->len};
    if (nj_str_starts(record->key, nj_inspect_record_prefix))
        nj_inspect_restore(((struct nj_agent *)data)->inspect, &kept);
    return 0;
}

/* A node that cannot be inspected is still watched. */
static int start_inspect(struct nj_agent *agent, struct nj_err *err)
{
    struct nj_err why = {0};
    const struct nj_agent_config *config = agent->config;
    (void)err;
    const struct nj_inspect_options inspect = {
        .loop = agent->loop,
        .owners = agent->owners,
        .metrics = agent->metrics,
        .node = agent->node,
        .proc = config->inspect.proc,
        .cgroup = config->inspect.cgroup,
        .root = config->inspect.root,
        .kernel_log = config->inspect.kernel_log,
        .interval_ns = config->inspect.interval_ns,
        .leak_after_ns = config->inspect.leak_after_ns,
        .max_processes = (size_t)config->inspect.max_processes,
        .max_containers = (size_t)config->inspect.max_containers,
        .sockets_rest = config->inspect.sockets_rest,
        .exits = config->inspect.exits,
        .on_event = nj_agent_on_inspect_event,
        .on_trouble = nj_agent_on_trouble,
        .on_container_exit = nj_agent_on_container_exit,
        .data = agent,
    };
    if (config->inspect.enabled && nj_inspect_start(&inspect, &agent->inspect, &why) < 0)
        nj_warn("inspect", "the node is not inspected: %s", why.text);
    if (agent->inspect != NULL && nj_outbox_load(agent->outbox, restore_trouble, agent, &why) < 0)
        nj_warn("inspect", "troubles that were told before are not followed on: %s", why.text);
    return 0;
}

static int start_uplink(struct nj_agent *agent, struct nj_err *err)
{
    const struct nj_agent_config *config = agent->config;
    struct nj_uplink_options uplink = {
        .url = config->collector.url,
        .cluster = config->cluster,
        .node = agent->node,
        .worker = agent->worker,
        .outbox = agent->outbox,
        .keyring = agent->keyring,
        .metrics = agent->metrics,
        .heartbeat_ns = config->collector.heartbeat_ns,
        .reply_timeout_ns = config->collector.reply_timeout_ns,
        .reconnect_min_ns = config->collector.reconnect_min_ns,
        .reconnect_max_ns = config->collector.reconnect_max_ns,
        .batch_events = (size_t)config->collector.batch_events,
        .batch_bytes = (size_t)config->collector.batch_bytes,
        .status = nj_agent_fill_status,
        .interest = nj_agent_fill_interest,
        .on_plan = nj_agent_on_plan,
        .data = agent,
    };
    return nj_uplink_start(agent->loop, &uplink, &agent->uplink, err);
}

static int start_pods(struct nj_agent *agent, struct nj_err *err)
{
    struct nj_pods_options pods = {
        .loop = agent->loop,
        .client = agent->client,
        .detector = agent->detector,
        .metrics = agent->metrics,
        .node = agent->node,
        .on_object = nj_agent_on_pod,
        .on_synced = nj_agent_on_pods_synced,
        .data = agent,
    };
    return nj_pods_start(&pods, &agent->pods, err);
}

static int start_server(struct nj_agent *agent, struct nj_err *err)
{
    struct nj_agent_http_options server = {
        .loop = agent->loop,
        .metrics = agent->metrics,
        .listen = agent->config->http.listen,
        .max_connections = (int)agent->config->http.max_connections,
        .ready = nj_agent_is_ready,
        .expose = nj_agent_expose,
        .data = agent,
    };
    return nj_agent_http_start(&server, &agent->server, err);
}

static int (*const start_order[])(struct nj_agent *agent, struct nj_err *err) = {
    open_outbox, start_detection, start_probes, start_inspect, start_uplink, start_pods, start_server,
};

static void on_start_undone(void *data)
{
    nj_loop_stop(data);
}

int nj_agent_start(struct nj_loop *loop, const struct nj_agent_config *config, struct nj_agent **ret_agent,
                   struct nj_err *err)
{
    struct nj_agent *agent = NJ_NEW(struct nj_agent);
    agent->loop = loop;
    agent->config = config;
    agent->started_ns = nj_loop_wall_ns(loop);
    find_node(agent);
    make_metrics(agent);
    nj_timer_init(&agent->trim, loop, on_trim, agent);
    nj_agent_trim_later(agent);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(start_order) / sizeof(start_order[0]); i++)
        rc = start_order[i](agent, err);
    if (rc < 0) {
        nj_agent_stop(agent, on_start_undone, loop);
        nj_loop_run(loop);
        return rc;
    }
    nj_info("main",
            "nightjar-agent " NJ_VERSION
            " on node %s of cluster %s: API server %s, collector %s, HTTP on %s (port %d)",
            agent->node, config->cluster, nj_kube_client_server(agent->client), config->collector.url,
            config->http.listen, nj_agent_http_port(agent->server));
    *ret_agent = agent;
    return 0;
}
