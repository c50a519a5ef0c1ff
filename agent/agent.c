#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/crash/capture.h"
#include "agent/crash/detect.h"
#include "agent/http.h"
#include "agent/inspect/inspect.h"
#include "agent/outbox/outbox.h"
#include "agent/pods/owners.h"
#include "agent/pods/pods.h"
#include "agent/probes/probes.h"
#include "agent/uplink/uplink.h"
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/trim.h"

enum {
    HTTP_CONNECTIONS_MAX = 16, /* to the API server */
    WORKER_QUEUE_MAX = 1024,
    NODE_NAME_MAX = 256,
    DRAIN_S = 3,            /* each of storing and sending, when it ends */
    SILENCE_MIN = 2,        /* without an acknowledgement for so long it is not ready, */
    SILENCE_HEARTBEATS = 3, /* or for so many heartbeats, if that is longer */
    TRIM_FIRST_S = 5,       /* when the start is over */
    TRIM_EVERY_MIN = 10,
};

/*
 *   API server -> pods -> detector -> capture (owners, log files) -> outbox -> uplink -> collector
 *                     |-> probes ------^ ^                                      '-> plan -> probes
 *                     '-> inspect -------'
 *   /proc, cgroups, kernel ---^
 */
struct nj_agent {
    struct nj_loop *loop;
    const struct nj_agent_config *config; /* that it was started with */
    const struct nj_agent_config *live;   /* the newest: its live settings are in force */
    char node[NODE_NAME_MAX];
    int64_t started_ns;
    struct nj_metrics *metrics;
    struct nj_keyring *keyring;
    struct nj_outbox *outbox;
    struct nj_worker *worker;
    struct nj_http *http;
    struct nj_kube_client *client;
    struct nj_owners *owners;
    struct nj_detector *detector;
    struct nj_capture *capture;
    struct nj_redactor *redactor;  /* of the probes */
    struct nj_node_probes *probes; /* NULL: switched off */
    struct nj_inspect *inspect;    /* NULL: switched off, or not to be had here */
    struct nj_uplink *uplink;
    struct nj_pods *pods;
    struct nj_agent_http *server;
    struct nj_timer trim;
    int step; /* of stopping */
    void (*on_stopped)(void *data);
    void *on_stopped_data;
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

static struct nj_detector_times times_of(const struct nj_agent_config *config)
{
    return (struct nj_detector_times){
        .image_ns = config->stuck.image_ns,
        .config_ns = config->stuck.config_ns,
        .start_ns = config->stuck.start_ns,
        .other_ns = config->stuck.other_ns,
        .stable_after_ns = config->crash.stable_after_ns,
    };
}

static struct nj_log_limits limits_of(const struct nj_agent_config *config)
{
    return (struct nj_log_limits){
        .max_lines = (uint32_t)config->crash.log_lines,
        .max_bytes = (size_t)config->crash.log_bytes,
    };
}

static int make_redactor(const struct nj_agent_config *config, struct nj_redactor **ret_redactor,
                         struct nj_err *err)
{
    return nj_redactor_new(config->crash.redact_defaults, config->crash.redact.items,
                           config->crash.redact.count, ret_redactor, err);
}

static void on_finding(void *data, const struct nj_finding *finding)
{
    nj_capture_finding(((struct nj_agent *)data)->capture, finding);
}

/* Those by one key are stored in their order. */
static void store(struct nj_agent *agent, const struct nj_event *event, const char *key)
{
    const struct nj_finding finding = {
        .event = event,
        .pod_uid = key,
        .has_workload = true,
        .owner = {.api_version = "", .kind = "", .name = "", .uid = "", .template_hash = ""},
        .directory_uid = ""};
    nj_capture_finding(agent->capture, &finding);
}

static void on_probe_event(void *data, const struct nj_event *event)
{
    NJ_CLEANUP_FREE char *key = event->type == NJ_EVENT_CHECK
                                    ? nj_asprintf("%s|%s", event->check.key.monitor, event->check.key.target)
                                    : nj_strdup(event->id);
    store(data, event, key);
}

static void on_inspect_event(void *data, const struct nj_event *event)
{
    bool of_pod = event->subject.pod_uid[0] != '\0';
    const char *other = event->type == NJ_EVENT_USAGE ? event->id : "node";
    store(data, event, of_pod ? event->subject.pod_uid : other);
}

static void on_trouble(void *data, const struct nj_event *event, const struct nj_inspect_record *record)
{
    const char *uid = event == NULL ? "" : event->subject.pod_uid;
    const struct nj_finding finding = {
        .event = event,
        .pod_uid = uid[0] != '\0' ? uid : "node",
        .has_workload = true,
        .owner = {.api_version = "", .kind = "", .name = "", .uid = "", .template_hash = ""},
        .directory_uid = "",
        .record = {.key = record->key, .value = record->value, .len = record->len}};
    nj_capture_finding(((struct nj_agent *)data)->capture, &finding);
}

static void on_container_exit(void *data, const struct nj_inspect_exit *exit)
{
    struct nj_agent *agent = data;
    const struct nj_capture_end end = {.container_id = exit->container_id,
                                       .namespace = exit->namespace,
                                       .pod = exit->pod,
                                       .directory_uid = exit->directory_uid,
                                       .container = exit->container,
                                       .attempt = exit->restart_count,
                                       .exit_code = exit->exit_code};
    nj_capture_container_ended(agent->capture, &end);
}

static void on_probe_interest(void *data)
{
    struct nj_agent *agent = data;
    if (agent->uplink != NULL)
        nj_uplink_refresh(agent->uplink);
}

static void on_plan(void *data, const struct nj_plan *plan)
{
    struct nj_agent *agent = data;
    if (agent->probes == NULL)
        return;
    nj_node_probes_set_plan(agent->probes, plan);
    nj_timer_start(&agent->trim, TRIM_FIRST_S * NJ_SEC, TRIM_EVERY_MIN * NJ_MIN); /* of what that took */
}

static void fill_interest(void *data, struct nj_uplink_interest *ret_interest)
{
    struct nj_agent *agent = data;
    if (agent->probes == NULL)
        return;
    ret_interest->plan_version = nj_node_probes_plan_version(agent->probes);
    ret_interest->namespaces = nj_node_probes_namespaces(agent->probes, &ret_interest->namespaces_count);
}

static void on_pod(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object)
{
    struct nj_agent *agent = data;
    if (agent->probes != NULL)
        nj_node_probes_pod(agent->probes, type, object);
    if (agent->inspect != NULL)
        nj_inspect_pod(agent->inspect, type, object);
}

static void on_pods_synced(void *data)
{
    struct nj_agent *agent = data;
    if (agent->probes != NULL)
        nj_node_probes_synced(agent->probes);
    if (agent->inspect != NULL)
        nj_inspect_synced(agent->inspect);
}

static int expose(void *data, struct nj_buf *out)
{
    const struct nj_agent *agent = data;
    int rc = agent->inspect == NULL ? 0 : nj_inspect_expose(agent->inspect, out);
    if (rc == 0 && agent->probes != NULL)
        rc = nj_node_probes_expose(agent->probes, out);
    return rc;
}

static void on_workload(void *data, const char *pod_uid, const char *kind, const char *name)
{
    nj_detector_set_workload(((struct nj_agent *)data)->detector, pod_uid, kind, name);
}

static void on_stored(void *data)
{
    struct nj_agent *agent = data;
    if (agent->uplink != NULL)
        nj_uplink_kick(agent->uplink);
}

/* The kubelet starts it anew; opening moves the damaged file aside, and what is still to be seen is found
 * again. There is nothing to drain into. */
static void on_broken(void *data, const struct nj_err *err)
{
    (void)data;
    nj_error("outbox", "%s: ending, to begin a new one at the next start", err->text);
    _Exit(1);
}

static void fill_status(void *data, struct nj_agent_status *ret_status)
{
    struct nj_agent *agent = data;
    ret_status->version = NJ_VERSION;
    ret_status->started_ns = agent->started_ns;
    ret_status->lost_crashes = agent->capture == NULL ? 0 : nj_capture_lost_crashes(agent->capture);
    ret_status->pods = agent->pods == NULL ? 0 : (uint32_t)nj_pods_count(agent->pods);
    ret_status->watch_synced = agent->pods != NULL && nj_pods_synced(agent->pods);
}

static bool say(struct nj_buf *out, const char *part, bool ready, const char *why)
{
    (void)nj_buf_printf(out, ready ? "[+]%s ok\n" : "[-]%s failed: %s\n", part, nj_str(why));
    return ready;
}

static bool is_acknowledged(const struct nj_agent *agent)
{
    int64_t last_ns = nj_uplink_last_ack_ns(agent->uplink);
    int64_t patience_ns = SILENCE_HEARTBEATS * agent->config->collector.heartbeat_ns;
    if (patience_ns < SILENCE_MIN * NJ_MIN)
        patience_ns = SILENCE_MIN * NJ_MIN;
    return last_ns != 0 && nj_loop_mono_ns(agent->loop) - last_ns < patience_ns;
}

static bool is_ready(void *data, struct nj_buf *out)
{
    const struct nj_agent *agent = data;
    const char *kube = nj_pods_trouble(agent->pods);
    const char *store = nj_capture_trouble(agent->capture);
    bool ready = say(out, "watch", nj_pods_synced(agent->pods) && kube == NULL,
                     kube == NULL ? "the pods are not listed yet" : kube);
    ready &= say(out, "outbox", store == NULL, store);
    ready &= say(out, "collector", is_acknowledged(agent),
                 nj_uplink_last_ack_ns(agent->uplink) == 0 ? "it has not acknowledged anything yet"
                                                           : "it has not acknowledged anything lately");
    return ready;
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
        .times = times_of(config),
        .on_finding = on_finding,
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
        .limits = limits_of(config),
        .on_workload = on_workload,
        .on_stored = on_stored,
        .on_broken = on_broken,
        .data = agent,
    };
    rc = make_redactor(config, &capture.redactor, err);
    if (rc == 0)
        agent->capture = nj_capture_new(&capture);
    return rc;
}

