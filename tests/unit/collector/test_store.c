/*
 * The store as its users see it: what is put in comes out, also after a restart; filters, paging, retention;
 * a full disk; databases of other versions and of other programs.
 */
#include "collector/store/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/store/log_codec.h"
#include "collector/store/sqlite/internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/store_support.h"

enum { IDS = 64, TEXT = 80 };

static bool put_crash(struct fixture *fixture, const struct nj_store_crash *crash)
{
    bool is_new = false;
    if (fixture->store->ops->put_crash(fixture->store, crash, &is_new, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    return is_new;
}

static void put_incident(struct fixture *fixture, const struct nj_incident *incident)
{
    if (fixture->store->ops->put_incident(fixture->store, incident, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

/* Names of what an iteration gave, in its order: "3 2 1 ". */
struct list {
    struct nj_buf text;
    int count, stop_after;
};

static int list_crash(void *data, int64_t rowid, const struct nj_store_crash *crash)
{
    struct list *list = data;
    (void)rowid;
    (void)nj_buf_printf(&list->text, "%s ", crash->id);
    return ++list->count == list->stop_after ? 77 : 0;
}

static int list_incident(void *data, const struct nj_incident *incident)
{
    struct list *list = data;
    (void)nj_buf_printf(&list->text, "%d ", (int)incident->id);
    return ++list->count == list->stop_after ? 77 : 0;
}

static void assert_crashes(struct fixture *fixture, const struct nj_crash_filter *filter,
                           const char *expected)
{
    struct list list = {0};
    assert_int_equal(
        0, fixture->store->ops->each_crash(fixture->store, filter, list_crash, &list, &fixture->err));
    assert_string_equal(expected, nj_buf_str(&list.text));
    nj_buf_done(&list.text);
}

static void assert_incidents(struct fixture *fixture, const struct nj_incident_filter *filter,
                             const char *expected)
{
    struct list list = {0};
    assert_int_equal(
        0, fixture->store->ops->each_incident(fixture->store, filter, list_incident, &list, &fixture->err));
    assert_string_equal(expected, nj_buf_str(&list.text));
    nj_buf_done(&list.text);
}

/* Compares with what the callback is given. */
struct expectation {
    const struct nj_store_crash *crash;
    const struct nj_incident *incident;
    bool with_log;
    int calls;
};

static int check_crash(void *data, int64_t rowid, const struct nj_store_crash *got)
{
    struct expectation *expected = data;
    const struct nj_store_crash *want = expected->crash;
    expected->calls++;
    assert_true(rowid > 0);
    assert_string_equal(want->id, got->id);
    assert_string_equal(want->cluster, got->cluster);
    assert_string_equal(want->project, got->project);
    assert_int_equal(want->incident_id, got->incident_id);
    assert_int_equal(want->at_ns, got->at_ns);
    assert_int_equal(want->seen_ns, got->seen_ns);
    assert_int_equal(want->stored_ns, got->stored_ns);
    assert_string_equal(want->subject.namespace, got->subject.namespace);
    assert_string_equal(want->subject.pod, got->subject.pod);
    assert_string_equal(want->subject.pod_uid, got->subject.pod_uid);
    assert_string_equal(want->subject.node, got->subject.node);
    assert_string_equal(want->subject.workload_kind, got->subject.workload_kind);
    assert_string_equal(want->subject.workload, got->subject.workload);
    assert_string_equal(want->subject.container, got->subject.container);
    assert_string_equal(want->crash.container_id, got->crash.container_id);
    assert_string_equal(want->crash.container_type, got->crash.container_type);
    assert_string_equal(want->crash.image, got->crash.image);
    assert_string_equal(want->crash.reason, got->crash.reason);
    assert_string_equal(want->crash.message, got->crash.message);
    assert_int_equal(want->crash.exit_code, got->crash.exit_code);
    assert_int_equal(want->crash.signal, got->crash.signal);
    assert_int_equal(want->crash.attempt, got->crash.attempt);
    assert_int_equal(want->crash.restart_count, got->crash.restart_count);
    assert_int_equal(want->crash.started_ns, got->crash.started_ns);
    assert_int_equal(want->crash.finished_ns, got->crash.finished_ns);
    assert_int_equal(want->crash.memory_limit_bytes, got->crash.memory_limit_bytes);
    assert_int_equal(want->crash.cpu_limit_millis, got->crash.cpu_limit_millis);
    assert_int_equal(want->crash.log.len, got->crash.log.len);
    assert_int_equal(want->crash.log.lines, got->crash.log.lines);
    assert_int_equal(want->crash.log.cut, got->crash.log.cut);
    assert_string_equal(want->crash.log.source, got->crash.log.source);
    assert_string_equal(want->crash.log.missing, got->crash.log.missing);
    assert_memory_equal(expected->with_log ? want->crash.log.text : "", got->crash.log.text,
                        expected->with_log ? want->crash.log.len : 0);
    return 0;
}

static void assert_crash(struct fixture *fixture, const struct nj_store_crash *crash, bool with_log)
{
    struct expectation expected = {.crash = crash, .with_log = with_log};
    assert_int_equal(0, fixture->store->ops->get_crash(fixture->store, crash->id, with_log, check_crash,
                                                       &expected, &fixture->err));
    assert_int_equal(1, expected.calls);
}

static void assert_same_incident(const struct nj_incident *want, const struct nj_incident *got)
{
    struct nj_buf a = {0}, b = {0};
    assert_string_equal(want->template_hash == NULL ? "" : want->template_hash, got->template_hash);
    assert_true(want->objective >= got->objective && want->objective <= got->objective);
    assert_true(want->budget_left >= got->budget_left && want->budget_left <= got->budget_left);
    assert_int_equal(0, nj_incident_json(want, "", &a));
    assert_int_equal(0, nj_incident_json(got, "", &b));
    assert_string_equal(nj_buf_str(&a), nj_buf_str(&b));
    nj_buf_done(&a);
    nj_buf_done(&b);
}

static int check_incident(void *data, const struct nj_incident *got)
{
    struct expectation *expected = data;
    expected->calls++;
    assert_same_incident(expected->incident, got);
    return 0;
}

static void assert_incident(struct fixture *fixture, const struct nj_incident *incident)
{
    struct expectation expected = {.incident = incident};
    assert_int_equal(0, fixture->store->ops->get_incident(fixture->store, incident->id, check_incident,
                                                          &expected, &fixture->err));
    assert_int_equal(1, expected.calls);
}

static void a_crash_comes_back_as_it_was_put_with_its_log(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash crash = make_crash("crash-1");
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    reopen(fixture);
    assert_crash(fixture, &crash, true);
    assert_crash(fixture, &crash, false);
    bool known = false;
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, "crash-1", &known, NULL));
    assert_true(known);
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, "crash-2", &known, NULL));
    assert_false(known);
    struct expectation none = {0};
    assert_int_equal(-ENOENT, fixture->store->ops->get_crash(fixture->store, "crash-2", true, check_crash,
                                                             &none, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "crash-2"));
}

static void asking_for_a_crash_makes_none_twice(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash one = make_crash("crash-1");
    struct nj_store_crash two = make_crash("crash-2");
    bool known = true;
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, one.id, &known, NULL));
    assert_false(known);
    assert_true(put_crash(fixture, &one));
    assert_false(put_crash(fixture, &one));
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, two.id, &known, NULL));
    assert_false(known);
    assert_false(put_crash(fixture, &one));
    commit(fixture);
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, two.id, &known, NULL));
    assert_true(put_crash(fixture, &two));
    fixture->store->ops->rollback(fixture->store);
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->has_crash(fixture->store, two.id, &known, NULL));
    assert_false(known);
    assert_true(put_crash(fixture, &two));
    assert_false(put_crash(fixture, &two));
    commit(fixture);
    assert_crash(fixture, &two, true);
}

