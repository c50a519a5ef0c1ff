/*
 * The engine's rules once more, as plainly as they can be written: arrays that are searched from end to end,
 * nothing bounded, nothing shared with the real one but its types.
 */
#ifndef NJ_TEST_COLLECTOR_SLOW_ENGINE_H
#define NJ_TEST_COLLECTOR_SLOW_ENGINE_H

#include "collector/incident/engine.h"

struct slow_engine;

/* `hook`: why what is of this workload is held back, from outside; NULL for no reason. */
struct slow_engine *slow_engine_new(const char *(*hook)(void *data, const char *workload), void *data);
void slow_engine_free(struct slow_engine *slow);

/* Is a crash, or are lost crashes, of this id heard for the first time? True for other types. Remembers. */
bool slow_engine_is_new(struct slow_engine *slow, const struct nj_event *event);
int64_t slow_engine_apply(struct slow_engine *slow, const struct nj_event_origin *origin,
                          const struct nj_event *event, bool is_new, int64_t now_ns);
void slow_engine_tick(struct slow_engine *slow, int64_t now_ns);
void slow_engine_review(struct slow_engine *slow, int64_t now_ns);
/* As a restart does: it forgets clearings, and when nodes recovered. */
void slow_engine_restart(struct slow_engine *slow);

struct nj_buf *
slow_engine_transitions(struct slow_engine *slow); /* "+1 crash;^2;-1 stable;", ^ for worsened */
size_t slow_engine_open_count(const struct slow_engine *slow);
int64_t slow_engine_next_id(const struct slow_engine *slow);
/* Fails the test when the open incident differs. */
void slow_engine_assert_same(const struct slow_engine *slow, const struct nj_incident *record,
                             const struct nj_incident_subject *subjects, size_t count);

#endif
