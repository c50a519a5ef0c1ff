/*
 * What the alert pipeline keeps beside its messages: silences, acknowledgements, marks, what is to be said
 * again, and the key of its links. See store.h.
 */
#include <errno.h>
#include <string.h>

#include "collector/store/sqlite/internal.h"

#define SILENCE_COLUMNS "id, matchers, author, reason, from_ns, until_ns, created_ns, maintenance"

int nj_sqlite_put_silence(struct nj_store *store, const struct nj_silence *silence, int64_t *ret_id,
                          struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_SILENCE,
        "INSERT INTO silence (matchers, author, reason, from_ns, until_ns, created_ns, maintenance, id) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, 0)) ON CONFLICT (id) DO UPDATE SET matchers = ?1, "
        "author = ?2, reason = ?3, from_ns = ?4, until_ns = ?5, maintenance = ?7");
    nj_sql_text(&put, silence->matchers);
    nj_sql_text(&put, silence->author);
    nj_sql_text(&put, silence->reason);
    nj_sql_int(&put, silence->from_ns);
    nj_sql_int(&put, silence->until_ns);
    nj_sql_int(&put, silence->created_ns);
    nj_sql_int(&put, silence->maintenance ? 1 : 0);
    nj_sql_int(&put, silence->id);
    int rc = nj_sql_run(sqlite, &put, "store a silence", err);
    if (rc == 0)
        *ret_id = silence->id != 0 ? silence->id : sqlite3_last_insert_rowid(sqlite->db);
    return rc;
}

int nj_sqlite_each_silence(struct nj_store *store, const struct nj_silence_filter *filter,
                           int (*on_silence)(void *data, const struct nj_silence *silence), void *data,
                           struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    if (filter->limit < 1 || filter->limit > NJ_STORE_LIMIT_MAX)
        return nj_err_set(err, -EINVAL, "limit %d is not within 1 to %d", filter->limit, NJ_STORE_LIMIT_MAX);
    const struct nj_sql_condition conditions[] = {
        {.sql = " AND id = ?", .number = filter->id},
        {.sql = " AND until_ns > ?", .number = filter->ends_after_ns},
        {.sql = " AND id < ?", .number = filter->before_id},
    };
    struct nj_binder each =
        nj_sql_query(sqlite, "SELECT " SILENCE_COLUMNS " FROM silence WHERE 1", conditions,
                     sizeof(conditions) / sizeof(conditions[0]), "ORDER BY id DESC", filter->limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the silences", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        struct nj_silence silence = {0};
        silence.id = nj_row_int(&row);
        silence.matchers = nj_row_text(&row);
        silence.author = nj_row_text(&row);
        silence.reason = nj_row_text(&row);
        silence.from_ns = nj_row_int(&row);
        silence.until_ns = nj_row_int(&row);
        silence.created_ns = nj_row_int(&row);
        silence.maintenance = nj_row_int(&row) != 0;
        rc = on_silence(data, &silence);
        if (rc != 0)
            break;
    }
    (void)sqlite3_finalize(each.statement);
    return rc;
}

int nj_sqlite_add_acknowledgement(struct nj_store *store, const struct nj_acknowledgement *ack, bool *ret_new,
                                  struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder add = nj_sql_use(sqlite, NJ_SQL_ADD_ACKNOWLEDGEMENT,
                                      "INSERT INTO acknowledgement (incident_id, author, note, at_ns) VALUES "
                                      "(?, ?, ?, ?) ON CONFLICT (incident_id) DO NOTHING");
    nj_sql_int(&add, ack->incident_id);
    nj_sql_text(&add, ack->author);
    nj_sql_text(&add, ack->note);
    nj_sql_int(&add, ack->at_ns);
    int rc = nj_sql_run(sqlite, &add, "store an acknowledgement", err);
    if (rc == 0)
        *ret_new = sqlite3_changes(sqlite->db) > 0;
    return rc;
}

int nj_sqlite_get_acknowledgement(struct nj_store *store, int64_t incident_id,
                                  int (*on_ack)(void *data, const struct nj_acknowledgement *ack), void *data,
                                  struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get =
        nj_sql_use(sqlite, NJ_SQL_GET_ACKNOWLEDGEMENT,
                   "SELECT author, note, at_ns FROM acknowledgement WHERE incident_id = ?");
    nj_sql_int(&get, incident_id);
    int rc = nj_sql_next(sqlite, &get, "read an acknowledgement", err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "incident %lld is not acknowledged", (long long)incident_id);
    if (rc < 0)
        return rc;
    struct nj_row row = {.statement = get.statement};
    struct nj_acknowledgement ack = {.incident_id = incident_id};
    ack.author = nj_row_text(&row);
    ack.note = nj_row_text(&row);
    ack.at_ns = nj_row_int(&row);
    rc = on_ack(data, &ack);
    nj_sql_reset(&get);
    return rc;
}

