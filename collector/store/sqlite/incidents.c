#include <errno.h>

#include "collector/store/sqlite/internal.h"

#define INCIDENT_COLUMNS                                                                                     \
    "id, fingerprint, kind, severity, state, revision, cluster, project, namespace, workload_kind, "         \
    "workload, container, pod, pod_uid, node, reason, message, image, exit_code, signal, restart_count, "    \
    "memory_limit_bytes, crash_id, crash_loop, count, lost, first_ns, last_ns, resolved_ns, "                \
    "resolved_cause, suppressed, alert_group, monitor, step, cause, expected, got, body, status, "           \
    "targets_failing, targets_total, detail, process, pid, value, at_most, per_hour, reaches_ns, "           \
    "evictions, rollout, rollout_from, template_hash, image_from, difference, services_down, outage_ns, "    \
    "objective, budget_left"

int nj_sqlite_put_incident(struct nj_store *store, const struct nj_incident *incident, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    /* A resolved one makes room for the next open one of its fingerprint only when it comes first: so does
     * the engine. REPLACE would delete another incident that is open under the same fingerprint, hence the
     * conflict on the id alone. */
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_INCIDENT,
        "INSERT INTO incident (" INCIDENT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO "
        "UPDATE SET (" INCIDENT_COLUMNS
        ") = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, "
        "?21, "
        "?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, "
        "?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52, ?53, ?54, ?55, ?56, ?57, "
        "?58)");
    nj_sql_int(&put, incident->id);
    nj_sql_text(&put, incident->fingerprint);
    nj_sql_text(&put, nj_incident_kind_name(incident->kind));
    nj_sql_text(&put, nj_severity_name(incident->severity));
    nj_sql_text(&put, nj_incident_state_name(incident->state));
    nj_sql_int(&put, (int64_t)incident->revision);
    nj_sql_text(&put, incident->cluster);
    nj_sql_text(&put, incident->project);
    nj_sql_text(&put, incident->namespace);
    nj_sql_text(&put, incident->workload_kind);
    nj_sql_text(&put, incident->workload);
    nj_sql_text(&put, incident->container);
    nj_sql_text(&put, incident->pod);
    nj_sql_text(&put, incident->pod_uid);
    nj_sql_text(&put, incident->node);
    nj_sql_text(&put, incident->reason);
    nj_sql_text(&put, incident->message);
    nj_sql_text(&put, incident->image);
    nj_sql_int(&put, incident->exit_code);
    nj_sql_int(&put, incident->signal);
    nj_sql_int(&put, incident->restart_count);
    nj_sql_int(&put, incident->memory_limit_bytes);
    nj_sql_text(&put, incident->crash_id);
    nj_sql_int(&put, incident->crash_loop);
    nj_sql_int(&put, (int64_t)incident->count);
    nj_sql_int(&put, (int64_t)incident->lost);
    nj_sql_int(&put, incident->first_ns);
    nj_sql_int(&put, incident->last_ns);
    nj_sql_int(&put, incident->resolved_ns);
    nj_sql_text(&put, incident->resolved_cause);
    nj_sql_text(&put, incident->suppressed);
    nj_sql_text(&put, incident->group);
    nj_sql_text(&put, incident->monitor);
    nj_sql_text(&put, incident->step);
    nj_sql_text(&put, incident->cause);
    nj_sql_text(&put, incident->expected);
    nj_sql_text(&put, incident->got);
    nj_sql_text(&put, incident->body);
    nj_sql_int(&put, incident->status);
    nj_sql_int(&put, incident->targets_failing);
    nj_sql_int(&put, incident->targets_total);
    nj_sql_text(&put, incident->detail);
    nj_sql_text(&put, incident->process);
    nj_sql_int(&put, incident->pid);
    nj_sql_real(&put, incident->value);
    nj_sql_real(&put, incident->at_most);
    nj_sql_real(&put, incident->per_hour);
    nj_sql_int(&put, incident->reaches_ns);
    nj_sql_int(&put, (int64_t)incident->evictions);
    nj_sql_text(&put, incident->rollout);
    nj_sql_text(&put, incident->rollout_from);
    nj_sql_text(&put, incident->template_hash);
    nj_sql_text(&put, incident->image_from);
    nj_sql_text(&put, incident->difference);
    nj_sql_text(&put, incident->services_down);
    nj_sql_int(&put, incident->outage_ns);
    nj_sql_real(&put, incident->objective);
    nj_sql_real(&put, incident->budget_left);
    return nj_sql_run(sqlite, &put, "store an incident", err);
}

