/* OOM kills, leaks, limits that are near, nodes that are unwell. See engine.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "collector/incident/engine_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { CONTAINER_MAX = 256 }; /* bytes of a container's name in a subject: so that kind and detail fit */

/* As people read them, beside Kubernetes' own words. */
static const char *const reasons[NJ_TROUBLE_KINDS] = {
    [0] = "",
    [NJ_TROUBLE_LEAK_FDS] = "FdLeak",
    [NJ_TROUBLE_LEAK_SOCKETS] = "SocketLeak",
    [NJ_TROUBLE_LEAK_ZOMBIES] = "ZombieLeak",
    [NJ_TROUBLE_LEAK_THREADS] = "ThreadLeak",
    [NJ_TROUBLE_LEAK_MEMORY] = "MemoryLeak",
    [NJ_TROUBLE_NEAR_FDS] = "FdsNearLimit",
    [NJ_TROUBLE_NEAR_MEMORY] = "MemoryNearLimit",
    [NJ_TROUBLE_NEAR_PIDS] = "PidsNearLimit",
    [NJ_TROUBLE_LISTEN_QUEUE] = "ListenQueueFull",
    [NJ_TROUBLE_NODE_NOT_READY] = "NotReady",
    [NJ_TROUBLE_NODE_MEMORY] = "MemoryPressure",
    [NJ_TROUBLE_NODE_DISK] = "DiskPressure",
    [NJ_TROUBLE_NODE_PIDS] = "PIDPressure",
    [NJ_TROUBLE_NODE_NETWORK] = "NetworkUnavailable",
    [NJ_TROUBLE_NODE_DISK_FULL] = "DiskFull",
    [NJ_TROUBLE_NODE_INODES_FULL] = "InodesFull",
    [NJ_TROUBLE_NODE_CONNTRACK_FULL] = "ConntrackFull",
    [NJ_TROUBLE_NODE_FILES_FULL] = "FilesFull",
    [NJ_TROUBLE_NODE_PIDS_FULL] = "PidsFull",
    [NJ_TROUBLE_NODE_ZOMBIES] = "Zombies",
    [NJ_TROUBLE_NODE_CLOCK] = "ClockOff",
    [NJ_TROUBLE_NODE_LOSS] = "NodeLoss",
};

static enum nj_incident_kind kind_of(enum nj_trouble_kind kind)
{
    if (kind == NJ_TROUBLE_NODE_LOSS)
        return NJ_INCIDENT_CAPACITY;
    if (nj_trouble_is_of_node(kind))
        return NJ_INCIDENT_NODE;
    return kind >= NJ_TROUBLE_NEAR_FDS ? NJ_INCIDENT_NEAR_LIMIT : NJ_INCIDENT_LEAK;
}

bool nj_incident_is_of_troubles(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_LEAK || kind == NJ_INCIDENT_NEAR_LIMIT || kind == NJ_INCIDENT_NODE ||
           kind == NJ_INCIDENT_CAPACITY;
}

/* A trouble as a subject: "container|kind|detail" of its pod, or of "node/NAME". */
struct target {
    char identity[NJ_ENGINE_NAME_MAX];
    char uid[NJ_ENGINE_NAME_MAX];
    const char *name; /* for people: the pod's, or the node's */
};

static void node_uid(char uid[NJ_ENGINE_NAME_MAX], const char *node)
{
    (void)snprintf(uid, NJ_ENGINE_NAME_MAX, "node/%s", node);
}

static void target_of(const struct nj_report *report, struct target *ret_target)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    const struct nj_subject *subject = &report->event->subject;
    const char *kind = nj_trouble_kind_name(trouble->kind), *detail = nj_str(trouble->detail);
    char hash[NJ_EVENT_ID_MAX];
    if (strlen(detail) > NJ_ENGINE_NAME_MAX - CONTAINER_MAX - NJ_EVENT_ID_MAX)
        detail = nj_event_id(hash, "detail", detail, NULL);
    (void)snprintf(ret_target->identity, sizeof(ret_target->identity), "%.*s|%s|%s", CONTAINER_MAX,
                   nj_str(subject->container), kind, detail);
    bool of_node = nj_trouble_is_of_node(trouble->kind);
    ret_target->name = of_node ? subject->workload : subject->pod;
    if (of_node)
        node_uid(ret_target->uid, subject->workload);
    else
        (void)snprintf(ret_target->uid, sizeof(ret_target->uid), "%s", report->uid);
}

