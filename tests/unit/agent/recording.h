/*
 * The recorded pods (tests/recordings/README.md) as an API server would tell them to the agent of node1.
 */
#ifndef NJ_TESTS_RECORDING_H
#define NJ_TESTS_RECORDING_H

#include "common/base/arena.h"
#include "common/kube/decode.h"
#include "tests/unit/test.h"

struct recorded_event {
    int64_t at_ns;
    enum nj_watch_event_type type;
    struct nj_kube_object object;
};

struct recording {
    struct nj_arena arena;        /* of all objects */
    struct nj_kube_object *items; /* of the first list */
    size_t items_count;
    struct recorded_event *events; /* what followed: of node1's pods only, without bookmarks */
    size_t events_count;
};

void recording_load(struct recording *recording);
void recording_done(struct recording *recording);

/* What a list shows after the first `events` events: calls each with every object that exists. */
void recording_list(const struct recording *recording, size_t events,
                    void (*each)(void *data, const struct nj_kube_object *object), void *data);

#endif
