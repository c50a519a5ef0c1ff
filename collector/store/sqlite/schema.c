/*
 * The schema and its migrations: migrations[n] takes a database from version n to n + 1. A published one is
 * never changed. PRAGMA user_version says where a file is, PRAGMA application_id whose it is.
 */
#include <errno.h>
#include <inttypes.h>

#include "collector/store/sqlite/internal.h"

enum { APPLICATION_ID = 0x4e4a636f }; /* "NJco" */

static const char version_1[] =
    /* clang-format off */
    "CREATE TABLE agent ("
    "  cluster TEXT NOT NULL, node TEXT NOT NULL, stream TEXT NOT NULL,"
    "  committed INTEGER NOT NULL, request INTEGER NOT NULL,"
    "  first_heard_ns INTEGER NOT NULL, last_heard_ns INTEGER NOT NULL,"
    "  version TEXT NOT NULL, started_ns INTEGER NOT NULL,"
    "  outbox_events INTEGER NOT NULL, outbox_bytes INTEGER NOT NULL,"
    "  dropped_events INTEGER NOT NULL, lost_crashes INTEGER NOT NULL,"
    "  pods INTEGER NOT NULL, watch_synced INTEGER NOT NULL,"
    "  PRIMARY KEY (cluster, node, stream)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE crash ("
    "  number INTEGER PRIMARY KEY,"
    "  id TEXT NOT NULL,"
    "  incident_id INTEGER NOT NULL,"
    "  cluster TEXT NOT NULL, project TEXT NOT NULL, namespace TEXT NOT NULL,"
    "  workload_kind TEXT NOT NULL, workload TEXT NOT NULL,"
    "  pod TEXT NOT NULL, pod_uid TEXT NOT NULL, node TEXT NOT NULL, container TEXT NOT NULL,"
    "  at_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL, stored_ns INTEGER NOT NULL,"
    "  container_id TEXT NOT NULL, container_type TEXT NOT NULL, image TEXT NOT NULL,"
    "  reason TEXT NOT NULL, message TEXT NOT NULL,"
    "  exit_code INTEGER NOT NULL, signal INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, restart_count INTEGER NOT NULL,"
    "  started_ns INTEGER NOT NULL, finished_ns INTEGER NOT NULL,"
    "  memory_limit_bytes INTEGER NOT NULL, cpu_limit_millis INTEGER NOT NULL,"
    "  log_bytes INTEGER NOT NULL, log_lines INTEGER NOT NULL, log_cut INTEGER NOT NULL,"
    "  log_source TEXT NOT NULL, log_missing TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX crash_at ON crash (at_ns);"
    "CREATE INDEX crash_log_at ON crash (at_ns) WHERE log_bytes > 0;"

    /* By what crashes are found. Filled in batches (crash_keys.c): an index over random keys costs a page a row when
     * it is kept up row by row. Crashes above the highest number here are not in it yet. */
    "CREATE TABLE crash_key ("
    "  number INTEGER PRIMARY KEY," /* crash.number */
    "  id_hash INTEGER NOT NULL, workload_hash INTEGER NOT NULL, incident_id INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX crash_key_id ON crash_key (id_hash);"
    "CREATE INDEX crash_key_workload ON crash_key (workload_hash);"
    "CREATE INDEX crash_key_incident ON crash_key (incident_id) WHERE incident_id > 0;"

    "CREATE TABLE crash_log ("
    "  crash INTEGER PRIMARY KEY," /* crash.number */
    "  encoding INTEGER NOT NULL," /* enum nj_log_encoding */
    "  bytes BLOB NOT NULL"
    ") STRICT;"

    "CREATE TABLE fact ("
    "  id TEXT NOT NULL PRIMARY KEY, at_ns INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX fact_at ON fact (at_ns);"

    "CREATE TABLE incident ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* which keeps numbers from being used twice */
    "  fingerprint TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,"
    "  revision INTEGER NOT NULL,"
    "  cluster TEXT NOT NULL, project TEXT NOT NULL, namespace TEXT NOT NULL,"
    "  workload_kind TEXT NOT NULL, workload TEXT NOT NULL, container TEXT NOT NULL,"
    "  pod TEXT NOT NULL, pod_uid TEXT NOT NULL, node TEXT NOT NULL,"
    "  reason TEXT NOT NULL, message TEXT NOT NULL, image TEXT NOT NULL,"
    "  exit_code INTEGER NOT NULL, signal INTEGER NOT NULL, restart_count INTEGER NOT NULL,"
    "  memory_limit_bytes INTEGER NOT NULL, crash_id TEXT NOT NULL, crash_loop INTEGER NOT NULL,"
    "  count INTEGER NOT NULL, lost INTEGER NOT NULL,"
    "  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,"
    "  resolved_ns INTEGER NOT NULL, resolved_cause TEXT NOT NULL, suppressed TEXT NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX incident_open ON incident (fingerprint) WHERE state = 'open';"
    "CREATE INDEX incident_resolved ON incident (resolved_ns) WHERE state = 'resolved';"
    "CREATE INDEX incident_workload ON incident (namespace, workload);"

    "CREATE TABLE subject ("
    "  incident_id INTEGER NOT NULL, pod_uid TEXT NOT NULL, container TEXT NOT NULL,"
    "  pod TEXT NOT NULL, since_ns INTEGER NOT NULL,"
    "  PRIMARY KEY (incident_id, pod_uid, container)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE notification ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  incident_id INTEGER NOT NULL, transition TEXT NOT NULL, occurrence INTEGER NOT NULL,"
    "  channel TEXT NOT NULL, alert_group TEXT NOT NULL, mentions TEXT NOT NULL,"
    "  status TEXT NOT NULL, attempts INTEGER NOT NULL, parts_done INTEGER NOT NULL,"
    "  created_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL, done_ns INTEGER NOT NULL,"
    "  error TEXT NOT NULL,"
    "  UNIQUE (incident_id, transition, occurrence, channel)"
    ") STRICT;"
    "CREATE INDEX notification_open ON notification (channel, status, id)"
    "  WHERE status IN ('pending', 'sending', 'failed', 'uncertain');"
    "CREATE INDEX notification_not_sent ON notification (id)"
    "  WHERE status IN ('pending', 'sending', 'failed', 'uncertain');"

    "CREATE TABLE sent ("
    "  channel TEXT NOT NULL, at_ns INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX sent_at ON sent (channel, at_ns);"
    "CREATE INDEX sent_age ON sent (at_ns);";

