/* Checks' states, as incidents of the Service, monitor or node that they are about. See engine.h. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    NAMES_MAX = 5,      /* targets that a message names */
    SUBJECTS_SEEN = 64, /* of targets named already, looked at for others */
};

#define SOME_FAIL "SomeFail"
#define ALL_FAIL "AllFail"
#define FLAPPING "Flapping"

/* A target as a subject: the pod's uid, by which its deletion is told, and which check it is. */
struct target {
    char identity[NJ_ENGINE_NAME_MAX]; /* "monitor|target", or its hash when that is too long */
    char uid[NJ_ENGINE_NAME_MAX];
};

static void target_of(const struct nj_check_key *key, struct target *ret_target)
{
    static const char pod[] = "pod/";
    const char *monitor = nj_str(key->monitor), *name = nj_str(key->target);
    int len = snprintf(ret_target->identity, sizeof(ret_target->identity), "%s|%s", monitor, name);
    if (len < 0 || (size_t)len >= sizeof(ret_target->identity)) {
        char hash[NJ_EVENT_ID_MAX];
        (void)snprintf(ret_target->identity, sizeof(ret_target->identity), "%s",
                       nj_event_id(hash, "target", monitor, name, NULL));
    }
    size_t uid_len = strncmp(name, pod, strlen(pod)) == 0 ? strcspn(name + strlen(pod), "/") : 0;
    if (uid_len > 0 && uid_len < sizeof(ret_target->uid))
        (void)snprintf(ret_target->uid, sizeof(ret_target->uid), "%.*s", (int)uid_len, name + strlen(pod));
    else
        (void)snprintf(ret_target->uid, sizeof(ret_target->uid), "%s", ret_target->identity);
}

/* This check's subject, in whichever incident it is; NULL when it is in none. */
static struct nj_open_subject *find_subject(struct nj_engine *engine, const struct target *target)
{
    struct nj_open_pod *pod = nj_open_pod_find(engine, target->uid);
    struct nj_open_subject *subject = NULL;
    if (pod == NULL)
        return NULL;
    DL_FOREACH2(pod->subjects, subject, pod_next)
    {
        if (subject->incident != NULL && nj_incident_is_of_checks(subject->incident->record.kind) &&
            strcmp(subject->container, target->identity) == 0)
            return subject;
    }
    return NULL;
}

static bool all_fail(const struct nj_event_origin *origin)
{
    if (origin->pods_total > 0)
        return origin->pods_failing >= origin->pods_total;
    return origin->targets_total > 0 && origin->targets_failing >= origin->targets_total;
}

static bool set_number(int32_t *field, int32_t value)
{
    bool changed = *field != value;
    *field = value;
    return changed;
}

/* The names of the failing targets, each once: a pod may have several. */
static void append_names(const struct nj_open *open, struct nj_buf *out)
{
    const char *names[NAMES_MAX];
    size_t count = 0, seen = 0;
    const struct nj_open_subject *subject = NULL;
    DL_FOREACH (open->subjects, subject) {
        size_t i = 0;
        while (i < count && strcmp(names[i], subject->pod_name) != 0)
            i++;
        if (i < count && ++seen < SUBJECTS_SEEN)
            continue;
        if (count == NAMES_MAX || seen == SUBJECTS_SEEN) {
            (void)nj_buf_append_str(out, ", ...");
            return;
        }
        (void)nj_buf_printf(out, "%s%s", count == 0 ? "" : ", ", subject->pod_name);
        names[count++] = subject->pod_name;
    }
}

/* "(step login: expected status 200-299, got 500)" */
static void append_failure(const struct nj_incident *record, struct nj_buf *out)
{
    bool known = record->got[0] != '\0' || record->cause[0] != '\0';
    if (!known && record->expected[0] == '\0')
        return;
    (void)nj_buf_append_str(out, " (");
    if (record->step[0] != '\0')
        (void)nj_buf_printf(out, "step %s: ", record->step);
    if (record->expected[0] != '\0')
        (void)nj_buf_printf(out, "expected %s%s", record->expected, known ? ", got " : "");
    (void)nj_buf_append_str(out, record->got[0] != '\0' ? record->got : record->cause);
    (void)nj_buf_append_char(out, ')');
}

