/* What goes on on purpose, and what of it explains an incident. */
#include "collector/incident/suppress.h"

#include <stdio.h>
#include <string.h>

#include "collector/incident/engine.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

static const int64_t noon_ns = 1795262400 * NJ_SEC;

static struct nj_incident of_pod(enum nj_incident_kind kind, const char *pod)
{
    return (struct nj_incident){.id = 1,
                                .kind = kind,
                                .cluster = "prod",
                                .namespace = "shop",
                                .workload_kind = kind == NJ_INCIDENT_PROBE ? "Service" : "Deployment",
                                .workload = "web",
                                .pod = pod,
                                .node = "node-1",
                                .detail = "",
                                .cause = "",
                                .suppressed = "",
                                .first_ns = noon_ns};
}

static struct nj_incident outage(const char *cause)
{
    struct nj_incident incident = of_pod(NJ_INCIDENT_SERVICE_OUTAGE, "");
    incident.workload_kind = "Service";
    incident.workload = "front";
    incident.node = "";
    incident.detail = "Deployment/web";
    incident.cause = cause;
    return incident;
}

/* The rules alone, and the snapshot that is asked by its workloads, say the same. "": tell. */
static void assert_reason(const char *expected, const struct nj_suppress_snapshot *snapshot,
                          const struct nj_incident *incident, int64_t now_ns)
{
    char ruled[NJ_ENGINE_SUPPRESSED_MAX] = "", asked[NJ_ENGINE_SUPPRESSED_MAX] = "";
    struct nj_suppress *suppress = nj_suppress_new(NULL, NULL);
    nj_suppress_publish(suppress, snapshot);
    bool holds = nj_suppress_ask(suppress, incident, now_ns, asked, sizeof(asked));
    assert_int_equal(holds, nj_suppress_decide(snapshot, incident, now_ns, ruled, sizeof(ruled)));
    assert_int_equal(holds, expected[0] != '\0');
    assert_string_equal(expected, ruled);
    assert_string_equal(expected, asked);
    nj_suppress_free(suppress);
}

static struct nj_suppress_rollout rollout_3(void)
{
    return (struct nj_suppress_rollout){.namespace = "shop",
                                        .workload_kind = "Deployment",
                                        .workload = "web",
                                        .template_hash = "7d4f9",
                                        .began_ns = noon_ns - NJ_MIN,
                                        .allowance_ns = NJ_MIN,
                                        .deadline_ns = 10 * NJ_MIN};
}

static void new_pods_of_a_rollout_have_its_allowance_to_start(void **state)
{
    (void)state;
    const struct nj_suppress_rollout rollout = rollout_3();
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    const enum nj_incident_kind kinds[] = {
        NJ_INCIDENT_CRASH, NJ_INCIDENT_IMAGE_PULL,    NJ_INCIDENT_CONFIG_ERROR, NJ_INCIDENT_START_ERROR,
        NJ_INCIDENT_STUCK, NJ_INCIDENT_UNSCHEDULABLE, NJ_INCIDENT_PROBE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct nj_incident incident = of_pod(kinds[i], "web-7d4f9-x2x7k");
        assert_reason("rollout", &snapshot, &incident, noon_ns);
        assert_reason("rollout", &snapshot, &incident, noon_ns + NJ_MIN - 1);
        assert_reason("", &snapshot, &incident, noon_ns + NJ_MIN);
        incident.pod = "web-55aa1-x2x7k"; /* of the last template */
        assert_reason("", &snapshot, &incident, noon_ns);
        incident = of_pod(kinds[i], "web-7d4f9-x2x7k");
        incident.namespace = "bank";
        assert_reason("", &snapshot, &incident, noon_ns);
    }
    struct nj_incident leak = of_pod(NJ_INCIDENT_LEAK, "web-7d4f9-x2x7k");
    assert_reason("", &snapshot, &leak, noon_ns);
    struct nj_incident budget = of_pod(NJ_INCIDENT_SLO_BURN, "");
    assert_reason("", &snapshot, &budget, noon_ns);
}

