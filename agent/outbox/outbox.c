#include "agent/outbox/outbox.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "agent/outbox/db.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { BYTES_MIN = 64 << 10, SCRATCH_KEPT = 64 << 10 };

/* Numbers that far up come from no agent: SQLite's own end in 2^63. */
static const uint64_t seq_max = (uint64_t)1 << 62;

static const char *const class_names[NJ_OUTBOX_CLASSES] = {"rollup", "condition", "failure"};
static const char *const dropped_names[NJ_OUTBOX_CLASSES] = {
    "outbox.dropped_rollup", "outbox.dropped_condition", "outbox.dropped_failure"};

struct nj_outbox {
    struct nj_outbox_db db;
    uint64_t max_bytes, max_events;
    char stream[NJ_OUTBOX_STREAM + 1];
    int64_t created_ns;
    uint64_t read_seq;     /* up to here events may have been sent: nothing is replaced in its place */
    struct nj_buf scratch; /* one encoded event */
    pthread_mutex_t mutex; /* for stats alone */
    struct nj_outbox_stats stats;
};

const char *nj_outbox_class_name(enum nj_outbox_class class)
{
    return class_names[class];
}

enum nj_outbox_class nj_outbox_class_of(enum nj_event_type type)
{
    switch (type) {
    case NJ_EVENT_ROLLUPS:
    case NJ_EVENT_USAGE:
        return NJ_OUTBOX_ROLLUP;
    case NJ_EVENT_STUCK:
    case NJ_EVENT_CLEARED:
    case NJ_EVENT_CHECK:
    case NJ_EVENT_TROUBLE:
        return NJ_OUTBOX_CONDITION;
    case NJ_EVENT_CRASH:
    case NJ_EVENT_LOST_CRASHES:
    case NJ_EVENT_POD_FAILURE:
    case NJ_EVENT_OOM_KILL:
    case NJ_EVENT_OUTAGE: /* the collector's own */
    case NJ_EVENT_ROLLOUT_FAILED:
    case NJ_EVENT_SLO:
        break;
    }
    return NJ_OUTBOX_FAILURE;
}

/* In the file conditions are 0 and failures 1, as in files from before there were rollups. */
static int stored_class(enum nj_event_type type)
{
    return (int)nj_outbox_class_of(type) - NJ_OUTBOX_CONDITION;
}

const char *nj_outbox_stream(const struct nj_outbox *outbox)
{
    return outbox->stream;
}

int64_t nj_outbox_created_ns(const struct nj_outbox *outbox)
{
    return outbox->created_ns;
}

void nj_outbox_stats(const struct nj_outbox *outbox, struct nj_outbox_stats *ret_stats)
{
    struct nj_outbox *locked = (struct nj_outbox *)outbox;
    (void)pthread_mutex_lock(&locked->mutex);
    *ret_stats = outbox->stats;
    (void)pthread_mutex_unlock(&locked->mutex);
}

static void publish(struct nj_outbox *outbox, const struct nj_outbox_stats *stats)
{
    (void)pthread_mutex_lock(&outbox->mutex);
    outbox->stats = *stats;
    (void)pthread_mutex_unlock(&outbox->mutex);
}

/* A row's result: 1 with a row, 0 without, negative for an error. The caller resets the statement. */
static int step(const struct nj_outbox *outbox, sqlite3_stmt *statement, const char *doing,
                struct nj_err *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : nj_outbox_db_error(&outbox->db, code, doing, err);
}

static void finish(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

static int load_stream(struct nj_outbox *outbox, struct nj_err *err)
{
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_GET_STREAM);
    int rc = step(outbox, statement, "open", err);
    if (rc == 1) {
        const char *name = nj_str((const char *)sqlite3_column_text(statement, 0));
        size_t len = strlen(name) < NJ_OUTBOX_STREAM ? strlen(name) : NJ_OUTBOX_STREAM;
        memcpy(outbox->stream, name, len);
        outbox->created_ns = sqlite3_column_int64(statement, 1);
        rc = 0;
    } else if (rc == 0) {
        rc = nj_err_set(err, -EINVAL, "outbox %s: it has no name; move the file away", outbox->db.path);
    }
    finish(statement);
    return rc;
}

