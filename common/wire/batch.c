#include "common/wire/batch.h"

#include <errno.h>
#include <string.h>

#include "common/base/str.h"
#include "common/wire/codec.h"

/* Field numbers and wire types of proto/nightjar.proto that are written or looked for by hand. */
enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
    BATCH_VERSION = 1,
    BATCH_EVENTS = 8,
    BATCH_PLAN_NAMESPACES = 10,
    ACK_PLAN = 7,
    NUMBERED_SEQ = 1,
    NUMBERED_EVENT = 2,
    VARINT_BYTES_MAX = 10,
};

const char *nj_refusal_name(enum nj_refusal refusal)
{
    static const char *const names[NJ_REFUSALS] = {"none",    "other", "version", "replay",
                                                   "invalid", "busy",  "store"};
    return (unsigned)refusal < NJ_REFUSALS ? names[refusal] : "other";
}

static size_t put_varint(uint8_t out[VARINT_BYTES_MAX], uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

/* Reads from *at on; false at a bad or cut varint. */
static bool get_varint(const uint8_t *bytes, size_t len, size_t *at, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_BYTES_MAX; shift += 7) {
        if (*at >= len)
            return false;
        uint8_t byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Appends NumberedEvent{seq, event} as a field of Batch. */
static int append_event(const struct nj_encoded_event *event, struct nj_buf *out)
{
    uint8_t seq[VARINT_BYTES_MAX], event_len[VARINT_BYTES_MAX], all_len[VARINT_BYTES_MAX];
    size_t seq_size = put_varint(seq, event->seq);
    size_t event_len_size = put_varint(event_len, event->len);
    size_t all_len_size = put_varint(all_len, 1 + seq_size + 1 + event_len_size + event->len);

    (void)nj_buf_append_char(out, BATCH_EVENTS << 3 | WIRE_BYTES);
    (void)nj_buf_append(out, all_len, all_len_size);
    (void)nj_buf_append_char(out, NUMBERED_SEQ << 3 | WIRE_VARINT);
    (void)nj_buf_append(out, seq, seq_size);
    (void)nj_buf_append_char(out, NUMBERED_EVENT << 3 | WIRE_BYTES);
    (void)nj_buf_append(out, event_len, event_len_size);
    return nj_buf_append(out, event->bytes, event->len);
}

/* Sorted, without repeats. */
static bool in_order(char *const *names, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (strcmp(names[i - 1], names[i]) >= 0)
            return false;
    }
    return true;
}

static int encode_head(const struct nj_batch *batch, struct nj_buf *out)
{
    Nightjar__AgentStatus status = NIGHTJAR__AGENT_STATUS__INIT;
    Nightjar__Batch message = NIGHTJAR__BATCH__INIT;
    struct nj_arena repairs;
    nj_arena_init(&repairs, SIZE_MAX);
    status.version = nj_codec_text(&repairs, batch->status.version);
    status.started_ns = batch->status.started_ns;
    status.outbox_events = batch->status.outbox_events;
    status.outbox_bytes = batch->status.outbox_bytes;
    status.dropped_events = batch->status.dropped_events;
    status.lost_crashes = batch->status.lost_crashes;
    status.pods = batch->status.pods;
    status.watch_synced = batch->status.watch_synced;
    message.version = batch->version;
    message.cluster = nj_codec_text(&repairs, batch->cluster);
    message.node = nj_codec_text(&repairs, batch->node);
    message.stream = nj_codec_text(&repairs, batch->stream);
    message.request = batch->request;
    message.sent_ns = batch->sent_ns;
    message.status = &status;
    message.plan_version = nj_codec_text(&repairs, batch->plan_version);
    message.n_plan_namespaces = batch->plan_namespaces_count;
    message.plan_namespaces = nj_codec_texts(&repairs, batch->plan_namespaces, batch->plan_namespaces_count);
    int rc = message.plan_namespaces == NULL ? -ENOMEM : 0;
    if (rc == 0 && !in_order(message.plan_namespaces, message.n_plan_namespaces))
        rc = -EINVAL;
    if (rc == 0)
        rc = nj_codec_pack(&message.base, out);
    nj_arena_done(&repairs);
    return rc;
}

int nj_batch_encode(const struct nj_batch *batch, const struct nj_encoded_event *events, size_t count,
                    struct nj_buf *out)
{
    if (count > NJ_BATCH_EVENTS_MAX || batch->plan_namespaces_count > NJ_PLAN_NAMESPACES_MAX)
        return -EINVAL;
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (events[i].seq <= last)
            return -EINVAL;
        last = events[i].seq;
    }
    int rc = encode_head(batch, out);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = append_event(&events[i], out);
    return rc;
}

