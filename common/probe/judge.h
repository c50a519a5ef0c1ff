/*
 * Is an answer what was expected, and what is to be taken out of it. Pure. Private to common/probe.
 */
#ifndef NJ_PROBE_JUDGE_H
#define NJ_PROBE_JUDGE_H

#include "common/probe/step.h"
#include "common/probe/vars.h"

struct nj_verdict {
    enum nj_cause cause;                 /* NONE: as expected */
    char expected[NJ_EVIDENCE_TEXT_MAX]; /* "status 200-299", "body matches /ok/", "JSON /status equals
                                            \"up\"" */
    char got[NJ_EVIDENCE_TEXT_MAX];      /* "500", "\"down\"", "no such member" ; not yet redacted */
};

/* Judges everything that step->expect, the spec's tls.minDaysLeft and defaults ask, in the order: status or
 * answer, headers, size, body, JSON, latency, certificate. The first that fails is the verdict. */
void nj_judge(const struct nj_step *step, const struct nj_spec_tls *tls,
              const struct nj_step_response *response, int64_t latency_ns, int64_t now_ns,
              const struct nj_vars *vars, struct nj_verdict *ret_verdict);

/* Sets the step's variables. */
void nj_extract_all(const struct nj_step *step, const struct nj_step_response *response, struct nj_vars *vars,
                    struct nj_verdict *ret_verdict);

#endif
