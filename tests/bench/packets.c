#include "tests/bench/packets.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/wire/batch.h"
#include "tests/bench/measure.h"

enum {
    PODS = 20, /* of an agent */
    WORKLOADS = 200,
    NAMESPACES = 20,
    LOG_LINES = 10,
    NAME_MAX_BYTES = 32,
    TEXT_MAX_BYTES = 96, /* what a name is part of */
};

/* An agent and its place in its stream. */
struct agent {
    int number;
    char node[NAME_MAX_BYTES];
    char stream[NJ_EVENT_ID_MAX];
    uint64_t seq;
    uint32_t random;
};

static uint32_t next_random(struct agent *agent)
{
    /* xorshift32, Marsaglia, Journal of Statistical Software 8 (2003) */
    agent->random ^= agent->random << 13;
    agent->random ^= agent->random >> 17;
    agent->random ^= agent->random << 5;
    return agent->random;
}

static int64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NJ_SEC + now.tv_nsec;
}

static void write_log(struct agent *agent, int64_t at_ns, struct nj_buf *log)
{
    nj_buf_clear(log);
    for (int line = 0; line < LOG_LINES; line++) {
        char time[NJ_TIME_TEXT_MAX];
        uint32_t random = next_random(agent);
        (void)nj_buf_printf(log, "%s %s request %08x: upstream 10.%u.%u.%u:8080 refused after %u ms\n",
                            nj_time_format(at_ns - NJ_MS * 37 * (LOG_LINES - line), time),
                            line + 1 == LOG_LINES ? "FATAL" : "WARN", random, random & 15, random >> 8 & 255,
                            random >> 16 & 255, random >> 20);
    }
}

/* One more crash of the agent's pods, encoded at the end of `out`. */
static void encode_crash(struct agent *agent, int64_t at_ns, struct nj_buf *log, struct nj_buf *out)
{
    int pod = (int)(agent->seq % PODS);
    int workload = (agent->number * PODS + pod) % WORKLOADS;
    char namespace[NAME_MAX_BYTES], workload_name[NAME_MAX_BYTES], pod_name[TEXT_MAX_BYTES];
    char image[TEXT_MAX_BYTES], container_id[TEXT_MAX_BYTES];
    char uid[NJ_EVENT_ID_MAX], id[NJ_EVENT_ID_MAX], instance[NJ_EVENT_ID_MAX];
    (void)snprintf(namespace, sizeof(namespace), "team-%d", workload % NAMESPACES);
    (void)snprintf(workload_name, sizeof(workload_name), "service-%d", workload);
    (void)snprintf(pod_name, sizeof(pod_name), "%s-5d8f7c9b4-%d-%d", workload_name, agent->number, pod);
    (void)snprintf(image, sizeof(image), "registry.example/%s:1.4.2", workload_name);
    (void)snprintf(instance, sizeof(instance), "%llu", (unsigned long long)agent->seq);
    (void)nj_event_id(uid, agent->stream, pod_name, NULL);
    uid[36] = '\0'; /* as long as a UUID */
    (void)nj_event_id(id, uid, "app", instance, NULL);
    (void)snprintf(container_id, sizeof(container_id), "containerd://%s", id);
    write_log(agent, at_ns, log);
    struct nj_event event = {
        .id = id,
        .at_ns = at_ns,
        .seen_ns = at_ns + 30 * NJ_MS,
        .type = NJ_EVENT_CRASH,
        .subject = {.namespace = namespace,
                    .pod = pod_name,
                    .pod_uid = uid,
                    .node = agent->node,
                    .workload_kind = "Deployment",
                    .workload = workload_name,
                    .container = "app"},
        .crash = {.container_id = container_id,
                  .container_type = "app",
                  .image = image,
                  .reason = "Error",
                  .message = "",
                  .exit_code = 1,
                  .attempt = (int32_t)(agent->seq / PODS),
                  .restart_count = (int32_t)(agent->seq / PODS),
                  .started_ns = at_ns - NJ_MIN,
                  .finished_ns = at_ns,
                  .memory_limit_bytes = 128 << 20,
                  .cpu_limit_millis = 500,
                  .log = {.text = log->data, .len = log->len, .lines = LOG_LINES, .source = "file"}},
    };
    if (nj_event_encode(&event, out) < 0)
        nj_bench_fail("an event cannot be encoded");
}

