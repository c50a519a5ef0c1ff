/*
 * What a silence is about: matchers as Alertmanager's, and which incidents they fit.
 */
#include <errno.h>
#include <string.h>

#include "collector/notify/matchers.h"
#include "tests/unit/collector/support.h"

static struct nj_matchers *parse(const char *json)
{
    struct nj_matchers *matchers = NULL;
    struct nj_err err = {0};
    if (nj_matchers_parse(json, strlen(json), &matchers, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    return matchers;
}

static bool fits(const char *json, const struct nj_incident *incident)
{
    struct nj_matchers *matchers = parse(json);
    bool matches = nj_matchers_match(matchers, incident);
    nj_matchers_free(matchers);
    return matches;
}

static void all_of_them_must_fit(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a"); /* prod, shop/cart, a crash */
    assert_true(fits("[{\"name\":\"namespace\",\"value\":\"shop\"}]", &incident));
    assert_true(fits("[{\"name\":\"namespace\",\"value\":\"shop\"},{\"name\":\"kind\",\"value\":\"crash\"}]",
                     &incident));
    assert_true(fits("[{\"name\":\"alertname\",\"value\":\"crash\"}]", &incident));
    assert_false(fits("[{\"name\":\"namespace\",\"value\":\"shop\"},{\"name\":\"kind\",\"value\":\"node\"}]",
                      &incident));
    assert_false(fits("[{\"name\":\"namespace\",\"value\":\"sho\"}]", &incident));
}

static void expressions_are_for_the_whole_value(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a");
    assert_true(fits("[{\"name\":\"workload\",\"value\":\"c.*|web\",\"isRegex\":true}]", &incident));
    assert_false(fits("[{\"name\":\"workload\",\"value\":\"car\",\"isRegex\":true}]", &incident));
    assert_false(fits("[{\"name\":\"workload\",\"value\":\"art\",\"isRegex\":true}]", &incident));
}

static void not_equal_turns_it_round(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a");
    const char *other = "[{\"name\":\"namespace\",\"value\":\"shop\"},{\"name\":\"workload\",\"value\":"
                        "\"web\",\"isEqual\":false}]";
    const char *same = "[{\"name\":\"namespace\",\"value\":\"shop\"},"
                       "{\"name\":\"workload\",\"value\":\"ca.t\",\"isRegex\":true,\"isEqual\":false}]";
    assert_true(fits(other, &incident));
    assert_false(fits(same, &incident));
}

static void a_service_is_the_workload_of_its_incident(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a");
    assert_false(fits("[{\"name\":\"service\",\"value\":\"cart\"}]", &incident));
    incident.workload_kind = "Service";
    assert_true(fits("[{\"name\":\"service\",\"value\":\"cart\"}]", &incident));
}

static void an_outage_is_of_its_service_and_of_the_workload_behind_it(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a");
    incident.kind = NJ_INCIDENT_SERVICE_OUTAGE;
    incident.workload_kind = "Service";
    incident.workload = "cart-headless";
    incident.detail = "Deployment/cart";
    assert_true(fits("[{\"name\":\"workload\",\"value\":\"cart\"}]", &incident));
    assert_true(fits("[{\"name\":\"workload\",\"value\":\"cart-headless\"}]", &incident));
    assert_false(fits("[{\"name\":\"service\",\"value\":\"cart\"}]", &incident));
    /* One that it is not must be neither. */
    assert_false(fits("[{\"name\":\"kind\",\"value\":\"service_outage\"},{\"name\":\"workload\",\"value\":"
                      "\"cart\",\"isEqual\":false}]",
                      &incident));
    assert_true(fits("[{\"name\":\"kind\",\"value\":\"service_outage\"},{\"name\":\"workload\",\"value\":"
                     "\"web\",\"isEqual\":false}]",
                     &incident));
    incident.detail = "";
    assert_false(fits("[{\"name\":\"workload\",\"value\":\"cart\"}]", &incident));
}

static void an_expression_that_gives_up_silences_nothing(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "a");
    incident.reason = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b";
    assert_false(fits("[{\"name\":\"reason\",\"value\":\"(a+)+b\",\"isRegex\":true}]", &incident));
    assert_false(fits("[{\"name\":\"kind\",\"value\":\"crash\"},{\"name\":\"reason\",\"value\":\"(a+)+b\","
                      "\"isRegex\":true,\"isEqual\":false}]",
                      &incident));
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{}", "a list"},
        {"[]", "1 to 20"},
        {"nonsense", "a list"},
        {"[1]", "matchers[0]"},
        {"[{\"name\":\"namespace\"}]", "name and value"},
        {"[{\"name\":\"colour\",\"value\":\"red\"}]", "'colour'"},
        {"[{\"name\":\"namespace\",\"value\":\"a\",\"isregex\":true}]", "'isregex'"},
        {"[{\"name\":\"namespace\",\"value\":\"a(\",\"isRegex\":true}]", "matchers[0].value"},
        {"[{\"name\":\"namespace\",\"value\":\".*\",\"isRegex\":true}]", "all"},
        {"[{\"name\":\"namespace\",\"value\":\"a\",\"isEqual\":false}]", "all"},
        {"[{\"name\":\"namespace\",\"value\":\"\"}]", "all"},
        {"[{\"name\":\"namespace\",\"value\":\"a\\u0000b\"}]", "bytes"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_matchers *matchers = NULL;
        struct nj_err err = {0};
        int rc = nj_matchers_parse(cases[i].json, strlen(cases[i].json), &matchers, &err);
        if (rc != -EINVAL || strstr(err.text, cases[i].words) == NULL)
            fail_msg("%s: %d, %s", cases[i].json, rc, err.text);
        assert_null(matchers);
    }
}

static void written_out_they_read_the_same(void **state)
{
    (void)state;
    struct nj_matchers *matchers = parse("[{\"name\":\"namespace\",\"value\":\"a\\\"b\",\"isRegex\":true}]");
    struct nj_buf out = {0};
    nj_matchers_json(matchers, &out);
    assert_string_equal(nj_buf_str(&out),
                        "[{\"name\":\"namespace\",\"value\":\"a\\\"b\",\"isRegex\":true,\"isEqual\":true}]");
    nj_matchers_free(parse(nj_buf_str(&out)));
    nj_matchers_free(matchers);
    nj_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_them_must_fit),
        cmocka_unit_test(expressions_are_for_the_whole_value),
        cmocka_unit_test(not_equal_turns_it_round),
        cmocka_unit_test(a_service_is_the_workload_of_its_incident),
        cmocka_unit_test(an_outage_is_of_its_service_and_of_the_workload_behind_it),
        cmocka_unit_test(an_expression_that_gives_up_silences_nothing),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(written_out_they_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
