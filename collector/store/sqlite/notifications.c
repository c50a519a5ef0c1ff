#include <errno.h>

#include "collector/store/sqlite/internal.h"

#define NOTIFICATION_COLUMNS                                                                                 \
    "id, incident_id, transition, occurrence, channel, alert_group, mentions, status, attempts, "            \
    "parts_done, "                                                                                           \
    "created_ns, next_ns, done_ns, error, text, digest_id, until_ns, folds"

/* The condition of the partial indexes, word for word: SQLite uses them only where it stands in the query. */
#define NOT_TOLD "status IN ('pending', 'sending', 'failed', 'uncertain')"

int nj_sqlite_add_notification(struct nj_store *store, const struct nj_notification *notification,
                               int64_t *ret_id, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder add = nj_sql_use(
        sqlite, NJ_SQL_ADD_NOTIFICATION,
        "INSERT INTO notification (incident_id, transition, occurrence, channel, alert_group, "
        "mentions, status, "
        "attempts, parts_done, created_ns, next_ns, done_ns, error, text, digest_id, until_ns, folds) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (incident_id, transition, occurrence, channel) DO NOTHING");
    nj_sql_int(&add, notification->incident_id);
    nj_sql_text(&add, notification->transition);
    nj_sql_int(&add, (int64_t)notification->occurrence);
    nj_sql_text(&add, notification->channel);
    nj_sql_text(&add, notification->group);
    nj_sql_text(&add, notification->mentions);
    nj_sql_text(&add, nj_notification_status_name(notification->status));
    nj_sql_int(&add, notification->attempts);
    nj_sql_int(&add, notification->parts_done);
    nj_sql_int(&add, notification->created_ns);
    nj_sql_int(&add, notification->next_ns);
    nj_sql_int(&add, notification->done_ns);
    nj_sql_text(&add, notification->error);
    nj_sql_text(&add, notification->text);
    nj_sql_int(&add, notification->digest_id);
    nj_sql_int(&add, notification->until_ns);
    nj_sql_int(&add, notification->folds ? 1 : 0);
    int rc = nj_sql_run(sqlite, &add, "store a notification", err);
    if (rc < 0)
        return rc;
    if (sqlite3_changes(sqlite->db) == 0)
        return nj_err_set(err, -EEXIST, "incident %lld, %s, is already planned for channel %s",
                          (long long)notification->incident_id, notification->transition,
                          notification->channel);
    *ret_id = sqlite3_last_insert_rowid(sqlite->db);
    return 0;
}

int nj_sqlite_put_notification(struct nj_store *store, const struct nj_notification *notification,
                               struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder put = nj_sql_use(
        sqlite, NJ_SQL_PUT_NOTIFICATION,
        "UPDATE notification SET status = ?, attempts = ?, parts_done = ?, next_ns = ?, done_ns = ?, "
        "error = ?, text = ?, digest_id = ? WHERE id = ?");
    nj_sql_text(&put, nj_notification_status_name(notification->status));
    nj_sql_int(&put, notification->attempts);
    nj_sql_int(&put, notification->parts_done);
    nj_sql_int(&put, notification->next_ns);
    nj_sql_int(&put, notification->done_ns);
    nj_sql_text(&put, notification->error);
    nj_sql_text(&put, notification->text);
    nj_sql_int(&put, notification->digest_id);
    nj_sql_int(&put, notification->id);
    int rc = nj_sql_run(sqlite, &put, "change a notification", err);
    if (rc == 0 && sqlite3_changes(sqlite->db) == 0)
        return nj_err_set(err, -ENOENT, "no notification %lld", (long long)notification->id);
    return rc;
}

