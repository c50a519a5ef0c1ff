/*
 * What a workload's container should ask for: a request and a limit from what it used, with the reasons. A
 * pure core.
 *
 * CPU: the request is the 95th percentile of use (after start-up) with head-room, the limit from the peak;
 * memory: request and limit from the peak with head-room, and never at or below a size at which it was
 * OOM-killed. Start-up (the first minutes after a container began) is told apart: its peak counts for limits
 * only. The factors and their sources are in advice.c. Too little seen (less than a day): the advice says so,
 * and `confident` is false.
 */
#ifndef NJ_CAPACITY_ADVICE_H
#define NJ_CAPACITY_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/sketch.h"

struct nj_advice_input {
    struct nj_sketch cpu, memory;             /* after start-up: cores, bytes */
    struct nj_sketch cpu_start, memory_start; /* of start-up */
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes,
        memory_limit_bytes; /* as they are; 0: none */
    double throttled;       /* share of periods, 0..1 */
    uint64_t oom_kills;
    int64_t oom_limit_bytes; /* the largest limit under which it was OOM-killed; 0: never */
    int64_t seen_ns;         /* how long it was observed */
};

struct nj_advice {
    int64_t cpu_request_millis, cpu_limit_millis; /* limit 0: none is better; request 0: nothing was seen */
    int64_t memory_request_bytes, memory_limit_bytes; /* 0: nothing was seen */
    bool confident;
};

/* `reasons` gets a JSON array of sentences appended. 0 or -EOVERFLOW. */
int nj_advise(const struct nj_advice_input *input, struct nj_advice *ret_advice, struct nj_buf *reasons);

#endif
