/*
 * A point of use in few bytes: a container has some 2880 minutes, 840 hours and 400 days of them. Pure; one
 * thread a struct.
 *
 * Packed, a sketch's sum, least and largest value keep 28 bits after the first (one part in 5e8), and those
 * that follow from the rest are left out: most minutes of memory hold one value, most of throttling zeroes.
 */
#ifndef NJ_STORE_USAGE_PACK_H
#define NJ_STORE_USAGE_PACK_H

#include "common/base/buf.h"
#include "common/base/sketch.h"
#include "common/wire/event.h"

/* What is known of one container (or node) over a minute, an hour or a day. A zeroed one is empty. */
struct nj_usage_sum {
    int64_t latest_ns; /* the minute that the amounts are of */
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes;
    int64_t started_ns;
    uint64_t oom_kills;
    struct nj_sketch metrics[NJ_USAGE_METRICS];
};

void nj_usage_sum_done(struct nj_usage_sum *sum);
void nj_usage_sum_clear(struct nj_usage_sum *sum); /* keeps its memory */

/* What an event says of a minute. Sketches that are none are left out. Memory of *ret_sum is reused. */
void nj_usage_sum_take(const struct nj_usage_item *item, int64_t minute_ns, struct nj_usage_sum *ret_sum);
/* Amounts: the later one's. */
void nj_usage_sum_merge(struct nj_usage_sum *into, const struct nj_usage_sum *from);

/* Appends the point that begins at `start_ns`, which is not after latest_ns. */
void nj_usage_pack(const struct nj_usage_sum *sum, int64_t start_ns, struct nj_buf *out);
/* 0 or -EBADMSG, after which *ret_sum is empty. Its memory is reused. */
int nj_usage_unpack(const void *bytes, size_t len, int64_t start_ns, struct nj_usage_sum *ret_sum);

#endif
