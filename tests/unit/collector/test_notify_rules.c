/*
 * The pure rules of telling: who is told (routes), how many a minute (rate), and when a channel rests
 * (circuit).
 */
#include <stdio.h>
#include <string.h>

#include "collector/notify/circuit.h"
#include "collector/notify/ledger.h"
#include "collector/notify/rate.h"
#include "collector/notify/route.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/unit/collector/notify_support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "channel[group|mentions];" for each who is told. */
static void assert_told(const char *yaml, const struct nj_incident *incident, bool ended, const char *wanted)
{
    struct nj_collector_config config;
    load_config(&config, yaml);
    size_t count = 0;
    struct nj_recipient *recipients =
        nj_route(config.notify.routes.items, config.notify.routes.count, incident, ended, &count);
    struct nj_buf out = {0};
    for (size_t i = 0; i < count; i++)
        nj_buf_printf(&out, "%s[%s|%s];", recipients[i].channel, recipients[i].group, recipients[i].mentions);
    assert_string_equal(nj_buf_str(&out), wanted);
    nj_buf_done(&out);
    nj_recipients_free(recipients, count);
    config_done(&config);
}

#define CHANNELS                                                                                             \
    "notify:\n"                                                                                              \
    "  channels:\n"                                                                                          \
    "  - {name: robot, url_file: /r}\n"                                                                      \
    "  - {name: app, url_file: /r}\n"                                                                        \
    "  - {name: hook, url_file: /r}\n"                                                                       \
    "  routes:\n"

static void a_route_matches_by_patterns_and_severity(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "f"); /* prod.p-1.shop.cart, crash, warning */
    static const struct {
        const char *route;
        bool matches;
    } cases[] = {
        {"group: g", true},
        {"cluster: prod", true},
        {"cluster: PROD", false},
        {"cluster: pro?", true},
        {"cluster: test", false},
        {"project: p-*", true},
        {"project: q-*", false},
        {"namespace: sh*", true},
        {"namespace: sho", false},
        {"workload: '*ar*'", true},
        {"workload: web", false},
        {"kind: crash", true},
        {"kind: image_*", false},
        {"severity: ''", true},
        {"severity: info", true},
        {"severity: warning", true},
        {"severity: critical", false},
        {"cluster: prod, project: p-1, namespace: shop, workload: cart, kind: crash", true},
        {"cluster: prod, project: p-1, namespace: shop, workload: cart, kind: stuck", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char yaml[1024];
        (void)snprintf(yaml, sizeof(yaml), CHANNELS "  - {channels: [robot], %s}\n", cases[i].route);
        const char *told = strstr(cases[i].route, "group") != NULL ? "robot[g|];" : "robot[|];";
        assert_told(yaml, &incident, false, cases[i].matches ? told : "");
    }
    incident.project = "";
    assert_told(CHANNELS "  - {channels: [robot], project: '*'}\n", &incident, false, "robot[|];");
    assert_told(CHANNELS "  - {channels: [robot], project: '?'}\n", &incident, false, "");
}

#define ROUTES(proceed)                                                                                      \
    CHANNELS                                                                                                 \
    "  - {group: other, namespace: other, channels: [hook]}\n"                                               \
    "  - {group: shop, namespace: shop, channels: [robot, app], mentions: [li, wang], proceed: " proceed     \
    "}\n"                                                                                                    \
    "  - {group: ops, channels: [app, hook], mentions: [wang, '@all'], resolved: false}\n"                   \
    "  - {group: never, channels: [robot]}\n"

static void the_first_route_decides_unless_it_proceeds(void **state)
{
    (void)state;
    const struct nj_incident incident = make_incident(1, "f");
    assert_told(ROUTES("true"), &incident, false,
                "robot[shop|li,wang];app[shop, ops|li,wang,@all];hook[ops|wang,@all];");
    assert_told(ROUTES("false"), &incident, false, "robot[shop|li,wang];app[shop|li,wang];");
    assert_told("notify: {}\n", &incident, false, "");
}

static void the_end_is_told_where_the_route_wants_it(void **state)
{
    (void)state;
    const struct nj_incident incident = make_incident(1, "f");
    assert_told(ROUTES("true"), &incident, true, "robot[shop|li,wang];app[shop|li,wang];");
}