static void an_allowance_is_at_least_half_a_minute_and_at_most_the_deadline(void **state)
{
    (void)state;
    struct nj_suppress_rollout rollout = rollout_3();
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
    rollout.allowance_ns = 0;
    assert_reason("rollout", &snapshot, &crash, noon_ns + NJ_SUPPRESS_ALLOWANCE_NS - 1);
    assert_reason("", &snapshot, &crash, noon_ns + NJ_SUPPRESS_ALLOWANCE_NS);
    rollout.allowance_ns = NJ_HOUR;
    rollout.deadline_ns = 2 * NJ_MIN;
    assert_reason("rollout", &snapshot, &crash, noon_ns + 2 * NJ_MIN - 1);
    assert_reason("", &snapshot, &crash, noon_ns + 2 * NJ_MIN);
    rollout.deadline_ns = 0;
    assert_reason("rollout", &snapshot, &crash, noon_ns + NJ_HOUR - 1);
}

static void pods_without_a_hash_in_their_names_are_all_new(void **state)
{
    (void)state;
    struct nj_suppress_rollout rollout = rollout_3();
    rollout.workload_kind = "StatefulSet";
    rollout.workload = "db";
    rollout.template_hash = "";
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "db-0");
    crash.workload_kind = "StatefulSet";
    crash.workload = "db";
    assert_reason("rollout", &snapshot, &crash, noon_ns);
    struct nj_incident probe = of_pod(NJ_INCIDENT_PROBE, "db-1");
    assert_reason("rollout", &snapshot, &probe, noon_ns);
    probe.pod = "db-x-1";
    assert_reason("", &snapshot, &probe, noon_ns);
}

/* It names no pod: the snapshot lists the Services that a rollout goes on behind. */
static void a_check_of_an_address_is_explained_by_the_rollout_behind_it(void **state)
{
    (void)state;
    struct nj_suppress_rollout rollouts[] = {rollout_3(), rollout_3()};
    rollouts[1].workload_kind = NJ_SUPPRESS_SERVICE;
    rollouts[1].workload = "front";
    struct nj_suppress_snapshot snapshot = {.rollouts = rollouts, .rollouts_count = 2};
    struct nj_incident incident = of_pod(NJ_INCIDENT_PROBE, "");
    incident.workload = "front";
    assert_reason("rollout", &snapshot, &incident, noon_ns);
    assert_reason("rollout", &snapshot, &incident, noon_ns + NJ_MIN - 1);
    assert_reason("", &snapshot, &incident, noon_ns + NJ_MIN);
    incident.workload = "back"; /* another Service */
    assert_reason("", &snapshot, &incident, noon_ns);
    incident.workload = "front";
    incident.pod = "web-55aa1-x2x7k"; /* an old pod's own */
    assert_reason("", &snapshot, &incident, noon_ns);
    incident.pod = "";
    snapshot.rollouts_count = 1; /* its endpoints lack something else */
    assert_reason("", &snapshot, &incident, noon_ns);
    snapshot.rollouts_count = 2;
    rollouts[1].failed = true;
    rollouts[1].failed_ns = noon_ns;
    assert_reason("", &snapshot, &incident, noon_ns + NJ_SUPPRESS_SETTLE_NS);
}

static void an_outage_of_a_rollout_waits_for_its_end(void **state)
{
    (void)state;
    struct nj_suppress_rollout rollout = rollout_3();
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    const struct nj_incident down = outage("rollout"), crashed = outage("crash");
    assert_reason("rollout", &snapshot, &down, noon_ns + NJ_HOUR);
    assert_reason("", &snapshot, &crashed, noon_ns);
    rollout.ended_ns = noon_ns;
    assert_reason("rollout", &snapshot, &down, noon_ns + NJ_SUPPRESS_SETTLE_NS - 1);
    assert_reason("", &snapshot, &down, noon_ns + NJ_SUPPRESS_SETTLE_NS);
    rollout.ended_ns = 0;
    rollout.failed = true;
    rollout.failed_ns = noon_ns;
    assert_reason("rollout", &snapshot, &down, noon_ns + NJ_SUPPRESS_SETTLE_NS - 1);
    assert_reason("", &snapshot, &down, noon_ns + NJ_SUPPRESS_SETTLE_NS);
}

