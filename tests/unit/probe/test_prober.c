/* Chains of steps against a small application in the test's hands: a login that gives a token and a cookie,
 * an item that can be read and deleted with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/probe/prober_support.h"

struct app {
    const char *login_answer, *item_answer, *delete_answer; /* NULL: what is right */
    char log[8192];                                         /* request lines, headers, bodies */
    int logins, deletes;
    bool slow; /* by a few milliseconds */
};

static bool asks(const struct test_peer *peer, const char *line)
{
    return strncmp(peer->request, line, strlen(line)) == 0;
}

static void send_json(struct test_peer *peer, const char *status, const char *headers, const char *body)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                   headers, strlen(body), body);
    test_peer_send(peer, text);
}

static void app_answer(struct test_peer *peer)
{
    struct probe_setup *setup = peer->server->data;
    struct app *app = setup->data;
    const struct timespec moment = {.tv_nsec = 5 * NJ_MS};
    size_t len = strlen(app->log);
    if (app->slow)
        (void)nanosleep(&moment, NULL);
    (void)snprintf(app->log + len, sizeof(app->log) - len, "%s\n----\n", peer->request);
    bool knows = strstr(peer->request, "X-Token: t-123") != NULL && strstr(peer->request, "sid=abc") != NULL;
    if (asks(peer, "POST /login ")) {
        app->logins++;
        if (app->login_answer != NULL)
            test_peer_send(peer, app->login_answer);
        else if (strstr(peer->request, "{\"user\":\"bob\",\"password\":\"pa\\\"ss\"}") == NULL)
            send_json(peer, "403 Forbidden", "", "{\"error\":\"bad credentials\"}");
        else
            send_json(peer, "200 OK", "Set-Cookie: sid=abc; Path=/; HttpOnly\r\n",
                      "{\"data\":{\"token\":\"t-123\",\"id\":42}}");
    } else if (asks(peer, "GET /items/42 ")) {
        if (app->item_answer != NULL)
            test_peer_send(peer, app->item_answer);
        else
            send_json(peer, knows ? "200 OK" : "401 Unauthorized", "ETag: e7\r\n",
                      "{\"name\":\"thing\",\"count\":3}");
    } else if (asks(peer, "DELETE /items/42 ")) {
        app->deletes++;
        if (app->delete_answer != NULL)
            test_peer_send(peer, app->delete_answer);
        else
            test_peer_send(peer, knows && strstr(peer->request, "If-Match: e7") != NULL
                                     ? "HTTP/1.1 204 No Content\r\n\r\n"
                                     : "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n");
    } else if (asks(peer, "GET /bye")) {
        test_peer_answer(peer, "bye", false);
    } else {
        send_json(peer, "404 Not Found", "", "{\"error\":\"no such page\"}");
    }
}

static const char chain[] =
    "{'variables':[{'name':'user','value':'bob'},"
    "{'name':'password','valueFrom':{'secretKeyRef':{'name':'login','key':'password'}}}],"
    "'steps':["
    "{'name':'log in','http':{'method':'POST','path':'/login',"
    "'body':'{\\\"user\\\":\\\"${user}\\\",\\\"password\\\":\\\"${password}\\\"}'},"
    "'extract':[{'name':'token','jsonPointer':'/data/token'},{'name':'id','regex':'\\\"id\\\":(\\\\d+)'}],"
    "'expect':{'status':[200]}},"
    "{'name':'read','http':{'path':'/items/${id}','headers':[{'name':'X-Token','value':'${token}'}]},"
    "'extract':[{'name':'etag','header':'ETag'}],"
    "'expect':{'json':[{'pointer':'/count','equals':3}]}},"
    "{'name':'delete','http':{'method':'DELETE','path':'/items/${id}',"
    "'headers':[{'name':'X-Token','value':'${token}'},{'name':'If-Match','value':'${etag}'}]},"
    "'expect':{'status':[204]}}],"
    "'finally':[{'name':'bye','http':{'path':'/bye?who=${user}'}}]}";

static const struct nj_probe_value secrets[] = {{"password", "pa\"ss"}};

