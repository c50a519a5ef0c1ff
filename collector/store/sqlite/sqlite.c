#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/store/log_codec.h"
#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { BUSY_MS = 5000 };

/* synchronous=FULL: a commit that was acknowledged outlives the machine's power. Pages of 8 KiB: half the
 * system calls of 4 KiB for what is appended, and still small where one row of many is changed. */
static const char writer_settings[] = "PRAGMA page_size = 8192;"
                                      "PRAGMA journal_mode = WAL;"
                                      "PRAGMA synchronous = FULL;"
                                      "PRAGMA wal_autocheckpoint = 2000;"
                                      "PRAGMA journal_size_limit = 67108864;"
                                      "PRAGMA cache_size = -32768;"
                                      "PRAGMA temp_store = MEMORY;";
static const char reader_settings[] = "PRAGMA query_only = ON;"
                                      "PRAGMA cache_size = -4096;"
                                      "PRAGMA mmap_size = 67108864;"
                                      "PRAGMA temp_store = MEMORY;";

static int error_number(sqlite3 *db)
{
    int system = sqlite3_system_errno(db);
    switch (sqlite3_errcode(db)) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return system == ENOSPC || system == EDQUOT ? -ENOSPC : -EIO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return system > 0 ? -system : -ENOENT;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return -EINVAL;
    default:
        return -EIO;
    }
}

int nj_sqlite_fail(struct nj_sqlite *sqlite, const char *doing, struct nj_err *err)
{
    int code = error_number(sqlite->db);
    if (sqlite->failed == 0)
        sqlite->failed = code;
    return nj_err_set(err, code, "%s: cannot %s: %s", sqlite->path, doing, sqlite3_errmsg(sqlite->db));
}

struct nj_binder nj_sql_use(struct nj_sqlite *sqlite, enum nj_sql_slot slot, const char *sql)
{
    sqlite3_stmt **statement = &sqlite->statements[slot];
    struct nj_binder binder = {.next = 1, .rc = SQLITE_OK};
    if (*statement == NULL)
        binder.rc = sqlite3_prepare_v3(sqlite->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    binder.statement = *statement;
    return binder;
}

static void note(struct nj_binder *binder, int rc)
{
    if (binder->rc == SQLITE_OK)
        binder->rc = rc;
    binder->next++;
}

void nj_sql_text(struct nj_binder *binder, const char *text)
{
    if (binder->statement != NULL)
        note(binder, sqlite3_bind_text(binder->statement, binder->next, nj_str(text), -1, SQLITE_STATIC));
}

void nj_sql_int(struct nj_binder *binder, int64_t value)
{
    if (binder->statement != NULL)
        note(binder, sqlite3_bind_int64(binder->statement, binder->next, value));
}

void nj_sql_real(struct nj_binder *binder, double value)
{
    if (binder->statement != NULL)
        note(binder, sqlite3_bind_double(binder->statement, binder->next, value));
}

void nj_sql_blob(struct nj_binder *binder, const void *bytes, size_t len)
{
    /* A NULL pointer would bind NULL. */
    if (binder->statement != NULL)
        note(binder,
             sqlite3_bind_blob64(binder->statement, binder->next, len == 0 ? "" : bytes, len, SQLITE_STATIC));
}

void nj_sql_reset(struct nj_binder *binder)
{
    if (binder->statement != NULL)
        (void)sqlite3_reset(binder->statement);
}

int nj_sql_next(struct nj_sqlite *sqlite, struct nj_binder *binder, const char *doing, struct nj_err *err)
{
    int rc = binder->rc == SQLITE_OK ? sqlite3_step(binder->statement) : binder->rc;
    if (rc == SQLITE_ROW)
        return 1;
    int result = rc == SQLITE_DONE ? 0 : nj_sqlite_fail(sqlite, doing, err);
    nj_sql_reset(binder);
    return result;
}

int nj_sql_run(struct nj_sqlite *sqlite, struct nj_binder *binder, const char *doing, struct nj_err *err)
{
    int rc = nj_sql_next(sqlite, binder, doing, err);
    if (rc == 1)
        nj_sql_reset(binder);
    return rc < 0 ? rc : 0;
}

static bool given(const struct nj_sql_condition *condition)
{
    return condition->text != NULL || condition->number != 0 || condition->bare;
}

struct nj_binder nj_sql_query(struct nj_sqlite *sqlite, const char *select,
                              const struct nj_sql_condition *conditions, size_t count, const char *order,
                              int limit)
{
    struct nj_buf sql = {0};
    (void)nj_buf_append_str(&sql, select);
    for (size_t i = 0; i < count; i++) {
        if (given(&conditions[i]))
            (void)nj_buf_append_str(&sql, conditions[i].sql);
    }
    (void)nj_buf_printf(&sql, " %s LIMIT ?", order);
    struct nj_binder query = {.next = 1};
    query.rc = sqlite3_prepare_v2(sqlite->db, nj_buf_str(&sql), -1, &query.statement, NULL);
    nj_buf_done(&sql);
    for (size_t i = 0; i < count; i++) {
        if (conditions[i].text != NULL)
            nj_sql_text(&query, conditions[i].text);
        else if (conditions[i].number != 0)
            nj_sql_int(&query, conditions[i].number);
    }
    nj_sql_int(&query, limit);
    return query;
}

const char *nj_row_text(struct nj_row *row)
{
    return nj_str((const char *)sqlite3_column_text(row->statement, row->next++));
}

int64_t nj_row_int(struct nj_row *row)
{
    return sqlite3_column_int64(row->statement, row->next++);
}

double nj_row_real(struct nj_row *row)
{
    return sqlite3_column_double(row->statement, row->next++);
}

const void *nj_row_blob(struct nj_row *row, size_t *ret_len)
{
    const void *bytes = sqlite3_column_blob(row->statement, row->next);
    *ret_len = (size_t)sqlite3_column_bytes(row->statement, row->next++);
    return bytes == NULL ? "" : bytes;
}

static int sqlite_begin(struct nj_store *store, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    sqlite->failed = 0;
    sqlite->absent[0] = '\0';
    struct nj_binder begin = nj_sql_use(sqlite, NJ_SQL_BEGIN, "BEGIN IMMEDIATE");
    int rc = nj_sql_run(sqlite, &begin, "begin a transaction", err);
    if (rc == 0 && sqlite->tail_stale)
        rc = nj_crash_tail_reload(sqlite, err);
    if (rc == 0)
        sqlite->tail_stale = false;
    return rc;
}

static int sqlite_commit(struct nj_store *store, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (sqlite->failed != 0)
        return nj_err_set(err, sqlite->failed, "%s: a write has failed, nothing is committed", sqlite->path);
    if (sqlite->tail != NULL && nj_crash_tail_count(sqlite->tail) >= NJ_CRASH_TAIL_MAX) {
        int rc = nj_crash_keys_fill(sqlite, INT64_MAX, err);
        if (rc < 0)
            return rc;
    }
    struct nj_binder commit = nj_sql_use(sqlite, NJ_SQL_COMMIT, "COMMIT");
    return nj_sql_run(sqlite, &commit, "commit", err);
}

static void sqlite_rollback(struct nj_store *store)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    /* After a full disk SQLite may have rolled back by itself. */
    if (sqlite3_get_autocommit(sqlite->db) == 0) {
        struct nj_binder rollback = nj_sql_use(sqlite, NJ_SQL_ROLLBACK, "ROLLBACK");
        (void)nj_sql_run(sqlite, &rollback, "roll back", NULL);
    }
    sqlite->tail_stale = true;
    sqlite->failed = 0;
}

