#include "tests/unit/collector/slow_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "tests/unit/test.h"

enum { MANY = 2048, WORD = 32, NODES = 4 };

struct slow_subject {
    char uid[WORD], container[WORD];
    int64_t since_ns;
};

struct slow_incident {
    int64_t id;
    enum nj_incident_kind kind;
    char workload[WORD], container[WORD], reason[WORD], crash_id[WORD];
    char pod[WORD], pod_name[WORD], node[WORD], detail[WORD]; /* of the latest */
    char suppressed[WORD];                                    /* why nobody is told */
    char cause[WORD], behind[WORD];                           /* of an outage */
    char hash[WORD], revision[WORD];                          /* of a rollout */
    char services_down[2 * WORD];
    int64_t explained_by, let_go_ns;
    int listed, held; /* in which order they came, and were held back */
    bool open, crash_loop;
    uint64_t count, lost, evictions;
    enum nj_severity severity; /* of troubles */
    int64_t heard_ns;
    int targets_total;
    int64_t first_ns, last_ns;
    struct slow_subject subjects[64];
    size_t subjects_count;
};

struct slow_clearing {
    char uid[WORD], container[WORD];
    enum nj_cleared_cause cause; /* 0: a check's target passed or is gone, or a trouble is over */
    int64_t at_ns, told_ns;
};

struct slow_node {
    char name[WORD];
    bool calm; /* well again, and not yet for long */
    int64_t calm_ns;
};

struct slow_engine {
    struct slow_incident incidents[MANY];
    size_t count;
    struct slow_clearing clearings[MANY];
    size_t clearings_count;
    char known[MANY][WORD];
    size_t known_count;
    struct slow_node nodes[NODES];
    struct slow_incident *lifted;
    bool left_node;
    int order;
    const char *(*hook)(void *data, const char *workload);
    void *hook_data;
    int64_t now_ns;
    struct nj_buf transitions;
};

struct slow_engine *slow_engine_new(const char *(*hook)(void *data, const char *workload), void *data)
{
    struct slow_engine *slow = NJ_NEW(struct slow_engine);
    slow->hook = hook;
    slow->hook_data = data;
    return slow;
}

void slow_engine_free(struct slow_engine *slow)
{
    nj_buf_done(&slow->transitions);
    free(slow);
}

static void set(char word[WORD], const char *text)
{
    assert_true(strlen(text) < WORD);
    (void)snprintf(word, WORD, "%s", text);
}

bool slow_engine_is_new(struct slow_engine *slow, const struct nj_event *event)
{
    if (event->type != NJ_EVENT_CRASH && event->type != NJ_EVENT_LOST_CRASHES &&
        event->type != NJ_EVENT_OOM_KILL)
        return true;
    char name[WORD];
    (void)snprintf(name, sizeof(name), "%d:%s", event->type, event->id);
    for (size_t i = 0; i < slow->known_count; i++) {
        if (strcmp(slow->known[i], name) == 0)
            return false;
    }
    set(slow->known[slow->known_count++], name);
    return true;
}

static enum nj_incident_kind kind_of(const struct nj_event *event)
{
    if (event->type == NJ_EVENT_OUTAGE)
        return NJ_INCIDENT_SERVICE_OUTAGE;
    if (event->type == NJ_EVENT_ROLLOUT_FAILED)
        return NJ_INCIDENT_ROLLOUT_FAILED;
    if (event->type == NJ_EVENT_OOM_KILL)
        return NJ_INCIDENT_OOM_KILL;
    if (event->type == NJ_EVENT_POD_FAILURE)
        return NJ_INCIDENT_POD_FAILURE;
    if (event->type != NJ_EVENT_STUCK || strcmp(event->stuck.reason, "CrashLoopBackOff") == 0)
        return NJ_INCIDENT_CRASH;
    if (strcmp(event->stuck.reason, "ErrImagePull") == 0)
        return NJ_INCIDENT_IMAGE_PULL;
    if (strcmp(event->stuck.reason, "CreateContainerConfigError") == 0)
        return NJ_INCIDENT_CONFIG_ERROR;
    if (strcmp(event->stuck.reason, "RunContainerError") == 0)
        return NJ_INCIDENT_START_ERROR;
    return strcmp(event->stuck.reason, "Unschedulable") == 0 ? NJ_INCIDENT_UNSCHEDULABLE : NJ_INCIDENT_STUCK;
}

static bool waits(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_IMAGE_PULL || kind == NJ_INCIDENT_CONFIG_ERROR ||
           kind == NJ_INCIDENT_START_ERROR || kind == NJ_INCIDENT_STUCK;
}

static bool is_of_troubles(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_LEAK || kind == NJ_INCIDENT_NEAR_LIMIT || kind == NJ_INCIDENT_NODE ||
           kind == NJ_INCIDENT_CAPACITY;
}

/* Does this clearing speak of that kind? */
static bool speaks_of(enum nj_cleared_cause cause, enum nj_incident_kind kind)
{
    if (cause == NJ_CLEARED_STARTED)
        return waits(kind);
    if (is_of_troubles(kind) || kind == NJ_INCIDENT_OOM_KILL)
        return cause == NJ_CLEARED_COMPLETED || cause == NJ_CLEARED_DELETED;
    if (kind == NJ_INCIDENT_PROBE)
        return cause == NJ_CLEARED_DELETED;
    return cause == NJ_CLEARED_SCHEDULED ? kind == NJ_INCIDENT_UNSCHEDULABLE : true;
}

/* For what arrives late the kinds that are waited for are one, and what ended a pod is over with the pod
 * alone. */
static bool rules_out(enum nj_cleared_cause cause, enum nj_incident_kind kind)
{
    if (cause == NJ_CLEARED_DELETED)
        return true;
    if (is_of_troubles(kind) || kind == NJ_INCIDENT_OOM_KILL)
        return cause == NJ_CLEARED_COMPLETED || (cause == 0 && kind != NJ_INCIDENT_OOM_KILL);
    if (kind == NJ_INCIDENT_PROBE || cause == 0)
        return kind == NJ_INCIDENT_PROBE && cause == 0;
    if (kind == NJ_INCIDENT_POD_FAILURE)
        return false;
    return kind != NJ_INCIDENT_CRASH || (cause != NJ_CLEARED_STARTED && cause != NJ_CLEARED_SCHEDULED);
}

