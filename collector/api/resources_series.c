/*
 * What containers used over time: the total of those that are asked for, point by point; or a node's own.
 */
#include <errno.h>

#include "collector/api/resources.h"
#include "common/base/clock.h"

struct drawing {
    struct nj_api_call *call;
    struct nj_err *err;
    struct nj_resource_sum sum; /* of the point that is being read */
    int64_t start_ns, read;
};

/* Writes the point, if there is one, and begins anew. */
static void flush(struct drawing *drawing)
{
    struct nj_buf *out = &drawing->call->body;
    double values[NJ_COLUMNS];
    if (drawing->start_ns == 0)
        return;
    nj_resource_sum_finish(&drawing->sum);
    nj_resource_sum_values(&drawing->sum, values);
    nj_resource_sum_done(&drawing->sum);
    drawing->sum = (struct nj_resource_sum){0};
    nj_api_object_begin(out);
    nj_api_field_time(out, "start", drawing->start_ns);
    nj_resource_append_values(out, values);
    nj_api_object_end(out);
}

static int on_point(void *data, const struct nj_usage_point *point)
{
    struct drawing *drawing = data;
    if (++drawing->read > NJ_RESOURCE_ROWS_MAX)
        return nj_resource_too_many(drawing->err);
    if (point->start_ns != drawing->start_ns)
        flush(drawing);
    drawing->start_ns = point->start_ns;
    return nj_resource_sum_add(&drawing->sum, point, drawing->err);
}

static int query_series(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_buf *out = &call->body;
    struct drawing drawing = {.call = call, .err = err};
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", call->usage.from_ns);
    nj_api_field_time(out, "to", call->usage.until_ns);
    nj_api_field(out, "step", nj_resolution_name(call->usage.resolution));
    nj_api_array_begin(out, "items");
    int rc = store->ops->each_usage(store, &call->usage, false, on_point, &drawing, err);
    if (rc == 0)
        flush(&drawing);
    nj_resource_sum_done(&drawing.sum);
    nj_api_array_end(out);
    nj_api_object_end(out);
    return rc == -E2BIG ? -EOVERFLOW : rc;
}

void nj_api_resource_series(struct nj_api_call *call)
{
    struct nj_usage_filter *filter = &call->usage;
    nj_resource_filter(call);
    if (!nj_api_param_range(call) || !nj_api_param_step(call, nj_api_param(call, "step")))
        return;
    filter->from_ns = call->series.from_ns;
    filter->until_ns = call->series.until_ns;
    filter->resolution = call->series.resolution;
    filter->nodes = filter->node != NULL && filter->namespace == NULL && filter->workload == NULL &&
                    filter->pod == NULL && filter->container == NULL;
    if (filter->namespace == NULL && filter->node == NULL)
        nj_api_problem(call, 400, "which series? Give namespace, or node");
    else
        nj_api_run(call, query_series);
}