static int start_probes(struct nj_agent *agent, struct nj_err *err)
{
    const struct nj_agent_config *config = agent->config;
    if (!config->probes.enabled)
        return 0;
    int rc = make_redactor(config, &agent->redactor, err);
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
        .on_event = on_probe_event,
        .on_interest = on_probe_interest,
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
static void start_inspect(struct nj_agent *agent)
{
    struct nj_err err = {0};
    const struct nj_agent_config *config = agent->config;
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
        .on_event = on_inspect_event,
        .on_trouble = on_trouble,
        .on_container_exit = on_container_exit,
        .data = agent,
    };
    if (config->inspect.enabled && nj_inspect_start(&inspect, &agent->inspect, &err) < 0)
        nj_warn("inspect", "the node is not inspected: %s", err.text);
    if (agent->inspect != NULL && nj_outbox_load(agent->outbox, restore_trouble, agent, &err) < 0)
        nj_warn("inspect", "troubles that were told before are not followed on: %s", err.text);
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
        .status = fill_status,
        .interest = fill_interest,
        .on_plan = on_plan,
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
        .on_object = on_pod,
        .on_synced = on_pods_synced,
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
        .ready = is_ready,
        .expose = expose,
        .data = agent,
    };
    return nj_agent_http_start(&server, &agent->server, err);
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

