/*
 * The latest run of each target as Prometheus text, with blackbox_exporter's names (package prober of
 * https://github.com/prometheus/blackbox_exporter), so that its dashboards and rules go on working. One
 * family after the other, each with HELP and TYPE. Loop thread only.
 */
#ifndef NJ_PROBE_EXPOSITION_H
#define NJ_PROBE_EXPOSITION_H

#include "common/base/buf.h"
#include "common/probe/result.h"

struct nj_exposition;

struct nj_exposition *
nj_exposition_new(size_t max_targets);                     /* beyond, further ones are left out and counted */
void nj_exposition_free(struct nj_exposition *exposition); /* takes NULL */

struct nj_exposition_labels {
    const char *monitor, *target, *namespace, *service, *pod;
    uint16_t port;
};

/* `id` names the target; labels are taken when it is new. */
void nj_exposition_put(struct nj_exposition *exposition, const char *id,
                       const struct nj_exposition_labels *labels, const struct nj_result *result);
void nj_exposition_remove(struct nj_exposition *exposition, const char *id);
int nj_exposition_write(const struct nj_exposition *exposition, struct nj_buf *out); /* 0 or -EOVERFLOW */

#endif
