#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "common/base/err.h"
#include "common/probe/address.h"
#include "tests/unit/test.h"

static const char *refusal(const char *text, uint16_t port, enum nj_trust trust, const char *allowed)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    char *list[] = {(char *)allowed};
    return nj_address_refusal((struct sockaddr *)&address, trust, list, allowed == NULL ? 0 : 1);
}

static void nobody_reaches_metadata_and_the_like(void **state)
{
    (void)state;
    static const char *const never[] = {
        "169.254.169.254",
        "169.254.0.1",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.251",
        "239.255.255.250",
        "255.255.255.255",
        "240.0.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "::",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "::ffff:0.0.0.0",
        "::ffff:0:169.254.169.254",
        "64:ff9b::100.100.100.200",
    };
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        assert_non_null(refusal(never[i], 80, NJ_TRUST_CLUSTER, NULL));
        assert_non_null(refusal(never[i], 80, NJ_TRUST_ALLOWED, NULL));
        assert_non_null(refusal(never[i], 80, NJ_TRUST_ALLOWED, "0.0.0.0/0"));
        assert_non_null(refusal(never[i], 80, NJ_TRUST_ALLOWED, "::/0"));
    }
    assert_string_equal(refusal("169.254.169.254", 80, NJ_TRUST_CLUSTER, NULL), "a cloud's metadata address");
    assert_string_equal(refusal("169.254.1.1", 80, NJ_TRUST_CLUSTER, NULL), "a link-local address");
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_non_null(nj_address_refusal(&local, NJ_TRUST_CLUSTER, NULL, 0));
}

static void what_the_cluster_gave_out_is_trusted(void **state)
{
    (void)state;
    static const char *const fine[] = {"10.0.0.7",   "127.0.0.1",   "192.168.1.1", "100.64.1.1",
                                       "::1",        "fd00::7",     "1.2.3.4",     "2001:db8::1",
                                       "172.20.0.1", "169.253.1.1", "169.255.1.1"};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        assert_null(refusal(fine[i], 80, NJ_TRUST_CLUSTER, NULL));
}

static void a_name_on_the_list_leads_inside_only_where_the_list_has_the_address(void **state)
{
    (void)state;
    static const char *const inside[] = {"127.0.0.1",        "127.9.9.9",        "::1",
                                         "10.1.2.3",         "192.168.1.1",      "fd12::1",
                                         "100.64.0.1",       "172.16.0.1",       "::ffff:10.1.2.3",
                                         "::ffff:127.0.0.1", "64:ff9b::10.0.0.1"};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
        assert_non_null(refusal(inside[i], 80, NJ_TRUST_ALLOWED, "*.example.com"));
    assert_null(refusal("93.184.216.34", 443, NJ_TRUST_ALLOWED, "api.example.com"));
    assert_null(refusal("2606:2800::1", 443, NJ_TRUST_ALLOWED, NULL));
    assert_null(refusal("172.32.0.1", 443, NJ_TRUST_ALLOWED, NULL));
    assert_null(refusal("10.1.2.3", 80, NJ_TRUST_ALLOWED, "10.1.0.0/16"));
    assert_null(refusal("::ffff:10.1.2.3", 80, NJ_TRUST_ALLOWED, "10.1.0.0/16"));
    assert_non_null(refusal("10.2.2.3", 80, NJ_TRUST_ALLOWED, "10.1.0.0/16"));
    assert_null(refusal("127.0.0.1", 8080, NJ_TRUST_ALLOWED, "127.0.0.1:8080"));
    assert_non_null(refusal("127.0.0.1", 8081, NJ_TRUST_ALLOWED, "127.0.0.1:8080"));
    assert_null(refusal("fd00::1", 443, NJ_TRUST_ALLOWED, "[fd00::1]:443"));
    assert_non_null(refusal("fd00::1", 444, NJ_TRUST_ALLOWED, "[fd00::1]:443"));
    assert_null(refusal("fd12:3456::1", 80, NJ_TRUST_ALLOWED, "fd00::/8"));
}

static bool allowed(const char *host, uint16_t port, const char *entry)
{
    char other[] = "other.example.org";
    char *list[] = {other, (char *)entry};
    return nj_host_allowed(host, port, list, 2);
}

static void hosts_are_matched_by_name_below_a_name_by_address_and_port(void **state)
{
    (void)state;
    assert_true(allowed("api.example.com", 443, "api.example.com"));
    assert_true(allowed("API.Example.com.", 443, "api.example.com"));
    assert_true(allowed("api.example.com", 443, "Api.example.com."));
    assert_false(allowed("xapi.example.com", 443, "api.example.com"));
    assert_false(allowed("api.example.com.evil.org", 443, "api.example.com"));
    assert_true(allowed("a.b.example.com", 443, "*.example.com"));
    assert_false(allowed("example.com", 443, "*.example.com"));
    assert_false(allowed("evilexample.com", 443, "*.example.com"));
    assert_false(allowed(".example.com", 443, "api.example.com"));
    assert_true(allowed("api.example.com", 8443, "api.example.com:8443"));
    assert_false(allowed("api.example.com", 443, "api.example.com:8443"));
    assert_true(allowed("10.1.2.3", 80, "10.1.2.3"));
    assert_true(allowed("10.1.2.3", 80, "10.1.0.0/16"));
    assert_false(allowed("10.2.2.3", 80, "10.1.0.0/16"));
    assert_true(allowed("fd00::9", 80, "fd00::/8"));
    assert_true(allowed("[fd00::1]", 443, "[fd00::1]:443"));
    assert_false(allowed("[fd00::1]", 80, "[fd00::1]:443"));
    assert_false(allowed("", 80, "*.example.com"));
    assert_false(allowed("anything", 80, "10.0.0.0/8"));
}

static void entries_that_are_none_are_told(void **state)
{
    (void)state;
    static const char *const good[] = {"a",
                                       "api.example.com",
                                       "*.example.com:8443",
                                       "10.1.2.3:80",
                                       "10.0.0.0/8",
                                       "fd00::/8",
                                       "[fd00::1]:443",
                                       "::1",
                                       "10.0.0.0/8:443"};
    static const char *const bad[] = {
        "",    "*",        "a b",        "http://a", "a:0",  "a:65536", "a:x", "10.0.0.0/33", "fd00::/129",
        "a/8", "[fd00::1", "[fd00::1]x", "*.*.a",    "a..b", ".a",      "a?b", "user@host",   "10.0.0.0/-1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(nj_allowed_check(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nj_err err = {0};
        assert_int_equal(nj_allowed_check(bad[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "is no host to be allowed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_reaches_metadata_and_the_like),
        cmocka_unit_test(what_the_cluster_gave_out_is_trusted),
        cmocka_unit_test(a_name_on_the_list_leads_inside_only_where_the_list_has_the_address),
        cmocka_unit_test(hosts_are_matched_by_name_below_a_name_by_address_and_port),
        cmocka_unit_test(entries_that_are_none_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
