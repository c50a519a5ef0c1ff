/*
 * What people say about alerts by REST and by the links in messages: silences, acknowledgements, marks; and
 * what becomes of the rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/unit/collector/api_support.h"

#define JSON "application/json"
#define FORM "application/x-www-form-urlencoded"

static void post(struct api_setup *setup, struct reply *reply, const char *target, const char *type,
                 const char *body)
{
    *reply = (struct reply){0};
    reply_start_body(setup, reply, "POST", target, "Host: localhost\r\n", type, body);
    reply_wait(setup, reply);
}

static int post_status(struct api_setup *setup, const char *target, const char *type, const char *body)
{
    struct reply reply;
    post(setup, &reply, target, type, body);
    int status = reply.status;
    reply_done(setup, &reply);
    return status;
}

static void open_with_incident(struct api_setup *setup)
{
    struct nj_incident incident = make_incident(1, "a");
    api_put_incident(setup, &incident);
    api_open(setup);
}

static bool is_silenced(struct api_setup *setup, int64_t now_ns)
{
    struct nj_incident incident = make_incident(1, "a");
    char reason[NJ_SILENCE_REASON_MAX];
    bool silenced = nj_silences_match(setup->pipeline, &incident, now_ns, reason, sizeof(reason));
    if (silenced)
        assert_string_equal(reason, "silence 1");
    return silenced;
}

#define MATCHERS "\"matchers\":[{\"name\":\"namespace\",\"value\":\"shop\"}]"
#define SILENCE "{" MATCHERS ",\"author\":\"li\",\"reason\":\"update\",\"until\":\"2026-11-21T11:00:00Z\"}"

/* ---- silences */

static void a_silence_holds_from_its_answer_until_its_end(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_incident(setup);
    assert_false(is_silenced(setup, noon_ns));
    post(setup, &reply, "/api/v1/silences", JSON, SILENCE);
    assert_int_equal(reply.status, 201);
    assert_string_equal(field(reply.json, "id"), "1");
    assert_string_equal(field(reply.json, "state"), "active");
    assert_string_equal(field(reply.json, "author"), "li");
    assert_string_equal(field(reply.json, "until"), "2026-11-21T11:00:00.000Z");
    reply_done(setup, &reply);
    assert_true(is_silenced(setup, noon_ns));
    assert_true(is_silenced(setup, noon_ns + 2 * NJ_HOUR - 1));
    assert_false(is_silenced(setup, noon_ns + 2 * NJ_HOUR));
    assert_int_equal(nj_silences_active(setup->pipeline, noon_ns), 1);
}

static void a_deleted_silence_is_over_and_kept(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_incident(setup);
    assert_int_equal(post_status(setup, "/api/v1/silences", JSON, SILENCE), 201);
    assert_list(setup, "/api/v1/silences?state=active", "id", "1 ");
    setup->clock = noon_ns + NJ_MIN;
    request(setup, &reply, "DELETE", "/api/v1/silences/1", "Host: localhost\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "state"), "expired");
    reply_done(setup, &reply);
    assert_false(is_silenced(setup, noon_ns + NJ_MIN));
    assert_list(setup, "/api/v1/silences?state=active", "id", "");
    assert_list(setup, "/api/v1/silences", "state", "expired ");
    request(setup, &reply, "DELETE", "/api/v1/silences/9", "Host: localhost\r\n");
    assert_problem(setup, &reply, 404, "there is no silence 9");
}

static void a_silence_survives_a_restart(void **state)
{
    struct api_setup *setup = *state;
    open_with_incident(setup);
    assert_int_equal(post_status(setup, "/api/v1/silences", JSON, SILENCE), 201);
    struct nj_pipeline *again = NULL;
    struct nj_incident incident = make_incident(1, "a");
    char reason[NJ_SILENCE_REASON_MAX], token[NJ_LINK_TOKEN_MAX];
    nj_link_token(setup->pipeline, "ack", 7, token);
    api_close(setup);
    assert_int_equal(nj_pipeline_open(setup->writer, noon_ns, &again, NULL), 0);
    assert_true(nj_silences_match(again, &incident, noon_ns, reason, sizeof(reason)));
    assert_true(nj_link_token_is(again, "ack", 7, token));
    nj_pipeline_free(again);
}

static void what_no_silence_is_gets_said(void **state)
{
    struct api_setup *setup = *state;
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"{}", "are needed"},
        {"{" MATCHERS ",\"author\":\"li\",\"reason\":\"  \",\"until\":\"2026-11-21T11:00:00Z\"}",
         "are needed"},
        {"{" MATCHERS ",\"author\":\"li\",\"until\":\"2026-11-21T11:00:00Z\"}", "are needed"},
        {"{" MATCHERS ",\"author\":\"li\",\"reason\":\"r\"}", "are needed"},
        {"{" MATCHERS ",\"author\":\"li\",\"reason\":\"r\",\"until\":\"tomorrow\"}", "until"},
        {"{" MATCHERS ",\"author\":\"li\",\"reason\":\"r\",\"until\":\"2026-11-21T08:00:00Z\"}",
         "later than from"},
        {"{" MATCHERS ",\"author\":\"li\",\"reason\":\"r\",\"until\":\"2036-11-21T08:00:00Z\"}", "366 days"},
        {"{\"matchers\":[],\"author\":\"li\",\"reason\":\"r\",\"until\":\"2026-11-21T11:00:00Z\"}",
         "1 to 20"},
        {"{" MATCHERS ",\"author\":1}", "author"},
        {"{" MATCHERS ",\"colour\":1}", "'colour'"},
    };
    open_with_incident(setup);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply reply;
        post(setup, &reply, "/api/v1/silences", JSON, cases[i].body);
        assert_problem(setup, &reply, 400, cases[i].words);
    }
    struct reply reply;
    post(setup, &reply, "/api/v1/silences", "text/plain", SILENCE);
    assert_problem(setup, &reply, 415, "application/json");
    assert_get_problem(setup, "/api/v1/silences?state=old", 400, "state");
    assert_list(setup, "/api/v1/silences", "id", "");
}