static bool comes_late(const struct slow_engine *slow, const struct nj_event *event, const char *uid,
                       enum nj_incident_kind kind, const char *container)
{
    for (size_t i = 0; i < slow->clearings_count; i++) {
        const struct slow_clearing *cleared = &slow->clearings[i];
        bool same = strcmp(cleared->container, container) == 0;
        bool whole_pod = cleared->cause == NJ_CLEARED_DELETED && cleared->container[0] == '\0';
        if (strcmp(cleared->uid, uid) != 0 || (!same && !whole_pod) || !rules_out(cleared->cause, kind))
            continue;
        if (cleared->cause == NJ_CLEARED_DELETED || cleared->at_ns >= event->at_ns + NJ_SEC)
            return true;
    }
    return false;
}

static struct slow_incident *find_open(struct slow_engine *slow, enum nj_incident_kind kind,
                                       const char *workload, const char *container)
{
    for (size_t i = 0; i < slow->count; i++) {
        struct slow_incident *incident = &slow->incidents[i];
        if (incident->open && incident->kind == kind && strcmp(incident->workload, workload) == 0 &&
            strcmp(incident->container, container) == 0)
            return incident;
    }
    return NULL;
}

static bool add_subject(struct slow_incident *incident, const char *uid, const char *container, int64_t at_ns)
{
    for (size_t i = 0; i < incident->subjects_count; i++) {
        struct slow_subject *subject = &incident->subjects[i];
        if (strcmp(subject->uid, uid) == 0 && strcmp(subject->container, container) == 0) {
            struct slow_subject again = *subject; /* the latest comes last */
            if (at_ns > again.since_ns)
                again.since_ns = at_ns;
            memmove(subject, subject + 1, (incident->subjects_count - i - 1) * sizeof(*subject));
            incident->subjects[incident->subjects_count - 1] = again;
            return false;
        }
    }
    struct slow_subject *subject = &incident->subjects[incident->subjects_count++];
    set(subject->uid, uid);
    set(subject->container, container);
    subject->since_ns = at_ns;
    return true;
}

static void name_services(struct slow_engine *slow, int64_t id);
static void end_image(struct slow_engine *slow, const struct slow_incident *incident);

static int64_t number_after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? strtoll(text + len, NULL, 10) : 0;
}

/* "incident 4": 4 */
static int64_t by_incident(const struct slow_incident *incident)
{
    return number_after(incident->suppressed, "incident ");
}

