#include "collector/ingest/group.h"

#include <errno.h>
#include <string.h>

#include "collector/ingest/streams.h"
#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

enum {
    ARENA_MAX = 64 * 1024 * 1024, /* of one decoded batch */
    PROJECT_MAX = 128,
    PRUNE_ROWS = 500, /* deleted in one transaction */
    RETRY_AFTER_FAILURE_S = 5,
    SEAL_ROOM = 4096,
};

struct nj_group_worker {
    struct nj_ingest_options options;
    struct nj_group_metrics metrics;
    struct nj_engine *engine;
    struct nj_streams streams;
    struct nj_sealer *sealer;
    struct nj_arena arena;
    struct nj_buf plain;
    struct nj_buf ack;
    int64_t now_ns;
    bool in_transaction;
    int rc; /* of the transaction */
    struct nj_err err;
};

/* What a packet is to be answered once the group is committed. */
struct answer {
    struct nj_packet *packet;
    struct nj_stream *stream; /* NULL: none of ours, no answer */
    uint8_t nonce[NJ_SEAL_NONCE];
    uint64_t request;
    uint64_t committed_before;
    enum nj_refusal refusal;
    const char *refused;
};

static int fail(struct nj_group_worker *worker, int rc)
{
    if (rc < 0 && worker->rc == 0)
        worker->rc = rc;
    return worker->rc;
}

static int begin(struct nj_group_worker *worker)
{
    struct nj_store *store = worker->options.store;
    if (worker->rc < 0 || worker->in_transaction)
        return worker->rc;
    int rc = store->ops->begin(store, &worker->err);
    worker->in_transaction = rc == 0;
    return fail(worker, rc);
}

static void on_transition(void *data, const struct nj_incident *incident, enum nj_transition transition)
{
    struct nj_group_worker *worker = data;
    const struct nj_ingest_options *options = &worker->options;
    if (options->plan != NULL && worker->rc == 0)
        fail(worker, options->plan(options->plan_data, options->store, incident, transition, worker->now_ns,
                                   &worker->err));
}

static int64_t put_crash(struct nj_group_worker *worker, const struct nj_event_origin *origin,
                         const struct nj_event *event, bool *ret_new)
{
    struct nj_store *store = worker->options.store;
    bool known = false;
    if (fail(worker, store->ops->has_crash(store, event->id, &known, &worker->err)) < 0)
        return 0;
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
    fail(worker, store->ops->put_crash(store, &crash, ret_new, &worker->err));
    return crash.incident_id;
}

static void apply(struct nj_group_worker *worker, const char *cluster, const char *node,
                  const struct nj_event *event)
{
    struct nj_store *store = worker->options.store;
    char project[PROJECT_MAX] = "";
    bool is_new = true;
    if (begin(worker) < 0)
        return;
    if (worker->options.project != NULL)
        worker->options.project(worker->options.data, cluster, event->subject.namespace, project,
                                sizeof(project));
    struct nj_event_origin origin = {.cluster = cluster, .project = project, .node = node};
    if (event->type == NJ_EVENT_CRASH) {
        (void)put_crash(worker, &origin, event, &is_new);
    } else {
        if (event->type == NJ_EVENT_LOST_CRASHES)
            fail(worker, store->ops->put_fact(store, event->id, nj_engine_event_time(event, worker->now_ns),
                                              &is_new, &worker->err));
        (void)nj_engine_apply(worker->engine, &origin, event, is_new, worker->now_ns);
    }
    nj_counter_add(is_new ? worker->metrics.events[event->type] : worker->metrics.duplicates, 1);
}

static void apply_batch(struct nj_group_worker *worker, struct nj_stream *stream,
                        const struct nj_batch *batch)
{
    for (size_t i = 0; i < batch->events_count && worker->rc == 0; i++) {
        const struct nj_event *event = &batch->events[i];
        if (event->seq <= stream->agent.committed) {
            nj_counter_add(worker->metrics.duplicates, 1);
            continue;
        }
        /* What the agent's own bounds forced out leaves gaps; it says so in its status. */
        if (event->seq != stream->agent.committed + 1)
            nj_counter_add(worker->metrics.gaps, 1);
        apply(worker, stream->agent.cluster, stream->agent.node, event);
        stream->agent.committed = event->seq;
    }
}

static void reject(struct nj_group_worker *worker, enum nj_rejection why)
{
    nj_counter_add(worker->metrics.rejected[why], 1);
}

static enum nj_rejection unseal_rejection(int rc)
{
    switch (rc) {
    case -ENOKEY:
        return NJ_REJECTED_KEY;
    case -EKEYREJECTED:
        return NJ_REJECTED_AUTH;
    case -EOVERFLOW:
        return NJ_REJECTED_SIZE;
    case -EPROTO:
        return NJ_REJECTED_COMPRESSION;
    default:
        return NJ_REJECTED_FORMAT;
    }
}