/* What can be learned about a batch before anything is allocated for it. */
struct summary {
    uint64_t version;
    size_t events, plan_namespaces;
};

static int scan(const uint8_t *bytes, size_t len, struct summary *ret_summary, struct nj_err *err)
{
    struct summary summary = {0};
    for (size_t at = 0; at < len;) {
        uint64_t tag = 0, value = 0, skip = 0;
        bool ok = get_varint(bytes, len, &at, &tag);
        switch (tag & 7) {
        case WIRE_VARINT:
            ok = ok && get_varint(bytes, len, &at, &value);
            break;
        case WIRE_FIXED64:
            skip = 8;
            break;
        case WIRE_BYTES:
            ok = ok && get_varint(bytes, len, &at, &skip);
            break;
        case WIRE_FIXED32:
            skip = 4;
            break;
        default:
            ok = false;
        }
        if (!ok || skip > len - at)
            return nj_err_set(err, -EPROTO, "%zu bytes are no batch", len);
        at += skip;
        if (tag == (BATCH_VERSION << 3 | WIRE_VARINT))
            summary.version = (uint32_t)value;
        else if (tag >> 3 == BATCH_EVENTS)
            summary.events++;
        else if (tag >> 3 == BATCH_PLAN_NAMESPACES)
            summary.plan_namespaces++;
    }
    *ret_summary = summary;
    return 0;
}

static int take_events(const Nightjar__Batch *message, struct nj_arena *arena, struct nj_batch *batch,
                       struct nj_err *err)
{
    struct nj_event *events = nj_arena_zalloc(arena, message->n_events, sizeof(*events));
    if (events == NULL)
        return nj_err_set(err, arena->starved ? -ENOMEM : -EOVERFLOW,
                          "batch of %zu events needs more memory than there is, or than %zu bytes",
                          message->n_events, arena->max);
    uint64_t last = 0;
    for (size_t i = 0; i < message->n_events; i++) {
        const Nightjar__NumberedEvent *numbered = message->events[i];
        if (numbered->event == NULL)
            return nj_err_set(err, -EPROTO, "event %zu is empty", i);
        if (numbered->seq <= last)
            return nj_err_set(err, -EPROTO, "event %zu: its number does not rise", i);
        last = numbered->seq;
        int rc = nj_codec_event(numbered->event, arena, &events[i], err);
        if (rc < 0) {
            (void)nj_err_wrap(err, "event %zu", i);
            return rc;
        }
        events[i].seq = numbered->seq;
    }
    batch->events = events;
    batch->events_count = message->n_events;
    return 0;
}

static void take_status(struct nj_codec_check *check, const Nightjar__AgentStatus *from,
                        struct nj_agent_status *to)
{
    Nightjar__AgentStatus none = NIGHTJAR__AGENT_STATUS__INIT;
    if (from == NULL)
        from = &none;
    *to = (struct nj_agent_status){
        .version = nj_codec_take(check, from->version, "status.version"),
        .started_ns = from->started_ns,
        .outbox_events = from->outbox_events,
        .outbox_bytes = from->outbox_bytes,
        .dropped_events = from->dropped_events,
        .lost_crashes = from->lost_crashes,
        .pods = from->pods,
        .watch_synced = from->watch_synced != 0,
    };
}

