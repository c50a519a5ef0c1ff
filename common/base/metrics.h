/*
 * Counters, gauges and histograms, and their text in the Prometheus exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Names follow Prometheus' conventions:
 * nightjar_ prefix, base units, _total for counters.
 *
 * A registry owns its families and series; they live until nj_metrics_free(). Updating a series is lock-free
 * and may be done from any thread; creating and rendering are for the loop's thread.
 */
#ifndef NJ_BASE_METRICS_H
#define NJ_BASE_METRICS_H

#include <stdint.h>

#include "common/base/buf.h"

struct nj_metrics;
struct nj_counter;
struct nj_gauge;
struct nj_histogram;

struct nj_metrics *nj_metrics_new(void);
void nj_metrics_free(struct nj_metrics *metrics);

/* Each returns the series of that name and labels, made at the first call. `labels` is "" or the inside of
 * the braces, already escaped: `reason="rate"`. Help and type must agree with earlier calls of the same name.
 * Never NULL. */
struct nj_counter *nj_metrics_counter(struct nj_metrics *metrics, const char *name, const char *labels,
                                      const char *help);
struct nj_gauge *nj_metrics_gauge(struct nj_metrics *metrics, const char *name, const char *labels,
                                  const char *help);
/* `bounds` are ascending upper bounds, +Inf implied; at most 32. */
struct nj_histogram *nj_metrics_histogram(struct nj_metrics *metrics, const char *name, const char *labels,
                                          const char *help, const double *bounds, int bounds_count);

/* All take NULL as "no series": a module can be used without metrics, as in its unit tests. */
void nj_counter_add(struct nj_counter *counter, uint64_t amount);
uint64_t nj_counter_get(const struct nj_counter *counter);
void nj_gauge_set(struct nj_gauge *gauge, int64_t value);
void nj_gauge_add(struct nj_gauge *gauge, int64_t amount);
void nj_histogram_observe(struct nj_histogram *histogram, double value);

/* Appends every family in the order of creation, then the process_* family (start time, resident memory, CPU
 * seconds, open and maximum fds) of the running process. */
int nj_metrics_render(const struct nj_metrics *metrics, struct nj_buf *out);

#endif
