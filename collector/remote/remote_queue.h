/*
 * What waits to be sent, oldest first, at most so many samples. Loop thread only.
 */
#ifndef NJ_REMOTE_REMOTE_QUEUE_H
#define NJ_REMOTE_REMOTE_QUEUE_H

#include "collector/remote/remote_internal.h"
#include "common/wire/event.h"

struct nj_remote_queue {
    struct nj_remote_entry *entries; /* list */
    size_t samples, max_samples;
    size_t held;                    /* entries at the beginning that are being sent: they stay */
    uint64_t pushed, full, invalid; /* samples since the start: taken, dropped for want of room, not sent for
                               a label that is no UTF-8 */
};

/* The minutes' samples, at the end of the queue. */
void nj_remote_queue_usage(struct nj_remote_queue *queue, const char *cluster, const char *node,
                           const struct nj_usage *usage);
void nj_remote_queue_rollups(struct nj_remote_queue *queue, const char *cluster,
                             const struct nj_rollups *rollups);
/* How many entries from the beginning on have together at most `samples` samples, but at least one when there
 * is one; and how many samples they have. */
size_t nj_remote_queue_batch(const struct nj_remote_queue *queue, size_t samples, size_t *ret_samples);
/* Takes so many from the beginning. */
void nj_remote_queue_pop(struct nj_remote_queue *queue, size_t entries);

#endif
