/*
 * What REST tells of resources: the table, its sums and its order, points over time, and advice.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"

#define MIB(n) ((double)((int64_t)(n) << 20))

/* A container, minute by minute. */
struct container {
    const char *node, *namespace, *pod, *container, *workload_kind, *workload;
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes;
    double cpu, memory; /* its mean; the maximum is half as much again */
    double throttled;   /* < 0: not known */
    double gpu;         /* likewise */
    int64_t started_ns;
};

static const struct container web_0 = {"n1",  "shop",   "web-0", "app",     "Deployment",
                                       "web", 500,      1000,    100 << 20, 200 << 20,
                                       0.2,   80 << 20, 0.1,     -1,        0};
static const struct container web_1 = {"n2",  "shop",   "web-1", "app",     "Deployment",
                                       "web", 500,      1000,    100 << 20, 200 << 20,
                                       0.4,   40 << 20, 0.3,     -1,        0};
static const struct container web_1_log = {"n2", "shop", "web-1", "log",   "Deployment", "web", 100, 0,
                                           0,    0,      0.02,    1 << 20, -1,           -1,    0};
static const struct container trainer = {"n2", "ml", "train-x", "main",  "Job", "train", 0, 0,
                                         0,    0,    2,         1 << 20, -1,    0.5,     0};
static const struct container node_1 = {"n1", "", "", "", "", "", 0, 0, 0, 0, 1.5, 900 << 20, -1, -1, 0};

static void encode(struct nj_usage_item *item, enum nj_usage_metric metric, struct nj_buf *out,
                   const double *values, size_t count)
{
    struct nj_sketch sketch = {0};
    for (size_t i = 0; i < count; i++)
        nj_sketch_add(&sketch, values[i]);
    assert_int_equal(nj_sketch_encode(&sketch, out), 0);
    nj_sketch_done(&sketch);
    item->metrics[metric].sketch = out->data;
    item->metrics[metric].len = out->len;
}

/* Its mean is `mean`, its maximum half as much again. */
static void encode_around(struct nj_usage_item *item, enum nj_usage_metric metric, struct nj_buf *out,
                          double mean)
{
    const double values[] = {mean / 2, mean, mean * 3 / 2};
    if (mean >= 0)
        encode(item, metric, out, values, 3);
}

static void add_minute(struct api_setup *setup, const struct container *of, int64_t minute_ns, double times,
                       uint64_t oom_kills)
{
    struct nj_buf bufs[NJ_USAGE_METRICS] = {{0}};
    char uid[64];
    struct nj_err err = {0};
    (void)snprintf(uid, sizeof(uid), "%s%s", of->pod[0] == '\0' ? "" : "uid-", of->pod);
    struct nj_usage_item item = {.namespace = of->namespace,
                                 .pod = of->pod,
                                 .pod_uid = uid,
                                 .container = of->container,
                                 .workload_kind = of->workload_kind,
                                 .workload = of->workload,
                                 .cpu_request_millis = of->cpu_request_millis,
                                 .cpu_limit_millis = of->cpu_limit_millis,
                                 .memory_request_bytes = of->memory_request_bytes,
                                 .memory_limit_bytes = of->memory_limit_bytes,
                                 .started_ns = of->started_ns,
                                 .oom_kills = oom_kills};
    encode_around(&item, NJ_USAGE_CPU, &bufs[NJ_USAGE_CPU], of->cpu * times);
    encode_around(&item, NJ_USAGE_MEMORY, &bufs[NJ_USAGE_MEMORY], of->memory * times);
    encode_around(&item, NJ_USAGE_THROTTLED, &bufs[NJ_USAGE_THROTTLED], of->throttled);
    encode_around(&item, NJ_USAGE_GPU, &bufs[NJ_USAGE_GPU], of->gpu);
    if (setup->writer->ops->add_usage(setup->writer, setup->config.cluster, of->node, minute_ns, &item,
                                      &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < NJ_USAGE_METRICS; i++)
        nj_buf_done(&bufs[i]);
}

/* Two minutes of all of them before now; in the second they take twice as much. */
static void open_with_use(struct api_setup *setup)
{
    const struct container *all[] = {&web_0, &web_1, &web_1_log, &trainer, &node_1};
    api_begin(setup);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        add_minute(setup, all[i], noon_ns - 2 * NJ_MIN, 1, 0);
        add_minute(setup, all[i], noon_ns - NJ_MIN, 2, all[i] == &web_1 ? 2 : 0);
    }
    api_commit(setup);
    api_open(setup);
}

