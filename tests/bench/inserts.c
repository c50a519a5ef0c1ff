/*
 * bench_inserts DATABASE KEY_FILE COMMITS COMMIT_EVENTS: what SQLite alone can do with the same crashes.
 *
 * Inserts the events of ingest's packets into one table without any index, a column a fact, the log as it is,
 * and commits as durably as the collector (write-ahead log, synchronous=FULL), so many events at a time. No
 * socket, no incident, no duplicate is looked for: an upper bound. The clock runs while SQLite works, not
 * while packets are opened.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/wire/batch.h"
#include "tests/bench/measure.h"
#include "tests/bench/packets.h"

enum { BATCH_PLAIN_MAX = 64 << 20, BATCH_EVENTS = 500 };

static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -32768;"
                               "CREATE TABLE crash (id, at_ns, seen_ns, namespace, pod, pod_uid, node,"
                               " workload_kind, workload, container, container_id, container_type, image,"
                               " reason, message, exit_code, attempt, restart_count, started_ns,"
                               " finished_ns, memory_limit_bytes, cpu_limit_millis, log_lines, log)";
static const char insert_sql[] = "INSERT INTO crash VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

static void check(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        nj_bench_fail("SQLite: %s", sqlite3_errmsg(db));
}

static void insert_event(sqlite3 *db, sqlite3_stmt *insert, const struct nj_event *event)
{
    const struct nj_subject *subject = &event->subject;
    const struct nj_crash *crash = &event->crash;
    const char *texts[] = {subject->namespace,     subject->pod,      subject->pod_uid,   subject->node,
                           subject->workload_kind, subject->workload, subject->container, crash->container_id,
                           crash->container_type,  crash->image,      crash->reason,      crash->message};
    const int64_t numbers[] = {crash->exit_code,        crash->attempt,     crash->restart_count,
                               crash->started_ns,       crash->finished_ns, crash->memory_limit_bytes,
                               crash->cpu_limit_millis, crash->log.lines};
    int column = 1;
    check(db, sqlite3_bind_text(insert, column++, event->id, -1, SQLITE_STATIC));
    check(db, sqlite3_bind_int64(insert, column++, event->at_ns));
    check(db, sqlite3_bind_int64(insert, column++, event->seen_ns));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(db, sqlite3_bind_text(insert, column++, texts[i], -1, SQLITE_STATIC));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        check(db, sqlite3_bind_int64(insert, column++, numbers[i]));
    check(db, sqlite3_bind_text(insert, column, crash->log.text, (int)crash->log.len, SQLITE_STATIC));
    check(db, sqlite3_step(insert));
    check(db, sqlite3_reset(insert));
}

/* Opens packet after packet and feeds its events to the database. */
static int64_t insert_all(sqlite3 *db, const struct nj_keyring *keyring, const struct nj_bench_load *load,
                          long commit_events)
{
    uint64_t plain_bytes = 0;
    struct nj_bench_packet *packets = nj_bench_packets_new(load, 0, keyring, &plain_bytes);
    struct nj_sealer *sealer = nj_sealer_new();
    struct nj_buf plain = {0};
    struct nj_arena arena;
    struct nj_err err;
    sqlite3_stmt *insert;
    nj_arena_init(&arena, BATCH_PLAIN_MAX);
    check(db, sqlite3_prepare_v2(db, insert_sql, -1, &insert, NULL));
    int64_t took = 0;
    long in_commit = 0;
    for (int i = 0; i < load->batches; i++) {
        struct nj_batch batch;
        nj_buf_clear(&plain);
        nj_arena_reset(&arena);
        if (nj_unseal(sealer, keyring, NJ_PACKET_REQUEST, packets[i].nonce, packets[i].bytes, packets[i].len,
                      BATCH_PLAIN_MAX, &plain, &err) < 0 ||
            nj_batch_decode(plain.data, plain.len, &arena, &batch, &err) < 0)
            nj_bench_fail("%s", err.text);
        int64_t began = nj_bench_mono_ns();
        for (size_t e = 0; e < batch.events_count; e++) {
            if (in_commit == 0)
                check(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
            insert_event(db, insert, &batch.events[e]);
            if (++in_commit == commit_events || (i + 1 == load->batches && e + 1 == batch.events_count)) {
                check(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
                in_commit = 0;
            }
        }
        took += nj_bench_mono_ns() - began;
    }
    check(db, sqlite3_finalize(insert));
    nj_buf_done(&plain);
    nj_arena_done(&arena);
    nj_sealer_free(sealer);
    nj_bench_packets_free(packets, load->batches);
    return took;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        nj_bench_fail("usage: bench_inserts DATABASE KEY_FILE COMMITS COMMIT_EVENTS");
    long commits = strtol(argv[3], NULL, 10);
    long commit_events = strtol(argv[4], NULL, 10);
    struct nj_bench_load load = {.agents = 1,
                                 .batches =
                                     (int)((commits * commit_events + BATCH_EVENTS - 1) / BATCH_EVENTS),
                                 .batch_events = BATCH_EVENTS};
    struct nj_keyring *keyring;
    struct nj_err err;
    sqlite3 *db;
    if (nj_keyring_load("key file", argv[2], &keyring, &err) < 0)
        nj_bench_fail("%s", err.text);
    if (sqlite3_open(argv[1], &db) != SQLITE_OK)
        nj_bench_fail("%s: %s", argv[1], sqlite3_errmsg(db));
    check(db, sqlite3_exec(db, settings, NULL, NULL, NULL));
    int64_t took = insert_all(db, keyring, &load, commit_events);
    double events = (double)load.batches * BATCH_EVENTS;
    (void)printf("{\"events\":%.0f,\"seconds\":%.4f,\"eventsPerSecond\":%.1f}\n", events,
                 (double)took / (double)NJ_SEC, events / ((double)took / (double)NJ_SEC));
    check(db, sqlite3_close(db));
    nj_keyring_free(keyring);
    return EXIT_SUCCESS;
}