static int sqlite_size(struct nj_store *store, int64_t *ret_bytes, struct nj_err *err)
{
    static const char *const suffixes[] = {"", "-wal"};
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t bytes = 0;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        NJ_CLEANUP_FREE char *path = nj_asprintf("%s%s", sqlite->path, suffixes[i]);
        struct stat status;
        if (stat(path, &status) == 0)
            bytes += status.st_size;
        else if (errno != ENOENT)
            return nj_err_set(err, -errno, "%s: %s", path, strerror(errno));
    }
    *ret_bytes = bytes;
    return 0;
}

static void sqlite_close(struct nj_store *store)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    for (size_t i = 0; i < NJ_SQL_SLOTS; i++)
        (void)sqlite3_finalize(sqlite->statements[i]);
    (void)sqlite3_close(sqlite->db);
    if (sqlite->lock_fd >= 0)
        (void)close(sqlite->lock_fd);
    nj_crash_tail_free(sqlite->tail);
    nj_log_codec_free(sqlite->codec);
    nj_buf_done(&sqlite->packed);
    nj_buf_done(&sqlite->text);
    nj_usage_sum_done(&sqlite->usage);
    nj_usage_sum_done(&sqlite->usage_minute);
    free(sqlite->path);
    free(sqlite);
}

static const struct nj_store_ops sqlite_ops = {
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .get_agent = nj_sqlite_get_agent,
    .put_agent = nj_sqlite_put_agent,
    .has_crash = nj_sqlite_has_crash,
    .put_crash = nj_sqlite_put_crash,
    .link_crash = nj_sqlite_link_crash,
    .put_fact = nj_sqlite_put_fact,
    .put_target = nj_sqlite_put_target,
    .see_target = nj_sqlite_see_target,
    .total_targets = nj_sqlite_total_targets,
    .count_targets = nj_sqlite_count_targets,
    .each_target = nj_sqlite_each_target,
    .put_minute = nj_sqlite_put_minute,
    .add_rollup = nj_sqlite_add_rollup,
    .each_point = nj_sqlite_each_point,
    .add_usage = nj_sqlite_add_usage,
    .each_usage = nj_sqlite_each_usage,
    .put_incident = nj_sqlite_put_incident,
    .put_subject = nj_sqlite_put_subject,
    .load_open = nj_sqlite_load_open,
    .add_notification = nj_sqlite_add_notification,
    .put_notification = nj_sqlite_put_notification,
    .each_notification = nj_sqlite_each_notification,
    .add_sent = nj_sqlite_add_sent,
    .each_sent = nj_sqlite_each_sent,
    .each_incident = nj_sqlite_each_incident,
    .get_incident = nj_sqlite_get_incident,
    .each_subject = nj_sqlite_each_subject,
    .each_crash = nj_sqlite_each_crash,
    .get_crash = nj_sqlite_get_crash,
    .each_agent = nj_sqlite_each_agent,
    .each_notification_of = nj_sqlite_each_notification_of,
    .put_silence = nj_sqlite_put_silence,
    .each_silence = nj_sqlite_each_silence,
    .add_acknowledgement = nj_sqlite_add_acknowledgement,
    .get_acknowledgement = nj_sqlite_get_acknowledgement,
    .put_mark = nj_sqlite_put_mark,
    .each_precision = nj_sqlite_each_precision,
    .each_told = nj_sqlite_each_told,
    .put_reminder = nj_sqlite_put_reminder,
    .delete_reminders = nj_sqlite_delete_reminders,
    .each_reminder = nj_sqlite_each_reminder,
    .release_held = nj_sqlite_release_held,
    .next_due = nj_sqlite_next_due,
    .put_secret = nj_sqlite_put_secret,
    .get_secret = nj_sqlite_get_secret,
    .put_interval = nj_sqlite_put_interval,
    .recause_intervals = nj_sqlite_recause_intervals,
    .each_interval = nj_sqlite_each_interval,
    .load_open_intervals = nj_sqlite_load_open_intervals,
    .put_alive = nj_sqlite_put_alive,
    .get_alive = nj_sqlite_get_alive,
    .put_rollout = nj_sqlite_put_rollout,
    .each_rollout = nj_sqlite_each_rollout,
    .load_rollouts = nj_sqlite_load_rollouts,
    .prune = nj_sqlite_prune,
    .tidy = nj_sqlite_tidy,
    .size = sqlite_size,
};

