/*
 * The rows that keep anybody from being told twice, or not at all: planning, claiming, recording, restarts,
 * digests, log files, fail-over and dead letters. On a real store, with the time in the test's hands and no
 * network.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
    struct folder folder;
    struct nj_collector_config config;
    struct nj_notify_settings *settings;
    struct nj_store *store;
    int64_t now_ns;
    struct nj_ledger_result result; /* of the last call */
    struct nj_err err;
};

/* robot: files, no fail-over. first: fails over to second, which fails over to hook. */
static const char yaml_format[] =
    "notify:\n"
    "  public_url: https://nightjar.example\n"
    "  channels:\n"
    "  - {name: robot, url_file: %s/robot}\n"
    "  - {name: plain, url_file: %s/robot, attach_log: false}\n"
    "  - {name: bold, url_file: %s/robot, attach_log: false, resend_uncertain: true}\n"
    "  - {name: first, url_file: %s/robot, attach_log: false, retries: 2, failover: second}\n"
    "  - {name: second, url_file: %s/robot, attach_log: false, retries: 0, failover: hook}\n"
    "  - {name: hook, type: webhook, url_file: %s/hook}\n"
    "  - {name: app, type: wecom_app, corp_id: c, agent_id: 1, secret_file: %s/app, to_users: [li], "
    "attach_log: "
    "false}\n"
    "  routes:\n"
    "  - {group: 值班, channels: [%s], mentions: [li]}\n";

