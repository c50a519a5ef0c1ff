/*
 * Leaks: does a count climb for good? A pure core, one series a (container, quantity).
 *
 * The method, its thresholds and their sources are documented in leak.c. In short: of each stretch of time
 * the minimum is kept (a leak lifts the floor; collection and bursts do not), at several widths, so that a
 * run of minutes and one of days are both seen with at least ten points. What was given back later does not
 * count. The run that is left is a leak when it climbs in each of its quarters and still does in the last, is
 * significant (Mann and Kendall), large beside its spread (Theil and Sen's line) and its level, goes well
 * beyond where the count has been before, and is old enough for the rules: or has used up so much of its
 * limit that waiting would be too late. All times are given; the memory is bounded.
 */
#ifndef NJ_INSPECT_LEAK_H
#define NJ_INSPECT_LEAK_H

#include <stdbool.h>
#include <stdint.h>

enum { NJ_LEAK_LEVELS = 7, NJ_LEAK_POINTS = 40 /* of a level */ };

struct nj_leak_rules {
    int64_t interval_ns;   /* between two values */
    int64_t least_span_ns; /* a run must be this old; inspect.leak_after */
    int64_t rhythm_ns; /* and this old where a daily rhythm would look the same; 0: 24 times least_span_ns */
};

struct nj_leak_series; /* opaque; one and a half KiB */

struct nj_leak_series *nj_leak_series_new(const struct nj_leak_rules *rules);
void nj_leak_series_free(struct nj_leak_series *series); /* takes NULL */
/* `at_ns` monotonic, rising; one that is not is left out. A restart of the container begins a new series. */
void nj_leak_series_add(struct nj_leak_series *series, int64_t at_ns, double value);

struct nj_leak_question {
    double limit;    /* 0: none known */
    double least;    /* the smallest rise that matters at all (fds: 50; memory: 8 MiB) */
    bool has_rhythm; /* it rises with the load, and may do so for most of a day: rules.rhythm_ns */
};

struct nj_leak_verdict {
    bool leaks;         /* false: all below is 0 */
    double per_hour;    /* the slope */
    double value;       /* the floor now */
    double began;       /* the floor when the run began */
    int64_t since_ns;   /* monotonic: when the run began */
    int64_t reaches_ns; /* from now until the limit is reached; 0: not within a year, or no limit */
};

void nj_leak_judge(const struct nj_leak_series *series, const struct nj_leak_question *question,
                   struct nj_leak_verdict *ret_verdict);

/* The level of a limit that is near: 0, 80 or 95, with 5 points of hysteresis from `before`. A limit of 0 or
 * less is none. */
int nj_limit_level(double value, double limit, int before);

#endif
