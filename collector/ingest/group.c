#include "collector/ingest/group.h"

#include <errno.h>
#include <string.h>

#include "collector/ingest/group_internal.h"
#include "common/base/alloc.h"

enum {
    ARENA_MAX = 64 * 1024 * 1024, /* of one decoded batch */
    GROUP_EVENTS_MAX = 8192, /* a group that has so many takes no further packet: agents wait for its end */
    PRUNE_ROWS = 500,        /* deleted in one transaction */
    TIDY_ROWS = 16384,       /* tidied in one, when no packet waits */
    MEASURE_EVERY_S = 15,
    REST_AFTER_FAILURE_S = 1, /* a full disk is not tried again for every packet */
};

int nj_group_fail(struct nj_group_worker *worker, int rc)
{
    if (rc < 0 && worker->rc == 0)
        worker->rc = rc;
    return worker->rc;
}

int nj_group_begin(struct nj_group_worker *worker)
{
    struct nj_store *store = worker->options.store;
    if (worker->rc < 0 || worker->in_transaction)
        return worker->rc;
    int rc = store->ops->begin(store, &worker->err);
    worker->in_transaction = rc == 0;
    return nj_group_fail(worker, rc);
}

static bool is_suppressed(void *data, const struct nj_incident *incident, int64_t now_ns, char *ret_reason,
                          size_t size)
{
    const struct nj_ingest_options *options = &((struct nj_group_worker *)data)->options;
    return options->suppress != NULL &&
           options->suppress(options->suppress_data, incident, now_ns, ret_reason, size);
}

static void on_suppressed(void *data, const struct nj_incident *incident, enum nj_suppression suppression)
{
    struct nj_group_worker *worker = data;
    (void)incident;
    nj_counter_add(worker->metrics.suppressed[suppression], 1);
}

static void on_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct nj_group_worker *worker = data;
    const struct nj_ingest_options *options = &worker->options;
    if (options->plan != NULL && worker->rc == 0)
        (void)nj_group_fail(worker, options->plan(options->plan_data, options->store, incident, transition,
                                                  worker->now_ns, &worker->err));
}

/* Known or not is asked before, so that the crash is stored once, with its incident. */
static bool put_crash(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                      const struct nj_event *event)
{
    struct nj_store *store = worker->options.store;
    bool known = false, is_new = false;
    if (nj_group_fail(worker, store->ops->has_crash(store, event->id, &known, &worker->err)) < 0)
        return false;
    struct nj_store_crash crash = {
        .id = event->id,
        .cluster = origin->cluster,
        .project = origin->project,
        .incident_id = nj_engine_apply(worker->engine, origin, event, !known, worker->now_ns),
        .at_ns = nj_engine_event_time(event, worker->now_ns),
        .seen_ns = event->seen_ns,
        .stored_ns = worker->now_ns,
        .subject = event->subject,
        .crash = event->crash,
    };
    if (worker->rc == 0)
        (void)nj_group_fail(worker, store->ops->put_crash(store, &crash, &is_new, &worker->err));
    if (is_new)
        nj_group_note_fact(worker, event, crash.incident_id);
    return is_new;
}

const char *nj_group_project(const struct nj_group_worker *worker, const char *cluster, const char *namespace,
                             char *project)
{
    project[0] = '\0';
    if (worker->options.project != NULL)
        worker->options.project(worker->options.data, cluster, namespace, project, NJ_GROUP_PROJECT_MAX);
    return project;
}

/* What has no record of its own, and must not be taken twice. */
static bool counts_once(enum nj_event_type type)
{
    return type == NJ_EVENT_LOST_CRASHES || type == NJ_EVENT_OOM_KILL || type == NJ_EVENT_TROUBLE;
}

static bool put_fact(struct nj_group_worker *worker, const struct nj_event *event, bool *ret_new)
{
    struct nj_store *store = worker->options.store;
    return nj_group_fail(worker,
                         store->ops->put_fact(store, event->id, nj_engine_event_time(event, worker->now_ns),
                                              ret_new, &worker->err)) == 0;
}

