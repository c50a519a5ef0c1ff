/*
 * What the files of the SQLite backend share: the connection, its kept statements, binding and reading.
 *
 * Statements are prepared once and kept, one a slot. nj_sql_use() resets a slot's statement and gives a
 * binder that fills parameters in order and remembers the first failure, so that a caller binds everything
 * and checks once.
 */
#ifndef NJ_STORE_SQLITE_INTERNAL_H
#define NJ_STORE_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "collector/store/store.h"
#include "collector/store/usage_pack.h"
#include "common/base/buf.h"

struct nj_log_codec;
struct nj_crash_tail;

enum nj_sql_slot {
    NJ_SQL_BEGIN,
    NJ_SQL_COMMIT,
    NJ_SQL_ROLLBACK,
    NJ_SQL_GET_AGENT,
    NJ_SQL_PUT_AGENT,
    NJ_SQL_EACH_AGENT,
    NJ_SQL_FIND_KEY,
    NJ_SQL_IS_CRASH,
    NJ_SQL_LAST_KEY,
    NJ_SQL_LOAD_TAIL,
    NJ_SQL_INSERT_KEYS,
    NJ_SQL_UPDATE_KEY,
    NJ_SQL_INSERT_CRASH,
    NJ_SQL_UPDATE_CRASH,
    NJ_SQL_UPDATE_CRASH_LOG,
    NJ_SQL_PUT_LOG,
    NJ_SQL_LINK_CRASH,
    NJ_SQL_GET_CRASH,
    NJ_SQL_GET_CRASH_BY_SCAN,
    NJ_SQL_PUT_FACT,
    NJ_SQL_PUT_INCIDENT,
    NJ_SQL_PUT_SUBJECT,
    NJ_SQL_DELETE_SUBJECT,
    NJ_SQL_NEXT_ID,
    NJ_SQL_LOAD_OPEN,
    NJ_SQL_LOAD_SUBJECTS,
    NJ_SQL_GET_INCIDENT,
    NJ_SQL_EACH_SUBJECT,
    NJ_SQL_ADD_NOTIFICATION,
    NJ_SQL_PUT_NOTIFICATION,
    NJ_SQL_EACH_NOTIFICATION,
    NJ_SQL_EACH_NOTIFICATION_ANY,
    NJ_SQL_EACH_NOTIFICATION_OF,
    NJ_SQL_EACH_DEAD_LETTER,
    NJ_SQL_ADD_SENT,
    NJ_SQL_EACH_SENT,
    NJ_SQL_PUT_TARGET,
    NJ_SQL_PUT_TARGET_SEEN,
    NJ_SQL_DELETE_TARGET_SEEN,
    NJ_SQL_DELETE_TARGET,
    NJ_SQL_FIND_TARGET,
    NJ_SQL_COUNT_TARGETS,
    NJ_SQL_TOTAL_OF_SERVICE,
    NJ_SQL_TOTAL_OF_MONITOR,
    NJ_SQL_PUT_MINUTE,
    NJ_SQL_FIND_SERIES,
    NJ_SQL_ADD_SERIES,
    NJ_SQL_NAME_SERIES,
    NJ_SQL_EXTEND_SERIES,
    NJ_SQL_GET_POINT,
    NJ_SQL_ADD_POINT,
    NJ_SQL_PUT_POINT,
    NJ_SQL_NEXT_START,
    NJ_SQL_READ_POINT,
    NJ_SQL_FIND_USAGE_SERIES,
    NJ_SQL_ADD_USAGE_SERIES,
    NJ_SQL_NAME_USAGE_SERIES,
    NJ_SQL_EXTEND_USAGE_SERIES,
    NJ_SQL_GET_USAGE_POINT,
    NJ_SQL_ADD_USAGE_POINT,
    NJ_SQL_PUT_USAGE_POINT,
    NJ_SQL_NEXT_USAGE_START,
    NJ_SQL_PUT_SILENCE,
    NJ_SQL_ADD_ACKNOWLEDGEMENT,
    NJ_SQL_GET_ACKNOWLEDGEMENT,
    NJ_SQL_PUT_MARK,
    NJ_SQL_EACH_PRECISION,
    NJ_SQL_EACH_TOLD,
    NJ_SQL_PUT_REMINDER,
    NJ_SQL_DELETE_REMINDERS,
    NJ_SQL_EACH_REMINDER,
    NJ_SQL_PULL_REMINDERS,
    NJ_SQL_RELEASE_HELD,
    NJ_SQL_NEXT_DUE,
    NJ_SQL_PUT_SECRET,
    NJ_SQL_GET_SECRET,
    NJ_SQL_FIND_SLA_SUBJECT,
    NJ_SQL_ADD_SLA_SUBJECT,
    NJ_SQL_PUT_INTERVAL,
    NJ_SQL_END_INTERVALS,
    NJ_SQL_RECAUSE_INTERVALS,
    NJ_SQL_LOAD_INTERVALS,
    NJ_SQL_PUT_ALIVE,
    NJ_SQL_GET_ALIVE,
    NJ_SQL_PUT_ROLLOUT,
    NJ_SQL_NEXT_ROLLOUT,
    NJ_SQL_LOAD_ROLLOUTS,
    NJ_SQL_PRUNE_FIRST, /* one slot for each of the statements in prune.c */
    NJ_SQL_PRUNE_LAST = NJ_SQL_PRUNE_FIRST + 26,
    NJ_SQL_SLOTS,
};

