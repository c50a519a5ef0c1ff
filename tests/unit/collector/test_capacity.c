/*
 * What nodes hold and use, and what is told of losing one: Nodes from a small API server, minutes as agents
 * send them. Product time is the test's.
 */
#include "collector/capacity/capacity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "tests/unit/collector/kube_support.h"
#include "tests/unit/test.h"

enum { PODS_MAX = 64 };
#define MIB (INT64_C(1) << 20)

struct setup {
    struct fake_kube fake;
    struct fake_resource *resource;
    struct nj_nodes *nodes;
    struct nj_capacity *capacity;
    struct nj_metrics *metrics;
    struct nj_buf told; /* "n1;n1 over;" of losses */
    char *message;
    char first_id[NJ_EVENT_ID_MAX], last_id[NJ_EVENT_ID_MAX];
    int events;
    bool closed;
    /* What a visit found. */
    struct nj_capacity_node_view node;
    struct nj_capacity_sum sum;
    int found;
    char pods[256];
};

#define NODE(name, memory, ready)                                                                            \
    "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name         \
    "\",\"resourceVersion\":\"5\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{\"kind\":\""    \
    "" name "\"}},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"" memory                           \
    "\",\"pods\":\"10\"},\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"
#define TWO_NODES NODE("n1", "1000Mi", "True") "," NODE("n2", "1000Mi", "True")

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    if (event->trouble.kind != NJ_TROUBLE_NODE_LOSS)
        return;
    assert_string_equal(event->subject.workload_kind, "Node");
    assert_string_equal(event->subject.workload, event->subject.node);
    (void)nj_buf_printf(&setup->told, "%s%s;", event->subject.node, event->trouble.over ? " over" : "");
    free(setup->message);
    setup->message = nj_strdup(event->trouble.message);
    memcpy(setup->last_id, event->id, strlen(event->id) + 1);
    if (setup->events++ == 0)
        memcpy(setup->first_id, event->id, strlen(event->id) + 1);
}

static void begin_bounded(struct setup *setup, const char *items, size_t max_pods)
{
    const struct nj_nodes_options nodes = {.loop = &setup->fake.test->loop,
                                           .client = setup->fake.client,
                                           .max_nodes = 100,
                                           .on_event = on_event,
                                           .data = setup};
    setup->resource->items = items;
    assert_int_equal(0, nj_nodes_start(&nodes, &setup->nodes, NULL));
    const struct nj_capacity_options options = {.loop = &setup->fake.test->loop,
                                                .nodes = setup->nodes,
                                                .metrics = setup->metrics,
                                                .interval_ns = NJ_MIN,
                                                .silent_after_ns = 5 * NJ_MIN,
                                                .max_nodes = 100,
                                                .max_pods = max_pods,
                                                .on_event = on_event,
                                                .data = setup};
    setup->capacity = nj_capacity_new(&options);
    while (setup->resource->watches == 0)
        fake_run_once(&setup->fake);
}

static void begin(struct setup *setup, const char *items)
{
    begin_bounded(setup, items, 1000);
}

static int setup_of(void **state)
{
    struct setup *setup = NJ_NEW(struct setup);
    fake_kube_start(&setup->fake);
    fake_kube_set_time(&setup->fake, noon_ns);
    setup->resource = fake_resource(&setup->fake, "nodes", "");
    setup->metrics = nj_metrics_new();
    *state = setup;
    return 0;
}

static int teardown_of(void **state)
{
    struct setup *setup = *state;
    nj_capacity_stop(setup->capacity);
    nj_nodes_close(setup->nodes, test_set_flag, &setup->closed);
    test_run_until(setup->fake.test, &setup->closed);
    nj_capacity_free(setup->capacity);
    fake_kube_stop(&setup->fake);
    nj_metrics_free(setup->metrics);
    nj_buf_done(&setup->told);
    free(setup->message);
    free(setup);
    return 0;
}

/* ---- minutes */

struct sample {
    const char *namespace, *pod, *kind, *placement;
    int64_t cpu_request, memory_request; /* millis, bytes */
    double cpu, memory;                  /* below 0: not measured */
    int containers;                      /* 0: one */
    int32_t priority;
};

