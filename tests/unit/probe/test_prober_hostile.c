/* Peers that break off, never end, lie or lead astray: each run ends in time, tells what it was and where,
 * and takes no more than it may. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/unit/probe/prober_support.h"
#include "tests/unit/probe/raw_server.h"

enum { BODY_MAX = 100 * 1000, SENT_MAX = 24 * 1024 * 1024, BOMB_BYTES = 64 * 1024 * 1024 };

/* What is to time out has little time, but enough to get to where it shall; all else has plenty. */
static const char hurried[] = "{'timeout':'1s','steps':[{'http':{'path':'/'}}]}";
static const char patient[] = "{'timeout':'5s','steps':[{'http':{'path':'/'}}]}";
static const char plain[] = "{'timeout':'30s','interval':'1m','steps':[{'http':{'path':'/'}}]}";
static const char reading[] = "{'timeout':'30s','interval':'1m','steps':[{'http':{'path':'/'},"
                              "'expect':{'body':[{'contains':'ok'}]}}]}";

/* What a peer says at once, and when the request came. */
struct script {
    const char *at_open, *at_request, *forever;
    size_t at_request_len;
    uint64_t every_ms;
    bool reset_at_request, close_at_request;
};

static void on_open(struct raw_peer *peer)
{
    const struct script *script = peer->server->data;
    if (script->at_open != NULL)
        raw_send_text(peer, script->at_open);
}

static void on_drained(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    raw_close(shutdown->handle->data);
    free(shutdown);
}

static void on_bytes(struct raw_peer *peer)
{
    const struct script *script = peer->server->data;
    if (script->at_request != NULL)
        raw_send(peer, script->at_request,
                 script->at_request_len > 0 ? script->at_request_len : strlen(script->at_request));
    if (script->forever != NULL)
        raw_send_forever(peer, script->forever, script->every_ms);
    if (script->reset_at_request) {
        raw_reset(peer);
    } else if (script->close_at_request) {
        uv_shutdown_t *shutdown = calloc(1, sizeof(*shutdown));
        assert_non_null(shutdown);
        assert_int_equal(uv_shutdown(shutdown, (uv_stream_t *)&peer->tcp, on_drained), 0);
    }
}

struct hostile {
    struct probe_setup setup;
    struct raw_server server;
    struct script script;
};

static void begin(struct hostile *hostile, void **state)
{
    *hostile = (struct hostile){.setup.options.max_response_bytes = BODY_MAX};
    probe_setup_start(&hostile->setup, state, NULL);
    raw_server_start(&hostile->server, hostile->setup.test, on_open, on_bytes, &hostile->script);
}

static void end(struct hostile *hostile)
{
    probe_setup_end(&hostile->setup);
    raw_server_close(&hostile->server);
}

static struct nj_probe_target target_of(const struct hostile *hostile, const char *scheme)
{
    return (struct nj_probe_target){.host = "127.0.0.1",
                                    .port = (uint16_t)hostile->server.port,
                                    .scheme = scheme,
                                    .trust = NJ_TRUST_CLUSTER};
}

/* Runs against the script; the one step must fail so. */
static struct run_seen meet(struct hostile *hostile, const char *scheme, const char *spec,
                            struct script script, enum nj_cause cause, enum nj_phase phase)
{
    hostile->script = script;
    struct run_seen seen = probe_run_at(&hostile->setup, spec, target_of(hostile, scheme));
    if (seen.cause != cause || (cause != NJ_CAUSE_NONE && seen.steps[0].phase != phase))
        print_error("%s in %s: %s\n", nj_cause_name(seen.cause), nj_phase_name(seen.steps[0].phase),
                    seen.steps[0].got);
    assert_int_equal(seen.cause, cause);
    if (cause != NJ_CAUSE_NONE) {
        assert_int_equal(seen.steps[0].phase, phase);
        assert_true(seen.steps[0].got[0] != '\0' && seen.steps[0].expected[0] != '\0');
    }
    return seen;
}