static void a_long_log_takes_little_room_and_comes_back_whole(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf log = {0};
    for (int i = 0; i < 20000; i++)
        (void)nj_buf_printf(&log, "%d: connection refused, trying again\n", i);
    struct nj_store_crash crash = make_crash("long");
    crash.crash.log = (struct nj_log_text){
        .text = log.data, .len = log.len, .lines = 20000, .cut = true, .source = "api", .missing = ""};
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    assert_crash(fixture, &crash, true);
    int64_t bytes = 0;
    assert_int_equal(0, fixture->store->ops->size(fixture->store, &bytes, NULL));
    assert_true(bytes < (int64_t)log.len);
    nj_buf_done(&log);
}

static void a_correction_changes_the_record_and_keeps_log_and_link(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash crash = make_crash("crash-1");
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    assert_int_equal(0, fixture->store->ops->link_crash(fixture->store, "crash-1", 7, NULL));
    struct nj_store_crash correction = crash;
    correction.crash.reason = "OOMKilled";
    correction.crash.exit_code = 137;
    correction.stored_ns += NJ_SEC;
    correction.crash.log = (struct nj_log_text){.text = "", .missing = "already gone", .source = ""};
    assert_false(put_crash(fixture, &correction));
    commit(fixture);

    struct nj_store_crash expected = crash;
    expected.crash.reason = "OOMKilled";
    expected.crash.exit_code = 137;
    expected.incident_id = 7;
    assert_crash(fixture, &expected, true);

    /* One with a log replaces it. */
    correction.crash.log =
        (struct nj_log_text){.text = "better\n", .len = 7, .lines = 1, .source = "api", .missing = ""};
    begin(fixture);
    assert_false(put_crash(fixture, &correction));
    commit(fixture);
    expected.crash.log = correction.crash.log;
    assert_crash(fixture, &expected, true);
}

static void a_crash_without_a_log_says_why(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash crash = make_crash("crash-1");
    crash.crash.log = (struct nj_log_text){.text = "", .source = "", .missing = "the node was gone"};
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    assert_crash(fixture, &crash, true);
}

static bool tidy(struct fixture *fixture, int limit)
{
    bool more = false;
    begin(fixture);
    if (limit > 0)
        assert_int_equal(0, fixture->store->ops->tidy(fixture->store, limit, &more, &fixture->err));
    commit(fixture);
    return more;
}

static void assert_every_filter(struct fixture *fixture)
{
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 4}, "9 8 7 6 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 4, .before_rowid = 6}, "5 4 3 2 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 4, .before_rowid = 2}, "1 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .incident_id = 2}, "8 5 2 ");
    assert_crashes(fixture,
                   &(struct nj_crash_filter){
                       .limit = 9, .since_ns = noon_ns + 3 * NJ_SEC, .until_ns = noon_ns + 5 * NJ_SEC},
                   "5 4 3 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .cluster = "test"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .project = "p-2"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .namespace = "bank"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .workload = "ledger"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .pod = "ledger-0"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .container = "db"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .reason = "OOMKilled"}, "4 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .namespace = "shop", .workload = "ledger"},
                   "");
    struct nj_store_crash crash = make_crash("5");
    crash.at_ns = noon_ns + 5 * NJ_SEC;
    crash.incident_id = 2;
    assert_crash(fixture, &crash, true);
}

static void crashes_are_found_by_every_filter_and_paged_newest_first(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (int i = 1; i <= 9; i++) {
        char id[IDS];
        (void)snprintf(id, sizeof(id), "%d", i);
        struct nj_store_crash crash = make_crash(id);
        crash.at_ns = noon_ns + i * NJ_SEC;
        crash.incident_id = i % 3;
        if (i == 4) {
            crash.cluster = "test";
            crash.project = "p-2";
            crash.subject.namespace = "bank";
            crash.subject.workload = "ledger";
            crash.subject.pod = "ledger-0";
            crash.subject.container = "db";
            crash.crash.reason = "OOMKilled";
        }
        assert_true(put_crash(fixture, &crash));
    }
    commit(fixture);
    /* Whether they are in the indexes yet or not is nobody's concern. */
    static const int tidied[] = {0, 4, 1, 9};
    for (size_t i = 0; i < sizeof(tidied) / sizeof(tidied[0]); i++) {
        tidy(fixture, tidied[i]);
        assert_every_filter(fixture);
    }

    struct list list = {.stop_after = 2};
    const struct nj_crash_filter all = {.limit = 9};
    assert_int_equal(77, fixture->store->ops->each_crash(fixture->store, &all, list_crash, &list, NULL));
    assert_string_equal("9 8 ", nj_buf_str(&list.text));
    nj_buf_done(&list.text);
    const struct nj_crash_filter none = {.limit = 0}, many = {.limit = NJ_STORE_LIMIT_MAX + 1};
    assert_int_equal(-EINVAL,
                     fixture->store->ops->each_crash(fixture->store, &none, list_crash, &list, NULL));
    assert_int_equal(-EINVAL,
                     fixture->store->ops->each_crash(fixture->store, &many, list_crash, &list, NULL));
}