static json_object *item(struct reply *reply, size_t index)
{
    return json_object_array_get_idx(json_object_object_get(reply->json, "items"), index);
}

/* "cpu.average" of the item; NAN for null. */
static double value(json_object *of, const char *name)
{
    char first[32];
    const char *dot = strchr(name, '.');
    if (dot != NULL) {
        (void)snprintf(first, sizeof(first), "%.*s", (int)(dot - name), name);
        of = json_object_object_get(of, first);
        name = dot + 1;
    }
    json_object *found = NULL;
    assert_true(json_object_object_get_ex(of, name, &found));
    return found == NULL ? NAN : json_object_get_double(found);
}

static void assert_value(json_object *of, const char *name, double expected)
{
    double got = value(of, name);
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= 1e-5 + 1e-9 * fabs(expected)))
        fail_msg("%s is %f instead of %f in %s", name, got, expected, json_object_to_json_string(of));
}

/* Of a percentile, which is within 2 %. */
static void assert_about(json_object *of, const char *name, double expected)
{
    double got = value(of, name);
    if (!(fabs(got - expected) <= 0.021 * expected))
        fail_msg("%s is %f instead of about %f", name, got, expected);
}

static void a_containers_figures_are_of_its_samples(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_use(setup);
    get(setup, &reply, "/api/v1/resources?by=container&pod=web-1&container=app");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "total"), "1");
    json_object *row = item(&reply, 0);
    assert_string_equal(field(row, "namespace"), "shop");
    assert_string_equal(field(row, "workloadKind"), "Deployment");
    assert_string_equal(field(row, "workload"), "web");
    assert_string_equal(field(row, "pod"), "web-1");
    assert_string_equal(field(row, "container"), "app");
    assert_string_equal(field(row, "node"), "n2");
    assert_string_equal(field(row, "points"), "2");
    assert_value(row, "cpu.average", 0.6); /* of 0.2 0.4 0.6 0.4 0.8 1.2 */
    assert_about(row, "cpu.p95", 1.2);
    assert_value(row, "cpu.maximum", 1.2);
    assert_value(row, "cpu.request", 0.5);
    assert_value(row, "cpu.limit", 1);
    assert_value(row, "cpu.useOfRequest", 1.2);
    assert_value(row, "cpu.useOfLimit", 1.2);
    assert_value(row, "cpu.waste", 0.05); /* 0.1 of the first minute */
    assert_value(row, "memory.average", MIB(60));
    assert_value(row, "memory.waste", MIB(40));
    assert_value(row, "memory.useOfLimit", 0.6);
    assert_value(row, "throttled.average", 0.3);
    assert_value(row, "throttled.maximum", 0.45);
    assert_value(row, "gpu.average", NAN);
    assert_value(row, "gpuMemory.maximum", NAN);
    assert_value(row, "oomKills", 2);
    reply_done(setup, &reply);
}

