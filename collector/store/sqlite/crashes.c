#include <errno.h>

#include "collector/store/log_codec.h"
#include "collector/store/sqlite/internal.h"

/* What a correction replaces; bound by bind_facts() in this order. */
#define FACT_COLUMNS                                                                                         \
    "cluster, project, namespace, workload_kind, workload, pod, pod_uid, node, container, at_ns, seen_ns, "  \
    "container_id, container_type, image, reason, message, exit_code, signal, attempt, restart_count, "      \
    "started_ns, finished_ns, memory_limit_bytes, cpu_limit_millis"
#define LOG_COLUMNS "log_bytes, log_lines, log_cut, log_source, log_missing"
#define CRASH_COLUMNS "number, id, incident_id, stored_ns, " FACT_COLUMNS ", " LOG_COLUMNS

static void bind_facts(struct nj_binder *to, const struct nj_store_crash *crash)
{
    const struct nj_subject *subject = &crash->subject;
    const struct nj_crash *facts = &crash->crash;
    nj_sql_text(to, crash->cluster);
    nj_sql_text(to, crash->project);
    nj_sql_text(to, subject->namespace);
    nj_sql_text(to, subject->workload_kind);
    nj_sql_text(to, subject->workload);
    nj_sql_text(to, subject->pod);
    nj_sql_text(to, subject->pod_uid);
    nj_sql_text(to, subject->node);
    nj_sql_text(to, subject->container);
    nj_sql_int(to, crash->at_ns);
    nj_sql_int(to, crash->seen_ns);
    nj_sql_text(to, facts->container_id);
    nj_sql_text(to, facts->container_type);
    nj_sql_text(to, facts->image);
    nj_sql_text(to, facts->reason);
    nj_sql_text(to, facts->message);
    nj_sql_int(to, facts->exit_code);
    nj_sql_int(to, facts->signal);
    nj_sql_int(to, facts->attempt);
    nj_sql_int(to, facts->restart_count);
    nj_sql_int(to, facts->started_ns);
    nj_sql_int(to, facts->finished_ns);
    nj_sql_int(to, facts->memory_limit_bytes);
    nj_sql_int(to, facts->cpu_limit_millis);
}

static void bind_log(struct nj_binder *to, const struct nj_log_text *log)
{
    nj_sql_int(to, (int64_t)log->len);
    nj_sql_int(to, log->lines);
    nj_sql_int(to, log->cut);
    nj_sql_text(to, log->source);
    nj_sql_text(to, log->missing);
}

static void read_crash(sqlite3_stmt *statement, int64_t *ret_number, struct nj_store_crash *crash)
{
    struct nj_row row = {.statement = statement};
    struct nj_subject *subject = &crash->subject;
    struct nj_crash *facts = &crash->crash;
    *ret_number = nj_row_int(&row);
    crash->id = nj_row_text(&row);
    crash->incident_id = nj_row_int(&row);
    crash->stored_ns = nj_row_int(&row);
    crash->cluster = nj_row_text(&row);
    crash->project = nj_row_text(&row);
    subject->namespace = nj_row_text(&row);
    subject->workload_kind = nj_row_text(&row);
    subject->workload = nj_row_text(&row);
    subject->pod = nj_row_text(&row);
    subject->pod_uid = nj_row_text(&row);
    subject->node = nj_row_text(&row);
    subject->container = nj_row_text(&row);
    crash->at_ns = nj_row_int(&row);
    crash->seen_ns = nj_row_int(&row);
    facts->container_id = nj_row_text(&row);
    facts->container_type = nj_row_text(&row);
    facts->image = nj_row_text(&row);
    facts->reason = nj_row_text(&row);
    facts->message = nj_row_text(&row);
    facts->exit_code = (int32_t)nj_row_int(&row);
    facts->signal = (int32_t)nj_row_int(&row);
    facts->attempt = (int32_t)nj_row_int(&row);
    facts->restart_count = (int32_t)nj_row_int(&row);
    facts->started_ns = nj_row_int(&row);
    facts->finished_ns = nj_row_int(&row);
    facts->memory_limit_bytes = nj_row_int(&row);
    facts->cpu_limit_millis = nj_row_int(&row);
    facts->log = (struct nj_log_text){
        .text = "", .len = (size_t)nj_row_int(&row), .lines = (uint32_t)nj_row_int(&row)};
    facts->log.cut = nj_row_int(&row) != 0;
    facts->log.source = nj_row_text(&row);
    facts->log.missing = nj_row_text(&row);
    /* Retention leaves the number of lines and takes the rest. */
    if (facts->log.len == 0 && facts->log.lines > 0)
        facts->log.missing = "deleted for its age";
}

