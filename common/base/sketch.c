#include "common/base/sketch.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/packed.h"

/* Bucket i holds what lies in (gamma^(i-1), gamma^i]; its middle, 2 gamma^i / (gamma + 1), is at most
 * NJ_SKETCH_ERROR away from all of it. */
static const double GAMMA = (1 + NJ_SKETCH_ERROR) / (1 - NJ_SKETCH_ERROR);

enum { VERSION = 1, CAPACITY_LEAST = 8 };

/* What a decoded sketch may count: merging many of them stays far from an overflow. */
#define COUNT_MAX (UINT64_C(1) << 48)

static int32_t index_of(double value)
{
    return (int32_t)ceil(log(value) / log(GAMMA));
}

static double middle_of(int32_t index)
{
    return 2 * pow(GAMMA, index) / (GAMMA + 1);
}

void nj_sketch_done(struct nj_sketch *sketch)
{
    free(sketch->buckets);
    *sketch = (struct nj_sketch){0};
}

void nj_sketch_clear(struct nj_sketch *sketch)
{
    *sketch = (struct nj_sketch){.buckets = sketch->buckets, .capacity = sketch->capacity};
}

static void reserve(struct nj_sketch *sketch, uint32_t count)
{
    if (count <= sketch->capacity)
        return;
    uint32_t capacity = sketch->capacity == 0 ? CAPACITY_LEAST : sketch->capacity;
    while (capacity < count)
        capacity *= 2;
    sketch->buckets = nj_realloc(sketch->buckets, capacity, sizeof(*sketch->buckets));
    sketch->capacity = capacity;
}

/* Folds the lowest ones, which the high percentiles do not need. */
static void fold(struct nj_sketch *sketch)
{
    if (sketch->buckets_count <= NJ_SKETCH_BUCKETS_MAX)
        return;
    uint32_t extra = sketch->buckets_count - NJ_SKETCH_BUCKETS_MAX;
    uint64_t folded = 0;
    for (uint32_t i = 0; i < extra; i++)
        folded += sketch->buckets[i].count;
    memmove(sketch->buckets, sketch->buckets + extra, NJ_SKETCH_BUCKETS_MAX * sizeof(*sketch->buckets));
    sketch->buckets[0].count += folded;
    sketch->buckets_count = NJ_SKETCH_BUCKETS_MAX;
}

static void add_to_bucket(struct nj_sketch *sketch, int32_t index)
{
    uint32_t low = 0;
    uint32_t high = sketch->buckets_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sketch->buckets[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sketch->buckets_count && sketch->buckets[low].index == index) {
        sketch->buckets[low].count++;
        return;
    }
    reserve(sketch, sketch->buckets_count + 1);
    memmove(sketch->buckets + low + 1, sketch->buckets + low,
            (sketch->buckets_count - low) * sizeof(*sketch->buckets));
    sketch->buckets[low] = (struct nj_sketch_bucket){.index = index, .count = 1};
    sketch->buckets_count++;
    fold(sketch);
}

static void widen(struct nj_sketch *sketch, double min, double max)
{
    if (sketch->count == 0 || min < sketch->min)
        sketch->min = min;
    if (sketch->count == 0 || max > sketch->max)
        sketch->max = max;
}

void nj_sketch_add(struct nj_sketch *sketch, double value)
{
    if (!(value >= NJ_SKETCH_MIN)) /* what is no number is nothing, too */
        value = 0;
    else if (value > NJ_SKETCH_MAX)
        value = NJ_SKETCH_MAX;
    widen(sketch, value, value);
    sketch->count++;
    sketch->sum += value;
    if (value == 0)
        sketch->zeros++;
    else
        add_to_bucket(sketch, index_of(value));
}

/* From the back, so that the place of both is enough. */
static void merge_buckets(struct nj_sketch *into, const struct nj_sketch *from)
{
    uint32_t left = into->buckets_count;
    uint32_t right = from->buckets_count;
    uint32_t total = left + right;
    uint32_t at = total;
    reserve(into, total);
    while (right > 0) {
        const struct nj_sketch_bucket *taken = &from->buckets[right - 1];
        if (left > 0 && into->buckets[left - 1].index >= taken->index) {
            into->buckets[--at] = into->buckets[--left];
            if (into->buckets[at].index != taken->index)
                continue;
            into->buckets[at].count += taken->count;
        } else {
            into->buckets[--at] = *taken;
        }
        right--;
    }
    memmove(into->buckets + left, into->buckets + at, (total - at) * sizeof(*into->buckets));
    into->buckets_count = left + total - at;
    fold(into);
}

