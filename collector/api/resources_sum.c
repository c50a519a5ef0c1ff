#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/resources.h"

static const double P95 = 0.95;

const char *const nj_api_resource_columns[NJ_COLUMNS] = {
    [NJ_COLUMN_CPU_AVERAGE] = "cpu.average",
    [NJ_COLUMN_CPU_P95] = "cpu.p95",
    [NJ_COLUMN_CPU_MAXIMUM] = "cpu.maximum",
    [NJ_COLUMN_CPU_REQUEST] = "cpu.request",
    [NJ_COLUMN_CPU_LIMIT] = "cpu.limit",
    [NJ_COLUMN_CPU_USE_OF_REQUEST] = "cpu.useOfRequest",
    [NJ_COLUMN_CPU_USE_OF_LIMIT] = "cpu.useOfLimit",
    [NJ_COLUMN_CPU_WASTE] = "cpu.waste",
    [NJ_COLUMN_MEMORY_AVERAGE] = "memory.average",
    [NJ_COLUMN_MEMORY_P95] = "memory.p95",
    [NJ_COLUMN_MEMORY_MAXIMUM] = "memory.maximum",
    [NJ_COLUMN_MEMORY_REQUEST] = "memory.request",
    [NJ_COLUMN_MEMORY_LIMIT] = "memory.limit",
    [NJ_COLUMN_MEMORY_USE_OF_REQUEST] = "memory.useOfRequest",
    [NJ_COLUMN_MEMORY_USE_OF_LIMIT] = "memory.useOfLimit",
    [NJ_COLUMN_MEMORY_WASTE] = "memory.waste",
    [NJ_COLUMN_THROTTLED_AVERAGE] = "throttled.average",
    [NJ_COLUMN_THROTTLED_P95] = "throttled.p95",
    [NJ_COLUMN_THROTTLED_MAXIMUM] = "throttled.maximum",
    [NJ_COLUMN_GPU_AVERAGE] = "gpu.average",
    [NJ_COLUMN_GPU_P95] = "gpu.p95",
    [NJ_COLUMN_GPU_MAXIMUM] = "gpu.maximum",
    [NJ_COLUMN_GPU_MEMORY_AVERAGE] = "gpuMemory.average",
    [NJ_COLUMN_GPU_MEMORY_P95] = "gpuMemory.p95",
    [NJ_COLUMN_GPU_MEMORY_MAXIMUM] = "gpuMemory.maximum",
    [NJ_COLUMN_OOM_KILLS] = "oomKills",
};

/* The point is complete. */
static void close_given(struct nj_resource_given *given, const struct nj_resource_metric *metric)
{
    given->request = given->request_now;
    given->limit = given->limit_now;
    given->unlimited = given->unlimited_now;
    if (given->request_now > 0 && metric->now_any) {
        given->use_sum += metric->now;
        given->request_sum += given->request_now;
        given->waste_sum += fmax(0, given->request_now - metric->now);
        given->points++;
    }
    given->request_now = given->limit_now = 0;
    given->unlimited_now = false;
}

void nj_resource_sum_finish(struct nj_resource_sum *sum)
{
    if (sum->start_ns == 0)
        return;
    close_given(&sum->cpu, &sum->metrics[NJ_USAGE_CPU]);
    close_given(&sum->memory, &sum->metrics[NJ_USAGE_MEMORY]);
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        struct nj_resource_metric *metric = &sum->metrics[i];
        if (metric->now_any) {
            nj_sketch_add(&metric->totals, metric->now);
            metric->most = fmax(metric->most, metric->now_most);
        }
        metric->now = metric->now_most = 0;
        metric->now_any = false;
    }
    sum->points++;
    sum->start_ns = 0;
}

static void add_given(struct nj_resource_given *given, double request, double limit)
{
    given->request_now += request;
    given->limit_now += limit;
    given->unlimited_now = given->unlimited_now || limit == 0;
}

static int add_metric(struct nj_resource_sum *sum, enum nj_usage_metric which,
                      const struct nj_usage_point *point, struct nj_err *err)
{
    struct nj_resource_metric *metric = &sum->metrics[which];
    struct nj_sketch sketch = {0};
    if (point->item.metrics[which].len == 0)
        return 0;
    if (nj_sketch_decode(point->item.metrics[which].sketch, point->item.metrics[which].len, &sketch) < 0)
        return nj_err_set(err, -EUCLEAN, "the %s of %s, %s is damaged", nj_usage_metric_name(which),
                          point->item.pod, point->item.container);
    if (sketch.count > 0) {
        metric->now_any = true;
        metric->now += sketch.sum / (double)sketch.count;
        metric->now_most += sketch.max;
        if (sum->series >= 0 || which == NJ_USAGE_THROTTLED)
            nj_sketch_merge(&metric->samples, &sketch);
    }
    nj_sketch_done(&sketch);
    return 0;
}

