/*
 * One step of a run, as the chain (chain.c) hands it to the prober of its kind and gets it back. Private to
 * common/probe.
 *
 * The chain substitutes variables, resolves and checks the address, and afterwards judges expectations and
 * extracts variables: a step prober only talks to the peer. It calls run->done() once, from the loop, never
 * from inside start(); after cancel() it does not.
 */
#ifndef NJ_PROBE_STEP_H
#define NJ_PROBE_STEP_H

#include <netinet/in.h>

#include "common/base/arena.h"
#include "common/probe/prober.h"

struct nj_step_header {
    const char *name, *value; /* of a response; in their order, trailers too */
};

/* What to do: texts are final, strings are borrowed until done(). */
struct nj_step_request {
    const struct nj_step *step;
    const struct nj_spec_tls *tls;
    const char *ca_pem;        /* "" */
    const char *scheme, *host; /* host: for the Host header and TLS, never connected to; no brackets */
    uint16_t port;
    struct sockaddr_storage address; /* checked; what is connected to */
    const char *method;              /* HTTP: the step's, or what a redirect made of it */
    const char *path, *body;         /* HTTP */
    const char *const *headers;      /* HTTP: "Name: value", NULL-terminated, cookies included */
    const char *send;                /* TCP */
    size_t send_len;
    int64_t timeout_ns; /* what is left */
    size_t max_body_bytes;
    bool wants_body; /* an expectation or extraction reads it; else its beginning is enough */
};

/* What came. */
struct nj_step_response {
    enum nj_cause cause;            /* NONE: there is an answer to be judged */
    enum nj_phase phase;            /* where it ended when not */
    char got[NJ_EVIDENCE_TEXT_MAX]; /* of a failure, in words */
    int32_t status;
    const char *http_version;
    const struct nj_step_header *headers;
    size_t headers_count;
    const char *body; /* HTTP's, TCP's answer; "" */
    size_t body_len;
    bool body_cut;
    const char *const *records; /* DNS: the answer's, as text */
    size_t records_count;
    const char *word;                       /* gRPC: "SERVING", "UNIMPLEMENTED"; DNS: "NOERROR" */
    int64_t phase_ns[NJ_PHASES];            /* -1: it did not come to it; RESOLVE and CHECK are the chain's */
    struct nj_peer_certificate certificate; /* strings in the arena */
};

struct nj_step_run {
    struct nj_prober *prober;
    struct nj_loop *loop;
    struct nj_arena *arena; /* of the run: for what the response points to */
    struct nj_step_request request;
    struct nj_step_response response;
    void (*done)(struct nj_step_run *run);
    void *prober_data; /* the step prober's own */
    void *chain_data;
};

struct nj_step_prober {
    const char *name;
    int (*start)(struct nj_step_run *run, struct nj_err *err);
    void (*cancel)(struct nj_step_run *run);
};

extern const struct nj_step_prober nj_http_step, nj_tcp_step, nj_grpc_step, nj_dns_step;

#endif
