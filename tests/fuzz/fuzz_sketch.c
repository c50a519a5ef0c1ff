/*
 * Sketches as they travel: what is taken for one behaves as one, alone and merged, and encodes to what
 * decodes to the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nj_sketch *sketch)
{
    double last = 0;
    for (int i = 0; i <= 10; i++) {
        double value = nj_sketch_quantile(sketch, i / 10.0);
        if (!(value >= last) || value < sketch->min || value > sketch->max)
            abort();
        last = value;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nj_sketch sketch, again, merged = {0};
    if (nj_sketch_decode(data, size, &sketch) < 0)
        return 0;
    check(&sketch);
    struct nj_buf bytes = {.max = NJ_SKETCH_BYTES_MAX};
    if (nj_sketch_encode(&sketch, &bytes) < 0 || nj_sketch_decode(bytes.data, bytes.len, &again) < 0 ||
        again.count != sketch.count || again.buckets_count != sketch.buckets_count)
        abort();
    nj_sketch_add(&merged, 0.125);
    nj_sketch_merge(&merged, &sketch);
    nj_sketch_merge(&merged, &again);
    if (merged.count != 2 * sketch.count + 1 || merged.buckets_count > NJ_SKETCH_BUCKETS_MAX)
        abort();
    check(&merged);
    nj_buf_done(&bytes);
    nj_sketch_done(&sketch);
    nj_sketch_done(&again);
    nj_sketch_done(&merged);
    return 0;
}
