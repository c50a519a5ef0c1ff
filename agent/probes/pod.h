/*
 * What probing needs to know of a pod, kept in one block of memory, about a KiB. Private to agent/probes.
 */
#ifndef NJ_PROBES_POD_H
#define NJ_PROBES_POD_H

#include "agent/probes/allowance.h"
#include "agent/probes/builtin.h"
#include "agent/probes/derive.h"

struct nj_pod_port {
    const char *name;
    uint16_t number;
};

struct nj_pod_facts {
    struct nj_kube_meta meta; /* names, uid, labels and the controller; nothing else of it */
    const char *host_ip;
    const char *const *ips;
    size_t ips_count;
    const struct nj_pod_port *ports; /* TCP, of app containers and sidecars, in their order */
    size_t ports_count;
    struct nj_derived probe, metrics;
    struct nj_builtin builtin; /* it is a component of the cluster */
    bool is_kube_proxy;
    bool over; /* being deleted, or done: not to be probed any more */
    struct nj_allowance allowance;
};

/* A copy to be freed with free(). `before` is the earlier one of the same pod, or NULL. `shares_host`: the
 * agent is in the network of the node itself. */
struct nj_pod_facts *nj_pod_facts_new(const struct nj_kube_object *object, const struct nj_pod_facts *before,
                                      bool shares_host);

#endif
