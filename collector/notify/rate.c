#include "collector/notify/rate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum { FIRST_CAPACITY = 16 };

void nj_rate_init(struct nj_rate *rate, size_t limit)
{
    assert(limit > 0);
    *rate = (struct nj_rate){.limit = limit};
}

void nj_rate_done(struct nj_rate *rate)
{
    free(rate->times_ns);
    *rate = (struct nj_rate){.limit = rate->limit};
}

static void drop_oldest(struct nj_rate *rate, size_t count)
{
    rate->count -= count;
    if (rate->count > 0)
        memmove(rate->times_ns, rate->times_ns + count, rate->count * sizeof(rate->times_ns[0]));
}

void nj_rate_set_limit(struct nj_rate *rate, size_t limit)
{
    assert(limit > 0);
    rate->limit = limit;
    if (rate->count > limit)
        drop_oldest(rate, rate->count - limit);
}

/* Forgets what has left the window. What lies in the future was sent before the clock was set back: now at
 * the latest. */
static void settle(struct nj_rate *rate, int64_t now_ns)
{
    size_t old = 0;
    while (old < rate->count && rate->times_ns[old] <= now_ns - NJ_RATE_WINDOW_NS)
        old++;
    if (old > 0)
        drop_oldest(rate, old);
    for (size_t i = rate->count; i > 0 && rate->times_ns[i - 1] > now_ns; i--)
        rate->times_ns[i - 1] = now_ns;
}

void nj_rate_add(struct nj_rate *rate, int64_t at_ns)
{
    /* More than the limit says no more than the limit: the oldest of them can go. */
    if (rate->count == rate->limit)
        drop_oldest(rate, 1);
    if (rate->count == rate->capacity) {
        rate->capacity = rate->capacity == 0 ? FIRST_CAPACITY : rate->capacity * 2;
        rate->times_ns = nj_realloc(rate->times_ns, rate->capacity, sizeof(rate->times_ns[0]));
    }
    size_t at = rate->count++;
    for (; at > 0 && rate->times_ns[at - 1] > at_ns; at--)
        rate->times_ns[at] = rate->times_ns[at - 1];
    rate->times_ns[at] = at_ns;
}

void nj_rate_touch(struct nj_rate *rate, int64_t now_ns)
{
    if (rate->count > 0 && rate->times_ns[rate->count - 1] < now_ns)
        rate->times_ns[rate->count - 1] = now_ns;
}

size_t nj_rate_free(struct nj_rate *rate, int64_t now_ns)
{
    settle(rate, now_ns);
    return rate->limit - rate->count;
}

size_t nj_rate_since(const struct nj_rate *rate, int64_t since_ns)
{
    size_t count = 0;
    while (count < rate->count && rate->times_ns[rate->count - 1 - count] > since_ns)
        count++;
    return count;
}

int64_t nj_rate_when(struct nj_rate *rate, size_t wanted, int64_t now_ns)
{
    assert(wanted > 0 && wanted <= rate->limit);
    size_t free = nj_rate_free(rate, now_ns);
    return free >= wanted ? now_ns : rate->times_ns[wanted - free - 1] + NJ_RATE_WINDOW_NS;
}
