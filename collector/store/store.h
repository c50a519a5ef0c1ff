/*
 * The collector's memory behind one interface. Backends (sqlite/, later postgres/) fill in `struct
 * nj_store_ops`; everybody else calls through it and sees no SQL.
 *
 * Connections: one writer, used on the writer's worker alone, and readers, each used on one worker. A reader
 * sees what was committed. All calls block. Writes happen between begin and commit; a failed write fails the
 * transaction, which is then rolled back as a whole: commit refuses, and the caller calls rollback. Records
 * passed in are borrowed; records passed to callbacks are borrowed until the callback returns; a callback
 * ends the iteration by returning non-zero, which the call then returns. A callback may call the store, but
 * not the function that called it. Strings passed in may be NULL for "", those handed out never are. Errors,
 * all with a text: -ENOSPC (disk full), -EIO, -ENOENT (no such record), -EPROTO (a database of a newer
 * version), -EBUSY (another process has it), -EUCLEAN (the database is damaged).
 */
#ifndef NJ_STORE_STORE_H
#define NJ_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/incident/incident.h"
#include "collector/sla/interval.h"
#include "common/base/err.h"
#include "common/wire/batch.h"

struct nj_store;
struct nj_rollout; /* collector/sla/rollouts.h */

/* An agent's stream of events, and the agent's last word. */
struct nj_store_agent {
    const char *cluster, *node, *stream;
    uint64_t committed; /* highest seq committed */
    uint64_t request;   /* highest request number seen; may lag behind by the heartbeats of a few seconds */
    int64_t first_heard_ns, last_heard_ns; /* likewise */
    struct nj_agent_status status;
};

struct nj_store_crash {
    const char *id;
    const char *cluster, *project;
    int64_t incident_id; /* 0: none */
    int64_t at_ns, seen_ns, stored_ns;
    struct nj_subject subject;
    struct nj_crash crash; /* log.text only from get_crash with the log asked for; log.len is its length
                              always, 0 when there is none or it was deleted for its age */
};

/* A target of a monitor, as it was last heard of. */
struct nj_store_target {
    const char *cluster, *project;
    struct nj_check_key key;
    const char *source, *namespace, *service, *target_name, *address, *node, *pod_uid;
    const char *state;         /* nj_check_state_name(); "gone": it is deleted by put_target */
    int64_t since_ns, seen_ns; /* seen: the latest event or rollup */
    const char *severity, *group;
    /* Of the latest failure, kept while it passes. */
    const char *cause, *phase, *step, *expected, *got, *body, *evidence;
    int32_t status;
    int64_t failed_ns;
};

/* A copy in one allocation; strings are never NULL. */
void nj_store_target_copy(struct nj_store_target *ret_copy, const struct nj_store_target *target);
void nj_store_target_done(struct nj_store_target *copy);

/* How many targets there are, and how many of them fail or flap; those that are starting count for neither.
 * And of these the targets that are pods ("pod/..."). */
struct nj_target_totals {
    int32_t total, failing, pods_total, pods_failing;
};

/* What was known of a target that was heard of. */
struct nj_target_seen {
    bool known, as_told; /* as_told: it had the state already */
    int64_t since_ns;    /* of the state that it has; 0 when it is not known */
};

struct nj_target_filter {
    const char *cluster, *monitor, *namespace, *service, *state; /* NULL: any */
    int64_t unseen_since_ns;                                     /* only those not heard since; 0: any */
    int64_t after_rowid;                                         /* cursor */
    int limit;                                                   /* 1..NJ_STORE_LIMIT_MAX */
};

enum nj_resolution { NJ_RESOLUTION_MINUTE, NJ_RESOLUTION_HOUR, NJ_RESOLUTION_DAY, NJ_RESOLUTIONS };
const char *nj_resolution_name(enum nj_resolution resolution); /* "minute", "hour", "day" (UTC's) */
int nj_resolution_parse(const char *name, enum nj_resolution *ret_resolution);
int64_t nj_resolution_ns(enum nj_resolution resolution);

struct nj_series_filter {
    const char *cluster;
    const char *monitor, *target, *namespace, *service; /* NULL: any */
    int64_t from_ns, until_ns;                          /* beginnings of points: from included, until not */
    enum nj_resolution resolution;
};

