/*
 * The checks that every node has without anybody asking: its kubelet and kube-proxy, the control plane's
 * static pods, and the cluster's DNS as this node's pods see it. Pure.
 */
#ifndef NJ_PROBES_BUILTIN_H
#define NJ_PROBES_BUILTIN_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/kube/objects.h"

struct nj_builtin {
    const char *name; /* of the component: "kubelet"; NULL: there is none */
    const char *host; /* an address */
    bool by_resolver; /* whom the resolver would ask is asked; `host` is the first of them */
    uint16_t port;
    const char *scheme;
    const char *json; /* of the spec */
};

/* The node's own, at its address. The kubelet answers 401 or 403 to whom it does not know, and is alive
 * (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/). */
void nj_builtin_kubelet(const char *host_ip, struct nj_builtin *ret_builtin);
void nj_builtin_kube_proxy(const char *host_ip, struct nj_builtin *ret_builtin);

/* A static pod of the control plane (labels as kubeadm sets them: tier=control-plane, component=...), by its
 * own liveness probe; when that is made at loopback, only if the agent shares the host's network. `out` takes
 * the JSON and owns it; it was empty. */
void nj_builtin_component(const struct nj_kube_meta *meta, const struct nj_pod_object *pod, bool shares_host,
                          struct nj_buf *out, struct nj_builtin *ret_builtin);

/* From the text of /etc/resolv.conf: a question for the API server's name, as programs in pods ask it, when
 * its name servers are the cluster's, which a search entry "svc.DOMAIN" shows. A name server may be at a
 * link-local address, where a check may go nowhere else
 * (https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/). `host`, `domain` and `out` take the
 * strings; `domain` stays empty where none is found. */
void nj_builtin_dns(const char *resolv_conf, struct nj_buf *host, struct nj_buf *domain, struct nj_buf *out,
                    struct nj_builtin *ret_builtin);

#endif