static const char version_2[] =
    "ALTER TABLE notification ADD COLUMN text TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE notification ADD COLUMN digest_id INTEGER NOT NULL DEFAULT 0;";

static const char version_3[] =
    "ALTER TABLE incident ADD COLUMN alert_group TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN monitor TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN step TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN cause TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN expected TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN got TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN body TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN status INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN targets_failing INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN targets_total INTEGER NOT NULL DEFAULT 0;"

    "CREATE TABLE target ("
    "  number INTEGER PRIMARY KEY,"
    "  cluster TEXT NOT NULL, monitor TEXT NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL,"
    "  project TEXT NOT NULL, source TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL,"
    "  target_name TEXT NOT NULL, address TEXT NOT NULL, node TEXT NOT NULL, pod_uid TEXT NOT NULL,"
    "  since_ns INTEGER NOT NULL, severity TEXT NOT NULL, alert_group TEXT NOT NULL,"
    "  cause TEXT NOT NULL, phase TEXT NOT NULL, step TEXT NOT NULL, expected TEXT NOT NULL,"
    "  got TEXT NOT NULL, body TEXT NOT NULL, evidence TEXT NOT NULL,"
    "  status INTEGER NOT NULL, failed_ns INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX target_key ON target (cluster, monitor, target);"
    /* These answer what is counted with every change of a state by themselves. */
    "CREATE INDEX target_monitor ON target (cluster, monitor, state, target);"
    "CREATE INDEX target_service ON target (cluster, namespace, service, state, target);"

    /* Apart, for it changes every minute and is a hundredth of the rest. */
    "CREATE TABLE target_seen ("
    "  number INTEGER PRIMARY KEY," /* target.number */
    "  seen_ns INTEGER NOT NULL"
    ") STRICT;"

    "CREATE TABLE series ("
    "  number INTEGER PRIMARY KEY,"
    "  cluster TEXT NOT NULL, monitor TEXT NOT NULL, target TEXT NOT NULL,"
    "  target_name TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL,"
    "  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL" /* beginnings of its first and its last day */
    ") STRICT;"
    "CREATE UNIQUE INDEX series_key ON series (cluster, monitor, target);"
    "CREATE INDEX series_namespace ON series (cluster, namespace, service);"
    "CREATE INDEX series_last ON series (last_ns);"

    /* By time first: a minute of all series is written side by side, and deleted so. One number is the whole key, so
     * that pages are filled as they are appended to. */
    "CREATE TABLE point ("
    "  key INTEGER PRIMARY KEY," /* nj_point_key() */
    "  runs INTEGER NOT NULL, failures INTEGER NOT NULL,"
    "  causes TEXT NOT NULL," /* causes.c */
    "  latency BLOB NOT NULL" /* common/base/sketch.h; empty: none */
    ") STRICT;"

    /* Events that told a minute. */
    "CREATE TABLE minute ("
    "  minute_ns INTEGER NOT NULL, id_hash INTEGER NOT NULL,"
    "  PRIMARY KEY (minute_ns, id_hash)"
    ") STRICT, WITHOUT ROWID;";