static void use_channels(struct fixture *fixture, const char *channels)
{
    const char *at = fixture->folder.path;
    char *yaml = nj_asprintf(yaml_format, at, at, at, at, at, at, at, channels);
    nj_notify_settings_unref(fixture->settings);
    config_done(&fixture->config);
    load_config(&fixture->config, yaml);
    free(yaml);
    if (nj_notify_settings_new(&fixture->config, &fixture->settings, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

static int set_up(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    begin_folder(&fixture->folder);
    write_file(&fixture->folder, "robot", "http://127.0.0.1:1/cgi-bin/webhook/send?key=k");
    write_file(&fixture->folder, "hook", "http://127.0.0.1:1/hook");
    write_file(&fixture->folder, "app", "secret");
    use_channels(fixture, "plain");
    fixture->store = open_writer(&fixture->folder);
    fixture->now_ns = noon_ns;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    nj_notify_settings_unref(fixture->settings);
    config_done(&fixture->config);
    end_folder(&fixture->folder);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture)
{
    assert_int_equal(fixture->store->ops->begin(fixture->store, &fixture->err), 0);
    fixture->result = (struct nj_ledger_result){0};
}

static void commit(struct fixture *fixture, int rc)
{
    if (rc < 0 || fixture->store->ops->commit(fixture->store, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

/* As after kill -9: nothing in memory is left. */
static void restart(struct fixture *fixture)
{
    fixture->store->ops->close(fixture->store);
    fixture->store = open_writer(&fixture->folder);
}

static struct nj_incident incident_of(int64_t id, bool ended)
{
    char fingerprint[32];
    (void)snprintf(fingerprint, sizeof(fingerprint), "f%d", (int)id);
    struct nj_incident incident = make_incident(id, fingerprint);
    incident.crash_id = "crash-1";
    incident.exit_code = (int32_t)id; /* a cause of its own: one line in a digest */
    if (ended) {
        incident.state = NJ_INCIDENT_RESOLVED;
        incident.revision = 2;
        incident.resolved_ns = noon_ns + NJ_MIN;
        incident.resolved_cause = "stable";
    }
    struct nj_incident copy;
    nj_incident_copy(&copy, &incident);
    return copy;
}

/* What ingest does: incident, crash and rows in one transaction. Returns whether anybody is to be told. */
static bool plan(struct fixture *fixture, int64_t id, enum nj_transition transition)
{
    struct nj_incident incident = incident_of(id, transition == NJ_TRANSITION_RESOLVED);
    const struct nj_store_crash crash = make_crash("crash-1");
    bool is_new = false, any = false;
    begin(fixture);
    int rc = fixture->store->ops->put_incident(fixture->store, &incident, &fixture->err);
    if (rc == 0)
        rc = fixture->store->ops->put_crash(fixture->store, &crash, &is_new, &fixture->err);
    if (rc == 0)
        rc = nj_ledger_plan(fixture->store, fixture->settings, &incident, transition, fixture->now_ns, &any,
                            &fixture->err);
    commit(fixture, rc);
    nj_incident_done(&incident);
    return any;
}

static void open_incident(struct fixture *fixture, int64_t id)
{
    (void)plan(fixture, id, NJ_TRANSITION_OPENED);
}

static struct nj_ledger_terms terms_of(const struct fixture *fixture, const char *channel)
{
    return (struct nj_ledger_terms){.settings = fixture->settings,
                                    .target = nj_notify_target(fixture->settings, channel),
                                    .now_ns = fixture->now_ns};
}

/* Claims with these terms; the claim is the caller's. */
static struct nj_claim *claim_with(struct fixture *fixture, const char *channel, struct nj_claim_terms claim)
{
    const struct nj_ledger_terms terms = terms_of(fixture, channel);
    begin(fixture);
    commit(fixture, nj_ledger_claim(fixture->store, &terms, &claim, &fixture->result, &fixture->err));
    return fixture->result.claim;
}

static struct nj_claim *claim(struct fixture *fixture, const char *channel)
{
    return claim_with(fixture, channel, (struct nj_claim_terms){.budget = 20});
}

static struct nj_claim *claim_file(struct fixture *fixture, const char *channel)
{
    return claim_with(fixture, channel,
                      (struct nj_claim_terms){.lane = NJ_LANE_FILE, .budget = 20, .spare = 5});
}

/* Records an outcome and frees the claim. */
static void record_as(struct fixture *fixture, struct nj_claim *claim, struct nj_record_terms record)
{
    if (claim == NULL) {
        fail_msg("nothing was claimed");
        return;
    }
    const struct nj_ledger_terms terms = terms_of(fixture, claim->row.channel);
    begin(fixture);
    commit(fixture,
           nj_ledger_record(fixture->store, &terms, claim, &record, &fixture->result, &fixture->err));
    nj_claim_free(claim);
}

static void record(struct fixture *fixture, struct nj_claim *claim, enum nj_outcome_kind kind)
{
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, kind, "%s", kind == NJ_OUTCOME_DONE ? "" : nj_outcome_name(kind));
    record_as(fixture, claim, (struct nj_record_terms){.outcome = &outcome});
}

static void recover(struct fixture *fixture, const char *channel)
{
    const struct nj_ledger_terms terms = terms_of(fixture, channel);
    begin(fixture);
    commit(fixture, nj_ledger_recover(fixture->store, &terms, &fixture->result, &fixture->err));
}

static int add_row(void *data, const struct nj_notification *row)
{
    struct nj_buf line = {0};
    nj_buf_printf(&line, "%s %s %s", row->channel, row->transition, nj_notification_status_name(row->status));
    if (row->attempts > 0)
        nj_buf_printf(&line, " tried %d", row->attempts);
    if (row->parts_done != 0)
        nj_buf_printf(&line, " parts %d", row->parts_done);
    if (row->error[0] != '\0')
        nj_buf_printf(&line, " (%s)", row->error);
    nj_buf_append_str(&line, "; ");
    /* Newest first is how they come. */
    struct nj_buf *out = data;
    nj_buf_append(&line, nj_buf_str(out), out->len);
    nj_buf_done(out);
    *out = line;
    return 0;
}

static void assert_rows(struct fixture *fixture, int64_t incident, const char *wanted)
{
    struct nj_buf out = {0};
    assert_int_equal(fixture->store->ops->each_notification_of(fixture->store, incident, 100, add_row, &out,
                                                               &fixture->err),
                     0);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
}

static int count_one(void *data, int64_t at_ns)
{
    (void)at_ns;
    ++*(int *)data;
    return 0;
}

static int count_sent(struct fixture *fixture, const char *channel)
{
    int count = 0;
    assert_int_equal(fixture->store->ops->each_sent(fixture->store, channel, 0, count_one, &count, NULL), 0);
    return count;
}

/* Planning. */

static void a_transition_is_planned_once_for_each_channel(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot, hook");
    assert_true(plan(fixture, 1, NJ_TRANSITION_OPENED));
    assert_rows(fixture, 1, "robot opened pending; hook opened pending; ");
    /* The same events again, after a crash before they were acknowledged. */
    assert_false(plan(fixture, 1, NJ_TRANSITION_OPENED));
    assert_false(plan(fixture, 1, NJ_TRANSITION_NONE));
    assert_rows(fixture, 1, "robot opened pending; hook opened pending; ");
    assert_true(plan(fixture, 1, NJ_TRANSITION_RESOLVED));
    assert_false(plan(fixture, 1, NJ_TRANSITION_RESOLVED));
    assert_rows(fixture, 1,
                "robot opened pending; hook opened pending; robot resolved pending; hook resolved pending; ");
}

static void a_suppressed_incident_is_told_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct nj_incident incident = make_incident(1, "f");
    incident.suppressed = "rollout";
    bool any = true;
    begin(fixture);
    int rc = nj_ledger_plan(fixture->store, fixture->settings, &incident, NJ_TRANSITION_OPENED, noon_ns, &any,
                            &fixture->err);
    commit(fixture, rc);
    assert_false(any);
    assert_rows(fixture, 1, "");
    /* Nor of its end. What outlasts the reason is told when it has none any more, with the end then. */
    begin(fixture);
    any = true;
    rc = nj_ledger_plan(fixture->store, fixture->settings, &incident, NJ_TRANSITION_RESOLVED, noon_ns, &any,
                        &fixture->err);
    commit(fixture, rc);
    assert_false(any);
    assert_rows(fixture, 1, "");
}

static void the_end_is_told_only_where_the_beginning_was(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "plain");
    open_incident(fixture, 1);
    use_channels(fixture, "plain, hook");
    assert_true(plan(fixture, 1, NJ_TRANSITION_RESOLVED));
    assert_rows(fixture, 1, "plain opened pending; plain resolved pending; ");
    /* Nobody was told of incident 2: it began before there were routes. */
    assert_false(plan(fixture, 2, NJ_TRANSITION_RESOLVED));
}

static void the_end_follows_the_beginning_to_the_fail_over(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "first"), NJ_OUTCOME_REFUSED);
    assert_true(fixture->result.elsewhere);
    assert_true(plan(fixture, 1, NJ_TRANSITION_RESOLVED));
    assert_rows(fixture, 1,
                "first opened failed tried 1 (refused); second opened pending; second resolved pending; ");
}

static void an_end_that_was_planned_before_the_beginning_failed_follows_it_too(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_incident(fixture, 1);
    struct nj_claim *opened = claim(fixture, "first");
    (void)plan(fixture, 1, NJ_TRANSITION_RESOLVED);
    record(fixture, opened, NJ_OUTCOME_REFUSED);
    assert_null(claim(fixture, "first"));
    assert_true(fixture->result.more);
    assert_true(fixture->result.elsewhere);
    assert_rows(
        fixture, 1,
        "first opened failed tried 1 (refused); first resolved failed (its opening could not be told here); "
        "second opened pending; second resolved pending; ");
}

/* Claiming and recording. */

static void a_lone_alert_is_claimed_at_once_and_told_once(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    struct nj_claim *claimed = claim(fixture, "plain");
    assert_non_null(claimed);
    assert_int_equal(fixture->result.waiting, 1);
    assert_true(
        nj_str_starts(claimed->delivery.text, "**<font color=\"warning\">【警告】容器崩溃：shop/cart"));
    assert_non_null(strstr(claimed->delivery.text, "\n> panic: no 库存 table\n"));
    assert_non_null(strstr(claimed->delivery.text, "告警组：值班\n"));
    assert_string_equal(claimed->delivery.mentions, "li");
    assert_rows(fixture, 1, "plain opened sending; ");
    assert_int_equal(count_sent(fixture, "plain"), 1);
    assert_null(claim(fixture, "plain"));
    assert_int_equal(fixture->result.wake_ns, INT64_MAX);
    record(fixture, claimed, NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "plain opened sent parts 1; ");
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_SENT], 1);
    assert_int_equal(fixture->result.told_since_ns, noon_ns);
    assert_null(claim(fixture, "plain"));
}

static void a_claim_that_is_rolled_back_never_happened(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    const struct nj_ledger_terms terms = terms_of(fixture, "plain");
    const struct nj_claim_terms claim_terms = {.budget = 20};
    begin(fixture);
    assert_int_equal(nj_ledger_claim(fixture->store, &terms, &claim_terms, &fixture->result, &fixture->err),
                     0);
    fixture->store->ops->rollback(fixture->store);
    nj_claim_free(fixture->result.claim);
    assert_rows(fixture, 1, "plain opened pending; ");
    assert_int_equal(count_sent(fixture, "plain"), 0);
}