struct nj_series_point {
    int64_t start_ns;
    const char *monitor, *target, *target_name, *namespace, *service;
    uint64_t runs, failures;
    const struct nj_rollup_error_count *errors;
    size_t errors_count;
    const void *latency; /* nj_sketch_encode() */
    size_t latency_len;
};

struct nj_usage_filter {
    const char *cluster;
    const char *namespace, *workload_kind, *workload, *pod, *container, *node; /* NULL: any */
    bool nodes;                /* the nodes' own series, and no container's */
    int64_t from_ns, until_ns; /* beginnings of points: from included, until not */
    enum nj_resolution resolution;
};

/* A container's (or a node's: pod_uid "") minute, hour or day. */
struct nj_usage_point {
    int64_t start_ns;
    int64_t series; /* number of the container's series: the same for all its points */
    const char *node;
    struct nj_usage_item item; /* requests and limits: the latest of the point; oom_kills: their sum */
};

enum nj_notification_status {
    NJ_NOTIFICATION_PENDING, /* waits for its turn or its retry */
    NJ_NOTIFICATION_SENDING, /* handed to the channel; after a restart: uncertain whether it arrived */
    NJ_NOTIFICATION_SENT,
    NJ_NOTIFICATION_FOLDED,    /* told as a line of a digest */
    NJ_NOTIFICATION_FAILED,    /* given up; `error` says why: a dead letter */
    NJ_NOTIFICATION_UNCERTAIN, /* was being sent when the process died, and the channel cannot tell: not sent
                                  again */
    NJ_NOTIFICATION_WITHDRAWN, /* over before anybody was told */
    NJ_NOTIFICATION_HELD,      /* waits for the end of quiet hours: until_ns */
};
const char *nj_notification_status_name(enum nj_notification_status status); /* "pending", "sending", ... */
int nj_notification_status_parse(const char *name,
                                 enum nj_notification_status *ret_status); /* 0 or -EINVAL */

/* One incident's transition for one channel. (incident_id, transition, occurrence, channel) is unique: this
 * is what keeps anybody from being told twice. */
struct nj_notification {
    int64_t id;
    int64_t incident_id;
    const char *transition; /* "opened", "worsened", "resolved"; "digest" for a message that folds others,
                               incident_id 0 */
    uint64_t
        occurrence; /* the incident's revision at the transition; a digest's: the id of the first folded */
    const char *channel;
    const char *group;    /* alert group */
    const char *mentions; /* comma separated, from the route */
    enum nj_notification_status status;
    int32_t attempts;
    int32_t parts_done; /* bit 0: the text, bit 1: the log file; a digest's: a bit for each of its parts */
    int64_t created_ns, next_ns /* not before */, done_ns;
    const char *error;
    const char *text;  /* as it was rendered, from the first attempt until the end */
    int64_t digest_id; /* the notification it is folded into; 0: none */
    int64_t until_ns;  /* HELD: then it is told; set by add_notification alone, as the next */
    bool folds;        /* told with the others of its kind as one digest, whatever the rate allows */
};

/* ---- the alert pipeline's own records */

/* What nobody is told, from when until when. */
struct nj_silence {
    int64_t id;           /* from 1, never used again */
    const char *matchers; /* collector/notify/matchers.h */
    const char *author, *reason;
    int64_t from_ns, until_ns, created_ns;
    bool maintenance; /* SLA counts it as planned */
};

struct nj_silence_filter {
    int64_t id;            /* 0: any */
    int64_t ends_after_ns; /* 0: expired ones too */
    int64_t before_id;     /* cursor; 0: from the newest */
    int limit;             /* 1..NJ_STORE_LIMIT_MAX */
};

/* Somebody looks after an incident. */
struct nj_acknowledgement {
    int64_t incident_id;
    const char *author, *note;
    int64_t at_ns;
};

/* What people thought of an alert, under the rule that it had then. */
struct nj_mark {
    int64_t incident_id;
    const char *kind, *reason;
    bool useful; /* else noise */
    const char *author, *note;
    int64_t at_ns;
};

