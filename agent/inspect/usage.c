#include "agent/inspect/usage.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/sketch.h"
#include "common/base/table.h"

/* A pace is the mean since the scan before; over a longer gap it would say nothing about a minute. */
#define GAP_NS (5 * NJ_MIN)

/* What of one container, or of the node, is gathered. */
struct gathered {
    char id[NJ_CONTAINER_ID_MAX]; /* key; "" the node */
    int64_t minute_ns;            /* wall: its beginning; INT64_MIN: none yet */
    int64_t at_ns;                /* monotonic, of the scan before; 0: none */
    uint64_t cpu_ns, periods, throttled_periods, oom_kills;
    uint64_t kills;                     /* within the minute */
    double cpu;                         /* between the two last scans; < 0: not known */
    double cpu_used_ns, cpu_elapsed_ns; /* of the minute's samples */
    struct nj_sketch sketches[NJ_USAGE_METRICS];
    UT_hash_handle hh;
};

struct nj_usage_minutes {
    struct gathered *containers; /* by id */
    struct gathered *node;
    struct nj_buf told[NJ_USAGE_METRICS]; /* what the last item's metrics borrow */
};

struct nj_usage_minutes *nj_usage_minutes_new(void)
{
    return NJ_NEW(struct nj_usage_minutes);
}

static void free_gathered(struct gathered *gathered)
{
    if (gathered == NULL)
        return;
    for (int i = 0; i < NJ_USAGE_METRICS; i++)
        nj_sketch_done(&gathered->sketches[i]);
    free(gathered);
}

void nj_usage_minutes_free(struct nj_usage_minutes *usage)
{
    if (usage == NULL)
        return;
    struct gathered *gathered, *next;
    HASH_ITER (hh, usage->containers, gathered, next) {
        NJ_TABLE_REMOVE(usage->containers, gathered);
        free_gathered(gathered);
    }
    free_gathered(usage->node);
    for (int i = 0; i < NJ_USAGE_METRICS; i++)
        nj_buf_done(&usage->told[i]);
    free(usage);
}

static struct gathered *new_gathered(const char *id)
{
    struct gathered *gathered = NJ_NEW(struct gathered);
    (void)snprintf(gathered->id, sizeof(gathered->id), "%s", id);
    gathered->minute_ns = INT64_MIN;
    gathered->cpu = -1;
    gathered->cpu_ns = gathered->periods = gathered->throttled_periods = gathered->oom_kills = NJ_UNKNOWN;
    return gathered;
}

static struct gathered *find_or_add(struct nj_usage_minutes *usage, const char *id)
{
    struct gathered *gathered = NULL;
    HASH_FIND_STR(usage->containers, id, gathered);
    if (gathered == NULL) {
        gathered = new_gathered(id);
        HASH_ADD_STR(usage->containers, id, gathered);
    }
    return gathered;
}

/* Scans are not evenly spaced: the average is made that of the counter, whatever the samples' own. */
static void correct_cpu(struct gathered *gathered)
{
    struct nj_sketch *cpu = &gathered->sketches[NJ_USAGE_CPU];
    if (gathered->cpu_elapsed_ns > 0)
        cpu->sum = (double)cpu->count * gathered->cpu_used_ns / gathered->cpu_elapsed_ns;
    gathered->cpu_used_ns = gathered->cpu_elapsed_ns = 0;
}

/* Hands out what was gathered, if anything was, and begins anew. */
static bool tell(struct nj_usage_minutes *usage, struct gathered *gathered, int64_t *ret_minute_ns,
                 struct nj_usage_item *ret_item)
{
    struct nj_usage_item item = {.oom_kills = gathered->kills};
    bool any = gathered->kills > 0;
    correct_cpu(gathered);
    for (int i = 0; i < NJ_USAGE_METRICS; i++) {
        struct nj_sketch *sketch = &gathered->sketches[i];
        struct nj_buf *told = &usage->told[i];
        nj_buf_clear(told);
        if (sketch->count == 0 || nj_sketch_encode(sketch, told) < 0)
            continue;
        item.metrics[i].sketch = told->data;
        item.metrics[i].len = told->len;
        any = true;
        nj_sketch_clear(sketch);
    }
    gathered->kills = 0;
    if (!any)
        return false;
    *ret_minute_ns = gathered->minute_ns;
    *ret_item = item;
    return true;
}

/* Goes on to the minute of `wall_ns`, and tells the one before it. A clock that was set back goes on with the
 * minute that is there until it has caught up, so that none is told twice; one that was set back by more than
 * a gap is believed. */
static bool turn(struct nj_usage_minutes *usage, struct gathered *gathered, int64_t wall_ns,
                 int64_t *ret_minute_ns, struct nj_usage_item *ret_item)
{
    int64_t minute_ns = wall_ns - wall_ns % NJ_MIN;
    if (minute_ns <= gathered->minute_ns && minute_ns > gathered->minute_ns - GAP_NS)
        return false;
    bool told = gathered->minute_ns != INT64_MIN && tell(usage, gathered, ret_minute_ns, ret_item);
    gathered->minute_ns = minute_ns;
    return told;
}

/* By how much a counter rose; NJ_UNKNOWN where that is not known. One that fell began anew. */
static uint64_t rise(uint64_t *before, uint64_t now)
{
    uint64_t rose = NJ_UNKNOWN;
    if (now != NJ_UNKNOWN && *before != NJ_UNKNOWN && now >= *before)
        rose = now - *before;
    *before = now;
    return rose;
}

