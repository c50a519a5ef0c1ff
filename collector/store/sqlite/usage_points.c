/*
 * Use, read. As with the checks' points, the series are chosen first; then each is looked for at each
 * beginning that any series has, in the order that was asked for.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "common/base/clock.h"

struct series {
    int64_t number, first_ns, last_ns;
    const char *node, *pod_uid, *container, *namespace, *pod, *workload_kind, *workload;
};

struct reading {
    struct nj_sqlite *sqlite;
    enum nj_resolution resolution;
    struct series *series;
    size_t count, capacity;
    int64_t *starts; /* beginnings of points, rising */
    size_t starts_count, starts_capacity;
    struct nj_arena strings;
    struct nj_usage_sum sum;
    struct nj_buf sketches;
    int (*on_point)(void *data, const struct nj_usage_point *point);
    void *data;
};

static int add(struct reading *reading, sqlite3_stmt *statement, struct nj_err *err)
{
    struct nj_row row = {.statement = statement};
    if (reading->count == NJ_STORE_SERIES_MAX)
        return nj_err_set(err, -E2BIG, "more than %d series: ask for a namespace, a workload or a node",
                          NJ_STORE_SERIES_MAX);
    if (reading->count == reading->capacity) {
        reading->capacity = reading->capacity == 0 ? 16 : 2 * reading->capacity;
        reading->series = nj_realloc(reading->series, reading->capacity, sizeof(*reading->series));
    }
    struct series *series = &reading->series[reading->count];
    series->number = nj_row_int(&row);
    series->first_ns = nj_row_int(&row);
    series->last_ns = nj_row_int(&row);
    const char **const names[] = {&series->node,      &series->pod_uid, &series->container,
                                  &series->namespace, &series->pod,     &series->workload_kind,
                                  &series->workload};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = nj_row_text(&row);
        *names[i] = nj_arena_strndup(&reading->strings, text, strlen(text));
        if (*names[i] == NULL)
            return nj_err_set(err, -ENOMEM, "out of memory");
    }
    reading->count++;
    return 0;
}

static int choose(struct reading *reading, const struct nj_usage_filter *filter, struct nj_err *err)
{
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = filter->nodes ? " AND pod_uid = ''" : " AND pod_uid <> ''", .bare = true},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND workload_kind = ?", .text = filter->workload_kind},
        {.sql = " AND workload = ?", .text = filter->workload},
        {.sql = " AND pod = ?", .text = filter->pod},
        {.sql = " AND container = ?", .text = filter->container},
        {.sql = " AND node = ?", .text = filter->node},
        {.sql = " AND last_ns > ?", .number = filter->from_ns - NJ_DAY},
        {.sql = " AND first_ns < ?", .number = filter->until_ns},
    };
    struct nj_binder each =
        nj_sql_query(reading->sqlite,
                     "SELECT number, first_ns, last_ns, node, pod_uid, container, namespace, pod, "
                     "workload_kind, workload FROM usage_series WHERE 1",
                     conditions, sizeof(conditions) / sizeof(conditions[0]), "ORDER BY number", -1);
    int rc;
    while ((rc = nj_sql_next(reading->sqlite, &each, "read the series of use", err)) == 1) {
        rc = add(reading, each.statement, err);
        if (rc < 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

/* All beginnings of points of any series within the range. */
static int find_starts(struct reading *reading, const struct nj_usage_filter *filter, struct nj_err *err)
{
    int64_t key = nj_point_key(reading->resolution, filter->from_ns, 0);
    const int64_t end = nj_point_key(reading->resolution, filter->until_ns, 0);
    for (;;) {
        struct nj_binder next =
            nj_sql_use(reading->sqlite, NJ_SQL_NEXT_USAGE_START,
                       "SELECT key FROM usage_point WHERE key >= ? AND key < ? ORDER BY key LIMIT 1");
        nj_sql_int(&next, key);
        nj_sql_int(&next, end);
        int rc = nj_sql_next(reading->sqlite, &next, "read the points of use", err);
        if (rc != 1)
            return rc;
        int64_t start_ns = nj_point_start_ns(sqlite3_column_int64(next.statement, 0));
        nj_sql_reset(&next);
        if (reading->starts_count == reading->starts_capacity) {
            reading->starts_capacity = reading->starts_capacity == 0 ? 64 : 2 * reading->starts_capacity;
            reading->starts = nj_realloc(reading->starts, reading->starts_capacity, sizeof(*reading->starts));
        }
        reading->starts[reading->starts_count++] = start_ns;
        key = nj_point_key(reading->resolution, start_ns + 1, 0);
    }
}

static int tell(struct reading *reading, const struct series *series, int64_t start_ns)
{
    const struct nj_usage_sum *sum = &reading->sum;
    struct nj_usage_point point = {
        .start_ns = start_ns,
        .series = series->number,
        .node = series->node,
        .item =
            {
                .namespace = series->namespace,
                .pod = series->pod,
                .pod_uid = series->pod_uid,
                .container = series->container,
                .workload_kind = series->workload_kind,
                .workload = series->workload,
                .cpu_request_millis = sum->cpu_request_millis,
                .cpu_limit_millis = sum->cpu_limit_millis,
                .memory_request_bytes = sum->memory_request_bytes,
                .memory_limit_bytes = sum->memory_limit_bytes,
                .started_ns = sum->started_ns,
                .oom_kills = sum->oom_kills,
            },
    };
    size_t ends[NJ_USAGE_METRICS];
    nj_buf_clear(&reading->sketches);
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        if (sum->metrics[i].count > 0)
            (void)nj_sketch_encode(&sum->metrics[i], &reading->sketches);
        ends[i] = reading->sketches.len;
    }
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        point.item.metrics[i].sketch = nj_buf_str(&reading->sketches) + begin;
        point.item.metrics[i].len = ends[i] - begin;
    }
    return reading->on_point(reading->data, &point);
}

