/*
 * DNS steps: against Debian's dnsmasq, and against name servers that say nothing, say it wrongly, answer
 * other questions, cut their answers or end the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/probe/dns_message.h"
#include "tests/unit/probe/child.h"
#include "tests/unit/probe/prober_support.h"
#include "tests/unit/probe/raw_server.h"

enum { START_TRIES = 100, START_WAIT_MS = 100, MESSAGE_MAX = 4096 };

static struct {
    struct child child;
    int port;
} dnsmasq;

static int start_dnsmasq(void **state)
{
    (void)state;
    dnsmasq.port = test_free_port();
    NJ_CLEANUP_FREE char *port = nj_asprintf("--port=%d", dnsmasq.port);
    NJ_CLEANUP_FREE char *many = nj_asprintf("--txt-record=long.test,%0200d,%0200d,%0200d", 1, 2, 3);
    /* Debian has it where only root looks by itself. */
    const char *program = access("/usr/sbin/dnsmasq", X_OK) == 0 ? "/usr/sbin/dnsmasq" : "dnsmasq";
    const char *const arguments[] = {program,
                                     "--keep-in-foreground",
                                     "--conf-file=/dev/null",
                                     "--no-resolv",
                                     "--no-hosts",
                                     "--pid-file=",
                                     "--user=",
                                     "--log-facility=-",
                                     "--listen-address=127.0.0.1",
                                     "--bind-interfaces",
                                     port,
                                     "--local=/test/",
                                     "--host-record=web.test,10.1.2.3,fd00::7",
                                     "--address=/many.test/10.0.0.1",
                                     "--host-record=two.test,10.0.0.1",
                                     "--host-record=two.test,10.0.0.2",
                                     "--cname=alias.test,web.test",
                                     "--txt-record=text.test,hello,world",
                                     many,
                                     "--mx-host=mail.test,web.test,10",
                                     "--srv-host=_http._tcp.test,web.test,8080,5,7",
                                     NULL};
    child_start(&dnsmasq.child, arguments);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)dnsmasq.port)};
    for (int i = 0; i < START_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
        test_close(fd);
        if (rc == 0)
            return 0;
        (void)poll(NULL, 0, START_WAIT_MS);
    }
    print_error("dnsmasq (Debian's package dnsmasq-base) does not start\n");
    return -1;
}

static int stop_dnsmasq(void **state)
{
    (void)state;
    child_stop(&dnsmasq.child);
    return 0;
}

static struct run_seen check(void **state, int port, const char *json)
{
    struct probe_setup setup = {0};
    probe_setup_start(&setup, state, NULL);
    struct nj_probe_target target = probe_target(&setup);
    target.port = (uint16_t)port;
    struct run_seen seen = probe_run_at(&setup, json, target);
    probe_setup_end(&setup);
    return seen;
}

static void assert_answers(void **state, const char *dns, const char *expect)
{
    NJ_CLEANUP_FREE char *json = nj_asprintf("{'steps':[{'dns':%s,'expect':%s}]}", dns, expect);
    struct run_seen seen = check(state, dnsmasq.port, json);
    if (!seen.ok)
        fail_msg("%s", seen.json);
}

static void records_of_every_type(void **state)
{
    assert_answers(state, "{'name':'web.test.'}",
                   "{'answers':[{'regex':'^10\\\\.1\\\\.2\\\\.3$'},{'notRegex':'^127'}]}");
    assert_answers(state, "{'name':'web.test.','type':'AAAA'}", "{'answers':[{'regex':'^fd00::7$'}]}");
    assert_answers(state, "{'name':'two.test.'}",
                   "{'answers':[{'regex':'^10.0.0.1$'},{'regex':'^10.0.0.2$'}]}");
    assert_answers(state, "{'name':'alias.test.'}",
                   "{'answers':[{'regex':'^10\\\\.1\\\\.2\\\\.3$'},{'notRegex':'web'}]}");
    assert_answers(state, "{'name':'alias.test.','type':'CNAME'}", "{'answers':[{'regex':'^web.test$'}]}");
    assert_answers(state, "{'name':'text.test.','type':'TXT'}", "{'answers':[{'regex':'^helloworld$'}]}");
    assert_answers(state, "{'name':'mail.test.','type':'MX'}", "{'answers':[{'regex':'^10 web.test$'}]}");
    assert_answers(state, "{'name':'_http._tcp.test.','type':'SRV'}",
                   "{'answers':[{'regex':'^5 7 8080 web.test$'}]}");
    assert_answers(state, "{'name':'WEB.Test.','tcp':true}", "{'answers':[{'regex':'^10.1.2.3$'}]}");
    assert_answers(state, "{'name':'none.test.'}", "{'rcode':'NXDOMAIN'}");
}