static void close_incident(struct slow_engine *slow, struct slow_incident *incident, const char *cause)
{
    incident->open = false;
    if (incident->suppressed[0] == '\0')
        (void)nj_buf_printf(&slow->transitions, "-%d %s;", (int)incident->id, cause);
    if (incident->kind == NJ_INCIDENT_IMAGE_PULL)
        end_image(slow, incident);
    if (incident->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        name_services(slow, by_incident(incident));
}

static void drop_subjects(struct slow_engine *slow, const char *uid, const char *container, bool whole_pod,
                          enum nj_cleared_cause cause, const char *cause_name, enum nj_incident_kind not_this,
                          int64_t at_ns, bool superseded)
{
    for (size_t i = 0; i < slow->count; i++) {
        struct slow_incident *incident = &slow->incidents[i];
        bool spoken_of = superseded ? waits(incident->kind) && incident->kind != not_this
                                    : speaks_of(cause, incident->kind);
        if (!incident->open || !spoken_of)
            continue;
        for (size_t s = 0; s < incident->subjects_count;) {
            const struct slow_subject *subject = &incident->subjects[s];
            size_t len = strlen(container);
            bool of_container =
                is_of_troubles(incident->kind)
                    ? strncmp(subject->container, container, len) == 0 && subject->container[len] == '|'
                    : strcmp(subject->container, container) == 0;
            bool same = strcmp(subject->uid, uid) == 0 && (whole_pod || of_container);
            bool newer = subject->since_ns >= at_ns + NJ_SEC;
            if (!same || (newer && (superseded || cause != NJ_CLEARED_DELETED))) {
                s++;
                continue;
            }
            memmove(&incident->subjects[s], &incident->subjects[s + 1],
                    (incident->subjects_count - s - 1) * sizeof(*subject));
            incident->subjects_count--;
            incident->heard_ns = slow->now_ns;
            if (incident->subjects_count == 0)
                close_incident(slow, incident, cause_name);
        }
    }
}

static void apply_cleared(struct slow_engine *slow, const struct nj_event *event)
{
    static const char *const names[] = {[NJ_CLEARED_STARTED] = "started",
                                        [NJ_CLEARED_STABLE] = "stable",
                                        [NJ_CLEARED_COMPLETED] = "completed",
                                        [NJ_CLEARED_DELETED] = "deleted",
                                        [NJ_CLEARED_SCHEDULED] = "scheduled"};
    enum nj_cleared_cause cause = event->cleared.cause;
    bool whole_pod =
        event->subject.container[0] == '\0' && cause != NJ_CLEARED_STARTED && cause != NJ_CLEARED_SCHEDULED;
    struct slow_clearing *clearing = &slow->clearings[slow->clearings_count++];
    set(clearing->uid, event->subject.pod_uid);
    set(clearing->container, event->subject.container);
    clearing->cause = cause;
    clearing->at_ns = event->at_ns;
    clearing->told_ns = slow->now_ns;
    drop_subjects(slow, event->subject.pod_uid, event->subject.container, whole_pod, cause, names[cause],
                  NJ_INCIDENT_CRASH, event->at_ns, false);
}

static const char *reason_of(const struct nj_event *event)
{
    switch (event->type) {
    case NJ_EVENT_CRASH:
        return event->crash.reason;
    case NJ_EVENT_STUCK:
        return event->stuck.reason;
    case NJ_EVENT_POD_FAILURE:
        return event->failure.reason;
    case NJ_EVENT_CHECK:
        return "";
    case NJ_EVENT_OOM_KILL:
        return "OOMKill";
    case NJ_EVENT_TROUBLE:
        return "";
    default:
        return "Restarted";
    }
}

static bool is_bad(const struct slow_engine *slow, const char *node)
{
    for (size_t i = 0; i < slow->count; i++) {
        const struct slow_incident *incident = &slow->incidents[i];
        if (!incident->open || incident->kind != NJ_INCIDENT_NODE || strcmp(incident->workload, node) != 0)
            continue;
        for (size_t s = 0; s < incident->subjects_count; s++) {
            if (strcmp(incident->subjects[s].container, "|node_not_ready|") == 0 ||
                strcmp(incident->subjects[s].container, "|node_memory|") == 0)
                return true;
        }
    }
    return false;
}

static struct slow_node *node_of(struct slow_engine *slow, const char *name)
{
    size_t i = 0;
    while (i < NODES && slow->nodes[i].name[0] != '\0' && strcmp(slow->nodes[i].name, name) != 0)
        i++;
    assert_true(i < NODES);
    set(slow->nodes[i].name, name);
    return &slow->nodes[i];
}

static bool is_unwell(struct slow_engine *slow, const char *node)
{
    return is_bad(slow, node) || node_of(slow, node)->calm;
}

static void place(struct slow_incident *incident, const struct nj_event *event)
{
    set(incident->pod, event->subject.pod_uid);
    set(incident->pod_name, event->subject.pod);
    set(incident->node, event->subject.node);
}

static bool is_told(const struct slow_incident *incident)
{
    return incident->open && incident->suppressed[0] == '\0';
}

static void worsen(struct slow_engine *slow, const struct slow_incident *incident)
{
    if (is_told(incident))
        (void)nj_buf_printf(&slow->transitions, "^%d;", (int)incident->id);
}

static bool is_of_no_namespace(enum nj_incident_kind kind)
{
    return kind == NJ_INCIDENT_NODE || kind == NJ_INCIDENT_CAPACITY || kind == NJ_INCIDENT_REGISTRY;
}

/* The names of the services that it explains, in the order in which they came; worse when there are more. */
static void name_services(struct slow_engine *slow, int64_t id)
{
    if (id == 0 || !slow->incidents[id - 1].open)
        return;
    struct slow_incident *incident = &slow->incidents[id - 1];
    char names[2 * WORD] = "";
    for (int order = 0; order <= slow->order; order++) {
        for (size_t i = 0; i < slow->count; i++) {
            const struct slow_incident *outage = &slow->incidents[i];
            if (outage->listed != order || !outage->open || outage->kind != NJ_INCIDENT_SERVICE_OUTAGE ||
                by_incident(outage) != id)
                continue;
            size_t len = strlen(names);
            (void)snprintf(names + len, sizeof(names) - len, "%s%s%s", len == 0 ? "" : ", ",
                           is_of_no_namespace(incident->kind) ? "shop/" : "", outage->workload);
        }
    }
    bool more = strlen(names) > strlen(incident->services_down);
    (void)snprintf(incident->services_down, sizeof(incident->services_down), "%s", names);
    if (more)
        incident->severity = NJ_SEVERITY_CRITICAL;
    if (more)
        worsen(slow, incident);
}

static bool is_of_start(enum nj_incident_kind kind)
{
    return waits(kind) || kind == NJ_INCIDENT_CRASH || kind == NJ_INCIDENT_UNSCHEDULABLE;
}

/* A pod is called WORKLOAD-HASH-x. */
static const struct slow_incident *failed_rollout(struct slow_engine *slow,
                                                  const struct slow_incident *incident)
{
    bool of_pod = is_of_start(incident->kind) || incident->kind == NJ_INCIDENT_PROBE;
    bool of_outage = incident->kind == NJ_INCIDENT_SERVICE_OUTAGE;
    for (size_t i = 0; i < slow->count; i++) {
        const struct slow_incident *rollout = &slow->incidents[i];
        char begins[2 * WORD + 3];
        if (rollout->kind != NJ_INCIDENT_ROLLOUT_FAILED || !is_told(rollout))
            continue;
        (void)snprintf(begins, sizeof(begins), "%s-%s-", rollout->workload, rollout->hash);
        if (of_pod && strncmp(incident->pod_name, begins, strlen(begins)) == 0)
            return rollout;
        if (of_outage && strcmp(incident->cause, "failed_rollout") == 0 &&
            strcmp(incident->behind, rollout->workload) == 0)
            return rollout;
    }
    return NULL;
}

static int64_t explaining(struct slow_engine *slow, const struct slow_incident *outage)
{
    const int64_t named[] = {by_incident(outage), outage->explained_by};
    const struct slow_incident *found = NULL;
    if (outage->kind != NJ_INCIDENT_SERVICE_OUTAGE)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        if (named[i] > 0 && named[i] <= (int64_t)slow->count && named[i] != outage->id &&
            is_told(&slow->incidents[named[i] - 1]))
            return named[i];
    }
    for (size_t i = 0; i < slow->count && strcmp(outage->cause, "crash") == 0; i++) {
        const struct slow_incident *other = &slow->incidents[i];
        if (is_told(other) && is_of_start(other->kind) && strcmp(other->workload, outage->behind) == 0 &&
            (found == NULL || other->listed < found->listed))
            found = other;
    }
    return found == NULL ? 0 : found->id;
}

enum asked { AT_OPENING, BY_EVENT, AGAIN };

