/*
 * Checks in REST: how they did over time, what failed, which there are with their targets, and trying one
 * that is not saved.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "common/probe/result.h"
#include "tests/unit/collector/api_support.h"

#define WRITE_TOKEN "write-0123456789abcdef"
#define READ_TOKEN "read-0123456789abcdef"

/* ---- series */

struct minute {
    const char *monitor, *target, *namespace, *service;
    int64_t minute_ns;
    uint32_t runs, failures;
    double seconds; /* of each run that passed */
    struct nj_rollup_error_count errors[2];
};

static void put_minute(struct api_setup *setup, const struct minute *minute)
{
    struct nj_sketch sketch = {0};
    struct nj_buf latency = {0};
    for (uint32_t i = minute->failures; i < minute->runs; i++)
        nj_sketch_add(&sketch, minute->seconds);
    assert_int_equal(nj_sketch_encode(&sketch, &latency), 0);
    const struct nj_check_rollup rollup = {.key = {minute->monitor, minute->target},
                                           .namespace = minute->namespace,
                                           .service = minute->service,
                                           .target_name = "name",
                                           .state = "passing",
                                           .runs = minute->runs,
                                           .failures = minute->failures,
                                           .errors = minute->errors,
                                           .errors_count =
                                               (minute->errors[0].count > 0) + (minute->errors[1].count > 0),
                                           .latency = latency.data,
                                           .latency_len = latency.len};
    const char *cluster = setup->config.cluster;
    api_begin(setup);
    assert_int_equal(setup->writer->ops->add_rollup(setup->writer, cluster, minute->minute_ns, &rollup, NULL),
                     0);
    api_commit(setup);
    nj_sketch_done(&sketch);
    nj_buf_done(&latency);
}

/* Two pods of shop/web in two minutes before noon, one of them in an hour of the day before, and a URL. */
static void open_with_series(struct api_setup *setup)
{
    const int64_t last = noon_ns - noon_ns % NJ_MIN - NJ_MIN;
    const struct minute minutes[] = {
        {"service.shop.web", "pod/1/80/IPv4", "shop", "web", last - NJ_MIN, 6, 0, 0.010, {{0}}},
        {"service.shop.web",
         "pod/2/80/IPv4",
         "shop",
         "web",
         last - NJ_MIN,
         6,
         2,
         0.030,
         {{"status", 500, 2}}},
        {"service.shop.web",
         "pod/2/80/IPv4",
         "shop",
         "web",
         last,
         6,
         6,
         0,
         {{"status", 500, 4}, {"timeout", 0, 2}}},
        {"service.shop.web", "pod/2/80/IPv4", "shop", "web", last - NJ_DAY, 6, 1, 0.1, {{"refused", 0, 1}}},
        {"apimonitor.shop.api", "url", "shop", "", last, 10, 1, 0.2, {{"certificate", 0, 1}}},
        {"service.bank.web", "pod/9/80/IPv4", "bank", "web", last, 6, 0, 0.5, {{0}}},
    };
    for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++)
        put_minute(setup, &minutes[i]);
    api_open(setup);
}

/* "runs/failures p50 [cause status xcount ...];" of each point. */
static void assert_points(struct api_setup *setup, const char *query, const char *step, const char *expected)
{
    struct reply reply;
    struct nj_buf out = {0};
    char target[512];
    (void)snprintf(target, sizeof(target), "/api/v1/series?%s", query);
    get(setup, &reply, target);
    if (reply.status != 200)
        fail_msg("%s: %s", target, reply.body);
    assert_string_equal(field(reply.json, "step"), step);
    json_object *items = json_object_object_get(reply.json, "items");
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        json_object *point = json_object_array_get_idx(items, i);
        json_object *errors = json_object_object_get(point, "errors");
        json_object *p50 = json_object_object_get(point, "p50");
        (void)nj_buf_printf(&out, "%s/%s ", field(point, "runs"), field(point, "failures"));
        if (p50 == NULL)
            (void)nj_buf_append_str(&out, "-");
        else
            (void)nj_buf_printf(&out, "%.0f", json_object_get_double(p50) / 10);
        for (size_t e = 0; e < json_object_array_length(errors); e++) {
            json_object *error = json_object_array_get_idx(errors, e);
            (void)nj_buf_printf(&out, " %s %s x%s", field(error, "cause"), field(error, "status"),
                                field(error, "count"));
        }
        (void)nj_buf_append_str(&out, "; ");
    }
    assert_string_equal(nj_buf_str(&out), expected);
    nj_buf_done(&out);
    reply_done(setup, &reply);
}

