/*
 * How checks did over time: points of one target, or merged over those of a monitor or Service.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"

enum {
    POINTS_MAX = 1500,  /* in an answer: a day of minutes is 1440 */
    ROWS_MAX = 1000000, /* read for one */
    ERRORS_MAX = 64,    /* different ones in a point; further ones are "other" */
    AUTO_POINTS = 400,  /* as many as a picture can show */
};

/* A point in the making. */
struct merging {
    struct nj_api_call *call;
    struct nj_err *err;
    int64_t start_ns, rows;
    uint64_t runs, failures;
    struct nj_sketch latency;
    struct error {
        char cause[32];
        int32_t status;
        uint64_t count;
    } errors[ERRORS_MAX];
    size_t errors_count;
};

static struct error *find_error(struct merging *merging, const char *cause, int32_t status)
{
    for (size_t i = 0; i < merging->errors_count; i++) {
        struct error *error = &merging->errors[i];
        if (error->status == status && strcmp(error->cause, cause) == 0)
            return error;
    }
    return NULL;
}

static void add_error(struct merging *merging, const char *cause, int32_t status, uint64_t count)
{
    char name[sizeof(merging->errors[0].cause)];
    (void)snprintf(name, sizeof(name), "%s", cause);
    struct error *error = find_error(merging, name, status);
    if (error == NULL && merging->errors_count >= ERRORS_MAX - 1) {
        (void)snprintf(name, sizeof(name), "other");
        status = 0;
        error = find_error(merging, name, status);
    }
    if (error == NULL) {
        error = &merging->errors[merging->errors_count++];
        *error = (struct error){.status = status};
        (void)snprintf(error->cause, sizeof(error->cause), "%s", name);
    }
    error->count += count;
}

static void append_latency(struct nj_buf *out, const struct nj_sketch *latency)
{
    bool known = latency->count > 0;
    nj_api_field_ms(out, "p50", known, nj_sketch_quantile(latency, 0.5));
    nj_api_field_ms(out, "p90", known, nj_sketch_quantile(latency, 0.9));
    nj_api_field_ms(out, "p99", known, nj_sketch_quantile(latency, 0.99));
    nj_api_field_ms(out, "max", known, latency->max);
    nj_api_field_ms(out, "avg", known, known ? latency->sum / (double)latency->count : 0);
}

/* Writes the point, if there is one, and begins anew. */
static void flush(struct merging *merging)
{
    struct nj_buf *out = &merging->call->body;
    if (merging->runs == 0)
        return;
    nj_api_object_begin(out);
    nj_api_field_time(out, "start", merging->start_ns);
    nj_api_field_int(out, "runs", (int64_t)merging->runs);
    nj_api_field_int(out, "failures", (int64_t)merging->failures);
    append_latency(out, &merging->latency);
    nj_api_array_begin(out, "errors");
    for (size_t i = 0; i < merging->errors_count; i++) {
        nj_api_object_begin(out);
        nj_api_field(out, "cause", merging->errors[i].cause);
        nj_api_field_int(out, "status", merging->errors[i].status);
        nj_api_field_int(out, "count", (int64_t)merging->errors[i].count);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
    nj_api_object_end(out);
    merging->runs = merging->failures = 0;
    merging->errors_count = 0;
    nj_sketch_clear(&merging->latency);
}

static int on_point(void *data, const struct nj_series_point *point)
{
    struct merging *merging = data;
    if (++merging->rows > ROWS_MAX)
        return nj_err_set(merging->err, -EOVERFLOW,
                          "more than %d points would be read: ask for a shorter time, a longer step, or one "
                          "target",
                          ROWS_MAX);
    if (point->start_ns != merging->start_ns)
        flush(merging);
    merging->start_ns = point->start_ns;
    merging->runs += point->runs;
    merging->failures += point->failures;
    for (size_t i = 0; i < point->errors_count; i++)
        add_error(merging, nj_str(point->errors[i].cause), point->errors[i].status, point->errors[i].count);
    if (point->latency_len == 0)
        return 0;
    struct nj_sketch latency = {0};
    int rc = nj_sketch_decode(point->latency, point->latency_len, &latency);
    if (rc < 0)
        return nj_err_set(merging->err, -EUCLEAN, "the latencies of %s, %s are damaged", point->monitor,
                          point->target);
    nj_sketch_merge(&merging->latency, &latency);
    nj_sketch_done(&latency);
    return 0;
}

static int query_series(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_buf *out = &call->body;
    struct merging merging = {.call = call, .err = err};
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", call->series.from_ns);
    nj_api_field_time(out, "to", call->series.until_ns);
    nj_api_field(out, "step", nj_resolution_name(call->series.resolution));
    nj_api_array_begin(out, "items");
    int rc = store->ops->each_point(store, &call->series, on_point, &merging, err);
    if (rc == 0)
        flush(&merging);
    nj_sketch_done(&merging.latency);
    nj_api_array_end(out);
    nj_api_object_end(out);
    return rc;
}

bool nj_api_param_range(struct nj_api_call *call)
{
    struct nj_series_filter *filter = &call->series;
    filter->until_ns = nj_loop_wall_ns(call->api->options.loop);
    if (!nj_api_param_time(call, "to", &filter->until_ns))
        return false;
    filter->from_ns = filter->until_ns - NJ_HOUR;
    if (!nj_api_param_time(call, "from", &filter->from_ns))
        return false;
    if (filter->from_ns < filter->until_ns && filter->from_ns >= 0)
        return true;
    nj_api_problem(call, 400, "from: it must be before to");
    return false;
}

bool nj_api_param_step(struct nj_api_call *call, const char *step)
{
    struct nj_series_filter *filter = &call->series;
    int64_t range_ns = filter->until_ns - filter->from_ns;
    if (step == NULL || nj_streq(step, "auto")) {
        filter->resolution = NJ_RESOLUTION_MINUTE;
        while (filter->resolution < NJ_RESOLUTION_DAY &&
               range_ns / nj_resolution_ns(filter->resolution) > AUTO_POINTS)
            filter->resolution++;
    } else if (nj_resolution_parse(step, &filter->resolution) < 0) {
        nj_api_problem(call, 400, "step: '%s' is none of auto, minute, hour, day", step);
        return false;
    }
    int64_t step_ns = nj_resolution_ns(filter->resolution);
    filter->from_ns -= filter->from_ns % step_ns;
    if ((filter->until_ns - filter->from_ns) / step_ns <= POINTS_MAX)
        return true;
    nj_api_problem(call, 400, "from and to are more than %d steps apart: ask for a longer step", POINTS_MAX);
    return false;
}

void nj_api_series(struct nj_api_call *call)
{
    struct nj_series_filter *filter = &call->series;
    filter->cluster = call->config->cluster;
    filter->monitor = nj_api_param(call, "monitor");
    filter->target = nj_api_param(call, "target");
    filter->namespace = nj_api_param(call, "namespace");
    filter->service = nj_api_param(call, "service");
    if (!nj_api_param_range(call) || !nj_api_param_step(call, nj_api_param(call, "step")))
        return;
    if (filter->monitor == NULL && (filter->service == NULL || filter->namespace == NULL))
        nj_api_problem(call, 400, "which series? Give monitor, or namespace and service");
    else if (filter->target != NULL && filter->monitor == NULL)
        nj_api_problem(call, 400, "target: it is one of a monitor, give that too");
    else
        nj_api_run(call, query_series);
}
