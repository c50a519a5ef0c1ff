/*
 * What comes of the checks: events when a state changes, minutes when they are over.
 */
#include <inttypes.h>
#include <stdio.h>

#include "agent/probes/pack.h"
#include "agent/probes/probes_internal.h"
#include "common/wire/batch.h"

enum { ARENA_MAX = 4 << 20, NUMBER_TEXT = 24 };

static const int64_t pack_ns = NJ_SEC; /* minutes of many checks end together */

static const char *number(int64_t value, char text[NUMBER_TEXT])
{
    (void)snprintf(text, NUMBER_TEXT, "%" PRId64, value);
    return text;
}

static struct nj_subject subject_of(const struct nj_node_target *target)
{
    const struct nj_node_pod *pod = target->pod;
    struct nj_subject subject = {.namespace = "",
                                 .pod = "",
                                 .pod_uid = "",
                                 .node = target->probes->node,
                                 .workload_kind = "Component",
                                 .workload = target->component,
                                 .container = ""};
    if (pod == NULL)
        return subject;
    subject.namespace = pod->facts->meta.namespace;
    subject.pod = pod->facts->meta.name;
    subject.pod_uid = pod->facts->meta.uid;
    subject.workload_kind = target->source == NJ_SOURCE_METRICS ? nj_str(pod->workload_kind) : "Service";
    subject.workload = target->source == NJ_SOURCE_METRICS ? nj_str(pod->workload) : target->service;
    return subject;
}

static const char *name_of(const struct nj_node_target *target)
{
    return target->pod != NULL ? target->pod->facts->meta.name : target->probes->node;
}

/* Of a state; what failed is filled in by the caller. */
static struct nj_event make_event(const struct nj_node_target *target, enum nj_check_state state,
                                  int64_t since_ns, char id[NJ_EVENT_ID_MAX])
{
    char since[NUMBER_TEXT];
    const char *name = nj_check_state_name(state);
    const struct nj_spec_alert *alert = &target->shared->spec->alert;
    struct nj_event event = {
        .id = nj_event_id(id, "check", target->monitor, target->target, name, number(since_ns, since), NULL),
        .at_ns = since_ns,
        .seen_ns = nj_loop_wall_ns(target->probes->options.loop),
        .type = NJ_EVENT_CHECK,
        .subject = subject_of(target),
    };
    event.check = (struct nj_check_event){
        .key = {.monitor = target->monitor, .target = target->target},
        .source = nj_monitor_source_name(target->source),
        .service = target->service,
        .target_name = name_of(target),
        .address = target->address,
        .state = name,
        .since_ns = since_ns,
        .severity = alert->severity,
        .group = alert->group,
        .cause = "",
        .phase = "",
        .step = "",
        .expected = "",
        .got = "",
        .body = "",
        .evidence = "",
    };
    return event;
}

static void add_failure(const struct nj_result *result, struct nj_check_event *check)
{
    const struct nj_step_outcome *failed = result->failed;
    check->cause = nj_cause_name(result->cause);
    if (failed == NULL)
        return;
    check->phase = nj_phase_name(failed->phase);
    check->step = failed->name;
    check->expected = failed->expected;
    check->got = failed->got;
    check->body = failed->body;
    check->status = failed->status;
}

static void send_event(struct nj_node_target *target, const struct nj_event *event)
{
    target->known = true;
    nj_counter_add(target->probes->metrics.events, 1);
    target->probes->options.on_event(target->probes->options.data, event);
}

void nj_tell_forget(struct nj_node_target *target)
{
    nj_buf_done(&target->kept);
    target->probes->waiting -= target->waits_since_ns != 0;
    target->waits_since_ns = 0;
    if (target->nodes)
        nj_gauge_add(target->probes->metrics.held_back, -1);
    target->nodes = false;
}

/* Tells the state of the check, or keeps it to be told when it is clear whose failure it is. */
static void tell_state(struct nj_node_target *target, const struct nj_result *result, bool keep)
{
    char id[NJ_EVENT_ID_MAX];
    struct nj_buf evidence = {.max = NJ_EVIDENCE_JSON_MAX + 1};
    const struct nj_check_memory *memory = nj_check_memory(target->check);
    struct nj_event event = make_event(target, memory->state, memory->since_ns, id);
    if (!result->ok)
        add_failure(result, &event.check);
    if (nj_result_json(result, &evidence) == 0)
        event.check.evidence = nj_buf_str(&evidence);
    nj_tell_forget(target);
    if (keep && nj_event_encode(&event, &target->kept) == 0) {
        target->waits_since_ns = nj_loop_mono_ns(target->probes->options.loop);
        target->probes->waiting++;
    } else {
        target->told = memory->state;
        send_event(target, &event);
    }
    nj_buf_done(&evidence);
}

