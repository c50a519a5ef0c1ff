/*
 * Targets of checks and their series, as the store's users see them: what was told last of each target, how
 * many fail, what a minute, an hour and a day of runs amount to, and what retention leaves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/store.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "common/probe/state.h"
#include "tests/unit/collector/store_support.h"

static struct nj_store_target make_target(const char *name, const char *state)
{
    return (struct nj_store_target){
        .cluster = "prod",
        .project = "p-1",
        .key = {.monitor = "apimonitor.shop.cart", .target = name},
        .source = "apimonitor",
        .namespace = "shop",
        .service = "cart",
        .target_name = "cart-1",
        .address = "10.0.0.7:8080",
        .node = "node-7",
        .pod_uid = "u-1",
        .state = state,
        .since_ns = noon_ns,
        .seen_ns = noon_ns + 1,
        .severity = "critical",
        .group = "payments",
        .cause = "status",
        .phase = "check",
        .step = "login",
        .expected = "status 200-299",
        .got = "503",
        .body = "out of memory",
        .evidence = "{\"ok\":false}",
        .status = 503,
        .failed_ns = noon_ns - 1,
    };
}

static void put_target(struct fixture *fixture, const struct nj_store_target *target)
{
    begin(fixture);
    must(fixture, fixture->store->ops->put_target(fixture->store, target, &fixture->err));
    commit(fixture);
}

static int copy_target(void *data, int64_t rowid, const struct nj_store_target *target)
{
    assert_true(rowid > 0);
    nj_store_target_copy(data, target);
    return 77;
}

/* The only target, or the first; the caller lets go of it. */
static struct nj_store_target get_target(struct fixture *fixture)
{
    struct nj_store_target got = {0};
    const struct nj_target_filter any = {.limit = 1};
    assert_int_equal(
        77, fixture->store->ops->each_target(fixture->store, &any, copy_target, &got, &fixture->err));
    return got;
}

static void assert_same_target(const struct nj_store_target *got, const struct nj_store_target *want)
{
    assert_string_equal(got->cluster, want->cluster);
    assert_string_equal(got->project, want->project);
    assert_string_equal(got->key.monitor, want->key.monitor);
    assert_string_equal(got->key.target, want->key.target);
    assert_string_equal(got->source, want->source);
    assert_string_equal(got->namespace, want->namespace);
    assert_string_equal(got->service, want->service);
    assert_string_equal(got->target_name, want->target_name);
    assert_string_equal(got->address, want->address);
    assert_string_equal(got->node, want->node);
    assert_string_equal(got->pod_uid, want->pod_uid);
    assert_string_equal(got->state, want->state);
    assert_true(got->since_ns == want->since_ns);
    assert_true(got->seen_ns == want->seen_ns);
    assert_string_equal(got->severity, want->severity);
    assert_string_equal(got->group, want->group);
    assert_string_equal(got->cause, want->cause);
    assert_string_equal(got->phase, want->phase);
    assert_string_equal(got->step, want->step);
    assert_string_equal(got->expected, want->expected);
    assert_string_equal(got->got, want->got);
    assert_string_equal(got->body, want->body);
    assert_string_equal(got->evidence, want->evidence);
    assert_int_equal(got->status, want->status);
    assert_true(got->failed_ns == want->failed_ns);
}

static int list_target(void *data, int64_t rowid, const struct nj_store_target *target)
{
    (void)rowid;
    (void)nj_buf_printf(data, "%s=%s ", target->key.target, target->state);
    return 0;
}

static void assert_targets(struct fixture *fixture, struct nj_target_filter filter, const char *expected)
{
    if (filter.limit == 0)
        filter.limit = NJ_STORE_LIMIT_MAX;
    nj_buf_clear(&fixture->text);
    must(fixture, fixture->store->ops->each_target(fixture->store, &filter, list_target, &fixture->text,
                                                   &fixture->err));
    assert_string_equal(expected, nj_buf_str(&fixture->text));
}

