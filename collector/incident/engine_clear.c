/* What ends troubles: clearings, and another reason to wait. See engine.h. */
#include <string.h>

#include "collector/incident/engine_internal.h"

enum nj_clearable nj_clearable_of(enum nj_incident_kind kind)
{
    if (kind == NJ_INCIDENT_CRASH)
        return NJ_CLEARABLE_CRASH;
    if (nj_incident_is_of_checks(kind))
        return NJ_CLEARABLE_CHECK;
    if (nj_incident_is_of_troubles(kind) || kind == NJ_INCIDENT_OOM_KILL)
        return NJ_CLEARABLE_TROUBLE;
    return kind == NJ_INCIDENT_POD_FAILURE ? NJ_CLEARABLE_POD : NJ_CLEARABLE_WAITING;
}

static bool is_waiting(enum nj_incident_kind kind)
{
    return nj_clearable_of(kind) == NJ_CLEARABLE_WAITING && kind != NJ_INCIDENT_UNSCHEDULABLE;
}

/* Takes subjects of a pod out of their incidents, and resolves those that have none left. */
struct clearing {
    const char *container; /* NULL: of the whole pod */
    const char *cause;
    int64_t upto_ns;       /* what happened later stays */
    int64_t at_ns, now_ns; /* of the resolution */
    bool for_good;         /* also what happened afterwards, as it seems */
    bool (*matches)(enum nj_incident_kind kind, enum nj_incident_kind other);
    enum nj_incident_kind other;
};

/* NULL: of the whole pod. A trouble's subject says which container's, and which of its troubles. */
static bool is_of_container(const struct nj_open_subject *subject, const char *container)
{
    if (container == NULL)
        return true;
    return nj_incident_is_of_troubles(subject->incident->record.kind)
               ? nj_trouble_is_in(subject->container, container)
               : strcmp(subject->container, container) == 0;
}

static void clear(struct nj_engine *engine, const char *uid, const struct clearing *clearing)
{
    struct nj_open_pod *pod = nj_open_pod_find(engine, uid);
    for (struct nj_open_subject *subject = pod == NULL ? NULL : pod->subjects, *next; subject != NULL;
         subject = next) {
        next = subject->pod_next;
        struct nj_open *open = subject->incident;
        if (open == NULL || !is_of_container(subject, clearing->container) ||
            !clearing->matches(open->record.kind, clearing->other) ||
            (!clearing->for_good && subject->since_ns - NJ_SEC >= clearing->upto_ns))
            continue;
        nj_open_heard(engine, open, clearing->now_ns);
        nj_open_subject_remove(engine, subject);
        if (open->subjects == NULL)
            nj_open_resolve(engine, open, clearing->cause, clearing->at_ns);
    }
}

static bool other_waiting(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    return is_waiting(kind) && kind != other;
}

static bool any_waiting(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    (void)other;
    return is_waiting(kind);
}

static bool any_kind(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    (void)kind;
    (void)other;
    return true;
}

/* That a container is well says nothing of what its pod answers. */
static bool any_but_checks(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    (void)other;
    return !nj_incident_is_of_checks(kind);
}

/* That it stays up, nothing of what leaks in it, or of which of its processes are killed. */
static bool any_instability(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    return any_but_checks(kind, other) && !nj_incident_is_of_troubles(kind) && kind != NJ_INCIDENT_OOM_KILL;
}

static bool that_kind(enum nj_incident_kind kind, enum nj_incident_kind other)
{
    return kind == other;
}

void nj_engine_supersede(struct nj_engine *engine, const struct nj_report *report)
{
    if (!is_waiting(report->kind))
        return;
    const struct clearing superseded = {.container = report->container,
                                        .cause = "superseded",
                                        .upto_ns = report->at_ns,
                                        .at_ns = report->at_ns,
                                        .now_ns = report->now_ns,
                                        .matches = other_waiting,
                                        .other = report->kind};
    clear(engine, report->uid, &superseded);
}

void nj_engine_apply_cleared(struct nj_engine *engine, const struct nj_report *report)
{
    /* By the agent's own time, the one that its crashes have as well: taken as now because it is too far
     * ahead of a clock that was set back, it would come before what it clears. */
    struct clearing clearing = {.container = report->container,
                                .upto_ns = report->at_ns > report->event->at_ns ? report->at_ns
                                                                                : report->event->at_ns,
                                .at_ns = report->at_ns,
                                .now_ns = report->now_ns,
                                .matches = any_but_checks};
    bool waiting_only = false, stopped = false;
    switch (report->event->cleared.cause) {
    case NJ_CLEARED_STARTED:
        clearing.cause = "started";
        clearing.matches = any_waiting;
        waiting_only = true;
        break;
    case NJ_CLEARED_SCHEDULED:
        clearing.cause = "scheduled";
        clearing.matches = that_kind;
        clearing.other = NJ_INCIDENT_UNSCHEDULABLE;
        waiting_only = true;
        break;
    case NJ_CLEARED_STABLE:
        clearing.cause = "stable";
        clearing.matches = any_instability;
        break;
    case NJ_CLEARED_COMPLETED:
        clearing.cause = "completed";
        stopped = true;
        break;
    case NJ_CLEARED_DELETED:
        clearing.cause = "deleted";
        clearing.matches = any_kind;
        clearing.for_good = true;
        stopped = true;
        break;
    default:
        return;
    }
    if (report->container[0] == '\0' && !waiting_only)
        clearing.container = NULL;
    int64_t remembered_ns = clearing.for_good ? INT64_MAX : report->at_ns;
    nj_clearing_put(engine, report->uid, report->container, NJ_CLEARABLE_WAITING, remembered_ns,
                    report->now_ns);
    if (!waiting_only)
        nj_clearing_put(engine, report->uid, report->container, NJ_CLEARABLE_CRASH, remembered_ns,
                        report->now_ns);
    if (stopped)
        nj_clearing_put(engine, report->uid, report->container, NJ_CLEARABLE_TROUBLE, remembered_ns,
                        report->now_ns);
    if (clearing.for_good) {
        nj_clearing_put(engine, report->uid, report->container, NJ_CLEARABLE_POD, remembered_ns,
                        report->now_ns);
        nj_clearing_put(engine, report->uid, report->container, NJ_CLEARABLE_CHECK, remembered_ns,
                        report->now_ns);
    }
    clear(engine, report->uid, &clearing);
}
