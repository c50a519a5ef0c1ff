/*
 * TCP steps: against peers that greet, answer, say the wrong thing, nothing, too much or go away, and over
 * TLS against nginx.
 */
#include <string.h>

#include "tests/unit/probe/nginx.h"
#include "tests/unit/probe/prober_support.h"
#include "tests/unit/probe/raw_server.h"

struct peers {
    struct probe_setup setup;
    struct raw_server server;
};

static void start(struct peers *peers, void **state, void (*on_open)(struct raw_peer *peer),
                  void (*on_bytes)(struct raw_peer *peer))
{
    memset(peers, 0, sizeof(*peers));
    probe_setup_start(&peers->setup, state, NULL);
    raw_server_start(&peers->server, *state, on_open, on_bytes, NULL);
}

static void stop(struct peers *peers)
{
    probe_setup_end(&peers->setup);
    raw_server_close(&peers->server);
}

static struct run_seen run(struct peers *peers, const char *json)
{
    struct nj_probe_target target = probe_target(&peers->setup);
    target.port = (uint16_t)peers->server.port;
    return probe_run_at(&peers->setup, json, target);
}

static void nothing(struct raw_peer *peer)
{
    (void)peer;
}

static void greet(struct raw_peer *peer)
{
    raw_send_text(peer, "220 mail.test ESMTP\r\n");
}

static void pong(struct raw_peer *peer)
{
    raw_send_text(peer, "+PO");
    raw_send_text(peer, "NG id=7\r\n");
}

static void connecting_is_enough(void **state)
{
    struct peers peers;
    start(&peers, state, nothing, NULL);
    struct run_seen seen = run(&peers, "{'steps':[{'tcp':{}}]}");
    assert_true(seen.ok);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_CONNECT] >= 0);
    assert_int_equal(peers.server.connections, 1);
    stop(&peers);
}

static void a_greeting_is_waited_for(void **state)
{
    struct peers peers;
    start(&peers, state, greet, NULL);
    struct run_seen seen =
        run(&peers, "{'steps':[{'tcp':{},'expect':{'body':[{'regex':'^220 '},{'notContains':'busy'}]}}]}");
    assert_true(seen.ok);
    assert_int_equal(seen.steps[0].bytes, 21);
    stop(&peers);
}

static void what_is_sent_is_answered_and_used_by_the_next_step(void **state)
{
    struct peers peers;
    start(&peers, state, nothing, pong);
    struct run_seen seen =
        run(&peers, "{'steps':[{'tcp':{'send':'PING\\r\\n'},'expect':{'body':[{'contains':'+PONG'}]},"
                    "'extract':[{'name':'id','regex':'id=(\\\\d+)\\\\r'}]},{'tcp':{'send':'${id}'},'expect':{"
                    "'minBytes':3}}]}");
    assert_true(seen.ok);
    assert_int_equal(seen.count, 2);
    assert_int_equal(peers.server.connections, 2);
    stop(&peers);
}

