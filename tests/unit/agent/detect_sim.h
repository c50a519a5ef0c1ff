/*
 * A detector with what stands around it in the agent: a store that holds what was committed, and a queue of
 * findings on their way to it that is lost when the process is killed.
 */
#ifndef NJ_TESTS_DETECT_SIM_H
#define NJ_TESTS_DETECT_SIM_H

#include "agent/crash/detect.h"
#include "tests/unit/test.h"

struct sim_event { /* one event as it reached the outbox; strings are owned */
    char id[NJ_EVENT_ID_MAX];
    enum nj_event_type type;
    int64_t at_ns, since_ns, started_ns, finished_ns;
    char *namespace, *pod, *uid, *workload_kind, *workload, *container;
    char *container_id, *container_type, *reason, *message, *image, *directory_uid;
    int exit_code, attempt, restart_count;
    unsigned count; /* lost */
    enum nj_cleared_cause cause;
    bool first_told, previous;
    int attempts[NJ_FINDING_ATTEMPTS_MAX], attempts_count;
    char *owner_kind, *owner_name;
};

struct sim_record {
    char *key, *value; /* value NULL: removed */
};

struct sim_finding { /* on its way */
    bool has_event;
    struct sim_event event;
    struct sim_record record; /* key NULL: none */
};

struct sim {
    struct nj_detector *detector;
    struct nj_detector_options options;
    bool hold; /* findings stay on their way until sim_commit() or sim_kill() */

    struct sim_finding *queue;
    size_t queued;
    struct sim_event *events; /* committed, in order */
    size_t events_count;
    struct sim_record *records; /* committed */
    size_t records_count;
};

/* A detector for node1, first watched at `watched_since_ns`; image, config and start 30 s, other 10 min,
 * stable 5 min. */
void sim_init(struct sim *sim, int64_t watched_since_ns);
void sim_done(struct sim *sim);

/* Commits the first `count` findings (SIZE_MAX: all). */
void sim_commit(struct sim *sim, size_t count);
/* kill -9 after so many of the findings on their way were committed; a new detector with the stored records.
 */
void sim_kill(struct sim *sim, size_t commit);

/* Runs everything that is due up to and including this time. */
void sim_run_until(struct sim *sim, int64_t now_ns);

/* Distinct events of a type (container NULL: any), by id. */
size_t sim_count(const struct sim *sim, enum nj_event_type type, const char *pod, const char *container);
/* The last word about the nth distinct id of a type; fails the test when there is none. */
const struct sim_event *sim_get(const struct sim *sim, enum nj_event_type type, const char *pod,
                                const char *container, size_t n);
/* The latest committed event at all; fails the test when there is none. */
const struct sim_event *sim_last(const struct sim *sim);
unsigned sim_lost(const struct sim *sim); /* sum over distinct ids */

#endif
