/*
 * Checks on the writer's worker, group by group: what becomes of targets, series and incidents when states
 * and minutes come, come twice, are lost on their way, or stay out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest/group.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"
#include "tests/unit/loop/support.h"

enum { ID_BYTES = 32 };

struct fixture {
    struct test_loop *test;
    struct folder folder;
    struct nj_store *store;
    struct nj_group_worker *worker;
    struct nj_ingest_options options;
    struct nj_metrics *metrics;
    struct nj_group_metrics counters;
    volatile int64_t now_ns;
    struct nj_buf planned, told, text;
    int plan_error;
    int events;
};

static int plan(void *data, struct nj_store *writer, const struct nj_incident *incident,
                enum nj_transition transition, int64_t now_ns, struct nj_err *err)
{
    struct fixture *fixture = data;
    (void)writer;
    (void)now_ns;
    if (fixture->plan_error < 0)
        return nj_err_set(err, fixture->plan_error, "the plan fails");
    (void)nj_buf_printf(&fixture->planned, "%s %s %s/%s ", nj_transition_name(transition),
                        nj_incident_kind_name(incident->kind), incident->workload_kind, incident->workload);
    if (transition == NJ_TRANSITION_RESOLVED)
        (void)nj_buf_printf(&fixture->planned, "%s;", incident->resolved_cause);
    else
        (void)nj_buf_printf(&fixture->planned, "%s %d/%d;", incident->reason, (int)incident->targets_failing,
                            (int)incident->targets_total);
    return 0;
}

static void ignore_targets(void *data, const struct nj_store_target *targets, size_t count)
{
    (void)data;
    (void)targets;
    (void)count;
}

static void find_project(void *data, const char *cluster, const char *namespace, char *ret_project,
                         size_t size)
{
    (void)data;
    (void)snprintf(ret_project, size, "%s-of-%s", namespace, cluster);
}

static void start(struct fixture *fixture)
{
    struct nj_err err = {0};
    fixture->store = open_writer(&fixture->folder);
    fixture->options.store = fixture->store;
    if (nj_group_worker_new(&fixture->options, &fixture->counters, &fixture->worker, &err) < 0)
        fail_msg("%s", err.text);
}

static void stop(struct fixture *fixture)
{
    nj_group_worker_free(fixture->worker);
    fixture->store->ops->close(fixture->store);
}

static int setup(void **state)
{
    void *test = NULL;
    struct fixture *fixture = NJ_NEW(struct fixture);
    (void)test_loop_setup(&test);
    fixture->test = test;
    fixture->now_ns = noon_ns;
    fixture->test->clock.replay = &fixture->now_ns;
    begin_folder(&fixture->folder);
    fixture->metrics = nj_metrics_new();
    fixture->counters.unknown = nj_metrics_counter(fixture->metrics, "unknown", "", "x");
    fixture->counters.duplicates = nj_metrics_counter(fixture->metrics, "duplicates", "", "x");
    fixture->options = (struct nj_ingest_options){
        .loop = &fixture->test->loop,
        .cluster = "prod",
        .max_plain_bytes = 1 << 20,
        .max_agents = 10,
        .silent_after_ns = NJ_MIN,
        .stale_after_ns = NJ_DAY,
        .max_open = 100,
        .max_subjects = 100,
        .retention = {.crashes_ns = 3650 * NJ_DAY,
                      .logs_ns = 3650 * NJ_DAY,
                      .incidents_ns = 3650 * NJ_DAY,
                      .agents_ns = 3650 * NJ_DAY},
        .project = find_project,
        .plan = plan,
        .plan_data = fixture,
        .on_targets = ignore_targets,
        .target_silent_after_ns = 4 * NJ_MIN,
    };
    start(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *test = fixture->test;
    stop(fixture);
    nj_metrics_free(fixture->metrics);
    nj_buf_done(&fixture->planned);
    nj_buf_done(&fixture->told);
    nj_buf_done(&fixture->text);
    end_folder(&fixture->folder);
    free(fixture);
    return test_loop_teardown(&test);
}

/* One group of one event, which may be NULL, and upkeep; what it told of targets is added to `told`. */
static int work(struct fixture *fixture, const struct nj_event *event, bool upkeep)
{
    struct nj_local_event local = {0};
    struct nj_group group = {.locals = event == NULL ? NULL : &local, .upkeep = upkeep};
    if (event != NULL)
        assert_int_equal(0, nj_event_encode(event, &local.bytes));
    nj_group_work(fixture->worker, &group);
    for (size_t i = 0; i < group.targets_count; i++) {
        const struct nj_store_target *target = &group.targets[i];
        (void)nj_buf_printf(&fixture->told, "%s=%s;", target->key.target, target->state);
        nj_store_target_done(&group.targets[i]);
    }
    for (size_t i = 0; i < group.changed_count; i++)
        nj_incident_done(&group.changed[i]);
    free(group.targets);
    free(group.changed);
    nj_buf_done(&local.bytes);
    return group.rc;
}

