#include "collector/incident/incident.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

static const char *const kind_names[] = {
    [NJ_INCIDENT_CRASH] = "crash",
    [NJ_INCIDENT_IMAGE_PULL] = "image_pull",
    [NJ_INCIDENT_CONFIG_ERROR] = "config_error",
    [NJ_INCIDENT_START_ERROR] = "start_error",
    [NJ_INCIDENT_STUCK] = "stuck",
    [NJ_INCIDENT_UNSCHEDULABLE] = "unschedulable",
    [NJ_INCIDENT_POD_FAILURE] = "pod_failure",
    [NJ_INCIDENT_PROBE] = "probe",
    [NJ_INCIDENT_NODE_PROBES] = "node_probes",
    [NJ_INCIDENT_OOM_KILL] = "oom_kill",
    [NJ_INCIDENT_LEAK] = "leak",
    [NJ_INCIDENT_NEAR_LIMIT] = "near_limit",
    [NJ_INCIDENT_NODE] = "node",
    [NJ_INCIDENT_CAPACITY] = "capacity",
    [NJ_INCIDENT_SERVICE_OUTAGE] = "service_outage",
    [NJ_INCIDENT_ROLLOUT_FAILED] = "rollout_failed",
    [NJ_INCIDENT_SLO_BURN] = "slo_burn",
    [NJ_INCIDENT_REGISTRY] = "registry",
};
static const char *const severity_names[] = {
    [NJ_SEVERITY_INFO] = "info", [NJ_SEVERITY_WARNING] = "warning", [NJ_SEVERITY_CRITICAL] = "critical"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (nj_streq(names[i], name))
            return (int)i;
    }
    return -EINVAL;
}

const char *nj_incident_kind_name(enum nj_incident_kind kind)
{
    return kind_names[kind];
}

int nj_incident_kind_parse(const char *name, enum nj_incident_kind *ret_kind)
{
    int found = find_name(kind_names, COUNT(kind_names), name);
    if (found < 0)
        return found;
    *ret_kind = (enum nj_incident_kind)found;
    return 0;
}

bool nj_incident_is_of_checks(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_PROBE || kind == NJ_INCIDENT_NODE_PROBES;
}

const char *nj_incident_state_name(enum nj_incident_state state)
{
    return state == NJ_INCIDENT_OPEN ? "open" : "resolved";
}

int nj_incident_state_parse(const char *name, enum nj_incident_state *ret_state)
{
    if (nj_streq(name, "open"))
        *ret_state = NJ_INCIDENT_OPEN;
    else if (nj_streq(name, "resolved"))
        *ret_state = NJ_INCIDENT_RESOLVED;
    else
        return -EINVAL;
    return 0;
}

const char *nj_severity_name(enum nj_severity severity)
{
    return severity_names[severity];
}

int nj_severity_parse(const char *name, enum nj_severity *ret_severity)
{
    int found = find_name(severity_names, COUNT(severity_names), name);
    if (found < 0)
        return found;
    *ret_severity = (enum nj_severity)found;
    return 0;
}

/* Every string of the record, so that copying cannot miss one. */
static const size_t string_offsets[] = {
    offsetof(struct nj_incident, fingerprint),    offsetof(struct nj_incident, cluster),
    offsetof(struct nj_incident, project),        offsetof(struct nj_incident, namespace),
    offsetof(struct nj_incident, workload_kind),  offsetof(struct nj_incident, workload),
    offsetof(struct nj_incident, container),      offsetof(struct nj_incident, pod),
    offsetof(struct nj_incident, pod_uid),        offsetof(struct nj_incident, node),
    offsetof(struct nj_incident, reason),         offsetof(struct nj_incident, message),
    offsetof(struct nj_incident, image),          offsetof(struct nj_incident, crash_id),
    offsetof(struct nj_incident, resolved_cause), offsetof(struct nj_incident, suppressed),
    offsetof(struct nj_incident, group),          offsetof(struct nj_incident, monitor),
    offsetof(struct nj_incident, step),           offsetof(struct nj_incident, cause),
    offsetof(struct nj_incident, expected),       offsetof(struct nj_incident, got),
    offsetof(struct nj_incident, body),           offsetof(struct nj_incident, detail),
    offsetof(struct nj_incident, process),        offsetof(struct nj_incident, rollout),
    offsetof(struct nj_incident, rollout_from),   offsetof(struct nj_incident, template_hash),
    offsetof(struct nj_incident, image_from),     offsetof(struct nj_incident, difference),
    offsetof(struct nj_incident, services_down),
};