/* Two columns of the only row. */
static int load_pair(const struct nj_outbox *outbox, sqlite3_stmt *statement, uint64_t *ret_first,
                     uint64_t *ret_second, const char *doing, struct nj_err *err)
{
    int rc = step(outbox, statement, doing, err);
    if (rc == 1) {
        *ret_first = (uint64_t)sqlite3_column_int64(statement, 0);
        *ret_second = (uint64_t)sqlite3_column_int64(statement, 1);
        rc = 0;
    }
    finish(statement);
    return rc;
}

static int load_stats(struct nj_outbox *outbox, struct nj_err *err)
{
    struct nj_outbox_stats *stats = &outbox->stats;
    sqlite3_stmt *totals = nj_outbox_db_statement(&outbox->db, NJ_SQL_TOTALS);
    sqlite3_stmt *last = nj_outbox_db_statement(&outbox->db, NJ_SQL_LAST_SEQ);
    int rc = load_pair(outbox, totals, &stats->events, &stats->bytes, "open", err);
    if (rc == 0) {
        rc = step(outbox, last, "open", err);
        if (rc == 1)
            stats->last_seq = (uint64_t)sqlite3_column_int64(last, 0);
        finish(last);
    }
    for (int i = 0; rc >= 0 && i < NJ_OUTBOX_CLASSES; i++)
        rc = nj_outbox_get_number(outbox, dropped_names[i], &stats->dropped[i], err);
    if (rc >= 0)
        rc = nj_outbox_get_number(outbox, "outbox.damaged", &stats->damaged, err);
    outbox->read_seq = stats->last_seq; /* an earlier process may have sent them */
    return rc;
}

int nj_outbox_open(const struct nj_outbox_options *options, struct nj_outbox **ret_outbox,
                   struct nj_outbox_found *ret_found, struct nj_err *err)
{
    if (options->max_events < 1 || options->max_bytes < BYTES_MIN || options->max_bytes > INT64_MAX)
        return nj_err_set(err, -EINVAL, "outbox %s: at least 1 event and %d bytes must fit", options->path,
                          BYTES_MIN);
    struct nj_outbox_found found = {0};
    struct nj_outbox *outbox = NJ_NEW(struct nj_outbox);
    (void)pthread_mutex_init(&outbox->mutex, NULL);
    outbox->max_bytes = options->max_bytes;
    outbox->max_events = options->max_events;
    outbox->scratch.max =
        options->max_bytes / 2 < NJ_EVENT_BYTES_MAX ? options->max_bytes / 2 : NJ_EVENT_BYTES_MAX;
    int rc = nj_outbox_db_open(&outbox->db, options->path, options->clock, &found, err);
    if (rc == 0)
        rc = load_stream(outbox, err);
    if (rc == 0)
        rc = load_stats(outbox, err);
    if (rc < 0) {
        nj_outbox_close(outbox);
        return rc;
    }
    *ret_outbox = outbox;
    if (ret_found != NULL)
        *ret_found = found;
    return 0;
}

void nj_outbox_close(struct nj_outbox *outbox)
{
    if (outbox == NULL)
        return;
    nj_outbox_db_close(&outbox->db);
    nj_buf_done(&outbox->scratch);
    (void)pthread_mutex_destroy(&outbox->mutex);
    free(outbox);
}

/* Fills the scratch. 0; -EOVERFLOW when even without its log the event is too large. */
static int encode(struct nj_outbox *outbox, const struct nj_event *event)
{
    nj_buf_clear(&outbox->scratch);
    int rc = nj_event_encode(event, &outbox->scratch);
    if (rc != -EOVERFLOW || event->type != NJ_EVENT_CRASH)
        return rc;
    struct nj_event bare = *event;
    bare.crash.log = (struct nj_log_text){.missing = "the log is larger than the agent's outbox takes"};
    nj_buf_clear(&outbox->scratch);
    return nj_event_encode(&bare, &outbox->scratch);
}

/* Puts the scratch in the place of an event with the same id that nobody has read. 1 when it did, 0 when
 * there is none. */
