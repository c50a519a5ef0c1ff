/*
 * What containers and nodes used, as the store's users see it: what a minute, an hour and a day amount to, in
 * either order, what retention leaves; and the few bytes that a point takes.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/store.h"
#include "collector/store/usage_pack.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"
#include "tests/unit/collector/store_support.h"

static const char *const node_name = "node-7";

static struct nj_usage_item make_item(const char *uid)
{
    return (struct nj_usage_item){
        .namespace = "shop",
        .pod = "cart-1",
        .pod_uid = uid,
        .container = "app",
        .workload_kind = "Deployment",
        .workload = "cart",
        .cpu_request_millis = 250,
        .cpu_limit_millis = 1000,
        .memory_request_bytes = 256 << 20,
        .memory_limit_bytes = (512 << 20) + 1,
        .started_ns = noon_ns - NJ_HOUR,
    };
}

/* The item with these samples of CPU, `minutes` after noon; of memory the same in MiB. */
static void add(struct fixture *fixture, struct nj_usage_item item, const char *node, int64_t minutes,
                const double *samples, size_t count)
{
    struct nj_sketch cpu = {0}, memory = {0};
    struct nj_buf bytes[2] = {{0}, {0}};
    for (size_t i = 0; i < count; i++) {
        nj_sketch_add(&cpu, samples[i]);
        nj_sketch_add(&memory, samples[i] * (1 << 20));
    }
    assert_int_equal(0, nj_sketch_encode(&cpu, &bytes[0]));
    assert_int_equal(0, nj_sketch_encode(&memory, &bytes[1]));
    for (int i = 0; i < 2 && count > 0; i++) {
        item.metrics[i].sketch = bytes[i].data;
        item.metrics[i].len = bytes[i].len;
    }
    begin(fixture);
    must(fixture, fixture->store->ops->add_usage(fixture->store, "prod", node, noon_ns + minutes * NJ_MIN,
                                                 &item, &fixture->err));
    commit(fixture);
    nj_sketch_done(&cpu);
    nj_sketch_done(&memory);
    nj_buf_done(&bytes[0]);
    nj_buf_done(&bytes[1]);
}

static void write_sketch(struct nj_buf *out, const void *bytes, size_t len)
{
    struct nj_sketch sketch;
    if (len == 0) {
        (void)nj_buf_append_str(out, " -");
        return;
    }
    assert_int_equal(0, nj_sketch_decode(bytes, len, &sketch));
    (void)nj_buf_printf(out, " %" PRIu64 ":%g/%g/%g", sketch.count, sketch.min, sketch.sum, sketch.max);
    nj_sketch_done(&sketch);
}

/* "MINUTES UID/CONTAINER CPU THROTTLED oom;" with count:min/sum/max of CPU. */
static int write_point(void *data, const struct nj_usage_point *point)
{
    struct nj_buf *out = data;
    (void)nj_buf_printf(out, "%" PRId64 " %s/%s", (point->start_ns - noon_ns) / NJ_MIN, point->item.pod_uid,
                        point->item.container);
    write_sketch(out, point->item.metrics[NJ_USAGE_CPU].sketch, point->item.metrics[NJ_USAGE_CPU].len);
    write_sketch(out, point->item.metrics[NJ_USAGE_THROTTLED].sketch,
                 point->item.metrics[NJ_USAGE_THROTTLED].len);
    (void)nj_buf_printf(out, " %" PRIu64 ";", point->item.oom_kills);
    return 0;
}

static void assert_points(struct fixture *fixture, struct nj_usage_filter filter, bool by_series,
                          const char *wanted)
{
    filter.cluster = filter.cluster == NULL ? "prod" : filter.cluster;
    filter.until_ns = filter.until_ns == 0 ? INT64_MAX : filter.until_ns;
    nj_buf_clear(&fixture->text);
    must(fixture, fixture->store->ops->each_usage(fixture->store, &filter, by_series, write_point,
                                                  &fixture->text, &fixture->err));
    assert_string_equal(wanted, nj_buf_str(&fixture->text));
}