static void a_crash_is_known_and_corrected_whether_it_is_indexed_or_not(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 1; i <= 6; i++) {
        char id[IDS];
        (void)snprintf(id, sizeof(id), "%d", i);
        struct nj_store_crash crash = make_crash(id);
        begin(fixture);
        assert_true(put_crash(fixture, &crash));
        commit(fixture);
    }
    assert_true(tidy(fixture, 3));
    reopen(fixture);
    struct nj_store *reader = open_reader(&fixture->folder);
    for (int i = 1; i <= 6; i++) {
        char id[IDS];
        (void)snprintf(id, sizeof(id), "%d", i);
        struct nj_store_crash crash = make_crash(id);
        crash.subject.workload = "basket";
        begin(fixture);
        assert_false(put_crash(fixture, &crash));
        assert_int_equal(0, fixture->store->ops->link_crash(fixture->store, id, i, NULL));
        commit(fixture);
        crash.incident_id = i;
        assert_crash(fixture, &crash, true);
        struct expectation expected = {.crash = &crash, .with_log = true};
        assert_int_equal(0, reader->ops->get_crash(reader, id, true, check_crash, &expected, NULL));
        id[1] = ' ';
        id[2] = '\0';
        assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .incident_id = i}, id);
    }
    reader->ops->close(reader);
    assert_false(tidy(fixture, 9));
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .namespace = "shop", .workload = "basket"},
                   "6 5 4 3 2 1 ");
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9, .namespace = "shop", .workload = "cart"},
                   "");
    assert_int_equal(-ENOENT, fixture->store->ops->link_crash(fixture->store, "7", 1, NULL));
}

static void what_is_rolled_back_is_new_again_also_when_it_was_indexed(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash first = make_crash("first"), second = make_crash("second");
    begin(fixture);
    assert_true(put_crash(fixture, &first));
    commit(fixture);
    begin(fixture);
    assert_true(put_crash(fixture, &second));
    bool more;
    assert_int_equal(0, fixture->store->ops->tidy(fixture->store, 9, &more, NULL));
    fixture->store->ops->rollback(fixture->store);
    begin(fixture);
    assert_false(put_crash(fixture, &first));
    assert_true(put_crash(fixture, &second));
    commit(fixture);
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9}, "second first ");
}

static void very_many_crashes_at_once_are_indexed_by_themselves(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (int i = 0; i < NJ_CRASH_TAIL_MAX; i++) {
        char id[IDS];
        (void)snprintf(id, sizeof(id), "%d", i);
        struct nj_store_crash crash = make_crash(id);
        crash.crash.log.len = 0;
        assert_true(put_crash(fixture, &crash));
    }
    commit(fixture);
    assert_false(tidy(fixture, 1));
    struct nj_store_crash again = make_crash("4711");
    begin(fixture);
    assert_false(put_crash(fixture, &again));
    commit(fixture);
}

static void crashes_too_old_to_be_indexed_are_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash crash = make_crash("crash-1");
    const struct nj_retention day = {
        .crashes_ns = NJ_DAY, .logs_ns = NJ_DAY, .incidents_ns = NJ_DAY, .agents_ns = NJ_DAY};
    bool more = true;
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    assert_int_equal(0,
                     fixture->store->ops->prune(fixture->store, &day, noon_ns + 2 * NJ_DAY, 9, &more, NULL));
    commit(fixture);
    assert_false(more);
    struct nj_store_crash other = make_crash("crash-2");
    begin(fixture);
    assert_true(put_crash(fixture, &other));
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    assert_false(tidy(fixture, 9));
    assert_crash(fixture, &crash, true);
    assert_crash(fixture, &other, true);
}

static void an_incident_comes_back_as_it_was_put_last(void **state)
{
    struct fixture *fixture = *state;
    struct nj_incident incident = make_incident(1, "aa");
    begin(fixture);
    put_incident(fixture, &incident);
    incident.kind = NJ_INCIDENT_UNSCHEDULABLE;
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.state = NJ_INCIDENT_RESOLVED;
    incident.revision = 12;
    incident.exit_code = -1;
    incident.signal = 9;
    incident.crash_loop = true;
    incident.count = 40;
    incident.lost = 3;
    incident.resolved_ns = noon_ns + NJ_HOUR;
    incident.resolved_cause = "stable";
    incident.suppressed = "rollout";
    put_incident(fixture, &incident);
    struct nj_incident probe = make_incident(2, "bb");
    probe.kind = NJ_INCIDENT_PROBE;
    probe.group = "payments";
    probe.monitor = "apimonitor.shop.cart";
    probe.step = "login";
    probe.cause = "status";
    probe.expected = "status 200-299";
    probe.got = "503";
    probe.body = "out of memory";
    probe.status = 503;
    probe.targets_failing = 2;
    probe.targets_total = 3;
    put_incident(fixture, &probe);
    struct nj_incident leak = make_incident(3, "cc");
    leak.kind = NJ_INCIDENT_LEAK;
    leak.detail = "CLOSE_WAIT";
    leak.process = "java";
    leak.pid = 4711;
    leak.value = 3120;
    leak.at_most = 4096;
    leak.per_hour = 0.25;
    leak.reaches_ns = noon_ns + NJ_DAY;
    leak.evictions = 3;
    put_incident(fixture, &leak);
    struct nj_incident rollout = make_incident(4, "dd");
    rollout.kind = NJ_INCIDENT_ROLLOUT_FAILED;
    rollout.rollout = "3";
    rollout.rollout_from = "2";
    rollout.template_hash = "7d4f9";
    rollout.image_from = "c=registry/web:1";
    rollout.difference = "containers[c].image: registry/web:1 -> registry/web:2";
    rollout.services_down = "web, api";
    rollout.outage_ns = 90 * NJ_SEC;
    rollout.objective = 99.9;
    rollout.budget_left = -0.5;
    put_incident(fixture, &rollout);
    commit(fixture);
    reopen(fixture);
    assert_incident(fixture, &incident);
    assert_incident(fixture, &probe);
    assert_incident(fixture, &leak);
    assert_incident(fixture, &rollout);
    struct expectation none = {0};
    assert_int_equal(-ENOENT,
                     fixture->store->ops->get_incident(fixture->store, 5, check_incident, &none, NULL));
}

