/*
 * The domino forecast: each node is lost once, in thought, and its pods are placed on the others. A pure
 * core, worked out in slices; one thread.
 *
 * The pods of the lost node come in order of priority (then the larger first), each goes to the node with
 * the largest room that passes its filters: room is what is free of CPU and memory, each as a share of what a
 * node has on average, and of both the smaller. This is done twice: with what pods ask for, and with what
 * they use. What the scheduler does beyond that (preemption, spreading, inter-pod affinity, volumes, host
 * ports) is not looked at.
 *
 * Falling: the scheduler places by requests, so that a node may get more than it can bear. After the
 * placement by requests the node with the highest share of its memory in use is next to fall; where that is
 * more than it has, it falls too, its pods are placed in turn, and so on, up to NJ_FORECAST_FALLEN_MAX.
 *
 * A placement is a number below `placements`: pods that may go to the same nodes have the same. Which nodes
 * these are is asked once per placement and node, so that the work is about pods x (pods of one node), not
 * pods x nodes, unless nothing fits.
 */
#ifndef NJ_CAPACITY_FORECAST_H
#define NJ_CAPACITY_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/capacity/capacity_placement.h"

enum nj_forecast_by { NJ_FORECAST_REQUESTS, NJ_FORECAST_USE, NJ_FORECAST_BYS };

enum {
    NJ_FORECAST_FALLEN_MAX = 8,
    NJ_FORECAST_REFUSALS_MAX = 5,
    NJ_FORECAST_WHY_MAX = 256,
};

struct nj_forecast_node {
    int64_t cpu_micros, memory_bytes, pods; /* allocatable */
    bool usable;                            /* takes pods, and can be lost; else it is only counted */
    /* What its pods have of it together, those that cannot move too. */
    int64_t cpu_taken[NJ_FORECAST_BYS], memory_taken[NJ_FORECAST_BYS], pods_taken;
    void *data; /* the caller's */
};

struct nj_forecast_pod {
    const char *namespace, *name; /* borrowed until the forecast is freed */
    int64_t cpu_micros[NJ_FORECAST_BYS], memory_bytes[NJ_FORECAST_BYS];
    int32_t priority;
    uint32_t placement;
};

struct nj_forecast_refusal {
    const struct nj_forecast_pod *pod;
    char why[NJ_FORECAST_WHY_MAX]; /* "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2
                                      Insufficient memory" */
};

/* What losing one node would do. Numbers of nodes are in the order in which they were added. */
struct nj_forecast_outcome {
    uint32_t movable; /* of its pods */
    uint32_t unplaceable[NJ_FORECAST_BYS];
    struct nj_forecast_refusal refusals[NJ_FORECAST_BYS][NJ_FORECAST_REFUSALS_MAX]; /* the first */
    size_t refusals_count[NJ_FORECAST_BYS];
    int64_t next;                            /* to fall; -1: there is no other node */
    double next_share;                       /* of its memory in use by then */
    uint32_t fallen[NJ_FORECAST_FALLEN_MAX]; /* in their order */
    size_t fallen_count;
    uint32_t fallen_unplaceable; /* pods of the fallen ones that find no other node */
};

struct nj_forecast;

struct nj_forecast_options {
    /* Whether pods of this placement may go to this node (as added), without regard to room. */
    enum nj_fit (*fit)(void *data, uint32_t placement, const struct nj_forecast_node *node);
    /* Of each usable node, within nj_forecast_step(). Borrowed. */
    void (*on_outcome)(void *data, const struct nj_forecast *forecast, const struct nj_forecast_node *lost,
                       const struct nj_forecast_outcome *outcome);
    void *data;
};

struct nj_forecast *nj_forecast_new(const struct nj_forecast_options *options);
void nj_forecast_free(struct nj_forecast *forecast); /* takes NULL */

void nj_forecast_add_node(struct nj_forecast *forecast, const struct nj_forecast_node *node);
/* One that could move, of the node that was added last. */
void nj_forecast_add_pod(struct nj_forecast *forecast, const struct nj_forecast_pod *pod);

/* All is added. */
void nj_forecast_begin(struct nj_forecast *forecast, uint32_t placements);
/* Loses the next node: a few hundred microseconds. True when there is none left. */
bool nj_forecast_step(struct nj_forecast *forecast);

const struct nj_forecast_node *nj_forecast_node(const struct nj_forecast *forecast, size_t i);
size_t nj_forecast_usable(const struct nj_forecast *forecast);

#endif
