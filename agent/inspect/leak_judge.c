/*
 * The judgement over a series: leak.c says what it asks for, and why.
 */
#include <math.h>
#include <stdlib.h>

#include "agent/inspect/leak_internal.h"
#include "common/base/clock.h"

enum {
    RUN_LEAST = 8,    /* stretches */
    URGENT_PART = 12, /* of the least span */
    URGENT_VALUES = 12,
    PAIRS_MAX = NJ_LEAK_POINTS * (NJ_LEAK_POINTS - 1) / 2,
};
static const double USED_SHARE = 0.38;
static const double RISEN_SHARE = 0.25;
static const double LEVEL_SHARE = 0.1,
                    STEADY_LEVEL_SHARE = 0.5; /* of what rises with the load; of what does not */
static const double FLAT_SHARE = 0.05;        /* of the rise: until then the run has not begun */
static const double SEEN_SHARE = 0.125; /* of a level's points must be flat for the beginning to be in it */
static const double EVEN_SHARE = 0.35;
static const double STEADY_SHARE = 0.8, URGENT_STEADY_SHARE = 0.85;
static const double LAST_SHARE = 0.2;
static const double SIGNIFICANCE = 3.3; /* 1 in 2000 */
static const double SPREAD_TIMES = 3;
static const double BEYOND_SHARE = 0.5;
static const double MAD_TO_DEVIATION = 1.4826;

/* A piece of a level's points. */
struct run {
    const double *floor, *at;
    size_t count;
    int64_t width_ns;
};

struct line {
    double slope;  /* a stretch */
    double spread; /* standard deviation of what is left */
    double z;      /* of Mann and Kendall */
};

static int64_t span_ns(const struct run *run)
{
    return (int64_t)(run->at[run->count - 1] - run->at[0] + 1) * run->width_ns;
}

static double least_of(const struct run *run, size_t from, size_t until)
{
    double least = run->floor[from];
    for (size_t i = from + 1; i < until; i++)
        least = fmin(least, run->floor[i]);
    return least;
}

/* `count` is a multiple of four. */
static bool climbs_evenly(const struct run *run)
{
    size_t quarter = run->count / 4;
    double floor[4], rise[3];
    for (size_t i = 0; i < 4; i++)
        floor[i] = least_of(run, i * quarter, (i + 1) * quarter);
    for (size_t i = 0; i < 3; i++)
        rise[i] = floor[i + 1] - floor[i];
    double mean = (floor[3] - floor[0]) / 3;
    size_t tail = run->count / 8 > 0 ? run->count / 8 : 1;
    double last = least_of(run, run->count - tail, run->count) - floor[3];
    return mean > 0 && rise[0] >= EVEN_SHARE * mean && rise[1] >= EVEN_SHARE * mean &&
           rise[2] >= EVEN_SHARE * mean && last >= LAST_SHARE * mean;
}

static int by_value(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), by_value);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static struct line fit(const struct run *run)
{
    double slopes[PAIRS_MAX], rest[NJ_LEAK_POINTS];
    size_t pairs = 0, n = run->count;
    double s = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            double rise = run->floor[j] - run->floor[i];
            s += (rise > 0) - (rise < 0);
            slopes[pairs++] = rise / (run->at[j] - run->at[i]);
        }
    }
    struct line line = {.slope = median(slopes, pairs)};
    for (size_t i = 0; i < n; i++)
        rest[i] = run->floor[i] - line.slope * run->at[i];
    double middle = median(rest, n);
    for (size_t i = 0; i < n; i++)
        rest[i] = fabs(rest[i] - middle);
    line.spread = MAD_TO_DEVIATION * median(rest, n);
    double variance = (double)n * (double)(n - 1) * (double)(2 * n + 5) / 18;
    line.z = s > 0 ? (s - 1) / sqrt(variance) : 0;
    return line;
}

/* The second half climbs as the first one did, nearly. */
static bool is_steady(const struct run *run, double share)
{
    struct run first = *run, second = *run;
    first.count = second.count = run->count / 2;
    second.floor += first.count;
    second.at += first.count;
    return fit(&second).slope >= share * fit(&first).slope;
}

static bool is_old(const struct nj_leak_series *series, const struct nj_leak_question *question,
                   const struct run *run)
{
    const struct nj_leak_rules *rules = &series->rules;
    return span_ns(run) >= (question->has_rhythm ? rules->rhythm_ns : rules->least_span_ns);
}

