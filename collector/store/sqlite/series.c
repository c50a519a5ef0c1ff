/*
 * Series, written: a minute is added to its point and to those of its hour and day.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/str.h"

/* What is added to a point. */
struct addition {
    int64_t series;
    const struct nj_check_rollup *rollup;
    struct nj_sketch latency; /* empty: none */
};

int64_t nj_point_start(enum nj_resolution resolution, int64_t at_ns)
{
    int64_t length = nj_resolution_ns(resolution);
    int64_t past = at_ns % length;
    return at_ns - (past < 0 ? past + length : past);
}

int64_t nj_point_key(enum nj_resolution resolution, int64_t start_ns, int64_t series)
{
    static const int64_t minutes_max =
        (INT64_C(1) << (NJ_POINT_RESOLUTION_SHIFT - NJ_POINT_MINUTE_SHIFT)) - 1;
    int64_t minutes = start_ns <= 0 ? 0 : (start_ns - 1) / NJ_MIN + 1;
    if (minutes > minutes_max)
        minutes = minutes_max;
    return ((int64_t)resolution << NJ_POINT_RESOLUTION_SHIFT) | (minutes << NJ_POINT_MINUTE_SHIFT) | series;
}

int64_t nj_point_start_ns(int64_t key)
{
    uint64_t low = (uint64_t)key & ((UINT64_C(1) << NJ_POINT_RESOLUTION_SHIFT) - 1);
    return (int64_t)(low >> NJ_POINT_MINUTE_SHIFT) * NJ_MIN;
}

int nj_sqlite_put_minute(struct nj_store *store, const char *id, int64_t minute_ns, bool *ret_new,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(sqlite, NJ_SQL_PUT_MINUTE,
                                      "INSERT OR IGNORE INTO minute (minute_ns, id_hash) VALUES (?, ?)");
    nj_sql_int(&put, nj_point_start(NJ_RESOLUTION_MINUTE, minute_ns < 0 ? 0 : minute_ns));
    nj_sql_int(&put, (int64_t)nj_hash64(nj_str(id), strlen(nj_str(id))));
    int rc = nj_sql_run(sqlite, &put, "remember a minute", err);
    if (rc == 0)
        *ret_new = sqlite3_changes(sqlite->db) == 1;
    return rc;
}

