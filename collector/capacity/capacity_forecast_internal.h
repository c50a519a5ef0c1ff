/*
 * The forecast's inside: capacity_forecast.c keeps the picture and its orders, capacity_domino.c loses one
 * node. Private to collector/capacity.
 */
#ifndef NJ_CAPACITY_FORECAST_INTERNAL_H
#define NJ_CAPACITY_FORECAST_INTERNAL_H

#include "collector/capacity/capacity_forecast.h"

struct nj_forecast_slot {
    struct nj_forecast_node node;
    size_t first, count; /* its pods that could move */
};

/* Where pods of one placement may go: a bit for each rank of each order; and how many nodes say what. */
struct nj_forecast_row {
    uint64_t *bits[NJ_FORECAST_BYS]; /* NULL: not asked yet */
    uint32_t counts[NJ_FITS];
};

/* A node that got pods, within the loss of one. */
struct nj_forecast_touched {
    uint32_t node;
    bool fallen;
    int64_t cpu[NJ_FORECAST_BYS], memory[NJ_FORECAST_BYS], pods; /* taken by now */
};

struct nj_forecast_move {
    uint32_t pod, node;
};

/* Which touched[] is the node's, when `loss` is the present one. */
struct nj_forecast_mark {
    uint32_t loss, touched;
};

/* What is free of a node that got nothing yet; in the order of its way. */
struct nj_forecast_free {
    int64_t cpu, memory, pods;
    double room;
};

enum { NJ_FORECAST_FAILED_MAX = 64 };

struct nj_forecast {
    struct nj_forecast_options options;
    struct nj_forecast_slot *nodes;
    struct nj_forecast_pod *pods;
    size_t nodes_count, nodes_capacity, pods_count, pods_capacity, usable;
    double mean_cpu, mean_memory;
    uint32_t *order[NJ_FORECAST_BYS];               /* usable nodes, the one with the largest room first */
    uint32_t *rank[NJ_FORECAST_BYS];                /* a node's place in it */
    struct nj_forecast_free *free[NJ_FORECAST_BYS]; /* by rank */
    uint32_t *fullest;            /* usable nodes, the one with the highest share of memory first */
    struct nj_forecast_row *rows; /* by placement */
    uint32_t rows_count;
    size_t at; /* the next to be lost */
    struct nj_forecast_outcome outcome;

    /* Of the present loss and way. */
    uint32_t loss, lost;
    struct nj_forecast_mark *marks;
    struct nj_forecast_touched *touched;
    size_t touched_count, touched_capacity;
    struct nj_forecast_move *moves;
    size_t moves_count, moves_capacity;
    uint32_t *queue; /* pods to be placed */
    size_t queue_count, queue_capacity;
    uint32_t failed[NJ_FORECAST_FAILED_MAX]; /* pods: what asks for as much fits nowhere either */
    size_t failed_count;
};

double nj_forecast_room(const struct nj_forecast *forecast, int64_t cpu_free, int64_t memory_free);
double nj_forecast_share(const struct nj_forecast *forecast, size_t i, int64_t memory);
enum nj_fit nj_forecast_fit(struct nj_forecast *forecast, uint32_t placement, size_t i);
const struct nj_forecast_row *nj_forecast_row(struct nj_forecast *forecast, uint32_t placement);
size_t nj_forecast_next_bit(const struct nj_forecast *forecast, const uint64_t *bits, size_t at);
/* Makes room for one more item. */
void *nj_forecast_grow(void *items, size_t count, size_t *capacity, size_t size);

/* Loses one node, both ways. */
void nj_forecast_lose(struct nj_forecast *forecast, uint32_t lost, struct nj_forecast_outcome *ret_outcome);

#endif
