/* A real server of every day: Debian's nginx over HTTP/1.1, HTTP/2 and TLS. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/probe/nginx.h"
#include "tests/unit/probe/prober_support.h"

static struct nginx nginx; /* of the whole program: made once, as keys take time */

static int start_nginx(void **state)
{
    (void)state;
    nginx_start(&nginx);
    return 0;
}

static int stop_nginx(void **state)
{
    (void)state;
    nginx_stop(&nginx);
    return 0;
}

static struct nj_probe_target at(enum nginx_server server, const char *scheme, const char *name)
{
    return (struct nj_probe_target){.host = "127.0.0.1",
                                    .port = (uint16_t)nginx.ports[server],
                                    .scheme = scheme,
                                    .authority = name,
                                    .trust = NJ_TRUST_CLUSTER};
}

static struct run_seen run(void **state, const char *spec, struct nj_probe_target target, const char *ca_pem)
{
    struct probe_setup setup = {0};
    probe_setup_start(&setup, state, NULL);
    struct run_seen seen = probe_run_with(&setup, spec, target, NULL, 0, ca_pem);
    probe_setup_end(&setup);
    return seen;
}

static const char get[] = "{'steps':[{'http':{'path':'/host','headers':[{'name':'X-A','value':'b'}]},"
                          "'expect':{'body':[{'contains':' HTTP/'},{'regex':' b$'}]}}]}";

static void http_1_1_is_spoken_in_clear(void **state)
{
    struct run_seen seen = run(state, get, at(NGINX_HTTP, "http", ""), NULL);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
    assert_string_equal(seen.steps[0].version, "1.1");
    assert_int_equal(seen.steps[0].status, 200);
    assert_false(seen.steps[0].has_certificate);
    seen = run(state,
               "{'steps':[{'http':{'path':'/moved'},'expect':{'status':[200],'json':[{'pointer':'/"
               "status','equals':'up'}]}}]}",
               at(NGINX_HTTP, "http", ""), NULL);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
    assert_non_null(strstr(seen.steps[0].request, "/json"));
    seen = run(state, "{'steps':[{'http':{'path':'/broken'}}]}", at(NGINX_HTTP, "http", ""), NULL);
    assert_int_equal(seen.cause, NJ_CAUSE_STATUS);
    assert_string_equal(seen.steps[0].body, "the database is gone");
}

static void http_2_is_spoken_with_prior_knowledge(void **state)
{
    struct run_seen seen =
        run(state,
            "{'steps':[{'http':{'path':'/host','version':'2'},'expect':{'body':[{'contains':'HTTP/2.0'}]}}]}",
            at(NGINX_HTTP2, "http", "web.test"), NULL);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
    assert_string_equal(seen.steps[0].version, "2");
    seen = run(state, "{'steps':[{'http':{'method':'POST','path':'/json','version':'2','body':'{}'}}]}",
               at(NGINX_HTTP2, "http", "web.test"), NULL);
    assert_int_equal(seen.steps[0].status, 200);
}

static void over_tls_the_version_is_agreed_on_or_demanded(void **state)
{
    struct run_seen seen = run(state, get, at(NGINX_TLS, "https", "web.test"), nginx.ca);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
    assert_string_equal(seen.steps[0].version, "2");
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_TLS] > 0);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_CONNECT] >= 0);
    assert_true(seen.steps[0].has_certificate);
    assert_string_equal(seen.steps[0].subject, "CN=good,O=Nightjar");
    assert_string_equal(seen.steps[0].names, "DNS:web.test, IP Address:127.0.0.1");
    assert_int_equal(seen.steps[0].not_after_ns - seen.steps[0].not_before_ns, 10 * NJ_DAY);

    seen = run(state, "{'steps':[{'http':{'path':'/','version':'1.1'}}]}", at(NGINX_TLS, "https", "web.test"),
               nginx.ca);
    assert_string_equal(seen.steps[0].version, "1.1");
    assert_true(run(state, get, at(NGINX_TLS, "https", ""), nginx.ca).ok); /* by its address */
    assert_true(run(state, get, at(NGINX_TLS1, "https", ""), nginx.ca).ok);
    seen = run(state, "{'steps':[{'http':{'path':'/','version':'2'}}]}", at(NGINX_TLS1, "https", "web.test"),
               nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_PROTOCOL);
    assert_string_equal(seen.steps[0].got, "HTTP/1.1, not HTTP/2");
}

