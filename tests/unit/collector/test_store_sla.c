/*
 * When services were available, as the store's users see it: intervals that are inserted and corrected, what
 * a restart finds, what retention leaves, rollouts; and that whoever asks by SQL gets the same outages and
 * the same availability as the collector itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/compute.h"
#include "collector/sla/rollouts.h"
#include "collector/store/store.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/store_support.h"

enum { HISTORIES = 60, INTERVALS_MAX = 40 };

/* Of shop/NAME, in minutes after noon; until 0: it lasts. */
static struct nj_interval make_interval(const char *name, int64_t from, int64_t until,
                                        enum nj_service_state state, enum nj_outage_cause cause)
{
    int64_t from_ns = noon_ns + from * NJ_MIN;
    return (struct nj_interval){
        .cluster = "prod",
        .namespace = "shop",
        .service = name,
        .from_ns = from_ns,
        .until_ns = until == 0 ? 0 : noon_ns + until * NJ_MIN,
        .seen_ns = from_ns,
        .state = state,
        .cause = cause,
        .detail = "",
        .reference = "",
        .desired = 2,
        .ready = state == NJ_SERVICE_UP ? 2 : 0,
        .serving = state == NJ_SERVICE_UP ? 2 : 0,
        .min_ready = state == NJ_SERVICE_UP ? 2 : 0,
        .print = UINT64_C(0xfedcba9876543210),
    };
}

static void put(struct fixture *fixture, const char *kind, const struct nj_interval *interval)
{
    begin(fixture);
    must(fixture, fixture->store->ops->put_interval(fixture->store, kind, interval, &fixture->err));
    commit(fixture);
}

static void put_alive(struct fixture *fixture, int64_t minutes)
{
    begin(fixture);
    must(fixture,
         fixture->store->ops->put_alive(fixture->store, "prod", noon_ns + minutes * NJ_MIN, &fixture->err));
    commit(fixture);
}

static int64_t minutes_of(int64_t at_ns)
{
    return at_ns == 0 ? 0 : (at_ns - noon_ns) / NJ_MIN;
}

/* "KIND/NAME FROM-UNTIL(SEEN) STATE CAUSE DETAIL;" */
static int write_interval(void *data, const char *kind, const struct nj_interval *interval)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->text, "%s/%s %" PRId64 "-%" PRId64 "(%" PRId64 ") %s %s%s%s;", kind,
                        interval->service, minutes_of(interval->from_ns), minutes_of(interval->until_ns),
                        minutes_of(interval->seen_ns), nj_service_state_name(interval->state),
                        nj_outage_cause_name(interval->cause), interval->detail[0] == '\0' ? "" : " ",
                        interval->detail);
    return 0;
}

static const char *read_intervals(struct fixture *fixture, const struct nj_interval_filter *filter)
{
    nj_buf_clear(&fixture->text);
    must(fixture,
         fixture->store->ops->each_interval(fixture->store, filter, write_interval, fixture, &fixture->err));
    return nj_buf_str(&fixture->text);
}