static bool node_holds(struct slow_engine *slow, const struct slow_incident *incident, enum asked asked)
{
    if (strcmp(incident->suppressed, "node") != 0)
        return incident->node[0] != '\0' && incident->pod[0] != '\0' && is_unwell(slow, incident->node);
    if (asked == BY_EVENT)
        return !slow->left_node;
    struct slow_node *node = node_of(slow, incident->node);
    if (is_bad(slow, incident->node))
        return true;
    if (!node->calm) {
        node->calm = true;
        node->calm_ns = slow->now_ns;
    }
    return slow->now_ns - node->calm_ns < NJ_ENGINE_NODE_GRACE_NS;
}

static bool own_reason(struct slow_engine *slow, const struct slow_incident *incident, enum asked asked,
                       char reason[WORD])
{
    if (node_holds(slow, incident, asked)) {
        set(reason, "node");
        return true;
    }
    const struct slow_incident *rollout = failed_rollout(slow, incident);
    int64_t other = explaining(slow, incident);
    if (rollout != NULL) {
        (void)snprintf(reason, WORD, "rollout failed: incident %d", (int)rollout->id);
    } else if (other > 0) {
        (void)snprintf(reason, WORD, "incident %d", (int)other);
    } else {
        const struct slow_incident *registry = find_open(slow, NJ_INCIDENT_REGISTRY, "docker.io", "");
        bool held = incident->kind == NJ_INCIDENT_IMAGE_PULL && registry != NULL && is_told(registry);
        set(reason, held ? "registry" : "");
    }
    return reason[0] != '\0';
}

static void ask(struct slow_engine *slow, struct slow_incident *incident, enum asked asked, char reason[WORD])
{
    if (own_reason(slow, incident, asked, reason)) {
        incident->let_go_ns = 0;
        return;
    }
    const char *outside = slow->hook(slow->hook_data, incident->workload);
    set(reason, outside == NULL ? "" : outside);
    bool lingers = strncmp(incident->suppressed, "incident", 8) == 0 ||
                   strncmp(incident->suppressed, "rollout failed", 14) == 0 ||
                   strcmp(incident->suppressed, "registry") == 0;
    if (outside != NULL || !lingers || (asked == BY_EVENT && incident->kind != NJ_INCIDENT_SERVICE_OUTAGE))
        return;
    if (incident->let_go_ns == 0)
        incident->let_go_ns = slow->now_ns;
    if (slow->now_ns - incident->let_go_ns < NJ_ENGINE_LET_GO_NS)
        set(reason, incident->suppressed);
}

/* Asks, and tells when there is no reason. */
static void decide(struct slow_engine *slow, struct slow_incident *incident, enum asked asked)
{
    char reason[WORD];
    int64_t was = by_incident(incident);
    ask(slow, incident, asked, reason);
    if (incident->suppressed[0] == '\0' && reason[0] != '\0')
        incident->held = ++slow->order;
    bool tells = reason[0] == '\0' && (asked == AT_OPENING || incident->suppressed[0] != '\0');
    set(incident->suppressed, reason);
    if (incident->kind == NJ_INCIDENT_SERVICE_OUTAGE && was != by_incident(incident))
        name_services(slow, was);
    if (incident->kind == NJ_INCIDENT_SERVICE_OUTAGE)
        name_services(slow, by_incident(incident));
    if (tells)
        (void)nj_buf_printf(&slow->transitions, "+%d %s;", (int)incident->id,
                            nj_incident_kind_name(incident->kind));
}

/* What is held back is asked about again, once the event is written. */
static void join(struct slow_engine *slow, struct slow_incident *incident, const struct nj_event *event)
{
    incident->heard_ns = slow->now_ns;
    if (incident->suppressed[0] == '\0')
        return;
    slow->lifted = incident;
    slow->left_node = strcmp(incident->suppressed, "node") == 0 &&
                      strcmp(incident->node, event->subject.node) != 0 &&
                      !is_unwell(slow, event->subject.node);
}

static struct slow_incident *open_incident(struct slow_engine *slow, const struct nj_event *event,
                                           enum nj_incident_kind kind, const char *container)
{
    assert_true(slow->count < MANY);
    struct slow_incident *incident = &slow->incidents[slow->count++];
    incident->id = (int64_t)slow->count;
    incident->kind = kind;
    incident->open = true;
    incident->first_ns = incident->last_ns = event->at_ns;
    incident->heard_ns = slow->now_ns;
    place(incident, event);
    set(incident->workload, event->subject.workload);
    set(incident->container, container);
    set(incident->reason, reason_of(event));
    incident->listed = ++slow->order;
    return incident;
}

/* Writes the event into its incident; `opened` tells that it is new. */
static void write_event(struct slow_incident *incident, const struct nj_event *event, bool is_new_subject,
                        bool opened)
{
    bool latest = event->at_ns >= incident->last_ns;
    if (event->type == NJ_EVENT_CRASH) {
        if (latest || incident->crash_id[0] == '\0') {
            set(incident->reason, event->crash.reason);
            set(incident->crash_id, event->id);
            place(incident, event);
        }
        incident->count++;
    } else if (event->type == NJ_EVENT_OOM_KILL) {
        if (latest)
            place(incident, event);
        incident->count += event->oom_kill.count;
    } else if (event->type == NJ_EVENT_LOST_CRASHES) {
        incident->lost += event->lost.count;
    } else if (event->type == NJ_EVENT_STUCK && incident->kind == NJ_INCIDENT_CRASH) {
        incident->crash_loop = true;
        return;
    } else {
        if (latest || opened) {
            set(incident->reason, reason_of(event));
            place(incident, event);
        }
        incident->count += is_new_subject;
    }
    if (event->at_ns < incident->first_ns)
        incident->first_ns = event->at_ns;
    if (event->at_ns > incident->last_ns)
        incident->last_ns = event->at_ns;
}

static void drop_workload(struct slow_engine *slow, struct slow_incident *registry, const char *workload)
{
    size_t kept = 0;
    for (size_t s = 0; s < registry->subjects_count; s++) {
        if (strcmp(registry->subjects[s].uid, workload) != 0)
            registry->subjects[kept++] = registry->subjects[s];
    }
    if (kept == registry->subjects_count)
        return;
    registry->subjects_count = kept;
    if (kept <= 1) {
        registry->subjects_count = 0;
        close_incident(slow, registry, "over");
    }
}