static void an_answer_that_was_cut_is_asked_for_over_tcp(void **state)
{
    NJ_CLEANUP_FREE char *expect = nj_asprintf("{'answers':[{'regex':'^0{199}10{199}20{199}3$'}]}");
    assert_answers(state, "{'name':'long.test.','type':'TXT'}", expect);
}

static void what_is_not_as_expected(void **state)
{
    struct run_seen seen = check(state, dnsmasq.port, "{'steps':[{'dns':{'name':'none.test.'}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_ANSWER);
    assert_string_equal(seen.steps[0].expected, "rcode NOERROR");
    assert_string_equal(seen.steps[0].got, "NXDOMAIN");
    assert_int_equal(seen.steps[0].status, 3);
    seen = check(state, dnsmasq.port,
                 "{'steps':[{'dns':{'name':'web.test.'},'expect':{'answers':[{'regex':'^10.9'}]}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_ANSWER);
    assert_string_equal(seen.steps[0].got, "10.1.2.3");
    seen = check(state, dnsmasq.port, "{'steps':[{'dns':{'name':'other.example.'}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_ANSWER);
    assert_string_equal(seen.steps[0].got, "REFUSED");
}

/* ---- a name server in the test's hands */

struct server {
    struct probe_setup setup;
    uv_udp_t udp;
    int port, questions;
    char buffer[MESSAGE_MAX];
    /* Makes `message` out of the question that it holds: the length, 0: no answer. */
    size_t (*answer)(struct server *server, unsigned char *message, size_t len);
    bool twice; /* what answer() made, and then the right answer */
    bool closed;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct server *server = handle->data;
    (void)suggested;
    *ret_buf = uv_buf_init(server->buffer, sizeof(server->buffer));
}

/* The question with an answer 10.0.0.9 behind it. */
static size_t right_answer(struct server *server, unsigned char *message, size_t len)
{
    static const unsigned char record[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 9};
    (void)server;
    message[2] |= 0x80;
    message[7] = 1;
    memcpy(message + len, record, sizeof(record));
    return len + sizeof(record);
}

static void send_to(struct server *server, const unsigned char *message, size_t len,
                    const struct sockaddr *to)
{
    uv_buf_t buf = uv_buf_init((char *)(size_t)message, (unsigned)len);
    assert_true(uv_udp_try_send(&server->udp, &buf, 1, to) >= 0);
}

static void on_question(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    struct server *server = udp->data;
    unsigned char message[MESSAGE_MAX];
    (void)flags;
    if (len <= 0)
        return;
    server->questions++;
    memcpy(message, buf->base, (size_t)len);
    size_t answer = server->answer(server, message, (size_t)len);
    if (answer > 0)
        send_to(server, message, answer, from);
    if (server->twice) {
        memcpy(message, buf->base, (size_t)len);
        send_to(server, message, right_answer(server, message, (size_t)len), from);
    }
}

static void server_start(struct server *server, void **state,
                         size_t (*answer)(struct server *server, unsigned char *message, size_t len))
{
    memset(server, 0, sizeof(*server));
    probe_setup_start(&server->setup, state, NULL);
    server->answer = answer;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int len = sizeof(address);
    assert_int_equal(uv_udp_init(&server->setup.test->loop.uv, &server->udp), 0);
    server->udp.data = server;
    assert_int_equal(uv_udp_bind(&server->udp, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_udp_getsockname(&server->udp, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(uv_udp_recv_start(&server->udp, on_alloc, on_question), 0);
}

static void on_udp_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;
    server->closed = true;
}

static void server_stop(struct server *server)
{
    probe_setup_end(&server->setup);
    uv_close((uv_handle_t *)&server->udp, on_udp_closed);
    test_run_until(server->setup.test, &server->closed);
}

static struct run_seen ask(struct server *server, const char *json)
{
    struct nj_probe_target target = probe_target(&server->setup);
    target.port = (uint16_t)server->port;
    return probe_run_at(&server->setup, json, target);
}

static size_t no_answer(struct server *server, unsigned char *message, size_t len)
{
    (void)server;
    (void)message;
    (void)len;
    return 0;
}

static size_t wrong_id(struct server *server, unsigned char *message, size_t len)
{
    message[0] ^= 1;
    return right_answer(server, message, len);
}

static size_t wrong_question(struct server *server, unsigned char *message, size_t len)
{
    message[13] ^= 1; /* a letter of the name */
    return right_answer(server, message, len);
}

static size_t own_question(struct server *server, unsigned char *message, size_t len)
{
    (void)server;
    (void)message;
    return len; /* sent back as it came: no answer */
}

static size_t garbage(struct server *server, unsigned char *message, size_t len)
{
    len = right_answer(server, message, len);
    message[len - 5] = 200; /* longer than the message */
    return len;
}

static size_t only_the_second(struct server *server, unsigned char *message, size_t len)
{
    return server->questions < 2 ? 0 : right_answer(server, message, len);
}

static size_t cut(struct server *server, unsigned char *message, size_t len)
{
    (void)server;
    message[2] |= 0x82;
    return len;
}

#define SPEC                                                                                                 \
    "{'timeout':'%s','steps':[{'dns':{'name':'abc.test.'},'expect':{'answers':[{'regex':'^10.0.0.9$'}]}}]}"

static struct run_seen ask_for(struct server *server, const char *timeout)
{
    NJ_CLEANUP_FREE char *json = nj_asprintf(SPEC, timeout);
    return ask(server, json);
}

static void answers_to_other_questions_do_not_count(void **state)
{
    static size_t (*const answers[])(struct server *, unsigned char *, size_t) = {wrong_id, wrong_question,
                                                                                  own_question};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct server server;
        server_start(&server, state, answers[i]);
        struct run_seen seen = ask_for(&server, "300ms");
        assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
        assert_string_equal(seen.steps[0].got, "only answers to other questions");
        server.twice = true;
        seen = ask_for(&server, "10s");
        assert_true(seen.ok);
        server_stop(&server);
    }
}

static void silence_is_a_timeout(void **state)
{
    struct server server;
    server_start(&server, state, no_answer);
    struct run_seen seen = ask_for(&server, "300ms");
    assert_int_equal(seen.cause, NJ_CAUSE_TIMEOUT);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_FIRST_BYTE);
    assert_string_equal(seen.steps[0].got, "no answer");
    server_stop(&server);
}

static void a_question_that_was_lost_is_asked_again(void **state)
{
    struct server server;
    server_start(&server, state, only_the_second);
    struct run_seen seen = ask_for(&server, "30s");
    assert_true(seen.ok);
    assert_int_equal(server.questions, 2);
    server_stop(&server);
}

static void garbage_is_no_answer(void **state)
{
    struct server server;
    server_start(&server, state, garbage);
    struct run_seen seen = ask_for(&server, "10s");
    assert_int_equal(seen.cause, NJ_CAUSE_PROTOCOL);
    assert_string_equal(seen.steps[0].got, "what came is no answer of a DNS server");
    server_stop(&server);
}

static void nobody_listens(void **state)
{
    struct server server;
    server_start(&server, state, cut); /* what was cut is asked for over TCP, where nobody listens */
    struct run_seen seen = ask_for(&server, "10s");
    assert_int_equal(seen.cause, NJ_CAUSE_REFUSED);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_CONNECT);
    int port = server.port;
    server_stop(&server);
    seen = check(state, port, "{'steps':[{'dns':{'name':'a.'}}]}");
    assert_int_equal(seen.cause, NJ_CAUSE_REFUSED);
}

/* ---- over TCP */

static void nothing(struct raw_peer *peer)
{
    (void)peer;
}

static void drip(struct raw_peer *peer)
{
    raw_send_forever(peer, "\xff", 1);
}

static void flood(struct raw_peer *peer)
{
    raw_send_forever(peer, "\xff\xff\xff\xff\xff\xff\xff\xff garbage", 0);
}

static void hostile_peers_over_tcp(void **state)
{
    static const struct {
        void (*on_bytes)(struct raw_peer *peer);
        enum nj_cause cause;
    } cases[] = {{nothing, NJ_CAUSE_TIMEOUT},
                 {raw_close, NJ_CAUSE_RESET},
                 {raw_reset, NJ_CAUSE_RESET},
                 {drip, NJ_CAUSE_TIMEOUT},
                 {flood, NJ_CAUSE_PROTOCOL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct probe_setup setup = {0};
        struct raw_server server = {0};
        probe_setup_start(&setup, state, NULL);
        raw_server_start(&server, *state, nothing, cases[i].on_bytes, NULL);
        struct nj_probe_target target = probe_target(&setup);
        target.port = (uint16_t)server.port;
        const char *timeout = cases[i].cause == NJ_CAUSE_TIMEOUT ? "300ms" : "10s";
        NJ_CLEANUP_FREE char *json =
            nj_asprintf("{'timeout':'%s','steps':[{'dns':{'name':'a.','tcp':true}}]}", timeout);
        struct run_seen seen = probe_run_at(&setup, json, target);
        assert_int_equal(seen.cause, cases[i].cause);
        probe_setup_end(&setup);
        raw_server_close(&server);
    }
}

static void a_run_that_is_cancelled_tells_nothing(void **state)
{
    struct server server;
    server_start(&server, state, no_answer);
    struct nj_spec *spec = probe_spec("{'steps':[{'dns':{'name':'a.'}}]}");
    struct run_seen seen = {0};
    struct nj_probe_target target = probe_target(&server.setup);
    target.port = (uint16_t)server.port;
    const struct nj_probe_request request = {
        .spec = spec, .target = target, .on_done = probe_on_done, .data = &seen};
    struct nj_probe_run *probe = NULL;
    assert_int_equal(nj_probe_start(server.setup.prober, &request, &probe, NULL), 0);
    test_run_until_count(server.setup.test, &server.questions, 1);
    nj_probe_cancel(probe);
    nj_spec_unref(spec);
    server_stop(&server);
    assert_false(seen.done);
}

/* ---- names */

static void assert_names(const char *name, unsigned ndots, const char *wanted)
{
    char names[NJ_DNS_NAMES_MAX][NJ_DNS_NAME_MAX];
    char *const domains[] = {(char[]){"shop.svc.local"}, (char[]){"svc.local"}, NULL};
    struct nj_buf out = {0};
    size_t count = nj_dns_names(name, domains, ndots, names);
    for (size_t i = 0; i < count; i++)
        nj_buf_printf(&out, "%s%s", i == 0 ? "" : " ", names[i]);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
}

static void a_name_without_a_final_dot_is_searched_for(void **state)
{
    (void)state;
    assert_names("web", 5, "web.shop.svc.local web.svc.local web");
    assert_names("web", 1, "web.shop.svc.local web.svc.local web");
    assert_names("a.b", 1, "a.b a.b.shop.svc.local a.b.svc.local");
    assert_names("web.", 5, "web.");
    assert_names("a.b.", 1, "a.b.");
}

static void the_resolvers_own_servers_need_no_address(void **state)
{
    struct probe_setup setup = {0};
    struct run_seen seen = {0};
    struct nj_err err = {0};
    struct nj_probe_run *run = NULL;
    probe_setup_start(&setup, state, NULL);
    struct nj_spec *spec = probe_spec("{'timeout':'300ms','steps':[{'dns':{'name':'nightjar.invalid.'}}]}");
    struct nj_probe_request request = {.spec = spec,
                                       .target = {.host = "", .scheme = "dns", .path = "", .authority = ""},
                                       .on_done = probe_on_done,
                                       .data = &seen};
    /* Not those of the machine that the test runs on: nothing is sent. */
    assert_int_equal(nj_probe_start(setup.prober, &request, &run, &err), 0);
    nj_probe_cancel(run);
    nj_spec_unref(spec);
    spec = probe_spec("{'steps':[{'tcp':{}}]}");
    request.spec = spec;
    assert_int_equal(nj_probe_start(setup.prober, &request, &run, &err), -EINVAL);
    nj_spec_unref(spec);
    probe_setup_end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(records_of_every_type),
        test_loop_case(an_answer_that_was_cut_is_asked_for_over_tcp),
        test_loop_case(what_is_not_as_expected),
        test_loop_case(answers_to_other_questions_do_not_count),
        test_loop_case(silence_is_a_timeout),
        test_loop_case(a_question_that_was_lost_is_asked_again),
        test_loop_case(garbage_is_no_answer),
        test_loop_case(nobody_listens),
        test_loop_case(hostile_peers_over_tcp),
        test_loop_case(a_run_that_is_cancelled_tells_nothing),
        cmocka_unit_test(a_name_without_a_final_dot_is_searched_for),
        test_loop_case(the_resolvers_own_servers_need_no_address),
    };
    return cmocka_run_group_tests(tests, start_dnsmasq, stop_dnsmasq);
}
