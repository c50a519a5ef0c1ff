/*
 * An unsaved spec, run once on what it would be run on: to try it before it is saved.
 */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { RESULTS_BYTES_MAX = 4 << 20 };

/* So long its Secrets are waited for. */
static const int64_t SECRETS_WAIT_NS = 15 * NJ_SEC;

static const char ID[] = "test";

struct attempt {
    struct nj_probes_test *test;
    struct nj_probe_run *run; /* NULL: it has ended */
    struct nj_probes_test_outcome outcome;
    char address[NJ_TARGET_ADDRESS_MAX];
};

struct nj_probes_test {
    struct nj_probes *probes;
    char *namespace;
    struct nj_spec *spec;
    struct nj_monitor *monitor; /* NULL: its Secrets are being read */
    struct attempt *attempts;
    size_t attempts_count, running;
    struct nj_arena arena; /* of the results */
    struct nj_timer timer; /* ends what waits, or what has nothing to wait for */
    void (*on_done)(void *data, const struct nj_probes_test_outcome *outcomes, size_t count);
    void *data;
    struct nj_probes_test *prev, *next;
};

static void free_test(struct nj_probes_test *test)
{
    DL_DELETE(test->probes->tests, test);
    test->probes->tests_count--;
    nj_timer_stop(&test->timer);
    for (size_t i = 0; i < test->attempts_count; i++) {
        if (test->attempts[i].run != NULL)
            nj_probe_cancel(test->attempts[i].run);
    }
    free(test->attempts);
    nj_arena_done(&test->arena);
    nj_monitor_free(test->monitor);
    nj_spec_unref(test->spec);
    free(test->namespace);
    free(test);
}

/* --- results outlive the run that made them */

static const char *keep(struct nj_arena *arena, const char *text)
{
    const char *copy = nj_arena_strndup(arena, nj_str(text), strlen(nj_str(text)));
    return copy == NULL ? "" : copy;
}

static void keep_step(struct nj_arena *arena, struct nj_step_outcome *step)
{
    step->name = keep(arena, step->name);
    step->kind = keep(arena, step->kind);
    step->expected = keep(arena, step->expected);
    step->got = keep(arena, step->got);
    step->request = keep(arena, step->request);
    step->address = keep(arena, step->address);
    step->http_version = keep(arena, step->http_version);
    step->body = keep(arena, step->body);
    step->certificate.subject = keep(arena, step->certificate.subject);
    step->certificate.issuer = keep(arena, step->certificate.issuer);
    step->certificate.names = keep(arena, step->certificate.names);
}

static const struct nj_result *keep_result(struct nj_arena *arena, const struct nj_result *from)
{
    struct nj_result *to = nj_arena_zalloc(arena, 1, sizeof(*to));
    struct nj_step_outcome *steps = nj_arena_zalloc(arena, from->steps_count + 1, sizeof(*steps));
    if (to == NULL || steps == NULL)
        return NULL;
    *to = *from;
    to->steps = steps;
    to->failed = NULL;
    for (size_t i = 0; i < from->steps_count; i++) {
        steps[i] = from->steps[i];
        keep_step(arena, &steps[i]);
        if (from->failed == &from->steps[i])
            to->failed = &steps[i];
    }
    return to;
}

/* --- running */

static void finish(struct nj_probes_test *test)
{
    struct nj_probes_test_outcome *outcomes = nj_calloc(test->attempts_count + 1, sizeof(*outcomes));
    for (size_t i = 0; i < test->attempts_count; i++)
        outcomes[i] = test->attempts[i].outcome;
    test->on_done(test->data, outcomes, test->attempts_count);
    free(outcomes);
    free_test(test);
}

static void on_result(void *data, const struct nj_result *result)
{
    struct attempt *attempt = data;
    struct nj_probes_test *test = attempt->test;
    attempt->run = NULL;
    attempt->outcome.result = keep_result(&test->arena, result);
    if (attempt->outcome.result == NULL)
        attempt->outcome.trouble = "the result is too large";
    if (--test->running == 0)
        finish(test);
}

/* From the loop: on_done() is never called from inside the call that starts a test. */
static void finish_soon(struct nj_probes_test *test)
{
    nj_timer_start(&test->timer, 0, 0);
}

static void fail_as_a_whole(struct nj_probes_test *test, const char *trouble)
{
    test->attempts = nj_calloc(1, sizeof(*test->attempts));
    test->attempts_count = 1;
    test->attempts[0].outcome = (struct nj_probes_test_outcome){
        .target_name = test->monitor == NULL ? "" : test->monitor->description,
        .address = "",
        .trouble = keep(&test->arena, trouble)};
    finish_soon(test);
}

static void start_attempt(struct nj_probes_test *test, struct attempt *attempt,
                          const struct nj_target *target)
{
    struct nj_err err = {0};
    attempt->test = test;
    attempt->outcome = (struct nj_probes_test_outcome){
        .target_name = target->name, .address = nj_target_address(target, attempt->address), .trouble = ""};
    const struct nj_probe_request request = {.spec = test->spec,
                                             .target = nj_target_probe(target),
                                             .secrets = test->monitor->secrets,
                                             .secrets_count = test->monitor->secrets_count,
                                             .ca_pem = test->monitor->ca_pem,
                                             .on_done = on_result,
                                             .data = attempt};
    if (nj_probe_start(test->probes->prober, &request, &attempt->run, &err) < 0) {
        attempt->run = NULL;
        attempt->outcome.trouble = keep(&test->arena, err.text);
        return;
    }
    test->running++;
}