void nj_group_apply(struct nj_group_worker *worker, const char *cluster, const char *node,
                    const struct nj_event *event)
{
    char project[NJ_GROUP_PROJECT_MAX];
    bool is_new = true;
    if (nj_group_begin(worker) < 0)
        return;
    worker->events++;
    struct nj_event_origin origin = {
        .cluster = cluster,
        .project = nj_group_project(worker, cluster, event->subject.namespace, project),
        .node = node,
    };
    if (event->type == NJ_EVENT_CRASH) {
        is_new = put_crash(worker, &origin, event);
    } else if (event->type == NJ_EVENT_CHECK) {
        is_new = nj_group_apply_check(worker, &origin, event);
    } else if (event->type == NJ_EVENT_ROLLUPS) {
        is_new = nj_group_apply_rollups(worker, &origin, event);
    } else if (event->type == NJ_EVENT_USAGE) {
        is_new = nj_group_apply_usage(worker, &origin, event);
    } else if (!counts_once(event->type) || put_fact(worker, event, &is_new)) {
        /* A trouble that was told already may be over since: it is not told again. */
        if (is_new || event->type != NJ_EVENT_TROUBLE)
            nj_group_note_fact(worker, event,
                               nj_engine_apply(worker->engine, &origin, event, is_new, worker->now_ns));
    }
    if (worker->rc == 0)
        nj_counter_add(is_new ? worker->metrics.events[event->type] : worker->metrics.duplicates, 1);
}

void nj_group_leave_out(struct nj_group_worker *worker, struct nj_counter *why)
{
    if (nj_group_begin(worker) < 0)
        return;
    worker->events++;
    nj_counter_add(why, 1);
}

struct agent_count {
    int64_t silent_before_ns;
    int64_t heard, silent;
};

static int count_agent(void *data, const struct nj_store_agent *agent)
{
    struct agent_count *count = data;
    if (agent->last_heard_ns < count->silent_before_ns)
        count->silent++;
    else
        count->heard++;
    return 0;
}

/* What costs a query. That it fails is no reason to fail anything else: the next write will tell. */
static void measure(struct nj_group_worker *worker)
{
    struct nj_store *store = worker->options.store;
    struct agent_count count = {.silent_before_ns = worker->now_ns - worker->options.silent_after_ns};
    int64_t bytes = 0;
    bool set_back = worker->now_ns < worker->measured_ns;
    if (worker->measured_ns != 0 && !set_back &&
        worker->now_ns - worker->measured_ns < MEASURE_EVERY_S * NJ_SEC)
        return;
    worker->measured_ns = worker->now_ns;
    if (store->ops->each_agent(store, count_agent, &count, NULL) == 0) {
        nj_gauge_set(worker->metrics.agents_heard, count.heard);
        nj_gauge_set(worker->metrics.agents_silent, count.silent);
    }
    if (store->ops->size(store, &bytes, NULL) == 0)
        nj_gauge_set(worker->metrics.store_bytes, bytes);
}

static void do_upkeep(struct nj_group_worker *worker, struct nj_group *group)
{
    struct nj_store *store = worker->options.store;
    bool more_old = false, more_put_off = false;
    if (nj_group_begin(worker) < 0)
        return;
    nj_engine_tick(worker->engine, worker->now_ns);
    bool more_silent = nj_group_forget_silent(worker);
    if (worker->rc == 0)
        (void)nj_group_fail(worker, store->ops->prune(store, &worker->options.retention, worker->now_ns,
                                                      PRUNE_ROWS, &more_old, &worker->err));
    if (worker->rc == 0 && group->packets == NULL)
        (void)nj_group_fail(worker, store->ops->tidy(store, TIDY_ROWS, &more_put_off, &worker->err));
    group->more_upkeep = more_old || more_put_off || more_silent;
}

struct changes {
    struct nj_group_worker *worker;
    struct nj_group *group;
    size_t capacity;
};