static void test_intervals_come_by_name_and_time(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_interval web[] = {
        make_interval("web", 0, 10, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING),
        make_interval("web", 10, 12, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH),
        make_interval("web", 12, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING),
    };
    const struct nj_interval api = make_interval("api", 5, 0, NJ_SERVICE_DEGRADED, NJ_OUTAGE_BY_NODE_LOSS);
    for (int i = 2; i >= 0; i--)
        put(fixture, "Service", &web[i]);
    put(fixture, "Service", &api);
    put(fixture, "Deployment", &web[0]);
    put_alive(fixture, 20);
    assert_string_equal("Deployment/web 0-10(10) up ;"
                        "Service/api 5-0(20) degraded node_loss;"
                        "Service/web 0-10(10) up ;Service/web 10-12(12) down crash;Service/web 12-0(20) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
    /* Of a range comes also what had begun before it, but not what ended with its beginning. */
    struct nj_interval_filter filter = {.cluster = "prod",
                                        .kind = "Service",
                                        .namespace = "shop",
                                        .name = "web",
                                        .from_ns = noon_ns + 11 * NJ_MIN,
                                        .until_ns = noon_ns + 12 * NJ_MIN};
    assert_string_equal("Service/web 10-12(12) down crash;", read_intervals(fixture, &filter));
    filter.from_ns = noon_ns + 12 * NJ_MIN;
    filter.until_ns = 0;
    assert_string_equal("Service/web 12-0(20) up ;", read_intervals(fixture, &filter));
    filter.namespace = "other";
    assert_string_equal("", read_intervals(fixture, &filter));
}

static void test_an_interval_is_corrected(void **state)
{
    struct fixture *fixture = *state;
    struct nj_interval down = make_interval("web", 1, 0, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_UNKNOWN);
    put(fixture, "Service", &down);
    down.cause = NJ_OUTAGE_BY_DELETION;
    down.detail = "pod web-1 deleted";
    down.until_ns = noon_ns + 3 * NJ_MIN;
    put(fixture, "Service", &down);
    assert_string_equal("Service/web 1-3(3) down deletion pod web-1 deleted;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
}

static void test_of_two_that_last_the_earlier_ends_where_the_later_begins(void **state)
{
    struct fixture *fixture = *state;
    struct nj_interval down = make_interval("web", 1, 0, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    struct nj_interval up = make_interval("web", 5, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING);
    struct nj_interval other = make_interval("api", 1, 0, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    put(fixture, "Service", &down);
    put(fixture, "Service", &other);
    put(fixture, "Deployment", &down);
    put(fixture, "Service", &up); /* what came in between was lost */
    put(fixture, "Service", &up);
    assert_string_equal("Deployment/web 1-0(1) down crash;Service/api 1-0(1) down crash;"
                        "Service/web 1-5(5) down crash;Service/web 5-0(5) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
}

static void test_a_failed_rollout_is_the_cause_of_all_that_came_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct nj_interval web = make_interval("web", 1, 3, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_ROLLOUT);
    struct nj_interval api = make_interval("api", 1, 2, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_ROLLOUT);
    struct nj_interval other = make_interval("web", 1, 2, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_ROLLOUT);
    struct nj_interval unrelated = make_interval("zoo", 1, 2, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    web.reference = api.reference = other.reference = "rollout/17";
    other.namespace = "elsewhere";
    put(fixture, "Service", &web);
    put(fixture, "Service", &api);
    put(fixture, "Service", &other);
    put(fixture, "Service", &unrelated);
    begin(fixture);
    must(fixture,
         fixture->store->ops->recause_intervals(fixture->store, "prod", "shop", "rollout/17",
                                                NJ_OUTAGE_BY_FAILED_ROLLOUT, "revision 3", &fixture->err));
    commit(fixture);
    assert_string_equal("Service/web 1-2(2) down rollout;"
                        "Service/api 1-2(2) down failed_rollout revision 3;"
                        "Service/web 1-3(3) down failed_rollout revision 3;"
                        "Service/zoo 1-2(2) down crash;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
}

static void write_open(void *data, const char *kind, const struct nj_interval *interval)
{
    (void)write_interval(data, kind, interval);
    assert_true(interval->print == UINT64_C(0xfedcba9876543210));
    assert_int_equal(2, interval->desired);
}

static void test_a_restart_finds_what_lasted_and_until_when_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_interval over = make_interval("web", 0, 10, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    const struct nj_interval open = make_interval("web", 10, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING);
    int64_t alive_ns = 7;
    must(fixture, fixture->store->ops->get_alive(fixture->store, "prod", &alive_ns, &fixture->err));
    assert_int_equal(0, alive_ns);
    put(fixture, "Service", &over);
    put(fixture, "Service", &open);
    put(fixture, "Deployment", &open);
    put_alive(fixture, 11);
    put_alive(fixture, 12);
    fixture->store->ops->close(fixture->store);
    fixture->store = open_writer(&fixture->folder);
    must(fixture, fixture->store->ops->get_alive(fixture->store, "prod", &alive_ns, &fixture->err));
    assert_int_equal(12, minutes_of(alive_ns));
    nj_buf_clear(&fixture->text);
    must(fixture, fixture->store->ops->load_open_intervals(fixture->store, "prod", write_open, fixture,
                                                           &fixture->err));
    assert_string_equal("Deployment/web 10-0(12) up ;Service/web 10-0(12) up ;", nj_buf_str(&fixture->text));
}

static void prune(struct fixture *fixture, const struct nj_retention *retention, int64_t now_ns)
{
    bool more = true;
    begin(fixture);
    must(fixture, fixture->store->ops->prune(fixture->store, retention, now_ns, 100, &more, &fixture->err));
    commit(fixture);
    assert_false(more);
}

static struct nj_rollout make_rollout(int64_t id, const char *workload)
{
    return (struct nj_rollout){
        .id = id,
        .cluster = "prod",
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
        .changed_by = "kubectl-patch",
        .change_cause = "",
        .began_ns = noon_ns,
        .outcome = NJ_ROLLOUT_RUNNING,
        .reason = "",
        .message = "",
        .desired = 2,
        .min_available = 1,
    };
}

static void put_rollout(struct fixture *fixture, const struct nj_rollout *rollout)
{
    begin(fixture);
    must(fixture, fixture->store->ops->put_rollout(fixture->store, rollout, &fixture->err));
    commit(fixture);
}

/* "ID WORKLOAD OUTCOME CRASHES;" */
static int write_rollout(void *data, const struct nj_rollout *rollout)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->text, "%" PRId64 " %s %s %u;", rollout->id, rollout->workload,
                        nj_rollout_outcome_name(rollout->outcome), rollout->crashes);
    return 0;
}

static void write_loaded(void *data, const struct nj_rollout *rollout)
{
    (void)write_rollout(data, rollout);
}

static const char *read_rollouts(struct fixture *fixture, struct nj_rollout_filter filter)
{
    nj_buf_clear(&fixture->text);
    filter.limit = filter.limit == 0 ? 10 : filter.limit;
    must(fixture,
         fixture->store->ops->each_rollout(fixture->store, &filter, write_rollout, fixture, &fixture->err));
    return nj_buf_str(&fixture->text);
}

static int64_t load_rollouts(struct fixture *fixture)
{
    int64_t next_id = 0;
    nj_buf_clear(&fixture->text);
    must(fixture, fixture->store->ops->load_rollouts(fixture->store, "prod", &next_id, write_loaded, fixture,
                                                     &fixture->err));
    return next_id;
}

static void test_old_intervals_and_rollouts_go_and_what_lasts_stays(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_interval old = make_interval("web", 0, 10, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    const struct nj_interval open = make_interval("web", 10, 0, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING);
    const struct nj_interval gone = make_interval("api", 0, 11, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING);
    struct nj_rollout ended = make_rollout(2, "web");
    const struct nj_rollout running = make_rollout(1, "web");
    ended.ended_ns = noon_ns + NJ_MIN;
    ended.outcome = NJ_ROLLOUT_DONE;
    put(fixture, "Service", &old);
    put(fixture, "Service", &open);
    put(fixture, "Service", &gone);
    put_rollout(fixture, &running);
    put_rollout(fixture, &ended);
    struct nj_retention retention = {
        .crashes_ns = NJ_DAY, .logs_ns = NJ_DAY, .incidents_ns = NJ_DAY, .agents_ns = NJ_DAY};
    prune(fixture, &retention, noon_ns + 900 * NJ_DAY);
    assert_string_equal("Service/api 0-11(11) up ;Service/web 0-10(10) down crash;Service/web 10-0(10) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
    retention.intervals_ns = retention.rollouts_ns = NJ_DAY;
    prune(fixture, &retention, noon_ns + NJ_DAY + 11 * NJ_MIN);
    assert_string_equal("Service/api 0-11(11) up ;Service/web 10-0(10) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
    prune(fixture, &retention, noon_ns + 2 * NJ_DAY);
    assert_string_equal("Service/web 10-0(10) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
    assert_string_equal("1 web running 0;", read_rollouts(fixture, (struct nj_rollout_filter){0}));
    /* A service that comes back begins anew. */
    put(fixture, "Service", &gone);
    assert_string_equal("Service/api 0-11(11) up ;Service/web 10-0(10) up ;",
                        read_intervals(fixture, &(struct nj_interval_filter){0}));
    assert_int_equal(3, load_rollouts(fixture)); /* no number comes twice */
}

static int check_whole(void *data, const struct nj_rollout *rollout)
{
    const struct nj_rollout *expected = data;
    assert_string_equal(expected->cluster, rollout->cluster);
    assert_string_equal(expected->namespace, rollout->namespace);
    assert_string_equal(expected->workload_kind, rollout->workload_kind);
    assert_string_equal(expected->revision, rollout->revision);
    assert_string_equal(expected->from_revision, rollout->from_revision);
    assert_string_equal(expected->template_hash, rollout->template_hash);
    assert_string_equal(expected->from_hash, rollout->from_hash);
    assert_string_equal(expected->images, rollout->images);
    assert_string_equal(expected->from_images, rollout->from_images);
    assert_string_equal(expected->difference, rollout->difference);
    assert_string_equal(expected->changed_by, rollout->changed_by);
    assert_string_equal(expected->change_cause, rollout->change_cause);
    assert_string_equal(expected->reason, rollout->reason);
    assert_string_equal(expected->message, rollout->message);
    assert_true(expected->began_ns == rollout->began_ns && expected->ended_ns == rollout->ended_ns &&
                expected->failed_ns == rollout->failed_ns);
    assert_int_equal(expected->updated, rollout->updated);
    assert_int_equal(expected->available, rollout->available);
    assert_int_equal(expected->desired, rollout->desired);
    assert_int_equal(expected->min_available, rollout->min_available);
    assert_int_equal(expected->failed_checks, rollout->failed_checks);
    assert_true(expected->outage_ns == rollout->outage_ns);
    assert_int_equal(expected->told, rollout->told);
    return 0;
}

static void test_rollouts_are_found_and_a_restart_knows_those_that_run(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, load_rollouts(fixture));
    struct nj_rollout web = make_rollout(1, "web");
    const struct nj_rollout api = make_rollout(2, "api");
    put_rollout(fixture, &web);
    put_rollout(fixture, &api);
    web.ended_ns = noon_ns + 5 * NJ_MIN;
    web.failed_ns = noon_ns + 2 * NJ_MIN;
    web.outcome = NJ_ROLLOUT_FAILED;
    web.updated = 2;
    web.available = 1;
    web.reason = "CrashLoopBackOff";
    web.message = "its new pods crash";
    web.crashes = 4;
    web.failed_checks = 2;
    web.outage_ns = 3 * NJ_SEC;
    web.told = true;
    put_rollout(fixture, &web);
    assert_int_equal(3, load_rollouts(fixture));
    assert_string_equal("1 web failed 4;2 api running 0;", nj_buf_str(&fixture->text));
    assert_string_equal("2 api running 0;1 web failed 4;",
                        read_rollouts(fixture, (struct nj_rollout_filter){0}));
    assert_string_equal("1 web failed 4;", read_rollouts(fixture, (struct nj_rollout_filter){
                                                                      .cluster = "prod", .workload = "web"}));
    assert_string_equal("1 web failed 4;",
                        read_rollouts(fixture, (struct nj_rollout_filter){.outcome = "failed"}));
    assert_string_equal("1 web failed 4;", read_rollouts(fixture, (struct nj_rollout_filter){.id = 1}));
    assert_string_equal("1 web failed 4;",
                        read_rollouts(fixture, (struct nj_rollout_filter){.before_id = 2}));
    assert_string_equal("2 api running 0;", read_rollouts(fixture, (struct nj_rollout_filter){.limit = 1}));
    /* By the time in which they ran. */
    assert_string_equal("2 api running 0;",
                        read_rollouts(fixture, (struct nj_rollout_filter){.since_ns = noon_ns + 6 * NJ_MIN}));
    assert_string_equal("", read_rollouts(fixture, (struct nj_rollout_filter){.until_ns = noon_ns - 1}));
    const struct nj_rollout_filter one = {.id = 1, .limit = 1};
    must(fixture, fixture->store->ops->each_rollout(fixture->store, &one, check_whole, &web, &fixture->err));
    const struct nj_rollout_filter none = {.limit = 0};
    assert_int_equal(-EINVAL, fixture->store->ops->each_rollout(fixture->store, &none, write_rollout, fixture,
                                                                &fixture->err));
}

/* ---- The same by SQL. */

struct history {
    struct nj_interval intervals[INTERVALS_MAX];
    size_t count;
    char name[16], details[INTERVALS_MAX][32];
};

static int below(int bound)
{
    return rand() % bound;
}

/* States in any order, with causes and without, times that nobody observed, and a service that was deleted
 * and came back. */
static void make_history(struct history *history, int number)
{
    int64_t at = 1 + below(5);
    (void)snprintf(history->name, sizeof(history->name), "s%d", number);
    history->count = 1 + (size_t)below(INTERVALS_MAX);
    for (size_t i = 0; i < history->count; i++) {
        bool last = i + 1 == history->count;
        int64_t until = at + 1 + below(30);
        struct nj_interval *interval = &history->intervals[i];
        *interval = make_interval(history->name, at, last && below(2) == 0 ? 0 : until,
                                  (enum nj_service_state)(1 + below(NJ_SERVICE_STATES - 1)),
                                  (enum nj_outage_cause)below(NJ_OUTAGE_CAUSES));
        (void)snprintf(history->details[i], sizeof(history->details[i]), "part %zu", i);
        interval->detail = history->details[i];
        interval->reference = below(3) == 0 ? "node/n1" : "";
        interval->min_ready = below(4);
        at = until + (below(8) == 0 ? below(10) : 0);
    }
}

static void write_outage(struct nj_buf *out, int64_t from_ns, int64_t until_ns, const char *cause,
                         const char *detail, const char *reference, bool planned, int32_t min_ready)
{
    (void)nj_buf_printf(out, "%" PRId64 "-%" PRId64 " %s '%s' '%s' %d %d\n", minutes_of(from_ns),
                        minutes_of(until_ns), cause, detail, reference, planned, min_ready);
}

static void on_outage(void *data, const struct nj_sla_outage *outage)
{
    write_outage(data, outage->from_ns, outage->until_ns, nj_outage_cause_name(outage->cause), outage->detail,
                 outage->reference, outage->planned, outage->min_ready);
}

static struct nj_sla_summary compute(const struct history *history, int64_t alive_ns, enum nj_sla_basis basis,
                                     int64_t from_ns, int64_t until_ns, struct nj_buf *out)
{
    struct nj_sla_summary summary;
    struct nj_sla_computing *computing =
        nj_sla_begin(basis, from_ns, until_ns, out == NULL ? NULL : on_outage, out);
    for (size_t i = 0; i < history->count; i++) {
        struct nj_interval interval = history->intervals[i];
        if (interval.until_ns == 0)
            interval.seen_ns = alive_ns;
        nj_sla_add(computing, &interval);
    }
    nj_sla_end(computing, &summary);
    return summary;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    return statement;
}

static const char *text_of(sqlite3_stmt *row, int column)
{
    return (const char *)sqlite3_column_text(row, column);
}

static void query_outages(sqlite3 *db, const char *name, const char *basis, struct nj_buf *out)
{
    sqlite3_stmt *query =
        prepare(db, "SELECT from_ns, until_ns, cause, detail, reference, planned, min_ready FROM "
                    "service_outage WHERE cluster = 'prod' AND kind = 'Service' AND namespace = 'shop' AND "
                    "name = ? AND basis = ? ORDER BY from_ns");
    assert_int_equal(SQLITE_OK, sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC));
    assert_int_equal(SQLITE_OK, sqlite3_bind_text(query, 2, basis, -1, SQLITE_STATIC));
    while (sqlite3_step(query) == SQLITE_ROW)
        write_outage(out, sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1), text_of(query, 2),
                     text_of(query, 3), text_of(query, 4), sqlite3_column_int(query, 5) != 0,
                     sqlite3_column_int(query, 6));
    assert_int_equal(SQLITE_OK, sqlite3_finalize(query));
}

/* The README's query. */
static struct nj_sla_summary query_times(sqlite3 *db, const char *name, bool serving, int64_t from_ns,
                                         int64_t until_ns)
{
    sqlite3_stmt *query =
        prepare(db, serving ? "SELECT sum(part * is_observed), sum(part * is_serving), "
                              "sum(part * (is_observed AND NOT is_serving AND is_planned)) FROM "
                              "(SELECT *, min(until_ns, ?3) - max(from_ns, ?2) AS part FROM service_interval "
                              "WHERE kind = 'Service' AND namespace = 'shop' AND name = ?1 AND "
                              "from_ns < ?3 AND until_ns > ?2)"
                            : "SELECT sum(part * is_observed), sum(part * is_available), "
                              "sum(part * (is_observed AND NOT is_available AND is_planned)) FROM "
                              "(SELECT *, min(until_ns, ?3) - max(from_ns, ?2) AS part FROM service_interval "
                              "WHERE kind = 'Service' AND namespace = 'shop' AND name = ?1 AND "
                              "from_ns < ?3 AND until_ns > ?2)");
    assert_int_equal(SQLITE_OK, sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC));
    assert_int_equal(SQLITE_OK, sqlite3_bind_int64(query, 2, from_ns));
    assert_int_equal(SQLITE_OK, sqlite3_bind_int64(query, 3, until_ns));
    assert_int_equal(SQLITE_ROW, sqlite3_step(query));
    struct nj_sla_summary summary = {.observed_ns = sqlite3_column_int64(query, 0),
                                     .available_ns = sqlite3_column_int64(query, 1),
                                     .planned_ns = sqlite3_column_int64(query, 2)};
    assert_int_equal(SQLITE_OK, sqlite3_finalize(query));
    return summary;
}

static void test_sql_gives_the_same_outages_and_availability(void **state)
{
    static const char *const bases[] = {[NJ_SLA_READY] = "ready", [NJ_SLA_SERVING] = "serving"};
    struct fixture *fixture = *state;
    struct history *histories = nj_calloc(HISTORIES, sizeof(*histories));
    int64_t alive_ns = noon_ns + 10000 * NJ_MIN;
    size_t outages = 0;
    srand(17);
    begin(fixture);
    for (int i = 0; i < HISTORIES; i++) {
        make_history(&histories[i], i);
        for (size_t k = 0; k < histories[i].count; k++)
            must(fixture, fixture->store->ops->put_interval(fixture->store, "Service",
                                                            &histories[i].intervals[k], &fixture->err));
    }
    must(fixture, fixture->store->ops->put_alive(fixture->store, "prod", alive_ns, &fixture->err));
    commit(fixture);
    sqlite3 *db;
    assert_int_equal(SQLITE_OK, sqlite3_open(fixture->folder.database, &db));
    for (int i = 0; i < HISTORIES; i++) {
        for (enum nj_sla_basis basis = NJ_SLA_READY; basis <= NJ_SLA_SERVING; basis++) {
            struct nj_buf computed = {0}, queried = {0};
            int64_t from_ns = noon_ns + below(300) * NJ_MIN;
            int64_t until_ns = from_ns + (1 + below(600)) * NJ_MIN;
            outages += compute(&histories[i], alive_ns, basis, 1, INT64_MAX, &computed).outages;
            query_outages(db, histories[i].name, bases[basis], &queried);
            assert_string_equal(nj_buf_str(&computed), nj_buf_str(&queried));
            struct nj_sla_summary a = compute(&histories[i], alive_ns, basis, from_ns, until_ns, NULL);
            struct nj_sla_summary b =
                query_times(db, histories[i].name, basis == NJ_SLA_SERVING, from_ns, until_ns);
            assert_true(a.observed_ns == b.observed_ns && a.available_ns == b.available_ns &&
                        a.planned_ns == b.planned_ns);
            nj_buf_done(&computed);
            nj_buf_done(&queried);
        }
    }
    assert_true(outages > HISTORIES);
    assert_int_equal(SQLITE_OK, sqlite3_close(db));
    free(histories);
}

static void test_an_outage_does_not_go_on_while_the_service_is_not_there(void **state)
{
    (void)state;
    struct history history = {.count = 2};
    struct nj_buf text = {0};
    history.intervals[0] = make_interval("web", 1, 3, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH);
    history.intervals[1] = make_interval("web", 60, 62, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_STARTING);
    struct nj_sla_summary summary = compute(&history, 0, NJ_SLA_READY, 1, INT64_MAX, &text);
    assert_string_equal("1-3 crash '' '' 0 0\n60-62 starting '' '' 0 0\n", nj_buf_str(&text));
    assert_true(summary.longest_ns == 2 * NJ_MIN);
    nj_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_intervals_come_by_name_and_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_interval_is_corrected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_two_that_last_the_earlier_ends_where_the_later_begins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_rollout_is_the_cause_of_all_that_came_of_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_restart_finds_what_lasted_and_until_when_it_is_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_old_intervals_and_rollouts_go_and_what_lasts_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rollouts_are_found_and_a_restart_knows_those_that_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sql_gives_the_same_outages_and_availability, setup, teardown),
        cmocka_unit_test(test_an_outage_does_not_go_on_while_the_service_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
