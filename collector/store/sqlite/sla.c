/*
 * When what was available. Those whose availability is measured have a number, and their intervals lie side
 * by side below it.
 */
#include <errno.h>

#include "collector/store/sqlite/internal.h"

static const char storing[] = "store an interval";
static const char reading[] = "read the intervals";

/* What each of an interval's queries reads, in the order of read_interval(). */
#define INTERVAL_COLUMNS                                                                                     \
    "s.cluster, s.kind, s.namespace, s.name, i.from_ns, i.until_ns, "                                        \
    "CASE WHEN i.until_ns > 0 THEN i.until_ns ELSE max(i.seen_ns, "                                          \
    "ifnull((SELECT at_ns FROM alive a WHERE a.cluster = s.cluster), 0)) END, "                              \
    "i.state, i.cause, i.detail, i.reference, i.desired, i.ready, i.serving, i.min_ready, i.print, "         \
    "i.backfilled"
/* Subject by subject, so that the order comes of the indexes. */
#define INTERVAL_SOURCE " FROM sla_subject s CROSS JOIN interval i ON i.subject = s.number "
#define INTERVAL_ORDER "ORDER BY s.cluster, s.kind, s.namespace, s.name, i.from_ns"

static int find_subject(struct nj_sqlite *sqlite, const char *kind, const struct nj_interval *interval,
                        int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder find = nj_sql_use(sqlite, NJ_SQL_FIND_SLA_SUBJECT,
                                       "SELECT number FROM sla_subject WHERE cluster = ? AND kind = ? AND "
                                       "namespace = ? AND name = ?");
    const char *const key[] = {interval->cluster, kind, interval->namespace, interval->service};
    for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
        nj_sql_text(&find, key[i]);
    int rc = nj_sql_next(sqlite, &find, storing, err);
    if (rc == 1) {
        *ret_number = sqlite3_column_int64(find.statement, 0);
        nj_sql_reset(&find);
    }
    if (rc != 0)
        return rc < 0 ? rc : 0;
    struct nj_binder add =
        nj_sql_use(sqlite, NJ_SQL_ADD_SLA_SUBJECT,
                   "INSERT INTO sla_subject (cluster, kind, namespace, name) VALUES (?, ?, ?, ?)");
    for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
        nj_sql_text(&add, key[i]);
    rc = nj_sql_run(sqlite, &add, storing, err);
    if (rc == 0)
        *ret_number = sqlite3_last_insert_rowid(sqlite->db);
    return rc;
}

/* An earlier one whose end was lost, when too much was to be written at once, does not last beside a later
 * one. */
static int end_earlier(struct nj_sqlite *sqlite, int64_t subject, int64_t from_ns, struct nj_err *err)
{
    struct nj_binder end =
        nj_sql_use(sqlite, NJ_SQL_END_INTERVALS,
                   "UPDATE interval SET until_ns = ?1, seen_ns = ?1 WHERE subject = ?2 AND "
                   "until_ns = 0 AND from_ns < ?1");
    nj_sql_int(&end, from_ns);
    nj_sql_int(&end, subject);
    return nj_sql_run(sqlite, &end, storing, err);
}

int nj_sqlite_put_interval(struct nj_store *store, const char *kind, const struct nj_interval *interval,
                           struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t subject = 0;
    int rc = find_subject(sqlite, kind, interval, &subject, err);
    if (rc == 0 && interval->until_ns == 0)
        rc = end_earlier(sqlite, subject, interval->from_ns, err);
    if (rc < 0)
        return rc;
    struct nj_binder put =
        nj_sql_use(sqlite, NJ_SQL_PUT_INTERVAL,
                   "INSERT INTO interval (subject, from_ns, until_ns, seen_ns, state, cause, detail, "
                   "reference, desired, ready, serving, min_ready, print, backfilled) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject, from_ns) DO "
                   "UPDATE SET until_ns = excluded.until_ns, seen_ns = excluded.seen_ns, "
                   "state = excluded.state, cause = excluded.cause, detail = excluded.detail, "
                   "reference = excluded.reference, desired = excluded.desired, ready = excluded.ready, "
                   "serving = excluded.serving, min_ready = excluded.min_ready, print = excluded.print, "
                   "backfilled = excluded.backfilled");
    nj_sql_int(&put, subject);
    nj_sql_int(&put, interval->from_ns);
    nj_sql_int(&put, interval->until_ns);
    nj_sql_int(&put, interval->seen_ns);
    nj_sql_text(&put, nj_service_state_name(interval->state));
    nj_sql_text(&put, nj_outage_cause_name(interval->cause));
    nj_sql_text(&put, interval->detail);
    nj_sql_text(&put, interval->reference);
    nj_sql_int(&put, interval->desired);
    nj_sql_int(&put, interval->ready);
    nj_sql_int(&put, interval->serving);
    nj_sql_int(&put, interval->min_ready);
    nj_sql_int(&put, (int64_t)interval->print);
    nj_sql_int(&put, interval->backfilled);
    return nj_sql_run(sqlite, &put, storing, err);
}

int nj_sqlite_recause_intervals(struct nj_store *store, const char *cluster, const char *namespace,
                                const char *reference, enum nj_outage_cause cause, const char *detail,
                                struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder recause =
        nj_sql_use(sqlite, NJ_SQL_RECAUSE_INTERVALS,
                   "UPDATE interval SET cause = ?, detail = ? WHERE reference = ? AND reference <> '' AND "
                   "EXISTS (SELECT 1 FROM sla_subject s WHERE s.number = subject AND s.cluster = ? AND "
                   "s.namespace = ?)");
    nj_sql_text(&recause, nj_outage_cause_name(cause));
    nj_sql_text(&recause, detail);
    nj_sql_text(&recause, reference);
    nj_sql_text(&recause, cluster);
    nj_sql_text(&recause, namespace);
    return nj_sql_run(sqlite, &recause, "correct the cause of intervals", err);
}

