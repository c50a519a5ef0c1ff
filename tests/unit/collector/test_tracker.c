/* The services' states, from when to when and why, as the tracker makes them of what it is told. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sla/compute.h"
#include "collector/sla/tracker.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "tests/unit/test.h"

enum { INTERVALS_MAX = 64, ENDPOINTS_MAX = 8, PODS_MAX = 8 };

/* What a test holds: the records as a database would have them. */
struct sim {
    struct nj_tracker *tracker;
    struct {
        struct nj_interval interval;
        char detail[128], reference[64];
    } rows[INTERVALS_MAX];
    size_t count;
    int32_t desired;
    const char
        *latest; /* slices of which the next ones are one change away; NULL: of nothing that was seen */
    const char *created;
    int64_t windows[2][2]; /* maintenance, from and until */
};

static void on_interval(void *data, const struct nj_interval *interval)
{
    struct sim *sim = data;
    size_t at = 0;
    while (at < sim->count && sim->rows[at].interval.from_ns != interval->from_ns)
        at++;
    assert_true(at < INTERVALS_MAX);
    if (at == sim->count)
        sim->count++;
    sim->rows[at].interval = *interval;
    (void)snprintf(sim->rows[at].detail, sizeof(sim->rows[at].detail), "%s", interval->detail);
    (void)snprintf(sim->rows[at].reference, sizeof(sim->rows[at].reference), "%s", interval->reference);
    sim->rows[at].interval.detail = sim->rows[at].detail;
    sim->rows[at].interval.reference = sim->rows[at].reference;
    sim->rows[at].interval.namespace = "shop";
    sim->rows[at].interval.service = "web";
}

static void on_recause(void *data, const char *namespace, const char *reference, enum nj_outage_cause cause,
                       const char *detail)
{
    struct sim *sim = data;
    assert_string_equal(namespace, "shop");
    for (size_t i = 0; i < sim->count; i++) {
        if (strcmp(sim->rows[i].reference, reference) == 0)
            sim->rows[i].interval.cause = cause;
    }
    (void)detail;
}

static void maintenance(void *data, const struct nj_tracker_subject *subject, int64_t at_ns,
                        struct nj_maintenance_state *ret_state)
{
    const struct sim *sim = data;
    assert_string_equal(subject->name, "web");
    for (size_t i = 0; i < 2; i++)
        nj_maintenance_add(ret_state, at_ns, sim->windows[i][0], sim->windows[i][1], "patch day");
}

static void begin(struct sim *sim)
{
    const struct nj_tracker_options options = {.max_services = 100,
                                               .max_facts = 100,
                                               .on_interval = on_interval,
                                               .on_recause = on_recause,
                                               .maintenance = maintenance,
                                               .data = sim};
    sim->tracker = nj_tracker_new(&options);
}

/* Killed and started anew: only what is stored is known. */
static void restart(struct sim *sim, int64_t seen_ns)
{
    nj_tracker_free(sim->tracker);
    begin(sim);
    struct nj_interval *open = &sim->rows[sim->count - 1].interval;
    if (open->seen_ns < seen_ns)
        open->seen_ns = seen_ns;
    nj_tracker_load(sim->tracker, open);
}

/* "09:14:22.989" of the recorded day. */
static int64_t at(const char *text)
{
    int hours = 0, minutes = 0, seconds = 0, ms = 0;
    assert_true(sscanf(text, "%d:%d:%d.%d", &hours, &minutes, &seconds, &ms) >= 3); // NOLINT(cert-err34-c)
    return INT64_C(1795219200) * NJ_SEC + (((int64_t)hours * 60 + minutes) * 60 + seconds) * NJ_SEC +
           ms * NJ_MS;
}