bool nj_engine_trouble_of(const char *identity, enum nj_trouble_kind *ret_kind, const char **ret_detail)
{
    char name[64];
    const char *kind = strchr(identity, '|');
    const char *end = kind == NULL ? NULL : strchr(kind + 1, '|');
    if (end == NULL || (size_t)(end - kind) > sizeof(name))
        return false;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(end - kind - 1), kind + 1);
    if (nj_trouble_kind_parse(name, ret_kind) < 0)
        return false;
    if (ret_detail != NULL)
        *ret_detail = end + 1;
    return true;
}

bool nj_trouble_is_in(const char *identity, const char *container)
{
    size_t len = strnlen(container, CONTAINER_MAX);
    return strncmp(identity, container, len) == 0 && identity[len] == '|';
}

static struct nj_open_subject *find_subject(struct nj_engine *engine, const struct target *target,
                                            enum nj_incident_kind kind)
{
    struct nj_open_pod *pod = nj_open_pod_find(engine, target->uid);
    struct nj_open_subject *subject = NULL;
    if (pod == NULL)
        return NULL;
    DL_FOREACH2(pod->subjects, subject, pod_next)
    {
        if (subject->incident != NULL && subject->incident->record.kind == kind &&
            strcmp(subject->container, target->identity) == 0)
            return subject;
    }
    return NULL;
}

static enum nj_severity severity_of(const struct nj_trouble *trouble)
{
    enum nj_severity severity = NJ_SEVERITY_WARNING;
    if (trouble->kind == NJ_TROUBLE_NODE_NOT_READY)
        return NJ_SEVERITY_CRITICAL;
    (void)nj_severity_parse(nj_str(trouble->severity), &severity);
    return severity;
}

static bool is_shown(const struct nj_incident *record, const struct nj_report *report)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    return nj_streq(record->reason, reasons[trouble->kind]) &&
           nj_streq(record->detail, nj_str(trouble->detail)) &&
           nj_streq(record->pod_uid, report->event->subject.pod_uid) &&
           nj_streq(record->node, nj_report_node(report));
}

static bool set_real(double *field, double value)
{
    bool changed = *field < value || *field > value;
    *field = value;
    return changed;
}

static bool set_time(int64_t *field, int64_t value)
{
    bool changed = *field != value;
    *field = value;
    return changed;
}

static bool set_process(struct nj_incident *record, const char *process, int32_t pid)
{
    bool changed = nj_open_set(&record->process, process, NJ_ENGINE_NAME_MAX) || record->pid != pid;
    record->pid = pid;
    return changed;
}

static bool set_trouble(struct nj_incident *record, const struct nj_report *report)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    bool changed = nj_report_set_place(record, report);
    changed |= nj_open_set(&record->reason, reasons[trouble->kind], NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->detail, trouble->detail, NJ_ENGINE_NAME_MAX);
    changed |= nj_open_set(&record->message, trouble->message, NJ_ENGINE_MESSAGE_MAX);
    changed |= set_process(record, trouble->process, trouble->pid);
    changed |= set_real(&record->value, trouble->value);
    changed |= set_real(&record->at_most, trouble->limit);
    changed |= set_real(&record->per_hour, trouble->per_hour);
    changed |= set_time(&record->reaches_ns, trouble->reaches_ns);
    return changed;
}

