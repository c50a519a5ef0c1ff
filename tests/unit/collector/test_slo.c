/* Error budgets, when they burn too fast, and maintenance windows. */
#include "collector/sla/slo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/maintenance.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

static const int64_t noon_ns = INT64_C(1795262400) * NJ_SEC; /* Saturday, 2026-11-21 12:00 UTC */

struct setup {
    struct nj_slo_book *slo;
    int told, over;
    char severity[16];
    double burn, burn_limit, budget_left;
    int64_t window_ns;
};

static void on_event(void *data, const struct nj_event *event)
{
    struct setup *setup = data;
    assert_int_equal(NJ_EVENT_SLO, event->type);
    assert_string_equal("Service", event->subject.workload_kind);
    setup->told += event->slo.over ? 0 : 1;
    setup->over += event->slo.over ? 1 : 0;
    (void)snprintf(setup->severity, sizeof(setup->severity), "%s", event->slo.severity);
    setup->burn = event->slo.burn;
    setup->burn_limit = event->slo.burn_limit;
    setup->window_ns = event->slo.window_ns;
    setup->budget_left = event->slo.budget_left;
}

static void begin(struct setup *setup, double objective)
{
    const struct nj_slo_options options = {.cluster = "lab",
                                           .objective = objective,
                                           .window_ns = 30 * NJ_DAY,
                                           .on_event = on_event,
                                           .data = setup};
    *setup = (struct setup){.slo = nj_slo_new(&options)};
}

static void state(struct setup *setup, enum nj_service_state state, enum nj_outage_cause cause,
                  int64_t from_ns, int64_t until_ns)
{
    const struct nj_interval interval = {.cluster = "lab",
                                         .namespace = "shop",
                                         .service = "web",
                                         .from_ns = from_ns,
                                         .until_ns = until_ns,
                                         .seen_ns = until_ns == 0 ? from_ns : until_ns,
                                         .state = state,
                                         .cause = cause,
                                         .detail = "",
                                         .reference = cause == NJ_OUTAGE_BY_ROLLOUT ? "rollout/1" : ""};
    nj_slo_interval(setup->slo, &interval);
}

static void up_for_a_month(struct setup *setup)
{
    state(setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, 0);
}

static void an_outage_burns_the_budget_and_is_told_until_it_is_long_over(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0.999);
    up_for_a_month(&setup);
    nj_slo_tick(setup.slo, noon_ns);
    assert_int_equal(0, setup.told);
    assert_true(nj_slo_budget_left(setup.slo, "shop", "web", noon_ns) == 1);

    /* A budget of 43.2 minutes a month: 52 s in an hour are 14.4 times too many. */
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, 0);
    nj_slo_tick(setup.slo, noon_ns + 50 * NJ_SEC);
    assert_int_equal(0, setup.told);
    nj_slo_tick(setup.slo, noon_ns + NJ_MIN);
    assert_int_equal(1, setup.told);
    assert_string_equal("critical", setup.severity);
    assert_true(setup.burn > 16 && setup.burn < 17);
    nj_slo_tick(setup.slo, noon_ns + 2 * NJ_MIN);
    assert_int_equal(1, setup.told); /* once */

    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, noon_ns + 2 * NJ_MIN);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns + 2 * NJ_MIN, 0);
    double left = nj_slo_budget_left(setup.slo, "shop", "web", noon_ns + 2 * NJ_MIN);
    assert_true(left > 0.953 && left < 0.954); /* 2 of 43.2 minutes are gone */
    for (int minute = 3; minute < 12 * 60; minute++)
        nj_slo_tick(setup.slo, noon_ns + minute * NJ_MIN);
    assert_int_equal(1, setup.over);
    nj_slo_free(setup.slo);
}

/* Away for so long, so many times, beginning every `every_ns`; then up. Returns the time. */
static int64_t go_away(struct setup *setup, int64_t from_ns, int times, int64_t length_ns, int64_t every_ns)
{
    for (int i = 0; i < times; i++) {
        int64_t down_ns = from_ns + i * every_ns, up_ns = down_ns + length_ns;
        state(setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, down_ns, 0);
        nj_slo_tick(setup->slo, up_ns);
        state(setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, down_ns, up_ns);
        state(setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, up_ns, 0);
        if (i + 1 < times)
            state(setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, up_ns, down_ns + every_ns);
    }
    return from_ns + (times - 1) * every_ns + length_ns;
}