static int store_incident(void *data, const struct nj_incident *incident)
{
    struct changes *changes = data;
    struct nj_store *store = changes->worker->options.store;
    struct nj_group *group = changes->group;
    if (group->changed_count == changes->capacity) {
        changes->capacity = changes->capacity == 0 ? 16 : 2 * changes->capacity;
        group->changed = nj_realloc(group->changed, changes->capacity, sizeof(*group->changed));
    }
    nj_incident_copy(&group->changed[group->changed_count++], incident);
    return store->ops->put_incident(store, incident, &changes->worker->err);
}

static int store_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject,
                         bool present)
{
    struct changes *changes = data;
    struct nj_store *store = changes->worker->options.store;
    return store->ops->put_subject(store, incident_id, subject, present, &changes->worker->err);
}

static void commit(struct nj_group_worker *worker, struct nj_group *group)
{
    struct nj_store *store = worker->options.store;
    struct changes changes = {.worker = worker, .group = group};
    if (!worker->in_transaction)
        return;
    uint64_t begun = uv_hrtime();
    if (worker->rc == 0)
        (void)nj_group_fail(worker,
                            nj_engine_each_change(worker->engine, store_incident, store_subject, &changes));
    if (worker->rc == 0)
        (void)nj_group_fail(worker, nj_streams_store(&worker->streams, store, &worker->err));
    if (worker->rc == 0)
        (void)nj_group_fail(worker, store->ops->commit(store, &worker->err));
    if (worker->rc < 0) {
        store->ops->rollback(store);
    } else {
        nj_engine_clear_changes(worker->engine);
        nj_streams_clean(&worker->streams);
        nj_counter_add(worker->metrics.commits, 1);
        nj_histogram_observe(worker->metrics.commit_seconds, (double)(uv_hrtime() - begun) / 1e9);
    }
    worker->in_transaction = false;
}

static void load_incident(void *data, const struct nj_incident *incident)
{
    nj_engine_load(data, incident);
}

static void load_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject)
{
    nj_engine_load_subject(data, incident_id, subject);
}

static int load_engine(struct nj_group_worker *worker, struct nj_err *err)
{
    struct nj_store *store = worker->options.store;
    struct nj_engine_options options = {
        .stale_after_ns = worker->options.stale_after_ns,
        .since_slack_ns = NJ_MIN,
        .max_open = worker->options.max_open,
        .max_subjects = worker->options.max_subjects,
        .on_transition = on_transition,
        .suppress = is_suppressed,
        .on_suppressed = on_suppressed,
        .data = worker,
    };
    struct nj_engine *engine = nj_engine_new(&options, 1);
    int64_t next_id = 1;
    int rc = store->ops->load_open(store, &next_id, load_incident, load_subject, engine, err);
    if (rc < 0) {
        nj_engine_free(engine);
        return rc;
    }
    nj_engine_set_next_id(engine, next_id);
    nj_engine_free(worker->engine);
    worker->engine = engine;
    return 0;
}

/* Nothing of the group happened: memory goes back to what the store has. */
static void undo(struct nj_group_worker *worker, struct nj_group *group)
{
    for (size_t i = 0; i < group->changed_count; i++)
        nj_incident_done(&group->changed[i]);
    group->changed_count = 0;
    for (size_t i = 0; i < group->targets_count; i++)
        nj_store_target_done(&group->targets[i]);
    group->targets_count = 0;
    nj_group_tell_minutes(group, NULL, NULL);
    nj_group_tell_facts(group, NULL, NULL);
    group->more_upkeep = false;
    nj_counter_add(worker->metrics.failed_commits, 1);
    nj_streams_clear(&worker->streams);
    nj_engine_free(worker->engine);
    worker->engine = NULL;
    worker->resting_until = uv_hrtime() + REST_AFTER_FAILURE_S * (uint64_t)NJ_SEC;
}

static void update_gauges(struct nj_group_worker *worker)
{
    const struct nj_group_metrics *metrics = &worker->metrics;
    if (worker->engine == NULL)
        return;
    struct nj_engine_losses losses = nj_engine_losses(worker->engine);
    for (int kind = 0; kind < NJ_INCIDENT_KINDS; kind++)
        nj_gauge_set(metrics->open[kind],
                     (int64_t)nj_engine_open_of(worker->engine, (enum nj_incident_kind)kind));
    nj_gauge_set(metrics->held_back, (int64_t)nj_engine_suppressed_count(worker->engine));
    nj_gauge_set(metrics->streams, (int64_t)HASH_COUNT(worker->streams.all));
    nj_gauge_set(metrics->evicted_incidents, (int64_t)losses.evicted_incidents);
    nj_gauge_set(metrics->forgotten_subjects, (int64_t)losses.forgotten_subjects);
}

