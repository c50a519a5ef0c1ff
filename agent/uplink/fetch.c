#include "agent/uplink/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum {
    REQUESTS_RESERVED = 1024, /* numbers taken from the outbox's file at a time */
    KEPT_BYTES = 64 << 10,    /* of a buffer, from job to job */
};

static const char request_name[] = "uplink.request";

/* The number of the next packet, higher than any before, also of earlier processes. A reservation that cannot
 * be written is tried again with the next packet; should the process end before, the collector says where to
 * go on. */
static int next_request(struct nj_fetch *fetch, struct nj_err *err)
{
    int rc = 0;
    if (!fetch->started) {
        rc = nj_outbox_get_number(fetch->outbox, request_name, &fetch->reserved, err);
        if (rc < 0)
            return rc;
        fetch->started = true;
        if (fetch->request < fetch->reserved)
            fetch->request = fetch->reserved;
    }
    fetch->request++;
    if (fetch->request <= fetch->reserved)
        return 0;
    uint64_t upto = fetch->request - 1 + REQUESTS_RESERVED;
    rc = nj_outbox_put_number(fetch->outbox, request_name, upto, err);
    if (rc == 0)
        fetch->reserved = upto;
    return rc;
}

/* The caller frees the list; its names stay the fetch's. */
static const char **list_namespaces(const struct nj_fetch *fetch)
{
    const char **names = nj_calloc(fetch->namespaces_count + 1, sizeof(*names));
    const char *at = nj_buf_str(&fetch->namespaces);
    for (size_t i = 0; i < fetch->namespaces_count; i++) {
        names[i] = at;
        at += strlen(at) + 1;
    }
    return names;
}

static int make_packet(struct nj_fetch *fetch, struct nj_err *err)
{
    struct nj_outbox_stats stats;
    nj_outbox_stats(fetch->outbox, &stats);
    const char **namespaces = list_namespaces(fetch);
    struct nj_batch batch = {
        .version = NJ_WIRE_VERSION,
        .cluster = fetch->cluster,
        .node = fetch->node,
        .stream = nj_outbox_stream(fetch->outbox),
        .request = fetch->request,
        .sent_ns = nj_clock_wall_ns(fetch->clock),
        .status = fetch->status,
        .plan_version = fetch->plan_version,
        .plan_namespaces = namespaces,
        .plan_namespaces_count = fetch->namespaces_count,
    };
    batch.status.outbox_events = stats.events;
    batch.status.outbox_bytes = stats.bytes;
    batch.status.dropped_events = 0;
    for (int i = 0; i < NJ_OUTBOX_CLASSES; i++)
        batch.status.dropped_events += stats.dropped[i];

    struct nj_buf plain = {.max = NJ_BATCH_BYTES_MAX};
    int rc = nj_batch_encode(&batch, fetch->page.events, fetch->page.count, &plain);
    if (rc == 0)
        rc = nj_seal(fetch->sealer, fetch->keyring, NJ_PACKET_REQUEST, fetch->nonce, plain.data, plain.len,
                     &fetch->packet);
    nj_buf_done(&plain);
    free(namespaces);
    if (rc < 0) {
        nj_buf_clear(&fetch->packet);
        return nj_err_set(err, rc, "cannot make a packet of %zu events: %s", fetch->page.count,
                          strerror(-rc));
    }
    return 0;
}

/* Keeps the first failure for the loop. */
static int note(struct nj_fetch *fetch, int rc, const struct nj_err *err)
{
    if (rc < 0 && fetch->rc == 0) {
        fetch->rc = rc;
        fetch->err = *err;
    }
    return rc;
}

static void run(struct nj_job *job)
{
    struct nj_fetch *fetch = job->data;
    struct nj_err err = {0};
    fetch->rc = 0;
    fetch->page.count = 0;
    nj_buf_clear(&fetch->packet);
    int rc = 0;
    if (fetch->continue_above > 0) {
        rc = note(fetch, nj_outbox_continue_above(fetch->outbox, fetch->continue_above, &err), &err);
        if (rc == 0)
            fetch->continue_above = 0;
    }
    /* Not before: under their old numbers the events would be taken for acknowledged. */
    if (rc == 0) {
        (void)note(fetch, nj_outbox_ack(fetch->outbox, fetch->committed, &err), &err);
        (void)note(fetch,
                   nj_outbox_read(fetch->outbox, fetch->committed, fetch->batch_events, fetch->batch_bytes,
                                  &fetch->page, &err),
                   &err);
    }
    if (fetch->page.count == 0 && !fetch->even_empty)
        return;
    (void)note(fetch, next_request(fetch, &err), &err);
    (void)note(fetch, make_packet(fetch, &err), &err);
    /* The packet holds what the page did; large memory goes back at once, an agent is small. */
    if (fetch->page.bytes.capacity > KEPT_BYTES)
        nj_buf_done(&fetch->page.bytes);
}

void nj_fetch_init(struct nj_fetch *fetch)
{
    *fetch = (struct nj_fetch){.job = {.run = run, .data = fetch}, .sealer = nj_sealer_new()};
}

void nj_fetch_done(struct nj_fetch *fetch)
{
    nj_outbox_page_done(&fetch->page);
    nj_buf_done(&fetch->packet);
    nj_buf_done(&fetch->namespaces);
    nj_sealer_free(fetch->sealer);
}
