/*
 * bench_decode (protobuf|json) FILE: how fast a watch's events become objects, and with how much memory.
 *
 * FILE holds a watch's stream as the API server sends it. Nightjar's part is what the agent does with it: the
 * framer and nj_kube_decode_event(), fed in pieces of the size that libcurl hands out. The peer is the
 * library below it, used plainly: json-c parses each whole line; protobuf-c unpacks each pod's metadata, spec
 * and status into memory of its own and frees it. Both take turns, in slices of CPU time; the medians count.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/kube/decode.h"
#include "common/kube/pb_reader.h"
#include "kubernetes.pb-c.h"
#include "tests/bench/alloc_count.h"
#include "tests/bench/measure.h"

enum {
    PIECE_BYTES = 16 * 1024, /* CURL_MAX_WRITE_SIZE */
    EVENT_MAX = 4 << 20,
    ARENA_MAX = 64 << 20,
    SLICES = 9,
    SLICE_MS = 100,
};

struct stream {
    enum nj_kube_encoding encoding;
    const char *bytes;
    size_t len;
};

struct pass {
    enum nj_kube_encoding encoding;
    struct nj_arena arena;
    uint64_t events, arena_bytes;
};

static int decode_event(void *data, const void *bytes, size_t len)
{
    struct pass *pass = data;
    enum nj_watch_event_type type;
    struct nj_kube_object object;
    struct nj_kube_status status;
    struct nj_err err;
    if (nj_kube_decode_event(pass->encoding, NJ_KUBE_POD, bytes, len, &pass->arena, &type, &object, &status,
                             &err) < 0)
        nj_bench_fail("event %llu: %s", (unsigned long long)pass->events, err.text);
    pass->events++;
    pass->arena_bytes += pass->arena.used;
    nj_arena_reset(&pass->arena);
    return 0;
}

static int parse_json(void *data, const void *bytes, size_t len)
{
    struct pass *pass = data;
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object = json_tokener_parse_ex(tokener, bytes, (int)len);
    if (object == NULL)
        nj_bench_fail("event %llu: json-c refuses it", (unsigned long long)pass->events);
    json_object_put(object);
    json_tokener_free(tokener);
    pass->events++;
    return 0;
}

/* The contents of field `number`, or length 0. */
static struct nj_pb_field find_field(const uint8_t *bytes, size_t len, uint32_t number)
{
    struct nj_pb_reader reader = {.at = bytes, .end = bytes + len};
    struct nj_pb_field field;
    while (nj_pb_next(&reader, &field) > 0) {
        if (field.number == number)
            return field;
    }
    return (struct nj_pb_field){0};
}

static int unpack_protobuf(void *data, const void *bytes, size_t len)
{
    enum { EVENT_OBJECT = 2, EXTENSION_RAW = 1, POD_METADATA = 1, POD_SPEC = 2, POD_STATUS = 3 };
    struct pass *pass = data;
    struct nj_pb_field extension = find_field(bytes, len, EVENT_OBJECT);
    struct nj_pb_field raw = find_field(extension.data, extension.len, EXTENSION_RAW);
    const uint8_t *pod;
    size_t pod_len;
    if (raw.len == 0 || nj_pb_unwrap(raw.data, raw.len, &pod, &pod_len) < 0)
        nj_bench_fail("event %llu: no watch event", (unsigned long long)pass->events);
    struct nj_pb_field part = find_field(pod, pod_len, POD_METADATA);
    K8s__ObjectMeta *meta = k8s__object_meta__unpack(NULL, part.len, part.data);
    part = find_field(pod, pod_len, POD_SPEC);
    K8s__PodSpec *spec = k8s__pod_spec__unpack(NULL, part.len, part.data);
    part = find_field(pod, pod_len, POD_STATUS);
    K8s__PodStatus *status = k8s__pod_status__unpack(NULL, part.len, part.data);
    if (meta == NULL || spec == NULL || status == NULL)
        nj_bench_fail("event %llu: protobuf-c refuses it", (unsigned long long)pass->events);
    k8s__object_meta__free_unpacked(meta, NULL);
    k8s__pod_spec__free_unpacked(spec, NULL);
    k8s__pod_status__free_unpacked(status, NULL);
    pass->events++;
    return 0;
}