static void a_target_is_as_it_was_told_last_also_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target first = make_target("pod/u-1/8080/IPv4", "passing");
    struct nj_store_target second = make_target("pod/u-1/8080/IPv4", "failing"), got;
    second.since_ns++;
    second.address = "10.0.0.8:8080";
    second.got = "500";
    second.group = "";
    put_target(fixture, &first);
    got = get_target(fixture);
    assert_same_target(&got, &first);
    nj_store_target_done(&got);
    put_target(fixture, &second);
    reopen(fixture);
    got = get_target(fixture);
    assert_same_target(&got, &second);
    nj_store_target_done(&got);
    assert_targets(fixture, (struct nj_target_filter){0}, "pod/u-1/8080/IPv4=failing ");
}

static void a_target_that_passes_keeps_its_latest_failure(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target failing = make_target("url", "failing"), passing = make_target("url", "passing");
    passing.cause = passing.phase = passing.step = passing.expected = passing.got = passing.body = "";
    passing.evidence = "{\"ok\":true}";
    passing.status = 0;
    passing.failed_ns = 0;
    put_target(fixture, &failing);
    put_target(fixture, &passing);
    struct nj_store_target want = failing, got = get_target(fixture);
    want.state = "passing";
    assert_same_target(&got, &want);
    nj_store_target_done(&got);
}

static void a_rollup_changes_a_targets_state_alone(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target told = make_target("url", "failing");
    struct nj_store_target rollup = {.cluster = "prod",
                                     .key = told.key,
                                     .namespace = "shop",
                                     .state = "passing",
                                     .since_ns = noon_ns + NJ_MIN,
                                     .seen_ns = noon_ns + 2 * NJ_MIN};
    put_target(fixture, &told);
    put_target(fixture, &rollup);
    struct nj_store_target want = told, got = get_target(fixture);
    want.state = "passing";
    want.since_ns = rollup.since_ns;
    want.seen_ns = rollup.seen_ns;
    assert_same_target(&got, &want);
    nj_store_target_done(&got);
}

static void what_is_gone_is_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target one = make_target("pod/1/80/IPv4", "failing");
    struct nj_store_target other = make_target("pod/2/80/IPv4", "passing");
    put_target(fixture, &one);
    put_target(fixture, &other);
    one.state = "gone";
    put_target(fixture, &one);
    put_target(fixture, &one); /* told twice */
    assert_targets(fixture, (struct nj_target_filter){0}, "pod/2/80/IPv4=passing ");
    one.state = "starting";
    put_target(fixture, &one);
    assert_targets(fixture, (struct nj_target_filter){0}, "pod/2/80/IPv4=passing pod/1/80/IPv4=starting ");
}

static void targets_are_chosen_by_filters_and_paged(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target a = make_target("a", "failing"), b = make_target("b", "passing");
    struct nj_store_target c = make_target("c", "passing"), d = make_target("d", "starting");
    b.cluster = "test";
    c.key.monitor = "service.shop.web";
    c.service = "web";
    c.seen_ns = noon_ns + NJ_HOUR;
    d.namespace = "billing";
    put_target(fixture, &a);
    put_target(fixture, &b);
    put_target(fixture, &c);
    put_target(fixture, &d);
    assert_targets(fixture, (struct nj_target_filter){0}, "a=failing b=passing c=passing d=starting ");
    assert_targets(fixture, (struct nj_target_filter){.cluster = "prod"}, "a=failing c=passing d=starting ");
    assert_targets(fixture, (struct nj_target_filter){.monitor = "service.shop.web"}, "c=passing ");
    assert_targets(fixture, (struct nj_target_filter){.namespace = "shop", .service = "cart"},
                   "a=failing b=passing ");
    assert_targets(fixture, (struct nj_target_filter){.state = "passing"}, "b=passing c=passing ");
    assert_targets(fixture, (struct nj_target_filter){.unseen_since_ns = noon_ns + NJ_MIN},
                   "a=failing b=passing d=starting ");
    assert_targets(fixture, (struct nj_target_filter){.limit = 2}, "a=failing b=passing ");
    assert_targets(fixture, (struct nj_target_filter){.limit = 2, .after_rowid = 2}, "c=passing d=starting ");
    const struct nj_target_filter none = {.limit = 0}, many = {.limit = NJ_STORE_LIMIT_MAX + 1};
    assert_int_equal(-EINVAL,
                     fixture->store->ops->each_target(fixture->store, &none, list_target, NULL, NULL));
    assert_int_equal(-EINVAL,
                     fixture->store->ops->each_target(fixture->store, &many, list_target, NULL, NULL));
}