static void a_series_is_of_one_target_or_merged_over_a_service(void **state)
{
    struct api_setup *setup = *state;
    open_with_series(setup);
    assert_points(setup, "namespace=shop&service=web", "minute",
                  "12/2 1 status 500 x2; 6/6 - status 500 x4 timeout 0 x2; ");
    assert_points(setup, "monitor=service.shop.web", "minute",
                  "12/2 1 status 500 x2; 6/6 - status 500 x4 timeout 0 x2; ");
    assert_points(setup, "monitor=service.shop.web&target=pod/1/80/IPv4", "minute", "6/0 1; ");
    assert_points(setup, "monitor=apimonitor.shop.api", "minute", "10/1 20 certificate 0 x1; ");
    assert_points(setup, "monitor=service.shop.none", "minute", "");
    /* The other cluster's are not ours. */
    assert_points(setup, "namespace=bank&service=web", "minute", "6/0 50; ");
}

static void a_longer_range_has_longer_steps(void **state)
{
    struct api_setup *setup = *state;
    open_with_series(setup);
    assert_points(setup, "monitor=service.shop.web&from=2d", "hour",
                  "6/1 10 refused 0 x1; 18/8 1 status 500 x6 timeout 0 x2; ");
    assert_points(setup, "monitor=service.shop.web&from=60d", "day",
                  "6/1 10 refused 0 x1; 18/8 1 status 500 x6 timeout 0 x2; ");
    assert_points(setup, "monitor=service.shop.web&from=2h&step=hour", "hour",
                  "18/8 1 status 500 x6 timeout 0 x2; ");
    assert_points(setup, "monitor=service.shop.web&from=2d&to=12h", "hour", "6/1 10 refused 0 x1; ");
}

static void a_point_says_how_long_runs_took(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_series(setup);
    get(setup, &reply, "/api/v1/series?monitor=service.shop.web");
    json_object *items = json_object_object_get(reply.json, "items");
    json_object *point = json_object_array_get_idx(items, 0);
    static const struct {
        const char *name;
        double ms;
    } wanted[] = {{"p50", 10}, {"p90", 30}, {"p99", 30}, {"max", 30}, {"avg", 18}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        double ms = json_object_get_double(json_object_object_get(point, wanted[i].name));
        if (ms < wanted[i].ms * 0.97 || ms > wanted[i].ms * 1.03)
            fail_msg("%s is %f instead of %f", wanted[i].name, ms, wanted[i].ms);
    }
    assert_string_equal(field(json_object_array_get_idx(items, 1), "max"), "");
    reply_done(setup, &reply);
}

static void a_range_that_makes_no_sense_or_too_many_points_is_a_problem(void **state)
{
    struct api_setup *setup = *state;
    open_with_series(setup);
    assert_get_problem(setup, "/api/v1/series", 400, "which series");
    assert_get_problem(setup, "/api/v1/series?service=web", 400, "which series");
    assert_get_problem(setup, "/api/v1/series?namespace=shop&service=web&target=url", 400, "target");
    assert_get_problem(setup, "/api/v1/series?monitor=m&step=second", 400, "step: 'second'");
    assert_get_problem(setup, "/api/v1/series?monitor=m&from=1h&to=2h", 400, "before to");
    assert_get_problem(setup, "/api/v1/series?monitor=m&from=soon", 400, "from: 'soon'");
    assert_get_problem(setup, "/api/v1/series?monitor=m&from=2d&step=minute", 400, "longer step");
    assert_get_problem(setup, "/api/v1/errors?from=1h&to=2h", 400, "before to");
}