static void incidents_are_found_by_every_filter_and_paged_newest_first(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (int i = 1; i <= 9; i++) {
        char fingerprint[IDS];
        (void)snprintf(fingerprint, sizeof(fingerprint), "%d", i);
        struct nj_incident incident = make_incident(i, fingerprint);
        incident.last_ns = noon_ns + i * NJ_SEC;
        incident.state = i % 3 == 0 ? NJ_INCIDENT_RESOLVED : NJ_INCIDENT_OPEN;
        if (i == 4) {
            incident.cluster = "test";
            incident.project = "p-2";
            incident.namespace = "bank";
            incident.workload = "ledger";
            incident.pod = "ledger-0";
            incident.kind = NJ_INCIDENT_IMAGE_PULL;
            incident.severity = NJ_SEVERITY_CRITICAL;
        }
        put_incident(fixture, &incident);
    }
    commit(fixture);
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 4}, "9 8 7 6 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 4, .before_id = 6}, "5 4 3 2 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .state = "open"}, "8 7 5 4 2 1 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .state = "resolved"}, "9 6 3 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .state = "what"}, "");
    assert_incidents(fixture,
                     &(struct nj_incident_filter){
                         .limit = 9, .since_ns = noon_ns + 3 * NJ_SEC, .until_ns = noon_ns + 5 * NJ_SEC},
                     "5 4 3 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .cluster = "test"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .project = "p-2"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .namespace = "bank"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .workload = "ledger"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .pod = "ledger-0"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .kind = "image_pull"}, "4 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9, .severity = "critical"}, "4 ");
    assert_incidents(
        fixture, &(struct nj_incident_filter){.limit = 9, .severity = "critical", .state = "resolved"}, "");
}

static void two_open_incidents_of_one_fingerprint_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct nj_incident first = make_incident(1, "same"), second = make_incident(2, "same");
    begin(fixture);
    put_incident(fixture, &first);
    assert_int_equal(-EINVAL, fixture->store->ops->put_incident(fixture->store, &second, &fixture->err));
    /* A failed write fails the whole transaction. */
    assert_int_equal(-EINVAL, fixture->store->ops->commit(fixture->store, &fixture->err));
    fixture->store->ops->rollback(fixture->store);
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9}, "");

    first.state = NJ_INCIDENT_RESOLVED;
    begin(fixture);
    put_incident(fixture, &first);
    put_incident(fixture, &second);
    commit(fixture);
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9}, "2 1 ");
}

static void on_open(void *data, const struct nj_incident *incident)
{
    (void)nj_buf_printf(data, "%d{", (int)incident->id);
}

static void on_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject)
{
    (void)nj_buf_printf(data, "%d:%s/%s %s %d,", (int)incident_id, subject->pod_uid, subject->container,
                        subject->pod, (int)(subject->since_ns / NJ_SEC));
}

static int on_each_subject(void *data, const struct nj_incident_subject *subject)
{
    (void)nj_buf_printf(data, "%s ", subject->pod_uid);
    return 0;
}

static void put_subject(struct fixture *fixture, int64_t incident, const char *uid, int since, bool present)
{
    const struct nj_incident_subject subject = {
        .pod_uid = uid, .container = "app", .pod = "web-0", .since_ns = since * NJ_SEC};
    assert_int_equal(
        0, fixture->store->ops->put_subject(fixture->store, incident, &subject, present, &fixture->err));
}

static void the_open_incidents_load_with_what_is_in_trouble(void **state)
{
    struct fixture *fixture = *state;
    struct nj_incident older = make_incident(3, "older"), newer = make_incident(2, "newer"),
                       over = make_incident(8, "over");
    newer.last_ns += NJ_SEC;
    over.state = NJ_INCIDENT_RESOLVED;
    begin(fixture);
    put_incident(fixture, &newer);
    put_incident(fixture, &older);
    put_incident(fixture, &over);
    put_subject(fixture, 3, "b", 20, true);
    put_subject(fixture, 3, "a", 10, true);
    put_subject(fixture, 3, "a", 30, true);
    put_subject(fixture, 3, "c", 40, true);
    put_subject(fixture, 3, "c", 40, false);
    commit(fixture);
    reopen(fixture);
    struct nj_buf got = {0};
    int64_t next = 0;
    assert_int_equal(0,
                     fixture->store->ops->load_open(fixture->store, &next, on_open, on_subject, &got, NULL));
    assert_string_equal("3{3:b/app web-0 20,3:a/app web-0 30,2{", nj_buf_str(&got));
    assert_int_equal(9, next);
    nj_buf_clear(&got);
    assert_int_equal(0, fixture->store->ops->each_subject(fixture->store, 3, 9, on_each_subject, &got, NULL));
    assert_string_equal("b a ", nj_buf_str(&got));
    nj_buf_done(&got);
}

static void an_incidents_number_is_never_used_again(void **state)
{
    struct fixture *fixture = *state;
    int64_t next = 0;
    struct nj_buf got = {0};
    assert_int_equal(0,
                     fixture->store->ops->load_open(fixture->store, &next, on_open, on_subject, &got, NULL));
    assert_int_equal(1, next);
    struct nj_incident incident = make_incident(1, "aa");
    incident.state = NJ_INCIDENT_RESOLVED;
    incident.resolved_ns = noon_ns;
    begin(fixture);
    put_incident(fixture, &incident);
    commit(fixture);
    const struct nj_retention short_one = {.crashes_ns = 1, .logs_ns = 1, .incidents_ns = 1, .agents_ns = 1};
    bool more = true;
    begin(fixture);
    assert_int_equal(
        0, fixture->store->ops->prune(fixture->store, &short_one, noon_ns + NJ_DAY, 100, &more, NULL));
    commit(fixture);
    assert_false(more);
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 9}, "");
    reopen(fixture);
    assert_int_equal(0,
                     fixture->store->ops->load_open(fixture->store, &next, on_open, on_subject, &got, NULL));
    assert_int_equal(2, next);
    nj_buf_done(&got);
}

static struct nj_notification make_notification(int64_t incident, const char *transition, const char *channel)
{
    return (struct nj_notification){.incident_id = incident,
                                    .transition = transition,
                                    .occurrence = 4,
                                    .channel = channel,
                                    .group = "shop people",
                                    .mentions = "li,wang",
                                    .status = NJ_NOTIFICATION_PENDING,
                                    .created_ns = noon_ns,
                                    .next_ns = noon_ns + incident,
                                    .error = ""};
}

