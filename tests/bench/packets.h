/*
 * What simulated agents will send, made before the clock starts: sealed batches of crashes, as an agent's
 * uplink makes them.
 *
 * Every event is a crash of its own (a new container instance) with a log of LOG_LINES lines, about 800
 * bytes, whose numbers and times differ. Each agent has 20 pods; they belong to 200 workloads in 20
 * namespaces, so that crashes fold into at most 200 incidents with up to 20 pods of each agent in them.
 */
#ifndef NJ_BENCH_PACKETS_H
#define NJ_BENCH_PACKETS_H

#include "common/wire/seal.h"

struct nj_bench_load {
    int agents;
    int batches;      /* of each agent */
    int batch_events; /* in each batch */
};

struct nj_bench_packet {
    char *bytes;
    size_t len;
    uint8_t nonce[NJ_SEAL_NONCE]; /* for opening its reply */
    uint64_t last_seq;            /* of its events */
};

/* An array of load->batches packets for agent number `agent`, in the order of sending; plain_bytes is added
 * to. Exits when it cannot. */
struct nj_bench_packet *nj_bench_packets_new(const struct nj_bench_load *load, int agent,
                                             const struct nj_keyring *keyring, uint64_t *plain_bytes);
void nj_bench_packets_free(struct nj_bench_packet *packets, int count);

#endif