static struct run_seen run_chain(struct probe_setup *setup)
{
    return probe_run_with(setup, chain, probe_target(setup), secrets, 1, NULL);
}

static void a_chain_logs_in_reads_and_deletes_with_what_it_was_given(void **state)
{
    struct app app = {0};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct run_seen seen = run_chain(&setup);
    assert_string_equal(seen.steps[0].got, "");
    assert_string_equal(seen.steps[1].got, "");
    assert_string_equal(seen.steps[2].got, "");
    assert_true(seen.ok);
    assert_int_equal(seen.cause, NJ_CAUSE_NONE);
    assert_int_equal(seen.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(seen.steps[i].ran && seen.steps[i].ok);
        assert_true(seen.steps[i].phase_ns[NJ_PHASE_CONNECT] >= 0);
        assert_true(seen.steps[i].phase_ns[NJ_PHASE_FIRST_BYTE] >= 0);
        assert_int_equal(seen.steps[i].phase_ns[NJ_PHASE_TLS], -1);
        assert_int_equal(seen.steps[i].phase_ns[NJ_PHASE_RESOLVE], -1);
        assert_string_equal(seen.steps[i].version, "1.1");
    }
    assert_int_equal(app.deletes, 1);
    assert_int_equal(seen.steps[2].status, 204);
    assert_int_equal(setup.server.connections, 4); /* a new one each */
    assert_non_null(strstr(app.log, "User-Agent: nightjar-test\r\n"));
    assert_non_null(strstr(app.log, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(app.log, "GET /bye?who=bob "));
    assert_null(strstr(seen.json, "pa\\\"ss"));
    probe_setup_end(&setup);
}

static void a_step_that_fails_ends_the_chain_but_not_finally(void **state)
{
    struct app app = {.login_answer = "HTTP/1.1 500 Oops\r\nContent-Length: 20\r\n\r\ndatabase is not here"};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct run_seen seen = run_chain(&setup);
    assert_false(seen.ok);
    assert_int_equal(seen.failed, 0);
    assert_int_equal(seen.cause, NJ_CAUSE_STATUS);
    assert_string_equal(seen.steps[0].name, "log in");
    assert_string_equal(seen.steps[0].expected, "status 200");
    assert_string_equal(seen.steps[0].got, "500");
    assert_string_equal(seen.steps[0].body, "database is not here");
    assert_int_equal(seen.steps[0].status, 500);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_CHECK);
    assert_false(seen.steps[1].ran);
    assert_false(seen.steps[2].ran);
    assert_true(seen.steps[3].ran && seen.steps[3].ok);
    char request[128];
    (void)snprintf(request, sizeof(request), "POST http://127.0.0.1:%d/login", setup.server.port);
    assert_string_equal(seen.steps[0].request, request);
    (void)snprintf(request, sizeof(request), "127.0.0.1:%d", setup.server.port);
    assert_string_equal(seen.steps[0].address, request);
    probe_setup_end(&setup);
}

static void what_a_later_step_needs_and_is_not_there_is_told(void **state)
{
    struct app app = {.login_answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":{}}"};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct run_seen seen = run_chain(&setup);
    assert_int_equal(seen.cause, NJ_CAUSE_EXTRACT);
    assert_int_equal(seen.failed, 0);
    assert_non_null(strstr(seen.steps[0].expected, "/data/token"));
    probe_setup_end(&setup);
}

