/*
 * gRPC health checks against a server made with Node's HTTP/2, in clear and over TLS, and against peers that
 * speak something else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "tests/unit/probe/child.h"
#include "tests/unit/probe/prober_support.h"
#include "tests/unit/probe/raw_server.h"

enum { PEM_MAX = 4096 };

static struct {
    struct child clear, tls;
    uint16_t clear_port, tls_port;
    char folder[64], ca[PEM_MAX];
} servers = {.folder = "/tmp/nightjar-grpc-XXXXXX"};

static uint16_t start_server(struct child *child, const char *folder)
{
    const char *const arguments[] = {"node", "tests/lib/grpc-health.js", folder, NULL};
    char line[32];
    child_start(child, arguments);
    child_line(child, line, sizeof(line));
    return (uint16_t)strtol(line, NULL, 10);
}

static int start_servers(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(servers.folder));
    servers.clear_port = start_server(&servers.clear, NULL);
    servers.tls_port = start_server(&servers.tls, servers.folder);
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s/ca.crt", servers.folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    servers.ca[fread(servers.ca, 1, PEM_MAX - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    static const char *const files[] = {"ca.crt",     "ca.key",     "server.crt",
                                        "server.key", "client.crt", "client.key"};
    child_stop(&servers.clear);
    child_stop(&servers.tls);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        NJ_CLEANUP_FREE char *path = nj_asprintf("%s/%s", servers.folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    return rmdir(servers.folder);
}

static struct run_seen check(void **state, uint16_t port, const char *json, const char *ca)
{
    struct probe_setup setup = {0};
    probe_setup_start(&setup, state, NULL);
    struct nj_probe_target target = probe_target(&setup);
    target.port = port;
    struct run_seen seen = probe_run_with(&setup, json, target, NULL, 0, ca);
    probe_setup_end(&setup);
    return seen;
}

static void a_server_that_serves(void **state)
{
    struct run_seen seen = check(state, servers.clear_port,
                                 "{'steps':[{'grpc':{}},{'grpc':{'service':'up'}},{'grpc':{'service':'down'},"
                                 "'expect':{'grpcStatus':'NOT_SERVING'}}]}",
                                 NULL);
    assert_true(seen.ok);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.steps[0].version, "2");
}

static void a_service_that_does_not_serve(void **state)
{
    struct run_seen seen = check(state, servers.clear_port, "{'steps':[{'grpc':{'service':'down'}}]}", NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_ANSWER);
    assert_string_equal(seen.steps[0].expected, "gRPC status SERVING");
    assert_string_equal(seen.steps[0].got, "NOT_SERVING");
}

static void a_service_that_is_not_known(void **state)
{
    struct nj_buf json = {0};
    nj_buf_append_str(&json, "{'steps':[{'grpc':{'service':'");
    for (int i = 0; i < 200; i++) /* its length takes two bytes */
        nj_buf_append_char(&json, 'x');
    nj_buf_append_str(&json, "'}}]}");
    struct run_seen seen = check(state, servers.clear_port, nj_buf_str(&json), NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_ANSWER);
    assert_string_equal(seen.steps[0].got, "NOT_FOUND");
    assert_int_equal(seen.steps[0].status, 5);
    assert_string_equal(seen.steps[0].body, "unknown service");
    nj_buf_done(&json);
    seen = check(state, servers.clear_port,
                 "{'steps':[{'grpc':{'service':'other'},'expect':{'grpcStatus':'NOT_FOUND'}}]}", NULL);
    assert_true(seen.ok);
}

static void answers_that_are_none(void **state)
{
    struct run_seen seen =
        check(state, servers.clear_port, "{'steps':[{'grpc':{'service':'broken'}}]}", NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_PROTOCOL);
    assert_string_equal(seen.steps[0].got, "an answer that is no HealthCheckResponse");
    seen = check(state, servers.clear_port, "{'steps':[{'grpc':{'service':'plain'}}]}", NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_PROTOCOL);
    assert_string_equal(seen.steps[0].got, "HTTP/2 status 503 without a gRPC status");
    seen =
        check(state, servers.clear_port, "{'timeout':'300ms','steps':[{'grpc':{'service':'silent'}}]}", NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    seen = check(state, servers.clear_port, "{'steps':[{'grpc':{'service':'reset'}}]}", NULL);
    assert_false(seen.ok);
    assert_true(seen.cause == NJ_CAUSE_RESET || seen.cause == NJ_CAUSE_PROTOCOL);
}

static void over_tls(void **state)
{
    struct run_seen seen =
        check(state, servers.tls_port, "{'steps':[{'grpc':{'tls':true,'service':'up'}}]}", servers.ca);
    assert_true(seen.ok);
    assert_true(seen.steps[0].has_certificate);
    seen = check(state, servers.tls_port, "{'steps':[{'grpc':{'tls':true}}]}", NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_CERTIFICATE);
    seen = check(state, servers.clear_port, "{'steps':[{'grpc':{'tls':true}}]}", servers.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_TLS);
}

static void speak_http1(struct raw_peer *peer)
{
    raw_send_text(peer, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void speak_garbage(struct raw_peer *peer)
{
    raw_send_forever(peer, "\x01\x02\x03garbage", 0);
}

static void peers_that_speak_something_else(void **state)
{
    static void (*const answers[])(struct raw_peer *) = {speak_http1, speak_garbage};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct probe_setup setup = {0};
        struct raw_server server = {0};
        probe_setup_start(&setup, state, NULL);
        raw_server_start(&server, *state, answers[i], NULL, NULL);
        struct nj_probe_target target = probe_target(&setup);
        target.port = (uint16_t)server.port;
        struct run_seen seen = probe_run_at(&setup, "{'timeout':'2s','steps':[{'grpc':{}}]}", target);
        assert_int_equal(seen.cause, NJ_CAUSE_PROTOCOL);
        probe_setup_end(&setup);
        raw_server_close(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(a_server_that_serves),
        test_loop_case(a_service_that_does_not_serve),
        test_loop_case(a_service_that_is_not_known),
        test_loop_case(answers_that_are_none),
        test_loop_case(over_tls),
        test_loop_case(peers_that_speak_something_else),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
