/*
 * What is said of an incident after its beginning: repeats, escalations, the end of quiet hours, the daily
 * digest, what mostly is noise, and what Alertmanager is told. On a real store, with the time in the test's
 * hands.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/ledger.h"
#include "collector/notify/pipeline.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"

struct fixture {
    struct folder folder;
    struct nj_collector_config config;
    struct nj_notify_settings *settings;
    struct nj_pipeline *pipeline;
    struct nj_store *store;
    int64_t now_ns;
    int64_t daily_ns;
    struct nj_ledger_result result;
    struct nj_err err;
};

/* Notify's settings beside the channels, and the route's. */
static void use(struct fixture *fixture, const char *settings, const char *route)
{
    const char *at = fixture->folder.path;
    char *yaml = nj_asprintf("notify:\n  public_url: https://nightjar.example/\n  language: en\n%s"
                             "  channels:\n"
                             "  - {name: ops, url_file: %s/robot, attach_log: false}\n"
                             "  - {name: boss, url_file: %s/robot, attach_log: false}\n"
                             "  - {name: am, type: alertmanager, url_file: %s/am}\n"
                             "  routes:\n  - {group: duty, %s}\n",
                             settings, at, at, at, route);
    nj_notify_settings_unref(fixture->settings);
    config_done(&fixture->config);
    load_config(&fixture->config, yaml);
    free(yaml);
    if (nj_notify_settings_new(&fixture->config, &fixture->settings, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    fixture->settings->pipeline = fixture->pipeline;
}

static int set_up(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    begin_folder(&fixture->folder);
    write_file(&fixture->folder, "robot", "http://127.0.0.1:1/cgi-bin/webhook/send?key=k");
    write_file(&fixture->folder, "am", "http://127.0.0.1:1/prefix/");
    fixture->store = open_writer(&fixture->folder);
    fixture->now_ns = noon_ns; /* 09:00 UTC */
    assert_int_equal(nj_pipeline_open(fixture->store, noon_ns, &fixture->pipeline, &fixture->err), 0);
    use(fixture, "", "channels: [ops]");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->ops->close(fixture->store);
    nj_notify_settings_unref(fixture->settings);
    nj_pipeline_free(fixture->pipeline);
    config_done(&fixture->config);
    end_folder(&fixture->folder);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture)
{
    assert_int_equal(fixture->store->ops->begin(fixture->store, &fixture->err), 0);
    fixture->result = (struct nj_ledger_result){.daily_ns = fixture->daily_ns};
}

static void commit(struct fixture *fixture, int rc)
{
    if (rc < 0 || fixture->store->ops->commit(fixture->store, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
}

static void restart(struct fixture *fixture)
{
    fixture->store->ops->close(fixture->store);
    fixture->store = open_writer(&fixture->folder);
    fixture->daily_ns = 0;
}

static void change(struct fixture *fixture, int64_t id, enum nj_transition transition,
                   enum nj_severity severity)
{
    char fingerprint[32];
    bool any = false;
    (void)snprintf(fingerprint, sizeof(fingerprint), "f%d", (int)id);
    struct nj_incident incident = make_incident(id, fingerprint);
    incident.severity = severity;
    incident.crash_id = "";
    incident.first_ns = incident.last_ns = fixture->now_ns;
    if (transition == NJ_TRANSITION_RESOLVED) {
        incident.state = NJ_INCIDENT_RESOLVED;
        incident.revision = 2;
        incident.resolved_ns = fixture->now_ns;
        incident.resolved_cause = "stable";
    }
    begin(fixture);
    int rc = fixture->store->ops->put_incident(fixture->store, &incident, &fixture->err);
    if (rc == 0)
        rc = nj_ledger_plan(fixture->store, fixture->settings, &incident, transition, fixture->now_ns, &any,
                            &fixture->err);
    commit(fixture, rc);
}

static void open_one(struct fixture *fixture, int64_t id)
{
    change(fixture, id, NJ_TRANSITION_OPENED, NJ_SEVERITY_WARNING);
}

static void end_one(struct fixture *fixture, int64_t id)
{
    change(fixture, id, NJ_TRANSITION_RESOLVED, NJ_SEVERITY_WARNING);
}

/* Time passes, and what it brings is done, again and again as after restarts. */
static void pass(struct fixture *fixture, int64_t ns)
{
    fixture->now_ns += ns;
    for (int i = 0; i < 2; i++) {
        begin(fixture);
        commit(fixture, nj_ledger_upkeep(fixture->store, fixture->settings, fixture->now_ns, ns < 0,
                                         &fixture->result, &fixture->err));
        fixture->daily_ns = fixture->result.daily_ns;
        restart(fixture);
    }
}

/* What is sent on a channel now, all of it, one text after the other. */
static char *sent(struct fixture *fixture, const char *channel)
{
    struct nj_buf texts = {0};
    for (int i = 0; i < 20; i++) {
        const struct nj_ledger_terms terms = {.settings = fixture->settings,
                                              .target = nj_notify_target(fixture->settings, channel),
                                              .now_ns = fixture->now_ns};
        const struct nj_claim_terms claim = {.budget = 20};
        struct nj_outcome outcome;
        nj_outcome_set(&outcome, NJ_OUTCOME_DONE, "%s", "");
        const struct nj_record_terms record = {.outcome = &outcome};
        begin(fixture);
        commit(fixture, nj_ledger_claim(fixture->store, &terms, &claim, &fixture->result, &fixture->err));
        struct nj_claim *claimed = fixture->result.claim;
        if (claimed == NULL && !fixture->result.more)
            break;
        if (claimed == NULL)
            continue;
        nj_buf_append(&texts, claimed->delivery.text, claimed->delivery.text_len);
        nj_buf_append_str(&texts, "\n--\n");
        begin(fixture);
        commit(fixture,
               nj_ledger_record(fixture->store, &terms, claimed, &record, &fixture->result, &fixture->err));
        nj_claim_free(claimed);
    }
    return nj_buf_take(&texts);
}

/* Exactly so many messages, and the words are among them. */
static void assert_sent(struct fixture *fixture, const char *channel, int count, const char *words)
{
    char *texts = sent(fixture, channel);
    int found = 0;
    for (const char *at = texts; (at = strstr(at, "\n--\n")) != NULL; at += 4)
        found++;
    if (found != count || strstr(texts, words) == NULL)
        fail_msg("%s: %d messages instead of %d with \"%s\":\n%s", channel, found, count, words, texts);
    free(texts);
}

static void acknowledge(struct fixture *fixture, int64_t id)
{
    begin(fixture);
    commit(fixture, fixture->store->ops->delete_reminders(fixture->store, id, "", false, &fixture->err));
}

/* ---- repeats and escalations */

static void what_lasts_is_told_again_until_it_is_over(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops], repeat: 4h");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    pass(fixture, 4 * NJ_HOUR - 1);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, 1);
    assert_sent(fixture, "ops", 1, "still open");
    pass(fixture, 4 * NJ_HOUR);
    assert_sent(fixture, "ops", 1, "still open");
    end_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "[Resolved]");
    pass(fixture, 40 * NJ_HOUR);
    assert_sent(fixture, "ops", 0, "");
}

static void nobody_is_reminded_of_what_is_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops, am], repeat: 4h, escalate: {after: 15m, channels: [boss]}");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    assert_sent(fixture, "am", 1, "cart");
    acknowledge(fixture, 1);
    pass(fixture, 5 * NJ_HOUR);
    assert_sent(fixture, "ops", 0, "");
    assert_sent(fixture, "boss", 0, "");
    assert_sent(fixture, "am", 1, "cart"); /* which would take it for over */
}