static void tell(struct fixture *fixture, const struct nj_event *event)
{
    assert_int_equal(0, work(fixture, event, false));
}

/* The state of a target of Service shop/cart since now; its id is one of its own. */
static struct nj_event state_event(struct fixture *fixture, const char *target, const char *state,
                                   char id[ID_BYTES])
{
    bool fails = nj_streq(state, "failing");
    (void)snprintf(id, ID_BYTES, "event-%d", ++fixture->events);
    return (struct nj_event){
        .id = id,
        .at_ns = fixture->now_ns,
        .seen_ns = fixture->now_ns,
        .type = NJ_EVENT_CHECK,
        .subject = {.namespace = "shop",
                    .pod = "cart-1",
                    .pod_uid = "u-1",
                    .node = "node-7",
                    .workload_kind = "Service",
                    .workload = "cart"},
        .check = {.key = {.monitor = "apimonitor.shop.cart", .target = target},
                  .source = "apimonitor",
                  .service = "cart",
                  .target_name = "cart-1",
                  .address = "10.0.0.7:8080",
                  .state = state,
                  .since_ns = fixture->now_ns,
                  .severity = "warning",
                  .group = "payments",
                  .cause = fails ? "status" : "",
                  .step = fails ? "login" : "",
                  .got = fails ? "503" : "",
                  .status = fails ? 503 : 0},
    };
}

static void tell_state(struct fixture *fixture, const char *target, const char *state)
{
    char id[ID_BYTES];
    struct nj_event event = state_event(fixture, target, state, id);
    tell(fixture, &event);
}

static const struct nj_rollup_error_count some_errors[] = {{.cause = "timeout", .status = 0, .count = 2}};

static struct nj_check_rollup make_item(const char *target, const char *state)
{
    bool fails = nj_streq(state, "failing");
    return (struct nj_check_rollup){
        .key = {.monitor = "apimonitor.shop.cart", .target = target},
        .namespace = "shop",
        .service = "cart",
        .target_name = "cart-1",
        .state = state,
        .runs = 6,
        .failures = fails ? 2 : 0,
        .errors = some_errors,
        .errors_count = fails,
    };
}

static void tell_minute(struct fixture *fixture, const char *id, int64_t minute_ns,
                        const struct nj_check_rollup *item)
{
    const struct nj_event event = {.id = id,
                                   .at_ns = minute_ns,
                                   .seen_ns = fixture->now_ns,
                                   .type = NJ_EVENT_ROLLUPS,
                                   .subject = {.node = "node-7"},
                                   .rollups = {.minute_ns = minute_ns, .items = item, .count = 1}};
    tell(fixture, &event);
}

static void assert_taken(struct nj_buf *text, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(text));
    nj_buf_clear(text);
}

static int list_target(void *data, int64_t rowid, const struct nj_store_target *target)
{
    (void)rowid;
    (void)nj_buf_printf(data, "%s=%s %s %s %s %s %d %s;", target->key.target, target->state, target->project,
                        target->address, target->group, target->cause, (int)target->status, target->node);
    return 0;
}

static void assert_targets(struct fixture *fixture, const char *expected)
{
    const struct nj_target_filter all = {.limit = NJ_STORE_LIMIT_MAX};
    nj_buf_clear(&fixture->text);
    assert_int_equal(
        0, fixture->store->ops->each_target(fixture->store, &all, list_target, &fixture->text, NULL));
    assert_taken(&fixture->text, expected);
}