const char **nj_incident_string(struct nj_incident *incident, size_t i)
{
    return i < COUNT(string_offsets) ? (const char **)(void *)((char *)incident + string_offsets[i]) : NULL;
}

void nj_incident_copy(struct nj_incident *ret_copy, const struct nj_incident *incident)
{
    struct nj_incident copy = *incident;
    const char **text;
    size_t total = 0;
    for (size_t i = 0; (text = nj_incident_string(&copy, i)) != NULL; i++)
        total += strlen(nj_str(*text)) + 1;
    /* The first string of the table owns the memory of all. */
    char *memory = nj_calloc(1, total);
    for (size_t i = 0; (text = nj_incident_string(&copy, i)) != NULL; i++) {
        size_t size = strlen(nj_str(*text)) + 1;
        memcpy(memory, nj_str(*text), size);
        *text = memory;
        memory += size;
    }
    *ret_copy = copy;
}

void nj_incident_done(struct nj_incident *copy)
{
    free((void *)copy->fingerprint);
    *copy = (struct nj_incident){0};
}

static void add_text(struct nj_buf *out, const char *name, const char *text)
{
    nj_buf_printf(out, ",\"%s\":", name);
    nj_json_append_string(out, nj_str(text), strlen(nj_str(text)));
}

static void add_time(struct nj_buf *out, const char *name, int64_t time_ns)
{
    char text[NJ_TIME_TEXT_MAX];
    if (time_ns == 0)
        nj_buf_printf(out, ",\"%s\":null", name);
    else
        nj_buf_printf(out, ",\"%s\":\"%s\"", name, nj_time_format(time_ns, text));
}

static void add_number(struct nj_buf *out, const char *name, bool known, int64_t value)
{
    if (known)
        nj_buf_printf(out, ",\"%s\":%" PRId64, name, value);
    else
        nj_buf_printf(out, ",\"%s\":null", name);
}

static void add_text_or_null(struct nj_buf *out, const char *name, const char *text)
{
    if (nj_str(text)[0] == '\0')
        nj_buf_printf(out, ",\"%s\":null", name);
    else
        add_text(out, name, text);
}

static void add_probe(const struct nj_incident *incident, struct nj_buf *out)
{
    bool counted = incident->targets_total > 0;
    add_text_or_null(out, "group", incident->group);
    add_text_or_null(out, "monitor", incident->monitor);
    add_text_or_null(out, "step", incident->step);
    add_text_or_null(out, "cause", incident->cause);
    add_text_or_null(out, "expected", incident->expected);
    add_text_or_null(out, "got", incident->got);
    add_text_or_null(out, "body", incident->body);
    add_number(out, "status", incident->status != 0, incident->status);
    add_number(out, "targetsFailing", counted, incident->targets_failing);
    add_number(out, "targetsTotal", counted, incident->targets_total);
}

static void add_figure(struct nj_buf *out, const char *name, bool known, double value)
{
    if (known && isfinite(value))
        nj_buf_printf(out, ",\"%s\":%.15g", name, value);
    else
        nj_buf_printf(out, ",\"%s\":null", name);
}

static void add_trouble(const struct nj_incident *incident, struct nj_buf *out)
{
    bool of_node = incident->kind == NJ_INCIDENT_NODE;
    add_text_or_null(out, "detail", incident->detail);
    add_text_or_null(out, "process", incident->process);
    add_number(out, "pid", incident->pid != 0, incident->pid);
    bool counted = incident->value != 0 || incident->kind == NJ_INCIDENT_SERVICE_OUTAGE;
    add_figure(out, "value", counted, incident->value);
    add_figure(out, "limit", incident->at_most != 0, incident->at_most);
    add_figure(out, "perHour", incident->per_hour != 0, incident->per_hour);
    add_time(out, "reachesAt", incident->reaches_ns);
    add_number(out, "evictions", of_node, (int64_t)incident->evictions);
}