static const struct nj_usage_filter minutes = {.resolution = NJ_RESOLUTION_MINUTE};
static const struct nj_usage_filter hours = {.resolution = NJ_RESOLUTION_HOUR};
static const struct nj_usage_filter days = {.resolution = NJ_RESOLUTION_DAY};

static int copy_point(void *data, const struct nj_usage_point *point)
{
    struct nj_usage_point *copy = data;
    *copy = *point; /* the numbers alone are looked at */
    assert_string_equal(point->node, node_name);
    assert_string_equal(point->item.namespace, "shop");
    assert_string_equal(point->item.workload_kind, "Deployment");
    return 77;
}

static struct nj_usage_point first_point(struct fixture *fixture, enum nj_resolution resolution)
{
    struct nj_usage_point point;
    struct nj_usage_filter filter = {.cluster = "prod", .until_ns = INT64_MAX, .resolution = resolution};
    assert_int_equal(
        77, fixture->store->ops->each_usage(fixture->store, &filter, true, copy_point, &point, NULL));
    return point;
}

static void a_minute_is_added_to_its_hour_and_its_day(void **state)
{
    struct fixture *fixture = *state;
    struct nj_usage_item item = make_item("u");
    item.oom_kills = 2;
    add(fixture, item, node_name, 0, (const double[]){0.5, 0.25}, 2);
    item.oom_kills = 1;
    add(fixture, item, node_name, 59, (const double[]){4}, 1);
    item.oom_kills = 0;
    add(fixture, item, node_name, 60, (const double[]){0, 0}, 2);
    add(fixture, item, node_name, 61, NULL, 0);
    fixture->store->ops->close(fixture->store);
    fixture->store = open_writer(&fixture->folder);
    assert_points(fixture, minutes, false,
                  "0 u/app 2:0.25/0.75/0.5 - 2;59 u/app 1:4/4/4 - 1;60 u/app 2:0/0/0 - 0;61 u/app - - 0;");
    assert_points(fixture, hours, false, "0 u/app 3:0.25/4.75/4 - 3;60 u/app 2:0/0/0 - 0;");
    assert_points(fixture, days, false, "-540 u/app 5:0/4.75/4 - 3;");
    struct nj_usage_point point = first_point(fixture, NJ_RESOLUTION_DAY);
    assert_int_equal(point.item.cpu_request_millis, 250);
    assert_int_equal(point.item.cpu_limit_millis, 1000);
    assert_int_equal(point.item.memory_request_bytes, 256 << 20);
    assert_int_equal(point.item.memory_limit_bytes, (512 << 20) + 1);
    assert_true(point.item.started_ns == noon_ns - NJ_HOUR);
}

static void the_same_minute_told_by_two_is_one_point(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, make_item("u"), node_name, 0, (const double[]){1}, 1);
    add(fixture, make_item("u"), node_name, 0, (const double[]){3}, 1);
    assert_points(fixture, minutes, false, "0 u/app 2:1/4/3 - 0;");
    assert_points(fixture, hours, true, "0 u/app 2:1/4/3 - 0;");
}

static void requests_are_the_latest_minutes_in_whatever_order_they_come(void **state)
{
    struct fixture *fixture = *state;
    struct nj_usage_item item = make_item("u");
    item.cpu_request_millis = 700;
    item.started_ns = noon_ns;
    add(fixture, item, node_name, 5, (const double[]){1}, 1);
    add(fixture, make_item("u"), node_name, 3, (const double[]){1}, 1);
    struct nj_usage_point hour = first_point(fixture, NJ_RESOLUTION_HOUR);
    assert_int_equal(hour.item.cpu_request_millis, 700);
    assert_true(hour.item.started_ns == noon_ns);
    item.cpu_request_millis = 0;
    add(fixture, item, node_name, 6, (const double[]){1}, 1);
    assert_int_equal(first_point(fixture, NJ_RESOLUTION_DAY).item.cpu_request_millis, 0);
}