/* Google's SRE workbook, table 5-8, for 99.9 % of 30 days: 2 % of the budget (43.2 min) in an hour, 5 % in
 * six, 10 % in three days. What is just too little is not told; what is just too much is, by that pair. */
static void budgets_burn_as_in_the_workbook(void **unused)
{
    static const struct {
        int times;
        int64_t length_ns, every_ns;
        int told;
        const char *severity;
        int64_t window_ns;
        double limit, spent;
    } cases[] = {
        {1, 51 * NJ_SEC, NJ_HOUR, 0, "", 0, 0, 51. / 2592},
        {1, 52 * NJ_SEC, NJ_HOUR, 1, "critical", NJ_HOUR, 14.4, 52. / 2592},
        {10, 129 * NJ_SEC / 10, 30 * NJ_MIN, 0, "", 0, 0, 129. / 2592},
        {11, 12 * NJ_SEC, 30 * NJ_MIN, 1, "critical", 6 * NJ_HOUR, 6, 132. / 2592},
        {11, 23 * NJ_SEC, 6 * NJ_HOUR, 0, "", 0, 0, 253. / 2592},
        {12, 22 * NJ_SEC, 6 * NJ_HOUR, 1, "warning", 3 * NJ_DAY, 1, 264. / 2592},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup setup;
        begin(&setup, 0.999);
        state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
        int64_t now_ns = go_away(&setup, noon_ns, cases[i].times, cases[i].length_ns, cases[i].every_ns);
        assert_int_equal(cases[i].told, setup.told);
        assert_int_equal(0, setup.over);
        assert_string_equal(cases[i].severity, setup.severity);
        assert_int_equal(cases[i].window_ns, setup.window_ns);
        assert_true(cases[i].limit == setup.burn_limit);
        double left = nj_slo_budget_left(setup.slo, "shop", "web", now_ns);
        assert_true(left > 1 - cases[i].spent - 1e-9 && left < 1 - cases[i].spent + 1e-9);
        nj_slo_free(setup.slo);
    }
}

/* The short window ends the alert soon after the trouble has, though the long one is still burnt. */
static void a_fast_burn_is_over_minutes_after_the_outage(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0.999);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
    int64_t up_ns = go_away(&setup, noon_ns, 1, NJ_MIN, NJ_HOUR);
    nj_slo_tick(setup.slo, up_ns + 4 * NJ_MIN);
    assert_int_equal(0, setup.over);
    nj_slo_tick(setup.slo, up_ns + 5 * NJ_MIN);
    assert_int_equal(1, setup.over);
    nj_slo_free(setup.slo);
}

static void a_budget_can_be_overdrawn(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0.999);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
    int64_t now_ns = go_away(&setup, noon_ns, 1, 3888 * NJ_SEC, NJ_DAY); /* one and a half of it */
    double left = nj_slo_budget_left(setup.slo, "shop", "web", now_ns);
    assert_true(left > -0.501 && left < -0.499);
    assert_true(setup.budget_left > -0.501 && setup.budget_left < -0.499);
    /* A month later it is whole again. */
    assert_true(nj_slo_budget_left(setup.slo, "shop", "web", now_ns + 31 * NJ_DAY) == 1);
    nj_slo_free(setup.slo);
}

static void an_alert_ends_with_its_objective_or_with_a_lower_one(void **unused)
{
    static const char *const others[] = {NULL, "50", "no number"};
    (void)unused;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct setup setup;
        begin(&setup, 0);
        assert_int_equal(0, nj_slo_set_objective(setup.slo, "shop", "web", "99.9"));
        state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
        state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, 0);
        nj_slo_tick(setup.slo, noon_ns + NJ_MIN);
        assert_int_equal(1, setup.told);
        bool wrong = nj_slo_set_objective(setup.slo, "shop", "web", others[i]) < 0;
        assert_true(wrong == (i == 2));
        /* Once. */
        assert_int_equal(0, nj_slo_set_objective(setup.slo, "shop", "web", others[i]));
        nj_slo_tick(setup.slo, noon_ns + 2 * NJ_MIN);
        assert_int_equal(1, setup.over);
        nj_slo_free(setup.slo);
    }
}

