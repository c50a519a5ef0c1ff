/* Outages of services, rollouts that failed, error budgets: what the collector tells itself. See engine.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/incident/engine_internal.h"
#include "common/base/str.h"

/* nj_outage_cause_name() as people read it, beside Kubernetes' own words. */
static const char *const causes[][2] = {
    {"rollout", "Rollout"},
    {"failed_rollout", "FailedRollout"},
    {"scaling", "Scaling"},
    {"scaled_to_zero", "ScaledToZero"},
    {"deletion", "Deletion"},
    {"node_loss", "NodeLost"},
    {"drain", "Drain"},
    {"eviction", "Evicted"},
    {"crash", "Crash"},
    {"failed_readiness", "FailedReadiness"},
    {"unschedulable", "Unschedulable"},
    {"maintenance", "Maintenance"},
    {"starting", "Starting"},
};

static const char *reason_of_cause(const char *cause)
{
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (nj_streq(causes[i][0], cause))
            return causes[i][1];
    }
    return "Unknown";
}

/* What such an incident is about: the one subject that it has. */
static void put_subject(struct nj_engine *engine, struct nj_open *open, const struct nj_report *report)
{
    char uid[NJ_ENGINE_NAME_MAX], hash[NJ_EVENT_ID_MAX];
    const struct nj_subject *of = &report->event->subject;
    const char *kind = nj_incident_kind_name(report->kind);
    int len = snprintf(uid, sizeof(uid), "%s/%s/%s/%s", kind, of->namespace, of->workload_kind, of->workload);
    if (len < 0 || (size_t)len >= sizeof(uid))
        (void)snprintf(uid, sizeof(uid), "%s/%s", kind,
                       nj_event_id(hash, of->namespace, of->workload_kind, of->workload, NULL));
    const struct nj_incident_subject subject = {
        .pod_uid = uid, .container = "", .pod = of->workload, .since_ns = report->at_ns};
    (void)nj_open_subject_put(engine, open, &subject);
}

/* The report's incident with its times; new, or told again. */
static struct nj_open *begin(struct nj_engine *engine, const struct nj_report *report, struct nj_open *open,
                             int64_t since_ns)
{
    bool opened = open == NULL;
    open = nj_report_join(engine, report, open);
    open->record.count += opened;
    if (since_ns > 0 && since_ns < report->at_ns)
        nj_open_extend_times(&open->record, since_ns);
    nj_open_extend_times(&open->record, report->at_ns);
    put_subject(engine, open, report);
    nj_open_heard(engine, open, report->now_ns);
    (void)nj_report_set_place(&open->record, report);
    return open;
}

static int64_t finish(struct nj_engine *engine, struct nj_open *open, enum nj_severity severity, bool opened)
{
    bool worsened =
        !opened && severity == NJ_SEVERITY_CRITICAL && open->record.severity < NJ_SEVERITY_CRITICAL;
    nj_open_settle(engine, open, severity, opened);
    if (worsened)
        nj_open_transition(engine, open, NJ_TRANSITION_WORSENED);
    return open->record.id;
}

static void set(const char **field, const char *text)
{
    (void)nj_open_set(field, text, NJ_ENGINE_NAME_MAX);
}

static void append_share(struct nj_buf *out, int32_t ready, int32_t desired)
{
    if (desired >= 0)
        (void)nj_buf_printf(out, "%d of %d ready", (int)ready, (int)desired);
    else
        (void)nj_buf_printf(out, "%d ready", (int)ready);
}

/* "web is not available, 0 of 3 ready: pod web-1 deleted" */
static void set_outage(struct nj_open *open, const struct nj_report *report)
{
    static const char incident[] = "incident/", node[] = "node/";
    const struct nj_outage *outage = &report->event->outage;
    struct nj_incident *record = &open->record;
    struct nj_buf text = {0}, workload = {0};
    const char *reference = nj_str(outage->reference);
    set(&record->cause, outage->cause);
    set(&record->reason, reason_of_cause(outage->cause));
    if (nj_str(outage->behind)[0] != '\0')
        (void)nj_buf_printf(&workload, "%s/%s", nj_str(outage->behind_kind), outage->behind);
    set(&record->detail, nj_buf_str(&workload));
    record->value = outage->min_ready;
    record->at_most = outage->desired > 0 ? outage->desired : 0;
    (void)nj_buf_printf(&text, "%s is not available, ", record->workload);
    append_share(&text, outage->min_ready, outage->desired);
    if (nj_str(outage->detail)[0] != '\0')
        (void)nj_buf_printf(&text, ": %s", outage->detail);
    (void)nj_open_set(&record->message, nj_buf_str(&text), NJ_ENGINE_MESSAGE_MAX);
    open->explained_by = strncmp(reference, incident, strlen(incident)) == 0
                             ? strtoll(reference + strlen(incident), NULL, 10)
                             : 0;
    if (strncmp(reference, node, strlen(node)) == 0)
        set(&record->node, reference + strlen(node));
    nj_buf_done(&text);
    nj_buf_done(&workload);
}

