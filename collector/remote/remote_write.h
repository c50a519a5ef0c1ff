/*
 * Prometheus remote write 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/): pushes the minutes
 * of use and checks that were committed to a store of the users' choice. snappy's block format over a
 * protobuf WriteRequest, POSTed in batches.
 *
 * At most `max_pending` samples wait in memory: beyond, the oldest are dropped and counted. A 5xx, 429 or no
 * answer is tried again with growing pauses (Retry-After counts); another 4xx drops the batch and is counted
 * and logged once. What waits is lost with the process: Prometheus' own agents keep a log, this keeps the
 * collector's database instead. Loop thread only.
 */
#ifndef NJ_REMOTE_REMOTE_WRITE_H
#define NJ_REMOTE_REMOTE_WRITE_H

#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/loop/http.h"
#include "common/wire/event.h"

struct nj_remote_write;

struct nj_remote_write_options {
    struct nj_loop *loop;
    struct nj_http *http;
    struct nj_metrics *metrics; /* may be NULL */
    const char *url;            /* copied, as the others */
    const char *cluster;
    const char *user, *secret_file; /* basic auth, or with user "" a bearer token; "" for none. The file is
                                       read for each batch */
    size_t max_pending, batch_samples;
    int64_t timeout_ns;
};

int nj_remote_write_new(const struct nj_remote_write_options *options, struct nj_remote_write **ret_remote,
                        struct nj_err *err);
/* Of a committed minute; borrowed. */
void nj_remote_write_usage(struct nj_remote_write *remote, const char *node, const struct nj_usage *usage);
void nj_remote_write_rollups(struct nj_remote_write *remote, const struct nj_rollups *rollups);
void nj_remote_write_close(struct nj_remote_write *remote, void (*on_closed)(void *data),
                           void *data); /* takes NULL */

#endif
