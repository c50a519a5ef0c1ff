#include "agent/outbox/db.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/str.h"

enum {
    APPLICATION_ID =
        0x4e4a4f42, /* "NJOB": in the file's header, so that nobody else's file is taken for ours */
    SCHEMA_VERSION = 1,
    BUSY_MS = 2000, /* an agent that is about to end may still hold the file */
    STREAM_BYTES = NJ_OUTBOX_STREAM / 2,
};

/* Exclusive locking keeps a second agent out, and keeps the WAL's index in the heap: a mapped -shm file on a
 * full tmpfs is a SIGBUS. The cache is small because the agent is. */
static const char setup_sql[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                "PRAGMA synchronous=FULL;"
                                "PRAGMA cache_size=-512;"
                                "PRAGMA temp_store=MEMORY;"
                                "PRAGMA secure_delete=FAST;"
                                "PRAGMA trusted_schema=OFF;"
                                "PRAGMA cell_size_check=ON;"
                                "PRAGMA journal_size_limit=4194304;";

/* The size stands before the body, so that totals never read a body's pages. */
static const char schema_sql[] =
    "CREATE TABLE stream (name TEXT NOT NULL, created_ns INTEGER NOT NULL);"
    "CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, class INTEGER NOT NULL,"
    " size INTEGER NOT NULL, body BLOB NOT NULL);"
    "INSERT INTO sqlite_sequence (name, seq) VALUES ('event', 0);"
    "CREATE INDEX event_id ON event (id);"
    "CREATE INDEX event_class ON event (class, seq, size);"
    "CREATE TABLE record (key TEXT PRIMARY KEY, value BLOB NOT NULL);"
    "PRAGMA application_id=1313492802;"
    "PRAGMA user_version=1;";

static const char *const statement_sql[NJ_SQLS] = {
    [NJ_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [NJ_SQL_COMMIT] = "COMMIT",
    [NJ_SQL_ROLLBACK] = "ROLLBACK",
    [NJ_SQL_GET_NUMBER] = "SELECT value FROM number WHERE name = ?1",
    [NJ_SQL_PUT_NUMBER] = ("INSERT INTO number (name, value) VALUES (?1, ?2)"
                           " ON CONFLICT (name) DO UPDATE SET value = excluded.value"),
    [NJ_SQL_GET_STREAM] = "SELECT name, created_ns FROM stream",
    [NJ_SQL_LAST_SEQ] = "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
    [NJ_SQL_SET_LAST_SEQ] = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'event'",
    [NJ_SQL_TOTALS] = "SELECT count(*), coalesce(sum(size), 0) FROM event INDEXED BY event_class",
    [NJ_SQL_INSERT] = "INSERT INTO event (id, class, size, body) VALUES (?1, ?2, ?3, ?4)",
    [NJ_SQL_FIND_UNREAD] =
        "SELECT seq, size, class FROM event WHERE id = ?1 AND seq > ?2 ORDER BY seq DESC LIMIT 1",
    [NJ_SQL_UPDATE] = "UPDATE event SET class = ?2, size = ?3, body = ?4 WHERE seq = ?1",
    [NJ_SQL_READ] = "SELECT seq, body FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [NJ_SQL_LEAST] = "SELECT seq, class, size FROM event INDEXED BY event_class ORDER BY class, seq LIMIT 1",
    [NJ_SQL_DELETE] = "DELETE FROM event WHERE seq = ?1",
    [NJ_SQL_TOTALS_TO] = "SELECT count(*), coalesce(sum(size), 0) FROM event WHERE seq <= ?1",
    [NJ_SQL_DELETE_TO] = "DELETE FROM event WHERE seq <= ?1",
    [NJ_SQL_LOWEST] = "SELECT min(seq) FROM event",
    [NJ_SQL_RENUMBER] = "UPDATE event SET seq = seq + ?1",
    [NJ_SQL_PUT_RECORD] = ("INSERT INTO record (key, value) VALUES (?1, ?2)"
                           " ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
    [NJ_SQL_DELETE_RECORD] = "DELETE FROM record WHERE key = ?1",
    [NJ_SQL_LOAD_RECORDS] = "SELECT key, value FROM record ORDER BY key",
};

/* SQLite calls only ENOSPC a full disk; a quota or a limit on the file's size is one too. Its own record of
 * errno is overwritten while it cleans up, each file's is not. */
static bool out_of_room(sqlite3 *sqlite)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        sqlite3_file *file = NULL;
        int last = 0;
        if (sqlite3_file_control(sqlite, "main", files[i], &file) != SQLITE_OK || file == NULL ||
            file->pMethods == NULL)
            continue;
        if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &last) == SQLITE_OK &&
            (last == ENOSPC || last == EDQUOT || last == EFBIG))
            return true;
    }
    return false;
}

