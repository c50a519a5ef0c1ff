/*
 * What REST tells of services: how they are, what was when, their availability over a time, and rollouts.
 */
#include "tests/unit/test.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/sla/rollouts.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"

/* Times in seconds before now, which is 2026-11-21 09:00 UTC, a Saturday; until 0: it lasts. */
static void put_interval(struct api_setup *setup, const char *kind, const char *namespace, const char *name,
                         int64_t from, int64_t until, enum nj_service_state state, enum nj_outage_cause cause,
                         const char *detail, const char *reference)
{
    struct nj_err err = {0};
    bool up = state == NJ_SERVICE_UP;
    const struct nj_interval interval = {
        .cluster = setup->config.cluster,
        .namespace = namespace,
        .service = name,
        .from_ns = noon_ns - from * NJ_SEC,
        .until_ns = until == 0 ? 0 : noon_ns - until * NJ_SEC,
        .seen_ns = noon_ns - from * NJ_SEC,
        .state = state,
        .cause = cause,
        .detail = detail,
        .reference = reference,
        .desired = nj_streq(name, "api") ? -1 : 2,
        .ready = up ? 2 : 0,
        .serving = up ? 2 : state == NJ_SERVICE_DRAINING,
        .min_ready = up ? 1 : 0,
    };
    if (setup->writer->ops->put_interval(setup->writer, kind, &interval, &err) < 0)
        fail_msg("%s", err.text);
}

#define MIN_S INT64_C(60)
#define HOUR_S INT64_C(3600)
#define DAY_S INT64_C(86400)

static void put_web(struct api_setup *setup)
{
    static const char service[] = "Service";
    put_interval(setup, service, "shop", "web", 10 * DAY_S, 2 * HOUR_S, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING,
                 "", "");
    put_interval(setup, service, "shop", "web", 2 * HOUR_S, 2 * HOUR_S - 60, NJ_SERVICE_DOWN,
                 NJ_OUTAGE_BY_CRASH, "pod web-1 crashed", "incident/4");
    put_interval(setup, service, "shop", "web", 2 * HOUR_S - 60, HOUR_S, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING,
                 "", "");
    put_interval(setup, service, "shop", "web", HOUR_S, 30 * MIN_S, NJ_SERVICE_SCALED_TO_ZERO,
                 NJ_OUTAGE_BY_SCALED_TO_ZERO, "", "");
    put_interval(setup, service, "shop", "web", 30 * MIN_S, 20 * MIN_S, NJ_SERVICE_UNKNOWN,
                 NJ_OUTAGE_BY_NOTHING, "", "");
    put_interval(setup, service, "shop", "web", 20 * MIN_S, 18 * MIN_S, NJ_SERVICE_DRAINING,
                 NJ_OUTAGE_BY_DELETION, "pod web-2 deleted", "");
    put_interval(setup, service, "shop", "web", 18 * MIN_S, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, "", "");
}

static struct nj_rollout make_rollout(const struct api_setup *setup, int64_t id, const char *workload)
{
    return (struct nj_rollout){
        .id = id,
        .cluster = setup->config.cluster,
        .namespace = "shop",
        .workload_kind = "Deployment",
        .workload = workload,
        .revision = "3",
        .from_revision = "2",
        .template_hash = "7d9f",
        .from_hash = "5c4b",
        .images = "c=web:2",
        .from_images = "c=web:1",
        .difference = "containers[c].image: web:1 -> web:2",
        .changed_by = "kubectl-set",
        .change_cause = "",
        .began_ns = noon_ns - NJ_HOUR,
        .outcome = NJ_ROLLOUT_RUNNING,
        .reason = "",
        .message = "",
        .desired = 2,
        .updated = 1,
        .available = 1,
        .min_available = 1,
    };
}

static void put_rollout(struct api_setup *setup, const struct nj_rollout *rollout)
{
    struct nj_err err = {0};
    if (setup->writer->ops->put_rollout(setup->writer, rollout, &err) < 0)
        fail_msg("%s", err.text);
}

static void open_with_services(struct api_setup *setup)
{
    struct nj_rollout failed = make_rollout(setup, 1, "web");
    const struct nj_rollout running = make_rollout(setup, 2, "api");
    failed.failed_ns = failed.ended_ns = noon_ns - 30 * NJ_MIN;
    failed.outcome = NJ_ROLLOUT_FAILED;
    failed.reason = "CrashLoop";
    failed.message = "its new pods crash";
    failed.crashes = 5;
    failed.outage_ns = 3 * NJ_SEC / 2;
    setup->objective = 0.99;
    api_begin(setup);
    put_web(setup);
    put_interval(setup, "Service", "shop", "api", 300, 0, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_UNSCHEDULABLE,
                 "no node has room", "");
    put_interval(setup, "Service", "shop", "gone", 3 * HOUR_S, HOUR_S, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING,
                 "", "");
    put_interval(setup, "Service", "back", "db", 3 * DAY_S, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, "", "");
    put_interval(setup, "Deployment", "shop", "web", 3 * DAY_S, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, "",
                 "");
    put_rollout(setup, &failed);
    put_rollout(setup, &running);
    struct nj_err err = {0};
    if (setup->writer->ops->put_alive(setup->writer, setup->config.cluster, noon_ns, &err) < 0)
        fail_msg("%s", err.text);
    api_commit(setup);
    api_open(setup);
}