static void assert_seen(struct fixture *fixture, const struct nj_check_key *key, const char *state,
                        bool known, bool as_told)
{
    struct nj_target_seen got = {.known = !known, .as_told = !as_told, .since_ns = -1};
    must(fixture, fixture->store->ops->see_target(fixture->store, "prod", key, state, noon_ns + NJ_MIN, &got,
                                                  &fixture->err));
    assert_int_equal(known, got.known);
    assert_int_equal(as_told, got.as_told);
    assert_true(got.since_ns == (known ? noon_ns : 0));
}

static void a_target_that_is_heard_of_is_seen(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_target known = make_target("url", "failing");
    const struct nj_check_key unknown = {.monitor = "apimonitor.shop.cart", .target = "other"};
    put_target(fixture, &known);
    begin(fixture);
    assert_seen(fixture, &known.key, "failing", true, true);
    assert_seen(fixture, &known.key, "passing", true, false);
    assert_seen(fixture, &unknown, "failing", false, false);
    commit(fixture);
    struct nj_store_target got = get_target(fixture);
    known.seen_ns = noon_ns + NJ_MIN;
    assert_same_target(&got, &known);
    nj_store_target_done(&got);
    assert_targets(fixture, (struct nj_target_filter){0}, "url=failing ");
}

static void assert_totals(struct fixture *fixture, const char *service, const char *monitor, int failing,
                          int total, int pods_failing, int pods_total)
{
    struct nj_target_totals got = {0};
    must(fixture, fixture->store->ops->total_targets(fixture->store, "prod", "shop", service, monitor, &got,
                                                     &fixture->err));
    assert_int_equal(failing, got.failing);
    assert_int_equal(total, got.total);
    assert_int_equal(pods_failing, got.pods_failing);
    assert_int_equal(pods_total, got.pods_total);
}

static void targets_are_counted_by_state_and_by_service(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *monitor, *target, *service, *namespace, *state;
    } targets[] = {
        {"apimonitor.shop.cart", "pod/1/80/IPv4", "cart", "shop", "failing"},
        {"apimonitor.shop.cart", "pod/2/80/IPv4", "cart", "shop", "flapping"},
        {"apimonitor.shop.cart", "pod/3/80/IPv4", "cart", "shop", "passing"},
        {"apimonitor.shop.cart", "pod/4/80/IPv4", "cart", "shop", "starting"},
        {"apimonitor.shop.cart", "service/80/IPv4", "cart", "shop", "passing"},
        {"apimonitor.shop.other", "service/81/IPv4", "cart", "shop", "failing"},
        {"apimonitor.bank.cart", "pod/5/80/IPv4", "cart", "bank", "failing"},
        {"apimonitor.shop.page", "url", "", "shop", "failing"},
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct nj_store_target target = make_target(targets[i].target, targets[i].state);
        target.key.monitor = targets[i].monitor;
        target.service = targets[i].service;
        target.namespace = targets[i].namespace;
        put_target(fixture, &target);
    }
    assert_totals(fixture, "cart", "apimonitor.shop.cart", 3, 5, 2, 3);
    assert_totals(fixture, "", "apimonitor.shop.page", 1, 1, 0, 0);
    assert_totals(fixture, NULL, "apimonitor.shop.cart", 2, 4, 2, 3);
    assert_totals(fixture, "none", "apimonitor.shop.cart", 0, 0, 0, 0);
    uint64_t counts[NJ_CHECK_STATES];
    must(fixture, fixture->store->ops->count_targets(fixture->store, "prod", "apimonitor.shop.cart", counts,
                                                     &fixture->err));
    assert_true(counts[NJ_CHECK_STARTING] == 1 && counts[NJ_CHECK_PASSING] == 2);
    assert_true(counts[NJ_CHECK_FAILING] == 1 && counts[NJ_CHECK_FLAPPING] == 1 &&
                counts[NJ_CHECK_GONE] == 0);
    must(fixture, fixture->store->ops->count_targets(fixture->store, "test", "apimonitor.shop.cart", counts,
                                                     &fixture->err));
    assert_true(counts[NJ_CHECK_PASSING] == 0);
}

