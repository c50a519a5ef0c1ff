/*
 * What stands in an opened packet: batch, acknowledgement, event. Whatever is accepted keeps the decoder's
 * promises, and an agent that encodes it again makes something that is accepted again and says the same.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/str.h"
#include "common/wire/batch.h"

enum { ARENA_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_text(const char *text)
{
    check(text != NULL && nj_utf8_valid(text, strlen(text)));
}

static void check_crash(const struct nj_crash *crash)
{
    check_text(crash->container_id);
    check_text(crash->reason);
    check_text(crash->message);
    check_text(crash->log.source);
    check_text(crash->log.missing);
    check(crash->log.text != NULL && crash->log.text[crash->log.len] == '\0');
    check(nj_utf8_valid(crash->log.text, crash->log.len));
}

static void check_rollups(const struct nj_rollups *rollups)
{
    check(rollups->count <= NJ_ROLLUPS_MAX);
    for (size_t i = 0; i < rollups->count; i++) {
        const struct nj_check_rollup *item = &rollups->items[i];
        check_text(item->key.monitor);
        check_text(item->key.target);
        check(item->key.monitor[0] != '\0' && item->key.target[0] != '\0');
        check_text(item->state);
        check(item->latency != NULL && item->latency_len <= NJ_ROLLUP_LATENCY_MAX);
        check(item->errors_count <= NJ_ROLLUP_CAUSES_MAX);
        for (size_t k = 0; k < item->errors_count; k++)
            check_text(item->errors[k].cause);
    }
}

static void check_usage(const struct nj_usage *usage)
{
    check(usage->part < usage->parts && usage->parts <= NJ_USAGE_PARTS_MAX);
    check(usage->count <= NJ_USAGE_ITEMS_MAX && usage->pods_count <= NJ_USAGE_PODS_MAX);
    for (size_t i = 0; i < usage->count; i++) {
        const struct nj_usage_item *item = &usage->items[i];
        check_text(item->namespace);
        check_text(item->pod_uid);
        check_text(item->container);
        check_text(item->workload);
        check(item->memory_limit_bytes >= 0 && item->memory_limit_bytes <= NJ_USAGE_AMOUNT_MAX);
        for (int k = 0; k < NJ_USAGE_METRICS; k++)
            check(item->metrics[k].sketch != NULL && item->metrics[k].len <= NJ_USAGE_SKETCH_MAX);
    }
    for (size_t i = 0; i < usage->pods_count; i++) {
        check_text(usage->pods[i].pod_uid);
        check(usage->pods[i].pod_uid[0] != '\0');
        check_text(usage->pods[i].placement);
        check(strlen(usage->pods[i].placement) <= NJ_USAGE_PLACEMENT_MAX);
        check(usage->pods[i].cpu_request_millis >= 0);
    }
}

static void check_trouble(const struct nj_trouble *trouble)
{
    enum nj_trouble_kind kind;
    check(nj_trouble_kind_parse(nj_trouble_kind_name(trouble->kind), &kind) == 0 && kind == trouble->kind);
    check(trouble->level >= 0 && trouble->level <= 100);
    check(isfinite(trouble->value) && isfinite(trouble->limit) && isfinite(trouble->per_hour));
    check_text(trouble->detail);
    check_text(trouble->severity);
    check_text(trouble->message);
    check_text(trouble->process);
}

static void check_plan(const struct nj_plan *plan)
{
    check_text(plan->version);
    check(strlen(plan->version) < NJ_PLAN_VERSION_MAX && plan->namespaces_count <= NJ_PLAN_NAMESPACES_MAX);
    for (size_t i = 0; i < plan->namespaces_count; i++) {
        const struct nj_plan_namespace *part = &plan->namespaces[i];
        check_text(part->name);
        check(part->checks_count <= NJ_PLAN_CHECKS_MAX);
        for (size_t k = 0; k < part->checks_count; k++) {
            const struct nj_plan_check *one = &part->checks[k];
            check((unsigned)one->source < NJ_SOURCES);
            check_text(one->spec);
            for (size_t n = 0; n < one->selector_count; n++)
                check_text(one->selector[n].value);
            for (size_t n = 0; n < one->ports_count; n++)
                check_text(one->ports[n].target_name);
            for (size_t n = 0; n < one->secrets_count; n++)
                check_text(one->secrets[n].value);
            for (size_t n = 0; n < one->families_count; n++)
                check_text(one->families[n]);
        }
    }
}

static void check_event(const struct nj_event *event)
{
    check_text(event->id);
    check(event->id[0] != '\0' && strlen(event->id) <= NJ_EVENT_ID_BYTES_MAX);
    check_text(event->subject.namespace);
    check_text(event->subject.container);
    if (event->type == NJ_EVENT_CRASH)
        check_crash(&event->crash);
    else if (event->type == NJ_EVENT_STUCK)
        check_text(event->stuck.message);
    else if (event->type == NJ_EVENT_CLEARED)
        check(event->cleared.cause >= NJ_CLEARED_STARTED && event->cleared.cause <= NJ_CLEARED_SCHEDULED);
    else if (event->type == NJ_EVENT_POD_FAILURE)
        check_text(event->failure.message);
    else if (event->type == NJ_EVENT_CHECK)
        check_text(event->check.evidence);
    else if (event->type == NJ_EVENT_ROLLUPS)
        check_rollups(&event->rollups);
    else if (event->type == NJ_EVENT_OOM_KILL)
        check(event->oom_kill.count > 0);
    else if (event->type == NJ_EVENT_TROUBLE)
        check_trouble(&event->trouble);
    else if (event->type == NJ_EVENT_USAGE)
        check_usage(&event->usage);
    else
        check(event->type == NJ_EVENT_LOST_CRASHES);
}

/* Both encoded once more, so that the order of fields and what is unknown do not count. */
static void check_same(const struct nj_event *a, const struct nj_event *b)
{
    struct nj_buf one = {0}, other = {0};
    check(nj_event_encode(a, &one) == 0 && nj_event_encode(b, &other) == 0);
    check(one.len == other.len && memcmp(nj_buf_str(&one), nj_buf_str(&other), one.len) == 0);
    nj_buf_done(&one);
    nj_buf_done(&other);
}