/* There are several series: what only one has is of no use. */
static void forget_samples(struct nj_resource_sum *sum)
{
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        if (i != NJ_USAGE_THROTTLED)
            nj_sketch_done(&sum->metrics[i].samples);
    }
}

int nj_resource_sum_add(struct nj_resource_sum *sum, const struct nj_usage_point *point, struct nj_err *err)
{
    const struct nj_usage_item *item = &point->item;
    if (sum->points == 0 && sum->start_ns == 0)
        sum->series = point->series;
    if (point->start_ns != sum->start_ns)
        nj_resource_sum_finish(sum);
    sum->start_ns = point->start_ns;
    if (sum->series >= 0 && point->series != sum->series) {
        sum->series = -1;
        forget_samples(sum);
    }
    sum->oom_kills += item->oom_kills;
    add_given(&sum->cpu, (double)item->cpu_request_millis / 1000, (double)item->cpu_limit_millis / 1000);
    add_given(&sum->memory, (double)item->memory_request_bytes, (double)item->memory_limit_bytes);
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        int rc = add_metric(sum, (enum nj_usage_metric)i, point, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* By nearest rank: of few points the larger, where between two. */
static double p95_of(const struct nj_sketch *sketch)
{
    if (sketch->count < 2)
        return sketch->max;
    double last = (double)(sketch->count - 1);
    double rank = ceil(P95 * (double)sketch->count) - 1;
    return nj_sketch_quantile(sketch, fmin(1, (rank + 0.5) / last));
}

/* Average, 95th percentile and maximum to three columns. */
static void metric_values(const struct nj_resource_metric *metric, double *ret_values)
{
    const struct nj_sketch *sketch = metric->samples.count > 0 ? &metric->samples : &metric->totals;
    bool known = sketch->count > 0;
    ret_values[0] = known ? sketch->sum / (double)sketch->count : NAN;
    ret_values[1] = known ? p95_of(sketch) : NAN;
    ret_values[2] = !known ? NAN : metric->samples.count > 0 ? sketch->max : metric->most;
}

/* Request, limit, use of both, and waste to five columns. */
static void given_values(const struct nj_resource_given *given, double maximum, double *ret_values)
{
    bool limited = given->limit > 0 && !given->unlimited;
    ret_values[0] = given->request > 0 ? given->request : NAN;
    ret_values[1] = limited ? given->limit : NAN;
    ret_values[2] = given->request_sum > 0 ? given->use_sum / given->request_sum : NAN;
    ret_values[3] = limited ? maximum / given->limit : NAN;
    ret_values[4] = given->points > 0 ? given->waste_sum / (double)given->points : NAN;
}

void nj_resource_sum_values(const struct nj_resource_sum *sum, double ret_values[NJ_COLUMNS])
{
    metric_values(&sum->metrics[NJ_USAGE_CPU], ret_values + NJ_COLUMN_CPU_AVERAGE);
    metric_values(&sum->metrics[NJ_USAGE_MEMORY], ret_values + NJ_COLUMN_MEMORY_AVERAGE);
    metric_values(&sum->metrics[NJ_USAGE_THROTTLED], ret_values + NJ_COLUMN_THROTTLED_AVERAGE);
    metric_values(&sum->metrics[NJ_USAGE_GPU], ret_values + NJ_COLUMN_GPU_AVERAGE);
    metric_values(&sum->metrics[NJ_USAGE_GPU_MEMORY], ret_values + NJ_COLUMN_GPU_MEMORY_AVERAGE);
    given_values(&sum->cpu, ret_values[NJ_COLUMN_CPU_MAXIMUM], ret_values + NJ_COLUMN_CPU_REQUEST);
    given_values(&sum->memory, ret_values[NJ_COLUMN_MEMORY_MAXIMUM], ret_values + NJ_COLUMN_MEMORY_REQUEST);
    ret_values[NJ_COLUMN_OOM_KILLS] = (double)sum->oom_kills;
}

void nj_resource_sum_done(struct nj_resource_sum *sum)
{
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        nj_sketch_done(&sum->metrics[i].totals);
        nj_sketch_done(&sum->metrics[i].samples);
    }
}

void nj_resource_append_values(struct nj_buf *out, const double values[NJ_COLUMNS])
{
    const char *open = ""; /* the object that is open */
    size_t open_len = 0;
    for (int i = 0; i < NJ_COLUMNS; i++) {
        const char *name = nj_api_resource_columns[i];
        const char *dot = strchr(name, '.');
        size_t len = dot == NULL ? 0 : (size_t)(dot - name);
        if (len != open_len || strncmp(name, open, len) != 0) {
            char object[32];
            if (open_len > 0)
                nj_api_object_end(out);
            (void)snprintf(object, sizeof(object), "%.*s", (int)len, name);
            if (len > 0)
                nj_api_object_field_begin(out, object);
            open = name;
            open_len = len;
        }
        nj_api_field_double(out, dot == NULL ? name : dot + 1, values[i]);
    }
    if (open_len > 0)
        nj_api_object_end(out);
}