/* Memory that is used for every batch anew. */
struct scratch {
    struct nj_sealer *sealer;
    struct nj_buf log, events, batch, packet;
    struct nj_encoded_event *encoded;
    size_t *ends; /* of each event in `events`, which may move while it grows */
};

static void seal_batch(struct agent *agent, uint64_t request, int count, const struct nj_keyring *keyring,
                       struct scratch *scratch, struct nj_bench_packet *packet)
{
    int64_t now = wall_ns();
    nj_buf_clear(&scratch->events);
    nj_buf_clear(&scratch->batch);
    nj_buf_clear(&scratch->packet);
    for (int i = 0; i < count; i++) {
        scratch->encoded[i].seq = ++agent->seq;
        encode_crash(agent, now + i * NJ_MS / 1000, &scratch->log, &scratch->events);
        scratch->ends[i] = scratch->events.len;
    }
    for (int i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : scratch->ends[i - 1];
        scratch->encoded[i].bytes = scratch->events.data + begin;
        scratch->encoded[i].len = scratch->ends[i] - begin;
    }
    struct nj_batch batch = {.version = NJ_WIRE_VERSION,
                             .cluster = "bench",
                             .node = agent->node,
                             .stream = agent->stream,
                             .request = request,
                             .sent_ns = now,
                             .status = {.version = NJ_VERSION,
                                        .started_ns = now,
                                        .outbox_events = (uint64_t)count,
                                        .pods = PODS,
                                        .watch_synced = true}};
    if (nj_batch_encode(&batch, scratch->encoded, (size_t)count, &scratch->batch) < 0 ||
        nj_seal(scratch->sealer, keyring, NJ_PACKET_REQUEST, packet->nonce, scratch->batch.data,
                scratch->batch.len, &scratch->packet) < 0)
        nj_bench_fail("a batch cannot be sealed");
    packet->len = scratch->packet.len;
    packet->bytes = nj_calloc(packet->len, 1);
    memcpy(packet->bytes, scratch->packet.data, packet->len);
    packet->last_seq = agent->seq;
}

struct nj_bench_packet *nj_bench_packets_new(const struct nj_bench_load *load, int number,
                                             const struct nj_keyring *keyring, uint64_t *plain_bytes)
{
    struct agent agent = {.number = number, .random = (uint32_t)number * 2654435761U + 1};
    char started[NAME_MAX_BYTES];
    (void)snprintf(agent.node, sizeof(agent.node), "node-%d", number);
    (void)snprintf(started, sizeof(started), "%lld", (long long)wall_ns());
    (void)nj_event_id(agent.stream, agent.node, started, NULL);
    agent.stream[32] = '\0'; /* 16 random bytes in hex, as an outbox's */

    size_t events = (size_t)load->batch_events;
    struct scratch scratch = {.sealer = nj_sealer_new(),
                              .encoded = nj_calloc(events, sizeof(*scratch.encoded)),
                              .ends = nj_calloc(events, sizeof(*scratch.ends))};
    struct nj_bench_packet *packets = nj_calloc((size_t)load->batches, sizeof(*packets));
    for (int i = 0; i < load->batches; i++) {
        seal_batch(&agent, (uint64_t)i + 1, load->batch_events, keyring, &scratch, &packets[i]);
        *plain_bytes += scratch.batch.len;
    }
    nj_sealer_free(scratch.sealer);
    nj_buf_done(&scratch.log);
    nj_buf_done(&scratch.events);
    nj_buf_done(&scratch.batch);
    nj_buf_done(&scratch.packet);
    free(scratch.encoded);
    free(scratch.ends);
    return packets;
}

void nj_bench_packets_free(struct nj_bench_packet *packets, int count)
{
    for (int i = 0; i < count; i++)
        free(packets[i].bytes);
    free(packets);
}