/* What fails, in a line. */
static bool set_message(struct nj_open *open)
{
    struct nj_incident *record = &open->record;
    struct nj_buf text = {0};
    struct nj_buf names = {0};
    append_names(open, &names);
    if (record->kind == NJ_INCIDENT_NODE_PROBES)
        (void)nj_buf_printf(&text, "every check on node %s fails", record->workload);
    else if (nj_streq(record->reason, FLAPPING))
        (void)nj_buf_printf(&text, "%s: passing and failing in turn", nj_buf_str(&names));
    else if (record->targets_total <= 1)
        (void)nj_buf_printf(&text, "%s fails", nj_buf_str(&names));
    else
        (void)nj_buf_printf(&text, "%d of %d targets fail: %s", (int)record->targets_failing,
                            (int)record->targets_total, nj_buf_str(&names));
    append_failure(record, &text);
    bool changed = nj_open_set(&record->message, nj_buf_str(&text), NJ_ENGINE_MESSAGE_MAX);
    nj_buf_done(&names);
    nj_buf_done(&text);
    return changed;
}

/* How many fail and what that amounts to; true when anything has changed. */
static bool set_counts(struct nj_open *open, const struct nj_event_origin *origin, const char *reason)
{
    struct nj_incident *record = &open->record;
    bool changed = set_number(&record->targets_failing, origin->targets_failing);
    changed |= set_number(&record->targets_total, origin->targets_total);
    changed |= nj_open_set(&record->reason, reason, NJ_ENGINE_NAME_MAX);
    return set_message(open) || changed;
}

static enum nj_severity severity_of(const struct nj_incident *record, const char *asked)
{
    enum nj_severity severity =
        record->kind == NJ_INCIDENT_NODE_PROBES ? NJ_SEVERITY_CRITICAL : NJ_SEVERITY_WARNING;
    if (nj_streq(record->reason, ALL_FAIL) && record->targets_total > 1)
        return NJ_SEVERITY_CRITICAL;
    (void)nj_severity_parse(nj_str(asked), &severity);
    return severity;
}

/* Some failed before, now all do. What flapped alone and stays down was told. */
static bool has_worsened(const struct nj_incident *before, bool was_flapping_alone, bool now_all)
{
    return now_all && !nj_streq(before->reason, ALL_FAIL) && !was_flapping_alone;
}

static void settle(struct nj_engine *engine, struct nj_open *open, const char *severity, bool opened,
                   bool worsened)
{
    nj_open_settle(engine, open, severity_of(&open->record, severity), opened);
    if (worsened && !opened)
        nj_open_transition(engine, open, NJ_TRANSITION_WORSENED);
}

static bool set_failure(struct nj_incident *record, const struct nj_report *report)
{
    const struct nj_check_event *check = &report->event->check;
    bool changed = nj_report_set_place(record, report);
    changed |= nj_open_set(&record->monitor, check->key.monitor, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->step, check->step, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->cause, check->cause, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->expected, check->expected, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->got, check->got, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->body, check->body, NJ_ENGINE_MESSAGE_MAX);
    changed |= set_number(&record->status, check->status);
    return changed;
}

static bool put_subject(struct nj_engine *engine, struct nj_open *open, const struct nj_report *report,
                        const struct target *target)
{
    const struct nj_check_event *check = &report->event->check;
    const char *name = nj_str(check->target_name)[0] != '\0' ? check->target_name : check->key.target;
    const struct nj_incident_subject subject = {.pod_uid = target->uid,
                                                .container = target->identity,
                                                .pod = nj_str(name),
                                                .since_ns = report->at_ns};
    return nj_open_subject_put(engine, open, &subject);
}

static int64_t begins(const struct nj_report *report)
{
    int64_t since_ns = report->event->check.since_ns;
    return since_ns > 0 && since_ns < report->at_ns ? since_ns : report->at_ns;
}

