/* What the agent says about itself: readiness, and what is on its page of metrics beside the counters. */
#include "agent/agent_internal.h"
#include "common/base/str.h"

enum {
    SILENCE_MIN = 2,        /* without an acknowledgement for so long it is not ready, */
    SILENCE_HEARTBEATS = 3, /* or for so many heartbeats, if that is longer */
};

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

bool nj_agent_is_ready(void *data, struct nj_buf *out)
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

int nj_agent_expose(void *data, struct nj_buf *out)
{
    const struct nj_agent *agent = data;
    int rc = agent->inspect == NULL ? 0 : nj_inspect_expose(agent->inspect, out);
    if (rc == 0 && agent->probes != NULL)
        rc = nj_node_probes_expose(agent->probes, out);
    return rc;
}
