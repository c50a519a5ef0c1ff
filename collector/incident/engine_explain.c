/* Incidents that explain others: failed rollouts, what took a service down, registries. See engine.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "collector/incident/template.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

#define BY_INCIDENT "incident "
#define BY_ROLLOUT "rollout failed: incident "
#define BY_REGISTRY "registry"
#define MORE ", ..."

enum { NAMES_MAX = 5 }; /* workloads that a message names */

/* An incident that nobody was told of explains nothing to anybody. */
static bool is_told(const struct nj_open *open)
{
    return open != NULL && open->record.suppressed[0] == '\0';
}

static bool starts_pods(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_CRASH || kind == NJ_INCIDENT_IMAGE_PULL || kind == NJ_INCIDENT_CONFIG_ERROR ||
           kind == NJ_INCIDENT_START_ERROR || kind == NJ_INCIDENT_STUCK || kind == NJ_INCIDENT_UNSCHEDULABLE;
}

static struct nj_open *failed_rollout(struct nj_engine *engine, const struct nj_incident *record,
                                      const char *workload_kind, const char *workload)
{
    const struct nj_subject subject = {
        .namespace = record->namespace, .workload_kind = workload_kind, .workload = workload};
    return nj_open_find(engine, NJ_INCIDENT_ROLLOUT_FAILED, record->cluster, &subject, "");
}

/* A pod is of its template. */
static struct nj_open *failed_rollout_of_pod(struct nj_engine *engine, const struct nj_incident *record,
                                             const char *workload_kind, const char *workload)
{
    struct nj_open *open = failed_rollout(engine, record, workload_kind, workload);
    return is_told(open) &&
                   nj_pod_is_of_template(workload_kind, workload, open->record.template_hash, record->pod)
               ? open
               : NULL;
}

/* The workload behind a service, "Deployment/web", as an outage's `detail` has it. */
static bool behind(const char *detail, char ret_kind[NJ_ENGINE_NAME_MAX], const char **ret_workload)
{
    const char *slash = strchr(detail, '/');
    if (slash == NULL || slash[1] == '\0' || (size_t)(slash - detail) >= NJ_ENGINE_NAME_MAX)
        return false;
    (void)snprintf(ret_kind, NJ_ENGINE_NAME_MAX, "%.*s", (int)(slash - detail), detail);
    *ret_workload = slash + 1;
    return true;
}

static struct nj_open *rollout_explains(struct nj_engine *engine, const struct nj_incident *record)
{
    char kind[NJ_ENGINE_NAME_MAX];
    const char *workload = "";
    if (nj_engine_open_of(engine, NJ_INCIDENT_ROLLOUT_FAILED) == 0)
        return NULL;
    if (starts_pods(record->kind))
        return failed_rollout_of_pod(engine, record, record->workload_kind, record->workload);
    if (record->kind == NJ_INCIDENT_SERVICE_OUTAGE && nj_streq(record->cause, "failed_rollout") &&
        behind(record->detail, kind, &workload)) {
        struct nj_open *open = failed_rollout(engine, record, kind, workload);
        return is_told(open) ? open : NULL;
    }
    if (record->kind == NJ_INCIDENT_PROBE) {
        struct nj_template_guess guesses[NJ_TEMPLATE_GUESSES];
        size_t count = nj_pod_guess_workloads(record->pod, guesses);
        for (size_t i = 0; i < count; i++) {
            struct nj_open *open =
                failed_rollout_of_pod(engine, record, guesses[i].workload_kind, guesses[i].workload);
            if (open != NULL)
                return open;
        }
    }
    return NULL;
}

/* "incident 4": 4; 0 of another reason. */
static int64_t incident_of(const char *reason)
{
    size_t len = strlen(BY_INCIDENT);
    return strncmp(reason, BY_INCIDENT, len) == 0 ? strtoll(reason + len, NULL, 10) : 0;
}

static struct nj_open *told_by_id(struct nj_engine *engine, const struct nj_open *open, int64_t id)
{
    struct nj_open *other = id > 0 ? nj_open_find_id(engine, id) : NULL;
    return other != open && is_told(other) ? other : NULL;
}

/* What an outage comes of: what held it back so far, what its event names, or what is open of its workload.
 */