static void the_second_and_third_steps_fail_in_their_own_ways(void **state)
{
    struct app app = {.item_answer =
                          "HTTP/1.1 200 OK\r\nETag: e7\r\nContent-Length: 11\r\n\r\n{\"count\":4}"};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct run_seen seen = run_chain(&setup);
    assert_int_equal(seen.cause, NJ_CAUSE_JSON);
    assert_int_equal(seen.failed, 1);
    assert_string_equal(seen.steps[1].got, "4");
    assert_int_equal(app.deletes, 0);

    app.item_answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"count\":3}";
    seen = run_chain(&setup);
    assert_int_equal(seen.cause, NJ_CAUSE_EXTRACT); /* no ETag */
    assert_int_equal(seen.failed, 1);

    app.item_answer = "HTTP/1.1 200 OK\r\nETag: other\r\nContent-Length: 11\r\n\r\n{\"count\":3}";
    seen = run_chain(&setup);
    assert_int_equal(seen.cause, NJ_CAUSE_STATUS);
    assert_int_equal(seen.failed, 2);
    assert_string_equal(seen.steps[2].got, "412");

    app.item_answer = NULL;
    app.delete_answer = "HTTP/1.1 204";
    seen = probe_run_with(
        &setup,
        "{'timeout':'300ms','steps':[{'name':'delete','http':{'method':'DELETE','path':'/items/42'}}]}",
        probe_target(&setup), NULL, 0, NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_TRANSFER);
    assert_string_equal(seen.steps[0].expected, "an HTTP response within 300ms");
    probe_setup_end(&setup);
}

/* A chain of four: log in, take a token, use it to read, delete. `extra` becomes a part of step number `at`.
 */
static void write_chain(char *out, size_t size, size_t at, const char *extra)
{
    static const char *const steps[] = {
        "'name':'log in','http':{'method':'POST','path':'/login','body':'{\\\"user\\\":\\\"bob\\\","
        "\\\"password\\\":\\\"pa\\\\\\\"ss\\\"}'},'extract':[{'name':'token','jsonPointer':'/data/token'}%s]",
        "'name':'read','http':{'path':'/items/42','headers':[{'name':'X-Token','value':'${token}'}]},"
        "'extract':[{'name':'etag','header':'ETag'}%s]",
        "'name':'again','http':{'path':'/items/42','headers':[{'name':'X-Token','value':'${token}'}]},"
        "'extract':[{'name':'count','regex':'count'}%s]",
        "'name':'delete','http':{'method':'DELETE','path':'/items/"
        "42','headers':[{'name':'X-Token','value':'${token}'},"
        "{'name':'If-Match','value':'${etag}'}]},'extract':[{'name':'all','regex':'^'}%s]"};
    bool extracts = strncmp(extra, ",{", 2) == 0;
    size_t len = (size_t)snprintf(out, size, "{'steps':[");
    for (size_t i = 0; i < 4; i++) {
        char step[1024];
        (void)snprintf(step, sizeof(step), steps[i], i == at && extracts ? extra : "");
        len += (size_t)snprintf(out + len, size - len, "%s{%s%s}", i == 0 ? "" : ",", step,
                                i == at && !extracts ? extra : "");
    }
    (void)snprintf(out + len, size - len, "]}");
}

