#include "collector/capacity/capacity_forecast.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collector/capacity/capacity_forecast_internal.h"
#include "common/base/alloc.h"
#include "common/base/str.h"

enum { FIRST_CAPACITY = 64, WORD_BITS = 64 };

struct nj_forecast *nj_forecast_new(const struct nj_forecast_options *options)
{
    struct nj_forecast *forecast = NJ_NEW(struct nj_forecast);
    forecast->options = *options;
    return forecast;
}

void nj_forecast_free(struct nj_forecast *forecast)
{
    if (forecast == NULL)
        return;
    for (uint32_t i = 0; i < forecast->rows_count; i++) {
        for (int by = 0; by < NJ_FORECAST_BYS; by++)
            free(forecast->rows[i].bits[by]);
    }
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        free(forecast->order[by]);
        free(forecast->rank[by]);
        free(forecast->free[by]);
    }
    free(forecast->rows);
    free(forecast->fullest);
    free(forecast->nodes);
    free(forecast->pods);
    free(forecast->marks);
    free(forecast->touched);
    free(forecast->moves);
    free(forecast->queue);
    free(forecast);
}

void *nj_forecast_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    return nj_realloc(items, *capacity, size);
}

void nj_forecast_add_node(struct nj_forecast *forecast, const struct nj_forecast_node *node)
{
    forecast->nodes = nj_forecast_grow(forecast->nodes, forecast->nodes_count, &forecast->nodes_capacity,
                                       sizeof(*forecast->nodes));
    forecast->nodes[forecast->nodes_count++] =
        (struct nj_forecast_slot){.node = *node, .first = forecast->pods_count};
    forecast->usable += node->usable;
}

void nj_forecast_add_pod(struct nj_forecast *forecast, const struct nj_forecast_pod *pod)
{
    assert(forecast->nodes_count > 0);
    forecast->pods = nj_forecast_grow(forecast->pods, forecast->pods_count, &forecast->pods_capacity,
                                      sizeof(*forecast->pods));
    forecast->pods[forecast->pods_count++] = *pod;
    forecast->nodes[forecast->nodes_count - 1].count++;
}

const struct nj_forecast_node *nj_forecast_node(const struct nj_forecast *forecast, size_t i)
{
    return &forecast->nodes[i].node;
}

size_t nj_forecast_usable(const struct nj_forecast *forecast)
{
    return forecast->usable;
}

/* ---- the orders */

double nj_forecast_room(const struct nj_forecast *forecast, int64_t cpu_free, int64_t memory_free)
{
    double cpu = (double)cpu_free / forecast->mean_cpu;
    double memory = (double)memory_free / forecast->mean_memory;
    return cpu < memory ? cpu : memory;
}

static struct nj_forecast_free free_of(const struct nj_forecast *forecast, size_t i, int by)
{
    const struct nj_forecast_node *node = &forecast->nodes[i].node;
    struct nj_forecast_free is_free = {.cpu = node->cpu_micros - node->cpu_taken[by],
                                       .memory = node->memory_bytes - node->memory_taken[by],
                                       .pods = node->pods - node->pods_taken};
    is_free.room = nj_forecast_room(forecast, is_free.cpu, is_free.memory);
    return is_free;
}

double nj_forecast_share(const struct nj_forecast *forecast, size_t i, int64_t memory)
{
    int64_t all = forecast->nodes[i].node.memory_bytes;
    return all <= 0 ? 0 : (double)memory / (double)all;
}

struct ranked {
    double value;
    uint32_t node;
};

/* The largest first; of equal ones the first that was added. */
static int by_value(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->value != right->value)
        return left->value > right->value ? -1 : 1;
    return (left->node > right->node) - (left->node < right->node);
}

static void rank(struct nj_forecast *forecast, struct ranked *ranked, uint32_t *order)
{
    qsort(ranked, forecast->usable, sizeof(*ranked), by_value);
    for (size_t i = 0; i < forecast->usable; i++)
        order[i] = ranked[i].node;
}