/* A monitor's alert group goes before the rules. */
static void an_incident_that_asks_for_a_group_is_told_to_it(void **state)
{
    (void)state;
    struct nj_incident incident = make_incident(1, "f"); /* shop, warning */
    static const char routes[] = CHANNELS "  - {group: shop, namespace: shop, channels: [robot]}\n"
                                          "  - {group: payments, namespace: bank, channels: [app]}\n"
                                          "  - {group: payments, severity: critical, channels: [hook]}\n"
                                          "  - {group: chat, namespace: shop, channels: [hook]}\n"
                                          "  - {group: chat, channels: [app]}\n"
                                          "  - {group: grave, severity: critical, channels: [app]}\n";
    incident.group = "";
    assert_told(routes, &incident, false, "robot[shop|];");
    incident.group = "nobody";
    assert_told(routes, &incident, false, "robot[shop|];");
    /* No route of the group matches: those that want its severity are told all the same. */
    incident.group = "payments";
    assert_told(routes, &incident, false, "app[payments|];");
    incident.group = "grave";
    assert_told(routes, &incident, false, "");
    /* One matches: the others are not asked. */
    incident.severity = NJ_SEVERITY_CRITICAL;
    incident.group = "payments";
    assert_told(routes, &incident, false, "hook[payments|];");
    incident.group = "chat";
    assert_told(routes, &incident, false, "hook[chat|];");
    assert_told(routes, &incident, true, "hook[chat|];");
}

static void a_minute_holds_as_many_messages_as_its_limit(void **state)
{
    (void)state;
    struct nj_rate rate;
    nj_rate_init(&rate, 3);
    assert_int_equal(nj_rate_free(&rate, noon_ns), 3);
    assert_int_equal(nj_rate_when(&rate, 3, noon_ns), noon_ns);
    for (int i = 0; i < 3; i++)
        nj_rate_add(&rate, noon_ns + i * NJ_SEC);
    int64_t now_ns = noon_ns + 2 * NJ_SEC;
    assert_int_equal(nj_rate_free(&rate, now_ns), 0);
    assert_int_equal(nj_rate_when(&rate, 1, now_ns), noon_ns + NJ_MIN);
    assert_int_equal(nj_rate_when(&rate, 3, now_ns), noon_ns + NJ_MIN + 2 * NJ_SEC);
    assert_int_equal(nj_rate_free(&rate, noon_ns + NJ_MIN - 1), 0);
    assert_int_equal(nj_rate_free(&rate, noon_ns + NJ_MIN), 1);
    nj_rate_add(&rate, noon_ns + NJ_MIN);
    assert_int_equal(nj_rate_free(&rate, noon_ns + NJ_MIN), 0);
    assert_int_equal(nj_rate_free(&rate, noon_ns + 10 * NJ_MIN), 3);
    nj_rate_done(&rate);
}

/* What arrives late counts from its arrival: 20 sent at once that take a second are 20 until a second later.
 */
static void a_message_counts_from_its_arrival(void **state)
{
    (void)state;
    struct nj_rate rate;
    nj_rate_init(&rate, 1);
    nj_rate_touch(&rate, noon_ns); /* of nothing */
    nj_rate_add(&rate, noon_ns);
    nj_rate_touch(&rate, noon_ns + NJ_SEC);
    nj_rate_touch(&rate, noon_ns);
    assert_int_equal(nj_rate_when(&rate, 1, noon_ns + NJ_SEC), noon_ns + NJ_SEC + NJ_MIN);
    nj_rate_done(&rate);
}

static void history_may_come_in_any_order_and_exceed_the_limit(void **state)
{
    (void)state;
    struct nj_rate rate;
    nj_rate_init(&rate, 2);
    static const int seconds[] = {5, 1, 4, 2, 3};
    for (size_t i = 0; i < COUNT(seconds); i++)
        nj_rate_add(&rate, noon_ns + seconds[i] * NJ_SEC);
    assert_int_equal(nj_rate_free(&rate, noon_ns + 6 * NJ_SEC), 0);
    nj_rate_set_limit(&rate, 1);
    assert_int_equal(nj_rate_free(&rate, noon_ns + 6 * NJ_SEC), 0);
    nj_rate_set_limit(&rate, 100);
    assert_int_equal(nj_rate_free(&rate, noon_ns + 6 * NJ_SEC), 99);
    for (int i = 0; i < 200; i++)
        nj_rate_add(&rate, noon_ns + i);
    assert_int_equal(nj_rate_free(&rate, noon_ns + 6 * NJ_SEC), 0);
    nj_rate_done(&rate);
}

static void a_clock_that_is_set_back_blocks_for_a_minute_at_most(void **state)
{
    (void)state;
    struct nj_rate rate;
    nj_rate_init(&rate, 2);
    nj_rate_add(&rate, noon_ns);
    nj_rate_add(&rate, noon_ns);
    int64_t back_ns = noon_ns - NJ_HOUR;
    assert_int_equal(nj_rate_free(&rate, back_ns), 0);
    assert_int_equal(nj_rate_when(&rate, 1, back_ns), back_ns + NJ_MIN);
    assert_int_equal(nj_rate_free(&rate, back_ns + NJ_MIN), 2);
    nj_rate_done(&rate);
}

