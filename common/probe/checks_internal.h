/*
 * What the files of the schedule share. Private to common/probe/checks*.c.
 *
 * A check's due instant is its next place, or its retry when that comes first. It is idle, queued (new, or
 * waiting for its turn), running, or between two tries.
 */
#ifndef NJ_PROBE_CHECKS_INTERNAL_H
#define NJ_PROBE_CHECKS_INTERNAL_H

#include "common/base/table.h"
#include "common/probe/checks.h"
#include "common/probe/due.h"

enum nj_check_activity {
    NJ_CHECK_NEW, /* its first run waits until new ones may begin */
    NJ_CHECK_IDLE,
    NJ_CHECK_WAITING, /* for one of max_concurrent */
    NJ_CHECK_RUNNING,
    NJ_CHECK_RETRYING, /* the delay between two tries */
};

struct nj_check {
    struct nj_checks *checks;
    void *data;
    struct nj_spec *spec;
    struct nj_probe_target target;
    struct nj_probe_value *secrets;
    size_t secrets_count;
    char *ca_pem;
    char *id; /* with the target's texts behind it, in one block */

    enum nj_check_activity activity;
    int64_t failures_more;
    bool held;
    bool begun;         /* its minute has: it is in the list */
    int32_t attempts;   /* of the present run */
    int64_t place_ns;   /* its next place; monotonic, like the next two */
    int64_t planned_ns; /* when the present run was to begin */
    int64_t retry_ns;   /* RETRYING */
    struct nj_due due;
    struct nj_probe_run *run;                   /* RUNNING */
    struct nj_check *prev, *next;               /* of the queue that it is in */
    struct nj_check *rollup_prev, *rollup_next; /* of those whose minute has begun */

    struct nj_check_memory memory;
    struct nj_rollup rollup;
    UT_hash_handle hh;
};

struct nj_checks {
    struct nj_checks_options options;
    struct nj_timer timer;
    struct nj_check *table;           /* by id */
    struct nj_due_heap heap;          /* all but new ones */
    struct nj_check *fresh, *waiting; /* queues, first come first served */
    int64_t fresh_ns;                 /* when the next new one may begin */
    size_t running;
    struct nj_check *begun; /* those whose minute has begun */
    size_t rare;            /* checks whose interval is above NJ_CHECK_SIGN_MIN */
    int64_t sign_ns;        /* when it is told next that those are there, monotonic */
    struct {
        struct nj_counter *passed, *failed, *internal, *retries, *refused, *skipped, *waited, *rollups;
        struct nj_histogram *delay;
        struct nj_gauge *checks, *running;
    } metrics;
};

/* A copy of what is borrowed, idle and in no queue; and its end. */
struct nj_check *nj_check_new(const struct nj_check_options *options);
void nj_check_free(struct nj_check *check);

/* Counts a run in the minute that it ended in; an earlier minute is told before. */
void nj_checks_rollup_add(struct nj_checks *checks, struct nj_check *check, const struct nj_result *result);
/* The check comes, or goes: what there is of its minute is told. */
void nj_checks_rollup_join(struct nj_checks *checks, const struct nj_check *check);
void nj_checks_rollup_leave(struct nj_checks *checks, struct nj_check *check);
/* Tells minutes that are over, some at a time; how long until there is more to tell, INT64_MAX for never. */
int64_t nj_checks_rollup_sweep(struct nj_checks *checks);

#endif