/* "a:rs b:st c:" : pods and whether they are ready, serving, terminating. */
static void slice_at(struct sim *sim, int64_t at_ns, int64_t trigger_ns, const char *text,
                     int64_t ready_since_ns)
{
    struct nj_tracker_endpoint endpoints[ENDPOINTS_MAX];
    char names[ENDPOINTS_MAX][16];
    size_t count = 0;
    for (const char *next = text; *next != '\0';) {
        char flags[8] = "";
        int used = 0;
        assert_true(count < ENDPOINTS_MAX);
        (void)sscanf(next, " %15[^:]:%n", names[count], &used);
        next += used;
        size_t len = strcspn(next, " ");
        (void)snprintf(flags, sizeof(flags), "%.*s", (int)len, next);
        next += len + (next[len] == ' ' ? 1 : 0);
        endpoints[count] = (struct nj_tracker_endpoint){.pod = names[count],
                                                        .pod_uid = names[count],
                                                        .node = "node1",
                                                        .ready = strchr(flags, 'r') != NULL,
                                                        .serving = strchr(flags, 's') != NULL,
                                                        .terminating = strchr(flags, 't') != NULL};
        count++;
    }
    const struct nj_tracker_slice changed = {
        .print_before = sim->latest == NULL ? 0 : nj_hash64(sim->latest, strlen(sim->latest)),
        .trigger_ns = trigger_ns};
    const struct nj_tracker_service service = {.namespace = "shop",
                                               .name = "web",
                                               .desired = sim->desired,
                                               .created_ns = sim->created == NULL ? 0 : at(sim->created),
                                               .workload_kind = "Deployment",
                                               .workload = "web",
                                               .endpoints = endpoints,
                                               .endpoints_count = count,
                                               .at_ns = at_ns,
                                               .trigger_ns = trigger_ns,
                                               .print = count == 0 ? 0 : nj_hash64(text, strlen(text)),
                                               .slices = &changed,
                                               .slices_count = sim->latest == NULL ? 0 : 1};
    nj_tracker_service(sim->tracker, &service, ready_since_ns);
}

static void slice(struct sim *sim, const char *time, const char *text)
{
    slice_at(sim, at(time), 0, text, 0);
}

static void fact(struct sim *sim, const char *time, enum nj_tracker_fact_kind kind, const char *about,
                 const char *reference, int32_t value)
{
    bool of_pod = kind == NJ_FACT_POD_CRASHED || kind == NJ_FACT_POD_EVICTED || kind == NJ_FACT_POD_DRAINED;
    bool of_node = kind >= NJ_FACT_NODE_DOWN && kind <= NJ_FACT_NODE_UNCORDONED;
    const struct nj_tracker_fact given = {.kind = kind,
                                          .at_ns = at(time),
                                          .namespace = of_node ? "" : "shop",
                                          .workload_kind = of_pod || of_node ? "" : "Deployment",
                                          .workload = of_pod || of_node ? "" : about,
                                          .pod_uid = of_pod ? about : "",
                                          .node = of_node ? about : "",
                                          .reference = reference,
                                          .value = value};
    nj_tracker_fact(sim->tracker, &given);
}

struct outages {
    char text[1024];
};

static void on_outage(void *data, const struct nj_sla_outage *outage)
{
    struct outages *outages = data;
    size_t len = strlen(outages->text);
    int64_t day_ns = at("00:00:00");
    (void)snprintf(outages->text + len, sizeof(outages->text) - len, "%.3f-%.3f %s%s\n",
                   (double)(outage->from_ns - day_ns) / NJ_SEC,
                   outage->until_ns == 0 ? 0 : (double)(outage->until_ns - day_ns) / NJ_SEC,
                   nj_outage_cause_name(outage->cause), outage->planned ? " (planned)" : "");
}

static struct nj_sla_summary compute(const struct sim *sim, enum nj_sla_basis basis,
                                     struct outages *ret_outages)
{
    struct nj_sla_summary summary;
    ret_outages->text[0] = '\0';
    struct nj_sla_computing *computing =
        nj_sla_begin(basis, at("09:13:00"), at("09:20:00"), on_outage, ret_outages);
    for (size_t i = 0; i < sim->count; i++)
        nj_sla_add(computing, &sim->rows[i].interval);
    nj_sla_end(computing, &summary);
    return summary;
}

static void assert_outages(const struct sim *sim, enum nj_sla_basis basis, const char *wanted)
{
    struct outages outages;
    (void)compute(sim, basis, &outages);
    assert_string_equal(outages.text, wanted);
}

