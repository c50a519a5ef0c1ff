/*
 * Series, read. Points lie by time first; one series' are far apart. So the series are chosen first, and then
 * each is looked for at each beginning that any series has.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "common/base/clock.h"

struct series {
    int64_t number, first_ns, last_ns;
    const char *monitor, *target, *target_name, *namespace, *service;
};

struct chosen {
    struct series *series;
    size_t count, capacity;
    struct nj_arena strings;
};

static const char *keep(struct chosen *chosen, const char *text, int *rc)
{
    const char *copy = nj_arena_strndup(&chosen->strings, text, strlen(text));
    if (copy == NULL)
        *rc = -ENOMEM;
    return copy;
}

static int add(struct chosen *chosen, sqlite3_stmt *statement, struct nj_err *err)
{
    struct nj_row row = {.statement = statement};
    int rc = 0;
    if (chosen->count == NJ_STORE_SERIES_MAX)
        return nj_err_set(err, -E2BIG, "more than %d series: ask for a namespace, a service or a monitor",
                          NJ_STORE_SERIES_MAX);
    if (chosen->count == chosen->capacity) {
        chosen->capacity = chosen->capacity == 0 ? 16 : 2 * chosen->capacity;
        chosen->series = nj_realloc(chosen->series, chosen->capacity, sizeof(*chosen->series));
    }
    struct series *series = &chosen->series[chosen->count++];
    series->number = nj_row_int(&row);
    series->first_ns = nj_row_int(&row);
    series->last_ns = nj_row_int(&row);
    series->monitor = keep(chosen, nj_row_text(&row), &rc);
    series->target = keep(chosen, nj_row_text(&row), &rc);
    series->target_name = keep(chosen, nj_row_text(&row), &rc);
    series->namespace = keep(chosen, nj_row_text(&row), &rc);
    series->service = keep(chosen, nj_row_text(&row), &rc);
    return rc < 0 ? nj_err_set(err, rc, "out of memory") : 0;
}

static int choose(struct nj_sqlite *sqlite, const struct nj_series_filter *filter, struct chosen *chosen,
                  struct nj_err *err)
{
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND monitor = ?", .text = filter->monitor},
        {.sql = " AND target = ?", .text = filter->target},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND service = ?", .text = filter->service},
        {.sql = " AND last_ns > ?", .number = filter->from_ns - NJ_DAY},
        {.sql = " AND first_ns < ?", .number = filter->until_ns},
    };
    struct nj_binder each = nj_sql_query(sqlite,
                                         "SELECT number, first_ns, last_ns, monitor, target, target_name, "
                                         "namespace, service FROM series WHERE 1",
                                         conditions, sizeof(conditions) / sizeof(conditions[0]),
                                         "ORDER BY monitor, target, cluster", -1);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the series", err)) == 1) {
        rc = add(chosen, each.statement, err);
        if (rc < 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

/* The first point within the keys from *key on and below `end`: 1 with its key, 0 when there is none. */
static int next_point(struct nj_sqlite *sqlite, int64_t end, int64_t *key, struct nj_err *err)
{
    struct nj_binder next = nj_sql_use(
        sqlite, NJ_SQL_NEXT_START, "SELECT key FROM point WHERE key >= ? AND key < ? ORDER BY key LIMIT 1");
    nj_sql_int(&next, *key);
    nj_sql_int(&next, end);
    int rc = nj_sql_next(sqlite, &next, "read the series' points", err);
    if (rc == 1) {
        *key = sqlite3_column_int64(next.statement, 0);
        nj_sql_reset(&next);
    }
    return rc;
}

static int tell(const struct series *series, int64_t start_ns, sqlite3_stmt *statement,
                int (*on_point)(void *data, const struct nj_series_point *point), void *data)
{
    struct nj_row row = {.statement = statement};
    struct nj_causes causes;
    struct nj_series_point point = {
        .start_ns = start_ns,
        .monitor = series->monitor,
        .target = series->target,
        .target_name = series->target_name,
        .namespace = series->namespace,
        .service = series->service,
    };
    point.runs = (uint64_t)nj_row_int(&row);
    point.failures = (uint64_t)nj_row_int(&row);
    char *text = nj_strdup(nj_row_text(&row));
    nj_causes_parse(&causes, text);
    point.errors = causes.items;
    point.errors_count = causes.count;
    point.latency = nj_row_blob(&row, &point.latency_len);
    int rc = on_point(data, &point);
    free(text);
    return rc;
}

/* What the chosen series have at one beginning. */
static int each_at(struct nj_sqlite *sqlite, enum nj_resolution resolution, int64_t start_ns,
                   const struct chosen *chosen,
                   int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                   struct nj_err *err)
{
    for (size_t i = 0; i < chosen->count; i++) {
        const struct series *series = &chosen->series[i];
        if (start_ns < series->first_ns || start_ns - series->last_ns >= NJ_DAY)
            continue;
        struct nj_binder read = nj_sql_use(sqlite, NJ_SQL_READ_POINT,
                                           "SELECT runs, failures, causes, latency FROM point WHERE key = ?");
        nj_sql_int(&read, nj_point_key(resolution, start_ns, series->number));
        int rc = nj_sql_next(sqlite, &read, "read the series' points", err);
        if (rc == 1) {
            rc = tell(series, start_ns, read.statement, on_point, data);
            nj_sql_reset(&read);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int nj_sqlite_each_point(struct nj_store *store, const struct nj_series_filter *filter,
                         int (*on_point)(void *data, const struct nj_series_point *point), void *data,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct chosen chosen = {0};
    int64_t key = nj_point_key(filter->resolution, filter->from_ns, 0);
    const int64_t end = nj_point_key(filter->resolution, filter->until_ns, 0);
    nj_arena_init(&chosen.strings, SIZE_MAX);
    int rc = choose(sqlite, filter, &chosen, err);
    while (rc == 0 && chosen.count > 0) {
        rc = next_point(sqlite, end, &key, err);
        if (rc != 1) /* an error, or the end */
            break;
        int64_t start_ns = nj_point_start_ns(key);
        rc = each_at(sqlite, filter->resolution, start_ns, &chosen, on_point, data, err);
        key = nj_point_key(filter->resolution, start_ns + 1, 0);
    }
    nj_arena_done(&chosen.strings);
    free(chosen.series);
    return rc;
}