static void what_each_outcome_makes_of_an_alert(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *channel;
        enum nj_outcome_kind kind;
        const char *rows;
    } cases[] = {
        {"plain", NJ_OUTCOME_DONE, "plain opened sent parts 1; "},
        {"plain", NJ_OUTCOME_PARTLY, "plain opened sent parts 1 (partly); "},
        {"plain", NJ_OUTCOME_RETRY, "plain opened pending tried 1 (retry); "},
        {"plain", NJ_OUTCOME_WAIT, "plain opened pending (wait); "},
        {"plain", NJ_OUTCOME_TOO_LONG, "plain opened pending (too_long); "},
        {"plain", NJ_OUTCOME_REFUSED, "plain opened failed tried 1 (refused); "},
        {"plain", NJ_OUTCOME_DOWN, "plain opened pending tried 1 (down); "},
        {"plain", NJ_OUTCOME_BROKEN, "plain opened pending tried 1 (broken); "},
        {"plain", NJ_OUTCOME_UNCERTAIN, "plain opened uncertain tried 1 (uncertain); "},
        {"plain", NJ_OUTCOME_RELEASED, "plain opened pending (released); "},
        {"bold", NJ_OUTCOME_UNCERTAIN, "bold opened pending tried 1 (uncertain); "},
        {"app", NJ_OUTCOME_UNCERTAIN, "app opened pending tried 1 (uncertain); "},
        {"hook", NJ_OUTCOME_UNCERTAIN, "hook opened pending tried 1 (uncertain); "},
        {"first", NJ_OUTCOME_PARTLY, "first opened sent parts 1 (partly); second opened pending; "},
        {"first", NJ_OUTCOME_RETRY, "first opened pending tried 1 (retry); "},
        {"first", NJ_OUTCOME_WAIT, "first opened pending (wait); "},
        {"first", NJ_OUTCOME_REFUSED, "first opened failed tried 1 (refused); second opened pending; "},
        {"first", NJ_OUTCOME_DOWN, "first opened failed tried 1 (down); second opened pending; "},
        {"first", NJ_OUTCOME_BROKEN, "first opened failed tried 1 (broken); second opened pending; "},
        {"first", NJ_OUTCOME_UNCERTAIN,
         "first opened uncertain tried 1 (uncertain); second opened pending; "},
        {"second", NJ_OUTCOME_RETRY, "second opened failed tried 1 (retry); hook opened pending; "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t id = (int64_t)i + 1;
        use_channels(fixture, cases[i].channel);
        open_incident(fixture, id);
        struct nj_claim *claimed = claim(fixture, cases[i].channel);
        while (claimed != NULL && claimed->row.incident_id != id) {
            record(fixture, claimed, NJ_OUTCOME_DONE);
            claimed = claim(fixture, cases[i].channel);
        }
        assert_non_null(claimed);
        record(fixture, claimed, cases[i].kind);
        assert_rows(fixture, id, cases[i].rows);
        fixture->now_ns += NJ_HOUR;
    }
}

static void retries_wait_longer_each_time_then_the_fail_over_is_told(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_incident(fixture, 1);
    static const int64_t waits_s[] = {2, 4};
    for (size_t i = 0; i < COUNT(waits_s); i++) {
        record(fixture, claim(fixture, "first"), NJ_OUTCOME_RETRY);
        assert_null(claim(fixture, "first"));
        assert_int_equal(fixture->result.wake_ns, fixture->now_ns + waits_s[i] * NJ_SEC);
        fixture->now_ns = fixture->result.wake_ns;
    }
    record(fixture, claim(fixture, "first"), NJ_OUTCOME_RETRY);
    assert_rows(fixture, 1, "first opened failed tried 3 (retry); second opened pending; ");
    record(fixture, claim(fixture, "second"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "first opened failed tried 3 (retry); second opened sent parts 1; ");
}

static void a_channel_that_failed_too_often_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_incident(fixture, 1);
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, NJ_OUTCOME_RETRY, "retry");
    record_as(fixture, claim(fixture, "first"),
              (struct nj_record_terms){.outcome = &outcome, .give_up = true});
    assert_rows(fixture, 1, "first opened failed tried 1 (retry); second opened pending; ");
}

static void retry_after_is_respected(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, NJ_OUTCOME_RETRY, "retry");
    outcome.retry_after_ns = 100 * NJ_SEC;
    record_as(fixture, claim(fixture, "plain"), (struct nj_record_terms){.outcome = &outcome});
    assert_null(claim(fixture, "plain"));
    assert_int_equal(fixture->result.wake_ns, noon_ns + 100 * NJ_SEC);
}

static void without_a_fail_over_it_is_tried_for_a_day_then_a_dead_letter(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    int attempts = 0;
    for (;;) {
        struct nj_claim *claimed = claim(fixture, "plain");
        if (claimed == NULL && fixture->result.wake_ns == INT64_MAX)
            break;
        if (claimed == NULL) {
            assert_in_range(fixture->result.wake_ns - fixture->now_ns, 2 * NJ_SEC, 5 * NJ_MIN);
            fixture->now_ns = fixture->result.wake_ns;
            continue;
        }
        record(fixture, claimed, NJ_OUTCOME_RETRY);
        attempts++;
    }
    assert_in_range(fixture->now_ns - noon_ns, NJ_DAY, NJ_DAY + 5 * NJ_MIN);
    char wanted[64];
    (void)snprintf(wanted, sizeof(wanted), "plain opened failed tried %d (retry); ", attempts);
    assert_rows(fixture, 1, wanted);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_FAILED], 0);
}

static void the_end_is_never_told_before_the_beginning(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_RETRY);
    (void)plan(fixture, 1, NJ_TRANSITION_RESOLVED);
    assert_null(claim(fixture, "plain"));
    /* Others need not wait for it. */
    open_incident(fixture, 2);
    struct nj_claim *other = claim(fixture, "plain");
    assert_int_equal(other->row.incident_id, 2);
    record(fixture, other, NJ_OUTCOME_DONE);
    assert_null(claim(fixture, "plain"));
    fixture->now_ns += 2 * NJ_SEC;
    struct nj_claim *opened = claim(fixture, "plain");
    assert_string_equal(opened->row.transition, "opened");
    record(fixture, opened, NJ_OUTCOME_DONE);
    struct nj_claim *resolved = claim(fixture, "plain");
    assert_string_equal(resolved->row.transition, "resolved");
    assert_non_null(strstr(resolved->delivery.text, "【恢复】"));
    record(fixture, resolved, NJ_OUTCOME_DONE);
}

/* The incident's record goes on while its alert waits. */
static void count_up(struct fixture *fixture, int64_t id, uint64_t count)
{
    struct nj_incident incident = incident_of(id, false);
    incident.count = count;
    begin(fixture);
    commit(fixture, fixture->store->ops->put_incident(fixture->store, &incident, &fixture->err));
    nj_incident_done(&incident);
}

