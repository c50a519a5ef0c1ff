/*
 * What prober.c (the life of probers and runs), chain.c (step after step), hop.c (where a step goes, also by
 * redirect) and outcome.c (what is kept of it) share. Private to common/probe.
 */
#ifndef NJ_PROBE_PROBER_INTERNAL_H
#define NJ_PROBE_PROBER_INTERNAL_H

#include <netinet/in.h>

#include "common/base/arena.h"
#include "common/loop/lookup.h"
#include "common/probe/cookies.h"
#include "common/probe/judge.h"
#include "common/probe/step.h"
#include "common/probe/vars.h"

enum {
    NJ_REDIRECTS_MAX = 5,
    NJ_ADDRESSES_MAX = 8,            /* of a name; further ones are not tried */
    NJ_RUN_ARENA_MAX = 512 * 1024,   /* what is kept of all steps */
    NJ_STEP_ARENA_MAX = 1024 * 1024, /* what one step needs beside the body of its answer */
};

struct nj_prober {
    struct nj_prober_options options;
    struct nj_http *http;
    struct nj_probe_run *runs;
    size_t open; /* runs whose timer is not closed yet, and the HTTP client */
    bool closing;
    void (*on_closed)(void *data);
    void *on_closed_data;
};

/* Where the present step goes: as the spec says, or where a redirect led. Texts are in the step's arena or
 * the run's. */
struct nj_hop {
    const char *scheme, *host, *path, *method, *body;
    const char *authority; /* the Host header; "": from host and port */
    uint16_t port;
    bool is_foreign;  /* another scheme, host or port than the step's own */
    size_t redirects; /* so far */
    struct sockaddr_storage addresses[NJ_ADDRESSES_MAX]; /* checked */
    size_t addresses_count, address_next;
};

struct nj_probe_run {
    struct nj_prober *prober;
    struct nj_probe_run *prev, *next;
    struct nj_spec *spec;
    struct nj_arena arena, step_arena;
    struct nj_vars *vars;
    struct nj_cookies *cookies;
    struct nj_probe_target target; /* texts in the arena */
    const char *ca_pem;
    struct nj_step_outcome *outcomes;
    struct nj_result result;
    uint64_t started_ns, deadline_ns, step_started_ns, lookup_started_ns; /* uv_hrtime() */
    size_t index;                                                         /* of the step */
    bool failed;                          /* only `finally` steps are left to be run */
    bool in_finally;                      /* the deadline is theirs */
    const struct nj_step_prober *running; /* NULL: no step prober is at work */
    struct nj_step_run step_run;
    int64_t phase_ns[NJ_PHASES]; /* of the step, over all its hops */
    struct nj_hop hop;
    struct nj_lookup *lookup;
    uv_timer_t timer; /* the beginning, then the end of lookups */
    bool ended;
    void (*on_done)(void *data, const struct nj_result *result);
    void *data;
};

/* prober.c */
const struct nj_step_prober *nj_step_prober_of(enum nj_step_kind kind);
/* Tells the result and lets go of the run. */
void nj_run_end(struct nj_probe_run *run);

/* chain.c */
void nj_chain_go_on(struct nj_probe_run *run); /* with the step at run->index */
const struct nj_step *nj_run_step(const struct nj_probe_run *run);
int64_t nj_run_left_ns(const struct nj_probe_run *run);
/* The hop has an address: the step prober begins. */
void nj_chain_connect(struct nj_probe_run *run);
/* The step failed before its prober had an answer, or cannot go on. */
void nj_chain_fail(struct nj_probe_run *run, enum nj_cause cause, enum nj_phase phase, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* hop.c */
/* Looks the host up and checks the addresses; nj_chain_connect() or nj_chain_fail() follow, perhaps from
 * inside. */
void nj_hop_begin(struct nj_probe_run *run);
enum nj_redirect { NJ_REDIRECT_NONE, NJ_REDIRECT_FOLLOW, NJ_REDIRECT_REFUSED };
/* Is the response a redirect that is to be followed? FOLLOW: run->hop leads there. REFUSED: run->step_run
 * says why. */
enum nj_redirect nj_hop_redirect(struct nj_probe_run *run);
/* Does the step say what the Host header is? */
bool nj_step_names_host(const struct nj_step *step);

/* outcome.c */
void nj_outcomes_init(struct nj_probe_run *run);
/* Of the step at run->index: what run->step_run and the verdict say. */
void nj_outcome_take(struct nj_probe_run *run, const struct nj_verdict *verdict);
void nj_result_finish(struct nj_probe_run *run);

#endif