static int64_t add_notification(struct fixture *fixture, const struct nj_notification *notification)
{
    int64_t id = 0;
    if (fixture->store->ops->add_notification(fixture->store, notification, &id, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    return id;
}

static int on_notification(void *data, const struct nj_notification *notification)
{
    (void)nj_buf_printf(data, "%d %s %s %d %s %s %s %d %d %s;", (int)notification->incident_id,
                        notification->transition, notification->channel, (int)notification->occurrence,
                        notification->group, notification->mentions,
                        nj_notification_status_name(notification->status), notification->attempts,
                        notification->parts_done, notification->error);
    return 0;
}

static int on_notification_number(void *data, const struct nj_notification *notification)
{
    (void)nj_buf_printf(data, "%d ", (int)notification->id);
    return 0;
}

static void a_transition_is_planned_once_for_a_channel(void **state)
{
    struct fixture *fixture = *state;
    struct nj_notification opened = make_notification(1, "opened", "robot");
    begin(fixture);
    int64_t id = add_notification(fixture, &opened);
    assert_true(id > 0);
    int64_t again = 0;
    assert_int_equal(-EEXIST, fixture->store->ops->add_notification(fixture->store, &opened, &again, NULL));
    struct nj_notification other = make_notification(1, "opened", "app");
    assert_true(add_notification(fixture, &other) > id);
    other = make_notification(1, "resolved", "robot");
    assert_true(add_notification(fixture, &other) > id);
    other = opened;
    other.occurrence = 5;
    assert_true(add_notification(fixture, &other) > id);
    /* The refusal failed nothing. */
    commit(fixture);
}

static void notifications_keep_their_state_and_are_found_when_their_time_comes(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (int i = 1; i <= 4; i++) {
        struct nj_notification one = make_notification(i, "opened", "robot");
        assert_int_equal(i, add_notification(fixture, &one));
    }
    struct nj_notification other = make_notification(5, "opened", "app");
    assert_int_equal(5, add_notification(fixture, &other));
    struct nj_notification changed = make_notification(2, "opened", "robot");
    changed.id = 2;
    changed.status = NJ_NOTIFICATION_FAILED;
    changed.attempts = 4;
    changed.parts_done = 1;
    changed.error = "the robot is gone";
    assert_int_equal(0, fixture->store->ops->put_notification(fixture->store, &changed, NULL));
    changed.id = 1;
    changed.status = NJ_NOTIFICATION_SENT;
    assert_int_equal(0, fixture->store->ops->put_notification(fixture->store, &changed, NULL));
    changed.id = 99;
    assert_int_equal(-ENOENT, fixture->store->ops->put_notification(fixture->store, &changed, NULL));
    commit(fixture);
    reopen(fixture);

    const struct nj_store_ops *ops = fixture->store->ops;
    struct nj_buf got = {0};
    assert_int_equal(0, ops->each_notification(fixture->store, "robot", NJ_NOTIFICATION_PENDING, INT64_MAX, 9,
                                               on_notification_number, &got, NULL));
    assert_string_equal("3 4 ", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, ops->each_notification(fixture->store, "robot", NJ_NOTIFICATION_PENDING, noon_ns + 3,
                                               9, on_notification_number, &got, NULL));
    assert_string_equal("3 ", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, ops->each_notification(fixture->store, "robot", NJ_NOTIFICATION_FAILED, INT64_MAX, 9,
                                               on_notification, &got, NULL));
    assert_string_equal("2 opened robot 4 shop people li,wang failed 4 1 the robot is gone;",
                        nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, ops->each_notification_of(fixture->store, 0, 9, on_notification_number, &got, NULL));
    assert_string_equal("5 4 3 2 ", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, ops->each_notification_of(fixture->store, 1, 9, on_notification_number, &got, NULL));
    assert_string_equal("1 ", nj_buf_str(&got));
    nj_buf_done(&got);
}

static int on_sent(void *data, int64_t at_ns)
{
    (void)nj_buf_printf(data, "%d ", (int)((at_ns - noon_ns) / NJ_SEC));
    return 0;
}

static void the_times_of_sending_are_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    for (int i = 5; i > 0; i--)
        assert_int_equal(0,
                         fixture->store->ops->add_sent(fixture->store, "robot", noon_ns + i * NJ_SEC, NULL));
    assert_int_equal(0, fixture->store->ops->add_sent(fixture->store, "app", noon_ns + 9 * NJ_SEC, NULL));
    commit(fixture);
    reopen(fixture);
    struct nj_buf got = {0};
    assert_int_equal(0, fixture->store->ops->each_sent(fixture->store, "robot", noon_ns + 3 * NJ_SEC, on_sent,
                                                       &got, NULL));
    assert_string_equal("3 4 5 ", nj_buf_str(&got));
    nj_buf_done(&got);
}

static void a_fact_is_new_once(void **state)
{
    struct fixture *fixture = *state;
    bool is_new = false;
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "lost-1", noon_ns, &is_new, NULL));
    assert_true(is_new);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "lost-1", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
    reopen(fixture);
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "lost-1", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
}

static int on_agent(void *data, const struct nj_store_agent *agent)
{
    (void)nj_buf_printf(data, "%s/%s/%s %d;", agent->cluster, agent->node, agent->stream,
                        (int)agent->committed);
    return 0;
}