static void add_service(const struct nj_incident *incident, struct nj_buf *out)
{
    bool of_budget = incident->kind == NJ_INCIDENT_SLO_BURN;
    add_text_or_null(out, "rollout", incident->rollout);
    add_text_or_null(out, "rolloutFrom", incident->rollout_from);
    add_text_or_null(out, "imageFrom", incident->image_from);
    add_text_or_null(out, "difference", incident->difference);
    add_text_or_null(out, "servicesDown", incident->services_down);
    add_figure(out, "outageSeconds", incident->outage_ns > 0, (double)incident->outage_ns / 1e9);
    add_figure(out, "objective", of_budget, incident->objective);
    add_figure(out, "budgetLeft", of_budget, incident->budget_left);
}

static void add_where(const struct nj_incident *incident, struct nj_buf *out)
{
    struct nj_buf name = {0};
    nj_incident_full_name(incident, &name);
    add_text(out, "fullName", nj_buf_str(&name));
    nj_buf_done(&name);
    add_text(out, "kind", nj_incident_kind_name(incident->kind));
    add_text(out, "severity", nj_severity_name(incident->severity));
    add_text(out, "state", nj_incident_state_name(incident->state));
    nj_buf_printf(out, ",\"revision\":%" PRIu64, incident->revision);
    add_text(out, "cluster", incident->cluster);
    add_text(out, "project", incident->project);
    add_text(out, "namespace", incident->namespace);
    add_text(out, "workloadKind", incident->workload_kind);
    add_text(out, "workload", incident->workload);
    add_text(out, "container", incident->container);
    add_text(out, "pod", incident->pod);
    add_text(out, "podUid", incident->pod_uid);
    add_text(out, "node", incident->node);
}

int nj_incident_json(const struct nj_incident *incident, const char *public_url, struct nj_buf *out)
{
    bool crashed = nj_str(incident->crash_id)[0] != '\0' && incident->kind != NJ_INCIDENT_ROLLOUT_FAILED;
    nj_buf_printf(out, "{\"id\":%" PRId64, incident->id);
    add_text(out, "fingerprint", incident->fingerprint);
    add_where(incident, out);
    add_text(out, "reason", incident->reason);
    add_text(out, "message", incident->message);
    add_text(out, "image", incident->image);
    add_number(out, "exitCode", crashed, incident->exit_code);
    add_number(out, "signal", crashed, incident->signal);
    add_number(out, "restartCount", crashed, incident->restart_count);
    add_number(out, "memoryLimitBytes", incident->memory_limit_bytes > 0, incident->memory_limit_bytes);
    add_text_or_null(out, "crashId", incident->crash_id);
    nj_buf_printf(out, ",\"crashLoop\":%s,\"count\":%" PRIu64 ",\"lost\":%" PRIu64,
                  incident->crash_loop ? "true" : "false", incident->count, incident->lost);
    add_time(out, "firstAt", incident->first_ns);
    add_time(out, "lastAt", incident->last_ns);
    add_time(out, "resolvedAt", incident->resolved_ns);
    add_text(out, "resolvedCause", incident->resolved_cause);
    add_text(out, "suppressed", incident->suppressed);
    add_probe(incident, out);
    add_trouble(incident, out);
    add_service(incident, out);
    struct nj_buf url = {0};
    nj_incident_url(incident, public_url, &url);
    add_text_or_null(out, "url", nj_buf_str(&url));
    nj_buf_done(&url);
    return nj_buf_append_char(out, '}');
}

int nj_incident_url(const struct nj_incident *incident, const char *public_url, struct nj_buf *out)
{
    size_t len = strlen(nj_str(public_url));
    while (len > 0 && public_url[len - 1] == '/')
        len--;
    if (len == 0)
        return 0;
    return nj_buf_printf(out, "%.*s/incidents/%" PRId64, (int)len, public_url, incident->id);
}

int nj_incident_full_name(const struct nj_incident *incident, struct nj_buf *out)
{
    bool no_project = nj_str(incident->project)[0] == '\0';
    return nj_buf_printf(out, "%s.%s.%s.%s", nj_str(incident->cluster), no_project ? "-" : incident->project,
                         nj_str(incident->namespace), nj_str(incident->workload));
}