/* The series' point at this beginning, when it has one. */
static int tell_at(struct reading *reading, const struct series *series, int64_t start_ns, struct nj_err *err)
{
    if (start_ns < series->first_ns || start_ns - series->last_ns >= NJ_DAY)
        return 0;
    struct nj_binder get =
        nj_sql_use(reading->sqlite, NJ_SQL_GET_USAGE_POINT, "SELECT data FROM usage_point WHERE key = ?");
    nj_sql_int(&get, nj_point_key(reading->resolution, start_ns, series->number));
    int rc = nj_sql_next(reading->sqlite, &get, "read the points of use", err);
    if (rc != 1)
        return rc;
    struct nj_row row = {.statement = get.statement};
    size_t len = 0;
    const void *bytes = nj_row_blob(&row, &len);
    bool read = nj_usage_unpack(bytes, len, start_ns, &reading->sum) == 0;
    nj_sql_reset(&get);
    return read ? tell(reading, series, start_ns) : 0;
}

static int tell_all(struct reading *reading, bool by_series, struct nj_err *err)
{
    size_t outer = by_series ? reading->count : reading->starts_count;
    size_t inner = by_series ? reading->starts_count : reading->count;
    for (size_t i = 0; i < outer; i++) {
        for (size_t k = 0; k < inner; k++) {
            const struct series *series = &reading->series[by_series ? i : k];
            int rc = tell_at(reading, series, reading->starts[by_series ? k : i], err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int nj_sqlite_each_usage(struct nj_store *store, const struct nj_usage_filter *filter, bool by_series,
                         int (*on_point)(void *data, const struct nj_usage_point *point), void *data,
                         struct nj_err *err)
{
    struct reading reading = {
        .sqlite = nj_sqlite_of(store), .resolution = filter->resolution, .on_point = on_point, .data = data};
    nj_arena_init(&reading.strings, SIZE_MAX);
    int rc = choose(&reading, filter, err);
    if (rc == 0 && reading.count > 0)
        rc = find_starts(&reading, filter, err);
    if (rc == 0)
        rc = tell_all(&reading, by_series, err);
    nj_arena_done(&reading.strings);
    nj_usage_sum_done(&reading.sum);
    nj_buf_done(&reading.sketches);
    free(reading.series);
    free(reading.starts);
    return rc;
}
