/*
 * Checks on the worker: the targets' states, and the minutes that become series.
 *
 * A state is told once, when it changes, and a minute says it again: so a state that was lost on its way
 * comes back with the next minute, and a target that nobody speaks of any more is gone.
 */
#include <string.h>

#include "collector/ingest/group_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/state.h"

enum {
    NAME_BYTES_MAX = 512,
    EVIDENCE_BYTES_MAX = 16 << 10,
    SILENT_AT_ONCE = 500, /* targets that are told gone in one transaction */
};

/* A clock that is further ahead than that is wrong. */
static const int64_t ahead_max_ns = NJ_HOUR;
/* Between two looks for silent targets; more between them is a clock that was set, or a long sleep. */
static const int64_t look_every_ns = NJ_MIN, look_gap_max_ns = 5 * NJ_MIN;

static void note_target(struct nj_group_worker *worker, const struct nj_store_target *target)
{
    struct nj_group *group = worker->group;
    if (worker->options.on_targets == NULL)
        return;
    if (group->targets_count == group->targets_capacity) {
        group->targets_capacity = group->targets_capacity == 0 ? 16 : 2 * group->targets_capacity;
        group->targets = nj_realloc(group->targets, group->targets_capacity, sizeof(*group->targets));
    }
    nj_store_target_copy(&group->targets[group->targets_count++], target);
}

static uint64_t hash_of(const char *cluster, const struct nj_check_key *key)
{
    const char *const parts[] = {cluster, key->monitor, key->target};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + nj_hash64(nj_str(parts[i]), strlen(nj_str(parts[i])));
    return hash;
}

static void note_gone(struct nj_group_worker *worker, const char *cluster, const struct nj_check_key *key,
                      int64_t at_ns)
{
    worker->gone[worker->gone_next % NJ_GROUP_GONE_MAX] =
        (struct nj_group_gone){.hash = hash_of(cluster, key), .at_ns = at_ns};
    worker->gone_next++;
}

/* The last minute of a target may come after its end: it does not bring it back. */
static bool ended_since(const struct nj_group_worker *worker, const char *cluster,
                        const struct nj_check_key *key, int64_t minute_ns)
{
    uint64_t hash = hash_of(cluster, key);
    for (size_t i = 0; i < NJ_GROUP_GONE_MAX && i < worker->gone_next; i++) {
        if (worker->gone[i].hash == hash && worker->gone[i].at_ns >= minute_ns)
            return true;
    }
    return false;
}

/* Stores the target and tells the engine of its state. */
static void apply_state(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                        const struct nj_event *event, const struct nj_store_target *target)
{
    struct nj_store *store = worker->options.store;
    struct nj_event_origin counted = *origin;
    struct nj_target_totals totals = {0};
    if (nj_group_fail(worker, store->ops->put_target(store, target, &worker->err)) < 0)
        return;
    if (nj_streq(target->state, nj_check_state_name(NJ_CHECK_GONE)))
        note_gone(worker, target->cluster, &target->key, target->since_ns);
    note_target(worker, target);
    if (nj_streq(target->state, nj_check_state_name(NJ_CHECK_STARTING)))
        return;
    if (nj_group_fail(worker,
                      store->ops->total_targets(store, target->cluster, target->namespace, target->service,
                                                target->key.monitor, &totals, &worker->err)) < 0)
        return;
    counted.targets_failing = totals.failing;
    counted.targets_total = totals.total;
    counted.pods_failing = totals.pods_failing;
    counted.pods_total = totals.pods_total;
    nj_group_note_fact(worker, event, nj_engine_apply(worker->engine, &counted, event, true, worker->now_ns));
}

bool nj_group_apply_check(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                          const struct nj_event *event)
{
    struct nj_store *store = worker->options.store;
    const struct nj_check_event *check = &event->check;
    enum nj_check_state state;
    bool is_new = false;
    if (nj_check_state_parse(check->state, &state) < 0) {
        nj_counter_add(worker->metrics.unknown, 1);
        return false;
    }
    int64_t at_ns = nj_engine_event_time(event, worker->now_ns);
    if (nj_group_fail(worker, store->ops->put_fact(store, event->id, at_ns, &is_new, &worker->err)) < 0 ||
        !is_new)
        return false;
    bool failed = check->cause[0] != '\0';
    const struct nj_store_target target = {
        .cluster = origin->cluster,
        .project = origin->project,
        .key = check->key,
        .source = check->source,
        .namespace = event->subject.namespace,
        .service = check->service,
        .target_name = check->target_name,
        .address = check->address,
        .node = event->subject.node,
        .pod_uid = event->subject.pod_uid,
        .state = check->state,
        .since_ns = check->since_ns != 0 ? check->since_ns : at_ns,
        .seen_ns = worker->now_ns,
        .severity = check->severity,
        .group = check->group,
        .cause = check->cause,
        .phase = check->phase,
        .step = check->step,
        .expected = check->expected,
        .got = check->got,
        .body = check->body,
        .evidence = check->evidence,
        .status = check->status,
        .failed_ns = failed ? at_ns : 0,
    };
    apply_state(worker, origin, event, &target);
    return true;
}