/* What was shown is over, and this goes on: what is known of it without having been told again. */
static void show_another(struct nj_incident *record, const struct nj_open_subject *subject)
{
    enum nj_trouble_kind kind = (enum nj_trouble_kind)0;
    const char *detail = "";
    struct nj_buf message = {0};
    (void)nj_engine_trouble_of(subject->container, &kind, &detail);
    (void)nj_buf_printf(&message, "%s%s%s of %s goes on", reasons[kind], detail[0] == '\0' ? "" : " ", detail,
                        subject->pod_name);
    (void)nj_open_set(&record->reason, reasons[kind], NJ_ENGINE_NAME_MAX);
    (void)nj_open_set(&record->detail, detail, NJ_ENGINE_NAME_MAX);
    (void)nj_open_set(&record->message, nj_buf_str(&message), NJ_ENGINE_MESSAGE_MAX);
    (void)set_process(record, "", 0);
    record->value = record->at_most = record->per_hour = 0;
    record->reaches_ns = 0;
    nj_buf_done(&message);
}

static bool is_late(struct nj_engine *engine, const struct nj_report *report, const struct target *target)
{
    return nj_clearing_after(engine, target->uid, target->identity, NJ_CLEARABLE_TROUBLE, report->at_ns) ||
           nj_clearing_after(engine, target->uid, report->event->subject.container, NJ_CLEARABLE_TROUBLE,
                             report->at_ns);
}

static int64_t apply_over(struct nj_engine *engine, const struct nj_report *report,
                          const struct target *target)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    struct nj_open_subject *subject = find_subject(engine, target, report->kind);
    nj_clearing_put(engine, target->uid, target->identity, NJ_CLEARABLE_TROUBLE, report->at_ns,
                    report->now_ns);
    if (subject == NULL || subject->since_ns - NJ_SEC >= report->at_ns)
        return 0;
    struct nj_open *open = subject->incident;
    nj_open_heard(engine, open, report->now_ns);
    nj_open_subject_remove(engine, subject);
    if (open->subjects == NULL) {
        nj_open_resolve(engine, open, "over", report->at_ns);
    } else if (is_shown(&open->record, report)) {
        show_another(&open->record, open->subjects->prev);
        nj_open_settle(engine, open, open->record.severity, false);
    }
    if (report->kind == NJ_INCIDENT_NODE)
        nj_absorb_ended(engine, report->origin->cluster, report->event->subject.workload, trouble->kind,
                        report->now_ns);
    return 0;
}

static int64_t begins(const struct nj_report *report)
{
    int64_t since_ns = report->event->trouble.since_ns;
    return since_ns > 0 && since_ns < report->at_ns ? since_ns : report->at_ns;
}

static int64_t apply_begun(struct nj_engine *engine, const struct nj_report *report,
                           const struct target *target)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    const enum nj_severity severity = severity_of(trouble);
    struct nj_open *open = nj_report_find(engine, report);
    if (is_late(engine, report, target))
        return open == NULL ? 0 : open->record.id;
    bool opened = open == NULL;
    open = nj_report_join(engine, report, open);
    struct nj_incident *record = &open->record;
    const struct nj_incident_subject subject = {.pod_uid = target->uid,
                                                .container = target->identity,
                                                .pod = target->name,
                                                .since_ns = report->at_ns};
    bool is_new = nj_open_subject_put(engine, open, &subject);
    bool worsened = !opened && severity > record->severity && severity == NJ_SEVERITY_CRITICAL;
    bool changed = is_new || severity > record->severity;
    record->count += is_new || worsened;
    /* The worst is shown, and of equals the latest. */
    if (opened || severity >= record->severity || is_shown(record, report)) {
        if (report->at_ns >= record->last_ns || severity > record->severity)
            changed |= set_trouble(record, report);
    }
    changed |= begins(report) < record->first_ns || report->at_ns > record->last_ns;
    nj_open_extend_times(record, begins(report));
    nj_open_extend_times(record, report->at_ns);
    nj_open_heard(engine, open, report->now_ns);
    if (changed)
        nj_open_settle(engine, open, severity, opened);
    if (worsened)
        nj_open_transition(engine, open, NJ_TRANSITION_WORSENED);
    if (report->kind == NJ_INCIDENT_NODE)
        nj_absorb_begun(engine, report->origin->cluster, report->event->subject.workload);
    return record->id;
}