/* The row of a crash: 1, 0 when it is not there, or an error. */
static int find(struct nj_sqlite *sqlite, const char *id, int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder find = nj_sql_use(sqlite, NJ_SQL_FIND_CRASH, "SELECT number FROM crash WHERE id = ?");
    nj_sql_text(&find, id);
    int rc = nj_sql_next(sqlite, &find, "look for a crash", err);
    if (rc == 1) {
        *ret_number = sqlite3_column_int64(find.statement, 0);
        nj_sql_reset(&find);
    }
    return rc;
}

int nj_sqlite_has_crash(struct nj_store *store, const char *id, bool *ret_known, struct nj_err *err)
{
    int64_t number = 0;
    int rc = find(nj_sqlite_of(store), id, &number, err);
    if (rc < 0)
        return rc;
    *ret_known = rc == 1;
    return 0;
}

static int put_log(struct nj_sqlite *sqlite, int64_t number, const struct nj_log_text *log,
                   struct nj_err *err)
{
    enum nj_log_encoding encoding = NJ_LOG_PLAIN;
    int rc = nj_log_pack(sqlite->codec, log->text, log->len, &encoding, &sqlite->packed);
    if (rc < 0) {
        if (sqlite->failed == 0)
            sqlite->failed = rc;
        return nj_err_set(err, rc, "cannot compress a log of %zu bytes", log->len);
    }
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_LOG, "INSERT OR REPLACE INTO crash_log (crash, encoding, bytes) VALUES (?, ?, ?)");
    nj_sql_int(&put, number);
    nj_sql_int(&put, encoding);
    nj_sql_blob(&put, sqlite->packed.data, sqlite->packed.len);
    return nj_sql_run(sqlite, &put, "store a log", err);
}

static int insert(struct nj_sqlite *sqlite, const struct nj_store_crash *crash, int64_t *ret_number,
                  struct nj_err *err)
{
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_INSERT_CRASH,
        "INSERT INTO crash (id, incident_id, stored_ns, " FACT_COLUMNS ", " LOG_COLUMNS
        ") VALUES (?, ?, ?,  ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,  ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,  "
        "?, ?, ?, ?, ?)");
    nj_sql_text(&put, crash->id);
    nj_sql_int(&put, crash->incident_id);
    nj_sql_int(&put, crash->stored_ns);
    bind_facts(&put, crash);
    bind_log(&put, &crash->crash.log);
    int rc = nj_sql_run(sqlite, &put, "store a crash", err);
    if (rc == 0)
        *ret_number = sqlite3_last_insert_rowid(sqlite->db);
    return rc;
}

static int correct(struct nj_sqlite *sqlite, int64_t number, const struct nj_store_crash *crash,
                   struct nj_err *err)
{
    struct nj_binder put =
        nj_sql_use(sqlite, NJ_SQL_UPDATE_CRASH,
                   "UPDATE crash SET (" FACT_COLUMNS
                   ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,  ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), "
                   "incident_id = CASE WHEN ?25 > 0 THEN ?25 ELSE incident_id END WHERE number = ?26");
    bind_facts(&put, crash);
    nj_sql_int(&put, crash->incident_id);
    nj_sql_int(&put, number);
    int rc = nj_sql_run(sqlite, &put, "correct a crash", err);
    if (rc < 0)
        return rc;
    struct nj_binder put_meta = nj_sql_use(sqlite, NJ_SQL_UPDATE_CRASH_LOG,
                                           "UPDATE crash SET (" LOG_COLUMNS ") = (?1, ?2, ?3, ?4, ?5) "
                                           "WHERE number = ?6 AND (?1 > 0 OR log_bytes = 0)");
    bind_log(&put_meta, &crash->crash.log);
    nj_sql_int(&put_meta, number);
    return nj_sql_run(sqlite, &put_meta, "correct a crash", err);
}

