/*
 * Outages, failed rollouts, error budgets and registries as incidents, and what is held back for which
 * reason. Random histories of the same are in test_engine.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/incident/engine.h"
#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "tests/unit/collector/support.h"

static const struct nj_event_origin agent = {.cluster = "prod", .project = "p-1", .node = "node-1"};

enum { KEPT = 16, SUBJECTS = 32 };

struct fixture {
    struct nj_engine *engine;
    struct nj_buf told, counted;
    int64_t now_ns;
    const char *reason;               /* that the hook gives; NULL: tell */
    const char *only;                 /* to this workload's; NULL: to all */
    struct nj_incident records[KEPT]; /* as last changed, by id */
    struct nj_incident_subject subjects[SUBJECTS];
    int64_t subject_of[SUBJECTS];
    size_t subjects_count;
};

static void note_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->told, "%d %s %s;", (int)incident->id, nj_incident_kind_name(incident->kind),
                        transition == NJ_TRANSITION_RESOLVED ? incident->resolved_cause
                                                             : nj_transition_name(transition));
}

static void note_suppressed(void *data, const struct nj_incident *incident, enum nj_suppression suppression)
{
    struct fixture *fixture = data;
    (void)nj_buf_printf(&fixture->counted, "%d %s;", (int)incident->id, nj_suppression_name(suppression));
}

static bool hook(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                 size_t size)
{
    struct fixture *fixture = data;
    assert_int_equal(fixture->now_ns, now_ns);
    if (fixture->reason == NULL || (fixture->only != NULL && !nj_streq(fixture->only, incident->workload)))
        return false;
    (void)snprintf(ret_reason, size, "%s", fixture->reason);
    return true;
}

static struct nj_engine *new_engine(struct fixture *fixture, int64_t next_id)
{
    const struct nj_engine_options options = {.stale_after_ns = NJ_DAY,
                                              .max_open = 100,
                                              .max_subjects = 100,
                                              .on_transition = note_transition,
                                              .suppress = hook,
                                              .on_suppressed = note_suppressed,
                                              .data = fixture};
    return nj_engine_new(&options, next_id);
}

static int setup(void **state)
{
    struct fixture *fixture = NJ_NEW(struct fixture);
    fixture->now_ns = noon_ns;
    fixture->engine = new_engine(fixture, 1);
    *state = fixture;
    return 0;
}

static void forget(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->subjects_count; i++)
        free((void *)fixture->subjects[i].pod_uid);
    fixture->subjects_count = 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    nj_engine_free(fixture->engine);
    nj_buf_done(&fixture->told);
    nj_buf_done(&fixture->counted);
    for (size_t i = 0; i < KEPT; i++)
        nj_incident_done(&fixture->records[i]);
    forget(fixture);
    free(fixture);
    return 0;
}

static int keep_record(void *data, const struct nj_incident *incident)
{
    struct fixture *fixture = data;
    assert_in_range(incident->id, 1, KEPT - 1);
    nj_incident_done(&fixture->records[incident->id]);
    nj_incident_copy(&fixture->records[incident->id], incident);
    return 0;
}

static int keep_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                        bool present)
{
    struct fixture *fixture = data;
    if (!present)
        return 0;
    assert_in_range(fixture->subjects_count, 0, SUBJECTS - 1);
    size_t uid = strlen(subject->pod_uid) + 1, container = strlen(subject->container) + 1;
    char *text = nj_calloc(1, uid + container);
    memcpy(text, subject->pod_uid, uid);
    memcpy(text + uid, subject->container, container);
    fixture->subject_of[fixture->subjects_count] = incident_id;
    fixture->subjects[fixture->subjects_count++] = (struct nj_incident_subject){
        .pod_uid = text, .container = text + uid, .pod = text, .since_ns = subject->since_ns};
    return 0;
}

/* The record as the store has it. */
static const struct nj_incident *record(struct fixture *fixture, int64_t id)
{
    assert_int_equal(0, nj_engine_each_change(fixture->engine, keep_record, keep_subject, fixture));
    nj_engine_clear_changes(fixture->engine);
    assert_int_equal(id, fixture->records[id].id);
    return &fixture->records[id];
}

