/*
 * How leaks are found.
 *
 * What is kept. A series has NJ_LEAK_LEVELS levels of NJ_LEAK_POINTS stretches each; a stretch of one level
 * is four times as wide as one of the level below (30 s at the default of one hour), so that they reach from
 * 20 minutes to two weeks back. Of a stretch only its minimum is kept: what a collector frees and what a
 * burst takes does not show, and what is never given back does. (Matias, de Sena, Andrzejak, Trivedi:
 * "Software Aging Detection Based on Differential Analysis", ISSREW 2016, found filters that take the low
 * values out of heap use better than means and plain regression.)
 *
 * What a run is. Going back from now, only what was never given back counts: f(t) = min of all since t. Where
 * f begins to climb the run begins; that cuts off everything before a restart, a collection or the end of a
 * batch, however deep or gradual the fall was. A level that does not hold the run's beginning is not asked: a
 * piece of a curve that flattens looks straight, its whole does not.
 *
 * When it is a leak. All of these, of a run of at least RUN_LEAST stretches (leak_judge.c has the numbers):
 * - it is old enough: `least_span_ns`, or `rhythm_ns` for what rises with the load, since the rising half of
 * a day's rhythm looks like a leak until the day is over. Where there is a limit that would be too late for a
 *   fast leak, and the limit tells which are fast: with USED_SHARE of it used, and RISEN_SHARE of what was
 * free when the run began, a twelfth of the least span is enough (but URGENT_VALUES values). A leak that
 * began with a quarter of its limit used, or less, is so told before half of it is.
 * - it has risen by what matters at all (`least`), and by LEVEL_SHARE of what it is now; what does not come
 *   with load, and a healthy program has next to none of, by STEADY_LEVEL_SHARE.
 * - it rises in each quarter, by EVEN_SHARE of the mean rise, and still does in the last: steps, noise and
 *   single teeth do not. And its second half is as steep as its first one, but for 1 - STEADY_SHARE: warm-up,
 *   pools that fill and logarithmic growth are not. The first quarter of an old run may be left out of all
 *   this: a leak may follow a warm-up.
 * - it is no accident: Mann and Kendall's test (Mann 1945, Kendall 1975; as in Gilbert: "Statistical Methods
 *   for Environmental Pollution Monitoring", 1987, chapter 16) at SIGNIFICANCE standard deviations. That
 * alone is not enough: Machida, Andrzejak, Matias, Vicente: "On the Effectiveness of Mann-Kendall Test for
 *   Detection of Software Aging", ISSREW 2013, found it full of false alarms, since use is autocorrelated.
 * Ties are not corrected for: with many of them the corrected test makes a few steps significant.
 * - the line through it, the median of all pairs' slopes (Theil 1950; Sen: "Estimates of the Regression
 *   Coefficient Based on Kendall's Tau", JASA 63, 1968), rises by SPREAD_TIMES the scatter around it (median
 * of the absolute deviations, scaled to a standard deviation).
 * - it has left behind where the count was before the run, by BEYOND_SHARE of the rise: the teeth of a slow
 *   collector and the days of a rhythm all reach the same height.
 *
 * What this cannot tell from a leak, and tells: the first tooth, the first flank or a linear warm-up, seen by
 * nobody before, that takes the count beyond USED_SHARE of its limit; what fills up over several days; and
 * growth without bound that is meant.
 * The shares were chosen with the shapes of tests/unit/agent/test_inspect_leak.c, 30 seeds of each.
 */
#include "agent/inspect/leak_internal.h"

#include <math.h>

#include "common/base/alloc.h"

enum {
    STRETCHES = 120, /* of the lowest level in the least span */
    WIDER = 3,       /* a level's stretches than those of the level below */
    START_UP = 12,   /* such times make the least span */
    RHYTHM_SPANS = 24,
};

int64_t nj_leak_width_ns(const struct nj_leak_series *series, int level)
{
    int64_t width_ns = series->rules.least_span_ns / STRETCHES;
    if (width_ns < series->rules.interval_ns)
        width_ns = series->rules.interval_ns;
    if (width_ns < 1)
        width_ns = 1;
    for (int i = 0; i < level; i++)
        width_ns *= WIDER;
    return width_ns;
}

struct nj_leak_series *nj_leak_series_new(const struct nj_leak_rules *rules)
{
    struct nj_leak_series *series = NJ_NEW(struct nj_leak_series);
    series->rules = *rules;
    if (series->rules.rhythm_ns == 0)
        series->rules.rhythm_ns = RHYTHM_SPANS * rules->least_span_ns;
    series->began_ns = INT64_MIN;
    for (int slot = 0; slot < NJ_LEAK_SLOTS; slot++) {
        for (int level = 0; level < NJ_LEAK_LEVELS; level++)
            series->levels[level].floor[slot] = NAN;
        for (int i = 0; i < NJ_LEAK_TOPS; i++)
            series->tops[i].top[slot] = NAN;
    }
    return series;
}

void nj_leak_series_free(struct nj_leak_series *series)
{
    free(series);
}

int64_t nj_leak_start_up_ns(const struct nj_leak_series *series)
{
    return series->rules.least_span_ns / START_UP;
}