struct nj_sqlite {
    struct nj_store base;
    sqlite3 *db;
    char *path;
    int lock_fd; /* writer: of PATH.lock, held as long as it is open; else -1 */
    int failed;  /* the transaction's first error, which commit returns; 0: none */
    sqlite3_stmt *statements[NJ_SQL_SLOTS];
    struct nj_crash_tail *tail;             /* writer; else NULL */
    bool tail_stale;                        /* a rollback may have taken back what the tail holds */
    char absent[NJ_EVENT_ID_BYTES_MAX + 1]; /* the crash that has_crash() has just not found; "": none */
    struct nj_log_codec *codec;
    struct nj_buf packed, text;              /* scratch of put_crash, get_crash, and of points */
    struct nj_usage_sum usage, usage_minute; /* scratch of add_usage */
};

static inline struct nj_sqlite *nj_sqlite_of(struct nj_store *store)
{
    return (struct nj_sqlite *)store;
}

/* For tests: a file of at most so many pages, as a full disk would have it. 0: no bound. */
int nj_sqlite_limit_pages(struct nj_store *store, int64_t pages);

/* The schema up to the newest version; -EPROTO for a newer one, -EINVAL for somebody else's file. (schema.c)
 */
extern const char nj_sqlite_schema_sla[]; /* a migration of its own (schema_sla.c) */
int nj_sqlite_migrate(struct nj_sqlite *sqlite, struct nj_err *err);
int nj_sqlite_check_version(struct nj_sqlite *sqlite, struct nj_err *err); /* of a reader */

/* The crashes that crash_key does not hold yet, by id: of the writer. (crash_keys.c) */
enum { NJ_CRASH_TAIL_MAX = 32 << 10 }; /* beyond, a commit brings crash_key up to date itself */
int nj_crash_tail_open(struct nj_sqlite *sqlite, struct nj_err *err);
void nj_crash_tail_free(struct nj_crash_tail *tail);
size_t nj_crash_tail_count(const struct nj_crash_tail *tail);
void nj_crash_tail_add(struct nj_crash_tail *tail, const char *id, int64_t number);
int nj_crash_tail_reload(struct nj_sqlite *sqlite, struct nj_err *err); /* after a rollback */

/* The number of the crash with this id: 1, 0 when there is none, or an error. Of the writer. */
int nj_crash_find(struct nj_sqlite *sqlite, const char *id, int64_t *ret_number, struct nj_err *err);
/* The highest number in crash_key; 0 when it is empty. */
int nj_crash_last_key(struct nj_sqlite *sqlite, int64_t *ret_number, struct nj_err *err);
/* Brings crash_key up to date with at most `limit` crashes. Within a transaction of the writer. */
int nj_crash_keys_fill(struct nj_sqlite *sqlite, int64_t limit, struct nj_err *err);
int nj_sqlite_tidy(struct nj_store *store, int limit, bool *ret_more, struct nj_err *err);
int64_t nj_crash_id_hash(const char *id);
int64_t nj_crash_workload_hash(const char *namespace, const char *workload);