static int list_point(void *data, const struct nj_series_point *point)
{
    (void)nj_buf_printf(data, "%d %s %d-%d;", (int)((point->start_ns - noon_ns) / NJ_MIN), point->target,
                        (int)point->runs, (int)point->failures);
    return 0;
}

static void assert_minutes(struct fixture *fixture, const char *expected)
{
    const struct nj_series_filter all = {.until_ns = INT64_MAX};
    nj_buf_clear(&fixture->text);
    assert_int_equal(0,
                     fixture->store->ops->each_point(fixture->store, &all, list_point, &fixture->text, NULL));
    assert_taken(&fixture->text, expected);
}

static int64_t counted(struct fixture *fixture, const char *name)
{
    struct nj_buf text = {0};
    assert_int_equal(0, nj_metrics_render(fixture->metrics, &text));
    NJ_CLEANUP_FREE char *line = nj_asprintf("\n%s ", name);
    const char *found = strstr(nj_buf_str(&text), line);
    assert_non_null(found);
    int64_t value = strtoll(found + strlen(line), NULL, 10);
    nj_buf_done(&text);
    return value;
}

static void a_state_becomes_a_target_and_an_incident_with_its_counts(void **state)
{
    struct fixture *fixture = *state;
    tell_state(fixture, "pod/1/80/IPv4", "starting");
    assert_taken(&fixture->planned, "");
    tell_state(fixture, "pod/1/80/IPv4", "passing");
    tell_state(fixture, "pod/2/80/IPv4", "failing");
    assert_taken(&fixture->planned, "opened probe Service/cart SomeFail 1/2;");
    fixture->now_ns += 10 * NJ_SEC;
    tell_state(fixture, "pod/1/80/IPv4", "failing");
    assert_taken(&fixture->planned, "worsened probe Service/cart AllFail 2/2;");
    assert_targets(fixture, "pod/1/80/IPv4=failing shop-of-prod 10.0.0.7:8080 payments status 503 node-7;"
                            "pod/2/80/IPv4=failing shop-of-prod 10.0.0.7:8080 payments status 503 node-7;");
    fixture->now_ns += 10 * NJ_SEC;
    tell_state(fixture, "pod/1/80/IPv4", "passing");
    tell_state(fixture, "pod/2/80/IPv4", "gone");
    assert_taken(&fixture->planned, "resolved probe Service/cart gone;");
    assert_targets(fixture, "pod/1/80/IPv4=passing shop-of-prod 10.0.0.7:8080 payments status 503 node-7;");
    assert_taken(&fixture->told, "pod/1/80/IPv4=starting;pod/1/80/IPv4=passing;pod/2/80/IPv4=failing;"
                                 "pod/1/80/IPv4=failing;pod/1/80/IPv4=passing;pod/2/80/IPv4=gone;");
}

static void an_older_state_that_comes_again_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char id[ID_BYTES];
    struct nj_event failing = state_event(fixture, "url", "failing", id);
    tell(fixture, &failing);
    fixture->now_ns += NJ_MIN;
    tell_state(fixture, "url", "passing");
    nj_buf_clear(&fixture->planned);
    nj_buf_clear(&fixture->told);
    tell(fixture, &failing);
    assert_taken(&fixture->planned, "");
    assert_taken(&fixture->told, "");
    assert_targets(fixture, "url=passing shop-of-prod 10.0.0.7:8080 payments status 503 node-7;");
    assert_int_equal(1, counted(fixture, "duplicates"));
}

static void a_state_that_is_not_known_is_counted_and_left_out(void **state)
{
    struct fixture *fixture = *state;
    tell_state(fixture, "url", "meditating");
    assert_targets(fixture, "");
    assert_int_equal(1, counted(fixture, "unknown"));
}

static void a_minute_is_added_once_however_often_it_comes(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup item = make_item("url", "passing");
    tell_state(fixture, "url", "passing");
    nj_buf_clear(&fixture->told);
    tell_minute(fixture, "m-1", noon_ns, &item);
    tell_minute(fixture, "m-1", noon_ns, &item);
    assert_minutes(fixture, "0 url 6-0;");
    tell_minute(fixture, "m-2", noon_ns, &item); /* of an agent that was restarted within the minute */
    tell_minute(fixture, "m-3", noon_ns + NJ_MIN, &item);
    assert_minutes(fixture, "0 url 12-0;1 url 6-0;");
    assert_taken(&fixture->told, ""); /* no state has changed */
    assert_int_equal(1, counted(fixture, "duplicates"));
}