/* After a failure: rests for a while, then loads the engine again. Returns whether anything may be written.
 */
static bool recover(struct nj_group_worker *worker)
{
    if (worker->resting_until == 0)
        return true;
    if (uv_hrtime() < worker->resting_until)
        return false;
    if (worker->engine == NULL && load_engine(worker, &worker->err) < 0) {
        worker->resting_until = uv_hrtime() + REST_AFTER_FAILURE_S * (uint64_t)NJ_SEC;
        return false;
    }
    worker->resting_until = 0;
    return true;
}

static size_t take_packets(struct nj_group_worker *worker, struct nj_group *group, struct nj_answer *answers)
{
    size_t count = 0;
    for (struct nj_packet *packet = group->packets, *next; packet != NULL; packet = next) {
        next = packet->next;
        nj_group_take_packet(worker, packet, &answers[count++]);
        if (worker->events >= GROUP_EVENTS_MAX) {
            group->left = next;
            packet->next = NULL;
            break;
        }
    }
    return count;
}

void nj_group_work(struct nj_group_worker *worker, struct nj_group *group)
{
    size_t count = 0;
    for (struct nj_packet *packet = group->packets; packet != NULL; packet = packet->next)
        count++;
    struct nj_answer *answers = nj_calloc(count, sizeof(*answers));
    worker->now_ns = nj_clock_wall_ns(worker->options.loop->clock);
    worker->rc = 0;
    worker->group = group;
    worker->events = 0;
    worker->plan_bytes = 0;
    worker->streams.group++;
    nj_streams_note_time(&worker->streams, worker->now_ns);
    bool writable = recover(worker);
    count = take_packets(worker, group, answers);
    for (struct nj_local_event *local = group->locals; local != NULL && writable && worker->rc == 0;
         local = local->next)
        nj_group_take_local(worker, local);
    if (group->upkeep && writable && worker->rc == 0)
        do_upkeep(worker, group);
    commit(worker, group);
    for (size_t i = 0; i < count; i++)
        nj_group_seal_answer(worker, &answers[i]);
    if (worker->rc < 0)
        undo(worker, group);
    else if (group->upkeep)
        measure(worker);
    group->rc = writable ? worker->rc : -EAGAIN;
    group->err = worker->err;
    nj_histogram_observe(worker->metrics.group_packets, (double)count);
    update_gauges(worker);
    free(answers);
}

int nj_group_worker_new(const struct nj_ingest_options *options, const struct nj_group_metrics *metrics,
                        struct nj_group_worker **ret_worker, struct nj_err *err)
{
    struct nj_group_worker *worker = NJ_NEW(struct nj_group_worker);
    worker->options = *options;
    worker->metrics = *metrics;
    worker->streams =
        (struct nj_streams){.max = options->max_agents, .silent_after_ns = options->silent_after_ns};
    worker->sealer = nj_sealer_new();
    nj_arena_init(&worker->arena, ARENA_MAX);
    worker->last_minute = &worker->minutes;
    nj_buf_init(&worker->plain, options->max_plain_bytes);
    int rc = load_engine(worker, err);
    if (rc < 0) {
        nj_group_worker_free(worker);
        return rc;
    }
    update_gauges(worker);
    *ret_worker = worker;
    return 0;
}

void nj_group_worker_free(struct nj_group_worker *worker)
{
    if (worker == NULL)
        return;
    nj_engine_free(worker->engine);
    nj_streams_clear(&worker->streams);
    nj_sealer_free(worker->sealer);
    nj_arena_done(&worker->arena);
    nj_buf_done(&worker->plain);
    nj_buf_done(&worker->ack);
    free(worker);
}

struct nj_engine *nj_group_engine(struct nj_group_worker *worker)
{
    return worker->engine;
}
