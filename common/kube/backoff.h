/*
 * How long to wait after failures, as client-go's reflector does (tools/cache/reflector.go, defaultBackoff*):
 * from 0.8 s, doubled up to 30 s, each made up to twice as long by chance so that a cluster's agents do not
 * come all at once; forgotten when nothing failed for 2 min. Private to common/kube; pure.
 */
#ifndef NJ_KUBE_BACKOFF_H
#define NJ_KUBE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct nj_backoff { /* zeroed: nothing has failed */
    int64_t delay_ns;
    int64_t last_ns; /* monotonic, of the last failure */
    bool failed;
};

/* The wait after a failure at `now_ns`; `random` is any number, evenly spread. */
int64_t nj_backoff_next(struct nj_backoff *backoff, int64_t now_ns, uint32_t random);

#endif
