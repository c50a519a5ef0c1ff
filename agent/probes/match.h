/*
 * Which targets a pod gives: the plan's checks that select it, each Service port translated to the pod's own,
 * at the addresses of the families that are asked for. Pure.
 *
 * A port by name is looked for among the TCP ports of the pod's containers, and may be another number in each
 * pod; one by number is taken as it is, declared or not. A pod that has no port by that name has no target
 * there, as it is no endpoint there (pkg/controller/endpointslice, FindPort).
 */
#ifndef NJ_PROBES_MATCH_H
#define NJ_PROBES_MATCH_H

#include "agent/probes/pod.h"
#include "common/wire/plan.h"

struct nj_match {                      /* borrowed */
    const struct nj_plan_check *check; /* NULL: the pod's metrics page */
    const char *address, *family;      /* "10.0.0.7", "IPv4" */
    uint16_t port;
    uint16_t service_port; /* 0: what is asked is the pod itself, not its Service */
    const char *scheme;    /* "": the spec's own */
    const char *json;      /* of the spec */
};

/* Does the check select the pod? It may still have no port for it. */
bool nj_match_selects(const struct nj_plan_check *check, const struct nj_pod_facts *pod);

/* Calls each for every target; the same port may come twice when two of the Service's lead to it. */
void nj_match_check(const struct nj_plan_check *check, const struct nj_pod_facts *pod,
                    void (*each)(void *data, const struct nj_match *match), void *data);

/* The pod's metrics page, if its annotations ask for one. */
void nj_match_metrics(const struct nj_pod_facts *pod, void (*each)(void *data, const struct nj_match *match),
                      void *data);

#endif