static void each_step_fails_in_each_way_and_the_evidence_says_which_and_why(void **state)
{
    static const struct way {
        const char *extra;
        enum nj_cause cause;
        const char *expected; /* a part of it */
    } ways[] = {
        {",'expect':{'status':[299]}", NJ_CAUSE_STATUS, "299"},
        {",'expect':{'status':['5xx']}", NJ_CAUSE_STATUS, "5"},
        {",'expect':{'headers':[{'name':'X-None','regex':'a'}]}", NJ_CAUSE_HEADER, "X-None"},
        {",'expect':{'body':[{'regex':'nowhere'}]}", NJ_CAUSE_BODY, "nowhere"},
        {",'expect':{'body':[{'contains':'nowhere'}]}", NJ_CAUSE_BODY, "nowhere"},
        {",'expect':{'body':[{'notRegex':'^'}]}", NJ_CAUSE_BODY, "^"},
        {",'expect':{'json':[{'pointer':'/none','exists':true}]}", NJ_CAUSE_JSON, "/none"},
        {",'expect':{'json':[{'pointer':'/none','equals':3}]}", NJ_CAUSE_JSON, "/none"},
        {",'expect':{'minBytes':100000}", NJ_CAUSE_SIZE, "100000"},
        {",'expect':{'maxLatency':'1ms'}", NJ_CAUSE_LATENCY, "1ms"},
        {",{'name':'x','jsonPointer':'/none'}", NJ_CAUSE_EXTRACT, "/none"},
        {",{'name':'x','regex':'nowhere'}", NJ_CAUSE_EXTRACT, "nowhere"},
        {",{'name':'x','header':'X-None'}", NJ_CAUSE_EXTRACT, "X-None"},
        {",{'name':'x','cookie':'none'}", NJ_CAUSE_EXTRACT, "none"},
        /* Only where there is JSON: {"name":"thing","count":3} */
        {",'expect':{'json':[{'pointer':'/count','notEquals':3}]}", NJ_CAUSE_JSON, "/count"},
        {",'expect':{'json':[{'pointer':'/count','lessThan':3}]}", NJ_CAUSE_JSON, "/count"},
        {",'expect':{'json':[{'pointer':'/count','lessOrEqual':2}]}", NJ_CAUSE_JSON, "/count"},
        {",'expect':{'json':[{'pointer':'/count','greaterThan':3}]}", NJ_CAUSE_JSON, "/count"},
        {",'expect':{'json':[{'pointer':'/count','greaterOrEqual':4}]}", NJ_CAUSE_JSON, "/count"},
        {",'expect':{'json':[{'pointer':'/name','matches':'^no'}]}", NJ_CAUSE_JSON, "/name"},
        {",'expect':{'json':[{'pointer':'/name','exists':false}]}", NJ_CAUSE_JSON, "/name"},
        {",'expect':{'headers':[{'name':'ETag','absent':true}]}", NJ_CAUSE_HEADER, "ETag"},
        {",'expect':{'headers':[{'name':'ETag','value':'e8'}]}", NJ_CAUSE_HEADER, "ETag"},
        {",'expect':{'maxBytes':3}", NJ_CAUSE_SIZE, "3"},
    };
    enum { EVERYWHERE = 14 };
    static const char *const names[] = {"log in", "read", "again", "delete"};
    struct app app = {.slow = true};
    struct probe_setup setup = {.data = &app};
    char spec[4096];
    probe_setup_start(&setup, state, app_answer);
    write_chain(spec, sizeof(spec), 4, "");
    assert_true(probe_run(&setup, spec).ok);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        for (size_t at = i < EVERYWHERE ? 0 : 1; at < (i < EVERYWHERE ? 4 : 3); at++) {
            app.log[0] = '\0';
            write_chain(spec, sizeof(spec), at, ways[i].extra);
            struct run_seen seen = probe_run(&setup, spec);
            if (seen.failed != (int)at || seen.cause != ways[i].cause)
                fail_msg("%s in step %zu: failed at %d with %s: %s", ways[i].extra, at, seen.failed,
                         nj_cause_name(seen.cause), seen.json);
            assert_string_equal(seen.steps[at].name, names[at]);
            assert_non_null(strstr(seen.steps[at].expected, ways[i].expected));
            assert_string_not_equal(seen.steps[at].got, "");
            assert_int_equal(seen.steps[at].phase, NJ_PHASE_CHECK);
            for (size_t later = at + 1; later < 4; later++)
                assert_false(seen.steps[later].ran);
        }
    }
    probe_setup_end(&setup);
}

static void secrets_stay_hidden_in_what_is_kept(void **state)
{
    struct app app = {.login_answer =
                          "HTTP/1.1 401 No\r\nContent-Length: 31\r\n\r\nwrong password swordfish-77 for"};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    const struct nj_probe_value one[] = {{"password", "swordfish-77"}};
    struct run_seen seen = probe_run_with(
        &setup,
        "{'variables':[{'name':'password','valueFrom':{'secretKeyRef':{'name':'s','key':'k'}}}],"
        "'steps':[{'http':{'method':'POST','path':'/login'},'continueOnFailure':true},"
        "{'http':{'path':'/x?p=${password}'}}]}",
        probe_target(&setup), one, 1, NULL);
    assert_false(seen.ok);
    assert_int_equal(seen.failed, 0);
    assert_true(seen.steps[1].ran); /* continueOnFailure */
    assert_int_equal(seen.steps[1].status, 404);
    assert_non_null(strstr(app.log, "/x?p=swordfish-77"));
    assert_non_null(strstr(seen.steps[0].body, "wrong password "));
    assert_null(strstr(seen.json, "swordfish"));
    probe_setup_end(&setup);
}