/* Every interval begins where the one before ended. */
static void assert_whole(const struct sim *sim)
{
    for (size_t i = 0; i + 1 < sim->count; i++)
        assert_true(sim->rows[i].interval.until_ns == sim->rows[i + 1].interval.from_ns);
    for (size_t i = 0; i < sim->count; i++)
        assert_true(sim->rows[i].interval.seen_ns >= sim->rows[i].interval.from_ns);
}

static void teardown(struct sim *sim)
{
    nj_tracker_free(sim->tracker);
}

/* The recorded service shop/web (tests/recordings/README.md), step by step; `kill_at` is the step before
 * which the collector dies. */
enum { RECORDED_STEPS = 27 };

static void recorded_step(struct sim *sim, int step)
{
    switch (step) {
    case 0:
        slice(sim, "09:13:40.000", "a:rs b:rs");
        break;
    case 1:
        fact(sim, "09:14:21.799", NJ_FACT_ROLLOUT_BEGAN, "web", "rollout/1", 0);
        break;
    case 2:
        slice(sim, "09:14:22.999", "a:rs b:rs c:rs");
        break;
    case 3:
        slice(sim, "09:14:23.041", "a:st b:rs c:rs");
        break;
    case 4:
        slice(sim, "09:14:24.026", "a:st b:st c:rs d:rs");
        break;
    case 5:
        fact(sim, "09:14:24.042", NJ_FACT_ROLLOUT_DONE, "web", "rollout/1", 0);
        break;
    case 6:
        sim->desired = 1;
        fact(sim, "09:14:51.973", NJ_FACT_SCALED, "web", "", 1);
        break;
    case 7:
        slice(sim, "09:14:52.063", "c:rs d:st");
        break;
    case 8:
        slice(sim, "09:15:23.784", "c:rs");
        break;
    case 9:
        slice(sim, "09:15:32.080", "c:st");
        break;
    case 10:
        slice(sim, "09:15:33.226", "c:st e:");
        break;
    case 11:
        slice(sim, "09:15:33.236", "c:st e:rs");
        break;
    case 12:
        slice(sim, "09:16:03.320", "e:rs");
        break;
    case 13:
        sim->desired = 0;
        fact(sim, "09:16:12.151", NJ_FACT_SCALED, "web", "", 0);
        break;
    case 14:
        slice(sim, "09:16:12.185", "e:st");
        break;
    case 15:
        slice(sim, "09:16:42.402", "e:t");
        break;
    case 16:
        slice(sim, "09:16:42.701", "");
        break;
    case 17:
        sim->desired = 2;
        fact(sim, "09:16:47.243", NJ_FACT_SCALED, "web", "", 2);
        break;
    case 18:
        slice(sim, "09:16:48.426", "f:");
        break;
    case 19:
        slice(sim, "09:16:48.449", "f:rs");
        slice(sim, "09:16:48.492", "f:rs g:rs");
        break;
    case 20:
        fact(sim, "09:17:02.339", NJ_FACT_ROLLOUT_BEGAN, "web", "rollout/2", 0);
        slice(sim, "09:17:02.382", "f:rs g:st");
        break;
    case 21:
        slice(sim, "09:17:02.404", "f:st g:st");
        break;
    case 22:
        slice(sim, "09:17:03.511", "f:st g:st h: i:");
        break;
    case 23:
        slice(sim, "09:17:33.605", "f:t h: i:");
        break;
    case 24:
        fact(sim, "09:17:52.437", NJ_FACT_ROLLOUT_FAILED, "web", "rollout/2", 0);
        fact(sim, "09:17:52.437", NJ_FACT_ROLLOUT_BEGAN, "web", "rollout/3", 0);
        slice(sim, "09:17:52.477", "h:t i:t");
        break;
    case 25:
        slice(sim, "09:17:53.646", "h:t i:t j:rs");
        slice(sim, "09:17:53.672", "h:t i:t j:rs k:rs");
        fact(sim, "09:17:53.682", NJ_FACT_ROLLOUT_DONE, "web", "rollout/3", 0);
        break;
    case 26:
        slice(sim, "09:18:36.849", "j:rs k:");
        slice(sim, "09:18:36.874", "j: k:");
        slice(sim, "09:18:54.835", "j: k:rs");
        slice(sim, "09:18:54.866", "j:rs k:rs");
        break;
    default:
        fail();
    }
}