/* What had no length is replaced: of two states at one moment the later holds. */
static void a_state_that_lasted_no_time_burns_nothing(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0.99);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - NJ_DAY, noon_ns);
    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, 0);
    state(&setup, NJ_SERVICE_SCALED_TO_ZERO, NJ_OUTAGE_BY_SCALED_TO_ZERO, noon_ns, 0);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns, 0);
    nj_slo_tick(setup.slo, noon_ns + NJ_HOUR);
    assert_int_equal(0, setup.told);
    assert_true(nj_slo_availability(setup.slo, "shop", "web", NJ_HOUR, noon_ns + NJ_HOUR) == 1);
    /* Nor when what was stored meanwhile says so. */
    const struct nj_interval stored = {.namespace = "shop",
                                       .service = "web",
                                       .from_ns = noon_ns,
                                       .state = NJ_SERVICE_DOWN,
                                       .cause = NJ_OUTAGE_BY_CRASH,
                                       .reference = ""};
    nj_slo_history(setup.slo, &stored);
    assert_true(nj_slo_availability(setup.slo, "shop", "web", NJ_HOUR, noon_ns + NJ_HOUR) == 1);
    nj_slo_free(setup.slo);
}

/* What lasted when nobody could look any more may be over. */
static void what_nobody_sees_burns_nothing(void **unused)
{
    struct setup setup;
    struct nj_buf out = {0};
    (void)unused;
    begin(&setup, 0.99);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - 40 * NJ_DAY, noon_ns);
    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, 0);
    nj_slo_blind(setup.slo, noon_ns + NJ_HOUR);
    double seen = nj_slo_availability(setup.slo, "shop", "web", NJ_DAY, noon_ns + NJ_HOUR);
    double later = nj_slo_availability(setup.slo, "shop", "web", NJ_DAY, noon_ns + 13 * NJ_HOUR);
    assert_true(seen > 22.9 / 24 && seen < 23.1 / 24);
    assert_true(later > 10.9 / 12 && later < 11.1 / 12); /* of the 12 hours that were seen */
    assert_true(nj_slo_availability(setup.slo, "shop", "web", NJ_HOUR, noon_ns + 13 * NJ_HOUR) < 0);
    assert_int_equal(0, nj_slo_exposition(setup.slo, noon_ns + 13 * NJ_HOUR, &out));
    assert_null(strstr(nj_buf_str(&out), "nightjar_service_up{"));
    assert_null(strstr(nj_buf_str(&out), "window=\"1h\""));
    nj_slo_blind(setup.slo, 0);
    assert_int_equal(0, nj_slo_exposition(setup.slo, noon_ns + 13 * NJ_HOUR, &out));
    assert_non_null(strstr(nj_buf_str(&out), "nightjar_service_up{namespace=\"shop\",service=\"web\"} 0\n"));
    nj_buf_done(&out);
    nj_slo_free(setup.slo);
}

static void what_was_planned_or_not_seen_costs_nothing(void **unused)
{
    static const struct {
        enum nj_service_state state;
        enum nj_outage_cause cause;
    } cases[] = {
        {NJ_SERVICE_SCALED_TO_ZERO, NJ_OUTAGE_BY_SCALED_TO_ZERO},
        {NJ_SERVICE_DOWN, NJ_OUTAGE_BY_MAINTENANCE},
        {NJ_SERVICE_DOWN, NJ_OUTAGE_BY_ROLLOUT},
        {NJ_SERVICE_UNKNOWN, NJ_OUTAGE_BY_NOTHING},
        {NJ_SERVICE_DRAINING, NJ_OUTAGE_BY_DELETION},
        {NJ_SERVICE_DEGRADED, NJ_OUTAGE_BY_CRASH},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup setup;
        begin(&setup, 0.99);
        state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns - NJ_DAY, noon_ns);
        state(&setup, cases[i].state, cases[i].cause, noon_ns, 0);
        nj_slo_tick(setup.slo, noon_ns + NJ_HOUR);
        assert_int_equal(0, setup.told);
        assert_true(nj_slo_availability(setup.slo, "shop", "web", NJ_DAY, noon_ns + NJ_HOUR) == 1);
        nj_slo_free(setup.slo);
    }
}

static void a_rollout_that_turns_out_to_have_failed_costs_after_all(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0.99);
    up_for_a_month(&setup);
    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_ROLLOUT, noon_ns, 0);
    nj_slo_tick(setup.slo, noon_ns + 20 * NJ_MIN);
    assert_int_equal(0, setup.told);
    nj_slo_recause(setup.slo, "shop", "rollout/1", NJ_OUTAGE_BY_FAILED_ROLLOUT);
    nj_slo_tick(setup.slo, noon_ns + 20 * NJ_MIN);
    assert_int_equal(1, setup.told);
    nj_slo_free(setup.slo);
}

