/*
 * The channel types: what they read from secret files, the requests they make, byte for byte, and what they
 * make of every answer.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/notify/settings.h"
#include "collector/notify/wecom.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
    struct folder folder;
    struct nj_collector_config config;
    struct nj_notify_settings *settings;
};

/* Every %s is the folder. */
static const char yaml_format[] =
    "notify:\n"
    "  public_url: https://nightjar.example\n"
    "  log_lines: 2\n"
    "  channels:\n"
    "  - {name: robot, url_file: %s/robot}\n"
    "  - {name: text-robot, url_file: %s/robot, format: text}\n"
    "  - name: app\n"
    "    type: wecom_app\n"
    "    corp_id: ww&1\n"
    "    agent_id: 1000002\n"
    "    secret_file: %s/app\n"
    "    api_url: http://127.0.0.1:1/\n"
    "    to_users: [li, wang]\n"
    "    to_parties: [3]\n"
    "    to_tags: [t1, t2]\n"
    "  - {name: hook, type: webhook, url_file: %s/hook, secret_file: %s/token}\n"
    "  - {name: am, type: alertmanager, url_file: %s/hook, user: nightjar, secret_file: %s/token}\n";

static int set_up(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    struct folder *folder = &fixture->folder;
    begin_folder(folder);
    write_file(folder, "robot", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cret-key\n");
    write_file(folder, "app", "s3cret/+=");
    write_file(folder, "hook", "http://hook.example/alerts?from=nightjar");
    write_file(folder, "token", "s3cret-token\n");
    char *yaml = nj_asprintf(yaml_format, folder->path, folder->path, folder->path, folder->path,
                             folder->path, folder->path, folder->path);
    load_config(&fixture->config, yaml);
    free(yaml);
    struct nj_err err = {0};
    if (nj_notify_settings_new(&fixture->config, &fixture->settings, &err) < 0)
        fail_msg("%s", err.text);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    nj_notify_settings_unref(fixture->settings);
    config_done(&fixture->config);
    end_folder(&fixture->folder);
    free(fixture);
    return 0;
}

static const struct nj_target *target(const struct fixture *fixture, const char *name)
{
    const struct nj_target *found = nj_notify_target(fixture->settings, name);
    assert_non_null(found);
    return found;
}

/* "METHOD URL [header|...] body" of the next request. */
static char *request_of(const struct nj_target *target, const struct nj_sending *sending)
{
    struct nj_channel_request request = {0};
    enum nj_step step = target->ops->next_step(target, sending);
    target->ops->request(target, sending, step, &request);
    struct nj_buf out = {0};
    nj_buf_printf(&out, "%s %s [", request.method, nj_buf_str(&request.url));
    for (size_t i = 0; request.headers[i] != NULL; i++)
        nj_buf_printf(&out, "%s%s", i == 0 ? "" : "|", request.headers[i]);
    nj_buf_printf(&out, "] %s%s", request.is_upload ? "FILE" : "", nj_buf_str(&request.body));
    if (!request.is_upload && request.body.len > 0) {
        struct json_object *parsed = json_tokener_parse(nj_buf_str(&request.body));
        assert_non_null(parsed);
        json_object_put(parsed);
    }
    nj_channel_request_done(&request);
    return nj_buf_take(&out);
}

static void assert_request(const struct nj_target *target, const struct nj_sending *sending,
                           const char *wanted)
{
    char *got = request_of(target, sending);
    assert_string_equal(got, wanted);
    free(got);
}

static struct nj_outcome answer(const struct nj_target *target, struct nj_sending *sending, enum nj_step step,
                                long status, const char *body)
{
    const struct nj_http_result result = {.status = status,
                                          .retry_after_ns = status == 429 || status == 503 ? 7 * NJ_SEC : -1,
                                          .body = body,
                                          .body_len = strlen(body),
                                          .maybe_sent = true};
    struct nj_outcome outcome = {0};
    nj_channel_answer(target, sending, step, &result, &outcome);
    assert_null(strstr(outcome.text, "s3cret"));
    return outcome;
}

static const struct nj_delivery hello = {.key = "7-opened-1-5-0",
                                         .text = "你好 \"x\"\n/",
                                         .text_len = sizeof("你好 \"x\"\n/") - 1,
                                         .mentions = "li,wang"};
static const struct nj_delivery a_file = {.key = "7-opened-1-5-0-file",
                                          .mentions = "",
                                          .file = "panic\n",
                                          .file_len = 6,
                                          .file_name = "a_b_c_0.log"};

#define ROBOT_SEND                                                                                           \
    "POST https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cret-key [Content-Type: application/json] "

static void a_robot_gets_markdown_or_text(void **state)
{
    struct fixture *fixture = *state;
    struct nj_sending sending = {.delivery = &hello};
    assert_request(target(fixture, "robot"), &sending,
                   ROBOT_SEND "{\"msgtype\":\"markdown\",\"markdown\":{\"content\":\"你好 \\\"x\\\"\\n/\"}}");
    const struct nj_target *text_robot = target(fixture, "text-robot");
    assert_request(text_robot, &sending,
                   ROBOT_SEND "{\"msgtype\":\"text\",\"text\":{\"content\":\"你好 \\\"x\\\"\\n/\","
                              "\"mentioned_list\":[\"li\",\"wang\"]}}");
    assert_int_equal(text_robot->ops->max_bytes(text_robot, "li"), 2048);
}

/* WeCom's markdown can mention people, but not everybody. */
static void mentioning_everybody_makes_it_a_text(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *robot = target(fixture, "robot");
    struct nj_delivery delivery = hello;
    delivery.mentions = "li,@all";
    struct nj_sending sending = {.delivery = &delivery};
    assert_request(robot, &sending,
                   ROBOT_SEND "{\"msgtype\":\"text\",\"text\":{\"content\":\"你好 \\\"x\\\"\\n/\","
                              "\"mentioned_list\":[\"li\",\"@all\"]}}");
    assert_int_equal(robot->ops->max_bytes(robot, "li,@all"), 2048);
    assert_int_equal(robot->ops->max_bytes(robot, "li,@allan"), 4096);
    const struct nj_target *app = target(fixture, "app");
    assert_int_equal(app->ops->max_bytes(app, ""), 2048);
}

static void a_robots_file_is_uploaded_then_sent(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *robot = target(fixture, "robot");
    struct nj_sending sending = {.delivery = &a_file};
    assert_request(
        robot, &sending,
        "POST https://qyapi.weixin.qq.com/cgi-bin/webhook/upload_media?key=s3cret-key&type=file [] FILE");
    struct nj_outcome outcome =
        answer(robot, &sending, NJ_STEP_UPLOAD, 200,
               "{\"errcode\":0,\"errmsg\":\"ok\",\"type\":\"file\",\"media_id\":\"m-1\"}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_NEXT);
    assert_request(robot, &sending, ROBOT_SEND "{\"msgtype\":\"file\",\"file\":{\"media_id\":\"m-1\"}}");
    nj_sending_done(&sending);
}

static void an_application_fetches_a_token_then_sends(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *app = target(fixture, "app");
    struct nj_sending sending = {.delivery = &hello};
    assert_request(app, &sending,
                   "GET http://127.0.0.1:1/cgi-bin/gettoken?corpid=ww%261&corpsecret=s3cret%2F%2B%3D [] ");
    struct nj_outcome outcome =
        answer(app, &sending, NJ_STEP_TOKEN, 200,
               "{\"errcode\":0,\"errmsg\":\"ok\",\"access_token\":\"t/1\",\"expires_in\":60}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_NEXT);
    assert_int_equal(sending.token_life_ns, NJ_MIN);
    assert_request(
        app, &sending,
        "POST http://127.0.0.1:1/cgi-bin/message/send?access_token=t%2F1 [Content-Type: application/json] "
        "{\"touser\":\"li|wang\",\"toparty\":\"3\",\"totag\":\"t1|t2\",\"agentid\":1000002,"
        "\"msgtype\":\"markdown\",\"markdown\":{\"content\":\"你好 \\\"x\\\"\\n/\"},"
        "\"enable_duplicate_check\":1,\"duplicate_check_interval\":14400}");
    sending.delivery = &a_file;
    assert_request(app, &sending,
                   "POST http://127.0.0.1:1/cgi-bin/media/upload?type=file&access_token=t%2F1 [] FILE");
    (void)answer(app, &sending, NJ_STEP_UPLOAD, 200, "{\"errcode\":0,\"media_id\":\"m\"}");
    assert_request(
        app, &sending,
        "POST http://127.0.0.1:1/cgi-bin/message/send?access_token=t%2F1 [Content-Type: application/json] "
        "{\"touser\":\"li|wang\",\"toparty\":\"3\",\"totag\":\"t1|t2\",\"agentid\":1000002,"
        "\"msgtype\":\"file\",\"file\":{\"media_id\":\"m\"},"
        "\"enable_duplicate_check\":1,\"duplicate_check_interval\":14400}");
    nj_sending_done(&sending);
}

static void a_webhook_gets_json_with_a_key_and_a_bearer_token(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *hook = target(fixture, "hook");
    struct nj_delivery delivery = hello;
    delivery.text = "{}";
    delivery.text_len = 2;
    struct nj_sending sending = {.delivery = &delivery};
    assert_request(
        hook, &sending,
        "POST http://hook.example/alerts?from=nightjar [Content-Type: application/json|Authorization: Bearer "
        "s3cret-token|Idempotency-Key: 7-opened-1-5-0] {}");
}

static void alertmanager_is_posted_to_with_user_and_password(void **state)
{
    struct fixture *fixture = *state;
    struct nj_delivery delivery = hello;
    delivery.text = "[]";
    delivery.text_len = 2;
    struct nj_sending sending = {.delivery = &delivery};
    assert_request(target(fixture, "am"), &sending,
                   "POST http://hook.example/alerts?from=nightjar/api/v2/alerts [Content-Type: "
                   "application/json|Authorization: Basic bmlnaHRqYXI6czNjcmV0LXRva2Vu] []");
}

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *found = NULL;
    if (!json_object_object_get_ex(object, name, &found))
        fail_msg("no %s in %s", name, json_object_to_json_string(object));
    return found;
}

static const char *text_member(struct json_object *object, const char *name)
{
    return json_object_get_string(member(object, name));
}

static void a_webhooks_json_holds_incident_crash_and_the_logs_end(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *hook = target(fixture, "hook");
    const struct nj_terms terms = {.public_url = "https://nightjar.example", .log_lines = 2};
    struct nj_incident incident = make_incident(7, "f");
    struct nj_store_crash crash = make_crash("crash-1");
    crash.crash.log.text = "one\ntwo\nthree \xe4\xb8\xad\n";
    crash.crash.log.len = strlen(crash.crash.log.text);
    crash.crash.log.lines = 3;
    struct nj_alert alert = {.incident = &incident,
                             .transition = NJ_TRANSITION_OPENED,
                             .crash = &crash,
                             .group = "g",
                             .mentions = "li,wang"};
    struct nj_buf out = {0};
    hook->ops->render(hook, &terms, &alert, &out);
    struct json_object *json = json_tokener_parse(nj_buf_str(&out));
    assert_non_null(json);
    assert_int_equal(json_object_get_int(member(json, "version")), 1);
    assert_string_equal(text_member(json, "transition"), "opened");
    assert_string_equal(text_member(json, "group"), "g");
    assert_int_equal(json_object_array_length(member(json, "mentions")), 2);
    assert_string_equal(text_member(member(json, "incident"), "fullName"), "prod.p-1.shop.cart");
    assert_string_equal(text_member(member(json, "incident"), "url"), "https://nightjar.example/incidents/7");
    assert_string_equal(text_member(member(json, "crash"), "containerId"), "containerd://6f1d");
    assert_int_equal(json_object_get_int(member(member(json, "crash"), "exitCode")), 3);
    assert_string_equal(text_member(member(json, "log"), "tail"), "two\nthree \xe4\xb8\xad\n");
    json_object_put(json);

    nj_buf_clear(&out);
    alert.crash = NULL;
    alert.transition = NJ_TRANSITION_RESOLVED;
    struct nj_alert alerts[] = {alert, alert};
    hook->ops->render(hook, &terms, &alert, &out);
    json = json_tokener_parse(nj_buf_str(&out));
    assert_string_equal(text_member(json, "transition"), "resolved");
    assert_null(member(json, "crash"));
    assert_null(member(json, "log"));
    json_object_put(json);

    nj_buf_clear(&out);
    hook->ops->render_digest(hook, &terms, "", alerts, 2, &out);
    json = json_tokener_parse(nj_buf_str(&out));
    assert_string_equal(text_member(json, "transition"), "digest");
    assert_int_equal(json_object_array_length(member(json, "alerts")), 2);
    json_object_put(json);
    nj_buf_done(&out);
}

static void failing_checks_are_told_on_every_channel(void **state)
{
    struct fixture *fixture = *state;
    static const char *const robots[] = {"robot", "app"};
    const struct nj_target *hook = target(fixture, "hook");
    const struct nj_terms terms = {.public_url = "https://nightjar.example", .log_lines = 2};
    char body[1025];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    struct nj_incident incident = make_incident(7, "f");
    incident.kind = NJ_INCIDENT_PROBE;
    incident.workload_kind = "Service";
    incident.crash_id = incident.container = "";
    incident.reason = "AllFail";
    incident.monitor = "apimonitor.shop.cart";
    incident.step = "login";
    incident.cause = "status";
    incident.expected = "status 200-299";
    incident.got = "status 500";
    incident.body = body;
    incident.status = 500;
    incident.targets_failing = incident.targets_total = 3;
    const struct nj_alert alert = {.incident = &incident,
                                   .transition = NJ_TRANSITION_WORSENED,
                                   .targets = "cart-1, cart-2, cart-3",
                                   .group = "g",
                                   .mentions = "li"};
    struct nj_buf out = {0};
    hook->ops->render(hook, &terms, &alert, &out);
    struct json_object *json = json_tokener_parse(nj_buf_str(&out));
    assert_string_equal(text_member(json, "transition"), "worsened");
    assert_string_equal(text_member(member(json, "incident"), "step"), "login");
    assert_string_equal(text_member(member(json, "incident"), "body"), body);
    assert_int_equal(json_object_get_int(member(member(json, "incident"), "status")), 500);
    assert_int_equal(json_object_get_int(member(member(json, "incident"), "targetsFailing")), 3);
    assert_null(member(json, "crash"));
    json_object_put(json);
    for (size_t i = 0; i < COUNT(robots); i++) {
        const struct nj_target *robot = target(fixture, robots[i]);
        nj_buf_clear(&out);
        robot->ops->render(robot, &terms, &alert, &out);
        assert_true(out.len <= robot->ops->max_bytes(robot, alert.mentions));
        assert_non_null(strstr(nj_buf_str(&out), "cart-1, cart-2, cart-3\n"));
        assert_non_null(strstr(nj_buf_str(&out), "status 500\n"));
        assert_non_null(strstr(nj_buf_str(&out), "https://nightjar.example/incidents/7"));
    }
    nj_buf_done(&out);
}

static void every_errcode_has_its_meaning(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int errcode;
        enum nj_outcome_kind kind;
    } cases[] = {
        {0, NJ_OUTCOME_DONE},        {-1, NJ_OUTCOME_RETRY},       {45033, NJ_OUTCOME_RETRY},
        {40014, NJ_OUTCOME_TOKEN},   {42001, NJ_OUTCOME_TOKEN},    {41001, NJ_OUTCOME_TOKEN},
        {40001, NJ_OUTCOME_BROKEN},  {40013, NJ_OUTCOME_BROKEN},   {40091, NJ_OUTCOME_BROKEN},
        {45009, NJ_OUTCOME_WAIT},    {45002, NJ_OUTCOME_TOO_LONG}, {40058, NJ_OUTCOME_TOO_LONG},
        {44004, NJ_OUTCOME_REFUSED}, {45001, NJ_OUTCOME_REFUSED},  {60020, NJ_OUTCOME_DOWN},
        {81013, NJ_OUTCOME_REFUSED}, {93000, NJ_OUTCOME_DOWN},     {93004, NJ_OUTCOME_DOWN},
        {93008, NJ_OUTCOME_DOWN},    {301002, NJ_OUTCOME_REFUSED},
    };
    static const char *const channels[] = {"robot", "app"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t c = 0; c < COUNT(channels); c++) {
            struct nj_sending sending = {.delivery = &hello};
            char body[160];
            (void)snprintf(body, sizeof(body), "{\"errcode\":%d,\"errmsg\":\"hint: [key s3cret-key]\"}",
                           cases[i].errcode);
            struct nj_outcome outcome =
                answer(target(fixture, channels[c]), &sending, NJ_STEP_SEND, 200, body);
            if (outcome.kind != cases[i].kind)
                fail_msg("errcode %d: %s", cases[i].errcode, nj_outcome_name(outcome.kind));
            char words[32];
            (void)snprintf(words, sizeof(words), "errcode %d: ", cases[i].errcode);
            assert_true(cases[i].errcode == 0 || strstr(outcome.text, words) != NULL);
        }
    }
}

