#include "common/probe/checks.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "common/base/str.h"
#include "common/probe/checks_internal.h"

static const int64_t FRESH_LATE_NS = 10 * NJ_MS;

static void pump(struct nj_checks *checks);

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), 64 bits. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return hash;
}

/* The first of its places after now. */
static int64_t next_place(const struct nj_check *check, int64_t now_ns)
{
    int64_t interval_ns = check->spec->interval_ns;
    int64_t offset_ns = (int64_t)(hash_text(check->id) % (uint64_t)interval_ns);
    int64_t at_ns = now_ns - now_ns % interval_ns + offset_ns;
    return at_ns > now_ns ? at_ns : at_ns + interval_ns;
}

static void set_due(struct nj_check *check)
{
    bool sooner = check->activity == NJ_CHECK_RETRYING && check->retry_ns < check->place_ns;
    nj_due_set(&check->checks->heap, &check->due, sooner ? check->retry_ns : check->place_ns);
}

/* --- one run */

static struct nj_check **queue_of(struct nj_check *check)
{
    struct nj_checks *checks = check->checks;
    return check->activity == NJ_CHECK_NEW       ? &checks->fresh
           : check->activity == NJ_CHECK_WAITING ? &checks->waiting
                                                 : NULL;
}

static void set_activity(struct nj_check *check, enum nj_check_activity activity)
{
    struct nj_checks *checks = check->checks;
    struct nj_check **queue = queue_of(check);
    if (queue != NULL)
        DL_DELETE(*queue, check);
    if (check->activity == NJ_CHECK_RUNNING)
        checks->running--;
    check->activity = activity;
    queue = queue_of(check);
    if (queue != NULL)
        DL_APPEND(*queue, check);
    if (activity == NJ_CHECK_RUNNING)
        checks->running++;
    nj_gauge_set(checks->metrics.running, (int64_t)checks->running);
}

/* The prober's own trouble says nothing of the target: the run is as if it had not been. */
static void end_internal(struct nj_check *check)
{
    nj_counter_add(check->checks->metrics.internal, 1);
    set_activity(check, NJ_CHECK_IDLE);
    set_due(check);
}

static bool retries(struct nj_check *check, const struct nj_result *result)
{
    struct nj_checks *checks = check->checks;
    if (result->ok || check->attempts > check->spec->retries_count)
        return false;
    nj_counter_add(checks->metrics.retries, 1);
    check->retry_ns = nj_loop_mono_ns(checks->options.loop) + check->spec->retries_delay_ns;
    set_activity(check, NJ_CHECK_RETRYING);
    set_due(check);
    return true;
}

/* Everything is in order before the owner is told: it may remove the check. */
static void end_run(struct nj_check *check, const struct nj_result *last)
{
    struct nj_checks *checks = check->checks;
    const struct nj_spec_alert *alert = &check->spec->alert;
    struct nj_check_policy policy = {.failures = alert->failures + check->failures_more,
                                     .window_ns = alert->window_ns,
                                     .successes = alert->successes};
    struct nj_result result = *last;
    result.attempts = check->attempts;
    set_activity(check, NJ_CHECK_IDLE);
    set_due(check);
    nj_counter_add(result.ok ? checks->metrics.passed : checks->metrics.failed, 1);
    nj_checks_rollup_add(checks, check, &result);
    bool changed =
        nj_check_step(&check->memory, &policy, result.ok, check->held, nj_loop_wall_ns(checks->options.loop));
    checks->options.on_result(checks->options.data, check, &result, changed);
}

static void on_done(void *data, const struct nj_result *result)
{
    struct nj_check *check = data;
    struct nj_checks *checks = check->checks;
    check->run = NULL;
    if (!retries(check, result)) {
        if (result->cause == NJ_CAUSE_INTERNAL)
            end_internal(check);
        else
            end_run(check, result);
    }
    pump(checks);
}

static void start(struct nj_check *check)
{
    struct nj_checks *checks = check->checks;
    struct nj_probe_request request = {.spec = check->spec,
                                       .target = check->target,
                                       .secrets = check->secrets,
                                       .secrets_count = check->secrets_count,
                                       .ca_pem = check->ca_pem,
                                       .on_done = on_done,
                                       .data = check};
    struct nj_err err;
    if (check->attempts == 0)
        nj_histogram_observe(checks->metrics.delay,
                             (double)(nj_loop_mono_ns(checks->options.loop) - check->planned_ns) /
                                 (double)NJ_SEC);
    check->attempts++;
    set_activity(check, NJ_CHECK_RUNNING);
    if (nj_probe_start(checks->options.prober, &request, &check->run, &err) < 0)
        end_internal(check);
}

