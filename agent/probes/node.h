/*
 * When every check on a node fails, it is the node's failure, or its network's, and not its pods'. Pure;
 * times are monotonic ns.
 *
 * It needs at least NJ_NODE_TARGETS targets, of at least two Services or two workloads, and each must have
 * failed in a run that ended since the last of them began to fail. A check that becomes failing is held back
 * only while this is open: no other has passed since its first failing run, and some have not run since.
 */
#ifndef NJ_PROBES_NODE_H
#define NJ_PROBES_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NJ_NODE_TARGETS = 3 };

struct nj_node_check {
    int64_t failing_since_ns;   /* end of the first failing run of the present row; 0: the last run passed */
    int64_t last_run_ns;        /* end of the last run; 0: there was none, and it does not count */
    int64_t last_pass_ns;       /* likewise; 0: never */
    bool starting;              /* its failing runs are not held against it: they do not count */
    uint64_t service, workload; /* hashes of their names */
};

enum nj_node_verdict {
    NJ_NODE_OWN,  /* there are too few checks to tell: each failure is its pod's own */
    NJ_NODE_OPEN, /* not all fail, as far as is known; those that passed may not know yet */
    NJ_NODE_FAILS,
};

struct nj_node_judgement {
    enum nj_node_verdict verdict;
    int64_t last_pass_ns; /* the latest of any: what fails since before that is its pod's own */
    int64_t since_ns;     /* NJ_NODE_FAILS: when the last of them began to fail */
    size_t counted;       /* checks */
};

void nj_node_judge(const struct nj_node_check *checks, size_t count, struct nj_node_judgement *ret_judgement);

#endif