struct encoded {
    struct nj_buf cpu, memory;
};

static void encode(double value, struct nj_buf *out)
{
    struct nj_sketch sketch = {0};
    nj_sketch_add(&sketch, value * 0.5); /* the average is `value` */
    nj_sketch_add(&sketch, value * 1.5);
    assert_int_equal(0, nj_sketch_encode(&sketch, out));
    nj_sketch_done(&sketch);
}

/* memory's maximum is 1.5 of what was given: so give two thirds. */
static void encode_item(const struct sample *sample, struct encoded *encoded, struct nj_usage_item *item)
{
    int containers = sample->containers == 0 ? 1 : sample->containers;
    *item = (struct nj_usage_item){.namespace = sample->namespace,
                                   .pod = sample->pod,
                                   .pod_uid = sample->pod,
                                   .container = "main",
                                   .workload_kind = sample->kind,
                                   .workload = "w",
                                   .cpu_limit_millis = 2 * sample->cpu_request / containers,
                                   .memory_limit_bytes = 2 * sample->memory_request / containers};
    if (sample->cpu >= 0) {
        encode(sample->cpu / containers, &encoded->cpu);
        item->metrics[NJ_USAGE_CPU].sketch = encoded->cpu.data;
        item->metrics[NJ_USAGE_CPU].len = encoded->cpu.len;
    }
    if (sample->memory >= 0) {
        encode(sample->memory / 1.5 / containers, &encoded->memory);
        item->metrics[NJ_USAGE_MEMORY].sketch = encoded->memory.data;
        item->metrics[NJ_USAGE_MEMORY].len = encoded->memory.len;
    }
}

static void send_part(struct setup *setup, const char *node, int64_t minute_ns, const struct sample *samples,
                      size_t count, uint32_t part, uint32_t parts)
{
    struct nj_usage_item items[PODS_MAX] = {0};
    struct nj_usage_pod pods[PODS_MAX] = {0};
    struct encoded encoded[PODS_MAX] = {0};
    size_t items_count = 0;
    assert_true(count <= PODS_MAX);
    for (size_t i = 0; i < count; i++) {
        pods[i] = (struct nj_usage_pod){.namespace = samples[i].namespace,
                                        .pod = samples[i].pod,
                                        .pod_uid = samples[i].pod,
                                        .workload_kind = samples[i].kind,
                                        .workload = "w",
                                        .cpu_request_millis = samples[i].cpu_request,
                                        .memory_request_bytes = samples[i].memory_request,
                                        .priority = samples[i].priority,
                                        .placement = nj_str(samples[i].placement)};
        for (int c = 0; c < (samples[i].containers == 0 ? 1 : samples[i].containers); c++) {
            assert_true(items_count < PODS_MAX);
            nj_buf_clear(&encoded[items_count].cpu);
            encode_item(&samples[i], &encoded[items_count], &items[items_count]);
            items_count++;
        }
    }
    const struct nj_usage usage = {.minute_ns = minute_ns,
                                   .items = items,
                                   .count = items_count,
                                   .pods = pods,
                                   .pods_count = count,
                                   .part = part,
                                   .parts = parts};
    nj_capacity_usage(setup->capacity, node, &usage);
    for (size_t i = 0; i < items_count; i++) {
        nj_buf_done(&encoded[i].cpu);
        nj_buf_done(&encoded[i].memory);
    }
}

/* The latest whole minute. */
static int64_t minute_of(const struct setup *setup)
{
    return setup->fake.now_ns / NJ_MIN * NJ_MIN - NJ_MIN;
}