static int damaged_point(struct nj_store *store, const struct nj_series_filter *filter,
                         int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                         struct nj_err *err)
{
    (void)store;
    (void)err;
    const struct nj_series_point point = {.start_ns = filter->from_ns,
                                          .monitor = "m",
                                          .target = "t",
                                          .runs = 1,
                                          .latency = "\xff\xff",
                                          .latency_len = 2};
    return on_point(data, &point);
}

/* As many different errors as nobody would expect, and as many points as they may be. */
static int countless_points(struct nj_store *store, const struct nj_series_filter *filter,
                            int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                            struct nj_err *err)
{
    (void)store;
    (void)err;
    int rc = 0;
    for (int i = 0; rc == 0; i++) {
        const struct nj_rollup_error_count error = {.cause = "status", .status = i % 1000, .count = 1};
        const struct nj_series_point point = {.start_ns = filter->from_ns,
                                              .monitor = "m",
                                              .target = "t",
                                              .runs = 1,
                                              .failures = 1,
                                              .errors = &error,
                                              .errors_count = 1};
        if (filter->service != NULL && i == 2000)
            return 0;
        rc = on_point(data, &point);
    }
    return rc;
}

static void what_a_series_costs_is_bounded(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    const struct nj_store_ops *real = setup->reader->ops;
    struct nj_store_ops ops = *real;
    setup->reader->ops = &ops;
    ops.each_point = countless_points;
    api_open(setup);
    assert_get_problem(setup, "/api/v1/series?monitor=m", 400, "ask for a shorter time");
    assert_get_problem(setup, "/api/v1/errors", 400, "ask for a shorter time");
    get(setup, &reply, "/api/v1/series?namespace=a&service=b");
    json_object *point = json_object_array_get_idx(json_object_object_get(reply.json, "items"), 0);
    json_object *errors = json_object_object_get(point, "errors");
    size_t count = json_object_array_length(errors);
    assert_int_equal(count, 64);
    json_object *other = json_object_array_get_idx(errors, count - 1);
    assert_string_equal(field(other, "cause"), "other");
    assert_string_equal(field(other, "count"), "1874"); /* of 2000, the first 63 are two each */
    reply_done(setup, &reply);
    ops.each_point = damaged_point;
    assert_get_problem(setup, "/api/v1/series?monitor=m", 500, "damaged");
    api_close(setup);
    setup->reader->ops = real;
}

static void errors_are_summed_up_by_service_status_and_cause(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    struct nj_buf out = {0};
    open_with_series(setup);
    get(setup, &reply, "/api/v1/errors?from=2d");
    json_object *items = json_object_object_get(reply.json, "items");
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        json_object *item = json_object_array_get_idx(items, i);
        (void)nj_buf_printf(&out, "%s/%s%s %s %s x%s of %s %.3f; ", field(item, "namespace"),
                            field(item, "service"), field(item, "monitor"), field(item, "cause"),
                            field(item, "status"), field(item, "count"), field(item, "runs"),
                            json_object_get_double(json_object_object_get(item, "share")));
    }
    assert_string_equal(nj_buf_str(&out), "shop/apimonitor.shop.api certificate 0 x1 of 10 0.100; "
                                          "shop/web status 500 x6 of 24 0.250; "
                                          "shop/web timeout 0 x2 of 24 0.083; "
                                          "shop/web refused 0 x1 of 24 0.042; ");
    nj_buf_done(&out);
    reply_done(setup, &reply);
    assert_list(setup, "/api/v1/errors?service=web&namespace=shop", "count", "6 2 ");
    assert_list(setup, "/api/v1/errors?namespace=bank", "count", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(a_series_is_of_one_target_or_merged_over_a_service),
        api_case(a_longer_range_has_longer_steps),
        api_case(a_point_says_how_long_runs_took),
        api_case(a_range_that_makes_no_sense_or_too_many_points_is_a_problem),
        api_case(what_a_series_costs_is_bounded),
        api_case(errors_are_summed_up_by_service_status_and_cause),
    };
    return cmocka_run_group_tests_name("collector/api/probes", tests, NULL, NULL);
}
