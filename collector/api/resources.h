/*
 * What the resource endpoints share: figures of a group of containers, summed up over a range of time.
 *
 * A group of several series (a workload's pods) is a total: at each point in time the sum over its series.
 */
#ifndef NJ_API_RESOURCES_H
#define NJ_API_RESOURCES_H

#include "collector/api/internal.h"
#include "common/base/sketch.h"

/* Columns of the table, in its order; `nj_api_resource_columns` has their names. */
enum nj_resource_column {
    NJ_COLUMN_CPU_AVERAGE,
    NJ_COLUMN_CPU_P95,
    NJ_COLUMN_CPU_MAXIMUM,
    NJ_COLUMN_CPU_REQUEST,
    NJ_COLUMN_CPU_LIMIT,
    NJ_COLUMN_CPU_USE_OF_REQUEST,
    NJ_COLUMN_CPU_USE_OF_LIMIT,
    NJ_COLUMN_CPU_WASTE,
    NJ_COLUMN_MEMORY_AVERAGE,
    NJ_COLUMN_MEMORY_P95,
    NJ_COLUMN_MEMORY_MAXIMUM,
    NJ_COLUMN_MEMORY_REQUEST,
    NJ_COLUMN_MEMORY_LIMIT,
    NJ_COLUMN_MEMORY_USE_OF_REQUEST,
    NJ_COLUMN_MEMORY_USE_OF_LIMIT,
    NJ_COLUMN_MEMORY_WASTE,
    NJ_COLUMN_THROTTLED_AVERAGE,
    NJ_COLUMN_THROTTLED_P95,
    NJ_COLUMN_THROTTLED_MAXIMUM,
    NJ_COLUMN_GPU_AVERAGE,
    NJ_COLUMN_GPU_P95,
    NJ_COLUMN_GPU_MAXIMUM,
    NJ_COLUMN_GPU_MEMORY_AVERAGE,
    NJ_COLUMN_GPU_MEMORY_P95,
    NJ_COLUMN_GPU_MEMORY_MAXIMUM,
    NJ_COLUMN_OOM_KILLS,
    NJ_COLUMNS
};
extern const char *const nj_api_resource_columns[NJ_COLUMNS]; /* "cpu.average" */

/* One metric of a total over time. */
struct nj_resource_metric {
    double now, now_most;     /* sums of averages and of maxima at the point that is being read */
    bool now_any;             /* it has any */
    struct nj_sketch totals;  /* of the sums of averages */
    double most;              /* of the sums of maxima */
    struct nj_sketch samples; /* of a single series: its own, which are exact; of throttling all of them */
};

/* Requests or limits beside use: sums over the points, and at the point that is being read. */
struct nj_resource_given {
    double request_now, limit_now, request, limit; /* `request`, `limit`: of the latest point */
    bool unlimited_now, unlimited;                 /* a container has none */
    double use_sum, request_sum, waste_sum;        /* of points with a request and a use, */
    uint64_t points;                               /* so many */
};

struct nj_resource_sum {
    int64_t start_ns, series; /* of the latest point; series -1: there are several */
    uint64_t points, oom_kills;
    struct nj_resource_metric metrics[NJ_USAGE_METRICS];
    struct nj_resource_given cpu, memory;
};

/* `points` in the order of their beginnings. -EUCLEAN for a sketch that is none. */
int nj_resource_sum_add(struct nj_resource_sum *sum, const struct nj_usage_point *point, struct nj_err *err);
void nj_resource_sum_finish(struct nj_resource_sum *sum); /* after the last point */
/* The columns' values; NAN: not known. */
void nj_resource_sum_values(const struct nj_resource_sum *sum, double ret_values[NJ_COLUMNS]);
void nj_resource_sum_done(struct nj_resource_sum *sum);

/* As objects: "cpu":{"average":...},...; columns with the same first name follow each other. */
void nj_resource_append_values(struct nj_buf *out, const double values[NJ_COLUMNS]);

enum { NJ_RESOURCE_ROWS_MAX = 2000000 /* read for an answer */ };
int nj_resource_too_many(struct nj_err *err); /* -EOVERFLOW */

/* Parameters of which containers: cluster, namespace, workload, pod, container, node. */
void nj_resource_filter(struct nj_api_call *call);

#endif