static int replace(struct nj_outbox *outbox, const struct nj_event *event, struct nj_outbox_stats *stats,
                   struct nj_err *err)
{
    if (event->type == NJ_EVENT_CRASH && event->crash.log.len == 0)
        return 0; /* the log of the one that is there would be lost */
    sqlite3_stmt *find = nj_outbox_db_statement(&outbox->db, NJ_SQL_FIND_UNREAD);
    (void)sqlite3_bind_text(find, 1, event->id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(find, 2, (sqlite3_int64)outbox->read_seq);
    int rc = step(outbox, find, "append", err);
    sqlite3_int64 seq = rc == 1 ? sqlite3_column_int64(find, 0) : 0;
    uint64_t size = rc == 1 ? (uint64_t)sqlite3_column_int64(find, 1) : 0;
    finish(find);
    if (rc != 1)
        return rc;
    sqlite3_stmt *update = nj_outbox_db_statement(&outbox->db, NJ_SQL_UPDATE);
    (void)sqlite3_bind_int64(update, 1, seq);
    (void)sqlite3_bind_int(update, 2, stored_class(event->type));
    (void)sqlite3_bind_int64(update, 3, (sqlite3_int64)outbox->scratch.len);
    (void)sqlite3_bind_blob64(update, 4, outbox->scratch.data, outbox->scratch.len, SQLITE_STATIC);
    rc = nj_outbox_db_run(&outbox->db, update, "append", err);
    if (rc < 0)
        return rc;
    stats->bytes += outbox->scratch.len - size;
    return 1;
}

static int insert(struct nj_outbox *outbox, const struct nj_event *event, struct nj_outbox_stats *stats,
                  struct nj_err *err)
{
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_INSERT);
    (void)sqlite3_bind_text(statement, 1, event->id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(statement, 2, stored_class(event->type));
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)outbox->scratch.len);
    (void)sqlite3_bind_blob64(statement, 4, outbox->scratch.data, outbox->scratch.len, SQLITE_STATIC);
    int rc = nj_outbox_db_run(&outbox->db, statement, "append", err);
    if (rc < 0)
        return rc;
    stats->last_seq = (uint64_t)sqlite3_last_insert_rowid(outbox->db.sqlite);
    stats->events++;
    stats->bytes += outbox->scratch.len;
    return 0;
}

static int append_event(struct nj_outbox *outbox, const struct nj_event *event, struct nj_outbox_stats *stats,
                        struct nj_err *err)
{
    int rc = encode(outbox, event);
    if (rc == -EOVERFLOW) {
        stats->dropped[nj_outbox_class_of(event->type)]++;
        return 0;
    }
    if (rc < 0)
        return nj_err_set(err, rc, "outbox %s: append: event '%s' of type %d cannot be encoded",
                          outbox->db.path, nj_str(event->id), (int)event->type);
    rc = replace(outbox, event, stats, err);
    if (rc == 0)
        rc = insert(outbox, event, stats, err);
    return rc < 0 ? rc : 0;
}

/* Gives up events until the bounds hold. */
static int evict(struct nj_outbox *outbox, struct nj_outbox_stats *stats, struct nj_err *err)
{
    int rc = 0;
    while (rc == 0 && (stats->events > outbox->max_events || stats->bytes > outbox->max_bytes)) {
        sqlite3_stmt *least = nj_outbox_db_statement(&outbox->db, NJ_SQL_LEAST);
        sqlite3_stmt *delete = nj_outbox_db_statement(&outbox->db, NJ_SQL_DELETE);
        rc = step(outbox, least, "append", err);
        if (rc == 0) /* totals above the bounds, and no event */
            rc = nj_err_set(err, -EUCLEAN, "outbox %s: append: damaged", outbox->db.path);
        if (rc == 1) {
            int class = sqlite3_column_int(least, 1) + NJ_OUTBOX_CONDITION;
            stats->events--;
            stats->bytes -= (uint64_t)sqlite3_column_int64(least, 2);
            if (class >= 0 && class < NJ_OUTBOX_CLASSES)
                stats->dropped[class]++;
            (void)sqlite3_bind_int64(delete, 1, sqlite3_column_int64(least, 0));
        }
        finish(least);
        if (rc == 1)
            rc = nj_outbox_db_run(&outbox->db, delete, "append", err);
    }
    return rc;
}

static int put_record(struct nj_outbox *outbox, const struct nj_outbox_record *record, struct nj_err *err)
{
    size_t key_len = record->key == NULL ? 0 : strlen(record->key);
    if (key_len == 0 || key_len > NJ_OUTBOX_KEY_MAX || record->len > NJ_OUTBOX_VALUE_MAX)
        return nj_err_set(err, -EINVAL,
                          "outbox %s: append: record '%.80s' of %zu bytes: a key has 1 to %d bytes, a "
                          "value up to %d",
                          outbox->db.path, nj_str(record->key), record->len, NJ_OUTBOX_KEY_MAX,
                          NJ_OUTBOX_VALUE_MAX);
    enum nj_outbox_sql which = record->value == NULL ? NJ_SQL_DELETE_RECORD : NJ_SQL_PUT_RECORD;
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, which);
    (void)sqlite3_bind_text(statement, 1, record->key, (int)key_len, SQLITE_STATIC);
    if (record->value != NULL)
        (void)sqlite3_bind_blob64(statement, 2, record->value, record->len, SQLITE_STATIC);
    return nj_outbox_db_run(&outbox->db, statement, "append", err);
}