/* Hands out every row, then resets. */
static int each(struct nj_sqlite *sqlite, struct nj_binder *query,
                int (*on_notification)(void *data, const struct nj_notification *notification), void *data,
                struct nj_err *err)
{
    int rc;
    while ((rc = nj_sql_next(sqlite, query, "read the notifications", err)) == 1) {
        struct nj_row row = {.statement = query->statement};
        struct nj_notification notification;
        notification.id = nj_row_int(&row);
        notification.incident_id = nj_row_int(&row);
        notification.transition = nj_row_text(&row);
        notification.occurrence = (uint64_t)nj_row_int(&row);
        notification.channel = nj_row_text(&row);
        notification.group = nj_row_text(&row);
        notification.mentions = nj_row_text(&row);
        const char *status = nj_row_text(&row);
        notification.attempts = (int32_t)nj_row_int(&row);
        notification.parts_done = (int32_t)nj_row_int(&row);
        notification.created_ns = nj_row_int(&row);
        notification.next_ns = nj_row_int(&row);
        notification.done_ns = nj_row_int(&row);
        notification.error = nj_row_text(&row);
        notification.text = nj_row_text(&row);
        notification.digest_id = nj_row_int(&row);
        notification.until_ns = nj_row_int(&row);
        notification.folds = nj_row_int(&row) != 0;
        if (nj_notification_status_parse(status, &notification.status) < 0)
            rc = nj_err_set(err, -EUCLEAN, "%s: notification %lld has the status \"%s\"", sqlite->path,
                            (long long)notification.id, status);
        else
            rc = on_notification(data, &notification);
        if (rc != 0) {
            nj_sql_reset(query);
            return rc;
        }
    }
    return rc;
}

int nj_sqlite_each_notification(struct nj_store *store, const char *channel,
                                enum nj_notification_status status, int64_t now_ns, int limit,
                                int (*on_notification)(void *data,
                                                       const struct nj_notification *notification),
                                void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder query =
        channel != NULL ? nj_sql_use(sqlite, NJ_SQL_EACH_NOTIFICATION,
                                     "SELECT " NOTIFICATION_COLUMNS " FROM notification WHERE " NOT_TOLD
                                     " AND channel = ? AND status = ? AND next_ns <= ? ORDER BY id LIMIT ?")
                        : nj_sql_use(sqlite, NJ_SQL_EACH_NOTIFICATION_ANY,
                                     "SELECT " NOTIFICATION_COLUMNS " FROM notification WHERE " NOT_TOLD
                                     " AND status = ? AND next_ns <= ? ORDER BY id LIMIT ?");
    if (channel != NULL)
        nj_sql_text(&query, channel);
    nj_sql_text(&query, nj_notification_status_name(status));
    nj_sql_int(&query, now_ns);
    nj_sql_int(&query, limit);
    return each(sqlite, &query, on_notification, data, err);
}

int nj_sqlite_each_notification_of(struct nj_store *store, int64_t incident_id, int limit,
                                   int (*on_notification)(void *data,
                                                          const struct nj_notification *notification),
                                   void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder query =
        incident_id > 0
            ? nj_sql_use(sqlite, NJ_SQL_EACH_NOTIFICATION_OF,
                         "SELECT " NOTIFICATION_COLUMNS " FROM notification WHERE incident_id = ? "
                         "ORDER BY id DESC LIMIT ?")
            : nj_sql_use(sqlite, NJ_SQL_EACH_DEAD_LETTER,
                         "SELECT " NOTIFICATION_COLUMNS " FROM notification WHERE " NOT_TOLD
                         " ORDER BY id DESC LIMIT ?");
    if (incident_id > 0)
        nj_sql_int(&query, incident_id);
    nj_sql_int(&query, limit);
    return each(sqlite, &query, on_notification, data, err);
}

int nj_sqlite_add_sent(struct nj_store *store, const char *channel, int64_t at_ns, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder add =
        nj_sql_use(sqlite, NJ_SQL_ADD_SENT, "INSERT INTO sent (channel, at_ns) VALUES (?, ?)");
    nj_sql_text(&add, channel);
    nj_sql_int(&add, at_ns);
    return nj_sql_run(sqlite, &add, "store when a message was sent", err);
}

int nj_sqlite_each_sent(struct nj_store *store, const char *channel, int64_t since_ns,
                        int (*on_sent)(void *data, int64_t at_ns), void *data, struct nj_err *err)
{
    struct nj_sqlite *sqlite = nj_sqlite_of(store);
    struct nj_binder query = nj_sql_use(
        sqlite, NJ_SQL_EACH_SENT, "SELECT at_ns FROM sent WHERE channel = ? AND at_ns >= ? ORDER BY at_ns");
    nj_sql_text(&query, channel);
    nj_sql_int(&query, since_ns);
    int rc;
    while ((rc = nj_sql_next(sqlite, &query, "read when messages were sent", err)) == 1) {
        rc = on_sent(data, sqlite3_column_int64(query.statement, 0));
        if (rc != 0) {
            nj_sql_reset(&query);
            return rc;
        }
    }
    return rc;
}
