/*
 * The tracker's and compute's rules once more, as plainly as they can be written: time is a row of cells of a
 * tenth of a second, each of which is painted with what was so; figures are counted cell by cell. Nothing is
 * shared with the real ones but the names of states and causes.
 */
#ifndef NJ_TEST_COLLECTOR_SLOW_TRACKER_H
#define NJ_TEST_COLLECTOR_SLOW_TRACKER_H

#include "collector/sla/compute.h"
#include "collector/sla/tracker.h"

enum { SLOW_CELLS = 6000, SLOW_RUNS = 4000, SLOW_SLICES = 8 };
#define SLOW_CELL_NS (100 * NJ_MS)

/* A slice that there is, and how often it has been written. */
struct slow_slice {
    int uid, generation;
    int64_t trigger_ns; /* of its latest write; 0: not said */
};

/* What is seen: the service, and the slices that it is made of. */
struct slow_view {
    struct nj_tracker_service service;
    struct slow_slice slices[SLOW_SLICES];
    int count;
};

struct slow_run {
    enum nj_service_state state;
    int32_t least; /* ready ones */
};

/* One service. Cells hold the number of a run, 0: it was not there. */
struct slow_service {
    int64_t base_ns; /* of the first cell */
    uint16_t cells[SLOW_CELLS];
    struct slow_run runs[SLOW_RUNS];
    int runs_count; /* from 1 */
    bool there, looked, is_new;
    int64_t began_ns; /* of the latest run */
    int64_t seen_ns;
    int64_t newest_trigger_ns;
    struct slow_slice slices[SLOW_SLICES]; /* as they were seen last */
    int slices_count;
};

void slow_begin(struct slow_service *slow, int64_t base_ns);
void slow_look(struct slow_service *slow, const struct slow_view *view, int64_t ready_since_ns);
/* Whether the pods could tell more of the time in which nobody looked. */
bool slow_would_ask(const struct slow_service *slow, const struct slow_view *view);
void slow_gone(struct slow_service *slow, int64_t at_ns);
/* Nobody looks from then on, or has looked since seen_ns. */
void slow_blind(struct slow_service *slow, int64_t at_ns);
void slow_restart(struct slow_service *slow, int64_t seen_ns);
/* The run of a cell, as far as was seen: NULL: it was not there. */
const struct slow_run *slow_at(const struct slow_service *slow, int cell);

struct slow_outage {
    int from, until; /* cells */
    bool lasts;
    enum nj_outage_cause cause;
};

struct slow_sum {
    int observed, available, planned, unknown, longest, outages_cells;
    unsigned outages, unplanned_outages;
    struct slow_outage list[SLOW_CELLS];
};

/* Over the cells [from, until); `causes` says why a cell was not well. */
void slow_count(const struct slow_service *slow, enum nj_sla_basis basis, int from, int until,
                const enum nj_outage_cause *causes, struct slow_sum *ret_sum);

#endif