static void what_a_workload_s_end_or_scaling_takes_along_is_nobody_s_trouble(void **state)
{
    (void)state;
    static const struct {
        enum nj_suppress_why why;
        const char *reason, *cause;
    } cases[] = {{NJ_SUPPRESS_SCALE_DOWN, "scale-down", "scaled_to_zero"},
                 {NJ_SUPPRESS_DELETED, "deletion", "deletion"},
                 {NJ_SUPPRESS_COMPLETED, "job completed", "deletion"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct nj_suppress_mark mark = {cases[i].why, "shop", "Deployment", "web", noon_ns + NJ_HOUR};
        const struct nj_suppress_snapshot snapshot = {.marks = &mark, .marks_count = 1};
        const struct nj_incident probe = of_pod(NJ_INCIDENT_PROBE, "web-7d4f9-x2x7k");
        const struct nj_incident down = outage(cases[i].cause), crashed = outage("crash");
        struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
        assert_reason(cases[i].reason, &snapshot, &crash, noon_ns);
        assert_reason(cases[i].reason, &snapshot, &probe, noon_ns);
        assert_reason(cases[i].reason, &snapshot, &down, noon_ns);
        assert_reason("", &snapshot, &crashed, noon_ns);
        assert_reason("", &snapshot, &crash, noon_ns + NJ_HOUR);
        crash.workload = "other";
        assert_reason("", &snapshot, &crash, noon_ns);
    }
}

static void a_cause_says_by_itself_what_is_meant(void **state)
{
    (void)state;
    const struct nj_suppress_snapshot snapshot = {0};
    const struct nj_incident scaled = outage("scaled_to_zero"), starting = outage("starting");
    const struct nj_incident deleted = outage("deletion"), lost = outage("node_loss");
    const struct nj_incident meant = outage("maintenance");
    assert_reason("scale-down", &snapshot, &scaled, noon_ns + NJ_DAY);
    assert_reason("maintenance", &snapshot, &meant, noon_ns + NJ_DAY);
    assert_reason("deletion", &snapshot, &deleted, noon_ns + NJ_SUPPRESS_DELETION_NS - 1);
    assert_reason("", &snapshot, &deleted, noon_ns + NJ_SUPPRESS_DELETION_NS);
    assert_reason("starting", &snapshot, &starting, noon_ns + NJ_SUPPRESS_STARTING_NS - 1);
    assert_reason("", &snapshot, &starting, noon_ns + NJ_SUPPRESS_STARTING_NS);
    assert_reason("", &snapshot, &lost, noon_ns);
}

static void a_new_workload_may_be_down_for_a_while_and_its_pods_troubles_are_told(void **state)
{
    (void)state;
    const struct nj_suppress_mark mark = {NJ_SUPPRESS_STARTING, "shop", "Deployment", "web",
                                          noon_ns + 2 * NJ_SUPPRESS_STARTING_NS};
    const struct nj_suppress_snapshot snapshot = {.marks = &mark, .marks_count = 1};
    const struct nj_incident down = outage("starting");
    assert_reason("starting", &snapshot, &down, noon_ns + NJ_SUPPRESS_STARTING_NS);
    assert_reason("", &snapshot, &down, noon_ns + 2 * NJ_SUPPRESS_STARTING_NS);
    /* Each of these has waited for as long as its own settings say. */
    static const enum nj_incident_kind kinds[] = {NJ_INCIDENT_PROBE, NJ_INCIDENT_STUCK,
                                                  NJ_INCIDENT_UNSCHEDULABLE, NJ_INCIDENT_CRASH};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct nj_incident of_new = of_pod(kinds[i], "web-7d4f9-x2x7k");
        assert_reason("", &snapshot, &of_new, noon_ns);
    }
}

static void a_drained_node_s_pods_go_and_an_outage_that_costs_is_told(void **state)
{
    (void)state;
    struct nj_suppress_node node = {"node-1", 0};
    const struct nj_suppress_snapshot snapshot = {.nodes = &node, .nodes_count = 1};
    const struct nj_incident evicted = of_pod(NJ_INCIDENT_POD_FAILURE, "web-7d4f9-x2x7k");
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
    const struct nj_incident down = outage("drain");
    assert_reason("drain", &snapshot, &evicted, noon_ns);
    assert_reason("drain", &snapshot, &crash, noon_ns);
    assert_reason("", &snapshot, &down, noon_ns);
    crash.node = "node-2";
    assert_reason("", &snapshot, &crash, noon_ns);
    struct nj_incident room = of_pod(NJ_INCIDENT_CAPACITY, "");
    room.namespace = "";
    room.node = "node-2";
    assert_reason("drain", &snapshot, &room, noon_ns);
    node.until_ns = noon_ns;
    assert_reason("", &snapshot, &evicted, noon_ns);
    assert_reason("", &snapshot, &room, noon_ns);
}