static void start_attempts(struct nj_probes_test *test)
{
    const struct nj_target *target;
    size_t i = 0;
    if (test->monitor->targets == NULL) {
        fail_as_a_whole(test, *test->monitor->trouble_text != '\0' ? test->monitor->trouble_text
                                                                   : "there is nothing that could be asked: "
                                                                     "no endpoint is ready");
        return;
    }
    test->attempts_count = test->monitor->targets_count;
    test->attempts = nj_calloc(test->attempts_count, sizeof(*test->attempts));
    DL_FOREACH (test->monitor->targets, target)
        start_attempt(test, &test->attempts[i++], target);
    if (test->running == 0)
        finish_soon(test);
}

static struct nj_monitor *make_monitor(struct nj_probes_test *test)
{
    struct nj_probes *probes = test->probes;
    struct nj_monitor *monitor = nj_monitor_of_spec(&probes->context, test->namespace, ID, test->spec);
    const struct nj_spec *spec = test->spec;
    if (monitor->trouble == NJ_MONITOR_NONE && !monitor->pending && spec->target.kind == NJ_TARGET_SERVICE &&
        spec->scope != NJ_SCOPE_SERVICE)
        nj_monitor_pod_targets(&probes->context, monitor,
                               nj_model_service(probes->model, test->namespace, spec->target.name),
                               monitor->targets_count + NJ_PROBES_TEST_TARGETS_MAX);
    return monitor;
}

static void on_timer(struct nj_timer *timer)
{
    struct nj_probes_test *test = timer->data;
    if (test->attempts != NULL)
        finish(test);
    else
        fail_as_a_whole(test, "its Secrets could not be read in time");
}

static int refusal_of(const struct nj_monitor *monitor, struct nj_err *err)
{
    switch (monitor->trouble) {
    case NJ_MONITOR_NOT_FOUND:
        return nj_err_set(err, -ENOENT, "%s", monitor->trouble_text);
    case NJ_MONITOR_HOST:
        return monitor->targets == NULL ? nj_err_set(err, -EACCES, "%s", monitor->trouble_text) : 0;
    default:
        return 0;
    }
}

int nj_probes_test(struct nj_probes *probes, const char *namespace, const char *json, size_t len,
                   void (*on_done)(void *data, const struct nj_probes_test_outcome *outcomes, size_t count),
                   void *data, struct nj_probes_test **ret_test, struct nj_err *err)
{
    struct nj_spec *spec = NULL;
    if (probes->tests_count >= NJ_PROBES_TESTS_MAX || probes->stopped)
        return nj_err_set(err, -EAGAIN, "%d tests are running; try again", NJ_PROBES_TESTS_MAX);
    if (probes->model == NULL)
        return nj_err_set(err, -ENOENT, "this collector knows no Services: it has no API server");
    int rc = nj_spec_parse("spec", json, len, true, &spec, err);
    if (rc < 0)
        return rc == -E2BIG ? nj_err_set(err, -EINVAL, "the spec has more than %d bytes", NJ_SPEC_BYTES_MAX)
                            : rc;
    struct nj_probes_test *test = NJ_NEW(struct nj_probes_test);
    test->probes = probes;
    test->namespace = nj_strdup(namespace);
    test->spec = spec;
    test->on_done = on_done;
    test->data = data;
    nj_arena_init(&test->arena, RESULTS_BYTES_MAX);
    nj_timer_init(&test->timer, probes->options.loop, on_timer, test);
    DL_APPEND(probes->tests, test);
    probes->tests_count++;
    struct nj_monitor *monitor = make_monitor(test);
    rc = refusal_of(monitor, err);
    if (rc < 0 || monitor->pending) {
        nj_monitor_free(monitor);
        if (rc < 0) {
            free_test(test);
            return rc;
        }
        nj_timer_start(&test->timer, SECRETS_WAIT_NS, 0);
    } else {
        test->monitor = monitor;
        start_attempts(test);
    }
    *ret_test = test;
    return 0;
}

void nj_probes_test_cancel(struct nj_probes_test *test)
{
    free_test(test);
}

void nj_tests_continue(struct nj_probes *probes)
{
    struct nj_probes_test *test;
    struct nj_probes_test *next;
    DL_FOREACH_SAFE (probes->tests, test, next) {
        if (test->monitor != NULL || test->attempts != NULL)
            continue;
        struct nj_monitor *monitor = make_monitor(test);
        if (monitor->pending) {
            nj_monitor_free(monitor);
            continue;
        }
        nj_timer_stop(&test->timer);
        test->monitor = monitor;
        start_attempts(test);
    }
}

void nj_tests_want_secrets(struct nj_probes *probes, const char *namespace)
{
    const struct nj_probes_test *test;
    DL_FOREACH (probes->tests, test) {
        if (test->monitor == NULL && test->attempts == NULL && nj_streq(test->namespace, namespace))
            nj_monitor_free(nj_monitor_of_spec(&probes->context, test->namespace, ID, test->spec));
    }
}

void nj_tests_cancel_all(struct nj_probes *probes)
{
    struct nj_probes_test *test;
    struct nj_probes_test *next;
    DL_FOREACH_SAFE (probes->tests, test, next)
        free_test(test);
}