static void what_a_channel_may_have_is_sent_again_byte_for_byte(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "app");
    open_incident(fixture, 1);
    struct nj_claim *claimed = claim(fixture, "app");
    char *text = nj_strdup(claimed->delivery.text);
    char *key = nj_strdup(claimed->delivery.key);
    record(fixture, claimed, NJ_OUTCOME_UNCERTAIN);
    count_up(fixture, 1, 5);
    fixture->now_ns += NJ_MIN;
    restart(fixture);
    claimed = claim(fixture, "app");
    assert_string_equal(claimed->delivery.text, text);
    assert_string_equal(claimed->delivery.key, key);
    /* But what never left is told as it is now. */
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, NJ_OUTCOME_RETRY, "refused");
    outcome.untouched = true;
    record_as(fixture, claimed, (struct nj_record_terms){.outcome = &outcome});
    fixture->now_ns += NJ_MIN;
    claimed = claim(fixture, "app");
    assert_non_null(strstr(claimed->delivery.text, "次数：5"));
    nj_claim_free(claimed);
    free(text);
    free(key);
}

static void an_alert_that_was_too_long_comes_shorter(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    struct nj_claim *claimed = claim(fixture, "plain");
    size_t len = claimed->delivery.text_len;
    int64_t id = claimed->row.id;
    record(fixture, claimed, NJ_OUTCOME_TOO_LONG);
    claimed = claim_with(fixture, "plain",
                         (struct nj_claim_terms){.budget = 20, .short_row = id, .max_bytes = len / 2});
    assert_in_range(claimed->delivery.text_len, 1, len / 2);
    assert_true(
        nj_str_starts(claimed->delivery.text, "**<font color=\"warning\">【警告】容器崩溃：shop/cart"));
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, NJ_OUTCOME_TOO_LONG, "too long");
    record_as(fixture, claimed, (struct nj_record_terms){.outcome = &outcome, .cannot_shrink = true});
    assert_rows(fixture, 1, "plain opened failed (too long); ");
}

static void an_incident_that_was_deleted_is_a_dead_letter(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_notification orphan = {.incident_id = 9,
                                           .transition = "opened",
                                           .channel = "plain",
                                           .created_ns = noon_ns,
                                           .next_ns = noon_ns};
    int64_t id = 0;
    begin(fixture);
    commit(fixture, fixture->store->ops->add_notification(fixture->store, &orphan, &id, &fixture->err));
    assert_null(claim(fixture, "plain"));
    assert_true(fixture->result.more);
    assert_rows(fixture, 9, "plain opened failed (the incident was deleted for its age); ");
}

/* Log files. */

static void the_log_follows_its_alert_as_a_file(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    assert_null(claim_file(fixture, "robot"));
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened pending parts 1; ");
    assert_null(claim(fixture, "robot"));
    assert_int_equal(fixture->result.waiting, 0);
    struct nj_claim *file = claim_file(fixture, "robot");
    assert_string_equal(file->delivery.file_name, "shop_cart-5f7c9-x2k4p_app_2.log");
    assert_int_equal(file->delivery.file_len, strlen("starting\npanic: no 库存 table\n"));
    assert_memory_equal(file->delivery.file, "starting\npanic: no 库存 table\n", file->delivery.file_len);
    record(fixture, file, NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened sent parts 3; ");
    assert_null(claim(fixture, "robot"));
    assert_null(claim_file(fixture, "robot"));
    assert_int_equal(count_sent(fixture, "robot"), 2);
}

static void ends_have_no_file_and_neither_have_logs_of_a_few_bytes(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    struct nj_claim *claimed = claim(fixture, "robot");
    struct nj_store_crash crash = make_crash("crash-1");
    crash.crash.log.text = "hi\n";
    crash.crash.log.len = 3;
    bool is_new = true;
    begin(fixture);
    commit(fixture, fixture->store->ops->put_crash(fixture->store, &crash, &is_new, &fixture->err));
    record(fixture, claimed, NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened sent parts 1; ");
    (void)plan(fixture, 1, NJ_TRANSITION_RESOLVED);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened sent parts 1; robot resolved sent parts 1; ");
}

static void a_file_that_fails_never_repeats_its_alert(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum nj_outcome_kind kind;
        const char *rows;
    } cases[] = {
        {NJ_OUTCOME_RETRY, "robot opened pending tried 1 parts 1 (retry); "},
        {NJ_OUTCOME_WAIT, "robot opened pending parts 1 (wait); "},
        {NJ_OUTCOME_REFUSED, "robot opened sent tried 1 parts 1 (log file: refused); "},
        {NJ_OUTCOME_UNCERTAIN, "robot opened sent tried 1 parts 1 (log file: uncertain); "},
        {NJ_OUTCOME_DOWN, "robot opened sent tried 1 parts 1 (log file: down); "},
        {NJ_OUTCOME_TOO_LONG, "robot opened sent parts 1 (log file: too_long); "},
        {NJ_OUTCOME_RELEASED, "robot opened pending parts 1 (released); "},
    };
    use_channels(fixture, "robot");
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t id = (int64_t)i + 1;
        open_incident(fixture, id);
        record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
        struct nj_claim *file = claim_file(fixture, "robot");
        record(fixture, file, cases[i].kind);
        assert_rows(fixture, id, cases[i].rows);
        assert_null(claim(fixture, "robot"));
        fixture->now_ns += NJ_HOUR; /* what is late is left out */
        assert_null(claim_file(fixture, "robot"));
    }
}

static void files_use_only_the_room_that_alerts_leave(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
    struct nj_claim_terms terms = {.lane = NJ_LANE_FILE, .budget = 5, .spare = 5};
    assert_null(claim_with(fixture, "robot", terms));
    assert_int_equal(fixture->result.wake_ns, noon_ns + 10 * NJ_MIN);
    fixture->now_ns += 10 * NJ_MIN;
    assert_null(claim_with(fixture, "robot", terms));
    assert_rows(fixture, 1, "robot opened sent parts 1 (the log file was left out: alerts went first); ");
}

/* Digests. */

static void open_many(struct fixture *fixture, int64_t first, int64_t last)
{
    for (int64_t id = first; id <= last; id++)
        open_incident(fixture, id);
}