static const char by_ready[] = "33332.080-33333.236 deletion\n"
                               "33372.185-33408.449 scaled_to_zero (planned)\n"
                               "33422.404-33473.646 failed_rollout\n"
                               "33516.874-33534.835 failed_readiness\n";
static const char by_serving[] = "33402.402-33408.449 scaled_to_zero (planned)\n"
                                 "33453.605-33473.646 failed_rollout\n"
                                 "33516.874-33534.835 failed_readiness\n";

static void the_recorded_outages_with_their_causes(void **state)
{
    (void)state;
    struct sim sim = {.desired = 2};
    struct outages outages;
    begin(&sim);
    for (int step = 0; step < RECORDED_STEPS; step++)
        recorded_step(&sim, step);
    assert_whole(&sim);
    assert_outages(&sim, NJ_SLA_READY, by_ready);
    assert_outages(&sim, NJ_SLA_SERVING, by_serving);
    struct nj_sla_summary summary = compute(&sim, NJ_SLA_READY, &outages);
    assert_int_equal(summary.outages, 4);
    assert_int_equal(summary.unplanned_outages, 3);
    assert_true(summary.longest_ns == at("09:17:53.646") - at("09:17:02.404"));
    teardown(&sim);
}

/* Whatever happened last is stored: a start finds the same, and what runs (a rollout, what is wanted) is told
 * again. */
static void a_kill_at_any_step_changes_nothing(void **state)
{
    (void)state;
    for (int kill_at = 1; kill_at < RECORDED_STEPS; kill_at++) {
        struct sim sim = {.desired = 2};
        int64_t seen_ns = 0;
        begin(&sim);
        for (int step = 0; step < RECORDED_STEPS; step++) {
            if (step == kill_at) {
                restart(&sim, seen_ns);
                if (step > 1 && step <= 5)
                    fact(&sim, "09:14:21.799", NJ_FACT_ROLLOUT_BEGAN, "web", "rollout/1", 0);
                if (step > 20 && step <= 24)
                    fact(&sim, "09:17:02.339", NJ_FACT_ROLLOUT_BEGAN, "web", "rollout/2", 0);
            }
            recorded_step(&sim, step);
            seen_ns = sim.rows[sim.count - 1].interval.seen_ns;
        }
        struct outages outages;
        (void)compute(&sim, NJ_SLA_READY, &outages);
        if (strstr(outages.text, "deletion") == NULL || strstr(outages.text, "failed_readiness") == NULL)
            fail_msg("killed before step %d:\n%s", kill_at, outages.text);
        assert_whole(&sim);
        teardown(&sim);
    }
}

static void a_gap_is_unknown_unless_the_cluster_still_knows(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *trigger;
        const char *ready_since;
        double unknown_s;
        const char *outages;
    } cases[] = {
        {"a:rs", "a:rs", "", "", 0, ""},                           /* nothing has changed */
        {"a:rs", "b:rs", "09:15:00", "", 60, ""},                  /* since the trigger it is known */
        {"a:rs", "b:rs", "", "", 120, ""},                         /* nothing tells when */
        {"a:rs b:rs", "a:rs c:rs", "09:15:30", "09:13:10", 0, ""}, /* a was ready all the time */
        {"a:rs", "b:rs", "09:15:30", "09:14:30", 30, ""},          /* b was ready from then on */
        {"a:rs", "a:", "09:15:00", "", 60, "33300.000-0.000 failed_readiness\n"},
        {"a:", "a:", "", "", 0, "33200.000-0.000 unknown\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim sim = {.desired = -1};
        struct outages outages;
        begin(&sim);
        slice(&sim, "09:13:20", cases[i].before);
        restart(&sim, at("09:14:00"));
        slice_at(&sim, at("09:16:00"), cases[i].trigger[0] == '\0' ? 0 : at(cases[i].trigger), cases[i].after,
                 cases[i].ready_since[0] == '\0' ? 0 : at(cases[i].ready_since));
        struct nj_sla_summary summary = compute(&sim, NJ_SLA_READY, &outages);
        if ((double)summary.unknown_ns / NJ_SEC != cases[i].unknown_s)
            fail_msg("case %zu: %.1f s unknown", i, (double)summary.unknown_ns / NJ_SEC);
        if (i != 6)
            assert_string_equal(outages.text, cases[i].outages);
        assert_whole(&sim);
        teardown(&sim);
    }
}

