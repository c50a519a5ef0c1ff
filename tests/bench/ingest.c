/*
 * bench_ingest PORT KEY_FILE AGENTS BATCHES BATCH_EVENTS SECONDS: simulated agents against a real collector.
 *
 * Each agent sends its batches one after the other, the next as soon as the one before is acknowledged. What
 * is sent is made before the clock starts (packets.h); it ends with the last acknowledgement, after all
 * batches or after SECONDS, whichever is first. A batch's latency is the time from its sending to its
 * acknowledgement, which the collector gives after its commit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/wire/batch.h"
#include "tests/bench/measure.h"
#include "tests/bench/packets.h"
#include "tests/bench/sp_client.h"

enum {
    SILENCE_MS = 15000, /* without any acknowledgement: the collector is dead */
    ACK_ARENA_MAX = 1 << 20,
};

struct agent {
    struct nj_bench_packet *packets;
    int next; /* the packet that is under way or will be sent next */
    int64_t sent_ns;
};

struct run {
    struct nj_bench_load load;
    struct nj_keyring *keyring;
    struct nj_sealer *sealer;
    struct nj_sp_client *client;
    struct nj_buf plain;
    struct nj_arena arena;
    struct agent *agents;
    int64_t began_ns, began_cpu_ns, last_ack_ns, deadline_ns;
    int under_way;
    uint64_t busy, sent_bytes;
    int64_t *latencies;
    size_t acked; /* batches */
};

static void send_next(struct run *run, int number)
{
    struct agent *agent = &run->agents[number];
    agent->sent_ns = nj_bench_mono_ns();
    if (agent->next == run->load.batches || agent->sent_ns > run->deadline_ns)
        return;
    const struct nj_bench_packet *packet = &agent->packets[agent->next];
    run->under_way++;
    run->sent_bytes += packet->len;
    nj_sp_client_send(run->client, number, packet->bytes, packet->len);
}

static void on_reply(void *data, int number, const void *bytes, size_t len)
{
    struct run *run = data;
    struct agent *agent = &run->agents[number];
    struct nj_bench_packet *packet = &agent->packets[agent->next];
    int64_t now = nj_bench_mono_ns();
    struct nj_err err;
    struct nj_ack ack;
    nj_buf_clear(&run->plain);
    nj_arena_reset(&run->arena);
    if (nj_unseal(run->sealer, run->keyring, NJ_PACKET_REPLY, packet->nonce, bytes, len, NJ_ACK_BYTES_MAX,
                  &run->plain, &err) < 0 ||
        nj_ack_decode(run->plain.data, run->plain.len, &run->arena, &ack, &err) < 0)
        nj_bench_fail("agent %d: %s", number, err.text);
    if (ack.refusal != NJ_REFUSAL_NONE || ack.committed < packet->last_seq)
        nj_bench_fail("agent %d: refused, or not committed: \"%s\"", number, ack.refused);
    run->under_way--;
    run->last_ack_ns = now;
    run->latencies[run->acked++] = now - agent->sent_ns;
    agent->next++;
    send_next(run, number);
}

static uint64_t prepare(struct run *run)
{
    uint64_t plain_bytes = 0;
    run->agents = nj_calloc((size_t)run->load.agents, sizeof(*run->agents));
    run->latencies = nj_calloc((size_t)run->load.agents * (size_t)run->load.batches, sizeof(*run->latencies));
    for (int i = 0; i < run->load.agents; i++)
        run->agents[i].packets = nj_bench_packets_new(&run->load, i, run->keyring, &plain_bytes);
    return plain_bytes;
}

static void print_result(struct run *run, uint64_t plain_bytes)
{
    double seconds = (double)(run->last_ack_ns - run->began_ns) / (double)NJ_SEC;
    double events = (double)run->acked * run->load.batch_events;
    double all_events = (double)run->load.agents * run->load.batches * run->load.batch_events;
    (void)printf("{\"events\":%.0f,\"batches\":%zu,\"seconds\":%.4f,\"eventsPerSecond\":%.1f,"
                 "\"wireBytesPerEvent\":%.1f,\"plainBytesPerEvent\":%.1f,\"generatorCpuSeconds\":%.3f",
                 events, run->acked, seconds, events / seconds, (double)run->sent_bytes / events,
                 (double)plain_bytes / all_events,
                 (double)(nj_bench_cpu_ns() - run->began_cpu_ns) / (double)NJ_SEC);
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1.0}};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        int64_t latency = nj_bench_percentile(run->latencies, run->acked, shares[i].share);
        (void)printf(",\"%sMs\":%.2f", shares[i].name, (double)latency / (double)NJ_MS);
    }
    (void)puts("}");
}

static void load_key(struct run *run, const char *path)
{
    struct nj_err err;
    if (nj_keyring_load("key file", path, &run->keyring, &err) < 0)
        nj_bench_fail("%s", err.text);
    run->sealer = nj_sealer_new();
}

static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        nj_bench_fail("usage: bench_ingest PORT KEY_FILE AGENTS BATCHES BATCH_EVENTS SECONDS");
    struct run run = {.load = {.agents = (int)strtol(argv[3], NULL, 10),
                               .batches = (int)strtol(argv[4], NULL, 10),
                               .batch_events = (int)strtol(argv[5], NULL, 10)}};
    nj_arena_init(&run.arena, ACK_ARENA_MAX);
    raise_open_files();
    load_key(&run, argv[2]);
    uint64_t plain_bytes = prepare(&run);
    run.client = nj_sp_client_new((int)strtol(argv[1], NULL, 10), run.load.agents, on_reply, &run);

    run.began_ns = nj_bench_mono_ns();
    run.began_cpu_ns = nj_bench_cpu_ns();
    run.deadline_ns = run.began_ns + strtol(argv[6], NULL, 10) * NJ_SEC;
    for (int i = 0; i < run.load.agents; i++)
        send_next(&run, i);
    while (run.under_way > 0) {
        if (nj_sp_client_run(run.client, SILENCE_MS) == 0)
            nj_bench_fail("no acknowledgement for %d s, %d batches are out", SILENCE_MS / 1000,
                          run.under_way);
    }
    print_result(&run, plain_bytes);

    nj_sp_client_free(run.client);
    for (int i = 0; i < run.load.agents; i++)
        nj_bench_packets_free(run.agents[i].packets, run.load.batches);
    free(run.agents);
    free(run.latencies);
    nj_buf_done(&run.plain);
    nj_arena_done(&run.arena);
    nj_sealer_free(run.sealer);
    nj_keyring_free(run.keyring);
    return EXIT_SUCCESS;
}