static void restart(struct fixture *fixture)
{
    int64_t last = 0;
    (void)nj_engine_each_change(fixture->engine, keep_record, keep_subject, fixture);
    nj_engine_free(fixture->engine);
    fixture->engine = new_engine(fixture, 1);
    for (int64_t id = 1; id < KEPT; id++) {
        if (fixture->records[id].id != id)
            continue;
        last = id;
        if (fixture->records[id].state == NJ_INCIDENT_RESOLVED)
            continue;
        nj_engine_load(fixture->engine, &fixture->records[id]);
        for (size_t i = 0; i < fixture->subjects_count; i++) {
            if (fixture->subject_of[i] == id)
                nj_engine_load_subject(fixture->engine, id, &fixture->subjects[i]);
        }
    }
    nj_engine_set_next_id(fixture->engine, last + 1);
}

static void assert_told(struct fixture *fixture, const char *expected)
{
    assert_string_equal(expected, nj_buf_str(&fixture->told));
    nj_buf_clear(&fixture->told);
}

static void pass(struct fixture *fixture, int64_t ns)
{
    fixture->now_ns += ns;
    nj_engine_tick(fixture->engine, fixture->now_ns);
}

static int64_t apply(struct fixture *fixture, struct nj_event *event)
{
    event->at_ns = fixture->now_ns;
    return nj_engine_apply(fixture->engine, &agent, event, true, fixture->now_ns);
}

static struct nj_event of_pod(enum nj_event_type type, const char *workload, const char *pod)
{
    struct nj_event event = make_event(type, pod);
    event.subject.workload = workload;
    event.subject.pod = event.subject.pod_uid = pod;
    event.subject.node = "node-1";
    return event;
}

static int64_t crash(struct fixture *fixture, const char *workload, const char *pod)
{
    struct nj_event event = of_pod(NJ_EVENT_CRASH, workload, pod);
    return apply(fixture, &event);
}

static void cleared(struct fixture *fixture, enum nj_cleared_cause cause, const char *workload,
                    const char *pod)
{
    struct nj_event event = of_pod(NJ_EVENT_CLEARED, workload, pod);
    event.cleared.cause = cause;
    if (cause == NJ_CLEARED_DELETED)
        event.subject.container = "";
    assert_int_equal(0, apply(fixture, &event));
}

static int64_t pull(struct fixture *fixture, const char *workload, const char *image)
{
    struct nj_event event = of_pod(NJ_EVENT_STUCK, workload, workload);
    event.stuck.reason = "ErrImagePull";
    event.stuck.image = image;
    return apply(fixture, &event);
}

static struct nj_subject of(const char *workload_kind, const char *workload)
{
    return (struct nj_subject){.namespace = "shop",
                               .pod = "",
                               .pod_uid = "",
                               .node = "",
                               .workload_kind = workload_kind,
                               .workload = workload,
                               .container = ""};
}

static struct nj_event outage_of(const char *service, const char *cause)
{
    return (struct nj_event){.id = service,
                             .type = NJ_EVENT_OUTAGE,
                             .subject = of("Service", service),
                             .outage = {.cause = cause,
                                        .detail = "pod cart-1 crashed",
                                        .reference = "",
                                        .behind_kind = "Deployment",
                                        .behind = "cart",
                                        .since_ns = noon_ns - 5 * NJ_SEC,
                                        .desired = 3}};
}

static int64_t outage(struct fixture *fixture, const char *service, const char *cause)
{
    struct nj_event event = outage_of(service, cause);
    return apply(fixture, &event);
}

static void outage_over(struct fixture *fixture, const char *service, const char *cause)
{
    struct nj_event event = outage_of(service, cause);
    event.outage.over = true;
    assert_int_equal(0, apply(fixture, &event));
}

static struct nj_event rollout_of(const char *workload, const char *revision, const char *hash)
{
    return (struct nj_event){.id = workload,
                             .type = NJ_EVENT_ROLLOUT_FAILED,
                             .subject = of("Deployment", workload),
                             .rollout = {.revision = revision,
                                         .from_revision = "2",
                                         .template_hash = hash,
                                         .images = "app=registry/cart:3",
                                         .from_images = "app=registry/cart:2",
                                         .difference = "containers[app].command: [run] -> [fly]",
                                         .reason = "CrashLoopBackOff",
                                         .message = "no such command: fly",
                                         .pod = "cart-3-x",
                                         .crash_id = "crash-9",
                                         .outage_ns = 12 * NJ_SEC,
                                         .began_ns = noon_ns - NJ_MIN}};
}