static void a_variable_without_a_value_or_with_a_bad_one_sends_nothing(void **state)
{
    struct app app = {0};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    static const char spec[] =
        "{'variables':[{'name':'v','valueFrom':{'secretKeyRef':{'name':'s','key':'k'}}}],"
        "'steps':[{'http':{'path':'/bye','headers':[{'name':'X-A','value':'${v}'}]}}]}";
    struct run_seen seen = probe_run(&setup, spec);
    assert_int_equal(seen.cause, NJ_CAUSE_VARIABLE);
    const struct nj_probe_value evil[] = {{"v", "a\r\nHost: evil"}};
    seen = probe_run_with(&setup, spec, probe_target(&setup), evil, 1, NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_VARIABLE);
    assert_int_equal(setup.server.requests, 0);
    const struct nj_probe_value good[] = {{"v", "fine"}};
    seen = probe_run_with(&setup, spec, probe_target(&setup), good, 1, NULL);
    assert_true(seen.ok);
    probe_setup_end(&setup);
}

static void a_value_in_a_path_cannot_leave_it(void **state)
{
    struct app app = {0};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    const struct nj_probe_value evil[] = {{"v", "@evil.example:80/../a?b#c d"}};
    struct run_seen seen =
        probe_run_with(&setup,
                       "{'variables':[{'name':'v','valueFrom':{'secretKeyRef':{'name':'s','key':'k'}}}],"
                       "'steps':[{'http':{'path':'/${v}'}}]}",
                       probe_target(&setup), evil, 1, NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_STATUS);
    assert_non_null(
        strstr(app.log, "GET /%40evil.example%3A80%2F..%2Fa%3Fb%23c%20d HTTP/1.1\r\nHost: 127.0.0.1:"));
    probe_setup_end(&setup);
}

static void the_host_header_is_the_authority_or_the_steps_own(void **state)
{
    struct app app = {0};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct nj_probe_target target = probe_target(&setup);
    target.authority = "web.example.com";
    assert_true(probe_run_at(&setup, "{'steps':[{'http':{'path':'/bye'}}]}", target).ok);
    assert_non_null(strstr(app.log, "\r\nHost: web.example.com\r\n"));
    static const char named[] =
        "{'steps':[{'http':{'path':'/bye','headers':[{'name':'Host','value':'other.example.com'}]}}]}";
    assert_true(probe_run_at(&setup, named, target).ok);
    assert_non_null(strstr(app.log, "\r\nHost: other.example.com\r\n"));
    /* Where names are what is allowed, a Host header is one of them. */
    char allowed_ip[] = "127.0.0.1";
    char allowed_name[] = "web.example.com";
    char *allowed[] = {allowed_ip, allowed_name};
    nj_prober_set_allowed(setup.prober, allowed, 2);
    target.trust = NJ_TRUST_ALLOWED;
    assert_true(probe_run_at(&setup, "{'steps':[{'http':{'path':'/bye'}}]}", target).ok);
    assert_int_equal(probe_run_at(&setup, named, target).cause, NJ_CAUSE_FORBIDDEN);
    probe_setup_end(&setup);
}

static void cookies_come_back_to_their_path_only(void **state)
{
    struct app app = {
        .login_answer = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/items\r\nSet-Cookie: b=2\r\n"
                        "Set-Cookie: c=3; Secure\r\nSet-Cookie: d=4; Max-Age=0\r\n"
                        "Set-Cookie: e=5; Domain=other.example\r\n"
                        "Set-Cookie: f=6; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                        "Set-Cookie: g=7; Path=/; Expires=Fri, 31-Dec-2099 23:59:59 GMT\r\n"
                        "Content-Length: 0\r\n\r\n",
        .item_answer = "HTTP/1.1 200 OK\r\nSet-Cookie: b=; Max-Age=-1; Path=/\r\nContent-Length: 0\r\n\r\n"};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct run_seen seen = probe_run(&setup, "{'steps':[{'http':{'method':'POST','path':'/login'}},"
                                             "{'http':{'path':'/items/42'}},{'http':{'path':'/bye','headers':"
                                             "[{'name':'Cookie','value':'mine=0'}]}}]}");
    assert_true(seen.ok);
    assert_non_null(strstr(app.log, "\r\nCookie: a=1; b=2; g=7\r\n"));
    assert_non_null(strstr(app.log, "\r\nCookie: mine=0; g=7\r\n"));
    probe_setup_end(&setup);
}

