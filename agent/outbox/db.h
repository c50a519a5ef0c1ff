/*
 * The outbox's SQLite file: opening, making, migrating, moving aside what is damaged, and its statements,
 * each prepared once. Private to agent/outbox. Same thread and errors as outbox.h.
 */
#ifndef NJ_OUTBOX_DB_H
#define NJ_OUTBOX_DB_H

#include <sqlite3.h>
#include <stdint.h>

#include "agent/outbox/outbox.h"

enum nj_outbox_sql {
    NJ_SQL_BEGIN,
    NJ_SQL_COMMIT,
    NJ_SQL_ROLLBACK,
    NJ_SQL_GET_NUMBER,    /* name -> value */
    NJ_SQL_PUT_NUMBER,    /* name, value */
    NJ_SQL_GET_STREAM,    /* -> stream, created_ns */
    NJ_SQL_LAST_SEQ,      /* -> the highest that was ever given out */
    NJ_SQL_SET_LAST_SEQ,  /* seq */
    NJ_SQL_TOTALS,        /* -> events, bytes */
    NJ_SQL_INSERT,        /* id, class, size, body */
    NJ_SQL_FIND_UNREAD,   /* id, read up to -> seq, size, class */
    NJ_SQL_UPDATE,        /* seq, class, size, body */
    NJ_SQL_READ,          /* after, limit -> seq, body */
    NJ_SQL_LEAST,         /* -> seq, class, size of what is to be given up first */
    NJ_SQL_DELETE,        /* seq */
    NJ_SQL_TOTALS_TO,     /* seq -> events, bytes up to it */
    NJ_SQL_DELETE_TO,     /* seq */
    NJ_SQL_LOWEST,        /* -> the lowest seq, NULL when empty */
    NJ_SQL_RENUMBER,      /* delta */
    NJ_SQL_PUT_RECORD,    /* key, value */
    NJ_SQL_DELETE_RECORD, /* key */
    NJ_SQL_LOAD_RECORDS,  /* -> key, value */
    NJ_SQLS,
};

struct nj_outbox_db {
    char *path;
    sqlite3 *sqlite;
    sqlite3_stmt *statements[NJ_SQLS];
};

/* Opens for good: what is damaged is moved aside and begun anew. On failure `db` needs no close. */
int nj_outbox_db_open(struct nj_outbox_db *db, const char *path, const struct nj_clock *clock,
                      struct nj_outbox_found *found, struct nj_err *err);
void nj_outbox_db_close(struct nj_outbox_db *db);

/* A negative errno and a text for SQLite's code; `doing` is what failed ("append"). */
int nj_outbox_db_error(const struct nj_outbox_db *db, int code, const char *doing, struct nj_err *err);

/* The statement, ready to be bound and stepped; the caller resets it when done. */
sqlite3_stmt *nj_outbox_db_statement(const struct nj_outbox_db *db, enum nj_outbox_sql which);

/* Steps a bound statement that returns no row, and resets it. */
int nj_outbox_db_run(const struct nj_outbox_db *db, sqlite3_stmt *statement, const char *doing,
                     struct nj_err *err);

int nj_outbox_db_begin(const struct nj_outbox_db *db, const char *doing, struct nj_err *err);

/* Commits when rc is 0; otherwise, or when that fails, undoes everything. Returns the first failure. */
int nj_outbox_db_end(const struct nj_outbox_db *db, int rc, const char *doing, struct nj_err *err);

#endif