static json_object *at(json_object *object, const char *name)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(object, name, &value))
        fail_msg("there is no %s in %s", name, json_object_to_json_string(object));
    return value;
}

static json_object *item(struct reply *reply, const char *list, size_t index)
{
    return json_object_array_get_idx(at(reply->json, list), index);
}

/* NAN for null. */
static void assert_value(json_object *of, const char *name, double expected)
{
    json_object *found = at(of, name);
    double got = found == NULL ? (double)NAN : json_object_get_double(found);
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= 1e-6 + 1e-9 * fabs(expected)))
        fail_msg("%s is %.9f instead of %.9f in %s", name, got, expected, json_object_to_json_string(of));
}

static void ok(struct api_setup *setup, struct reply *reply, const char *target)
{
    get(setup, reply, target);
    if (reply->status != 200)
        fail_msg("%s: %d %s", target, reply->status, reply->body);
}

static void services_are_listed_as_they_are_now(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    char cursor[32];
    struct nj_buf names = {0};
    open_with_services(setup);
    assert_list(setup, "/api/v1/services", "name", "db api web ");
    assert_list(setup, "/api/v1/services?namespace=shop", "name", "api web ");
    assert_list(setup, "/api/v1/services?namespace=shop", "state", "down up ");
    assert_list(setup, "/api/v1/services?state=down", "name", "api ");
    assert_list(setup, "/api/v1/services?kind=Deployment", "name", "web ");
    assert_list(setup, "/api/v1/services?namespace=none", "name", "");
    get_list(setup, "/api/v1/services?limit=2", "name", &names, cursor);
    assert_string_equal(nj_buf_str(&names), "db api ");
    assert_string_equal(cursor, "2");
    assert_list(setup, "/api/v1/services?limit=2&cursor=2", "name", "web ");
    nj_buf_done(&names);
    ok(setup, &reply, "/api/v1/services?namespace=shop");
    json_object *api = item(&reply, "items", 0), *web = item(&reply, "items", 1);
    assert_string_equal(field(api, "cause"), "unschedulable");
    assert_string_equal(field(api, "detail"), "no node has room");
    assert_string_equal(field(api, "since"), "2026-11-21T08:55:00.000Z");
    assert_string_equal(field(api, "seenAt"), "2026-11-21T09:00:00.000Z");
    assert_string_equal(field(api, "desired"), "");
    assert_value(api, "availabilityToday", 0);
    assert_value(api, "objective", NAN);
    assert_value(web, "desired", 2);
    assert_value(web, "ready", 2);
    assert_value(web, "minReady", 1);
    assert_value(web, "objective", 0.99);
    /* Of the nine hours ten minutes are not known. */
    double observed = 9 * HOUR_S - 600;
    assert_value(web, "availabilityToday", (observed - 60 - 1800 - 120) / observed);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services?namespace=shop&basis=serving&state=up");
    assert_value(item(&reply, "items", 0), "availabilityToday", (observed - 60 - 1800) / observed);
    reply_done(setup, &reply);
}

static void what_nobody_can_see_any_more_is_unknown(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    struct nj_err err = {0};
    api_begin(setup);
    put_interval(setup, "Service", "shop", "web", 3000, 0, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, "it crashed",
                 "incident/4");
    assert_int_equal(
        0, setup->writer->ops->put_alive(setup->writer, setup->config.cluster, noon_ns - 10 * NJ_MIN, &err));
    api_commit(setup);
    api_open(setup);
    assert_list(setup, "/api/v1/services?state=down", "name", "");
    assert_list(setup, "/api/v1/services?state=unknown", "name", "web ");
    ok(setup, &reply, "/api/v1/services/shop/web");
    json_object *now = at(reply.json, "now");
    assert_string_equal(field(now, "state"), "unknown");
    assert_string_equal(field(now, "since"), "2026-11-21T08:50:00.000Z");
    assert_string_equal(field(now, "seenAt"), "2026-11-21T08:50:00.000Z");
    assert_string_equal(field(now, "cause"), "");
    assert_string_equal(field(now, "detail"), "");
    assert_string_equal(field(item(&reply, "intervals", 0), "state"), "down"); /* as it was */
    reply_done(setup, &reply);
}

