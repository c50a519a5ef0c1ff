/*
 * What the collector's tests share: a folder that goes with the test, and ordinary records.
 */
#ifndef NJ_TEST_COLLECTOR_SUPPORT_H
#define NJ_TEST_COLLECTOR_SUPPORT_H

#include "collector/store/store.h"
#include "tests/unit/test.h"

enum { PATH_BYTES = 256 };

/* An empty folder of its own; end_folder() removes it with the files in it. */
struct folder {
    char path[PATH_BYTES];
    char database[PATH_BYTES + 32];
};
void begin_folder(struct folder *folder);
void end_folder(struct folder *folder);

/* 2026-11-21 09:00 UTC. */
extern const int64_t noon_ns;

/* A crash of container `app` of Deployment shop/cart; strings are constants, `id` is borrowed. */
struct nj_store_crash make_crash(const char *id);
struct nj_incident make_incident(int64_t id, const char *fingerprint);
struct nj_event make_event(enum nj_event_type type, const char *id);

/* The opened writer; the test fails when it cannot be opened. */
struct nj_store *open_writer(const struct folder *folder);
struct nj_store *open_reader(const struct folder *folder);

#endif