static const char version_4[] =
    "ALTER TABLE incident ADD COLUMN detail TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN process TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN value REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN at_most REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN per_hour REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN reaches_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN evictions INTEGER NOT NULL DEFAULT 0;";

static const char version_5[] =
    /* A container's, or with pod_uid '' a node's own. */
    "CREATE TABLE usage_series ("
    "  number INTEGER PRIMARY KEY,"
    "  cluster TEXT NOT NULL, node TEXT NOT NULL, pod_uid TEXT NOT NULL, container TEXT NOT NULL,"
    "  namespace TEXT NOT NULL, pod TEXT NOT NULL, workload_kind TEXT NOT NULL, workload TEXT NOT NULL,"
    "  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL" /* beginnings of its first and its last day */
    ") STRICT;"
    "CREATE UNIQUE INDEX usage_series_key ON usage_series (cluster, node, pod_uid, container);"
    "CREATE INDEX usage_series_workload ON usage_series (cluster, namespace, workload);"
    "CREATE INDEX usage_series_last ON usage_series (last_ns);"

    "CREATE TABLE usage_point ("
    "  key INTEGER PRIMARY KEY," /* nj_point_key() */
    "  data BLOB NOT NULL" /* collector/store/usage_pack.h */
    ") STRICT;";

static const char version_6[] =
    "CREATE TABLE silence ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  matchers TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,"
    "  from_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, created_ns INTEGER NOT NULL,"
    "  maintenance INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX silence_until ON silence (until_ns);"

    "CREATE TABLE acknowledgement ("
    "  incident_id INTEGER PRIMARY KEY, author TEXT NOT NULL, note TEXT NOT NULL, at_ns INTEGER NOT NULL"
    ") STRICT;"

    "CREATE TABLE mark ("
    "  incident_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL,"
    "  useful INTEGER NOT NULL, author TEXT NOT NULL, note TEXT NOT NULL, at_ns INTEGER NOT NULL"
    ") STRICT;"

    "CREATE TABLE reminder ("
    "  incident_id INTEGER NOT NULL, channel TEXT NOT NULL, kind INTEGER NOT NULL,"
    "  alert_group TEXT NOT NULL, mentions TEXT NOT NULL,"
    "  every_ns INTEGER NOT NULL, at_ns INTEGER NOT NULL, told INTEGER NOT NULL,"
    "  PRIMARY KEY (incident_id, channel)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX reminder_at ON reminder (at_ns);"

    "CREATE TABLE secret ("
    "  name TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "ALTER TABLE notification ADD COLUMN until_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE notification ADD COLUMN folds INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX notification_held ON notification (until_ns) WHERE status = 'held';";