static void encode_again(const struct nj_batch *batch)
{
    struct nj_encoded_event *encoded = calloc(batch->events_count + 1, sizeof(*encoded));
    struct nj_buf *bytes = calloc(batch->events_count + 1, sizeof(*bytes));
    struct nj_buf out = {0};
    struct nj_arena arena;
    struct nj_batch again;
    check(encoded != NULL && bytes != NULL);
    nj_arena_init(&arena, (size_t)4 * ARENA_MAX);
    for (size_t i = 0; i < batch->events_count; i++) {
        check(nj_event_encode(&batch->events[i], &bytes[i]) == 0);
        encoded[i] = (struct nj_encoded_event){batch->events[i].seq, bytes[i].data, bytes[i].len};
    }
    check(nj_batch_encode(batch, encoded, batch->events_count, &out) == 0);
    check(nj_batch_decode(nj_buf_str(&out), out.len, &arena, &again, NULL) == 0);
    check(again.events_count == batch->events_count && again.request == batch->request);
    check(again.plan_namespaces_count == batch->plan_namespaces_count);
    check(nj_streq(again.plan_version, batch->plan_version));
    check(nj_streq(again.cluster, batch->cluster) && nj_streq(again.stream, batch->stream));
    for (size_t i = 0; i < batch->events_count; i++) {
        check(again.events[i].seq == batch->events[i].seq);
        check_same(&again.events[i], &batch->events[i]);
        nj_buf_done(&bytes[i]);
    }
    nj_arena_done(&arena);
    nj_buf_done(&out);
    free(bytes);
    free(encoded);
}

static void try_batch(const uint8_t *data, size_t size, struct nj_arena *arena)
{
    struct nj_batch batch;
    struct nj_err err = {0};
    int rc = nj_batch_decode(data, size, arena, &batch, &err);
    check(rc == 0 || (err.code == rc && err.text[0] != '\0'));
    if (rc != 0)
        return;
    check(batch.events_count <= NJ_BATCH_EVENTS_MAX);
    check_text(batch.cluster);
    check_text(batch.node);
    check_text(batch.stream);
    check_text(batch.status.version);
    check_text(batch.plan_version);
    check(batch.plan_namespaces_count <= NJ_PLAN_NAMESPACES_MAX);
    for (size_t i = 0; i < batch.plan_namespaces_count; i++)
        check(i == 0 || strcmp(batch.plan_namespaces[i - 1], batch.plan_namespaces[i]) < 0);
    uint64_t last = 0;
    for (size_t i = 0; i < batch.events_count; i++) {
        check(batch.events[i].seq > last);
        last = batch.events[i].seq;
        check_event(&batch.events[i]);
    }
    encode_again(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nj_arena arena;
    struct nj_event event;
    struct nj_ack ack;
    nj_arena_init(&arena, ARENA_MAX);
    try_batch(data, size, &arena);
    nj_arena_reset(&arena);
    if (nj_event_decode(data, size, &arena, &event, NULL) == 0)
        check_event(&event);
    nj_arena_reset(&arena);
    if (nj_ack_decode(data, size, &arena, &ack, NULL) == 0) {
        check_text(ack.refused);
        check((ack.refusal == NJ_REFUSAL_NONE) == (ack.refused[0] == '\0'));
        check((unsigned)ack.refusal < NJ_REFUSALS);
        check_plan(&ack.plan);
    }
    nj_arena_done(&arena);
    return 0;
}
