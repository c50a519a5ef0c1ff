/*
 * Checks that follow from a pod itself: from its readiness or liveness probe, from prometheus.io annotations,
 * and from nothing but a port. Pure.
 *
 * The result is a spec's JSON as common/probe/spec.h reads it, without a target. Kubernetes' rules are kept
 * (pkg/probe/http): any status from 200 to 399 is good, a redirect is an answer like another, certificates
 * are not verified.
 */
#ifndef NJ_PROBES_DERIVE_H
#define NJ_PROBES_DERIVE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/kube/objects.h"

struct nj_derived {
    uint16_t port;      /* of the pod; 0: nothing follows */
    const char *scheme; /* "http", "https"; "": no matter */
    const char *json;   /* of the spec */
};

/* A connection is made and closed again. */
const char *nj_derive_tcp(void);

/* From the readiness probe, else the liveness probe, of the first app container that has one that can be made
 * over the network, at the pod's own address. `out` takes the JSON and owns it; it was empty. */
void nj_derive_from_probes(const struct nj_pod_object *pod, struct nj_buf *out,
                           struct nj_derived *ret_derived);

/* From one probe, whatever its host; `name` is the step's. */
void nj_derive_from_probe(const struct nj_container_spec *container, const struct nj_pod_probe *probe,
                          const char *name, struct nj_buf *out, struct nj_derived *ret_derived);

/* The metrics page of a pod with prometheus.io/scrape "true": on prometheus.io/port, else the port by the
 * name "metrics", else its first TCP port; prometheus.io/path, else /metrics; prometheus.io/scheme, else
 * http. */
void nj_derive_metrics(const struct nj_kube_meta *meta, const struct nj_pod_object *pod, struct nj_buf *out,
                       struct nj_derived *ret_derived);

#endif
