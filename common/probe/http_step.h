/*
 * What the step probers that go through common/loop/http.h share: HTTP itself, gRPC, and TCP over TLS.
 * Private to common/probe.
 *
 *     struct exchange { struct nj_http_exchange http; ... };  the step prober's own, freed by its on_done()
 *     struct nj_http_tls tls;
 *     struct nj_http_options options;
 *     nj_http_step_options(run, &tls, &options);
 *     options.url = ...; options.on_done = ...; options.data = exchange;
 *     nj_http_step_begin(run, &exchange->http, &options, err)
 *
 * TCP over TLS: options.url "https://HOST:PORT" (nj_http_step_url()) with options.on_connected and
 * options.on_data, see common/loop/http.h.
 */
#ifndef NJ_PROBE_HTTP_STEP_H
#define NJ_PROBE_HTTP_STEP_H

#include "common/base/buf.h"
#include "common/loop/http.h"
#include "common/probe/step.h"

struct nj_http *nj_prober_http(struct nj_prober *prober);

/* Outlives the run when that is cancelled: until the HTTP client is done with it. */
struct nj_http_exchange {
    struct nj_step_run *run; /* NULL: cancelled */
    struct nj_http_request *request;
};

/* Sends it. The first member of what the step prober keeps; on failure that is still the caller's. */
int nj_http_step_begin(struct nj_step_run *run, struct nj_http_exchange *exchange,
                       const struct nj_http_options *options, struct nj_err *err);
/* The step prober's cancel(). */
void nj_http_step_cancel(struct nj_step_run *run);

/* Everything that comes from the run: the checked address, TLS (trust, name), the timeout, a new connection,
 * the bounds. `ret_tls` is pointed to by the options. */
void nj_http_step_options(const struct nj_step_run *run, struct nj_http_tls *ret_tls,
                          struct nj_http_options *ret_options);

/* Appends "scheme://host:port" of the step's peer as it is named, an IPv6 literal in brackets. */
void nj_http_step_url(const struct nj_step_run *run, const char *scheme, struct nj_buf *out);

/* Into run->response: cause, phase, got, the phases' times, status, HTTP version, certificate; not headers
 * and body. Strings are put into the run's arena. */
void nj_http_step_result(struct nj_step_run *run, const struct nj_http_result *result);

#endif