static void waits_double_up_to_five_minutes(void **state)
{
    (void)state;
    static const int64_t seconds[] = {2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    for (size_t i = 0; i < COUNT(seconds); i++)
        assert_int_equal(nj_ledger_backoff_ns((int)i + 1), seconds[i] * NJ_SEC);
    assert_int_equal(nj_ledger_backoff_ns(INT32_MAX), 300 * NJ_SEC);
}

static struct nj_outcome outcome_of(enum nj_outcome_kind kind)
{
    struct nj_outcome outcome;
    nj_outcome_set(&outcome, kind, "it is %s", nj_outcome_name(kind));
    return outcome;
}

static void note(struct nj_circuit *circuit, enum nj_outcome_kind kind, int64_t now_ns)
{
    const struct nj_outcome outcome = outcome_of(kind);
    nj_circuit_note(circuit, &outcome, false, now_ns);
}

static void a_failing_channel_rests_and_closes_after_its_retries(void **state)
{
    (void)state;
    struct nj_circuit circuit;
    nj_circuit_init(&circuit, 2);
    assert_null(nj_circuit_closed(&circuit, noon_ns));
    note(&circuit, NJ_OUTCOME_RETRY, noon_ns);
    assert_int_equal(circuit.rest_ns, noon_ns + 2 * NJ_SEC);
    assert_null(nj_circuit_closed(&circuit, noon_ns));
    note(&circuit, NJ_OUTCOME_UNCERTAIN, noon_ns);
    assert_false(nj_circuit_failed(&circuit));
    note(&circuit, NJ_OUTCOME_RETRY, noon_ns);
    assert_true(nj_circuit_failed(&circuit));
    assert_string_equal(nj_circuit_closed(&circuit, noon_ns), "it is retry");
    assert_int_equal(circuit.rest_ns, noon_ns + 8 * NJ_SEC);
    /* After the rest one message finds out. */
    assert_null(nj_circuit_closed(&circuit, noon_ns + 8 * NJ_SEC));
    note(&circuit, NJ_OUTCOME_DONE, noon_ns + 9 * NJ_SEC);
    assert_false(nj_circuit_failed(&circuit));
    assert_int_equal(circuit.rest_ns, 0);
}

static void what_the_channel_answers_decides_how_long_it_rests(void **state)
{
    (void)state;
    struct nj_circuit circuit;
    nj_circuit_init(&circuit, 3);
    note(&circuit, NJ_OUTCOME_WAIT, noon_ns);
    assert_int_equal(circuit.rest_ns, noon_ns + NJ_MIN);
    assert_false(nj_circuit_failed(&circuit));

    struct nj_outcome slow = outcome_of(NJ_OUTCOME_RETRY);
    slow.retry_after_ns = 100 * NJ_SEC;
    nj_circuit_note(&circuit, &slow, false, noon_ns);
    assert_int_equal(circuit.rest_ns, noon_ns + 100 * NJ_SEC);
    slow.retry_after_ns = NJ_DAY;
    nj_circuit_note(&circuit, &slow, false, noon_ns);
    assert_int_equal(circuit.rest_ns, noon_ns + NJ_HOUR);

    nj_circuit_init(&circuit, 3);
    note(&circuit, NJ_OUTCOME_DOWN, noon_ns);
    assert_string_equal(nj_circuit_closed(&circuit, noon_ns), "it is down");
    assert_int_equal(circuit.rest_ns, noon_ns + 5 * NJ_MIN);
    assert_null(nj_circuit_closed(&circuit, noon_ns + 5 * NJ_MIN));

    nj_circuit_init(&circuit, 3);
    note(&circuit, NJ_OUTCOME_BROKEN, noon_ns);
    assert_string_equal(nj_circuit_closed(&circuit, noon_ns + NJ_DAY), "it is broken");

    /* A message that is refused says nothing against the channel. */
    nj_circuit_init(&circuit, 3);
    note(&circuit, NJ_OUTCOME_REFUSED, noon_ns);
    note(&circuit, NJ_OUTCOME_TOO_LONG, noon_ns);
    note(&circuit, NJ_OUTCOME_RELEASED, noon_ns);
    assert_int_equal(circuit.failures, 0);

    /* Nor does a log file that cannot be uploaded. */
    const struct nj_outcome failed = outcome_of(NJ_OUTCOME_RETRY);
    nj_circuit_note(&circuit, &failed, true, noon_ns);
    assert_int_equal(circuit.failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_matches_by_patterns_and_severity),
        cmocka_unit_test(the_first_route_decides_unless_it_proceeds),
        cmocka_unit_test(the_end_is_told_where_the_route_wants_it),
        cmocka_unit_test(an_incident_that_asks_for_a_group_is_told_to_it),
        cmocka_unit_test(a_minute_holds_as_many_messages_as_its_limit),
        cmocka_unit_test(a_message_counts_from_its_arrival),
        cmocka_unit_test(history_may_come_in_any_order_and_exceed_the_limit),
        cmocka_unit_test(a_clock_that_is_set_back_blocks_for_a_minute_at_most),
        cmocka_unit_test(waits_double_up_to_five_minutes),
        cmocka_unit_test(a_failing_channel_rests_and_closes_after_its_retries),
        cmocka_unit_test(what_the_channel_answers_decides_how_long_it_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