/* A file of its own: closing any descriptor of the database itself would drop SQLite's locks. */
static int take_lock(struct nj_sqlite *sqlite, struct nj_err *err)
{
    NJ_CLEANUP_FREE char *path = nj_asprintf("%s.lock", sqlite->path);
    sqlite->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sqlite->lock_fd < 0)
        return nj_err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (flock(sqlite->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? nj_err_set(err, -EBUSY, "%s: another collector is using it", sqlite->path)
                   : nj_err_set(err, -errno, "%s: %s", path, strerror(errno));
    return 0;
}

static int open_database(struct nj_sqlite *sqlite, bool writer, struct nj_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(sqlite->path, &sqlite->db, flags, NULL) != SQLITE_OK) {
        if (sqlite->db == NULL)
            return nj_err_set(err, -ENOMEM, "%s: out of memory", sqlite->path);
        return nj_sqlite_fail(sqlite, "open the database", err);
    }
    (void)sqlite3_extended_result_codes(sqlite->db, 0);
    (void)sqlite3_busy_timeout(sqlite->db, BUSY_MS);
    if (sqlite3_exec(sqlite->db, writer ? writer_settings : reader_settings, NULL, NULL, NULL) != SQLITE_OK)
        return nj_sqlite_fail(sqlite, "set up the database", err);
    int rc = writer ? nj_sqlite_migrate(sqlite, err) : nj_sqlite_check_version(sqlite, err);
    if (rc == 0 && writer)
        rc = nj_crash_tail_open(sqlite, err);
    sqlite->failed = 0;
    return rc;
}

int nj_store_open_sqlite(const char *path, bool writer, struct nj_store **ret_store, struct nj_err *err)
{
    struct nj_sqlite *sqlite = NJ_NEW(struct nj_sqlite);
    sqlite->base.ops = &sqlite_ops;
    sqlite->path = nj_strdup(path);
    sqlite->lock_fd = -1;
    sqlite->codec = nj_log_codec_new();
    int rc = writer ? take_lock(sqlite, err) : 0;
    if (rc == 0)
        rc = open_database(sqlite, writer, err);
    if (rc < 0) {
        sqlite_close(&sqlite->base);
        return rc;
    }
    *ret_store = &sqlite->base;
    return 0;
}

int nj_sqlite_limit_pages(struct nj_store *store, int64_t pages)
{
    char sql[64];
    (void)sqlite3_snprintf(sizeof(sql), sql, "PRAGMA max_page_count = %lld",
                           pages > 0 ? (long long)pages : 4294967294LL);
    return sqlite3_exec(nj_sqlite_of(store)->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}