static void put_agent(struct fixture *fixture, const char *node, const char *stream, int committed,
                      int64_t heard_ns)
{
    const struct nj_store_agent agent = {.cluster = "prod",
                                         .node = node,
                                         .stream = stream,
                                         .committed = (uint64_t)committed,
                                         .request = UINT64_MAX,
                                         .first_heard_ns = noon_ns,
                                         .last_heard_ns = heard_ns,
                                         .status = {.version = "0.1.0",
                                                    .started_ns = 5,
                                                    .outbox_events = 6,
                                                    .outbox_bytes = 7,
                                                    .dropped_events = 8,
                                                    .lost_crashes = 9,
                                                    .pods = 110,
                                                    .watch_synced = true}};
    if (fixture->store->ops->put_agent(fixture->store, &agent, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

static void an_agents_stream_is_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    put_agent(fixture, "node-1", "old", 3, noon_ns);
    put_agent(fixture, "node-1", "new", 4, noon_ns + 1);
    put_agent(fixture, "node-1", "new", 5, noon_ns + 2);
    put_agent(fixture, "node-0", "s", 6, noon_ns);
    commit(fixture);
    reopen(fixture);
    struct nj_store_agent agent;
    assert_int_equal(0,
                     fixture->store->ops->get_agent(fixture->store, "prod", "node-1", "new", &agent, NULL));
    assert_string_equal("prod", agent.cluster);
    assert_string_equal("node-1", agent.node);
    assert_string_equal("new", agent.stream);
    assert_int_equal(5, agent.committed);
    assert_true(agent.request == UINT64_MAX);
    assert_int_equal(noon_ns, agent.first_heard_ns);
    assert_int_equal(noon_ns + 2, agent.last_heard_ns);
    assert_string_equal("0.1.0", agent.status.version);
    assert_int_equal(5, agent.status.started_ns);
    assert_int_equal(6, agent.status.outbox_events);
    assert_int_equal(7, agent.status.outbox_bytes);
    assert_int_equal(8, agent.status.dropped_events);
    assert_int_equal(9, agent.status.lost_crashes);
    assert_int_equal(110, agent.status.pods);
    assert_true(agent.status.watch_synced);
    assert_int_equal(-ENOENT,
                     fixture->store->ops->get_agent(fixture->store, "prod", "node-2", "new", &agent, NULL));
    /* One a node: the stream that was heard last. */
    struct nj_buf got = {0};
    assert_int_equal(0, fixture->store->ops->each_agent(fixture->store, on_agent, &got, NULL));
    assert_string_equal("prod/node-0/s 6;prod/node-1/new 5;", nj_buf_str(&got));
    nj_buf_done(&got);
}

static void what_is_rolled_back_never_was(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store_crash crash = make_crash("crash-1");
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    fixture->store->ops->rollback(fixture->store);
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9}, "crash-1 ");
}

static void a_reader_sees_what_was_committed_and_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store *reader = open_reader(&fixture->folder);
    struct nj_store_crash crash = make_crash("crash-1");
    struct list list = {0};
    const struct nj_crash_filter all = {.limit = 9};
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    assert_int_equal(0, reader->ops->each_crash(reader, &all, list_crash, &list, NULL));
    assert_int_equal(0, list.count);
    commit(fixture);
    assert_int_equal(0, reader->ops->each_crash(reader, &all, list_crash, &list, NULL));
    assert_int_equal(1, list.count);
    bool is_new;
    assert_true(reader->ops->put_crash(reader, &crash, &is_new, &fixture->err) < 0);
    reader->ops->close(reader);
    nj_buf_done(&list.text);
}

/* Fills the database until it may not grow; returns how many crashes are in. */
static int fill(struct fixture *fixture, const char *prefix)
{
    char text[4096];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 10000; i++) {
        char id[IDS];
        (void)snprintf(id, sizeof(id), "%s-%d", prefix, i);
        struct nj_store_crash crash = make_crash(id);
        crash.crash.message = text;
        begin(fixture);
        bool is_new = false;
        int rc = fixture->store->ops->put_crash(fixture->store, &crash, &is_new, &fixture->err);
        if (rc == 0)
            rc = fixture->store->ops->commit(fixture->store, &fixture->err);
        if (rc < 0) {
            assert_int_equal(-ENOSPC, rc);
            assert_int_equal(-ENOSPC, fixture->err.code);
            assert_true(fixture->store->ops->commit(fixture->store, NULL) < 0);
            fixture->store->ops->rollback(fixture->store);
            return i;
        }
    }
    fail_msg("the database was never full");
    return 0;
}

static int count_crashes(struct fixture *fixture)
{
    struct list list = {0};
    const struct nj_crash_filter all = {.limit = NJ_STORE_LIMIT_MAX};
    assert_int_equal(0, fixture->store->ops->each_crash(fixture->store, &all, list_crash, &list, NULL));
    nj_buf_done(&list.text);
    return list.count;
}

static void a_full_disk_is_told_and_leaves_what_was_committed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(0, nj_sqlite_limit_pages(fixture->store, 200));
    int stored = fill(fixture, "first");
    assert_true(stored > 10);
    assert_int_equal(stored, count_crashes(fixture));
    /* And again, as long as it lasts. */
    assert_true(fill(fixture, "second") < 2);
    stored = count_crashes(fixture);

    assert_int_equal(0, nj_sqlite_limit_pages(fixture->store, 0));
    struct nj_store_crash crash = make_crash("after");
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    reopen(fixture);
    assert_int_equal(stored + 1, count_crashes(fixture));
}

static void retention_makes_room_on_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(0, nj_sqlite_limit_pages(fixture->store, 200));
    (void)fill(fixture, "old");
    const struct nj_retention day = {
        .crashes_ns = NJ_DAY, .logs_ns = NJ_DAY, .incidents_ns = NJ_DAY, .agents_ns = NJ_DAY};
    bool more = true;
    while (more) {
        begin(fixture);
        assert_int_equal(0, fixture->store->ops->prune(fixture->store, &day, noon_ns + 2 * NJ_DAY, 20, &more,
                                                       &fixture->err));
        commit(fixture);
    }
    struct nj_store_crash crash = make_crash("after");
    begin(fixture);
    assert_true(put_crash(fixture, &crash));
    commit(fixture);
    assert_int_equal(1, count_crashes(fixture));
}

static void put_aged(struct fixture *fixture, int days)
{
    char id[IDS];
    int64_t at_ns = noon_ns - days * NJ_DAY;
    (void)snprintf(id, sizeof(id), "%d", days);
    struct nj_store_crash crash = make_crash(id);
    crash.at_ns = at_ns;
    assert_true(put_crash(fixture, &crash));
    for (int open = 0; open < 2; open++) {
        char fingerprint[IDS];
        (void)snprintf(fingerprint, sizeof(fingerprint), "%d-%d", days, open);
        struct nj_incident incident = make_incident(1000 + days * 2 + open, fingerprint);
        incident.state = open ? NJ_INCIDENT_OPEN : NJ_INCIDENT_RESOLVED;
        incident.last_ns = at_ns;
        incident.resolved_ns = open ? 0 : at_ns;
        put_incident(fixture, &incident);
        struct nj_notification told = make_notification(incident.id, "opened", "robot");
        (void)add_notification(fixture, &told);
    }
    put_agent(fixture, id, "s", 1, at_ns);
    bool is_new;
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, id, at_ns, &is_new, NULL));
    assert_int_equal(0, fixture->store->ops->add_sent(fixture->store, "robot", at_ns, NULL));
}

