/*
 * Packets on the worker: opened, checked, taken, answered. A hostile one costs a counter.
 */
#include <errno.h>
#include <string.h>

#include "collector/ingest/group_internal.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

enum {
    SEAL_ROOM = 4096,
    RETRY_AFTER_S = 5, /* when nothing can be written, or there are too many agents */
    NAME_BYTES_MAX = 512,
    TEXT_BYTES_MAX = 16 << 10,
    GROUP_PLAN_BYTES_MAX = 16 << 20, /* in the answers of one group, beyond which no further plan is begun */
    ACK_BYTES_KEPT = 64 << 10,       /* of an answer's memory, from one to the next */
};

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

static void refuse(struct nj_group_worker *worker, struct nj_answer *answer, enum nj_rejection why,
                   enum nj_refusal refusal, const char *text)
{
    reject(worker, why);
    answer->refusal = refusal;
    if (text != NULL)
        (void)nj_err_set(&answer->refused, -EPROTO, "%s", text);
}

/* Cuts a string that is longer than any honest one. */
void nj_group_bound(struct nj_arena *arena, const char **text, size_t max)
{
    size_t len = strlen(*text);
    if (len <= max)
        return;
    const char *copy = nj_arena_strndup(arena, *text, nj_utf8_cut(*text, len, max));
    *text = copy == NULL ? "" : copy;
}

/* Whatever an agent sends, records and their keys stay small. A batch is not refused for it: it would come
 * again for ever. */
static void bound_event(struct nj_arena *arena, struct nj_event *event)
{
    const char **names[] = {&event->subject.namespace, &event->subject.pod,
                            &event->subject.pod_uid,   &event->subject.node,
                            &event->subject.workload,  &event->subject.workload_kind,
                            &event->subject.container};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nj_group_bound(arena, names[i], NAME_BYTES_MAX);
    if (event->type == NJ_EVENT_CRASH) {
        const char **words[] = {&event->crash.container_id, &event->crash.container_type, &event->crash.image,
                                &event->crash.reason, &event->crash.log.source};
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            nj_group_bound(arena, words[i], NAME_BYTES_MAX);
        nj_group_bound(arena, &event->crash.message, TEXT_BYTES_MAX);
        nj_group_bound(arena, &event->crash.log.missing, TEXT_BYTES_MAX);
    }
    if (event->type == NJ_EVENT_CHECK)
        nj_group_bound_check(arena, &event->check);
    if (event->type == NJ_EVENT_OOM_KILL) {
        nj_group_bound(arena, &event->oom_kill.container_id, NAME_BYTES_MAX);
        nj_group_bound(arena, &event->oom_kill.process, NAME_BYTES_MAX);
    }
    if (event->type == NJ_EVENT_TROUBLE) {
        const char **words[] = {&event->trouble.detail, &event->trouble.severity, &event->trouble.process};
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            nj_group_bound(arena, words[i], NAME_BYTES_MAX);
        nj_group_bound(arena, &event->trouble.message, TEXT_BYTES_MAX);
    }
    if (event->type == NJ_EVENT_USAGE)
        nj_group_bound_usage(arena, &event->usage);
}

/* Of a node an agent tells what it sees there, and only of its own: what is known of a node by the API server
 * holds back the incidents of its pods. */
static bool is_foreign(const struct nj_stream *stream, const struct nj_event *event)
{
    if (event->type != NJ_EVENT_TROUBLE || !nj_trouble_is_of_node(event->trouble.kind))
        return false;
    return (event->trouble.kind >= NJ_TROUBLE_NODE_NOT_READY &&
            event->trouble.kind <= NJ_TROUBLE_NODE_NETWORK) ||
           event->trouble.kind == NJ_TROUBLE_NODE_LOSS ||
           strcmp(event->subject.workload, stream->agent.node) != 0;
}

