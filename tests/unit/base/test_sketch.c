#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/sketch.h"
#include "tests/unit/test.h"

enum { SAMPLES = 20000 };

static double samples[SAMPLES];

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double random_between(unsigned short seed[3], double low, double high)
{
    return low + erand48(seed) * (high - low);
}

/* Latencies of many shapes: even, over many powers of ten, two humps far apart, all the same. */
static double draw(int shape, unsigned short seed[3])
{
    switch (shape) {
    case 0:
        return random_between(seed, 0.001, 2);
    case 1:
        return pow(10, random_between(seed, -4, 4));
    case 2:
        return erand48(seed) < 0.9 ? random_between(seed, 0.002, 0.003) : random_between(seed, 4, 5);
    default:
        return 0.25;
    }
}

static void assert_near(double got, double wanted)
{
    if (fabs(got - wanted) > wanted * (NJ_SKETCH_ERROR + 1e-9))
        fail_msg("%.12g where the samples say %.12g", got, wanted);
}

static void every_percentile_is_within_the_promised_error(void **state)
{
    (void)state;
    static const double quantiles[] = {0, 0.01, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    for (int shape = 0; shape < 4; shape++) {
        unsigned short seed[3] = {1, 2, (unsigned short)shape};
        struct nj_sketch sketch = {0};
        double sum = 0;
        for (int i = 0; i < SAMPLES; i++) {
            samples[i] = draw(shape, seed);
            sum += samples[i];
            nj_sketch_add(&sketch, samples[i]);
        }
        qsort(samples, SAMPLES, sizeof(samples[0]), compare);
        for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
            assert_near(nj_sketch_quantile(&sketch, quantiles[i]),
                        samples[(size_t)(quantiles[i] * (SAMPLES - 1))]);
        assert_true(sketch.min == samples[0] && sketch.max == samples[SAMPLES - 1]);
        assert_true(sketch.sum == sum);
        assert_int_equal(sketch.count, SAMPLES);
        nj_sketch_done(&sketch);
    }
}

static void an_empty_one_has_no_percentile(void **state)
{
    (void)state;
    struct nj_sketch sketch = {0}, other = {0};
    assert_true(nj_sketch_quantile(&sketch, 0.5) == 0);
    nj_sketch_merge(&sketch, &other);
    assert_int_equal(sketch.count, 0);
    nj_sketch_add(&other, 3);
    nj_sketch_merge(&sketch, &other);
    assert_true(sketch.min == 3 && sketch.max == 3);
    assert_true(nj_sketch_quantile(&sketch, 0.5) == 3);
    nj_sketch_clear(&sketch);
    assert_true(sketch.count == 0 && sketch.sum == 0 && nj_sketch_quantile(&sketch, 1) == 0);
    nj_sketch_done(&sketch);
    nj_sketch_done(&other);
}

static void odd_values_count_as_the_nearest(void **state)
{
    (void)state;
    struct nj_sketch sketch = {0};
    static const double small[] = {0, -1, 1e-10, -INFINITY, NAN};
    for (size_t i = 0; i < 5; i++)
        nj_sketch_add(&sketch, small[i]);
    assert_int_equal(sketch.zeros, 5);
    assert_true(sketch.min == 0 && sketch.max == 0 && sketch.sum == 0);
    nj_sketch_add(&sketch, INFINITY);
    nj_sketch_add(&sketch, 1e300);
    assert_true(sketch.max == NJ_SKETCH_MAX && sketch.sum == 2 * NJ_SKETCH_MAX);
    assert_true(nj_sketch_quantile(&sketch, 0.5) == 0);
    assert_near(nj_sketch_quantile(&sketch, 1), NJ_SKETCH_MAX);
    nj_sketch_done(&sketch);
}

static void assert_same(const struct nj_sketch *a, const struct nj_sketch *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->zeros, b->zeros);
    assert_true(a->min == b->min && a->max == b->max);
    assert_int_equal(a->buckets_count, b->buckets_count);
    for (uint32_t i = 0; i < a->buckets_count; i++) {
        assert_int_equal(a->buckets[i].index, b->buckets[i].index);
        assert_int_equal(a->buckets[i].count, b->buckets[i].count);
    }
}

static void merged_parts_are_what_all_values_together_are(void **state)
{
    (void)state;
    enum { PARTS = 7 };
    for (int shape = 0; shape < 4; shape++) {
        unsigned short seed[3] = {7, 8, (unsigned short)shape};
        struct nj_sketch parts[PARTS] = {{0}}, all = {0}, merged = {0};
        for (int i = 0; i < SAMPLES; i++) {
            double value = i % 100 == 0 ? 0 : draw(shape, seed);
            nj_sketch_add(&all, value);
            nj_sketch_add(&parts[nrand48(seed) % PARTS], value);
        }
        for (int i = 0; i < PARTS; i++) {
            nj_sketch_merge(&merged, &parts[i]);
            nj_sketch_done(&parts[i]);
        }
        assert_same(&merged, &all);
        assert_true(fabs(merged.sum - all.sum) <= all.sum * 1e-12);
        nj_sketch_done(&merged);
        nj_sketch_done(&all);
    }
}