static struct nj_open *trouble_explains(struct nj_engine *engine, const struct nj_open *open)
{
    const struct nj_incident *record = &open->record;
    char kind[NJ_ENGINE_NAME_MAX];
    const char *workload = "";
    if (record->kind != NJ_INCIDENT_SERVICE_OUTAGE)
        return NULL;
    struct nj_open *found = told_by_id(engine, open, incident_of(record->suppressed));
    if (found == NULL)
        found = told_by_id(engine, open, open->explained_by);
    if (found == NULL && nj_streq(record->cause, "node_loss")) {
        struct nj_open *node = nj_absorbing(engine, record->cluster, record->node);
        found = is_told(node) ? node : NULL;
    }
    bool of_pods = nj_streq(record->cause, "crash") || nj_streq(record->cause, "unschedulable");
    if (found != NULL || !of_pods || !behind(record->detail, kind, &workload))
        return found;
    for (found = nj_open_of_workload(engine, record->cluster, record->namespace, kind, workload);
         found != NULL; found = found->of_next) {
        if (starts_pods(found->record.kind) && is_told(found))
            return found;
    }
    return NULL;
}

static struct nj_open *registry_find(struct nj_engine *engine, const char *cluster, const char *host)
{
    const struct nj_subject subject = {.namespace = "", .workload_kind = "Registry", .workload = host};
    return nj_engine_open_of(engine, NJ_INCIDENT_REGISTRY) == 0
               ? NULL
               : nj_open_find(engine, NJ_INCIDENT_REGISTRY, cluster, &subject, "");
}

/* Its image cannot be had, and not for what is wrong with its name or its signature. */
static bool wants_registry(const struct nj_incident *record)
{
    return record->kind == NJ_INCIDENT_IMAGE_PULL && record->image[0] != '\0' &&
           (nj_streq(record->reason, "ErrImagePull") || nj_streq(record->reason, "ImagePullBackOff") ||
            nj_streq(record->reason, "RegistryUnavailable"));
}

static struct nj_open *registry_explains(struct nj_engine *engine, const struct nj_incident *record)
{
    char host[NJ_ENGINE_NAME_MAX];
    if (nj_engine_open_of(engine, NJ_INCIDENT_REGISTRY) == 0 || !wants_registry(record))
        return NULL;
    nj_registry_of(record->image, host);
    struct nj_open *open = registry_find(engine, record->cluster, host);
    return is_told(open) ? open : NULL;
}

bool nj_explain_holds(struct nj_engine *engine, const struct nj_open *open,
                      char reason[NJ_ENGINE_SUPPRESSED_MAX])
{
    const struct nj_open *by = rollout_explains(engine, &open->record);
    const char *why = BY_ROLLOUT;
    if (by == NULL) {
        by = trouble_explains(engine, open);
        why = BY_INCIDENT;
    }
    if (by != NULL) {
        (void)snprintf(reason, NJ_ENGINE_SUPPRESSED_MAX, "%s%" PRId64, why, by->record.id);
        return true;
    }
    if (registry_explains(engine, &open->record) == NULL)
        return false;
    (void)snprintf(reason, NJ_ENGINE_SUPPRESSED_MAX, BY_REGISTRY);
    return true;
}

/* Names the services that are down because of it, and says so when there is another. */
static void name_services(struct nj_engine *engine, struct nj_open *open)
{
    struct nj_open *outage = NULL;
    struct nj_buf names = {0};
    size_t before = strlen(open->record.services_down);
    DL_FOREACH2(engine->of_kind[NJ_INCIDENT_SERVICE_OUTAGE], outage, kind_next)
    {
        if (incident_of(outage->record.suppressed) != open->record.id)
            continue;
        if (names.len + strlen(outage->record.namespace) + strlen(outage->record.workload) + strlen(MORE) >=
            NJ_ENGINE_NAME_MAX - strlen(", /")) {
            (void)nj_buf_printf(&names, "%s", MORE);
            break;
        }
        (void)nj_buf_printf(&names, "%s", names.len == 0 ? "" : ", ");
        if (open->record.namespace[0] == '\0')
            (void)nj_buf_printf(&names, "%s/", outage->record.namespace);
        (void)nj_buf_printf(&names, "%s", outage->record.workload);
    }
    bool more = names.len > before;
    bool changed = nj_open_set(&open->record.services_down, nj_buf_str(&names), NJ_ENGINE_NAME_MAX);
    nj_buf_done(&names);
    if (!changed)
        return;
    nj_open_settle(engine, open, more ? NJ_SEVERITY_CRITICAL : open->record.severity, false);
    if (more)
        nj_open_transition(engine, open, NJ_TRANSITION_WORSENED);
}