/* Adds a minute of `runs` runs, `failures` of which failed with 503, the others took `seconds`. */
static void add_minute(struct fixture *fixture, const char *monitor, const char *target, int64_t minute_ns,
                       uint32_t runs, uint32_t failures, double seconds)
{
    const struct nj_rollup_error_count errors[] = {{.cause = "status", .status = 503, .count = failures}};
    struct nj_sketch sketch = {0};
    struct nj_buf latency = {0};
    for (uint32_t i = failures; i < runs; i++)
        nj_sketch_add(&sketch, seconds);
    assert_int_equal(0, nj_sketch_encode(&sketch, &latency));
    const struct nj_check_rollup rollup = {
        .key = {.monitor = monitor, .target = target},
        .namespace = "shop",
        .service = "cart",
        .target_name = "cart-1",
        .state = "passing",
        .runs = runs,
        .failures = failures,
        .errors = errors,
        .errors_count = failures > 0,
        .latency = latency.data,
        .latency_len = latency.len,
    };
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "prod", minute_ns, &rollup, &fixture->err));
    nj_sketch_done(&sketch);
    nj_buf_done(&latency);
}

/* "0 m/t cart-1 10-2 503:2 n8 max 0.2;": the minute since noon, the runs and failures, the latencies. */
static int list_point(void *data, const struct nj_series_point *point)
{
    struct nj_sketch sketch = {0};
    (void)nj_buf_printf(data, "%d %s/%s %s %d-%d", (int)((point->start_ns - noon_ns) / NJ_MIN),
                        point->monitor, point->target, point->target_name, (int)point->runs,
                        (int)point->failures);
    for (size_t i = 0; i < point->errors_count; i++)
        (void)nj_buf_printf(data, " %s%d:%u", point->errors[i].cause, (int)point->errors[i].status,
                            (unsigned)point->errors[i].count);
    if (point->latency_len > 0) {
        assert_int_equal(0, nj_sketch_decode(point->latency, point->latency_len, &sketch));
        (void)nj_buf_printf(data, " n%d max %.1f", (int)sketch.count, sketch.max);
        nj_sketch_done(&sketch);
    }
    (void)nj_buf_append_str(data, ";");
    return 0;
}

static void assert_points(struct fixture *fixture, struct nj_series_filter filter, const char *expected)
{
    if (filter.until_ns == 0)
        filter.until_ns = INT64_MAX;
    nj_buf_clear(&fixture->text);
    must(fixture,
         fixture->store->ops->each_point(fixture->store, &filter, list_point, &fixture->text, &fixture->err));
    assert_string_equal(expected, nj_buf_str(&fixture->text));
}

static void a_minute_is_added_to_its_hour_and_its_day(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add_minute(fixture, "m", "t", noon_ns + 7, 10, 2, 0.2); /* within the minute */
    add_minute(fixture, "m", "t", noon_ns + NJ_MIN, 6, 0, 0.5);
    add_minute(fixture, "m", "t", noon_ns + NJ_HOUR, 6, 1, 0.1);
    add_minute(fixture, "m", "t", noon_ns + NJ_DAY, 6, 0, 0.1);
    commit(fixture);
    reopen(fixture);
    assert_points(fixture, (struct nj_series_filter){.resolution = NJ_RESOLUTION_MINUTE},
                  "0 m/t cart-1 10-2 status503:2 n8 max 0.2;1 m/t cart-1 6-0 n6 max 0.5;"
                  "60 m/t cart-1 6-1 status503:1 n5 max 0.1;1440 m/t cart-1 6-0 n6 max 0.1;");
    assert_points(fixture, (struct nj_series_filter){.resolution = NJ_RESOLUTION_HOUR},
                  "0 m/t cart-1 16-2 status503:2 n14 max 0.5;60 m/t cart-1 6-1 status503:1 n5 max 0.1;"
                  "1440 m/t cart-1 6-0 n6 max 0.1;");
    /* noon_ns is nine hours into the day. */
    assert_points(fixture, (struct nj_series_filter){.resolution = NJ_RESOLUTION_DAY},
                  "-540 m/t cart-1 22-3 status503:3 n19 max 0.5;900 m/t cart-1 6-0 n6 max 0.1;");
}