int nj_sqlite_put_mark(struct nj_store *store, const struct nj_mark *mark, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_MARK,
        "INSERT OR REPLACE INTO mark (incident_id, kind, reason, useful, author, note, at_ns) VALUES "
        "(?, ?, ?, ?, ?, ?, ?)");
    nj_sql_int(&put, mark->incident_id);
    nj_sql_text(&put, mark->kind);
    nj_sql_text(&put, mark->reason);
    nj_sql_int(&put, mark->useful ? 1 : 0);
    nj_sql_text(&put, mark->author);
    nj_sql_text(&put, mark->note);
    nj_sql_int(&put, mark->at_ns);
    return nj_sql_run(sqlite, &put, "store a mark", err);
}

int nj_sqlite_each_precision(struct nj_store *store, int latest,
                             int (*on_rule)(void *data, const struct nj_precision *precision), void *data,
                             struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_EACH_PRECISION,
                   "SELECT kind, reason, sum(useful), sum(1 - useful), sum(useful AND place <= ?1), "
                   "sum(NOT useful AND place <= ?1) FROM (SELECT kind, reason, useful, row_number() OVER "
                   "(PARTITION BY kind, "
                   "reason ORDER BY at_ns DESC, incident_id DESC) AS place FROM mark) GROUP BY kind, reason");
    nj_sql_int(&each, latest);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read the marks", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        struct nj_precision precision = {0};
        precision.kind = nj_row_text(&row);
        precision.reason = nj_row_text(&row);
        precision.useful = nj_row_int(&row);
        precision.noise = nj_row_int(&row);
        precision.latest_useful = nj_row_int(&row);
        precision.latest_noise = nj_row_int(&row);
        rc = on_rule(data, &precision);
        if (rc != 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    return rc;
}

int nj_sqlite_each_told(struct nj_store *store, int64_t since_ns,
                        int (*on_told)(void *data, const struct nj_told *told), void *data,
                        struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_EACH_TOLD,
                   "SELECT kind, reason, state = 'resolved', resolved_ns - first_ns, suppressed != '' OR "
                   "EXISTS (SELECT 1 FROM acknowledgement WHERE incident_id = incident.id), suppressed != '' "
                   "FROM incident "
                   "WHERE last_ns >= ? ORDER BY kind, reason, resolved_ns - first_ns");
    nj_sql_int(&each, since_ns);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read how incidents ended", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        struct nj_told told = {0};
        told.kind = nj_row_text(&row);
        told.reason = nj_row_text(&row);
        told.resolved = nj_row_int(&row) != 0;
        told.lasted_ns = nj_row_int(&row);
        told.handled = nj_row_int(&row) != 0;
        told.suppressed = nj_row_int(&row) != 0;
        rc = on_told(data, &told);
        if (rc != 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    return rc;
}

