#include "collector/store/usage_pack.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/packed.h"

enum {
    VERSION = 1,
    REAL_BYTES = 5, /* the highest of a double */
    /* A bucket's varint: its count in the low bits, 0 when it has one of its own; above, the distance. */
    COUNT_BITS = 3,
    COUNT_MASK = (1 << COUNT_BITS) - 1,
    /* A sketch's first varint: how many buckets, and what of it is left out. 0: there is none. */
    HAS_ZEROS = 1,
    ONE_VALUE = 2,
    FLAG_BITS = 2,
    INDEX_MAX = 1 << 20, /* far from any that a sketch has */
    MIB = 1 << 20,
};

/* What a point may count: the same as a sketch. */
static const uint64_t count_max = UINT64_C(1) << 48;

void nj_usage_sum_done(struct nj_usage_sum *sum)
{
    for (int i = 0; i < NJ_USAGE_METRICS; i++)
        nj_sketch_done(&sum->metrics[i]);
    *sum = (struct nj_usage_sum){0};
}

void nj_usage_sum_clear(struct nj_usage_sum *sum)
{
    struct nj_usage_sum empty = {0};
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        nj_sketch_clear(&sum->metrics[i]);
        empty.metrics[i] = sum->metrics[i];
    }
    *sum = empty;
}

static int64_t amount_of(int64_t amount)
{
    if (amount < 0)
        return 0;
    return amount > NJ_USAGE_AMOUNT_MAX ? NJ_USAGE_AMOUNT_MAX : amount;
}

void nj_usage_sum_take(const struct nj_usage_item *item, int64_t minute_ns, struct nj_usage_sum *ret_sum)
{
    nj_usage_sum_clear(ret_sum);
    ret_sum->latest_ns = minute_ns;
    ret_sum->cpu_request_millis = amount_of(item->cpu_request_millis);
    ret_sum->cpu_limit_millis = amount_of(item->cpu_limit_millis);
    ret_sum->memory_request_bytes = amount_of(item->memory_request_bytes);
    ret_sum->memory_limit_bytes = amount_of(item->memory_limit_bytes);
    ret_sum->started_ns = item->started_ns < 0 ? 0 : item->started_ns;
    ret_sum->oom_kills = item->oom_kills < count_max ? item->oom_kills : count_max;
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        struct nj_sketch sketch;
        if (item->metrics[i].len == 0 ||
            nj_sketch_decode(item->metrics[i].sketch, item->metrics[i].len, &sketch) < 0)
            continue;
        nj_sketch_done(&ret_sum->metrics[i]);
        ret_sum->metrics[i] = sketch;
    }
}

void nj_usage_sum_merge(struct nj_usage_sum *into, const struct nj_usage_sum *from)
{
    if (from->latest_ns >= into->latest_ns) {
        into->latest_ns = from->latest_ns;
        into->cpu_request_millis = from->cpu_request_millis;
        into->cpu_limit_millis = from->cpu_limit_millis;
        into->memory_request_bytes = from->memory_request_bytes;
        into->memory_limit_bytes = from->memory_limit_bytes;
        into->started_ns = from->started_ns;
    }
    into->oom_kills += from->oom_kills;
    if (into->oom_kills > count_max)
        into->oom_kills = count_max;
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        if (into->metrics[i].count + from->metrics[i].count <= count_max)
            nj_sketch_merge(&into->metrics[i], &from->metrics[i]);
    }
}

/* Bytes of memory are mostly whole MiB: these as such, in the odd numbers. */
static void put_memory(struct nj_buf *out, int64_t bytes)
{
    if (bytes % MIB == 0)
        nj_pack_whole(out, (uint64_t)(bytes / MIB) << 1 | 1);
    else
        nj_pack_whole(out, (uint64_t)bytes << 1);
}

static bool is_one_value(const struct nj_sketch *sketch)
{
    return sketch->min == sketch->max;
}

static void put_sketch(struct nj_buf *out, const struct nj_sketch *sketch)
{
    bool has_zeros = sketch->zeros > 0, one_value = is_one_value(sketch);
    if (sketch->count == 0) {
        nj_pack_whole(out, 0);
        return;
    }
    nj_pack_whole(out, (uint64_t)sketch->buckets_count << FLAG_BITS | (has_zeros ? HAS_ZEROS : 0) |
                           (one_value ? ONE_VALUE : 0));
    if (has_zeros)
        nj_pack_whole(out, sketch->zeros);
    if (sketch->buckets_count == 0)
        return; /* nothing but zeroes */
    nj_pack_real(out, sketch->max, REAL_BYTES);
    if (!one_value) {
        nj_pack_real(out, sketch->sum, REAL_BYTES);
        if (!has_zeros)
            nj_pack_real(out, sketch->min, REAL_BYTES);
    }
    int32_t previous = -INDEX_MAX;
    for (uint32_t i = 0; i < sketch->buckets_count; i++) {
        const struct nj_sketch_bucket *bucket = &sketch->buckets[i];
        uint64_t distance = i == 0 ? (bucket->index < 0 ? 2 * (uint64_t) - (int64_t)bucket->index - 1
                                                        : 2 * (uint64_t)bucket->index)
                                   : (uint64_t)(bucket->index - previous - 1);
        bool small = bucket->count <= COUNT_MASK;
        nj_pack_whole(out, distance << COUNT_BITS | (small ? bucket->count : 0));
        if (!small)
            nj_pack_whole(out, bucket->count);
        previous = bucket->index;
    }
}

