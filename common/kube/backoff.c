#include "common/kube/backoff.h"

#include "common/base/clock.h"

static const int64_t DELAY_FIRST = 800 * NJ_MS;
static const int64_t DELAY_MAX = 30 * NJ_SEC;
static const int64_t FORGOTTEN_AFTER = 2 * NJ_MIN;

int64_t nj_backoff_next(struct nj_backoff *backoff, int64_t now_ns, uint32_t random)
{
    bool fresh = !backoff->failed || now_ns - backoff->last_ns >= FORGOTTEN_AFTER;
    int64_t delay_ns = fresh ? DELAY_FIRST : backoff->delay_ns;
    backoff->delay_ns = delay_ns * 2 > DELAY_MAX ? DELAY_MAX : delay_ns * 2;
    backoff->last_ns = now_ns;
    backoff->failed = true;
    return delay_ns + (int64_t)((double)delay_ns * ((double)random / ((double)UINT32_MAX + 1)));
}
