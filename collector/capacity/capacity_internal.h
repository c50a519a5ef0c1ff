/*
 * The capacity's inside: capacity.c keeps nodes, pods and their sums, capacity_usage.c takes minutes in,
 * capacity_run.c forecasts and tells, capacity_views.c shows. Private to collector/capacity; loop thread
 * only.
 *
 * Invariants: a pod that is listed is counted in its node's and its namespace's sum. While a forecast is
 * under way, no node is forgotten, and pods that go wait in the graveyard, for the forecast points at them.
 */
#ifndef NJ_CAPACITY_INTERNAL_H
#define NJ_CAPACITY_INTERNAL_H

#include "collector/capacity/capacity.h"
#include "common/base/arena.h"
#include "common/base/table.h"
#include "common/loop/loop.h"

enum { NJ_CAP_MINUTES = 60, NJ_CAP_PARTS_MAX = 256 };

/* What pods of one kind ask of a node; shared. `slot` is its number in forecasts. */
struct nj_cap_placement {
    char *text;
    struct nj_placement *parsed; /* NULL: unreadable */
    uint32_t slot;
    size_t refs;
    UT_hash_handle hh;
};

/* The last hour, minute by minute. */
struct nj_cap_use {
    int64_t newest_ns;                                 /* 0: nothing */
    float cpu[NJ_CAP_MINUTES], memory[NJ_CAP_MINUTES]; /* cores, bytes; below 0: not known */
};

struct nj_cap_space {
    char *name;
    size_t refs;
    struct nj_capacity_sum sum;
    UT_hash_handle hh;
};

struct nj_cap_pod {
    char *uid, *name, *workload_kind, *workload;
    struct nj_cap_space *space;
    struct nj_cap_node *node;
    struct nj_cap_placement *placement; /* NULL: none, or not known */
    int64_t cpu_request_millis, cpu_limit_millis, memory_request_bytes, memory_limit_bytes;
    int32_t priority;
    int64_t listed_ns; /* the latest minute that listed it; 0: none did, only its use came */
    struct nj_cap_use use;
    int64_t cpu_use_micros, memory_use_bytes; /* -1: not known */
    bool counted;
    struct nj_cap_pod *prev, *next; /* of its node; next: in the graveyard */
    UT_hash_handle hh;
};

struct nj_cap_node {
    char *name;
    struct nj_cap_pod *pods;
    size_t listed;
    struct nj_capacity_sum sum;
    struct nj_cap_use use; /* of the whole node */
    int64_t cpu_use_micros, memory_use_bytes;
    int64_t minute_ns;   /* the latest that is being gathered; 0: none */
    int64_t complete_ns; /* the latest that was whole; 0: none */
    uint64_t parts[NJ_CAP_PARTS_MAX / 64];
    uint32_t parts_seen;

    struct nj_arena arena; /* of the loss */
    struct nj_capacity_loss loss;
    uint32_t fixed, unchecked;  /* of the forecast that is under way */
    int64_t held_ns;            /* wall: when the first of the forecasts that agree was made */
    uint32_t held, clear;       /* forecasts in a row that say so */
    int64_t told_ns, retold_ns; /* since when what was told is; wall, monotonic; 0: nothing */
    UT_hash_handle hh;
};

struct nj_capacity {
    struct nj_capacity_options options;
    struct nj_cap_node *nodes;
    struct nj_cap_pod *pods;
    struct nj_cap_space *spaces;
    struct nj_cap_placement *placements;
    struct nj_cap_placement *slots[NJ_CAPACITY_PLACEMENTS_MAX];
    struct nj_cap_pod *graveyard;
    bool nodes_unsorted, spaces_unsorted;
    struct nj_timer timer;
    int64_t started_ns; /* monotonic */

    struct nj_forecast *forecast; /* under way; NULL: none is */
    struct nj_cap_node **snapshot;
    size_t snapshot_count, filled;
    bool begun;
    uint64_t busy_ns; /* that it took until now */
    int64_t at_ns;
    struct nj_capacity_summary summary;

    struct nj_counter *pods_ignored, *placements_ignored, *minutes_ignored, *nodes_ignored;
    struct nj_gauge *pods_gauge, *critical;
    struct nj_histogram *seconds;
};

/* capacity.c */
struct nj_cap_node *nj_cap_node_find(const struct nj_capacity *capacity, const char *name);
struct nj_cap_node *nj_cap_node_get(struct nj_capacity *capacity, const char *name); /* NULL: too many */
void nj_cap_node_drop(struct nj_capacity *capacity, struct nj_cap_node *node);
struct nj_cap_pod *nj_cap_pod_find(const struct nj_capacity *capacity, const char *uid);
struct nj_cap_pod *nj_cap_pod_add(struct nj_capacity *capacity, struct nj_cap_node *node, const char *uid,
                                  const char *namespace, const char *name); /* NULL: too many */
void nj_cap_pod_drop(struct nj_capacity *capacity, struct nj_cap_pod *pod);
void nj_cap_empty(struct nj_capacity *capacity, struct nj_cap_node *node); /* of its pods */
void nj_cap_bury(struct nj_capacity *capacity); /* frees what is in the graveyard */
/* Around every change of what is summed up. */
void nj_cap_uncount(struct nj_cap_pod *pod);
void nj_cap_count(struct nj_cap_pod *pod);
void nj_cap_place(struct nj_capacity *capacity, struct nj_cap_pod *pod, const char *placement);
bool nj_cap_movable(const struct nj_cap_pod *pod);
bool nj_cap_known(const struct nj_capacity *capacity, const struct nj_cap_node *node);
const struct nj_nodes_node *nj_cap_object(const struct nj_capacity *capacity, const char *name);

/* capacity_usage.c */
void nj_cap_use_init(struct nj_cap_use *use);

/* capacity_run.c */
void nj_cap_tick(struct nj_timer *timer);

#endif
