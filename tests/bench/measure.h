/*
 * What the benchmarks' C programs share: clocks, whole files, giving up. One thread.
 */
#ifndef NJ_BENCH_MEASURE_H
#define NJ_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* CPU time of this process, which a busy machine disturbs least; and monotonic time. ns. */
int64_t nj_bench_cpu_ns(void);
int64_t nj_bench_mono_ns(void);

/* The whole file; the caller frees it. */
char *nj_bench_read(const char *path, size_t *ret_len);

/* Says why on stderr and exits with 1: a benchmark that cannot measure has no number to give. */
void nj_bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Sorts `values`; the value below which `share` (0..1) of them lie. */
int64_t nj_bench_percentile(int64_t *values, size_t count, double share);

#endif