int nj_sqlite_put_reminder(struct nj_store *store, const struct nj_reminder *reminder, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(sqlite, NJ_SQL_PUT_REMINDER,
                                      "INSERT OR REPLACE INTO reminder (incident_id, channel, kind, "
                                      "alert_group, mentions, every_ns, at_ns, "
                                      "told) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    nj_sql_int(&put, reminder->incident_id);
    nj_sql_text(&put, reminder->channel);
    nj_sql_int(&put, (int64_t)reminder->kind);
    nj_sql_text(&put, reminder->group);
    nj_sql_text(&put, reminder->mentions);
    nj_sql_int(&put, reminder->every_ns);
    nj_sql_int(&put, reminder->at_ns);
    nj_sql_int(&put, (int64_t)reminder->told);
    return nj_sql_run(sqlite, &put, "store what is to be said again", err);
}

int nj_sqlite_delete_reminders(struct nj_store *store, int64_t incident_id, const char *channel,
                               bool kept_too, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder forget =
        nj_sql_use(sqlite, NJ_SQL_DELETE_REMINDERS,
                   "DELETE FROM reminder WHERE incident_id = ?1 AND (?2 = '' OR channel = ?2) "
                   "AND (?3 OR kind != 2)");
    nj_sql_int(&forget, incident_id);
    nj_sql_text(&forget, channel);
    nj_sql_int(&forget, kept_too ? 1 : 0);
    return nj_sql_run(sqlite, &forget, "forget what was to be said again", err);
}

int nj_sqlite_each_reminder(struct nj_store *store, int64_t due_ns, int limit,
                            int (*on_reminder)(void *data, const struct nj_reminder *reminder), void *data,
                            struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder each =
        nj_sql_use(sqlite, NJ_SQL_EACH_REMINDER,
                   "SELECT incident_id, channel, kind, alert_group, mentions, every_ns, at_ns, told FROM "
                   "reminder WHERE at_ns <= ? ORDER BY at_ns LIMIT ?");
    nj_sql_int(&each, due_ns);
    nj_sql_int(&each, limit);
    int rc;
    while ((rc = nj_sql_next(sqlite, &each, "read what is to be said again", err)) == 1) {
        struct nj_row row = {.statement = each.statement};
        struct nj_reminder reminder = {0};
        reminder.incident_id = nj_row_int(&row);
        reminder.channel = nj_row_text(&row);
        reminder.kind = (enum nj_reminder_kind)nj_row_int(&row);
        reminder.group = nj_row_text(&row);
        reminder.mentions = nj_row_text(&row);
        reminder.every_ns = nj_row_int(&row);
        reminder.at_ns = nj_row_int(&row);
        reminder.told = (uint64_t)nj_row_int(&row);
        rc = on_reminder(data, &reminder);
        if (rc != 0) {
            nj_sql_reset(&each);
            return rc;
        }
    }
    return rc;
}

int nj_sqlite_release_held(struct nj_store *store, int64_t now_ns, bool all_late, int64_t *ret_released,
                           struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder pull =
        nj_sql_use(sqlite, NJ_SQL_PULL_REMINDERS,
                   "UPDATE reminder SET at_ns = ?1 + every_ns WHERE at_ns > ?1 + every_ns");
    struct nj_binder release =
        nj_sql_use(sqlite, NJ_SQL_RELEASE_HELD,
                   "UPDATE notification SET status = 'pending', next_ns = 0 WHERE status = 'held' AND "
                   "(until_ns <= ?1 OR until_ns > ?1 + 86400000000000)");
    nj_sql_int(&pull, now_ns);
    nj_sql_int(&release, now_ns);
    int rc = all_late ? nj_sql_run(sqlite, &pull, "say again after the clock was set back", err) : 0;
    if (!all_late)
        nj_sql_reset(&pull);
    if (rc == 0)
        rc = nj_sql_run(sqlite, &release, "release what waited", err);
    else
        nj_sql_reset(&release);
    if (rc == 0)
        *ret_released = sqlite3_changes(sqlite->db);
    return rc;
}

int nj_sqlite_next_due(struct nj_store *store, int64_t *ret_at_ns, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder next = nj_sql_use(
        sqlite, NJ_SQL_NEXT_DUE,
        "SELECT min((SELECT ifnull(min(at_ns), 9223372036854775807) FROM reminder), "
        "(SELECT ifnull(min(until_ns), 9223372036854775807) FROM notification WHERE status = 'held'))");
    int rc = nj_sql_next(sqlite, &next, "read what is due next", err);
    if (rc == 1) {
        *ret_at_ns = sqlite3_column_int64(next.statement, 0);
        nj_sql_reset(&next);
    }
    return rc < 0 ? rc : 0;
}

int nj_sqlite_put_secret(struct nj_store *store, const char *name, const void *bytes, size_t len,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put =
        nj_sql_use(sqlite, NJ_SQL_PUT_SECRET,
                   "INSERT INTO secret (name, bytes) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
    nj_sql_text(&put, name);
    nj_sql_blob(&put, bytes, len);
    return nj_sql_run(sqlite, &put, "store a key", err);
}

int nj_sqlite_get_secret(struct nj_store *store, const char *name, void *ret_bytes, size_t len,
                         struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder get = nj_sql_use(sqlite, NJ_SQL_GET_SECRET, "SELECT bytes FROM secret WHERE name = ?");
    nj_sql_text(&get, name);
    int rc = nj_sql_next(sqlite, &get, "read a key", err);
    if (rc == 0)
        return nj_err_set(err, -ENOENT, "no key %s", name);
    if (rc < 0)
        return rc;
    struct nj_row row = {.statement = get.statement};
    size_t have = 0;
    const void *bytes = nj_row_blob(&row, &have);
    rc = have == len ? 0 : nj_err_set(err, -EUCLEAN, "the key %s has %zu bytes, not %zu", name, have, len);
    if (rc == 0)
        memcpy(ret_bytes, bytes, len);
    nj_sql_reset(&get);
    return rc;
}