static void retention_deletes_by_age_in_slices_and_keeps_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    static const int ages[] = {0, 2, 4, 6, 8, 10};
    begin(fixture);
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
        put_aged(fixture, ages[i]);
    commit(fixture);
    const struct nj_retention retention = {
        .crashes_ns = 5 * NJ_DAY, .logs_ns = 3 * NJ_DAY, .incidents_ns = 7 * NJ_DAY, .agents_ns = 9 * NJ_DAY};
    bool more = true;
    int slices = 0;
    while (more) {
        begin(fixture);
        assert_int_equal(
            0, fixture->store->ops->prune(fixture->store, &retention, noon_ns, 2, &more, &fixture->err));
        commit(fixture);
        assert_true(++slices < 20);
    }
    assert_true(slices > 3);
    assert_crashes(fixture, &(struct nj_crash_filter){.limit = 9}, "4 2 0 ");
    assert_incidents(fixture, &(struct nj_incident_filter){.limit = 99},
                     "1021 1017 1013 1012 1009 1008 1005 1004 1001 1000 ");
    struct nj_store_crash kept = make_crash("2");
    kept.at_ns = noon_ns - 2 * NJ_DAY;
    assert_crash(fixture, &kept, true);
    struct nj_store_crash old = make_crash("4");
    old.at_ns = noon_ns - 4 * NJ_DAY;
    old.crash.log.len = 0;
    old.crash.log.missing = "deleted for its age";
    assert_crash(fixture, &old, true);

    struct nj_buf got = {0};
    assert_int_equal(0, fixture->store->ops->each_agent(fixture->store, on_agent, &got, NULL));
    assert_string_equal("prod/0/s 1;prod/2/s 1;prod/4/s 1;prod/6/s 1;prod/8/s 1;", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, fixture->store->ops->each_sent(fixture->store, "robot", 1, on_sent, &got, NULL));
    assert_string_equal("0 ", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, fixture->store->ops->each_notification_of(fixture->store, 1000 + 20, 9,
                                                                  on_notification_number, &got, NULL));
    assert_string_equal("", nj_buf_str(&got));
    nj_buf_done(&got);
    bool is_new = false;
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "8", noon_ns, &is_new, NULL));
    assert_true(is_new);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "6", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
}

static void run_sql(const struct folder *folder, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(SQLITE_OK, sqlite3_open(folder->database, &db));
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    assert_int_equal(SQLITE_OK, sqlite3_close(db));
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

static int collect_schema(void *data, int columns, char **values, char **names)
{
    (void)names;
    assert_int_equal(1, columns);
    (void)nj_buf_printf(data, "%s\n", nj_str(values[0]));
    return 0;
}

static void read_schema(const struct folder *folder, struct nj_buf *out)
{
    sqlite3 *db = NULL;
    assert_int_equal(SQLITE_OK, sqlite3_open(folder->database, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "SELECT sql FROM sqlite_schema ORDER BY name",
                                             collect_schema, out, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "PRAGMA user_version", collect_schema, out, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "PRAGMA application_id", collect_schema, out, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_close(db));
}

/* fixtures/store_v1.sql is a dump of a database as the first version left it. It is never changed. */
static void a_database_of_the_first_version_is_brought_up_to_date_with_its_contents(void **state)
{
    struct fixture *fixture = *state;
    struct nj_buf fresh = {0}, migrated = {0};
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    read_schema(&fixture->folder, &fresh);
    end_folder(&fixture->folder);
    begin_folder(&fixture->folder);
    char *dump = read_file("tests/unit/collector/fixtures/store_v1.sql");
    run_sql(&fixture->folder, dump);
    free(dump);

    fixture->store = open_writer(&fixture->folder);
    read_schema(&fixture->folder, &migrated);
    assert_string_equal(nj_buf_str(&fresh), nj_buf_str(&migrated));
    nj_buf_done(&fresh);
    nj_buf_done(&migrated);

    struct nj_store_crash crash = make_crash("crash-1");
    crash.incident_id = 1;
    assert_crash(fixture, &crash, true);
    struct nj_incident incident = make_incident(1, "aa");
    assert_incident(fixture, &incident);
    struct nj_buf got = {0};
    int64_t next = 0;
    assert_int_equal(0,
                     fixture->store->ops->load_open(fixture->store, &next, on_open, on_subject, &got, NULL));
    assert_string_equal("1{1:u/app web-0 20,", nj_buf_str(&got));
    assert_int_equal(2, next);
    nj_buf_clear(&got);
    assert_int_equal(0, fixture->store->ops->each_agent(fixture->store, on_agent, &got, NULL));
    assert_string_equal("prod/node-1/s 3;", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(
        0, fixture->store->ops->each_notification_of(fixture->store, 1, 9, on_notification, &got, NULL));
    assert_string_equal("1 opened robot 4 shop people li,wang pending 0 0 ;", nj_buf_str(&got));
    nj_buf_clear(&got);
    assert_int_equal(0, fixture->store->ops->each_sent(fixture->store, "robot", 1, on_sent, &got, NULL));
    assert_string_equal("0 ", nj_buf_str(&got));
    nj_buf_done(&got);
    bool is_new = true;
    begin(fixture);
    assert_int_equal(0, fixture->store->ops->put_fact(fixture->store, "lost-1", noon_ns, &is_new, NULL));
    assert_false(is_new);
    commit(fixture);
}

static void assert_refused(struct fixture *fixture, bool writer, int code, const char *words)
{
    struct nj_store *store = NULL;
    struct nj_err err = {0};
    assert_int_equal(code, nj_store_open_sqlite(fixture->folder.database, writer, &store, &err));
    assert_null(store);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void a_database_of_a_newer_version_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    run_sql(&fixture->folder, "PRAGMA user_version = 1000");
    assert_refused(fixture, true, -EPROTO, "version 1000");
    assert_refused(fixture, false, -EPROTO, "version 1000");
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    end_folder(&fixture->folder);
    begin_folder(&fixture->folder);
    run_sql(&fixture->folder, "CREATE TABLE recipes (name TEXT)");
    assert_refused(fixture, true, -EINVAL, "another program");
    struct nj_buf schema = {0};
    read_schema(&fixture->folder, &schema);
    assert_string_equal("CREATE TABLE recipes (name TEXT)\n0\n0\n", nj_buf_str(&schema));
    nj_buf_done(&schema);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    FILE *file = fopen(fixture->folder.database, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("this is a diary, not a database\n", file) >= 0);
    assert_int_equal(0, fclose(file));
    assert_refused(fixture, true, -EUCLEAN, "not a database");
}

static void a_reader_does_not_make_a_database(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    end_folder(&fixture->folder);
    begin_folder(&fixture->folder);
    assert_refused(fixture, false, -ENOENT, "collector.db");
}

static void a_second_collector_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, true, -EBUSY, "another collector");
}

static void a_missing_folder_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct nj_store *store = NULL;
    struct nj_err err = {0};
    assert_int_equal(-ENOENT, nj_store_open_sqlite("/nonexistent/collector.db", true, &store, &err));
    assert_non_null(strstr(err.text, "/nonexistent/collector.db"));
    (void)fixture;
}