static void end_image(struct slow_engine *slow, const struct slow_incident *incident)
{
    struct slow_incident *registry = find_open(slow, NJ_INCIDENT_REGISTRY, "docker.io", "");
    for (size_t i = 0; i < slow->count; i++) {
        const struct slow_incident *other = &slow->incidents[i];
        if (other->open && other->kind == NJ_INCIDENT_IMAGE_PULL &&
            strcmp(other->workload, incident->workload) == 0)
            return;
    }
    if (registry != NULL)
        drop_workload(slow, registry, incident->workload);
}

/* The image of every workload is of one registry: three workloads are enough. */
static void note_image(struct slow_engine *slow, const struct slow_incident *incident,
                       const struct nj_event *event)
{
    static const char *const workloads[] = {"cart", "basket", "toy"};
    struct slow_incident *registry = find_open(slow, NJ_INCIDENT_REGISTRY, "docker.io", "");
    size_t of_workload[3] = {0};
    if (registry != NULL) {
        registry->count += add_subject(registry, incident->workload, "", incident->last_ns);
        return;
    }
    for (size_t i = 0; i < slow->count; i++) {
        const struct slow_incident *other = &slow->incidents[i];
        for (size_t w = 0; w < 3; w++)
            of_workload[w] += other->open && other->kind == NJ_INCIDENT_IMAGE_PULL &&
                              strcmp(other->workload, workloads[w]) == 0 &&
                              llabs(other->first_ns - incident->first_ns) <= NJ_ENGINE_REGISTRY_NS;
    }
    if (of_workload[0] == 0 || of_workload[1] == 0 || of_workload[2] == 0)
        return;
    struct nj_event own = *event;
    own.subject.workload = "docker.io";
    own.subject.pod = own.subject.pod_uid = own.subject.node = "";
    registry = open_incident(slow, &own, NJ_INCIDENT_REGISTRY, "");
    for (size_t w = 0; w < 3; w++)
        registry->count += add_subject(registry, workloads[w], "", 0);
    decide(slow, registry, AT_OPENING);
}

static bool is_down(const struct nj_event_origin *origin)
{
    return origin->pods_total > 0 ? origin->pods_failing == origin->pods_total
                                  : origin->targets_failing == origin->targets_total;
}

/* What the counts amount to, and whether that is worse than it was. */
static void judge(struct slow_engine *slow, struct slow_incident *incident,
                  const struct nj_event_origin *origin, bool flaps, bool flapped_alone, bool opened)
{
    bool down = !flaps && is_down(origin);
    bool was_down = strcmp(incident->reason, "AllFail") == 0;
    set(incident->reason, flaps ? "Flapping" : down ? "AllFail" : "SomeFail");
    incident->targets_total = origin->targets_total;
    if (down && !was_down && !flapped_alone && !opened)
        worsen(slow, incident);
}

static struct slow_subject *find_target(struct slow_engine *slow, const char *uid, const char *identity,
                                        struct slow_incident **ret_incident)
{
    for (size_t i = 0; i < slow->count; i++) {
        struct slow_incident *incident = &slow->incidents[i];
        for (size_t s = 0; s < incident->subjects_count; s++) {
            struct slow_subject *subject = &incident->subjects[s];
            if (incident->open && incident->kind == NJ_INCIDENT_PROBE && strcmp(subject->uid, uid) == 0 &&
                strcmp(subject->container, identity) == 0) {
                *ret_incident = incident;
                return subject;
            }
        }
    }
    return NULL;
}

static void end_target(struct slow_engine *slow, const struct nj_event_origin *origin,
                       const struct nj_event *event, const char *identity)
{
    const char *uid = event->subject.pod_uid;
    struct slow_incident *incident = NULL;
    struct slow_subject *subject = find_target(slow, uid, identity, &incident);
    bool ended = subject != NULL && subject->since_ns < event->at_ns + NJ_SEC;
    if (ended) {
        struct slow_clearing *clearing = &slow->clearings[slow->clearings_count++];
        set(clearing->uid, uid);
        set(clearing->container, identity);
        clearing->cause = 0;
        clearing->at_ns = event->at_ns;
        clearing->told_ns = slow->now_ns;
        *subject = incident->subjects[--incident->subjects_count];
        if (incident->subjects_count == 0) {
            close_incident(slow, incident, event->check.state);
            return;
        }
    } else {
        incident = find_open(slow, NJ_INCIDENT_PROBE, event->subject.workload, "");
    }
    if (incident == NULL)
        return;
    bool flaps = strcmp(incident->reason, "Flapping") == 0 && !ended;
    judge(slow, incident, origin, flaps, false, false);
}

static int64_t apply_check(struct slow_engine *slow, const struct nj_event_origin *origin,
                           const struct nj_event *event)
{
    char identity[WORD];
    (void)snprintf(identity, sizeof(identity), "%s|%s", event->check.key.monitor, event->check.key.target);
    bool flaps = strcmp(event->check.state, "flapping") == 0;
    if (!flaps && strcmp(event->check.state, "failing") != 0) {
        if (strcmp(event->check.state, "starting") != 0)
            end_target(slow, origin, event, identity);
        return 0;
    }
    struct slow_incident *incident = find_open(slow, NJ_INCIDENT_PROBE, event->subject.workload, "");
    if (comes_late(slow, event, event->subject.pod_uid, NJ_INCIDENT_PROBE, identity))
        return incident == NULL ? 0 : incident->id;
    bool opened = incident == NULL;
    if (opened)
        incident = open_incident(slow, event, NJ_INCIDENT_PROBE, "");
    join(slow, incident, event);
    if (event->at_ns >= incident->last_ns)
        place(incident, event);
    bool is_new = add_subject(incident, event->subject.pod_uid, identity, event->at_ns);
    bool flapped_alone = strcmp(incident->reason, "Flapping") == 0 && incident->targets_total <= 1;
    judge(slow, incident, origin, flaps, flapped_alone, opened);
    incident->count += is_new;
    if (event->at_ns < incident->first_ns)
        incident->first_ns = event->at_ns;
    if (event->at_ns > incident->last_ns)
        incident->last_ns = event->at_ns;
    if (opened)
        decide(slow, incident, AT_OPENING);
    return incident->id;
}