static void points_come_by_time_or_by_series(void **state)
{
    struct fixture *fixture = *state;
    const double one = 1;
    for (int64_t minute = 1; minute >= 0; minute--) {
        add(fixture, make_item("b"), node_name, minute, &one, 1);
        add(fixture, make_item("a"), node_name, minute, &one, 1);
    }
#define P(minute, uid) minute " " uid "/app 1:1/1/1 - 0;"
    assert_points(fixture, minutes, false, P("0", "b") P("0", "a") P("1", "b") P("1", "a"));
    assert_points(fixture, minutes, true, P("0", "b") P("1", "b") P("0", "a") P("1", "a"));
    struct nj_usage_filter range = minutes;
    range.from_ns = noon_ns + 1;
    range.until_ns = noon_ns + NJ_MIN + 1;
    assert_points(fixture, range, true, P("1", "b") P("1", "a"));
    range.until_ns = noon_ns + NJ_MIN;
    assert_points(fixture, range, false, "");
}

static void series_are_chosen_by_filters_and_a_nodes_own_are_apart(void **state)
{
    struct fixture *fixture = *state;
    const double one = 1;
    struct nj_usage_item other = make_item("u2"), node = {.cpu_limit_millis = 2000};
    other.namespace = "bank";
    other.pod = "vault-0";
    other.container = "db";
    other.workload_kind = "StatefulSet";
    other.workload = "vault";
    add(fixture, make_item("u1"), node_name, 0, &one, 1);
    add(fixture, other, "node-8", 0, &one, 1);
    add(fixture, node, node_name, 0, &one, 1);
    add(fixture, node, "node-8", 0, &one, 1);
    static const char both[] = "0 u1/app 1:1/1/1 - 0;0 u2/db 1:1/1/1 - 0;";
    static const char first[] = "0 u1/app 1:1/1/1 - 0;", second[] = "0 u2/db 1:1/1/1 - 0;";
    static const char own[] = "0 / 1:1/1/1 - 0;";
    assert_points(fixture, minutes, false, both);
    assert_points(fixture, (struct nj_usage_filter){.namespace = "bank"}, false, second);
    assert_points(fixture, (struct nj_usage_filter){.workload_kind = "StatefulSet"}, false, second);
    assert_points(fixture, (struct nj_usage_filter){.workload = "cart"}, false, first);
    assert_points(fixture, (struct nj_usage_filter){.pod = "vault-0"}, false, second);
    assert_points(fixture, (struct nj_usage_filter){.container = "app"}, false, first);
    assert_points(fixture, (struct nj_usage_filter){.node = "node-8"}, false, second);
    assert_points(fixture, (struct nj_usage_filter){.cluster = "other"}, false, "");
    assert_points(fixture, (struct nj_usage_filter){.nodes = true, .node = "node-8"}, false, own);
    assert_points(fixture, (struct nj_usage_filter){.nodes = true}, true, "0 / 1:1/1/1 - 0;0 / 1:1/1/1 - 0;");
}

static void a_series_has_the_names_that_were_told_last(void **state)
{
    struct fixture *fixture = *state;
    struct nj_usage_item item = make_item("u");
    item.workload_kind = "Pod";
    item.workload = NULL;
    add(fixture, item, node_name, 0, (const double[]){1}, 1);
    add(fixture, make_item("u"), node_name, 1, (const double[]){1}, 1);
    assert_points(fixture, (struct nj_usage_filter){.workload = "cart"}, false, P("0", "u") P("1", "u"));
    (void)first_point(fixture, NJ_RESOLUTION_MINUTE);
}