static void one_service_is_told_with_its_intervals(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_services(setup);
    ok(setup, &reply, "/api/v1/services/shop/web?from=1h");
    assert_string_equal(field(at(reply.json, "now"), "state"), "up");
    assert_string_equal(field(at(reply.json, "now"), "since"), "2026-11-21T08:42:00.000Z");
    assert_int_equal(json_object_array_length(at(reply.json, "intervals")), 4);
    json_object *interval = item(&reply, "intervals", 2);
    assert_string_equal(field(interval, "state"), "draining");
    assert_string_equal(field(interval, "cause"), "deletion");
    assert_string_equal(field(interval, "detail"), "pod web-2 deleted");
    assert_value(interval, "seconds", 120);
    assert_value(interval, "serving", 1);
    interval = item(&reply, "intervals", 3);
    assert_string_equal(field(interval, "until"), "");
    assert_value(interval, "seconds", 18 * MIN_S);
    reply_done(setup, &reply);
    /* A day without a word. */
    ok(setup, &reply, "/api/v1/services/shop/web");
    assert_int_equal(json_object_array_length(at(reply.json, "intervals")), 7);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services/shop/gone");
    assert_null(at(reply.json, "now"));
    assert_int_equal(json_object_array_length(at(reply.json, "intervals")), 1);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services/shop/web?kind=Deployment");
    assert_string_equal(field(at(reply.json, "now"), "kind"), "Deployment");
    assert_value(at(reply.json, "now"), "objective", NAN);
    reply_done(setup, &reply);
}

static void availability_is_computed_over_any_time(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_services(setup);
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=20d");
    json_object *total = at(reply.json, "total");
    double observed = 10 * DAY_S - 600, planned = 1800, available = observed - 60 - planned - 120;
    assert_value(total, "observedSeconds", observed);
    assert_value(total, "availableSeconds", available);
    assert_value(total, "plannedSeconds", planned);
    assert_value(total, "unknownSeconds", 600);
    assert_value(total, "availability", available / observed);
    assert_value(total, "availabilityWithoutPlanned", available / (observed - planned));
    assert_value(total, "coverage", observed / (20 * DAY_S));
    assert_value(total, "outageCount", 3);
    assert_value(total, "unplannedOutageCount", 2);
    assert_value(total, "mttrSeconds", (60 + planned + 120) / 3);
    assert_value(total, "mtbfSeconds", available / 3);
    assert_value(total, "longestOutageSeconds", planned);
    /* Of 1 % of twenty days 180 s are spent. */
    assert_value(total, "budgetLeft", 1 - 180 / (0.01 * 20 * DAY_S));
    assert_value(total, "burnRate", (1 - available / (observed - planned)) / 0.01);
    assert_null(at(total, "checks"));
    assert_value(reply.json, "objective", 0.99);
    assert_int_equal(json_object_array_length(at(reply.json, "periods")), 0);
    assert_int_equal(json_object_array_length(at(reply.json, "outages")), 3);
    assert_string_equal(field(item(&reply, "outages", 0), "cause"), "crash");
    assert_string_equal(field(item(&reply, "outages", 0), "reference"), "incident/4");
    reply_done(setup, &reply);
    /* By the endpoints that still serve. */
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=20d&basis=serving");
    assert_value(at(reply.json, "total"), "availability", (available + 120) / observed);
    assert_value(at(reply.json, "total"), "outageCount", 2);
    reply_done(setup, &reply);
    /* What nobody looked at is neither up nor down. */
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=20d&to=15d");
    assert_value(at(reply.json, "total"), "availability", NAN);
    assert_value(at(reply.json, "total"), "coverage", 0);
    assert_value(at(reply.json, "total"), "budgetLeft", NAN);
    reply_done(setup, &reply);
}

static void assert_periods(struct api_setup *setup, const char *target, const char *expected)
{
    struct reply reply;
    struct nj_buf got = {0};
    ok(setup, &reply, target);
    for (size_t i = 0; i < json_object_array_length(at(reply.json, "periods")); i++)
        (void)nj_buf_printf(&got, "%s-%s ", field(item(&reply, "periods", i), "from"),
                            field(item(&reply, "periods", i), "to"));
    assert_string_equal(nj_buf_str(&got), expected);
    nj_buf_done(&got);
    reply_done(setup, &reply);
}

