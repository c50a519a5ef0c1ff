/*
 * REST as its users see it: filters, pages, logs, notifications, agents, and what is said about bad requests.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/collector/api_support.h"

enum { TEXT_MAX = 160, TARGET_MAX = 512 };

/* ---- incidents */

/* Six incidents that differ in one thing each from the first; times a minute apart. */
static void put_six_incidents(struct api_setup *setup)
{
    static const char *const fingerprints[] = {"a", "b", "c", "d", "e", "f"};
    for (int i = 0; i < 6; i++) {
        struct nj_incident incident = make_incident(i + 1, fingerprints[i]);
        incident.last_ns = noon_ns - (5 - i) * NJ_MIN;
        switch (i) {
        case 1:
            incident.namespace = "bank";
            incident.cluster = "test";
            break;
        case 2:
            incident.workload = "checkout";
            incident.project = "";
            break;
        case 3:
            incident.kind = NJ_INCIDENT_IMAGE_PULL;
            incident.crash_id = "";
            break;
        case 4:
            incident.severity = NJ_SEVERITY_CRITICAL;
            incident.crash_loop = true;
            break;
        case 5:
            incident.state = NJ_INCIDENT_RESOLVED;
            incident.resolved_ns = noon_ns;
            incident.resolved_cause = "stable";
            incident.pod = "cart-6-q";
            break;
        default:
            break;
        }
        api_put_incident(setup, &incident);
    }
}

static void incidents_are_filtered_by_each_parameter(void **state)
{
    struct api_setup *setup = *state;
    static const struct {
        const char *query, *ids;
    } cases[] = {
        {"", "6 5 4 3 2 1 "},
        {"?cluster=prod", "6 5 4 3 1 "},
        {"?cluster=test", "2 "},
        {"?cluster=Prod", ""},
        {"?project=p-1", "6 5 4 2 1 "},
        {"?namespace=bank", "2 "},
        {"?namespace=ban", ""},
        {"?workload=checkout", "3 "},
        {"?pod=cart-6-q", "6 "},
        {"?kind=image_pull", "4 "},
        {"?kind=crash", "6 5 3 2 1 "},
        {"?state=open", "5 4 3 2 1 "},
        {"?state=resolved", "6 "},
        {"?severity=critical", "5 "},
        {"?severity=warning", "6 4 3 2 1 "},
        {"?severity=info", ""},
        {"?since=2m", "6 5 4 "},
        {"?since=0", "6 "},
        {"?until=4m", "2 1 "},
        {"?since=3m&until=2m", "4 3 "},
        {"?since=2026-11-21T08:58:00Z", "6 5 4 "},
        {"?since=2026-11-21T16:58:00%2B08:00", "6 5 4 "},
        {"?until=2026-11-21T08:56:00.000Z", "2 1 "},
        {"?state=open&namespace=shop&workload=cart&kind=crash&severity=warning", "1 "},
        {"?limit=2", "6 5 "},
        {"?cursor=3", "2 1 "},
        {"?cursor=1", ""},
        {"?namespace=&state=&limit=&since=", "6 5 4 3 2 1 "}, /* as a form sends what was left empty */
        {"?namespace=%27%20OR%201--", ""},
    };
    put_six_incidents(setup);
    api_open(setup);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[TARGET_MAX];
        (void)snprintf(target, sizeof(target), "/api/v1/incidents%s", cases[i].query);
        assert_list(setup, target, "id", cases[i].ids);
    }
}

static void one_incident_is_had_by_its_number(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    put_six_incidents(setup);
    setup->config.notify.public_url =
        (free(setup->config.notify.public_url), nj_strdup("https://nj.example/"));
    api_open(setup);
    get(setup, &reply, "/api/v1/incidents/5");
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "Content-Type: application/json"));
    assert_string_equal(field(reply.json, "id"), "5");
    assert_string_equal(field(reply.json, "fullName"), "prod.p-1.shop.cart");
    assert_string_equal(field(reply.json, "severity"), "critical");
    assert_string_equal(field(reply.json, "crashLoop"), "true");
    assert_string_equal(field(reply.json, "lastAt"), "2026-11-21T08:59:00.000Z");
    assert_string_equal(field(reply.json, "resolvedAt"), "");
    assert_string_equal(field(reply.json, "url"), "https://nj.example/incidents/5");
    reply_done(setup, &reply);
}