static void the_same_minute_told_by_two_is_one_point(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add_minute(fixture, "m", "t", noon_ns, 3, 1, 0.2);
    add_minute(fixture, "m", "t", noon_ns, 4, 2, 0.9);
    commit(fixture);
    for (int i = 0; i < NJ_RESOLUTIONS; i++) {
        const struct nj_series_filter filter = {.resolution = (enum nj_resolution)i};
        assert_points(fixture, filter,
                      i == NJ_RESOLUTION_DAY ? "-540 m/t cart-1 7-3 status503:3 n4 max 0.9;"
                                             : "0 m/t cart-1 7-3 status503:3 n4 max 0.9;");
    }
}

static void an_event_that_told_a_minute_is_known(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_store_ops *ops = fixture->store->ops;
    bool is_new = false;
    begin(fixture);
    must(fixture, ops->put_minute(fixture->store, "one", noon_ns, &is_new, &fixture->err));
    assert_true(is_new);
    must(fixture, ops->put_minute(fixture->store, "other", noon_ns, &is_new, &fixture->err));
    assert_true(is_new);
    must(fixture, ops->put_minute(fixture->store, "one", noon_ns + 1, &is_new, &fixture->err));
    assert_false(is_new);
    must(fixture, ops->put_minute(fixture->store, "one", noon_ns + NJ_MIN, &is_new, &fixture->err));
    assert_true(is_new);
    commit(fixture);
}

static void causes_are_added_up_and_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct nj_rollup_error_count errors[NJ_ROLLUP_CAUSES_MAX];
    for (int i = 0; i < NJ_ROLLUP_CAUSES_MAX; i++)
        errors[i] = (struct nj_rollup_error_count){.cause = "status", .status = 400 + i, .count = 1};
    struct nj_rollup_error_count more[] = {
        {.cause = "status", .status = 400, .count = UINT32_MAX},
        {.cause = "time\tout\n", .status = -1, .count = 5},
        {.cause = NULL, .status = 0, .count = 2},
    };
    struct nj_check_rollup rollup = {.key = {.monitor = "m", .target = "t"},
                                     .runs = 1,
                                     .errors = more,
                                     .errors_count = 3,
                                     .latency = "no sketch",
                                     .latency_len = 9};
    begin(fixture);
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "prod", noon_ns, &rollup, &fixture->err));
    assert_points(fixture, (struct nj_series_filter){.resolution = NJ_RESOLUTION_MINUTE},
                  "0 m/t  1-0 status400:4294967295 time out -1:5 0:2;");
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "prod", noon_ns, &rollup, &fixture->err));
    assert_points(fixture, (struct nj_series_filter){.resolution = NJ_RESOLUTION_MINUTE},
                  "0 m/t  2-0 status400:4294967295 time out -1:10 0:4;");
    rollup.errors = errors;
    rollup.errors_count = NJ_ROLLUP_CAUSES_MAX;
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "prod", noon_ns, &rollup, &fixture->err));
    commit(fixture);
    nj_buf_clear(&fixture->text);
    const struct nj_series_filter filter = {.until_ns = INT64_MAX, .resolution = NJ_RESOLUTION_MINUTE};
    must(fixture, fixture->store->ops->each_point(fixture->store, &filter, list_point, &fixture->text, NULL));
    /* 64 in all: the last two of the 64 had no place left. */
    assert_non_null(strstr(nj_buf_str(&fixture->text), "status460:1 status461:3;"));
}

