/*
 * Many checks, each on one target, run over and over: the schedule, retries, states, and a rollup of every
 * minute.
 *
 * The first run of a new check comes within half a second; with many new ones it comes later, so that never
 * more than max_starts_per_s begin. Afterwards a check has its own place in its interval (from a hash of its
 * id), so that a thousand do not fire together, and stays there: a run that takes longer than the interval
 * skips the next place. At most max_concurrent run at once; more wait their turn (counted, and measured as
 * delay). One timer for all; each check costs under 1.5 KiB beside its spec. Loop thread only.
 */
#ifndef NJ_PROBE_CHECKS_H
#define NJ_PROBE_CHECKS_H

#include "common/base/metrics.h"
#include "common/base/sketch.h"
#include "common/probe/prober.h"
#include "common/probe/state.h"

struct nj_checks;
struct nj_check;

enum { NJ_CHECK_SIGN_MIN = 5 /* minutes */ };
enum { NJ_ROLLUP_ERRORS_MAX = 8 }; /* different (cause, status) in a minute; further ones count as the last */

/* A minute of one check. */
struct nj_rollup {
    int64_t minute_ns; /* wall time of its beginning */
    uint32_t runs, failures;
    struct nj_rollup_error {
        enum nj_cause cause;
        int32_t status;
        uint32_t count;
    } errors[NJ_ROLLUP_ERRORS_MAX];
    size_t errors_count;
    struct nj_sketch latency; /* of the runs that passed, in seconds */
};

struct nj_checks_options {
    struct nj_loop *loop;
    struct nj_prober *prober;
    struct nj_metrics *metrics; /* may be NULL */
    size_t max_checks;          /* beyond, nj_checks_add() refuses and counts */
    size_t max_concurrent;
    int64_t max_starts_per_s;

    /* A run ended (after its retries); memory->state is what it is now, `changed` whether that is new. May
     * remove the check. Borrowed. */
    void (*on_result)(void *data, struct nj_check *check, const struct nj_result *result, bool changed);
    /* A minute with at least one run is over. Also when the check is removed, for what there is. One whose
     * interval is above NJ_CHECK_SIGN_MIN is told of at least that often, with 0 runs: it is still there.
     * Borrowed. */
    void (*on_rollup)(void *data, struct nj_check *check, const struct nj_rollup *rollup);
    void *data;
};

struct nj_checks *nj_checks_new(const struct nj_checks_options *options);
/* Removes all. Takes NULL. Before the prober is closed. */
void nj_checks_free(struct nj_checks *checks);

struct nj_check_options {
    const char *id;                       /* unique; decides its place in the interval; copied */
    struct nj_spec *spec;                 /* a reference is taken */
    struct nj_probe_target target;        /* strings are copied */
    const struct nj_probe_value *secrets; /* likewise */
    size_t secrets_count;
    const char *ca_pem;
    int64_t failures_more; /* failing runs that it takes beyond the spec's before it counts as failing */
    void *data;            /* the owner's, see nj_check_data() */
};

/* 0, -ENOSPC beyond max_checks, -EEXIST for a known id. */
int nj_checks_add(struct nj_checks *checks, const struct nj_check_options *options,
                  struct nj_check **ret_check, struct nj_err *err);
/* What runs is cancelled at once: no byte is sent after this call. The last rollup is told, no result. */
void nj_checks_remove(struct nj_checks *checks, struct nj_check *check);
/* Failing is not held against it: it is still starting. */
void nj_check_hold(struct nj_check *check, bool held);
/* Begins with a state that an earlier process had told, so that it is not told again. */
void nj_check_restore(struct nj_check *check, enum nj_check_state state, int64_t since_ns);
/* Runs it now, out of turn. */
void nj_check_now(struct nj_checks *checks, struct nj_check *check);

void *nj_check_data(const struct nj_check *check);
const char *nj_check_id(const struct nj_check *check);
const struct nj_spec *nj_check_spec(const struct nj_check *check);
const struct nj_check_memory *nj_check_memory(const struct nj_check *check);
size_t nj_checks_count(const struct nj_checks *checks);
void nj_checks_each(struct nj_checks *checks, void (*each)(void *data, struct nj_check *check), void *data);

#endif