static void days_weeks_and_months_are_utcs(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_services(setup);
    assert_periods(setup, "/api/v1/services/shop/web/sla?from=33h&by=day",
                   "2026-11-20T00:00:00.000Z-2026-11-21T00:00:00.000Z "
                   "2026-11-21T00:00:00.000Z-2026-11-21T09:00:00.000Z ");
    assert_periods(setup, "/api/v1/services/shop/web/sla?from=2026-11-10T12:00:00Z&by=week",
                   "2026-11-10T12:00:00.000Z-2026-11-16T00:00:00.000Z "
                   "2026-11-16T00:00:00.000Z-2026-11-21T09:00:00.000Z ");
    assert_periods(setup,
                   "/api/v1/services/shop/web/sla?from=2025-12-15T00:00:00Z&to=2026-02-01T00:00:00Z&by=month",
                   "2025-12-15T00:00:00.000Z-2026-01-01T00:00:00.000Z "
                   "2026-01-01T00:00:00.000Z-2026-02-01T00:00:00.000Z ");
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=33h&by=day");
    json_object *before = item(&reply, "periods", 0), *today = item(&reply, "periods", 1);
    double observed = 9 * HOUR_S - 600;
    assert_value(before, "availability", 1);
    assert_value(before, "observedSeconds", DAY_S);
    assert_value(before, "mttrSeconds", NAN);
    assert_value(before, "budgetLeft", 1);
    assert_value(today, "availability", (observed - 60 - 1800 - 120) / observed);
    assert_value(today, "coverage", observed / (9 * HOUR_S));
    assert_value(today, "outageCount", 3);
    reply_done(setup, &reply);
}

static void days_weeks_and_months_are_of_the_zone_that_is_asked_for(void **state)
{
    struct api_setup *setup = *state;
    open_with_services(setup);
    assert_periods(setup, "/api/v1/services/shop/web/sla?from=33h&by=day&zone=%2B08:00",
                   "2026-11-20T00:00:00.000Z-2026-11-20T16:00:00.000Z "
                   "2026-11-20T16:00:00.000Z-2026-11-21T09:00:00.000Z ");
    /* It is Sunday there when the week ends. */
    assert_periods(setup, "/api/v1/services/shop/web/sla?from=2026-11-14T00:00:00Z&by=week&zone=-05:00",
                   "2026-11-14T00:00:00.000Z-2026-11-16T05:00:00.000Z "
                   "2026-11-16T05:00:00.000Z-2026-11-21T09:00:00.000Z ");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?by=day&zone=Mars/Olympus", 400, "zone: ");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?by=day&zone=../../etc/passwd", 400, "zone: ");
    assert_get_problem(setup, "/api/v1/services/shop/web/outages?zone=UTC", 400, "zone");
}

/* Of 23 and 25 hours; in Beirut clocks change at midnight: one day begins at 01:00, one has midnight twice.
 */
static void days_on_which_clocks_change_are_whole(void **state)
{
    struct api_setup *setup = *state;
    open_with_services(setup);
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0 ||
        access("/usr/share/zoneinfo/Asia/Beirut", R_OK) != 0)
        skip();
    assert_periods(setup,
                   "/api/v1/services/shop/web/sla?by=day&zone=Europe/Berlin&from=2026-10-24T22:00:00Z&to="
                   "2026-10-26T23:00:00Z",
                   "2026-10-24T22:00:00.000Z-2026-10-25T23:00:00.000Z "
                   "2026-10-25T23:00:00.000Z-2026-10-26T23:00:00.000Z ");
    assert_periods(setup,
                   "/api/v1/services/shop/web/sla?by=month&zone=Europe/Berlin&from=2026-03-01T00:00:00Z&to="
                   "2026-05-01T00:00:00Z",
                   "2026-03-01T00:00:00.000Z-2026-03-31T22:00:00.000Z "
                   "2026-03-31T22:00:00.000Z-2026-04-30T22:00:00.000Z "
                   "2026-04-30T22:00:00.000Z-2026-05-01T00:00:00.000Z ");
    assert_periods(setup,
                   "/api/v1/services/shop/web/sla?by=day&zone=Asia/Beirut&from=2026-03-27T22:00:00Z&to="
                   "2026-03-29T21:00:00Z",
                   "2026-03-27T22:00:00.000Z-2026-03-28T22:00:00.000Z "
                   "2026-03-28T22:00:00.000Z-2026-03-29T21:00:00.000Z ");
    assert_periods(setup,
                   "/api/v1/services/shop/web/sla?by=day&zone=Asia/Beirut&from=2026-10-23T21:00:00Z&to="
                   "2026-10-25T22:00:00Z",
                   "2026-10-23T21:00:00.000Z-2026-10-24T22:00:00.000Z "
                   "2026-10-24T22:00:00.000Z-2026-10-25T22:00:00.000Z ");
}

static void add_number(struct nj_buf *out, json_object *of, const char *name)
{
    json_object *found = at(of, name);
    if (found == NULL)
        (void)nj_buf_append_str(out, "- ");
    else
        (void)nj_buf_printf(out, "%.3g ", json_object_get_double(found));
}