/* The marks of a rule, and of its latest ones. */
struct nj_precision {
    const char *kind, *reason;
    int64_t useful, noise, latest_useful, latest_noise;
};

/* How an incident went, for the figures of its rule. */
struct nj_told {
    const char *kind, *reason;
    bool resolved, suppressed;
    bool handled;      /* acknowledged, or nobody was told */
    int64_t lasted_ns; /* of a resolved one */
};

enum nj_reminder_kind {
    NJ_REMINDER_REPEAT,   /* told again every every_ns while nobody has acknowledged it */
    NJ_REMINDER_ESCALATE, /* told for the first time when nobody has */
    NJ_REMINDER_KEEP,     /* told again for the channel's sake, which takes it for over otherwise */
};

/* An incident is told on a channel later, when it is still open. */
struct nj_reminder {
    int64_t incident_id;
    const char *channel;
    enum nj_reminder_kind kind;
    const char *group, *mentions;
    int64_t every_ns, at_ns;
    uint64_t told; /* how often so far */
};

struct nj_incident_filter {
    const char *cluster, *project, *namespace, *workload, *pod, *kind, *state, *severity; /* NULL: any */
    int64_t since_ns, until_ns; /* by last_ns, both included; 0: open */
    int64_t before_id;          /* cursor: only ids below; 0: from the newest */
    int limit;                  /* 1..NJ_STORE_LIMIT_MAX */
};

struct nj_crash_filter {
    const char *cluster, *project, *namespace, *workload, *pod, *container, *reason; /* NULL: any */
    int64_t incident_id;                                                             /* 0: any */
    int64_t since_ns,
        until_ns;         /* by at_ns, which is finished_ns where that is known; both included; 0: open */
    int64_t before_rowid; /* cursor */
    int limit;
};

/* Those that have a part of [from_ns, until_ns). */
struct nj_interval_filter {
    const char *cluster, *kind, *namespace, *name; /* NULL: any. kind: "Service" or a workload's */
    int64_t from_ns, until_ns;                     /* 0: open */
};

struct nj_rollout_filter {
    const char *cluster, *namespace, *workload_kind, *workload, *outcome; /* NULL: any */
    int64_t id;                                                           /* 0: any */
    int64_t since_ns, until_ns; /* that ran at some time of it, both included; 0: open */
    int64_t before_id;          /* cursor: only ids below; 0: from the newest */
    int limit;                  /* 1..NJ_STORE_LIMIT_MAX */
};

enum { NJ_STORE_LIMIT_MAX = 1000, NJ_STORE_SERIES_MAX = 50000 };

struct nj_retention {
    int64_t crashes_ns, logs_ns, incidents_ns, agents_ns; /* age after which they go; open incidents stay */
    int64_t points_ns[NJ_RESOLUTIONS];                    /* of series; 0: kept */
    int64_t usage_ns[NJ_RESOLUTIONS];                     /* of containers' and nodes' use; 0: kept */
    int64_t intervals_ns, rollouts_ns;                    /* since their end; 0: kept */
};

struct nj_store_ops {
    void (*close)(struct nj_store *store);
    int (*begin)(struct nj_store *store, struct nj_err *err);
    int (*commit)(struct nj_store *store, struct nj_err *err);
    void (*rollback)(struct nj_store *store);

    /* -ENOENT when the stream is new. Strings are borrowed until the next call. */
    int (*get_agent)(struct nj_store *store, const char *cluster, const char *node, const char *stream,
                     struct nj_store_agent *ret_agent, struct nj_err *err);
    int (*put_agent)(struct nj_store *store, const struct nj_store_agent *agent, struct nj_err *err);

    int (*has_crash)(struct nj_store *store, const char *id, bool *ret_known, struct nj_err *err);
    /* Inserts, or corrects what is there under this id. *ret_new tells which. A correction without a log
     * keeps the log that is there; one without an incident keeps the link; stored_ns stays. */
    int (*put_crash)(struct nj_store *store, const struct nj_store_crash *crash, bool *ret_new,
                     struct nj_err *err);
    int (*link_crash)(struct nj_store *store, const char *crash_id, int64_t incident_id, struct nj_err *err);