/* Now, or when its turn comes. */
static void enqueue(struct nj_check *check)
{
    struct nj_checks *checks = check->checks;
    if (checks->running >= checks->options.max_concurrent) {
        nj_counter_add(checks->metrics.waited, 1);
        set_activity(check, NJ_CHECK_WAITING);
    } else {
        start(check);
    }
    set_due(check);
}

static void begin(struct nj_check *check, int64_t planned_ns)
{
    check->attempts = 0;
    check->planned_ns = planned_ns;
    enqueue(check);
}

/* --- the schedule */

/* Its place has come, and may be long gone when the process was held up. */
static void take_place(struct nj_check *check, int64_t now_ns)
{
    int64_t interval_ns = check->spec->interval_ns;
    int64_t place_ns = check->place_ns;
    int64_t missed = (now_ns - place_ns) / interval_ns;
    check->place_ns = place_ns + (missed + 1) * interval_ns;
    if (check->activity == NJ_CHECK_IDLE)
        begin(check, place_ns + missed * interval_ns);
    else
        missed++;
    nj_counter_add(check->checks->metrics.skipped, (uint64_t)missed);
    set_due(check);
}

static struct nj_check *check_of(struct nj_due *due)
{
    return (struct nj_check *)(void *)((char *)due - offsetof(struct nj_check, due));
}

static void take_due(struct nj_checks *checks, int64_t now_ns)
{
    struct nj_due *due;
    while ((due = nj_due_first(&checks->heap)) != NULL && due->at_ns <= now_ns) {
        struct nj_check *check = check_of(due);
        if (check->activity == NJ_CHECK_RETRYING && check->retry_ns <= now_ns)
            enqueue(check);
        else
            take_place(check, now_ns);
    }
}

/* One after the other at the pace of max_starts_per_s; a timer that is a little late does not slow it. */
static void take_fresh(struct nj_checks *checks, int64_t now_ns)
{
    if (checks->fresh_ns < now_ns - FRESH_LATE_NS)
        checks->fresh_ns = now_ns;
    while (checks->fresh != NULL && checks->fresh_ns <= now_ns) {
        struct nj_check *check = checks->fresh;
        check->place_ns = next_place(check, now_ns);
        begin(check, checks->fresh_ns);
        checks->fresh_ns += NJ_SEC / checks->options.max_starts_per_s;
    }
}

static void take_waiting(struct nj_checks *checks)
{
    while (checks->waiting != NULL && checks->running < checks->options.max_concurrent)
        start(checks->waiting);
}

static void set_timer(struct nj_checks *checks, int64_t sweep_ns)
{
    int64_t now_ns = nj_loop_mono_ns(checks->options.loop);
    int64_t delay_ns = sweep_ns;
    const struct nj_due *due = nj_due_first(&checks->heap);
    if (due != NULL && due->at_ns - now_ns < delay_ns)
        delay_ns = due->at_ns - now_ns;
    if (checks->fresh != NULL && checks->fresh_ns - now_ns < delay_ns)
        delay_ns = checks->fresh_ns - now_ns;
    if (delay_ns == INT64_MAX)
        nj_timer_stop(&checks->timer);
    else
        nj_timer_start(&checks->timer, delay_ns < 0 ? 0 : delay_ns, 0);
}

/* Begins what can begin, and sets the timer for the rest. */
static void pump(struct nj_checks *checks)
{
    int64_t now_ns = nj_loop_mono_ns(checks->options.loop);
    take_waiting(checks);
    take_due(checks, now_ns);
    take_fresh(checks, now_ns);
    set_timer(checks, nj_checks_rollup_sweep(checks));
}

static void on_timer(struct nj_timer *timer)
{
    pump(timer->data);
}

/* After a change from outside, which must not call back: the loop does the rest. */
static void pump_soon(struct nj_checks *checks)
{
    set_timer(checks, 0);
}

/* --- checks */

static struct nj_counter *runs_counter(struct nj_metrics *metrics, const char *labels)
{
    return nj_metrics_counter(metrics, "nightjar_probe_runs_total", labels,
                              "Runs of checks that ended, retries included in them.");
}