/* Between what was seen and one change later nothing else can have been. */
static void one_change_in_a_gap_hides_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *trigger;
        double unknown_s;
        const char *outages;
    } cases[] = {
        {"a:rs", "a:rs b:rs", "", 0, ""},
        {"a:", "a: b:", "", 0, "33200.000-0.000 failed_readiness\n"},
        {"a:rs", "a:", "09:15:00", 0, "33300.000-0.000 failed_readiness\n"},
        {"a:rs", "a:", "09:15:59", 0, "33359.000-0.000 failed_readiness\n"},
        {"a:rs", "a:st", "", 120, "33360.000-0.000 deletion\n"}, /* nothing tells when */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim sim = {.desired = 1};
        struct outages outages;
        begin(&sim);
        slice(&sim, "09:13:10", "a:rs");
        slice(&sim, "09:13:20", cases[i].before);
        restart(&sim, at("09:14:00"));
        sim.latest = cases[i].before;
        slice_at(&sim, at("09:16:00"), cases[i].trigger[0] == '\0' ? 0 : at(cases[i].trigger), cases[i].after,
                 0);
        struct nj_sla_summary summary = compute(&sim, NJ_SLA_READY, &outages);
        if ((double)summary.unknown_ns / NJ_SEC != cases[i].unknown_s)
            fail_msg("case %zu: %.1f s unknown", i, (double)summary.unknown_ns / NJ_SEC);
        assert_string_equal(outages.text, cases[i].outages);
        assert_whole(&sim);
        teardown(&sim);
    }
}

/* Whole seconds are no better than a moment ago. */
static void what_came_within_a_second_is_dated_by_arrival(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1, .latest = "a:rs"};
    begin(&sim);
    slice(&sim, "09:13:20", "a:rs");
    restart(&sim, at("09:13:30"));
    slice_at(&sim, at("09:14:00.402"), at("09:14:00"), "a:", 0);
    restart(&sim, at("09:14:30"));
    sim.latest = NULL;
    slice_at(&sim, at("09:15:00.236"), 0, "a:rs b:", at("09:15:00"));
    assert_outages(&sim, NJ_SLA_READY, "33240.402-33270.000 failed_readiness\n");
    teardown(&sim);
}

static void a_scaling_while_nobody_looked_is_one(void **state)
{
    (void)state;
    struct sim sim = {.desired = 0};
    begin(&sim);
    slice(&sim, "09:13:20", "a:rs");
    slice(&sim, "09:13:30", "");
    restart(&sim, at("09:13:40"));
    sim.desired = 2;
    slice(&sim, "09:13:41", "b: c:");
    const struct nj_interval *now = nj_tracker_now(sim.tracker, "shop", "web");
    assert_int_equal(now->cause, NJ_OUTAGE_BY_SCALING);
    assert_string_equal(now->detail, "Deployment/web scaled from 0 to 2");
    /* Long afterwards it explains nothing. */
    restart(&sim, at("09:13:50"));
    sim.desired = 3;
    slice(&sim, "09:15:00", "b:rs c:");
    assert_int_equal(nj_tracker_now(sim.tracker, "shop", "web")->cause, NJ_OUTAGE_BY_FAILED_READINESS);
    teardown(&sim);
}

