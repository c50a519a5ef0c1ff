/*
 * Leaks: does a count climb for good? A pure core, one series a (container, quantity).
 *
 * The method, its thresholds and their sources are documented in leak.c. In short: the series is kept as the
 * minimum of each interval (a leak lifts the floor; collection and bursts do not), cut where it drops, the
 * longest run regressed with Theil and Sen's median of slopes (Sen 1968), and it is a leak when the slope is
 * significant (Mann-Kendall), large beside the spread and the level, has lasted, and the last quarter still
 * climbs. Warm-up, saw-teeth, pools that fill up and daily rhythm are none. All times are given; memory is
 * bounded: NJ_LEAK_POINTS_MAX points, thinned out with age.
 */
#ifndef NJ_INSPECT_LEAK_H
#define NJ_INSPECT_LEAK_H

#include <stdbool.h>
#include <stdint.h>

enum { NJ_LEAK_POINTS_MAX = 128 };

struct nj_leak_series; /* opaque; about a KiB */

struct nj_leak_series *nj_leak_series_new(void);
void nj_leak_series_free(struct nj_leak_series *series); /* takes NULL */
/* `at_ns` monotonic, rising; one that is not is left out. A restart of the container begins a new series. */
void nj_leak_series_add(struct nj_leak_series *series, int64_t at_ns, double value);

struct nj_leak_verdict {
    bool leaks;
    double per_hour;    /* the slope */
    double value;       /* the floor now */
    int64_t since_ns;   /* monotonic: when the run began */
    int64_t reaches_ns; /* from now until the limit is reached; 0: not within a year, or no limit */
};

/* `limit` 0: none known. `least` is the smallest rise that matters at all (fds: 50; memory: 8 MiB). */
void nj_leak_judge(const struct nj_leak_series *series, double limit, double least,
                   struct nj_leak_verdict *ret_verdict);

/* The level of a limit that is near: 0, 80 or 95, with 5 points of hysteresis from `before`. */
int nj_limit_level(double value, double limit, int before);

#endif