static void what_nobody_acknowledges_is_told_further_with_its_end(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops], escalate: {after: 15m, channels: [ops, boss]}");
    open_one(fixture, 1);
    pass(fixture, 15 * NJ_MIN - 1);
    assert_sent(fixture, "boss", 0, "");
    pass(fixture, 1);
    assert_sent(fixture, "boss", 1, "nobody has acknowledged it");
    assert_sent(fixture, "ops", 1, "cart");
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "boss", 0, "");
    end_one(fixture, 1);
    assert_sent(fixture, "boss", 1, "[Resolved]");
    assert_sent(fixture, "ops", 1, "[Resolved]");
}

static int64_t silence(struct fixture *fixture, int64_t id, int64_t until_ns)
{
    const struct nj_silence silence = {.id = id,
                                       .matchers = "[{\"name\":\"workload\",\"value\":\"cart\"}]",
                                       .author = "li",
                                       .reason = "known",
                                       .from_ns = fixture->now_ns,
                                       .until_ns = until_ns,
                                       .created_ns = fixture->now_ns};
    begin(fixture);
    commit(fixture, fixture->store->ops->put_silence(fixture->store, &silence, &id, &fixture->err));
    assert_int_equal(nj_pipeline_reload(fixture->pipeline, fixture->store, fixture->now_ns, &fixture->err),
                     0);
    return id;
}