/* Its slices come a moment after a Service, and watches may tell of their end before its own. */
static void slices_come_after_a_service_and_go_before_it(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1, .created = "09:13:20"};
    begin(&sim);
    slice(&sim, "09:13:20.668", "");
    slice(&sim, "09:13:20.670", "a:rs");
    slice(&sim, "09:14:00", "");
    nj_tracker_gone(sim.tracker, "shop", "web", at("09:14:03"));
    assert_outages(&sim, NJ_SLA_READY, "");
    struct outages outages;
    assert_int_equal(compute(&sim, NJ_SLA_READY, &outages).observed_ns, 40 * NJ_SEC - 668 * NJ_MS);
    teardown(&sim);
}

static void each_cause_is_found_in_whatever_order_it_is_told(void **state)
{
    (void)state;
    static const struct {
        enum nj_tracker_fact_kind kind;
        const char *about, *lost;
        enum nj_outage_cause cause;
    } cases[] = {
        {NJ_FACT_NODE_DOWN, "node1", "a:", NJ_OUTAGE_BY_NODE_LOSS},
        {NJ_FACT_NODE_CORDONED, "node1", "a:t", NJ_OUTAGE_BY_DRAIN},
        {NJ_FACT_NODE_CORDONED, "node1", "a:", NJ_OUTAGE_BY_FAILED_READINESS},
        {NJ_FACT_POD_CRASHED, "a", "a:", NJ_OUTAGE_BY_CRASH},
        {NJ_FACT_POD_CRASHED, "x", "a:", NJ_OUTAGE_BY_FAILED_READINESS},
        {NJ_FACT_POD_EVICTED, "a", "a:", NJ_OUTAGE_BY_EVICTION},
        {NJ_FACT_POD_DRAINED, "a", "a:st", NJ_OUTAGE_BY_DRAIN},
        {NJ_FACT_ROLLOUT_BEGAN, "web", "a:", NJ_OUTAGE_BY_ROLLOUT},
        {NJ_FACT_ROLLOUT_BEGAN, "other", "a:", NJ_OUTAGE_BY_FAILED_READINESS},
        {NJ_FACT_SCALED, "web", "a:st", NJ_OUTAGE_BY_SCALING},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool before = i % 2 == 0;
        struct sim sim = {.desired = 1};
        begin(&sim);
        slice(&sim, "09:13:20", "a:rs");
        if (before)
            fact(&sim, "09:14:59", cases[i / 2].kind, cases[i / 2].about, "", 1);
        slice(&sim, "09:15:00", cases[i / 2].lost);
        if (!before)
            fact(&sim, "09:15:01", cases[i / 2].kind, cases[i / 2].about, "", 1);
        enum nj_outage_cause cause = nj_tracker_now(sim.tracker, "shop", "web")->cause;
        if (cause != cases[i / 2].cause)
            fail_msg("case %zu: %s", i, nj_outage_cause_name(cause));
        assert_int_equal(sim.rows[sim.count - 1].interval.cause, cause);
        teardown(&sim);
    }
}

/* The collector's own node is drained: it comes back when the service's only pod is another one already. */
static void what_was_lost_while_nobody_looked_is_known_by_its_workload(void **state)
{
    (void)state;
    for (int of_it = 0; of_it < 2; of_it++) {
        struct sim sim = {.desired = 1};
        begin(&sim);
        slice(&sim, "09:13:20", "a:rs");
        restart(&sim, at("09:14:00"));
        slice(&sim, "09:14:04", "b:");
        const struct nj_tracker_fact evicted = {.kind = NJ_FACT_POD_DRAINED,
                                                .at_ns = at("09:14:01"),
                                                .namespace = "shop",
                                                .workload_kind = "Deployment",
                                                .workload = of_it ? "web" : "other",
                                                .pod_uid = "a"};
        nj_tracker_fact(sim.tracker, &evicted);
        assert_int_equal(nj_tracker_now(sim.tracker, "shop", "web")->cause,
                         of_it ? NJ_OUTAGE_BY_DRAIN : NJ_OUTAGE_BY_FAILED_READINESS);
        teardown(&sim);
    }
}