/* The latest SQLite error as errno and text; fails the transaction when there is one. `doing` is what was
 * tried. */
int nj_sqlite_fail(struct nj_sqlite *sqlite, const char *doing, struct nj_err *err);

struct nj_binder {
    sqlite3_stmt *statement;
    int next; /* parameter, from 1 */
    int rc;   /* SQLITE_OK or the first failure */
};
/* The slot's statement, prepared from `sql` at its first use; NULL statement and a failure otherwise. */
struct nj_binder nj_sql_use(struct nj_sqlite *sqlite, enum nj_sql_slot slot, const char *sql);
void nj_sql_text(struct nj_binder *binder, const char *text); /* borrowed until the statement is reset */
void nj_sql_int(struct nj_binder *binder, int64_t value);
void nj_sql_real(struct nj_binder *binder, double value); /* not a NaN: that would bind NULL */
void nj_sql_blob(struct nj_binder *binder, const void *bytes, size_t len); /* likewise */

/* Runs a statement that yields no row and resets it. */
int nj_sql_run(struct nj_sqlite *sqlite, struct nj_binder *binder, const char *doing, struct nj_err *err);
/* Steps to the next row: 1, 0 at the end (then reset), or a negative errno (then reset). */
int nj_sql_next(struct nj_sqlite *sqlite, struct nj_binder *binder, const char *doing, struct nj_err *err);
void nj_sql_reset(struct nj_binder *binder);

/* A query whose conditions depend on the caller: of those given (a text that is not NULL, a number that is
 * not 0, or bare) the SQL is appended to `select`, each with one parameter unless bare. The caller finalizes
 * the statement. */
struct nj_sql_condition {
    const char *sql; /* " AND cluster = ?" */
    const char *text;
    int64_t number;
    bool bare;
};
struct nj_binder nj_sql_query(struct nj_sqlite *sqlite, const char *select,
                              const struct nj_sql_condition *conditions, size_t count, const char *order,
                              int limit);

/* Columns of the current row, from left to right. */
struct nj_row {
    sqlite3_stmt *statement;
    int next;
};
const char *nj_row_text(struct nj_row *row); /* never NULL; borrowed until the next step */
int64_t nj_row_int(struct nj_row *row);
double nj_row_real(struct nj_row *row);
const void *nj_row_blob(struct nj_row *row, size_t *ret_len); /* likewise; never NULL */

/* A point's key: resolution, the minute of its beginning, the series' number. Of the first point that begins
 * at `start_ns` or later, series 0. Times before 1970 count as 1970. (series.c) */
enum { NJ_POINT_RESOLUTION_SHIFT = 60, NJ_POINT_MINUTE_SHIFT = 32 };
int64_t nj_point_key(enum nj_resolution resolution, int64_t start_ns, int64_t series);
int64_t nj_point_start_ns(int64_t key);
int64_t nj_point_start(enum nj_resolution resolution, int64_t at_ns); /* of the point that holds this time */

/* What failed how often, as it stands in a point: lines "CAUSE\tSTATUS\tCOUNT\n". (causes.c) */
struct nj_causes {
    struct nj_rollup_error_count items[NJ_ROLLUP_CAUSES_MAX]; /* strings point into `text` or are borrowed */
    size_t count;
};
/* Reads a point's text, which it takes apart in place. What does not read is left out. */
void nj_causes_parse(struct nj_causes *causes, char *text);
/* Adds to the same cause and status; when there are too many different ones, to the last. */
void nj_causes_add(struct nj_causes *causes, const struct nj_rollup_error_count *error);
void nj_causes_write(const struct nj_causes *causes, struct nj_buf *out);

/* The operations, by file. */
int nj_sqlite_get_agent(struct nj_store *store, const char *cluster, const char *node, const char *stream,
                        struct nj_store_agent *ret_agent, struct nj_err *err);
int nj_sqlite_put_agent(struct nj_store *store, const struct nj_store_agent *agent, struct nj_err *err);
int nj_sqlite_each_agent(struct nj_store *store,
                         int (*on_agent)(void *data, const struct nj_store_agent *agent), void *data,
                         struct nj_err *err);