/* A child commits crashes one by one and says each after its commit; it is killed in the middle. */
static void what_was_committed_survives_kill_9(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    for (int round = 0; round < 5; round++) {
        int pipe_ends[2];
        assert_int_equal(0, pipe(pipe_ends));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct nj_store *store = NULL;
            if (nj_store_open_sqlite(fixture->folder.database, true, &store, NULL) < 0)
                _exit(1);
            for (int i = 0;; i++) {
                char id[IDS];
                (void)snprintf(id, sizeof(id), "%d-%d", round, i);
                struct nj_store_crash crash = make_crash(id);
                bool is_new;
                if (store->ops->begin(store, NULL) < 0 ||
                    store->ops->put_crash(store, &crash, &is_new, NULL) < 0 ||
                    store->ops->commit(store, NULL) < 0 || write(pipe_ends[1], &i, sizeof(i)) != sizeof(i))
                    _exit(1);
            }
        }
        assert_int_equal(0, close(pipe_ends[1]));
        int last = -1;
        for (int heard = 0; heard < 7 * (round + 1); heard++)
            assert_int_equal(sizeof(last), read(pipe_ends[0], &last, sizeof(last)));
        assert_int_equal(0, kill(child, SIGKILL));
        while (read(pipe_ends[0], &last, sizeof(last)) == sizeof(last))
            continue;
        assert_int_equal(child, waitpid(child, NULL, 0));
        assert_int_equal(0, close(pipe_ends[0]));
        fixture->store = open_writer(&fixture->folder);
        for (int i = 0; i <= last; i++) {
            char id[IDS];
            (void)snprintf(id, sizeof(id), "%d-%d", round, i);
            struct nj_store_crash crash = make_crash(id);
            assert_crash(fixture, &crash, true);
        }
        fixture->store->ops->close(fixture->store);
        fixture->store = NULL;
    }
}

static void a_damaged_log_is_told_and_not_believed(void **state)
{
    (void)state;
    struct nj_log_codec *codec = nj_log_codec_new();
    struct nj_buf packed = {0}, text = {0};
    char log[4000];
    memset(log, 'a', sizeof(log));
    enum nj_log_encoding encoding;
    assert_int_equal(0, nj_log_pack(codec, log, sizeof(log), &encoding, &packed));
    assert_int_equal(NJ_LOG_ZSTD, encoding);
    assert_true(packed.len < sizeof(log));
    assert_int_equal(0, nj_log_unpack(codec, encoding, packed.data, packed.len, sizeof(log), &text));
    assert_memory_equal(log, text.data, sizeof(log));
    assert_int_equal(-EUCLEAN,
                     nj_log_unpack(codec, encoding, packed.data, packed.len, sizeof(log) - 1, &text));
    assert_int_equal(-EUCLEAN,
                     nj_log_unpack(codec, encoding, packed.data, packed.len, sizeof(log) + 1, &text));
    assert_int_equal(-EUCLEAN,
                     nj_log_unpack(codec, encoding, packed.data, packed.len - 1, sizeof(log), &text));
    assert_int_equal(-EUCLEAN,
                     nj_log_unpack(codec, NJ_LOG_PLAIN, packed.data, packed.len, sizeof(log), &text));
    assert_int_equal(-EUCLEAN, nj_log_unpack(codec, 7, packed.data, packed.len, sizeof(log), &text));
    assert_int_equal(-EUCLEAN, nj_log_unpack(codec, encoding, packed.data, packed.len, SIZE_MAX, &text));
    assert_int_equal(-EOVERFLOW, nj_log_pack(codec, log, NJ_LOG_TEXT_MAX + 1, &encoding, &packed));
    nj_buf_done(&packed);
    nj_buf_done(&text);
    nj_log_codec_free(codec);
    nj_log_codec_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crash_comes_back_as_it_was_put_with_its_log),
        TEST(asking_for_a_crash_makes_none_twice),
        TEST(a_long_log_takes_little_room_and_comes_back_whole),
        TEST(a_correction_changes_the_record_and_keeps_log_and_link),
        TEST(a_crash_without_a_log_says_why),
        TEST(crashes_are_found_by_every_filter_and_paged_newest_first),
        TEST(a_crash_is_known_and_corrected_whether_it_is_indexed_or_not),
        TEST(what_is_rolled_back_is_new_again_also_when_it_was_indexed),
        TEST(very_many_crashes_at_once_are_indexed_by_themselves),
        TEST(crashes_too_old_to_be_indexed_are_forgotten),
        TEST(an_incident_comes_back_as_it_was_put_last),
        TEST(incidents_are_found_by_every_filter_and_paged_newest_first),
        TEST(two_open_incidents_of_one_fingerprint_are_refused),
        TEST(the_open_incidents_load_with_what_is_in_trouble),
        TEST(an_incidents_number_is_never_used_again),
        TEST(a_transition_is_planned_once_for_a_channel),
        TEST(notifications_keep_their_state_and_are_found_when_their_time_comes),
        TEST(the_times_of_sending_are_known_after_a_restart),
        TEST(a_fact_is_new_once),
        TEST(an_agents_stream_is_known_after_a_restart),
        TEST(what_is_rolled_back_never_was),
        TEST(a_reader_sees_what_was_committed_and_writes_nothing),
        TEST(a_full_disk_is_told_and_leaves_what_was_committed),
        TEST(retention_makes_room_on_a_full_disk),
        TEST(retention_deletes_by_age_in_slices_and_keeps_what_is_open),
        TEST(a_database_of_the_first_version_is_brought_up_to_date_with_its_contents),
        TEST(a_database_of_a_newer_version_is_refused),
        TEST(a_database_of_another_program_is_refused_and_left_alone),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_reader_does_not_make_a_database),
        TEST(a_second_collector_is_refused),
        TEST(a_missing_folder_is_named),
        TEST(what_was_committed_survives_kill_9),
        TEST(a_damaged_log_is_told_and_not_believed),
    };
    return cmocka_run_group_tests_name("collector/store", tests, NULL, NULL);
}
