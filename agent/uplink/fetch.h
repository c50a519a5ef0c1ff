/*
 * The uplink's work that blocks: forgetting what was acknowledged, reading what comes next, and sealing it
 * into a packet. Private to agent/uplink. While the job is under way everything in here is the worker's,
 * otherwise the loop's.
 */
#ifndef NJ_UPLINK_FETCH_H
#define NJ_UPLINK_FETCH_H

#include <stdbool.h>

#include "agent/outbox/outbox.h"
#include "common/base/clock.h"
#include "common/loop/worker.h"
#include "common/wire/seal.h"

struct nj_fetch {
    struct nj_job job;
    struct nj_outbox *outbox;
    const struct nj_keyring *keyring;
    const struct nj_clock *clock;
    const char *cluster, *node;
    size_t batch_events, batch_bytes;

    /* Orders. */
    uint64_t committed;      /* forget up to here, read what is above */
    uint64_t continue_above; /* not 0: first give what is queued numbers above this one */
    bool even_empty;         /* make a packet also when nothing is queued */
    struct nj_agent_status status;
    char plan_version[NJ_PLAN_VERSION_MAX];
    struct nj_buf namespaces; /* their names, each terminated */
    size_t namespaces_count;

    /* Results. */
    int rc; /* of the outbox or of making the packet; a packet may be there all the same */
    struct nj_err err;
    struct nj_outbox_page page;   /* what is in the packet */
    struct nj_buf packet;         /* empty: nothing to send */
    uint8_t nonce[NJ_SEAL_NONCE]; /* of the packet */

    /* Kept from job to job. */
    uint64_t request;  /* number of the last packet */
    uint64_t reserved; /* no process has used a number above this one */
    bool started;
    struct nj_sealer *sealer;
};

/* Every order and result is zero; `fetch` is the job's data. */
void nj_fetch_init(struct nj_fetch *fetch);
void nj_fetch_done(struct nj_fetch *fetch);

#endif