static void silence_ends_at_the_timeout_in_the_phase_where_it_fell(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "http", hurried, (struct script){0}, NJ_CAUSE_TIMEOUT, NJ_PHASE_FIRST_BYTE);
    (void)meet(&hostile, "https", patient, (struct script){0}, NJ_CAUSE_TIMEOUT, NJ_PHASE_TLS);
    (void)meet(&hostile, "http", hurried, (struct script){.at_request = "HTTP/1.1 200 OK\r\nX: "},
               NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", hurried,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"},
               NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    struct run_seen seen =
        meet(&hostile, "http", hurried, (struct script){.at_request = "HTTP/1.1 100 Continue\r\n\r\n"},
             NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    assert_string_equal(seen.steps[0].expected, "an HTTP response within 1s");
    end(&hostile);
}

static void a_peer_that_takes_no_connection_is_a_timeout_in_connect(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fds[8];
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fds[0], 0), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&address, &len), 0);
    for (int i = 1; i < 8; i++) { /* until nobody more gets in */
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    struct nj_probe_target target = target_of(&hostile, "http");
    target.port = ntohs(address.sin_port);
    struct run_seen seen = probe_run_at(&hostile.setup, hurried, target);
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_CONNECT);
    for (int i = 0; i < 8; i++)
        test_close(fds[i]);
    end(&hostile);
}

static void a_drip_does_not_keep_a_run_alive(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "http", hurried,
               (struct script){.at_request = "HTTP/1.1 200 ", .forever = "O", .every_ms = 20},
               NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", hurried,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\n", .forever = "A: b\r\n", .every_ms = 20},
               NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", hurried,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
                               .forever = "x",
                               .every_ms = 20},
               NJ_CAUSE_TIMEOUT, NJ_PHASE_TRANSFER);
    end(&hostile);
}

static void headers_without_end_are_too_large(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    static char line[16 * 1024];
    memset(line, 'h', sizeof(line) - 1);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nX: ", .forever = line}, NJ_CAUSE_TOO_LARGE,
               NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\n", .forever = "Some: header\r\n"},
               NJ_CAUSE_TOO_LARGE, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", plain, (struct script){.forever = "HTTP/1.1 100 Continue\r\n\r\n"},
               NJ_CAUSE_TOO_LARGE, NJ_PHASE_TRANSFER);
    assert_true(hostile.server.sent < SENT_MAX);
    end(&hostile);
}

static void a_body_without_end_is_too_large_where_it_is_read(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    static char piece[16 * 1024];
    memset(piece, 'b', sizeof(piece) - 1);
    const struct script endless = {.at_request = "HTTP/1.1 200 OK\r\n\r\n", .forever = piece};
    struct run_seen seen = meet(&hostile, "http", reading, endless, NJ_CAUSE_TOO_LARGE, NJ_PHASE_TRANSFER);
    assert_int_equal(seen.steps[0].bytes, BODY_MAX);
    assert_int_equal(strlen(seen.steps[0].body), NJ_EVIDENCE_BODY_MAX);
    /* Nobody asks for it: its beginning is enough. */
    seen = meet(&hostile, "http", plain, endless, NJ_CAUSE_NONE, NJ_PHASE_CHECK);
    assert_true(seen.ok && seen.steps[0].bytes < BODY_MAX);
    assert_true(hostile.server.sent < SENT_MAX);
    end(&hostile);
}

static void a_wrong_length_is_told(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                               .close_at_request = true},
               NJ_CAUSE_RESET, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
                               .close_at_request = true},
               NJ_CAUSE_RESET, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
               NJ_CAUSE_PROTOCOL, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"},
               NJ_CAUSE_PROTOCOL, NJ_PHASE_TRANSFER);
    struct run_seen seen =
        meet(&hostile, "http", plain,
             (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokokok"},
             NJ_CAUSE_NONE, NJ_PHASE_CHECK);
    assert_int_equal(seen.steps[0].bytes, 2);
    end(&hostile);
}