static void refuse(struct answer *answer, enum nj_refusal refusal, const char *text)
{
    answer->refusal = refusal;
    answer->refused = text;
}

static void take_batch(struct nj_group_worker *worker, const struct nj_batch *batch, struct answer *answer)
{
    struct nj_err err = {0};
    struct nj_stream *stream = NULL;
    int rc = nj_streams_get(&worker->streams, worker->options.store, batch, worker->now_ns, &stream, &err);
    if (rc == -EMFILE || rc == -ENAMETOOLONG) {
        reject(worker, rc == -EMFILE ? NJ_REJECTED_AGENTS : NJ_REJECTED_DECODE);
        return;
    }
    if (rc < 0) {
        worker->err = err;
        fail(worker, rc);
        return;
    }
    answer->stream = stream;
    answer->request = batch->request;
    answer->committed_before = stream->agent.committed;
    if (batch->version > NJ_WIRE_VERSION) {
        reject(worker, NJ_REJECTED_VERSION);
        refuse(answer, NJ_REFUSAL_VERSION,
               "this collector speaks an older protocol: upgrade it before its agents");
        return;
    }
    /* The newest request may come again when its connection broke; an older one is a replay, or an agent
     * whose counter fell back: the answer tells it where to go on. */
    if (batch->request < stream->agent.request) {
        reject(worker, NJ_REJECTED_REPLAY);
        answer->request = stream->agent.request;
        refuse(answer, NJ_REFUSAL_REPLAY, "a newer request was seen before this one");
        return;
    }
    apply_batch(worker, stream, batch);
    nj_streams_heard(stream, batch, worker->now_ns);
}

static void take_packet(struct nj_group_worker *worker, struct nj_packet *packet, struct answer *answer)
{
    const struct nj_ingest_options *options = &worker->options;
    struct nj_batch batch;
    size_t len = 0;
    const void *bytes = nj_message_bytes(packet->message, &len);
    answer->packet = packet;
    nj_buf_clear(&worker->plain);
    nj_arena_reset(&worker->arena);
    int rc = nj_unseal(worker->sealer, options->keyring, NJ_PACKET_REQUEST, answer->nonce, bytes, len,
                       options->max_plain_bytes, &worker->plain, NULL);
    if (rc < 0) {
        reject(worker, unseal_rejection(rc));
        return;
    }
    if (nj_batch_decode(nj_buf_str(&worker->plain), worker->plain.len, &worker->arena, &batch, NULL) < 0) {
        reject(worker, NJ_REJECTED_DECODE);
        return;
    }
    take_batch(worker, &batch, answer);
}

static void take_local(struct nj_group_worker *worker, const struct nj_local_event *local)
{
    struct nj_event event;
    nj_arena_reset(&worker->arena);
    if (nj_event_decode(nj_buf_str(&local->bytes), local->bytes.len, &worker->arena, &event, NULL) < 0)
        reject(worker, NJ_REJECTED_DECODE);
    else
        apply(worker, worker->options.cluster, event.subject.node, &event);
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

static void measure(struct nj_group_worker *worker)
{
    struct nj_store *store = worker->options.store;
    struct agent_count count = {.silent_before_ns = worker->now_ns - worker->options.silent_after_ns};
    int64_t bytes = 0;
    if (fail(worker, store->ops->each_agent(store, count_agent, &count, &worker->err)) < 0 ||
        fail(worker, store->ops->size(store, &bytes, &worker->err)) < 0)
        return;
    nj_gauge_set(worker->metrics.agents_heard, count.heard);
    nj_gauge_set(worker->metrics.agents_silent, count.silent);
    nj_gauge_set(worker->metrics.store_bytes, bytes);
}

static void do_upkeep(struct nj_group_worker *worker, struct nj_group *group)
{
    struct nj_store *store = worker->options.store;
    bool more_old = false;
    bool more_put_off = false;
    if (begin(worker) < 0)
        return;
    nj_engine_tick(worker->engine, worker->now_ns);
    fail(worker, store->ops->prune(store, &worker->options.retention, worker->now_ns, PRUNE_ROWS, &more_old,
                                   &worker->err));
    if (worker->rc == 0)
        fail(worker, store->ops->tidy(store, PRUNE_ROWS, &more_put_off, &worker->err));
    group->more_upkeep = more_old || more_put_off;
    if (worker->rc == 0)
        fail(worker, nj_streams_store(&worker->streams, store,
                                      &worker->err)); /* what is measured is what is stored */
    if (worker->rc == 0)
        measure(worker);
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
        fail(worker, nj_engine_each_change(worker->engine, store_incident, store_subject, &changes));
    if (worker->rc == 0)
        fail(worker, nj_streams_store(&worker->streams, store, &worker->err));
    if (worker->rc == 0)
        fail(worker, store->ops->commit(store, &worker->err));
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
    nj_engine_load(((struct nj_group_worker *)data)->engine, incident);
}

static void load_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject)
{
    nj_engine_load_subject(((struct nj_group_worker *)data)->engine, incident_id, subject);
}

