/* What the collector says about itself: troubles with the API server, readiness, metrics. */
#include <stdio.h>

#include "collector/collector_internal.h"
#include "common/base/log.h"
#include "common/base/str.h"

enum { TROUBLE_REPEAT_MIN = 10 };

static void say_trouble(struct nj_collector *collector, struct nj_collector_trouble *trouble,
                        const struct nj_err *err)
{
    int64_t now_ns = nj_loop_mono_ns(collector->loop);
    if (nj_streq(trouble->text, err->text) && now_ns - trouble->said_ns < TROUBLE_REPEAT_MIN * NJ_MIN)
        return;
    (void)snprintf(trouble->text, sizeof(trouble->text), "%s", err->text);
    trouble->said_ns = now_ns;
    nj_warn("kube", "%s; will try again", err->text);
}

void nj_collector_on_namespaces_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->namespaces_trouble, err);
}

void nj_collector_on_pods_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->pods_trouble, err);
}

void nj_collector_on_nodes_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->nodes_trouble, err);
}

void nj_collector_on_workloads_trouble(void *data, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->workloads_trouble, err);
}

void nj_collector_on_model_trouble(void *data, enum nj_model_kind kind, const struct nj_err *err)
{
    struct nj_collector *collector = data;
    say_trouble(collector, &collector->model_trouble[kind], err);
}

static const char *latest_trouble(const struct nj_collector *collector)
{
    const struct nj_collector_trouble *latest = &collector->pods_trouble;
    if (collector->namespaces_trouble.said_ns > latest->said_ns)
        latest = &collector->namespaces_trouble;
    if (collector->nodes_trouble.said_ns > latest->said_ns)
        latest = &collector->nodes_trouble;
    if (collector->workloads_trouble.said_ns > latest->said_ns)
        latest = &collector->workloads_trouble;
    for (size_t i = 0; i < NJ_MODEL_KINDS; i++) {
        if (collector->model_trouble[i].said_ns > latest->said_ns)
            latest = &collector->model_trouble[i];
    }
    return latest->text;
}

/* What is listened on and written must be ready; an API server that is away is said but does not take the
 * collector out of its Service, since agents and people need it all the same. */
bool nj_collector_is_ready(void *data, struct nj_buf *out)
{
    struct nj_collector *collector = data;
    struct nj_err err = {0};
    bool healthy = nj_ingest_healthy(collector->ingest, &err);
    if (healthy)
        (void)nj_buf_append_str(out, "[+]store ok\n");
    else
        (void)nj_buf_printf(out, "[-]store failed: %s\n", err.text);
    if (collector->client != NULL) {
        bool synced = nj_namespaces_synced(collector->namespaces) &&
                      nj_unscheduled_synced(collector->unscheduled) && nj_nodes_synced(collector->nodes) &&
                      nj_probes_synced(collector->probes) && nj_sla_synced(collector->sla);
        const char *trouble = latest_trouble(collector);
        (void)nj_buf_printf(out, "[%s]kubernetes %s%s\n", synced ? "+" : " ",
                            synced ? "ok" : "not in step yet (not required): ", synced ? "" : trouble);
    }
    return healthy;
}

void nj_collector_collect_metrics(void *data)
{
    struct nj_collector *collector = data;
    nj_ingest_collect(collector->ingest);
    if (collector->notifier != NULL)
        nj_notifier_collect(collector->notifier);
}

void nj_collector_append_metrics(void *data, struct nj_buf *out)
{
    struct nj_collector *collector = data;
    nj_probes_exposition(collector->probes, out);
    (void)nj_capacity_exposition(collector->capacity, out);
    if (collector->sla != NULL)
        (void)nj_sla_exposition(collector->sla, out);
}
