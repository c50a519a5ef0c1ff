/*
 * A distribution in little memory, good for percentiles and mergeable: DDSketch (Masson, Rim, Lee: "DDSketch:
 * a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019), with relative error
 * NJ_SKETCH_ERROR.
 *
 * Values from NJ_SKETCH_MIN to NJ_SKETCH_MAX; smaller ones count as zero, larger ones as the maximum. `struct
 * nj_sketch sketch = {0};` is an empty one. Buckets are kept sorted and sparse; at most
 * NJ_SKETCH_BUCKETS_MAX, beyond which the lowest two are folded. Not thread-safe.
 */
#ifndef NJ_BASE_SKETCH_H
#define NJ_BASE_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define NJ_SKETCH_ERROR 0.02
#define NJ_SKETCH_MIN 1e-9
#define NJ_SKETCH_MAX 1e15
enum { NJ_SKETCH_BUCKETS_MAX = 512, NJ_SKETCH_BYTES_MAX = 8 << 10 };

struct nj_sketch_bucket {
    int32_t index;
    uint64_t count;
};

struct nj_sketch {
    uint64_t count, zeros;
    double sum, min, max; /* exact; min and max are 0 when it is empty */
    struct nj_sketch_bucket *buckets;
    uint32_t buckets_count, capacity;
};

void nj_sketch_done(struct nj_sketch *sketch);
void nj_sketch_clear(struct nj_sketch *sketch); /* keeps its memory */
void nj_sketch_add(struct nj_sketch *sketch, double value);
void nj_sketch_merge(struct nj_sketch *into, const struct nj_sketch *from);
/* q within [0, 1]; 0 when empty. Never outside [min, max]. */
double nj_sketch_quantile(const struct nj_sketch *sketch, double q);

/* Varints, a version byte first. 0 or -EOVERFLOW. Decoding is safe on any bytes: -EBADMSG. */
int nj_sketch_encode(const struct nj_sketch *sketch, struct nj_buf *out);
int nj_sketch_decode(const void *bytes, size_t len, struct nj_sketch *ret_sketch);

#endif