/* "COVERAGE AVAILABILITY OUTAGES LONGEST MTTR |SECONDS-UNTIL ..." of a range; "-": null. */
static void assert_range(struct api_setup *setup, const char *range, const char *expected)
{
    static const char *const names[] = {"coverage", "availability", "outageCount", "longestOutageSeconds",
                                        "mttrSeconds"};
    struct reply reply;
    struct nj_buf got = {0};
    char *target = nj_asprintf("/api/v1/services/shop/cut/sla?%s", range);
    ok(setup, &reply, target);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        add_number(&got, at(reply.json, "total"), names[i]);
    (void)nj_buf_append_char(&got, '|');
    for (size_t i = 0; i < json_object_array_length(at(reply.json, "outages")); i++)
        (void)nj_buf_printf(&got, "%s-%s", field(item(&reply, "outages", i), "seconds"),
                            field(item(&reply, "outages", i), "until"));
    assert_string_equal(nj_buf_str(&got), expected);
    nj_buf_done(&got);
    reply_done(setup, &reply);
    free(target);
}

/* Up for 2000 s, down for 2000 s, up for 500 s; then it was deleted, 500 s ago. */
static void a_range_cuts_outages_and_knows_nothing_of_what_was_deleted(void **state)
{
    struct api_setup *setup = *state;
    api_begin(setup);
    put_interval(setup, "Service", "shop", "cut", 5000, 3000, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, "", "");
    put_interval(setup, "Service", "shop", "cut", 3000, 1000, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, "", "");
    put_interval(setup, "Service", "shop", "cut", 1000, 500, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, "", "");
    api_commit(setup);
    open_with_services(setup);
    assert_range(setup, "from=2500s&to=1500s", "1 0 1 1e+03 1e+03 |1000-");
    assert_range(setup, "from=4000s&to=2000s", "1 0.5 1 1e+03 1e+03 |1000-");
    assert_range(setup, "from=1500s&to=200s", "0.769 0.5 1 500 500 |500-2026-11-21T08:43:20.000Z");
    assert_range(setup, "from=400s", "0 - 0 0 - |");
    assert_range(setup, "from=9000s&to=6000s", "0 - 0 0 - |");
    /* Nothing is known of what comes. */
    assert_range(setup, "from=1000s&to=2026-12-24T00:00:00Z", "0.5 1 0 0 - |");
    assert_get_problem(setup,
                       "/api/v1/services/shop/cut/sla?from=2026-12-01T00:00:00Z&to=2026-12-24T00:00:00Z", 400,
                       "before now");
}

/* ---- the same by SQL */

enum { DICE_RANGES = 40, DICE_SECONDS = 40000 };

static int below(int bound)
{
    return rand() % bound;
}

/* Any states with any causes, with times in which it was not there. */
static void put_dice(struct api_setup *setup)
{
    for (int64_t from = DICE_SECONDS; from > 0;) {
        int64_t until = from - 1 - below(900);
        enum nj_service_state state = (enum nj_service_state)(1 + below(NJ_SERVICE_STATES - 1));
        put_interval(setup, "Service", "shop", "dice", from, until < 0 ? 0 : until, state,
                     state == NJ_SERVICE_UP ? NJ_OUTAGE_BY_NOTHING
                                            : (enum nj_outage_cause)below(NJ_OUTAGE_CAUSES),
                     "", "");
        from = until - (below(6) == 0 ? below(500) : 0);
    }
}

static sqlite3_stmt *ask_sql(sqlite3 *db, const char *sql, int64_t from_ns, int64_t until_ns)
{
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(SQLITE_OK, sqlite3_bind_int64(query, 1, from_ns));
    assert_int_equal(SQLITE_OK, sqlite3_bind_int64(query, 2, until_ns));
    return query;
}

/* The README's queries. */
#define TIMES_SQL(available)                                                                                 \
    "SELECT sum(part * is_observed) / 1e9, sum(part * " available                                            \
    ") / 1e9, sum(part * (is_observed AND NOT "                                                              \
    "" available                                                                                             \
    " AND is_planned)) / 1e9 FROM (SELECT *, min(until_ns, ?2) - max(from_ns, ?1) AS part FROM "             \
    "service_interval WHERE kind = 'Service' AND namespace = 'shop' AND name = 'dice' AND from_ns < ?2 AND " \
    "until_ns > ?1)"
#define OUTAGES_SQL(basis)                                                                                   \
    "SELECT count(*), sum(NOT planned), avg(seconds), max(seconds) FROM (SELECT planned, "                   \
    "(min(end_ns, ?2) - max(from_ns, ?1)) / 1e9 AS seconds FROM (SELECT *, from_ns + seconds * 1e9 AS "      \
    "end_ns FROM service_outage WHERE kind = 'Service' AND namespace = 'shop' AND name = 'dice' AND basis "  \
    "= "                                                                                                     \
    "'" basis "') WHERE from_ns < ?2 AND end_ns > ?1)"