static int read_interval(struct nj_sqlite *sqlite, sqlite3_stmt *statement, const char **ret_kind,
                         struct nj_interval *ret_interval, struct nj_err *err)
{
    struct nj_row row = {.statement = statement};
    struct nj_interval *interval = ret_interval;
    interval->cluster = nj_row_text(&row);
    *ret_kind = nj_row_text(&row);
    interval->namespace = nj_row_text(&row);
    interval->service = nj_row_text(&row);
    interval->from_ns = nj_row_int(&row);
    interval->until_ns = nj_row_int(&row);
    interval->seen_ns = nj_row_int(&row);
    const char *state = nj_row_text(&row);
    const char *cause = nj_row_text(&row);
    interval->detail = nj_row_text(&row);
    interval->reference = nj_row_text(&row);
    interval->desired = (int32_t)nj_row_int(&row);
    interval->ready = (int32_t)nj_row_int(&row);
    interval->serving = (int32_t)nj_row_int(&row);
    interval->min_ready = (int32_t)nj_row_int(&row);
    interval->print = (uint64_t)nj_row_int(&row);
    interval->backfilled = nj_row_int(&row) != 0;
    if (nj_service_state_parse(state, &interval->state) < 0 ||
        nj_outage_cause_parse(cause, &interval->cause) < 0)
        return nj_err_set(err, -EUCLEAN, "%s: an interval of %s/%s has state \"%s\", cause \"%s\"",
                          sqlite->path, interval->namespace, interval->service, state, cause);
    return 0;
}

int nj_sqlite_each_interval(struct nj_store *store, const struct nj_interval_filter *filter,
                            int (*on_interval)(void *data, const char *kind,
                                               const struct nj_interval *interval),
                            void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND s.cluster = ?", .text = filter->cluster},
        {.sql = " AND s.kind = ?", .text = filter->kind},
        {.sql = " AND s.namespace = ?", .text = filter->namespace},
        {.sql = " AND s.name = ?", .text = filter->name},
        /* The first one is that which lasts at from_ns; what follows has begun later. */
        {.sql = " AND i.from_ns >= ifnull((SELECT max(p.from_ns) FROM interval p WHERE "
                "p.subject = s.number AND p.from_ns <= ?), 0)",
         .number = filter->from_ns},
        {.sql = " AND (i.until_ns = 0 OR i.until_ns > ?)", .number = filter->from_ns},
        {.sql = " AND i.from_ns < ?", .number = filter->until_ns},
    };
    struct nj_binder each =
        nj_sql_query(sqlite, "SELECT " INTERVAL_COLUMNS INTERVAL_SOURCE "WHERE 1", conditions,
                     sizeof(conditions) / sizeof(conditions[0]), INTERVAL_ORDER, -1);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, reading, err)) == 1) {
        struct nj_interval interval;
        const char *kind;
        rc = read_interval(sqlite, each.statement, &kind, &interval, err);
        if (rc == 0)
            rc = on_interval(data, kind, &interval);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

int nj_sqlite_load_open_intervals(struct nj_store *store, const char *cluster,
                                  void (*on_interval)(void *data, const char *kind,
                                                      const struct nj_interval *interval),
                                  void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_LOAD_INTERVALS,
                   "SELECT " INTERVAL_COLUMNS
                   " FROM interval i INDEXED BY interval_open CROSS JOIN sla_subject s ON s.number = "
                   "i.subject WHERE s.cluster = ? AND i.until_ns = 0 " INTERVAL_ORDER);
    int rc;
    nj_sql_text(&each, cluster);
    while ((rc = nj_sql_next(sqlite, &each, reading, err)) == 1) {
        struct nj_interval interval;
        const char *kind;
        rc = read_interval(sqlite, each.statement, &kind, &interval, err);
        if (rc < 0) {
            nj_sql_reset(&each);
            return rc;
        }
        on_interval(data, kind, &interval);
    }
    return rc;
}

int nj_sqlite_put_alive(struct nj_store *store, const char *cluster, int64_t at_ns, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put =
        nj_sql_use(sqlite, NJ_SQL_PUT_ALIVE,
                   "INSERT INTO alive (cluster, at_ns) VALUES (?, ?) ON CONFLICT (cluster) "
                   "DO UPDATE SET at_ns = excluded.at_ns");
    nj_sql_text(&put, cluster);
    nj_sql_int(&put, at_ns);
    return nj_sql_run(sqlite, &put, "store until when the cluster was looked at", err);
}

int nj_sqlite_get_alive(struct nj_store *store, const char *cluster, int64_t *ret_at_ns, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get = nj_sql_use(sqlite, NJ_SQL_GET_ALIVE, "SELECT at_ns FROM alive WHERE cluster = ?");
    nj_sql_text(&get, cluster);
    int rc = nj_sql_next(sqlite, &get, "read until when the cluster was looked at", err);
    if (rc < 0)
        return rc;
    *ret_at_ns = rc == 1 ? sqlite3_column_int64(get.statement, 0) : 0;
    nj_sql_reset(&get);
    return 0;
}
