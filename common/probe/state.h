/*
 * What a check's results amount to: when failing is told, when it is over, when it flaps. Pure; takes the
 * time.
 *
 *   STARTING --passes--> PASSING --`failures` runs, in a row or within the window--> FAILING
 *   FAILING --`successes` passing runs in a row--> PASSING
 *   PASSING <-> FAILING more often than NJ_FLAP_CHANGES times within NJ_FLAP_WINDOW --> FLAPPING
 *   FLAPPING --no run of the other kind for NJ_FLAP_QUIET--> PASSING or FAILING
 *
 * A target that never passed may become FAILING from STARTING. While it is held (the target is still
 * starting), failing runs are counted in the series but change no state, and count for none later. After a
 * recovery failures are counted anew. Times are wall ns; when the clock is set back, what is remembered moves
 * with it.
 */
#ifndef NJ_PROBE_STATE_H
#define NJ_PROBE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

enum nj_check_state {
    NJ_CHECK_STARTING,
    NJ_CHECK_PASSING,
    NJ_CHECK_FAILING,
    NJ_CHECK_FLAPPING,
    NJ_CHECK_GONE,
    NJ_CHECK_STATES
};
const char *
nj_check_state_name(enum nj_check_state state); /* "starting", "passing", "failing", "flapping", "gone" */
int nj_check_state_parse(const char *name, enum nj_check_state *ret_state);

enum { NJ_FLAP_CHANGES = 4, NJ_CHECK_WINDOW_MAX = 64 /* failures within a window that are remembered */ };
#define NJ_FLAP_WINDOW_NS (15 * NJ_MIN)
#define NJ_FLAP_QUIET_NS (10 * NJ_MIN)

struct nj_check_policy {
    int64_t failures, window_ns, successes; /* as in struct nj_spec_alert */
};

struct nj_check_memory { /* zeroed to begin; STARTING */
    enum nj_check_state state;
    int64_t since_ns;         /* of the state */
    int64_t failing_since_ns; /* of the first failing run of the present row; 0: the last run passed */
    int64_t failures_in_row, successes_in_row;
    int64_t failure_ns[NJ_CHECK_WINDOW_MAX]; /* ring of the latest */
    uint32_t failure_next;                   /* how many there were; the ring's index is its remainder */
    int64_t change_ns[NJ_FLAP_CHANGES];      /* ring of the latest changes between passing and failing */
    uint32_t change_next;                    /* likewise */
    int64_t last_ns;                         /* of the latest run */
    int64_t changed_ns;                      /* latest run that differed from the one before */
    bool last_ok, has_run;
};

/* Begins anew in a state that was told earlier. */
void nj_check_memory_restore(struct nj_check_memory *memory, enum nj_check_state state, int64_t since_ns,
                             int64_t now_ns);

/* Takes a run's result; true when the state has changed. */
bool nj_check_step(struct nj_check_memory *memory, const struct nj_check_policy *policy, bool ok, bool held,
                   int64_t now_ns);

#endif
