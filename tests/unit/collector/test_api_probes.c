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

/* ---- monitors */

static const struct nj_monitor_view monitors[] = {
    {.id = "apimonitor.shop.api",
     .source = NJ_SOURCE_MONITOR,
     .namespace = "shop",
     .name = "api",
     .service = "",
     .target = "https://api.example.com/",
     .scope = "both",
     .spec = "{\"target\":{\"url\":\"https://api.example.com/\"}}",
     .trouble = "",
     .targets = 1},
    {.id = "builtin.dns",
     .source = NJ_SOURCE_BUILTIN,
     .namespace = "",
     .name = "dns",
     .service = "",
     .target = "cluster DNS",
     .scope = "pods",
     .spec = "",
     .trouble = "the Secret cannot be read",
     .suspended = true},
    {.id = "service.shop.web",
     .source = NJ_SOURCE_DERIVED,
     .namespace = "shop",
     .name = "web",
     .service = "web",
     .target = "service web:http",
     .scope = "both",
     .spec = "",
     .trouble = "",
     .targets = 3,
     .failing = 1,
     .starting = 1},
};

static void use_probes(struct api_setup *setup, struct nj_probes *probes)
{
    *probes = (struct nj_probes){.monitors = monitors, .count = sizeof(monitors) / sizeof(monitors[0])};
    setup->probes = probes;
}

static void probes_done(struct nj_probes *probes)
{
    free(probes->namespace);
    free(probes->spec);
}

static void monitors_are_listed_by_what_is_asked(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct nj_buf list = {0};
    char cursor[32];
    use_probes(setup, &probes);
    api_open(setup);
    assert_list(setup, "/api/v1/monitors", "id", "apimonitor.shop.api builtin.dns service.shop.web ");
    assert_list(setup, "/api/v1/monitors?namespace=shop", "id", "apimonitor.shop.api service.shop.web ");
    assert_list(setup, "/api/v1/monitors?service=web", "source", "derived ");
    assert_list(setup, "/api/v1/monitors?source=builtin", "trouble", "the Secret cannot be read ");
    assert_list(setup, "/api/v1/monitors?failing=true", "targetsFailing", "1 ");
    assert_list(setup, "/api/v1/monitors?failing=false", "targetsTotal", "1 0 3 ");
    assert_list(setup, "/api/v1/monitors?limit=3", "suspended", "false true false ");
    get_list(setup, "/api/v1/monitors?limit=2", "id", &list, cursor);
    assert_string_equal(cursor, "builtin.dns");
    assert_list(setup, "/api/v1/monitors?limit=2&cursor=builtin.dns", "id", "service.shop.web ");
    assert_get_problem(setup, "/api/v1/monitors?failing=yes", 400, "failing: 'yes'");
    assert_get_problem(setup, "/api/v1/monitors?source=guess", 400, "source: there is no source 'guess'");
    assert_get_problem(setup, "/api/v1/monitors?limit=0", 400, "limit");
    nj_buf_done(&list);
}

static void without_probing_there_are_no_monitors(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    api_open(setup);
    assert_list(setup, "/api/v1/monitors", "id", "");
    assert_get_problem(setup, "/api/v1/monitors/service.shop.web", 404,
                       "there is no monitor 'service.shop.web'");
    reply.stalled = false;
    reply_start_body(setup, &reply, "POST", "/api/v1/monitors/test", NULL, "application/json", "{}");
    reply_wait(setup, &reply);
    assert_problem(setup, &reply, 503, "probes nothing");
}

static void put_target(struct api_setup *setup, const char *target, const char *state, const char *evidence,
                       int64_t failed_ns)
{
    const struct nj_store_target record = {.cluster = setup->config.cluster,
                                           .project = "p-1",
                                           .key = {"service.shop.web", target},
                                           .source = "derived",
                                           .namespace = "shop",
                                           .service = "web",
                                           .target_name = "web-1",
                                           .address = "10.0.0.7:8080",
                                           .node = "node-3",
                                           .pod_uid = "u-1",
                                           .state = state,
                                           .since_ns = noon_ns,
                                           .seen_ns = noon_ns + NJ_SEC,
                                           .severity = "warning",
                                           .group = "",
                                           .cause = "status",
                                           .phase = "check",
                                           .step = "login",
                                           .expected = "status 200-299",
                                           .got = "500",
                                           .body = "no \"database\"",
                                           .evidence = evidence,
                                           .status = 500,
                                           .failed_ns = failed_ns};
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_target(setup->writer, &record, NULL), 0);
    api_commit(setup);
}

