#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/probes/probes_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NUMBER_BYTES = 24,
    SKETCHES_BYTES_MAX = NJ_ROLLUPS_MAX * (NJ_SKETCH_BYTES_MAX + 4096),
};

/* So that the minutes of all checks, which end together, are told together. */
static const int64_t GATHER_NS = 2 * NJ_SEC;

static const struct nj_step_outcome no_outcome = {
    .name = "", .expected = "", .got = "", .request = "", .address = "", .body = ""};

static struct nj_subject subject_of(const struct nj_monitor *monitor)
{
    return (struct nj_subject){.namespace = monitor->namespace,
                               .pod = "",
                               .pod_uid = "",
                               .node = "",
                               .workload_kind = monitor->workload_kind,
                               .workload = monitor->workload,
                               .container = ""};
}

static const char *number(char text[NUMBER_BYTES], int64_t value)
{
    (void)snprintf(text, NUMBER_BYTES, "%" PRId64, value);
    return text;
}

static void emit(struct nj_probes *probes, const struct nj_monitor *monitor, struct nj_event *event)
{
    char id[NJ_EVENT_ID_MAX];
    char since[NUMBER_BYTES];
    event->id = nj_event_id(id, "check", event->check.key.monitor, event->check.key.target,
                            event->check.state, number(since, event->check.since_ns), NULL);
    event->type = NJ_EVENT_CHECK;
    event->seen_ns = nj_loop_wall_ns(probes->options.loop);
    event->subject = subject_of(monitor);
    event->check.source = nj_monitor_source_name(monitor->source);
    event->check.service = monitor->service;
    if (monitor->spec != NULL) {
        event->check.severity = monitor->spec->alert.severity;
        event->check.group = monitor->spec->alert.group;
    }
    probes->options.on_event(probes->options.data, event);
}

void nj_events_result(struct nj_probes *probes, const struct nj_target *target,
                      const struct nj_check_memory *memory, const struct nj_result *result)
{
    const struct nj_step_outcome *failed = result->failed == NULL ? &no_outcome : result->failed;
    char address[NJ_TARGET_ADDRESS_MAX];
    struct nj_buf evidence = {.max = NJ_EVIDENCE_JSON_MAX};
    (void)nj_result_json(result, &evidence);
    struct nj_event event = {
        .at_ns = memory->since_ns,
        .check = {.key = {.monitor = target->monitor->id, .target = target->id},
                  .target_name = target->name,
                  .address = nj_target_address(target, address),
                  .state = nj_check_state_name(memory->state),
                  .since_ns = memory->since_ns,
                  .cause = result->ok ? "" : nj_cause_name(result->cause),
                  .phase = result->failed == NULL ? "" : nj_phase_name(failed->phase),
                  .step = failed->name,
                  .expected = failed->expected,
                  .got = failed->got,
                  .body = failed->body,
                  .status = failed->status,
                  .evidence = nj_buf_str(&evidence)},
    };
    emit(probes, target->monitor, &event);
    nj_buf_done(&evidence);
}

void nj_events_gone(struct nj_probes *probes, const struct nj_monitor *monitor, const char *target,
                    const char *target_name, const char *address)
{
    int64_t now_ns = nj_loop_wall_ns(probes->options.loop);
    struct nj_event event = {
        .at_ns = now_ns,
        .check = {.key = {.monitor = monitor->id, .target = target},
                  .target_name = target_name,
                  .address = address,
                  .state = nj_check_state_name(NJ_CHECK_GONE),
                  .since_ns = now_ns},
    };
    emit(probes, monitor, &event);
}

/* --- minutes */

static const char *keep(struct nj_arena *arena, const char *text)
{
    const char *copy = nj_arena_strndup(arena, text, strlen(text));
    return copy == NULL ? "" : copy;
}

static const struct nj_rollup_error_count *keep_errors(struct nj_arena *arena, const struct nj_rollup *rollup)
{
    struct nj_rollup_error_count *errors = nj_arena_zalloc(arena, rollup->errors_count, sizeof(*errors));
    for (size_t i = 0; errors != NULL && i < rollup->errors_count; i++)
        errors[i] = (struct nj_rollup_error_count){.cause = nj_cause_name(rollup->errors[i].cause),
                                                   .status = rollup->errors[i].status,
                                                   .count = rollup->errors[i].count};
    return errors;
}

void nj_events_flush(struct nj_probes *probes)
{
    struct nj_rollup_batch *batch = &probes->batch;
    char id[NJ_EVENT_ID_MAX];
    char start[NUMBER_BYTES];
    char minute[NUMBER_BYTES];
    char part[NUMBER_BYTES];
    nj_timer_stop(&batch->timer);
    if (batch->count == 0)
        return;
    struct nj_event event = {
        .id = nj_event_id(id, "rollups", "collector", number(start, probes->started_ns),
                          number(minute, batch->minute_ns), number(part, (int64_t)batch->part++), NULL),
        .at_ns = batch->minute_ns,
        .seen_ns = nj_loop_wall_ns(probes->options.loop),
        .type = NJ_EVENT_ROLLUPS,
        .rollups = {.minute_ns = batch->minute_ns, .items = batch->items, .count = batch->count},
    };
    probes->options.on_event(probes->options.data, &event);
    batch->count = 0;
    nj_arena_reset(&batch->arena);
}

static void on_gathered(struct nj_timer *timer)
{
    nj_events_flush(timer->data);
}

void nj_events_rollup(struct nj_probes *probes, const struct nj_target *target, const char *state,
                      const struct nj_rollup *rollup)
{
    struct nj_rollup_batch *batch = &probes->batch;
    const struct nj_monitor *monitor = target->monitor;
    struct nj_buf latency = {.max = NJ_SKETCH_BYTES_MAX};
    if (batch->count == NJ_ROLLUPS_MAX || batch->minute_ns != rollup->minute_ns)
        nj_events_flush(probes);
    if (nj_sketch_encode(&rollup->latency, &latency) < 0)
        nj_buf_clear(&latency);
    struct nj_check_rollup *item = &batch->items[batch->count];
    *item = (struct nj_check_rollup){
        .key = {.monitor = keep(&batch->arena, monitor->id), .target = keep(&batch->arena, target->id)},
        .namespace = keep(&batch->arena, monitor->namespace),
        .service = keep(&batch->arena, monitor->service),
        .target_name = keep(&batch->arena, target->name),
        .state = state,
        .runs = rollup->runs,
        .failures = rollup->failures,
        .errors = keep_errors(&batch->arena, rollup),
        .latency_len = latency.len,
    };
    item->errors_count = item->errors == NULL ? 0 : rollup->errors_count;
    item->latency = nj_arena_strndup(&batch->arena, nj_buf_str(&latency), latency.len);
    nj_buf_done(&latency);
    if (item->latency == NULL)
        item->latency_len = 0;
    batch->minute_ns = rollup->minute_ns;
    if (batch->count++ == 0)
        nj_timer_start(&batch->timer, GATHER_NS, 0);
}

void nj_events_init(struct nj_probes *probes)
{
    nj_arena_init(&probes->batch.arena, SKETCHES_BYTES_MAX);
    nj_timer_init(&probes->batch.timer, probes->options.loop, on_gathered, probes);
}

void nj_events_done(struct nj_probes *probes)
{
    nj_timer_stop(&probes->batch.timer);
    nj_arena_done(&probes->batch.arena);
}