    /* Remembers a fact that has no record of its own (lost crashes), so that it counts once. *ret_new tells
     * whether it was unknown. Kept as long as incidents are. */
    int (*put_fact)(struct nj_store *store, const char *id, int64_t at_ns, bool *ret_new, struct nj_err *err);

    /* Inserts or updates by cluster and key. Without a cause it keeps the failure that is there, without a
     * source all that describes the target (source, namespace, names, address, node, severity, group): what a
     * rollup knows. */
    int (*put_target)(struct nj_store *store, const struct nj_store_target *target, struct nj_err *err);
    /* It was heard of in this state. */
    int (*see_target)(struct nj_store *store, const char *cluster, const struct nj_check_key *key,
                      const char *state, int64_t seen_ns, struct nj_target_seen *ret_seen,
                      struct nj_err *err);
    /* Of a Service in its namespace; with service "", of a monitor. */
    int (*total_targets)(struct nj_store *store, const char *cluster, const char *namespace,
                         const char *service, const char *monitor, struct nj_target_totals *ret_totals,
                         struct nj_err *err);
    /* Of a monitor: how many targets, and how many of them in each state (NJ_CHECK_STATES of them,
     * probe/state.h). */
    int (*count_targets)(struct nj_store *store, const char *cluster, const char *monitor,
                         uint64_t *ret_counts, struct nj_err *err);
    /* By rowid, which is the cursor. */
    int (*each_target)(struct nj_store *store, const struct nj_target_filter *filter,
                       int (*on_target)(void *data, int64_t rowid, const struct nj_store_target *target),
                       void *data, struct nj_err *err);
    /* Remembers the event that told a minute, so that it counts once. *ret_new tells whether it was unknown.
     * Kept as long as minutes are. */
    int (*put_minute)(struct nj_store *store, const char *id, int64_t minute_ns, bool *ret_new,
                      struct nj_err *err);
    /* Adds a minute to its series: the minute's point, and merged into the hour's and the day's. The same
     * minute again (two agents that saw the pod, a restart within the minute) is merged too. Latencies that
     * are no sketch are left out. */
    int (*add_rollup)(struct nj_store *store, const char *cluster, int64_t minute_ns,
                      const struct nj_check_rollup *rollup, struct nj_err *err);
    /* Ordered by start_ns, then monitor and target. -E2BIG: more than NJ_STORE_SERIES_MAX series. */
    int (*each_point)(struct nj_store *store, const struct nj_series_filter *filter,
                      int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                      struct nj_err *err);

    /* Adds a container's (or node's) minute to its series: the minute's point, and merged into the hour's and
     * the day's. Sketches that are none are left out; sums and extremes keep at least 8 digits, started_ns
     * whole seconds. The event's own identity goes by put_minute(). */
    int (*add_usage)(struct nj_store *store, const char *cluster, const char *node, int64_t minute_ns,
                     const struct nj_usage_item *item, struct nj_err *err);
    /* Ordered by start_ns, then series; `by_series`: by series, then start_ns. -E2BIG: more than
     * NJ_STORE_SERIES_MAX series. */
    int (*each_usage)(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                      int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                      struct nj_err *err);

    int (*put_incident)(struct nj_store *store, const struct nj_incident *incident, struct nj_err *err);
    int (*put_subject)(struct nj_store *store, int64_t incident_id, const struct nj_incident_subject *subject,
                       bool present, struct nj_err *err);
    /* For the engine's start: open incidents by last_ns, oldest first, each followed by its subjects by
     * since_ns, and the id after the highest ever used. */
    int (*load_open)(struct nj_store *store, int64_t *ret_next_id,
                     void (*on_incident)(void *data, const struct nj_incident *incident),
                     void (*on_subject)(void *data, int64_t incident_id,
                                        const struct nj_incident_subject *subject),
                     void *data, struct nj_err *err);