/* What was before the start comes later, and twice: as it was read, and as it was told meanwhile. */
static void history_is_put_before_what_was_told_since(void **unused)
{
    struct setup setup;
    (void)unused;
    begin(&setup, 0);
    state(&setup, NJ_SERVICE_DOWN, NJ_OUTAGE_BY_CRASH, noon_ns, noon_ns + NJ_MIN);
    state(&setup, NJ_SERVICE_UP, NJ_OUTAGE_BY_NOTHING, noon_ns + NJ_MIN, 0);
    static const int64_t minutes[] = {-60, -30, 0};
    for (size_t i = 0; i < 3; i++) {
        const struct nj_interval interval = {.namespace = "shop",
                                             .service = "web",
                                             .from_ns = noon_ns + minutes[i] * NJ_MIN,
                                             .until_ns =
                                                 minutes[i] == 0 ? 0 : noon_ns + (minutes[i] + 1) * NJ_MIN,
                                             .state = NJ_SERVICE_DOWN,
                                             .cause = NJ_OUTAGE_BY_CRASH,
                                             .reference = ""};
        nj_slo_history(setup.slo, &interval);
    }
    double ratio = nj_slo_availability(setup.slo, "shop", "web", NJ_DAY, noon_ns + NJ_HOUR);
    assert_true(ratio > 1 - 3.01 / 120 && ratio < 1 - 2.99 / 120); /* three of 120 minutes */
    nj_slo_free(setup.slo);
}