struct canceller {
    struct nj_probe_run *run;
    struct run_seen seen;
};

static void a_cancelled_run_tells_nothing_and_sends_nothing_more(void **state)
{
    struct app app = {0};
    struct probe_setup setup = {.data = &app};
    probe_setup_start(&setup, state, app_answer);
    struct nj_spec *spec = probe_spec(chain);
    struct canceller one = {0};
    struct nj_probe_request request = {.spec = spec,
                                       .target = probe_target(&setup),
                                       .secrets = secrets,
                                       .secrets_count = 1,
                                       .on_done = probe_on_done,
                                       .data = &one.seen};
    assert_int_equal(nj_probe_start(setup.prober, &request, &one.run, NULL), 0);
    nj_probe_cancel(one.run);
    test_run_some(setup.test);
    assert_int_equal(setup.server.requests, 0);
    assert_int_equal(nj_probe_start(setup.prober, &request, &one.run, NULL), 0);
    test_run_until_count(setup.test, &app.logins, 1);
    nj_probe_cancel(one.run);
    /* Those that still run when the prober is closed, too; also one that looks a name up. */
    assert_int_equal(nj_probe_start(setup.prober, &request, NULL, NULL), 0);
    request.target.host = "localhost";
    assert_int_equal(nj_probe_start(setup.prober, &request, NULL, NULL), 0);
    (void)uv_run(&setup.test->loop.uv, UV_RUN_NOWAIT);
    nj_spec_unref(spec);
    probe_setup_end(&setup);
    assert_false(one.seen.done);
    assert_int_equal(app.deletes, 0);
}

static void a_target_that_is_none_is_refused(void **state)
{
    struct probe_setup setup = {0};
    probe_setup_start(&setup, state, NULL);
    struct nj_spec *spec = probe_spec("{'steps':[{'http':{'path':'/'}}]}");
    struct nj_probe_request request = {
        .spec = spec, .target = {.host = "", .port = 80, .scheme = "http"}, .on_done = probe_on_done};
    assert_int_equal(nj_probe_start(setup.prober, &request, NULL, NULL), -EINVAL);
    request.target.host = "10.0.0.1";
    request.target.port = 0;
    assert_int_equal(nj_probe_start(setup.prober, &request, NULL, NULL), -EINVAL);
    request.target.port = 80;
    request.target.scheme = "gopher";
    assert_int_equal(nj_probe_start(setup.prober, &request, NULL, NULL), -EINVAL);
    nj_spec_unref(spec);
    probe_setup_end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_chain_logs_in_reads_and_deletes_with_what_it_was_given),
        test_loop_case(a_step_that_fails_ends_the_chain_but_not_finally),
        test_loop_case(what_a_later_step_needs_and_is_not_there_is_told),
        test_loop_case(the_second_and_third_steps_fail_in_their_own_ways),
        test_loop_case(each_step_fails_in_each_way_and_the_evidence_says_which_and_why),
        test_loop_case(secrets_stay_hidden_in_what_is_kept),
        test_loop_case(a_variable_without_a_value_or_with_a_bad_one_sends_nothing),
        test_loop_case(a_value_in_a_path_cannot_leave_it),
        test_loop_case(the_host_header_is_the_authority_or_the_steps_own),
        test_loop_case(cookies_come_back_to_their_path_only),
        test_loop_case(a_cancelled_run_tells_nothing_and_sends_nothing_more),
        test_loop_case(a_target_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