/* ---- crashes */

static void put_six_crashes(struct api_setup *setup)
{
    static const char *const ids[] = {"c1", "c2", "c3", "c4", "c5", "c6"};
    for (int i = 0; i < 6; i++) {
        struct nj_store_crash crash = make_crash(ids[i]);
        crash.at_ns = noon_ns - (5 - i) * NJ_MIN;
        crash.incident_id = i < 3 ? 7 : 0;
        if (i == 1)
            crash.subject.namespace = "bank";
        if (i == 2)
            crash.subject.container = "logger";
        if (i == 3)
            crash.crash.reason = "OOMKilled";
        if (i == 4)
            crash.subject.pod = "cart-7-r";
        if (i == 5)
            crash.subject.workload = "checkout";
        api_put_crash(setup, &crash);
    }
}

static void crashes_are_filtered_by_each_parameter(void **state)
{
    struct api_setup *setup = *state;
    static const struct {
        const char *query, *ids;
    } cases[] = {
        {"", "c6 c5 c4 c3 c2 c1 "},
        {"?cluster=prod&project=p-1", "c6 c5 c4 c3 c2 c1 "},
        {"?cluster=test", ""},
        {"?namespace=bank", "c2 "},
        {"?container=logger", "c3 "},
        {"?reason=OOMKilled", "c4 "},
        {"?pod=cart-7-r", "c5 "},
        {"?workload=checkout", "c6 "},
        {"?namespace=shop&workload=cart", "c5 c4 c3 c1 "},
        {"?incident=7", "c3 c2 c1 "},
        {"?incident=7&namespace=bank", "c2 "},
        {"?incident=8", ""},
        {"?since=1m", "c6 c5 "},
        {"?until=2026-11-21T08:55:00Z", "c1 "},
        {"?limit=1", "c6 "},
    };
    put_six_crashes(setup);
    api_open(setup);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char target[TARGET_MAX];
        (void)snprintf(target, sizeof(target), "/api/v1/crashes%s", cases[i].query);
        assert_list(setup, target, "id", cases[i].ids);
    }
}

static void one_crash_comes_with_its_log(void **state)
{
    struct api_setup *setup = *state;
    struct nj_store_crash crash = make_crash("c1");
    struct reply reply;
    static const char log[] = "<script>alert(1)</script> \"quoted\" \\ \x01 \xe5\xba\x93\n";
    crash.crash.log.text = log;
    crash.crash.log.len = sizeof(log) - 1;
    api_put_crash(setup, &crash);
    api_open(setup);
    get(setup, &reply, "/api/v1/crashes/c1");
    json_object *text = json_object_object_get(reply.json, "log");
    assert_string_equal(field(text, "text"), log);
    assert_string_equal(field(text, "source"), "file");
    assert_string_equal(field(reply.json, "exitCode"), "3");
    reply_done(setup, &reply);

    get(setup, &reply, "/api/v1/crashes");
    json_object *item = json_object_array_get_idx(json_object_object_get(reply.json, "items"), 0);
    assert_null(json_object_object_get(json_object_object_get(item, "log"), "text"));
    reply_done(setup, &reply);

    get(setup, &reply, "/api/v1/crashes/c1/log");
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "Content-Type: text/plain; charset=utf-8"));
    assert_true(reply_has(&reply, "X-Content-Type-Options: nosniff"));
    assert_true(
        reply_has(&reply, "Content-Disposition: inline; filename=\"shop_cart-5f7c9-x2k4p_app_2.log\""));
    assert_int_equal(reply.body_len, sizeof(log) - 1);
    assert_memory_equal(reply.body, log, sizeof(log) - 1);
    reply_done(setup, &reply);

    get(setup, &reply, "/api/v1/crashes/c1/log?download=1");
    assert_true(
        reply_has(&reply, "Content-Disposition: attachment; filename=\"shop_cart-5f7c9-x2k4p_app_2.log\""));
    assert_memory_equal(reply.body, log, sizeof(log) - 1);
    reply_done(setup, &reply);
}

