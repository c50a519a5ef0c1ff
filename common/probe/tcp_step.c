/*
 * TCP, in clear or over TLS: connects, sends what is to be sent, and waits until what is expected has come.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/probe/http_step.h"
#include "common/probe/pattern.h"

enum {
    ANSWER_MAX = 64 * 1024,    /* bytes; what is expected has to come within them */
    LOOKS_AT_EVERY_PIECE = 64, /* then only at so many more bytes at once: */
    LOOK_BYTES = 4 * 1024,
};

struct exchange {
    struct nj_http_exchange http;
    struct nj_buf answer;
    size_t looks, looked_at; /* how often the answer was compared, and how long it was */
    struct nj_pattern_budget budget;
    bool complete; /* everything that was waited for is there */
};

static bool wants_answer(const struct nj_step *step)
{
    return step->expect.bodies_count > 0 || step->extracts_count > 0 || step->expect.min_bytes > 0 ||
           step->expect.max_bytes >= 0;
}

/* Is there nothing left to wait for? What must not come is judged by what came until then. */
static bool is_complete(const struct nj_step *step, const char *answer, size_t len,
                        struct nj_pattern_budget *budget)
{
    if (step->expect.min_bytes > 0 && len < (size_t)step->expect.min_bytes)
        return false;
    for (size_t i = 0; i < step->expect.bodies_count; i++) {
        const struct nj_body_expect *body = &step->expect.bodies[i];
        if (!body->absent && nj_pattern_match(body->pattern, answer, len, budget, NULL) != 1)
            return false;
    }
    for (size_t i = 0; i < step->extracts_count; i++) {
        if (nj_pattern_match(step->extracts[i].pattern, answer, len, budget, NULL) != 1)
            return false;
    }
    return true;
}

static int on_data(void *data, const char *bytes, size_t len)
{
    struct exchange *exchange = data;
    const struct nj_step *step = exchange->http.run->request.step;
    struct nj_buf *answer = &exchange->answer;
    size_t room = answer->max - answer->len;
    (void)nj_buf_append(answer, bytes, len < room ? len : room);
    if (exchange->looks >= LOOKS_AT_EVERY_PIECE && answer->len < exchange->looked_at + LOOK_BYTES &&
        len < room)
        return 0;
    exchange->looks++;
    exchange->looked_at = answer->len;
    exchange->complete = is_complete(step, answer->data, answer->len, &exchange->budget);
    if (exchange->complete)
        return -ECANCELED;
    return len < room ? 0 : -EMSGSIZE;
}

static void on_connected(void *data, struct nj_http_request *request)
{
    struct exchange *exchange = data;
    struct nj_step_run *run = exchange->http.run;
    if (run == NULL)
        return;
    if (run->request.send_len > 0)
        (void)nj_http_send(request, run->request.send, run->request.send_len);
    if (!wants_answer(run->request.step)) {
        exchange->complete = true;
        nj_http_cancel(request);
    }
}

static void take_answer(struct exchange *exchange, int error)
{
    struct nj_step_run *run = exchange->http.run;
    struct nj_step_response *response = &run->response;
    const struct nj_buf *answer = &exchange->answer;
    response->body = nj_buf_str(answer);
    response->body_len = answer->len;
    response->status = 0;
    if (exchange->complete || (answer->len > 0 && error != -EMSGSIZE)) {
        /* Also when it closed or fell silent after something else than was expected: that is what a person
         * wants to see. */
        response->cause = NJ_CAUSE_NONE;
    } else if (error == -EMSGSIZE) {
        response->cause = NJ_CAUSE_TOO_LARGE;
        response->phase = NJ_PHASE_TRANSFER;
        (void)snprintf(response->got, sizeof(response->got), "%zu bytes without what is expected",
                       answer->len);
    } else if (response->cause == NJ_CAUSE_NONE) {
        response->cause = NJ_CAUSE_RESET;
        response->phase = NJ_PHASE_FIRST_BYTE;
        (void)snprintf(response->got, sizeof(response->got), "the connection was closed without an answer");
    }
}

static void on_done(void *data, const struct nj_http_result *result)
{
    struct exchange *exchange = data;
    struct nj_step_run *run = exchange->http.run;
    if (run != NULL) {
        nj_http_step_result(run, result);
        take_answer(exchange, result->error);
        run->prober_data = NULL;
        run->done(run);
    }
    nj_buf_done(&exchange->answer);
    free(exchange);
}

static int start(struct nj_step_run *run, struct nj_err *err)
{
    struct exchange *exchange = NJ_NEW(struct exchange);
    nj_buf_init(&exchange->answer,
                run->request.max_body_bytes < ANSWER_MAX ? run->request.max_body_bytes : ANSWER_MAX);
    struct nj_http_tls tls;
    struct nj_http_options options;
    struct nj_buf url = {0};
    nj_http_step_options(run, &tls, &options);
    nj_http_step_url(run, run->request.step->tls ? "https" : "http", &url);
    options.url = nj_buf_str(&url);
    options.on_connected = on_connected;
    options.on_data = on_data;
    options.on_done = on_done;
    options.data = exchange;
    int rc = nj_http_step_begin(run, &exchange->http, &options, err);
    nj_buf_done(&url);
    if (rc < 0)
        free(exchange);
    return rc;
}

const struct nj_step_prober nj_tcp_step = {.name = "tcp", .start = start, .cancel = nj_http_step_cancel};