/* Which tops a level has; -1: none. */
static int tops_of(int level)
{
    return level % NJ_LEAK_TOPS_EACH != 0 ? -1 : level / NJ_LEAK_TOPS_EACH - 1;
}

/* Goes on to the stretch with this number. */
static void advance(struct nj_leak_series *series, int level, int64_t number)
{
    struct nj_leak_level *to = &series->levels[level];
    int tops = tops_of(level);
    if (number - to->newest > NJ_LEAK_SLOTS) /* all of it is older than what is kept */
        to->newest = number - NJ_LEAK_SLOTS;
    while (to->newest < number) {
        to->floor[++to->newest % NJ_LEAK_SLOTS] = NAN;
        if (tops >= 0)
            series->tops[tops].top[to->newest % NJ_LEAK_SLOTS] = NAN;
    }
}

/* The lowest level's stretch is over: how high is it? */
static void note_top(struct nj_leak_series *series)
{
    const struct nj_leak_level *lowest = &series->levels[0];
    float floor = lowest->floor[lowest->newest % NJ_LEAK_SLOTS];
    int64_t over_ns = (lowest->newest + 1) * nj_leak_width_ns(series, 0);
    if (over_ns <= nj_leak_start_up_ns(series))
        return;
    for (int i = 1; i < NJ_LEAK_LEVELS; i++) {
        if (tops_of(i) < 0)
            continue;
        float *top = &series->tops[tops_of(i)].top[series->levels[i].newest % NJ_LEAK_SLOTS];
        *top = fmaxf(*top, floor); /* which leaves a NAN out */
    }
}

void nj_leak_series_add(struct nj_leak_series *series, int64_t at_ns, double value)
{
    if (series->began_ns == INT64_MIN)
        series->began_ns = at_ns;
    else if (at_ns <= series->last_ns)
        return;
    series->last_ns = at_ns;
    if ((at_ns - series->began_ns) / nj_leak_width_ns(series, 0) > series->levels[0].newest)
        note_top(series);
    for (int i = 0; i < NJ_LEAK_LEVELS; i++) {
        int64_t number = (at_ns - series->began_ns) / nj_leak_width_ns(series, i);
        advance(series, i, number);
        float *floor = &series->levels[i].floor[number % NJ_LEAK_SLOTS];
        *floor = fminf(*floor, (float)value);
    }
}

/* Of the stretches that are over, the oldest that is kept. */
static int64_t oldest(const struct nj_leak_level *level)
{
    return level->newest < NJ_LEAK_POINTS ? 0 : level->newest - NJ_LEAK_POINTS;
}

void nj_leak_points(const struct nj_leak_series *series, int level, struct nj_leak_points *ret_points)
{
    const struct nj_leak_level *from = &series->levels[level];
    struct nj_leak_points *points = ret_points;
    points->count = 0;
    points->is_all = oldest(from) == 0;
    for (int64_t number = oldest(from); number < from->newest; number++) {
        float floor = from->floor[number % NJ_LEAK_SLOTS];
        if (isnan(floor))
            continue;
        points->floor[points->count] = (double)floor;
        points->at[points->count++] = (double)number;
    }
    /* What was given back since does not count, though its stretch is not over. */
    float now = from->floor[from->newest % NJ_LEAK_SLOTS];
    if (points->count > 0 && !isnan(now))
        points->floor[points->count - 1] = fmin(points->floor[points->count - 1], (double)now);
}

/* Among the values of a level's stretches from..until-1. */
static double largest(const float *values, int64_t from, int64_t until)
{
    double most = -INFINITY;
    for (int64_t number = from; number < until; number++)
        most = fmax(most, (double)values[number % NJ_LEAK_SLOTS]); /* which leaves a NAN out */
    return most;
}

double nj_leak_beyond(const struct nj_leak_series *series, int level, int64_t began_ns, double value)
{
    double beyond = INFINITY;
    for (int i = 0; i < NJ_LEAK_LEVELS; i++) {
        const struct nj_leak_level *of = &series->levels[i];
        int64_t began = (began_ns - series->began_ns) / nj_leak_width_ns(series, i);
        if (i >= level)
            beyond = fmin(beyond, value - largest(of->floor, oldest(of), began));
        if (tops_of(i) < 0)
            continue;
        const struct nj_leak_tops *tops = &series->tops[tops_of(i)];
        /* Top by top: with noise the floor of a leak stays below the tops of old for long. */
        double top = fmax(value, largest(tops->top, began + 1, of->newest + 1));
        beyond = fmin(beyond, top - largest(tops->top, oldest(of), began));
    }
    return beyond;
}

int nj_limit_level(double value, double limit, int before)
{
    enum { WARNING = 80, CRITICAL = 95, BELOW = 5 };
    if (!(limit > 0))
        return 0;
    double percent = 100 * value / limit;
    if (percent >= CRITICAL || (before == CRITICAL && percent >= CRITICAL - BELOW))
        return CRITICAL;
    return percent >= WARNING || (before >= WARNING && percent >= WARNING - BELOW) ? WARNING : 0;
}