static void a_hostile_name_stays_within_the_file_name(void **state)
{
    struct api_setup *setup = *state;
    struct nj_store_crash crash = make_crash("c1");
    struct reply reply;
    crash.subject.namespace = "..\"/x";
    crash.subject.pod = "p\r\nSet-Cookie: a=b";
    crash.subject.container = "\xe5\xba\x93; filename=evil";
    api_put_crash(setup, &crash);
    api_open(setup);
    get(setup, &reply, "/api/v1/crashes/c1/log");
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "Content-Disposition: inline; "
                                  "filename=\"..__x_p__Set-Cookie__a_b______filename_evil_2.log\""));
    assert_false(reply_has(&reply, "Set-Cookie: a=b"));
    reply_done(setup, &reply);
}

static void a_log_that_is_missing_is_explained_and_an_empty_one_is_empty(void **state)
{
    struct api_setup *setup = *state;
    struct nj_store_crash missing = make_crash("missing"), empty = make_crash("empty");
    struct reply reply;
    missing.crash.log = (struct nj_log_text){.text = "", .source = "", .missing = "the file was gone"};
    empty.crash.log = (struct nj_log_text){.text = "", .source = "file", .missing = ""};
    api_put_crash(setup, &missing);
    api_put_crash(setup, &empty);
    api_open(setup);
    assert_get_problem(setup, "/api/v1/crashes/missing/log", 404, "the file was gone");
    get(setup, &reply, "/api/v1/crashes/empty/log");
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_len, 0);
    reply_done(setup, &reply);
}

/* ---- pages */

/* Goes through all pages while new rows come; what was there at the start must be seen once each, in order,
 * and nothing that came later. */
static void walk(struct api_setup *setup, const char *path, const char *name, int limit,
                 void (*add)(struct api_setup *setup), const char *expected)
{
    struct nj_buf all = {0};
    char cursor[32] = "";
    int pages = 0;
    do {
        char target[TARGET_MAX];
        (void)snprintf(target, sizeof(target), "%s?limit=%d%s%s", path, limit,
                       cursor[0] == '\0' ? "" : "&cursor=", cursor);
        get_list(setup, target, name, &all, cursor);
        add(setup);
        pages++;
    } while (cursor[0] != '\0');
    assert_string_equal(nj_buf_str(&all), expected);
    assert_true(pages >= (limit == 1 ? 50 : 1));
    nj_buf_done(&all);
}

static void add_incident(struct api_setup *setup)
{
    char fingerprint[32];
    int64_t next = 0;
    api_begin(setup);
    sqlite3_randomness(sizeof(next), &next);
    (void)snprintf(fingerprint, sizeof(fingerprint), "f%lld", (long long)next);
    struct nj_incident incident = make_incident(1000 + setup->gate_runs++, fingerprint);
    assert_int_equal(setup->writer->ops->put_incident(setup->writer, &incident, NULL), 0);
    api_commit(setup);
}

static void add_crash(struct api_setup *setup)
{
    char id[32];
    (void)snprintf(id, sizeof(id), "new-%d", setup->gate_runs++);
    struct nj_store_crash crash = make_crash(id);
    api_put_crash(setup, &crash);
}

static void pages_have_no_gaps_and_no_repeats_while_rows_come(void **state)
{
    struct api_setup *setup = *state;
    static const int limits[] = {1, 7, 50, 51, 1000};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct nj_buf incidents = {0}, crashes = {0};
        void *fresh = NULL;
        if (i > 0) {
            assert_int_equal(api_setup(&fresh), 0);
            setup = fresh;
        }
        for (int id = 1; id <= 50; id++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "i%d", id);
            struct nj_incident incident = make_incident(id, text);
            api_put_incident(setup, &incident);
            struct nj_store_crash crash = make_crash(text);
            crash.at_ns = noon_ns + (id * 37 % 50) * NJ_SEC; /* what is told late comes first all the same */
            api_put_crash(setup, &crash);
        }
        for (int id = 50; id >= 1; id--) {
            (void)nj_buf_printf(&incidents, "%d ", id);
            (void)nj_buf_printf(&crashes, "i%d ", id);
        }
        api_open(setup);
        walk(setup, "/api/v1/incidents", "id", limits[i], add_incident, nj_buf_str(&incidents));
        walk(setup, "/api/v1/crashes", "id", limits[i], add_crash, nj_buf_str(&crashes));
        nj_buf_done(&incidents);
        nj_buf_done(&crashes);
        if (i > 0)
            assert_int_equal(api_teardown(&fresh), 0);
    }
}