/* Nothing that comes over the wire makes a point that cannot be read. */
static void what_is_no_sketch_or_no_amount_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct nj_usage_item item = make_item("u");
    item.oom_kills = UINT64_MAX;
    item.cpu_limit_millis = INT64_MIN;
    item.memory_limit_bytes = INT64_MAX;
    item.started_ns = INT64_MIN;
    item.metrics[NJ_USAGE_CPU].sketch = "nonsense";
    item.metrics[NJ_USAGE_CPU].len = 8;
    begin(fixture);
    for (int i = 0; i < 3; i++)
        must(fixture, fixture->store->ops->add_usage(fixture->store, "prod", node_name, noon_ns, &item,
                                                     &fixture->err));
    must(fixture,
         fixture->store->ops->add_usage(fixture->store, "prod", node_name, INT64_MIN, &item, &fixture->err));
    must(fixture,
         fixture->store->ops->add_usage(fixture->store, "prod", node_name, INT64_MAX, &item, &fixture->err));
    commit(fixture);
    struct nj_usage_filter range = {.from_ns = noon_ns, .until_ns = noon_ns + 1};
    assert_points(fixture, range, false, "0 u/app - - 281474976710656;");
    struct nj_usage_point point = first_point(fixture, NJ_RESOLUTION_MINUTE);
    assert_int_equal(point.item.cpu_limit_millis, 0);
    assert_true(point.item.memory_limit_bytes == NJ_USAGE_AMOUNT_MAX);
    assert_true(point.item.started_ns == 0);
}

static int prune(struct fixture *fixture, const struct nj_retention *retention, int64_t now_ns)
{
    bool more = true;
    int slices = 0;
    for (; more && slices < 100; slices++) {
        begin(fixture);
        must(fixture, fixture->store->ops->prune(fixture->store, retention, now_ns, 2, &more, &fixture->err));
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
    bounded.usage_ns[NJ_RESOLUTION_MINUTE] = NJ_HOUR;
    bounded.usage_ns[NJ_RESOLUTION_HOUR] = NJ_DAY;
    bounded.usage_ns[NJ_RESOLUTION_DAY] = 10 * NJ_DAY;
    const double one = 1;
    bool is_new = false;
    for (int64_t minute = 0; minute < 5; minute++)
        add(fixture, make_item("u"), node_name, minute, &one, 1);
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    commit(fixture);
    assert_int_equal(1, prune(fixture, &kept, noon_ns + 1000 * NJ_DAY));
    assert_true(prune(fixture, &bounded, noon_ns + NJ_HOUR + 5 * NJ_MIN) > 1);
    assert_points(fixture, minutes, false, P("4", "u"));
    assert_points(fixture, hours, false, "0 u/app 5:1/5/1 - 0;");
    (void)prune(fixture, &bounded, noon_ns + NJ_DAY + NJ_HOUR + 1);
    assert_points(fixture, minutes, false, "");
    assert_points(fixture, hours, false, "");
    (void)prune(fixture, &bounded, noon_ns + 10 * NJ_DAY);
    assert_points(fixture, days, false, "-540 u/app 5:1/5/1 - 0;");
    (void)prune(fixture, &bounded, noon_ns + 20 * NJ_DAY);
    assert_points(fixture, days, false, "");
    /* The checks' minutes are kept, and so is what told a minute. */
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
    bounded.points_ns[NJ_RESOLUTION_MINUTE] = 2 * NJ_HOUR;
    (void)prune(fixture, &bounded, noon_ns + 2 * NJ_HOUR);
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
    (void)prune(fixture, &bounded, noon_ns + 2 * NJ_HOUR + 1);
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "e", noon_ns, &is_new, NULL));
    assert_true(is_new);
    commit(fixture);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct nj_buf text = {0};
    char part[4096];
    for (size_t got; (got = fread(part, 1, sizeof(part), file)) > 0;)
        (void)nj_buf_append(&text, part, got);
    assert_int_equal(0, fclose(file));
    return nj_buf_take(&text);
}

static int count_point(void *data, const struct nj_series_point *point)
{
    assert_int_equal(point->runs, 2);
    ++*(int *)data;
    return 0;
}