static void a_reset_is_told_with_its_phase(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "https", plain, (struct script){.reset_at_request = true}, NJ_CAUSE_RESET,
               NJ_PHASE_TLS);
    (void)meet(&hostile, "https", plain, (struct script){.close_at_request = true}, NJ_CAUSE_RESET,
               NJ_PHASE_TLS);
    (void)meet(&hostile, "http", plain, (struct script){.reset_at_request = true}, NJ_CAUSE_RESET,
               NJ_PHASE_FIRST_BYTE);
    (void)meet(&hostile, "http", plain, (struct script){.close_at_request = true}, NJ_CAUSE_RESET,
               NJ_PHASE_FIRST_BYTE);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 200 OK\r\nContent-", .close_at_request = true},
               NJ_CAUSE_RESET, NJ_PHASE_TRANSFER);
    struct nj_probe_target nobody = target_of(&hostile, "http");
    int port = 0;
    test_close(test_listen(&port));
    nobody.port = (uint16_t)port;
    struct run_seen seen = probe_run_at(&hostile.setup, plain, nobody);
    assert_int_equal(seen.cause, NJ_CAUSE_REFUSED);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_CONNECT);
    assert_string_equal(seen.steps[0].got, "connection refused");
    nobody.scheme = "https";
    assert_int_equal(probe_run_at(&hostile.setup, plain, nobody).cause, NJ_CAUSE_REFUSED);
    end(&hostile);
}

static void what_is_no_tls_or_no_http_is_told(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "https", plain, (struct script){.at_open = "220 mail.example.com ESMTP\r\n"},
               NJ_CAUSE_TLS, NJ_PHASE_TLS);
    (void)meet(&hostile, "https", plain,
               (struct script){.at_request = "\x15\x03\x01\x00\x02\x02\x28", .at_request_len = 7},
               NJ_CAUSE_TLS, NJ_PHASE_TLS);
    (void)meet(&hostile, "https", plain, (struct script){.at_request = "HTTP/1.1 400 Bad\r\n\r\n"},
               NJ_CAUSE_TLS, NJ_PHASE_TLS);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "SSH-2.0-OpenSSH_9.2\r\n", .close_at_request = true},
               NJ_CAUSE_PROTOCOL, NJ_PHASE_TRANSFER);
    (void)meet(&hostile, "http",
               "{'timeout':'30s','interval':'1m','steps':[{'http':{'path':'/','version':'2'}}]}",
               (struct script){.at_request = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                               .close_at_request = true},
               NJ_CAUSE_PROTOCOL, NJ_PHASE_FIRST_BYTE);
    end(&hostile);
}