static void a_silence_that_comes_later_holds_back_what_follows(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops], repeat: 1h, escalate: {after: 15m, channels: [boss]}");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    fixture->now_ns += NJ_MIN;
    int64_t id = silence(fixture, 0, fixture->now_ns + 10 * NJ_HOUR);
    change(fixture, 1, NJ_TRANSITION_WORSENED, NJ_SEVERITY_CRITICAL);
    for (int minute = 0; minute < 120; minute++) {
        pass(fixture, NJ_MIN);
        assert_sent(fixture, "ops", 0, "");
        assert_sent(fixture, "boss", 0, "");
    }
    /* Ended early: what follows is late by a minute at most, and each is told once. */
    (void)silence(fixture, id, fixture->now_ns);
    pass(fixture, NJ_MIN);
    assert_sent(fixture, "boss", 1, "nobody has acknowledged it");
    assert_sent(fixture, "ops", 1, "still open");
    pass(fixture, NJ_HOUR - NJ_MIN);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, NJ_MIN);
    assert_sent(fixture, "ops", 1, "still open");
    assert_sent(fixture, "boss", 0, "");
}

static void what_worsens_under_a_silence_is_told_when_that_is_over(void **state)
{
    struct fixture *fixture = *state;
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    (void)silence(fixture, 0, fixture->now_ns + NJ_HOUR);
    change(fixture, 1, NJ_TRANSITION_WORSENED, NJ_SEVERITY_CRITICAL);
    pass(fixture, NJ_HOUR - 1);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, 1);
    assert_sent(fixture, "ops", 1, "[Critical]");
    pass(fixture, 4 * NJ_HOUR);
    assert_sent(fixture, "ops", 0, "");
}

static void alertmanager_keeps_quiet_hours(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [am], quiet: {from: \"08:00\", to: \"10:00\"}");
    open_one(fixture, 1);
    for (int minute = 0; minute < 59; minute++) {
        pass(fixture, NJ_MIN);
        assert_sent(fixture, "am", 0, "");
    }
    pass(fixture, 2 * NJ_MIN);
    char *texts = sent(fixture, "am");
    assert_non_null(strstr(texts, "cart"));
    free(texts);
}

static void what_is_over_in_time_is_not_told_further(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops], escalate: {after: 15m, channels: [boss]}");
    open_one(fixture, 1);
    pass(fixture, 10 * NJ_MIN);
    end_one(fixture, 1);
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "boss", 0, "");
}

static void a_clock_that_is_set_back_delays_no_repeat_for_long(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", "channels: [ops], repeat: 1h");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    pass(fixture, -30 * NJ_DAY);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "ops", 1, "still open");
}

/* ---- quiet hours */

#define QUIET "channels: [ops], quiet: {from: '22:00', to: '08:00', zone: '+08:00'}"

static void quiet_hours_end_with_one_digest(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", QUIET);
    open_one(fixture, 1); /* 17:00 there */
    assert_sent(fixture, "ops", 1, "cart");
    pass(fixture, 6 * NJ_HOUR); /* 23:00 */
    open_one(fixture, 2);
    open_one(fixture, 3);
    change(fixture, 4, NJ_TRANSITION_OPENED, NJ_SEVERITY_CRITICAL);
    assert_sent(fixture, "ops", 1, "[Critical]");
    pass(fixture, NJ_HOUR);
    end_one(fixture, 3);
    pass(fixture, 8 * NJ_HOUR - 1);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, 1); /* 08:00 */
    assert_sent(fixture, "ops", 1, "[Digest] 1 alerts, 1 resolved");
    pass(fixture, NJ_DAY);
    assert_sent(fixture, "ops", 0, "");
}

static void what_becomes_critical_wakes_people(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", QUIET);
    pass(fixture, 6 * NJ_HOUR);
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 0, "");
    change(fixture, 1, NJ_TRANSITION_WORSENED, NJ_SEVERITY_CRITICAL);
    assert_sent(fixture, "ops", 1, "[Critical]");
}