static void compare_times(sqlite3 *db, bool serving, int64_t from_ns, int64_t until_ns, json_object *total)
{
    sqlite3_stmt *query =
        ask_sql(db, serving ? TIMES_SQL("is_serving") : TIMES_SQL("is_available"), from_ns, until_ns);
    assert_int_equal(SQLITE_ROW, sqlite3_step(query));
    double observed = sqlite3_column_double(query, 0), available = sqlite3_column_double(query, 1);
    double planned = sqlite3_column_double(query, 2);
    assert_value(total, "observedSeconds", observed);
    assert_value(total, "availableSeconds", available);
    assert_value(total, "plannedSeconds", planned);
    assert_value(total, "coverage", observed / ((double)(until_ns - from_ns) / 1e9));
    assert_value(total, "availability", observed > 0 ? available / observed : (double)NAN);
    assert_value(total, "availabilityWithoutPlanned",
                 observed > planned ? available / (observed - planned) : (double)NAN);
    assert_int_equal(SQLITE_OK, sqlite3_finalize(query));
}

/* What a range cuts off may have been all that was planned of an outage: their number by plan is of whole
 * ones. */
static void compare_outages(sqlite3 *db, bool serving, int64_t from_ns, int64_t until_ns, bool whole,
                            json_object *total)
{
    sqlite3_stmt *query =
        ask_sql(db, serving ? OUTAGES_SQL("serving") : OUTAGES_SQL("ready"), from_ns, until_ns);
    assert_int_equal(SQLITE_ROW, sqlite3_step(query));
    int count = sqlite3_column_int(query, 0);
    assert_value(total, "outageCount", count);
    if (whole)
        assert_value(total, "unplannedOutageCount", sqlite3_column_int(query, 1));
    assert_value(total, "mttrSeconds", count > 0 ? sqlite3_column_double(query, 2) : (double)NAN);
    assert_value(total, "longestOutageSeconds", sqlite3_column_double(query, 3));
    assert_int_equal(SQLITE_OK, sqlite3_finalize(query));
}

static void sql_gives_what_rest_gives(void **state)
{
    struct api_setup *setup = *state;
    sqlite3 *db = NULL;
    srand(23);
    api_begin(setup);
    put_dice(setup);
    api_commit(setup);
    open_with_services(setup);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(setup->folder.database, &db, SQLITE_OPEN_READONLY, NULL));
    for (int i = 0; i < DICE_RANGES; i++) {
        struct reply reply;
        bool serving = i % 2 == 0, whole = i < 2;
        int from = whole ? DICE_SECONDS + 1 : 2 + below(DICE_SECONDS), to = whole ? 0 : below(from - 1);
        char *target = nj_asprintf("/api/v1/services/shop/dice/sla?basis=%s&from=%ds&to=%ds",
                                   serving ? "serving" : "ready", from, to);
        ok(setup, &reply, target);
        json_object *total = at(reply.json, "total");
        int64_t from_ns = noon_ns - from * NJ_SEC, until_ns = noon_ns - to * NJ_SEC;
        compare_times(db, serving, from_ns, until_ns, total);
        compare_outages(db, serving, from_ns, until_ns, whole, total);
        reply_done(setup, &reply);
        free(target);
    }
    assert_int_equal(SQLITE_OK, sqlite3_close(db));
}

static void outages_have_their_causes(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_services(setup);
    ok(setup, &reply, "/api/v1/services/shop/api/outages");
    json_object *outage = item(&reply, "outages", 0);
    assert_string_equal(field(outage, "from"), "2026-11-21T08:55:00.000Z");
    assert_string_equal(field(outage, "until"), "");
    assert_string_equal(field(outage, "cause"), "unschedulable");
    assert_string_equal(field(outage, "planned"), "false");
    assert_value(outage, "seconds", 300);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services/shop/web/outages?basis=serving&from=1d");
    assert_int_equal(json_object_array_length(at(reply.json, "outages")), 2);
    assert_string_equal(field(item(&reply, "outages", 1), "cause"), "scaled_to_zero");
    assert_string_equal(field(item(&reply, "outages", 1), "planned"), "true");
    reply_done(setup, &reply);
    /* Cut to what is asked for. */
    ok(setup, &reply, "/api/v1/services/shop/web/outages?from=50m&to=40m");
    outage = item(&reply, "outages", 0);
    assert_value(outage, "seconds", 600);
    assert_string_equal(field(outage, "until"), "");
    reply_done(setup, &reply);
}

static void add_checks(struct api_setup *setup, int64_t minutes_ago, uint32_t runs, uint32_t failures)
{
    struct nj_err err = {0};
    const struct nj_check_rollup rollup = {
        .key = {.monitor = "service.shop.web", .target = "service/80/ipv4"},
        .namespace = "shop",
        .service = "web",
        .target_name = "web",
        .state = "passing",
        .runs = runs,
        .failures = failures};
    if (setup->writer->ops->add_rollup(setup->writer, setup->config.cluster, noon_ns - minutes_ago * NJ_MIN,
                                       &rollup, &err) < 0)
        fail_msg("%s", err.text);
}