static int read_incident(struct nj_sqlite *sqlite, sqlite3_stmt *statement, struct nj_incident *incident,
                         struct nj_err *err)
{
    struct nj_row row = {.statement = statement};
    incident->id = nj_row_int(&row);
    incident->fingerprint = nj_row_text(&row);
    const char *kind = nj_row_text(&row);
    const char *severity = nj_row_text(&row);
    const char *state = nj_row_text(&row);
    incident->revision = (uint64_t)nj_row_int(&row);
    incident->cluster = nj_row_text(&row);
    incident->project = nj_row_text(&row);
    incident->namespace = nj_row_text(&row);
    incident->workload_kind = nj_row_text(&row);
    incident->workload = nj_row_text(&row);
    incident->container = nj_row_text(&row);
    incident->pod = nj_row_text(&row);
    incident->pod_uid = nj_row_text(&row);
    incident->node = nj_row_text(&row);
    incident->reason = nj_row_text(&row);
    incident->message = nj_row_text(&row);
    incident->image = nj_row_text(&row);
    incident->exit_code = (int32_t)nj_row_int(&row);
    incident->signal = (int32_t)nj_row_int(&row);
    incident->restart_count = (int32_t)nj_row_int(&row);
    incident->memory_limit_bytes = nj_row_int(&row);
    incident->crash_id = nj_row_text(&row);
    incident->crash_loop = nj_row_int(&row) != 0;
    incident->count = (uint64_t)nj_row_int(&row);
    incident->lost = (uint64_t)nj_row_int(&row);
    incident->first_ns = nj_row_int(&row);
    incident->last_ns = nj_row_int(&row);
    incident->resolved_ns = nj_row_int(&row);
    incident->resolved_cause = nj_row_text(&row);
    incident->suppressed = nj_row_text(&row);
    incident->group = nj_row_text(&row);
    incident->monitor = nj_row_text(&row);
    incident->step = nj_row_text(&row);
    incident->cause = nj_row_text(&row);
    incident->expected = nj_row_text(&row);
    incident->got = nj_row_text(&row);
    incident->body = nj_row_text(&row);
    incident->status = (int32_t)nj_row_int(&row);
    incident->targets_failing = (int32_t)nj_row_int(&row);
    incident->targets_total = (int32_t)nj_row_int(&row);
    incident->detail = nj_row_text(&row);
    incident->process = nj_row_text(&row);
    incident->pid = (int32_t)nj_row_int(&row);
    incident->value = nj_row_real(&row);
    incident->at_most = nj_row_real(&row);
    incident->per_hour = nj_row_real(&row);
    incident->reaches_ns = nj_row_int(&row);
    incident->evictions = (uint64_t)nj_row_int(&row);
    incident->rollout = nj_row_text(&row);
    incident->rollout_from = nj_row_text(&row);
    incident->template_hash = nj_row_text(&row);
    incident->image_from = nj_row_text(&row);
    incident->difference = nj_row_text(&row);
    incident->services_down = nj_row_text(&row);
    incident->outage_ns = nj_row_int(&row);
    incident->objective = nj_row_real(&row);
    incident->budget_left = nj_row_real(&row);
    if (nj_incident_kind_parse(kind, &incident->kind) < 0 ||
        nj_severity_parse(severity, &incident->severity) < 0 ||
        nj_incident_state_parse(state, &incident->state) < 0)
        return nj_err_set(err, -EUCLEAN, "%s: incident %lld is of kind \"%s\", severity \"%s\", state \"%s\"",
                          sqlite->path, (long long)incident->id, kind, severity, state);
    return 0;
}

int nj_sqlite_put_subject(struct nj_store *store, int64_t incident_id,
                          const struct nj_incident_subject *subject, bool present, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put =
        present
            ? nj_sql_use(sqlite, NJ_SQL_PUT_SUBJECT,
                         "INSERT OR REPLACE INTO subject (incident_id, pod_uid, container, pod, since_ns) "
                         "VALUES (?, ?, ?, ?, ?)")
            : nj_sql_use(sqlite, NJ_SQL_DELETE_SUBJECT,
                         "DELETE FROM subject WHERE incident_id = ? AND pod_uid = ? AND container = ?");
    nj_sql_int(&put, incident_id);
    nj_sql_text(&put, subject->pod_uid);
    nj_sql_text(&put, subject->container);
    if (present) {
        nj_sql_text(&put, subject->pod);
        nj_sql_int(&put, subject->since_ns);
    }
    return nj_sql_run(sqlite, &put, "store what is in trouble", err);
}

static struct nj_incident_subject read_subject(sqlite3_stmt *statement)
{
    struct nj_row row = {.statement = statement};
    struct nj_incident_subject subject;
    subject.pod_uid = nj_row_text(&row);
    subject.container = nj_row_text(&row);
    subject.pod = nj_row_text(&row);
    subject.since_ns = nj_row_int(&row);
    return subject;
}

#define EACH_SUBJECT                                                                                         \
    "SELECT pod_uid, container, pod, since_ns FROM subject WHERE incident_id = ? ORDER BY since_ns, "        \
    "pod_uid, "                                                                                              \
    "container LIMIT ?"