static void a_filter_holds_on_every_page(void **state)
{
    struct api_setup *setup = *state;
    char cursor[32], target[TARGET_MAX];
    struct nj_buf first = {0};
    put_six_incidents(setup);
    api_open(setup);
    get_list(setup, "/api/v1/incidents?kind=crash&limit=2", "id", &first, cursor);
    assert_string_equal(nj_buf_str(&first), "6 5 ");
    assert_string_equal(cursor, "5");
    (void)snprintf(target, sizeof(target), "/api/v1/incidents?kind=crash&limit=2&cursor=%s", cursor);
    assert_list(setup, target, "id", "3 2 ");
    nj_buf_done(&first);
}

/* ---- what is refused */

static void a_bad_value_is_a_problem_that_names_the_parameter(void **state)
{
    struct api_setup *setup = *state;
    static const char *const numbers[] = {"0",   "-1",  "1x", "%20", "1.5", "0x10", "99999999999999999999",
                                          "%00", "1e3", "+1"};
    static const char *const times[] = {"yesterday",  "-2h",
                                        "2",          "2x",
                                        "2026-11-21", "2026-13-01T00:00:00Z",
                                        "1763712000", "2026-11-21T08:58:00+08:00" /* the + is a space */};
    char target[TARGET_MAX];
    static const char *const lists[] = {"/api/v1/incidents", "/api/v1/crashes"};
    api_open(setup);
    for (int list = 0; list < 2; list++) {
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            bool malformed = strcmp(numbers[i], "%00") == 0; /* refused by the server before */
            (void)snprintf(target, sizeof(target), "%s?limit=%s", lists[list], numbers[i]);
            assert_get_problem(setup, target, 400, malformed ? "NUL" : "limit: ");
            (void)snprintf(target, sizeof(target), "%s?cursor=%s", lists[list], numbers[i]);
            assert_get_problem(setup, target, 400, malformed ? "NUL" : "cursor: ");
        }
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
            (void)snprintf(target, sizeof(target), "%s?since=%s", lists[list], times[i]);
            assert_get_problem(setup, target, 400, "since: ");
            (void)snprintf(target, sizeof(target), "%s?until=%s", lists[list], times[i]);
            assert_get_problem(setup, target, 400, "until: ");
        }
        (void)snprintf(target, sizeof(target), "%s?limit=1001", lists[list]);
        assert_get_problem(setup, target, 400, "from 1 to 1000");
    }
    assert_get_problem(setup, "/api/v1/incidents?kind=crashes", 400, "kind: ");
    assert_get_problem(setup, "/api/v1/incidents?state=closed", 400, "state: ");
    assert_get_problem(setup, "/api/v1/incidents?severity=CRITICAL", 400, "severity: ");
    assert_get_problem(setup, "/api/v1/crashes?incident=seven", 400, "incident: ");
    assert_get_problem(setup, "/api/v1/crashes/x/log?download=yes", 400, "download: ");
    assert_get_problem(setup, "/api/v1/notifications?limit=0", 400, "limit: ");
    assert_get_problem(setup, "/api/v1/incidents/1/notifications?limit=0", 400, "limit: ");
}

static void an_unknown_parameter_or_one_given_twice_is_a_problem(void **state)
{
    struct api_setup *setup = *state;
    api_open(setup);
    assert_get_problem(setup, "/api/v1/incidents?namspace=shop", 400, "unknown query parameter 'namspace'");
    assert_get_problem(setup, "/api/v1/incidents?%22%3Cx%3E=1", 400, "'\"<x>'");
    assert_get_problem(setup, "/api/v1/incidents?container=app", 400, "'container'");
    assert_get_problem(setup, "/api/v1/agents?limit=1", 400, "'limit'");
    assert_get_problem(setup, "/api/v1/incidents/1?x", 400, "'x'");
    assert_get_problem(setup, "/api/v1/incidents?namespace=a&state=open&namespace=b", 400,
                       "namespace: given more than once");
    assert_get_problem(setup, "/api/v1/incidents?limit=5&limit=5", 400, "limit: given more than once");
}