static void on_start_undone(void *data)
{
    nj_loop_stop(data);
}

int nj_agent_start(struct nj_loop *loop, const struct nj_agent_config *config, struct nj_agent **ret_agent,
                   struct nj_err *err)
{
    struct nj_agent *agent = NJ_NEW(struct nj_agent);
    agent->loop = loop;
    agent->config = agent->live = config;
    agent->started_ns = nj_loop_wall_ns(loop);
    find_node(agent);
    make_metrics(agent);
    nj_timer_init(&agent->trim, loop, on_trim, agent);
    nj_timer_start(&agent->trim, TRIM_FIRST_S * NJ_SEC, TRIM_EVERY_MIN * NJ_MIN);
    int rc = open_outbox(agent, err);
    if (rc == 0)
        rc = start_detection(agent, err);
    if (rc == 0)
        rc = start_probes(agent, err);
    if (rc == 0)
        start_inspect(agent);
    if (rc == 0)
        rc = start_uplink(agent, err);
    if (rc == 0)
        rc = start_pods(agent, err);
    if (rc == 0)
        rc = start_server(agent, err);
    if (rc < 0) {
        nj_agent_stop(agent, on_start_undone, loop);
        nj_loop_run(loop);
        return rc;
    }
    nj_info("main",
            "nightjar-agent " NJ_VERSION
            " on node %s of cluster %s: API server %s, collector %s, HTTP on port %d",
            agent->node, config->cluster, nj_kube_client_server(agent->client), config->collector.url,
            nj_agent_http_port(agent->server));
    *ret_agent = agent;
    return 0;
}

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