    /* 0 with the new id, or -EEXIST: this transition is already planned for this channel (which fails
     * nothing). */
    int (*add_notification)(struct nj_store *store, const struct nj_notification *notification,
                            int64_t *ret_id, struct nj_err *err);
    /* By id: status, attempts, parts_done, next_ns, done_ns, error, text and digest_id. -ENOENT. */
    int (*put_notification)(struct nj_store *store, const struct nj_notification *notification,
                            struct nj_err *err);
    /* Those of a channel (NULL: of all) with the status, which is none of SENT, FOLDED and WITHDRAWN, oldest
     * first, whose next_ns has come (now_ns; INT64_MAX for all). */
    int (*each_notification)(struct nj_store *store, const char *channel, enum nj_notification_status status,
                             int64_t now_ns, int limit,
                             int (*on_notification)(void *data, const struct nj_notification *notification),
                             void *data, struct nj_err *err);
    /* What was sent on a channel since then: the times, oldest first, for the rate. Kept for a day. */
    int (*add_sent)(struct nj_store *store, const char *channel, int64_t at_ns, struct nj_err *err);
    int (*each_sent)(struct nj_store *store, const char *channel, int64_t since_ns,
                     int (*on_sent)(void *data, int64_t at_ns), void *data, struct nj_err *err);

    int (*each_incident)(struct nj_store *store, const struct nj_incident_filter *filter,
                         int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                         struct nj_err *err);
    int (*get_incident)(struct nj_store *store, int64_t id,
                        int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                        struct nj_err *err);
    /* What is in trouble now within an open incident, the longest heard first. */
    int (*each_subject)(struct nj_store *store, int64_t incident_id, int limit,
                        int (*on_subject)(void *data, const struct nj_incident_subject *subject), void *data,
                        struct nj_err *err);
    /* Newest first. rowid is the cursor. Without log texts. */
    int (*each_crash)(struct nj_store *store, const struct nj_crash_filter *filter,
                      int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                      void *data, struct nj_err *err);
    int (*get_crash)(struct nj_store *store, const char *id, bool with_log,
                     int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                     void *data, struct nj_err *err);
    /* One a node, ordered by cluster and node: its stream that was heard last. */
    int (*each_agent)(struct nj_store *store, int (*on_agent)(void *data, const struct nj_store_agent *agent),
                      void *data, struct nj_err *err);
    /* Of one incident (0: all that are not SENT or FOLDED), newest first. */
    int (*each_notification_of)(struct nj_store *store, int64_t incident_id, int limit,
                                int (*on_notification)(void *data,
                                                       const struct nj_notification *notification),
                                void *data, struct nj_err *err);

    /* The alert pipeline's. A silence with id 0 is new, else it is changed. */
    int (*put_silence)(struct nj_store *store, const struct nj_silence *silence, int64_t *ret_id,
                       struct nj_err *err);
    /* Newest first; kept after their end as long as incidents are. */
    int (*each_silence)(struct nj_store *store, const struct nj_silence_filter *filter,
                        int (*on_silence)(void *data, const struct nj_silence *silence), void *data,
                        struct nj_err *err);
    /* The first one counts: *ret_new is false when there was one. */
    int (*add_acknowledgement)(struct nj_store *store, const struct nj_acknowledgement *ack, bool *ret_new,
                               struct nj_err *err);
    int (*get_acknowledgement)(struct nj_store *store, int64_t incident_id, /* -ENOENT */
                               int (*on_ack)(void *data, const struct nj_acknowledgement *ack), void *data,
                               struct nj_err *err);
    /* One an incident: the latest counts. */
    int (*put_mark)(struct nj_store *store, const struct nj_mark *mark, struct nj_err *err);
    /* Of each rule that has marks; `latest`: how many count as its latest ones. */
    int (*each_precision)(struct nj_store *store, int latest,
                          int (*on_rule)(void *data, const struct nj_precision *precision), void *data,
                          struct nj_err *err);
    /* Incidents by kind, reason and how long they lasted. */
    int (*each_told)(struct nj_store *store, int64_t since_ns,
                     int (*on_told)(void *data, const struct nj_told *told), void *data, struct nj_err *err);
    /* One an incident and channel. */
    int (*put_reminder)(struct nj_store *store, const struct nj_reminder *reminder, struct nj_err *err);
    int (*delete_reminders)(struct nj_store *store, int64_t incident_id, const char *channel, /* NULL: all */
                            bool kept_too, /* those of kind KEEP */
                            struct nj_err *err);
    int (*each_reminder)(struct nj_store *store, int64_t due_ns, int limit, /* the longest due first */
                         int (*on_reminder)(void *data, const struct nj_reminder *reminder), void *data,
                         struct nj_err *err);
    /* HELD ones whose time has come wait for their turn now. What lies more than a day ahead was planned
     * before the clock was set back; with `clock_back` reminders further ahead than their interval come
     * nearer too. */
    int (*release_held)(struct nj_store *store, int64_t now_ns, bool clock_back, int64_t *ret_released,
                        struct nj_err *err);
    /* When the next reminder or held notification is due; INT64_MAX: there is none. */
    int (*next_due)(struct nj_store *store, int64_t *ret_at_ns, struct nj_err *err);
    /* Keys that the collector makes itself. The first one stays. -ENOENT. */
    int (*put_secret)(struct nj_store *store, const char *name, const void *bytes, size_t len,
                      struct nj_err *err);
    int (*get_secret)(struct nj_store *store, const char *name, void *ret_bytes, size_t len,
                      struct nj_err *err);

