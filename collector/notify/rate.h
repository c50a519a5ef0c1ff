/*
 * How many messages may still be sent: a sliding window of one minute. Pure: takes the time (wall ns, as it
 * is stored across restarts). A clock that was set back blocks nothing for longer than a minute. One thread.
 */
#ifndef NJ_NOTIFY_RATE_H
#define NJ_NOTIFY_RATE_H

#include <stddef.h>
#include <stdint.h>

struct nj_rate {
    size_t limit;      /* messages in any window, at least 1 */
    int64_t *times_ns; /* of the latest `count` messages, rising */
    size_t count, capacity;
};

#define NJ_RATE_WINDOW_NS (INT64_C(60) * 1000000000)

void nj_rate_init(struct nj_rate *rate, size_t limit);
void nj_rate_done(struct nj_rate *rate);

/* A new limit for the same history. */
void nj_rate_set_limit(struct nj_rate *rate, size_t limit);

/* One message was sent at that time. */
void nj_rate_add(struct nj_rate *rate, int64_t at_ns);

/* The latest message is known to have arrived only now. */
void nj_rate_touch(struct nj_rate *rate, int64_t now_ns);

/* How many may be sent now. */
size_t nj_rate_free(struct nj_rate *rate, int64_t now_ns);

/* How many were sent after that time, of the latest `limit` within the window. */
size_t nj_rate_since(const struct nj_rate *rate, int64_t since_ns);

/* When at least `wanted` (1 to the limit) may be sent: now_ns or later. */
int64_t nj_rate_when(struct nj_rate *rate, size_t wanted, int64_t now_ns);

#endif