/* Were it lost, ...: of whichever node it is said, it is the cluster that lacks room. */
static struct nj_event of_cluster(const struct nj_report *report)
{
    struct nj_event event = *report->event;
    event.subject.node = event.subject.workload;
    event.subject.workload_kind = "Cluster";
    event.subject.workload = report->origin->cluster;
    return event;
}

int64_t nj_engine_apply_trouble(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_trouble *trouble = &report->event->trouble;
    struct nj_report own = *report;
    struct nj_event event;
    struct target target;
    if (nj_trouble_kind_name(trouble->kind)[0] == '\0')
        return 0;
    own.kind = kind_of(trouble->kind);
    target_of(report, &target);
    own.uid = target.uid;
    if (nj_trouble_is_of_node(trouble->kind))
        own.container = "";
    if (own.kind == NJ_INCIDENT_CAPACITY) {
        event = of_cluster(report);
        own.event = &event;
    }
    return trouble->over ? apply_over(engine, &own, &target) : apply_begun(engine, &own, &target);
}

static void append_bytes(struct nj_buf *out, int64_t bytes)
{
    (void)nj_buf_printf(out, "%.1f MiB", (double)bytes / (1 << 20));
}

/* "worker (pid 4711, 180.2 MiB) was killed for memory: the container used 255.9 MiB of 256.0 MiB" */
static bool set_oom_message(struct nj_incident *record, const struct nj_oom_kill *kill)
{
    struct nj_buf text = {0};
    (void)nj_buf_append_str(&text, nj_str(kill->process)[0] == '\0' ? "a process" : kill->process);
    if (kill->pid > 0)
        (void)nj_buf_printf(&text, " (pid %d", (int)kill->pid);
    if (kill->process_bytes > 0) {
        (void)nj_buf_append_str(&text, kill->pid > 0 ? ", " : " (");
        append_bytes(&text, kill->process_bytes);
    }
    (void)nj_buf_append_str(&text, kill->pid > 0 || kill->process_bytes > 0 ? ")" : "");
    if (kill->count > 1)
        (void)nj_buf_printf(&text, " and %" PRIu64 " more", kill->count - 1);
    (void)nj_buf_append_str(&text, kill->count > 1 ? " were killed for memory" : " was killed for memory");
    if (kill->memory_usage_bytes > 0) {
        (void)nj_buf_append_str(&text, ": the container used ");
        append_bytes(&text, kill->memory_usage_bytes);
    }
    if (kill->memory_limit_bytes > 0) {
        (void)nj_buf_append_str(&text, kill->memory_usage_bytes > 0 ? " of " : ": the container's limit is ");
        append_bytes(&text, kill->memory_limit_bytes);
    }
    bool changed = nj_open_set(&record->message, nj_buf_str(&text), NJ_ENGINE_MESSAGE_MAX);
    nj_buf_done(&text);
    return changed;
}

static void set_oom(struct nj_incident *record, const struct nj_report *report)
{
    const struct nj_oom_kill *kill = &report->event->oom_kill;
    (void)nj_report_set_place(record, report);
    (void)nj_open_set(&record->reason, "OOMKill", NJ_ENGINE_NAME_MAX);
    (void)set_oom_message(record, kill);
    (void)set_process(record, kill->process, kill->pid);
    record->memory_limit_bytes = kill->memory_limit_bytes;
    record->value = (double)kill->memory_usage_bytes;
    record->at_most = (double)kill->memory_limit_bytes;
}

int64_t nj_engine_apply_oom_kill(struct nj_engine *engine, const struct nj_report *report, bool is_new)
{
    struct nj_report own = *report;
    own.kind = NJ_INCIDENT_OOM_KILL;
    struct nj_open *open = nj_report_find(engine, &own);
    bool late = nj_clearing_after(engine, own.uid, own.container, NJ_CLEARABLE_TROUBLE, own.at_ns);
    bool opened = open == NULL;
    if (!is_new || (opened && late))
        return opened ? 0 : open->record.id;
    open = nj_report_join(engine, &own, open);
    struct nj_incident *record = &open->record;
    const struct nj_incident_subject subject = {
        .pod_uid = own.uid, .container = own.container, .pod = own.event->subject.pod, .since_ns = own.at_ns};
    if (opened || own.at_ns >= record->last_ns)
        set_oom(record, &own);
    nj_open_extend_times(record, own.at_ns);
    record->count += own.event->oom_kill.count > 0 ? own.event->oom_kill.count : 1;
    if (!late)
        (void)nj_open_subject_put(engine, open, &subject);
    nj_open_heard(engine, open, own.now_ns);
    nj_open_settle(engine, open, NJ_SEVERITY_WARNING, opened);
    return record->id;
}

