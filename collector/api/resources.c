/*
 * What containers used, summed up over a range of time by container, pod, workload, namespace or node: a
 * table that can be sorted by any of its columns, as JSON or CSV.
 */
#include "collector/api/resources.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/table.h"

enum {
    GROUPS_MAX = 20000, /* of which the figures are held at once */
    LIMIT_MAX = 20000,
    MINUTES_H = 6, /* a range up to so long is summed up from minutes, */
    HOURS_D = 14,  /* up to this from hours, else from days */
};

enum by { BY_CONTAINER, BY_POD, BY_WORKLOAD, BY_NAMESPACE, BY_NODE, BYS };
static const char *const by_names[BYS] = {"container", "pod", "workload", "namespace", "node"};

/* What names a row, in the table's order. */
enum name { NAMESPACE, WORKLOAD_KIND, WORKLOAD, POD, CONTAINER, NODE, NAMES };
static const char *const names[NAMES] = {"namespace", "workloadKind", "workload", "pod", "container", "node"};

/* Which of them are a row's; the others are "". */
static const bool named_by[BYS][NAMES] = {
    [BY_CONTAINER] = {true, true, true, true, true, true},
    [BY_POD] = {true, true, true, true, false, true},
    [BY_WORKLOAD] = {true, true, true, false, false, false},
    [BY_NAMESPACE] = {true, false, false, false, false, false},
    [BY_NODE] = {false, false, false, false, false, true},
};

struct group {
    char *key; /* the names one after the other, each with its '\0' */
    size_t key_len;
    struct nj_resource_sum sum;
    UT_hash_handle hh;
};

struct row {
    char *key; /* taken from the group */
    const char *names[NAMES];
    uint64_t points;
    double values[NJ_COLUMNS];
};

struct table {
    struct nj_err *err;
    enum by by;
    struct group *groups; /* by key */
    struct row *rows;
    size_t count, capacity;
    int64_t read;
    struct nj_buf key; /* scratch */
};

int nj_resource_too_many(struct nj_err *err)
{
    return nj_err_set(err, -EOVERFLOW,
                      "more than %d points would be read: ask for a shorter time, a longer step, or one "
                      "namespace",
                      NJ_RESOURCE_ROWS_MAX);
}

/* ---- summing up */

static void make_key(struct table *table, const struct nj_usage_point *point)
{
    const struct nj_usage_item *item = &point->item;
    const char *of[NAMES] = {item->namespace, item->workload_kind, item->workload,
                             item->pod,       item->container,     point->node};
    nj_buf_clear(&table->key);
    for (int i = 0; i < NAMES; i++) {
        const char *name = named_by[table->by][i] ? nj_str(of[i]) : "";
        (void)nj_buf_append(&table->key, name, strlen(name) + 1);
    }
    /* Two pods of one name, one after the other, are two. */
    if (table->by <= BY_POD)
        (void)nj_buf_append(&table->key, nj_str(item->pod_uid), strlen(nj_str(item->pod_uid)) + 1);
}

static struct group *find_or_add(struct table *table, const struct nj_usage_point *point)
{
    struct group *group = NULL;
    make_key(table, point);
    HASH_FIND(hh, table->groups, table->key.data, table->key.len, group);
    if (group != NULL)
        return group;
    if (HASH_COUNT(table->groups) >= GROUPS_MAX) {
        (void)nj_err_set(table->err, -EOVERFLOW, "more than %d rows: ask for one namespace, or by workload",
                         GROUPS_MAX);
        return NULL;
    }
    group = NJ_NEW(struct group);
    group->key_len = table->key.len;
    group->key = nj_buf_take(&table->key);
    HASH_ADD_KEYPTR(hh, table->groups, group->key, group->key_len, group);
    return group;
}

static int on_point(void *data, const struct nj_usage_point *point)
{
    struct table *table = data;
    if (++table->read > NJ_RESOURCE_ROWS_MAX)
        return nj_resource_too_many(table->err);
    struct group *group = find_or_add(table, point);
    return group == NULL ? -EOVERFLOW : nj_resource_sum_add(&group->sum, point, table->err);
}

