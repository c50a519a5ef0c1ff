/*
 * From a pod's controller to its workload by names alone, for when nobody can be asked: a Deployment's
 * ReplicaSet is named DEPLOYMENT-HASH with the pod's label pod-template-hash
 * (pkg/controller/deployment/sync.go), a CronJob's Job CRONJOB-MINUTES
 * (pkg/controller/cronjob/cronjob_controllerv2.go, getJobName: of the scheduled time, since 1970). Pure.
 */
#ifndef NJ_KUBE_WORKLOAD_H
#define NJ_KUBE_WORKLOAD_H

#include "common/kube/objects.h"

enum { NJ_WORKLOAD_NAME_MAX = 256 };

struct nj_workload {
    char kind[64];
    char name[NJ_WORKLOAD_NAME_MAX];
};

/* A pod without a controller, or a static pod of a node, is its own workload, of kind "Pod". Names that are
 * too long are cut. */
void nj_workload_guess(const char *controller_kind, const char *controller_name, const char *template_hash,
                       const char *pod_name, struct nj_workload *ret_workload);

#endif
