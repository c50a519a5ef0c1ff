/*
 * The figures of the last scan as Prometheus text: containers by cAdvisor's names, the node by
 * node_exporter's, so that their dashboards and rules go on working, and by our own where neither has the
 * meaning (https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md,
 * https://github.com/prometheus/node_exporter). What is not known is absent, a family without samples too.
 * Pure; private to agent/inspect.
 */
#ifndef NJ_INSPECT_EXPOSE_H
#define NJ_INSPECT_EXPOSE_H

#include "agent/inspect/figures.h"
#include "agent/inspect/gpu.h"
#include "common/base/buf.h"

struct nj_expose_container {
    const char *namespace, *pod, *container;
    const struct nj_container_figures *figures;
    int64_t started_ns; /* wall; 0: not known */
    double gpu_use;     /* share of one device's time; < 0: none */
    uint64_t gpu_memory;
    bool sockets;         /* its pod's sockets are shown with it: once a pod, for its containers share them */
    bool sockets_are_its; /* no other container of the pod may hold them: shown as the container's own */
};

struct nj_expose {
    const char *node;
    const struct nj_node_figures *node_figures; /* NULL: not read yet */
    const struct nj_expose_container *containers;
    size_t containers_count;
    const struct nj_gpu_device *gpus;
    size_t gpus_count;
};

/* Every family with HELP and TYPE, its samples together. 0, or what the buffer refused: -EOVERFLOW, -ENOMEM.
 */
int nj_expose(const struct nj_expose *what, struct nj_buf *out);

#endif