static void more_than_the_rate_allows_becomes_one_digest(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 5);
    struct nj_claim *one = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 5});
    assert_false(one->is_digest);
    record(fixture, one, NJ_OUTCOME_DONE);
    struct nj_claim *digest = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 3});
    assert_true(digest->is_digest);
    assert_int_equal(fixture->result.waiting, 4);
    assert_true(nj_str_starts(digest->delivery.text, "**<font color=\"warning\">【汇总】4 条告警，0 条恢复"));
    assert_string_equal(digest->delivery.mentions, "li");
    /* One more while it is on its way: told by itself. */
    open_incident(fixture, 6);
    record(fixture, digest, NJ_OUTCOME_DONE);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_FOLDED], 4);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_SENT], 1);
    for (int64_t id = 2; id <= 5; id++)
        assert_rows(fixture, id, "plain opened folded; ");
    assert_rows(fixture, 6, "plain opened pending; ");
    assert_int_equal(count_sent(fixture, "plain"), 2);
    struct nj_claim *last = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 1});
    assert_int_equal(last->row.incident_id, 6);
    record(fixture, last, NJ_OUTCOME_DONE);
    assert_null(claim(fixture, "plain"));
}

static void a_digest_outlives_a_restart_and_is_neither_lost_nor_repeated(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 3);
    const struct nj_claim_terms terms = {.budget = 1};
    struct nj_claim *digest = claim_with(fixture, "plain", terms);
    char *text = nj_strdup(digest->delivery.text);
    record(fixture, digest, NJ_OUTCOME_RETRY);
    restart(fixture);
    recover(fixture, "plain");
    assert_null(claim_with(fixture, "plain", terms));
    fixture->now_ns += 2 * NJ_SEC;
    digest = claim_with(fixture, "plain", terms);
    assert_true(digest->is_digest);
    assert_string_equal(digest->delivery.text, text);
    free(text);

    /* Killed while it was being sent: nobody knows, so a robot does not get it again. */
    nj_claim_free(digest);
    restart(fixture);
    recover(fixture, "plain");
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_UNCERTAIN], 4);
    for (int64_t id = 1; id <= 3; id++)
        assert_rows(
            fixture, id,
            "plain opened uncertain (the collector ended while this was being sent: it may have arrived); ");
    assert_null(claim_with(fixture, "plain", terms));
}

static void an_end_is_not_told_before_the_digest_with_its_beginning(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 3);
    struct nj_claim *digest = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 1});
    record(fixture, digest, NJ_OUTCOME_RETRY);
    (void)plan(fixture, 2, NJ_TRANSITION_RESOLVED);
    assert_null(claim(fixture, "plain"));
    fixture->now_ns += 2 * NJ_SEC;
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_DONE);
    struct nj_claim *resolved = claim(fixture, "plain");
    assert_string_equal(resolved->row.transition, "resolved");
    record(fixture, resolved, NJ_OUTCOME_DONE);
}

static void beginning_and_end_in_one_digest_are_one_line(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 2);
    (void)plan(fixture, 1, NJ_TRANSITION_RESOLVED);
    struct nj_claim *digest = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 1});
    assert_non_null(strstr(digest->delivery.text, "【汇总】1 条告警，1 条恢复"));
    record(fixture, digest, NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "plain opened folded; plain resolved folded; ");
}

static void a_digest_that_cannot_be_sent_fails_over_as_single_alerts(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_many(fixture, 1, 2);
    record(fixture, claim_with(fixture, "first", (struct nj_claim_terms){.budget = 1}), NJ_OUTCOME_DOWN);
    assert_rows(fixture, 1, "first opened failed (down); second opened pending; ");
    assert_rows(fixture, 2, "first opened failed (down); second opened pending; ");
    assert_true(fixture->result.elsewhere);
    assert_null(claim(fixture, "first"));
}

/* A digest of so many alerts has all the parts that there may be. */
enum { MANY = 300, LIMIT = 1000 };

static void each_part_of_a_digest_is_sent_once(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, MANY);
    for (int part = 1; part <= NJ_RENDER_PARTS_MAX; part++) {
        struct nj_claim *claimed = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 1});
        assert_true(claimed->is_digest);
        char head[32];
        (void)snprintf(head, sizeof(head), "（%d/%d）\n", part, NJ_RENDER_PARTS_MAX);
        assert_true(nj_str_starts(claimed->delivery.text, head));
        assert_in_range(claimed->delivery.text_len, 1, 4096);
        record(fixture, claimed, NJ_OUTCOME_DONE);
    }
    assert_rows(fixture, MANY, "plain opened folded; ");
    assert_null(claim(fixture, "plain"));
}

static void a_part_of_which_nobody_knows_does_not_hold_up_the_others(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, MANY);
    const struct nj_claim_terms terms = {.budget = 1};
    record(fixture, claim_with(fixture, "plain", terms), NJ_OUTCOME_DONE);
    nj_claim_free(claim_with(fixture, "plain", terms)); /* killed with the second on its way */
    restart(fixture);
    recover(fixture, "plain");
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_UNCERTAIN], 0);
    for (int part = 3; part <= NJ_RENDER_PARTS_MAX; part++) {
        struct nj_claim *claimed = claim_with(fixture, "plain", terms);
        assert_int_equal(claimed->part, part - 1);
        record(fixture, claimed, NJ_OUTCOME_DONE);
    }
    assert_rows(fixture, 1, "plain opened uncertain; ");
    assert_null(claim(fixture, "plain"));
}

static void a_part_that_is_too_long_becomes_two(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 10);
    const struct nj_claim_terms terms = {.budget = 1};
    int messages = 0;
    size_t longest = 0;
    struct nj_claim *claimed = claim_with(fixture, "plain", terms);
    while (claimed != NULL) {
        bool too_long = claimed->delivery.text_len > LIMIT;
        if (!too_long) {
            messages++;
            longest = claimed->delivery.text_len > longest ? claimed->delivery.text_len : longest;
        }
        record(fixture, claimed, too_long ? NJ_OUTCOME_TOO_LONG : NJ_OUTCOME_DONE);
        claimed = claim_with(fixture, "plain", terms);
    }
    assert_in_range(messages, 2, 4);
    assert_in_range(longest, 1, LIMIT);
    assert_rows(fixture, 10, "plain opened folded; ");
}

static void a_part_that_is_always_too_long_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    open_many(fixture, 1, 10);
    const struct nj_claim_terms terms = {.budget = 1};
    int tries = 0;
    struct nj_claim *claimed = claim_with(fixture, "plain", terms);
    for (; claimed != NULL; tries++) {
        record(fixture, claimed, NJ_OUTCOME_TOO_LONG);
        claimed = claim_with(fixture, "plain", terms);
    }
    assert_in_range(tries, 2, 10);
    assert_rows(fixture, 10, "plain opened failed (too_long); ");
}

/* Restarts. */