static void add_metrics(struct nj_checks *checks, struct nj_metrics *metrics)
{
    static const double bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5};
    if (metrics == NULL)
        return;
    checks->metrics.passed = runs_counter(metrics, "result=\"passed\"");
    checks->metrics.failed = runs_counter(metrics, "result=\"failed\"");
    checks->metrics.internal = runs_counter(metrics, "result=\"internal\"");
    checks->metrics.retries = nj_metrics_counter(metrics, "nightjar_probe_retries_total", "",
                                                 "Failing tries that were tried again.");
    checks->metrics.refused = nj_metrics_counter(metrics, "nightjar_probe_refused_checks_total", "",
                                                 "Checks that were not taken: there are too many.");
    checks->metrics.skipped = nj_metrics_counter(metrics, "nightjar_probe_skipped_total", "",
                                                 "Runs left out because the one before had not ended.");
    checks->metrics.waited = nj_metrics_counter(metrics, "nightjar_probe_waited_total", "",
                                                "Tries that waited because too many were running.");
    checks->metrics.rollups =
        nj_metrics_counter(metrics, "nightjar_probe_rollups_total", "", "Minutes of checks that were told.");
    checks->metrics.delay = nj_metrics_histogram(metrics, "nightjar_probe_delay_seconds", "",
                                                 "How much later than planned runs begin.", bounds,
                                                 sizeof(bounds) / sizeof(bounds[0]));
    checks->metrics.checks =
        nj_metrics_gauge(metrics, "nightjar_probe_checks", "", "Checks that are run in turn.");
    checks->metrics.running =
        nj_metrics_gauge(metrics, "nightjar_probe_running", "", "Checks that are running now.");
}

struct nj_checks *nj_checks_new(const struct nj_checks_options *options)
{
    struct nj_checks *checks = NJ_NEW(struct nj_checks);
    checks->options = *options;
    nj_timer_init(&checks->timer, options->loop, on_timer, checks);
    add_metrics(checks, options->metrics);
    return checks;
}

static void take_out(struct nj_checks *checks, struct nj_check *check)
{
    if (check->run != NULL)
        nj_probe_cancel(check->run);
    set_activity(check, NJ_CHECK_IDLE);
    nj_due_remove(&checks->heap, &check->due);
    NJ_TABLE_REMOVE(checks->table, check);
    nj_checks_rollup_leave(checks, check);
    nj_check_free(check);
    nj_gauge_set(checks->metrics.checks, (int64_t)HASH_COUNT(checks->table));
}

void nj_checks_free(struct nj_checks *checks)
{
    if (checks == NULL)
        return;
    while (checks->table != NULL)
        take_out(checks, checks->table);
    nj_timer_stop(&checks->timer);
    nj_due_done(&checks->heap);
    free(checks);
}

int nj_checks_add(struct nj_checks *checks, const struct nj_check_options *options,
                  struct nj_check **ret_check, struct nj_err *err)
{
    struct nj_check *check;
    HASH_FIND_STR(checks->table, options->id, check);
    if (check != NULL)
        return nj_err_set(err, -EEXIST, "check %s: there is one of this name", options->id);
    if (HASH_COUNT(checks->table) >= checks->options.max_checks) {
        nj_counter_add(checks->metrics.refused, 1);
        return nj_err_set(err, -ENOSPC, "check %s: there are %zu checks, and no more are allowed",
                          options->id, checks->options.max_checks);
    }
    check = nj_check_new(options);
    check->checks = checks;
    HASH_ADD_KEYPTR(hh, checks->table, check->id, strlen(check->id), check);
    DL_APPEND(checks->fresh, check);
    nj_checks_rollup_join(checks, check);
    nj_gauge_set(checks->metrics.checks, (int64_t)HASH_COUNT(checks->table));
    pump_soon(checks);
    *ret_check = check;
    return 0;
}

void nj_checks_remove(struct nj_checks *checks, struct nj_check *check)
{
    take_out(checks, check);
    pump_soon(checks);
}

void nj_check_hold(struct nj_check *check, bool held)
{
    check->held = held;
}

void nj_check_restore(struct nj_check *check, enum nj_check_state state, int64_t since_ns)
{
    nj_check_memory_restore(&check->memory, state, since_ns, nj_loop_wall_ns(check->checks->options.loop));
}

void nj_check_now(struct nj_checks *checks, struct nj_check *check)
{
    int64_t now_ns = nj_loop_mono_ns(checks->options.loop);
    if (check->activity == NJ_CHECK_NEW)
        check->place_ns = next_place(check, now_ns);
    else if (check->activity != NJ_CHECK_IDLE)
        return; /* it is at it */
    begin(check, now_ns);
    pump_soon(checks);
}

void *nj_check_data(const struct nj_check *check)
{
    return check->data;
}

const char *nj_check_id(const struct nj_check *check)
{
    return check->id;
}

const struct nj_spec *nj_check_spec(const struct nj_check *check)
{
    return check->spec;
}

const struct nj_check_memory *nj_check_memory(const struct nj_check *check)
{
    return &check->memory;
}

size_t nj_checks_count(const struct nj_checks *checks)
{
    return HASH_COUNT(checks->table);
}

void nj_checks_each(struct nj_checks *checks, void (*each)(void *data, struct nj_check *check), void *data)
{
    struct nj_check *check;
    struct nj_check *next;
    HASH_ITER (hh, checks->table, check, next) {
        each(data, check);
    }
}
