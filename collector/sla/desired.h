/*
 * What the tracker is told of a Service or a workload, made from the model's and the workloads' records: the
 * endpoints of all slices as one list, how many are desired, and a print of what was seen.
 *
 * Slices of one Service can overlap for a moment, and a pod with two addresses is in the slices of both
 * families: an endpoint is its pod (or, without one, its address), ready when it is ready anywhere. A label
 * that names a Service does not make a slice its own when the Service is an ExternalName. Pure.
 */
#ifndef NJ_SLA_DESIRED_H
#define NJ_SLA_DESIRED_H

#include "collector/cluster/model.h"
#include "collector/cluster/workloads.h"
#include "collector/sla/tracker.h"

struct nj_described {
    struct nj_tracker_service service; /* its strings are borrowed from the records */
    struct nj_tracker_endpoint *endpoints;
    struct nj_tracker_slice *slices;
};

/* `workloads` NULL: none are known. Free with nj_described_done(). */
void nj_describe_service(const struct nj_model_service *view, struct nj_workloads *workloads, int64_t now_ns,
                         struct nj_described *ret_described);
/* A workload's own availability: its pods are known by number only, as its status tells it. `name` is
 * borrowed: what it is called among its kind. */
void nj_describe_workload(const struct nj_workloads_item *item, int64_t now_ns,
                          struct nj_described *ret_described);
void nj_described_done(struct nj_described *described);

/* Whether pods with these labels (sorted by key) are a Service's. */
bool nj_selects(const struct nj_kube_pair *selector, size_t selector_count, const struct nj_kube_pair *labels,
                size_t labels_count);

#endif
