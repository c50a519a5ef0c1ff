/* Events of every type with ordinary and with extreme contents, for the tests of common/wire and its fuzzers.
 */
#ifndef NJ_TEST_WIRE_SAMPLES_H
#define NJ_TEST_WIRE_SAMPLES_H

#include <stdint.h>
#include <string.h>

#include "common/wire/event.h"

enum { SAMPLES = 18 };

static inline struct nj_subject sample_subject(void)
{
    return (struct nj_subject){
        .namespace = "shop",
        .pod = "cart-5f7c9-x2k4p",
        .pod_uid = "1d9c2b1e-7a41-4d0e-9f7e-3b6f1c2a9d10",
        .node = "node-7",
        .workload_kind = "Deployment",
        .workload = "cart",
        .container = "app",
    };
}

static inline struct nj_event sample_crash(void)
{
    static const char log[] = "starting\nE panic: no \xe5\xba\x93\xe5\xad\x98 table\n";
    return (struct nj_event){
        .seq = 1,
        .id = "crash-1",
        .at_ns = 1763716412711000000,
        .seen_ns = 1763716412915000000,
        .type = NJ_EVENT_CRASH,
        .subject = sample_subject(),
        .crash =
            {
                .container_id = "containerd://6f1d",
                .container_type = "app",
                .image = "registry/cart:1.4.2",
                .reason = "OOMKilled",
                .message = "killed",
                .exit_code = 137,
                .signal = 9,
                .attempt = 3,
                .restart_count = 4,
                .started_ns = 1763716400000000000,
                .finished_ns = 1763716412711000000,
                .memory_limit_bytes = 24 << 20,
                .cpu_limit_millis = 250,
                .log = {.text = log, .len = sizeof(log) - 1, .lines = 2, .cut = true, .source = "file"},
            },
    };
}

static inline struct nj_check_event sample_check(void)
{
    return (struct nj_check_event){
        .key = {.monitor = "apimonitor.shop.cart", .target = "pod/1d9c2b1e/8080/IPv4"},
        .source = "apimonitor",
        .service = "cart",
        .target_name = "cart-5f7c9-x2k4p",
        .address = "10.0.0.7:8080",
        .state = "failing",
        .since_ns = INT64_MIN,
        .severity = "critical",
        .group = "payments",
        .cause = "status",
        .phase = "check",
        .step = "login",
        .expected = "status 200-299",
        .got = "503",
        .body = "out of \xe5\xba\x93\xe5\xad\x98",
        .status = INT32_MIN,
        .evidence = "{\"ok\":false}",
    };
}

static inline struct nj_rollups sample_rollups(void)
{
    static const struct nj_rollup_error_count errors[] = {
        {.cause = "status", .status = 503, .count = UINT32_MAX},
        {.cause = "timeout", .status = INT32_MIN, .count = 1},
        {0},
    };
    static const struct nj_check_rollup items[] = {
        {
            .key = {.monitor = "apimonitor.shop.cart", .target = "pod/1d9c2b1e/8080/IPv4"},
            .namespace = "shop",
            .service = "cart",
            .target_name = "cart-5f7c9-x2k4p",
            .state = "failing",
            .runs = UINT32_MAX,
            .failures = UINT32_MAX,
            .errors = errors,
            .errors_count = sizeof(errors) / sizeof(errors[0]),
            .latency = "\x01\x00\xff",
            .latency_len = 3,
        },
        {.key = {.monitor = "builtin.dns", .target = "url"}},
        {.key = {.monitor = "service.shop.web", .target = "service/80/IPv6"},
         .runs = 6,
         .errors = errors,
         .errors_count = 1},
    };
    return (struct nj_rollups){
        .minute_ns = INT64_MAX, .items = items, .count = sizeof(items) / sizeof(items[0])};
}

static inline struct nj_oom_kill sample_oom_kill(void)
{
    return (struct nj_oom_kill){
        .container_id = "containerd://6f1d",
        .count = UINT64_MAX,
        .process = "worker",
        .pid = INT32_MAX,
        .process_bytes = INT64_MAX,
        .memory_limit_bytes = 64 << 20,
        .memory_usage_bytes = INT64_MIN,
    };
}

static inline struct nj_trouble sample_trouble(void)
{
    return (struct nj_trouble){
        .kind = NJ_TROUBLE_LEAK_SOCKETS,
        .detail = "CLOSE_WAIT",
        .over = true,
        .level = 95,
        .severity = "critical",
        .message = "412 sockets in CLOSE_WAIT, 60 more an hour",
        .since_ns = INT64_MIN,
        .value = -0.0,
        .limit = 1.7976931348623157e308,
        .per_hour = 4.9e-324,
        .reaches_ns = INT64_MAX,
        .process = "java",
        .pid = INT32_MIN,
    };
}

