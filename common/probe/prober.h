/*
 * Runs a spec once on a target: the chain of steps, variables and cookies carried along, each step by the
 * prober of its kind (the table in prober.c). Everything is on the loop and nothing blocks; a run ends at its
 * timeout at the latest, `finally` steps get as long again.
 *
 * Each step is a new connection. HTTP goes through libcurl (common/loop/http.h), names through
 * common/loop/lookup.h; what a name resolves to is checked against address.h before anything is sent, and the
 * connection goes to what was checked. Redirects are followed hop by hop, at most 5, each hop checked like
 * the first; a pod's or Service's check stays at its host and port (where the spec names no statuses, a
 * redirect away from there is an answer like any other, as for the kubelet), and a redirect that the spec
 * expects by its status is not followed. To another host go no Host, Authorization or Cookie header of the
 * spec, none with variables, and no body. A body that begins like JSON is sent as such unless the spec names
 * its type; HTTP/1.1 asks the server to close. Variables are substituted as data: a
 * value is percent-encoded where it stands in a path, may hold no line break in a header, is escaped inside a
 * JSON body's string (when the body is JSON), and can never change scheme, host or port.
 */
#ifndef NJ_PROBE_PROBER_H
#define NJ_PROBE_PROBER_H

#include "common/base/metrics.h"
#include "common/base/redact.h"
#include "common/loop/http.h"
#include "common/loop/loop.h"
#include "common/probe/address.h"
#include "common/probe/result.h"
#include "common/probe/spec.h"

struct nj_prober;
struct nj_probe_run;

struct nj_prober_options {
    struct nj_loop *loop;
    size_t max_response_bytes; /* of a step's body; what is beyond is TOO_LARGE, or not read when nothing asks
                                  for it */
    size_t max_connections;    /* at once */
    const struct nj_redactor
        *redactor;        /* borrowed until on_closed() or nj_prober_set_redactor(); may be NULL */
    char *const *allowed; /* the allow-list, address.h; borrowed until nj_prober_set_allowed() */
    size_t allowed_count;
    const char *user_agent; /* "nightjar/0.1.0" */
};

/* NULL when libcurl cannot be set up. */
struct nj_prober *nj_prober_new(const struct nj_prober_options *options);
void nj_prober_set_allowed(struct nj_prober *prober, char *const *allowed, size_t count);
/* For what ends from now on. */
void nj_prober_set_redactor(struct nj_prober *prober, const struct nj_redactor *redactor);
/* Cancels what runs; their on_done() is not called. Takes NULL. */
void nj_prober_close(struct nj_prober *prober, void (*on_closed)(void *data), void *data);

/* Whom: borrowed during the call. */
struct nj_probe_target {
    const char *host; /* IP literal, or a name that is looked up */
    uint16_t port;
    const char *scheme; /* "http", "https" for HTTP steps; others ignore it */
    const char *path;   /* where a step has none: "" is "/" */
    const char
        *authority; /* the Host header and TLS' server name where the spec sets none; "": host and port */
    enum nj_trust trust;
};

struct nj_probe_value { /* of a variable that comes from a Secret: hidden in every text of the result */
    const char *name, *value;
};

struct nj_probe_request {
    struct nj_spec *spec; /* a reference is taken */
    struct nj_probe_target target;
    const struct nj_probe_value *secrets;
    size_t secrets_count;
    const char *ca_pem; /* of the spec's Secret; NULL: none */
    /* Once, from the loop, never from inside nj_probe_start(). The result is borrowed. */
    void (*on_done)(void *data, const struct nj_result *result);
    void *data;
};

/* One run, without retries. 0; -EINVAL for a target that is none. */
int nj_probe_start(struct nj_prober *prober, const struct nj_probe_request *request,
                   struct nj_probe_run **ret_run, struct nj_err *err);
/* on_done() is not called any more; connections are closed at once, `finally` steps do not run. */
void nj_probe_cancel(struct nj_probe_run *run);

#endif