static void what_was_being_sent_when_the_collector_was_killed(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *channel;
        int64_t away_ns;
        const char *rows;
    } cases[] = {
        {"plain", 0,
         "plain opened uncertain (the collector ended while this was being sent: it may have arrived); "},
        {"first", 0,
         "first opened uncertain (the collector ended while this was being sent: it may have arrived); "},
        {"bold", 0, "bold opened pending; "},
        {"app", 0, "app opened pending; "},
        {"app", 5 * NJ_HOUR,
         "app opened uncertain (the collector ended while this was being sent: it may have arrived); "},
        {"hook", 5 * NJ_HOUR, "hook opened pending; "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t id = (int64_t)i + 1;
        use_channels(fixture, cases[i].channel);
        open_incident(fixture, id);
        struct nj_claim *claimed = claim(fixture, cases[i].channel);
        char *text = nj_strdup(claimed->delivery.text);
        nj_claim_free(claimed);
        restart(fixture);
        fixture->now_ns += cases[i].away_ns;
        recover(fixture, cases[i].channel);
        assert_rows(fixture, id, cases[i].rows);
        claimed = claim(fixture, cases[i].channel);
        assert_true((claimed != NULL) == (strstr(cases[i].rows, "pending") != NULL));
        if (claimed != NULL) {
            assert_string_equal(claimed->delivery.text, text);
            record(fixture, claimed, NJ_OUTCOME_DONE);
        }
        free(text);
    }
}

static void a_file_that_was_being_sent_leaves_its_alert_told(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
    nj_claim_free(claim_file(fixture, "robot"));
    restart(fixture);
    recover(fixture, "robot");
    assert_rows(fixture, 1,
                "robot opened sent parts 1 (the collector ended while the log file was being sent); ");
}

static void what_was_waiting_is_told_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_many(fixture, 1, 2);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE); /* its file waits */
    restart(fixture);
    recover(fixture, "robot");
    struct nj_claim *claimed = claim(fixture, "robot");
    assert_int_equal(claimed->row.incident_id, 2);
    record(fixture, claimed, NJ_OUTCOME_DONE);
    for (int64_t id = 1; id <= 2; id++) {
        struct nj_claim *file = claim_file(fixture, "robot");
        assert_int_equal(file->row.incident_id, id);
        record(fixture, file, NJ_OUTCOME_DONE);
        assert_rows(fixture, id, "robot opened sent parts 3; ");
    }
}

/* The wall clock. */

static void what_was_planned_before_the_clock_was_set_back_is_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_incident(fixture, 1);
    fixture->now_ns -= 30 * NJ_MIN;
    record(fixture, claim(fixture, "first"), NJ_OUTCOME_REFUSED);
    fixture->now_ns -= 30 * NJ_MIN;
    record(fixture, claim(fixture, "second"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "first opened failed tried 1 (refused); second opened sent parts 1; ");
    assert_null(claim(fixture, "second"));
}

static void a_retry_is_not_put_off_by_a_clock_that_was_set_back(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_RETRY);
    assert_null(claim(fixture, "plain"));
    fixture->now_ns -= NJ_HOUR;
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_RETRY);
    /* From then on it waits by the clock as it is now. */
    assert_null(claim(fixture, "plain"));
    assert_int_equal(fixture->result.wake_ns, fixture->now_ns + 4 * NJ_SEC);
}

/* By less than it could have been planned ahead: only who saw it can tell. */
static void a_retry_is_hurried_when_the_clock_is_seen_to_be_set_back(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_RETRY);
    fixture->now_ns -= 30 * NJ_MIN;
    assert_null(claim(fixture, "plain"));
    begin(fixture);
    commit(fixture, nj_ledger_hurry(fixture->store, fixture->now_ns, &fixture->err));
    record(fixture, claim(fixture, "plain"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "plain opened sent tried 1 parts 1; ");
}

static void a_log_file_follows_after_the_clock_was_set_back(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE);
    fixture->now_ns -= NJ_HOUR;
    assert_null(claim_with(fixture, "robot", (struct nj_claim_terms){.lane = NJ_LANE_FILE, .budget = 0}));
    assert_int_equal(fixture->result.wake_ns, fixture->now_ns + 10 * NJ_MIN);
    record(fixture, claim_file(fixture, "robot"), NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened sent parts 3; ");
}

static void a_restart_with_the_clock_set_back_repeats_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *channel, *rows;
    } cases[] = {
        {"plain",
         "plain opened uncertain (the collector ended while this was being sent: it may have arrived); "},
        {"app", "app opened pending; "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t id = (int64_t)i + 1;
        use_channels(fixture, cases[i].channel);
        open_incident(fixture, id);
        nj_claim_free(claim(fixture, cases[i].channel));
        restart(fixture);
        fixture->now_ns -= 30 * NJ_MIN;
        recover(fixture, cases[i].channel);
        assert_rows(fixture, id, cases[i].rows);
    }
    record(fixture, claim(fixture, "app"), NJ_OUTCOME_DONE);
}

static void rows_of_channels_that_are_gone_become_dead_letters(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    open_many(fixture, 1, 3);
    record(fixture, claim(fixture, "robot"), NJ_OUTCOME_DONE); /* told; its file waits */
    nj_claim_free(claim(fixture, "robot"));                    /* killed while sending */
    restart(fixture);
    struct nj_collector_config none = {0};
    struct nj_notify_settings *settings = NULL;
    assert_int_equal(nj_notify_settings_new(&none, &settings, &fixture->err), 0);
    begin(fixture);
    commit(fixture,
           nj_ledger_sweep(fixture->store, settings, fixture->now_ns, &fixture->result, &fixture->err));
    nj_notify_settings_unref(settings);
    assert_rows(fixture, 1, "robot opened sent parts 1 (the channel is no longer configured); ");
    assert_rows(fixture, 2, "robot opened uncertain (the channel is no longer configured); ");
    assert_rows(fixture, 3, "robot opened failed (the channel is no longer configured); ");
}

/* Closed channels. */

static void a_closed_channels_alerts_go_to_the_fail_over_untried(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_many(fixture, 1, 3);
    assert_null(claim_with(fixture, "first", (struct nj_claim_terms){.closed = "it is down"}));
    assert_true(fixture->result.elsewhere);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_FAILED], 3);
    assert_rows(fixture, 2, "first opened failed (it is down); second opened pending; ");
    assert_int_equal(count_sent(fixture, "first"), 0);
}