static void apply_batch(struct nj_group_worker *worker, struct nj_stream *stream,
                        const struct nj_batch *batch)
{
    for (size_t i = 0; i < batch->events_count && worker->rc == 0; i++) {
        struct nj_event event = batch->events[i];
        if (event.seq <= stream->agent.committed) {
            nj_counter_add(worker->metrics.duplicates, 1);
            continue;
        }
        /* What the agent's own bounds forced out leaves gaps; it says so in its status. */
        if (event.seq != stream->agent.committed + 1)
            nj_counter_add(worker->metrics.gaps, 1);
        bound_event(&worker->arena, &event);
        if (event.subject.node[0] == '\0')
            event.subject.node = stream->agent.node;
        if (is_foreign(stream, &event))
            nj_group_leave_out(worker, worker->metrics.foreign);
        else
            nj_group_apply(worker, stream->agent.cluster, stream->agent.node, &event);
        stream->agent.committed = event.seq;
        nj_streams_changed(&worker->streams, stream);
    }
}

/* Has it anything that must be written? */
static bool has_news(const struct nj_stream *stream, const struct nj_batch *batch)
{
    return batch->events_count > 0 && batch->events[batch->events_count - 1].seq > stream->agent.committed;
}

/* What the agent is to check, when that is another than what it has. One that finds no room comes with the
 * agent's next request. */
static void add_plan(struct nj_group_worker *worker, const struct nj_batch *batch, struct nj_answer *answer)
{
    const struct nj_ingest_options *options = &worker->options;
    bool wanted = batch->plan_namespaces_count > 0 || batch->plan_version[0] != '\0';
    if (options->plan_for == NULL || !wanted)
        return;
    if (worker->plan_bytes >= GROUP_PLAN_BYTES_MAX) {
        nj_counter_add(worker->metrics.late_plans, 1);
        return;
    }
    answer->plan.max = NJ_PLAN_BYTES_MAX;
    if (!options->plan_for(options->data, batch->plan_namespaces, batch->plan_namespaces_count,
                           batch->plan_version, &answer->plan)) {
        nj_buf_done(&answer->plan);
        return;
    }
    worker->plan_bytes += answer->plan.len;
    nj_counter_add(worker->metrics.plans, 1);
}

static void take_batch(struct nj_group_worker *worker, const struct nj_batch *batch, struct nj_answer *answer)
{
    struct nj_stream *stream = NULL;
    int rc = nj_streams_get(&worker->streams, worker->options.store, batch, worker->now_ns, &stream,
                            &answer->refused);
    if (rc == -EMFILE || rc == -EINVAL) {
        bool full = rc == -EMFILE;
        refuse(worker, answer, full ? NJ_REJECTED_AGENTS : NJ_REJECTED_DECODE,
               full ? NJ_REFUSAL_BUSY : NJ_REFUSAL_INVALID, NULL);
        return;
    }
    if (rc < 0) {
        worker->err = answer->refused;
        (void)nj_group_fail(worker, rc);
        return;
    }
    answer->stream = stream;
    /* The newest request may come again when its connection broke; an older one is a replay, or an agent
     * whose counter fell back: the answer tells it where to go on. */
    if (batch->request < stream->agent.request) {
        answer->request = stream->agent.request;
        refuse(worker, answer, NJ_REJECTED_REPLAY, NJ_REFUSAL_REPLAY,
               "a newer request was seen before this one");
        return;
    }
    if (worker->resting_until != 0 && has_news(stream, batch)) {
        answer->refused = worker->err;
        refuse(worker, answer, NJ_REJECTED_STORE, NJ_REFUSAL_STORE, NULL);
        return;
    }
    apply_batch(worker, stream, batch);
    /* The same request once more says nothing new of the agent: it may be a replay of its last words. */
    if (batch->request > stream->agent.request || !stream->heard)
        nj_streams_heard(&worker->streams, stream, batch, worker->now_ns);
    add_plan(worker, batch, answer);
}

