#include <errno.h>

#include "collector/sla/rollouts.h"
#include "collector/store/sqlite/internal.h"

#define ROLLOUT_COLUMNS                                                                                      \
    "id, cluster, namespace, workload_kind, workload, revision, from_revision, template_hash, from_hash, "   \
    "images, from_images, difference, changed_by, change_cause, began_ns, ended_ns, failed_ns, outcome, "    \
    "reason, "                                                                                               \
    "message, desired, updated, available, min_available, crashes, failed_checks, outage_ns, told"

static const char reading[] = "read the rollouts";

int nj_sqlite_put_rollout(struct nj_store *store, const struct nj_rollout *rollout, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_ROLLOUT,
        "INSERT OR REPLACE INTO rollout (" ROLLOUT_COLUMNS
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const char *const names[] = {rollout->cluster,       rollout->namespace,  rollout->workload_kind,
                                 rollout->workload,      rollout->revision,   rollout->from_revision,
                                 rollout->template_hash, rollout->from_hash,  rollout->images,
                                 rollout->from_images,   rollout->difference, rollout->changed_by,
                                 rollout->change_cause};
    nj_sql_int(&put, rollout->id);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nj_sql_text(&put, names[i]);
    nj_sql_int(&put, rollout->began_ns);
    nj_sql_int(&put, rollout->ended_ns);
    nj_sql_int(&put, rollout->failed_ns);
    nj_sql_text(&put, nj_rollout_outcome_name(rollout->outcome));
    nj_sql_text(&put, rollout->reason);
    nj_sql_text(&put, rollout->message);
    nj_sql_int(&put, rollout->desired);
    nj_sql_int(&put, rollout->updated);
    nj_sql_int(&put, rollout->available);
    nj_sql_int(&put, rollout->min_available);
    nj_sql_int(&put, rollout->crashes);
    nj_sql_int(&put, rollout->failed_checks);
    nj_sql_int(&put, rollout->outage_ns);
    nj_sql_int(&put, rollout->told);
    return nj_sql_run(sqlite, &put, "store a rollout", err);
}

static int read_rollout(struct nj_sqlite *sqlite, sqlite3_stmt *statement, struct nj_rollout *rollout,
                        struct nj_err *err)
{
    struct nj_row row = {.statement = statement};
    rollout->id = nj_row_int(&row);
    rollout->cluster = nj_row_text(&row);
    rollout->namespace = nj_row_text(&row);
    rollout->workload_kind = nj_row_text(&row);
    rollout->workload = nj_row_text(&row);
    rollout->revision = nj_row_text(&row);
    rollout->from_revision = nj_row_text(&row);
    rollout->template_hash = nj_row_text(&row);
    rollout->from_hash = nj_row_text(&row);
    rollout->images = nj_row_text(&row);
    rollout->from_images = nj_row_text(&row);
    rollout->difference = nj_row_text(&row);
    rollout->changed_by = nj_row_text(&row);
    rollout->change_cause = nj_row_text(&row);
    rollout->began_ns = nj_row_int(&row);
    rollout->ended_ns = nj_row_int(&row);
    rollout->failed_ns = nj_row_int(&row);
    const char *outcome = nj_row_text(&row);
    rollout->reason = nj_row_text(&row);
    rollout->message = nj_row_text(&row);
    rollout->desired = (int32_t)nj_row_int(&row);
    rollout->updated = (int32_t)nj_row_int(&row);
    rollout->available = (int32_t)nj_row_int(&row);
    rollout->min_available = (int32_t)nj_row_int(&row);
    rollout->crashes = (uint32_t)nj_row_int(&row);
    rollout->failed_checks = (uint32_t)nj_row_int(&row);
    rollout->outage_ns = nj_row_int(&row);
    rollout->told = nj_row_int(&row) != 0;
    if (nj_rollout_outcome_parse(outcome, &rollout->outcome) < 0)
        return nj_err_set(err, -EUCLEAN, "%s: rollout %lld has outcome \"%s\"", sqlite->path,
                          (long long)rollout->id, outcome);
    return 0;
}

int nj_sqlite_each_rollout(struct nj_store *store, const struct nj_rollout_filter *filter,
                           int (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                           struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND id = ?", .number = filter->id},
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND workload = ?", .text = filter->workload},
        {.sql = " AND workload_kind = ?", .text = filter->workload_kind},
        {.sql = " AND outcome = ?", .text = filter->outcome},
        {.sql = " AND (ended_ns = 0 OR ended_ns >= ?)", .number = filter->since_ns},
        {.sql = " AND began_ns <= ?", .number = filter->until_ns},
        {.sql = " AND id < ?", .number = filter->before_id},
    };
    struct nj_binder each =
        nj_sql_query(sqlite, "SELECT " ROLLOUT_COLUMNS " FROM rollout WHERE 1", conditions,
                     sizeof(conditions) / sizeof(conditions[0]), "ORDER BY id DESC", filter->limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, reading, err)) == 1) {
        struct nj_rollout rollout;
        rc = read_rollout(sqlite, each.statement, &rollout, err);
        if (rc == 0)
            rc = on_rollout(data, &rollout);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

int nj_sqlite_load_rollouts(struct nj_store *store, const char *cluster, int64_t *ret_next_id,
                            void (*on_rollout)(void *data, const struct nj_rollout *rollout), void *data,
                            struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder next =
        nj_sql_use(sqlite, NJ_SQL_NEXT_ROLLOUT, "SELECT seq FROM sqlite_sequence WHERE name = 'rollout'");
    int rc = nj_sql_next(sqlite, &next, "read the next rollout's number", err);
    if (rc < 0)
        return rc;
    int64_t next_id = rc == 1 ? sqlite3_column_int64(next.statement, 0) + 1 : 1;
    nj_sql_reset(&next);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_LOAD_ROLLOUTS,
                   "SELECT " ROLLOUT_COLUMNS
                   " FROM rollout WHERE cluster = ?1 AND (ended_ns = 0 OR id IN (SELECT max(id) "
                   "FROM rollout WHERE cluster = ?1 GROUP BY namespace, workload_kind, "
                   "workload)) ORDER BY id");
    nj_sql_text(&each, cluster);
    while ((rc = nj_sql_next(sqlite, &each, reading, err)) == 1) {
        struct nj_rollout rollout;
        rc = read_rollout(sqlite, each.statement, &rollout, err);
        if (rc < 0) {
            nj_sql_reset(&each);
            return rc;
        }
        on_rollout(data, &rollout);
    }
    if (rc == 0)
        *ret_next_id = next_id;
    return rc;
}