static int put_number(struct nj_outbox *outbox, const char *name, uint64_t value, struct nj_err *err)
{
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_PUT_NUMBER);
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)value);
    return nj_outbox_db_run(&outbox->db, statement, "put a number", err);
}

int nj_outbox_append(struct nj_outbox *outbox, const struct nj_event *events, size_t events_count,
                     const struct nj_outbox_record *records, size_t records_count, struct nj_err *err)
{
    struct nj_outbox_stats stats = outbox->stats;
    int rc = nj_outbox_db_begin(&outbox->db, "append", err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < events_count; i++)
        rc = append_event(outbox, &events[i], &stats, err);
    for (size_t i = 0; rc == 0 && i < records_count; i++)
        rc = put_record(outbox, &records[i], err);
    if (rc == 0)
        rc = evict(outbox, &stats, err);
    for (int i = 0; rc == 0 && i < NJ_OUTBOX_CLASSES; i++) {
        if (stats.dropped[i] != outbox->stats.dropped[i])
            rc = put_number(outbox, dropped_names[i], stats.dropped[i], err);
    }
    rc = nj_outbox_db_end(&outbox->db, rc, "append", err);
    if (rc == 0)
        publish(outbox, &stats);
    if (outbox->scratch.capacity > SCRATCH_KEPT)
        nj_buf_done(&outbox->scratch);
    return rc;
}

int nj_outbox_load(struct nj_outbox *outbox,
                   int (*on_record)(void *data, const struct nj_outbox_record *record), void *data,
                   struct nj_err *err)
{
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_LOAD_RECORDS);
    int rc = step(outbox, statement, "load", err);
    while (rc == 1) {
        const void *value = sqlite3_column_blob(statement, 1);
        struct nj_outbox_record record = {
            .key = (const char *)sqlite3_column_text(statement, 0),
            .value = value == NULL ? "" : value,
            .len = (size_t)sqlite3_column_bytes(statement, 1),
        };
        rc = on_record(data, &record);
        if (rc != 0)
            break;
        rc = step(outbox, statement, "load", err);
    }
    finish(statement);
    return rc;
}

void nj_outbox_page_done(struct nj_outbox_page *page)
{
    free(page->events);
    nj_buf_done(&page->bytes);
    *page = (struct nj_outbox_page){0};
}

/* The bytes are placed relative to the buffer's start, which may move while it grows. */
static int add_to_page(struct nj_outbox_page *page, uint64_t seq, const void *body, size_t len)
{
    if (page->count == page->capacity) {
        page->capacity = page->capacity == 0 ? 64 : 2 * page->capacity;
        page->events = nj_realloc(page->events, page->capacity, sizeof(*page->events));
    }
    page->events[page->count] = (struct nj_encoded_event){.seq = seq, .len = len};
    int rc = nj_buf_append(&page->bytes, body, len);
    if (rc == 0)
        page->count++;
    return rc;
}

int nj_outbox_read(struct nj_outbox *outbox, uint64_t after, size_t max_events, size_t max_bytes,
                   struct nj_outbox_page *page, struct nj_err *err)
{
    page->count = 0;
    nj_buf_clear(&page->bytes);
    if (after > seq_max)
        return 0;
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_READ);
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)after);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)max_events);
    int rc = step(outbox, statement, "read", err);
    while (rc == 1) {
        size_t len = (size_t)sqlite3_column_bytes(statement, 1);
        if (page->count > 0 && page->bytes.len + len > max_bytes)
            break;
        const void *body = sqlite3_column_blob(statement, 1);
        rc = body == NULL && len > 0
                 ? -ENOMEM
                 : add_to_page(page, (uint64_t)sqlite3_column_int64(statement, 0), body, len);
        if (rc == 0)
            rc = step(outbox, statement, "read", err);
        else
            (void)nj_err_set(err, rc, "outbox %s: read: no memory for %zu bytes", outbox->db.path, len);
    }
    finish(statement);
    if (rc < 0) {
        page->count = 0;
        return rc;
    }
    const char *at = nj_buf_str(&page->bytes);
    for (size_t i = 0; i < page->count; i++) {
        page->events[i].bytes = at;
        at += page->events[i].len;
    }
    if (page->count > 0 && page->events[page->count - 1].seq > outbox->read_seq)
        outbox->read_seq = page->events[page->count - 1].seq;
    return 0;
}

