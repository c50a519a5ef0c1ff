/*
 * What came of one run of a check: each step's outcome, and of a failure what was expected and what came.
 *
 * Strings are never NULL, belong to the result, and are redacted: no variable that came from a Secret,
 * nothing that the redaction patterns know, is in them.
 */
#ifndef NJ_PROBE_RESULT_H
#define NJ_PROBE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum nj_cause {
    NJ_CAUSE_NONE,
    NJ_CAUSE_RESOLVE,     /* the name is not known, or no name server answered */
    NJ_CAUSE_REFUSED,     /* nobody listens */
    NJ_CAUSE_UNREACHABLE, /* no route, network or host down */
    NJ_CAUSE_TIMEOUT,     /* in which phase: see `phase` */
    NJ_CAUSE_RESET,       /* the peer ended the connection early */
    NJ_CAUSE_TLS,         /* the handshake failed */
    NJ_CAUSE_CERTIFICATE, /* the peer's certificate is expired, for another name, or not trusted */
    NJ_CAUSE_EXPIRY,      /* it is valid, but not for as long as asked */
    NJ_CAUSE_PROTOCOL,    /* what came is no HTTP, gRPC or DNS */
    NJ_CAUSE_TOO_LARGE,   /* headers or body beyond the bound */
    NJ_CAUSE_REDIRECT,    /* too many, or to where the check may not go */
    NJ_CAUSE_FORBIDDEN,   /* an address or host that may not be probed: address.h */
    NJ_CAUSE_STATUS,
    NJ_CAUSE_HEADER,
    NJ_CAUSE_BODY,
    NJ_CAUSE_JSON,
    NJ_CAUSE_SIZE,
    NJ_CAUSE_LATENCY,
    NJ_CAUSE_ANSWER,   /* DNS: rcode or records; gRPC: its status */
    NJ_CAUSE_EXTRACT,  /* what a later step needs was not there */
    NJ_CAUSE_VARIABLE, /* a value cannot stand where it is used (a line break in a header) or is missing (no
                          Secret) */
    NJ_CAUSE_INTERNAL, /* no memory, no descriptor left: the prober's own trouble, which says nothing of the
                          target */
    NJ_CAUSES,
};
const char *
nj_cause_name(enum nj_cause cause); /* "none", "resolve", "refused", ...: REST's and a metric's label */
int nj_cause_parse(const char *name, enum nj_cause *ret_cause);

enum nj_phase {
    NJ_PHASE_RESOLVE,
    NJ_PHASE_CONNECT,
    NJ_PHASE_TLS,
    NJ_PHASE_FIRST_BYTE,
    NJ_PHASE_TRANSFER,
    NJ_PHASE_CHECK,
    NJ_PHASES
};
const char *
nj_phase_name(enum nj_phase phase); /* "resolve", "connect", "tls", "first_byte", "transfer", "check" */

struct nj_peer_certificate {
    bool present;
    const char *subject, *issuer, *names; /* names: the subject's alternative ones, comma separated */
    int64_t not_before_ns, not_after_ns;
};

struct nj_step_outcome {
    const char *name;
    const char *kind; /* nj_step_kind_name() */
    bool ran, ok;
    enum nj_cause cause;
    enum nj_phase phase;         /* where it failed */
    const char *expected, *got;  /* of the failure, one line each: "status 200-299", "500" */
    const char *request;         /* "GET http://10.0.0.7:8080/login" */
    const char *address;         /* the peer's, "10.0.0.7:8080" */
    int32_t status;              /* HTTP's, gRPC's or DNS' code; 0: none came */
    const char *http_version;    /* "1.1", "2"; "": none */
    int64_t bytes;               /* of the body, as far as it was read */
    const char *body;            /* its beginning, at most NJ_EVIDENCE_BODY_MAX bytes, of a failed step */
    int64_t phase_ns[NJ_PHASES]; /* how long each took; -1: it did not come to it */
    int64_t total_ns;
    struct nj_peer_certificate certificate;
};

enum { NJ_EVIDENCE_BODY_MAX = 1024, NJ_EVIDENCE_TEXT_MAX = 512, NJ_EVIDENCE_JSON_MAX = 16 << 10 };

struct nj_result {
    bool ok;
    enum nj_cause cause;                  /* of the first failure that counts */
    const struct nj_step_outcome *failed; /* that step; NULL when ok */
    const struct nj_step_outcome *steps;
    size_t steps_count;
    int64_t started_ns; /* wall */
    int64_t total_ns;   /* of the run: what the latency series holds */
    int32_t attempts;   /* runs that it took, retries included */
};

/* Appends the JSON object that REST calls evidence:
 * {"ok","cause","startedAt","durationMs","attempts","steps":[{"name","kind",
 * "ran","ok","cause","phase","expected","got","request","address","status","httpVersion","bytes","body","phasesMs":{...},"durationMs",
 * "certificate":{...}|null}]}. At most NJ_EVIDENCE_JSON_MAX bytes: bodies go first. 0 or -EOVERFLOW. */
int nj_result_json(const struct nj_result *result, struct nj_buf *out);

#endif