static void make_orders(struct nj_forecast *forecast)
{
    struct ranked *ranked = nj_calloc(forecast->usable + 1, sizeof(*ranked));
    for (int by = 0; by <= NJ_FORECAST_BYS; by++) { /* the last is the fullest first */
        size_t count = 0;
        for (size_t i = 0; i < forecast->nodes_count; i++) {
            if (!forecast->nodes[i].node.usable)
                continue;
            double value =
                by < NJ_FORECAST_BYS
                    ? free_of(forecast, i, by).room
                    : nj_forecast_share(forecast, i, forecast->nodes[i].node.memory_taken[NJ_FORECAST_USE]);
            ranked[count++] = (struct ranked){.value = value, .node = (uint32_t)i};
        }
        rank(forecast, ranked, by < NJ_FORECAST_BYS ? forecast->order[by] : forecast->fullest);
    }
    free(ranked);
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        for (size_t i = 0; i < forecast->usable; i++) {
            forecast->rank[by][forecast->order[by][i]] = (uint32_t)i;
            forecast->free[by][i] = free_of(forecast, forecast->order[by][i], by);
        }
    }
}

void nj_forecast_begin(struct nj_forecast *forecast, uint32_t placements)
{
    size_t n = forecast->nodes_count + 1;
    double cpu = 0;
    double memory = 0;
    for (size_t i = 0; i < forecast->nodes_count; i++) {
        const struct nj_forecast_node *node = &forecast->nodes[i].node;
        cpu += node->usable ? (double)node->cpu_micros : 0;
        memory += node->usable ? (double)node->memory_bytes : 0;
    }
    forecast->mean_cpu = cpu > 0 ? cpu / (double)forecast->usable : 1;
    forecast->mean_memory = memory > 0 ? memory / (double)forecast->usable : 1;
    for (int by = 0; by < NJ_FORECAST_BYS; by++) {
        forecast->order[by] = nj_calloc(n, sizeof(*forecast->order[by]));
        forecast->rank[by] = nj_calloc(n, sizeof(*forecast->rank[by]));
        forecast->free[by] = nj_calloc(n, sizeof(*forecast->free[by]));
    }
    forecast->fullest = nj_calloc(n, sizeof(*forecast->fullest));
    forecast->marks = nj_calloc(n, sizeof(*forecast->marks));
    forecast->rows = nj_calloc((size_t)placements + 1, sizeof(*forecast->rows));
    forecast->rows_count = placements;
    make_orders(forecast);
}

/* Asked for once a placement. */
const struct nj_forecast_row *nj_forecast_row(struct nj_forecast *forecast, uint32_t placement)
{
    struct nj_forecast_row *row = &forecast->rows[placement];
    if (row->bits[0] != NULL)
        return row;
    size_t words = forecast->usable / WORD_BITS + 1;
    for (int by = 0; by < NJ_FORECAST_BYS; by++)
        row->bits[by] = nj_calloc(words, sizeof(*row->bits[by]));
    for (size_t i = 0; i < forecast->nodes_count; i++) {
        enum nj_fit fit = nj_forecast_fit(forecast, placement, i);
        row->counts[fit]++;
        for (int by = 0; fit == NJ_FIT_OK && by < NJ_FORECAST_BYS; by++) {
            uint32_t at = forecast->rank[by][i];
            row->bits[by][at / WORD_BITS] |= UINT64_C(1) << at % WORD_BITS;
        }
    }
    return row;
}

enum nj_fit nj_forecast_fit(struct nj_forecast *forecast, uint32_t placement, size_t i)
{
    const struct nj_forecast_node *node = &forecast->nodes[i].node;
    return node->usable ? forecast->options.fit(forecast->options.data, placement, node) : NJ_FIT_GONE;
}

/* The next rank at or after `at` whose bit is set; `usable` when there is none. */
size_t nj_forecast_next_bit(const struct nj_forecast *forecast, const uint64_t *bits, size_t at)
{
    while (at < forecast->usable) {
        uint64_t word = bits[at / WORD_BITS] >> at % WORD_BITS;
        if (word != 0)
            return at + (size_t)__builtin_ctzll(word);
        at = (at / WORD_BITS + 1) * WORD_BITS;
    }
    return forecast->usable;
}

bool nj_forecast_step(struct nj_forecast *forecast)
{
    while (forecast->at < forecast->nodes_count) {
        size_t lost = forecast->at++;
        if (!forecast->nodes[lost].node.usable)
            continue;
        nj_forecast_lose(forecast, (uint32_t)lost, &forecast->outcome);
        forecast->options.on_outcome(forecast->options.data, forecast, &forecast->nodes[lost].node,
                                     &forecast->outcome);
        return false;
    }
    return true;
}