/* Whose incident it is, as far as a minute tells; false when that is not known. */
static bool place_of(const struct nj_check_rollup *item, struct nj_subject *subject)
{
    static const char own[] = "apimonitor.", ingress[] = "ingress.", pod[] = "pod/";
    *subject = (struct nj_subject){.namespace = item->namespace,
                                   .pod = "",
                                   .pod_uid = "",
                                   .node = "",
                                   .workload_kind = "Service",
                                   .workload = item->service,
                                   .container = ""};
    if (strncmp(item->key.target, pod, strlen(pod)) == 0)
        subject->pod = item->target_name;
    if (item->service[0] != '\0')
        return true;
    const char *name = NULL;
    bool of_ingress = strncmp(item->key.monitor, ingress, strlen(ingress)) == 0;
    if (of_ingress)
        name = strchr(item->key.monitor + strlen(ingress), '.');
    else if (strncmp(item->key.monitor, own, strlen(own)) == 0)
        name = strchr(item->key.monitor + strlen(own), '.');
    if (name == NULL)
        return false;
    subject->workload_kind = of_ingress ? "Ingress" : "ApiMonitor";
    subject->workload = name + 1;
    return true;
}

/* A target that is not known, or not in this state: what told it was lost, or it was silent for too long. */
static void correct_state(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                          const struct nj_event *event, const struct nj_check_rollup *item, int64_t minute_ns)
{
    struct nj_event told = {
        .id = event->id, .at_ns = minute_ns, .seen_ns = event->seen_ns, .type = NJ_EVENT_CHECK};
    bool is_placed = place_of(item, &told.subject);
    bool fails = item->failures > 0 && item->errors_count > 0;
    const struct nj_store_target target = {
        .cluster = origin->cluster,
        .project = origin->project,
        .key = item->key,
        .namespace = item->namespace,
        .service = item->service,
        .target_name = item->target_name,
        .node = event->subject.node,
        .state = item->state,
        .since_ns = minute_ns,
        .seen_ns = worker->now_ns,
        .cause = fails ? item->errors[0].cause : "",
        .status = fails ? item->errors[0].status : 0,
        .failed_ns = fails ? minute_ns : 0,
    };
    told.check = (struct nj_check_event){
        .key = item->key,
        .source = "",
        .service = item->service,
        .target_name = item->target_name,
        .address = "",
        .state = item->state,
        .since_ns = minute_ns,
        .severity = "",
        .group = "",
        .cause = target.cause,
        .phase = "",
        .step = "",
        .expected = "",
        .got = "",
        .body = "",
        .status = target.status,
        .evidence = "",
    };
    if (!is_placed) /* the target alone: no incident begins or ends */
        told.check.state = nj_check_state_name(NJ_CHECK_STARTING);
    apply_state(worker, origin, &told, &target);
}

/* What a minute says of a state counts when the state was told before it began: one that was told later is
 * newer than what the minute knows. One that has just begun knows nothing. */
static bool knows_better(const struct nj_group_worker *worker, const struct nj_event_origin *origin,
                         const struct nj_check_rollup *item, enum nj_check_state state,
                         const struct nj_target_seen *seen, int64_t minute_ns)
{
    if (!seen->known)
        return !ended_since(worker, origin->cluster, &item->key, minute_ns);
    return !seen->as_told && state != NJ_CHECK_STARTING && seen->since_ns < minute_ns;
}

static void apply_rollup(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                         const struct nj_event *event, const struct nj_check_rollup *item, int64_t minute_ns)
{
    struct nj_store *store = worker->options.store;
    enum nj_check_state state;
    struct nj_target_seen seen = {0};
    /* Without a run it says only that the target is there: its next run is far. */
    if (item->runs > 0 && nj_group_fail(worker, store->ops->add_rollup(store, origin->cluster, minute_ns,
                                                                       item, &worker->err)) < 0)
        return;
    if (nj_check_state_parse(item->state, &state) < 0 || state == NJ_CHECK_GONE)
        return;
    if (nj_group_fail(worker, store->ops->see_target(store, origin->cluster, &item->key, item->state,
                                                     worker->now_ns, &seen, &worker->err)) < 0)
        return;
    if (knows_better(worker, origin, item, state, &seen, minute_ns))
        correct_state(worker, origin, event, item, minute_ns);
}

int64_t nj_group_minute(const struct nj_group_worker *worker, int64_t minute_ns)
{
    if (minute_ns < 0)
        return 0;
    return minute_ns > worker->now_ns + ahead_max_ns ? worker->now_ns : minute_ns;
}