static void what_is_not_there_is_not_found(void **state)
{
    struct api_setup *setup = *state;
    static const char *const numbers[] = {"0", "-1", "abc", "4711", "99999999999999999999", "1%2F2", "%00x"};
    char target[2 * NJ_API_ARGUMENT_MAX], long_id[NJ_API_ARGUMENT_MAX + 1];
    put_six_incidents(setup);
    api_open(setup);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bool malformed = strcmp(numbers[i], "%00x") == 0;
        (void)snprintf(target, sizeof(target), "/api/v1/incidents/%s", numbers[i]);
        assert_get_problem(setup, target, malformed ? 400 : 404, malformed ? "" : "there is no");
        (void)snprintf(target, sizeof(target), "/api/v1/incidents/%s/notifications", numbers[i]);
        assert_get_problem(setup, target, malformed ? 400 : 404, malformed ? "" : "there is no");
    }
    assert_get_problem(setup, "/api/v1/crashes/none", 404, "there is no crash 'none'");
    assert_get_problem(setup, "/api/v1/crashes/none/log", 404, "there is no crash 'none'");
    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    (void)snprintf(target, sizeof(target), "/api/v1/crashes/%s", long_id);
    assert_get_problem(setup, target, 404, "there is nothing at");
    assert_get_problem(setup, "/api/v2/incidents", 404, "/openapi.json");
    assert_get_problem(setup, "/api/v1/incidents/", 404, "there is nothing at");
    assert_get_problem(setup, "/api/v1/incidents/1/x", 404, "there is nothing at");
    assert_get_problem(setup, "//", 404, "there is nothing at");
    assert_get_problem(setup, "/../etc/passwd", 404, "there is nothing at");
    assert_get_problem(setup, "/favicon.ico", 404, "there is nothing at");
}

static void an_answer_that_is_too_large_says_so(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    put_six_incidents(setup);
    put_six_crashes(setup);
    setup->max_answer_bytes = 2048;
    api_open(setup);
    assert_get_problem(setup, "/api/v1/incidents", 400, "larger than 2048 bytes");
    assert_get_problem(setup, "/api/v1/crashes", 400, "limit");
    get(setup, &reply, "/api/v1/incidents?limit=1");
    assert_int_equal(reply.status, 200);
    reply_done(setup, &reply);
}

/* ---- notifications and agents */

static void add_notification(struct api_setup *setup, int64_t incident, const char *transition,
                             uint64_t occurrence, enum nj_notification_status status)
{
    struct nj_notification notification = {
        .incident_id = incident,
        .transition = transition,
        .occurrence = occurrence,
        .channel = "oncall",
        .group = "payments",
        .status = NJ_NOTIFICATION_PENDING,
        .created_ns = noon_ns,
        .next_ns = noon_ns + NJ_MIN,
    };
    int64_t id = 0;
    api_begin(setup);
    assert_int_equal(setup->writer->ops->add_notification(setup->writer, &notification, &id, NULL), 0);
    notification.id = id;
    notification.status = status;
    notification.done_ns =
        status == NJ_NOTIFICATION_PENDING || status == NJ_NOTIFICATION_SENDING ? 0 : noon_ns + NJ_SEC;
    notification.error = status == NJ_NOTIFICATION_FAILED ? "93000: the robot is gone" : "";
    assert_int_equal(setup->writer->ops->put_notification(setup->writer, &notification, NULL), 0);
    api_commit(setup);
}