static void an_outage_says_how_long_why_and_how_many_were_left(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, outage(fixture, "front", "failed_readiness"));
    assert_told(fixture, "1 service_outage opened;");
    const struct nj_incident *open = record(fixture, 1);
    assert_string_equal("Service", open->workload_kind);
    assert_string_equal("front", open->workload);
    assert_string_equal("FailedReadiness", open->reason);
    assert_string_equal("failed_readiness", open->cause);
    assert_string_equal("Deployment/cart", open->detail);
    assert_string_equal("front is not available, 0 of 3 ready: pod cart-1 crashed", open->message);
    assert_int_equal(NJ_SEVERITY_CRITICAL, open->severity);
    assert_int_equal(noon_ns - 5 * NJ_SEC, open->first_ns);
    fixture->now_ns += 25 * NJ_SEC;
    outage_over(fixture, "front", "failed_readiness");
    assert_told(fixture, "1 service_outage over;");
    const struct nj_incident *over = record(fixture, 1);
    assert_int_equal(30 * NJ_SEC, over->outage_ns);
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(over, "", &json));
    assert_non_null(strstr(nj_buf_str(&json), "\"outageSeconds\":30"));
    assert_non_null(strstr(nj_buf_str(&json), "\"value\":0,\"limit\":3"));
    nj_buf_done(&json);
    /* The end of what nobody knows of. */
    outage_over(fixture, "front", "failed_readiness");
    assert_told(fixture, "");
}

static void a_cause_that_is_known_better_corrects_it_without_a_word(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, outage(fixture, "front", "unknown"));
    assert_int_equal(1, outage(fixture, "front", "eviction"));
    assert_told(fixture, "1 service_outage opened;");
    assert_string_equal("Evicted", record(fixture, 1)->reason);
    assert_int_equal(1, fixture->records[1].count);
}

static void an_outage_that_a_crash_explains_makes_the_crash_worse(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, crash(fixture, "cart", "cart-1"));
    assert_int_equal(2, outage(fixture, "front", "crash"));
    assert_told(fixture, "1 crash opened;1 crash worsened;");
    assert_string_equal("incident 1", record(fixture, 2)->suppressed);
    assert_string_equal("front", fixture->records[1].services_down);
    assert_int_equal(NJ_SEVERITY_CRITICAL, fixture->records[1].severity);
    assert_int_equal(3, outage(fixture, "api", "crash"));
    assert_told(fixture, "1 crash worsened;");
    assert_string_equal("front, api", record(fixture, 1)->services_down);
    outage_over(fixture, "front", "crash");
    assert_string_equal("api", record(fixture, 1)->services_down);
    cleared(fixture, NJ_CLEARED_STABLE, "cart", "cart-1");
    assert_told(fixture, "1 crash stable;");
    /* It outlasts the crash, and not for a moment. */
    pass(fixture, 5 * NJ_SEC);
    pass(fixture, NJ_ENGINE_LET_GO_NS - NJ_SEC);
    assert_told(fixture, "");
    pass(fixture, NJ_SEC);
    assert_told(fixture, "3 service_outage opened;");
    assert_string_equal("2 incident;3 incident;", nj_buf_str(&fixture->counted));
    outage_over(fixture, "api", "crash");
    assert_told(fixture, "3 service_outage over;");
}

static void an_outage_is_explained_by_what_it_refers_to_or_by_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, crash(fixture, "other", "other-1"));
    assert_int_equal(2, outage(fixture, "front", "crash")); /* nothing of cart's is open */
    struct nj_event event = outage_of("api", "failed_readiness");
    event.outage.reference = "incident/1";
    assert_int_equal(3, apply(fixture, &event));
    assert_told(fixture, "1 crash opened;2 service_outage opened;1 crash worsened;");
    /* A crash that is held back itself explains nothing to anybody. */
    fixture->reason = "silence 3";
    fixture->only = "cart";
    assert_int_equal(4, crash(fixture, "cart", "cart-1"));
    assert_int_equal(5, outage(fixture, "web", "crash"));
    assert_told(fixture, "5 service_outage opened;");
}

