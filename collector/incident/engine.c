#include "collector/incident/engine.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

static const char *const transition_names[] = {
    [NJ_TRANSITION_NONE] = "none",
    [NJ_TRANSITION_OPENED] = "opened",
    [NJ_TRANSITION_WORSENED] = "worsened",
    [NJ_TRANSITION_RESOLVED] = "resolved",
};

const char *nj_transition_name(enum nj_transition transition)
{
    return transition_names[transition];
}

int nj_transition_parse(const char *name, enum nj_transition *ret_transition)
{
    for (int i = NJ_TRANSITION_OPENED; i <= NJ_TRANSITION_RESOLVED; i++) {
        if (nj_streq(transition_names[i], name)) {
            *ret_transition = (enum nj_transition)i;
            return 0;
        }
    }
    return -EINVAL;
}

int64_t nj_engine_event_time(const struct nj_event *event, int64_t now_ns)
{
    int64_t at_ns = event->at_ns > 0 ? event->at_ns : event->seen_ns;
    return at_ns <= 0 || at_ns > now_ns + NJ_HOUR ? now_ns : at_ns;
}

static bool is_one_of(const char *text, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0)
            return true;
    }
    return false;
}

static enum nj_incident_kind kind_of_waiting(const char *reason)
{
    static const char *const image[] = {
        "ErrImagePull",     "ImagePullBackOff",    "ErrImageNeverPull",         "ImageInspectError",
        "InvalidImageName", "RegistryUnavailable", "SignatureValidationFailed", NULL};
    static const char *const start[] = {"RunContainerError", "CreateContainerError", "PreCreateHookError",
                                        "PreStartHookError", "PostStartHookError",   NULL};
    if (is_one_of(reason, image))
        return NJ_INCIDENT_IMAGE_PULL;
    if (is_one_of(reason, start))
        return NJ_INCIDENT_START_ERROR;
    if (strcmp(reason, "CreateContainerConfigError") == 0)
        return NJ_INCIDENT_CONFIG_ERROR;
    if (strcmp(reason, "CrashLoopBackOff") == 0)
        return NJ_INCIDENT_CRASH;
    return strcmp(reason, "Unschedulable") == 0 ? NJ_INCIDENT_UNSCHEDULABLE : NJ_INCIDENT_STUCK;
}

static enum nj_severity severity_of(const struct nj_incident *record)
{
    static const char *const by_design[] = {"Preempting",   "NodeShutdown",         "Terminated", "Shutdown",
                                            "NodeAffinity", "TerminationByKubelet", NULL};
    if (record->kind == NJ_INCIDENT_POD_FAILURE && is_one_of(record->reason, by_design))
        return NJ_SEVERITY_INFO;
    return record->crash_loop ? NJ_SEVERITY_CRITICAL : NJ_SEVERITY_WARNING;
}

void nj_open_transition(struct nj_engine *engine, struct nj_open *open, enum nj_transition transition)
{
    /* Who was not told that there is trouble is not told that it got worse, or is over. */
    if (engine->options.on_transition != NULL && open->record.suppressed[0] == '\0')
        engine->options.on_transition(engine->options.data, &open->record, transition);
}