static inline struct nj_usage sample_usage(void)
{
    static const struct nj_usage_item items[] = {
        {
            .namespace = "shop",
            .pod = "cart-5f7c9-x2k4p",
            .pod_uid = "1d9c2b1e-7a41-4d0e-9f7e-3b6f1c2a9d10",
            .container = "app",
            .workload_kind = "Deployment",
            .workload = "cart",
            .cpu_request_millis = 250,
            .cpu_limit_millis = NJ_USAGE_AMOUNT_MAX,
            .memory_request_bytes = 1,
            .memory_limit_bytes = NJ_USAGE_AMOUNT_MAX,
            .started_ns = INT64_MIN,
            .oom_kills = UINT64_MAX,
            .metrics = {[NJ_USAGE_CPU] = {"\x01\x00\xff", 3},
                        [NJ_USAGE_MEMORY] = {"m", 1},
                        [NJ_USAGE_THROTTLED] = {"t\0t", 3},
                        [NJ_USAGE_GPU] = {"gg", 2},
                        [NJ_USAGE_GPU_MEMORY] = {"gm", 2}},
        },
        {0}, /* a node's, of which nothing is known */
        {.pod_uid = "2", .container = "app", .metrics = {[NJ_USAGE_MEMORY] = {"m", 1}}},
    };
    static const struct nj_usage_pod pods[] = {
        {
            .namespace = "shop",
            .pod = "cart-5f7c9-x2k4p",
            .pod_uid = "1d9c2b1e-7a41-4d0e-9f7e-3b6f1c2a9d10",
            .workload_kind = "Deployment",
            .workload = "cart",
            .cpu_request_millis = 250,
            .memory_request_bytes = NJ_USAGE_AMOUNT_MAX,
            .priority = INT32_MIN,
            .placement = "{\"nodeSelector\":{\"zone\":\"a\"}}",
        },
        {.pod_uid = "2"},
    };
    return (struct nj_usage){
        .minute_ns = INT64_MAX,
        .items = items,
        .count = sizeof(items) / sizeof(items[0]),
        .pods = pods,
        .pods_count = sizeof(pods) / sizeof(pods[0]),
        .part = NJ_USAGE_PARTS_MAX - 1,
        .parts = NJ_USAGE_PARTS_MAX,
    };
}

/* The samples of what an inspection tells. */
static inline struct nj_event sample_inspected(int index)
{
    struct nj_event event = {.id = "x", .subject = sample_subject(), .at_ns = INT64_MAX};
    switch (index) {
    case 0:
        event.type = NJ_EVENT_OOM_KILL;
        event.oom_kill = sample_oom_kill();
        break;
    case 1:
        event = (struct nj_event){.id = "oom-bare", .type = NJ_EVENT_OOM_KILL};
        event.oom_kill.count = 1;
        break;
    case 2:
        event.type = NJ_EVENT_TROUBLE;
        event.trouble = sample_trouble();
        break;
    case 3:
        event = (struct nj_event){.id = "trouble-bare", .type = NJ_EVENT_TROUBLE};
        event.trouble.kind = NJ_TROUBLE_NODE_LOSS;
        break;
    case 4:
        event.type = NJ_EVENT_USAGE;
        event.usage = sample_usage();
        break;
    default:
        event = (struct nj_event){.id = "usage-empty", .type = NJ_EVENT_USAGE};
        event.usage.parts = 1;
        break;
    }
    return event;
}

enum { SAMPLES_INSPECTED = 12 }; /* the first of them */

/* `index` in 0..SAMPLES-1; seq rises with it. */
static inline struct nj_event sample_event(int index)
{
    static const char zeroes[] = "a\0b\n";
    struct nj_event event = sample_crash();
    event.seq = (uint64_t)index + 1;
    switch (index) {
    case 0:
        break;
    case 1: /* every number at its end, a log with zero bytes in it */
        event.id = "crash-extreme";
        event.at_ns = INT64_MIN;
        event.seen_ns = INT64_MAX;
        event.crash.exit_code = INT32_MIN;
        event.crash.signal = INT32_MAX;
        event.crash.attempt = INT32_MIN;
        event.crash.restart_count = INT32_MAX;
        event.crash.started_ns = INT64_MIN;
        event.crash.finished_ns = INT64_MAX;
        event.crash.memory_limit_bytes = INT64_MAX;
        event.crash.cpu_limit_millis = INT64_MIN;
        event.crash.log =
            (struct nj_log_text){.text = zeroes, .len = 4, .lines = UINT32_MAX, .source = "api"};
        break;
    case 2: /* nothing but an identity: NULL everywhere */
        event = (struct nj_event){.seq = 3, .id = "x", .type = NJ_EVENT_CRASH};
        break;
    case 3:
        event.id = "lost";
        event.type = NJ_EVENT_LOST_CRASHES;
        event.crash = (struct nj_crash){0};
        event.lost.count = UINT32_MAX;
        break;
    case 4:
        event.id = "stuck";
        event.type = NJ_EVENT_STUCK;
        event.stuck = (struct nj_stuck){.reason = "ImagePullBackOff",
                                        .message = "Back-off pulling image \"nope\"",
                                        .image = "nope",
                                        .since_ns = INT64_MIN};
        break;
    case 5:
        event.id = "cleared";
        event.type = NJ_EVENT_CLEARED;
        event.cleared.cause = NJ_CLEARED_SCHEDULED;
        break;
    case 6:
        event.id = "failure";
        event.type = NJ_EVENT_POD_FAILURE;
        event.subject.container = "";
        event.failure =
            (struct nj_pod_failure){.reason = "Evicted", .message = "The node was low on memory."};
        break;
    case 7:
        event.id = "failure-bare";
        event.type = NJ_EVENT_POD_FAILURE;
        event.failure = (struct nj_pod_failure){0};
        event.subject = (struct nj_subject){0};
        break;
    case 8:
        event.id = "check";
        event.type = NJ_EVENT_CHECK;
        event.check = sample_check();
        break;
    case 9: /* what a check cannot be without */
        event = (struct nj_event){.seq = 10, .id = "check-bare", .type = NJ_EVENT_CHECK};
        event.check.key = (struct nj_check_key){.monitor = "builtin.dns", .target = "url"};
        break;
    case 10:
        event.id = "rollups";
        event.type = NJ_EVENT_ROLLUPS;
        event.rollups = sample_rollups();
        break;
    case 11:
        event = (struct nj_event){.seq = 12, .id = "rollups-empty", .type = NJ_EVENT_ROLLUPS};
        break;
    default:
        event = sample_inspected(index - SAMPLES_INSPECTED);
        event.seq = (uint64_t)index + 1;
        break;
    }
    return event;
}

#endif