static void an_outage_by_a_lost_node_is_that_nodes(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event node = {.id = "node",
                            .type = NJ_EVENT_TROUBLE,
                            .subject = of("Node", "n1"),
                            .trouble = {.kind = NJ_TROUBLE_NODE_NOT_READY,
                                        .severity = "critical",
                                        .detail = "",
                                        .message = "",
                                        .process = ""}};
    node.subject.namespace = "";
    node.subject.node = "n1";
    assert_int_equal(1, apply(fixture, &node));
    struct nj_event event = outage_of("front", "node_loss");
    event.outage.reference = "node/n1";
    assert_int_equal(2, apply(fixture, &event));
    assert_told(fixture, "1 node opened;1 node worsened;");
    assert_string_equal("incident 1", record(fixture, 2)->suppressed);
    assert_string_equal("shop/front", record(fixture, 1)->services_down);
    assert_string_equal("n1", record(fixture, 2)->node);
    /* More than a message has room for. */
    enum { MANY = 9 };
    char names[MANY][80];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%060d", i);
        event = outage_of(names[i], "node_loss");
        event.outage.reference = "node/n1";
        (void)apply(fixture, &event);
        nj_buf_clear(&fixture->told);
    }
    size_t len = strlen(record(fixture, 1)->services_down);
    assert_true(len < NJ_ENGINE_NAME_MAX);
    assert_string_equal(", ...", record(fixture, 1)->services_down + len - strlen(", ..."));
    for (int i = 0; i < MANY; i++)
        outage_over(fixture, names[i], "node_loss");
    assert_told(fixture, "");
    /* Of a node that nobody has told of it is told itself. */
    event = outage_of("api", "node_loss");
    event.outage.reference = "node/n2";
    assert_int_equal(12, apply(fixture, &event));
    assert_told(fixture, "12 service_outage opened;");
    /* The node is back, the service is not. */
    node.type = NJ_EVENT_TROUBLE;
    node.trouble.over = true;
    (void)apply(fixture, &node);
    pass(fixture, 5 * NJ_SEC);
    pass(fixture, NJ_ENGINE_LET_GO_NS);
    assert_told(fixture, "1 node over;2 service_outage opened;");
}

static void an_explained_outage_is_known_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, crash(fixture, "cart", "cart-1"));
    assert_int_equal(2, outage(fixture, "front", "crash"));
    assert_told(fixture, "1 crash opened;1 crash worsened;");
    restart(fixture);
    assert_int_equal(1, nj_engine_suppressed_count(fixture->engine));
    pass(fixture, NJ_MIN);
    assert_told(fixture, "");
    outage_over(fixture, "front", "crash");
    assert_string_equal("", record(fixture, 1)->services_down);
    cleared(fixture, NJ_CLEARED_STABLE, "cart", "cart-1");
    assert_told(fixture, "1 crash stable;");
}

static void a_failed_rollout_says_what_differs_and_the_last_words(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = rollout_of("cart", "3", "3");
    assert_int_equal(1, apply(fixture, &event));
    const struct nj_incident *open = record(fixture, 1);
    assert_string_equal("3", open->rollout);
    assert_string_equal("2", open->rollout_from);
    assert_string_equal("app=registry/cart:3", open->image);
    assert_string_equal("app=registry/cart:2", open->image_from);
    assert_string_equal("containers[app].command: [run] -> [fly]", open->difference);
    assert_string_equal("no such command: fly", open->message);
    assert_string_equal("crash-9", open->crash_id);
    assert_string_equal("cart-3-x", open->pod);
    assert_int_equal(noon_ns - NJ_MIN, open->first_ns);
    assert_int_equal(12 * NJ_SEC, open->outage_ns);
    assert_int_equal(NJ_SEVERITY_WARNING, open->severity);
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(open, "", &json));
    assert_non_null(strstr(nj_buf_str(&json), "\"exitCode\":null"));
    assert_non_null(strstr(nj_buf_str(&json), "\"crashId\":\"crash-9\""));
    assert_non_null(strstr(nj_buf_str(&json), "\"rollout\":\"3\",\"rolloutFrom\":\"2\""));
    nj_buf_done(&json);
    event.rollout.down = true;
    assert_int_equal(1, apply(fixture, &event));
    assert_told(fixture, "1 rollout_failed opened;1 rollout_failed worsened;");
    /* The next one fails too: the same incident. */
    event.rollout.revision = "4";
    event.rollout.crash_id = "";
    assert_int_equal(1, apply(fixture, &event));
    assert_string_equal("", record(fixture, 1)->crash_id);
    assert_string_equal("4", fixture->records[1].rollout);
    assert_int_equal(2, fixture->records[1].count);
    event.rollout.over = true;
    event.rollout.outage_ns = 40 * NJ_SEC;
    assert_int_equal(0, apply(fixture, &event));
    assert_told(fixture, "1 rollout_failed rolled_out;");
    assert_int_equal(40 * NJ_SEC, record(fixture, 1)->outage_ns);
}