/* fixtures/store_v3.sql is a dump of a database as the third version left it. It is never changed. */
static void a_database_of_the_third_version_keeps_its_contents_and_takes_use(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    end_folder(&fixture->folder);
    begin_folder(&fixture->folder);
    char *dump = read_file("tests/unit/collector/fixtures/store_v3.sql");
    sqlite3 *db = NULL;
    assert_int_equal(SQLITE_OK, sqlite3_open(fixture->folder.database, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, dump, NULL, NULL, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_close(db));
    free(dump);

    fixture->store = open_writer(&fixture->folder);
    int points = 0;
    bool is_new = true;
    const struct nj_series_filter checks = {
        .cluster = "prod", .monitor = "service.shop.cart", .until_ns = INT64_MAX};
    must(fixture, fixture->store->ops->each_point(fixture->store, &checks, count_point, &points, NULL));
    assert_int_equal(points, 1);
    begin(fixture);
    must(fixture, fixture->store->ops->put_minute(fixture->store, "minute-1", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
    add(fixture, make_item("u"), node_name, 0, (const double[]){1}, 1);
    assert_points(fixture, hours, false, P("0", "u"));
}

/* --- the packing */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void make_sum(uint64_t *seed, struct nj_usage_sum *sum)
{
    nj_usage_sum_clear(sum);
    sum->latest_ns = noon_ns + (int64_t)(next_random(seed) % 60) * NJ_MIN;
    sum->cpu_request_millis = (int64_t)(next_random(seed) % 3000);
    sum->cpu_limit_millis = next_random(seed) % 2 == 0 ? 0 : NJ_USAGE_AMOUNT_MAX;
    sum->memory_request_bytes = (int64_t)next_random(seed);
    sum->memory_limit_bytes = (int64_t)(next_random(seed) % 4096) << 20;
    sum->started_ns = (int64_t)next_random(seed) * NJ_SEC;
    sum->oom_kills = next_random(seed) % 3;
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        uint64_t samples = next_random(seed) % 4 == 0 ? 0 : next_random(seed) % 300;
        double scale = pow(10, (double)(next_random(seed) % 22) - 8);
        for (uint64_t k = 0; k < samples; k++) {
            double value = (double)(next_random(seed) % 1000) * scale;
            nj_sketch_add(&sum->metrics[i], next_random(seed) % 5 == 0 ? 0 : value);
        }
    }
}

static void assert_near(double got, double wanted)
{
    if (fabs(got - wanted) > 4e-9 * fabs(wanted))
        fail_msg("%.17g, not %.17g", got, wanted);
}

static void a_point_is_read_as_it_was_packed(void **state)
{
    (void)state;
    struct nj_usage_sum sum = {0}, got = {0};
    struct nj_buf bytes = {0}, encoded = {0};
    uint64_t seed = 1;
    for (int round = 0; round < 500; round++) {
        make_sum(&seed, &sum);
        nj_buf_clear(&bytes);
        nj_usage_pack(&sum, noon_ns, &bytes);
        assert_int_equal(0, nj_usage_unpack(nj_buf_str(&bytes), bytes.len, noon_ns, &got));
        assert_true(got.latest_ns == sum.latest_ns && got.started_ns == sum.started_ns);
        assert_true(got.cpu_request_millis == sum.cpu_request_millis);
        assert_true(got.cpu_limit_millis == sum.cpu_limit_millis);
        assert_true(got.memory_request_bytes == sum.memory_request_bytes);
        assert_true(got.memory_limit_bytes == sum.memory_limit_bytes);
        assert_true(got.oom_kills == sum.oom_kills);
        for (int i = 0; i < NJ_USAGE_METRICS; i++) {
            const struct nj_sketch *a = &got.metrics[i], *b = &sum.metrics[i];
            struct nj_sketch again;
            assert_true(a->count == b->count && a->zeros == b->zeros);
            assert_int_equal(a->buckets_count, b->buckets_count);
            for (uint32_t k = 0; k < a->buckets_count; k++) {
                assert_int_equal(a->buckets[k].index, b->buckets[k].index);
                assert_true(a->buckets[k].count == b->buckets[k].count);
            }
            assert_near(a->sum, b->sum);
            assert_near(a->min, b->min);
            assert_near(a->max, b->max);
            nj_buf_clear(&encoded);
            assert_int_equal(0, nj_sketch_encode(a, &encoded));
            assert_int_equal(0, nj_sketch_decode(encoded.data, encoded.len, &again));
            nj_sketch_done(&again);
        }
    }
    nj_usage_sum_done(&sum);
    nj_usage_sum_done(&got);
    nj_buf_done(&bytes);
    nj_buf_done(&encoded);
}

static void an_ordinary_minute_takes_few_bytes(void **state)
{
    (void)state;
    struct nj_usage_sum sum = {.latest_ns = noon_ns,
                               .cpu_request_millis = 250,
                               .cpu_limit_millis = 1000,
                               .memory_request_bytes = 256 << 20,
                               .memory_limit_bytes = 512 << 20,
                               .started_ns = noon_ns - NJ_DAY};
    struct nj_buf bytes = {0};
    for (int i = 0; i < 6; i++) {
        nj_sketch_add(&sum.metrics[NJ_USAGE_CPU], 0.1 * (i + 1));
        nj_sketch_add(&sum.metrics[NJ_USAGE_MEMORY], 300 << 20);
        nj_sketch_add(&sum.metrics[NJ_USAGE_THROTTLED], 0);
    }
    nj_usage_pack(&sum, noon_ns, &bytes);
    assert_in_range(bytes.len, 20, 60);
    nj_usage_sum_done(&sum);
    nj_buf_done(&bytes);
}

static void a_damaged_point_is_refused_or_still_a_point(void **state)
{
    (void)state;
    struct nj_usage_sum sum = {0}, got = {0};
    struct nj_buf bytes = {0}, again = {0};
    uint64_t seed = 7;
    for (int round = 0; round < 200; round++) {
        make_sum(&seed, &sum);
        nj_buf_clear(&bytes);
        nj_usage_pack(&sum, noon_ns, &bytes);
        size_t len = next_random(&seed) % (bytes.len + 1);
        char *exact = malloc(len > 0 ? len : 1); /* the sanitizer sees a read behind it */
        assert_non_null(exact);
        memcpy(exact, bytes.data, len);
        for (int i = 0; i < round % 4 && len > 0; i++)
            exact[next_random(&seed) % len] = (char)next_random(&seed);
        if (nj_usage_unpack(exact, len, noon_ns, &got) == 0) {
            nj_usage_sum_merge(&got, &sum);
            nj_buf_clear(&again);
            nj_usage_pack(&got, noon_ns, &again);
        } else {
            assert_true(got.metrics[0].count == 0 && got.latest_ns == 0);
        }
        free(exact);
    }
    nj_usage_sum_done(&sum);
    nj_usage_sum_done(&got);
    nj_buf_done(&bytes);
    nj_buf_done(&again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_minute_is_added_to_its_hour_and_its_day),
        TEST(the_same_minute_told_by_two_is_one_point),
        TEST(requests_are_the_latest_minutes_in_whatever_order_they_come),
        TEST(points_come_by_time_or_by_series),
        TEST(series_are_chosen_by_filters_and_a_nodes_own_are_apart),
        TEST(a_series_has_the_names_that_were_told_last),
        TEST(what_is_no_sketch_or_no_amount_is_left_out),
        TEST(each_resolution_goes_at_its_age_and_series_with_their_last_point),
        TEST(a_database_of_the_third_version_keeps_its_contents_and_takes_use),
        cmocka_unit_test(a_point_is_read_as_it_was_packed),
        cmocka_unit_test(an_ordinary_minute_takes_few_bytes),
        cmocka_unit_test(a_damaged_point_is_refused_or_still_a_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