static int64_t apply_failing(struct nj_engine *engine, const struct nj_report *report,
                             const struct target *target, bool flapping)
{
    struct nj_open *open = nj_report_find(engine, report);
    if (nj_clearing_after(engine, target->uid, target->identity, NJ_CLEARABLE_CHECK, report->at_ns))
        return open == NULL ? 0 : open->record.id;
    bool opened = open == NULL;
    open = nj_report_join(engine, report, open);
    if (opened) {
        /* For as long as it lasts: its end is told to those who were told of its beginning. */
        (void)nj_open_set(&open->record.group, report->event->check.group, NJ_ENGINE_NAME_MAX);
    }
    struct nj_incident *record = &open->record;
    bool all = !flapping && all_fail(report->origin);
    bool flapped_alone = nj_streq(record->reason, FLAPPING) && record->targets_total <= 1;
    bool worsened = has_worsened(record, flapped_alone, all);
    bool changed = put_subject(engine, open, report, target);
    record->count += changed;
    if (report->at_ns >= record->last_ns)
        changed |= set_failure(record, report);
    changed |= set_counts(open, report->origin, flapping ? FLAPPING : all ? ALL_FAIL : SOME_FAIL);
    changed |= begins(report) < record->first_ns || report->at_ns > record->last_ns;
    nj_open_extend_times(record, begins(report));
    nj_open_extend_times(record, report->at_ns);
    nj_open_heard(engine, open, report->now_ns);
    if (changed)
        settle(engine, open, report->event->check.severity, opened, worsened);
    return record->id;
}

/* Takes it out of its incident, which ends with its last one. Returns what is left of the incident, or NULL.
 */
static struct nj_open *clear_subject(struct nj_engine *engine, struct nj_open_subject *subject,
                                     const char *cause, int64_t at_ns, int64_t now_ns)
{
    struct nj_open *open = subject->incident;
    nj_open_heard(engine, open, now_ns);
    nj_open_subject_remove(engine, subject);
    if (open->subjects != NULL)
        return open;
    nj_open_resolve(engine, open, cause, at_ns);
    return NULL;
}

/* A target passes or is gone: one less fails, or there is one less. */
static void apply_well(struct nj_engine *engine, const struct nj_report *report, const struct target *target,
                       const char *cause)
{
    struct nj_open_subject *subject = find_subject(engine, target);
    bool cleared = subject != NULL && subject->since_ns - NJ_SEC < report->at_ns;
    struct nj_open *open = NULL;
    if (cleared) {
        nj_clearing_put(engine, target->uid, target->identity, NJ_CLEARABLE_CHECK, report->at_ns,
                        report->now_ns);
        open = clear_subject(engine, subject, cause, report->at_ns, report->now_ns);
    } else {
        open = nj_report_find(engine, report);
    }
    if (open == NULL)
        return;
    bool all = all_fail(report->origin);
    bool flaps = nj_streq(open->record.reason, FLAPPING) && !cleared;
    bool worsened = has_worsened(&open->record, flaps, all);
    if (set_counts(open, report->origin, flaps ? FLAPPING : all ? ALL_FAIL : SOME_FAIL) || cleared)
        settle(engine, open, nj_severity_name(open->record.severity), false, worsened);
}

int64_t nj_engine_apply_check(struct nj_engine *engine, const struct nj_report *report)
{
    static const char node[] = "node/";
    const struct nj_check_event *check = &report->event->check;
    bool of_node = strncmp(nj_str(check->key.target), node, strlen(node)) == 0 &&
                   nj_streq(report->event->subject.workload_kind, "Node");
    struct nj_report own = *report;
    struct target target;
    own.kind = of_node ? NJ_INCIDENT_NODE_PROBES : NJ_INCIDENT_PROBE;
    own.container = "";
    target_of(&check->key, &target);
    own.uid = target.uid;
    if (nj_streq(check->state, "failing"))
        return apply_failing(engine, &own, &target, false);
    if (nj_streq(check->state, "flapping"))
        return apply_failing(engine, &own, &target, true);
    if (nj_streq(check->state, "passing") || nj_streq(check->state, "gone"))
        apply_well(engine, &own, &target, check->state);
    return 0;
}

void nj_engine_apply_rollups(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_rollups *rollups = &report->event->rollups;
    if (nj_engine_open_of(engine, NJ_INCIDENT_PROBE) + nj_engine_open_of(engine, NJ_INCIDENT_NODE_PROBES) ==
        0)
        return;
    for (size_t i = 0; i < rollups->count; i++) {
        const struct nj_check_rollup *item = &rollups->items[i];
        struct target target;
        target_of(&item->key, &target);
        struct nj_open_subject *subject = find_subject(engine, &target);
        if (subject == NULL)
            continue;
        if (nj_streq(item->state, "failing") || nj_streq(item->state, "flapping"))
            nj_open_heard(engine, subject->incident, report->now_ns);
        else if (nj_streq(item->state, "passing") && subject->since_ns < rollups->minute_ns)
            (void)clear_subject(engine, subject, "passing", report->at_ns, report->now_ns);
    }
}