static void an_objective_of_its_own_goes_before_the_setting(void **unused)
{
    struct setup setup;
    struct nj_buf out = {0};
    double objective = 0;
    (void)unused;
    begin(&setup, 0.9);
    up_for_a_month(&setup);
    assert_true(nj_slo_objective(setup.slo, "shop", "web") == 0.9);
    assert_int_equal(0, nj_slo_set_objective(setup.slo, "shop", "web", "99.9"));
    double own = nj_slo_objective(setup.slo, "shop", "web");
    assert_true(own > 0.998 && own < 0.9991);
    assert_int_equal(0, nj_slo_parse("99.9%", &objective));
    assert_true(objective > 0.998 && objective < 0.9991);
    static const char *const wrong[] = {"", "0", "100", "-1", "many", "99.9 %", "nan"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_true(nj_slo_parse(wrong[i], &objective) < 0);
    assert_int_equal(0, nj_slo_exposition(setup.slo, noon_ns, &out));
    assert_non_null(strstr(nj_buf_str(&out), "nightjar_service_up{namespace=\"shop\",service=\"web\"} 1\n"));
    assert_non_null(
        strstr(nj_buf_str(&out),
               "nightjar_service_availability_ratio{namespace=\"shop\",service=\"web\",window=\"30d\"} 1\n"));
    assert_non_null(strstr(nj_buf_str(&out), "nightjar_service_error_budget_left_ratio{"));
    nj_buf_done(&out);
    nj_slo_gone(setup.slo, "shop", "web");
    assert_true(nj_slo_availability(setup.slo, "shop", "web", NJ_DAY, noon_ns) < 0);
    nj_slo_free(setup.slo);
}

/* --- maintenance */

static struct nj_maintenance *window_of(const char *schedule, const char *zone)
{
    char all[] = "shop*", reason[] = "patch day", never[] = "";
    NJ_CLEANUP_FREE char *own_schedule = nj_strdup(schedule);
    NJ_CLEANUP_FREE char *own_zone = nj_strdup(zone);
    struct nj_maintenance_config config = {.namespaces = all,
                                           .from = never,
                                           .to = never,
                                           .schedule = own_schedule,
                                           .zone = own_zone,
                                           .reason = reason};
    const struct nj_config_list list = {.items = &config, .count = 1};
    return nj_maintenance_new(&list, NULL);
}

static bool is_on(const char *schedule, const char *zone, int64_t at_ns)
{
    struct nj_maintenance_state state = {.until_ns = INT64_MAX}, then = {.until_ns = INT64_MAX};
    struct nj_maintenance *maintenance = window_of(schedule, zone);
    assert_non_null(maintenance);
    nj_maintenance_at(maintenance, "shop", at_ns, &state);
    /* Until then, and not a moment longer. */
    assert_true(state.until_ns > at_ns && state.until_ns <= at_ns + 8 * NJ_DAY);
    nj_maintenance_at(maintenance, "shop", state.until_ns - 1, &then);
    assert_true(then.on == state.on && then.until_ns == state.until_ns);
    then = (struct nj_maintenance_state){.until_ns = INT64_MAX};
    nj_maintenance_at(maintenance, "shop", state.until_ns, &then);
    assert_true(then.on != state.on);
    nj_maintenance_free(maintenance);
    return state.on;
}

static void windows_come_every_week_in_their_zone(void **unused)
{
    (void)unused;
    assert_true(is_on("Sat 12:00-12:30", "UTC", noon_ns));
    assert_true(is_on("Sat 12:00-12:30", "UTC", noon_ns + 29 * NJ_MIN));
    assert_false(is_on("Sat 12:00-12:30", "UTC", noon_ns + 30 * NJ_MIN));
    assert_false(is_on("Mon-Fri 12:00-12:30", "UTC", noon_ns));
    assert_true(is_on("Fri-Sun 12:00-12:30", "UTC", noon_ns));
    assert_true(is_on("Sun,Sat 12:00-12:30", "", noon_ns));
    assert_true(is_on("daily 12:00-12:30", "UTC", noon_ns + 3 * NJ_DAY));
    assert_true(is_on("Sat 20:00-21:00", "+08:00", noon_ns));
    assert_true(is_on("Sun 01:00-03:00", "+14:00", noon_ns));
    /* Over midnight, and of the day on which it began. */
    assert_true(is_on("Sat 22:00-02:00", "UTC", noon_ns + 13 * NJ_HOUR));
    assert_false(is_on("Sat 22:00-02:00", "UTC", noon_ns - 11 * NJ_HOUR));
    static const char *const wrong[] = {
        "Sat",           "Sat 12:00",    "Sat 12:00-25:00", "Sam 12:00-13:00",
        "Sat 1:00-2:00", "Sat 12-13:00", "Sat 24:00-01:00", "Sat 12:00-13:00 "};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_null(window_of(wrong[i], "UTC"));
    assert_null(window_of("Sat 12:00-13:00", "Europe/Berlin"));
    assert_null(window_of("", "UTC"));
}

static void windows_are_over_their_namespaces(void **unused)
{
    struct nj_maintenance *maintenance = window_of("Sat 12:00-12:30", "UTC");
    struct nj_maintenance_state shop = {.until_ns = INT64_MAX}, bank = {.until_ns = INT64_MAX};
    struct nj_maintenance_state any = {.until_ns = INT64_MAX};
    size_t count = 0;
    (void)unused;
    nj_maintenance_at(maintenance, "shop", noon_ns, &shop);
    assert_true(shop.on);
    assert_string_equal("patch day", shop.reason);
    nj_maintenance_at(maintenance, "bank", noon_ns, &bank);
    assert_false(bank.on);
    assert_true(bank.until_ns == INT64_MAX);
    nj_maintenance_at(maintenance, NULL, noon_ns + NJ_HOUR, &any);
    assert_false(any.on);
    assert_true(any.until_ns == noon_ns + 7 * NJ_DAY);
    (void)nj_maintenance_windows(maintenance, noon_ns, &count);
    assert_int_equal(1, count);
    (void)nj_maintenance_windows(maintenance, noon_ns + NJ_HOUR, &count);
    assert_int_equal(0, count);
    nj_maintenance_free(maintenance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_burns_the_budget_and_is_told_until_it_is_long_over),
        cmocka_unit_test(budgets_burn_as_in_the_workbook),
        cmocka_unit_test(a_fast_burn_is_over_minutes_after_the_outage),
        cmocka_unit_test(a_budget_can_be_overdrawn),
        cmocka_unit_test(an_alert_ends_with_its_objective_or_with_a_lower_one),
        cmocka_unit_test(what_nobody_sees_burns_nothing),
        cmocka_unit_test(a_state_that_lasted_no_time_burns_nothing),
        cmocka_unit_test(what_was_planned_or_not_seen_costs_nothing),
        cmocka_unit_test(a_rollout_that_turns_out_to_have_failed_costs_after_all),
        cmocka_unit_test(history_is_put_before_what_was_told_since),
        cmocka_unit_test(an_objective_of_its_own_goes_before_the_setting),
        cmocka_unit_test(windows_come_every_week_in_their_zone),
        cmocka_unit_test(windows_are_over_their_namespaces),
    };
    return cmocka_run_group_tests_name("collector/sla/slo", tests, NULL, NULL);
}