static void ignore_incident(void *data, const struct nj_incident *incident)
{
    (void)data;
    (void)incident;
}

static void ignore_subject(void *data, int64_t incident_id, const struct nj_incident_subject *subject)
{
    (void)data;
    (void)incident_id;
    (void)subject;
}

/* The engine needs the next id before the first incident is loaded: the store is read twice. */
static int load_engine(struct nj_group_worker *worker, struct nj_err *err)
{
    struct nj_store *store = worker->options.store;
    int64_t next_id = 1;
    int rc = store->ops->load_open(store, &next_id, ignore_incident, ignore_subject, NULL, err);
    if (rc < 0)
        return rc;
    struct nj_engine_options options = {
        .stale_after_ns = worker->options.stale_after_ns,
        .max_open = worker->options.max_open,
        .max_subjects = worker->options.max_subjects,
        .on_transition = on_transition,
        .data = worker,
    };
    nj_engine_free(worker->engine);
    worker->engine = nj_engine_new(&options, next_id);
    return store->ops->load_open(store, &next_id, load_incident, load_subject, worker, err);
}

/* Nothing of the group happened: memory goes back to what the store has. */
static void undo(struct nj_group_worker *worker, struct nj_group *group)
{
    struct nj_err err = {0};
    for (size_t i = 0; i < group->changed_count; i++)
        nj_incident_done(&group->changed[i]);
    group->changed_count = 0;
    nj_counter_add(worker->metrics.failed_commits, 1);
    nj_streams_clear(&worker->streams);
    if (load_engine(worker, &err) < 0)
        worker->err = err;
}

static void seal_answer(struct nj_group_worker *worker, struct answer *answer, uint64_t committed)
{
    struct nj_ack ack = {
        .version = NJ_WIRE_VERSION,
        .committed = committed,
        .request = answer->request,
        .refused = nj_str(answer->refused),
        .refusal = answer->refusal,
    };
    if (worker->rc < 0) {
        ack.refused = worker->err.text;
        ack.refusal = NJ_REFUSAL_STORE;
        ack.retry_after_ns = RETRY_AFTER_FAILURE_S * NJ_SEC;
    }
    nj_buf_clear(&worker->ack);
    nj_buf_init(&answer->packet->reply, NJ_ACK_BYTES_MAX + SEAL_ROOM);
    if (nj_ack_encode(&ack, &worker->ack) < 0 ||
        nj_seal(worker->sealer, worker->options.keyring, NJ_PACKET_REPLY, answer->nonce,
                nj_buf_str(&worker->ack), worker->ack.len, &answer->packet->reply) < 0)
        nj_buf_clear(&answer->packet->reply);
}

static void update_gauges(struct nj_group_worker *worker)
{
    const struct nj_group_metrics *metrics = &worker->metrics;
    struct nj_engine_losses losses = nj_engine_losses(worker->engine);
    for (int kind = 0; kind < NJ_INCIDENT_KINDS; kind++)
        nj_gauge_set(metrics->open[kind],
                     (int64_t)nj_engine_open_of(worker->engine, (enum nj_incident_kind)kind));
    nj_gauge_set(metrics->streams, (int64_t)HASH_COUNT(worker->streams.all));
    nj_gauge_set(metrics->evicted_incidents, (int64_t)losses.evicted_incidents);
    nj_gauge_set(metrics->forgotten_subjects, (int64_t)losses.forgotten_subjects);
}

void nj_group_work(struct nj_group_worker *worker, struct nj_group *group)
{
    size_t count = 0;
    for (struct nj_packet *packet = group->packets; packet != NULL; packet = packet->next)
        count++;
    struct answer *answers = nj_calloc(count, sizeof(*answers));
    worker->now_ns = nj_clock_wall_ns(worker->options.loop->clock);
    worker->rc = 0;
    size_t i = 0;
    for (struct nj_packet *packet = group->packets; packet != NULL; packet = packet->next)
        take_packet(worker, packet, &answers[i++]);
    for (struct nj_local_event *local = group->locals; local != NULL && worker->rc == 0; local = local->next)
        take_local(worker, local);
    if (group->upkeep && worker->rc == 0)
        do_upkeep(worker, group);
    commit(worker, group);
    if (worker->rc == 0) {
        for (i = 0; i < count; i++) {
            if (answers[i].stream != NULL)
                seal_answer(worker, &answers[i], answers[i].stream->agent.committed);
        }
    } else {
        for (i = 0; i < count; i++) {
            if (answers[i].stream != NULL)
                seal_answer(worker, &answers[i], answers[i].committed_before);
        }
        undo(worker, group);
    }
    group->rc = worker->rc;
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