void nj_explain_changed(struct nj_engine *engine, const struct nj_open *open, const char *before)
{
    if (open->record.kind != NJ_INCIDENT_SERVICE_OUTAGE)
        return;
    int64_t was = incident_of(before), is = open->resolved ? 0 : incident_of(open->record.suppressed);
    struct nj_open *other = was > 0 ? nj_open_find_id(engine, was) : NULL;
    if (other != NULL && was != is)
        name_services(engine, other);
    other = is > 0 ? nj_open_find_id(engine, is) : NULL;
    if (other != NULL)
        name_services(engine, other);
}

void nj_registry_of(const char *image, char ret_host[NJ_ENGINE_NAME_MAX])
{
    size_t len = strcspn(image, "/");
    bool has_host = image[len] == '/' && len < NJ_ENGINE_NAME_MAX &&
                    (memchr(image, '.', len) != NULL || memchr(image, ':', len) != NULL ||
                     (len == strlen("localhost") && strncmp(image, "localhost", len) == 0));
    (void)snprintf(ret_host, NJ_ENGINE_NAME_MAX, "%.*s", has_host ? (int)len : NJ_ENGINE_NAME_MAX - 1,
                   has_host ? image : "docker.io");
}

/* A workload as a registry's subject. */
static void workload_uid(const struct nj_incident *record, char ret_uid[NJ_ENGINE_NAME_MAX])
{
    char hash[NJ_EVENT_ID_MAX];
    int len = snprintf(ret_uid, NJ_ENGINE_NAME_MAX, "workload/%s/%s/%s", record->namespace,
                       record->workload_kind, record->workload);
    if (len >= NJ_ENGINE_NAME_MAX)
        (void)snprintf(ret_uid, NJ_ENGINE_NAME_MAX, "workload/%s",
                       nj_event_id(hash, record->namespace, record->workload_kind, record->workload, NULL));
}

static bool put_workload(struct nj_engine *engine, struct nj_open *registry, const struct nj_incident *record)
{
    char uid[NJ_ENGINE_NAME_MAX];
    struct nj_buf name = {0};
    workload_uid(record, uid);
    (void)nj_buf_printf(&name, "%s/%s", record->namespace, record->workload);
    const struct nj_incident_subject subject = {
        .pod_uid = uid, .container = "", .pod = nj_buf_str(&name), .since_ns = record->last_ns};
    bool is_new = nj_open_subject_put(engine, registry, &subject);
    nj_buf_done(&name);
    return is_new;
}

static void set_registry_message(struct nj_open *registry)
{
    struct nj_buf text = {0};
    const struct nj_open_subject *subject = NULL;
    size_t named = 0;
    (void)nj_buf_printf(&text, "images of %zu workloads cannot be pulled from %s", registry->subjects_count,
                        registry->record.workload);
    DL_FOREACH (registry->subjects, subject) {
        bool more = named == NAMES_MAX;
        (void)nj_buf_printf(&text, "%s%s", named == 0 ? ": " : ", ", more ? "..." : subject->pod_name);
        if (more)
            break;
        named++;
    }
    (void)nj_open_set(&registry->record.message, nj_buf_str(&text), NJ_ENGINE_MESSAGE_MAX);
    registry->record.targets_failing = (int32_t)registry->subjects_count;
    nj_buf_done(&text);
}

/* Those whose images come from there, begun about when this one did. */
static bool is_like(const struct nj_incident *record, const struct nj_incident *other, const char *host)
{
    char other_host[NJ_ENGINE_NAME_MAX];
    int64_t apart_ns = record->first_ns - other->first_ns;
    if (!wants_registry(other) || strcmp(record->cluster, other->cluster) != 0 ||
        apart_ns > NJ_ENGINE_REGISTRY_NS || apart_ns < -NJ_ENGINE_REGISTRY_NS)
        return false;
    nj_registry_of(other->image, other_host);
    return strcmp(host, other_host) == 0;
}

static bool is_same_workload(const struct nj_incident *record, const struct nj_incident *other)
{
    return strcmp(record->workload, other->workload) == 0 &&
           strcmp(record->namespace, other->namespace) == 0 &&
           strcmp(record->workload_kind, other->workload_kind) == 0;
}

/* Enough of different workloads to be the registry's fault? */
static bool are_enough(struct nj_engine *engine, const struct nj_incident *record, const char *host)
{
    const struct nj_incident *seen[NJ_ENGINE_REGISTRY_WORKLOADS] = {NULL};
    size_t count = 0;
    struct nj_open *open = NULL;
    DL_FOREACH2(engine->of_kind[NJ_INCIDENT_IMAGE_PULL], open, kind_next)
    {
        size_t i = 0;
        if (!is_like(record, &open->record, host))
            continue;
        while (i < count && !is_same_workload(seen[i], &open->record))
            i++;
        if (i == count)
            seen[count++] = &open->record;
        if (count == NJ_ENGINE_REGISTRY_WORKLOADS)
            return true;
    }
    return false;
}