static void a_workloads_figures_are_totals_over_its_pods(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_use(setup);
    get(setup, &reply, "/api/v1/resources?workload=web");
    json_object *row = item(&reply, 0);
    assert_string_equal(field(reply.json, "by"), "workload");
    assert_string_equal(field(row, "workload"), "web");
    assert_string_equal(field(row, "pod"), "");
    assert_string_equal(field(row, "node"), "");
    assert_value(row, "cpu.average", 0.93); /* of 0.62 and 1.24 */
    assert_about(row, "cpu.p95", 1.24);
    assert_value(row, "cpu.maximum", 1.86); /* 1.5 times 1.24 */
    assert_value(row, "cpu.request", 1.1);
    assert_value(row, "cpu.limit", NAN); /* one of the containers has none */
    assert_value(row, "cpu.useOfLimit", NAN);
    assert_value(row, "cpu.useOfRequest", 0.93 / 1.1);
    assert_value(row, "cpu.waste", 0.24); /* 0.48 of the first minute */
    assert_value(row, "memory.average", MIB(363) / 2);
    assert_value(row, "memory.request", MIB(200));
    assert_value(row, "throttled.maximum", 0.45);
    assert_value(row, "oomKills", 2);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources?by=pod&pod=web-1");
    row = item(&reply, 0);
    assert_string_equal(field(row, "pod"), "web-1");
    assert_string_equal(field(row, "container"), "");
    assert_value(row, "cpu.average", 0.63);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources?by=namespace");
    assert_string_equal(field(item(&reply, 0), "namespace"), "ml");
    assert_value(item(&reply, 0), "cpu.average", 3);
    assert_value(item(&reply, 0), "cpu.request", NAN);
    assert_value(item(&reply, 0), "cpu.useOfRequest", NAN);
    assert_value(item(&reply, 0), "cpu.waste", NAN);
    assert_value(item(&reply, 0), "gpu.average", 0.5);
    assert_value(item(&reply, 0), "gpu.maximum", 0.75);
    assert_value(item(&reply, 1), "cpu.average", 0.93);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources?by=node");
    assert_string_equal(field(reply.json, "total"), "1");
    assert_string_equal(field(item(&reply, 0), "node"), "n1");
    assert_value(item(&reply, 0), "cpu.average", 2.25);
    reply_done(setup, &reply);
}

static void the_table_can_be_sorted_by_any_column(void **state)
{
    struct api_setup *setup = *state;
    char target[128];
    open_with_use(setup);
    assert_list(setup, "/api/v1/resources?by=pod", "pod", "train-x web-0 web-1 ");
    assert_list(setup, "/api/v1/resources?by=pod&sort=name&order=desc", "pod", "web-1 web-0 train-x ");
    assert_list(setup, "/api/v1/resources?by=pod&sort=memory.average", "pod", "web-0 web-1 train-x ");
    assert_list(setup, "/api/v1/resources?by=pod&sort=memory.average&order=asc", "pod",
                "train-x web-1 web-0 ");
    /* What has no value comes last, either way. */
    assert_list(setup, "/api/v1/resources?by=pod&sort=cpu.useOfRequest", "pod", "web-1 web-0 train-x ");
    assert_list(setup, "/api/v1/resources?by=pod&sort=cpu.useOfRequest&order=asc", "pod",
                "web-0 web-1 train-x ");
    assert_list(setup, "/api/v1/resources?by=pod&sort=oomKills&limit=1", "pod", "web-1 ");
    assert_list(setup, "/api/v1/resources?by=pod&node=n1", "pod", "web-0 ");
    assert_list(setup, "/api/v1/resources?by=pod&namespace=ml", "pod", "train-x ");
    for (const char *const *column = (const char *[]){"cpu.average",
                                                      "cpu.p95",
                                                      "cpu.maximum",
                                                      "cpu.request",
                                                      "cpu.limit",
                                                      "cpu.useOfRequest",
                                                      "cpu.useOfLimit",
                                                      "cpu.waste",
                                                      "memory.average",
                                                      "memory.p95",
                                                      "memory.maximum",
                                                      "memory.request",
                                                      "memory.limit",
                                                      "memory.useOfRequest",
                                                      "memory.useOfLimit",
                                                      "memory.waste",
                                                      "throttled.average",
                                                      "throttled.p95",
                                                      "throttled.maximum",
                                                      "gpu.average",
                                                      "gpu.p95",
                                                      "gpu.maximum",
                                                      "gpuMemory.average",
                                                      "gpuMemory.p95",
                                                      "gpuMemory.maximum",
                                                      "oomKills",
                                                      NULL};
         *column != NULL; column++) {
        struct reply reply;
        (void)snprintf(target, sizeof(target), "/api/v1/resources?by=container&sort=%s", *column);
        get(setup, &reply, target);
        assert_int_equal(reply.status, 200);
        for (size_t i = 1; i < 4; i++) {
            double before = value(item(&reply, i - 1), *column), here = value(item(&reply, i), *column);
            assert_true(isnan(here) || before >= here);
        }
        reply_done(setup, &reply);
    }
}