static void notifications_tell_who_was_told(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    put_six_incidents(setup);
    add_notification(setup, 1, "opened", 1, NJ_NOTIFICATION_SENT);
    add_notification(setup, 1, "resolved", 4, NJ_NOTIFICATION_FAILED);
    add_notification(setup, 2, "opened", 1, NJ_NOTIFICATION_PENDING);
    add_notification(setup, 0, "digest", 3, NJ_NOTIFICATION_UNCERTAIN);
    api_open(setup);
    assert_list(setup, "/api/v1/incidents/1/notifications", "status", "failed sent ");
    assert_list(setup, "/api/v1/incidents/1/notifications?limit=1", "status", "failed ");
    assert_list(setup, "/api/v1/incidents/3/notifications", "status", "");
    assert_list(setup, "/api/v1/notifications", "status", "uncertain pending failed ");
    assert_list(setup, "/api/v1/notifications?limit=2", "transition", "digest opened ");
    get(setup, &reply, "/api/v1/notifications");
    json_object *items = json_object_object_get(reply.json, "items");
    assert_string_equal(field(json_object_array_get_idx(items, 1), "nextAt"), "2026-11-21T09:01:00.000Z");
    assert_string_equal(field(json_object_array_get_idx(items, 1), "doneAt"), "");
    assert_string_equal(field(json_object_array_get_idx(items, 2), "nextAt"), "");
    assert_string_equal(field(json_object_array_get_idx(items, 2), "error"), "93000: the robot is gone");
    assert_string_equal(field(reply.json, "nextCursor"), "");
    reply_done(setup, &reply);
}

static void put_agent(struct api_setup *setup, const char *node, int64_t last_heard_ns)
{
    const struct nj_store_agent agent = {
        .cluster = "prod",
        .node = node,
        .stream = node,
        .committed = UINT64_C(9007199254740993),
        .first_heard_ns = noon_ns - NJ_HOUR,
        .last_heard_ns = last_heard_ns,
        .status = {.version = "0.1.0", .started_ns = noon_ns - NJ_HOUR, .outbox_events = 3, .pods = 7},
    };
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_agent(setup->writer, &agent, NULL), 0);
    api_commit(setup);
}

static void agents_tell_when_they_fell_silent(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    setup->config.ingest.silent_after_ns = NJ_MIN;
    put_agent(setup, "node-2", noon_ns - 61 * NJ_SEC);
    put_agent(setup, "node-1", noon_ns - 60 * NJ_SEC);
    api_open(setup);
    assert_list(setup, "/api/v1/agents", "node", "node-1 node-2 ");
    assert_list(setup, "/api/v1/agents", "silent", "false true ");
    get(setup, &reply, "/api/v1/agents");
    json_object *agent = json_object_array_get_idx(json_object_object_get(reply.json, "items"), 0);
    assert_string_equal(field(agent, "outboxEvents"), "3");
    assert_string_equal(field(agent, "committed"), "9007199254740993");
    assert_string_equal(field(agent, "lastHeardAt"), "2026-11-21T08:59:00.000Z");
    reply_done(setup, &reply);
    setup->clock += 2 * NJ_SEC;
    assert_list(setup, "/api/v1/agents", "silent", "true true ");
}

static void a_damaged_row_is_the_servers_fault(void **state)
{
    struct api_setup *setup = *state;
    sqlite3 *db = NULL;
    put_six_incidents(setup);
    api_open(setup);
    assert_int_equal(sqlite3_open(setup->folder.database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE incident SET kind = 'nonsense' WHERE id = 3", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_get_problem(setup, "/api/v1/incidents/3", 500, "nonsense");
    assert_get_problem(setup, "/api/v1/incidents", 500, "nonsense");
    assert_list(setup, "/api/v1/incidents?cursor=3", "id", "2 1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(incidents_are_filtered_by_each_parameter),
        api_case(one_incident_is_had_by_its_number),
        api_case(crashes_are_filtered_by_each_parameter),
        api_case(one_crash_comes_with_its_log),
        api_case(a_hostile_name_stays_within_the_file_name),
        api_case(a_log_that_is_missing_is_explained_and_an_empty_one_is_empty),
        api_case(pages_have_no_gaps_and_no_repeats_while_rows_come),
        api_case(a_filter_holds_on_every_page),
        api_case(a_bad_value_is_a_problem_that_names_the_parameter),
        api_case(an_unknown_parameter_or_one_given_twice_is_a_problem),
        api_case(what_is_not_there_is_not_found),
        api_case(an_answer_that_is_too_large_says_so),
        api_case(notifications_tell_who_was_told),
        api_case(agents_tell_when_they_fell_silent),
        api_case(a_damaged_row_is_the_servers_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