static void there_are_so_many_silences_and_no_more(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_incident(setup);
    for (int i = 0; i < NJ_SILENCES_MAX; i++)
        assert_int_equal(post_status(setup, "/api/v1/silences", JSON, SILENCE), 201);
    post(setup, &reply, "/api/v1/silences", JSON, SILENCE);
    assert_problem(setup, &reply, 409, "there are 1000 silences already that are not over");
    /* One that is over makes room. */
    request(setup, &reply, "DELETE", "/api/v1/silences/1", "Host: localhost\r\n");
    assert_int_equal(reply.status, 200);
    reply_done(setup, &reply);
    setup->clock = noon_ns + 1;
    assert_int_equal(post_status(setup, "/api/v1/silences", JSON, SILENCE), 201);
}

/* ---- acknowledgements and marks */

static void the_first_acknowledgement_counts(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_incident(setup);
    assert_get_problem(setup, "/api/v1/incidents/1/acknowledge", 404, "not acknowledged");
    post(setup, &reply, "/api/v1/incidents/1/acknowledge", JSON, "{\"by\":\"li\",\"note\":\"on it\"}");
    assert_int_equal(reply.status, 201);
    reply_done(setup, &reply);
    post(setup, &reply, "/api/v1/incidents/1/acknowledge", JSON, "{\"by\":\"wang\"}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(field(reply.json, "by"), "li");
    assert_string_equal(field(reply.json, "note"), "on it");
    reply_done(setup, &reply);
    assert_int_equal(post_status(setup, "/api/v1/incidents/2/acknowledge", JSON, "{\"by\":\"li\"}"), 404);
    assert_int_equal(post_status(setup, "/api/v1/incidents/1/acknowledge", JSON, "{}"), 400);
    get(setup, &reply, "/api/v1/incidents/1/acknowledge");
    assert_string_equal(field(reply.json, "by"), "li");
    reply_done(setup, &reply);
}

static int note_reminder(void *data, const struct nj_reminder *reminder)
{
    (void)reminder;
    ++*(int *)data;
    return 0;
}

static void who_acknowledges_is_not_reminded(void **state)
{
    struct api_setup *setup = *state;
    const struct nj_reminder reminder = {.incident_id = 1, .channel = "boss", .at_ns = 1, .every_ns = 1};
    int left = 0;
    open_with_incident(setup);
    api_begin(setup);
    assert_int_equal(setup->writer->ops->put_reminder(setup->writer, &reminder, NULL), 0);
    api_commit(setup);
    assert_int_equal(post_status(setup, "/api/v1/incidents/1/acknowledge", JSON, "{\"by\":\"li\"}"), 201);
    assert_int_equal(
        setup->reader->ops->each_reminder(setup->reader, INT64_MAX, 10, note_reminder, &left, NULL), 0);
    assert_int_equal(left, 0);
}

static char *link_of(struct api_setup *setup, const char *path, const char *purpose, int64_t id)
{
    char token[NJ_LINK_TOKEN_MAX];
    nj_link_token(setup->pipeline, purpose, id, token);
    return nj_asprintf("/%s/%d?t=%s", path, (int)id, token);
}

static void looking_at_a_link_changes_nothing_and_its_button_acknowledges(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    open_with_incident(setup);
    char *link = link_of(setup, "ack", "ack", 1);
    get(setup, &reply, link);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "<button"));
    assert_non_null(strstr(reply.body, "shop"));
    assert_non_null(strstr(reply.bytes.data, "form-action 'self'"));
    reply_done(setup, &reply);
    assert_get_problem(setup, "/api/v1/incidents/1/acknowledge", 404, "not acknowledged");
    assert_int_equal(post_status(setup, link, FORM, ""), 200);
    get(setup, &reply, "/api/v1/incidents/1/acknowledge");
    assert_string_equal(field(reply.json, "by"), "link");
    reply_done(setup, &reply);
    assert_int_equal(post_status(setup, link, FORM, ""), 200);
    free(link);
}

