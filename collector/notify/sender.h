/*
 * Takes one delivery through its requests: token, upload, message. Loop thread only.
 *
 * Requests that tell people go out on a connection of their own: libcurl repeats by itself what it sent on a
 * kept one.
 */
#ifndef NJ_NOTIFY_SENDER_H
#define NJ_NOTIFY_SENDER_H

#include "collector/notify/channel.h"
#include "common/loop/http.h"

struct nj_sender;

struct nj_sender_options {
    struct nj_http *http;
    const struct nj_target *target;     /* borrowed until on_done() */
    const struct nj_delivery *delivery; /* likewise */
    const char *token;                  /* one that may still be good; NULL: none */
    /* Once, from the loop, never from inside nj_sender_start(). `token` is the one that is good as far as is
     * known, NULL when there is none; token_life_ns is 0 unless it was fetched just now. The sender is freed
     * afterwards. */
    void (*on_done)(void *data, const struct nj_outcome *outcome, const char *token, int64_t token_life_ns);
    void *data;
};

/* 0, or a negative errno with a text when not even a request could be made: nothing left, on_done() does not
 * follow. */
int nj_sender_start(const struct nj_sender_options *options, struct nj_sender **ret_sender,
                    struct nj_err *err);

/* Ends with RELEASED if people cannot have been told; else the answer is waited for. on_done() follows. */
void nj_sender_stop(struct nj_sender *sender);

#endif