static void nothing_of_a_namespace_that_goes_is_told(void **state)
{
    (void)state;
    const char *const namespaces[] = {"bank", "shop"};
    const struct nj_suppress_snapshot snapshot = {.namespaces = namespaces, .namespaces_count = 2};
    struct nj_incident down = outage("crash");
    struct nj_incident node = of_pod(NJ_INCIDENT_NODE, "");
    node.namespace = "";
    assert_reason("namespace deleted", &snapshot, &down, noon_ns);
    assert_reason("", &snapshot, &node, noon_ns);
    down.namespace = "shop-2";
    assert_reason("", &snapshot, &down, noon_ns);
}

static void a_maintenance_window_is_over_its_namespaces_while_it_is_on(void **state)
{
    (void)state;
    const struct nj_suppress_window windows[] = {{"sh*", noon_ns, noon_ns + NJ_HOUR}, {"", 0, noon_ns}};
    const struct nj_suppress_snapshot snapshot = {.windows = windows, .windows_count = 2};
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
    struct nj_incident node = of_pod(NJ_INCIDENT_NODE, "");
    node.namespace = "";
    assert_reason("", &snapshot, &crash, noon_ns - 1);
    assert_reason("maintenance", &snapshot, &crash, noon_ns);
    assert_reason("", &snapshot, &crash, noon_ns + NJ_HOUR);
    assert_reason("maintenance", &snapshot, &node, noon_ns - 1);
    assert_reason("", &snapshot, &node, noon_ns);
    crash.namespace = "bank";
    assert_reason("", &snapshot, &crash, noon_ns);
}

static bool silenced(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                     size_t size)
{
    (void)now_ns;
    if (!nj_streq(incident->workload, data))
        return false;
    (void)snprintf(ret_reason, size, "silence 3");
    return true;
}

