/*
 * What leak.c and leak_judge.c share: the points of a level.
 */
#ifndef NJ_INSPECT_LEAK_INTERNAL_H
#define NJ_INSPECT_LEAK_INTERNAL_H

#include "agent/inspect/leak.h"

#include <stddef.h>

enum { NJ_LEAK_SLOTS = NJ_LEAK_POINTS + 1 }; /* the last one is still being filled */

struct nj_leak_level {
    int64_t newest;             /* number of the stretch that is being filled, counted from `began_ns` */
    float floor[NJ_LEAK_SLOTS]; /* of stretch i in slot i % NJ_LEAK_SLOTS; NAN: nothing was seen */
};

/* The largest floor of the lowest level's stretches in each stretch of this one: how high a tooth was. */
struct nj_leak_tops {
    float top[NJ_LEAK_SLOTS]; /* NAN: none */
};
enum { NJ_LEAK_TOPS_EACH = 3, NJ_LEAK_TOPS = (NJ_LEAK_LEVELS - 1) / NJ_LEAK_TOPS_EACH };

struct nj_leak_series {
    struct nj_leak_rules rules;
    int64_t began_ns, last_ns; /* began_ns INT64_MIN: empty */
    struct nj_leak_level levels[NJ_LEAK_LEVELS];
    struct nj_leak_tops tops[NJ_LEAK_TOPS]; /* of every third level, not of the lowest */
};

/* From when on after its begin a series' heights count: what a program takes to start is no height that it
 * has seen. And the least age of any run. */
int64_t nj_leak_start_up_ns(const struct nj_leak_series *series);

/* The width of a level's stretches: three times that of the level below. */
int64_t nj_leak_width_ns(const struct nj_leak_series *series, int level);

/* Stretches that are over and in which something was seen, oldest first. */
struct nj_leak_points {
    double floor[NJ_LEAK_POINTS];
    double at[NJ_LEAK_POINTS]; /* number of the stretch */
    size_t count;
    bool is_all; /* the series is no older than these */
};
void nj_leak_points(const struct nj_leak_series *series, int level, struct nj_leak_points *ret_points);

/* By how much a run of this level, that began then and has come to `value`, is beyond all that was before it;
 * INFINITY: nothing was. */
double nj_leak_beyond(const struct nj_leak_series *series, int level, int64_t began_ns, double value);

#endif
