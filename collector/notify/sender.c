#include "collector/notify/sender.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/str.h"

/* Token, upload, message, and once again after a token that was no good. */
enum { REQUESTS_MAX = 8 };
#define CONNECT_TIMEOUT_NS (10 * NJ_SEC)

struct nj_sender {
    struct nj_sender_options options;
    struct nj_sending sending;
    enum nj_step step;
    struct nj_http_request *request;
    int requests;
    bool renewed; /* the token was fetched for this delivery */
    bool stopping;
};

static void on_answer(void *data, const struct nj_http_result *result);

static void finish(struct nj_sender *sender, const struct nj_outcome *outcome)
{
    const struct nj_sender_options *options = &sender->options;
    options->on_done(options->data, outcome, sender->sending.token,
                     sender->renewed ? sender->sending.token_life_ns : 0);
    nj_sending_done(&sender->sending);
    free(sender);
}

static int start_request(struct nj_sender *sender, struct nj_err *err)
{
    const struct nj_target *target = sender->options.target;
    const struct nj_delivery *delivery = sender->options.delivery;
    sender->step = target->ops->next_step(target, &sender->sending);
    struct nj_channel_request request = {0};
    target->ops->request(target, &sender->sending, sender->step, &request);
    const struct nj_http_tls tls = {.ca_file = target->config.ca_file};
    int64_t timeout_ns = target->config.timeout_ns;
    const struct nj_http_options options = {
        .method = request.method,
        .url = nj_buf_str(&request.url),
        .headers = (const char *const *)request.headers,
        .body = request.is_upload ? delivery->file : nj_buf_str(&request.body),
        .body_len = request.is_upload ? delivery->file_len : request.body.len,
        .file_field = request.is_upload ? "media" : NULL,
        .file_name = request.is_upload ? delivery->file_name : NULL,
        .tls = nj_str(tls.ca_file)[0] == '\0' ? NULL : &tls,
        .connect_timeout_ns = timeout_ns < CONNECT_TIMEOUT_NS ? timeout_ns : CONNECT_TIMEOUT_NS,
        .timeout_ns = timeout_ns,
        .max_body_bytes = NJ_ANSWER_BYTES_MAX,
        .fresh_connection = sender->step == NJ_STEP_SEND,
        .on_done = on_answer,
        .data = sender,
    };
    sender->requests++;
    int rc = nj_http_start(sender->options.http, &options, &sender->request, err);
    nj_channel_request_done(&request);
    return rc;
}

/* What to do about a step's outcome: true when another request is on its way. */
static bool go_on(struct nj_sender *sender, struct nj_outcome *outcome)
{
    if (outcome->kind == NJ_OUTCOME_NEXT && sender->step == NJ_STEP_TOKEN)
        sender->renewed = true;
    bool again = outcome->kind == NJ_OUTCOME_NEXT;
    if (outcome->kind == NJ_OUTCOME_TOKEN) {
        /* One that was just fetched and is no good: fetching more would not help. */
        again = !sender->renewed;
        nj_secret_free(sender->sending.token);
        sender->sending.token = NULL;
        outcome->kind = NJ_OUTCOME_RETRY;
    }
    if (!again || sender->requests >= REQUESTS_MAX)
        return false;
    if (sender->stopping) {
        nj_outcome_set(outcome, NJ_OUTCOME_RELEASED, "stopped before it was sent");
        return false;
    }
    struct nj_err err = {0};
    int rc = start_request(sender, &err);
    if (rc < 0) {
        nj_outcome_set(outcome, NJ_OUTCOME_RETRY, "%s", err.text);
        outcome->untouched = true;
    }
    return rc == 0;
}

static void on_answer(void *data, const struct nj_http_result *result)
{
    struct nj_sender *sender = data;
    struct nj_outcome outcome = {.kind = NJ_OUTCOME_RETRY, .retry_after_ns = -1};
    sender->request = NULL;
    if (result->error == -ECANCELED && !(sender->step == NJ_STEP_SEND && result->maybe_sent))
        nj_outcome_set(&outcome, NJ_OUTCOME_RELEASED, "stopped before it was sent");
    else
        nj_channel_answer(sender->options.target, &sender->sending, sender->step, result, &outcome);
    if (!go_on(sender, &outcome))
        finish(sender, &outcome);
}

int nj_sender_start(const struct nj_sender_options *options, struct nj_sender **ret_sender,
                    struct nj_err *err)
{
    struct nj_sender *sender = NJ_NEW(struct nj_sender);
    sender->options = *options;
    sender->sending = (struct nj_sending){.delivery = options->delivery, .token = nj_strdup(options->token)};
    int rc = start_request(sender, err);
    if (rc < 0) {
        nj_sending_done(&sender->sending);
        free(sender);
        return rc;
    }
    *ret_sender = sender;
    return 0;
}

void nj_sender_stop(struct nj_sender *sender)
{
    sender->stopping = true;
    if (sender->step != NJ_STEP_SEND && sender->request != NULL)
        nj_http_cancel(sender->request);
}
