#include "common/probe/prober.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/alloc.h"
#include "common/base/str.h"
#include "common/probe/http_step.h"
#include "common/probe/prober_internal.h"

const struct nj_step_prober *nj_step_prober_of(enum nj_step_kind kind)
{
    static const struct nj_step_prober *const probers[NJ_STEP_DNS + 1] = {
        [NJ_STEP_HTTP] = &nj_http_step,
        [NJ_STEP_TCP] = &nj_tcp_step,
        [NJ_STEP_GRPC] = &nj_grpc_step,
        [NJ_STEP_DNS] = &nj_dns_step,
    };
    return probers[kind];
}

struct nj_prober *nj_prober_new(const struct nj_prober_options *options)
{
    struct nj_http *http = nj_http_new(options->loop, (long)options->max_connections);
    if (http == NULL)
        return NULL;
    struct nj_prober *prober = NJ_NEW(struct nj_prober);
    prober->options = *options;
    prober->http = http;
    prober->open = 1;
    return prober;
}

void nj_prober_set_allowed(struct nj_prober *prober, char *const *allowed, size_t count)
{
    prober->options.allowed = allowed;
    prober->options.allowed_count = count;
}

void nj_prober_set_redactor(struct nj_prober *prober, const struct nj_redactor *redactor)
{
    prober->options.redactor = redactor;
}

struct nj_http *nj_prober_http(struct nj_prober *prober)
{
    return prober->http;
}

static void one_closed(struct nj_prober *prober)
{
    if (--prober->open > 0)
        return;
    void (*on_closed)(void *data) = prober->on_closed;
    void *data = prober->on_closed_data;
    free(prober);
    if (on_closed != NULL)
        on_closed(data);
}

static void on_http_closed(void *data)
{
    one_closed(data);
}

void nj_prober_close(struct nj_prober *prober, void (*on_closed)(void *data), void *data)
{
    if (prober == NULL) {
        if (on_closed != NULL)
            on_closed(data);
        return;
    }
    assert(!prober->closing);
    prober->closing = true;
    prober->on_closed = on_closed;
    prober->on_closed_data = data;
    while (prober->runs != NULL)
        nj_probe_cancel(prober->runs);
    nj_http_close(prober->http, on_http_closed, prober);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct nj_probe_run *run = handle->data;
    struct nj_prober *prober = run->prober;
    free(run);
    one_closed(prober);
}

/* Everything but the struct itself, which libuv holds until the timer is closed. */
static void let_go(struct nj_probe_run *run)
{
    nj_vars_free(run->vars);
    nj_cookies_free(run->cookies);
    nj_spec_unref(run->spec);
    nj_arena_done(&run->arena);
    nj_arena_done(&run->step_arena);
    uv_close((uv_handle_t *)&run->timer, on_timer_closed);
}

void nj_run_end(struct nj_probe_run *run)
{
    run->ended = true;
    DL_DELETE(run->prober->runs, run);
    nj_result_finish(run);
    run->on_done(run->data, &run->result);
    let_go(run);
}

void nj_probe_cancel(struct nj_probe_run *run)
{
    if (run->ended) /* its on_done() is running */
        return;
    run->ended = true;
    DL_DELETE(run->prober->runs, run);
    if (run->running != NULL)
        run->running->cancel(&run->step_run);
    nj_lookup_cancel(run->lookup);
    let_go(run);
}

static void on_begin(uv_timer_t *timer)
{
    nj_chain_go_on(timer->data);
}

static int check_request(const struct nj_probe_request *request, struct nj_err *err)
{
    const struct nj_probe_target *target = &request->target;
    bool has_host = nj_str(target->host)[0] != '\0' && target->port != 0;
    for (size_t i = 0; i < request->spec->steps_count; i++) {
        /* The resolver's own servers need not be named. */
        if (!has_host && (nj_str(target->host)[0] != '\0' || request->spec->steps[i].kind != NJ_STEP_DNS))
            return nj_err_set(err, -EINVAL, "a target without a host or port");
        if (request->spec->steps[i].kind == NJ_STEP_HTTP && !nj_streq(target->scheme, "http") &&
            !nj_streq(target->scheme, "https"))
            return nj_err_set(err, -EINVAL, "%s is no scheme of HTTP", nj_str(target->scheme));
    }
    return 0;
}

static const char *copy(struct nj_probe_run *run, const char *text)
{
    const char *copied = text == NULL ? "" : nj_arena_strndup(&run->arena, text, strlen(text));
    if (copied == NULL)
        nj_out_of_memory();
    return copied;
}

/* As in URLs, hosts may come in brackets. */
static const char *copy_host(struct nj_probe_run *run, const char *host)
{
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']')
        return nj_str(nj_arena_strndup(&run->arena, host + 1, len - 2));
    return copy(run, host);
}

int nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                   struct nj_probe_run **ret_run, struct nj_err *err)
{
    if (prober->closing)
        return nj_err_set(err, -ESHUTDOWN, "the prober is closing");
    int rc = check_request(request, err);
    if (rc < 0)
        return rc;
    struct nj_probe_run *run = NJ_NEW(struct nj_probe_run);
    run->prober = prober;
    run->spec = nj_spec_ref(request->spec);
    nj_arena_init(&run->arena, NJ_RUN_ARENA_MAX);
    nj_arena_init(&run->step_arena, NJ_STEP_ARENA_MAX);
    run->vars = nj_vars_new(run->spec, request->secrets, request->secrets_count);
    run->cookies = nj_cookies_new();
    run->target = (struct nj_probe_target){.host = copy_host(run, request->target.host),
                                           .port = request->target.port,
                                           .scheme = copy(run, request->target.scheme),
                                           .path = copy(run, request->target.path),
                                           .authority = copy(run, request->target.authority),
                                           .trust = request->target.trust};
    run->ca_pem = copy(run, nj_str(request->ca_pem)[0] == '\0' ? run->spec->tls.ca_pem : request->ca_pem);
    run->on_done = request->on_done;
    run->data = request->data;
    nj_outcomes_init(run);
    uv_update_time(&prober->options.loop->uv);
    (void)uv_timer_init(&prober->options.loop->uv, &run->timer); /* cannot fail */
    run->timer.data = run;
    (void)uv_timer_start(&run->timer, on_begin, 0, 0);
    DL_APPEND(prober->runs, run);
    prober->open++;
    if (ret_run != NULL)
        *ret_run = run;
    return 0;
}