static void send_minute(struct setup *setup, const char *node, const struct sample *samples, size_t count)
{
    send_part(setup, node, minute_of(setup), samples, count, 0, 1);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void on_node(void *data, const struct nj_capacity_node_view *view)
{
    struct setup *setup = data;
    setup->node = *view;
    setup->found++;
}

static const struct nj_capacity_node_view *node_of(struct setup *setup, const char *name)
{
    const struct nj_capacity_filter filter = {.name = name, .limit = 1};
    setup->found = 0;
    (void)nj_capacity_each_node(setup->capacity, &filter, on_node, setup);
    assert_int_equal(setup->found, 1);
    return &setup->node;
}

static void on_sum(void *data, const char *name, const struct nj_capacity_sum *sum)
{
    struct setup *setup = data;
    (void)name;
    setup->sum = *sum;
    setup->found++;
}

static const struct nj_capacity_sum *namespace_of(struct setup *setup, const char *name)
{
    const struct nj_capacity_filter filter = {.name = name, .limit = 1};
    setup->found = 0;
    (void)nj_capacity_each_namespace(setup->capacity, &filter, on_sum, setup);
    return setup->found == 0 ? NULL : &setup->sum;
}

static void on_pod(void *data, const struct nj_capacity_pod_view *pod)
{
    struct setup *setup = data;
    size_t len = strlen(setup->pods);
    (void)snprintf(setup->pods + len, sizeof(setup->pods) - len, "%s ", pod->name);
}

static void assert_pods(struct setup *setup, const char *node, const char *expected)
{
    setup->pods[0] = '\0';
    nj_capacity_each_pod(setup->capacity, node, on_pod, setup);
    assert_string_equal(setup->pods, expected);
}

/* Until the next forecast has been made. */
static void run_forecast(struct setup *setup)
{
    struct nj_capacity_summary before, now;
    nj_capacity_summary(setup->capacity, &before);
    setup->fake.now_ns += NJ_MIN;
    do {
        fake_run_once(&setup->fake);
        nj_capacity_summary(setup->capacity, &now);
    } while (now.at_ns == before.at_ns);
}

/* ---- what is known */

static void pods_are_summed_up_by_node_and_namespace(void **state)
{
    static const struct sample first[] = {
        {"shop", "web-1", "Deployment", NULL, 1000, 400 * MIB, 0.25, 100.0 * MIB, 2, 0},
        {"bank", "db-0", "StatefulSet", NULL, 500, 200 * MIB, 0.75, 300.0 * MIB, 0, 0}};
    static const struct sample second[] = {
        {"shop", "web-2", "Deployment", NULL, 1000, 400 * MIB, -1, -1, 0, 0}};
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    send_minute(setup, "n1", first, COUNT(first));
    send_minute(setup, "n2", second, COUNT(second));
    const struct nj_capacity_sum *sum = &node_of(setup, "n1")->sum;
    assert_int_equal(sum->pods, 2);
    assert_int_equal(sum->unmeasured, 0);
    assert_int_equal(sum->cpu_request_millis, 1500);
    assert_int_equal(sum->cpu_limit_millis, 3000);
    assert_int_equal(sum->memory_request_bytes, 600 * MIB);
    assert_int_equal(sum->memory_limit_bytes, 1200 * MIB);
    assert_int_equal(sum->cpu_use_micros, 1000000);
    assert_in_range(sum->memory_use_bytes, 400 * MIB - 100, 400 * MIB + 100);
    assert_int_equal(sum->cpu_waste_micros, 750000); /* what the other uses too much makes up for nothing */
    assert_in_range(sum->memory_waste_bytes, 300 * MIB - 100, 300 * MIB + 100);
    assert_int_equal(setup->node.node->node->allocatable_cpu_millis, 4000);
    assert_int_equal(setup->node.minute_ns, minute_of(setup));
    sum = namespace_of(setup, "shop");
    assert_int_equal(sum->pods, 2);
    assert_int_equal(sum->unmeasured, 1);
    assert_int_equal(sum->cpu_request_millis, 2000);
    assert_int_equal(sum->cpu_use_micros, 250000);
    assert_null(namespace_of(setup, "other"));
}

static void the_use_is_the_95th_percentile_of_the_hour(void **state)
{
    struct setup *setup = *state;
    struct sample sample = {"shop", "web-1", "Deployment", NULL, 1000, MIB, 0, -1, 0, 0};
    begin(setup, TWO_NODES);
    for (int i = 1; i <= 100; i++) { /* of the last sixty the third is exceeded by three */
        sample.cpu = i == 97 ? 5.0 : i / 100.0;
        send_minute(setup, "n1", &sample, 1);
        setup->fake.now_ns += NJ_MIN;
    }
    assert_int_equal(node_of(setup, "n1")->sum.cpu_use_micros, 980000);
    /* A minute that was late adds to its place; after an hour without any, all of it is old. */
    setup->fake.now_ns += 70 * NJ_MIN;
    sample.cpu = 0.5;
    send_minute(setup, "n1", &sample, 1);
    assert_int_equal(node_of(setup, "n1")->sum.cpu_use_micros, 500000);
}

static void a_pod_is_gone_when_no_part_of_a_minute_lists_it(void **state)
{
    static const struct sample pods[] = {{"shop", "a", "Job", NULL, 100, MIB, 0.1, 1, 0, 0},
                                         {"shop", "b", "Job", NULL, 100, MIB, 0.1, 1, 0, 0},
                                         {"bank", "c", "Job", NULL, 100, MIB, 0.1, 1, 0, 0}};
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    int64_t minute_ns = minute_of(setup);
    send_part(setup, "n1", minute_ns, &pods[2], 1, 2, 3);
    send_part(setup, "n1", minute_ns, &pods[0], 1, 0, 3);
    send_part(setup, "n1", minute_ns, &pods[1], 1, 1, 3);
    assert_pods(setup, "n1", "c a b ");
    /* One part of the next says nothing of the others; all of them do. */
    setup->fake.now_ns += NJ_MIN;
    minute_ns += NJ_MIN;
    send_part(setup, "n1", minute_ns, &pods[0], 1, 0, 2);
    assert_pods(setup, "n1", "c a b ");
    send_part(setup, "n1", minute_ns, &pods[1], 1, 1, 2);
    assert_pods(setup, "n1", "a b ");
    assert_null(namespace_of(setup, "bank"));
    /* What comes late lists nothing any more. */
    send_part(setup, "n1", minute_ns - NJ_MIN, &pods[2], 1, 0, 1);
    assert_pods(setup, "n1", "a b ");
}

static void what_cannot_be_is_left_out_and_counted(void **state)
{
    static const struct sample pods[] = {{"shop", "a", "Job", NULL, 100, MIB, 0.1, 1, 0, 0},
                                         {"shop", "b", "Job", NULL, 100, MIB, 0.1, 1, 0, 0},
                                         {"shop", "c", "Job", NULL, 100, MIB, 0.1, 1, 0, 0}};
    struct setup *setup = *state;
    begin_bounded(setup, TWO_NODES, 2);
    send_minute(setup, "n1", pods, COUNT(pods));
    assert_pods(setup, "n1", "a b ");
    send_part(setup, "n2", setup->fake.now_ns + NJ_HOUR, pods, 1, 0, 1);
    send_part(setup, "n2", minute_of(setup), pods, 1, 300, 400);
    send_part(setup, "n2", minute_of(setup) - NJ_DAY, pods, 1, 0, 1); /* only late: not counted */
    send_part(setup, "no/node", minute_of(setup), pods, 1, 0, 1);
    assert_pods(setup, "n2", "");
    struct nj_buf text = {0};
    assert_int_equal(0, nj_metrics_render(setup->metrics, &text));
    assert_non_null(strstr(text.data, "\nnightjar_capacity_usage_ignored_total 2\n"));
    assert_non_null(strstr(text.data, "\nnightjar_capacity_nodes_ignored_total 1\n"));
    assert_non_null(strstr(text.data, "\nnightjar_capacity_pods 2\n"));
    nj_buf_done(&text);
}

/* ---- the forecast */

static const struct sample heavy = {"shop",    "web-1", "Deployment", NULL, 1000,
                                    600 * MIB, 0.1,     50.0 * MIB,   0,    0};
static const struct sample other = {"shop",    "web-2", "Deployment", NULL, 1000,
                                    500 * MIB, 0.1,     50.0 * MIB,   0,    0};
static const struct sample light = {"shop",    "web-2", "Deployment", NULL, 1000,
                                    100 * MIB, 0.1,     50.0 * MIB,   0,    0};

static void send_both(struct setup *setup, const struct sample *first, const struct sample *second)
{
    send_minute(setup, "n1", first, 1);
    send_minute(setup, "n2", second, 1);
}

static void a_loss_is_told_when_two_forecasts_agree(void **state)
{
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    send_both(setup, &heavy, &other);
    run_forecast(setup);
    assert_string_equal(nj_buf_str(&setup->told), "");
    const struct nj_capacity_loss *loss = &node_of(setup, "n1")->loss;
    assert_int_equal(loss->unplaceable[NJ_FORECAST_REQUESTS], 1);
    assert_int_equal(loss->unplaceable[NJ_FORECAST_USE], 0);
    assert_int_equal(loss->movable, 1);
    assert_string_equal(loss->refusals[NJ_FORECAST_REQUESTS][0].pod, "web-1");
    assert_false(loss->told);
    send_both(setup, &heavy, &other);
    run_forecast(setup);
    assert_string_equal(nj_buf_str(&setup->told), "n1;n2;");
    assert_true(node_of(setup, "n1")->loss.told);
    assert_string_equal(setup->message,
                        "if node n2 were lost, 1 of its 1 pods that move would find no other: shop/web-2 "
                        "(0/1 nodes are available: 1 Insufficient memory). Next to fall would be n1, with 5% "
                        "of its memory in use");
    /* It ends as it began. */
    send_both(setup, &heavy, &light);
    run_forecast(setup);
    assert_string_equal(nj_buf_str(&setup->told), "n1;n2;");
    send_both(setup, &heavy, &light);
    run_forecast(setup);
    assert_string_equal(nj_buf_str(&setup->told), "n1;n2;n1 over;n2 over;");
    struct nj_buf text = {0};
    assert_int_equal(0, nj_capacity_exposition(setup->capacity, &text));
    assert_non_null(
        strstr(text.data, "\nnightjar_node_loss_unplaceable_pods{node=\"n2\",by=\"requests\"} 0\n"));
    nj_buf_done(&text);
}

static void what_lasts_is_told_again_as_the_same_fact(void **state)
{
    struct setup *setup = *state;
    begin(setup, NODE("n1", "1000Mi", "True") "," NODE("n2", "500Mi", "True"));
    for (int i = 0; i < 8; i++) {
        send_both(setup, &heavy, &light);
        run_forecast(setup);
    }
    assert_string_equal(nj_buf_str(&setup->told), "n1;n1;");
    assert_string_equal(setup->first_id, setup->last_id);
}

static void nodes_that_would_fall_are_told_of(void **state)
{
    static const struct sample hungry[] = {
        {"shop", "web-1", "Deployment", NULL, 100, 100 * MIB, 0.1, 700.0 * MIB, 0, 0},
        {"shop", "web-2", "Deployment", NULL, 100, 100 * MIB, 0.1, 600.0 * MIB, 0, 0}};
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    for (int i = 0; i < 2; i++) {
        send_both(setup, &hungry[0], &hungry[1]);
        run_forecast(setup);
    }
    assert_string_equal(nj_buf_str(&setup->told), "n1;n2;");
    assert_string_equal(setup->message,
                        "if node n2 were lost, its pods would bring down others. n1 would have "
                        "130% of its memory in use and fall next, with 2 more pods left over");
}

static void what_moves_nowhere_needs_no_place(void **state)
{
    static const struct sample fixed[] = {
        {"shop", "a", "DaemonSet", NULL, 100, 900 * MIB, 0.1, 1, 0, 0},
        {"shop", "b", "Pod", NULL, 100, 10 * MIB, 0.1, 1, 0, 0},
        {"shop", "c", "Deployment", "{\"nodeSelector\":{\"kind\":\"n1\"}}", 100, 10 * MIB, 0.1, 1, 0, 0},
        {"shop", "d", "Deployment", "{broken", 100, 10 * MIB, 0.1, 1, 0, 0}};
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    send_minute(setup, "n1", fixed, COUNT(fixed));
    send_minute(setup, "n2", &light, 1);
    run_forecast(setup);
    const struct nj_capacity_loss *loss = &node_of(setup, "n1")->loss;
    assert_int_equal(loss->fixed, 2);
    assert_int_equal(loss->movable, 1);
    assert_int_equal(loss->unchecked, 1);
    assert_int_equal(loss->unplaceable[NJ_FORECAST_REQUESTS], 1);
    assert_string_equal(loss->refusals[NJ_FORECAST_REQUESTS][0].why,
                        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector");
    /* n2's pod does not fit beside the DaemonSet's. */
    assert_int_equal(node_of(setup, "n2")->loss.unplaceable[NJ_FORECAST_REQUESTS], 1);
}

static void a_single_usable_node_is_no_news(void **state)
{
    struct setup *setup = *state;
    begin(setup, NODE("n1", "1000Mi", "True") "," NODE("n2", "1000Mi", "False"));
    for (int i = 0; i < 3; i++) {
        send_both(setup, &heavy, &other);
        run_forecast(setup);
    }
    struct nj_capacity_summary summary;
    nj_capacity_summary(setup->capacity, &summary);
    assert_int_equal(summary.nodes, 2);
    assert_int_equal(summary.usable, 1);
    assert_string_equal(nj_buf_str(&setup->told), "");
    assert_int_equal(node_of(setup, "n2")->loss.at_ns, 0);
}

static void nothing_is_judged_while_a_node_is_missed(void **state)
{
    struct setup *setup = *state;
    begin(setup, TWO_NODES "," NODE("n3", "1000Mi", "True"));
    for (int i = 0; i < 2; i++) {
        send_both(setup, &heavy, &other);
        send_minute(setup, "n3", &light, 1); /* the third takes what would move */
        run_forecast(setup);
    }
    assert_string_equal(nj_buf_str(&setup->told), "");
    for (int i = 0; i < 30; i++) { /* its agent is silent: who knows how much it could take */
        send_both(setup, &heavy, &other);
        run_forecast(setup);
    }
    assert_string_equal(nj_buf_str(&setup->told), "");
    assert_int_equal(node_of(setup, "n3")->sum.pods, 0);
    for (int i = 0; i < 40; i++) { /* for an hour; then it is taken for one without an agent */
        send_both(setup, &heavy, &other);
        run_forecast(setup);
    }
    assert_true(setup->events > 0);
}

static void the_first_forecast_waits_until_all_nodes_were_heard(void **state)
{
    struct setup *setup = *state;
    struct nj_capacity_summary summary;
    begin(setup, TWO_NODES);
    for (int i = 0; i < 3; i++) {
        send_minute(setup, "n1", &heavy, 1);
        setup->fake.now_ns += NJ_MIN;
        for (int turn = 0; turn < 20; turn++)
            fake_run_once(&setup->fake);
    }
    nj_capacity_summary(setup->capacity, &summary);
    assert_int_equal(summary.at_ns, 0);
    send_both(setup, &heavy, &light);
    run_forecast(setup);
}

static void a_loss_that_an_earlier_process_told_is_ended(void **state)
{
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    nj_capacity_remember(setup->capacity, "n1", noon_ns - NJ_HOUR);
    nj_capacity_remember(setup->capacity, "gone", noon_ns - NJ_HOUR);
    for (int i = 0; i < 2; i++) {
        send_both(setup, &light, &light);
        run_forecast(setup);
    }
    assert_string_equal(nj_buf_str(&setup->told), "gone over;n1 over;");
}

static void pods_that_go_while_a_forecast_is_made_do_no_harm(void **state)
{
    struct setup *setup = *state;
    begin(setup, TWO_NODES);
    for (int i = 0; i < 50; i++) {
        send_both(setup, &heavy, &other);
        setup->fake.now_ns += NJ_MIN;
        fake_run_once(&setup->fake);
        send_minute(setup, "n1", NULL, 0);
        send_minute(setup, "n2", NULL, 0);
        fake_run_once(&setup->fake);
    }
    assert_pods(setup, "n1", "");
    assert_null(namespace_of(setup, "shop"));
}

/* ---- random */

struct truth {
    bool is;
    int node, namespace;
    int64_t cpu_request, memory_request;
    double cpu;
};

/* What is summed up is what a count of everything gives, whatever came and went. */
static void sums_stay_right(void **state)
{
    static const char *const nodes[] = {"n1", "n2"};
    static const char *const namespaces[] = {"a", "b", "c"};
    struct setup *setup = *state;
    struct truth pods[24] = {0};
    char names[24][8];
    unsigned seed = 7;
    begin(setup, TWO_NODES);
    for (int i = 0; i < 24; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "p%d", i);
        pods[i].node = i % 2;
        pods[i].namespace = i % 3;
    }
    for (int round = 0; round < 60; round++) {
        setup->fake.now_ns += NJ_MIN;
        for (int n = 0; n < 2; n++) {
            struct sample samples[24];
            size_t count = 0;
            for (int i = n; i < 24; i += 2) {
                pods[i].is = rand_r(&seed) % 3 != 0;
                pods[i].cpu_request = rand_r(&seed) % 1000;
                pods[i].memory_request = rand_r(&seed) % 100000;
                if (pods[i].is)
                    samples[count++] =
                        (struct sample){namespaces[pods[i].namespace],
                                        names[i],
                                        "Deployment",
                                        i % 5 == 0 ? "{\"nodeSelector\":{\"kind\":\"n1\"}}" : "",
                                        pods[i].cpu_request,
                                        pods[i].memory_request,
                                        rand_r(&seed) % 2 == 0 ? -1 : 0.1,
                                        1000,
                                        1 + rand_r(&seed) % 2,
                                        0};
            }
            send_minute(setup, nodes[n], samples, count);
        }
        for (int s = 0; s < 3; s++) {
            int64_t cpu = 0;
            int64_t memory = 0;
            uint32_t count = 0;
            for (int i = 0; i < 24; i++) {
                bool counts = pods[i].is && pods[i].namespace == s;
                count += counts;
                cpu += counts ? pods[i].cpu_request : 0;
                memory += counts ? pods[i].memory_request : 0;
            }
            const struct nj_capacity_sum *sum = namespace_of(setup, namespaces[s]);
            assert_int_equal(sum == NULL ? 0 : sum->pods, count);
            assert_int_equal(sum == NULL ? 0 : sum->cpu_request_millis, cpu);
            assert_int_equal(sum == NULL ? 0 : sum->memory_request_bytes, memory);
        }
    }
    setup->fake.now_ns += NJ_MIN;
    send_minute(setup, "n1", NULL, 0);
    send_minute(setup, "n2", NULL, 0);
    const struct nj_capacity_sum nothing = {0};
    assert_memory_equal(&node_of(setup, "n1")->sum, &nothing, sizeof(nothing));
    assert_memory_equal(&node_of(setup, "n2")->sum, &nothing, sizeof(nothing));
}

#define capacity_case(function) cmocka_unit_test_setup_teardown(function, setup_of, teardown_of)

int main(void)
{
    const struct CMUnitTest tests[] = {
        capacity_case(pods_are_summed_up_by_node_and_namespace),
        capacity_case(the_use_is_the_95th_percentile_of_the_hour),
        capacity_case(a_pod_is_gone_when_no_part_of_a_minute_lists_it),
        capacity_case(what_cannot_be_is_left_out_and_counted),
        capacity_case(a_loss_is_told_when_two_forecasts_agree),
        capacity_case(what_lasts_is_told_again_as_the_same_fact),
        capacity_case(nodes_that_would_fall_are_told_of),
        capacity_case(what_moves_nowhere_needs_no_place),
        capacity_case(a_single_usable_node_is_no_news),
        capacity_case(nothing_is_judged_while_a_node_is_missed),
        capacity_case(the_first_forecast_waits_until_all_nodes_were_heard),
        capacity_case(a_loss_that_an_earlier_process_told_is_ended),
        capacity_case(pods_that_go_while_a_forecast_is_made_do_no_harm),
        capacity_case(sums_stay_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