/* The intervals in which it was away, and why: "SECOND-SECOND CAUSE", from 09:00. */
static void assert_away(struct sim *sim, const char *expected)
{
    struct nj_buf text = {0};
    for (size_t i = 0; i < sim->count; i++) {
        const struct nj_interval *row = &sim->rows[i].interval;
        if (row->state == NJ_SERVICE_UP)
            continue;
        nj_buf_printf(&text, "%" PRId64 "-%" PRId64 " %s\n", (row->from_ns - at("09:00:00")) / NJ_SEC,
                      row->until_ns == 0 ? 0 : (row->until_ns - at("09:00:00")) / NJ_SEC,
                      nj_outage_cause_name(row->cause));
    }
    assert_string_equal(nj_buf_str(&text), expected);
    nj_buf_done(&text);
}

static void look(struct sim *sim, const char *time)
{
    nj_tracker_look_at_windows(sim->tracker, at(time));
}

static void what_is_away_within_a_window_is_away_for_that(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1, .windows = {{at("09:02:00"), at("09:03:00")}}};
    begin(&sim);
    slice(&sim, "09:00:00", "a:rs");
    slice(&sim, "09:01:00", "a:");
    look(&sim, "09:01:59");
    look(&sim, "09:02:00.5");
    look(&sim, "09:03:00.5");
    slice(&sim, "09:04:00", "a:rs");
    assert_away(&sim, "60-120 failed_readiness\n120-180 maintenance\n180-240 failed_readiness\n");
    teardown(&sim);

    /* It begins within, and nobody looks before it is over. */
    sim = (struct sim){.desired = 1, .windows = {{at("09:02:00"), at("09:03:00")}}};
    begin(&sim);
    slice(&sim, "09:00:00", "a:rs");
    fact(&sim, "09:02:29", NJ_FACT_POD_CRASHED, "a", "incident/1", 1);
    slice(&sim, "09:02:30", "a:");
    slice(&sim, "09:04:00", "a:rs");
    assert_away(&sim, "150-180 maintenance\n180-240 crash\n");
    teardown(&sim);

    /* Two, of which one follows the other, and both were while nobody looked. */
    sim = (struct sim){.desired = 1,
                       .windows = {{at("09:02:00"), at("09:03:00")}, {at("09:03:30"), at("09:04:00")}}};
    begin(&sim);
    slice(&sim, "09:00:00", "a:rs");
    slice(&sim, "09:01:00", "a:");
    nj_tracker_gone(sim.tracker, "shop", "web", at("09:05:00"));
    assert_away(&sim, "60-120 failed_readiness\n120-180 maintenance\n180-210 failed_readiness\n"
                      "210-240 maintenance\n240-300 failed_readiness\n");
    teardown(&sim);
}

static void a_window_is_remembered_across_a_restart(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1, .windows = {{at("09:02:00"), at("09:03:00")}}};
    begin(&sim);
    slice(&sim, "09:00:00", "a:rs");
    slice(&sim, "09:01:00", "a:");
    look(&sim, "09:02:10");
    restart(&sim, at("09:02:10"));
    slice(&sim, "09:02:20", "a:");
    look(&sim, "09:02:21");
    look(&sim, "09:03:01");
    assert_away(&sim, "60-120 failed_readiness\n120-180 maintenance\n180-0 failed_readiness\n");
    restart(&sim, at("09:03:01"));
    /* One that was while it was down and nobody looked. */
    sim.windows[0][0] = at("09:04:00");
    sim.windows[0][1] = at("09:05:00");
    slice(&sim, "09:06:00", "a:");
    look(&sim, "09:06:00");
    assert_away(&sim, "60-120 failed_readiness\n120-180 maintenance\n180-240 failed_readiness\n"
                      "240-300 maintenance\n300-0 failed_readiness\n");
    teardown(&sim);
}

static void what_comes_late_is_dated_by_its_trigger(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1};
    begin(&sim);
    slice(&sim, "09:13:20", "a:rs");
    slice_at(&sim, at("09:15:30"), at("09:15:00"), "a:", 0);
    slice_at(&sim, at("09:16:00.5"), at("09:16:00"), "a:rs", 0);
    assert_outages(&sim, NJ_SLA_READY, "33300.000-33360.005 failed_readiness\n");
    teardown(&sim);
}