int nj_sqlite_put_crash(struct nj_store *store, const struct nj_store_crash *crash, bool *ret_new,
                        struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t number = 0;
    int found = find(sqlite, crash->id, &number, err);
    if (found < 0)
        return found;
    int rc = found == 1 ? correct(sqlite, number, crash, err) : insert(sqlite, crash, &number, err);
    if (rc == 0 && crash->crash.log.len > 0)
        rc = put_log(sqlite, number, &crash->crash.log, err);
    if (rc == 0)
        *ret_new = found == 0;
    return rc;
}

int nj_sqlite_link_crash(struct nj_store *store, const char *crash_id, int64_t incident_id,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder link =
        nj_sql_use(sqlite, NJ_SQL_LINK_CRASH, "UPDATE crash SET incident_id = ? WHERE id = ?");
    nj_sql_int(&link, incident_id);
    nj_sql_text(&link, crash_id);
    int rc = nj_sql_run(sqlite, &link, "link a crash", err);
    if (rc == 0 && sqlite3_changes(sqlite->db) == 0)
        return nj_err_set(err, -ENOENT, "no crash %s", crash_id);
    return rc;
}

int nj_sqlite_put_fact(struct nj_store *store, const char *id, int64_t at_ns, bool *ret_new,
                       struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put =
        nj_sql_use(sqlite, NJ_SQL_PUT_FACT, "INSERT OR IGNORE INTO fact (id, at_ns) VALUES (?, ?)");
    nj_sql_text(&put, id);
    nj_sql_int(&put, at_ns);
    int rc = nj_sql_run(sqlite, &put, "store a fact", err);
    if (rc == 0)
        *ret_new = sqlite3_changes(sqlite->db) > 0;
    return rc;
}

int nj_sqlite_each_crash(struct nj_store *store, const struct nj_crash_filter *filter,
                         int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                         void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND project = ?", .text = filter->project},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND workload = ?", .text = filter->workload},
        {.sql = " AND pod = ?", .text = filter->pod},
        {.sql = " AND container = ?", .text = filter->container},
        {.sql = " AND reason = ?", .text = filter->reason},
        /* The partial index is used only when its own condition is there. */
        {.sql = " AND incident_id > 0 AND incident_id = ?", .number = filter->incident_id},
        {.sql = " AND at_ns >= ?", .number = filter->since_ns},
        {.sql = " AND at_ns <= ?", .number = filter->until_ns},
        {.sql = " AND number < ?", .number = filter->before_rowid},
    };
    struct nj_binder each =
        nj_sql_query(sqlite, "SELECT " CRASH_COLUMNS " FROM crash WHERE 1", conditions,
                     sizeof(conditions) / sizeof(conditions[0]), "ORDER BY number DESC", filter->limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the crashes", err)) == 1) {
        struct nj_store_crash crash;
        int64_t number;
        read_crash(each.statement, &number, &crash);
        rc = on_crash(data, number, &crash);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

static int read_log(struct nj_sqlite *sqlite, sqlite3_stmt *statement, struct nj_log_text *log,
                    struct nj_err *err)
{
    int column = sqlite3_column_count(statement) - 2;
    if (log->len == 0)
        return 0;
    int rc = nj_log_unpack(sqlite->codec, sqlite3_column_int(statement, column),
                           sqlite3_column_blob(statement, column + 1),
                           (size_t)sqlite3_column_bytes(statement, column + 1), log->len, &sqlite->text);
    if (rc < 0)
        return nj_err_set(err, rc, "%s: a log of %zu bytes cannot be unpacked", sqlite->path, log->len);
    log->text = nj_buf_str(&sqlite->text);
    return 0;
}

int nj_sqlite_get_crash(struct nj_store *store, const char *id, bool with_log,
                        int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                        void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get = nj_sql_use(sqlite, NJ_SQL_GET_CRASH,
                                      "SELECT " CRASH_COLUMNS ", encoding, bytes FROM crash "
                                      "LEFT JOIN crash_log ON crash_log.crash = crash.number WHERE id = ?");
    nj_sql_text(&get, id);
    int rc = nj_sql_next(sqlite, &get, "read a crash", err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "no crash %s", id);
    if (rc < 0)
        return rc;
    struct nj_store_crash crash;
    int64_t number;
    read_crash(get.statement, &number, &crash);
    rc = with_log ? read_log(sqlite, get.statement, &crash.crash.log, err) : 0;
    if (rc == 0)
        rc = on_crash(data, number, &crash);
    nj_sql_reset(&get);
    return rc;
}