void nj_sketch_merge(struct nj_sketch *into, const struct nj_sketch *from)
{
    if (from->count == 0)
        return;
    widen(into, from->min, from->max);
    into->count += from->count;
    into->zeros += from->zeros;
    into->sum += from->sum;
    if (from->buckets_count > 0)
        merge_buckets(into, from);
}

double nj_sketch_quantile(const struct nj_sketch *sketch, double q)
{
    if (sketch->count == 0)
        return 0;
    double rank = q * (double)(sketch->count - 1);
    double seen = (double)sketch->zeros;
    double value = 0;
    for (uint32_t i = 0; seen <= rank && i < sketch->buckets_count; i++) {
        seen += (double)sketch->buckets[i].count;
        value = middle_of(sketch->buckets[i].index);
    }
    return value < sketch->min ? sketch->min : value > sketch->max ? sketch->max : value;
}

int nj_sketch_encode(const struct nj_sketch *sketch, struct nj_buf *out)
{
    (void)nj_buf_append_char(out, VERSION);
    nj_pack_whole(out, sketch->zeros);
    nj_pack_real(out, sketch->sum, sizeof(double));
    nj_pack_real(out, sketch->min, sizeof(double));
    nj_pack_real(out, sketch->max, sizeof(double));
    nj_pack_whole(out, sketch->buckets_count);
    int32_t previous = index_of(NJ_SKETCH_MIN) - 1;
    for (uint32_t i = 0; i < sketch->buckets_count; i++) {
        nj_pack_whole(out, (uint64_t)(sketch->buckets[i].index - previous - 1));
        nj_pack_whole(out, sketch->buckets[i].count);
        previous = sketch->buckets[i].index;
    }
    return nj_buf_check(out) == 0 ? 0 : -EOVERFLOW;
}

static void take_buckets(struct nj_packed *packed, struct nj_sketch *sketch)
{
    int32_t lowest = index_of(NJ_SKETCH_MIN);
    int32_t highest = index_of(NJ_SKETCH_MAX);
    uint32_t count = (uint32_t)nj_unpack_whole(packed, NJ_SKETCH_BUCKETS_MAX);
    reserve(sketch, count);
    for (uint32_t i = 0; i < count && !packed->bad; i++) {
        int32_t index = lowest + (int32_t)nj_unpack_whole(packed, (uint64_t)(highest - lowest));
        uint64_t amount = nj_unpack_whole(packed, COUNT_MAX);
        if (index > highest || amount == 0)
            packed->bad = true;
        sketch->buckets[sketch->buckets_count++] = (struct nj_sketch_bucket){.index = index, .count = amount};
        sketch->count += amount;
        lowest = index + 1;
    }
}

/* What nj_sketch_add() cannot have made. */
static bool is_plausible(const struct nj_sketch *sketch)
{
    if (sketch->count > COUNT_MAX)
        return false;
    if (sketch->count == 0)
        return sketch->sum == 0 && sketch->min == 0 && sketch->max == 0;
    bool least = sketch->zeros > 0 ? sketch->min == 0 : sketch->min >= NJ_SKETCH_MIN;
    return least && sketch->max >= sketch->min && sketch->max <= NJ_SKETCH_MAX && isfinite(sketch->sum) &&
           sketch->sum >= 0;
}

int nj_sketch_decode(const void *bytes, size_t len, struct nj_sketch *ret_sketch)
{
    struct nj_packed packed = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct nj_sketch sketch = {0};
    packed.bad = len > NJ_SKETCH_BYTES_MAX || nj_unpack_whole(&packed, VERSION) != VERSION;
    sketch.zeros = nj_unpack_whole(&packed, COUNT_MAX);
    sketch.count = sketch.zeros;
    sketch.sum = nj_unpack_real(&packed, sizeof(double));
    sketch.min = nj_unpack_real(&packed, sizeof(double));
    sketch.max = nj_unpack_real(&packed, sizeof(double));
    take_buckets(&packed, &sketch);
    if (packed.bad || packed.at != packed.end || !is_plausible(&sketch)) {
        nj_sketch_done(&sketch);
        return -EBADMSG;
    }
    *ret_sketch = sketch;
    return 0;
}