/* Two changes of one second, told late: the second has the same trigger. */
static void a_watch_that_lags_is_dated_by_triggers(void **state)
{
    (void)state;
    struct sim sim = {.desired = 2};
    begin(&sim);
    slice(&sim, "09:13:20", "a:rs b:rs");
    sim.latest = "a:rs b:rs";
    slice_at(&sim, at("09:15:04.849"), at("09:15:01"), "a:rs b:", 0);
    sim.latest = "a:rs b:";
    slice_at(&sim, at("09:15:04.874"), at("09:15:01"), "a: b:", 0);
    sim.latest = "a: b:";
    slice_at(&sim, at("09:15:20"), 0, "a: b: c:rs", 0); /* the trigger before says nothing of it */
    assert_outages(&sim, NJ_SLA_READY, "33301.000-33320.000 failed_readiness\n");
    /* Nothing dates the pod's deletion: the time until another is ready is not lost all the same. */
    slice_at(&sim, at("09:16:00"), 0, "c:t", 0);
    sim.latest = "c:t";
    slice_at(&sim, at("09:16:01"), at("09:15:58"), "d:rs", 0);
    assert_outages(&sim, NJ_SLA_READY,
                   "33301.000-33320.000 failed_readiness\n33360.000-33361.000 deletion\n");
    teardown(&sim);
}

static void a_broken_watch_is_unknown_time(void **state)
{
    (void)state;
    struct sim sim = {.desired = 1};
    struct outages outages;
    begin(&sim);
    slice(&sim, "09:13:20", "a:rs");
    nj_tracker_blind(sim.tracker, at("09:14:00"));
    slice(&sim, "09:15:00", "b:rs");
    assert_true(compute(&sim, NJ_SLA_READY, &outages).unknown_ns == NJ_MIN);
    nj_tracker_gone(sim.tracker, "shop", "web", at("09:16:00"));
    assert_null(nj_tracker_now(sim.tracker, "shop", "web"));
    assert_true(sim.rows[sim.count - 1].interval.until_ns == at("09:16:00"));
    assert_true(compute(&sim, NJ_SLA_READY, &outages).observed_ns == 100 * NJ_SEC);
    teardown(&sim);
}

static void budgets_and_burn_rates(void **state)
{
    (void)state;
    struct nj_sla_summary summary = {
        .observed_ns = 1000 * NJ_SEC, .available_ns = 985 * NJ_SEC, .planned_ns = 5 * NJ_SEC};
    assert_true(nj_sla_availability(&summary, false) == 0.985);
    assert_float_equal(nj_sla_availability(&summary, true), 985.0 / 995, 1e-9);
    assert_float_equal(nj_sla_burn_rate(&summary, 0.99), 10.0 / 995 / 0.01, 1e-9);
    assert_float_equal(nj_sla_budget_left(&summary, 0.99, 2000 * NJ_SEC), 0.5, 1e-9);
    summary = (struct nj_sla_summary){0};
    assert_true(nj_sla_availability(&summary, false) < 0);
    assert_true(nj_sla_burn_rate(&summary, 0.99) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_outages_with_their_causes),
        cmocka_unit_test(a_kill_at_any_step_changes_nothing),
        cmocka_unit_test(a_gap_is_unknown_unless_the_cluster_still_knows),
        cmocka_unit_test(one_change_in_a_gap_hides_nothing),
        cmocka_unit_test(what_came_within_a_second_is_dated_by_arrival),
        cmocka_unit_test(a_scaling_while_nobody_looked_is_one),
        cmocka_unit_test(slices_come_after_a_service_and_go_before_it),
        cmocka_unit_test(each_cause_is_found_in_whatever_order_it_is_told),
        cmocka_unit_test(what_was_lost_while_nobody_looked_is_known_by_its_workload),
        cmocka_unit_test(what_is_away_within_a_window_is_away_for_that),
        cmocka_unit_test(a_window_is_remembered_across_a_restart),
        cmocka_unit_test(what_comes_late_is_dated_by_its_trigger),
        cmocka_unit_test(a_watch_that_lags_is_dated_by_triggers),
        cmocka_unit_test(a_broken_watch_is_unknown_time),
        cmocka_unit_test(budgets_and_burn_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