int64_t nj_engine_apply_outage(struct nj_engine *engine, const struct nj_report *report)
{
    struct nj_report own = *report;
    own.kind = NJ_INCIDENT_SERVICE_OUTAGE;
    own.container = "";
    struct nj_open *open = nj_report_find(engine, &own);
    bool opened = open == NULL;
    if (own.event->outage.over) {
        if (opened)
            return 0;
        set_outage(open, &own);
        open->record.outage_ns = own.at_ns > open->record.first_ns ? own.at_ns - open->record.first_ns : 0;
        nj_open_resolve(engine, open, "over", own.at_ns);
        return 0;
    }
    open = begin(engine, &own, open, own.event->outage.since_ns);
    set_outage(open, &own);
    return finish(engine, open, NJ_SEVERITY_CRITICAL, opened);
}

static void set_rollout(struct nj_incident *record, const struct nj_rollout_failed *rollout)
{
    set(&record->rollout, rollout->revision);
    set(&record->rollout_from, rollout->from_revision);
    set(&record->template_hash, rollout->template_hash);
    set(&record->image, rollout->images);
    set(&record->image_from, rollout->from_images);
    set(&record->reason, rollout->reason);
    (void)nj_open_set(&record->difference, rollout->difference, NJ_ENGINE_MESSAGE_MAX);
    (void)nj_open_set(&record->message, rollout->message, NJ_ENGINE_MESSAGE_MAX);
    if (nj_str(rollout->crash_id)[0] != '\0') {
        set(&record->crash_id, rollout->crash_id);
        set(&record->pod, rollout->pod);
    }
    record->outage_ns = rollout->outage_ns;
}

int64_t nj_engine_apply_rollout_failed(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_rollout_failed *rollout = &report->event->rollout;
    struct nj_report own = *report;
    own.kind = NJ_INCIDENT_ROLLOUT_FAILED;
    own.container = "";
    struct nj_open *open = nj_report_find(engine, &own);
    bool opened = open == NULL;
    if (rollout->over) {
        if (opened)
            return 0;
        if (rollout->outage_ns > open->record.outage_ns)
            open->record.outage_ns = rollout->outage_ns;
        nj_open_resolve(engine, open, "rolled_out", own.at_ns);
        return 0;
    }
    /* Of a rollout before: what was said of its crash does not hold for this one. */
    bool another = !opened && !nj_streq(open->record.rollout, nj_str(rollout->revision));
    open = begin(engine, &own, open, rollout->began_ns);
    if (another) {
        open->record.count++;
        set(&open->record.crash_id, "");
    }
    set_rollout(&open->record, rollout);
    return finish(engine, open, rollout->down ? NJ_SEVERITY_CRITICAL : NJ_SEVERITY_WARNING, opened);
}

/* "1h", "6h", "3d", "5m" */
static void append_window(struct nj_buf *out, int64_t window_ns)
{
    static const struct {
        int64_t ns;
        char name;
    } units[] = {{NJ_DAY, 'd'}, {NJ_HOUR, 'h'}, {NJ_MIN, 'm'}, {NJ_SEC, 's'}};
    size_t i = 0;
    while (i + 1 < sizeof(units) / sizeof(units[0]) && window_ns % units[i].ns != 0)
        i++;
    (void)nj_buf_printf(out, "%" PRId64 "%c", window_ns / units[i].ns, units[i].name);
}

static void set_slo(struct nj_incident *record, const struct nj_slo *slo)
{
    struct nj_buf windows = {0}, text = {0};
    append_window(&windows, slo->window_ns);
    (void)nj_buf_append_char(&windows, '/');
    append_window(&windows, slo->short_window_ns);
    set(&record->reason, "BurnRate");
    set(&record->detail, nj_buf_str(&windows));
    record->objective = slo->objective;
    record->budget_left = slo->budget_left;
    record->value = slo->burn;
    record->at_most = slo->burn_limit;
    (void)nj_buf_printf(&text,
                        "the error budget burns %.1f times too fast over %s (%.1f over the shorter one, "
                        "alert from %.1f): %.0f%% of that of %.15g%% in ",
                        slo->burn, nj_buf_str(&windows), slo->short_burn, slo->burn_limit,
                        slo->budget_left * 100, slo->objective);
    append_window(&text, slo->budget_ns);
    (void)nj_buf_append_str(&text, " is left");
    (void)nj_open_set(&record->message, nj_buf_str(&text), NJ_ENGINE_MESSAGE_MAX);
    nj_buf_done(&windows);
    nj_buf_done(&text);
}

int64_t nj_engine_apply_slo(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_slo *slo = &report->event->slo;
    enum nj_severity severity = NJ_SEVERITY_WARNING;
    struct nj_report own = *report;
    own.kind = NJ_INCIDENT_SLO_BURN;
    own.container = "";
    struct nj_open *open = nj_report_find(engine, &own);
    bool opened = open == NULL;
    if (slo->over) {
        if (opened)
            return 0;
        open->record.budget_left = slo->budget_left;
        nj_open_resolve(engine, open, "over", own.at_ns);
        return 0;
    }
    (void)nj_severity_parse(nj_str(slo->severity), &severity);
    open = begin(engine, &own, open, slo->since_ns);
    set_slo(&open->record, slo);
    return finish(engine, open, severity, opened);
}