int nj_agent_reload(struct nj_agent *agent, const struct nj_agent_config *config, struct nj_err *err)
{
    struct nj_redactor *redactor = NULL;
    struct nj_redactor *for_probes = NULL;
    int rc = make_redactor(config, &redactor, err);
    if (rc == 0)
        rc = make_redactor(config, &for_probes, err);
    if (rc < 0) {
        nj_redactor_free(redactor);
        return rc;
    }
    if (agent->probes != NULL)
        nj_node_probes_set_redactor(agent->probes, for_probes);
    nj_redactor_free(agent->redactor);
    agent->redactor = for_probes;
    struct nj_log_limits limits = limits_of(config);
    struct nj_detector_times times = times_of(config);
    nj_agent_config_compare(agent->config, config, say_restart, NULL);
    nj_agent_config_compare(agent->live, config, say_changed, NULL);
    nj_capture_set(agent->capture, &limits, redactor);
    nj_detector_set_times(agent->detector, &times);
    nj_pods_wake(agent->pods);
    agent->live = config;
    return 0;
}

static void finish_stop(struct nj_agent *agent)
{
    void (*on_stopped)(void *data) = agent->on_stopped;
    void *data = agent->on_stopped_data;
    nj_outbox_close(agent->outbox);
    nj_detector_free(agent->detector);
    nj_kube_client_free(agent->client);
    nj_keyring_free(agent->keyring);
    nj_redactor_free(agent->redactor);
    nj_loop_measure(agent->loop, NULL);
    nj_metrics_free(agent->metrics);
    free(agent);
    on_stopped(data);
}

/* One module after another along the way of an event, so that what was seen is stored, and what is stored is
 * sent. */
static void stop_next(void *data)
{
    struct nj_agent *agent = data;
    struct nj_pods *pods = agent->pods;
    struct nj_node_probes *probes = agent->probes;
    struct nj_inspect *inspect = agent->inspect;
    struct nj_capture *capture = agent->capture;
    struct nj_uplink *uplink = agent->uplink;
    switch (agent->step++) {
    case 0:
        nj_agent_http_close(agent->server, stop_next, agent);
        break;
    case 1:
        agent->pods = NULL; /* what closes at once may free the agent */
        nj_pods_close(pods, stop_next, agent);
        break;
    case 2:
        agent->probes = NULL;
        nj_node_probes_close(probes, stop_next, agent);
        break;
    case 3:
        agent->inspect = NULL;
        nj_inspect_close(inspect, stop_next, agent);
        break;
    case 4:
        agent->capture = NULL;
        nj_capture_close(capture, DRAIN_S * NJ_SEC, stop_next, agent);
        break;
    case 5:
        agent->uplink = NULL;
        nj_uplink_close(uplink, DRAIN_S * NJ_SEC, stop_next, agent);
        break;
    case 6:
        nj_owners_close(agent->owners, stop_next, agent);
        break;
    case 7:
        nj_http_close(agent->http, stop_next, agent);
        break;
    case 8:
        nj_worker_close(agent->worker, stop_next, agent);
        break;
    default:
        finish_stop(agent);
    }
}

void nj_agent_stop(struct nj_agent *agent, void (*on_stopped)(void *data), void *data)
{
    agent->on_stopped = on_stopped;
    agent->on_stopped_data = data;
    nj_timer_stop(&agent->trim);
    stop_next(agent);
}