static void a_closed_channel_without_a_fail_over_keeps_its_alerts_for_a_day(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    const struct nj_claim_terms closed = {.closed = "the secret is wrong"};
    assert_null(claim_with(fixture, "plain", closed));
    assert_int_equal(fixture->result.wake_ns, noon_ns + NJ_DAY);
    assert_rows(fixture, 1, "plain opened pending; ");
    fixture->now_ns += NJ_DAY;
    assert_null(claim_with(fixture, "plain", closed));
    assert_rows(fixture, 1, "plain opened failed (the secret is wrong); ");
}

static void a_closed_channel_gives_away_its_unfinished_digest(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_many(fixture, 1, 2);
    record(fixture, claim_with(fixture, "first", (struct nj_claim_terms){.budget = 1}), NJ_OUTCOME_RETRY);
    assert_null(claim_with(fixture, "first", (struct nj_claim_terms){.closed = "it is down"}));
    assert_rows(fixture, 1, "first opened failed (it is down); second opened pending; ");
    assert_rows(fixture, 2, "first opened failed (it is down); second opened pending; ");
}

static void a_long_backlog_is_moved_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    open_many(fixture, 1, NJ_LEDGER_MOVED_MAX + 10);
    const struct nj_claim_terms closed = {.closed = "it is down"};
    assert_null(claim_with(fixture, "first", closed));
    assert_true(fixture->result.more);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_FAILED], NJ_LEDGER_MOVED_MAX);
    assert_null(claim_with(fixture, "first", closed));
    assert_false(fixture->result.more);
    assert_int_equal(fixture->result.ended[NJ_NOTIFICATION_FAILED], 10);
    struct nj_claim *digest = claim(fixture, "second");
    assert_true(digest->is_digest);
    assert_non_null(strstr(digest->delivery.text, "【汇总】210 条告警"));
    nj_claim_free(digest);
}

static void a_digest_leaves_out_what_was_deleted(void **state)
{
    struct fixture *fixture = *state;
    open_incident(fixture, 1);
    const struct nj_notification orphan = {.incident_id = 9,
                                           .transition = "opened",
                                           .channel = "plain",
                                           .created_ns = noon_ns,
                                           .next_ns = noon_ns};
    int64_t id = 0;
    begin(fixture);
    commit(fixture, fixture->store->ops->add_notification(fixture->store, &orphan, &id, &fixture->err));
    open_incident(fixture, 2);
    struct nj_claim *digest = claim_with(fixture, "plain", (struct nj_claim_terms){.budget = 1});
    assert_non_null(strstr(digest->delivery.text, "【汇总】2 条告警"));
    assert_rows(fixture, 9, "plain opened failed (the incident was deleted for its age); ");
    record(fixture, digest, NJ_OUTCOME_DONE);
    assert_rows(fixture, 2, "plain opened folded; ");
}

static void files_in_any_number_hold_up_no_alert(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "robot");
    begin(fixture);
    int rc = 0;
    for (int64_t id = 1; id <= NJ_LEDGER_ROWS_MAX + 10 && rc == 0; id++) {
        struct nj_notification told = {.incident_id = id,
                                       .transition = "opened",
                                       .channel = "robot",
                                       .parts_done = 1,
                                       .created_ns = noon_ns,
                                       .next_ns = noon_ns,
                                       .done_ns = noon_ns};
        int64_t row = 0;
        rc = fixture->store->ops->add_notification(fixture->store, &told, &row, &fixture->err);
    }
    commit(fixture, rc);
    open_incident(fixture, NJ_LEDGER_ROWS_MAX + 100);
    struct nj_claim *alert = claim(fixture, "robot");
    assert_non_null(alert);
    assert_int_equal(fixture->result.waiting, 1);
    record(fixture, alert, NJ_OUTCOME_DONE);
}

/* A store whose calls fail one after the other: the n-th, then the n+1-th... */
struct failing {
    struct nj_store_ops ops, real;
    int until; /* calls left before the one that fails; negative: none fails */
};

static struct failing *failing_of(struct nj_store *store)
{
    return (struct failing *)(void *)((char *)(uintptr_t)store->ops - offsetof(struct failing, ops));
}

static bool fails(struct nj_store *store, struct nj_err *err)
{
    struct failing *failing = failing_of(store);
    if (failing->until < 0 || failing->until-- > 0)
        return false;
    (void)nj_err_set(err, -EIO, "input/output error");
    return true;
}

static int put_or_fail(struct nj_store *store, const struct nj_notification *row, struct nj_err *err)
{
    return fails(store, err) ? -EIO : failing_of(store)->real.put_notification(store, row, err);
}

static int add_or_fail(struct nj_store *store, const struct nj_notification *row, int64_t *ret_id,
                       struct nj_err *err)
{
    return fails(store, err) ? -EIO : failing_of(store)->real.add_notification(store, row, ret_id, err);
}

static int each_or_fail(struct nj_store *store, const char *channel, enum nj_notification_status status,
                        int64_t now_ns, int limit,
                        int (*on_row)(void *data, const struct nj_notification *row), void *data,
                        struct nj_err *err)
{
    int rc =
        failing_of(store)->real.each_notification(store, channel, status, now_ns, limit, on_row, data, err);
    return rc == 0 && fails(store, err) ? -EIO : rc; /* after all rows were handed out */
}

static int each_of_or_fail(struct nj_store *store, int64_t incident, int limit,
                           int (*on_row)(void *data, const struct nj_notification *row), void *data,
                           struct nj_err *err)
{
    int rc = failing_of(store)->real.each_notification_of(store, incident, limit, on_row, data, err);
    return rc == 0 && fails(store, err) ? -EIO : rc;
}

static int get_incident_or_fail(struct nj_store *store, int64_t id,
                                int (*on_incident)(void *data, const struct nj_incident *incident),
                                void *data, struct nj_err *err)
{
    return fails(store, err) ? -EIO : failing_of(store)->real.get_incident(store, id, on_incident, data, err);
}

static int get_crash_or_fail(struct nj_store *store, const char *id, bool with_log,
                             int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                             void *data, struct nj_err *err)
{
    return fails(store, err) ? -EIO
                             : failing_of(store)->real.get_crash(store, id, with_log, on_crash, data, err);
}

static int add_sent_or_fail(struct nj_store *store, const char *channel, int64_t at_ns, struct nj_err *err)
{
    return fails(store, err) ? -EIO : failing_of(store)->real.add_sent(store, channel, at_ns, err);
}