/* Zeroes, packed. */
static size_t make_bomb(char *to, size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    static unsigned char zeroes[64 * 1024];
    stream.next_out = (unsigned char *)to;
    stream.avail_out = (unsigned)room;
    for (size_t done = 0; done < BOMB_BYTES; done += sizeof(zeroes)) {
        stream.next_in = zeroes;
        stream.avail_in = sizeof(zeroes);
        assert_int_equal(deflate(&stream, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t len = stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return len;
}

static void a_zip_bomb_becomes_no_more_than_a_body_may_be(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    static char response[256 * 1024] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    size_t head = strlen(response);
    size_t len = head + make_bomb(response + head, sizeof(response) - head);
    const struct script bomb = {.at_request = response, .at_request_len = len, .close_at_request = true};
    struct run_seen seen = meet(&hostile, "http", reading, bomb, NJ_CAUSE_TOO_LARGE, NJ_PHASE_TRANSFER);
    assert_int_equal(seen.steps[0].bytes, BODY_MAX);
    seen = meet(&hostile, "http", plain, bomb, NJ_CAUSE_NONE, NJ_PHASE_CHECK);
    assert_true(seen.steps[0].bytes < BODY_MAX);
    (void)meet(
        &hostile, "http", reading,
        (struct script){.at_request =
                            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nno zip"},
        NJ_CAUSE_PROTOCOL, NJ_PHASE_TRANSFER);
    end(&hostile);
}

static void redirects_end_and_lead_nowhere_they_may_not(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    (void)meet(&hostile, "http", plain,
               (struct script){
                   .at_request = "HTTP/1.1 302 Found\r\nLocation: /again?x=1#y\r\nContent-Length: 0\r\n\r\n"},
               NJ_CAUSE_REDIRECT, NJ_PHASE_CHECK);
    assert_int_equal(hostile.server.connections, 6); /* five redirects */
    struct run_seen seen = meet(
        &hostile, "http", plain,
        (struct script){
            .at_request = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n\r\n",
            .close_at_request = true},
        NJ_CAUSE_REDIRECT, NJ_PHASE_CHECK);
    assert_string_equal(seen.steps[0].got,
                        "a redirect to 169.254.169.254, which is a cloud's metadata address");
    assert_int_equal(hostile.server.connections, 7);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request =
                                   "HTTP/1.1 302 Found\r\nLocation: http://[::ffff:169.254.169.254]/\r\n\r\n",
                               .close_at_request = true},
               NJ_CAUSE_REDIRECT, NJ_PHASE_CHECK);
    (void)meet(&hostile, "http", plain,
               (struct script){.at_request = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
                               .close_at_request = true},
               NJ_CAUSE_REDIRECT, NJ_PHASE_CHECK);
    end(&hostile);
}

/* As the kubelet's probes take it. */
static void a_redirect_off_the_service_is_an_answer_unless_more_is_asked(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    const struct script away = {.at_request =
                                    "HTTP/1.1 302 Found\r\nLocation: https://www.example.com/\r\n\r\n",
                                .close_at_request = true};
    struct run_seen seen = meet(&hostile, "http", plain, away, NJ_CAUSE_NONE, NJ_PHASE_CHECK);
    assert_int_equal(seen.steps[0].status, 302);
    seen = meet(&hostile, "http", "{'steps':[{'http':{'path':'/'},'expect':{'status':[200]}}]}", away,
                NJ_CAUSE_REDIRECT, NJ_PHASE_CHECK);
    assert_non_null(strstr(seen.steps[0].got, "https://www.example.com:443"));
    (void)meet(&hostile, "http", "{'steps':[{'http':{'path':'/'},'expect':{'status':[302]}}]}", away,
               NJ_CAUSE_NONE, NJ_PHASE_CHECK);
    assert_int_equal(hostile.server.connections, 3);
    end(&hostile);
}

static void a_host_on_the_list_is_followed_to_and_checked_by_its_address(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    struct raw_server other;
    struct script there = {.at_request = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
    raw_server_start(&other, hostile.setup.test, on_open, on_bytes, &there);
    char by_address[64];
    char by_name[64];
    char location[128];
    (void)snprintf(by_address, sizeof(by_address), "127.0.0.1:%d", hostile.server.port);
    (void)snprintf(by_name, sizeof(by_name), "localhost:%d", other.port);
    (void)snprintf(location, sizeof(location), "HTTP/1.1 302 Found\r\nLocation: http://localhost:%d/\r\n\r\n",
                   other.port);
    char *allowed[] = {by_address, by_name};
    struct nj_probe_target target = target_of(&hostile, "http");
    target.trust = NJ_TRUST_ALLOWED;
    hostile.script = (struct script){.at_request = location, .close_at_request = true};

    struct run_seen seen = probe_run_at(&hostile.setup, plain, target);
    assert_int_equal(seen.cause, NJ_CAUSE_FORBIDDEN); /* nothing is allowed */
    nj_prober_set_allowed(hostile.setup.prober, allowed, 1);
    seen = probe_run_at(&hostile.setup, plain, target);
    assert_int_equal(seen.cause, NJ_CAUSE_REDIRECT);
    assert_string_equal(seen.steps[0].got, "localhost is not on the list of hosts that may be probed");
    nj_prober_set_allowed(hostile.setup.prober, allowed, 2);
    seen = probe_run_at(&hostile.setup, plain, target);
    assert_int_equal(seen.cause, NJ_CAUSE_REDIRECT); /* the name is allowed, but it leads to loopback */
    assert_non_null(strstr(seen.steps[0].got, "loopback"));
    assert_int_equal(other.connections, 0);
    (void)snprintf(by_address, sizeof(by_address), "127.0.0.0/8");
    seen = probe_run_at(&hostile.setup, plain, target);
    assert_true(seen.ok);
    assert_int_equal(other.connections, 1);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_RESOLVE] >= 0);

    char *forbidden[] = {(char[]){"169.254.0.0/16"}};
    nj_prober_set_allowed(hostile.setup.prober, forbidden, 1);
    target.host = "169.254.169.254";
    seen = probe_run_at(&hostile.setup, plain, target);
    assert_int_equal(seen.cause, NJ_CAUSE_FORBIDDEN);
    assert_string_equal(seen.steps[0].got, "169.254.169.254 is a cloud's metadata address");
    probe_setup_end(&hostile.setup);
    raw_server_close(&hostile.server);
    raw_server_close(&other);
}

static void a_name_that_nobody_knows_is_told(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    struct nj_probe_target target = target_of(&hostile, "http");
    target.host = "no-such-host.invalid";
    struct run_seen seen = probe_run_at(
        &hostile.setup, "{'timeout':'40s','interval':'1m','steps':[{'http':{'path':'/'}}]}", target);
    assert_int_equal(seen.cause, NJ_CAUSE_RESOLVE);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_RESOLVE);
    assert_non_null(strstr(seen.steps[0].got, "no-such-host.invalid"));
    end(&hostile);
}