static void what_new_pods_do_belongs_to_the_rollout_that_failed(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason = "rollout";
    assert_int_equal(1, crash(fixture, "cart", "cart-3-x"));
    assert_int_equal(2, outage(fixture, "front", "failed_rollout"));
    fixture->reason = NULL;
    struct nj_event event = rollout_of("cart", "3", "3");
    assert_int_equal(3, apply(fixture, &event));
    pass(fixture, NJ_HOUR);
    assert_told(fixture, "3 rollout_failed opened;");
    assert_string_equal("rollout failed: incident 3", record(fixture, 1)->suppressed);
    assert_string_equal("rollout failed: incident 3", fixture->records[2].suppressed);
    assert_string_equal("1 rollout;2 rollout;1 rollout failed;2 rollout failed;",
                        nj_buf_str(&fixture->counted));
    restart(fixture);
    pass(fixture, NJ_SEC);
    /* A pod of the last good revision is something else. */
    assert_int_equal(1, crash(fixture, "cart", "cart-3-y"));
    assert_told(fixture, "");
    struct nj_event old = of_pod(NJ_EVENT_STUCK, "cart", "cart-2-z");
    old.stuck.reason = "CreateContainerConfigError";
    assert_int_equal(4, apply(fixture, &old));
    assert_told(fixture, "4 config_error opened;");
    /* A check of a new pod, by its name. */
    struct nj_event check = of_pod(NJ_EVENT_CHECK, "front", "cart-3-y");
    check.subject.workload_kind = "Service";
    check.subject.container = "";
    check.check = (struct nj_check_event){.key = {"m", "pod/cart-3-y/80"}, .state = "failing"};
    assert_int_equal(5, apply(fixture, &check));
    assert_told(fixture, "");
    /* It is undone: its pods go, and nobody hears of them. */
    event = rollout_of("cart", "4", "2");
    event.rollout.over = true;
    assert_int_equal(0, apply(fixture, &event));
    outage_over(fixture, "front", "failed_rollout");
    cleared(fixture, NJ_CLEARED_DELETED, "cart", "cart-3-x");
    pass(fixture, NJ_ENGINE_LET_GO_NS - NJ_SEC);
    cleared(fixture, NJ_CLEARED_DELETED, "cart", "cart-3-y");
    pass(fixture, NJ_HOUR);
    assert_told(fixture, "3 rollout_failed rolled_out;");
}

static void what_stays_after_the_rollout_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = rollout_of("cart", "3", "3");
    assert_int_equal(1, apply(fixture, &event));
    assert_int_equal(2, crash(fixture, "cart", "cart-3-x"));
    event.rollout.over = true;
    assert_int_equal(0, apply(fixture, &event));
    assert_told(fixture, "1 rollout_failed opened;1 rollout_failed rolled_out;");
    pass(fixture, NJ_SEC);
    pass(fixture, NJ_ENGINE_LET_GO_NS);
    assert_told(fixture, "2 crash opened;");
    cleared(fixture, NJ_CLEARED_STABLE, "cart", "cart-3-x");
    assert_told(fixture, "2 crash stable;");
}