static json_object *target_at(struct reply *reply, size_t i)
{
    return json_object_array_get_idx(json_object_object_get(reply->json, "targets"), i);
}

static void a_monitor_shows_its_targets_and_why_they_failed(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct reply reply;
    use_probes(setup, &probes);
    put_target(setup, "pod/1/80/IPv4", "failing", "{\"ok\":false,\"steps\":[{\"name\":\"login\"}]}", noon_ns);
    put_target(setup, "pod/2/80/IPv4", "passing", "", 0);
    put_target(setup, "pod/3/80/IPv4", "passing", "{\"ok\":", noon_ns - NJ_HOUR);
    api_open(setup);
    get(setup, &reply, "/api/v1/monitors/service.shop.web");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "id"), "service.shop.web");
    assert_string_equal(field(reply.json, "spec"), "");
    json_object *target = target_at(&reply, 0);
    assert_string_equal(field(target, "id"), "pod/1/80/IPv4");
    assert_string_equal(field(target, "state"), "failing");
    assert_string_equal(field(target, "address"), "10.0.0.7:8080");
    json_object *failure = json_object_object_get(target, "lastFailure");
    assert_string_equal(field(failure, "step"), "login");
    assert_string_equal(field(failure, "body"), "no \"database\"");
    assert_string_equal(field(failure, "status"), "500");
    json_object *steps = json_object_object_get(json_object_object_get(failure, "evidence"), "steps");
    assert_string_equal(field(json_object_array_get_idx(steps, 0), "name"), "login");
    assert_string_equal(field(target_at(&reply, 1), "lastFailure"), "");
    /* What is no JSON cannot spoil the answer. */
    assert_string_equal(field(json_object_object_get(target_at(&reply, 2), "lastFailure"), "evidence"), "");
    reply_done(setup, &reply);

    get(setup, &reply, "/api/v1/monitors/service.shop.web?state=passing&limit=1");
    assert_string_equal(field(target_at(&reply, 0), "id"), "pod/2/80/IPv4");
    assert_null(target_at(&reply, 1));
    assert_string_not_equal(field(reply.json, "nextCursor"), "");
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/monitors/apimonitor.shop.api");
    json_object *spec = json_object_object_get(reply.json, "spec");
    assert_string_equal(field(json_object_object_get(spec, "target"), "url"), "https://api.example.com/");
    reply_done(setup, &reply);
    assert_get_problem(setup, "/api/v1/monitors/service.shop.none", 404, "there is no monitor");
    assert_get_problem(setup, "/api/v1/monitors/service.shop.web?state=gone", 400, "state: 'gone'");
}

/* ---- trying a spec */

#define BODY "{\"namespace\":\"shop\",\"spec\":{\"target\":{\"url\":\"https://api.example.com/\"}}}"

static void start_test(struct api_setup *setup, struct reply *reply, const char *headers, const char *type,
                       const char *body)
{
    reply->stalled = false;
    reply_start_body(setup, reply, "POST", "/api/v1/monitors/test", headers, type, body);
}

static void assert_test_problem(struct api_setup *setup, const char *type, const char *body, int status,
                                const char *words)
{
    struct reply reply;
    start_test(setup, &reply, NULL, type, body);
    reply_wait(setup, &reply);
    assert_problem(setup, &reply, status, words);
}

static void wait_for_tests(struct api_setup *setup, struct nj_probes *probes, int count)
{
    test_run_until_count(setup->test, &probes->started, count);
}