/* Claims until it works, each time with the next call of the store failing. */
static struct nj_claim *claim_against_failures(struct fixture *fixture, const char *channel,
                                               struct nj_claim_terms claim)
{
    struct failing *failing = failing_of(fixture->store);
    const struct nj_ledger_terms terms = terms_of(fixture, channel);
    for (int n = 0;; n++) {
        assert_in_range(n, 0, 100);
        begin(fixture);
        failing->until = n;
        int rc = nj_ledger_claim(fixture->store, &terms, &claim, &fixture->result, &fixture->err);
        bool failed = failing->until < 0 && rc < 0;
        failing->until = -1;
        if (!failed) {
            commit(fixture, rc);
            return fixture->result.claim;
        }
        assert_int_equal(rc, -EIO);
        assert_null(fixture->result.claim);
        fixture->store->ops->rollback(fixture->store);
    }
}

static void record_against_failures(struct fixture *fixture, struct nj_claim *claim,
                                    enum nj_outcome_kind kind)
{
    struct failing *failing = failing_of(fixture->store);
    const struct nj_ledger_terms terms = terms_of(fixture, claim->row.channel);
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, kind, "%s", "");
    const struct nj_record_terms record_terms = {.outcome = &outcome};
    for (int n = 0;; n++) {
        assert_in_range(n, 0, 100);
        begin(fixture);
        failing->until = n;
        int rc =
            nj_ledger_record(fixture->store, &terms, claim, &record_terms, &fixture->result, &fixture->err);
        bool failed = failing->until < 0 && rc < 0;
        failing->until = -1;
        if (!failed) {
            commit(fixture, rc);
            break;
        }
        fixture->store->ops->rollback(fixture->store);
    }
    nj_claim_free(claim);
}

static void every_call_of_the_store_may_fail(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_store_ops *real = fixture->store->ops;
    struct failing failing = {.ops = *real, .real = *real, .until = -1};
    failing.ops.put_notification = put_or_fail;
    failing.ops.add_notification = add_or_fail;
    failing.ops.each_notification = each_or_fail;
    failing.ops.each_notification_of = each_of_or_fail;
    failing.ops.get_incident = get_incident_or_fail;
    failing.ops.get_crash = get_crash_or_fail;
    failing.ops.add_sent = add_sent_or_fail;
    fixture->store->ops = &failing.ops;

    use_channels(fixture, "robot");
    open_incident(fixture, 1);
    record_against_failures(fixture,
                            claim_against_failures(fixture, "robot", (struct nj_claim_terms){.budget = 9}),
                            NJ_OUTCOME_DONE);
    record_against_failures(
        fixture,
        claim_against_failures(fixture, "robot", (struct nj_claim_terms){.lane = NJ_LANE_FILE, .budget = 9}),
        NJ_OUTCOME_DONE);
    assert_rows(fixture, 1, "robot opened sent parts 3; ");
    use_channels(fixture, "first");
    open_many(fixture, 2, 4);
    record_against_failures(fixture,
                            claim_against_failures(fixture, "first", (struct nj_claim_terms){.budget = 1}),
                            NJ_OUTCOME_REFUSED);
    assert_rows(fixture, 4, "first opened failed; second opened pending; ");
    assert_null(claim_against_failures(fixture, "second", (struct nj_claim_terms){.closed = "it is down"}));
    assert_rows(fixture, 4, "first opened failed; second opened failed (it is down); hook opened pending; ");
    (void)plan(fixture, 4, NJ_TRANSITION_RESOLVED);
    record_against_failures(fixture,
                            claim_against_failures(fixture, "hook", (struct nj_claim_terms){.budget = 1}),
                            NJ_OUTCOME_DONE);
    assert_rows(
        fixture, 4,
        "first opened failed; second opened failed (it is down); hook opened folded; hook resolved folded; ");
    fixture->store->ops = real;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transition_is_planned_once_for_each_channel),
        TEST(a_suppressed_incident_is_told_to_nobody),
        TEST(the_end_is_told_only_where_the_beginning_was),
        TEST(the_end_follows_the_beginning_to_the_fail_over),
        TEST(an_end_that_was_planned_before_the_beginning_failed_follows_it_too),
        TEST(a_lone_alert_is_claimed_at_once_and_told_once),
        TEST(a_claim_that_is_rolled_back_never_happened),
        TEST(what_each_outcome_makes_of_an_alert),
        TEST(retries_wait_longer_each_time_then_the_fail_over_is_told),
        TEST(a_channel_that_failed_too_often_is_not_waited_for),
        TEST(retry_after_is_respected),
        TEST(without_a_fail_over_it_is_tried_for_a_day_then_a_dead_letter),
        TEST(the_end_is_never_told_before_the_beginning),
        TEST(what_a_channel_may_have_is_sent_again_byte_for_byte),
        TEST(an_alert_that_was_too_long_comes_shorter),
        TEST(an_incident_that_was_deleted_is_a_dead_letter),
        TEST(the_log_follows_its_alert_as_a_file),
        TEST(ends_have_no_file_and_neither_have_logs_of_a_few_bytes),
        TEST(a_file_that_fails_never_repeats_its_alert),
        TEST(files_use_only_the_room_that_alerts_leave),
        TEST(more_than_the_rate_allows_becomes_one_digest),
        TEST(a_digest_outlives_a_restart_and_is_neither_lost_nor_repeated),
        TEST(an_end_is_not_told_before_the_digest_with_its_beginning),
        TEST(beginning_and_end_in_one_digest_are_one_line),
        TEST(a_digest_that_cannot_be_sent_fails_over_as_single_alerts),
        TEST(each_part_of_a_digest_is_sent_once),
        TEST(a_part_of_which_nobody_knows_does_not_hold_up_the_others),
        TEST(a_part_that_is_too_long_becomes_two),
        TEST(a_part_that_is_always_too_long_is_given_up),
        TEST(what_was_being_sent_when_the_collector_was_killed),
        TEST(a_file_that_was_being_sent_leaves_its_alert_told),
        TEST(what_was_waiting_is_told_after_a_restart),
        TEST(what_was_planned_before_the_clock_was_set_back_is_told_at_once),
        TEST(a_retry_is_not_put_off_by_a_clock_that_was_set_back),
        TEST(a_retry_is_hurried_when_the_clock_is_seen_to_be_set_back),
        TEST(a_log_file_follows_after_the_clock_was_set_back),
        TEST(a_restart_with_the_clock_set_back_repeats_nothing),
        TEST(rows_of_channels_that_are_gone_become_dead_letters),
        TEST(a_closed_channels_alerts_go_to_the_fail_over_untried),
        TEST(a_closed_channel_without_a_fail_over_keeps_its_alerts_for_a_day),
        TEST(a_closed_channel_gives_away_its_unfinished_digest),
        TEST(a_long_backlog_is_moved_in_pieces),
        TEST(a_digest_leaves_out_what_was_deleted),
        TEST(files_in_any_number_hold_up_no_alert),
        TEST(every_call_of_the_store_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