void nj_open_resolve(struct nj_engine *engine, struct nj_open *open, const char *cause, int64_t at_ns)
{
    struct nj_incident *record = &open->record;
    record->state = NJ_INCIDENT_RESOLVED;
    record->resolved_ns = at_ns > record->last_ns ? at_ns : record->last_ns;
    (void)nj_open_set(&record->resolved_cause, cause, NJ_ENGINE_NAME_MAX);
    record->revision++;
    nj_open_remove(engine, open);
    nj_open_transition(engine, open, NJ_TRANSITION_RESOLVED);
    if (record->kind == NJ_INCIDENT_IMAGE_PULL)
        nj_registry_ended(engine, open, at_ns);
    if (record->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        nj_explain_changed(engine, open, record->suppressed);
}

struct nj_open *nj_report_open(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_subject *subject = &report->event->subject;
    char fingerprint[NJ_EVENT_ID_MAX];
    while (HASH_CNT(hh, engine->open) >= engine->options.max_open && engine->quiet != NULL) {
        engine->losses.evicted_incidents++;
        nj_open_resolve(engine, engine->quiet, "evicted", report->now_ns);
    }
    (void)nj_event_id(fingerprint, nj_incident_kind_name(report->kind), report->origin->cluster,
                      subject->namespace, subject->workload_kind, subject->workload, report->container, NULL);
    const struct nj_incident identity = {
        .id = engine->next_id++,
        .fingerprint = fingerprint,
        .kind = report->kind,
        .state = NJ_INCIDENT_OPEN,
        .cluster = report->origin->cluster,
        .namespace = subject->namespace,
        .workload_kind = subject->workload_kind,
        .workload = subject->workload,
        .container = report->container,
        .first_ns = report->at_ns,
        .last_ns = report->at_ns,
    };
    return nj_open_add(engine, &identity);
}

const char *nj_report_node(const struct nj_report *report)
{
    const char *node = report->event->subject.node;
    return node[0] != '\0' ? node : nj_str(report->origin->node);
}

bool nj_report_set_place(struct nj_incident *record, const struct nj_report *report)
{
    const struct nj_subject *subject = &report->event->subject;
    bool changed = nj_open_set(&record->pod, subject->pod, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->pod_uid, subject->pod_uid, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->node, nj_report_node(report), NJ_ENGINE_NAME_MAX);
    if (nj_str(report->origin->project)[0] != '\0')
        changed |= nj_open_set(&record->project, report->origin->project, NJ_ENGINE_NAME_MAX);
    return changed;
}

static bool set_words(struct nj_incident *record, const char *reason, const char *message, const char *image)
{
    bool changed = nj_open_set(&record->reason, reason, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->message, message, NJ_ENGINE_MESSAGE_MAX);
    if (nj_str(image)[0] != '\0')
        changed |= nj_open_set(&record->image, image, NJ_ENGINE_NAME_MAX);
    return changed;
}

static bool set_number(int32_t *field, int32_t value)
{
    bool changed = *field != value;
    *field = value;
    return changed;
}

static bool set_crash(struct nj_incident *record, const struct nj_event *event)
{
    const struct nj_crash *crash = &event->crash;
    bool changed = set_words(record, crash->reason, crash->message, crash->image);
    changed |= nj_open_set(&record->crash_id, event->id, NJ_ENGINE_NAME_MAX);
    changed |= set_number(&record->exit_code, crash->exit_code);
    changed |= set_number(&record->signal, crash->signal);
    changed |= set_number(&record->restart_count, crash->restart_count);
    changed |= record->memory_limit_bytes != crash->memory_limit_bytes;
    record->memory_limit_bytes = crash->memory_limit_bytes;
    return changed;
}

void nj_open_settle(struct nj_engine *engine, struct nj_open *open, enum nj_severity severity, bool opened)
{
    if (opened || severity > open->record.severity)
        open->record.severity = severity;
    open->record.revision++;
    nj_open_changed(engine, open);
    if (opened)
        nj_hold_opened(engine, open);
    if (opened)
        nj_open_transition(engine, open, NJ_TRANSITION_OPENED);
}

static void settle(struct nj_engine *engine, struct nj_open *open, bool opened)
{
    nj_open_settle(engine, open, severity_of(&open->record), opened);
}

void nj_open_extend_times(struct nj_incident *record, int64_t at_ns)
{
    if (at_ns < record->first_ns)
        record->first_ns = at_ns;
    if (at_ns > record->last_ns)
        record->last_ns = at_ns;
}

static bool put_subject(struct nj_engine *engine, struct nj_open *open, const struct nj_report *report)
{
    const struct nj_incident_subject subject = {.pod_uid = report->uid,
                                                .container = report->container,
                                                .pod = report->event->subject.pod,
                                                .since_ns = report->at_ns};
    return nj_open_subject_put(engine, open, &subject);
}

struct nj_open *nj_report_find(struct nj_engine *engine, const struct nj_report *report)
{
    return nj_open_find(engine, report->kind, report->origin->cluster, &report->event->subject,
                        report->container);
}

static bool is_late(struct nj_engine *engine, const struct nj_report *report)
{
    return nj_clearing_after(engine, report->uid, report->container, nj_clearable_of(report->kind),
                             report->at_ns);
}

/* A crash that is known: what is said of it now. */
static int64_t correct_crash(struct nj_engine *engine, const struct nj_report *report)
{
    struct nj_open *open = nj_report_find(engine, report);
    if (open == NULL || strcmp(open->record.crash_id, report->event->id) != 0)
        return 0;
    if (set_crash(&open->record, report->event))
        settle(engine, open, false);
    return open->record.id;
}

static int64_t apply_crash(struct nj_engine *engine, const struct nj_report *report)
{
    struct nj_open *open = nj_report_find(engine, report);
    bool late = is_late(engine, report);
    bool opened = open == NULL;
    if (opened && late)
        return 0;
    open = nj_report_join(engine, report, open);
    struct nj_incident *record = &open->record;
    if (report->at_ns >= record->last_ns || record->crash_id[0] == '\0') {
        (void)nj_report_set_place(record, report);
        (void)set_crash(record, report->event);
    }
    nj_open_extend_times(record, report->at_ns);
    record->count++;
    if (!late)
        (void)put_subject(engine, open, report);
    nj_open_heard(engine, open, report->now_ns);
    settle(engine, open, opened);
    return record->id;
}

static int64_t apply_lost(struct nj_engine *engine, const struct nj_report *report)
{
    struct nj_open *open = nj_report_find(engine, report);
    bool late = is_late(engine, report);
    bool opened = open == NULL;
    if (opened && late)
        return 0;
    open = nj_report_join(engine, report, open);
    if (opened) {
        (void)nj_report_set_place(&open->record, report);
        (void)set_words(&open->record, "Restarted", "it was restarted, and nobody saw why", "");
    }
    nj_open_extend_times(&open->record, report->at_ns);
    open->record.lost += report->event->lost.count;
    if (!late)
        (void)put_subject(engine, open, report);
    nj_open_heard(engine, open, report->now_ns);
    settle(engine, open, opened);
    return open->record.id;
}

/* The kubelet holds the restart back. The crash itself says why; this only says that it goes on. */
static int64_t apply_crash_loop(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_stuck *stuck = &report->event->stuck;
    struct nj_open *open = nj_report_find(engine, report);
    if (is_late(engine, report))
        return open == NULL ? 0 : open->record.id;
    bool opened = open == NULL;
    open = nj_report_join(engine, report, open);
    if (opened) {
        (void)nj_report_set_place(&open->record, report);
        (void)set_words(&open->record, stuck->reason, stuck->message, stuck->image);
    }
    nj_open_heard(engine, open, report->now_ns);
    (void)put_subject(engine, open, report);
    if (opened || !open->record.crash_loop) {
        open->record.crash_loop = true;
        settle(engine, open, opened);
    }
    return open->record.id;
}

/* Something lasts: being stuck, or having been ended. A subject that is known to be so is told again, or its
 * words have changed. */
static int64_t apply_lasting(struct nj_engine *engine, const struct nj_report *report, const char *reason,
                             const char *message, const char *image)
{
    struct nj_open *open = nj_report_find(engine, report);
    if (is_late(engine, report))
        return open == NULL ? 0 : open->record.id;
    bool opened = open == NULL;
    open = nj_report_join(engine, report, open);
    struct nj_incident *record = &open->record;
    bool is_new = put_subject(engine, open, report);
    bool changed = is_new;
    if (report->at_ns >= record->last_ns) {
        changed |= nj_report_set_place(record, report);
        changed |= set_words(record, reason, message, image);
    }
    changed |= report->at_ns < record->first_ns || report->at_ns > record->last_ns;
    nj_open_extend_times(record, report->at_ns);
    record->count += is_new;
    nj_open_heard(engine, open, report->now_ns);
    if (report->kind == NJ_INCIDENT_IMAGE_PULL)
        nj_registry_note(engine, open, report);
    if (changed)
        settle(engine, open, opened);
    if (is_new && report->kind == NJ_INCIDENT_POD_FAILURE)
        nj_absorb_eviction(engine, report);
    return record->id;
}

static int64_t apply_stuck(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_stuck *stuck = &report->event->stuck;
    if (report->kind == NJ_INCIDENT_CRASH)
        return apply_crash_loop(engine, report);
    bool late = is_late(engine, report);
    int64_t id = apply_lasting(engine, report, stuck->reason, stuck->message, stuck->image);
    if (!late)
        nj_engine_supersede(engine, report);
    return id;
}

static int64_t apply(struct nj_engine *engine, const struct nj_event_origin *origin,
                     const struct nj_event *event, bool is_new, int64_t now_ns)
{
    const struct nj_subject *subject = &event->subject;
    struct nj_report report = {.origin = origin,
                               .event = event,
                               .kind = NJ_INCIDENT_CRASH,
                               .container = subject->container,
                               /* Every pod has a uid; one that comes without is known by its name. */
                               .uid = subject->pod_uid[0] != '\0' ? subject->pod_uid : subject->pod,
                               .at_ns = nj_engine_event_time(event, now_ns),
                               .now_ns = now_ns};
    switch (event->type) {
    case NJ_EVENT_CRASH:
        return is_new ? apply_crash(engine, &report) : correct_crash(engine, &report);
    case NJ_EVENT_LOST_CRASHES:
        return is_new ? apply_lost(engine, &report) : 0;
    case NJ_EVENT_STUCK:
        report.kind = kind_of_waiting(event->stuck.reason);
        return apply_stuck(engine, &report);
    case NJ_EVENT_POD_FAILURE:
        if (nj_pod_failure_is_deletion(event->failure.reason))
            return 0;
        report.kind = NJ_INCIDENT_POD_FAILURE;
        report.container = "";
        return apply_lasting(engine, &report, event->failure.reason, event->failure.message, "");
    case NJ_EVENT_CLEARED:
        nj_engine_apply_cleared(engine, &report);
        return 0;
    case NJ_EVENT_CHECK:
        return nj_engine_apply_check(engine, &report);
    case NJ_EVENT_ROLLUPS:
        nj_engine_apply_rollups(engine, &report);
        return 0;
    case NJ_EVENT_OOM_KILL:
        return nj_engine_apply_oom_kill(engine, &report, is_new);
    case NJ_EVENT_TROUBLE:
        return nj_engine_apply_trouble(engine, &report);
    case NJ_EVENT_USAGE:
        nj_engine_apply_usage(engine, &report);
        return 0;
    case NJ_EVENT_OUTAGE:
        return nj_engine_apply_outage(engine, &report);
    case NJ_EVENT_ROLLOUT_FAILED:
        return nj_engine_apply_rollout_failed(engine, &report);
    case NJ_EVENT_SLO:
        return nj_engine_apply_slo(engine, &report);
    }
    return 0;
}

int64_t nj_engine_apply(struct nj_engine *engine, const struct nj_event_origin *origin,
                        const struct nj_event *event, bool is_new, int64_t now_ns)
{
    engine->now_ns = now_ns;
    int64_t id = apply(engine, origin, event, is_new, now_ns);
    nj_hold_settle(engine);
    return id;
}

void nj_engine_tick(struct nj_engine *engine, int64_t now_ns)
{
    engine->now_ns = now_ns;
    nj_engine_note_time(engine, now_ns);
    nj_engine_tick_lasting(engine, now_ns);
    nj_engine_tick_ooms(engine, now_ns);
    while (engine->quiet != NULL && engine->quiet->heard_ns < now_ns - engine->options.stale_after_ns)
        nj_open_resolve(engine, engine->quiet, "stale", now_ns);
    nj_engine_tick_absorbed(engine, now_ns);
    nj_clearings_expire(engine, now_ns);
}
