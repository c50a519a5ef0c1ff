/* Events and a folder for the tests of outbox and uplink. */
#ifndef NJ_TEST_OUTBOX_SAMPLES_H
#define NJ_TEST_OUTBOX_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/outbox/outbox.h"
#include "common/base/arena.h"

enum { SAMPLE_BYTES = 64 << 20, SAMPLE_EVENTS = 100000, PATH_BYTES = 256 };

/* A folder of its own under /tmp; PATH is the outbox in it. */
struct outbox_folder {
    char folder[PATH_BYTES / 2];
    char path[PATH_BYTES];
    struct nj_clock clock;
};

static inline void make_folder(struct outbox_folder *place)
{
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/nj-outbox-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof(place->path), "%s/outbox.db", place->folder);
    nj_clock_init(&place->clock);
}

static inline struct nj_outbox_options options_of(const struct outbox_folder *place)
{
    return (struct nj_outbox_options){
        .path = place->path, .max_bytes = SAMPLE_BYTES, .max_events = SAMPLE_EVENTS, .clock = &place->clock};
}

static inline struct nj_outbox *open_outbox(const struct outbox_folder *place, struct nj_outbox_found *found)
{
    struct nj_outbox_options options = options_of(place);
    struct nj_outbox *outbox = NULL;
    struct nj_err err = {0};
    int rc = nj_outbox_open(&options, &outbox, found, &err);
    if (rc != 0)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    return outbox;
}

static inline struct nj_event crash_event(const char *id, const char *log)
{
    return (struct nj_event){
        .id = id,
        .at_ns = NJ_SEC,
        .seen_ns = 2 * NJ_SEC,
        .type = NJ_EVENT_CRASH,
        .subject = {.namespace = "shop", .pod = "cart-1", .node = "node-7", .container = "app"},
        .crash = {.reason = "Error", .exit_code = 3, .log = {.text = log, .len = strlen(log), .lines = 1}},
    };
}

static inline struct nj_event stuck_event(const char *id)
{
    return (struct nj_event){.id = id,
                             .type = NJ_EVENT_STUCK,
                             .subject = {.pod = "cart-1"},
                             .stuck = {.reason = "ImagePullBackOff"}};
}

static inline struct nj_event check_event(const char *id)
{
    return (struct nj_event){
        .id = id,
        .type = NJ_EVENT_CHECK,
        .check = {.key = {.monitor = "service.shop.cart", .target = "pod/1/80/IPv4"}, .state = "failing"}};
}

static inline struct nj_event rollups_event(const char *id)
{
    static const struct nj_check_rollup item = {
        .key = {.monitor = "service.shop.cart", .target = "pod/1/80/IPv4"}, .runs = 6};
    return (struct nj_event){
        .id = id, .type = NJ_EVENT_ROLLUPS, .rollups = {.minute_ns = NJ_MIN, .items = &item, .count = 1}};
}

static inline void append_one(struct nj_outbox *outbox, const struct nj_event *event)
{
    struct nj_err err = {0};
    int rc = nj_outbox_append(outbox, event, 1, NULL, 0, &err);
    if (rc != 0)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
}

/* "1:a 2:b": the seqs and ids of everything that is queued above `after`. */
static inline const char *queued_after(struct nj_outbox *outbox, uint64_t after, char *text, size_t size)
{
    struct nj_outbox_page page = {0};
    struct nj_arena arena;
    size_t at = 0;
    nj_arena_init(&arena, SIZE_MAX);
    text[0] = '\0';
    assert_int_equal(nj_outbox_read(outbox, after, SAMPLE_EVENTS, SAMPLE_BYTES, &page, NULL), 0);
    for (size_t i = 0; i < page.count; i++) {
        struct nj_event event;
        assert_int_equal(nj_event_decode(page.events[i].bytes, page.events[i].len, &arena, &event, NULL), 0);
        at += (size_t)snprintf(text + at, size - at, "%s%llu:%s", at > 0 ? " " : "",
                               (unsigned long long)page.events[i].seq, event.id);
        assert_true(at < size);
    }
    nj_outbox_page_done(&page);
    nj_arena_done(&arena);
    return text;
}

#endif