void nj_group_take_packet(struct nj_group_worker *worker, struct nj_packet *packet, struct nj_answer *answer)
{
    const struct nj_ingest_options *options = &worker->options;
    struct nj_batch batch;
    size_t len = 0;
    const void *bytes = nj_message_bytes(packet->message, &len);
    answer->packet = packet;
    nj_buf_clear(&worker->plain);
    nj_group_begin_packet(worker);
    int rc = nj_unseal(worker->sealer, options->keyring, NJ_PACKET_REQUEST, answer->nonce, bytes, len,
                       options->max_plain_bytes, &worker->plain, NULL);
    if (rc < 0) {
        reject(worker, unseal_rejection(rc));
        return;
    }
    answer->wanted = true;
    if (nj_batch_decode(nj_buf_str(&worker->plain), worker->plain.len, &worker->arena, &batch,
                        &answer->refused) < 0) {
        refuse(worker, answer, NJ_REJECTED_DECODE, NJ_REFUSAL_INVALID, NULL);
        return;
    }
    answer->request = batch.request;
    if (batch.version > NJ_WIRE_VERSION)
        refuse(worker, answer, NJ_REJECTED_VERSION, NJ_REFUSAL_VERSION,
               "this collector speaks an older protocol: upgrade it before its agents");
    else
        take_batch(worker, &batch, answer);
    nj_group_end_packet(worker);
}

void nj_group_take_local(struct nj_group_worker *worker, const struct nj_local_event *local)
{
    struct nj_event event;
    if (local->write != NULL) {
        if (nj_group_begin(worker) == 0)
            (void)nj_group_fail(worker,
                                local->write->write(local->write, worker->options.store, &worker->err));
        return;
    }
    nj_group_begin_packet(worker);
    if (local->event != NULL)
        nj_group_apply(worker, worker->options.cluster, local->event->subject.node, local->event);
    else if (nj_event_decode(nj_buf_str(&local->bytes), local->bytes.len, &worker->arena, &event, NULL) < 0)
        reject(worker, NJ_REJECTED_DECODE);
    else
        nj_group_apply(worker, worker->options.cluster, event.subject.node, &event);
    nj_group_end_packet(worker);
}

void nj_group_seal_answer(struct nj_group_worker *worker, struct nj_answer *answer)
{
    if (!answer->wanted)
        return;
    if (worker->rc < 0) {
        answer->refusal = NJ_REFUSAL_STORE;
        answer->refused = worker->err;
    }
    struct nj_ack ack = {
        .version = NJ_WIRE_VERSION,
        /* Never what this group applied and did not commit. */
        .committed = answer->stream == NULL ? 0 : answer->stream->safe,
        .request = answer->request,
        .refused = answer->refusal == NJ_REFUSAL_NONE ? "" : answer->refused.text,
        .refusal = answer->refusal,
    };
    if (answer->refusal == NJ_REFUSAL_NONE && answer->plan.len > 0) {
        ack.plan_bytes = answer->plan.data;
        ack.plan_len = answer->plan.len;
    }
    if (answer->refusal == NJ_REFUSAL_STORE || answer->refusal == NJ_REFUSAL_BUSY)
        ack.retry_after_ns = RETRY_AFTER_S * NJ_SEC;
    nj_buf_clear(&worker->ack);
    nj_buf_init(&answer->packet->reply, NJ_ACK_BYTES_MAX + SEAL_ROOM);
    if (nj_ack_encode(&ack, &worker->ack) < 0 ||
        nj_seal(worker->sealer, worker->options.keyring, NJ_PACKET_REPLY, answer->nonce,
                nj_buf_str(&worker->ack), worker->ack.len, &answer->packet->reply) < 0)
        nj_buf_clear(&answer->packet->reply);
    nj_buf_done(&answer->plan);
    if (worker->ack.capacity > ACK_BYTES_KEPT)
        nj_buf_done(&worker->ack);
}
