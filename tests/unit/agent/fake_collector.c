#include "tests/unit/agent/fake_collector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_MAX = 5 << 20 };

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

/* Keeps the first `count` events that are new. */
static void commit(struct fake_collector *collector, const struct nj_batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (batch->events[i].seq <= collector->committed) {
            collector->duplicates++;
            continue;
        }
        assert_true(collector->ids_count < FAKE_IDS_MAX);
        copy(collector->ids[collector->ids_count], FAKE_ID_BYTES, batch->events[i].id);
        collector->seqs[collector->ids_count++] = batch->events[i].seq;
        collector->committed = batch->events[i].seq;
    }
}

static void take_notes(struct fake_collector *collector, const struct nj_batch *batch)
{
    collector->requests++;
    collector->heartbeats += batch->events_count == 0;
    if (batch->events_count > collector->largest_batch)
        collector->largest_batch = batch->events_count;
    copy(collector->stream, sizeof(collector->stream), batch->stream);
    copy(collector->cluster, sizeof(collector->cluster), batch->cluster);
    copy(collector->node, sizeof(collector->node), batch->node);
    copy(collector->version, sizeof(collector->version), batch->status.version);
    collector->status = batch->status;
    collector->status.version = collector->version;
}

/* Gives the plan when the agent has another. */
static void add_plan(struct fake_collector *collector, const struct nj_batch *batch, struct nj_ack *ack,
                     struct nj_buf *bytes)
{
    size_t len =
        (size_t)snprintf(collector->asked_for, sizeof(collector->asked_for), "%s:", batch->plan_version);
    for (size_t i = 0; i < batch->plan_namespaces_count; i++)
        len += (size_t)snprintf(collector->asked_for + len, sizeof(collector->asked_for) - len, " %s",
                                batch->plan_namespaces[i]);
    if (collector->plan == NULL || strcmp(batch->plan_version, collector->plan_version) == 0)
        return;
    assert_int_equal(nj_plan_namespace_encode(collector->plan, bytes), 0);
    assert_int_equal(nj_plan_version_encode(collector->plan_version, bytes), 0);
    ack->plan_bytes = bytes->data;
    ack->plan_len = bytes->len;
}

/* Fills in the answer; false when there is none. */
static bool decide(struct fake_collector *collector, enum fake_manner manner, const struct nj_batch *batch,
                   struct nj_ack *ack)
{
    if (collector->check_requests && batch->request <= collector->last_request) {
        ack->refused = "an older request";
        ack->refusal = NJ_REFUSAL_REPLAY;
        ack->request = collector->last_request;
        return true;
    }
    collector->last_request = batch->request;
    switch (manner) {
    case FAKE_REFUSE:
        ack->refused = "not now";
        ack->refusal = collector->refusal;
        ack->retry_after_ns = collector->retry_after_ns;
        return true;
    case FAKE_HALF:
        commit(collector, batch, (batch->events_count + 1) / 2);
        break;
    case FAKE_HONEST:
    case FAKE_COMMIT_SILENT:
        commit(collector, batch, batch->events_count);
        break;
    default:
        break;
    }
    ack->committed = manner == FAKE_LIE_COMMITTED ? collector->lie : collector->committed;
    ack->request = manner == FAKE_LIE_REQUEST ? collector->lie : batch->request;
    return manner != FAKE_SILENT && manner != FAKE_COMMIT_SILENT;
}

static void answer(struct fake_collector *collector, enum fake_manner manner, const struct nj_ack *ack,
                   uint8_t nonce[NJ_SEAL_NONCE], const struct nj_route *route)
{
    struct nj_buf plain = {0}, packet = {0};
    const struct nj_keyring *keyring =
        manner == FAKE_WRONG_KEY ? collector->foreign_keyring : collector->keyring;
    assert_int_equal(nj_ack_encode(ack, &plain), 0);
    if (manner == FAKE_GARBAGE)
        assert_int_equal(nj_buf_append_str(&packet, "HTTP/1.1 400 Bad Request\r\n\r\n"), 0);
    else if (manner == FAKE_REPEAT)
        assert_int_equal(nj_buf_append(&packet, collector->last_answer.data, collector->last_answer.len), 0);
    else
        assert_int_equal(nj_seal(collector->sealer, keyring, NJ_PACKET_REPLY, nonce, nj_buf_str(&plain),
                                 plain.len, &packet),
                         0);
    if (manner == FAKE_CHANGED)
        packet.data[packet.len - 1] ^= 1;
    if (manner == FAKE_HONEST) {
        nj_buf_clear(&collector->last_answer);
        assert_int_equal(nj_buf_append(&collector->last_answer, packet.data, packet.len), 0);
    }
    assert_int_equal(nj_replier_reply(collector->replier, route, packet.data, packet.len), 0);
    nj_buf_done(&plain);
    nj_buf_done(&packet);
}

static void on_message(void *data, struct nj_message *message)
{
    struct fake_collector *collector = data;
    struct nj_buf plain = {0}, plan = {0};
    struct nj_arena arena;
    struct nj_batch batch;
    struct nj_ack ack = {.version = NJ_WIRE_VERSION};
    uint8_t nonce[NJ_SEAL_NONCE];
    size_t len = 0;
    const void *bytes = nj_message_bytes(message, &len);
    nj_arena_init(&arena, 64 << 20);
    if (nj_unseal(collector->sealer, collector->keyring, NJ_PACKET_REQUEST, nonce, bytes, len,
                  NJ_BATCH_BYTES_MAX, &plain, NULL) == 0 &&
        nj_batch_decode(plain.data, plain.len, &arena, &batch, NULL) == 0) {
        enum fake_manner manner = collector->for_requests == 0 ? FAKE_HONEST : collector->manner;
        if (collector->for_requests > 0)
            collector->for_requests--;
        take_notes(collector, &batch);
        add_plan(collector, &batch, &ack, &plan);
        if (decide(collector, manner, &batch, &ack))
            answer(collector, manner, &ack, nonce, nj_message_route(message));
    } else {
        collector->bad_requests++;
    }
    nj_arena_done(&arena);
    nj_buf_done(&plain);
    nj_buf_done(&plan);
    nj_message_free(message);
}

void fake_collector_init(struct fake_collector *collector, struct nj_loop *loop, const char *url,
                         const char *key, const char *foreign_key)
{
    *collector = (struct fake_collector){.loop = loop, .url = url, .sealer = nj_sealer_new()};
    assert_int_equal(nj_keyring_parse(key, strlen(key), &collector->keyring, NULL), 0);
    assert_int_equal(nj_keyring_parse(foreign_key, strlen(foreign_key), &collector->foreign_keyring, NULL),
                     0);
}

void fake_collector_listen(struct fake_collector *collector)
{
    struct nj_replier_options options = {
        .url = collector->url, .max_message_bytes = MESSAGE_MAX, .on_message = on_message, .data = collector};
    struct nj_err err = {0};
    int rc = nj_replier_start(collector->loop, &options, &collector->replier, &err);
    if (rc != 0)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
}

void fake_collector_stop(struct fake_collector *collector)
{
    nj_replier_close(collector->replier, NULL, NULL);
    collector->replier = NULL;
}

void fake_collector_done(struct fake_collector *collector)
{
    nj_keyring_free(collector->keyring);
    nj_keyring_free(collector->foreign_keyring);
    nj_sealer_free(collector->sealer);
    nj_buf_done(&collector->last_answer);
}

const char *fake_collector_ids(const struct fake_collector *collector, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < collector->ids_count; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? " " : "", collector->ids[i]);
        assert_true(at < size);
    }
    return text;
}