static const struct {
    enum nj_trouble_kind kind;
    enum nj_incident_kind incident;
    const char *reason;
} troubles[] = {{NJ_TROUBLE_LEAK_FDS, NJ_INCIDENT_LEAK, "FdLeak"},
                {NJ_TROUBLE_LEAK_SOCKETS, NJ_INCIDENT_LEAK, "SocketLeak"},
                {NJ_TROUBLE_NEAR_FDS, NJ_INCIDENT_NEAR_LIMIT, "FdsNearLimit"},
                {NJ_TROUBLE_NODE_NOT_READY, NJ_INCIDENT_NODE, "NotReady"},
                {NJ_TROUBLE_NODE_MEMORY, NJ_INCIDENT_NODE, "MemoryPressure"},
                {NJ_TROUBLE_NODE_DISK_FULL, NJ_INCIDENT_NODE, "DiskFull"},
                {NJ_TROUBLE_NODE_LOSS, NJ_INCIDENT_CAPACITY, "NodeLoss"}};

static const char *reason_of_trouble(const char *identity)
{
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        const char *at = strchr(identity, '|') + 1;
        const char *name = nj_trouble_kind_name(troubles[i].kind);
        if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == '|')
            return troubles[i].reason;
    }
    fail_msg("%s is of no known kind", identity);
    return "";
}

static bool shows(const struct slow_incident *incident, const struct nj_event *event, const char *identity)
{
    return strcmp(incident->reason, reason_of_trouble(identity)) == 0 &&
           strcmp(incident->detail, event->trouble.detail) == 0 &&
           strcmp(incident->pod, event->subject.pod_uid) == 0 &&
           strcmp(incident->node, event->subject.node) == 0;
}

static void end_trouble(struct slow_engine *slow, const struct nj_event *event,
                        struct slow_incident *incident, const char *uid, const char *identity)
{
    struct slow_clearing *clearing = &slow->clearings[slow->clearings_count++];
    set(clearing->uid, uid);
    set(clearing->container, identity);
    clearing->cause = 0;
    clearing->at_ns = event->at_ns;
    clearing->told_ns = slow->now_ns;
    for (size_t s = 0; incident != NULL && s < incident->subjects_count; s++) {
        struct slow_subject *subject = &incident->subjects[s];
        if (strcmp(subject->uid, uid) != 0 || strcmp(subject->container, identity) != 0 ||
            subject->since_ns >= event->at_ns + NJ_SEC)
            continue;
        memmove(subject, subject + 1, (incident->subjects_count - s - 1) * sizeof(*subject));
        incident->subjects_count--;
        if (incident->subjects_count == 0) {
            close_incident(slow, incident, "over");
        } else if (shows(incident, event, identity)) {
            const char *left = incident->subjects[incident->subjects_count - 1].container;
            set(incident->reason, reason_of_trouble(left));
            set(incident->detail, strrchr(left, '|') + 1);
        }
        bool absorbed = strcmp(identity, "|node_not_ready|") == 0 || strcmp(identity, "|node_memory|") == 0;
        if (absorbed && !is_bad(slow, event->subject.workload)) {
            node_of(slow, event->subject.workload)->calm = true;
            node_of(slow, event->subject.workload)->calm_ns = slow->now_ns;
        }
        return;
    }
}

static int64_t begin_trouble(struct slow_engine *slow, const struct nj_event *event,
                             enum nj_incident_kind kind, struct slow_incident *incident, const char *uid,
                             const char *identity)
{
    enum nj_severity severity = NJ_SEVERITY_CRITICAL;
    if (event->trouble.kind != NJ_TROUBLE_NODE_NOT_READY)
        assert_int_equal(0, nj_severity_parse(event->trouble.severity, &severity));
    if (comes_late(slow, event, uid, kind, identity) ||
        comes_late(slow, event, uid, kind, event->subject.container))
        return incident == NULL ? 0 : incident->id;
    bool opened = incident == NULL;
    if (opened) {
        bool of_node = kind == NJ_INCIDENT_NODE || kind == NJ_INCIDENT_CAPACITY;
        incident = open_incident(slow, event, kind, of_node ? "" : event->subject.container);
        if (kind == NJ_INCIDENT_CAPACITY)
            set(incident->workload, "prod");
        incident->severity = severity;
    }
    join(slow, incident, event);
    bool is_new = add_subject(incident, uid, identity, event->at_ns);
    bool worse = severity > incident->severity;
    bool latest = event->at_ns >= incident->last_ns;
    if (worse || (latest && (severity == incident->severity || shows(incident, event, identity)))) {
        set(incident->reason, reason_of_trouble(identity));
        set(incident->detail, event->trouble.detail);
        place(incident, event);
    }
    if (worse)
        incident->severity = severity;
    incident->count += is_new || worse;
    if (event->at_ns < incident->first_ns)
        incident->first_ns = event->at_ns;
    if (event->at_ns > incident->last_ns)
        incident->last_ns = event->at_ns;
    if (opened)
        decide(slow, incident, AT_OPENING);
    if (worse)
        worsen(slow, incident);
    if (kind == NJ_INCIDENT_NODE && is_bad(slow, event->subject.workload))
        node_of(slow, event->subject.workload)->calm = false;
    return incident->id;
}