static void what_is_asked_from_outside_is_asked_until_it_says_no(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason = "maintenance";
    assert_int_equal(1, crash(fixture, "cart", "cart-1"));
    assert_int_equal(2, crash(fixture, "web", "web-1"));
    assert_string_equal("maintenance", record(fixture, 1)->suppressed);
    uint64_t revision = fixture->records[1].revision;
    pass(fixture, NJ_MIN);
    fixture->reason = "silence 3";
    nj_engine_review(fixture->engine, fixture->now_ns);
    assert_string_equal("silence 3", record(fixture, 1)->suppressed);
    assert_int_equal(revision + 1, fixture->records[1].revision);
    cleared(fixture, NJ_CLEARED_STABLE, "web", "web-1");
    assert_told(fixture, "");
    assert_int_equal(1, nj_engine_suppressed_count(fixture->engine));
    fixture->reason = NULL;
    nj_engine_review(fixture->engine, fixture->now_ns);
    assert_told(fixture, "1 crash opened;");
    assert_string_equal("", record(fixture, 1)->suppressed);
    /* What was told stays told. */
    fixture->reason = "silence 4";
    nj_engine_review(fixture->engine, fixture->now_ns);
    pass(fixture, NJ_MIN);
    assert_int_equal(1, crash(fixture, "cart", "cart-2"));
    cleared(fixture, NJ_CLEARED_STABLE, "cart", "cart-1");
    cleared(fixture, NJ_CLEARED_STABLE, "cart", "cart-2");
    assert_told(fixture, "1 crash stable;");
    assert_string_equal("1 maintenance;2 maintenance;1 silence;2 silence;", nj_buf_str(&fixture->counted));
}

static void an_event_that_nothing_explains_is_told_at_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->reason = "rollout";
    assert_int_equal(1, crash(fixture, "cart", "cart-1"));
    fixture->reason = NULL;
    struct nj_event event = of_pod(NJ_EVENT_CRASH, "cart", "cart-2");
    assert_int_equal(1, apply(fixture, &event));
    assert_told(fixture, "1 crash opened;");
}

static void three_workloads_without_images_are_the_registry_s(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, pull(fixture, "cart", "registry.example:5000/cart:1"));
    assert_int_equal(2, pull(fixture, "web", "registry.example:5000/team/web:1"));
    assert_int_equal(3, pull(fixture, "api", "quay.io/api:1"));
    assert_told(fixture, "1 image_pull opened;2 image_pull opened;3 image_pull opened;");
    fixture->now_ns += NJ_MIN;
    assert_int_equal(4, pull(fixture, "job", "registry.example:5000/job"));
    assert_int_equal(6, pull(fixture, "cron", "registry.example:5000/cron"));
    assert_told(fixture, "5 registry opened;");
    const struct nj_incident *registry = record(fixture, 5);
    assert_string_equal("Registry", registry->workload_kind);
    assert_string_equal("registry.example:5000", registry->workload);
    assert_string_equal("registry.example:5000", registry->detail);
    assert_int_equal(NJ_SEVERITY_CRITICAL, registry->severity);
    assert_string_equal("images of 4 workloads cannot be pulled from registry.example:5000: shop/cart, "
                        "shop/web, shop/job, shop/cron",
                        registry->message);
    assert_string_equal("registry", fixture->records[6].suppressed);
    restart(fixture);
    pass(fixture, NJ_SEC);
    cleared(fixture, NJ_CLEARED_STARTED, "job", "job");
    cleared(fixture, NJ_CLEARED_STARTED, "web", "web");
    assert_told(fixture, "2 image_pull started;");
    assert_int_equal(2, record(fixture, 5)->targets_failing);
    cleared(fixture, NJ_CLEARED_STARTED, "cart", "cart");
    assert_told(fixture, "1 image_pull started;5 registry over;");
    /* The last one has a trouble of its own. */
    pass(fixture, NJ_SEC);
    pass(fixture, NJ_ENGINE_LET_GO_NS);
    assert_told(fixture, "6 image_pull opened;");
}

static void what_is_not_the_registry_s_fault_is_not_put_down_to_it(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(1, pull(fixture, "cart", "registry.example/cart:1"));
    assert_int_equal(2, pull(fixture, "web", "registry.example/web:1"));
    struct nj_event named = of_pod(NJ_EVENT_STUCK, "api", "api");
    named.stuck.reason = "InvalidImageName";
    named.stuck.image = "registry.example/api::1";
    assert_int_equal(3, apply(fixture, &named));
    fixture->now_ns += NJ_ENGINE_REGISTRY_NS + NJ_SEC;
    assert_int_equal(4, pull(fixture, "job", "registry.example/job:1"));
    assert_int_equal(5, pull(fixture, "cron", "registry.example/cron:1"));
    assert_int_equal(0, nj_engine_open_of(fixture->engine, NJ_INCIDENT_REGISTRY));
    assert_int_equal(0, nj_engine_suppressed_count(fixture->engine));
}