void nj_tell_kept(struct nj_node_target *target)
{
    struct nj_arena arena;
    struct nj_event event;
    struct nj_buf kept = target->kept;
    target->kept = (struct nj_buf){0};
    nj_tell_forget(target);
    nj_arena_init(&arena, ARENA_MAX);
    if (nj_event_decode(kept.data, kept.len, &arena, &event, NULL) == 0) {
        target->told = NJ_CHECK_FAILING;
        send_event(target, &event);
    }
    nj_arena_done(&arena);
    nj_buf_done(&kept);
}

static void note_run(struct nj_node_target *target, bool ok)
{
    struct nj_node_probes *probes = target->probes;
    int64_t now_ns = nj_loop_mono_ns(probes->options.loop);
    target->last_run_ns = now_ns;
    if (!ok) {
        target->failing_since_ns = target->failing_since_ns != 0 ? target->failing_since_ns : now_ns;
        return;
    }
    target->failing_since_ns = 0;
    target->last_pass_ns = now_ns;
    if (target->pod != NULL)
        probes->last_pass_ns = now_ns;
}

/* Failing is told only when it is not the node's. Everything else is what it is. */
static void consider(struct nj_node_target *target, const struct nj_result *result)
{
    struct nj_node_probes *probes = target->probes;
    enum nj_check_state state = nj_check_memory(target->check)->state;
    bool may_be_nodes = target->pod != NULL && state == NJ_CHECK_FAILING;
    if (state == NJ_CHECK_STARTING || state == target->told) {
        nj_tell_forget(target);
    } else if (may_be_nodes && probes->node_fails) {
        if (!target->nodes)
            nj_gauge_add(probes->metrics.held_back, 1);
        target->nodes = true;
    } else if (may_be_nodes && !target->nodes && probes->last_pass_ns <= target->failing_since_ns) {
        if (target->waits_since_ns == 0)
            tell_state(target, result, true);
    } else {
        tell_state(target, result, false);
    }
}

void nj_tell_result(void *data, struct nj_check *check, const struct nj_result *result, bool changed)
{
    struct nj_node_probes *probes = data;
    struct nj_node_target *target = nj_check_data(check);
    const struct nj_node_pod *pod = target->pod;
    struct nj_exposition_labels labels = {.monitor = target->monitor,
                                          .target = target->target,
                                          .namespace = pod == NULL ? "" : pod->facts->meta.namespace,
                                          .service = target->service,
                                          .pod = pod == NULL ? "" : pod->facts->meta.name,
                                          .port = target->port};
    (void)changed; /* what was told decides, which may be something older */
    nj_exposition_put(probes->exposition, target->id, &labels, result);
    if (result->cause == NJ_CAUSE_INTERNAL)
        return;
    note_run(target, result->ok);
    if (pod == NULL && target->held && result->ok)
        nj_target_hold(target, false);
    consider(target, result);
    if (pod != NULL && (probes->waiting > 0 || probes->node_fails))
        nj_tell_judge(probes);
}

void nj_tell_gone(struct nj_node_target *target)
{
    char id[NJ_EVENT_ID_MAX];
    if (!target->known)
        return;
    struct nj_event event =
        make_event(target, NJ_CHECK_GONE, nj_loop_wall_ns(target->probes->options.loop), id);
    send_event(target, &event);
}

void nj_tell_node(struct nj_node_probes *probes, enum nj_check_state state, size_t counted)
{
    char id[NJ_EVENT_ID_MAX];
    char since[NUMBER_TEXT];
    char got[128] = "";
    const char *name = nj_check_state_name(state);
    bool fails = state == NJ_CHECK_FAILING;
    NJ_CLEANUP_FREE char *target = nj_asprintf("node/%s", probes->node);
    if (fails)
        (void)snprintf(got, sizeof(got), "all %zu checks on this node fail", counted);
    struct nj_event event = {
        .id = nj_event_id(id, "check", "builtin.node", target, name, number(probes->node_since_ns, since),
                          NULL),
        .at_ns = probes->node_since_ns,
        .seen_ns = nj_loop_wall_ns(probes->options.loop),
        .type = NJ_EVENT_CHECK,
        .subject = {.namespace = "",
                    .pod = "",
                    .pod_uid = "",
                    .node = probes->node,
                    .workload_kind = "Node",
                    .workload = probes->node,
                    .container = ""},
    };
    event.check = (struct nj_check_event){
        .key = {.monitor = "builtin.node", .target = target},
        .source = nj_monitor_source_name(NJ_SOURCE_BUILTIN),
        .service = "",
        .target_name = probes->node,
        .address = nj_str(probes->host_ip),
        .state = name,
        .since_ns = probes->node_since_ns,
        .severity = "critical",
        .group = "",
        .cause = fails ? nj_cause_name(NJ_CAUSE_UNREACHABLE) : "",
        .phase = "",
        .step = fails ? "the node's checks" : "",
        .expected = fails ? "some of the node's checks pass" : "",
        .got = got,
        .body = "",
        .evidence = "",
    };
    nj_counter_add(probes->metrics.events, 1);
    probes->options.on_event(probes->options.data, &event);
}