int nj_sqlite_has_crash(struct nj_store *store, const char *id, bool *ret_known, struct nj_err *err);
int nj_sqlite_put_crash(struct nj_store *store, const struct nj_store_crash *crash, bool *ret_new,
                        struct nj_err *err);
int nj_sqlite_link_crash(struct nj_store *store, const char *crash_id, int64_t incident_id,
                         struct nj_err *err);
int nj_sqlite_put_fact(struct nj_store *store, const char *id, int64_t at_ns, bool *ret_new,
                       struct nj_err *err);
int nj_sqlite_each_crash(struct nj_store *store, const struct nj_crash_filter *filter,
                         int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                         void *data, struct nj_err *err);
int nj_sqlite_get_crash(struct nj_store *store, const char *id, bool with_log,
                        int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                        void *data, struct nj_err *err);

int nj_sqlite_put_incident(struct nj_store *store, const struct nj_incident *incident, struct nj_err *err);
int nj_sqlite_put_subject(struct nj_store *store, int64_t incident_id,
                          const struct nj_incident_subject *subject, bool present, struct nj_err *err);
int nj_sqlite_load_open(struct nj_store *store, int64_t *ret_next_id,
                        void (*on_incident)(void *data, const struct nj_incident *incident),
                        void (*on_subject)(void *data, int64_t incident_id,
                                           const struct nj_incident_subject *subject),
                        void *data, struct nj_err *err);
int nj_sqlite_each_incident(struct nj_store *store, const struct nj_incident_filter *filter,
                            int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                            struct nj_err *err);
int nj_sqlite_get_incident(struct nj_store *store, int64_t id,
                           int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                           struct nj_err *err);
int nj_sqlite_each_subject(struct nj_store *store, int64_t incident_id, int limit,
                           int (*on_subject)(void *data, const struct nj_incident_subject *subject),
                           void *data, struct nj_err *err);

int nj_sqlite_add_notification(struct nj_store *store, const struct nj_notification *notification,
                               int64_t *ret_id, struct nj_err *err);
int nj_sqlite_put_notification(struct nj_store *store, const struct nj_notification *notification,
                               struct nj_err *err);
int nj_sqlite_each_notification(struct nj_store *store, const char *channel,
                                enum nj_notification_status status, int64_t now_ns, int limit,
                                int (*on_notification)(void *data,
                                                       const struct nj_notification *notification),
                                void *data, struct nj_err *err);
int nj_sqlite_each_notification_of(struct nj_store *store, int64_t incident_id, int limit,
                                   int (*on_notification)(void *data,
                                                          const struct nj_notification *notification),
                                   void *data, struct nj_err *err);
int nj_sqlite_add_sent(struct nj_store *store, const char *channel, int64_t at_ns, struct nj_err *err);
int nj_sqlite_each_sent(struct nj_store *store, const char *channel, int64_t since_ns,
                        int (*on_sent)(void *data, int64_t at_ns), void *data, struct nj_err *err);

int nj_sqlite_put_target(struct nj_store *store, const struct nj_store_target *target, struct nj_err *err);
int nj_sqlite_see_target(struct nj_store *store, const char *cluster, const struct nj_check_key *key,
                         const char *state, int64_t seen_ns, struct nj_target_seen *ret_seen,
                         struct nj_err *err);
int nj_sqlite_total_targets(struct nj_store *store, const char *cluster, const char *namespace,
                            const char *service, const char *monitor, struct nj_target_totals *ret_totals,
                            struct nj_err *err);
int nj_sqlite_count_targets(struct nj_store *store, const char *cluster, const char *monitor,
                            uint64_t *ret_counts, struct nj_err *err);
int nj_sqlite_each_target(struct nj_store *store, const struct nj_target_filter *filter,
                          int (*on_target)(void *data, int64_t rowid, const struct nj_store_target *target),
                          void *data, struct nj_err *err);
int nj_sqlite_put_minute(struct nj_store *store, const char *id, int64_t minute_ns, bool *ret_new,
                         struct nj_err *err);
int nj_sqlite_add_rollup(struct nj_store *store, const char *cluster, int64_t minute_ns,
                         const struct nj_check_rollup *rollup, struct nj_err *err);
int nj_sqlite_each_point(struct nj_store *store, const struct nj_series_filter *filter,
                         int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                         struct nj_err *err);