static void a_link_is_good_for_its_incident_and_purpose_alone(void **state)
{
    struct api_setup *setup = *state;
    open_with_incident(setup);
    char *wrong[] = {link_of(setup, "ack", "mark", 1),
                     link_of(setup, "mark", "ack", 1),
                     nj_strdup("/ack/1"),
                     nj_strdup("/ack/1?t="),
                     nj_strdup("/ack/x?t=aaaa"),
                     nj_strdup("/ack/1?t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_get_problem(setup, wrong[i], 403, "not a right one");
        assert_int_equal(post_status(setup, wrong[i], FORM, "verdict=noise"), 403);
        free(wrong[i]);
    }
    char *gone = link_of(setup, "ack", "ack", 2); /* a right link of an incident that is no more */
    assert_get_problem(setup, gone, 404, "deleted for its age");
    free(gone);
    assert_true(api_metric(setup, "nightjar_api_links_refused_total") == 12);
}

static void links_are_followed_only_so_often(void **state)
{
    struct api_setup *setup = *state;
    int refused = 0;
    open_with_incident(setup);
    for (int i = 0; i < 310; i++)
        refused += post_status(setup, "/ack/1?t=guess", FORM, "verdict=noise") == 429 ? 1 : 0;
    assert_int_equal(refused, 10);
    setup->clock += NJ_MIN;
    char *link = link_of(setup, "ack", "ack", 1);
    assert_int_equal(post_status(setup, link, FORM, ""), 200);
    free(link);
}

static json_object *rule_at(struct reply *reply, size_t i)
{
    return json_object_array_get_idx(json_object_object_get(reply->json, "items"), i);
}

static void marks_become_the_precision_of_their_rule(void **state)
{
    struct api_setup *setup = *state;
    struct reply reply;
    for (int64_t id = 1; id <= 6; id++) {
        char fingerprint[16];
        (void)snprintf(fingerprint, sizeof(fingerprint), "f%d", (int)id);
        struct nj_incident incident = make_incident(id, fingerprint);
        incident.reason = "OOMKilled";
        incident.state = NJ_INCIDENT_RESOLVED;
        incident.resolved_ns = incident.first_ns + id * NJ_MIN;
        incident.resolved_cause = "stable";
        api_put_incident(setup, &incident);
    }
    struct nj_incident oom = make_incident(9, "z"), error = make_incident(10, "y");
    oom.reason = "OOMKilled";
    error.reason = "Error";
    api_open(setup);
    for (int id = 1; id <= 6; id++) {
        char target[64];
        char *link = link_of(setup, "mark", "mark", id);
        (void)snprintf(target, sizeof(target), "/api/v1/incidents/%d/mark", id);
        assert_false(nj_rules_flagged(setup->pipeline, &oom));
        if (id <= 2)
            assert_int_equal(post_status(setup, target, JSON, "{\"by\":\"li\",\"verdict\":\"useful\"}"), 200);
        else
            assert_int_equal(post_status(setup, link, FORM, "verdict=noise"), 200);
        free(link);
        if (id == 5)
            break;
    }
    assert_true(nj_rules_flagged(setup->pipeline, &oom));
    assert_false(nj_rules_flagged(setup->pipeline, &error));
    get(setup, &reply, "/api/v1/rules");
    json_object *rule = rule_at(&reply, 0);
    assert_string_equal(field(rule, "kind"), "crash");
    assert_string_equal(field(rule, "reason"), "OOMKilled");
    assert_string_equal(field(rule, "count"), "6");
    assert_string_equal(field(rule, "useful"), "2");
    assert_string_equal(field(rule, "noise"), "3");
    assert_string_equal(field(rule, "flagged"), "true");
    assert_string_equal(field(rule, "demoted"), "false");
    assert_true(json_object_get_double(json_object_object_get(rule, "precision")) == 0.4);
    assert_true(json_object_get_double(json_object_object_get(rule, "medianSeconds")) == 240);
    assert_true(json_object_get_double(json_object_object_get(rule, "resolvedByItself")) > 0.83);
    reply_done(setup, &reply);
    assert_int_equal(
        post_status(setup, "/api/v1/incidents/1/mark", JSON, "{\"by\":\"li\",\"verdict\":\"so\"}"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        api_case(a_silence_holds_from_its_answer_until_its_end),
        api_case(a_deleted_silence_is_over_and_kept),
        api_case(a_silence_survives_a_restart),
        api_case(what_no_silence_is_gets_said),
        api_case(there_are_so_many_silences_and_no_more),
        api_case(the_first_acknowledgement_counts),
        api_case(who_acknowledges_is_not_reminded),
        api_case(looking_at_a_link_changes_nothing_and_its_button_acknowledges),
        api_case(a_link_is_good_for_its_incident_and_purpose_alone),
        api_case(links_are_followed_only_so_often),
        api_case(marks_become_the_precision_of_their_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
