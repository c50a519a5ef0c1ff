/*
 * REST under /api/v1, the stream of incidents, /openapi.json, /livez, /readyz, /metrics and the page.
 *
 * Reads go to a reader connection on a worker of their own, so that no query holds up ingest. Bearer tokens:
 * the read token may read, the write token may do both; compared in constant time; /livez, /readyz, /metrics
 * and /openapi.json need none. Without any token only loopback is listened on (nj_collector_config_check()
 * refuses the rest) and all is allowed. Errors are problem+json (RFC 9457). Query parameters that are unknown
 * or given twice are errors; an empty one counts as not given. Loop thread only.
 */
#ifndef NJ_API_API_H
#define NJ_API_API_H

#include "collector/config.h"
#include "collector/incident/incident.h"
#include "collector/store/store.h"
#include "common/base/metrics.h"
#include "common/loop/worker.h"

struct nj_api;
struct nj_capacity;
struct nj_pipeline;
struct nj_probes;

struct nj_api_options {
    struct nj_loop *loop;
    struct nj_worker *reader;      /* the worker that owns `store` */
    struct nj_store *store;        /* a reader connection */
    struct nj_worker *writer;      /* the worker that owns `writer_store`; NULL: nothing can be changed */
    struct nj_store *writer_store; /* the writer connection */
    struct nj_pipeline
        *pipeline; /* what was said about alerts; freed after the API is closed; with `writer` */
    void (*on_written)(void *data); /* after a change of silences, acknowledgements or marks; may be NULL */
    struct nj_metrics *metrics;
    const struct nj_collector_config *config; /* stays valid until the end, also after nj_api_reload() */
    size_t max_answer_bytes;                  /* of a query's; larger ones are refused; 0: 64 MiB */
    /* Says what is not ready, one line an item ("store: ok", "ingest: not listening"); true when all is. */
    bool (*ready)(void *data, struct nj_buf *out);
    /* Brings gauges up to date before /metrics is rendered; may be NULL. */
    void (*collect)(void *data);
    /* Appends further families to /metrics (those of the collector's own checks); may be NULL. */
    void (*append_metrics)(void *data, struct nj_buf *out);
    /* The objective of a service or workload in (0, 1), 0: none; on the loop. May be NULL. */
    double (*objective)(void *data, const char *kind, const char *namespace, const char *name);
    struct nj_probes *probes;     /* closed after the API; NULL: no monitors, and none can be tried */
    struct nj_capacity *capacity; /* freed after the API is closed; NULL: nothing is known of nodes */
    void *data;
};

int nj_api_start(const struct nj_api_options *options, struct nj_api **ret_api, struct nj_err *err);
int nj_api_port(const struct nj_api *api);

/* New settings. The address, the tokens and the number of connections stay as they were at the start. */
void nj_api_reload(struct nj_api *api, const struct nj_collector_config *config);

/* An incident changed and is committed: tell the streams. Borrowed. */
void nj_api_publish(struct nj_api *api, const struct nj_incident *incident);

void nj_api_close(struct nj_api *api, void (*on_closed)(void *data), void *data);

#endif