int nj_batch_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_batch *ret_batch,
                    struct nj_err *err)
{
    struct summary summary = {0};
    int rc = scan(bytes, len, &summary, err);
    if (rc < 0)
        return rc;
    if (summary.events > NJ_BATCH_EVENTS_MAX)
        return nj_err_set(err, -EPROTO, "batch of %zu events, at most %d are taken", summary.events,
                          NJ_BATCH_EVENTS_MAX);
    if (summary.plan_namespaces > NJ_PLAN_NAMESPACES_MAX)
        return nj_err_set(err, -EPROTO, "batch that names %zu namespaces, at most %d are taken",
                          summary.plan_namespaces, NJ_PLAN_NAMESPACES_MAX);
    ProtobufCMessage *unpacked =
        nj_codec_unpack(&nightjar__batch__descriptor, "batch", bytes, len, arena, &rc, err);
    if (unpacked == NULL)
        return rc;
    const Nightjar__Batch *message = (const Nightjar__Batch *)unpacked;
    struct nj_codec_check check = {.err = err};
    struct nj_batch batch = {
        .version = message->version,
        .cluster = nj_codec_take(&check, message->cluster, "cluster"),
        .node = nj_codec_take(&check, message->node, "node"),
        .stream = nj_codec_take(&check, message->stream, "stream"),
        .request = message->request,
        .sent_ns = message->sent_ns,
        .plan_version = nj_codec_take(&check, message->plan_version, "plan_version"),
        .plan_namespaces = nj_codec_take_texts(&check, arena, message->plan_namespaces,
                                               message->n_plan_namespaces, "plan_namespaces"),
        .plan_namespaces_count = message->n_plan_namespaces,
    };
    take_status(&check, message->status, &batch.status);
    if (check.rc == 0 && !in_order(message->plan_namespaces, message->n_plan_namespaces))
        check.rc = nj_err_set(err, -EPROTO, "the batch's namespaces are not in order");
    if (check.rc == 0 && summary.version <= NJ_WIRE_VERSION)
        check.rc = take_events(message, arena, &batch, err);
    if (check.rc == 0)
        *ret_batch = batch;
    return check.rc;
}

/* Appends the plan's bytes as a field of Ack. */
static int append_plan(const struct nj_ack *ack, struct nj_buf *out)
{
    uint8_t len[VARINT_BYTES_MAX];
    (void)nj_buf_append_char(out, ACK_PLAN << 3 | WIRE_BYTES);
    (void)nj_buf_append(out, len, put_varint(len, ack->plan_len));
    return nj_buf_append(out, ack->plan_bytes, ack->plan_len);
}

int nj_ack_encode(const struct nj_ack *ack, struct nj_buf *out)
{
    struct nj_arena repairs;
    Nightjar__Ack message = NIGHTJAR__ACK__INIT;
    nj_arena_init(&repairs, SIZE_MAX);
    message.version = ack->version;
    message.committed = ack->committed;
    message.request = ack->request;
    message.refused = nj_codec_text(&repairs, ack->refused);
    message.refusal = (uint32_t)ack->refusal;
    message.retry_after_ns = ack->retry_after_ns;
    int rc = nj_codec_pack(&message.base, out);
    if (rc == 0 && ack->plan_bytes != NULL)
        rc = append_plan(ack, out);
    nj_arena_done(&repairs);
    return rc;
}

int nj_ack_decode(const void *bytes, size_t len, struct nj_arena *arena, struct nj_ack *ret_ack,
                  struct nj_err *err)
{
    int rc = 0;
    ProtobufCMessage *unpacked =
        nj_codec_unpack(&nightjar__ack__descriptor, "acknowledgement", bytes, len, arena, &rc, err);
    if (unpacked == NULL)
        return rc;
    const Nightjar__Ack *message = (const Nightjar__Ack *)unpacked;
    struct nj_codec_check check = {.err = err};
    struct nj_ack ack = {
        .version = message->version,
        .committed = message->committed,
        .request = message->request,
        .refused = nj_codec_take(&check, message->refused, "refused"),
        .refusal = message->refusal < NJ_REFUSALS ? (enum nj_refusal)message->refusal : NJ_REFUSAL_OTHER,
        .retry_after_ns = message->retry_after_ns,
        .plan = {.version = ""},
    };
    if (check.rc == 0 && message->plan != NULL)
        check.rc = nj_codec_plan(message->plan, arena, &ack.plan, err);
    /* The text and the number tell the same, whichever a collector filled in. */
    if (ack.refused[0] != '\0' && ack.refusal == NJ_REFUSAL_NONE)
        ack.refusal = NJ_REFUSAL_OTHER;
    if (ack.refused[0] == '\0' && ack.refusal != NJ_REFUSAL_NONE)
        ack.refused = nj_refusal_name(ack.refusal);
    if (check.rc == 0)
        *ret_ack = ack;
    return check.rc;
}