static void an_image_s_name_tells_its_registry(void **state)
{
    (void)state;
    static const char *const images[][2] = {{"nginx", "docker.io"},
                                            {"library/nginx:1", "docker.io"},
                                            {"localhost/web", "localhost"},
                                            {"localhost:5000/web", "localhost:5000"},
                                            {"quay.io/a/b@sha256:1", "quay.io"},
                                            {"nginx:1.25", "docker.io"},
                                            {"", "docker.io"}};
    char host[NJ_ENGINE_NAME_MAX];
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        nj_registry_of(images[i][0], host);
        assert_string_equal(images[i][1], host);
    }
}

static void a_budget_that_burns_says_how_fast_and_what_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct nj_event event = {.id = "slo",
                             .type = NJ_EVENT_SLO,
                             .subject = of("Service", "front"),
                             .slo = {.objective = 99.9,
                                     .budget_ns = 30 * NJ_DAY,
                                     .budget_left = 0.72,
                                     .window_ns = 6 * NJ_HOUR,
                                     .short_window_ns = 30 * NJ_MIN,
                                     .burn = 7.25,
                                     .short_burn = 8,
                                     .burn_limit = 6,
                                     .severity = "warning"}};
    assert_int_equal(1, apply(fixture, &event));
    const struct nj_incident *open = record(fixture, 1);
    assert_string_equal("6h/30m", open->detail);
    assert_string_equal("the error budget burns 7.2 times too fast over 6h/30m (8.0 over the shorter one, "
                        "alert from 6.0): 72% of that of 99.9% in 30d is left",
                        open->message);
    struct nj_buf json = {0};
    assert_int_equal(0, nj_incident_json(open, "", &json));
    assert_non_null(strstr(nj_buf_str(&json), "\"objective\":99.9,\"budgetLeft\":0.72"));
    nj_buf_done(&json);
    event.slo.severity = "critical";
    assert_int_equal(1, apply(fixture, &event));
    pass(fixture, 3 * NJ_DAY); /* it lasts: the collector tells its end */
    event.slo.over = true;
    assert_int_equal(0, apply(fixture, &event));
    assert_told(fixture, "1 slo_burn opened;1 slo_burn worsened;1 slo_burn over;");
}

static void a_reason_is_counted_by_what_it_begins_with(void **state)
{
    (void)state;
    assert_int_equal(NJ_SUPPRESSION_ROLLOUT, nj_suppression_of("rollout"));
    assert_int_equal(NJ_SUPPRESSION_ROLLOUT_FAILED, nj_suppression_of("rollout failed: incident 7"));
    assert_int_equal(NJ_SUPPRESSION_SILENCE, nj_suppression_of("silence 3"));
    assert_int_equal(NJ_SUPPRESSION_INCIDENT, nj_suppression_of("incident 4"));
    assert_int_equal(NJ_SUPPRESSION_OTHER, nj_suppression_of("nodes"));
    assert_int_equal(NJ_SUPPRESSION_OTHER, nj_suppression_of(""));
    for (int i = 0; i < NJ_SUPPRESSIONS - 1; i++)
        assert_int_equal(i, nj_suppression_of(nj_suppression_name((enum nj_suppression)i)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_outage_says_how_long_why_and_how_many_were_left),
        TEST(a_cause_that_is_known_better_corrects_it_without_a_word),
        TEST(an_outage_that_a_crash_explains_makes_the_crash_worse),
        TEST(an_outage_is_explained_by_what_it_refers_to_or_by_nothing),
        TEST(an_outage_by_a_lost_node_is_that_nodes),
        TEST(an_explained_outage_is_known_after_a_restart),
        TEST(a_failed_rollout_says_what_differs_and_the_last_words),
        TEST(what_new_pods_do_belongs_to_the_rollout_that_failed),
        TEST(what_stays_after_the_rollout_is_told),
        TEST(what_is_asked_from_outside_is_asked_until_it_says_no),
        TEST(an_event_that_nothing_explains_is_told_at_once),
        TEST(three_workloads_without_images_are_the_registry_s),
        TEST(what_is_not_the_registry_s_fault_is_not_put_down_to_it),
        TEST(an_image_s_name_tells_its_registry),
        TEST(a_budget_that_burns_says_how_fast_and_what_is_left),
        TEST(a_reason_is_counted_by_what_it_begins_with),
    };
    return cmocka_run_group_tests_name("collector/engine_services", tests, NULL, NULL);
}