/* --- minutes --- */

void nj_tell_flush(struct nj_node_probes *probes)
{
    struct nj_rollup_pack *pack = &probes->pack;
    if (pack->count == 0)
        return;
    char id[NJ_EVENT_ID_MAX];
    char started[NUMBER_TEXT];
    char minute[NUMBER_TEXT];
    char part[NUMBER_TEXT];
    int64_t now_ns = nj_loop_wall_ns(probes->options.loop);
    pack->parts++;
    struct nj_event event = {
        .id = nj_event_id(id, "rollups", probes->node, number(probes->started_ns, started),
                          number(pack->minute_ns, minute), number((int64_t)pack->parts, part), NULL),
        .at_ns = pack->minute_ns,
        .seen_ns = now_ns,
        .type = NJ_EVENT_ROLLUPS,
        .subject = {.namespace = "",
                    .pod = "",
                    .pod_uid = "",
                    .node = probes->node,
                    .workload_kind = "",
                    .workload = "",
                    .container = ""},
        .rollups = {.minute_ns = pack->minute_ns, .items = pack->items, .count = pack->count},
    };
    nj_timer_stop(&pack->timer);
    probes->options.on_event(probes->options.data, &event);
    free(pack->items);
    pack->items = NULL;
    pack->count = 0;
    nj_arena_done(&pack->arena);
    nj_arena_init(&pack->arena, ARENA_MAX);
}

static const struct nj_rollup_error_count *copy_errors(struct nj_arena *arena, const struct nj_rollup *rollup)
{
    struct nj_rollup_error_count *errors = nj_arena_zalloc(arena, rollup->errors_count + 1, sizeof(*errors));
    if (errors == NULL)
        nj_out_of_memory();
    for (size_t i = 0; i < rollup->errors_count; i++)
        errors[i] = (struct nj_rollup_error_count){.cause = nj_cause_name(rollup->errors[i].cause),
                                                   .status = rollup->errors[i].status,
                                                   .count = rollup->errors[i].count};
    return errors;
}

static const char *copy_text(struct nj_arena *arena, const char *text)
{
    const char *copy = nj_arena_strndup(arena, text, strlen(text));
    if (copy == NULL)
        nj_out_of_memory();
    return copy;
}

static const void *copy_latency(struct nj_arena *arena, const struct nj_rollup *rollup, size_t *ret_len)
{
    struct nj_buf bytes = {.max = NJ_SKETCH_BYTES_MAX};
    const void *copy = "";
    *ret_len = 0;
    if (nj_sketch_encode(&rollup->latency, &bytes) == 0) {
        copy = nj_arena_strndup(arena, nj_buf_str(&bytes), bytes.len);
        *ret_len = copy == NULL ? 0 : bytes.len;
    }
    nj_buf_done(&bytes);
    return copy;
}

void nj_tell_rollup(void *data, struct nj_check *check, const struct nj_rollup *rollup)
{
    struct nj_node_probes *probes = data;
    struct nj_rollup_pack *pack = &probes->pack;
    struct nj_node_target *target = nj_check_data(check);
    if (pack->count > 0 && pack->minute_ns != rollup->minute_ns)
        nj_tell_flush(probes);
    if (pack->count == 0) {
        pack->minute_ns = rollup->minute_ns;
        pack->items = nj_calloc(NJ_ROLLUPS_MAX, sizeof(*pack->items));
        nj_timer_start(&pack->timer, pack_ns, 0);
    }
    size_t latency_len = 0;
    const void *latency = copy_latency(&pack->arena, rollup, &latency_len);
    const char *namespace = target->pod == NULL ? "" : target->pod->facts->meta.namespace;
    pack->items[pack->count++] = (struct nj_check_rollup){
        .key = {.monitor = target->monitor, .target = target->target},
        .namespace = copy_text(&pack->arena, namespace), /* the pod's facts are replaced at any time */
        .service = target->service,
        .target_name = copy_text(&pack->arena, name_of(target)),
        .state = nj_check_state_name(target->told),
        .runs = rollup->runs,
        .failures = rollup->failures,
        .errors = copy_errors(&pack->arena, rollup),
        .errors_count = rollup->errors_count,
        .latency = latency,
        .latency_len = latency_len,
    };
    target->known = true;
    if (pack->count == NJ_ROLLUPS_MAX)
        nj_tell_flush(probes);
}