/* Turns the groups into rows, and frees them. */
static void take_rows(struct table *table)
{
    struct group *group, *next;
    table->rows = nj_calloc(HASH_COUNT(table->groups) + 1, sizeof(*table->rows));
    HASH_ITER (hh, table->groups, group, next) {
        struct row *row = &table->rows[table->count++];
        nj_resource_sum_finish(&group->sum);
        nj_resource_sum_values(&group->sum, row->values);
        row->points = group->sum.points;
        row->key = group->key;
        const char *name = row->key;
        for (int i = 0; i < NAMES; i++, name += strlen(name) + 1)
            row->names[i] = name;
        NJ_TABLE_REMOVE(table->groups, group);
        nj_resource_sum_done(&group->sum);
        free(group);
    }
}

/* ---- sorting; column -1 is the name */

struct order {
    int column;
    bool descending;
};

static int by_name(const struct row *one, const struct row *other)
{
    for (int i = 0; i < NAMES; i++) {
        int rc = strcmp(one->names[i], other->names[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* What is not known comes last, either way. */
static int by_order(const void *a, const void *b, void *data)
{
    const struct row *one = a, *other = b;
    const struct order *order = data;
    if (order->column < 0)
        return order->descending ? by_name(other, one) : by_name(one, other);
    double x = one->values[order->column], y = other->values[order->column];
    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y) ? by_name(one, other) : isnan(x) ? 1 : -1;
    if (x == y)
        return by_name(one, other);
    return (x > y) == order->descending ? -1 : 1;
}

/* ---- writing */

/* A field of RFC 4180. One that a spreadsheet would take for a formula is kept from it. */
static void append_csv(struct nj_buf *out, const char *text)
{
    const char *guard = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL ? "'" : "";
    const char *quote = strpbrk(text, ",\"\r\n") != NULL ? "\"" : "";
    (void)nj_buf_printf(out, "%s%s", quote, guard);
    for (; *text != '\0'; text++)
        (void)nj_buf_append(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    (void)nj_buf_append_str(out, quote);
}

static void write_csv(struct nj_buf *out, const struct table *table, size_t count)
{
    for (int i = 0; i < NAMES; i++)
        (void)nj_buf_printf(out, "%s,", names[i]);
    for (int i = 0; i < NJ_COLUMNS; i++)
        (void)nj_buf_printf(out, "%s%s", nj_api_resource_columns[i], i + 1 < NJ_COLUMNS ? "," : "\r\n");
    for (size_t k = 0; k < count; k++) {
        const struct row *row = &table->rows[k];
        for (int i = 0; i < NAMES; i++) {
            append_csv(out, row->names[i]);
            (void)nj_buf_append_char(out, ',');
        }
        for (int i = 0; i < NJ_COLUMNS; i++) {
            double value = row->values[i];
            if (!isnan(value))
                (void)nj_buf_printf(out, value == floor(value) ? "%.0f" : "%.6f", value);
            (void)nj_buf_append_str(out, i + 1 < NJ_COLUMNS ? "," : "\r\n");
        }
    }
}

static void write_json(const struct nj_api_call *call, struct nj_buf *out, const struct table *table,
                       size_t count)
{
    nj_api_object_begin(out);
    nj_api_field_time(out, "from", call->usage.from_ns);
    nj_api_field_time(out, "to", call->usage.until_ns);
    nj_api_field(out, "step", nj_resolution_name(call->usage.resolution));
    nj_api_field(out, "by", by_names[table->by]);
    nj_api_field_int(out, "total", (int64_t)table->count);
    nj_api_array_begin(out, "items");
    for (size_t k = 0; k < count; k++) {
        const struct row *row = &table->rows[k];
        nj_api_object_begin(out);
        for (int i = 0; i < NAMES; i++)
            nj_api_field(out, names[i], row->names[i]);
        nj_api_field_int(out, "points", (int64_t)row->points);
        nj_resource_append_values(out, row->values);
        nj_api_object_end(out);
    }
    nj_api_array_end(out);
    nj_api_object_end(out);
}

static int query_table(struct nj_api_call *call, struct nj_err *err)
{
    struct nj_store *store = call->api->options.store;
    struct table table = {.err = err, .by = (enum by)call->table.by};
    struct order order = {.column = call->table.sort, .descending = call->table.descending};
    int rc = store->ops->each_usage(store, &call->usage, false, on_point, &table, err);
    take_rows(&table);
    if (rc == 0) {
        qsort_r(table.rows, table.count, sizeof(struct row), by_order, &order);
        size_t count = table.count < (size_t)call->limit ? table.count : (size_t)call->limit;
        if (call->table.csv)
            write_csv(&call->body, &table, count);
        else
            write_json(call, &call->body, &table, count);
    }
    for (size_t i = 0; i < table.count; i++)
        free(table.rows[i].key);
    free(table.rows);
    nj_buf_done(&table.key);
    return rc == -E2BIG ? -EOVERFLOW : rc;
}

/* ---- parameters */

void nj_resource_filter(struct nj_api_call *call)
{
    call->usage = (struct nj_usage_filter){
        .cluster = call->config->cluster,
        .namespace = nj_api_param(call, "namespace"),
        .workload = nj_api_param(call, "workload"),
        .pod = nj_api_param(call, "pod"),
        .container = nj_api_param(call, "container"),
        .node = nj_api_param(call, "node"),
    };
}

/* One of the names; the default where the parameter is not given. False after a problem. */
static bool param_choice(struct nj_api_call *call, const char *name, const char *const *choices, int count,
                         int *ret_choice)
{
    const char *text = nj_api_param(call, name);
    if (text == NULL)
        return true;
    for (int i = 0; i < count; i++) {
        if (nj_streq(text, choices[i])) {
            *ret_choice = i;
            return true;
        }
    }
    nj_api_problem(call, 400, "%s: there is no '%s': see /openapi.json", name, text);
    return false;
}

static bool param_resolution(struct nj_api_call *call)
{
    const char *step = nj_api_param(call, "step");
    struct nj_usage_filter *filter = &call->usage;
    int64_t range_ns = call->series.until_ns - call->series.from_ns;
    filter->resolution = range_ns <= MINUTES_H * NJ_HOUR ? NJ_RESOLUTION_MINUTE
                         : range_ns <= HOURS_D * NJ_DAY  ? NJ_RESOLUTION_HOUR
                                                         : NJ_RESOLUTION_DAY;
    if (step != NULL && !nj_streq(step, "auto") && nj_resolution_parse(step, &filter->resolution) < 0) {
        nj_api_problem(call, 400, "step: '%s' is none of auto, minute, hour, day", step);
        return false;
    }
    filter->from_ns = call->series.from_ns - call->series.from_ns % nj_resolution_ns(filter->resolution);
    filter->until_ns = call->series.until_ns;
    return true;
}

void nj_api_resources(struct nj_api_call *call)
{
    static const char *const orders[] = {"asc", "desc"};
    static const char *const formats[] = {"json", "csv"};
    int order = 1, format = 0, by = BY_WORKLOAD, sort = -1;
    int64_t limit = NJ_API_LIMIT_DEFAULT;
    nj_resource_filter(call);
    if (nj_api_param(call, "sort") == NULL || nj_streq(nj_api_param(call, "sort"), "name"))
        order = 0;
    else if (!param_choice(call, "sort", nj_api_resource_columns, NJ_COLUMNS, &sort))
        return;
    if (!nj_api_param_range(call) || !param_resolution(call) ||
        !param_choice(call, "by", by_names, BYS, &by) || !param_choice(call, "order", orders, 2, &order) ||
        !param_choice(call, "format", formats, 2, &format) ||
        !nj_api_param_int(call, "limit", 1, LIMIT_MAX, &limit))
        return;
    call->usage.nodes = by == BY_NODE;
    call->table.by = by;
    call->table.sort = sort;
    call->table.descending = order == 1;
    call->table.csv = format == 1;
    call->limit = (int)limit;
    if (call->table.csv) {
        call->content_type = "text/csv; charset=utf-8";
        (void)snprintf(call->disposition, sizeof(call->disposition),
                       "attachment; filename=\"nightjar-resources.csv\"");
    }
    nj_api_run(call, query_table);
}
