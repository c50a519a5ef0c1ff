/* One part after another along the way of an event, so that what was seen is stored, and what is stored is
 * sent. */
#include <stdlib.h>

#include "agent/agent_internal.h"

enum { DRAIN_S = 3 }; /* each of storing and sending */

static void stop_next(void *data);

/* What may be told or asked until it is closed is taken out of the agent first. */

static void close_server(struct nj_agent *agent)
{
    nj_agent_http_close(agent->server, stop_next, agent);
}

static void close_pods(struct nj_agent *agent)
{
    struct nj_pods *pods = agent->pods;
    agent->pods = NULL;
    nj_pods_close(pods, stop_next, agent);
}

static void close_probes(struct nj_agent *agent)
{
    struct nj_node_probes *probes = agent->probes;
    agent->probes = NULL;
    nj_node_probes_close(probes, stop_next, agent);
}

static void close_inspect(struct nj_agent *agent)
{
    struct nj_inspect *inspect = agent->inspect;
    agent->inspect = NULL;
    nj_inspect_close(inspect, stop_next, agent);
}

static void close_capture(struct nj_agent *agent)
{
    struct nj_capture *capture = agent->capture;
    agent->capture = NULL;
    nj_capture_close(capture, DRAIN_S * NJ_SEC, stop_next, agent);
}

static void close_uplink(struct nj_agent *agent)
{
    struct nj_uplink *uplink = agent->uplink;
    agent->uplink = NULL;
    nj_uplink_close(uplink, DRAIN_S * NJ_SEC, stop_next, agent);
}

static void close_owners(struct nj_agent *agent)
{
    nj_owners_close(agent->owners, stop_next, agent);
}

static void close_http(struct nj_agent *agent)
{
    nj_http_close(agent->http, stop_next, agent);
}

static void close_worker(struct nj_agent *agent)
{
    nj_worker_close(agent->worker, stop_next, agent);
}

static void finish(struct nj_agent *agent)
{
    void (*on_stopped)(void *data) = agent->on_stopped;
    void *data = agent->on_stopped_data;
    nj_timer_stop(&agent->trim); /* which a late plan may have started again */
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

/* Each but the last goes on with stop_next(), perhaps within its call. */
static void (*const stop_order[])(struct nj_agent *agent) = {
    close_server, close_pods,   close_probes, close_inspect, close_capture,
    close_uplink, close_owners, close_http,   close_worker,  finish,
};

static void stop_next(void *data)
{
    struct nj_agent *agent = data;
    stop_order[agent->step++](agent);
}

void nj_agent_stop(struct nj_agent *agent, void (*on_stopped)(void *data), void *data)
{
    agent->on_stopped = on_stopped;
    agent->on_stopped_data = data;
    stop_next(agent);
}