static void a_silence_comes_before_everything(void **state)
{
    (void)state;
    char web[] = "web", reason[NJ_ENGINE_SUPPRESSED_MAX] = "";
    const struct nj_suppress_rollout rollout = rollout_3();
    const struct nj_suppress_snapshot snapshot = {.rollouts = &rollout, .rollouts_count = 1};
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
    struct nj_suppress *suppress = nj_suppress_new(silenced, web);
    nj_suppress_publish(suppress, &snapshot);
    assert_true(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    assert_string_equal("silence 3", reason);
    crash.workload = "other";
    assert_false(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    nj_suppress_free(suppress);
}

static void until_it_is_known_what_goes_on_what_was_held_back_stays_so(void **state)
{
    (void)state;
    char reason[NJ_ENGINE_SUPPRESSED_MAX] = "";
    const struct nj_suppress_snapshot nothing = {0};
    struct nj_suppress *suppress = nj_suppress_new(NULL, NULL);
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7d4f9-x2x7k");
    assert_false(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    crash.suppressed = "rollout";
    assert_true(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    assert_string_equal("rollout", reason);
    /* The engine knows those by itself, and silences are asked for. */
    crash.suppressed = "rollout failed: incident 7";
    assert_false(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    crash.suppressed = "silence 3";
    assert_false(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    nj_suppress_publish(suppress, &nothing);
    crash.suppressed = "rollout";
    assert_false(nj_suppress_ask(suppress, &crash, noon_ns, reason, sizeof(reason)));
    nj_suppress_free(suppress);
}

static void many_things_go_on_at_once(void **state)
{
    (void)state;
    char names[40][16];
    struct nj_suppress_rollout rollouts[40];
    struct nj_suppress_mark marks[40];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "web-%d", i / 2);
        rollouts[i] = rollout_3();
        rollouts[i].workload = names[i];
        rollouts[i].ended_ns = i % 2 == 0 ? noon_ns - NJ_HOUR : 0;
        marks[i] = (struct nj_suppress_mark){NJ_SUPPRESS_SCALE_DOWN, "shop", "StatefulSet", names[i],
                                             noon_ns + i % 2};
    }
    const struct nj_suppress_snapshot snapshot = {
        .rollouts = rollouts, .rollouts_count = 40, .marks = marks, .marks_count = 40};
    struct nj_incident crash = of_pod(NJ_INCIDENT_CRASH, "web-7-7d4f9-x2x7k");
    crash.workload = "web-7";
    assert_reason("rollout", &snapshot, &crash, noon_ns);
    crash.workload_kind = "StatefulSet";
    assert_reason("scale-down", &snapshot, &crash, noon_ns);
    assert_reason("", &snapshot, &crash, noon_ns + 1);
}

static void a_pod_s_name_tells_its_workload_and_its_template(void **state)
{
    (void)state;
    assert_true(nj_pod_is_of_template("Deployment", "web", "7d4f9", "web-7d4f9-x2x7k"));
    assert_true(nj_pod_is_of_template("Deployment", "web", "", "web-7d4f9-x2x7k"));
    assert_false(nj_pod_is_of_template("Deployment", "web", "7d4f9", "web-7d4f91-x2x7k"));
    assert_false(nj_pod_is_of_template("Deployment", "web", "", "web-api-7d4f9-x2x7k"));
    assert_false(nj_pod_is_of_template("Deployment", "web", "7d4f9", "web-7d4f9"));
    assert_false(nj_pod_is_of_template("Deployment", "web", "7d4f9", ""));
    assert_false(nj_pod_is_of_template("Deployment", "", "7d4f9", "-7d4f9-x"));
    assert_true(nj_pod_is_of_template("StatefulSet", "db", "rev2", "db-0"));
    assert_false(nj_pod_is_of_template("StatefulSet", "db", "", "db-main-0"));
    struct nj_template_guess guesses[NJ_TEMPLATE_GUESSES];
    assert_int_equal(2, nj_pod_guess_workloads("web-api-7d4f9-x2x7k", guesses));
    assert_string_equal("web-api", guesses[0].workload);
    assert_string_equal("Deployment", guesses[0].workload_kind);
    assert_string_equal("web-api-7d4f9", guesses[1].workload);
    assert_string_equal("DaemonSet", guesses[1].workload_kind);
    assert_int_equal(1, nj_pod_guess_workloads("db-0", guesses));
    assert_string_equal("StatefulSet", guesses[0].workload_kind);
    assert_int_equal(0, nj_pod_guess_workloads("", guesses));
    assert_int_equal(0, nj_pod_guess_workloads("-", guesses));
    assert_int_equal(0, nj_pod_guess_workloads("web-", guesses));
    assert_int_equal(1, nj_pod_guess_workloads("--x", guesses));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_pods_of_a_rollout_have_its_allowance_to_start),
        cmocka_unit_test(an_allowance_is_at_least_half_a_minute_and_at_most_the_deadline),
        cmocka_unit_test(pods_without_a_hash_in_their_names_are_all_new),
        cmocka_unit_test(a_check_of_an_address_is_explained_by_the_rollout_behind_it),
        cmocka_unit_test(an_outage_of_a_rollout_waits_for_its_end),
        cmocka_unit_test(what_a_workload_s_end_or_scaling_takes_along_is_nobody_s_trouble),
        cmocka_unit_test(a_cause_says_by_itself_what_is_meant),
        cmocka_unit_test(a_new_workload_may_be_down_for_a_while_and_its_pods_troubles_are_told),
        cmocka_unit_test(a_drained_node_s_pods_go_and_an_outage_that_costs_is_told),
        cmocka_unit_test(nothing_of_a_namespace_that_goes_is_told),
        cmocka_unit_test(a_maintenance_window_is_over_its_namespaces_while_it_is_on),
        cmocka_unit_test(a_silence_comes_before_everything),
        cmocka_unit_test(until_it_is_known_what_goes_on_what_was_held_back_stays_so),
        cmocka_unit_test(many_things_go_on_at_once),
        cmocka_unit_test(a_pod_s_name_tells_its_workload_and_its_template),
    };
    return cmocka_run_group_tests_name("collector/suppress", tests, NULL, NULL);
}