static void the_table_comes_as_csv_too(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    struct container odd = web_0;
    odd.pod = "=1+1,\"x\"";
    odd.namespace = "odd";
    api_begin(setup);
    add_minute(setup, &odd, noon_ns - NJ_MIN, 1, 0);
    api_commit(setup);
    open_with_use(setup);
    get(setup, &reply, "/api/v1/resources?by=container&format=csv&namespace=shop");
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "Content-Type: text/csv; charset=utf-8"));
    assert_true(reply_has(&reply, "Content-Disposition: attachment; filename=\"nightjar-resources.csv\""));
    assert_int_equal(
        strncmp(reply.body, "namespace,workloadKind,workload,pod,container,node,cpu.average,", 62), 0);
    assert_non_null(strstr(reply.body, ",oomKills\r\nshop,Deployment,web,web-0,app,n1,0.300000,"));
    assert_non_null(strstr(reply.body, "\r\nshop,Deployment,web,web-1,log,n2,0.030000,"));
    int lines = 0, commas = 0;
    for (const char *c = reply.body; *c != '\0'; c++) {
        lines += *c == '\n';
        commas += *c == ',';
    }
    assert_int_equal(lines, 4);
    assert_int_equal(commas, 4 * 31);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources?by=pod&format=csv&namespace=odd");
    assert_non_null(strstr(reply.body, "\r\nodd,Deployment,web,\"'=1+1,\"\"x\"\"\",,n1,"));
    reply_done(setup, &reply);
}

static void points_over_time_are_totals(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_use(setup);
    get(setup, &reply, "/api/v1/resources/series?namespace=shop&workload=web");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "step"), "minute");
    assert_string_equal(field(item(&reply, 0), "start"), "2026-11-21T08:58:00.000Z");
    assert_value(item(&reply, 0), "cpu.average", 0.62);
    assert_value(item(&reply, 0), "cpu.request", 1.1);
    assert_value(item(&reply, 0), "memory.average", MIB(121));
    assert_string_equal(field(item(&reply, 1), "start"), "2026-11-21T08:59:00.000Z");
    assert_value(item(&reply, 1), "cpu.average", 1.24);
    assert_value(item(&reply, 1), "cpu.maximum", 1.86);
    assert_value(item(&reply, 1), "oomKills", 2);
    assert_null(item(&reply, 2));
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources/series?node=n1&step=hour");
    assert_string_equal(field(item(&reply, 0), "start"), "2026-11-21T08:00:00.000Z");
    assert_value(item(&reply, 0), "cpu.average", 2.25); /* the node's own, not its containers' */
    assert_null(item(&reply, 1));
    reply_done(setup, &reply);
    assert_list(setup, "/api/v1/resources/series?namespace=shop&node=n1", "oomKills", "0 0 ");
    assert_get_problem(setup, "/api/v1/resources/series", 400, "Give namespace, or node");
    assert_get_problem(setup, "/api/v1/resources/series?node=n1&from=7d&step=minute", 400,
                       "ask for a longer step");
}

static void what_is_asked_wrongly_is_said(void **state)
{
    struct api_setup *setup = *state;
    open_with_use(setup);
    assert_get_problem(setup, "/api/v1/resources?by=cluster", 400, "by: there is no 'cluster'");
    assert_get_problem(setup, "/api/v1/resources?sort=cpu", 400, "sort: there is no 'cpu'");
    assert_get_problem(setup, "/api/v1/resources?order=up", 400, "order: there is no 'up'");
    assert_get_problem(setup, "/api/v1/resources?format=xls", 400, "format: there is no 'xls'");
    assert_get_problem(setup, "/api/v1/resources?step=week", 400, "step: 'week'");
    assert_get_problem(setup, "/api/v1/resources?limit=0", 400, "limit");
    assert_get_problem(setup, "/api/v1/resources?from=1h&to=2h", 400, "from");
    assert_get_problem(setup, "/api/v1/resources/recommendations?from=1h&to=2h", 400, "from");
    assert_list(setup, "/api/v1/resources?namespace=none", "pod", "");
    assert_list(setup, "/api/v1/resources?from=3d&to=2d", "pod", "");
}

/* ---- advice */