/* So much of its limit is used that waiting would be too late. */
static bool is_urgent(const struct nj_leak_series *series, const struct nj_leak_question *question,
                      const struct run *run)
{
    double began = run->floor[0], value = run->floor[run->count - 1];
    return question->limit > 0 && value >= USED_SHARE * question->limit &&
           value - began >= RISEN_SHARE * (question->limit - began) &&
           span_ns(run) >= nj_leak_start_up_ns(series) &&
           span_ns(run) >= URGENT_VALUES * series->rules.interval_ns;
}

static bool goes_beyond(const struct nj_leak_series *series, int level, const struct run *run)
{
    int64_t began_ns = series->began_ns + (int64_t)run->at[0] * run->width_ns;
    double value = run->floor[run->count - 1];
    return nj_leak_beyond(series, level, began_ns, value) >= BEYOND_SHARE * (value - run->floor[0]);
}

static bool judge_run(const struct nj_leak_series *series, const struct nj_leak_question *question, int level,
                      struct run run, bool is_rest, struct nj_leak_verdict *ret_verdict)
{
    const struct run whole = run;
    size_t extra = run.count % 4;
    run.floor += extra;
    run.at += extra;
    run.count -= extra;
    if (run.count < RUN_LEAST)
        return false;
    bool old = is_old(series, question, &run);
    if (!old && (is_rest || !is_urgent(series, question, &run)))
        return false;
    double began = run.floor[0], value = run.floor[run.count - 1];
    double level_share = question->has_rhythm ? LEVEL_SHARE : STEADY_LEVEL_SHARE;
    if (value - began < question->least || value - began < level_share * value || !climbs_evenly(&run) ||
        !goes_beyond(series, level, &run))
        return false;
    struct line line = fit(&run);
    double length = run.at[run.count - 1] - run.at[0];
    if (line.z < SIGNIFICANCE || line.slope * length < SPREAD_TIMES * line.spread ||
        !is_steady(&run, old ? STEADY_SHARE : URGENT_STEADY_SHARE))
        return false;
    const double year_ns = 365.0 * (double)NJ_DAY;
    double reaches_ns =
        question->limit > value ? (question->limit - value) / line.slope * (double)run.width_ns : 0;
    *ret_verdict = (struct nj_leak_verdict){
        .leaks = true,
        .per_hour = line.slope * (double)NJ_HOUR / (double)run.width_ns,
        .value = value,
        .began = whole.floor[0],
        .since_ns = series->began_ns + (int64_t)whole.at[0] * run.width_ns,
        .reaches_ns = reaches_ns <= year_ns ? (int64_t)reaches_ns : 0,
    };
    return true;
}

/* The first of the points that is no longer flat in what was never given back; `count` when nothing climbs.
 */
static size_t run_begins(const struct nj_leak_points *points, double least)
{
    size_t count = points->count;
    double end = points->floor[count - 1];
    double kept[NJ_LEAK_POINTS];
    kept[count - 1] = end;
    for (size_t i = count - 1; i > 0; i--)
        kept[i - 1] = fmin(points->floor[i - 1], kept[i]);
    if (end - kept[0] < least)
        return count;
    size_t begins = 0;
    while (begins + 1 < count && kept[begins + 1] <= kept[0] + FLAT_SHARE * (end - kept[0]))
        begins++;
    return begins;
}

void nj_leak_judge(const struct nj_leak_series *series, const struct nj_leak_question *question,
                   struct nj_leak_verdict *ret_verdict)
{
    *ret_verdict = (struct nj_leak_verdict){0};
    struct nj_leak_points points;
    for (int level = 0; level < NJ_LEAK_LEVELS; level++) {
        nj_leak_points(series, level, &points);
        if (points.count < RUN_LEAST)
            return; /* those of wider stretches have fewer still */
        size_t begins = run_begins(&points, question->least);
        bool seen = points.is_all || (double)begins >= SEEN_SHARE * (double)points.count;
        if (begins == points.count || (!seen && level + 1 < NJ_LEAK_LEVELS))
            continue;
        struct run run = {.floor = points.floor + begins,
                          .at = points.at + begins,
                          .count = points.count - begins,
                          .width_ns = nj_leak_width_ns(series, level)};
        if (judge_run(series, question, level, run, false, ret_verdict))
            return;
        size_t warm_up = run.count / 4;
        run.floor += warm_up;
        run.at += warm_up;
        run.count -= warm_up;
        if (judge_run(series, question, level, run, true, ret_verdict))
            return;
    }
}
