/*
 * A prober, a server in the test's hands, and what became of a run.
 */
#ifndef NJ_TESTS_UNIT_PROBE_PROBER_SUPPORT_H
#define NJ_TESTS_UNIT_PROBE_PROBER_SUPPORT_H

#include "common/probe/prober.h"
#include "tests/unit/loop/server.h"

enum { STEPS_MAX = 8, TEXT_MAX = 2048 };

struct probe_setup {
    struct test_loop *test;
    struct test_server server;
    struct nj_prober *prober;
    struct nj_prober_options options;
    bool closed;
    void *data; /* the test's own */
};

/* What of one step is looked at. */
struct step_seen {
    char name[64], expected[TEXT_MAX], got[TEXT_MAX], request[TEXT_MAX], address[64], body[TEXT_MAX];
    char version[8];
    char subject[256], names[256];
    bool ran, ok, has_certificate;
    enum nj_cause cause;
    enum nj_phase phase;
    int32_t status;
    int64_t bytes, phase_ns[NJ_PHASES], not_after_ns, not_before_ns;
};

struct run_seen {
    bool done, ok;
    enum nj_cause cause;
    size_t count;
    int failed; /* index; -1: none */
    struct step_seen steps[STEPS_MAX];
    int64_t total_ns;
    char json[NJ_EVIDENCE_JSON_MAX];
};

/* `answer` gets each request; NULL: no server. `data` is answer's peer->server->data, too. */
void probe_setup_start(struct probe_setup *setup, void **state, void (*answer)(struct test_peer *peer));
void probe_setup_end(struct probe_setup *setup);

/* A target at the test's server: http, 127.0.0.1, trusted as the cluster's own. */
struct nj_probe_target probe_target(const struct probe_setup *setup);

/* Runs a spec without target, in JSON where ' stands for ". */
struct run_seen probe_run(struct probe_setup *setup, const char *json);
struct run_seen probe_run_at(struct probe_setup *setup, const char *json, struct nj_probe_target target);
struct run_seen probe_run_with(struct probe_setup *setup, const char *json, struct nj_probe_target target,
                               const struct nj_probe_value *secrets, size_t secrets_count,
                               const char *ca_pem);

/* For those who start runs themselves: data is a struct run_seen *. */
void probe_on_done(void *data, const struct nj_result *result);
struct nj_spec *probe_spec(const char *json);

#endif
