/*
 * Use, written: a container's (or node's) minute is added to its point and to those of its hour and day.
 */
#include <errno.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/clock.h"
#include "common/base/str.h"

static int add_series(struct nj_sqlite *sqlite, const char *cluster, const char *node, int64_t day_ns,
                      const struct nj_usage_item *item, int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder add =
        nj_sql_use(sqlite, NJ_SQL_ADD_USAGE_SERIES,
                   "INSERT INTO usage_series (cluster, node, pod_uid, container, namespace, pod, "
                   "workload_kind, workload, first_ns, last_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                   "?9)");
    nj_sql_text(&add, cluster);
    nj_sql_text(&add, node);
    nj_sql_text(&add, item->pod_uid);
    nj_sql_text(&add, item->container);
    nj_sql_text(&add, item->namespace);
    nj_sql_text(&add, item->pod);
    nj_sql_text(&add, item->workload_kind);
    nj_sql_text(&add, item->workload);
    nj_sql_int(&add, day_ns);
    int rc = nj_sql_run(sqlite, &add, "store a series of use", err);
    if (rc == 0)
        *ret_number = sqlite3_last_insert_rowid(sqlite->db);
    return rc;
}

static int name_series(struct nj_sqlite *sqlite, int64_t number, const struct nj_usage_item *item,
                       struct nj_err *err)
{
    struct nj_binder name = nj_sql_use(sqlite, NJ_SQL_NAME_USAGE_SERIES,
                                       "UPDATE usage_series SET namespace = ?, pod = ?, workload_kind = ?, "
                                       "workload = ? WHERE number = ?");
    nj_sql_text(&name, item->namespace);
    nj_sql_text(&name, item->pod);
    nj_sql_text(&name, item->workload_kind);
    nj_sql_text(&name, item->workload);
    nj_sql_int(&name, number);
    return nj_sql_run(sqlite, &name, "store a series of use", err);
}

/* The series' number; made when there is none. */
static int find_series(struct nj_sqlite *sqlite, const char *cluster, const char *node, int64_t day_ns,
                       const struct nj_usage_item *item, int64_t *ret_number, struct nj_err *err)
{
    struct nj_binder find =
        nj_sql_use(sqlite, NJ_SQL_FIND_USAGE_SERIES,
                   "SELECT number, namespace, pod, workload_kind, workload FROM usage_series "
                   "WHERE cluster = ? AND node = ? AND pod_uid = ? AND container = ?");
    nj_sql_text(&find, cluster);
    nj_sql_text(&find, node);
    nj_sql_text(&find, item->pod_uid);
    nj_sql_text(&find, item->container);
    int rc = nj_sql_next(sqlite, &find, "look for a series of use", err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return add_series(sqlite, cluster, node, day_ns, item, ret_number, err);
    struct nj_row row = {.statement = find.statement};
    const char *const names[] = {item->namespace, item->pod, item->workload_kind, item->workload};
    bool same = true;
    *ret_number = nj_row_int(&row);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        same = nj_streq(nj_row_text(&row), nj_str(names[i])) && same;
    nj_sql_reset(&find);
    return same ? 0 : name_series(sqlite, *ret_number, item, err);
}

static int extend_series(struct nj_sqlite *sqlite, int64_t number, int64_t day_ns, struct nj_err *err)
{
    struct nj_binder extend = nj_sql_use(sqlite, NJ_SQL_EXTEND_USAGE_SERIES,
                                         "UPDATE usage_series SET first_ns = min(first_ns, ?1), "
                                         "last_ns = max(last_ns, ?1) WHERE number = ?2");
    nj_sql_int(&extend, day_ns);
    nj_sql_int(&extend, number);
    return nj_sql_run(sqlite, &extend, "store a series of use", err);
}

static int add_to_point(struct nj_sqlite *sqlite, int64_t key, int64_t start_ns,
                        const struct nj_usage_sum *minute, bool *ret_new, struct nj_err *err)
{
    const struct nj_usage_sum *sum = minute;
    struct nj_binder get =
        nj_sql_use(sqlite, NJ_SQL_GET_USAGE_POINT, "SELECT data FROM usage_point WHERE key = ?");
    nj_sql_int(&get, key);
    int rc = nj_sql_next(sqlite, &get, "read a point of use", err);
    if (rc < 0)
        return rc;
    *ret_new = rc == 0;
    if (rc == 1) {
        struct nj_row row = {.statement = get.statement};
        size_t len = 0;
        const void *there = nj_row_blob(&row, &len);
        (void)nj_usage_unpack(there, len, start_ns, &sqlite->usage); /* a damaged one begins anew */
        nj_sql_reset(&get);
        nj_usage_sum_merge(&sqlite->usage, minute);
        sum = &sqlite->usage;
    }
    nj_buf_clear(&sqlite->packed);
    nj_usage_pack(sum, start_ns, &sqlite->packed);
    struct nj_binder put =
        *ret_new
            ? nj_sql_use(sqlite, NJ_SQL_ADD_USAGE_POINT, "INSERT INTO usage_point (data, key) VALUES (?, ?)")
            : nj_sql_use(sqlite, NJ_SQL_PUT_USAGE_POINT, "UPDATE usage_point SET data = ? WHERE key = ?");
    nj_sql_blob(&put, sqlite->packed.data, sqlite->packed.len);
    nj_sql_int(&put, key);
    return nj_sql_run(sqlite, &put, "store a point of use", err);
}

int nj_sqlite_add_usage(struct nj_store *store, const char *cluster, const char *node, int64_t minute_ns,
                        const struct nj_usage_item *item, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t series = 0;
    minute_ns = nj_point_start(NJ_RESOLUTION_MINUTE, minute_ns < 0 ? 0 : minute_ns);
    int64_t day_ns = nj_point_start(NJ_RESOLUTION_DAY, minute_ns);
    int rc = find_series(sqlite, cluster, node, day_ns, item, &series, err);
    if (rc == 0 && series > UINT32_MAX)
        rc = nj_err_set(err, -EOVERFLOW, "%s: no number is left for a series", sqlite->path);
    if (rc < 0)
        return rc;
    nj_usage_sum_take(item, minute_ns, &sqlite->usage_minute);
    bool is_new = false;
    for (int i = 0; rc == 0 && i < NJ_RESOLUTIONS; i++) {
        enum nj_resolution resolution = (enum nj_resolution)i;
        int64_t start_ns = nj_point_start(resolution, minute_ns);
        rc = add_to_point(sqlite, nj_point_key(resolution, start_ns, series), start_ns, &sqlite->usage_minute,
                          &is_new, err);
    }
    if (rc == 0 && is_new) /* the day */
        rc = extend_series(sqlite, series, day_ns, err);
    return rc;
}