static void certificate_fails(void **state, enum nginx_server server, const char *ca_pem, const char *subject,
                              const char *words)
{
    struct run_seen seen = run(state, get, at(server, "https", "web.test"), ca_pem);
    if (strstr(seen.steps[0].got, words) == NULL)
        print_error("%s\n", seen.steps[0].got);
    assert_int_equal(seen.cause, NJ_CAUSE_CERTIFICATE);
    assert_int_equal(seen.steps[0].phase, NJ_PHASE_TLS);
    assert_non_null(strstr(seen.steps[0].got, words));
    assert_true(seen.steps[0].has_certificate);
    assert_string_equal(seen.steps[0].subject, subject);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_TLS] > 0);
    assert_non_null(strstr(seen.json, subject));
    /* Whoever does not care gets through. */
    assert_true(run(state, "{'tls':{'insecureSkipVerify':true},'steps':[{'http':{'path':'/'}}]}",
                    at(server, "https", "web.test"), NULL)
                    .ok);
}

static void a_bad_certificate_is_the_evidence(void **state)
{
    certificate_fails(state, NGINX_EXPIRED, nginx.ca, "CN=expired,O=Nightjar", "certificate has expired");
    certificate_fails(state, NGINX_OTHER_NAME, nginx.ca, "CN=other,O=Nightjar",
                      "no alternative certificate subject name matches");
    certificate_fails(state, NGINX_SELF_SIGNED, nginx.ca, "CN=self", "self-signed certificate");
    certificate_fails(state, NGINX_TLS, NULL, "CN=good,O=Nightjar", "unable to get local issuer certificate");
    assert_true(run(state, get, at(NGINX_SELF_SIGNED, "https", "web.test"), nginx.self_signed).ok);
}

static void the_name_to_verify_is_told_or_the_host_header(void **state)
{
    assert_true(run(state, "{'tls':{'serverName':'other.test'},'steps':[{'http':{'path':'/'}}]}",
                    at(NGINX_OTHER_NAME, "https", ""), nginx.ca)
                    .ok);
    struct run_seen seen = run(state,
                               "{'steps':[{'http':{'path':'/"
                               "host','headers':[{'name':'Host','value':'other.test:8443'}]},'expect':{'body'"
                               ":[{'contains':'other.test'}]}}]}",
                               at(NGINX_OTHER_NAME, "https", ""), nginx.ca);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
}

static void a_certificate_may_be_asked_to_last(void **state)
{
    struct run_seen seen = run(state, "{'tls':{'minDaysLeft':14},'steps':[{'http':{'path':'/'}}]}",
                               at(NGINX_TLS, "https", "web.test"), nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_EXPIRY);
    assert_true(seen.steps[0].has_certificate);
    assert_true(run(state, "{'tls':{'minDaysLeft':9},'steps':[{'http':{'path':'/'}}]}",
                    at(NGINX_TLS, "https", "web.test"), nginx.ca)
                    .ok);
}

static void an_authority_that_is_no_pem_is_the_probers_own_trouble(void **state)
{
    struct run_seen seen =
        run(state, get, at(NGINX_TLS, "https", "web.test"), "-----BEGIN CERTIFICATE-----\nnothing\n");
    assert_int_equal(seen.cause, NJ_CAUSE_INTERNAL);
}

static void tcp_over_tls_says_and_hears_whatever_it_likes(void **state)
{
    static const char spec[] =
        "{'steps':[{'tcp':{'tls':true,'send':'GET / HTTP/1.0\\r\\nHost: web.test\\r\\n\\r\\n'},"
        "'expect':{'body':[{'contains':'hello'}]}}]}";
    struct run_seen seen = run(state, spec, at(NGINX_TLS1, "https", "web.test"), nginx.ca);
    assert_string_equal(seen.steps[0].got, "");
    assert_true(seen.ok);
    assert_true(seen.steps[0].has_certificate);
    assert_true(seen.steps[0].phase_ns[NJ_PHASE_TLS] > 0);
    seen = run(state, spec, at(NGINX_EXPIRED, "https", "web.test"), nginx.ca);
    assert_int_equal(seen.cause, NJ_CAUSE_CERTIFICATE);
    assert_string_equal(seen.steps[0].subject, "CN=expired,O=Nightjar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_loop_case(http_1_1_is_spoken_in_clear),
        test_loop_case(http_2_is_spoken_with_prior_knowledge),
        test_loop_case(over_tls_the_version_is_agreed_on_or_demanded),
        test_loop_case(a_bad_certificate_is_the_evidence),
        test_loop_case(the_name_to_verify_is_told_or_the_host_header),
        test_loop_case(a_certificate_may_be_asked_to_last),
        test_loop_case(tcp_over_tls_says_and_hears_whatever_it_likes),
        test_loop_case(an_authority_that_is_no_pem_is_the_probers_own_trouble),
    };
    return cmocka_run_group_tests(tests, start_nginx, stop_nginx);
}