static void a_minute_from_a_clock_far_ahead_is_taken_as_now(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup item = make_item("url", "passing");
    tell_minute(fixture, "m-1", noon_ns + 400 * NJ_DAY, &item);
    assert_minutes(fixture, "0 url 6-0;");
}

static void a_target_that_is_not_known_comes_with_its_minute(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup passing = make_item("url", "passing");
    struct nj_check_rollup failing = make_item("pod/1/80/IPv4", "failing");
    struct nj_check_rollup gone = make_item("pod/2/80/IPv4", "gone"), odd = make_item("odd", "meditating");
    tell_minute(fixture, "m-1", noon_ns, &passing);
    tell_minute(fixture, "m-2", noon_ns, &gone);
    tell_minute(fixture, "m-3", noon_ns, &odd);
    assert_taken(&fixture->planned, "");
    tell_minute(fixture, "m-4", noon_ns, &failing);
    assert_taken(&fixture->planned, "opened probe Service/cart AllFail 1/2;");
    assert_targets(fixture, "url=passing shop-of-prod    0 node-7;"
                            "pod/1/80/IPv4=failing shop-of-prod   timeout 0 node-7;");
    assert_minutes(fixture, "0 odd 6-0;0 pod/1/80/IPv4 6-2;0 pod/2/80/IPv4 6-0;0 url 6-0;");
}

static void a_state_that_was_lost_comes_back_with_the_next_minute(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup failing = make_item("url", "failing"), passing = make_item("url", "passing");
    struct nj_check_rollup starting = make_item("url", "starting");
    tell_state(fixture, "url", "passing");
    fixture->now_ns += 4 * NJ_MIN;
    tell_minute(fixture, "m-1", noon_ns + NJ_MIN, &failing);
    assert_taken(&fixture->planned, "opened probe Service/cart AllFail 1/1;");
    tell_minute(fixture, "m-2", noon_ns + 2 * NJ_MIN, &starting); /* of an agent that has just begun */
    assert_taken(&fixture->planned, "");
    tell_minute(fixture, "m-3", noon_ns + 3 * NJ_MIN, &passing);
    assert_taken(&fixture->planned, "resolved probe Service/cart passing;");
    assert_targets(fixture, "url=passing shop-of-prod 10.0.0.7:8080 payments timeout 0 node-7;");
}

static void a_minute_takes_no_state_back_that_was_told_after_it_began(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup passing = make_item("url", "passing"), failing = make_item("url", "failing");
    tell_state(fixture, "url", "passing");
    fixture->now_ns += 61 * NJ_SEC;
    tell_state(fixture, "url", "failing");
    assert_taken(&fixture->planned, "opened probe Service/cart AllFail 1/1;");
    tell_minute(fixture, "m-1", noon_ns, &passing);
    tell_minute(fixture, "m-2", noon_ns + NJ_MIN, &passing);
    assert_taken(&fixture->planned, "");
    assert_targets(fixture, "url=failing shop-of-prod 10.0.0.7:8080 payments status 503 node-7;");
    tell_minute(fixture, "m-3", noon_ns + 2 * NJ_MIN, &failing);
    assert_taken(&fixture->planned, "");
}

static void the_last_minute_of_a_target_does_not_bring_it_back(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup last = make_item("pod/1/80/IPv4", "passing");
    tell_state(fixture, "pod/1/80/IPv4", "passing");
    fixture->now_ns += 30 * NJ_SEC;
    tell_state(fixture, "pod/1/80/IPv4", "gone");
    tell_minute(fixture, "m-1", noon_ns, &last);
    assert_targets(fixture, "");
    assert_minutes(fixture, "0 pod/1/80/IPv4 6-0;");
    tell_minute(fixture, "m-2", noon_ns + NJ_MIN, &last); /* it lives */
    assert_targets(fixture, "pod/1/80/IPv4=passing shop-of-prod    0 node-7;");
}