void nj_usage_pack(const struct nj_usage_sum *sum, int64_t start_ns, struct nj_buf *out)
{
    int metrics = NJ_USAGE_METRICS;
    while (metrics > 0 && sum->metrics[metrics - 1].count == 0)
        metrics--;
    (void)nj_buf_append_char(out, VERSION);
    nj_pack_whole(out, (uint64_t)((sum->latest_ns - start_ns) / NJ_MIN));
    nj_pack_whole(out, (uint64_t)sum->cpu_request_millis);
    nj_pack_whole(out, (uint64_t)sum->cpu_limit_millis);
    put_memory(out, sum->memory_request_bytes);
    put_memory(out, sum->memory_limit_bytes);
    nj_pack_whole(out, (uint64_t)(sum->started_ns / NJ_SEC));
    nj_pack_whole(out, sum->oom_kills);
    for (int i = 0; i < metrics; i++)
        put_sketch(out, &sum->metrics[i]);
}

static double take_real(struct nj_packed *packed)
{
    double value = nj_unpack_real(packed, REAL_BYTES);
    if (isfinite(value) && value >= 0)
        return value;
    packed->bad = true;
    return 0;
}

static int64_t take_memory(struct nj_packed *packed)
{
    uint64_t value = nj_unpack_whole(packed, (uint64_t)NJ_USAGE_AMOUNT_MAX << 1);
    uint64_t bytes = (value & 1) != 0 ? (value >> 1) * MIB : value >> 1;
    if (bytes > (uint64_t)NJ_USAGE_AMOUNT_MAX) {
        packed->bad = true;
        return 0;
    }
    return (int64_t)bytes;
}

static void reserve(struct nj_sketch *sketch, uint32_t count)
{
    if (count <= sketch->capacity)
        return;
    sketch->buckets = nj_realloc(sketch->buckets, count, sizeof(*sketch->buckets));
    sketch->capacity = count;
}

static void take_buckets(struct nj_packed *packed, uint32_t count, struct nj_sketch *sketch)
{
    int64_t index = 0;
    reserve(sketch, count);
    for (uint32_t i = 0; i < count && !packed->bad; i++) {
        uint64_t head = nj_unpack_whole(packed, (uint64_t)INDEX_MAX << (COUNT_BITS + 1));
        uint64_t distance = head >> COUNT_BITS, amount = head & COUNT_MASK;
        if (amount == 0)
            amount = nj_unpack_whole(packed, count_max);
        if (i > 0)
            index += (int64_t)distance + 1;
        else
            index = (distance & 1) != 0 ? -(int64_t)(distance / 2) - 1 : (int64_t)(distance / 2);
        packed->bad = packed->bad || amount == 0 || index > INDEX_MAX || index < -INDEX_MAX;
        sketch->buckets[sketch->buckets_count++] =
            (struct nj_sketch_bucket){.index = (int32_t)index, .count = amount};
        sketch->count += amount;
    }
}

/* Rounding must not take a value out of a sketch's range. */
static double within(double value, double least, double most)
{
    if (value < least)
        return least;
    return value > most ? most : value;
}

static void take_sketch(struct nj_packed *packed, struct nj_sketch *sketch)
{
    uint64_t head =
        nj_unpack_whole(packed, ((uint64_t)NJ_SKETCH_BUCKETS_MAX << FLAG_BITS) | HAS_ZEROS | ONE_VALUE);
    uint32_t buckets = (uint32_t)(head >> FLAG_BITS);
    bool has_zeros = (head & HAS_ZEROS) != 0, one_value = (head & ONE_VALUE) != 0;
    if (head == 0)
        return;
    sketch->zeros = sketch->count = has_zeros ? nj_unpack_whole(packed, count_max) : 0;
    if (buckets > 0) {
        sketch->max = within(take_real(packed), NJ_SKETCH_MIN, NJ_SKETCH_MAX);
        if (one_value) {
            sketch->min = sketch->max;
        } else {
            sketch->sum = take_real(packed);
            sketch->min = has_zeros ? 0 : within(take_real(packed), NJ_SKETCH_MIN, sketch->max);
        }
        take_buckets(packed, buckets, sketch);
        if (one_value)
            sketch->sum = sketch->max * (double)sketch->count;
    }
    packed->bad = packed->bad || sketch->count == 0 || sketch->count > count_max ||
                  (buckets > 0 && has_zeros && one_value);
}

int nj_usage_unpack(const void *bytes, size_t len, int64_t start_ns, struct nj_usage_sum *ret_sum)
{
    struct nj_packed packed = {.at = bytes, .end = (const uint8_t *)bytes + len};
    nj_usage_sum_clear(ret_sum);
    bool known = nj_unpack_whole(&packed, UINT64_MAX) == VERSION;
    ret_sum->latest_ns = start_ns + (int64_t)nj_unpack_whole(&packed, NJ_DAY / NJ_MIN) * NJ_MIN;
    ret_sum->cpu_request_millis = (int64_t)nj_unpack_whole(&packed, (uint64_t)NJ_USAGE_AMOUNT_MAX);
    ret_sum->cpu_limit_millis = (int64_t)nj_unpack_whole(&packed, (uint64_t)NJ_USAGE_AMOUNT_MAX);
    ret_sum->memory_request_bytes = take_memory(&packed);
    ret_sum->memory_limit_bytes = take_memory(&packed);
    ret_sum->started_ns = (int64_t)nj_unpack_whole(&packed, INT64_MAX / NJ_SEC) * NJ_SEC;
    ret_sum->oom_kills = nj_unpack_whole(&packed, count_max);
    for (int i = 0; i < NJ_USAGE_METRICS && packed.at < packed.end && !packed.bad; i++)
        take_sketch(&packed, &ret_sum->metrics[i]);
    if (known && !packed.bad && packed.at == packed.end)
        return 0;
    nj_usage_sum_clear(ret_sum);
    return -EBADMSG;
}
