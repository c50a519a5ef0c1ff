#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"
#include "common/base/str.h"
#include "common/probe/state.h"

#define KEY_COLUMNS "cluster, monitor, target"
#define TARGET_COLUMNS                                                                                       \
    KEY_COLUMNS ", state, project, source, namespace, service, target_name, address, node, pod_uid, "        \
                "since_ns, severity, alert_group, cause, phase, step, expected, got, body, evidence, "       \
                "status, failed_ns"

/* What a target without a source, or without a cause, does not say. */
#define DESCRIBED(column) #column " = iif(excluded.source = '', " #column ", excluded." #column ")"
#define FAILED(column) #column " = iif(excluded.cause = '', " #column ", excluded." #column ")"

static void bind_key(struct nj_binder *to, const char *cluster, const struct nj_check_key *key)
{
    nj_sql_text(to, cluster);
    nj_sql_text(to, key->monitor);
    nj_sql_text(to, key->target);
}

/* Its number, 0 when it is not known, and what is known of it. */
static int find(struct nj_sqlite *sqlite, const char *cluster, const struct nj_check_key *key,
                const char *state, int64_t *ret_number, struct nj_target_seen *ret_seen, struct nj_err *err)
{
    struct nj_binder find = nj_sql_use(
        sqlite, NJ_SQL_FIND_TARGET,
        "SELECT number, state, since_ns FROM target WHERE cluster = ? AND monitor = ? AND target = ?");
    bind_key(&find, cluster, key);
    int rc = nj_sql_next(sqlite, &find, "look for a target", err);
    if (rc < 0)
        return rc;
    *ret_number = 0;
    *ret_seen = (struct nj_target_seen){.known = rc == 1};
    if (rc == 1) {
        struct nj_row row = {.statement = find.statement};
        *ret_number = nj_row_int(&row);
        ret_seen->as_told = nj_streq(nj_row_text(&row), state);
        ret_seen->since_ns = nj_row_int(&row);
        nj_sql_reset(&find);
    }
    return 0;
}

static int put_seen(struct nj_sqlite *sqlite, int64_t number, int64_t seen_ns, struct nj_err *err)
{
    struct nj_binder put = nj_sql_use(sqlite, NJ_SQL_PUT_TARGET_SEEN,
                                      "INSERT INTO target_seen (number, seen_ns) VALUES (?1, ?2) "
                                      "ON CONFLICT (number) DO UPDATE SET seen_ns = excluded.seen_ns");
    nj_sql_int(&put, number);
    nj_sql_int(&put, seen_ns);
    return nj_sql_run(sqlite, &put, "store when a target was seen", err);
}

static int delete_target(struct nj_sqlite *sqlite, int64_t number, struct nj_err *err)
{
    struct nj_binder seen =
        nj_sql_use(sqlite, NJ_SQL_DELETE_TARGET_SEEN, "DELETE FROM target_seen WHERE number = ?");
    nj_sql_int(&seen, number);
    int rc = nj_sql_run(sqlite, &seen, "delete a target", err);
    if (rc < 0)
        return rc;
    struct nj_binder target = nj_sql_use(sqlite, NJ_SQL_DELETE_TARGET, "DELETE FROM target WHERE number = ?");
    nj_sql_int(&target, number);
    return nj_sql_run(sqlite, &target, "delete a target", err);
}

static int upsert(struct nj_sqlite *sqlite, const struct nj_store_target *target, struct nj_err *err)
{
    struct nj_binder
        put =
            nj_sql_use(sqlite, NJ_SQL_PUT_TARGET,
                       "INSERT INTO target (" TARGET_COLUMNS
                       ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                       "?, ?, ?, ?, ?, ?) ON CONFLICT (" KEY_COLUMNS
                       ") DO UPDATE SET state = excluded.state, since_ns = "
                       "excluded.since_ns, " DESCRIBED(project) ", " DESCRIBED(source) ", " DESCRIBED(namespace) ", " DESCRIBED(service) ", " DESCRIBED(target_name) ", " DESCRIBED(address) ", " DESCRIBED(
                           node) ","
                                 " " DESCRIBED(pod_uid) ", " DESCRIBED(severity) ", " DESCRIBED(alert_group) ", " FAILED(cause) ", " FAILED(phase) ", " FAILED(
                                     step) ", " FAILED(expected) ", " FAILED(got) ", " FAILED(body) ","
                                                                                                    " " FAILED(evidence) ", " FAILED(
                                                                                                        status) ", " FAILED(failed_ns));
    bind_key(&put, target->cluster, &target->key);
    nj_sql_text(&put, target->state);
    nj_sql_text(&put, target->project);
    nj_sql_text(&put, target->source);
    nj_sql_text(&put, target->namespace);
    nj_sql_text(&put, target->service);
    nj_sql_text(&put, target->target_name);
    nj_sql_text(&put, target->address);
    nj_sql_text(&put, target->node);
    nj_sql_text(&put, target->pod_uid);
    nj_sql_int(&put, target->since_ns);
    nj_sql_text(&put, target->severity);
    nj_sql_text(&put, target->group);
    nj_sql_text(&put, target->cause);
    nj_sql_text(&put, target->phase);
    nj_sql_text(&put, target->step);
    nj_sql_text(&put, target->expected);
    nj_sql_text(&put, target->got);
    nj_sql_text(&put, target->body);
    nj_sql_text(&put, target->evidence);
    nj_sql_int(&put, target->status);
    nj_sql_int(&put, target->failed_ns);
    return nj_sql_run(sqlite, &put, "store a target", err);
}