bool nj_group_apply_rollups(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                            const struct nj_event *event)
{
    struct nj_store *store = worker->options.store;
    const struct nj_rollups *rollups = &event->rollups;
    struct nj_event told = *event;
    struct nj_check_rollup *items =
        (struct nj_check_rollup *)rollups->items; /* the decoder's, in this arena */
    bool is_new = false;
    int64_t minute_ns = nj_group_minute(worker, rollups->minute_ns);
    if (nj_group_fail(worker, store->ops->put_minute(store, event->id, minute_ns, &is_new, &worker->err)) <
            0 ||
        !is_new)
        return false;
    (void)nj_engine_apply(worker->engine, origin, event, true, worker->now_ns);
    for (size_t i = 0; i < rollups->count && worker->rc == 0; i++) {
        struct nj_check_rollup item = rollups->items[i];
        struct nj_event_origin own = *origin;
        char project[NJ_GROUP_PROJECT_MAX];
        const char **names[] = {&item.key.monitor, &item.key.target, &item.namespace, &item.service,
                                &item.target_name};
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
            nj_group_bound(&worker->arena, names[k], NAME_BYTES_MAX);
        own.project = nj_group_project(worker, origin->cluster, item.namespace, project);
        apply_rollup(worker, &own, event, &item, minute_ns);
        items[i] = item;
    }
    worker->events += rollups->count;
    told.rollups.minute_ns = minute_ns;
    nj_group_note_minute(worker, origin->node, &told);
    return true;
}

void nj_group_bound_check(struct nj_arena *arena, struct nj_check_event *check)
{
    const char **names[] = {&check->key.monitor, &check->key.target, &check->source,   &check->service,
                            &check->target_name, &check->address,    &check->severity, &check->group,
                            &check->cause,       &check->phase,      &check->step};
    const char **texts[] = {&check->expected, &check->got, &check->body};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nj_group_bound(arena, names[i], NAME_BYTES_MAX);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        nj_group_bound(arena, texts[i], NJ_ENGINE_MESSAGE_MAX);
    if (strlen(check->evidence) > EVIDENCE_BYTES_MAX)
        check->evidence = ""; /* JSON that is cut is none */
}

struct silent {
    struct nj_store_target targets[SILENT_AT_ONCE];
    size_t count;
};

static int copy_silent(void *data, int64_t rowid, const struct nj_store_target *target)
{
    struct silent *silent = data;
    (void)rowid;
    nj_store_target_copy(&silent->targets[silent->count++], target);
    return 0;
}

static void tell_gone(struct nj_group_worker *worker, const struct nj_store_target *target)
{
    struct nj_event event = {
        .id = "", .at_ns = worker->now_ns, .seen_ns = worker->now_ns, .type = NJ_EVENT_CHECK};
    struct nj_event_origin origin = {
        .cluster = target->cluster, .project = target->project, .node = target->node};
    struct nj_store_target gone = *target;
    gone.state = nj_check_state_name(NJ_CHECK_GONE);
    gone.since_ns = worker->now_ns;
    event.subject = (struct nj_subject){.namespace = target->namespace,
                                        .pod = "",
                                        .pod_uid = target->pod_uid,
                                        .node = target->node,
                                        .workload_kind = "Service",
                                        .workload = target->service,
                                        .container = ""};
    event.check = (struct nj_check_event){.key = target->key,
                                          .source = target->source,
                                          .service = target->service,
                                          .target_name = target->target_name,
                                          .address = target->address,
                                          .state = gone.state,
                                          .since_ns = gone.since_ns,
                                          .severity = target->severity,
                                          .group = target->group,
                                          .cause = "",
                                          .phase = "",
                                          .step = "",
                                          .expected = "",
                                          .got = "",
                                          .body = "",
                                          .evidence = ""};
    apply_state(worker, &origin, &event, &gone);
}

/* Whether it is time to look, and the collector itself has listened for long enough. */
static bool may_look(struct nj_group_worker *worker)
{
    int64_t silent_ns = worker->options.target_silent_after_ns;
    int64_t gap_ns = worker->now_ns - worker->looked_ns;
    if (silent_ns == 0 || (gap_ns >= 0 && gap_ns < look_every_ns))
        return false;
    if (gap_ns < 0 || gap_ns > look_gap_max_ns)
        worker->listening_since_ns = worker->now_ns;
    worker->looked_ns = worker->now_ns;
    return worker->now_ns - worker->listening_since_ns >= silent_ns;
}

bool nj_group_forget_silent(struct nj_group_worker *worker)
{
    struct nj_store *store = worker->options.store;
    if (!may_look(worker))
        return false;
    struct silent *silent = NJ_NEW(struct silent);
    const struct nj_target_filter filter = {
        .unseen_since_ns = worker->now_ns - worker->options.target_silent_after_ns, .limit = SILENT_AT_ONCE};
    (void)nj_group_fail(worker, store->ops->each_target(store, &filter, copy_silent, silent, &worker->err));
    for (size_t i = 0; i < silent->count; i++) {
        if (worker->rc == 0)
            tell_gone(worker, &silent->targets[i]);
        nj_store_target_done(&silent->targets[i]);
    }
    bool more = silent->count == SILENT_AT_ONCE;
    if (more)
        worker->looked_ns = worker->now_ns - look_every_ns;
    free(silent);
    return more;
}