static void a_wrong_answer_is_shown(void **state)
{
    struct peers peers;
    start(&peers, state, greet, NULL);
    struct run_seen seen =
        run(&peers, "{'timeout':'200ms','steps':[{'tcp':{},'expect':{'body':[{'regex':'^250 '}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_BODY);
    assert_string_equal(seen.steps[0].expected, "answer matches /^250 /");
    assert_string_equal(seen.steps[0].got, "\"220 mail.test ESMTP  \"");
    stop(&peers);
}

static void silence_is_a_timeout(void **state)
{
    struct peers peers;
    start(&peers, state, nothing, NULL);
    struct run_seen seen =
        run(&peers, "{'timeout':'200ms','steps':[{'tcp':{},'expect':{'body':[{'contains':'a'}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_FIRST_BYTE);
    stop(&peers);
}

static void a_peer_that_leaves_without_a_word(void **state)
{
    struct peers peers;
    start(&peers, state, nothing, raw_close);
    struct run_seen seen =
        run(&peers, "{'steps':[{'tcp':{'send':'x'},'expect':{'body':[{'contains':'a'}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_RESET);
    assert_string_equal(seen.steps[0].got, "the connection was closed without an answer");
    stop(&peers);
    start(&peers, state, nothing, raw_reset);
    seen = run(&peers, "{'steps':[{'tcp':{'send':'x'},'expect':{'body':[{'contains':'a'}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_RESET);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_FIRST_BYTE);
    stop(&peers);
}

static void flood(struct raw_peer *peer)
{
    raw_send_forever(peer, "nothing of what you want, over and over again; ", 0);
}

static void an_endless_answer_is_cut_off(void **state)
{
    struct peers peers;
    start(&peers, state, flood, NULL);
    struct run_seen seen = run(&peers, "{'steps':[{'tcp':{},'expect':{'body':[{'regex':'z+y'}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_TOO_LARGE);
    assert_string_equal(seen.steps[0].got, "65536 bytes without what is expected");
    stop(&peers);
}

static void nobody_listens(void **state)
{
    struct peers peers;
    memset(&peers, 0, sizeof(peers));
    probe_setup_start(&peers.setup, state, NULL);
    int port = 0;
    int fd = test_refuse(&port);
    struct nj_probe_target target = probe_target(&peers.setup);
    target.port = (uint16_t)port;
    struct run_seen seen = probe_run_at(&peers.setup, "{'steps':[{'tcp':{}}]}", target);
    assert_int_equal(seen.cause, NJ_CAUSE_REFUSED);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_CONNECT);
    test_close(fd);
    probe_setup_end(&peers.setup);
}

static void a_run_that_is_cancelled_tells_nothing(void **state)
{
    struct peers peers;
    start(&peers, state, nothing, NULL);
    struct nj_spec *spec = probe_spec("{'steps':[{'tcp':{},'expect':{'minBytes':1}}]}");
    struct run_seen seen = {0};
    struct nj_probe_target target = probe_target(&peers.setup);
    target.port = (uint16_t)peers.server.port;
    const struct nj_probe_request request = {
        .spec = spec, .target = target, .on_done = probe_on_done, .data = &seen};
    struct nj_probe_run *probe = NULL;
    assert_int_equal(nj_probe_start(peers.setup.prober, &request, &probe, NULL), 0);
    test_run_until_count(peers.setup.test, &peers.server.connections, 1);
    test_run_some(peers.setup.test);
    nj_probe_cancel(probe);
    nj_spec_unref(spec);
    stop(&peers);
    assert_false(seen.done);
}

static void over_tls(void **state)
{
    struct probe_setup setup = {0};
    struct nginx nginx;
    nginx_start(&nginx);
    probe_setup_start(&setup, state, NULL);
    struct nj_probe_target target = probe_target(&setup);
    target.port = (uint16_t)nginx.ports[NGINX_TLS1];
    static const char spec[] = "{'steps':[{'tcp':{'tls':true,'send':'GET / HTTP/1.0\\r\\n\\r\\n'},"
                               "'expect':{'body':[{'contains':'hello'}]}}],'tls':{'minDaysLeft':5}}";
    struct run_seen seen = probe_run_with(&setup, spec, target, NULL, 0, nginx.ca);
    assert_true(seen.ok);
    assert_true(seen.steps[0].has_certificate);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_TLS] > 0);
    seen = probe_run_at(&setup, spec, target);
    assert_int_equal(seen.cause, NJ_CAUSE_CERTIFICATE);
    seen = probe_run_with(&setup, "{'steps':[{'tcp':{'tls':true}}],'tls':{'minDaysLeft':30}}", target, NULL,
                          0, nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_EXPIRY);
    target.port = (uint16_t)nginx.ports[NGINX_EXPIRED];
    seen = probe_run_with(&setup, spec, target, NULL, 0, nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_CERTIFICATE);
    target.port = (uint16_t)nginx.ports[NGINX_HTTP];
    seen = probe_run_with(&setup, spec, target, NULL, 0, nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_TLS);
    probe_setup_end(&setup);
    nginx_stop(&nginx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(connecting_is_enough),
        test_loop_case(a_greeting_is_waited_for),
        test_loop_case(what_is_sent_is_answered_and_used_by_the_next_step),
        test_loop_case(a_wrong_answer_is_shown),
        test_loop_case(silence_is_a_timeout),
        test_loop_case(a_peer_that_leaves_without_a_word),
        test_loop_case(an_endless_answer_is_cut_off),
        test_loop_case(nobody_listens),
        test_loop_case(a_run_that_is_cancelled_tells_nothing),
        test_loop_case(over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