/* What SQLite's code means to the caller. */
static int errno_of(sqlite3 *sqlite, int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
        return sqlite != NULL && sqlite3_system_errno(sqlite) > 0 ? -sqlite3_system_errno(sqlite) : -EIO;
    default:
        return sqlite != NULL && out_of_room(sqlite) ? -ENOSPC : -EIO;
    }
}

int nj_outbox_db_error(const struct nj_outbox_db *db, int code, const char *doing, struct nj_err *err)
{
    int rc = errno_of(db->sqlite, code);
    const char *why = db->sqlite == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db->sqlite);
    if (rc == -EBUSY)
        why = "another process has the file open; only one agent may run on a node";
    return nj_err_set(err, rc, "outbox %s: %s: %s", db->path, doing, why);
}

sqlite3_stmt *nj_outbox_db_statement(const struct nj_outbox_db *db, enum nj_outbox_sql which)
{
    return db->statements[which];
}

int nj_outbox_db_run(const struct nj_outbox_db *db, sqlite3_stmt *statement, const char *doing,
                     struct nj_err *err)
{
    int code = sqlite3_step(statement);
    int rc = code == SQLITE_DONE ? 0 : nj_outbox_db_error(db, code, doing, err);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return rc;
}

/* Some failures (a full disk) have undone the transaction already. */
static void undo(const struct nj_outbox_db *db)
{
    if (sqlite3_get_autocommit(db->sqlite) == 0)
        (void)nj_outbox_db_run(db, db->statements[NJ_SQL_ROLLBACK], "rollback", NULL);
}

int nj_outbox_db_begin(const struct nj_outbox_db *db, const char *doing, struct nj_err *err)
{
    undo(db); /* one that could not be undone when it failed */
    return nj_outbox_db_run(db, db->statements[NJ_SQL_BEGIN], doing, err);
}

int nj_outbox_db_end(const struct nj_outbox_db *db, int rc, const char *doing, struct nj_err *err)
{
    if (rc == 0)
        rc = nj_outbox_db_run(db, db->statements[NJ_SQL_COMMIT], doing, err);
    if (rc < 0)
        undo(db);
    return rc;
}