static void nothing_is_repeated_in_quiet_hours(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, "", QUIET ", repeat: 6h");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart");
    pass(fixture, 6 * NJ_HOUR); /* 23:00 there */
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, 9 * NJ_HOUR);
    assert_sent(fixture, "ops", 1, "still open");
}

/* ---- the daily digest */

#define DAILY "  digest: {at: '09:30', channels: [boss]}\n"

static void the_day_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, DAILY, "channels: [ops]");
    open_one(fixture, 1);
    open_one(fixture, 2);
    end_one(fixture, 2);
    pass(fixture, 30 * NJ_MIN);
    assert_sent(fixture, "boss", 1, "[Digest] 1 alerts, 1 resolved");
    pass(fixture, NJ_MIN);
    assert_sent(fixture, "boss", 0, "");
    pass(fixture, -NJ_HOUR);
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "boss", 0, "");
    pass(fixture, 3 * NJ_DAY); /* nothing happened on the last of them */
    assert_sent(fixture, "boss", 0, "");
}

/* At the moment before nobody hears of anything, and then of one message. */
static void assert_sent_at(struct fixture *fixture, const char *channel, const char *time)
{
    int64_t at_ns = 0;
    assert_int_equal(nj_time_parse(time, (size_t)-1, &at_ns), 0);
    pass(fixture, at_ns - 1 - fixture->now_ns);
    assert_sent(fixture, channel, 0, "");
    pass(fixture, 1);
    assert_sent(fixture, channel, 1, "cart");
}

static void hours_and_days_are_those_of_their_zones_clocks(void **state)
{
    struct fixture *fixture = *state;
    /* Half past eleven in the evening; seven and nine in the morning after the clocks were put forward, and
     * back. */
    static const char *const nights[][3] = {
        {"2027-03-27T22:30:00Z", "2027-03-28T05:00:00Z", "2027-03-28T07:00:00Z"},
        {"2027-10-30T21:30:00Z", "2027-10-31T06:00:00Z", "2027-10-31T08:00:00Z"},
    };
    use(fixture, "  digest: {at: \"09:00\", zone: Europe/Berlin, channels: [boss]}\n",
        "channels: [ops], quiet: {from: \"22:00\", to: \"07:00\", zone: Europe/Berlin}");
    for (size_t i = 0; i < sizeof(nights) / sizeof(nights[0]); i++) {
        int64_t evening_ns = 0;
        assert_int_equal(nj_time_parse(nights[i][0], (size_t)-1, &evening_ns), 0);
        pass(fixture, evening_ns - fixture->now_ns);
        open_one(fixture, (int64_t)i + 1);
        assert_sent_at(fixture, "ops", nights[i][1]);
        assert_sent_at(fixture, "boss", nights[i][2]);
    }
}

static void what_begins_after_the_days_digest_is_the_next_days(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, DAILY, "channels: [ops]");
    pass(fixture, 31 * NJ_MIN); /* it has come, and there was nothing to tell */
    open_one(fixture, 1);
    restart(fixture); /* which looks for a digest that is late */
    pass(fixture, NJ_MIN);
    assert_sent(fixture, "boss", 0, "");
    pass(fixture, NJ_DAY);
    assert_sent(fixture, "boss", 1, "[Digest] 1 alerts, 0 resolved");
}

static void what_mostly_is_noise_is_in_the_daily_digest_alone(void **state)
{
    struct fixture *fixture = *state;
    struct nj_incident incident = make_incident(1, "a");
    char class[NJ_RULE_REASON_MAX];
    nj_rule_class("crash", incident.reason, class);
    begin(fixture);
    for (int64_t id = 101; id <= 105; id++) {
        const struct nj_mark mark = {.incident_id = id, .kind = "crash", .reason = class, .author = "li"};
        assert_int_equal(fixture->store->ops->put_mark(fixture->store, &mark, &fixture->err), 0);
    }
    commit(fixture, nj_pipeline_reload(fixture->pipeline, fixture->store, fixture->now_ns, &fixture->err));
    use(fixture, DAILY, "channels: [ops]");
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, "cart"); /* flagged, and no more than that */
    use(fixture, DAILY "  demote: true\n", "channels: [ops]");
    open_one(fixture, 2);
    assert_sent(fixture, "ops", 0, "");
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "boss", 1, "#2");
}

/* ---- links */