/* Told by the collector's own watch and forecast, which tell the end too, whatever came between. */
static bool is_the_collector_s(enum nj_trouble_kind kind)
{
    return (kind >= NJ_TROUBLE_NODE_NOT_READY && kind <= NJ_TROUBLE_NODE_NETWORK) ||
           kind == NJ_TROUBLE_NODE_LOSS;
}

void nj_engine_apply_usage(struct nj_engine *engine, const struct nj_report *report)
{
    const struct nj_usage *usage = &report->event->usage;
    char node[NJ_ENGINE_NAME_MAX];
    node_uid(node, nj_str(report->origin->node));
    if (nj_engine_open_of(engine, NJ_INCIDENT_LEAK) + nj_engine_open_of(engine, NJ_INCIDENT_NEAR_LIMIT) +
            nj_engine_open_of(engine, NJ_INCIDENT_NODE) ==
        0)
        return;
    for (size_t i = 0; i < usage->count; i++) {
        const struct nj_usage_item *item = &usage->items[i];
        bool of_node = nj_str(item->pod_uid)[0] == '\0';
        struct nj_open_pod *pod = nj_open_pod_find(engine, of_node ? node : item->pod_uid);
        for (struct nj_open_subject *subject = pod == NULL ? NULL : pod->subjects; subject != NULL;
             subject = subject->pod_next) {
            enum nj_trouble_kind kind;
            if (subject->incident != NULL && nj_incident_is_of_troubles(subject->incident->record.kind) &&
                nj_engine_trouble_of(subject->container, &kind, NULL) && !is_the_collector_s(kind) &&
                (subject->container[0] == '|' ||
                 nj_trouble_is_in(subject->container, nj_str(item->container))) &&
                subject->since_ns > report->now_ns - NJ_ENGINE_TROUBLE_KEPT_NS)
                nj_open_heard(engine, subject->incident, report->now_ns);
        }
    }
}

static bool lasts(const struct nj_open *open)
{
    const struct nj_open_subject *subject = NULL;
    DL_FOREACH (open->subjects, subject) {
        enum nj_trouble_kind kind;
        if (nj_engine_trouble_of(subject->container, &kind, NULL) && is_the_collector_s(kind))
            return true;
    }
    return false;
}

void nj_engine_tick_lasting(struct nj_engine *engine, int64_t now_ns)
{
    static const enum nj_incident_kind kinds[] = {NJ_INCIDENT_NODE, NJ_INCIDENT_CAPACITY,
                                                  NJ_INCIDENT_SERVICE_OUTAGE, NJ_INCIDENT_ROLLOUT_FAILED,
                                                  NJ_INCIDENT_SLO_BURN};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct nj_open *open = NULL;
        DL_FOREACH2(engine->of_kind[kinds[i]], open, kind_next)
        {
            if (!nj_incident_is_of_troubles(kinds[i]) || lasts(open))
                nj_open_heard(engine, open, now_ns);
        }
    }
}

void nj_engine_tick_ooms(struct nj_engine *engine, int64_t now_ns)
{
    struct nj_open *next = NULL;
    if (nj_engine_open_of(engine, NJ_INCIDENT_OOM_KILL) == 0)
        return;
    for (struct nj_open *open = engine->quiet;
         open != NULL && open->heard_ns <= now_ns - NJ_ENGINE_OOM_QUIET_NS; open = next) {
        next = open->next;
        if (open->record.kind == NJ_INCIDENT_OOM_KILL)
            nj_open_resolve(engine, open, "quiet", now_ns);
    }
}