static int stop(void *data, const struct nj_series_point *point)
{
    (void)point;
    return ++*(int *)data == 2 ? 77 : 0;
}

static void points_are_chosen_by_filters_and_come_in_order(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add_minute(fixture, "n", "t", noon_ns + 2 * NJ_MIN, 1, 1, 0);
    add_minute(fixture, "n", "t", noon_ns, 1, 1, 0);
    add_minute(fixture, "m", "u", noon_ns, 1, 1, 0);
    add_minute(fixture, "m", "t", noon_ns + 2 * NJ_MIN, 1, 1, 0);
    add_minute(fixture, "m", "t", noon_ns, 1, 1, 0);
    const struct nj_check_rollup elsewhere = {
        .key = {.monitor = "m", .target = "t"}, .namespace = "bank", .service = "vault", .runs = 9};
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "test", noon_ns, &elsewhere, NULL));
    commit(fixture);
#define P(text) text " cart-1 1-1 status503:1;"
    assert_points(fixture, (struct nj_series_filter){.cluster = "prod"},
                  P("0 m/t") P("0 m/u") P("0 n/t") P("2 m/t") P("2 n/t"));
    assert_points(fixture, (struct nj_series_filter){.cluster = "prod", .monitor = "m"},
                  P("0 m/t") P("0 m/u") P("2 m/t"));
    assert_points(fixture, (struct nj_series_filter){.monitor = "m", .target = "u"}, P("0 m/u"));
    assert_points(fixture,
                  (struct nj_series_filter){.namespace = "shop", .service = "cart", .from_ns = noon_ns + 1},
                  P("2 m/t") P("2 n/t"));
    assert_points(fixture, (struct nj_series_filter){.monitor = "n", .until_ns = noon_ns + 2 * NJ_MIN},
                  P("0 n/t"));
    assert_points(fixture, (struct nj_series_filter){.monitor = "n", .from_ns = noon_ns + 2 * NJ_MIN},
                  P("2 n/t"));
    assert_points(fixture, (struct nj_series_filter){.cluster = "test"}, "0 m/t  9-0;");
    assert_points(fixture, (struct nj_series_filter){.namespace = "none"}, "");
    assert_points(fixture, (struct nj_series_filter){.monitor = "m", .from_ns = noon_ns + 3 * NJ_DAY}, "");
    const struct nj_series_filter all = {.until_ns = INT64_MAX};
    int calls = 0;
    assert_int_equal(77, fixture->store->ops->each_point(fixture->store, &all, stop, &calls, NULL));
    assert_int_equal(2, calls);
}

static void a_series_has_the_name_that_was_told_last(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    add_minute(fixture, "m", "t", noon_ns, 1, 1, 0);
    const struct nj_check_rollup renamed = {.key = {.monitor = "m", .target = "t"},
                                            .namespace = "shop",
                                            .service = "basket",
                                            .target_name = "cart-2",
                                            .runs = 1};
    must(fixture, fixture->store->ops->add_rollup(fixture->store, "prod", noon_ns + NJ_MIN, &renamed, NULL));
    commit(fixture);
    assert_points(fixture, (struct nj_series_filter){.service = "basket"},
                  "0 m/t cart-2 1-1 status503:1;1 m/t cart-2 1-0;");
}

static int prune(struct fixture *fixture, const struct nj_retention *retention, int64_t now_ns, int limit)
{
    bool more = true;
    int slices = 0;
    for (; more && slices < 200; slices++) {
        begin(fixture);
        must(fixture,
             fixture->store->ops->prune(fixture->store, retention, now_ns, limit, &more, &fixture->err));
        commit(fixture);
    }
    assert_false(more);
    return slices;
}