static void an_alert_has_links_and_its_end_only_that_for_its_use(void **state)
{
    struct fixture *fixture = *state;
    char token[NJ_LINK_TOKEN_MAX];
    nj_link_token(fixture->pipeline, "ack", 1, token);
    char *link = nj_asprintf("[Acknowledge](https://nightjar.example/ack/1?t=%s)", token);
    open_one(fixture, 1);
    assert_sent(fixture, "ops", 1, link);
    end_one(fixture, 1);
    char *text = sent(fixture, "ops");
    assert_null(strstr(text, "/ack/1"));
    assert_non_null(strstr(text, "https://nightjar.example/mark/1?t="));
    free(text);
    free(link);
}

/* ---- Alertmanager */

static json_object *alert_of(struct fixture *fixture, size_t count, size_t i, json_object **ret_list)
{
    char *text = sent(fixture, "am");
    char *end = strstr(text, "\n--\n");
    assert_non_null(end);
    *end = '\0';
    *ret_list = json_tokener_parse(text);
    assert_non_null(*ret_list);
    assert_int_equal(json_object_array_length(*ret_list), count);
    assert_null(strstr(end + 1, "\n--\n"));
    free(text);
    return json_object_array_get_idx(*ret_list, i);
}

static const char *label(json_object *alert, const char *group, const char *name)
{
    json_object *value = json_object_object_get(alert, group);
    return json_object_get_string(json_object_object_get(value, name));
}

static const char *text_of(json_object *alert, const char *name)
{
    return json_object_get_string(json_object_object_get(alert, name));
}

static void alertmanager_hears_every_minute_what_is_open_and_then_its_end(void **state)
{
    struct fixture *fixture = *state;
    json_object *list = NULL;
    use(fixture, "", "channels: [am]");
    open_one(fixture, 1);
    json_object *alert = alert_of(fixture, 1, 0, &list);
    assert_string_equal(label(alert, "labels", "alertname"), "crash");
    assert_string_equal(label(alert, "labels", "severity"), "warning");
    assert_string_equal(label(alert, "labels", "namespace"), "shop");
    assert_string_equal(label(alert, "labels", "workload"), "cart");
    assert_non_null(strstr(label(alert, "annotations", "summary"), "shop/cart"));
    assert_string_equal(text_of(alert, "startsAt"), "2026-11-21T09:00:00.000Z");
    assert_string_equal(text_of(alert, "endsAt"), "2026-11-21T09:04:00.000Z");
    assert_string_equal(text_of(alert, "generatorURL"), "https://nightjar.example/incidents/1");
    (void)json_object_put(list);

    open_one(fixture, 2);
    pass(fixture, NJ_MIN);
    assert_sent(fixture, "am", 2,
                "\"endsAt\":\"2026-11-21T09:05:00.000Z\""); /* the new one, and both again */
    pass(fixture, NJ_MIN);
    alert = alert_of(fixture, 2, 1, &list);
    assert_string_equal(text_of(alert, "endsAt"), "2026-11-21T09:06:00.000Z");
    (void)json_object_put(list);

    end_one(fixture, 1);
    alert = alert_of(fixture, 1, 0, &list);
    assert_string_equal(text_of(alert, "endsAt"), "2026-11-21T09:02:00.000Z");
    (void)json_object_put(list);
    pass(fixture, NJ_MIN);
    (void)alert_of(fixture, 1, 0, &list);
    (void)json_object_put(list);
    end_one(fixture, 2);
    assert_sent(fixture, "am", 1, "endsAt");
    pass(fixture, NJ_HOUR);
    assert_sent(fixture, "am", 0, "");
}

static int count_of(const char *text, const char *words)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        found++;
    return found;
}

static void alertmanager_hears_of_all_that_is_open_however_many(void **state)
{
    struct fixture *fixture = *state;
    enum { MANY = NJ_LEDGER_REMINDERS_MAX + 20 };
    use(fixture, "", "channels: [am]");
    for (int64_t id = 1; id <= MANY; id++)
        open_one(fixture, id);
    free(sent(fixture, "am"));
    free(sent(fixture, "am"));
    assert_sent(fixture, "am", 0, "");
    for (int minute = 0; minute < 3; minute++) {
        pass(fixture, NJ_MIN);
        char *texts = sent(fixture, "am");
        assert_int_equal(count_of(texts, "\"endsAt\""), MANY);
        free(texts);
    }
    /* It was away: what was said minutes ago is not said again when it is back, but what is so now. */
    for (int minute = 0; minute < 10; minute++)
        pass(fixture, NJ_MIN);
    char *texts = sent(fixture, "am");
    char ends[NJ_TIME_TEXT_MAX];
    assert_int_equal(count_of(texts, "\"endsAt\""), MANY);
    assert_int_equal(count_of(texts, nj_time_format(fixture->now_ns + 4 * NJ_MIN, ends)), MANY);
    free(texts);
}

