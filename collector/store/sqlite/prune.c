/*
 * Retention, in slices. Each step deletes the rows of one kind that are too old, oldest first, and what
 * belongs to them; a slice ends when its limit of rows is used up, and the next begins again with the first
 * step.
 */
#include <assert.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/clock.h"

enum { SENT_KEPT_DAYS = 1, STATEMENTS_MAX = 4 };

struct step {
    size_t age_offset; /* of the age in struct nj_retention */
    /* Parameters: ?1 rows older than, ?2 at most so many. The last statement's changes are what counts; those
     * before it choose the same rows. */
    const char *sql[STATEMENTS_MAX];
};

static const struct step steps[] = {
    {.age_offset = offsetof(struct nj_retention, crashes_ns),
     .sql =
         {"DELETE FROM crash_log WHERE crash IN (SELECT number FROM crash WHERE at_ns < ?1 ORDER BY at_ns "
          "LIMIT ?2)",
          "DELETE FROM crash_key WHERE number IN (SELECT number FROM crash WHERE at_ns < ?1 ORDER BY at_ns "
          "LIMIT ?2)",
          "DELETE FROM crash WHERE number IN (SELECT number FROM crash WHERE at_ns < ?1 ORDER BY at_ns "
          "LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, logs_ns),
     .sql =
         {"DELETE FROM crash_log WHERE crash IN (SELECT number FROM crash WHERE log_bytes > 0 AND at_ns < ?1 "
          "ORDER BY at_ns LIMIT ?2)",
          "UPDATE crash SET log_bytes = 0 WHERE number IN "
          "(SELECT number FROM crash WHERE log_bytes > 0 AND at_ns < ?1 ORDER BY at_ns LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, incidents_ns),
     .sql = {"DELETE FROM notification WHERE incident_id IN (SELECT id FROM incident WHERE state = "
             "'resolved' AND "
             "resolved_ns < ?1 ORDER BY resolved_ns LIMIT ?2)",
             "DELETE FROM acknowledgement WHERE incident_id IN (SELECT id FROM incident WHERE state = "
             "'resolved' "
             "AND resolved_ns < ?1 ORDER BY resolved_ns LIMIT ?2)",
             "DELETE FROM mark WHERE incident_id IN (SELECT id FROM incident WHERE state = 'resolved' AND "
             "resolved_ns < ?1 ORDER BY resolved_ns LIMIT ?2)",
             "DELETE FROM incident WHERE id IN (SELECT id FROM incident WHERE state = 'resolved' AND "
             "resolved_ns < ?1 ORDER BY resolved_ns LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, incidents_ns),
     .sql = {"DELETE FROM notification WHERE id IN (SELECT id FROM notification WHERE incident_id = 0 AND "
             "created_ns < ?1 AND status NOT IN ('pending', 'sending') LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, incidents_ns),
     .sql = {"DELETE FROM fact WHERE id IN (SELECT id FROM fact WHERE at_ns < ?1 ORDER BY at_ns LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, incidents_ns),
     .sql = {"DELETE FROM silence WHERE id IN (SELECT id FROM silence WHERE until_ns < ?1 ORDER BY until_ns "
             "LIMIT "
             "?2)"}},
    {.age_offset = offsetof(struct nj_retention, agents_ns),
     .sql =
         {"DELETE FROM agent WHERE (cluster, node, stream) IN (SELECT cluster, node, stream FROM agent WHERE "
          "last_heard_ns < ?1 LIMIT ?2)"}},
};

static int run(struct nj_sqlite *sqlite, int slot, const char *sql, int64_t before_ns, int limit,
               int *ret_rows, struct nj_err *err)
{
    assert(slot <= NJ_SQL_PRUNE_LAST);
    struct nj_binder prune = nj_sql_use(sqlite, (enum nj_sql_slot)slot, sql);
    nj_sql_int(&prune, before_ns);
    nj_sql_int(&prune, limit);
    int rc = nj_sql_run(sqlite, &prune, "delete what is too old", err);
    *ret_rows = sqlite3_changes(sqlite->db);
    return rc;
}

/* Points, by resolution, which is the key's highest bits, and their series. Parameters: ?1 keys below, or
 * series that ended before; ?2 at most so many. */
#define DELETE_POINTS(table, from)                                                                           \
    "DELETE FROM " table " WHERE key IN (SELECT key FROM " table " WHERE key >= " from                       \
    " AND key < ?1 ORDER BY key LIMIT ?2)"
#define DELETE_SERIES(table)                                                                                 \
    "DELETE FROM " table " WHERE number IN (SELECT number FROM " table                                       \
    " WHERE last_ns < ?1 ORDER BY last_ns LIMIT ?2)"

static const struct {
    size_t ages_offset; /* of the ages in struct nj_retention, one a resolution; 0: kept */
    const char *points[NJ_RESOLUTIONS];
    const char *series;
} kinds[] = {
    {.ages_offset = offsetof(struct nj_retention, points_ns),
     .points = {[NJ_RESOLUTION_MINUTE] = DELETE_POINTS("point", "0"),
                [NJ_RESOLUTION_HOUR] = DELETE_POINTS("point", "1 << 60"),
                [NJ_RESOLUTION_DAY] = DELETE_POINTS("point", "2 << 60")},
     .series = DELETE_SERIES("series")},
    {.ages_offset = offsetof(struct nj_retention, usage_ns),
     .points = {[NJ_RESOLUTION_MINUTE] = DELETE_POINTS("usage_point", "0"),
                [NJ_RESOLUTION_HOUR] = DELETE_POINTS("usage_point", "1 << 60"),
                [NJ_RESOLUTION_DAY] = DELETE_POINTS("usage_point", "2 << 60")},
     .series = DELETE_SERIES("usage_series")},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), SLOTS_PER_KIND = NJ_RESOLUTIONS + 1 };

/* A point goes by its end. Series go with the last of their points. Of the kind's slots the last is the
 * series'. */
static int prune_kind(struct nj_sqlite *sqlite, size_t kind, const struct nj_retention *retention, int slot,
                      int64_t now_ns, int *left, struct nj_err *err)
{
    const int64_t *ages_ns =
        (const int64_t *)(const void *)((const char *)retention + kinds[kind].ages_offset);
    int64_t longest_ns = 0;
    int rows = 0;
    for (int i = 0; i < NJ_RESOLUTIONS; i++) {
        if (ages_ns[i] == 0)
            longest_ns = INT64_MAX;
        else if (ages_ns[i] > longest_ns)
            longest_ns = ages_ns[i];
        if (ages_ns[i] == 0 || *left <= 0)
            continue;
        enum nj_resolution resolution = (enum nj_resolution)i;
        int64_t before_ns = now_ns - ages_ns[i] - nj_resolution_ns(resolution);
        int rc = run(sqlite, slot + i, kinds[kind].points[i], nj_point_key(resolution, before_ns, 0), *left,
                     &rows, err);
        if (rc < 0)
            return rc;
        *left -= rows;
    }
    if (longest_ns == INT64_MAX || *left <= 0)
        return 0;
    int rc = run(sqlite, slot + NJ_RESOLUTIONS, kinds[kind].series, now_ns - longest_ns - 2 * NJ_DAY, *left,
                 &rows, err);
    if (rc == 0)
        *left -= rows;
    return rc;
}

/* The events that told minutes: as long as any minutes are kept. */
static int prune_minutes(struct nj_sqlite *sqlite, const struct nj_retention *retention, int slot,
                         int64_t now_ns, int *left, struct nj_err *err)
{
    int64_t points_ns = retention->points_ns[NJ_RESOLUTION_MINUTE];
    int64_t usage_ns = retention->usage_ns[NJ_RESOLUTION_MINUTE];
    int rows = 0;
    if (points_ns == 0 || usage_ns == 0 || *left <= 0)
        return 0;
    int rc = run(sqlite, slot,
                 "DELETE FROM minute WHERE (minute_ns, id_hash) IN (SELECT minute_ns, id_hash FROM minute "
                 "WHERE minute_ns < ?1 ORDER BY minute_ns, id_hash LIMIT ?2)",
                 now_ns - (points_ns > usage_ns ? points_ns : usage_ns), *left, &rows, err);
    if (rc == 0)
        *left -= rows;
    return rc;
}

/* Uses the slots from `slot` on: each kind's, and one. */
static int prune_series(struct nj_sqlite *sqlite, const struct nj_retention *retention, int slot,
                        int64_t now_ns, int *left, struct nj_err *err)
{
    for (size_t kind = 0; kind < KINDS; kind++, slot += SLOTS_PER_KIND) {
        int rc = prune_kind(sqlite, kind, retention, slot, now_ns, left, err);
        if (rc < 0)
            return rc;
    }
    return prune_minutes(sqlite, retention, slot, now_ns, left, err);
}

/* What is kept for ever when its age is 0, by its end. What lasts stays. */
static const struct step ended[] = {
    {.age_offset = offsetof(struct nj_retention, intervals_ns),
     .sql = {"DELETE FROM interval WHERE (subject, from_ns) IN (SELECT subject, from_ns FROM interval WHERE "
             "until_ns > 0 AND until_ns < ?1 ORDER BY until_ns LIMIT ?2)"}},
    {.age_offset = offsetof(struct nj_retention, rollouts_ns),
     .sql = {"DELETE FROM rollout WHERE id IN (SELECT id FROM rollout WHERE ended_ns > 0 AND ended_ns < ?1 "
             "ORDER BY ended_ns LIMIT ?2)"}},
};
enum { ENDED = sizeof(ended) / sizeof(ended[0]) };

static int64_t age_of(const struct nj_retention *retention, const struct step *step)
{
    return *(const int64_t *)(const void *)((const char *)retention + step->age_offset);
}

static int prune_ended(struct nj_sqlite *sqlite, const struct nj_retention *retention, int slot,
                       int64_t now_ns, int *left, struct nj_err *err)
{
    for (size_t i = 0; i < ENDED; i++, slot++) {
        int64_t age_ns = age_of(retention, &ended[i]);
        int rows = 0;
        if (age_ns == 0 || *left <= 0)
            continue;
        int rc = run(sqlite, slot, ended[i].sql[0], now_ns - age_ns, *left, &rows, err);
        if (rc < 0)
            return rc;
        *left -= rows;
    }
    return 0;
}

int nj_sqlite_prune(struct nj_store *store, const struct nj_retention *retention, int64_t now_ns, int limit,
                    bool *ret_more, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int slot = NJ_SQL_PRUNE_FIRST;
    int left = limit;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int64_t age_ns = age_of(retention, &steps[i]);
        int rows = 0;
        for (size_t s = 0; s < STATEMENTS_MAX && steps[i].sql[s] != NULL; s++) {
            int rc = run(sqlite, slot++, steps[i].sql[s], now_ns - age_ns, left, &rows, err);
            if (rc < 0)
                return rc;
        }
        left -= rows;
        if (left <= 0) {
            *ret_more = true;
            return 0;
        }
    }
    int rc = prune_series(sqlite, retention, slot, now_ns, &left, err);
    slot += KINDS * SLOTS_PER_KIND + 1;
    if (rc == 0)
        rc = prune_ended(sqlite, retention, slot, now_ns, &left, err);
    slot += ENDED;
    if (rc < 0)
        return rc;
    if (left <= 0) {
        *ret_more = true;
        return 0;
    }
    int rows = 0;
    rc = run(sqlite, slot,
             "DELETE FROM sent WHERE rowid IN (SELECT rowid FROM sent WHERE at_ns < ?1 LIMIT ?2)",
             now_ns - SENT_KEPT_DAYS * NJ_DAY, left, &rows, err);
    if (rc == 0)
        *ret_more = rows == left;
    return rc;
}