static int64_t apply_trouble(struct slow_engine *slow, const struct nj_event *event)
{
    char identity[WORD], uid[WORD];
    enum nj_incident_kind kind = NJ_INCIDENT_KINDS;
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        if (troubles[i].kind == event->trouble.kind)
            kind = troubles[i].incident;
    }
    bool of_node = kind == NJ_INCIDENT_NODE || kind == NJ_INCIDENT_CAPACITY;
    (void)snprintf(identity, sizeof(identity), "%s|%s|%s", event->subject.container,
                   nj_trouble_kind_name(event->trouble.kind), event->trouble.detail);
    (void)snprintf(uid, sizeof(uid), "%s%s", of_node ? "node/" : "",
                   of_node ? event->subject.workload : event->subject.pod_uid);
    struct slow_incident *incident =
        find_open(slow, kind, kind == NJ_INCIDENT_CAPACITY ? "prod" : event->subject.workload,
                  of_node ? "" : event->subject.container);
    if (!event->trouble.over)
        return begin_trouble(slow, event, kind, incident, uid, identity);
    end_trouble(slow, event, incident, uid, identity);
    return 0;
}

static void count_eviction(struct slow_engine *slow, const struct nj_event *event)
{
    struct slow_incident *incident = find_open(slow, NJ_INCIDENT_NODE, event->subject.node, "");
    if (strcmp(event->failure.reason, "Evicted") == 0 && is_bad(slow, event->subject.node))
        incident->evictions++;
}

static int64_t apply_service(struct slow_engine *slow, const struct nj_event *event)
{
    enum nj_incident_kind kind = kind_of(event);
    bool of_rollout = kind == NJ_INCIDENT_ROLLOUT_FAILED;
    struct slow_incident *incident = find_open(slow, kind, event->subject.workload, "");
    if (of_rollout ? event->rollout.over : event->outage.over) {
        if (incident == NULL)
            return 0;
        incident->subjects_count = 0;
        close_incident(slow, incident, of_rollout ? "rolled_out" : "over");
        return 0;
    }
    bool opened = incident == NULL;
    if (opened)
        incident = open_incident(slow, event, kind, "");
    else
        join(slow, incident, event);
    incident->heard_ns = slow->now_ns;
    if (event->at_ns < incident->first_ns)
        incident->first_ns = event->at_ns;
    if (event->at_ns > incident->last_ns)
        incident->last_ns = event->at_ns;
    bool another = of_rollout && strcmp(incident->revision, event->rollout.revision) != 0;
    incident->count += opened || another;
    bool worse = !opened && of_rollout && event->rollout.down && incident->severity < NJ_SEVERITY_CRITICAL;
    if (of_rollout) {
        set(incident->reason, event->rollout.reason);
        set(incident->hash, event->rollout.template_hash);
        set(incident->revision, event->rollout.revision);
        incident->severity = event->rollout.down ? NJ_SEVERITY_CRITICAL
                             : opened            ? NJ_SEVERITY_WARNING
                                                 : incident->severity;
    } else {
        set(incident->cause, event->outage.cause);
        set(incident->reason, strcmp(event->outage.cause, "crash") == 0            ? "Crash"
                              : strcmp(event->outage.cause, "failed_rollout") == 0 ? "FailedRollout"
                                                                                   : "Unknown");
        set(incident->behind, event->outage.behind);
        incident->explained_by = number_after(event->outage.reference, "incident/");
    }
    char uid[2 * WORD];
    (void)snprintf(uid, sizeof(uid), "%s", event->subject.workload);
    (void)add_subject(incident, uid, "", event->at_ns);
    if (opened)
        decide(slow, incident, AT_OPENING);
    if (worse)
        worsen(slow, incident);
    return incident->id;
}

static int64_t apply(struct slow_engine *slow, const struct nj_event_origin *origin,
                     const struct nj_event *event, bool is_new)
{
    if (event->type == NJ_EVENT_OUTAGE || event->type == NJ_EVENT_ROLLOUT_FAILED)
        return apply_service(slow, event);
    if (event->type == NJ_EVENT_CHECK)
        return apply_check(slow, origin, event);
    if (event->type == NJ_EVENT_TROUBLE)
        return apply_trouble(slow, event);
    if (event->type == NJ_EVENT_CLEARED) {
        apply_cleared(slow, event);
        return 0;
    }
    enum nj_incident_kind kind = kind_of(event);
    const char *container = kind == NJ_INCIDENT_POD_FAILURE ? "" : event->subject.container;
    struct slow_incident *incident = find_open(slow, kind, event->subject.workload, container);
    if (!is_new && event->type == NJ_EVENT_OOM_KILL)
        return incident == NULL ? 0 : incident->id;
    if (!is_new) {
        if (event->type != NJ_EVENT_CRASH || incident == NULL || strcmp(incident->crash_id, event->id) != 0)
            return 0;
        set(incident->reason, event->crash.reason);
        return incident->id;
    }
    bool late = comes_late(slow, event, event->subject.pod_uid, kind, container);
    bool counts_late = event->type == NJ_EVENT_CRASH || event->type == NJ_EVENT_LOST_CRASHES ||
                       event->type == NJ_EVENT_OOM_KILL;
    if (late && (incident == NULL || !counts_late))
        return incident == NULL ? 0 : incident->id;
    bool opened = incident == NULL;
    if (opened)
        incident = open_incident(slow, event, kind, container);
    join(slow, incident, event);
    bool is_new_subject = !late && add_subject(incident, event->subject.pod_uid, container, event->at_ns);
    write_event(incident, event, is_new_subject, opened);
    if (kind == NJ_INCIDENT_IMAGE_PULL)
        note_image(slow, incident, event);
    if (opened)
        decide(slow, incident, AT_OPENING);
    if (event->type == NJ_EVENT_STUCK && waits(kind))
        drop_subjects(slow, event->subject.pod_uid, container, false, NJ_CLEARED_STARTED, "superseded", kind,
                      event->at_ns, true);
    if (is_new_subject && kind == NJ_INCIDENT_POD_FAILURE)
        count_eviction(slow, event);
    return incident->id;
}

int64_t slow_engine_apply(struct slow_engine *slow, const struct nj_event_origin *origin,
                          const struct nj_event *event, bool is_new, int64_t now_ns)
{
    slow->now_ns = now_ns;
    int64_t id = apply(slow, origin, event, is_new);
    struct slow_incident *lifted = slow->lifted;
    if (lifted != NULL && lifted->open)
        decide(slow, lifted, BY_EVENT);
    slow->left_node = false;
    slow->lifted = NULL;
    return id;
}