static const char version_8[] =
    "ALTER TABLE incident ADD COLUMN rollout TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN rollout_from TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN template_hash TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN image_from TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN difference TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN services_down TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE incident ADD COLUMN outage_ns INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN objective REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE incident ADD COLUMN budget_left REAL NOT NULL DEFAULT 0;";
/* clang-format on */

static const char *const migrations[] = {
    version_1, version_2, version_3, version_4, version_5, version_6, nj_sqlite_schema_sla, version_8};

enum { NEWEST = sizeof(migrations) / sizeof(migrations[0]) };

static int read_pragma(struct nj_sqlite *sqlite, const char *sql, int64_t *ret_value, struct nj_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) {
        (void)nj_sqlite_fail(sqlite, "read the version", err);
        sqlite3_finalize(statement);
        return err == NULL ? -EIO : err->code;
    }
    *ret_value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return 0;
}

static int run_text(struct nj_sqlite *sqlite, const char *sql, const char *doing, struct nj_err *err)
{
    return sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                        : nj_sqlite_fail(sqlite, doing, err);
}

static int migrate_one(struct nj_sqlite *sqlite, int64_t from, struct nj_err *err)
{
    char mark[96];
    (void)sqlite3_snprintf(sizeof(mark), mark,
                           "PRAGMA user_version = %lld; PRAGMA application_id = %d; COMMIT",
                           (long long)from + 1, (int)APPLICATION_ID);
    int rc = run_text(sqlite, migrations[from], "bring the schema up to date", err);
    if (rc == 0)
        rc = run_text(sqlite, mark, "bring the schema up to date", err);
    return rc;
}

static int check(struct nj_sqlite *sqlite, int64_t *ret_version, struct nj_err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int rc = read_pragma(sqlite, "PRAGMA user_version", &version, err);
    if (rc == 0)
        rc = read_pragma(sqlite, "PRAGMA application_id", &application, err);
    if (rc == 0)
        rc = read_pragma(sqlite, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (rc < 0)
        return rc;
    if (application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0))
        return nj_err_set(err, -EINVAL, "%s: is a database of another program, choose another store.path",
                          sqlite->path);
    if (version > NEWEST)
        return nj_err_set(err, -EPROTO,
                          "%s: has schema version %" PRId64
                          ", this program knows up to %d: run the newer program "
                          "again, or choose another store.path",
                          sqlite->path, version, (int)NEWEST);
    *ret_version = version;
    return 0;
}

int nj_sqlite_migrate(struct nj_sqlite *sqlite, struct nj_err *err)
{
    for (;;) {
        /* Within the transaction, so that a migration is done once and as a whole. */
        int rc = run_text(sqlite, "BEGIN IMMEDIATE", "begin", err);
        if (rc < 0)
            return rc;
        int64_t version = 0;
        rc = check(sqlite, &version, err);
        if (rc == 0 && version < NEWEST)
            rc = migrate_one(sqlite, version, err);
        if (sqlite3_get_autocommit(sqlite->db) == 0)
            (void)sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
        if (rc < 0 || version == NEWEST)
            return rc;
    }
}

int nj_sqlite_check_version(struct nj_sqlite *sqlite, struct nj_err *err)
{
    int64_t version = 0;
    int rc = check(sqlite, &version, err);
    if (rc == 0 && version != NEWEST)
        rc = nj_err_set(err, -EPROTO, "%s: has schema version %" PRId64 ", not %d: open it for writing first",
                        sqlite->path, version, (int)NEWEST);
    return rc;
}
