/*
 * What went wrong in a range of time, by Service, status and cause.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/api/internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum {
    ROWS_MAX = 1000000,   /* points read for an answer */
    SERVICES_MAX = 20000, /* in an answer */
    ERRORS_MAX = 256,     /* different ones of a service; further ones are "other" */
    MINUTES_H = 2,        /* a range up to so long is summed up from minutes, */
    HOURS_D = 14,         /* up to this from hours, else from days */
};

struct error {
    char cause[32];
    int32_t status;
    uint64_t count;
};

/* A Service, or a monitor that belongs to none. */
struct service {
    char *key; /* namespace, '\0', Service, '\0', monitor */
    size_t key_len;
    const char *namespace, *name, *monitor; /* within key */
    uint64_t runs, failures;
    struct error *errors;
    size_t errors_count;
    UT_hash_handle hh;
};

struct summing {
    struct nj_err *err;
    struct service *services; /* by key */
    struct service **all;
    size_t count;
    int64_t rows;
};

static struct service *find_or_add(struct summing *summing, const struct nj_series_point *point)
{
    const char *monitor = nj_str(point->service)[0] == '\0' ? nj_str(point->monitor) : "";
    struct nj_buf key = {0};
    struct service *service = NULL;
    (void)nj_buf_append(&key, nj_str(point->namespace), strlen(nj_str(point->namespace)) + 1);
    size_t name_at = key.len;
    (void)nj_buf_append(&key, nj_str(point->service), strlen(nj_str(point->service)) + 1);
    size_t monitor_at = key.len;
    (void)nj_buf_append(&key, monitor, strlen(monitor) + 1);
    HASH_FIND(hh, summing->services, key.data, key.len, service);
    if (service == NULL && summing->count < SERVICES_MAX) {
        service = NJ_NEW(struct service);
        service->key_len = key.len;
        service->key = nj_buf_take(&key);
        service->namespace = service->key;
        service->name = service->key + name_at;
        service->monitor = service->key + monitor_at;
        HASH_ADD_KEYPTR(hh, summing->services, service->key, service->key_len, service);
        if ((summing->count & (summing->count - 1)) == 0)
            summing->all = nj_realloc(summing->all, summing->count == 0 ? 1 : 2 * summing->count,
                                      sizeof(struct service *));
        summing->all[summing->count++] = service;
    }
    nj_buf_done(&key);
    return service;
}

static struct error *find_error(const struct service *service, const char *cause, int32_t status)
{
    for (size_t i = 0; i < service->errors_count; i++) {
        if (service->errors[i].status == status && strcmp(service->errors[i].cause, cause) == 0)
            return &service->errors[i];
    }
    return NULL;
}

static void add_error(struct service *service, const struct nj_rollup_error_count *from)
{
    char cause[sizeof(service->errors[0].cause)];
    int32_t status = from->status;
    (void)snprintf(cause, sizeof(cause), "%s", nj_str(from->cause));
    struct error *error = find_error(service, cause, status);
    if (error == NULL && service->errors_count >= ERRORS_MAX - 1) {
        (void)snprintf(cause, sizeof(cause), "other");
        status = 0;
        error = find_error(service, cause, status);
    }
    if (error == NULL) {
        service->errors = nj_realloc(service->errors, service->errors_count + 1, sizeof(service->errors[0]));
        error = &service->errors[service->errors_count++];
        *error = (struct error){.status = status};
        (void)snprintf(error->cause, sizeof(error->cause), "%s", cause);
    }
    error->count += from->count;
}

static int on_point(void *data, const struct nj_series_point *point)
{
    struct summing *summing = data;
    struct service *service = ++summing->rows > ROWS_MAX ? NULL : find_or_add(summing, point);
    if (service == NULL)
        return nj_err_set(summing->err, -EOVERFLOW,
                          "more than %d points of %d services would be summed up: ask for a shorter time, or "
                          "one namespace",
                          ROWS_MAX, SERVICES_MAX);
    service->runs += point->runs;
    service->failures += point->failures;
    for (size_t i = 0; i < point->errors_count; i++)
        add_error(service, &point->errors[i]);
    return 0;
}

static int by_count(const void *a, const void *b)
{
    const struct error *one = a, *other = b;
    if (one->count != other->count)
        return one->count < other->count ? 1 : -1;
    int rc = strcmp(one->cause, other->cause);
    return rc != 0 ? rc : (one->status > other->status) - (one->status < other->status);
}

static int by_name(const void *a, const void *b)
{
    const struct service *one = *(struct service *const *)a, *other = *(struct service *const *)b;
    int rc = strcmp(one->namespace, other->namespace);
    if (rc == 0)
        rc = strcmp(one->name, other->name);
    return rc != 0 ? rc : strcmp(one->monitor, other->monitor);
}

static void append_errors(struct nj_buf *out, struct service *service)
{
    if (service->errors_count > 0)
        qsort(service->errors, service->errors_count, sizeof(service->errors[0]), by_count);
    for (size_t i = 0; i < service->errors_count; i++) {
        const struct error *error = &service->errors[i];
        nj_api_object_begin(out);
        nj_api_field(out, "namespace", service->namespace);
        nj_api_field(out, "service", service->name);
        nj_api_field(out, "monitor", service->monitor);
        nj_api_field(out, "cause", error->cause);
        nj_api_field_int(out, "status", error->status);
        nj_api_field_int(out, "count", (int64_t)error->count);
        nj_api_field_share(out, "share", error->count, service->runs);
        nj_api_field_int(out, "runs", (int64_t)service->runs);
        nj_api_field_int(out, "failures", (int64_t)service->failures);
        nj_api_object_end(out);
    }
}

static int query_errors(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct nj_buf *out = &call->body;
    struct summing summing = {.err = err};
    int rc = store->ops->each_point(store, &call->series, on_point, &summing, err);
    HASH_CLEAR(hh, summing.services);
    if (summing.count > 0)
        qsort(summing.all, summing.count, sizeof(struct service *), by_name);
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", call->series.from_ns);
    nj_api_field_time(out, "to", call->series.until_ns);
    nj_api_array_begin(out, "items");
    for (size_t i = 0; i < summing.count; i++) {
        struct service *service = summing.all[i];
        append_errors(out, service);
        free(service->errors);
        free(service->key);
        free(service);
    }
    free(summing.all);
    nj_api_array_end(out);
    nj_api_object_end(out);
    return rc;
}

void nj_api_errors(struct nj_api_call *call)
{
    struct nj_series_filter *filter = &call->series;
    filter->cluster = call->config->cluster;
    filter->namespace = nj_api_param(call, "namespace");
    filter->service = nj_api_param(call, "service");
    if (!nj_api_param_range(call))
        return;
    int64_t range_ns = filter->until_ns - filter->from_ns;
    filter->resolution = range_ns <= MINUTES_H * NJ_HOUR ? NJ_RESOLUTION_MINUTE
                         : range_ns <= HOURS_D * NJ_DAY  ? NJ_RESOLUTION_HOUR
                                                         : NJ_RESOLUTION_DAY;
    filter->from_ns -= filter->from_ns % nj_resolution_ns(filter->resolution);
    nj_api_run(call, query_errors);
}