static void a_spec_is_tried_and_every_step_is_told(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct reply reply;
    use_probes(setup, &probes);
    api_open(setup);
    start_test(setup, &reply, NULL, "application/json; charset=utf-8", BODY);
    wait_for_tests(setup, &probes, 1);
    assert_string_equal(probes.namespace, "shop");
    assert_string_equal(probes.spec, "{\"target\":{\"url\":\"https:\\/\\/api.example.com\\/\"}}");
    const struct nj_step_outcome step = {.name = "login",
                                         .kind = "http",
                                         .ran = true,
                                         .cause = NJ_CAUSE_STATUS,
                                         .phase = NJ_PHASE_CHECK,
                                         .expected = "status 200-299",
                                         .got = "500",
                                         .request = "GET https://api.example.com/",
                                         .address = "192.0.2.1:443",
                                         .status = 500,
                                         .http_version = "1.1",
                                         .body = "oops"};
    const struct nj_result result = {
        .cause = NJ_CAUSE_STATUS, .failed = &step, .steps = &step, .steps_count = 1, .attempts = 1};
    const struct nj_probes_test_outcome outcomes[] = {
        {.target_name = "https://api.example.com/",
         .address = "192.0.2.1:443",
         .result = &result,
         .trouble = ""},
        {.target_name = "web-1", .address = "", .trouble = "it has no such port"},
    };
    probes.on_done(probes.data, outcomes, 2);
    reply_wait(setup, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "ok"), "false");
    json_object *items = json_object_object_get(reply.json, "items");
    assert_int_equal(json_object_array_length(items), 2);
    json_object *first = json_object_array_get_idx(items, 0);
    json_object *steps = json_object_object_get(json_object_object_get(first, "result"), "steps");
    assert_string_equal(field(json_object_array_get_idx(steps, 0), "got"), "500");
    assert_string_equal(field(json_object_array_get_idx(items, 1), "trouble"), "it has no such port");
    assert_string_equal(field(json_object_array_get_idx(items, 1), "result"), "");
    reply_done(setup, &reply);
    probes_done(&probes);
}

static void what_cannot_be_tried_is_a_problem_that_says_why(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    static const struct {
        int rc, status;
    } refusals[] = {{-EINVAL, 400}, {-ENOENT, 404}, {-EACCES, 403}, {-EAGAIN, 429}, {-ENOMEM, 500}};
    use_probes(setup, &probes);
    api_open(setup);
    assert_test_problem(setup, NULL, BODY, 415, "Content-Type: application/json");
    assert_test_problem(setup, "text/plain", BODY, 415, "Content-Type: application/json");
    assert_test_problem(setup, "application/jsonx", BODY, 415, "Content-Type: application/json");
    assert_test_problem(setup, "application/json", "", 400, "no JSON object");
    assert_test_problem(setup, "application/json", "[]", 400, "no JSON object");
    assert_test_problem(setup, "application/json", "{} {}", 400, "no JSON object");
    assert_test_problem(setup, "application/json", "{\"namespace\":", 400, "no JSON object");
    assert_test_problem(setup, "application/json", "{\"namespace\":\"a\"}", 400, "spec: an object");
    assert_test_problem(setup, "application/json", "{\"spec\":{}}", 400, "namespace: a string");
    assert_test_problem(setup, "application/json", "{\"spec\":{},\"namespace\":1}", 400,
                        "namespace: a string");
    assert_test_problem(setup, "application/json", "{\"spec\":\"\",\"namespace\":\"a\"}", 400,
                        "spec: an object");
    assert_test_problem(setup, "application/json", "{\"spec\":{},\"namespace\":\"a\",\"name\":\"x\"}", 400,
                        "nothing else");
    assert_int_equal(probes.started, 0);
    probes.words = "spec.target.url: no such host";
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        probes.refuses = refusals[i].rc;
        assert_test_problem(setup, "application/json", BODY, refusals[i].status, "no such host");
    }
}

static void only_the_write_token_may_try_a_spec(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct reply reply;
    free(setup->config.api.read_token_file);
    free(setup->config.api.write_token_file);
    setup->config.api.read_token_file = api_file(setup, "read", READ_TOKEN);
    setup->config.api.write_token_file = api_file(setup, "write", WRITE_TOKEN);
    use_probes(setup, &probes);
    api_open(setup);
    start_test(setup, &reply, NULL, "application/json", BODY);
    reply_wait(setup, &reply);
    assert_problem(setup, &reply, 401, "a bearer token is needed");
    start_test(setup, &reply, "Host: h\r\nAuthorization: Bearer " READ_TOKEN "\r\n", "application/json",
               BODY);
    reply_wait(setup, &reply);
    assert_problem(setup, &reply, 403, "may only read");
    assert_int_equal(probes.started, 0);
    start_test(setup, &reply, "Host: h\r\nAuthorization: Bearer " WRITE_TOKEN "\r\n", "application/json",
               BODY);
    wait_for_tests(setup, &probes, 1);
    probes.on_done(probes.data, NULL, 0);
    reply_wait(setup, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "ok"), "false");
    reply_done(setup, &reply);
    probes_done(&probes);
}

static void trying_is_a_post_and_reading_is_not(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    api_open(setup);
    get(setup, &reply, "/api/v1/monitors/test");
    assert_true(reply_has(&reply, "Allow: POST"));
    assert_problem(setup, &reply, 405, "GET is not allowed here: only POST is");
    request(setup, &reply, "POST", "/api/v1/monitors", NULL);
    assert_true(reply_has(&reply, "Allow: GET, HEAD"));
    assert_problem(setup, &reply, 405, "POST is not allowed here");
}

