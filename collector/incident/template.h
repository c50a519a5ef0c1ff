/*
 * What a pod's name says of its workload: a Deployment's pods are "web-HASH-x2x7k", a StatefulSet's "db-0", a
 * DaemonSet's and a Job's "agent-x2x7k". Pure.
 */
#ifndef NJ_INCIDENT_TEMPLATE_H
#define NJ_INCIDENT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

enum { NJ_TEMPLATE_NAME_MAX = 256, NJ_TEMPLATE_GUESSES = 3 };

/* Is it a pod of the workload, as its name says, and, when there is a hash, of that template? */
bool nj_pod_is_of_template(const char *workload_kind, const char *workload, const char *template_hash,
                           const char *pod);

/* Workloads that the pod may be of: none of them needs to be there. */
struct nj_template_guess {
    const char *workload_kind;
    char workload[NJ_TEMPLATE_NAME_MAX];
};
size_t nj_pod_guess_workloads(const char *pod, struct nj_template_guess ret_guesses[NJ_TEMPLATE_GUESSES]);

#endif