    /* What was when available (collector/sla/interval.h). `kind` is "Service", or that of the workload whose
     * own availability it is; interval->service is the name. Inserts, or replaces the one with the same
     * cluster, kind, namespace, name and from_ns. One that lasts ends an earlier one that does. */
    int (*put_interval)(struct nj_store *store, const char *kind, const struct nj_interval *interval,
                        struct nj_err *err);
    /* Every interval of the cluster's namespace with this reference, which is not "", gets this cause. */
    int (*recause_intervals)(struct nj_store *store, const char *cluster, const char *namespace,
                             const char *reference, enum nj_outage_cause cause, const char *detail,
                             struct nj_err *err);
    /* Ordered by cluster, kind, namespace, name, from_ns. The seen_ns of one that has ended is its end, of an
     * open one what was stored with it or by put_alive(), whichever is later. */
    int (*each_interval)(struct nj_store *store, const struct nj_interval_filter *filter,
                         int (*on_interval)(void *data, const char *kind, const struct nj_interval *interval),
                         void *data, struct nj_err *err);
    /* Those without an end, in the same order. */
    int (*load_open_intervals)(struct nj_store *store, const char *cluster,
                               void (*on_interval)(void *data, const char *kind,
                                                   const struct nj_interval *interval),
                               void *data, struct nj_err *err);
    /* Until when the collector looked at the cluster. get: 0 when it never did. */
    int (*put_alive)(struct nj_store *store, const char *cluster, int64_t at_ns, struct nj_err *err);
    int (*get_alive)(struct nj_store *store, const char *cluster, int64_t *ret_at_ns, struct nj_err *err);

    /* Inserts, or replaces by id. */
    int (*put_rollout)(struct nj_store *store, const struct nj_rollout *rollout, struct nj_err *err);
    /* Newest first. */
    int (*each_rollout)(struct nj_store *store, const struct nj_rollout_filter *filter,
                        int (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                        struct nj_err *err);
    /* Those without an end and each workload's latest, oldest first, and the id after the highest ever used.
     */
    int (*load_rollouts)(struct nj_store *store, const char *cluster, int64_t *ret_next_id,
                         void (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                         struct nj_err *err);

    /* Deletes what is older than the retention, at most `limit` rows, so that ingest is never held up for
     * long. *ret_more tells that there is more. Within a transaction. */
    int (*prune)(struct nj_store *store, const struct nj_retention *retention, int64_t now_ns, int limit,
                 bool *ret_more, struct nj_err *err);

    /* Does what writing put off, at most `limit` rows: for when nothing waits. It is done all the same when
     * too much has gathered. Within a transaction. */
    int (*tidy)(struct nj_store *store, int limit, bool *ret_more, struct nj_err *err);

    /* Bytes on disk. */
    int (*size)(struct nj_store *store, int64_t *ret_bytes, struct nj_err *err);
};

struct nj_store {
    const struct nj_store_ops *ops;
};

/* `path` of a SQLite database, made and migrated by the writer, which no second process can open meanwhile. A
 * reader needs the writer to have been opened once. */
int nj_store_open_sqlite(const char *path, bool writer, struct nj_store **ret_store, struct nj_err *err);

#endif
