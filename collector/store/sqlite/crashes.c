#include <errno.h>
#include <string.h>

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

int nj_sqlite_has_crash(struct nj_store *store, const char *id, bool *ret_known, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t number = 0;
    int rc = nj_crash_find(sqlite, id, &number, err);
    if (rc < 0)
        return rc;
    if (rc == 0 && strlen(id) < sizeof(sqlite->absent))
        memcpy(sqlite->absent, id, strlen(id) + 1);
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
    if (rc < 0)
        return rc;
    *ret_number = sqlite3_last_insert_rowid(sqlite->db);
    nj_crash_tail_add(sqlite->tail, crash->id, *ret_number);
    return 0;
}

/* A crash that is not in crash_key yet gets there with what its row says then. */
static int correct_key(struct nj_sqlite *sqlite, int64_t number, struct nj_err *err)
{
    struct nj_binder put = nj_sql_use(sqlite, NJ_SQL_UPDATE_KEY,
                                      "UPDATE crash_key SET (workload_hash, incident_id) = (SELECT "
                                      "nj_workload_hash(namespace, workload), incident_id FROM crash WHERE "
                                      "crash.number = ?1) WHERE number = ?1");
    nj_sql_int(&put, number);
    return nj_sql_run(sqlite, &put, "correct a crash", err);
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
    if (rc == 0)
        rc = correct_key(sqlite, number, err);
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
    /* Whoever wanted to know whether it is new has had it looked for a moment ago. */
    bool absent = crash->id[0] != '\0' && strcmp(crash->id, sqlite->absent) == 0;
    int found = absent ? 0 : nj_crash_find(sqlite, crash->id, &number, err);
    sqlite->absent[0] = '\0';
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
    int64_t number = 0;
    int rc = nj_crash_find(sqlite, crash_id, &number, err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "no crash %s", crash_id);
    if (rc < 0)
        return rc;
    struct nj_binder link =
        nj_sql_use(sqlite, NJ_SQL_LINK_CRASH, "UPDATE crash SET incident_id = ? WHERE number = ?");
    nj_sql_int(&link, incident_id);
    nj_sql_int(&link, number);
    rc = nj_sql_run(sqlite, &link, "link a crash", err);
    return rc < 0 ? rc : correct_key(sqlite, number, err);
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

/* Where crashes are looked for. */
enum place {
    IN_TAIL,   /* those that crash_key does not hold yet */
    BY_KEY,    /* the others, through crash_key */
    BY_NUMBER, /* the others, one by one */
};

static struct nj_binder query_crashes(struct nj_sqlite *sqlite, const struct nj_crash_filter *filter,
                                      enum place place, int64_t last_key, int limit)
{
    const char *select = "SELECT " CRASH_COLUMNS " FROM crash WHERE 1";
    /* CROSS JOIN keeps SQLite to this order: crash_key gives the crashes newest first, so that the limit ends
     * it. */
    if (place == BY_KEY)
        select =
            "SELECT " CRASH_COLUMNS " FROM (SELECT number AS key, workload_hash, incident_id AS key_incident "
            "FROM crash_key) CROSS JOIN crash ON number = key WHERE 1";
    bool by_workload = place == BY_KEY && filter->namespace != NULL && filter->workload != NULL;
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND number > ?", .number = place == IN_TAIL ? last_key : 0},
        {.sql = " AND number <= ?", .number = place == BY_NUMBER ? last_key : 0},
        /* The partial index is used only when its own condition is there. */
        {.sql = " AND key_incident > 0 AND key_incident = ?",
         .number = place == BY_KEY ? filter->incident_id : 0},
        {.sql = " AND workload_hash = ?",
         .number = by_workload ? nj_crash_workload_hash(filter->namespace, filter->workload) : 0},
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND project = ?", .text = filter->project},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND workload = ?", .text = filter->workload},
        {.sql = " AND pod = ?", .text = filter->pod},
        {.sql = " AND container = ?", .text = filter->container},
        {.sql = " AND reason = ?", .text = filter->reason},
        {.sql = " AND incident_id = ?", .number = filter->incident_id},
        {.sql = " AND at_ns >= ?", .number = filter->since_ns},
        {.sql = " AND at_ns <= ?", .number = filter->until_ns},
        {.sql = " AND number < ?", .number = filter->before_rowid},
    };
    return nj_sql_query(sqlite, select, conditions, sizeof(conditions) / sizeof(conditions[0]),
                        place == BY_KEY ? "ORDER BY key DESC" : "ORDER BY number DESC", limit);
}

int nj_sqlite_each_crash(struct nj_store *store, const struct nj_crash_filter *filter,
                         int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                         void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    int64_t last_key = 0;
    int rc = nj_crash_last_key(sqlite, &last_key, err);
    int left = filter->limit;
    bool keyed = filter->incident_id != 0 || (filter->namespace != NULL && filter->workload != NULL);
    const enum place places[] = {IN_TAIL, keyed ? BY_KEY : BY_NUMBER};
    /* A writer that fills crash_key in between takes nothing away: `last_key` still divides the crashes in
     * two. */
    for (int i = 0; i < 2 && rc == 0 && left > 0 && (i == 0 || last_key > 0); i++) {
        struct nj_binder query = query_crashes(sqlite, filter, places[i], last_key, left);
        while ((rc = nj_sql_next(sqlite, &query, "read the crashes", err)) == 1) {
            struct nj_store_crash crash;
            int64_t number;
            read_crash(query.statement, &number, &crash);
            left--;
            rc = on_crash(data, number, &crash);
            if (rc != 0)
                break;
        }
        (void)sqlite3_finalize(query.statement);
    }
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

static struct nj_binder seek_key(struct nj_sqlite *sqlite, const char *id)
{
    struct nj_binder seek = nj_sql_use(
        sqlite, NJ_SQL_GET_CRASH,
        "SELECT " CRASH_COLUMNS ", encoding, bytes FROM (SELECT number AS key, id_hash FROM crash_key) "
        "CROSS JOIN crash ON number = key LEFT JOIN crash_log ON crash_log.crash = number "
        "WHERE id_hash = ? AND id = ?");
    nj_sql_int(&seek, nj_crash_id_hash(id));
    nj_sql_text(&seek, id);
    return seek;
}

static struct nj_binder seek_tail(struct nj_sqlite *sqlite, const char *id)
{
    struct nj_binder seek =
        nj_sql_use(sqlite, NJ_SQL_GET_CRASH_BY_SCAN,
                   "SELECT " CRASH_COLUMNS ", encoding, bytes FROM crash LEFT JOIN crash_log ON "
                   "crash_log.crash = number "
                   "WHERE number > (SELECT coalesce(max(number), 0) FROM crash_key) AND id = ?");
    nj_sql_text(&seek, id);
    return seek;
}

/* The statement at the crash's row and 1, or 0. A writer may move the crash from the tail to crash_key
 * between the first two looks. */
static int seek_crash(struct nj_sqlite *sqlite, const char *id, struct nj_binder *ret_get, struct nj_err *err)
{
    int rc = 0;
    for (int look = 0; look < 3 && rc == 0; look++) {
        *ret_get = look == 1 ? seek_tail(sqlite, id) : seek_key(sqlite, id);
        rc = nj_sql_next(sqlite, ret_get, "read a crash", err);
    }
    return rc;
}

int nj_sqlite_get_crash(struct nj_store *store, const char *id, bool with_log,
                        int (*on_crash)(void *data, int64_t rowid, const struct nj_store_crash *crash),
                        void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get;
    int rc = seek_crash(sqlite, id, &get, err);
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