void nj_outbox_db_close(struct nj_outbox_db *db)
{
    for (int i = 0; i < NJ_SQLS; i++) {
        (void)sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    (void)sqlite3_close(db->sqlite);
    db->sqlite = NULL;
    free(db->path);
    db->path = NULL;
}

static int execute(const struct nj_outbox_db *db, const char *sql, const char *doing, struct nj_err *err)
{
    int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : nj_outbox_db_error(db, code, doing, err);
}

/* The first column of the first row, as text. -EUCLEAN when there is none. */
static int query(const struct nj_outbox_db *db, const char *sql, char *ret_text, size_t size,
                 struct nj_err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int rc = 0;
    if (code == SQLITE_ROW)
        (void)snprintf(ret_text, size, "%s", nj_str((const char *)sqlite3_column_text(statement, 0)));
    else if (code == SQLITE_DONE)
        rc = nj_err_set(err, -EUCLEAN, "outbox %s: damaged", db->path);
    else
        rc = nj_outbox_db_error(db, code, "open", err);
    (void)sqlite3_finalize(statement);
    return rc;
}

static int query_int(const struct nj_outbox_db *db, const char *sql, int64_t *ret_value, struct nj_err *err)
{
    char text[32];
    int rc = query(db, sql, text, sizeof(text), err);
    return rc < 0 ? rc : nj_parse_int(text, INT64_MIN, INT64_MAX, ret_value);
}

/* A stream and everything else in one transaction: there is a whole outbox or none. */
static int create(const struct nj_outbox_db *db, int64_t now_ns, bool damaged, struct nj_err *err)
{
    uint8_t random[STREAM_BYTES];
    char name[NJ_OUTBOX_STREAM + 1];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return nj_err_set(err, -EIO, "outbox %s: no random numbers to name it by", db->path);
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(name + 2 * i, 3, "%02x", random[i]);
    char *first = sqlite3_mprintf("INSERT INTO stream (name, created_ns) VALUES (%Q, %lld);"
                                  "INSERT INTO number (name, value) VALUES ('outbox.damaged', %d);",
                                  name, (long long)now_ns, damaged);
    if (first == NULL)
        return nj_err_set(err, -ENOMEM, "outbox %s: no memory", db->path);
    int rc = execute(db, "BEGIN IMMEDIATE", "create", err);
    if (rc == 0)
        rc = execute(db, schema_sql, "create", err);
    if (rc == 0)
        rc = execute(db, first, "create", err);
    if (rc == 0)
        rc = execute(db, "COMMIT", "create", err);
    if (rc < 0 && sqlite3_get_autocommit(db->sqlite) == 0)
        (void)sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_free(first);
    return rc;
}

/* Whose file it is, and whether it is new. */
static int check_owner(const struct nj_outbox_db *db, bool *ret_new, struct nj_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    int rc = query_int(db, "PRAGMA application_id", &application, err);
    if (rc == 0)
        rc = query_int(db, "PRAGMA user_version", &version, err);
    if (rc == 0)
        rc = query_int(db, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (rc < 0)
        return rc;
    *ret_new = tables == 0;
    if (*ret_new)
        return 0;
    if (application != APPLICATION_ID)
        return nj_err_set(err, -EINVAL, "outbox %s: a database of another program; choose another path",
                          db->path);
    if (version > SCHEMA_VERSION)
        return nj_err_set(
            err, -ENOTSUP,
            "outbox %s: made by a newer version of this program (schema %d, known is %d); run that "
            "one, or move the file away",
            db->path, (int)version, SCHEMA_VERSION);
    return 0;
}

/* SQLite makes its files as readable as the main one: what is in there concerns nobody else. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
}

/* One try. -EUCLEAN when the file is damaged. */
static int open_once(struct nj_outbox_db *db, const struct nj_clock *clock, struct nj_outbox_found *found,
                     struct nj_err *err)
{
    char text[128];
    bool is_new = false;
    make_private(db->path);
    int code = sqlite3_open_v2(db->path, &db->sqlite,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return nj_outbox_db_error(db, code, "open", err);
    (void)sqlite3_busy_timeout(db->sqlite, BUSY_MS);
    int rc = execute(db, setup_sql, "open", err);
    if (rc == 0)
        rc = check_owner(db, &is_new, err);
    if (rc == 0)
        rc = query(db, "PRAGMA journal_mode=WAL", text, sizeof(text), err);
    if (rc == 0 && strcmp(text, "wal") != 0)
        rc = nj_err_set(err, -EIO, "outbox %s: no write-ahead log on this file system", db->path);
    if (rc == 0)
        rc = query(db, "PRAGMA quick_check(1)", text, sizeof(text), err);
    if (rc == 0 && strcmp(text, "ok") != 0)
        rc = nj_err_set(err, -EUCLEAN, "outbox %s: damaged: %s", db->path, text);
    if (rc == 0 && is_new) {
        found->created = true;
        rc = create(db, nj_clock_wall_ns(clock), found->damaged, err);
    }
    for (int i = 0; rc == 0 && i < NJ_SQLS; i++) {
        code = sqlite3_prepare_v3(db->sqlite, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &db->statements[i], NULL);
        if (code == SQLITE_ERROR) /* a table or column is missing */
            rc = nj_err_set(err, -EUCLEAN, "outbox %s: damaged: %s", db->path, sqlite3_errmsg(db->sqlite));
        else if (code != SQLITE_OK)
            rc = nj_outbox_db_error(db, code, "open", err);
    }
    return rc;
}

/* Deletes earlier copies of damaged files, so that they never fill the disk. */
static void forget_earlier_copies(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    NJ_CLEANUP_FREE char *folder =
        slash == NULL ? nj_strdup(".") : nj_strndup(path, (size_t)(slash - path) + 1);
    NJ_CLEANUP_FREE char *prefix = nj_asprintf("%s.corrupt-", name);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (nj_str_starts(entry->d_name, prefix))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

static int move_aside(const struct nj_outbox_db *db, int64_t now_ns, struct nj_outbox_found *found,
                      struct nj_err *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char when[NJ_TIME_TEXT_MAX], stamp[NJ_TIME_TEXT_MAX] = "";
    size_t len = 0;
    for (const char *at = nj_time_format(now_ns, when); *at != '\0'; at++) {
        if (isalnum((unsigned char)*at))
            stamp[len++] = *at;
    }
    forget_earlier_copies(db->path);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        NJ_CLEANUP_FREE char *from = nj_asprintf("%s%s", db->path, suffixes[i]);
        NJ_CLEANUP_FREE char *to = nj_asprintf("%s.corrupt-%s%s", db->path, stamp, suffixes[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            return nj_err_set(err, -errno, "outbox %s: damaged, and cannot be moved to %s: %s", from, to,
                              strerror(errno));
        if (i == 0)
            (void)snprintf(found->moved_to, sizeof(found->moved_to), "%s", to);
    }
    found->damaged = true;
    return 0;
}

int nj_outbox_db_open(struct nj_outbox_db *db, const char *path, const struct nj_clock *clock,
                      struct nj_outbox_found *found, struct nj_err *err)
{
    *db = (struct nj_outbox_db){.path = nj_strdup(path)};
    int rc = open_once(db, clock, found, err);
    if (rc == -EUCLEAN) {
        nj_outbox_db_close(db);
        db->path = nj_strdup(path);
        rc = move_aside(db, nj_clock_wall_ns(clock), found, err);
        if (rc == 0)
            rc = open_once(db, clock, found, err);
    }
    if (rc < 0)
        nj_outbox_db_close(db);
    return rc;
}