int nj_outbox_ack(struct nj_outbox *outbox, uint64_t seq, struct nj_err *err)
{
    struct nj_outbox_stats stats = outbox->stats;
    sqlite3_int64 to = (sqlite3_int64)(seq > seq_max ? seq_max : seq);
    sqlite3_stmt *totals = nj_outbox_db_statement(&outbox->db, NJ_SQL_TOTALS_TO);
    uint64_t events = 0, bytes = 0;
    (void)sqlite3_bind_int64(totals, 1, to);
    int rc = load_pair(outbox, totals, &events, &bytes, "acknowledge", err);
    if (rc < 0 || events == 0)
        return rc;
    rc = nj_outbox_db_begin(&outbox->db, "acknowledge", err);
    if (rc < 0)
        return rc;
    sqlite3_stmt *delete = nj_outbox_db_statement(&outbox->db, NJ_SQL_DELETE_TO);
    (void)sqlite3_bind_int64(delete, 1, to);
    rc = nj_outbox_db_run(&outbox->db, delete, "acknowledge", err);
    rc = nj_outbox_db_end(&outbox->db, rc, "acknowledge", err);
    if (rc < 0)
        return rc;
    stats.events -= events;
    stats.bytes -= bytes;
    publish(outbox, &stats);
    return 0;
}

/* Moves what is queued above `seq`, and tells SQLite to go on from there. */
static int renumber(struct nj_outbox *outbox, uint64_t seq, struct nj_outbox_stats *stats, struct nj_err *err)
{
    sqlite3_stmt *lowest = nj_outbox_db_statement(&outbox->db, NJ_SQL_LOWEST);
    int rc = step(outbox, lowest, "renumber", err);
    uint64_t first = rc == 1 ? (uint64_t)sqlite3_column_int64(lowest, 0) : 0;
    finish(lowest);
    if (rc < 0)
        return rc;
    rc = 0;
    uint64_t last = seq;
    if (first > 0) {
        uint64_t delta = seq + 1 - first;
        sqlite3_stmt *move = nj_outbox_db_statement(&outbox->db, NJ_SQL_RENUMBER);
        (void)sqlite3_bind_int64(move, 1, (sqlite3_int64)delta);
        rc = nj_outbox_db_run(&outbox->db, move, "renumber", err);
        last = stats->last_seq + delta;
    }
    sqlite3_stmt *set = nj_outbox_db_statement(&outbox->db, NJ_SQL_SET_LAST_SEQ);
    (void)sqlite3_bind_int64(set, 1, (sqlite3_int64)last);
    if (rc == 0)
        rc = nj_outbox_db_run(&outbox->db, set, "renumber", err);
    else
        finish(set);
    stats->last_seq = last;
    return rc;
}

int nj_outbox_continue_above(struct nj_outbox *outbox, uint64_t seq, struct nj_err *err)
{
    struct nj_outbox_stats stats = outbox->stats;
    if (seq > seq_max)
        return nj_err_set(err, -EINVAL, "outbox %s: %llu is no event's number", outbox->db.path,
                          (unsigned long long)seq);
    if (seq <= stats.last_seq)
        return 0;
    int rc = nj_outbox_db_begin(&outbox->db, "renumber", err);
    if (rc < 0)
        return rc;
    rc = renumber(outbox, seq, &stats, err);
    rc = nj_outbox_db_end(&outbox->db, rc, "renumber", err);
    if (rc < 0)
        return rc;
    outbox->read_seq = seq; /* under their new numbers nobody has read them */
    publish(outbox, &stats);
    return 0;
}

int nj_outbox_get_number(struct nj_outbox *outbox, const char *name, uint64_t *ret_value, struct nj_err *err)
{
    sqlite3_stmt *statement = nj_outbox_db_statement(&outbox->db, NJ_SQL_GET_NUMBER);
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int rc = step(outbox, statement, "get a number", err);
    if (rc >= 0)
        *ret_value = rc == 1 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    finish(statement);
    return rc < 0 ? rc : 0;
}

int nj_outbox_put_number(struct nj_outbox *outbox, const char *name, uint64_t value, struct nj_err *err)
{
    return put_number(outbox, name, value, err);
}