int nj_sqlite_add_usage(struct nj_store *store, const char *cluster, const char *node, int64_t minute_ns,
                        const struct nj_usage_item *item, struct nj_err *err);
int nj_sqlite_each_usage(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                         int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                         struct nj_err *err);

/* pipeline.c */
int nj_sqlite_put_silence(struct nj_store *store, const struct nj_silence *silence, int64_t *ret_id,
                          struct nj_err *err);
int nj_sqlite_each_silence(struct nj_store *store, const struct nj_silence_filter *filter,
                           int (*on_silence)(void *data, const struct nj_silence *silence), void *data,
                           struct nj_err *err);
int nj_sqlite_add_acknowledgement(struct nj_store *store, const struct nj_acknowledgement *ack, bool *ret_new,
                                  struct nj_err *err);
int nj_sqlite_get_acknowledgement(struct nj_store *store, int64_t incident_id,
                                  int (*on_ack)(void *data, const struct nj_acknowledgement *ack), void *data,
                                  struct nj_err *err);
int nj_sqlite_put_mark(struct nj_store *store, const struct nj_mark *mark, struct nj_err *err);
int nj_sqlite_each_precision(struct nj_store *store, int latest,
                             int (*on_rule)(void *data, const struct nj_precision *precision), void *data,
                             struct nj_err *err);
int nj_sqlite_each_told(struct nj_store *store, int64_t since_ns,
                        int (*on_told)(void *data, const struct nj_told *told), void *data,
                        struct nj_err *err);
int nj_sqlite_put_reminder(struct nj_store *store, const struct nj_reminder *reminder, struct nj_err *err);
int nj_sqlite_delete_reminders(struct nj_store *store, int64_t incident_id, const char *channel,
                               bool kept_too, struct nj_err *err);
int nj_sqlite_each_reminder(struct nj_store *store, int64_t due_ns, int limit,
                            int (*on_reminder)(void *data, const struct nj_reminder *reminder), void *data,
                            struct nj_err *err);
int nj_sqlite_release_held(struct nj_store *store, int64_t now_ns, bool all_late, int64_t *ret_released,
                           struct nj_err *err);
int nj_sqlite_next_due(struct nj_store *store, int64_t *ret_at_ns, struct nj_err *err);
int nj_sqlite_put_secret(struct nj_store *store, const char *name, const void *bytes, size_t len,
                         struct nj_err *err);
int nj_sqlite_get_secret(struct nj_store *store, const char *name, void *ret_bytes, size_t len,
                         struct nj_err *err);

int nj_sqlite_put_interval(struct nj_store *store, const char *kind, const struct nj_interval *interval,
                           struct nj_err *err);
int nj_sqlite_recause_intervals(struct nj_store *store, const char *cluster, const char *namespace,
                                const char *reference, enum nj_outage_cause cause, const char *detail,
                                struct nj_err *err);
int nj_sqlite_each_interval(struct nj_store *store, const struct nj_interval_filter *filter,
                            int (*on_interval)(void *data, const char *kind,
                                               const struct nj_interval *interval),
                            void *data, struct nj_err *err);
int nj_sqlite_load_open_intervals(struct nj_store *store, const char *cluster,
                                  void (*on_interval)(void *data, const char *kind,
                                                      const struct nj_interval *interval),
                                  void *data, struct nj_err *err);
int nj_sqlite_put_alive(struct nj_store *store, const char *cluster, int64_t at_ns, struct nj_err *err);
int nj_sqlite_get_alive(struct nj_store *store, const char *cluster, int64_t *ret_at_ns, struct nj_err *err);
int nj_sqlite_put_rollout(struct nj_store *store, const struct nj_rollout *rollout, struct nj_err *err);
int nj_sqlite_each_rollout(struct nj_store *store, const struct nj_rollout_filter *filter,
                           int (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                           struct nj_err *err);
int nj_sqlite_load_rollouts(struct nj_store *store, const char *cluster, int64_t *ret_next_id,
                            void (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                            struct nj_err *err);

int nj_sqlite_prune(struct nj_store *store, const struct nj_retention *retention, int64_t now_ns, int limit,
                    bool *ret_more, struct nj_err *err);

#endif