/* What is claimed on a channel now meets this outcome. */
static void meet(struct fixture *fixture, const char *channel, enum nj_outcome_kind kind)
{
    const struct nj_ledger_terms terms = {.settings = fixture->settings,
                                          .target = nj_notify_target(fixture->settings, channel),
                                          .now_ns = fixture->now_ns};
    const struct nj_claim_terms claim = {.budget = 20};
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, kind, "%s", "away");
    const struct nj_record_terms record = {.outcome = &outcome};
    begin(fixture);
    commit(fixture, nj_ledger_claim(fixture->store, &terms, &claim, &fixture->result, &fixture->err));
    struct nj_claim *claimed = fixture->result.claim;
    assert_non_null(claimed);
    begin(fixture);
    commit(fixture,
           nj_ledger_record(fixture->store, &terms, claimed, &record, &fixture->result, &fixture->err));
    nj_claim_free(claimed);
}

static void what_is_over_is_not_told_to_alertmanager_as_open(void **state)
{
    struct fixture *fixture = *state;
    static const enum nj_outcome_kind outcomes[] = {NJ_OUTCOME_RETRY,    NJ_OUTCOME_UNCERTAIN,
                                                    NJ_OUTCOME_REFUSED,  NJ_OUTCOME_DOWN,
                                                    NJ_OUTCOME_RELEASED, NJ_OUTCOME_WAIT};
    use(fixture, "", "channels: [am]");
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        int64_t id = (int64_t)i + 1;
        open_one(fixture, id);
        assert_sent(fixture, "am", 1, "cart");
        pass(fixture, NJ_MIN);
        meet(fixture, "am", outcomes[i]); /* that it is open still */
        end_one(fixture, id);
        assert_sent(fixture, "am", 1, "cart");
        pass(fixture, NJ_MIN);
        assert_sent(fixture, "am", 0, "");
        pass(fixture, NJ_DAY);
        assert_sent(fixture, "am", 0, "");
    }
}

static void alertmanager_is_asked_at_its_second_interface(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *target = nj_notify_target(fixture->settings, "am");
    const struct nj_delivery delivery = {.key = "k", .text = "[]", .text_len = 2};
    const struct nj_sending sending = {.delivery = &delivery};
    struct nj_channel_request request = {0};
    target->ops->request(target, &sending, NJ_STEP_SEND, &request);
    assert_string_equal(nj_buf_str(&request.url), "http://127.0.0.1:1/prefix/api/v2/alerts");
    assert_string_equal(request.method, "POST");
    assert_string_equal(nj_buf_str(&request.body), "[]");
    nj_channel_request_done(&request);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_lasts_is_told_again_until_it_is_over),
        TEST(nobody_is_reminded_of_what_is_acknowledged),
        TEST(what_nobody_acknowledges_is_told_further_with_its_end),
        TEST(a_silence_that_comes_later_holds_back_what_follows),
        TEST(what_worsens_under_a_silence_is_told_when_that_is_over),
        TEST(alertmanager_keeps_quiet_hours),
        TEST(what_is_over_in_time_is_not_told_further),
        TEST(a_clock_that_is_set_back_delays_no_repeat_for_long),
        TEST(quiet_hours_end_with_one_digest),
        TEST(what_becomes_critical_wakes_people),
        TEST(nothing_is_repeated_in_quiet_hours),
        TEST(the_day_is_told_once),
        TEST(hours_and_days_are_those_of_their_zones_clocks),
        TEST(what_begins_after_the_days_digest_is_the_next_days),
        TEST(what_mostly_is_noise_is_in_the_daily_digest_alone),
        TEST(an_alert_has_links_and_its_end_only_that_for_its_use),
        TEST(alertmanager_hears_every_minute_what_is_open_and_then_its_end),
        TEST(alertmanager_hears_of_all_that_is_open_however_many),
        TEST(what_is_over_is_not_told_to_alertmanager_as_open),
        TEST(alertmanager_is_asked_at_its_second_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
