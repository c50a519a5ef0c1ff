/* A node's trouble absorbs what its pods open meanwhile. See engine.h. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

#define BY_NODE "node"

static bool absorbs(enum nj_trouble_kind kind)
{
    return kind >= NJ_TROUBLE_NODE_NOT_READY && kind <= NJ_TROUBLE_NODE_NETWORK;
}

struct nj_open *nj_absorbing(struct nj_engine *engine, const char *cluster, const char *node)
{
    const struct nj_subject of_node = {.namespace = "", .workload_kind = "Node", .workload = node};
    struct nj_open *open = NULL;
    const struct nj_open_subject *subject = NULL;
    if (node[0] != '\0' && nj_engine_open_of(engine, NJ_INCIDENT_NODE) > 0)
        open = nj_open_find(engine, NJ_INCIDENT_NODE, cluster, &of_node, "");
    if (open == NULL)
        return NULL;
    DL_FOREACH (open->subjects, subject) {
        enum nj_trouble_kind kind;
        if (nj_engine_trouble_of(subject->container, &kind, NULL) && absorbs(kind))
            return open;
    }
    return NULL;
}

static struct nj_calm_node *calm_find(struct nj_engine *engine, const char *cluster, const char *node)
{
    struct nj_calm_node *calm = NULL;
    DL_FOREACH (engine->calm, calm) {
        if (strcmp(calm->node, node) == 0 && strcmp(calm->cluster, cluster) == 0)
            return calm;
    }
    return NULL;
}

static void calm_put(struct nj_engine *engine, const char *cluster, const char *node, int64_t now_ns)
{
    struct nj_calm_node *calm = calm_find(engine, cluster, node);
    if (calm == NULL) {
        calm = NJ_NEW(struct nj_calm_node);
        calm->cluster = nj_strdup(cluster);
        calm->node = nj_strdup(node);
        DL_APPEND(engine->calm, calm);
    }
    calm->since_ns = now_ns;
}

void nj_calm_remove(struct nj_engine *engine, struct nj_calm_node *calm)
{
    DL_DELETE(engine->calm, calm);
    free(calm->cluster);
    free(calm->node);
    free(calm);
}

void nj_absorb_begun(struct nj_engine *engine, const char *cluster, const char *node)
{
    struct nj_calm_node *calm = calm_find(engine, cluster, node);
    if (calm != NULL && nj_absorbing(engine, cluster, node) != NULL)
        nj_calm_remove(engine, calm);
}

void nj_absorb_ended(struct nj_engine *engine, const char *cluster, const char *node,
                     enum nj_trouble_kind kind, int64_t now_ns)
{
    if (absorbs(kind) && nj_absorbing(engine, cluster, node) == NULL)
        calm_put(engine, cluster, node, now_ns);
}

/* In trouble, or just out of it. */
static bool is_unwell(struct nj_engine *engine, const char *cluster, const char *node)
{
    return nj_absorbing(engine, cluster, node) != NULL || calm_find(engine, cluster, node) != NULL;
}

static bool is_absorbed(const struct nj_open *open)
{
    return strcmp(open->record.suppressed, BY_NODE) == 0;
}

/* The trouble is over for long enough: what outlasts it has a cause of its own. */
static bool is_calm(struct nj_engine *engine, const struct nj_incident *record)
{
    if (nj_absorbing(engine, record->cluster, record->node) != NULL)
        return false;
    const struct nj_calm_node *calm = calm_find(engine, record->cluster, record->node);
    if (calm == NULL) { /* it recovered while the collector was down, or its incident was given up */
        calm_put(engine, record->cluster, record->node, engine->now_ns);
        return false;
    }
    return engine->now_ns - calm->since_ns >= NJ_ENGINE_NODE_GRACE_NS;
}

bool nj_absorb_holds(struct nj_engine *engine, const struct nj_open *open, enum nj_asked asked,
                     char reason[NJ_ENGINE_SUPPRESSED_MAX])
{
    const struct nj_incident *record = &open->record;
    bool holds = false;
    if (is_absorbed(open)) {
        holds = asked == NJ_ASKED_BY_EVENT ? !engine->left_node : !is_calm(engine, record);
    } else {
        bool of_pod = record->pod[0] != '\0' || record->pod_uid[0] != '\0';
        holds = record->node[0] != '\0' && (of_pod || record->kind == NJ_INCIDENT_NODE_PROBES) &&
                is_unwell(engine, record->cluster, record->node);
    }
    if (holds)
        (void)snprintf(reason, NJ_ENGINE_SUPPRESSED_MAX, BY_NODE);
    return holds;
}

struct nj_open *nj_report_join(struct nj_engine *engine, const struct nj_report *report, struct nj_open *open)
{
    if (open == NULL)
        return nj_report_open(engine, report);
    const char *node = nj_report_node(report);
    bool left_node = is_absorbed(open) && strcmp(open->record.node, node) != 0 &&
                     !is_unwell(engine, open->record.cluster, node);
    nj_hold_joined(engine, open, left_node);
    return open;
}

void nj_absorb_eviction(struct nj_engine *engine, const struct nj_report *report)
{
    struct nj_open *open = nj_absorbing(engine, report->origin->cluster, nj_report_node(report));
    if (open == NULL || !nj_streq(report->event->failure.reason, "Evicted"))
        return;
    open->record.evictions++;
    nj_open_settle(engine, open, open->record.severity, false);
}

void nj_engine_tick_absorbed(struct nj_engine *engine, int64_t now_ns)
{
    struct nj_calm_node *calm = NULL, *next = NULL;
    DL_FOREACH (engine->calm, calm) {
        if (calm->since_ns > now_ns) /* the wall clock was set back */
            calm->since_ns = now_ns;
    }
    nj_hold_review(engine);
    DL_FOREACH_SAFE (engine->calm, calm, next) {
        if (now_ns - calm->since_ns >= NJ_ENGINE_NODE_GRACE_NS)
            nj_calm_remove(engine, calm);
    }
}