static void upkeep_for(struct fixture *fixture, int64_t duration_ns)
{
    for (int64_t until_ns = fixture->now_ns + duration_ns; fixture->now_ns < until_ns;
         fixture->now_ns += 30 * NJ_SEC)
        assert_int_equal(0, work(fixture, NULL, true));
}

static void a_target_that_nobody_speaks_of_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup item = make_item("heard", "passing");
    tell_state(fixture, "silent", "failing");
    tell_state(fixture, "heard", "passing");
    upkeep_for(fixture, 3 * NJ_MIN);
    tell_minute(fixture, "m-1", noon_ns, &item);
    nj_buf_clear(&fixture->planned);
    nj_buf_clear(&fixture->told);
    upkeep_for(fixture, NJ_MIN);
    assert_taken(&fixture->told, "");
    upkeep_for(fixture, 2 * NJ_MIN);
    assert_taken(&fixture->told, "silent=gone;");
    assert_taken(&fixture->planned, "resolved probe Service/cart gone;");
    assert_targets(fixture, "heard=passing shop-of-prod 10.0.0.7:8080 payments  0 node-7;");
    upkeep_for(fixture, 3 * NJ_MIN);
    assert_taken(&fixture->told, "heard=gone;");
}

static void a_minute_without_a_run_says_only_that_the_target_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct nj_check_rollup sign = make_item("url", "failing");
    char id[ID_BYTES];
    sign.runs = sign.failures = 0;
    sign.errors_count = 0;
    sign.latency_len = 0;
    tell_state(fixture, "url", "failing");
    assert_taken(&fixture->planned, "opened probe Service/cart AllFail 1/1;");
    nj_buf_clear(&fixture->told);
    for (int i = 0; i < 4; i++) {
        upkeep_for(fixture, 3 * NJ_MIN);
        (void)snprintf(id, sizeof(id), "m-%d", i);
        tell_minute(fixture, id, fixture->now_ns, &sign);
    }
    assert_taken(&fixture->told, "");
    assert_taken(&fixture->planned, "");
    assert_minutes(fixture, "");
    upkeep_for(fixture, 6 * NJ_MIN);
    assert_taken(&fixture->told, "url=gone;");
}

static void a_collector_that_did_not_listen_takes_nobody_for_silent(void **state)
{
    struct fixture *fixture = *state;
    tell_state(fixture, "url", "failing");
    upkeep_for(fixture, NJ_MIN);
    stop(fixture);
    fixture->now_ns += NJ_DAY; /* it was down */
    start(fixture);
    upkeep_for(fixture, 3 * NJ_MIN);
    fixture->now_ns += NJ_HOUR; /* the machine slept, or its clock was set */
    upkeep_for(fixture, 3 * NJ_MIN);
    nj_buf_clear(&fixture->told);
    upkeep_for(fixture, 30 * NJ_SEC);
    assert_taken(&fixture->told, "");
    upkeep_for(fixture, 3 * NJ_MIN);
    assert_taken(&fixture->told, "url=gone;");
}

static void a_group_that_fails_tells_of_no_target(void **state)
{
    struct fixture *fixture = *state;
    char id[ID_BYTES];
    struct nj_event failing = state_event(fixture, "url", "failing", id);
    fixture->plan_error = -EIO;
    assert_int_equal(-EIO, work(fixture, &failing, false));
    assert_taken(&fixture->told, "");
    assert_targets(fixture, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_becomes_a_target_and_an_incident_with_its_counts),
        TEST(an_older_state_that_comes_again_changes_nothing),
        TEST(a_state_that_is_not_known_is_counted_and_left_out),
        TEST(a_minute_is_added_once_however_often_it_comes),
        TEST(a_minute_from_a_clock_far_ahead_is_taken_as_now),
        TEST(a_target_that_is_not_known_comes_with_its_minute),
        TEST(a_state_that_was_lost_comes_back_with_the_next_minute),
        TEST(a_minute_takes_no_state_back_that_was_told_after_it_began),
        TEST(the_last_minute_of_a_target_does_not_bring_it_back),
        TEST(a_target_that_nobody_speaks_of_is_gone),
        TEST(a_minute_without_a_run_says_only_that_the_target_is_there),
        TEST(a_collector_that_did_not_listen_takes_nobody_for_silent),
        TEST(a_group_that_fails_tells_of_no_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
