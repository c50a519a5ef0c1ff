/*
 * Telling of failing checks: they wait for what fails with them, what is over by then is told to nobody, and
 * a Service that goes down after that is told once more. On a real store, with the time in the test's hands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"

struct fixture {
    struct folder folder;
    struct nj_collector_config config;
    struct nj_notify_settings *settings;
    struct nj_store *store;
    int64_t now_ns;
    uint64_t revision;
    bool down;                      /* since it has worsened */
    struct nj_ledger_result result; /* of the last call */
    struct nj_err err;
};

static const char yaml_format[] =
    "notify:\n"
    "  channels:\n"
    "  - {name: plain, url_file: %s/robot, attach_log: false}\n"
    "  - {name: first, url_file: %s/robot, attach_log: false, retries: 0, failover: second}\n"
    "  - {name: second, url_file: %s/robot, attach_log: false}\n"
    "  - {name: phone, url_file: %s/robot, attach_log: false}\n"
    "  routes:\n"
    "  - {group: grave, severity: critical, channels: [phone], proceed: true}\n"
    "  - {group: g, channels: [%s]}\n";

static void use_channels(struct fixture *fixture, const char *channels)
{
    const char *at = fixture->folder.path;
    char *yaml = nj_asprintf(yaml_format, at, at, at, at, channels);
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

/* What ingest does with a transition of incident 1. */
static void plan(struct fixture *fixture, enum nj_transition transition)
{
    struct nj_incident incident = make_incident(1, "f");
    fixture->down |= transition == NJ_TRANSITION_WORSENED;
    bool down = fixture->down, any = false;
    incident.kind = NJ_INCIDENT_PROBE;
    incident.workload_kind = "Service";
    incident.workload = "web";
    incident.container = incident.crash_id = "";
    incident.reason = down ? "AllFail" : "SomeFail";
    incident.severity = down ? NJ_SEVERITY_CRITICAL : NJ_SEVERITY_WARNING;
    incident.targets_failing = down ? 2 : 1;
    incident.targets_total = 2;
    incident.step = "login";
    incident.revision = ++fixture->revision;
    if (transition == NJ_TRANSITION_RESOLVED) {
        incident.state = NJ_INCIDENT_RESOLVED;
        incident.resolved_ns = fixture->now_ns;
        incident.resolved_cause = "passing";
    }
    begin(fixture);
    int rc = fixture->store->ops->put_incident(fixture->store, &incident, &fixture->err);
    if (rc == 0)
        rc = nj_ledger_plan(fixture->store, fixture->settings, &incident, transition, fixture->now_ns, &any,
                            &fixture->err);
    commit(fixture, rc);
}

static void put_subject(struct fixture *fixture, const char *uid, const char *name)
{
    const struct nj_incident_subject subject = {
        .pod_uid = uid, .container = "m|t", .pod = name, .since_ns = fixture->now_ns};
    begin(fixture);
    commit(fixture, fixture->store->ops->put_subject(fixture->store, 1, &subject, true, &fixture->err));
}

static struct nj_ledger_terms terms_of(const struct fixture *fixture, const char *channel)
{
    return (struct nj_ledger_terms){.settings = fixture->settings,
                                    .target = nj_notify_target(fixture->settings, channel),
                                    .now_ns = fixture->now_ns};
}

static struct nj_claim *claim(struct fixture *fixture, const char *channel)
{
    const struct nj_ledger_terms terms = terms_of(fixture, channel);
    const struct nj_claim_terms wanted = {.budget = 20};
    begin(fixture);
    commit(fixture, nj_ledger_claim(fixture->store, &terms, &wanted, &fixture->result, &fixture->err));
    return fixture->result.claim;
}

static void record(struct fixture *fixture, struct nj_claim *claim, enum nj_outcome_kind kind)
{
    assert_non_null(claim);
    struct nj_outcome outcome;
    const struct nj_ledger_terms terms = terms_of(fixture, claim->row.channel);
    nj_outcome_set(&outcome, kind, "%s", "");
    const struct nj_record_terms record = {.outcome = &outcome};
    begin(fixture);
    commit(fixture,
           nj_ledger_record(fixture->store, &terms, claim, &record, &fixture->result, &fixture->err));
    nj_claim_free(claim);
}

/* The channel's next message is sent; it has these words. */
static void assert_told(struct fixture *fixture, const char *channel, const char *words)
{
    struct nj_claim *claimed = claim(fixture, channel);
    if (claimed == NULL) {
        fail_msg("nothing is told on %s", channel);
        return;
    }
    if (strstr(claimed->delivery.text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, claimed->delivery.text);
    record(fixture, claimed, NJ_OUTCOME_DONE);
}

static int add_row(void *data, const struct nj_notification *row)
{
    char line[128];
    struct nj_buf *out = data, all = {0};
    (void)snprintf(line, sizeof(line), "%s %s %s; ", row->channel, row->transition,
                   nj_notification_status_name(row->status));
    nj_buf_append_str(&all, line);
    nj_buf_append(&all, nj_buf_str(out), out->len);
    nj_buf_done(out);
    *out = all;
    return 0;
}

static void assert_rows(struct fixture *fixture, const char *wanted)
{
    struct nj_buf out = {0};
    assert_int_equal(
        fixture->store->ops->each_notification_of(fixture->store, 1, 100, add_row, &out, &fixture->err), 0);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
}

static void failing_checks_wait_for_what_fails_with_them(void **state)
{
    struct fixture *fixture = *state;
    put_subject(fixture, "u1", "web-1");
    plan(fixture, NJ_TRANSITION_OPENED);
    assert_null(claim(fixture, "plain"));
    assert_int_equal(fixture->result.wake_ns, noon_ns + 2 * NJ_SEC);
    /* By then all fail: that is what is told, once. */
    fixture->now_ns += NJ_SEC;
    put_subject(fixture, "u2", "web-2");
    put_subject(fixture, "u3", "web-2");
    plan(fixture, NJ_TRANSITION_WORSENED);
    assert_rows(fixture, "plain opened pending; phone worsened pending; ");
    fixture->now_ns += NJ_SEC;
    assert_told(fixture, "plain", "服务不可用：shop/web");
    assert_null(claim(fixture, "plain"));
    /* Who is told of critical ones only hears of it now. */
    assert_null(claim(fixture, "phone"));
    fixture->now_ns += NJ_SEC;
    assert_told(fixture, "phone", "失败目标：web-1, web-2\n");
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_told(fixture, "plain", "恢复");
    assert_told(fixture, "phone", "恢复");
}

static void what_is_over_within_the_wait_is_told_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += 2 * NJ_SEC - 1;
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_rows(fixture, "plain opened withdrawn; ");
    fixture->now_ns += NJ_MIN;
    assert_null(claim(fixture, "plain"));
    assert_int_equal(fixture->result.wake_ns, INT64_MAX);
}

static void what_waits_for_another_reason_is_told_though_it_is_over(void **state)
{
    struct fixture *fixture = *state;
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += 2 * NJ_SEC;
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_rows(fixture, "plain opened pending; plain resolved pending; ");
    assert_told(fixture, "plain", "部分拨测失败");
    assert_told(fixture, "plain", "恢复");
}

static void a_clock_that_was_set_back_withdraws_nothing(void **state)
{
    struct fixture *fixture = *state;
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns -= 2 * NJ_HOUR;
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_rows(fixture, "plain opened pending; plain resolved pending; ");
    assert_told(fixture, "plain", "部分拨测失败");
}

static void a_service_that_goes_down_later_is_told_once_more(void **state)
{
    struct fixture *fixture = *state;
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += NJ_MIN;
    assert_told(fixture, "plain", "部分拨测失败");
    plan(fixture, NJ_TRANSITION_WORSENED);
    fixture->now_ns += NJ_MIN;
    assert_told(fixture, "plain", "变化：由部分失败变为全部失败\n");
    /* Up and down again: at most once for an incident. */
    plan(fixture, NJ_TRANSITION_WORSENED);
    assert_rows(fixture, "plain opened sent; phone worsened pending; plain worsened sent; ");
    fixture->now_ns += NJ_MIN;
    assert_null(claim(fixture, "plain"));
}

static void a_worsening_that_is_over_at_once_is_told_as_the_end(void **state)
{
    struct fixture *fixture = *state;
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += NJ_MIN;
    assert_told(fixture, "plain", "部分拨测失败");
    plan(fixture, NJ_TRANSITION_WORSENED);
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_rows(fixture, "plain opened sent; phone worsened withdrawn; plain worsened withdrawn; "
                         "plain resolved pending; ");
    assert_told(fixture, "plain", "恢复");
}

static void a_worsening_follows_to_the_fail_over_and_so_does_the_end(void **state)
{
    struct fixture *fixture = *state;
    use_channels(fixture, "first");
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += NJ_MIN;
    record(fixture, claim(fixture, "first"), NJ_OUTCOME_REFUSED);
    assert_told(fixture, "second", "部分拨测失败");
    plan(fixture, NJ_TRANSITION_WORSENED);
    fixture->now_ns += NJ_MIN;
    /* Meanwhile the first one is mended: it was told of the trouble, so it is told of the end. */
    assert_told(fixture, "first", "变化");
    plan(fixture, NJ_TRANSITION_RESOLVED);
    assert_told(fixture, "first", "恢复");
    assert_told(fixture, "second", "恢复");
}

static void without_a_wait_it_is_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings->probe_wait_ns = 0;
    plan(fixture, NJ_TRANSITION_OPENED);
    assert_told(fixture, "plain", "部分拨测失败");
}

static void very_many_targets_are_named_in_part(void **state)
{
    struct fixture *fixture = *state;
    char uid[16], name[32];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(uid, sizeof(uid), "u%d", i);
        (void)snprintf(name, sizeof(name), "web-%d", i);
        put_subject(fixture, uid, name);
    }
    plan(fixture, NJ_TRANSITION_OPENED);
    fixture->now_ns += NJ_MIN;
    assert_told(fixture, "plain", "web-26, ...\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failing_checks_wait_for_what_fails_with_them),
        TEST(what_is_over_within_the_wait_is_told_to_nobody),
        TEST(what_waits_for_another_reason_is_told_though_it_is_over),
        TEST(a_clock_that_was_set_back_withdraws_nothing),
        TEST(a_service_that_goes_down_later_is_told_once_more),
        TEST(a_worsening_that_is_over_at_once_is_told_as_the_end),
        TEST(a_worsening_follows_to_the_fail_over_and_so_does_the_end),
        TEST(without_a_wait_it_is_told_at_once),
        TEST(very_many_targets_are_named_in_part),
    };
    return cmocka_run_group_tests_name("collector/notify/checks", tests, NULL, NULL);
}
