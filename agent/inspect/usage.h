/*
 * What containers used, gathered to minutes: sketches of CPU (cores), memory (working set), throttling and
 * GPU, from one scan to the next. A pure core; one thread. A minute is told when the first scan of the next
 * one has come.
 */
#ifndef NJ_INSPECT_USAGE_H
#define NJ_INSPECT_USAGE_H

#include "agent/inspect/figures.h"
#include "common/wire/event.h"

struct nj_usage_minutes;

struct nj_usage_minutes *nj_usage_minutes_new(void);
void nj_usage_minutes_free(struct nj_usage_minutes *usage); /* takes NULL */

/* One container's figures at a scan; counters are compared with the scan before. gpu_use < 0 and gpu_memory
 * NJ_UNKNOWN: none. Returns true when `ret_item`'s metrics (borrowed until the next call) tell the minute
 * that has ended, `ret_minute_ns`; its subject, requests and limits are for the caller to fill in. */
bool nj_usage_add(struct nj_usage_minutes *usage, const struct nj_container_figures *figures, double gpu_use,
                  uint64_t gpu_memory, int64_t wall_ns, int64_t *ret_minute_ns,
                  struct nj_usage_item *ret_item);
/* The container is gone: what its last minute had. */
bool nj_usage_end(struct nj_usage_minutes *usage, const char *container_id, int64_t *ret_minute_ns,
                  struct nj_usage_item *ret_item);

/* Likewise of the node as a whole. */
bool nj_usage_add_node(struct nj_usage_minutes *usage, const struct nj_node_figures *figures,
                       int64_t *ret_minute_ns, struct nj_usage_item *ret_item);

/* CPU use, in cores, of this container between the two last scans; < 0: not known. For /metrics. */
double nj_usage_cpu(const struct nj_usage_minutes *usage, const char *container_id);

#endif
