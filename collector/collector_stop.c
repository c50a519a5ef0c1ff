/* One part after another, those that bring work first, so that what was received is committed, answered and
 * told. */
#include <stdlib.h>

#include "collector/collector_internal.h"

static void stop_next(void *data);

/* What may be told or asked until it is closed is taken out of the collector first. */

static void close_unscheduled(struct nj_collector *collector)
{
    nj_unscheduled_close(collector->unscheduled, stop_next, collector);
}

static void close_api(struct nj_collector *collector)
{
    struct nj_api *api = collector->api;
    collector->api = NULL;
    nj_api_close(api, stop_next, collector);
}

static void close_nodes(struct nj_collector *collector)
{
    struct nj_nodes *nodes = collector->nodes;
    nj_capacity_stop(collector->capacity); /* it asks the nodes no more */
    nj_sla_stop(collector->sla);
    collector->nodes = NULL;
    nj_nodes_close(nodes, stop_next, collector);
}

static void close_ingest(struct nj_collector *collector)
{
    nj_probes_stop(collector->probes); /* the last minutes of its checks go with the last commit */
    nj_ingest_close(collector->ingest, stop_next, collector);
}

static void close_remote(struct nj_collector *collector)
{
    struct nj_remote_write *remote = collector->remote;
    nj_capacity_free(collector->capacity); /* no minute is committed any more */
    collector->remote = NULL;
    nj_remote_write_close(remote, stop_next, collector);
}

static void close_sla(struct nj_collector *collector)
{
    struct nj_sla *sla = collector->sla;
    collector->sla = NULL;
    nj_sla_close(sla, stop_next, collector);
}

static void close_notifier(struct nj_collector *collector)
{
    nj_notifier_close(collector->notifier, stop_next, collector);
}

static void close_probes(struct nj_collector *collector)
{
    struct nj_probes *probes = collector->probes;
    collector->probes = NULL;
    nj_probes_close(probes, stop_next, collector);
}

static void close_namespaces(struct nj_collector *collector)
{
    nj_namespaces_close(collector->namespaces, stop_next, collector);
}

static void close_http(struct nj_collector *collector)
{
    nj_http_close(collector->http, stop_next, collector);
}

static void close_reader(struct nj_collector *collector)
{
    nj_worker_close(collector->reader, stop_next, collector);
}

static void close_writer(struct nj_collector *collector)
{
    nj_worker_close(collector->writer, stop_next, collector);
}

static void finish(struct nj_collector *collector)
{
    void (*on_stopped)(void *data) = collector->on_stopped;
    void *data = collector->on_stopped_data;
    if (collector->reader_store != NULL)
        collector->reader_store->ops->close(collector->reader_store);
    if (collector->writer_store != NULL)
        collector->writer_store->ops->close(collector->writer_store);
    nj_suppress_free(collector->suppress);
    nj_pipeline_free(collector->pipeline);
    nj_kube_client_free(collector->client);
    nj_keyring_free(collector->keyring);
    nj_loop_measure(collector->loop, NULL);
    nj_metrics_free(collector->metrics);
    free(collector);
    on_stopped(data);
}

/* Each but the last goes on with stop_next(), perhaps within its call. */
static void (*const stop_order[])(struct nj_collector *collector) = {
    close_unscheduled, close_api,        close_nodes, close_ingest, close_remote, close_sla, close_notifier,
    close_probes,      close_namespaces, close_http,  close_reader, close_writer, finish,
};

static void stop_next(void *data)
{
    struct nj_collector *collector = data;
    stop_order[collector->step++](collector);
}

static void on_projects_closed(uv_handle_t *handle)
{
    stop_next(handle->data);
}

void nj_collector_stop(struct nj_collector *collector, void (*on_stopped)(void *data), void *data)
{
    collector->on_stopped = on_stopped;
    collector->on_stopped_data = data;
    uv_close((uv_handle_t *)&collector->projects, on_projects_closed);
}