static struct nj_open *registry_open(struct nj_engine *engine, const struct nj_report *report,
                                     const struct nj_incident *record, const char *host)
{
    struct nj_event event = *report->event;
    struct nj_event_origin origin = {.cluster = record->cluster};
    event.subject = (struct nj_subject){.namespace = "",
                                        .pod = "",
                                        .pod_uid = "",
                                        .node = "",
                                        .workload_kind = "Registry",
                                        .workload = host,
                                        .container = ""};
    struct nj_report own = *report;
    own.origin = &origin;
    own.event = &event;
    own.kind = NJ_INCIDENT_REGISTRY;
    own.container = "";
    struct nj_open *registry = nj_report_open(engine, &own);
    struct nj_open *open = NULL;
    (void)nj_open_set(&registry->record.detail, host, NJ_ENGINE_NAME_MAX);
    DL_FOREACH2(engine->of_kind[NJ_INCIDENT_IMAGE_PULL], open, kind_next)
    {
        if (!is_like(record, &open->record, host))
            continue;
        registry->record.count += put_workload(engine, registry, &open->record);
        nj_open_extend_times(&registry->record, open->record.first_ns);
    }
    return registry;
}

void nj_registry_note(struct nj_engine *engine, struct nj_open *open, const struct nj_report *report)
{
    const struct nj_incident *record = &open->record;
    char host[NJ_ENGINE_NAME_MAX];
    if (!wants_registry(record))
        return;
    nj_registry_of(record->image, host);
    struct nj_open *registry = registry_find(engine, record->cluster, host);
    bool opened = registry == NULL;
    /* One more than there may be would end another: perhaps this one. */
    if (opened &&
        (nj_engine_open_count(engine) >= engine->options.max_open || !are_enough(engine, record, host)))
        return;
    bool is_new = opened;
    if (opened)
        registry = registry_open(engine, report, record, host);
    else
        is_new = put_workload(engine, registry, record);
    if (!opened && is_new)
        registry->record.count++;
    nj_open_heard(engine, registry, report->now_ns);
    if (!is_new)
        return;
    (void)nj_open_set(&registry->record.reason, record->reason, NJ_ENGINE_NAME_MAX);
    (void)nj_open_set(&registry->record.image, record->image, NJ_ENGINE_NAME_MAX);
    nj_open_extend_times(&registry->record, record->last_ns);
    set_registry_message(registry);
    nj_open_settle(engine, registry, NJ_SEVERITY_CRITICAL, opened);
}

/* Another container of the workload waits for an image from there. */
static bool waits_on(struct nj_engine *engine, const struct nj_incident *record, const char *host)
{
    char other_host[NJ_ENGINE_NAME_MAX];
    for (struct nj_open *other = nj_open_of_workload(engine, record->cluster, record->namespace,
                                                     record->workload_kind, record->workload);
         other != NULL; other = other->of_next) {
        if (!wants_registry(&other->record))
            continue;
        nj_registry_of(other->record.image, other_host);
        if (strcmp(host, other_host) == 0)
            return true;
    }
    return false;
}

void nj_registry_ended(struct nj_engine *engine, const struct nj_open *open, int64_t at_ns)
{
    char uid[NJ_ENGINE_NAME_MAX];
    if (nj_engine_open_of(engine, NJ_INCIDENT_REGISTRY) == 0)
        return;
    workload_uid(&open->record, uid);
    struct nj_open_pod *pod = nj_open_pod_find(engine, uid);
    for (struct nj_open_subject *subject = pod == NULL ? NULL : pod->subjects, *next; subject != NULL;
         subject = next) {
        next = subject->pod_next;
        struct nj_open *registry = subject->incident;
        if (registry == NULL || strcmp(registry->record.cluster, open->record.cluster) != 0 ||
            waits_on(engine, &open->record, registry->record.workload))
            continue;
        nj_open_subject_remove(engine, subject);
        if (registry->subjects_count <= 1) {
            nj_open_resolve(engine, registry, "over", at_ns);
            continue;
        }
        set_registry_message(registry);
        nj_open_settle(engine, registry, registry->record.severity, false);
    }
}