static void members_who_were_not_told_are_named(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *app = target(fixture, "app");
    struct nj_sending sending = {.delivery = &hello};
    struct nj_outcome outcome = answer(app, &sending, NJ_STEP_SEND, 200,
                                       "{\"errcode\":0,\"errmsg\":\"ok\",\"invaliduser\":\"li|zhao\","
                                       "\"invalidparty\":\"\",\"invalidtag\":\"t\"}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_PARTLY);
    assert_non_null(strstr(outcome.text, "invaliduser li|zhao, invalidtag t"));
    outcome = answer(app, &sending, NJ_STEP_SEND, 200, "{\"errcode\":0,\"unlicenseduser\":\"wu\"}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_PARTLY);
    outcome =
        answer(app, &sending, NJ_STEP_SEND, 200, "{\"errcode\":0,\"invaliduser\":\"\",\"msgid\":\"x\"}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_DONE);
}

static void what_http_itself_says(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *channel;
        long status;
        const char *body;
        enum nj_outcome_kind kind;
    } cases[] = {
        {"robot", 500, "", NJ_OUTCOME_RETRY},
        {"robot", 502, "<html>", NJ_OUTCOME_RETRY},
        {"robot", 503, "", NJ_OUTCOME_RETRY},
        {"robot", 504, "", NJ_OUTCOME_UNCERTAIN},
        {"robot", 429, "", NJ_OUTCOME_RETRY},
        {"robot", 408, "", NJ_OUTCOME_RETRY},
        {"robot", 404, "not here", NJ_OUTCOME_DOWN},
        {"robot", 302, "", NJ_OUTCOME_DOWN},
        {"robot", 200, "", NJ_OUTCOME_UNCERTAIN},
        {"robot", 200, "<html>log in</html>", NJ_OUTCOME_UNCERTAIN},
        {"robot", 200, "{\"errcode\":", NJ_OUTCOME_UNCERTAIN},
        {"robot", 200, "{\"errcode\":\"0\"}", NJ_OUTCOME_UNCERTAIN},
        {"robot", 200, "[]", NJ_OUTCOME_UNCERTAIN},
        {"robot", 200, "{\"errmsg\":\"ok\"}", NJ_OUTCOME_UNCERTAIN},
        {"app", 200, "null", NJ_OUTCOME_UNCERTAIN},
        {"hook", 200, "", NJ_OUTCOME_DONE},
        {"hook", 201, "{}", NJ_OUTCOME_DONE},
        {"hook", 204, "", NJ_OUTCOME_DONE},
        {"hook", 302, "", NJ_OUTCOME_REFUSED},
        {"hook", 400, "", NJ_OUTCOME_REFUSED},
        {"hook", 401, "", NJ_OUTCOME_DOWN},
        {"hook", 408, "", NJ_OUTCOME_RETRY},
        {"hook", 425, "", NJ_OUTCOME_RETRY},
        {"hook", 429, "", NJ_OUTCOME_RETRY},
        {"hook", 503, "", NJ_OUTCOME_RETRY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nj_sending sending = {.delivery = &hello};
        struct nj_outcome outcome =
            answer(target(fixture, cases[i].channel), &sending, NJ_STEP_SEND, cases[i].status, cases[i].body);
        if (outcome.kind != cases[i].kind)
            fail_msg("%s, %ld, \"%s\": %s", cases[i].channel, cases[i].status, cases[i].body,
                     nj_outcome_name(outcome.kind));
        if (cases[i].status == 429 || cases[i].status == 503)
            assert_int_equal(outcome.retry_after_ns, 7 * NJ_SEC);
    }
}

static void without_an_answer_it_matters_whether_the_message_may_have_left(void **state)
{
    struct fixture *fixture = *state;
    const struct nj_target *robot = target(fixture, "robot");
    struct nj_sending sending = {.delivery = &hello};
    struct nj_http_result result = {
        .error = -ETIMEDOUT, .retry_after_ns = -1, .body = "", .maybe_sent = true};
    struct nj_outcome outcome = {0};
    nj_channel_answer(robot, &sending, NJ_STEP_SEND, &result, &outcome);
    assert_int_equal(outcome.kind, NJ_OUTCOME_UNCERTAIN);
    result.maybe_sent = false;
    nj_channel_answer(robot, &sending, NJ_STEP_SEND, &result, &outcome);
    assert_int_equal(outcome.kind, NJ_OUTCOME_RETRY);
    assert_true(outcome.untouched);
    /* Nobody sees a token being fetched or a file being uploaded. */
    result.maybe_sent = true;
    nj_channel_answer(robot, &sending, NJ_STEP_UPLOAD, &result, &outcome);
    assert_int_equal(outcome.kind, NJ_OUTCOME_RETRY);
    outcome = answer(target(fixture, "app"), &sending, NJ_STEP_TOKEN, 200, "<html>");
    assert_int_equal(outcome.kind, NJ_OUTCOME_RETRY);
    outcome = answer(target(fixture, "app"), &sending, NJ_STEP_TOKEN, 200, "{\"errcode\":0}");
    assert_int_equal(outcome.kind, NJ_OUTCOME_RETRY);
}

/* The channels of `yaml_format`, after the file NAME was given this text or, for NULL, taken away. */
static void assert_refused(struct fixture *fixture, const char *name, const char *text, const char *words)
{
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder.path, name);
    if (text == NULL)
        assert_int_equal(remove(path), 0);
    else
        write_file(&fixture->folder, name, text);
    struct nj_notify_settings *settings = NULL;
    struct nj_err err = {0};
    assert_true(nj_notify_settings_new(&fixture->config, &settings, &err) < 0);
    assert_null(settings);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
    assert_non_null(strstr(err.text, path));
    assert_null(strstr(err.text, "s3cret"));
}

static void bad_secrets_are_refused_without_being_told(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, "robot", "", "\"robot\": url_file");
    assert_refused(fixture, "robot", "https://a/cgi-bin/webhook/send?key=s3cret\nhttps://b\n",
                   "must hold one line of text");
    assert_refused(fixture, "robot", "s3cret", "https://");
    assert_refused(fixture, "robot", "https://qyapi.weixin.qq.com/cgi-bin/s3cret", "webhook/send?key=");
    assert_refused(fixture, "robot", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?s3cret",
                   "webhook/send?key=");
    assert_refused(fixture, "robot", NULL, "\"robot\"");
    write_file(&fixture->folder, "robot", "https://h/cgi-bin/webhook/send?key=s3cret");
    assert_refused(fixture, "app", NULL, "secret_file");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_robot_gets_markdown_or_text),
        TEST(mentioning_everybody_makes_it_a_text),
        TEST(a_robots_file_is_uploaded_then_sent),
        TEST(an_application_fetches_a_token_then_sends),
        TEST(a_webhook_gets_json_with_a_key_and_a_bearer_token),
        TEST(alertmanager_is_posted_to_with_user_and_password),
        TEST(a_webhooks_json_holds_incident_crash_and_the_logs_end),
        TEST(failing_checks_are_told_on_every_channel),
        TEST(every_errcode_has_its_meaning),
        TEST(members_who_were_not_told_are_named),
        TEST(what_http_itself_says),
        TEST(without_an_answer_it_matters_whether_the_message_may_have_left),
        TEST(bad_secrets_are_refused_without_being_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