/* Each of a subject's clearings is remembered for as long as the latest. */
static void forget_clearings(struct slow_engine *slow, int64_t now_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < slow->clearings_count; i++) {
        int64_t told_ns = 0;
        for (size_t other = 0; other < slow->clearings_count; other++) {
            const struct slow_clearing *clearing = &slow->clearings[other];
            if (strcmp(clearing->uid, slow->clearings[i].uid) == 0 &&
                strcmp(clearing->container, slow->clearings[i].container) == 0 && clearing->told_ns > told_ns)
                told_ns = clearing->told_ns;
        }
        if (told_ns >= now_ns - NJ_ENGINE_CLEARED_AGE_NS)
            slow->clearings[kept++] = slow->clearings[i];
        else
            slow->clearings[i].told_ns = told_ns; /* so that its like goes with it */
    }
    slow->clearings_count = kept;
}

/* In the order in which they were held back. */
void slow_engine_review(struct slow_engine *slow, int64_t now_ns)
{
    int last = slow->order;
    slow->now_ns = now_ns;
    for (int order = 0; order <= last; order++) {
        for (size_t i = 0; i < slow->count; i++) {
            struct slow_incident *incident = &slow->incidents[i];
            if (incident->open && incident->suppressed[0] != '\0' && incident->held == order)
                decide(slow, incident, AGAIN);
        }
    }
}

void slow_engine_tick(struct slow_engine *slow, int64_t now_ns)
{
    slow->now_ns = now_ns;
    for (size_t i = 0; i < slow->count; i++) {
        struct slow_incident *incident = &slow->incidents[i];
        if (incident->open && incident->kind == NJ_INCIDENT_OOM_KILL &&
            incident->heard_ns <= now_ns - NJ_ENGINE_OOM_QUIET_NS) {
            incident->subjects_count = 0;
            close_incident(slow, incident, "quiet");
        }
    }
    slow_engine_review(slow, now_ns);
    for (size_t i = 0; i < NODES; i++) {
        if (slow->nodes[i].calm && now_ns - slow->nodes[i].calm_ns >= NJ_ENGINE_NODE_GRACE_NS)
            slow->nodes[i].calm = false;
    }
    forget_clearings(slow, now_ns);
}

static int by_time(const void *a, const void *b)
{
    const struct slow_subject *left = a, *right = b;
    if (left->since_ns != right->since_ns)
        return left->since_ns < right->since_ns ? -1 : 1;
    int order = strcmp(left->uid, right->uid);
    return order != 0 ? order : strcmp(left->container, right->container);
}

void slow_engine_restart(struct slow_engine *slow)
{
    slow->clearings_count = 0;
    for (size_t i = 0; i < NODES; i++)
        slow->nodes[i].calm = false;
    for (size_t i = 0; i < slow->count; i++) {
        struct slow_incident *incident = &slow->incidents[i];
        incident->heard_ns = incident->last_ns;
        incident->let_go_ns = incident->explained_by = 0;
        incident->listed = incident->held = 0;
        for (size_t other = 0; other < slow->count; other++) {
            const struct slow_incident *before = &slow->incidents[other];
            incident->listed += before->open && (before->last_ns < incident->last_ns ||
                                                 (before->last_ns == incident->last_ns && other < i));
        }
        incident->held = incident->listed;
        qsort(incident->subjects, incident->subjects_count, sizeof(incident->subjects[0]), by_time);
    }
}

struct nj_buf *slow_engine_transitions(struct slow_engine *slow)
{
    return &slow->transitions;
}

size_t slow_engine_open_count(const struct slow_engine *slow)
{
    size_t count = 0;
    for (size_t i = 0; i < slow->count; i++)
        count += slow->incidents[i].open;
    return count;
}

int64_t slow_engine_next_id(const struct slow_engine *slow)
{
    return (int64_t)slow->count + 1;
}

void slow_engine_assert_same(const struct slow_engine *slow, const struct nj_incident *record,
                             const struct nj_incident_subject *subjects, size_t count)
{
    const struct slow_incident *mine = &slow->incidents[record->id - 1];
    assert_true(mine->open);
    assert_int_equal(mine->kind, record->kind);
    assert_string_equal(mine->workload, record->workload);
    assert_string_equal(mine->container, record->container);
    assert_string_equal(mine->reason, record->reason);
    assert_string_equal(mine->crash_id, record->crash_id);
    assert_int_equal(mine->crash_loop, record->crash_loop);
    assert_string_equal(mine->suppressed, record->suppressed);
    assert_string_equal(mine->services_down, record->services_down);
    assert_int_equal(mine->evictions, record->evictions);
    if (is_of_troubles(mine->kind)) {
        assert_int_equal(mine->severity, record->severity);
        assert_string_equal(mine->detail, record->detail);
        assert_string_equal(mine->node, record->node);
    }
    assert_int_equal(mine->count, record->count);
    assert_int_equal(mine->lost, record->lost);
    assert_int_equal(mine->subjects_count, count);
    if (mine->kind == NJ_INCIDENT_REGISTRY)
        return; /* its subjects have names of the engine's own */
    assert_int_equal(mine->first_ns, record->first_ns);
    assert_int_equal(mine->last_ns, record->last_ns);
    if (mine->kind == NJ_INCIDENT_SERVICE_OUTAGE || mine->kind == NJ_INCIDENT_ROLLOUT_FAILED)
        return; /* likewise */
    for (size_t i = 0; i < count; i++) {
        size_t s = 0;
        while (s < count && (strcmp(mine->subjects[s].uid, subjects[i].pod_uid) != 0 ||
                             strcmp(mine->subjects[s].container, subjects[i].container) != 0))
            s++;
        assert_true(s < count);
        assert_int_equal(mine->subjects[s].since_ns, subjects[i].since_ns);
    }
}