typedef int event_fn(void *data, const void *bytes, size_t len);

static void run_pass(const struct stream *stream, event_fn *on_event, struct pass *pass)
{
    struct nj_watch_framer *framer = nj_watch_framer_new(stream->encoding, EVENT_MAX, on_event, pass);
    struct nj_err err;
    for (size_t at = 0; at < stream->len; at += PIECE_BYTES) {
        size_t len = stream->len - at < PIECE_BYTES ? stream->len - at : PIECE_BYTES;
        if (nj_watch_framer_feed(framer, stream->bytes + at, len, &err) < 0)
            nj_bench_fail("%s", err.text);
    }
    nj_watch_framer_free(framer);
}

struct result {
    int64_t rates[SLICES]; /* events/s */
    struct nj_alloc_count allocated;
    struct pass pass;
};

static void run_slice(const struct stream *stream, event_fn *on_event, struct result *result, int slice)
{
    struct nj_alloc_count before = nj_alloc_count();
    uint64_t events = result->pass.events;
    int64_t begin = nj_bench_cpu_ns();
    int64_t took;
    do {
        run_pass(stream, on_event, &result->pass);
        took = nj_bench_cpu_ns() - begin;
    } while (took < SLICE_MS * NJ_MS);
    events = result->pass.events - events;
    result->rates[slice] = (int64_t)((double)events * (double)NJ_SEC / (double)took);
    result->allocated.calls += nj_alloc_count().calls - before.calls;
    result->allocated.bytes += nj_alloc_count().bytes - before.bytes;
}

static void print_result(const char *name, struct result *result)
{
    double events = (double)result->pass.events;
    (void)printf(
        "\"%s\":{\"eventsPerSecond\":%lld,\"allocatedBytesPerEvent\":%.1f,\"allocationsPerEvent\":%.2f,"
        "\"arenaBytesPerEvent\":%.1f}",
        name, (long long)nj_bench_percentile(result->rates, SLICES, 0.5),
        (double)result->allocated.bytes / events, (double)result->allocated.calls / events,
        (double)result->pass.arena_bytes / events);
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "protobuf") != 0 && strcmp(argv[1], "json") != 0))
        nj_bench_fail("usage: bench_decode (protobuf|json) FILE");
    struct stream stream = {.encoding = strcmp(argv[1], "json") == 0 ? NJ_KUBE_JSON : NJ_KUBE_PROTOBUF};
    char *bytes = nj_bench_read(argv[2], &stream.len);
    stream.bytes = bytes;
    event_fn *peer_event = stream.encoding == NJ_KUBE_JSON ? parse_json : unpack_protobuf;

    struct pass warm_up = {.encoding = stream.encoding};
    struct result ours = {.pass.encoding = stream.encoding};
    struct result peer = {.pass.encoding = stream.encoding};
    nj_arena_init(&warm_up.arena, ARENA_MAX);
    nj_arena_init(&ours.pass.arena, ARENA_MAX);
    run_pass(&stream, decode_event, &warm_up);
    run_pass(&stream, peer_event, &warm_up);
    for (int slice = 0; slice < SLICES; slice++) {
        run_slice(&stream, decode_event, &ours, slice);
        run_slice(&stream, peer_event, &peer, slice);
    }
    (void)printf("{\"streamBytes\":%zu,", stream.len);
    print_result("nightjar", &ours);
    (void)putchar(',');
    print_result("peer", &peer);
    (void)puts("}");
    nj_arena_done(&warm_up.arena);
    nj_arena_done(&ours.pass.arena);
    free(bytes);
    return EXIT_SUCCESS;
}
