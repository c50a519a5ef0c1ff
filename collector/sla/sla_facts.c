/* What explains why a service is away: what agents tell of pods, nodes, and maintenance windows. */
#include <stdio.h>
#include <string.h>

#include "collector/sla/sla_internal.h"
#include "common/base/str.h"

void nj_sla_fact(struct nj_sla *sla, const struct nj_tracker_fact *fact)
{
    nj_tracker_fact(sla->services, fact);
    nj_tracker_fact(sla->owns, fact);
}

/* --- pods */

/* By the API server's side, the scheduler that makes room, and the node's own end: the cluster's operator
 * wanted it. */
static bool is_drained(const char *reason)
{
    static const char *const reasons[] = {"Preempting", "NodeShutdown", "Terminated", "Shutdown"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (nj_streq(reason, reasons[i]))
            return true;
    }
    return nj_pod_failure_is_deletion(reason);
}

static void pod_failed(struct nj_sla *sla, const struct nj_event *event, struct nj_tracker_fact *fact)
{
    const struct nj_subject *subject = &event->subject;
    bool drained = is_drained(event->failure.reason);
    fact->kind = drained ? NJ_FACT_POD_DRAINED : NJ_FACT_POD_EVICTED;
    struct nj_sla_node *node = NULL;
    HASH_FIND_STR(sla->odd_nodes, subject->node, node);
    if (drained && node != NULL) {
        node->drained_ns = nj_sla_time(sla);
        sla->held_changed = true;
    }
}

/* Which rollout of its workload explains it, if any. */
static void tell_rollouts(struct nj_sla *sla, const struct nj_event *event, const char *reason,
                          const char *message)
{
    const struct nj_subject *subject = &event->subject;
    (void)nj_rollouts_pod_trouble(sla->rollouts, subject->namespace, subject->workload_kind,
                                  subject->workload, subject->pod, reason, message, event->at_ns);
}

static char *describe(const struct nj_event *event)
{
    const struct nj_subject *subject = &event->subject;
    switch (event->type) {
    case NJ_EVENT_CRASH:
        return nj_asprintf("%s of pod %s: %s, exit code %d", subject->container, subject->pod,
                           event->crash.reason, (int)event->crash.exit_code);
    case NJ_EVENT_STUCK:
        return nj_asprintf("pod %s: %s", subject->pod, event->stuck.reason);
    case NJ_EVENT_POD_FAILURE:
        return nj_asprintf("pod %s: %s", subject->pod, event->failure.reason);
    default:
        return nj_asprintf("%s: %s %s", event->check.target_name, event->check.cause, event->check.got);
    }
}

/* False: it explains nothing. */
static bool kind_of(struct nj_sla *sla, const struct nj_event *event, struct nj_tracker_fact *fact)
{
    switch (event->type) {
    case NJ_EVENT_CRASH:
        nj_sla_rollout_words(sla, event);
        tell_rollouts(sla, event, event->crash.reason, event->crash.message);
        fact->kind = NJ_FACT_POD_CRASHED;
        return true;
    case NJ_EVENT_STUCK:
        tell_rollouts(sla, event, event->stuck.reason, event->stuck.message);
        fact->kind = NJ_FACT_POD_UNSCHEDULABLE;
        return nj_streq(event->stuck.reason, "Unschedulable");
    case NJ_EVENT_POD_FAILURE:
        pod_failed(sla, event, fact);
        return true;
    case NJ_EVENT_CHECK:
        if (!nj_streq(event->check.state, "failing") && !nj_streq(event->check.state, "flapping"))
            return false;
        nj_sla_rollout_check(sla, event);
        fact->kind = NJ_FACT_CHECK_FAILED;
        fact->service = event->check.service;
        return true;
    default:
        return false;
    }
}

void nj_sla_facts(struct nj_sla *sla, const struct nj_ingest_fact *facts, size_t count)
{
    if (sla->stopped)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct nj_event *event = &facts[i].event;
        const struct nj_subject *subject = &event->subject;
        struct nj_tracker_fact fact = {.at_ns = event->at_ns > 0 ? event->at_ns : event->seen_ns,
                                       .namespace = subject->namespace,
                                       .workload_kind = subject->workload_kind,
                                       .workload = subject->workload,
                                       .pod_uid = subject->pod_uid,
                                       .node = subject->node};
        if (!kind_of(sla, event, &fact))
            continue;
        char reference[32] = "";
        if (facts[i].incident_id > 0)
            (void)snprintf(reference, sizeof(reference), "incident/%lld", (long long)facts[i].incident_id);
        NJ_CLEANUP_FREE char *detail = describe(event);
        fact.detail = detail;
        fact.reference = reference;
        nj_sla_fact(sla, &fact);
    }
    nj_sla_settle(sla);
}

