/*
 * The agent's parts, for the files agent_*.c: agent.c starts them in order, agent_wiring.c has what one tells
 * another, agent_health.c what is said about them, agent_reload.c takes new settings over, agent_stop.c
 * closes them in order. All on the loop's thread. A part is NULL before its start and, where another could
 * still call it, from its closing on.
 */
#ifndef NJ_AGENT_AGENT_INTERNAL_H
#define NJ_AGENT_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/crash/capture.h"
#include "agent/crash/detect.h"
#include "agent/http.h"
#include "agent/inspect/inspect.h"
#include "agent/outbox/outbox.h"
#include "agent/pods/owners.h"
#include "agent/pods/pods.h"
#include "agent/probes/probes.h"
#include "agent/uplink/uplink.h"

enum { NJ_AGENT_NODE_NAME_MAX = 256 };

struct nj_agent {
    struct nj_loop *loop;
    const struct nj_agent_config *config; /* that it was started with */
    char node[NJ_AGENT_NODE_NAME_MAX];
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

/* agent.c. Gives memory back in a while, when the work at hand is over, and now and then from then on. */
void nj_agent_trim_later(struct nj_agent *agent);

/* agent_wiring.c. `data` is the agent. */

/* Crashes: found, looked at, stored. */
void nj_agent_on_finding(void *data, const struct nj_finding *finding);
void nj_agent_on_workload(void *data, const char *pod_uid, const char *kind, const char *name);
void nj_agent_on_stored(void *data);
void nj_agent_on_broken(void *data, const struct nj_err *err);

/* To be stored: what the checks and the inspection of the node saw. */
void nj_agent_on_probe_event(void *data, const struct nj_event *event);
void nj_agent_on_inspect_event(void *data, const struct nj_event *event);
void nj_agent_on_trouble(void *data, const struct nj_event *event, const struct nj_inspect_record *record);
void nj_agent_on_container_exit(void *data, const struct nj_inspect_exit *exit);

/* The node's pods, to the checks and the inspection. */
void nj_agent_on_pod(void *data, enum nj_watch_event_type type, const struct nj_kube_object *object);
void nj_agent_on_pods_synced(void *data);

/* Between the checks and the collector. */
void nj_agent_on_probe_interest(void *data);
void nj_agent_on_plan(void *data, const struct nj_plan *plan);
void nj_agent_fill_interest(void *data, struct nj_uplink_interest *ret_interest);
void nj_agent_fill_status(void *data, struct nj_agent_status *ret_status);

/* agent_health.c */
bool nj_agent_is_ready(void *data, struct nj_buf *out);
int nj_agent_expose(void *data, struct nj_buf *out);

/* agent_reload.c: the settings that a reload changes, as the parts take them. */
struct nj_detector_times nj_agent_detector_times(const struct nj_agent_config *config);
struct nj_log_limits nj_agent_log_limits(const struct nj_agent_config *config);
int nj_agent_redactor(const struct nj_agent_config *config, struct nj_redactor **ret_redactor,
                      struct nj_err *err);

#endif