static void what_checks_saw_stands_beside_it(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    api_begin(setup);
    add_checks(setup, 10, 60, 15);
    add_checks(setup, 90, 60, 0);
    add_checks(setup, DAY_S / MIN_S, 80, 2);
    api_commit(setup);
    open_with_services(setup);
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=1h");
    json_object *checks = at(at(reply.json, "total"), "checks");
    assert_value(checks, "runs", 60);
    assert_value(checks, "failures", 15);
    assert_value(checks, "availability", 0.75);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services/shop/web/sla?from=33h&by=day");
    assert_value(at(at(reply.json, "total"), "checks"), "runs", 200);
    assert_value(at(item(&reply, "periods", 0), "checks"), "failures", 2);
    assert_value(at(item(&reply, "periods", 1), "checks"), "availability", 105. / 120);
    reply_done(setup, &reply);
    ok(setup, &reply, "/api/v1/services/shop/web/sla?kind=Deployment");
    assert_null(at(at(reply.json, "total"), "checks"));
    reply_done(setup, &reply);
}

static void rollouts_are_found(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    char cursor[32];
    struct nj_buf ids = {0};
    open_with_services(setup);
    assert_list(setup, "/api/v1/rollouts", "id", "2 1 ");
    assert_list(setup, "/api/v1/rollouts?workload=web&kind=Deployment&namespace=shop", "id", "1 ");
    assert_list(setup, "/api/v1/rollouts?kind=StatefulSet", "id", "");
    assert_list(setup, "/api/v1/rollouts?outcome=running", "id", "2 ");
    assert_list(setup, "/api/v1/rollouts?since=10m", "id", "2 ");
    assert_list(setup, "/api/v1/rollouts?until=2h", "id", "");
    get_list(setup, "/api/v1/rollouts?limit=1", "id", &ids, cursor);
    assert_string_equal(cursor, "2");
    assert_list(setup, "/api/v1/rollouts?limit=1&cursor=2", "id", "1 ");
    nj_buf_done(&ids);
    ok(setup, &reply, "/api/v1/rollouts/1");
    assert_string_equal(field(reply.json, "outcome"), "failed");
    assert_string_equal(field(reply.json, "reason"), "CrashLoop");
    assert_string_equal(field(reply.json, "difference"), "containers[c].image: web:1 -> web:2");
    assert_string_equal(field(reply.json, "failedAt"), "2026-11-21T08:30:00.000Z");
    assert_value(reply.json, "crashes", 5);
    assert_value(reply.json, "outageSeconds", 1.5);
    reply_done(setup, &reply);
    assert_get_problem(setup, "/api/v1/rollouts/3", 404, "no rollout 3");
    assert_get_problem(setup, "/api/v1/rollouts/web", 404, "no rollout 'web'");
    assert_get_problem(setup, "/api/v1/rollouts?outcome=good", 400, "good");
}

static void what_is_asked_wrongly_is_said(void **state)
{
    struct api_setup *setup = *state;
    open_with_services(setup);
    assert_get_problem(setup, "/api/v1/services/shop/nobody", 404, "shop/nobody");
    assert_get_problem(setup, "/api/v1/services/shop/nobody/sla", 404, "shop/nobody");
    assert_get_problem(setup, "/api/v1/services/shop/nobody/outages", 404, "shop/nobody");
    assert_get_problem(setup, "/api/v1/services/shop/web?kind=Job", 404, "Job shop/web");
    assert_get_problem(setup, "/api/v1/services/shop", 404, "/openapi.json");
    assert_get_problem(setup, "/api/v1/services?state=well", 400, "well");
    assert_get_problem(setup, "/api/v1/services?basis=all", 400, "neither ready nor serving");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?by=hour", 400, "day, week, month");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?from=3y&by=day", 400, "3y");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?from=1000d&by=day", 400, "400 periods");
    assert_get_problem(setup, "/api/v1/services/shop/web/sla?from=1h&to=2h", 400, "from");
    assert_get_problem(setup, "/api/v1/services/shop/web/outages?limit=2", 400, "limit");
}

static void an_answer_has_at_most_so_many_outages(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    api_begin(setup);
    for (int i = 0; i < 2400; i++)
        put_interval(setup, "Service", "shop", "flap", 5000 - i, 4999 - i,
                     i % 2 == 0 ? NJ_SERVICE_UP : NJ_SERVICE_DOWN,
                     i % 2 == 0 ? NJ_OUTAGE_BY_NOTHING : NJ_OUTAGE_BY_CRASH, "", "");
    api_commit(setup);
    open_with_services(setup);
    ok(setup, &reply, "/api/v1/services/shop/flap/sla");
    assert_int_equal(json_object_array_length(at(reply.json, "outages")), 1000);
    assert_value(reply.json, "outagesLeftOut", 200);
    assert_value(at(reply.json, "total"), "outageCount", 1200);
    reply_done(setup, &reply);
}