static int add_series(struct nj_sqlite *sqlite, const char *cluster, int64_t minute_ns,
                      const struct nj_check_rollup *rollup, int64_t *ret_number, struct nj_err *err)
{
    int64_t day_ns = nj_point_start(NJ_RESOLUTION_DAY, minute_ns);
    struct nj_binder add = nj_sql_use(sqlite, NJ_SQL_ADD_SERIES,
                                      "INSERT INTO series (cluster, monitor, target, target_name, namespace, "
                                      "service, first_ns, last_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    nj_sql_text(&add, cluster);
    nj_sql_text(&add, rollup->key.monitor);
    nj_sql_text(&add, rollup->key.target);
    nj_sql_text(&add, rollup->target_name);
    nj_sql_text(&add, rollup->namespace);
    nj_sql_text(&add, rollup->service);
    nj_sql_int(&add, day_ns);
    nj_sql_int(&add, day_ns);
    int rc = nj_sql_run(sqlite, &add, "store a series", err);
    if (rc == 0)
        *ret_number = sqlite3_last_insert_rowid(sqlite->db);
    return rc;
}

static int name_series(struct nj_sqlite *sqlite, int64_t number, const struct nj_check_rollup *rollup,
                       struct nj_err *err)
{
    struct nj_binder name =
        nj_sql_use(sqlite, NJ_SQL_NAME_SERIES,
                   "UPDATE series SET target_name = ?, namespace = ?, service = ? WHERE number = ?");
    nj_sql_text(&name, rollup->target_name);
    nj_sql_text(&name, rollup->namespace);
    nj_sql_text(&name, rollup->service);
    nj_sql_int(&name, number);
    return nj_sql_run(sqlite, &name, "store a series", err);
}

/* The series' number; made when there is none. */
static int find_series(struct nj_sqlite *sqlite, const char *cluster, int64_t minute_ns,
                       const struct nj_check_rollup *rollup, int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder find = nj_sql_use(sqlite, NJ_SQL_FIND_SERIES,
                                       "SELECT number, target_name, namespace, service FROM series "
                                       "WHERE cluster = ? AND monitor = ? AND target = ?");
    nj_sql_text(&find, cluster);
    nj_sql_text(&find, rollup->key.monitor);
    nj_sql_text(&find, rollup->key.target);
    int rc = nj_sql_next(sqlite, &find, "look for a series", err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return add_series(sqlite, cluster, minute_ns, rollup, ret_number, err);
    struct nj_row row = {.statement = find.statement};
    *ret_number = nj_row_int(&row);
    bool same = nj_streq(nj_row_text(&row), rollup->target_name);
    same = nj_streq(nj_row_text(&row), rollup->namespace) && same;
    same = nj_streq(nj_row_text(&row), rollup->service) && same;
    nj_sql_reset(&find);
    return same ? 0 : name_series(sqlite, *ret_number, rollup, err);
}

static int extend_series(struct nj_sqlite *sqlite, int64_t number, int64_t day_ns, struct nj_err *err)
{
    struct nj_binder extend = nj_sql_use(sqlite, NJ_SQL_EXTEND_SERIES,
                                         "UPDATE series SET first_ns = min(first_ns, ?1), "
                                         "last_ns = max(last_ns, ?1) WHERE number = ?2");
    nj_sql_int(&extend, day_ns);
    nj_sql_int(&extend, number);
    return nj_sql_run(sqlite, &extend, "store a series", err);
}

static int write_point(struct nj_sqlite *sqlite, bool is_new, int64_t key,
                       const struct nj_series_point *point, struct nj_err *err)
{
    struct nj_binder put =
        is_new ? nj_sql_use(sqlite, NJ_SQL_ADD_POINT,
                            "INSERT INTO point (runs, failures, causes, latency, key) VALUES (?, ?, ?, ?, ?)")
               : nj_sql_use(sqlite, NJ_SQL_PUT_POINT,
                            "UPDATE point SET runs = ?, failures = ?, causes = ?, latency = ? WHERE key = ?");
    nj_sql_int(&put, (int64_t)point->runs);
    nj_sql_int(&put, (int64_t)point->failures);
    nj_sql_text(&put, nj_buf_str(&sqlite->text));
    nj_sql_blob(&put, point->latency, point->latency_len);
    nj_sql_int(&put, key);
    return nj_sql_run(sqlite, &put, "store a point of a series", err);
}

/* Into `packed`: the sum of what is there and what is added, as it is stored. */
static void merge_latency(struct nj_sqlite *sqlite, const void *there, size_t len,
                          const struct nj_sketch *added)
{
    struct nj_sketch sum = {0};
    if (len > 0 && nj_sketch_decode(there, len, &sum) < 0)
        sum = (struct nj_sketch){0};
    nj_sketch_merge(&sum, added);
    nj_buf_clear(&sqlite->packed);
    if (sum.count > 0)
        (void)nj_sketch_encode(&sum, &sqlite->packed);
    nj_sketch_done(&sum);
}

static int add_to_point(struct nj_sqlite *sqlite, int64_t key, const struct addition *addition, bool *ret_new,
                        struct nj_err *err)
{
    const struct nj_check_rollup *rollup = addition->rollup;
    struct nj_series_point point = {.runs = rollup->runs, .failures = rollup->failures};
    struct nj_causes causes;
    char *there = NULL;
    causes.count = 0;
    struct nj_binder get = nj_sql_use(sqlite, NJ_SQL_GET_POINT,
                                      "SELECT runs, failures, causes, latency FROM point WHERE key = ?");
    nj_sql_int(&get, key);
    int rc = nj_sql_next(sqlite, &get, "read a point of a series", err);
    if (rc < 0)
        return rc;
    *ret_new = rc == 0;
    size_t len = 0;
    const void *latency = NULL;
    if (rc == 1) {
        struct nj_row row = {.statement = get.statement};
        point.runs += (uint64_t)nj_row_int(&row);
        point.failures += (uint64_t)nj_row_int(&row);
        there = nj_strdup(nj_row_text(&row));
        nj_causes_parse(&causes, there);
        latency = nj_row_blob(&row, &len);
    }
    merge_latency(sqlite, latency, len, &addition->latency);
    nj_sql_reset(&get);
    for (size_t i = 0; i < rollup->errors_count; i++)
        nj_causes_add(&causes, &rollup->errors[i]);
    nj_buf_clear(&sqlite->text);
    nj_causes_write(&causes, &sqlite->text);
    point.latency = nj_buf_str(&sqlite->packed);
    point.latency_len = sqlite->packed.len;
    rc = write_point(sqlite, *ret_new, key, &point, err);
    free(there);
    return rc;
}

int nj_sqlite_add_rollup(struct nj_store *store, const char *cluster, int64_t minute_ns,
                         const struct nj_check_rollup *rollup, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct addition addition = {.rollup = rollup};
    minute_ns = minute_ns < 0 ? 0 : minute_ns;
    int rc = find_series(sqlite, cluster, minute_ns, rollup, &addition.series, err);
    if (rc == 0 && addition.series > UINT32_MAX)
        rc = nj_err_set(err, -EOVERFLOW, "%s: no number is left for a series", sqlite->path);
    if (rc < 0)
        return rc;
    if (rollup->latency_len > 0 &&
        nj_sketch_decode(rollup->latency, rollup->latency_len, &addition.latency) < 0)
        addition.latency = (struct nj_sketch){0};
    bool is_new = false;
    for (int i = 0; rc == 0 && i < NJ_RESOLUTIONS; i++) {
        enum nj_resolution resolution = (enum nj_resolution)i;
        int64_t key = nj_point_key(resolution, nj_point_start(resolution, minute_ns), addition.series);
        rc = add_to_point(sqlite, key, &addition, &is_new, err);
    }
    nj_sketch_done(&addition.latency);
    if (rc == 0 && is_new) /* the day */
        rc = extend_series(sqlite, addition.series, nj_point_start(NJ_RESOLUTION_DAY, minute_ns), err);
    return rc;
}