/* Three days of hours: starting takes much, running little. */
static void put_days(struct api_setup *setup)
{
    struct container api = {.node = "n1",
                            .namespace = "shop",
                            .pod = "api-0",
                            .container = "app",
                            .workload_kind = "Deployment",
                            .workload = "api",
                            .cpu_request_millis = 2000,
                            .cpu_limit_millis = 4000,
                            .memory_request_bytes = 2 << 29,
                            .memory_limit_bytes = 2 << 29,
                            .cpu = 0.2,
                            .memory = MIB(100),
                            .throttled = 0,
                            .gpu = -1};
    api.started_ns = noon_ns - 72 * NJ_HOUR;
    api_begin(setup);
    for (int hour = 72; hour > 0; hour--)
        add_minute(setup, &api, noon_ns - hour * NJ_HOUR, hour == 72 ? 4 : 1, 0);
    api.pod = "api-1";
    add_minute(setup, &api, noon_ns - 5 * NJ_HOUR, 1, 0);
    api.container = "helper"; /* killed by the kernel, under 1 GiB */
    add_minute(setup, &api, noon_ns - 5 * NJ_HOUR, 1, 3);
    api_commit(setup);
    api_open(setup);
}

static void advice_comes_with_its_reasons(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    put_days(setup);
    get(setup, &reply, "/api/v1/resources/recommendations");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "step"), "hour");
    assert_string_equal(field(reply.json, "total"), "2");
    json_object *advice = item(&reply, 0);
    assert_string_equal(field(advice, "namespace"), "shop");
    assert_string_equal(field(advice, "workloadKind"), "Deployment");
    assert_string_equal(field(advice, "workload"), "api");
    assert_string_equal(field(advice, "container"), "app");
    assert_string_equal(field(advice, "observedSeconds"), "259200");
    assert_string_equal(field(advice, "confident"), "true");
    assert_value(advice, "cpu.request", 2);
    assert_value(advice, "cpu.limit", 4);
    double request = value(advice, "cpu.recommendedRequest"); /* 0.3 and 15 % */
    assert_true(request >= 0.33 && request <= 0.37);
    assert_value(advice, "cpu.recommendedLimit", 1.45); /* start-up took 1.2 */
    double memory = value(advice, "memory.recommendedRequest");
    assert_true(memory >= MIB(172) && memory <= MIB(176));             /* 150 and 15 % */
    assert_true(value(advice, "memory.recommendedLimit") >= MIB(720)); /* 600 and 20 % */
    json_object *reasons = json_object_object_get(advice, "reasons");
    assert_true(json_object_array_length(reasons) >= 4);
    assert_non_null(strstr(json_object_get_string(json_object_array_get_idx(reasons, 0)), "CPU request"));
    advice = item(&reply, 1);
    assert_string_equal(field(advice, "container"), "helper");
    assert_string_equal(field(advice, "oomKills"), "3");
    assert_string_equal(field(advice, "confident"), "false");
    assert_true(value(advice, "memory.recommendedRequest") > MIB(1024));
    assert_true(value(advice, "memory.recommendedLimit") > MIB(1024));
    reply_done(setup, &reply);
    assert_list(setup, "/api/v1/resources/recommendations?container=helper", "container", "helper ");
    assert_list(setup, "/api/v1/resources/recommendations?limit=1", "container", "app ");
    assert_list(setup, "/api/v1/resources/recommendations?namespace=none", "container", "");
}

/* ---- bounds */

static int countless(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                     int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                     struct nj_err *err)
{
    (void)store;
    (void)by_series;
    (void)err;
    char name[32];
    int rc = 0;
    for (int64_t i = 0; rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "p%lld", (long long)i);
        const struct nj_usage_point point = {.start_ns = filter->from_ns,
                                             .series = i,
                                             .item = {.namespace = "a",
                                                      .pod = filter->pod == NULL ? name : "p",
                                                      .workload = filter->pod == NULL ? name : "p"}};
        rc = on_point(data, &point);
    }
    return rc;
}