/* ---- openapi.json */

/* The object has exactly the properties of the schema; those that are objects or lists likewise. */
static void check_schema(json_object *schemas, const char *name, json_object *object)
{
    json_object *properties = at(at(schemas, name), "properties");
    assert_int_equal(json_object_object_length(properties), json_object_object_length(object));
    json_object_object_foreach(properties, property, schema)
    {
        json_object *child = at(object, property);
        json_object *all_of = json_object_object_get(schema, "allOf");
        if (all_of != NULL)
            schema = json_object_array_get_idx(all_of, 0);
        if (json_object_is_type(child, json_type_array)) {
            child = json_object_array_get_idx(child, 0);
            schema = json_object_object_get(schema, "items");
        }
        json_object *ref = json_object_object_get(schema, "$ref");
        if (ref != NULL && child != NULL)
            check_schema(schemas, strrchr(json_object_get_string(ref), '/') + 1, child);
        json_object *words = json_object_object_get(schema, "enum");
        bool found = words == NULL;
        for (size_t i = 0; !found && i < json_object_array_length(words); i++)
            found = nj_streq(json_object_get_string(json_object_array_get_idx(words, i)),
                             json_object_get_string(child));
        if (!found)
            fail_msg("%s.%s: %s is not described", name, property, json_object_get_string(child));
    }
}

static void openapi_describes_what_is_served(void **state)
{
    static const struct {
        const char *path, *schema;
    } served[] = {
        {"/api/v1/services", "ServiceList"},
        {"/api/v1/services/shop/web", "ServiceDetail"},
        {"/api/v1/services/shop/web/sla?by=day", "ServiceSla"},
        {"/api/v1/services/shop/web/outages", "OutageList"},
        {"/api/v1/rollouts", "RolloutList"},
        {"/api/v1/rollouts/1", "Rollout"},
    };
    struct api_setup *setup = *state;
    struct reply description, reply;
    struct nj_buf words = {0};
    api_begin(setup);
    add_checks(setup, 10, 60, 15);
    api_commit(setup);
    open_with_services(setup);
    get(setup, &description, "/openapi.json");
    json_object *schemas = at(at(description.json, "components"), "schemas");
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        ok(setup, &reply, served[i].path);
        check_schema(schemas, served[i].schema, reply.json);
        reply_done(setup, &reply);
    }
    for (int i = 1; i < NJ_SERVICE_STATES; i++)
        (void)nj_buf_printf(&words, "%s\"%s\"", i == 1 ? "[" : ",",
                            nj_service_state_name((enum nj_service_state)i));
    (void)nj_buf_append_str(&words, "][");
    for (int i = 0; i < NJ_OUTAGE_CAUSES; i++)
        (void)nj_buf_printf(&words, "%s\"%s\"", i == 0 ? "" : ",",
                            nj_outage_cause_name((enum nj_outage_cause)i));
    (void)nj_buf_append_char(&words, ']');
    struct nj_buf described = {0};
    json_object *properties = at(at(schemas, "Service"), "properties");
    (void)nj_buf_append_str(&described, json_object_to_json_string_ext(at(at(properties, "state"), "enum"),
                                                                       JSON_C_TO_STRING_PLAIN));
    (void)nj_buf_append_str(&described, json_object_to_json_string_ext(at(at(properties, "cause"), "enum"),
                                                                       JSON_C_TO_STRING_PLAIN));
    assert_string_equal(nj_buf_str(&words), nj_buf_str(&described));
    nj_buf_done(&words);
    nj_buf_done(&described);
    reply_done(setup, &description);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(services_are_listed_as_they_are_now),
        api_case(what_nobody_can_see_any_more_is_unknown),
        api_case(one_service_is_told_with_its_intervals),
        api_case(availability_is_computed_over_any_time),
        api_case(days_weeks_and_months_are_utcs),
        api_case(days_weeks_and_months_are_of_the_zone_that_is_asked_for),
        api_case(days_on_which_clocks_change_are_whole),
        api_case(a_range_cuts_outages_and_knows_nothing_of_what_was_deleted),
        api_case(sql_gives_what_rest_gives),
        api_case(outages_have_their_causes),
        api_case(what_checks_saw_stands_beside_it),
        api_case(rollouts_are_found),
        api_case(what_is_asked_wrongly_is_said),
        api_case(an_answer_has_at_most_so_many_outages),
        api_case(openapi_describes_what_is_served),
    };
    return cmocka_run_group_tests_name("collector/api-services", tests, NULL, NULL);
}
