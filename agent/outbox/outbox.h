/*
 * The agent's durable queue: what was seen and not yet acknowledged, and what the detector needs to remember
 * so that nothing is told twice or missed. One SQLite file (WAL, synchronous=FULL) that survives kill -9 and
 * a full disk.
 *
 * Invariants: sequence numbers of a stream only rise and are never used twice. Events and the detector's
 * records change together in one transaction, so that "reported" and "queued" are one fact. A queue past its
 * bounds gives up the oldest event of the least valuable class first, and counts it durably.
 *
 * All calls block and belong on one thread at a time (the agent's worker), but for nj_outbox_stats(),
 * nj_outbox_stream() and nj_outbox_created_ns(), which any thread may call. The file is locked: a second
 * process that opens it is refused with -EBUSY.
 *
 * Errors, all with a text: -ENOSPC (disk full), -EIO, -EBUSY (another process has it), -EUCLEAN (the file was
 * damaged while open: close and open it again, which moves it aside). After any of them nothing of the call
 * has happened.
 */
#ifndef NJ_OUTBOX_OUTBOX_H
#define NJ_OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/wire/batch.h"
#include "common/wire/event.h"

/* What is given up first when the queue is full; the lower goes first. */
enum nj_outbox_class {
    NJ_OUTBOX_ROLLUP,    /* minutes of checks and of use: a gap in a series, nothing else is lost */
    NJ_OUTBOX_CONDITION, /* stuck, cleared, checks, troubles: states, which show again when they last */
    NJ_OUTBOX_FAILURE,   /* crashes, lost crashes, OOM kills, pods that were ended: facts that never come back
                          */
    NJ_OUTBOX_CLASSES,
};
const char *nj_outbox_class_name(
    enum nj_outbox_class class); /* "rollup", "condition", "failure": for a metric's label */
enum nj_outbox_class nj_outbox_class_of(enum nj_event_type type);

enum {
    NJ_OUTBOX_STREAM = 32,          /* hex digits of a stream's name */
    NJ_OUTBOX_KEY_MAX = 512,        /* bytes of a record's key */
    NJ_OUTBOX_VALUE_MAX = 64 << 10, /* bytes of a record's value */
};

struct nj_outbox_options {
    const char *path;             /* of the file; its folder must exist. SQLite adds PATH-wal beside it */
    uint64_t max_bytes;           /* of encoded events; at least 64 KiB */
    uint64_t max_events;          /* at least 1 */
    const struct nj_clock *clock; /* borrowed until close */
};

/* What opening found. */
struct nj_outbox_found {
    bool created;        /* there was no file, or no usable one: a new stream begins */
    bool damaged;        /* what was there was damaged, and is now `moved_to` */
    char moved_to[4096]; /* "" when nothing was moved. Only the newest such copy is kept */
};

struct nj_outbox_stats {
    uint64_t events, bytes;              /* queued */
    uint64_t dropped[NJ_OUTBOX_CLASSES]; /* forced out by a bound since the file was made */
    uint64_t last_seq;                   /* highest that was ever given out; 0 before the first */
    uint64_t damaged;                    /* 1 when this file replaced a damaged one */
};

struct nj_outbox;

/* Makes, migrates or recovers the file. `ret_found` may be NULL. -ENOTSUP: the file is of a newer version of
 * the program; -EINVAL: it belongs to another program, or an option is out of range. */
int nj_outbox_open(const struct nj_outbox_options *options, struct nj_outbox **ret_outbox,
                   struct nj_outbox_found *ret_found, struct nj_err *err);
void nj_outbox_close(struct nj_outbox *outbox); /* takes NULL */

/* Random name of this file's sequence of events, made with the file. Borrowed until close. */
const char *nj_outbox_stream(const struct nj_outbox *outbox);

/* Wall time at which the file was made: when this node was first watched. */
int64_t nj_outbox_created_ns(const struct nj_outbox *outbox);

/* What the detector remembers, opaque here. A NULL value deletes the record. Borrowed. */
struct nj_outbox_record {
    const char *key;
    const void *value;
    size_t len;
};

/* Queues the events in their order and puts the records, in one transaction. Each event gets the next seq;
 * its own `seq` is ignored. An event whose id is queued and was not yet read takes that one's place; what may
 * have been sent already is followed by its correction instead, and so is a crash with a log by one without.
 * An event larger than NJ_EVENT_BYTES_MAX or half of max_bytes loses its log; one that is still larger is
 * counted as dropped. After -ENOSPC or -EIO the caller keeps everything and calls again later. -EINVAL for an
 * event without id or type, or a key or value out of range. */
int nj_outbox_append(struct nj_outbox *outbox, const struct nj_event *events, size_t events_count,
                     const struct nj_outbox_record *records, size_t records_count, struct nj_err *err);

/* Calls on_record for every record, ordered by key; a non-zero answer ends it and is returned. */
int nj_outbox_load(struct nj_outbox *outbox,
                   int (*on_record)(void *data, const struct nj_outbox_record *record), void *data,
                   struct nj_err *err);

/* Events read from the queue; memory is reused by the next read. `struct nj_outbox_page page = {0};` to
 * begin. */
struct nj_outbox_page {
    struct nj_encoded_event *events; /* ordered by seq */
    size_t count;
    size_t capacity;
    struct nj_buf bytes;
};
void nj_outbox_page_done(struct nj_outbox_page *page);

/* The queued events with a seq above `after`: at most max_events and max_bytes, but at least one if there is
 * one. On failure the page is empty. */
int nj_outbox_read(struct nj_outbox *outbox, uint64_t after, size_t max_events, size_t max_bytes,
                   struct nj_outbox_page *page, struct nj_err *err);

/* Forgets the events up to and including `seq`. */
int nj_outbox_ack(struct nj_outbox *outbox, uint64_t seq, struct nj_err *err);

/* The receiver has seen numbers up to `seq`, which this file never gave out (it was restored from a copy):
 * what is queued gets new numbers above, in its order, and so does what follows. */
int nj_outbox_continue_above(struct nj_outbox *outbox, uint64_t seq, struct nj_err *err);

/* Numbers by name that outlive the process; 0 when never put. Names that start with "outbox." are its own. */
int nj_outbox_get_number(struct nj_outbox *outbox, const char *name, uint64_t *ret_value, struct nj_err *err);
int nj_outbox_put_number(struct nj_outbox *outbox, const char *name, uint64_t value, struct nj_err *err);

void nj_outbox_stats(const struct nj_outbox *outbox, struct nj_outbox_stats *ret_stats);

#endif
