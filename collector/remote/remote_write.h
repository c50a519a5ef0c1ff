/*
 * Prometheus remote write 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/): pushes the minutes
 * of use and checks that were committed to a store of the users' choice. snappy's block format over a
 * protobuf WriteRequest, POSTed in batches, one at a time, so that each series arrives in order.
 *
 * At most `max_pending` samples wait in memory: beyond, the oldest are dropped and counted. A 5xx, 429 or no
 * answer is tried again with growing pauses (Retry-After counts); another answer that is no 2xx drops the
 * batch and is counted and logged once. What waits is lost with the process: Prometheus' own agents keep a
 * log, this keeps the collector's database instead. Loop thread only.
 *
 * The series, each a gauge of one minute with the time of the minute's end. Of containers, with the labels
 * cluster, node, namespace, workload_kind, workload, pod, container:
 *   nightjar_container_cpu_cores_{avg,max,p95}, nightjar_container_memory_working_set_bytes_{avg,max,p95},
 *   nightjar_container_cpu_throttled_ratio_{avg,max,p95}, nightjar_container_gpu_ratio_{avg,max,p95},
 *   nightjar_container_gpu_memory_bytes_{avg,max,p95}, nightjar_container_cpu_request_cores,
 *   nightjar_container_cpu_limit_cores, nightjar_container_memory_request_bytes,
 *   nightjar_container_memory_limit_bytes (these four only where there is one), nightjar_container_oom_kills
 * Of nodes the measured ones as nightjar_node_..., with cluster and node. Of checks, with cluster, monitor,
 * target, target_name, namespace, service:
 *   nightjar_probe_runs, nightjar_probe_failures, nightjar_probe_latency_seconds{quantile="0.5|0.95|0.99"},
 *   nightjar_probe_latency_seconds_{avg,max}
 */
#ifndef NJ_REMOTE_REMOTE_WRITE_H
#define NJ_REMOTE_REMOTE_WRITE_H

#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/loop/http.h"
#include "common/wire/event.h"

struct nj_remote_write;

#define NJ_REMOTE_LINGER_NS NJ_SEC /* the first sample waits so long for others, unless a batch is full */
#define NJ_REMOTE_BACKOFF_MIN_NS NJ_SEC
#define NJ_REMOTE_BACKOFF_MAX_NS NJ_MIN
#define NJ_REMOTE_RETRY_AFTER_MAX_NS (10 * NJ_MIN) /* whatever the other side asks for */
enum {
    NJ_REMOTE_LABEL_MAX = 512,       /* bytes of a label's value: longer ones are cut */
    NJ_REMOTE_SECRET_MAX = 16 << 10, /* bytes of the secret's file */
};

struct nj_remote_write_options {
    struct nj_loop *loop;
    struct nj_http *http;
    struct nj_metrics *metrics; /* may be NULL */
    const char *url;            /* copied, as the others */
    const char *cluster;
    const char *user, *secret_file;    /* basic auth, or with user "" a bearer token; "" for none. The file is
                                          read for each batch */
    const char *ca_file;               /* additional trust; "" for the system's alone */
    size_t max_pending, batch_samples; /* each at least 1 */
    int64_t timeout_ns;
};

/* 0 or -EINVAL for a URL that is none of http and https. */
int nj_remote_write_new(const struct nj_remote_write_options *options, struct nj_remote_write **ret_remote,
                        struct nj_err *err);
/* Of a committed minute; borrowed. */
void nj_remote_write_usage(struct nj_remote_write *remote, const char *node, const struct nj_usage *usage);
void nj_remote_write_rollups(struct nj_remote_write *remote, const struct nj_rollups *rollups);
/* Drops what waits. on_closed may be called from within. */
void nj_remote_write_close(struct nj_remote_write *remote, void (*on_closed)(void *data),
                           void *data); /* takes NULL */

#endif