static void closing_ends_what_is_being_tried(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct reply one, other;
    use_probes(setup, &probes);
    api_open(setup);
    start_test(setup, &one, NULL, "application/json", BODY);
    start_test(setup, &other, NULL, "application/json", BODY);
    wait_for_tests(setup, &probes, 2);
    api_close(setup);
    assert_int_equal(probes.cancelled, 2);
    reply_done(setup, &one);
    reply_done(setup, &other);
    probes_done(&probes);
}

static void the_collector_s_own_checks_are_in_metrics(void **state)
{
    struct api_setup *setup = *state;
    setup->more_metrics = "# TYPE probe_success gauge\nprobe_success{service=\"web\"} 1\n";
    api_open(setup);
    assert_int_equal(api_metric(setup, "probe_success{service=\"web\"}"), 1);
}

/* ---- openapi.json */

/* The object has exactly the fields that the schema describes, and all of them are required. */
static void assert_described(json_object *schemas, const char *schema, json_object *object)
{
    json_object *described = json_object_object_get(schemas, schema);
    json_object *properties = json_object_object_get(described, "properties");
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        if (json_object_object_get(properties, name) == NULL)
            fail_msg("%s: %s is not described", schema, name);
    }
    assert_int_equal(json_object_object_length(object), json_object_object_length(properties));
    assert_int_equal(json_object_array_length(json_object_object_get(described, "required")),
                     json_object_object_length(properties));
}

static json_object *item_of(json_object *object, const char *list)
{
    json_object *item = json_object_array_get_idx(json_object_object_get(object, list), 0);
    assert_non_null(item);
    return item;
}

static void what_is_answered_is_described(void **state)
{
    struct api_setup *setup = *state;
    struct nj_probes probes;
    struct reply document, reply;
    use_probes(setup, &probes);
    put_target(setup, "pod/1/80/IPv4", "failing", "{}", noon_ns);
    open_with_series(setup);
    get(setup, &document, "/openapi.json");
    json_object *schemas =
        json_object_object_get(json_object_object_get(document.json, "components"), "schemas");
    get(setup, &reply, "/api/v1/monitors");
    assert_described(schemas, "MonitorList", reply.json);
    assert_described(schemas, "Monitor", item_of(reply.json, "items"));
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/monitors/service.shop.web");
    assert_described(schemas, "MonitorDetail", reply.json);
    assert_described(schemas, "Target", item_of(reply.json, "targets"));
    assert_described(schemas, "TargetFailure",
                     json_object_object_get(item_of(reply.json, "targets"), "lastFailure"));
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/series?monitor=apimonitor.shop.api");
    assert_described(schemas, "Series", reply.json);
    assert_described(schemas, "SeriesPoint", item_of(reply.json, "items"));
    assert_described(schemas, "SeriesError", item_of(item_of(reply.json, "items"), "errors"));
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/errors");
    assert_described(schemas, "ErrorSummary", reply.json);
    assert_described(schemas, "ErrorCount", item_of(reply.json, "items"));
    reply_done(setup, &reply);
    start_test(setup, &reply, NULL, "application/json", BODY);
    wait_for_tests(setup, &probes, 1);
    const struct nj_probes_test_outcome outcome = {.target_name = "web-1", .address = "", .trouble = "why"};
    probes.on_done(probes.data, &outcome, 1);
    reply_wait(setup, &reply);
    assert_described(schemas, "TestOutcome", reply.json);
    assert_described(schemas, "TestItem", item_of(reply.json, "items"));
    reply_done(setup, &reply);
    reply_done(setup, &document);
    probes_done(&probes);
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
        api_case(monitors_are_listed_by_what_is_asked),
        api_case(without_probing_there_are_no_monitors),
        api_case(a_monitor_shows_its_targets_and_why_they_failed),
        api_case(a_spec_is_tried_and_every_step_is_told),
        api_case(what_cannot_be_tried_is_a_problem_that_says_why),
        api_case(only_the_write_token_may_try_a_spec),
        api_case(trying_is_a_post_and_reading_is_not),
        api_case(closing_ends_what_is_being_tried),
        api_case(the_collector_s_own_checks_are_in_metrics),
        api_case(what_is_answered_is_described),
    };
    return cmocka_run_group_tests_name("collector/api/probes", tests, NULL, NULL);
}