static int damaged(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                   int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                   struct nj_err *err)
{
    (void)store;
    (void)by_series;
    (void)err;
    struct nj_usage_point point = {.start_ns = filter->from_ns, .item = {.pod = "p", .container = "c"}};
    point.item.metrics[NJ_USAGE_MEMORY].sketch = "\x7f";
    point.item.metrics[NJ_USAGE_MEMORY].len = 1;
    return on_point(data, &point);
}

static int too_many_series(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                           int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                           struct nj_err *err)
{
    (void)store;
    (void)filter;
    (void)by_series;
    (void)on_point;
    (void)data;
    return nj_err_set(err, -E2BIG, "more than 50000 series: ask for a namespace");
}

static void what_an_answer_costs_is_bounded(void **state)
{
    struct api_setup *setup = *state;
    const struct nj_store_ops *real = setup->reader->ops;
    struct nj_store_ops ops = *real;
    setup->reader->ops = &ops;
    ops.each_usage = countless;
    api_open(setup);
    assert_get_problem(setup, "/api/v1/resources", 400, "more than 20000 rows");
    assert_get_problem(setup, "/api/v1/resources?pod=p", 400, "ask for a shorter time");
    assert_get_problem(setup, "/api/v1/resources/series?namespace=a", 400, "ask for a shorter time");
    assert_get_problem(setup, "/api/v1/resources/recommendations", 400, "more than 5000 containers");
    assert_get_problem(setup, "/api/v1/resources/recommendations?pod=p", 400, "ask for a shorter time");
    ops.each_usage = damaged;
    assert_get_problem(setup, "/api/v1/resources", 500, "the memory of p, c is damaged");
    assert_get_problem(setup, "/api/v1/resources/series?namespace=a", 500, "damaged");
    assert_get_problem(setup, "/api/v1/resources/recommendations", 500, "damaged");
    ops.each_usage = too_many_series;
    assert_get_problem(setup, "/api/v1/resources", 400, "50000 series");
    assert_get_problem(setup, "/api/v1/resources/series?node=n", 400, "50000 series");
    assert_get_problem(setup, "/api/v1/resources/recommendations", 400, "50000 series");
    api_close(setup);
    setup->reader->ops = real;
}

/* ---- openapi.json */

/* The object has exactly the properties of the schema; those that are objects or lists likewise. */
static void check_schema(json_object *schemas, const char *name, json_object *object)
{
    json_object *properties = json_object_object_get(json_object_object_get(schemas, name), "properties");
    assert_non_null(properties);
    assert_int_equal(json_object_object_length(properties), json_object_object_length(object));
    json_object_object_foreach(properties, property, schema)
    {
        json_object *child = NULL;
        if (!json_object_object_get_ex(object, property, &child))
            fail_msg("%s: %s is not served", name, property);
        if (json_object_is_type(child, json_type_array)) {
            child = json_object_array_get_idx(child, 0);
            schema = json_object_object_get(schema, "items");
        }
        json_object *ref = json_object_object_get(schema, "$ref");
        if (ref != NULL)
            check_schema(schemas, strrchr(json_object_get_string(ref), '/') + 1, child);
    }
}

static void openapi_describes_what_is_served(void **state)
{
    struct api_setup *setup = *state;
    struct reply description, reply;
    open_with_use(setup);
    get(setup, &description, "/openapi.json");
    json_object *schemas =
        json_object_object_get(json_object_object_get(description.json, "components"), "schemas");
    get(setup, &reply, "/api/v1/resources");
    check_schema(schemas, "ResourceTable", reply.json);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources/series?namespace=shop");
    check_schema(schemas, "ResourceSeries", reply.json);
    reply_done(setup, &reply);
    get(setup, &reply, "/api/v1/resources/recommendations");
    check_schema(schemas, "RecommendationList", reply.json);
    reply_done(setup, &reply);
    reply_done(setup, &description);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(a_containers_figures_are_of_its_samples),
        api_case(a_workloads_figures_are_totals_over_its_pods),
        api_case(the_table_can_be_sorted_by_any_column),
        api_case(the_table_comes_as_csv_too),
        api_case(points_over_time_are_totals),
        api_case(what_is_asked_wrongly_is_said),
        api_case(advice_comes_with_its_reasons),
        api_case(what_an_answer_costs_is_bounded),
        api_case(openapi_describes_what_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