static void add_cpu(struct gathered *gathered, uint64_t used_ns, int64_t elapsed_ns)
{
    gathered->cpu = -1;
    if (used_ns == NJ_UNKNOWN || elapsed_ns <= 0 || elapsed_ns > GAP_NS)
        return;
    gathered->cpu = (double)used_ns / (double)elapsed_ns;
    nj_sketch_add(&gathered->sketches[NJ_USAGE_CPU], gathered->cpu);
    gathered->cpu_used_ns += (double)used_ns;
    gathered->cpu_elapsed_ns += (double)elapsed_ns;
}

/* Nothing is known of the first scan's past. */
static int64_t elapsed(struct gathered *gathered, int64_t at_ns)
{
    int64_t elapsed_ns = gathered->at_ns == 0 ? 0 : at_ns - gathered->at_ns;
    gathered->at_ns = at_ns;
    return elapsed_ns;
}

static void add_bytes(struct gathered *gathered, enum nj_usage_metric metric, uint64_t bytes)
{
    if (bytes != NJ_UNKNOWN)
        nj_sketch_add(&gathered->sketches[metric], (double)bytes);
}

static void add_scan(struct gathered *gathered, const struct nj_container_figures *figures)
{
    int64_t elapsed_ns = elapsed(gathered, figures->at_ns);
    add_cpu(gathered, rise(&gathered->cpu_ns, figures->cpu_ns), elapsed_ns);
    uint64_t periods = rise(&gathered->periods, figures->periods);
    uint64_t throttled = rise(&gathered->throttled_periods, figures->throttled_periods);
    if (periods != NJ_UNKNOWN && throttled != NJ_UNKNOWN && elapsed_ns <= GAP_NS) {
        if (periods > 0)
            nj_sketch_add(&gathered->sketches[NJ_USAGE_THROTTLED],
                          throttled < periods ? (double)throttled / (double)periods : 1);
        else if (figures->cpu_quota_millis != NJ_UNKNOWN) /* it did not run, and was not held back */
            nj_sketch_add(&gathered->sketches[NJ_USAGE_THROTTLED], 0);
    }
    uint64_t kills = rise(&gathered->oom_kills, figures->oom_kills);
    gathered->kills += kills == NJ_UNKNOWN ? 0 : kills;
    add_bytes(gathered, NJ_USAGE_MEMORY, figures->memory_working_set);
}

bool nj_usage_add(struct nj_usage_minutes *usage, const struct nj_container_figures *figures, double gpu_use,
                  uint64_t gpu_memory, int64_t wall_ns, int64_t *ret_minute_ns,
                  struct nj_usage_item *ret_item)
{
    struct gathered *gathered = find_or_add(usage, figures->id);
    bool told = turn(usage, gathered, wall_ns, ret_minute_ns, ret_item);
    add_scan(gathered, figures);
    if (gpu_use >= 0)
        nj_sketch_add(&gathered->sketches[NJ_USAGE_GPU], gpu_use);
    add_bytes(gathered, NJ_USAGE_GPU_MEMORY, gpu_memory);
    return told;
}

bool nj_usage_end(struct nj_usage_minutes *usage, const char *container_id, int64_t *ret_minute_ns,
                  struct nj_usage_item *ret_item)
{
    struct gathered *gathered = NULL;
    HASH_FIND_STR(usage->containers, container_id, gathered);
    if (gathered == NULL)
        return false;
    bool told = tell(usage, gathered, ret_minute_ns, ret_item);
    NJ_TABLE_REMOVE(usage->containers, gathered);
    free_gathered(gathered);
    return told;
}

/* Time in which the CPUs did something; NJ_UNKNOWN where that is not known. */
static uint64_t busy_ns(const struct nj_node_figures *figures)
{
    const uint64_t parts[] = {figures->cpu_user_ns, figures->cpu_system_ns, figures->cpu_other_ns};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i] == NJ_UNKNOWN)
            return NJ_UNKNOWN;
        sum += parts[i];
    }
    return sum;
}

bool nj_usage_add_node(struct nj_usage_minutes *usage, const struct nj_node_figures *figures,
                       int64_t *ret_minute_ns, struct nj_usage_item *ret_item)
{
    if (usage->node == NULL)
        usage->node = new_gathered("");
    struct gathered *node = usage->node;
    bool told = turn(usage, node, figures->wall_ns, ret_minute_ns, ret_item);
    int64_t elapsed_ns = elapsed(node, figures->at_ns);
    add_cpu(node, rise(&node->cpu_ns, busy_ns(figures)), elapsed_ns);
    uint64_t kills = rise(&node->oom_kills, figures->oom_kills);
    node->kills += kills == NJ_UNKNOWN ? 0 : kills;
    if (figures->memory_total != NJ_UNKNOWN && figures->memory_available <= figures->memory_total)
        add_bytes(node, NJ_USAGE_MEMORY, figures->memory_total - figures->memory_available);
    return told;
}

double nj_usage_cpu(const struct nj_usage_minutes *usage, const char *container_id)
{
    struct gathered *gathered = NULL;
    HASH_FIND_STR(usage->containers, container_id, gathered);
    return gathered == NULL ? -1 : gathered->cpu;
}