int nj_sqlite_put_target(struct nj_store *store, const struct nj_store_target *target, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t number = 0;
    struct nj_target_seen seen;
    int rc = find(sqlite, target->cluster, &target->key, target->state, &number, &seen, err);
    if (rc < 0)
        return rc;
    if (nj_streq(target->state, nj_check_state_name(NJ_CHECK_GONE)))
        return seen.known ? delete_target(sqlite, number, err) : 0;
    rc = upsert(sqlite, target, err);
    if (!seen.known)
        number = sqlite3_last_insert_rowid(sqlite->db);
    return rc < 0 ? rc : put_seen(sqlite, number, target->seen_ns, err);
}

int nj_sqlite_see_target(struct nj_store *store, const char *cluster, const struct nj_check_key *key,
                         const char *state, int64_t seen_ns, struct nj_target_seen *ret_seen,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    int64_t number = 0;
    struct nj_target_seen seen;
    int rc = find(sqlite, cluster, key, state, &number, &seen, err);
    if (rc == 0 && seen.known)
        rc = put_seen(sqlite, number, seen_ns, err);
    if (rc == 0)
        *ret_seen = seen;
    return rc;
}

int nj_sqlite_total_targets(struct nj_store *store, const char *cluster, const char *namespace,
                            const char *service, const char *monitor, struct nj_target_totals *ret_totals,
                            struct nj_err *err)
{
    static const char doing[] = "count the targets";
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    bool of_monitor = nj_str(service)[0] == '\0';
#define TOTALS                                                                                               \
    "SELECT state IN ('failing', 'flapping') AS fails, substr(target, 1, 4) = 'pod/' AS pod, count(*) "      \
    "FROM target WHERE state NOT IN ('starting', 'gone') AND "
    struct nj_binder each =
        of_monitor ? nj_sql_use(sqlite, NJ_SQL_TOTAL_OF_MONITOR,
                                TOTALS "cluster = ? AND monitor = ? GROUP BY fails, pod")
                   : nj_sql_use(sqlite, NJ_SQL_TOTAL_OF_SERVICE,
                                TOTALS "cluster = ? AND namespace = ? AND service = ? GROUP BY fails, pod");
    struct nj_target_totals totals = {0};
    int rc;
    nj_sql_text(&each, cluster);
    nj_sql_text(&each, of_monitor ? monitor : namespace);
    if (!of_monitor)
        nj_sql_text(&each, service);
    while ((rc = nj_sql_next(sqlite, &each, doing, err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        bool fails = nj_row_int(&row) != 0, pod = nj_row_int(&row) != 0;
        int32_t count = (int32_t)nj_row_int(&row);
        totals.total += count;
        totals.failing += fails ? count : 0;
        totals.pods_total += pod ? count : 0;
        totals.pods_failing += fails && pod ? count : 0;
    }
    if (rc == 0)
        *ret_totals = totals;
    return rc;
}

int nj_sqlite_count_targets(struct nj_store *store, const char *cluster, const char *monitor,
                            uint64_t *ret_counts, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    uint64_t counts[NJ_CHECK_STATES] = {0};
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_COUNT_TARGETS,
                   "SELECT state, count(*) FROM target WHERE cluster = ? AND monitor = ? GROUP BY state");
    int rc;
    nj_sql_text(&each, cluster);
    nj_sql_text(&each, monitor);
    while ((rc = nj_sql_next(sqlite, &each, "count the targets", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        enum nj_check_state state;
        if (nj_check_state_parse(nj_row_text(&row), &state) == 0)
            counts[state] = (uint64_t)nj_row_int(&row);
    }
    if (rc == 0)
        memcpy(ret_counts, counts, sizeof(counts));
    return rc;
}

static int64_t read_target(sqlite3_stmt *statement, struct nj_store_target *target)
{
    struct nj_row row = {.statement = statement};
    int64_t number = nj_row_int(&row);
    target->seen_ns = nj_row_int(&row);
    target->cluster = nj_row_text(&row);
    target->key.monitor = nj_row_text(&row);
    target->key.target = nj_row_text(&row);
    target->state = nj_row_text(&row);
    target->project = nj_row_text(&row);
    target->source = nj_row_text(&row);
    target->namespace = nj_row_text(&row);
    target->service = nj_row_text(&row);
    target->target_name = nj_row_text(&row);
    target->address = nj_row_text(&row);
    target->node = nj_row_text(&row);
    target->pod_uid = nj_row_text(&row);
    target->since_ns = nj_row_int(&row);
    target->severity = nj_row_text(&row);
    target->group = nj_row_text(&row);
    target->cause = nj_row_text(&row);
    target->phase = nj_row_text(&row);
    target->step = nj_row_text(&row);
    target->expected = nj_row_text(&row);
    target->got = nj_row_text(&row);
    target->body = nj_row_text(&row);
    target->evidence = nj_row_text(&row);
    target->status = (int32_t)nj_row_int(&row);
    target->failed_ns = nj_row_int(&row);
    return number;
}

int nj_sqlite_each_target(struct nj_store *store, const struct nj_target_filter *filter,
                          int (*on_target)(void *data, int64_t rowid, const struct nj_store_target *target),
                          void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND monitor = ?", .text = filter->monitor},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND service = ?", .text = filter->service},
        {.sql = " AND state = ?", .text = filter->state},
        {.sql = " AND seen_ns < ?", .number = filter->unseen_since_ns},
        {.sql = " AND number > ?", .number = filter->after_rowid},
    };
    struct nj_binder each = nj_sql_query(
        sqlite,
        "SELECT number, seen_ns, " TARGET_COLUMNS " FROM target JOIN target_seen USING (number) WHERE 1",
        conditions, sizeof(conditions) / sizeof(conditions[0]), "ORDER BY number", filter->limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the targets", err)) == 1) {
        struct nj_store_target target;
        int64_t number = read_target(each.statement, &target);
        rc = on_target(data, number, &target);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}