static int load_subjects(struct nj_sqlite *sqlite, int64_t incident_id,
                         void (*on_subject)(void *data, int64_t incident_id,
                                            const struct nj_incident_subject *subject),
                         void *data, struct nj_err *err)
{
    struct nj_binder each = nj_sql_use(sqlite, NJ_SQL_LOAD_SUBJECTS, EACH_SUBJECT);
    nj_sql_int(&each, incident_id);
    nj_sql_int(&each, -1);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read what is in trouble", err)) == 1) {
        struct nj_incident_subject subject = read_subject(each.statement);
        on_subject(data, incident_id, &subject);
    }
    return rc;
}

int nj_sqlite_load_open(struct nj_store *store, int64_t *ret_next_id,
                        void (*on_incident)(void *data, const struct nj_incident *incident),
                        void (*on_subject)(void *data, int64_t incident_id,
                                           const struct nj_incident_subject *subject),
                        void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder next =
        nj_sql_use(sqlite, NJ_SQL_NEXT_ID, "SELECT seq FROM sqlite_sequence WHERE name = 'incident'");
    int rc = nj_sql_next(sqlite, &next, "read the next incident's number", err);
    if (rc < 0)
        return rc;
    int64_t next_id = rc == 1 ? sqlite3_column_int64(next.statement, 0) + 1 : 1;
    nj_sql_reset(&next);

    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_LOAD_OPEN,
                   "SELECT " INCIDENT_COLUMNS " FROM incident WHERE state = 'open' ORDER BY last_ns, id");
    while ((rc = nj_sql_next(sqlite, &each, "read the open incidents", err)) == 1) {
        struct nj_incident incident = {0};
        rc = read_incident(sqlite, each.statement, &incident, err);
        if (rc == 0) {
            on_incident(data, &incident);
            rc = load_subjects(sqlite, incident.id, on_subject, data, err);
        }
        if (rc < 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    if (rc == 0)
        *ret_next_id = next_id;
    return rc;
}

/* Spelt out, because a partial index is chosen by the text of the condition. */
static const char *state_condition(const char *name)
{
    enum nj_incident_state state;
    if (nj_incident_state_parse(name, &state) < 0)
        return " AND 0";
    return state == NJ_INCIDENT_OPEN ? " AND state = 'open'" : " AND state = 'resolved'";
}

int nj_sqlite_each_incident(struct nj_store *store, const struct nj_incident_filter *filter,
                            int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                            struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    const struct nj_sql_condition conditions[] = {
        {.sql = state_condition(filter->state), .bare = filter->state != NULL},
        {.sql = " AND cluster = ?", .text = filter->cluster},
        {.sql = " AND project = ?", .text = filter->project},
        {.sql = " AND namespace = ?", .text = filter->namespace},
        {.sql = " AND workload = ?", .text = filter->workload},
        {.sql = " AND pod = ?", .text = filter->pod},
        {.sql = " AND kind = ?", .text = filter->kind},
        {.sql = " AND severity = ?", .text = filter->severity},
        {.sql = " AND last_ns >= ?", .number = filter->since_ns},
        {.sql = " AND last_ns <= ?", .number = filter->until_ns},
        {.sql = " AND id < ?", .number = filter->before_id},
    };
    struct nj_binder each =
        nj_sql_query(sqlite, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE 1", conditions,
                     sizeof(conditions) / sizeof(conditions[0]), "ORDER BY id DESC", filter->limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the incidents", err)) == 1) {
        struct nj_incident incident = {0};
        rc = read_incident(sqlite, each.statement, &incident, err);
        if (rc == 0)
            rc = on_incident(data, &incident);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

int nj_sqlite_get_incident(struct nj_store *store, int64_t id,
                           int (*on_incident)(void *data, const struct nj_incident *incident), void *data,
                           struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get =
        nj_sql_use(sqlite, NJ_SQL_GET_INCIDENT, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id = ?");
    nj_sql_int(&get, id);
    int rc = nj_sql_next(sqlite, &get, "read an incident", err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "no incident %lld", (long long)id);
    if (rc < 0)
        return rc;
    struct nj_incident incident = {0};
    rc = read_incident(sqlite, get.statement, &incident, err);
    if (rc == 0)
        rc = on_incident(data, &incident);
    nj_sql_reset(&get);
    return rc;
}

int nj_sqlite_each_subject(struct nj_store *store, int64_t incident_id, int limit,
                           int (*on_subject)(void *data, const struct nj_incident_subject *subject),
                           void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder each = nj_sql_use(sqlite, NJ_SQL_EACH_SUBJECT, EACH_SUBJECT);
    nj_sql_int(&each, incident_id);
    nj_sql_int(&each, limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read what is in trouble", err)) == 1) {
        struct nj_incident_subject subject = read_subject(each.statement);
        rc = on_subject(data, &subject);
        if (rc != 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    return rc;
}