static void what_is_left_to_finally_after_a_timeout(void **state)
{
    struct hostile hostile;
    begin(&hostile, state);
    hostile.script = (struct script){0};
    struct run_seen seen = probe_run_at(&hostile.setup,
                                        "{'timeout':'1s','steps':[{'http':{'path':'/'}},{'http':{'path':'/"
                                        "2'}}],'finally':[{'name':'bye','http':{'path':'/bye'}}]}",
                                        target_of(&hostile, "http"));
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.failed, 0);
    assert_false(seen.steps[1].ran);
    assert_true(seen.steps[2].ran);
    assert_int_equal(seen.steps[2].cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.steps[2].phase, NJ_PHASE_FIRST_BYTE); /* it had time of its own to get there */
    assert_int_equal(hostile.server.connections, 2);
    end(&hostile);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as both programs do */
    const struct CMUnitTest tests[] = {
        test_loop_case(silence_ends_at_the_timeout_in_the_phase_where_it_fell),
        test_loop_case(a_peer_that_takes_no_connection_is_a_timeout_in_connect),
        test_loop_case(a_drip_does_not_keep_a_run_alive),
        test_loop_case(headers_without_end_are_too_large),
        test_loop_case(a_body_without_end_is_too_large_where_it_is_read),
        test_loop_case(a_wrong_length_is_told),
        test_loop_case(a_reset_is_told_with_its_phase),
        test_loop_case(what_is_no_tls_or_no_http_is_told),
        test_loop_case(a_zip_bomb_becomes_no_more_than_a_body_may_be),
        test_loop_case(redirects_end_and_lead_nowhere_they_may_not),
        test_loop_case(a_redirect_off_the_service_is_an_answer_unless_more_is_asked),
        test_loop_case(a_host_on_the_list_is_followed_to_and_checked_by_its_address),
        test_loop_case(a_name_that_nobody_knows_is_told),
        test_loop_case(what_is_left_to_finally_after_a_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