/* --- nodes */

static void tell_node(struct nj_sla *sla, const char *node, enum nj_tracker_fact_kind kind, const char *what)
{
    NJ_CLEANUP_FREE char *reference = nj_asprintf("node/%s", node);
    NJ_CLEANUP_FREE char *detail = nj_asprintf("node %s %s", node, what);
    const struct nj_tracker_fact fact = {
        .kind = kind, .at_ns = nj_sla_time(sla), .node = node, .detail = detail, .reference = reference};
    nj_sla_fact(sla, &fact);
    sla->held_changed = true;
}

static void note_node(struct nj_sla *sla, struct nj_sla_node *node, bool cordoned, bool down)
{
    if (node->cordoned != cordoned)
        tell_node(sla, node->name, cordoned ? NJ_FACT_NODE_CORDONED : NJ_FACT_NODE_UNCORDONED,
                  cordoned ? "is cordoned" : "takes pods again");
    if (node->down != down)
        tell_node(sla, node->name, down ? NJ_FACT_NODE_DOWN : NJ_FACT_NODE_UP,
                  down ? "is not ready" : "is ready");
    if (cordoned && !node->cordoned)
        node->drained_ns = nj_sla_time(sla);
    node->cordoned = cordoned;
    node->down = down;
}

static void drop_node(struct nj_sla *sla, struct nj_sla_node *node)
{
    NJ_TABLE_REMOVE(sla->odd_nodes, node);
    free(node->name);
    free(node);
}

static void look_at_node(void *data, const struct nj_nodes_node *view)
{
    struct nj_sla *sla = data;
    struct nj_sla_node *node = NULL;
    bool cordoned = view->node->unschedulable, down = !view->ready;
    HASH_FIND_STR(sla->odd_nodes, view->name, node);
    if (node == NULL && !cordoned && !down)
        return;
    if (node == NULL) {
        node = NJ_NEW(struct nj_sla_node);
        node->name = nj_strdup(view->name);
        HASH_ADD_KEYPTR(hh, sla->odd_nodes, node->name, strlen(node->name), node);
    }
    note_node(sla, node, cordoned, down);
    node->seen = cordoned || down;
}

/* A node that is gone is well, as far as anybody can tell: its pods went with it. */
void nj_sla_look_at_nodes(struct nj_sla *sla)
{
    struct nj_sla_node *node = NULL, *next = NULL;
    if (sla->options.nodes == NULL || !nj_nodes_synced(sla->options.nodes))
        return;
    HASH_ITER (hh, sla->odd_nodes, node, next)
        node->seen = false;
    nj_nodes_each(sla->options.nodes, look_at_node, sla);
    HASH_ITER (hh, sla->odd_nodes, node, next) {
        if (node->seen)
            continue;
        note_node(sla, node, false, false);
        drop_node(sla, node);
    }
}

/* --- maintenance */

void nj_sla_maintenance(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                        struct nj_maintenance_state *ret_state)
{
    struct nj_sla *sla = data;
    nj_maintenance_at(sla->maintenance, subject->namespace, at_ns, ret_state);
    if (sla->options.maintenance != NULL)
        sla->options.maintenance(sla->options.data, subject, at_ns, ret_state);
}

void nj_sla_look_at_windows(struct nj_sla *sla)
{
    int64_t now_ns = nj_sla_time(sla);
    nj_tracker_look_at_windows(sla->services, now_ns);
    nj_tracker_look_at_windows(sla->owns, now_ns);
    if (now_ns < sla->windows_until_ns)
        return;
    struct nj_maintenance_state any = {.until_ns = INT64_MAX};
    nj_maintenance_at(sla->maintenance, NULL, now_ns, &any);
    sla->windows_until_ns = any.until_ns;
    sla->held_changed = true;
}

void nj_sla_facts_done(struct nj_sla *sla)
{
    struct nj_sla_node *node = NULL, *next = NULL;
    HASH_ITER (hh, sla->odd_nodes, node, next)
        drop_node(sla, node);
}