/* Over more powers of ten than there are buckets: the lowest ones lose, the high percentiles do not. */
static void beyond_its_buckets_only_the_low_percentiles_suffer(void **state)
{
    (void)state;
    unsigned short seed[3] = {3, 2, 1};
    struct nj_sketch whole = {0}, halves[2] = {{0}};
    for (int i = 0; i < SAMPLES; i++) {
        samples[i] = pow(10, random_between(seed, -9, 15));
        nj_sketch_add(&whole, samples[i]);
        nj_sketch_add(&halves[i % 2], samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    assert_int_equal(whole.buckets_count, NJ_SKETCH_BUCKETS_MAX);
    nj_sketch_merge(&halves[0], &halves[1]);
    assert_same(&halves[0], &whole);
    static const double quantiles[] = {0.7, 0.9, 0.95, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        assert_near(nj_sketch_quantile(&whole, quantiles[i]),
                    samples[(size_t)(quantiles[i] * (SAMPLES - 1))]);
    assert_true(nj_sketch_quantile(&whole, 0) >= whole.min);

    struct nj_buf bytes = {.max = NJ_SKETCH_BYTES_MAX};
    assert_int_equal(nj_sketch_encode(&whole, &bytes), 0);
    nj_buf_done(&bytes);
    nj_sketch_done(&whole);
    nj_sketch_done(&halves[0]);
    nj_sketch_done(&halves[1]);
}

static void it_travels_unchanged_in_few_bytes(void **state)
{
    (void)state;
    for (int values = 0; values < 4; values++) {
        unsigned short seed[3] = {9, 9, (unsigned short)values};
        struct nj_sketch sketch = {0}, back = {0};
        struct nj_buf bytes = {.max = NJ_SKETCH_BYTES_MAX};
        for (int i = 0; i < values * 2; i++)
            nj_sketch_add(&sketch, i == 0 ? 0 : random_between(seed, 0.01, 0.02));
        assert_int_equal(nj_sketch_encode(&sketch, &bytes), 0);
        assert_true(bytes.len < 50);
        void *exact = malloc(bytes.len);
        assert_non_null(exact);
        memcpy(exact, bytes.data, bytes.len);
        assert_int_equal(nj_sketch_decode(exact, bytes.len, &back), 0);
        assert_same(&sketch, &back);
        assert_true(sketch.sum == back.sum);
        free(exact);
        nj_sketch_done(&back);
        nj_sketch_done(&sketch);
        nj_buf_done(&bytes);
    }
    struct nj_sketch sketch = {0};
    struct nj_buf small = {.max = 20};
    nj_sketch_add(&sketch, 1);
    assert_int_equal(nj_sketch_encode(&sketch, &small), -EOVERFLOW);
    nj_buf_done(&small);
    nj_sketch_done(&sketch);
}

static void bytes_that_nobody_encoded_are_refused(void **state)
{
    (void)state;
    struct nj_sketch sketch = {0}, kept = {.count = 42}, back = kept;
    struct nj_buf bytes = {0};
    for (int i = 0; i < 20; i++)
        nj_sketch_add(&sketch, i * 0.1);
    assert_int_equal(nj_sketch_encode(&sketch, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) { /* cut anywhere */
        char *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, bytes.data, len);
        assert_int_equal(nj_sketch_decode(exact, len, &back), -EBADMSG);
        free(exact);
    }
    assert_int_equal(nj_buf_append_char(&bytes, 0), 0); /* something behind it */
    assert_int_equal(nj_sketch_decode(bytes.data, bytes.len, &back), -EBADMSG);
    bytes.data[0] = 2; /* another version */
    assert_int_equal(nj_sketch_decode(bytes.data, bytes.len - 1, &back), -EBADMSG);
    assert_memory_equal(&back, &kept, sizeof(kept));
    nj_sketch_done(&sketch);

    /* Of one value: a maximum below the minimum, no number, infinity, a bucket of nothing. */
    nj_sketch_add(&sketch, 1);
    static const struct {
        size_t at;
        double value;
    } patches[] = {{18, 0.5}, {10, NAN}, {18, INFINITY}, {2, NAN}, {2, -1}, {10, 0}};
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        nj_buf_clear(&bytes);
        assert_int_equal(nj_sketch_encode(&sketch, &bytes), 0);
        memcpy(bytes.data + patches[i].at, &patches[i].value, sizeof(double));
        assert_int_equal(nj_sketch_decode(bytes.data, bytes.len, &back), -EBADMSG);
    }
    nj_buf_clear(&bytes);
    assert_int_equal(nj_sketch_encode(&sketch, &bytes), 0);
    bytes.data[bytes.len - 1] = 0;
    assert_int_equal(nj_sketch_decode(bytes.data, bytes.len, &back), -EBADMSG);
    nj_buf_done(&bytes);
    nj_sketch_done(&sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_percentile_is_within_the_promised_error),
        cmocka_unit_test(an_empty_one_has_no_percentile),
        cmocka_unit_test(odd_values_count_as_the_nearest),
        cmocka_unit_test(merged_parts_are_what_all_values_together_are),
        cmocka_unit_test(beyond_its_buckets_only_the_low_percentiles_suffer),
        cmocka_unit_test(it_travels_unchanged_in_few_bytes),
        cmocka_unit_test(bytes_that_nobody_encoded_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
