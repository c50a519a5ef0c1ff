/*
 * What crashes are found by, kept up in batches.
 *
 * Their ids are hashes: an index over them is touched at a random page by every row, which costs more than
 * storing the crash. So new crashes are only appended to `crash`; those that crash_key does not hold yet
 * ("the tail") are found through a table in the writer's memory, made from the database at the start. Many
 * rows then go into crash_key together, when nothing else waits or when the tail is long.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { TAIL_FIRST_SLOTS = 1024 };

/* Open addressing, at most half full; number 0 is an empty slot. Equal hashes take slots of their own. */
struct nj_crash_tail {
    struct slot {
        int64_t hash, number;
    } * slots;
    size_t slots_count; /* a power of two */
    size_t count;
};

int64_t nj_crash_id_hash(const char *id)
{
    return (int64_t)nj_hash64(id, strlen(id));
}

int64_t nj_crash_workload_hash(const char *namespace, const char *workload)
{
    uint64_t hash = nj_hash64(namespace, strlen(namespace));
    return (int64_t)(hash * UINT64_C(0x9e3779b97f4a7c15) + nj_hash64(workload, strlen(workload)));
}

static void tail_clear(struct nj_crash_tail *tail)
{
    free(tail->slots);
    tail->slots_count = TAIL_FIRST_SLOTS;
    tail->slots = nj_calloc(tail->slots_count, sizeof(*tail->slots));
    tail->count = 0;
}

static void tail_put(struct nj_crash_tail *tail, int64_t hash, int64_t number)
{
    size_t at = (size_t)hash & (tail->slots_count - 1);
    while (tail->slots[at].number != 0)
        at = (at + 1) & (tail->slots_count - 1);
    tail->slots[at] = (struct slot){.hash = hash, .number = number};
    tail->count++;
}

/* Puts those with a number above `above` into a table of so many slots. */
static void tail_rebuild(struct nj_crash_tail *tail, size_t slots_count, int64_t above)
{
    struct slot *old = tail->slots;
    size_t old_count = tail->slots_count;
    tail->slots_count = slots_count;
    tail->slots = nj_calloc(slots_count, sizeof(*tail->slots));
    tail->count = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].number > above)
            tail_put(tail, old[i].hash, old[i].number);
    }
    free(old);
}

void nj_crash_tail_add(struct nj_crash_tail *tail, const char *id, int64_t number)
{
    if (2 * (tail->count + 1) > tail->slots_count)
        tail_rebuild(tail, 2 * tail->slots_count, 0);
    tail_put(tail, nj_crash_id_hash(id), number);
}

size_t nj_crash_tail_count(const struct nj_crash_tail *tail)
{
    return tail->count;
}

void nj_crash_tail_free(struct nj_crash_tail *tail)
{
    if (tail == NULL)
        return;
    free(tail->slots);
    free(tail);
}

int nj_crash_last_key(struct nj_sqlite *sqlite, int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder last =
        nj_sql_use(sqlite, NJ_SQL_LAST_KEY, "SELECT coalesce(max(number), 0) FROM crash_key");
    int rc = nj_sql_next(sqlite, &last, "read the crashes' keys", err);
    if (rc < 0)
        return rc;
    *ret_number = sqlite3_column_int64(last.statement, 0);
    nj_sql_reset(&last);
    return 0;
}

