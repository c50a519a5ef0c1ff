/*
 * Whether a channel can be used now, learnt from how its messages fared. Pure: takes the time (monotonic
 * ns). One thread.
 *
 * After a failure the channel rests, doubling from 2 s to 5 min; each rest ends with one message that finds
 * out. While a channel that failed more often than its retries rests, or when it is broken until the
 * configuration changes, its alerts are better told elsewhere: it is closed.
 */
#ifndef NJ_NOTIFY_CIRCUIT_H
#define NJ_NOTIFY_CIRCUIT_H

#include "collector/notify/channel.h"

struct nj_circuit {
    int64_t retries;
    int failures;                   /* in a row */
    int64_t rest_ns;                /* nothing is sent before */
    bool is_broken;                 /* nothing is sent at all */
    char text[NJ_OUTCOME_TEXT_MAX]; /* the latest failure */
};

void nj_circuit_init(struct nj_circuit *circuit, int64_t retries);

/* How an alert fared, or (is_file) a log file, whose own troubles say little about alerts. */
void nj_circuit_note(struct nj_circuit *circuit, const struct nj_outcome *outcome, bool is_file,
                     int64_t now_ns);

/* It has failed more often than a message may be retried. */
bool nj_circuit_failed(const struct nj_circuit *circuit);

/* Why alerts are better told elsewhere now; NULL: they are not. */
const char *nj_circuit_closed(const struct nj_circuit *circuit, int64_t now_ns);

#endif
