/* Events that the collector tells itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/batch.h"
#include "common/wire/event.h"
#include "tests/unit/test.h"

static struct nj_event event_of(enum nj_event_type type)
{
    return (struct nj_event){.id = "outage-1",
                             .at_ns = 5,
                             .type = type,
                             .subject = {.namespace = "shop", .workload_kind = "Service", .workload = "web"}};
}

static void what_only_the_collector_knows_has_no_form_on_the_wire(void **state)
{
    (void)state;
    const enum nj_event_type types[] = {NJ_EVENT_OUTAGE, NJ_EVENT_ROLLOUT_FAILED, NJ_EVENT_SLO};
    for (size_t i = 0; i < 3; i++) {
        const struct nj_event event = event_of(types[i]);
        struct nj_buf out = {0};
        assert_true(nj_event_is_local(types[i]));
        assert_int_equal(-EINVAL, nj_event_encode(&event, &out));
        assert_int_equal(0, out.len);
        nj_buf_done(&out);
    }
}

static void a_copy_lives_on_its_own(void **state)
{
    (void)state;
    char cause[] = "crash", difference[] = "containers[c].image", severity[] = "critical";
    struct nj_event event = event_of(NJ_EVENT_OUTAGE);
    event.outage =
        (struct nj_outage){.cause = cause, .behind_kind = "Deployment", .behind = "web", .min_ready = 1};
    struct nj_event *outage = nj_event_copy(&event);
    event = event_of(NJ_EVENT_ROLLOUT_FAILED);
    event.rollout = (struct nj_rollout_failed){.revision = "3", .difference = difference, .outage_ns = 7};
    struct nj_event *rollout = nj_event_copy(&event);
    event = event_of(NJ_EVENT_SLO);
    event.slo = (struct nj_slo){.objective = 99.9, .severity = severity};
    struct nj_event *slo = nj_event_copy(&event);
    memset(cause, 'x', strlen(cause));
    memset(difference, 'x', strlen(difference));
    memset(severity, 'x', strlen(severity));
    assert_string_equal("crash", outage->outage.cause);
    assert_string_equal("web", outage->outage.behind);
    assert_string_equal("", outage->outage.reference);
    assert_string_equal("outage-1", outage->id);
    assert_string_equal("", outage->subject.pod);
    assert_string_equal("containers[c].image", rollout->rollout.difference);
    assert_string_equal("3", rollout->rollout.revision);
    assert_string_equal("", rollout->rollout.crash_id);
    assert_int_equal(7, rollout->rollout.outage_ns);
    assert_string_equal("critical", slo->slo.severity);
    assert_true(slo->slo.objective > 99.8);
    free(outage);
    free(rollout);
    free(slo);
}

static void what_has_a_form_on_the_wire_is_not_copied(void **state)
{
    (void)state;
    const struct nj_event event = event_of(NJ_EVENT_CLEARED);
    assert_false(nj_event_is_local(NJ_EVENT_CLEARED));
    assert_null(nj_event_copy(&event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_the_collector_knows_has_no_form_on_the_wire),
        cmocka_unit_test(a_copy_lives_on_its_own),
        cmocka_unit_test(what_has_a_form_on_the_wire_is_not_copied),
    };
    return cmocka_run_group_tests_name("wire/event_local", tests, NULL, NULL);
}