int nj_crash_tail_reload(struct nj_sqlite *sqlite, struct nj_err *err)
{
    int64_t last = 0;
    int rc = nj_crash_last_key(sqlite, &last, err);
    if (rc < 0)
        return rc;
    tail_clear(sqlite->tail);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_LOAD_TAIL, "SELECT number, id FROM crash WHERE number > ?");
    nj_sql_int(&each, last);
    while ((rc = nj_sql_next(sqlite, &each, "read the latest crashes", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        int64_t number = nj_row_int(&row);
        nj_crash_tail_add(sqlite->tail, nj_row_text(&row), number);
    }
    return rc;
}

static void sql_id_hash(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int64(context, nj_crash_id_hash(nj_str((const char *)sqlite3_value_text(values[0]))));
}

static void sql_workload_hash(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int64(context,
                         nj_crash_workload_hash(nj_str((const char *)sqlite3_value_text(values[0])),
                                                nj_str((const char *)sqlite3_value_text(values[1]))));
}

int nj_crash_tail_open(struct nj_sqlite *sqlite, struct nj_err *err)
{
    enum { FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC };
    sqlite->tail = NJ_NEW(struct nj_crash_tail);
    tail_clear(sqlite->tail);
    if (sqlite3_create_function(sqlite->db, "nj_id_hash", 1, FLAGS, NULL, sql_id_hash, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_create_function(sqlite->db, "nj_workload_hash", 2, FLAGS, NULL, sql_workload_hash, NULL,
                                NULL) != SQLITE_OK)
        return nj_sqlite_fail(sqlite, "set up the database", err);
    return nj_crash_tail_reload(sqlite, err);
}

static int is_crash(struct nj_sqlite *sqlite, int64_t number, const char *id, struct nj_err *err)
{
    struct nj_binder is =
        nj_sql_use(sqlite, NJ_SQL_IS_CRASH, "SELECT 1 FROM crash WHERE number = ? AND id = ?");
    nj_sql_int(&is, number);
    nj_sql_text(&is, id);
    int rc = nj_sql_next(sqlite, &is, "look for a crash", err);
    if (rc == 1)
        nj_sql_reset(&is);
    return rc;
}

int nj_crash_find(struct nj_sqlite *sqlite, const char *id, int64_t *ret_number, struct nj_err *err)
{
    const struct nj_crash_tail *tail = sqlite->tail;
    int64_t hash = nj_crash_id_hash(id);
    if (tail == NULL)
        return nj_err_set(err, -EROFS, "%s: is open for reading only", sqlite->path);
    for (size_t at = (size_t)hash & (tail->slots_count - 1); tail->slots[at].number != 0;
         at = (at + 1) & (tail->slots_count - 1)) {
        if (tail->slots[at].hash != hash)
            continue;
        /* The row may have been deleted for its age, and its number given to another. */
        int rc = is_crash(sqlite, tail->slots[at].number, id, err);
        if (rc == 1)
            *ret_number = tail->slots[at].number;
        if (rc != 0)
            return rc;
    }
    struct nj_binder find = nj_sql_use(sqlite, NJ_SQL_FIND_KEY,
                                       "SELECT number FROM crash_key JOIN crash USING (number) "
                                       "WHERE id_hash = ? AND id = ?");
    nj_sql_int(&find, hash);
    nj_sql_text(&find, id);
    int rc = nj_sql_next(sqlite, &find, "look for a crash", err);
    if (rc == 1) {
        *ret_number = sqlite3_column_int64(find.statement, 0);
        nj_sql_reset(&find);
    }
    return rc;
}

int nj_crash_keys_fill(struct nj_sqlite *sqlite, int64_t limit, struct nj_err *err)
{
    int64_t last = 0;
    int rc = nj_crash_last_key(sqlite, &last, err);
    if (rc < 0)
        return rc;
    struct nj_binder fill =
        nj_sql_use(sqlite, NJ_SQL_INSERT_KEYS,
                   "INSERT INTO crash_key (number, id_hash, workload_hash, incident_id) SELECT number, "
                   "nj_id_hash(id), nj_workload_hash(namespace, workload), incident_id FROM crash "
                   "WHERE number > ? ORDER BY number LIMIT ?");
    nj_sql_int(&fill, last);
    nj_sql_int(&fill, limit);
    rc = nj_sql_run(sqlite, &fill, "store the crashes' keys", err);
    if (rc < 0)
        return rc;
    if (sqlite3_changes64(sqlite->db) < limit) {
        tail_clear(sqlite->tail);
        return 0;
    }
    rc = nj_crash_last_key(sqlite, &last, err);
    if (rc == 0)
        tail_rebuild(sqlite->tail, sqlite->tail->slots_count, last);
    return rc;
}

int nj_sqlite_tidy(struct nj_store *store, int limit, bool *ret_more, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int rc = nj_crash_tail_count(sqlite->tail) == 0 ? 0 : nj_crash_keys_fill(sqlite, limit, err);
    if (rc == 0)
        *ret_more = nj_crash_tail_count(sqlite->tail) > 0;
    return rc;
}