static void each_resolution_goes_at_its_age_and_series_with_their_last_point(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_retention kept = {
        .crashes_ns = NJ_DAY, .logs_ns = NJ_DAY, .incidents_ns = NJ_DAY, .agents_ns = NJ_DAY};
    struct nj_retention bounded = kept;
    bounded.points_ns[NJ_RESOLUTION_MINUTE] = NJ_HOUR;
    bounded.points_ns[NJ_RESOLUTION_HOUR] = NJ_DAY;
    bounded.points_ns[NJ_RESOLUTION_DAY] = 10 * NJ_DAY;
    bounded.usage_ns[NJ_RESOLUTION_MINUTE] = NJ_HOUR;
    begin(fixture);
    for (int i = 0; i < 5; i++)
        add_minute(fixture, "m", "t", noon_ns + i * NJ_MIN, 1, 1, 0);
    bool is_new = false;
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    commit(fixture);
    struct nj_series_filter minutes = {.resolution = NJ_RESOLUTION_MINUTE};
    struct nj_series_filter hours = {.resolution = NJ_RESOLUTION_HOUR};
    struct nj_series_filter days = {.resolution = NJ_RESOLUTION_DAY};
    static const char hour[] = "0 m/t cart-1 5-5 status503:5;", day[] = "-540 m/t cart-1 5-5 status503:5;";

    assert_int_equal(1, prune(fixture, &kept, noon_ns + 1000 * NJ_DAY, 2));
    assert_points(fixture, days, day);
    assert_true(prune(fixture, &bounded, noon_ns + NJ_HOUR + 5 * NJ_MIN, 2) > 1);
    assert_points(fixture, minutes, P("4 m/t"));
    assert_points(fixture, hours, hour);
    (void)prune(fixture, &bounded, noon_ns + NJ_DAY + NJ_HOUR, 2);
    assert_points(fixture, minutes, "");
    assert_points(fixture, hours, hour);
    (void)prune(fixture, &bounded, noon_ns + NJ_DAY + NJ_HOUR + 1, 2);
    assert_points(fixture, hours, "");
    (void)prune(fixture, &bounded, noon_ns + 10 * NJ_DAY, 2);
    assert_points(fixture, days, day);
    (void)prune(fixture, &bounded, noon_ns + 20 * NJ_DAY, 2);
    assert_points(fixture, days, "");
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    assert_true(is_new);
    /* A series that begins anew is another. */
    add_minute(fixture, "m", "t", noon_ns + 20 * NJ_DAY, 1, 1, 0);
    commit(fixture);
    assert_points(fixture, minutes, P("28800 m/t"));
}

static void resolutions_have_names_and_lengths(void **state)
{
    (void)state;
    static const char *const names[NJ_RESOLUTIONS] = {"minute", "hour", "day"};
    static const int64_t lengths[NJ_RESOLUTIONS] = {NJ_MIN, NJ_HOUR, NJ_DAY};
    enum nj_resolution got = NJ_RESOLUTIONS;
    for (int i = 0; i < NJ_RESOLUTIONS; i++) {
        assert_string_equal(names[i], nj_resolution_name((enum nj_resolution)i));
        assert_true(lengths[i] == nj_resolution_ns((enum nj_resolution)i));
        assert_int_equal(0, nj_resolution_parse(names[i], &got));
        assert_int_equal(i, got);
    }
    assert_int_equal(-EINVAL, nj_resolution_parse("week", &got));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_target_is_as_it_was_told_last_also_after_a_restart),
        TEST(a_target_that_passes_keeps_its_latest_failure),
        TEST(a_rollup_changes_a_targets_state_alone),
        TEST(what_is_gone_is_deleted),
        TEST(targets_are_chosen_by_filters_and_paged),
        TEST(a_target_that_is_heard_of_is_seen),
        TEST(targets_are_counted_by_state_and_by_service),
        TEST(a_minute_is_added_to_its_hour_and_its_day),
        TEST(the_same_minute_told_by_two_is_one_point),
        TEST(an_event_that_told_a_minute_is_known),
        TEST(causes_are_added_up_and_bounded),
        TEST(points_are_chosen_by_filters_and_come_in_order),
        TEST(a_series_has_the_name_that_was_told_last),
        TEST(each_resolution_goes_at_its_age_and_series_with_their_last_point),
        cmocka_unit_test(resolutions_have_names_and_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
